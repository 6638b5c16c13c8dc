"""What happens: the types of events and their payload, each declared once. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge.domain import EventType
from edge.history.record import Record

# An automation must not act on the news of an hour ago: events older than this are marked.
LATE_AFTER_S = 30.0


@dataclass(frozen=True, slots=True)
class Event:
    """`trigger`: the word of its device trigger in Home Assistant, as far as that has any; `of`:
    whose event entity shows it, "seat" or "session"."""

    words: str
    of: str = ""
    trigger: str = ""


EVENTS: dict[EventType, Event] = {
    EventType.STARTED: Event("The box has started."),
    EventType.INTERRUPTED: Event(
        "A session was running when the box last lost power or was stopped.", "session"
    ),
    EventType.SESSION_START: Event("A focus session began.", "session", "session_started"),
    EventType.SESSION_END: Event(
        "It ended: completed or not; clean: most of it seen, and no pick-up.",
        "session",
        "session_ended",
    ),
    EventType.BREAK_START: Event("A break began.", "session"),
    EventType.BREAK_END: Event("It ended.", "session"),
    EventType.PAUSE: Event("The session was paused.", "session"),
    EventType.RESUME: Event("It goes on.", "session"),
    EventType.PICKUP: Event("A phone in use was believed.", "seat", "picked_up"),
    EventType.PUTDOWN: Event("It is no longer in use.", "seat", "put_down"),
    EventType.LEFT: Event("The seat is empty.", "seat", "left"),
    EventType.RETURNED: Event("Somebody is back at it.", "seat", "returned"),
    EventType.UNSURE: Event("The view is lost: dark, covered, blinded, frozen or moved."),
    EventType.CLEAR: Event("The view is back."),
    EventType.SUSPICION: Event(
        "Something that gives light at most: a phone missing from its dock."
    ),
    EventType.LEVEL: Event("The box nudges harder, or no longer."),
    EventType.SNOOZE: Event("It was snoozed."),
    EventType.NOT_A_PHONE: Event("The owner said that what alarmed was no phone."),
    EventType.MY_PHONE: Event("The owner said that a phone was missed."),
    EventType.TEACH: Event("A thing is being shown to the box."),
    EventType.TAUGHT: Event("It was, in so many different views."),
    EventType.FORGET: Event("What was shown under a name is erased."),
    EventType.REWARD: Event("A clean session.", "session"),
    EventType.REFUSED: Event("A command changed nothing, and why."),
    EventType.FAULT: Event("Something the box cannot do now."),
    EventType.FAULT_CLEARED: Event("It can again."),
    EventType.DROPPED: Event("So many events could not wait for the broker any longer."),
}


@dataclass(frozen=True, slots=True)
class Field:
    words: str
    value: Callable[[Record, datetime], Any]


EVENT: dict[str, Field] = {
    "id": Field(
        "the same in every repetition of this event, and in no other", lambda event, _: event.id
    ),
    "number": Field(
        "counts up by one for each event of this box: a gap is a loss",
        lambda event, _: event.number,
    ),
    "type": Field("see below", lambda event, _: str(event.type)),
    "at": Field("when it happened", lambda event, _: event.at.isoformat(timespec="milliseconds")),
    "seat": Field("its seat; null: the whole box", lambda event, _: event.seat),
    "late": Field(
        f"true: it waited for the broker for more than {LATE_AFTER_S:g} s; do not act on it",
        lambda event, now: abs((now - event.at).total_seconds()) > LATE_AFTER_S,
    ),
    "replay": Field(
        "true: it happened in a recording that was played back, and counts nowhere",
        lambda event, _: event.replay,
    ),
    "details": Field(
        "more of it, by its type; `left_out`: so many before it were too many to tell",
        lambda event, _: dict(event.details),
    ),
}


def event_payload(record: Record, *, now: datetime) -> dict[str, Any]:
    """`number` counts the box's events up by one, so that a subscriber sees a gap; `late` marks
    one that waited for the broker."""
    return {name: each.value(record, now) for name, each in EVENT.items()}
