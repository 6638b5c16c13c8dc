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
    what = "use"                # see What
    thing = "phone"
    where = ["chest", "face"]   # one of them, by chance
    lasts_s = [3, 40]
    then = "back"               # back, elsewhere, gone
    weight = 1

All positions and sizes are shares of the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from edge import toml
from edge.config import setting
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


class Where(StrEnum):
    CHEST = "chest"
    FACE = "face"
    LOW = "low"


class Then(StrEnum):
    BACK = "back"
    ELSEWHERE = "elsewhere"
    GONE = "gone"


VIEW_EVENTS = frozenset({What.COVER, What.DARK, What.GLARE, What.FREEZE, What.BUMP})
NEEDS_THING = frozenset({What.USE, What.NUDGE, What.REACH})

Pair = tuple[float, float]


def _pair(default: Pair | None, help_text: str = "", *, low: float = 0, high: float = 1) -> Pair:
    pair: Pair = setting(default, help_text, low=low, high=high)
    return pair


def _range(least: float, most: float) -> Pair:
    return _pair((least, most), low=0, high=86_400)


@dataclass(frozen=True, slots=True)
class Thing:
    name: str
    kind: str
    at: Pair | None = _pair(None)
    size: Pair = _pair((0.06, 0.11))
    in_hand: Pair | None = setting(None, low=0, high=1, key="held")

    @property
    def held(self) -> Pair:
        return self.in_hand or self.size


@dataclass(frozen=True, slots=True)
class Event:
    what: What
    thing: str = ""
    where: tuple[Where, ...] = (Where.CHEST,)
    lasts_s: Pair = _range(5, 30)
    then: Then = Then.BACK
    weight: float = setting(1.0, low=0, high=1000)


@dataclass(frozen=True, slots=True)
class Sitter:
    box: Box


@dataclass(frozen=True, slots=True)
class Script:
    """name: the file's"""

    title: str
    group: Group
    name: str = ""
    text: str = ""
    pause_s: Pair = _range(40, 160)
    typing: float = setting(0.5, low=0, high=1)
    fidget: float = setting(0.3, low=0, high=1)
    sitter: Sitter | None = setting(None, key="person")
    dock: Box | None = None
    things: tuple[Thing, ...] = setting((), key="thing")
    events: tuple[Event, ...] = setting((), key="event")

    @property
    def person(self) -> Box | None:
        return None if self.sitter is None else self.sitter.box


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
    """Read one scenario. Raises ScriptError with all that is wrong."""
    reader = toml.Reader()
    try:
        table = toml.whole(path)
    except toml.Unreadable as exc:
        raise ScriptError(f"{path}: {exc}") from exc
    read: Script | None = reader.section(Script, table, "")
    faults = [*map(str, reader.faults), *(_contradictions(read) if read is not None else ())]
    if read is None or faults:
        raise ScriptError("\n  ".join([f"{path}:", *faults]))
    return replace(read, name=path.stem)


def _contradictions(script: Script) -> Iterator[str]:
    if script.name:
        yield "name: the file's name is the name"
    names = {thing.name for thing in script.things}
    for number, event in enumerate(script.events):
        if event.what in NEEDS_THING and event.thing not in names:
            yield f"event[{number}].thing: there is no thing {event.thing!r}"
        if event.lasts_s[0] > event.lasts_s[1]:
            yield f"event[{number}].lasts_s: must be [least, most]"
    if script.pause_s[0] > script.pause_s[1]:
        yield "pause_s: must be [least, most]"
