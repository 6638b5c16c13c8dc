"""One tick of the box: from a frame to its effects, then the watchdog."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from edge.album import Album
from edge.config import Config
from edge.decide import obey, step, watching
from edge.domain import (
    Command,
    Fault,
    FaultChange,
    Frame,
    Happening,
    Observation,
    SceneStats,
    State,
    Tell,
    Thresholds,
)
from edge.effects import effects
from edge.health import Health
from edge.observe import Memory, observe, wants_look
from edge.outputs import Outputs
from edge.ports import Camera, CameraMissing, CameraStalled, Detector, InboxReader, Watchdog

log = logging.getLogger(__name__)

REST_S = 0.5  # longest wait of a tick while the camera is closed; bounds the watchdog's patience


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
        detector: Detector,
        scene: Scene,
        thresholds: Thresholds,
        outputs: Outputs,
        inbox: InboxReader,
        watchdog: Watchdog,
        clock: Callable[[], float],
        minute_of_day: Callable[[], int | None],
        album: Album | None = None,
    ) -> None:
        self.state = state
        self.album = album
        self.observation: Observation | None = None
        self.frame: Frame | None = None
        self.health = Health()
        self._config = config
        self._camera = camera
        self._detector = detector
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
        self._status = ""

    def tick(self) -> None:
        """Carry one frame through to its effects, then tell the watchdog.

        The watchdog hears of finished work only: a timer that pets it keeps a blind box alive.
        Raises EndOfStream, CameraStalled; the latter after its fault has been told.
        """
        before = self.state
        commanded = self._obey(before, self._inbox.drain())
        try:
            frame = self._next_frame(commanded)
        except CameraMissing as exc:
            # The box itself is well: it says what is wrong and waits to be started again.
            log.error("no camera: %s", exc)
            frame = None
            commanded = self._obey(commanded, [FaultChange(Fault.CAMERA, True, str(exc))])
        except CameraStalled as exc:
            fault = FaultChange(Fault.CAMERA, True, str(exc))
            self._become(before, self._obey(commanded, [fault]))
            raise
        observation = None
        if frame is not None and watching(commanded):
            observation = self._observe(frame)
        self.frame, self.observation = frame, observation
        at_s = frame.at_s if frame is not None else self._now()
        after = step(
            commanded,
            observation,
            at_s=at_s,
            config=self._config,
            minute_of_day=self._minute_of_day(),
        )
        self._become(before, after)
        self._report()

    def _next_frame(self, state: State) -> Frame | None:
        """The next frame, or None after a rest with the camera closed."""
        if self._camera.live and not watching(state):
            self._camera.close()
            self.health.paused()
            self._memory = Memory()
            self._inbox.wait(REST_S)
            return None
        self._camera.open()
        frame = self._camera.read()
        age_s = self._clock() - frame.at_s if self._camera.live else None
        self.health.frame(frame.at_s, frame.number, age_s=age_s)
        return frame

    def _observe(self, frame: Frame) -> Observation:
        stats = self._scene.measure(frame)
        detections = None
        if wants_look(self._memory, stats, at_s=frame.at_s, config=self._config):
            began_s = self._clock()
            detections = self._detector.detect(frame)
            self.health.inference(self._clock() - began_s)
        self._memory, observation = observe(
            self._memory,
            detections,
            stats,
            at_s=frame.at_s,
            config=self._config,
            thresholds=self._thresholds,
        )
        return observation

    def _obey(self, state: State, commands: Sequence[Command]) -> State:
        for command in commands:
            state = obey(
                state,
                command,
                at_s=self._now(),
                config=self._config,
                minute_of_day=self._minute_of_day(),
            )
        return state

    def _become(self, before: State, after: State) -> None:
        self.state = after
        for effect in effects(before, after, self._config):
            if isinstance(effect, Tell):
                shown = "" if self._camera.live or self.frame is None else f" [{self.frame.name}]"
                log.info("%s%s", in_words(effect.happening), shown)
                if self.album is not None:
                    self.album.consider(effect.happening, self.frame)
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
