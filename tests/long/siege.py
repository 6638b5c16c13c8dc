"""Three days of a hostile network, played fast: `python -m tests.long.siege`.

Two boxes run side by side, each the real loop with history, MQTT and page on a simulated camera.
Their clock runs 720 times as fast, so 72 hours take six minutes. One has its network to itself. To
the other every simulated hour brings silent and half-open connections to broker and page, floods of
commands, right and damaged, cut and swallowed connections, now and then a broker that restarts and
a stranger with the box's id. Both share the machine: what the attack costs it, both pay. The box
itself has to lose nothing: of the frames that were due it takes at least 95 % of what the quiet one
takes, its memory and threads are level, and it obeys afterwards.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge import app, decide
from edge.config import Config
from edge.domain import Frame, SessionAction, SetSession, Thresholds
from edge.inbox import CommandInbox
from edge.loop import Loop
from edge.mqtt.topics import Topics
from edge.outputs import Outputs
from edge.telling import open_teller
from edge.wire.commands import COMMANDS
from tests.broker import Mosquitto, Proxy, Subscriber, free_port
from tests.damage import damaged
from tests.fakes import FakeBuzzer, FakeLights, FakeScene
from tests.long.box import GREY, SITTING, Ready

ROOT = Path(__file__).resolve().parents[2]
SPEED = 720  # simulated seconds in one
PERIOD_S = 0.01  # from frame to frame, by the wall
CALM_S = 12.0  # after the siege, by the wall: what it opened may run out
LEAST_RATIO = 0.95
MORE_MIB = 6.0  # that the besieged box may grow beyond the quiet one
HELD_HOURS = 3  # a connection of the attack is held so long, then left to die
TOPICS = Topics("desk")
RIGHT = {
    "session": [b"start", b"stop", b"pause", b'{"action": "focus", "minutes": 30}'],
    "snooze": [b"", b"0.1"],
    "mute": [b"ON", b"OFF"],
    "volume": [b"0.5", b'{"volume": 1}'],
    "mode": [b"strict", b"gentle"],
    "grace": [b"2", b"600"],
    "not_a_phone": [b"", b"desk"],
    "forget": [b"", b"1"],
    "test": [b"lights", b"off"],
}


# ---------------------------------------------------------------- a box


class Stage:
    """Camera and detector: somebody sits there. Frames that nobody took in time are gone."""

    live = alive = True
    description = "a simulated scene"
    labels = ("person", "phone")

    def __init__(self, clock: Callable[[], float]) -> None:
        self.due = self.taken = 0
        self.latest_s = 0.0  # by which a frame was taken late, at worst
        self._clock = clock
        self._opened_s: float | None = None
        self._number = 0

    def open(self) -> None:
        if self._opened_s is None:
            self._opened_s, self._number = time.monotonic(), 0

    def close(self) -> None:
        self._opened_s = None

    def ready(self, wait_s: float) -> bool:
        return True

    def read(self) -> Frame:
        assert self._opened_s is not None
        passed_s = time.monotonic() - self._opened_s
        late_s = passed_s - (self._number + 1) * PERIOD_S
        self.latest_s = max(self.latest_s, late_s)
        number = max(self._number + 1, int(passed_s / PERIOD_S))
        time.sleep(max(0.0, number * PERIOD_S - passed_s))
        self.due += number - self._number
        self.taken += 1
        self._number = number
        return Frame(GREY, at_s=self._clock(), number=self.due, name="simulated")

    def detect(self, frame: Frame) -> tuple[Any, ...]:
        return (SITTING,)


class Over(BaseException):
    pass


def live(folder: Path, port: int, page: int) -> None:
    """A box until it is told to stop; says once a second how it is."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    config = Config()
    config = replace(
        config,
        mqtt=replace(config.mqtt, host="127.0.0.1", port=port, keepalive_s=5, health_s=600.0),
        history=replace(config.history, path=str(folder / "history.db")),
        web=replace(config.web, enabled=True, port=page),
        # Focus, whatever the network asks for: that is when frames are taken.
        session=replace(config.session, focus_min=240.0, break_min=0.1, auto_focus=True,
                        remote_stop=False, pauses=0, snoozes=20),
    )  # fmt: skip
    began_s = time.monotonic()

    def clock() -> float:
        return (time.monotonic() - began_s) * SPEED

    inbox, stage = CommandInbox(), Stage(clock)
    telling = open_teller(config, inbox=inbox)
    viewers = app.open_viewers(config, inbox)
    state = decide.start(config, at_s=clock(), totals=telling.totals)
    telling.publish(state)
    inbox.put(SetSession(SessionAction.START))
    loop = Loop(
        config=config,
        state=state,
        camera=stage,
        detector=stage,
        scene=FakeScene(),
        thresholds=Thresholds(),
        outputs=Outputs(FakeLights(), FakeBuzzer(), telling, viewers),
        inbox=inbox,
        watchdog=Ready(),
        clock=clock,
        minute_of_day=lambda: int(clock() / 60) % 1440,
    )

    def stop(*_: object) -> None:
        raise Over

    signal.signal(signal.SIGTERM, stop)
    due_s = 0.0
    with contextlib.suppress(Over), (folder / "figures").open("w", buffering=1) as figures:
        while True:
            loop.tick()
            if (now_s := time.monotonic()) >= due_s:
                due_s = now_s + 1
                print(json.dumps(_figures(stage, loop)), file=figures)
    for viewer in viewers:
        viewer.close()
    telling.close()


def _figures(stage: Stage, loop: Loop) -> dict[str, float]:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "hours": loop.state.at_s / 3600,
        "due": stage.due,
        "taken": stage.taken,
        "latest_s": stage.latest_s,
        "rss_mib": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        "threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")),
    }


@dataclass
class Box:
    """One box in a process of its own, with its broker and the way to it."""

    folder: Path
    broker: Mosquitto
    proxy: Proxy
    page: int
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, folder: Path) -> Box:
        folder.mkdir()
        broker = Mosquitto(folder)
        broker.start()
        proxy, page = Proxy(broker.port), free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.long.siege", "--box", str(folder),
             "--port", str(proxy.port), "--page", str(page)],
            cwd=ROOT, stderr=(folder / "log").open("wb"),
        )  # fmt: skip
        return cls(folder, broker, proxy, page, process)

    def figures(self) -> list[dict[str, float]]:
        path = self.folder / "figures"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def stop(self) -> int:
        self.process.terminate()
        code = self.process.wait(60)
        self.proxy.close()
        self.broker.kill()
        return code


# ---------------------------------------------------------------- the siege


class Siege:
    """What an hour brings; it holds what it opened, and never has more than some hundred."""

    def __init__(self, box: Box, chance: random.Random) -> None:
        self._box, self._chance = box, chance
        self._held: list[tuple[int, socket.socket]] = []
        self.done: dict[str, int] = {}

    def hour(self, number: int) -> Iterator[None]:
        """One step of the hour at a time, for the caller to spread over it."""
        while self._held and self._held[0][0] <= number - HELD_HOURS:
            self._held.pop(0)[1].close()
        for _ in range(10):
            self._knock(number, self._box.broker.port, (b"", b"\x10", b"\x10\x20\x00\x04MQTT\x05"))
            yield
            self._knock(number, self._box.page, (b"", b"GET / HTT", b"GET /state HTTP/1.1\r\nX-"))
            yield
            self._knock(
                number, self._box.page, (b"GET /state HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",)
            )
            yield
        self._flood()
        yield
        self._box.proxy.cut()
        self._count("cut")
        yield
        if number % 4 == 1:
            self._box.proxy.stall()
            self._count("swallowed")
            yield
            yield
            self._box.proxy.flow()
        if number % 6 == 2:
            self._box.broker.stop()
            yield
            self._box.broker.start()
            self._count("broker restarted")
        if number % 8 == 3:
            self._impostor()

    def _count(self, what: str, more: int = 1) -> None:
        self.done[what] = self.done.get(what, 0) + more

    def _knock(self, number: int, port: int, begins: tuple[bytes, ...]) -> None:
        try:
            knocking = socket.create_connection(("127.0.0.1", port), 2)
            knocking.sendall(self._chance.choice(begins))
        except OSError:
            self._count("not let in")
            return
        self._held.append((number, knocking))
        self._count("connections held")

    def _client(self, name: str) -> paho.Client | None:
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name)
        try:
            client.connect("127.0.0.1", self._box.broker.port)
        except OSError:
            return None
        client.loop_start()
        return client

    def _flood(self) -> None:
        client = self._client("")
        if client is None:
            return
        every = [word for words in RIGHT.values() for word in words]
        for _ in range(600):
            name = self._chance.choice(list(COMMANDS))
            payload = self._chance.choice(RIGHT.get(name, [b""]))
            if self._chance.random() < 0.5:
                payload = damaged(payload, self._chance, every)
            client.publish(TOPICS.command(name), payload, qos=self._chance.choice((0, 1)))
            self._count("commands")
        time.sleep(0.2)
        client.disconnect()
        client.loop_stop()

    def _impostor(self) -> None:
        """The broker throws out the box when another says that it is it."""
        client = self._client("procrastobot-desk")
        if client is not None:
            self._count("impostors")
            client.disconnect()
            client.loop_stop()

    def lift(self) -> None:
        for _, knocking in self._held:
            knocking.close()
        self._box.proxy.flow()


def obeys(box: Box) -> bool:
    """Whether it still does what it is told, and says so."""
    speaker = Subscriber(box.broker.port, (TOPICS.state,))
    try:
        for volume in (0.25, 0.75):
            speaker.publish(TOPICS.command("volume"), str(volume))
            speaker.wait_for(
                lambda heard, volume=volume: any(  # type: ignore[misc]
                    json.loads(each.payload)["volume"] == volume for each in heard
                ),
                30,
            )
    except AssertionError:
        return False
    finally:
        speaker.close()
    return True


def run(hours: float, seed: int, folder: Path) -> dict[str, Any]:
    quiet, besieged = Box.start(folder / "quiet"), Box.start(folder / "besieged")
    siege = Siege(besieged, random.Random(seed))
    hour_s = 3600 / SPEED
    began_s = time.monotonic()
    for number in range(round(hours)):
        ends_s = began_s + (number + 1) * hour_s
        for _ in siege.hour(number):
            # 36 steps at most: spread over the hour, and no later than its end.
            time.sleep(max(0.0, min(hour_s / 36, ends_s - time.monotonic())))
        besieged.proxy.flow()
        time.sleep(max(0.0, ends_s - time.monotonic()))
    lasted = [box.figures()[-1]["hours"] for box in (quiet, besieged)]
    siege.lift()
    time.sleep(CALM_S)
    obeyed = obeys(besieged)
    codes = [box.stop() for box in (quiet, besieged)]
    figures: dict[str, Any] = {"hours": [round(each, 1) for each in lasted], **siege.done}
    shares = []
    for name, box in (("quiet", quiet), ("besieged", besieged)):
        told = box.figures()
        last = told[-1]
        first = told[len(told) // 4]  # when all is warm
        shares.append(last["taken"] / last["due"])
        figures[name] = {
            "frames due": last["due"],
            "taken": f"{shares[-1]:.2%}",
            "latest frame, s": round(last["latest_s"], 3),
            "MiB after a quarter": round(first["rss_mib"], 1),
            "MiB at the end": round(last["rss_mib"], 1),
            "threads at most": max(each["threads"] for each in told),
            "threads at the end": last["threads"],
            "files at the end": last["files"],
        }
    figures["ratio"] = round(shares[1] / shares[0], 4)
    grown = [box.figures() for box in (quiet, besieged)]
    quiet_mib, besieged_mib = (
        told[-1]["rss_mib"] - told[len(told) // 4]["rss_mib"] for told in grown
    )
    figures["grew more, MiB"] = round(besieged_mib - quiet_mib, 1)
    figures["obeys afterwards"] = obeyed
    wrong = {
        "the loop": figures["ratio"] < LEAST_RATIO,
        "memory": besieged_mib - quiet_mib > MORE_MIB,
        "threads": grown[1][-1]["threads"] > grown[0][-1]["threads"],
        "files": grown[1][-1]["files"] > grown[0][-1]["files"] + 2,
        "obeying": not obeyed,
        "the end": codes != [0, 0],
    }
    figures["wrong"] = [what for what, is_wrong in wrong.items() if is_wrong]
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--hours", type=float, default=72.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave logs and figures there")
    parser.add_argument("--box", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--page", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.box:
        live(args.box, args.port, args.page)
        return 0
    with contextlib.ExitStack() as stack:
        folder = args.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(exist_ok=True)
        figures = run(args.hours, args.seed, folder)
    for key, value in figures.items():
        print(f"{key:20} {value}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))
    return int(bool(figures["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
