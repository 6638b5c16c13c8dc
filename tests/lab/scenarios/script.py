"""Scenes as data: a TOML file says what is in the picture and what happens, and how often.

    title = "Texting"
    group = "pickups"           # what it counts for, see Group
    text = "One sentence for the report."
    pause_s = [40, 160]         # from one event to the next
    typing = 0.5                # share of the time that the hands are busy on the desk
    fidget = 0.3                # share of the time that the person moves

    [person]
    box = [0.10, 0.30, 0.80, 0.72]      # absent: nobody sits there

    [[thing]]
    name = "phone"              # events speak of it by name
    kind = "phone"              # as in the fitted detector
    at = [0.80, 0.25]           # centre, where it lies; absent: out of sight
    size = [0.06, 0.11]         # height and width there
    held = [0.16, 0.08]         # height and width in the hand

    [[event]]
    what = "use"                # see WHATS
    thing = "phone"
    where = ["chest", "face"]   # one of them, by chance
    lasts_s = [3, 40]
    then = "back"               # back, elsewhere, gone
    weight = 1

All positions and sizes are shares of the picture.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from edge.domain import Box


class ScriptError(Exception):
    """A scenario file cannot be used; the text names the file and the fault."""


class Group(StrEnum):
    PICKUPS = "pickups"
    LOOK_ALIKES = "look-alikes"
    PARKED = "parked"
    QUIET = "quiet"
    VIEW = "view"
    OTHER = "other"


class What(StrEnum):
    USE = "use"  # a thing is taken into the hand, and put somewhere
    NUDGE = "nudge"  # pushed aside where it lies
    REACH = "reach"  # a hand covers part of it, or all
    HANDS = "hands"  # a bare hand before the chest or at the face
    LEAVE = "leave"  # the person goes, and comes back
    GUEST = "guest"  # somebody walks through behind
    CAT = "cat"  # something large moves over the desk
    COVER = "cover"  # a hand over the lens
    DARK = "dark"  # the light is switched off
    GLARE = "glare"  # the sun blinds the camera
    FREEZE = "freeze"  # the same picture again and again
    BUMP = "bump"  # the camera points elsewhere


WHATS = tuple(What)
WHERES = ("chest", "face", "low")
THENS = ("back", "elsewhere", "gone")
VIEW_EVENTS = frozenset({What.COVER, What.DARK, What.GLARE, What.FREEZE, What.BUMP})
NEEDS_THING = frozenset({What.USE, What.NUDGE, What.REACH})

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Thing:
    name: str
    kind: str
    at: tuple[float, float] | None
    size: tuple[float, float]
    held: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Event:
    what: What
    thing: str = ""
    where: tuple[str, ...] = ("chest",)
    lasts_s: Range = (5.0, 30.0)
    then: str = "back"
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Script:
    name: str
    title: str
    group: Group
    text: str = ""
    pause_s: Range = (40.0, 160.0)
    typing: float = 0.5
    fidget: float = 0.3
    person: Box | None = None
    dock: Box | None = None
    things: tuple[Thing, ...] = ()
    events: tuple[Event, ...] = ()


def load_all(folder: Path) -> tuple[Script, ...]:
    """Every scenario of a folder, by name. Raises ScriptError."""
    paths = sorted(folder.glob("*.toml"))
    if not paths:
        raise ScriptError(
            f"there are no scenarios in {folder}; they are in tests/lab/scenes"
            " (--scenarios names another folder)"
        )
    return tuple(load(path) for path in paths)


def load(path: Path) -> Script:
    """Read one scenario. Raises ScriptError, naming what is wrong."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
        return _script(path.stem, tree)
    except OSError as exc:
        raise ScriptError(f"{path} cannot be read: {exc.strerror}") from exc
    except (ValueError, KeyError, TypeError) as exc:
        fault = f"{exc.args[0]} is missing" if isinstance(exc, KeyError) else str(exc)
        raise ScriptError(f"{path}: {fault}") from exc


def _script(name: str, tree: dict[str, Any]) -> Script:
    known = {"title", "group", "text", "pause_s", "typing", "fidget", "person", "dock", "thing"}
    _only(tree, known | {"event"}, "the scenario")
    things = tuple(_thing(entry) for entry in tree.get("thing", []))
    names = {thing.name for thing in things}
    events = tuple(_event(entry, names) for entry in tree.get("event", []))
    person = tree.get("person")
    dock = tree.get("dock")
    return Script(
        name=name,
        title=str(tree["title"]),
        group=Group(tree["group"]),
        text=str(tree.get("text", "")),
        pause_s=_range(tree.get("pause_s", (40, 160)), "pause_s"),
        typing=_share(tree.get("typing", 0.5), "typing"),
        fidget=_share(tree.get("fidget", 0.3), "fidget"),
        person=None if person is None else _box(person["box"]),
        dock=None if dock is None else _box(dock),
        things=things,
        events=events,
    )


def _thing(entry: dict[str, Any]) -> Thing:
    _only(entry, {"name", "kind", "at", "size", "held"}, "a thing")
    at = entry.get("at")
    size = _pair(entry.get("size", (0.06, 0.11)))
    return Thing(
        name=str(entry["name"]),
        kind=str(entry["kind"]),
        at=None if at is None else _pair(at),
        size=size,
        held=_pair(entry.get("held", size)),
    )


def _event(entry: dict[str, Any], names: set[str]) -> Event:
    _only(entry, {"what", "thing", "where", "lasts_s", "then", "weight"}, "an event")
    what = What(entry["what"])
    thing = str(entry.get("thing", ""))
    if what in NEEDS_THING and thing not in names:
        raise ValueError(f"event {what}: there is no thing {thing!r}")
    where = entry.get("where", ["chest"])
    where = (where,) if isinstance(where, str) else tuple(where)
    then = str(entry.get("then", "back"))
    if not where or not set(where) <= set(WHERES):
        raise ValueError(f"event {what}: where takes {', '.join(WHERES)}")
    if then not in THENS:
        raise ValueError(f"event {what}: then takes {', '.join(THENS)}")
    return Event(
        what=what,
        thing=thing,
        where=where,
        lasts_s=_range(entry.get("lasts_s", (5, 30)), "lasts_s"),
        then=then,
        weight=float(entry.get("weight", 1)),
    )


def _only(tree: dict[str, Any], known: set[str], what: str) -> None:
    unknown = sorted(set(tree) - known)
    if unknown:
        raise ValueError(f"{what} takes no {unknown[0]!r}")


def _pair(value: Any) -> tuple[float, float]:
    first, second = value
    return float(first), float(second)


def _range(value: Any, name: str) -> Range:
    low, high = _pair(value)
    if not 0 <= low <= high:
        raise ValueError(f"{name} must be [least, most]")
    return low, high


def _share(value: Any, name: str) -> float:
    share = float(value)
    if not 0 <= share <= 1:
        raise ValueError(f"{name} must be 0 to 1")
    return share


def _box(value: Any) -> Box:
    ymin, xmin, ymax, xmax = map(float, value)
    if not (0 <= ymin < ymax <= 1 and 0 <= xmin < xmax <= 1):
        raise ValueError("a box is [top, left, bottom, right], 0 to 1")
    return Box(ymin, xmin, ymax, xmax)
