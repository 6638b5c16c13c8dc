"""Feature vectors of things in a picture: what a network of the eyes makes of a crop around each.

The crop shows the thing and nothing else: its box, a little larger, as large as the input allows,
and grey around it, so that neither the room nor who holds it becomes a mark of the thing.

Beside the file lies what was made of the training pictures with it (`Bank` of `taught.py`),
and how its numbers become a vector: their principal components among those pictures, scaled alike.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.domain import Box, Frame
from edge.taught import Bank
from edge.vision.manifest import FeaturesSpec, ModelError
from edge.vision.tflite import Vectors

FloatArray = NDArray[np.float32]
Image = NDArray[np.uint8]

GROWN = 1.05  # of the box: its edges tremble
GREY = 114


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """From what a file gives to a vector: (raw - mean) @ matrix, (R,) and (R, D) float32."""

    mean: FloatArray
    matrix: FloatArray

    def __call__(self, raw: FloatArray) -> FloatArray:
        return np.asarray((raw - self.mean) @ self.matrix, np.float32)


class FileFeatures:
    """`Features` of `ports.py` from files of the manifest, loaded when they are first wanted: most
    boxes are shown nothing. Not for two threads at once."""

    def __init__(self, spec: FeaturesSpec, *, runtime_name: str = "") -> None:
        self._spec = spec
        self._runtime_name = runtime_name
        self._loaded: _Loaded | None = None

    @property
    def version(self) -> str:
        return self._spec.version

    @property
    def bank(self) -> Bank:
        return self._load().bank

    def crops(self, frame: Frame, boxes: Sequence[Box]) -> list[Image]:
        return [crop(frame.image, box, self._spec.side_px) for box in boxes]

    def vectors(self, crops: Sequence[Image]) -> FloatArray:
        """(N, D), a row for each crop."""
        if not crops:
            return np.empty((0, self._spec.length), np.float32)
        held = self._load()
        return held.project(np.stack([held.network(each) for each in crops]))

    def _load(self) -> _Loaded:
        if self._loaded is None:
            spec = self._spec
            bank, project = load_bank(spec.bank.path)
            if bank.length != spec.length:
                raise ModelError(
                    f"{spec.bank.path} is made of vectors of {bank.length} numbers, not of"
                    f" {spec.length}, as its manifest says"
                )
            network = Vectors(spec.network.path, spec.side_px, runtime_name=self._runtime_name)
            if network.length != len(project.mean):
                raise ModelError(
                    f"{spec.network.path.name} gives {network.length} numbers, and"
                    f" {spec.bank.path.name} was made of {len(project.mean)}: they do not belong"
                    " together"
                )
            self._loaded = _Loaded(bank, project, network)
        return self._loaded


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    bank: Bank
    project: Projection
    network: Vectors


def load_bank(path: Path) -> tuple[Bank, Projection]:
    """Raises ModelError."""
    try:
        with np.load(path, allow_pickle=False) as file:
            held: dict[str, Any] = {name: file[name] for name in file.files}
        bank = Bank(
            held["weights"].astype(np.float32),
            held["precision"].astype(np.float32),
            float(held["slope"]),
        )
        project = Projection(held["mean"].astype(np.float32), held["matrix"].astype(np.float32))
    except FileNotFoundError as exc:
        raise ModelError(f"{path} is missing") from exc
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as exc:
        raise ModelError(f"{path} is no bank of vectors: {exc}") from exc
    size = bank.length + 1
    if bank.precision.shape != (size, size) or project.matrix.shape != (
        len(project.mean),
        bank.length,
    ):
        raise ModelError(f"{path} is no bank of vectors: its numbers do not fit together")
    return bank, project


def crop(image: Image, box: Box, side_px: int) -> Image:
    """(side, side, 3): the box, a little larger, as large as fits, in the middle of grey."""
    height, width = image.shape[:2]
    (y, x), high, wide = box.center, box.height * GROWN / 2, box.width * GROWN / 2
    top = min(max(0, round((y - high) * height)), height - 1)
    left = min(max(0, round((x - wide) * width)), width - 1)
    bottom = min(max(top + 1, round((y + high) * height)), height)
    right = min(max(left + 1, round((x + wide) * width)), width)
    part = image[top:bottom, left:right]
    scale = side_px / max(part.shape[:2])
    new_height = max(1, round(part.shape[0] * scale))
    new_width = max(1, round(part.shape[1] * scale))
    made = np.full((side_px, side_px, 3), GREY, np.uint8)
    down, aside = (side_px - new_height) // 2, (side_px - new_width) // 2
    made[down : down + new_height, aside : aside + new_width] = _scaled(part, new_width, new_height)
    return made


def _scaled(part: Image, width_px: int, height_px: int) -> Image:
    """Bilinear, and the mean of what a pixel covers where it shrinks (swscale: preprocess.py)."""
    from av import VideoFrame

    frame = VideoFrame.from_ndarray(np.ascontiguousarray(part), format="rgb24")
    small = frame.reformat(width=width_px, height=height_px, interpolation="BILINEAR")
    return np.asarray(small.to_ndarray(format="rgb24"), np.uint8)


__all__ = ["FileFeatures", "Projection", "crop", "load_bank"]
