"""From what a file or a stream holds to the pictures that the rest of the box works on."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from edge.errors import Trouble

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})

# Codecs whose every packet is a whole picture.
PICTURE_CODECS = frozenset({"mjpeg", "png", "apng", "webp", "bmp"})

# swscale turns these into RGB at once, in a fraction of the time that all others take.
QUICK_FORMATS = frozenset({"rgb24", "yuv420p", "yuvj420p", "yuv422p", "yuvj422p"})

# Older versions of PyAV scale in one thread anyway. More gain nothing at these sizes, and waiting
# for the slowest costs milliseconds on a busy machine.
ONE_THREAD: dict[str, Any] = (
    {"threads": 1} if "threads" in (VideoReformatter.reformat.__doc__ or "") else {}
)


class UnreadablePicture(Trouble):
    """The file is not a picture, or is a damaged one."""


def reason_of(exc: Exception) -> str:
    """Why PyAV gave up. Its full text names the address, which may hold a password."""
    return getattr(exc, "strerror", None) or type(exc).__name__


def readable(path: Path | str) -> str:
    """The name of a file as it can be printed and sent: not every byte in one is a letter."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


class Turn(NamedTuple):
    """From a picture as it is stored to the picture as it is shown, in this order."""

    transposed: bool = False
    mirrored: bool = False  # left and right
    flipped: bool = False  # top and bottom

    @classmethod
    def of_matrix(cls, values: tuple[int, ...]) -> Self:
        """Of a film's matrix a b u c d v x y w, rounded to quarters of a turn: a point (x, y) of
        the stored picture is shown at (ax + cy, bx + dy)."""
        a, b, _, c, d = values[:5]
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    def half(self) -> Turn:
        """The same, and half a turn more."""
        return Turn(self.transposed, not self.mirrored, not self.flipped)

    def applied(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.transposed:
            image = image.transpose(1, 0, 2)
        image = image[:: -1 if self.flipped else 1, :: -1 if self.mirrored else 1]
        return np.ascontiguousarray(image)


AS_STORED = Turn()
# By the number that EXIF gives it, from 1.
ORIENTATIONS = (
    AS_STORED,
    Turn(mirrored=True),
    Turn(mirrored=True, flipped=True),
    Turn(flipped=True),
    Turn(transposed=True),
    Turn(transposed=True, mirrored=True),
    Turn(transposed=True, mirrored=True, flipped=True),
    Turn(transposed=True, flipped=True),
)
ORIENTATION_TAG = 0x112
# By quarters of a turn to the left.
QUARTERS = tuple(ORIENTATIONS[number - 1] for number in (1, 8, 3, 6))


class Decoded(NamedTuple):
    """A picture out of a decoder, and how it is to be held."""

    frame: VideoFrame
    turn: Turn
    file: bytes = b""  # what it came as, where that is a whole picture file


class DamagedFrame(Exception):
    """What came is a picture of which something is missing."""


def decode(container: InputContainer) -> Iterator[Decoded | DamagedFrame | None]:
    """What each packet of the first video stream gives: pictures, None where one gives none yet, a
    DamagedFrame in the place of a picture that is not whole."""
    stream = container.streams.video[0]
    context = stream.codec_context
    whole = context.name in PICTURE_CODECS
    if context.name == "mjpeg":
        # Else it makes up the rest of one that was torn. The others refuse those anyway, and what
        # films are made of leans on what came before: there more would be lost than was damaged.
        context.options = {"err_detect": "explode"}
    turn, rotation = AS_STORED, None
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except FFmpegError as exc:
            yield DamagedFrame(reason_of(exc))
            continue
        file = bytes(packet) if whole else b""
        orientation = exif_orientation(file)
        if not frames:
            yield None
        for frame in frames:
            if frame.rotation != rotation and orientation is None:
                # Not of every frame: one that was asked stays in memory until Python cleans up.
                turn, rotation = _turn_of(frame, context.name), frame.rotation
            if frame.is_corrupt:
                yield DamagedFrame("part of it is missing")
            elif orientation is None:
                yield Decoded(frame, turn, file)
            else:
                yield Decoded(frame, ORIENTATIONS[orientation - 1], file)


def fit(width_px: int, height_px: int, *, within: tuple[int, int]) -> tuple[int, int]:
    """The largest size of the same shape inside `within` (width, height); never enlarges."""
    scale = min(1.0, within[0] / width_px, within[1] / height_px)
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))


def to_image(
    frame: VideoFrame,
    *,
    turn: Turn = AS_STORED,
    within: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """(height, width, 3) uint8 RGB, turned, at most `within` (width, height) in size."""
    width, height = frame.width, frame.height
    if within is not None:
        room = within[::-1] if turn.transposed else within
        width, height = fit(width, height, within=room)
    between = _format_between(frame, scaled=(width, height) != (frame.width, frame.height))
    # swscale's bilinear filter widens with the scale, so that shrinking does not alias.
    for pixels in (between, "rgb24") if between else ("rgb24",):
        frame = frame.reformat(
            width=width, height=height, format=pixels, interpolation="BILINEAR", **ONE_THREAD
        )
    return turn.applied(frame.to_ndarray().astype(np.uint8, copy=False))


def load_picture(
    path: Path, *, within: tuple[int, int] | None = None, half_turn: bool = False
) -> NDArray[np.uint8]:
    """Read a picture file as `to_image` gives it, upright: what the file says of its own
    orientation is obeyed, as phones store their pictures lying down. `half_turn` turns it further.
    Raises UnreadablePicture."""
    try:
        # By its content alone: FFmpeg takes names for addresses and patterns.
        file = io.BytesIO(path.read_bytes())
        with av.open(file, "r", metadata_errors="replace") as container:
            for came in decode(container):
                if isinstance(came, Decoded):
                    turn = came.turn.half() if half_turn else came.turn
                    return to_image(came.frame, turn=turn, within=within)
                if came is not None:
                    raise UnreadablePicture(f"{readable(path)}: damaged ({came})")
    except (FFmpegError, OSError, ValueError, IndexError) as exc:
        raise UnreadablePicture(f"{readable(path)}: {reason_of(exc)}") from exc
    raise UnreadablePicture(f"{readable(path)}: holds no picture")


def _format_between(frame: VideoFrame, *, scaled: bool) -> str | None:
    """What to go through on the way to RGB: to scale and convert in one step takes swscale several
    times as long as to scale colours as they are stored and to convert then."""
    stored = frame.format
    if (stored.name in QUICK_FORMATS and not scaled) or stored.is_rgb or stored.has_palette:
        return None
    halved = stored.chroma_width(2) == 1, stored.chroma_height(2) == 1
    if len(stored.components) < 3 or not halved[0]:
        return None  # grey, or with all of its colours
    full = "j" if stored.name.startswith("yuvj") else ""
    return f"yuv{full}420p" if halved[1] else f"yuv{full}422p"


def _turn_of(frame: VideoFrame, codec: str) -> Turn:
    """What the decoder knows of how the frame is to be held."""
    by_angle = QUARTERS[round(frame.rotation / 90) % 4]
    if codec in ("png", "apng"):
        # PyAV frees the name of their colour profile twice: not to be asked for.
        return by_angle
    try:
        sides: Any = frame.side_data
    except ValueError:  # it holds something of a kind that this PyAV does not know
        return by_angle
    for side in sides:
        if side.type.name == "DISPLAYMATRIX":
            return Turn.of_matrix(struct.unpack("9i", bytes(side)[:36]))
    return by_angle


def exif_orientation(picture: bytes) -> int | None:
    """1 to 8, what a JPEG, PNG or WebP file says of how it was held; None: nothing."""
    tiff = _exif_of(picture)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return None
    try:
        (at,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, at)
        for number in range(entries):
            tag, kind = struct.unpack_from(f"{order}HH", tiff, at + 2 + 12 * number)
            if tag == ORIENTATION_TAG:
                form = {1: "B", 3: "H", 4: "I"}.get(kind, "H")
                (value,) = struct.unpack_from(order + form, tiff, at + 10 + 12 * number)
                return value if 1 <= value <= len(ORIENTATIONS) else None
    except struct.error:
        pass
    return None


def _exif_of(picture: bytes) -> bytes:
    """The EXIF part of a picture file, without its header; empty: there is none."""
    if picture[:2] == b"\xff\xd8":
        for marker, segment in _jpeg_segments(picture):
            if marker == 0xE1 and segment[:6] == b"Exif\0\0":
                return segment[6:]
    elif picture[:8] == b"\x89PNG\r\n\x1a\n":
        return _chunk(picture, 8, b"eXIf", length_first=True)
    elif picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
        return _chunk(picture, 12, b"EXIF", length_first=False).removeprefix(b"Exif\0\0")
    return b""


def _jpeg_segments(picture: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of what stands before the picture itself."""
    at = 2
    while at + 4 <= len(picture) and picture[at] == 0xFF and picture[at + 1] != 0xDA:
        size = int.from_bytes(picture[at + 2 : at + 4], "big")
        yield picture[at + 1], picture[at + 4 : at + 2 + size]
        at += 2 + max(2, size)


def _chunk(picture: bytes, at: int, wanted: bytes, *, length_first: bool) -> bytes:
    """The chunk of that name in a PNG (length, name, content, checksum) or a RIFF (name, length,
    content, filled up to an even number)."""
    while at + 8 <= len(picture):
        if length_first:
            size, name = int.from_bytes(picture[at : at + 4], "big"), picture[at + 4 : at + 8]
            behind = 4
        else:
            name, size = picture[at : at + 4], int.from_bytes(picture[at + 4 : at + 8], "little")
            behind = size % 2
        if name == wanted:
            return picture[at + 8 : at + 8 + size]
        at += 8 + size + behind
    return b""
