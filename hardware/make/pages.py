"""One page for each board: pins, currents, drawings, parts, steps with a check after each."""

from __future__ import annotations

from collections.abc import Iterator

from edge.devices.electrics import (
    HARDWARE_PWM,
    HEADER,
    I2S_CLOCK,
    I2S_DATA,
    I2S_FRAME,
    SPI_DATA,
    draws,
    totals,
)
from edge.devices.profile import BoardProfile, pis
from hardware.make.parts import parts
from hardware.make.schematic import ohms

COMMAND = "python -m hardware.make"


def page(board: BoardProfile) -> str:
    return "\n".join(_page(board)) + "\n"


def _page(board: BoardProfile) -> Iterator[str]:
    name = board.name
    fits = ", ".join(pis()[pi].title.removeprefix("Raspberry ") for pi in board.fits)
    yield f"# {board.title}"
    yield ""
    yield f'The board `{name}`: `hardware.board = "{name}"`. For {fits}. Made from'
    yield f"[boards/{name}.toml](../boards/{name}.toml) by `{COMMAND}`; change that, not this page."
    yield "Read [WIRING.md](../WIRING.md) first: what ends a Pi, and which leg is which."
    yield ""
    drawing = f"../drawings/{name}"
    yield f"![The circuit on a breadboard, with the wires of the header]({drawing}-breadboard.svg)"
    yield ""
    yield f"![The circuit as a schematic]({drawing}-schematic.svg)"
    yield ""
    yield "## Pins"
    yield ""
    yield "| part | GPIO | header pin | on when | PWM of the chip |"
    yield "| --- | --- | --- | --- | --- |"
    yield from _pin_rows(board)
    yield ""
    yield from _currents(board)
    yield "## Parts"
    yield ""
    yield "Besides what every box needs ([PARTS.md](../PARTS.md), with tools); prices are typical."
    yield ""
    yield "| number | part | each, € | instead |"
    yield "| --- | --- | --- | --- |"
    listed = parts(board)
    for count, part in listed:
        yield f"| {count} | {part.name} | {part.price_eur:.2f} | {part.instead} |"
    yield ""
    yield f"Together about {sum(count * part.price_eur for count, part in listed):.0f} €."
    yield ""
    yield "## Steps"
    yield ""
    for number, (do, check) in enumerate(_steps(board), 1):
        yield f"{number}. {do}"
        yield f"   **Check:** {check}"


def _pin_rows(board: BoardProfile) -> Iterator[str]:
    rows: list[tuple[str, int, str]] = []
    if board.status is not None:
        on = "high" if board.status.active_high else "low"
        for color in ("red", "green", "blue"):
            rows.append((f"status, {color}", getattr(board.status, color), on))
    if board.ring is not None:
        rows.append(("ring, data", SPI_DATA, "(data)"))
    for number, light in enumerate(board.warnings, 1):
        title = f"warning light {number}" if len(board.warnings) > 1 else "warning light"
        rows.append((title, light.pin, "high" if light.active_high else "low"))
    if board.buzzer is not None:
        on = "high" if board.buzzer.active_high else "low"
        rows.append((f"{board.buzzer.kind} buzzer", board.buzzer.pin, on))
    if board.speaker is not None and board.speaker.kind == "i2s":
        for what, pin in (("BCLK", I2S_CLOCK), ("LRC", I2S_FRAME), ("DIN", I2S_DATA)):
            rows.append((f"amplifier, {what}", pin, "(data)"))
    if board.button is not None:
        rows.append(("button", board.button.pin, "low" if board.button.pull == "up" else "high"))
    for what, pin, on in rows:
        pwm = "yes" if pin in HARDWARE_PWM else "no"
        yield f"| {what} | {pin} | {HEADER[pin]} | {on} | {pwm} |"


def _currents(board: BoardProfile) -> Iterator[str]:
    drawn = draws(board)
    yield "## Currents"
    yield ""
    yield "| part | reckoning | from the pin | from 5 V |"
    yield "| --- | --- | --- | --- |"
    for part in drawn:
        pin = f"{part.pin_ma:.1f} mA" if part.pin_ma else ""
        rail = f"{part.rail_ma:.0f} mA" if part.rail_ma else ""
        yield f"| {_called(part.key)} | {part.reckoning} | {pin} | {rail} |"
    pins_ma, rail_ma = totals(drawn)
    yield f"| **all at once** | | **{pins_ma:.1f} mA** | **{rail_ma:.0f} mA** |"
    yield ""
    least = min((pis()[pi] for pi in board.fits), key=lambda pi: pi.rail_ma)
    pin_ma = min(pis()[pi].pin_ma for pi in board.fits)
    pins_most = min(pis()[pi].pins_ma for pi in board.fits)
    yield f"What there is: {pin_ma:g} mA from one pin, {pins_most:g} mA from all of them, at 5 V"
    yield f"{least.rail_ma:.0f} mA beside a {least.title} with its camera (sources:"
    yield "[pis.toml](../pis.toml))."
    yield ""


def _called(key: str) -> str:
    if key.startswith("warning["):
        return f"warning light {int(key[8:-1]) + 1}"
    return key.replace("status.", "status, ")


def _steps(board: BoardProfile) -> Iterator[tuple[str, str]]:
    yield (
        "Switch the Pi off and unplug it. Set the breadboard beside its header as in the picture,"
        " and wire ground and, where it is drawn, 5 V to the rails.",
        "the meter beeps between header pin 6 and the − rails, and does not between + and −.",
    )
    if board.status is not None:
        yield from _status_steps(board)
    if board.ring is not None:
        yield (
            f"Data: header pin {HEADER[SPI_DATA]}, {ohms(board.ring.ohm)}, then DIN of the ring."
            " 5 V: + rail, diode with its stripe to the ring, then 5V of the ring. Ground to GND."
            " The line `dtparam=spi=on` in config.txt, then restart.",
            "in its diode range the meter shows 0.5 to 0.7 from the + rail to the ring's 5V, and"
            ' nothing the other way; `sudo procrastobot selftest --only "status light"` shows red,'
            " green, blue.",
        )
    for number, light in enumerate(board.warnings, 1):
        which = f"Warning light {number}" if len(board.warnings) > 1 else "Warning light"
        if light.driver == "mosfet":
            yield (
                f"{which}: gate, drain, source as drawn; {ohms(light.base_ohm)} from header pin"
                f" {HEADER[light.pin]} to the gate, {ohms(light.pulldown_ohm)} from the gate to"
                " ground. The light's minus goes to the drain, its plus to the + rail.",
                f"the meter shows {ohms(light.pulldown_ohm)} from the gate to ground; switched on,"
                " the light is dark.",
            )
        else:
            yield (
                f"{which}: emitter, base, collector as drawn; {ohms(light.base_ohm)} from header"
                f" pin {HEADER[light.pin]} to the base, {ohms(light.pulldown_ohm)} from the base to"
                f" ground. The short leg of the LED (its flat side) goes to the collector, the long"
                f" one through {ohms(light.ohm)} to the + rail.",
                f"the meter shows {ohms(light.pulldown_ohm)} from the base to ground (black probe"
                " on the base), and in its diode range lights the LED, red probe on the long leg.",
            )
    if board.buzzer is not None:
        beside = f" and {ohms(board.buzzer.ohm)} beside it" if board.buzzer.ohm is not None else ""
        yield (
            f"Buzzer: a transistor as drawn, {ohms(board.buzzer.base_ohm)} from header pin"
            f" {HEADER[board.buzzer.pin]} to the base, {ohms(board.buzzer.pulldown_ohm)} from there"
            f" to ground. The buzzer{beside} between the collector (−) and the + rail (+).",
            f"the meter shows {ohms(board.buzzer.pulldown_ohm)} from the base to ground (black"
            " probe on the base).",
        )
    if board.speaker is not None and board.speaker.kind == "i2s":
        yield (
            "The amplifier as drawn; GAIN and SD stay free. The speaker at its screw terminal. The"
            " line `dtoverlay=hifiberry-dac` in config.txt, `sudo apt install alsa-utils`, and"
            " restart.",
            "`aplay -l` lists sndrpihifiberry.",
        )
    elif board.speaker is not None:
        yield (
            "Plug the speaker in; `sudo apt install alsa-utils`. Put the name that `aplay -L` shows"
            " for it (plughw:CARD=...) into a copy of the board's file.",
            "`speaker-test -t sine -l 1` sounds.",
        )
    if board.button is not None:
        yield (
            f"Button: one leg to header pin {HEADER[board.button.pin]}, the one diagonally opposite"
            " to ground.",
            "the meter beeps between that header pin and ground while it is pressed, only then.",
        )
    yield (
        "Look once more for + on −, plug the Pi in with nothing installed.",
        "everything is dark and silent, and the meter shows 4.9 to 5.2 V from + to −."
        if any(part.rail_ma for part in draws(board))
        else "everything is dark and silent.",
    )
    yield (
        f'Put `board = "{board.name}"` under `[hardware]` in the configuration.',
        "`sudo systemctl stop procrastobot; sudo procrastobot selftest --only lights,buzzer,button`"
        " asks what you saw and heard, and says ok three or four times.",
    )


def _status_steps(board: BoardProfile) -> Iterator[tuple[str, str]]:
    status = board.status
    colors = ", ".join(
        f"{color} through {ohms(ohm)} to header pin {HEADER[pin]}"
        for color, pin, ohm in (
            ("red", status.red, status.red_ohm),
            ("green", status.green, status.green_ohm),
            ("blue", status.blue, status.blue_ohm),
        )
    )
    if status.package == "three":
        what = f"Three LEDs, each short leg (flat side) to ground; {colors}."
        probes = "red probe on the long leg, black on the short one"
    elif status.active_high:
        what = f"RGB LED, its longest leg to ground; {colors}."
        probes = "black probe on the longest leg, red on each of the others"
    else:
        what = f"RGB LED, its longest leg to 3.3 V (header pin 17); {colors}."
        probes = "red probe on the longest leg, black on each of the others"
    yield (
        what,
        f"in its diode range, {probes}, the meter lights red at 1.6 to 2.0 V, green and blue"
        " at up to 3 V (some meters cannot).",
    )
