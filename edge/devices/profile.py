"""Board profiles: which pin does what through which parts, read from `hardware/boards/*.toml`.

The one truth about the circuit: the program drives what a profile says, and tables, drawings and
lists of parts are made from it. Pins are BCM numbers, which are the line offsets of the chip on
every Raspberry Pi. What the parts draw is reckoned in `electrics`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge import resources, toml
from edge.config import setting
from edge.devices import electrics
from edge.devices.electrics import I2S_PINS, SPI_PINS, Pi
from edge.errors import Misconfigured

# What the header's chip calls itself: Pi 1 to 3 and Zero 2 W, Pi 4, Pi 5.
HEADER_CHIPS = ("pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1")
LAST_PIN = 27


class ProfileError(Misconfigured):
    """A board profile cannot be used; the text names every fault and the file."""


def _pin() -> Any:
    return setting(help_text="BCM number.", low=0, high=LAST_PIN)


def _ohm() -> Any:
    return setting(None, "Resistor, in ohms.", low=1, high=1e7)


def _volt() -> Any:
    return setting(None, "Forward voltage, of the LEDs that may be used the lowest.", low=1, high=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPins:
    """The status light: an LED of three colours, or three of one colour each, on three pins.

    `pwm` lets it mix colours, at the price of flicker under load. `active_high` false: a common
    anode.
    """

    red: int = _pin()
    green: int = _pin()
    blue: int = _pin()
    active_high: bool = True
    pwm: bool = False
    package: str = setting("rgb", choices=("rgb", "three"))
    red_v: float | None = _volt()
    red_ohm: float | None = _ohm()
    green_v: float | None = _volt()
    green_ohm: float | None = _ohm()
    blue_v: float | None = _volt()
    blue_ohm: float | None = _ohm()


@dataclass(frozen=True, slots=True, kw_only=True)
class RingLight:
    """The status light as a ring of WS2812, on the data line of the SPI (GPIO 10).

    `brightness` caps what each of its LEDs may get: they are bright, and what they draw adds up.
    """

    count: int = setting(help_text="How many LEDs.", low=1, high=64)
    device: str = setting("/dev/spidev0.0", pattern=r"/dev/spidev\d+\.\d+")
    brightness: float = setting(0.2, low=0.02, high=1)
    led_ma: float = setting(60.0, "What one draws in full white.", low=1, high=100)
    ohm: float | None = _ohm()  # in the data line


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningPin:
    """One warning light, dimmed by PWM where the pins can.

    driver:   npn or mosfet, from 5 V through `ohm`; none: an LED on the pin itself
    light_ma: for a light with resistors of its own, instead of `forward_v` and `ohm`
    most_ma:  what the light stands for long
    """

    pin: int = _pin()
    active_high: bool = True
    driver: str = setting("npn", choices=("npn", "mosfet", "none"))
    forward_v: float | None = _volt()
    ohm: float | None = _ohm()
    light_ma: float | None = setting(None, low=0.1, high=5000)
    most_ma: float = setting(20.0, low=1, high=5000)
    base_ohm: float | None = _ohm()  # to the base or gate
    pulldown_ohm: float | None = _ohm()  # from there to ground


@dataclass(frozen=True, slots=True, kw_only=True)
class BuzzerPin:
    """kind: passive (needs a tone) or active (sounds by itself); tones are kept within bounds.

    lgpio's software PWM ends at 10 kHz. `ohm` is the resistor beside a piezo; `current_ma` what an
    active buzzer draws.
    """

    pin: int = _pin()
    kind: str = setting("passive", choices=("passive", "active"))
    active_high: bool = True
    lowest_hz: float = setting(100.0, low=1, high=10_000)
    highest_hz: float = setting(8000.0, low=1, high=10_000)
    driver: str = setting("npn", choices=("npn", "none"))
    ohm: float | None = _ohm()
    current_ma: float | None = setting(None, low=0.1, high=1000)
    base_ohm: float | None = _ohm()
    pulldown_ohm: float | None = _ohm()


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """A small speaker in place of the buzzer: a DAC with an amplifier on the I2S pins (18, 19,
    21), or anything on USB. `device` is ALSA's name for it (`aplay -L` lists them)."""

    kind: str = setting("usb", choices=("i2s", "usb"))
    device: str = setting("default", pattern=r"[A-Za-z0-9_:=,.-]{1,80}")
    current_ma: float | None = setting(None, low=0.1, high=2000)


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
    """name: the file's; title: for people; fits: on the headers of which Pis (`pis.toml`)."""

    name: str = ""
    title: str = ""
    fits: tuple[str, ...] = ()
    status: StatusPins | None = None
    ring: RingLight | None = None
    warnings: tuple[WarningPin, ...] = field(default=(), metadata={"key": "warning", "most": 2})
    buzzer: BuzzerPin | None = None
    speaker: Speaker | None = None
    button: ButtonPin | None = None
    chip: ChipChoice = field(default_factory=ChipChoice)

    @property
    def empty(self) -> bool:
        """Nothing on the pins; a speaker on USB needs none."""
        return not (self.ring or self.pins())

    def dark_levels(self) -> dict[int, int]:
        """The level, 0 or 1, at which each output pin is dark and silent."""
        return {pin: int(not active_high) for pin, active_high in self._outputs()}

    def dark(self) -> dict[str, int]:
        """The same as the guard takes it, with the ring."""
        found = {str(pin): level for pin, level in self.dark_levels().items()}
        return found | ({self.ring.device: self.ring.count} if self.ring is not None else {})

    def pins(self) -> tuple[tuple[str, int], ...]:
        """Each part's key in the file and its pin; the fixed ones of SPI and I2S are no keys."""
        found: list[tuple[str, int]] = []
        if self.status is not None:
            found.append(("status.red", self.status.red))
            found.append(("status.green", self.status.green))
            found.append(("status.blue", self.status.blue))
        found += [(f"warning[{n}].pin", each.pin) for n, each in enumerate(self.warnings)]
        if self.buzzer is not None:
            found.append(("buzzer.pin", self.buzzer.pin))
        if self.button is not None:
            found.append(("button.pin", self.button.pin))
        return tuple(found)

    def reserved(self) -> dict[int, str]:
        """Pins that no part may have, and what for."""
        taken = {0: "the memory of a HAT", 1: "the memory of a HAT"}
        if self.ring is not None:
            taken |= dict.fromkeys(SPI_PINS, "the SPI, which the ring needs")
        if self.speaker is not None and self.speaker.kind == "i2s":
            taken |= dict.fromkeys(I2S_PINS, "the I2S, which the speaker needs")
        return taken

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
        table = toml.whole(path)
    except toml.Unreadable as exc:
        raise ProfileError(f"{path}: {exc}") from exc
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
    if profile.ring is not None and profile.status is not None:
        yield toml.SettingFault("ring", ": goes in place of status; one status light is enough")
    if profile.speaker is not None and buzzer is not None:
        yield toml.SettingFault("speaker", ": goes in place of buzzer; one of them is enough")
    known = pis()
    for name in profile.fits:
        if name not in known:
            there = ", ".join(known)
            yield toml.SettingFault("fits", f': no Pi is called "{name}"; there are {there}')
    used: dict[int, str] = {}
    reserved = profile.reserved()
    for key, pin in profile.pins():
        if pin in used:
            yield toml.SettingFault(key, f" = {pin}: is taken by {used[pin]} already")
        elif pin in reserved:
            yield toml.SettingFault(key, f" = {pin}: is kept for {reserved[pin]}")
        used.setdefault(pin, key)
    if not reader.faults:
        # A board that says nothing of where it goes has to suit them all.
        wanted = [known[name] for name in profile.fits if name in known] or list(known.values())
        seen: set[str] = set()
        for pi in wanted:
            for where, text in electrics.faults(profile, pi):
                if where not in seen:
                    seen.add(where)
                    yield toml.SettingFault(where, text)


@functools.cache
def pis() -> Mapping[str, Pi]:
    """The Pis by name, with what their headers give."""
    path = resources.directory("hardware") / "pis.toml"
    reader = toml.Reader()
    read: _Pis = reader.section(_Pis, toml.whole(path), "")
    if reader.faults:
        raise ProfileError("\n  ".join([str(path), *map(str, reader.faults)]))
    return MappingProxyType({pi.name: pi for pi in read.pi})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pis:
    pi: tuple[Pi, ...] = field(default=(), metadata={"least": 1})


def _boards() -> Path:
    return resources.directory("hardware") / "boards"
