"""A frame as the model wants to see it: size, order of colours, numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.vision.manifest import Colour, Family, Fit, ModelInput

if TYPE_CHECKING:
    from av.video.reformatter import VideoReformatter

Image = NDArray[np.uint8]


class Quant(NamedTuple):
    """real = (stored - zero_point) * scale; a scale of 0 says that real numbers are stored."""

    scale: float
    zero_point: int


class Placed(NamedTuple):
    """The share of the model's input, 0..1, that the picture fills from the top left."""

    height: float
    width: float


def placed_px(width_px: int, height_px: int, shape: ModelInput) -> tuple[int, int]:
    """(width, height) that a picture of that size gets in the model's input."""
    if shape.fit is Fit.STRETCH:
        return shape.width_px, shape.height_px
    scale = min(shape.width_px / width_px, shape.height_px / height_px)
    return (
        min(shape.width_px, max(1, round(width_px * scale))),
        min(shape.height_px, max(1, round(height_px * scale))),
    )


@dataclass(frozen=True, slots=True)
class _Stored:
    """How a pixel value 0..255 is stored in the input tensor.

    table: (256,) of the tensor's type
    flip:  the table is pixel ^ flip in unsigned bytes (0: pixels as they are; 128: int8), if not -1
    """

    table: NDArray[Any]
    flip: int


def stored_as(family: Family, dtype: np.dtype[Any], quant: Quant) -> _Stored:
    """YOLOX models take pixels as 0..255, SSD models as -1..1, both before quantization. What is
    subtracted from pixels and what they are multiplied by is inside of a GFL model, and may be in
    the quantization of its input: it takes them as they are."""
    real = np.arange(256, dtype=np.float64)
    if family is Family.SSD:
        real = real / 127.5 - 1
    if dtype.kind == "f":
        return _Stored(real.astype(dtype), -1)
    limits = np.iinfo(dtype)
    if family is Family.GFL:
        quant = Quant(1.0, int(limits.min))
    stored = np.clip(np.rint(real / quant.scale) + quant.zero_point, limits.min, limits.max)
    table = stored.astype(dtype)
    if np.abs(table.astype(int) - limits.min - np.arange(256)).max() <= 1:
        # Models for -1..1 say 1/128 where 1/127.5 is meant; both mean: pixels as they are.
        return _Stored(np.arange(limits.min, limits.max + 1).astype(dtype), limits.min & 255)
    return _Stored(table, -1)


class Preprocessor:
    """Writes frames into an input tensor; keeps the scaler from frame to frame."""

    def __init__(
        self, shape: ModelInput, family: Family, *, dtype: np.dtype[Any], quant: Quant
    ) -> None:
        self._shape = shape
        self._stored = stored_as(family, dtype, quant)
        self._scaler: VideoReformatter | None = None
        self._one_thread: dict[str, Any] = {}

    def fill(self, image: Image, tensor: NDArray[Any]) -> Placed:
        """Write `image` (height, width, 3) uint8 RGB into `tensor` (height, width, 3)."""
        if self._shape.turned:
            tensor = tensor[::-1, ::-1]
        height, width = image.shape[:2]
        new_width, new_height = placed_px(width, height, self._shape)
        filled = tensor[:new_height, :new_width]
        if self._shape.colour is Colour.BGR:
            filled = filled[..., ::-1]
        if (new_width, new_height) == (width, height):
            self._store(image, filled)
        else:
            for index, plane in enumerate(self._scaled(image, new_width, new_height)):
                self._store(plane, filled[..., index])
        pad = self._stored.table[self._shape.pad]
        tensor[new_height:] = pad
        tensor[:new_height, new_width:] = pad
        return Placed(new_height / self._shape.height_px, new_width / self._shape.width_px)

    def _store(self, pixels: Image, tensor: NDArray[Any]) -> None:
        if self._stored.flip >= 0:
            np.bitwise_xor(pixels, np.uint8(self._stored.flip), out=tensor.view(np.uint8))
        elif tensor.dtype.kind == "f" and self._stored.table[255] == 255:
            np.copyto(tensor, pixels)
        else:
            tensor[...] = self._stored.table[pixels]

    def _scaled(self, image: Image, width: int, height: int) -> tuple[Image, Image, Image]:
        """Red, green and blue, each (height, width)."""
        # swscale is what decodes the camera's pictures anyway, and scales 640x480 in a millisecond
        # where numpy alone needs several. Its bilinear filter widens as it shrinks, so fine
        # patterns do not alias. Planes, since its packed RGB comes out the same to the bit but
        # three times as slowly. Imported here: pictures of the right size need no av.
        from av import VideoFrame
        from av.video.reformatter import Interpolation, VideoReformatter

        if self._scaler is None:
            self._scaler = VideoReformatter()
            # More threads gain nothing at this size (measured), and waiting for the slowest costs
            # milliseconds on a busy machine. Older versions have one anyway.
            if "threads" in (VideoReformatter.reformat.__doc__ or ""):
                self._one_thread = {"threads": 1}
        # Of a picture twice as high every second line tells as much (measured on the labelled
        # pictures: as many phones and people are seen), and halves the time.
        lines = image[:: max(1, image.shape[0] // height)]
        frame = VideoFrame.from_numpy_buffer(np.ascontiguousarray(lines), format="rgb24")
        small = self._scaler.reformat(
            frame,
            width=width,
            height=height,
            format="gbrp",
            interpolation=Interpolation.BILINEAR,
            **self._one_thread,
        )
        green, blue, red = (
            np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:height, :width]
            for plane in small.planes
        )
        return red, green, blue
