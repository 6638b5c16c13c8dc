"""Board profiles: which pin does what, read from the TOML files of `hardware/boards/`.

Pins are BCM numbers, which are the line offsets of the chip on every Raspberry Pi.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from edge import resources

P = TypeVar("P")

# What the header's chip calls itself: Pi 1 to 3 and Zero 2 W, Pi 4, Pi 5.
HEADER_CHIPS = ("pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1")
LAST_PIN = 27


class ProfileError(Exception):
    """A board profile cannot be used; the text names every fault and the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPins:
    """The RGB status light. `pwm` lets it mix colours, at the price of flicker under load."""

    red: int
    green: int
    blue: int
    active_high: bool = True
    pwm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningPin:
    """One warning light, dimmed by PWM where the pins can."""

    pin: int
    active_high: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BuzzerPin:
    """kind: passive (needs a tone) or active (sounds by itself); tones are kept within bounds."""

    pin: int
    kind: str = "passive"
    active_high: bool = True
    lowest_hz: float = 100.0
    highest_hz: float = 8000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonPin:
    """pull: up (pressed is low), down (pressed is high) or none (a resistor does it)."""

    pin: int
    pull: str = "up"
    active_high: bool | None = None  # only for pull = "none"
    bounce_s: float = 0.02


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
    name: str
    title: str
    status: StatusPins | None = None
    warnings: tuple[WarningPin, ...] = ()
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
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ProfileError(f"{path}: cannot be read: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ProfileError(f"{path}: not valid TOML: {exc}") from exc
    return parse(table, name=path.stem, where=str(path))


def parse(table: Mapping[str, Any], *, name: str, where: str) -> BoardProfile:
    """Turn a profile's table into values. Raises ProfileError with all that is wrong."""
    faults = _Faults()
    faults.unknown("", table, ("title", "status", "warning", "buzzer", "button", "chip"))
    title = table.get("title", name)
    if not isinstance(title, str):
        faults.add("title", "must be a text")
    status = _part(StatusPins, table, "status", faults)
    buzzer = _part(BuzzerPin, table, "buzzer", faults)
    button = _part(ButtonPin, table, "button", faults)
    chip = _part(ChipChoice, table, "chip", faults) or ChipChoice()
    listed = table.get("warning", [])
    if not isinstance(listed, list):
        faults.add("warning", "must be written as [[warning]]")
        listed = []
    if len(listed) > 2:
        faults.add("warning", "at most two")
    warnings = tuple(
        made
        for index, item in enumerate(listed)
        if (made := _part(WarningPin, {f"warning[{index}]": item}, f"warning[{index}]", faults))
    )
    if buzzer is not None and buzzer.kind not in ("passive", "active"):
        faults.add("buzzer.kind", f"{buzzer.kind!r} must be passive or active")
    if buzzer is not None and not 1 <= buzzer.lowest_hz < buzzer.highest_hz <= 10_000:
        # lgpio's software PWM ends at 10 kHz.
        faults.add("buzzer.lowest_hz, highest_hz", "must be within 1 to 10000, lowest first")
    if button is not None and button.pull not in ("up", "down", "none"):
        faults.add("button.pull", f"{button.pull!r} must be up, down or none")
    if button is not None and (button.pull == "none") != (button.active_high is not None):
        faults.add("button.active_high", 'goes with pull = "none", and only with it')
    if button is not None and not 0 <= button.bounce_s <= 0.5:
        faults.add("button.bounce_s", f"{button.bounce_s:g} must be from 0 to 0.5")
    profile = BoardProfile(
        name=name,
        title=str(title),
        status=status,
        warnings=warnings,
        buzzer=buzzer,
        button=button,
        chip=chip,
    )
    _check_pins(profile, faults)
    if faults.lines:
        count = len(faults.lines)
        head = f"{where}: {count} fault{'s' if count > 1 else ''}"
        raise ProfileError("\n  ".join([head, *faults.lines]))
    return profile


class _Faults:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, key: str, text: str) -> None:
        self.lines.append(f"{key}: {text}")

    def unknown(self, prefix: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"; did you mean {prefix}{near[0]}?" if near else ""
                self.add(f"{prefix}{key}", f"no such setting{hint}")


# What TOML may give for a declared type; bool before int, since True is an int to Python.
_ACCEPTED: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "bool | None": (bool,),
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "tuple[str, ...]": (list,),
}
_IN_WORDS = {
    "bool": "true or false",
    "bool | None": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "tuple[str, ...]": "a list of texts",
}


def _part(kind: type[P], table: Mapping[str, Any], key: str, faults: _Faults) -> P | None:
    """One table as a `kind`; None when it is absent or faulty."""
    if key not in table:
        return None
    given = table[key]
    if not isinstance(given, dict):
        faults.add(key, f"must be a table: [{key}]")
        return None
    before = len(faults.lines)
    declared = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]
    faults.unknown(f"{key}.", given, tuple(declared))
    values: dict[str, Any] = {}
    for name, each in declared.items():
        if name not in given:
            if each.default is MISSING:
                faults.add(f"{key}.{name}", "is missing")
            continue
        value = given[name]
        wanted = str(each.type)
        fits = isinstance(value, _ACCEPTED[wanted]) and (
            "bool" in wanted or not isinstance(value, bool)
        )
        if isinstance(value, list):
            fits = bool(value) and all(isinstance(item, str) for item in value)
            value = tuple(value)
        if fits:
            values[name] = value
        else:
            faults.add(f"{key}.{name}", f"{given[name]!r} must be {_IN_WORDS[wanted]}")
    return kind(**values) if len(faults.lines) == before else None


def _check_pins(profile: BoardProfile, faults: _Faults) -> None:
    used: dict[int, str] = {}
    for key, pin in _named_pins(profile):
        if not 0 <= pin <= LAST_PIN:
            faults.add(key, f"{pin} must be a BCM number from 0 to {LAST_PIN}")
        elif pin in used:
            faults.add(key, f"{pin} is taken by {used[pin]} already")
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
