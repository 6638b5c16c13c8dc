"""The connection to the broker: one thread that owns paho, and everything it is told by others.

Nothing waits for it: other threads leave the newest state and go on. While there is no connection,
only the newest of each retained message is kept; events wait in the history.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import random
import select
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.config import Config
from edge.domain import Fault, FaultChange, State
from edge.history.days import Day
from edge.history.store import Waiting
from edge.mqtt import trouble
from edge.mqtt.backoff import Backoff, Bucket
from edge.mqtt.commands import MAX_TOPIC_CHARS, Refusal, Vocabulary, parse
from edge.mqtt.payloads import (
    OFFLINE,
    ONLINE,
    WallTime,
    encode,
    event_payload,
    health_payload,
    state_payload,
    today_payload,
)
from edge.mqtt.topics import Topics
from edge.mqtt.trouble import Trouble
from edge.ports import Inbox

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
CONNACK_TIMEOUT_S = 10.0
MAX_PACKET_BYTES = 16_384  # nothing that this box subscribes to is larger
AT_ONCE = 20  # unacknowledged messages on their way; a broker may allow fewer
WINDOW = 14  # of them events
FAULT_AFTER_S = 10.0  # a broker that restarts is no fault
FLAPS = 3  # so many connections in a row that end right after they were made are suspicious
SETTLED_S = 10.0  # a connection that lasts this long resets the back-off
BIRTH_SPREAD_S = 3.0
MAX_FLUSH_S = 2.0
CLOCK_SET_S = 2.0


class Outbox(Protocol):
    """Where events wait. Its methods return at once; `reply` is called in another thread."""

    @property
    def queued(self) -> int: ...

    def fetch(self, after: int, limit: int, reply: Callable[[Sequence[Waiting]], None]) -> None: ...

    def acknowledge(self, place: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int
    # The broker in the box speaks 3.1.1 only; asking it for more would cost a failed attempt.
    only_311: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class _State:
    state: State
    told_s: float


@dataclass(frozen=True, slots=True)
class _Today:
    day: Day


@dataclass(frozen=True, slots=True)
class _Health:
    figures: Mapping[str, float | int | None]


@dataclass(frozen=True, slots=True)
class _Fetched:
    connection: int
    events: Sequence[Waiting]


class _Grown:
    """The outbox has more."""


class _Close:
    pass


_Mail = _State | _Today | _Health | _Fetched | _Grown | _Close


@dataclass(slots=True)
class _Slot:
    """A retained topic. One message of it is on its way at a time, so a slow broker gets the newest
    state late, not all states later and later."""

    topic: str
    wanted: bytes | None = None
    sent: bytes | None = None
    mid: int | None = None


class _BoundedClient(Client):
    """Paho would buffer whatever length a packet claims to have, up to 256 MiB. MQTT 5 lets us
    tell the broker a limit; 3.1.1 does not, so such a connection is given up instead."""

    tls_error: ssl.SSLError | None = None  # paho keeps to itself why a connection ended

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > MAX_PACKET_BYTES:
            raise ConnectionAbortedError(f"a packet of {bufsize} bytes")
        try:
            return super()._sock_recv(bufsize)
        except ssl.SSLError as exc:
            # With TLS 1.3 a server says only after the handshake that it wants a certificate.
            self.tls_error = exc
            raise


class MqttClient:
    """Publishes what it is told, obeys commands, comes back whenever the broker does.

    `inbox` gets commands and `Fault.BROKER`; `refuse` gets every command that changed nothing;
    `discovery` gives the messages for the discovery topic, in order.
    """

    def __init__(
        self,
        config: Config,
        address: Address,
        *,
        outbox: Outbox,
        inbox: Inbox,
        refuse: Callable[[Refusal], None],
        discovery: Callable[[], Sequence[bytes]] = lambda: (),
        wall_clock: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff | None = None,
        fault_after_s: float = FAULT_AFTER_S,
        birth_spread_s: float = BIRTH_SPREAD_S,
    ) -> None:
        self._config = config
        self._address = address
        self._topics = Topics.of(config)
        self._vocabulary = Vocabulary.of(config)
        self._outbox = outbox
        self._inbox = inbox
        self._refuse = refuse
        self._discovery = discovery
        self._wall_clock = wall_clock
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._fault_after_s = fault_after_s
        self._birth_spread_s = birth_spread_s
        self._random = random.Random()

        self._mail: queue.SimpleQueue[_Mail] = queue.SimpleQueue()
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_r, False)
        os.set_blocking(self._wake_w, False)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

        # All below belongs to the thread.
        self._closing = False
        self._state: _State | None = None
        self._day: Day | None = None
        self._figures: Mapping[str, float | int | None] | None = None
        self._wall_offset_s: float | None = None
        self._commands = Bucket(burst=20, per_s=5, clock=clock)
        self._refusals = Bucket(burst=20, per_s=1, clock=clock)
        self._unheard = 0
        self._down_since_s = clock()
        self._fault_told = False
        self._said: set[str] = set()
        self._short_lived = 0

        # And this to the present connection.
        self._connection = 0
        self._client: _BoundedClient | None = None
        self._version = MQTTProtocolVersion.MQTTv5
        self._connack: int | None = None
        self._lost: Trouble | None = None
        self._at_once = AT_ONCE
        self._announcing: list[bytes] = []
        self._announced: set[int] = set()
        self._slots: dict[str, _Slot] = {}
        self._on_their_way: dict[int, int] = {}
        self._cursor = 0
        self._fetching = False
        self._more = False
        self._events_refused = False
        self._announce_at_s: float | None = None

    # ------------------------------------------------------------ from any thread, at once

    def start(self) -> None:
        mqtt = self._config.mqtt
        if not mqtt.tls and not mqtt.allow_plaintext and not _is_local(self._address.host):
            log.warning(
                "the connection to %s is not encrypted: anybody on the way can read and change it;"
                " set mqtt.tls, or mqtt.allow_plaintext to accept that",
                self._address,
            )
        self._thread.start()

    def state(self, state: State) -> None:
        self._post(_State(state, self._clock()))

    def today(self, day: Day) -> None:
        self._post(_Today(day))

    def health(self, figures: Mapping[str, float | int | None]) -> None:
        self._post(_Health(figures))

    def grown(self) -> None:
        """There is more in the outbox."""
        self._post(_Grown())

    def close(self, timeout_s: float = 5.0) -> None:
        """Say goodbye, so that subscribers see `offline` without waiting for the last will."""
        if not self._thread.is_alive():
            return
        self._post(_Close())
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            log.warning("the MQTT connection did not end within %g s", timeout_s)

    def _post(self, mail: _Mail) -> None:
        self._mail.put(mail)
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes as well as one more byte
            os.write(self._wake_w, b"!")

    # ------------------------------------------------------------ the thread: connecting

    def _run(self) -> None:
        while True:
            began_s = self._clock()
            try:
                found = self._connect_and_serve()
            except Exception:
                # A mistake in here must not end the telling for good, and must not pass unseen.
                log.exception("the MQTT connection broke down")
                found = Trouble("a mistake in this program", lasting=True)
            if self._closing:
                return
            if found is None:
                continue  # at once, with the other version
            if self._connack == 0:
                settled = self._clock() - began_s >= SETTLED_S
                self._short_lived = 0 if settled else self._short_lived + 1
                if settled:
                    self._backoff.reset()
                elif self._short_lived >= FLAPS and found.text == trouble.LOST:
                    found = trouble.FLAPPING
            wait_s = self._backoff.next_s(lasting=found.lasting)
            self._report(found, wait_s)
            self._idle(until_s=self._clock() + wait_s, trouble_=found)

    def _connect_and_serve(self) -> Trouble | None:
        """One connection from its attempt to its end. None: try the other version at once."""
        self._connection += 1
        self._connack = self._lost = None
        self._on_their_way.clear()
        self._announcing, self._announced = [], set()
        self._cursor, self._fetching, self._more = 0, False, True
        self._events_refused = False
        self._announce_at_s = None
        topics = self._topics
        self._slots = {
            topic: _Slot(topic)
            for topic in (topics.state, topics.today, topics.health, topics.availability)
        }
        if self._address.only_311:
            self._version = MQTTProtocolVersion.MQTTv311
        try:
            client = self._client = self._make_client()
            self._open(client)
        except (OSError, ValueError) as exc:
            return trouble.of_connecting(exc, tls=self._config.mqtt.tls)
        try:
            return self._serve(client)
        finally:
            sock = client.socket()
            if sock is not None:
                sock.close()
            self._client = None

    def _open(self, client: Client) -> None:
        """Raises OSError, ValueError."""
        mqtt, address = self._config.mqtt, self._address
        if client.protocol is not MQTTProtocolVersion.MQTTv5:
            client.connect(address.host, address.port, keepalive=mqtt.keepalive_s)
            return
        limits = _properties(PacketTypes.CONNECT)
        limits.MaximumPacketSize = MAX_PACKET_BYTES
        # Nothing is kept for an absent box: what was commanded while it was away is not for later.
        limits.SessionExpiryInterval = 0
        client.connect(
            address.host,
            address.port,
            keepalive=mqtt.keepalive_s,
            clean_start=True,
            properties=limits,
        )

    def _make_client(self) -> _BoundedClient:
        """Raises OSError, ValueError for files and secrets that cannot be read.

        A new one for each connection: what paho would send again by itself is sent from the
        outbox, in its order.
        """
        mqtt = self._config.mqtt
        five = self._version is MQTTProtocolVersion.MQTTv5
        client = _BoundedClient(
            CallbackAPIVersion.VERSION2,
            client_id=self._topics.client_id,
            clean_session=None if five else True,
            protocol=self._version,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        username = mqtt.username or _credential_text("mqtt-username")
        if username:
            client.username_pw_set(username, _password(self._config) or None)
        if mqtt.tls:
            client.tls_set_context(_tls_context(self._config))
        client.will_set(self._topics.availability, OFFLINE, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _serve(self, client: Client) -> Trouble | None:
        poll = select.poll()
        poll.register(self._wake_r, select.POLLIN)
        sock = client.socket()
        if sock is None:
            return self._ended()  # it ended while saying hello
        number = sock.fileno()
        deadline_s = self._clock() + CONNACK_TIMEOUT_S
        flush_until_s: float | None = None
        while True:
            poll.register(number, select.POLLIN | (select.POLLOUT if client.want_write() else 0))
            ready = dict(poll.poll(self._patience_ms()))
            if ready.get(number, 0) & ~select.POLLOUT:
                self._read(client, sock)
            if client.want_write() and self._lost is None:
                client.loop_write()
            if self._lost is None:
                client.loop_misc()
            if self._lost is not None:
                return self._ended()
            if self._connack is None and self._clock() >= deadline_s:
                return Trouble("the broker takes the connection, but does not answer")
            self._take_mail()
            if self._connack == 0:
                self._send()
                if self._closing:
                    if flush_until_s is None:
                        flush_until_s = self._clock() + MAX_FLUSH_S
                    if self._flushed() or self._clock() >= flush_until_s:
                        self._say_goodbye(client)
                        return None
            elif self._closing:
                return None

    def _read(self, client: Client, sock: object) -> None:
        try:
            while True:
                client.loop_read()
                # What TLS has decrypted already does not show on the socket.
                waiting = sock.pending() if isinstance(sock, ssl.SSLSocket) else 0
                if self._lost is not None or not waiting:
                    return
        except Exception as exc:
            # Paho raises many things for a malformed packet.
            log.debug("while reading from the broker", exc_info=True)
            self._lost = Trouble(f"the broker sends what is not MQTT ({type(exc).__name__})")

    def _ended(self) -> Trouble | None:
        if self._connack is None and self._client is not None and self._client.tls_error:
            return trouble.of_connecting(self._client.tls_error, tls=True)
        if self._connack == trouble.UNSUPPORTED_VERSION or self._connack is None:
            # Older brokers answer MQTT 5 with a refusal, or just hang up.
            if self._version is MQTTProtocolVersion.MQTTv5:
                self._version = MQTTProtocolVersion.MQTTv311
                return None
            if not self._address.only_311:
                self._version = MQTTProtocolVersion.MQTTv5
        if self._connack is None:
            mqtt = self._config.mqtt
            return trouble.of_silence(tls=mqtt.tls, certificate=bool(mqtt.cert_file))
        if self._connack != 0:
            return trouble.of_refusal(self._connack)
        return self._lost or trouble.of_disconnection(None)

    def _patience_ms(self) -> int:
        """How long nothing has to be done for; paho wants to look at its clock every second."""
        if self._announce_at_s is None or self._state is None:
            return 1000
        left_s = self._announce_at_s - self._clock()
        return max(0, min(1000, int(left_s * 1000) + 1))

    def _idle(self, *, until_s: float, trouble_: Trouble) -> None:
        """Wait with the mailbox open."""
        poll = select.poll()
        poll.register(self._wake_r, select.POLLIN)
        while not self._closing:
            left_s = until_s - self._clock()
            if left_s <= 0:
                return
            if not self._fault_told:
                fault_in_s = self._down_since_s + self._fault_after_s - self._clock()
                left_s = min(left_s, max(fault_in_s, 0.0))
            poll.poll(int(left_s * 1000) + 1)
            self._take_mail()
            self._tell_fault(trouble_)

    # ------------------------------------------------------------ the thread: paho's callbacks

    def _on_connect(
        self,
        client: Client,
        _: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._connack = reason.value
        if reason.value != 0:
            return
        self._at_once = min(AT_ONCE, getattr(properties, "ReceiveMaximum", AT_ONCE))
        version = "5" if self._version is MQTTProtocolVersion.MQTTv5 else "3.1.1"
        log.info("connected to the broker at %s (MQTT %s)", self._address, version)
        self._said.clear()
        if self._fault_told:
            self._fault_told = False
            self._inbox.put(FaultChange(Fault.BROKER, False))
        client.subscribe(
            [
                (self._topics.commands, 1),
                (self._topics.home_assistant_status, 1),
                (self._topics.availability, 1),
            ]
        )
        self._announce_at_s = self._clock()

    def _on_disconnect(
        self,
        _: Client,
        __: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        ___: object,
    ) -> None:
        if self._connack == 0:
            self._down_since_s = self._clock()
        if self._lost is not None:
            return  # paho calls again when it closes its end
        from_broker = flags.is_disconnect_packet_from_server
        self._lost = trouble.of_disconnection(reason.value if from_broker else None)

    def _on_publish(self, _: Client, __: object, mid: int, reason: ReasonCode, ___: object) -> None:
        place = self._on_their_way.pop(mid, None)
        if place is not None:
            if reason.is_failure:
                # Kept, and tried again with the next connection: it is the broker's rules that
                # have to change.
                if not self._events_refused:
                    log.warning("the broker does not take events: %s", reason)
                self._events_refused = True
            else:
                self._outbox.acknowledge(place)
            return
        self._announced.discard(mid)
        for slot in self._slots.values():
            if slot.mid == mid:
                slot.mid = None
                if reason.is_failure:
                    log.warning("the broker does not take %s: %s", slot.topic, reason)

    def _on_subscribe(
        self, _: Client, __: object, mid: int, reasons: list[ReasonCode], ___: object
    ) -> None:
        if reasons and reasons[0].is_failure:
            log.warning("the broker does not let this box hear commands: %s", reasons[0])

    def _on_message(self, _: Client, __: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        if topic == self._topics.home_assistant_status:
            if message.payload == ONLINE and not message.retain:
                # Spread out: many boxes hear the same birth message.
                spread_s = self._birth_spread_s * self._random.random()
                self._announce_at_s = self._clock() + spread_s
        elif topic == self._topics.availability:
            if message.payload == OFFLINE and not self._closing:
                # A last will that came late, of a connection that this one has replaced.
                self._slots[topic].sent = None
        else:
            self._hear(topic, bytes(message.payload), retained=message.retain)

    def _hear(self, topic: str, payload: bytes, *, retained: bool) -> None:
        if not self._commands.take():
            self._unheard += 1
            if self._unheard == 1:
                log.warning("too many commands; some are not heard")
            return
        if self._unheard:
            log.warning("%d commands were too many and not heard", self._unheard)
            self._unheard = 0
        command = parse(
            topic, payload, retained=retained, topics=self._topics, vocabulary=self._vocabulary
        )
        if not isinstance(command, Refusal):
            self._inbox.put(command)
            return
        log.warning("command %s refused: %s", command.command[:MAX_TOPIC_CHARS], command.reason)
        if self._refusals.take():
            self._refuse(command)

    # ------------------------------------------------------------ the thread: sending

    def _take_mail(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_r, 4096)
        while True:
            try:
                mail = self._mail.get_nowait()
            except queue.Empty:
                return
            match mail:
                case _State():
                    self._state = mail
                    self._want_state()
                case _Today(day):
                    self._day = day
                    self._want(self._topics.today, encode(today_payload(day)))
                case _Health(figures):
                    self._figures = figures
                    self._want_health()
                case _Fetched(connection, events):
                    if connection == self._connection:
                        self._send_events(events)
                case _Grown():
                    self._more = True
                case _Close():
                    self._closing = True

    def _want(self, topic: str, payload: bytes) -> None:
        slot = self._slots.get(topic)
        if slot is not None:
            slot.wanted = payload

    def _want_state(self) -> None:
        if self._state is None:
            return
        payload = state_payload(self._state.state, self._config, self._wall_time(self._state))
        self._want(self._topics.state, encode(payload))

    def _want_health(self) -> None:
        if self._figures is not None:
            payload = health_payload(
                self._figures, now=self._wall_clock(), queued=self._outbox.queued
            )
            self._want(self._topics.health, encode(payload))

    def _wall_time(self, told: _State) -> WallTime:
        """The same moment is always told as the same time, until the wall clock is set."""
        now = self._wall_clock()
        ago_s = self._clock() - told.told_s
        offset_s = now.timestamp() - ago_s - told.state.at_s
        held_s = self._wall_offset_s
        if held_s is None or abs(offset_s - held_s) > CLOCK_SET_S:
            self._wall_offset_s = held_s = offset_s
        wall = datetime.fromtimestamp(held_s + told.state.at_s, tz=now.tzinfo)
        return WallTime(told.state.at_s, wall)

    def _announce(self) -> None:
        """Everything that is retained, `online` last: who sees it finds the rest up to date."""
        if self._config.mqtt.discovery:
            self._announcing = list(self._discovery())
        for slot in self._slots.values():
            slot.sent = None
        self._want_state()
        if self._day is not None:
            self._want(self._topics.today, encode(today_payload(self._day)))
        self._want_health()
        self._want(self._topics.availability, ONLINE)

    def _send(self) -> None:
        if self._state is None:
            return  # nobody is told `online` by a box that has nothing to say yet
        if self._announce_at_s is not None and self._clock() >= self._announce_at_s:
            self._announce_at_s = None
            self._announce()
        while self._announcing and self._room() > 0:
            self._announce_one(self._announcing.pop(0))
        if self._announcing:
            return
        for slot in self._slots.values():
            if slot.wanted not in (None, slot.sent) and slot.mid is None and self._room() > 0:
                self._publish(slot, slot.wanted)
        room = min(WINDOW - len(self._on_their_way), self._room())
        enough = min(WINDOW, self._at_once) // 2
        if (
            self._more
            and not self._fetching
            and not self._events_refused
            and room >= max(enough, 1)
        ):
            self._fetching, self._more = True, False
            connection = self._connection
            self._outbox.fetch(
                self._cursor, room, lambda events: self._post(_Fetched(connection, events))
            )

    def _room(self) -> int:
        """How many more messages the broker takes before it acknowledges some."""
        slots = sum(slot.mid is not None for slot in self._slots.values())
        return self._at_once - slots - len(self._announced) - len(self._on_their_way)

    def _announce_one(self, message: bytes) -> None:
        assert self._client is not None
        info = self._client.publish(self._topics.discovery, message, qos=1, retain=True)
        self._announced.add(info.mid)

    def _publish(self, slot: _Slot, payload: bytes) -> None:
        assert self._client is not None
        retain, properties = True, None
        if slot.topic == self._topics.health:
            # Old health is worse than none. MQTT 5 forgets it in time; 3.1.1 must not keep it.
            retain = self._version is MQTTProtocolVersion.MQTTv5
            if retain:
                properties = _properties(PacketTypes.PUBLISH)
                properties.MessageExpiryInterval = max(1, round(3 * self._config.mqtt.health_s))
        info = self._client.publish(
            slot.topic, payload, qos=1, retain=retain, properties=properties
        )
        slot.mid, slot.sent = info.mid, payload

    def _send_events(self, events: Sequence[Waiting]) -> None:
        self._fetching = False
        if self._client is None or self._connack != 0 or self._events_refused:
            return
        now = self._wall_clock()
        for waiting in events:
            payload = encode(event_payload(waiting.record, now=now))
            info = self._client.publish(self._topics.event, payload, qos=1, retain=False)
            self._on_their_way[info.mid] = waiting.place
            self._cursor = waiting.place
        if events:
            self._more = True

    def _flushed(self) -> bool:
        return (
            not self._on_their_way
            and not self._announced
            and not self._fetching
            and (not self._more or self._events_refused or self._state is None)
            and all(slot.mid is None and slot.wanted == slot.sent for slot in self._slots.values())
        )

    def _say_goodbye(self, client: Client) -> None:
        info = client.publish(self._topics.availability, OFFLINE, qos=1, retain=True)
        deadline_s = self._clock() + 1.0
        while not info.is_published() and self._clock() < deadline_s and self._lost is None:
            client.loop(timeout=0.05)
        client.disconnect()
        client.loop_write()

    # ------------------------------------------------------------ the thread: telling

    def _report(self, found: Trouble, wait_s: float) -> None:
        # One line for each kind of trouble, however often it is met.
        level = logging.DEBUG if found.text in self._said else logging.WARNING
        self._said.add(found.text)
        log.log(
            level,
            "no connection to the broker at %s: %s; the next attempt follows in %.1f s",
            self._address,
            found.text,
            wait_s,
        )
        self._tell_fault(found)

    def _tell_fault(self, found: Trouble) -> None:
        if self._fault_told:
            return
        if found.lasting or self._clock() - self._down_since_s >= self._fault_after_s:
            self._fault_told = True
            self._inbox.put(FaultChange(Fault.BROKER, True, found.text))


def configured_address(config: Config) -> Address | None:
    """The broker that the owner has named, if any."""
    mqtt = config.mqtt
    if not mqtt.host:
        return None
    return Address(mqtt.host, mqtt.port or (8883 if mqtt.tls else 1883))


def _is_local(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _tls_context(config: Config) -> ssl.SSLContext:
    """Made anew for each attempt, so that a renewed certificate needs no restart."""
    mqtt = config.mqtt
    ca_file = mqtt.ca_file or _credential("mqtt-ca")
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.13 began to insist on extensions that many a home-made authority leaves out. They
    # name keys; who is trusted, for which host and until when is checked all the same.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    cert_file = mqtt.cert_file or _credential("mqtt-cert")
    key_file = mqtt.key_file or _credential("mqtt-key")
    for path in (cert_file, key_file):
        if path:
            Path(path).open("rb").close()  # its error names the file; that of load_cert_chain not
    if cert_file:
        context.load_cert_chain(str(cert_file), str(key_file) if key_file else None)
    return context


def _password(config: Config) -> str:
    mqtt = config.mqtt
    if mqtt.password:
        return mqtt.password
    if mqtt.password_file:
        return Path(mqtt.password_file).read_text(encoding="utf-8").strip()
    return _credential_text("mqtt-password")


def _credential(name: str) -> Path | None:
    """A file that systemd gave to this service (LoadCredential=), if there is one."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        return None
    path = Path(directory) / name
    return path if path.is_file() else None


def _credential_text(name: str) -> str:
    path = _credential(name)
    return path.read_text(encoding="utf-8").strip() if path else ""


def _properties(packet_type: int) -> Properties:
    return Properties(packet_type)  # type: ignore[no-untyped-call]
