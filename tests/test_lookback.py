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
from edge.history.erase import erase
from edge.history.export import days_as_csv, events_as_csv, events_as_json
from edge.history.lookback import look_back, spans, why
from edge.history.page import page
from edge.history.record import Record
from edge.history.report import DayReport
from edge.history.store import Unusable, open_for_reading, open_store
from edge.history.timeline import LONGEST_S, by_hour, segments
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
    [(1, 1, "Thu 05 Mar"), (45, 45, "Tue 20 Jan"), (46, 7, "week of 19 Jan"), (200, 8, "Aug 2025")],
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


def test_a_day_of_summer_and_a_day_of_winter_begin_at_their_own_midnight(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        now = datetime(2026, 7, 1, 12).astimezone()
        zone = zone_of(now)
        assert midnight(date(2026, 7, 1), zone).isoformat() == "2026-07-01T00:00:00+02:00"
        assert midnight(date(2026, 1, 1), zone).isoformat() == "2026-01-01T00:00:00+01:00"
        assert zone_of(datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Asia/Tokyo"))) is not None
    finally:
        monkeypatch.undo()
        time.tzset()


def test_why_is_the_reason_and_the_evidence():
    told = event(
        1, E.PICKUP, 0, "desk", median=0.71, why="raised", ymin=0.1, clean_s=754.2, text=None
    )
    assert why(told) == "raised; median 0.71; clean 13 min"
    assert why(event(1, E.SESSION_END, 0, completed=True, clean=False)) == "completed; not clean"


# ---------------------------------------------------------------- exports


def test_days_and_events_leave_as_csv(lived):
    found = seen(lived)
    rows = list(csv.DictReader(days_as_csv(found.report.days)))
    assert [(row["date"], row["focus_s"], row["pickups"]) for row in rows] == [
        ("2026-03-04", "1500", "0"),
        ("2026-03-05", "4500", "3"),
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
    assert gone.events == 400
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
