"""What plain arithmetic on the pixels says about a frame: light, detail, change, a moved camera.

The picture is reduced to a grid of grey cells (24 x 32) from a fifth to a quarter of its lines.
Averaging over a hundred pixels and more takes sensor noise away; comparing logarithms, less a
plane fitted to their difference, takes away what exposure, gain and a lamp at one side do.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from edge.domain import Box, Frame, SceneStats

Grid = NDArray[np.float32]
Cells = NDArray[np.bool_]

ROWS, COLUMNS = 24, 32
LINES_PER_ROW = 5  # of the picture's lines, as many are averaged for a row of cells
SATURATED = 250  # 0..255; in all three colours
DARK_OFFSET = 8.0  # levels added before a logarithm, so that noise in the dark is no contrast

# Differences of logarithms are relative: 0.06 is 6 % lighter or darker than the light explains.
CHANGED = 0.06
NOISE_SIGMAS = 5.0
CHANGED_MOST = 0.15  # however noisy it seems: else a picture that moves as a whole would hide
SHIFTED = 0.2
# From this level on a cell may hold saturated pixels, which do not follow the gain: above it, all
# are alike.
CLIPPED_LOG = math.log(225 + DARK_OFFSET)
REFERENCE_S = 60.0  # time constant of the reference scene
FEATURELESS = 0.004  # detail below which a frame says nothing about the scene
MOST_BOXES = 4


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
        grid = _cells(lines)
        logs = np.log(grid + np.float32(DARK_OFFSET))
        detail = _detail(grid)
        before = self._lines
        same_shape = before is not None and before.shape == lines.shape
        changed = np.zeros((ROWS, COLUMNS), np.bool_)
        if self._logs is not None:
            changed = _changed(logs, self._logs)
        elif another:
            changed[:] = True
        change = float(changed.mean())
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
            identical=same_shape and before is not None and bool(np.array_equal(lines, before)),
            changed=_boxes(changed),
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
    """(ROWS, COLUMNS) mean of all three colours, 0..255."""
    strips = lines.reshape(ROWS, LINES_PER_ROW, -1).sum(axis=1, dtype=np.uint16)
    width = strips.shape[1] // 3
    starts = np.arange(COLUMNS) * width // COLUMNS
    sizes = np.maximum(np.diff(np.append(starts, width)), 1) * (3 * LINES_PER_ROW)
    sums = np.add.reduceat(strips, starts * 3, axis=1, dtype=np.uint32)
    return np.asarray(sums / sizes, np.float32)


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
    flat = flat - _middle(flat)
    spread = 2 * _middle(np.abs(flat)) + np.float32(0.02)
    plane = _BASIS @ (_INVERSE @ np.minimum(np.maximum(flat, -spread), spread))
    rest = flat - plane
    rest -= _BASIS @ (_INVERSE @ np.minimum(np.maximum(rest, -spread), spread))
    return np.asarray(rest.reshape(difference.shape), np.float32)


def _middle(values: Grid) -> np.float32:
    """The upper of the two medians; several times as fast as numpy's own for so few."""
    half = values.size // 2
    middle: np.float32 = np.partition(values, half)[half]
    return middle


def _difference(logs: Grid, before: Grid) -> Grid:
    rest = np.abs(_less_light(logs - before))
    rest[np.minimum(logs, before) > CLIPPED_LOG] = 0
    return rest


def _changed(logs: Grid, before: Grid) -> Cells:
    rest = _difference(logs, before)
    noise = 1.4826 * float(
        _middle(rest.ravel())
    )  # standard deviation, from the median of a normal one
    limit = min(max(CHANGED, NOISE_SIGMAS * noise), CHANGED_MOST)
    return np.asarray(rest > limit)


def _boxes(changed: Cells) -> tuple[Box, ...]:
    """Bounding boxes of connected cells, diagonals included; merged until none overlap."""
    # Numbered row by row, with an empty column after each, so that rows are no neighbours.
    rows, columns = np.nonzero(changed)
    cells = set((rows * (COLUMNS + 1) + columns).tolist())
    if not cells:
        return ()
    groups: list[list[int]] = []  # ymin, xmin, ymax, xmax in cells, the last two exclusive
    if len(cells) > ROWS * COLUMNS // 4:
        groups.append(_bounds(cells))
        cells = set()
    while cells:
        group = [cells.pop()]
        for cell in group:
            for step in _NEIGHBOURS:
                if cell + step in cells:
                    cells.remove(cell + step)
                    group.append(cell + step)
        _merge(groups, _bounds(group))
    groups.sort(key=lambda g: -(g[2] - g[0]) * (g[3] - g[1]))
    while len(groups) > MOST_BOXES:
        last = groups.pop()
        _merge(groups, _around(last, groups.pop()))
    return tuple(
        Box(ymin / ROWS, xmin / COLUMNS, ymax / ROWS, xmax / COLUMNS)
        for ymin, xmin, ymax, xmax in groups
    )


_NEIGHBOURS = tuple(dy * (COLUMNS + 1) + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx)


def _bounds(cells: Collection[int]) -> list[int]:
    columns = [cell % (COLUMNS + 1) for cell in cells]
    first, last = min(cells) // (COLUMNS + 1), max(cells) // (COLUMNS + 1)
    return [first, min(columns), last + 1, max(columns) + 1]


def _around(a: list[int], b: list[int]) -> list[int]:
    return [min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])]


def _merge(groups: list[list[int]], new: list[int]) -> None:
    """Add a box, joined with every one that it overlaps or touches."""
    joined = True
    while joined:
        joined = False
        for other in groups:
            if (
                new[0] <= other[2]
                and other[0] <= new[2]
                and new[1] <= other[3]
                and other[1] <= new[3]
            ):
                groups.remove(other)
                new = _around(new, other)
                joined = True
                break
    groups.append(new)
