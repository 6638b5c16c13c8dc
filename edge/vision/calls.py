"""What the eyes' row of calls says of each head.

Beside the names of things the eyes have a row that was learnt from people phoning and from people
who only have a hand, a cup or a cigarette at their head (`models/recipe`). It is read in every cell
about a head: log(sum(exp(logit))) of them, less what that is with nobody phoning, are the
log-odds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.domain import Box, Call, Detection
from edge.vision.preprocess import Placed
from edge.vision.still import largest_people

OFFSET = -8.0  # chosen by cross-validation, with the row
HEAD = 1 / 3  # of a person, from the top
ABOVE, BESIDE = 0.05, 0.15  # margins, in their height and width


class Cells(NamedTuple):
    """Where the row says anything: boxes (N, 4) ymin, xmin, ymax, xmax, as shares of the model's
    input, and logits (N,)."""

    boxes: NDArray[np.float32]
    logits: NDArray[np.float32]


def calls(detections: Sequence[Detection], cells: Cells, placed: Placed) -> tuple[Call, ...]:
    """Of the largest people that were detected, what the cells about their heads say."""
    boxes = cells.boxes / np.array([placed.height, placed.width] * 2, np.float32)
    y, x = (boxes[:, :2] + boxes[:, 2:]).T / 2
    found = []
    for person in largest_people(detections):
        head = about_head(person.box)
        inside = (head.ymin <= y) & (y <= head.ymax) & (head.xmin <= x) & (x <= head.xmax)
        if not inside.any():
            continue
        logits = cells.logits[inside]
        edges = np.clip(boxes[inside][logits.argmax()], 0, 1).tolist()
        says = float(np.logaddexp.reduce(logits)) + OFFSET
        found.append(Call(person.box, says, Box(*edges)))
    return tuple(found)


def about_head(person: Box) -> Box:
    """Where a head is, and a hand at it."""
    above, beside = ABOVE * person.height, BESIDE * person.width
    return Box(
        person.ymin - above,
        person.xmin - beside,
        person.ymin + HEAD * person.height,
        person.xmax + beside,
    )
