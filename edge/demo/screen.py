"""A screen of character cells: drawn once, then written to a terminal or into an SVG."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from xml.sax.saxutils import escape
from zlib import compress, crc32

import numpy as np
from numpy.typing import NDArray

Rgb = tuple[int, int, int]

GROUND: Rgb = (16, 18, 24)
TEXT: Rgb = (214, 217, 224)
UPPER_HALF = "▀"  # its upper half is the foreground: two pixels to a cell

# The size of a cell in an SVG.
CELL_W, CELL_H, FONT_PX = 8.4, 17, 14


@dataclass(frozen=True, slots=True)
class Cell:
    char: str = " "
    ink: Rgb = TEXT
    ground: Rgb = GROUND
    bold: bool = False


BLANK = Cell()


class Screen:
    """`width` x `height` cells; what is put outside of them is cut off."""

    def __init__(self, width: int = 80, height: int = 24) -> None:
        self.width = width
        self.height = height
        self._rows = [[BLANK] * width for _ in range(height)]

    def put(
        self,
        x: int,
        y: int,
        text: str,
        *,
        ink: Rgb = TEXT,
        ground: Rgb = GROUND,
        bold: bool = False,
        width: int | None = None,
    ) -> None:
        """Write one line; longer than `width` (by default what is left), it ends in an ellipsis."""
        if not 0 <= y < self.height:
            return
        room = self.width - x if width is None else min(width, self.width - x)
        clean = "".join(char if char.isprintable() else "�" for char in text)
        if len(clean) > room:
            clean = clean[: max(0, room - 1)] + "…" if room > 0 else ""
        for column, char in enumerate(clean, start=x):
            if column >= 0:
                self._rows[y][column] = Cell(char, ink, ground, bold)

    def picture(self, x: int, y: int, image: NDArray[np.uint8]) -> None:
        """Draw (2 * rows, columns, 3) uint8 RGB as half blocks: two pixels in each cell."""
        for row in range(image.shape[0] // 2):
            if not 0 <= y + row < self.height:
                continue
            upper = image[2 * row].tolist()
            lower = image[2 * row + 1].tolist()
            for column, (above, below) in enumerate(zip(upper, lower, strict=True), start=x):
                if 0 <= column < self.width:
                    cell = Cell(UPPER_HALF, (above[0], above[1], above[2]), tuple(below))
                    self._rows[y + row][column] = cell

    def text(self) -> str:
        """The characters alone, a line for each row."""
        return "\n".join("".join(cell.char for cell in row).rstrip() for row in self._rows)

    def ansi(self, before: Screen | None = None, *, true_colour: bool = True) -> str:
        """What turns `before` into this screen on a terminal; None: whatever was there."""
        out: list[str] = []
        for y, row in enumerate(self._rows):
            old = before._rows[y] if before is not None and y < before.height else None
            x = 0
            while x < len(row):
                if old is not None and x < len(old) and old[x] == row[x]:
                    x += 1
                    continue
                out.append(f"\x1b[{y + 1};{x + 1}H")
                while x < len(row) and (old is None or x >= len(old) or old[x] != row[x]):
                    cell = row[x]
                    out.append(_style(cell, true_colour))
                    out.append(cell.char)
                    x += 1
        if out:
            out.append("\x1b[0m")
        return "".join(_without_repeats(out))

    def _grounds(self) -> NDArray[np.uint8]:
        """(2 * height, width, 3) uint8: what is behind the text, and the halves of half blocks."""
        pixels = np.empty((2 * self.height, self.width, 3), np.uint8)
        for y, row in enumerate(self._rows):
            pixels[2 * y] = [cell.ink if cell.char == UPPER_HALF else cell.ground for cell in row]
            pixels[2 * y + 1] = [cell.ground for cell in row]
        return pixels

    def svg(self, title: str) -> str:
        """The screen as an SVG document; its title is what a screen reader says."""
        width, height = self.width * CELL_W, self.height * CELL_H
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:g}"'
            f' height="{height}" viewBox="0 0 {width:g} {height}">',
            f"<title>{escape(title)}</title>",
            # All grounds as one small picture: thousands of rectangles would be far larger.
            f'<image width="{width:g}" height="{height}" preserveAspectRatio="none"'
            f' style="image-rendering:pixelated" href="data:image/png;base64,'
            f'{base64.b64encode(_png(self._grounds())).decode()}"/>',
            f'<g font-family="ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace"'
            f' font-size="{FONT_PX}" xml:space="preserve">',
        ]
        for y, row in enumerate(self._rows):
            parts += _svg_text(row, y)
        return "\n".join([*parts, "</g>", "</svg>", ""])


def _style(cell: Cell, true_colour: bool) -> str:
    bold = "1" if cell.bold else "22"
    if true_colour:
        ink = "38;2;{};{};{}".format(*cell.ink)
        ground = "48;2;{};{};{}".format(*cell.ground)
    else:
        ink, ground = f"38;5;{_cube(cell.ink)}", f"48;5;{_cube(cell.ground)}"
    return f"\x1b[{bold};{ink};{ground}m"


def _cube(colour: Rgb) -> int:
    """The nearest of the 256 colours that every terminal has: greys finer than the rest."""
    red, green, blue = colour
    if max(colour) - min(colour) < 12:
        grey = (red + green + blue) // 3
        return 16 if grey < 4 else 231 if grey > 246 else 232 + min(23, max(0, (grey - 3) // 10))
    steps = [0 if part < 48 else 1 if part < 115 else (part - 35) // 40 for part in colour]
    return 16 + 36 * steps[0] + 6 * steps[1] + steps[2]


def _without_repeats(pieces: list[str]) -> Iterator[str]:
    """Leaves out a style that is in force already."""
    style = ""
    for piece in pieces:
        if piece.startswith("\x1b[") and piece.endswith("m"):
            if piece == style:
                continue
            style = piece
        yield piece


def _hex(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """(height, width, 3) uint8 RGB as a PNG file."""
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 1 + width * 3), np.uint8)  # each begins with its filter: none
    rows[:, 1:] = pixels.reshape(height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", compress(rows.tobytes(), 9)),
            chunk(b"IEND", b""),
        )
    )


def _svg_text(row: list[Cell], y: int) -> Iterator[str]:
    x = 0
    for (ink, bold), run in groupby(row, key=lambda cell: (cell.ink, cell.bold)):
        cells = list(run)
        text = "".join(" " if cell.char == UPPER_HALF else cell.char for cell in cells)
        stripped = text.strip()
        if stripped:
            start = x + len(text) - len(text.lstrip())
            weight = ' font-weight="bold"' if bold else ""
            # The length is given, so that any font keeps the columns.
            yield (
                f'<text x="{start * CELL_W:g}" y="{(y + 0.76) * CELL_H:g}" fill="{_hex(ink)}"'
                f'{weight} textLength="{len(stripped) * CELL_W:g}">{escape(stripped)}</text>'
            )
        x += len(cells)
