"""The topic contract as a document, from the code that keeps it: `python -m edge.mqtt.contract`.

A test compares it with what is published, and runs its examples against a real broker.
"""

from __future__ import annotations

import json
import sys
import textwrap
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from edge import decide
from edge.config import Config
from edge.domain import (
    Box,
    EventType,
    Happening,
    Observation,
    PhoneSight,
    PhoneUse,
    SeatView,
    SessionAction,
    SetSession,
    State,
    Totals,
    View,
)
from edge.health import Health
from edge.history.days import Day
from edge.history.record import Record
from edge.mqtt import backoff, broker, client, delivery, keeper
from edge.mqtt.payloads import (
    WallTime,
    event_payload,
    health_payload,
    state_payload,
    today_payload,
)
from edge.mqtt.topics import Topics
from edge.wire.commands import COMMANDS, MAX_PAYLOAD_BYTES
from edge.wire.events import EVENT, EVENTS
from edge.wire.state import HEALTH, SEAT, STATE, TODAY

NOON = datetime(2026, 3, 5, 12, 0, 0, tzinfo=UTC)


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


def _play(config: Config) -> tuple[State, Happening]:
    """Twelve minutes of focus, then a phone in the hand at the first seat: the box after fourteen
    seconds of it, and the pick-up. Played, not written down, so that it cannot become stale."""
    began = decide.start(config, at_s=0.0)
    start = SetSession(SessionAction.START, 25.0)
    state = decide.obey(began, start, at_s=began.at_s, config=config, minute_of_day=None)
    held_s = 720.0
    held = PhoneSight(
        track=1,
        use=PhoneUse.IN_USE,
        box=Box(0.41, 0.38, 0.55, 0.46),
        score=0.83,
        median=0.81,
        since_s=held_s,
        use_since_s=held_s,
        why="moving",
    )
    for tick in range(4 * 734 + 1):
        at_s = tick / 4
        views = [SeatView(seat.name, person=True) for seat in config.seats]
        if at_s >= held_s:
            views[0] = replace(views[0], phone=replace(held, active_s=at_s))
        seen = Observation(at_s, View.CLEAR, tuple(views))
        state = decide.step(state, seen, at_s=at_s, config=config, minute_of_day=None)
    picked_up = next(each for each in state.happenings if each.type is EventType.PICKUP)
    return state, picked_up


def samples(config: Config) -> dict[str, dict[str, Any]]:
    """One payload of each topic, by its last part: a box at noon, in a focus session."""
    state, picked_up = _play(config)
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
    wall = WallTime(state.at_s, NOON)
    record = Record(
        number=118,
        id="019cbdf5-8400-7c1f-9d5a-2f6f3a0b7e11",
        type=picked_up.type,
        at=wall.of(picked_up.at_s),
        seat=picked_up.seat,
        details=picked_up.details,
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
        "state": state_payload(state, config, wall),
        "today": today_payload(
            Day("2026-03-05", names, (totals,) * len(names)),
            since=NOON.replace(hour=0),
        ),
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
    for name, told in (("state", STATE), ("today", TODAY), ("event", EVENT), ("health", HEALTH)):
        lines += [f"## {name}", "", "| field | meaning |", "| --- | --- |"]
        lines += [f"| `{field}` | {each.words} |" for field, each in told.items()]
        if name == "state":
            lines += [f"| `seats.NAME.{field}` | {each.words} |" for field, each in SEAT.items()]
        lines += ["", "```json", _json(shown[name]), "```", ""]
        if name == "event":
            lines += ["| type | meaning |", "| --- | --- |"]
            lines += [f"| `{type_.value}` | {each.words} |" for type_, each in EVENTS.items()]
            lines += [""]
    lines += [
        "## Commands",
        "",
        _paragraph(
            "A payload is the bare word or number, or a JSON object with the named fields. What is",
            f"out of range, unknown or longer than {MAX_PAYLOAD_BYTES} bytes is refused: nothing",
            "changes, one line is logged, and a `refused` event says why. A retained command is",
            f"always refused. Commands that come faster than {client.COMMANDS_PER_S} a second are"
            f" not heard after the first {client.COMMANDS_AT_ONCE}, and a message of more than"
            f" {client.MAX_PACKET_BYTES} bytes never gets as far.",
            "Nothing is kept for a box that is away.",
        ),
        "",
        "| command | takes | does |",
        "| --- | --- | --- |",
    ]
    lines += [f"| `{name}` | {each.takes} | {each.does} |" for name, each in COMMANDS.items()]
    lines += ["", "## Limits", "", "| what | how much |", "| --- | --- |"]
    lines += [f"| {what} | {how_much} |" for what, how_much in LIMITS.items()]
    return "\n".join(lines) + "\n"


LIMITS = {
    "an attempt to connect": f"{client.CONNECT_TIMEOUT_S:g} s",
    "a broker that takes the connection and does not answer": f"{client.CONNACK_TIMEOUT_S:g} s",
    "the wait for the next attempt": (
        f"drawn from up to {backoff.FIRST_S:g} s, then twice that each time,"
        f" {backoff.LONGEST_S:g} s at most; after a wrong password and the like from up to"
        f" {min(backoff.LONGEST_S, backoff.FIRST_S * 2**backoff.LASTING_FROM):g} s"
    ),
    "without a broker until `broker` is a fault": f"{client.FAULT_AFTER_S:g} s",
    "a connection that is no success yet": (
        f"shorter than {client.SETTLED_S:g} s; {client.FLAPS} in a row: has another box the same"
        " id?"
    ),
    "messages on their way at once": (
        f"{delivery.AT_ONCE}, {delivery.WINDOW} of them events; fewer where the broker says so"
    ),
    "events that the broker refuses": f"again after {delivery.REFUSED_AGAIN_S:g} s",
    "a broker that takes nothing so large, and does not say so": (
        f"two connections of less than {delivery.SUSPICIOUS_S:g} s that end over"
        f" {delivery.LARGE_BYTES} bytes or more: half of it from then on, {delivery.LEAST_BYTES}"
        " at least"
    ),
    "a wall clock that is set": f"by more than {delivery.CLOCK_SET_S:g} s: times are told anew",
    "boxes that answer Home Assistant's `online`": f"within {client.BIRTH_SPREAD_S:g} s",
    "what is left to say at the end": f"{client.MAX_FLUSH_S:g} s",
    "refusals of commands that are recorded": (
        f"{client.REFUSALS_AT_ONCE} at once, then {client.REFUSALS_PER_S} a second"
    ),
    "the broker in the box": (
        f"{broker.MAX_CONNECTIONS} connections, {broker.MAX_PACKET_BYTES} bytes a message,"
        f" {broker.MEMORY_BYTES // 2**20} MiB of memory, {keeper.OPEN_FILES} files"
    ),
    "the broker in the box, when it ends": (
        f"started again after {keeper.FIRST_WAIT_S:g} s, then twice that, {keeper.LONGEST_WAIT_S:g}"
        f" s at most; from the beginning once it has run for {keeper.SETTLED_S:g} s"
    ),
}


def _paragraph(*parts: str) -> str:
    return textwrap.fill(" ".join(parts), 118, break_long_words=False, break_on_hyphens=False)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1)


if __name__ == "__main__":
    sys.stdout.write(render())
