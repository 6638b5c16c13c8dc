"""`procrastobot page`: the page, in a process of its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "serve the page: what the box does and sees, its settings"
EPILOG = """examples:
  procrastobot page                     at web.host and web.port of the configuration
  procrastobot page --port 8090         at another port
  procrastobot page --code              say the code for the first login, and end

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
        "--forget-password",
        action="store_true",
        help="end all sessions, and let the next one in by a new code",
    )


def run(args: argparse.Namespace) -> int:
    from edge import logs, settings
    from edge.page.login import NAME as KEPT
    from edge.page.login import Kept, Store, code_of, in_groups
    from edge.service import with_sudo
    from edge.telling import history_path

    path = args.config or settings.find()
    # A faulty file is no reason to be without the page that shows what is wrong with it.
    found = settings.read(path)
    config = found.config
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
    logs.set_up(config.box.log_level)
    try:
        from edge.page.main import main
    except ModuleNotFoundError as exc:
        if exc.name not in ("starlette", "uvicorn", "h11", "tomlkit"):
            raise
        print(f"the page needs {exc.name}: deploy/setup.sh page brings it", file=sys.stderr)
        return 78
    return main(config, path, store, host=args.host, port=args.port, listener=args.listener)
