"""What goes over the wire is declared once, whole and pure."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from edge.config import Config
from edge.domain import EventType, Fault
from edge.health import Health
from edge.mqtt import discovery
from edge.mqtt.contract import samples
from edge.wire.commands import COMMANDS
from edge.wire.events import EVENTS
from edge.wire.state import HEALTH, STATE, TODAY

WIRE = Path(__file__).resolve().parent.parent / "edge" / "wire"


@pytest.mark.parametrize("path", sorted(WIRE.glob("*.py")), ids=lambda path: path.stem)
def test_the_wire_knows_of_no_broker_file_or_network(path):
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    roots = {name.split(".")[0] for name in names}
    assert not roots & {"paho", "os", "io", "pathlib", "socket", "threading", "time", "sqlite3"}
    assert not any(name.startswith(("edge.mqtt", "edge.page", "edge.devices")) for name in names)


def test_every_declaration_has_words_for_people():
    for fields in (STATE, TODAY, HEALTH):
        assert all(field.words for field in fields.values())
    assert all(event.words for event in EVENTS.values())
    assert set(EVENTS) == set(EventType)
    assert all(each.takes and each.does for each in COMMANDS.values())


def test_no_two_declarations_offer_the_same_component():
    offered = [
        key for told in (STATE, TODAY, HEALTH) for field in told.values() for key in field.offers
    ]
    offered += [key for each in COMMANDS.values() for key in each.offers(Config())]
    assert len(set(offered)) == len(offered)
    assert set(offered) <= set(discovery.components(Config()))


def test_every_figure_of_health_is_told_and_every_told_one_measured():
    assert set(HEALTH) - {"at", "queued"} == set(Health().figures())


def test_every_fault_but_the_brokers_own_is_a_problem_in_home_assistant():
    """Whoever hears of the broker's is connected to it, or hears nothing."""
    shown = json.dumps([field.offers for field in STATE.values()])
    assert {fault for fault in Fault if f"'{fault.value}'" not in shown} == {Fault.BROKER}


def test_a_sample_is_what_the_box_says_and_not_what_somebody_wrote_down():
    told = samples(Config())
    seat = told["state"]["seats"]["desk"]
    assert told["state"]["reason"] == seat["reason"] != ""
    assert seat["phone"] == "in use"
    assert {"median", "why", "ymin"} <= set(told["event"]["details"])
