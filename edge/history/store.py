"""The database of the box: events, what still waits for the broker, and totals by day.

Used by one thread at a time. A committed event is on the card before the call returns; the event,
its place in the outbox, the session that it made true and the day's totals are one transaction.

Cards rot. A database that is not whole is set aside, and what can be read of it goes on in a new
one; a row that makes no sense is passed over, and holds up none behind it.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from edge.domain import Details, EventType, Totals
from edge.errors import Trouble
from edge.history.clock import FIRST_DAY
from edge.history.days import Day
from edge.history.record import Record, event_id, figure, last_seen, record
from edge.history.salvage import Row, Salvaged, salvage

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
TOTALS = tuple(field.name for field in fields(Totals))
BUSY_S = 5.0  # what another program may take
CHECKPOINT_PAGES = 250  # 1 MB: the write-ahead log must find room on a small card
LEAST_RESERVE_BYTES, RESERVE_BYTES = 2 * 2**20, 4 * 2**20  # stays free: twice what the log needs
KEPT_BYTES = 48 * 2**20  # at most, when room is made: it passes through memory
EVENTS_MAX = 200_000  # some 50 MB; a year of 500 a day
BROKEN_MAX = 3  # databases set aside; the oldest go
NUMBER_MAX = 2**48  # no box gets so far: a larger one is damage
_SALVAGE_NOTE = "salvage"  # the name of the database set aside that is being read
SESSION_NOTE, LEARNT_NOTE = "session", "look_alikes"  # of the recorder
_DROPPED = EventType.DROPPED.value
# As `_insert` writes it; within a text of the details the quotes would have backslashes.
_LIVED = "details NOT LIKE '%\"replay\": true%'"

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


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing, of a connection that begins none by itself."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # A full disk has ended the transaction already.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _value(db: sqlite3.Connection, query: str, values: Sequence[object] = ()) -> Any:
    """What a query asks for that has one answer; None: it has none."""
    for (value,) in db.execute(query, values):
        return value
    return None


class Store:
    """An open database. Every method raises `sqlite3.Error` when the card does not play along."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        # A name or a word may have been hit by a bad card; the rest of its row has not.
        self._db.text_factory = lambda text: text.decode(errors="replace")
        self._number = self._last_number()

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
        since_s: float | None = None,
        replay: bool = False,
    ) -> Record:
        """Commit an event together with what it made true; it is durable on return.

        `send`: it waits in the outbox from now on, `since_s` by the time that is believed.
        """
        event = Record(self._number + 1, event_id(at), type_, at, seat, details, replay)
        with transaction(self._db):
            self._insert(event)
            if send:
                self._queue(event.number, at.timestamp() if since_s is None else since_s)
            self._write_notes({**(notes or {}), "last_number": str(event.number)})
            if day is not None:
                self._write_day(day)
        self._number = event.number
        return event

    def save(self, notes: dict[str, str], day: Day | None) -> None:
        """Commit what is so now, without an event."""
        with transaction(self._db):
            self._write_notes(notes)
            if day is not None:
                self._write_day(day)

    def events(self, *, since: datetime, until: datetime) -> list[Record]:
        """In the order of their numbers."""
        return list(self.each(since=since, until=until))

    def each(
        self, *, since: datetime, until: datetime, types: Collection[EventType] = ()
    ) -> Iterator[Record]:
        """The same, one by one: however many there are, one is held. `types`: only these."""
        span = since.timestamp(), until.timestamp()
        first, last = self._db.execute(
            "SELECT min(number), max(number) FROM event WHERE at_unix >= ? AND at_unix < ?", span
        ).fetchone()
        if first is None:
            return
        wanted = f" AND type IN ({', '.join('?' * len(types))})" if types else ""
        # By the table itself, which is in this order: sorting would hold all of it.
        rows = self._db.execute(
            "SELECT number, id, type, at, at_unix, seat, details FROM event NOT INDEXED"
            f" WHERE number BETWEEN ? AND ? AND at_unix >= ? AND at_unix < ?{wanted}"
            " ORDER BY number",
            (first, last, *span, *map(str, types)),
        )
        for row in rows:
            if (found := record(*row)) is not None:
                yield found

    def latest(self, *, since: datetime, until: datetime, limit: int) -> list[Record]:
        """The last so many of a span, in order, without those of a recording."""
        rows = self._db.execute(
            "SELECT number, id, type, at, at_unix, seat, details FROM event"
            f" WHERE at_unix >= ? AND at_unix < ? AND {_LIVED}"
            " ORDER BY at_unix DESC, number DESC LIMIT ?",
            (since.timestamp(), until.timestamp(), limit),
        )
        found = [event for row in rows if (event := record(*row)) is not None]
        return sorted((event for event in found if not event.replay), key=lambda e: e.number)

    def count_between(self, *, since: datetime, until: datetime) -> int:
        """How many events there are in a span, without those of a recording."""
        span = since.timestamp(), until.timestamp()
        query = f"SELECT count(*) FROM event WHERE at_unix >= ? AND at_unix < ? AND {_LIVED}"
        return int(_value(self._db, query, span))

    def experiment(self, name: str) -> datetime | None:
        """When a session was first drawn for this experiment; None: none ever was."""
        wanted = f'%"experiment": {json.dumps(name)}%'
        first_s = _value(
            self._db,
            f"SELECT min(at_unix) FROM event WHERE type = ? AND details LIKE ? AND {_LIVED}",
            (EventType.SESSION_START.value, wanted),
        )
        return None if first_s is None else datetime.fromtimestamp(first_s, UTC)

    def ended_before(self, number: int) -> Iterator[Record]:
        """The sessions that ended before an event, the latest first."""
        rows = self._db.execute(
            "SELECT number, id, type, at, at_unix, seat, details FROM event"
            " WHERE number < ? AND type = ? ORDER BY number DESC",
            (number, EventType.SESSION_END.value),
        )
        for row in rows:
            if (found := record(*row)) is not None:
                yield found

    def newest(self) -> int:
        """The highest number that was ever given here, also by another process."""
        return self._last_number()

    def changes(self) -> int:
        """Another number after each change by somebody else; costs next to nothing to ask."""
        return int(_value(self._db, "PRAGMA data_version"))

    def at(self, number: int) -> Record | None:
        row = self._db.execute(
            "SELECT number, id, type, at, at_unix, seat, details FROM event WHERE number = ?",
            (number,),
        ).fetchone()
        return None if row is None else record(*row)

    def after(self, number: int, *, limit: int) -> list[Record]:
        """The next events behind a number, in order."""
        rows = self._db.execute(
            "SELECT number, id, type, at, at_unix, seat, details FROM event"
            " WHERE number > ? ORDER BY number LIMIT ?",
            (number, limit),
        )
        return [found for row in rows if (found := record(*row)) is not None]

    def count(self) -> int:
        return int(_value(self._db, "SELECT count(*) FROM event"))

    def newest_s(self) -> float | None:
        """When the latest event was, in seconds since 1970; by its number, whatever the clock."""
        rows = self._db.execute(
            "SELECT number, id, type, at, at_unix, seat, details FROM event ORDER BY number DESC"
        )
        for row in rows:
            found = record(*row)
            if found is not None and found.at.date() >= FIRST_DAY:
                return found.at.timestamp()
        return None

    # ------------------------------------------------------------ outbox

    def waiting(self, *, after: int, limit: int) -> list[Waiting]:
        """The next events to send, in order, from those behind place `after`.

        One that nobody can read any more leaves the outbox: it must not hold up the others.
        """
        while True:
            rows = self._db.execute(
                "SELECT place, event.number, id, type, at, at_unix, seat, details"
                " FROM outbox JOIN event USING (number) WHERE place > ? ORDER BY place LIMIT ?",
                (after, limit),
            ).fetchall()
            found = [(place, record(*row)) for place, *row in rows]
            lost = [place for place, event in found if event is None]
            if lost:
                log.warning("%d events cannot be read any more, and are not sent", len(lost))
                self.acknowledge(lost)
            if len(lost) < len(rows) or not rows:
                return [Waiting(place, event) for place, event in found if event is not None]

    def queued(self) -> int:
        """How many events wait."""
        return int(_value(self._db, "SELECT count(*) FROM outbox"))

    def acknowledge(self, places: Sequence[int]) -> None:
        """Forget that these wait. Not worth a sync of its own: after a power cut they are sent
        again, with the same ids."""
        with transaction(self._db):
            self._db.executemany("DELETE FROM outbox WHERE place = ?", [(p,) for p in places])

    def bound_outbox(self, *, now: datetime, at_most: int, days: int) -> int:
        """Drop what is too much or too old to wait any longer, oldest first; return how many.

        What was dropped stays in the history, and one `dropped` event takes its place in the
        outbox; a later drop enlarges that event as long as it is still waiting itself. `now` is
        the time that is believed, not that of a clock which may be wrong.
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
        numbers = [number for _, number in lost]
        total = len(lost)
        for _, number, _, details in earlier:
            count_before, first_before = _dropped(details)
            total += count_before
            numbers.append(first_before or number)
        details = {
            "count": total,
            "first_number": min(numbers),
            "last_number": max(number for _, number in lost),
            "why": "too many" if excess else "too old",
        }
        event = Record(self._number + 1, event_id(now), EventType.DROPPED, now, None, details)
        with transaction(self._db):
            for place, *_ in (*lost, *earlier):
                self._db.execute("DELETE FROM outbox WHERE place = ?", (place,))
            for _, number, *_ in earlier:
                self._db.execute("DELETE FROM event WHERE number = ?", (number,))
            self._insert(event)
            self._queue(event.number, now.timestamp(), place=lost[0][0])
            self._write_notes({"last_number": str(event.number)})
        self._number = event.number
        return len(lost)

    @property
    def last_number(self) -> int:
        return self._number

    # ------------------------------------------------------------ days and notes

    def day(self, date: str, seats: tuple[str, ...]) -> Day:
        """The totals of a day so far. One without any begins with the last known streaks: those of
        a day ahead of it are the word of a clock that was wrong."""
        names = ", ".join(TOTALS)
        totals = []
        for seat in seats:
            row = self._db.execute(
                f"SELECT {names} FROM day WHERE date = ? AND seat = ?",
                (date, seat),
            ).fetchone()
            if row is None:
                streak = _value(
                    self._db,
                    "SELECT streak FROM day WHERE seat = ? AND date BETWEEN ? AND ?"
                    " ORDER BY date DESC LIMIT 1",
                    (seat, FIRST_DAY.isoformat(), date),
                )
                totals.append(Totals(streak=int(figure(streak))))
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

    def dates(self) -> list[tuple[str, str, Totals]]:
        """(date, seat, totals) of all that there is, whatever the date says."""
        names = ", ".join(TOTALS)
        rows = self._db.execute(f"SELECT date, seat, {names} FROM day ORDER BY date, seat")
        return [(str(date), str(seat), _totals(row)) for date, seat, *row in rows]

    def note(self, name: str) -> str | None:
        value = _value(self._db, "SELECT value FROM note WHERE name = ?", (name,))
        return None if value is None else str(value)

    def prune(self, *, now: datetime, keep_days: int) -> None:
        """Delete what is older than the owner wants to keep. Waiting events stay until sent.

        `now` is the time that is believed. Events are in the order of their numbers: what comes
        after one that is young enough is not old, whatever its own date says.
        """
        oldest = now - timedelta(days=keep_days)
        young = _value(
            self._db,
            "SELECT min(number) FROM event WHERE at_unix BETWEEN ? AND ?",
            (oldest.timestamp(), (now + timedelta(days=1)).timestamp()),
        )
        below = max(young or 0, self._number - EVENTS_MAX)
        with transaction(self._db):
            self._db.execute(
                "DELETE FROM event WHERE number < ? AND number NOT IN (SELECT number FROM outbox)",
                (below,),
            )
            self._db.execute(
                "DELETE FROM day WHERE date BETWEEN ? AND ? AND date < ?",
                (FIRST_DAY.isoformat(), "9999", oldest.date().isoformat()),
            )

    def trim(self, *, keep: int) -> None:
        """Delete all but the latest `keep` events and what waits: for a store in memory."""
        with transaction(self._db):
            self._db.execute(
                "DELETE FROM event WHERE number <= ? AND number NOT IN (SELECT number FROM outbox)",
                (self._number - keep,),
            )

    # ------------------------------------------------------------ erasing

    def erase(self, day: date | None, since: datetime, until: datetime) -> tuple[int, int]:
        """Forget a day, which is between two moments, or everything (None): events whether they
        wait or not, totals, and what was noted of a session then. Returns how many events and days.

        Numbers go on where they were: a new event must not be taken for an old one. What is
        deleted is still in the file until `compact`.
        """
        self._db.execute("PRAGMA secure_delete = ON")
        with transaction(self._db):
            if day is None:
                events = self._db.execute("DELETE FROM event").rowcount
                days = self._db.execute("DELETE FROM day").rowcount
                for name in (SESSION_NOTE, LEARNT_NOTE, _SALVAGE_NOTE):
                    self._db.execute("DELETE FROM note WHERE name = ?", (name,))
            else:
                # What tells at the next start of the session that was cut off belongs to its day.
                later = self.each(
                    since=since,
                    until=datetime.max.replace(tzinfo=UTC),
                    types={EventType.INTERRUPTED},
                )
                cut = [each.number for each in later if since <= last_seen(each) < until]
                events = self._db.execute(
                    "DELETE FROM event WHERE (at_unix >= ? AND at_unix < ?)"
                    f" OR number IN ({', '.join(map(str, cut))})",
                    (since.timestamp(), until.timestamp()),
                ).rowcount
                days = self._db.execute("DELETE FROM day WHERE date = ?", (str(day),)).rowcount
                if str(day) in (self.note(SESSION_NOTE) or ""):
                    self._db.execute("DELETE FROM note WHERE name = ?", (SESSION_NOTE,))
            self._db.execute("DELETE FROM outbox WHERE number NOT IN (SELECT number FROM event)")
            self._write_notes({"last_number": str(self._number)})
        return int(events), int(days)

    def compact(self) -> bool:
        """Make the file anew of what there is, and empty its log. Whether all of it was possible:
        something that reads the history at the same time keeps what it reads alive."""
        self._db.execute("VACUUM")
        busy, *_ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    # ------------------------------------------------------------ moving

    def copy_from(self, other: Store, *, events: bool) -> None:
        """Take over what another database has: for a card that fails, or is back.

        `events`: its events and notes too, not only what waits and the last number.
        """
        with transaction(self._db):
            for (place,) in other._db.execute("SELECT place FROM acknowledged"):
                self._db.execute("DELETE FROM outbox WHERE place = ?", (place,))
            rows = other._db.execute(
                "SELECT number, id, type, at, at_unix, seat, details FROM event"
                + ("" if events else " WHERE number IN (SELECT number FROM outbox)")
            )
            self._db.executemany("INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            self._requeue(other._db.execute("SELECT place, number, since_unix FROM outbox"))
            for name, value in other._db.execute("SELECT name, value FROM note"):
                self._write_notes({name: value})
            self._db.executemany(
                f"INSERT OR REPLACE INTO day VALUES ({', '.join('?' * (2 + len(TOTALS)))})",
                other._db.execute("SELECT * FROM day"),
            )
        self._number = max(self._number, other._number)

    def salvage(self, path: Path) -> int:
        """Take over what can be read of the database that was set aside last, if that has not been
        done; return how many events. `path`: that of this one. Raises sqlite3.Error."""
        name = self.note(_SALVAGE_NOTE)
        # Tried once more at most: what ends the box each time must not keep it from starting.
        tried, _, name = (name or "").rpartition("/")
        if not name or not path.with_name(name).is_file():
            return 0
        self.save({_SALVAGE_NOTE: "" if tried else f"again/{name}"}, None)
        try:
            found = salvage(path.with_name(name), totals=len(TOTALS))
        except OSError as exc:
            log.warning("of the damaged history nothing can be read: %s", exc)
            return 0
        self.take(found)
        self.save({_SALVAGE_NOTE: ""}, None)
        return len(found.events)

    def take(self, found: Salvaged) -> None:
        """Take over what could be read of a damaged database."""
        with transaction(self._db):
            self._insert_rows("event", 7, found.events.values())
            self._renumber(found.events.values())
            self._requeue(found.outbox.values())
            self._insert_rows("day", 2 + len(TOTALS), found.days.values())
            self._insert_rows("note", 2, found.notes.values())
            self._tidy()
        self._number = self._last_number()

    def _renumber(self, rows: Iterable[Row]) -> None:
        """Events that a bad card has given the number of another come last."""
        kept = {id_ for (id_,) in self._db.execute("SELECT id FROM event")}
        number = self._last_number()
        for row in rows:
            if row[1] not in kept:
                number += 1
                self._insert_rows("event", 7, [(number, *row[1:])])

    def _last_number(self) -> int:
        last = _value(self._db, "SELECT max(number) FROM event WHERE number < ?", (NUMBER_MAX,))
        # Old events are deleted, and their numbers must not come again.
        return max(last or 0, self._noted_number())

    def _insert_rows(self, table: str, columns: int, rows: Iterable[Row]) -> None:
        marks = ", ".join("?" * columns)
        for row in rows:
            # A row that a bad card has given the name of another is not worth losing the rest for.
            self._db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)

    def tidy(self) -> None:
        """Forget what waits without being there, and places from which nothing is ever sent."""
        with transaction(self._db):
            self._tidy()

    def _tidy(self) -> None:
        self._db.execute("DELETE FROM outbox WHERE number NOT IN (SELECT number FROM event)")
        self._db.execute(
            "UPDATE OR IGNORE outbox SET place = number WHERE place < 1 OR place >= ?",
            (NUMBER_MAX,),
        )
        self._db.execute("DELETE FROM outbox WHERE place < 1 OR place >= ?", (NUMBER_MAX,))

    def remember_acknowledged(self, places: Sequence[int]) -> None:
        """For the database that gets its outbox back later."""
        with transaction(self._db):
            self._db.executemany(
                "INSERT OR IGNORE INTO acknowledged VALUES (?)", [(p,) for p in places]
            )

    def is_whole(self) -> bool:
        """The database's own full check of itself."""
        try:
            return bool(_value(self._db, "PRAGMA integrity_check(1)") == "ok")
        except sqlite3.Error:
            return False

    def continue_after(self, number: int) -> None:
        """Number the next event no lower than `number` + 1."""
        self._number = max(self._number, number)

    def close(self) -> None:
        self._db.close()

    # ------------------------------------------------------------ inside a transaction

    def _insert(self, event: Record) -> None:
        details = dict(event.details) | ({"replay": True} if event.replay else {})
        self._db.execute(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                event.number,
                event.id,
                str(event.type),
                event.at.isoformat(),
                event.at.timestamp(),
                event.seat,
                json.dumps(details, ensure_ascii=False),
            ),
        )

    def _queue(self, number: int, since_s: float, *, place: int | None = None) -> None:
        """At the end of the outbox, or at a place of it that is free."""
        if place is None:
            last = _value(self._db, "SELECT max(place) FROM outbox") or 0
            place = max(number, last + 1)
        self._db.execute("INSERT INTO outbox VALUES (?, ?, ?)", (place, number, since_s))

    def _requeue(self, rows: Iterable[Row]) -> None:
        """Take over another outbox, in its order. What has no place of its own there comes last."""
        here = {number for (number,) in self._db.execute("SELECT number FROM outbox")}
        places = {place for (place,) in self._db.execute("SELECT place FROM outbox")}
        homeless = []
        for place, number, since_s in rows:
            if number in here or not isinstance(number, int) or not isinstance(place, int):
                continue
            here.add(number)
            since_s = figure(since_s, most=1e11)
            if 0 < place < NUMBER_MAX and place not in places:
                places.add(place)
                self._queue(number, since_s, place=place)
            else:
                homeless.append((number, since_s))
        for number, since_s in homeless:
            self._queue(number, since_s)

    def _noted_number(self) -> int:
        noted = self.note("last_number") or ""
        # isascii too: Python takes digits of any script for digits, int() not all of them.
        number = int(noted) if noted.isascii() and noted.isdigit() and len(noted) < 16 else 0
        return number if number < NUMBER_MAX else 0

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


# ---------------------------------------------------------------- opening


def open_store(path: Path) -> Store:
    """Open or make the database. Raises Unusable, saying whether the content is to blame."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.exists() and not path.is_file():
            raise Unusable(f"{path} is not a file", damaged=False)
        connection = _connect(path)
    except (OSError, sqlite3.Error) as exc:
        raise Unusable(f"{path} cannot be opened: {exc}", damaged=False) from exc
    try:
        _prepare(connection)
        # Learn of a read-only or full card now, not with the first event.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT OR REPLACE INTO note VALUES ('opened', datetime())")
        connection.execute("COMMIT")
        store = Store(connection)
        store.tidy()
        store.salvage(path)
        return store
    except (sqlite3.Error, ValueError, TypeError) as exc:
        connection.close()
        raise Unusable(f"{path}: {exc}", damaged=is_damage(exc, path)) from exc
    except Unusable:
        connection.close()
        raise


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)


def open_memory() -> Store:
    """A store that forgets, for a box whose card fails or whose history is off."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.executescript(_SCHEMA)
    return Store(connection)


def open_for_reading(path: Path) -> Store:
    """For reports, beside a running box. Raises Unusable."""
    try:
        if not path.is_file():
            msg = f"there is no history yet at {path}; it begins with `procrastobot run`"
            raise Unusable(msg, damaged=False)
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
        )
    except (OSError, sqlite3.Error) as exc:
        raise Unusable(f"{path} cannot be read: {exc}", damaged=False) from exc
    try:
        _check_schema(connection)
        return Store(connection)
    except (sqlite3.Error, ValueError, TypeError) as exc:
        connection.close()
        raise Unusable(f"{path} cannot be read: {exc}", damaged=is_damage(exc, path)) from exc
    except Unusable:
        connection.close()
        raise


def open_salvaged(path: Path) -> Store:
    """In memory, what can be read of a database that is damaged. Raises Unusable."""
    try:
        found = salvage(path, totals=len(TOTALS))
    except OSError as exc:
        raise Unusable(f"{path} cannot be read: {exc}", damaged=False) from exc
    store = open_memory()
    store.take(found)
    return store


def replace_damaged(path: Path, now: datetime) -> tuple[Store, Path, int]:
    """Set a damaged database aside and go on in a new one with what can be read of it; return the
    new one, where the old one is, and how many events were saved. Raises Unusable."""
    try:
        moved = set_aside(path, now)
    except OSError as exc:
        raise Unusable(f"{path} is damaged and cannot be moved: {exc}", damaged=False) from exc
    store = open_store(path)
    # Reading a long one takes a slow board a minute: a start that is cut off has to go on there.
    store.save({_SALVAGE_NOTE: moved.name}, None)
    return store, moved, store.salvage(path)


def set_aside(path: Path, now: datetime) -> Path:
    """Move a broken database out of the way, whole; return where it is now.

    The latest `BROKEN_MAX` are kept.
    """
    name, number = f"{path.name}.broken-{now:%Y%m%dT%H%M%S}", 1
    moved = path.with_name(name)
    while moved.exists():
        number += 1
        moved = path.with_name(f"{name}-{number}")
    for suffix in ("-wal", "-shm", "-journal", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(moved.with_name(moved.name + suffix))
    for old in broken(path)[:-BROKEN_MAX]:
        for suffix in ("-wal", "-shm", "-journal", ""):
            old.with_name(old.name + suffix).unlink(missing_ok=True)
    return moved


def broken(path: Path) -> list[Path]:
    """The databases that were set aside, the oldest first."""
    found = path.parent.glob(f"{path.name}.broken-*")
    whole = [each for each in found if not each.name.endswith(("-wal", "-shm", "-journal"))]
    return sorted(whole, key=lambda each: (each.stat().st_ctime_ns, each.name))


_OF_THE_CARD = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOLFS,
)
_OF_THE_CONTENT = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ)


def is_damage(error: Exception, path: Path) -> bool:
    """Whether the content is broken, rather than the card full, read-only or gone."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None or code in _OF_THE_CONTENT:
        return True
    if code & 0xFF == sqlite3.SQLITE_READONLY:
        # A header that asks for a newer SQLite is not to be written, however well the card is.
        return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    return code & 0xFF not in _OF_THE_CARD


def is_full(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def _prepare(connection: sqlite3.Connection) -> None:
    tables = _value(connection, "SELECT count(*) FROM sqlite_master")
    if not tables and _value(connection, "PRAGMA user_version") == 0:
        connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}COMMIT;")
    _check_schema(connection)
    # Not the quick one: an index that misses a row is damage too.
    found = _value(connection, "PRAGMA integrity_check(1)")
    if found != "ok":
        raise Unusable(f"the history is damaged: {found}", damaged=True)
    connection.execute("PRAGMA journal_mode = WAL")
    # NORMAL in WAL mode may lose the last commits with the power; FULL does not.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")


def _check_schema(connection: sqlite3.Connection) -> None:
    """One letter of it may be wrong, and SQLite none the wiser."""
    version = _value(connection, "PRAGMA user_version")
    if version != SCHEMA_VERSION:
        raise Unusable(f"the history is of another version ({version})", damaged=True)
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master"
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(_SCHEMA)
        wanted = set(fresh.execute(query))
    if not wanted <= set(connection.execute(query)):
        raise Unusable("the history is damaged: its tables are not as they should be", damaged=True)


# ---------------------------------------------------------------- a full card


def is_short_of_room(path: Path) -> bool:
    """Whether so little is left on the card that a history of any size has to give some back."""
    try:
        card = os.statvfs(path.parent)
        size = path.stat().st_size
    except OSError:
        return False
    tenth = card.f_blocks * card.f_frsize // 10
    reserve = min(RESERVE_BYTES, max(LEAST_RESERVE_BYTES, tenth))
    return card.f_bavail * card.f_frsize < reserve < size


def make_room(path: Path) -> int:
    """Delete the oldest quarter of the events and give its place on the card back; return how many
    they were. The database must be closed. Raises sqlite3.Error.

    Nothing of it needs room on the card itself, which is why it trusts the power for a moment: what
    a cut leaves of it is salvaged like any other damage.
    """
    with closing(_connect(path)) as db:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute("PRAGMA journal_mode = MEMORY")
        count = _value(db, "SELECT count(*) FROM event")
        share = max(0.25, 1 - KEPT_BYTES / path.stat().st_size)
        deleted = db.execute(
            "DELETE FROM event WHERE number IN (SELECT number FROM event WHERE number NOT IN"
            " (SELECT number FROM outbox) ORDER BY number LIMIT ?)",
            (int(count * share),),
        ).rowcount
        db.execute("VACUUM")
        return int(deleted)


def _dropped(details: str) -> tuple[int, int]:
    """The count and the first number of an earlier `dropped` event; zeros for what is no number."""
    try:
        said = json.loads(details)
        return int(figure(said["count"])), int(figure(said["first_number"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return 0, 0


def _totals(row: Sequence[object]) -> Totals:
    values: dict[str, Any] = {name: figure(value) for name, value in zip(TOTALS, row, strict=True)}
    for name in ("pickups", "sessions", "clean_sessions", "streak"):
        values[name] = int(values[name])
    return Totals(**values)
