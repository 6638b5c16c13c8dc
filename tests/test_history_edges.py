"""Every limit of the history, tried at its edge."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge.config import HistoryConfig
from edge.domain import Box, EventType, Fault, FaultChange, Happening, LookAlike, Session, Totals
from edge.history import clock as clock_module
from edge.history import recorder as recorder_module
from edge.history import store as store_module
from edge.history.clock import Lived
from edge.history.days import Day, add, difference
from edge.history.erase import erase
from edge.history.page import _clock
from edge.history.record import Record, event_id, figure, finite, last_seen, record
from edge.history.recorder import Recorder, _interruption, _lived, _look_alikes
from edge.history.report import (
    DayReport,
    Report,
    Stretch,
    Stretches,
    _minutes,
    read,
    read_file,
    standing,
    table,
)
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
    transaction,
)
from edge.history.timeline import Kind, Segment, clipped
from edge.inbox import CommandInbox
from tests.fakes import FakeClock, FakeWall
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


def test_a_card_that_hangs_stops_nobody_and_is_said_once(caplog):
    box = RecordingBox(None)
    hangs = hung(box)
    for _ in range(10_000):
        box.recorder.look_at_the_clock()
    assert box.inbox.drain() == []
    for _ in range(3):
        box.recorder.look_at_the_clock()
    assert box.inbox.drain() == [FaultChange(Fault.DISK, True, "the card hangs")]
    assert said_of(caplog) == [("ERROR", "the card hangs; events are being lost")]
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
        ({"seen": (NOON - timedelta(seconds=5)).isoformat()}, (0, "power lost or crashed")),
        ({"session": "idle"}, None),
        ({"since": "yesterday"}, None),
        ({"seen": None}, None),
    ],
)
def test_a_note_of_the_last_session_is_understood_or_passed_over(changes, expected, caplog):
    noted = {
        "session": "break",
        "since": NOON.isoformat(),
        "seen": (NOON + timedelta(seconds=30)).isoformat(),
        "stopped": False,
    }
    found = _interruption(json.dumps(noted | changes))
    assert (found and (found["lasted_s"], found["cause"])) == expected
    understood = expected is not None or changes == {"session": "idle"}
    assert ("what was noted of the last session is not understood" in caplog.text) != understood
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
def test_what_was_learnt_is_understood_entry_by_entry(changes, understood, caplog):
    good = LookAlike(3, "desk", Box(0, 0.25, 1, 0.5), 1, 1)
    found = _look_alikes(json.dumps([LEARNT | changes, LEARNT]))
    assert found == ((good, good) if understood else (good,))
    one = [("WARNING", "something that was learnt before is not understood")]
    assert said_of(caplog) == ([] if understood else one)
    assert _look_alikes(None) == _look_alikes("") == ()
    assert said_of(caplog) == []
    assert _look_alikes("3") == ()
    assert said_of(caplog)[0][1].startswith("what was learnt before is not understood: ")


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
        (
            {"details": '{"\\ud800": {"b": [[NaN, "\\ud800", "ä"], -1.5, {"c": Infinity}]}}'},
            "details",
            {"?": {"b": [[None, "?", "ä"], -1.5, {"c": None}]}},
        ),
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


@pytest.mark.parametrize(
    ("day", "can_be"),
    [("2025-12-31", False), ("2026-01-01", True), ("2026-03-06", True), ("2026-03-07", False)],
)
def test_a_day_is_from_the_first_of_2026_to_tomorrow(day, can_be):
    assert clock_module.can_be(day, today=NOON.date()) is can_be


# ---------------------------------------------------------------- days


def test_a_counter_of_less_session_time_is_a_new_one_but_for_a_rounding():
    before = Totals(focus_s=100.0, pickups=4)
    assert difference(Totals(focus_s=99.5, pickups=5), before).pickups == 5
    assert difference(Totals(focus_s=100 - 1e-8, pickups=5), before).pickups == 1


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


def test_what_is_read_of_some_days_is_all_that_is_known_of_them():
    """Wednesday ends with a session that goes on over midnight; Friday has nothing."""
    store = open_memory()
    day = NOON.date()
    midnight_ = datetime(2026, 3, 5, tzinfo=UTC)
    wednesday = Totals(focus_s=3000.0, pickups=1)
    thursday, other = Totals(focus_s=900.0, phone_s=5.0), Totals(focus_s=900.0, phone_s=7.0)
    for totals, date_, seats in (
        ((wednesday,), "2026-03-04", ("desk",)),
        ((thursday, other), "2026-03-05", ("desk", "sofa")),
        ((Totals(focus_s=1.0),), "2026-03-03", ("desk",)),
        ((Totals(focus_s=7.0),), "2025-12-31", ("desk",)),
        ((Totals(focus_s=8.0),), "2026-03-08", ("desk",)),
        ((Totals(focus_s=9.0),), "2026-03-07", ("desk",)),
    ):
        store.save({}, Day(date_, seats, totals))
    for hours, type_, details, replay in (
        (-24.5, EventType.PICKUP, {"clean_s": 900.0}, False),
        (-20, EventType.PICKUP, {"clean_s": 600.0, "unseen_s": 60.0}, False),
        (-19, EventType.PICKUP, {"clean_s": 600.0, "unseen_s": 50.0}, False),
        (-18, EventType.PICKUP, {"clean_s": 2000.0}, True),
        (-17, EventType.INTERRUPTED, {"clean_s": 10.0}, False),
        (-16, EventType.INTERRUPTED, {}, True),
        (-15, EventType.LEVEL, {"clean_s": 2000.0}, False),
        (0.5, EventType.SESSION_END, {"clean_s": 2500.0, "unseen_s": 1000.0}, False),
        (1, EventType.INTERRUPTED, {}, False),
        (2, EventType.INTERRUPTED, {}, False),
        (49, EventType.PICKUP, {"clean_s": 900.0}, False),
    ):
        store.add(type_, midnight_ + timedelta(hours=hours), details=details, replay=replay)
    one = timedelta(days=1)
    now = NOON + one
    assert read(store, day - one, day + one, now=now) == Report(
        (
            DayReport(day - one, {"desk": wednesday}, 600.0, 1, 60.0),
            DayReport(day, {"desk": thursday, "sofa": other}, 900.0, 2, 900.0),
            DayReport(day + one, {}, 0.0, 0, 0.0),
        ),
        (("2025-12-31", Totals(focus_s=7.0)), ("2026-03-08", Totals(focus_s=8.0))),
    )
    assert read(store, day, day, now=now).days == (
        DayReport(day, {"desk": thursday, "sofa": other}, 900.0, 2, 900.0),
    )


def test_what_was_cut_off_in_the_evening_is_of_its_day_whatever_days_are_read():
    store = open_memory()
    day, one = NOON.date(), timedelta(days=1)
    evening = NOON.replace(hour=23, minute=50)
    store.save({}, Day(str(day), ("desk",), (Totals(focus_s=5000.0),)))
    details = {"clean_s": 600.0, "unseen_s": 60.0, "last_seen": evening.isoformat()}
    store.add(EventType.INTERRUPTED, evening + timedelta(hours=9), details=details)
    alone = DayReport(day, {"desk": Totals(focus_s=5000.0)}, 600.0, 0, 60.0)
    assert read(store, day, day, now=NOON).days == (alone,)
    both = read(store, day, day + one, now=NOON + one).days
    assert both == (alone, DayReport(day + one, {}, 0.0, 1, 0.0))


def test_a_stretch_began_as_long_before_its_end_as_it_lasted():
    assert Stretch(NOON, 90.5, 3.0).begin == NOON - timedelta(seconds=90.5)


@pytest.mark.parametrize("opens", ["session_start", "putdown", "resume"])
@pytest.mark.parametrize("closes", ["session_end", "pickup", "pause", "interrupted"])
def test_an_event_of_an_earlier_version_says_by_its_time_how_long_it_was(opens, closes):
    seen = (NOON + timedelta(seconds=50)).isoformat()
    details = {"last_seen": seen, "unseen_s": 7.0} if closes == "interrupted" else {"unseen_s": 7.0}
    stretches = Stretches()
    began = Record(1, "", EventType(opens), NOON, None, {})
    ended = Record(2, "", EventType(closes), NOON + timedelta(seconds=80), None, details)
    assert stretches.ended_by(began) is None
    end_s = 50 if closes == "interrupted" else 80
    assert stretches.ended_by(ended) == Stretch(NOON + timedelta(seconds=end_s), end_s, 7.0)
    assert stretches.ended_by(ended) == Stretch(NOON + timedelta(seconds=end_s), 0.0, 7.0)


@pytest.mark.parametrize(
    ("said", "at_s"),
    [(0, 0), (-5, -5), (10, 10), (11, 10), (None, 10)],
)
def test_a_box_last_lived_when_it_says_and_never_after_its_next_start(said, at_s):
    details = {} if said is None else {"last_seen": (NOON + timedelta(seconds=said)).isoformat()}
    told = Record(1, "", EventType.INTERRUPTED, NOON + timedelta(seconds=10), None, details)
    assert last_seen(told) == NOON + timedelta(seconds=at_s)


def test_a_table_of_some_days_has_a_line_for_each_and_no_more():
    seats = {"desk": Totals(focus_s=3570.0, phone_s=29.0, away_s=31.0, break_s=3600.0, pickups=12)}
    short_ = {"desk": Totals(focus_s=7200.0, phone_s=9000.0, streak=1)}
    days = (
        DayReport(date(2026, 3, 4), seats, 60.0, 3, 45.0),
        DayReport(date(2026, 3, 5), short_, 60.0, 3, 45.0),
        DayReport(date(2026, 3, 6), {}, 0.0, 0, 0.0),
    )
    assert table(Report(days)).splitlines() == [
        "day          focus  phone   away  breaks  pick-ups  sessions  streak",
        f"Wed 04 Mar    1h 00    0 m    1 m   1h 00        12         0       0  {'█' * 12}",
        f"Thu 05 Mar    2h 00  2h 30    0 m     0 m         0         0       1  {'░' * 24}",
        "Fri 06 Mar      0 m    0 m    0 m     0 m         0         0       0",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "   0 m"), (29, "   0 m"), (31, "   1 m"), (3540, "  59 m"), (3569, "  59 m"),
        (3571, " 1h 00"), (3660, " 1h 01"), (7140, " 1h 59"), (7200, " 2h 00"), (36000, "10h 00"),
    ],
)  # fmt: skip
def test_minutes_take_six_characters(seconds, text):
    assert _minutes(seconds) == text


def test_a_report_as_other_programs_read_it_has_whole_seconds_and_each_seat():
    totals = Totals(1.4, 2.6, 3.4, 4.6, 5.4, 6.6, 7.4, 8, 9, 10, 11)
    names = [
        "focus_s", "working_s", "phone_s", "away_s", "unsure_s", "break_s", "paused_s", "pickups",
        "sessions", "clean_sessions", "streak",
    ]  # fmt: skip
    desk = dict(zip(names, (1, 3, 3, 5, 5, 7, 7, 8, 9, 10, 11), strict=True))
    both = dict(zip(names, (1, 5, 7, 9, 11, 7, 7, 16, 9, 10, 11), strict=True))
    seats = {"desk": totals, "sofa": totals}
    report = Report((DayReport(date(2026, 3, 4), seats, 60.6, 3, 45.4),), (("1970", totals),))
    assert report.as_json() == {
        "days": [
            {"date": "2026-03-04", **both, "longest_clean_s": 61, "unseen_s": 45,
             "interruptions": 3, "seats": {"desk": desk, "sofa": desk}}
        ],
        "set_aside": [{"date": "1970", **desk}],
    }  # fmt: skip


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
    first = datetime(2026, 1, 1, 5, tzinfo=UTC)
    store.add(EventType.PICKUP, first, details={})
    store.add(EventType.PICKUP, first - timedelta(hours=6), details={})
    assert store.newest_s() == first.timestamp()


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


# ---------------------------------------------------------------- the store, whole


def whole(store: Store) -> dict[str, list[tuple]]:
    """Every row that there is."""
    return {
        table: [tuple(row) for row in store._db.execute(f"SELECT * FROM {table} ORDER BY 1, 2")]
        for table in ("event", "outbox", "day", "note")
    }


LONG_AGO, LATER = NOON - timedelta(days=999), NOON + timedelta(days=999)


def numbers(found: Iterable[Record]) -> list[int]:
    return [each.number for each in found]


def test_an_event_is_committed_with_all_that_it_made_true():
    store = open_memory()
    totals = Totals(1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8, 9, 10, 11)
    first = store.add(
        EventType.PICKUP,
        NOON,
        seat="desk",
        details={"why": "ä", "median": 0.5},
        notes={"session": "x"},
        day=Day("2026-03-05", ("desk", "sofa"), (totals, Totals())),
        since_s=12.5,
    )
    at = NOON + timedelta(seconds=1.25)
    film = store.add(EventType.LEFT, at, details={}, replay=True)
    store.add(EventType.RETURNED, at, details={}, send=False)
    assert (first.number, film.number, store.last_number) == (1, 2, 3)
    rows = whole(store)
    ids = [row[1] for row in rows["event"]]
    assert ids[:2] == [first.id, film.id]
    assert rows == {
        "event": [
            (1, ids[0], "pickup", "2026-03-05T12:00:00+00:00", NOON.timestamp(), "desk",
             '{"why": "ä", "median": 0.5}'),
            (2, ids[1], "left", "2026-03-05T12:00:01.250000+00:00", NOON.timestamp() + 1.25, None,
             '{"replay": true}'),
            (3, ids[2], "returned", "2026-03-05T12:00:01.250000+00:00", NOON.timestamp() + 1.25,
             None, "{}"),
        ],
        "outbox": [(1, 1, 12.5), (2, 2, NOON.timestamp() + 1.25)],
        "day": [
            ("2026-03-05", "desk", 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8, 9, 10, 11),
            ("2026-03-05", "sofa", *[0.0] * 11),
        ],
        "note": [("last_number", "3"), ("session", "x")],
    }  # fmt: skip
    assert store.events(since=LONG_AGO, until=LATER)[:2] == [first, film]
    assert store.at(2) == film
    assert store.at(4) is None
    assert store.day("2026-03-05", ("sofa", "desk")).totals == (Totals(), totals)


def test_what_cannot_be_written_as_a_whole_is_not_written_at_all():
    store = open_memory()
    store.add(EventType.PICKUP, NOON, details={})
    store._db.execute("DROP TABLE day")
    before = store._db.execute("SELECT * FROM event").fetchall()
    day = Day("2026-03-05", ("desk",), (Totals(),))
    for attempt in (
        lambda: store.add(EventType.LEFT, NOON, details={}, day=day),
        lambda: store.save({"a": "b"}, day),
    ):
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            attempt()
        assert not store._db.in_transaction
    assert store._db.execute("SELECT * FROM event").fetchall() == before
    assert (store.note("a"), store.note("last_number"), store.queued()) == (None, "1", 1)
    assert store.add(EventType.LEFT, NOON, details={}).number == 2


def test_a_transaction_that_the_card_has_ended_is_not_ended_again():
    store = open_memory()
    with pytest.raises(KeyError), transaction(store._db):
        store._db.execute("ROLLBACK")  # as a full disk does
        raise KeyError
    with transaction(store._db):
        store._db.execute("INSERT INTO note VALUES ('a', 'b')")
    assert store.note("a") == "b"


def test_events_are_found_by_time_type_number_and_as_the_latest_of_a_span():
    """The clock was set back after the third, and ahead for the fifth."""
    store = open_memory()
    for seconds, type_, replay in (
        (0, EventType.PICKUP, False),
        (10, EventType.SESSION_END, False),
        (20, EventType.PICKUP, True),
        (5, EventType.LEFT, False),
        (90, EventType.SESSION_END, False),
        (15, EventType.PICKUP, False),
    ):
        store.add(type_, NOON + timedelta(seconds=seconds), details={}, replay=replay)

    def span(since_s: float, until_s: float) -> dict[str, datetime]:
        return {
            "since": NOON + timedelta(seconds=since_s),
            "until": NOON + timedelta(seconds=until_s),
        }

    assert numbers(store.each(**span(0, 91))) == [1, 2, 3, 4, 5, 6]
    assert numbers(store.each(**span(5, 20))) == [2, 4, 6]
    assert numbers(store.each(**span(5, 20.5))) == [2, 3, 4, 6]
    assert numbers(store.each(**span(21, 90))) == []
    types = {EventType.PICKUP, EventType.LEFT}
    assert numbers(store.each(**span(0, 91), types=types)) == [1, 3, 4, 6]
    assert numbers(store.each(**span(0, 91), types={EventType.PAUSE})) == []
    assert [store.count_between(**span(0, until)) for until in (0, 1, 21, 91)] == [0, 1, 4, 5]
    assert numbers(store.latest(**span(0, 91), limit=9)) == [1, 2, 4, 5, 6]
    assert numbers(store.latest(**span(0, 91), limit=3)) == [2, 5, 6]
    assert numbers(store.latest(**span(0, 90), limit=1)) == [6]
    assert numbers(store.latest(**span(0, 0), limit=9)) == []
    assert numbers(store.ended_before(6)) == [5, 2]
    assert numbers(store.ended_before(5)) == [2]
    assert numbers(store.after(0, limit=2)) == [1, 2]
    assert numbers(store.after(4, limit=9)) == [5, 6]
    assert (store.count(), store.newest(), store.last_number) == (6, 6, 6)
    store._db.execute("UPDATE event SET at = 'x', at_unix = 'y' WHERE number IN (2, 6)")
    assert numbers(store.ended_before(6)) == [5]
    assert numbers(store.after(4, limit=9)) == [5]
    assert store.at(6) is None
    assert store.newest_s() == NOON.timestamp() + 90


def test_an_experiment_began_with_the_first_session_that_was_drawn_for_it():
    store = open_memory()
    for minute, type_, name, replay in (
        (1, EventType.LEVEL, "first", False),
        (2, EventType.SESSION_START, "other", False),
        (3, EventType.SESSION_START, "first", True),
        (5, EventType.SESSION_START, "first", False),
        (4, EventType.SESSION_START, "first", False),
    ):
        at = NOON + timedelta(minutes=minute)
        store.add(type_, at, details={"experiment": name}, replay=replay)
    assert store.experiment("first") == NOON + timedelta(minutes=4)
    assert store.experiment("other") == NOON + timedelta(minutes=2)
    assert store.experiment("third") is None


def test_a_change_by_somebody_else_is_seen_and_ones_own_is_not(tmp_path):
    with (
        closing(open_store(tmp_path / "h.db")) as one,
        closing(open_store(tmp_path / "h.db")) as two,
    ):
        before = one.changes()
        one.add(EventType.PICKUP, NOON, details={})
        assert one.changes() == before
        two.save({"a": "b"}, None)
        assert one.changes() != before
        one.add(EventType.LEFT, NOON, details={})
        assert (two.newest(), two.last_number) == (2, 0)


def test_what_waits_is_fetched_from_behind_a_place_and_what_cannot_be_read_leaves(caplog):
    store = open_memory()
    for _ in range(6):
        store.add(EventType.PICKUP, NOON, details={})
    store._db.execute("UPDATE outbox SET place = place + 10")
    store._db.execute("UPDATE event SET at = 'x', at_unix = 'y' WHERE number IN (2, 3, 6)")

    def places(after: int, limit: int) -> list[tuple[int, int]]:
        return [
            (each.place, each.record.number) for each in store.waiting(after=after, limit=limit)
        ]

    assert places(0, 1) == [(11, 1)]
    assert caplog.text == ""
    assert places(11, 2) == [(14, 4), (15, 5)], "behind two that nobody can read"
    assert "2 events cannot be read any more, and are not sent" in caplog.text
    assert store.queued() == 4
    assert places(15, 9) == []
    assert places(0, 9) == [(11, 1), (14, 4), (15, 5)]
    assert store.queued() == 3
    store.acknowledge([14, 11, 99])
    assert places(0, 9) == [(15, 5)]


def test_a_drop_takes_the_place_of_the_first_and_counts_those_before_it():
    """Places are not numbers: those that were moved from another card have others."""
    store = open_memory()
    for number in range(1, 7):
        store.add(EventType.PICKUP, NOON, details={}, since_s=NOON.timestamp() + number)
    store._db.execute("UPDATE outbox SET place = place + 100")
    week = timedelta(days=7)
    assert store.bound_outbox(now=NOON + week + timedelta(seconds=2), at_most=9, days=7) == 1
    assert outbox(store)[:2] == [(101, 7, NOON.timestamp() + week.total_seconds() + 2),
                                 (102, 2, NOON.timestamp() + 2)]  # fmt: skip
    assert store.last_number == 7
    assert store.note("last_number") == "7"
    assert store.bound_outbox(now=NOON + week + timedelta(seconds=4), at_most=9, days=7) == 2
    waiting = store.waiting(after=0, limit=9)
    assert [(each.place, each.record.number) for each in waiting] == [
        (102, 8), (104, 4), (105, 5), (106, 6)
    ]  # fmt: skip
    assert dict(waiting[0].record.details) == {
        "count": 3, "first_number": 1, "last_number": 3, "why": "too old"
    }  # fmt: skip
    assert waiting[0].record.at == NOON + week + timedelta(seconds=4)
    assert [number for number, _ in events(store)] == [1, 2, 3, 4, 5, 6, 8], "one word of it"
    store._db.execute("UPDATE event SET details = '?' WHERE number = 8")
    assert store.bound_outbox(now=NOON + week + timedelta(seconds=5), at_most=9, days=7) == 1
    assert dict(store.waiting(after=0, limit=1)[0].record.details) == {
        "count": 1, "first_number": 4, "last_number": 4, "why": "too old"
    }  # fmt: skip


def test_what_is_young_enough_saves_what_came_after_it_whatever_its_date():
    def kept(*days: float) -> list[int]:
        store = open_memory()
        for each in days:
            store.add(EventType.PICKUP, NOON + timedelta(days=each), details={}, send=False)
        store.prune(now=NOON, keep_days=10)
        return [number for number, _ in events(store)]

    assert kept(-20, -10, -30, 0) == [2, 3, 4]
    assert kept(-20, -10.001, -30, -9) == [4]
    assert kept(-20, 1, -30) == [2, 3], "a day ahead may be"
    assert kept(-20, 1.001, -30) == [1, 2, 3], "where none is young, nobody knows"
    assert kept(-20, 1.001, -9) == [3]


def test_a_history_is_bounded_by_two_hundred_thousand_numbers():
    store = open_memory()
    for _ in range(3):
        store.add(EventType.PICKUP, NOON, details={}, send=False)
    store.continue_after(200_001)
    store.continue_after(5)
    store.add(EventType.PICKUP, NOON, details={}, send=False)
    store.prune(now=NOON, keep_days=10)
    assert [number for number, _ in events(store)] == [2, 3, 200_002]


def test_a_day_is_erased_with_its_totals_its_note_and_what_waits_and_numbers_go_on():
    store = open_memory()
    store._db.execute("PRAGMA secure_delete = OFF")
    midnight = NOON.replace(hour=0)
    cut = {"last_seen": (midnight + timedelta(hours=5)).isoformat()}
    for at, type_, details in (
        (midnight - timedelta(seconds=1), EventType.PICKUP, {}),
        (midnight, EventType.PICKUP, {}),
        (midnight + timedelta(hours=24, seconds=-1), EventType.PICKUP, {}),
        (midnight + timedelta(hours=24), EventType.PICKUP, cut),
        (midnight + timedelta(hours=30), EventType.INTERRUPTED, cut),
        (midnight + timedelta(hours=31), EventType.INTERRUPTED, {}),
    ):
        store.add(type_, at, details=details, day=Day(str(at.date()), ("desk",), (Totals(),)))
    notes = {"session": '{"since": "2026-03-06T09:00"}', "look_alikes": "[]", "clock": "{}"}
    store.save(notes, None)
    until = midnight + timedelta(days=1)
    assert store.erase(NOON.date(), midnight, until) == (3, 1)
    assert store._db.execute("PRAGMA secure_delete").fetchone() == (1,)
    assert [number for number, _ in events(store)] == [1, 4, 6]
    assert [number for _, number, _ in outbox(store)] == [1, 4, 6]
    assert [day for day, *_ in store.dates()] == ["2026-03-04", "2026-03-06"]
    assert dict(whole(store)["note"]) == {**notes, "last_number": "6"}
    next_day = NOON.date() + timedelta(days=1)
    assert store.erase(next_day, until, until + timedelta(days=1)) == (2, 1)
    assert dict(whole(store)["note"]) == {
        "look_alikes": "[]", "clock": "{}", "last_number": "6"
    }  # fmt: skip
    store.save({"session": "x", "salvage": "y"}, None)
    assert store.erase(None, NOON, NOON) == (1, 1)
    assert whole(store) == {
        "event": [], "outbox": [], "day": [], "note": [("clock", "{}"), ("last_number", "6")]
    }  # fmt: skip
    assert store.add(EventType.PICKUP, NOON, details={}).number == 7


def test_a_database_is_opened_as_a_slow_card_and_a_second_reader_need_it(tmp_path):
    path = tmp_path / "new" / "folder" / "h.db"
    with closing(open_store(path)) as store:
        asked = {
            name: store._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("busy_timeout", "wal_autocheckpoint", "user_version", "journal_mode")
        }
        assert asked == {
            "busy_timeout": 5000, "wal_autocheckpoint": 250, "user_version": 1,
            "journal_mode": "wal",
        }  # fmt: skip
        assert [name for name, _ in whole(store)["note"]] == ["opened"]
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with closing(open_for_reading(path)) as store:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            store.add(EventType.PICKUP, NOON, details={})
        assert store.count() == 0


def test_every_commit_is_synced_also_by_a_sqlite_that_was_built_to_do_it_less_often(
    tmp_path, monkeypatch
):
    good = store_module._connect

    def careless(path: Path) -> sqlite3.Connection:
        connection = good(path)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    monkeypatch.setattr(store_module, "_connect", careless)
    with closing(open_store(tmp_path / "h.db")) as store:
        assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_table_more_is_no_damage_and_another_version_is(tmp_path):
    path = tmp_path / "h.db"
    open_store(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE mine (x)")
        db.commit()
    for opened in (open_store, open_for_reading):
        opened(path).close()
    for version in (0, 2):
        with closing(sqlite3.connect(path)) as db:
            db.execute(f"PRAGMA user_version = {version}")
        for opened in (open_store, open_for_reading):
            with pytest.raises(Unusable, match=rf"of another version \({version}\)") as failed:
                opened(path)
            assert failed.value.damaged


def test_an_empty_database_of_another_version_is_none_of_ours(tmp_path):
    path = tmp_path / "h.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 7")
    with pytest.raises(Unusable, match="of another version"):
        open_store(path)
    path.write_bytes(b"")
    with closing(open_store(path)) as store:
        assert store.count() == 0


def test_a_damaged_database_is_tried_once_more_and_then_left(tmp_path, monkeypatch):
    path = tmp_path / "h.db"
    with closing(open_store(path)) as store:
        store.add(EventType.PICKUP, NOON, details={})
    shutil.copy(path, tmp_path / "h.db.broken-1")
    path.unlink()
    with closing(open_store(path)) as store:
        store.save({"salvage": "h.db.broken-1"}, None)
    tried: list[str] = []

    class PowerCut(BaseException):
        pass

    def cut(broken: Path, *, totals: int) -> Salvaged:
        tried.append(broken.name)
        raise PowerCut

    noted = []
    with monkeypatch.context() as patched:
        patched.setattr(store_module, "salvage", cut)
        for _ in range(2):
            with pytest.raises(PowerCut):
                open_store(path)
            with closing(open_for_reading(path)) as store:
                noted.append(store.note("salvage"))
        open_store(path).close()
    assert noted == ["again/h.db.broken-1", ""]
    assert tried == ["h.db.broken-1"] * 2
    with closing(open_store(path)) as store:
        assert store.count() == 0
        store.save({"salvage": "h.db.broken-1"}, None)
        assert store.salvage(path) == 1
        assert (store.note("salvage"), store.count(), store.queued()) == ("", 1, 1)
        store.save({"salvage": "h.db.broken-2"}, None)
        assert store.salvage(path) == 0, "it is not there"


def test_numbers_and_places_go_on_after_what_was_salvaged():
    store = open_memory()
    store.add(EventType.PICKUP, NOON, details={})
    day = ("2026-03-05", "desk", *[1.0] * len(store_module.TOTALS))
    store.take(
        Salvaged(
            events={"a": saved(7, "a"), "b": saved(2**48, "b")},
            outbox={7: (9, 7, 5.0), 2**48: (3, 2**48, 6.0)},
            days={("2026-03-05", "desk"): day},
            notes={"last_number": ("last_number", "4"), "x": ("x", "y")},
        )
    )
    assert [number for number, _ in events(store)] == [1, 7, 2**48]
    assert outbox(store)[1:] == [(3, 2**48, 6.0), (9, 7, 5.0)]
    assert whole(store)["day"] == [day]
    assert (store.note("x"), store.note("last_number")) == ("y", "1")
    new = store.add(EventType.PICKUP, NOON, details={})
    assert (new.number, store.waiting(after=9, limit=9)[0].place) == (8, 10)


def test_another_database_is_taken_over_without_its_events_or_with_all(tmp_path):
    card = open_memory()
    for number in range(4):
        card.add(EventType.PICKUP, NOON, details={}, send=number % 2 == 0, notes={"a": "card"},
                 day=Day("2026-03-05", ("desk",), (Totals(pickups=number),)))  # fmt: skip
    memory = open_memory()
    memory.copy_from(card, events=False)
    assert [number for number, _ in events(memory)] == [1, 3]
    assert [number for _, number, _ in outbox(memory)] == [1, 3]
    assert (memory.note("a"), memory.last_number) == ("card", 4)
    assert memory.day("2026-03-05", ("desk",)).totals == (Totals(pickups=3),)
    whole_copy = open_memory()
    whole_copy.copy_from(card, events=True)
    assert whole(whole_copy) == whole(card)
    empty = open_memory()
    card.copy_from(empty, events=True)
    assert card.last_number == 4


def test_more_than_a_quarter_goes_where_it_would_not_fit_into_memory(tmp_path):
    """Of 96 MiB 48 are kept: half of a thousand events, the large one of them the first."""
    path = tmp_path / "h.db"
    open_store(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        row = (NOON.isoformat(), NOON.timestamp())
        db.execute("INSERT INTO event VALUES (1, '1', 'left', ?, ?, '', zeroblob(100663296))", row)
        db.executemany(
            "INSERT INTO event VALUES (?, ?, 'left', ?, ?, '', '{}')",
            [(number, str(number), *row) for number in range(2, 1001)],
        )
        db.execute("COMMIT")
    assert 96 * MIB < path.stat().st_size < 97 * MIB
    assert make_room(path) in (500, 501, 502)
    assert path.stat().st_size < MIB


# ---------------------------------------------------------------- a run, whole


def left(path: Path) -> dict[str, list[tuple]]:
    """All that a run has left, without the ids and without when it was opened."""
    with closing(open_for_reading(path)) as store:
        rows = whole(store)
    rows["event"] = [(number, *row) for number, _, *row in rows["event"]]
    rows["note"] = [row for row in rows["note"] if row[0] != "opened"]
    return rows


def test_a_run_leaves_all_that_is_to_be_known_of_it(tmp_path, caplog):
    caplog.set_level("DEBUG")
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    box.clock.advance(10)
    box.tell(EventType.SESSION_START, session=Session.FOCUS, session_since_s=10.0, until_s=1510.0)
    box.recorder.drain(120.0)
    box.clock.advance(600)
    learnt = LookAlike(3, "desk", Box(0.1, 0.2, 0.3, 0.4), 0.5, 2)
    totals = (Totals(focus_s=600, working_s=600, pickups=1, streak=2),)
    box.tell(EventType.PICKUP, totals=totals, look_alikes=(learnt,))
    box.recorder.drain(120.0)
    assert box.recorder.queued == 2
    box.recorder.acknowledge(1)
    box.recorder.drain(120.0)
    assert box.recorder.queued == 1
    box.clock.advance(90)
    box.recorder.close()
    believed_s = NOON.timestamp() + 700
    session = {
        "session": "focus", "since": "2026-03-05T12:00:10+00:00",
        "until": "2026-03-05T12:25:10+00:00", "seen": "2026-03-05T12:10:10+00:00",
        "lasted_s": 600.0, "stopped": True,
    }  # fmt: skip
    box_ = {"ymin": 0.1, "xmin": 0.2, "ymax": 0.3, "xmax": 0.4}
    known = [{"number": 3, "seat": "desk", "box": box_, "median": 0.5, "times": 2}]
    at = [NOON + timedelta(seconds=10), NOON + timedelta(seconds=610)]
    rows = left(path)
    notes = dict(rows.pop("note"))
    assert rows == {
        "event": [
            (1, "session_start", at[0].isoformat(), at[0].timestamp(), "desk", "{}"),
            (2, "pickup", at[1].isoformat(), at[1].timestamp(), "desk", "{}"),
        ],
        "outbox": [(2, 2, at[1].timestamp())],
        "day": [("2026-03-05", "desk", 600, 600, 0, 0, 0, 0, 0, 1, 0, 0, 2)],
    }
    assert notes.pop("last_number") == "2"
    assert {name: json.loads(text) for name, text in notes.items()} == {
        "clock": {"believed": believed_s, "seen": believed_s},
        "session": session,
        "look_alikes": known,
    }
    box.clock.advance(3600)
    assert said_of(caplog) == []
    again = RecordingBox(path, box.wall)
    assert said_of(caplog) == [("INFO", "the last focus was interrupted (stopped)")]
    assert again.recorder.queued == 2, "one that waited and what is told of the run before"
    assert again.recorder.look_alikes == (learnt,)
    assert again.recorder.today.totals == totals
    told = again.waiting()[-1]
    assert (told.place, told.record.type, told.record.at) == (3, EventType.INTERRUPTED, box.wall())
    assert dict(told.record.details) == {
        "session": "focus", "since": session["since"], "last_seen": session["seen"],
        "lasted_s": 600, "cause": "stopped",
    }  # fmt: skip
    again.recorder.close()
    assert dict(left(path)["note"])["session"] == "", "it is told once"


def test_a_run_in_which_nothing_was_is_in_no_day(tmp_path):
    path = tmp_path / "h.db"
    RecordingBox(path).recorder.close()
    rows = left(path)
    assert [name for name, _ in rows.pop("note")] == ["clock"]
    assert rows == {"event": [], "outbox": [], "day": []}


def test_what_grew_since_the_last_minute_is_saved_at_the_end(tmp_path):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    box.clock.advance(5)
    box.state = replace(box.state, at_s=5.0, totals=(Totals(focus_s=5, working_s=5),))
    box.recorder.save(box.state)
    box.recorder.close()
    assert left(path)["day"] == [("2026-03-05", "desk", 5, 5, *[0] * 9)]


def test_what_grew_after_midnight_is_of_the_new_day_and_the_old_one_is_saved(tmp_path):
    path = tmp_path / "h.db"
    box = RecordingBox(path)

    def grow(focus_s: float, after_s: float) -> None:
        box.clock.advance(after_s)
        totals = (Totals(focus_s=focus_s, working_s=focus_s, streak=1),)
        box.state = replace(box.state, at_s=box.clock(), totals=totals)
        box.recorder.save(box.state)
        box.recorder.drain(120.0)

    grow(10, 12 * 3600 - 2)
    grow(11, 1)
    assert left(path)["day"] == [("2026-03-05", "desk", 10, 10, *[0] * 8, 1)]
    grow(13, 2)
    assert left(path)["day"] == [("2026-03-05", "desk", 11, 11, *[0] * 8, 1)]
    assert [(day.date, day.totals[0].focus_s) for day in box.days[-1:]] == [("2026-03-05", 10)]
    grow(20, 10)
    assert [(day.date, day.totals[0].focus_s) for day in box.days[-1:]] == [("2026-03-06", 9)]
    box.recorder.close()
    assert [row[:3] for row in left(path)["day"]] == [
        ("2026-03-05", "desk", 11), ("2026-03-06", "desk", 9)
    ]  # fmt: skip


def test_an_idle_midnight_saves_the_old_day_and_shows_a_new_one(tmp_path):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    box.state = replace(box.state, totals=(Totals(focus_s=10, working_s=10, streak=3),))
    box.recorder.save(box.state)
    box.recorder.drain(120.0)
    box.clock.advance(12 * 3600)
    box.recorder.look_at_the_clock()
    box.recorder.drain(120.0)
    assert box.days[-1] == Day("2026-03-06", ("desk",), (Totals(streak=3),))
    assert [row[:3] for row in left(path)["day"]] == [("2026-03-05", "desk", 10)]


def test_a_state_of_other_seats_is_not_added_to_the_day():
    box = RecordingBox(None)
    box.tell(EventType.PICKUP, totals=(Totals(pickups=1), Totals(pickups=1)))
    box.tell(EventType.PICKUP, totals=(Totals(pickups=5),))
    box.recorder.drain(120.0)
    assert box.days[-1].totals == (Totals(pickups=5),)


def test_whoever_wants_to_know_is_told_of_each_event_that_is_written_and_of_nothing_else():
    told: list[int] = []
    clock = FakeClock()
    recorder = Recorder(
        None,
        seats=("desk",),
        config=HistoryConfig(),
        inbox=CommandInbox(),
        wall_clock=FakeWall(NOON, clock),
        clock=clock,
        on_event=lambda: told.append(recorder.queued),
        sending=False,
        kept=lambda: True,
    )
    recorder.note(EventType.STARTED, {"a": 1})
    recorder.look_at_the_clock()
    recorder.note(EventType.LEFT)
    recorder.drain(120.0)
    assert told == [0, 0], "without a broker nothing waits"
    found = recorder._store.events(since=LONG_AGO, until=LATER)
    assert [(each.type, each.at, each.seat, dict(each.details), each.replay) for each in found] == [
        (EventType.STARTED, NOON, None, {"a": 1}, False),
        (EventType.LEFT, NOON, None, {}, False),
    ]
    assert recorder._thread.daemon, "it keeps no program from ending"


def test_what_is_acknowledged_in_a_swarm_is_forgotten_at_once(monkeypatch):
    box = RecordingBox(None)
    for _ in range(6):
        box.tell()
    asked: list[list[int]] = []
    good = Store.acknowledge

    def acknowledge(store: Store, places: list[int]) -> None:
        asked.append(list(places))
        good(store, places)

    monkeypatch.setattr(Store, "acknowledge", acknowledge)
    hangs = hung(box)
    for place in (1, 2, 4):
        box.recorder.acknowledge(place)
    box.tell(EventType.LEFT)
    box.recorder.acknowledge(5)
    hangs.set()
    assert [each.place for each in box.waiting()] == [3, 6, 7]
    assert asked == [[1, 2, 4], [5]]
    assert box.recorder.queued == 3


def test_what_is_acknowledged_alone_is_forgotten_though_nothing_follows():
    box = RecordingBox(None)
    box.tell()
    box.recorder.drain(120.0)
    assert box.recorder.queued == 1
    box.recorder.acknowledge(1)
    wait_for(lambda: box.recorder.queued == 0)


def said_of(caplog) -> list[tuple[str, str]]:
    """(level, text), and the log is empty again."""
    found = [(each.levelname, each.getMessage()) for each in caplog.records]
    caplog.clear()
    return found


def test_a_history_that_could_not_be_opened_is_when_it_can_be(tmp_path, caplog):
    caplog.set_level("DEBUG")
    folder = tmp_path / "card"
    folder.write_text("no folder")
    box = RecordingBox(folder / "h.db")
    box.tell(EventType.PICKUP)
    box.recorder.drain(120.0)
    ((level, text),) = said_of(caplog)
    assert level == "ERROR"
    assert text.startswith(f"going on without a history on the card: {folder}")
    box.clock.advance(30)
    box.recorder.drain(120.0)
    box.recorder.drain(120.0)
    ((level, text),) = said_of(caplog)
    assert (level, text.startswith("still no card: ")) == ("DEBUG", True)
    folder.unlink()
    box.clock.advance(29)
    box.tell(EventType.PUTDOWN)
    box.recorder.drain(120.0)
    assert not folder.exists()
    box.clock.advance(1)
    box.tell(EventType.LEFT)
    box.recorder.drain(120.0)
    box.recorder.drain(120.0)
    assert events_of(folder / "h.db") == ["pickup", "putdown", "left"]
    assert said_of(caplog) == [("INFO", "the card can be written again; the history goes on")]
    faults = box.inbox.drain()
    assert [each.broken for each in faults] == [True, False]  # type: ignore[union-attr]
    assert "card" in faults[0].text  # type: ignore[union-attr]


@pytest.mark.parametrize("day", [NOON.date(), NOON.date() - timedelta(days=1), None])
def test_an_erased_day_begins_anew_if_it_is_today_and_what_was_set_aside_goes(tmp_path, day):
    path = tmp_path / "h.db"
    with closing(open_store(path)) as store:
        store.add(EventType.LEFT, NOON - timedelta(days=1), details={})
    (tmp_path / "h.db.broken-1").write_text("x")
    box = RecordingBox(path)
    box.tell(EventType.PICKUP, totals=(Totals(pickups=1, streak=4),))
    answers: list[str] = []
    box.recorder.erase(day, answers.append)
    box.recorder.drain(120.0)
    assert answers == [""]
    today = day is None or day == NOON.date()
    expected = Totals() if today else Totals(pickups=1, streak=4)
    assert box.days[-1] == Day("2026-03-05", ("desk",), (expected,))
    kept = {NOON.date(): ["left"], None: []}.get(day, ["pickup"])
    assert events_of(path) == kept
    assert not broken(path)


def test_a_reader_in_the_way_of_erasing_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "BUSY_S", 0.1)
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    box.tell()
    box.tell()
    box.recorder.drain(120.0)
    answers: list[str] = []
    with closing(open_for_reading(path)) as reader:
        watching = reader.each(since=LONG_AGO, until=LATER)
        next(watching)
        box.recorder.erase(None, answers.append)
        box.recorder.drain(120.0)
        del watching
    assert answers == ["something else reads the history; close it and try again"]
    assert events_of(path) == []


# ---------------------------------------------------------------- a full card


def short(monkeypatch, *answers: bool) -> None:
    """Whether the card is short of room, one answer after the other; then it is not."""
    left_ = list(answers)
    monkeypatch.setattr(
        recorder_module, "is_short_of_room", lambda _: left_.pop(0) if left_ else False
    )


def failing_once(monkeypatch, error: Exception) -> None:
    """The next event cannot be written."""
    good, failed = Store.add, []

    def add(store: Store, *args: object, **more: object) -> Record:
        if not failed:
            failed.append(store)
            raise error
        return good(store, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "add", add)


def filled(path: Path, count: int = 40) -> None:
    with closing(open_store(path)) as store:
        for _ in range(count):
            store.add(EventType.LEVEL, NOON, details={}, send=False)


def numbers_on(path: Path) -> list[int]:
    with closing(open_for_reading(path)) as store:
        return [number for number, _ in events(store)]


def test_a_start_on_a_card_that_is_full_makes_room_first(tmp_path, monkeypatch, caplog):
    path = tmp_path / "h.db"
    filled(path)
    short(monkeypatch, True)
    box = RecordingBox(path)
    assert numbers_on(path) == [*range(11, 41)]
    assert "the card is full: its oldest 10 events made room for new ones" in caplog.text
    assert box.inbox.drain() == []


def test_room_is_made_while_a_box_runs_and_numbers_go_on(tmp_path, monkeypatch, caplog):
    path = tmp_path / "h.db"
    filled(path)
    short(monkeypatch, False, True)
    box = RecordingBox(path)
    box.tell()  # the first of a run looks for room
    box.tell()
    assert [each.record.number for each in box.waiting()] == [41, 42]
    assert numbers_on(path) == [*range(11, 43)]
    assert box.inbox.drain() == []
    assert "made room" in caplog.text


def test_a_card_that_is_full_at_an_event_makes_room_for_it(tmp_path, monkeypatch):
    path = tmp_path / "h.db"
    filled(path)
    box = RecordingBox(path)
    box.tell()
    box.recorder.drain(120.0)
    failing_once(monkeypatch, Error(sqlite3.SQLITE_FULL))
    short(monkeypatch, True)
    box.tell(EventType.LEFT)
    box.recorder.drain(120.0)
    assert numbers_on(path) == [*range(11, 43)]
    assert box.inbox.drain() == []


@pytest.mark.parametrize("reason", ["is not short", "cannot be made smaller", "is no longer whole"])
def test_a_full_card_that_gives_no_room_is_left(tmp_path, monkeypatch, reason, caplog):
    caplog.set_level("DEBUG")
    path = tmp_path / "h.db"
    filled(path)
    box = RecordingBox(path)
    box.tell()
    box.recorder.drain(120.0)

    def fail(path: Path) -> int:
        raise OSError("read-only")

    def broken_off(path: Path) -> Store:
        raise Unusable("no store", damaged=False)

    with monkeypatch.context() as patched:
        failing_once(patched, Error(sqlite3.SQLITE_FULL))
        short(patched, reason != "is not short")
        if reason == "cannot be made smaller":
            patched.setattr(recorder_module, "make_room", fail)
        if reason == "is no longer whole":
            patched.setattr(recorder_module, "open_store", broken_off)
        box.tell(EventType.LEFT)
        found = [(each.record.number, each.record.type.value) for each in box.waiting()]
    assert found[-1] == (42, "left")
    assert len(numbers_on(path)) == (31 if reason == "is no longer whole" else 41)
    said = [each.text for each in box.inbox.drain()]  # type: ignore[union-attr]
    assert said == ["no store" if reason == "is no longer whole" else "x"]
    no_room = ("DEBUG", "no room can be made on the card: read-only")
    assert (no_room in said_of(caplog)) is (reason == "cannot be made smaller")
    box.clock.advance(30)
    box.recorder.drain(120.0)
    box.recorder.drain(120.0)
    assert numbers_on(path)[-1] == 42
    assert box.inbox.drain() == [FaultChange(Fault.DISK, False)]


def test_what_a_full_memory_drops_is_said_and_the_rest_is_bounded(caplog):
    box = RecordingBox(None, outbox_max=100)
    for _ in range(301):
        box.tell()
    box.recorder.drain(120.0)
    # Bounded after the 1st, 101st, 201st and 301st. Then 3 too many go; 98, the word of it and
    # a hundred more are 199, of which 101 go, one of them that word; and once more the same.
    assert [each.getMessage().split()[0] for each in caplog.records] == ["3", "100", "100"]
    assert box.recorder._store.count() == 100


# ---------------------------------------------------------------- the believed time


DAY_S = 86400.0


@pytest.mark.parametrize(
    ("event_days", "noted_days", "wall_days", "kept", "believed_days"),
    [
        pytest.param(None, None, 0, True, 0, id="nothing is known"),
        pytest.param(-1, None, 0, True, 0, id="a day off, by a clock that is kept"),
        pytest.param(-1, None, 0, False, -1, id="by a clock that is not"),
        pytest.param(-9, None, 0, True, -9, id="off for longer than is believed"),
        pytest.param(3, None, 0, True, 0, id="what is ahead has never been"),
        pytest.param(0, None, -9999, True, 0, id="the clock is of before the program"),
        pytest.param(-1, -9999, 0, False, -1, id="and so was what was noted"),
        pytest.param(-1, -2, 0, True, 0, id="what was noted counts"),
        pytest.param(-1, -2, 0, False, -2, id="what was noted counts, and the clock does not"),
        pytest.param(-1, -63, -63, True, -63, id="noted in the first hours there can be"),
    ],
)
def test_what_is_believed_at_a_start(
    tmp_path, event_days, noted_days, wall_days, kept, believed_days
):
    path = tmp_path / "h.db"
    with closing(open_store(path)) as store:
        if event_days is not None:
            store.add(EventType.LEFT, NOON + timedelta(days=event_days), details={})
        if noted_days is not None:
            at_s = NOON.timestamp() + noted_days * DAY_S
            store.save({"clock": json.dumps({"believed": at_s, "seen": at_s})}, None)
    wall = FakeWall(NOON + timedelta(days=wall_days), FakeClock(50.0))
    box = RecordingBox(path, wall, kept=kept)
    found = box.recorder._recall_clock()
    believed_s = NOON.timestamp() + believed_days * DAY_S
    assert found == Lived(believed_s, wall().timestamp(), 50.0)


def test_how_far_a_clock_was_set_is_said(caplog):
    caplog.set_level("INFO")
    box = RecordingBox(None)
    box.wall.set(NOON + timedelta(hours=1))
    box.recorder.drain(120.0)
    box.clock.advance(7)
    box.recorder.drain(120.0)
    box.wall.set(NOON)
    box.recorder.drain(120.0)
    said = [each.getMessage() for each in caplog.records if "clock" in each.getMessage()]
    assert said == ["the clock was set by +3600 s", "the clock was set by -3607 s"]
    assert box.recorder.now() == NOON


def test_a_clock_that_creeps_away_is_said_when_it_is_a_minute_off(caplog):
    caplog.set_level("INFO")
    box = RecordingBox(None)
    for _ in range(4):
        box.wall.set(box.wall() + timedelta(seconds=40))
        box.recorder.drain(120.0)
    said = [each.getMessage() for each in caplog.records]
    assert said == ["the clock was set by +80 s"] * 2


def test_where_nobody_keeps_the_clock_no_time_that_has_been_comes_again():
    box = RecordingBox(None, kept=False)
    box.clock.advance(100)
    box.wall.set(NOON - timedelta(days=3))
    box.tell()
    box.clock.advance(5)
    assert box.waiting()[0].record.at == NOON + timedelta(seconds=100)
    assert box.recorder.now() == NOON + timedelta(seconds=105)


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


def test_what_waits_on_a_card_that_cannot_be_read_is_gone_on_without(tmp_path, monkeypatch, caplog):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    box.tell(EventType.PICKUP)
    box.recorder.drain(120.0)
    good = Store.copy_from

    def fail(store: Store, other: Store, *, events: bool) -> None:
        if not events:
            raise sqlite3.OperationalError("disk I/O error")
        good(store, other, events=events)

    monkeypatch.setattr(Store, "copy_from", fail)
    failing_once(monkeypatch, Error(sqlite3.SQLITE_IOERR_WRITE))
    box.tell(EventType.LEFT)
    assert numbers(each.record for each in box.waiting()) == [2]
    assert said_of(caplog) == [
        ("WARNING", "events that wait on the card cannot be read: disk I/O error"),
        ("ERROR", "going on without a history on the card: x"),
    ]
    box.clock.advance(30)
    box.recorder.drain(120.0)
    assert numbers(each.record for each in box.waiting()) == [1, 2], "when it is back they wait"


def test_what_was_sent_while_the_card_was_away_is_not_sent_again(tmp_path, monkeypatch):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    for _ in range(3):
        box.tell(EventType.PICKUP)
    box.recorder.acknowledge(1)
    box.recorder.drain(120.0)
    remembered = "SELECT place FROM acknowledged"
    assert box.recorder._store._db.execute(remembered).fetchall() == []
    failing_once(monkeypatch, Error(sqlite3.SQLITE_IOERR_WRITE))
    box.tell(EventType.LEFT)
    assert [each.place for each in box.waiting()] == [2, 3, 4]
    box.recorder.acknowledge(2)
    box.recorder.acknowledge(4)
    box.recorder.drain(120.0)
    assert box.recorder.queued == 1
    assert sorted(box.recorder._store._db.execute(remembered)) == [(2,), (4,)]
    box.clock.advance(30)
    box.recorder.drain(120.0)
    assert [each.place for each in box.waiting()] == [3]
    assert box.recorder._store._db.execute(remembered).fetchall() == []
    assert events_of(path) == ["pickup", "pickup", "pickup", "left"]


def held(path: Path) -> list[str]:
    """The files of a history that this process has open."""
    found = []
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(os.readlink(each))
    return sorted({Path(name).name for name in found if name.startswith(str(path))})


@pytest.mark.parametrize("opened", [open_store, open_for_reading])
@pytest.mark.parametrize("damage", ["another version", "no database", "no table"])
def test_what_cannot_be_used_is_closed_before_that_is_said(tmp_path, opened, damage):
    path = tmp_path / "h.db"
    open_store(path).close()
    if damage == "no database":
        path.write_bytes(b"no database" * 999)
    else:
        with closing(sqlite3.connect(path)) as db:
            db.execute(
                "PRAGMA user_version = 9" if damage == "another version" else "DROP TABLE day"
            )
    with pytest.raises(Unusable) as failed:
        opened(path)
    assert failed.value.damaged
    assert held(path) == []


def test_a_card_that_is_left_is_let_go_and_so_is_memory_when_it_is_back(tmp_path, monkeypatch):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    box.tell(EventType.PICKUP)
    box.recorder.drain(120.0)
    assert "h.db" in held(path)
    good, copied = Store.copy_from, []

    def copy_from(store: Store, other: Store, *, events: bool) -> None:
        copied.append(events)
        if copied == [False, True]:
            raise Error(sqlite3.SQLITE_IOERR_WRITE)
        good(store, other, events=events)

    failing_once(monkeypatch, Error(sqlite3.SQLITE_IOERR_WRITE))
    monkeypatch.setattr(Store, "copy_from", copy_from)
    box.tell(EventType.LEFT)
    box.recorder.drain(120.0)
    assert held(path) == []
    memory = box.recorder._store
    for on_card in (False, True):
        box.clock.advance(30)
        box.recorder.drain(120.0)
        box.recorder.drain(120.0)
        assert ("h.db" in held(path)) is on_card
        assert (box.recorder._store is memory) is not on_card
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        memory.count()
    assert events_of(path) == ["pickup", "left"]
    box.recorder.close()
    assert held(path) == []


def test_a_row_or_a_state_of_another_width_is_none():
    with pytest.raises(ValueError, match="zip"):
        store_module._totals([1.0] * (len(store_module.TOTALS) - 1))
    for now, last in (((Totals(),), ()), ((), (Totals(),)), ((Totals(),) * 2, (Totals(),) * 2)):
        with pytest.raises(ValueError, match="zip"):
            add(Day("2026-03-05", ("desk",), (Totals(),)), now, last)
    with pytest.raises(ValueError, match="zip"):
        open_memory().save({}, Day("2026-03-05", ("desk",), ()))


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
