"""A card with a number on it: where one is held up, and what it says.

A card is what looks like one: one or two dark marks of digits' shape, side by side, with plain light
paper all around. Only what passes that is shown to the network, a digit at a time, and it may say
that a mark is none. A finger beside a digit, a third one, a line under it: no plain paper, no card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.domain import Box, CardSight, Frame
from edge.vision.manifest import FileSpec
from edge.vision.tflite import Vectors

Image = NDArray[np.uint8]
Grey = NDArray[np.float32]

SIDE_PX = 28  # of the network's input
DIGIT_PX = 20  # the longer side of a digit in it
NO_DIGIT = 10  # its last class
SURE = 0.9  # share of the classes together that a digit takes

WIDEST_PX = 480  # what is looked at: every pixel the mean of several of the camera's
NEIGHBOURHOOD = 0.25  # of the height: what a pixel is darker than, if it is ink
DARKER = 0.8  # than so much of that mean
NOISE = 5.0  # and by more than so many levels
# A digit, as shares of the picture's height and of its own.
LEAST_HEIGHT, MOST_HEIGHT = 0.06, 0.6
LEAST_WIDTH, MOST_WIDTH = 0.1, 1.1
LEAST_INK = 0.12  # of its box
# Two digits of one number.
MOST_RATIO, MOST_OFFSET, MOST_GAP = 1.4, 0.3, 0.7
MARGIN = 0.2  # of its height: so much plain paper is around a number
MOST_SPECKS = 0.01  # of the margin's pixels
SHADE = 0.7  # of the paper's brightness: what is darker than this at its edges is no shadow
FAINT = 0.75  # ink that is brighter than so much of the paper


class Mark(NamedTuple):
    """Something dark, in pixels of what is looked at: up to and not including bottom and right."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left


@dataclass(frozen=True, slots=True, eq=False)
class Card:
    """A number's marks, from left to right, and how each looks to the network.

    inks: (28, 28) float32 of each, 0 paper to 1 ink
    """

    box: Box
    inks: tuple[Grey, ...]


class FileDigits:
    """`CardReader` of `ports.py` with a network of the manifest, loaded when it is first wanted:
    most boxes are shown no card. Not for two threads at once."""

    def __init__(self, spec: FileSpec, *, runtime_name: str = "") -> None:
        self._spec = spec
        self._runtime_name = runtime_name
        self._network: Vectors | None = None

    def read(self, frame: Frame) -> tuple[CardSight, ...]:
        """The numbers that are held up."""
        seen = []
        for card in cards(frame.image):
            digits = [self.digit(ink) for ink in card.inks]
            number = int("".join(map(str, digits))) if NO_DIGIT not in digits else 0
            if number:
                seen.append(CardSight(number, card.box))
        return tuple(seen)

    def digit(self, ink: Grey) -> int:
        """0 to 9, or NO_DIGIT."""
        if self._network is None:
            self._network = Vectors(
                self._spec.path, SIDE_PX, colours=1, runtime_name=self._runtime_name
            )
        raw = self._network(np.rint(ink * 255).astype(np.uint8)[..., None])
        shares = np.exp(raw - raw.max())
        best = int(shares.argmax())
        return best if shares[best] >= SURE * shares.sum() else NO_DIGIT


def cards(image: Image) -> list[Card]:
    """What looks like a card with a number, in a picture (height, width, 3)."""
    grey = shrunk(image)
    height, width = grey.shape
    dark = inked(grey)
    marks = [mark for mark in connected(dark) if _of_a_digit(mark, dark, height)]
    found = []
    for group in _numbers(marks):
        levels = _levels(group, grey, dark)
        if levels is None:
            continue
        whole = _around(group)
        box = Box(
            whole.top / height, whole.left / width, whole.bottom / height, whole.right / width
        )
        found.append(Card(box, tuple(_ink(grey, mark, *levels) for mark in group)))
    return found


def shrunk(image: Image) -> Grey:
    """Green, which is most of the light, as means of squares."""
    step = -(-image.shape[1] // WIDEST_PX)
    height, width = image.shape[0] // step, image.shape[1] // step
    green = image[: height * step, : width * step, 1].reshape(height, step, width, step)
    return np.asarray(green.sum(axis=(1, 3), dtype=np.uint32) / (step * step), np.float32)


def inked(grey: Grey) -> NDArray[np.bool_]:
    """Which pixels are clearly darker than what is around them."""
    height, width = grey.shape
    reach = max(1, round(NEIGHBOURHOOD * height / 2))
    sums = np.zeros((height + 1, width + 1), np.float64)
    np.cumsum(np.cumsum(grey, axis=0, dtype=np.float64), axis=1, out=sums[1:, 1:])
    above, below = _reach(height, reach)
    before, after = _reach(width, reach)
    total = sums[below][:, after] - sums[above][:, after] - sums[below][:, before]
    total += sums[above][:, before]
    mean = total / np.outer(below - above, after - before)
    return np.asarray(grey < np.minimum(DARKER * mean, mean - NOISE))


def _reach(size: int, reach: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    middle = np.arange(size)
    return np.maximum(middle - reach, 0), np.minimum(middle + reach + 1, size)


def connected(dark: NDArray[np.bool_]) -> list[Mark]:
    """The boxes of what hangs together, corners included."""
    height, width = dark.shape
    edges = np.diff(np.pad(dark, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    if not len(rows):
        return []
    # Runs of a row touch those of the next that begin before they end, and end after they begin.
    line = width + 2
    first = np.searchsorted(rows * line + ends, (rows + 1) * line + starts, side="left")
    last = np.searchsorted(rows * line + starts, (rows + 1) * line + ends, side="right")
    counts = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(len(rows)), counts)
    lower = np.arange(len(upper)) - np.repeat(np.cumsum(counts) - counts, counts)
    lower += np.repeat(first, counts)
    label = np.arange(len(rows))
    while True:
        least = np.minimum(label[upper], label[lower])
        after = label.copy()
        np.minimum.at(after, label[upper], least)
        np.minimum.at(after, label[lower], least)
        after = after[after]
        if np.array_equal(after, label):
            break
        label = after
    order = np.argsort(label, kind="stable")
    begins = np.flatnonzero(np.diff(label[order], prepend=-1))
    tops = np.minimum.reduceat(rows[order], begins)
    bottoms = np.maximum.reduceat(rows[order], begins) + 1
    lefts = np.minimum.reduceat(starts[order], begins)
    rights = np.maximum.reduceat(ends[order], begins)
    boxes = np.stack([tops, lefts, bottoms, rights], axis=1)
    return [Mark(*map(int, box)) for box in boxes if box[2] - box[0] >= LEAST_HEIGHT * height]


def _of_a_digit(mark: Mark, dark: NDArray[np.bool_], height: int) -> bool:
    if not LEAST_HEIGHT * height <= mark.height <= MOST_HEIGHT * height:
        return False
    if not LEAST_WIDTH * mark.height <= mark.width <= MOST_WIDTH * mark.height:
        return False
    return bool(dark[mark.top : mark.bottom, mark.left : mark.right].mean() >= LEAST_INK)


def _numbers(marks: Sequence[Mark]) -> list[list[Mark]]:
    """Marks that are side by side, from left to right; of a number there are one or two."""
    rows: list[list[Mark]] = []
    for mark in sorted(marks, key=lambda mark: mark.left):
        row = next((row for row in rows if any(_together(each, mark) for each in row)), None)
        if row is None:
            rows.append([mark])
        else:
            row.append(mark)
    return [row for row in rows if len(row) <= 2]


def _together(left: Mark, right: Mark) -> bool:
    tall, short = max(left.height, right.height), min(left.height, right.height)
    offset = abs(left.top + left.bottom - right.top - right.bottom) / 2
    gap = right.left - left.right
    return tall <= MOST_RATIO * short and offset <= MOST_OFFSET * tall and 0 <= gap <= MOST_GAP * tall


def _around(group: Sequence[Mark]) -> Mark:
    return Mark(
        min(mark.top for mark in group),
        min(mark.left for mark in group),
        max(mark.bottom for mark in group),
        max(mark.right for mark in group),
    )


def _levels(
    group: Sequence[Mark], grey: Grey, dark: NDArray[np.bool_]
) -> tuple[float, float] | None:
    """How bright paper and ink are; None: this is no number on plain paper."""
    whole = _around(group)
    margin = max(2, round(MARGIN * whole.height))
    height, width = grey.shape
    top, left, bottom, right = (
        whole.top - margin,
        whole.left - margin,
        whole.bottom + margin,
        whole.right + margin,
    )
    if top < 0 or left < 0 or bottom > height or right > width:
        return None
    around = np.ones((bottom - top, right - left), np.bool_)
    for mark in group:
        # The soft edge of the ink is neither.
        around[
            max(0, mark.top - top - 1) : mark.bottom - top + 1,
            max(0, mark.left - left - 1) : mark.right - left + 1,
        ] = False
    paper = grey[top:bottom, left:right][around]
    if dark[top:bottom, left:right][around].mean() > MOST_SPECKS:
        return None
    plain = float(np.median(paper))
    if float(np.quantile(paper, 0.03)) < SHADE * plain:
        return None
    inside = slice(whole.top, whole.bottom), slice(whole.left, whole.right)
    ink = float(np.median(grey[inside][dark[inside]]))
    return None if ink > FAINT * plain else (plain, ink)


def _ink(grey: Grey, mark: Mark, paper: float, ink: float) -> Grey:
    """(28, 28): the mark, 20 pixels high or wide, in the middle; 0 paper, 1 ink."""
    part = grey[max(0, mark.top - 1) : mark.bottom + 1, max(0, mark.left - 1) : mark.right + 1]
    scale = DIGIT_PX / max(mark.height, mark.width)
    rows, columns = (max(1, round(size * scale)) for size in part.shape)
    small = _resampled(_resampled(part, rows).T, columns).T
    made = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    down, aside = (SIDE_PX - rows) // 2, (SIDE_PX - columns) // 2
    made[down : down + rows, aside : aside + columns] = (paper - small) / (paper - ink)
    return made.clip(0, 1)


def _resampled(part: Grey, rows: int) -> Grey:
    """So many rows, each the mean of what it covers."""
    height = part.shape[0]
    sums = np.concatenate([np.zeros((1, part.shape[1])), np.cumsum(part, axis=0, dtype=np.float64)])
    at = np.linspace(0, height, rows + 1)
    whole = np.minimum(at.astype(np.intp), height - 1)
    rest = (at - whole)[:, None]
    upto = sums[whole] * (1 - rest) + sums[whole + 1] * rest
    return np.asarray(np.diff(upto, axis=0) * (rows / height), np.float32)


__all__ = ["Card", "FileDigits", "cards"]
