"""When a number on a card counts: held up by somebody, read alike for a while. Pure.

What bears a number when the camera opens is furniture (a calendar, a poster), and stays it for as
long as it stays there. What comes later has to say the same in several looks over a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge.domain import Box, CardSight

LOOK_EVERY_S = 0.15
SETTLE_S = 0.5  # what is seen until then was there before
STILL_IOU = 0.5  # of furniture with itself, as it trembles
STEADY_S = 1.0
LOOKS = 4
GAP_S = 0.7  # a look may miss it: a blur, a finger


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read since the camera opened at `opened_s`."""

    opened_s: float
    looked_s: float = float("-inf")
    about: tuple[Box, ...] = ()  # where something bore a number before
    number: int = 0  # 0: none
    since_s: float = 0.0
    seen_s: float = 0.0
    looks: int = 0

    def due(self, at_s: float) -> bool:
        return at_s - self.looked_s >= LOOK_EVERY_S

    @property
    def minutes(self) -> int:
        """The number that was held up for long enough; 0: none yet."""
        held = self.looks >= LOOKS and self.seen_s - self.since_s >= STEADY_S
        return self.number if held else 0


def read(before: Reading, sights: Sequence[CardSight], at_s: float) -> Reading:
    """What follows from one more look."""
    after = replace(before, looked_s=at_s)
    if at_s - after.opened_s < SETTLE_S:
        return replace(after, about=(*after.about, *(sight.box for sight in sights)))
    numbers = {
        sight.number
        for sight in sights
        if all(sight.box.iou(box) < STILL_IOU for box in after.about)
    }
    if not numbers:
        return after
    # Two different ones at a time are none.
    number = numbers.pop() if len(numbers) == 1 else 0
    if number != after.number or at_s - after.seen_s > GAP_S:
        return replace(after, number=number, since_s=at_s, seen_s=at_s, looks=1)
    return replace(after, seen_s=at_s, looks=after.looks + 1)


__all__ = ["LOOKS", "LOOK_EVERY_S", "SETTLE_S", "STEADY_S", "Reading", "read"]
