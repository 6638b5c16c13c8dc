"""The connection to the broker: one thread that owns paho. What is told over it: `delivery.py`.

Nothing waits for it: other threads leave the newest state and go on. While there is no connection,
only the newest of each retained message is kept; events wait in the history.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import random
import select
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.config import Config
from edge.domain import Fault, FaultChange, State
from edge.history.days import Day
from edge.mqtt import credentials, trouble
from edge.mqtt.announced import Announced
from edge.mqtt.backoff import Backoff, Bucket
from edge.mqtt.commands import Refusal, Vocabulary, parse
from edge.mqtt.delivery import AT_ONCE, TOO_LARGE, Delivery, Limits, Message, Outbox
from edge.mqtt.payloads import OFFLINE, ONLINE
from edge.mqtt.topics import Topics
from edge.mqtt.trouble import Trouble
from edge.ports import Inbox

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
CONNACK_TIMEOUT_S = 10.0
MAX_PACKET_BYTES = 16_384  # nothing that this box subscribes to is larger
FAULT_AFTER_S = 10.0  # a broker that restarts is no fault
FLAPS = 3  # so many connections in a row that end right after they were made are suspicious
SETTLED_S = 10.0  # a connection that lasts this long resets the back-off
BIRTH_SPREAD_S = 3.0
MAX_FLUSH_S = 2.0
COMMANDS_AT_ONCE, COMMANDS_PER_S = 20, 5
REFUSALS_AT_ONCE, REFUSALS_PER_S = 20, 1


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker is; a `host` that begins with / is the socket of the one in the box."""

    host: str
    port: int
    only_311: bool = False

    @property
    def is_socket(self) -> bool:
        return self.host.startswith("/")

    def __str__(self) -> str:
        return (
            "the broker in the box" if self.is_socket else f"the broker at {self.host}:{self.port}"
        )


@dataclass(slots=True)
class _Attempt:
    """One connection, from its attempt to its end."""

    client: _BoundedClient
    connack: int | None = None
    lost: Trouble | None = None
    reason: int | None = None  # the broker's, for ending it


@dataclass(slots=True)
class _Spoken:
    """What this broker turned out to take, from one connection to the next."""

    version: MQTTProtocolVersion
    will_retain: bool = True
    will_qos: int = 1


class _BoundedClient(Client):
    """Paho would buffer whatever length a packet claims to have, up to 256 MiB. MQTT 5 lets us
    tell the broker a limit; 3.1.1 does not, so such a connection is given up instead."""

    tls_error: ssl.SSLError | None = None  # paho keeps to itself why a connection ended

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > MAX_PACKET_BYTES:
            raise ConnectionAbortedError(f"a packet of {bufsize} bytes")
        try:
            return super()._sock_recv(bufsize)
        except ssl.SSLError as exc:
            # With TLS 1.3 a server says only after the handshake that it wants a certificate.
            self.tls_error = exc
            raise


class MqttClient:
    """Publishes what it is told, obeys commands, comes back whenever the broker does.

    `inbox` gets commands and `Fault.BROKER`; `refuse` gets every command that changed nothing;
    `explain` says why the broker in the box does not run.
    """

    def __init__(
        self,
        config: Config,
        address: Address,
        *,
        outbox: Outbox,
        inbox: Inbox,
        refuse: Callable[[Refusal], None],
        announced: Announced | None = None,
        explain: Callable[[], str] = str,
        wall_clock: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff | None = None,
        fault_after_s: float = FAULT_AFTER_S,
        birth_spread_s: float = BIRTH_SPREAD_S,
    ) -> None:
        self._config = config
        self._address = address
        self._topics = Topics.of(config)
        self._vocabulary = Vocabulary.of(config)
        self._inbox = inbox
        self._refuse = refuse
        self._explain = explain
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._fault_after_s = fault_after_s
        self._birth_spread_s = birth_spread_s
        self._random = random.Random()

        self._mail: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_r, False)
        os.set_blocking(self._wake_w, False)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

        # All below belongs to the thread.
        self._delivery = Delivery(
            config,
            outbox=outbox,
            announced=announced or Announced(),
            wall_clock=wall_clock,
            clock=clock,
            later=self._post,
        )
        self._spoken = _Spoken(
            MQTTProtocolVersion.MQTTv311 if address.only_311 else MQTTProtocolVersion.MQTTv5
        )
        self._attempt: _Attempt | None = None
        self._closing = False
        self._commands = Bucket(burst=COMMANDS_AT_ONCE, per_s=COMMANDS_PER_S, clock=clock)
        self._refusals = Bucket(burst=REFUSALS_AT_ONCE, per_s=REFUSALS_PER_S, clock=clock)
        self._unheard = 0
        self._down_since_s = clock()
        self._fault_told = False
        self._complained = ""
        self._said: set[str] = set()
        self._short_lived = 0

    # ------------------------------------------------------------ from any thread, at once

    def start(self) -> None:
        mqtt = self._config.mqtt
        if not mqtt.tls and not mqtt.allow_plaintext and not _is_local(self._address.host):
            log.warning(
                "the connection to %s is not encrypted: anybody on the way can read and change it;"
                " set mqtt.tls, or mqtt.allow_plaintext to accept that",
                self._address,
            )
        self._thread.start()

    def state(self, state: State) -> None:
        told_s = self._clock()
        self._post(lambda: self._delivery.state(state, told_s))

    def today(self, day: Day) -> None:
        self._post(lambda: self._delivery.today(day))

    def health(self, figures: Mapping[str, float | int | None]) -> None:
        self._post(lambda: self._delivery.health(figures))

    def grown(self) -> None:
        """There is more in the outbox."""
        self._post(self._delivery.grown)

    def close(self, timeout_s: float = 5.0) -> None:
        """Say goodbye, so that subscribers see `offline` without waiting for the last will."""
        if not self._thread.is_alive():
            return
        self._post(self._close)
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            log.warning("the MQTT connection did not end within %g s", timeout_s)

    def _post(self, mail: Callable[[], None]) -> None:
        self._mail.put(mail)
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes as well as one more byte
            os.write(self._wake_w, b"!")

    # ------------------------------------------------------------ the thread: connecting

    def _run(self) -> None:
        while True:
            began_s = self._clock()
            try:
                found = self._connect_and_serve()
            except Exception:
                # A mistake in here must not end the telling for good, and must not pass unseen.
                log.exception("the MQTT connection broke down")
                found = Trouble("a mistake in this program", lasting=True)
            attempt = self._attempt
            if attempt is not None:
                hung_up = attempt.lost is not None and attempt.lost.text == trouble.LOST
                self._delivery.end(
                    too_large=attempt.reason == TOO_LARGE,
                    hung_up=hung_up and not self._address.is_socket,
                )
            if self._closing:
                return
            if found is None:
                continue  # at once, in another way
            if attempt is not None and attempt.connack == 0:
                settled = self._clock() - began_s >= SETTLED_S
                self._short_lived = 0 if settled else self._short_lived + 1
                if settled:
                    self._backoff.reset()
                elif self._short_lived >= FLAPS and found.text == trouble.LOST:
                    found = trouble.FLAPPING
            wait_s = self._backoff.next_s(lasting=found.lasting)
            self._report(found, wait_s)
            self._idle(until_s=self._clock() + wait_s, trouble_=found)

    def _connect_and_serve(self) -> Trouble | None:
        """One connection from its attempt to its end. None: try again at once, in another way."""
        self._attempt = None
        try:
            client = self._make_client()
            self._attempt = attempt = _Attempt(client)
            self._open(client)
        except (OSError, ValueError) as exc:
            if self._address.is_socket:
                return Trouble(f"it does not run: {self._explain() or exc}")
            return trouble.of_connecting(exc, tls=self._config.mqtt.tls)
        try:
            return self._serve(attempt)
        finally:
            sock = client.socket()
            if sock is not None:
                sock.close()

    def _open(self, client: Client) -> None:
        """Raises OSError, ValueError."""
        mqtt, address = self._config.mqtt, self._address
        if client.protocol is not MQTTProtocolVersion.MQTTv5:
            client.connect(address.host, address.port or 1, keepalive=mqtt.keepalive_s)
            return
        limits = _properties(PacketTypes.CONNECT)
        limits.MaximumPacketSize = MAX_PACKET_BYTES
        # Nothing is kept for an absent box: what was commanded while it was away is not for later.
        limits.SessionExpiryInterval = 0
        client.connect(
            address.host,
            address.port or 1,  # paho wants one for a socket too
            keepalive=mqtt.keepalive_s,
            clean_start=True,
            properties=limits,
        )

    def _make_client(self) -> _BoundedClient:
        """Raises OSError, ValueError for files and secrets that cannot be read.

        A new one for each connection: what paho would send again by itself is sent from the
        outbox, in its order.
        """
        spoken, address = self._spoken, self._address
        five = spoken.version is MQTTProtocolVersion.MQTTv5
        client = _BoundedClient(
            CallbackAPIVersion.VERSION2,
            client_id=self._topics.client_id,
            clean_session=None if five else True,
            protocol=spoken.version,
            transport="unix" if address.is_socket else "tcp",
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        if not address.is_socket:
            username = credentials.username(self._config)
            if username:
                client.username_pw_set(username, credentials.password(self._config) or None)
            if self._config.mqtt.tls:
                client.tls_set_context(credentials.tls_context(self._config))
        client.will_set(
            self._topics.availability, OFFLINE, qos=spoken.will_qos, retain=spoken.will_retain
        )
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _serve(self, attempt: _Attempt) -> Trouble | None:
        client, delivery = attempt.client, self._delivery
        poll = select.poll()
        poll.register(self._wake_r, select.POLLIN)
        sock = client.socket()
        if sock is None:
            return self._ended(attempt)  # it ended while saying hello
        number = sock.fileno()
        deadline_s = self._clock() + CONNACK_TIMEOUT_S
        flush_until_s: float | None = None
        while True:
            poll.register(number, select.POLLIN | (select.POLLOUT if client.want_write() else 0))
            ready = dict(poll.poll(self._patience_ms()))
            if ready.get(number, 0) & ~select.POLLOUT:
                self._read(attempt, sock)
            if client.want_write() and attempt.lost is None:
                client.loop_write()
            if attempt.lost is None:
                client.loop_misc()
            if attempt.lost is not None:
                return self._ended(attempt)
            if attempt.connack is None and self._clock() >= deadline_s:
                return Trouble("the broker takes the connection, but does not answer")
            self._take_mail()
            if attempt.connack == 0:
                delivery.pump(self._publish)
                self._mind_complaints()
                if self._closing:
                    if flush_until_s is None:
                        flush_until_s = self._clock() + MAX_FLUSH_S
                    if delivery.flushed or self._clock() >= flush_until_s:
                        self._say_goodbye(attempt)
                        return None
            elif self._closing:
                return None

    def _read(self, attempt: _Attempt, sock: object) -> None:
        try:
            while True:
                attempt.client.loop_read()
                # What TLS has decrypted already does not show on the socket.
                waiting = sock.pending() if isinstance(sock, ssl.SSLSocket) else 0
                if attempt.lost is not None or not waiting:
                    return
        except Exception as exc:  # noqa: BLE001 - paho raises many things for a malformed packet
            attempt.lost = Trouble(f"the broker sends what is not MQTT ({type(exc).__name__})")

    def _ended(self, attempt: _Attempt) -> Trouble | None:
        spoken, connack = self._spoken, attempt.connack
        if connack is None and attempt.client.tls_error:
            return trouble.of_connecting(attempt.client.tls_error)
        if connack == trouble.RETAIN_NOT_SUPPORTED and spoken.will_retain:
            spoken.will_retain = False
            return None
        if connack == trouble.QOS_NOT_SUPPORTED and spoken.will_qos:
            spoken.will_qos = 0
            return None
        if connack in (trouble.UNSUPPORTED_VERSION, None):
            # Older brokers answer MQTT 5 with a refusal, or just hang up.
            if spoken.version is MQTTProtocolVersion.MQTTv5:
                spoken.version = MQTTProtocolVersion.MQTTv311
                return None
            if not self._address.only_311:
                spoken.version = MQTTProtocolVersion.MQTTv5
        if connack is None:
            mqtt = self._config.mqtt
            return trouble.of_silence(tls=mqtt.tls, certificate=bool(mqtt.cert_file))
        if connack != 0:
            return trouble.of_refusal(connack)
        return attempt.lost or trouble.of_disconnection(None)

    def _patience_ms(self) -> int:
        """How long nothing has to be done for; paho wants to look at its clock every second."""
        at_s = self._delivery.announce_at_s
        if at_s is None or not self._delivery.has_something:
            return 1000
        return max(0, min(1000, int((at_s - self._clock()) * 1000) + 1))

    def _idle(self, *, until_s: float, trouble_: Trouble) -> None:
        """Wait with the mailbox open."""
        poll = select.poll()
        poll.register(self._wake_r, select.POLLIN)
        while not self._closing:
            left_s = until_s - self._clock()
            if left_s <= 0:
                return
            if not self._fault_told:
                fault_in_s = self._down_since_s + self._fault_after_s - self._clock()
                left_s = min(left_s, max(fault_in_s, 0.0))
            poll.poll(int(left_s * 1000) + 1)
            self._take_mail()
            self._tell_fault(trouble_)

    # ------------------------------------------------------------ the thread: paho's callbacks

    def _on_connect(
        self,
        client: Client,
        _: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        assert self._attempt is not None
        self._attempt.connack = reason.value
        if reason.value != 0:
            return
        five = self._spoken.version is MQTTProtocolVersion.MQTTv5
        log.info("connected to %s (MQTT %s)", self._address, "5" if five else "3.1.1")
        self._said.clear()
        if self._fault_told:
            self._fault_told = False
            if not self._complained:
                self._inbox.put(FaultChange(Fault.BROKER, False))
        client.subscribe(
            [
                (self._topics.commands, 1),
                (self._topics.home_assistant_status, 1),
                (self._topics.availability, 1),
            ]
        )
        self._delivery.begin(
            Limits(
                at_once=min(AT_ONCE, getattr(properties, "ReceiveMaximum", AT_ONCE)),
                packet_bytes=getattr(properties, "MaximumPacketSize", None),
                retain=bool(getattr(properties, "RetainAvailable", 1)) and self._spoken.will_retain,
                qos=min(1, getattr(properties, "MaximumQoS", 1), self._spoken.will_qos),
                expiry=five,
            )
        )

    def _on_disconnect(
        self,
        _: Client,
        __: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        ___: object,
    ) -> None:
        attempt = self._attempt
        assert attempt is not None
        if attempt.connack == 0:
            self._down_since_s = self._clock()
        if attempt.lost is not None:
            return  # paho calls again when it closes its end
        if flags.is_disconnect_packet_from_server:
            attempt.reason = reason.value
        attempt.lost = trouble.of_disconnection(attempt.reason)

    def _on_publish(self, _: Client, __: object, mid: int, reason: ReasonCode, ___: object) -> None:
        refused = str(reason) if reason.is_failure else ""
        self._delivery.settle(mid, refused=refused, reason=reason.value)

    def _on_subscribe(
        self, _: Client, __: object, mid: int, reasons: list[ReasonCode], ___: object
    ) -> None:
        if reasons:
            refused = str(reasons[0]) if reasons[0].is_failure else ""
            self._delivery.deny(self._topics.commands, refused)

    def _on_message(self, _: Client, __: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        if topic == self._topics.home_assistant_status:
            if message.payload == ONLINE and not message.retain:
                self._announce_soon()
        elif topic == self._topics.availability:
            again = self._delivery.heard_of_itself(bytes(message.payload))
            if again and not self._closing:
                self._announce_soon()
        else:
            self._hear(topic, bytes(message.payload), retained=message.retain)

    def _announce_soon(self) -> None:
        # Spread out: many boxes hear the same birth message.
        spread_s = self._birth_spread_s * self._random.random()
        self._delivery.announce_at_s = self._clock() + spread_s

    def _hear(self, topic: str, payload: bytes, *, retained: bool) -> None:
        if not self._commands.take():
            self._unheard += 1
            if self._unheard == 1:
                log.warning("too many commands; some are not heard")
            return
        if self._unheard:
            log.warning("%d commands were too many and not heard", self._unheard)
            self._unheard = 0
        command = parse(
            topic, payload, retained=retained, topics=self._topics, vocabulary=self._vocabulary
        )
        if not isinstance(command, Refusal):
            self._inbox.put(command)
            return
        log.warning("command %s refused: %s", command.command, command.reason)
        if self._refusals.take():
            self._refuse(command)

    # ------------------------------------------------------------ the thread: sending

    def _take_mail(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_r, 4096)
        while True:
            try:
                mail = self._mail.get_nowait()
            except queue.Empty:
                return
            mail()

    def _close(self) -> None:
        self._closing = True

    def _publish(self, message: Message) -> int:
        assert self._attempt is not None
        properties = None
        if message.expires_s is not None:
            properties = _properties(PacketTypes.PUBLISH)
            properties.MessageExpiryInterval = message.expires_s
        info = self._attempt.client.publish(
            message.topic,
            message.payload,
            qos=message.qos,
            retain=message.retain,
            properties=properties,
        )
        return info.mid

    def _say_goodbye(self, attempt: _Attempt) -> None:
        spoken, client = self._spoken, attempt.client
        info = client.publish(
            self._topics.availability, OFFLINE, qos=spoken.will_qos, retain=spoken.will_retain
        )
        deadline_s = self._clock() + 1.0
        while not info.is_published() and self._clock() < deadline_s and attempt.lost is None:
            client.loop(timeout=0.05)
        client.disconnect()
        client.loop_write()

    # ------------------------------------------------------------ the thread: telling

    def _report(self, found: Trouble, wait_s: float) -> None:
        # One line for each kind of trouble, however often it is met.
        level = logging.DEBUG if found.text in self._said else logging.WARNING
        self._said.add(found.text)
        log.log(
            level,
            "no connection to %s: %s; the next attempt follows in %.1f s",
            self._address,
            found.text,
            wait_s,
        )
        self._tell_fault(found)

    def _tell_fault(self, found: Trouble) -> None:
        if self._fault_told:
            return
        if found.lasting or self._clock() - self._down_since_s >= self._fault_after_s:
            self._fault_told = True
            self._inbox.put(FaultChange(Fault.BROKER, True, found.text))

    def _mind_complaints(self) -> None:
        """A broker that takes the connection and not what is said over it is a fault too."""
        text = self._delivery.complaint
        if text == self._complained:
            return
        if bool(text) != bool(self._complained):
            self._inbox.put(FaultChange(Fault.BROKER, bool(text), text))
        self._complained = text


def configured_address(config: Config) -> Address | None:
    """The broker that the owner has named, if any."""
    mqtt = config.mqtt
    if not mqtt.host:
        return None
    return Address(mqtt.host, mqtt.port or (8883 if mqtt.tls else 1883))


def _is_local(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith(("127.", "/"))


def _properties(packet_type: int) -> Properties:
    return Properties(packet_type)  # type: ignore[no-untyped-call]
