"""What MQTT, history and the broker in the box cost in memory: `python -m tests.long.memory`.

Each row is a process of its own that imports or runs one thing more than the row above it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from edge.history.store import open_for_reading
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
EVENTS = 200

# It says that it is there, and is measured when it is told that it has come to rest.
RSS = """
import os
print("there", flush=True)
input()
page_kib = os.sysconf("SC_PAGE_SIZE") // 1024
print(int(open("/proc/self/statm").read().split()[1]) * page_kib)
"""
OPEN = """
from dataclasses import replace
from edge import decide
from edge.config import BrokerConfig, Config
from edge.domain import EventType, Happening, Tell
from edge.inbox import CommandInbox
from edge.telling import open_teller
config = Config()
config = replace(
    config,
    {settings}
    history=replace(config.history, path={path!r}),
)
telling = open_teller(config, inbox=CommandInbox())
state = decide.start(config, at_s=1.0)
telling.publish(state)
for number in range({events}):
    telling.tell(Tell(Happening(EventType.PICKUP, 1.0, "desk")), state)
""".replace("{events}", str(EVENTS))
ROWS = {
    "Python alone": "",
    "numpy": "import numpy",
    "the box's values and judgement": "import edge.judge, edge.decide, edge.effects",
    "sqlite3": "import edge.judge, edge.decide, edge.effects, sqlite3",
    "paho": "import edge.judge, edge.decide, edge.effects, sqlite3, paho.mqtt.client",
    "all of telling": "import edge.judge, edge.decide, edge.effects, edge.telling",
    f"history open, {EVENTS} events": OPEN.replace("{settings}", ""),
    "and connected to the broker in the box": OPEN.replace(
        "{settings}", "broker=BrokerConfig(enabled=True, port=0),"
    ),
}


def rss_mib(code: str, history: Path) -> float:
    """Of a process that has run `code`, when all its events are written and none has to wait."""
    with subprocess.Popen(
        [sys.executable, "-c", code + RSS],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "there\n", "it failed; its own words are above"
            if history.exists():
                # The first event tells that the box has started.
                wait_for(
                    lambda: told(history) == (EVENTS + 1, 0),
                    lambda: "{} events are written, {} of them wait".format(*told(history)),
                    60,
                )
            out, _ = process.communicate("\n", 60)
        finally:
            process.kill()
    return int(out) / 1024


def told(history: Path) -> tuple[int, int]:
    """How many events are written, and how many of them wait for the broker."""
    with closing(open_for_reading(history)) as store:
        return store.last_number, store.queued()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    figures = {}
    before = 0.0
    for name, code in ROWS.items():
        with tempfile.TemporaryDirectory() as directory:
            history = Path(directory) / "history.db"
            mib = rss_mib(code.replace("{path!r}", repr(str(history))), history)
        figures[name] = round(mib, 1)
        print(f"{name:40} {mib:6.1f} MiB  {mib - before:+6.1f}")
        before = mib
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
