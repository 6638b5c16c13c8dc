"""The buzzer: a passive one that is given tones, or an active one that is switched."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gpiozero import DigitalOutputDevice, PWMOutputDevice

from edge.devices.performer import Performer
from edge.devices.profile import BuzzerPin
from edge.domain import Tune

_SHORTEST_NOTE_S = 0.005


@dataclass(frozen=True, slots=True)
class Tone:
    """volume: 0..1; frequency_hz of 0 is silence."""

    frequency_hz: float
    volume: float


SILENCE = Tone(0, 0)


def tones(tune: Tune) -> Iterator[tuple[Tone, float]]:
    """The tune as timed steps, never longer than its `at_most_s` in all."""
    left_s = tune.at_most_s
    length_s = sum(max(0.0, note.duration_s) for note in tune.notes)
    if length_s < _SHORTEST_NOTE_S:
        return
    pause_s = max(0.0, tune.repeat_s - length_s)
    while True:
        for note in tune.notes:
            duration_s = min(note.duration_s, left_s)
            if duration_s <= 0:
                continue
            sounds = note.frequency_hz > 0 and tune.volume > 0
            yield (Tone(note.frequency_hz, tune.volume) if sounds else SILENCE), duration_s
            left_s -= duration_s
        if tune.repeat_s <= 0 or left_s <= 0:
            return
        if pause_s > 0:
            yield SILENCE, pause_s
            left_s -= pause_s


def duty(volume: float) -> float:
    """The share of a period that the pin is on for, 0..0.5, for a tone of this volume.

    The fundamental of a square wave with duty d has the amplitude sin(pi * d): half is loudest.
    lgpio takes whole per cents, so the softest tone has one.
    """
    if volume <= 0:
        return 0.0
    return max(0.01, round(math.asin(min(1.0, volume)) / math.pi, 2))


class _Buzzer:
    """What both kinds have in common: the thread that plays."""

    def __init__(self, device: Any, apply: Callable[[Tone], None]) -> None:
        self._device = device
        self.simulated: bool | None = None  # as the pins are
        self.description = ""
        self.tone = SILENCE  # pins show theirs
        self._performer = Performer(apply, rest=SILENCE, name="buzzer")

    def play(self, tune: Tune | None) -> None:
        self._performer.perform(iter(()) if tune is None else tones(tune))

    def close(self) -> None:
        self._performer.close()
        self._device.close()


class PassiveBuzzer(_Buzzer):
    """A piezo or a small speaker on a PWM pin."""

    def __init__(self, pins: BuzzerPin, *, pin_factory: Any) -> None:
        self._lowest_hz = pins.lowest_hz
        self._highest_hz = pins.highest_hz
        device = PWMOutputDevice(
            pins.pin,
            active_high=pins.active_high,
            frequency=round(pins.lowest_hz),
            pin_factory=pin_factory,
        )
        super().__init__(device, self._apply)

    def _apply(self, tone: Tone) -> None:
        if tone.volume > 0:
            within = min(max(tone.frequency_hz, self._lowest_hz), self._highest_hz)
            self._device.frequency = round(within)
        self._device.value = duty(tone.volume)


class ActiveBuzzer(_Buzzer):
    """A buzzer with an oscillator of its own: on or off, and one loudness."""

    def __init__(self, pins: BuzzerPin, *, pin_factory: Any) -> None:
        device = DigitalOutputDevice(
            pins.pin, active_high=pins.active_high, pin_factory=pin_factory
        )
        super().__init__(device, self._apply)

    def _apply(self, tone: Tone) -> None:
        self._device.value = int(tone.volume > 0)


class NoBuzzer:
    simulated: bool | None = None
    description = ""
    tone = SILENCE

    def play(self, tune: Tune | None) -> None:
        """There is nothing to play it on."""

    def close(self) -> None:
        """There is nothing to close."""


def open_buzzer(
    pins: BuzzerPin | None, *, pin_factory: Any
) -> PassiveBuzzer | ActiveBuzzer | NoBuzzer:
    """Raises gpiozero's PinPWMUnsupported for a passive buzzer on pins without PWM."""
    if pins is None:
        return NoBuzzer()
    if pins.kind == "active":
        return ActiveBuzzer(pins, pin_factory=pin_factory)
    return PassiveBuzzer(pins, pin_factory=pin_factory)
