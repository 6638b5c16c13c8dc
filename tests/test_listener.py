"""The subscriber of the demo, against its real broker."""

from __future__ import annotations

import socket
import time
from contextlib import suppress

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.demo.broker import DemoBroker
from edge.mqtt.listener import Heard, Listener

pytest.importorskip("amqtt", reason="needs amqtt (the extra demo)")


@pytest.fixture
def broker():
    running = DemoBroker()
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


def test_a_client_that_speaks_mqtt_5_is_hung_up_on_at_once(broker):
    """Or the box of the demo would wait for its patience to end before it tries 3.1.1."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    ended = []
    client.on_disconnect = lambda *_: ended.append(1)
    client.will_set("box/availability", "offline", retain=True)
    client.connect("127.0.0.1", broker.port)
    deadline_s = time.monotonic() + 20
    while not ended and time.monotonic() < deadline_s:
        client.loop(0.1)
    assert ended
    with socket.create_connection(("127.0.0.1", broker.port), timeout=20) as sender:
        # A CONNECT of MQTT 3.1.1 (section 3.1), then a PUBLISH as long as the protocol allows.
        sender.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x")
        assert sender.recv(4) == b"\x20\x02\x00\x00"
        sender.sendall(b"\x30\xff\xff\xff\x7f\x00\x01a")
        with suppress(ConnectionResetError):
            while sender.recv(4096):  # until it is hung up on
                pass
