"""One attempt at the configured broker, which leaves nothing there: for the self-test."""

from __future__ import annotations

import queue
import secrets

from paho.mqtt.client import Client, ConnectFlags
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.config import Config
from edge.mqtt import client as box
from edge.mqtt import credentials, trouble

PATIENCE_S = 10.0


def probe(config: Config) -> str | None:
    """Why the broker cannot be used, in one sentence; None: it took the connection.

    It speaks MQTT 3.1.1, which every broker does, under a name of its own, so that a box that is
    connected stays so. No last will, no message.
    """
    address = box.configured_address(config)
    if address is None:
        return "no broker is configured (mqtt.host)"
    answers: queue.SimpleQueue[ReasonCode] = queue.SimpleQueue()

    def answered(
        _: Client, __: object, ___: ConnectFlags, reason: ReasonCode, ____: Properties | None
    ) -> None:
        answers.put(reason)

    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"procrastobot-selftest-{secrets.token_hex(4)}",
        reconnect_on_failure=False,
    )
    client.connect_timeout = PATIENCE_S
    client.on_connect = answered
    try:
        username = credentials.username(config)
        if username:
            client.username_pw_set(username, credentials.password(config) or None)
        if config.mqtt.tls:
            client.tls_set_context(credentials.tls_context(config))
        client.connect(address.host, address.port)
    except (OSError, ValueError) as exc:
        return trouble.of_connecting(exc).text
    client.loop_start()
    try:
        reason = answers.get(timeout=PATIENCE_S)
    except queue.Empty:
        return f"the broker took the connection and then said nothing for {PATIENCE_S:g} s"
    finally:
        client.disconnect()
        client.loop_stop()
    refused = trouble.of_refusal(reason.value) if reason.is_failure else None
    return refused.text if refused else None
