"""Held or lying: a belief in log-odds, moved by where a thing's box goes and where pixels change.

Two states with chance transitions between them (a hidden Markov model; Rabiner 1989,
doi:10.1109/5.18626, eq. 19 for two states). While a thing lies, its box is off by its noise, and
now and then by more; in a hand it sways. Both are normal in two dimensions:

    log-ratio(e) = log N(e; sway) - log[(1 - flips) N(e; noise) + flips N(e; jump)]

with e the distance from where it lies, in its own size. Looks that follow each other at once say
the same thing again: one counts as the share of INDEPENDENT_S that has passed since the last.
"""

from __future__ import annotations

from math import exp, log

SWAY = 0.15  # of its own size a thing in a hand goes from where it was
JUMP = 0.25  # a bad box of a lying thing
FLUNG = 0.5  # what a hand takes far away goes so far
FLIPS = 0.05  # share of bad boxes, and of what is taken far
NOISE = 0.08  # a box of a lying thing is off so much, before it is measured
LEAST_NOISE = 0.015
MOST_NOISE = 0.2
INDEPENDENT_S = 0.3
LIES = -3.0  # what one look says that finds the pixels of long ago
STILL = -0.7  # and of a second ago
MOVES = 3.0  # the most that one look's movement says
MOST = 5.0  # bound of the belief
HELD_S = 300.0  # mean time in a hand
LIES_S = 300.0  # and lying


def _normal(e: float, sigma: float) -> float:
    """Density of a normal distribution in two dimensions, but for 1 / 2 pi."""
    return exp(-0.5 * (e / sigma) ** 2) / sigma**2


def ratio(e: float, noise: float) -> float:
    """What a box at distance `e` says, in log-odds of a hand."""
    lying = (1 - FLIPS) * _normal(e, noise) + FLIPS * _normal(e, JUMP)
    held = max(_normal(e, SWAY), FLIPS * _normal(e, FLUNG), 1e-9)
    return min(MOVES, max(STILL, log(held / max(lying, 1e-12))))


def later(held: float, passed_s: float) -> float:
    """The belief after `passed_s` in which nothing was seen."""
    p = 1 / (1 + exp(-held))
    # Two states that are left at these rates: it goes to their share of the time, and stays there.
    share = HELD_S / (HELD_S + LIES_S)
    p = share + (p - share) * exp(-passed_s * (1 / HELD_S + 1 / LIES_S))
    p = min(max(p, 1e-4), 1 - 1e-4)
    return log(p / (1 - p))


def bounded(held: float) -> float:
    return min(MOST, max(-MOST, held))
