"""How long to wait before the next attempt, and how much of a flood to let through."""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST_S, LONGEST_S = 2.0, 30.0
LASTING_FROM = 3  # lasting trouble begins as if so many attempts had failed


class Backoff:
    """Waits that grow, each drawn at random from the whole span up to its ceiling.

    A thousand boxes that lost the same broker in the same second must not return in the same
    second: drawing from the whole span spreads them evenly over it.
    """

    def __init__(
        self,
        *,
        first_s: float = FIRST_S,
        longest_s: float = LONGEST_S,
        draw: Callable[[], float] | None = None,
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._draw = draw or random.Random().random
        self._tries = 0

    def next_s(self, *, lasting: bool = False) -> float:
        """Seconds to wait; `lasting` trouble (a wrong password) starts with a longer wait."""
        if lasting:
            self._tries = max(self._tries, LASTING_FROM)
        ceiling_s = min(self._longest_s, self._first_s * 2.0 ** min(self._tries, 30))
        self._tries += 1
        return ceiling_s * (0.05 + 0.95 * self._draw())

    def reset(self) -> None:
        self._tries = 0


class Bucket:
    """Lets `burst` through at once, and `per_s` on average."""

    def __init__(self, *, burst: float, per_s: float, clock: Callable[[], float]) -> None:
        self._burst = burst
        self._per_s = per_s
        self._clock = clock
        self._left = burst
        self._at_s = clock()

    def take(self) -> bool:
        now_s = self._clock()
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
