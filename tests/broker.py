"""A real mosquitto on a free port of the loopback, for tests and long checks."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.process import Process


def find_mosquitto() -> str | None:
    """Debian puts it where an ordinary user's PATH does not look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto(Process):
    """A broker that can be stopped, killed and started again on the same port."""

    def __init__(self, directory: Path, *lines: str, port: int | None = None) -> None:
        """`lines` are added to its configuration; a `listener` among them replaces the default."""
        super().__init__(directory / "mosquitto.log")
        self.port = port or free_port()
        self._config = directory / "mosquitto.conf"
        given = [line.format(port=self.port) for line in lines]
        if not any(line.startswith("listener") for line in given):
            given.insert(0, f"listener {self.port} 127.0.0.1")
        if not any(line.startswith(("allow_anonymous", "password_file")) for line in given):
            given.append("allow_anonymous true")
        self._config.write_text("\n".join([*given, "user root", ""]))

    def start(self) -> None:
        binary = find_mosquitto()
        assert binary is not None
        process = self.begin([binary, "-c", str(self._config)])
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise RuntimeError(self.log_path.read_text()[-2000:])
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise RuntimeError("mosquitto does not listen")


@dataclass(frozen=True, slots=True)
class Heard:
    topic: str
    payload: bytes
    retain: bool


@dataclass
class Subscriber:
    """Hears everything below `topics`, in order."""

    port: int
    topics: tuple[str, ...] = ("#",)
    client_id: str = ""
    heard: list[Heard] = field(default_factory=list)
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self._subscribed = threading.Event()
        # A named one keeps its session, so that it misses nothing while the broker is away.
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            clean_session=not self.client_id,
            protocol=MQTTProtocolVersion.MQTTv311,
        )
        # Whole seconds to its types only; it waits for as long as it is told.
        self.client.reconnect_delay_set(0.05, 0.2)  # type: ignore[arg-type]
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", self.port)
        self.client.loop_start()
        assert self._subscribed.wait(30), "the subscriber did not get through"

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        client.subscribe([(topic, 1) for topic in self.topics])

    def _on_message(self, _: paho.Client, __: object, message: paho.MQTTMessage) -> None:
        with self._arrived:
            self.heard.append(Heard(message.topic, bytes(message.payload), message.retain))
            self._arrived.notify_all()

    def wait_for(self, wanted: Callable[[list[Heard]], bool], timeout_s: float = 20.0) -> None:
        """Return as soon as what was heard so far is what is wanted."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: wanted(self.heard), timeout_s):
                tail = "\n".join(f"{m.topic} {m.payload[:200]!r}" for m in self.heard[-20:])
                raise AssertionError(f"not heard within {timeout_s:g} s; the last were\n{tail}")

    def of(self, ending: str) -> list[bytes]:
        """Payloads of the topics that end so, in order."""
        with self._arrived:
            return [m.payload for m in self.heard if m.topic.endswith(ending)]

    def publish(self, topic: str, payload: bytes | str, *, retain: bool = False) -> None:
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)

    def catch_up(self) -> None:
        """Until everything the broker took before has arrived, for it keeps the order. Only for
        one that hears every topic."""
        mark = f"caught-up/{len(self.heard)}"
        self.publish(mark, "")
        self.wait_for(lambda heard: any(m.topic == mark for m in heard))

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Proxy:
    """Stands between a box and its broker, and can be as bad as a network gets."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._flowing = threading.Event()
        self._flowing.set()
        self._accepting = True
        self._refusing = False
        self.delay_s = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self) -> None:
        """Nothing gets through any more, and nobody is told."""
        self._flowing.clear()

    def flow(self) -> None:
        self._flowing.set()

    def refuse(self) -> None:
        """Close every connection, and every new one at once."""
        self._refusing = True
        self.cut()

    def accept(self) -> None:
        self._refusing = False

    def cut(self) -> None:
        """Close every connection; new ones are taken."""
        for side in list(self._open):
            self._close(side)

    def close(self) -> None:
        self._accepting = False
        self._server.close()
        self._flowing.set()
        self.cut()

    def _accept(self) -> None:
        while self._accepting:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            if self._refusing:
                client.close()
                continue
            try:
                broker = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            self._open |= {client, broker}
            for source, sink in ((client, broker), (broker, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if self.delay_s:
                    time.sleep(self.delay_s)
                self._flowing.wait()
                sink.sendall(data)
        except OSError:
            pass
        self._close(source)
        self._close(sink)

    def _close(self, side: socket.socket) -> None:
        self._open.discard(side)
        with contextlib.suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)
        side.close()
