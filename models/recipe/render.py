"""Draw phones and what is mistaken for them, bare or in a hand, as cut-outs with transparency.

Hardly any public picture shows a phone in use at a desk, and none shows a calculator, a wallet or a
power bank in the same hand, at the same size and in the same light. These are drawn, so that the
detector has seen tens of thousands of both, and so that a hand alone says nothing.

A thing is a slab: a face drawn flat (`draw_face`), given thickness, turned in space and seen in
perspective. Hands are capsules shaded by their distance field. Everything is drawn from the given
Generator: the same state gives the same picture. Faces are drawn once each and kept.

This is simulated material for training and demonstration; nothing measured on it counts.
"""

from __future__ import annotations

import colorsys
import functools
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
Rgb = tuple[float, float, float]

FACE_PX = 240  # long side of a drawn face
WORK_PX = (56, 160)  # long side of the thing while it is put together, before the last resize
LEAST_PX = 6
FULL_ALPHA = 255

SKIN = np.array(
    [
        (252, 222, 200),
        (238, 195, 165),
        (224, 172, 135),
        (198, 140, 100),
        (160, 102, 70),
        (116, 72, 48),
        (78, 50, 36),
        (52, 35, 27),
    ],
    np.float32,
)


@dataclass(frozen=True, slots=True)
class Face:
    """One side of a thing, flat. rgb (H, W, 3), alpha and lit (H, W), all uint8, long side down."""

    rgb: U8
    alpha: U8
    lit: U8  # 255 where the face gives light of its own
    long_mm: float
    thick_mm: float
    edge: Rgb
    gloss: float  # 0 cloth .. 1 glass
    tiltable: bool = True
    looked_at: bool = False  # the side that one looks at: fingers keep to its edges
    dome: float = 0.0  # 0 a slab .. 1 round towards the back


@dataclass(frozen=True, slots=True)
class Cutout:
    """A thing ready to be pasted.

    rgba:         (H, W, 4) uint8, straight alpha, tight
    object_alpha: (H, W) uint8, share of the pixel in which the thing itself is seen (not the hand)
    lit:          (H, W) uint8, 255 where the pixel gives light of its own
    box_px:       x, y, width, height around the seen part of the thing
    visible:      0..1, share of the thing not hidden by the hand
    label:        what it is; `hand` for a bare hand
    """

    rgba: U8
    object_alpha: U8
    lit: U8
    box_px: tuple[float, float, float, float]
    visible: float
    label: str
    held: bool


# ---------------------------------------------------------------- drawing by distance


def _rounded(height: int, width: int, radius: float) -> U8:
    """Alpha of a rectangle with round corners that fills (height, width)."""
    radius = min(radius, min(height, width) / 2)
    y = np.abs(np.arange(height, dtype=np.float32) + 0.5 - height / 2) - (height / 2 - radius)
    x = np.abs(np.arange(width, dtype=np.float32) + 0.5 - width / 2) - (width / 2 - radius)
    outside = np.hypot(np.maximum(y, 0)[:, None], np.maximum(x, 0)[None, :])
    inside = np.minimum(np.maximum(y[:, None], x[None, :]), 0)
    return (np.clip(radius - outside - inside + 0.5, 0, 1) * 255).astype(np.uint8)


def _box(
    image: U8,
    x: float,
    y: float,
    width: float,
    height: float,
    colour: Rgb,
    radius: float = 0.0,
) -> None:
    """Fill a rectangle, with round corners where `radius` says so; clipped to the image."""
    x0, y0 = max(0, round(x)), max(0, round(y))
    x1, y1 = min(image.shape[1], round(x + width)), min(image.shape[0], round(y + height))
    if x1 <= x0 or y1 <= y0:
        return
    if radius < 1.5:
        image[y0:y1, x0:x1] = colour
        return
    alpha = _rounded(y1 - y0, x1 - x0, radius)[..., None].astype(np.float32) / 255
    patch = image[y0:y1, x0:x1]
    patch[:] = (patch * (1 - alpha) + np.float32(colour) * alpha).astype(np.uint8)


def _disc(image: U8, x: float, y: float, radius: float, colour: Rgb) -> None:
    shift = 4
    centre = (round(x * 16), round(y * 16))
    cv2.circle(image, centre, max(8, round(radius * 16)), colour, -1, cv2.LINE_AA, shift)


def _hsv(rng: np.random.Generator, s: tuple[float, float], v: tuple[float, float]) -> Rgb:
    r, g, b = colorsys.hsv_to_rgb(rng.random(), rng.uniform(*s), rng.uniform(*v))
    return (r * 255, g * 255, b * 255)


def _grey(rng: np.random.Generator, low: float, high: float) -> Rgb:
    v = rng.uniform(low, high)
    return (v + rng.normal(0, 3), v + rng.normal(0, 2), v + rng.normal(0, 4))


def _clip(colour: Rgb | NDArray[np.floating]) -> Rgb:
    r, g, b = (float(min(255.0, max(0.0, c))) for c in colour)
    return (r, g, b)


def _mix(a: Rgb, b: Rgb, share: float) -> Rgb:
    return _clip(np.array(a) * (1 - share) + np.array(b) * share)


def _cloud(rng: np.random.Generator, height: int, width: int, cells: int) -> F32:
    """(height, width) smooth noise around 0, about -1..1."""
    coarse = rng.normal(0, 0.5, (cells, max(2, cells * width // height))).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value]


def _scene(rng: np.random.Generator, height: int, width: int) -> U8:
    """Something like a photograph or a frame of a film: soft colour fields, with a few edges."""
    base = rng.integers(20, 255, (rng.integers(2, 6), rng.integers(2, 5), 3)).astype(np.uint8)
    image = cv2.resize(base, (max(1, width), max(1, height)), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(rng.integers(1, 5))):
        at = (int(rng.integers(0, width + 1)), int(rng.integers(0, height + 1)))
        axes = (int(rng.integers(2, width // 3 + 3)), int(rng.integers(2, height // 3 + 3)))
        colour = _hsv(rng, (0.1, 0.8), (0.1, 1))
        cv2.ellipse(image, at, axes, rng.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA)
    return image  # type: ignore[return-value]


def _text(
    image: U8, rng: np.random.Generator, x: float, y: float, width: float, size: float, colour: Rgb
) -> None:
    """A line of writing, as it looks when it is too small to read."""
    end = x + width
    while x < end - size:
        word = min(rng.uniform(1, 5) * size, end - x)
        _box(
            image, x, y, word, max(1, size * 0.6), _mix(colour, (128, 128, 128), 0.2 * rng.random())
        )
        x += word + size * 0.5


# ---------------------------------------------------------------- what is on a screen


def _screen(rng: np.random.Generator, height: int, width: int) -> tuple[U8, float]:
    """Content of a phone's screen and how bright it is, 0 (off) .. 1."""
    pick = rng.random()
    if pick < 0.24:
        return _screen_off(rng, height, width), 0.0
    painters = (_home, _chat, _feed, _page, _film, _map, _lock, _game, _listing, _page, _chat)
    image = painters[int(rng.integers(len(painters)))](rng, height, width)
    return image, float(rng.uniform(0.45, 1.0))


def _screen_off(rng: np.random.Generator, height: int, width: int) -> U8:
    image = np.empty((height, width, 3), np.float32)
    image[:] = _grey(rng, 4, 34)
    ramp = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    ramp = ramp * rng.normal(0, 1) + np.linspace(-1, 1, width, dtype=np.float32) * rng.normal(0, 1)
    if rng.random() < 0.6:  # what the glass mirrors: a window, a ceiling
        edge, soft = rng.normal(0, 0.7), rng.uniform(0.02, 0.5)
        image += (np.clip((ramp - edge) / soft, 0, 1) * rng.uniform(5, 90))[..., None]
    image += (_cloud(rng, height, width, 4) * rng.uniform(0, 8))[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


def _blank(rng: np.random.Generator, height: int, width: int) -> tuple[U8, Rgb, Rgb]:
    dark = rng.random() < 0.35
    ground = _grey(rng, 8, 34) if dark else _grey(rng, 222, 255)
    ink = _grey(rng, 170, 240) if dark else _grey(rng, 20, 90)
    image = np.empty((height, width, 3), np.uint8)
    image[:] = np.array(_clip(ground), np.uint8)
    _text(image, rng, width * 0.08, height * 0.018, width * 0.18, height * 0.012, ink)
    _text(image, rng, width * 0.75, height * 0.018, width * 0.18, height * 0.012, ink)
    return image, ground, ink


def _home(rng: np.random.Generator, height: int, width: int) -> U8:
    image = _scene(rng, height, width)
    across, down = int(rng.integers(4, 6)), int(rng.integers(4, 8))
    pitch = width / (across + 0.4)
    top = rng.uniform(0.06, 0.3) * height
    for row in range(down + 1):
        y = height - pitch * 1.15 if row == down else top + row * pitch * 1.25
        if row < down and y > height - pitch * 2.3:
            continue
        for column in range(across):
            if row < down and rng.random() < 0.08:
                continue
            x = (column + 0.35) * pitch
            colour = _hsv(rng, (0.0, 0.9), (0.3, 1))
            _box(image, x, y, pitch * 0.7, pitch * 0.7, colour, pitch * 0.17)
            mark = (255.0, 255.0, 255.0) if rng.random() < 0.7 else (30.0, 30.0, 30.0)
            _disc(image, x + pitch * 0.35, y + pitch * 0.35, pitch * rng.uniform(0.1, 0.22), mark)
    return image


def _chat(rng: np.random.Generator, height: int, width: int) -> U8:
    image, ground, ink = _blank(rng, height, width)
    mine, theirs = _hsv(rng, (0.3, 0.9), (0.5, 1)), _mix(ground, ink, 0.13)
    _box(image, 0, height * 0.04, width, height * 0.07, _mix(ground, ink, 0.06))
    _disc(image, width * 0.12, height * 0.075, width * 0.05, _hsv(rng, (0.2, 0.7), (0.4, 1)))
    _text(image, rng, width * 0.22, height * 0.065, width * 0.3, height * 0.025, ink)
    keyboard = rng.random() < 0.45
    bottom = height * (0.62 if keyboard else 0.92)
    y = height * 0.13
    while y < bottom - height * 0.05:
        tall = height * rng.choice([0.045, 0.045, 0.075, 0.11, 0.2])
        if y + tall > bottom:
            break
        wide, own = width * rng.uniform(0.25, 0.72), rng.random() < 0.5
        x = width * 0.96 - wide if own else width * 0.04
        if tall > height * 0.15:
            x0, y0 = int(x), int(y)
            image[y0 : y0 + int(tall), x0 : x0 + int(wide)] = _scene(rng, int(tall), int(wide))
        else:
            _box(image, x, y, wide, tall, mine if own else theirs, height * 0.018)
            line = y + height * 0.014
            while line < y + tall - height * 0.015:
                tone = _mix(mine if own else theirs, (255, 255, 255) if own else ink, 0.75)
                _text(image, rng, x + width * 0.03, line, wide - width * 0.07, height * 0.018, tone)
                line += height * 0.03
        y += tall + height * 0.014
    if keyboard:
        _keys(image, rng, bottom + height * 0.02, ground, ink)
    return image


def _keys(image: U8, rng: np.random.Generator, top: float, ground: Rgb, ink: Rgb) -> None:
    height, width = image.shape[:2]
    _box(image, 0, top, width, height - top, _mix(ground, ink, 0.16))
    pitch = (height * 0.96 - top) / 4
    for row in range(4):
        count = (10, 9, 9, 5)[row]
        for key in range(count):
            x = width * (key + 0.06) / count
            _box(
                image, x, top + pitch * (row + 0.15), width * 0.88 / count, pitch * 0.72,
                _mix(ground, ink, 0.02), 2,
            )  # fmt: skip


def _feed(rng: np.random.Generator, height: int, width: int) -> U8:
    image, _, ink = _blank(rng, height, width)
    y = height * rng.uniform(0.04, 0.12)
    while y < height * 0.93:
        _disc(image, width * 0.1, y + height * 0.025, width * 0.06, _hsv(rng, (0.1, 0.8), (0.3, 1)))
        _text(image, rng, width * 0.2, y + height * 0.012, width * 0.4, height * 0.02, ink)
        y += height * 0.055
        tall = int(min(height * rng.uniform(0.2, 0.5), height - y - 1))
        if tall > 4:
            image[int(y) : int(y) + tall] = _scene(rng, tall, width)
        y += tall + height * 0.015
        for _ in range(int(rng.integers(1, 4))):
            _text(image, rng, width * 0.05, y, width * rng.uniform(0.4, 0.9), height * 0.018, ink)
            y += height * 0.028
        y += height * 0.02
    return image


def _page(rng: np.random.Generator, height: int, width: int) -> U8:
    image, ground, ink = _blank(rng, height, width)
    _box(
        image, width * 0.04, height * 0.045, width * 0.92, height * 0.04, _mix(ground, ink, 0.1), 5
    )
    y = height * 0.11
    while y < height * 0.97:
        if rng.random() < 0.08:
            tall = int(min(height * rng.uniform(0.1, 0.25), height - y - 1))
            if tall > 4:
                image[int(y) : int(y) + tall] = _scene(rng, tall, width)
            y += tall + height * 0.02
        size = height * (0.04 if rng.random() < 0.08 else 0.02)
        _text(image, rng, width * 0.06, y, width * rng.uniform(0.5, 0.88), size, ink)
        y += size * rng.uniform(1.4, 2.1)
    return image


def _listing(rng: np.random.Generator, height: int, width: int) -> U8:
    image, ground, ink = _blank(rng, height, width)
    if rng.random() < 0.6:
        _box(image, 0, 0, width, height * 0.12, _hsv(rng, (0.3, 0.9), (0.3, 0.9)))
    y, pitch = height * 0.13, height * rng.uniform(0.06, 0.1)
    while y < height:
        _disc(image, width * 0.12, y + pitch / 2, pitch * 0.3, _hsv(rng, (0.1, 0.9), (0.3, 1)))
        _text(image, rng, width * 0.25, y + pitch * 0.22, width * 0.5, pitch * 0.26, ink)
        faint = _mix(ground, ink, 0.4)
        _text(image, rng, width * 0.25, y + pitch * 0.58, width * 0.62, pitch * 0.2, faint)
        y += pitch
    return image


def _film(rng: np.random.Generator, height: int, width: int) -> U8:
    if rng.random() < 0.5:  # lying on its side, or a short clip: the whole screen
        image = _scene(rng, height, width)
        for _ in range(4):
            y = height * rng.uniform(0.3, 0.9)
            _disc(image, width * 0.9, y, width * 0.05, (245, 245, 245))
        return image
    image, _, ink = _blank(rng, height, width)
    tall = int(width * 9 / 16)
    top = int(height * 0.05)
    image[top : top + tall] = _scene(rng, tall, width)
    y = top + tall + height * 0.03
    while y < height * 0.95:
        image[int(y) : int(y + height * 0.08), int(width * 0.04) : int(width * 0.36)] = np.array(
            _hsv(rng, (0.2, 0.8), (0.2, 0.9)), np.uint8
        )
        _text(image, rng, width * 0.4, y + height * 0.01, width * 0.5, height * 0.02, ink)
        _text(image, rng, width * 0.4, y + height * 0.04, width * 0.35, height * 0.018, ink)
        y += height * 0.1
    return image


def _map(rng: np.random.Generator, height: int, width: int) -> U8:
    image = np.empty((height, width, 3), np.uint8)
    dark = rng.random() < 0.25
    image[:] = np.array(_grey(rng, 30, 50) if dark else _clip(_grey(rng, 225, 242)), np.uint8)
    for _ in range(3):
        at = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        axes = (int(rng.integers(8, 50)), int(rng.integers(8, 50)))
        green = (170, 215, 160) if rng.random() < 0.5 else (160, 200, 235)
        cv2.ellipse(image, at, axes, 0, 0, 360, _mix(green, (30, 40, 50), 0.7 * dark), -1)
    for k in range(14):
        a = (int(rng.integers(-20, width + 20)), int(rng.integers(-20, height + 20)))
        b = (int(rng.integers(-20, width + 20)), int(rng.integers(-20, height + 20)))
        road = (250, 210, 110) if k % 5 == 0 else (255, 255, 255)
        cv2.line(image, a, b, _mix(road, (90, 95, 105), 0.9 * dark), 2 + k % 3, cv2.LINE_AA)
    middle = np.array([width / 2, height / 2])
    route = np.cumsum(rng.normal(0, 18, (6, 2)), axis=0) + middle
    cv2.polylines(image, [route.astype(np.int32)], False, (50, 110, 245), 5, cv2.LINE_AA)
    if rng.random() < 0.6:
        _box(image, 0, height * 0.82, width, height * 0.18, (250, 250, 250), 8)
    return image


def _lock(rng: np.random.Generator, height: int, width: int) -> U8:
    image = _scene(rng, height, width)
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), 9)  # type: ignore[assignment]
    image = (image * rng.uniform(0.4, 1)).astype(np.uint8)
    clock = f"{rng.integers(1, 24)}:{rng.integers(0, 60):02d}"
    scale = width / 130
    at = (int(width * 0.17), int(height * rng.uniform(0.16, 0.28)))
    thick = int(rng.integers(1, 4))
    cv2.putText(
        image, clock, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), thick, cv2.LINE_AA
    )
    y = height * rng.uniform(0.4, 0.7)
    for _ in range(int(rng.integers(0, 4))):
        _box(image, width * 0.05, y, width * 0.9, height * 0.08, _grey(rng, 190, 240), 6)
        _text(image, rng, width * 0.1, y + height * 0.025, width * 0.6, height * 0.02, (50, 50, 50))
        y += height * 0.09
    return image


def _game(rng: np.random.Generator, height: int, width: int) -> U8:
    image = _scene(rng, height, width)
    pitch = width / int(rng.integers(5, 9))
    palette = [_hsv(rng, (0.6, 1), (0.6, 1)) for _ in range(5)]
    y = height * rng.uniform(0.15, 0.35)
    while y < height * 0.9:
        for column in range(int(width / pitch)):
            colour = palette[int(rng.integers(5))]
            _disc(image, (column + 0.5) * pitch, y, pitch * 0.42, colour)
        y += pitch
    _box(image, 0, 0, width, height * 0.08, _hsv(rng, (0.3, 1), (0.2, 0.6)))
    return image


# ---------------------------------------------------------------- materials


def _pattern(rng: np.random.Generator, height: int, width: int, plain: float = 0.6) -> U8:
    """A surface: plain mostly, else striped, dotted, marbled, a picture or a gradient."""
    pick = rng.random()
    if pick < 0.45:
        base = _grey(rng, 12, 60)
    elif pick < 0.65:
        base = _grey(rng, 150, 248)
    elif pick < 0.9:
        base = _hsv(rng, (0.2, 0.95), (0.15, 0.95))
    else:
        base = _hsv(rng, (0.08, 0.35), (0.6, 0.95))
    image = np.empty((height, width, 3), np.float32)
    image[:] = base
    if rng.random() > plain:
        other = np.array(_hsv(rng, (0.0, 0.9), (0.1, 1)), np.float32)
        style = int(rng.integers(6))
        if style == 0:
            angle, pitch = rng.uniform(0, np.pi), rng.uniform(8, 40)
            y, x = np.mgrid[0:height, 0:width].astype(np.float32)
            on = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / pitch) > rng.uniform(
                -0.5, 0.8
            )
            image[on] = other
        elif style == 1:
            flat = image.astype(np.uint8)
            for _ in range(int(rng.integers(6, 40))):
                _disc(
                    flat, rng.uniform(0, width), rng.uniform(0, height), rng.uniform(3, 16),
                    _hsv(rng, (0.2, 0.9), (0.3, 1)),
                )  # fmt: skip
            image = flat.astype(np.float32)
        elif style == 2:
            vein = np.abs(_cloud(rng, height, width, 6) + _cloud(rng, height, width, 14) * 0.4)
            share = np.clip(1 - vein * rng.uniform(3, 7), 0, 1)[..., None]
            image = image * (1 - share) + other * share
        elif style == 3:
            image = _scene(rng, height, width).astype(np.float32)
        else:
            share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
            image = image * (1 - share) + other * share
    return np.clip(image, 0, 255).astype(np.uint8)


def _leather(rng: np.random.Generator, height: int, width: int) -> U8:
    tones = [(70, 42, 26), (110, 68, 38), (150, 98, 58), (28, 24, 24), (30, 34, 48), (96, 30, 30)]
    base = np.array(tones[int(rng.integers(len(tones)))], np.float32)
    if rng.random() < 0.45:
        base = np.array(_grey(rng, 14, 52), np.float32)
    elif rng.random() < 0.2:
        base = np.array(_hsv(rng, (0.2, 0.8), (0.3, 0.9)), np.float32)
    grain = _cloud(rng, height, width, 60) * rng.uniform(0.02, 0.12)
    worn = _cloud(rng, height, width, 5) * rng.uniform(0.05, 0.25)
    return np.clip(base * (1 + grain + worn)[..., None], 0, 255).astype(np.uint8)


def _sheen(face: U8, rng: np.random.Generator, strength: float) -> U8:
    """Light that a surface mirrors: one soft band at any angle."""
    height, width = face.shape[:2]
    angle = rng.uniform(0, np.pi)
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None] * np.float32(np.sin(angle) * 2)
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None] * np.float32(np.cos(angle))
    distance = (y + x - rng.normal(0, 0.45)) / rng.uniform(0.05, 0.6)
    if rng.random() < 0.5:
        band = np.exp(-(distance**2))
    else:  # the straight edge of a window
        band = (np.abs(distance) < 1).astype(np.float32) * 0.7
        band = cv2.GaussianBlur(band, (0, 0), rng.uniform(1, 6))  # type: ignore[assignment]
    light = band[..., None] * (strength * 255)
    return np.clip(face + light, 0, 255).astype(np.uint8)


def _bevel(face: U8, alpha: U8, rng: np.random.Generator) -> U8:
    """The rim of metal or lacquer: bright where it turns to the light, dark elsewhere."""
    height, width = alpha.shape
    inside = cv2.distanceTransform((alpha > 127).astype(np.uint8), cv2.DIST_L2, 3)
    ring = np.clip(1 - np.abs(inside - 1.8) / rng.uniform(1.2, 2.6), 0, 1)
    angle = rng.uniform(0, 2 * np.pi)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.float32(np.sin(angle))
    x = np.linspace(-1, 1, width, dtype=np.float32)[None] * np.float32(np.cos(angle))
    side = np.clip((y + x) * 1.2 + rng.normal(0, 0.3), -1, 1)
    light = ring * np.where(side > 0, side * rng.uniform(60, 200), side * rng.uniform(10, 60))
    return np.clip(face + light[..., None], 0, 255).astype(np.uint8)


# ---------------------------------------------------------------- faces


def _phone(rng: np.random.Generator) -> Face:
    pick = rng.random()
    if pick < 0.05:
        return _keypad_phone(rng)
    if pick < 0.55:
        return _phone_front(rng)
    return _phone_back(rng)


def _phone_size(rng: np.random.Generator) -> tuple[int, int, float, float]:
    aspect = rng.uniform(1.9, 2.25)
    width = round(FACE_PX / aspect)
    return FACE_PX, width, width * rng.uniform(0.06, 0.22), rng.uniform(130, 168)


def _phone_front(rng: np.random.Generator) -> Face:
    height, width, radius, long_mm = _phone_size(rng)
    old = rng.random() < 0.22  # a home button, thick bars above and below
    cased = rng.random() < 0.5
    frame = _grey(rng, 10, 45) if rng.random() < 0.7 else _grey(rng, 150, 240)
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[:] = np.array(_clip(frame), np.uint8)
    rim = width * (rng.uniform(0.02, 0.05) if cased else rng.uniform(0.004, 0.02))
    if cased:
        rgb[:] = _pattern(rng, 8, 8, 1.0)[0, 0]
    glass = _grey(rng, 6, 22) if not old or rng.random() < 0.65 else _grey(rng, 225, 250)
    _box(rgb, rim, rim, width - 2 * rim, height - 2 * rim, _clip(glass), radius - rim)
    side = width * rng.uniform(0.012, 0.05)
    bar = height * rng.uniform(0.09, 0.15) if old else side
    left, top = round(rim + side), round(rim + bar)
    inner_w, inner_h = round(width - 2 * (rim + side)), round(height - 2 * (rim + bar))
    sideways = rng.random() < 0.2
    if sideways:
        content, bright = _screen(rng, inner_w, inner_h)
        content = np.rot90(content).copy()
    else:
        content, bright = _screen(rng, inner_h, inner_w)
    corner = _rounded(inner_h, inner_w, 0 if old else max(0.0, radius - rim - side))
    share = (corner.astype(np.float32) / 255)[..., None]
    view = rgb[top : top + inner_h, left : left + inner_w]
    view[:] = (view * (1 - share) + content * share).astype(np.uint8)
    lit = np.zeros((height, width), np.uint8)
    if bright > 0:
        lit[top : top + inner_h, left : left + inner_w] = (corner * bright).astype(np.uint8)
    mark = (4.0, 4.0, 6.0)
    if old:
        _disc(
            rgb, width / 2, height - rim - bar / 2, bar * 0.32, _mix(glass, (128, 128, 128), 0.35)
        )
        _box(
            rgb, width * 0.4, rim + bar * 0.45, width * 0.2, 3, _mix(glass, (128, 128, 128), 0.5), 2
        )
    else:
        style = rng.random()
        if style < 0.3:
            wide = width * rng.uniform(0.3, 0.5)
            _box(rgb, width / 2 - wide / 2, top - 2, wide, height * 0.032, mark, 4)
        elif style < 0.55:
            _disc(rgb, width / 2, top + height * 0.02, height * 0.011, mark)
        elif style < 0.7:
            _disc(rgb, left + width * 0.1, top + height * 0.022, height * 0.011, mark)
        elif style < 0.85:
            _box(rgb, width * 0.36, top + height * 0.012, width * 0.28, height * 0.026, mark, 4)
    if rng.random() < 0.05:
        _cracks(rgb, rng)
    if rng.random() < 0.55:
        rgb = _sheen(rgb, rng, rng.uniform(0.05, 0.5))
    thick = rng.uniform(7, 9) + (3 if cased else 0)
    if rng.random() < 0.65:
        rgb = _bevel(rgb, _rounded(height, width, radius), rng)
    edge = _clip(frame) if not cased else tuple(float(c) for c in rgb[height // 2, 0])
    return Face(
        rgb, _rounded(height, width, radius), lit, long_mm, thick, edge, 0.8, looked_at=True
    )  # type: ignore[arg-type]


def _cracks(rgb: U8, rng: np.random.Generator) -> None:
    height, width = rgb.shape[:2]
    at = (rng.uniform(0, width), rng.uniform(0, height))
    for _ in range(int(rng.integers(5, 14))):
        steps = np.cumsum(rng.normal(0, 14, (6, 2)), axis=0)
        line = (steps + at).astype(np.int32)
        cv2.polylines(rgb, [line], False, _grey(rng, 120, 230), 1, cv2.LINE_AA)


def _lens(rgb: U8, rng: np.random.Generator, x: float, y: float, radius: float) -> None:
    ring = _grey(rng, 20, 90) if rng.random() < 0.6 else _grey(rng, 140, 220)
    _disc(rgb, x, y, radius, _clip(ring))
    _disc(rgb, x, y, radius * 0.8, (10, 10, 13))
    _disc(rgb, x, y, radius * 0.42, (28, 30, 44))
    _disc(rgb, x - radius * 0.25, y - radius * 0.25, radius * 0.16, (150, 160, 185))


def _camera(rgb: U8, rng: np.random.Generator, base: Rgb) -> None:
    """Lenses as the makes arrange them: a square, a column, a bar, a disc, two in a pill, one."""
    height, width = rgb.shape[:2]
    island = _mix(
        base, (255, 255, 255) if rng.random() < 0.5 else (0, 0, 0), rng.uniform(0.05, 0.35)
    )
    if rng.random() < 0.2:
        island = _grey(rng, 8, 30)
    r = width * rng.uniform(0.055, 0.1)
    m = width * rng.uniform(0.05, 0.09)
    style = rng.random()
    flash = (250.0, 244.0, 220.0)
    right = rng.random() < 0.12
    rgb_view = rgb[:, ::-1] if right else rgb
    view = np.ascontiguousarray(rgb_view)
    if style < 0.3:
        side = r * rng.uniform(4.6, 5.4)
        _box(view, m, m, side, side, island, side * 0.27)
        spots = [(0.28, 0.28), (0.28, 0.72), (0.72, 0.5)]
        if rng.random() < 0.4:
            spots = [(0.28, 0.28), (0.72, 0.72)]
        for x, y in spots:
            _lens(view, rng, m + side * x, m + side * y, r)
        _disc(view, m + side * 0.74, m + side * 0.2, r * 0.35, flash)
    elif style < 0.55:
        count = int(rng.integers(2, 5))
        if rng.random() < 0.5:
            _box(view, m, m, r * 3, r * (2.5 * count + 0.7), island, r * 1.2)
        for k in range(count):
            _lens(view, rng, m + r * 1.5, m + r * 1.5 + k * r * 2.5, r)
        _disc(view, m + r * 3.7, m + r * 1.5, r * 0.35, flash)
    elif style < 0.66:
        top = height * rng.uniform(0.08, 0.14)
        inset = 0 if rng.random() < 0.5 else width * 0.06
        _box(view, inset, top, width - 2 * inset, r * 2.8, island, r * 1.3 if inset else 0)
        for k in range(int(rng.integers(1, 4))):
            _lens(view, rng, width * 0.2 + k * r * 2.6, top + r * 1.4, r)
        _disc(view, width * 0.75, top + r * 1.4, r * 0.35, flash)
    elif style < 0.78:
        big = width * rng.uniform(0.24, 0.36)
        centre = m + big
        _disc(view, width / 2, centre, big, island)
        for angle in np.arange(4) * np.pi / 2 + np.pi / 4:
            _lens(
                view,
                rng,
                width / 2 + np.cos(angle) * big * 0.5,
                centre + np.sin(angle) * big * 0.5,
                r,
            )
    elif style < 0.9:
        _box(view, m, m, r * 5.4, r * 2.6, island, r * 1.2)
        _lens(view, rng, m + r * 1.4, m + r * 1.3, r)
        _lens(view, rng, m + r * 4.0, m + r * 1.3, r)
    else:
        x = width / 2 if rng.random() < 0.5 else m + r
        _lens(view, rng, x, m + r, r)
        _disc(view, x + r * 2, m + r, r * 0.4, flash)
    rgb[:] = view[:, ::-1] if right else view


def _phone_back(rng: np.random.Generator) -> Face:
    height, width, radius, long_mm = _phone_size(rng)
    rgb = _pattern(rng, height, width, 0.72)
    base = _clip(rgb[height // 2, width // 2].astype(np.float64))
    cased = rng.random() < 0.6
    if cased and rng.random() < 0.2:  # a clear case: a pale rim
        rim = width * 0.035
        pale = _mix(base, (235, 235, 230), 0.6)
        inner = rgb.copy()
        rgb[:] = np.array(pale, np.uint8)
        r0 = round(rim)
        rgb[r0:-r0, r0:-r0] = inner[r0:-r0, r0:-r0]
    if rng.random() < 0.95:
        _camera(rgb, rng, base)
    ink = _mix(base, (255, 255, 255) if sum(base) < 380 else (0, 0, 0), rng.uniform(0.1, 0.7))
    if rng.random() < 0.5:
        style = rng.random()
        y = height * rng.uniform(0.35, 0.55)
        if style < 0.5:
            _disc(rgb, width / 2, y, width * 0.08, ink)
            _disc(rgb, width / 2 + width * 0.05, y, width * 0.03, base)
            _disc(rgb, width / 2 + width * 0.02, y - width * 0.09, width * 0.025, ink)
        else:
            wide = width * rng.uniform(0.2, 0.5)
            _text(rgb, rng, width / 2 - wide / 2, y + height * 0.25, wide, height * 0.02, ink)
    if rng.random() < 0.07:
        y = height * rng.uniform(0.45, 0.65)
        grip = _hsv(rng, (0, 0.9), (0.1, 1))
        _disc(rgb, width / 2, y, width * 0.29, _mix(grip, (0, 0, 0), 0.4))
        _disc(rgb, width / 2, y, width * 0.27, grip)
        _disc(rgb, width / 2, y, width * 0.2, _mix(grip, (255, 255, 255), 0.2))
    elif rng.random() < 0.05:
        tone = _mix(base, (0, 0, 0), 0.5)
        _box(rgb, width * 0.12, height * 0.52, width * 0.76, height * 0.4, tone, 5)
        _box(
            rgb,
            width * 0.16,
            height * 0.5,
            width * 0.68,
            height * 0.1,
            _hsv(rng, (0, 0.8), (0.4, 1)),
            3,
        )
    gloss = rng.uniform(0.1, 0.9)
    if rng.random() < 0.5 * gloss + 0.1:
        rgb = _sheen(rgb, rng, rng.uniform(0.05, 0.45) * gloss)
    if rng.random() < 0.55:
        rgb = _bevel(rgb, _rounded(height, width, radius), rng)
    edge = _mix(base, _grey(rng, 20, 210), 0.0 if cased else 0.7)
    lit = np.zeros((height, width), np.uint8)
    thick = rng.uniform(7, 9) + (3.5 if cased else 0)
    return Face(rgb, _rounded(height, width, radius), lit, long_mm, thick, edge, gloss)


def _keypad_phone(rng: np.random.Generator) -> Face:
    opened = rng.random() < 0.3  # a flip phone, opened
    aspect = rng.uniform(3.2, 3.9) if opened else rng.uniform(2.0, 2.5)
    height, width = FACE_PX, round(FACE_PX / aspect)
    base = _grey(rng, 15, 60) if rng.random() < 0.5 else _grey(rng, 120, 215)
    if rng.random() < 0.25:
        base = _hsv(rng, (0.4, 0.9), (0.3, 0.9))
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[:] = np.array(_clip(base), np.uint8)
    tall = round(height * rng.uniform(0.28, 0.4))
    x0, y0, wide = round(width * 0.1), round(height * 0.08), round(width * 0.8)
    content, bright = _screen(rng, tall, wide)
    rgb[y0 : y0 + tall, x0 : x0 + wide] = content
    lit = np.zeros((height, width), np.uint8)
    lit[y0 : y0 + tall, x0 : x0 + wide] = round(255 * bright)
    if opened:
        _box(rgb, 0, height * 0.5 - 2, width, 5, _mix(base, (0, 0, 0), 0.6))
    top = height * (0.56 if opened else 0.6)
    pitch = (height * 0.95 - top) / 4
    key = _mix(base, (255, 255, 255) if sum(base) < 380 else (30, 30, 30), rng.uniform(0.2, 0.6))
    _disc(rgb, width / 2, top - pitch * 0.5, width * 0.12, key)
    for row in range(4):
        for column in range(3):
            x = width * (0.12 + 0.265 * column)
            _box(rgb, x, top + pitch * (row + 0.1), width * 0.22, pitch * 0.7, key, pitch * 0.25)
    rgb = _sheen(rgb, rng, rng.uniform(0, 0.3))
    alpha = _rounded(height, width, width * rng.uniform(0.1, 0.4))
    return Face(
        rgb,
        alpha,
        lit,
        rng.uniform(100, 190),
        rng.uniform(11, 17),
        _clip(base),
        0.5,
        looked_at=True,
    )


def _calculator(rng: np.random.Generator) -> Face:
    height, width = FACE_PX, round(FACE_PX / rng.uniform(1.35, 2.1))
    base = _grey(rng, 15, 70) if rng.random() < 0.55 else _grey(rng, 140, 240)
    if rng.random() < 0.15:
        base = _hsv(rng, (0.3, 0.8), (0.4, 0.95))
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[:] = np.array(_clip(base), np.uint8)
    lower = _mix(base, _grey(rng, 0, 255), 0.3 * rng.random())
    top = height * rng.uniform(0.24, 0.42)
    _box(rgb, 0, top, width, height - top, lower)
    lcd = _clip((rng.uniform(125, 190), rng.uniform(140, 195), rng.uniform(115, 165)))
    lcd_y, lcd_h = height * 0.07, top - height * rng.uniform(0.1, 0.14)
    _box(rgb, width * 0.06, lcd_y - 4, width * 0.88, lcd_h + 8, _mix(base, (0, 0, 0), 0.6), 5)
    _box(rgb, width * 0.1, lcd_y, width * 0.8, lcd_h, lcd, 3)
    digits = str(rng.integers(0, 10 ** int(rng.integers(1, 9))))
    at = (int(width * 0.88 - len(digits) * width * 0.085), int(lcd_y + lcd_h * 0.75))
    ink = _mix(lcd, (20, 25, 20), 0.85)
    cv2.putText(rgb, digits, at, cv2.FONT_HERSHEY_PLAIN, width / 110, ink, 1, cv2.LINE_AA)
    if rng.random() < 0.5:
        _box(rgb, width * 0.6, height * 0.015, width * 0.32, height * 0.035, (48, 34, 34))
    columns, rows = int(rng.integers(4, 7)), int(rng.integers(5, 9))
    pitch_x, pitch_y = width * 0.9 / columns, (height * 0.96 - top) / rows
    key = _mix(
        lower, (255, 255, 255) if sum(lower) < 380 else (20, 20, 20), rng.uniform(0.15, 0.75)
    )
    special = _hsv(rng, (0.5, 0.95), (0.4, 0.95)) if rng.random() < 0.7 else key
    top_key = _mix(key, lower, rng.uniform(0, 0.6))
    round_px = min(pitch_x, pitch_y) * rng.uniform(0.08, 0.4)
    for row in range(rows):
        for column in range(columns):
            tone = special if column == columns - 1 or rng.random() < 0.04 else key
            if row < rows - 4:
                tone = top_key
            x, y = width * 0.05 + column * pitch_x, top + height * 0.01 + row * pitch_y
            wide, tall = pitch_x * 0.78, pitch_y * 0.72
            _box(
                rgb,
                x + pitch_x * 0.11,
                y + pitch_y * 0.2,
                wide,
                tall,
                _mix(tone, (0, 0, 0), 0.5),
                round_px,
            )
            _box(rgb, x + pitch_x * 0.11, y + pitch_y * 0.12, wide, tall, tone, round_px)
            sign = _mix(tone, (255, 255, 255) if sum(tone) < 380 else (0, 0, 0), 0.8)
            _box(
                rgb, x + pitch_x * 0.42, y + pitch_y * 0.34, pitch_x * 0.16, pitch_y * 0.28, sign
            )  # fmt: skip
    rgb = _sheen(rgb, rng, rng.uniform(0, 0.25))
    alpha = _rounded(height, width, width * rng.uniform(0.03, 0.14))
    if rng.random() < 0.4:
        rgb = _bevel(rgb, alpha, rng)
    none = np.zeros((height, width), np.uint8)
    return Face(
        rgb,
        alpha,
        none,
        rng.uniform(110, 190),
        rng.uniform(10, 22),
        _clip(base),
        0.3,
        looked_at=True,
    )


def _remote(rng: np.random.Generator) -> Face:
    height, width = FACE_PX, round(FACE_PX / rng.uniform(2.9, 5.2))
    base = _grey(rng, 14, 50) if rng.random() < 0.7 else _grey(rng, 130, 240)
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[:] = np.array(_clip(base), np.uint8)
    key = _mix(base, (255, 255, 255) if sum(base) < 380 else (20, 20, 20), rng.uniform(0.15, 0.8))
    sparse = rng.random() < 0.3
    _disc(rgb, width * rng.choice([0.25, 0.5]), height * 0.05, width * 0.09, (205, 40, 35))
    ring = height * rng.uniform(0.18, 0.5)
    _disc(rgb, width / 2, ring, width * 0.36, _mix(base, key, 0.5))
    _disc(rgb, width / 2, ring, width * 0.15, key)
    columns = int(rng.integers(2, 4)) if sparse else int(rng.integers(3, 5))
    pitch_x, pitch_y = width * 0.88 / columns, height * rng.uniform(0.038, 0.06)
    end = height * (rng.uniform(0.6, 0.75) if sparse else 0.92)
    y = height * 0.1
    oval = rng.random() < 0.6
    while y < end:
        if abs(y + pitch_y / 2 - ring) > width * 0.36 + pitch_y * 0.6:
            for column in range(columns):
                if rng.random() < 0.08:
                    continue
                tone = _hsv(rng, (0.6, 0.9), (0.5, 0.9)) if rng.random() < 0.06 else key
                x = width * 0.06 + column * pitch_x
                round_px = pitch_y * 0.35 if oval else 1
                _box(
                    rgb,
                    x + pitch_x * 0.14,
                    y + pitch_y * 0.18,
                    pitch_x * 0.72,
                    pitch_y * 0.64,
                    tone,
                    round_px,
                )
        y += pitch_y
    _text(rgb, rng, width * 0.3, height * 0.95, width * 0.4, height * 0.018, key)
    rgb = _sheen(rgb, rng, rng.uniform(0, 0.35))
    alpha = _rounded(height, width, width * rng.uniform(0.1, 0.5))
    if rng.random() < 0.3:  # narrower towards one end
        narrow = rng.uniform(0.72, 0.92)
        source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
        inset = width * (1 - narrow) / 2
        target = np.array(
            [(0, 0), (width, 0), (width - inset, height), (inset, height)], np.float32
        )
        warp = cv2.getPerspectiveTransform(source, target)
        rgb = cv2.warpPerspective(rgb, warp, (width, height), borderMode=cv2.BORDER_REPLICATE)  # type: ignore[assignment]
        alpha = cv2.warpPerspective(alpha, warp, (width, height))  # type: ignore[assignment]
    if rng.random() < 0.4:
        rgb = _bevel(rgb, alpha, rng)
    none = np.zeros((height, width), np.uint8)
    return Face(
        rgb,
        alpha,
        none,
        rng.uniform(120, 230),
        rng.uniform(12, 24),
        _clip(base),
        0.4,
        looked_at=True,
    )


def _dashes(rgb: U8, inset: float, colour: Rgb, pitch: float) -> None:
    height, width = rgb.shape[:2]
    for x in np.arange(inset, width - inset, pitch):
        _box(rgb, x, inset, pitch * 0.6, 2, colour)
        _box(rgb, x, height - inset, pitch * 0.6, 2, colour)
    for y in np.arange(inset, height - inset, pitch):
        _box(rgb, inset, y, 2, pitch * 0.6, colour)
        _box(rgb, width - inset, y, 2, pitch * 0.6, colour)


def _wallet(rng: np.random.Generator) -> Face:
    aspect = rng.uniform(1.12, 1.5) if rng.random() < 0.72 else rng.uniform(1.7, 2.15)
    height, width = FACE_PX, round(FACE_PX / aspect)
    rgb = _leather(rng, height, width)
    base = _clip(rgb.reshape(-1, 3).mean(axis=0))
    dark = _mix(base, (0, 0, 0), 0.5)
    if rng.random() < 0.75:
        thread = _mix(base, (230, 215, 180), rng.uniform(0.15, 0.7))
        _dashes(rgb, width * 0.035, thread, height * rng.uniform(0.02, 0.035))
    fold = rng.random()
    if fold < 0.35:  # the crease down the long side
        shade = np.exp(-(np.linspace(0, 1, width, dtype=np.float32) / rng.uniform(0.03, 0.1)))
        rgb = np.clip(rgb * (1 - 0.5 * shade)[None, :, None], 0, 255).astype(np.uint8)
    elif fold < 0.55:
        _box(rgb, 0, height * rng.uniform(0.3, 0.7), width, 3, dark)
    elif fold < 0.75:
        for k in range(int(rng.integers(1, 4))):
            y = height * (0.12 + 0.13 * k)
            _box(
                rgb,
                width * 0.06,
                y,
                width * 0.88,
                height * 0.1,
                _hsv(rng, (0, 0.7), (0.3, 0.95)),
                4,
            )
            _box(rgb, width * 0.02, y + height * 0.06, width * 0.96, height * 0.2, base, 2)
            _box(rgb, width * 0.02, y + height * 0.06, width * 0.96, 2, dark)
    if rng.random() < 0.3:
        x = width * rng.uniform(0.3, 0.7)
        _text(rgb, rng, x, height * rng.uniform(0.7, 0.9), width * 0.25, height * 0.025, dark)
    if rng.random() < 0.18:
        _disc(rgb, width * 0.88, height / 2, width * 0.045, _grey(rng, 120, 220))
    if rng.random() < 0.12:  # bank notes or cards looking out
        _box(rgb, 0, 0, width, height * 0.035, _hsv(rng, (0.1, 0.5), (0.5, 0.9)))
    rgb = _sheen(rgb, rng, rng.uniform(0, 0.22))
    alpha = _rounded(height, width, width * rng.uniform(0.02, 0.1))
    none = np.zeros((height, width), np.uint8)
    long_mm = rng.uniform(95, 125) if aspect < 1.6 else rng.uniform(150, 200)
    return Face(rgb, alpha, none, long_mm, rng.uniform(8, 26), dark, 0.2)


def _earbud_case(rng: np.random.Generator) -> Face:
    height, width = FACE_PX, round(FACE_PX / rng.uniform(1.0, 1.55))
    pick = rng.random()
    base = _grey(rng, 215, 252) if pick < 0.6 else _grey(rng, 14, 50)
    if pick > 0.85:
        base = _hsv(rng, (0.15, 0.7), (0.3, 0.95))
    alpha = _rounded(height, width, width * rng.uniform(0.26, 0.5))
    rgb = np.empty((height, width, 3), np.float32)
    rgb[:] = base
    # Domed: darker towards the rim on one side.
    inside = cv2.distanceTransform((alpha > 127).astype(np.uint8), cv2.DIST_L2, 3)
    dome = np.sqrt(np.clip(1 - (1 - np.clip(inside / (width * 0.22), 0, 1)) ** 2, 0, 1))
    rgb *= (0.62 + 0.38 * dome)[..., None]
    rgb = np.clip(rgb, 0, 255).astype(np.uint8)
    seam = _mix(base, (0, 0, 0), rng.uniform(0.15, 0.5))
    along = rng.random() < 0.5  # the lid opens along the long side or across it
    at = rng.uniform(0.28, 0.42)
    if along:
        _box(rgb, width * at, 0, 2.4, height, seam)
        _disc(
            rgb, width * (at + 0.2), height / 2, 3, (90, 200, 110) if rng.random() < 0.6 else seam
        )
    else:
        _box(rgb, 0, height * at, width, 2.4, seam)
        _disc(
            rgb, width / 2, height * (at + 0.14), 3, (90, 200, 110) if rng.random() < 0.6 else seam
        )
    if rng.random() < 0.4:
        faint = _mix(base, seam, 0.5)
        _text(rgb, rng, width * 0.36, height * 0.7, width * 0.3, height * 0.03, faint)
    rgb = _sheen(rgb, rng, rng.uniform(0.05, 0.5))
    none = np.zeros((height, width), np.uint8)
    return Face(
        rgb,
        alpha,
        none,
        rng.uniform(48, 72),
        rng.uniform(18, 27),
        _mix(base, (0, 0, 0), 0.2),
        0.7,
        dome=1.0,
    )


def _power_bank(rng: np.random.Generator) -> Face:
    height, width = FACE_PX, round(FACE_PX / rng.uniform(1.6, 2.3))
    rgb = _pattern(rng, height, width, 0.93)
    base = _clip(rgb.reshape(-1, 3).mean(axis=0))
    ink = _mix(base, (255, 255, 255) if sum(base) < 380 else (0, 0, 0), rng.uniform(0.2, 0.8))
    lit = np.zeros((height, width), np.uint8)
    if rng.random() < 0.75:
        x, y = width * rng.uniform(0.3, 0.5), height * rng.choice([0.06, 0.93])
        on = int(rng.integers(0, 5))
        for k in range(4):
            spot = (width * 0.05 * k + x, y)
            _disc(rgb, *spot, 2.6, (235, 245, 255) if k < on else ink)
    if rng.random() < 0.25:
        _box(rgb, width * 0.3, height * 0.08, width * 0.4, height * 0.12, (10, 10, 12), 5)
        at = (int(width * 0.34), int(height * 0.17))
        cv2.putText(
            rgb,
            str(rng.integers(10, 100)),
            at,
            cv2.FONT_HERSHEY_SIMPLEX,
            width / 160,
            (90, 220, 240),
            2,
            cv2.LINE_AA,
        )
    if rng.random() < 0.7:
        wide = width * rng.uniform(0.25, 0.6)
        y = height * rng.uniform(0.3, 0.8)
        _text(rgb, rng, width / 2 - wide / 2, y, wide, height * rng.uniform(0.025, 0.06), ink)
    if rng.random() < 0.45:
        y = height * rng.uniform(0.8, 0.88)
        _text(rgb, rng, width * 0.15, y, width * 0.7, height * 0.014, _mix(base, ink, 0.6))
        _text(rgb, rng, width * 0.15, y + 8, width * 0.6, height * 0.014, _mix(base, ink, 0.6))
    if rng.random() < 0.5:
        shade = _mix(base, (0, 0, 0), 0.5)
        for x in (0.25, 0.6):
            _box(rgb, width * x, 0, width * 0.16, 4, shade)
    rgb = _sheen(rgb, rng, rng.uniform(0, 0.35))
    alpha = _rounded(height, width, width * rng.uniform(0.05, 0.35))
    if rng.random() < 0.4:
        rgb = _bevel(rgb, alpha, rng)
    return Face(
        rgb, alpha, lit, rng.uniform(95, 160), rng.uniform(13, 26), _mix(base, (0, 0, 0), 0.15), 0.5
    )


def _notebook(rng: np.random.Generator) -> Face:
    height, width = FACE_PX, round(FACE_PX / rng.uniform(1.25, 1.7))
    rgb = _pattern(rng, height, width, 0.6)
    if rng.random() < 0.3:
        rgb[:] = np.array(_clip(_grey(rng, 215, 248)), np.uint8)
        ink = _mix((255, 255, 255), (60, 70, 120), rng.uniform(0.3, 0.8))
        for y in np.arange(height * 0.08, height * 0.95, height * rng.uniform(0.03, 0.05)):
            if rng.random() < 0.85:
                _text(
                    rgb, rng, width * 0.08, y, width * rng.uniform(0.3, 0.85), height * 0.022, ink
                )
    base = _clip(rgb.reshape(-1, 3).mean(axis=0))
    style = rng.random()
    if style < 0.3:
        for y in np.arange(6, height - 4, height * 0.035):
            _box(rgb, 0, y, width * 0.07, 2.5, _grey(rng, 60, 200))
            _disc(rgb, width * 0.075, y + 1, 2.5, _mix(base, (0, 0, 0), 0.7))
    elif style < 0.5:
        _box(rgb, width * 0.86, 0, 5, height, _mix(base, (0, 0, 0), 0.6))
    if rng.random() < 0.5:
        _box(rgb, width * 0.2, height * 0.15, width * 0.6, height * 0.2, _grey(rng, 200, 250), 3)
        _text(rgb, rng, width * 0.26, height * 0.2, width * 0.45, height * 0.03, (50, 50, 60))
        _text(rgb, rng, width * 0.26, height * 0.27, width * 0.35, height * 0.03, (50, 50, 60))
    alpha = _rounded(height, width, rng.uniform(1, 10))
    none = np.zeros((height, width), np.uint8)
    return Face(
        rgb, alpha, none, rng.uniform(130, 230), rng.uniform(5, 22), _grey(rng, 190, 235), 0.2
    )


def _mouse(rng: np.random.Generator) -> Face:
    height, width = FACE_PX, round(FACE_PX / rng.uniform(1.55, 1.95))
    base = _grey(rng, 14, 55) if rng.random() < 0.6 else _grey(rng, 150, 245)
    if rng.random() < 0.12:
        base = _hsv(rng, (0.3, 0.9), (0.3, 0.9))
    alpha = _rounded(height, width, width * rng.uniform(0.4, 0.5))
    inside = cv2.distanceTransform((alpha > 127).astype(np.uint8), cv2.DIST_L2, 3)
    dome = np.sqrt(np.clip(1 - (1 - np.clip(inside / (width * 0.42), 0, 1)) ** 2, 0, 1))
    slope = np.linspace(1.12, 0.85, height, dtype=np.float32)[:, None]
    rgb = np.clip(np.float32(base) * ((0.5 + 0.5 * dome) * slope)[..., None] + 6, 0, 255).astype(
        np.uint8
    )
    line = _mix(base, (0, 0, 0), 0.6)
    half = height * rng.uniform(0.38, 0.5)
    _box(rgb, width / 2 - 1, 0, 2.5, half, line)
    _box(rgb, 0, half, width, 2.5, line) if rng.random() < 0.5 else None
    _box(
        rgb,
        width * 0.45,
        height * 0.13,
        width * 0.1,
        height * 0.14,
        _grey(rng, 20, 160),
        width * 0.05,
    )
    if rng.random() < 0.5:
        _text(
            rgb,
            rng,
            width * 0.4,
            height * 0.75,
            width * 0.2,
            height * 0.03,
            _mix(base, (128, 128, 128), 0.6),
        )
    rgb = _sheen(rgb, rng, rng.uniform(0, 0.4))
    if rng.random() < 0.4:
        rgb = _bevel(rgb, alpha, rng)
    none = np.zeros((height, width), np.uint8)
    return Face(
        rgb,
        alpha,
        none,
        rng.uniform(95, 128),
        rng.uniform(22, 36),
        _mix(base, (0, 0, 0), 0.4),
        0.4,
        dome=-0.35,
    )


def _pen(rng: np.random.Generator) -> Face:
    height, width = FACE_PX, round(FACE_PX / rng.uniform(12, 18))
    base = _hsv(rng, (0.2, 1), (0.2, 0.9)) if rng.random() < 0.5 else _grey(rng, 10, 240)
    rgb = np.empty((height, width, 3), np.float32)
    rgb[:] = _clip(base)
    rgb[: int(height * rng.uniform(0.2, 0.5))] = _mix(base, _grey(rng, 10, 240), rng.random())
    across = np.linspace(-1, 1, width, dtype=np.float32)
    rgb *= (0.45 + 0.6 * np.sqrt(np.clip(1 - across**2, 0, 1)))[None, :, None]
    rgb = np.clip(rgb, 0, 255).astype(np.uint8)
    alpha = _rounded(height, width, width / 2)
    tip = int(height * 0.07)
    for k in range(tip):
        inset = round(width / 2 * (1 - (k + 1) / tip))
        alpha[height - 1 - k, :inset] = 0
        alpha[height - 1 - k, width - inset :] = 0
    none = np.zeros((height, width), np.uint8)
    return Face(rgb, alpha, none, rng.uniform(125, 160), 1.0, _clip(base), 0.4)


def _cup(rng: np.random.Generator) -> Face:
    height, width = FACE_PX, round(FACE_PX / rng.uniform(1.05, 1.7))
    body_w = round(width * rng.uniform(0.7, 1.0))
    rgb = np.zeros((height, width, 3), np.uint8)
    alpha = np.zeros((height, width), np.uint8)
    base = _hsv(rng, (0.2, 0.9), (0.2, 0.95)) if rng.random() < 0.5 else _grey(rng, 20, 250)
    rgb[:] = np.array(_clip(base), np.uint8)
    lip = round(height * rng.uniform(0.06, 0.16))
    taper = rng.uniform(0, 0.14) * body_w
    foot = height - 1 - lip // 2
    shape = np.array([(0, lip), (body_w, lip), (body_w - taper, foot), (taper, foot)], np.int32)
    cv2.fillPoly(alpha, [shape], 255, cv2.LINE_AA)
    cv2.ellipse(
        alpha,
        (body_w // 2, foot),
        (round(body_w / 2 - taper), lip // 2),
        0,
        0,
        360,
        255,
        -1,
        cv2.LINE_AA,
    )
    cv2.ellipse(alpha, (body_w // 2, lip), (body_w // 2, lip), 0, 0, 360, 255, -1, cv2.LINE_AA)
    if body_w < width * 0.9:
        at = (body_w, height // 2)
        axes = (width - body_w - 4, round(height * 0.24))
        cv2.ellipse(alpha, at, axes, 0, -90, 90, 255, max(5, height // 16), cv2.LINE_AA)
    elif rng.random() < 0.5:
        y = height * rng.uniform(0.3, 0.4)
        _box(rgb, 0, y, width, height * rng.uniform(0.2, 0.4), _hsv(rng, (0.1, 0.8), (0.2, 0.9)))
    if rng.random() < 0.4:
        _disc(rgb, body_w / 2, height * 0.55, body_w * 0.16, _hsv(rng, (0.1, 0.9), (0.2, 1)))
    across = np.linspace(-1, 1, body_w, dtype=np.float32)
    light = 0.55 + 0.5 * np.sqrt(np.clip(1 - (across - rng.uniform(-0.4, 0.4)) ** 2, 0, 1))
    rgb[:, :body_w] = np.clip(rgb[:, :body_w] * light[None, :, None], 0, 255).astype(np.uint8)
    drink = (
        _mix((60, 35, 20), _clip(base), 0.2) if rng.random() < 0.7 else _mix(base, (0, 0, 0), 0.4)
    )
    cv2.ellipse(
        rgb,
        (body_w // 2, lip),
        (body_w // 2, lip),
        0,
        0,
        360,
        _mix(base, (255, 255, 255), 0.3),
        -1,
        cv2.LINE_AA,
    )
    cv2.ellipse(
        rgb,
        (body_w // 2, lip),
        (body_w // 2 - 5, max(2, lip - 4)),
        0,
        0,
        360,
        drink,
        -1,
        cv2.LINE_AA,
    )
    none = np.zeros((height, width), np.uint8)
    return Face(rgb, alpha, none, rng.uniform(85, 150), 0.0, _clip(base), 0.3, tiltable=False)


_FACES: dict[str, tuple[Callable[[np.random.Generator], Face], int]] = {
    "phone": (_phone, 900),
    "calculator": (_calculator, 160),
    "remote": (_remote, 160),
    "wallet": (_wallet, 260),
    "earbud case": (_earbud_case, 160),
    "power bank": (_power_bank, 220),
    "notebook": (_notebook, 160),
    "mouse": (_mouse, 100),
    "pen": (_pen, 80),
    "cup": (_cup, 120),
}
THINGS = tuple(_FACES)
KINDS = (*THINGS, "hand", *(f"hand holding {thing}" for thing in THINGS))
# A fixed number for each kind: the seed of a face must not depend on Python's salted hash().
_SALT = {thing: index + 1 for index, thing in enumerate(THINGS)}


@functools.lru_cache(maxsize=3000)
def draw_face(thing: str, number: int) -> Face:
    """Face `number` of a thing; the same every time. Some 0.2 MB each, kept."""
    return _FACES[thing][0](np.random.default_rng((_SALT[thing], number)))


# ---------------------------------------------------------------- hands


class _Canvas:
    """Premultiplied float planes (6, size, size), 0..255 and 0..1: red, green, blue, cover, what
    shows of the thing, what gives light. Drawn onto from back to front."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.planes = np.zeros((6, size, size), np.float32)

    @property
    def alpha(self) -> F32:
        return self.planes[3]

    @property
    def thing(self) -> F32:
        return self.planes[4]

    @property
    def lit(self) -> F32:
        return self.planes[5]

    def over(self, y: slice, x: slice, rgb: F32, alpha: F32) -> None:
        """Put straight `rgb` (3, h, w) with `alpha` (h, w) in front; it hides the thing."""
        view = self.planes[:, y, x]
        view *= 1 - alpha
        view[:3] += rgb * alpha
        view[3] += alpha

    def shade(self, y: slice, x: slice, share: F32) -> None:
        self.planes[:3, y, x] *= 1 - share


@dataclass(frozen=True, slots=True)
class _Limb:
    """A chain of capsules: points (N, 2) in px, radii (N,) in px."""

    points: F32
    radii: F32
    nail: bool = False
    fade: bool = False
    colour: Rgb | None = None


def _draw_limb(canvas: _Canvas, limb: _Limb, skin: F32, light: F32, contact: float) -> None:
    reach = float(limb.radii.max()) * 1.5 + 2
    low = np.floor(limb.points.min(axis=0) - reach).astype(int)
    high = np.ceil(limb.points.max(axis=0) + reach).astype(int)
    x0, y0 = max(0, int(low[0])), max(0, int(low[1]))
    x1, y1 = min(canvas.size, int(high[0])), min(canvas.size, int(high[1]))
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    ys, xs = slice(y0, y1), slice(x0, x1)
    gx = np.arange(x0, x1, dtype=np.float32)[None, :]
    gy = np.arange(y0, y1, dtype=np.float32)[:, None]
    count = len(limb.points) - 1
    points = [(float(x), float(y)) for x, y in limb.points]
    radii = [float(r) for r in limb.radii]
    distance = along = np.zeros((0, 0), np.float32)
    for k in range(count):
        (ax, ay), (bx, by) = points[k], points[k + 1]
        dx, dy = bx - ax, by - ay
        square = dx * dx + dy * dy + 1e-6
        px, py = gx - ax, gy - ay
        t = px * (dx / square) + py * (dy / square)
        np.clip(t, 0, 1, out=t)
        d = cv2.magnitude(px - t * dx, py - t * dy)
        d -= radii[k] + t * (radii[k + 1] - radii[k])
        t = (t + k) * (1 / count)
        if k == 0:
            distance, along = d, t
        else:
            nearer = d < distance
            np.copyto(distance, d, where=nearer)
            np.copyto(along, t, where=nearer)
    radius = sum(radii) / len(radii)
    # What lies behind is darker along the limb: light does not reach there.
    if contact > 0:
        near = np.clip(1 - distance * (2 / radius), 0, 1)
        near *= near
        near *= contact
        canvas.shade(ys, xs, near)
    rim = np.clip(1 + distance * (1 / radius), 0, 1)
    nz = np.sqrt(1 - rim * rim)
    nz *= light[2]
    gradient = cv2.Sobel(distance, cv2.CV_32F, 1, 0, ksize=3, scale=0.125 * float(light[0]))
    gradient += cv2.Sobel(distance, cv2.CV_32F, 0, 1, ksize=3, scale=0.125 * float(light[1]))
    gradient *= rim
    nz += gradient
    np.clip(nz, 0, 1, out=nz)
    shade = 0.42 + 0.66 * nz
    base = skin if limb.colour is None else np.array(limb.colour, np.float32)
    if limb.nail:
        for at in (0.36, 0.68):  # creases or knuckles at the joints
            shade *= 1 - 0.13 * np.maximum(0, 1 - ((along - at) * (1 / 0.06)) ** 2)
    rgb = base[:, None, None] * shade
    if limb.colour is None:
        rgb[1:] *= 0.9 + 0.1 * shade  # blood shines through at the rim
        if limb.nail:
            tip = np.maximum(along * 0.15 - 0.1, 0)
            rgb[0] *= 1 + tip
            rgb[2] *= 1 - tip
            _nail(rgb, limb, x0, y0, base)
    alpha = np.clip(0.5 - distance, 0, 1)
    if limb.fade:
        alpha *= np.clip((1 - along) * (1 / 0.35), 0, 1)
    canvas.over(ys, xs, rgb, alpha)


def _nail(rgb: F32, limb: _Limb, x0: int, y0: int, skin: F32) -> None:
    tip, before, radius = limb.points[-1], limb.points[-2], float(limb.radii[-1])
    if radius < 2:
        return
    angle = float(np.arctan2(tip[1] - before[1], tip[0] - before[0]))
    at = tip + np.array([np.cos(angle), np.sin(angle)], np.float32) * radius * 0.25
    centre = (round((float(at[0]) - x0) * 16), round((float(at[1]) - y0) * 16))
    axes = (round(radius * 0.6 * 16), round(radius * 0.5 * 16))
    colour = np.clip(skin * 0.55 + np.array([125, 100, 98]), 0, 255)
    for plane, tone in zip(rgb, colour.tolist(), strict=True):
        cv2.ellipse(plane, centre, axes, np.degrees(angle), 0, 360, tone, -1, cv2.LINE_AA, 4)


def _skin(rng: np.random.Generator) -> F32:
    at = rng.beta(0.9, 1.1) * (len(SKIN) - 1)
    low = int(min(at, len(SKIN) - 2))
    tone = SKIN[low] + (SKIN[low + 1] - SKIN[low]) * (at - low)
    if rng.random() < 0.02:  # a glove
        tone = np.array(_grey(rng, 20, 120), np.float32)
    return np.clip(tone * rng.uniform(0.9, 1.08) + rng.normal(0, 5, 3), 8, 255).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Grip:
    """Limbs behind and in front of the thing, in millimetres of the thing's own plane."""

    behind: list[_Limb]
    front: list[_Limb]


def _limb(points: list[tuple[float, float]], radii: list[float], **what: object) -> _Limb:
    return _Limb(np.array(points, np.float32), np.array(radii, np.float32), **what)  # type: ignore[arg-type]


def _arm(rng: np.random.Generator, x: float, y: float, angle: float) -> list[_Limb]:
    """Wrist and forearm leading away from (x, y), with or without a sleeve."""
    dx, dy = np.cos(angle), np.sin(angle)
    r = rng.uniform(25, 31)
    length = rng.uniform(80, 160)
    end = (x + dx * length, y + dy * length)
    arm = [_limb([(x, y), end], [r, r * 1.25], fade=True)]
    if rng.random() < 0.55:
        start = rng.uniform(0.25, 0.6)
        cloth = _hsv(rng, (0.1, 0.8), (0.1, 0.9)) if rng.random() < 0.5 else _grey(rng, 10, 240)
        mid = (x + dx * length * start, y + dy * length * start)
        arm.append(_limb([mid, end], [r * 1.25, r * 1.6], fade=True, colour=_clip(cloth)))
    return arm


def _grip(rng: np.random.Generator, half_w: float, half_l: float, style: str) -> _Grip:
    """A hand around a slab of half_w x half_l mm. +x right, +y down, the hand comes from the right
    or from below; the caller mirrors and turns it."""
    k = rng.uniform(0.88, 1.12)  # size of the hand
    r = 8.6 * k
    jitter = lambda s: rng.normal(0, s)  # noqa: E731
    behind: list[_Limb] = []
    front: list[_Limb] = []
    if style == "wrap":  # seen from the side of the fingers: they lie across the thing
        count = int(rng.choice([2, 3, 4], p=[0.15, 0.35, 0.5]))
        start = rng.uniform(-0.35, 0.45) * half_l
        slope = rng.uniform(-0.5, 0.35)
        reach = rng.uniform(0.15, 1.05) * 2 * half_w
        palm_y = start + (count - 1) * r * 1.0
        behind.append(
            _limb(
                [(half_w - 6, start - 6), (half_w + 6 * k, palm_y), (half_w - 4, palm_y + 46 * k)],
                [24 * k, 30 * k, 27 * k],
            )
        )
        behind += _arm(rng, half_w, palm_y + 48 * k, rng.uniform(0.6, 2.1))
        front.append(
            _limb([(half_w + 12 * k, start), (half_w + 14 * k, palm_y + 22 * k)], [15 * k, 22 * k])
        )
        for i in range(count):
            y = start + i * r * 2.02 + jitter(1.5)
            long = reach * (1.0, 1.08, 1.0, 0.8)[i] + jitter(4)
            knuckle = (half_w + 13 * k + jitter(2), y)
            middle = (half_w - long * 0.35, y + slope * long * 0.2 - 3)
            end = (half_w - long, y + slope * long * 0.7)
            front.append(_limb([knuckle, middle, end], [r * 1.08, r, r * 0.86], nail=True))
        if rng.random() < 0.6:  # the thumb looks out at the other side or at the top
            y = rng.uniform(-0.5, 0.2) * half_l
            behind.append(
                _limb([(0, y + 20), (-half_w - rng.uniform(0, 9), y)], [r * 1.3, r], nail=True)
            )
    elif (
        style == "screen"
    ):  # seen from the side of the thumb: finger tips at one edge, the thumb before it
        base = rng.uniform(0.3, 0.8) * half_l
        behind.append(
            _limb(
                [
                    (half_w * 0.5, base - 20 * k),
                    (half_w * 0.55, base + 25 * k),
                    (half_w * 0.4, base + 60 * k),
                ],
                [30 * k, 36 * k, 27 * k],
            )
        )
        behind += _arm(rng, half_w * 0.4, base + 60 * k, rng.uniform(0.7, 2.2))
        for i in range(int(rng.integers(2, 5))):
            y = base - 56 * k + i * r * 2.2 + jitter(2)
            tip = -half_w + rng.uniform(-3, 10)
            behind.append(_limb([(0, y + 10), (-half_w - 6 * k, y + 2)], [r, r]))
            if rng.random() < 0.75:
                front.append(_limb([(-half_w - 7 * k, y + 3), (tip, y)], [r, r * 0.85], nail=True))
        over = rng.uniform(-0.25, 1.4) * half_w
        end_y = base - rng.uniform(15, 75) * k
        front.append(
            _limb(
                [
                    (half_w + 12 * k, base + 28 * k),
                    (half_w + 12 * k, base - 8 * k),
                    (half_w - over, end_y),
                ],
                [19 * k, 13 * k, r * 0.98],
                nail=True,
            )
        )
    elif style == "pinch":  # held up from below between thumb and fingers
        count = int(rng.integers(2, 5))
        x0 = rng.uniform(-0.5, 0.5) * half_w
        deep = rng.uniform(6, float(np.clip(1.1 * half_l, 8, 55)))
        edge = half_l
        behind.append(
            _limb(
                [
                    (x0 - 12, edge + 46 * k),
                    (x0 + 24 * k, edge + 50 * k),
                    (x0 + 14 * k, edge + 80 * k),
                ],
                [24 * k, 27 * k, 25 * k],
            )
        )
        behind += _arm(rng, x0 + 14 * k, edge + 84 * k, rng.uniform(0.9, 2.2))
        fingers_front = rng.random() < 0.5
        for i in range(count):
            x = x0 + (i - 0.5) * r * 2.0
            tip = (x + jitter(4) - i * 2, edge - deep * (1, 0.92, 0.75, 0.5)[i])
            bend = (x + 8 * k + i * 2, edge + 16 * k)
            knuckle = (x0 + (i - 0.2) * r * 1.7, edge + 42 * k)
            limb = _limb([knuckle, bend, tip], [r * 1.1, r, r * 0.88], nail=fingers_front)
            (front if fingers_front else behind).append(limb)
        thumb = _limb(
            [
                (x0 - 16 * k, edge + 52 * k),
                (x0 - 24 * k, edge + 18 * k),
                (x0 - 10 + jitter(5), edge - rng.uniform(4, 28)),
            ],
            [16 * k, 12 * k, r],
            nail=not fingers_front,
        )
        (behind if fingers_front else front).append(thumb)
        if not fingers_front:
            for i in range(3):  # the curled fingers below the thumb
                y = edge + (24 + i * 17) * k
                front.append(_limb([(x0 + 34 * k, y), (x0 + 2 * k, y + 4)], [r * 1.1, r]))
            front.append(front.pop(0))
    elif style == "palm":  # lies in the open hand
        y = rng.uniform(0.1, 0.6) * half_l
        behind.append(_limb([(0, y - 10), (4, y + 50 * k)], [44 * k, 36 * k]))
        behind += _arm(rng, 4, y + 70 * k, rng.uniform(1.0, 2.1))
        for i in range(4):
            x = (i - 1.5) * r * 2.1
            top = y - 62 * k - (8, 14, 10, -6)[i]
            behind.append(_limb([(x, y - 20), (x * 1.1, top)], [r * 1.1, r * 0.85]))
        front.append(
            _limb(
                [
                    (half_w + 12 * k, y + 34 * k),
                    (half_w + 4 * k, y),
                    (half_w - rng.uniform(0, 14), y - 25 * k),
                ],
                [16 * k, 11 * k, r],
                nail=True,
            )
        )
    elif style == "ends":  # both hands, one at each end, as for a picture or a game
        for side in (-1, 1):
            y = side * half_l
            behind.append(
                _limb(
                    [(half_w * 0.2, y + side * 14), (half_w + 20 * k, y + side * 24)],
                    [22 * k, 27 * k],
                )
            )
            behind += _arm(rng, half_w + 22 * k, y + side * 26, rng.uniform(-0.5, 0.5) + side * 0.3)
            count = int(rng.integers(1, 4))
            for i in range(count):
                x = -half_w * 0.6 + i * r * 2 + jitter(3)
                deep = rng.uniform(10, 45)
                front.append(
                    _limb(
                        [
                            (x + 10, y + side * 16),
                            (x, y - side * deep * 0.4),
                            (x - 4, y - side * deep),
                        ],
                        [r * 1.1, r, r * 0.87],
                        nail=True,
                    )
                )
            if rng.random() < 0.7:
                front.append(
                    _limb(
                        [
                            (half_w + 14 * k, y + side * 8),
                            (half_w - rng.uniform(0, 20), y - side * rng.uniform(10, 35)),
                        ],
                        [13 * k, r],
                        nail=True,
                    )
                )
    else:  # "fist": a hand without anything
        for i in range(4):
            y = (i - 1.5) * r * 2.05
            curl = rng.uniform(18, 62)
            front.append(
                _limb(
                    [
                        (26 * k, y),
                        (26 * k - curl, y + jitter(3)),
                        (20 * k - curl * rng.uniform(0.4, 1.3), y + jitter(6)),
                    ],
                    [r * 1.15, r * 1.02, r * 0.88],
                    nail=True,
                )
            )
        behind.append(
            _limb([(26 * k, -16 * k), (32 * k, 18 * k), (24 * k, 55 * k)], [25 * k, 31 * k, 26 * k])
        )
        behind += _arm(rng, 26 * k, 60 * k, rng.uniform(0.6, 2.1))
        thumb = _limb(
            [(14 * k, 34 * k), (-4, 12 * k), (rng.uniform(-34, 10), rng.uniform(-45, 10))],
            [15 * k, 11 * k, r],
            nail=True,
        )
        (front if rng.random() < 0.6 else behind).append(thumb)
    return _Grip(behind, front)


# ---------------------------------------------------------------- putting it together


def _turn(rng: np.random.Generator, edge_on: float) -> NDArray[np.float64]:
    """A rotation: any angle in the picture, tilted away from the camera."""
    spin = rng.uniform(0, 2 * np.pi)
    if rng.random() < edge_on:
        tilt = np.radians(rng.uniform(66, 84))
    elif rng.random() < 0.6:
        tilt = abs(rng.normal(0, np.radians(22)))
    else:
        tilt = np.radians(rng.uniform(25, 66))
    axis = rng.uniform(0, 2 * np.pi)
    return _rotation(spin, axis, min(tilt, np.radians(86)))


def _rotation(spin: float, axis: float, tilt: float) -> NDArray[np.float64]:
    """Spin about the line of sight after a tilt about an axis that lies in the picture."""
    ax, ay = np.cos(axis), np.sin(axis)
    c, s = np.cos(tilt), np.sin(tilt)
    lean = np.array(
        [
            [c + ax * ax * (1 - c), ax * ay * (1 - c), ay * s],
            [ax * ay * (1 - c), c + ay * ay * (1 - c), -ax * s],
            [-ay * s, ax * s, c],
        ]
    )
    cs, sn = np.cos(spin), np.sin(spin)
    return np.array([[cs, -sn, 0], [sn, cs, 0], [0, 0, 1]]) @ lean


def render(
    kind: str,
    rng: np.random.Generator,
    size_px: int,
    *,
    spin_rad: float | None = None,
    style: str | None = None,
    number: int | None = None,
    face: Face | None = None,
    skin: Rgb | None = None,
) -> Cutout:
    """Draw one of KINDS, its long side `size_px` before it is tilted away.

    spin_rad: angle of the long side in the picture (0: upright), any by default
    style:    grip: wrap, screen, pinch, palm, ends; any by default
    number:   which of the faces; any by default
    face:     a face of the caller's own in place of a drawn one
    skin:     0..255 RGB of the hand; any tone by default
    Raises ValueError for an unknown kind or a size under LEAST_PX.
    """
    if kind not in KINDS:
        msg = f"no such kind: {kind}; one of {', '.join(KINDS)}"
        raise ValueError(msg)
    if size_px < LEAST_PX:
        msg = f"size_px is {size_px}: must be at least {LEAST_PX}"
        raise ValueError(msg)
    bare = kind == "hand"
    held = kind.startswith("hand")
    thing = "phone" if bare else kind.removeprefix("hand holding ")
    if face is None:
        face = draw_face(thing, int(rng.integers(_FACES[thing][1])) if number is None else number)
        if number is None and style == "wrap" and face.looked_at:
            # Fingers that lie across it mostly lie across its back.
            face = draw_face(thing, int(rng.integers(_FACES[thing][1])))
    work = int(np.clip(size_px * 1.3, *WORK_PX))
    px_mm = work / face.long_mm
    size = int(work * (1.45 if not held else 2.1) + (0 if not held else 330 * px_mm))
    size = min(size, 720)
    canvas = _Canvas(size)
    if face.tiltable:
        turn = _turn(rng, 0.06 if not held else 0.02)
        if spin_rad is not None:
            turn = _rotation(spin_rad, rng.uniform(0, 2 * np.pi), abs(rng.normal(0, 0.4)))
    else:
        turn = _rotation(rng.normal(0, 0.15) if spin_rad is None else spin_rad, 0.0, 0.0)
    far = rng.uniform(3.5, 9) * face.long_mm
    face_h, face_w = face.alpha.shape
    half_l = face.long_mm / 2
    half_w = half_l * face_w / face_h

    def project(points: NDArray[np.floating], z_mm: float) -> F32:
        """(N, 2) mm in the thing's plane at depth z (towards the camera is negative) to px."""
        solid = np.column_stack([points, np.full(len(points), z_mm)]) @ turn.T
        scale = far / (far + solid[:, 2:]) * px_mm
        return (solid[:, :2] * scale + size / 2).astype(np.float32)

    lean = rng.normal(0, 0.5, 2)
    light = np.array([lean[0], lean[1] - 0.45, 1.0], np.float32)
    light /= np.linalg.norm(light)
    tone = _skin(rng) if skin is None else np.array(skin, np.float32)
    grip = None
    if held:
        grip, mirror, quarter = _take_hold(rng, half_w, half_l, style, bare, thing, face.looked_at)

        def place(limb: _Limb) -> _Limb:
            points = limb.points * np.array([-1 if mirror else 1, 1], np.float32)
            if quarter:
                points = np.column_stack([points[:, 1], -points[:, 0]]) * quarter
            lift = -face.thick_mm / 2
            return _Limb(
                project(points, lift), limb.radii * px_mm, limb.nail, limb.fade, limb.colour
            )

        for limb in grip.behind:
            _draw_limb(canvas, place(limb), tone, light, 0.35)
    whole = 0.0
    if not bare:
        _draw_slab(canvas, face, project, (half_w, half_l), turn, light, rng)
        whole = float(canvas.thing.sum())
    if grip is not None:
        for limb in grip.front:
            _draw_limb(canvas, place(limb), tone, light, 0.5)
    return _finish(canvas, size_px / work, whole, "hand" if bare else thing, held, bare)


def _take_hold(
    rng: np.random.Generator,
    half_w: float,
    half_l: float,
    style: str | None,
    bare: bool,
    thing: str,
    looked_at: bool,
) -> tuple[_Grip, bool, int]:
    mirror = bool(rng.random() < 0.5)
    if bare:
        pick = "fist" if rng.random() < 0.6 else str(rng.choice(["wrap", "pinch", "screen"]))
        return _grip(rng, 18, 30, pick), mirror, 0
    if style is None:
        shares = [0.1, 0.4, 0.3, 0.11, 0.09] if looked_at else [0.45, 0.08, 0.36, 0.03, 0.08]
        style = str(rng.choice(["wrap", "screen", "pinch", "palm", "ends"], p=shares))
    quarter = 0
    if half_l < 50 or (half_l > 1.6 * half_w and style == "pinch" and rng.random() < 0.25):
        # Small things and things held by their long side: the hand comes along the short axis.
        quarter = int(rng.choice([-1, 1]))
    elif half_w > 38 and rng.random() < 0.3:
        quarter = int(rng.choice([-1, 1]))
    if thing in ("earbud case", "pen") and (style in ("ends", "palm") or rng.random() < 0.4):
        style = "pinch"
    if quarter:
        return _grip(rng, half_l, half_w, style), mirror, quarter
    return _grip(rng, half_w, half_l, style), mirror, 0


def _draw_slab(
    canvas: _Canvas,
    face: Face,
    project: Callable[[NDArray[np.floating], float], F32],
    half_mm: tuple[float, float],
    turn: NDArray[np.float64],
    light: F32,
    rng: np.random.Generator,
) -> None:
    """The face at the front and, behind it, its outline again and again: the thickness."""
    half_w, half_l = half_mm
    corners = np.array([(-half_w, -half_l), (half_w, -half_l), (half_w, half_l), (-half_w, half_l)])
    front = project(corners, -face.thick_mm / 2)
    back = project(corners, face.thick_mm / 2)
    face_h, face_w = face.alpha.shape
    rgb, alpha, lit = face.rgb, face.alpha, face.lit
    shown = np.linalg.norm(front[3] - front[0])
    shrink = shown / face_h
    if shrink < 0.6:  # else the far smaller picture would flicker
        target = (max(4, round(face_w * shrink * 1.3)), max(8, round(face_h * shrink * 1.3)))
        rgb = cv2.resize(rgb, target, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        alpha = cv2.resize(alpha, target, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        lit = cv2.resize(lit, target, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        face_h, face_w = alpha.shape
    every = np.vstack([front, back])
    x0, y0 = np.maximum(np.floor(every.min(axis=0)).astype(int) - 2, 0)
    x1, y1 = np.minimum(np.ceil(every.max(axis=0)).astype(int) + 3, canvas.size)
    ys, xs = slice(int(y0), int(y1)), slice(int(x0), int(x1))
    patch = (int(x1 - x0), int(y1 - y0))
    flat = np.array([(0, 0), (face_w, 0), (face_w, face_h), (0, face_h)], np.float32)
    offset = np.array([x0, y0], np.float32)
    away = float(np.abs(front - back).max())
    layers = int(np.clip(away / 1.2, 0, 14))
    if layers and away > 0.8:
        outline = np.zeros((patch[1], patch[0]), np.float32)
        tint = np.zeros((patch[1], patch[0]), np.float32)
        for k in range(layers, 0, -1):
            depth = -face.thick_mm / 2 + face.thick_mm * k / layers
            shape = corners * (1 - 0.35 * face.dome * (k / layers) ** 2)
            warp = cv2.getPerspectiveTransform(flat, project(shape, depth) - offset)
            layer = (
                cv2.warpPerspective(alpha, warp, patch, flags=cv2.INTER_LINEAR).astype(np.float32)
                / 255
            )
            outline = np.maximum(outline, layer)
            # Rounded over: the middle of the edge catches most light.
            tone = 0.5 + 0.5 * np.sin(np.pi * (1 - k / (layers + 1)))
            tint = tint * (1 - layer) + tone * layer
        edge = np.float32(face.edge)[:, None, None] * (0.45 + 0.5 * tint)
        canvas.over(ys, xs, edge, outline)
        canvas.thing[ys, xs] = np.maximum(canvas.thing[ys, xs], outline)
    warp = cv2.getPerspectiveTransform(flat, front - offset)
    stack = np.dstack([rgb, alpha])
    seen = cv2.warpPerspective(
        stack, warp, patch, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    inside = (
        cv2.warpPerspective(alpha, warp, patch, flags=cv2.INTER_LINEAR).astype(np.float32) / 255
    )
    glow = cv2.warpPerspective(lit, warp, patch, flags=cv2.INTER_LINEAR).astype(np.float32) / 255
    normal = turn @ np.array([0, 0, 1.0])
    lambert = float(np.clip(normal @ light, 0, 1))
    level = 0.55 + 0.5 * lambert
    # Light falls off across the face; glass mirrors the sky when it leans back.
    ramp = cv2.resize(
        rng.uniform(0.82, 1.14, (2, 2)).astype(np.float32), patch, interpolation=cv2.INTER_LINEAR
    )
    surface = np.stack(cv2.split(seen)[:3]).astype(np.float32)
    haze = np.float32(face.gloss * max(0.0, rng.normal(0, 0.1)) * 255)
    shaded = surface * (ramp * np.float32(level)) + haze * ramp
    if face.lit.any():
        shaded += (surface - shaded) * glow
    canvas.over(ys, xs, np.clip(shaded, 0, 255), inside)
    canvas.thing[ys, xs] = np.maximum(canvas.thing[ys, xs], inside)
    canvas.lit[ys, xs] = np.maximum(canvas.lit[ys, xs], glow * inside)


def _finish(
    canvas: _Canvas, scale: float, whole: float, label: str, held: bool, bare: bool
) -> Cutout:
    """Resize to the wanted size, cut off what is empty, undo the premultiplication."""
    seen = np.flatnonzero((canvas.alpha > 0.03).any(axis=1))
    across = np.flatnonzero((canvas.alpha > 0.03).any(axis=0))
    y0, y1 = int(seen[0]), int(seen[-1]) + 1
    x0, x1 = int(across[0]), int(across[-1]) + 1
    ys, xs = slice(y0, y1), slice(x0, x1)
    colour = cv2.merge(list(canvas.planes[:3, ys, xs]))
    planes = cv2.merge(list(canvas.planes[3:, ys, xs]))
    visible = 1.0 if bare else float(canvas.thing.sum()) / max(whole, 1e-6)
    size = (max(3, round((x1 - x0) * scale)), max(3, round((y1 - y0) * scale)))
    if abs(scale - 1) > 0.02:
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        colour = cv2.resize(colour, size, interpolation=how)  # type: ignore[assignment]
        planes = cv2.resize(planes, size, interpolation=how)  # type: ignore[assignment]
    alpha = np.clip(planes[..., 0], 0, 1)
    rgb = colour / np.maximum(alpha, 1e-3)[..., None]
    rgba = np.dstack([np.clip(rgb, 0, 255), alpha * 255]).astype(np.uint8)
    thing = alpha if bare else np.clip(planes[..., 1], 0, 1)
    rows = np.flatnonzero((thing > 0.5).any(axis=1))
    columns = np.flatnonzero((thing > 0.5).any(axis=0))
    if len(rows) == 0 or len(columns) == 0:
        box = (0.0, 0.0, 0.0, 0.0)
        visible = 0.0
    else:
        box = (
            float(columns[0]), float(rows[0]),
            float(columns[-1] - columns[0] + 1), float(rows[-1] - rows[0] + 1),
        )  # fmt: skip
    return Cutout(
        rgba,
        (thing * 255).astype(np.uint8),
        (np.clip(planes[..., 2], 0, 1) * 255).astype(np.uint8),
        box,
        visible,
        label,
        held,
    )
