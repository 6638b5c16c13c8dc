"""The service manager: told when the box is ready, and that it is alive. Without one: silence.

The protocol is one datagram with lines of NAME=VALUE (sd_notify(3)); a socket is all it takes.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping

from edge.ports import Watchdog

log = logging.getLogger(__name__)


class SystemdWatchdog:
    """Sends to the socket that systemd named in NOTIFY_SOCKET."""

    def __init__(
        self, address: str, *, watchdog_s: float | None, clock: Callable[[], float]
    ) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        # A tick must not wait for systemd. A pet that finds the queue full is left out; the next
        # comes long before the watchdog's time is over.
        self._socket.setblocking(False)
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._every_s = None if watchdog_s is None else watchdog_s / 3
        self._petted_at_s: float | None = None
        self._clock = clock
        self._line = ""
        self._failed = False

    def ready(self) -> None:
        self._send("READY=1")

    def pet(self) -> None:
        """Call after each finished tick; it tells systemd three times per time-out at most."""
        if self._every_s is None:
            return
        now_s = self._clock()
        if self._petted_at_s is not None and now_s - self._petted_at_s < self._every_s:
            return
        if self._send("WATCHDOG=1"):
            self._petted_at_s = now_s

    def status(self, line: str) -> None:
        """One line for `systemctl status`; the same line again is not sent."""
        line = " ".join(line.split())
        if line != self._line and self._send(f"STATUS={line}"):
            self._line = line

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, message: str) -> bool:
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError as exc:
            if not self._failed:
                log.warning("systemd does not take %s: %s", message.partition("=")[0], exc.strerror)
            self._failed = True
            return False
        self._failed = False
        return True


class NoWatchdog:
    """Nobody started us who wants to know."""

    def ready(self) -> None: ...

    def pet(self) -> None: ...

    def status(self, line: str) -> None: ...

    def stopping(self) -> None: ...


def open_watchdog(
    environ: Mapping[str, str] = os.environ, *, clock: Callable[[], float] = time.monotonic
) -> Watchdog:
    """What the environment says of the service manager; NoWatchdog when it says nothing.

    A watchdog meant for another process (WATCHDOG_PID) is left alone.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return NoWatchdog()
    meant_for_us = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    usec = environ.get("WATCHDOG_USEC", "")
    watchdog_s = int(usec) / 1e6 if meant_for_us and usec.isdecimal() and int(usec) else None
    return SystemdWatchdog(address, watchdog_s=watchdog_s, clock=clock)
