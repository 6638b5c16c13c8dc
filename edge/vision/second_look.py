"""A second, closer look at a person when no phone is certain: small phones fill too few pixels.

Off unless `model.second_look` is set. It finds more on single pictures (models/CARD.md), but the
two looks draw their boxes a little differently, and a phone that lies half seen beside the
keyboard then seems to move: 21 false lights in 120 simulated hours, and next to none without it.

An extra inference costs as much as the first, so it is made once in some frames; while it finds a
phone that the first look does not, in every frame, since one hit in five would not outlast the
median of the recent frames.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge.config import ModelConfig
from edge.domain import PERSON, PHONE, Box, Detection, Frame, Thresholds
from edge.ports import Detector
from edge.vision.manifest import ModelSpec
from edge.vision.tflite import load_detector

MARGIN = 0.1  # of the person's box, at each side: a hand may be stretched out
# Head, chest and hands. Measured on 387 COCO pictures with YOLOX-Nano, 320x416: phone AP50 26.1
# without, 30.4 with the whole person, 31.4 with the upper 70 %, 32.0 with the upper 60 %. With the
# shipped model: see models/CARD.md.
UPPER_PART = 0.65
WORTH_IT = 0.85  # a crop as wide or high as this share of the picture shows nothing new
SAME_IOU = 0.4


def open_detector(spec: ModelSpec, config: ModelConfig) -> Detector:
    """The detector that the configuration asks for. Raises ModelError."""
    detector = load_detector(spec, config.threads)
    if not config.second_look:
        return detector
    return SecondLook(detector, spec.thresholds, every=config.second_look_every)


class SecondLook:
    """A `Detector` that looks again, once in `every` frames, or in each while that finds a phone.

    It only ever adds phones: what the first look saw stays, but for a phone that the second look
    sees in the same place and is surer of.
    """

    def __init__(self, detector: Detector, thresholds: Thresholds, *, every: int) -> None:
        self._detector = detector
        self._thresholds = thresholds
        self._every = every
        self._frames = every  # the first frame may be looked at twice
        self._found = False  # whether the last second look found a phone
        self.looks = 0  # inferences so far: what it costs

    @property
    def labels(self) -> tuple[str, ...]:
        return self._detector.labels

    def detect(self, frame: Frame) -> tuple[Detection, ...]:
        """Best score first; boxes are fractions of the frame, clipped to it."""
        seen = self._detector.detect(frame)
        self.looks += 1
        self._frames += 1
        region = where_to_look(seen, self._thresholds)
        if region is None or (self._frames < self._every and not self._found):
            return seen
        top, bottom = (round(y * frame.height_px) for y in (region.ymin, region.ymax))
        left, right = (round(x * frame.width_px) for x in (region.xmin, region.xmax))
        if bottom - top < 8 or right - left < 8:
            return seen
        self._frames = 0
        self.looks += 1
        crop = Frame(frame.image[top:bottom, left:right], frame.at_s, frame.number, frame.name)
        exact = Box(
            top / frame.height_px,
            left / frame.width_px,
            bottom / frame.height_px,
            right / frame.width_px,
        )
        again = [_back(found, exact) for found in self._detector.detect(crop)]
        enough = self._thresholds.of(PHONE)
        self._found = any(d.label == PHONE and d.score >= enough for d in again)
        return merged(seen, again)


def where_to_look(seen: Sequence[Detection], thresholds: Thresholds) -> Box | None:
    """The part of the picture that deserves a closer look; None when nothing does."""
    if any(d.label == PHONE and d.score >= thresholds.of(PHONE) for d in seen):
        return None
    people = [d.box for d in seen if d.label == PERSON and d.score >= thresholds.of(PERSON)]
    if not people:
        return None
    person = max(people, key=lambda box: box.area)
    bottom = person.ymin + UPPER_PART * person.height
    y_margin, x_margin = MARGIN * person.height, MARGIN * person.width
    region = Box(
        max(0.0, person.ymin - y_margin),
        max(0.0, person.xmin - x_margin),
        min(1.0, bottom + y_margin),
        min(1.0, person.xmax + x_margin),
    )
    return None if max(region.height, region.width) > WORTH_IT else region


def _back(found: Detection, region: Box) -> Detection:
    """From shares of the region to shares of the picture."""
    box = found.box
    return Detection(
        found.label,
        found.score,
        Box(
            region.ymin + box.ymin * region.height,
            region.xmin + box.xmin * region.width,
            region.ymin + box.ymax * region.height,
            region.xmin + box.xmax * region.width,
        ),
    )


def merged(seen: Sequence[Detection], again: Sequence[Detection]) -> tuple[Detection, ...]:
    """What both looks saw; of the second only phones, and of two in one place the surer one."""
    kept = list(seen)
    for found in again:
        if found.label != PHONE:
            continue
        same = [d for d in kept if d.label == PHONE and d.box.iou(found.box) > SAME_IOU]
        if any(d.score >= found.score for d in same):
            continue
        kept = [d for d in kept if d not in same]
        kept.append(found)
    return tuple(sorted(kept, key=lambda d: -d.score))
