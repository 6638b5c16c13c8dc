"""Asks the box over the link (`edge.link`), and hands one newest picture to all who look."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from edge.link import LENGTHS

PATIENCE_S = 3.0
MOST_BYTES = 4 * 2**20
FRESH_S = 0.4  # a state so old is new enough, however many ask
PICTURES_A_SECOND = 5.0


class Away(Exception):
    """The box does not answer: it does not run, or not with a page."""


class Box:
    """One connection, one question at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._state: tuple[float, dict[str, Any]] = (float("-inf"), {})

    async def state(self) -> dict[str, Any]:
        """Raises Away."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._state[0] > FRESH_S:
            self._state = (now_s, (await self.ask({"ask": "state"}))[0])
        return self._state[1]

    async def ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Raises Away."""
        async with self._turn:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    return await self._ask(request)
            except (OSError, EOFError, TimeoutError, ValueError) as exc:
                self.close()
                raise Away(str(exc)) from exc

    async def _ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        if self._streams is not None and self._streams[0].at_eof():
            self.close()  # the box has started anew meanwhile
        if self._streams is None:
            self._streams = await asyncio.open_unix_connection(self._path)
        reader, writer = self._streams
        writer.write(json.dumps(request).encode() + b"\n")
        words, picture = LENGTHS.unpack(await reader.readexactly(LENGTHS.size))
        if words + picture > MOST_BYTES:
            raise ValueError("an answer too long to be one of the box")
        answer = json.loads(await reader.readexactly(words))
        return answer, await reader.readexactly(picture)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Looking:
    """The newest picture for whoever looks now. The box is asked while somebody does, once for all
    of them; nobody waits for the slowest."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._viewers = 0
        self._asking: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._latest: tuple[int, bytes] = (0, b"")  # counts up; as it goes to the browser
        self._number = 0

    async def next(self, after: int, patience_s: float) -> tuple[int, bytes]:
        """A picture other than `after`; the same one again, or nothing, when none comes in time."""
        async with self._looking(), self._changed:
            try:
                async with asyncio.timeout(patience_s):
                    await self._changed.wait_for(
                        lambda: self._latest[0] != after and self._latest[1]
                    )
            except TimeoutError:
                pass
            return self._latest

    @asynccontextmanager
    async def _looking(self) -> AsyncIterator[None]:
        self._viewers += 1
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        try:
            yield
        finally:
            self._viewers -= 1

    async def _ask(self) -> None:
        """Until nobody has looked for a second; then nothing is kept either."""
        loop = asyncio.get_running_loop()
        wanted_s = loop.time()
        while loop.time() - wanted_s < 1.0:
            if self._viewers:
                wanted_s = loop.time()
                await self._ask_once()
            await asyncio.sleep(1 / PICTURES_A_SECOND)
        self._latest = (self._latest[0] + 1, b"")
        self._number = 0

    async def _ask_once(self) -> None:
        try:
            words, picture = await self._box.ask({"ask": "look", "after": self._number})
        except Away:
            words, picture = {"away": True, "number": 0}, b""
        if words.get("same"):
            return
        number = int(words.get("number", 0))
        if number == 0 and self._number == 0 and self._latest[1]:
            return  # still closed, or still away
        self._number = number
        body = json.dumps(words, ensure_ascii=False).encode()
        async with self._changed:
            self._latest = (
                self._latest[0] + 1,
                LENGTHS.pack(len(body), len(picture)) + body + picture,
            )
            self._changed.notify_all()
