"""The broker in the box: mosquitto as the box runs it, tried as strangers and neighbours would."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge import decide
from edge.config import BrokerConfig, Config
from edge.domain import EventType, Fault, FaultChange, Happening, SessionAction, SetSession, Tell
from edge.inbox import CommandInbox
from edge.mqtt import broker as own
from edge.mqtt.broker import Broker, BrokerFailed, open_broker
from edge.mqtt.keeper import find_mosquitto
from edge.telling import Telling, open_teller
from tests.broker import Subscriber, free_port
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="needs mosquitto")

SECRET = "a password: with # and $7$"


def box_with_broker(directory: Path, **broker: object) -> Config:
    config = Config()
    return replace(
        config,
        broker=BrokerConfig(enabled=True, **({"port": 0} | broker)),
        history=replace(config.history, path=str(directory / "history.db")),
    )


@contextlib.contextmanager
def telling_box(config: Config, inbox: CommandInbox | None = None) -> Iterator[Telling]:
    telling = open_teller(config, inbox=inbox or CommandInbox())
    telling.publish(decide.start(config, at_s=5.0, totals=telling.totals))
    try:
        yield telling
    finally:
        telling.close()


def is_online(subscriber: Subscriber) -> None:
    subscriber.wait_for(lambda _: subscriber.of("/availability")[-1:] == [b"online"])


@pytest.fixture
def running() -> Iterator[Broker]:
    broker = open_broker(BrokerConfig(enabled=True, port=0))
    assert broker is not None
    yield broker
    broker.close()


def answer_to(port: int, host: str = "127.0.0.1", **given: str) -> str:
    """What the broker says to somebody who connects."""
    answers: list[str] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    if given:
        client.username_pw_set(given["username"], given["password"])
    client.on_connect = lambda *args: answers.append(str(args[3]))
    client.connect(host, port)
    client.loop_start()
    wait_for(lambda: bool(answers), lambda: "no answer", 10)
    client.disconnect()
    client.loop_stop()
    return answers[0]


def test_without_a_broker_of_ones_own_the_box_is_one(tmp_path):
    inbox = CommandInbox()
    with telling_box(box_with_broker(tmp_path), inbox) as telling:
        state = decide.start(Config(), at_s=5.0)
        telling.tell(Tell(Happening(EventType.PICKUP, 5.0, "desk")), state)
        subscriber = Subscriber(telling.broker_port)
        subscriber.wait_for(lambda _: subscriber.of("/availability") and subscriber.of("/state"))
        assert json.loads(subscriber.of("/state")[-1])["session"] == "idle"
        subscriber.publish("procrastobot/desk/command/session", "start")
        inbox.wait(10)
        assert inbox.drain() == [SetSession(SessionAction.START)]
        telling.tell(Tell(Happening(EventType.PUTDOWN, 5.0, "desk")), state)
        subscriber.wait_for(
            lambda _: [json.loads(p)["type"] for p in subscriber.of("/event")][-1:] == ["putdown"]
        )
        subscriber.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_whatever_address_others_use_the_box_hears_its_broker(tmp_path, host):
    if host == "::1" and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with telling_box(box_with_broker(tmp_path, host=host)) as telling:
        assert answer_to(telling.broker_port, host) == "Success"
        wait_for(lambda: telling.queued == 0, lambda: "not all is sent")


def has_ipv6() -> bool:
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


def test_beyond_this_machine_it_takes_a_password(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    config = box_with_broker(tmp_path, host="0.0.0.0", username="me", password_file=str(secret))
    with telling_box(config) as telling:
        port = telling.broker_port
        assert answer_to(port) == "Not authorized"
        assert answer_to(port, username="me", password="guessed") == "Not authorized"
        assert answer_to(port, username="me", password=SECRET) == "Success"
        assert answer_to(port, own_address(), username="me", password=SECRET) == "Success"
        wait_for(lambda: telling.queued == 0, lambda: "the box itself needs none")


def own_address() -> str:
    """One of this machine's that is not the loopback, where it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # for documentation: nothing is sent
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def test_without_a_password_it_stays_on_this_machine_and_says_so(caplog):
    broker = open_broker(BrokerConfig(enabled=True, host="0.0.0.0", port=0))
    assert broker is not None
    assert answer_to(broker.port) == "Success"
    if own_address() != "127.0.0.1":
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((own_address(), broker.port), timeout=5)
    assert "stays on this machine: beyond it, at 0.0.0.0, it needs a password" in caplog.text
    broker.close()


@pytest.mark.parametrize("count", [60, 800])
def test_silent_connections_lock_nobody_out(tmp_path, count):
    with telling_box(box_with_broker(tmp_path)) as telling, contextlib.ExitStack() as held:
        # The subscriber's client waits by select(), which knows no descriptor above 1023, and other
        # tests leave some open: these are for it.
        low = [os.open(os.devnull, os.O_RDONLY) for _ in range(16)]
        for _ in range(count):
            held.enter_context(socket.create_connection(("127.0.0.1", telling.broker_port)))
        for each in low:
            os.close(each)
        subscriber = Subscriber(telling.broker_port)
        is_online(subscriber)
        subscriber.close()


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
def test_both_versions_are_spoken_as_often_as_anybody_likes(running, version):
    for number in range(60):
        client = paho.Client(CallbackAPIVersion.VERSION2, f"gone{number}", protocol=version)
        client.connect("127.0.0.1", running.port)
        with suppress(OSError):
            client.socket().close()  # without a goodbye
    assert answer_to(running.port) == "Success"


def test_a_huge_message_costs_its_sender_the_connection_and_nobody_else(tmp_path):
    inbox = CommandInbox()
    with telling_box(box_with_broker(tmp_path), inbox) as telling:
        neighbour = Subscriber(telling.broker_port)
        is_online(neighbour)
        with socket.create_connection(("127.0.0.1", telling.broker_port), timeout=10) as sender:
            # A CONNECT of MQTT 3.1.1 (section 3.1), whose answer is four bytes, then a PUBLISH
            # that says it will be as long as the protocol allows.
            sender.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x")
            assert sender.recv(4) == b"\x20\x02\x00\x00"
            sender.sendall(b"\x30\xff\xff\xff\x7f\x00\x01a")
            with suppress(ConnectionResetError):
                while sender.recv(4096):  # until it is hung up on, long before it is whole
                    pass
        neighbour.publish("procrastobot/desk/command/session", "start")
        inbox.wait(10)
        assert inbox.drain() == [SetSession(SessionAction.START)]
        neighbour.close()


def pid_now(broker: Broker) -> int | None:
    """None: none runs at the moment."""
    assert broker._keeper is not None
    process = broker._keeper._process
    return None if process is None else process.pid


def pid_of(broker: Broker) -> int:
    pid = pid_now(broker)
    assert pid is not None
    return pid


def rss_kib(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def test_what_nobody_fetches_has_a_bound(running):
    gone = paho.Client(
        CallbackAPIVersion.VERSION2,
        "dashboard",
        clean_session=False,
        protocol=MQTTProtocolVersion.MQTTv311,
    )
    subscribed: list[object] = []
    gone.on_connect = lambda client, *_: client.subscribe("#", 1)
    gone.on_subscribe = lambda *_: subscribed.append(1)
    gone.connect("127.0.0.1", running.port)
    gone.loop_start()
    wait_for(lambda: bool(subscribed), lambda: "not subscribed")
    gone.disconnect()
    gone.loop_stop()
    feed = Subscriber(running.port, ("nothing",))
    before = rss_kib(pid_of(running))
    for _ in range(40):
        feed.publish("procrastobot/desk/state", os.urandom(60_000))
    assert rss_kib(pid_of(running)) - before < 3 * 1024  # max_queued_bytes is 1 MB
    feed.close()


def test_full_of_what_others_had_it_retain_it_begins_anew_and_the_box_is_there_again(tmp_path):
    with telling_box(box_with_broker(tmp_path)) as telling:
        broker = telling._broker
        assert broker is not None
        first = pid_of(broker)
        client = paho.Client(CallbackAPIVersion.VERSION2, "junk")
        client.connect("127.0.0.1", telling.broker_port)
        client.loop_start()
        for number in range(400):  # 80 MB, where 32 MiB is the limit
            with suppress(RuntimeError, ValueError):
                client.publish(f"junk/{number}", os.urandom(200_000), qos=1, retain=True)
            if not client.is_connected() and number > 50:
                break
            time.sleep(0.002)
        wait_for(
            # One that has ended says so a moment after it did.
            lambda: broker.why == "" and pid_now(broker) not in (first, None),
            lambda: f"it was not started anew: {broker.why}",
            30,
        )
        client.loop_stop()
        subscriber = Subscriber(telling.broker_port)
        is_online(subscriber)
        assert rss_kib(pid_of(broker)) < 40 * 1024
        subscriber.close()


def test_killed_it_comes_back_and_the_box_with_it(tmp_path):
    with telling_box(box_with_broker(tmp_path)) as telling:
        assert telling._broker is not None
        before, said = pid_of(telling._broker), lambda: "not again"
        os.kill(before, signal.SIGKILL)
        # While the old one is dying its port may still answer.
        wait_for(lambda: pid_now(telling._broker) not in (before, None), said, 20)
        wait_for(lambda: try_port(telling.broker_port), said, 20)
        subscriber = Subscriber(telling.broker_port)
        is_online(subscriber)
        subscriber.close()


def try_port(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_another_client_of_the_same_name_does_not_leave_the_box_deaf(tmp_path):
    inbox = CommandInbox()
    with telling_box(box_with_broker(tmp_path), inbox) as telling:
        subscriber = Subscriber(telling.broker_port)
        is_online(subscriber)
        other = paho.Client(
            CallbackAPIVersion.VERSION2, "procrastobot-desk", reconnect_on_failure=False
        )
        other.connect("127.0.0.1", telling.broker_port)
        other.loop_start()
        wait_for(other.is_connected, lambda: "not connected")
        other.disconnect()
        other.loop_stop()
        heard: list[object] = []
        deadline_s = time.monotonic() + 60
        while SetSession(SessionAction.PAUSE) not in heard and time.monotonic() < deadline_s:
            subscriber.publish("procrastobot/desk/command/session", "pause")
            inbox.wait(0.5)
            heard += inbox.drain()
        assert SetSession(SessionAction.PAUSE) in heard
        subscriber.close()


def test_a_taken_port_is_told_the_box_goes_on_and_gets_it_when_it_is_free(tmp_path, caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        telling = open_teller(box_with_broker(tmp_path, port=port), inbox=CommandInbox())
        assert telling._broker is not None
        assert telling._broker.why == "Address already in use"
        assert "the broker in the box does not run: Address already in use" in caplog.text
    telling.publish(decide.start(Config(), at_s=5.0))
    wait_for(lambda: telling._broker.why == "", lambda: "it does not come up", 20)
    subscriber = Subscriber(port)
    is_online(subscriber)
    subscriber.close()
    telling.close()


def test_where_mosquitto_is_missing_the_box_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(own, "find_mosquitto", lambda: None)
    with pytest.raises(BrokerFailed, match="sudo apt install mosquitto"):
        open_broker(BrokerConfig(enabled=True, port=0))
    inbox = CommandInbox()
    telling = open_teller(box_with_broker(tmp_path), inbox=inbox)
    (fault,) = inbox.drain()
    assert isinstance(fault, FaultChange)
    assert (fault.fault, fault.broken) == (Fault.BROKER, True)
    telling.close()


def test_a_broker_that_is_not_wanted_is_not_there():
    assert open_broker(BrokerConfig()) is None


def test_it_ends_with_the_box_that_was_killed(tmp_path):
    port = free_port()
    code = (
        "import sys, time\n"
        "from edge.config import BrokerConfig\n"
        "from edge.mqtt.broker import open_broker\n"
        f"broker = open_broker(BrokerConfig(enabled=True, port={port}))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as box:
        assert box.stdout is not None
        assert box.stdout.readline() == "ready\n"
        assert try_port(port)
        box.kill()
    wait_for(lambda: not try_port(port), lambda: "it outlives the box", 10)


# ---------------------------------------------------------------- as a service of its own


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as opened:
        yield opened


def test_the_service_writes_its_files_and_keeps_them_to_itself(tmp_path, monkeypatch, stack):
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))  # pytest's is root's alone
    monkeypatch.setenv("PROCRASTOBOT_BROKER", str(folder))
    config = tmp_path / "config.toml"
    port = free_port()
    config.write_text(f'[broker]\nenabled = true\nhost = "0.0.0.0"\nport = {port}\n')
    stored = tmp_path / "stored"
    stored.write_text(SECRET)
    prepare = [sys.executable, "-m", "edge.mqtt.broker", f"--config={config}"]
    prepare += [f"--output={folder}", f"--password-file={stored}"]
    subprocess.run(prepare, check=True)
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0
        assert SECRET not in path.read_text()
    if user := own.unprivileged():
        # The service has a user of its own; the keeper of root lowers itself to one.
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, user)
    with subprocess.Popen([sys.executable, "-m", "edge.mqtt.keeper", str(folder)]) as keeper:
        try:
            wait_for(lambda: try_port(port), lambda: "it does not listen")
            assert answer_to(port, username="procrastobot", password=SECRET) == "Success"
            broker = open_broker(BrokerConfig(enabled=True, port=port))
            assert broker is not None
            assert Path(broker.socket).is_socket()
        finally:
            keeper.terminate()
    assert keeper.returncode == 0
    assert not try_port(port)


@pytest.mark.parametrize("text", ["", "[broker]\nenabled = false\n", "[broker]\nenabeld = true\n"])
def test_the_service_is_passed_over_when_no_broker_is_wanted(tmp_path, text):
    config = tmp_path / "config.toml"
    config.write_text(text)
    prepare = [sys.executable, "-m", "edge.mqtt.broker", f"--config={config}"]
    done = subprocess.run([*prepare, f"--output={tmp_path}"], capture_output=True)
    assert done.returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]
