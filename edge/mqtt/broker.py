"""The broker in the box (amqtt), for those who have none. It speaks MQTT 3.1.1."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

from edge.config import BrokerConfig
from edge.errors import Trouble

if TYPE_CHECKING:
    from amqtt.broker import Broker as AmqttBroker

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 50
START_TIMEOUT_S = 10.0


class BrokerFailed(Trouble):
    """It does not run; the text says why."""


class Broker:
    """A running broker, in a thread and an event loop of its own."""

    def __init__(self, config: BrokerConfig) -> None:
        """Start it and wait until it listens. Raises BrokerFailed."""
        self._config = config
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._error: BaseException | None = None
        self._broker: AmqttBroker | None = None
        self.port = config.port
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)
        self._thread.start()
        if not self._listening.wait(START_TIMEOUT_S):
            raise BrokerFailed(f"the broker in the box did not start in {START_TIMEOUT_S:g} s")
        if self._error is not None:
            raise BrokerFailed(f"the broker in the box cannot start: {self._error}")

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
        from edge.mqtt.broker_bounds import BoundedBroker

        settings: dict[str, Any] = {
            "listeners": {
                "default": {
                    "type": "tcp",
                    "bind": f"{self._config.host}:{self._config.port}",
                    "max_connections": MAX_CONNECTIONS,
                }
            },
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True},
            },
        }
        self._broker = BoundedBroker(settings)
        await self._broker.start()
        # Port 0 asks the system for a free one.
        server = self._broker._servers["default"].instance
        self.port = server.sockets[0].getsockname()[1]


def open_broker(config: BrokerConfig) -> Broker | None:
    """Start the broker, when it is wanted. Raises BrokerFailed."""
    if not config.enabled:
        return None
    # It logs every connection and packet at INFO.
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        import amqtt  # noqa: F401
    except ImportError as exc:
        raise BrokerFailed("the broker in the box needs the extra: procrastobot[broker]") from exc
    broker = Broker(config)
    if config.host not in ("127.0.0.1", "localhost", "::1"):
        log.warning(
            "the broker in the box listens on %s:%d without a password: everybody on the network"
            " can follow and steer this box",
            config.host,
            broker.port,
        )
    return broker
