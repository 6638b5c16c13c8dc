"""What of a changed configuration can be taken over while the box runs, and what waits. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from edge.config import Config
from edge.domain import Command, SetMode, SetVolume

# What the pure part reads anew at every frame. Everything else has been opened, sent or started.
LIVE = ("seats", "observe", "policy", "session", "nudge", "modes")


@dataclass(frozen=True, slots=True)
class Change:
    """config: what is in force now; taken, waiting: settings by their dotted names."""

    config: Config
    taken: list[str]
    waiting: list[str]
    commands: tuple[Command, ...] = ()


def adopted(now: Config, wanted: Config) -> Change:
    """`wanted` is right in itself; seats and modes that come or go are known elsewhere, so wait."""
    fixed = {"seats"} if _names(now.seats) != _names(wanted.seats) else set()
    if set(now.modes) != set(wanted.modes):
        fixed |= {"modes", "nudge"}
    changed = [
        each.name for each in fields(Config) if _of(now, each.name) != _of(wanted, each.name)
    ]
    taken = [name for name in changed if name in LIVE and name not in fixed]
    # What was opened stays as it is; what is said of it later is compared with that again.
    config = replace(now, **{name: _of(wanted, name) for name in taken})
    commands: list[Command] = []
    if config.nudge.mode != now.nudge.mode:
        commands.append(SetMode(config.nudge.mode))
    if config.nudge.volume != now.nudge.volume:
        commands.append(SetVolume(config.nudge.volume))
    return Change(
        config,
        taken=[path for name in taken for path in _paths(now, wanted, name)],
        waiting=[
            path for name in changed if name not in taken for path in _paths(now, wanted, name)
        ],
        commands=tuple(commands),
    )


def needs_start(path: str) -> bool:
    """Whether a setting, by its dotted name, is taken over at the next start only."""
    return path.partition(".")[0] not in LIVE


def _of(config: Config, section: str) -> Any:
    return getattr(config, section)


def _names(seats: tuple[Any, ...]) -> list[str]:
    return [seat.name for seat in seats]


def _paths(now: Config, wanted: Config, section: str) -> list[str]:
    if section in ("seats", "modes", "hooks"):
        return [section]
    before, after = _of(now, section), _of(wanted, section)
    return [
        f"{section}.{each.name}"
        for each in fields(before)
        if getattr(before, each.name) != getattr(after, each.name)
    ]
