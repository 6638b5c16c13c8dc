"""Serves the site: on the sockets of systemd, and then gone after some idle minutes, or by hand."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Mapping, MutableMapping
from functools import partial
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge.page.doors import Refusals
from edge.page.site import Site

log = logging.getLogger(__name__)

FIRST_FD = 3  # sd_listen_fds(3)
IDLE_S = 600.0
LOOK_AROUND_S = 5
HEADER_PATIENCE_S = 10.0  # from the beginning of a request to the end of its head, however it drips
TAKING_PATIENCE_S = 30.0  # for who asks for much and does not take it: a file is open meanwhile
MOST_CONNECTIONS = 128
LONGEST_HEAD = 16 * 1024


class Patient(H11Protocol):
    """The library's protocol, with an end to its patience: a head that does not come, and more
    connections than anybody needs. Whoever says nothing loses to whoever comes next."""

    def __init__(self, *args: Any, refusals: Refusals, **more: Any) -> None:
        super().__init__(*args, **more)
        self._refusals = refusals

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.since_s = time.monotonic()
        self._patience: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None
        self._wait()
        if len(self.connections) > MOST_CONNECTIONS:
            others = [each for each in self.connections if isinstance(each, Patient)]
            min(others, key=lambda each: (each.asking, each.since_s)).transport.abort()

    @property
    def asking(self) -> bool:
        """Whether an answer is being made for it."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def silent(self) -> bool:
        """Whether nothing was asked, or not to the end."""
        return self.conn.their_state is h11.IDLE

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.silent or not self.conn.trailing_data[0]:
            self._stop_waiting()
        elif self._patience is None:
            self._wait()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._taking = self.loop.call_later(TAKING_PATIENCE_S, self._give_up)

    def resume_writing(self) -> None:
        self._stop_taking()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_taking()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._patience = self.loop.call_later(HEADER_PATIENCE_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _stop_taking(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _give_up(self) -> None:
        # A browser may open a connection in advance, and never use it: that is nothing to tell.
        if self._taking is not None or self.conn.trailing_data[0]:
            peer = self.client[0] if self.client else "somebody"
            self._refusals.say(peer, "began what it did not end, and was hung up on")
        self.transport.abort()


def inherited(environ: MutableMapping[str, str] = os.environ) -> list[socket.socket]:
    """The sockets that systemd listens on for us; none when it does not."""
    count = environ.pop("LISTEN_FDS", "")
    meant_for = environ.pop("LISTEN_PID", "")
    environ.pop("LISTEN_FDNAMES", None)
    if meant_for != str(os.getpid()) or not count.isdecimal():
        return []
    found = []
    for number in range(FIRST_FD, FIRST_FD + int(count)):
        os.set_inheritable(number, False)
        found.append(socket.socket(fileno=number))
    return found


async def serve(
    site: Site,
    sockets: list[socket.socket],
    *,
    idle_s: float | None,
    tls: Mapping[str, Any],
) -> None:
    """Until it is told to stop, or nobody has come for `idle_s`."""
    server: uvicorn.Server

    async def look_around() -> None:
        if idle_s is not None and time.monotonic() - site.used_s > idle_s:
            log.info("nobody has looked for %g min: until somebody comes", idle_s / 60)
            server.should_exit = True

    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    # A page asks every second; and what is asked may hold a password.
    logging.getLogger("uvicorn.access").disabled = True
    config = uvicorn.Config(
        site.app,
        loop="asyncio",
        http=partial(Patient, refusals=site.refusals),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=LONGEST_HEAD,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
        timeout_notify=LOOK_AROUND_S,
        callback_notify=look_around,
        **tls,
    )
    server = uvicorn.Server(config)
    await server.serve(sockets)
