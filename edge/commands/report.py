"""`procrastobot report`: what the history says."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date, timedelta
from pathlib import Path

NAME = "report"
HELP = "what the history says: focus, phone, pick-ups, streak"
EPILOG = """examples:
  procrastobot report                  today
  procrastobot report --week           the last seven days
  procrastobot report --day 2026-11-02
  procrastobot report --week --json    the same for programs

Reads the history beside a running box, and never writes to it. Times are minutes; those of several
seats add up, sessions are shared by them.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    span = parser.add_mutually_exclusive_group()
    span.add_argument("--day", nargs="?", const="", metavar="DATE", help="one day (default: today)")
    span.add_argument("--week", action="store_true", help="the last seven days")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file")
    parser.add_argument("--history", type=Path, metavar="FILE", help="another history")


def run(args: argparse.Namespace) -> int:
    from edge import settings
    from edge.history.report import read_file, table
    from edge.history.store import Unusable
    from edge.service import with_sudo
    from edge.telling import history_path, local_time

    try:
        last = date.fromisoformat(args.day) if args.day else local_time().date()
    except ValueError:
        print(f"--day {args.day}: a date like 2026-11-02 is wanted", file=sys.stderr)
        return 2
    first = last - timedelta(days=min(6 if args.week else 0, (last - date.min).days))
    path = args.history
    if path is None:
        configuration = args.config or settings.find()
        path = history_path(settings.load(configuration), configuration)
    try:
        report = read_file(path, first, last, now=local_time())
    except (Unusable, PermissionError) as exc:
        print(f"{exc}{with_sudo(path)}", file=sys.stderr)
        return 1
    print(json.dumps(report.as_json(), indent=2) if args.json else table(report))
    return 0
