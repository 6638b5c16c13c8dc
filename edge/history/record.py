"""One event as the history keeps it, and its id."""

from __future__ import annotations

import json
import math
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edge.domain import Details, EventType


@dataclass(frozen=True, slots=True)
class Record:
    """`number` counts up by one per box and is the order; `id` is the same in every repetition;
    `at` is aware; `type` is a plain word when a newer version wrote it. `replay`: it happened in a
    recording that was played back, and counts nowhere."""

    number: int
    id: str
    type: EventType | str
    at: datetime
    seat: str | None
    details: Details
    replay: bool = False


DETAILS_MAX = 4096  # characters; no event of this program comes near
SHOWN_OF_DAMAGE = 200
FIGURE_MAX = 1e9


def record(
    number: int,
    id_: object,
    type_: object,
    at: object,
    at_unix: object,
    seat: object,
    details: object,
) -> Record | None:
    """An event as its row has it, as far as it can still be understood. None: not even when."""
    when = _moment(at, at_unix)
    if when is None:
        return None
    word = str(type_)[:40]
    kind = EventType(word) if word in _KNOWN else word
    found = _details(details)
    replay = found.pop("replay", None) is True
    where = seat if isinstance(seat, str) else None
    return Record(number, str(id_)[:40], kind, when, where, found, replay)


_KNOWN = frozenset(str(each) for each in EventType)


def _moment(at: object, at_unix: object) -> datetime | None:
    """It is written down twice: as words and as a number."""
    try:
        when = datetime.fromisoformat(str(at))
        if when.tzinfo is not None and when.utcoffset() is not None:
            when.timestamp()
            return when
    except (ValueError, OverflowError):
        pass
    try:
        return datetime.fromtimestamp(at_unix, UTC) if isinstance(at_unix, int | float) else None
    except (ValueError, OverflowError, OSError):
        return None


def _details(text: object) -> dict[str, Any]:
    try:
        if isinstance(text, str) and len(text) <= DETAILS_MAX:
            found = _sound(json.loads(text))
            if isinstance(found, dict):
                return found
    except (ValueError, RecursionError):
        pass
    return {"damaged": str(text)[:SHOWN_OF_DAMAGE]}


def _sound(value: object) -> object:
    """Only what every JSON reader takes: no NaN, and no half of a character."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(_sound(name)): _sound(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_sound(each) for each in value]
    return value


def figure(value: object, *, most: float = FIGURE_MAX) -> float:
    """A count or seconds as a row has them; 0 for what cannot be one."""
    if isinstance(value, int | float) and 0 <= value < most:
        return float(value)
    return 0.0


def event_id(at: datetime) -> str:
    """A UUID of version 7 (RFC 9562, 5.7): milliseconds, then 74 random bits.

    Sorts by time as long as the wall clock does; the order that counts is `Record.number`.
    """
    milliseconds = int(at.timestamp() * 1000) & (2**48 - 1)
    value = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64
    value |= 0b10 << 62 | secrets.randbits(62)
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def finite(details: Details) -> Details:
    """Without NaN and infinity, which no JSON reader takes: they become null."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in details.items()
    }
