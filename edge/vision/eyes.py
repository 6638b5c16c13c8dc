"""The eyes of the box: one small network or several of different making, which look in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from edge.config import ModelConfig
from edge.desk.evidence import LEAST, against_rivals
from edge.domain import WHOLE_PICTURE, Box, Call, Detection, Frame, Glance, Look
from edge.vision.manifest import EyeSet
from edge.vision.still import joined, still
from edge.vision.tflite import TfliteDetector, load_detector


class Eyes:
    """`Eyes` and `Detector` of `ports.py`. Not for two threads at once.

    closely: a still picture is looked at closely as well, at whoever is in it
    """

    def __init__(
        self, eyes: Sequence[TfliteDetector], *, floor: float, closely: bool = True
    ) -> None:
        self.eyes = tuple(eyes)
        self.labels = self.eyes[0].labels
        self.looks = 0  # inferences so far: what it costs
        self._floor = floor
        self._closely = closely

    @property
    def count(self) -> int:
        return len(self.eyes)

    def look(self, frame: Frame, glance: Glance) -> Look:
        """One eye at one window: boxes are shares of the whole picture."""
        window = glance.window
        top, bottom = _pixels(window.ymin, window.ymax, frame.height_px)
        left, right = _pixels(window.xmin, window.xmax, frame.width_px)
        shown = Box(
            top / frame.height_px,
            left / frame.width_px,
            bottom / frame.height_px,
            right / frame.width_px,
        )
        part = replace(frame, image=frame.image[top:bottom, left:right])
        found, calls = self.eyes[glance.eye].look(part)
        self.looks += 1
        if shown != WHOLE_PICTURE:
            found = tuple(Detection(d.label, d.score, _back(d.box, shown)) for d in found)
            calls = tuple(
                Call(_back(c.person, shown), c.log_odds, _back(c.box, shown)) for c in calls
            )
        return Look(against_rivals(found), replace(glance, window=shown), calls)

    def detect(
        self, frame: Frame, look: Callable[[Frame, Glance], Look] | None = None
    ) -> tuple[Detection, ...]:
        """All eyes at a still picture, and at whoever is in it, joined; best score first.

        look: how they look, if more is made of it (`recognizer.py`)
        """
        look = look or self.look
        looks = still(lambda glance: look(frame, glance), self.count, closely=self._closely)
        return tuple(each for each in joined(looks) if each.score >= self._floor)


def open_eyes(chosen: EyeSet, config: ModelConfig, *, runtime_name: str = "") -> Eyes:
    """The eyes that the configuration asks for. Raises ModelError."""
    return Eyes(
        [
            load_detector(spec.with_floor(LEAST), config.threads, runtime_name=runtime_name)
            for spec in chosen.eyes
        ],
        floor=chosen.thresholds.floor,
        closely=config.second_look,
    )


def _pixels(low: float, high: float, size_px: int) -> tuple[int, int]:
    first = min(max(0, round(low * size_px)), size_px - 1)
    return first, min(max(first + 1, round(high * size_px)), size_px)


def _back(box: Box, window: Box) -> Box:
    return Box(
        window.ymin + box.ymin * window.height,
        window.xmin + box.xmin * window.width,
        window.ymin + box.ymax * window.height,
        window.xmin + box.xmax * window.width,
    )
