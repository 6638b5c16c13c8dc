"""The chain from a picture to a state, without a box around it: scene, attention, eyes, judge.
Composed pictures and clips are played to it."""

from __future__ import annotations

from dataclasses import replace

from edge import decide
from edge.config import Config, SessionConfig
from edge.domain import Detection, Frame, SessionAction, SetSession, State, Thresholds
from edge.judge import Facts, Memory, glances, judge
from edge.ports import Eyes
from edge.vision.scene import Scene


class Chain:
    """In a focus session that has just begun."""

    def __init__(self, eyes: Eyes, thresholds: Thresholds, config: Config) -> None:
        self._eyes = eyes
        self._thresholds = thresholds
        self._config = config
        self._scene = Scene()
        self._memory = Memory()
        self.shown: tuple[Detection, ...] | None = None  # of the last frame; None: no look
        self.state: State = decide.obey(
            decide.start(config, at_s=0.0),
            SetSession(SessionAction.START),
            at_s=0.0,
            config=config,
            minute_of_day=None,
        )

    def frame(self, frame: Frame) -> State:
        at_s = frame.at_s
        stats = self._scene.measure(frame)
        due = glances(self._memory, stats, at_s=at_s, config=self._config, eyes=self._eyes.count)
        looks = tuple(self._eyes.look(frame, glance) for glance in due)
        self.shown = looks[-1].detections if looks else None
        self.state, self._memory, _ = judge(
            self.state,
            self._memory,
            Facts(at_s, stats, looks),
            at_s=at_s,
            config=self._config,
            thresholds=self._thresholds,
            minute_of_day=None,
        )
        return self.state


def for_pictures(*, cut: float = 1.0) -> Config:
    """The box as it is set for files: other places do not mean that its camera moved. A film goes
    on elsewhere where a `cut` of the picture changes at once; 1: it does not."""
    config = Config(session=SessionConfig(focus_min=240))
    return replace(config, observe=replace(config.observe, moved=1.0, frozen_frames=0, cut=cut))
