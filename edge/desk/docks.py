"""Docks: a phone that was seen in one is there until pixels change where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.config import ObserveConfig, SeatConfig
from edge.desk.people import Sitter
from edge.desk.pixels import Pixels
from edge.desk.tracks import Track
from edge.domain import Box, Dock, PhoneUse

HIDDEN = 0.7  # of a dock behind somebody is out of sight


@dataclass(frozen=True, slots=True)
class Docked:
    """When a dock last held a phone, and where in it, as long as it does."""

    held_s: float
    box: Box | None = None


def looked_into(
    docked: tuple[Docked, ...], tracks: Sequence[Track], pixels: Pixels, at_s: float
) -> tuple[Docked, ...]:
    """One look that misses a phone takes nothing out of its dock."""
    after = []
    for index, before in enumerate(docked):
        box = next(
            (
                track.box
                for track in tracks
                if track.seat == index and track.use is PhoneUse.DOCKED and track.seen_s == at_s
            ),
            None,
        )
        if box is None and before.box is not None and pixels.still_s(before.box) > 0:
            box = before.box
        after.append(Docked(before.held_s if box is None else at_s, box))
    return tuple(after)


def shows(
    seat: SeatConfig,
    docked: Docked,
    sitter: Sitter | None,
    looked_s: float,
    settings: ObserveConfig,
) -> Dock:
    """What the dock of a seat shows; `sitter`: who sits there now."""
    if seat.dock is None:
        return Dock.NONE
    if looked_s - docked.held_s <= settings.forget_s:
        return Dock.HOLDS
    if (
        sitter is not None
        and sitter.box is not None
        and sitter.box.intersection(seat.dock) > HIDDEN * seat.dock.area
        and looked_s - docked.held_s <= settings.remember_s
    ):
        return Dock.HIDDEN
    return Dock.EMPTY
