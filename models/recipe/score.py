"""Decoding, suppression and the figures that steer the training (numpy only).

AP50 is COCO's: greedy matching in order of score at IoU 0.5, 101-point interpolation, at most 100
detections a picture. Crowd boxes count as ordinary ones, for that is how `shared/data` has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
STRIDES = (8, 16, 32)
RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True)
class Found:
    """Detections of one picture, best first.

    boxes: (N, 4) x1 y1 x2 y2 in pixels of the picture; scores: (N,); classes: (N,) int
    """

    boxes: Floats
    scores: Floats
    classes: NDArray[np.int64]


def sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(x, -60, 60)))


def decode(heads: Mapping[str, Floats], scale: float, floor: float = 0.01) -> Found:
    """Nine raw heads of one picture, each (H, W, C) float, to detections after suppression.

    scale: input pixels per picture pixel
    """
    boxes, scores, classes = [], [], []
    for stride in STRIDES:
        reg, obj, cls = (heads[f"{h}{stride}"] for h in ("reg", "obj", "cls"))
        score = sigmoid(obj) * sigmoid(cls)
        y, x, c = np.nonzero(score > floor)
        r = reg[y, x]
        centre = (r[:, :2] + np.stack([x, y], 1)) * stride
        half = np.exp(np.minimum(r[:, 2:], 8)) * (stride / 2)
        boxes.append(np.concatenate([centre - half, centre + half], 1) / scale)
        scores.append(score[y, x, c])
        classes.append(c)
    return suppress(np.concatenate(boxes), np.concatenate(scores), np.concatenate(classes))


def suppress(boxes: Floats, scores: Floats, classes: NDArray[np.int64], iou: float = 0.65,
             most: int = 300) -> Found:  # fmt: skip
    """Class by class, drop what overlaps a better box by more than `iou`."""
    order = np.argsort(-scores, kind="stable")[: most * 4]
    boxes, scores, classes = boxes[order], scores[order], classes[order]
    # Classes moved far apart never overlap, so one pass serves all of them.
    span = float(boxes.max() - boxes.min()) + 1 if len(boxes) else 1.0
    apart = boxes + (classes * span)[:, None]
    overlap = iou_matrix(apart, apart)
    keep: list[int] = []
    alive = np.ones(len(boxes), bool)
    for i in range(len(boxes)):
        if alive[i]:
            keep.append(i)
            if len(keep) == most:
                break
            alive &= overlap[i] <= iou
    return Found(boxes[keep], scores[keep], classes[keep])


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


def summary(dev: Sequence[object], dev_found: Sequence[Found], webcam: Sequence[object],
            webcam_found: Sequence[Found], labels: Sequence[str]) -> dict[str, float]:  # fmt: skip
    """AP50 per class on dev, phones of a desk's size apart, picture-level hits, and how well a
    phone is told from a wallet and an earbud case.

    dev, webcam: pictures with boxes, classes, width and height
    """
    figures: dict[str, float] = {}
    for index, label in enumerate(labels):
        truth = [p.boxes[p.classes == index] for p in dev]
        none = [np.zeros(len(t), bool) for t in truth]
        if sum(map(len, truth)):
            ap = average_precision(match(dev_found, truth, none, index))
            figures[label] = round(ap, 1)
    truth = [p.boxes[p.classes == 0] for p in dev]
    small = [area(t) < 0.003 * p.width * p.height for t, p in zip(truth, dev, strict=True)]
    least = [0.003 * p.width * p.height for p in dev]
    desk = match(dev_found, truth, small, 0, least=least)
    figures["desk"] = round(average_precision(desk), 1)
    best = np.array([best_score(f, 0) for f in dev_found])
    has = np.array([len(t) > 0 for t in truth])
    figures["hits5"] = hits_at(best, has, 0.05)
    best = np.array([best_score(f, 0) for f in webcam_found])
    has = np.array([bool((p.classes == 0).any()) for p in webcam])
    cuts = np.unique(np.concatenate([best, [0.0, 1.0]]))
    balanced = [((best[has] >= c).mean() + (best[~has] < c).mean()) / 2 for c in cuts]
    figures["web_best"] = round(float(max(balanced)), 3)
    figures["web_at"] = round(float(cuts[int(np.argmax(balanced))]), 3)
    figures["web_30"] = round(((best[has] >= 0.3).mean() + (best[~has] < 0.3).mean()) / 2, 3)
    figures["web_50"] = round(((best[has] >= 0.5).mean() + (best[~has] < 0.5).mean()) / 2, 3)
    return figures


def area(boxes: Floats) -> Floats:
    return np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)


def best_score(found: Found, label: int) -> float:
    mine = found.scores[found.classes == label]
    return float(mine.max()) if len(mine) else 0.0


def hits_at(best: Floats, has: NDArray[np.bool_], false: float) -> float:
    """Share of the pictures that have one which are flagged when a share `false` of the others
    is flagged too."""
    bar = np.quantile(best[~has], 1 - false)
    return round(float((best[has] > bar).mean()), 3)
