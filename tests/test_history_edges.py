"""Every limit of the history, tried at its edge."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge.domain import Box, EventType, Fault, FaultChange, Happening, LookAlike, Session, Totals
from edge.history import clock as clock_module
from edge.history import store as store_module
from edge.history.clock import Lived
from edge.history.days import Day, add, difference
from edge.history.erase import erase
from edge.history.page import _clock
from edge.history.record import Record, event_id, figure, finite, record
from edge.history.recorder import _interruption, _lived, _look_alikes
from edge.history.report import DayReport, Report, Stretches, read_file, standing, table
from edge.history.salvage import Salvaged
from edge.history.store import (
    Store,
    Unusable,
    broken,
    is_damage,
    is_full,
    is_short_of_room,
    make_room,
    open_for_reading,
    open_memory,
    open_salvaged,
    open_store,
    replace_damaged,
    set_aside,
)
from edge.history.timeline import Kind, Segment, clipped
from tests.test_history import NOON, RecordingBox, events_of
from tests.waiting import wait_for

# ---------------------------------------------------------------- the recorder


def test_a_state_is_saved_once_a_minute(tmp_path):
    path = tmp_path / "h.db"
    box = RecordingBox(path)

    def saved() -> float:
        box.recorder.drain(120.0)
        with closing(open_for_reading(path)) as store:
            return store.day("2026-03-05", ("desk",)).totals[0].focus_s

    def tell(focus_s: float, after_s: float) -> None:
        box.clock.advance(after_s)
        totals = (Totals(focus_s=focus_s),)
        box.state = replace(box.state, at_s=box.clock(), totals=totals)
        box.recorder.save(box.state)

    tell(59, 59.5)
    assert saved() == 0
    tell(60, 0.5)
    assert saved() == 60
    tell(119, 59.5)
    assert saved() == 60
    tell(120, 0.5)
    assert saved() == 120


def test_the_day_is_told_every_ten_seconds_while_it_goes_on():
    box = RecordingBox(None)
    box.recorder.save(box.state)
    box.recorder.drain(120.0)
    told = len(box.days)
    for after_s, more in ((9.5, 0), (0.5, 1), (9.5, 1), (0.5, 2)):
        box.clock.advance(after_s)
        box.recorder.save(box.state)
        box.recorder.drain(120.0)
        assert len(box.days) - told == more


def test_a_card_that_failed_is_tried_again_after_half_a_minute(tmp_path):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    box.tell(EventType.PICKUP)
    box.recorder.drain(120.0)
    box.recorder._store._db.execute("PRAGMA max_page_count = 1")  # as a full card answers
    long = Happening(EventType.LEFT, box.clock(), "desk", {"x": "y" * 4000})
    for _ in range(9):
        box.recorder.tell(long, box.state)
    box.recorder.drain(120.0)
    for after_s, there in ((29.5, False), (0.5, True)):
        box.clock.advance(after_s)
        box.recorder.drain(120.0)
        box.recorder.drain(120.0)
        assert ("left" in events_of(path)) == there
    changes = [(each.broken, bool(each.text)) for each in box.inbox.drain()]  # type: ignore[union-attr]
    assert changes == [(True, True), (False, False)]


def test_what_waits_is_bounded_every_hundred_events():
    box = RecordingBox(None, outbox_max=150)
    for count, queued in ((199, 199), (1, 200), (1, 149)):
        for _ in range(count):
            box.tell(EventType.PICKUP)
        box.recorder.drain(120.0)
        # One more than fits goes with the hundredth part of it, and `dropped` waits for them.
        assert box.recorder.queued == queued


def test_whether_the_clock_is_kept_is_asked_every_ten_seconds(tmp_path):
    box = RecordingBox(tmp_path / "h.db")
    asked: list[float] = []

    def kept() -> bool:
        asked.append(box.clock())
        return True

    box.recorder._is_kept = kept
    for after_s, times in ((9.5, 0), (0.5, 1), (9.5, 1), (0.5, 2)):
        box.clock.advance(after_s)
        box.recorder.drain(120.0)
        assert len(asked) == times


@pytest.mark.parametrize(("step_s", "said"), [(59, 0), (60, 1), (-59, 0), (-60, 1)])
def test_a_clock_that_is_set_is_said_once(step_s, said, caplog):
    caplog.set_level("INFO")
    box = RecordingBox(None)
    box.recorder.drain(120.0)
    box.wall._start += timedelta(seconds=step_s)
    for _ in range(3):
        box.recorder.drain(120.0)
    assert caplog.text.count("the clock was set by") == said


def test_of_a_flood_ten_are_written_and_then_one_in_ten_minutes():
    box = RecordingBox(None)

    def flood(after_s: float) -> int:
        box.clock.advance(after_s)
        for _ in range(40):
            box.recorder.note(EventType.REFUSED, {"why": "x"})
        return len(box.waiting())

    assert flood(0) == 10
    assert flood(599) == 10
    assert flood(1.5) == 11
    assert flood(599) == 11


@pytest.mark.parametrize("type_", [EventType.REFUSED, EventType.FAULT, EventType.FAULT_CLEARED])
def test_each_flood_is_one_of_its_own(type_):
    box = RecordingBox(None)
    for _ in range(30):
        box.recorder.note(type_)
    box.recorder.note(EventType.REFUSED if type_ is EventType.FAULT else EventType.FAULT)
    assert len(box.waiting()) == 11


def hung(box: RecordingBox) -> threading.Event:
    """The recorder's thread waits, as for a card that hangs, until this is set."""
    begun, hangs = threading.Event(), threading.Event()

    def hang(_: object) -> None:
        begun.set()
        hangs.wait(60)

    box.recorder.fetch(0, 1, hang)
    assert begun.wait(60)
    return hangs


def test_a_card_that_hangs_stops_nobody_and_is_said_once():
    box = RecordingBox(None)
    hangs = hung(box)
    for _ in range(10_000):
        box.recorder.look_at_the_clock()
    assert box.inbox.drain() == []
    for _ in range(3):
        box.recorder.look_at_the_clock()
    assert box.inbox.drain() == [FaultChange(Fault.DISK, True, "the card hangs")]
    hangs.set()
    wait_for(lambda: not box.recorder._work.qsize())


def test_an_event_is_as_old_as_it_is():
    box = RecordingBox(None)
    box.clock.advance(100)
    state = replace(box.state, at_s=box.clock())
    box.recorder.tell(Happening(EventType.PICKUP, box.clock() - 7, "desk"), state)
    assert box.waiting()[0].record.at == NOON + timedelta(seconds=93)


def test_what_a_power_cut_interrupted_is_told_as_it_was(tmp_path):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    box.clock.advance(50)
    box.state = replace(box.state, session_since_s=20.0, until_s=1520.0)
    box.tell(EventType.PICKUP, session=Session.FOCUS)
    box.die()
    with closing(open_for_reading(path)) as store:
        noted = json.loads(store.note("session") or "")
    assert noted == {
        "session": "focus",
        "since": (NOON + timedelta(seconds=20)).isoformat(),
        "until": (NOON + timedelta(seconds=1520)).isoformat(),
        "seen": (NOON + timedelta(seconds=50)).isoformat(),
        "lasted_s": 30.0,
        "stopped": False,
    }
    last = RecordingBox(path, box.wall).waiting()[-1].record
    assert (last.type, dict(last.details)) == (
        EventType.INTERRUPTED,
        {
            "session": "focus",
            "since": noted["since"],
            "last_seen": noted["seen"],
            "lasted_s": 30,
            "cause": "power lost or crashed",
        },
    )


# ---------------------------------------------------------------- what was noted


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (30, "power lost or crashed")),
        ({"stopped": True}, (30, "stopped")),
        ({"lasted_s": 12.6}, (13, "power lost or crashed")),
        ({"lasted_s": "long"}, (0, "power lost or crashed")),
        ({"session": "idle"}, None),
        ({"since": "yesterday"}, None),
        ({"seen": None}, None),
    ],
)
def test_a_note_of_the_last_session_is_understood_or_passed_over(changes, expected):
    noted = {
        "session": "break",
        "since": NOON.isoformat(),
        "seen": (NOON + timedelta(seconds=30)).isoformat(),
        "stopped": False,
    }
    found = _interruption(json.dumps(noted | changes))
    assert (found and (found["lasted_s"], found["cause"])) == expected
    assert _interruption(None) is None
    assert _interruption("") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"believed": 5, "seen": 7.5}', Lived(5.0, 7.5, 0.0)),
        ('{"believed": 5}', None),
        ('{"believed": 1e99, "seen": 7}', None),
        ("", None),
        (None, None),
        ("[", None),
    ],
)
def test_a_note_of_the_clock_is_understood_or_passed_over(text, expected):
    assert _lived(text) == expected


LEARNT = {
    "number": 3,
    "seat": "desk",
    "box": {"ymin": 0, "xmin": 0.25, "ymax": 1, "xmax": 0.5},
    "median": 1,
    "times": 1,
}


@pytest.mark.parametrize(
    ("changes", "understood"),
    [
        ({}, True),
        ({"times": 0}, False),
        ({"median": 1.01}, False),
        ({"median": -0.01}, False),
        ({"box": {**LEARNT["box"], "xmax": 1.5}}, False),
        ({"box": {**LEARNT["box"], "ymin": -0.5}}, False),
        ({"number": "3"}, False),
        ({"seat": None}, False),
    ],
)
def test_what_was_learnt_is_understood_entry_by_entry(changes, understood):
    good = LookAlike(3, "desk", Box(0, 0.25, 1, 0.5), 1, 1)
    found = _look_alikes(json.dumps([LEARNT | changes, LEARNT]))
    assert found == ((good, good) if understood else (good,))
    assert _look_alikes(None) == _look_alikes("") == _look_alikes("3") == ()


# ---------------------------------------------------------------- clocks


@pytest.mark.parametrize(
    ("absent_s", "kept", "believed_s"),
    [
        (7 * 86400, True, 7 * 86400),
        (7 * 86400 + 1, True, 0),
        (0.5, None, 0.5),
        (0, True, 0),
        (-1, True, 0),
        (5, False, 0),
    ],
)
def test_an_absence_of_a_week_is_believed(absent_s, kept, believed_s):
    lived = Lived(1e9, 2e9, 500.0).started(2e9 + absent_s, 3.0, kept=kept)
    assert lived == Lived(1e9 + believed_s, 2e9 + absent_s, 3.0)


def test_a_day_in_an_hour_is_caught_up_with_and_no_more():
    lived = Lived(1e9, 1e9, 0.0)
    assert lived.passed(2e9, 10.0, kept=True) == Lived(1e9 + 240, 2e9, 10.0)
    assert lived.passed(1e9 + 100, 10.0, kept=True) == Lived(1e9 + 100, 1e9 + 100, 10.0)
    assert lived.passed(1e9 + 5, 10.0, kept=True) == Lived(1e9 + 10, 1e9 + 5, 10.0)
    assert lived.passed(2e9, -5.0, kept=False) == Lived(1e9, 2e9, -5.0)


@pytest.mark.parametrize(
    ("behind_s", "kept", "right"),
    [
        (86400, False, True),
        (86401, False, False),
        (86401, None, False),
        (86401, True, True),
        (-1e6, False, True),
    ],
)
def test_a_time_that_has_certainly_been_is_not_now(behind_s, kept, right):
    lived = Lived(NOON.timestamp(), 0.0, 100.0)
    wall = NOON + timedelta(seconds=20 - behind_s)
    found = lived.right(wall, 120.0, kept=kept)
    assert found == (wall if right else NOON + timedelta(seconds=20))
    assert lived.right(NOON - timedelta(days=9), 50.0, kept=False) == NOON


# ---------------------------------------------------------------- rows


def row(**changes: object) -> Record | None:
    values = {
        "number": 1,
        "id_": "a",
        "type_": "pickup",
        "at": NOON.isoformat(),
        "at_unix": 5.0,
        "seat": "desk",
        "details": "{}",
    }
    return record(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "name", "expected"),
    [
        ({}, "type", EventType.PICKUP),
        ({"type_": "x" * 50}, "type", "x" * 40),
        ({"id_": "y" * 50}, "id", "y" * 40),
        ({"seat": b"\0"}, "seat", None),
        ({"at": "2026-03-05T12:00:00"}, "at", datetime.fromtimestamp(5, UTC)),
        ({"at": "bad", "at_unix": 7}, "at", datetime.fromtimestamp(7, UTC)),
        ({"details": '{"a": "' + "x" * 4087 + '"}'}, "details", {"a": "x" * 4087}),
        ({"details": '{"a": "' + "x" * 4089 + '"}'}, "details", {"damaged": '{"a": "' + "x" * 193}),
        ({"details": "[1]"}, "details", {"damaged": "[1]"}),
        ({"details": '{"a": [NaN, Infinity, 2.5]}'}, "details", {"a": [None, None, 2.5]}),
        ({"details": '{"a": [1, true, null]}'}, "details", {"a": [1, True, None]}),
        ({"details": '{"a": "\\ud800"}'}, "details", {"a": "?"}),
        ({"details": '{"replay": true, "b": 1}'}, "details", {"b": 1}),
        ({"details": '{"replay": true}'}, "replay", True),
        ({"details": '{"replay": 1}'}, "replay", False),
    ],
)
def test_a_row_is_understood_as_far_as_it_can_be(changes, name, expected):
    found = row(**changes)
    assert found is not None
    assert getattr(found, name) == expected


@pytest.mark.parametrize("at_unix", [None, "5", 1e20, float("nan")])
def test_a_row_that_does_not_say_when_is_none(at_unix):
    assert row(at="bad", at_unix=at_unix) is None


@pytest.mark.parametrize(
    ("value", "most", "expected"),
    [(0, 1e9, 0.0), (999_999_999.5, 1e9, 999_999_999.5), (1e9, 1e9, 0.0), (-0.1, 1e9, 0.0),
     ("5", 1e9, 0.0), (None, 1e9, 0.0), (float("nan"), 1e9, 0.0), (5e10, 1e11, 5e10)],
)  # fmt: skip
def test_a_figure_is_one_within_bounds(value, most, expected):
    assert figure(value, most=most) == expected
    if most == 1e9:
        assert figure(value) == expected


def test_an_id_says_when_to_the_millisecond():
    at = datetime.fromtimestamp(1_700_000_000.1239, UTC)
    text = event_id(at)
    assert [len(part) for part in text.split("-")] == [8, 4, 4, 4, 12]
    assert int(text.replace("-", "")[:12], 16) == 1_700_000_000_123
    assert text[14] == "7"
    assert {event_id(at)[19] for _ in range(200)} == set("89ab")
    assert len({event_id(at)[15:18] for _ in range(50)}) > 25
    assert len({event_id(at)[-12:] for _ in range(50)}) == 50


def test_what_is_finite_is_left_as_it_is():
    details = {"a": float("inf"), "b": -1.5, "c": "x", "d": None}
    assert finite(details) == {"a": None, "b": -1.5, "c": "x", "d": None}


# ---------------------------------------------------------------- days


def test_a_counter_grows_falls_a_little_or_begins_anew():
    before = Totals(focus_s=100, break_s=10, paused_s=5, pickups=4, streak=9)
    after = Totals(focus_s=101, break_s=10, paused_s=4, pickups=3, streak=2)
    assert difference(after, before) == Totals(focus_s=1, paused_s=-1, pickups=-1, streak=2)
    begun = replace(after, focus_s=99)
    assert difference(begun, before) == begun
    day = Day("2026-03-05", ("desk",), (Totals(focus_s=50, pickups=0, streak=1),))
    grown = add(day, (after,), (before,))
    assert grown.totals == (Totals(focus_s=51, pickups=0, paused_s=0, streak=2),)


# ---------------------------------------------------------------- reports


@pytest.mark.parametrize(
    ("name", "expected"),
    [("focus_s", 7), ("break_s", 6), ("paused_s", 5), ("sessions", 4), ("streak", 1),
     ("clean_sessions", 2), ("pickups", 13), ("phone_s", 30)],
)  # fmt: skip
def test_what_seats_share_counts_once(name, expected):
    names = "focus_s working_s phone_s away_s unsure_s break_s paused_s pickups sessions"
    names += " clean_sessions streak"
    seats = {
        seat: Totals(**dict(zip(names.split(), values, strict=True)))
        for seat, values in (
            ("a", (7, 1, 10, 1, 1, 6, 5, 10, 4, 2, 3)),
            ("b", (3, 1, 20, 1, 1, 2, 2, 3, 1, 4, 1)),
        )
    }
    day = DayReport(NOON.date(), seats, 0.0, 0, 0.0)
    assert day.sum(name) == expected
    assert DayReport(NOON.date(), {}, 0.0, 0, 0.0).sum(name) == 0


def shown(**changes: object) -> list[str]:
    values = {
        "date": NOON.date(),
        "seats": {"desk": Totals(focus_s=5400, phone_s=300, away_s=90, break_s=600, pickups=3,
                                 sessions=2, streak=4)},
        "longest_clean_s": 3660.0,
        "interruptions": 0,
        "unseen_s": 0.0,
    }  # fmt: skip
    return table(Report((DayReport(**(values | changes)),))).splitlines()  # type: ignore[arg-type]


def test_a_day_is_shown_with_all_that_is_known_of_it():
    head, line, longest = shown()
    assert head == "day          focus  phone   away  breaks  pick-ups  sessions  streak"
    bar = "█" * 23 + "░"
    assert line == f"Thu 05 Mar    1h 30    5 m    2 m    10 m         3         2       4  {bar}"
    assert longest == "longest focus without the phone: 1h 01"
    assert shown(unseen_s=29.5)[2] == longest
    assert shown(unseen_s=30.0)[2] == f"{longest}, of which 0 m could not be seen"
    assert shown(interruptions=2)[3] == "interrupted by a restart or a power cut: 2"
    assert shown(seats={})[2:] == ["nothing is known of this day"]
    two = {"a": Totals(phone_s=60, pickups=1), "b": Totals(phone_s=7200, pickups=9)}
    assert shown(seats=two)[3:] == ["a: phone 1 m, 1 pick-ups", "b: phone 2h 00, 9 pick-ups"]


def test_days_that_cannot_be_are_shown_apart():
    text = table(Report((), (("1970-01-01", Totals(focus_s=600, pickups=2)),)))
    assert text.splitlines()[1:] == [
        "set aside, for there can be no such day: 1970-01-01 (10 m of focus, 2 pick-ups); the"
        " clock was wrong"
    ]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([("session_end", 0, {"clean_s": 50.0, "unseen_s": 5.0})], (50, 5)),
        (
            [("pickup", 0, {"clean_s": 9.0}), ("pause", 9, {"clean_s": 8.0, "unseen_s": 1.0})],
            (9, 0),
        ),
        ([("session_start", 0, {}), ("pickup", 70, {})], (70, 0)),
        ([("putdown", 0, {}), ("pause", 30, {})], (30, 0)),
        ([("resume", 0, {}), ("interrupted", 20, {})], (20, 0)),
        ([("session_start", 50, {}), ("pickup", 20, {})], (0, 0)),
        ([("pickup", 20, {})], (0, 0)),
        ([("session_start", 0, {}), ("pickup", 10, {}), ("session_end", 99, {})], (10, 0)),
        ([("session_start", 0, {}), ("level", 10, {}), ("session_end", 99, {})], (99, 0)),
        ([("session_start", 0, {}), ("pickup", 70, {"clean_s": 5.0})], (5, 0)),
    ],
)
def test_the_longest_focus_without_the_phone_is_what_ended_it_says(events, expected):
    records = [
        Record(number, "", EventType(type_), NOON + timedelta(seconds=at_s), None, details)
        for number, (type_, at_s, details) in enumerate(events)
    ]
    stretches = Stretches()
    found = [each for each in map(stretches.ended_by, records) if each is not None]
    assert max([(0.0, 0.0), *((each.clean_s, each.unseen_s) for each in found)]) == expected


def test_a_history_that_cannot_be_reached_is_not_damaged(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unusable) as caught:
        standing(tmp_path / "file" / "h.db", now=NOON)
    assert not caught.value.damaged
    with pytest.raises(FileNotFoundError):
        standing(tmp_path / "h.db", now=NOON)
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(Unusable, match="no history yet") as caught:
        standing(tmp_path / "folder.db", now=NOON)
    assert not caught.value.damaged


def test_how_a_history_is_says_what_it_has(tmp_path):
    path = tmp_path / "h.db"
    with closing(open_store(path)) as store:
        for number, day in enumerate(("2026-03-04", "2026-03-05", "1970-01-01")):
            store.add(
                EventType.PICKUP,
                NOON,
                details={"n": number},
                day=Day(day, ("a", "b"), (Totals(pickups=1), Totals())),
            )
    found = standing(path, now=NOON)
    assert (found.days, found.events, found.damaged) == (2, 3, False)
    assert (found.never, found.broken) == (("1970-01-01",), ())
    (tmp_path / "h.db.broken-1").write_text("")
    data = bytearray(path.read_bytes())
    data[4096 * 2 : 4096 * 2 + 100] = b"\xff" * 100
    path.write_bytes(data)
    found = standing(path, now=NOON)
    assert found.damaged
    assert found.broken == (tmp_path / "h.db.broken-1",)


# ---------------------------------------------------------------- the store


def test_what_waits_is_bounded_by_number_and_by_age():
    store = open_memory()
    for number in range(1, 206):
        store.add(EventType.PICKUP, NOON, details={}, since_s=NOON.timestamp() + number)
    now = NOON + timedelta(seconds=205)
    assert store.bound_outbox(now=now, at_most=205, days=9) == 0
    # Four more than fit, and the hundredth part of what may wait, and one for the word of it.
    assert store.bound_outbox(now=now, at_most=201, days=9) == 4 + 1 + 2
    first = store.waiting(after=0, limit=1)[0]
    assert (first.place, first.record.type, dict(first.record.details)) == (
        1,
        EventType.DROPPED,
        {"count": 7, "first_number": 1, "last_number": 7, "why": "too many"},
    )
    later = NOON + timedelta(days=1, seconds=10)
    assert store.bound_outbox(now=later, at_most=999, days=1) == 2
    first = store.waiting(after=0, limit=1)[0]
    assert dict(first.record.details) == {
        "count": 9,
        "first_number": 1,
        "last_number": 9,
        "why": "too old",
    }
    assert store.queued() == 205 - 9 + 1
    assert store.count() == 205 + 1, "what was dropped stays in the history"


def test_what_is_pruned_is_older_than_what_is_kept_and_does_not_wait():
    store = open_memory()
    for days in (30, 20, 11, 10, 9, 0):
        at = NOON - timedelta(days=days)
        day = Day(at.date().isoformat(), ("desk",), (Totals(pickups=1),))
        store.add(EventType.PICKUP, at, details={}, send=days == 20, day=day)
    store.prune(now=NOON, keep_days=10)
    kept = store.events(since=NOON - timedelta(days=99), until=NOON + timedelta(days=9))
    assert [(NOON - each.at).days for each in kept] == [20, 10, 9, 0]
    assert [day for day, *_ in store.dates()] == [
        (NOON.date() - timedelta(days=days)).isoformat() for days in (10, 9, 0)
    ]


def test_what_is_trimmed_are_all_but_the_latest():
    store = open_memory()
    for number in range(10):
        store.add(EventType.PICKUP, NOON, details={}, send=number == 1)
    store.trim(keep=4)
    kept = store.events(since=NOON - timedelta(days=1), until=NOON + timedelta(days=1))
    assert [each.number for each in kept] == [2, 7, 8, 9, 10]


def test_a_day_without_totals_begins_with_the_last_streak_before_it():
    store = open_memory()
    for day, streak in (
        ("2025-12-31", 90),
        ("2026-03-01", 3),
        ("2026-03-03", 5),
        ("2026-03-09", 7),
    ):
        store.save({}, Day(day, ("desk",), (Totals(streak=streak),)))
    assert [store.day(f"2026-03-0{n}", ("desk",)).totals[0].streak for n in (2, 3, 5)] == [3, 5, 5]
    assert store.day("2026-02-01", ("desk",)).totals[0].streak == 0
    assert store.day("2026-03-05", ("other",)).totals == (Totals(),)
    assert [day for day, *_ in store.days("2026-03-01", "2026-03-03")] == [
        "2026-03-01",
        "2026-03-03",
    ]


@pytest.mark.parametrize(
    ("noted", "next_number"),
    [("41", 42), ("999999999999999", 1), ("1234567890123456", 1), ("-3", 1), ("\u0664", 1), ("", 1),
     (str(2**48 - 1), 2**48), (str(2**48), 1)],
)  # fmt: skip
def test_numbers_go_on_after_the_last_that_was_noted(tmp_path, noted, next_number):
    path = tmp_path / "h.db"
    with closing(open_store(path)) as store:
        store.save({"last_number": noted}, None)
    with closing(open_store(path)) as store:
        assert store.add(EventType.PICKUP, NOON, details={}).number == next_number


def test_events_are_asked_for_from_one_moment_to_before_another():
    store = open_memory()
    for seconds in (0, 1, 2):
        store.add(EventType.PICKUP, NOON + timedelta(seconds=seconds), details={})
    found = store.events(since=NOON, until=NOON + timedelta(seconds=2))
    assert [each.number for each in found] == [1, 2]
    assert store.newest_s() == (NOON + timedelta(seconds=2)).timestamp()
    store.add(EventType.PICKUP, datetime.combine(date(1970, 1, 2), NOON.timetz()), details={})
    assert store.newest_s() == (NOON + timedelta(seconds=2)).timestamp()
    assert open_memory().newest_s() is None


def events(store: Store) -> list[tuple[int, str]]:
    return [tuple(row) for row in store._db.execute("SELECT number, id FROM event ORDER BY number")]


def outbox(store: Store) -> list[tuple[int, int, float]]:
    return [tuple(row) for row in store._db.execute("SELECT * FROM outbox ORDER BY place")]


def saved(number: int, id_: str) -> tuple:
    return (number, id_, "pickup", NOON.isoformat(), NOON.timestamp(), None, "{}")


def test_of_two_salvaged_events_with_one_number_the_second_comes_last():
    store = open_memory()
    rows = {id_: saved(number, id_) for number, id_ in ((3, "a"), (3, "b"), (7, "c"), (7, "d"))}
    store.take(Salvaged(events=rows, outbox={3: (1, 3, 5.0), 99: (2, 99, 5.0)}))
    assert events(store) == [(3, "a"), (7, "c"), (8, "b"), (9, "d")]
    assert outbox(store) == [(1, 3, 5.0)], "what is not there does not wait"
    assert store.last_number == 9


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(5, 1, 2.0), (6, 2, 3.0)], [(5, 1, 2.0), (6, 2, 3.0)]),
        ([(5, 1, 2.0), (5, 2, 3.0)], [(5, 1, 2.0), (6, 2, 3.0)]),
        ([(0, 1, 2.0), (4, 2, 3.0)], [(4, 2, 3.0), (5, 1, 2.0)]),
        ([(2**48, 1, 2.0)], [(1, 1, 2.0)]),
        ([(2**48 - 1, 1, 2.0)], [(2**48 - 1, 1, 2.0)]),
        ([(5, 1, 2.0), (6, 1, 2.0)], [(5, 1, 2.0)]),
        ([("x", 1, 2.0), (5, "y", 2.0)], []),
        ([(5, 1, 1e11)], [(5, 1, 0.0)]),
        ([(5, 1, 9e10)], [(5, 1, 9e10)]),
    ],
)
def test_what_waited_elsewhere_waits_in_its_order_here(rows, expected):
    store = open_memory()
    store._requeue(rows)
    assert outbox(store) == expected


def test_a_place_from_which_nothing_is_sent_becomes_one_that_is():
    store = open_memory()
    for _ in range(1, 6):
        store.add(EventType.PICKUP, NOON, details={}, send=False)
    for place, number in ((0, 1), (-7, 2), (2**48, 3), (4, 4), (5, 9)):
        store._db.execute("INSERT INTO outbox VALUES (?, ?, 1.0)", (place, number))
    store.tidy()
    assert outbox(store) == [(1, 1, 1.0), (2, 2, 1.0), (3, 3, 1.0), (4, 4, 1.0)]
    store._db.execute("INSERT INTO outbox VALUES (-1, 4, 1.0)")
    store.tidy()
    assert len(outbox(store)) == 4, "where that place is taken, it waits there already"


def test_a_card_that_is_back_gets_what_happened_meanwhile_and_loses_what_was_sent():
    card, memory = open_memory(), open_memory()
    for _ in range(3):
        card.add(EventType.PICKUP, NOON, details={})
    memory.copy_from(card, events=False)
    memory.continue_after(card.last_number)
    assert [each.place for each in memory.waiting(after=0, limit=9)] == [1, 2, 3]
    memory.acknowledge([1])
    memory.remember_acknowledged([1])
    memory.add(EventType.LEFT, NOON, details={}, notes={"a": "b"})
    day = Day("2026-03-05", ("desk",), (Totals(pickups=4),))
    memory.save({}, day)
    card.copy_from(memory, events=True)
    assert [each.place for each in card.waiting(after=0, limit=9)] == [2, 3, 4]
    assert [number for number, _ in events(card)] == [1, 2, 3, 4]
    assert (card.note("a"), card.last_number) == ("b", 4)
    assert card.day("2026-03-05", ("desk",)).totals == day.totals


class Error(sqlite3.OperationalError):
    def __init__(self, code: int) -> None:
        super().__init__("x")
        self.sqlite_errorcode = code


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("SQLITE_CORRUPT", True),
        ("SQLITE_NOTADB", True),
        ("SQLITE_ERROR", True),
        ("SQLITE_CORRUPT_VTAB", True),
        ("SQLITE_IOERR_READ", True),
        ("SQLITE_IOERR_SHORT_READ", True),
        ("SQLITE_READONLY", True),
        ("SQLITE_IOERR_WRITE", False),
        ("SQLITE_IOERR", False),
        ("SQLITE_FULL", False),
        ("SQLITE_CANTOPEN", False),
        ("SQLITE_BUSY", False),
        ("SQLITE_LOCKED", False),
        ("SQLITE_NOMEM", False),
        ("SQLITE_PERM", False),
        ("SQLITE_PROTOCOL", False),
        ("SQLITE_NOLFS", False),
    ],
)
def test_whether_content_or_card_is_to_blame_is_what_the_error_says(tmp_path, name, damage):
    path = tmp_path / "h.db"
    path.write_text("")
    assert is_damage(Error(getattr(sqlite3, name)), path) == damage
    assert is_full(Error(getattr(sqlite3, name))) == (name == "SQLITE_FULL")
    assert is_damage(ValueError("x"), path)
    assert not is_full(ValueError("x"))
    if name == "SQLITE_READONLY":
        assert not is_damage(Error(sqlite3.SQLITE_READONLY), tmp_path / "none")


MIB = 2**20


@pytest.mark.parametrize(
    ("card_mib", "free_bytes", "size_bytes", "short"),
    [
        (1000, 4 * MIB - 4096, 4 * MIB + 1, True),
        (1000, 4 * MIB, 4 * MIB + 1, False),
        (1000, 4 * MIB - 4096, 4 * MIB, False),
        (30, 3 * MIB - 4096, 3 * MIB + 1, True),
        (30, 3 * MIB, 3 * MIB + 1, False),
        (10, 2 * MIB - 4096, 2 * MIB + 1, True),
        (10, 2 * MIB, 2 * MIB + 1, False),
    ],
)
def test_room_is_short_below_a_tenth_of_the_card_within_bounds(
    tmp_path, monkeypatch, card_mib, free_bytes, size_bytes, short
):
    path = tmp_path / "h.db"
    with path.open("wb") as file:
        file.truncate(size_bytes)
    blocks = SimpleNamespace(
        f_blocks=card_mib * MIB // 4096, f_frsize=4096, f_bavail=free_bytes // 4096
    )
    monkeypatch.setattr(store_module.os, "statvfs", lambda _: blocks)
    assert is_short_of_room(path) == short
    assert not is_short_of_room(tmp_path / "none")


def test_the_oldest_quarter_makes_room_and_what_waits_stays(tmp_path):
    path = tmp_path / "h.db"
    with closing(open_store(path)) as store:
        for number in range(1, 21):
            store.add(EventType.PICKUP, NOON, details={}, send=number == 2)
    assert make_room(path) == 5
    with closing(open_store(path)) as store:
        assert [number for number, _ in events(store)] == [2, *range(7, 21)]


def test_a_history_that_is_larger_than_memory_gives_more_than_a_quarter(tmp_path, monkeypatch):
    path = tmp_path / "h.db"
    with closing(open_store(path)) as store:
        for _ in range(20):
            store.add(EventType.PICKUP, NOON, details={"x": "y" * 4000}, send=False)
    monkeypatch.setattr(store_module, "KEPT_BYTES", path.stat().st_size * 0.4)
    assert make_room(path) == 12


def test_a_database_is_set_aside_whole_and_under_a_name_of_its_own(tmp_path):
    path = tmp_path / "h.db"
    for content in ("1", "2"):
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{path}{suffix}").write_text(content)
        moved = set_aside(path, NOON)
    assert moved.name == "h.db.broken-20260305T120000-2"
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(
        f"h.db.broken-20260305T120000{number}{suffix}"
        for number in ("", "-2")
        for suffix in ("", "-wal", "-shm", "-journal")
    )
    assert moved.read_text() == "2"
    for number in range(3, 6):
        path.write_text(str(number))
        set_aside(path, NOON + timedelta(seconds=number))
    assert sorted(each.read_text() for each in broken(path)) == ["3", "4", "5"]
    assert len(list(tmp_path.iterdir())) == 3


# ---------------------------------------------------------------- what cannot be done


LONG_NAME = "x" * 300


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        pytest.param(open_store, "is not a file", id="a folder"),
        pytest.param(lambda p: open_for_reading(p / "none"), "there is no history yet", id="none"),
        pytest.param(lambda p: open_for_reading(p / LONG_NAME), "cannot be read", id="no name"),
        pytest.param(lambda p: open_salvaged(p / "none"), "cannot be read", id="none to salvage"),
        pytest.param(
            lambda p: read_file(p / "none", NOON.date(), NOON.date(), now=NOON),
            "no history",
            id="report",
        ),
        pytest.param(
            lambda p: erase(p / "none", None, now=NOON), "there is no history at", id="erase"
        ),
    ],
)
def test_what_cannot_be_done_is_said_and_is_no_damage(tmp_path, attempt, said):
    with pytest.raises(Unusable, match=said) as failed:
        attempt(tmp_path)
    assert not failed.value.damaged


def test_what_could_not_be_erased_may_still_be_there_and_is_said(tmp_path, monkeypatch, caplog):
    box = RecordingBox(tmp_path / "h.db")
    box.tell()
    box.recorder.drain(120.0)

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(Store, "erase", fail)
    answers: list[str] = []
    box.recorder.erase(None, answers.append)
    box.recorder.close()
    assert answers == ["disk I/O error"]
    assert "what was to be erased may still be there: disk I/O error" in caplog.text
    with pytest.raises(Unusable, match="may still be there: try again") as failed:
        erase(tmp_path / "h.db", None, now=NOON)
    assert not failed.value.damaged


@pytest.mark.parametrize("said", ["", "[1]", '{"count": 3}', '{"first_number": 3}', "[" * 9999])
def test_of_what_was_dropped_before_nothing_is_known_where_it_does_not_say(said):
    assert store_module._dropped(said) == (0, 0)


def test_a_database_that_cannot_be_asked_is_not_whole():
    store = open_memory()
    assert store.is_whole()
    store.close()
    assert not store.is_whole()


def test_a_damaged_database_that_cannot_be_read_at_all_costs_the_new_one_nothing(
    tmp_path, monkeypatch, caplog
):
    path = tmp_path / "h.db"
    path.write_bytes(b"no database")

    def fail(*_: object, **__: object) -> None:
        raise OSError("input/output error")

    monkeypatch.setattr(store_module, "salvage", fail)
    store, moved, saved = replace_damaged(path, NOON)
    assert (saved, moved.read_bytes(), store.is_whole()) == (0, b"no database", True)
    assert "nothing can be read: input/output error" in caplog.text


def test_what_cannot_be_recorded_is_said_and_what_follows_is(caplog):
    box = RecordingBox(None)
    box.tell(EventType.PICKUP)
    box.recorder.note(EventType.LEFT, {"x": object()})  # type: ignore[dict-item]
    box.tell(EventType.PUTDOWN)
    told = [waiting.record.type for waiting in box.waiting()]
    assert told == [EventType.PICKUP, EventType.PUTDOWN]
    assert "an event or a total is lost" in caplog.text


def test_a_recorder_that_does_not_finish_is_left_and_that_is_said(caplog):
    box = RecordingBox(None)
    hangs = hung(box)
    box.recorder.close(0.01)
    assert "the history did not finish within 0.01 s" in caplog.text
    hangs.set()


def test_a_card_that_fails_while_its_history_is_recalled_is_gone_on_without(tmp_path, monkeypatch):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    box.tell(EventType.PICKUP)
    box.recorder.close()
    good, failed = Store.day, []

    def day(store: Store, date_: str, seats: tuple[str, ...]) -> Day:
        if not failed:
            failed.append(date_)
            raise sqlite3.OperationalError("disk I/O error")
        return good(store, date_, seats)

    monkeypatch.setattr(Store, "day", day)
    again = RecordingBox(path, box.wall)
    (fault,) = again.inbox.drain()
    assert fault == FaultChange(Fault.DISK, True, "disk I/O error")
    again.tell(EventType.PUTDOWN)
    told = [waiting.record.type.value for waiting in again.waiting()]
    assert told[0] == "pickup", "what waits for the broker could be read"
    assert told[-1] == "putdown"


def test_a_card_that_comes_back_and_fails_again_is_tried_once_more(tmp_path, monkeypatch):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    box.tell(EventType.PICKUP)
    box.recorder.drain(120.0)
    box.recorder._store._db.execute("PRAGMA max_page_count = 1")  # as a full card answers
    for _ in range(9):
        long = Happening(EventType.LEFT, box.clock(), "desk", {"x": "y" * 4000})
        box.recorder.tell(long, box.state)
    box.recorder.drain(120.0)
    good, tries = Store.copy_from, []

    def copy_from(store: Store, other: Store, *, events: bool) -> None:
        tries.append(events)
        if len(tries) == 1:
            raise sqlite3.OperationalError("disk I/O error")
        good(store, other, events=events)

    monkeypatch.setattr(Store, "copy_from", copy_from)
    box.recorder._overflowing = True  # it had hung as well
    for after_s, there in ((31, False), (29, False), (2, True)):
        box.clock.advance(after_s)
        box.recorder.drain(120.0)
        box.recorder.drain(120.0)
        assert ("left" in events_of(path)) is there, tries
    assert tries == [True, True]
    assert not box.recorder._overflowing, "when it hangs again that is said again"
    faults = [each.broken for each in box.inbox.drain()]  # type: ignore[union-attr]
    assert faults == [True, False]
    box.recorder.close()


def test_a_machine_that_cannot_be_asked_about_its_clock_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(clock_module, "TIMESYNC", tmp_path / "none")
    monkeypatch.setattr(clock_module.ctypes, "CDLL", lambda *_, **__: object())
    assert clock_module.synchronized() is None


@pytest.mark.parametrize("opened", [open_store, open_for_reading])
@pytest.mark.parametrize("table", ["event", "outbox", "day", "note"])
def test_a_history_without_one_of_its_tables_is_damaged(tmp_path, opened, table):
    path = tmp_path / "h.db"
    open_store(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"ALTER TABLE {table} RENAME TO other")
        db.commit()
    with pytest.raises(Unusable) as failed:
        opened(path)
    assert failed.value.damaged


@pytest.mark.parametrize(("day", "what"), [(None, "everything"), (NOON.date(), "2026-03-05")])
def test_what_was_erased_is_said(day, what, caplog):
    caplog.set_level("INFO")
    box = RecordingBox(None)
    box.recorder.erase(day, lambda _: None)
    box.recorder.close()
    assert f"{what} was erased from the history" in caplog.text


@pytest.mark.parametrize(("begins_s", "there"), [(-1, True), (0, False)])
def test_a_fault_of_the_moment_in_which_a_day_ends_is_of_the_next_one(begins_s, there):
    last = NOON + timedelta(hours=12)
    at = last + timedelta(seconds=begins_s)
    fault = Segment(Kind.FAULT, at, at, None, "camera")
    assert (clipped(fault, NOON, last) is not None) is there


def test_the_hours_of_a_page_have_minutes_where_there_are_any():
    assert [_clock(NOON + timedelta(minutes=n)) for n in (0, 30)] == ["12", "12:30"]
