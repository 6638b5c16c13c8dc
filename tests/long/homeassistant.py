"""The box in a real Home Assistant: `python -m tests.long.homeassistant`.

Starts mosquitto, Home Assistant and a box, and asserts every entity's state, every command's round
trip, triggers and blueprint, the last will, and that all comes back after every restart in every
order, with the right values and nothing reloaded by hand. Prints a table.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from edge import __version__, settings
from edge.config import Config
from edge.mqtt import discovery
from edge.mqtt.payloads import LATE_AFTER_S
from tests.broker import Mosquitto, Proxy, Subscriber, free_port
from tests.long.ha import HomeAssistant, Refused, default_environment, make_environment
from tests.process import Process
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 60.0
INSTALL = 1  # UpdateEntityFeature.INSTALL

HELPERS = """
input_boolean:
  lamp:
    name: Lamp
counter:
  pickups:
  by_device_trigger:
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `took_s`: until it was so."""

    part: str
    what: str
    ok: bool
    took_s: float
    note: str = ""


class Box(Process):
    """The box's process, and what its owner does."""

    def __init__(self, directory: Path, broker_port: int, seats: str = "") -> None:
        super().__init__(directory / "box.log")
        directory.mkdir(exist_ok=True)
        self.config_path = directory / "config.toml"
        self.notice_path = directory / "latest.json"
        self.config_path.write_text(
            f"""
[box]
updates = "{self.notice_path}"
[mqtt]
host = "127.0.0.1"
port = {broker_port}
health_s = 5
keepalive_s = 5
[history]
path = "{directory / "history.db"}"
[policy]
phone_hold_s = 1.0
putdown_hold_s = 0.5
away_hold_s = 1.0
return_hold_s = 0.5
[nudge]
mode = "gentle"
{seats}
"""
        )
        self.config = settings.load(self.config_path)

    def start(self) -> None:
        process = self.begin(
            [sys.executable, "-m", "tests.long.box", str(self.config_path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    def is_told_of(self, version: str, notes: str, url: str) -> None:
        """A newer version, by a notice where the box looks for one."""
        notice = {"version": version, "notes": notes, "url": url}
        self.notice_path.write_text(json.dumps(notice))

    def say(self, **order: Any) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def until_it_logs(self, happening: str, **order: Any) -> None:
        """Give the order, and wait for what it leads to where no broker is needed to see it."""
        before = len(self.log_path.read_text())
        self.say(**order)
        wait_for(
            lambda: happening in self.log_path.read_text()[before:],
            lambda: f"no {happening!r} in the box's log: {self.log_path.read_text()[-1000:]}",
            PATIENCE_S,
        )


Published = dict[str, dict[str, Any]]


def expected(config: Config) -> dict[str, Callable[[Published], object]]:
    """What Home Assistant has to show for each component, from what the box published last.

    Written out by hand, so that a template that is wrong has something to disagree with.
    """

    def on(value: object) -> str:
        return "on" if value else "off"

    def minutes(seconds: float) -> float:
        return round(seconds / 60, 1)

    table: dict[str, Callable[[Published], object]] = {
        "activity": lambda p: p["state"]["activity"],
        "session": lambda p: p["state"]["session"],
        "level": lambda p: p["state"]["level"],
        "reason": lambda p: p["state"]["reason"],
        "pickups_this_session": lambda p: p["state"]["pickups_this_session"],
        "next_break": lambda p: p["state"]["next_break"] or "unknown",
        "until": lambda p: p["state"]["until"] or "unknown",
        "snooze_until": lambda p: p["state"]["snooze_until"] or "unknown",
        "mode": lambda p: p["state"]["mode"],
        "mute": lambda p: on(p["state"]["muted"]),
        "grace": lambda p: p["state"]["grace_s"],
        "volume": lambda p: round(100 * p["state"]["volume"]),
        "tune": lambda p: p["state"]["tune"],
        "buzzer": lambda p: on(p["state"]["sound"]),
        "camera_fault": lambda p: on({"camera", "lens"} & set(p["state"]["faults"])),
        "detector_fault": lambda p: on("detector" in p["state"]["faults"]),
        "disk_fault": lambda p: on("disk" in p["state"]["faults"]),
        "view": lambda p: p["state"]["view"],
        "focus_today": lambda p: minutes(p["today"]["focus_s"]),
        "phone_today": lambda p: minutes(p["today"]["phone_s"]),
        "away_today": lambda p: minutes(p["today"]["away_s"]),
        "break_today": lambda p: minutes(p["today"]["break_s"]),
        "pickups_today": lambda p: p["today"]["pickups"],
        "sessions_today": lambda p: p["today"]["sessions"],
        "streak": lambda p: p["today"]["streak"],
        "update": lambda p: (
            "unknown" if p["state"]["newest"] is None else on(p["state"]["newest"]["newer"])
        ),
        "fps": lambda p: p["health"]["fps"] or "unknown",
        "temperature": lambda p: p["health"]["temperature_c"] or "unknown",
        "throttled": lambda p: (
            "unknown" if p["health"]["throttled"] is None else on(p["health"]["throttled"])
        ),
    }

    def of_seat(name: str, slug: str) -> None:
        table[f"{slug}_phone"] = lambda p: on(p["state"]["seats"][name]["activity"] == "phone")
        table[f"{slug}_occupied"] = lambda p: on(
            p["state"]["seats"][name]["activity"] in ("working", "phone")
        )
        table[f"{slug}_activity"] = lambda p: p["state"]["seats"][name]["activity"]
        table[f"{slug}_phone_today"] = lambda p: minutes(p["today"]["seats"][name]["phone_s"])
        table[f"{slug}_pickups_today"] = lambda p: p["today"]["seats"][name]["pickups"]

    for name, slug in discovery.seat_slugs(config).items():
        of_seat(name, slug)
    return table


# States are times or nothing: what a button was pressed or an event was heard last.
MOMENTS = frozenset({"button", "event"})


class Check:
    def __init__(self, home: HomeAssistant, box: Box, broker: Mosquitto, proxy: Proxy) -> None:
        self.home = home
        self.box = box
        self.broker = broker
        self.proxy = proxy
        self.findings: list[Finding] = []
        self.entities: dict[str, str] = {}

    # ------------------------------------------------------------ looking

    def until(
        self, part: str, what: str, wanted: Callable[[], str], patience_s: float = PATIENCE_S
    ) -> None:
        """Record how long it took until `wanted` had nothing to complain of."""
        began = time.monotonic()
        complaint = "never looked"
        while time.monotonic() - began < patience_s:
            try:
                complaint = wanted()
            except (OSError, KeyError, ValueError, AssertionError, Refused) as exc:
                complaint = f"{type(exc).__name__}: {exc}"
            if not complaint:
                break
            time.sleep(0.2)
        took_s = time.monotonic() - began
        self.findings.append(Finding(part, what, not complaint, round(took_s, 1), complaint[:300]))
        mark = "ok  " if not complaint else "FAIL"
        print(f"{mark} {part:12} {what:58} {took_s:6.1f} s  {complaint[:300]}", flush=True)

    def published(self) -> Published:
        """What is retained now, as a newcomer hears it."""
        base = f"procrastobot/{self.box.config.box.id}"
        newcomer = Subscriber(self.broker.port, (f"{base}/+",))
        names = ("state", "today", "health")
        try:
            newcomer.wait_for(lambda _: all(newcomer.of(f"/{name}") for name in names), 5)
            return {name: json.loads(newcomer.of(f"/{name}")[-1]) for name in names}
        finally:
            newcomer.close()

    def find_entities(self) -> str:
        listed = self.home.ask(type="config/entity_registry/list")
        prefix = f"procrastobot_{self.box.config.box.id}_"
        self.entities = {
            entry["unique_id"].removeprefix(prefix): entry["entity_id"]
            for entry in self._own(listed, prefix)
        }
        parts = discovery.components(self.box.config)
        wanted = {key for key, part in parts.items() if "unique_id" in part}
        missing, extra = wanted - set(self.entities), set(self.entities) - wanted
        return f"missing {sorted(missing)}, unexpected {sorted(extra)}" if missing | extra else ""

    @staticmethod
    def _own(listed: list[dict[str, Any]], prefix: str) -> list[dict[str, Any]]:
        own = [entry for entry in listed if entry["platform"] == "mqtt"]
        return [entry for entry in own if entry["unique_id"].startswith(prefix)]

    def enabled(self) -> dict[str, dict[str, Any]]:
        parts = discovery.components(self.box.config)
        return {
            key: part
            for key, part in parts.items()
            if "unique_id" in part and part.get("enabled_by_default", True)
        }

    def all_right(self) -> str:
        """Nothing, or which entities do not show what was published."""
        published = self.published()
        states = self.home.states()
        table = expected(self.box.config)
        wrong = []
        for key, part in self.enabled().items():
            state = states.get(self.entities[key], {}).get("state", "(none)")
            if state == "unavailable" or state == "(none)":
                wrong.append(f"{key} is {state}")
            elif part["platform"] not in MOMENTS and not same(state, table[key](published)):
                wrong.append(f"{key} is {state}, not {table[key](published)}")
        return "; ".join(wrong)

    def all_unavailable(self) -> str:
        states = self.home.states()
        up = [key for key in self.enabled() if states[self.entities[key]]["state"] != "unavailable"]
        return f"still available: {up}" if up else ""

    def shows(self, key: str, value: object) -> Callable[[], str]:
        def look() -> str:
            state = self.home.states()[self.entities[key]]["state"]
            return "" if same(state, value) else f"{key} is {state}, not {value}"

        return look

    # ------------------------------------------------------------ parts

    def commands(self) -> None:
        part = "commands"
        home, entity = self.home, self.entities
        home.service("select", "select_option", entity_id=entity["session"], option="focus")
        self.until(part, "session: focus", self.shows("session", "focus"))
        self.until(part, "all entities in a focus session", self.all_right)
        home.service("button", "press", entity_id=entity["snooze"])
        self.until(
            part,
            "snooze: snoozed until",
            lambda: "" if self.published()["state"]["snooze_until"] else "not snoozed",
        )
        self.until(part, "all entities while snoozed", self.all_right)
        for option in ("paused", "focus", "idle"):
            home.service("select", "select_option", entity_id=entity["session"], option=option)
            self.until(part, f"session: {option}", self.shows("session", option))
        for option in ("strict", "light-only", "gentle"):
            home.service("select", "select_option", entity_id=entity["mode"], option=option)
            self.until(part, f"mode: {option}", self.shows("mode", option))
        for option in ("ahem", self.published()["state"]["tune"]):
            home.service("select", "select_option", entity_id=entity["tune"], option=option)
            self.until(part, f"tune: {option}", self.shows("tune", option))
        for turn in ("on", "off"):
            home.service("switch", f"turn_{turn}", entity_id=entity["mute"])
            self.until(part, f"mute: {turn}", self.shows("mute", turn))
        home.service("number", "set_value", entity_id=entity["volume"], value=35)
        self.until(part, "volume: 35 %", self.shows("volume", 35))
        home.service("number", "set_value", entity_id=entity["grace"], value=2.5)
        self.until(part, "grace: 2.5 s", self.shows("grace", 2.5))
        home.service("number", "set_value", entity_id=entity["grace"], value=1)
        self.until(part, "grace: 1 s", self.shows("grace", 1))
        for tone in ("buzzer", "chirp", "loud"):
            home.service("siren", "turn_on", entity_id=entity["buzzer"], tone=tone)
            self.until(part, f"siren: {tone} sounds", self.shows("buzzer", "on"), 5)
            home.service("siren", "turn_off", entity_id=entity["buzzer"])
            self.until(part, f"siren: {tone} is turned off", self.shows("buzzer", "off"), 5)
        home.service("button", "press", entity_id=entity["test_lights"])
        self.until(
            part,
            "test lights",
            lambda: "" if self.published()["state"]["testing"] == "lights" else "no test",
            5,
        )
        base = f"procrastobot/{self.box.config.box.id}"
        ear = Subscriber(self.broker.port, (f"{base}/event",))
        home.service("button", "press", entity_id=entity["not_a_phone"])
        self.until(
            part,
            "not a phone: refused, as nothing alarms",
            lambda: "" if ear.of("/event") and b"refused" in ear.of("/event")[-1] else "unheard",
        )
        ear.close()

    def story(self) -> None:
        part = "story"
        device = self.home.render(f"{{{{ device_id('{self.entities['session']}') }}}}")
        listed = self.home.ask(type="device_automation/trigger/list", device_id=device)
        own = {(t["type"], t["subtype"]) for t in listed if t["domain"] == "mqtt"}
        wanted = {
            (p["type"], p["subtype"])
            for p in discovery.components(self.box.config).values()
            if p["platform"] == "device_automation"
        }
        self.until(part, "device triggers", lambda: "" if own == wanted else f"{own ^ wanted}")
        seat = self.box.config.seats[0].name
        slug = discovery.seat_slugs(self.box.config)[seat]
        self.automate(
            "by_device_trigger",
            {
                "alias": "By device trigger",
                "triggers": [
                    {
                        "trigger": "device",
                        "domain": "mqtt",
                        "device_id": device,
                        "type": "picked_up",
                        "subtype": seat,
                    }
                ],
                "actions": [
                    {
                        "action": "counter.increment",
                        "target": {"entity_id": "counter.by_device_trigger"},
                    }
                ],
            },
        )
        lamp = {"target": {"entity_id": "input_boolean.lamp"}}
        self.automate(
            "companion",
            {
                "alias": "Companion",
                "use_blueprint": {
                    "path": "procrastobot/focus_companion.yaml",
                    "input": {
                        "box": device,
                        "seat": seat,
                        "focus_starts": [{"action": "input_boolean.turn_on", **lamp}],
                        "focus_ends": [{"action": "input_boolean.turn_off", **lamp}],
                        "picked_up": [
                            {
                                "action": "counter.increment",
                                "target": {"entity_id": "counter.pickups"},
                            }
                        ],
                    },
                },
            },
        )
        states = self.home.states
        self.box.say(see="desk")
        self.box.say(press="short")
        self.until(part, "the button starts focus", self.shows("session", "focus"))
        self.until(
            part,
            "the blueprint turns the lamp on",
            lambda: "" if states()["input_boolean.lamp"]["state"] == "on" else "off",
        )
        self.until(part, "working", self.shows("activity", "working"))
        self.until(part, "seat occupied", self.shows(f"{slug}_occupied", "on"))
        self.box.say(see="phone")
        self.until(part, "phone in use", self.shows(f"{slug}_phone", "on"))
        self.until(part, "level 1", self.shows("level", 1))

        def event() -> str:
            found = states()[self.entities[f"{slug}_event"]]["attributes"]
            return "" if found.get("event_type") == "pickup" else f"{found}"

        self.until(part, "event entity: pickup", event)

        def counted(counter: str) -> Callable[[], str]:
            return lambda: "" if states()[f"counter.{counter}"]["state"] == "1" else "not 1"

        for counter in ("by_device_trigger", "pickups"):
            self.until(part, f"one count by {counter}", counted(counter))
        self.until(part, "all entities during a pick-up", self.all_right)
        self.box.say(see="desk")
        self.until(part, "put down", self.shows(f"{slug}_phone", "off"))
        self.box.say(see="nobody")
        self.until(part, "away", self.shows("activity", "away"))
        self.box.say(see="desk")
        self.box.say(plugged=False)
        self.until(part, "camera fault", self.shows("camera_fault", "on"))
        self.box.say(plugged=True)
        self.until(part, "camera well again", self.shows("camera_fault", "off"))
        self.box.say(press="long")
        self.until(part, "the held button ends it", self.shows("session", "idle"))
        self.until(
            part,
            "the blueprint turns the lamp off",
            lambda: "" if states()["input_boolean.lamp"]["state"] == "off" else "on",
        )

    def automate(self, name: str, definition: dict[str, Any]) -> None:
        """Make an automation and wait until it listens."""
        subscribed = self.subscriptions()
        self.home.automation(name, definition)
        self.until(
            "story",
            f"the automation {name} is on",
            lambda: "" if self.home.states()[f"automation.{name}"]["state"] == "on" else "off",
        )
        # It may be on before it hears: the topic is subscribed to once more for its triggers.
        self.until(
            "story",
            "  and listens",
            lambda: "" if self.subscriptions() > subscribed else "not subscribed",
        )

    def subscriptions(self) -> int:
        """How often Home Assistant has subscribed to the events of the box."""
        topic = f" procrastobot/{self.box.config.box.id}/event"
        lines = self.broker.log_path.read_text().splitlines()
        return sum(line.endswith(topic) for line in lines)

    def late_news(self) -> None:
        """Events of an outage reach the broker, and fire nothing."""
        part = "late news"
        base = f"procrastobot/{self.box.config.box.id}"
        count = self.home.states()["counter.by_device_trigger"]["state"]
        self.proxy.refuse()
        self.box.until_it_logs("session start", press="short")
        self.box.until_it_logs("pickup", see="phone")
        self.box.say(see="desk")
        # A real limit, waited out: after that long an event is news no more.
        time.sleep(LATE_AFTER_S + 2)
        ear = Subscriber(self.broker.port, (f"{base}/event",))
        self.proxy.accept()
        self.until(
            part,
            "the pick-up of the outage arrives, marked as late",
            lambda: (
                ""
                if any(
                    json.loads(e)["type"] == "pickup" and json.loads(e)["late"]
                    for e in ear.of("/event")
                )
                else "not yet"
            ),
        )
        ear.close()
        # What the box says after the event shows that Home Assistant has had the event.
        self.until(part, "and the session of the outage", self.shows("session", "focus"))
        self.box.say(press="long")
        self.until(part, "and its end", self.shows("session", "idle"))
        self.until(
            part,
            "and no automation fires for it",
            lambda: (
                ""
                if self.home.states()["counter.by_device_trigger"]["state"] == count
                else "it fired"
            ),
        )
        self.until(part, "all entities after the outage", self.all_right)

    def last_will(self) -> None:
        self.box.kill()
        self.until("last will", "kill -9: every entity unavailable", self.all_unavailable)
        self.box.start()
        self.until("last will", "started again: every entity right", self.all_right)
        self.box.stop()
        self.until("goodbye", "stopped: every entity unavailable", self.all_unavailable)
        self.box.start()
        self.until("goodbye", "started again: every entity right", self.all_right)

    def restarts(self, *, persistent: bool) -> None:
        """Every set of the three, stopped in each order and started in each order."""
        kind = "kept" if persistent else "forgotten"
        part = f"restart/{'p' if persistent else 'n'}"
        actors: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
            "box": (self.box.kill, self.box.start),
            "broker": (self.broker.stop if persistent else self.broker.kill, self.broker.start),
            "home": (self.home.stop, self.home.start),
        }
        volume = 10
        for size in (1, 2, 3):
            for names in itertools.permutations(actors, size):
                for name in names:
                    actors[name][0]()
                for name in names:
                    actors[name][1]()
                what = f"{', '.join(names)} (retained is {kind})"
                self.until(part, what, self.all_right, 120)
                # A value that was not there before, so that no old one passes for right.
                volume = volume % 90 + 7
                self.home.service(
                    "number", "set_value", entity_id=self.entities["volume"], value=volume
                )
                self.until(part, "  and obeys", self.shows("volume", volume))

    def outage(self) -> None:
        part = "network"
        self.proxy.stall()
        self.until(part, "swallows everything: unavailable", self.all_unavailable, 90)
        self.home.stop()
        self.home.start()
        self.until(part, "and still so for a new Home Assistant", self.all_unavailable, 90)
        self.box.until_it_logs("session start", press="short")
        self.proxy.cut()
        self.proxy.flow()
        self.until(part, "back: every entity right", self.all_right, 120)
        self.until(part, "with what happened meanwhile", self.shows("session", "focus"))
        self.box.say(press="long")
        self.until(part, "and obeys the button", self.shows("session", "idle"))

    def seats(self) -> None:
        """A second seat comes, and goes, as components of the same device."""
        part = "seats"
        self.box.stop()
        text = self.box.config_path.read_text()
        two = '[[seats]]\nname = "desk"\nbox = [0, 0, 1, 0.5]\n[[seats]]\nname = "sofa"\n'
        two += "box = [0, 0.5, 1, 1]\n"
        self.box.config_path.write_text(text + two)
        self.box.config = settings.load(self.box.config_path)
        self.box.start()
        self.until(part, "a second seat is more entities", self.find_entities)
        self.until(part, "all of them right", self.all_right)
        device_ids = {
            self.home.render(f"{{{{ device_id('{entity}') }}}}")
            for entity in self.entities.values()
        }
        self.until(part, "of one device", lambda: "" if len(device_ids) == 1 else "several")
        self.box.stop()
        self.box.config_path.write_text(text)
        self.box.config = settings.load(self.box.config_path)
        self.box.start()
        self.until(part, "its entities go with it", self.find_entities)
        self.until(part, "all others right", self.all_right)

    def update(self) -> None:
        """Told, and no more: what is installed is signed, and taken at the box itself."""
        part, notes, url = "update", "Sees better.", "https://a.example/99"
        self.box.is_told_of("99.0", notes, url)

        def offered() -> str:
            shown = self.home.states()[self.entities["update"]]
            wanted = {
                "installed_version": __version__,
                "latest_version": "99.0",
                "title": "Procrastobot",
                "release_summary": notes,
                "release_url": url,
            }
            wrong = {name: shown["attributes"].get(name) for name in wanted}
            wrong = {name: value for name, value in wrong.items() if value != wanted[name]}
            if shown["attributes"]["supported_features"] & INSTALL:
                return "there is a button that installs nothing"
            return f"{shown['state']}, {wrong}" if wrong or shown["state"] != "on" else ""

        # The box looks at the file once a minute.
        self.until(part, "a newer version is told, with its notes", offered, 120)
        self.box.is_told_of(__version__, notes, url)
        self.until(part, "the one that runs is up to date", self.shows("update", "off"), 120)

    def complaints(self) -> None:
        found = self.home.complaints()
        self.until(
            "log",
            "Home Assistant has no complaint about the box",
            lambda: "\n".join(found[:5]),
            0.1,
        )
        for line in found:
            print("    ", line)


def same(state: str, value: object) -> bool:
    """Home Assistant writes numbers and times its own way."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return abs(float(state) - value) < 1e-6
        except ValueError:
            return False
    text = str(value)
    if state == text:
        return True
    try:
        return datetime.fromisoformat(state) == datetime.fromisoformat(text)
    except (ValueError, TypeError):
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", type=Path, default=default_environment())
    parser.add_argument("--python", default=sys.executable, help="for a new environment")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings there")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work there, and leave it")
    parser.add_argument("--quick", action="store_true", help="without the matrix of restarts")
    args = parser.parse_args()
    make_environment(args.environment, args.python)
    directory = args.keep or Path(tempfile.mkdtemp(prefix="procrastobot-ha-"))
    directory.mkdir(exist_ok=True, parents=True)
    check = run(args.environment, directory, quick=args.quick)
    failed = [finding for finding in check.findings if not finding.ok]
    print(f"{len(check.findings) - len(failed)} passed, {len(failed)} failed")
    if args.json:
        args.json.write_text(json.dumps([asdict(f) for f in check.findings], indent=1))
    if not args.keep:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if failed else 0


def run(environment: Path, directory: Path, *, quick: bool) -> Check:
    brokers = {}
    for name, lines in (
        ("forgets", ()),
        ("keeps", ("persistence true", f"persistence_location {directory / 'keeps'}/")),
    ):
        (directory / name).mkdir(exist_ok=True)
        brokers[name] = Mosquitto(directory / name, *lines, "log_type all")  # and who subscribes
    broker = brokers["forgets"]
    broker.start()
    # Home Assistant and the box go through one door each, so that either way can be cut, and the
    # broker behind can be exchanged.
    proxy = Proxy(broker.port)
    door = Proxy(broker.port)
    home_directory = directory / "home"
    home = HomeAssistant(environment, home_directory, free_port(), extra=HELPERS)
    blueprints = home_directory / "blueprints" / "automation" / "procrastobot"
    blueprints.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "deploy" / "homeassistant" / "focus_companion.yaml", blueprints)
    box = Box(directory / "box", proxy.port)
    check = Check(home, box, broker, proxy)
    try:
        home.start()
        home.set_up()
        home.connect_mqtt(door.port)
        print(f"Home Assistant {home.version}", flush=True)
        box.start()
        check.until("entities", "one message makes them all", check.find_entities)
        check.until("entities", f"{len(check.enabled())} show what is so", check.all_right)
        check.commands()
        check.story()
        check.update()
        check.last_will()
        check.seats()
        if not quick:
            check.late_news()
            check.outage()
            check.restarts(persistent=False)
            broker.stop()
            check.broker = brokers["keeps"]
            check.broker.start()
            proxy.target = door.target = check.broker.port
            proxy.cut()
            door.cut()
            check.until("broker", "another one, with persistence", check.all_right)
            check.restarts(persistent=True)
        check.complaints()
    finally:
        box.kill()
        home.stop()
        for each in brokers.values():
            each.kill()
        proxy.close()
        door.close()
    return check


if __name__ == "__main__":
    sys.exit(main())
