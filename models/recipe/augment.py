"""Training pictures: a scene, what is rendered into it, and what a camera may do to it.

Everything is drawn from a generator seeded by the number of the batch, so a run that is stopped
and resumed sees the same pictures.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import data
import numpy as np
from data import Picture
from net import LABELS
from numpy.typing import NDArray

Image = NDArray[np.uint8]
PAD = 114
# Rendered things that are nobody's class teach by being there without a label.
RENDERED = {label: i for i, label in enumerate(LABELS)} | {"notebook": LABELS.index("book")}
PSEUDO_SURE = 0.5
PERSON = LABELS.index("person")


@dataclass(slots=True)
class Scene:
    """An RGB picture; boxes (N, 5): class, x1, y1, x2, y2; ignore (M, 4); known (C,)."""

    image: Image
    boxes: NDArray[np.float32]
    ignore: NDArray[np.float32]
    known: NDArray[np.bool_]
    rendered: bool = False


@dataclass(slots=True)
class Pool:
    """Pictures drawn with one weight; `scenery` may get things rendered into it."""

    pictures: list[Picture]
    weight: float
    scenery: bool = True
    shift: float = 1.0  # how far zoom and position may vary


@dataclass(slots=True)
class Source:
    """Decoded pictures on disk, read without decoding, and their labels."""

    cache: Path
    pseudo: dict[str, list[list[float]]]
    offsets: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    _bytes: NDArray[np.uint8] | None = None

    @classmethod
    def build(cls, run: Path, pictures: Sequence[Picture]) -> Source:
        """Decode every picture once into run/pictures.bin."""
        source = cls(run / "pictures.bin", json.loads((run / "pseudo.json").read_text()))
        index = run / "pictures.json"
        if index.exists():
            source.offsets = {k: tuple(v) for k, v in json.loads(index.read_text()).items()}
            return source
        at = 0
        with source.cache.open("wb") as out:
            for p in pictures:
                image = np.ascontiguousarray(cv2.imread(str(p.path))[:, :, ::-1])
                source.offsets[str(p.path)] = (at, *image.shape[:2])
                out.write(image.tobytes())
                at += image.size
        index.write_text(json.dumps(source.offsets))
        return source

    def scene(self, picture: Picture) -> Scene:
        if self._bytes is None:
            self._bytes = np.memmap(self.cache, np.uint8, "r")
        at, h, w = self.offsets[str(picture.path)]
        image = np.array(self._bytes[at : at + h * w * 3]).reshape(h, w, 3)
        rows = [[c, *b] for c, b in zip(picture.classes, picture.boxes, strict=True)]
        ignore = [list(b) for b in picture.ignore]
        known = picture.known.copy()
        for c, s, *box in self.pseudo.get(picture.path.name, []):
            label = int(c)
            if known[label] and not (label == 0 and picture.source == data.OTHER_DETECTOR_SOURCE):
                continue
            if any(_iou(box, r[1:]) > 0.4 for r in rows if r[0] == label):
                continue
            # A class nobody labelled is taken from the original network where that is sure; for
            # phones another detector labelled, its silence and the original's word cancel out.
            if s >= PSEUDO_SURE and label != 0:
                rows.append([label, *box])
            elif s >= (0.3 if label == 0 else 0.15):
                ignore.append(box)
        return Scene(
            image,
            np.array(rows, np.float32).reshape(-1, 5),
            np.array(ignore, np.float32).reshape(-1, 4),
            known,
        )


def _iou(a: Sequence[float], b: Sequence[float]) -> float:
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    inter = w * h
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter)


def render_into(scene: Scene, rng: np.random.Generator, bank: Path | None) -> None:
    """Put phones and look-alikes into the scene, in place."""
    import compose

    given = [
        (LABELS[int(c)], (float(x1), float(y1), float(x2 - x1), float(y2 - y1)))
        for c, x1, y1, x2, y2 in scene.boxes
    ]
    people = [box for label, box in given if label == "person"]
    image, added, occluded = compose.compose(scene.image, given, rng, people=people, bank=bank)
    rows = list(scene.boxes)
    for label, (x, y, w, h) in added:
        if label in RENDERED:
            rows.append(np.array([RENDERED[label], x, y, x + w, y + h], np.float32))
    hidden = [(x, y, x + w, y + h) for _, (x, y, w, h) in occluded]
    rows = [r for r in rows if not any(_iou(r[1:], h) > 0.95 for h in hidden)]
    scene.image = image
    scene.boxes = np.array(rows, np.float32).reshape(-1, 5)
    if hidden:
        scene.ignore = np.concatenate([scene.ignore, np.array(hidden, np.float32)])
    scene.rendered = True


def warp(scene: Scene, rng: np.random.Generator, height: int, width: int, *, plain: bool = False,
         shift: float = 1.0) -> Scene:  # fmt: skip
    """Place the scene on a (height, width) canvas: turned, zoomed, moved, mirrored.

    plain: letterbox at the top left as in use, no more than mirrored
    """
    h, w = scene.image.shape[:2]
    fit = min(width / w, height / h)
    mirror = rng.random() < 0.5
    if plain:
        angle, zoom = 0.0, 1.0
        fill = (PAD,) * 3
    else:
        kind = rng.random()
        if kind < 0.5:
            angle = 0.0
        elif kind < 0.85:
            angle = rng.normal(0, 8)
        elif kind < 0.93:
            angle = float(rng.choice([90, 180, 270], p=[0.45, 0.1, 0.45]))
        else:
            angle = rng.uniform(-180, 180)
        zoom = float(np.exp(rng.uniform(-0.5, 0.6) * shift))
        fill = (PAD,) * 3
        if angle:
            kind = rng.random()
            if kind < 0.45:
                fill = (0, 0, 0)
            elif kind < 0.6:
                fill = tuple(int(v) for v in rng.integers(0, 256, 3))
    turn = np.deg2rad(angle)
    stretch = float(np.exp(rng.normal(0, 0.06))) if not plain else 1.0
    cos, sin = np.cos(turn), np.sin(turn)
    sx = fit * zoom * stretch * (-1 if mirror else 1)
    sy = fit * zoom / stretch
    matrix = np.array([[cos * sx, -sin * sy, 0], [sin * sx, cos * sy, 0]], np.float64)
    corners = matrix[:, :2] @ np.array([[0, w, w, 0], [0, 0, h, h]], np.float64)
    low, high = corners.min(1), corners.max(1)
    extent = high - low
    if plain:
        origin = np.zeros(2)
    else:
        size = np.array([width, height], np.float64)
        room = size - extent
        origin = rng.uniform(0, 1, 2) * room
        if (room < 0).any() and len(scene.boxes):
            origin = _aim(scene, matrix[:, :2], low, room, size, rng)
        # In use the picture lies at the top left.
        if rng.random() < 0.5:
            origin = np.where(room >= 0, 0, origin)
    matrix[:, 2] = origin - low
    interpolation = cv2.INTER_AREA if fit * zoom < 0.6 and not angle else cv2.INTER_LINEAR
    image = cv2.warpAffine(
        scene.image, matrix, (width, height), flags=interpolation, borderValue=fill
    )
    boxes = _turn(scene.boxes[:, 1:], matrix, angle)
    rows, ignore = [], []
    for row, box in zip(scene.boxes, boxes, strict=True):
        clipped = np.clip(box, 0, (width, height, width, height))
        area = max(np.prod(box[2:] - box[:2]), 1e-6)
        visible = np.prod(np.clip(clipped[2:] - clipped[:2], 0, None)) / area
        side = (clipped[2:] - clipped[:2]).min()
        if visible < 0.02 or side < 1:
            continue
        # Little of it is left, or it is a speck: neither to be found nor to be blamed for.
        if visible < 0.3 or side < 3:
            ignore.append(clipped)
        else:
            rows.append([row[0], *clipped])
    for box in _turn(scene.ignore, matrix, angle):
        clipped = np.clip(box, 0, (width, height, width, height))
        if (clipped[2:] - clipped[:2] > 1).all():
            ignore.append(clipped)
    return Scene(
        image,
        np.array(rows, np.float32).reshape(-1, 5),
        np.array(ignore, np.float32).reshape(-1, 4),
        scene.known,
        scene.rendered,
    )


def _aim(scene: Scene, linear: NDArray[np.float64], low: NDArray[np.float64],
         room: NDArray[np.float64], size: NDArray[np.float64],
         rng: np.random.Generator) -> NDArray[np.float64]:  # fmt: skip
    """Of four random places for the scene the one that keeps the most on the canvas; people,
    who are everywhere, count less."""
    centres = (scene.boxes[:, 1:3] + scene.boxes[:, 3:5]) / 2 @ linear.T - low
    weight = np.where(scene.boxes[:, 0] == PERSON, 0.3, 1.0)
    places = rng.uniform(0, 1, (4, 2)) * room
    kept = [float((((centres + at > 0) & (centres + at < size)).all(1) * weight).sum()) for at in places]  # fmt: skip # noqa: E501
    return places[int(np.argmax(kept))]


def _turn(
    boxes: NDArray[np.float32], matrix: NDArray[np.float64], angle: float
) -> NDArray[np.float64]:
    """Boxes after the affine map. Off the right angles a box's corners are mostly empty, so the
    ellipse inside it is turned, blended with the box itself."""
    if not len(boxes):
        return np.zeros((0, 4))
    centre = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2], 1)
    half = np.stack([(boxes[:, 2] - boxes[:, 0]) / 2, (boxes[:, 3] - boxes[:, 1]) / 2], 1)
    a = matrix[:, :2]
    full = half @ np.abs(a).T
    ellipse = np.sqrt((half**2) @ (a**2).T)
    share = 0.0 if angle % 90 == 0 else 0.7
    extent = full * (1 - share) + ellipse * share
    middle = centre @ a.T + matrix[:, 2]
    return np.concatenate([middle - extent, middle + extent], 1)


def photograph(image: Image, rng: np.random.Generator) -> Image:
    """What light, lens, sensor and codec do. In place where it can be."""
    if rng.random() < 0.15:
        return image
    out = image.astype(np.float32)
    if rng.random() < 0.5:
        gain = np.exp(rng.normal(0, 0.12, 3))
        kind = rng.random()
        if kind < 0.15:  # night light
            gain = gain * np.array([1.1, 0.85, 0.55])
        elif kind < 0.22:  # the glow of a screen
            gain = gain * np.array([0.75, 0.9, 1.15])
        out *= gain.astype(np.float32)
    kind = rng.random()
    if kind < 0.12:  # an infrared camera, or one without colour
        grey = out @ np.array([0.4, 0.45, 0.15], np.float32)
        tint = np.array([1.0, 1.0, 1.0]) if rng.random() < 0.6 else np.exp(rng.normal(0, 0.1, 3))
        out = grey[:, :, None] * tint.astype(np.float32)
    elif kind < 0.5:
        grey = out.mean(2, keepdims=True)
        out = grey + (out - grey) * np.float32(rng.uniform(0.3, 1.6))
    kind = rng.random()
    if kind < 0.4:
        out *= np.float32(np.exp(rng.normal(0, 0.3)))
    elif kind < 0.52:
        out *= np.float32(rng.uniform(0.12, 0.5))
    elif kind < 0.62:
        out = (out - 114) * np.float32(rng.uniform(0.4, 1.5)) + np.float32(114 + rng.normal(0, 30))
    if rng.random() < 0.12:
        h, w = out.shape[:2]
        y = np.linspace(-1, 1, h, dtype=np.float32)[:, None]
        x = np.linspace(-1, 1, w, dtype=np.float32)[None]
        cy, cx = rng.uniform(-0.6, 0.6, 2)
        shade = 1 - np.float32(rng.uniform(0.2, 0.6)) * ((y - cy) ** 2 + (x - cx) ** 2) / 2
        out *= np.clip(shade, 0.05, 1)[:, :, None]
    np.clip(out, 0, 255, out=out)
    if rng.random() < 0.12:
        gamma = float(np.exp(rng.normal(0, 0.35)))
        table = (np.linspace(0, 1, 256) ** gamma * 255).astype(np.uint8)
        done = cv2.LUT(out.astype(np.uint8), table)
    else:
        done = out.astype(np.uint8)
    if rng.random() < 0.12:
        size = int(rng.integers(3, 10))
        kernel = np.zeros((size, size), np.float32)
        angle = rng.uniform(0, np.pi)
        at = np.linspace(-1, 1, size * 2) * (size - 1) / 2
        kernel[
            np.round(at * np.sin(angle) + (size - 1) / 2).astype(int),
            np.round(at * np.cos(angle) + (size - 1) / 2).astype(int),
        ] = 1
        done = cv2.filter2D(done, -1, kernel / kernel.sum())
    elif rng.random() < 0.12:
        done = cv2.GaussianBlur(done, (0, 0), float(rng.uniform(0.5, 1.8)))
    elif rng.random() < 0.08:
        h, w = done.shape[:2]
        share = rng.uniform(0.35, 0.8)
        small = cv2.resize(done, (int(w * share), int(h * share)), interpolation=cv2.INTER_AREA)
        done = cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.2:
        noise = np.empty(done.shape, np.int16)
        cv2.randn(noise, 0, float(rng.uniform(2, 14)))
        done = cv2.add(done, noise, dtype=cv2.CV_8U)
    if rng.random() < 0.3:
        quality = int(rng.integers(25, 90))
        done = cv2.imdecode(cv2.imencode(".jpg", done, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1)
    return done


@dataclass(frozen=True, slots=True)
class Mix:
    """How often what happens to a scene."""

    render: float = 0.45
    mosaic: float = 0.2
    plain: float = 0.15


class Drawer:
    """Draws training pictures from weighted pools."""

    def __init__(self, source: Source, pools: Sequence[Pool], mix: Mix, bank: Path | None) -> None:
        self._source = source
        self._pools = [p for p in pools if p.pictures]
        weights = np.array([p.weight for p in self._pools])
        self._weights = weights / weights.sum()
        self._mix = mix
        self._bank = bank

    def one(self, rng: np.random.Generator, height: int, width: int) -> Scene:
        if rng.random() < self._mix.mosaic:
            scene = self._mosaic(rng, height, width)
        else:
            scene = self._single(rng, height, width)
        scene.image = photograph(scene.image, rng)
        return scene

    def _single(self, rng: np.random.Generator, height: int, width: int) -> Scene:
        pool = self._pools[rng.choice(len(self._pools), p=self._weights)]
        scene = self._source.scene(pool.pictures[rng.integers(len(pool.pictures))])
        if pool.scenery and rng.random() < self._mix.render:
            render_into(scene, rng, self._bank)
        plain = rng.random() < self._mix.plain
        return warp(scene, rng, height, width, plain=plain, shift=pool.shift)

    def _mosaic(self, rng: np.random.Generator, height: int, width: int) -> Scene:
        """Four scenes around a random point: many small things, odd edges."""
        cy, cx = (int(rng.uniform(0.3, 0.7) * v) for v in (height, width))
        image = np.empty((height, width, 3), np.uint8)
        boxes, ignore, known = [], [], np.ones(len(LABELS), bool)
        for y1, y2, x1, x2 in (
            (0, cy, 0, cx), (0, cy, cx, width), (cy, height, 0, cx), (cy, height, cx, width),
        ):  # fmt: skip
            part = self._single(rng, y2 - y1, x2 - x1)
            image[y1:y2, x1:x2] = part.image
            boxes.append(part.boxes + np.array([0, x1, y1, x1, y1], np.float32))
            ignore.append(part.ignore + np.array([x1, y1, x1, y1], np.float32))
            known &= part.known
        return Scene(image, np.concatenate(boxes), np.concatenate(ignore), known)
