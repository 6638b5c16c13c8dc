"""What the grey cells of a scenario hold: a desk, somebody at it, things, and hands over them.

Not a picture: as much as `desk/pixels.py` asks for, which is where cells stay as they are and where
they do not. Drawn beforehand but for the putting together, which is done for the ticks that are
looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge.domain import Box

if TYPE_CHECKING:
    from edge.domain import Grid

ROWS, COLUMNS = 48, 64  # what vision/scene.py hands on
GREY = 4.6  # logarithm of a middle grey
SPREAD = 0.35  # standard deviation of the cells of a scene: desks and clothes are full of things
TONES = (0.4, 1.2)  # a thing is lighter or darker than the desk by so much
NOISE = 0.006  # of the sensor, in a cell
FIELDS = 16  # different ones of noise and of moving hands
HAND = 1.6  # times the sides of a thing is the hand that holds it


@dataclass(frozen=True, slots=True)
class Thing:
    """A thing through time; arrays have one entry per tick.

    boxes: (ticks, 4) edges; shown, held: whether it is there, and in a hand; hidden: share of it,
    from the right, that something is held before
    """

    boxes: NDArray[np.float64]
    shown: NDArray[np.bool_]
    held: NDArray[np.bool_]
    hidden: NDArray[np.float64]


class Painted:
    """The cells at any tick."""

    def __init__(
        self,
        rng: np.random.Generator,
        *,
        torso: Box | None,
        keys: Box | None,
        person: NDArray[np.bool_],
        typing: NDArray[np.bool_],
        fidget: NDArray[np.bool_],
        things: Sequence[Thing],
        moving: Sequence[tuple[int, int, Box]],
        blind: NDArray[np.bool_],
    ) -> None:
        ticks = len(person)
        self._desk = _field(rng)
        self._noise = [
            (NOISE / SPREAD * (_field(rng) - GREY)).astype(np.float32) for _ in range(FIELDS)
        ]
        self._hands = [_field(rng) for _ in range(FIELDS)]
        self._clothes = _field(rng)
        self._tones = rng.uniform(*TONES, len(things)) * rng.choice([-1, 1], len(things))
        self._chosen = rng.integers(FIELDS, size=ticks)
        self._torso, self._keys, self._person = torso, keys, person
        # Who has moved stays as they are until they move again, and so do hands.
        self._posture = _held_over(rng.integers(0, 8, (ticks, 2)), fidget)
        self._typed = _held_over(rng.integers(FIELDS, size=ticks), typing)
        self._things, self._moving, self._blind = things, moving, blind
        self._starts = np.array([first for first, _, _ in moving], np.int64)
        self._ends = np.array([last for _, last, _ in moving], np.int64)

    def at(self, index: int) -> Grid:
        """(ROWS, COLUMNS) logarithms of grey."""
        if self._blind[index]:
            return self._noise[int(self._chosen[index])]
        grid = self._desk + self._noise[int(self._chosen[index])]
        if self._person[index]:
            if self._torso is not None:
                y, x = self._posture[index]
                _put(grid, self._torso, np.roll(self._clothes, (int(y), int(x)), (0, 1)))
            if self._keys is not None:
                _put(grid, self._keys, self._hands[int(self._typed[index])])
        hands = self._hands[int(self._chosen[index])]
        # Behind the things: what is before them hides them, as `hidden` says.
        for k in np.flatnonzero((self._starts <= index) & (index < self._ends)).tolist():
            _put(grid, self._moving[k][2], hands)
        for thing, tone in zip(self._things, self._tones, strict=True):
            if not thing.shown[index]:
                continue
            box = Box(*thing.boxes[index].tolist())
            if thing.held[index]:
                y, x = (HAND - 1) / 2 * box.height, (HAND - 1) / 2 * box.width
                around = Box(box.ymin - y, box.xmin - x, box.ymax + y, box.xmax + x)
                _blend(grid, around, GREY + 0.2)
            _blend(grid, box, GREY + float(tone))
            if thing.hidden[index] > 0:
                left = box.xmax - float(thing.hidden[index]) * box.width
                _put(grid, Box(box.ymin, left, box.ymax, box.xmax + box.width / 2), hands)
        return grid


def _field(rng: np.random.Generator) -> Grid:
    return (GREY + SPREAD * rng.standard_normal((ROWS, COLUMNS))).astype(np.float32)


def _held_over(values: NDArray[np.int64], when: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Each tick's value where `when`, else the last such."""
    last = np.maximum.accumulate(np.where(when, np.arange(len(when)), 0))
    return np.asarray(values[last])


@lru_cache(maxsize=4096)  # most things lie
def _cells(low: float, high: float, count: int) -> tuple[slice, NDArray[np.float64]]:
    """The cells between two edges, and how much of each is."""
    first = min(max(int(low * count), 0), count - 1)
    last = min(max(int(np.ceil(high * count)), first + 1), count)
    edges = np.arange(first, last)
    return slice(first, last), np.clip(
        np.minimum(edges + 1, high * count) - np.maximum(edges, low * count), 0, 1
    )


def _blend(grid: Grid, box: Box, value: float) -> None:
    rows, down = _cells(box.ymin, box.ymax, ROWS)
    columns, across = _cells(box.xmin, box.xmax, COLUMNS)
    share = np.outer(down, across).astype(np.float32)
    grid[rows, columns] += share * (np.float32(value) - grid[rows, columns])


def _put(grid: Grid, box: Box, field: Grid) -> None:
    rows, _ = _cells(box.ymin, box.ymax, ROWS)
    columns, _ = _cells(box.xmin, box.xmax, COLUMNS)
    grid[rows, columns] = field[rows, columns]
