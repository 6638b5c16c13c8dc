"""The lights: one RGB status light, and warning lights beside it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

from gpiozero import LED, PWMLED, RGBLED
from gpiozero.exc import PinPWMUnsupported

from edge.devices.performer import FOREVER, Performer
from edge.devices.profile import BoardProfile, StatusPins, WarningPin
from edge.devices.ring import Ring
from edge.domain import Color, LightPattern
from edge.patterns import DARK, RGB, SHORTEST_S, Calm, Glow

# What mixes well through PWM; without it each part is on or off, and amber becomes yellow.
_SHADES: dict[Color, RGB] = {
    Color.OFF: (0, 0, 0),
    Color.RED: (1, 0, 0),
    Color.AMBER: (1, 0.35, 0),
    Color.GREEN: (0, 1, 0),
    Color.BLUE: (0, 0, 1),
    Color.WHITE: (1, 1, 1),
}


def glows(pattern: LightPattern) -> Iterator[tuple[Glow, float]]:
    """The pattern as timed steps; one that does not end for a steady light."""
    red, green, blue = (part * pattern.brightness for part in _SHADES[pattern.color])
    lit = Glow((red, green, blue), pattern.warning)
    if pattern.off_s <= 0:
        return iter([(lit, FOREVER)])
    on_s, off_s = max(0.02, pattern.on_s), max(0.02, pattern.off_s)
    slower = max(1.0, SHORTEST_S / (on_s + off_s))
    return itertools.cycle([(lit, on_s * slower), (DARK, off_s * slower)])


class GpioLights:
    """The lights of a board profile; a light that it does not have is left out."""

    def __init__(
        self, profile: BoardProfile, *, pin_factory: Any, ring: Ring | None = None
    ) -> None:
        self.ring = ring
        self._status = ring or _status_light(profile.status, pin_factory)
        self._mixes = ring is not None or (profile.status is not None and profile.status.pwm)
        self._warnings = [_warning_light(each, pin_factory) for each in profile.warnings]
        self._calm = Calm(time.monotonic)
        self._performer = Performer(self._apply, rest=DARK, name="lights")

    def show(self, pattern: LightPattern) -> None:
        self._performer.perform(self._calm.calmed(glows(pattern)))

    def close(self) -> None:
        self._performer.close()
        for light in (self._status, *self._warnings):
            if light is not None:
                light.close()

    def _apply(self, glow: Glow) -> None:
        self._calm.shown = glow
        if self._status is not None:
            parts = glow.status
            self._status.value = parts if self._mixes else tuple(int(p > 0) for p in parts)
        for light in self._warnings:
            light.value = glow.warning if isinstance(light, PWMLED) else int(glow.warning > 0)


def _status_light(pins: StatusPins | None, pin_factory: Any) -> RGBLED | None:
    if pins is None:
        return None
    return RGBLED(
        pins.red,
        pins.green,
        pins.blue,
        active_high=pins.active_high,
        pwm=pins.pwm,
        pin_factory=pin_factory,
    )


def _warning_light(pins: WarningPin, pin_factory: Any) -> PWMLED | LED:
    try:
        return PWMLED(pins.pin, active_high=pins.active_high, pin_factory=pin_factory)
    except PinPWMUnsupported:
        return LED(pins.pin, active_high=pins.active_high, pin_factory=pin_factory)
