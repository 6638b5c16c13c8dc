"""Things that may be phones: what lies about, and what the hands at each seat hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from edge.config import ObserveConfig, SeatConfig
from edge.desk.calls import called
from edge.desk.evidence import NOTHING, Heard, level, log_odds, weight_of
from edge.desk.geometry import LOOSELY_IOU, SAME_IOU, apart, between, of_one, shows
from edge.desk.people import Sitter, raised, seat_of
from edge.desk.pixels import Pixels
from edge.domain import PHONE, Box, Detection, Look, PhoneUse, Thresholds

if TYPE_CHECKING:
    from edge.domain import Grid

CLEARLY = 0.45  # of the score that makes a phone one keeps it one
MOST_TRACKS = 24  # a bound on what a tick costs
MOST_PHONES = 8  # in one look
MOST_HEARD = 48
ALIKE = 3.0  # times as large a box may be to show the same thing
STILL_S = 0.5  # what shows pixels of longer ago is still
LIES_S = 1.8  # and lies when it has been for so long: few hands are that quiet
STIRS = 0.15  # share of the cells of a thing in a hand that change from one moment to the next
PUSHED_STIRS = 0.2  # and on the mean, of what may have been pushed: hands pass beside that, too
KNOWN_S = 2.0  # what shows pixels of so long ago is known to lie
MISSES = 3  # one look that does not see it forgets nothing
COVERED_S = 10.0  # so long a hand may be over what lies
SURE_S = 3.0  # the evidence for a sound is heard over so long


class Track(NamedTuple):
    """One phone, or what may be one.

    held:    a hand has it; else it lies
    first_s: since when it is seen about there
    place:   where it lies, or was last seen in the hand
    shown:   looks at it that found it to lie, of whose boxes the place is the mean
    laid:    the pixels when it was last seen to lie there
    known:   it was seen to lie, by pixels of KNOWN_S ago
    rests:   at this look its place shows what it did when it was last seen to lie there
    rested_s: when it last did
    moved_s: when it was last seen to stir as in a hand
    still_s: since when it has been still there
    heard:   what the looks of the last seconds said
    level:   mean log-odds of the recent looks
    """

    number: int
    seat: int
    held: bool
    first_s: float
    seen_s: float
    box: Box
    place: Box
    heard: tuple[Heard, ...]
    shown: int = 1
    laid: Grid | None = None
    known: bool = False
    rests: bool = False
    rested_s: float = -inf
    moved_s: float = -inf
    still_s: float = inf
    level: float = NOTHING
    use: PhoneUse = PhoneUse.SUSPECTED
    use_since_s: float = 0.0
    active_s: float = -inf
    confirmed: bool = False  # enough for a light
    sure: bool = False  # enough for a sound
    why: str = ""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Mean log-odds from which on a thing is believed.

    light: to be a phone, enough for a light; stays: to remain one; sound: enough for a sound
    """

    light: float
    stays: float
    sound: float


def bounds_of(settings: ObserveConfig, thresholds: Thresholds) -> Bounds:
    """The bounds that the configuration asks for, where it does not leave them to the eyes."""
    light = settings.phone_confirm or thresholds.of(PHONE)
    sound = light + (1 - light) * settings.phone_sure
    return Bounds(log_odds(light), log_odds(CLEARLY * light), log_odds(sound))


def candidates(look: Look, floor: float) -> list[Detection]:
    """The phones of one look, best first, without second boxes of one."""
    found: list[Detection] = []
    phones = [d for d in look.detections if d.label == PHONE]
    for each in called(phones, look.calls):
        if each.score < floor or len(found) == MOST_PHONES:
            break
        if not any(of_one(other.box, each.box) for other in found):
            found.append(each)
    return found


class New(NamedTuple):
    """What continues no track."""

    phone: Detection
    seat: int
    held: bool


def told_apart(
    tracks: Sequence[Track],
    phones: Sequence[Detection],
    seats: tuple[SeatConfig, ...],
    pixels: Pixels,
    came: Callable[[Box, int], bool],
) -> tuple[dict[int, Detection], list[New]]:
    """Which phone, best first, continues which track, by its number, and what is new.

    What shows the pixels of a thing that lies there is that thing. Of what else there is, a hand
    has what `came` to its seat, and what is near the last that it had; there is one such thing at a
    seat, of which the surest box tells. The rest lies.
    """
    of: dict[int, Detection] = {}
    new: list[New] = []
    for phone in phones:
        box, seat = phone.box, seat_of(phone.box, seats)
        if seat is None:
            continue
        there = [t for t in tracks if not t.held and shares(t.place, box)]
        hand = next((t for t in tracks if t.held and t.seat == seat), None)
        near = hand is not None and is_near(hand.box, box)
        handled = near and hand is not None and hand.confirmed
        its = [t for t in there if is_of(t, box, pixels, handled=handled)]
        if its:
            of.setdefault(max(its, key=lambda t: t.place.iou(box)).number, phone)
        elif near or came(box, seat):
            if hand is not None:
                of.setdefault(hand.number, phone)
            elif not any(each.held and each.seat == seat for each in new):
                new.append(New(phone, seat, True))
        elif not there:
            new.append(New(phone, seat, False))
    return of, new


def shares(place: Box, box: Box, least_iou: float = SAME_IOU) -> bool:
    """Whether the box may show what lies there, or a part of it."""
    part = box.area < place.area and of_one(place, box)
    return _alike(place, box) and (part or place.iou(box) >= least_iou)


def is_near(before: Box, box: Box) -> bool:
    """Whether the box may show what a hand had there: no farther off than its size."""
    return _alike(before, box) and apart(before, box) < max(before.size, box.size)


def _alike(one: Box, other: Box) -> bool:
    small, large = sorted((one.size, other.size))
    return large <= ALIKE * small


def is_of(track: Track, box: Box, pixels: Pixels, *, handled: bool) -> bool:
    """Whether the box shows what lies there: the pixels that it had or, of what is known to lie, a
    hand beside it or over it; but what is near the thing in a hand (`handled`) is that."""
    if pixels.as_in(track.laid, box):
        return track.known or not handled
    if handled or not track.known:
        return False
    return (track.confirmed and track.rests) or shares(track.place, box, LOOSELY_IOU)


def at_look(track: Track, pixels: Pixels) -> Track:
    """The track before a look, told whether it rests."""
    rests = pixels.as_in(track.laid, track.place)
    return track._replace(rests=rests, rested_s=pixels.at_s if rests else track.rested_s)


def may_be_pushed(box: Box, tracks: Sequence[Track], person: Box | None) -> bool:
    """Whether what came there may only have been pushed along the desk: it is not before whoever
    sits there, or something that lay beside it does so no longer."""
    if person is None or not person.contains(*box.center):
        return True
    left = [t for t in tracks if t.known and not t.held and not t.rests]
    return any(is_near(each.place, box) for each in left)


def in_hand(heard: Sequence[Heard], *, pushed: bool) -> bool:
    """Whether it stirs as in a hand: its last look shows so and, of what may have been pushed, the
    mean of two looks and more."""
    last = heard[-1].stirs
    if last is None or last < STIRS:
        return False
    if not pushed:
        return True
    stirs = [each.stirs for each in heard if each.stirs is not None]
    return len(stirs) > 1 and sum(stirs) / len(stirs) >= PUSHED_STIRS


def seen(
    track: Track,
    phone: Detection,
    look: Look,
    pixels: Pixels,
    at_s: float,
    *,
    pushed: bool,
) -> Track:
    """The track after a look that showed it."""
    box = phone.box
    still_s = pixels.still_s(box)
    first_s, moved_s, stirs = track.first_s, track.moved_s, None
    if track.held and not is_near(track.box, box):
        first_s = at_s
    elif track.held and at_s - first_s > STILL_S:
        # Before that its pixels change because it has just come. What was pushed stirs by its edge,
        # where hands pass, and shows the pixels of half a second ago all the same.
        stirs = 0.0 if pushed and still_s > STILL_S else pixels.stirs(box)
    weight = weight_of(box, look.window)
    heard = (*track.heard, Heard(at_s, log_odds(phone.score), weight, True, stirs))[-MOST_HEARD:]
    if in_hand(heard, pushed=pushed):
        moved_s = at_s
    since_s = min(track.still_s, at_s - still_s) if still_s > STILL_S else inf
    held = track.held and at_s - max(since_s, track.still_s) < LIES_S  # two looks say so
    known = not held and still_s > KNOWN_S
    shown = 1 if track.held else track.shown + known
    return track._replace(
        held=held,
        first_s=first_s,
        seen_s=at_s,
        box=box,
        place=box if held is not track.held else between(track.place, box, known / shown),
        shown=shown,
        laid=pixels.now if known or track.held else track.laid,
        known=known or track.known,
        moved_s=moved_s,
        still_s=since_s,
        heard=heard,
    )


def missed(track: Track, look: Look, at_s: float) -> Track:
    """The track after a look that did not show it: only a window that should have says anything."""
    if not shows(look.window, track.box):
        return track
    heard = Heard(at_s, NOTHING, weight_of(track.box, look.window), False)
    return track._replace(heard=(*track.heard, heard)[-MOST_HEARD:])


def gone(track: Track, at_s: float, settings: ObserveConfig) -> bool:
    """Whether it is to be forgotten: a hand that stops for a moment leaves no phone behind, but
    what has lain somewhere is known again, as long as its pixels are there or may be under a
    hand."""
    unseen_s = at_s - track.seen_s
    misses = 0
    while misses < len(track.heard) and not track.heard[-1 - misses].seen:
        misses += 1
    if misses < MISSES and unseen_s <= MISSES * settings.forget_s:
        return False
    if track.held or not track.known:
        return unseen_s > settings.forget_s
    return unseen_s > settings.remember_s or min(unseen_s, at_s - track.rested_s) > COVERED_S


def born(
    number: int,
    new: New,
    look: Look,
    pixels: Pixels,
    at_s: float,
    before: tuple[Heard, ...],
) -> Track:
    """A track of what was not known. `before`: looks at its place that had seen nothing."""
    phone, seat, held = new
    heard = Heard(at_s, log_odds(phone.score), weight_of(phone.box, look.window), True)
    return Track(
        number=number,
        seat=seat,
        held=held,
        first_s=at_s,
        seen_s=at_s,
        box=phone.box,
        place=phone.box,
        laid=pixels.now,
        heard=(*before, heard),
        use_since_s=at_s,
    )


def judged(
    track: Track,
    sitter: Sitter,
    dock: Box | None,
    at_s: float,
    settings: ObserveConfig,
    bounds: Bounds,
) -> Track:
    """What the thing is doing, by all that was heard."""
    recent_s = at_s - settings.window_s
    if len(track.heard) >= settings.confirm_frames:
        # Of a camera that is slow, or busy elsewhere, so many looks all the same.
        recent_s = min(recent_s, track.heard[-settings.confirm_frames].at_s - 1e-6)
    now = level(track.heard, recent_s)
    sights = [each for each in track.heard if each.at_s > recent_s]
    hits = sum(each.seen for each in sights)
    if track.confirmed:
        confirmed = not track.held or now >= bounds.stays
    else:
        # A look that saw nothing confirms nothing.
        enough = hits >= settings.confirm_frames and now >= bounds.light
        confirmed = enough and track.seen_s == at_s
    # What was sounded for once is believed for as long as it is used: a sound does not flicker.
    least = bounds.stays if track.sure and track.use is PhoneUse.IN_USE else bounds.sound
    sure = confirmed and level(track.heard, at_s - SURE_S) >= least
    use, why, active_s = PhoneUse.SUSPECTED, "", track.active_s
    where = raised(track.box, sitter, at_s, settings)
    likely = confirmed or (bool(sights) and sights[-1].log_odds >= bounds.light)
    if dock is not None and dock.contains(*track.box.center) and likely:
        use, why = PhoneUse.DOCKED, "in its dock"
    elif confirmed and track.held and (where or track.moved_s > -inf):
        # Before somebody, being there is evidence; on the desk, only movement is.
        use, why = PhoneUse.IN_USE, where or "moving"
        active_s = max(active_s, track.seen_s if where else track.moved_s)
    elif confirmed:
        use, why = PhoneUse.PARKED, "lies still"
    use_since_s = track.use_since_s
    if use is not track.use:
        taken = use is PhoneUse.IN_USE
        use_since_s = min((e.at_s for e in sights if e.seen and taken), default=at_s)
    heard = tuple(each for each in track.heard if each.at_s > min(recent_s, at_s - SURE_S))
    return track._replace(
        heard=heard,
        level=now,
        confirmed=confirmed,
        sure=sure,
        use=use,
        use_since_s=use_since_s,
        active_s=active_s,
        why=why,
    )
