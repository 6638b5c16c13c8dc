"""`procrastobot run`: be the box."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.config import Config

HELP = "be the box: watch, judge, nudge and tell until stopped"
EPILOG = """examples:
  procrastobot run                              with /etc/procrastobot/config.toml, or defaults
  procrastobot run --config my.toml             with a file of yours
  procrastobot run --source clip.mp4 --fast     judge a video as fast as this machine can
  procrastobot run --source FOLDER              judge a folder of pictures, each on for a while
  procrastobot run --set mqtt.host=\\"nas\\"      change one setting for this run

A file or a folder starts a focus session at once; a camera waits for the button, MQTT or
session.autostart, and is tried again every few seconds while it cannot be opened. Exit
codes: 0 stopped or end of the file; 1 camera lost (systemd starts the box again); 78 wrong
configuration or model, or another box that runs with the same history (it does not).
"""


class StopRequested(BaseException):
    """SIGTERM or SIGINT: not an error, and not to be caught by accident."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file")
    parser.add_argument("--source", help="camera.source: a device, a file, a folder, an address")
    parser.add_argument(
        "--fast", action="store_true", help="judge a file as fast as possible, in its own time"
    )
    parser.add_argument("--mode", help="nudge.mode: gentle, strict, light-only")
    parser.add_argument(
        "--simulate", action="store_true", help="simulated pins even where there are real ones"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a setting, e.g. --set policy.phone_hold_s=5 (VALUE is TOML)",
    )


def run(args: argparse.Namespace) -> int:
    from edge import service, settings

    path = args.config or settings.find()
    with service.acting(path):
        return _run(args, path)


def _run(args: argparse.Namespace, path: Path | None) -> int:
    from edge import app, logs, zone

    def read() -> Config:
        return whole(path, assignments(args))

    config = read()
    zone.use(config.box.timezone)
    logs.set_up(config.box.log_level)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _request_stop)
    listener = listening(config)
    try:
        with (
            app.build(config, show=sys.stdout, configuration=path, reread=read) as box,
            page(config, path, listener),
        ):
            code = box.run()
    except StopRequested:
        return 0
    if box.again and os.environ.get("NOTIFY_SOCKET"):
        return os.EX_TEMPFAIL  # systemd starts it again, with all that belongs to a start
    if box.again:
        # In place: for whoever started this process it goes on, and no second one is beside it.
        sys.stdout.flush()
        zone.use("")
        os.execv(sys.executable, sys.orig_argv)
    return code


def has_page(config: Config) -> bool:
    """Whether a page is this process's to start: the service's is started by systemd."""
    return config.web.enabled and not os.environ.get("NOTIFY_SOCKET")


def listening(config: Config) -> socket.socket | None:
    """Where the page will answer, before anybody hears that there is a box: who comes before it is
    up waits. None: the page is to listen itself, and to say why it cannot."""
    from edge.address import listen

    if has_page(config):
        with contextlib.suppress(OSError):
            return listen(config.web.host, config.web.port)
    return None


# As in the unit of the service, deploy/procrastobot-page.service.
FRUGAL = {"MALLOC_MMAP_THRESHOLD_": "1048576", "MALLOC_ARENA_MAX": "2"}


@contextlib.contextmanager
def page(config: Config, path: Path | None, listener: socket.socket | None) -> Iterator[None]:
    """The page of a box that is no service: a process beside it, which ends with it."""
    if not has_page(config):
        yield
        return
    setpriv = shutil.which("setpriv")
    command = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
    command += [sys.executable, "-m", "edge", "page"]
    command += ["--config", str(path)] if path is not None else []
    given = () if listener is None else (listener.fileno(),)
    if given:
        command += ["--listener", str(given[0])]
    else:
        command += ["--host", config.web.host, "--port", str(config.web.port)]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, pass_fds=given, env={**os.environ, **FRUGAL}
    )
    if listener is not None:
        listener.close()  # without a page, nobody is to wait for one
    try:
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)


def whole(path: Path | None, assigned: dict[str, object]) -> Config:
    """The settings of file and command line. Raises ConfigError with all that would stop the box
    for good, in both and in what they name."""
    from edge import checkup, settings

    found = settings.read(path)
    changed = settings.overridden(found.config, assigned)
    world = checkup.examine(changed.config, found.reader, path=path)
    faults = [*found.faults, *(each for each in changed.faults if each not in found.faults)]
    faults += world.faults
    if faults:
        in_file = found.faults or world.faults
        raise settings.ConfigError(found.source if in_file else changed.source, faults)
    return changed.config


def _request_stop(number: int, _: FrameType | None) -> None:
    # Once is enough: a second signal must not interrupt the silencing that the first one began.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise StopRequested(number)


def pairs(given: list[str]) -> dict[str, object]:
    """NAME=VALUE of `--set` as settings. Raises ConfigError, naming every one that is wrong."""
    from edge.address import shown
    from edge.settings import ConfigError, unsettable
    from edge.toml import SettingFault

    chosen: dict[str, object] = {}
    faults = []
    for pair in given:
        name, equals, value = pair.partition("=")
        problem = unsettable(name) if equals else ": NAME=VALUE is wanted"
        if problem:
            faults.append(SettingFault(f"--set {shown(name)}", problem))
            continue
        try:
            chosen[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            # Quotes rarely survive a shell; a bare word means itself.
            chosen[name] = value
    if faults:
        raise ConfigError("command line", faults)
    return chosen


def assignments(args: argparse.Namespace) -> dict[str, object]:
    """Command-line options as settings. Raises ConfigError as `pairs` does."""
    chosen = pairs(args.set)
    if args.source:
        chosen["camera.source"] = args.source
    if args.fast:
        chosen["camera.realtime"] = False
    if args.mode:
        chosen["nudge.mode"] = args.mode
    if args.simulate:
        chosen["hardware.pins"] = "simulated"
    return chosen
