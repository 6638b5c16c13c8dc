"""`procrastobot hooks`: tell others of what happens, beside the box."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.config import HookConfig

HELP = "call addresses, run commands and notify people when something happens"
EPILOG = """examples:
  procrastobot hooks                 follow the box's history until stopped (its service does that)
  procrastobot hooks --try music     tell one hook of a made-up event, and say what came of it
  procrastobot hooks --wanted        exit code 0 where there is a hook, 1 where there is none

A process of its own that only reads the history: nothing that a hook does reaches the box. What
is told, to whom and when is in [[hooks]] of the configuration; no event is told twice, whatever
happens.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--try", dest="name", metavar="NAME", help="tell one hook, now")
    what.add_argument("--wanted", action="store_true", help="say by exit code whether there is one")
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file")


def run(args: argparse.Namespace) -> int:
    from edge import service, settings

    configuration = args.config or settings.find()
    with service.acting(configuration):
        return _run(args, configuration)


def _run(args: argparse.Namespace, configuration: Path | None) -> int:
    from edge import logs, settings, zone
    from edge.hooks.ledger import path_beside
    from edge.hooks.worker import run_all
    from edge.telling import history_path, local_time

    config = settings.load(configuration)
    zone.use(config.box.timezone)
    hooks = tuple(each for each in config.hooks if each.address or each.command or each.notify)
    if args.wanted:
        return 0 if hooks and config.history.enabled else 1
    logs.set_up(config.box.log_level)
    if args.name:
        return _try(args.name, hooks, config.box.name)
    if not hooks:
        print("there is no hook to be told of anything: [[hooks]] in the configuration", flush=True)
        return 1
    if not config.history.enabled:
        print("hooks follow the history, which is off (history.enabled)", file=sys.stderr)
        return 1
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    history = history_path(config, configuration)
    run_all(
        hooks,
        box=config.box.name,
        history=history,
        ledger=path_beside(history),
        stopping=stopping,
        wall_clock=local_time,
    )
    return 0


def _try(name: str, hooks: tuple[HookConfig, ...], box: str) -> int:
    from edge.domain import Details, EventType
    from edge.history.record import Record, event_id
    from edge.hooks import plan
    from edge.hooks.send import send
    from edge.telling import local_time

    hook = next((h for h in hooks if h.name == name), None)
    if hook is None:
        print(f"there is no hook {name!r} that tells anybody", file=sys.stderr)
        return 2
    now = local_time()
    type_ = EventType.PICKUP if hook.on == plan.PICKUP else EventType.SESSION_END
    details: Details = {"test": True, "why": "this is only a test"}
    event = Record(0, event_id(now), type_, now, None, details)
    answer = send(
        hook,
        plan.message(event, hook.on, hook=hook, box=box, now=now),
        event=event.id,
        words=(box, f"This is only a test of the hook {hook.name}."),
    )
    print("it arrived" if answer.arrived else answer.why)
    return 0 if answer.arrived else 1
