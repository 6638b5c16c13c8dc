"""A thousand boxes on one broker: `python -m tests.long.fleet`.

Every box is the real client of a real box (`edge.mqtt.client`), with its events in memory instead
of on a card. Shows messages/s, what the broker needs, and how the boxes come back after the broker
was killed: once as they do, and once, for comparison, with back-off that is not drawn at random.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge import decide
from edge.config import Config
from edge.domain import EventType
from edge.history.record import Record, event_id
from edge.history.store import Waiting
from edge.inbox import CommandInbox
from edge.mqtt.backoff import Backoff
from edge.mqtt.client import Address, MqttClient
from edge.telling import local_time
from tests.broker import Mosquitto
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
WORKERS = 4
BIN_S = 0.1
# How long the broker is away. Part of the experiment: boxes that wait at random and boxes that do
# not are compared after the same outage, which is over before anybody has waited for long.
OUTAGE_S = 1.0


class Shelf:
    """An outbox in memory."""

    def __init__(self) -> None:
        self._waiting: dict[int, Waiting] = {}
        self._count = 0
        self._lock = threading.Lock()

    @property
    def queued(self) -> int:
        return len(self._waiting)

    def add(self) -> None:
        now = local_time()
        with self._lock:
            self._count += 1
            record = Record(self._count, event_id(now), EventType.PICKUP, now, "desk", {})
            self._waiting[self._count] = Waiting(self._count, record)

    def fetch(self, after: int, limit: int, reply: Callable[[Sequence[Waiting]], None]) -> None:
        with self._lock:
            found = [waiting for place, waiting in self._waiting.items() if place > after]
        reply(found[:limit])

    def acknowledge(self, place: int) -> None:
        with self._lock:
            self._waiting.pop(place, None)


class Diary(Backoff):
    """Notes when the next attempt is due. A machine that is too busy to make it then would hide a
    stampede; what the broker would meet of boxes with a processor each is what was planned."""

    planned: ClassVar[list[float]] = []

    def next_s(self, *, lasting: bool = False) -> float:
        wait_s = super().next_s(lasting=lasting)
        self.planned.append(time.monotonic() + wait_s)
        return wait_s


def worker(first: int, count: int, port: int, *, random_backoff: bool) -> None:
    """`count` boxes in one process. Lines on standard input: "load RATE SECONDS" or "plans"."""
    logging.disable(logging.CRITICAL)  # a thousand logs side by side tell nothing
    draw = random.random if random_backoff else lambda: 0.5
    boxes = []
    for number in range(first, first + count):
        config = Config()
        config = replace(config, box=replace(config.box, id=f"box{number:04d}", log_level="error"))
        shelf = Shelf()
        client = MqttClient(
            config,
            Address("127.0.0.1", port),
            outbox=shelf,
            inbox=CommandInbox(),
            refuse=lambda refusal: None,
            wall_clock=local_time,
            backoff=Diary(draw=draw),
        )
        state = decide.start(config, at_s=time.monotonic())
        client.state(state)
        client.start()
        boxes.append((client, shelf, state))
    for line in sys.stdin:
        if line == "plans\n":
            print(json.dumps(Diary.planned), flush=True)
            continue
        _, rate, seconds = line.split()
        until = time.monotonic() + float(seconds)
        step = 0
        while time.monotonic() < until:
            began = time.monotonic()
            for client, shelf, state in random.sample(boxes, max(1, len(boxes) // 10)):
                step += 1
                if step % 4 == 0:
                    shelf.add()
                    client.grown()
                else:
                    client.state(replace(state, volume=random.random()))
            # A tenth of the boxes says something in each of these steps.
            time.sleep(max(0.0, 0.1 / float(rate) - (time.monotonic() - began)))
        print("done", flush=True)
    # Side by side, or a slow broker would be waited for once for each box.
    closing = [
        threading.Thread(target=client.close, args=(600,), daemon=True) for client, *_ in boxes
    ]
    for thread in closing:
        thread.start()
    wait_for(
        lambda: not any(thread.is_alive() for thread in closing),
        lambda: f"{sum(thread.is_alive() for thread in closing)} boxes still say goodbye",
        60,
    )


@dataclass
class Watcher:
    """Counts what arrives, by when."""

    port: int
    online: list[float] = field(default_factory=list)
    boxes: set[str] = field(default_factory=set)
    states: list[float] = field(default_factory=list)
    messages: int = 0
    bytes: int = 0

    def __post_init__(self) -> None:
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda client, *_: client.subscribe("procrastobot/#", 0)
        self.client.on_message = self._hear
        self.client.connect("127.0.0.1", self.port)
        self.client.loop_start()

    def _hear(self, _: paho.Client, __: object, message: paho.MQTTMessage) -> None:
        now = time.monotonic()
        self.messages += 1
        self.bytes += len(message.payload)
        if message.topic.endswith("/availability") and message.payload == b"online":
            self.online.append(now)
            self.boxes.add(message.topic)
        elif message.topic.endswith("/state"):
            self.states.append(now)

    def forget(self) -> None:
        self.online, self.boxes, self.states, self.messages, self.bytes = [], set(), [], 0, 0

    def until_all(self, count: int, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while len(self.boxes) < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"only {len(self.boxes)} of {count} boxes are online")
            time.sleep(0.05)

    def until_quiet(self, quiet_s: float = 1.0, timeout_s: float = 60.0) -> None:
        """Return when nothing has arrived for a while: what was on its way is here."""
        deadline = time.monotonic() + timeout_s
        last, since = self.messages, time.monotonic()
        while time.monotonic() - since < quiet_s:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the boxes are not quiet after {timeout_s:g} s")
            time.sleep(0.05)
            if self.messages != last:
                last, since = self.messages, time.monotonic()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def peak(moments: list[float], bin_s: float) -> int:
    """The most of them in any one bin."""
    return max(Counter(int(moment / bin_s) for moment in moments).values(), default=0)


def memory_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(boxes: int, seconds: float, directory: Path, *, random_backoff: bool) -> dict[str, Any]:
    broker = Mosquitto(directory, "max_connections -1", "max_queued_messages 0")
    broker.start()
    empty_mib = memory_mib(broker.pid)
    watcher = Watcher(broker.port)
    share = boxes // WORKERS
    began = time.monotonic()
    workers = [
        subprocess.Popen(
            [
                sys.executable, "-m", "tests.long.fleet", "--worker", str(number * share),
                str(share), str(broker.port), "random" if random_backoff else "fixed",
            ],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in range(WORKERS)
    ]  # fmt: skip
    figures: dict[str, Any] = {"boxes": share * WORKERS, "random_backoff": random_backoff}
    try:
        watcher.until_all(share * WORKERS, 300)
        figures["all_online_s"] = round(time.monotonic() - began, 1)
        figures["broker_empty_mib"] = round(empty_mib, 1)
        figures["broker_mib"] = round(memory_mib(broker.pid), 1)
        if random_backoff:
            watcher.forget()
            used_s, began = cpu_s(broker.pid), time.monotonic()
            for each in workers:
                assert each.stdin is not None
                each.stdin.write(f"load 1 {seconds}\n")
                each.stdin.flush()
            for each in workers:
                assert each.stdout is not None
                each.stdout.readline()
            took_s = time.monotonic() - began
            figures["messages_per_s"] = round(watcher.messages / took_s)
            figures["kib_per_s"] = round(watcher.bytes / took_s / 1024)
            figures["broker_cpu_percent"] = round(100 * (cpu_s(broker.pid) - used_s) / took_s, 1)
            figures["broker_loaded_mib"] = round(memory_mib(broker.pid), 1)
            watcher.until_quiet()
            watcher.forget()
            watcher.client.publish("homeassistant/status", "online", qos=1)
            deadline = time.monotonic() + 60
            while len(watcher.states) < share * WORKERS and time.monotonic() < deadline:
                time.sleep(0.1)
            figures["birth_states"] = len(watcher.states)
            figures["birth_peak_per_100ms"] = peak(watcher.states, BIN_S)
        watcher.close()
        broker.kill()
        time.sleep(OUTAGE_S)
        broker.start()
        watcher = Watcher(broker.port)
        began = time.monotonic()
        watcher.until_all(share * WORKERS, 300)
        figures["all_back_s"] = round(time.monotonic() - began, 1)
        figures["back_peak_per_100ms"] = peak(watcher.online, BIN_S)
        planned: list[float] = []
        for each in workers:
            assert each.stdin is not None
            assert each.stdout is not None
            each.stdin.write("plans\n")
            each.stdin.flush()
            planned += json.loads(each.stdout.readline())
        figures["planned_attempts"] = len(planned)
        figures["planned_peak_per_100ms"] = peak(planned, BIN_S)
    finally:
        watcher.close()
        for each in workers:
            assert each.stdin is not None
            each.stdin.close()
        for each in workers:
            each.wait(120)
        broker.kill()
    failed = [each.returncode for each in workers if each.returncode]
    if failed:
        raise RuntimeError(f"{len(failed)} of {WORKERS} processes of boxes failed")
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20.0, help="of steady load")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        first, count, port, drawing = args.worker
        worker(int(first), int(count), int(port), random_backoff=drawing == "random")
        return 0
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    results = []
    for random_backoff in (True, False):
        with tempfile.TemporaryDirectory(prefix="procrastobot-fleet-") as name:
            results.append(run(args.boxes, args.seconds, Path(name), random_backoff=random_backoff))
        for key, value in results[-1].items():
            print(f"{key:24} {value}", flush=True)
        print()
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    spread, together = (result["planned_peak_per_100ms"] for result in results)
    return 0 if spread < together else 1


if __name__ == "__main__":
    sys.exit(main())
