"""What the parts of a board draw, from which pin and which rail, and what is too much. Pure.

Reckoned at the worst: the highest supply, the lowest forward voltage, everything on at once. What
a profile does not say (a resistor left out of a file of the owner's own) is not counted.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import dataclass

from edge.config import setting

if typing.TYPE_CHECKING:
    from edge.devices.profile import BoardProfile, BuzzerPin, WarningPin

PIN_V = 3.3
RAIL_V = 5.1  # as the vendor's supplies have it
BASE_V = 0.7  # a silicon transistor's, base to emitter
SATURATED_V = 0.1  # and collector to emitter, fully on
# A transistor is surely on with a base current of this share of its collector's: the figure that
# the data sheets of 2N3904 and BC547 give their saturation voltages at is a tenth.
SURE_GAIN = 15.0
NPN_MOST_MA = 100.0  # BC547; a 2N3904 stands 200

SPI_DATA = 10
SPI_PINS = (7, 8, 9, 10, 11)  # both chip selects, MISO, MOSI, clock: the kernel takes all of them
I2S_CLOCK, I2S_FRAME, I2S_DATA = 18, 19, 21
I2S_PINS = (18, 19, 20, 21)  # the overlay takes the input as well
# Pins with a PWM of the chip's own. gpiozero makes its PWM in software, on any pin.
HARDWARE_PWM = (12, 13, 18, 19)
# https://www.raspberrypi.com/documentation/computers/raspberry-pi.html#gpio: BCM -> header pin
HEADER = {
    2: 3, 3: 5, 4: 7, 14: 8, 15: 10, 17: 11, 18: 12, 27: 13, 22: 15, 23: 16, 24: 18, 10: 19,
    9: 21, 25: 22, 11: 23, 8: 24, 7: 26, 0: 27, 1: 28, 5: 29, 6: 31, 12: 32, 13: 33, 19: 35,
    16: 36, 26: 37, 20: 38, 21: 40,
}  # fmt: skip
POWER = {1: "3V3", 17: "3V3", 2: "5V", 4: "5V"} | dict.fromkeys(
    (6, 9, 14, 20, 25, 30, 34, 39), "GND"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pi:
    """One Raspberry Pi: what its header gives. Currents in mA; the sources are in `pis.toml`."""

    name: str = setting(help_text="As `fits` of a board says it.", pattern=r"[a-z0-9-]{1,20}")
    title: str = setting(help_text="As people say it.")
    chip: str = setting(help_text="What the chip of the header calls itself.")
    pin_ma: float = setting(help_text="From one pin.", low=1, high=100)
    pins_ma: float = setting(help_text="From all pins together.", low=1, high=500)
    supply_ma: float = setting(help_text="What its supply gives at 5 V.", low=500, high=10_000)
    board_ma: float = setting(help_text="What the board itself draws at most.", low=0, high=10_000)
    camera_ma: float = setting(help_text="And the camera.", low=0, high=1000)

    @property
    def rail_ma(self) -> float:
        """What is left at 5 V for what hangs on the header."""
        return self.supply_ma - self.board_ma - self.camera_ma


@dataclass(frozen=True, slots=True)
class Draw:
    """What one part draws when it is on, with the reckoning in words.

    key:    the part in the profile, as faults name it
    pin:    BCM number; pin_ma: through that pin, None: not said
    rail_ma: from 5 V; None: not said
    light_ma: through the light itself, and what it stands, where that is known
    """

    key: str
    pin: int | None
    pin_ma: float | None
    rail_ma: float | None
    reckoning: str
    light_ma: float | None = None
    most_ma: float | None = None


def draws(profile: BoardProfile) -> tuple[Draw, ...]:
    """Every part of the board that draws a current."""
    return tuple(_draws(profile))


def _draws(profile: BoardProfile) -> Iterator[Draw]:
    status = profile.status
    if status is not None:
        for color, pin, volt, ohm in (
            ("red", status.red, status.red_v, status.red_ohm),
            ("green", status.green, status.green_v, status.green_ohm),
            ("blue", status.blue, status.blue_v, status.blue_ohm),
        ):
            ma = None if volt is None or ohm is None else _ohms_law_ma(PIN_V - volt, ohm)
            words = "" if ma is None else f"({PIN_V:g} V − {volt:g} V) / {_ohms(ohm)}"
            yield Draw(f"status.{color}", pin, ma, 0.0, words, ma, 20.0)
    ring = profile.ring
    if ring is not None:
        ma = ring.count * (ring.led_ma * ring.brightness + 1)
        words = f"{ring.count} × ({ring.led_ma:g} mA × {ring.brightness:g} + 1 mA)"
        yield Draw("ring", SPI_DATA, 0.5, ma, words)
    for number, warning in enumerate(profile.warnings):
        yield _warning(f"warning[{number}]", warning)
    if profile.buzzer is not None:
        yield _buzzer(profile.buzzer)
    if profile.speaker is not None:
        ma = profile.speaker.current_ma
        words = "" if ma is None else f"{ma:g} mA, at its loudest"
        yield Draw("speaker", None, 0.0, ma, words)


def _warning(key: str, part: WarningPin) -> Draw:
    supply_v = PIN_V if part.driver == "none" else RAIL_V
    drop_v = SATURATED_V if part.driver == "npn" else 0.0
    light_ma = part.light_ma
    words = "" if light_ma is None else f"{light_ma:g} mA, resistors of its own"
    if light_ma is None and part.forward_v is not None and part.ohm is not None:
        light_ma = _ohms_law_ma(supply_v - part.forward_v - drop_v, part.ohm)
        words = f"({supply_v:g} V − {part.forward_v:g} V"
        words += f" − {drop_v:g} V) / {_ohms(part.ohm)}" if drop_v else f") / {_ohms(part.ohm)}"
    if part.driver == "none":
        return Draw(key, part.pin, light_ma, 0.0, words, light_ma, part.most_ma)
    into_ma = _into_ma(part.driver, part.base_ohm, part.pulldown_ohm)
    return Draw(key, part.pin, into_ma, light_ma, words, light_ma, part.most_ma)


def _buzzer(part: BuzzerPin) -> Draw:
    supply_v = PIN_V if part.driver == "none" else RAIL_V
    ma, words = part.current_ma, "" if part.current_ma is None else f"{part.current_ma:g} mA"
    if ma is None and part.ohm is not None:
        ma = _ohms_law_ma(supply_v, part.ohm)
        words = f"{supply_v:g} V / {_ohms(part.ohm)}, plus charging"
    if part.driver == "none":
        return Draw("buzzer", part.pin, ma, 0.0, words)
    return Draw("buzzer", part.pin, _into_ma("npn", part.base_ohm, part.pulldown_ohm), ma, words)


def _into_ma(driver: str, base_ohm: float | None, pulldown_ohm: float | None) -> float | None:
    """What the pin gives to a transistor. A MOSFET's gate: the moment it is charged in."""
    if base_ohm is None:
        return None
    if driver == "npn":
        return _ohms_law_ma(PIN_V - BASE_V, base_ohm)
    return _ohms_law_ma(PIN_V, base_ohm)


def base_ma(base_ohm: float, pulldown_ohm: float | None) -> float:
    """What of that reaches the base."""
    past_ma = 0.0 if pulldown_ohm is None else _ohms_law_ma(BASE_V, pulldown_ohm)
    return _ohms_law_ma(PIN_V - BASE_V, base_ohm) - past_ma


def totals(parts: tuple[Draw, ...]) -> tuple[float, float]:
    """All at once: mA through the pins, mA from 5 V."""
    return sum(part.pin_ma or 0 for part in parts), sum(part.rail_ma or 0 for part in parts)


def faults(profile: BoardProfile, pi: Pi) -> Iterator[tuple[str, str]]:
    """What is too much on this Pi: the key, and the sum in words."""
    parts = draws(profile)
    for part in parts:
        if part.light_ma is not None and part.most_ma is not None and part.light_ma > part.most_ma:
            text = f": {part.reckoning} = {part.light_ma:.1f} mA; the light stands {part.most_ma:g}"
            yield part.key, f"{text} mA: a larger resistor"
        if part.pin_ma is not None and part.pin_ma > pi.pin_ma:
            text = f": {part.pin_ma:.1f} mA through GPIO {part.pin}; one pin of a {pi.title} gives"
            yield (
                f"{part.key} (pin)",
                f"{text} {pi.pin_ma:g} mA: a transistor, or a larger resistor",
            )
    yield from _transistors(profile)
    pins_ma, rail_ma = totals(parts)
    if pins_ma > pi.pins_ma:
        words = _sum((part.key, part.pin_ma) for part in parts)
        text = f": {words} = {pins_ma:.1f} mA; all pins of a {pi.title} together give"
        yield "the pins", f"{text} {pi.pins_ma:g} mA"
    if rail_ma > pi.rail_ma:
        words = _sum((part.key, part.rail_ma) for part in parts)
        text = f": {words} = {rail_ma:.0f} mA; beside a {pi.title} and a camera its supply gives"
        yield "5 V", f"{text} {pi.rail_ma:.0f} mA"


def _transistors(profile: BoardProfile) -> Iterator[tuple[str, str]]:
    """Whether each transistor is fully on, and not asked for more than it stands."""
    driven = [(f"warning[{n}]", each) for n, each in enumerate(profile.warnings)]
    circuits: list[tuple[str, WarningPin | BuzzerPin, Draw]] = [
        (key, part, _warning(key, part)) for key, part in driven
    ]
    if profile.buzzer is not None:
        circuits.append(("buzzer", profile.buzzer, _buzzer(profile.buzzer)))
    for key, part, draw in circuits:
        if part.driver != "npn" or draw.rail_ma is None:
            continue
        if draw.rail_ma > NPN_MOST_MA:
            text = f": {draw.rail_ma:.0f} mA; a small transistor stands {NPN_MOST_MA:g} mA"
            yield f"{key} (transistor)", f"{text}: a MOSFET"
        elif part.base_ohm is not None:
            into_ma = base_ma(part.base_ohm, part.pulldown_ohm)
            if draw.rail_ma > SURE_GAIN * into_ma:
                text = (
                    f": {into_ma:.2f} mA into the base switch {SURE_GAIN * into_ma:.0f} mA surely"
                )
                yield f"{key} (transistor)", f"{text}, not {draw.rail_ma:.0f}: a smaller base_ohm"


def _ohms_law_ma(volt: float, ohm: float) -> float:
    return max(0.0, 1000 * volt / ohm)


def _ohms(ohm: float | None) -> str:
    if ohm is not None and ohm >= 1000:
        return f"{ohm / 1000:g} kΩ"
    return f"{ohm:g} Ω"


def _sum(parts: Iterator[tuple[str, float | None]]) -> str:
    return " + ".join(f"{key} {ma:.1f}" for key, ma in parts if ma)
