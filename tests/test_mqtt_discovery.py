from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from edge import __version__
from edge.config import Config, SeatConfig
from edge.domain import Box, EventType, Totals
from edge.history.days import Day
from edge.mqtt import discovery
from edge.mqtt.commands import COMMANDS
from edge.mqtt.payloads import today_payload
from edge.mqtt.topics import Topics

ONE = Config()
TWO = replace(
    ONE,
    seats=(SeatConfig(name="left desk", box=Box(0, 0, 1, 0.5)), SeatConfig(name="left-desk")),
)


@pytest.mark.parametrize("config", [ONE, TWO], ids=["one seat", "two seats"])
def test_one_message_describes_the_whole_box(config):
    message = json.loads(discovery.message(config))
    parts = message["components"]
    entities = [p for p in parts.values() if p["platform"] != "device_automation"]
    ids = [part["unique_id"] for part in entities]
    names = [part["name"] for part in entities]
    assert len(set(ids)) == len(ids)
    assert len(set(names)) == len(names)
    assert message["device"] == {
        "identifiers": ["procrastobot_desk"],
        "name": "Procrastobot",
        "manufacturer": "Procrastobot",
        "model": "Procrastobot",
        "sw_version": __version__,
    }
    assert message["origin"] == {"name": "procrastobot", "sw_version": __version__}
    assert message["availability_topic"] == "procrastobot/desk/availability"
    assert message["qos"] == 1, "or Home Assistant misses what the broker was told twice"
    assert set(discovery.platforms(config)) == set(parts)


def test_a_second_seat_is_more_components_of_the_same_box():
    one, two = discovery.components(ONE), discovery.components(TWO)
    assert (
        json.loads(discovery.message(ONE))["device"] == json.loads(discovery.message(TWO))["device"]
    )
    shared = {key for key in one if not key.startswith("desk_")}
    assert shared <= set(two)
    assert discovery.seat_slugs(TWO) == {"left desk": "left_desk", "left-desk": "left_desk_2"}


@pytest.mark.parametrize("config", [ONE, TWO], ids=["one seat", "two seats"])
def test_every_command_of_a_component_is_one_that_the_box_knows(config):
    topics = Topics.of(config)
    for part in discovery.components(config).values():
        if "command_topic" in part:
            assert topics.command_name(part["command_topic"]) in COMMANDS


@pytest.mark.parametrize("config", [ONE, TWO], ids=["one seat", "two seats"])
def test_every_template_reads_a_field_that_is_published(config):
    """What Home Assistant makes of them is seen in `python -m tests.long.homeassistant`."""
    from edge.mqtt.contract import samples

    published = samples(config)
    for key, part in discovery.components(config).items():
        template = part.get("value_template", part.get("state_value_template"))
        if template is None:
            continue
        topic = part.get("state_topic", part.get("topic"))
        sample = published[topic.rsplit("/", 1)[1]]
        for seat, field in re.findall(r"value_json\.seats\['([^']+)'\]\.(\w+)", template):
            assert field in sample["seats"][seat], key
        bare = re.sub(r"value_json\.seats\['[^']+'\]\.\w+", "", template)
        for field in re.findall(r"value_json\.(\w+)", bare):
            assert field in sample, key


def said_by(template: str, payload: dict[str, object]) -> str:
    """As Home Assistant renders it."""
    jinja2 = pytest.importorskip("jinja2", reason="needs jinja2")
    return jinja2.Environment().from_string(template).render(value_json=payload).strip()


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        (0x0, "OFF"),
        (0x50000, "OFF"),
        (0xF0000, "OFF"),
        (0x50005, "ON"),
        (0x80008, "ON"),
        (0x1, "ON"),
        (0x2, "ON"),
        (0x4, "ON"),
        (None, "None"),
    ],
)
def test_throttling_that_is_over_is_no_problem_of_now(bits, expected):
    template = discovery.components(ONE)["throttled"]["value_template"]
    assert said_by(template, {"throttled": bits}) == expected


def sum_of(part: dict[str, object], payloads: list[dict[str, object]]) -> float:
    """What Home Assistant adds up: its sensor/recorder.py, for what begins with the first."""
    total, begin, last, reset_at = 0.0, None, 0.0, None
    for payload in payloads:
        value = float(said_by(str(part["value_template"]), payload))
        if part["state_class"] == "total":
            at = said_by(str(part["last_reset_value_template"]), payload)
            reset, reset_at = begin is not None and at != reset_at, at
        else:
            reset = begin is not None and value < 0.9 * last
        if begin is None:
            begin = value
        elif reset:
            total += last - begin
            begin = 0.0
        last = value
    assert begin is not None
    return total + last - begin


def test_home_assistant_adds_up_what_the_box_says_though_pick_ups_are_taken_back():
    days = [
        ("2026-03-05", [0, 1, 2, 3, 2, 3]),
        ("2026-03-06", [0, 1, 0, 0, 1, 2, 1]),
        ("2026-03-07", [1, 5, 4]),
    ]
    figures = [(date, count) for date, counts in days for count in counts]
    for config in (ONE, TWO):
        seats = tuple(seat.name for seat in config.seats)
        payloads = [
            today_payload(
                Day(
                    date,
                    seats,
                    (Totals(pickups=n, phone_s=60 * n, focus_s=60 * n, sessions=n),) * len(seats),
                ),
                since=datetime.fromisoformat(date).replace(tzinfo=UTC),
            )
            for date, n in figures
        ]
        for key, part in discovery.components(config).items():
            if not str(part.get("state_topic", "")).endswith("/today") or key == "streak":
                continue
            per_seat = len(seats) if key in ("phone_today", "pickups_today") else 1
            expected = {"away_today": 0, "break_today": 0}.get(key, (3 + 1 + 4) * per_seat)
            assert sum_of(part, payloads) == expected, key
            assert part["state_class"] == "total"


def test_event_types_of_the_components_are_words_of_the_box():
    words = {type_.value for type_ in EventType}
    for part in discovery.components(ONE).values():
        assert set(part.get("event_types", ())) <= words
