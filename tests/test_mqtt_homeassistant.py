"""What is shipped for Home Assistant and Node-RED fits what the box says.

Whether they load and work is seen in `tests.long.homeassistant` and `tests.long.nodered`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from edge.config import Config
from edge.domain import EventType
from edge.mqtt import contract, discovery
from edge.mqtt.commands import COMMANDS, Refusal, Vocabulary, parse
from edge.mqtt.topics import Topics

FOLDER = Path(__file__).resolve().parent.parent / "deploy" / "homeassistant"
CONFIG = Config()
TOPICS = Topics.of(CONFIG)


def test_the_blueprint_asks_for_triggers_that_the_box_announces():
    text = (FOLDER / "focus_companion.yaml").read_text()
    wanted = set(re.findall(r"^    type: (\w+)$", text, re.MULTILINE))
    parts = discovery.components(CONFIG).values()
    announced = {part["type"] for part in parts if part["platform"] == "device_automation"}
    assert wanted
    assert wanted <= announced
    manufacturer = json.loads(discovery.message(CONFIG))["device"]["manufacturer"]
    assert f"manufacturer: {manufacturer}" in text


def test_every_input_of_the_blueprint_is_used_and_declared():
    text = (FOLDER / "focus_companion.yaml").read_text()
    declared = set(re.findall(r"^    (\w+):$", text.split("triggers:")[0], re.MULTILINE))
    assert set(re.findall(r"!input (\w+)", text)) == declared


def test_the_flow_hears_and_says_what_the_box_says_and_hears():
    flow = json.loads((FOLDER / "nodered_flow.json").read_text())
    nodes = {node["id"]: node for node in flow}
    for node in flow:
        assert all(target in nodes for wires in node.get("wires", ()) for target in wires)
    heard = {node["topic"] for node in flow if node["type"] == "mqtt in"}
    assert heard == {TOPICS.event.replace("desk", "+"), TOPICS.state.replace("desk", "+")}
    types = {rule["v"] for rule in nodes["pb-type"]["rules"]}
    assert types <= {type_.value for type_ in EventType}
    assert nodes["pb-fresh"]["property"].removeprefix("payload.") in contract.EVENT


def test_the_buttons_of_the_flow_are_commands_that_the_box_obeys():
    flow = json.loads((FOLDER / "nodered_flow.json").read_text())
    nodes = {node["id"]: node for node in flow}
    buttons = [node for node in flow if node["type"] == "inject"]
    assert buttons
    for button in buttons:
        topic = nodes[button["wires"][0][0]]["topic"]
        command = parse(
            topic,
            button["payload"].encode(),
            retained=False,
            topics=TOPICS,
            vocabulary=Vocabulary.of(CONFIG),
        )
        assert not isinstance(command, Refusal), command
        assert TOPICS.command_name(topic) in COMMANDS
