"""The document of the topics says what the code does, and its examples work."""

from __future__ import annotations

import itertools
import json
import shlex
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from edge import decide
from edge.config import Config
from edge.domain import (
    EventType,
    Happening,
    NotAPhone,
    SetSession,
    SetVolume,
    Snooze,
    Teach,
    Tell,
    Test,
)
from edge.inbox import CommandInbox
from edge.mqtt import contract
from edge.mqtt.commands import COMMANDS
from edge.mqtt.topics import Topics
from edge.telling import open_teller
from tests.broker import Mosquitto, find_mosquitto

DOCUMENT = Path(__file__).resolve().parent.parent / "deploy" / "MQTT.md"
CONFIG = Config()
TOPICS = Topics.of(CONFIG)


def test_the_document_is_up_to_date():
    assert DOCUMENT.read_text() == contract.render(), (
        "python -m edge.mqtt.contract > deploy/MQTT.md"
    )


@pytest.mark.parametrize(
    ("topic", "fields"),
    [
        ("state", contract.STATE),
        ("today", contract.TODAY),
        ("event", contract.EVENT),
        ("health", contract.HEALTH),
    ],
)
def test_every_field_that_is_published_is_explained_and_no_other(topic, fields):
    assert list(contract.samples(CONFIG)[topic]) == list(fields)


def test_every_field_of_a_seat_every_event_and_every_command_is_explained():
    assert list(contract.samples(CONFIG)["state"]["seats"]["desk"]) == list(contract.SEAT)
    assert set(contract.EVENTS) == set(EventType)
    assert all(each.takes and each.does for each in COMMANDS.values())


@pytest.mark.skipif(
    find_mosquitto() is None or shutil.which("mosquitto_sub") is None,
    reason="needs mosquitto and its clients",
)
def test_the_examples_of_the_document_work_as_they_are_printed(tmp_path):
    broker = Mosquitto(tmp_path)
    broker.start()
    config = replace(
        CONFIG,
        mqtt=replace(CONFIG.mqtt, host="127.0.0.1", port=broker.port),
        history=replace(CONFIG.history, path=str(tmp_path / "history.db")),
    )
    inbox = CommandInbox()
    telling = open_teller(config, inbox=inbox)
    state = decide.start(config, at_s=1.0)
    telling.publish(state)
    telling.tell(Tell(Happening(EventType.PICKUP, 1.0, "desk")), state)
    printed = [line for line in contract.render().splitlines() if line.startswith("mosquitto_")]
    heard = {}
    for line in printed:
        words = [word if word != "BROKER" else "127.0.0.1" for word in shlex.split(line)]
        words[1:1] = ["-p", str(broker.port)]
        if words[0] == "mosquitto_sub":
            # Those that follow for ever are left after their first message.
            words += [] if "-C" in words else ["-C", "1"]
            words += ["-W", "10"]
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=20)
        heard[line] = done.stdout
    sent = []
    deadline = time.monotonic() + 10
    while len(sent) < 9 and time.monotonic() < deadline:
        inbox.wait(0.1)
        sent += inbox.drain()
    telling.close()
    broker.kill()
    assert [type(command) for command in sent] == [
        SetSession, SetSession, Snooze, SetVolume, NotAPhone, Teach, Teach, Test, SetSession,
    ]  # fmt: skip
    state_line = next(line for line in printed if line.endswith("-C 1 -t " + TOPICS.state))
    assert json.loads(heard[state_line])["session"] == "idle"
    assert all(heard[line] for line in printed if line.startswith("mosquitto_sub"))


def test_a_paragraph_is_as_wide_as_it_may_be_and_breaks_between_words_only():
    words = ["long" * 40, *["up-to-date and"] * 30, "x" * 118, "y"]
    lines = contract._paragraph(*words).split("\n")
    assert " ".join(lines) == " ".join(words), "no word is broken and none is lost"
    assert max(map(len, lines[1:])) == 118
    for line, following in itertools.pairwise(lines):
        first = following.split()[0]
        assert len(line) <= 118 or " " not in line
        assert len(line) + 1 + len(first) > 118, "there is room for no more"


def test_an_example_is_a_line_for_a_shell():
    for example in contract.examples(TOPICS):
        words = shlex.split(example.line("nas.local"))
        assert words == [example.tool, "-h", "nas.local", *example.arguments]
    line = contract.Example("", "pub", ("-t", "a/+/b_c", "x y", "50%", "'"[:0])).line("h")
    assert line == "pub -h h -t a/+/b_c 'x y' 50% "


def test_the_box_of_the_samples_has_a_phone_in_its_hand():
    shown = contract.samples(CONFIG)
    state = shown["state"]
    told = {
        name: state[name] for name in ("session", "session_since", "until", "activity", "since")
    }
    assert told == {
        "session": "focus",
        "session_since": "2026-03-05T11:47:46+00:00",
        "until": "2026-03-05T12:12:46+00:00",
        "activity": "phone",
        "since": "2026-03-05T11:59:46+00:00",
    }
    assert shown["event"]["at"] == "2026-03-05T11:59:47.500+00:00"
    assert CONFIG.policy.phone_hold_s == 1.5
    two = replace(CONFIG, seats=(*CONFIG.seats, replace(CONFIG.seats[0], name="other")))
    beside = contract.samples(two)["state"]["seats"]["other"]
    assert (beside["activity"], beside["phone"], beside["occupied"]) == ("working", None, True)
    assert beside["since"] == "2026-03-05T11:47:46+00:00"
