"""The board: everything on the pins, opened and closed as one."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from edge.config import HardwareConfig
from edge.devices import guard, profile
from edge.devices.button import GpioButton, NoButton, open_button
from edge.devices.buzzer import ActiveBuzzer, NoBuzzer, PassiveBuzzer, open_buzzer
from edge.devices.lights import GpioLights
from edge.devices.pins import Pins, PinsMissing, machine, open_pins
from edge.devices.profile import BoardProfile, ProfileError
from edge.devices.ring import Ring, open_ring
from edge.devices.speaker import SpeakerBuzzer, open_speaker
from edge.errors import Misconfigured, Trouble
from edge.ports import Inbox

log = logging.getLogger(__name__)

RECORD = "dark-pins"  # in the runtime directory, for the service's ExecStopPost=


class BoardError(Misconfigured):
    """The board cannot be used as configured; the text says what to change."""


class BoardBusy(BoardError):
    """The pins are there but cannot be had now; another start may find them free."""

    exit_code = Trouble.exit_code


class Guard:
    """The process that darkens the pins when this one cannot; see guard.py."""

    def __init__(self, target: str, dark: dict[str, int]) -> None:
        # A session of its own: Ctrl-C in the terminal is meant for this process only.
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-S",
                guard.__file__,
                "--watch",
                target,
                *(f"{pin}={level}" for pin, level in dark.items()),
            ],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """The pins are free by now: the guard darkens them once more, and goes."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            log.warning("the guard of the pins (process %s) does not end", self._process.pid)


@dataclass(frozen=True, slots=True)
class Board:
    """Lights, buzzer and button of one profile.

    simulated:   there are no real pins behind it
    description: one phrase for people, and the place that says "simulated" when it is
    """

    profile: BoardProfile
    pins: Pins
    lights: GpioLights
    buzzer: PassiveBuzzer | ActiveBuzzer | SpeakerBuzzer | NoBuzzer
    button: GpioButton | NoButton
    guard: Guard | None
    _parts: ExitStack

    @property
    def simulated(self) -> bool:
        return self.pins.simulated

    @property
    def description(self) -> str:
        return f"{self.profile.title}: {self.pins.description}"

    def close(self) -> None:
        """Dark, silent, and every pin let go of. Idempotent."""
        self._parts.close()

    def __enter__(self) -> Board:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_board(config: HardwareConfig, *, inbox: Inbox) -> Board:
    """Open what the configuration names. Raises BoardError; then nothing stays open or lit."""
    try:
        chosen = profile.choose(config.board)
        pins = open_pins(chosen, "simulated" if chosen.empty else config.pins)
    except (ProfileError, PinsMissing) as exc:
        raise BoardError(f"hardware: {exc}") from exc
    if chosen.empty:
        pins = replace(pins, simulated=False, description="no pins used")
    with ExitStack() as parts:
        watching = None
        dark = chosen.dark()
        if pins.target and dark:
            _leave_record(pins.target, dark)
            # Started before the first pin is taken, so that there is no moment without it; closed
            # after the last one is free, since it cannot take a line that is in use.
            watching = Guard(pins.target, dark)
            parts.callback(watching.close)
        parts.callback(pins.factory.close)
        try:
            ring = _open_ring(chosen, pins)
            lights = GpioLights(chosen, pin_factory=pins.factory, ring=ring)
            parts.callback(lights.close)
            buzzer: PassiveBuzzer | ActiveBuzzer | SpeakerBuzzer | NoBuzzer
            if chosen.speaker is not None:
                buzzer = open_speaker(chosen.speaker, config.pins)
            else:
                buzzer = open_buzzer(chosen.buzzer, pin_factory=pins.factory)
            parts.callback(buzzer.close)
            button = open_button(
                chosen.button,
                inbox=inbox,
                long_press_s=config.long_press_s,
                pin_factory=pins.factory,
            )
            parts.callback(button.close)
        except PinsMissing as exc:
            raise BoardError(f"hardware: {chosen.title}: {exc}") from exc
        except Exception as exc:  # gpiozero's errors and lgpio's have no common base
            raise BoardBusy(
                f"hardware: {chosen.title}: {exc}; is another program using the pins?"
            ) from exc
        return Board(chosen, pins, lights, buzzer, button, watching, parts.pop_all())


def _open_ring(profile: BoardProfile, pins: Pins) -> Ring | None:
    return None if profile.ring is None else open_ring(profile.ring, simulated=pins.simulated)


def _leave_record(target: str, dark: dict[str, int]) -> None:
    directory = os.environ.get("RUNTIME_DIRECTORY")
    if directory:
        guard.record(str(Path(directory) / RECORD), target, dark)


__all__ = ["Board", "BoardError", "Guard", "machine", "open_board"]
