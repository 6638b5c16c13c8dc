"""What the hooks have been told, on the card: no event is told twice, whatever ends the process.

That an event is being tried is written down before it is tried. What that leaves open when the plug
is pulled is not tried again: nobody knows whether it arrived.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from edge.errors import Trouble
from edge.history.record import Record
from edge.history.store import transaction
from edge.hooks.plan import PICKUP, Result

SCHEMA_VERSION = 1
KEPT_DAYS = 90  # longer than any history is read again
_SCHEMA = f"""
CREATE TABLE telling (
    hook TEXT NOT NULL,
    event TEXT NOT NULL,     -- its id
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    seat TEXT,
    at_unix REAL NOT NULL,
    day TEXT NOT NULL,       -- on which it counts
    sure INTEGER NOT NULL,
    result TEXT NOT NULL,
    tries INTEGER NOT NULL,
    PRIMARY KEY (hook, event)
);
CREATE TABLE read (hook TEXT PRIMARY KEY, number INTEGER NOT NULL);
PRAGMA user_version = {SCHEMA_VERSION};
"""
_OPEN = (Result.WAITING, Result.TRYING)
_COUNTED = (Result.SENT, Result.TRYING, Result.UNKNOWN)


class LedgerBroken(Trouble):
    """What was told cannot be known: then nothing is told."""


@dataclass(frozen=True, slots=True)
class Telling:
    """One event that a hook is to be told of."""

    event: str
    number: int
    kind: str
    at_unix: float
    day: str
    sure: bool
    tries: int


class Ledger:
    """Of one hook. Raises sqlite3.Error where the card does not play along."""

    def __init__(self, path: Path, hook: str) -> None:
        """Raises LedgerBroken."""
        self._hook = hook
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(path, timeout=10.0, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA secure_delete = ON")
            with transaction(self._db):
                version = self._db.execute("PRAGMA user_version").fetchone()[0]
                if version == 0:
                    for statement in _SCHEMA.split(";"):
                        self._db.execute(statement)
                elif version != SCHEMA_VERSION:
                    raise LedgerBroken(f"{path} is of another version ({version})")
        except (OSError, sqlite3.Error) as exc:
            msg = (
                f"{path} cannot be used ({exc}): without it nobody knows what was told already, and"
                " nothing is told; where it is damaged, take it away"
            )
            raise LedgerBroken(msg) from exc

    def close(self) -> None:
        self._db.close()

    # ------------------------------------------------------------ reading the history

    @property
    def read(self) -> int | None:
        """The number of the last event that was looked at; None: none ever was."""
        row = self._db.execute("SELECT number FROM read WHERE hook = ?", (self._hook,)).fetchone()
        return None if row is None else int(row[0])

    def keep_read(self, number: int) -> None:
        """Looked at is everything up to this one. Looking at it twice would change nothing: it need
        not be kept each time."""
        with transaction(self._db):
            self._read(number)

    def note(self, event: Record, kind: str, *, sure: bool) -> None:
        """An event is to be told. It is noted once."""
        with transaction(self._db):
            self._db.execute(
                "INSERT OR IGNORE INTO telling VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
                (
                    self._hook,
                    event.id,
                    event.number,
                    kind,
                    event.seat,
                    event.at.timestamp(),
                    event.at.date().isoformat(),
                    sure,
                    Result.WAITING.value,
                ),
            )
            self._read(event.number)

    def surely(self, event: Record) -> None:
        """The latest pick-up of this seat is surely one."""
        self._latest(event, "sure = 1")

    def take_back(self, event: Record) -> None:
        """The latest pick-up of this seat was none: it is not told where it has not been yet."""
        self._latest(event, f"result = '{Result.TAKEN_BACK.value}'")

    def _latest(self, event: Record, change: str) -> None:
        row = self._db.execute(
            "SELECT event, result FROM telling"
            " WHERE hook = ? AND kind = ? AND seat IS ? AND number < ?"
            " ORDER BY number DESC LIMIT 1",
            (self._hook, PICKUP, event.seat, event.number),
        ).fetchone()
        if row is not None and row[1] == Result.WAITING.value:
            with transaction(self._db):
                self._db.execute(
                    f"UPDATE telling SET {change} WHERE hook = ? AND event = ?",
                    (self._hook, row[0]),
                )

    def _read(self, number: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO read VALUES (?, ?)", (self._hook, number))

    # ------------------------------------------------------------ telling

    def waiting(self) -> list[Telling]:
        """What is to be told, in order."""
        rows = self._db.execute(
            "SELECT event, number, kind, at_unix, day, sure, tries FROM telling"
            " WHERE hook = ? AND result = ? ORDER BY number",
            (self._hook, Result.WAITING.value),
        )
        return [
            Telling(event, number, kind, at_unix, day, bool(sure), tries)
            for event, number, kind, at_unix, day, sure, tries in rows
        ]

    def begin(self, event: str) -> None:
        """It is tried from now on; committed before the call returns."""
        self._set(event, Result.TRYING, "tries + 1")

    def end(self, event: str, result: Result) -> None:
        self._set(event, result, "tries")

    def _set(self, event: str, result: Result, tries: str) -> None:
        with transaction(self._db):
            self._db.execute(
                f"UPDATE telling SET result = ?, tries = {tries} WHERE hook = ? AND event = ?",
                (result.value, self._hook, event),
            )

    def told_on(self, day: str) -> int:
        """How often something was told, or may have been, of this day."""
        marks = ", ".join("?" * len(_COUNTED))
        row = self._db.execute(
            f"SELECT count(*) FROM telling WHERE hook = ? AND day = ? AND result IN ({marks})",
            (self._hook, day, *(each.value for each in _COUNTED)),
        ).fetchone()
        return int(row[0])

    def left_trying(self) -> int:
        """At a start: what was being tried when the process ended may have arrived."""
        with transaction(self._db):
            changed = self._db.execute(
                "UPDATE telling SET result = ? WHERE hook = ? AND result = ?",
                (Result.UNKNOWN.value, self._hook, Result.TRYING.value),
            )
        return int(changed.rowcount)

    def results(self) -> dict[str, str]:
        """What became of each event, by its id."""
        rows = self._db.execute(
            "SELECT event, result FROM telling WHERE hook = ? ORDER BY number", (self._hook,)
        )
        return dict(rows.fetchall())

    def prune(self, now: datetime) -> None:
        oldest = (now - timedelta(days=KEPT_DAYS)).timestamp()
        marks = ", ".join("?" * len(_OPEN))
        with transaction(self._db):
            self._db.execute(
                f"DELETE FROM telling WHERE hook = ? AND at_unix < ? AND result NOT IN ({marks})",
                (self._hook, oldest, *(each.value for each in _OPEN)),
            )


def path_beside(history: Path) -> Path:
    return history.with_name("hooks.db")


def erase(path: Path, day: date | None) -> int:
    """Forget what was told of a day, or ever (None), for good. Raises LedgerBroken."""
    if not path.is_file():
        return 0
    db = sqlite3.connect(path, timeout=10.0, isolation_level=None)
    try:
        db.execute("PRAGMA secure_delete = ON")
        where, values = ("TRUE", ()) if day is None else ("day = ?", (day.isoformat(),))
        count = db.execute(f"DELETE FROM telling WHERE {where}", values).rowcount
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return int(count)
    except sqlite3.Error as exc:
        msg = f"{path}: {exc}; what was to be erased of it may still be there"
        raise LedgerBroken(msg) from exc
    finally:
        db.close()
