"""Sheets of small pictures, for people who look at mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from av import VideoFrame

from edge.commands.progress import progress
from edge.devices.camera_picture import load_picture
from edge.domain import PHONE
from edge.vision.draw import (
    GLYPH_HEIGHT,
    GLYPH_WIDTH,
    GREEN,
    RED,
    WHITE,
    Image,
    draw_box,
    save_jpeg,
    write_text,
)
from tests.lab import score
from tests.lab.dataset import LabelledPicture
from tests.lab.report_card import looked_for
from tests.lab.score import Judged

SHEET_TILES = 30


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


def save_mistakes(
    folder: Path, dataset: Sequence[LabelledPicture], judged: Sequence[Judged], threshold: float
) -> str:
    """misses.jpg: the largest phones that were missed. false_phones.jpg: the surest false ones.

    Returns what there is to see, in words. Raises OSError.
    """
    paths = {picture.path.name: picture.path for picture in dataset}
    missed: list[tuple[float, Judged, str]] = []
    false: list[tuple[float, Judged, str]] = []
    for picture in looked_for(judged, PHONE):
        misses = score.misses(picture, PHONE, threshold=threshold)
        if misses:
            area = misses[0].box.area
            missed.append((area, picture, f"{area * 100:.1f}% {picture.name}"))
        alarms = score.false_alarms(picture, PHONE, threshold=threshold)
        if alarms:
            false.append((alarms[0].score, picture, f"{alarms[0].score:.2f} {picture.name}"))
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in (("misses", missed), ("false_phones", false)):
        found.sort(key=lambda entry: -entry[0])
        tiles = [
            (marked(paths[picture.name], picture, threshold), words)
            for _, picture, words in progress(found[:SHEET_TILES], name)
        ]
        save_jpeg(contact_sheet(tiles), folder / f"{name}.jpg")
    return (
        f"{folder}: misses.jpg ({len(missed)} pictures), false_phones.jpg ({len(false)});"
        f" at most {SHEET_TILES} shown. Green: a phone; red: taken for one."
    )


def marked(path: Path, picture: Judged, threshold: float) -> Image:
    """The picture with its phones in green, and what was taken for one in red."""
    image = load_picture(path)
    width_px = max(2, round(min(image.shape[:2]) / 120))
    for truth in picture.truths:
        if truth.label == PHONE:
            draw_box(image, truth.box, GREEN, width_px=width_px)
    for seen in picture.detections:
        if seen.label == PHONE and seen.score >= threshold:
            words = f"{seen.score:.2f}"
            draw_box(image, seen.box, RED, words=words, width_px=width_px, scale=width_px)
    return image
