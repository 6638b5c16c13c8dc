"""Runs the demo: the same box as `run`, with simulated pins, its own broker and somebody to watch.

Everything from the detector to the subscriber is the real thing, built by `edge.app`. What is the
demo's own is the clip, and the screen.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import sys
import tempfile
import termios
import time
import tty
from collections import Counter, deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TextIO

from edge import app, logs, settings
from edge.config import CameraConfig, Config
from edge.demo.broker import DemoBroker, NoBroker
from edge.demo.clip import DemoClip, shown_at
from edge.demo.screen import Screen
from edge.demo.story import Moment, Story
from edge.demo.view import LEAST_HEIGHT, LEAST_WIDTH, Snapshot, draw, phone_in_words, sees
from edge.devices.camera import open_camera
from edge.devices.camera_timing import Clock, Sleep
from edge.devices.terminal import in_words, levels, tune_in_words
from edge.domain import Command, Detection, Frame, Level, NotAPhone, Press
from edge.effects import pattern_of, tune_of
from edge.errors import EX_CONFIG, Trouble
from edge.loop import Loop
from edge.mqtt.listener import Heard, Listener
from edge.mqtt.topics import Topics
from edge.ports import Camera, CameraMissing, EndOfStream

KEYS = "space: button   l: held button   n: not a phone   q: quit"
HONEST = "Simulated here: lights, buzzer, button. Real: detector, decisions"
DRAW_EVERY_S = 0.08
LAST_WORDS_S = 2.0  # how long the last messages may take to arrive
QUIET_S = 0.4
MESSAGES_KEPT = 50
PAYLOAD_CHARS = 200
MOST_WIDTH, MOST_HEIGHT = 160, 50  # larger ones cost time that the detector needs
SVG_SIZE = 112, 34


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    source: str = ""
    mode: str = "strict"
    model: str = ""
    broker: str = ""  # HOST or HOST:PORT; empty: one of its own
    speed: float = 1.0
    fast: bool = False
    loop: bool = False
    seconds: float | None = None
    plain: bool = False
    screenshot: Path | None = None
    as_json: bool = False
    assignments: tuple[tuple[str, object], ...] = ()


class Enough(BaseException):
    """The time asked for is over, or somebody pressed q. Not an error, and not to be caught by
    what guards the box against the failure of its parts."""


class Repeated:
    """A source that starts over at its end; its time goes on."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self.live = camera.live
        self.alive = True
        self.description = f"{camera.description}, over and over"

    def open(self) -> None:
        self._camera.open()

    def ready(self, wait_s: float) -> bool:
        return self._camera.ready(wait_s)

    def read(self) -> Frame:
        try:
            return self._camera.read()
        except EndOfStream:
            self._camera.close()
            self._camera.open()
            return self._camera.read()

    def close(self) -> None:
        self._camera.close()


def configure(options: Options, *, history: Path) -> Config:
    """The settings of a demo: those of a box, but for what a demo of a minute needs.

    Raises ConfigError.
    """
    chosen: dict[str, object] = {
        "box.id": "demo",
        "session.autostart": True,
        "nudge.mode": options.mode,
        "model.name": options.model,
        # Twenty seconds of an empty seat are right for a desk and long for an onlooker.
        "policy.away_hold_s": 5.0,
        # Nor is there anything about that is like the phone that is shown.
        "hardware.pins": "simulated",
        "history.path": str(history),
        "camera.realtime": not options.fast,
    }
    if options.broker:
        host, _, port = options.broker.partition(":")
        chosen["mqtt.host"] = host
        chosen["mqtt.port"] = int(port) if port.isdigit() else 0
    return settings.override(Config(), chosen | dict(options.assignments))


def with_broker(config: Config, stack: contextlib.ExitStack) -> tuple[Config, str]:
    """The configuration with a broker, if there can be one, and what to call it."""
    mqtt = config.mqtt
    if mqtt.host:
        return config, f"{mqtt.host}:{mqtt.port or 1883}"
    try:
        broker = DemoBroker()
    except NoBroker as exc:
        return config, f"no broker ({exc})"
    stack.callback(broker.close)
    address = replace(mqtt, host="127.0.0.1", port=broker.port)
    return replace(config, mqtt=address), f"127.0.0.1:{broker.port} (a broker of its own)"


def choose_camera(
    options: Options, config: CameraConfig, *, clock: Clock, sleep: Sleep
) -> tuple[Camera, bool]:
    """The camera, and whether it is the clip. Raises CameraMissing."""
    source = options.source or "auto"
    if source != "clip":
        wanted = replace(config, source=source)
        try:
            camera = open_camera(wanted, clock=clock, sleep=sleep)
        except CameraMissing:
            if options.source:
                raise
        else:
            return (Repeated(camera) if options.loop and not camera.live else camera), False
    rounds = None if options.loop else 1
    return DemoClip(config, clock=clock, sleep=sleep, rounds=rounds), True


class Onlooker:
    """Looks at the box after each tick, and tells on the terminal what it saw."""

    def __init__(
        self,
        config: Config,
        options: Options,
        camera: Camera,
        out: TextIO,
        *,
        is_clip: bool,
        broker: str,
    ) -> None:
        """`broker`: what to call it; why there is none, where `config` names none."""
        self.story = Story()
        self.heard: Counter[str] = Counter()
        self._config = config
        self._options = options
        self._source = camera.description
        self._is_clip = is_clip
        self._out = out
        self._display: Display = choose_display(options, out)
        self._box: app.App | None = None
        self._listener: Listener | None = None
        self._broker = broker
        self._messages: deque[tuple[str, str]] = deque(maxlen=MESSAGES_KEPT)
        self._detections: tuple[Detection, ...] = ()
        self._began_s: float | None = None
        self._best: tuple[int, Snapshot] | None = None

    def attach(self, box: app.App) -> None:
        """From here on there is a box to look at, and a broker to subscribe to."""
        self._box = box
        host, port = self._config.mqtt.host, self._config.mqtt.port or 1883
        if not host:
            return
        topics = Topics.of(self._config)
        try:
            self._listener = Listener(host, port, (f"{topics.base}/#", topics.discovery))
        except OSError as exc:
            self._broker = f"{host}:{port}, which cannot be reached ({exc.strerror})"
            return

    def look(self, loop: Loop) -> None:
        """After each tick. Raises Enough."""
        snap = self._snapshot(loop)
        sounds = snap.tune is not None
        seat = max(loop.state.seats, key=lambda each: each.level)
        told = shown_at(snap.at_s) if self._is_clip else ""
        self.story.add(Moment(snap.at_s, told, seat.activity, loop.state.level, sounds))
        self._display.show(snap)
        worth = 2 * (loop.state.level >= Level.SOUND) + (snap.levels.buzzer_hz > 0)
        if self._best is None or worth > self._best[0]:
            self._best = worth, snap
        for key in self._display.typed():
            self._obey(key)
        if self._began_s is None:
            self._began_s = snap.at_s
        limit_s = self._options.seconds
        if limit_s is not None and snap.at_s - self._began_s >= limit_s:
            raise Enough

    def listen_for_last_words(self) -> None:
        """Messages are on their way when the picture ends: wait until it is quiet, a little."""
        give_up_s = time.monotonic() + LAST_WORDS_S
        quiet_s = time.monotonic() + QUIET_S
        while self._listener is not None and time.monotonic() < min(give_up_s, quiet_s):
            if self._listen():
                quiet_s = time.monotonic() + QUIET_S
            time.sleep(0.02)
        if self._box is not None and self._box.loop.frame is not None:
            self._display.show(self._snapshot(self._box.loop))

    def close(self) -> None:
        self._display.close()
        if self._listener is not None:
            self._listener.close()

    def sum_up(self) -> None:
        """After the screen is gone: the picture of it, and what the run came to."""
        if self._options.screenshot is not None and self._best is not None:
            title = "procrastobot demo: the picture, what is seen in it, and all that follows"
            # How fast this machine happens to be is nothing that a picture should say.
            snap = replace(
                self._best[1],
                fps=None,
                inference_ms=None,
                messages=tuple(m for m in self._best[1].messages if m[0] != "health"),
            )
            picture = draw(snap, width=SVG_SIZE[0], height=SVG_SIZE[1]).svg(title)
            self._options.screenshot.write_text(picture, encoding="utf-8")
        if self._options.as_json:
            figures = self.story.figures() | self._health() | {"messages": dict(self.heard)}
            self._out.write(json.dumps(figures) + "\n")
            return
        for line in self.story.lines():
            self._out.write(line + "\n")
        heard = ", broker, messages." if self.heard else f". No message was heard: {self._broker}."
        self._out.write(HONEST + heard + "\n")

    def _snapshot(self, loop: Loop) -> Snapshot:
        assert self._box is not None
        if loop.observation is not None and loop.observation.inferred:
            self._detections = loop.observation.detections
        elif loop.frame is None:
            self._detections = ()
        self._listen()
        state, board, health = loop.state, self._box.board, loop.health
        at_s = loop.frame.at_s if loop.frame is not None else state.at_s
        return Snapshot(
            at_s=at_s,
            source=self._source,
            shows=shown_at(at_s) if self._is_clip else "whatever is before the camera",
            broker=self._broker,
            state=state,
            image=None if loop.frame is None else loop.frame.image,
            detections=self._detections,
            pattern=pattern_of(state, self._config),
            tune=tune_of(state, self._config),
            levels=levels(
                board.profile,
                board.pins.factory,
                ring=board.lights.ring,
                tone=board.buzzer.tone,
            ),
            messages=tuple(self._messages),
            fps=health.fps,
            inference_ms=health.inference_ms,
            looked=health.inferences / health.frames if health.frames else None,
        )

    def _listen(self) -> bool:
        heard = self._listener.heard() if self._listener is not None else []
        for message in heard:
            self.heard[short_topic(message.topic)] += 1
            self._messages.append((short_topic(message.topic), message.payload))
            self._display.message(message)
        return bool(heard)

    def _obey(self, key: str) -> None:
        assert self._box is not None
        if key == "q":
            raise Enough
        commands: dict[str, Command] = {" ": Press.SHORT, "l": Press.LONG, "n": NotAPhone()}
        command = commands.get(key)
        if command is not None:
            self._box.inbox.put(command)

    def _health(self) -> dict[str, object]:
        if self._box is None:
            return {}
        health = self._box.loop.health
        return {"frames": health.frames, "inferences": health.inferences}


def short_topic(topic: str) -> str:
    """Without what is the same for all topics of the box."""
    return topic.split("/", 2)[-1]


def shorten(payload: str) -> str:
    """The beginning of a long message: a line is there to be read."""
    return payload if len(payload) <= PAYLOAD_CHARS else payload[: PAYLOAD_CHARS - 1] + "…"


class Display(Protocol):
    def show(self, snap: Snapshot) -> None: ...

    def message(self, message: Heard) -> None: ...

    def typed(self) -> str:
        """What was typed since the last call."""
        ...

    def close(self) -> None: ...


def choose_display(options: Options, out: TextIO) -> Display:
    """The full screen where there is one of 80 x 24, else a line for each change."""
    if options.as_json:
        return Nothing()
    if options.plain or not out.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return Lines(out)
    columns, rows = os.get_terminal_size(out.fileno())
    if columns < LEAST_WIDTH or rows < LEAST_HEIGHT:
        return Lines(out)
    return FullScreen(out)


class Nothing:
    """For --json: the sum at the end is all there is to say."""

    def show(self, snap: Snapshot) -> None:
        pass

    def message(self, message: Heard) -> None:
        pass

    def typed(self) -> str:
        return ""

    def close(self) -> None:
        pass


class Lines:
    """A line for each change: for pipes, logs and small terminals."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._said: dict[str, str] = {}
        self._seen_s = float("-inf")
        self._at_s = 0.0

    def show(self, snap: Snapshot) -> None:
        self._at_s = snap.at_s
        state = snap.state
        seat = max(state.seats, key=lambda each: each.level)
        self._say("simulated", "lights, buzzer, button")
        self._say("source", snap.source)
        self._say("shows", snap.shows)
        # Scores differ in each frame, and a label may flicker: what is seen, once a second.
        labels = ", ".join(sorted({found.label for found in snap.detections}))
        if labels != self._said.get("labels") and snap.at_s - self._seen_s >= 1.0:
            self._said["labels"] = labels
            self._seen_s = snap.at_s
            self._say("sees", sees(snap.detections))
        self._say("session", str(state.session))
        self._say("phone", phone_in_words(seat.phone) or "none")
        self._say("activity", str(seat.activity))
        why = f": {seat.reason}" if seat.reason else ""
        if self._said.get("rung") != str(int(state.level)):
            self._said["rung"] = str(int(state.level))
            self._say("level", f"{int(state.level)} {state.level.name.lower()}{why}")
        self._say("lights", in_words(snap.pattern))
        self._say("buzzer", tune_in_words(snap.tune))

    def message(self, message: Heard) -> None:
        self._write("mqtt", f"{message.topic} {shorten(message.payload)}")

    def typed(self) -> str:
        return ""

    def close(self) -> None:
        pass

    def _say(self, what: str, value: str) -> None:
        if self._said.get(what) != value:
            self._said[what] = value
            self._write(what, value)

    def _write(self, what: str, value: str) -> None:
        self._out.write(f"{self._at_s:7.1f} s  {what:<9} {value}\n")
        self._out.flush()


class FullScreen:
    """The screen of `view.py`, on a terminal that knows ANSI sequences."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._true_colour = os.environ.get("COLORTERM", "") in ("truecolor", "24bit")
        self._shown: Screen | None = None
        self._size: tuple[int, ...] = ()
        self._due_s = 0.0
        self._keyboard = Keyboard(sys.stdin)
        out.write("\x1b[?1049h\x1b[?25l\x1b[2J")  # a screen of its own, without a cursor

    def show(self, snap: Snapshot) -> None:
        if time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + DRAW_EVERY_S
        width, height = size = tuple(os.get_terminal_size(self._out.fileno()))
        if size != self._size:
            self._size, self._shown = size, None
            self._out.write("\x1b[2J")
        screen = draw(
            snap,
            # A last column left free: writing there scrolls some terminals.
            width=max(LEAST_WIDTH, min(width - 1, MOST_WIDTH)),
            height=max(LEAST_HEIGHT, min(height, MOST_HEIGHT)),
            keys=KEYS if self._keyboard.open else "Ctrl-C: quit",
        )
        self._out.write(screen.ansi(self._shown, true_colour=self._true_colour))
        self._out.flush()
        self._shown = screen

    def message(self, message: Heard) -> None:
        """It is on the screen already."""

    def typed(self) -> str:
        return self._keyboard.typed()

    def close(self) -> None:
        self._keyboard.close()
        self._out.write("\x1b[0m\x1b[?25h\x1b[?1049l")
        self._out.flush()


class Keyboard:
    """Single keys, as they are pressed; nothing where standard input is no terminal."""

    def __init__(self, stream: TextIO) -> None:
        self.open = stream.isatty()
        if self.open:
            self._fd = stream.fileno()
            self._before = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd)

    def typed(self) -> str:
        if not self.open or not select.select([self._fd], [], [], 0)[0]:
            return ""
        return os.read(self._fd, 64).decode("utf-8", "ignore")

    def close(self) -> None:
        if self.open:
            self.open = False
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)


def play(options: Options, out: TextIO) -> int:
    """Run the demo to its end; returns the exit code. Raises ConfigError."""
    speed = options.speed
    log_lines = io.StringIO()
    onlooker: Onlooker | None = None
    code = 0
    with tempfile.TemporaryDirectory(prefix="procrastobot-demo-") as folder:
        config = configure(options, history=Path(folder) / "history.db")
        # Log lines would tear the screen apart; they are shown when it is gone.
        logs.set_up("warning", stream=log_lines)
        try:
            camera, is_clip = choose_camera(
                options,
                config.camera,
                clock=lambda: time.monotonic() * speed,
                sleep=lambda seconds: time.sleep(seconds / speed),
            )
            with contextlib.ExitStack() as stack:
                config, broker = with_broker(config, stack)
                onlooker = Onlooker(config, options, camera, out, is_clip=is_clip, broker=broker)
                stack.callback(onlooker.close)
                box = stack.enter_context(app.build(config, camera=camera, on_tick=onlooker.look))
                onlooker.attach(box)
                with contextlib.suppress(Enough, KeyboardInterrupt):
                    code = box.run()
                onlooker.listen_for_last_words()
        except CameraMissing as exc:
            log_lines.write(f"{exc}\n")
            code = EX_CONFIG
        except Trouble as exc:
            log_lines.write(f"{exc}\n")
            code = exc.exit_code
        finally:
            sys.stderr.write(log_lines.getvalue())
    if onlooker is not None and code == 0:
        onlooker.sum_up()
    return code
