"""Totals of a calendar day, summed up from what the running box reports. Pure.

The box counts on its monotonic clock and knows no midnight; the day that a difference belongs to
is the wall clock's when it is reported.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from edge.domain import Totals

SUMMED = tuple(field.name for field in fields(Totals) if field.name != "streak")


@dataclass(frozen=True, slots=True)
class Day:
    """`date` is YYYY-MM-DD; `totals` has one entry per name in `seats`."""

    date: str
    seats: tuple[str, ...]
    totals: tuple[Totals, ...]


def difference(now: Totals, last: Totals) -> Totals:
    """What changed between two reports of one counter.

    A pick-up that was none is taken back, so some figures may fall. Session time never does: a
    counter with less of it was started anew, and all that it shows has been added since.
    """
    if _session_s(now) < _session_s(last) - 1e-6:
        return now
    changes = {name: getattr(now, name) - getattr(last, name) for name in SUMMED}
    return replace(now, **changes)


def _session_s(totals: Totals) -> float:
    return totals.focus_s + totals.break_s + totals.paused_s


def add(day: Day, now: tuple[Totals, ...], last: tuple[Totals, ...]) -> Day:
    """The day with what came between two reports; `now` and `last` are in the order of its seats.

    A streak is a standing, not a sum: the newest holds.
    """
    grown = []
    for totals, new, old in zip(day.totals, now, last, strict=True):
        change = difference(new, old)
        sums = {
            # What is taken back just after midnight may belong to the day before.
            name: max(0, getattr(totals, name) + getattr(change, name))
            for name in SUMMED
        }
        grown.append(Totals(**sums, streak=new.streak))
    return replace(day, totals=tuple(grown))
