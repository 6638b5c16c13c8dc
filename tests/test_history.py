from __future__ import annotations

import json
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
from edge.history import store as store_module
from edge.history.days import SUMMED, Day, add, difference
from edge.history.record import event_id
from edge.history.recorder import Recorder
from edge.history.report import DayReport, Report, read, table
from edge.history.store import Unusable, open_for_reading, open_memory, open_store
from edge.inbox import CommandInbox
from tests.fakes import FakeClock, FakeWall

NOON = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
CONFIG = Config()
SEATS = ("desk",)


class RecordingBox:
    """A recorder on a fake clock, and what it said."""

    def __init__(self, path: Path | None, wall: FakeWall | None = None, **config: int) -> None:
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
        store.prune(now=NOON + timedelta(days=3), keep_days=1)
    again = RecordingBox(tmp_path / "h.db")
    again.tell()
    assert [w.record.number for w in again.waiting()] == [2]


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
    assert [w.record.type for w in again.waiting()] == [EventType.PICKUP]
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
def small_card(tmp_path):
    """A file system of 1 MiB of its own, as small and as full as a test wants it."""
    mount = tmp_path / "card"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)],
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


def test_a_history_of_a_newer_version_is_left_alone(tmp_path):
    path = tmp_path / "h.db"
    open_store(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {store_module.SCHEMA_VERSION + 1}")
    with pytest.raises(Unusable, match="newer version") as refused:
        open_store(path)
    assert not refused.value.damaged


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
    report = read(store, NOON.date() - timedelta(days=6), NOON.date(), zone=UTC)
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
        DayReport(NOON.date(), {"desk": Totals(focus_s=each, phone_s=phone_s)}, 0.0, 0)
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
