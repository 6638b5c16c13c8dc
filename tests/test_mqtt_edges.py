"""Every limit and every word of the way to the broker, without a network."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from edge import decide
from edge.config import BrokerConfig, Config
from edge.domain import Fault, FaultChange
from edge.inbox import CommandInbox
from edge.mqtt import broker, credentials, discovery, keeper, trouble
from edge.mqtt import client as module
from edge.mqtt import listener as listener_module
from edge.mqtt import probe as probe_module
from edge.mqtt.announced import Announced
from edge.mqtt.backoff import Backoff, Bucket
from edge.mqtt.client import Address, MqttClient, _Attempt, configured_address
from edge.mqtt.commands import Refusal
from edge.mqtt.delivery import Limits, Message
from edge.mqtt.listener import Heard, Listener
from edge.mqtt.probe import probe
from edge.mqtt.topics import Topics
from edge.mqtt.trouble import Trouble
from tests.fakes import FakeClock
from tests.test_mqtt_delivery import FakeOutbox

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
PLAIN = {"level": logging.INFO, "format": "%(message)s"}  # the journal adds the rest


def with_(**mqtt: object) -> Config:
    config = Config()
    return replace(config, mqtt=replace(config.mqtt, **mqtt))


class Line:
    """A client whose thread the test is."""

    def __init__(self, config: Config | None = None, host: str = "nas", **more: object) -> None:
        self.clock = FakeClock(100.0)
        self.inbox = CommandInbox()
        self.refused: list[Refusal] = []
        self.client = MqttClient(
            config or Config(),
            Address(host, 1883),
            outbox=FakeOutbox(),
            inbox=self.inbox,
            refuse=self.refused.append,
            wall_clock=lambda: NOON,
            clock=self.clock,
            **more,  # type: ignore[arg-type]
        )

    def attempt(self, **changes: object) -> _Attempt:
        made = _Attempt(SimpleNamespace(tls_error=None))  # type: ignore[arg-type]
        for name, value in changes.items():
            setattr(made, name, value)
        self.client._attempt = made
        return made


# ---------------------------------------------------------------- why there is no connection


def tls_error(reason: str | None) -> ssl.SSLError:
    error = ssl.SSLError(1, "odd")
    error.reason = reason
    return error


def certificate_error(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("not good")
    error.verify_code = code
    return error


@pytest.mark.parametrize(
    ("error", "words", "lasting"),
    [
        (ConnectionRefusedError(), "nothing listens there", False),
        (ConnectionResetError(104, "reset by peer"), "reset by peer", False),
        (TimeoutError(), "no answer in time", False),
        (socket.gaierror(), "the host name of the broker is unknown", False),
        (FileNotFoundError(2, "none", "ca.crt"), "a file cannot be read: ca.crt", True),
        (PermissionError(13, "no", "key"), "a file cannot be read: key", True),
        (OSError(5, "broken"), "broken", False),
        (OSError("odd"), "odd", False),
        (ValueError("Invalid host."), "Invalid host.", True),
        (tls_error("WRONG_VERSION_NUMBER"), "does the broker speak TLS on this port?", True),
        (tls_error("UNEXPECTED_EOF_X"), "does the broker speak TLS on this port?", True),
        (tls_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), trouble.WANTS_CERTIFICATE, True),
        (tls_error("SSLV3_ALERT_HANDSHAKE_FAILURE"), trouble.WANTS_CERTIFICATE, True),
        (
            tls_error("TLSV1_ALERT_UNKNOWN_CA"),
            "the broker does not accept the client certificate (tlsv1_alert_unknown_ca)",
            True,
        ),
        (tls_error("NO_CIPHERS"), "TLS failed: no_ciphers", True),
        (tls_error(None), "TLS failed: odd", True),
        (certificate_error(10), "the broker's certificate has expired", True),
        (certificate_error(1), "the broker's certificate is not accepted: ('not good',)", True),
    ],
)
def test_what_went_wrong_is_said_in_words(error, words, lasting):
    assert trouble.of_connecting(error) == Trouble(words, lasting)


@pytest.mark.parametrize("code", [9, 10, 18, 19, 20, 21, 62, 64])
def test_what_is_wrong_with_a_certificate_has_words_of_its_own(code):
    found = trouble.of_connecting(certificate_error(code))
    assert found.lasting
    assert "is not accepted" not in found.text


def test_a_broker_that_hangs_up_is_asked_for_what_it_may_want():
    reset = ConnectionResetError(104, "reset by peer")
    assert "TLS on this port" in trouble.of_connecting(reset, tls=True).text
    assert "a port for TLS" in trouble.of_silence(tls=False, certificate=True).text
    assert trouble.of_silence(tls=True, certificate=False) == Trouble(
        trouble.WANTS_CERTIFICATE, lasting=True
    )
    assert "accept this certificate" in trouble.of_silence(tls=True, certificate=True).text


# Names as the standard has them: MQTT 5.0, sections 3.2.2.2 and 3.14.2.1.
@pytest.mark.parametrize(
    ("name", "words", "lasting"),
    [
        ("Unspecified error", "refuses the connection", True),
        ("Unsupported protocol version", "neither MQTT 5 nor 3.1.1", True),
        ("Client identifier not valid", "client id", True),
        ("Bad user name or password", "user name or password", True),
        ("Not authorized", "authorize", True),
        ("Server unavailable", "not available", False),
        ("Server busy", "busy", False),
        ("Banned", "banned", True),
        ("Quota exceeded", "quota", False),
        ("Retain not supported", "retain", True),
        ("QoS not supported", "QoS 1", True),
        ("Connection rate exceeded", "at this rate", False),
    ],
)
def test_a_refusal_has_the_words_of_its_number(name, words, lasting):
    found = trouble.of_refusal(ReasonCode(PacketTypes.CONNACK, name).value)
    assert words in found.text
    assert found.lasting == lasting
    assert trouble.of_refusal(0x83) == Trouble("the broker refuses (reason 0x83)")


@pytest.mark.parametrize(
    ("name", "words", "lasting"),
    [
        ("Not authorized", "no longer authorizes", True),
        ("Server busy", "busy", False),
        ("Server shutting down", "shuts down", False),
        ("Keep alive timeout", "heard nothing", False),
        ("Session taken over", "same box.id", True),
        ("Packet too large", "of this size", True),
        ("Quota exceeded", "quota", False),
        ("Administrative action", "administrator", False),
    ],
)
def test_a_goodbye_of_the_broker_has_the_words_of_its_number(name, words, lasting):
    found = trouble.of_disconnection(ReasonCode(PacketTypes.DISCONNECT, name).value)
    assert words in found.text
    assert found.lasting == lasting
    assert trouble.of_disconnection(None) == Trouble("the connection was lost")
    assert "0x93" in trouble.of_disconnection(0x93).text
    flaps = trouble.FLAPPING
    assert (flaps.text, flaps.lasting) == (
        "the connection is lost again and again, right after it is made; does another box have the"
        " same box.id?",
        True,
    )


# ---------------------------------------------------------------- waiting


def test_waits_double_up_to_half_a_minute_and_are_drawn_from_the_whole_of_it():
    longest = Backoff(draw=lambda: 1.0)
    assert [longest.next_s() for _ in range(7)] == [2, 4, 8, 16, 30, 30, 30]
    longest.reset()
    assert longest.next_s() == 2
    shortest = Backoff(draw=lambda: 0.0)
    assert shortest.next_s() == pytest.approx(0.1)
    patient = Backoff(draw=lambda: 1.0)
    assert [patient.next_s(lasting=True) for _ in range(3)] == [16, 30, 30]
    for _ in range(2000):
        patient.next_s()
    assert patient.next_s() == 30


# ---------------------------------------------------------------- the client


@pytest.mark.parametrize(
    ("mqtt", "expected"),
    [
        ({}, None),
        ({"host": "nas"}, Address("nas", 1883)),
        ({"host": "nas", "tls": True}, Address("nas", 8883)),
        ({"host": "nas", "port": 7, "tls": True}, Address("nas", 7)),
    ],
)
def test_the_port_follows_from_tls_unless_it_is_given(mqtt, expected):
    assert configured_address(with_(**mqtt)) == expected


def test_an_address_says_where_it_leads():
    assert str(Address("nas", 7)) == "the broker at nas:7"
    assert str(Address("/run/x.sock", 0)) == "the broker in the box"


@pytest.mark.parametrize(
    ("host", "mqtt", "warned"),
    [
        ("nas", {}, True),
        ("nas", {"tls": True}, False),
        ("nas", {"allow_plaintext": True}, False),
        ("localhost", {}, False),
        ("::1", {}, False),
        ("127.0.0.5", {}, False),
        ("/run/x.sock", {}, False),
    ],
)
def test_an_open_connection_to_another_machine_is_warned_of(
    host, mqtt, warned, caplog, monkeypatch
):
    line = Line(with_(**mqtt), host)
    monkeypatch.setattr(line.client._thread, "start", lambda: None)
    line.client.start()
    assert ("is not encrypted" in caplog.text) == warned


def test_paho_is_made_as_the_broker_turned_out_to_want_it(monkeypatch, tmp_path):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    line = Line(with_(username="me", password="secret"))
    with monkeypatch.context() as patient:
        patient.setattr(module, "CONNECT_TIMEOUT_S", 7.5)  # paho's own is the same as ours
        assert line.client._make_client().connect_timeout == 7.5
    made = line.client._make_client()
    assert (made._client_id, made.protocol) == (b"procrastobot-desk", MQTTProtocolVersion.MQTTv5)
    assert (made.connect_timeout, made._reconnect_on_failure) == (5.0, False)
    assert (made._username, made._password) == (b"me", b"secret")
    assert (made._will_topic, made._will_payload) == (b"procrastobot/desk/availability", b"offline")
    assert (made._will_qos, made._will_retain) == (1, True)
    spoken = line.client._spoken
    spoken.version, spoken.will_qos, spoken.will_retain = MQTTProtocolVersion.MQTTv311, 0, False
    made = line.client._make_client()
    assert (made.protocol, made._clean_session) == (MQTTProtocolVersion.MQTTv311, True)
    assert (made._will_qos, made._will_retain) == (0, False)
    inside = Line(with_(username="me", password="secret"), "/run/x.sock").client._make_client()
    assert (inside._username, inside._transport) == (None, "unix")
    assert Line(host="nas").client._make_client()._username is None


@pytest.mark.parametrize(("size", "taken"), [(16_384, True), (16_385, False)])
def test_no_packet_is_taken_that_is_longer_than_any_of_ours(size, taken):
    here, there = socket.socketpair()
    made = Line().client._make_client()
    made._sock = here
    there.send(b"x")
    if taken:
        assert made._sock_recv(size) == b"x"
    else:
        with pytest.raises(ConnectionAbortedError):
            made._sock_recv(size)
    here.close()
    there.close()


def ended(line: Line, **changes: object) -> Trouble | None:
    return line.client._ended(line.attempt(**changes))


def test_what_a_broker_does_not_take_is_left_out_and_tried_again_at_once():
    line = Line()
    spoken = line.client._spoken
    assert ended(line, connack=trouble.RETAIN_NOT_SUPPORTED) is None
    assert (spoken.will_retain, spoken.will_qos) == (False, 1)
    assert "retain" in ended(line, connack=trouble.RETAIN_NOT_SUPPORTED).text
    assert ended(line, connack=trouble.QOS_NOT_SUPPORTED) is None
    assert spoken.will_qos == 0
    assert "QoS" in ended(line, connack=trouble.QOS_NOT_SUPPORTED).text


@pytest.mark.parametrize("connack", [0x80, 0x83, 0x85, 0x97, 0x99, 0x9C, 0x9F])
def test_another_refusal_changes_nothing_of_what_is_spoken(connack):
    line = Line()
    spoken = line.client._spoken
    assert ended(line, connack=connack) == trouble.of_refusal(connack)
    assert (spoken.version, spoken.will_retain, spoken.will_qos) == (
        MQTTProtocolVersion.MQTTv5,
        True,
        1,
    )


@pytest.mark.parametrize("connack", [None, trouble.UNSUPPORTED_VERSION])
def test_an_old_version_is_tried_at_once_and_the_new_one_the_next_time(connack):
    line = Line()
    spoken = line.client._spoken
    assert ended(line, connack=connack) is None
    assert spoken.version is MQTTProtocolVersion.MQTTv311
    assert ended(line, connack=connack) is not None
    assert spoken.version is MQTTProtocolVersion.MQTTv5
    line.client._address = Address("nas", 1, only_311=True)
    spoken.version = MQTTProtocolVersion.MQTTv311
    assert ended(line, connack=connack) is not None
    assert spoken.version is MQTTProtocolVersion.MQTTv311


def test_how_a_connection_ended_is_known_in_this_order():
    line = Line()
    tls = SimpleNamespace(tls_error=tls_error("NO_CIPHERS"))
    assert ended(line, client=tls) == Trouble("TLS failed: no_ciphers", True)
    assert ended(line, connack=0x87).lasting
    lost = Trouble("x")
    assert ended(line, connack=0, lost=lost) is lost
    assert ended(line, connack=0) == Trouble(trouble.LOST)


@pytest.mark.parametrize(
    ("announce_in_s", "told", "wait_ms"),
    [(None, True, 1000), (5.0, True, 1000), (0.5, True, 501), (-1.0, True, 0), (0.5, False, 1000)],
)
def test_it_sleeps_until_there_is_something_to_do_or_for_a_second(announce_in_s, told, wait_ms):
    line = Line()
    if told:
        line.client._delivery.state(decide.start(Config(), at_s=100.0), 100.0)
    if announce_in_s is not None:
        line.client._delivery.announce_at_s = 100.0 + announce_in_s
    assert line.client._patience_ms() == wait_ms


def test_a_trouble_is_said_once_and_is_a_fault_after_ten_seconds(caplog):
    caplog.set_level(logging.DEBUG)
    line = Line()
    passing = Trouble("nothing listens there")
    line.client._report(passing, 2.0)
    line.clock.advance(9.5)
    line.client._report(passing, 3.0)
    levels = [each.levelname for each in caplog.records if "no connection" in each.message]
    assert levels == ["WARNING", "DEBUG"]
    assert "nothing listens there; the next attempt follows in 2.0 s" in caplog.text
    assert line.inbox.drain() == []
    line.clock.advance(0.5)
    line.client._report(passing, 3.0)
    line.client._report(passing, 3.0)
    assert line.inbox.drain() == [FaultChange(Fault.BROKER, True, "nothing listens there")]


def test_what_lasts_is_a_fault_at_once():
    line = Line()
    line.client._report(Trouble("wrong password", lasting=True), 2.0)
    assert line.inbox.drain() == [FaultChange(Fault.BROKER, True, "wrong password")]


def test_while_it_waits_the_fault_comes_in_time_and_mail_is_taken(monkeypatch):
    line = Line()
    polled: list[int] = []

    class Poll:
        def register(self, *_: object) -> None:
            pass

        def poll(self, wait_ms: int) -> list[object]:
            polled.append(wait_ms)
            line.clock.advance(wait_ms / 1000)
            return []

    monkeypatch.setattr(module, "select", SimpleNamespace(poll=Poll, POLLIN=1, POLLOUT=4))
    line.client._idle(until_s=line.clock() + 30.0, trouble_=Trouble("gone"))
    assert polled[0] == 10_001, "until it is a fault"
    assert 19_990 <= polled[1] <= 20_001
    assert line.inbox.drain() == [FaultChange(Fault.BROKER, True, "gone")]
    line.client._post(line.client._close)
    line.client._idle(until_s=line.clock() + 30.0, trouble_=Trouble("gone"))
    assert len(polled) == 3, "told to close, it does not wait"


def test_complaints_of_the_broker_are_a_fault_until_there_are_none():
    line = Line()
    line.client._mind_complaints()
    assert line.inbox.drain() == []
    line.client._delivery.deny("a", "Not authorized")
    line.client._mind_complaints()
    line.client._delivery.deny("b", "Not authorized")
    line.client._mind_complaints()
    (fault,) = line.inbox.drain()
    assert (fault.fault, fault.broken) == (Fault.BROKER, True)
    assert "does not take a (not authorized)" in fault.text
    for topic in "ab":
        line.client._delivery.deny(topic, "")
    line.client._mind_complaints()
    assert line.inbox.drain() == [FaultChange(Fault.BROKER, False, "")]


def hears(line: Line, count: int, payload: bytes = b"ON") -> int:
    topic = Topics("desk").command("mute")
    for _ in range(count):
        line.client._hear(topic, payload, retained=False)
    return len(line.inbox.drain())


def test_of_a_flood_of_commands_twenty_are_heard_and_then_five_a_second(caplog):
    line = Line()
    assert hears(line, 25) == 20
    assert caplog.text.count("too many commands") == 1
    line.clock.advance(1.0)
    assert hears(line, 9) == 5
    assert "5 commands were too many and not heard" in caplog.text
    line.clock.advance(3600)
    assert hears(line, 25) == 20


def test_of_refused_commands_twenty_are_recorded_and_then_one_a_second():
    line = Line()
    for after_s, recorded in ((0.0, 20), (4.0, 24), (4.0, 28)):
        line.clock.advance(after_s)
        hears(line, 20, b"perhaps")
        assert len(line.refused) == recorded


def test_home_assistant_is_answered_within_three_seconds():
    line = Line()
    for drawn, at_s in ((0.0, 100.0), (1.0, 103.0)):
        line.client._random = SimpleNamespace(random=lambda drawn=drawn: drawn)  # type: ignore[assignment]
        line.client._announce_soon()
        assert line.client._delivery.announce_at_s == at_s


@pytest.mark.parametrize(
    ("topic", "payload", "retained", "again"),
    [
        ("homeassistant/status", b"online", False, True),
        ("homeassistant/status", b"online", True, False),
        ("homeassistant/status", b"offline", False, False),
        ("procrastobot/desk/availability", b"", False, True),
        ("procrastobot/desk/availability", b"offline", False, False),
    ],
)
def test_what_is_heard_makes_it_announce_itself_again(topic, payload, retained, again):
    line = Line()
    message = SimpleNamespace(topic=topic, payload=payload, retain=retained)
    line.client._on_message(None, None, message)  # type: ignore[arg-type]
    assert (line.client._delivery.announce_at_s is not None) == again
    line = Line()
    line.client._closing = True
    line.client._on_message(None, None, message)  # type: ignore[arg-type]
    if topic.endswith("availability"):
        assert line.client._delivery.announce_at_s is None


@pytest.mark.parametrize("base", ["a", "z"])
@pytest.mark.parametrize("prefix", ["b", "y"])
def test_each_topic_is_told_from_the_others_by_all_of_its_name(base, prefix):
    config = with_(base_topic=base, discovery_prefix=prefix)
    for topic, payload, again, heard in (
        (f"{prefix}/status", b"online", True, False),
        (f"{prefix}/status", b"onlinf", False, False),
        (f"{prefix}/status", b"a", False, False),
        (f"{base}/desk/availability", b"", True, False),
        (f"{base}/desk/availability", b"z", False, False),
        (f"{base}/desk/command/mute", b"ON", False, True),
        (f"{base}/desk/a", b"ON", False, False),
    ):
        line = Line(config)
        message = SimpleNamespace(topic=topic, payload=payload, retain=False)
        line.client._on_message(None, None, message)  # type: ignore[arg-type]
        assert (line.client._delivery.announce_at_s is not None) == again, topic
        assert bool(line.inbox.drain()) == heard, topic


def test_a_topic_that_is_no_text_is_passed_over():
    class Odd:
        @property
        def topic(self) -> str:
            return b"\xff".decode()

    line = Line()
    line.client._on_message(None, None, Odd())  # type: ignore[arg-type]
    assert (line.inbox.drain(), line.refused) == ([], [])


# ---------------------------------------------------------------- announcing


def test_what_is_needed_least_goes_first():
    parts: list[dict] = [
        {"platform": "button", "enabled_by_default": False},
        {"platform": "sensor", "entity_category": "diagnostic"},
        {"platform": "device_automation"},
        {"platform": "number", "entity_category": "config"},
        {"platform": "sensor"},
        {"platform": "binary_sensor"},
    ]
    assert [discovery._need(part) for part in parts] == [0, 1, 2, 3, 4, 5]
    assert discovery._need({"platform": "event"}) == 2


def test_figures_are_stale_after_three_reports_that_are_missing():
    parts = discovery.components(with_(health_s=7.4))
    assert {part["expire_after"] for part in parts.values() if "expire_after" in part} == {22}


@pytest.mark.parametrize(
    ("web", "address"),
    [
        ({"enabled": True, "host": "192.168.1.7", "port": 80}, "http://192.168.1.7"),
        ({"enabled": False, "host": "192.168.1.7", "port": 80}, None),
        ({"enabled": True, "host": "127.0.0.1", "port": 80}, None),
        ({"enabled": True, "host": "192.168.1.7", "port": 0}, None),
    ],
)
def test_home_assistant_is_told_of_a_page_that_it_can_reach(web, address):
    config = Config()
    found = discovery._page(replace(config, web=replace(config.web, **web)))
    assert found.get("configuration_url", "").removesuffix("/").removesuffix(":80") == (
        address or ""
    )


# ---------------------------------------------------------------- secrets


def test_secrets_come_from_the_configuration_then_a_file_then_systemd(tmp_path, monkeypatch):
    given, left = tmp_path / "given", tmp_path / "left"
    left.mkdir()
    given.write_text(" of the file \n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(left))
    assert credentials.password(Config()) == credentials.username(Config()) == ""
    for name in ("mqtt-password", "mqtt-username", "broker-password"):
        (left / name).write_text(f"{name} of systemd\n")
    assert credentials.username(Config()) == "mqtt-username of systemd"
    assert credentials.username(with_(username="me")) == "me"
    assert credentials.password(Config()) == "mqtt-password of systemd"
    assert credentials.password(with_(password_file=str(given))) == "of the file"
    assert credentials.password(with_(password_file=str(given), password="p")) == "p"
    assert credentials.broker_password(BrokerConfig()) == "broker-password of systemd"
    assert credentials.broker_password(BrokerConfig(), tmp_path / "none") == (
        "broker-password of systemd"
    )
    assert credentials.broker_password(BrokerConfig(), given) == "of the file"
    both = BrokerConfig(password_file=str(given))
    assert credentials.broker_password(both, left / "mqtt-username") == "of the file"
    assert credentials.broker_password(replace(both, password="p")) == "p"
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert credentials.password(Config()) == ""


def test_no_broker_is_trusted_without_a_certificate_that_is_checked():
    context = credentials.tls_context(Config())
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_flags & ssl.VERIFY_X509_TRUSTED_FIRST


class Context:
    """What is done to it."""

    def __init__(self) -> None:
        self.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        self.verify_flags = ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_TRUSTED_FIRST
        self.chains: list[tuple[str, str | None]] = []

    def load_cert_chain(self, cert: str, key: str | None) -> None:
        self.chains.append((cert, key))


@pytest.mark.parametrize("left", [(), ("mqtt-ca",), ("mqtt-cert",), ("mqtt-cert", "mqtt-key")])
@pytest.mark.parametrize("given", [(), ("ca_file",), ("cert_file",), ("cert_file", "key_file")])
def test_certificates_come_from_the_configuration_or_from_systemd(
    tmp_path, monkeypatch, given, left
):
    made: list[str | None] = []
    context = Context()

    def create(cafile: str | None = None) -> Context:
        made.append(cafile)
        return context

    for name in (*given, *left):
        (tmp_path / name).touch()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(credentials.ssl, "create_default_context", create)
    config = with_(**{name: str(tmp_path / name) for name in given})
    assert credentials.tls_context(config) is context

    def found(setting: str, credential: str) -> str | None:
        name = setting if setting in given else credential if credential in left else None
        return None if name is None else str(tmp_path / name)

    cert = found("cert_file", "mqtt-cert")
    assert made == [found("ca_file", "mqtt-ca")]
    assert context.chains == ([(cert, found("key_file", "mqtt-key"))] if cert else [])
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_flags == ssl.VERIFY_X509_TRUSTED_FIRST
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    if not given:
        context.chains.clear()
        credentials.tls_context(config)
        assert (made[1:], context.chains) == ([None], [])


@pytest.mark.parametrize("missing", ["cert_file", "key_file"])
def test_a_certificate_that_cannot_be_read_is_named(tmp_path, missing):
    for name in ("cert_file", "key_file"):
        if name != missing:
            (tmp_path / name).touch()
    config = with_(cert_file=str(tmp_path / "cert_file"), key_file=str(tmp_path / "key_file"))
    with pytest.raises(FileNotFoundError) as caught:
        credentials.tls_context(config)
    assert caught.value.filename == str(tmp_path / missing)


# ---------------------------------------------------------------- what was announced


def test_what_is_announced_is_written_as_it_is_and_only_when_it_changes(tmp_path, monkeypatch):
    path = tmp_path / "new" / "announced.json"
    kept = Announced(path)
    assert (kept.topics, kept.components) == (frozenset(), {})
    kept.remember((), {})
    assert not path.exists(), "that is known already"
    kept.remember(["b", "a"], {"k": "sensor"})
    assert json.loads(path.read_text()) == {"topics": ["a", "b"], "components": {"k": "sensor"}}
    path.unlink()
    kept.remember({"a", "b"}, {"k": "sensor"})
    assert not path.exists(), "that is known already"
    kept.remember({"a", "b"}, {"k": "event"})
    kept.remember({"a"}, {"k": "event"})
    again = Announced(path)
    assert (again.topics, dict(again.components)) == ({"a"}, {"k": "event"})
    memory = Announced()
    memory.remember({"a"}, {"k": "event"})
    assert (memory.topics, memory.components) == ({"a"}, {"k": "event"})


@pytest.mark.parametrize(
    "found",
    [
        {"topics": ["a/+"], "components": {}},
        {"topics": ["a/#"], "components": {}},
        {"topics": ["a\n"], "components": {}},
        {"topics": [""], "components": {}},
        {"topics": [3], "components": {}},
        {"topics": ["a"], "components": {"": "x"}},
        {"topics": ["a"], "components": {"k": ""}},
        {"topics": ["a"], "components": {"k": None}},
        {"topics": ["a"], "components": ["k"]},
        {"topics": ["a"]},
        ["a"],
    ],
)
def test_a_memory_with_anything_odd_in_it_is_none(tmp_path, caplog, found):
    path = tmp_path / "announced.json"
    path.write_text(json.dumps(found))
    kept = Announced(path)
    assert (kept.topics, kept.components) == (frozenset(), {})
    assert f"what was announced before is not known: {path}: " in caplog.text
    caplog.clear()
    path.write_text(json.dumps({"topics": ["a/b c"], "components": {"k_1": "x"}}))
    assert (Announced(path).topics, caplog.text) == ({"a/b c"}, "")
    assert (Announced(tmp_path / "none").topics, caplog.text) == (frozenset(), "")


@pytest.mark.parametrize("burst", [1, 3])
def test_a_bucket_fills_no_further_than_its_brim_and_gives_whole_drops(burst):
    clock = FakeClock()
    bucket = Bucket(burst=burst, per_s=0.5, clock=clock)
    assert [bucket.take() for _ in range(burst + 1)] == [True] * burst + [False]
    clock.advance(1.5)
    assert not bucket.take()
    clock.advance(0.5)
    assert [bucket.take(), bucket.take()] == [True, False]
    clock.advance(1000)
    assert [bucket.take() for _ in range(burst + 1)] == [True] * burst + [False]


# ---------------------------------------------------------------- the broker in the box


@pytest.mark.parametrize(
    ("host", "password", "listener", "open_"),
    [
        ("127.0.0.1", "", "listener 1234 127.0.0.1", True),
        ("127.0.0.1", "p", "listener 1234 127.0.0.1", True),
        ("0.0.0.0", "", "listener 1234 127.0.0.1", True),
        ("0.0.0.0", "p", "listener 1234 0.0.0.0", False),
        ("::", "p", "listener 1234", False),
        ("box.local", "p", "listener 1234 box.local", False),
        ("fd00::1", "", "listener 1234 127.0.0.1", True),
    ],
)
def test_the_broker_in_the_box_is_told_all_its_bounds(host, password, listener, open_):
    config = BrokerConfig(enabled=True, host=host, username="me")
    files = broker.configuration(config, Path("/f"), port=1234, password=password)
    text = files.pop("mosquitto.conf")
    rest = (
        ["allow_anonymous true"]
        if open_
        else ["allow_anonymous false", "password_file /f/passwords"]
    )
    assert text.splitlines() == [
        "# Written by procrastobot; changes are lost.",
        "per_listener_settings true",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_type information",
        "log_timestamp false",
        "persistence false",
        "memory_limit 33554432",
        "max_packet_size 262144",
        "max_queued_messages 200",
        "max_queued_bytes 1000000",
        "max_inflight_messages 20",
        "max_keepalive 600",
        "persistent_client_expiration 1d",
        "set_tcp_nodelay true",
        "listener 0 /f/box.sock",
        "allow_anonymous true",
        listener,
        "max_connections 4000",
        *rest,
    ]
    assert text.endswith("\n")
    if open_:
        assert files == {}
        return
    name, _, hashed = files["passwords"].strip().partition(":")
    _, seven, rounds, salt, key = hashed.split("$")
    assert (name, seven, rounds) == ("me", "7", "1000")
    assert len(base64.b64decode(salt)) == 12
    assert base64.b64decode(key) == hashlib.pbkdf2_hmac(
        "sha512", password.encode(), base64.b64decode(salt), 1000
    )


class Played(keeper.Keeper):
    """A keeper whose mosquitto runs for as long as the test says, each time."""

    def __init__(self, folder: Path, runs_s: list[float]) -> None:
        super().__init__(folder, service=True)
        self.now_s = 0.0
        self.runs_s = runs_s
        self.waited: list[float] = []
        self._closing = SimpleNamespace(is_set=lambda: not self.runs_s, wait=self.waited.append)  # type: ignore[assignment]

    def _run(self) -> str:
        self.now_s += self.runs_s.pop(0)
        return "it ended"


def test_a_broker_that_ends_is_started_again_later_and_later(tmp_path, monkeypatch):
    played = Played(tmp_path, [0.0] * 7 + [59.5, 60.0, 0.0, 0.0])
    monkeypatch.setattr(keeper, "time", SimpleNamespace(monotonic=lambda: played.now_s))
    played._running.set()  # it ran, until now
    played.keep()
    assert played.waited == [1, 2, 4, 8, 16, 30, 30, 30, 1, 2]
    assert played.why == "it ended"
    assert not played.wait(0)


def test_what_mosquitto_says_is_understood(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    kept = keeper.Keeper(tmp_path, service=True)
    ended_: list[str] = []
    assert kept.why
    assert kept._hear("mosquitto version 2.0.11 starting") == ""
    assert kept.why
    assert kept._hear("mosquitto version 2.0.11 running") == ""
    assert (kept.why, kept.wait(0)) == ("", True)
    assert "the broker in the box runs (mosquitto version 2.0.11)" in caplog.text
    assert kept._hear("Error: Address already in use") == "Address already in use"
    assert kept._hear("Warning: Error in a name") == ""
    kept._hear("Out: out of memory")
    assert not kept._full, "there is nothing to end"
    kept._process = SimpleNamespace(terminate=lambda: ended_.append("x"))  # type: ignore[assignment]
    for _ in range(2):
        kept._hear("Error: out of memory.")
    assert (kept._full, ended_) == (True, ["x"])
    kept.close()
    assert ended_ == ["x", "x"]


@pytest.mark.parametrize(
    ("now", "most", "expected"),
    [
        (1024, 1_048_576, ["--nofile=4096:4096"]),
        (1024, keeper.resource.RLIM_INFINITY, ["--nofile=4096:4096"]),
        (1024, 2048, ["--nofile=2048:2048"]),
        (4096, 4096, []),
        (4096, 9999, []),
    ],
)
def test_mosquitto_gets_files_enough_and_dies_with_its_keeper(monkeypatch, now, most, expected):
    monkeypatch.setattr(keeper.resource, "getrlimit", lambda _: (now, most))
    monkeypatch.setattr(keeper.shutil, "which", lambda name: f"/bin/{name}")
    wanted = ["/bin/prlimit", *expected] if expected else []
    assert keeper._bounds() == [*wanted, "/bin/setpriv", "--pdeathsig", "KILL", "--"]
    monkeypatch.setattr(keeper.shutil, "which", lambda name: None)
    assert keeper._bounds() == []


# What a program does that is called mosquitto, and how its keeper tells of its end.
ENDS = {
    "echo Error: no such user >&2; exit 3": "no such user",
    "echo bye >&2; exit 3": "it ended (exit code 3): bye",
    "exec 2>&-; exec sleep 60": "it ended (exit code -9): ",
    "exec sleep 60": "it ended (exit code -15): ",
}


@pytest.mark.parametrize("script", ENDS)
def test_how_mosquitto_ended_is_told(tmp_path, monkeypatch, script):
    program = tmp_path / "mosquitto"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(keeper, "find_mosquitto", lambda: str(program))
    monkeypatch.setattr(keeper, "unprivileged", lambda: None)
    monkeypatch.setattr(keeper, "STOP_PATIENCE_S", 0.1 if "2>&-" in script else 30.0)
    kept = keeper.Keeper(tmp_path, service=True)
    if script == "exec sleep 60":
        kept.close()  # while it was being started
    assert kept._run() == ENDS[script]


class Mosquitto:
    """A process as it is started: with what, and how it takes its end."""

    last: Mosquitto
    says: tuple[str, ...] = ()
    stays = False

    def __init__(self, command: list[str], **more: object) -> None:
        Mosquitto.last = self
        self.command, self.more = command, more
        self.done: list[object] = []
        self.stderr = iter(self.says)

    def terminate(self) -> None:
        self.done.append("terminate")

    def kill(self) -> None:
        self.done.append("kill")

    def wait(self, patience_s: float | None = None) -> int:
        self.done.append(("wait", patience_s))
        if self.stays and patience_s is not None:
            raise keeper.subprocess.TimeoutExpired("mosquitto", patience_s)
        return 7


@pytest.mark.parametrize(("uid", "user", "groups"), [(0, "nobody", []), (1000, None, None)])
def test_mosquitto_is_started_in_exactly_this_way(tmp_path, monkeypatch, uid, user, groups):
    monkeypatch.setattr(keeper.subprocess, "Popen", Mosquitto)
    monkeypatch.setattr(keeper, "find_mosquitto", lambda: "/usr/sbin/mosquitto")
    monkeypatch.setattr(keeper, "unprivileged", lambda: user)
    monkeypatch.setattr(keeper, "_bounds", lambda: ["setpriv", "--"])
    monkeypatch.setattr(keeper.os, "geteuid", lambda: uid)
    for service, wrap in ((False, ["setpriv", "--"]), (True, [])):
        kept = keeper.Keeper(tmp_path, service=service)
        assert kept._run() == "it ended (exit code 7): "
        made = Mosquitto.last
        assert made.command == [
            *wrap, "/usr/sbin/mosquitto", "-c", f"{tmp_path}/mosquitto.conf",
        ]  # fmt: skip
        assert made.more == {
            "user": user,
            "extra_groups": groups,
            "cwd": tmp_path,
            "stdin": keeper.subprocess.DEVNULL,
            "stdout": keeper.subprocess.DEVNULL,
            "stderr": keeper.subprocess.PIPE,
            "errors": "replace",
        }
        assert made.done == [("wait", 5.0)]
        assert kept._process is None


@pytest.mark.parametrize(
    ("says", "stays", "why", "done"),
    [
        (("Error: a\n", "then b\n", " \n"), False, "a", [("wait", 5.0)]),
        (("Error: a\n", "Error: b\n"), False, "b", [("wait", 5.0)]),
        (("a\n", " b \n", "\n"), False, "it ended (exit code 7): b", [("wait", 5.0)]),
        (("x\n",), True, "it ended (exit code 7): x", [("wait", 5.0), "kill", ("wait", None)]),
        (
            ("Error: out of memory\n", "Error: out of memory\n"),
            False,
            "its memory was full; what others had it keep is forgotten",
            ["terminate", ("wait", 5.0)],
        ),
    ],
)
def test_the_last_words_of_mosquitto_are_why_it_ended(
    tmp_path, monkeypatch, says, stays, why, done
):
    monkeypatch.setattr(keeper.subprocess, "Popen", Mosquitto)
    monkeypatch.setattr(keeper, "find_mosquitto", lambda: "/usr/sbin/mosquitto")
    monkeypatch.setattr(Mosquitto, "says", says)
    monkeypatch.setattr(Mosquitto, "stays", stays)
    kept = keeper.Keeper(tmp_path, service=True)
    for _ in range(2):  # what was so the last time is forgotten
        assert kept._run() == why
        assert Mosquitto.last.done == done
    monkeypatch.setattr(Mosquitto, "says", ())
    monkeypatch.setattr(Mosquitto, "stays", False)
    assert kept._run() == "it ended (exit code 7): "


def test_a_broker_that_does_not_run_is_said_and_nobody_waits_for_it(tmp_path, caplog, monkeypatch):
    played = Played(tmp_path, [0.0, 0.0, 0.0])
    monkeypatch.setattr(keeper, "time", SimpleNamespace(monotonic=lambda: played.now_s))
    began = "it has not started yet"
    assert (played.why, played._changed.is_set()) == (began, False)
    played.keep()
    assert [each.message for each in caplog.records] == [
        "the broker in the box does not run: it ended; tried again in 1 s",
        "the broker in the box does not run: it ended; tried again in 2 s",
    ]
    assert played._changed.is_set()
    assert played.wait(9.0) is False


def test_a_keeper_bounds_mosquitto_unless_a_service_does(tmp_path, monkeypatch):
    monkeypatch.setattr(keeper, "_bounds", lambda: ["bounds"])
    assert keeper.Keeper(tmp_path)._wrap == ["bounds"]
    assert keeper.Keeper(tmp_path, service=True)._wrap == []


@pytest.mark.parametrize(("invocation", "service"), [("abc", True), ("", False), (None, False)])
def test_the_service_keeps_mosquitto_until_it_is_told_to_stop(
    tmp_path, monkeypatch, invocation, service
):
    done: list[object] = []
    handlers: dict[int, Callable[..., None]] = {}

    class Keeping:
        def __init__(self, folder: Path, *, service: bool) -> None:
            done.append((folder, service))

        def keep(self) -> None:
            for number in (signal.SIGTERM, signal.SIGINT):
                handlers.pop(number)(number, None)
            done.append("kept")

        def close(self) -> None:
            done.append("closed")

    if invocation is None:
        monkeypatch.delenv("INVOCATION_ID", raising=False)
    else:
        monkeypatch.setenv("INVOCATION_ID", invocation)
    logs: list[dict[str, object]] = []
    monkeypatch.setattr(keeper, "Keeper", Keeping)
    monkeypatch.setattr(keeper.signal, "signal", handlers.__setitem__)
    monkeypatch.setattr(keeper.logging, "basicConfig", lambda **how: logs.append(how))
    assert keeper.main([str(tmp_path)]) == 0
    assert logs == [PLAIN]
    assert done == [(tmp_path, service), "closed", "closed", "kept"]
    assert handlers == {}


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ({None: "/usr/bin/mosquitto"}, "/usr/bin/mosquitto"),
        ({"/usr/sbin:/usr/local/sbin": "/usr/sbin/mosquitto"}, "/usr/sbin/mosquitto"),
        ({}, None),
    ],
)
def test_mosquitto_is_found_where_debian_puts_it(monkeypatch, there, found):
    def which(name: str, path: str | None = None) -> str | None:
        assert name == "mosquitto"
        return there.get(path)

    monkeypatch.setattr(keeper.shutil, "which", which)
    assert keeper.find_mosquitto() == found


def test_a_mosquitto_that_cannot_be_started_says_why(tmp_path, monkeypatch):
    kept = keeper.Keeper(tmp_path, service=True)
    monkeypatch.setattr(keeper, "find_mosquitto", lambda: None)
    assert kept._run() == keeper.NOT_INSTALLED
    monkeypatch.setattr(keeper, "find_mosquitto", lambda: str(tmp_path / "none"))
    assert kept._run().startswith("it cannot be started: ")


@pytest.mark.parametrize("found", [None, "/usr/sbin/mosquitto"])
def test_why_the_service_of_the_broker_is_silent_is_in_its_log(monkeypatch, found):
    monkeypatch.setattr(broker, "find_mosquitto", lambda: found)
    why = broker.Broker(Path("/run/x"), 1883, None).why
    assert why == (f"see journalctl -u {broker.SERVICE} -e" if found else keeper.NOT_INSTALLED)


def test_a_broker_whose_files_cannot_be_written_says_why(tmp_path, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.delenv(broker.MANAGED, raising=False)
    monkeypatch.setattr(broker, "find_mosquitto", lambda: "/usr/sbin/mosquitto")
    monkeypatch.setattr(broker, "write", fail)
    monkeypatch.setattr(broker.tempfile, "mkdtemp", lambda **_: str(tmp_path))
    with pytest.raises(broker.BrokerFailed, match="cannot be prepared: no space left"):
        broker.open_broker(BrokerConfig(enabled=True))


class Kept:
    """A keeper that is told to start, waited for, and told to end."""

    def __init__(self) -> None:
        self.why = "it has not started yet"
        self.begun, self.ended = threading.Event(), threading.Event()
        self.waited_s: list[float] = []
        self.thread = ("", False)

    def keep(self) -> None:
        current = threading.current_thread()
        self.thread = current.name, current.daemon
        self.begun.set()
        self.ended.wait(10)

    def wait(self, patience_s: float) -> bool:
        self.waited_s.append(patience_s)
        return self.begun.wait(10)

    def close(self) -> None:
        self.ended.set()


def test_a_broker_of_its_own_is_started_waited_for_and_ended_with_all_that_it_wrote(
    tmp_path, monkeypatch
):
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "box.sock").touch()
    kept = Kept()
    own = broker.Broker(folder, 1234, kept)  # type: ignore[arg-type]
    assert (own.port, own.socket) == (1234, str(folder / "box.sock"))
    assert (kept.thread, kept.waited_s) == (("broker", True), [5.0])
    assert own.why == "it has not started yet"
    kept.why = "its port is taken"
    assert own.why == "its port is taken"
    assert own._thread.is_alive()
    joined: list[float] = []
    join = own._thread.join
    monkeypatch.setattr(own._thread, "join", lambda most_s: (joined.append(most_s), join(most_s)))
    own.close()
    assert (joined, own._thread.is_alive()) == ([10.0], False)
    assert not folder.exists()


def test_a_broker_that_is_a_service_is_left_running(tmp_path, monkeypatch):
    monkeypatch.setenv("PROCRASTOBOT_BROKER", str(tmp_path))
    found = broker.open_broker(BrokerConfig(enabled=True, port=77))
    assert found is not None
    assert (found.port, found.socket) == (77, str(tmp_path / "box.sock"))
    found.close()
    assert tmp_path.is_dir()
    assert broker.open_broker(BrokerConfig(enabled=False)) is None


@pytest.mark.parametrize(("port", "user"), [(4321, None), (0, "nobody")])
def test_a_broker_is_opened_where_its_files_are(tmp_path, monkeypatch, port, user):
    done: list[tuple] = []
    monkeypatch.delenv(broker.MANAGED, raising=False)
    monkeypatch.setattr(broker, "find_mosquitto", lambda: "/usr/sbin/mosquitto")
    monkeypatch.setattr(broker, "unprivileged", lambda: user)
    monkeypatch.setattr(broker.shutil, "chown", lambda *given: done.append(("chown", *given)))
    monkeypatch.setattr(broker.tempfile, "mkdtemp", lambda prefix: f"{tmp_path}/{prefix}x")
    monkeypatch.setattr(broker, "Keeper", lambda folder: ("keeper of", folder))
    monkeypatch.setattr(broker, "Broker", lambda *given: given)
    monkeypatch.setattr(broker, "write", lambda *given, **more: done.append((*given, more)))
    config = BrokerConfig(enabled=True, port=port, password="p")
    folder = tmp_path / "procrastobot-broker-x"
    where, listens, kept = broker.open_broker(config)  # type: ignore[misc]
    assert (where, kept) == (folder, ("keeper of", folder))
    assert listens == port or (port == 0 and 1024 <= listens < 65536)
    written = (config, folder, {"port": listens, "password": "p"})
    assert done == ([("chown", folder, user)] if user else []) + [written]


@pytest.mark.parametrize(
    ("host", "password", "said"),
    [
        ("127.0.0.1", "", []),
        ("127.0.0.1", "p", []),
        (
            "0.0.0.0",
            "",
            [
                "the broker in the box stays on this machine: beyond it, at 0.0.0.0, it needs a"
                " password (broker.password_file)"
            ],
        ),
        ("0.0.0.0", "p", ["the broker in the box: 0.0.0.0:77, user me, with its password"]),
        (
            "nas",
            "",
            [
                "the broker in the box stays on this machine: beyond it, at nas, it needs a"
                " password (broker.password_file)"
            ],
        ),
    ],
)
def test_what_mosquitto_needs_is_written_for_its_owner_alone(
    tmp_path, caplog, host, password, said
):
    caplog.set_level(logging.INFO)
    config = BrokerConfig(enabled=True, host=host, username="me")
    broker.write(config, tmp_path, port=77, password=password)
    assert [each.message for each in caplog.records] == said
    expected = broker.configuration(config, tmp_path, port=77, password=password)
    assert {path.name for path in tmp_path.iterdir()} == set(expected)
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.stat().st_uid == tmp_path.stat().st_uid
    assert (tmp_path / "mosquitto.conf").read_text() == expected["mosquitto.conf"]


@pytest.mark.parametrize(
    ("text", "port", "code", "said"),
    [
        ("[broker]\nenabled = true\n", 1883, 0, []),
        ("[broker]\nenabled = true\nport = 77\n", 77, 0, []),
        ("[broker]\nenabled = true\nport = 0\n", 1883, 0, []),
        ("", None, 1, []),
        ("[broker]\nenabeld = true\n", None, 1, []),
        (
            "[broker]\nenabled = true\npassword_file = '/nowhere/p'\n",
            None,
            1,
            [
                "the broker in the box cannot be prepared: [Errno 2] No such file or directory:"
                " '/nowhere/p'"
            ],
        ),
    ],
)
def test_the_service_is_prepared_or_says_why_not(
    tmp_path, monkeypatch, caplog, text, port, code, said
):
    config, folder = tmp_path / "config.toml", tmp_path / "out"
    config.write_text(text)
    folder.mkdir()
    words = [f"--config={config}", f"--output={folder}", f"--password-file={tmp_path / 'none'}"]
    logs: list[dict[str, object]] = []
    monkeypatch.setattr("sys.argv", ["broker", *words])
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(broker.logging, "basicConfig", lambda **how: logs.append(how))
    assert broker.main() == code
    assert logs == [PLAIN]
    assert [each.message for each in caplog.records] == said
    written = folder / "mosquitto.conf"
    assert written.exists() == (port is not None)
    if port is not None:
        assert f"listener {port} 127.0.0.1" in written.read_text().splitlines()


def test_a_subscriber_that_is_refused_says_so(caplog):
    listener = object.__new__(Listener)
    refusal = ReasonCode(PacketTypes.CONNACK, identifier=0x87)
    listener._connected(None, None, None, refusal, None)  # type: ignore[arg-type]
    assert "the broker refuses a subscriber: Not authorized" in caplog.text


def test_without_an_address_or_a_certificate_no_broker_is_asked(monkeypatch):
    assert probe(Config()) == "no broker is configured (mqtt.host)"

    def fail(_: Config) -> ssl.SSLContext:
        raise FileNotFoundError(2, "No such file or directory", "/etc/ca.pem")

    monkeypatch.setattr(credentials, "tls_context", fail)
    monkeypatch.setattr(
        probe_module, "Client", lambda *_, **__: SimpleNamespace(tls_set_context=None)
    )
    said = probe(with_(host="nas", tls=True))
    assert said
    assert "/etc/ca.pem" in said


class Made:
    """Paho's client as it is made and called; `answer` is the broker's, or what goes wrong."""

    last: Made
    answer: str | Exception | None = "Success"

    def __init__(self, *args: object, **more: object) -> None:
        Made.last = self
        self.args, self.more = args, more
        self.done: list[object] = []
        self.on_connect: Callable[..., None] = print

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*args: object, **more: object) -> None:
            self.done.append((name, *args, *more.items()))
            if name == "connect" and isinstance(self.answer, Exception):
                raise self.answer
            if name == "loop_start" and isinstance(self.answer, str):
                reason = ReasonCode(PacketTypes.CONNACK, self.answer)
                self.on_connect(self, None, None, reason, None)

        return call


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Success", None),
        ("Not authorized", "the broker does not authorize this user"),
        (None, "the broker took the connection and then said nothing for 0.01 s"),
        (ConnectionRefusedError(), "nothing listens there"),
        (ValueError("Invalid host."), "Invalid host."),
    ],
)
def test_the_self_test_asks_the_broker_in_this_way(monkeypatch, answer, said):
    monkeypatch.setattr(probe_module, "Client", Made)
    monkeypatch.setattr(probe_module, "PATIENCE_S", 0.01 if answer is None else 10.0)
    monkeypatch.setattr(Made, "answer", answer)
    monkeypatch.setattr(probe_module.secrets, "token_hex", lambda count: "ab" * count)
    monkeypatch.setattr(credentials, "tls_context", lambda _: "context")
    assert probe(with_(host="nas", username="me", password="p", tls=True)) == said
    made = Made.last
    assert made.args == (module.CallbackAPIVersion.VERSION2,)
    assert made.more == {
        "client_id": "procrastobot-selftest-abababab",
        "reconnect_on_failure": False,
    }
    assert made.connect_timeout == (0.01 if answer is None else 10.0)
    asked = [
        ("username_pw_set", "me", "p"),
        ("tls_set_context", "context"),
        ("connect", "nas", 8883),
    ]
    rest = [("loop_start",), ("disconnect",), ("loop_stop",)]
    assert made.done == asked + ([] if isinstance(answer, Exception) else rest)


def test_the_self_test_says_no_more_than_it_has_to(monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(probe_module, "Client", Made)
    monkeypatch.setattr(Made, "answer", "Success")
    assert probe(with_(host="nas")) is None
    assert Made.last.done[0] == ("connect", "nas", 1883)
    assert probe(with_(host="nas", username="me")) is None
    assert Made.last.done[0] == ("username_pw_set", "me", None)


def test_a_subscriber_asks_for_all_of_its_filters_and_keeps_what_it_hears(monkeypatch):
    monkeypatch.setattr(listener_module, "Client", Made)
    monkeypatch.setattr(Made, "answer", "Success")
    heard = Listener("nas", 7, ("a/#", "b/+"))
    made = Made.last
    assert made.args == (module.CallbackAPIVersion.VERSION2,)
    assert made.more == {"protocol": MQTTProtocolVersion.MQTTv311}
    assert made.done == [
        ("connect", "nas", 7, ("keepalive", 20)),
        ("loop_start",),
        ("subscribe", "a/#", ("qos", 1)),
        ("subscribe", "b/+", ("qos", 1)),
    ]
    assert heard.heard() == []
    for topic, payload, retain in (("a/x", b"1", True), ("b/y", b"\xff", False)):
        message = SimpleNamespace(topic=topic, payload=payload, retain=retain)
        made.on_message(made, None, message)
    assert heard.heard() == [Heard("a/x", "1", True), Heard("b/y", "\ufffd", False)]
    assert heard.heard() == []
    monkeypatch.setattr(Made, "answer", "Not authorized")
    Listener("nas", 7, ("a/#",))
    assert Made.last.done[-1] == ("loop_start",), "who is refused asks for nothing"


def test_only_root_lets_it_run_as_somebody_else(monkeypatch):
    known: Callable[[str], object] = {"nobody": SimpleNamespace(pw_name="nobody")}.__getitem__
    monkeypatch.setattr(keeper.pwd, "getpwnam", known)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert keeper.unprivileged() == "nobody"
    monkeypatch.setattr(keeper.pwd, "getpwnam", {}.__getitem__)
    assert keeper.unprivileged() is None
    monkeypatch.setattr(keeper.pwd, "getpwnam", known)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert keeper.unprivileged() is None


# ---------------------------------------------------------------- from any thread


def test_what_is_told_reaches_the_delivery_in_its_order_and_with_its_time():
    line = Line()
    told: list[tuple] = []
    for name in ("state", "today", "health"):
        setattr(line.client._delivery, name, lambda *what, name=name: told.append((name, *what)))
    line.client._delivery.grown = lambda: told.append(("grown",))  # type: ignore[method-assign]
    state = decide.start(Config(), at_s=1.0)
    line.client.state(state)
    line.clock.advance(5)
    line.client.today("the day")  # type: ignore[arg-type]
    line.client.health({"fps": 1})
    line.client.grown()
    assert told == [], "that is for its own thread to do"
    line.client._take_mail()
    assert told == [
        ("state", state, 100.0),
        ("today", "the day"),
        ("health", {"fps": 1}),
        ("grown",),
    ]
    line.client._take_mail()
    assert len(told) == 4


def test_nobody_waits_for_a_thread_that_does_not_wake():
    line = Line()
    client = line.client
    assert (client._thread.name, client._thread.daemon) == ("mqtt", True)
    done: list[int] = []
    count = 70_000  # more than a pipe has room for
    for number in range(count):
        client._post(lambda number=number: done.append(number))  # type: ignore[misc]
    client._take_mail()
    assert done == list(range(count))
    for _ in range(20):
        client._take_mail()
    with pytest.raises(BlockingIOError):
        os.read(client._wake_r, 1)
    client._post(lambda: None)
    assert os.read(client._wake_r, 9) == b"!"


@pytest.mark.parametrize("only_311", [True, False])
def test_a_client_begins_with_this(only_311):
    client = MqttClient(
        Config(),
        Address("nas", 1, only_311=only_311),
        outbox=FakeOutbox(),
        inbox=CommandInbox(),
        refuse=print,
        wall_clock=lambda: NOON,
    )
    spoken = client._spoken
    version = MQTTProtocolVersion.MQTTv311 if only_311 else MQTTProtocolVersion.MQTTv5
    assert (spoken.version, spoken.will_retain, spoken.will_qos) == (version, True, 1)
    assert (client._attempt, client._closing, client._fault_told) == (None, False, False)
    assert (client._fault_after_s, client._birth_spread_s) == (10.0, 3.0)


def test_the_warning_of_an_open_connection_says_what_to_set(caplog, monkeypatch):
    line = Line()
    started: list[bool] = []
    monkeypatch.setattr(line.client._thread, "start", lambda: started.append(True))
    line.client.start()
    assert [each.message for each in caplog.records] == [
        "the connection to the broker at nas:1883 is not encrypted: anybody on the way can read and"
        " change it; set mqtt.tls, or mqtt.allow_plaintext to accept that"
    ]
    assert started == [True]


# ---------------------------------------------------------------- one connection after another


class Script:
    """Connections that last so long and end so; what the client then waits for, and what it tells
    the delivery. The last one is told to close."""

    def __init__(self, line: Line, *connections: tuple[float, object, dict]) -> None:
        self.line, self.left = line, list(connections)
        self.waits: list[tuple[float, Trouble]] = []
        self.ends: list[tuple[bool, bool]] = []
        client = line.client
        client._backoff = Backoff(draw=lambda: 1.0)
        client._connect_and_serve = self.serve  # type: ignore[method-assign]
        client._idle = self.idle  # type: ignore[method-assign]
        client._delivery.end = self.end  # type: ignore[method-assign]
        client._run()

    def serve(self) -> Trouble | None:
        lasts_s, found, attempt = self.left.pop(0)
        self.line.client._attempt = None
        if attempt:
            self.line.attempt(**attempt)
        self.line.clock.advance(lasts_s)
        if not self.left:
            self.line.client._closing = True
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[return-value]

    def idle(self, *, until_s: float, trouble_: Trouble) -> None:
        self.waits.append((until_s - self.line.clock(), trouble_))

    def end(self, *, too_large: bool, hung_up: bool) -> None:
        self.ends.append((too_large, hung_up))


LOST = Trouble(trouble.LOST)
MADE = {"connack": 0, "lost": LOST}
LAST = (0.0, None, {})


def test_another_way_is_tried_at_once():
    assert Script(Line(), (1.0, None, {}), (1.0, None, {}), LAST).waits == []


def test_each_failure_is_waited_after_for_longer():
    refused = Trouble("nothing listens there")
    script = Script(Line(), *[(0.0, refused, {})] * 3, LAST)
    assert script.waits == [(2.0, refused), (4.0, refused), (8.0, refused)]
    assert script.ends == []


@pytest.mark.parametrize(("lasts_s", "flaps"), [(9.5, True), (10.0, False)])
def test_the_third_connection_that_is_lost_at_once_is_suspicious(lasts_s, flaps):
    script = Script(Line(), *[(lasts_s, LOST, MADE)] * 3, LAST)
    assert [found for _, found in script.waits] == [LOST, LOST, trouble.FLAPPING if flaps else LOST]
    waits = [2.0, 4.0, 16.0] if flaps else [2.0, 2.0, 2.0]
    assert [wait_s for wait_s, _ in script.waits] == waits
    assert script.ends == [(False, True)] * 3


def test_a_connection_that_lasts_in_between_clears_the_suspicion():
    times = (1.0, 1.0, 20.0, 1.0, 1.0)
    script = Script(Line(), *((lasts_s, LOST, MADE) for lasts_s in times), LAST)
    assert trouble.FLAPPING not in [found for _, found in script.waits]
    busy = Trouble("the broker is busy")
    script = Script(Line(), *[(1.0, busy, {"connack": 0, "lost": busy})] * 4, LAST)
    assert {found for _, found in script.waits} == {busy}, "it said why"
    assert script.ends == [(False, False)] * 4
    script = Script(Line(), *[(1.0, LOST, {"connack": 0x88, "lost": LOST})] * 4, LAST)
    assert {found for _, found in script.waits} == {LOST}, "none of them was made"


def test_what_was_too_large_is_told_and_a_socket_hangs_up_for_no_size():
    script = Script(Line(), (1.0, LOST, MADE | {"reason": 0x95}), LAST)
    assert script.ends == [(True, True)]
    assert Script(Line(host="/run/x"), (1.0, LOST, MADE), LAST).ends == [(False, False)]


@pytest.mark.parametrize(("reason", "too_large"), [(0x94, False), (0x95, True), (0x96, False)])
def test_only_one_number_says_that_something_was_too_large(reason, too_large):
    found = Script(Line(), (1.0, LOST, MADE | {"reason": reason}), LAST).ends
    assert found == [(too_large, True)]


@pytest.mark.parametrize("text", ["a word", "~ another"])
def test_only_a_connection_that_is_lost_without_a_word_is_hung_up(text):
    said = Trouble(text)
    script = Script(Line(), *[(1.0, said, MADE | {"lost": said})] * 4, LAST)
    assert script.ends == [(False, False)] * 4
    assert {found for _, found in script.waits} == {said}


def test_a_mistake_in_the_program_ends_nothing(caplog):
    script = Script(Line(), (0.0, KeyError("x"), {}), LAST)
    assert script.waits == [(16.0, Trouble("a mistake in this program", lasting=True))]
    assert "the MQTT connection broke down" in caplog.text


def test_a_client_that_cannot_be_made_says_why(monkeypatch):
    def fail(error: Exception) -> Callable[[], object]:
        def make() -> object:
            raise error

        return make

    line = Line()
    line.attempt(connack=0)  # the one before
    monkeypatch.setattr(line.client, "_make_client", fail(FileNotFoundError(2, "x", "ca.crt")))
    assert line.client._connect_and_serve() == Trouble("a file cannot be read: ca.crt", True)
    assert line.client._attempt is None
    line = Line(with_(tls=True))
    monkeypatch.setattr(line.client, "_make_client", fail(ConnectionResetError()))
    assert "TLS on this port" in line.client._connect_and_serve().text
    inside = Line(host="/run/x", explain=lambda: "its port is taken")
    monkeypatch.setattr(inside.client, "_make_client", fail(ConnectionRefusedError(111, "no")))
    assert inside.client._connect_and_serve() == Trouble("it does not run: its port is taken")
    inside = Line(host="/run/x")
    monkeypatch.setattr(inside.client, "_make_client", fail(OSError("odd")))
    assert inside.client._connect_and_serve() == Trouble("it does not run: odd")


@pytest.mark.parametrize("open_", [True, False])
def test_a_connection_that_was_served_is_closed_whatever_came_of_it(monkeypatch, open_):
    done: list[object] = []
    sock = SimpleNamespace(close=lambda: done.append("closed"))
    paho = SimpleNamespace(socket=lambda: sock if open_ else None)
    line = Line()
    line.attempt(connack=5)
    monkeypatch.setattr(line.client, "_make_client", lambda: paho)
    monkeypatch.setattr(line.client, "_open", lambda each: done.append(("opened", each)))

    def serve(attempt: _Attempt) -> Trouble:
        done.append("served")
        assert attempt is line.client._attempt
        assert (attempt.client, attempt.connack, attempt.lost, attempt.reason) == (
            paho,
            None,
            None,
            None,
        )
        return LOST

    monkeypatch.setattr(line.client, "_serve", serve)
    assert line.client._connect_and_serve() is LOST
    assert done == [("opened", paho), "served", *(["closed"] if open_ else [])]

    def fail(_: _Attempt) -> Trouble:
        raise KeyError

    monkeypatch.setattr(line.client, "_serve", fail)
    with pytest.raises(KeyError):
        line.client._connect_and_serve()
    assert done[-1] == ("closed" if open_ else ("opened", paho))


# ---------------------------------------------------------------- what paho calls


class Paho:
    """Keeps what it is told; a publication is through after `rounds` loops."""

    def __init__(self, rounds: int = 0) -> None:
        self.told: list[tuple] = []
        self.rounds = rounds
        self.clock: FakeClock | None = None

    def subscribe(self, topics: list) -> None:
        self.told.append(("subscribe", *topics))

    def publish(self, topic: str, payload: bytes, **more: object) -> SimpleNamespace:
        self.told.append(("publish", topic, payload, more))
        return SimpleNamespace(mid=7, is_published=lambda: self.rounds <= 0)

    def loop(self, *, timeout: float) -> None:
        self.rounds -= 1
        self.told.append(("loop",))
        if self.clock is not None:
            self.clock.advance(0.3)

    def disconnect(self) -> None:
        self.told.append(("disconnect",))

    def loop_write(self) -> None:
        self.told.append(("write",))

    def connect(self, *args: object, **more: object) -> None:
        self.told.append(("connect", args, more))


def connect(line: Line, name: str = "Success", **properties: object) -> tuple[Paho, list]:
    paho, limits = Paho(), []
    line.client._delivery.begin = limits.append  # type: ignore[method-assign]
    line.attempt()
    made = SimpleNamespace(**properties) if properties else None
    line.client._on_connect(paho, None, None, ReasonCode(PacketTypes.CONNACK, name), made)  # type: ignore[arg-type]
    return paho, limits


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, Limits()),
        ({"ReceiveMaximum": 5}, Limits(at_once=5)),
        ({"ReceiveMaximum": 500}, Limits(at_once=20)),
        ({"MaximumPacketSize": 900}, Limits(packet_bytes=900)),
        ({"RetainAvailable": 0}, Limits(retain=False)),
        ({"RetainAvailable": 1, "MaximumQoS": 0}, Limits(qos=0)),
    ],
)
def test_a_broker_says_what_it_takes(properties, expected):
    line = Line()
    paho, limits = connect(line, **properties)
    assert limits == [expected]
    assert line.client._attempt.connack == 0
    assert paho.told == [
        (
            "subscribe",
            ("procrastobot/desk/command/+", 1),
            ("homeassistant/status", 1),
            ("procrastobot/desk/availability", 1),
        )
    ]


def test_what_it_did_not_take_before_it_is_not_given_again():
    line = Line()
    spoken = line.client._spoken
    spoken.version, spoken.will_qos, spoken.will_retain = MQTTProtocolVersion.MQTTv311, 0, False
    assert connect(line)[1] == [Limits(retain=False, qos=0, expiry=False)]


def test_a_refusal_begins_nothing():
    line = Line()
    paho, limits = connect(line, "Not authorized")
    assert (paho.told, limits, line.client._attempt.connack) == ([], [], 0x87)


def test_the_connection_clears_the_fault_and_what_was_said(caplog):
    caplog.set_level(logging.INFO)
    line = Line()
    line.client._report(Trouble("gone", lasting=True), 1.0)
    line.inbox.drain()
    connect(line)
    assert "connected to the broker at nas:1883 (MQTT 5)" in caplog.text
    assert line.inbox.drain() == [FaultChange(Fault.BROKER, False)]
    connect(line)
    assert line.inbox.drain() == []
    caplog.clear()
    line.client._report(Trouble("gone", lasting=True), 1.0)
    assert [each.levelname for each in caplog.records] == ["WARNING"], "it is news again"
    line.client._complained = "it does not take events"
    line.inbox.drain()
    connect(line)
    assert line.inbox.drain() == [], "one fault is left"


def leave(line: Line, *, from_server: bool, name: str = "Server busy") -> None:
    line.clock.advance(3)
    flags = SimpleNamespace(is_disconnect_packet_from_server=from_server)
    reason = ReasonCode(PacketTypes.DISCONNECT, name)
    line.client._on_disconnect(None, None, flags, reason, None)  # type: ignore[arg-type]


def test_how_a_connection_ends_is_noted_once():
    line = Line()
    attempt = line.attempt(connack=0)
    leave(line, from_server=True)
    assert (attempt.reason, attempt.lost) == (0x89, Trouble("the broker is busy"))
    assert line.client._down_since_s == 103.0
    leave(line, from_server=False)
    assert attempt.lost == Trouble("the broker is busy")
    attempt = line.attempt()
    leave(line, from_server=False)
    assert (attempt.reason, attempt.lost) == (None, LOST)
    assert line.client._down_since_s == 106.0, "one that was never made was down before"


def test_what_the_broker_answers_reaches_the_delivery():
    line = Line()
    settled: list[tuple] = []
    line.client._delivery.settle = lambda mid, **more: settled.append((mid, more))  # type: ignore[method-assign]
    line.client._delivery.deny = lambda *words: settled.append(words)  # type: ignore[method-assign]
    for name in ("Success", "Not authorized"):
        line.client._on_publish(None, None, 5, ReasonCode(PacketTypes.PUBACK, name), None)  # type: ignore[arg-type]
    line.client._on_subscribe(None, None, 1, [], None)  # type: ignore[arg-type]
    for name in ("Granted QoS 1", "Not authorized"):
        first = ReasonCode(PacketTypes.SUBACK, name)
        others = [ReasonCode(PacketTypes.SUBACK, "Quota exceeded")] * 2
        line.client._on_subscribe(None, None, 1, [first, *others], None)  # type: ignore[arg-type]
    topic = "procrastobot/desk/command/+"
    assert settled == [
        (5, {"refused": "", "reason": 0}),
        (5, {"refused": "Not authorized", "reason": 0x87}),
        (topic, ""),
        (topic, "Not authorized"),
    ]


def test_a_message_is_handed_over_as_it_is_and_with_its_end():
    line = Line()
    paho = Paho()
    line.attempt(client=paho)
    assert line.client._publish(Message("a", b"b", True, 1, None)) == 7
    line.client._publish(Message("c", b"d", False, 0, 90))
    (_, *first, plain), (_, *second, dated) = paho.told
    assert (first, plain) == (["a", b"b"], {"qos": 1, "retain": True, "properties": None})
    assert (second, dated["qos"], dated["retain"]) == (["c", b"d"], 0, False)
    assert dated["properties"].MessageExpiryInterval == 90


@pytest.mark.parametrize(("rounds", "loops"), [(0, 0), (2, 2), (99, 4)])
def test_the_goodbye_is_waited_for_but_not_for_long(rounds, loops):
    line = Line()
    paho = Paho(rounds)
    paho.clock = line.clock
    line.client._say_goodbye(line.attempt(client=paho))
    assert [what for what, *_ in paho.told] == [
        "publish",
        *["loop"] * loops,
        "disconnect",
        "write",
    ]
    assert paho.told[0][1:] == (
        "procrastobot/desk/availability",
        b"offline",
        {"qos": 1, "retain": True},
    )
    lost = Paho(9)
    line.client._say_goodbye(line.attempt(client=lost, lost=LOST))
    assert ("loop",) not in lost.told


def test_a_connection_is_asked_for_as_its_version_has_it():
    line = Line(with_(keepalive_s=33))
    five, old = Paho(), Paho()
    five.protocol, old.protocol = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311  # type: ignore[attr-defined]
    line.client._open(five)  # type: ignore[arg-type]
    line.client._open(old)  # type: ignore[arg-type]
    ((_, args, more),) = five.told
    properties = more.pop("properties")
    assert (args, more) == (("nas", 1883), {"keepalive": 33, "clean_start": True})
    assert (properties.MaximumPacketSize, properties.SessionExpiryInterval) == (16_384, 0)
    assert old.told == [("connect", ("nas", 1883), {"keepalive": 33})]
    inside = Line(host="/run/x")
    inside.client._address = Address("/run/x", 0)
    paho = Paho()
    paho.protocol = MQTTProtocolVersion.MQTTv5  # type: ignore[attr-defined]
    inside.client._open(paho)  # type: ignore[arg-type]
    assert paho.told[0][1] == ("/run/x", 1)


IN, OUT, HUP = 1, 4, 16  # of poll(2)


class Wire:
    """A connection that is served: round by round what the socket is ready for, how long that took
    and what paho is called for then; `trace` is all that was done."""

    def __init__(self, line: Line, monkeypatch: pytest.MonkeyPatch, *rounds: dict) -> None:
        self.line, self.rounds = line, list(rounds)
        self.trace: list[object] = []
        self.masks: list[int] = []
        self.now: dict = {}
        self.attempt = line.attempt(client=self)
        self.flushed = True
        self.tls_error = None
        client = line.client
        wake = client._wake_r

        class Poll:
            def register(_, number: int, mask: int) -> None:  # noqa: N805
                if number != wake:
                    assert number == 55
                    self.masks.append(mask)
                else:
                    assert mask == IN

            def poll(_, wait_ms: int) -> list[tuple[int, int]]:  # noqa: N805
                assert wait_ms == 1000
                self.now = self.rounds.pop(0)
                line.clock.advance(self.now.get("after_s", 0.0))
                if self.now.get("close"):
                    client._post(client._close)
                self.trace.append("---")
                ready = self.now.get("ready", 0)
                return [(wake, IN), *([(55, ready)] if ready else [])]

        monkeypatch.setattr(module, "select", SimpleNamespace(poll=Poll, POLLIN=IN, POLLOUT=OUT))
        monkeypatch.setattr(client, "_read", lambda *_: self.called("read"))
        monkeypatch.setattr(client, "_mind_complaints", lambda: self.trace.append("complaints"))
        monkeypatch.setattr(client, "_say_goodbye", lambda _: self.trace.append("goodbye"))
        client._delivery = self  # type: ignore[assignment]
        self.announce_at_s = None
        self.has_something = True

    def called(self, what: str) -> None:
        self.trace.append(what)
        for name, value in self.now.get(what, {}).items():
            setattr(self.attempt, name, value)

    def socket(self) -> SimpleNamespace:
        return SimpleNamespace(fileno=lambda: 55)

    def want_write(self) -> bool:
        # Asked before the poll of the round, too.
        return bool((self.rounds[0] if self.trace[-1:] != ["---"] and self.rounds else self.now)
                    .get("wants"))  # fmt: skip

    def loop_write(self) -> None:
        self.called("write")

    def loop_misc(self) -> None:
        self.called("misc")

    def pump(self, publish: object) -> None:
        assert publish == self.line.client._publish
        self.trace.append("pump")

    def serve(self) -> Trouble | None:
        return self.line.client._serve(self.attempt)  # type: ignore[arg-type]


def test_a_connection_that_ended_while_it_said_hello_is_not_served():
    line = Line()
    attempt = line.attempt(client=SimpleNamespace(socket=lambda: None, tls_error=None))
    attempt.connack = 0x87
    assert line.client._serve(attempt) == trouble.of_refusal(0x87)


def test_what_a_socket_is_ready_for_is_done_and_nothing_else(monkeypatch):
    gone = Trouble("gone")
    wire = Wire(
        Line(),
        monkeypatch,
        {},
        {"ready": IN},
        {"ready": OUT},
        {"ready": OUT, "wants": True},
        {"ready": IN | OUT, "read": {"connack": 0}},
        {"ready": HUP},
        {"ready": IN, "misc": {"lost": gone}},
    )
    assert wire.serve() is gone
    assert wire.trace == [
        *("---", "misc"),
        *("---", "read", "misc"),
        *("---", "misc"),
        *("---", "write", "misc"),
        *("---", "read", "misc", "pump", "complaints"),
        *("---", "read", "misc", "pump", "complaints"),
        *("---", "read", "misc"),
    ]
    assert wire.masks == [IN, IN, IN, IN | OUT, IN, IN, IN]


@pytest.mark.parametrize(
    ("last", "done"),
    [
        ({"ready": IN, "wants": True, "read": {"lost": LOST}}, ["read"]),
        ({"ready": OUT, "wants": True, "write": {"lost": LOST}}, ["write"]),
        ({"misc": {"lost": LOST}}, ["misc"]),
    ],
)
def test_nothing_is_done_with_a_connection_that_is_lost(monkeypatch, last, done):
    wire = Wire(Line(), monkeypatch, {"misc": {"connack": 0}}, last)
    assert wire.serve() is LOST
    assert wire.trace[4:] == ["---", *done]


def test_an_answer_is_waited_for_ten_seconds(monkeypatch):
    silent = Trouble("the broker takes the connection, but does not answer")
    wire = Wire(Line(), monkeypatch, {"after_s": 9.75}, {"after_s": 0.25})
    assert wire.serve() == silent
    assert wire.trace == ["---", "misc", "---", "misc"]
    answered = Wire(
        Line(), monkeypatch, {"misc": {"connack": 0}}, {"after_s": 99.0}, {"misc": {"lost": LOST}}
    )
    assert answered.serve() is LOST
    refused = Wire(
        Line(), monkeypatch, {"misc": {"connack": 0x87}}, {"after_s": 99.0}, {"close": True}
    )
    assert refused.serve() is None
    assert "pump" not in refused.trace


def test_who_closes_says_goodbye_when_all_is_told_or_after_two_seconds(monkeypatch):
    wire = Wire(Line(), monkeypatch, {"misc": {"connack": 0}}, {"close": True})
    assert wire.serve() is None
    assert wire.trace[-4:] == ["misc", "pump", "complaints", "goodbye"]
    rounds = [{"close": True}, {"after_s": 1.75}, {"after_s": 0.25}]
    wire = Wire(Line(), monkeypatch, {"misc": {"connack": 0}}, *rounds)
    wire.flushed = False
    assert wire.serve() is None
    assert (wire.rounds, wire.trace.count("pump"), wire.trace.count("goodbye")) == ([], 4, 1)
    unanswered = Wire(Line(), monkeypatch, {}, {"close": True})
    assert unanswered.serve() is None
    assert "goodbye" not in unanswered.trace


class Tls:
    """A socket that has decrypted more than was read, so many times."""

    def __init__(self, *left: int) -> None:
        self.left = list(left)

    def pending(self) -> int:
        return self.left.pop(0)


@pytest.mark.parametrize(("left", "reads"), [((0,), 1), ((5, 1, 0), 3)])
def test_what_tls_has_decrypted_already_is_read_too(monkeypatch, left, reads):
    monkeypatch.setattr(module, "ssl", SimpleNamespace(SSLSocket=Tls))
    line = Line()
    done: list[str] = []
    attempt = line.attempt(client=SimpleNamespace(loop_read=lambda: done.append("read")))
    line.client._read(attempt, Tls(*left))
    assert (len(done), attempt.lost) == (reads, None)
    line.client._read(attempt, object())
    assert len(done) == reads + 1


def test_what_is_lost_is_read_no_further(monkeypatch):
    monkeypatch.setattr(module, "ssl", SimpleNamespace(SSLSocket=Tls))
    line = Line()
    attempt = line.attempt()
    done: list[str] = []

    def read() -> None:
        done.append("read")
        attempt.lost = LOST

    attempt.client = SimpleNamespace(loop_read=read)  # type: ignore[assignment]
    line.client._read(attempt, Tls(9, 9, 9))
    assert (done, attempt.lost) == (["read"], LOST)


def test_what_cannot_be_read_ends_the_connection_and_says_so():
    line = Line()

    class Broken:
        def loop_read(self) -> None:
            raise IndexError

    attempt = line.attempt(client=Broken())
    line.client._read(attempt, None)
    assert attempt.lost == Trouble("the broker sends what is not MQTT (IndexError)")


def test_closing_takes_no_longer_than_it_is_given(caplog, monkeypatch):
    line = Line()
    line.client.close()  # it has never run
    joined: list[float] = []
    monkeypatch.setattr(line.client._thread, "is_alive", lambda: True)
    monkeypatch.setattr(line.client._thread, "join", joined.append)
    line.client.close()
    assert joined == [5.0]
    assert "did not end within 5 s" in caplog.text
    line.client._take_mail()
    assert line.client._closing


def test_a_subscriber_says_goodbye_before_it_stops_listening():
    listener = object.__new__(Listener)
    done: list[str] = []
    listener._client = SimpleNamespace(  # type: ignore[assignment]
        disconnect=lambda: done.append("goodbye"), loop_stop=lambda: done.append("stopped")
    )
    listener.close()
    assert done == ["goodbye", "stopped"]
