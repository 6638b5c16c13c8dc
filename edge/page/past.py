"""Looking back: a span of days as a page, and to take along."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from html import escape
from pathlib import Path

from edge.config import Config
from edge.history import export
from edge.history.clock import zone_of
from edge.history.lookback import LookBack, lived, look_back
from edge.history.page import Said, page, sections
from edge.history.report import from_file, opened
from edge.history.store import Store, Unusable
from edge.history.trial import helped
from edge.page.words import Text, Words

EVENTS_MOST = 100  # on the page; a file has all of them
PART_CHARS = 64 * 1024
FILES = {
    "days.csv": "text/csv",
    "days.json": "application/json",
    "events.csv": "text/csv",
    "events.json": "application/json",
    "report.html": "text/html",
}


@dataclass(frozen=True, slots=True)
class Span:
    """Days, both ends included."""

    first: date
    last: date

    @classmethod
    def asked(cls, given: Mapping[str, str], today: date) -> Span:
        """Of a request; today where it names nothing. Raises ValueError, in words."""
        first = _date(given.get("first") or given.get("last") or f"{today}")
        last = _date(given.get("last") or f"{first}")
        return cls(min(first, last), max(first, last))

    def moved(self, steps: int) -> Span:
        """By its own length, or by months, where it is one."""
        if self.first.day == 1 and self.last == _month_end(self.first):
            there = self.first + timedelta(days=32) if steps > 0 else self.first - timedelta(days=1)
            return month_of(there)
        by = timedelta(days=steps * ((self.last - self.first).days + 1))
        return Span(self.first + by, self.last + by)

    @property
    def query(self) -> str:
        return f"first={self.first}&amp;last={self.last}"


def _date(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise ValueError(Text("{text}: no such day", text=text[:20])) from None
    if not 1970 < found.year < 9000:
        raise ValueError(Text("{text}: no such day", text=text[:20]))
    return found


def _month_end(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def month_of(day: date) -> Span:
    return Span(day.replace(day=1), _month_end(day))


# ---------------------------------------------------------------- the page


def shown(
    source: str, history: Path | None, config: Config, span: Span, *, now: datetime, words: Words
) -> str:
    """The page, `source`, with what the history says in it."""
    try:
        content = words.page(_report(history, config, span, now=now))
    except Unusable as exc:
        content = f"<section><p>{escape(str(exc))}</p></section>"
    today = now.date()
    spans = {
        "earlier": span.moved(-1),
        "today": Span(today, today),
        "week": Span(today - timedelta(days=6), today),
        "month": month_of(today),
        "later": span.moved(1),
    }
    for name, each in spans.items():
        here = '" aria-current="true' if each == span else ""
        source = source.replace(f"/history?{name}", f"/history?{each.query}{here}")
    source = source.replace("?span", f"?{span.query}")
    source = source.replace('name="first"', f'name="first" value="{span.first}"')
    source = source.replace('name="last"', f'name="last" value="{span.last}"')
    if span.first == span.last and span.first <= today:
        source = source.replace('id="erase-day" hidden', f'id="erase-day" data-day="{span.first}"')
    return source.replace('<div id="report"></div>', content)


def _report(history: Path | None, config: Config, span: Span, *, now: datetime) -> str:
    if history is None:
        return "<section><p>No history is kept.</p></section>"
    found, said = from_file(
        history, lambda store: _found(store, config, span, now=now, events_most=EVENTS_MOST)
    )
    return sections(found, said=said)


def _found(
    store: Store, config: Config, span: Span, *, now: datetime, events_most: int
) -> tuple[LookBack, list[Said]]:
    found = look_back(store, span.first, span.last, now=now, events_most=events_most)
    trial = helped(store, config.experiment, now=now)
    return found, [] if trial is None else [Said("Does it help?", trial.sentences)]


# ---------------------------------------------------------------- to take along


def taken_along(
    name: str, history: Path, config: Config, span: Span, *, now: datetime, words: Words
) -> Generator[str]:
    """One of FILES, in parts. Raises Unusable, sqlite3.Error."""
    with closing(opened(history)) as store:
        if name.startswith("events"):
            lines = export.events_as_csv if name == "events.csv" else export.events_as_json
            yield from _gathered(lines(lived(store, span.first, span.last, zone=zone_of(now))))
            return
        found, said = _found(store, config, span, now=now, events_most=1000)
        if name == "days.csv":
            yield from _gathered(export.days_as_csv(found.report.days))
        elif name == "days.json":
            more = {"experiment": [sentence for each in said for sentence in each.sentences]}
            yield json.dumps(found.as_json() | more)
        else:
            yield words.page(page(found, box=config.box.name, said=said))


def _gathered(lines: Iterable[str]) -> Generator[str]:
    part: list[str] = []
    size = 0
    for line in lines:
        part.append(line)
        size += len(line)
        if size > PART_CHARS:
            yield "".join(part)
            part, size = [], 0
    yield "".join(part)


async def streamed(parts: Callable[[], Generator[str]]) -> AsyncIterator[bytes]:
    """Each part is made, in one thread of its own, when the browser has taken the one before."""
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1, "history")
    made = parts()
    try:
        while (part := await loop.run_in_executor(thread, next, made, None)) is not None:
            yield part.encode()
    finally:
        thread.submit(made.close)  # in that thread too: a database is of the one that opened it
        thread.shutdown(wait=False)
