"""What the history says about a span of days, as values, as JSON and as a table."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, TypeVar

from edge.domain import EventType, Totals
from edge.history.clock import can_be, midnight, zone_of
from edge.history.record import Record, figure, last_seen
from edge.history.store import Store, Unusable, broken, open_for_reading, open_salvaged

Found = TypeVar("Found")

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
    """As `read`, from a file. Raises Unusable."""
    return from_file(path, lambda store: read(store, first, last, now=now))


def from_file(path: Path, look: Callable[[Store], Found]) -> Found:
    """What `look` finds in a history, beside a running box; of a damaged one, what can be read.
    Raises Unusable."""
    try:
        with closing(opened(path)) as store:
            return look(store)
    except sqlite3.Error:
        pass  # it did not show in the schema
    with closing(open_salvaged(path)) as store:
        return look(store)


def opened(path: Path) -> Store:
    """A history to read beside a running box; of one that is damaged, a copy of what can be read.
    Raises Unusable."""
    try:
        return open_for_reading(path)
    except Unusable as exc:
        if not exc.damaged:
            raise
    return open_salvaged(path)


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
    zone = zone_of(now)
    books = Books(zone)
    events = store.each(
        since=midnight(first, zone),
        # A day longer: what was cut off in the evening is told of at the next start only.
        until=midnight(last + timedelta(days=2), zone),
        types=STRETCHES,
    )
    for event in events:
        books.consider(event)
    return books.closed(store, first, last, now=now)


class Books:
    """What the events of some days add to the totals of those days; they pass by one by one."""

    def __init__(self, zone: tzinfo | None) -> None:
        self._zone = zone
        self._stretches = Stretches()
        self._longest: defaultdict[date, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
        self._interruptions: Counter[date] = Counter()

    def consider(self, event: Record) -> Stretch | None:
        """Returns the stretch of focus without the phone that it ended."""
        if event.replay:
            return None
        if event.type is EventType.INTERRUPTED:
            self._interruptions[event.at.astimezone(self._zone).date()] += 1
        found = self._stretches.ended_by(event)
        if found is not None:
            day = found.end.astimezone(self._zone).date()
            self._longest[day] = max(self._longest[day], (found.clean_s, found.unseen_s))
        return found

    def closed(self, store: Store, first: date, last: date, *, now: datetime) -> Report:
        seats: dict[str, dict[str, Totals]] = {}
        for day, seat, totals in store.days(first.isoformat(), last.isoformat()):
            seats.setdefault(day, {})[seat] = totals
        days = []
        for offset in range((last - first).days + 1):
            day_ = first + timedelta(days=offset)
            known = seats.get(day_.isoformat(), {})
            clean_s, unseen_s = self._longest[day_]
            # One that began before midnight is as long on this day as the day's focus.
            clean_s = min(clean_s, max((each.focus_s for each in known.values()), default=0.0))
            days.append(
                DayReport(
                    date=day_,
                    seats=known,
                    longest_clean_s=clean_s,
                    interruptions=self._interruptions[day_],
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
STRETCHES = _OPENS | _CLOSES


@dataclass(frozen=True, slots=True)
class Stretch:
    """Focus without the phone, of which nobody could see `unseen_s`."""

    end: datetime
    clean_s: float
    unseen_s: float

    @property
    def begin(self) -> datetime:
        return self.end - timedelta(seconds=self.clean_s)


class Stretches:
    """Tells the stretches of focus without the phone from the events that end them.

    What ended a stretch says how long it was, by a clock that nobody sets. An event of an earlier
    version does not, and then the times of day have to do.
    """

    def __init__(self) -> None:
        self._since: datetime | None = None

    def ended_by(self, event: Record) -> Stretch | None:
        if event.type in _OPENS:
            self._since = event.at
        if event.type not in _CLOSES:
            return None
        details = event.details
        end = last_seen(event) if event.type is EventType.INTERRUPTED else event.at
        clean_s, unseen_s = figure(details.get("clean_s")), figure(details.get("unseen_s"))
        if "clean_s" not in details and self._since is not None:
            clean_s = max(0.0, (end - self._since).total_seconds())
        self._since = None
        return Stretch(end, clean_s, unseen_s)


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
