"""What one frame means, given the frames before it: things, people in seats, the view.

Pure. `Memory` is all that is kept from frame to frame; it is bounded, and holds no picture but
the grey cells of `pixels`.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from edge.config import Config, SeatConfig
from edge.desk import docks
from edge.desk.attention import Turn, is_due, next_glance, taken
from edge.desk.docks import Docked
from edge.desk.evidence import NOTHING, Heard, probability, weight_of
from edge.desk.geometry import shows
from edge.desk.people import Sitter, raised, seated
from edge.desk.pixels import LONG_AGO_S, Pixels
from edge.desk.tracks import (
    MOST_TRACKS,
    SURE_S,
    Track,
    at_look,
    born,
    bounds_of,
    candidates,
    gone,
    judged,
    may_be_pushed,
    missed,
    seen,
    told_apart,
)
from edge.desk.view import Sight, looked_through
from edge.domain import (
    WHOLE_PICTURE,
    Box,
    Detection,
    Glance,
    Look,
    Observation,
    PhoneSight,
    PhoneUse,
    SceneStats,
    SeatView,
    Thresholds,
    View,
)

CUT_S = 1.5  # what is seen so soon after a film went on elsewhere has come from somewhere
FLOOR = 0.06  # what eyes say below this is not followed: much of it is nothing, and hides what is
HARDLY = 0.05  # what may be a phone is not shown as one below this, before it was ever believed


class Memory(NamedTuple):
    """What earlier frames left behind. A new one knows nothing."""

    began_s: float | None = None
    looked_s: float = -inf
    cut_s: float = -inf
    stirred: bool = True  # something changed since the last look
    pixels: Pixels = Pixels()
    looks: tuple[tuple[float, Box], ...] = ()  # when and where the recent looks were
    tracks: tuple[Track, ...] = ()
    next_track: int = 1
    sitters: tuple[Sitter, ...] = ()
    docked: tuple[Docked, ...] = ()
    turns: tuple[Turn, ...] = ()
    sight: Sight = Sight(0, View.CLEAR, View.CLEAR, 0.0)
    detections: tuple[Detection, ...] = ()


def glances(
    memory: Memory, stats: SceneStats | None, *, at_s: float, config: Config, eyes: int = 1
) -> tuple[Glance, ...]:
    """The looks that this frame should have: none, or one."""
    if not is_due(memory.tracks, memory.looked_s, memory.stirred, stats, at_s, config):
        return ()
    closely = config.model.second_look
    return (next_glance(memory.tracks, memory.sitters, memory.turns, eyes, at_s, closely=closely),)


def observe(
    memory: Memory,
    looks: tuple[Look, ...],
    stats: SceneStats | None,
    *,
    at_s: float,
    config: Config,
    thresholds: Thresholds,
) -> tuple[Memory, Observation]:
    """Add one frame with what was looked at in it; `at_s` must not decrease.

    Returns the memory for the next frame, and what this one means: one SeatView per configured
    seat, in their order.
    """
    settings = config.observe
    if settings.cut < 1 and (
        memory.began_s is None or (stats is not None and stats.change >= settings.cut)
    ):
        memory = _after_cut(memory, at_s, settings.confirm_frames)
    began_s = at_s if memory.began_s is None else memory.began_s
    held = any(t.confirmed and at_s - t.still_s < LONG_AGO_S[0] for t in memory.tracks)
    grid = None if stats is None else stats.grid
    memory = memory._replace(
        began_s=began_s,
        sight=looked_through(memory.sight, stats, at_s, settings),
        sitters=memory.sitters or (Sitter(),) * len(config.seats),
        docked=memory.docked or (Docked(began_s),) * len(config.seats),
        stirred=memory.stirred or stats is None or stats.change >= settings.gate_change,
        pixels=memory.pixels.at(at_s, grid, held=held) if looks else memory.pixels,
    )
    for look in looks:
        memory = _add(memory, look, at_s, config, thresholds)
    views = tuple(
        _seat_view(index, seat, memory, at_s, config) for index, seat in enumerate(config.seats)
    )
    return memory, Observation(
        at_s=at_s,
        view=memory.sight.view,
        seats=views,
        detections=memory.detections,
        inferred=bool(looks),
    )


def _add(memory: Memory, look: Look, at_s: float, config: Config, thresholds: Thresholds) -> Memory:
    settings = config.observe
    bounds = bounds_of(settings, thresholds)
    sitters = seated(memory.sitters, look.detections, look.window, at_s, config, thresholds)
    pixels = memory.pixels
    cut = at_s - memory.cut_s < CUT_S

    def came(box: Box, seat: int) -> bool:
        return pixels.new(box) or (cut and bool(raised(box, sitters[seat], at_s, settings)))

    known = [at_look(track, pixels) for track in memory.tracks]
    of, new = told_apart(known, candidates(look, FLOOR), config.seats, pixels, came)

    tracks: list[Track] = []
    for track in known:
        again = of.get(track.number)
        if again is None:
            tracks.append(missed(track, look, at_s))
        else:
            person = sitters[track.seat].at(at_s)
            pushed = track.held and may_be_pushed(again.box, known, person)
            tracks.append(seen(track, again, look, pixels, at_s, pushed=pushed))
    tracks = [track for track in tracks if not gone(track, at_s, settings)]
    number = memory.next_track
    for each in new:
        box = each.phone.box
        before = tuple(
            Heard(then_s, NOTHING, weight_of(box, window), False)
            for then_s, window in memory.looks
            if shows(window, box)
        )
        tracks.append(born(number, each, look, pixels, at_s, before))
        number += 1
    tracks = [
        judged(track, sitters[track.seat], config.seats[track.seat].dock, at_s, settings, bounds)
        for track in tracks
    ]
    tracks = sorted(tracks, key=lambda t: (t.confirmed, t.level), reverse=True)[:MOST_TRACKS]
    recent = tuple(each for each in memory.looks if each[0] > at_s - SURE_S)
    return memory._replace(
        looked_s=at_s,
        stirred=False,
        sitters=sitters,
        tracks=tuple(tracks),
        next_track=number,
        looks=(*recent, (at_s, look.window)),
        docked=docks.looked_into(memory.docked, tracks, pixels, at_s),
        turns=taken(memory.turns, look.glance, at_s),
        detections=tuple(d for d in look.detections if d.score >= thresholds.of(d.label)),
    )


def _after_cut(memory: Memory, at_s: float, looks: int) -> Memory:
    """A film goes on elsewhere, or its camera is swept along: what lay somewhere lies there no
    longer, and whatever is seen has come from somewhere. As if so many looks had seen nothing: its
    first sights alone say little."""
    return memory._replace(
        cut_s=at_s,
        stirred=True,
        pixels=Pixels(),
        tracks=tuple(track for track in memory.tracks if track.held),
        looks=((at_s, WHOLE_PICTURE),) * looks,
    )


# What matters most comes last.
_ORDER = (PhoneUse.DOCKED, PhoneUse.PARKED, PhoneUse.SUSPECTED, PhoneUse.IN_USE)


def _seat_view(
    index: int, seat: SeatConfig, memory: Memory, at_s: float, config: Config
) -> SeatView:
    sitter = memory.sitters[index]
    # While nothing changes, whoever sat there at the last look still does.
    present = sitter.at(memory.looked_s) is not None
    mine = [track for track in memory.tracks if track.seat == index]
    chosen = max(mine, key=lambda t: (_ORDER.index(t.use), t.active_s, t.level), default=None)
    if chosen is not None and not chosen.confirmed and probability(chosen.level) < HARDLY:
        chosen = None
    return SeatView(
        seat=seat.name,
        person=present,
        phone=None if chosen is None else _as_sight(chosen, at_s),
        dock=docks.shows(
            seat,
            memory.docked[index],
            sitter if present else None,
            memory.looked_s,
            config.observe,
        ),
    )


def _as_sight(track: Track, at_s: float) -> PhoneSight:
    last = track.heard[-1] if track.heard else None
    fresh = last is not None and last.at_s == at_s and last.seen
    return PhoneSight(
        track=track.number,
        use=track.use,
        box=track.box,
        score=probability(last.log_odds) if fresh and last is not None else 0.0,
        median=probability(track.level),
        since_s=track.first_s,
        use_since_s=track.use_since_s,
        active_s=track.active_s,
        why=track.why,
        sure=track.sure,
    )
