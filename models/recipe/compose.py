"""Put rendered and real phones and their look-alikes into real scenes.

    image, added, occluded = compose(image, boxes, rng, people=people)

What is pasted takes over the scene's light, colour cast, blur and noise, throws a shadow, and may
hang out of the picture or be hidden by a hand. Phones and look-alikes go through the same door:
same hands, same places, same sizes, so that none of this tells them apart.

`python compose.py harvest DATA BANK` cuts real phones, wallets and earbud cases out of the training
pictures for a bank of faces (a folder of PNGs with transparency, kept outside the repository).
`python compose.py swaps DATA OUT --bank BANK` draws other things in place of real ones, which are
then in real hands.
`python compose.py sheet DATA OUT.png` draws examples to look at.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from data import load, split_webcam
from numpy.typing import NDArray
from render import FACE_PX, LEAST_PX, THINGS, Cutout, Face, draw_face, render

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Box = tuple[float, float, float, float]  # x, y, width, height in px
Labelled = tuple[str, Box]

PHONE_M = 0.15
SHOULDERS_M = 0.5
STANDING_M = 1.7
LEAST_VISIBLE = 0.25
MOST_PHONE_COVER = 0.3
MOST_COVER = 0.6
REAL_SHARE = 0.4
OWN_SKIN = 0.7  # hands in the tone of the face they go with, where one is found
TRIES = 6

# How often each is drawn. A little under half are phones; the harder a look-alike, the more often.
KIND_WEIGHTS: dict[str, float] = {
    "phone": 0.44,
    "wallet": 0.1,
    "power bank": 0.05,
    "calculator": 0.07,
    "earbud case": 0.08,
    "remote": 0.06,
    "notebook": 0.04,
    "mouse": 0.03,
    "pen": 0.02,
    "cup": 0.03,
    "hand": 0.08,
}
HELD_SHARE = {"phone": 0.72, "mouse": 0.3, "notebook": 0.4, "cup": 0.4}


@dataclass(frozen=True, slots=True)
class Scene:
    """What is pasted has to look as if the same camera had seen it."""

    level: float  # mean brightness, 0..255
    cast: tuple[float, float, float]  # gain of each channel
    grey: bool
    blur_px: float
    noise: float


@dataclass(frozen=True, slots=True)
class _Spot:
    x: float
    y: float
    size_px: float
    spin_rad: float | None
    held: bool | None
    style: str | None
    face_px: tuple[float, float, float] | None = None  # where a face should be: x, y, radius


def measure(image: U8) -> Scene:
    small = cv2.resize(image, (64, 48), interpolation=cv2.INTER_AREA).astype(np.float32)
    mean = small.reshape(-1, 3).mean(axis=0) + 1
    level = float(mean.mean())
    cast = np.clip((mean / level) ** 0.5, 0.75, 1.3)
    grey = float((small.max(axis=2) - small.min(axis=2)).mean()) < 5
    luma = np.ascontiguousarray(image[::2, :, 1])
    edges = cv2.Laplacian(luma, cv2.CV_16S, ksize=1)
    size = np.abs(edges[:: max(1, edges.shape[0] // 40), ::2]).ravel()
    noise = float(np.median(size)) * 0.3
    sharp = float(np.percentile(size, 97))
    blur = float(np.clip((26 - sharp) / 20, 0, 1.4))
    r, g, b = (float(c) for c in cast)
    return Scene(level, (r, g, b), grey, blur, min(noise, 9.0))


@functools.lru_cache(maxsize=1)
def _grain() -> F32:
    return np.random.default_rng(7).normal(0, 1, (900, 900, 3)).astype(np.float32)


@functools.lru_cache(maxsize=4)
def load_bank(folder: str) -> dict[str, list[Face]]:
    """Real faces by label, from PNGs named `label__anything.png` (a space is `-`)."""
    bank: dict[str, list[Face]] = {}
    for path in sorted(Path(folder).glob("*.png")):
        label = path.name.split("__")[0].replace("-", " ")
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if picture is None or picture.ndim != 3 or picture.shape[2] != 4 or label not in THINGS:
            continue
        rgb = np.ascontiguousarray(picture[..., 2::-1])
        alpha = np.ascontiguousarray(picture[..., 3])
        solid = alpha > 200
        mean = rgb[solid].mean(axis=0) * 0.6 if solid.any() else np.zeros(3)
        edge = (float(mean[0]), float(mean[1]), float(mean[2]))
        long_mm = {"phone": 150.0, "wallet": 110.0, "earbud case": 62.0}.get(label, 130.0)
        face = Face(
            rgb, alpha, np.zeros_like(alpha), long_mm, 6.0, edge, 0.3, looked_at=label == "phone"
        )
        bank.setdefault(label, []).append(face)
    return bank


# ---------------------------------------------------------------- where things go


def _spot_at_person(rng: np.random.Generator, person: Box, kind: str) -> _Spot:
    x, y, width, height = person
    if height > 2.1 * width:
        px_m = height / STANDING_M
    else:  # seated or cut off: the shoulders give the scale
        px_m = min(width / SHOULDERS_M, height / 0.55) * rng.uniform(0.75, 1.0)
    side = -1.0 if rng.random() < 0.5 else 1.0
    head_y, middle = y + 0.13 * px_m, x + width / 2
    pick = rng.random()
    spin: float | None = float(rng.normal(0, 0.35))
    held: bool | None = None
    style = None
    near = rng.uniform(0.85, 1.35)
    if pick < 0.24:  # at the ear
        at = (
            middle + side * rng.uniform(0.05, 0.12) * px_m,
            head_y + rng.uniform(-0.03, 0.06) * px_m,
        )
        spin = float(rng.normal(-side * 0.25, 0.3))
        held, style = True, "wrap"
        near = rng.uniform(0.85, 1.05)
    elif pick < 0.38:  # held up, in front of or beside the face
        at = (middle + rng.normal(0, 0.2) * px_m, head_y + rng.normal(0, 0.1) * px_m)
        held = True
        near = rng.uniform(1.0, 1.9)
    elif pick < 0.78:  # before the chest or the belly
        at = (middle + rng.normal(0, 0.16) * px_m, y + rng.uniform(0.28, 0.65) * px_m)
        near = rng.uniform(0.9, 1.6)
        held = True if rng.random() < 0.85 else None
    else:  # anywhere within the reach of an arm
        at = (middle + rng.normal(0, 0.35) * px_m, y + rng.uniform(0.1, 1.0) * min(height, px_m))
    if rng.random() < 0.22:
        spin = float(rng.choice([-1, 1]) * np.pi / 2 + rng.normal(0, 0.3))
    elif rng.random() < 0.08:
        spin = None
    face_px = (middle, head_y, 0.05 * px_m)
    return _Spot(at[0], at[1], PHONE_M * px_m * near, spin, held, style, face_px)


def _spot_anywhere(rng: np.random.Generator, height: int, width: int) -> _Spot:
    short = min(height, width)
    size = float(np.exp(rng.uniform(np.log(12 / short), np.log(0.45)))) * short
    table = rng.random() < 0.6
    low = 0.4 if table else 0.05
    x, y = rng.uniform(-0.02, 1.02) * width, rng.uniform(low, 1.0) * height
    spin = None if table or rng.random() < 0.3 else float(rng.normal(0, 0.6))
    return _Spot(x, y, size, spin, None if rng.random() < 0.5 else not table, None)


# ---------------------------------------------------------------- light and blur


def _match(
    cutout: Cutout, scene: Scene, around: U8, rng: np.random.Generator
) -> tuple[F32, F32, F32]:
    """Straight colour (H, W, 3), alpha and thing (H, W) of the cut-out as this camera sees it."""
    colour = cutout.rgba[..., :3].astype(np.float32)
    alpha = cutout.rgba[..., 3].astype(np.float32) / 255
    thing = cutout.object_alpha.astype(np.float32) / 255
    local = float(around.mean()) if around.size else scene.level
    wanted = (0.5 * local + 0.5 * scene.level) / 122
    gain = float(np.clip(wanted**0.75, 0.16, 1.4)) * rng.uniform(0.82, 1.18)
    cast = np.array(scene.cast, np.float32) * rng.normal(1, 0.03, 3).astype(np.float32)
    lit = (cutout.lit.astype(np.float32) / 255)[..., None]
    own = max(gain, rng.uniform(0.55, 1.15))
    colour = colour * (gain * (1 - lit) + own * lit) * (cast * (1 - 0.6 * lit) + 0.6 * lit)
    if rng.random() < 0.25:  # haze, or a cheap lens: black is not black
        floor = rng.uniform(0, 0.16) * local
        colour = colour * (1 - floor / 255) + floor
    if rng.random() < 0.3:
        colour = (colour - 110) * rng.uniform(0.7, 1.2) + 110
    if scene.grey:
        colour = np.repeat(colour.mean(axis=2, keepdims=True), 3, axis=2)
    elif rng.random() < 0.4:
        mean = colour.mean(axis=2, keepdims=True)
        colour = mean + (colour - mean) * rng.uniform(0.5, 1.1)
    long = max(alpha.shape)
    blur = (
        scene.blur_px
        + abs(rng.normal(0, 0.25))
        + (rng.uniform(0.5, 2.0) if rng.random() < 0.05 else 0)
    )
    blur = min(blur, 0.06 * long)
    motion = rng.uniform(0.03, 0.14) * long if rng.random() < 0.1 else 0.0
    if blur > 0.25 or motion > 1.5:
        pad = math.ceil(blur * 2.5 + motion / 2)
        stack = np.dstack([colour * alpha[..., None], alpha, thing])
        stack = (
            cv2.copyMakeBorder(stack[..., :3], pad, pad, pad, pad, cv2.BORDER_CONSTANT),
            cv2.copyMakeBorder(stack[..., 3:], pad, pad, pad, pad, cv2.BORDER_CONSTANT),
        )
        planes = []
        kernel = _streak(motion, rng.uniform(0, np.pi)) if motion > 1.5 else None
        for plane in stack:
            out = cv2.GaussianBlur(plane, (0, 0), blur) if blur > 0.25 else plane
            planes.append(out if kernel is None else cv2.filter2D(out, -1, kernel))
        alpha, thing = planes[1][..., 0], planes[1][..., 1]
        colour = planes[0] / np.maximum(alpha, 1e-3)[..., None]
    if scene.noise > 0.3:
        grain = _grain()
        y, x = rng.integers(0, 300, 2)
        high, wide = min(600, colour.shape[0]), min(600, colour.shape[1])
        colour[:high, :wide] += grain[y : y + high, x : x + wide] * scene.noise
    return (
        np.clip(colour, 0, 255).astype(np.float32),
        alpha.astype(np.float32),
        thing.astype(np.float32),
    )


def _streak(length: float, angle: float) -> F32:
    size = int(length) | 1
    kernel = np.zeros((size, size), np.float32)
    half = size / 2 - 0.5
    dx, dy = math.cos(angle) * half, math.sin(angle) * half
    a = (round((half - dx) * 16), round((half - dy) * 16))
    b = (round((half + dx) * 16), round((half + dy) * 16))
    cv2.line(kernel, a, b, 1.0, 1, cv2.LINE_AA, 4)
    return kernel / max(float(kernel.sum()), 1e-6)  # type: ignore[return-value]


def _mood(image: U8, rng: np.random.Generator) -> tuple[U8, float]:
    """Now and then the whole scene by night or against the light; and how much screens glow."""
    pick = rng.random()
    if pick < 0.07:  # a dark room, screens the brightest thing in it
        dark = rng.uniform(0.18, 0.55)
        tint = np.array([1, rng.uniform(0.8, 1), rng.uniform(0.6, 1.25)], np.float32) * dark
        table = (np.arange(256, dtype=np.float32)[:, None] / 255) ** 1.15 * 255 * tint
        return cv2.LUT(image, np.clip(table, 0, 255).astype(np.uint8)[None]), rng.uniform(0.2, 0.6)  # type: ignore[return-value]
    if pick < 0.1:  # against a bright window
        table = np.clip((np.arange(256) / 255.0) ** 1.6 * rng.uniform(300, 520) - 20, 0, 255)
        return cv2.LUT(image, table.astype(np.uint8)), 0.0  # type: ignore[return-value]
    return image, 0.0


def _glow(image: U8, lit: F32, x: int, y: int, strength: float, rng: np.random.Generator) -> None:
    """Light of a screen on what is around it, coarse on purpose."""
    height, width = image.shape[:2]
    low = np.zeros((height // 16 + 1, width // 16 + 1), np.float32)
    ys, xs = np.nonzero(lit > 0.3)
    if len(ys) == 0:
        return
    np.add.at(
        low,
        (
            np.clip((ys + y) // 16, 0, low.shape[0] - 1),
            np.clip((xs + x) // 16, 0, low.shape[1] - 1),
        ),
        1 / 256,
    )
    low = cv2.GaussianBlur(low, (0, 0), rng.uniform(2, 4))  # type: ignore[assignment]
    light = cv2.resize(np.minimum(low * 2, 0.5), (width, height))[..., None] * strength
    tint = np.array([0.85, 0.95, 1.1], np.float32)
    image[:] = np.clip(image * (1 + light * 1.5) + 150 * light * tint, 0, 255).astype(np.uint8)


# ---------------------------------------------------------------- composing


def _overlap(box: Box, x: int, y: int, alpha: F32) -> float:
    """Share of a labelled box that a paste at (x, y) would hide."""
    bx, by, bw, bh = box
    x0, y0 = max(int(bx), x), max(int(by), y)
    x1, y1 = min(int(bx + bw), x + alpha.shape[1]), min(int(by + bh), y + alpha.shape[0])
    if x1 <= x0 or y1 <= y0:
        return 0.0
    return float((alpha[y0 - y : y1 - y, x0 - x : x1 - x] > 0.5).sum()) / max(bw * bh, 1.0)


def _iou(a: Box, b: Box) -> float:
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(0.0, wide) * max(0.0, high)
    return both / max(a[2] * a[3] + b[2] * b[3] - both, 1e-6)


def _pick_kind(rng: np.random.Generator, weights: dict[str, float]) -> str:
    names = list(weights)
    shares = np.array([weights[n] for n in names])
    return names[int(rng.choice(len(names), p=shares / shares.sum()))]


def _skin_of(image: U8, spot: _Spot, scene: Scene) -> tuple[float, float, float] | None:
    """The tone of the person's face, as it would be in plain light; None when it is no skin."""
    if spot.face_px is None or scene.grey:
        return None
    x, y, radius = spot.face_px
    part = image[
        max(0, int(y - radius)) : max(0, int(y + radius) + 1),
        max(0, int(x - radius)) : max(0, int(x + radius) + 1),
    ]
    if part.size < 12:
        return None
    plain = (max(scene.level, 1) / 122) ** 0.75
    tone = np.median(part.reshape(-1, 3), axis=0) / (
        np.array(scene.cast) * np.clip(plain, 0.16, 1.4)
    )
    r, g, b = (float(c) for c in np.clip(tone * 1.1, 0, 255))
    skin = r > 45 and 1.08 * g < r < 2.4 * g and b < 1.05 * g and b > 0.35 * g
    return (r, g, b) if skin else None


def _draw(
    rng: np.random.Generator,
    spot: _Spot,
    kind: str,
    bank: dict[str, list[Face]],
    skin: tuple[float, float, float] | None,
) -> Cutout:
    face = None
    real = bank.get(kind, [])
    if real and rng.random() < REAL_SHARE:
        face = real[int(rng.integers(len(real)))]
        if rng.random() < 0.5:
            face = replace(
                face,
                rgb=np.ascontiguousarray(face.rgb[:, ::-1]),
                alpha=np.ascontiguousarray(face.alpha[:, ::-1]),
            )
    held = spot.held if spot.held is not None else bool(rng.random() < HELD_SHARE.get(kind, 0.55))
    if kind == "pen":
        held = held and rng.random() < 0.5
    size = spot.size_px
    name = f"hand holding {kind}" if held and kind != "hand" else kind
    scale = _REAL_SIZE.get(kind, 1.0) * rng.uniform(0.92, 1.08)
    size_px = max(LEAST_PX + 2, round(size * scale))
    return render(
        name, rng, size_px, spin_rad=spot.spin_rad, style=spot.style, face=face, skin=skin
    )


# Long side against a phone's: what is small in the hand is small in the picture.
_REAL_SIZE = {
    "earbud case": 0.42,
    "wallet": 0.74,
    "mouse": 0.74,
    "cup": 0.7,
    "remote": 1.15,
    "notebook": 1.2,
    "power bank": 0.88,
}


def compose(
    image: U8,
    boxes: Sequence[Labelled],
    rng: np.random.Generator,
    *,
    people: Sequence[Box] = (),
    bank: str | Path | None = None,
    count: int | None = None,
    weights: dict[str, float] | None = None,
) -> tuple[U8, list[Labelled], list[Labelled]]:
    """Paste 1 to 4 things into a copy of `image`.

    image:    (H, W, 3) uint8 RGB
    boxes:    what is labelled in it already; phones are never hidden by more than 30 %
    people:   boxes of the people in it: most things then go to their hands, chest and face
    bank:     folder of real faces (see `harvest`), mixed 40 to 60 with drawn ones
    count:    how many things; 1 to 4 by default
    weights:  share of each kind; KIND_WEIGHTS by default
    returns:  the picture, the boxes added, and boxes to ignore: added ones seen by less than a
              quarter, and earlier ones hidden by more than 60 %. `hand` boxes are among the added.
    """
    faces = load_bank(str(bank)) if bank is not None else {}
    weights = weights or KIND_WEIGHTS
    out, glow = _mood(image, rng)
    out = out.copy()
    height, width = out.shape[:2]
    scene = measure(out)
    # Whose pixel it is: 0 the scene, 1.. the things in turn, 255 a hand.
    owner = np.zeros((height, width), np.uint8)
    pasted: list[tuple[str, float]] = []  # label, and its whole area in px
    if count is None:
        count = int(rng.choice([1, 2, 3, 4], p=[0.4, 0.34, 0.18, 0.08]))
    areas = np.array([w * h for _, _, w, h in people]) if len(people) else np.zeros(0)
    phones = [box for label, box in boxes if label == "phone"]
    for _ in range(count):
        kind = _pick_kind(rng, weights)
        for _ in range(TRIES):
            if len(people) and rng.random() < 0.78:
                shares = np.sqrt(areas) / np.sqrt(areas).sum()
                spot = _spot_at_person(rng, people[int(rng.choice(len(people), p=shares))], kind)
            else:
                spot = _spot_anywhere(rng, height, width)
            if 9 <= spot.size_px <= 0.5 * min(height, width):
                break
        else:
            spot = replace(_spot_anywhere(rng, height, width), held=spot.held)
        skin = _skin_of(out, spot, scene) if rng.random() < OWN_SKIN else None
        cutout = _draw(rng, spot, kind, faces, skin)
        done = _paste(out, owner, cutout, spot, scene, phones, glow, len(pasted) + 1, rng)
        if done:
            pasted.append((cutout.label, done))
    added, hidden = _labels(owner, pasted)
    for label, (x, y, w, h) in boxes:
        part = owner[max(0, int(y)) : int(y + h) + 1, max(0, int(x)) : int(x + w) + 1]
        if part.size and float((part > 0).mean()) > MOST_COVER:
            hidden.append((label, (x, y, w, h)))
    return out, added, hidden


def _paste(
    out: U8,
    owner: U8,
    cutout: Cutout,
    spot: _Spot,
    scene: Scene,
    phones: Sequence[Box],
    glow: float,
    number: int,
    rng: np.random.Generator,
) -> float:
    """Paste one cut-out so that the thing's middle comes to the spot; its whole area, or 0."""
    height, width = out.shape[:2]
    bx, by, bw, bh = cutout.box_px
    before = cutout.rgba.shape[:2]
    x, y = round(spot.x - bx - bw / 2), round(spot.y - by - bh / 2)
    around = out[max(0, y) : max(0, y + before[0]), max(0, x) : max(0, x + before[1])]
    colour, alpha, thing = _match(cutout, scene, around[::4, ::4], rng)
    pad = (alpha.shape[0] - before[0]) // 2
    x, y = x - pad, y - pad
    if any(_overlap(box, x, y, alpha) > MOST_PHONE_COVER for box in phones):
        return 0.0
    x0, y0 = max(0, x), max(0, y)
    x1, y1 = min(width, x + alpha.shape[1]), min(height, y + alpha.shape[0])
    if x1 - x0 < 3 or y1 - y0 < 3:
        return 0.0
    whole = float((thing > 0.5).sum()) / max(cutout.visible, 1e-3)
    if whole < 4:
        return 0.0
    cut_y, cut_x = slice(y0 - y, y1 - y), slice(x0 - x, x1 - x)
    view = out[y0:y1, x0:x1]
    base = view.astype(np.float32)
    if rng.random() < (0.45 if cutout.held else 0.75):
        base *= (1 - _shadow(alpha, cutout.held, spot.size_px, rng)[cut_y, cut_x])[..., None]
    share = alpha[cut_y, cut_x][..., None]
    view[:] = (base + (colour[cut_y, cut_x] - base) * share).astype(np.uint8)
    seen = alpha[cut_y, cut_x] > 0.5
    mark = owner[y0:y1, x0:x1]
    mark[seen] = 255
    mark[thing[cut_y, cut_x] > 0.5] = number
    if glow > 0 and cutout.lit.any():
        lit = cutout.lit.astype(np.float32) / 255
        _glow(out, lit, x + pad, y + pad, glow, rng)
    return whole


def _shadow(alpha: F32, held: bool, size_px: float, rng: np.random.Generator) -> F32:
    """Where the thing keeps light from what is behind it; (H, W) share taken away."""
    soft = max(0.6, size_px * (rng.uniform(0.03, 0.1) if held else rng.uniform(0.015, 0.06)))
    dx, dy = rng.normal(0, soft), abs(rng.normal(0, soft)) * 1.2
    small = cv2.resize(
        alpha,
        (max(2, alpha.shape[1] // 2), max(2, alpha.shape[0] // 2)),
        interpolation=cv2.INTER_AREA,
    )
    small = cv2.GaussianBlur(small, (0, 0), max(0.4, soft / 2))
    move = np.array([[1, 0, dx / 2], [0, 1, dy / 2]], np.float32)
    small = cv2.warpAffine(small, move, (small.shape[1], small.shape[0]))
    full = cv2.resize(small, (alpha.shape[1], alpha.shape[0]))
    return full * np.float32(rng.uniform(0.12, 0.32) if held else rng.uniform(0.2, 0.6))  # type: ignore[return-value]


def _labels(owner: U8, pasted: list[tuple[str, float]]) -> tuple[list[Labelled], list[Labelled]]:
    added: list[Labelled] = []
    hidden: list[Labelled] = []
    for index, (label, whole) in enumerate(pasted):
        mine = owner == index + 1
        rows = np.flatnonzero(mine.any(axis=1))
        if len(rows) == 0:
            continue
        columns = np.flatnonzero(mine[rows[0] : rows[-1] + 1].any(axis=0))
        box = (
            float(columns[0]), float(rows[0]),
            float(columns[-1] - columns[0] + 1), float(rows[-1] - rows[0] + 1),
        )  # fmt: skip
        seen = float(mine.sum()) / whole
        small = min(box[2], box[3]) < 3 and max(box[2], box[3]) < 8
        (hidden if seen < LEAST_VISIBLE or small else added).append((label, box))
    return added, hidden


# ---------------------------------------------------------------- cutting real ones out


@dataclass(frozen=True, slots=True)
class Cut:
    """A real thing found in a picture.

    face: (H, W, 4) uint8 BGRA, upright;  quad: (4, 2) px, its corners clockwise from the top left
    mask: (h, w) uint8, where it is seen, of the picture at `at` (x, y) and `scale`
    """

    label: str
    face: U8
    quad: F32
    mask: U8
    at: tuple[int, int]
    scale: float


_HARVESTED = {
    "cell phone": "phone",
    "phone": "phone",
    "airpods case": "earbud case",
    "wallet": "wallet",
}
# Looked at one by one: what GrabCut found is cut in half, hidden by fingers, or no phone at all.
_NOT_CLEAN = {
    "train": frozenset(
        {124, 128, 153, 192, 215, 260, 262, 324, 326, 352, 361, 362, 408, 418, 464, 512, 513, 660}
    ),
    "webcam_dev": frozenset({44, 45, 48, 136, 174}),
}


def _found(data: Path, folders: Sequence[str]) -> Iterator[tuple[str, Any, Any, U8, Cut]]:
    """Every clean cut-out: folder, annotation, picture, its BGR pixels, the cut. Nothing of the
    pictures that judge."""
    judging = {p.path.name for p in split_webcam(load(data / "webcam_dev", "webcam"))[1]}
    for folder in folders:
        notes = json.loads((data / folder / "annotations.json").read_text())
        labels = {c["id"]: _HARVESTED.get(c["name"]) for c in notes["categories"]}
        pictures = {i["id"]: i for i in notes["images"]}
        for note in notes["annotations"]:
            label = labels[note["category_id"]]
            picture = pictures[note["image_id"]]
            if folder == "webcam_dev" and picture["file_name"] in judging:
                continue
            if label is None or note["id"] in _NOT_CLEAN[folder]:
                continue
            if folder == "train" and min(note["bbox"][2:]) < 30:
                continue
            image = cv2.imread(str(data / folder / "images" / picture["file_name"]))
            if image is None:
                continue
            cut = _cut_out(np.asarray(image, np.uint8), tuple(note["bbox"]), label)
            if cut is not None:
                yield folder, note, picture, np.asarray(image, np.uint8), cut


def harvest(data: Path, bank: Path) -> int:
    """Cut real things out of boxed training pictures; how many were good enough to keep."""
    bank.mkdir(parents=True, exist_ok=True)
    kept = 0
    for folder, note, _, _, cut in _found(data, ("train", "webcam_dev")):
        slug = cut.label.replace(" ", "-")
        cv2.imwrite(str(bank / f"{slug}__{folder}-{note['id']}.png"), cut.face)
        kept += 1
    return kept


def _cut_out(image: U8, box: Box, label: str) -> Cut | None:
    """Find the slab in its box by GrabCut; None when what is found is no clean slab."""
    x, y, w, h = box
    margin = 0.25 * max(w, h)
    x0, y0 = max(0, int(x - margin)), max(0, int(y - margin))
    patch = image[y0 : int(y + h + margin), x0 : int(x + w + margin)]
    if w * h > 0.8 * image.shape[0] * image.shape[1]:
        return None
    scale = min(1.0, 260 / max(patch.shape[:2]))
    patch = cv2.resize(patch, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    rect = (round((x - x0) * scale), round((y - y0) * scale), round(w * scale), round(h * scale))
    if min(rect[2:]) < 16:
        return None
    mask = np.zeros(patch.shape[:2], np.uint8)
    cv2.setRNGSeed(1)
    try:
        cv2.grabCut(
            patch, mask, rect, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_RECT
        )
    except cv2.error:  # a box as large as the patch leaves no background to learn from
        return None
    solid = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.uint8)
    solid = cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))  # type: ignore[assignment]
    outlines, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return None
    outline = max(outlines, key=cv2.contourArea)
    quad = _corners(outline, label)
    if quad is None:
        return None
    wide = (np.linalg.norm(quad[1] - quad[0]) + np.linalg.norm(quad[2] - quad[3])) / 2
    high = (np.linalg.norm(quad[3] - quad[0]) + np.linalg.norm(quad[2] - quad[1])) / 2
    # Foreshortening is undone as far as a phone's proportions are known.
    aspect = max(1.8, high / wide) if label == "phone" else high / wide
    hull = cv2.convexHull(outline) if label != "wallet" else outline
    seen = np.zeros_like(solid)
    cv2.drawContours(seen, [hull], -1, 255, -1)
    soft = cv2.GaussianBlur(cv2.erode(seen, np.ones((3, 3), np.uint8)), (3, 3), 0)
    size = (round(FACE_PX / aspect), FACE_PX)
    flat = np.array([(0, 0), (size[0], 0), size, (0, size[1])], np.float32)
    turn = cv2.getPerspectiveTransform(quad, flat)
    face = cv2.warpPerspective(np.dstack([patch, soft]), turn, size, flags=cv2.INTER_CUBIC)
    whole = (quad / scale + np.array([x0, y0])).astype(np.float32)
    return Cut(
        label, np.asarray(face, np.uint8), whole, np.asarray(seen, np.uint8), (x0, y0), scale
    )


def _corners(outline: NDArray[np.int32], label: str) -> F32 | None:
    """Four corners of a slab's outline, a short side first; None when it is no slab."""
    least, most = {"phone": (1.35, 2.6), "wallet": (1.1, 2.1), "earbud case": (1.0, 1.7)}[label]
    full = 0.87 if label != "earbud case" else 0.74
    area = cv2.contourArea(outline)
    convex = cv2.convexHull(outline)
    hull = cv2.contourArea(convex)
    if area < 0.94 * hull:
        return None
    candidates = [cv2.boxPoints(cv2.minAreaRect(outline))]
    around = cv2.arcLength(convex, True)
    for share in (0.02, 0.03, 0.04, 0.05, 0.07):
        rough = cv2.approxPolyDP(convex, share * around, True)
        if len(rough) == 4:
            middle = rough[:, 0].astype(np.float32).mean(axis=0)
            # Round corners: the sides meet a little outside of the outline.
            candidates.append((rough[:, 0] - middle) * 1.03 + middle)
            break
    for points in candidates:
        quad = np.asarray(cv2.convexHull(np.asarray(points, np.float32)), np.float32)[:, 0]
        if len(quad) != 4 or not full <= area / max(cv2.contourArea(quad), 1) <= 1.04:
            continue
        sides = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
        if sides[0] + sides[2] > sides[1] + sides[3]:
            quad, sides = np.roll(quad, -1, axis=0), np.roll(sides, -1)
        ratio = (sides[1] + sides[3]) / max(sides[0] + sides[2], 1)
        if sides.min() >= 13 and least <= ratio <= most:
            # The short side that lies higher is the top.
            if quad[:2, 1].sum() > quad[2:, 1].sum():
                quad = np.roll(quad, 2, axis=0)
            return np.ascontiguousarray(quad, np.float32)
    return None


# ---------------------------------------------------------------- other things in real hands

SWAP_WEIGHTS = {
    "phone": 0.46,
    "wallet": 0.22,
    "calculator": 0.15,
    "power bank": 0.06,
    "notebook": 0.05,
    "remote": 0.06,
}
# Below this overlap of what was found with its box, a part of the old thing (its frame around the
# screen) is still to be seen: then only another phone may take its place.
WHOLE = 0.8
# Category numbers of the pictures' annotations; those from 1001 are this data set's own.
_NUMBERS = {
    "phone": 77,
    "remote": 75,
    "notebook": 84,
    "wallet": 1002,
    "calculator": 1003,
    "power bank": 1005,
}


def swap(
    image: U8,
    cut: Cut,
    rng: np.random.Generator,
    bank: dict[str, list[Face]],
    weights: dict[str, float],
) -> tuple[U8, str]:
    """Draw another thing in place of a real one: the hand, its fingers and the light stay real.

    image: (H, W, 3) uint8 RGB; returns a changed copy and the label of what is there now
    """
    label = _pick_kind(rng, weights)
    real = bank.get(label, [])
    if real and rng.random() < REAL_SHARE:
        face = real[int(rng.integers(len(real)))]
    else:
        face = draw_face(label, int(rng.integers(80)))
    rgb = face.rgb
    quad = cut.quad
    if rng.random() < 0.5:
        rgb = rgb[:, ::-1]
    if rng.random() < 0.4:
        rgb = rgb[::-1]
    height, width = rgb.shape[:2]
    shown = float(np.linalg.norm(quad[3] - quad[0]))
    if shown < 0.7 * height:
        small = (max(4, round(width * shown / height * 1.2)), max(8, round(shown * 1.2)))
        rgb = cv2.resize(rgb, small, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        height, width = rgb.shape[:2]
    flat = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    warp = cv2.getPerspectiveTransform(flat, quad)
    out_size = (image.shape[1], image.shape[0])
    drawn = cv2.warpPerspective(
        np.ascontiguousarray(rgb),
        warp,
        out_size,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.float32)
    mask = np.zeros(image.shape[:2], np.uint8)
    back = (round(cut.mask.shape[1] / cut.scale), round(cut.mask.shape[0] / cut.scale))
    part = cv2.resize(cut.mask, back, interpolation=cv2.INTER_LINEAR)
    x, y = cut.at
    part = part[: image.shape[0] - y, : image.shape[1] - x]
    mask[y : y + part.shape[0], x : x + part.shape[1]] = part
    scene = measure(image)
    soft = max(0.6, scene.blur_px + abs(rng.normal(0, 0.2)))
    alpha = cv2.GaussianBlur(mask, (0, 0), 0.8).astype(np.float32)[..., None] / 255
    drawn = cv2.GaussianBlur(drawn, (0, 0), soft)
    gain = float(np.clip((scene.level / 122) ** 0.75, 0.2, 1.4)) * rng.uniform(0.75, 1.2)
    ramp = cv2.resize(rng.uniform(0.8, 1.2, (2, 2)).astype(np.float32), out_size)[..., None]
    drawn = drawn * (ramp * gain * np.array(scene.cast, np.float32))
    if scene.grey:
        drawn = np.repeat(drawn.mean(axis=2, keepdims=True), 3, axis=2)
    out = image * (1 - alpha) + np.clip(drawn, 0, 255) * alpha
    return np.clip(out, 0, 255).astype(np.uint8), label


def swaps(data: Path, out: Path, *, bank: Path | None, variants: int, seed: int) -> int:
    """Write `variants` pictures for each real thing found, with its place taken by another.

    out/images/*.jpg and out/annotations.json, as the other folders have them; `swapped` on a
    picture is the file it was made from, so that a split by picture can be kept.
    """
    (out / "images").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    faces = load_bank(str(bank)) if bank is not None else {}
    pictures: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for folder, note, picture, bgr, cut in _found(data, ("train",)):
        image = np.ascontiguousarray(bgr[..., ::-1])
        others = json.loads(_annotations(data, folder))[str(picture["id"])]
        low, high = cut.quad.min(axis=0), cut.quad.max(axis=0)
        found = (float(low[0]), float(low[1]), *(float(side) for side in high - low))
        whole = _iou(found, tuple(note["bbox"])) >= WHOLE
        for _ in range(variants):
            drawn, label = swap(image, cut, rng, faces, SWAP_WEIGHTS if whole else {cut.label: 1.0})
            name = f"swap-{len(pictures):05d}.jpg"
            cv2.imwrite(
                str(out / "images" / name), drawn[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90]
            )
            number = _NUMBERS[label]
            labelled = sorted({*picture.get("labelled", [77, 1001, 1002]), number})
            pictures.append(
                {
                    "id": len(pictures) + 1, "file_name": name, "source": f"swap of {folder}",
                    "width": image.shape[1], "height": image.shape[0], "labelled": labelled,
                    "swapped": f"{folder}/{picture['file_name']}",
                }
            )  # fmt: skip
            for other in others:
                category = number if other["id"] == note["id"] else other["category_id"]
                boxes.append(
                    {
                        "id": len(boxes) + 1, "image_id": len(pictures), "category_id": category,
                        "bbox": other["bbox"], "area": other["bbox"][2] * other["bbox"][3],
                        "iscrowd": 0,
                    }
                )  # fmt: skip
    names = {number: label for label, number in _NUMBERS.items()} | {77: "cell phone", 84: "book"}
    names |= {1: "person", 1001: "earbud case"}
    used = sorted({box["category_id"] for box in boxes})
    categories = [{"id": number, "name": names.get(number, str(number))} for number in used]
    notes = {"images": pictures, "annotations": boxes, "categories": categories}
    (out / "annotations.json").write_text(json.dumps(notes))
    return len(pictures)


@functools.lru_cache(maxsize=4)
def _annotations(data: Path, folder: str) -> str:
    """Annotations by picture, as JSON text (so that nobody changes the cached ones)."""
    by_picture: dict[str, list[Any]] = {}
    for note in json.loads((data / folder / "annotations.json").read_text())["annotations"]:
        by_picture.setdefault(str(note["image_id"]), []).append(note)
    return json.dumps(by_picture)


# ---------------------------------------------------------------- to look at


def sheet(
    data: Path, out: Path, *, bank: Path | None, seed: int, rows: int = 4, columns: int = 4
) -> None:
    """Examples with their boxes, on pictures of `dev`: what training will see."""
    rng = np.random.default_rng(seed)
    notes = json.loads((data / "dev" / "annotations.json").read_text())
    names = {c["id"]: c["name"].replace("cell phone", "phone") for c in notes["categories"]}
    cells = []
    for index in rng.permutation(len(notes["images"]))[: rows * columns]:
        picture = notes["images"][index]
        image = cv2.imread(str(data / "dev" / "images" / picture["file_name"]))[..., ::-1]
        mine = [a for a in notes["annotations"] if a["image_id"] == picture["id"]]
        boxes = [(names[a["category_id"]], tuple(a["bbox"])) for a in mine]
        people = [box for label, box in boxes if label == "person" and box[3] > 60]
        image, added, hidden = compose(
            np.ascontiguousarray(image), boxes, rng, people=people, bank=bank
        )
        for label, (x, y, w, h) in added + hidden:
            colour = (0, 255, 0) if label == "phone" else (255, 160, 0)
            if (label, (x, y, w, h)) in hidden:
                colour = (255, 0, 255)
            corner = (int(x), int(y))
            cv2.rectangle(image, corner, (int(x + w), int(y + h)), colour, 1)
            cv2.putText(image, label, corner, cv2.FONT_HERSHEY_PLAIN, 1, colour, 1)
        cell = np.zeros((400, 400, 3), np.uint8)
        scale = 400 / max(image.shape[:2])
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        cell[: small.shape[0], : small.shape[1]] = small
        cells.append(cell)
    lines = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    cv2.imwrite(str(out), np.vstack(lines)[..., ::-1])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("action", choices=("harvest", "swaps", "sheet"))
    parser.add_argument("data", type=Path, help="folder with train, dev and webcam_dev")
    parser.add_argument("out", type=Path, help="folder of the bank, or the picture to write")
    parser.add_argument("--bank", type=Path, default=None)
    parser.add_argument("--variants", type=int, default=6, help="swaps: pictures for each thing")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    if given.action == "harvest":
        print(f"kept {harvest(given.data, given.out)} cut-outs in {given.out}")
    elif given.action == "swaps":
        written = swaps(
            given.data, given.out, bank=given.bank, variants=given.variants, seed=given.seed
        )
        print(f"wrote {written} pictures to {given.out}")
    else:
        sheet(given.data, given.out, bank=given.bank, seed=given.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
