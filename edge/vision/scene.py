"""What plain arithmetic on the pixels says about a frame: light, detail, change, a moved camera.

The picture is reduced to a grid of grey cells (24 x 32) from 144 of its lines.
Averaging over a hundred pixels and more takes sensor noise away; comparing logarithms, less a
plane fitted to their difference, takes away what exposure, gain and a lamp at one side do. A grid
twice as fine goes along, for what looks at single things.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge.desk.pixels import limit_of, middle
from edge.domain import Frame, SceneStats

if TYPE_CHECKING:
    from edge.domain import Grid

Cells = NDArray[np.bool_]

ROWS, COLUMNS = 24, 32
FINER = 2  # times as many rows and columns has the grid for single things
LINES_PER_ROW = 6  # of the picture's lines, as many are averaged for a row of cells
SATURATED = 250  # 0..255; in all three colours
DARK_OFFSET = 8.0  # levels added before a logarithm, so that noise in the dark is no contrast

SHIFTED = 0.2
# From this level on a cell may hold saturated pixels, which do not follow the gain: above it, all
# are alike.
CLIPPED_LOG = math.log(225 + DARK_OFFSET)
REFERENCE_S = 60.0  # time constant of the reference scene
FEATURELESS = 0.004  # detail below which a frame says nothing about the scene


class Scene:
    """Measures frames of one camera in order; remembers the last one and a reference scene."""

    def __init__(self) -> None:
        self._lines: NDArray[np.uint8] | None = None
        self._logs: Grid | None = None
        self._reference: Grid | None = None
        self._at_s = 0.0
        self._name = ""

    def measure(self, frame: Frame) -> SceneStats:
        """All figures of one frame; under a millisecond at 640x480 on a desktop."""
        another = bool(self._name) and frame.name != self._name
        self._name = frame.name
        if another:
            # The next picture of a folder: all of it is new, and the camera was not moved.
            self._lines = self._logs = self._reference = None
        image = frame.image
        lines = _some_lines(image)
        fine = _cells(lines)
        grid = _coarser(fine)
        logs = np.log(grid + np.float32(DARK_OFFSET))
        detail = _detail(grid)
        before = self._lines
        change = float(another)
        if self._logs is not None:
            change = int(np.count_nonzero(_changed(logs, self._logs))) / logs.size
        flat = grid.ravel()
        mean = float(flat.sum()) / flat.size
        deviation = flat - np.float32(mean)
        stats = SceneStats(
            brightness=mean / 255,
            contrast=math.sqrt(float(deviation @ deviation) / flat.size) / 255,
            detail=detail,
            glare=_glare(lines),
            change=change,
            shift=self._shift(logs, detail, frame.at_s),
            identical=change == 0 and before is not None and np.array_equal(lines, before),
            grid=np.log(fine + np.float32(DARK_OFFSET)),
        )
        self._lines, self._logs, self._at_s = lines, logs, frame.at_s
        return stats

    def _shift(self, logs: Grid, detail: float, at_s: float) -> float:
        if self._reference is None:
            if detail >= FEATURELESS:
                self._reference = logs
            return 0.0
        shifted = _difference(logs, self._reference) > SHIFTED
        if detail >= FEATURELESS:
            # A covered lens must not become the scene that the uncovered one is compared with.
            share = 1 - math.exp(-max(0.0, at_s - self._at_s) / REFERENCE_S)
            self._reference = self._reference + np.float32(share) * (logs - self._reference)
        return int(np.count_nonzero(shifted)) / shifted.size


def _some_lines(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(ROWS * LINES_PER_ROW, width * 3): whole lines, since lines lie together in memory."""
    height = image.shape[0]
    picked = (np.arange(ROWS * LINES_PER_ROW) + 0.5) * (height / (ROWS * LINES_PER_ROW))
    lines = image[picked.astype(np.intp)]
    return lines.reshape(len(picked), -1)


def _cells(lines: NDArray[np.uint8]) -> Grid:
    """(FINER * ROWS, FINER * COLUMNS) mean of all three colours, 0..255."""
    rows, columns, lines_per_row = FINER * ROWS, FINER * COLUMNS, LINES_PER_ROW // FINER
    strips = lines.reshape(rows, lines_per_row, -1).sum(axis=1, dtype=np.uint16)
    width = strips.shape[1] // 3
    starts = np.arange(columns) * width // columns
    sizes = np.maximum(np.diff(np.append(starts, width)), 1) * (3 * lines_per_row)
    sums = np.add.reduceat(strips, starts * 3, axis=1, dtype=np.uint32)
    return np.asarray(sums / sizes, np.float32)


def _coarser(fine: Grid) -> Grid:
    """(ROWS, COLUMNS)"""
    # Written out, which is several times as fast as numpy's mean over two axes of so few.
    upper = fine[::2, ::2] + fine[::2, 1::2]
    lower = fine[1::2, ::2] + fine[1::2, 1::2]
    return np.asarray((upper + lower) * np.float32(0.25))


def _detail(grid: Grid) -> float:
    down = np.abs(grid[1:] - grid[:-1])
    across = np.abs(grid[:, 1:] - grid[:, :-1])
    return (float(down.sum()) / down.size + float(across.sum()) / across.size) / 2 / 255


def _glare(lines: NDArray[np.uint8]) -> float:
    bright = lines[::LINES_PER_ROW] >= SATURATED
    white = bright[:, 0::3] & bright[:, 1::3] & bright[:, 2::3]
    return int(np.count_nonzero(white)) / int(white.size)


def _plane_fit() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rows, columns = np.mgrid[-1 : 1 : ROWS * 1j, -1 : 1 : COLUMNS * 1j]
    basis = np.stack([np.ones(rows.size), rows.ravel(), columns.ravel()], axis=1)
    return basis.astype(np.float32), np.linalg.pinv(basis).astype(np.float32)


_BASIS, _INVERSE = _plane_fit()


def _less_light(difference: Grid) -> Grid:
    """Take away what a change of light explains: the plane through most of the cells.

    Fitted twice, the second time with the cells far from the first plane drawn onto it, so that
    something that moved does not tilt it much.
    """
    flat = difference.ravel()
    flat = flat - middle(flat)
    spread = 2 * middle(np.abs(flat)) + np.float32(0.02)
    plane = _BASIS @ (_INVERSE @ np.minimum(np.maximum(flat, -spread), spread))
    rest = flat - plane
    rest -= _BASIS @ (_INVERSE @ np.minimum(np.maximum(rest, -spread), spread))
    return np.asarray(rest.reshape(difference.shape), np.float32)


def _difference(logs: Grid, before: Grid) -> Grid:
    rest = np.abs(_less_light(logs - before))
    rest[np.minimum(logs, before) > CLIPPED_LOG] = 0
    return rest


def _changed(logs: Grid, before: Grid) -> Cells:
    rest = _difference(logs, before)
    return np.asarray(rest > limit_of(rest))
