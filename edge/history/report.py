"""What the history says about a span of days, as values, as JSON and as a table."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from edge.domain import EventType, Totals
from edge.history.clock import can_be
from edge.history.record import Record, figure
from edge.history.store import Store, Unusable, broken, open_for_reading, open_salvaged

BAR_WIDTH = 24
FULL_BAR_S = 3600.0  # at least: a day of one minute must not look like a day of work


@dataclass(frozen=True, slots=True)
class DayReport:
    """One day: its totals by seat, and its longest stretch of focus without the phone, of which
    nobody could see `unseen_s`."""

    date: date
    seats: dict[str, Totals]
    longest_clean_s: float
    interruptions: int
    unseen_s: float

    def sum(self, name: str) -> float:
        """Of all seats; sessions and their time are shared by the seats and count once."""
        values: list[float] = [getattr(totals, name) for totals in self.seats.values()]
        if name in ("focus_s", "break_s", "paused_s", "sessions"):
            return max(values, default=0)
        if name in ("streak", "clean_sessions"):
            return min(values, default=0)
        return sum(values)


@dataclass(frozen=True, slots=True)
class Report:
    """`never`: days that cannot have been, told by a clock that was wrong; no total has them."""

    days: tuple[DayReport, ...]
    never: tuple[tuple[str, Totals], ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "days": [_json(day) for day in self.days],
            "set_aside": [{"date": day, **_figures(totals)} for day, totals in self.never],
        }


def _json(day: DayReport) -> dict[str, Any]:
    return {
        "date": day.date.isoformat(),
        **{field.name: round(day.sum(field.name)) for field in fields(Totals)},
        "longest_clean_s": round(day.longest_clean_s),
        "unseen_s": round(day.unseen_s),
        "interruptions": day.interruptions,
        "seats": {seat: _figures(totals) for seat, totals in day.seats.items()},
    }


def _figures(totals: Totals) -> dict[str, int]:
    return {field.name: round(getattr(totals, field.name)) for field in fields(Totals)}


def read_file(path: Path, first: date, last: date, *, now: datetime) -> Report:
    """Read a history beside a running box; of a damaged one, what can be read. Raises Unusable."""
    try:
        with closing(open_for_reading(path)) as store:
            return read(store, first, last, now=now)
    except Unusable as exc:
        if not exc.damaged:
            raise
    except sqlite3.Error:
        pass  # it did not show in the schema
    with closing(open_salvaged(path)) as store:
        return read(store, first, last, now=now)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a history is, for a self-test."""

    days: int
    events: int
    damaged: bool
    never: tuple[str, ...]  # days that cannot be
    broken: tuple[Path, ...]  # databases set aside


def standing(path: Path, *, now: datetime) -> Standing:
    """Look through all of a history. Raises Unusable, FileNotFoundError."""
    try:
        path.stat()
        beside = tuple(broken(path))
    except (PermissionError, NotADirectoryError) as exc:
        raise Unusable(f"{path} cannot be read: {exc.strerror}", damaged=False) from exc
    damaged = False
    try:
        store = open_for_reading(path)
        damaged = not store.is_whole()
        if damaged:
            store.close()
    except Unusable as exc:
        damaged = exc.damaged
        if not damaged:
            raise
    if damaged:
        store = open_salvaged(path)
    with closing(store):
        days = sorted({day for day, *_ in store.dates()})
        never = tuple(day for day in days if not can_be(day, today=now.date()))
        return Standing(len(days) - len(never), store.count(), damaged, never, beside)


def read(store: Store, first: date, last: date, *, now: datetime) -> Report:
    """Both ends included; a day without anything is a day of zeros. `now` has the zone."""
    seats: dict[str, dict[str, Totals]] = {}
    for day, seat, totals in store.days(first.isoformat(), last.isoformat()):
        seats.setdefault(day, {})[seat] = totals
    days = []
    for offset in range((last - first).days + 1):
        day_ = first + timedelta(days=offset)
        begin = datetime.combine(day_, time(), tzinfo=now.tzinfo)
        events = store.events(since=begin, until=begin + timedelta(days=1))
        lived = [event for event in events if not event.replay]
        totals_of = seats.get(day_.isoformat(), {})
        clean_s, unseen_s = _longest_clean(lived)
        # One that began before midnight is as long on this day as the day's focus.
        clean_s = min(clean_s, max((each.focus_s for each in totals_of.values()), default=0.0))
        days.append(
            DayReport(
                date=day_,
                seats=totals_of,
                longest_clean_s=clean_s,
                interruptions=sum(event.type == EventType.INTERRUPTED for event in lived),
                unseen_s=min(unseen_s, clean_s),
            )
        )
    never = tuple(
        (day, totals) for day, _, totals in store.dates() if not can_be(day, today=now.date())
    )
    return Report(tuple(days), never)


_OPENS = frozenset({EventType.SESSION_START, EventType.PUTDOWN, EventType.RESUME})
_CLOSES = frozenset(
    {EventType.SESSION_END, EventType.PICKUP, EventType.PAUSE, EventType.INTERRUPTED}
)


def _longest_clean(events: list[Record]) -> tuple[float, float]:
    """The longest focus without the phone, and how much of it nobody could see, seconds.

    What ended a stretch says how long it was, by a clock that nobody sets. An event of an earlier
    version does not, and then the times of day have to do.
    """
    longest = (0.0, 0.0)
    since: datetime | None = None
    for event in events:
        if event.type in _CLOSES:
            details = event.details
            clean_s, unseen_s = figure(details.get("clean_s")), figure(details.get("unseen_s"))
            if "clean_s" not in details and since is not None:
                clean_s = max(0.0, (event.at - since).total_seconds())
            longest = max(longest, (clean_s, unseen_s))
            since = None
        elif event.type in _OPENS:
            since = event.at
    return longest


def table(report: Report) -> str:
    """For people; the bar shows the share of focus that the phone did not take."""
    lines = ["day          focus  phone   away  breaks  pick-ups  sessions  streak"]
    longest_s = max([FULL_BAR_S, *(day.sum("focus_s") for day in report.days)])
    for day in report.days:
        focus_s = day.sum("focus_s")
        row = f"{day.date:%a %d %b}   {_minutes(focus_s)} {_minutes(day.sum('phone_s'))}"
        row += f" {_minutes(day.sum('away_s'))}  {_minutes(day.sum('break_s'))}"
        row += f"  {day.sum('pickups'):8.0f}  {day.sum('sessions'):8.0f}  {day.sum('streak'):6.0f}"
        lines.append(f"{row}  {_bar(focus_s, day.sum('phone_s'), longest_s)}".rstrip())
    if len(report.days) == 1:
        lines += _details(report.days[0])
    for day_, totals in report.never:
        lines.append(
            f"set aside, for there can be no such day: {day_}"
            f" ({_minutes(totals.focus_s).strip()} of focus, {totals.pickups} pick-ups);"
            " the clock was wrong"
        )
    return "\n".join(lines)


def _details(day: DayReport) -> list[str]:
    if not day.seats:
        return ["nothing is known of this day"]
    longest = f"longest focus without the phone: {_minutes(day.longest_clean_s).strip()}"
    if day.unseen_s >= 30:
        longest += f", of which {_minutes(day.unseen_s).strip()} could not be seen"
    lines = [longest]
    if day.interruptions:
        lines.append(f"interrupted by a restart or a power cut: {day.interruptions}")
    if len(day.seats) > 1:
        lines += [
            f"{seat}: phone {_minutes(totals.phone_s).strip()}, {totals.pickups} pick-ups"
            for seat, totals in day.seats.items()
        ]
    return lines


def _minutes(seconds: float) -> str:
    """Six characters: 1h 05, or 25 m."""
    minutes = round(seconds / 60)
    text = f"{minutes // 60}h {minutes % 60:02}" if minutes >= 60 else f"{minutes} m"
    return f"{text:>6}"


def _bar(focus_s: float, phone_s: float, longest_s: float) -> str:
    width = round(BAR_WIDTH * focus_s / longest_s)
    phone = min(width, round(BAR_WIDTH * phone_s / longest_s))
    return "█" * (width - phone) + "░" * phone
