"""The demo on a terminal of at least 80 x 24: the picture, what is seen in it, what follows."""

from __future__ import annotations

import json
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
from edge.vision.draw import apart

PANEL_WIDTH = 36
NAME_WIDTH = 9
LEAST_MESSAGES = 5
LEAST_WIDTH, LEAST_HEIGHT = 80, 24
PANEL_ROWS = 16
HONEST = "simulated: lights, buzzer, button    real: detector, decisions, broker, MQTT"
UNTOLD = frozenset({"id", "number", "at", "late", "date", "next_break"})
UNTOLD |= {"since", "session_since", "until", "snooze_until"}
RETAINED = ("state", "today", "health")  # of these only the newest is of interest

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
    messages: (topic without what is the same for all, payload), the newest last
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


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are on a screen of this size; all in cells."""

    width: int
    height: int
    columns: int  # of the picture
    rows: int

    @property
    def panel_x(self) -> int:
        return self.columns + 2

    @property
    def value_x(self) -> int:
        return self.panel_x + NAME_WIDTH

    @property
    def messages_y(self) -> int:
        return 1 + max(self.rows, PANEL_ROWS)


def lay_out(width: int, height: int) -> Layout:
    """The picture as large as leaves room for the rest; a cell is half as wide as it is high."""
    columns = max(20, width - PANEL_WIDTH - 2)
    rows = max(PANEL_ROWS, height - LEAST_MESSAGES - 3)
    if columns * 3 > rows * 8:  # pictures are 4:3, near enough
        columns = rows * 8 // 3
    else:
        rows = columns * 3 // 8
    return Layout(width, height, columns, rows)


def draw(
    snap: Snapshot, *, width: int = LEAST_WIDTH, height: int = LEAST_HEIGHT, keys: str = HONEST
) -> Screen:
    """The whole screen; `keys` is its last line."""
    screen = Screen(width, height)
    at = lay_out(width, height)
    _title(screen, snap)
    _picture(screen, at, snap)
    _panel(screen, at, snap)
    _messages(screen, at, snap)
    _bar(screen, height - 1, keys, ink=DIM)
    return screen


def thumbnail(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """(height, width, 3) uint8: each pixel the mean of 16 samples of its part of the image."""
    rows = np.arange(height * 4) * image.shape[0] // (height * 4)
    columns = np.arange(width * 4) * image.shape[1] // (width * 4)
    samples = image[rows[:, None], columns].reshape(height, 4, width, 4, 3)
    return np.asarray(samples.mean(axis=(1, 3)), dtype=np.uint8)


def with_boxes(picture: NDArray[np.uint8], detections: tuple[Detection, ...]) -> NDArray[np.uint8]:
    """The small picture with a frame around each thing."""
    framed = picture.copy()
    height, width = framed.shape[:2]
    for found in by_importance(detections):
        box = found.box
        top, bottom = (min(height - 1, int(y * height)) for y in (box.ymin, box.ymax))
        left, right = (min(width - 1, int(x * width)) for x in (box.xmin, box.xmax))
        framed[[top, bottom], left : right + 1] = _colour(found)
        framed[top : bottom + 1, [left, right]] = _colour(found)
    return framed


def by_importance(detections: tuple[Detection, ...]) -> list[Detection]:
    """Phones last, so that they are drawn over the rest."""
    return sorted(detections, key=lambda found: (found.label == PHONE, found.score))


def _colour(found: Detection) -> Rgb:
    return RED if found.label == PHONE else GREEN if found.label == PERSON else BLUE


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


def _picture(screen: Screen, at: Layout, snap: Snapshot) -> None:
    if snap.image is None:
        screen.put(at.columns // 2 - 8, at.rows // 2, "the camera is off", ink=DIM)
        return
    small = thumbnail(snap.image, at.columns, 2 * at.rows)
    screen.picture(0, 1, with_boxes(small, snap.detections))
    shown = by_importance(snap.detections)[::-1]
    labels = [f"{found.label} {found.score:.2f}".replace(" 0.", " .") for found in shown]
    wanted = [
        (int(found.box.xmin * at.columns), int(found.box.ymin * at.rows), len(label), 1)
        for found, label in zip(shown, labels, strict=True)
    ]
    places = apart(wanted, width=at.columns, height=at.rows)
    for found, label, (x, y) in zip(shown, labels, places, strict=True):
        screen.put(x, 1 + y, label, ink=GROUND, ground=_colour(found), width=at.columns - x)


def _panel(screen: Screen, at: Layout, snap: Snapshot) -> None:
    state = snap.state
    seat = max(state.seats, key=lambda each: each.level)
    left = "" if state.until_s is None else f", {duration(state.until_s - state.at_s)} left"
    _row(screen, at, 1, "source", snap.source, ink=DIM)
    _row(screen, at, 2, "shows", snap.shows)
    _row(screen, at, 3, "sees", sees(snap.detections), rows=2)
    _row(screen, at, 5, "session", f"{state.session}{left}, {state.mode}")
    since = duration(state.at_s - seat.since_s)
    _row(screen, at, 6, "activity", f"{seat.activity}, {since}", ink=ACTIVITY_INK[seat.activity])
    _row(screen, at, 7, "level", _level(state.level), ink=LEVEL_INK[state.level])
    _row(screen, at, 8, "why", seat.reason or phone_in_words(seat.phone) or "-", rows=3)
    _lights(screen, at, 12, snap)
    sounding = snap.levels.buzzer_hz > 0
    note = f"♪ {snap.levels.buzzer_hz:.0f} Hz  " if sounding else ""
    ink = RED if sounding else TEXT
    _row(screen, at, 14, "buzzer", note + tune_in_words(snap.tune), ink=ink, rows=2)
    totals = state.totals[0]
    plural = "s" * (totals.pickups != 1)
    _row(screen, at, 16, "so far", f"{totals.pickups} pick-up{plural}, {duration(totals.phone_s)}")


def _row(
    screen: Screen, at: Layout, y: int, name: str, value: str, *, ink: Rgb = TEXT, rows: int = 1
) -> None:
    screen.put(at.panel_x, y, name, ink=DIM)
    width = screen.width - at.value_x
    lines = textwrap.wrap(value, width, max_lines=rows, placeholder="…") or [""]
    for line in lines:
        screen.put(at.value_x, y, line, ink=ink)
        y += 1


def _level(level: Level) -> str:
    return "■" * level + "□" * (Level.LOUD - level) + f"  {int(level)} {LEVEL_WORD[level]}"


def _lights(screen: Screen, at: Layout, y: int, snap: Snapshot) -> None:
    x = at.value_x
    screen.put(at.panel_x, y, "lights", ink=DIM)
    screen.put(x, y, "    ", ground=_glow(snap.levels.status))
    screen.put(x + 5, y, in_words(snap.pattern).split(", warning")[0])
    screen.put(at.panel_x, y + 1, "warning", ink=DIM)
    for bright in snap.levels.warnings:
        screen.put(x, y + 1, "  ", ground=_glow((bright, bright * 0.62, bright * 0.1)))
        x += 3


def _glow(light: tuple[float, float, float]) -> Rgb:
    """A light's colour on a screen: the eye takes half the current for more than half as bright."""
    if max(light) <= 0:
        return UNLIT
    red, green, blue = (round(255 * part**0.45) for part in light)
    return red, green, blue


def _messages(screen: Screen, at: Layout, snap: Snapshot) -> None:
    title = f"MQTT, as a subscriber hears it from {snap.broker}; shortened"
    _bar(screen, at.messages_y, title, ink=DIM)
    first = at.messages_y + 1
    room = screen.height - 1 - first
    for y, (topic, payload) in enumerate(newest(snap.messages)[-room:], start=first):
        screen.put(1, y, topic, ink=AMBER if topic == "event" else BLUE, width=24)
        screen.put(2 + min(24, len(topic)), y, in_brief(payload), ink=TEXT)


def newest(messages: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """In the order of their arrival, but of what replaces the one before only the newest."""
    kept: list[tuple[str, str]] = []
    later: set[str] = set()
    for topic, payload in reversed(messages):
        if topic in RETAINED and topic in later:
            continue
        later.add(topic)
        kept.append((topic, payload))
    return kept[::-1]


def in_brief(payload: str) -> str:
    """What a message says, without ids, times and nesting; unchanged when it is not JSON."""
    try:
        tree = json.loads(payload)
    except ValueError:
        return payload
    if not isinstance(tree, dict):
        return payload
    details = tree.pop("details", None)
    if isinstance(details, dict):
        tree |= details
    plain = {key: value for key, value in tree.items() if not isinstance(value, dict | list)}
    told = {key: value for key, value in plain.items() if key not in UNTOLD and value is not None}
    return ", ".join(f"{key} {value}" for key, value in told.items() if value != "") or payload


__all__ = ["GROUND", "Snapshot", "draw", "duration", "phone_in_words", "sees", "thumbnail"]
