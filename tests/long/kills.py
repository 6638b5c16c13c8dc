"""Kill -9 at random moments, with a broker that comes and goes: `python -m tests.long.kills`.

A process records events in bursts and is killed, again and again on one history. The connection is
cut, the broker restarted, all at random. In the end every event of the history must have reached
the subscriber: in order, each repetition with the id of the first.

The broker keeps the subscriber's messages over a restart (persistence), as any that is to lose
nothing has to; it is stopped like by its administrator, since killing it loses what it had
acknowledged, which no box can know.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge import decide
from edge.config import Config
from edge.domain import EventType, Happening, Session, Tell
from edge.history.store import open_for_reading
from edge.inbox import CommandInbox
from edge.telling import open_teller
from tests.broker import Mosquitto, Proxy, Subscriber

ROOT = Path(__file__).resolve().parent.parent.parent
EVENTS = "procrastobot/desk/event"


def child(directory: Path, port: int) -> None:
    """Record events until killed."""
    config = Config()
    config = replace(
        config,
        mqtt=replace(config.mqtt, host="127.0.0.1", port=port, keepalive_s=5),
        history=replace(config.history, path=str(directory / "history.db"), outbox_max=1_000_000),
    )
    telling = open_teller(config, inbox=CommandInbox())
    state = replace(decide.start(config, at_s=time.monotonic()), session=Session.FOCUS)
    telling.publish(state)
    os.write(1, b"ready\n")  # in one piece: the nursery writes to the same pipe
    count = 0
    while True:
        count += 1
        state = replace(state, at_s=time.monotonic())
        happening = Happening(EventType.PICKUP, state.at_s, "desk", {"count": count})
        telling.tell(Tell(happening), state)
        # Bursts and pauses: a kill meets the history while it writes, and while it rests.
        time.sleep(random.choice((0, 0, 0, 0.001, 0.01, 0.05)))


def nursery(directory: Path, port: int) -> None:
    """Fork a child for each line read, with all imports done: prints its pid, then "gone"."""
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            child(directory, port)
        os.write(1, f"pid {pid}\n".encode())
        os.waitpid(pid, 0)
        os.write(1, b"gone\n")


class Weather:
    """Cuts the connection and restarts the broker at random moments, until told to clear up."""

    def __init__(self, broker: Mosquitto, proxy: Proxy) -> None:
        self._broker, self._proxy = broker, proxy
        self._over = threading.Event()
        self.cuts = self.restarts = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(random.uniform(0.05, 0.6)):
            if random.random() < 0.15:
                self.restarts += 1
                self._broker.stop()
                self._over.wait(random.uniform(0, 1.0))
                self._broker.start()
            else:
                self.cuts += 1
                self._proxy.cut()

    def clear_up(self) -> None:
        self._over.set()
        self._thread.join()


def run(kills: int, directory: Path) -> dict[str, Any]:
    (directory / "broker").mkdir()
    broker = Mosquitto(
        directory / "broker",
        "persistence true",
        f"persistence_location {directory / 'broker'}/",
        "max_queued_messages 0",
    )
    broker.start()
    proxy = Proxy(broker.port)
    subscriber = Subscriber(broker.port, (EVENTS,), client_id="witness")
    weather = Weather(broker, proxy)
    command = [sys.executable, "-m", "tests.long.kills", "--nursery", str(directory)]
    boxes = subprocess.Popen(
        [*command, "--port", str(proxy.port)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(directory / "box.log").open("a"),
        text=True,
    )
    assert boxes.stdin is not None
    assert boxes.stdout is not None
    began = time.monotonic()
    while_opening = 0
    try:
        for number in range(1, kills + 1):
            boxes.stdin.write("go\n")
            boxes.stdin.flush()
            ready, pid = False, 0
            patient = random.random() < 0.8
            while not pid or (patient and not ready):
                line = boxes.stdout.readline().split()
                ready = ready or line == ["ready"]
                pid = int(line[1]) if line[0] == "pid" else pid
            # The moment is drawn: while it works, or else while it still opens the history.
            time.sleep(random.uniform(0, 0.4 if patient else 0.05))
            os.kill(pid, signal.SIGKILL)
            while (line := boxes.stdout.readline().split()) != ["gone"]:
                ready = ready or line == ["ready"]
            while_opening += not ready
            if number % max(1, kills // 20) == 0:
                print(f"{number} kills, {len(subscriber.heard)} messages", flush=True)
    finally:
        weather.clear_up()
        boxes.stdin.close()
        boxes.wait(10)
    history = directory / "history.db"
    # One last start in calm weather sends what still waits.
    config = Config()
    config = replace(
        config,
        mqtt=replace(config.mqtt, host="127.0.0.1", port=broker.port),
        history=replace(config.history, path=str(history), outbox_max=1_000_000),
    )
    telling = open_teller(config, inbox=CommandInbox())
    telling.publish(decide.start(config, at_s=time.monotonic()))
    deadline = time.monotonic() + 300
    while telling.queued and time.monotonic() < deadline:
        time.sleep(0.2)
    left = telling.queued
    telling.close()
    with closing(open_for_reading(history)) as store:
        damage = "ok" if store.is_whole() else "not whole"
        recorded = store.events(
            since=datetime(2000, 1, 1, tzinfo=UTC), until=datetime(2100, 1, 1, tzinfo=UTC)
        )
    ids = {record.number: record.id for record in recorded}
    # A topic keeps its order: with this, the subscriber has all that the broker took of the boxes.
    speaker = Subscriber(broker.port)
    speaker.publish(EVENTS, "the end")
    speaker.close()
    subscriber.wait_for(lambda heard: bool(heard) and heard[-1].payload == b"the end", 120)
    heard = [json.loads(message.payload) for message in subscriber.heard[:-1]]
    subscriber.close()
    proxy.close()
    broker.kill()
    first_at: dict[int, int] = {}
    for place, event in enumerate(heard):
        first_at.setdefault(event["number"], place)
    firsts = list(first_at)
    return {
        "kills": kills,
        "killed_while_opening": while_opening,
        "cuts": weather.cuts,
        "broker_restarts": weather.restarts,
        "seconds": round(time.monotonic() - began, 1),
        "events_in_history": len(recorded),
        "messages": len(heard),
        "repeated": len(heard) - len(first_at),
        "interrupted": sum(record.type is EventType.INTERRUPTED for record in recorded),
        "missing": len(set(ids) - set(first_at)),
        "invented": sum(event["id"] != ids.get(event["number"]) for event in heard),
        "out_of_order": sum(a > b for a, b in itertools.pairwise(firsts)),
        "gaps_in_numbers": max(ids) - len(ids),
        "left_in_outbox": left,
        "damage": damage,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--nursery", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.nursery:
        nursery(args.nursery, args.port)
        return 0
    random.seed(args.seed)
    with tempfile.TemporaryDirectory(prefix="procrastobot-kills-") as name:
        figures = run(args.kills, Path(name))
    for key, value in figures.items():
        print(f"{key:20} {value}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))
    wrong = ("missing", "invented", "out_of_order", "gaps_in_numbers", "left_in_outbox")
    return 1 if any(figures[key] for key in wrong) or figures["damage"] != "ok" else 0


if __name__ == "__main__":
    sys.exit(main())
