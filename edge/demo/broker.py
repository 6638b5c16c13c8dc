"""A broker for the demo (amqtt), which lasts as long as its screen, on the loopback only.

It speaks MQTT 3.1.1 and has no bounds worth the name: a box that offers a broker runs mosquitto
(edge/mqtt/broker.py).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

from edge.errors import Trouble

if TYPE_CHECKING:
    from amqtt.broker import Broker as AmqttBroker

MAX_CONNECTIONS = 50
START_TIMEOUT_S = 10.0


class NoBroker(Trouble):
    """There is none; the text says why."""


class DemoBroker:
    """A running broker, in a thread and an event loop of its own."""

    def __init__(self) -> None:
        """Start it and wait until it listens. Raises NoBroker."""
        # It logs every connection and packet at INFO, and what it does not understand as WARNING.
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            import amqtt  # noqa: F401
        except ImportError as exc:
            raise NoBroker("the package amqtt is not there; deploy/try installs it") from exc
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._error: BaseException | None = None
        self._broker: AmqttBroker | None = None
        self.port = 0
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)
        self._thread.start()
        if not self._listening.wait(START_TIMEOUT_S):
            raise NoBroker(f"it did not start in {START_TIMEOUT_S:g} s")
        if self._error is not None:
            raise NoBroker(f"it cannot start: {self._error}")

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5.0)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._start())
        except Exception as exc:  # noqa: BLE001 - handed to the thread that waits for it
            self._error = exc
            self._listening.set()
            return
        self._listening.set()
        try:
            self._loop.run_forever()
        finally:
            assert self._broker is not None
            self._loop.run_until_complete(self._broker.shutdown())
            self._loop.close()

    async def _start(self) -> None:
        from edge.demo.broker_bounds import BoundedBroker

        settings: dict[str, Any] = {
            "listeners": {
                "default": {
                    "type": "tcp",
                    "bind": "127.0.0.1:0",  # a free port
                    "max_connections": MAX_CONNECTIONS,
                }
            },
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True},
            },
        }
        self._broker = BoundedBroker(settings)
        await self._broker.start()
        server = self._broker._servers["default"].instance
        self.port = server.sockets[0].getsockname()[1]
