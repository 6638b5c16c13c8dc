"""amqtt with a limit on what one message may weigh. Imported only where the broker runs.

It would read whatever length a packet claims to have, up to 256 MiB: on a small board anybody who
can connect could end the box. Whoever sends more than the limit is hung up on.
"""

from __future__ import annotations

import asyncio

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker

MAX_PACKET_BYTES = 65_536


class _BoundedReader(StreamReaderAdapter):  # type: ignore[misc]  # amqtt comes without types
    async def read(self, n: int = -1) -> bytes:
        if n > MAX_PACKET_BYTES:
            raise ConnectionAbortedError(f"a packet of {n} bytes; at most {MAX_PACKET_BYTES}")
        return bytes(await super().read(n))


class BoundedBroker(Broker):  # type: ignore[misc]
    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        await self._client_connected(
            listener_name, _BoundedReader(reader), StreamWriterAdapter(writer)
        )
