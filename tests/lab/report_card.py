"""All figures of a detector on labelled pictures, with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from edge.domain import PERSON, PHONE
from tests.lab import score
from tests.lab.score import Figure, Judged, Measure

# What is mistaken for a phone (issue 3), by the names of the project's labels.
LOOK_ALIKES = frozenset(
    {
        "remote",
        "calculator",
        "wallet",
        "earbud case",
        "power bank",
        "notebook",
        "mouse",
        "pen",
        "cup",
    }
)
# Upper edges of a phone's share of the picture; a desk camera sees 0.3 % and more.
AREAS = (0.0, 0.001, 0.003, 0.01, 0.05, 1.0)


@dataclass(frozen=True, slots=True)
class LabelCard:
    """One label: objects that are there, pictures it was looked for in, and how it is found."""

    label: str
    objects: int
    pictures: int
    ap50: Figure


@dataclass(frozen=True, slots=True)
class AreaCard:
    """Phones whose share of the picture is within `area`, found at the shipped threshold."""

    area: tuple[float, float]
    phones: int
    ap50: float
    recall: float


@dataclass(frozen=True, slots=True)
class ReportCard:
    """Figures by their names in `evaluate --json`; all 0..1, NaN where there is nothing to go by.

    recall, fppi: of phones, at the shipped threshold; fppi is false phones per picture
    """

    pictures: int
    threshold: float
    figures: dict[str, Figure]
    recall: float
    fppi: float
    labels: tuple[LabelCard, ...]
    areas: tuple[AreaCard, ...]
    mistaken: tuple[score.Mistaken, ...]
    elsewhere: int
    false_alarms: int


def report_card(
    pictures: Sequence[Judged],
    labels: Sequence[str],
    threshold: float,
    *,
    rounds: int = 1000,
) -> ReportCard:
    """Judge the detections in `pictures`; `labels` are the model's, the threshold is a phone's."""
    with_phone = looked_for(pictures, PHONE)
    matches = score.match(with_phone, PHONE)
    figures = score.figures(measures(pictures, labels, threshold), rounds=rounds)
    recall, fppi = score.recall_at(matches, threshold)
    mistaken, elsewhere, alarms = score.mistaken_for(with_phone, threshold=threshold)
    return ReportCard(
        pictures=len(pictures),
        threshold=threshold,
        figures=figures,
        recall=recall,
        fppi=fppi,
        labels=tuple(
            card for card in (_label(pictures, label, rounds) for label in labels) if card.objects
        ),
        areas=tuple(_area(with_phone, (low, high), threshold) for low, high in pairwise(AREAS)),
        mistaken=tuple(row for row in mistaken if row.mistaken or row.label in LOOK_ALIKES),
        elsewhere=elsewhere,
        false_alarms=alarms,
    )


def measures(
    pictures: Sequence[Judged], labels: Sequence[str], threshold: float
) -> dict[str, Measure]:
    """All that has an interval, by its name in `evaluate --json`."""
    with_phone = looked_for(pictures, PHONE)
    matches = score.match(with_phone, PHONE)
    desk = score.match(with_phone, PHONE, area=score.DESK_AREA)
    flags = score.picture_scores(with_phone, PHONE)
    people = looked_for(pictures, PERSON) if PERSON in labels else []
    person = score.match(people, PERSON)
    either = [
        picture
        for picture in with_phone
        if picture.shows(PHONE) or any(truth.label in LOOK_ALIKES for truth in picture.truths)
    ]
    confused = score.picture_scores(either, PHONE)
    count = len(with_phone)
    return {
        "phone_ap50": Measure("phone AP50", count, lambda w: score.average_precision(matches, w)),
        "phone_ap50_desk": Measure(
            "phone AP50, at least 0.3 % of the picture",
            count,
            lambda w: score.average_precision(desk, w),
        ),
        "phone_recall_at_0_1_fppi": Measure(
            "phone recall at 0.1 false per picture",
            count,
            lambda w: score.recall_at_fppi(matches, 0.1, w)[0],
        ),
        "phone_hits_at_1_percent_false": Measure(
            "pictures with a phone flagged, at 1 % false",
            count,
            lambda w: score.hits_at_false_share(flags, 0.01, w)[0],
        ),
        "phone_hits_at_5_percent_false": Measure(
            "pictures with a phone flagged, at 5 % false",
            count,
            lambda w: score.hits_at_false_share(flags, 0.05, w)[0],
        ),
        "phone_vs_lookalike_balanced_accuracy": Measure(
            "phone or look-alike, balanced accuracy",
            len(either),
            lambda w: score.balanced_accuracy(confused, threshold, w),
        ),
        "person_ap50": Measure(
            "person AP50", len(people), lambda w: score.average_precision(person, w)
        ),
    }


def looked_for(pictures: Sequence[Judged], label: str) -> list[Judged]:
    return [picture for picture in pictures if label in picture.labelled]


def _label(pictures: Sequence[Judged], label: str, rounds: int) -> LabelCard:
    chosen = looked_for(pictures, label)
    matches = score.match(chosen, label)
    figure = score.with_interval(
        lambda w: score.average_precision(matches, w), len(chosen), rounds=rounds
    )
    return LabelCard(label, int(matches.positives.sum()), len(chosen), figure)


def _area(pictures: Sequence[Judged], area: tuple[float, float], threshold: float) -> AreaCard:
    # Half open, so that each phone is in one row.
    upper = math.nextafter(area[1], 0) if area[1] < 1 else 1.0
    matches = score.match(pictures, PHONE, area=(area[0], upper))
    recall, _ = score.recall_at(matches, threshold)
    phones = int(matches.positives.sum())
    return AreaCard(area, phones, score.average_precision(matches), recall)
