"""One tick of the box: from a frame to its effects, then the watchdog."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from edge import card
from edge.album import Album
from edge.config import Config
from edge.decide import obey, reading, seeing, watching
from edge.domain import (
    Command,
    Fault,
    FaultChange,
    Frame,
    Happening,
    Observation,
    ReadCard,
    SceneStats,
    ShowLights,
    State,
    Tell,
    Thresholds,
)
from edge.effects import effects
from edge.health import Health
from edge.judge import Facts, Memory, glances, judge
from edge.outputs import Outputs
from edge.ports import (
    Camera,
    CameraMissing,
    CameraStalled,
    CardReader,
    Eyes,
    InboxReader,
    Learner,
    Watchdog,
)

log = logging.getLogger(__name__)

REST_S = 0.5  # longest wait of a tick while the camera is closed; bounds the watchdog's patience
WAIT_S = 0.2  # longest wait of a tick for a frame; bounds how late a press is heard
LATE_S = 0.7  # a frame so late is not waited for: with WAIT_S, silence comes within a second
RETRY_S = 5.0  # from one attempt to open a camera that is missing to the next


class Scene(Protocol):
    def measure(self, frame: Frame) -> SceneStats: ...


class Loop:
    """Decides in one thread. `clock` is monotonic; a source that is not live has its own time."""

    def __init__(
        self,
        *,
        config: Config,
        state: State,
        camera: Camera,
        eyes: Eyes,
        scene: Scene,
        thresholds: Thresholds,
        outputs: Outputs,
        inbox: InboxReader,
        watchdog: Watchdog,
        clock: Callable[[], float],
        minute_of_day: Callable[[], int | None],
        album: Album | None = None,
        learner: Learner | None = None,
        card_reader: CardReader | None = None,
    ) -> None:
        self.state = state
        self.album = album
        self._learner = learner
        self._card_reader = card_reader
        self._card: card.Reading | None = None
        self.observation: Observation | None = None
        self.frame: Frame | None = None
        self.health = Health()
        self._config = self._adopted = config
        self._camera = camera
        self._eyes = eyes
        self._scene = scene
        self._thresholds = thresholds
        self._outputs = outputs
        self._inbox = inbox
        self._watchdog = watchdog
        self._clock = clock
        self._minute_of_day = minute_of_day
        self._memory = Memory()
        self._ready = False
        self._health_due_s = clock()
        self._judged_s = clock()
        self._judged_at_s = state.at_s
        self._retry_s = float("-inf")
        self._status = ""

    def adopt(self, config: Config) -> None:
        """Go on with these settings from the next tick on. Any thread may say so, of settings that
        `edge.adopt` allows."""
        self._adopted = config

    def tick(self) -> None:
        """Do what was told, then carry one frame through to its effects and tell the watchdog.

        What was told takes effect at once: a press silences also while the camera stalls or opens.
        The watchdog hears of finished work only: a timer that pets it keeps a blind box alive.
        Raises EndOfStream, CameraStalled; the latter after its fault has been told. CameraMissing
        for a source that is not live: one that is may come back, and is tried again.
        """
        self._config = self._adopted
        self._obey(self._inbox.drain())
        frame = None
        if self._camera.live and (not seeing(self.state) or self._clock() < self._retry_s):
            self._rest()
        else:
            try:
                self._camera.open()
                if not self._camera.ready(WAIT_S):
                    self._wait()
                    return
                frame = self._take()
            except CameraMissing as exc:
                self._miss(exc)
            except CameraStalled as exc:
                self._obey([FaultChange(Fault.CAMERA, True, str(exc))])
                raise
        self._judge(frame)
        self._report()

    def _rest(self) -> None:
        self._camera.close()
        self.health.paused()
        self._inbox.wait(REST_S)

    def _wait(self) -> None:
        """No frame yet. Time passes all the same: what was seen long ago makes no sound."""
        waited_s = self._clock() - self._judged_s
        if waited_s >= LATE_S:
            self._step(None, self._now() if self._camera.live else self._judged_at_s + waited_s)
        if self._camera.alive:
            self._watchdog.pet()

    def _take(self) -> Frame:
        frame = self._camera.read()
        age_s = self._clock() - frame.at_s if self._camera.live else None
        self.health.frame(frame.at_s, frame.number, age_s=age_s)
        if Fault.CAMERA in self.state.faults:
            self._obey([FaultChange(Fault.CAMERA, False, self._camera.description)])
        return frame

    def _miss(self, exc: CameraMissing) -> None:
        """The box itself is well: it says what is wrong, and tries again later."""
        if not self._camera.live:
            raise exc
        if Fault.CAMERA not in self.state.faults:
            log.error("no camera: %s (it is tried again every %g s)", exc, RETRY_S)
        self._retry_s = self._clock() + RETRY_S
        self._obey([FaultChange(Fault.CAMERA, True, str(exc))])

    def _judge(self, frame: Frame | None) -> None:
        facts = None
        if frame is not None and reading(self.state):
            self._read(frame)
        elif frame is not None and seeing(self.state):
            facts = self._facts(frame)
        self.frame = frame
        at_s = self._now() if frame is None else frame.at_s
        self._step(facts, at_s)
        self._judged_s, self._judged_at_s = self._clock(), at_s

    def _step(self, facts: Facts | None, at_s: float) -> None:
        after, self._memory, self.observation = judge(
            self.state,
            self._memory,
            facts,
            at_s=at_s,
            config=self._config,
            thresholds=self._thresholds,
            minute_of_day=self._minute_of_day(),
        )
        self._become(after)

    def _facts(self, frame: Frame) -> Facts:
        """Measure the frame, and look where it is due."""
        stats = self._scene.measure(frame)
        looks = []
        for glance in glances(
            self._memory, stats, at_s=frame.at_s, config=self._config, eyes=self._eyes.count
        ):
            began_s = self._clock()
            looks.append(self._eyes.look(frame, glance))
            self.health.inference(self._clock() - began_s)
        return Facts(frame.at_s, stats, tuple(looks))

    def _read(self, frame: Frame) -> None:
        """Look for a card with a number. Nobody is watched meanwhile."""
        if self._card_reader is None:
            return
        held = self._card or card.Reading(frame.at_s)
        if held.due(frame.at_s):
            held = card.read(held, self._card_reader.read(frame), frame.at_s)
        self._card = held
        if held.minutes:
            self._obey([ReadCard(held.minutes)])

    def _obey(self, commands: Sequence[Command]) -> None:
        state = self.state
        for command in commands:
            state = obey(
                state,
                command,
                at_s=self._now(),
                config=self._config,
                minute_of_day=self._minute_of_day(),
            )
        self._become(state)

    def _become(self, after: State) -> None:
        before, self.state = self.state, after
        if not reading(after):
            self._card = None
        for effect in effects(before, after, self._config):
            if isinstance(effect, ShowLights) and self._camera.live and not seeing(after):
                # A light is on whenever the camera is: it goes out after it.
                self._camera.close()
            if isinstance(effect, Tell):
                shown = "" if self._camera.live or self.frame is None else f" [{self.frame.name}]"
                log.info("%s%s", in_words(effect.happening), shown)
                if self.album is not None:
                    self.album.consider(effect.happening, self.frame)
                if self._learner is not None:
                    self._learner.hear(effect.happening)
            self._outputs.apply(effect, after)

    def _report(self) -> None:
        if not self._ready:
            self._ready = True
            self._watchdog.ready()
        self._watchdog.pet()
        status = status_line(self.state, self.health)
        if status != self._status:
            self._status = status
            self._watchdog.status(status)
        if self._clock() >= self._health_due_s:
            self._health_due_s = self._clock() + self._config.mqtt.health_s
            self._outputs.health(self.health.figures())

    def _now(self) -> float:
        """The run's own time: the wall's pace for a live source, else that of the last frame."""
        return self._clock() if self._camera.live else self.state.at_s


def in_words(happening: Happening) -> str:
    """One line for the log: "desk: pickup (median 0.71, why raised)"."""
    details = ", ".join(
        f"{name} {value:.6g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in happening.details.items()
        if value not in (None, "")
    )
    where = f"{happening.seat}: " if happening.seat else ""
    what = str(happening.type).replace("_", " ")
    return f"{where}{what} ({details})" if details else f"{where}{what}"


def status_line(state: State, health: Health) -> str:
    """One line for `systemctl status`: what the box is doing, coarse enough not to flicker."""
    parts = [str(state.session)]
    for seat in state.seats:
        if watching(state):
            nudge = f", level {int(seat.level)}: {seat.reason}" if seat.level else ""
            parts.append(f"{seat.seat} {seat.activity}{nudge}")
    if health.fps is not None and watching(state):
        parts.append(f"{health.fps:.0f} frames/s")
    if state.faults:
        parts.append("faults: " + ", ".join(sorted(state.faults)))
    return "; ".join(parts)
