"""The demo on a terminal of 80 x 24: the picture with what is seen in it, and all that follows."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.demo.screen import GROUND, TEXT, Rgb, Screen
from edge.devices.terminal import Levels, in_words, tune_in_words
from edge.domain import (
    PERSON,
    PHONE,
    Activity,
    Detection,
    Level,
    LightPattern,
    PhoneSight,
    PhoneUse,
    State,
    Tune,
)

PICTURE_COLUMNS, PICTURE_ROWS = 42, 16
PANEL_X = PICTURE_COLUMNS + 2
VALUE_X = PANEL_X + 9
MESSAGES = 5
HONEST = "simulated: lights, buzzer, button    real: detector, decisions, broker, MQTT"

DIM: Rgb = (128, 134, 148)
BAR: Rgb = (38, 44, 60)
GREEN: Rgb = (92, 200, 120)
AMBER: Rgb = (240, 176, 64)
RED: Rgb = (240, 84, 76)
BLUE: Rgb = (104, 160, 240)
UNLIT: Rgb = (44, 46, 54)
ACTIVITY_INK = {
    Activity.WORKING: GREEN,
    Activity.PHONE: RED,
    Activity.AWAY: BLUE,
    Activity.UNSURE: DIM,
}
LEVEL_INK = {Level.NONE: GREEN, Level.LIGHT: AMBER, Level.SOUND: RED, Level.LOUD: RED}
LEVEL_WORD = {
    Level.NONE: "none",
    Level.LIGHT: "light",
    Level.SOUND: "sound",
    Level.LOUD: "loud",
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything on the screen at one moment.

    image:    (height, width, 3) uint8 RGB, or None while the camera is closed
    shows:    what the picture shows, where the source knows; else what the source is
    messages: (topic, payload) as a subscriber heard them, the newest last
    """

    at_s: float
    source: str
    shows: str
    broker: str
    state: State
    image: NDArray[np.uint8] | None = None
    detections: tuple[Detection, ...] = ()
    pattern: LightPattern = field(default_factory=LightPattern)
    tune: Tune | None = None
    levels: Levels = field(default_factory=lambda: Levels((0.0, 0.0, 0.0), (), 0.0))
    messages: Sequence[tuple[str, str]] = ()
    fps: float | None = None
    inference_ms: float | None = None
    looked: float | None = None  # share of the frames that the detector was run on


def draw(snap: Snapshot, *, keys: str = HONEST) -> Screen:
    """The whole screen; `keys` is its last line."""
    screen = Screen()
    _title(screen, snap)
    _picture(screen, snap)
    _panel(screen, snap)
    _messages(screen, snap)
    _bar(screen, screen.height - 1, keys, ink=DIM)
    return screen


def thumbnail(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """(height, width, 3) uint8: each pixel the mean of 16 samples of its part of the image."""
    rows = np.arange(height * 4) * image.shape[0] // (height * 4)
    columns = np.arange(width * 4) * image.shape[1] // (width * 4)
    samples = image[rows[:, None], columns].reshape(height, 4, width, 4, 3)
    return np.asarray(samples.mean(axis=(1, 3)), dtype=np.uint8)


def with_boxes(picture: NDArray[np.uint8], detections: tuple[Detection, ...]) -> NDArray[np.uint8]:
    """The small picture with a frame around each thing; phones last, so that they stay visible."""
    framed = picture.copy()
    height, width = framed.shape[:2]
    for found in sorted(detections, key=lambda d: (d.label == PHONE, d.score)):
        box = found.box
        top, bottom = (min(height - 1, int(y * height)) for y in (box.ymin, box.ymax))
        left, right = (min(width - 1, int(x * width)) for x in (box.xmin, box.xmax))
        colour = RED if found.label == PHONE else GREEN if found.label == PERSON else BLUE
        framed[[top, bottom], left : right + 1] = colour
        framed[top : bottom + 1, [left, right]] = colour
    return framed


def sees(detections: tuple[Detection, ...]) -> str:
    """ "person .88, phone .71"; the best first."""
    return ", ".join(f"{d.label} {d.score:.2f}".replace("0.", ".") for d in detections) or "nothing"


def phone_in_words(phone: PhoneSight | None) -> str:
    if phone is None or phone.use is PhoneUse.SUSPECTED:
        return ""
    why = f" ({phone.why})" if phone.why else ""
    return f"a phone {phone.use}{why}"


def duration(seconds: float) -> str:
    """ "1:05" for 65 s; whole hours get a third part."""
    whole = max(0, round(seconds))
    if whole >= 3600:
        return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}"


def _bar(screen: Screen, y: int, text: str, *, ink: Rgb = TEXT, bold: bool = False) -> None:
    screen.put(0, y, " " * screen.width, ground=BAR)
    screen.put(1, y, text, ink=ink, ground=BAR, bold=bold)


def _title(screen: Screen, snap: Snapshot) -> None:
    _bar(screen, 0, "procrastobot demo", bold=True)
    parts = [f"{snap.at_s:6.1f} s"]
    if snap.fps is not None:
        parts.append(f"{snap.fps:.0f} frames/s")
    if snap.inference_ms is not None:
        parts.append(f"a look {snap.inference_ms:.0f} ms")
    if snap.looked is not None:
        parts.append(f"looked at {snap.looked:.0%}")
    right = "  ".join(parts)
    screen.put(screen.width - len(right) - 1, 0, right, ink=DIM, ground=BAR)


def _picture(screen: Screen, snap: Snapshot) -> None:
    if snap.image is None:
        screen.put(12, 8, "the camera is off", ink=DIM)
        return
    small = thumbnail(snap.image, PICTURE_COLUMNS, 2 * PICTURE_ROWS)
    screen.picture(0, 1, with_boxes(small, snap.detections))


def _panel(screen: Screen, snap: Snapshot) -> None:
    state = snap.state
    seat = max(state.seats, key=lambda each: each.level)
    left = "" if state.until_s is None else f", {duration(state.until_s - state.at_s)} left"
    _row(screen, 1, "source", snap.source, ink=DIM)
    _row(screen, 2, "shows", snap.shows)
    _row(screen, 3, "sees", sees(snap.detections), rows=2)
    _row(screen, 5, "session", f"{state.session}{left}, {state.mode}")
    since = duration(state.at_s - seat.since_s)
    _row(screen, 6, "activity", f"{seat.activity}, {since}", ink=ACTIVITY_INK[seat.activity])
    _row(screen, 7, "level", _level(state.level), ink=LEVEL_INK[state.level])
    _row(screen, 8, "why", seat.reason or phone_in_words(seat.phone) or "-", rows=3)
    _lights(screen, 12, snap)
    sounding = snap.levels.buzzer_hz > 0
    note = f"♪ {snap.levels.buzzer_hz:.0f} Hz  " if sounding else ""
    ink = RED if sounding else TEXT
    _row(screen, 14, "buzzer", note + tune_in_words(snap.tune), ink=ink, rows=2)
    totals = state.totals[0]
    plural = "s" * (totals.pickups != 1)
    so_far = f"phone {duration(totals.phone_s)}, {totals.pickups} pick-up{plural}"
    _row(screen, 16, "so far", f"{so_far}, away {duration(totals.away_s)}")


def _row(screen: Screen, y: int, name: str, value: str, *, ink: Rgb = TEXT, rows: int = 1) -> None:
    screen.put(PANEL_X, y, name, ink=DIM)
    width = screen.width - VALUE_X
    lines = textwrap.wrap(value, width, max_lines=rows, placeholder="…") or [""]
    for line in lines:
        screen.put(VALUE_X, y, line, ink=ink)
        y += 1


def _level(level: Level) -> str:
    return "■" * level + "□" * (Level.LOUD - level) + f"  {int(level)} {LEVEL_WORD[level]}"


def _lights(screen: Screen, y: int, snap: Snapshot) -> None:
    screen.put(PANEL_X, y, "lights", ink=DIM)
    screen.put(VALUE_X, y, "    ", ground=_glow(snap.levels.status))
    screen.put(VALUE_X + 5, y, in_words(snap.pattern).split(", warning")[0])
    screen.put(PANEL_X, y + 1, "warning", ink=DIM)
    x = VALUE_X
    for bright in snap.levels.warnings:
        screen.put(x, y + 1, "  ", ground=_glow((bright, bright * 0.62, bright * 0.1)))
        x += 3


def _glow(light: tuple[float, float, float]) -> Rgb:
    """A light's colour on a screen: the eye takes half the current for more than half as bright."""
    if max(light) <= 0:
        return UNLIT
    red, green, blue = (round(255 * part**0.45) for part in light)
    return red, green, blue


def _messages(screen: Screen, snap: Snapshot) -> None:
    _bar(screen, 17, f"MQTT, as a subscriber hears it from {snap.broker}", ink=DIM)
    for y, (topic, payload) in enumerate(snap.messages[-MESSAGES:], start=18):
        short = topic.split("/", 2)[-1]
        screen.put(1, y, short, ink=AMBER if short == "event" else BLUE, width=24)
        screen.put(2 + min(24, len(short)), y, payload, ink=DIM)


__all__ = ["GROUND", "Snapshot", "draw", "duration", "phone_in_words", "sees", "thumbnail"]
