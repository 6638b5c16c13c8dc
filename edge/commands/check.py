"""`procrastobot check`: says what is wrong with a configuration, all of it at once."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.config import ObserveConfig

NAME = "check"
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
    from edge import settings

    if args.example:
        sys.stdout.write(settings.example())
        return 0
    if args.reference:
        sys.stdout.write(settings.reference())
        return 0
    path = args.file or args.config or settings.find()
    config = settings.load(path)
    if args.show:
        sys.stdout.write(settings.shown(config))
        return 0
    source = path or "no file: all defaults"
    if config.camera.fps < config.observe.fewest_fps:
        problem = f" = {config.camera.fps:g}: {too_few_frames(config.observe)}"
        raise settings.ConfigError(str(source), [settings.SettingFault("camera.fps", problem)])
    print(f"{source}: good. {_summary(config)}")
    return 0


def too_few_frames(config: ObserveConfig) -> str:
    return (
        f"no phone is confirmed with fewer than {config.fewest_fps:.3g} frames a second"
        f" (observe.confirm_frames = {config.confirm_frames} of them within observe.window_s ="
        f" {config.window_s:g})"
    )


def _summary(config: object) -> str:
    from edge.config import Config

    assert isinstance(config, Config)
    seats = ", ".join(seat.name for seat in config.seats)
    broker = f"broker {config.mqtt.host}" if config.mqtt.host else "no broker"
    if config.broker.enabled and not config.mqtt.host:
        broker = "the broker in the box"
    return f"Box {config.box.id}, seats: {seats}, mode {config.nudge.mode}, {broker}."
