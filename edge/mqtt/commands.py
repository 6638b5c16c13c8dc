"""What arrives on a command topic -> a Command, or a Refusal that says why. Pure.

A payload is a bare word or number, or a JSON object with the fields named below; both are short.
Nothing here changes anything, raises anything, or lets a value through that is out of its range.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge.config import Config
from edge.decide import LONGEST_GRACE_S, PARTS
from edge.domain import (
    NAME_MOST,
    Command,
    Forget,
    Mute,
    MyPhone,
    NotAPhone,
    SessionAction,
    SetGrace,
    SetMode,
    SetSession,
    SetVolume,
    Snooze,
    Teach,
    Test,
)
from edge.mqtt.topics import Topics

MAX_PAYLOAD_BYTES = 256
MAX_TOPIC_CHARS = 200
PRESS = "PRESS"  # what a button in Home Assistant sends: the command without anything
MAX_SESSION_MIN = 240.0
MAX_SNOOZE_MIN = 60.0
KINDS = ("phone", "other")  # of things that are shown
SHOWN_S, SHOWN_LEAST_S, SHOWN_MOST_S = 30.0, 5.0, 120.0

# A select in Home Assistant sends the state it wants; people say what to do. Both are understood.
SESSION_WORDS = {
    "start": SessionAction.START,
    "focus": SessionAction.START,
    "break": SessionAction.BREAK,
    "pause": SessionAction.PAUSE,
    "paused": SessionAction.PAUSE,
    "resume": SessionAction.RESUME,
    "stop": SessionAction.STOP,
    "idle": SessionAction.STOP,
}
TRUE_WORDS = frozenset({"on", "true", "1", "yes"})
FALSE_WORDS = frozenset({"off", "false", "0", "no"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A command that changes nothing; `command` and `reason` are short and printable."""

    command: str
    reason: str


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words that this box knows beside the fixed ones."""

    modes: tuple[str, ...] = ()
    seats: tuple[str, ...] = ()
    parts: tuple[str, ...] = PARTS
    max_volume: float = 1.0

    @classmethod
    def of(cls, config: Config) -> Vocabulary:
        return cls(
            modes=tuple(config.modes),
            seats=tuple(seat.name for seat in config.seats),
            max_volume=config.mqtt.volume_max,
        )


class _Refused(Exception):
    pass


def parse(
    topic: str, payload: bytes, *, retained: bool, topics: Topics, vocabulary: Vocabulary
) -> Command | Refusal:
    """Understand one message, whatever it is; never raises."""
    name = topics.command_name(topic[:MAX_TOPIC_CHARS])
    if name is None or len(topic) > MAX_TOPIC_CHARS:
        return Refusal(_printable(topic), "no command of this box")
    build = _BUILDERS.get(name)
    if build is None:
        known = ", ".join(COMMANDS)
        return Refusal(_printable(name), f"no such command; there are: {known}")
    if retained:
        # It would be carried out again at every reconnect, long after it was meant.
        return Refusal(name, "retained; commands are never honoured when retained")
    if len(payload) > MAX_PAYLOAD_BYTES:
        return Refusal(name, f"{len(payload)} bytes; at most {MAX_PAYLOAD_BYTES}")
    try:
        return build(_fields(payload, _BARE_FIELD[name]), vocabulary)
    except _Refused as refused:
        return Refusal(name, str(refused))


def _fields(payload: bytes, bare_field: str) -> dict[str, Any]:
    """The payload as named fields; a bare one is the field that the command is about."""
    try:
        text = payload.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise _Refused("not UTF-8 text") from None
    if not text:
        return {}
    if not text.startswith("{"):
        return {bare_field: text}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise _Refused("not valid JSON") from None
    return dict(value)


def _session(fields: dict[str, Any], _: Vocabulary) -> Command:
    _only(fields, "action", "minutes")
    word = _text(fields, "action").lower()
    if word not in SESSION_WORDS:
        raise _Refused(f"action: one of {', '.join(SESSION_WORDS)}")
    return SetSession(SESSION_WORDS[word], _minutes(fields, MAX_SESSION_MIN))


def _snooze(fields: dict[str, Any], _: Vocabulary) -> Command:
    _only(fields, "minutes")
    return Snooze(_minutes(fields, MAX_SNOOZE_MIN))


def _mute(fields: dict[str, Any], _: Vocabulary) -> Command:
    _only(fields, "on")
    value = fields.get("on")
    if isinstance(value, bool):
        return Mute(value)
    word = value.lower() if isinstance(value, str) else ""
    if word in TRUE_WORDS:
        return Mute(True)
    if word in FALSE_WORDS:
        return Mute(False)
    raise _Refused("on: ON or OFF")


def _volume(fields: dict[str, Any], vocabulary: Vocabulary) -> Command:
    _only(fields, "volume")
    if "volume" not in fields:
        raise _Refused("volume: missing")
    return SetVolume(_number(fields, "volume", low=0.0, high=vocabulary.max_volume))


def _mode(fields: dict[str, Any], vocabulary: Vocabulary) -> Command:
    _only(fields, "mode")
    return SetMode(_one_of(fields, "mode", vocabulary.modes))


def _grace(fields: dict[str, Any], _: Vocabulary) -> Command:
    _only(fields, "seconds")
    if "seconds" not in fields:
        raise _Refused("seconds: missing")
    return SetGrace(_number(fields, "seconds", low=0.0, high=LONGEST_GRACE_S))


def _forget(fields: dict[str, Any], _: Vocabulary) -> Command:
    _only(fields, "number", "name")
    if "name" in fields:
        if "number" in fields:
            raise _Refused("number: not together with name")
        return Forget(None, _name(fields))
    if fields.get("number") in (None, PRESS):
        return Forget(None)
    return Forget(int(_number(fields, "number", low=0, high=1e9)))


def _not_a_phone(fields: dict[str, Any], vocabulary: Vocabulary) -> Command:
    _only(fields, "seat")
    if fields.get("seat") in (None, PRESS):
        return NotAPhone(None)
    return NotAPhone(_one_of(fields, "seat", vocabulary.seats))


def _my_phone(fields: dict[str, Any], _: Vocabulary) -> Command:
    if fields.get("press") == PRESS:
        fields = {}
    _only(fields)
    return MyPhone()


def _teach(fields: dict[str, Any], _: Vocabulary) -> Command:
    """What is shown is a phone unless it is said to be another thing."""
    _only(fields, "name", "kind", "seconds")
    kind = _one_of({"kind": "phone"} | fields, "kind", KINDS)
    seconds = SHOWN_S
    if "seconds" in fields:
        seconds = _number(fields, "seconds", low=SHOWN_LEAST_S, high=SHOWN_MOST_S)
    return Teach(_name(fields), kind == KINDS[0], seconds)


def _test(fields: dict[str, Any], vocabulary: Vocabulary) -> Command:
    _only(fields, "part")
    return Test(_one_of(fields, "part", vocabulary.parts))


_BUILDERS: dict[str, Callable[[dict[str, Any], Vocabulary], Command]] = {
    "session": _session,
    "snooze": _snooze,
    "mute": _mute,
    "volume": _volume,
    "mode": _mode,
    "grace": _grace,
    "not_a_phone": _not_a_phone,
    "my_phone": _my_phone,
    "teach": _teach,
    "forget": _forget,
    "test": _test,
}
_BARE_FIELD = {
    "session": "action",
    "snooze": "minutes",
    "mute": "on",
    "volume": "volume",
    "mode": "mode",
    "grace": "seconds",
    "not_a_phone": "seat",
    "my_phone": "press",
    "teach": "name",
    "forget": "number",
    "test": "part",
}
COMMANDS = tuple(_BUILDERS)


def _only(fields: dict[str, Any], *known: str) -> None:
    for name in fields:
        if name not in known:
            raise _Refused(f"{_printable(name)}: no such field; there are: {', '.join(known)}")


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise _Refused(f"{name}: missing, or not a word")
    return value


def _name(fields: dict[str, Any]) -> str:
    name = " ".join(_text(fields, "name").split())
    if not name or len(name) > NAME_MOST or not name.isprintable():
        raise _Refused(f"name: 1 to {NAME_MOST} printable characters")
    return name


def _one_of(fields: dict[str, Any], name: str, known: tuple[str, ...]) -> str:
    value = _text(fields, name)
    if value not in known:
        raise _Refused(f"{name}: one of {', '.join(known)}")
    return value


def _minutes(fields: dict[str, Any], high: float) -> float | None:
    if fields.get("minutes") in (None, PRESS):
        return None
    return _number(fields, "minutes", low=0.1, high=high)


def _number(fields: dict[str, Any], name: str, *, low: float, high: float) -> float:
    value = fields[name]
    expected = f"{name}: a number from {low:g} to {high:g}"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _Refused(expected)
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise _Refused(expected) from None
    if not math.isfinite(number) or not low <= number <= high:
        raise _Refused(expected)
    return number


def _printable(text: str) -> str:
    """Somebody else's text, made safe for one line of a log."""
    short = text if len(text) <= 60 else text[:57] + "..."
    return "".join(c if c.isprintable() else "?" for c in short)
