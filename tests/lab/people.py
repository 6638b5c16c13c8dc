"""Pictures labelled as a whole: what somebody has in the hand, or none.

An image of such a set has `people`, one of KINDS or NONE. A threshold is set where that share of
the pictures of NONE is flagged, and anew in each draw of the pictures; hits are the pictures of a
kind that are flagged there. Of a look-alike a hit is a mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edge.domain import PHONE
from tests.lab import score
from tests.lab.dataset import DatasetError, LabelledPicture
from tests.lab.score import FloatArray, Judged, Measure, PictureScores

NONE = "none"
KINDS = {
    "hand": "a phone in the hand",
    "edge": "only its edge",
    "ear": "at the ear",
    "ear-hidden": "at the ear, hidden",
    "held": "held by somebody at a laptop",
    "lying": "a phone that lies there",
    "look-alike": "something like a phone (a mistake)",
}
SHARES = {"1_percent": 0.01, "5_percent": 0.05}


def labelled_so(pictures: Sequence[LabelledPicture]) -> bool:
    """Whether these are pictures of this sort. Raises DatasetError where only some are, where a
    kind is unknown, and where none shows nothing."""
    kinds = {picture.kind for picture in pictures}
    if kinds == {""}:
        return False
    unknown = sorted(kinds - set(KINDS) - {NONE})
    if "" in kinds:
        raise DatasetError("some pictures have `people`, and some have not")
    if unknown:
        known = ", ".join([*KINDS, NONE])
        raise DatasetError(f"`people` is {unknown[0]!r} in a picture; it must be one of {known}")
    if NONE not in kinds:
        raise DatasetError(f"no picture is {NONE!r}: nothing can be counted as false")
    return True


def measures(pictures: Sequence[Judged]) -> dict[str, Measure]:
    """By name: `hand_hits_at_1_percent_false`, `hand_area_under_curve`, and so on."""
    found: dict[str, Measure] = {}
    of_kind = np.array([picture.kind for picture in pictures])
    scores = np.array([picture.score(PHONE) for picture in pictures], float)
    for kind, words in KINDS.items():
        chosen = np.flatnonzero((of_kind == kind) | (of_kind == NONE))
        shows = of_kind[chosen] == kind
        if not shows.any():
            continue
        table = PictureScores(scores[chosen], shows)
        name = kind.replace("-", "_")
        for percent, share in SHARES.items():
            title = f"{words}: flagged at {share * 100:g} % false"
            found[f"{name}_hits_at_{percent}_false"] = Measure(
                title, len(pictures), _hits(table, chosen, share)
            )
        found[f"{name}_area_under_curve"] = Measure(
            f"{words}: area under the curve", len(pictures), _area(table, chosen)
        )
    return found


def counts(pictures: Sequence[Judged]) -> dict[str, int]:
    return {kind: sum(p.kind == kind for p in pictures) for kind in (*KINDS, NONE)}


def _hits(
    table: PictureScores, chosen: score.IntArray, share: float
) -> Callable[[FloatArray | None], float]:
    return lambda w: score.hits_at_false_share(table, share, None if w is None else w[chosen])[0]


def _area(table: PictureScores, chosen: score.IntArray) -> Callable[[FloatArray | None], float]:
    return lambda w: score.area_under_curve(table, None if w is None else w[chosen])
