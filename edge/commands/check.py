"""`procrastobot check`: says what is wrong with a configuration, all of it at once."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "check a configuration file and name every fault at once"
EPILOG = """examples:
  procrastobot check                       the file that `run` would use
  procrastobot check my.toml               a file of yours
  procrastobot check my.toml --show        all settings in force, secrets hidden
  procrastobot check --example             an example file with every setting
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("file", nargs="?", type=Path, help="the file; default: as for `run`")
    which.add_argument("--config", type=Path, metavar="FILE", help="the same, as for `run`")
    parser.add_argument("--show", action="store_true", help="print the settings in force")
    parser.add_argument("--example", action="store_true", help="print the example file")
    parser.add_argument("--reference", action="store_true", help="print all settings as Markdown")


def run(args: argparse.Namespace) -> int:
    from edge import checkup, settings

    if args.example:
        sys.stdout.write(settings.example())
        return 0
    if args.reference:
        sys.stdout.write(settings.reference())
        return 0
    path = args.file or args.config or settings.find()
    found = settings.read(path)
    if args.show:
        sys.stdout.write(settings.shown(found.checked()))
        return 0
    world = checkup.examine(found.config, found.reader, path=path)
    for note in world.notes:
        print(f"{found.source}: {note}", file=sys.stderr)
    faults = [*found.faults, *world.faults, *world.hindrances]
    if faults:
        raise settings.ConfigError(found.source, faults)
    print(f"{found.source}: good. {_summary(found.config)}")
    return 0


def _summary(config: object) -> str:
    from edge.address import shown
    from edge.config import Config

    assert isinstance(config, Config)
    seats = ", ".join(seat.name for seat in config.seats)
    broker = f"broker {shown(config.mqtt.host)}" if config.mqtt.host else "no broker"
    if config.broker.enabled and not config.mqtt.host:
        broker = "the broker in the box"
    return f"Box {config.box.id}, seats: {seats}, mode {config.nudge.mode}, {broker}."
