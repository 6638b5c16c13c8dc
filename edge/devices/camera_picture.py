"""From a decoded PyAV frame to the picture that the rest of the box works on."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from numpy.typing import NDArray

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})


class UnreadablePicture(Exception):
    """The file is not a picture, or is a damaged one."""


def reason_of(exc: Exception) -> str:
    """Why PyAV gave up. Its full text names the address, which may hold a password."""
    return getattr(exc, "strerror", None) or type(exc).__name__


def fit(width_px: int, height_px: int, *, within: tuple[int, int]) -> tuple[int, int]:
    """The largest size of the same shape inside `within` (width, height); never enlarges."""
    scale = min(1.0, within[0] / width_px, within[1] / height_px)
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))


def to_image(
    frame: VideoFrame, *, within: tuple[int, int] | None = None, turned: bool = False
) -> NDArray[np.uint8]:
    """(height, width, 3) uint8 RGB, upright, at most `within` (width, height) in size.

    `turned` turns it by 180 degrees. What the file says about its own orientation is obeyed: phones
    store their pictures lying down.
    """
    quarter_turns = round(getattr(frame, "rotation", 0) / 90) % 4
    if turned:
        quarter_turns = (quarter_turns + 2) % 4
    width, height = frame.width, frame.height
    if within is not None:
        room = within[::-1] if quarter_turns % 2 else within
        width, height = fit(width, height, within=room)
    # swscale's bilinear filter widens with the scale, so that shrinking does not alias.
    small = frame.reformat(width=width, height=height, format="rgb24", interpolation="BILINEAR")
    image = small.to_ndarray().astype(np.uint8, copy=False)
    return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image


def load_picture(
    path: Path, *, within: tuple[int, int] | None = None, turned: bool = False
) -> NDArray[np.uint8]:
    """Read a picture file as `to_image` gives it. Raises UnreadablePicture."""
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                return to_image(frame, within=within, turned=turned)
    except (FFmpegError, OSError, ValueError, IndexError) as exc:
        raise UnreadablePicture(f"{path}: {reason_of(exc)}") from exc
    raise UnreadablePicture(f"{path}: holds no picture")
