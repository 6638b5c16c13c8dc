"""The topic contract as a document, from the code that keeps it: `python -m edge.mqtt.contract`.

A test compares it with what is published, and runs its examples against a real broker.
"""

from __future__ import annotations

import json
import sys
import textwrap
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from edge import decide
from edge.config import Config
from edge.decide import LONGEST_GRACE_S, PARTS
from edge.domain import EMPTY_S, Activity, EventType, Level, Session, Totals
from edge.health import Health
from edge.history.days import Day
from edge.history.record import Record
from edge.mqtt.client import MAX_PACKET_BYTES
from edge.mqtt.commands import (
    COMMANDS,
    KINDS,
    MAX_PAYLOAD_BYTES,
    MAX_SESSION_MIN,
    MAX_SNOOZE_MIN,
    SESSION_WORDS,
    SHOWN_LEAST_S,
    SHOWN_MOST_S,
)
from edge.mqtt.payloads import (
    LATE_AFTER_S,
    WallTime,
    event_payload,
    health_payload,
    state_payload,
    today_payload,
)
from edge.mqtt.topics import Topics

NOON = datetime(2026, 3, 5, 12, 0, 0, tzinfo=UTC)

STATE = {
    "session": "`idle`, `focus`, `break` or `paused`",
    "session_since": "when this part began",
    "until": "when it ends by itself; null: open-ended",
    "next_break": "the same in focus; else null",
    "activity": "of the seat that speaks for the box: `working`, `phone`, `away` or `unsure`",
    "since": "since when",
    "level": "how hard it nudges: 0 none, 1 light, 2 sound, 3 loud",
    "reason": "why, in words; empty at level 0",
    "pickups_this_session": "believed pick-ups since focus began",
    "mode": "the ladder in force",
    "grace_s": "how long a phone must be in use to be believed, seconds",
    "volume": "0 to 1, share of the mode's cap",
    "muted": "true: no sound",
    "snooze_until": "no nudge until then; null: no snooze",
    "quiet": "true: quiet hours",
    "testing": "the part that a test shows or sounds now; empty: none",
    "sound": "the name of the tune that plays now; empty: silence",
    "view": "`clear`, or why the camera cannot see the desk",
    "faults": "what the box cannot do now: `camera`, `lens`, `detector`, `disk`, `broker`",
    "seats": "the same for each seat, by its name",
}
SEAT = {
    "activity": "as above",
    "since": "since when",
    "level": "how hard this seat is nudged",
    "reason": "why",
    "phone": "the use of the phone that matters most: `in use`, `parked`, `docked`, `suspected`",
    "phone_in_use": "true: a phone is in use",
    "occupied": "true: somebody sits there",
    "dock": "`none`, `holds`, `empty` or `hidden`",
}
TODAY = {
    "date": "the day, by the box's own clock and zone",
    "focus_s": "seconds of focus sessions; at each seat the next four add up to it",
    "working_s": "of them at work",
    "phone_s": "with the phone",
    "away_s": "away from the seat",
    "unsure_s": "that the camera could not judge",
    "break_s": "seconds of breaks",
    "paused_s": "seconds of pauses",
    "pickups": "believed pick-ups",
    "sessions": "completed focus sessions",
    "clean_sessions": "of them without a pick-up",
    "streak": "clean sessions in a row, up to now",
    "seats": "the same for each seat, by its name",
}
EVENT = {
    "id": "the same in every repetition of this event, and in no other",
    "number": "counts up by one for each event of this box: a gap is a loss",
    "type": "see below",
    "at": "when it happened",
    "seat": "its seat; null: the whole box",
    "late": f"true: it waited for the broker for more than {LATE_AFTER_S:g} s; do not act on it",
    "details": "more of it, by its type",
}
HEALTH = {
    "at": "when this was measured",
    "fps": "frames judged per second; null: the camera is closed",
    "inference_ms": "time of the detector for one frame",
    "frame_age_ms": "age of a frame when it is judged",
    "temperature_c": "of the processor; null: this machine does not say",
    "throttled": "the Pi's throttling bits; null: this machine has none",
    "rss_kib": "memory of the box's process",
    "drops": "frames the camera delivered and nobody judged",
    "frames": "frames judged since the start",
    "inferences": "of them by the detector",
    "queued": "events that wait for the broker",
}
EVENTS: dict[EventType, str] = {
    EventType.STARTED: "The box has started.",
    EventType.INTERRUPTED: "A session was running when the box last lost power or was stopped.",
    EventType.SESSION_START: "A focus session began.",
    EventType.SESSION_END: "It ended: completed or not, clean or not.",
    EventType.BREAK_START: "A break began.",
    EventType.BREAK_END: "It ended.",
    EventType.PAUSE: "The session was paused.",
    EventType.RESUME: "It goes on.",
    EventType.PICKUP: "A phone in use was believed.",
    EventType.PUTDOWN: "It is no longer in use.",
    EventType.LEFT: "The seat is empty.",
    EventType.RETURNED: "Somebody is back at it.",
    EventType.UNSURE: "The view is lost: dark, covered, blinded, frozen or moved.",
    EventType.CLEAR: "The view is back.",
    EventType.SUSPICION: "Something that gives light at most: a phone missing from its dock.",
    EventType.LEVEL: "The box nudges harder, or no longer.",
    EventType.SNOOZE: "It was snoozed.",
    EventType.NOT_A_PHONE: "The owner said that what alarmed was no phone.",
    EventType.MY_PHONE: "The owner said that a phone was missed.",
    EventType.TEACH: "A thing is being shown to the box.",
    EventType.TAUGHT: "It was, in so many different views.",
    EventType.FORGET: "What was shown under a name is erased.",
    EventType.REWARD: "A clean session.",
    EventType.REFUSED: "A command changed nothing, and why.",
    EventType.FAULT: "Something the box cannot do now.",
    EventType.FAULT_CLEARED: "It can again.",
    EventType.DROPPED: "So many events could not wait for the broker any longer.",
}


def _commands() -> dict[str, tuple[str, str]]:
    """Name -> (what it takes, what it does)."""
    words = ", ".join(f"`{word}`" for word in SESSION_WORDS)
    return {
        "session": (
            f"{words}; or `action` and `minutes` (0.1 to {MAX_SESSION_MIN:g})",
            "starts, pauses, ends; `focus`, `paused` and `idle` say the same as states",
        ),
        "snooze": (
            f"nothing; or minutes (0.1 to {MAX_SNOOZE_MIN:g}); field `minutes`",
            "no nudge for a while, as often as the configuration allows",
        ),
        "mute": ("`ON` or `OFF`; field `on`", "no sound, or sound again"),
        "volume": (
            "0 to `mqtt.volume_max`; field `volume`",
            "a share of the mode's cap, which nothing exceeds",
        ),
        "mode": ("the name of a mode; field `mode`", "another ladder"),
        "grace": (
            f"seconds (0 to {LONGEST_GRACE_S:g}); field `seconds`",
            "how long a phone must be in use to be believed",
        ),
        "not_a_phone": (
            "nothing: every seat that alarms; or the name of a seat; field `seat`",
            "silences it, takes the pick-up back, and learns",
        ),
        "my_phone": ("nothing", "a phone was missed just now: what was seen of it is learnt"),
        "teach": (
            f"a name; or `name`, `kind` ({', '.join(f'`{kind}`' for kind in KINDS)}) and `seconds`"
            f" ({SHOWN_LEAST_S:g} to {SHOWN_MOST_S:g})",
            f"hands empty for {EMPTY_S:g} s, then show the thing and turn it: its looks are learnt",
        ),
        "forget": (
            "nothing: all that `not_a_phone` taught; or its number; field `number`; or field"
            " `name`: a thing that was shown",
            "erases it",
        ),
        "test": (
            f"{', '.join(f'`{part}`' for part in PARTS)}; field `part`",
            "shows or sounds one part for two seconds; `off` ends it",
        ),
    }


@dataclass(frozen=True, slots=True)
class Example:
    """A command line of mosquitto's clients, without the address of the broker."""

    text: str
    tool: str
    arguments: tuple[str, ...]

    def line(self, host: str) -> str:
        quoted = [a if _plain(a) else f"'{a}'" for a in self.arguments]
        return " ".join([self.tool, "-h", host, *quoted])


def _plain(word: str) -> bool:
    return all(c.isalnum() or c in "-_/.+%:" for c in word)


def examples(topics: Topics) -> tuple[Example, ...]:
    def publish(text: str, name: str, message: str) -> Example:
        message_part = ("-m", message) if message else ("-n",)
        return Example(
            text, "mosquitto_pub", ("-q", "1", "-t", topics.command(name), *message_part)
        )

    def subscribe(text: str, topic: str, *more: str) -> Example:
        return Example(text, "mosquitto_sub", ("-q", "1", *more, "-t", topic))

    return (
        subscribe("Follow everything the box says", f"{topics.base}/#", "-v"),
        subscribe("What is so now, and nothing else", topics.state, "-C", "1"),
        subscribe("Is it there?", topics.availability, "-C", "1"),
        subscribe("All boxes of a room", f"{topics.base_topic}/+/availability", "-v"),
        publish("Focus for 25 minutes", "session", '{"action": "start", "minutes": 25}'),
        publish("Focus for as long as configured", "session", "start"),
        publish("A bit of peace", "snooze", ""),
        publish("Softer", "volume", "0.3"),
        publish("That was not a phone", "not_a_phone", ""),
        publish("My phone, turned before the camera for half a minute", "teach", "my phone"),
        publish("And what is to be told from it", "teach", '{"name": "wallet", "kind": "other"}'),
        publish("Try the lights", "test", "lights"),
        publish("Enough", "session", "stop"),
    )


def samples(config: Config) -> dict[str, dict[str, Any]]:
    """One payload of each topic, by its last part: a box at noon, in a focus session."""
    state = decide.start(config, at_s=1000.0)
    first, *others = state.seats
    seat = replace(
        first,
        activity=Activity.PHONE,
        since_s=986.0,
        level=Level.SOUND,
        reason="phone in use for 14 s",
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
        focus_s=4320,
        working_s=4100,
        phone_s=95,
        away_s=125,
        break_s=600,
        pickups=3,
        sessions=2,
        clean_sessions=1,
        streak=1,
    )
    names = tuple(seat.name for seat in config.seats)
    record = Record(
        number=118,
        id="019cbdf5-8400-7c1f-9d5a-2f6f3a0b7e11",
        type=EventType.PICKUP,
        at=NOON - timedelta(seconds=14),
        seat=names[0],
        details={"median": 0.81},
    )
    figures = dict.fromkeys(Health().figures())
    measured = {
        "fps": 9.8,
        "inference_ms": 61.3,
        "frame_age_ms": 84.0,
        "rss_kib": 98304,
        "drops": 0,
        "frames": 7056,
        "inferences": 5120,
    }
    return {
        "state": state_payload(state, config, WallTime(1000.0, NOON)),
        "today": today_payload(Day("2026-03-05", names, (totals,) * len(names))),
        "event": event_payload(record, now=NOON),
        "health": health_payload({**figures, **measured}, now=NOON, queued=0),
    }


def render() -> str:
    config = Config()
    topics = Topics.of(config)
    shown = samples(config)
    lines = [
        "# MQTT",
        "",
        "<!-- Made by `python -m edge.mqtt.contract`; a test fails when it is stale. -->",
        "",
        _paragraph(
            "Everything the box says and obeys. `procrastobot` is `mqtt.base_topic`, `desk` is",
            "`box.id`: boxes are told apart by it, and any number of them share a broker. MQTT 5",
            "where the broker speaks it, else 3.1.1; QoS 1.",
        ),
        "",
        "| topic | retained | payload |",
        "| --- | --- | --- |",
        f"| `{topics.availability}` | yes | `online`, `offline`; `offline` is the last will too |",
        f"| `{topics.state}` | yes | JSON: what is so now |",
        f"| `{topics.event}` | never | JSON: what happened; at least once each, in order |",
        f"| `{topics.today}` | yes | JSON: the day so far |",
        f"| `{topics.health}` | with MQTT 5, for a while | JSON: how the box itself is |",
        f"| `{topics.command('NAME')}` | never | a word, a number or JSON: what the box shall do |",
        f"| `{topics.discovery}` | yes | the box for Home Assistant (`mqtt.discovery`) |",
        "",
        _paragraph(
            "Retained messages are published again after every reconnect, and when Home Assistant",
            f"says `online` on `{topics.home_assistant_status}`; its `online` comes last.",
            "Times are ISO 8601 with the zone. Events are on the box's card before they are sent,",
            "wait there while the broker is away, and leave in order; the same one may come twice,",
            "with the same `id`. New fields may be added to any payload.",
        ),
        "",
        "## Try it",
        "",
        "```sh",
    ]
    for example in examples(topics):
        lines += [f"# {example.text}", example.line("BROKER")]
    lines += ["```", ""]
    for name, fields in (
        ("state", STATE),
        ("today", TODAY),
        ("event", EVENT),
        ("health", HEALTH),
    ):
        lines += [f"## {name}", "", "| field | meaning |", "| --- | --- |"]
        lines += [f"| `{field}` | {text} |" for field, text in fields.items()]
        if name == "state":
            lines += [f"| `seats.NAME.{field}` | {text} |" for field, text in SEAT.items()]
        lines += ["", "```json", _json(shown[name]), "```", ""]
        if name == "event":
            lines += ["| type | meaning |", "| --- | --- |"]
            lines += [f"| `{type_.value}` | {text} |" for type_, text in EVENTS.items()]
            lines += [""]
    lines += [
        "## Commands",
        "",
        _paragraph(
            "A payload is the bare word or number, or a JSON object with the named fields. What is",
            f"out of range, unknown or longer than {MAX_PAYLOAD_BYTES} bytes is refused: nothing",
            "changes, one line is logged, and a `refused` event says why. A retained command is",
            "always refused. Commands that come faster than 5 a second are not heard after",
            f"the first 20, and a message of more than {MAX_PACKET_BYTES} bytes never gets as far.",
            "Nothing is kept for a box that is away.",
        ),
        "",
        "| command | takes | does |",
        "| --- | --- | --- |",
    ]
    texts = _commands()
    lines += [f"| `{name}` | {texts[name][0]} | {texts[name][1]} |" for name in COMMANDS]
    return "\n".join(lines) + "\n"


def _paragraph(*parts: str) -> str:
    return textwrap.fill(" ".join(parts), 118, break_long_words=False, break_on_hyphens=False)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)


if __name__ == "__main__":
    sys.stdout.write(render())
