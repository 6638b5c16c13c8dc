"""Board profiles: which pin does what, read from the TOML files of `hardware/boards/`.

Pins are BCM numbers, which are the line offsets of the chip on every Raspberry Pi.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge import resources, toml
from edge.config import setting
from edge.errors import Misconfigured

# What the header's chip calls itself: Pi 1 to 3 and Zero 2 W, Pi 4, Pi 5.
HEADER_CHIPS = ("pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1")
LAST_PIN = 27


class ProfileError(Misconfigured):
    """A board profile cannot be used; the text names every fault and the file."""


def _pin() -> Any:
    return setting(help_text="BCM number.", low=0, high=LAST_PIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPins:
    """The RGB status light. `pwm` lets it mix colours, at the price of flicker under load."""

    red: int = _pin()
    green: int = _pin()
    blue: int = _pin()
    active_high: bool = True
    pwm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningPin:
    """One warning light, dimmed by PWM where the pins can."""

    pin: int = _pin()
    active_high: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BuzzerPin:
    """kind: passive (needs a tone) or active (sounds by itself); tones are kept within bounds.

    lgpio's software PWM ends at 10 kHz.
    """

    pin: int = _pin()
    kind: str = setting("passive", choices=("passive", "active"))
    active_high: bool = True
    lowest_hz: float = setting(100.0, low=1, high=10_000)
    highest_hz: float = setting(8000.0, low=1, high=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonPin:
    """pull: up (pressed is low), down (pressed is high) or none (a resistor does it)."""

    pin: int = _pin()
    pull: str = setting("up", choices=("up", "down", "none"))
    active_high: bool | None = None  # only for pull = "none"
    bounce_s: float = setting(0.02, low=0, high=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipChoice:
    """Where the lines are. `revision` stands in for a Pi's own where the machine is no Pi.

    `levels_file` makes the pins simulated, and their levels visible from outside the process:
    one byte for each BCM number, 0 for low to 255 for high.
    """

    labels: tuple[str, ...] = HEADER_CHIPS
    revision: str = ""
    levels_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardProfile:
    """name: the file's; title: for people."""

    name: str = ""
    title: str = ""
    status: StatusPins | None = None
    warnings: tuple[WarningPin, ...] = field(default=(), metadata={"key": "warning", "most": 2})
    buzzer: BuzzerPin | None = None
    button: ButtonPin | None = None
    chip: ChipChoice = field(default_factory=ChipChoice)

    @property
    def empty(self) -> bool:
        return not (self.status or self.warnings or self.buzzer or self.button)

    def dark_levels(self) -> dict[int, int]:
        """The level, 0 or 1, at which each output pin is dark and silent."""
        return {pin: int(not active_high) for pin, active_high in self._outputs()}

    def _outputs(self) -> Iterator[tuple[int, bool]]:
        if self.status is not None:
            for pin in (self.status.red, self.status.green, self.status.blue):
                yield pin, self.status.active_high
        for warning in self.warnings:
            yield warning.pin, warning.active_high
        if self.buzzer is not None:
            yield self.buzzer.pin, self.buzzer.active_high


def names() -> tuple[str, ...]:
    """The profiles that come with the program."""
    return tuple(sorted(path.stem for path in _boards().glob("*.toml")))


def choose(name: str) -> BoardProfile:
    """The profile of `hardware.board`. Raises ProfileError.

    auto is the circuit of WIRING.md on a Raspberry Pi, and the same with simulated pins elsewhere.
    """
    return load("pi" if name == "auto" else name)


def load(name_or_path: str) -> BoardProfile:
    """Read a profile by its name, or by the path of a file of the owner's own.

    Raises ProfileError.
    """
    if "/" in name_or_path or name_or_path.endswith(".toml"):
        path = Path(os.path.expanduser(name_or_path))
    else:
        path = _boards() / f"{name_or_path}.toml"
        if not path.is_file():
            known = ", ".join(names())
            raise ProfileError(f"no such board; there are {known}")
    try:
        table, faults = toml.syntax(toml.read_text(path))
    except toml.Unreadable as exc:
        raise ProfileError(f"{path}: {exc}") from exc
    if table is None or faults:
        lines = "\n  ".join(str(fault) for fault in faults)
        raise ProfileError(f"{path}: not valid TOML: {lines}")
    return parse(table, name=path.stem, where=str(path))


def parse(table: Mapping[str, Any], *, name: str, where: str) -> BoardProfile:
    """Turn a profile's table into values. Raises ProfileError with all that is wrong."""
    reader = toml.Reader()
    profile: BoardProfile = reader.section(BoardProfile, table, "")
    faults = [*reader.faults, *_contradictions(profile, reader)]
    if "name" in table:
        faults.append(toml.SettingFault("name", ": no such setting; the file's name is the name"))
    if faults:
        count = len(faults)
        head = f"{where}: {count} fault{'s' if count > 1 else ''}"
        raise ProfileError("\n  ".join([head, *map(str, faults)]))
    return replace(profile, name=name, title=profile.title or name)


def _contradictions(profile: BoardProfile, reader: toml.Reader) -> Iterator[toml.SettingFault]:
    buzzer, button = profile.buzzer, profile.button
    if buzzer is not None and buzzer.lowest_hz >= buzzer.highest_hz and reader.sound("buzzer"):
        yield toml.SettingFault("buzzer.lowest_hz, highest_hz", ": the lowest comes first")
    if button is not None and reader.sound("button"):  # noqa: SIM102
        if (button.pull == "none") != (button.active_high is not None):
            yield toml.SettingFault(
                "button.active_high", ': goes with pull = "none", and only with it'
            )
    used: dict[int, str] = {}
    for key, pin in _named_pins(profile):
        if pin in used:
            yield toml.SettingFault(key, f" = {pin}: is taken by {used[pin]} already")
        used.setdefault(pin, key)


def _named_pins(profile: BoardProfile) -> Iterator[tuple[str, int]]:
    if profile.status is not None:
        yield "status.red", profile.status.red
        yield "status.green", profile.status.green
        yield "status.blue", profile.status.blue
    for index, warning in enumerate(profile.warnings):
        yield f"warning[{index}].pin", warning.pin
    if profile.buzzer is not None:
        yield "buzzer.pin", profile.buzzer.pin
    if profile.button is not None:
        yield "button.pin", profile.button.pin


def _boards() -> Path:
    return resources.directory("hardware") / "boards"
