"""The subscriber of the demo, against the real broker in the box."""

from __future__ import annotations

import time

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.config import BrokerConfig
from edge.mqtt.broker import open_broker
from edge.mqtt.listener import Heard, Listener

pytest.importorskip("amqtt", reason="needs amqtt (the extra broker)")


@pytest.fixture
def broker():
    running = open_broker(BrokerConfig(enabled=True, port=0))
    yield running
    running.close()


@pytest.fixture
def publisher(broker):
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()


def heard_by(listener, count, patience_s=20.0):
    messages = []
    deadline_s = time.monotonic() + patience_s
    while len(messages) < count:
        assert time.monotonic() < deadline_s, f"only {messages} was heard"
        messages += listener.heard()
        time.sleep(0.01)
    return messages


def test_a_listener_hears_what_was_kept_for_it_and_what_comes_later(broker, publisher):
    publisher.publish("box/state", "before", qos=1, retain=True).wait_for_publish(10)
    listener = Listener("127.0.0.1", broker.port, ("box/#",))
    assert heard_by(listener, 1) == [Heard("box/state", "before", True)]
    publisher.publish("elsewhere", "not for us", qos=1).wait_for_publish(10)
    publisher.publish("box/event", "after", qos=1).wait_for_publish(10)
    assert heard_by(listener, 1) == [Heard("box/event", "after", False)]
    listener.close()


def test_a_listener_without_a_broker_says_so():
    with pytest.raises(ConnectionRefusedError):
        Listener("127.0.0.1", 9, ("box/#",))
