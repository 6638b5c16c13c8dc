"""The pins: real ones through lgpio, or simulated ones that say so."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.devices import guard
from edge.devices.profile import HEADER_CHIPS, BoardProfile
from edge.errors import Misconfigured

MODEL = Path("/proc/device-tree/model")


class PinsMissing(Misconfigured):
    """Real pins, an SPI or a speaker were asked for, and there is none; the text says why."""


@dataclass(frozen=True, slots=True)
class Pins:
    """A gpiozero pin factory, and what it drives.

    target:  the chip's device; levels:PATH for simulated pins that can be seen from outside;
             empty for pins that exist in this process only
    """

    factory: Any
    simulated: bool
    description: str
    target: str = ""


def machine() -> str:
    """The board's name for itself, e.g. "Raspberry Pi 4 Model B Rev 1.4"; empty elsewhere."""
    try:
        return MODEL.read_text(encoding="utf-8", errors="replace").rstrip("\0\n ")
    except OSError:
        return ""


def open_pins(profile: BoardProfile, wanted: str = "auto") -> Pins:
    """wanted: auto, real or simulated (`hardware.pins`). Raises PinsMissing for real."""
    if wanted == "simulated" or profile.chip.levels_file:
        return _simulated(profile, "as configured")
    try:
        return _real(profile)
    except PinsMissing as exc:
        if wanted == "real":
            raise
        return _simulated(profile, str(exc))


def _real(profile: BoardProfile) -> Pins:
    try:
        chip = guard.find_chip(profile.chip.labels)
    except PermissionError as exc:
        raise PinsMissing(
            "the pins are there but closed to this user: add it to the group gpio, log in again"
        ) from exc
    if chip is None:
        known = profile.chip.labels == HEADER_CHIPS
        what = "pins of a Raspberry Pi" if known else " or ".join(profile.chip.labels)
        raise PinsMissing(f"this machine has no {what}")
    # lgpio makes a pipe where the process was started, or else fails to be imported.
    os.environ.setdefault("LG_WD", os.environ.get("RUNTIME_DIRECTORY", tempfile.gettempdir()))
    try:
        from gpiozero.pins.lgpio import LGPIOFactory
    except ImportError as exc:
        raise PinsMissing(
            f"{chip} needs lgpio: sudo apt install python3-lgpio; in a clone deploy/setup.sh gpio"
        ) from exc
    revision = profile.chip.revision

    class HeaderFactory(LGPIOFactory):  # type: ignore[misc]
        """The chip found by its name: gpiozero goes by number, and numbers have moved."""

        def _get_revision(self) -> int:
            return int(revision, 16) if revision else int(super()._get_revision())

    try:
        factory = HeaderFactory(chip=int(chip.removeprefix("/dev/gpiochip")))
    except Exception as exc:  # lgpio's error is a plain Exception
        raise PinsMissing(f"{chip} cannot be used: {exc}") from exc
    return Pins(factory, False, f"{guard.chip_label(chip)} ({chip})", target=chip)


def _simulated(profile: BoardProfile, why: str) -> Pins:
    # Here, because a box with real pins has no use for it.
    from edge.devices.simulated import simulated_factory

    path = profile.chip.levels_file
    description = f"simulated pins ({why})"
    if not path:
        return Pins(simulated_factory(), True, description)
    try:
        factory = simulated_factory(path)
    except OSError as exc:
        raise PinsMissing(f"chip.levels_file = {path!r}: {exc.strerror}") from exc
    return Pins(factory, True, f"{description}, levels in {path}", target=guard.LEVELS + path)
