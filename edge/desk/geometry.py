"""Boxes that say the same thing."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from edge.domain import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

Real = TypeVar("Real", np.float32, np.float64)

SAME_IOU = 0.2  # two boxes that overlap so much may be one thing
LOOSELY_IOU = 0.45  # and are, of two eyes or two looks: of phones, which they draw less alike,
#                     and of people of whom one is wanted
WITHIN = 0.7  # of the smaller of two boxes lies in the other when they show one thing
SHOWN = 0.8  # so much of a thing lies in a window that shows it


def ious(boxes: Sequence[Box], others: Sequence[Box]) -> NDArray[np.float64]:
    """Intersection over union of each with each: (len(boxes), len(others)), 0..1; 0 for two empty
    boxes."""
    shared, whole = overlaps(_edges(boxes), _edges(others))
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)


def _edges(boxes: Sequence[Box]) -> NDArray[np.float64]:
    return np.array([(b.ymin, b.xmin, b.ymax, b.xmax) for b in boxes], float).reshape(-1, 4)


def overlaps(boxes: NDArray[Real], others: NDArray[Real]) -> tuple[NDArray[Real], NDArray[Real]]:
    """Of each of (N, 4) edges (ymin, xmin, ymax, xmax) with each of (M, 4): (N, M) areas of what
    they share, and of what they cover together."""
    # Edges of one kind side by side, and few new arrays: there are hundreds of boxes.
    top, left, bottom, right = np.ascontiguousarray(boxes.T)[..., None]
    other_top, other_left, other_bottom, other_right = np.ascontiguousarray(others.T)
    areas = np.maximum(bottom - top, 0) * np.maximum(right - left, 0)
    more = np.maximum(other_bottom - other_top, 0) * np.maximum(other_right - other_left, 0)
    shared = np.minimum(bottom, other_bottom)
    shared -= np.maximum(top, other_top)
    width = np.minimum(right, other_right)
    width -= np.maximum(left, other_left)
    shared = np.maximum(shared, 0, out=shared)
    shared *= np.maximum(width, 0, out=width)
    whole = areas + more
    whole -= shared
    return shared, whole


def clipped(box: Box) -> Box:
    """The part of `box` that lies in the picture."""
    return Box(max(0.0, box.ymin), max(0.0, box.xmin), min(1.0, box.ymax), min(1.0, box.xmax))


def between(one: Box, other: Box, share: float) -> Box:
    """The box at a share of the way from one to the other."""
    return Box(
        one.ymin + share * (other.ymin - one.ymin),
        one.xmin + share * (other.xmin - one.xmin),
        one.ymax + share * (other.ymax - one.ymax),
        one.xmax + share * (other.xmax - one.xmax),
    )


def apart(one: Box, other: Box) -> float:
    """Distance of the centres, in shares of the picture."""
    (ay, ax), (by, bx) = one.center, other.center
    return hypot(ay - by, ax - bx)


def of_one(one: Box, other: Box) -> bool:
    """Whether two boxes show one thing, or one of them a part of it."""
    return one.intersection(other) >= WITHIN * min(one.area, other.area)


def shows(window: Box, box: Box) -> bool:
    """Whether a look at `window` would show the thing in `box` nearly whole."""
    return window.intersection(box) >= SHOWN * box.area
