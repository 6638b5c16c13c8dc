"""A second, closer look at what may be a phone: half seen in the whole picture, it fills four times
the pixels in a window around it, and is plainly a phone there, or plainly none.

The two looks count the same: a thing's score becomes the mean of both in logits, and what only one
of them saw is nearly nothing in the other. So a glimpse becomes a phone, and a shadow that passed
for one is dropped. Measured on 144 COCO pictures and 78 in front of a webcam: models/CARD.md.

An extra inference costs as much as the first, so there is one in some frames at most. Meanwhile
what the last one said holds for a thing that has not moved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge.config import ModelConfig
from edge.domain import PHONE, Box, Detection, Frame
from edge.ports import Detector
from edge.vision.decode import RIVAL_FLOOR, RIVAL_IOU, left_of
from edge.vision.manifest import ModelSpec
from edge.vision.tflite import load_detector

# What other values of these three cost is told in models/CARD.md.
HINT = 0.05  # from this score on a thing is worth a closer look
SURE = 0.8  # and from this on it needs none
WINDOW = 0.5  # of the picture's sides; twice the box where that is more
UNSEEN = 0.01  # what a look says of a thing that it did not find
SAME_IOU = 0.4  # two boxes that overlap so much are of one thing
WORTH_IT = 0.85  # a window as wide or high as this share of the picture shows nothing new
LEAST_PX = 8


def open_detector(spec: ModelSpec, config: ModelConfig, *, runtime_name: str = "") -> Detector:
    """The detector that the configuration asks for. Raises ModelError."""
    if not config.second_look:
        return load_detector(spec, config.threads, runtime_name=runtime_name)
    lower = spec.with_floor(min(spec.thresholds.floor, HINT))
    detector = load_detector(lower, config.threads, runtime_name=runtime_name)
    return SecondLook(
        detector,
        floor=spec.thresholds.floor,
        rivals=spec.phone_rivals,
        every=config.second_look_every,
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """What a closer look said of the thing that the whole picture shows at `box`."""

    box: Box
    score: float


class SecondLook:
    """A `Detector` that looks again at the surest thing that may be a phone, in one frame of
    `every` at most, and reports scores from `floor` on.

    detector: reports scores from HINT on, or lower
    rivals:   labels of which the first look's claims count against a phone of the second as well
    """

    def __init__(
        self, detector: Detector, *, floor: float, rivals: Sequence[str], every: int
    ) -> None:
        self._detector = detector
        self._floor = floor
        self._rivals = frozenset(rivals)
        self._every = every
        self._since = every  # frames since the last closer look; the first may have one
        self._said: tuple[_Said, ...] = ()
        self.looks = 0  # inferences so far: what it costs

    @property
    def labels(self) -> tuple[str, ...]:
        return self._detector.labels

    def detect(self, frame: Frame) -> tuple[Detection, ...]:
        """Best score first; boxes are fractions of the frame, clipped to it."""
        seen = self._detector.detect(frame)
        self.looks += 1
        self._since += 1
        if self._since > 2 * (self._every - 1):
            self._said = ()
        window = self._window(frame, seen) if self._since >= self._every else None
        only_there: list[Detection] = []
        if window is not None:
            self._since = 0
            closely = self._closely(frame, window, seen)
            looked_at = [d for d in seen if d.label == PHONE and window.contains(*d.box.center)]
            self._said = tuple(_Said(d.box, _score_at(d.box, closely)) for d in looked_at)
            only_there = [
                replace(d, score=_mean(UNSEEN, d.score))
                for d in closely
                if not any(d.box.iou(known.box) >= SAME_IOU for known in looked_at)
            ]
        both = [self._judged(d) for d in seen] + only_there
        return tuple(sorted((d for d in both if d.score >= self._floor), key=lambda d: -d.score))

    def _window(self, frame: Frame, seen: Sequence[Detection]) -> Box | None:
        """The part of the picture that deserves a closer look, on whole pixels: around the surest
        thing that nothing was said of yet, else around the surest. None when nothing does."""
        worth = [d for d in seen if d.label == PHONE and HINT <= d.score < SURE]
        if not worth:
            return None
        box = min(worth, key=lambda d: (self._said_of(d) is not None, -d.score)).box
        y, x = box.center
        height, width = max(WINDOW, 2 * box.height), max(WINDOW, 2 * box.width)
        if max(height, width) > WORTH_IT:
            return None
        top = min(max(y - height / 2, 0.0), 1.0 - height)
        left = min(max(x - width / 2, 0.0), 1.0 - width)
        # The shares that the pixels really are, so that boxes come back where they were.
        high, wide = frame.height_px, frame.width_px
        window = Box(
            round(top * high) / high,
            round(left * wide) / wide,
            round((top + height) * high) / high,
            round((left + width) * wide) / wide,
        )
        small = window.height * high < LEAST_PX or window.width * wide < LEAST_PX
        return None if small else window

    def _closely(self, frame: Frame, window: Box, seen: Sequence[Detection]) -> list[Detection]:
        """The phones of a closer look at the window, where the whole picture has them."""
        top, bottom = (round(y * frame.height_px) for y in (window.ymin, window.ymax))
        left, right = (round(x * frame.width_px) for x in (window.xmin, window.xmax))
        crop = Frame(frame.image[top:bottom, left:right], frame.at_s, frame.number, frame.name)
        self.looks += 1
        found = []
        for detection in self._detector.detect(crop):
            if detection.label != PHONE:
                continue
            box = _back(detection.box, window)
            claim = max(
                (
                    other.score
                    for other in seen
                    if other.label in self._rivals
                    and other.score >= RIVAL_FLOOR
                    and other.box.iou(box) >= RIVAL_IOU
                ),
                default=0.0,
            )
            score = left_of(detection.score, claim) if claim else detection.score
            found.append(Detection(PHONE, score, box))
        return found

    def _said_of(self, seen: Detection) -> _Said | None:
        """What a closer look said of this, the best match of several."""
        said = max(self._said, key=lambda said: said.box.iou(seen.box), default=None)
        return said if said is not None and said.box.iou(seen.box) >= SAME_IOU else None

    def _judged(self, seen: Detection) -> Detection:
        said = self._said_of(seen) if seen.label == PHONE else None
        return seen if said is None else replace(seen, score=_mean(seen.score, said.score))


def _score_at(box: Box, closely: Sequence[Detection]) -> float:
    return max((d.score for d in closely if d.box.iou(box) >= SAME_IOU), default=UNSEEN)


def _mean(one: float, other: float) -> float:
    """The score halfway between two, in logits. A score of 0 counts as UNSEEN."""
    logits = (
        math.log(score / (1 - score))
        for score in (min(max(one, UNSEEN), 0.999), min(max(other, UNSEEN), 0.999))
    )
    return 1 / (1 + math.exp(-sum(logits) / 2))


def _back(box: Box, window: Box) -> Box:
    """From shares of the window to shares of the picture."""
    return Box(
        window.ymin + box.ymin * window.height,
        window.xmin + box.xmin * window.width,
        window.ymin + box.ymax * window.height,
        window.xmin + box.xmax * window.width,
    )
