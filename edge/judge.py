"""The chain, in one place: what one frame adds to what is known, and what follows from it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from edge.config import Config
from edge.decide import seeing, step
from edge.desk.observe import Memory, glances, observe
from edge.domain import Look, Observation, SceneStats, State, Thresholds


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to know of one frame.

    stats: None where the pixels were not measured; looks: none where nothing was looked at
    """

    at_s: float
    stats: SceneStats | None = None
    looks: tuple[Look, ...] = ()


class Judged(NamedTuple):
    state: State
    memory: Memory
    observation: Observation | None


def judge(
    state: State,
    memory: Memory,
    facts: Facts | None,
    *,
    at_s: float,
    config: Config,
    thresholds: Thresholds,
    minute_of_day: int | None,
) -> Judged:
    """Carry one frame through to the state that follows. `facts` is None where there is no frame:
    then only time passes. While the camera is closed, nothing is observed and nothing kept."""
    observation = None
    if not seeing(state):
        memory = Memory()
    elif facts is not None:
        memory, observation = observe(
            memory,
            facts.looks,
            facts.stats,
            at_s=facts.at_s,
            config=config,
            thresholds=thresholds,
        )
    state = step(state, observation, at_s=at_s, config=config, minute_of_day=minute_of_day)
    return Judged(state, memory, observation)


__all__ = ["Facts", "Judged", "Memory", "glances", "judge"]
