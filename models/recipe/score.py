"""Average precision (numpy only).

AP50 is COCO's: greedy matching in order of score at IoU 0.5, 101-point interpolation, at most 100
detections a picture. Crowd boxes count as ordinary ones, for that is how `shared/data` has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True)
class Found:
    """Detections of one picture, best first.

    boxes: (N, 4) x1 y1 x2 y2 in pixels of the picture; scores: (N,); classes: (N,) int
    """

    boxes: Floats
    scores: Floats
    classes: NDArray[np.int64]


def iou_matrix(a: Floats, b: Floats) -> Floats:
    """(N, 4) and (M, 4) x1 y1 x2 y2 to (N, M)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.prod(np.clip(high - low, 0, None), 2)
    area_a = np.prod(a[:, 2:] - a[:, :2], 1)
    area_b = np.prod(b[:, 2:] - b[:, :2], 1)
    return inter / np.maximum(area_a[:, None] + area_b[None] - inter, 1e-9)


@dataclass(frozen=True, slots=True)
class Matches:
    """One class over a set of pictures: detections in order of score, and what they hit."""

    scores: Floats
    hits: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    truths: int


def match(
    found: Sequence[Found],
    truth: Sequence[Floats],
    ignore: Sequence[NDArray[np.bool_]],
    label: int,
    most: int = 100,
    least: Sequence[float] | None = None,
) -> Matches:
    """truth: boxes of this class, one (M, 4) a picture; ignore: (M,) boxes that do not count;
    least: area per picture below which a detection that finds nothing does not count."""
    scores, hits, skipped, total = [], [], [], 0
    for n, (f, boxes, ignored) in enumerate(zip(found, truth, ignore, strict=True)):
        mine = np.nonzero(f.classes == label)[0][:most]
        total += int((~ignored).sum())
        taken = np.zeros(len(boxes), bool)
        overlap = iou_matrix(f.boxes[mine], boxes) if len(boxes) else np.zeros((len(mine), 0))
        for row, i in zip(overlap, mine, strict=True):
            best, best_iou = -1, 0.5
            for only_ignored in (False, True):
                if best >= 0:
                    break
                for j in np.nonzero((ignored == only_ignored) & ~taken & (row >= best_iou))[0]:
                    if row[j] >= best_iou:
                        best, best_iou = int(j), float(row[j])
            scores.append(f.scores[i])
            hits.append(best >= 0 and not ignored[best])
            small = least is not None and area(f.boxes[i : i + 1])[0] < least[n]
            skipped.append(bool(ignored[best]) if best >= 0 else bool(small))
            if best >= 0 and not ignored[best]:
                taken[best] = True
    order = np.argsort(-np.array(scores), kind="stable") if scores else np.zeros(0, int)
    return Matches(
        np.array(scores, np.float32)[order],
        np.array(hits, bool)[order],
        np.array(skipped, bool)[order],
        total,
    )


def average_precision(m: Matches) -> float:
    """AP in per cent; NaN when there is nothing to find."""
    if m.truths == 0:
        return float("nan")
    hits = m.hits[~m.ignored]
    true = np.cumsum(hits)
    recall = true / m.truths
    precision = true / np.arange(1, len(hits) + 1)
    if not len(hits):
        return 0.0
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, RECALLS, side="left")
    values = np.where(at < len(envelope), envelope[np.minimum(at, len(envelope) - 1)], 0)
    return float(values.mean() * 100)


def area(boxes: Floats) -> Floats:
    return np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
