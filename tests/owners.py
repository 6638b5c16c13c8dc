"""Owners whose habit is known: what a self-experiment finds of them can be held against it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from math import exp

from edge.experiment import LIGHT_ONLY, SOUND
from edge.history.trial import Outcome

SESSIONS_MIN = (25.0, 25.0, 25.0, 50.0, 10.0)
A_DAY = 6


@dataclass(frozen=True, slots=True)
class Owner:
    """a_hour: pick-ups per hour of focus with light only; ratio: so many times as often with sound
    spread:  variance of a session's own factor (gamma, mean 1), beyond that of chance (Poisson)
    days:    how far days differ, as the deviation of the logarithm of their factor
    each_s:  how long a pick-up lasts, on average
    """

    a_hour: float
    ratio: float
    spread: float
    days: float
    each_s: float = 40.0


OWNERS = {
    "no effect": Owner(3.0, 1.0, 0.5, 0.3),
    "four in ten fewer": Owner(3.0, 0.6, 0.5, 0.3),
    "half, a heavy habit": Owner(6.0, 0.5, 0.3, 0.2),
    "a fifth fewer, moody": Owner(3.0, 0.8, 1.5, 0.5),
    "half as many again": Owner(2.0, 1.5, 0.8, 0.3),
    "seldom, days differ": Owner(1.5, 0.7, 0.8, 0.4),
}


def lived(owner: Owner, sessions: int, chance: random.Random) -> list[Outcome]:
    """That many sessions, each drawn to one of two ways by a coin."""
    found = []
    day = 1.0
    for number in range(sessions):
        if number % A_DAY == 0:
            day = exp(chance.gauss(0, owner.days))
        way = chance.choice((LIGHT_ONLY, SOUND))
        hours = chance.choice(SESSIONS_MIN) / 60
        own = chance.gammavariate(1 / owner.spread, owner.spread)
        rate = owner.a_hour * day * own * (owner.ratio if way == SOUND else 1.0)
        pickups = _poisson(rate * hours, chance)
        phone_s = sum(chance.gammavariate(1.2, owner.each_s / 1.2) for _ in range(pickups))
        found.append(Outcome(way, 3600 * hours, min(phone_s, 3600 * hours), pickups))
    return found


def _poisson(mean: float, chance: random.Random) -> int:
    """Counted as arrivals within `mean`, which needs no table."""
    count, at = 0, chance.expovariate(1.0)
    while at < mean:
        count, at = count + 1, at + chance.expovariate(1.0)
    return count
