"""Things that may be phones, followed from look to look: one matcher, one life cycle."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from edge.config import ObserveConfig
from edge.desk import motion
from edge.desk.calls import called
from edge.desk.evidence import NOTHING, Heard, level, log_odds, weight_of
from edge.desk.geometry import SAME_IOU, TOUCH, apart, between, left_over, moved, of_one, shows
from edge.desk.people import Sitter, raised
from edge.desk.pixels import Pixels
from edge.domain import PHONE, Box, Detection, Look, PhoneUse, Thresholds

if TYPE_CHECKING:
    from edge.domain import Grid

CLEARLY = 0.45  # of the score that makes a phone one keeps it one
MOST_TRACKS = 24  # a bound on what a tick costs
MOST_PHONES = 8  # in one look
MOST_HEARD = 48
ALIKE = 3.0  # times as large a box may be to show the same thing
TAKEN = 1.0  # belief from which on it is in a hand; it is until it is believed to lie
CAME = 3.0  # belief that what has just come is in a hand
APPEARS = 0.5  # that what is before somebody where a film goes on is
WAS_THERE = -1.5  # and that anything else is
SURELY_LIES = -3.0  # belief from which on what appears at a thing that lies is likely of it
STIRS = 0.5  # what changing pixels say of a thing that is in use already
SHORT_S = 0.5  # a hand holds a thing still to the pixel for so long now and then
LONG_S = 2.0  # and never for so long
MISSES = 3  # one look that does not see it forgets nothing
STOPS_S = 1.0  # after so long without movement the next one is another
COVERED_S = 10.0  # so long a hand may be over what lies
LAIN_S = 3.0  # seen to lie for so long, it is remembered there
RESTING = 0.05  # how far the place of what lies follows the boxes that show it
TAKES = 0.1  # share of a look in the measured noise
OUTSIDE = 3.0  # times its noise a box is off that is not of what lies there
PLAINLY = 0.5  # score from which on a thing's movement counts whole
SURE_S = 3.0  # the evidence for a sound is heard over so long


class Track(NamedTuple):
    """One phone, or what may be one.

    place: where it lies, or last moved to
    heard: what the looks of the last seconds said
    held:  belief, in log-odds, that it is in a hand
    noise: how far its boxes are off while it lies, in its own size
    laid:  the pixels when it was last seen to lie there
    level: mean log-odds of the recent looks
    """

    number: int
    seat: int
    first_s: float
    seen_s: float
    box: Box
    place: Box
    heard: tuple[Heard, ...]
    held: float
    noise: float = motion.NOISE
    laid: Grid | None = None
    level: float = NOTHING
    use: PhoneUse = PhoneUse.SUSPECTED
    use_since_s: float = 0.0
    active_s: float = -inf
    moved_s: float = -inf
    stirred_s: float = -inf  # since when it has been moving, or last did
    confirmed: bool = False  # enough for a light
    sure: bool = False  # enough for a sound
    why: str = ""

    @property
    def lies(self) -> bool:
        return self.held <= 0


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


def nearness(track: Track, box: Box) -> float:
    """How well a box continues a track, above 0 when it may: 1 to 2 where they overlap, else up to
    1 by distance in the larger one's size, as a raised phone moves fast; not what lies."""
    small, large = sorted((track.box.size, box.size))
    if large > ALIKE * small:
        return 0.0
    shown = (track.place,) if track.lies else (track.box, track.place)
    overlap = max(each.iou(box) for each in shown)
    part = any(of_one(each, box) and (box.area < each.area or not track.lies) for each in shown)
    if overlap >= SAME_IOU or part:
        return 1 + overlap
    return 0.0 if track.lies else max(0.0, 1 - apart(track.box, box) / large)


def matched(
    tracks: Sequence[Track], phones: Sequence[Detection], resting: Set[int], pixels: Pixels
) -> dict[int, int]:
    """Which phone, by index, continues which track: what lies as it did first, then the nearest.
    What is seen where something lay, by other pixels than it had there, is something else, unless a
    hand leaves it to be seen of it."""
    pairs = sorted(
        (
            (track.number in resting, near, i, j)
            for i, track in enumerate(tracks)
            for j, phone in enumerate(phones)
            if (near := nearness(track, phone.box)) > 0
            and (not track.lies or still_lies(track, phone.box, pixels, track.number in resting))
        ),
        reverse=True,
    )
    phone_of: dict[int, int] = {}
    for _, _, i, j in pairs:
        if i not in phone_of and j not in phone_of.values():
            phone_of[i] = j
    return phone_of


def still_lies(track: Track, box: Box, pixels: Pixels, rests: bool) -> bool:
    """Whether the box can be of what lies there. What has been there for less long is something
    else, even where the thing's own pixels are as they were; but a phone that lies there is known,
    and keeps what a hand beside it makes of its box."""
    if pixels.now is None:
        return True
    if rests:
        known_s = min(LONG_S, pixels.at_s - track.first_s)
        return track.confirmed or pixels.still_s(box) >= known_s
    return is_covered(track, box, pixels)


def is_of(track: Track, box: Box, rests: bool) -> bool:
    """Whether what appears in the box is likely of what lies there: a hand over it or beside it
    leaves a part to be seen, or makes the eyes draw it a little elsewhere. The box of what is known
    to be a phone may be farther off; what `rests` is there as it was."""
    if rests and track.confirmed:
        return True
    if track.held > SURELY_LIES:
        return False
    far = max(OUTSIDE * track.noise, motion.JUMP if track.confirmed else 0.0)
    return is_part(track, box) or moved(track.place, box) <= far


def is_covered(track: Track, box: Box, pixels: Pixels) -> bool:
    """Whether the box is what something before it leaves to be seen of what lies there."""
    return is_part(track, box) and (pixels.now is None or pixels.as_in(track.laid, box))


def is_part(track: Track, box: Box) -> bool:
    """Whether it is a part of what the thing has shown, and no more."""
    margin = TOUCH + track.noise * track.box.size
    return left_over(track.place, box, margin)


def seen(
    track: Track, phone: Detection, look: Look, pixels: Pixels, at_s: float, *, rests: bool
) -> Track:
    """The track after a look that showed it."""
    box = phone.box
    passed_s = max(at_s - track.seen_s, 0.0)
    share = min(1.0, passed_s / motion.INDEPENDENT_S)
    far = moved(track.place, box)
    covered = track.lies and is_covered(track, box, pixels)
    noise, place, moved_s, laid = track.noise, track.place, track.moved_s, track.laid
    # What lies as it did has not moved, wherever its box went.
    still_s = inf if rests else pixels.still_s(box)
    if still_s > LONG_S:
        says = motion.LIES
    elif still_s > SHORT_S:
        says = motion.STILL
    elif covered:
        says = 0.0
    else:
        says = motion.ratio(far, track.noise)
        if says > 0:
            # What is hardly a phone says hardly where one went.
            says *= min(1.0, phone.score / PLAINLY)
        elif pixels.now is not None:
            # A box that stays where pixels change is that of a thing in a quiet hand.
            says = STIRS * phone.score if track.use is PhoneUse.IN_USE else 0.0
    stirred_s = track.stirred_s
    if says > 0 or (not track.lies and pixels.now is not None and still_s == 0):
        stirred_s = at_s if at_s - moved_s > STOPS_S else stirred_s
        moved_s = at_s
    held = motion.bounded(motion.later(track.held, passed_s) + share * says)
    if held > 0:
        laid = None
        if says > 0:
            place = box
    else:
        # What lies is measured again and again.
        if far <= OUTSIDE * noise:
            place = between(place, box, RESTING)
        off = min(far, motion.MOST_NOISE)
        noise = max(motion.LEAST_NOISE, noise + TAKES * share * (off - noise))
        if rests or laid is None:
            laid = pixels.now
    heard = Heard(at_s, log_odds(phone.score), weight_of(box, look.window), True)
    return track._replace(
        seen_s=at_s,
        box=box,
        place=place,
        laid=laid,
        held=held,
        noise=noise,
        moved_s=moved_s,
        stirred_s=stirred_s,
        heard=(*track.heard, heard)[-MOST_HEARD:],
    )


def missed(track: Track, look: Look, at_s: float) -> Track:
    """The track after a look that did not show it: only a window that should have says anything."""
    if not shows(look.window, track.box):
        return track
    heard = Heard(at_s, NOTHING, weight_of(track.box, look.window), False)
    return track._replace(heard=(*track.heard, heard)[-MOST_HEARD:])


def without_doubles(tracks: Sequence[Track]) -> list[Track]:
    """The tracks, surest first, without second ones of a thing in a hand: eyes that half see it
    draw their boxes here and there around it."""
    kept: list[Track] = []
    for track in sorted(tracks, key=lambda t: (t.confirmed, t.level), reverse=True):
        if track.lies or all(other.lies or nearness(other, track.box) == 0 for other in kept):
            kept.append(track)
    return kept


def gone(track: Track, at_s: float, settings: ObserveConfig, *, rests: bool) -> bool:
    """Whether it is to be forgotten: a hand that stops for a moment leaves no phone behind, but
    what has lain somewhere is known again, as long as its pixels are there (`rests`) or may be
    under a hand."""
    misses = 0
    while misses < len(track.heard) and not track.heard[-1 - misses].seen:
        misses += 1
    if misses < MISSES and at_s - track.seen_s <= MISSES * settings.forget_s:
        return False
    has_lain = track.lies and track.seen_s - max(track.first_s, track.moved_s) >= LAIN_S
    keep_s = settings.forget_s
    if has_lain:
        keep_s = settings.remember_s if rests else min(COVERED_S, settings.remember_s)
    return at_s - track.seen_s > keep_s


def born(
    number: int,
    seat: int,
    phone: Detection,
    look: Look,
    at_s: float,
    *,
    held: float,
    before: tuple[Heard, ...],
    laid: Grid | None,
) -> Track:
    """A track of what was not known. `before`: looks at its place that had seen nothing."""
    heard = Heard(at_s, log_odds(phone.score), weight_of(phone.box, look.window), True)
    return Track(
        number=number,
        seat=seat,
        first_s=at_s,
        seen_s=at_s,
        box=phone.box,
        place=phone.box,
        heard=(*before, heard),
        held=held,
        laid=laid,
        stirred_s=at_s,
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
        confirmed = (track.lies and track.use is not PhoneUse.IN_USE) or now >= bounds.stays
    else:
        confirmed = hits >= settings.confirm_frames and now >= bounds.light
    # A look that saw nothing confirms nothing.
    confirmed = confirmed and (track.confirmed or track.seen_s == at_s)
    # What was sounded for once is believed for as long as it is used: a sound does not flicker.
    enough = bounds.stays if track.sure and track.use is PhoneUse.IN_USE else bounds.sound
    sure = confirmed and level(track.heard, at_s - SURE_S) >= enough
    use, why, active_s = PhoneUse.SUSPECTED, "", track.active_s
    where = raised(track.box, sitter, at_s, settings)
    likely = confirmed or (bool(sights) and sights[-1].log_odds >= bounds.light)
    if dock is not None and dock.contains(*track.box.center) and likely:
        use, why = PhoneUse.DOCKED, "in its dock"
    elif confirmed and (
        not track.lies
        if track.use is PhoneUse.IN_USE
        else track.held >= TAKEN and now >= bounds.light
    ):
        use, why = PhoneUse.IN_USE, where or "moving"
        # Before somebody, being there is evidence; on the desk, only movement is.
        if where and track.seen_s == at_s:
            active_s = at_s
        active_s = max(active_s, track.moved_s)
    elif confirmed:
        use, why = PhoneUse.PARKED, "lies still"
    use_since_s = track.use_since_s
    if use is not track.use:
        since_s = min((e.at_s for e in sights if e.seen), default=at_s)
        taken = use is PhoneUse.IN_USE
        use_since_s = max(since_s, track.stirred_s) if taken else at_s
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
