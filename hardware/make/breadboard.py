"""A board as a picture of a breadboard beside the header of a Pi, as SVG.

Holes are named as on the breadboard: column 1 to 30, row a to j. The five holes of a column on one
side of the gap are one contact; `Circuit` keeps what is joined, so that a test can follow the
current through the picture and compare it with the profile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

from edge.devices.electrics import HEADER, I2S_CLOCK, I2S_DATA, I2S_FRAME, POWER, SPI_DATA
from edge.devices.profile import BoardProfile, BuzzerPin, WarningPin

PITCH = 20
COLUMNS = 30
LEFT, TOP = 70, 150
ROWS = "abcdefghij"
GAP = 2 * PITCH  # between e and f
RAIL = 2.2 * PITCH  # from a row to the rails beside it
COLORS = {"5V": "#c62828", "GND": "#222222", "3V3": "#ef6c00"}
NAMED = {"red": "#e91e63", "green": "#2e7d32", "blue": "#1565c0"}
WIRES = ("#6a1b9a", "#00838f", "#ad1457", "#5d4037", "#9e9d24")
BANDS = {
    0: "#111", 1: "#7b4a12", 2: "#d32f2f", 3: "#ef6c00", 4: "#fbc02d", 5: "#388e3c",
    6: "#1565c0", 7: "#7b1fa2", 8: "#9e9e9e", 9: "#fff",
}  # fmt: skip
BOARD = "#f4f1ea"
FONT = "DejaVu Sans, Arial, sans-serif"

Place = tuple[int, str]  # column and row; rows "+", "-" of the rails above, "p", "m" of those below


def bands(ohm: float) -> tuple[int, int, int]:
    """The three rings of a resistor: two digits and the number of zeros."""
    zeros = len(str(round(ohm))) - 2
    digits = round(ohm / 10**zeros)
    return digits // 10, digits % 10, zeros


@dataclass
class Circuit:
    """The picture while it is drawn, and what it joins.

    nets: pairs of contacts that a wire joins; a contact is a part of a column, a rail or a header
    pin. parts: what a part is called, and the contacts of its legs.
    """

    behind: list[str] = field(default_factory=list)
    wires: list[str] = field(default_factory=list)
    front: list[str] = field(default_factory=list)
    nets: list[tuple[str, str]] = field(default_factory=list)
    parts: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    from_header: list[tuple[int, Place, str]] = field(default_factory=list)
    column: int = 3  # the next free one

    def take(self, columns: int) -> int:
        first = self.column
        self.column += columns
        if self.column > COLUMNS - 1:
            raise ValueError(f"the parts need {self.column} columns; there are {COLUMNS - 2}")
        return first


def contact(place: Place) -> str:
    column, row = place
    if row in "+p":
        return "5V"
    if row in "-m":
        return "GND"
    return f"{column}{'top' if row in 'abcde' else 'bottom'}"


def spot(place: Place) -> tuple[float, float]:
    column, row = place
    x = LEFT + (column - 1) * PITCH
    if row == "-":
        return x, TOP - RAIL
    if row == "+":
        return x, TOP - RAIL - PITCH
    bottom = TOP + 9 * PITCH + GAP - PITCH
    if row == "p":
        return x, bottom + RAIL
    if row == "m":
        return x, bottom + RAIL + PITCH
    index = ROWS.index(row)
    return x, TOP + index * PITCH + (GAP - PITCH if index > 4 else 0)


LABELS = spot((1, "m"))[1] + 20  # where the names of the wires begin
HEADER_TOP = LABELS + 330
HEADER_LEFT = LEFT + 4 * PITCH + 5


def header_spot(pin: int) -> tuple[float, float]:
    """Even pins are the row at the edge of the Pi, here above; pin 1 is on the left, below."""
    return HEADER_LEFT + (pin - 1) // 2 * PITCH, HEADER_TOP + (PITCH if pin % 2 else 0)


# ---------------------------------------------------------------- pieces


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 12,
    anchor: str = "middle",
    fill: str = "#222",
    bold: bool = False,
    halo: str = "",
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    if halo:  # what lies behind it keeps a distance
        weight += f' paint-order="stroke" stroke="{halo}" stroke-width="3"'
    return (
        f'<text x="{x:g}" y="{y:g}" font-family="{FONT}" font-size="{size}"{weight}'
        f' text-anchor="{anchor}" fill="{fill}">{escape(words)}</text>'
    )


def line(a: tuple[float, float], b: tuple[float, float], color: str, width: float = 4) -> str:
    return (
        f'<line x1="{a[0]:g}" y1="{a[1]:g}" x2="{b[0]:g}" y2="{b[1]:g}" stroke="{color}"'
        f' stroke-width="{width:g}" stroke-linecap="round"/>'
    )


def rect(
    x: float, y: float, w: float, h: float, fill: str, *, r: float = 0, stroke: str = "none"
) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="{r:g}" fill="{fill}"'
        f' stroke="{stroke}"/>'
    )


def circle(
    x: float, y: float, r: float, fill: str, stroke: str = "none", opacity: float = 1
) -> str:
    return (
        f'<circle cx="{x:g}" cy="{y:g}" r="{r:g}" fill="{fill}" stroke="{stroke}"'
        f' fill-opacity="{opacity:g}"/>'
    )


def jumper(circuit: Circuit, a: Place, b: Place, color: str) -> None:
    circuit.nets.append((contact(a), contact(b)))
    circuit.wires.append(line(spot(a), spot(b), "white", 7) + line(spot(a), spot(b), color))
    circuit.wires += [circle(*spot(end), 3.5, color, "white") for end in (a, b)]


def resistor(
    circuit: Circuit, a: Place, b: Place, ohm: float, *, name: str, left: bool = False
) -> None:
    """Between two holes of one column, or of one row."""
    circuit.parts.append((f"{name} {ohm:g}", (contact(a), contact(b))))
    (x1, y1), (x2, y2) = spot(a), spot(b)
    circuit.front.append(line((x1, y1), (x2, y2), "#9e9e9e", 2.5))
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    upright = abs(y2 - y1) > abs(x2 - x1)
    long, thick = 30, 11
    if upright:
        circuit.front.append(
            rect(x - thick / 2, y - long / 2, thick, long, "#e8d3a2", r=4, stroke="#8d6e3f")
        )
    else:
        circuit.front.append(
            rect(x - long / 2, y - thick / 2, long, thick, "#e8d3a2", r=4, stroke="#8d6e3f")
        )
    for place, digit in zip((-9, -3, 3), bands(ohm), strict=True):
        if upright:
            circuit.front.append(rect(x - thick / 2, y + place - 1.5, thick, 3.4, BANDS[digit]))
        else:
            circuit.front.append(rect(x + place - 1.5, y - thick / 2, 3.4, thick, BANDS[digit]))
    words = f"{ohm / 1000:g}k" if ohm >= 1000 else f"{ohm:g}"
    if not upright or y1 < y2 < TOP:
        circuit.front.append(text(x, y + 18, words, size=10))
    elif a[1] == "a":
        dx, anchor = (-8, "end") if left else (8, "start")
        circuit.front.append(text(x + dx, y + 4, words, size=10, anchor=anchor))
    else:
        circuit.front.append(text(x, y2 + 17, words, size=9))


def led(circuit: Circuit, anode: Place, cathode: Place, color: str, name: str) -> None:
    """The flat side and the minus are the cathode's, the short leg."""
    circuit.parts.append((name, (contact(anode), contact(cathode))))
    (xa, y), (xc, _) = spot(anode), spot(cathode)
    x = (xa + xc) / 2
    circuit.front += [line((xa, y), (x, y), "#9e9e9e", 2.5), line((xc, y), (x, y), "#9e9e9e", 2.5)]
    circuit.front.append(circle(x, y, 14, color, "#555", 0.9))
    flat = 1 if xc > xa else -1
    circuit.front.append(line((x + flat * 12, y - 9), (x + flat * 12, y + 9), "#333", 3))
    circuit.front.append(text(x - flat * 20, y - 7, "+", size=14, bold=True))
    circuit.front.append(text(x + flat * 20, y - 7, "−", size=14, bold=True))


def legged(circuit: Circuit, at: Place, legs: str, title: str, *, tab: bool = False) -> None:
    """A transistor, its flat side towards the reader; `legs` from left to right."""
    column, row = at
    circuit.parts.append((f"{title} {legs}", tuple(contact((column + n, row)) for n in range(3))))
    x, y = spot((column + 1, row))
    for n in range(3):
        px, py = spot((column + n, row))
        circuit.front.append(line((px, py), (x + (n - 1) * 7, y - 12), "#9e9e9e", 2.5))
        circuit.front.append(text(px, py + 16, legs[n], size=11, bold=True, fill="#0d47a1"))
    if tab:
        circuit.front.append(rect(x - 20, y - 52, 40, 14, "#bdbdbd", stroke="#777"))
        circuit.front.append(circle(x, y - 45, 4, "#fafafa", "#777"))
    circuit.front.append(rect(x - 20, y - 38, 40, 28, "#212121", r=2 if tab else 9))
    circuit.front.append(text(x, y - 21, title, size=9, fill="white"))


# ---------------------------------------------------------------- the circuits


def status(circuit: Circuit, board: BoardProfile) -> None:
    pins = board.status
    ohm = {"red": pins.red_ohm, "green": pins.green_ohm, "blue": pins.blue_ohm}
    bcm = {"red": pins.red, "green": pins.green, "blue": pins.blue}
    paint = {"red": "#ef5350", "green": "#66bb6a", "blue": "#42a5f5"}
    if pins.package == "three":
        for color, value in ohm.items():
            column = circuit.take(3)
            led(circuit, (column, "c"), (column + 1, "c"), paint[color], f"{color} LED")
            resistor(circuit, (column, "e"), (column, "f"), value, name=color)
            jumper(circuit, (column + 1, "a"), (column + 1, "-"), COLORS["GND"])
            circuit.from_header.append((HEADER[bcm[color]], (column, "h"), f"{color}"))
        return
    column = circuit.take(5)
    order = ("red", "common", "green", "blue")
    legs = tuple(contact((column + n, "c")) for n in range(4))
    circuit.parts.append(("RGB LED", legs))
    x = (spot((column, "c"))[0] + spot((column + 3, "c"))[0]) / 2
    y = spot((column, "c"))[1]
    for n, name in enumerate(order):
        px, _ = spot((column + n, "c"))
        circuit.front.append(line((px, y), (x + (n - 1.5) * 8, y - 14), "#9e9e9e", 2.5))
        mark = {"common": "−" if pins.active_high else "+"}.get(name, name[0].upper())
        circuit.front.append(text(px, y + 16, mark, size=11, bold=True, fill="#0d47a1"))
    circuit.front.append(circle(x, y - 26, 19, "#f5f5f5", "#555", 0.95))
    circuit.front += [
        circle(x - 7, y - 28, 5, paint["red"]),
        circle(x + 7, y - 28, 5, paint["green"]),
        circle(x, y - 19, 5, paint["blue"]),
    ]
    for n, name in enumerate(order):
        if name == "common":
            if pins.active_high:
                jumper(circuit, (column + n, "a"), (column + n, "-"), COLORS["GND"])
            else:
                jumper(circuit, (column + n, "e"), (column + n, "f"), COLORS["3V3"])
                circuit.from_header.append((17, (column + n, "h"), "3.3 V"))
            continue
        resistor(circuit, (column + n, "e"), (column + n, "f"), ohm[name], name=name)
        circuit.from_header.append((HEADER[bcm[name]], (column + n, "h"), name))


def base(circuit: Circuit, column: int, part: WarningPin | BuzzerPin, wire: str) -> None:
    """The resistors of a base or gate in this column, and the wire that drives it."""
    resistor(circuit, (column, "e"), (column, "f"), part.base_ohm, name="base")
    resistor(
        circuit,
        (column, "a"),
        (column, "-"),
        part.pulldown_ohm,
        name="pulldown",
        left=part.driver == "mosfet",  # the wire of its light is on the right
    )
    circuit.from_header.append((HEADER[part.pin], (column, "h"), wire))


def warning(circuit: Circuit, part: WarningPin, name: str) -> None:
    if part.driver == "mosfet":
        column = circuit.take(7)
        legged(circuit, (column, "d"), "GDS", "N-FET", tab=True)
        base(circuit, column, part, name)
        jumper(circuit, (column + 2, "e"), (column + 4, "e"), COLORS["GND"])
        jumper(circuit, (column + 4, "a"), (column + 4, "-"), COLORS["GND"])
        lamp(circuit, column, part, name)
        return
    column = circuit.take(5)
    legged(circuit, (column, "d"), "EBC", "NPN")
    jumper(circuit, (column, "a"), (column, "-"), COLORS["GND"])
    base(circuit, column + 1, part, name)
    led(circuit, (column + 4, "b"), (column + 2, "b"), "#ffd54f", f"{name} LED")
    resistor(circuit, (column + 4, "e"), (column + 4, "f"), part.ohm, name=name)
    jumper(circuit, (column + 4, "j"), (column + 4, "p"), COLORS["5V"])


def lamp(circuit: Circuit, column: int, part: WarningPin, name: str) -> None:
    x, _ = spot((column + 1, "+"))
    y = 30
    circuit.parts.append((f"{name} lamp", ("5V", contact((column + 1, "a")))))
    circuit.front.append(rect(x - 10, y - 16, 150, 32, "#fff8e1", r=4, stroke="#c9a227"))
    circuit.front += [circle(x + 8 + 25 * n, y, 7, "#ffeb3b", "#c9a227") for n in range(6)]
    circuit.front.append(text(x + 150, y + 4, f"5 V light, {part.light_ma:g} mA", anchor="start"))
    end, rail = spot((column + 1, "a")), spot((column + 3, "+"))
    circuit.front += [
        line(end, (end[0], y + 16), "white", 7),
        line(end, (end[0], y + 16), "#78909c"),
    ]
    circuit.front.append(line(rail, (rail[0], y + 16), COLORS["5V"]))
    circuit.front.append(text(end[0] - 9, y + 36, "−", size=14, bold=True))
    circuit.front.append(text(rail[0] + 10, y + 36, "+", size=14, bold=True))


def buzzer(circuit: Circuit, part: BuzzerPin) -> None:
    column = circuit.take(7)
    legged(circuit, (column, "d"), "EBC", "NPN")
    jumper(circuit, (column, "a"), (column, "-"), COLORS["GND"])
    base(circuit, column + 1, part, "buzzer")
    circuit.parts.append(
        (f"{part.kind} buzzer", (contact((column + 5, "b")), contact((column + 2, "b"))))
    )
    (x1, y), (x2, _) = spot((column + 2, "b")), spot((column + 5, "b"))
    x = (x1 + x2) / 2 + 4
    circuit.front += [line((x1, y), (x, y), "#9e9e9e", 2.5), line((x2, y), (x, y), "#9e9e9e", 2.5)]
    circuit.front.append(circle(x, y, 22, "#37474f", "#111"))
    circuit.front.append(circle(x, y, 5, "#111"))
    circuit.front.append(
        text(x, y + 17, "piezo" if part.kind == "passive" else "active", size=9, fill="white")
    )
    circuit.front.append(text(x1 - 2, y - 8, "−", size=14, bold=True))
    circuit.front.append(text(x2 + 10, y - 4, "+", size=14, bold=True))
    if part.ohm is not None:
        resistor(circuit, (column + 2, "e"), (column + 5, "e"), part.ohm, name="discharge")
    jumper(circuit, (column + 5, "a"), (column + 5, "+"), COLORS["5V"])


def button(circuit: Circuit, pin: int) -> None:
    column = circuit.take(4)
    circuit.parts.append(("button", (contact((column, "f")), contact((column + 2, "e")))))
    (x1, y1), (x2, y2) = spot((column, "e")), spot((column + 2, "f"))
    circuit.front += [circle(x, y, 3, "#9e9e9e") for x in (x1, x2) for y in (y1, y2)]
    circuit.front.append(
        rect(x1 - 6, y1 - 4, x2 - x1 + 12, y2 - y1 + 8, "#455a64", r=4, stroke="#111")
    )
    circuit.front.append(circle((x1 + x2) / 2, (y1 + y2) / 2, 12, "#ef5350", "#111"))
    circuit.from_header.append((HEADER[pin], (column, "h"), "button"))
    jumper(circuit, (column + 2, "a"), (column + 2, "-"), COLORS["GND"])


def ring(circuit: Circuit, board: BoardProfile) -> None:
    column = circuit.take(8)
    circuit.from_header.append((HEADER[SPI_DATA], (column, "h"), "ring data"))
    resistor(circuit, (column, "e"), (column, "f"), board.ring.ohm, name="data")
    (x1, y), (x2, _) = spot((column + 2, "b")), spot((column + 5, "b"))
    circuit.parts.append(("diode", (contact((column + 2, "b")), contact((column + 5, "b")))))
    circuit.front.append(line((x1, y), (x2, y), "#9e9e9e", 2.5))
    circuit.front.append(rect((x1 + x2) / 2 - 18, y - 7, 36, 14, "#212121", r=2))
    circuit.front.append(rect((x1 + x2) / 2 + 9, y - 7, 5, 14, "#e0e0e0"))
    circuit.front.append(text((x1 + x2) / 2, y + 20, "1N4001", size=10))
    jumper(circuit, (column + 2, "a"), (column + 2, "+"), COLORS["5V"])
    cx, cy = spot((column + 3, "+"))[0], 34
    circuit.parts.append(("ring", (contact((column, "a")), contact((column + 5, "a")), "GND")))
    for end, color, name, side, at in (
        (spot((column, "a")), WIRES[0], "DIN", -1, 0),
        (spot((column + 5, "a")), COLORS["5V"], "5V", 1, 9),
        (spot((column + 6, "-")), COLORS["GND"], "GND", 1, -9),
    ):
        corner = (end[0], cy + at)
        circuit.front.append(line(end, corner, color) + circle(*end, 3.5, color, "white"))
        circuit.front.append(line(corner, (cx + side * 20, cy + at), color))
        anchor, x = ("end", end[0] - 8) if name != "GND" else ("start", end[0] + 8)
        circuit.front.append(text(x, cy + 32, name, size=11, bold=True, anchor=anchor))
    circuit.front.append(
        f'<circle cx="{cx:g}" cy="{cy:g}" r="22" fill="none" stroke="#1b5e20" stroke-width="12"/>'
    )
    spots = ((0, -22), (16, -16), (22, 0), (16, 16), (0, 22), (-16, 16), (-22, 0), (-16, -16))
    circuit.front += [rect(cx + dx - 3, cy + dy - 3, 6, 6, "#fafafa", r=1) for dx, dy in spots]
    words = f"ring of {board.ring.count} WS2812B"
    circuit.front.append(text(cx + 90, cy + 4, words, anchor="start"))


def i2s_speaker(circuit: Circuit) -> None:
    column = circuit.take(9)
    legs = ("LRC", "BCLK", "DIN", "GAIN", "SD", "GND", "Vin")
    circuit.parts.append(("MAX98357A", tuple(contact((column + n, "f")) for n in range(7))))
    x, y = spot((column, "e"))
    circuit.front.append(rect(x - 12, y - 80, 6 * PITCH + 24, 108, "#283593", r=4, stroke="#111"))
    circuit.front.append(text(x + 60, y - 40, "MAX98357A", size=13, fill="white", bold=True))
    for n, name in enumerate(legs):
        px, py = spot((column + n, "f"))
        circuit.front.append(circle(px, py - 6, 4, "#ffd54f", "#111"))
        circuit.front.append(
            f'<text transform="translate({px + 4:g} {py - 14:g}) rotate(-90)" font-family="{FONT}"'
            f' font-size="11" fill="white">{name}</text>'
        )
    for n, bcm in ((0, I2S_FRAME), (1, I2S_CLOCK), (2, I2S_DATA)):
        circuit.from_header.append((HEADER[bcm], (column + n, "h"), legs[n]))
    jumper(circuit, (column + 5, "j"), (column + 5, "m"), COLORS["GND"])
    jumper(circuit, (column + 6, "j"), (column + 6, "p"), COLORS["5V"])
    sx, sy = x + 60, 52
    circuit.parts.append(("speaker", ("amplifier +", "amplifier −")))
    for dx in (-8, 8):
        circuit.front.append(line((sx + dx, y - 78), (sx + dx, sy), "#78909c"))
    circuit.front.append(circle(sx, sy, 34, "#424242", "#111"))
    circuit.front.append(circle(sx, sy, 20, "#616161", "#111"))
    circuit.front.append(circle(sx, sy, 7, "#212121"))
    circuit.front.append(text(sx + 46, sy + 4, "speaker, 4 or 8 Ω", anchor="start"))


# ---------------------------------------------------------------- the whole


def circuit_of(board: BoardProfile) -> Circuit:
    circuit = Circuit()
    if board.status is not None:
        status(circuit, board)
    if board.ring is not None:
        ring(circuit, board)
    for number, part in enumerate(board.warnings, 1):
        warning(circuit, part, f"warning {number}" if len(board.warnings) > 1 else "warning")
    if board.buzzer is not None:
        buzzer(circuit, board.buzzer)
    if board.speaker is not None and board.speaker.kind == "i2s":
        i2s_speaker(circuit)
    if board.button is not None:
        button(circuit, board.button.pin)
    jumper(circuit, (COLUMNS, "-"), (COLUMNS, "m"), COLORS["GND"])
    circuit.from_header.append((6, (1, "m"), "ground"))
    if any("5V" in net for net in circuit.nets) or any("5V" in legs for _, legs in circuit.parts):
        jumper(circuit, (COLUMNS - 1, "+"), (COLUMNS - 1, "p"), COLORS["5V"])
        circuit.from_header.append((2, (2, "p"), "5 V"))
    return circuit


def draw(board: BoardProfile) -> str:
    circuit = circuit_of(board)
    width = LEFT + COLUMNS * PITCH + 50
    height = HEADER_TOP + 130
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:g}"'
        f' viewBox="0 0 {width} {height:g}">',
        rect(0, 0, width, height, "white"),
        *_breadboard(),
        *_header(),
        *_cables(circuit),
        *_pins(circuit),
        *circuit.behind,
        *circuit.wires,
        *_columns(),
        *circuit.front,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _breadboard() -> list[str]:
    (x1, y1), (x2, y2) = spot((1, "+")), spot((COLUMNS, "m"))
    found = [rect(x1 - 24, y1 - 16, x2 - x1 + 48, y2 - y1 + 32, BOARD, r=6, stroke="#bbb")]
    middle = (spot((1, "e"))[1] + spot((1, "f"))[1]) / 2
    found.append(rect(x1 - 24, middle - 5, x2 - x1 + 48, 10, "#e2ddd0"))
    for row, color in (("+", "5V"), ("-", "GND"), ("p", "5V"), ("m", "GND")):
        y = spot((1, row))[1]
        edge = y - 11 if row in "+p" else y + 11
        found.append(
            line((x1 - 10, edge), (x2 + 10, edge), {"5V": "#e57373", "GND": "#64b5f6"}[color], 1.5)
        )
        found.append(text(x1 - 40, y + 5, "+" if color == "5V" else "−", size=16, bold=True))
    for row in ROWS:
        found.append(text(x1 - 16, spot((1, row))[1] + 4, row, size=11, fill="#777"))
    holes = [spot((n, row)) for row in ROWS + "+-pm" for n in range(1, COLUMNS + 1)]
    path = "".join(f"M{x:g} {y:g}h.1" for x, y in holes)
    found.append(f'<path d="{path}" stroke="#6d6a63" stroke-width="5" stroke-linecap="square"/>')
    return found


def _columns() -> list[str]:
    """Their numbers, which no wire hides."""
    found = []
    for column in (1, *range(5, COLUMNS + 1, 5)):
        for row, below in (("a", -10), ("j", 17)):
            x, y = spot((column, row))
            found.append(text(x, y + below, str(column), size=10, fill="#777", halo=BOARD))
    return found


def _header() -> list[str]:
    x1, y1 = header_spot(2)
    x2, y2 = header_spot(39)
    found = [
        rect(x1 - 40, y1 - 26, x2 - x1 + 80, 150, "#2e7d32", r=10),
        rect(x1 - 12, y1 - 12, x2 - x1 + 24, y2 - y1 + 24, "#222", r=2),
    ]
    found.append(text(x1 - 20, y2 + 4, "1", size=15, fill="white", bold=True))
    found.append(text(x1 - 20, y1 + 4, "2", size=15, fill="white", bold=True))
    found.append(text(x2 + 24, y2 + 4, "39", size=13, fill="white"))
    found.append(text(x2 + 24, y1 + 4, "40", size=13, fill="white"))
    for n, words in enumerate(
        (
            "The header, seen from above. Pin 1 has a square pad, at the",
            "corner of the Pi; even pins are the row along its edge.",
        )
    ):
        found.append(text(x1, y2 + 42 + 18 * n, words, anchor="start", fill="white"))
    return found


def _pins(circuit: Circuit) -> list[str]:
    used = {pin for pin, _, _ in circuit.from_header}
    found = []
    for pin in range(1, 41):
        x, y = header_spot(pin)
        shape = rect(
            x - 6, y - 6, 12, 12, "#ffd54f" if pin in used else "#8a7b3c", r=0 if pin == 1 else 7
        )
        found.append(shape)
        if pin in used:
            found.append(text(x, y + 4, str(pin), size=9))
    return found


def _cables(circuit: Circuit) -> list[str]:
    """A wire from each header pin on a track of its own: no two lie upon each other."""
    found = []
    ends = sorted(circuit.from_header, key=lambda each: (each[1][0], each[0]))
    colors = iter(WIRES * 3)
    tops = HEADER_TOP - 40
    for track, (pin, place, label) in enumerate(ends):
        circuit.nets.append((f"header {pin}", contact(place)))
        color = COLORS[POWER[pin]] if pin in POWER else NAMED.get(label) or next(colors)
        (px, py), (x, y) = header_spot(pin), spot(place)
        level = tops - track * 17
        side = px + PITCH / 2 if pin % 2 else px
        path = f"M{px:g} {py:g}L{side:g} {py:g}L{side:g} {level:g}L{x:g} {level:g}L{x:g} {y:g}"
        for stroke, width in (("white", 7), (color, 3.6)):
            found.append(
                f'<path d="{path}" fill="none" stroke="{stroke}" stroke-width="{width}"'
                ' stroke-linejoin="round" stroke-linecap="round"/>'
            )
        found.append(circle(x, y, 3.5, color, "white"))
        name = f"{label}: pin {pin}"
        found.append(
            f'<text transform="translate({x + 13:g} {LABELS + 106:g}) rotate(-90)"'
            f' font-family="{FONT}" font-size="11" fill="{color}">{escape(name)}</text>'
        )
    return found
