"""From what the eyes say to how likely a phone is: log-odds, heard over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import exp, log, sqrt
from typing import NamedTuple

import numpy as np

from edge.desk.geometry import ious
from edge.domain import PERSON, PHONE, Box, Detection

LEAST = 0.03  # scores below this say no more than this
MOST = 0.98
RIVAL_IOU = 0.4  # two names whose boxes overlap so much are about one thing
PLAIN_PX = 24.0  # a thing so large in the model's input is seen as well as it will be
INPUT_PX = 416.0  # longer side of that input
FAINT = 0.25  # what a look that shows it as a few pixels counts, of one that shows it plainly


class Heard(NamedTuple):
    """What one look said of a thing.

    log_odds: that it is a phone
    weight:   what the look counts, 0..1
    seen:     whether it was detected at all
    stirs:    share of its cells that changed in the moment before, 0..1, in a hand; None: not asked
    """

    at_s: float
    log_odds: float
    weight: float
    seen: bool
    stirs: float | None = None


def log_odds(score: float) -> float:
    """Of a score 0..1; bounded at both ends."""
    score = min(max(score, LEAST), MOST)
    return log(score / (1 - score))


def probability(value: float) -> float:
    """0..1, of log-odds."""
    return 1 / (1 + exp(-value))


NOTHING = log_odds(0.0)


def against_rivals(detections: Sequence[Detection]) -> tuple[Detection, ...]:
    """The same, best first; a phone that is surer something else by another name is less of one.

    By as much, in log-odds, as the other name is surer: a remote control that looks a little like
    a phone is no phone, and a phone that looks a little like a remote control stays one.
    """
    phones = [each for each in detections if each.label == PHONE]
    rivals = [each for each in detections if each.label not in (PHONE, PERSON)]
    after = [each for each in detections if each.label != PHONE]
    if phones and rivals:
        same = ious([d.box for d in phones], [d.box for d in rivals]) >= RIVAL_IOU
        claims = np.where(same, [each.score for each in rivals], 0.0).max(1).tolist()
        phones = [_left(each, claim) for each, claim in zip(phones, claims, strict=True)]
    return tuple(sorted(after + phones, key=lambda each: -each.score))


def _left(phone: Detection, claim: float) -> Detection:
    own = log_odds(phone.score)
    against = log_odds(claim) - own
    return replace(phone, score=probability(own - against)) if against > 0 else phone


def weight_of(box: Box, window: Box) -> float:
    """What a look at `window` counts for a thing in `box`: less where it is a few pixels."""
    side = max(window.height, window.width, 1e-6)
    shown_px = INPUT_PX * sqrt(box.area) / side
    return min(1.0, max(FAINT, shown_px / PLAIN_PX))


def level(heard: tuple[Heard, ...], since_s: float) -> float:
    """The mean log-odds of the looks since then.

    A mean, since looks of one eye at one grip hardly say more together than each alone.
    """
    total = weights = 0.0
    for each in heard:
        if each.at_s > since_s:
            total += each.weight * each.log_odds
            weights += each.weight
    return total / weights if weights else NOTHING
