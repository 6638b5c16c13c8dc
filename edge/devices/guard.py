"""Darkens the pins after a process that could not do it itself.

A killed process leaves its pins as they were: the kernels of Raspberry Pi OS keep the level of an
output whose owner is gone (raspberrypi/linux#6150). So a second, tiny process waits at the end of
a pipe. However the first one ends, the kernel closes that pipe; the guard then takes each output
line, sets it to its dark level, and goes. A ring of WS2812 keeps its colours for as long as it has
power, so it is told to be dark as well.

This file runs by itself (`python -I -S guard.py ...`), so it imports the standard library only.

    guard.py --watch CHIP 17=0 27=0        wait for the end of standard input, then darken
    guard.py --now --record FILE           darken what FILE, written by `record`, names
    guard.py --now levels:PATH 17=0        the same for simulated pins
    guard.py --now CHIP /dev/spidev0.0=12  a ring of twelve; the SPI's device in place of a pin
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import signal
import struct
import sys
import time

# <linux/gpio.h>, version 2 of the character device's interface.
_GET_CHIP_INFO = 0x8044B401  # struct gpiochip_info: name, label, number of lines
_CHIP_INFO = struct.Struct("32s32sI")
_GET_LINE = 0xC250B407  # struct gpio_v2_line_request
_LINE_REQUEST = struct.Struct("64I32sQI20x" + "II8sQ" * 10 + "II20xi")
_FLAG_OUTPUT = 1 << 3
_ATTRIBUTE_OUTPUT_VALUES = 2

# <linux/spi/spidev.h>
_SPI_MODE = 0x40016B01
_SPI_SPEED = 0x40046B04

LEVELS = "levels:"  # how a file of simulated levels is told from a chip's device


def chip_label(path: str) -> str:
    """What the driver calls itself, e.g. pinctrl-bcm2711. Raises OSError."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        info = bytearray(_CHIP_INFO.size)
        fcntl.ioctl(fd, _GET_CHIP_INFO, info)
    finally:
        os.close(fd)
    _, label, _ = _CHIP_INFO.unpack(info)
    return str(label.rstrip(b"\0").decode("ascii", "replace"))


def find_chip(labels: tuple[str, ...]) -> str | None:
    """The device of the first chip with one of these labels.

    Raises PermissionError when there are chips and none of them may be opened.
    """
    denied: PermissionError | None = None
    for path in sorted(glob.glob("/dev/gpiochip*")):
        try:
            if chip_label(path) in labels:
                return path
        except PermissionError as exc:
            denied = exc
        except OSError:
            continue
    if denied is not None:
        raise denied
    return None


def line_request(pin: int, level: int) -> bytearray:
    """struct gpio_v2_line_request for one output line at `level`, 0 or 1."""
    attribute = (_ATTRIBUTE_OUTPUT_VALUES, 0, struct.pack("Q", level), 1)
    no_attribute = (0, 0, b"", 0)
    return bytearray(
        _LINE_REQUEST.pack(
            *(pin, *[0] * 63),  # offsets
            b"procrastobot-guard",
            _FLAG_OUTPUT,
            1,  # attributes used
            *attribute,
            *no_attribute * 9,
            1,  # offsets used
            0,  # size of the event buffer: the kernel's choice
            -1,  # the line's descriptor, for the kernel to fill in
        )
    )


def drive(chip: str, pin: int, level: int) -> None:
    """Make one line an output at `level` (0 or 1) and let go of it again. Raises OSError."""
    fd = os.open(chip, os.O_RDWR | os.O_CLOEXEC)
    try:
        request = line_request(pin, level)
        fcntl.ioctl(fd, _GET_LINE, request)
        os.close(_LINE_REQUEST.unpack(request)[-1])
    finally:
        os.close(fd)


# WS2812 over SPI: three bits on the wire for each of theirs, 100 for 0 and 110 for 1, at 2.4 MHz:
# high for 0.42 or 0.83 us of 1.25 (data sheet: 0.4 and 0.8, each 0.15 more or less). Low for 300 us
# before and after makes them take the colours over.
SPI_HZ = 2_400_000
_LATCH = bytes(SPI_HZ * 300 // 8_000_000)


def ring_bytes(colors: bytes) -> bytes:
    """What the SPI has to send; `colors`: green, red, blue of each LED in turn."""
    bits = "".join(
        "110" if byte >> place & 1 else "100" for byte in colors for place in range(7, -1, -1)
    )
    return _LATCH + int(bits, 2).to_bytes(len(bits) // 8, "big") + _LATCH


def write_ring(device: str, colors: bytes) -> None:
    """Show colours on a ring. Raises OSError."""
    fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, _SPI_MODE, b"\0")
        fcntl.ioctl(fd, _SPI_SPEED, struct.pack("I", SPI_HZ))
        os.write(fd, ring_bytes(colors))
    finally:
        os.close(fd)


def darken(target: str, dark: dict[str, int], *, patience_s: float = 2.0) -> list[str]:
    """Set each pin of `target` (a chip's device, or levels:PATH) to its dark level; a ring, which
    is named by its SPI device with the number of its LEDs, to no colour.

    Returns one line for each that it failed for. A line is busy for a moment after its owner
    was killed, so each is tried again until `patience_s` have passed.
    """
    pins = {int(name): level for name, level in dark.items() if name.isdecimal()}
    if target.startswith(LEVELS):
        return _darken_file(target.removeprefix(LEVELS), pins)
    lines = []
    for device, count in dark.items():
        if not device.isdecimal():
            try:
                write_ring(device, bytes(3 * count))
            except OSError as exc:
                lines.append(f"{device}: {exc.strerror}")
    return lines + _darken_pins(target, pins, patience_s)


def _darken_pins(target: str, dark: dict[int, int], patience_s: float) -> list[str]:
    deadline_s = time.monotonic() + patience_s
    left = dict(dark)
    while left:
        failed = {}
        for pin, level in left.items():
            try:
                drive(target, pin, level)
            except OSError as exc:
                failed[pin] = exc
        if not failed or time.monotonic() > deadline_s:
            return [f"GPIO {pin}: {exc.strerror}" for pin, exc in failed.items()]
        if all(exc.errno != errno.EBUSY for exc in failed.values()):
            return [f"GPIO {pin}: {exc.strerror}" for pin, exc in failed.items()]
        left = {pin: left[pin] for pin in failed}
        time.sleep(0.01)
    return []


def _darken_file(path: str, dark: dict[int, int]) -> list[str]:
    try:
        with open(path, "r+b", buffering=0) as levels:
            for pin, level in dark.items():
                os.pwrite(levels.fileno(), bytes([255 * level]), pin)
    except OSError as exc:
        return [f"{path}: {exc.strerror}"]
    return []


def record(path: str, target: str, dark: dict[str, int]) -> None:
    """Leave what is to be darkened in a file, for `--now --record`. Raises OSError."""
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join([target, *(f"{pin}={level}" for pin, level in dark.items())]))


def main(arguments: list[str]) -> int:
    how, *rest = arguments
    if rest[:1] == ["--record"]:
        try:
            with open(rest[1], encoding="ascii") as file:
                rest = file.read().split("\n")
        except FileNotFoundError:
            return 0  # no pins were ever taken
    target, *pairs = rest
    dark = {name: int(level) for name, level in (pair.split("=") for pair in pairs)}
    if how == "--watch":
        # Ctrl-C and a stop of the whole service are meant for the process that is watched.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        with contextlib.suppress(OSError):
            while os.read(0, 64):
                pass
    failures = darken(target, dark)
    for line in failures:
        print(f"guard: could not darken {line}", file=sys.stderr)  # noqa: T201
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
