"""From a detector's raw outputs to boxes: cut, decode, and keep one box per object.

Boxes here are (N, 4) float32 (ymin, xmin, ymax, xmax), as shares of the model's input, not clipped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.desk.geometry import overlaps
from edge.domain import Box, Detection
from edge.vision.calls import Cells
from edge.vision.manifest import NO_LABEL
from edge.vision.preprocess import Placed, Quant

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.intp]

MOST_CANDIDATES = 1000  # before overlaps are removed; bounds the cost of a frame full of noise
MOST_DETECTIONS = 300
LARGEST_LOG_SIZE = 8.0  # exp of it is 3000 strides: larger than any input, and no overflow
BINS = 8  # of the distance from a point to a side of its box: 0..7 strides
RIVAL_FLOOR = 0.05  # a label that is no surer than this claims nothing
RIVAL_IOU = 0.5  # two labels whose boxes overlap so much are about one thing
# Weighted by bins: the sum of their distances, and their sum.
MOMENTS = np.stack([np.arange(BINS), np.ones(BINS)], axis=1).astype(np.float32)
MOST_EXPONENT = 80.0  # exp of it and of its negative are float32
CALL_FLOOR = -6.0  # logit below which a cell says nothing of a call
FINEST = 200  # cells of the finest stride are heard for a call
VOTE_IOU = 0.85  # boxes of one class that overlap so much mean the same outline


class Found(NamedTuple):
    """Best score first: boxes (N, 4), scores (N,) 0..1, classes (N,) index into the labels."""

    boxes: FloatArray
    scores: FloatArray
    classes: IntArray


class Head(NamedTuple):
    """The outputs at one stride; each (height, width, channels), as stored in its tensor."""

    box: NDArray[Any]  # 4 channels: x, y from the cell in strides; log of width, height in strides
    objectness: NDArray[Any]  # 1 channel, logit
    classes: NDArray[Any]  # one channel per label, logits


class GflHead(NamedTuple):
    """The outputs at one stride; each (height, width, channels), as stored in its tensor."""

    classes: NDArray[Any]  # one channel per label, logits
    box: NDArray[Any]  # 4 x BINS channels: left, top, right, bottom


class GflQuant(NamedTuple):
    stride_px: int
    classes: Quant
    box: Quant


class Rivalry(NamedTuple):
    """Labels, by index, that claim the same things as `label` does."""

    label: int
    rivals: tuple[int, ...]


class HeadQuant(NamedTuple):
    box: Quant
    objectness: Quant
    classes: Quant


def sigmoid(logits: NDArray[Any]) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float32))), np.float32)


class YoloxDecoder:
    """Anchor-free heads (Ge et al., YOLOX, arXiv:2107.08430), one per stride.

    Nearly all cells see nothing, so they are cut by objectness first, in the numbers as stored:
    an integer comparison where the model is quantized. Only what is left is turned into real
    numbers, by tables of the 256 possible values where there are no more.
    """

    def __init__(
        self,
        quants: Sequence[HeadQuant],
        *,
        floor: float,
        nms_iou: float,
        rivalry: Rivalry | None = None,
    ) -> None:
        self._reported = max(floor, 1e-4)  # at 0 every cell would be a candidate
        self._rivalry = rivalry
        self._floor = min(self._reported, RIVAL_FLOOR) if rivalry else self._reported
        self._nms_iou = nms_iou
        self._heads = [
            (quant, _least_stored(quant.objectness, self._floor), _table(quant.classes))
            for quant in quants
        ]

    def __call__(self, heads: Sequence[Head]) -> Found:
        boxes: list[FloatArray] = []
        scores: list[FloatArray] = []
        classes: list[IntArray] = []
        for head, (quant, least, table) in zip(heads, self._heads, strict=True):
            width = head.objectness.shape[1]
            objectness = head.objectness.reshape(-1)
            cells = np.flatnonzero(objectness >= least)
            if not len(cells):
                continue
            sure = sigmoid(_real(objectness[cells], quant.objectness))
            logits = head.classes.reshape(-1, head.classes.shape[-1])[cells]
            each = table[logits.view(np.uint8)] if table is not None else sigmoid(logits)
            each = each * sure[:, None]
            which, label = np.nonzero(each >= self._least(each.shape[1]))
            if not len(which):
                continue
            cells = cells[which]
            offsets = _real(head.box.reshape(-1, 4)[cells], quant.box)
            boxes.append(self._boxes(offsets, cells, width, head.objectness.shape[0]))
            scores.append(each[which, label])
            classes.append(label)
        if not boxes:
            return nothing()
        found = Found(np.concatenate(boxes), np.concatenate(scores), np.concatenate(classes))
        found = suppress(found, self._nms_iou)
        return contest(found, self._rivalry, self._reported) if self._rivalry else found

    def _least(self, labels: int) -> FloatArray:
        """Per label, the score from which a cell is a candidate: rivals count before they are
        worth reporting."""
        least = np.full(labels, self._reported, np.float32)
        if self._rivalry:
            least[list(self._rivalry.rivals)] = self._floor
        return least

    def _boxes(self, offsets: FloatArray, cells: IntArray, width: int, height: int) -> FloatArray:
        """offsets: (N, 4) x, y, log w, log h, in strides; cells: (N,) row-major index."""
        grid = np.stack([cells % width, cells // width], axis=1)
        center = offsets[:, :2] + grid
        half = np.exp(np.minimum(offsets[:, 2:], LARGEST_LOG_SIZE)) / 2
        # Cells count strides, so shares of the input are shares of the cells of a side.
        corners = np.concatenate([center - half, center + half], axis=1)[:, [1, 0, 3, 2]]
        sides = np.array([height, width, height, width], np.float32)
        return np.asarray(corners / sides, np.float32)


class GflDecoder:
    """Heads of generalized focal loss (Li et al., arXiv:2006.04388), one pair per stride.

    A class's logit says how sure it is and how well the box fits. The distance to a side of the box
    is the mean of 0..7 strides, weighted by the softmax of as many logits.

    Cells are cut in the numbers as stored: an integer comparison where the model is quantized.
    """

    def __init__(
        self,
        quants: Sequence[GflQuant],
        *,
        width_px: int,
        height_px: int,
        centre: float,
        turned: bool,
        floor: float,
        nms_iou: float,
        call: bool = False,
    ) -> None:
        """centre: see ModelSpec; turned: the picture was shown turned by 180 degrees; call: the
        last of the classes is that of `calls`, and no thing"""
        floor = max(floor, 1e-4)  # at 0 every cell would be a candidate
        self._sides = np.array([height_px, width_px, height_px, width_px], np.float32)
        self._centre = centre
        self._turned = turned
        self._nms_iou = nms_iou
        self._call = call
        self._heads = [
            (each, _least_stored(each.classes, floor), _weights_of(each.box)) for each in quants
        ]

    def __call__(self, heads: Sequence[GflHead]) -> Found:
        if self._call:
            heads = [GflHead(head.classes[..., :-1], head.box) for head in heads]
        found = [
            np.flatnonzero(head.classes.reshape(-1) >= least)
            for head, (_, least, _) in zip(heads, self._heads, strict=True)
        ]
        logits = [
            _real(head.classes.reshape(-1)[which], quant.classes)
            for head, which, (quant, _, _) in zip(heads, found, self._heads, strict=True)
        ]
        # Boxes are worked out for no more than can be kept.
        surplus = sum(map(len, found)) - MOST_CANDIDATES
        bar = np.partition(np.concatenate(logits), surplus)[surplus] if surplus > 0 else -math.inf
        boxes: list[FloatArray] = []
        scores: list[FloatArray] = []
        classes: list[IntArray] = []
        for head, which, sure, (quant, _, table) in zip(
            heads, found, logits, self._heads, strict=True
        ):
            if surplus > 0:
                which, sure = which[sure >= bar], sure[sure >= bar]
            if not len(which):
                continue
            cells, label = np.divmod(which, head.classes.shape[2])
            boxes.append(self._boxes(head, cells, quant, table))
            scores.append(sigmoid(sure))
            classes.append(label)
        if not boxes:
            return nothing()
        everything = Found(np.concatenate(boxes), np.concatenate(scores), np.concatenate(classes))
        return suppress(everything, self._nms_iou)

    def calls(self, heads: Sequence[GflHead], phone: int) -> Cells:
        """What the row of calls says, where it says anything; phone: the class of phones, of which
        the finest cells must have a trace."""
        boxes: list[FloatArray] = []
        logits: list[FloatArray] = []
        for n, (head, (quant, _, table)) in enumerate(zip(heads, self._heads, strict=True)):
            says = _real(head.classes[..., -1].reshape(-1), quant.classes)
            may = says >= CALL_FLOOR
            if n == 0 and says.size > FINEST:
                traces = head.classes[..., phone].reshape(-1)
                may &= traces >= np.partition(traces, -FINEST)[-FINEST]
            cells = np.flatnonzero(may)
            boxes.append(self._boxes(head, cells, quant, table))
            logits.append(says[cells])
        return Cells(np.concatenate(boxes), np.concatenate(logits))

    def _boxes(
        self, head: GflHead, cells: IntArray, quant: GflQuant, table: FloatArray | None
    ) -> FloatArray:
        """cells: (N,) row-major index; table: see `_weights_of`"""
        height, width, _ = head.classes.shape
        bins = head.box.reshape(height * width, 4, BINS)[cells]
        weights = table[bins.view(np.uint8)] if table is not None else _softened(bins)
        mean, total = (weights.reshape(-1, BINS) @ MOMENTS).T
        left, top, right, bottom = (mean / total).reshape(-1, 4).T
        if self._turned:
            cells = height * width - 1 - cells
        y, x = cells // width + self._centre, cells % width + self._centre
        corners = np.stack([y - top, x - left, y + bottom, x + right], axis=1)
        return np.asarray(corners * quant.stride_px / self._sides, np.float32)


def _real(stored: NDArray[Any], quant: Quant) -> FloatArray:
    values = stored.astype(np.float32)
    return values if quant.scale == 0 else (values - quant.zero_point) * np.float32(quant.scale)


def _least_stored(quant: Quant, floor: float) -> float:
    """The lowest stored logit whose sigmoid reaches `floor`."""
    logit = -math.log(1 / floor - 1) if floor < 1 else math.inf
    if quant.scale == 0:
        return logit
    # A hair lower, since the score itself is worked out in single precision.
    stored = logit / quant.scale + quant.zero_point - 1e-4
    return math.ceil(min(max(stored, -128), 128))


def _softened(logits: FloatArray) -> FloatArray:
    """exp of logits (..., BINS), less their largest."""
    return np.asarray(np.exp(logits - logits.max(-1, keepdims=True)), np.float32)


def _weights_of(quant: Quant) -> FloatArray | None:
    """exp of all 256 stored logits, by their byte; None for real numbers."""
    if quant.scale == 0:
        return None
    logits = (np.arange(256, dtype=np.uint8).view(np.int8)) * quant.scale
    return np.exp(np.clip(logits, -MOST_EXPONENT, MOST_EXPONENT)).astype(np.float32)


def _table(quant: Quant) -> FloatArray | None:
    """Sigmoids of all 256 stored values, by their byte; None for real numbers."""
    if quant.scale == 0:
        return None
    return sigmoid(_real(np.arange(256, dtype=np.uint8).view(np.int8), quant))


def decode_ssd(
    boxes: NDArray[np.float32],
    classes: NDArray[np.float32],
    scores: NDArray[np.float32],
    count: int,
    *,
    floor: float,
) -> Found:
    """What the built-in postprocessing of the TensorFlow Object Detection API says.

    boxes: (N, 4) ymin, xmin, ymax, xmax, shares of the input; classes, scores: (N,). Only the
    first `count` mean anything.
    """
    real = np.asarray(scores[:count], np.float32)
    keep = np.flatnonzero(real >= floor)
    keep = keep[np.argsort(-real[keep], kind="stable")]
    return Found(
        np.asarray(boxes[:count], np.float32)[keep],
        real[keep],
        np.rint(classes[:count][keep]).astype(np.intp),
    )


def nothing() -> Found:
    return Found(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.intp))


def suppress(found: Found, iou: float) -> Found:
    """Of boxes of one class that overlap by more than `iou`, keep the best.

    Its edges are the mean, weighted by score, of all of its class that overlap it by more than
    VOTE_IOU (box voting: Gidaris and Komodakis, arXiv:1505.01749), so that the box of a thing
    that lies still trembles less.
    """
    order = np.argsort(-found.scores, kind="stable")[:MOST_CANDIDATES]
    boxes, scores, classes = found.boxes[order], found.scores[order], found.classes[order]
    alive = np.ones(len(order), bool)
    edges = boxes.copy()
    for label in np.unique(classes):
        mine = np.flatnonzero(classes == label)
        if len(mine) == 1:
            continue
        shared, whole = overlaps(boxes[mine], boxes[mine])
        # Without a division: two empty boxes share nothing and are nobody's copies.
        apart = shared <= iou * whole
        keep = np.ones(len(mine), bool)
        for best in range(len(mine)):
            if keep[best]:
                keep[best + 1 :] &= apart[best, best + 1 :]
        alive[mine] = keep
        agreed = shared[keep] > VOTE_IOU * whole[keep]
        several = agreed.sum(1) > 1
        votes = agreed[several] * scores[mine]
        edges[mine[keep][several]] = votes @ boxes[mine] / votes.sum(1, keepdims=True)
    kept = np.flatnonzero(alive)[:MOST_DETECTIONS]
    return Found(edges[kept], scores[kept], classes[kept])


def left_of(score: Any, claim: Any) -> Any:
    """What a rival's claim r to the same thing leaves of a score s > 0: s^3 / (s^2 + r^2).

    Next to nothing is lost to a weak claim, half to an equal one, all to a strong one. Numbers or
    arrays, 0..1.
    """
    return score**3 / (score**2 + claim**2)


def contest(found: Found, rivalry: Rivalry, floor: float) -> Found:
    """Where rivals claim the same thing, the surest one's claim counts against it. What is then
    below `floor` is dropped."""
    mine = np.flatnonzero(found.classes == rivalry.label)
    others = np.flatnonzero(np.isin(found.classes, rivalry.rivals))
    scores = found.scores
    if len(mine) and len(others):
        shared, whole = overlaps(found.boxes[mine], found.boxes[others])
        claims = np.where(shared >= RIVAL_IOU * whole, scores[None, others], 0).max(1)
        scores = scores.copy()
        scores[mine] = left_of(scores[mine], claims)
    keep = np.flatnonzero(scores >= floor)
    keep = keep[np.argsort(-scores[keep], kind="stable")]
    return Found(found.boxes[keep], scores[keep], found.classes[keep])


def to_detections(found: Found, labels: Sequence[str], placed: Placed) -> tuple[Detection, ...]:
    """Shares of the model's input to shares of the picture, clipped to it; empty boxes dropped."""
    scale = (placed.height, placed.width, placed.height, placed.width)
    boxes = np.clip(found.boxes / np.array(scale, np.float32), 0, 1).tolist()
    detections = []
    for edges, score, index in zip(
        boxes, found.scores.tolist(), found.classes.tolist(), strict=True
    ):
        box = Box(*edges)
        if index < len(labels) and labels[index] != NO_LABEL and box.area > 0:
            detections.append(Detection(labels[index], min(score, 1.0), box))
    return tuple(detections)
