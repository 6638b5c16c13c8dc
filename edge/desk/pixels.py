"""Whether the pixels at a place are those that were there before: what boxes cannot tell.

The boxes of a half-seen thing jump about while it lies, and hardly move with one that is held
still. What lies leaves its pixels as they are, comes back to them when a hand that was over it has
gone, and has them before it is first seen. So a few grids of grey cells are kept, each several
times as old as the one before, and nothing finer than the cells of `SceneStats`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edge.domain import Box

if TYPE_CHECKING:
    from edge.domain import Grid

PERIODS_S = (0.2, 0.6, 2.4, 9.6, 38.4)  # what is kept is once to twice as old as each of these
LONG_AGO_S = PERIODS_S[3:]  # before a hand brought what it has
# Differences of logarithms are relative: 0.06 is 6 % lighter or darker than the light explains.
CHANGED = 0.06
NOISE_SIGMAS = 5.0
CHANGED_MOST = 0.15  # however noisy it seems: else a picture that moves as a whole would hide
AROUND = 0.3  # of a box's sides: what is beside it tells what the light did
OTHER = 0.3  # share of a box's cells from which on it is another thing, or has moved


class Kept(NamedTuple):
    at_s: float
    grid: Grid


@dataclass(frozen=True, slots=True)
class Pixels:
    """The cells of now and of before.

    now:    None: nobody measured them
    kept:   two for each of PERIODS_S, the older first
    """

    at_s: float = 0.0
    now: Grid | None = None
    kept: tuple[tuple[Kept, Kept], ...] = ()

    def at(self, at_s: float, grid: Grid | None, *, held: bool = False) -> Pixels:
        """After another look. With a phone `held`, what was long ago stays the desk without it: a
        hand that has it there again another time has brought it."""
        if grid is None:
            return Pixels()
        new = Kept(at_s, grid)
        if not self.kept:
            return Pixels(at_s, grid, ((new, new),) * len(PERIODS_S))
        kept = tuple(
            (older, newer)
            if at_s - newer.at_s < period_s or (held and period_s in LONG_AGO_S)
            else (newer, new)
            for period_s, (older, newer) in zip(PERIODS_S, self.kept, strict=True)
        )
        return Pixels(at_s, grid, kept)

    def still_s(self, box: Box) -> float:
        """For how long the box has shown what it does now, as far as what is kept tells; 0: it has
        not, or nobody knows."""
        still_s = 0.0
        for older, _ in self.kept:
            if older.grid is self.now or not self.as_in(older.grid, box):
                break
            still_s = self.at_s - older.at_s
        return still_s

    def stirs(self, box: Box) -> float:
        """Share of what is in the box that changed in the moment before, 0..1; 0: nobody knows."""
        return 0.0 if self.now is None else differing(self.now, self.kept[0][0].grid, box)

    def new(self, box: Box) -> bool:
        """Whether what is in the box was not there a moment ago, nor at any of the times before
        that are kept, when no hand was over it. Nobody knows: true."""
        if self.now is None:
            return True
        older = {id(older.grid): older.grid for older, _ in self.kept}
        return id(self.now) not in older and not any(self.as_in(g, box) for g in older.values())

    def as_in(self, then: Grid | None, box: Box) -> bool:
        """Whether it is what was there then."""
        return (
            self.now is not None
            and then is not None
            and then.shape == self.now.shape
            and differing(self.now, then, box) < OTHER
        )


def differing(now: Grid, then: Grid, box: Box) -> float:
    """Share of the cells in a box that are lighter or darker than before, less what the light did,
    0..1: just there or, where that leaves it another thing, in the whole picture if it is less.
    Grids hold logarithms of grey."""
    y, x = AROUND * box.height, AROUND * box.width
    around = _within(Box(box.ymin - y, box.xmin - x, box.ymax + y, box.xmax + x), now)
    inside = _within(box, now)
    change = now[inside] - then[inside]
    beside = _changed(change, now[around] - then[around])
    # Less is the same all the same, which is what lies shows nearly always.
    return beside if beside < OTHER else min(beside, _changed(change, now - then))


def _changed(inside: Grid, seen: Grid) -> float:
    """Share of the cells inside that changed in another way than most that are seen."""
    light = middle(seen)
    limit = limit_of(np.abs(seen - light))
    return float(np.count_nonzero(np.abs(inside - light) > limit)) / inside.size


def limit_of(changes: Grid) -> float:
    """From which on a cell has changed, by what most of them did for noise alone."""
    noise = 1.4826 * float(middle(changes))  # standard deviation of a normal distribution
    return min(max(CHANGED, NOISE_SIGMAS * noise), CHANGED_MOST)


def middle(values: Grid) -> np.float32:
    """The upper of the two medians; several times as fast as numpy's own for so few."""
    half = values.size // 2
    found: np.float32 = np.partition(values.ravel(), half)[half]
    return found


def _within(box: Box, grid: Grid) -> tuple[slice, slice]:
    rows, columns = grid.shape
    return _cells(box.ymin, box.ymax, rows), _cells(box.xmin, box.xmax, columns)


def _cells(low: float, high: float, count: int) -> slice:
    """The cells, of `count` in a row, that lie for the most part between two edges (shares of the
    picture); one at least."""
    first = min(max(round(low * count), 0), count - 1)
    return slice(first, min(max(round(high * count), first + 1), count))
