"""A subscriber with a connection of its own: what it hears was really sent."""

from __future__ import annotations

import logging
import queue
from dataclasses import dataclass

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Heard:
    """One message from the broker; `retained`: it was there before we came."""

    topic: str
    payload: str
    retained: bool


class Listener:
    """Subscribes to everything under the given filters, and keeps what it hears until asked."""

    def __init__(self, host: str, port: int, filters: tuple[str, ...]) -> None:
        """Raises OSError when the broker cannot be reached."""
        self._filters = filters
        self._heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        # 3.1.1, which every broker speaks, the one in the box included.
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
        self._client.on_connect = self._connected
        self._client.on_message = self._received
        self._client.connect(host, port, keepalive=20)
        self._client.loop_start()

    def heard(self) -> list[Heard]:
        """All messages since the last call, oldest first."""
        messages = []
        while True:
            try:
                messages.append(self._heard.get_nowait())
            except queue.Empty:
                return messages

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(
        self,
        client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            log.warning("the broker refuses a subscriber: %s", reason)
            return
        for each in self._filters:
            client.subscribe(each, qos=1)

    def _received(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        payload = message.payload.decode("utf-8", "replace")
        self._heard.put(Heard(message.topic, payload, message.retain))
