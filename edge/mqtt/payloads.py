"""The payloads by topic, as the client sends them; declared in `edge/wire`."""

from __future__ import annotations

from edge.wire.events import LATE_AFTER_S, event_payload
from edge.wire.state import (
    WallTime,
    encode,
    health_payload,
    shortened,
    speaking_seat,
    state_payload,
    today_payload,
    whole,
)

ONLINE = b"online"
OFFLINE = b"offline"

__all__ = [
    "LATE_AFTER_S",
    "OFFLINE",
    "ONLINE",
    "WallTime",
    "encode",
    "event_payload",
    "health_payload",
    "shortened",
    "speaking_seat",
    "state_payload",
    "today_payload",
    "whole",
]
