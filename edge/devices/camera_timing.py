"""What the cameras share about time. Needs nothing but the standard library."""

from __future__ import annotations

from collections.abc import Callable

Clock = Callable[[], float]
Sleep = Callable[[float], None]


class Thinning:
    """Picks frames so that about `fps` a second remain, by their own times alone.

    Slower sources pass untouched. A quarter of a period of jitter is forgiven: a source that runs
    at the wanted rate must not lose every frame that comes a moment early.
    """

    def __init__(self, fps: float) -> None:
        self._period_s = 1.0 / fps
        self._due_s: float | None = None

    def keep(self, at_s: float) -> bool:
        """Whether the frame taken at `at_s` is wanted; to be asked in the order of time."""
        if self._due_s is None:
            self._due_s = at_s
        elif at_s < self._due_s - self._period_s / 4:
            return False
        # After a gap the grid starts anew, or the frames behind it would all be due at once.
        self._due_s = max(self._due_s, at_s - self._period_s / 2) + self._period_s
        return True
