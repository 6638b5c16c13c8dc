"""What is told, in which order, how much at once, and what became of it. No network.

`pump` hands over what may leave now; `settle` says what the broker made of it. One message of a
retained topic is on its way at a time, so a slow broker gets the newest state late, not all states
later and later. Events leave in order, and count as told when they are acknowledged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from edge.config import Config
from edge.domain import State
from edge.history.days import Day
from edge.history.store import Waiting
from edge.mqtt import discovery
from edge.mqtt.announced import Announced
from edge.mqtt.payloads import (
    ONLINE,
    WallTime,
    encode,
    event_payload,
    health_payload,
    shortened,
    state_payload,
    today_payload,
)
from edge.mqtt.topics import Topics

log = logging.getLogger(__name__)

AT_ONCE = 20  # unacknowledged messages on their way; a broker may allow fewer
WINDOW = 14  # of them events
CLOCK_SET_S = 2.0
REFUSED_AGAIN_S = 60.0  # events that the broker refused are tried again after this
# A connection that ends within this after it was made, with something large on its way, twice: a
# broker of 3.1.1 cannot say that a message is too large for it, and hangs up.
SUSPICIOUS_S = 10.0
LARGE_BYTES = 1000
LEAST_BYTES = 256
HEADER_BYTES = 24  # of a PUBLISH beside topic and payload, properties included
TOO_LARGE = 0x95  # reason code, MQTT 5.0


class Outbox(Protocol):
    """Where events wait. Its methods return at once; `reply` is called in another thread."""

    @property
    def queued(self) -> int: ...

    def fetch(self, after: int, limit: int, reply: Callable[[Sequence[Waiting]], None]) -> None: ...

    def acknowledge(self, place: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What the broker of this connection takes."""

    at_once: int = AT_ONCE
    packet_bytes: int | None = None
    retain: bool = True
    qos: int = 1
    expiry: bool = True  # MQTT 5: it forgets by itself what is old


@dataclass(frozen=True, slots=True)
class Message:
    topic: str
    payload: bytes
    retain: bool
    qos: int
    expires_s: int | None

    @property
    def bytes(self) -> int:
        return HEADER_BYTES + len(self.topic.encode()) + len(self.payload)


@dataclass(slots=True)
class _Slot:
    """A retained topic: what it should say, and what was last sent."""

    topic: str
    wanted: Mapping[str, Any] | bytes | None = None
    sent: Mapping[str, Any] | bytes | None = None
    on_its_way: bool = False


@dataclass(frozen=True, slots=True)
class _Flight:
    """A message on its way, and what depends on it."""

    message: Message
    slot: _Slot | None = None
    place: int | None = None  # of an event
    components: Mapping[str, str] | None = None  # of an announcement


@dataclass(slots=True)
class _Connection:
    """What is begun anew with each connection."""

    limits: Limits
    began_s: float
    announcing: list[tuple[Message, Mapping[str, str] | None]] = field(default_factory=list)
    flights: dict[int, _Flight] = field(default_factory=dict)
    cursor: int = 0
    fetching: bool = False
    more: bool = True
    refused_until_s: float | None = None  # events


class Delivery:
    """Everything but `events` is called in one thread; `reply` brings fetched events back there."""

    def __init__(
        self,
        config: Config,
        *,
        outbox: Outbox,
        announced: Announced,
        wall_clock: Callable[[], datetime],
        clock: Callable[[], float],
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        """`later` runs what it is given in the thread of the others."""
        self._config = config
        self._topics = topics = Topics.of(config)
        self._outbox = outbox
        self._announced = announced
        self._wall_clock = wall_clock
        self._clock = clock
        self._later = later
        self._slots = {
            topic: _Slot(topic)
            for topic in (topics.state, topics.today, topics.health, topics.availability)
        }
        self._state: tuple[State, float] | None = None  # and when it was told
        self._day: Day | None = None
        self._figures: Mapping[str, float | int | None] | None = None
        self._wall_offset_s: float | None = None
        self._since = wall_clock()
        self._connection: _Connection | None = None
        self._learnt_bytes: int | None = None
        self._suspect_bytes: int | None = None
        self._denied: dict[str, str] = {}  # topic -> the broker's reason
        self._said = ""
        self.announce_at_s: float | None = None

    # ------------------------------------------------------------ what there is to tell

    def state(self, state: State, told_s: float) -> None:
        self._state = state, told_s
        self._want_state()

    def today(self, day: Day) -> None:
        self._day = day
        self._want_today()

    def health(self, figures: Mapping[str, float | int | None]) -> None:
        self._figures = figures
        self._want_health()

    def grown(self) -> None:
        """There is more in the outbox."""
        if self._connection is not None:
            self._connection.more = True

    # ------------------------------------------------------------ the connection

    @property
    def has_something(self) -> bool:
        """Nobody is told `online` by a box that has nothing to say yet."""
        return self._state is not None

    @property
    def complaint(self) -> str:
        """What the broker does not take, in words; empty: it takes everything."""
        if not self._denied:
            return ""
        topics, reasons = sorted(self._denied), sorted(set(self._denied.values()))
        return (
            f"the broker does not take {', '.join(topics)} ({', '.join(reasons)}); its rules have"
            " to allow it"
        )

    @property
    def flushed(self) -> bool:
        at = self._connection
        return at is None or (
            not at.flights
            and not at.fetching
            and (not at.more or at.refused_until_s is not None or self._state is None)
            and all(slot.wanted == slot.sent for slot in self._slots.values())
        )

    def begin(self, limits: Limits) -> None:
        """The broker has taken the connection."""
        self._connection = _Connection(limits, self._clock())
        for slot in self._slots.values():
            slot.sent, slot.on_its_way = None, False
        if not limits.retain:
            self._say_once("the broker keeps nothing: who comes later sees what changes next")
        self.announce_at_s = self._clock()

    def end(self, *, too_large: bool, hung_up: bool) -> None:
        """It is over; `hung_up`: by the broker, without a word."""
        at, self._connection = self._connection, None
        self.announce_at_s = None
        if at is None:
            return
        largest = max((flight.message.bytes for flight in at.flights.values()), default=0)
        short = self._clock() - at.began_s < SUSPICIOUS_S
        if too_large and largest:
            self._learn(largest)
        elif hung_up and short and largest >= LARGE_BYTES:
            known = self._learnt_bytes is not None
            if known or self._suspect_bytes == largest:
                self._learn(largest)
            self._suspect_bytes = largest
        elif not short:
            self._suspect_bytes = None

    def heard_of_itself(self, payload: bytes) -> bool:
        """Somebody wrote on the topic of availability; whether all is to be announced again."""
        if payload != ONLINE:
            # A last will that came late, of a connection that this one has replaced.
            self._slots[self._topics.availability].sent = None
        # Another box cleared what it takes for its own of earlier days.
        return not payload

    # ------------------------------------------------------------ sending

    def pump(self, publish: Callable[[Message], int]) -> None:
        """Hand over what may leave now; `publish` returns the number that `settle` will name."""
        at = self._connection
        if at is None or self._state is None:
            return
        if self.announce_at_s is not None and self._clock() >= self.announce_at_s:
            self.announce_at_s = None
            self._announce(at)
        while at.announcing and self._room(at) > 0:
            message, components = at.announcing.pop(0)
            self._launch(at, _Flight(message, components=components), publish)
        if at.announcing:
            return
        for slot in self._slots.values():
            due = slot.wanted is not None and slot.wanted != slot.sent and not slot.on_its_way
            if due and self._room(at) > 0:
                self._send_slot(at, slot, publish)
        self._fetch(at, publish)

    def settle(self, number: int, *, refused: str = "", reason: int = 0) -> None:
        """The broker has acknowledged; `refused`: its words for why it did not take it."""
        at = self._connection
        flight = at.flights.pop(number, None) if at is not None else None
        if at is None or flight is None:
            return
        if flight.slot is not None:
            flight.slot.on_its_way = False
        if reason == TOO_LARGE:
            self._learn(flight.message.bytes)
            self._again(at, flight)
            return
        topic = flight.message.topic
        if not refused:
            self._denied.pop(topic, None)
            self._took(flight)
            return
        if topic not in self._denied:
            name = "events" if flight.place is not None else topic
            log.warning("the broker does not take %s: %s", name, refused)
        self._denied[topic] = refused.lower()
        if flight.place is not None:
            # Kept, and tried again after a while: it is the broker's rules that have to change.
            at.refused_until_s = self._clock() + REFUSED_AGAIN_S

    def deny(self, topic: str, reason: str) -> None:
        """The broker does not let this box hear `topic`; empty: it does."""
        if reason:
            log.warning("the broker does not let this box hear %s: %s", topic, reason)
            self._denied[topic] = reason.lower()
        else:
            self._denied.pop(topic, None)

    # ------------------------------------------------------------ sending, in detail

    def _room(self, at: _Connection) -> int:
        """How many more messages the broker takes before it acknowledges some."""
        return min(at.limits.at_once, AT_ONCE) - len(at.flights)

    def _most_bytes(self, at: _Connection) -> int | None:
        known = [n for n in (at.limits.packet_bytes, self._learnt_bytes) if n is not None]
        return min(known, default=None)

    def _announce(self, at: _Connection) -> None:
        """Everything that is retained, `online` last: who sees it finds the rest up to date."""
        topics, before = self._topics, self._announced
        wanted = {*self._slots, *([topics.discovery] if self._config.mqtt.discovery else [])}
        before.remember(before.topics | wanted, before.components)
        # `availability` last: a box of that name that is there after all hears of it there, and
        # tells everything again.
        ghosts = sorted(
            before.topics - wanted, key=lambda each: (each.endswith("/availability"), each)
        )
        at.announcing = [(self._message(at, ghost, b""), None) for ghost in ghosts]
        if self._config.mqtt.discovery:
            at.announcing += self._introductions(at)
        for slot in self._slots.values():
            slot.sent = None
        self._want_state()
        self._want_today()
        self._want_health()
        self._slots[topics.availability].wanted = ONLINE

    def _introductions(self, at: _Connection) -> Iterator[tuple[Message, Mapping[str, str] | None]]:
        """The messages that describe the box. A component that it once had and has no more (a seat
        that was taken out) is named one last time, or Home Assistant would keep it for ever."""
        topic, limit = self._topics.discovery, self._most_bytes(at)
        most = None if limit is None else limit - HEADER_BYTES - len(topic.encode())
        now = discovery.platforms(self._config)
        before = self._announced.components
        gone = {key: platform for key, platform in before.items() if key not in now}
        if gone:
            farewell, _ = discovery.fitting(self._config, most, gone=gone)
            if farewell is not None:
                yield self._message(at, topic, farewell), None
        payload, left_out = discovery.fitting(self._config, most)
        if payload is None:
            self._say_once(
                f"the broker takes {limit} bytes at most: the box is not announced to Home"
                " Assistant"
            )
            return
        if left_out:
            self._say_once(
                f"the broker takes {limit} bytes at most: {len(left_out)} of {len(now)} entities"
                " are not announced to Home Assistant"
            )
        yield self._message(at, topic, payload), now

    def _message(
        self, at: _Connection, topic: str, payload: bytes, *, retain: bool = True
    ) -> Message:
        limits = at.limits
        expires_s = None
        if topic == self._topics.health and payload:
            # Old health is worse than none. MQTT 5 forgets it in time; 3.1.1 must not keep it.
            retain = limits.expiry
            if retain:
                expires_s = round(3 * self._config.mqtt.health_s)
        return Message(topic, payload, retain and limits.retain, limits.qos, expires_s)

    def _send_slot(self, at: _Connection, slot: _Slot, publish: Callable[[Message], int]) -> None:
        wanted = slot.sent = slot.wanted
        assert wanted is not None
        payloads = [wanted] if isinstance(wanted, bytes) else map(encode, shortened(wanted))
        message = self._fitting(at, (self._message(at, slot.topic, each) for each in payloads))
        if message is not None:
            slot.on_its_way = True
            self._launch(at, _Flight(message, slot=slot), publish)

    def _launch(self, at: _Connection, flight: _Flight, publish: Callable[[Message], int]) -> None:
        number = publish(flight.message)
        at.flights[number] = flight
        if flight.message.qos == 0:  # which nobody acknowledges
            self.settle(number)

    def _fitting(self, at: _Connection, forms: Iterator[Message]) -> Message | None:
        """The first form that the broker takes."""
        most, topic = self._most_bytes(at), ""
        for message in forms:
            if most is None or message.bytes <= most:
                return message
            topic = message.topic
        if topic not in self._denied:
            log.warning("%s is too large for the broker, which takes %s bytes at most", topic, most)
        self._denied[topic] = "too large for it"
        return None

    def _fetch(self, at: _Connection, publish: Callable[[Message], int]) -> None:
        if at.refused_until_s is not None:
            if self._clock() < at.refused_until_s:
                return
            at.refused_until_s, at.cursor, at.more = None, 0, True
        events = sum(flight.place is not None for flight in at.flights.values())
        room = min(WINDOW - events, self._room(at))
        enough = max(min(WINDOW, at.limits.at_once) // 2, 1)
        if at.more and not at.fetching and room >= enough:
            at.fetching, at.more = True, False

            def fetched(found: Sequence[Waiting]) -> None:
                self._later(lambda: self._send_events(at, found, publish))

            self._outbox.fetch(at.cursor, room, fetched)

    def _send_events(
        self, at: _Connection, found: Sequence[Waiting], publish: Callable[[Message], int]
    ) -> None:
        at.fetching = False
        if at is not self._connection or at.refused_until_s is not None:
            return
        now = self._wall_clock()
        for waiting in found:
            forms = (
                self._message(at, self._topics.event, payload, retain=False)
                for payload in _event_forms(waiting, now)
            )
            message = self._fitting(at, forms)
            if message is None:
                at.refused_until_s = self._clock() + REFUSED_AGAIN_S
                return
            self._launch(at, _Flight(message, place=waiting.place), publish)
            at.cursor = waiting.place
        if found:
            at.more = True

    # ------------------------------------------------------------ what became of it

    def _took(self, flight: _Flight) -> None:
        before = self._announced
        if flight.place is not None:
            self._outbox.acknowledge(flight.place)
        elif flight.components is not None:
            before.remember(before.topics, flight.components)
        elif flight.slot is None and not flight.message.payload:
            before.remember(before.topics - {flight.message.topic}, before.components)

    def _again(self, at: _Connection, flight: _Flight) -> None:
        """In a shorter form, now that more is known of what the broker takes."""
        if flight.slot is not None:
            flight.slot.sent = None
        elif flight.place is not None:
            at.cursor, at.more = min(at.cursor, flight.place - 1), True
        elif flight.message.payload:
            at.announcing = list(self._introductions(at))

    def _learn(self, too_many: int) -> None:
        """A message of that size was too large. How large one may be nobody says: half of it?"""
        most = max(too_many // 2, LEAST_BYTES)
        if self._learnt_bytes is None or most < self._learnt_bytes:
            self._learnt_bytes = most
            log.warning(
                "the broker does not take a message of %d bytes; they are kept below %d",
                too_many,
                most,
            )

    def _say_once(self, text: str) -> None:
        if text != self._said:
            self._said = text
            log.warning("%s", text)

    # ------------------------------------------------------------ the payloads

    def _want_state(self) -> None:
        if self._state is not None:
            state, told_s = self._state
            wall = self._wall_time(state, told_s)
            self._slots[self._topics.state].wanted = state_payload(state, self._config, wall)

    def _want_today(self) -> None:
        if self._day is not None:
            since = counted_since(self._day.date, self._since, kept=self._config.history.enabled)
            self._slots[self._topics.today].wanted = today_payload(self._day, since=since)

    def _want_health(self) -> None:
        if self._figures is not None:
            now = self._wall_clock()
            payload = health_payload(self._figures, now=now, queued=self._outbox.queued)
            self._slots[self._topics.health].wanted = payload

    def _wall_time(self, state: State, told_s: float) -> WallTime:
        """The same moment is always told as the same time, until the wall clock is set."""
        now = self._wall_clock()
        ago_s = self._clock() - told_s
        offset_s = now.timestamp() - ago_s - state.at_s
        held_s = self._wall_offset_s
        if held_s is None or abs(offset_s - held_s) > CLOCK_SET_S:
            self._wall_offset_s = held_s = offset_s
        wall = datetime.fromtimestamp(held_s + state.at_s, tz=now.tzinfo)
        return WallTime(state.at_s, wall)


def counted_since(date: str, started: datetime, *, kept: bool) -> datetime:
    """Since when the figures of that day are counted: its midnight, or the start of a box that
    keeps no history. The same all day, through a change to summer time too."""
    midnight = datetime.fromisoformat(date).astimezone()
    if kept or started.astimezone().date().isoformat() != date:
        return midnight
    return started.replace(microsecond=0)


def _event_forms(waiting: Waiting, now: datetime) -> Iterator[bytes]:
    """The event, then without its details."""
    payload = event_payload(waiting.record, now=now)
    try:
        yield encode(payload)
    except ValueError:
        log.warning("the details of event %d cannot be told", payload["number"])
    yield encode({**payload, "details": {}})
