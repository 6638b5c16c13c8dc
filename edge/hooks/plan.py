"""What of the history a hook is told of, when it is tried, and what it hears. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from edge.config import HookConfig
from edge.domain import EventType
from edge.history.record import Record, figure
from edge.wire.events import event_payload

PICKUP, CLEAN_SESSION, BROKEN_STREAK = "pickup", "clean_session", "broken_streak"
SURE_LEVEL = 2  # only a sure phone may sound
WAITS_S = (5.0, 30.0, 120.0, 600.0, 1800.0)  # before the second try, the third ...; then hourly
LATE_S = 24 * 3600.0  # nobody is told of what is older


class Result(StrEnum):
    """What became of telling of one event. All but WAITING are for good."""

    WAITING = "waiting"
    TRYING = "trying"
    SENT = "sent"
    TAKEN_BACK = "taken back"  # it was no phone
    NOT_SURE = "not sure"  # for a pledge: seen as a phone, but never surely
    OVER_LIMIT = "over the daily limit"
    TOO_LATE = "too late"
    REFUSED = "refused"  # it will be so the next time too
    GIVEN_UP = "given up"  # tried as often as it may be
    UNKNOWN = "unknown"  # it may have arrived: not tried again, for it must not arrive twice


def kind_of(event: Record, ended: Iterable[Record]) -> str:
    """Of which kind an event is, for hooks; empty: of none.

    `ended`: the sessions that ended before, the latest first.
    """
    if event.replay:
        return ""
    if event.type is EventType.PICKUP:
        return PICKUP
    if event.type is not EventType.SESSION_END:
        return ""
    if event.details.get("clean") is True:
        return CLEAN_SESSION
    if figure(event.details.get("pickups")) > 0 and streak_before(ended) > 0:
        return BROKEN_STREAK
    return ""


def streak_before(ended: Iterable[Record]) -> int:
    """How many clean sessions in a row came before; what nobody saw is neither praised nor blamed.

    `ended`: sessions that ended, the latest first.
    """
    streak = 0
    for event in ended:
        if event.replay:
            continue
        if event.details.get("clean") is True:
            streak += 1
        elif figure(event.details.get("pickups")) > 0:
            break
    return streak


def is_sure(event: Record) -> bool:
    """Whether this event says that the phone in hand is surely one: enough for a sound."""
    if event.type is EventType.PICKUP:
        return event.details.get("sure") is True
    return event.type is EventType.LEVEL and figure(event.details.get("level")) >= SURE_LEVEL


def wait_s(tries: int) -> float:
    """Until the next try, after so many."""
    return WAITS_S[tries - 1] if 0 < tries <= len(WAITS_S) else 3600.0


def message(event: Record, kind: str, *, hook: HookConfig, box: str, now: datetime) -> bytes:
    """The event as subscribers of MQTT get it, and what it is to this hook."""
    told: dict[str, Any] = {"hook": hook.name, "on": kind, "box": box}
    return json.dumps(told | event_payload(event, now=now), ensure_ascii=False).encode()


def words(event: Record, kind: str, *, box: str) -> tuple[str, str]:
    """(title, text) of a notification."""
    seat = f" ({event.seat})" if event.seat else ""
    at = f"{event.at:%H:%M}"
    match kind:
        case "pickup":
            return box, f"The phone was picked up at {at}{seat}."
        case "clean_session":
            minutes = round(figure(event.details.get("lasted_s")) / 60)
            return box, f"A clean session: {minutes} minutes without the phone, until {at}."
        case _:
            return box, f"The streak ended at {at}."
