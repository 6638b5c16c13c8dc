"""Erasing that really erases: what is gone cannot be read from the files any more.

SQLite only unlinks what is deleted; it stays in the file until something else is written there.
Here it is overwritten, the file is made anew without it, and the write-ahead log is emptied. What
a card keeps aside of what it was once given is out of anybody's reach.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from edge.history.clock import midnight, zone_of
from edge.history.store import Store, Unusable, broken, open_store

SUFFIXES = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Erased:
    """aside: databases that were set aside as damaged, and went as a whole."""

    events: int
    days: int
    aside: int = 0


def erase(path: Path, day: date | None, *, now: datetime) -> Erased:
    """Erase a day, or everything (None), from a history with which no box runs. Raises Unusable.

    Nobody knows what a damaged database holds: those set aside go with whatever is erased.
    """
    if not path.is_file():
        raise Unusable(f"there is no history at {path}", damaged=False)
    try:
        with closing(open_store(path)) as store:
            events, days = erase_in(store, day, now=now)
            compacted = store.compact()
    except sqlite3.Error as exc:
        text = f"{path}: {exc}; what was to be erased may still be there: try again"
        raise Unusable(text, damaged=False) from exc
    if not compacted:
        text = f"{path} is deleted in part only: something else reads it; close it and try again"
        raise Unusable(text, damaged=False)
    return Erased(events, days, remove_aside(path))


def erase_in(store: Store, day: date | None, *, now: datetime) -> tuple[int, int]:
    zone = zone_of(now)
    first = now.date() if day is None else day
    return store.erase(day, midnight(first, zone), midnight(first + timedelta(days=1), zone))


def remove_aside(path: Path) -> int:
    """The databases that were set aside; how many they were. Raises OSError."""
    aside = broken(path)
    remove(part for each in aside for part in _parts(each))
    return len(aside)


def _parts(path: Path) -> Iterable[Path]:
    parts = (path.with_name(path.name + suffix) for suffix in SUFFIXES)
    return (part for part in parts if part.is_file())


def remove(paths: Iterable[Path]) -> int:
    """Take files away, after zeros over all of each; how many they were. Raises OSError."""
    count = 0
    for path in paths:
        with path.open("r+b") as file:
            left = file.seek(0, 2)
            file.seek(0)
            while left > 0:
                left -= file.write(bytes(min(left, 2**20)))
        path.unlink()
        count += 1
    return count
