"""Sheets of small pictures, for people who look at mistakes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from av import VideoFrame

from edge.vision.draw import GLYPH_HEIGHT, GLYPH_WIDTH, WHITE, Image, write_text


def fitted(image: Image, width_px: int, height_px: int) -> Image:
    """Shrunk or enlarged to fit, on black, centred."""
    height, width = image.shape[:2]
    scale = min(width_px / width, height_px / height)
    new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    small = frame.reformat(width=new_width, height=new_height, interpolation="BILINEAR")
    canvas = np.zeros((height_px, width_px, 3), np.uint8)
    y_px, x_px = (height_px - new_height) // 2, (width_px - new_width) // 2
    canvas[y_px : y_px + new_height, x_px : x_px + new_width] = small.to_ndarray()
    return canvas


def contact_sheet(
    tiles: Sequence[tuple[Image, str]], *, columns: int = 5, tile_px: tuple[int, int] = (320, 240)
) -> Image:
    """Pictures side by side, each with a line of words under it."""
    width, height = tile_px
    line = (GLYPH_HEIGHT + 4) * 2
    rows = -(-len(tiles) // columns)
    sheet = np.zeros((max(1, rows) * (height + line), columns * width, 3), np.uint8)
    for index, (image, words) in enumerate(tiles):
        y_px, x_px = index // columns * (height + line), index % columns * width
        sheet[y_px : y_px + height, x_px : x_px + width] = fitted(image, width, height)
        letters = width // (GLYPH_WIDTH + 1)
        scale = 2 if len(words) * 2 <= letters - 1 else 1
        write_text(
            sheet[:, : x_px + width],
            words[: letters - 1],
            x_px,
            y_px + height,
            ink=WHITE,
            ground=None,
            scale=scale,
        )
    return sheet
