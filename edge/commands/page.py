"""`procrastobot page`: the page, in a process of its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from edge.config import Config

HELP = "serve the page: what the box does and sees, its settings"
EPILOG = """examples:
  procrastobot page                     at web.host and web.port of the configuration
  procrastobot page --port 8090         at another port
  procrastobot page --code              say the code for the first login, and end
  procrastobot page --certificate       make a certificate for https, and end

As a service it starts when somebody comes, and ends when nobody has looked for ten minutes. The box
answers it where web.enabled is true. Its library comes with the extra `page`.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file")
    parser.add_argument("--host", help="address to listen on; default: web.host")
    parser.add_argument("--port", type=int, help="port to listen on; default: web.port")
    parser.add_argument("--listener", type=int, help=argparse.SUPPRESS)
    parser.add_argument(
        "--code", action="store_true", help="print the code for the first login, and end"
    )
    parser.add_argument(
        "--certificate",
        action="store_true",
        help="make a certificate, have the configuration name it, and end",
    )
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        help="of --certificate: one more name or address by which the box is reached",
    )
    parser.add_argument(
        "--forget-password",
        action="store_true",
        help="end all sessions, and let the next one in by a new code",
    )


def run(args: argparse.Namespace) -> int:
    from edge import logs, service, settings, zone
    from edge.page.login import NAME as KEPT
    from edge.page.login import Kept, Store, code_of, in_groups
    from edge.service import with_sudo
    from edge.telling import history_path

    path = args.config or settings.find()
    # A faulty file is no reason to be without the page that shows what is wrong with it.
    found = settings.read(path)
    config = found.config
    zone.use("" if zone.problem(config.box.timezone) else config.box.timezone)
    store = Store(history_path(config, path).with_name(KEPT))
    try:
        if args.forget_password:
            store.write(Kept())
        if args.code or args.forget_password:
            code = code_of(store)
            print(in_groups(code) if code else "there is a password already (--forget-password)")
            return 0
    except OSError as exc:
        print(f"{exc}{with_sudo(history_path(config, path))}", file=sys.stderr)
        return 1
    try:
        if args.certificate:
            with service.acting(path):
                return _certificate(path, config, args.name)
        from edge.page.main import main
    except ModuleNotFoundError as exc:
        if exc.name not in ("starlette", "uvicorn", "h11", "tomlkit"):
            raise
        print(f"the page needs {exc.name}: deploy/setup.sh page brings it", file=sys.stderr)
        return 78
    logs.set_up(config.box.log_level)
    return main(config, path, store, host=args.host, port=args.port, listener=args.listener)


def _certificate(path: Path | None, config: Config, more: list[str]) -> int:
    from edge.address import reachable
    from edge.page.certificate import NotMade, make

    there = [urlsplit(each).hostname or "" for each in reachable(config.web.host, 0)]
    try:
        made = make(path, present=config.web.cert_file, asked=[*filter(None, there), *more])
    except NotMade as exc:
        print(f"no certificate: {exc}", file=sys.stderr)
        return 1
    print(f"{made.certificate}: for {', '.join(made.names)}")
    print("A browser asks once whether to trust it. It is the right one with this fingerprint:")
    print(made.fingerprint)
    print("The page speaks https after the next start of the box.")
    return 0
