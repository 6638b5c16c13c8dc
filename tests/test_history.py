from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import decide
from edge.config import Config, HistoryConfig
from edge.domain import Box, EventType, Fault, FaultChange, Happening, LookAlike, Session, Totals
from edge.history import clock as clock_module
from edge.history import store as store_module
from edge.history.clock import FIRST_DAY, Lived, can_be, synchronized
from edge.history.days import SUMMED, Day, add, difference
from edge.history.record import event_id
from edge.history.recorder import FLOOD_BURST, Recorder
from edge.history.report import DayReport, Report, read, read_file, table
from edge.history.salvage import Salvaged
from edge.history.store import (
    BROKEN_MAX,
    open_for_reading,
    open_memory,
    open_store,
    replace_damaged,
)
from edge.inbox import CommandInbox
from edge.mqtt.payloads import encode, event_payload
from tests.fakes import FakeClock, FakeWall

NOON = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
CONFIG = Config()
SEATS = ("desk",)


class RecordingBox:
    """A recorder on a fake clock, and what it said."""

    def __init__(
        self,
        path: Path | None,
        wall: FakeWall | None = None,
        *,
        replay: bool = False,
        kept: bool | None = True,
        **config: int,
    ) -> None:
        self.clock = wall.clock if wall else FakeClock()
        self.wall = wall or FakeWall(NOON, self.clock)
        self.inbox = CommandInbox()
        self.days: list[Day] = []
        self.recorder = Recorder(
            path,
            seats=SEATS,
            config=HistoryConfig(**config),
            inbox=self.inbox,
            wall_clock=self.wall,
            clock=self.clock,
            on_today=self.days.append,
            replay=replay,
            kept=lambda: kept,
        )
        self.state = decide.start(CONFIG, at_s=self.clock(), totals=self.recorder.today.totals)

    def tell(self, type_: EventType = EventType.PICKUP, **changes: object) -> None:
        self.state = replace(self.state, at_s=self.clock(), **changes)
        self.recorder.tell(Happening(type_, self.clock(), "desk"), self.state)

    def waiting(self, after: int = 0, limit: int = 100):
        found: list = []
        self.recorder.fetch(after, limit, found.extend)
        self.recorder.drain(120.0)
        return found

    def die(self) -> None:
        """As by kill -9: nothing more is written."""
        self.recorder.drain(120.0)
        self.recorder._store._db.close()


def events_of(path: Path) -> list[str]:
    store = open_for_reading(path)
    with closing(store):
        found = store.events(since=NOON - timedelta(days=999), until=NOON + timedelta(days=999))
    return [event.type.value for event in found]


# ---------------------------------------------------------------- events and the outbox


def test_an_event_waits_until_it_is_acknowledged_and_stays_in_the_history(tmp_path):
    box = RecordingBox(tmp_path / "h.db")
    box.tell(EventType.PICKUP)
    box.tell(EventType.PUTDOWN)
    first, second = box.waiting()
    assert [first.record.type, second.record.type] == [EventType.PICKUP, EventType.PUTDOWN]
    box.recorder.acknowledge(first.place)
    assert box.waiting() == [second]
    box.recorder.close()
    assert events_of(tmp_path / "h.db") == ["pickup", "putdown"]


def test_waiting_events_outlive_a_kill_with_their_ids_and_order(tmp_path):
    box = RecordingBox(tmp_path / "h.db")
    for _ in range(5):
        box.tell()
    before = box.waiting()
    box.die()
    again = RecordingBox(tmp_path / "h.db", box.wall)
    assert again.waiting() == before
    again.tell(EventType.PUTDOWN)
    assert [w.record.number for w in again.waiting()] == [1, 2, 3, 4, 5, 6]


def test_numbers_are_not_used_again_after_old_events_are_deleted(tmp_path):
    box = RecordingBox(tmp_path / "h.db", keep_days=1)
    box.tell()
    box.recorder.acknowledge(1)
    box.recorder.close()
    with closing(open_store(tmp_path / "h.db")) as store:
        store.add(EventType.LEFT, NOON + timedelta(days=3), details={}, send=False)
        store.prune(now=NOON + timedelta(days=3), keep_days=1)
    assert events_of(tmp_path / "h.db") == ["left"]
    again = RecordingBox(tmp_path / "h.db")
    again.tell()
    assert [w.record.number for w in again.waiting()] == [3]


def test_a_full_outbox_drops_the_oldest_and_says_how_many():
    with closing(open_memory()) as store:
        for _ in range(250):
            store.add(EventType.PICKUP, NOON, details={})
        assert store.bound_outbox(now=NOON, at_most=100, days=7) > 0
        for _ in range(10):
            store.add(EventType.PICKUP, NOON, details={})
        assert store.bound_outbox(now=NOON, at_most=100, days=7) > 0
        head, *rest = store.waiting(after=0, limit=1000)
        assert head.record.type is EventType.DROPPED
        assert [w.record.type for w in rest].count(EventType.DROPPED) == 0
        assert store.queued() <= 100
        kept = [w.record.number for w in rest if w.record.type is EventType.PICKUP]
        details = head.record.details
        assert details["count"] + len(kept) == 260
        assert (details["first_number"], details["last_number"]) == (1, kept[0] - 1)


def test_events_that_waited_too_long_are_dropped_but_the_record_of_it_stays():
    with closing(open_memory()) as store:
        store.add(EventType.PICKUP, NOON, details={})
        store.add(EventType.PICKUP, NOON + timedelta(days=7), details={})
        late = NOON + timedelta(days=7, hours=1)
        assert store.bound_outbox(now=late, at_most=100, days=7) == 1
        types = [w.record.type for w in store.waiting(after=0, limit=10)]
        assert types == [EventType.DROPPED, EventType.PICKUP]
        much_later = NOON + timedelta(days=30)
        assert store.bound_outbox(now=much_later, at_most=100, days=7) == 1
        (only,) = store.waiting(after=0, limit=10)
        assert (only.record.details["count"], only.record.details["why"]) == (2, "too old")
        assert store.bound_outbox(now=much_later, at_most=100, days=7) == 0


def test_setting_the_clock_does_not_age_what_waits(tmp_path):
    box = RecordingBox(tmp_path / "h.db", outbox_days=7)
    box.tell()
    box.wall.set(NOON + timedelta(days=400))  # a Pi without a battery clock hears of the time
    for _ in range(120):
        box.tell()
    assert len(box.waiting(limit=1000)) == 121


def test_a_figure_that_is_no_number_does_not_reach_the_subscribers(tmp_path):
    box = RecordingBox(tmp_path / "h.db")
    details = {"lasted_s": float("inf"), "median": float("nan"), "count": 3}
    box.recorder.tell(Happening(EventType.PUTDOWN, box.clock(), "desk", details), box.state)
    (waiting,) = box.waiting()
    assert waiting.record.details == {"lasted_s": None, "median": None, "count": 3}


def test_ids_sort_by_time_and_are_uuids_of_version_7():
    ids = [event_id(NOON + timedelta(seconds=s)) for s in range(50)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 50
    assert all(id_[14] == "7" and id_[19] in "89ab" and len(id_) == 36 for id_ in ids)


# ---------------------------------------------------------------- power cuts


def test_the_next_start_tells_of_the_session_that_the_power_cut_ended(tmp_path):
    box = RecordingBox(tmp_path / "h.db")
    box.tell(EventType.SESSION_START, session=Session.FOCUS, session_since_s=box.clock())
    box.clock.advance(600)
    box.tell(EventType.PICKUP)
    box.die()
    box.clock.advance(3600)
    again = RecordingBox(tmp_path / "h.db", box.wall)
    found = again.waiting()[-1].record
    assert found.type is EventType.INTERRUPTED
    assert found.details["session"] == "focus"
    assert found.details["lasted_s"] == 600
    assert found.details["cause"] == "power lost or crashed"
    again.recorder.close()
    assert events_of(tmp_path / "h.db").count("interrupted") == 1
    RecordingBox(tmp_path / "h.db", box.wall).recorder.close()
    assert events_of(tmp_path / "h.db").count("interrupted") == 1


def test_a_session_that_ended_is_not_told_as_interrupted(tmp_path):
    box = RecordingBox(tmp_path / "h.db")
    box.tell(EventType.SESSION_START, session=Session.FOCUS)
    box.tell(EventType.SESSION_END, session=Session.IDLE)
    box.die()
    again = RecordingBox(tmp_path / "h.db", box.wall)
    assert [w.record.type for w in again.waiting()][-1] is EventType.SESSION_END


def test_what_was_learnt_outlives_a_restart(tmp_path):
    learnt = LookAlike(1, "desk", Box(0.1, 0.2, 0.3, 0.4), 0.6, 2)
    box = RecordingBox(tmp_path / "h.db")
    box.tell(EventType.NOT_A_PHONE, look_alikes=(learnt,))
    box.die()
    assert RecordingBox(tmp_path / "h.db", box.wall).recorder.look_alikes == (learnt,)


@pytest.mark.parametrize("note", ["{", "[1]", '[{"number": 1}]', '{"session": "focus"}', "null"])
def test_notes_of_another_version_do_not_keep_the_box_from_starting(tmp_path, note):
    path = tmp_path / "h.db"
    with closing(open_store(path)) as store:
        store.save({"session": note, "look_alikes": note}, None)
    box = RecordingBox(path)
    assert box.recorder.look_alikes == ()
    box.tell()
    assert len(box.waiting()) == 1


# ---------------------------------------------------------------- days


def test_todays_totals_outlive_a_restart_and_begin_anew_at_midnight(tmp_path):
    box = RecordingBox(tmp_path / "h.db")
    box.tell(totals=(Totals(focus_s=100, working_s=100, pickups=1, streak=2),))
    box.die()
    again = RecordingBox(tmp_path / "h.db", box.wall)
    assert again.recorder.today.totals[0].focus_s == 100
    again.clock.advance(11 * 3600)
    again.tell(totals=(Totals(focus_s=150, working_s=150, pickups=2, streak=3),))
    again.recorder.drain(120.0)
    again.clock.advance(2 * 3600)
    again.tell(totals=(Totals(focus_s=160, working_s=160, pickups=2, streak=3),))
    again.recorder.close()
    store = open_for_reading(tmp_path / "h.db")
    days = {day: (t.focus_s, t.pickups, t.streak) for day, _, t in store.days("2026", "2027")}
    store.close()
    assert days == {"2026-03-05": (150, 2, 3), "2026-03-06": (10, 0, 3)}


def test_midnight_comes_in_idle_hours_too(tmp_path):
    box = RecordingBox(tmp_path / "h.db")
    box.tell(totals=(Totals(focus_s=100, working_s=100),))
    box.clock.advance(13 * 3600)
    box.recorder.look_at_the_clock()
    box.recorder.drain(120.0)
    assert (box.days[-1].date, box.days[-1].totals[0].focus_s) == ("2026-03-06", 0)


_totals = st.builds(
    Totals,
    focus_s=st.floats(0, 1e5),
    working_s=st.floats(0, 1e5),
    phone_s=st.floats(0, 1e5),
    away_s=st.floats(0, 1e5),
    unsure_s=st.floats(0, 1e5),
    break_s=st.floats(0, 1e5),
    paused_s=st.floats(0, 1e5),
    pickups=st.integers(0, 999),
    sessions=st.integers(0, 99),
    clean_sessions=st.integers(0, 99),
    streak=st.integers(0, 99),
)


@given(steps=st.lists(_totals, min_size=1, max_size=8), restarts=st.sets(st.integers(0, 7)))
def test_a_day_is_what_its_counter_grew_by_however_often_it_is_reported(steps, restarts):
    day = Day("2026-03-05", SEATS, (Totals(),))
    counter = last = Totals()
    grown = dict.fromkeys(SUMMED, 0.0)
    for number, step in enumerate(steps):
        if number in restarts:
            counter = last = Totals()  # a new process, whose counters begin at 0
        counter = Totals(**{n: getattr(counter, n) + getattr(step, n) for n in SUMMED})
        for name in SUMMED:
            grown[name] += getattr(step, name)
        day = add(day, (counter,), (last,))
        last = counter
    for name in SUMMED:
        assert getattr(day.totals[0], name) == pytest.approx(grown[name])


def test_a_counter_with_less_session_time_was_started_anew():
    assert difference(Totals(focus_s=5), Totals(focus_s=90, pickups=2)) == Totals(focus_s=5)


def test_a_pickup_that_was_none_is_taken_back():
    day = Day("2026-03-05", SEATS, (Totals(focus_s=50, working_s=40, phone_s=10, pickups=2),))
    before = Totals(focus_s=30, working_s=20, phone_s=10, pickups=1)
    after = Totals(focus_s=31, working_s=31, phone_s=0, pickups=0)
    expected = Totals(focus_s=51, working_s=51, phone_s=0, pickups=1)
    assert add(day, (after,), (before,)).totals == (expected,)


# ---------------------------------------------------------------- cards that fail


def test_a_damaged_history_is_set_aside_whole_and_a_new_one_begins(tmp_path):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    for _ in range(300):
        box.tell()
    box.recorder.close()
    content = bytearray(path.read_bytes())
    content[4096 : len(content) // 2] = b"\x5a" * (len(content) // 2 - 4096)
    path.write_bytes(content)
    again = RecordingBox(path)
    again.tell()
    saved = [w.record.number for w in again.waiting(limit=1000)]
    assert len(saved) > 150, "the half that was not overwritten can be read"
    assert saved[-2:] == [300, 301]
    (aside,) = tmp_path.glob("h.db.broken-*")
    assert aside.read_bytes()[:8192] == bytes(content)[:8192]
    faults = again.inbox.drain()
    assert [(f.fault, f.broken) for f in faults] == [(Fault.DISK, True), (Fault.DISK, False)]


@pytest.mark.parametrize(
    "content", [b"not a database at all", b"SQLite format 3\x00" + b"\xff" * 99]
)
def test_a_foreign_file_is_set_aside_too(tmp_path, content):
    path = tmp_path / "h.db"
    path.write_bytes(content * 50)
    box = RecordingBox(path)
    box.tell()
    assert len(box.waiting()) == 1
    assert len(list(tmp_path.glob("h.db.broken-*"))) == 1


def test_a_card_that_cannot_be_used_leaves_the_box_without_a_history(tmp_path):
    (tmp_path / "file").write_text("")
    box = RecordingBox(tmp_path / "file" / "h.db")  # its directory cannot be made
    box.tell()
    assert [w.record.type for w in box.waiting()] == [EventType.PICKUP]
    (fault,) = box.inbox.drain()
    assert (fault.fault, fault.broken) == (Fault.DISK, True)


def test_events_told_while_the_card_failed_reach_it_when_it_is_back(tmp_path):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    box.tell(EventType.PICKUP)
    box.tell(EventType.PUTDOWN)
    box.recorder.drain(120.0)
    box.recorder._store._db.execute("PRAGMA query_only = ON")  # as a read-only card answers
    box.tell(EventType.LEFT)
    before = box.waiting()
    assert [w.record.type.value for w in before] == ["pickup", "putdown", "left"]
    box.recorder.acknowledge(before[0].place)
    box.clock.advance(31)
    box.tell(EventType.RETURNED)
    assert [w.record.type.value for w in box.waiting()] == ["putdown", "left", "returned"]
    faults = [f for f in box.inbox.drain() if isinstance(f, FaultChange)]
    assert [(f.fault, f.broken) for f in faults] == [(Fault.DISK, True), (Fault.DISK, False)]
    box.recorder.close()
    assert events_of(path) == ["pickup", "putdown", "left", "returned"]


@pytest.fixture
def small_card(tmp_path, request):
    """A file system of its own, of 1 MiB or as many as asked for, as full as a test wants it."""
    mount = tmp_path / "card"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={getattr(request, 'param', 1)}m", "tmpfs", mount],
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def test_on_a_really_full_card_events_go_on_and_come_to_it_when_there_is_room(small_card):
    path = small_card / "h.db"
    box = RecordingBox(path)
    box.tell(EventType.PICKUP)
    box.recorder.drain(120.0)
    filler = small_card / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"\0" * 4096)
    for _ in range(400):
        box.tell(EventType.LEVEL)
    assert len(box.waiting(limit=1000)) == 401
    assert box.inbox.drain()[0].broken
    filler.unlink()
    box.clock.advance(31)
    box.tell(EventType.PUTDOWN)
    box.recorder.close()
    assert events_of(path) == ["pickup", *["level"] * 400, "putdown"]


def test_on_a_card_that_becomes_read_only_events_go_on(small_card):
    box = RecordingBox(small_card / "h.db")
    box.tell(EventType.PICKUP)
    box.die()
    subprocess.run(["mount", "-o", "remount,ro", str(small_card)], check=True)
    again = RecordingBox(small_card / "h.db", box.wall)
    again.tell(EventType.PUTDOWN)
    assert [w.record.type for w in again.waiting()][-1] is EventType.PUTDOWN
    (fault,) = again.inbox.drain()
    assert fault.broken
    again.recorder.close()


def test_of_a_history_of_another_version_what_is_understood_goes_on_and_it_is_kept_whole(tmp_path):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    box.tell(totals=(Totals(focus_s=60, working_s=60, streak=3),))
    box.recorder.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {store_module.SCHEMA_VERSION + 1}")
        db.execute("ALTER TABLE event ADD COLUMN mood TEXT")
    before = path.read_bytes()
    again = RecordingBox(path)
    assert again.recorder.today.totals[0].streak == 3
    (aside,) = tmp_path.glob("h.db.broken-*")
    assert aside.read_bytes() == before


# ---------------------------------------------------------------- reports


def test_the_report_reads_beside_a_running_box(tmp_path):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    box.tell(EventType.SESSION_START, session=Session.FOCUS)
    box.clock.advance(1200)
    totals = (Totals(focus_s=1200, working_s=1080, phone_s=120, pickups=1, sessions=1),)
    box.tell(EventType.PICKUP, totals=totals)
    box.recorder.drain(120.0)
    store = open_for_reading(path)
    report = read(store, NOON.date() - timedelta(days=6), NOON.date(), now=NOON)
    store.close()
    day = report.days[-1]
    assert (day.sum("focus_s"), day.sum("phone_s"), day.longest_clean_s) == (1200, 120, 1200)
    assert report.as_json()["days"][-1]["seats"]["desk"]["pickups"] == 1
    assert len(table(report).splitlines()) == 8
    box.recorder.close()


@pytest.mark.parametrize(
    ("focus_s", "phone_s", "bar"),
    [
        pytest.param((0,), 0, "", id="nothing"),
        pytest.param((40,), 0, "", id="less than a minute is no day of work"),
        pytest.param((1800,), 0, "█" * 12, id="half an hour is half a bar"),
        pytest.param((1800,), 900, "█" * 6 + "░" * 6, id="half of it with the phone"),
        pytest.param((14400, 7200), 0, "█" * 12, id="half of the longest day"),
    ],
)
def test_the_bar_of_a_day_is_drawn_to_the_longest_one_or_to_an_hour(focus_s, phone_s, bar):
    days = [
        DayReport(NOON.date(), {"desk": Totals(focus_s=each, phone_s=phone_s)}, 0.0, 0, 0.0)
        for each in focus_s
    ]
    lines = table(Report(tuple(days))).splitlines()[1 : len(days) + 1]
    assert "".join(each for each in lines[-1] if each in "█░") == bar


def test_the_report_command_prints_json_and_says_what_is_missing(tmp_path):
    RecordingBox(tmp_path / "h.db").recorder.close()
    command = [sys.executable, "-m", "edge", "report", "--json", "--history"]
    found = subprocess.run(
        [*command, str(tmp_path / "h.db")], capture_output=True, text=True, check=True
    )
    assert len(json.loads(found.stdout)["days"]) == 1
    missing = subprocess.run(
        [*command, str(tmp_path / "none.db")], capture_output=True, text=True, check=False
    )
    assert missing.returncode == 1
    assert "there is no history yet" in missing.stderr


# ---------------------------------------------------------------- wrong clocks


def lived_through(path: Path, days: int, **config: int) -> RecordingBox:
    """A month in which a session a day was clean, and nothing was ever acknowledged."""
    with closing(open_store(path)) as store:
        for back in range(days, 0, -1):
            at = NOON - timedelta(days=back)
            totals = Totals(focus_s=1500, working_s=1500, sessions=1, streak=days - back + 1)
            day = Day(at.date().isoformat(), SEATS, (totals,))
            store.add(EventType.SESSION_END, at, details={}, day=day)
    box = RecordingBox(path, **config)
    box.tell(EventType.LEFT)
    return box


WRONG = [
    pytest.param(timedelta(days=365 * 15), id="a far future"),
    pytest.param(timedelta(days=40), id="just more than is kept"),
    pytest.param(timedelta(days=-365 * 20), id="a past before the program"),
    pytest.param(timedelta(days=-30), id="a past that might have been"),
]


@pytest.mark.parametrize("kept", [True, False, None])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_start_with_a_wrong_date_costs_neither_days_nor_events_nor_the_streak(
    tmp_path, wrong, kept
):
    path = tmp_path / "h.db"
    lived_through(path, 30, outbox_days=31).recorder.close()
    for _ in range(2):
        wall = FakeWall(NOON + wrong, FakeClock())
        box = RecordingBox(path, wall, kept=kept, keep_days=31, outbox_days=31)
        for _ in range(120):  # often enough for what is too old to be looked for
            box.tell(EventType.LEVEL, totals=box.recorder.today.totals)
            box.clock.advance(1)
        box.recorder.close()
    box = RecordingBox(
        path, FakeWall(NOON + timedelta(hours=1), FakeClock()), keep_days=31, outbox_days=31
    )
    assert (box.recorder.today.date, box.recorder.today.totals[0].streak) == ("2026-03-05", 30)
    waiting = [w.record.type for w in box.waiting(limit=1000)]
    assert waiting.count(EventType.SESSION_END) == 30
    box.recorder.close()
    with closing(open_for_reading(path)) as store:
        days = store.days("2026-02-03", "2026-03-04")
    assert len(days) == 30


def test_the_clock_that_goes_wrong_in_the_middle_of_a_run_deletes_nothing(tmp_path):
    path = tmp_path / "h.db"
    box = lived_through(path, 30, outbox_days=31, keep_days=31)
    box.wall.set(NOON + timedelta(days=4000))
    for _ in range(250):
        box.clock.advance(1)
        box.tell(EventType.LEVEL)
    box.wall.set(NOON)
    box.tell(EventType.RETURNED)
    assert len(box.waiting(limit=1000)) == 282


def test_old_entries_are_deleted_in_time_and_what_came_after_them_is_not(tmp_path):
    path = tmp_path / "h.db"
    lived_through(path, 30).recorder.close()
    box = RecordingBox(path, keep_days=10, outbox_days=1)
    for _ in range(120):
        box.tell(EventType.LEVEL)
    box.recorder.close()
    with closing(open_for_reading(path)) as store:
        dates = [date for date, *_ in store.days("2026", "2027")]
    assert dates[0] == (NOON.date() - timedelta(days=10)).isoformat()
    assert events_of(path).count("session_end") == 10


def test_there_is_a_limit_to_what_a_history_keeps_however_young_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "EVENTS_MAX", 50)
    with closing(open_store(tmp_path / "h.db")) as store:
        for number in range(80):
            store.add(EventType.LEVEL, NOON, details={}, send=number == 3)
        store.prune(now=NOON, keep_days=365)
        numbers = [event.number for event in store.events(since=NOON, until=NOON + timedelta(1))]
    assert numbers == [4, *range(30, 81)], "and what waits for the broker stays"


LAST_S = 1.8e9


@pytest.mark.parametrize(
    ("absent_s", "kept", "ran_s", "believed_s"),
    [
        pytest.param(0, True, 60, 60, id="it runs"),
        pytest.param(3600, True, 60, 3660, id="it was off for an hour"),
        pytest.param(3600, None, 60, 3660, id="and nobody says whether the clock is kept"),
        pytest.param(3600, False, 60, 60, id="but the clock is kept by nobody"),
        pytest.param(40 * 86400, True, 0, 0, id="what a far date says is doubted"),
        pytest.param(40 * 86400, True, 3600, 86400, id="and believed a day in an hour"),
        pytest.param(40 * 86400, None, 3600, 3600, id="if a time server says so"),
        pytest.param(-7200, True, 60, 60, id="the clock was set back"),
    ],
)
def test_the_believed_time_passes_and_does_not_jump(absent_s, kept, ran_s, believed_s):
    lived = Lived(LAST_S, LAST_S, 500.0).started(LAST_S + absent_s, 5.0, kept=kept)
    lived = lived.passed(LAST_S + absent_s + ran_s, 5.0 + ran_s, kept=kept)
    assert lived.believed_s - LAST_S == pytest.approx(believed_s)


def test_the_clock_that_is_set_in_a_run_moves_the_believed_time_by_what_has_passed():
    lived = Lived(LAST_S, LAST_S, 0.0)
    assert lived.passed(LAST_S + 9e9, 10.0, kept=False).believed_s == LAST_S + 10
    assert lived.passed(LAST_S - 9e8, 10.0, kept=False).believed_s == LAST_S + 10
    caught_up = lived.passed(LAST_S + 50, 10.0, kept=True)
    assert caught_up.believed_s == LAST_S + 50, "no further than the clock itself"


@pytest.mark.parametrize(
    ("day", "possible"),
    [
        ("2026-03-05", True),
        ("2026-03-06", True),  # another time zone
        ("2026-03-07", False),
        (FIRST_DAY.isoformat(), True),
        ((FIRST_DAY - timedelta(days=1)).isoformat(), False),
        ("1970-01-01", False),
        ("2026-03-0\ufffd", False),
        ("", False),
    ],
)
def test_days_before_the_program_and_ahead_of_today_cannot_be(day, possible):
    assert can_be(day, today=NOON.date()) is possible


def test_whether_a_time_server_keeps_the_clock_is_what_timesyncd_says(tmp_path, monkeypatch):
    monkeypatch.setattr(clock_module, "TIMESYNC", tmp_path)
    assert synchronized() is False
    (tmp_path / "synchronized").touch()
    assert synchronized() is True


@pytest.mark.parametrize(("answer", "kept"), [(0, True), (5, False), (-1, None)])
def test_without_timesyncd_it_is_what_the_kernel_says(tmp_path, monkeypatch, answer, kept):
    class Kernel:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def adjtimex(self, _: object) -> int:
            return answer

    monkeypatch.setattr(clock_module, "TIMESYNC", tmp_path / "none")
    monkeypatch.setattr(clock_module.ctypes, "CDLL", Kernel)
    assert synchronized() is kept


def test_days_that_cannot_be_are_in_no_total_and_are_said(tmp_path):
    path = tmp_path / "h.db"
    lived_through(path, 3).recorder.close()
    with closing(open_store(path)) as store:
        totals = (Totals(focus_s=1800, working_s=1800, pickups=2, streak=40),)
        store.save({}, Day("2041-11-24", SEATS, totals))
        store.save({}, Day("1970-01-01", SEATS, totals))
        assert store.day("2026-03-06", SEATS).totals[0].streak == 3
    report = read_file(path, NOON.date() - timedelta(days=6), NOON.date(), now=NOON)
    assert sum(day.sum("focus_s") for day in report.days) == 4500
    assert [each["date"] for each in report.as_json()["set_aside"]] == ["1970-01-01", "2041-11-24"]
    assert "no such day: 2041-11-24 (30 m of focus, 2 pick-ups)" in table(report)


@pytest.mark.parametrize("step_s", [7200, -7200, 400 * 86400])
def test_a_step_of_the_clock_changes_no_duration_of_the_report(tmp_path, step_s):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    box.tell(EventType.SESSION_START, session=Session.FOCUS, session_since_s=box.clock())
    box.clock.advance(600)
    box.wall.set(box.wall() + timedelta(seconds=step_s))
    box.clock.advance(600)
    totals = (Totals(focus_s=1200, working_s=1200),)
    box.state = replace(box.state, at_s=box.clock(), session=Session.IDLE, totals=totals)
    details = {"lasted_s": 1200.0, "clean_s": 1200.0, "unseen_s": 300.0}
    box.recorder.tell(Happening(EventType.SESSION_END, box.clock(), None, details), box.state)
    box.recorder.close()
    now = box.wall()
    (day,) = read_file(path, now.date(), now.date(), now=now).days
    assert (day.sum("focus_s"), day.longest_clean_s, day.unseen_s) == (1200, 1200, 300)


def test_a_session_that_was_cut_off_lasted_as_long_as_it_ran_whatever_the_clock_did(tmp_path):
    box = RecordingBox(tmp_path / "h.db")
    box.tell(EventType.SESSION_START, session=Session.FOCUS, session_since_s=box.clock())
    box.clock.advance(600)
    box.wall.set(NOON + timedelta(hours=9))
    box.tell(EventType.PICKUP)
    box.die()
    again = RecordingBox(tmp_path / "h.db", box.wall)
    assert again.waiting()[-1].record.details["lasted_s"] == 600


def test_no_day_has_a_longer_focus_without_the_phone_than_it_has_focus(tmp_path):
    path = tmp_path / "h.db"
    with closing(open_store(path)) as store:
        day = Day("2026-03-05", SEATS, (Totals(focus_s=900, working_s=900),))
        store.add(EventType.SESSION_END, NOON, details={"clean_s": 3000.0}, day=day)
    (day,) = read_file(path, NOON.date(), NOON.date(), now=NOON).days
    assert day.longest_clean_s == 900


# ---------------------------------------------------------------- damage


POISON = {
    "newer type": "UPDATE event SET type = 'yawn' WHERE number = 2",
    "details cut": "UPDATE event SET details = substr(details, 2) WHERE number = 2",
    "details of numbers": "UPDATE event SET details = '[1, 2]' WHERE number = 2",
    "not a number": """UPDATE event SET details = '{"median": NaN}' WHERE number = 2""",
    "half a letter": """UPDATE event SET details = '{"why": "\\ud800"}' WHERE number = 2""",
    "endless depth": f"UPDATE event SET details = '{'[' * 4000}' WHERE number = 2",
    "endless details": f"UPDATE event SET details = '\"{'x' * 99999}\"' WHERE number = 2",
    "a byte of the time": "UPDATE event SET at = replace(at, '-', '_') WHERE number = 2",
    "a time without a zone": "UPDATE event SET at = '2026-03-05T12:00:00' WHERE number = 2",
    "no time at all": "UPDATE event SET at = 'x', at_unix = 'y' WHERE number = 2",
    "an endless time": "UPDATE event SET at = 'x', at_unix = 9e999 WHERE number = 2",
    "no text": "UPDATE event SET id = x'ff', details = x'ff', type = x'ff' WHERE number = 2",
    "nothing there": "DELETE FROM event WHERE number = 2",
    "a place of its own": "UPDATE outbox SET place = -5 WHERE number = 2",
}


@pytest.mark.parametrize("change", POISON.values(), ids=POISON)
def test_an_event_that_nobody_understands_holds_up_none_behind_it(tmp_path, change):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    for _ in range(3):
        box.tell()
    box.recorder.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(change)
        db.commit()
    again = RecordingBox(path)
    again.tell(EventType.LEFT)
    found = again.waiting()
    for waiting in found:
        assert len(encode(event_payload(waiting.record, now=NOON))) < 5000
    numbers = {waiting.record.number for waiting in found}
    assert {1, 3, 4} <= numbers <= {1, 2, 3, 4}
    gone = change in (POISON["no time at all"], POISON["an endless time"], POISON["nothing there"])
    assert (2 in numbers) is not gone, "what can be understood of it is sent"
    again.recorder.acknowledge(found[0].place)
    assert len(again.waiting()) == len(found) - 1
    assert again.recorder.queued == len(found) - 1
    read_file(path, NOON.date(), NOON.date(), now=NOON)


def test_more_events_that_cannot_be_read_than_are_fetched_at_once_hold_up_none(tmp_path):
    box = RecordingBox(tmp_path / "h.db")
    for _ in range(30):
        box.tell()
    box.recorder.close()
    with closing(sqlite3.connect(tmp_path / "h.db")) as db:
        db.execute("UPDATE event SET at = 'x', at_unix = 'y' WHERE number < 25")
        db.commit()
    again = RecordingBox(tmp_path / "h.db")
    assert [w.record.number for w in again.waiting(limit=5)] == [25]
    assert [w.record.number for w in again.waiting(limit=5)] == [25, 26, 27, 28, 29]


def test_an_event_of_a_newer_version_is_sent_as_it_is(tmp_path):
    box = RecordingBox(tmp_path / "h.db")
    box.tell()
    box.recorder.close()
    with closing(sqlite3.connect(tmp_path / "h.db")) as db:
        db.execute("""UPDATE event SET type = 'yawn', details = '{"wide": true}'""")
        db.commit()
    (waiting,) = RecordingBox(tmp_path / "h.db").waiting()
    payload = json.loads(encode(event_payload(waiting.record, now=NOON)))
    assert (payload["type"], payload["details"]) == ("yawn", {"wide": True})


FIGURES = ["9e999", "-5", "'x'", "x'ff'"]


@pytest.mark.parametrize("figure", FIGURES)
def test_figures_that_cannot_be_are_none(tmp_path, figure):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    box.tell(totals=(Totals(focus_s=60, working_s=60, pickups=2),))
    box.recorder.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"UPDATE day SET pickups = {figure}, streak = {figure}")
        db.commit()
    again = RecordingBox(path)
    (total,) = again.recorder.today.totals
    assert (total.focus_s, total.pickups, total.streak) == (60, 0, 0)
    assert "1 m" in table(read_file(path, NOON.date(), NOON.date(), now=NOON))


def flip(path: Path, needle: bytes, offset: int = 0, bit: int = 0x80) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(needle) + offset] ^= bit
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("needle", "offset", "bit"),
    [
        pytest.param(b"tablenotenote", 5, 0x80, id="the name of a table"),
        pytest.param(b"CREATE TABLE event", 0, 0x01, id="the word create"),
        pytest.param(b"at_unix REAL", 0, 0x01, id="the name of a column"),
        pytest.param(b"details TEXT NOT NULL", 8, 0x01, id="the kind of a column"),
        pytest.param(b"indexevent_by_time", 5, 0x02, id="the name of an index"),
        pytest.param(b"SQLite format 3", 0, 0x01, id="the first byte"),
        pytest.param(b"SQLite format 3", 18, 0x04, id="the version to write with"),
        pytest.param(b"SQLite format 3", 16, 0x08, id="the size of a page"),
        pytest.param(b"SQLite format 3", 59, 0x02, id="the encoding"),
        pytest.param(b"SQLite format 3", 63, 0x40, id="the version of the history"),
        pytest.param(b"SQLite format 3", 100, 0x04, id="the kind of the first page"),
    ],
)
def test_one_wrong_bit_of_the_schema_costs_no_event_and_no_day(tmp_path, needle, offset, bit):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    for _ in range(200):
        box.tell(EventType.LEVEL, totals=(Totals(focus_s=60, working_s=60, streak=5),))
    box.recorder.close()
    flip(path, needle, offset, bit)
    report = read_file(path, NOON.date(), NOON.date(), now=NOON)
    assert report.days[0].sum("focus_s") == 60, "the report needs no box to mend it"
    again = RecordingBox(path)
    again.tell(EventType.LEFT)
    assert [w.record.number for w in again.waiting(limit=1000)] == list(range(1, 202))
    assert again.recorder.today.totals[0].streak == 5
    again.recorder.close()
    assert events_of(path).count("level") == 200


def test_two_that_wait_at_the_same_place_are_both_sent_and_so_are_all_others(tmp_path):
    path = tmp_path / "h.db"
    store = open_store(path)
    rows = {}
    for number in range(1, 6):
        event = store.add(EventType.PICKUP, NOON, details={}, send=False)
        rows[number] = (min(number, 3) if number < 5 else 5, number, NOON.timestamp())
        assert event.number == number
    store.take(Salvaged(outbox=rows))  # places 1, 2, 3, 3, 5
    assert sorted(w.record.number for w in store.waiting(after=0, limit=9)) == [1, 2, 3, 4, 5]
    store.close()


def test_damage_that_shows_in_the_middle_of_a_run_costs_nothing_that_could_be_read(tmp_path):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    for _ in range(300):
        box.tell(EventType.LEVEL)
    box.recorder.drain(120.0)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'event'").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\x55" * 16)  # the root of the events: only the pages know them now
    box.recorder._store._db.execute("PRAGMA cache_size = 0")
    for _ in range(40):
        box.clock.advance(31)
        box.tell(EventType.LEFT)
    waiting = [w.record.type for w in box.waiting(limit=1000)]
    box.recorder.close()
    assert waiting.count(EventType.LEVEL) == 300
    assert waiting.count(EventType.LEFT) == 40
    assert len(list(tmp_path.glob("h.db.broken-*"))) == 1


def test_a_start_that_is_cut_off_while_it_salvages_goes_on_there_once(tmp_path, monkeypatch):
    path = tmp_path / "h.db"
    for _ in range(2):
        box = RecordingBox(path)
        box.tell(EventType.PICKUP)
        box.recorder.close()
    flip(path, b"tablenotenote", 5)

    class PowerCut(BaseException):
        pass

    def cut(path: Path, *, totals: int) -> Salvaged:
        raise PowerCut

    with monkeypatch.context() as patched, pytest.raises(PowerCut):
        patched.setattr(store_module, "salvage", cut)
        RecordingBox(path)
    again = RecordingBox(path)
    assert [w.record.number for w in again.waiting()] == [1, 2]
    again.recorder.close()
    with closing(open_store(path)) as store:
        assert store.salvage(path) == 0, "it is done"
        store.save({"salvage": "again/h.db"}, None)
    with monkeypatch.context() as patched, pytest.raises(PowerCut):
        patched.setattr(store_module, "salvage", cut)
        open_store(path)
    open_store(path).close()  # not a third time


def test_only_the_latest_of_the_damaged_histories_are_kept(tmp_path):
    path = tmp_path / "h.db"
    for number in range(BROKEN_MAX + 2):
        path.write_bytes(b"%d" % number * 5000)
        store, moved, saved = replace_damaged(path, NOON)
        store.close()
        assert (saved, moved.read_bytes()[:1]) == (0, b"%d" % number)
    kept = {each.read_bytes()[:1] for each in tmp_path.glob("h.db.broken-*")}
    assert kept == {b"2", b"3", b"4"}


def test_what_is_committed_is_on_the_card_when_the_power_goes(tmp_path):
    with closing(open_store(tmp_path / "h.db")) as store:
        asked = [
            store._db.execute(f"PRAGMA {what}").fetchone()[0]
            for what in ("journal_mode", "synchronous")
        ]
    assert asked == ["wal", 2]  # 2: FULL


# ---------------------------------------------------------------- floods and full cards


def test_a_flood_of_refusals_is_counted_and_not_written(tmp_path):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    for _ in range(1000):
        box.clock.advance(0.25)
        box.recorder.note(EventType.REFUSED, {"command": "session", "why": "nothing runs"})
    box.tell(EventType.PICKUP)
    box.recorder.drain(120.0)
    refused = [w.record for w in box.waiting(limit=2000) if w.record.type == "refused"]
    assert len(refused) == FLOOD_BURST
    box.recorder.close()
    with closing(open_for_reading(path)) as store:
        found = store.events(since=NOON - timedelta(days=1), until=NOON + timedelta(days=1))
    last = [each for each in found if each.type == "refused"][-1]
    assert (last.details["left_out"], last.details["why"]) == (
        1000 - FLOOD_BURST - 1,
        "nothing runs",
    )
    assert sum(each.type == "pickup" for each in found) == 1, "what is no flood is always written"


def test_when_a_flood_is_over_the_last_of_it_says_how_many_there_were():
    box = RecordingBox(None)
    for _ in range(FLOOD_BURST + 7):
        box.recorder.note(EventType.REFUSED, {"command": "session"})
    box.recorder.look_at_the_clock()
    assert len(box.waiting()) == FLOOD_BURST
    box.clock.advance(601)
    box.recorder.look_at_the_clock()
    assert [w.record.details.get("left_out") for w in box.waiting()][-1] == 6
    box.clock.advance(7200)
    box.recorder.note(EventType.REFUSED, {"command": "session"})
    assert "left_out" not in box.waiting()[-1].record.details


@pytest.mark.parametrize("small_card", [12], indirect=True)
@pytest.mark.parametrize("leave_bytes", [0, 100_000, 700_000, 3_000_000])
def test_a_card_that_the_history_has_filled_is_made_room_on(small_card, leave_bytes):
    path = small_card / "h.db"
    RecordingBox(path).recorder.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = MEMORY")
        row = (NOON.isoformat(), NOON.timestamp(), None, "{}" * 1000)
        number = 10
        with pytest.raises(sqlite3.OperationalError, match="full"):
            while True:
                number += 1
                db.execute(
                    "INSERT INTO event VALUES (?, ?, 'refused', ?, ?, ?, ?)",
                    (number, event_id(NOON), *row),
                )
                if free_on(small_card) < leave_bytes:
                    raise sqlite3.OperationalError("full enough")
    box = RecordingBox(path, outbox_max=100)
    box.tell(EventType.PICKUP)
    for _ in range(600):  # more than is free, even where there was room at first
        details = {"reason": "x" * 4000}
        box.recorder.tell(Happening(EventType.LEVEL, box.clock(), "desk", details), box.state)
    box.tell(EventType.PUTDOWN)
    box.recorder.drain(120.0)
    assert not box.inbox.drain(), "no fault"
    box.recorder.close()
    found = events_of(path)
    assert found[-1] == "putdown", "the newest are there"
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def free_on(card: Path) -> int:
    found = os.statvfs(card)
    return found.f_bavail * found.f_frsize


# ---------------------------------------------------------------- recordings played back


def test_a_recording_is_marked_and_counts_nowhere(tmp_path):
    path = tmp_path / "h.db"
    box = RecordingBox(path)
    box.tell(
        EventType.SESSION_START,
        session=Session.FOCUS,
        totals=(Totals(focus_s=100, working_s=100, pickups=1, streak=4),),
    )
    box.die()
    film = RecordingBox(path, box.wall, replay=True)
    grown = (Totals(focus_s=9000, working_s=9000, pickups=50, streak=60),)
    details = {"clean_s": 9000.0}
    film.state = replace(film.state, session=Session.FOCUS, totals=grown, replay=True)
    film.recorder.tell(Happening(EventType.PICKUP, film.clock(), "desk", details), film.state)
    film.recorder.save(film.state)
    film.recorder.look_at_the_clock()
    marked = [event_payload(w.record, now=NOON)["replay"] for w in film.waiting()]
    assert marked == [False, True]
    assert film.days == [], "nobody's day is told"
    film.die()
    again = RecordingBox(path, box.wall)
    assert again.recorder.today.totals == (Totals(focus_s=100, working_s=100, pickups=1, streak=4),)
    last = again.waiting()[-1].record
    assert (last.type, last.details["session"]) == (EventType.INTERRUPTED, "focus")
    assert "replay" not in last.details, "the session that was cut off is the owner's"
    again.recorder.close()
    (day,) = read_file(path, NOON.date(), NOON.date(), now=NOON).days
    assert (day.sum("pickups"), day.longest_clean_s) == (1, 0)
