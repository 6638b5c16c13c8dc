"""amqtt with a limit on what one message may weigh. Imported only where the broker runs.

It would read whatever length a packet claims to have, up to 256 MiB. And of a client that speaks
MQTT 5 it would wait for what never comes, instead of hanging up, so that it tries 3.1.1.
"""

from __future__ import annotations

import asyncio

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.errors import MQTTError

MAX_PACKET_BYTES = 65_536
PROTOCOL = b"\x00\x04MQTT"
VERSION_311 = 4
CONNECT_BYTES = 16  # of a CONNECT up to its version, and some more


class _BoundedReader(StreamReaderAdapter):  # type: ignore[misc]  # amqtt comes without types
    _begin = b""

    async def read(self, n: int = -1) -> bytes:
        if n > MAX_PACKET_BYTES:
            raise ConnectionAbortedError(f"a packet of {n} bytes; at most {MAX_PACKET_BYTES}")
        data = bytes(await super().read(n))
        if len(self._begin) < CONNECT_BYTES:
            self._begin += data
            _, found, rest = self._begin.partition(PROTOCOL)
            if found and rest and rest[0] > VERSION_311:
                raise MQTTError(f"version {rest[0]} of the protocol")
        return data


class BoundedBroker(Broker):  # type: ignore[misc]
    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        try:
            await self._client_connected(
                listener_name, _BoundedReader(reader), StreamWriterAdapter(writer)
            )
        finally:
            writer.close()
