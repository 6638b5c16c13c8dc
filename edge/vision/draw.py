"""Draws boxes and words into pictures with numpy alone, for people who check the detector.

The letters are a 5x7 bitmap font of this project's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.domain import PERSON, PHONE, Box
from edge.files import whole

Image = NDArray[np.uint8]
Rgb = tuple[int, int, int]

RED: Rgb = (255, 64, 56)
GREEN: Rgb = (64, 220, 96)
BLUE: Rgb = (72, 150, 255)
AMBER: Rgb = (255, 186, 0)
BLACK: Rgb = (0, 0, 0)
WHITE: Rgb = (255, 255, 255)
COLOUR_OF = {PHONE: RED, PERSON: BLUE}  # all other labels are amber

# Seven rows of five bits each, one base-32 digit a row, top first. Capitals are drawn small.
LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz.,:-_+%?/()<>= "
ROWS = """
ehjlphe 4c4444e eh168gv eh161he 26aiv22 vgu11he 68guhhe v124888 ehhehhe ehhf12c
00e1fhf gguhhhu 00egghe 11fhhhf 00ehvge 698s888 00fhf1e gguhhhh 40c444e 20622ic ggikoki c44444e
00qllll 00mphhh 00ehhhe 00uhugg 00fhf11 00mpggg 00fge1u 88s8896 00hhhjd 00hhha4 00hhlla 00ha4ah
00hhf1e 00v248v 00000cc 0000c48 0cc0cc0 000e000 000000v 044v440 op248j3 eh16404 11248gg 2488842
8422248 248g842 8421248 00v0v00 0000000
"""
GLYPHS = dict(zip(LETTERS, ROWS.split(), strict=True))
GLYPH_WIDTH, GLYPH_HEIGHT = 5, 7


def colour_of(label: str) -> Rgb:
    return COLOUR_OF.get(label, AMBER)


def text_mask(text: str) -> NDArray[np.bool_]:
    """(7, 6 * len(text)) bool: where the letters are. Characters it does not know become ?."""
    columns = []
    for char in text.lower():
        rows = [int(digit, 32) for digit in GLYPHS.get(char, GLYPHS["?"])]
        bits = [
            [bool(row >> (GLYPH_WIDTH - 1 - x) & 1) for x in range(GLYPH_WIDTH)] for row in rows
        ]
        columns.append(np.pad(np.array(bits), ((0, 0), (0, 1))))
    return np.concatenate(columns, axis=1) if columns else np.zeros((GLYPH_HEIGHT, 0), bool)


def write_text(
    image: Image, text: str, x_px: int, y_px: int, *, ink: Rgb, ground: Rgb | None, scale: int = 1
) -> None:
    """Write into `image`, in place; what is outside of it is cut off.

    (x_px, y_px) is the upper left of the ground, which is a letter's dot wider all around.
    """
    mask = np.pad(text_mask(text), ((1, 1), (1, 0)))
    mask = np.repeat(np.repeat(mask, scale, axis=0), scale, axis=1)
    x_px, y_px = max(0, x_px), max(0, y_px)
    area = image[y_px : y_px + mask.shape[0], x_px : x_px + mask.shape[1]]
    mask = mask[: area.shape[0], : area.shape[1]]
    if ground is not None:
        area[...] = ground
    area[mask] = ink


def apart(
    labels: Sequence[tuple[int, int, int, int]], *, width: int, height: int
) -> list[tuple[int, int]]:
    """Where to write labels so that all can be read: the upper left of each.

    A label is (x, y, wide, tall) as it is wanted; the first ones count most. One that would cover
    another goes to the nearest line below or above that is free, inside the picture.
    """
    taken: list[tuple[int, int, int, int]] = []
    for x, y, wide, tall in labels:
        x = max(0, min(x, width - wide))
        lines = range(max(1, height - tall + 1))
        for line in sorted(lines, key=lambda line: (abs(line - y), -line)):
            if not any(
                x < ox + ow and ox < x + wide and line < oy + ot and oy < line + tall
                for ox, oy, ow, ot in taken
            ):
                y = line
                break
        taken.append((x, max(0, min(y, lines[-1])), wide, tall))
    return [(x, y) for x, y, *_ in taken]


def draw_boxes(
    image: Image,
    boxes: Sequence[tuple[Box, Rgb, str]],
    *,
    width_px: int = 2,
    scale: int = 2,
) -> None:
    """Draw boxes, in place, the first ones on top, each with its words above it or close by."""
    height, width = image.shape[:2]
    for box, colour, _ in reversed(boxes):
        draw_box(image, box, colour, width_px=width_px)
    tall = (GLYPH_HEIGHT + 2) * scale
    wanted = []
    for box, _, words in boxes:
        top = round(box.ymin * height)
        wide = (len(words) * (GLYPH_WIDTH + 1) + 1) * scale
        wanted.append((round(box.xmin * width), top - tall if top >= tall else top, wide, tall))
    places = apart(wanted, width=width, height=height)
    for (x_px, y_px), (_, colour, words) in zip(places, boxes, strict=True):
        write_text(image, words, x_px, y_px, ink=BLACK, ground=colour, scale=scale)


def draw_box(
    image: Image, box: Box, colour: Rgb, *, words: str = "", width_px: int = 2, scale: int = 2
) -> None:
    """Draw one box, in place, with its words above it (or inside, where there is no room)."""
    if words:
        draw_boxes(image, [(box, colour, words)], width_px=width_px, scale=scale)
        return
    height, width = image.shape[:2]
    top, bottom = round(box.ymin * height), round(box.ymax * height)
    left, right = round(box.xmin * width), round(box.xmax * width)
    image[top : top + width_px, left:right] = colour
    image[max(top, bottom - width_px) : bottom, left:right] = colour
    image[top:bottom, left : left + width_px] = colour
    image[top:bottom, max(left, right - width_px) : right] = colour


def save_jpeg(image: Image, path: Path) -> None:
    """Write an RGB picture. Raises OSError; then nothing of it is left."""
    with whole(path) as unfinished:
        unfinished.write_bytes(as_jpeg(image))


def as_jpeg(image: Image) -> bytes:
    from av import CodecContext, VideoFrame
    from av.video.codeccontext import VideoCodecContext

    encoder = CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.height, encoder.width = image.shape[:2]
    encoder.pix_fmt = "yuvj444p"  # full colour resolution: thin red lines stay red
    encoder.time_base = 1  # type: ignore[assignment]
    encoder.options = {"qscale": "2"}
    encoder.qmin = encoder.qmax = 2
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    packets = [*encoder.encode(frame.reformat(format="yuvj444p")), *encoder.encode(None)]
    return b"".join(bytes(packet) for packet in packets)
