"""Pins that are not there: gpiozero's mock pins, made fit to run for weeks and to be looked at."""

from __future__ import annotations

import mmap
import os

from gpiozero.pins.mock import MockFactory, MockPWMPin

from edge.devices.profile import LAST_PIN

_REVISION = "c03111"  # a Pi 4; only the numbering of the header depends on it


class SimulatedPin(MockPWMPin):  # type: ignore[misc]
    """A pin that knows its level only; gpiozero's own also keeps every change, for ever."""

    levels: mmap.mmap | None = None
    _state: float

    def _change_state(self, value: float) -> bool:
        if self._state == value:
            return False
        self._state = value
        if self.levels is not None:
            self.levels[self._number] = round(255 * value)
        return True


def simulated_factory(levels_file: str = "") -> MockFactory:
    """`levels_file` shows the levels outside: one byte for each BCM number, 0 low to 255 high.

    Raises OSError when that file cannot be made.
    """
    if not levels_file:
        return MockFactory(_REVISION, SimulatedPin)
    fd = os.open(levels_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.ftruncate(fd, LAST_PIN + 1)
        shared = mmap.mmap(fd, LAST_PIN + 1)
    finally:
        os.close(fd)

    class SeenPin(SimulatedPin):
        levels = shared

    return MockFactory(_REVISION, SeenPin)
