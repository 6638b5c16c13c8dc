"""Simulated lights, buzzer and button, for people to see: in words, and as levels of the pins."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

from edge.devices.buzzer import SILENCE, Tone
from edge.devices.profile import BoardProfile
from edge.devices.ring import Ring
from edge.domain import Color, LightPattern, Note, Tune
from edge.ports import Buzzer, Lights

RGB = tuple[float, float, float]

_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
# SGR colours of a block; a terminal of any age has them.
_SGR = {
    Color.RED: 41,
    Color.AMBER: 43,
    Color.GREEN: 42,
    Color.BLUE: 44,
    Color.WHITE: 47,
}


@dataclass(frozen=True, slots=True)
class Levels:
    """What the output pins of a board carry at one moment.

    status:    red, green, blue, each 0..1
    warnings:  each 0..1
    buzzer_hz: 0 when silent; an active buzzer, which has a tone of its own, counts as 1
    """

    status: RGB
    warnings: tuple[float, ...]
    buzzer_hz: float


def levels(
    profile: BoardProfile, factory: Any, *, ring: Ring | None = None, tone: Tone = SILENCE
) -> Levels:
    """Read the pins of gpiozero's mock factory (or one made from it); `ring` and `tone` are what a
    ring shows and a speaker plays, which no pin has."""

    def lit(pin: int, active_high: bool) -> float:
        state = float(factory.pin(pin).state)
        return state if active_high else 1.0 - state

    status: RGB = (0.0, 0.0, 0.0)
    if profile.status is not None:
        red, green, blue = (
            lit(pin, profile.status.active_high)
            for pin in (profile.status.red, profile.status.green, profile.status.blue)
        )
        status = (red, green, blue)
    if ring is not None:
        status = ring.value
    buzzer_hz = tone.frequency_hz
    if profile.buzzer is not None and lit(profile.buzzer.pin, profile.buzzer.active_high) > 0:
        buzzer_hz = float(getattr(factory.pin(profile.buzzer.pin), "frequency", None) or 1.0)
    warnings = tuple(lit(each.pin, each.active_high) for each in profile.warnings)
    return Levels(status, warnings, buzzer_hz)


def in_words(pattern: LightPattern) -> str:
    """A light pattern as people say it: "red, blinking 2 times a second, warning lights 50 %"."""
    if pattern.color is Color.OFF and pattern.warning == 0:
        return "off"
    words = [str(pattern.color)]
    if pattern.off_s > 0:
        period_s = pattern.on_s + pattern.off_s
        often = f"{1 / period_s:.0f} times a second" if period_s < 0.75 else f"every {period_s:g} s"
        words.append(f"blinking {often}")
    if pattern.warning > 0:
        words.append(f"warning lights {pattern.warning:.0%}")
    return ", ".join(words)


def note_name(note: Note) -> str:
    """The nearest note of the scale: "A5" for 880 Hz; "-" for silence."""
    if note.frequency_hz <= 0:
        return "-"
    semitones = round(12 * math.log2(note.frequency_hz / 440.0)) + 69
    return f"{_NAMES[semitones % 12]}{semitones // 12 - 1}"


def tune_in_words(tune: Tune | None) -> str:
    """A tune as people say it: "chirp: A5 D6, volume 30 %, every 6 s"."""
    if tune is None:
        return "silent"
    notes = " ".join(note_name(note) for note in tune.notes if note.frequency_hz > 0)
    repeat = f", every {tune.repeat_s:g} s" if tune.repeat_s > 0 else ""
    return f"{tune.name}: {notes}, volume {tune.volume:.0%}{repeat}"


class ShownLights:
    """Lights that also say what they show, once for each change."""

    def __init__(self, lights: Lights, say: Callable[[str], None], *, coloured: bool) -> None:
        self._lights = lights
        self._say = say
        self._coloured = coloured
        self._shown = LightPattern()

    def show(self, pattern: LightPattern) -> None:
        self._lights.show(pattern)
        if pattern != self._shown:
            self._shown = pattern
            code = _SGR.get(pattern.color)
            block = f"\x1b[{code}m  \x1b[0m " if self._coloured and code else ""
            self._say(f"lights {block}{in_words(pattern)} (simulated)")

    def close(self) -> None:
        self._lights.close()


class ShownBuzzer:
    """A buzzer that also says what it plays, once for each change."""

    def __init__(self, buzzer: Buzzer, say: Callable[[str], None]) -> None:
        self._buzzer = buzzer
        self._say = say
        self._playing: Tune | None = None

    def play(self, tune: Tune | None) -> None:
        self._buzzer.play(tune)
        if tune != self._playing:
            self._playing = tune
            self._say(f"buzzer {tune_in_words(tune)} (simulated)")

    def close(self) -> None:
        self._buzzer.close()


def shown(lights: Lights, buzzer: Buzzer, stream: TextIO) -> tuple[Lights, Buzzer]:
    """The same lights and buzzer, but each change is a line on `stream` too."""

    def say(line: str) -> None:
        stream.write(line + "\n")
        stream.flush()

    return ShownLights(lights, say, coloured=stream.isatty()), ShownBuzzer(buzzer, say)
