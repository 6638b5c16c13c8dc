"""The circuit of a board as a schematic, drawn with schemdraw."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import schemdraw
import schemdraw.elements as e

from edge.devices.electrics import HEADER, I2S_CLOCK, I2S_DATA, I2S_FRAME, SPI_DATA
from edge.devices.profile import BoardProfile, BuzzerPin, RingLight, StatusPins, WarningPin

COLUMN, ROW = 8.6, 8.2  # what one part of the circuit gets, in schemdraw's units
COLUMNS = 2

Block = Callable[[schemdraw.Drawing, float, float], None]


def ohms(ohm: float) -> str:
    return f"{ohm / 1000:g} kΩ" if ohm >= 1000 else f"{ohm:g} Ω"


def pin_name(pin: int) -> str:
    return f"GPIO {pin}\npin {HEADER[pin]}"


def draw(board: BoardProfile) -> str:
    schemdraw.use("svg")
    schemdraw.svgconfig.text = "text"
    drawing = schemdraw.Drawing(show=False)
    drawing.config(fontsize=11, unit=2.4, font="DejaVu Sans, Arial, sans-serif", lw=1.6)
    tall: list[tuple[str, Block]] = []
    flat: list[tuple[str, Block]] = []
    if board.status is not None:
        tall.append(("Status light", partial(_status, pins=board.status)))
    if board.ring is not None:
        tall.append(("Status light: WS2812 ring", partial(_ring, ring=board.ring)))
    for number, part in enumerate(board.warnings, 1):
        title = f"Warning light {number}" if len(board.warnings) > 1 else "Warning light"
        tall.append((title, partial(_warning, part=part)))
    if board.buzzer is not None:
        title = "Passive buzzer" if board.buzzer.kind == "passive" else "Active buzzer"
        tall.append((title, partial(_buzzer, part=board.buzzer)))
    if board.speaker is not None and board.speaker.kind == "i2s":
        tall.append(("Speaker", _i2s_speaker))
    elif board.speaker is not None:
        flat.append(("Speaker", _usb_speaker))
    if board.button is not None:
        flat.append(("Button", partial(_button, pin=board.button.pin)))
    # A flat part takes what is left of a tall row, or begins a row of its own.
    if len(tall) % COLUMNS and flat:
        tall.append(flat.pop(0))
    rows = -(-len(tall) // COLUMNS)
    for number, (title, block) in enumerate(tall):
        x, y = number % COLUMNS * COLUMN, -(number // COLUMNS) * ROW
        _text(drawing, (x - 1.8, y + 3.6), title, fontsize=14, halign="left")
        block(drawing, x, y)
    bottom = -(rows - 1) * ROW - 4.2
    for number, (title, block) in enumerate(flat):
        x, y = number * COLUMN, bottom - 2.2
        _text(drawing, (x - 1.8, y + 1.6), title, fontsize=14, halign="left")
        block(drawing, x, y)
    bottom -= 4.2 if flat else 0.0
    # Corners, so that nothing is cut off and every drawing has the same margins.
    for corner in ((-2.4, 4.4), (COLUMNS * COLUMN - 1.2, bottom)):
        drawing += e.Line().at(corner).to((corner[0] + 0.01, corner[1])).color("white")
    svg = drawing.get_imagedata("svg").decode()
    x, y, width, height = re.search(r'viewBox="(\S+) (\S+) (\S+) (\S+)"', svg).groups()
    ground = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="white"/>'
    head, body = svg.split(">", 1)
    return f"{head}>{ground}{body}\n"


def _text(d: schemdraw.Drawing, at: tuple[float, float], text: str, **how: object) -> None:
    d += e.Label().theta(0).at(at).label(text, **how)


def _pin(d: schemdraw.Drawing, at: tuple[float, float], pin: int) -> None:
    d += e.Dot(open=True).at(at).label(pin_name(pin), loc="left")


def _status(d: schemdraw.Drawing, x: float, y: float, pins: StatusPins) -> None:
    for row, (color, pin, ohm) in enumerate(
        (
            ("red", pins.red, pins.red_ohm),
            ("green", pins.green, pins.green_ohm),
            ("blue", pins.blue, pins.blue_ohm),
        )
    ):
        at = y + 2 - 1.9 * row
        _pin(d, (x, at), pin)
        d += e.Resistor().at((x, at)).right().label(ohms(ohm))
        led = e.LED().right().label(color, loc="bottom", ofst=0.3)
        d += led if pins.active_high else led.reverse()
        d += e.Line().right().length(0.5)
        end = (x + 5.3, at)
        if row < 2:
            d += e.Dot().at(end)
            d += e.Line().at(end).down().length(1.9)
    end = (x + 5.3, y - 1.8)
    if pins.active_high:
        d += e.Ground().at(end)
        common = "common cathode" if pins.package == "rgb" else "cathodes (short legs)"
    else:
        d += e.Line().at(end).right().length(0.6)
        d += e.Vdd().at((x + 5.9, y - 1.8)).label("3.3 V\npin 17")
        common = "common anode"
    _text(d, (x + 1.6, y - 3.4), common, halign="left", fontsize=11)


def _npn(
    d: schemdraw.Drawing, x: float, y: float, part: WarningPin | BuzzerPin
) -> tuple[float, float]:
    """A transistor from a pin to ground; returns the place of its collector."""
    _pin(d, (x, y), part.pin)
    d += e.Resistor().at((x, y)).right().label(ohms(part.base_ohm))
    d += e.Dot().at((x + 2.4, y))
    d += e.Resistor().at((x + 2.4, y)).down().label(ohms(part.pulldown_ohm), loc="top")
    d += e.Ground().at((x + 2.4, y - 2.4))
    d += e.Line().at((x + 2.4, y)).right().length(0.8)
    transistor = e.BjtNpn(circle=True).right().anchor("base").at((x + 3.2, y))
    d += transistor
    d += e.Line().at(transistor.emitter).down().toy(y - 2.4)
    d += e.Ground()
    cx, cy = transistor.collector
    ex, ey = transistor.emitter
    _text(d, (cx + 0.35, cy - 0.05), "C")
    _text(d, (ex + 0.35, ey - 0.05), "E")
    _text(d, (x + 3.05, y + 0.4), "B")
    _text(d, (cx + 0.7, y), "NPN", halign="left")
    return cx, cy


def _warning(d: schemdraw.Drawing, x: float, y: float, part: WarningPin) -> None:
    if part.driver == "mosfet":
        _mosfet(d, x, y, part)
        return
    cx, cy = _npn(d, x, y - 0.6, part)
    d += e.LED().at((cx, cy)).up().reverse().length(1.7)
    _text(d, (cx + 0.35, cy + 1.35), "+")
    _text(d, (cx + 0.35, cy + 0.35), "−")
    d += e.Resistor().at((cx, cy + 1.7)).up().length(1.7).label(ohms(part.ohm), loc="bottom")
    d += e.Vdd().label("5 V")


def _mosfet(d: schemdraw.Drawing, x: float, y: float, part: WarningPin) -> None:
    y -= 0.6
    _pin(d, (x, y), part.pin)
    d += e.Resistor().at((x, y)).right().label(ohms(part.base_ohm))
    d += e.Dot().at((x + 2.4, y))
    d += e.Resistor().at((x + 2.4, y)).down().label(ohms(part.pulldown_ohm), loc="top")
    d += e.Ground().at((x + 2.4, y - 2.4))
    d += e.Line().at((x + 2.4, y)).right().length(1.0)
    fet = e.NFet().theta(0).reverse().anchor("gate").at((x + 3.4, y))
    d += fet
    d += e.Line().at(fet.source).down().toy(y - 2.4)
    d += e.Ground()
    cx, cy = fet.drain
    sx, sy = fet.source
    _text(d, (cx + 0.35, cy + 0.05), "D")
    _text(d, (sx + 0.35, sy - 0.05), "S")
    _text(d, (x + 3.2, y + 0.4), "G")
    _text(d, (cx + 0.7, y), "logic-level\nMOSFET", halign="left")
    d += (
        e.Lamp()
        .at((cx, cy))
        .up()
        .length(2.4)
        .label(f"5 V light\n{part.light_ma:g} mA", loc="bottom")
    )
    d += e.Vdd().label("5 V")


def _buzzer(d: schemdraw.Drawing, x: float, y: float, part: BuzzerPin) -> None:
    cx, cy = _npn(d, x, y - 0.6, part)
    if part.kind == "active":
        d += e.RBox().at((cx, cy)).up().length(2.6).label("buzzer", loc="bottom")
        d += e.Vdd().label("5 V")
        _text(d, (cx - 0.4, cy + 2.0), "+")
        _text(d, (cx - 0.4, cy + 0.5), "−")
        return
    d += e.Line().at((cx, cy)).up().length(0.5)
    d += e.Dot()
    d += e.Crystal().up().length(1.8).label("piezo", loc="bottom")
    d += e.Dot()
    top = (cx, cy + 2.3)
    d += e.Line().at((cx, cy + 0.5)).left().length(1.3)
    d += e.Resistor().up().length(1.8).label(ohms(part.ohm), loc="top")
    d += e.Line().to(top)
    d += e.Line().at(top).up().length(0.3)
    d += e.Vdd().label("5 V")


def _ring(d: schemdraw.Drawing, x: float, y: float, ring: RingLight) -> None:
    _pin(d, (x, y), SPI_DATA)
    d += e.Resistor().at((x, y)).right().label(ohms(ring.ohm))
    d += e.Line().right().length(1.0)
    d += e.Rect(corner1=(0, 0), corner2=(3.2, 3.8)).theta(0).at((x + 3.4, y - 2.2))
    _text(d, (x + 5.0, y - 1.2), f"ring of {ring.count}\nWS2812B")
    _text(d, (x + 3.5, y - 0.15), "DIN", halign="left")
    d += e.Vdd().at((x, y + 2.6)).label("5 V")
    d += e.Diode().at((x, y + 2.6)).right().label("1N4001", loc="bottom", ofst=0.3)
    _text(d, (x + 1.75, y + 3.0), "stripe", fontsize=9, halign="left")
    d += e.Line().at((x + 2.4, y + 2.6)).right().length(2.6)
    d += e.Line().down().toy(y + 1.6)
    _text(d, (x + 5.0, y + 1.1), "5V")
    d += e.Line().at((x + 5.0, y - 2.2)).down().length(0.4)
    d += e.Ground()
    _text(d, (x + 5.0, y - 2.05), "GND")


def _usb_speaker(d: schemdraw.Drawing, x: float, y: float) -> None:
    _text(d, (x - 1.0, y), "on any USB socket of the Pi:\nnothing to wire", halign="left")


def _i2s_speaker(d: schemdraw.Drawing, x: float, y: float) -> None:
    d += e.Rect(corner1=(0, 0), corner2=(2.9, 5.0)).theta(0).at((x + 1.2, y - 2.6))
    _text(d, (x + 2.65, y + 1.75), "MAX98357A")
    for row, (pin, name) in enumerate(((I2S_CLOCK, "BCLK"), (I2S_FRAME, "LRC"), (I2S_DATA, "DIN"))):
        at = y + 1.1 - 1.35 * row
        _pin(d, (x, at), pin)
        d += e.Line().at((x, at)).right().length(1.2)
        _text(d, (x + 1.3, at - 0.15), name, halign="left")
    d += e.Line().at((x + 2.65, y + 2.4)).up().length(0.3)
    d += e.Vdd().label("5 V to Vin")
    d += e.Line().at((x + 2.65, y - 2.6)).down().length(0.3)
    d += e.Ground()
    d += e.Line().at((x + 4.1, y + 0.2)).right().length(0.6)
    speaker = e.Speaker().right().anchor("in1").at((x + 4.7, y + 0.2))
    d += speaker
    d += e.Line().at(speaker.in2).left().tox(x + 4.1)
    _text(d, (x + 5.6, y - 1.9), "4 or 8 Ω, 3 W")


def _button(d: schemdraw.Drawing, x: float, y: float, pin: int) -> None:
    _pin(d, (x, y), pin)
    d += e.Button().at((x, y)).right().length(2.6)
    d += e.Ground()
    _text(d, (x - 1.0, y - 1.4), "the Pi pulls the pin up by itself", halign="left")
