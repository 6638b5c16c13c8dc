"""What is shipped for Home Assistant and Node-RED fits what the box says.

Whether they load and work is seen in `tests.long.homeassistant` and `tests.long.nodered`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from edge.config import Config, WebConfig
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


def slug(text: str) -> str:
    """As Home Assistant makes the name of an entity."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def entity_ids() -> dict[str, str]:
    """Entity id -> its name, for a box as it comes."""
    name = CONFIG.box.name
    return {
        f"{part['platform']}.{slug(name)}_{slug(part['name'])}": part["name"]
        for part in discovery.components(CONFIG).values()
        if part["platform"] != "device_automation"
    }


def listing() -> str:
    """The tables of the README, from what is announced."""
    parts = discovery.components(CONFIG).values()
    lines = ["| entity | name | |", "| --- | --- | --- |"]
    for each, (entity, name) in zip(
        (part for part in parts if part["platform"] != "device_automation"),
        entity_ids().items(),
        strict=True,
    ):
        kind = {None: "", "config": "setting", "diagnostic": "diagnosis"}[
            each.get("entity_category")
        ]
        off = "" if each.get("enabled_by_default", True) else "off until you turn it on"
        lines.append(f"| `{entity}` | {name} | {', '.join(filter(None, (kind, off)))} |")
    lines += ["", "| trigger of the device | of |", "| --- | --- |"]
    lines += [
        f"| `{part['type']}` | {part['subtype']} |"
        for part in parts
        if part["platform"] == "device_automation"
    ]
    return "\n".join(lines)


def test_the_readme_lists_every_entity_and_trigger():
    text = (FOLDER / "README.md").read_text()
    assert listing() in text, f"put this into it:\n{listing()}"
    triggers = len(discovery.components(CONFIG)) - len(entity_ids())
    assert f"{len(entity_ids())} entities and {triggers} triggers" in text


def test_the_card_shows_entities_that_the_box_has():
    text = (FOLDER / "card.yaml").read_text()
    shown = re.findall(r"entity: (\S+)", text)
    assert len(shown) > 10
    assert set(shown) <= set(entity_ids())


def test_the_page_is_offered_where_others_can_reach_it():
    def offered(**web) -> str | None:
        config = Config(web=WebConfig(enabled=True, password="x", **web))
        return json.loads(discovery.message(config))["device"].get("configuration_url")

    assert offered(host="192.168.7.9") == "http://192.168.7.9:8080/"
    assert offered(host="fd00::5", port=80) == "http://[fd00::5]:80/"
    assert offered(host="0.0.0.0").endswith(".local:8080/")
    assert offered(host="127.0.0.1") is None
    assert offered(host="0.0.0.0", port=0) is None
    assert "configuration_url" not in json.loads(discovery.message(CONFIG))["device"]
