"""How good detections are, against labelled pictures: the figures of `procrastobot evaluate`.

Average precision is COCO's: greedy matching by falling score at one IoU, precision made monotone
and read at 101 recalls (Lin et al., Microsoft COCO, arXiv:1405.0312, and its evaluation code's
rules for objects outside a size range). Crowd regions are ordinary boxes here. Every figure is
0..1; NaN says that the pictures hold nothing to measure it on.

A picture counts for a label only where that label was looked for (`Judged.labelled`).
Intervals come from drawing the pictures again with replacement: pictures are independent,
boxes of one picture are not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.desk.geometry import ious
from edge.domain import PHONE, Box, Detection

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

EVERY_AREA = (0.0, 1.0)
DESK_AREA = (0.003, 1.0)  # phones of at least 0.3 % of the picture: what a desk camera sees
MOST_DETECTIONS = 100  # per picture and label, as COCO counts
RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, slots=True)
class Truth:
    """One object that is really there."""

    label: str
    box: Box


@dataclass(frozen=True, slots=True)
class Judged:
    """One labelled picture and what the detector said about it.

    labelled: the labels that were looked for in it; an object of any other label may be there
              without a truth, so the picture says nothing about that label
    kind:     what the picture as a whole shows, in sets that are labelled so (people.py)
    """

    name: str
    truths: tuple[Truth, ...]
    labelled: frozenset[str]
    detections: tuple[Detection, ...]
    kind: str = ""

    def shows(self, label: str) -> bool:
        return any(truth.label == label for truth in self.truths)

    def score(self, label: str) -> float:
        """The best score of that label; 0 when it was not seen."""
        return max((seen.score for seen in self.detections if seen.label == label), default=0.0)


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure that can be worked out on units (pictures, clips) drawn again.

    units: how many there are
    of:    the figure, when each unit was drawn so often; None: each once
    """

    title: str
    units: int
    of: Callable[[FloatArray | None], float]


class Interval(NamedTuple):
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and the 95 % interval of it over pictures drawn again."""

    value: float
    interval: Interval


# ---------------------------------------------------------------- boxes of one label


@dataclass(frozen=True, slots=True)
class Matches:
    """All detections of one label, best score first, each matched against the truths.

    scores:    (N,) 0..1, falling
    hits:      (N,) it found a truth
    counted:   (N,) it is a hit or a false alarm; the others are of another size than asked for
    picture:   (N,) index of the picture it is in
    positives: (P,) truths to be found, per picture
    """

    scores: FloatArray
    hits: BoolArray
    counted: BoolArray
    picture: IntArray
    positives: IntArray


def match(
    pictures: Sequence[Judged],
    label: str,
    *,
    iou: float = 0.5,
    area: tuple[float, float] = EVERY_AREA,
) -> Matches:
    """Match the detections of `label` against its truths of a size (share of the picture).

    Truths of another size are neither to be found nor a fault to find; detections of another
    size that find nothing are not counted.
    """
    scores: list[float] = []
    hits: list[bool] = []
    counted: list[bool] = []
    owners: list[int] = []
    positives = np.zeros(len(pictures), np.int64)
    for index, picture in enumerate(pictures):
        truths = [truth.box for truth in picture.truths if truth.label == label]
        wanted = np.array([area[0] <= box.area <= area[1] for box in truths], bool)
        positives[index] = int(wanted.sum())
        seen = [found for found in picture.detections if found.label == label]
        seen.sort(key=lambda found: -found.score)
        del seen[MOST_DETECTIONS:]
        overlap = ious([found.box for found in seen], truths)
        free = np.ones(len(truths), bool)
        for row, found in zip(overlap, seen, strict=True):
            best = _best(row, free & wanted, iou)
            hit = best is not None
            if best is None:
                best = _best(row, free & ~wanted, iou)
                inside = best is None and area[0] <= found.box.area <= area[1]
            else:
                inside = True
            if best is not None:
                free[best] = False
            scores.append(found.score)
            hits.append(hit)
            counted.append(inside)
            owners.append(index)
    # Stable, as COCO's own: detections of equal score stay in the order of the pictures.
    order = np.argsort(-np.array(scores, float), kind="stable")
    return Matches(
        scores=np.array(scores, float)[order],
        hits=np.array(hits, bool)[order],
        counted=np.array(counted, bool)[order],
        picture=np.array(owners, np.int64)[order],
        positives=positives,
    )


def _best(overlap: FloatArray, allowed: BoolArray, iou: float) -> int | None:
    if not allowed.any():
        return None
    candidates = np.where(allowed, overlap, -1.0)
    best = int(candidates.argmax())
    return best if candidates[best] >= iou else None


def average_precision(matches: Matches, weights: FloatArray | None = None) -> float:
    """Area under the precision-recall curve; `weights` (P,) counts each picture that often."""
    hits, alarms, positives = _weighed(matches, weights)
    if positives <= 0:
        return float("nan")
    found = np.cumsum(hits)
    total = found + np.cumsum(alarms)
    recall = found / positives
    precision = np.divide(found, total, out=np.zeros_like(found), where=total > 0)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, RECALLS - 1e-12, side="left")
    reached = places < len(recall)
    return float(precision[places[reached]].sum() / len(RECALLS))


def recall_at_fppi(
    matches: Matches, fppi: float = 0.1, weights: FloatArray | None = None
) -> tuple[float, float]:
    """(recall, threshold) with at most `fppi` false alarms per picture."""
    hits, alarms, positives = _weighed(matches, weights)
    pictures = float(len(matches.positives) if weights is None else weights.sum())
    if positives <= 0 or pictures <= 0:
        return float("nan"), float("nan")
    if not len(hits):
        return 0.0, 1.0
    # Only whole groups of equal scores: a threshold cannot cut through one.
    ends = np.flatnonzero(np.append(np.diff(matches.scores) < 0, True))
    allowed = ends[np.cumsum(alarms)[ends] <= fppi * pictures + 1e-9]
    if not len(allowed):
        return 0.0, 1.0
    last = int(allowed[-1])
    return float(np.cumsum(hits)[last] / positives), float(matches.scores[last])


def recall_at(
    matches: Matches, threshold: float, weights: FloatArray | None = None
) -> tuple[float, float]:
    """(recall, false alarms per picture) of detections scored at least `threshold`."""
    hits, alarms, positives = _weighed(matches, weights)
    pictures = float(len(matches.positives) if weights is None else weights.sum())
    above = matches.scores >= threshold
    return (
        float(hits[above].sum() / positives) if positives > 0 else float("nan"),
        float(alarms[above].sum() / pictures) if pictures > 0 else float("nan"),
    )


def _weighed(matches: Matches, weights: FloatArray | None) -> tuple[FloatArray, FloatArray, float]:
    """(hits, false alarms, positives), each counted as often as its picture."""
    hits = matches.hits.astype(float)
    alarms = (matches.counted & ~matches.hits).astype(float)
    if weights is None:
        return hits, alarms, float(matches.positives.sum())
    each = weights[matches.picture]
    return hits * each, alarms * each, float((matches.positives * weights).sum())


# ---------------------------------------------------------------- whole pictures


@dataclass(frozen=True, slots=True)
class PictureScores:
    """The best score of one label in each picture, and whether the label is really there.

    scores: (P,) 0..1, 0 when nothing was seen     shows: (P,)
    """

    scores: FloatArray
    shows: BoolArray


def picture_scores(pictures: Sequence[Judged], label: str) -> PictureScores:
    return PictureScores(
        np.array([picture.score(label) for picture in pictures], float),
        np.array([picture.shows(label) for picture in pictures], bool),
    )


def hits_at_false_share(
    table: PictureScores, share: float = 0.01, weights: FloatArray | None = None
) -> tuple[float, float]:
    """(share of the pictures with the label that are flagged, threshold), where at most `share`
    of the pictures without it are flagged. Flagged: scored above the threshold."""
    each = np.ones(len(table.scores)) if weights is None else weights
    with_it, without = each * table.shows, each * ~table.shows
    if with_it.sum() <= 0 or without.sum() <= 0:
        return float("nan"), float("nan")
    steps = np.unique(np.append(table.scores, 0.0))
    # The negatives strictly above each candidate; the lowest that is tight enough is best.
    order = np.argsort(table.scores, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(without[order])])
    flagged = below[-1] - below[np.searchsorted(table.scores[order], steps, side="right")]
    threshold = float(steps[np.flatnonzero(flagged <= share * below[-1] + 1e-9)[0]])
    return float(with_it[table.scores > threshold].sum() / with_it.sum()), threshold


def area_under_curve(table: PictureScores, weights: FloatArray | None = None) -> float:
    """How often a picture with the label is scored above one without; a tie counts half. 0.5 is
    chance."""
    each = np.ones(len(table.scores)) if weights is None else weights
    with_it, without = each[table.shows], each[~table.shows]
    if with_it.sum() <= 0 or without.sum() <= 0:
        return float("nan")
    order = np.argsort(table.scores[~table.shows], kind="stable")
    others = table.scores[~table.shows][order]
    passed = np.concatenate([[0.0], np.cumsum(without[order])])
    mine = table.scores[table.shows]
    below = passed[np.searchsorted(others, mine, side="left")]
    not_above = passed[np.searchsorted(others, mine, side="right")]
    return float((with_it * (below + not_above)).sum() / 2 / with_it.sum() / without.sum())


def balanced_accuracy(
    table: PictureScores, threshold: float, weights: FloatArray | None = None
) -> float:
    """Mean of: pictures with the label flagged, pictures without it not flagged. Flagged: scored
    at least `threshold`; 0.5 is chance."""
    each = np.ones(len(table.scores)) if weights is None else weights
    with_it, without = each * table.shows, each * ~table.shows
    if with_it.sum() <= 0 or without.sum() <= 0:
        return float("nan")
    flagged = table.scores >= threshold
    right = with_it[flagged].sum() / with_it.sum() + without[~flagged].sum() / without.sum()
    return float(right / 2)


# ---------------------------------------------------------------- what phones are mistaken for


@dataclass(frozen=True, slots=True)
class Mistaken:
    """How often objects of one label were called a phone.

    there:    objects of that label, in pictures where phones were looked for
    mistaken: of those, how many a false phone of at least the threshold covers
    """

    label: str
    there: int
    mistaken: int


def mistaken_for(
    pictures: Sequence[Judged],
    label: str = PHONE,
    *,
    threshold: float,
    iou: float = 0.3,
) -> tuple[tuple[Mistaken, ...], int, int]:
    """(per label of the truths, false alarms on nothing labelled, false alarms in all).

    A false alarm belongs to the object it overlaps most, by at least `iou`: lower than for a
    hit, since a phone-shaped box on a look-alike need not have its outline. People are left
    out: they are behind everything.
    """
    there: dict[str, int] = {}
    mistaken: dict[str, set[tuple[int, int]]] = {}
    elsewhere = alarms = 0
    for index, picture in enumerate(pictures):
        if label not in picture.labelled:
            continue
        others = [t for t in picture.truths if t.label not in (label, "person")]
        for truth in others:
            there[truth.label] = there.get(truth.label, 0) + 1
        for found in false_alarms(picture, label, threshold=threshold):
            alarms += 1
            overlap = ious([found.box], [truth.box for truth in others])[0]
            if not len(overlap) or overlap.max() < iou:
                elsewhere += 1
                continue
            place = int(overlap.argmax())
            mistaken.setdefault(others[place].label, set()).add((index, place))
    rows = [Mistaken(name, count, len(mistaken.get(name, ()))) for name, count in there.items()]
    rows.sort(key=lambda row: (-row.mistaken, -row.there, row.label))
    return tuple(rows), elsewhere, alarms


def false_alarms(
    picture: Judged, label: str, *, threshold: float, iou: float = 0.5
) -> tuple[Detection, ...]:
    """Detections of `label`, scored at least `threshold`, that find no truth; best first."""
    return _sorted_out(picture, label, threshold, iou)[0]


def misses(picture: Judged, label: str, *, threshold: float, iou: float = 0.5) -> tuple[Truth, ...]:
    """Truths of `label` that no detection of at least `threshold` finds; largest first."""
    return _sorted_out(picture, label, threshold, iou)[1]


def _sorted_out(
    picture: Judged, label: str, threshold: float, iou: float
) -> tuple[tuple[Detection, ...], tuple[Truth, ...]]:
    seen = [f for f in picture.detections if f.label == label and f.score >= threshold]
    seen.sort(key=lambda found: -found.score)
    truths = [truth for truth in picture.truths if truth.label == label]
    overlap = ious([found.box for found in seen], [truth.box for truth in truths])
    free = np.ones(len(truths), bool)
    wrong: list[Detection] = []
    for row, found in zip(overlap, seen, strict=True):
        best = _best(row, free, iou)
        if best is None:
            wrong.append(found)
        else:
            free[best] = False
    missed = [truth for truth, open_ in zip(truths, free, strict=True) if open_]
    missed.sort(key=lambda truth: -truth.box.area)
    return tuple(wrong), tuple(missed)


# ---------------------------------------------------------------- intervals


def with_interval(
    figure: Callable[[FloatArray | None], float],
    pictures: int,
    *,
    rounds: int = 1000,
    seed: int = 1,
) -> Figure:
    """`figure(weights)` on all pictures, and on `rounds` draws of as many with replacement.

    `weights` (P,) counts how often each picture was drawn; None is once each. The seed is fixed,
    so that the same detections give the same interval.
    """
    value = figure(None)
    if not pictures or np.isnan(value):
        return Figure(value, Interval(float("nan"), float("nan")))
    random = np.random.default_rng(seed)
    shares = np.full(pictures, 1 / pictures)
    draws = np.array(
        [figure(random.multinomial(pictures, shares).astype(float)) for _ in range(rounds)]
    )
    draws = draws[~np.isnan(draws)]
    if not len(draws):
        return Figure(value, Interval(float("nan"), float("nan")))
    low, high = np.quantile(draws, (0.025, 0.975))
    return Figure(value, Interval(float(low), float(high)))


@dataclass(frozen=True, slots=True)
class Pair:
    """One figure of two candidates on the same units, each drawn again together."""

    first: Figure
    second: Figure
    difference: Figure  # first - second

    @property
    def differs(self) -> bool:
        low, high = self.difference.interval
        return bool(low > 0 or high < 0)


def figures(measures: Mapping[str, Measure], *, rounds: int) -> dict[str, Figure]:
    return {
        name: with_interval(each.of, each.units, rounds=rounds) for name, each in measures.items()
    }


def paired(
    first: Mapping[str, Measure], second: Mapping[str, Measure], *, rounds: int
) -> dict[str, Pair]:
    """What both measured, figure by figure. The seed is the same, and so are the draws."""
    pairs = {}
    for name, mine in first.items():
        theirs = second.get(name)
        if theirs is None or theirs.units != mine.units:
            continue  # a label that one of them does not know
        pairs[name] = Pair(
            with_interval(mine.of, mine.units, rounds=rounds),
            with_interval(theirs.of, theirs.units, rounds=rounds),
            with_interval(_less(mine, theirs), mine.units, rounds=rounds),
        )
    return pairs


def _less(mine: Measure, theirs: Measure) -> Callable[[FloatArray | None], float]:
    return lambda weights: mine.of(weights) - theirs.of(weights)
