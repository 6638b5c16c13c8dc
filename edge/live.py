"""What is seen now, for somebody who looks: the picture, what is found in it, what follows from it.

Worked out only for who asks, outside of the loop's thread, from values that the loop leaves.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Protocol

from edge.config import Config
from edge.domain import (
    PHONE,
    Box,
    Detection,
    Frame,
    Observation,
    SeatState,
    SeatView,
    State,
    View,
)

TRIES = 5
BETWEEN_S = 0.004
JPEG_Q = 6  # 2 is the best, 31 the smallest
# Of 100 phones of up to this share of the picture, so many are known to both eyes together:
# models/CARD.md, "The closer look", for a camera of so many pixels across.
KNOWN = ((0.003, 35), (0.01, 74), (1.0, 79))
KNOWN_PX = 1280
ENOUGH = 65


class Eye(Protocol):
    @property
    def frame(self) -> Frame | None: ...

    @property
    def observation(self) -> Observation | None: ...


@dataclass(frozen=True, slots=True)
class Taken:
    """A frame and what was judged of it; no observation: of an earlier one, or of none."""

    frame: Frame
    observation: Observation | None

    def words(self, state: State, config: Config) -> dict[str, Any]:
        seen = self.observation
        seats = {view.seat: view for view in seen.seats} if seen is not None else {}
        return {
            "width": self.frame.width_px,
            "height": self.frame.height_px,
            "view": seen.view.value if seen is not None else "",
            "looked": seen is not None and seen.inferred,
            "things": [_thing(each) for each in seen.detections] if seen is not None else [],
            "hint": hint(seen, self.frame.width_px),
            "session": state.session.value,
            "aiming": state.aim_until_s is not None,
            "reading": state.card_until_s is not None,
            "seats": [
                _seat(judged, seats.get(judged.seat), placed.box, placed.dock)
                for judged, placed in zip(state.seats, config.seats, strict=False)
            ],
        }

    def jpeg(self, widest_px: int) -> bytes:
        """Every nth pixel: it is to aim by, and costs next to nothing."""
        from edge.vision.draw import as_jpeg

        step = -(-self.frame.width_px // widest_px)
        return as_jpeg(self.frame.image[::step, ::step], qscale=JPEG_Q)


def hint(seen: Observation | None, width_px: int) -> str:
    """What stands in the way of seeing a phone where one is now, in words; empty: nothing."""
    if seen is None:
        return ""
    if seen.view is not View.CLEAR:
        return f"Nothing can be judged while the view is {seen.view}."
    shares = [each.box.area for each in seen.detections if each.label == PHONE]
    if not shares:
        return ""
    known = next(count for most, count in KNOWN if min(shares) <= most)
    if known >= ENOUGH:
        return ""
    more = "" if width_px >= KNOWN_PX else ", or give it more pixels (camera.width_px)"
    return (
        f"Of phones as small as this one ({min(shares):.1%} of the picture) about {known} of 100"
        f" are known: bring the box closer{more}."
    )


def take(eye: Eye) -> Taken | None:
    """The newest frame; None: the camera is closed.

    The loop replaces frame and observation one after the other, and this is another thread: it
    looks again when they are not of one moment.
    """
    frame = eye.frame
    for _ in range(TRIES):
        frame, seen = eye.frame, eye.observation
        if frame is None:
            return None
        if seen is not None and seen.at_s == frame.at_s:
            return Taken(frame, seen)
        time.sleep(BETWEEN_S)
    return Taken(frame, None) if frame is not None else None


def _thing(found: Detection) -> dict[str, Any]:
    return {"label": found.label, "score": round(found.score, 2), "box": edges(found.box)}


def _seat(judged: SeatState, view: SeatView | None, box: Box, dock: Box | None) -> dict[str, Any]:
    phone = view.phone if view is not None else None
    return {
        "name": judged.seat,
        "box": edges(box),
        "dock": edges(dock) if dock is not None else None,
        "activity": judged.activity.value,
        "level": int(judged.level),
        "reason": judged.reason,
        "docked": judged.dock.value,
        "phone": None
        if phone is None
        else {
            "use": phone.use.value,
            "why": phone.why,
            "box": edges(phone.box),
            "median": round(phone.median, 2),
        },
    }


def edges(box: Box) -> list[float]:
    """[top, left, bottom, right], as in the configuration."""
    return [round(edge, 4) for edge in (box.ymin, box.xmin, box.ymax, box.xmax)]
