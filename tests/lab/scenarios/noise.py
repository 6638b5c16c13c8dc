"""How the shipped detector errs, as numbers: what it makes of a phone, and of what is none.

A fitted file (`noise.json`, made by `procrastobot bench scenarios --fit`) holds, for each kind of
thing and each size, the scores that the detector gave to real ones in labelled pictures, in a look
at the whole picture and in a closer one. A scenario draws from them. Two draws a moment apart are
alike: how alike was measured on clips and on still pictures with sensor noise added.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

FORMAT = 4
# Shares of the picture's area; a phone at 0.5 to 1.5 m before a Pi camera has 3 to 0.3 %.
SIZES = ((0.0, 0.003), (0.003, 0.01), (0.01, 0.04), (0.04, 1.0))
FEWEST = 24  # records that make a size of its own; otherwise the neighbouring sizes lend theirs
HANDS = "hands"  # a person without a phone: whatever in or around them is taken for one
FITTED = Path(__file__).with_name("noise.json")


class NoiseError(Exception):
    """The fitted file cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How a thing's score and box change from moment to moment, in the normal scale of ranks.

    scene:   variance that a session keeps (this phone, this desk, this light); 0..1
    lasting: variance that one grip or one place keeps, until the thing is moved
    passing: variance that comes and goes with time constant `passing_s`; the rest is new each look
    """

    scene: float
    lasting: float
    passing: float
    passing_s: float

    @property
    def fresh(self) -> float:
        """Variance that is new in every look."""
        return max(0.0, 1.0 - self.scene - self.lasting - self.passing)


class Wobble(NamedTuple):
    """How the box of a still phone with about this score goes off from look to look: (K, 4) edges
    (ymin, xmin, ymax, xmax), from the mean of the closer looks', in the phone's own size (its
    diagonal); `off` of closer looks, `whole` of looks at the whole picture."""

    score: float
    off: FloatArray
    whole: FloatArray


@dataclass(frozen=True, slots=True)
class Noise:
    """A fitted detector.

    records: per kind and size, (N, 3): score as a phone in the whole picture and in a closer look,
             and as itself; sorted by the second; 0 for not seen
    ghosts:  (N, 2) the first two of these for phones that were seen where there was nothing of note
    ghost_pictures: so many pictures of the camera's size had them
    held, still: how scores change with time, of a thing in a hand and of one that lies
    wobbles: of measured still things; boxes of what is half seen wobble more
    sway, sway_s: standard deviation of the centre of a thing held in a hand, in its own size, and
             its time constant
    """

    model: str
    sha256: str
    floor: float
    threshold: float
    person_threshold: float
    records: Mapping[str, tuple[FloatArray, ...]]
    ghosts: FloatArray
    ghost_pictures: float
    held: Motion
    still: Motion
    wobbles: tuple[Wobble, ...]
    sway: float
    sway_s: float
    pictures: int

    def scores(self, kind: str, area: float, rank: FloatArray) -> FloatArray:
        """(N, 3) score as a phone, in the whole picture and closely, and as itself, at these ranks,
        0..1, for a thing of this size."""
        sizes = self.records[kind]
        index = next(i for i, (low, high) in enumerate(SIZES) if low <= area < high or i == 3)
        table = sizes[index]
        picked = np.minimum((rank * len(table)).astype(np.intp), len(table) - 1)
        return np.asarray(table[picked])


def load(path: Path = FITTED) -> Noise:
    """Read a fitted file. Raises NoiseError."""
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        return _noise(tree)
    except FileNotFoundError as exc:
        raise NoiseError(
            f"{path} is missing; make it with `procrastobot bench scenarios --fit FOLDER`"
        ) from exc
    except (KeyError, ValueError, TypeError) as exc:
        raise NoiseError(f"{path} is not a fitted detector: {exc}") from exc


def _noise(tree: Mapping[str, Any]) -> Noise:
    if tree["format"] != FORMAT:
        raise ValueError(f"format {tree['format']}, not {FORMAT}")
    time = tree["time"]
    return Noise(
        model=str(tree["model"]),
        sha256=str(tree["sha256"]),
        floor=float(tree["floor"]),
        threshold=float(tree["threshold"]),
        person_threshold=float(tree["person_threshold"]),
        records={kind: _by_size(rows) for kind, rows in tree["records"].items()},
        ghosts=np.array(tree["ghosts"], float).reshape(-1, 2),
        ghost_pictures=float(tree["ghost_pictures"]),
        held=Motion(**time["held"]),
        still=Motion(**time["still"]),
        wobbles=tuple(
            Wobble(float(w["score"]), np.array(w["off"]), np.array(w["whole"]))
            for w in tree["wobbles"]
        ),
        sway=float(time["sway"]),
        sway_s=float(time["sway_s"]),
        pictures=int(tree["pictures"]),
    )


def _by_size(rows: list[list[float]]) -> tuple[FloatArray, ...]:
    """Records [area, three scores] to one sorted table for each size; sizes with few records borrow
    the nearest in area."""
    records = np.array(rows, float).reshape(-1, 4)
    if not len(records):
        raise ValueError("a kind without records")
    tables = []
    for low, high in SIZES:
        mine = records[(records[:, 0] >= low) & (records[:, 0] < high)]
        if len(mine) < FEWEST:
            middle = math.sqrt(max(low, 1e-3) * high)
            nearest = np.argsort(np.abs(np.log(np.maximum(records[:, 0], 1e-5) / middle)))
            mine = records[nearest[:FEWEST]]
        tables.append(mine[np.lexsort((mine[:, 3], mine[:, 1], mine[:, 2]))][:, 1:])
    return tuple(tables)


def ranks(normal: FloatArray) -> FloatArray:
    """Standard normal values to ranks, 0..1 (Abramowitz and Stegun 7.1.26, error below 2e-7)."""
    x = np.abs(normal) / math.sqrt(2)
    t = 1 / (1 + 0.3275911 * x)
    poly = t * (
        0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))
    )
    erf = 1 - poly * np.exp(-x * x)
    return np.asarray(0.5 * (1 + np.sign(normal) * erf))


def normal_of(rank: float) -> float:
    return NormalDist().inv_cdf(min(max(rank, 1e-3), 1 - 1e-3))


def wander(rng: np.random.Generator, count: int, period_s: float, constant_s: float) -> FloatArray:
    """(count,) a standard normal value that drifts back to 0 with time constant `constant_s`."""
    if count == 0:
        return np.zeros(0)
    keep = math.exp(-period_s / max(constant_s, 1e-3))
    first, *rest = rng.standard_normal(count).tolist()
    push = math.sqrt(1 - keep * keep)
    return np.array(
        list(accumulate(rest, lambda value, new: value * keep + push * new, initial=first))
    )
