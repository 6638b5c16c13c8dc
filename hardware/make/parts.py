"""What has to be bought for a board, counted from its profile."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from edge.devices.profile import BoardProfile
from hardware.make.schematic import ohms


@dataclass(frozen=True, slots=True)
class Part:
    """price_eur: typical for one, in 2026, at a shop for hobbyists; ask yours."""

    name: str
    price_eur: float
    instead: str = ""


RGB = Part("RGB LED, 5 mm, diffuse, common cathode", 0.40, "common anode: `active_high = false`")
RGB_ANODE = Part("RGB LED, 5 mm, diffuse, common anode", 0.40, "common cathode: boards/pi.toml")
SINGLE = Part("LED, 5 mm: one red, one green, one blue", 0.10, "the three of a starter kit")
BRIGHT = Part(
    "LED, 5 or 8 mm, bright, amber", 0.20, "white, which draws less through the same 180 Ω"
)
NPN = Part("transistor 2N3904", 0.10, "BC547, legs the other way round: C B E")
MOSFET = Part(
    "MOSFET, logic level: IRLB8721",
    1.20,
    "IRLZ44N, FQP30N06L; not IRF520: 3.3 V leave it half shut",
)
LIGHT = Part("LED strip for 5 V, 60 LEDs a metre, 25 cm", 2.50, "a 5 V USB lamp of up to 300 mA")
PASSIVE = Part("passive piezo buzzer, 12 to 27 mm", 0.80, 'an active one: `kind = "active"`')
ACTIVE = Part("active buzzer for 5 V, 12 mm", 0.80, "a passive one: boards/pi.toml")
RING = Part("ring of 12 WS2812B", 5.00, "any number of them, or a strip: `count`")
DIODE = Part("diode 1N4001", 0.10, "1N4004, 1N4007, 1N5819")
AMPLIFIER = Part("MAX98357A board (I2S DAC and amplifier)", 5.00, "any I2S DAC with an overlay")
SPEAKER = Part("small speaker, 4 or 8 Ω, 2 to 3 W", 3.00, "one from an old radio")
USB_SPEAKER = Part("speaker on USB", 10.00, "a USB sound stick and any active speaker")
BUTTON = Part("push button, 12 mm, normally open", 0.50, "a tactile switch of a starter kit")
BOARD = Part(
    "breadboard, half size, with jumper wires", 5.00, "perfboard 50 × 70 mm, 2 × 20 socket"
)


def resistor(ohm: float) -> Part:
    return Part(f"resistor {ohms(ohm)}, 1/4 W", 0.05, "the next larger one")


def parts(board: BoardProfile) -> list[tuple[int, Part]]:
    """How many of which."""
    found: Counter[Part] = Counter()
    if board.status is not None:
        if board.status.package == "three":
            found[SINGLE] += 3
        else:
            found[RGB if board.status.active_high else RGB_ANODE] += 1
        for ohm in (board.status.red_ohm, board.status.green_ohm, board.status.blue_ohm):
            found[resistor(ohm)] += 1
    if board.ring is not None:
        found += Counter((RING, DIODE, resistor(board.ring.ohm)))
    for light in board.warnings:
        if light.driver == "mosfet":
            found += Counter((MOSFET, LIGHT))
        else:
            found += Counter((BRIGHT, NPN, resistor(light.ohm)))
    if board.buzzer is not None:
        found += Counter((ACTIVE if board.buzzer.kind == "active" else PASSIVE, NPN))
        if board.buzzer.ohm is not None:
            found[resistor(board.buzzer.ohm)] += 1
    for driven in (*board.warnings, *([board.buzzer] if board.buzzer else [])):
        found += Counter((resistor(driven.base_ohm), resistor(driven.pulldown_ohm)))
    if board.speaker is not None:
        found += Counter((AMPLIFIER, SPEAKER) if board.speaker.kind == "i2s" else (USB_SPEAKER,))
    if board.button is not None:
        found[BUTTON] += 1
    found[BOARD] += 1
    return [(count, part) for part, count in found.items()]
