"""How the shipped eyes err, as numbers: what each makes of a phone, and of what is none.

A fitted file (`noise.json`, made by `procrastobot bench scenarios --fit`) holds, for each kind of
thing, the scores that each eye gave to real ones in labelled pictures, in a look at the whole
picture and in a closer one. A scenario draws from them. Two draws a moment apart are alike, and so
are those of two eyes: how alike was measured on films, on still pictures with sensor noise added,
and between the eyes on all of them.
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

from edge.desk.evidence import LEAST, MOST

FloatArray = NDArray[np.float64]

FORMAT = 5
# Shares of the picture's area; a phone at 0.5 to 1.5 m before a Pi camera has 3 to 0.3 %.
SIZES = ((0.0, 0.003), (0.003, 0.01), (0.01, 0.04), (0.04, 1.0))
FEWEST = 24  # records that make a size of its own; otherwise the neighbouring sizes lend theirs
HANDS = "hands"  # a person without a phone: whatever in or around them is taken for one
FITTED = Path(__file__).with_name("noise.json")


class NoiseError(Exception):
    """The fitted file cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How what an eye makes of a thing changes from moment to moment, in the normal scale of ranks.

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


class Alike(NamedTuple):
    """Correlation between two eyes, 0..1: of what a thing keeps, and of what comes and goes."""

    kept: float
    passing: float


class Wobble(NamedTuple):
    """How the boxes of a still phone with about this score go off: for each eye (K, 4) edges (ymin,
    xmin, ymax, xmax), from the mean of all eyes' closer looks, in the phone's own size (its
    diagonal); in looks at the whole picture and in closer ones."""

    score: float
    whole: tuple[FloatArray, ...]
    closer: tuple[FloatArray, ...]


@dataclass(frozen=True, slots=True)
class Noise:
    """Fitted eyes.

    sha256:  of each eye
    records: per kind and size, (N, eyes, 2): score as a phone (of a person: as a person) in the
             whole picture and in a closer look, as `Eyes.look` tells it, so after rivals; for each
             eye by itself sorted; 0 for not seen
    ghosts:  (N, eyes, 2) the same of phones that were seen where there was nothing of note
    ghost_pictures: so many pictures had them
    held, still: how what each eye says changes with time, of a thing in a hand and of one that lies
    alike:   by kind, how alike eyes are
    wavers:  standard deviation in log-odds of the scores of a still thing, of each eye
    wobbles: of measured still things; boxes of what is half seen wobble more
    sway, sway_s: standard deviation of the centre of a thing held in a hand, in its own size, and
             its time constant
    """

    model: str
    sha256: tuple[str, ...]
    floor: float
    threshold: float
    person_threshold: float
    records: Mapping[str, tuple[FloatArray, ...]]
    ghosts: FloatArray
    ghost_pictures: float
    held: tuple[Motion, ...]
    still: tuple[Motion, ...]
    alike: Mapping[str, Alike]
    wavers: tuple[float, ...]
    wobbles: tuple[Wobble, ...]
    sway: float
    sway_s: float
    pictures: int

    @property
    def eyes(self) -> int:
        return len(self.held)

    def scores(self, kind: str, area: float, rank: FloatArray) -> FloatArray:
        """(N, eyes, 2) score in the whole picture and closely, at these ranks, (N, eyes) 0..1, for
        a thing of this size."""
        sizes = self.records[kind]
        index = next(i for i, (low, high) in enumerate(SIZES) if low <= area < high or i == 3)
        table = sizes[index]
        picked = np.minimum((rank * len(table)).astype(np.intp), len(table) - 1)
        return np.asarray(table[picked, np.arange(table.shape[1])])


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
    eyes = len(tree["sha256"])
    return Noise(
        model=str(tree["model"]),
        sha256=tuple(map(str, tree["sha256"])),
        floor=float(tree["floor"]),
        threshold=float(tree["threshold"]),
        person_threshold=float(tree["person_threshold"]),
        records={kind: _by_size(rows, eyes) for kind, rows in tree["records"].items()},
        ghosts=np.array(tree["ghosts"], float).reshape(-1, eyes, 2),
        ghost_pictures=float(tree["ghost_pictures"]),
        held=tuple(Motion(**each) for each in time["held"]),
        still=tuple(Motion(**each) for each in time["still"]),
        alike={kind: Alike(*pair) for kind, pair in tree["alike"].items()},
        wavers=tuple(map(float, time["wavers"])),
        wobbles=tuple(
            Wobble(float(w["score"]), *(tuple(map(np.array, w[of])) for of in ("whole", "closer")))
            for w in tree["wobbles"]
        ),
        sway=float(time["sway"]),
        sway_s=float(time["sway_s"]),
        pictures=int(tree["pictures"]),
    )


def _by_size(rows: list[list[float]], eyes: int) -> tuple[FloatArray, ...]:
    """Records [area, two scores of each eye] to one table for each size, sorted for each eye; sizes
    with few records borrow the nearest in area."""
    records = np.array(rows, float).reshape(-1, 1 + 2 * eyes)
    if not len(records):
        raise ValueError("a kind without records")
    tables = []
    for low, high in SIZES:
        mine = records[(records[:, 0] >= low) & (records[:, 0] < high)]
        if len(mine) < FEWEST:
            middle = math.sqrt(max(low, 1e-3) * high)
            nearest = np.argsort(np.abs(np.log(np.maximum(records[:, 0], 1e-5) / middle)))
            mine = records[nearest[:FEWEST]]
        pairs = mine[:, 1:].reshape(-1, eyes, 2)
        sort = np.argsort(goodness(pairs), axis=0, kind="stable")
        tables.append(np.take_along_axis(pairs, sort[..., None], axis=0))
    return tuple(tables)


def goodness(pairs: FloatArray) -> FloatArray:
    """One figure for how well a thing is seen: the mean log-odds of its two looks, (..., 2)."""
    bounded = np.clip(pairs, LEAST, MOST)
    return np.asarray(np.log(bounded / (1 - bounded)).mean(-1))


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
