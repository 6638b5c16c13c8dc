"""`procrastobot selftest`: tries every part, one line each, and prints a report for an issue."""

from __future__ import annotations

import argparse
import json
import os
import platform
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.config import Config
    from edge.devices.board import Board
    from edge.domain import Color, Frame

HELP = "try each light, the buzzer, the button, the camera, the detector, the broker, the disk"
EPILOG = """examples:
  procrastobot selftest                    at the box: it asks what you see and hear
  procrastobot selftest --yes              nobody there: drives the parts, asks nothing
  procrastobot selftest --only camera,disk
  procrastobot selftest --only lights      both kinds of lights
  procrastobot selftest --play stairs      one tune, or one pattern of the lights (list: all)
  procrastobot selftest --play "own:d=8,o=5,b=120:c,e,g"
  procrastobot selftest --json             for programs

The service holds the camera and the pins: first `sudo systemctl stop procrastobot`.
Each line says ok, failed, simulated (there is no such part behind it) or skipped, and what to do.
The report at the end holds no secrets, no addresses and no pictures; paste it into an issue.
Exit code 1 when something failed.
"""

PARTS = (
    "status light",
    "warning lights",
    "buzzer",
    "button",
    "camera",
    "detector",
    "broker",
    "disk",
    "history",
    "clock",
    "power",
    "systemd",
)
SHORT = {"lights": ("status light", "warning lights")}  # what --only takes for several
LIT_S = 0.7
PRESS_PATIENCE_S = 10.0
FRAMES = 10
LITTLE_SPACE_MIB = 200
UNIT = "procrastobot.service"


class Verdict(StrEnum):
    OK = "ok"
    FAILED = "failed"
    SIMULATED = "simulated"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was tried, how it went, and what to do about it (empty: nothing)."""

    part: str
    verdict: Verdict
    text: str
    advice: str = ""

    def __str__(self) -> str:
        line = f"{self.part:15} {self.verdict:10} {self.text}"
        return f"{line}; {self.advice}" if self.advice else line


Ask = Callable[[str], bool] | None  # a question for the person at the box; None: nobody is there


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file")
    parser.add_argument("--source", help="camera.source to try instead of the configured one")
    parser.add_argument("--yes", action="store_true", help="ask nothing, wait for nobody")
    parser.add_argument("--json", action="store_true", help="findings and report as JSON")
    parser.add_argument(
        "--only", metavar="PARTS", help=f"some parts, with commas between: {', '.join(PARTS)}"
    )

    parser.add_argument(
        "--play",
        metavar="NAME",
        help="play a tune or show a pattern of the lights, and nothing else: a name (list: all), a"
        " tune written out in RTTTL, or a file",
    )


def run(args: argparse.Namespace) -> int:
    from edge import service, settings, zone

    wanted: tuple[str, ...] = PARTS
    if args.only:
        named = [part.strip() for part in args.only.split(",")]
        wanted = tuple(part for name in named for part in SHORT.get(name, (name,)))
    unknown = sorted(set(wanted) - set(PARTS))
    if unknown:
        print(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    path = args.config or settings.find()
    config = settings.load(path)
    zone.use(config.box.timezone)
    if args.source:
        config = settings.override(config, {"camera.source": args.source})
    if args.play:
        return play(config, args.play)
    attended = sys.stdin.isatty() and sys.stdout.isatty() and not args.yes and not args.json
    findings = []
    with service.credentials(path):
        for finding in examine(config, wanted, _ask if attended else None, path):
            findings.append(finding)
            if not args.json:
                print(finding, flush=True)
    versions = report()
    if args.json:
        print(json.dumps({"findings": [asdict(each) for each in findings], "report": versions}))
    else:
        print("\n".join(["", *(f"{name}: {value}" for name, value in versions.items())]))
    return int(any(finding.verdict is Verdict.FAILED for finding in findings))


def examine(
    config: Config, wanted: tuple[str, ...], ask: Ask, path: Path | None = None
) -> Iterator[Finding]:
    """Each wanted part's finding, as soon as it is known. Raises nothing for a broken part.

    `path`: the file that the configuration comes from.
    """
    if set(wanted) & set(PARTS[:4]):
        yield from _board(config, wanted, ask)
    frame: Frame | None = None
    if "camera" in wanted:
        finding, frame = _camera(config)
        yield finding
    checks: dict[str, Callable[[], Finding]] = {
        "detector": lambda: _detector(config, frame),
        "broker": lambda: _broker(config),
        "disk": lambda: _disk(config, path),
        "history": lambda: _history(config, path),
        "clock": _clock,
        "power": _power,
        "systemd": _systemd,
    }
    for part, check in checks.items():
        if part in wanted:
            yield check()


# ---------------------------------------------------------------- one tune, one pattern

PLAYED_S = 4.0  # how long a pattern is shown


def play(config: Config, name: str) -> int:
    """Let one tune or pattern be heard or seen, in the mode's volume and brightness."""
    from edge import patterns, tunes
    from edge.app import CannotStart, with_tunes
    from edge.devices.board import BoardError, open_board
    from edge.devices.terminal import in_words, tune_in_words
    from edge.domain import Tune

    if name == "list":
        for melody in tunes.LIBRARY.values():
            print(f"{melody.name:14} tune, {melody.length_s:.1f} s, {melody.loudness}")
        for each, pattern in patterns.PATTERNS.items():
            print(f"{each:14} lights: {in_words(pattern)}")
        return 0
    ladder = config.ladder(config.nudge.mode)
    tune: Tune | None = None
    if name not in patterns.PATTERNS:
        try:
            read = with_tunes(replace(config, nudge=replace(config.nudge, chirp=name)))
            if not tunes.is_file(name):
                tunes.find(name)
        except (CannotStart, tunes.NoTune) as exc:
            print(f"{name[:40]}: {exc}", file=sys.stderr)
            return 2
        melody, file = tunes.chosen(read.nudge.chirp, config.nudge.chirp)
        at_most_s = tunes.LONGEST_S if not file else config.nudge.longest_sound_s
        tune = Tune(melody.name, melody.notes, ladder.volume_cap, 0.0, at_most_s, file)
    try:
        with open_board(config.hardware, inbox=queue.SimpleQueue()) as board:
            simulated = board.simulated
            if tune is None:
                shown = patterns.scaled(name, ladder.brightness)
                board.lights.show(shown)
                text = in_words(shown)
                time.sleep(PLAYED_S)
            else:
                if board.buzzer.simulated is not None:
                    simulated = board.buzzer.simulated
                if tune.file and board.profile.speaker is None:
                    print(f"{name}: only a board with a speaker plays files", file=sys.stderr)
                    return 2
                text = tune.file or tune_in_words(tune)
                board.buzzer.play(tune)
                _until_silent(board, melody.length_s if not tune.file else tune.at_most_s)
    except (BoardError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 1
    print(f"{text} ({board.description}{'; simulated' if simulated else ''})")
    return 0


def _until_silent(board: Board, at_most_s: float) -> None:
    """Wait for the end of what plays. Raises OSError when it could not be played."""
    from edge.devices.buzzer import SILENCE

    if board.profile.speaker is None:
        time.sleep(at_most_s + 0.1)
        return
    end_s = time.monotonic() + at_most_s + 1.0
    quiet = 0
    while time.monotonic() < end_s and quiet < 10:
        time.sleep(0.05)
        quiet = quiet + 1 if board.buzzer.tone == SILENCE else 0
    board.buzzer.play(None)


# ---------------------------------------------------------------- lights, buzzer, button


def _board(config: Config, wanted: tuple[str, ...], ask: Ask) -> Iterator[Finding]:
    from edge.devices.board import BoardError, open_board

    inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
    try:
        opened = open_board(config.hardware, inbox=inbox)
    except BoardError as exc:
        for part in PARTS[:4]:
            if part in wanted:
                advice = f"does the service hold the pins? sudo systemctl stop {UNIT}"
                yield Finding(part, Verdict.FAILED, str(exc), advice)
        return
    with opened as board:
        if "status light" in wanted:
            yield _status_light(board, ask)
        if "warning lights" in wanted:
            yield _warning_lights(board, ask)
        if "buzzer" in wanted:
            yield _buzzer(board, ask)
        if "button" in wanted:
            yield _button(board, inbox, ask)


def _status_light(board: Board, ask: Ask) -> Finding:
    from edge.domain import Color

    pins, ring = board.profile.status, board.profile.ring
    if pins is not None:
        places = [f"GPIO {pin}" for pin in (pins.red, pins.green, pins.blue)]
        where = f"GPIO {pins.red}, {pins.green}, {pins.blue}"
    elif ring is not None:
        where = f"ring of {ring.count} on {ring.device}"
        places = [ring.device] * 3
    else:
        return _not_on_board("status light", board)
    wrong = []
    for color, place in zip((Color.RED, Color.GREEN, Color.BLUE), places, strict=True):
        if not _lit(board, color, 0.0, ask, f"Is the status light {color}?"):
            wrong.append(f"{color} ({place})")
    return _driven("status light", board, where, ask, wrong)


def _warning_lights(board: Board, ask: Ask) -> Finding:
    from edge.domain import Color

    if not board.profile.warnings:
        return _not_on_board("warning lights", board)
    where = "GPIO " + ", ".join(str(each.pin) for each in board.profile.warnings)
    lit = _lit(board, Color.OFF, 1.0, ask, f"Do all warning lights shine ({where})?")
    return _driven("warning lights", board, where, ask, [] if lit else [where])


def _lit(board: Board, color: Color, warning: float, ask: Ask, question: str) -> bool:
    from edge.domain import LightPattern

    board.lights.show(LightPattern(color=color, warning=warning))
    answer = ask(question) if ask else True
    if ask is None:
        time.sleep(LIT_S)
    board.lights.show(LightPattern())
    return answer


def _buzzer(board: Board, ask: Ask) -> Finding:
    from edge.domain import Note, Tune

    pins, speaker = board.profile.buzzer, board.profile.speaker
    if speaker is not None:
        where = f"speaker by {speaker.kind}"
    elif pins is not None:
        where = f"GPIO {pins.pin}, {pins.kind}"
    else:
        return _not_on_board("buzzer", board)
    notes = tuple(Note(hz, 0.12) for hz in (1000, 1500, 2000, 2700, 4000))
    board.buzzer.play(Tune("selftest", notes, volume=0.5))
    time.sleep(len(notes) * 0.12 + 0.2)
    try:
        board.buzzer.play(None)  # what went wrong while playing is told now
    except Exception as exc:  # noqa: BLE001 - whatever a device raises is a line here
        return Finding("buzzer", Verdict.FAILED, str(exc))
    heard = ask("Did the buzzer sound?") if ask else True
    return _driven("buzzer", board, where, ask, [] if heard else [where])


def _button(board: Board, inbox: queue.SimpleQueue[object], ask: Ask) -> Finding:
    pins = board.profile.button
    if pins is None:
        return _not_on_board("button", board)
    where = f"GPIO {pins.pin}"
    if board.simulated:
        return Finding("button", Verdict.SIMULATED, f"{where} can be pressed by nobody")
    if board.button.pressed:
        advice = "check for a short to ground, and the profile's button.pull"
        return Finding("button", Verdict.FAILED, f"{where} is pressed all the time", advice)
    if ask is None:
        return Finding("button", Verdict.SKIPPED, f"{where} is not pressed; nobody is asked to")
    print(f"Press the button now, for a moment ({PRESS_PATIENCE_S:g} s) ...", flush=True)
    try:
        press = inbox.get(timeout=PRESS_PATIENCE_S)
    except queue.Empty:
        advice = "check its wires against hardware/WIRING.md"
        return Finding("button", Verdict.FAILED, f"{where}: no press came", advice)
    return Finding("button", Verdict.OK, f"{where}: a {press} press")


def _not_on_board(part: str, board: Board) -> Finding:
    return Finding(part, Verdict.SKIPPED, f"not part of the board {board.profile.name!r}")


def _driven(part: str, board: Board, where: str, ask: Ask, wrong: list[str]) -> Finding:
    if wrong:
        advice = "check wires, polarity and active_high against hardware/WIRING.md"
        return Finding(part, Verdict.FAILED, f"not seen or heard: {', '.join(wrong)}", advice)
    simulated, description = board.simulated, board.pins.description
    if part == "buzzer" and board.buzzer.simulated is not None:
        simulated, description = board.buzzer.simulated, board.buzzer.description
    if simulated:
        return Finding(part, Verdict.SIMULATED, f"{where}: {description}")
    told = "confirmed by you" if ask else "driven; whether it works only somebody there can tell"
    return Finding(part, Verdict.OK, f"{where}: {told}")


# ---------------------------------------------------------------- camera and detector


def _camera(config: Config) -> tuple[Finding, Frame | None]:
    from edge.address import shown
    from edge.checkup import too_few_frames
    from edge.devices.camera import open_camera
    from edge.ports import CameraMissing, CameraStalled, EndOfStream
    from edge.vision.scene import Scene

    def told(text: object) -> str:
        # Which one it is is the owner's business and stays out of the report.
        source = config.camera.source
        return str(text).replace(shown(source), "address") if "://" in source else str(text)

    frames: list[Frame] = []
    started_s = time.monotonic()
    try:
        camera = open_camera(config.camera, clock=time.monotonic)
        camera.open()
        try:
            while len(frames) < FRAMES:
                frames.append(camera.read())
        except EndOfStream:
            pass
        finally:
            camera.close()
    except (CameraMissing, CameraStalled) as exc:
        return Finding("camera", Verdict.FAILED, told(exc)), None
    description = told(camera.description)
    if not frames:
        return Finding("camera", Verdict.FAILED, f"{description}: no pictures"), None
    last = frames[-1]
    stats = Scene().measure(last)
    fps = pace(frames)
    text = (
        f"{description}: {len(frames)} pictures in {time.monotonic() - started_s:.1f} s,"
        f" {fps:.1f} a second, brightness {stats.brightness:.2f}, detail {stats.detail:.3f}"
    )
    if not camera.live:
        return Finding("camera", Verdict.SIMULATED, f"{text}; not a live camera"), last
    if stats.brightness < config.observe.dark:
        return Finding("camera", Verdict.FAILED, text, "too dark: lens cap, or no light?"), last
    if stats.detail < config.observe.covered_detail:
        return Finding("camera", Verdict.FAILED, text, "no detail: is the lens covered?"), last
    if fps < config.observe.fewest_fps:
        advice = f"{too_few_frames(config.observe)}: more light, or a better line to it"
        return Finding("camera", Verdict.FAILED, text, advice), last
    return Finding("camera", Verdict.OK, text), last


def pace(frames: Sequence[Frame]) -> float:
    """Frames a second, by the middle of their distances: the first ones may come all at once."""
    distances_s = [b.at_s - a.at_s for a, b in pairwise(frames)]
    middle_s = median(distances_s) if distances_s else 0.0
    return 1 / middle_s if middle_s > 0 else 0.0


def _detector(config: Config, frame: Frame | None) -> Finding:
    import numpy as np

    from edge.domain import Frame
    from edge.vision.eyes import open_eyes
    from edge.vision.manifest import ModelError, load_eyes

    try:
        chosen = load_eyes(config.model)
        eyes = open_eyes(chosen, config.model)
        seen = frame or Frame(np.full((480, 640, 3), 128, np.uint8), at_s=0.0)
        eyes.detect(seen)  # the first run also sets the model up
        took_s = []
        for _ in range(3):
            before_s = time.perf_counter()
            detections = eyes.detect(seen)
            took_s.append(time.perf_counter() - before_s)
    except ModelError as exc:
        return Finding("detector", Verdict.FAILED, str(exc))
    found = ", ".join(f"{each.label} {each.score:.2f}" for each in detections[:5]) or "nothing"
    what = "the camera's picture" if frame else "a grey picture"
    text = f"{chosen.description}: {sorted(took_s)[1] * 1000:.0f} ms; in {what}: {found}"
    return Finding("detector", Verdict.OK, text)


# ---------------------------------------------------------------- broker, disk, power, systemd


def _broker(config: Config) -> Finding:
    from edge.mqtt.client import configured_address

    if configured_address(config) is None:
        if not config.broker.enabled:
            return Finding("broker", Verdict.SKIPPED, "none is configured (mqtt.host)")
        from edge.mqtt.broker import BrokerFailed, open_broker

        try:
            # Another port: that of the box may be in use by the box.
            broker = open_broker(replace(config.broker, port=0))
        except BrokerFailed as exc:
            return Finding("broker", Verdict.FAILED, str(exc))
        if broker is not None:
            broker.close()
        return Finding("broker", Verdict.OK, "the one in the box can be started")
    from edge.mqtt.probe import probe

    trouble = probe(config)
    # The name of the broker is the owner's business and stays out of the report.
    if trouble is not None:
        return Finding("broker", Verdict.FAILED, trouble)
    return Finding("broker", Verdict.OK, "it takes our connection")


def _disk(config: Config, path: Path | None) -> Finding:
    from edge.telling import history_path

    folder = history_path(config, path).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            before_s = time.perf_counter()
            file.write(os.urandom(4096))
            file.flush()
            os.fsync(file.fileno())
            wrote_ms = (time.perf_counter() - before_s) * 1000
        free_mib = shutil.disk_usage(folder).free // 2**20
    except OSError as exc:
        advice = "the history needs a place to be written to; run as the service's user or root"
        return Finding("disk", Verdict.FAILED, f"{folder}: {exc.strerror}", advice)
    text = f"{folder}: {free_mib} MiB free, a write to the card takes {wrote_ms:.0f} ms"
    if free_mib < LITTLE_SPACE_MIB:
        return Finding("disk", Verdict.FAILED, text, "make room")
    return Finding("disk", Verdict.OK, text)


def _history(config: Config, configuration: Path | None) -> Finding:
    from edge.history.report import standing
    from edge.history.store import Unusable
    from edge.telling import history_path, local_time

    if not config.history.enabled:
        return Finding("history", Verdict.SKIPPED, "it is switched off (history.enabled)")
    path = history_path(config, configuration)
    try:
        found = standing(path, now=local_time())
    except FileNotFoundError:
        return Finding("history", Verdict.SKIPPED, "none yet; it begins with `procrastobot run`")
    except Unusable as exc:
        return Finding("history", Verdict.FAILED, str(exc), "run as the service's user or root")
    text = f"{path}: {found.days} days, {found.events} events"
    if found.damaged:
        advice = "the box sets it aside at its next start, and goes on with what can be read"
        return Finding("history", Verdict.FAILED, f"{text} can be read; it is damaged", advice)
    notes = []
    if found.never:
        days = ", ".join(found.never)
        notes.append(f"days that cannot be, by a clock that was wrong, count nowhere: {days}")
    if found.broken:
        notes.append(f"set aside for damage: {', '.join(each.name for each in found.broken)}")
    return Finding("history", Verdict.OK, text, "; ".join(notes))


def _clock() -> Finding:
    from edge.history.clock import FIRST_DAY, synchronized
    from edge.telling import local_time

    now = local_time()
    text = f"{now:%Y-%m-%d %H:%M %Z}"
    if now.date() < FIRST_DAY:
        advice = "it is wrong: let the box reach a time server (timedatectl set-ntp true)"
        return Finding("clock", Verdict.FAILED, text, advice)
    match synchronized():
        case True:
            return Finding("clock", Verdict.OK, f"{text}, kept by a time server")
        case False:
            advice = "nothing in the history is erased for its age on the word of such a clock"
            return Finding("clock", Verdict.OK, f"{text}, kept by no time server", advice)
        case None:
            return Finding("clock", Verdict.OK, f"{text}; nobody says whether it is kept")


def _power() -> Finding:
    from edge.health import Health

    figures = Health().figures()
    throttled, temperature_c = figures["throttled"], figures["temperature_c"]
    if not isinstance(throttled, int):
        return Finding("power", Verdict.SKIPPED, "this machine's firmware says nothing about it")
    text = f"throttled 0x{throttled:x}, {temperature_c} degrees Celsius"
    advice = "use the power supply made for this board, and a short cable"
    # Bit 0: too little voltage now; bit 16: at some time since it was switched on.
    if throttled & 0x1:
        return Finding("power", Verdict.FAILED, f"{text}: the voltage is too low", advice)
    if throttled & 0x10000:
        text += f"; right now, but the voltage was too low once since it was switched on: {advice}"
    return Finding("power", Verdict.OK, text)


def _systemd() -> Finding:
    if not Path("/run/systemd/system").is_dir():
        return Finding("systemd", Verdict.SKIPPED, "this machine is not run by systemd")
    wanted = ("LoadState", "ActiveState", "UnitFileState", "NRestarts", "Result")
    try:
        shown = subprocess.run(
            ["systemctl", "show", UNIT, *(f"--property={name}" for name in wanted)],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout
    except (OSError, subprocess.SubprocessError) as exc:
        return Finding("systemd", Verdict.FAILED, f"systemctl does not answer: {exc}")
    said = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    if said.get("LoadState") != "loaded":
        return Finding("systemd", Verdict.SKIPPED, f"{UNIT} is not installed (deploy/install.sh)")
    text = (
        f"{said.get('ActiveState')}, {said.get('UnitFileState')}, last result"
        f" {said.get('Result')}, {said.get('NRestarts')} restarts"
    )
    if said.get("ActiveState") == "failed":
        return Finding("systemd", Verdict.FAILED, text, f"see journalctl -u {UNIT} -e")
    return Finding("systemd", Verdict.OK, text)


# ---------------------------------------------------------------- the report


def report() -> dict[str, str]:
    """What an issue needs to know of this machine: versions, board, kernel. No secrets."""
    from edge import __version__
    from edge.devices.pins import machine

    described = {
        "procrastobot": __version__,
        "board": machine() or "not a Raspberry Pi",
        "machine": platform.machine(),
        "system": _os_name(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
    packages = (
        "numpy",
        "tflite-runtime",
        "ai-edge-litert",
        "av",
        "gpiozero",
        "lgpio",
        "paho-mqtt",
        "picamera2",
    )
    for package in packages:
        try:
            described[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            described[package] = "-"
    return described


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "?")
    except OSError:
        return platform.system()


def _ask(question: str) -> bool:
    return input(f"{question} [Y/n] ").strip().lower() in ("", "y", "yes")
