"""What one frame means, given the frames before it: tracks of phones, people in seats, the view.

Pure. `Memory` is all that is kept from frame to frame; it is bounded, and holds no picture.

A phone in use is told from a phone that lies about by movement and by place. There is no detector
of hands, so this is what stands in for them:

- it moves, by more than a share of its own size, where the pixels change as well (a box that
  jitters over a still picture is the detector's doing);
- some boxes wobble from look to look, most of all those of phones that are half seen; a thing moves
  when it goes farther than it wobbles, which is learnt while it lies there (that a bad box jumps
  to and fro tells nothing: hands do, too);
- it came from somewhere: it was not there when watching began, pixels changed, and then it was;
- a box that shrinks within its old place is covered by a hand or a cup, not moved;
- in front of somebody's chest few things lie, and beside the face fewer, so there stillness has to
  last for longer than on the desk before it is believed (a stand can hold a phone, a picture hang
  on the wall).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot, inf, sqrt
from statistics import median

from edge.config import Config, ObserveConfig, SeatConfig
from edge.domain import (
    GLIMPSE,
    PERSON,
    PHONE,
    Box,
    Detection,
    Dock,
    Observation,
    PhoneSight,
    PhoneUse,
    SceneStats,
    SeatView,
    Thresholds,
    View,
)

MOST_TRACKS = 16  # a table has fewer phones; the bound keeps a tick's cost in bounds
MOST_SCORES = 24  # of one track's recent frames
LAIN_S = 3.0  # seen to lie for so long, it is remembered there
EXCITING_S = 3.0
TAKEN_S = 5.0  # what lay until so long ago, and is not seen now, may be in a hand
BEGINNING_S = 8.0  # a phone seen so soon after watching began was there before
PERSON_STAYS_S = 3.0  # a few missed detections do not empty a seat
SAME_PERSON_IOU = 0.5  # somebody who was seen is still there on weaker evidence, if about there
VIEW_RETURNS_S = 0.5  # a view is found again after this
WOBBLES = 3.0  # a box so many times farther off than usual has moved
MOST_WOBBLE = 0.5  # what is off farther, in its own size, has moved for sure
WOBBLE_SHARE = 0.2  # of what a look says of a box's wobble
HELD_STILL = 0.25  # of that, where it may be a movement instead
DOUBT = 0.05  # the wobble of the worst of the measured phones that are believed (noise.json)
SWAYS = 1 / 3  # of `still`: what a hand moves a phone without meaning to, and a desk never does
EXPECTED = 0.65  # a phone where one is expected is confirmed by this share of what it takes
OFTEN = 0.3  # in more than this share of the looks, instead of half of them
CLEARLY = 0.5  # a confirmed phone stays one while its median is this share of what it takes
SURELY = 0.75  # and a sure one
FACE = 0.4  # the part of a person, from the top, where a phone is held for a call
FACE_PATIENCE = 5.0  # times parked_s: a call is held very still
MOST_PLACES = 16  # remembered places of things that are gone, and boxes of changed pixels
HINT_STAYS_S = 5.0  # without another, a hint is forgotten after this
MOST_HINTS = 32
MOVES = 0.3  # share of a box that changes when what is in it moves
WITHIN = 0.7  # of the smaller of two boxes lies in the other when they show one phone
TOUCH = 0.02  # margin around a box, of the picture, within which a change of pixels is its own


@dataclass(frozen=True, slots=True)
class Track:
    """One phone, or what is taken for one.

    scores: (at_s, score) of the looks within the window, 0 where a look missed it
    anchor: where it lies, or last moved to
    far:    it was seen away from its anchor in the last look: twice in a row is a movement, as
            one bad box is not
    wobble: how far its box is off from look to look while nothing moves it, in its own size (root
            mean square: a box that jumps now and then is worse than one that trembles)
    calm:   that as it was before it was last seen away from its anchor, where it may have moved
    doubt:  how much more than that it may be, as long as few looks have told
    """

    number: int
    seat: int
    first_s: float
    seen_s: float
    box: Box
    anchor: Box
    scores: tuple[tuple[float, float], ...]
    moving: bool = False  # whether it ever moved
    rested: bool = False  # whether it was ever seen where no pixels changed
    far: bool = False
    wobble: float = 0.0
    calm: float = 0.0
    doubt: float = DOUBT
    use: PhoneUse = PhoneUse.SUSPECTED
    use_since_s: float = 0.0
    moved_s: float = float("-inf")
    stirred_s: float = 0.0  # when it began to move, after it had lain
    active_s: float = float("-inf")
    median: float = 0.0
    confirmed: bool = False  # enough for a light
    sure: bool = False  # enough for a sound
    why: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thing lay that is gone: seen there again, it has not come from elsewhere."""

    box: Box
    seen_s: float
    wobble: float


@dataclass(frozen=True, slots=True)
class Hint:
    """Where something has been that may be a phone, and since when it has not left."""

    box: Box
    since_s: float
    seen_s: float


@dataclass(frozen=True, slots=True)
class Docked:
    """When a dock last held a phone, and where in it, as long as it does."""

    held_s: float
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Sitter:
    """Who sits at a seat: not who it is, only that somebody does."""

    score: float = 0.0
    box: Box | None = None
    seen_s: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Memory:
    """What earlier frames left behind. A new one knows nothing."""

    began_s: float | None = None
    looked_s: float = float("-inf")
    stirred: bool = True  # something changed since the last look
    changed: tuple[Box, ...] = ()  # and where
    places: tuple[Place, ...] = ()  # where things lay that are not seen any more
    hints: tuple[Hint, ...] = ()
    tracks: tuple[Track, ...] = ()
    next_track: int = 1
    sitters: tuple[Sitter, ...] = ()
    docked: tuple[Docked, ...] = ()  # what is known of each seat's dock
    identical: int = 0
    view: View = View.CLEAR
    view_wanted: View = View.CLEAR
    view_since_s: float = 0.0  # since when it is wanted
    detections: tuple[Detection, ...] = ()


def wants_look(memory: Memory, stats: SceneStats | None, *, at_s: float, config: Config) -> bool:
    """Whether the detector should see this frame.

    It need not while nothing changes. With a phone in use, or something new that may be one, every
    frame is looked at, since silence has to come quickly; otherwise changes are looked at every
    `gate_calm_s`, and anything at all every `gate_longest_s`: these two bound the reaction time.
    """
    settings = config.observe
    if stats is None or not settings.gate:
        return True
    age_s = at_s - memory.looked_s
    if age_s >= settings.gate_longest_s or age_s < 0:
        return True
    if any(_exciting(track, at_s) for track in memory.tracks):
        return True
    if not (memory.stirred or stats.change >= settings.gate_change):
        return False
    taken = _taken_from(memory.tracks, memory.looked_s)
    return bool(taken) or age_s >= settings.gate_calm_s


def _exciting(track: Track, at_s: float) -> bool:
    """In use, or so new that it may be, or perhaps just moved, as the next frame will tell. What
    has hung on the wall as half a phone for a while, and never moved, is no reason to hurry."""
    if track.use is PhoneUse.IN_USE:
        return True
    since_s = track.seen_s if track.far else max(track.first_s, track.moved_s)
    return track.use is not PhoneUse.DOCKED and at_s - since_s < EXCITING_S


def _taken_from(tracks: Sequence[Track], looked_s: float) -> frozenset[int]:
    """The seats where a look did not find a phone that lay there until just before: it may be in a
    hand."""
    return frozenset(
        track.seat
        for track in tracks
        if track.confirmed and _lies(track) and track.seen_s < looked_s < track.seen_s + TAKEN_S
    )


def observe(
    memory: Memory,
    detections: tuple[Detection, ...] | None,
    stats: SceneStats | None,
    *,
    at_s: float,
    config: Config,
    thresholds: Thresholds,
) -> tuple[Memory, Observation]:
    """Add one frame. `detections` is None when the detector did not look at it.

    Returns the memory for the next frame, and what this one means: one SeatView per configured
    seat, in their order. Scores and boxes are 0..1; `at_s` must not decrease.
    """
    settings = config.observe
    if settings.cut < 1 and (
        memory.began_s is None or (stats is not None and stats.change >= settings.cut)
    ):
        memory = _after_cut(memory, at_s)
    began_s = at_s if memory.began_s is None else memory.began_s
    view_memory = _look_through(memory, stats, at_s, settings)
    sitters = memory.sitters or (Sitter(),) * len(config.seats)
    tracks, next_track = memory.tracks, memory.next_track
    looked_s, places, hints = memory.looked_s, memory.places, memory.hints
    docked = memory.docked or (Docked(began_s),) * len(config.seats)
    stirred = memory.stirred or stats is None or stats.change >= settings.gate_change
    changed = memory.changed
    if stats is not None and stats.changed:
        changed = (*changed, *stats.changed)[-MOST_PLACES:]
    if detections is not None:
        looked_s = at_s
        hints = _hints(hints, detections, at_s, settings)
        detections = tuple(d for d in detections if d.label != GLIMPSE)
        sitters = _seat_people(sitters, detections, at_s, config, thresholds)
        floor = settings.phone_floor or thresholds.floor
        phones = _phones(detections, floor)
        change = _Change(changed, stirred)
        places = tuple(p for p in places if at_s - p.seen_s <= settings.remember_s)
        followed = _follow(tracks, phones, change, sitters, at_s, config, thresholds)
        places = (*places, *_left_places(tracks, followed, settings))[-MOST_PLACES:]
        tracks = followed
        taken = _taken_from(tracks, at_s)
        for phone in _unclaimed(phones, tracks, at_s):
            seat = _seat_of(phone.box, config.seats)
            if seat is None or len(tracks) >= MOST_TRACKS:
                continue
            known = [p for p in places if p.box.iou(phone.box) >= settings.track_iou]
            beside = any(t.anchor.iou(phone.box) >= settings.track_iou for t in tracks)
            hinted = any(
                at_s - hint.since_s >= LAIN_S and hint.box.iou(phone.box) >= settings.track_iou
                for hint in hints
            )
            came = at_s - began_s >= BEGINNING_S and change.at(phone.box)
            # A phone that is in a hand by now is more than something that may have lain there.
            came = came and not (known or beside or (hinted and seat not in taken))
            wobble = max((p.wobble for p in known), default=0.0)
            rested = not change.covers(phone.box)
            born = _born(next_track, seat, phone, at_s, wobble=wobble, came=came, rested=rested)
            tracks = (*tracks, _judge(born, sitters[seat], at_s, config))
            next_track += 1
        docked = _look_into(docked, tracks, change, at_s)
        stirred, changed = False, ()
    after = Memory(
        began_s=began_s,
        looked_s=looked_s,
        stirred=stirred,
        changed=changed,
        places=places,
        hints=hints,
        tracks=tracks,
        next_track=next_track,
        sitters=sitters,
        docked=docked,
        identical=view_memory.identical,
        view=view_memory.view,
        view_wanted=view_memory.view_wanted,
        view_since_s=view_memory.view_since_s,
        detections=memory.detections if detections is None else detections,
    )
    seats = tuple(
        _seat_view(index, seat, after, at_s, config) for index, seat in enumerate(config.seats)
    )
    return after, Observation(
        at_s=at_s,
        view=after.view,
        seats=seats,
        detections=after.detections,
        inferred=detections is not None,
    )


def _after_cut(memory: Memory, at_s: float) -> Memory:
    """A film goes on elsewhere, or its camera is swept along: what lay somewhere lies there no
    longer, and whatever is seen has come from somewhere."""
    moving = tuple(track for track in memory.tracks if not _lies(track))
    return replace(
        memory,
        began_s=at_s - BEGINNING_S,
        stirred=True,
        changed=(),
        places=(),
        hints=(),
        tracks=moving,
    )


# ---------------------------------------------------------------- the view


@dataclass(frozen=True, slots=True)
class _ViewMemory:
    identical: int
    view: View
    view_wanted: View
    view_since_s: float


def _look_through(
    memory: Memory, stats: SceneStats | None, at_s: float, settings: ObserveConfig
) -> _ViewMemory:
    """Whether the camera sees the desk, believed after a hold."""
    if stats is None:
        return _ViewMemory(memory.identical, memory.view, memory.view_wanted, memory.view_since_s)
    identical = memory.identical + 1 if stats.identical else 0
    wanted = _view(stats, identical, settings)
    since_s = memory.view_since_s if wanted is memory.view_wanted else at_s
    hold_s = VIEW_RETURNS_S if wanted is View.CLEAR else settings.view_hold_s
    view = wanted if at_s - since_s >= hold_s else memory.view
    return _ViewMemory(identical, view, wanted, since_s)


def _view(stats: SceneStats, identical: int, settings: ObserveConfig) -> View:
    if settings.frozen_frames and identical >= settings.frozen_frames:
        return View.FROZEN
    # In the dark a lamp or a screen still stands out; under a hand or a lid nothing does.
    flat = stats.detail < settings.covered_detail
    if stats.brightness < settings.dark:
        return View.COVERED if flat and stats.contrast < 0.25 * settings.dark else View.DARK
    if stats.glare > settings.glare:
        return View.GLARE
    if flat:
        return View.COVERED
    if stats.shift > settings.moved:
        return View.MOVED
    return View.CLEAR


# ---------------------------------------------------------------- people


def _seat_people(
    sitters: tuple[Sitter, ...],
    detections: Sequence[Detection],
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
        index = _seat_of(detection.box, config.seats)
        if index is None:
            continue
        if detection.score < sure and not _still_there(sitters[index], detection.box, at_s):
            continue
        known = best[index]
        if known is None or detection.score > known.score:
            best[index] = detection
    return tuple(
        sitter if found is None else Sitter(found.score, found.box, at_s)
        for sitter, found in zip(sitters, best, strict=True)
    )


def _still_there(sitter: Sitter, box: Box, at_s: float) -> bool:
    return (
        sitter.box is not None
        and at_s - sitter.seen_s <= PERSON_STAYS_S
        and sitter.box.iou(box) >= SAME_PERSON_IOU
    )


def _seat_of(box: Box, seats: tuple[SeatConfig, ...]) -> int | None:
    """The seat that shares most with the box; None when none shares any."""
    best, most = None, 0.0
    for index, seat in enumerate(seats):
        zones = [seat.box] if seat.dock is None else [seat.box, seat.dock]
        shared = max(zone.intersection(box) for zone in zones)
        if shared > most:
            best, most = index, shared
    return best


# ---------------------------------------------------------------- phones


def _phones(detections: Sequence[Detection], floor: float) -> list[Detection]:
    """The phones of one frame, best first."""
    found = [d for d in detections if d.label == PHONE and d.score >= floor]
    found.sort(key=lambda detection: -detection.score)
    return found[:MOST_TRACKS]


@dataclass(frozen=True, slots=True)
class _Change:
    """Where pixels changed since the last look; `anywhere` with no boxes: nobody knows where."""

    boxes: tuple[Box, ...]
    anywhere: bool

    def at(self, box: Box) -> bool:
        if not self.boxes:
            return self.anywhere
        around = _grown(box, TOUCH)
        return any(changed.intersection(around) > 0 for changed in self.boxes)

    def covers(self, box: Box) -> bool:
        """Whether so much of the box changed as does when the thing in it moves."""
        if not self.boxes:
            return self.anywhere
        return any(changed.intersection(box) >= MOVES * box.area for changed in self.boxes)


def _follow(
    tracks: tuple[Track, ...],
    phones: list[Detection],
    change: _Change,
    sitters: tuple[Sitter, ...],
    at_s: float,
    config: Config,
    thresholds: Thresholds,
) -> tuple[Track, ...]:
    """Join the phones of this look to the tracks, nearest first; end tracks that are gone.

    A phone in use comes before whatever else overlaps: what is half seen beside it for a moment
    does not take over its detections.
    """
    settings = config.observe
    pairs = sorted(
        (
            (track.use is PhoneUse.IN_USE and nearness > 1, nearness, i, j)
            for i, track in enumerate(tracks)
            for j, phone in enumerate(phones)
            if (nearness := _nearness(track, phone.box, settings)) > 0
        ),
        reverse=True,
    )
    phone_of: dict[int, int] = {}
    claimed: set[int] = set()
    for _, _, i, j in pairs:
        if i not in phone_of and j not in claimed:
            phone_of[i] = j
            claimed.add(j)
    confirm = settings.phone_confirm or thresholds.of(PHONE)
    going_on = [
        _seen(track, phones[phone_of[i]], change, at_s, settings)
        if i in phone_of
        else _missed(track, at_s, settings)
        for i, track in enumerate(tracks)
    ]
    taken = _taken_from(going_on, at_s)
    after = []
    for track in going_on:
        if _gone(track, at_s, settings):
            continue
        sitter = sitters[track.seat]
        # A phone that lies nowhere any more is in a hand, and what is held to the face is one.
        height = _height(track.box, sitter, at_s, settings)
        expected = track.seat in taken or height <= FACE
        track = _confirm(track, confirm, settings, expected=expected)
        after.append(_judge(track, sitter, at_s, config))
    return tuple(after)


def _unclaimed(phones: list[Detection], tracks: tuple[Track, ...], at_s: float) -> list[Detection]:
    """The phones that continue no track, and are no second box of one in use: a part of it, or it
    with its hand."""
    seen = [track for track in tracks if track.seen_s == at_s]
    claimed = {track.box for track in seen}
    held = [track.box for track in seen if track.use is PhoneUse.IN_USE]
    return [
        phone
        for phone in phones
        if phone.box not in claimed and not any(_of_one(box, phone.box) for box in held)
    ]


def _of_one(one: Box, other: Box) -> bool:
    return one.intersection(other) >= WITHIN * min(one.area, other.area)


def _left_places(
    before: tuple[Track, ...], after: tuple[Track, ...], settings: ObserveConfig
) -> list[Place]:
    """Where things lay, of tracks that ended: not where one was only seen on its way. What wobbles
    much may only seem to have moved."""
    kept = {track.number for track in after}
    return [
        Place(track.anchor, track.seen_s, track.wobble)
        for track in before
        if track.number not in kept
        and (track.rested or _lies(track))
        and (_has_lain(track) or not track.moving or track.wobble >= settings.still / 2)
    ]


def _hints(
    before: tuple[Hint, ...],
    detections: Sequence[Detection],
    at_s: float,
    settings: ObserveConfig,
) -> tuple[Hint, ...]:
    """Where something may be a phone after this look, and has been for how long."""
    after = {hint.box: hint for hint in before if at_s - hint.seen_s <= HINT_STAYS_S}
    for seen in detections:
        if seen.label not in (PHONE, GLIMPSE):
            continue
        there = max(after.values(), key=lambda hint: hint.box.iou(seen.box), default=None)
        if there is None or there.box.iou(seen.box) < settings.track_iou:
            there = Hint(seen.box, at_s, at_s)
        after[there.box] = replace(there, seen_s=at_s)
    latest = sorted(after.values(), key=lambda hint: hint.seen_s)
    return tuple(latest[-MOST_HINTS:])


def _born(
    number: int,
    seat: int,
    phone: Detection,
    at_s: float,
    *,
    wobble: float,
    came: bool,
    rested: bool,
) -> Track:
    return Track(
        number=number,
        seat=seat,
        first_s=at_s,
        seen_s=at_s,
        box=phone.box,
        anchor=phone.box,
        scores=((at_s, phone.score),),
        use_since_s=at_s,
        rested=rested,
        wobble=wobble,
        calm=wobble,
        moved_s=at_s if came else float("-inf"),
        stirred_s=at_s,
        median=phone.score,
    )


def _nearness(track: Track, box: Box, settings: ObserveConfig) -> float:
    """How well a box continues a track, above 0 when it may: 1 to 2 where they overlap, else up
    to 1 by distance in the phone's own size, since a raised phone moves fast. What lies is looked
    for where it lies, before where one bad box was."""
    iou = track.anchor.iou(box) if _lies(track) else 0.0
    if iou < settings.track_iou:
        iou = track.box.iou(box)
    if iou >= settings.track_iou:
        return 1 + iou
    (ay, ax), (by, bx) = track.box.center, box.center
    reach = max(track.box.size, box.size)
    near = 1 - hypot(ay - by, ax - bx) / reach if reach else 0.0
    return 0.0 if _lies(track) else near


def _lies(track: Track) -> bool:
    return track.use in (PhoneUse.PARKED, PhoneUse.DOCKED)


def _recent(
    scores: tuple[tuple[float, float], ...], at_s: float, score: float, window_s: float
) -> tuple[tuple[float, float], ...]:
    kept = tuple(entry for entry in scores[-MOST_SCORES:] if at_s - entry[0] < window_s)
    return (*kept, (at_s, score))


def _seen(
    track: Track,
    phone: Detection,
    change: _Change,
    at_s: float,
    settings: ObserveConfig,
) -> Track:
    box = phone.box
    anchor, moved_s, far = track.anchor, track.moved_s, False
    stirred_s = track.stirred_s
    held = track.use is PhoneUse.IN_USE
    wobble, doubt = track.wobble, track.doubt
    changes = change.covers(box)
    if _lies(track):
        # Where pixels change as well it may be a hand that holds it, however still.
        share = WOBBLE_SHARE * (HELD_STILL if changes else 1.0)
        doubt *= 1 - share
        if box != track.box:  # else the detector repeats what it saw a moment ago
            # From one look to the next, since a hand sways slowly and a bad box jumps.
            off = min(_distance(track.box, box), MOST_WOBBLE) / sqrt(2)
            wobble = sqrt(wobble**2 + share * (off**2 - wobble**2))
    if phone.repeated:
        far = track.far
    elif changes or (track.far and not held):
        if held:
            least = max(settings.still * SWAYS, WOBBLES * track.wobble + track.doubt)
        else:
            least = max(settings.still, WOBBLES * (track.wobble + track.doubt))
        covered = _covered(anchor, box, track.wobble)
        # What lies, and a hand or what it leans on with it, has not moved either.
        there = covered or (not held and _covered(box, anchor, track.wobble))
        far = not there and _distance(anchor, box) >= least
        if held and covered:
            # Fingers and a bad box may stay: what moves is soon measured by what they leave.
            anchor = _between(anchor, box, 0.1)
        if far and (track.far or held):
            if at_s - moved_s > settings.parked_s:
                stirred_s = at_s
            # What was taken for wobble was the beginning of this.
            anchor, moved_s, wobble = box, at_s, track.calm
    else:
        # What lies still is measured again and again: the anchor settles on the mean.
        anchor = _between(anchor, box, 0.1)
    return replace(
        track,
        seen_s=at_s,
        box=box,
        anchor=anchor,
        far=far,
        wobble=wobble,
        calm=track.calm if far else wobble,
        doubt=doubt,
        moving=track.moving or moved_s == at_s,
        rested=track.rested or not changes,
        scores=_recent(track.scores, at_s, phone.score, settings.window_s),
        moved_s=moved_s,
        stirred_s=stirred_s,
    )


def _missed(track: Track, at_s: float, settings: ObserveConfig) -> Track:
    return replace(track, scores=_recent(track.scores, at_s, 0.0, settings.window_s))


def _gone(track: Track, at_s: float, settings: ObserveConfig) -> bool:
    keep_s = settings.remember_s if _has_lain(track) else settings.forget_s
    return at_s - track.seen_s > keep_s


def _has_lain(track: Track) -> bool:
    """Whether it was seen to lie there for long enough to be looked for there later on: a hand
    that stops for a moment leaves no phone behind."""
    return track.confirmed and _lies(track) and track.seen_s - track.use_since_s >= LAIN_S


def _covered(anchor: Box, box: Box, wobble: float) -> bool:
    """Whether the box is what a hand or a cup left over of the thing at its anchor.

    wobble: how far the thing's boxes are off anyway, in its own size
    """
    margin = TOUCH / 2 + wobble * anchor.size
    inside = box.intersection(_grown(anchor, margin)) >= 0.9 * box.area
    return inside and box.area < 0.9 * anchor.area


def _distance(anchor: Box, box: Box) -> float:
    """How far it moved, in its own size; turning it counts half, as boxes breathe."""
    (ay, ax), (by, bx) = anchor.center, box.center
    size = max(anchor.size, 1e-6)
    shift = hypot(ay - by, ax - bx) / size
    turn = max(abs(anchor.height - box.height), abs(anchor.width - box.width)) / size
    return max(shift, turn / 2)


def _between(one: Box, other: Box, share: float) -> Box:
    keep = 1 - share
    return Box(
        one.ymin * keep + other.ymin * share,
        one.xmin * keep + other.xmin * share,
        one.ymax * keep + other.ymax * share,
        one.xmax * keep + other.xmax * share,
    )


def _grown(box: Box, margin: float) -> Box:
    return Box(box.ymin - margin, box.xmin - margin, box.ymax + margin, box.xmax + margin)


def _confirm(track: Track, confirm: float, settings: ObserveConfig, *, expected: bool) -> Track:
    """What was surely a phone remains one through a few poor frames; what lies, until it goes.

    expected: it is likely that there is a phone, and weaker looks will do for a light
    """
    scores = sorted((score for _, score in track.scores), reverse=True)
    middle = median(scores)
    enough = middle >= confirm
    if expected:
        enough = scores[int(OFTEN * len(scores))] >= EXPECTED * confirm
    if track.confirmed:
        seen = track.scores[-1][1] > 0
        confirmed = _lies(track) or (seen and enough) or middle >= CLEARLY * confirm
    else:
        hits = sum(1 for score in scores if score > 0)
        confirmed = hits >= settings.confirm_frames and enough
    certain = confirm + (1 - confirm) * settings.phone_sure
    sure = confirmed and middle >= (SURELY if track.sure else 1.0) * certain
    return replace(track, median=middle, confirmed=confirmed, sure=sure)


def _judge(track: Track, sitter: Sitter, at_s: float, config: Config) -> Track:
    """What the phone is doing, after a look."""
    settings = config.observe
    dock = config.seats[track.seat].dock
    use, why, active_s = track.use, track.why, track.active_s
    if dock is not None and dock.contains(*track.box.center):
        use, why = PhoneUse.DOCKED, "in its dock"
    elif not track.confirmed:
        use, why = PhoneUse.SUSPECTED, ""
    else:
        raised, patience_s = _raised(track.box, sitter, at_s, settings)
        if _comes_and_goes(track, at_s, settings):
            track = replace(track, moved_s=float("-inf"))
        if at_s - track.moved_s < patience_s:
            use = PhoneUse.IN_USE
            why = raised or "moving"
            # Before somebody, being there is evidence; on the desk, only movement is.
            active_s = at_s if raised and track.seen_s == at_s else max(active_s, track.moved_s)
        elif use is not PhoneUse.IN_USE or at_s - track.seen_s < settings.rest_s:
            use, why = PhoneUse.PARKED, "lies still"
    use_since_s = track.use_since_s
    if use is not track.use:
        # What is confirmed in use was so from its first movement, not from when it hung about.
        seized = use is PhoneUse.IN_USE and track.use is PhoneUse.SUSPECTED
        use_since_s = max(track.first_s, track.stirred_s) if seized else at_s
    return replace(track, use=use, why=why, active_s=active_s, use_since_s=use_since_s)


def _comes_and_goes(track: Track, at_s: float, settings: ObserveConfig) -> bool:
    """Whether it took a thing that never moved so long to be half believed that its coming says
    nothing: that is how a phone that lies there looks to a detector that hardly sees it."""
    slow = track.use is PhoneUse.SUSPECTED and at_s - track.first_s >= settings.window_s
    return slow and not track.moving and not track.sure


def _raised(box: Box, sitter: Sitter, at_s: float, settings: ObserveConfig) -> tuple[str, float]:
    """Where before a person it is held, empty when it is not, and how long it may be still there
    before it counts as lying."""
    height = _height(box, sitter, at_s, settings)
    if height <= FACE:
        return "at the face", FACE_PATIENCE * settings.parked_s
    if height < inf:
        return "raised", settings.parked_s
    return "", settings.rest_s


def _height(box: Box, sitter: Sitter, at_s: float, settings: ObserveConfig) -> float:
    """Where before a person it is raised, as a share of them from the top; infinite when it is
    not."""
    person = sitter.box
    if person is None or at_s - sitter.seen_s > PERSON_STAYS_S:
        return inf
    y, x = box.center
    aside = 0.1 * person.width
    height = (y - person.ymin) / max(person.height, 1e-6)
    if not (0 <= height <= settings.raised and person.xmin - aside <= x <= person.xmax + aside):
        return inf
    return height


# ---------------------------------------------------------------- docks and seats


def _look_into(
    docked: tuple[Docked, ...], tracks: tuple[Track, ...], change: _Change, at_s: float
) -> tuple[Docked, ...]:
    """A phone that was seen in its dock is there until pixels change where it lies: one look that
    misses it takes nothing out."""
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
        if box is None and before.box is not None and not change.covers(before.box):
            box = before.box
        after.append(Docked(before.held_s if box is None else at_s, box))
    return tuple(after)


_ORDER = {PhoneUse.IN_USE: 3, PhoneUse.SUSPECTED: 2, PhoneUse.PARKED: 1, PhoneUse.DOCKED: 0}


def _seat_view(
    index: int, seat: SeatConfig, memory: Memory, at_s: float, config: Config
) -> SeatView:
    sitter = memory.sitters[index]
    # While nothing changes, whoever sat there at the last look still does.
    present = sitter.box is not None and memory.looked_s - sitter.seen_s <= PERSON_STAYS_S
    mine = [track for track in memory.tracks if track.seat == index]
    chosen = max(mine, key=lambda t: (_ORDER[t.use], t.active_s, t.median), default=None)
    return SeatView(
        seat=seat.name,
        person=present,
        person_score=sitter.score if present else 0.0,
        phone=None if chosen is None else _sight(chosen, at_s),
        dock=_dock(index, seat, sitter if present else None, memory, config),
    )


def _sight(track: Track, at_s: float) -> PhoneSight:
    return PhoneSight(
        track=track.number,
        use=track.use,
        box=track.box,
        score=track.scores[-1][1] if track.scores[-1][0] == at_s else 0.0,
        median=track.median,
        since_s=track.first_s,
        use_since_s=track.use_since_s,
        active_s=track.active_s,
        why=track.why,
        sure=track.sure,
    )


def _dock(
    index: int, seat: SeatConfig, sitter: Sitter | None, memory: Memory, config: Config
) -> Dock:
    if seat.dock is None:
        return Dock.NONE
    if memory.looked_s - memory.docked[index].held_s <= config.observe.forget_s:
        return Dock.HOLDS
    if (
        sitter is not None
        and sitter.box is not None
        and sitter.box.intersection(seat.dock) > 0.7 * seat.dock.area
        and memory.looked_s - memory.docked[index].held_s <= config.observe.remember_s
    ):
        return Dock.HIDDEN
    return Dock.EMPTY


__all__ = ["Memory", "Sitter", "Thresholds", "Track", "observe", "wants_look"]
