"""What the owner showed the box, and what that says of a thing seen now: pure.

A bank of vectors from the training pictures (phones, and what was taken for one) comes with the
model as the mean and the precision of a logistic regression's weights: its posterior under a
Gaussian prior, in Laplace's approximation (Bishop, Pattern Recognition and Machine Learning,
4.5.1), counted as so many views. What the owner shows moves the weights from there: the most
probable ones under that prior. So a few views move them a little, in the directions that the bank
leaves open, and none at all leave everything as it was.

Vectors are rows, (N, D) float32, as `Features` of `ports.py` makes them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

MOST_LOG_ODDS = 4.0  # what was shown says at most so much: 98 %, or 2 %
# Cosine of a thing to the view that is most like it: none of what was shown counts below the first,
# all of it from the second on. Of things that nobody showed nine in ten stay below the second; of
# what was shown, in other poses, nineteen in twenty are above the first.
STRANGE, FAMILIAR = 0.3, 0.5
SAME_VIEW = 0.97  # two views that are so much alike tell nothing that one does not
STEPS = 40  # of Newton's method; five are usual
LEAST, MOST = 1e-3, 1 - 1e-3  # scores, where logits are taken


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """What the training pictures say: the prior.

    weights:   (D + 1,) the last one is the bias
    precision: (D + 1, D + 1) of the weights
    slope:     true log-odds of things in new poses, for each that the weights give
    """

    weights: FloatArray
    precision: FloatArray
    slope: float = 1.0

    @property
    def length(self) -> int:
        return len(self.weights) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """One thing that the owner showed; `vectors` is (N, D)."""

    name: str
    phone: bool
    vectors: FloatArray

    @property
    def views(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True, slots=True, eq=False)
class Knowledge:
    """Weights after what was shown, and all that was shown, as directions."""

    weights: FloatArray  # (D + 1,)
    directions: FloatArray  # (N, D), of length 1
    slope: float

    def familiar(self, vectors: FloatArray) -> FloatArray:
        """How much each is like something that was shown, 0..1."""
        alike = (directions(vectors) @ self.directions.T).max(axis=1)
        return np.asarray(np.clip((alike - STRANGE) / (FAMILIAR - STRANGE), 0, 1), np.float32)

    def log_odds(self, vectors: FloatArray) -> FloatArray:
        """That each is a phone, of a thing that is one as often as not; bounded."""
        raw = self.slope * (vectors @ self.weights[:-1] + self.weights[-1])
        return np.asarray(np.clip(raw, -MOST_LOG_ODDS, MOST_LOG_ODDS), np.float32)

    def joined(self, scores: Sequence[float], vectors: FloatArray, threshold: float) -> list[float]:
        """What becomes of the detector's scores, 0..1, of things with these vectors.

        Of a thing that is like none that was shown, the score stays what it was. Of one that is,
        log-odds of what was shown take the place of the detector's, by as much as it is like it:
        the detector's own evidence is among what the vectors are made of, and the owner's word
        counts for more than anything learnt elsewhere. `threshold`: the score from which on a phone
        is believed, which log-odds of 0 become.
        """
        middle = logit(threshold)
        trust, taught = self.familiar(vectors), self.log_odds(vectors)
        return [
            score if share == 0 else sigmoid((1 - share) * logit(score) + share * (middle + odds))
            for score, share, odds in zip(scores, trust.tolist(), taught.tolist(), strict=True)
        ]


def learn(bank: Bank, things: Sequence[Thing]) -> Knowledge | None:
    """The most probable weights, given the bank and all things shown; None where there are none.

    Both kinds count the same together, however many views there are of each. As long as only one
    kind was shown the bias stays the bank's: else a box that was shown a phone and nothing else
    would take everything for one.
    """
    shown = [thing for thing in things if thing.views]
    if not shown:
        return None
    rows = np.concatenate([thing.vectors for thing in shown]).astype(np.float64)
    phone = np.repeat([float(thing.phone) for thing in shown], [thing.views for thing in shown])
    phones = float(phone.sum())
    others = len(phone) - phones
    both = phones > 0 and others > 0
    share = np.where(phone > 0, phones or 1, others or 1)
    counts = len(phone) / 2 / share if both else np.ones(len(phone))
    rows1 = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    free = np.arange(bank.length + 1 if both else bank.length)
    prior, precision = bank.weights.astype(np.float64), bank.precision.astype(np.float64)
    weights = prior.copy()
    for _ in range(STEPS):
        is_phone = 1 / (1 + np.exp(-np.clip(rows1 @ weights, -30, 30)))
        slope = rows1.T @ (counts * (is_phone - phone)) + precision @ (weights - prior)
        spread = counts * is_phone * (1 - is_phone)
        curve = (rows1 * spread[:, None]).T @ rows1 + precision
        step = np.linalg.solve(curve[np.ix_(free, free)], slope[free])
        weights[free] -= step
        if np.abs(step).max() < 1e-6:
            break
    return Knowledge(weights.astype(np.float32), directions(rows), bank.slope)


def spread_out(vectors: FloatArray, most: int) -> FloatArray:
    """At most so many of the vectors, in their order: those that are least like each other.

    One of two that are nearly the same is left out in any case, the later one.
    """
    unit = directions(vectors)
    kept: list[int] = []
    for index in range(len(vectors)):
        if not kept or float((unit[kept] @ unit[index]).max()) < SAME_VIEW:
            kept.append(index)
    while len(kept) > most:
        alike = unit[kept] @ unit[kept].T
        np.fill_diagonal(alike, -1)
        # Of the two that are most alike, the one that is more like the others as well.
        first, second = divmod(int(alike.argmax()), len(kept))
        del kept[first if alike[first].sum() > alike[second].sum() else second]
    return vectors[kept]


def directions(vectors: NDArray[Any]) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), np.float32)


def logit(score: float) -> float:
    held = min(max(score, LEAST), MOST)
    return math.log(held / (1 - held))


def sigmoid(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


__all__ = ["Bank", "Knowledge", "Thing", "learn", "spread_out"]
