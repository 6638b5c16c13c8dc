"""Make the small pictures in edge/demo/assets that the demo's clip is put together from.

The hands and things are this project's own rendering (`render.py`). The person, the wall and the
wood of the desk are cut from pictures that come with scikit-image, in the public domain and under
CC0 (edge/demo/assets/SOURCES.md).

    python demo_assets.py .../skimage/data ../../edge/demo/assets
"""

from __future__ import annotations

import sys
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from render import render

# name: kind, seed of the Generator, long side in px, angles of the long side, grip
THINGS = {
    "phone-held": ("hand holding phone", 26, 104, (-0.1, 0.08, 0.26), "screen"),
    "calculator-held": ("hand holding calculator", 26, 96, (0.0, 0.2), "wrap"),
    "cup": ("cup", 4, 64, (0.0,), None),
}


def outline(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(512, 512) uint8, 255 where the person (and her helmet) is."""
    marks = np.full(picture.shape[:2], cv2.GC_PR_BGD, np.uint8)
    about = [
        [(150, 40), (190, 15), (250, 12), (300, 45), (308, 100), (300, 135), (280, 160)],
        [(300, 200), (350, 250), (365, 345), (420, 340), (490, 380), (511, 440), (511, 511)],
        [(20, 511), (22, 460), (40, 250), (110, 195), (110, 160), (150, 145), (148, 90)],
    ]
    surely = [
        [(180, 50), (225, 25), (280, 50), (290, 90), (260, 150), (250, 180), (300, 220)],
        [(345, 270), (355, 350), (420, 350), (480, 400), (500, 511), (40, 511), (50, 450)],
        [(60, 260), (130, 210), (190, 180), (190, 140), (170, 100)],
    ]
    cv2.fillPoly(marks, [np.array([point for part in about for point in part])], cv2.GC_PR_FGD)
    cv2.fillPoly(marks, [np.array([point for part in surely for point in part])], cv2.GC_FGD)
    # The flag, the model of the shuttle, the table behind her.
    marks[:, :18] = marks[:330, 372:] = marks[:140, :130] = marks[:10] = cv2.GC_BGD
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(picture, marks, None, *models, 8, cv2.GC_INIT_WITH_MASK)
    inside = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(inside)
    inside = (labels == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])).astype(np.uint8)
    inside = cv2.morphologyEx(inside, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    inside = cv2.morphologyEx(inside, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    inside = cv2.erode(inside, np.ones((3, 3), np.uint8))
    soft = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 1.2)
    return np.round(soft * 255).astype(np.uint8)


def lying(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The thing as it lies on a table in front of a camera that looks across it."""
    height, width = rgba.shape[:2]
    wide, tall = width * 1.15, height * 0.42
    corners = np.float32([(0, 0), (width, 0), (width, height), (0, height)])
    seen = np.float32([(wide * 0.14, 0), (wide * 0.94, 0), (wide, tall), (0, tall)])
    turn = cv2.getPerspectiveTransform(corners, seen)
    return cv2.warpPerspective(rgba, turn, (round(wide), round(tall)), flags=cv2.INTER_AREA)


def laptop() -> NDArray[np.uint8]:
    """(144, 204, 4) uint8 RGBA: the lid of a laptop, seen from behind, and the edge of its base."""
    scale, width, height = 4, 204, 144
    lid = np.zeros((height * scale, width * scale, 4), np.uint8)
    # Wider below, as it leans away from whoever works at it.
    corners = np.array([(14, 8), (190, 8), (198, 132), (6, 132)]) * scale
    cv2.fillPoly(lid, [corners], (158, 161, 166, 255))
    cv2.polylines(lid, [corners], True, (158, 161, 166, 255), 12 * scale, cv2.LINE_AA)
    shade = np.linspace(1.12, 0.86, height * scale)[:, None, None]
    lid[..., :3] = np.clip(lid[..., :3] * shade, 0, 255).astype(np.uint8)
    cv2.circle(lid, (102 * scale, 66 * scale), 9 * scale, (196, 199, 204, 255), -1, cv2.LINE_AA)
    base = (0, 136 * scale), (width * scale, height * scale)
    cv2.rectangle(lid, *base, (92, 94, 98, 255), -1)
    return cv2.resize(lid, (width, height), interpolation=cv2.INTER_AREA)


def write(path: Path, rgba: NDArray[np.uint8]) -> None:
    # What cannot be seen need not be stored.
    rgba = np.where(rgba[..., 3:] == 0, 0, rgba).astype(np.uint8)
    cv2.imwrite(str(path), rgba[..., [2, 1, 0, 3]], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(path.name, rgba.shape[1], "x", rgba.shape[0], path.stat().st_size, "bytes")


def scaled(rgb: NDArray[np.uint8], width_px: int, height_px: int) -> NDArray[np.uint8]:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    small = frame.reformat(width=width_px, height=height_px, interpolation="BILINEAR")
    return small.to_ndarray()


def photographs(pictures: Path, folder: Path) -> None:
    """The person (400 x 400), the wall (640 x 388) and the desk (640 x 92) of a 640 x 480 clip."""
    portrait, brick, coffee = (
        cv2.imread(str(pictures / f"{name}.png"), cv2.IMREAD_COLOR)[..., ::-1]
        for name in ("astronaut", "brick", "coffee")
    )
    mask = outline(np.ascontiguousarray(portrait[..., ::-1]))
    alpha = scaled(np.repeat(mask[..., None], 3, axis=2), 400, 400)[..., :1]
    write(folder / "person.png", np.concatenate([scaled(portrait, 400, 400), alpha], axis=2))
    wall = scaled(np.rot90(brick), 640, 640)[60 : 60 + 388]
    cv2.imwrite(str(folder / "wall.png"), wall[..., 0], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    desk = scaled(np.rot90(coffee[:, 485:]), 640, 92)  # what the saucer leaves free
    cv2.imwrite(str(folder / "desk.png"), desk[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])


def main(pictures: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    photographs(pictures, folder)
    for name, (kind, seed, size_px, angles, style) in THINGS.items():
        for number, angle in enumerate(angles):
            rng = np.random.default_rng(seed)
            cutout = render(kind, rng, size_px, spin_rad=angle, style=style)
            write(folder / f"{name}-{number}.png", cutout.rgba)
    write(folder / "laptop-0.png", laptop())
    flat = render("phone", np.random.default_rng(26), 150, spin_rad=0.3)
    write(folder / "phone-lying-0.png", lying(flat.rgba))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
