"""Whether the camera sees the desk at all: covered, dark, blinded, frozen or moved."""

from __future__ import annotations

from dataclasses import dataclass

from edge.config import ObserveConfig
from edge.domain import SceneStats, View

VIEW_RETURNS_S = 0.5  # a view is found again after this
NOTHING_STANDS_OUT = 0.25  # contrast below this share of darkness: of a lid, not of a dark room


@dataclass(frozen=True, slots=True)
class Sight:
    identical: int
    view: View
    wanted: View
    since_s: float


def looked_through(
    before: Sight, stats: SceneStats | None, at_s: float, settings: ObserveConfig
) -> Sight:
    """Whether the camera sees the desk, believed after a hold."""
    if stats is None:
        return Sight(before.identical, before.view, before.wanted, before.since_s)
    identical = before.identical + 1 if stats.identical else 0
    wanted = _view(stats, identical, settings)
    since_s = before.since_s if wanted is before.wanted else at_s
    hold_s = VIEW_RETURNS_S if wanted is View.CLEAR else settings.view_hold_s
    view = wanted if at_s - since_s >= hold_s else before.view
    return Sight(identical, view, wanted, since_s)


def _view(stats: SceneStats, identical: int, settings: ObserveConfig) -> View:
    if settings.frozen_frames and identical >= settings.frozen_frames:
        return View.FROZEN
    # In the dark a lamp or a screen still stands out; under a hand or a lid nothing does.
    flat = stats.detail < settings.covered_detail
    if stats.brightness < settings.dark:
        return (
            View.COVERED
            if flat and stats.contrast < NOTHING_STANDS_OUT * settings.dark
            else View.DARK
        )
    if stats.glare > settings.glare:
        return View.GLARE
    if flat:
        return View.COVERED
    if stats.shift > settings.moved:
        return View.MOVED
    return View.CLEAR
