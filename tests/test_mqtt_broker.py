"""The broker in the box, and the door behind which history and MQTT are."""

from __future__ import annotations

import importlib.util
import json
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from edge import decide
from edge.config import BrokerConfig, Config
from edge.domain import EventType, Fault, Happening, SessionAction, SetSession, Tell
from edge.inbox import CommandInbox
from edge.mqtt.broker import BrokerFailed, open_broker
from edge.telling import open_teller
from tests.broker import Subscriber

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("amqtt") is None, reason="needs the extra: broker"
)


def box_with_broker(directory: Path, **broker: object) -> Config:
    config = Config()
    return replace(
        config,
        broker=BrokerConfig(enabled=True, port=0, **broker),
        history=replace(config.history, path=str(directory / "history.db")),
    )


def test_without_a_broker_of_ones_own_the_box_is_one(tmp_path):
    config = box_with_broker(tmp_path)
    inbox = CommandInbox()
    telling = open_teller(config, inbox=inbox)
    state = decide.start(config, at_s=5.0, totals=telling.totals)
    telling.publish(state)
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
    telling.close()


def test_a_huge_message_costs_its_sender_the_connection_and_nobody_else(tmp_path):
    config = box_with_broker(tmp_path)
    inbox = CommandInbox()
    telling = open_teller(config, inbox=inbox)
    telling.publish(decide.start(config, at_s=5.0))
    neighbour = Subscriber(telling.broker_port)
    neighbour.wait_for(lambda _: neighbour.of("/availability"))
    with socket.create_connection(("127.0.0.1", telling.broker_port), timeout=10) as sender:
        # A CONNECT of MQTT 3.1.1 (section 3.1), whose answer is four bytes, then a PUBLISH that
        # says it will be as long as the protocol allows.
        sender.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x")
        assert sender.recv(4) == b"\x20\x02\x00\x00"
        sender.sendall(b"\x30\xff\xff\xff\x7f\x00\x01a")
        with suppress(ConnectionResetError):
            while sender.recv(4096):  # until it is hung up on, long before the message is whole
                pass
    neighbour.publish("procrastobot/desk/command/session", "start")
    inbox.wait(10)
    assert inbox.drain() == [SetSession(SessionAction.START)]
    neighbour.close()
    telling.close()


def test_a_taken_port_is_told_and_the_box_goes_on(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BrokerFailed, match="cannot start"):
            open_broker(BrokerConfig(enabled=True, port=port))
        config = replace(box_with_broker(tmp_path), broker=BrokerConfig(enabled=True, port=port))
        inbox = CommandInbox()
        telling = open_teller(config, inbox=inbox)
        (fault,) = inbox.drain()
        assert (fault.fault, fault.broken) == (Fault.BROKER, True)
        telling.publish(decide.start(config, at_s=5.0))
        telling.close()


def test_a_broker_that_is_not_wanted_is_not_there():
    assert open_broker(BrokerConfig()) is None


def test_an_open_broker_on_the_network_is_not_passed_over(caplog):
    broker = open_broker(BrokerConfig(enabled=True, host="0.0.0.0", port=0))
    assert broker is not None
    assert "everybody on the network can follow and steer" in caplog.text
    broker.close()
