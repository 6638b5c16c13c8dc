"""Where to look next: pure, in seconds, one window and one eye at a time.

What may be a phone is looked at again soonest, then whoever sits there, then the whole picture; of
these the one that is most overdue. The eyes take turns at each. Nothing is looked at while nothing
changes and nothing is about.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from edge.config import Config
from edge.desk.evidence import NOTHING
from edge.desk.geometry import clipped, shows
from edge.desk.people import Sitter
from edge.desk.tracks import Track
from edge.domain import WHOLE_PICTURE, Box, Glance, PhoneUse, SceneStats

WHOLE_S = 0.8  # the whole picture is due again after this, where something else is looked at
SITTER_S = 0.5
UPPER_S = 0.25
THING_S = 0.2
EXCITING_S = 3.0  # what is new or just moved is looked at in every frame for so long
TAKEN_S = 5.0  # what lay until so long ago, and is not seen now, may be in a hand
RISING = -2.5  # log-odds from which on a thing is worth a look of its own
AROUND = 2.5  # times the size of a thing is the window around it
LEAST = 0.25  # of the picture's sides: no window is smaller
NOTHING_NEW = 0.7  # a window of this share of the picture shows nothing that it does not
UPPER = 0.6  # of a person, from the top
BESIDE, ABOVE = 0.15, 0.05  # margins of a person's window, in their width and height
FORGOTTEN_S = 60.0  # what was not looked at for so long was never looked at


@dataclass(frozen=True, slots=True)
class Turn:
    """When something was last looked at, and by which eye."""

    at: str
    at_s: float
    eye: int


def is_due(
    tracks: tuple[Track, ...],
    looked_s: float,
    stirred: bool,
    stats: SceneStats | None,
    at_s: float,
    config: Config,
) -> bool:
    """Whether this frame should be looked at.

    With a phone in use, or something new that may be one, every frame is, since silence has to
    come quickly; otherwise changes are looked at every `gate_calm_s`, and anything at all every
    `gate_longest_s`: these two bound the reaction time.
    """
    settings = config.observe
    if stats is None or not settings.gate:
        return True
    age_s = at_s - looked_s
    if age_s >= settings.gate_longest_s or age_s < 0:
        return True
    if any(exciting(track, at_s) for track in tracks):
        return True
    if not (stirred or stats.change >= settings.gate_change):
        return False
    return age_s >= settings.gate_calm_s


def exciting(track: Track, at_s: float) -> bool:
    """Whether it is in use, or may be: new, or just moved, or believed to be in a hand."""
    if track.use is PhoneUse.IN_USE:
        return True
    if track.confirmed and track.heard and not track.heard[-1].seen:
        return at_s - track.seen_s < TAKEN_S  # it may have been taken from where it lay
    if track.use is PhoneUse.DOCKED or not _rising(track):
        return False
    return at_s - max(track.first_s, track.moved_s) < EXCITING_S or track.held


def _rising(track: Track) -> bool:
    """Whether it may be a phone, by all looks of late or by the last one."""
    last = track.heard[-1].log_odds if track.heard else NOTHING
    return max(track.level, last) >= RISING


def next_glance(
    tracks: tuple[Track, ...],
    sitters: tuple[Sitter, ...],
    turns: tuple[Turn, ...],
    eyes: int,
    at_s: float,
    *,
    closely: bool,
) -> Glance:
    """The look that is most overdue; but for `closely` only ever at the whole picture."""
    wishes: list[tuple[str, Box, float]] = [("", WHOLE_PICTURE, WHOLE_S)]
    rising = [track for track in tracks if track.held and _rising(track)]
    best = max(rising, key=lambda track: track.level, default=None)
    for index, sitter in enumerate(sitters):
        person = sitter.at(at_s)
        if person is not None:
            held = best.box if best is not None and best.seat == index else None
            for at, window, due_s in (
                (f"seat {index}", around_person(person), SITTER_S),
                (f"upper {index}", around_upper(person, held), UPPER_S),
            ):
                if not shows_nothing_new(window):
                    wishes.append((at, window, due_s))
    if best is not None:
        window = around_thing(best.box)
        # What a sitter's windows show needs none of its own.
        if not any(shows(each[1], best.box) for each in wishes[1:]):
            wishes.append((f"thing {best.number}", window, THING_S))
    last = {turn.at: turn for turn in turns}
    if not closely:
        wishes = wishes[:1]

    def overdue(wish: tuple[str, Box, float]) -> float:
        turn = last.get(wish[0])
        return inf if turn is None else (at_s - turn.at_s) / wish[2]

    at, window, _ = max(wishes, key=overdue)
    turn = last.get(at)
    eye = 0 if turn is None else (turn.eye + 1) % eyes
    return Glance(window, eye, at)


def taken(turns: tuple[Turn, ...], glance: Glance, at_s: float) -> tuple[Turn, ...]:
    """The turns after that look; what was not looked at for long is forgotten."""
    kept = tuple(t for t in turns if t.at != glance.at and at_s - t.at_s < FORGOTTEN_S)
    return (*kept, Turn(glance.at, at_s, glance.eye))


def around_person(box: Box) -> Box:
    beside, above = BESIDE * box.width, ABOVE * box.height
    return clipped(Box(box.ymin - above, box.xmin - beside, box.ymax + above, box.xmax + beside))


def around_upper(box: Box, held: Box | None = None) -> Box:
    """The part of a person before which a phone is held, farther down if what may be one is."""
    beside, above = BESIDE * box.width, ABOVE * box.height
    lower = 0.0
    if held is not None:
        bottom = min(held.ymax + above, box.ymax)
        lower = max(0.0, bottom - (box.ymin + UPPER * box.height))
    return clipped(
        Box(
            box.ymin + lower - above,
            box.xmin - beside,
            box.ymin + lower + UPPER * box.height,
            box.xmax + beside,
        )
    )


def around_thing(box: Box) -> Box:
    """A window around a thing, within the picture, of the picture's proportions."""
    side = min(1.0, max(LEAST, AROUND * max(box.height, box.width)))
    y, x = box.center
    top = min(max(y - side / 2, 0.0), 1 - side)
    left = min(max(x - side / 2, 0.0), 1 - side)
    return Box(top, left, top + side, left + side)


def shows_nothing_new(window: Box) -> bool:
    """Whether a look at the window is as good as one at the whole picture."""
    return window.area >= NOTHING_NEW
