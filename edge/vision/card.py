"""A card with a number on it: where one is held up, and what it says.

A card is what looks like one: one or two dark marks of digits' shape, side by side, with plain
light paper all around. Only what passes that is shown to the network, a digit at a time, and it may
say that a mark is none. A finger beside a digit, a third one, a line under it: no card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
SURE = 0.5  # share of the classes together that a digit takes
# Two marks side by side on plain paper are hardly anything else; one alone is many a thing.
SURE_ALONE = 0.75
BARS = (1, 11)  # are no numbers: every room is full of bars

WIDEST_PX = 480  # what is looked at: every pixel the mean of several of the camera's
NEIGHBOURHOOD = 0.25  # of the height: what a pixel is darker than, if it is ink
DARKER = 0.8  # than so much of that mean
NOISE = 5.0  # and by more than so many levels
# A digit, as shares of the picture's height and of its own.
LEAST_HEIGHT, MOST_HEIGHT = 0.06, 0.6
LEAST_WIDTH, MOST_WIDTH = 0.1, 1.1
LEAST_INK = 0.12  # of its box
# Two digits of one number.
MOST_RATIO, MOST_OFFSET, MOST_GAP = 1.7, 0.4, 0.9
MOST_DIGITS = 2
MARGIN = 0.25  # of its height: so much plain paper is around a number
MOST_SPECKS = 0.01  # of the margin's pixels
BESIDE = 0.6  # of its height: so far at either side of a digit alone nothing else is written
PAPER = 0.15  # of a column is as bright as paper, where there is some
EDGE = 0.25  # of its height: so near to the paper's edge a thumb may be
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


class Levels(NamedTuple):
    """How bright they are, 0..255."""

    paper: float
    ink: float


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
            sure = SURE if len(card.inks) > 1 else SURE_ALONE
            digits = [self.digit(ink, sure) for ink in card.inks]
            number = int("".join(map(str, digits))) if NO_DIGIT not in digits else 0
            if number > 0 and number not in BARS:
                seen.append(CardSight(number, card.box))
        return tuple(seen)

    def digit(self, ink: Grey, sure: float = SURE) -> int:
        """0 to 9, or NO_DIGIT."""
        if self._network is None:
            self._network = Vectors(
                self._spec.path, SIDE_PX, colours=1, runtime_name=self._runtime_name
            )
        raw = self._network(np.rint(ink * 255).astype(np.uint8)[..., None])
        shares = np.exp(raw - raw.max())
        best = int(shares.argmax())
        return best if shares[best] >= sure * shares.sum() else NO_DIGIT


def cards(image: Image) -> list[Card]:
    """What looks like a card with a number, in a picture (height, width, 3)."""
    grey = shrunk(image)
    height, width = grey.shape
    dark = inked(grey)
    marks = [mark for mark in connected(dark) if _of_a_digit(mark, dark, height)]
    found = []
    for group, levels in _numbers(marks, grey, dark).items():
        whole = _around(group)
        box = Box(
            whole.top / height, whole.left / width, whole.bottom / height, whole.right / width
        )
        found.append(Card(box, tuple(_ink(grey, mark, levels) for mark in group)))
    return found


def shrunk(image: Image) -> Grey:
    """Green, which is most of the light, as means of squares."""
    step = -(-image.shape[1] // WIDEST_PX)
    height, width = image.shape[0] // step, image.shape[1] // step
    green = image[: height * step, : width * step, 1]
    total = np.zeros((height, width), np.uint16)
    for down in range(step):
        for aside in range(step):
            total += green[down::step, aside::step]
    return total.astype(np.float32) / np.float32(step * step)


def inked(grey: Grey) -> NDArray[np.bool_]:
    """Which pixels are clearly darker than what is around them."""
    reach = max(1, round(NEIGHBOURHOOD * grey.shape[0] / 2))
    rows, tall = _sums(grey, reach)
    total, wide = _sums(np.ascontiguousarray(rows.T), reach)
    mean = total.T / np.outer(tall, wide)
    return np.asarray(grey < np.minimum(np.float32(DARKER) * mean, mean - np.float32(NOISE)))


def _sums(values: Grey, reach: int) -> tuple[Grey, Grey]:
    """Of each value and so many before and after it along the columns; and how many those are."""
    size = values.shape[0]
    upto = np.zeros((size + 1, values.shape[1]), np.float32)
    np.cumsum(values, axis=0, out=upto[1:])
    middle = np.arange(size)
    first, last = np.maximum(middle - reach, 0), np.minimum(middle + reach + 1, size)
    return upto[last] - upto[first], (last - first).astype(np.float32)


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


def _numbers(
    marks: Sequence[Mark], grey: Grey, dark: NDArray[np.bool_]
) -> dict[tuple[Mark, ...], Levels]:
    """Marks that are alone on their paper, and two side by side; of three, none is a number."""
    pairs = [(a, b) for a in marks for b in marks if _side_by_side(a, b)]
    threes = [(a, b, c) for a, b in pairs for other, c in pairs if other == b]
    found: dict[tuple[Mark, ...], Levels] = {}
    taken: set[Mark] = set()
    # The longest first: what is a part of it is nothing by itself.
    for group in (*threes, *pairs, *((mark,) for mark in marks)):
        levels = None if taken & set(group) else _levels(group, grey, dark)
        if levels is not None:
            taken |= set(group)
            if len(group) <= MOST_DIGITS:
                found[group] = levels
    return found


def _side_by_side(left: Mark, right: Mark) -> bool:
    """Whether they are where two digits of one number may be."""
    tall, short = max(left.height, right.height), min(left.height, right.height)
    offset = abs(left.top + left.bottom - right.top - right.bottom) / 2
    gap = right.left - left.right
    return (
        tall <= MOST_RATIO * short and offset <= MOST_OFFSET * tall and 0 <= gap <= MOST_GAP * tall
    )


def _around(group: Sequence[Mark]) -> Mark:
    return Mark(
        min(mark.top for mark in group),
        min(mark.left for mark in group),
        max(mark.bottom for mark in group),
        max(mark.right for mark in group),
    )


def _levels(group: Sequence[Mark], grey: Grey, dark: NDArray[np.bool_]) -> Levels | None:
    """None: this is no number on plain paper."""
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
    if len(group) == 1 and _more_on(whole, plain, grey, dark):
        return None
    inside = slice(whole.top, whole.bottom), slice(whole.left, whole.right)
    ink = float(np.median(grey[inside][dark[inside]]))
    return None if ink > FAINT * plain else Levels(plain, ink)


def _more_on(whole: Mark, plain: float, grey: Grey, dark: NDArray[np.bool_]) -> bool:
    """Whether something else is written beside it, as far as the paper goes: a digit in pieces, or
    half under a finger."""
    high = whole.height
    margin, reach = max(2, round(MARGIN * high)), round(BESIDE * high)
    # With what is above and below: a 1 is dark from top to bottom, but not beyond.
    rows = slice(whole.top - margin, whole.bottom + margin)
    for columns in (
        slice(max(0, whole.left - 1 - reach), max(0, whole.left - 1)),
        slice(whole.right + 1, whole.right + 1 + reach),
    ):
        seen, written = grey[rows, columns], dark[rows, columns].sum(axis=0)
        if columns.start < whole.left:  # from the number outwards
            seen, written = seen[:, ::-1], written[::-1]
        if not seen.shape[1]:
            continue
        over = np.flatnonzero(np.quantile(seen, 1 - PAPER, axis=0) < SHADE * plain)
        # Its edge may be askew, and held there.
        end = int(over[0]) - round(EDGE * high) if len(over) else seen.shape[1]
        if written[: max(0, end)].sum() > MOST_SPECKS * high * high:
            return True
    return False


def _ink(grey: Grey, mark: Mark, levels: Levels) -> Grey:
    """(28, 28): the mark, 20 pixels high or wide, in the middle; 0 paper, 1 ink."""
    part = grey[max(0, mark.top - 1) : mark.bottom + 1, max(0, mark.left - 1) : mark.right + 1]
    scale = DIGIT_PX / max(mark.height, mark.width)
    rows, columns = (max(1, round(size * scale)) for size in part.shape)
    small = _resampled(_resampled(part, rows).T, columns).T
    made = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    down, aside = (SIDE_PX - rows) // 2, (SIDE_PX - columns) // 2
    contrast = max(levels.paper - levels.ink, 1.0)  # a level at least: some marks have none
    made[down : down + rows, aside : aside + columns] = (levels.paper - small) / contrast
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
