"""Looking back at a span of days: what went on when, at which hours, and the longest clean times.

One pass over the events that matter; what is held is bounded, however many there are. What a
recording that was played back has left counts nowhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from heapq import heappush, heappushpop
from itertools import groupby
from typing import Any

from edge.domain import EventType
from edge.history.clock import midnight, zone_of
from edge.history.record import Record
from edge.history.report import STRETCHES, Books, DayReport, Report, Stretch
from edge.history.store import Store
from edge.history.timeline import LONGEST_S, TYPES, Kind, Segment, by_hour, clipped, segments
from edge.wire.events import EVENTS

LONGEST = 10  # clean stretches
LATEST = 200  # events of a list
SHORTEST_S = 60.0  # a stretch worth a line
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


FEW_DAYS, FEW_WEEKS_DAYS = 45, 190  # up to these a span is shown by day, and by week


@dataclass(slots=True)
class Hour:
    """What one hour of one weekday came to, over the whole span."""

    focus_s: float = 0.0
    phone_s: float = 0.0
    pickups: int = 0


@dataclass(frozen=True, slots=True)
class LookBack:
    """first, last: both included
    hours:    by weekday from Monday, then by hour of the day, of the box's own place
    timeline: of `day`, the last one of which anything is known, in the order in which it began
    clean:    the longest focus without the phone, the longest first
    events:   the latest of them, oldest first; there are `told` in all
    """

    first: date
    last: date
    now: datetime
    report: Report
    hours: tuple[tuple[Hour, ...], ...]
    day: date
    timeline: tuple[Segment, ...]
    clean: tuple[Stretch, ...]
    events: tuple[Record, ...]
    told: int

    def as_json(self) -> dict[str, Any]:
        return self.report.as_json() | {
            "hours": [
                {
                    "weekday": WEEKDAYS[weekday],
                    "hour": number,
                    "focus_s": round(hour.focus_s),
                    "phone_s": round(hour.phone_s),
                    "pickups": hour.pickups,
                }
                for weekday, hours in enumerate(self.hours)
                for number, hour in enumerate(hours)
                if hour.focus_s or hour.pickups
            ],
            "clean": [
                {
                    "begin": each.begin.isoformat(timespec="seconds"),
                    "end": each.end.isoformat(timespec="seconds"),
                    "clean_s": round(each.clean_s),
                    "unseen_s": round(each.unseen_s),
                }
                for each in self.clean
            ],
            "timeline": [
                {
                    "what": str(each.kind),
                    "begin": each.begin.isoformat(timespec="seconds"),
                    "end": each.end.isoformat(timespec="seconds"),
                    "seat": each.seat,
                    "fault": each.what or None,
                    "open": each.open,
                }
                for each in self.timeline
            ],
        }


def look_back(
    store: Store, first: date, last: date, *, now: datetime, events_most: int = LATEST
) -> LookBack:
    """Both ends included; `now` has the zone. Raises sqlite3.Error."""
    zone = zone_of(now)
    begin, end = midnight(first, zone), midnight(last + timedelta(days=1), zone)
    hours = tuple(tuple(Hour() for _ in range(24)) for _ in WEEKDAYS)
    latest = begin
    books, longest = Books(zone), _Longest(begin, end)
    events = _around(store, begin, end, TYPES | STRETCHES)
    for segment in segments(_watched(events, books, longest), until=now):
        part = clipped(segment, begin, end)
        if part is None:
            continue
        latest = max(latest, part.begin)
        if part.kind in (Kind.FOCUS, Kind.PHONE):
            for weekday, number, lasted_s in by_hour(part.begin, part.end, zone):
                hour = hours[weekday][number]
                if part.kind is Kind.FOCUS:
                    hour.focus_s += lasted_s
                else:
                    hour.phone_s += lasted_s
        if part.kind is Kind.PHONE and segment.begin >= begin:
            at = segment.begin.astimezone(zone)
            hours[at.weekday()][at.hour].pickups += 1
    day = latest.astimezone(zone).date()
    return LookBack(
        first,
        last,
        now,
        books.closed(store, first, last, now=now),
        hours,
        day,
        timeline(store, day, now=now),
        longest.found(),
        tuple(store.latest(since=begin, until=end, limit=events_most)),
        store.count_between(since=begin, until=end),
    )


def timeline(store: Store, day: date, *, now: datetime) -> tuple[Segment, ...]:
    """What went on from when to when, in the order in which it began. Raises sqlite3.Error."""
    zone = zone_of(now)
    begin, end = midnight(day, zone), midnight(day + timedelta(days=1), zone)
    found = segments(_around(store, begin, end, TYPES), until=now)
    parts = [part for each in found if (part := clipped(each, begin, end)) is not None]
    return tuple(sorted(parts, key=lambda each: (each.begin, each.kind)))


def lived(store: Store, first: date, last: date, *, zone: tzinfo | None) -> Iterator[Record]:
    """Every event of these days but those of a recording, one by one. Raises sqlite3.Error."""
    since, until = midnight(first, zone), midnight(last + timedelta(days=1), zone)
    return (each for each in store.each(since=since, until=until) if not each.replay)


def _around(
    store: Store, begin: datetime, end: datetime, types: Collection[EventType]
) -> Iterator[Record]:
    """What began the evening before and ended the morning after belongs to a span in part."""
    margin = timedelta(seconds=LONGEST_S)
    return store.each(since=begin - margin, until=end + margin, types=types)


def _watched(events: Iterable[Record], books: Books, longest: _Longest) -> Iterator[Record]:
    for event in events:
        if (found := books.consider(event)) is not None:
            longest.consider(found)
        yield event


class _Longest:
    """Keeps the longest clean stretches of a span."""

    def __init__(self, begin: datetime, end: datetime) -> None:
        self._span = begin, end
        self._kept: list[tuple[float, int, Stretch]] = []
        self._number = 0

    def consider(self, found: Stretch) -> None:
        first, last = self._span
        if found.clean_s < SHORTEST_S or not first <= found.end < last:
            return
        self._number -= 1  # of two that are equally long the earlier one stays
        entry = (found.clean_s, self._number, found)
        if len(self._kept) < LONGEST:
            heappush(self._kept, entry)
        else:
            heappushpop(self._kept, entry)

    def found(self) -> tuple[Stretch, ...]:
        return tuple(stretch for *_, stretch in sorted(self._kept, reverse=True))


# ---------------------------------------------------------------- weeks and months


@dataclass(frozen=True, slots=True)
class Span:
    """Some days under one name: a day, a week or a month."""

    name: str
    days: tuple[DayReport, ...]

    def sum(self, name: str) -> float:
        """A streak is a standing: that of the last day that has any."""
        if name == "streak":
            known = [day.sum(name) for day in self.days if day.seats]
            return known[-1] if known else 0
        return sum(day.sum(name) for day in self.days)

    @property
    def longest_clean_s(self) -> float:
        return max((day.longest_clean_s for day in self.days), default=0.0)


def spans(days: Sequence[DayReport]) -> tuple[Span, ...]:
    """As fits on a page: by day, by week from half a season on, by month from half a year on."""
    if len(days) <= FEW_DAYS:
        return tuple(Span(f"{day.date:%a %d %b}", (day,)) for day in days)
    if len(days) <= FEW_WEEKS_DAYS:
        return tuple(
            Span(f"week of {monday:%d %b}", tuple(group))
            for monday, group in groupby(
                days, key=lambda day: day.date - timedelta(days=day.date.weekday())
            )
        )
    return tuple(
        Span(f"{month:%b %Y}", tuple(group))
        for month, group in groupby(days, key=lambda day: day.date.replace(day=1))
    )


# ---------------------------------------------------------------- events in words

_PLACE = frozenset({"ymin", "xmin", "ymax", "xmax"})
_SAID = ("reason", "why", "text")  # words for people already


def what(event: Record) -> str:
    """What happened, as one sentence; the word itself of what a newer version knows."""
    known = EVENTS.get(event.type) if isinstance(event.type, EventType) else None
    return known.words if known is not None else str(event.type).replace("_", " ")


def why(event: Record) -> str:
    """The reason and the evidence, in a line; empty: the event has none."""
    details = event.details
    said = [str(details[name]) for name in _SAID if details.get(name)]
    for name, value in details.items():
        if name in _PLACE or name in _SAID or value is None or value == "":
            continue
        said.append(_spoken(name, value))
    return "; ".join(said)


def _spoken(name: str, value: object) -> str:
    words = name.replace("_", " ")
    if isinstance(value, bool):
        return words if value else f"not {words}"
    if name.endswith("_s") and isinstance(value, int | float):
        return f"{words[:-2]} {duration(value)}"
    if isinstance(value, float):
        return f"{words} {value:.6g}"
    return f"{words} {value}"


def short(seconds: float) -> str:
    """As `duration`, for a narrow column: 1 h 05."""
    text = duration(seconds)
    return text.removesuffix(" min") if " h " in text else text


def duration(seconds: float) -> str:
    """1 h 05 min, 25 min, 1.5 s."""
    if seconds < 60:
        return f"{seconds:.2g} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
