from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from edge.config import Config, SeatConfig
from edge.domain import Box, EventType
from edge.inbox import CommandInbox
from edge.mqtt import discovery
from edge.mqtt.commands import COMMANDS
from edge.mqtt.topics import Topics
from edge.telling import open_teller

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
    assert message["device"]["identifiers"] == ["procrastobot_desk"]
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


def test_a_seat_that_is_gone_is_named_one_last_time(tmp_path):
    config = replace(TWO, history=replace(TWO.history, path=str(tmp_path / "h.db")))
    from edge.telling import _discovery

    telling = open_teller(config, inbox=CommandInbox())
    assert len(_discovery(config, telling._recorder)) == 1
    telling.close()
    fewer = replace(config, seats=TWO.seats[:1])
    again = open_teller(fewer, inbox=CommandInbox())
    farewell, now = (json.loads(m)["components"] for m in _discovery(fewer, again._recorder))
    gone = set(farewell) - set(now)
    assert "left_desk_2_phone" in gone
    assert all(set(farewell[key]) == {"platform"} for key in gone)
    assert len(_discovery(fewer, again._recorder)) == 1
    again.close()


def test_event_types_of_the_components_are_words_of_the_box():
    words = {type_.value for type_ in EventType}
    for part in discovery.components(ONE).values():
        assert set(part.get("event_types", ())) <= words
