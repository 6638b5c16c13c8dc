"""What is told, in which order, and what becomes of it: without a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge import decide
from edge.config import Config, SeatConfig
from edge.domain import EventType, Totals
from edge.history.days import Day
from edge.history.record import Record
from edge.history.store import Waiting
from edge.mqtt import discovery
from edge.mqtt.announced import Announced
from edge.mqtt.delivery import (
    REFUSED_AGAIN_S,
    TOO_LARGE,
    WINDOW,
    Delivery,
    Limits,
    Message,
    counted_since,
)
from edge.mqtt.topics import Topics
from tests.fakes import FakeClock

NOON = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
CONFIG = Config()
BASE = "procrastobot/desk"


class FakeOutbox:
    """Events by their place, from 1 on; answers at once."""

    def __init__(self) -> None:
        self.events: dict[int, Waiting] = {}

    def add(self, count: int = 1, **details: object) -> None:
        for _ in range(count):
            place = max(self.events, default=0) + 1
            record = Record(
                number=place,
                id=f"id-{place}",
                type=EventType.PICKUP,
                at=NOON,
                seat="desk",
                details=details,
            )
            self.events[place] = Waiting(place, record)

    @property
    def queued(self) -> int:
        return len(self.events)

    def fetch(self, after: int, limit: int, reply: Callable[[Sequence[Waiting]], None]) -> None:
        reply([each for place, each in sorted(self.events.items()) if place > after][:limit])

    def acknowledge(self, place: int) -> None:
        self.events.pop(place, None)


class Desk:
    """A delivery, and a broker that the test plays."""

    def __init__(self, config: Config = CONFIG, announced: Announced | None = None) -> None:
        self.clock = FakeClock(100.0)
        self.outbox = FakeOutbox()
        self.announced = announced or Announced()
        self.sent: list[Message] = []
        self.waiting: list[int] = []
        self.delivery = Delivery(
            config,
            outbox=self.outbox,
            announced=self.announced,
            wall_clock=lambda: NOON + timedelta(seconds=self.clock.now_s - 100),
            clock=self.clock,
            later=lambda work: work(),
        )
        self.delivery.state(decide.start(config, at_s=100.0), 100.0)
        self.delivery.today(Day("2026-03-05", ("desk",), (Totals(pickups=3),)))
        self.delivery.health({"fps": 9.5})

    def publish(self, message: Message) -> int:
        self.sent.append(message)
        self.waiting.append(len(self.sent))
        return len(self.sent)

    def pump(self, *, refuse: tuple[str, ...] = (), most: int | None = None) -> list[Message]:
        """Let everything leave, and acknowledge it as such a broker does; what has left."""
        first = len(self.sent)
        for _ in range(100):
            self.delivery.pump(self.publish)
            if not self.waiting:
                return self.sent[first:]
            for number in self.waiting[:]:
                self.waiting.remove(number)
                message = self.sent[number - 1]
                if most is not None and message.bytes > most:
                    self.delivery.settle(number, refused="Packet too large", reason=TOO_LARGE)
                elif message.topic.endswith(refuse) and refuse:
                    self.delivery.settle(number, refused="Not authorized", reason=0x87)
                else:
                    self.delivery.settle(number)
        raise AssertionError("it never comes to rest")

    def reconnect(self, limits: Limits = Limits(), **ended: bool) -> None:  # noqa: B008
        self.waiting.clear()
        self.delivery.end(**({"too_large": False, "hung_up": False} | ended))
        self.delivery.begin(limits)


def topics_of(messages: list[Message]) -> list[str]:
    return [message.topic.removeprefix(f"{BASE}/") for message in messages]


def test_online_comes_last_and_events_after_it():
    desk = Desk()
    desk.outbox.add(2)
    desk.delivery.begin(Limits())
    assert topics_of(desk.pump()) == [
        "homeassistant/device/procrastobot_desk/config",
        "state",
        "today",
        "health",
        "availability",
        "event",
        "event",
    ]
    assert desk.delivery.flushed
    assert desk.outbox.queued == 0


def test_nothing_is_told_by_a_box_that_has_nothing_to_say_yet():
    desk = Desk()
    desk.delivery._state = None
    desk.delivery.begin(Limits())
    assert desk.pump() == []


@pytest.mark.parametrize(
    ("at_once", "expected"),
    # Beside the window of events there is room for each retained message.
    [(1, 1), (2, 2), (16, 16), (20, WINDOW + 5), (65535, WINDOW + 5)],
)
def test_no_more_is_on_its_way_than_the_broker_takes_at_once(at_once, expected):
    desk = Desk()
    desk.outbox.add(60)
    desk.delivery.begin(Limits(at_once=at_once))
    most = 0
    for _ in range(1000):
        desk.delivery.pump(desk.publish)
        most = max(most, len(desk.waiting))
        if not desk.waiting:
            break
        desk.delivery.settle(desk.waiting.pop(0))
    assert most == expected
    numbers = [json.loads(m.payload)["number"] for m in desk.sent if m.topic.endswith("/event")]
    assert numbers == list(range(1, 61))


def test_while_one_state_is_on_its_way_only_the_newest_waits():
    desk = Desk()
    desk.delivery.begin(Limits())
    desk.pump()
    state = decide.start(CONFIG, at_s=100.0)
    for volume in (0.1, 0.2, 0.3):
        desk.delivery.state(replace(state, volume=volume), 100.0)
        desk.delivery.pump(desk.publish)
    assert len(desk.waiting) == 1
    told = [json.loads(message.payload)["volume"] for message in desk.pump()]
    assert told == [0.3]


# ---------------------------------------------------------------- what is too large


@pytest.mark.parametrize("most", [20_000, 8192, 4096, 2048, 1024, 700, 300])
def test_nothing_larger_leaves_than_the_broker_said_and_the_rest_does(most):
    desk = Desk()
    desk.outbox.add(3)
    desk.outbox.add(1, story="x" * 5000)
    desk.outbox.add(1)
    desk.delivery.begin(Limits(packet_bytes=most))
    sent = desk.pump()
    assert max(message.bytes for message in sent) <= most
    assert "availability" in topics_of(sent)
    if most >= 700:
        assert desk.outbox.queued == 0
        assert "state" in topics_of(sent)
        assert desk.delivery.complaint == ""
    else:
        assert f"{BASE}/state" in desk.delivery.complaint


def test_a_long_event_is_told_without_its_details_and_holds_up_no_other():
    desk = Desk()
    desk.outbox.add(1, story="x" * 5000)
    desk.outbox.add(1, median=0.8)
    desk.delivery.begin(Limits(packet_bytes=1024))
    events = [json.loads(m.payload) for m in desk.pump() if m.topic.endswith("/event")]
    assert [event["details"] for event in events] == [{}, {"median": 0.8}]


def test_an_event_that_no_json_can_say_is_told_without_its_details():
    desk = Desk()
    desk.outbox.add(1, median=float("nan"))
    desk.outbox.add(1)
    desk.delivery.begin(Limits())
    events = [json.loads(m.payload) for m in desk.pump() if m.topic.endswith("/event")]
    assert [event["number"] for event in events] == [1, 2]


@pytest.mark.parametrize("most", [8192, 3000, 900])
def test_a_broker_that_says_too_large_only_afterwards_gets_it_shorter(most, caplog):
    desk = Desk()
    desk.outbox.add(2, story="x" * 2500)
    desk.delivery.begin(Limits())
    sent = desk.pump(most=most)
    assert "they are kept below" in caplog.text
    assert "availability" in topics_of(sent)
    assert desk.outbox.queued == 0
    assert sum(message.bytes > most for message in sent) <= 8


@pytest.mark.parametrize("most", [8192, 3000])
def test_a_broker_that_hangs_up_on_what_is_large_is_found_out(most):
    """As MQTT 3.1.1 does: it has no other way to say so."""
    desk = Desk()
    desk.outbox.add(3)
    connections = 0
    desk.delivery.begin(Limits(expiry=False))
    while connections < 20:
        connections += 1
        desk.delivery.pump(desk.publish)
        large = [number for number in desk.waiting if desk.sent[number - 1].bytes > most]
        if not large:
            break
        desk.clock.advance(1)
        desk.reconnect(Limits(expiry=False), hung_up=True)
    assert connections <= 5
    desk.pump()
    assert desk.outbox.queued == 0
    assert desk.delivery.flushed


def test_a_connection_that_was_cut_once_shortens_nothing():
    desk = Desk()
    desk.delivery.begin(Limits())
    desk.delivery.pump(desk.publish)
    desk.reconnect(hung_up=True)
    sent = desk.pump()
    assert sent[0].payload == discovery.message(CONFIG)


def test_a_short_announcement_says_the_same_in_fewer_words():
    full = json.loads(discovery.message(CONFIG))
    short, left_out = discovery.fitting(CONFIG, len(discovery.message(CONFIG)) - 1)
    assert short is not None
    assert left_out == ()
    words = {value: key for key, value in discovery.SHORT.items()}

    def long(value):
        if isinstance(value, dict):
            return {words.get(key, key): long(each) for key, each in value.items()}
        if isinstance(value, str) and value.startswith("~/"):
            return BASE + value[1:]
        return value

    def bare(value):
        if isinstance(value, dict):
            return {key: bare(each) for key, each in value.items() if key != "icon"}
        return value

    found = long(json.loads(short))
    assert found.pop("~") == BASE
    assert found == bare(full)


def test_what_is_wanted_most_is_announced_longest():
    kept = set(discovery.components(CONFIG))
    for most in (9000, 6000, 4000, 2500):
        payload, left_out = discovery.fitting(CONFIG, most)
        assert payload is not None
        assert len(payload) <= most
        assert set(left_out) >= set(discovery.components(CONFIG)) - kept
        kept -= set(left_out)
    assert {"desk_phone", "desk_occupied", "activity"} <= kept
    assert discovery.fitting(CONFIG, 100)[0] is None


# ---------------------------------------------------------------- what the broker does not take


@pytest.mark.parametrize("topic", ["/config", "/state", "/today", "/health", "/availability"])
def test_a_message_that_is_refused_is_a_complaint_until_it_is_taken(topic, caplog):
    desk = Desk()
    desk.delivery.begin(Limits())
    desk.pump(refuse=(topic,))
    assert topic in desk.delivery.complaint
    assert "not authorized" in desk.delivery.complaint
    desk.delivery.announce_at_s = desk.clock()
    desk.pump(refuse=(topic,))
    assert caplog.text.count("does not take") == 1, "one line, however often it is refused"
    desk.delivery.announce_at_s = desk.clock()
    desk.pump()
    assert desk.delivery.complaint == ""


def test_refused_events_wait_and_are_tried_again_after_a_while():
    desk = Desk()
    desk.outbox.add(30)
    desk.delivery.begin(Limits())
    desk.pump(refuse=("/event",))
    assert desk.outbox.queued == 30
    assert f"{BASE}/event" in desk.delivery.complaint
    assert desk.pump() == []
    assert desk.delivery.flushed
    desk.clock.advance(REFUSED_AGAIN_S)
    desk.delivery.grown()
    numbers = [json.loads(m.payload)["number"] for m in desk.pump() if m.topic.endswith("/event")]
    assert numbers == list(range(1, 31))
    assert desk.delivery.complaint == ""


def test_commands_that_may_not_be_heard_are_a_complaint():
    desk = Desk()
    desk.delivery.deny(f"{BASE}/command/+", "Not authorized")
    assert f"{BASE}/command/+" in desk.delivery.complaint
    desk.delivery.deny(f"{BASE}/command/+", "")
    assert desk.delivery.complaint == ""


def test_a_broker_that_keeps_or_acknowledges_nothing_gets_it_so():
    desk = Desk()
    desk.outbox.add(2)
    desk.delivery.begin(Limits(retain=False, qos=0))
    desk.delivery.pump(desk.publish)
    desk.waiting.clear()  # such a broker acknowledges nothing
    desk.pump()
    assert not any(message.retain or message.qos for message in desk.sent)
    assert desk.delivery.flushed
    assert desk.outbox.queued == 0


# ---------------------------------------------------------------- what was left there before


def retained(messages: list[Message], before: dict[str, bytes] | None = None) -> dict[str, bytes]:
    """What a broker has after these."""
    kept = dict(before or {})
    for message in messages:
        if message.retain:
            kept[message.topic] = message.payload
    return {topic: payload for topic, payload in kept.items() if payload}


@pytest.mark.parametrize(
    "changes",
    [
        {"box": {"id": "office"}},
        {"mqtt": {"base_topic": "house/box"}},
        {"mqtt": {"discovery": False}},
        {"mqtt": {"discovery_prefix": "ha"}},
        {"box": {"id": "office"}, "mqtt": {"base_topic": "x", "discovery_prefix": "y"}},
    ],
    ids=["id", "base", "discovery off", "prefix", "all"],
)
def test_names_that_change_leave_nothing_behind(tmp_path: Path, changes):
    first = Desk(CONFIG, Announced(tmp_path / "announced.json"))
    first.delivery.begin(Limits())
    there = retained(first.pump())
    config = CONFIG
    for section, values in changes.items():
        config = replace(config, **{section: replace(getattr(config, section), **values)})
    second = Desk(config, Announced(tmp_path / "announced.json"))
    second.delivery.begin(Limits())
    there = retained(second.pump(), there)
    topics = Topics.of(config)
    wanted = {topics.state, topics.today, topics.health, topics.availability}
    assert set(there) == wanted | ({topics.discovery} if config.mqtt.discovery else set())
    again = Desk(config, Announced(tmp_path / "announced.json"))
    again.delivery.begin(Limits())
    assert all(message.payload for message in again.pump()), "once is enough"


def test_what_could_not_be_cleared_is_cleared_the_next_time(tmp_path: Path):
    path = tmp_path / "announced.json"
    Announced(path).remember({"old/state"}, {})
    desk = Desk(CONFIG, Announced(path))
    desk.delivery.begin(Limits())
    desk.pump(refuse=("old/state",))
    assert "old/state" in Announced(path).topics
    desk.reconnect()
    desk.pump()
    assert "old/state" not in Announced(path).topics


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"topics": ["a/#"], "components": {}}', '{"topics": 3}', "[" * 9999]
)
def test_a_damaged_memory_is_said_and_costs_nothing_else(tmp_path: Path, text, caplog):
    path = tmp_path / "announced.json"
    path.write_text(text)
    desk = Desk(CONFIG, Announced(path))
    desk.delivery.begin(Limits())
    assert len(desk.pump()) == 5
    assert "is not known" in caplog.text


def test_a_memory_that_cannot_be_written_is_said(tmp_path: Path, caplog):
    (tmp_path / "file").write_text("")
    desk = Desk(CONFIG, Announced(tmp_path / "file" / "announced.json"))
    desk.delivery.begin(Limits())
    assert len(desk.pump()) == 5
    assert "cannot be remembered" in caplog.text


def test_a_seat_that_is_gone_is_named_one_last_time(tmp_path: Path):
    two = replace(CONFIG, seats=(SeatConfig(name="left"), SeatConfig(name="right")))
    path = tmp_path / "announced.json"

    def announcements(config: Config) -> list[dict]:
        desk = Desk(config, Announced(path))
        desk.delivery.begin(Limits())
        found = [m.payload for m in desk.pump() if m.topic.endswith("/config")]
        return [json.loads(payload)["components"] for payload in found]

    assert len(announcements(two)) == 1
    farewell, now = announcements(replace(two, seats=two.seats[:1]))
    gone = set(farewell) - set(now)
    assert "right_phone" in gone
    assert all(set(farewell[key]) == {"platform"} for key in gone)
    assert len(announcements(replace(two, seats=two.seats[:1]))) == 1


def test_a_box_whose_topics_another_one_cleared_says_everything_again():
    desk = Desk()
    assert desk.delivery.heard_of_itself(b"")
    assert not desk.delivery.heard_of_itself(b"offline")
    assert not desk.delivery.heard_of_itself(b"online")


# ---------------------------------------------------------------- since when is counted


def test_a_day_is_counted_from_one_moment_on_whenever_it_is_asked():
    before, after = (datetime(2026, 3, 29, hour, tzinfo=UTC) for hour in (0, 22))
    assert counted_since("2026-03-29", before, kept=True) == counted_since(
        "2026-03-29", after, kept=True
    )
    assert counted_since("2026-03-29", before, kept=True) != counted_since(
        "2026-03-30", before, kept=True
    )


def test_without_a_history_it_is_counted_from_the_start_of_the_box():
    started = datetime.now().astimezone()
    today, tomorrow = (started + timedelta(days=n) for n in (0, 1))
    assert counted_since(today.date().isoformat(), started, kept=False) == started.replace(
        microsecond=0
    )
    assert counted_since(tomorrow.date().isoformat(), started, kept=False).hour == 0
