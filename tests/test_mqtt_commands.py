from __future__ import annotations

import json
import math
import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import Config
from edge.domain import (
    Forget,
    Mute,
    MyPhone,
    NotAPhone,
    SessionAction,
    SetGrace,
    SetMode,
    SetSession,
    SetVolume,
    Snooze,
    Teach,
    Test,
)
from edge.mqtt import discovery
from edge.mqtt.commands import COMMANDS, MAX_PAYLOAD_BYTES, Refusal, Vocabulary, parse
from edge.mqtt.topics import Topics
from edge.settings import ConfigError
from edge.settings import parse as parse_settings

TOPICS = Topics("desk")
VOCABULARY = Vocabulary.of(Config())


def said(name: str, payload: bytes, *, retained: bool = False):
    topic = TOPICS.command(name)
    return parse(topic, payload, retained=retained, topics=TOPICS, vocabulary=VOCABULARY)


@pytest.mark.parametrize(
    ("name", "payload", "command"),
    [
        ("session", b"start", SetSession(SessionAction.START)),
        ("session", b" Focus\n", SetSession(SessionAction.START)),
        ("session", b"idle", SetSession(SessionAction.STOP)),
        ("session", b'{"action": "break", "minutes": 7.5}', SetSession(SessionAction.BREAK, 7.5)),
        ("snooze", b"", Snooze()),
        ("snooze", b"PRESS", Snooze()),
        ("snooze", b"3", Snooze(3.0)),
        ("snooze", b'{"minutes": null}', Snooze()),
        ("mute", b"ON", Mute(True)),
        ("mute", b'{"on": false}', Mute(False)),
        ("volume", b"0.25", SetVolume(0.25)),
        ("volume", b'{"volume": 1}', SetVolume(1.0)),
        ("mode", b"strict", SetMode("strict")),
        ("grace", b"2.5", SetGrace(2.5)),
        ("forget", b"", Forget()),
        ("forget", b"3", Forget(3)),
        ("not_a_phone", b"PRESS", NotAPhone()),
        ("not_a_phone", b"desk", NotAPhone("desk")),
        ("my_phone", b"", MyPhone()),
        ("my_phone", b"PRESS", MyPhone()),
        ("teach", b"my  phone", Teach("my phone", True, 30)),
        (
            "teach",
            b'{"name": "wallet", "kind": "other", "seconds": 20}',
            Teach("wallet", False, 20),
        ),
        ("forget", b'{"name": "wallet"}', Forget(None, "wallet")),
        ("test", b"lights", Test("lights")),
    ],
)
def test_a_command_is_understood_bare_or_as_json(name, payload, command):
    assert said(name, payload) == command


@pytest.mark.parametrize(
    ("name", "payload", "why"),
    [
        ("session", b"", "action: missing"),
        ("session", b"dance", "action: one of"),
        ("session", b'{"action": "start", "minutes": 1e9}', "minutes: a number from 0.1 to 240"),
        ("session", b'{"action": "start", "minutes": NaN}', "minutes: a number"),
        ("session", b'{"action": "start", "minutes": true}', "minutes: a number"),
        ("session", b'{"action": "start", "now": 1}', "now: no such field"),
        ("snooze", b"-1", "minutes: a number"),
        ("mute", b"maybe", "on: ON or OFF"),
        ("volume", b"", "volume: missing"),
        ("volume", b"1.01", "volume: a number from 0 to 1"),
        ("volume", b"inf", "volume: a number"),
        ("mode", b"cruel", "mode: one of gentle, strict, light-only"),
        ("not_a_phone", b"sofa", "seat: one of desk"),
        ("teach", b"", "name: missing, or not a word"),
        ("teach", b"   ", "name: missing, or not a word"),
        ("teach", "a\u0007b".encode(), "name: 1 to 40 printable characters"),
        ("teach", b"x" * 41, "name: 1 to 40 printable characters"),
        ("teach", b'{"name": "cup", "kind": "tea"}', "kind: one of phone, other"),
        ("teach", b'{"name": "cup", "seconds": 3600}', "seconds: a number from 5 to 120"),
        ("my_phone", b"yes", "takes nothing"),
        ("my_phone", b'{"seat": "desk"}', "seat: no such field"),
        ("forget", b'{"name": "cup", "number": 1}', "number: not together with name"),
        ("test", b"camera", "part: one of"),
        ("grace", b"601", "seconds: a number from 0 to 600"),
        ("grace", b"", "seconds: missing"),
        ("forget", b"-1", "number: a number"),
        ("test", b'{"part": "lights"', "not valid JSON"),
        ("test", b"\xff\xfe", "not UTF-8"),
        ("test", b"x" * (MAX_PAYLOAD_BYTES + 1), "257 bytes; at most 256"),
        ("reboot", b"", "no such command; there are: session"),
        ("session/x", b"start", "no such command"),
    ],
)
def test_a_malformed_command_is_refused_with_the_reason(name, payload, why):
    refusal = said(name, payload)
    assert isinstance(refusal, Refusal)
    assert why in refusal.reason


@pytest.mark.parametrize("name", COMMANDS)
def test_a_retained_command_is_never_honoured(name):
    refusal = said(name, b"start", retained=True)
    assert isinstance(refusal, Refusal)
    assert "retained" in refusal.reason


def test_no_volume_above_the_owners_cap_gets_through():
    quiet = Vocabulary(max_volume=0.3)
    topic = TOPICS.command("volume")
    loud = parse(topic, b"0.31", retained=False, topics=TOPICS, vocabulary=quiet)
    soft = parse(topic, b"0.3", retained=False, topics=TOPICS, vocabulary=quiet)
    assert (type(loud), soft) == (Refusal, SetVolume(0.3))


# What somebody might send: noise, near misses of the real thing, and JSON of every shape.
_noise = st.binary(max_size=400)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
_fields = st.dictionaries(
    st.sampled_from(["action", "minutes", "on", "volume", "mode", "seat", "part", "x"]), _json
)
_words = st.sampled_from(["start", "ON", "0.5", "desk", "lights", "-0", "1e400", "{", "[[", "null"])
_payloads = st.one_of(
    _noise,
    _words.map(str.encode),
    _json.map(lambda value: json.dumps(value).encode()),
    _fields.map(lambda value: json.dumps(value).encode()),
    st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")),
)
_topics = st.one_of(
    st.sampled_from([TOPICS.command(name) for name in COMMANDS]),
    st.text(max_size=300),
    st.text(max_size=40).map(TOPICS.command),
)


# Hypothesis looks for corners; PROCRASTOBOT_EXAMPLES gives it more time for that.
@settings(max_examples=int(os.environ.get("PROCRASTOBOT_EXAMPLES", "1000")), deadline=None)
@given(topic=_topics, payload=_payloads, retained=st.booleans())
def test_whatever_arrives_is_one_valid_command_or_one_refusal(topic, payload, retained):
    assert_one_answer(topic, payload, retained=retained)


SEEDS = (
    ("session", b'{"action": "start", "minutes": 25}'),
    ("snooze", b'{"minutes": 5}'),
    ("mute", b"ON"),
    ("volume", b'{"volume": 0.5}'),
    ("mode", b'{"mode": "strict"}'),
    ("grace", b"2.5"),
    ("not_a_phone", b'{"seat": "desk"}'),
    ("forget", b'{"number": 3}'),
    ("test", b'{"part": "lights"}'),
)
BITS = (
    b"{",
    b"}",
    b'"',
    b":",
    b"null",
    b"true",
    b"1e999",
    b"-",
    b"NaN",
    b"\x00",
    b"\xff",
    b"[" * 90,
)


def test_a_hundred_thousand_damaged_commands_are_each_answered_once():
    draw = random.Random(20260305)
    commands = refusals = 0
    for _ in range(100_000):
        name, seed = draw.choice(SEEDS)
        payload = bytearray(seed)
        topic = TOPICS.command(name)
        for _ in range(draw.randrange(4)):
            place = draw.randrange(len(payload) + 1)
            match draw.randrange(5):
                case 0:
                    payload[place:place] = draw.choice(BITS)
                case 1:
                    del payload[place : place + draw.randrange(8)]
                case 2:
                    payload[place : place + 1] = draw.randbytes(1)
                case 3:
                    payload += draw.choice(SEEDS)[1]
                case 4:
                    cut = draw.randrange(len(topic))
                    topic = topic[:cut] + chr(draw.randrange(1, 0x500)) + topic[cut + 1 :]
        found = assert_one_answer(topic, bytes(payload), retained=draw.random() < 0.05)
        refused = isinstance(found, Refusal)
        refusals += refused
        commands += not refused
    assert commands + refusals == 100_000
    assert min(commands, refusals) > 10_000  # it is neither all noise nor all harmless


def assert_one_answer(topic: str, payload: bytes, *, retained: bool):
    """One valid command or one refusal, which is returned; never an exception."""
    found = parse(topic, payload, retained=retained, topics=TOPICS, vocabulary=VOCABULARY)
    match found:
        case Refusal(command, reason):
            assert reason
            assert command.isprintable()
            assert len(command) <= 60
        case SetVolume(volume):
            assert 0 <= volume <= 1
        case Snooze(minutes):
            assert minutes is None or 0.1 <= minutes <= 60
        case SetSession(action, minutes):
            assert isinstance(action, SessionAction)
            assert minutes is None or 0.1 <= minutes <= 240
        case SetMode(mode):
            assert mode in VOCABULARY.modes
        case NotAPhone(seat):
            assert seat is None or seat in VOCABULARY.seats
        case Test(part):
            assert part in VOCABULARY.parts
        case SetGrace(grace_s):
            assert 0 <= grace_s <= 600
        case Forget(number, name):
            assert number is None or number >= 0
            assert len(name) <= 40
        case MyPhone():
            pass
        case Teach(name, phone, seconds):
            assert 0 < len(name) <= 40
            assert name.isprintable()
            assert isinstance(phone, bool)
            assert 5 <= seconds <= 120
        case Mute(on):
            assert isinstance(on, bool)
        case _:
            pytest.fail(f"{found!r} is no command that MQTT may give")
    assert not (retained and not isinstance(found, Refusal))
    return found


# ---------------------------------------------------------------- what it offers, it takes

_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


def configured(**sections: object) -> Config | None:
    """The configuration, if these can be set at all."""
    lines = []
    for name in sections.get("modes", ()):
        lines += [f"[modes.{json.dumps(name)}]", "light_after_s = 1.0"]
    for name in sections.get("seats", ()):
        lines += ["[[seats]]", f"name = {json.dumps(name)}"]
    volume, base = sections.get("volume", 1.0), sections.get("base", "procrastobot")
    lines += ["[mqtt]", f"volume_max = {volume!r}", f"base_topic = {json.dumps(base)}"]
    try:
        return parse_settings("\n".join(lines), "test")
    except ConfigError:
        return None


def obeyed(config: Config, topic: str, payload: str):
    return parse(
        topic,
        payload.encode(),
        retained=False,
        topics=Topics.of(config),
        vocabulary=Vocabulary.of(config),
    )


@settings(max_examples=600, deadline=None)
@given(
    name=_text | st.sampled_from(["PRESS", "{", '{"mode": "strict"}', "null", "a\u00a0b", "🙈" * 9])
)
def test_every_mode_that_can_be_configured_can_be_commanded(name):
    config = configured(modes=[name])
    if config is None:
        return
    topic = Topics.of(config).command("mode")
    for mode in config.modes:
        assert obeyed(config, topic, mode) == SetMode(mode)
        for ascii_only in (True, False):
            message = json.dumps({"mode": mode}, ensure_ascii=ascii_only)
            assert obeyed(config, topic, message) == SetMode(mode)
        # Home Assistant strips what a template gives, and compares it with its options.
        assert mode.strip() == mode
        assert mode in discovery.components(config)["mode"]["options"]


@pytest.mark.parametrize(
    "name",
    ["strict2", "Ruhe, bitte!", "模式", "a b", "{", '"', "1", "on", "#/+", "null", "x" * 100],
)
def test_a_name_that_looks_like_something_else_is_a_name_all_the_same(name):
    config = configured(modes=[name])
    assert config is not None
    assert obeyed(config, Topics.of(config).command("mode"), name) == SetMode(name)


@pytest.mark.parametrize(
    "name",
    ["", " ", " x", "x ", "a\nb", "\t", "\u200b", "x" * 300, "🙈" * 40, "{}", '{"mode": "strict"}'],
)
def test_a_name_that_no_command_can_say_is_refused_by_the_configuration(name):
    assert configured(modes=[name]) is None


@settings(max_examples=300, deadline=None)
@given(name=st.from_regex(r"[A-Za-z0-9_ -]{1,32}", fullmatch=True) | st.just("PRESS"))
def test_every_seat_that_can_be_configured_can_be_named(name):
    config = configured(seats=[name])
    assert config is not None
    topic = Topics.of(config).command("not_a_phone")
    assert obeyed(config, topic, name) == NotAPhone(name)
    assert obeyed(config, topic, json.dumps({"seat": name})) == NotAPhone(name)


@settings(max_examples=300, deadline=None)
@given(
    volume=st.floats(0, 1),
    base=st.from_regex(r"[A-Za-z0-9_-]{1,9}(/[A-Za-z0-9_-]{1,60}){0,6}", fullmatch=True),
)
def test_whatever_home_assistant_is_offered_the_box_obeys(volume, base):
    config = configured(volume=volume, base=base)
    assert config is not None
    for key, part in discovery.components(config).items():
        for payload in payloads_of(part):
            found = obeyed(config, part["command_topic"], payload)
            assert not isinstance(found, Refusal), (key, payload, found)


def payloads_of(part: dict) -> list[str]:
    """What Home Assistant sends for this component, at its extremes."""
    match part["platform"]:
        case "select":
            return part["options"]
        case "button":
            return [part.get("payload_press", "PRESS")]
        case "switch":
            return ["ON", "OFF"]
        case "siren":
            return [*part["available_tones"], "buzzer", part["command_off_template"]]
        case "number":
            return [str(value) for value in (offered(part)[0], offered(part)[-1])]
    return []


def offered(number: dict) -> list[float]:
    """Every value that a number can be set to, as its command sends it."""
    low, high, step = (number[word] for word in ("min", "max", "step"))
    share = 100 if number.get("command_template") == "{{ value / 100 }}" else 1
    return [float(low + place * step) / share for place in range(round((high - low) / step) + 1)]


@pytest.mark.parametrize("towards", [0.0, 0.5, 1.0])
def test_no_place_of_a_slider_is_refused_and_none_is_missing(towards):
    """Hundredths are no binary numbers: just beside each of them is where rounding goes wrong."""
    for percent in range(101):
        most = percent / 100 if towards == 0.5 else math.nextafter(percent / 100, towards)
        config = configured(volume=most)
        assert config is not None
        numbers = {
            key: part
            for key, part in discovery.components(config).items()
            if part["platform"] == "number"
        }
        for key, part in numbers.items():
            for value in offered(part):
                found = obeyed(config, part["command_topic"], str(value))
                assert found == (SetVolume if key == "volume" else SetGrace)(value)
        assert set(numbers) - {"volume"} == {"grace"}
        top = numbers["volume"]["max"] if "volume" in numbers else 0
        assert top / 100 <= most < (top + 1) / 100


@given(minutes=st.floats(0.1, 60))
def test_every_length_that_can_be_configured_can_be_commanded(minutes):
    for name, command in (("snooze", Snooze(minutes)),):
        assert said(name, repr(minutes).encode()) == command
    text = json.dumps({"action": "start", "minutes": minutes})
    assert said("session", text.encode()) == SetSession(SessionAction.START, minutes)


def test_a_command_is_added_in_one_place(monkeypatch):
    """The parser, the discovery message and the document all get it from there."""
    from edge.mqtt import contract
    from edge.wire import commands as wire

    added = wire.Declared(
        takes="`now`; field `when`",
        does="what a test asks for",
        fields=(wire.Field("when", wire.Word({"now": 1.0})),),
        build=Snooze,
        offers=lambda _: {"added": {"platform": "button", "name": "Added", "payload_press": "now"}},
    )
    monkeypatch.setitem(wire.COMMANDS, "added", added)
    assert said("added", b"NOW") == Snooze(1.0)
    assert discovery.components(Config())["added"]["command_topic"] == TOPICS.command("added")
    assert "| `added` | `now`; field `when` | what a test asks for |" in contract.render()
