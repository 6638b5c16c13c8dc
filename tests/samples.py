"""One example of each payload, made by the code that makes the real ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from edge import decide
from edge.config import Config
from edge.domain import Activity, EventType, Level, Session, Totals
from edge.health import Health
from edge.history.days import Day
from edge.history.record import Record
from edge.mqtt.payloads import (
    WallTime,
    event_payload,
    health_payload,
    state_payload,
    today_payload,
)

NOON = datetime(2026, 3, 5, 12, 0, 0, tzinfo=UTC)


def payloads(config: Config) -> dict[str, dict[str, Any]]:
    """By the last part of the topic: a box at noon, twelve minutes into a focus session."""
    state = decide.start(config, at_s=1000.0)
    first, *others = state.seats
    seat = replace(
        first,
        activity=Activity.PHONE,
        since_s=986.0,
        level=Level.SOUND,
        reason="phone in hand for 14 s (3 frames, median score 0.81)",
        pickups=1,
    )
    state = replace(
        state,
        session=Session.FOCUS,
        session_since_s=280.0,
        until_s=1780.0,
        seats=(seat, *others),
    )
    totals = Totals(
        focus_s=4320, working_s=4100, phone_s=95, away_s=125, break_s=600, pickups=3, sessions=2,
        clean_sessions=1, streak=1,
    )  # fmt: skip
    names = tuple(seat.name for seat in config.seats)
    record = Record(
        number=118,
        id="019cbdf5-8400-7c1f-9d5a-2f6f3a0b7e11",
        type=EventType.PICKUP,
        at=NOON - timedelta(seconds=14),
        seat=names[0],
        details={"median": 0.81},
    )
    return {
        "state": state_payload(state, config, WallTime(1000.0, NOON)),
        "today": today_payload(Day("2026-03-05", names, (totals,) * len(names))),
        "event": event_payload(record, now=NOON),
        "health": health_payload(Health().figures(), now=NOON, queued=0),
    }
