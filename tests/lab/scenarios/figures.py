"""From what was counted to figures, each with a 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tests.lab.scenarios.play import Tally
from tests.lab.scenarios.script import Group, Script

DRAWS = 400
Z = 1.959964  # of a normal distribution: 95 % lie within


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its 95 % interval; NaN where nothing was there to measure it on."""

    value: float
    low: float
    high: float


NOTHING = Figure(math.nan, math.nan, math.nan)


def share(hits: int, of: int) -> Figure:
    """A share, 0..1, with Wilson's interval (Wilson 1927, J. Am. Stat. Assoc. 22)."""
    if of == 0:
        return NOTHING
    p = hits / of
    middle = (p + Z * Z / (2 * of)) / (1 + Z * Z / of)
    half = Z * math.sqrt(p * (1 - p) / of + Z * Z / (4 * of * of)) / (1 + Z * Z / of)
    return Figure(p, max(0.0, middle - half), min(1.0, middle + half))


def rate(count: int, exposure: float) -> Figure:
    """Events per unit of exposure, with the exact Poisson interval (Garwood 1936)."""
    if exposure <= 0:
        return NOTHING
    low = 0.0 if count == 0 else _poisson_mean(count - 1, 0.975)
    return Figure(count / exposure, low / exposure, _poisson_mean(count, 0.025) / exposure)


def _poisson_mean(count: int, below: float) -> float:
    """The mean for which at most `count` events have the probability `below`; by bisection."""
    low, high = 0.0, count + 10 * math.sqrt(count + 1) + 10
    for _ in range(80):
        mean = (low + high) / 2
        if _at_most(count, mean) > below:
            low = mean
        else:
            high = mean
    return (low + high) / 2


def _at_most(count: int, mean: float) -> float:
    if mean <= 0:
        return 1.0
    terms = [k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(count + 1)]
    return min(1.0, math.fsum(map(math.exp, terms)))


def percentile(values: Sequence[float], at: float, *, seed: int = 0) -> Figure:
    """A percentile, with its interval from values drawn again with replacement."""
    if not values:
        return NOTHING
    data = np.asarray(values)
    drawn = np.random.default_rng(seed).choice(data, (DRAWS, len(data)))
    low, high = np.percentile(np.percentile(drawn, at, axis=1), [2.5, 97.5])
    return Figure(float(np.percentile(data, at)), float(low), float(high))


def saved(tally: Tally) -> Figure:
    """The share of frames that the detector was spared; nearly exact, so its interval is that of
    a share."""
    return share(tally.frames - tally.looks, tally.frames)


def joined(scripts: Sequence[Script], tallies: Mapping[str, Tally], *groups: Group) -> Tally:
    total = Tally()
    for script in scripts:
        if script.group in groups and script.name in tallies:
            total.add(tallies[script.name])
    return total


def headline(scripts: Sequence[Script], tallies: Mapping[str, Tally]) -> dict[str, Figure]:
    """The six figures that a release is judged by."""
    used = joined(scripts, tallies, Group.PICKUPS, Group.QUIET)
    alike = joined(scripts, tallies, Group.LOOK_ALIKES)
    parked = joined(scripts, tallies, Group.PARKED)
    quiet = joined(scripts, tallies, Group.QUIET)
    alarms = rate(parked.false_lights + parked.false_sounds, 1.0)
    return {
        "pickups_noticed": share(used.noticed, used.pickups),
        "to_light_p95_s": percentile(used.to_light_s, 95),
        "to_silence_p95_s": percentile(used.to_silence_s, 95),
        "false_sounds_per_8h": rate(alike.false_sounds, alike.hours / 8),
        "parked_alarms": alarms if parked.hours else NOTHING,
        "inferences_saved": saved(quiet),
    }


def of_scenario(tally: Tally) -> dict[str, Figure]:
    """The figures of one scenario, by the names of its columns."""
    return {
        "noticed": share(tally.noticed, tally.pickups),
        "noticed_or_suspected": share(tally.told, tally.pickups),
        "to_light_p50_s": percentile(tally.to_light_s, 50),
        "to_light_p95_s": percentile(tally.to_light_s, 95),
        "to_sound_p50_s": percentile(tally.to_sound_s, 50),
        "to_silence_p95_s": percentile(tally.to_silence_s, 95),
        "false_lights_per_8h": rate(tally.false_lights, tally.hours / 8),
        "false_sounds_per_8h": rate(tally.false_sounds, tally.hours / 8),
        "false_suspicions_per_8h": rate(tally.false_suspicions, tally.hours / 8),
        "inferences_saved": saved(tally),
        "views_recognised": share(tally.unsure, tally.lost),
    }
