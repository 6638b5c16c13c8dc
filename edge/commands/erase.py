"""`procrastobot erase`: forget a day, or everything."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

HELP = "erase a day of the history, or all of it, for good"
EPILOG = """examples:
  sudo systemctl stop procrastobot
  sudo procrastobot erase --day 2026-11-02     events, totals and kept pictures of that day
  sudo procrastobot erase --all                everything, what it learnt not to alarm for included
  sudo systemctl start procrastobot

The box must not run meanwhile: it would write down again what it still knows. What was deleted is
overwritten, and the file made anew without it; what an SD card keeps aside of what it was once
given is out of the program's reach. What subscribers (Home Assistant) have heard, they keep.
Settings stay.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--day", metavar="DATE", help="one day, like 2026-11-02")
    what.add_argument("--all", action="store_true", help="everything")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file")
    parser.add_argument("--history", type=Path, metavar="FILE", help="another history")


def run(args: argparse.Namespace) -> int:
    from edge import settings, zone
    from edge.album import folder_of, pictures
    from edge.history.erase import erase, remove
    from edge.history.store import Unusable
    from edge.hooks.ledger import erase as erase_told
    from edge.hooks.ledger import path_beside
    from edge.lock import Held, Lock
    from edge.service import with_sudo
    from edge.state_dir import state_dir
    from edge.telling import history_path, local_time

    try:
        day = None if args.all else date.fromisoformat(args.day)
    except ValueError:
        print(f"--day {args.day}: a date like 2026-11-02 is wanted", file=sys.stderr)
        return 2
    path, kept = args.history, []
    if path is None:
        configuration = args.config or settings.find()
        config = settings.load(configuration)
        zone.use(config.box.timezone)
        path = history_path(config, configuration)
        kept = pictures(folder_of(config.privacy, state_dir(configuration)), day)
    try:
        lock = Lock(path)
    except Held as exc:
        print(
            f"a box{exc.by} runs with this history, and would write down again what it knows: stop"
            " it first (the service: sudo systemctl stop procrastobot)",
            file=sys.stderr,
        )
        return 1
    try:
        if not args.yes and not _agreed(path, day):
            print("nothing was erased")
            return 1
        gone = erase(path, day, now=local_time())
        told = erase_told(path_beside(path), day)
        removed = remove(kept)
    except (Unusable, OSError) as exc:
        print(f"{exc}{with_sudo(path)}", file=sys.stderr)
        return 1
    finally:
        lock.close()
    counted = [(gone.events, "event"), (gone.days, "total of a day"), (removed, "picture")]
    counted.append((told, "note of what a hook was told"))
    counted.append((gone.aside, "history set aside as damaged"))
    said = [f"{count} x {what}" for count, what in counted if count]
    print(f"erased: {', '.join(said) or 'there was nothing'}")
    return 0


def _agreed(path: Path, day: date | None) -> bool:
    """Asks; only the whole word will do, and only from somebody who is there."""
    if not sys.stdin.isatty():
        print("nobody is there to agree; with --yes it does not ask", file=sys.stderr)
        return False
    what = "everything" if day is None else f"all of {day:%A %d %B %Y}"
    print(f"This erases {what} from {path}, for good. Type yes to go on: ", end="", flush=True)
    return sys.stdin.readline().strip().lower() == "yes"
