"""The demo's clip: somebody at a desk, put together from pictures anyone may use.

The person is a NASA portrait in the public domain, the wall and the wood of the desk are
photographs under CC0; the hands and what they hold are this project's own rendering. All of it is
in `assets/`, where `SOURCES.md` says what comes from where. Each frame is made when it is read,
and goes through the detector like any other.
"""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from edge.config import CameraConfig
from edge.devices.camera_picture import load_picture
from edge.devices.camera_timing import Clock, Sleep
from edge.domain import Frame
from edge.ports import EndOfStream

U8 = NDArray[np.uint8]

WIDTH_PX, HEIGHT_PX = 640, 480
DESK_PX = 388  # the row where the desk begins
LEAST_FPS = 5  # what is left of the frames on a slow machine, in the clip's time
ASSETS = Path(__file__).resolve().parent / "assets"


@dataclass(frozen=True, slots=True)
class Act:
    """A part of the clip: what it shows, in words, until `until_s`."""

    until_s: float
    shows: str


STORY = (
    Act(4.0, "working, the phone lies on the desk"),
    Act(9.0, "a calculator in the hand"),
    Act(12.0, "working, the phone lies on the desk"),
    Act(32.0, "the phone in the hand"),
    Act(38.0, "the phone is back on the desk"),
    Act(40.0, "getting up"),
    Act(54.0, "nobody there"),
    Act(60.0, "back at work"),
)
LENGTH_S = STORY[-1].until_s

# What moves: time in seconds, then x and y in px of the middle of its upper edge. In between it
# glides, gently at both ends.
Path2 = tuple[tuple[float, float, float], ...]
PERSON: Path2 = (
    (0.0, 310, 2),
    (38.0, 310, 2),
    (40.0, -260, 30),
    (54.0, -260, 30),
    (56.0, 310, 2),
    (60.0, 310, 2),
)
CALCULATOR: Path2 = ((4.0, 290, 400), (4.7, 280, 240), (8.3, 286, 234), (9.0, 290, 400))
PHONE: Path2 = (
    (12.0, 380, 400),
    (13.0, 290, 220),
    (15.0, 268, 186),
    (17.5, 298, 198),
    (20.0, 270, 180),
    (22.5, 302, 190),
    (25.0, 272, 202),
    (27.5, 300, 182),
    (30.0, 274, 194),
    (31.4, 290, 220),
    (32.0, 380, 400),
)
PHONE_AWAY_S = (12.3, 32.0)  # while it does not lie on the desk
LYING_PX = (500, 408)
CUP_PX = (110, 352)
LAPTOP_PX = (330, 268)


def shown_at(at_s: float) -> str:
    """What the clip shows at that time, in words; the truth that the box has to find out."""
    moment_s = at_s % LENGTH_S
    return next(act.shows for act in STORY if moment_s < act.until_s)


@dataclass(frozen=True, slots=True)
class Cutout:
    """rgb (H, W, 3) and alpha (H, W, 1), uint8 and 0..255."""

    rgb: U8
    alpha: U8


class DemoClip:
    """A camera that shows the clip, in the clip's own time.

    At its own pace (`camera.realtime`) it passes over frames that a slow machine comes too late
    for, as a camera does, but not over most of them; as fast as possible, it delivers every frame.

    rounds: how often it is shown; None for ever
    """

    live = False
    alive = True

    def __init__(
        self,
        config: CameraConfig,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
        rounds: int | None = 1,
    ) -> None:
        self._fps = config.fps
        self._realtime = config.realtime
        self._clock = clock
        self._sleep = sleep
        self._frames = None if rounds is None else round(rounds * LENGTH_S * config.fps)
        self._number = 0
        self._first = 0
        self._opened_at_s: float | None = None
        self._studio = _Studio()
        self.description = f"demo clip, {WIDTH_PX}x{HEIGHT_PX} at {config.fps:g}/s"

    def open(self) -> None:
        if self._opened_at_s is None:
            self._opened_at_s = self._clock()
            self._first = self._number

    def ready(self, wait_s: float) -> bool:
        return True

    def read(self) -> Frame:
        if self._opened_at_s is None:
            raise RuntimeError("the clip is not open")
        if self._frames is not None and self._number >= self._frames:
            raise EndOfStream("the clip is over")
        if self._realtime:
            self._keep_pace()
        at_s = self._number / self._fps
        frame = Frame(self._studio.picture(at_s, self._number), at_s, self._number, "demo clip")
        self._number += 1
        return frame

    def close(self) -> None:
        self._opened_at_s = None

    def _keep_pace(self) -> None:
        assert self._opened_at_s is not None
        passed_s = self._clock() - self._opened_at_s
        ahead_s = (self._number - self._first) / self._fps - passed_s
        if ahead_s > 0:
            self._sleep(ahead_s)
        else:
            due = self._first + int(passed_s * self._fps)
            # On a machine slower than that the clip slows down: the box has to see its movements.
            most = self._number + max(0, int(self._fps / LEAST_FPS) - 1)
            last = due if self._frames is None else self._frames - 1
            self._number = max(self._number, min(due, most, last))


class _Studio:
    """Holds the parts, and puts a frame together from them."""

    def __init__(self) -> None:
        self._empty = _room()
        self._desk = self._empty[DESK_PX:].copy()
        self._person = _cutout(ASSETS / "person.png")
        self._calculators = _things("calculator-held")
        self._phones = _things("phone-held")
        self._lying = _things("phone-lying")[0]
        self._cup = _things("cup")[0]
        self._laptop = _things("laptop")[0]
        # A sensor's noise: without it nothing would ever change in a quiet scene.
        rng = np.random.default_rng(1)
        shape = (8, HEIGHT_PX, WIDTH_PX, 3)
        self._noise = np.clip(rng.normal(0, 2.0, shape), -8, 8).astype(np.int8)

    def picture(self, at_s: float, number: int) -> U8:
        """(480, 640, 3) uint8 RGB: the clip at that time."""
        moment_s = at_s % LENGTH_S
        image = self._empty.copy()
        sway = 2.0 * math.sin(moment_s * 0.9)
        _place(image, self._person, PERSON, moment_s, dx=sway)
        for things, path in ((self._calculators, CALCULATOR), (self._phones, PHONE)):
            # A hand that holds something is never still: it turns, sinks and comes up again.
            turn = round((len(things) - 1) * (0.5 + 0.5 * math.sin(moment_s * 1.3)))
            dx = sway + 8 * math.sin(moment_s * 2.1) + 2 * math.sin(moment_s * 5.3)
            dy = 9 * math.sin(moment_s * 1.7 + 1) + 2 * math.cos(moment_s * 4.1)
            _place(image, things[turn], path, moment_s, dx=dx, dy=dy)
        image[DESK_PX:] = self._desk
        paste(image, self._laptop, *LAPTOP_PX)
        paste(image, self._cup, *CUP_PX)
        if not PHONE_AWAY_S[0] <= moment_s < PHONE_AWAY_S[1]:
            paste(image, self._lying, *LYING_PX)
        noisy: NDArray[np.int16] = image.astype(np.int16) + self._noise[number * 5 % 8]
        return noisy.clip(0, 255).astype(np.uint8)


def position(path: Path2, moment_s: float) -> tuple[float, float] | None:
    """Where a thing is on its path; None before its beginning and after its end."""
    if not path[0][0] <= moment_s <= path[-1][0]:
        return None
    for (from_s, x0, y0), (to_s, x1, y1) in itertools.pairwise(path):
        if moment_s <= to_s:
            share = (moment_s - from_s) / (to_s - from_s)
            share = share * share * (3 - 2 * share)
            return x0 + (x1 - x0) * share, y0 + (y1 - y0) * share
    return None


def paste(image: U8, cutout: Cutout, x_px: int, y_px: int) -> None:
    """Lay the cut-out over the image with its upper left corner there; what sticks out is cut."""
    height, width = cutout.rgb.shape[:2]
    top, left = max(0, y_px), max(0, x_px)
    bottom, right = min(image.shape[0], y_px + height), min(image.shape[1], x_px + width)
    if top >= bottom or left >= right:
        return
    part = np.s_[top - y_px : bottom - y_px, left - x_px : right - x_px]
    alpha = cutout.alpha[part].astype(np.uint16)
    below = image[top:bottom, left:right]
    mixed = cutout.rgb[part] * alpha + below * (255 - alpha) + 127
    image[top:bottom, left:right] = (mixed // 255).astype(np.uint8)


def _place(
    image: U8, cutout: Cutout, path: Path2, moment_s: float, *, dx: float = 0.0, dy: float = 0.0
) -> None:
    where = position(path, moment_s)
    if where is not None:
        x = round(where[0] + dx - cutout.rgb.shape[1] / 2)
        paste(image, cutout, x, round(where[1] + dy))


def _room() -> U8:
    """(480, 640, 3): a brick wall, and a desk of wood before it."""
    # Grey photographs of things want a lamp: warm, from the left.
    y, x = np.mgrid[:DESK_PX, :WIDTH_PX]
    lamp = 1.05 - 0.35 * ((x - 200) / WIDTH_PX) ** 2 - 0.15 * y / DESK_PX
    bricks = load_picture(ASSETS / "wall.png")
    wall = bricks / 110 * np.array([178, 160, 140]) * lamp[..., None]
    desk = load_picture(ASSETS / "desk.png").copy()
    desk[:2] = desk[:2] // 3  # its edge
    return np.vstack([np.clip(wall, 0, 255).astype(np.uint8), desk])


def _things(name: str) -> list[Cutout]:
    """All pictures of one thing, in the order of their numbers."""
    return [_cutout(path) for path in sorted(ASSETS.glob(f"{name}-*.png"))]


def _cutout(path: Path) -> Cutout:
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    rgba = frame.to_ndarray(format="rgba").astype(np.uint8, copy=False)
    return Cutout(np.ascontiguousarray(rgba[..., :3]), rgba[..., 3:].copy())
