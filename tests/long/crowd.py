"""The page before a crowd: `python -m tests.long.crowd`.

One box judges the demo's clip all along. Windows of quiet take turns with windows in which ten
browsers look live, 200 connections stay half open, garbage comes to the box's own socket, and the
page's process is killed and started again. Told is the time that the loop's thread has a processor
for each frame, which other programs move least, and the most memory that the page's process had: in
the crowd, and while an owner logs in, looks back at a month of a million events and takes it along.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from edge.commands.run import FRUGAL
from edge.demo.clip import LENGTH_S
from tests.broker import free_port
from tests.long.lookback import LAST, make
from tests.process import Process
from tests.waiting import wait_for

VIEWERS, HALF_OPEN = 10, 200
KILL_EVERY_S = 15.0
MOST_LONGER = 1.05
MOST_MIB = 60.0
PASSWORD = "a long password"


class House:
    """Box and page, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.config, self.socket = folder / "config.toml", folder / "page.socket"
        self.config.write_text(
            f"[web]\nenabled = true\nport = {self.port}\n[hardware]\npins = 'simulated'\n"
            f"[history]\npath = '{folder}/history.db'\n[session]\nfocus_min = 240\n"
        )
        self.ticks = folder / "ticks"
        self._box, self._page = Process(folder / "box.log"), Process(folder / "page.log")
        env = {**os.environ, "XDG_STATE_HOME": str(folder)}
        command = [sys.executable, "-m", "tests.page_box", str(self.config)]
        self._box.begin(command, stdout=self.ticks.open("ab"), env=env)
        self._turn = threading.Lock()
        self.cookie = ""
        self.killed = 0
        self.most = {"page, RSS in MiB": 0.0, "page, PSS in MiB": 0.0}
        self._start_page()
        wait_for(self.socket.exists, self.said)
        threading.Thread(target=self._weigh, daemon=True).start()

    def said(self) -> str:
        return self._box.log_path.read_text()[-2000:] + self._page.log_path.read_text()[-2000:]

    def _start_page(self) -> None:
        command = [sys.executable, "-m", "edge", "page", "--config", str(self.config)]
        self._page.begin(command, env={**os.environ, **FRUGAL})
        wait_for(self.answers, self.said)

    def answers(self) -> bool:
        try:
            return self.ask("GET", "/api/login")[0] == 200
        except OSError:
            return False

    def kill_page(self) -> None:
        with self._turn:
            self._page.kill()
            self.killed += 1
            self._start_page()

    def _weigh(self) -> None:
        while True:
            with contextlib.suppress(OSError, AssertionError):
                of = Path(f"/proc/{self._page.pid}/smaps_rollup").read_text()
                for kind in ("Rss", "Pss"):
                    kib = int(of.split(f"\n{kind}:")[1].split()[0])
                    name = f"page, {kind.upper()} in MiB"
                    self.most[name] = max(self.most[name], kib / 1024)
            time.sleep(0.1)

    def ask(
        self, method: str, path: str, body: str | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        asking = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            headers = {"X-Procrastobot": "1", "Cookie": self.cookie}
            asking.request(method, path, body, headers)
            answer = asking.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            asking.close()

    def enter(self, given: str) -> None:
        status, headers, _ = self.ask("POST", "/api/login", json.dumps({"given": given}))
        assert status == 200, self.said()
        self.cookie = headers["set-cookie"].partition(";")[0]

    def close(self) -> None:
        self._page.kill()
        self._box.stop()


class Crowd:
    def __init__(self, house: House) -> None:
        self._house = house
        self._over = threading.Event()
        self.pictures = 0

    def window(self, seconds: float) -> None:
        self._over.clear()
        who = [self._view] * VIEWERS + [self._garbage, self._half_open, self._kill]
        threads = [threading.Thread(target=each) for each in who]
        for each in threads:
            each.start()
        time.sleep(seconds)
        self._over.set()
        for each in threads:
            each.join()

    def _view(self) -> None:
        number = "-1"
        while not self._over.is_set():
            try:
                _, headers, _ = self._house.ask("GET", f"/api/look?after={number}")
                number = headers["x-number"]
                self.pictures += 1
            except (OSError, KeyError, http.client.HTTPException):
                self._over.wait(0.2)  # it was killed just now

    def _garbage(self) -> None:
        while not self._over.wait(0.05):
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as garbage:
                garbage.connect(str(self._house.socket))
                garbage.sendall(os.urandom(20_000))

    def _half_open(self) -> None:
        held: list[socket.socket] = []
        while not self._over.wait(1.0):
            while len(held) < HALF_OPEN:
                try:
                    each = socket.create_connection(("127.0.0.1", self._house.port), 5)
                    each.sendall(b"GET / HTTP/1.1\r\nX: y")
                except OSError:
                    break
                held.append(each)
        for each in held:
            each.close()

    def _kill(self) -> None:
        while not self._over.wait(KILL_EVERY_S):
            self._house.kill_page()


def measured(house: House, live: Callable[[float], None], seconds: float) -> tuple[float, int]:
    """(ms of a processor, frames) of the loop in a window."""
    before = len(house.ticks.read_text().splitlines())
    live(seconds)
    lines = [json.loads(line) for line in house.ticks.read_text().splitlines()[before + 1 :]]
    return sum(each["tick_ms"] * each["frames"] for each in lines), sum(
        each["frames"] for each in lines
    )


def run(folder: Path, *, events: int, rounds: int) -> dict[str, Any]:
    count = make(folder / "history.db", events=events, days=330)
    house = House(folder)
    try:
        house.enter(house.said().partition("first login is ")[2].split("\n")[0])
        house.ask("POST", "/api/password", json.dumps({"new": PASSWORD}))
        for _ in range(5):
            house.enter(PASSWORD)
        figures: dict[str, Any] = {"events": count}
        month = f"first={LAST - timedelta(days=30)}&last={LAST}"
        for name, path in {
            "a month's view": f"/history?{month}",
            "its report, HTML": f"/api/history/report.html?{month}",
            "its events, CSV": f"/api/history/events.csv?{month}",
        }.items():
            began_s = time.perf_counter()
            status, _, body = house.ask("GET", path)
            assert status == 200, body
            figures[f"{name}, s"] = round(time.perf_counter() - began_s, 2)
            figures[f"{name}, KiB"] = len(body) // 1024
        assert house.ask("POST", "/api/command/session", "start")[0] == 202
        wait_for(lambda: '"frames"' in house.ticks.read_text(), house.said)
        crowd = Crowd(house)
        told = {"quiet": [0.0, 0], "crowd": [0.0, 0]}
        time.sleep(LENGTH_S)  # what is done once is done
        for _ in range(rounds):
            for name, live in (("quiet", time.sleep), ("crowd", crowd.window)):
                for place, more in enumerate(measured(house, live, LENGTH_S)):  # the same story
                    told[name][place] += more
        for name, (spent_ms, frames) in told.items():
            figures[f"{name}: ms a frame"] = round(spent_ms / frames, 2)
            figures[f"{name}: frames"] = frames
        figures["ratio"] = round(figures["crowd: ms a frame"] / figures["quiet: ms a frame"], 3)
        figures |= {"pictures": crowd.pictures, "page killed": house.killed}
        figures |= {name: round(mib, 1) for name, mib in house.most.items()}
    finally:
        house.close()
    wrong = {
        "the loop": figures["ratio"] >= MOST_LONGER,
        "the page's memory": figures["page, RSS in MiB"] > MOST_MIB,
        "the view of a month": figures["a month's view, s"] > 2.0,
    }
    figures["wrong"] = [what for what, is_wrong in wrong.items() if is_wrong]
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="each is twice the clip's length")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(folder), events=args.events, rounds=args.rounds)
    for key, value in figures.items():
        print(f"{key:24} {value}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))
    return int(bool(figures["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
