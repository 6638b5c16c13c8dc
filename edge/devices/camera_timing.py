"""What the cameras share about time. Needs nothing but the standard library."""

from __future__ import annotations

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

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


GAP_SAID_S = 10.0
GAP_MOST_S = 60.0  # longer ones are no pauses but stamps that jump
BACK_MOST_S = 1.0  # stamps that are out of order by less; by more, they start over


class Stamps:
    """Makes the time of a film's pictures go forward, whatever their stamps say.

    Recorders join pieces whose stamps start over, write one from hours away, or write them out of
    order. No picture is left out for that: time goes on by `period_s`, the film's own.
    """

    def __init__(self, name: str, period_s: float) -> None:
        self._name = name
        self._period_s = period_s
        self._at_s: float | None = None
        self._stamp_s = 0.0
        self._ahead_s = 0.0  # of the stamps, since they stood still or went back a little
        self._jumps = 0

    def at_s(self, stamp_s: float | None) -> float:
        """Since the first picture; to be asked for each in turn. None: it has no stamp."""
        if self._at_s is None:
            self._at_s, self._stamp_s = 0.0, stamp_s or 0.0
            return self._at_s
        step_s = self._period_s
        if stamp_s is not None:
            step_s, self._stamp_s = self._step_s(stamp_s - self._stamp_s), stamp_s
        self._at_s += step_s
        return self._at_s

    def _step_s(self, step_s: float) -> float:
        if not -BACK_MOST_S < step_s <= GAP_MOST_S:
            self._jumps += 1
            if self._jumps == 1:
                log.warning(
                    "%s: its time stamps jump by %.1f s after %.1f s; all of it is shown, and time"
                    " goes on evenly there",
                    self._name,
                    step_s,
                    self._at_s,
                )
            self._ahead_s = 0.0
            return self._period_s
        if step_s <= 0:
            most_s = BACK_MOST_S + self._period_s
            self._ahead_s = min(most_s, self._ahead_s + self._period_s - step_s)
            return self._period_s
        if step_s > GAP_SAID_S:
            log.info("%s: no picture for %.1f s after %.1f s", self._name, step_s, self._at_s)
        caught_up_s = max(0.0, min(self._ahead_s, step_s - self._period_s / 2))
        self._ahead_s -= caught_up_s
        return step_s - caught_up_s
