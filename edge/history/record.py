"""One event as the history keeps it, and its id."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from datetime import datetime

from edge.domain import Details, EventType


@dataclass(frozen=True, slots=True)
class Record:
    """`number` counts up by one per box and is the order; `id` is the same in every repetition;
    `at` is aware."""

    number: int
    id: str
    type: EventType
    at: datetime
    seat: str | None
    details: Details


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
