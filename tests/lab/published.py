"""Detectors as others published them, to compare with: float networks read by the package `ncnn`.

    nanodet-plus-m_416   Lyu, NanoDet-Plus (github.com/RangiLyu/nanodet)
    picodet-s-416        Yu et al., PP-PicoDet, arXiv:2111.00902

Both say for each cell of strides 8 to 64 how probable each of COCO's 80 classes is, and how far the
four edges are from its centre, as a distribution over 0 to 7 strides (Li et al., Generalized Focal
Loss, arXiv:2006.04388). The files are no part of the project: ../shared/data/models has them.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.domain import Detection, Frame
from edge.vision.decode import Found, nothing, suppress, to_detections
from edge.vision.labels import COCO_80, canonical
from edge.vision.manifest import ModelError
from edge.vision.preprocess import Placed

FloatArray = NDArray[np.float32]

SUFFIX = ".param"  # of ncnn; the weights are in a .bin beside it
SIDE_PX = 416
STRIDES = (8, 16, 32, 64)
BINS = 8  # of the distance of an edge, in strides
NMS_IOU = 0.6
LABELS = tuple(canonical(name) for name in COCO_80)
# Means and deviations of ImageNet, red first, for pixels of 0 to 255.
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


@dataclass(frozen=True, slots=True)
class Published:
    """How a network is fed and read.

    bgr:     it takes blue first
    offset:  where in its cell, in strides, the point is that distances are counted from
    outputs: names of pairs (probabilities, distances), one a stride; or of one with both joined
    """

    source: str
    sink: tuple[tuple[str, ...], ...]
    bgr: bool
    offset: float


KNOWN = {
    "nanodet-plus-m": Published("data", (("output",),), bgr=True, offset=0.0),
    "picodet-s": Published(
        "image",
        tuple(
            (f"save_infer_model/scale_{n}.tmp_1", f"save_infer_model/scale_{n + 4}.tmp_1")
            for n in range(len(STRIDES))
        ),
        bgr=False,
        offset=0.5,
    ),
}


class PublishedDetector:
    """A `Detector`; whole pictures, stretched to the network's square as in its training."""

    labels = LABELS

    def __init__(self, path: Path, *, floor: float, threads: int = 2) -> None:
        """Raises ModelError."""
        known = next((each for name, each in KNOWN.items() if path.name.startswith(name)), None)
        if known is None:
            raise ModelError(f"{path.name} is none of the networks known: {', '.join(KNOWN)}")
        weights = path.with_suffix(".bin")
        for file in (path, weights):
            if not file.is_file():
                raise ModelError(f"the model file {file} is missing")
        try:
            self._ncnn: Any = importlib.import_module("ncnn")
        except ImportError as exc:
            raise ModelError(
                f"{path.name} is read by the package ncnn ({exc}); install it with"
                " deploy/setup.sh lab"
            ) from exc
        self._known = known
        self._floor = floor
        self._net = self._ncnn.Net()
        self._net.opt.num_threads = threads
        self._net.opt.openmp_blocktime = 0  # waiting threads would take what others compute with
        self._net.opt.use_fp16_storage = self._net.opt.use_fp16_arithmetic = False
        if self._net.load_param(str(path)) or self._net.load_model(str(weights)):
            raise ModelError(f"{path} and {weights.name} cannot be loaded as a network of ncnn")

    def detect(self, frame: Frame) -> tuple[Detection, ...]:
        """Best score first; boxes are fractions of the frame, clipped to it."""
        probabilities, distances = self._outputs(frame.image)
        found = decode(probabilities, distances, offset=self._known.offset, floor=self._floor)
        return to_detections(found, LABELS, Placed(1.0, 1.0))

    def _outputs(self, image: NDArray[np.uint8]) -> tuple[FloatArray, FloatArray]:
        """(N, 80) 0..1 and (N, 32), the cells of all strides one after the other."""
        kinds = self._ncnn.Mat.PixelType
        kind = kinds.PIXEL_RGB2BGR if self._known.bgr else kinds.PIXEL_RGB
        height, width = image.shape[:2]
        given = self._ncnn.Mat.from_pixels_resize(
            np.ascontiguousarray(image), kind, width, height, SIDE_PX, SIDE_PX
        )
        mean, deviation = (MEAN[::-1], DEVIATION[::-1]) if self._known.bgr else (MEAN, DEVIATION)
        given.substract_mean_normalize(list(mean), [1 / each for each in deviation])
        rows = []
        with _quiet():
            extractor = self._net.create_extractor()
            extractor.input(self._known.source, given)
            for names in self._known.sink:
                parts = [np.array(extractor.extract(name)[1], np.float32) for name in names]
                rows.append(np.concatenate(parts, axis=1))
        joined = np.concatenate(rows)
        return joined[:, : len(LABELS)], joined[:, len(LABELS) :]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what ncnn says on stderr: at each picture, that layers of PicoDet could be written
    otherwise."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def cells(side_px: int = SIDE_PX) -> tuple[FloatArray, FloatArray]:
    """(N, 2) row and column of every cell, and (N, 1) its stride, in the order of the outputs."""
    places, strides = [], []
    for stride in STRIDES:
        count = -(-side_px // stride)
        row, column = np.divmod(np.arange(count * count), count)
        places.append(np.stack([row, column], axis=1))
        strides.append(np.full((count * count, 1), stride))
    return np.concatenate(places).astype(np.float32), np.concatenate(strides).astype(np.float32)


def decode(
    probabilities: FloatArray,
    distances: FloatArray,
    *,
    offset: float,
    floor: float,
    side_px: int = SIDE_PX,
) -> Found:
    """probabilities: (N, 80) 0..1; distances: (N, 32) logits of left, top, right, bottom, each a
    distribution over 0 to 7 strides."""
    which, label = np.nonzero(probabilities >= floor)
    if not len(which):
        return nothing()
    places, strides = cells(side_px)
    logits = distances[which].reshape(-1, 4, BINS)
    shares = np.exp(logits - logits.max(axis=2, keepdims=True))
    shares /= shares.sum(axis=2, keepdims=True)
    left, top, right, bottom = (shares @ np.arange(BINS, dtype=np.float32)).T
    y, x = (places[which] + np.float32(offset)).T
    edges = np.stack([y - top, x - left, y + bottom, x + right], axis=1)
    boxes = (edges * strides[which] / side_px).astype(np.float32)
    return suppress(Found(boxes, probabilities[which, label], label), NMS_IOU)
