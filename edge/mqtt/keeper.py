"""Keeps a mosquitto running: as a child of the box, or as the service procrastobot-broker.

    python -I -m edge.mqtt.keeper FOLDER     with FOLDER/mosquitto.conf, until it is told to stop

Standard library only: as a service of its own it has to be small.

mosquitto refuses whoever sends when its memory (`memory_limit`) is full, the box too. What fills it
is what others had it retain or left in sessions for ever; all of that is in its memory only. So it
is started anew then, and boxes say again what is so.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pwd
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

log = logging.getLogger(__name__)

CONFIG = "mosquitto.conf"
OPEN_FILES = 4096
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
SETTLED_S = 60.0
STOP_PATIENCE_S = 5.0
FULL = "out of memory"
NOT_INSTALLED = (
    "the broker in the box is mosquitto, which is not installed: sudo apt install mosquitto"
)


def find_mosquitto() -> str | None:
    """Debian puts it where an ordinary user's PATH does not look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def unprivileged() -> str | None:
    """Whom root lets mosquitto run as; None: it runs as whoever starts it."""
    if os.geteuid() != 0:
        return None
    for name in ("mosquitto", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    return None


class Keeper:
    """Runs mosquitto with the configuration in `folder`, again whenever it ends."""

    def __init__(self, folder: Path, *, service: bool = False) -> None:
        """`service`: systemd sees to its limits and its end, and forbids to ask for them."""
        self._folder = folder
        self._wrap = [] if service else _bounds()
        self._closing = threading.Event()
        self._running = threading.Event()
        self._changed = threading.Event()  # it runs, or has ended
        self._guard = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._full = False
        self.why = "it has not started yet"  # why it does not run; empty: it does

    def wait(self, patience_s: float) -> bool:
        """Until it listens, or has failed for the first time; whether it listens."""
        self._changed.wait(patience_s)
        return self._running.is_set()

    def keep(self) -> None:
        """Returns after `close`."""
        wait_s = FIRST_WAIT_S
        while not self._closing.is_set():
            began_s = time.monotonic()
            self.why = self._run()
            if self._closing.is_set():
                return
            if time.monotonic() - began_s >= SETTLED_S:
                wait_s = FIRST_WAIT_S
            log.warning(
                "the broker in the box does not run: %s; tried again in %g s", self.why, wait_s
            )
            self._running.clear()
            self._changed.set()
            self._closing.wait(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def close(self) -> None:
        """May be called from anywhere, in a signal handler too."""
        self._closing.set()
        process = self._process
        if process is not None:
            process.terminate()

    def _run(self) -> str:
        """Once, from its start to its end; returns why it ended."""
        self._full = False
        binary = find_mosquitto()
        if binary is None:
            return NOT_INSTALLED
        try:
            process = subprocess.Popen(
                [*self._wrap, binary, "-c", str(self._folder / CONFIG)],
                user=unprivileged(),
                extra_groups=[] if os.geteuid() == 0 else None,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                errors="replace",  # and so it is text
            )
        except OSError as exc:
            return f"it cannot be started: {exc}"
        self._process = process
        if self._closing.is_set():
            process.terminate()
        why = last = ""
        assert process.stderr is not None
        for line in process.stderr:
            last = line.strip() or last
            why = self._hear(line.strip()) or why
        try:
            code = process.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:  # it has closed its end of the pipe, and goes on
            process.kill()
            code = process.wait()
        self._process = None
        if self._full:
            return "its memory was full; what others had it keep is forgotten"
        return why or f"it ended (exit code {code}): {last}"

    def _hear(self, line: str) -> str:
        """What mosquitto says; returns the error, if it is one."""
        log.debug("mosquitto: %s", line)
        if line.startswith("mosquitto version") and line.endswith("running"):
            log.info("the broker in the box runs (%s)", " ".join(line.split()[:3]))
            self.why = ""
            self._running.set()
            self._changed.set()
        elif FULL in line and not self._full and self._process is not None:
            self._full = True
            self._process.terminate()
        return line.removeprefix("Error: ") if line.startswith("Error") else ""


def _bounds() -> list[str]:
    """In front of the command: files enough for its connections, and it dies with its keeper."""
    wrap: list[str] = []
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY or most > OPEN_FILES:
        most = OPEN_FILES
    prlimit = shutil.which("prlimit")
    if prlimit and now < most:
        wrap += [prlimit, f"--nofile={most}:{most}"]
    if setpriv := shutil.which("setpriv"):
        wrap += [setpriv, "--pdeathsig", "KILL", "--"]
    return wrap


def main(arguments: list[str]) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    keeper = Keeper(Path(arguments[0]), service=bool(os.environ.get("INVOCATION_ID")))

    def stop(_: int, __: FrameType | None) -> None:
        keeper.close()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    keeper.keep()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
