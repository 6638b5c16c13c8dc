"""Three days of a hostile network, played fast: `python -m tests.long.siege`.

Two boxes run side by side, each the real loop with history and MQTT on a simulated camera, and the
real page in its process. Their clock runs 720 times as fast, so 72 hours take six minutes. Both
have an owner who looks at the page every hour. One has its network to itself. To the other every
simulated hour brings silent and half-open connections to broker and page, guesses of the page's
password, floods of commands, right and damaged, cut and swallowed connections, now and then a
broker that restarts and a stranger with the box's id. Both share the machine: what the attack costs
it, both pay. The box itself has to lose nothing: of the frames that were due it takes at least 95 %
of what the quiet one takes, memory and threads of box and page are level, the page answers its
owner all along, and the box obeys afterwards.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge import decide, settings
from edge.commands import run as command
from edge.domain import Frame, Glance, Look, SessionAction, SetSession
from edge.inbox import CommandInbox
from edge.link import Link, path_of
from edge.loop import Loop
from edge.mqtt.topics import Topics
from edge.outputs import Outputs
from edge.telling import local_time, open_teller
from edge.wire.commands import COMMANDS
from tests.broker import Heard, Mosquitto, Proxy, Subscriber, free_port
from tests.damage import damaged
from tests.fakes import FakeBuzzer, FakeLights
from tests.long.box import GREY, SITTING, Stop, loop_of
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
SPEED = 720  # simulated seconds in one
PERIOD_S = 0.01  # from frame to frame, by the wall
CALM_S = 12.0  # after the siege, by the wall: what it opened may run out
LEAST_RATIO = 0.95
MORE_MIB = 6.0  # that the besieged box, and its page, may grow beyond the quiet ones
PAGE_THREADS = 1 + min(32, (os.cpu_count() or 1) + 4)  # asyncio's pool grows to this, and stays
OWNER_PATIENCE_S = 10.0  # with the page, on a machine that all of this shares
PASSWORD = "of the page"
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


# Focus, whatever the network asks for: that is when frames are taken.
CONFIG = """
[mqtt]
host = "127.0.0.1"
port = {port}
keepalive_s = 5
health_s = 600
[history]
path = "{folder}/history.db"
[web]
enabled = true
port = {page}
password = "{password}"
[session]
focus_min = 240
break_min = 0.1
auto_focus = true
remote_stop = false
pauses = 0
snoozes = 20
"""
# What the page hears of strangers: nothing, half of a request, one that is none, and a whole one.
KNOCKS = (
    b"",
    b"GET / HTT",
    b"GET /api/state HTTP/1.1\r\nX-",
    b"POST /api/login HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Procrastobot: 1\r\n"
    b"Content-Length: 60000\r\n\r\n{",
    b"\x16\x03\x01\x02\x00\x01",
    b"GET /api/state HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n",
    b"GET /api/state HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
)


# ---------------------------------------------------------------- a box


class Stage:
    """Camera and eyes: somebody sits there. Frames that nobody took in time are gone."""

    live = alive = True
    description = "a simulated scene"
    count = 1

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

    def look(self, frame: Frame, glance: Glance) -> Look:
        return Look((SITTING,))


def live(path: Path) -> None:
    """A box until it is told to stop; says once a second how it is."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    config = settings.load(path)
    began_s = time.monotonic()

    def clock() -> float:
        return (time.monotonic() - began_s) * SPEED

    inbox, stage = CommandInbox(), Stage(clock)
    telling = open_teller(config, inbox=inbox)
    link = Link(path_of(config, path), config, inbox=inbox, wall_clock=local_time)
    state = decide.start(config, at_s=clock(), totals=telling.totals)
    telling.publish(state)
    inbox.put(SetSession(SessionAction.START))
    loop = loop_of(
        config,
        state,
        stage,
        Outputs(FakeLights(), FakeBuzzer(), telling, (link,)),
        inbox,
        clock=clock,
        minute_of_day=lambda: int(clock() / 60) % 1440,
    )
    link.attach(loop)

    def stop(*_: object) -> None:
        raise Stop

    signal.signal(signal.SIGTERM, stop)
    due_s = 0.0
    figures_path = path.with_name("figures")
    with (
        contextlib.suppress(Stop),
        command.page(config, path, command.listening(config)),
        figures_path.open("w", buffering=1) as figures,
    ):
        while True:
            loop.tick()
            if (now_s := time.monotonic()) >= due_s:
                due_s = now_s + 1
                print(json.dumps(_figures(stage, loop)), file=figures)
    link.close()
    telling.close()


def _figures(stage: Stage, loop: Loop) -> dict[str, float]:
    own = os.getpid()
    (page,) = Path(f"/proc/{own}/task/{own}/children").read_text().split()
    return {
        "hours": loop.state.at_s / 3600,
        "due": stage.due,
        "taken": stage.taken,
        "latest_s": stage.latest_s,
        **{f"box: {name}": figure for name, figure in _of_process(own).items()},
        **{f"page: {name}": figure for name, figure in _of_process(int(page)).items()},
    }


def _of_process(pid: int) -> dict[str, float]:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return {
        "MiB": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        "threads": len(os.listdir(f"/proc/{pid}/task")),
        "files": len(os.listdir(f"/proc/{pid}/fd")),
    }


class Owner:
    """Who may look, and does. Times are those of the page's answers."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._cookie = ""
        self.asked = self.answered = 0
        self.slowest_s = 0.0

    def enter(self) -> bool:
        try:
            cookie = self._ask("POST", "/api/login", json.dumps({"given": PASSWORD}))
        except OSError:
            return False  # it does not listen yet
        self._cookie = cookie.partition(";")[0]
        return bool(self._cookie)

    def look(self) -> None:
        for path in ("/", "/api/state", "/api/days"):
            self.asked += 1
            began_s = time.monotonic()
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._ask("GET", path)
                self.answered += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)

    def _ask(self, method: str, path: str, body: str | None = None) -> str:
        """The cookie of an answer. Raises OSError or HTTPException without a good one."""
        asking = http.client.HTTPConnection("127.0.0.1", self._port, timeout=OWNER_PATIENCE_S)
        try:
            asking.request(method, path, body, {"X-Procrastobot": "1", "Cookie": self._cookie})
            answer = asking.getresponse()
            answer.read()
            if answer.status != 200:
                raise http.client.HTTPException(f"{path}: {answer.status}")
            return answer.headers.get("set-cookie", "")
        finally:
            asking.close()


@dataclass
class Box:
    """One box in a process of its own, with its broker, the way to it, and its owner."""

    folder: Path
    broker: Mosquitto
    proxy: Proxy
    page: int
    process: subprocess.Popen[bytes]
    owner: Owner = field(init=False)

    def __post_init__(self) -> None:
        self.owner = Owner(self.page)

    @classmethod
    def start(cls, folder: Path) -> Box:
        folder.mkdir()
        broker = Mosquitto(folder)
        broker.start()
        proxy, page = Proxy(broker.port), free_port()
        path = folder / "config.toml"
        path.write_text(CONFIG.format(port=proxy.port, folder=folder, page=page, password=PASSWORD))
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.long.siege", "--box", str(path)],
            cwd=ROOT,
            stderr=(folder / "log").open("wb"),
        )
        return cls(folder, broker, proxy, page, process)

    def figures(self) -> list[dict[str, float]]:
        path = self.folder / "figures"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def said(self) -> str:
        return (self.folder / "log").read_text()[-2000:]

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(60)

    def end(self) -> None:
        """Whatever happened: nothing of it goes on."""
        self.process.kill()
        self.process.wait()
        self.proxy.close()
        self.broker.kill()


# ---------------------------------------------------------------- the siege


class Siege:
    """What an hour brings; it holds what it opened, and never has more than some hundreds."""

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
            for _ in range(8):
                self._knock(number, self._box.page, KNOCKS)
            yield
        for _ in range(3):
            self._guess()
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

    def _guess(self) -> None:
        """From an address of its own: one that guesses is made to wait, and the owner is not."""
        guessing = http.client.HTTPConnection(
            "127.0.0.1", self._box.page, timeout=2, source_address=("127.0.0.66", 0)
        )
        given = json.dumps({"given": str(self._chance.random())})
        with contextlib.suppress(OSError, http.client.HTTPException):
            guessing.request("POST", "/api/login", given, {"X-Procrastobot": "1"})
            self._count(f"guesses answered {guessing.getresponse().status}")
        guessing.close()

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

    def says(volume: float) -> Callable[[list[Heard]], bool]:
        return lambda heard: any(json.loads(each.payload)["volume"] == volume for each in heard)

    try:
        for volume in (0.25, 0.75):
            speaker.publish(TOPICS.command("volume"), str(volume))
            speaker.wait_for(says(volume), 30)
    except AssertionError:
        return False
    finally:
        speaker.close()
    return True


def run(hours: float, seed: int, folder: Path) -> dict[str, Any]:
    with contextlib.ExitStack() as stack:
        boxes: list[Box] = []
        for name in ("quiet", "besieged"):
            boxes.append(Box.start(folder / name))
            stack.callback(boxes[-1].end)
        return _besieged(boxes[0], boxes[1], hours, seed)


def _besieged(quiet: Box, besieged: Box, hours: float, seed: int) -> dict[str, Any]:
    for box in (quiet, besieged):
        wait_for(box.owner.enter, box.said)
    siege = Siege(besieged, random.Random(seed))
    hour_s = 3600 / SPEED
    began_s = time.monotonic()
    for number in range(round(hours)):
        ends_s = began_s + (number + 1) * hour_s
        for _ in siege.hour(number):
            # 30 steps at most: spread over the hour, and no later than its end.
            time.sleep(max(0.0, min(hour_s / 30, ends_s - time.monotonic())))
        besieged.proxy.flow()
        for box in (quiet, besieged):
            box.owner.look()
        time.sleep(max(0.0, ends_s - time.monotonic()))
    lasted = [box.figures()[-1]["hours"] for box in (quiet, besieged)]
    siege.lift()
    time.sleep(CALM_S)
    obeyed = obeys(besieged)
    told = [box.figures() for box in (quiet, besieged)]
    codes = [box.stop() for box in (quiet, besieged)]
    figures: dict[str, Any] = {"hours": [round(each, 1) for each in lasted], **siege.done}
    figures |= {"quiet": _summary(quiet, told[0]), "besieged": _summary(besieged, told[1])}
    shares = [each[-1]["taken"] / each[-1]["due"] for each in told]
    figures["ratio"] = round(shares[1] / shares[0], 4)
    more = {what: _grown(told[1], what) - _grown(told[0], what) for what in told[0][0]}
    for who in ("box", "page"):
        figures[f"{who}: grew more, MiB"] = round(more[f"{who}: MiB"], 1)
    figures["obeys afterwards"] = obeyed
    wrong = {
        "the loop": figures["ratio"] < LEAST_RATIO,
        "memory": more["box: MiB"] > MORE_MIB,
        "the page's memory": more["page: MiB"] > MORE_MIB,
        "threads": told[1][-1]["box: threads"] > told[0][-1]["box: threads"],
        "the page's threads": any(each["page: threads"] > PAGE_THREADS for each in told[1]),
        "files": any(
            told[1][-1][f"{who}: files"] > told[0][-1][f"{who}: files"] + 2
            for who in ("box", "page")
        ),
        "the page": any(box.owner.answered < box.owner.asked for box in (quiet, besieged)),
        "obeying": not obeyed,
        "the end": codes != [0, 0],
    }
    figures["wrong"] = [what for what, is_wrong in wrong.items() if is_wrong]
    return figures


def _grown(told: list[dict[str, float]], what: str) -> float:
    """Since a quarter of the time, when all was warm."""
    return told[-1][what] - told[len(told) // 4][what]


def _summary(box: Box, told: list[dict[str, float]]) -> dict[str, Any]:
    warm, last = told[len(told) // 4], told[-1]
    summary: dict[str, Any] = {
        "frames due": last["due"],
        "taken": f"{last['taken'] / last['due']:.2%}",
        "latest frame, s": round(last["latest_s"], 3),
        "page asked": box.owner.asked,
        "answered": box.owner.answered,
        "slowest, s": round(box.owner.slowest_s, 2),
    }
    for who in ("box", "page"):
        summary[f"{who}: MiB after a quarter"] = round(warm[f"{who}: MiB"], 1)
        summary[f"{who}: MiB at the end"] = round(last[f"{who}: MiB"], 1)
        for what in ("threads", "files"):
            summary[f"{who}: {what} at most"] = max(each[f"{who}: {what}"] for each in told)
            summary[f"{who}: {what} at the end"] = last[f"{who}: {what}"]
    return summary


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--hours", type=float, default=72.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave logs and figures there")
    parser.add_argument("--box", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.box:
        live(args.box)
        return 0
    with contextlib.ExitStack() as stack:
        folder = args.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(exist_ok=True)
        figures = run(args.hours, args.seed, folder)
    for key, value in figures.items():
        if isinstance(value, dict):
            print(key, *(f"  {name:25} {figure}" for name, figure in value.items()), sep="\n")
        else:
            print(f"{key:20} {value}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))
    return int(bool(figures["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
