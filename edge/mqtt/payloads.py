"""Values -> the JSON that subscribers read. Pure.

Wall-clock times are ISO 8601 with the zone, whole seconds (events: milliseconds). They are computed
from the run's monotonic times when a message is sent, so a clock set meanwhile is right at once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from edge.config import Config
from edge.decide import grace_of
from edge.domain import Activity, PhoneUse, SeatState, Session, State, Totals
from edge.effects import tune_of
from edge.history.days import Day
from edge.history.record import Record

ONLINE = b"online"
OFFLINE = b"offline"

# An automation must not act on the news of an hour ago: events older than this are marked.
LATE_AFTER_S = 30.0

# Which seat speaks for the box when none is followed and none is nudged harder than the others.
_WORST_FIRST = (Activity.PHONE, Activity.AWAY, Activity.UNSURE, Activity.WORKING)


@dataclass(frozen=True, slots=True)
class WallTime:
    """What the wall clock shows at the moment `at_s` of the run's clock."""

    at_s: float
    wall: datetime

    def of(self, at_s: float) -> datetime:
        return self.wall + timedelta(seconds=at_s - self.at_s)

    def text(self, at_s: float | None) -> str | None:
        if at_s is None:
            return None
        # Rounded, not cut: 11:59:59.9999 and 12:00:00.0001 are the same moment to a reader.
        return (self.of(at_s) + timedelta(seconds=0.5)).isoformat(timespec="seconds")


def encode(value: Mapping[str, Any]) -> bytes:
    """Compact JSON; raises ValueError for NaN and infinity, which no JSON reader takes."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def state_payload(state: State, config: Config, wall: WallTime) -> dict[str, Any]:
    speaker = speaking_seat(state, config.policy.follow)
    sound = tune_of(state, config)
    return {
        "session": state.session.value,
        "session_since": wall.text(state.session_since_s),
        "until": wall.text(state.until_s),
        "next_break": wall.text(state.until_s) if state.session is Session.FOCUS else None,
        "activity": speaker.activity.value if speaker else Activity.UNSURE.value,
        "since": wall.text(speaker.since_s if speaker else state.at_s),
        "level": int(state.level),
        "reason": speaker.reason if speaker else "",
        "pickups_this_session": state.pickups_this_session,
        "mode": state.mode,
        "grace_s": grace_of(state, config),
        "volume": round(state.volume, 3),
        "muted": state.muted,
        "snooze_until": wall.text(state.snooze_until_s),
        "quiet": state.quiet,
        "testing": state.testing,
        "sound": "" if sound is None else sound.name,
        "view": state.view.value,
        "faults": sorted(fault.value for fault in state.faults),
        "seats": {seat.seat: _seat(seat, wall) for seat in state.seats},
    }


def speaking_seat(state: State, follow: str) -> SeatState | None:
    """The seat that `activity`, `since` and `reason` of the whole box are about."""
    for seat in state.seats:
        if seat.seat == follow:
            return seat
    return min(
        state.seats,
        key=lambda seat: (-seat.level, _WORST_FIRST.index(seat.activity)),
        default=None,
    )


def _seat(seat: SeatState, wall: WallTime) -> dict[str, Any]:
    phone = seat.phone
    return {
        "activity": seat.activity.value,
        "since": wall.text(seat.since_s),
        "level": int(seat.level),
        "reason": seat.reason,
        "phone": phone.use.value if phone else None,
        "phone_in_use": seat.activity is Activity.PHONE
        or (phone is not None and phone.use is PhoneUse.IN_USE),
        "occupied": seat.activity in (Activity.WORKING, Activity.PHONE),
        "dock": seat.dock.value,
    }


def today_payload(day: Day) -> dict[str, Any]:
    """The day of the whole box, then of each seat.

    All seats share the sessions (the largest counts); what happens at the seats adds up. The
    streak is that of the seat with the shortest.
    """
    return {
        "date": day.date,
        **_figures(whole(day.totals)),
        "seats": {
            seat: _figures(totals) for seat, totals in zip(day.seats, day.totals, strict=True)
        },
    }


def whole(seats: tuple[Totals, ...]) -> Totals:
    """Several seats' totals as one box's."""
    if not seats:
        return Totals()
    shared = {"focus_s", "break_s", "paused_s", "sessions"}
    values: dict[str, Any] = {}
    for field in fields(Totals):
        column = [getattr(totals, field.name) for totals in seats]
        if field.name in shared:
            values[field.name] = max(column)
        elif field.name in ("streak", "clean_sessions"):
            values[field.name] = min(column)
        else:
            values[field.name] = sum(column)
    return Totals(**values)


def _figures(totals: Totals) -> dict[str, int]:
    return {field.name: round(getattr(totals, field.name)) for field in fields(Totals)}


def event_payload(record: Record, *, now: datetime) -> dict[str, Any]:
    """`number` counts the box's events up by one, so that a subscriber sees a gap; `late` marks
    one that waited for the broker."""
    return {
        "id": record.id,
        "number": record.number,
        "type": record.type.value,
        "at": record.at.isoformat(timespec="milliseconds"),
        "seat": record.seat,
        "late": abs((now - record.at).total_seconds()) > LATE_AFTER_S,
        "details": dict(record.details),
    }


def health_payload(
    figures: Mapping[str, float | int | None], *, now: datetime, queued: int
) -> dict[str, Any]:
    """`queued`: events in the history that the broker has not acknowledged yet."""
    rounded = {
        name: round(value, 2) if isinstance(value, float) else value
        for name, value in figures.items()
        if value is None or math.isfinite(value)
    }
    return {"at": now.isoformat(timespec="seconds"), **rounded, "queued": queued}
