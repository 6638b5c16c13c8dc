"""A ring of WS2812 on the SPI of the header, by the kernel's own interface: nothing to install.

What is on the wire, and why, is in `guard`, which darkens the ring when this process cannot.
"""

from __future__ import annotations

from collections.abc import Callable

from edge.devices import guard
from edge.devices.pins import PinsMissing
from edge.devices.profile import RingLight

RGB = tuple[float, float, float]


class Ring:
    """All LEDs of a ring in one colour, like gpiozero's RGBLED with PWM."""

    def __init__(self, light: RingLight, write: Callable[[bytes], None]) -> None:
        self._light = light
        self._write = write
        self._value: RGB = (0.0, 0.0, 0.0)
        self.value = self._value

    @property
    def value(self) -> RGB:
        return self._value

    @value.setter
    def value(self, rgb: RGB) -> None:
        self._write(ring_colors(self._light, rgb))
        self._value = rgb

    def close(self) -> None:
        self.value = (0.0, 0.0, 0.0)


def ring_colors(light: RingLight, rgb: RGB) -> bytes:
    """Green, red, blue of each LED, no brighter than the board's cap.

    A colour that is asked for at all is never so dim that it rounds to darkness.
    """
    red, green, blue = (
        max(1, round(255 * light.brightness * min(part, 1.0))) if part > 0 else 0 for part in rgb
    )
    return bytes((green, red, blue)) * light.count


def open_ring(light: RingLight, *, simulated: bool) -> Ring:
    """Raises PinsMissing where there are real pins but no SPI."""
    if simulated:
        return Ring(light, lambda colors: None)
    try:
        return Ring(light, lambda colors: guard.write_ring(light.device, colors))
    except PermissionError as exc:
        raise PinsMissing(
            f"{light.device} is closed to this user: add it to the group spi"
        ) from exc
    except OSError as exc:
        raise PinsMissing(
            f"{light.device}: {exc.strerror}; the line dtparam=spi=on in config.txt brings it"
        ) from exc
