"""The history for other programs: days and events as CSV and JSON, line by line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from edge.domain import Totals
from edge.history.lookback import what, why
from edge.history.record import Record
from edge.history.report import DayReport

_FIGURES = tuple(field.name for field in fields(Totals))
# What a table processor would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Line:
    """Takes what `csv` writes, and gives it back."""

    def write(self, text: str) -> str:
        return text


def _csv_line(values: Iterable[object]) -> str:
    line: Any = csv.writer(_Line()).writerow(values)
    return str(line)


def days_as_csv(days: Iterable[DayReport]) -> Iterator[str]:
    """One line a day, and one more for each seat where there are several; times in seconds."""
    more = ["longest_clean_s", "unseen_s", "interruptions"]
    yield _csv_line(["date", "seat", *_FIGURES, *more])
    for day in days:
        own = [day.longest_clean_s, day.unseen_s, day.interruptions]
        sums = [day.sum(name) for name in _FIGURES]
        yield _csv_line([day.date.isoformat(), "", *map(round, [*sums, *own])])
        if len(day.seats) > 1:
            for seat, totals in day.seats.items():
                each = [round(getattr(totals, name)) for name in _FIGURES]
                yield _csv_line([day.date.isoformat(), _plain(seat), *each, "", "", ""])


def events_as_csv(events: Iterable[Record]) -> Iterator[str]:
    yield _csv_line(["number", "id", "at", "type", "seat", "what", "why", "details"])
    for event in events:
        told = _told(event)
        told["details"] = json.dumps(told["details"], ensure_ascii=False)
        yield _csv_line(_plain(value) for value in told.values())


def events_as_json(events: Iterable[Record]) -> Iterator[str]:
    """A list, an event a line."""
    yield "["
    for index, event in enumerate(events):
        yield (",\n" if index else "\n") + json.dumps(_told(event), ensure_ascii=False)
    yield "\n]\n"


def _told(event: Record) -> dict[str, Any]:
    return {
        "number": event.number,
        "id": event.id,
        "at": event.at.isoformat(timespec="milliseconds"),
        "type": str(event.type),
        "seat": event.seat,
        "what": what(event),
        "why": why(event),
        "details": dict(event.details),
    }


def _plain(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
