"""The button: it leaves a `Press` in the inbox and does nothing else."""

from __future__ import annotations

from typing import Any

from gpiozero import Button

from edge.devices.profile import ButtonPin
from edge.domain import Press
from edge.ports import Inbox


class GpioButton:
    """Short: let go of before `long_press_s`. Long: told at once when that has passed."""

    def __init__(
        self, pins: ButtonPin, *, inbox: Inbox, long_press_s: float, pin_factory: Any
    ) -> None:
        self._inbox = inbox
        self._told_long = False
        self._button = Button(
            pins.pin,
            pull_up={"up": True, "down": False, "none": None}[pins.pull],
            active_state=pins.active_high,
            bounce_time=pins.bounce_s or None,
            hold_time=long_press_s,
            pin_factory=pin_factory,
        )
        self._button.when_held = self._held
        self._button.when_released = self._released

    @property
    def pressed(self) -> bool:
        return bool(self._button.is_pressed)

    def close(self) -> None:
        self._button.close()

    def _held(self) -> None:
        self._told_long = True
        self._inbox.put(Press.LONG)

    def _released(self) -> None:
        if not self._told_long:
            self._inbox.put(Press.SHORT)
        self._told_long = False


class NoButton:
    pressed = False

    def close(self) -> None:
        """There is nothing to close."""


def open_button(
    pins: ButtonPin | None, *, inbox: Inbox, long_press_s: float, pin_factory: Any
) -> GpioButton | NoButton:
    if pins is None:
        return NoButton()
    return GpioButton(pins, inbox=inbox, long_press_s=long_press_s, pin_factory=pin_factory)
