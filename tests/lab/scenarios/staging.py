"""A labelled picture as a part of what the box's camera sees.

The labelled pictures have 640 pixels a side, and the camera has more. So each is put into a frame
of the camera's size, with its own pixels, as the part that it would be there, and other pictures
into the rest of it: that is what a camera sees that stands farther away from the same thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from edge.config import CameraConfig
from edge.devices.camera_picture import load_picture
from edge.domain import PHONE, Box
from tests.lab.dataset import LabelledPicture
from tests.lab.score import Truth

CAMERA = CameraConfig()
CELL_PX = (480, 640)  # height and width of what the labelled pictures are
CELL_SHARE = CELL_PX[0] * CELL_PX[1] / (CAMERA.height_px * CAMERA.width_px)
GREY = 114

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Stage:
    """A frame of the camera's size in which one cell is free; `corner_px`: top, left of that."""

    image: Image
    corner_px: tuple[int, int]

    def showing(self, picture: Image) -> tuple[Image, Box]:
        """The frame with a picture in that cell, and the part of the frame that the picture is."""
        part = shrunk(
            picture, min(1.0, CELL_PX[0] / picture.shape[0], CELL_PX[1] / picture.shape[1])
        )
        top, left = self.corner_px
        bottom, right = top + part.shape[0], left + part.shape[1]
        frame = self.image.copy()
        frame[top:bottom, left:right] = part
        height, width = frame.shape[:2]
        return frame, Box(top / height, left / width, bottom / height, right / width)


def stage(others: Sequence[LabelledPicture], rng: np.random.Generator) -> Stage:
    """Any of the pictures in each cell of a frame but one."""
    high, wide = CELL_PX
    rows, columns = CAMERA.height_px // high, CAMERA.width_px // wide
    empty = Stage(np.full((rows * high, columns * wide, 3), GREY, np.uint8), (0, 0))
    free = int(rng.integers(rows * columns))
    corners = [((n // columns) * high, (n % columns) * wide) for n in range(rows * columns)]
    for number, corner in enumerate(corners):
        if number != free:
            other = load_picture(others[int(rng.integers(len(others)))].path)
            image, _ = replace(empty, corner_px=corner).showing(other)
            empty = replace(empty, image=image)
    return replace(empty, corner_px=corners[free])


def without_phone(pictures: Sequence[LabelledPicture]) -> list[LabelledPicture]:
    """Those that are known to show none."""
    return [
        p for p in pictures if PHONE in p.labelled and not any(t.label == PHONE for t in p.truths)
    ]


def in_frame(truths: Sequence[Truth], cell: Box) -> tuple[Truth, ...]:
    """From shares of a picture to shares of the frame that it is a part of."""
    return tuple(
        replace(
            t,
            box=Box(
                cell.ymin + t.box.ymin * cell.height,
                cell.xmin + t.box.xmin * cell.width,
                cell.ymin + t.box.ymax * cell.height,
                cell.xmin + t.box.xmax * cell.width,
            ),
        )
        for t in truths
    )


def shrunk(image: Image, share: float) -> Image:
    """(height, width, 3) to that share of its sides, 0..1."""
    if share == 1:
        return image
    height, width = (max(1, round(side * share)) for side in image.shape[:2])
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    small = frame.reformat(width=width, height=height, interpolation="BILINEAR")
    return np.asarray(small.to_ndarray(format="rgb24"), np.uint8)
