"""Histories with bytes that a card has changed, and what must be so with every one of them.

`python -m tests.fuzz_history --count 10000` tries that many; tests/test_history_fuzz.py some.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import random
import shutil
import sqlite3
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from edge import decide
from edge.__main__ import main as command
from edge.config import Config, HistoryConfig
from edge.domain import (
    Box,
    EventType,
    Happening,
    LookAlike,
    Session,
    Totals,
)
from edge.history.recorder import Recorder
from edge.history.report import read_file
from edge.inbox import CommandInbox
from edge.mqtt.payloads import encode, event_payload, today_payload
from tests.fakes import FakeClock, FakeWall

NOON = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
SEATS = ("desk",)
DAYS = 8
WORDS = (b"\x00", b"\xff", b"NaN", b"1e999", b"\\ud800", b"[[[[", b'"', b"9" * 9, b"\x80\x80")


class Run:
    """One run of the box's history, in the only process there is."""

    def __init__(self, path: Path, *, at: datetime = NOON) -> None:
        self.clock = FakeClock()
        self.inbox = CommandInbox()
        self.recorder = Recorder(
            path,
            seats=SEATS,
            config=HistoryConfig(),
            inbox=self.inbox,
            wall_clock=FakeWall(at, self.clock),
            clock=self.clock,
            kept=lambda: True,
        )
        self.state = decide.start(Config(), at_s=0.0, totals=self.recorder.today.totals)

    def tell(self, type_: EventType, **details: str | float) -> None:
        self.recorder.tell(Happening(type_, self.clock(), "desk", details), self.state)

    def sent(self) -> set[int]:
        """The numbers of all that is sent, as a broker that acknowledges each hears them."""
        numbers: set[int] = set()
        while True:
            found: list = []
            self.recorder.fetch(0, 50, found.extend)
            self.recorder.drain(60.0)
            if not found:
                return numbers
            for waiting in found:
                encode(event_payload(waiting.record, now=NOON))
                numbers.add(waiting.record.number)
                self.recorder.acknowledge(waiting.place)


def sound_history(path: Path, *, wal: bool) -> None:
    """A history as a box leaves it: some days, events of all types, some of them waiting.

    wal: as a power cut leaves it, with the latest in the write-ahead log
    """
    with mock.patch("secrets.randbits", random.Random(1).getrandbits):  # the same ids every time
        _live(Run(path, at=NOON - timedelta(days=DAYS)), path, wal=wal)


def _live(seed: Run, path: Path, *, wal: bool) -> None:
    for day in range(DAYS):
        totals = (Totals(focus_s=600.0 * day, working_s=600.0 * day, pickups=day, streak=day),)
        for number, type_ in enumerate(EventType):
            seed.clock.advance(60)
            learnt = tuple(
                LookAlike(n, "desk", Box(0.1, 0.2, 0.3, 0.4), 0.5, 2) for n in range(1, 4)
            )
            seed.state = replace(
                seed.state,
                at_s=seed.clock(),
                session=Session.FOCUS,
                totals=totals,
                look_alikes=learnt,
            )
            seed.tell(type_, median=0.5, why="raised" * (1 + number % 3), clean_s=12.5)
            seed.recorder.drain(60.0)
        seed.clock.advance(86400 - 60 * len(EventType))
    for place in range(1, 10 * DAYS):
        seed.recorder.acknowledge(place)
        seed.recorder.drain(60.0)
    if wal:
        seed.recorder.drain(60.0)
        seed.recorder._store._db.execute("PRAGMA wal_checkpoint")
        for _ in range(40):
            seed.tell(EventType.LEVEL, median=0.7)
        seed.recorder.drain(60.0)
        copy = path.with_name("copy")
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
        seed.recorder.close()
        for suffix in ("", "-wal"):
            shutil.move(f"{copy}{suffix}", f"{path}{suffix}")
    else:
        seed.recorder.close()


def mutate(path: Path, chance: random.Random) -> str:
    """Change the files of a history as a bad card or a power cut does; returns what was done."""
    log = path.with_name(path.name + "-wal")
    target = log if log.exists() and chance.random() < 0.4 else path
    content = bytearray(target.read_bytes())
    done = []
    for _ in range(chance.choice((1, 1, 1, 2, 5, 30))):
        # Half of the hits go where they hurt most: header and schema, or the head of a page.
        at = chance.choice(
            (
                chance.randrange(len(content)),
                chance.randrange(len(content)),
                chance.randrange(min(4096, len(content))),
                min(
                    chance.randrange(len(content)) // 4096 * 4096 + chance.randrange(60),
                    len(content) - 1,
                ),
            )
        )
        match chance.randrange(8):
            case 0 | 1 | 2:
                content[at] ^= 1 << chance.randrange(8)
                done.append(f"bit at {at}")
            case 3:
                content[at] = chance.randrange(256)
                done.append(f"byte at {at}")
            case 4:
                word = chance.choice(WORDS)
                content[at : at + len(word)] = word
                done.append(f"{word!r} at {at}")
            case 5:
                length = chance.choice((16, 512, 4096))
                content[at : at + length] = bytes(
                    chance.choice((b"\0", b"\xff", chance.randbytes(1)))
                    * min(length, len(content) - at)
                )
                done.append(f"{length} bytes at {at}")
            case 6:
                page, other = (chance.randrange(-(-len(content) // 4096)) * 4096 for _ in "12")
                content[page : page + 4096] = content[other : other + 4096]
                done.append(f"page {other // 4096} at {page // 4096}")
            case 7:
                if chance.random() < 0.3:
                    del content[max(at, 1) :]
                    done.append(f"cut at {at}")
                else:
                    content[at:at] = b""
    target.write_bytes(content)
    return f"{target.name}: {', '.join(done)}"


def readable(path: Path) -> tuple[set[int], set[int]]:
    """(events, those that wait): the numbers of what SQLite itself can read, a row at a time."""
    found: list[set[int]] = []
    copy = path.with_name("oracle")
    for suffix in ("", "-wal"):
        if path.with_name(path.name + suffix).exists():
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    try:
        with contextlib.closing(sqlite3.connect(copy)) as db:
            db.text_factory = lambda text: text.decode(errors="replace")
            if db.execute("PRAGMA encoding").fetchone()[0] != "UTF-8":
                return set(), set()  # it would take every text for another
            for query, shape in (
                ("SELECT number, id, type, at, at_unix, seat, details FROM event", "event"),
                # All of it: the index alone, which has two columns, is no row.
                ("SELECT number, place, since_s FROM outbox", "outbox"),
            ):
                rows = set()
                for order in ("", " ORDER BY number DESC"):
                    with contextlib.suppress(sqlite3.Error, ValueError):
                        for row in db.execute(query + order):
                            if is_whole(row, shape):
                                rows.add(row[0])
                found.append(rows)
    except (sqlite3.Error, ValueError, TypeError):
        pass
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)
    found += [set()] * (2 - len(found))
    return found[0], found[1]


def is_whole(row: tuple, shape: str) -> bool:
    """Whether it is a row of ours, and not the bytes of another that a torn page passes for one."""
    if shape == "outbox":
        return isinstance(row[0], int) and isinstance(row[1], int) and 0 < row[1] < 10_000
    number, id_, type_, at, at_unix, seat, details = row
    texts = all(isinstance(each, str) for each in (id_, type_, at, details))
    return (
        texts
        and isinstance(number, int)
        and 0 < number < 10_000
        and len(id_) == 36
        and isinstance(at_unix, float)
        and 1.7e9 < at_unix < 1.8e9
        and (seat is None or isinstance(seat, str))
        and details.startswith("{")
    )


class Said(logging.Handler):
    """Hears whether anything was said with a traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.tracebacks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[0] is not None:
            self.tracebacks.append("".join(traceback.format_exception(*record.exc_info)))


@contextlib.contextmanager
def listening() -> Iterator[Said]:
    said = Said()
    root = logging.getLogger()
    level, propagate = root.level, root.handlers[:]
    root.handlers[:] = [said]
    root.setLevel(logging.DEBUG)
    try:
        yield said
    finally:
        root.handlers[:] = propagate
        root.setLevel(level)


def faults(path: Path) -> list[str]:
    """Start a box on a history that was changed, let it work and stop it; what went wrong then."""
    events, waiting = readable(path)
    found: list[str] = []
    with listening() as said:
        found += _reported(path)
        try:
            run = Run(path)
            sent = run.sent()
            run.tell(EventType.PICKUP, clean_s=3.0)
            new = run.sent()
            encode(today_payload(run.recorder.today, since=NOON))
            run.recorder.close()
            if not run.recorder._on_card:
                found.append("the history did not go on on the card")
        except Exception:  # noqa: BLE001 - whatever it is, it is the finding
            return [*found, traceback.format_exc()]
        if len(new - events) != 1:
            found.append(f"a new event was not sent alone and with a number of its own: {new}")
        if lost := (waiting & events) - sent - new:
            found.append(f"{len(lost)} events that could be read and waited were not sent: {lost}")
        found += _reported(path)
        with contextlib.closing(sqlite3.connect(path)) as db:
            kept = {number for (number,) in db.execute("SELECT number FROM event")}
            if db.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                found.append("what goes on is not whole")
        if lost := events - kept:
            found.append(f"{len(lost)} events that could be read are lost: {sorted(lost)[:9]}")
    return found + said.tracebacks


def _reported(path: Path) -> list[str]:
    try:
        read_file(path, NOON.date() - timedelta(days=30), NOON.date(), now=NOON).as_json()
        out, error = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            code = command(["report", "--week", "--json", "--history", str(path)])
        json.loads(out.getvalue() or "{}")
    except Exception:  # noqa: BLE001
        return [traceback.format_exc()]
    return [] if code == 0 else [f"report: exit {code}: {error.getvalue()}"]


class Histories:
    """Makes the n-th changed history, the same one every time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sound = []
        for wal in (False, True):
            path = folder / f"sound-{wal}.db"
            sound_history(path, wal=wal)
            self._sound.append(path)

    def try_one(self, seed: int) -> tuple[str, list[str]]:
        chance = random.Random(seed)
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            path = Path(folder) / "history.db"
            sound = self._sound[chance.random() < 0.4]
            for suffix in ("", "-wal"):
                if sound.with_name(sound.name + suffix).exists():
                    shutil.copy(f"{sound}{suffix}", f"{path}{suffix}")
            done = mutate(path, chance)
            return done, faults(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        histories = Histories(Path(folder))
        for seed in range(given.first, given.first + given.count):
            done, found = histories.try_one(seed)
            if found:
                bad += 1
                print(f"{seed}: {done}", *found, sep="\n  ", flush=True)
            if (seed + 1) % 500 == 0:
                print(f"up to {seed}", file=sys.stderr, flush=True)
    print(f"{given.count} changed histories, {bad} with a fault")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
