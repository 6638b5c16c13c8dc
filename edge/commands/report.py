"""`procrastobot report`: what the history says."""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.config import Config
    from edge.history.lookback import LookBack
    from edge.history.store import Store
    from edge.page.words import Words

HELP = "what the history says: focus, phone, pick-ups, streak"
EPILOG = """examples:
  procrastobot report                        today
  procrastobot report --week                 the last seven days
  procrastobot report --month 2026-11        a month; --from and --to: any days
  procrastobot report --day 2026-11-02 --events
  procrastobot report --month --html november.html
  procrastobot report --html today.html --language de
  procrastobot report --week --json          the same for programs; --csv: a line a day
  procrastobot report --month --events --csv every event, a line each

Reads the history beside a running box, and never writes to it. Times are minutes; those of several
seats add up, sessions are shared by them. A span of more than six weeks is shown by week, of more
than half a year by month. The HTML file is complete in itself, needs no network,
and is in the language of your terminal (LANG), where the page speaks it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    span = parser.add_mutually_exclusive_group()
    span.add_argument("--day", nargs="?", const="", metavar="DATE", help="one day (default: today)")
    span.add_argument("--week", action="store_true", help="the last seven days")
    span.add_argument("--month", nargs="?", const="", metavar="YYYY-MM", help="a month (this one)")
    span.add_argument("--from", dest="first", metavar="DATE", help="from this day on, to --to")
    parser.add_argument("--to", metavar="DATE", help="the last day of --from (default: today)")
    parser.add_argument("--events", action="store_true", help="list what happened, and why")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--csv", action="store_true", help="print CSV")
    form.add_argument("--html", type=Path, metavar="FILE", help="write a page to look at")
    parser.add_argument("--language", metavar="CODE", help="of --html, as de (default: LANG's)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file")
    parser.add_argument("--history", type=Path, metavar="FILE", help="another history")


def run(args: argparse.Namespace) -> int:
    from edge import settings, zone
    from edge.config import Config
    from edge.history.report import from_file
    from edge.history.store import Unusable
    from edge.service import with_sudo
    from edge.telling import history_path, local_time

    path, config = args.history, Config()
    if path is None or args.config is not None:
        configuration = args.config or settings.find()
        config = settings.load(configuration)
        path = path or history_path(config, configuration)
        zone.use(config.box.timezone)
    now = local_time()
    try:
        words = _words(args.language)
        first, last = days(args, today=now.date())
    except ValueError as exc:
        print(exc, file=sys.stderr)
        return 2
    try:
        from_file(
            path,
            lambda store: told(store, first, last, now=now, args=args, config=config, words=words),
        )
    except (Unusable, PermissionError) as exc:
        print(f"{exc}{with_sudo(path)}", file=sys.stderr)
        return 1
    except OSError as exc:
        print(f"{args.html} cannot be written: {exc.strerror or exc}", file=sys.stderr)
        return 1
    return 0


def _words(asked: str | None) -> Words:
    """The language that is asked for, or that of the terminal. Raises ValueError, in words."""
    from edge.page.words import ENGLISH, languages

    known = languages()
    if asked is not None and asked not in known:
        raise ValueError(f"--language {asked}: there are {', '.join(known)}")
    # The first of these that is set counts (locale(7)).
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    spoken = next(filter(None, names), "")
    return known[asked or (spoken[:2] if spoken[:2] in known else ENGLISH)]


def days(args: argparse.Namespace, *, today: date) -> tuple[date, date]:
    """The first and the last day that are asked for. Raises ValueError, in words."""
    if args.to and not args.first:
        raise ValueError("--to needs --from")
    if args.month is not None:
        first = _date("--month", f"{args.month}-01") if args.month else today.replace(day=1)
        return first, (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    if args.first:
        first = _date("--from", args.first)
        last = _date("--to", args.to) if args.to else max(first, today)
        if first > last:
            raise ValueError(f"--from {first} is after --to {last}")
        return first, last
    last = _date("--day", args.day) if args.day else today
    return last - timedelta(days=min(6 if args.week else 0, (last - date.min).days)), last


def _date(option: str, text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        given = text.removesuffix("-01") if option == "--month" else text
        wanted = "a month like 2026-11" if option == "--month" else "a date like 2026-11-02"
        raise ValueError(f"{option} {given}: {wanted} is wanted") from None
    if not 1970 <= found.year < 9000:
        raise ValueError(f"{option} {text}: nothing can be known of that time")
    return found


def told(
    store: Store,
    first: date,
    last: date,
    *,
    now: datetime,
    args: argparse.Namespace,
    config: Config,
    words: Words,
) -> None:
    """Print or write what is asked for."""
    from edge.files import whole
    from edge.history import export, lookback
    from edge.history.clock import zone_of
    from edge.history.page import Said, page
    from edge.history.report import table
    from edge.history.trial import helped

    if args.events and not args.html:
        zone = zone_of(now)
        lived = lookback.lived(store, first, last, zone=zone)
        if args.json:
            sys.stdout.writelines(export.events_as_json(lived))
        elif args.csv:
            sys.stdout.writelines(export.events_as_csv(lived))
        else:
            for each in lived:
                at = each.at.astimezone(zone)
                when = f"{at:%H:%M:%S}" if first == last else f"{at:%d %b %H:%M:%S}"
                parts = [when, each.seat or "", lookback.what(each), lookback.why(each)]
                print("  ".join(filter(None, parts)))
        return
    found = lookback.look_back(store, first, last, now=now)
    trial = helped(store, config.experiment, now=now)
    if args.html:
        with whole(args.html) as unfinished:
            said = [] if trial is None else [Said("Does it help?", trial.sentences)]
            text = words.page(page(found, box=config.box.name, said=said))
            unfinished.write_text(text, encoding="utf-8")
        print(f"{args.html}: {first} to {last}" if first != last else f"{args.html}: {first}")
    elif args.json:
        more = {} if trial is None else {"experiment": trial.as_json()}
        print(json.dumps(found.as_json() | more, indent=2))
    elif args.csv:
        sys.stdout.writelines(export.days_as_csv(found.report.days))
    else:
        print(table(found.report))
        _more(found)
        if trial is not None:
            print("\n".join(["", "Does it help?", *trial.sentences]))


def _more(found: LookBack) -> None:
    """For several days: the best of it."""
    from edge.history.lookback import duration

    if len(found.report.days) > 1 and found.clean:
        best = found.clean[0]
        print(
            f"longest focus without the phone: {duration(best.clean_s)},"
            f" {best.begin.astimezone():%a %d %b, %H:%M}"
        )
