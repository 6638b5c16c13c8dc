"""What the lights show, as data; and the limit on how often anything may flash. Pure.

WCAG 2.2, success criterion 2.3.1: nothing flashes more than three times in any one second, and
saturated red is the worst (https://www.w3.org/WAI/WCAG22/Understanding/three-flashes-or-below-threshold).
Photosensitive people react from 3 to 30 flashes a second on (Harding and Jeavons); pulse width
modulation is far above. `Calm` keeps the limit whatever is asked of the lights, and in whatever
haste.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from edge.domain import Color, LightPattern

RGB = tuple[float, float, float]

# Brightness and warning are shares of what the mode allows.
PATTERNS: dict[str, LightPattern] = {
    "off": LightPattern(),
    "watching": LightPattern(Color.GREEN, brightness=0.25),
    "snoozed": LightPattern(Color.GREEN, 0.2, 2.8, 0.25),
    "light": LightPattern(Color.AMBER, warning=0.5),
    "sound": LightPattern(Color.RED, 0.5, 0.5, warning=1.0),
    "loud": LightPattern(Color.RED, 0.2, 0.2, warning=1.0),
    "break": LightPattern(Color.BLUE, brightness=0.5),
    "paused": LightPattern(Color.BLUE, 0.5, 1.5, 0.5),
    "reward": LightPattern(Color.GREEN, 0.5, 0.5),
    "aiming": LightPattern(Color.WHITE, brightness=0.25),
    "fault": LightPattern(Color.AMBER, 0.2, 1.8),
    "test": LightPattern(Color.WHITE, 0.25, 0.25, warning=1.0),
}

MOST_FLASHES = 3  # in any one second
SHORTEST_S = 1.02 / MOST_FLASHES  # from one flash to the next, with a little to spare
CONTRAST = 0.1  # a smaller change is no flash (WCAG: a tenth of the largest luminance)


def scaled(name: str, bright: float) -> LightPattern:
    """A pattern at the brightness that the mode allows."""
    pattern = PATTERNS[name]
    return replace(
        pattern, brightness=pattern.brightness * bright, warning=pattern.warning * bright
    )


@dataclass(frozen=True, slots=True)
class Glow:
    """What all lights show at one moment; each 0..1."""

    status: RGB
    warning: float

    def rises_over(self, other: Glow) -> bool:
        """Whether going from the other to this one is the beginning of a flash."""
        before, after = (*other.status, other.warning), (*self.status, self.warning)
        return any(b - a >= CONTRAST for a, b in zip(before, after, strict=True))


DARK = Glow((0, 0, 0), 0)


class Calm:
    """Delays what would flash too soon after the last flash; darkness is never delayed."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rose_s = float("-inf")
        self.shown = DARK  # whoever applies a glow says so here

    def calmed(self, steps: Iterator[tuple[Glow, float]]) -> Iterator[tuple[Glow, float]]:
        """The steps, with a pause before those that come too soon."""
        for glow, seconds in steps:
            if glow.rises_over(self.shown):
                wait_s = self._rose_s + SHORTEST_S - self._clock()
                if wait_s > 0:
                    yield self.shown, wait_s
                self._rose_s = self._clock()
            yield glow, seconds
