"""The Node-RED flow in a real Node-RED: `python -m tests.long.nodered`.

Loads the flow as it is shipped (only the broker's port is another), presses its buttons, and sees
what it makes of a pick-up. Needs npm for a new environment.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import asdict
from pathlib import Path

from tests.broker import Mosquitto, Subscriber, free_port
from tests.long.homeassistant import ROOT, Box, Finding
from tests.waiting import wait_for

FLOW = ROOT / "deploy" / "homeassistant" / "nodered_flow.json"
COMPLAINTS = ("[error]", "[warn]", "missing types", "Waiting for missing")
# What it says in every new user directory, whatever the flow.
ALWAYS = ("Projects disabled", "Encrypted credentials not found")


def default_environment() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "procrastobot" / "node-red"


def make_environment(path: Path) -> None:
    if (path / "node_modules" / "node-red").is_dir():
        return
    print(f"installing Node-RED into {path} (a minute)", file=sys.stderr)
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["npm", "install", "--silent", "node-red"], cwd=path, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", type=Path, default=default_environment())
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    make_environment(args.environment)
    with tempfile.TemporaryDirectory(prefix="procrastobot-nodered-") as name:
        findings = run(args.environment, Path(name))
    for finding in findings:
        mark = "ok  " if finding.ok else "FAIL"
        print(f"{mark} {finding.what:50} {finding.took_s:5.1f} s  {finding.note}")
    if args.json:
        args.json.write_text(json.dumps([asdict(f) for f in findings], indent=1))
    return 0 if all(finding.ok for finding in findings) else 1


def run(environment: Path, directory: Path) -> list[Finding]:
    broker = Mosquitto(directory, "log_type all")  # which includes who subscribes to what
    broker.start()
    flow = json.loads(FLOW.read_text())
    topics = {node["topic"] for node in flow if node["type"] == "mqtt in"}
    for node in flow:
        if node["type"] == "mqtt-broker":
            node["broker"], node["port"] = "127.0.0.1", str(broker.port)
    (directory / "flow.json").write_text(json.dumps(flow))
    port = free_port()
    log_path = directory / "node-red.log"
    red = subprocess.Popen(
        [
            str(environment / "node_modules" / ".bin" / "node-red"),
            "-u", str(directory / "user"), "-p", str(port), str(directory / "flow.json"),
        ],
        stdout=log_path.open("w"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    box = Box(directory / "box", broker.port)
    lamp = Subscriber(broker.port, ("home/desk-lamp/set",))
    state = Subscriber(broker.port, ("procrastobot/desk/state",))
    findings: list[Finding] = []

    def see(what: str, subscriber: Subscriber, wanted: object) -> None:
        began = time.monotonic()
        try:
            subscriber.wait_for(lambda _: wanted(subscriber), 30)  # type: ignore[operator]
            note = ""
        except AssertionError as exc:
            note = str(exc)[:200]
        took_s = round(time.monotonic() - began, 1)
        findings.append(Finding("node-red", what, not note, took_s, note))

    def press(node: str) -> None:
        address = f"http://127.0.0.1:{port}/inject/{node}"
        urllib.request.urlopen(urllib.request.Request(address, method="POST"), timeout=10)

    def listens() -> bool:
        # The box and this check subscribe to others, without wildcards.
        lines = broker.log_path.read_text().splitlines()
        return topics <= {line.rpartition(" ")[2] for line in lines}

    try:
        box.start()
        wait_for(listens, lambda: f"Node-RED says: {log_path.read_text()[-2000:]}")
        press("pb-start")
        see(
            "its button starts focus",
            state,
            lambda s: s.heard and json.loads(s.heard[-1].payload)["session"] == "focus",
        )
        see("the lamp turns red", lamp, lambda s: s.of("set")[-1:] == [b"red"])
        box.say(see="phone")
        see("a pick-up flashes it", lamp, lambda s: s.of("set")[-1:] == [b"flash"])
        press("pb-stop")
        see("the other button ends it, and the lamp", lamp, lambda s: s.of("set")[-1:] == [b"off"])
        log = log_path.read_text()
        bad = [
            line
            for line in log.splitlines()
            if any(word in line for word in COMPLAINTS)
            and not any(word in line for word in ALWAYS)
            and not line.endswith("[warn] ")
        ]
        findings.append(Finding("node-red", "no complaint", not bad, 0.0, "; ".join(bad)[:300]))
    finally:
        lamp.close()
        state.close()
        box.kill()
        red.terminate()
        red.wait(20)
        broker.kill()
    return findings


if __name__ == "__main__":
    sys.exit(main())
