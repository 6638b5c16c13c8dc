"""The database of the box: events, what still waits for the broker, and totals by day.

Used by one thread at a time. A committed event is on the card before the call returns; the event,
its place in the outbox, the session that it made true and the day's totals are one transaction.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from edge.domain import Details, EventType, Totals
from edge.errors import Trouble
from edge.history.days import Day
from edge.history.record import Record, event_id

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
TOTALS = tuple(field.name for field in fields(Totals))
_DROPPED = EventType.DROPPED.value

_SCHEMA = f"""
CREATE TABLE event (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    at TEXT NOT NULL,        -- ISO 8601 with zone
    at_unix REAL NOT NULL,
    seat TEXT,
    details TEXT NOT NULL    -- JSON
);
CREATE INDEX event_by_time ON event (at_unix);
CREATE TABLE outbox (
    place INTEGER PRIMARY KEY,  -- the order of sending
    number INTEGER NOT NULL,
    since_unix REAL NOT NULL
);
CREATE TABLE acknowledged (place INTEGER PRIMARY KEY);  -- while another database has the outbox
CREATE TABLE day (
    date TEXT NOT NULL,
    seat TEXT NOT NULL,
    {", ".join(f"{name} REAL NOT NULL" for name in TOTALS)},
    PRIMARY KEY (date, seat)
);
CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL);
PRAGMA user_version = {SCHEMA_VERSION};
"""


class Unusable(Trouble):
    """The database cannot be used; `damaged`: its content is broken and it should be set aside."""

    def __init__(self, text: str, *, damaged: bool) -> None:
        super().__init__(text)
        self.damaged = damaged


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that the broker has not acknowledged yet, and its place in the order."""

    place: int
    record: Record


class Store:
    """An open database. Every method raises `sqlite3.Error` when the card does not play along."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        row = self._db.execute("SELECT max(number) FROM event").fetchone()
        noted = self.note("last_number")
        # Old events are deleted, and their numbers must not come again.
        self._number = max(row[0] or 0, int(noted) if noted else 0)

    # ------------------------------------------------------------ events

    def add(
        self,
        type_: EventType,
        at: datetime,
        *,
        seat: str | None = None,
        details: Details,
        notes: dict[str, str] | None = None,
        day: Day | None = None,
        send: bool = True,
    ) -> Record:
        """Commit an event together with what it made true; it is durable on return.

        `send`: it waits in the outbox from now on.
        """
        record = Record(self._number + 1, event_id(at), type_, at, seat, details)
        with self._transaction():
            self._insert(record)
            if send:
                self._queue(record.number, record.number, at)
            self._write_notes({**(notes or {}), "last_number": str(record.number)})
            if day is not None:
                self._write_day(day)
        self._number = record.number
        return record

    def save(self, notes: dict[str, str], day: Day | None) -> None:
        """Commit what is so now, without an event."""
        with self._transaction():
            self._write_notes(notes)
            if day is not None:
                self._write_day(day)

    def events(self, *, since: datetime, until: datetime) -> list[Record]:
        """In the order of their numbers."""
        rows = self._db.execute(
            "SELECT number, id, type, at, seat, details FROM event"
            " WHERE at_unix >= ? AND at_unix < ? ORDER BY number",
            (since.timestamp(), until.timestamp()),
        )
        return [_record(*row) for row in rows]

    # ------------------------------------------------------------ outbox

    def waiting(self, *, after: int, limit: int) -> list[Waiting]:
        """The next events to send, in order, from those behind place `after`."""
        rows = self._db.execute(
            "SELECT place, event.number, id, type, at, seat, details"
            " FROM outbox JOIN event USING (number) WHERE place > ? ORDER BY place LIMIT ?",
            (after, limit),
        )
        return [Waiting(place, _record(*row)) for place, *row in rows]

    def queued(self) -> int:
        """How many events wait."""
        return int(self._db.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def acknowledge(self, places: Sequence[int]) -> None:
        """Forget that these wait. Not worth a sync of its own: after a power cut they are sent
        again, with the same ids."""
        with self._transaction():
            self._db.executemany("DELETE FROM outbox WHERE place = ?", [(p,) for p in places])

    def bound_outbox(self, *, now: datetime, at_most: int, days: int) -> int:
        """Drop what is too much or too old to wait any longer, oldest first; return how many.

        What was dropped stays in the history, and one `dropped` event takes its place in the
        outbox; a later drop enlarges that event as long as it is still waiting itself.
        """
        count = self.queued()
        # Somewhat more than needed, so that a full outbox is not bounded anew for each event.
        excess = count - at_most + 1 + at_most // 100 if count > at_most else 0
        query = (
            "SELECT place, number, type, details FROM outbox JOIN event USING (number)"
            " WHERE {} ORDER BY place"
        )
        doomed = self._db.execute(
            query.format(
                "since_unix < ? OR place IN (SELECT place FROM outbox ORDER BY place LIMIT ?)"
            ),
            ((now - timedelta(days=days)).timestamp(), excess),
        ).fetchall()
        lost = [(place, number) for place, number, type_, _ in doomed if type_ != _DROPPED]
        if not lost:
            return 0
        earlier = self._db.execute(query.format("type = ?"), (_DROPPED,)).fetchall()
        reports = [json.loads(details) for *_, details in earlier]
        details = {
            "count": len(lost) + sum(report["count"] for report in reports),
            "first_number": min(number for _, number in lost),
            "last_number": max(number for _, number in lost),
            "why": "too many" if excess else "too old",
        }
        if reports:
            details["first_number"] = min(report["first_number"] for report in reports)
        record = Record(self._number + 1, event_id(now), EventType.DROPPED, now, None, details)
        with self._transaction():
            for place, *_ in (*lost, *earlier):
                self._db.execute("DELETE FROM outbox WHERE place = ?", (place,))
            for _, number, *_ in earlier:
                self._db.execute("DELETE FROM event WHERE number = ?", (number,))
            self._insert(record)
            self._queue(lost[0][0], record.number, now)
            self._write_notes({"last_number": str(record.number)})
        self._number = record.number
        return len(lost)

    def shift_outbox(self, *, after: int, seconds: float) -> None:
        """The wall clock was set: what waits since event number `after` has not aged by that."""
        with self._transaction():
            self._db.execute(
                "UPDATE outbox SET since_unix = since_unix + ? WHERE number > ?", (seconds, after)
            )

    @property
    def last_number(self) -> int:
        return self._number

    # ------------------------------------------------------------ days and notes

    def day(self, date: str, seats: tuple[str, ...]) -> Day:
        """The totals of a day so far. One without any begins with the last known streaks."""
        names = ", ".join(TOTALS)
        totals = []
        for seat in seats:
            row = self._db.execute(
                f"SELECT {names} FROM day WHERE date = ? AND seat = ?",
                (date, seat),
            ).fetchone()
            if row is None:
                last = self._db.execute(
                    "SELECT streak FROM day WHERE seat = ? ORDER BY date DESC LIMIT 1", (seat,)
                ).fetchone()
                totals.append(Totals(streak=int(last[0]) if last else 0))
            else:
                totals.append(_totals(row))
        return Day(date, seats, tuple(totals))

    def days(self, first: str, last: str) -> list[tuple[str, str, Totals]]:
        """(date, seat, totals) of every day that has any, both ends included."""
        rows = self._db.execute(
            f"SELECT date, seat, {', '.join(TOTALS)} FROM day"
            " WHERE date BETWEEN ? AND ? ORDER BY date, seat",
            (first, last),
        )
        return [(date, seat, _totals(row)) for date, seat, *row in rows]

    def note(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def prune(self, *, now: datetime, keep_days: int) -> None:
        """Delete what is older than the owner wants to keep. Waiting events stay until sent."""
        oldest = now - timedelta(days=keep_days)
        with self._transaction():
            self._db.execute(
                "DELETE FROM event WHERE at_unix < ? AND number NOT IN (SELECT number FROM outbox)",
                (oldest.timestamp(),),
            )
            self._db.execute("DELETE FROM day WHERE date < ?", (oldest.date().isoformat(),))

    def trim(self, *, keep: int) -> None:
        """Delete all but the latest `keep` events and what waits: for a store in memory."""
        with self._transaction():
            self._db.execute(
                "DELETE FROM event WHERE number <= ? AND number NOT IN (SELECT number FROM outbox)",
                (self._number - keep,),
            )

    # ------------------------------------------------------------ moving

    def copy_from(self, other: Store, *, events: bool) -> None:
        """Take over what another database has: for a card that fails, or is back.

        `events`: its events and notes too, not only what waits and the last number.
        """
        with self._transaction():
            for (place,) in other._db.execute("SELECT place FROM acknowledged"):
                self._db.execute("DELETE FROM outbox WHERE place = ?", (place,))
            rows = other._db.execute(
                "SELECT number, id, type, at, at_unix, seat, details FROM event"
                + ("" if events else " WHERE number IN (SELECT number FROM outbox)")
            )
            self._db.executemany("INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            self._db.executemany(
                "INSERT OR IGNORE INTO outbox VALUES (?, ?, ?)",
                other._db.execute("SELECT place, number, since_unix FROM outbox"),
            )
            for name, value in other._db.execute("SELECT name, value FROM note"):
                self._write_notes({name: value})
            self._db.executemany(
                f"INSERT OR REPLACE INTO day VALUES ({', '.join('?' * (2 + len(TOTALS)))})",
                other._db.execute("SELECT * FROM day"),
            )
        self._number = max(self._number, other._number)

    def remember_acknowledged(self, places: Sequence[int]) -> None:
        """For the database that gets its outbox back later."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO acknowledged VALUES (?)", [(p,) for p in places]
            )

    def check(self) -> str:
        """The database's own full check of itself; "ok" when it is whole."""
        return str(self._db.execute("PRAGMA integrity_check(1)").fetchone()[0])

    def continue_after(self, number: int) -> None:
        """Number the next event no lower than `number` + 1."""
        self._number = max(self._number, number)

    def close(self) -> None:
        self._db.close()

    # ------------------------------------------------------------ inside a transaction

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # A full disk has ended the transaction already.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _insert(self, record: Record) -> None:
        self._db.execute(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                record.number,
                record.id,
                record.type.value,
                record.at.isoformat(),
                record.at.timestamp(),
                record.seat,
                json.dumps(dict(record.details), ensure_ascii=False),
            ),
        )

    def _queue(self, place: int, number: int, since: datetime) -> None:
        self._db.execute("INSERT INTO outbox VALUES (?, ?, ?)", (place, number, since.timestamp()))

    def _write_notes(self, notes: dict[str, str]) -> None:
        self._db.executemany("INSERT OR REPLACE INTO note VALUES (?, ?)", notes.items())

    def _write_day(self, day: Day) -> None:
        self._db.executemany(
            f"INSERT OR REPLACE INTO day VALUES ({', '.join('?' * (2 + len(TOTALS)))})",
            [
                (day.date, seat, *(getattr(totals, name) for name in TOTALS))
                for seat, totals in zip(day.seats, day.totals, strict=True)
            ],
        )


def open_store(path: Path) -> Store:
    """Open or make the database. Raises Unusable, saying whether the content is to blame."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(
            path, timeout=5.0, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.Error) as exc:
        raise Unusable(f"{path} cannot be opened: {exc}", damaged=False) from exc
    try:
        _prepare(connection)
        # Learn of a read-only or full card now, not with the first event.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT OR REPLACE INTO note VALUES ('opened', datetime())")
        connection.execute("COMMIT")
        return Store(connection)
    except sqlite3.Error as exc:
        connection.close()
        raise Unusable(f"{path}: {exc}", damaged=is_damage(exc)) from exc
    except Unusable:
        connection.close()
        raise


def open_memory() -> Store:
    """A store that forgets, for a box whose card fails or whose history is off."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.executescript(_SCHEMA)
    return Store(connection)


def open_for_reading(path: Path) -> Store:
    """For reports, beside a running box. Raises Unusable."""
    if not path.is_file():
        msg = f"there is no history yet at {path}; it begins with `procrastobot run`"
        raise Unusable(msg, damaged=False)
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            raise Unusable(f"{path} is of another version ({version})", damaged=False)
        return Store(connection)
    except sqlite3.Error as exc:
        raise Unusable(f"{path} cannot be read: {exc}", damaged=is_damage(exc)) from exc


def set_aside(path: Path, now: datetime) -> Path:
    """Move a broken database out of the way, whole; return where it is now."""
    moved = path.with_name(f"{path.name}.broken-{now:%Y%m%dT%H%M%S}")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(moved.with_name(moved.name + suffix))
    return moved


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the content is broken, rather than the card full, read-only or gone."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _prepare(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise Unusable(f"the history is of a newer version ({version})", damaged=False)
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise Unusable(f"the history is damaged: {found}", damaged=True)
    connection.execute("PRAGMA journal_mode = WAL")
    # NORMAL in WAL mode may lose the last commits with the power; FULL does not.
    connection.execute("PRAGMA synchronous = FULL")
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}COMMIT;")


def _record(number: int, id_: str, type_: str, at: str, seat: str | None, details: str) -> Record:
    return Record(
        number, id_, EventType(type_), datetime.fromisoformat(at), seat, json.loads(details)
    )


def _totals(row: Sequence[float]) -> Totals:
    values: dict[str, Any] = dict(zip(TOTALS, row, strict=True))
    for name in ("pickups", "sessions", "clean_sessions", "streak"):
        values[name] = int(values[name])
    return Totals(**values)
