"""Who sits where: not who it is, only that somebody does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from edge.config import Config, ObserveConfig, SeatConfig
from edge.domain import PERSON, Box, Detection, Thresholds

PERSON_STAYS_S = 3.0  # a few missed detections do not empty a seat
SAME_PERSON_IOU = 0.5  # somebody who was seen is still there on weaker evidence, if about there
LIMB = 0.5  # of somebody, and less, is no whole person
AT_EDGE = 0.02  # of the picture: a box that ends so near to its window's edge ends there
FACE = 0.4  # the part of a person, from the top, where a phone is held for a call
ASIDE = 0.1  # of a person's width beside them that counts as before them


@dataclass(frozen=True, slots=True)
class Sitter:
    """Whoever was last seen at a seat."""

    box: Box | None = None
    seen_s: float = -inf

    def at(self, at_s: float) -> Box | None:
        """Where they are, as long as they are believed to sit there."""
        return self.box if at_s - self.seen_s <= PERSON_STAYS_S else None


def seated(
    sitters: tuple[Sitter, ...],
    detections: Sequence[Detection],
    window: Box,
    at_s: float,
    config: Config,
    thresholds: Thresholds,
) -> tuple[Sitter, ...]:
    """Each person belongs to the seat that holds most of them; the surest one counts."""
    sure = config.observe.person_floor or thresholds.of(PERSON)
    best: list[Detection | None] = [None] * len(config.seats)
    for detection in detections:
        if detection.label != PERSON or detection.score < min(sure, thresholds.floor):
            continue
        index = seat_of(detection.box, config.seats)
        if index is None:
            continue
        if detection.score < sure and not _still_there(sitters[index], detection.box, at_s):
            continue
        if not _all_of(sitters[index], detection.box, window, at_s):
            continue
        known = best[index]
        if known is None or detection.score > known.score:
            best[index] = detection
    return tuple(
        sitter if found is None else Sitter(_whole(found.box, window, sitter, at_s), at_s)
        for sitter, found in zip(sitters, best, strict=True)
    )


def _all_of(sitter: Sitter, box: Box, window: Box, at_s: float) -> bool:
    """Whether it is more than a limb of whoever sits there: about all that the window shows of
    them, where it is not the whole picture."""
    known = sitter.at(at_s)
    if window.area >= 1 or known is None:
        return True
    return box.intersection(known) >= LIMB * window.intersection(known)


def _whole(box: Box, window: Box, sitter: Sitter, at_s: float) -> Box:
    """Somebody who reaches to the edge of a window goes on beyond it, as far as was known."""
    known = sitter.at(at_s)
    if known is None:
        return box
    return Box(
        min(box.ymin, known.ymin) if 0 < window.ymin >= box.ymin - AT_EDGE else box.ymin,
        min(box.xmin, known.xmin) if 0 < window.xmin >= box.xmin - AT_EDGE else box.xmin,
        max(box.ymax, known.ymax) if 1 > window.ymax <= box.ymax + AT_EDGE else box.ymax,
        max(box.xmax, known.xmax) if 1 > window.xmax <= box.xmax + AT_EDGE else box.xmax,
    )


def _still_there(sitter: Sitter, box: Box, at_s: float) -> bool:
    known = sitter.at(at_s)
    return known is not None and known.iou(box) >= SAME_PERSON_IOU


def seat_of(box: Box, seats: tuple[SeatConfig, ...]) -> int | None:
    """The seat that shares most with the box; None when none shares any."""
    best, most = None, 0.0
    for index, seat in enumerate(seats):
        zones = [seat.box] if seat.dock is None else [seat.box, seat.dock]
        shared = max(zone.intersection(box) for zone in zones)
        if shared > most:
            best, most = index, shared
    return best


def raised(box: Box, sitter: Sitter, at_s: float, settings: ObserveConfig) -> str:
    """Where before a person it is held; empty when it is not."""
    person = sitter.at(at_s)
    if person is None:
        return ""
    y, x = box.center
    aside = ASIDE * person.width
    height = (y - person.ymin) / max(person.height, 1e-6)
    if not (0 <= height <= settings.raised and person.xmin - aside <= x <= person.xmax + aside):
        return ""
    return "at the face" if height <= FACE else "raised"
