"""A progress bar on stderr, for commands that take long; silent where nobody watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TextIO, TypeVar

Item = TypeVar("Item")

WIDTH = 30
REDRAW_S = 0.1


def progress(
    items: Sequence[Item], what: str, *, stream: TextIO | None = None, always: bool = False
) -> Iterator[Item]:
    """Yield `items`, and show how far it is: `what  [####....]  12/40  3 s left`."""
    out = sys.stderr if stream is None else stream
    if len(items) < 2 or not (always or out.isatty()):
        yield from items
        return
    began_s = drawn_s = time.monotonic()
    try:
        for done, item in enumerate(items):
            now_s = time.monotonic()
            if done == 0 or now_s - drawn_s >= REDRAW_S:
                drawn_s = now_s
                left = (
                    f"{(now_s - began_s) / done * (len(items) - done):.0f} s left" if done else ""
                )
                out.write(f"\r{bar(what, done, len(items))}  {left}\x1b[K")
                out.flush()
            yield item
    finally:
        out.write("\r\x1b[K")
        out.flush()


def bar(what: str, done: int, of: int) -> str:
    filled = WIDTH * done // of if of else WIDTH
    return f"{what}  [{'#' * filled}{'.' * (WIDTH - filled)}]  {done}/{of}"
