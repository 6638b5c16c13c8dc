"""What MQTT, history and the broker in the box cost in memory: `python -m tests.long.memory`.

Each row is a process of its own that imports or runs one thing more than the row above it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

RSS = """
import os
page_kib = os.sysconf("SC_PAGE_SIZE") // 1024
print(int(open("/proc/self/statm").read().split()[1]) * page_kib)
"""
OPEN = """
import time
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
for number in range(200):
    telling.tell(Tell(Happening(EventType.PICKUP, 1.0, "desk")), state)
time.sleep(3)
"""
ROWS = {
    "Python alone": "",
    "numpy": "import numpy",
    "the box's values and judgement": "import edge.observe, edge.decide, edge.effects",
    "sqlite3": "import edge.observe, edge.decide, edge.effects, sqlite3",
    "paho": "import edge.observe, edge.decide, edge.effects, sqlite3, paho.mqtt.client",
    "all of telling": "import edge.observe, edge.decide, edge.effects, edge.telling",
    "history open, 200 events": OPEN.replace("{settings}", ""),
    "and connected to the broker in the box": OPEN.replace(
        "{settings}", "broker=BrokerConfig(enabled=True, port=0),"
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    figures = {}
    before = 0.0
    for name, code in ROWS.items():
        with tempfile.TemporaryDirectory() as directory:
            text = code.replace("{path!r}", repr(f"{directory}/history.db"))
            done = subprocess.run(
                [sys.executable, "-c", text + RSS],
                cwd=ROOT, capture_output=True, text=True, check=True,
            )  # fmt: skip
        mib = int(done.stdout) / 1024
        figures[name] = round(mib, 1)
        print(f"{name:40} {mib:6.1f} MiB  {mib - before:+6.1f}")
        before = mib
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
