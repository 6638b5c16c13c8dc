"""A phone at somebody's ear: what the whole of their head says, where no box says it.

Beside the names of things the eyes have a row that was learnt from people phoning and from people
who only have a hand, a cup or a cigarette at their head (`models/recipe`). It is read in every cell
about a head: log(sum(exp(logit))) of them, less what that is with nobody phoning, are the
log-odds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.desk.evidence import LEAST, log_odds, probability
from edge.domain import PERSON, PHONE, Box, Detection
from edge.vision.preprocess import Placed

CALL = "call"  # the label of that row, which is no thing with a box
OFFSET = -8.0  # chosen by cross-validation, with the row
SITS = 0.2  # score from which on there may be somebody
MOST_PEOPLE = 2  # the largest
HEAD = 1 / 3  # of a person, from the top
ABOVE, BESIDE = 0.05, 0.15  # margins, in their height and width
SAME_IOU = 0.45  # with a phone that is seen there
# Evidence for a light, and none for a sound: no phone is seen.
MOST = 0.5


class Cells(NamedTuple):
    """Where the row says anything: boxes (N, 4) ymin, xmin, ymax, xmax, as shares of the model's
    input, and logits (N,)."""

    boxes: NDArray[np.float32]
    logits: NDArray[np.float32]


def with_calls(
    detections: Sequence[Detection], cells: Cells, placed: Placed
) -> tuple[Detection, ...]:
    """The same, best first, with what the cells say of the largest people's heads: a phone that is
    seen there is surer, and where none is seen there may be one."""
    boxes = cells.boxes / np.array([placed.height, placed.width] * 2, np.float32)
    people = [each for each in detections if each.label == PERSON and each.score >= SITS]
    people.sort(key=lambda each: -each.score * each.box.area)
    found = list(detections)
    y, x = (boxes[:, :2] + boxes[:, 2:]).T / 2
    for person in people[:MOST_PEOPLE]:
        head = about_head(person.box)
        inside = (head.ymin <= y) & (y <= head.ymax) & (head.xmin <= x) & (x <= head.xmax)
        if not inside.any():
            continue
        logits = cells.logits[inside]
        says = float(np.logaddexp.reduce(logits)) + OFFSET
        if says <= log_odds(LEAST):
            continue
        edges = np.clip(boxes[inside][logits.argmax()], 0, 1).tolist()
        _add(found, Box(*edges), says)
    return tuple(sorted(found, key=lambda each: -each.score))


def _add(found: list[Detection], box: Box, says: float) -> None:
    seen = [i for i, d in enumerate(found) if d.label == PHONE and d.box.iou(box) >= SAME_IOU]
    if seen:
        best = max(seen, key=lambda i: found[i].score)
        both = float(np.logaddexp(log_odds(found[best].score), says))
        found[best] = replace(found[best], score=max(found[best].score, probability(both)))
    elif box.area > 0:
        found.append(Detection(PHONE, min(MOST, probability(says)), box))


def about_head(person: Box) -> Box:
    """Where a head is, and a hand at it."""
    above, beside = ABOVE * person.height, BESIDE * person.width
    return Box(
        person.ymin - above,
        person.xmin - beside,
        person.ymin + HEAD * person.height,
        person.xmax + beside,
    )
