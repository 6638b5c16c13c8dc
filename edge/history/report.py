"""What the history says about a span of days, as values, as JSON and as a table."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from edge.domain import EventType, Totals
from edge.history.store import Store

BAR_WIDTH = 24
FULL_BAR_S = 3600.0  # at least: a day of one minute must not look like a day of work


@dataclass(frozen=True, slots=True)
class DayReport:
    """One day: its totals by seat, and its longest stretch of focus without the phone."""

    date: date
    seats: dict[str, Totals]
    longest_clean_s: float
    interruptions: int

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
    days: tuple[DayReport, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "days": [
                {
                    "date": day.date.isoformat(),
                    **{field.name: round(day.sum(field.name)) for field in fields(Totals)},
                    "longest_clean_s": round(day.longest_clean_s),
                    "interruptions": day.interruptions,
                    "seats": {
                        seat: {
                            field.name: round(getattr(totals, field.name))
                            for field in fields(Totals)
                        }
                        for seat, totals in day.seats.items()
                    },
                }
                for day in self.days
            ]
        }


def read(store: Store, first: date, last: date, *, zone: tzinfo | None) -> Report:
    """Both ends included; a day without anything is a day of zeros."""
    seats: dict[str, dict[str, Totals]] = {}
    for day, seat, totals in store.days(first.isoformat(), last.isoformat()):
        seats.setdefault(day, {})[seat] = totals
    days = []
    for offset in range((last - first).days + 1):
        day_ = first + timedelta(days=offset)
        begin = datetime.combine(day_, time(), tzinfo=zone)
        events = store.events(since=begin, until=begin + timedelta(days=1))
        days.append(
            DayReport(
                date=day_,
                seats=seats.get(day_.isoformat(), {}),
                longest_clean_s=_longest_clean_s([(e.type, e.at) for e in events]),
                interruptions=sum(e.type is EventType.INTERRUPTED for e in events),
            )
        )
    return Report(tuple(days))


_OPENS = frozenset({EventType.SESSION_START, EventType.PUTDOWN, EventType.RESUME})
_CLOSES = frozenset(
    {EventType.SESSION_END, EventType.PICKUP, EventType.PAUSE, EventType.INTERRUPTED}
)


def _longest_clean_s(events: list[tuple[EventType, datetime]]) -> float:
    """The longest time between the start of focus, or a put-down, and what ended it."""
    longest_s = 0.0
    since: datetime | None = None
    for type_, at in events:
        if type_ in _CLOSES and since is not None:
            longest_s = max(longest_s, (at - since).total_seconds())
            since = None
        elif type_ in _OPENS:
            since = at
    return longest_s


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
    return "\n".join(lines)


def _details(day: DayReport) -> list[str]:
    if not day.seats:
        return ["nothing is known of this day"]
    lines = [f"longest focus without the phone: {_minutes(day.longest_clean_s).strip()}"]
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
