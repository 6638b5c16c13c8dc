"""One thread that carries out timed steps, and turns to new ones at once."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")
FOREVER = math.inf


class Performer(Generic[T]):
    """Applies (value, seconds) steps; between scores and after the last step it applies `rest`.

    Only the performer's own thread calls `apply`, so a device needs no lock. What `apply` raises
    is raised to the next caller of `perform`; the thread lives on and rests.
    """

    def __init__(self, apply: Callable[[T], None], *, rest: T, name: str) -> None:
        self._apply = apply
        self._rest = rest
        self._scores: SimpleQueue[Iterator[tuple[T, float]] | None] = SimpleQueue()
        self._failures: SimpleQueue[Exception] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def perform(self, score: Iterator[tuple[T, float]]) -> None:
        """Give up the present score for this one. Returns at once."""
        self._scores.put(score)
        try:
            failure = self._failures.get_nowait()
        except Empty:
            return
        raise failure

    def close(self, *, patience_s: float = 1.0) -> None:
        """Rest, and end the thread."""
        self._scores.put(None)
        self._thread.join(patience_s)

    def _run(self) -> None:
        score: Iterator[tuple[T, float]] | None = iter(())
        while score is not None:
            score = self._follow(score)
        self._safely(self._rest)

    def _follow(self, score: Iterator[tuple[T, float]]) -> Iterator[tuple[T, float]] | None:
        """Carry out one score until the next arrives, and return that."""
        # Steps end at planned times: what one of them is late by does not add up.
        planned_s = time.monotonic()
        for value, duration_s in score:
            if not self._safely(value):
                break
            planned_s += duration_s
            try:
                return self._newest(planned_s - time.monotonic())
            except Empty:
                continue
        self._safely(self._rest)
        return self._newest(FOREVER)

    def _newest(self, patience_s: float) -> Iterator[tuple[T, float]] | None:
        """Of the scores that have arrived the last; raises Empty when none has in time."""
        # A wait longer than threading.TIMEOUT_MAX overflows.
        timeout_s = None if patience_s > 1e6 else max(0.0, patience_s)
        score = self._scores.get(timeout=timeout_s)
        while score is not None and not self._scores.empty():
            score = self._scores.get()
        return score

    def _safely(self, value: T) -> bool:
        try:
            self._apply(value)
        except Exception as exc:  # noqa: BLE001  the next caller of perform() gets it
            self._failures.put(exc)
            return False
        return True
