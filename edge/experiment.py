"""A self-experiment: every focus session is drawn at random to one of two ways of nudging. Pure.

The draw is a hash of a secret of this run and the number of what happened before: it needs no
source of chance here, cannot be foretold, and can be drawn again from what the history keeps.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from edge.config import Config, ExperimentConfig
from edge.domain import State

SOUND, LIGHT_ONLY = "sound", "light only"
DOCK, NO_DOCK = "dock", "no dock"
OF_A_MODE = "mode "  # then its name


def ways(config: ExperimentConfig) -> tuple[str, str]:
    """What is compared: the second to the first."""
    match config.compare:
        case "sound":
            return LIGHT_ONLY, SOUND
        case "dock":
            return NO_DOCK, DOCK
        case _:
            return f"{OF_A_MODE}{config.mode_a}", f"{OF_A_MODE}{config.mode_b}"


def way_of(draw: str, config: ExperimentConfig) -> str:
    """What a draw means, as the history keeps it."""
    return ways(config)[int(draw[-1], 16) & 1]


def drawn(state: State, config: Config) -> tuple[State, dict[str, str]]:
    """The state of a focus session that begins, and what its event tells of the draw.

    Nothing is drawn for a recording: it is nobody's session.
    """
    experiment = config.experiment
    if not experiment.enabled or state.replay:
        return replace(state, way=""), {}
    draw = sha256(f"{state.seed}:{state.happened}".encode()).hexdigest()[:16]
    way = way_of(draw, experiment)
    if way.startswith(OF_A_MODE):
        state = replace(state, mode=way.removeprefix(OF_A_MODE))
    return replace(state, way=way), {"experiment": experiment.name, "way": way, "draw": draw}
