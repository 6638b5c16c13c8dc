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
    TOO_LARGE,
    Delivery,
    Limits,
    Message,
    counted_since,
)
from edge.mqtt.payloads import (
    WallTime,
    encode,
    event_payload,
    health_payload,
    state_payload,
    today_payload,
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
        self.asked: list[tuple[int, int]] = []  # after which place, and for how many

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
        self.asked.append((after, limit))
        reply([each for place, each in sorted(self.events.items()) if place > after][:limit])

    def acknowledge(self, place: int) -> None:
        self.events.pop(place, None)


class Desk:
    """A delivery, and a broker that the test plays."""

    def __init__(self, config: Config = CONFIG, announced: Announced | None = None) -> None:
        self.clock = FakeClock(100.0)
        self.set_by_s = 0.0  # the wall clock
        self.outbox = FakeOutbox()
        self.announced = announced or Announced()
        self.sent: list[Message] = []
        self.waiting: list[int] = []
        self.delivery = Delivery(
            config,
            outbox=self.outbox,
            announced=self.announced,
            wall_clock=lambda: NOON + timedelta(seconds=self.clock.now_s - 100 + self.set_by_s),
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


def test_who_connects_again_hears_how_much_waits_by_then():
    desk = Desk()
    desk.delivery.begin(Limits())
    desk.pump()
    desk.outbox.add(3)
    desk.reconnect()
    (health,) = [each for each in desk.pump() if each.topic == f"{BASE}/health"]
    assert json.loads(health.payload)["queued"] == 3


def test_nothing_is_told_by_a_box_that_has_nothing_to_say_yet():
    desk = Desk()
    desk.delivery._state = None
    desk.delivery.begin(Limits())
    assert desk.pump() == []


@pytest.mark.parametrize(
    ("at_once", "expected"),
    # Beside the window of events there is room for each retained message.
    [(1, 1), (2, 2), (16, 16), (20, 19), (65535, 19)],
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


def test_events_are_fetched_in_handfuls_and_no_more_than_have_room():
    desk = Desk()
    desk.delivery.begin(Limits())
    desk.pump()
    desk.outbox.asked.clear()
    desk.outbox.add(40)
    desk.delivery.grown()
    desk.delivery.pump(desk.publish)
    assert (desk.outbox.asked, len(desk.waiting)) == ([(0, 14)], 14)
    for _ in range(6):
        desk.delivery.settle(desk.waiting.pop(0))
        desk.delivery.pump(desk.publish)
    assert desk.outbox.asked == [(0, 14)]
    desk.delivery.settle(desk.waiting.pop(0))
    desk.delivery.pump(desk.publish)
    assert desk.outbox.asked == [(0, 14), (14, 7)]
    assert len(desk.waiting) == 14


def test_what_is_being_fetched_is_not_asked_for_again():
    desk = Desk()
    later: list[Callable[[], None]] = []
    desk.delivery._later = later.append
    desk.outbox.add(3)
    desk.delivery.begin(Limits())
    desk.pump()
    desk.delivery.grown()
    desk.pump()
    assert desk.outbox.asked == [(0, 14)]
    assert not desk.delivery.flushed
    later.pop()()
    assert topics_of(desk.pump()) == []
    assert len(desk.outbox.asked) == 2, "whether that was all"


def test_events_that_come_when_their_connection_has_gone_are_not_sent_over_the_next():
    desk = Desk()
    later: list[Callable[[], None]] = []
    desk.delivery._later = later.append
    desk.outbox.add(3)
    desk.delivery.begin(Limits())
    desk.pump()
    desk.reconnect()
    first = later.pop()
    desk.pump()
    first()
    assert not any(message.topic.endswith("/event") for message in desk.sent)
    later.pop()()
    numbers = [json.loads(m.payload)["number"] for m in desk.sent if m.topic.endswith("/event")]
    assert numbers == [1, 2, 3]


def test_what_there_is_no_more_of_is_not_asked_for():
    desk = Desk()
    desk.delivery.begin(Limits())
    desk.pump()
    assert len(desk.outbox.asked) == 1
    desk.pump()
    assert len(desk.outbox.asked) == 1
    desk.delivery.grown()
    desk.pump()
    assert len(desk.outbox.asked) == 2


def test_it_is_flushed_when_nothing_waits_and_nothing_is_on_its_way():
    desk = Desk()
    assert desk.delivery.flushed, "without a connection there is nothing to wait for"
    desk.delivery.begin(Limits())
    assert not desk.delivery.flushed
    desk.pump()
    assert desk.delivery.flushed
    desk.delivery.health({"fps": 1.0})
    assert not desk.delivery.flushed, "a report that has not left"
    desk.delivery.pump(desk.publish)
    assert not desk.delivery.flushed, "a report that is on its way"
    desk.pump()
    assert desk.delivery.flushed
    desk.delivery.grown()
    assert not desk.delivery.flushed, "an event, for all that is known"
    desk.pump()
    assert desk.delivery.flushed


def test_a_report_of_health_is_sent_when_it_comes_and_none_before():
    desk = Desk()
    delivery = Delivery(
        CONFIG,
        outbox=desk.outbox,
        announced=Announced(),
        wall_clock=lambda: NOON,
        clock=desk.clock,
        later=lambda work: work(),
    )
    desk.delivery = delivery
    delivery.state(decide.start(CONFIG, at_s=100.0), 100.0)
    delivery.begin(Limits())
    assert topics_of(desk.pump())[1:] == ["state", "availability"]
    delivery.health({"fps": 9.5})
    assert topics_of(desk.pump()) == ["health"]


def test_what_others_write_as_its_availability_is_put_right():
    desk = Desk()
    desk.delivery.begin(Limits())
    desk.pump()
    for payload, sent in ((b"online", []), (b"offline", ["availability"]), (b"online", [])):
        desk.delivery.heard_of_itself(payload)
        assert topics_of(desk.pump()) == sent


def test_what_is_announced_waits_for_room_too():
    desk = Desk(announced=Announced())
    desk.announced.remember({f"old/{number}" for number in range(9)}, {})
    desk.delivery.begin(Limits(at_once=2))
    desk.delivery.pump(desk.publish)
    assert len(desk.waiting) == 2
    desk.pump()
    assert not {topic for topic in desk.announced.topics if topic.startswith("old/")}


def test_times_are_told_by_the_wall_and_stay_until_it_is_set():
    """Each clock drifts: a moment that is told twice has to be the same one."""
    desk = Desk()
    desk.delivery.begin(Limits())
    state = decide.start(CONFIG, at_s=100.0)

    def since(at_s: float) -> datetime:
        desk.delivery.state(replace(state, at_s=at_s, session_since_s=110.0), desk.clock())
        desk.pump()
        told = [json.loads(m.payload) for m in desk.sent if m.topic.endswith("/state")]
        return datetime.fromisoformat(told[-1]["session_since"])

    desk.clock.advance(25)
    assert since(125.0) == NOON + timedelta(seconds=10)
    desk.clock.advance(1)
    desk.set_by_s = 2.0
    assert since(126.0) == NOON + timedelta(seconds=10)
    desk.set_by_s = 2.5
    assert since(126.0) - NOON >= timedelta(seconds=12)


def test_health_is_forgotten_after_three_reports_that_are_missing():
    desk = Desk()
    desk.delivery.begin(Limits())
    by_topic = dict(zip_topics(desk.pump()))
    assert by_topic["health"].expires_s == 90
    assert by_topic["health"].retain
    assert by_topic["state"].expires_s is None
    desk.reconnect(Limits(expiry=False))
    assert not dict(zip_topics(desk.pump()))["health"].retain, "3.1.1 would keep it for ever"


def zip_topics(messages: list[Message]) -> list[tuple[str, Message]]:
    return list(zip(topics_of(messages), messages, strict=True))


# ---------------------------------------------------------------- what is too large


def test_the_size_of_a_message_is_told_with_its_header():
    assert Message("a/é", b"four", True, 1, None).bytes == 24 + 4 + 4


def test_the_announcement_is_as_long_as_the_broker_lets_it_be():
    full = discovery.message(CONFIG)
    size = Message(Topics.of(CONFIG).discovery, full, True, 1, None).bytes
    for most, whole in ((size, True), (size - 1, False)):
        desk = Desk()
        desk.delivery.begin(Limits(packet_bytes=most))
        assert (desk.pump()[0].payload == full) == whole
        shorter = desk.sent[0].payload
        assert len(shorter) > len(full) / 2


def test_an_event_that_is_too_large_in_every_form_is_tried_again_after_a_while():
    desk = Desk()
    desk.outbox.add(1)
    desk.delivery.begin(Limits(packet_bytes=120))
    desk.pump()
    asked = len(desk.outbox.asked)
    assert "event" in desk.delivery.complaint
    desk.clock.advance(59.5)
    desk.pump()
    assert len(desk.outbox.asked) == asked
    desk.clock.advance(0.75)
    desk.pump()
    assert len(desk.outbox.asked) == asked + 1


def test_who_ends_a_connection_itself_suspects_nobody(caplog):
    desk = Desk()
    desk.delivery.begin(Limits())
    for _ in range(4):
        desk.delivery.pump(desk.publish)
        desk.reconnect(hung_up=False)
    assert "they are kept below" not in caplog.text


def exactly(desk: Desk, size: int) -> None:
    """Have an event wait that makes a message of just that size."""
    desk.outbox.add(1, story="")
    ((_, waiting),) = desk.outbox.events.items()
    payload = encode(event_payload(waiting.record, now=NOON))
    bare = Message(f"{BASE}/event", payload, False, 1, None).bytes
    desk.outbox.events.clear()
    desk.outbox.add(1, story="x" * (size - bare))


@pytest.mark.parametrize(
    ("size", "lasted_s", "learnt"),
    [(1000, 9.5, True), (999, 9.5, False), (1000, 10.0, False), (1000, 10.5, False)],
)
def test_two_short_connections_with_something_large_on_its_way_are_suspicious(
    size, lasted_s, learnt, caplog
):
    desk = Desk()
    desk.delivery.begin(Limits())
    desk.pump()
    exactly(desk, size)
    desk.delivery.grown()
    for _ in range(2):
        desk.delivery.pump(desk.publish)
        assert [desk.sent[number - 1].bytes for number in desk.waiting] == [size]
        desk.clock.advance(lasted_s)
        desk.reconnect(hung_up=True)
        desk.delivery.pump(desk.publish)
        for number in desk.waiting[:]:
            if not desk.sent[number - 1].topic.endswith("/event"):
                desk.delivery.settle(number)
                desk.waiting.remove(number)
    assert ("they are kept below 500" in caplog.text) == learnt


def test_a_connection_that_lasted_clears_what_was_suspected(caplog):
    desk = Desk()
    desk.delivery.begin(Limits())
    for lasted_s in (1, 60, 1):
        desk.delivery.pump(desk.publish)
        desk.clock.advance(lasted_s)
        desk.reconnect(hung_up=True)
    assert "they are kept below" not in caplog.text
    desk.delivery.pump(desk.publish)
    desk.reconnect(hung_up=True)
    assert "they are kept below" in caplog.text


def test_no_broker_is_thought_to_take_less_than_a_short_message(caplog):
    desk = Desk()
    desk.delivery.begin(Limits())
    desk.delivery.pump(desk.publish)
    small = next(n for n in desk.waiting if desk.sent[n - 1].bytes < 500)
    desk.delivery.settle(small, refused="Packet too large", reason=TOO_LARGE)
    assert "they are kept below 256" in caplog.text


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
    desk.clock.advance(59.5)
    desk.delivery.grown()
    assert desk.pump() == []
    desk.clock.advance(0.75)
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


def test_what_is_odd_about_a_broker_is_said_once_and_again_after_something_else(caplog):
    desk = Desk()
    for text in ("one", "one", "two", "two", "one"):
        desk.delivery._say_once(text)
    assert [record.message for record in caplog.records] == ["one", "two", "one"]


def test_where_to_remember_what_was_announced_is_made(tmp_path: Path):
    path = tmp_path / "state" / "procrastobot" / "announced.json"
    Announced(path).remember({"a/b"}, {"c": "sensor"})
    again = Announced(path)
    assert (again.topics, dict(again.components)) == ({"a/b"}, {"c": "sensor"})


# ---------------------------------------------------------------- all of it, message by message


def test_every_message_of_a_connection_is_exactly_this():
    desk = Desk()
    desk.announced.remember({f"{BASE}/availability", "z/availability", "z/state", "b/state"}, {})
    desk.outbox.add(1, median=0.8)
    desk.clock.advance(40)  # the state and the rest were told before
    desk.delivery.begin(Limits())
    now = NOON + timedelta(seconds=40)
    state = decide.start(CONFIG, at_s=100.0)
    day = Day("2026-03-05", ("desk",), (Totals(pickups=3),))
    since = counted_since("2026-03-05", NOON, kept=True)
    told_state = state_payload(state, CONFIG, WallTime(100.0, NOON))
    record = Record(1, "id-1", EventType.PICKUP, NOON, "desk", {"median": 0.8})
    assert desk.pump() == [
        Message("b/state", b"", True, 1, None),
        Message("z/state", b"", True, 1, None),
        Message("z/availability", b"", True, 1, None),
        Message(
            "homeassistant/device/procrastobot_desk/config",
            discovery.message(CONFIG),
            True,
            1,
            None,
        ),
        Message(f"{BASE}/state", encode(told_state), True, 1, None),
        Message(f"{BASE}/today", encode(today_payload(day, since=since)), True, 1, None),
        Message(
            f"{BASE}/health",
            encode(health_payload({"fps": 9.5}, now=now, queued=1)),
            True,
            1,
            90,
        ),
        Message(f"{BASE}/availability", b"online", True, 1, None),
        Message(f"{BASE}/event", encode(event_payload(record, now=now)), False, 1, None),
    ]
    assert desk.announced.topics == {
        "homeassistant/device/procrastobot_desk/config",
        *(f"{BASE}/{name}" for name in ("state", "today", "health", "availability")),
    }
    assert dict(desk.announced.components) == discovery.platforms(CONFIG)


def test_what_a_poorer_broker_gets_is_exactly_this():
    desk = Desk()
    desk.announced.remember({f"{BASE}/health", "z/health"}, {})
    desk.outbox.add(1)
    desk.delivery.begin(Limits(expiry=False))
    kept = {m.topic: (m.retain, m.qos, m.expires_s) for m in desk.pump()}
    assert kept == {
        "z/health": (True, 1, None),  # what was left under an old name is taken away
        "homeassistant/device/procrastobot_desk/config": (True, 1, None),
        f"{BASE}/state": (True, 1, None),
        f"{BASE}/today": (True, 1, None),
        f"{BASE}/health": (False, 1, None),
        f"{BASE}/availability": (True, 1, None),
        f"{BASE}/event": (False, 1, None),
    }
    desk.reconnect(Limits(retain=False, qos=0))
    desk.delivery.pump(desk.publish)
    assert {(m.retain, m.qos) for m in desk.sent[len(kept) :]} == {(False, 0)}
    assert desk.sent[-1].topic == f"{BASE}/availability"


def test_without_discovery_home_assistant_hears_nothing():
    desk = Desk(replace(CONFIG, mqtt=replace(CONFIG.mqtt, discovery=False)))
    desk.delivery.begin(Limits())
    assert topics_of(desk.pump()) == ["state", "today", "health", "availability"]
    assert dict(desk.announced.components) == {}


def test_a_complaint_names_all_that_is_not_taken_and_each_reason_once():
    desk = Desk()
    assert desk.delivery.complaint == ""
    desk.delivery.deny("b", "Not authorized")
    assert desk.delivery.complaint == (
        "the broker does not take b (not authorized); its rules have to allow it"
    )
    desk.delivery.deny("c", "Quota exceeded")
    desk.delivery.deny("a", "Not authorized")
    assert desk.delivery.complaint == (
        "the broker does not take a, b, c (not authorized, quota exceeded); its rules have to"
        " allow it"
    )
    desk.delivery.deny("b", "")
    desk.delivery.deny("never denied", "")
    assert desk.delivery.complaint == (
        "the broker does not take a, c (not authorized, quota exceeded); its rules have to allow it"
    )


def test_what_is_not_taken_is_logged_in_these_words(caplog):
    desk = Desk()
    desk.outbox.add(2)
    desk.delivery.begin(Limits())
    desk.pump(refuse=("/event", "/today"))
    desk.delivery.deny(f"{BASE}/command/+", "Not authorized")
    assert [each.message for each in caplog.records] == [
        f"the broker does not take {BASE}/today: Not authorized",
        "the broker does not take events: Not authorized",
        f"the broker does not let this box hear {BASE}/command/+: Not authorized",
    ]
    caplog.clear()
    desk.reconnect(Limits(packet_bytes=300, retain=False))
    desk.outbox.events.clear()
    desk.pump()
    config = f"{BASE}/state is too large for the broker, which takes 300 bytes at most"
    assert [each.message for each in caplog.records] == [
        "the broker keeps nothing: who comes later sees what changes next",
        "the broker takes 300 bytes at most: the box is not announced to Home Assistant",
        config,
    ]


@pytest.mark.parametrize("most", [9000, 4000])
def test_how_much_is_not_announced_is_said(most, caplog):
    size = most - 24 - len("homeassistant/device/procrastobot_desk/config")
    _, left_out = discovery.fitting(CONFIG, size)
    desk = Desk()
    desk.delivery.begin(Limits(packet_bytes=most))
    announced = desk.pump()[0]
    assert announced.payload == discovery.fitting(CONFIG, size)[0]
    assert announced.bytes <= most
    every = len(discovery.components(CONFIG))
    assert [each.message for each in caplog.records] == [
        f"the broker takes {most} bytes at most: {len(left_out)} of {every} entities are not"
        " announced to Home Assistant"
    ]
    caplog.clear()
    roomy = Desk()
    roomy.delivery.begin(Limits(packet_bytes=12_500))
    short = roomy.pump()[0]
    assert len(json.loads(short.payload)["cmps"]) == every
    assert [each.message for each in caplog.records] == []


def test_of_two_limits_the_lower_one_holds():
    desk = Desk()
    desk.delivery.begin(Limits())
    desk.delivery.pump(desk.publish)
    assert desk.sent[0].topic.endswith("/config")
    size = desk.sent[0].bytes
    desk.delivery.settle(desk.waiting.pop(0), refused="Packet too large", reason=TOO_LARGE)
    desk.pump()
    assert max(each.bytes for each in desk.sent[1:]) <= size // 2
    for limit in (2000, 100_000):
        first = len(desk.sent)
        desk.reconnect(Limits(packet_bytes=limit))
        desk.pump()
        most = min(limit, size // 2)
        assert most - 200 < max(each.bytes for each in desk.sent[first:]) <= most


def test_events_that_were_too_large_are_told_again_from_the_first_of_them():
    desk = Desk()
    desk.outbox.add(1)
    desk.outbox.add(1, story="x" * 3000)
    desk.outbox.add(1, story="y" * 3000)
    desk.outbox.add(1)
    desk.delivery.begin(Limits())
    desk.pump(most=2000)
    numbers = [
        (payload["number"], bool(payload["details"]))
        for payload in (json.loads(m.payload) for m in desk.sent if m.topic.endswith("/event"))
    ]
    assert numbers == [
        *((1, False), (2, True), (3, True), (4, False)),
        *((2, False), (3, False)),
    ]
    assert desk.outbox.queued == 0


def test_an_answer_to_nothing_is_passed_over():
    desk = Desk()
    desk.delivery.settle(7)
    desk.delivery.end(too_large=True, hung_up=True)
    desk.delivery.begin(Limits())
    desk.delivery.pump(desk.publish)
    desk.delivery.settle(999, refused="Not authorized", reason=0x87)
    assert desk.delivery.complaint == ""
    desk.delivery.end(too_large=False, hung_up=False)
    desk.delivery.settle(desk.waiting[0], refused="Not authorized", reason=0x87)
    assert desk.delivery.complaint == ""


@pytest.mark.parametrize(
    ("offset_s", "again"), [(1.5, False), (2.0, False), (2.5, True), (-2.0, False), (-2.5, True)]
)
def test_a_clock_that_was_set_by_more_than_two_seconds_was_set(offset_s, again):
    desk = Desk()
    state = replace(decide.start(CONFIG, at_s=100.0), until_s=160.0)
    told = []
    for set_by_s in (0.0, offset_s):
        desk.set_by_s = set_by_s
        desk.delivery.state(state, desk.clock())
        wanted = desk.delivery._slots[f"{BASE}/state"].wanted
        assert not isinstance(wanted, bytes)
        assert wanted is not None
        told.append(datetime.fromisoformat(str(wanted["until"])))
    assert told[0] == NOON + timedelta(seconds=60)
    assert (told[1] != told[0]) == again
    if again:
        assert abs((told[1] - told[0]).total_seconds() - offset_s) <= 0.5


def test_how_long_ago_a_state_was_told_is_allowed_for():
    desk = Desk()
    desk.delivery._state = None
    desk.clock.advance(30)
    desk.delivery._wall_offset_s = None
    state = replace(decide.start(CONFIG, at_s=7.0), until_s=67.0)
    desk.delivery.state(state, desk.clock() - 12.0)  # it was told twelve seconds ago
    wanted = desk.delivery._slots[f"{BASE}/state"].wanted
    assert not isinstance(wanted, bytes)
    assert wanted is not None
    assert datetime.fromisoformat(str(wanted["until"])) == NOON + timedelta(seconds=30 - 12 + 60)


def test_details_that_cannot_be_told_are_logged_with_the_number_of_their_event(caplog):
    desk = Desk()
    desk.outbox.add(4)
    desk.outbox.add(1, median=float("nan"))
    desk.delivery.begin(Limits())
    desk.pump()
    assert [each.message for each in caplog.records] == ["the details of event 5 cannot be told"]


@pytest.mark.parametrize("reason", [0x87, 0x94, 0x96, 0x97])
def test_another_reason_than_its_size_shortens_nothing(reason, caplog):
    desk = Desk()
    desk.delivery.begin(Limits())
    desk.delivery.pump(desk.publish)
    desk.delivery.settle(desk.waiting.pop(0), refused="Another", reason=reason)
    assert "kept below" not in caplog.text
    assert "(another)" in desk.delivery.complaint


@pytest.mark.parametrize(("second", "learnt"), [(1099, False), (1100, True), (1101, False)])
def test_only_the_same_size_twice_is_suspicious(second, learnt, caplog):
    desk = Desk()
    desk.delivery.begin(Limits())
    desk.pump()
    for size in (1100, second):
        exactly(desk, size)
        desk.delivery.grown()
        desk.delivery.pump(desk.publish)
        assert max(desk.sent[number - 1].bytes for number in desk.waiting) == size
        desk.outbox.events.clear()
        desk.reconnect(hung_up=True)
        desk.pump()
    assert ("are kept below 550" in caplog.text) == learnt
    assert ("are kept below" in caplog.text) == learnt


def test_once_something_was_too_large_the_next_time_is_believed_at_once(caplog):
    desk = Desk()
    desk.delivery.begin(Limits())
    desk.delivery.pump(desk.publish)
    desk.delivery.settle(desk.waiting.pop(0), refused="Packet too large", reason=TOO_LARGE)
    desk.pump()
    caplog.clear()
    exactly(desk, 1500)
    desk.delivery.grown()
    desk.delivery.pump(desk.publish)
    desk.reconnect(hung_up=True)
    assert [each.message for each in caplog.records] == [
        "the broker does not take a message of 1500 bytes; they are kept below 750"
    ]


@pytest.mark.parametrize(
    ("payload", "told_again"), [(b"online", False), (b"a", True), (b"z", True), (b"", True)]
)
def test_whatever_else_is_written_as_its_availability_is_put_right(payload, told_again):
    desk = Desk()
    desk.delivery.begin(Limits())
    desk.pump()
    assert desk.delivery.heard_of_itself(payload) == (payload == b"")
    assert topics_of(desk.pump()) == (["availability"] if told_again else [])


@pytest.mark.parametrize("days", [-1, 1])
def test_another_day_than_that_of_its_start_is_counted_from_midnight(days):
    started = datetime.now().astimezone()
    day = (started + timedelta(days=days)).date()
    since = counted_since(day.isoformat(), started, kept=False)
    assert (since.date(), since.hour, since.minute, since.second) == (day, 0, 0, 0)
    assert since == counted_since(day.isoformat(), started, kept=True)


@pytest.mark.parametrize("at_once", [1, 2, 7, 14, 20, 99])
def test_events_are_asked_for_when_half_of_them_have_room(at_once):
    desk = Desk()
    desk.delivery.begin(Limits(at_once=at_once))
    desk.pump()
    desk.outbox.asked.clear()
    desk.outbox.add(60)
    desk.delivery.grown()
    desk.delivery.pump(desk.publish)
    window = min(at_once, 14)
    assert (desk.outbox.asked, len(desk.waiting)) == ([(0, window)], window)
    enough = max(window // 2, 1)
    for settled in range(1, enough + 1):
        desk.delivery.settle(desk.waiting.pop(0))
        desk.delivery.pump(desk.publish)
        asked = [(0, window)] + ([(window, enough)] if settled == enough else [])
        assert desk.outbox.asked == asked


def test_the_box_has_something_to_say_once_its_state_is_known():
    desk = Desk()
    assert desk.delivery.has_something
    desk.delivery._state = None
    assert not desk.delivery.has_something
    desk.delivery.begin(Limits())
    assert desk.delivery.announce_at_s == 100.0
    assert not desk.delivery.flushed
    desk.delivery.end(too_large=False, hung_up=False)
    assert desk.delivery.announce_at_s is None


def test_all_is_announced_at_its_time_and_not_before():
    desk = Desk()
    desk.delivery.begin(Limits())
    desk.pump()
    desk.delivery.announce_at_s = 102.0
    desk.clock.advance(1.75)
    assert desk.pump() == []
    desk.clock.advance(0.25)
    assert topics_of(desk.pump())[1:] == ["state", "today", "health", "availability"]
    assert desk.delivery.announce_at_s is None


def test_a_broker_that_acknowledges_nothing_leaves_room_for_all():
    desk = Desk()
    desk.outbox.add(50)
    desk.delivery.begin(Limits(qos=0, at_once=1))
    for _ in range(60):
        desk.delivery.pump(desk.publish)
    assert desk.outbox.queued == 0
    assert dict(desk.announced.components) == discovery.platforms(CONFIG)


def test_what_was_announced_is_remembered_through_a_farewell():
    two = replace(CONFIG, seats=(SeatConfig(name="left"), SeatConfig(name="right")))
    one = replace(two, seats=two.seats[:1])
    announced = Announced()
    for config in (two, one):
        desk = Desk(config, announced)
        desk.delivery.begin(Limits())
        desk.delivery.pump(desk.publish)
        before = dict(announced.components)
        farewell = desk.waiting.pop(0)
        desk.delivery.settle(farewell)
        topics = {f"{BASE}/{name}" for name in ("state", "today", "health", "availability")}
        assert announced.topics == topics | {"homeassistant/device/procrastobot_desk/config"}
        if config is one:
            assert dict(announced.components) == before == discovery.platforms(two)
        desk.pump()
        assert dict(announced.components) == discovery.platforms(config)


def test_what_was_learnt_of_a_small_message_holds_for_a_large_one_too(caplog):
    desk = Desk()
    desk.delivery.begin(Limits())
    desk.delivery.pump(desk.publish)
    by_size = sorted(desk.waiting[:], key=lambda number: desk.sent[number - 1].bytes)
    small = next(number for number in by_size if desk.sent[number - 1].bytes > 600)
    large = by_size[-1]
    assert small != large
    desk.waiting.clear()
    for number in (small, large, small):
        desk.delivery.settle(number, refused="Packet too large", reason=TOO_LARGE)
    half = desk.sent[small - 1].bytes // 2
    learnt = [each.message for each in caplog.records if "kept below" in each.message]
    assert learnt == [
        f"the broker does not take a message of {desk.sent[small - 1].bytes} bytes; they are kept"
        f" below {half}"
    ]
    connection = desk.delivery._connection
    assert connection is not None
    assert desk.delivery._most_bytes(connection) == half
