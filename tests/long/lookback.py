"""What looking back costs with a history as long as nobody's: `python -m tests.long.lookback`.

Prints, for a history of so many events, how long a view of a month, a year, the exports and an
erasure take, and how much memory each of them needs at most: each runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from edge.domain import Totals
from edge.history.days import Day
from edge.history.record import event_id
from edge.history.store import open_store, transaction

LAST = date(2026, 11, 27)  # not before the program, which a date of the past would be
SESSIONS_A_DAY = 12
EDGES = {"ymin": 0.41, "xmin": 0.22, "ymax": 0.61, "xmax": 0.33}


def sessions(day: date, events: int, chance: random.Random) -> Iterator[tuple[datetime, str, str]]:
    """(when, type, details) of a day of so many events: sessions full of pick-ups."""
    each = max(1, (events // SESSIONS_A_DAY - 2) // 4)
    for number in range(SESSIONS_A_DAY):
        begin = datetime(day.year, day.month, day.day, 7, tzinfo=UTC) + timedelta(hours=number)
        yield begin, "session_start", '{"minutes": 50.0, "mode": "gentle"}'
        gap_s = 3000 / each
        for index in range(each):
            at = begin + timedelta(seconds=gap_s * index)
            lasted_s = round(gap_s * chance.uniform(0.1, 0.8), 3)
            found = {"median": round(chance.uniform(0.4, 0.9), 3), "why": "raised", **EDGES}
            found |= {"clean_s": round(gap_s - lasted_s, 3), "unseen_s": 0.0}
            reason = f"phone in hand for 5 s, median score {found['median']:.2f}"
            yield at, "pickup", json.dumps(found)
            yield at, "level", json.dumps({"level": 1, "reason": reason})
            later = at + timedelta(seconds=lasted_s / 2)
            yield later, "level", json.dumps({"level": 2, "reason": reason})
            ended = {"lasted_s": lasted_s, "level": 2, "then": "working"}
            yield at + timedelta(seconds=lasted_s), "putdown", json.dumps(ended)
        ended = {"completed": True, "clean": False, "pickups": each, "lasted_s": 3000.0}
        yield begin + timedelta(seconds=3000), "session_end", json.dumps(ended)


def make(path: Path, *, events: int, days: int) -> int:
    """A history of about so many events on as many days up to LAST; returns how many they are."""
    chance = random.Random(1)
    number = 0
    with closing(open_store(path)) as store:
        db = store._db
        db.execute("PRAGMA synchronous = OFF")
        for back in range(days - 1, -1, -1):
            day = LAST - timedelta(days=back)
            rows = []
            for at, type_, details in sessions(day, events // days, chance):
                number += 1
                seat = "desk" if type_ in ("pickup", "putdown", "level") else None
                rows.append(
                    (number, event_id(at), type_, at.isoformat(), at.timestamp(), seat, details)
                )
            with transaction(db):
                db.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
                totals = Totals(focus_s=36000.0, working_s=20000.0, phone_s=16000.0, pickups=99)
                store._write_day(Day(day.isoformat(), ("desk",), (totals,)))
    return number


CODE = """
import resource, sys, time
from edge.__main__ import main
began_s = time.perf_counter()
code = main(sys.argv[1:])
took_s = time.perf_counter() - began_s
used = resource.getrusage(resource.RUSAGE_SELF)
print(code, took_s, used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
"""


def measured(arguments: list[str]) -> tuple[float, float, float]:
    """(seconds, seconds of a processor, peak MiB) of one command; the latter two with its start."""
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [sys.executable, "-c", CODE, *arguments],
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
            env=os.environ | {"TZ": "UTC"},
        )
    code, took_s, cpu_s, peak_kib = done.stderr.split()[-4:]
    if code != "0":
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr}")
    return float(took_s), float(cpu_s), int(peak_kib) / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, nargs="+", default=[330], help="on so many days")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    figures: list[dict[str, Any]] = []
    for days in args.days:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "history.db"
            began_s = time.perf_counter()
            count = make(path, events=args.events, days=days)
            size_mib = path.stat().st_size / 2**20
            made_s = time.perf_counter() - began_s
            print(f"{count} events on {days} days, {size_mib:.0f} MiB (made in {made_s:.0f} s)")
            beside = ["--history", str(path)]
            month = ["--from", str(LAST - timedelta(days=30)), "--to", str(LAST)]
            year = ["--from", str(LAST - timedelta(days=329)), "--to", str(LAST)]
            middle = str(LAST - timedelta(days=15))
            for name, arguments in {
                "a day": ["report", "--day", str(LAST), *beside],
                "a month, table": ["report", *month, *beside],
                "a month, JSON": ["report", *month, "--json", *beside],
                "a month, HTML": ["report", *month, "--html", f"{folder}/r.html", *beside],
                "330 days, table": ["report", *year, *beside],
                "all events, CSV": ["report", *year, "--events", "--csv", *beside],
                "all events, JSON": ["report", *year, "--events", "--json", *beside],
                "one day erased": ["erase", "--day", middle, "--yes", *beside],
                "all erased": ["erase", "--all", "--yes", *beside],
            }.items():
                took_s, cpu_s, peak_mib = measured(arguments)
                print(
                    f"  {name:20} {took_s:6.2f} s, of a processor {cpu_s:6.2f} s "
                    f" {peak_mib:6.1f} MiB",
                    flush=True,
                )
                figures.append(
                    {
                        "events": count,
                        "days": days,
                        "what": name,
                        "s": took_s,
                        "cpu_s": cpu_s,
                        "mib": peak_mib,
                    }
                )
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
