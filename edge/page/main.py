"""Puts the page together, and serves it."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from pathlib import Path
from typing import Any

from edge import settings
from edge.address import listen, reachable, url
from edge.config import Config
from edge.link import path_of
from edge.page.box import Box
from edge.page.login import Login, Store, code_of, in_groups
from edge.page.server import IDLE_S, inherited, serve
from edge.page.site import Site
from edge.telling import history_path, local_time

log = logging.getLogger(__name__)


def main(
    config: Config,
    configuration: Path | None,
    store: Store,
    *,
    host: str | None,
    port: int | None,
    listener: int | None,
) -> int:
    """Until it is stopped, or idle where systemd listens meanwhile; the exit code. `listener`: of
    the box that has started it, the file descriptor."""
    web = config.web
    sockets = inherited()
    activated = bool(sockets)
    if listener is not None:
        sockets.append(socket.socket(fileno=listener))
    if not sockets:
        host, port = host or web.host, web.port if port is None else port
        try:
            sockets = [listen(host, port)]
        except OSError as exc:
            where = url("http", host, port)
            log.error("the page cannot be served at %s (%s)", where, exc.strerror or exc)
            return 1
    if not activated:
        scheme = "https" if web.cert_file else "http"
        at_host, at_port = sockets[0].getsockname()[:2]
        log.info("page: %s", " or ".join(reachable(at_host, at_port, scheme=scheme)))
    login = Login(store, configured=web.password, clock_s=time.monotonic, wall_s=time.time)
    if login.wants_code:
        try:
            log.info("the code for the first login is %s", in_groups(code_of(store)))
        except OSError as exc:
            log.error("nobody can log in: %s", exc)
    tls: dict[str, Any] = {}
    if web.cert_file:
        tls = {"ssl_certfile": web.cert_file, "ssl_keyfile": web.key_file}

    async def live() -> None:
        site = Site(
            login=login,
            box=Box(path_of(config, configuration)),
            configuration=configuration,
            config=lambda: settings.read(configuration).config,
            history=history_path(config, configuration) if config.history.enabled else None,
            wall_clock=local_time,
        )
        await serve(site, sockets, idle_s=IDLE_S if activated else None, tls=tls)

    try:
        asyncio.run(live())
    except KeyboardInterrupt:
        return 0
    return 0
