from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.__main__ import main
from edge.domain import Box, EventType, LookAlike, Session, Totals
from edge.history import lookback
from edge.history.clock import midnight, zone_of
from edge.history.erase import Erased, erase, remove, remove_aside
from edge.history.export import days_as_csv, events_as_csv, events_as_json
from edge.history.lookback import Span, duration, look_back, short, spans, what, why
from edge.history.page import page
from edge.history.record import Record
from edge.history.report import DayReport
from edge.history.store import Unusable, open_for_reading, open_store
from edge.history.timeline import LONGEST_S, Kind, Segment, by_hour, clipped, segments
from edge.lock import Lock
from tests.lived import Lived

EVE = datetime(2026, 3, 5, 0, 0, tzinfo=UTC)
NINE = EVE + timedelta(hours=9)  # a Thursday


def event(number: int, type_: EventType, minute: float, seat: str | None = None, **details: object):
    at = NINE + timedelta(minutes=minute)
    return Record(number, f"id-{number}", type_, at, seat, details)


def line(events, until: float = 600.0) -> list[tuple[str, float, float]]:
    """(kind, from, to) in minutes after nine."""
    found = segments(events, until=NINE + timedelta(minutes=until))
    return sorted(
        (
            str(each.kind) + (f" {each.what}" if each.what else "") + (" ..." if each.open else ""),
            round((each.begin - NINE).total_seconds() / 60, 2),
            round((each.end - NINE).total_seconds() / 60, 2),
        )
        for each in found
    )


def numbered(*events):
    return [replace(each, number=index) for index, each in enumerate(events, 1)]


E = EventType
START = event(0, E.SESSION_START, 0, minutes=25.0)
PICKUP = event(0, E.PICKUP, 5, "desk")
END = event(0, E.SESSION_END, 25, lasted_s=1500.0)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([START, END], [("focus", 0, 25)], id="a session"),
        pytest.param(
            [
                START,
                event(0, E.PICKUP, 5, "desk"),
                event(0, E.PUTDOWN, 7, "desk", lasted_s=90),
                END,
            ],
            [("focus", 0, 25), ("phone", 5.5, 7)],
            id="a pick-up lasted as long as it says",
        ),
        pytest.param(
            [START, PICKUP, event(0, E.NOT_A_PHONE, 6, "desk"), END],
            [("focus", 0, 25)],
            id="what was no phone is none",
        ),
        pytest.param(
            [START, event(0, E.LEFT, 5, "desk"), event(0, E.RETURNED, 9, "desk", away_s=260), END],
            [("away", 4.67, 9), ("focus", 0, 25)],
            id="the seat was left before that was believed",
        ),
        pytest.param(
            [
                START,
                event(0, E.LEFT, 5, "desk"),
                event(0, E.UNSURE, 8, view="dark"),
                event(0, E.CLEAR, 10, was="dark"),
                event(0, E.RETURNED, 14, "desk", away_s=240),
                END,
            ],
            [("away", 5, 8), ("away", 10, 14), ("focus", 0, 25), ("unseen", 8, 10)],
            id="the view was lost meanwhile",
        ),
        pytest.param(
            [
                START,
                event(0, E.LEFT, 5, "desk"),
                event(0, E.UNSURE, 8, view="dark"),
                event(0, E.RETURNED, 8, "desk", away_s=200),
                event(0, E.CLEAR, 10, was="dark"),
                END,
            ],
            [("away", 5, 8), ("focus", 0, 25), ("unseen", 8, 10)],
            id="as boxes told it before",
        ),
        pytest.param(
            [
                START,
                event(0, E.LEFT, 5, "desk"),
                event(0, E.UNSURE, 8, view="dark"),
                END,
                event(0, E.CLEAR, 26, was="dark"),
            ],
            [("away", 5, 8), ("focus", 0, 25), ("unseen", 8, 25)],
            id="the session ended unseen",
        ),
        pytest.param(
            [START, event(0, E.LEFT, 5, "desk"), END],
            [("away", 5, 25), ("focus", 0, 25)],
            id="nobody came back before the end",
        ),
        pytest.param(
            [
                START,
                event(0, E.PAUSE, 10, minutes=10.0),
                event(0, E.RESUME, 14, session="focus"),
                event(0, E.SESSION_END, 29, lasted_s=1500.0),
            ],
            [("focus", 0, 10), ("focus", 14, 29), ("paused", 10, 14)],
            id="a pause",
        ),
        pytest.param(
            [START, event(0, E.PAUSE, 10, minutes=10.0), event(0, E.SESSION_END, 12, lasted_s=600)],
            [("focus", 0, 10), ("paused", 10, 12)],
            id="stopped in its pause",
        ),
        pytest.param(
            [
                START,
                event(0, E.PAUSE, 10, minutes=10.0),
                event(0, E.RESUME, 14, session="focus"),
                event(0, E.SESSION_END, 29, lasted_s=599.0),
            ],
            [("focus", 0, 10), ("focus", 29, 29), ("paused", 10, 14)],
            id="no more focus than it says, and no less than none behind the pause",
        ),
        pytest.param(
            [event(0, E.BREAK_START, 0, minutes=5.0), event(0, E.BREAK_END, 185)],
            [("break", 0, 5)],
            id="the clock was set in a break, which lasts no longer for it",
        ),
        pytest.param(
            [
                event(0, E.SESSION_START, 0, minutes=25.0),
                event(0, E.SESSION_END, -100, lasted_s=600),
            ],
            [("focus", -110, -100)],
            id="the clock was set back in a session, which lasted as long as it says",
        ),
        pytest.param(
            [
                START,
                event(0, E.PICKUP, 4, "desk"),
                event(
                    0,
                    E.INTERRUPTED,
                    90,
                    session="focus",
                    last_seen=(NINE + timedelta(minutes=6)).isoformat(),
                    lasted_s=360,
                ),
                event(0, E.STARTED, 90),
            ],
            [("focus", 0, 6), ("phone", 4, 6)],
            id="cut off it ended when the box last lived",
        ),
        pytest.param(
            [
                event(0, E.FAULT, 1, fault="camera"),
                event(0, E.FAULT, 2, fault="broker"),
                event(0, E.FAULT_CLEARED, 4, fault="camera"),
                event(0, E.STARTED, 50),
            ],
            [("fault broker", 2, 4), ("fault camera", 1, 4)],
            id="faults by name; one that nobody saw end ended before the next start",
        ),
        pytest.param(
            [START, event(0, E.UNSURE, 3, view="dark"), event(0, E.CLEAR, 4, was="dark"), END],
            [("focus", 0, 25), ("unseen", 3, 4)],
            id="a lost view",
        ),
        pytest.param([END], [("focus", 0, 25)], id="its start is no longer known"),
        pytest.param(
            [event(0, E.BREAK_END, 3)], [], id="its start is no longer known, nor how long"
        ),
        pytest.param([START], [("focus", 0, 25)], id="its end never came: no longer than planned"),
        pytest.param(
            [START, event(0, E.PUTDOWN, 7, "desk", lasted_s=float(10**8))],
            [("focus", 0, 25)],
            id="a duration that cannot be is none",
        ),
    ],
)
def test_a_day_is_told_from_its_events(events, expected):
    assert line(numbered(*events)) == expected


def stretch(kind: Kind, begin: float, end: float, seat: str | None = None, **more) -> Segment:
    """From and to in minutes after nine."""
    return Segment(
        kind, NINE + timedelta(minutes=begin), NINE + timedelta(minutes=end), seat, **more
    )


FULL_DAY = numbered(
    event(0, E.STARTED, 0),
    event(0, E.FAULT, 1, fault="camera"),
    event(0, E.SESSION_START, 2, minutes=25.0),
    event(0, E.PICKUP, 4, "desk"),
    event(0, E.PICKUP, 5, "sofa"),
    event(0, E.PUTDOWN, 6, "desk", lasted_s=90),
    event(0, E.LEFT, 7, "desk"),
    event(0, E.UNSURE, 8, view="dark"),
    event(0, E.CLEAR, 9, was="dark"),
    event(0, E.PAUSE, 12, minutes=10.0),
    event(0, E.RESUME, 15, session="focus"),
    event(0, E.PICKUP, 16, "sofa"),
    event(0, E.PICKUP, 17, "sofa"),
    event(0, E.PUTDOWN, 18, "sofa"),
    event(0, E.PICKUP, 19, "sofa"),
    event(0, E.NOT_A_PHONE, 20, "sofa"),
    event(0, E.SESSION_END, 30, lasted_s=1500.0),
    event(0, E.BREAK_START, 30, minutes=5.0),
    event(0, E.PAUSE, 32, minutes=30.0),
    event(0, E.RESUME, 40, session="break"),
    event(0, E.BREAK_END, 43),
    event(0, E.FAULT_CLEARED, 44, fault="camera"),
    event(0, E.LEFT, 45, "sofa"),
    event(0, E.SESSION_START, 50, minutes=25.0),
    event(0, E.FAULT, 51, fault="broker"),
    event(0, E.SESSION_END, 60, lasted_s=600.0),
    event(0, E.BREAK_START, 60, minutes=5.0),
    event(0, E.UNSURE, 62),
)


def test_a_full_day_is_told_in_the_order_in_which_all_of_it_ended():
    found = list(segments(FULL_DAY, until=NINE + timedelta(minutes=63)))
    assert found == [
        stretch(Kind.PHONE, 4.5, 6, "desk"),
        stretch(Kind.AWAY, 7, 8, "desk"),
        stretch(Kind.UNSEEN, 8, 9),
        stretch(Kind.FOCUS, 2, 12),
        stretch(Kind.PHONE, 5, 12, "sofa"),
        stretch(Kind.AWAY, 9, 12, "desk"),
        stretch(Kind.PAUSED, 12, 15),
        stretch(Kind.PHONE, 16, 18, "sofa"),
        stretch(Kind.FOCUS, 15, 30),
        stretch(Kind.BREAK, 30, 32),
        stretch(Kind.PAUSED, 32, 40),
        stretch(Kind.BREAK, 40, 43),
        stretch(Kind.FAULT, 1, 44, what="camera"),
        stretch(Kind.AWAY, 45, 50, "sofa"),
        stretch(Kind.FOCUS, 50, 60),
        stretch(Kind.FAULT, 51, 63, what="broker", open=True),
        stretch(Kind.BREAK, 60, 63, open=True),
        stretch(Kind.UNSEEN, 62, 63, open=True),
    ]
    assert [each.lasted_s for each in found[:4]] == [90.0, 60.0, 60.0, 600.0]


def cut_off(minute: float, **details: object) -> Record:
    """At this minute the box tells that it last lived at the tenth."""
    seen = (NINE + timedelta(minutes=10)).isoformat()
    return event(9, E.INTERRUPTED, minute, last_seen=seen, **details)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param(
            [START, cut_off(90, session="focus", lasted_s=300)], [("focus", 5, 10)], id="focus"
        ),
        pytest.param([START, cut_off(90, session="focus")], [("focus", 0, 10)], id="no length"),
        pytest.param(
            [event(1, E.BREAK_START, 2, minutes=30), cut_off(90, session="break", lasted_s=60)],
            [("break", 9, 10)],
            id="a break",
        ),
        pytest.param(
            [event(1, E.PAUSE, 2, minutes=30), cut_off(90, session="paused", lasted_s=120)],
            [("paused", 8, 10)],
            id="a pause",
        ),
        pytest.param(
            [event(1, E.PAUSE, 2, minutes=30), cut_off(90, session="focus", lasted_s=120)],
            [("paused", 2, 10)],
            id="another one than it says",
        ),
        pytest.param([START, cut_off(90, session="idle")], [("focus", 0, 10)], id="none it says"),
        pytest.param([cut_off(90, session="focus", lasted_s=300)], [], id="nothing goes on"),
        pytest.param(
            [START, event(1, E.FAULT, 3, fault="disk"), cut_off(90, session="focus", lasted_s=600)],
            [("fault disk", 3, 10), ("focus", 0, 10)],
            id="a fault ends with it",
        ),
    ],
)
def test_what_was_cut_off_ended_when_the_box_last_lived(events, expected):
    assert line(events) == expected


@pytest.mark.parametrize(
    ("minutes", "until", "expected"),
    [
        (25.0, 24, ("focus ...", 0, 24)),
        (25.0, 25, ("focus ...", 0, 25)),
        (25.0, 26, ("focus", 0, 25)),
        (None, 719, ("focus ...", 0, 719)),
        (None, 721, ("focus", 0, 720)),
        (0, 721, ("focus", 0, 720)),
        (-5.0, 721, ("focus", 0, 720)),
        (719.0, 721, ("focus", 0, 719)),
        (721.0, 722, ("focus", 0, 720)),
    ],
)
def test_what_has_no_end_lasts_as_planned_and_half_a_day_at_most(minutes, until, expected):
    assert line([event(1, E.SESSION_START, 0, minutes=minutes)], until) == [expected]


@pytest.mark.parametrize(
    ("lasted_s", "begin"),
    [(0, 7), (0.0, 7), (60, 6), (43200, 7 - 720), (43201, 5), (-1, 5), (True, 5), ("60", 5),
     (None, 5), (float("nan"), 5)],
)  # fmt: skip
def test_a_duration_is_believed_within_bounds_and_else_the_clock_is(lasted_s, begin):
    told = [PICKUP, event(2, E.PUTDOWN, 7, "desk", lasted_s=lasted_s)]
    assert line(told) == [("phone", begin, 7)]


@pytest.mark.parametrize(
    ("segment", "part"),
    [
        pytest.param(stretch(Kind.FOCUS, 10, 20), (10, 20, False), id="within"),
        pytest.param(stretch(Kind.FOCUS, 0, 60, open=True), (0, 60, True), id="all of it"),
        pytest.param(stretch(Kind.FOCUS, -5, 60, open=True), (0, 60, True), id="from before"),
        pytest.param(stretch(Kind.FOCUS, 10, 61, open=True), (10, 60, False), id="beyond"),
        pytest.param(stretch(Kind.FOCUS, -5, 0), None, id="over when it begins"),
        pytest.param(stretch(Kind.FOCUS, -5, -1), None, id="over before"),
        pytest.param(stretch(Kind.FAULT, -5, -1), None, id="a fault before"),
        pytest.param(stretch(Kind.FOCUS, 60, 70), None, id="behind"),
        pytest.param(stretch(Kind.FAULT, 60, 60), None, id="a fault behind"),
        pytest.param(stretch(Kind.FOCUS, 20, 20), None, id="of no length"),
        pytest.param(stretch(Kind.FAULT, 20, 20), (20, 20, False), id="a fault of no length"),
    ],
)
def test_of_what_went_on_the_part_between_two_moments_is_taken(segment, part):
    found = clipped(segment, NINE, NINE + timedelta(hours=1))
    if part is None:
        assert found is None
    else:
        begin, end, open_ = part
        assert found == stretch(segment.kind, begin, end, open=open_)


def test_a_time_is_shared_by_the_hours_that_it_touches():
    begin = NINE + timedelta(minutes=59, seconds=59, microseconds=500_000)
    end = NINE + timedelta(hours=2, seconds=30)
    assert list(by_hour(begin, end, UTC)) == [(3, 9, 0.5), (3, 10, 3600.0), (3, 11, 30.0)]
    assert list(by_hour(NINE, NINE + timedelta(hours=1), UTC)) == [(3, 9, 3600.0)]
    assert list(by_hour(NINE, NINE, UTC)) == []
    late = EVE + timedelta(hours=18, minutes=29)  # a minute before midnight there
    kolkata = ZoneInfo("Asia/Kolkata")
    assert list(by_hour(late, late + timedelta(minutes=2), kolkata)) == [
        (3, 23, 60.0),
        (4, 0, 60.0),
    ]


def test_what_goes_on_is_open():
    assert line([START], until=10) == [("focus ...", 0, 10)]


def test_a_recording_is_nobodys_day():
    assert line([replace(START, replay=True), replace(END, replay=True)]) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(EventType)),
            st.integers(-300, 300),
            st.sampled_from([None, "desk", "sofa"]),
            st.dictionaries(
                st.sampled_from(["lasted_s", "away_s", "minutes", "fault", "session", "last_seen"]),
                st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
            ),
        ),
        max_size=30,
    )
)
def test_any_events_in_any_order_give_segments_that_can_be(told):
    events = [
        event(number, type_, minute, seat, **details)
        for number, (type_, minute, seat, details) in enumerate(told)
    ]
    for each in segments(events, until=NINE + timedelta(hours=6)):
        assert timedelta() <= each.end - each.begin <= timedelta(seconds=LONGEST_S)


@given(st.integers(0, 10**6), st.integers(0, 200_000))
def test_the_hours_share_out_a_time(offset_s, lasted_s):
    begin = EVE + timedelta(seconds=offset_s)
    zone = ZoneInfo("Asia/Kolkata")  # half an hour beside the others
    parts = list(by_hour(begin, begin + timedelta(seconds=lasted_s), zone))
    assert sum(part_s for *_, part_s in parts) == pytest.approx(lasted_s)
    assert all(0 < part_s <= 3600 for *_, part_s in parts)


# ---------------------------------------------------------------- a span of days


@pytest.fixture
def lived(tmp_path) -> Path:
    """Two days: Wednesday with a clean session, Thursday with pick-ups, and a film in between."""
    path = tmp_path / "history.db"
    box = Lived(path, NINE - timedelta(days=1))
    box.focus(25)
    box.close()
    film = Lived(path, NINE - timedelta(hours=2), replay=True)
    film.focus(200, (1, 600), (20, 600))
    film.close()
    box = Lived(path, NINE)
    box.focus(25, (5, 60), (10, 120))
    box.rest(5)
    box.focus(50, (20, 30))
    box.close()
    return path


def seen(path: Path, days: int = 2, now: datetime = NINE + timedelta(hours=3)):
    with closing(open_for_reading(path)) as store:
        last = NINE.date()
        return look_back(store, last - timedelta(days=days - 1), last, now=now)


def test_a_span_of_days_has_hours_and_the_longest_clean_times(lived):
    found = seen(lived)
    wednesday, thursday = found.hours[2], found.hours[3]
    assert (wednesday[9].focus_s, wednesday[9].pickups) == (1500, 0)
    assert (thursday[9].focus_s, thursday[9].phone_s, thursday[9].pickups) == (3300, 210, 3)
    assert (thursday[10].focus_s, thursday[10].phone_s) == (1200, 0)
    assert sum(hour.focus_s for hours in found.hours for hour in hours) == 6000
    told = [tuple(hour.values()) for hour in found.as_json()["hours"]]
    days = ("Wednesday", "Thursday", "Thursday")
    assert told == [
        (days[0], 9, 1500, 0, 0), (days[1], 9, 3300, 210, 3), (days[2], 10, 1200, 0, 0)
    ]  # fmt: skip
    longest = [(round(each.clean_s), each.end) for each in found.clean[:3]]
    assert longest[0] == (1770, NINE + timedelta(minutes=80))
    assert longest[1] == (1500, NINE + timedelta(days=-1, minutes=25))
    assert [str(each.kind) for each in found.timeline] == [
        "focus", "phone", "phone", "break", "focus", "phone"
    ]  # fmt: skip


def test_all_that_a_span_says_to_other_programs(lived):
    day = {
        "date": "2026-03-04", "focus_s": 1500, "working_s": 1500, "phone_s": 0, "away_s": 0,
        "unsure_s": 0, "break_s": 0, "paused_s": 0, "pickups": 0, "sessions": 1,
        "clean_sessions": 1, "streak": 0,
    }  # fmt: skip
    seat = {name: value for name, value in day.items() if name != "date"}
    wednesday = {**day, "longest_clean_s": 1500, "unseen_s": 0, "interruptions": 0}
    changed = {
        "focus_s": 4500, "working_s": 4290, "phone_s": 210, "break_s": 300, "pickups": 3,
        "sessions": 2, "clean_sessions": 0,
    }  # fmt: skip
    thursday = {**wednesday, **changed, "date": "2026-03-05", "longest_clean_s": 1770}

    def hour(weekday: str, number: int, focus_s: int, phone_s: int = 0, pickups: int = 0):
        return {
            "weekday": weekday, "hour": number, "focus_s": focus_s, "phone_s": phone_s,
            "pickups": pickups,
        }  # fmt: skip

    def clean(begin: float, end: float) -> dict[str, object]:
        return {
            "begin": (NINE + timedelta(minutes=begin)).isoformat(),
            "end": (NINE + timedelta(minutes=end)).isoformat(),
            "clean_s": round(60 * (end - begin)),
            "unseen_s": 0,
        }

    def went_on(what: str, begin: float, end: float, seat: str | None = None):
        return {
            "what": what,
            "begin": (NINE + timedelta(minutes=begin)).isoformat(),
            "end": (NINE + timedelta(minutes=end)).isoformat(),
            "seat": seat,
            "fault": None,
            "open": False,
        }

    assert seen(lived).as_json() == {
        "days": [
            {**wednesday, "seats": {"desk": seat}},
            {**thursday, "seats": {"desk": {**seat, **changed}}},
        ],
        "set_aside": [],
        "hours": [
            hour("Wednesday", 9, 1500), hour("Thursday", 9, 3300, 210, 3),
            hour("Thursday", 10, 1200),
        ],
        "clean": [
            clean(50.5, 80), clean(-1440, -1415), clean(30, 50), clean(12, 25), clean(0, 5),
            clean(6, 10),
        ],
        "timeline": [
            went_on("focus", 0, 25), went_on("phone", 5, 6, "desk"),
            went_on("phone", 10, 12, "desk"), went_on("break", 25, 30), went_on("focus", 30, 80),
            went_on("phone", 50, 50.5, "desk"),
        ],
    }  # fmt: skip


def test_an_hour_of_nothing_but_a_pickup_is_told_and_so_is_a_fault_by_its_name(tmp_path):
    path = tmp_path / "history.db"
    with closing(open_store(path)) as store:
        store.add(E.PICKUP, NINE, seat="desk", details={})
        store.add(E.PUTDOWN, NINE, seat="desk", details={"lasted_s": 0.0})
        store.add(E.PICKUP, NINE + timedelta(minutes=59), seat="desk", details={})
        store.add(E.FAULT, NINE + timedelta(minutes=65), details={"fault": "disk"})
    told = seen(path, now=NINE + timedelta(minutes=70)).as_json()
    assert told["hours"] == [
        {"weekday": "Thursday", "hour": 9, "focus_s": 0, "phone_s": 60, "pickups": 1}
    ]
    assert [(each["what"], each["fault"], each["open"]) for each in told["timeline"]] == [
        ("phone", None, True),
        ("fault", "disk", True),
    ]


def test_of_equally_long_times_the_earlier_come_first_and_stay(tmp_path):
    path = tmp_path / "history.db"
    lengths_s = [100, 90, 90, *[80] * 9, 200, 70]
    with closing(open_store(path)) as store:
        for number, clean_s in enumerate(lengths_s):
            at = NINE + timedelta(minutes=number)
            store.add(E.PICKUP, at, details={"clean_s": clean_s, "unseen_s": number})
    assert [(each.clean_s, each.unseen_s) for each in seen(path).clean] == [
        (200, 12), (100, 0), (90, 1), (90, 2), (80, 3), (80, 4), (80, 5), (80, 6), (80, 7), (80, 8)
    ]  # fmt: skip


def test_a_time_without_the_phone_is_of_the_day_in_which_it_ended(tmp_path):
    path = tmp_path / "history.db"
    with closing(open_store(path)) as store:
        for at_s, clean_s in ((-1, 100), (0, 200), (86399, 300), (86400, 400)):
            at = EVE + timedelta(seconds=at_s)
            store.add(E.PICKUP, at, details={"clean_s": clean_s})
    assert [each.clean_s for each in seen(path, days=1).clean] == [300, 200]


def test_the_day_that_is_shown_is_the_last_of_which_anything_is_known(tmp_path):
    path = tmp_path / "history.db"
    box = Lived(path, NINE - timedelta(days=3))
    box.focus(25)
    box.close()
    found = seen(path, days=7)
    assert (found.day, len(found.timeline)) == (date(2026, 3, 2), 1)
    assert (found.first, found.last, found.told) == (date(2026, 2, 27), date(2026, 3, 5), 2)
    nothing = seen(path, days=2)
    assert (nothing.day, nothing.timeline, nothing.told) == (date(2026, 3, 4), (), 0)


@pytest.mark.parametrize(("hours", "focus_s"), [(-12, 0), (-11, 3600), (-12.01, 0), (-1, 7200)])
def test_what_began_up_to_half_a_day_before_reaches_into_a_day(tmp_path, hours, focus_s):
    """An earlier version says of nothing how long it was: focus of twelve hours at most."""
    path = tmp_path / "history.db"
    with closing(open_store(path)) as store:
        store.add(E.SESSION_START, EVE + timedelta(hours=hours), details={})
        store.add(E.SESSION_END, EVE + timedelta(hours=2), details={})
    day = seen(path, days=1)
    assert sum(hour.focus_s for hours in day.hours for hour in hours) == focus_s
    assert [each.lasted_s for each in day.timeline] == [focus_s] * bool(focus_s)


@pytest.mark.parametrize(("hours", "until_h"), [(1, 24), (11.9, 24), (12, 24), (-1, 23)])
def test_what_ended_up_to_half_a_day_after_is_in_a_day_as_far_as_that_goes(
    tmp_path, hours, until_h
):
    path = tmp_path / "history.db"
    midnight_ = EVE + timedelta(days=1)
    with closing(open_store(path)) as store:
        lasted_s = (hours + 2) * 3600.0
        store.add(E.LEFT, midnight_ - timedelta(hours=2), seat="desk", details={})
        end = midnight_ + timedelta(hours=hours)
        store.add(E.RETURNED, end, seat="desk", details={"away_s": lasted_s})
    found = seen(path, days=1, now=midnight_ + timedelta(days=1))
    assert [(each.kind, each.begin, each.end, each.open) for each in found.timeline] == [
        (
            Kind.AWAY,
            midnight_ - timedelta(hours=2),
            EVE + timedelta(hours=until_h),
            False,
        )
    ]


def test_every_event_of_some_days_but_those_of_a_film(lived):
    with closing(open_for_reading(lived)) as store:
        told = list(lookback.lived(store, date(2026, 3, 4), date(2026, 3, 5), zone=UTC))
        first = list(lookback.lived(store, date(2026, 3, 4), date(2026, 3, 4), zone=UTC))
        later = list(lookback.lived(store, date(2026, 3, 6), date(2026, 3, 9), zone=UTC))
    assert [each.at for each in told] == sorted(each.at for each in told)
    assert (len(told), len(first), later) == (17, 2, [])
    assert not any(each.replay for each in told)


@pytest.mark.parametrize(
    ("seconds", "long", "narrow"),
    [
        (0, "0 s", "0 s"), (0.25, "0.25 s", "0.25 s"), (1.5, "1.5 s", "1.5 s"),
        (9.9, "9.9 s", "9.9 s"), (10.4, "10 s", "10 s"), (59.4, "59 s", "59 s"),
        (60, "1 min", "1 min"),
        (89, "1 min", "1 min"), (91, "2 min", "2 min"), (3540, "59 min", "59 min"),
        (3569, "59 min", "59 min"), (3571, "1 h 00 min", "1 h 00"),
        (3900, "1 h 05 min", "1 h 05"),
        (7140, "1 h 59 min", "1 h 59"), (7200, "2 h 00 min", "2 h 00"),
        (360000, "100 h 00 min", "100 h 00"),
    ],
)  # fmt: skip
def test_a_duration_is_said_as_people_do(seconds, long, narrow):
    assert (duration(seconds), short(seconds)) == (long, narrow)


def test_over_midnight_time_belongs_to_both_days_and_a_pickup_to_the_first(tmp_path):
    path = tmp_path / "history.db"
    box = Lived(path, EVE - timedelta(minutes=10))
    box.focus(25, (5, 600))
    box.close()
    after = seen(path, days=1)
    assert sum(hour.pickups for hours in after.hours for hour in hours) == 0
    assert (after.hours[3][0].focus_s, after.hours[3][0].phone_s) == (900, 300)
    both = seen(path)
    assert (both.hours[2][23].pickups, both.hours[2][23].phone_s) == (1, 300)


def test_what_a_film_left_is_nowhere(lived):
    found = seen(lived)
    told = json.dumps(found.as_json()) + page(found, box="Desk")
    assert not any(each.replay for each in found.events)
    assert found.told == len(found.events) == 17
    assert all(hour.focus_s == 0 for hour in found.hours[3][:9])
    assert "12000" not in told  # its seconds


def test_the_days_list_is_as_long_as_it_may_be_and_says_what_is_left_out(lived):
    with closing(open_for_reading(lived)) as store:
        found = look_back(
            store, NINE.date(), NINE.date(), now=NINE + timedelta(hours=3), events_most=3
        )
    assert [each.type for each in found.events] == [E.PICKUP, E.LEVEL, E.PUTDOWN, E.SESSION_END][
        -3:
    ]
    assert f"{found.told - 3} more came before" in page(found, box="Desk")


def test_lists_have_an_end(tmp_path):
    """200 events, ten stretches of a minute at least."""
    path = tmp_path / "history.db"
    with closing(open_store(path)) as store:
        for number in range(203):
            clean_s = 59.0 + number % 12
            store.add(E.PICKUP, NINE + timedelta(seconds=number), details={"clean_s": clean_s})
    found = seen(path)
    assert (len(found.events), found.told) == (200, 203)
    assert [each.clean_s for each in found.clean] == [70.0] * 10
    with closing(open_store(tmp_path / "few.db")) as store:
        for clean_s in (59.9, 60.0):
            store.add(E.PICKUP, NINE, details={"clean_s": clean_s})
    assert [each.clean_s for each in seen(tmp_path / "few.db").clean] == [60.0]


@pytest.mark.parametrize(
    ("days", "count", "name"),
    [
        (1, 1, "Thu 05 Mar"),
        (45, 45, "Tue 20 Jan"),
        (46, 7, "week of 19 Jan"),
        (190, 28, "week of 25 Aug"),
        (191, 8, "Aug 2025"),
        (200, 8, "Aug 2025"),
    ],
)
def test_a_long_span_is_shown_by_week_and_a_longer_one_by_month(days, count, name):
    first = NINE.date() - timedelta(days=days - 1)
    listed = [
        DayReport(first + timedelta(days=n), {"desk": Totals(focus_s=60, streak=n)}, 5.0, 0, 0.0)
        for n in range(days)
    ]
    found = spans(listed)
    assert (len(found), found[0].name) == (count, name)
    assert sum(span.sum("focus_s") for span in found) == 60 * days
    assert found[-1].sum("streak") == days - 1
    assert tuple(day for span in found for day in span.days) == tuple(listed)


def test_a_week_has_the_sum_of_its_days_and_the_last_streak_that_is_known():
    monday = date(2026, 3, 2)
    days = [
        DayReport(monday, {"desk": Totals(focus_s=60, pickups=2, streak=4)}, 50.0, 0, 0.0),
        DayReport(monday, {"desk": Totals(focus_s=30, pickups=1, streak=2)}, 20.0, 0, 0.0),
        DayReport(monday, {}, 0.0, 0, 0.0),
    ]
    week = Span("x", tuple(days))
    assert [week.sum(name) for name in ("focus_s", "pickups", "streak")] == [90, 3, 2]
    assert week.longest_clean_s == 50.0
    assert (Span("x", ()).sum("streak"), Span("x", ()).longest_clean_s) == (0, 0.0)
    assert Span("x", tuple(days[2:])).sum("streak") == 0


def test_a_day_of_summer_and_a_day_of_winter_begin_at_their_own_midnight(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        now = datetime(2026, 7, 1, 12).astimezone()
        zone = zone_of(now)
        assert midnight(date(2026, 7, 1), zone).isoformat() == "2026-07-01T00:00:00+02:00"
        assert midnight(date(2026, 1, 1), zone).isoformat() == "2026-01-01T00:00:00+01:00"
        assert zone is None
        for name in ("Asia/Tokyo", "America/New_York"):
            there = ZoneInfo(name)
            assert zone_of(datetime(2026, 7, 1, 12, tzinfo=there)) is there
            assert midnight(date(2026, 1, 1), there) == datetime(2026, 1, 1, tzinfo=there)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_why_is_the_reason_and_the_evidence():
    told = event(
        1, E.PICKUP, 0, "desk", median=0.71, why="raised", ymin=0.1, clean_s=754.2, text=None
    )
    assert why(told) == "raised; median 0.71; clean 13 min"
    assert why(event(1, E.SESSION_END, 0, completed=True, clean=False)) == "completed; not clean"
    told = event(
        1, E.LEVEL, 0, ymin=0.1, xmin=0.2, ymax=0.3, xmax=0.4, seen_by="left eye", level=2,
        away_s=True, note="", share=1 / 3, text="as it was", why="", reason="three", wait_s="long",
        held_s=90, none=None, lasted_s=5,
    )  # fmt: skip
    assert why(told) == (
        "three; as it was; seen by left eye; level 2; away s; share 0.333333; wait s long;"
        " held 2 min; lasted 5 s"
    )
    assert why(event(1, E.STARTED, 0)) == ""


def test_what_happened_is_a_sentence_or_the_word_of_a_newer_version():
    assert what(event(1, E.PICKUP, 0)) == "A phone in use was believed."
    assert what(replace(event(1, E.PICKUP, 0), type="a_long_yawn")) == "a long yawn"
    assert what(replace(event(1, E.PICKUP, 0), type="pickup")) == "pickup"


# ---------------------------------------------------------------- exports


def test_days_and_events_leave_as_csv(lived):
    found = seen(lived)
    rows = list(csv.DictReader(days_as_csv(found.report.days)))
    assert [(row["date"], row["focus_s"], row["pickups"]) for row in rows] == [
        ("2026-03-04", "1500", "0"),
        ("2026-03-05", "4500", "3"),
    ]
    assert "".join(days_as_csv(found.report.days)).splitlines() == [
        "date,seat,focus_s,working_s,phone_s,away_s,unsure_s,break_s,paused_s,pickups,sessions,"
        "clean_sessions,streak,longest_clean_s,unseen_s,interruptions",
        "2026-03-04,,1500,1500,0,0,0,0,0,0,1,1,0,1500,0,0",
        "2026-03-05,,4500,4290,210,0,0,300,0,3,2,0,0,1770,0,0",
    ]
    rows = list(csv.DictReader(events_as_csv(found.events)))
    assert len(rows) == len(found.events)
    assert json.loads(rows[0]["details"])["minutes"] == 25.0


@pytest.mark.parametrize("text", ["=cmd|'/c calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_nothing_in_a_csv_is_a_formula(text):
    (row,) = csv.DictReader(events_as_csv([event(1, E.FAULT, 0, text, fault="x", text=text)]))
    assert row["seat"] == f"'{text}"
    assert row["why"].startswith("'")


def test_events_leave_as_json(lived):
    told = json.loads("".join(events_as_json(seen(lived).events)))
    assert told[0]["what"] == "A focus session began."
    assert json.loads("".join(events_as_json([]))) == []


def test_an_event_leaves_whole_as_csv_and_as_json():
    later = replace(
        event(8, E.LEVEL, 1, "=1", reason="zu spät", level=2, text=None), type="newer_kind"
    )
    events = [event(7, E.PICKUP, 0.0125, median=0.5), later]
    assert list(events_as_csv(events)) == [
        "number,id,at,type,seat,what,why,details\r\n",
        "7,id-7,2026-03-05T09:00:00.750+00:00,pickup,,A phone in use was believed.,median 0.5,"
        '"{""median"": 0.5}"\r\n',
        "8,id-8,2026-03-05T09:01:00.000+00:00,newer_kind,'=1,newer kind,zu spät; level 2,"
        '"{""reason"": ""zu spät"", ""level"": 2, ""text"": null}"\r\n',
    ]
    assert "".join(events_as_json(events)) == (
        '[\n{"number": 7, "id": "id-7", "at": "2026-03-05T09:00:00.750+00:00", "type": "pickup",'
        ' "seat": null, "what": "A phone in use was believed.", "why": "median 0.5",'
        ' "details": {"median": 0.5}},\n'
        '{"number": 8, "id": "id-8", "at": "2026-03-05T09:01:00.000+00:00", "type": "newer_kind",'
        ' "seat": "=1", "what": "newer kind", "why": "zu spät; level 2",'
        ' "details": {"reason": "zu spät", "level": 2, "text": null}}\n]\n'
    )
    assert "".join(events_as_json([])) == "[\n]\n"


def command(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge", *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"TZ": "UTC"} | env,
    )


def test_the_report_command_knows_days_weeks_and_months(lived, tmp_path):
    beside = ["--history", str(lived)]
    month = command("report", "--month", "2026-03", "--json", *beside)
    found = json.loads(month.stdout)
    assert [found["days"][n]["date"] for n in (0, -1)] == ["2026-03-01", "2026-03-31"]
    assert found["clean"][0]["clean_s"] == 1770
    span = ["--from", "2026-03-04", "--to", "2026-03-05"]
    listed = command("report", *span, "--events", *beside)
    assert "A phone in use was believed.  raised; median 0.71" in listed.stdout
    table = list(csv.reader(io.StringIO(command("report", *span, "--csv", *beside).stdout)))
    assert [row[0] for row in table] == ["date", "2026-03-04", "2026-03-05"]
    html = command("report", *span, "--html", str(tmp_path / "r.html"), *beside)
    assert html.returncode == 0, html.stderr
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    assert sorted(each.name for each in tmp_path.iterdir() if "part" in each.name) == []


@pytest.mark.parametrize(
    ("more", "lang", "language", "said"),
    [
        ([], "de_AT.UTF-8", "de", "Was geschah"),
        ([], "C.UTF-8", "en", "What happened"),
        ([], "fr_FR.UTF-8", "en", "What happened"),
        (["--language", "de"], "C.UTF-8", "de", "Was geschah"),
        (["--language", "en"], "de_AT.UTF-8", "en", "What happened"),
    ],
)
def test_the_report_as_a_page_is_in_the_language_of_the_terminal(
    lived, tmp_path, more, lang, language, said
):
    page = tmp_path / "r.html"
    arguments = ["report", "--month", "2026-03", "--html", str(page), *more]
    done = command(*arguments, "--history", str(lived), LC_ALL="", LC_MESSAGES="", LANG=lang)
    assert done.returncode == 0, done.stderr
    assert f'<html lang="{language}">' in page.read_text()
    assert said in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--html", "x", "--language", "xx"], "--language xx: there are en, de"),
        (["--month", "2026-13"], "--month 2026-13: a month like 2026-11 is wanted"),
        (["--from", "2026-03-05", "--to", "2026-03-04"], "is after --to 2026-03-04"),
        (["--to", "2026-03-05"], "--to needs --from"),
        (["--day", "0001-01-01"], "nothing can be known of that time"),
        (["--day", "yesterday"], "--day yesterday: a date like 2026-11-02 is wanted"),
    ],
)
def test_a_span_that_makes_no_sense_is_named(tmp_path, capsys, arguments, said):
    assert main(["report", *arguments, "--history", str(tmp_path / "none.db")]) == 2
    assert said in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_named(lived, capsys):
    code = main(["report", "--html", "/proc/no/r.html", "--history", str(lived)])
    assert code == 1
    assert "/proc/no/r.html cannot be written: No such file" in capsys.readouterr().err


# ---------------------------------------------------------------- the page


class Tags(HTMLParser):
    """Every tag is closed by its own, and what is named is there."""

    VOID = ("meta", "rect")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.named: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        if "id" in found:
            self.ids.append(found["id"] or "")
        self.named += (found.get("aria-labelledby") or "").split()
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_one_file_that_loads_nothing_and_runs_nothing(lived):
    text = page(seen(lived), box="Desk")
    tags = Tags(text)
    assert {tag for tag, _ in tags.tags}.isdisjoint({"script", "link", "img", "iframe", "form"})
    assert not re.search(r"https?:|url\(|@import|\bon\w+=", text)
    assert "default-src 'none'" in text
    assert len(tags.ids) == len(set(tags.ids))
    assert set(tags.named) <= set(tags.ids)
    charts = [attrs for tag, attrs in tags.tags if tag == "svg"]
    assert charts
    assert all(attrs["aria-hidden"] == "true" for attrs in charts)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width_px", [390, 1280])
def test_a_browser_shows_all_of_the_page_and_asks_for_nothing_more(lived, width_px, scheme):
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium")
    path = lived.with_name("report.html")
    path.write_text(page(seen(lived), box="Desk"))
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": width_px, "height": 844}, color_scheme=scheme)
        asked: list[str] = []
        said: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: said.append(message.text))
        tab.goto(path.as_uri())
        tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        wider_px = tab.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        browser.close()
    assert (asked, said) == ([path.as_uri()], [])
    assert wider_px <= 0
    assert ground == {"light": "rgb(246, 245, 241)", "dark": "rgb(22, 24, 27)"}[scheme]


def test_a_name_on_the_page_is_a_name_and_no_markup(tmp_path):
    path = tmp_path / "h.db"
    box = Lived(path, NINE)
    box.focus(25, (5, 60))
    box.tell(E.FAULT, fault="<i>x</i>", text="<script>alert(1)</script>")
    box.close()
    text = page(seen(path), box="<b>Desk</b> & co")
    Tags(text)
    assert "<script>" not in text
    assert "<i>" not in text
    assert "&lt;b&gt;Desk&lt;/b&gt; &amp; co" in text


def test_a_page_of_nothing_says_so(tmp_path):
    path = tmp_path / "h.db"
    Lived(path, NINE).close()
    text = page(seen(path), box="Desk")
    Tags(text)
    assert "Nothing is known of it." in text


# ---------------------------------------------------------------- erasing


def bytes_of(path: Path) -> bytes:
    """All that there is of a history, its log and what was set aside included."""
    return b"".join(each.read_bytes() for each in sorted(path.parent.glob(f"{path.name}*")))


SECRET = "b5c1-nobody-else-writes-this"


def secretive(path: Path, days: int = 3) -> None:
    """Days of a history, each event of which says which day it is of."""
    with closing(open_store(path)) as store:
        store._db.execute("PRAGMA synchronous = OFF")
        for day in range(days):
            for number in range(400):
                at = NINE + timedelta(days=day, seconds=number)
                store.add(E.PICKUP, at, seat="desk", details={"why": f"{SECRET}-{day}"})
        # What is deleted the usual way stays in the file: or this would prove nothing.
        store.prune(now=NINE + timedelta(days=days - 1, hours=1), keep_days=days - 1)


def test_a_day_that_is_erased_cannot_be_found_in_the_files(tmp_path):
    path = tmp_path / "history.db"
    secretive(path)
    before = bytes_of(path)
    assert all(f"{SECRET}-{day}".encode() in before for day in range(3))
    gone = erase(path, NINE.date() + timedelta(days=1), now=NINE)
    assert gone == Erased(events=400, days=0, aside=0)
    after = bytes_of(path)
    assert f"{SECRET}-1".encode() not in after
    assert b"2026-03-06" not in after
    assert f"{SECRET}-2".encode() in after, "another day stays"
    with closing(open_store(path)) as store:
        assert store.is_whole()
        assert {w.record.at.date().day for w in store.waiting(after=0, limit=9999)} == {5, 7}


def test_all_that_is_erased_cannot_be_found_and_numbers_go_on(tmp_path):
    path = tmp_path / "history.db"
    secretive(path)
    box = Lived(path, NINE + timedelta(days=3))
    box.state = replace(
        box.state, look_alikes=(LookAlike(1, "nook", Box(0.1, 0.1, 0.2, 0.2), 0.5),)
    )
    box.focus(25, (5, 60))
    last = box.recorder._store.last_number
    box.close()
    (tmp_path / "history.db.broken-20260301T000000").write_bytes(SECRET.encode())
    gone = erase(path, None, now=NINE)
    assert (gone.aside, gone.days) == (1, 1)
    after = bytes_of(path)
    assert not any(each in after for each in (SECRET.encode(), b"raised", b"nook", b"2026-03-08"))
    assert path.stat().st_size < 64 * 1024
    with closing(open_store(path)) as store:
        new = store.add(E.STARTED, NINE, details={})
    assert new.number > last
    assert new.number > 1200


@pytest.mark.parametrize("days_later", [1, 2000])
def test_what_tells_later_of_a_session_that_was_cut_off_goes_with_its_day(tmp_path, days_later):
    path = tmp_path / "history.db"
    box = Lived(path, NINE)
    box.state = replace(box.state, session=Session.FOCUS)
    box.tell(E.SESSION_START, minutes=25.0)
    box.recorder.drain()
    box.recorder._store._db.close()  # the plug
    again = Lived(path, NINE + timedelta(days=days_later))
    again.tell(E.STARTED)
    again.close()
    assert b"2026-03-05" in bytes_of(path)
    erase(path, NINE.date(), now=NINE)
    assert b"2026-03-05" not in bytes_of(path)


def test_a_reader_in_the_way_is_said_and_erased_is_what_can_be(tmp_path, monkeypatch):
    path = tmp_path / "history.db"
    secretive(path, days=1)
    monkeypatch.setattr("edge.history.store.BUSY_S", 0.1)
    with closing(open_for_reading(path)) as reader:
        watching = reader.each(since=NINE, until=NINE + timedelta(days=1))
        next(watching)
        with pytest.raises(Unusable, match="something else reads it; close it and try again"):
            erase(path, None, now=NINE)
        del watching
    assert erase(path, None, now=NINE).events == 0
    assert SECRET.encode() not in bytes_of(path)


def test_the_erase_command_asks_and_does_nothing_while_a_box_runs(tmp_path, capsys):
    path = tmp_path / "history.db"
    box = Lived(path, NINE)
    box.focus(25)
    box.close()
    beside = ["--history", str(path)]
    refused = command("erase", "--all", *beside)
    assert (refused.returncode, "--yes" in refused.stderr) == (1, True)
    with closing(Lock(path)):
        held = command("erase", "--all", "--yes", *beside)
        assert held.returncode == 1
        assert "a box (process" in held.stderr
        assert "stop it first" in held.stderr
    assert seen(path).told == 2
    done = command("erase", "--day", "2026-03-05", "--yes", *beside)
    assert (done.returncode, done.stdout) == (0, "erased: 2 x event, 1 x total of a day\n")
    assert seen(path).told == 0
    again = command("erase", "--day", "2026-03-05", "--yes", *beside)
    assert again.stdout == "erased: there was nothing\n"
    assert command("erase", "--day", "today", "--yes", *beside).returncode == 2


def test_kept_pictures_go_with_their_day_and_what_is_not_ours_stays(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    names = [
        "000001-20260305-090000-123-pickup.jpg",
        "20260305-090000-124-pickup.jpg",
        "000002-20260306-090000-123-pickup.jpg",
        "holiday.jpg",
    ]
    for name in names:
        (folder / name).write_bytes(b"jpeg")
    secretive(tmp_path / "history.db", days=1)
    config = tmp_path / "config.toml"
    config.write_text(
        f'[history]\npath = "{tmp_path}/history.db"\n[privacy]\npictures_path = "{folder}"\n'
    )
    done = command("erase", "--day", "2026-03-05", "--yes", "--config", str(config))
    assert "2 x picture" in done.stdout, done.stderr
    assert sorted(each.name for each in folder.iterdir()) == sorted(names[2:])


@pytest.mark.parametrize("length", [0, 1, 2**20 - 1, 2**20, 2**20 + 1, 5 * 2**19])
def test_what_is_taken_away_is_zeros_first(tmp_path, length):
    paths, others = [tmp_path / "a", tmp_path / "b"], [tmp_path / "c", tmp_path / "d"]
    for path, other in zip(paths, others, strict=True):
        path.write_bytes(b"x" * length)
        other.hardlink_to(path)
    assert remove(iter(paths)) == 2
    assert not any(path.exists() for path in paths)
    assert all(other.read_bytes() == bytes(length) for other in others)


def test_what_was_set_aside_goes_with_its_log(tmp_path):
    path = tmp_path / "h.db"
    names = ["h.db.broken-1", "h.db.broken-1-wal", "h.db.broken-1-shm", "h.db.broken-1-journal"]
    for name in (*names, "h.db.broken-2", "h.db", "other.db.broken-1", "h.db-wal"):
        (tmp_path / name).write_text("x")
    assert remove_aside(path) == 2
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "h.db",
        "h.db-wal",
        "other.db.broken-1",
    ]
    assert remove_aside(path) == 0


def test_a_running_box_erases_by_itself_and_goes_on_counting(tmp_path):
    path = tmp_path / "history.db"
    secretive(path, days=1)
    box = Lived(path, NINE + timedelta(days=1))
    box.focus(25, (5, 60))
    told: list[str] = []
    box.recorder.erase(NINE.date(), told.append)
    box.recorder.drain()
    assert told == [""]
    assert SECRET.encode() not in bytes_of(path)
    assert box.recorder.today.totals[0].focus_s == 0, "as at the start"
    box.recorder.erase(None, told.append)
    box.recorder.drain()
    box.focus(10)
    box.close()
    found = seen(path, now=NINE + timedelta(days=1, hours=3), days=1)
    assert found.told == 0
    with closing(open_for_reading(path)) as store:
        ((day, _, totals),) = store.days("2026-03-01", "2026-03-31")
        assert (day, totals.focus_s, totals.pickups) == ("2026-03-06", 600, 0)


def test_the_month_is_read_event_by_event(tmp_path, monkeypatch):
    """What is held at once does not grow with the number of events."""
    path = tmp_path / "history.db"
    secretive(path, days=1)
    held: list[int] = []
    real = lookback.segments

    def counting(events, *, until):
        def one_by_one():
            for number, each in enumerate(events):
                held.append(number)
                yield each

        return real(one_by_one(), until=until)

    monkeypatch.setattr(lookback, "segments", counting)
    found = seen(path, days=1)
    assert held == [*range(400), *range(400)], "once for the span, once for its last day"
    assert len(found.events) == lookback.LATEST


def test_a_day_of_two_seats_has_a_line_of_its_own_for_each():
    seats = {"left": Totals(focus_s=90.4, pickups=2), "=1": Totals(focus_s=30.0, streak=3)}
    days = [DayReport(date(2026, 3, 4), seats, 61.6, 1, 5.0)]
    rows = list(csv.DictReader(days_as_csv(days)))
    names = ("date", "seat", "focus_s", "pickups", "longest_clean_s", "interruptions", "unseen_s")
    assert [[row[name] for name in names] for row in rows] == [
        ["2026-03-04", "", "90", "2", "62", "1", "5"],
        ["2026-03-04", "left", "90", "2", "", "", ""],
        ["2026-03-04", "'=1", "30", "0", "", "", ""],
    ]
