"""The connection to the broker, against a real mosquitto: killed, restarted, refusing, slow."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge import decide
from edge.config import Config
from edge.domain import (
    EventType,
    Fault,
    FaultChange,
    Happening,
    SessionAction,
    SetSession,
    Snooze,
    Tell,
)
from edge.history.recorder import Recorder
from edge.inbox import CommandInbox
from edge.mqtt.backoff import Backoff, Bucket
from edge.mqtt.client import Address, MqttClient, configured_address
from edge.mqtt.commands import Refusal
from edge.mqtt.payloads import WallTime, state_payload
from edge.telling import Telling, local_time
from tests.broker import Mosquitto, Proxy, Subscriber, find_mosquitto
from tests.certificates import Authority, has_openssl
from tests.fakes import FakeClock

needs_mosquitto = pytest.mark.skipif(find_mosquitto() is None, reason="needs mosquitto")
needs_openssl = pytest.mark.skipif(not has_openssl(), reason="needs the openssl command")

BASE = "procrastobot/desk"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    mosquitto = Mosquitto(tmp_path)
    mosquitto.start()
    yield mosquitto
    mosquitto.kill()


class Telephone:
    """A box as far as it tells: history, client, inbox; with short waits between attempts."""

    def __init__(self, directory: Path, address: Address, config: Config | None = None) -> None:
        self.config = config or Config()
        self.inbox = CommandInbox()
        self.arrived: list[object] = []
        self.refused: list[Refusal] = []
        clients: list[MqttClient] = []
        self.recorder = Recorder(
            directory / "history.db",
            seats=("desk",),
            config=self.config.history,
            inbox=self.inbox,
            wall_clock=local_time,
            on_event=lambda: [client.grown() for client in clients] and None,
            on_today=lambda day: [client.today(day) for client in clients] and None,
        )
        self.client = MqttClient(
            self.config,
            address,
            outbox=self.recorder,
            inbox=self.inbox,
            refuse=self.refused.append,
            wall_clock=local_time,
            backoff=Backoff(first_s=0.1, longest_s=0.4),
            fault_after_s=0.3,
            birth_spread_s=0.05,
        )
        clients.append(self.client)
        self.telling = Telling(self.recorder, self.client, None)
        self.state = decide.start(self.config, at_s=time.monotonic())
        self.telling.publish(self.state)
        self.client.start()
        self.told = 0

    def tell(self, count: int = 1) -> None:
        for _ in range(count):
            self.told += 1
            happening = Happening(EventType.PICKUP, self.state.at_s, "desk", {"count": self.told})
            self.telling.tell(Tell(happening), self.state)

    def hear(self, wanted, timeout_s: float = 20.0) -> None:
        """Until the inbox has brought something that `wanted` accepts."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self.inbox.wait(0.05)
            self.arrived += self.inbox.drain()
            if any(wanted(item) for item in self.arrived):
                return
        raise AssertionError(f"only {self.arrived} arrived")

    def until_sent(self, timeout_s: float = 20.0) -> None:
        """Until every event is acknowledged."""
        self.recorder.drain(120.0)
        deadline = time.monotonic() + timeout_s
        while self.recorder.queued and time.monotonic() < deadline:
            self.inbox.wait(0.02)
            self.recorder.drain(120.0)
        assert self.recorder.queued == 0

    def close(self) -> None:
        self.telling.close()


@pytest.fixture
def phone(tmp_path: Path, broker: Mosquitto) -> Iterator[Telephone]:
    telephone = Telephone(tmp_path, Address("127.0.0.1", broker.port))
    yield telephone
    telephone.close()


def counts(subscriber: Subscriber) -> list[int]:
    events = [json.loads(payload) for payload in subscriber.of("/event")]
    return [event["details"]["count"] for event in events]


def first_of_each(values: list[int]) -> list[int]:
    return list(dict.fromkeys(values))


def is_online(heard) -> bool:
    return any(m.topic.endswith("/availability") and m.payload == b"online" for m in heard)


# ---------------------------------------------------------------- without a broker


def test_a_moment_keeps_its_wall_time_until_the_clock_is_set():
    state = decide.start(Config(), at_s=100.0)
    wall = WallTime(100.0, datetime(2026, 3, 5, 12, 0, 10, tzinfo=UTC))
    payload = state_payload(replace(state, until_s=1600.0), Config(), wall)
    assert payload["until"] == "2026-03-05T12:25:10+00:00"
    assert payload["session_since"] == "2026-03-05T12:00:10+00:00"


def test_waits_grow_to_a_ceiling_and_spread_over_the_whole_span():
    draws = iter([0.0, 1.0] * 20)
    backoff = Backoff(first_s=2, longest_s=60, draw=lambda: next(draws))
    waits = [backoff.next_s() for _ in range(12)]
    assert waits[:4] == pytest.approx([0.1, 4.0, 0.4, 16.0])
    assert max(waits) == 60
    backoff.reset()
    assert backoff.next_s() == pytest.approx(0.1)
    assert backoff.next_s(lasting=True) == pytest.approx(16)


def test_a_flood_gets_through_at_its_measure_only():
    clock = FakeClock()
    bucket = Bucket(burst=3, per_s=2, clock=clock)
    assert [bucket.take() for _ in range(5)] == [True, True, True, False, False]
    clock.advance(1)
    assert [bucket.take() for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    ("mqtt", "address"),
    [
        ({}, None),
        ({"host": "nas"}, Address("nas", 1883)),
        ({"host": "nas", "tls": True}, Address("nas", 8883)),
        ({"host": "nas", "tls": True, "port": 1}, Address("nas", 1)),
    ],
)
def test_the_port_follows_from_encryption(mqtt, address):
    config = Config()
    assert configured_address(replace(config, mqtt=replace(config.mqtt, **mqtt))) == address


# ---------------------------------------------------------------- with a real one


@needs_mosquitto
def test_a_subscriber_sees_state_and_events_and_the_box_obeys(broker, phone):
    subscriber = Subscriber(broker.port)
    phone.tell(3)
    subscriber.wait_for(lambda _: counts(subscriber) == [1, 2, 3])
    subscriber.wait_for(is_online)
    assert json.loads(subscriber.of("/state")[-1])["session"] == "idle"
    subscriber.publish(f"{BASE}/command/session", '{"action": "start", "minutes": 25}')
    phone.hear(lambda c: c == SetSession(SessionAction.START, 25.0))
    subscriber.publish(f"{BASE}/command/snooze", "PRESS")
    phone.hear(lambda c: c == Snooze())
    subscriber.close()


@needs_mosquitto
def test_everything_that_is_so_is_retained_and_nothing_that_happened(broker, phone):
    early = Subscriber(broker.port)
    phone.tell()
    phone.telling.health({"fps": 9.9})
    early.wait_for(lambda _: counts(early) == [1] and early.of("/health"))
    late = Subscriber(broker.port)
    late.wait_for(is_online)
    late.wait_for(lambda _: late.of("/state") and late.of("/today") and late.of("/health"))
    assert late.of("/event") == []
    assert all(message.retain for message in late.heard)
    early.close()
    late.close()


@needs_mosquitto
def test_retained_and_malformed_commands_change_nothing_and_are_refused(tmp_path, broker):
    subscriber = Subscriber(broker.port)
    subscriber.publish(f"{BASE}/command/session", "start", retain=True)
    phone = Telephone(tmp_path, Address("127.0.0.1", broker.port))
    subscriber.wait_for(is_online)
    subscriber.publish(f"{BASE}/command/volume", "loud")
    subscriber.publish(f"{BASE}/command/mute", "ON")
    phone.hear(lambda c: True)
    assert [type(command).__name__ for command in phone.arrived] == ["Mute"]
    assert [refusal.command for refusal in phone.refused] == ["session", "volume"]
    phone.close()
    subscriber.close()


@needs_mosquitto
def test_the_last_will_follows_a_lost_box_and_a_goodbye_does_not_wait_for_it(broker, tmp_path):
    proxy = Proxy(broker.port)
    phone = Telephone(tmp_path, Address("127.0.0.1", proxy.port))
    subscriber = Subscriber(broker.port, (f"{BASE}/availability",))
    subscriber.wait_for(is_online)
    proxy.cut()
    subscriber.wait_for(lambda _: subscriber.of("availability")[-2:] == [b"offline", b"online"])
    phone.close()
    subscriber.wait_for(lambda _: subscriber.of("availability")[-1] == b"offline")
    proxy.close()
    subscriber.close()


@needs_mosquitto
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_after_a_restart_of_the_broker_everything_is_there_again(broker, phone, end):
    with_old = Subscriber(broker.port)
    with_old.wait_for(is_online)
    with_old.close()
    getattr(broker, end)()
    phone.tell(50)
    phone.hear(lambda c: isinstance(c, FaultChange) and c.broken and c.fault is Fault.BROKER)
    broker.start()
    phone.hear(lambda c: isinstance(c, FaultChange) and not c.broken)
    subscriber = Subscriber(broker.port)  # this broker forgets what it retained
    subscriber.wait_for(is_online)
    subscriber.wait_for(lambda _: subscriber.of("/state") and subscriber.of("/today"))
    # Some may have left before the subscriber came; none may be left, or out of order.
    phone.until_sent()
    subscriber.catch_up()
    seen = counts(subscriber)
    assert seen == list(range(51 - len(seen), 51))
    subscriber.close()


@needs_mosquitto
def test_events_of_an_outage_leave_in_order_and_none_is_lost(tmp_path, broker):
    proxy = Proxy(broker.port)
    subscriber = Subscriber(broker.port, (f"{BASE}/event",))
    phone = Telephone(tmp_path, Address("127.0.0.1", proxy.port))
    for _ in range(6):
        phone.tell(40)
        proxy.cut()
    subscriber.wait_for(lambda _: first_of_each(counts(subscriber))[-1:] == [240])
    assert first_of_each(counts(subscriber)) == list(range(1, 241))
    ids = {}
    for payload in subscriber.of("/event"):
        event = json.loads(payload)
        assert ids.setdefault(event["number"], event["id"]) == event["id"]
    phone.close()
    proxy.close()
    subscriber.close()


@needs_mosquitto
def test_a_network_that_swallows_everything_is_noticed_and_survived(tmp_path, broker):
    proxy = Proxy(broker.port)
    config = Config()
    config = replace(config, mqtt=replace(config.mqtt, keepalive_s=1))
    subscriber = Subscriber(broker.port, (f"{BASE}/#",))
    phone = Telephone(tmp_path, Address("127.0.0.1", proxy.port), config)
    subscriber.wait_for(is_online)
    proxy.stall()
    phone.tell(20)
    phone.hear(lambda c: isinstance(c, FaultChange) and c.broken)
    proxy.cut()
    proxy.flow()
    subscriber.wait_for(lambda _: first_of_each(counts(subscriber)) == list(range(1, 21)))
    subscriber.wait_for(lambda _: subscriber.of("availability")[-1] == b"online")
    phone.close()
    proxy.close()
    subscriber.close()


@needs_mosquitto
def test_a_slow_broker_gets_the_newest_state_and_not_all_of_them(tmp_path, broker):
    proxy = Proxy(broker.port)
    proxy.delay_s = 0.1
    subscriber = Subscriber(broker.port, (f"{BASE}/#",))
    phone = Telephone(tmp_path, Address("127.0.0.1", proxy.port))
    subscriber.wait_for(is_online)
    for step in range(1, 201):
        phone.telling.publish(replace(phone.state, volume=step / 1000))
    subscriber.wait_for(lambda _: json.loads(subscriber.of("/state")[-1])["volume"] == 0.2)
    assert len(subscriber.of("/state")) < 50
    phone.close()
    proxy.close()
    subscriber.close()


@needs_mosquitto
def test_a_mistake_while_telling_costs_a_connection_and_not_the_telling(broker, phone, caplog):
    subscriber = Subscriber(broker.port)
    subscriber.wait_for(is_online)
    phone.telling.publish(replace(phone.state, volume=float("nan")))  # JSON has no word for it
    phone.hear(lambda c: isinstance(c, FaultChange) and c.broken)
    assert "broke down" in caplog.text
    phone.telling.publish(replace(phone.state, volume=0.25))
    subscriber.wait_for(lambda _: json.loads(subscriber.of("/state")[-1])["volume"] == 0.25)
    phone.telling.health({"fps": float("inf"), "drops": 3})
    subscriber.wait_for(lambda _: any(b"drops" in p for p in subscriber.of("/health")))
    assert "fps" not in json.loads(subscriber.of("/health")[-1])
    subscriber.close()


@needs_mosquitto
def test_state_is_published_again_when_home_assistant_starts(broker, phone):
    subscriber = Subscriber(broker.port)
    subscriber.wait_for(is_online)
    before = len(subscriber.of("/state"))
    subscriber.publish("homeassistant/status", "online")
    subscriber.wait_for(lambda _: len(subscriber.of("/state")) == before + 1)
    subscriber.close()


@needs_mosquitto
def test_a_last_will_that_comes_late_does_not_leave_the_box_offline(broker, phone):
    subscriber = Subscriber(broker.port, (f"{BASE}/availability",))
    subscriber.wait_for(is_online)
    subscriber.publish(f"{BASE}/availability", "offline", retain=True)
    subscriber.wait_for(lambda _: subscriber.of("availability")[-2:] == [b"offline", b"online"])
    subscriber.close()


@needs_mosquitto
@pytest.mark.parametrize("only_311", [False, True])
def test_a_huge_message_neither_fills_the_memory_nor_ends_the_box(tmp_path, broker, only_311):
    phone = Telephone(tmp_path, Address("127.0.0.1", broker.port, only_311=only_311))
    subscriber = Subscriber(broker.port, (f"{BASE}/availability",))
    subscriber.wait_for(lambda _: subscriber.of("availability")[-1:] == [b"online"])
    subscriber.publish(f"{BASE}/command/session", b"x" * 30_000_000)
    if only_311:  # which can only hang up, and come back
        subscriber.wait_for(lambda _: b"offline" in subscriber.of("availability"))
        subscriber.wait_for(lambda _: subscriber.of("availability")[-1] == b"online")
    subscriber.publish(f"{BASE}/command/session", "pause")
    phone.hear(lambda c: c == SetSession(SessionAction.PAUSE))
    phone.close()
    subscriber.close()


@needs_mosquitto
def test_a_flood_of_commands_is_cut_off_and_the_next_one_is_heard(broker, phone):
    subscriber = Subscriber(broker.port, (f"{BASE}/availability",))
    subscriber.wait_for(is_online)
    for _ in range(400):
        subscriber.client.publish(f"{BASE}/command/mute", "ON", qos=1)
    subscriber.publish(f"{BASE}/command/nonsense", "")
    phone.hear(lambda c: True)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and SetSession(SessionAction.STOP) not in phone.arrived:
        subscriber.publish(f"{BASE}/command/session", "stop")
        phone.inbox.wait(0.2)
        phone.arrived += phone.inbox.drain()
    assert SetSession(SessionAction.STOP) in phone.arrived
    mutes = sum(type(command).__name__ == "Mute" for command in phone.arrived)
    assert 1 <= mutes < 200
    subscriber.close()


# ---------------------------------------------------------------- what a broker does not take


@needs_mosquitto
@pytest.mark.parametrize("only_311", [False, True])
@pytest.mark.parametrize(
    "option", ["max_packet_size 8192", "max_packet_size 3000", "message_size_limit 4000"]
)
def test_a_broker_that_takes_short_messages_only_gets_short_ones(tmp_path, option, only_311):
    broker = Mosquitto(tmp_path, option)
    broker.start()
    subscriber = Subscriber(broker.port)
    phone = Telephone(tmp_path, Address("127.0.0.1", broker.port, only_311=only_311))
    phone.tell(3)
    phone.until_sent()
    subscriber.wait_for(lambda _: subscriber.of("/state") and subscriber.of("/today"))
    subscriber.wait_for(lambda _: subscriber.of("/availability")[-1:] == [b"online"])
    if not (only_311 and option.startswith("message")):  # which acknowledges, and throws away
        subscriber.wait_for(lambda _: bool(subscriber.of("/config")))
    subscriber.publish(f"{BASE}/command/session", "pause")
    phone.hear(lambda c: c == SetSession(SessionAction.PAUSE))
    lines = broker.log_path.read_text().splitlines()
    assert 1 <= sum("as procrastobot-desk" in line for line in lines) <= 6
    phone.close()
    subscriber.close()
    broker.kill()


@needs_mosquitto
@pytest.mark.parametrize(
    "option", ["retain_available false", "max_qos 0", "max_inflight_messages 1"]
)
def test_a_broker_that_can_do_less_gets_what_it_can(tmp_path, option):
    broker = Mosquitto(tmp_path, option)
    broker.start()
    subscriber = Subscriber(broker.port)
    phone = Telephone(tmp_path, Address("127.0.0.1", broker.port))
    phone.tell(20)
    phone.until_sent()
    subscriber.wait_for(lambda _: subscriber.of("/availability")[-1:] == [b"online"])
    phone.close()
    subscriber.wait_for(lambda _: subscriber.of("/availability")[-1:] == [b"offline"])
    subscriber.close()
    broker.kill()


@needs_mosquitto
@pytest.mark.parametrize("denied", ["state", "event", "availability", "today"])
def test_what_the_brokers_rules_deny_is_a_fault_until_they_allow_it(tmp_path, denied):
    rules = tmp_path / "rules"
    topics = ("state", "event", "availability", "today", "health")
    allowed = [f"topic readwrite {BASE}/{each}" for each in topics if each != denied]
    allowed += [f"topic read {BASE}/command/+", "topic readwrite homeassistant/#"]
    rules.write_text("\n".join([*allowed, ""]))
    os.chmod(rules, 0o600)
    broker = Mosquitto(tmp_path, f"acl_file {rules}")
    broker.start()
    phone = Telephone(tmp_path, Address("127.0.0.1", broker.port))
    phone.tell()
    phone.hear(lambda c: isinstance(c, FaultChange) and c.broken and f"{BASE}/{denied}" in c.text)
    broker.stop()
    rules.write_text("topic readwrite #\n")
    broker.start()
    phone.until_sent()
    phone.hear(lambda c: isinstance(c, FaultChange) and not c.broken)
    phone.close()
    broker.kill()


@needs_mosquitto
def test_a_box_that_another_one_cleared_is_there_again(broker, phone):
    subscriber = Subscriber(broker.port, (f"{BASE}/#",))
    subscriber.wait_for(is_online)
    # In the order in which a box clears what it was: see `Delivery._announce`.
    for name in ("state", "today", "availability"):
        subscriber.publish(f"{BASE}/{name}", "", retain=True)
    cleared = ("/state", "/today", "/availability")
    subscriber.wait_for(
        lambda _: all(b"" in subscriber.of(each) and subscriber.of(each)[-1] for each in cleared)
    )
    subscriber.close()


# ---------------------------------------------------------------- versions of the protocol


def old_broker() -> tuple[socket.socket, list[int]]:
    """Answers MQTT 5 as a 3.1.1 broker does (refused: version), and 3.1.1 with a welcome."""
    server = socket.create_server(("127.0.0.1", 0))
    versions: list[int] = []

    def serve() -> None:
        while True:
            with suppress(OSError):
                client, _ = server.accept()
                data = client.recv(4096)
                if not data:
                    continue
                versions.append(data[data.index(b"MQTT") + 4])
                if versions[-1] == 5:
                    client.sendall(b"\x20\x02\x00\x01")
                    client.close()
                else:
                    client.sendall(b"\x20\x02\x00\x00")
                continue
            return

    threading.Thread(target=serve, daemon=True).start()
    return server, versions


def test_an_old_broker_is_spoken_to_in_its_own_version(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    server, versions = old_broker()
    phone = Telephone(tmp_path, Address("127.0.0.1", server.getsockname()[1]))
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and "(MQTT 3.1.1)" not in caplog.text:
        phone.inbox.wait(0.05)
    assert versions[:2] == [5, 4]
    assert "connected to the broker" in caplog.text
    server.close()
    phone.close()


@pytest.mark.parametrize(
    "answer", [b"\x20\x7f" + b"\xff" * 127, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 64, b""]
)
def test_what_is_no_broker_is_never_called_connected(tmp_path, caplog, answer):
    caplog.set_level(logging.INFO)
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                client.recv(4096)
                client.sendall(answer)
                client.close()

    threading.Thread(target=serve, daemon=True).start()
    phone = Telephone(tmp_path, Address("127.0.0.1", server.getsockname()[1]))
    phone.hear(lambda c: isinstance(c, FaultChange) and c.broken)
    phone.close()
    server.close()
    assert "connected to the broker" not in caplog.text


# ---------------------------------------------------------------- who may, and who is who


def trouble(tmp_path: Path, address: Address, caplog, **mqtt: object) -> str:
    """What the log says of a connection that must not come about."""
    caplog.set_level(logging.INFO)
    config = Config()
    config = replace(config, mqtt=replace(config.mqtt, **mqtt))
    phone = Telephone(tmp_path, address, config)
    phone.hear(lambda c: isinstance(c, FaultChange) and c.broken)
    time.sleep(0.5)  # room for several attempts more, which must not say it again
    phone.close()
    assert "connected to" not in caplog.text
    lines = [r.getMessage() for r in caplog.records if "no connection" in r.getMessage()]
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1, caplog.text
    return lines[0]


@needs_mosquitto
@pytest.mark.parametrize("only_311", [False, True])
def test_a_wrong_password_is_one_clear_line(tmp_path, caplog, only_311):
    (tmp_path / "passwords").write_text("box:right\n")
    subprocess.run(["mosquitto_passwd", "-U", str(tmp_path / "passwords")], check=True)
    os.chmod(tmp_path / "passwords", 0o600)
    broker = Mosquitto(tmp_path, f"password_file {tmp_path / 'passwords'}", "allow_anonymous false")
    broker.start()
    address = Address("127.0.0.1", broker.port, only_311=only_311)
    line = trouble(tmp_path, address, caplog, username="box", password="wrong")
    assert "user name or password" in line or "does not authorize" in line
    assert "wrong" not in caplog.text.replace("wrong_", "")
    caplog.clear()
    secret = tmp_path / "secret"
    secret.write_text("right\n")
    config = Config()
    mqtt = replace(config.mqtt, username="box", password_file=str(secret))
    phone = Telephone(tmp_path, address, replace(config, mqtt=mqtt))
    deadline = time.monotonic() + 10
    while "connected to the broker" not in caplog.text and time.monotonic() < deadline:
        phone.inbox.wait(0.05)
    assert "connected to the broker" in caplog.text
    phone.close()
    broker.kill()


@needs_mosquitto
def test_user_and_password_come_from_the_services_credentials(tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    (tmp_path / "passwords").write_text("box:from a credential\n")
    subprocess.run(["mosquitto_passwd", "-U", str(tmp_path / "passwords")], check=True)
    os.chmod(tmp_path / "passwords", 0o600)
    broker = Mosquitto(tmp_path, f"password_file {tmp_path / 'passwords'}")
    broker.start()
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "mqtt-username").write_text("box\n")
    (credentials / "mqtt-password").write_text("from a credential\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    phone = Telephone(tmp_path, Address("127.0.0.1", broker.port))
    phone.tell()
    phone.until_sent()
    phone.close()
    broker.kill()
    assert "from a credential" not in caplog.text


@needs_mosquitto
def test_events_that_the_broker_does_not_take_are_kept_until_it_does(tmp_path, caplog):
    rules = tmp_path / "rules"
    rules.write_text(
        f"topic readwrite {BASE}/state\ntopic readwrite {BASE}/availability\n"
        f"topic read {BASE}/command/+\n"
    )
    os.chmod(rules, 0o600)
    broker = Mosquitto(tmp_path, f"acl_file {rules}")
    broker.start()
    subscriber = Subscriber(broker.port, (f"{BASE}/availability",))
    phone = Telephone(tmp_path, Address("127.0.0.1", broker.port))
    phone.tell(3)
    subscriber.wait_for(is_online)
    deadline = time.monotonic() + 10
    while "does not take events" not in caplog.text and time.monotonic() < deadline:
        phone.inbox.wait(0.05)
    assert caplog.text.count("does not take events") == 1
    phone.recorder.drain(120.0)
    assert phone.recorder.queued == 3
    broker.stop()
    rules.write_text("topic readwrite #\n")
    broker.start()
    phone.until_sent()
    phone.close()
    subscriber.close()
    broker.kill()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def tls_broker(tmp_path: Path, authority: Authority, pair, *more: str) -> Mosquitto:
    broker = Mosquitto(
        tmp_path,
        "listener {port} 127.0.0.1",
        f"cafile {authority.certificate}",
        f"certfile {pair.certificate}",
        f"keyfile {pair.key}",
        *more,
    )
    broker.start()
    return broker


LOOPBACK = "DNS:localhost,IP:127.0.0.1"


@needs_mosquitto
@needs_openssl
def test_with_tls_and_a_client_certificate_the_box_gets_through(tmp_path, authority, caplog):
    caplog.set_level(logging.INFO)
    server = authority.issue("server", san=LOOPBACK)
    own = authority.issue("box")
    broker = tls_broker(tmp_path, authority, server, "require_certificate true")
    config = Config()
    mqtt = replace(
        config.mqtt,
        tls=True,
        ca_file=str(authority.certificate),
        cert_file=str(own.certificate),
        key_file=str(own.key),
    )
    phone = Telephone(tmp_path, Address("localhost", broker.port), replace(config, mqtt=mqtt))
    phone.tell(30)
    phone.until_sent()
    assert "connected to the broker" in caplog.text
    phone.close()
    broker.kill()


@needs_mosquitto
@needs_openssl
@pytest.mark.parametrize(
    ("name", "issued", "more", "mqtt", "expected"),
    [
        ("expired", {"san": LOOPBACK, "dates": ("20200101000000Z", "20210101000000Z")}, (), {},
         "has expired"),
        ("early", {"san": LOOPBACK, "dates": ("20390101000000Z", "20400101000000Z")}, (), {},
         "not valid yet; is this machine's clock right"),
        ("elsewhere", {"san": "DNS:other.example"}, (), {}, "for another host name"),
        ("stranger", {"san": LOOPBACK}, (), {"ca_file": ""}, "set mqtt.ca_file"),
        ("picky", {"san": LOOPBACK}, ("require_certificate true",), {}, "client certificate"),
        ("nofile", {"san": LOOPBACK}, (), {"cert_file": "none.crt"}, "cannot be read: none.crt"),
    ],
)  # fmt: skip
def test_tls_that_cannot_be_trusted_is_one_clear_line(
    tmp_path, authority, caplog, name, issued, more, mqtt, expected
):
    broker = tls_broker(tmp_path, authority, authority.issue(name, **issued), *more)
    given = {"tls": True, "ca_file": str(authority.certificate), **mqtt}
    line = trouble(tmp_path, Address("localhost", broker.port), caplog, **given)
    assert expected in line
    broker.kill()


@needs_mosquitto
def test_tls_to_a_plain_port_says_so(tmp_path, broker, caplog):
    line = trouble(tmp_path, Address("localhost", broker.port), caplog, tls=True)
    assert "speak TLS on this port?" in line


@needs_mosquitto
@needs_openssl
def test_a_plain_connection_to_a_tls_port_says_so(tmp_path, authority, caplog):
    broker = tls_broker(tmp_path, authority, authority.issue("plain", san=LOOPBACK))
    line = trouble(tmp_path, Address("localhost", broker.port), caplog)
    assert "is it a port for TLS" in line
    broker.kill()


def test_an_unencrypted_connection_to_another_machine_is_not_passed_over(tmp_path, caplog):
    config = Config()
    for allowed, expected in ((False, 1), (True, 0)):
        caplog.clear()
        mqtt = replace(config.mqtt, allow_plaintext=allowed)
        # 192.0.2.0/24 is for documentation: nobody is there.
        phone = Telephone(tmp_path, Address("192.0.2.1", 1883), replace(config, mqtt=mqtt))
        warnings = [r for r in caplog.records if "not encrypted" in r.getMessage()]
        assert len(warnings) == expected
        threading.Thread(target=phone.close, daemon=True).start()


@needs_mosquitto
def test_two_boxes_with_one_id_find_out(tmp_path, broker, caplog):
    caplog.set_level(logging.INFO)
    phones = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        phones.append(Telephone(tmp_path / name, Address("127.0.0.1", broker.port)))
    deadline = time.monotonic() + 10
    while "same box.id" not in caplog.text and time.monotonic() < deadline:
        phones[0].inbox.wait(0.05)
    assert "same box.id" in caplog.text
    for phone in phones:
        phone.close()


def test_nothing_waits_for_a_broker_that_takes_the_connection_and_is_silent(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        phone = Telephone(tmp_path, Address("127.0.0.1", silent.getsockname()[1]))
        connection, _ = silent.accept()
        connection.recv(4096)  # from here on the client waits for an answer that does not come
        phone.tell(100)
        for step in range(500):
            phone.telling.publish(replace(phone.state, volume=step / 500))
        phone.telling.health({"fps": 1.0})
        phone.recorder.drain(120.0)
        assert phone.recorder.queued == 100
        connection.close()
    phone.close()
