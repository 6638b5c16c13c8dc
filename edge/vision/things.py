"""What two kinds of looks said of each thing that may be a phone: the whole picture, which shows
roughly what is where, and closer looks, which say what it is and where exactly.

Pure. Scores are 0..1, boxes shares of the picture, frames numbers that count up by one per look.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from edge.domain import Box, Detection

UNSEEN = 0.01  # what a look says of a thing that it did not find
SAME_IOU = 0.4  # two boxes that overlap so much are of one thing
ABOUT_IOU = 0.25  # and these are, of one look and the next, where no other fits better
NEAR = 0.8  # of its size: so far a thing may go from one look to the next
ALIKE = 1.25  # times as large is about as large
TURNED = 2.0  # and so much a thing may change that is turned or half covered
TREMBLE = 0.07  # of a thing's size, that its box in the whole picture may be off
PLAIN = 0.3  # what scores as much in the whole picture, and then nothing, is gone
ROSE = 0.2  # what in the whole picture scores so much more than before may be something else
LIVELY_LOOKS = 3  # so many closer looks after it moved, a thing is expected to go on
SEARCHES = 2  # looks around where something was believed that is there no longer
MOST = 64  # things; a desk has fewer, the bound keeps a frame's cost in bounds


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing that may be a phone.

    box:   where the last closer look that found it saw it; without one, where the whole picture did
    whole: where the whole picture shows it, as far as is known by now; None: it does not
    first: the same at the last closer look: what lies between them it has moved since
    shown: its score in the last look at the whole picture; 0 where that does not show it
    said:  its score in closer looks; None: none was taken
    at:    frame of the last one
    aimed: that was taken at this thing, and did not happen to show it
    hint:  its score in the whole picture when the last closer look was taken
    lively: for so many closer looks it is expected to move on
    lost:  so many looks around it are left to find it again
    """

    box: Box
    whole: Box | None = None
    first: Box | None = None
    shown: float = 0.0
    said: float | None = None
    at: int = 0
    aimed: bool = False
    hint: float = 0.0
    lively: int = 0
    lost: int = 0

    @property
    def likely(self) -> Box:
        """Where it should be by now: as far from where the closer look saw it as it moved in the
        whole picture since. Boxes there tremble, and what a hand covers loses a part: only what
        opposite edges have in common is a movement, and only of a thing that stays as large."""
        if self.first is None or self.whole is None:
            return self.box
        if not same(self.whole, self.first):
            return self.whole  # it went elsewhere, and may have been turned
        if not alike(self.whole, self.first):
            return self.box
        top, left, bottom, right = (
            now - then for now, then in zip(_edges(self.whole), _edges(self.first), strict=True)
        )
        down, aside = _common(top, bottom), _common(left, right)
        if math.hypot(down, aside) < TREMBLE * self.box.size:
            return self.box
        return _shifted(self.box, down, aside)

    @property
    def plain(self) -> bool:
        """Whether closer looks say that it is a phone."""
        return self.said is not None and self.said >= PLAIN

    @property
    def now(self) -> Box:
        """Where it is to be reported: what lies is where a closer look saw it, whatever the whole
        picture makes of it since."""
        return self.likely if self.lively else self.box

    def unseen(self) -> Thing:
        """The same where the whole picture does not show it any more."""
        return replace(self, box=self.now, whole=None, first=None, shown=0.0)


def in_whole(
    things: Sequence[Thing], phones: Sequence[Detection], frame: int
) -> tuple[list[Thing], list[Thing]]:
    """The things that a look at the whole picture shows, one for each of `phones`, and those that
    it does not, as they were."""
    of = _matched([thing.whole or thing.box for thing in things], [p.box for p in phones])
    known = {j: things[i] for i, j in of.items()}
    shown = []
    for j, phone in enumerate(phones):
        thing = known.get(j, Thing(phone.box, at=frame))
        least = PLAIN if thing.whole is None else thing.hint + ROSE
        if not thing.plain and phone.score >= least:
            thing = replace(thing, said=None)  # something else may be there by now
        if thing.said is None:
            # Before a closer look it is where the whole picture has it.
            thing = replace(thing, box=phone.box, first=None)
        # Seen elsewhere than closely before, it has moved; else the two only disagree.
        first = phone.box if same(phone.box, thing.box) else thing.box
        shown.append(
            replace(
                thing,
                whole=phone.box,
                first=thing.first or first,
                shown=phone.score,
                lost=0,
            )
        )
    return shown, [thing for i, thing in enumerate(things) if i not in of]


def in_window(
    things: Sequence[Thing],
    found: Sequence[Detection],
    cut: Sequence[Detection],
    frame: int,
    *,
    aimed: bool,
    fresh: bool,
) -> list[Thing]:
    """The things that a closer look should have shown, after it, and those that it found besides.

    found: phones of that look
    cut:   and those that its edges cut off: they tell where something went, not what it is
    aimed: the look was at these things, and not at what is around them
    fresh: the whole picture was looked at in the same frame
    """
    of = _matched([thing.likely for thing in things], [d.box for d in found])
    after = []
    for i, thing in enumerate(things):
        # Two boxes of one thing in the whole picture have the best of the closer look in common.
        there = best_at(thing.likely, found)
        if i in of and (there is None or found[of[i]].score > there.score):
            there = found[of[i]]
        now = replace(thing, at=frame, aimed=aimed or bool(thing.lost), hint=thing.shown)
        half = None if there else _half_seen(thing, cut)
        if half is not None:
            after.append(replace(_found_at(now, half, fresh=fresh), aimed=False))
            continue
        if there is None and thing.lost == 1 and thing.whole is None:
            continue  # given up
        score = UNSEEN if there is None else there.score
        if thing.said is not None and thing.aimed:
            score = mean(thing.said, score, 1.0)  # one look may have met it at a bad moment
        if there is None:
            lost = thing.lost - 1 if thing.lost else SEARCHES * thing.plain
            now = replace(now, box=thing.likely, first=thing.whole, lost=lost)
        else:
            now = _found_at(now, there.box, fresh=fresh)
        after.append(replace(now, said=score))
    known = [thing.box for thing in after]
    after += [
        Thing(d.box, said=d.score, at=frame, aimed=aimed)
        for j, d in enumerate(found)
        if j not in of.values() and not any(same(d.box, box) for box in known)
    ]
    return after


def _half_seen(thing: Thing, cut: Sequence[Detection]) -> Box | None:
    """Where what was believed went, when the last look cut it off; not twice in a row."""
    if not (thing.aimed and thing.plain):
        return None
    near = [d.box for d in cut if apart(thing.likely, d.box) <= NEAR]
    return min(near, key=lambda box: apart(thing.likely, box), default=None)


def _found_at(thing: Thing, box: Box, *, fresh: bool) -> Thing:
    """Where a closer look found it. What it has moved since the last look at the whole picture, it
    has moved there as well, though that has not shown it yet."""
    whole = thing.whole
    if whole is not None and not fresh:
        down, aside = _between(thing.likely, box)
        if math.hypot(down, aside) >= TREMBLE * box.size:
            whole = _shifted(whole, down, aside)
    met = thing.said is not None and thing.said > UNSEEN
    moved = met and apart(thing.box, box) >= TREMBLE
    lively = LIVELY_LOOKS if moved else max(0, thing.lively - 1)
    return replace(thing, box=box, whole=whole, first=whole, lively=lively, lost=0)


def _matched(known: Sequence[Box], seen: Sequence[Box]) -> dict[int, int]:
    """Which of `seen` each of `known` is by now: those that overlap, the most first; then of those
    as large that went on by less than their size, the nearest."""
    overlaps = (
        (iou, i, j)
        for i, one in enumerate(known)
        for j, other in enumerate(seen)
        if (iou := one.iou(other)) >= (ABOUT_IOU if alike(one, other, TURNED) else SAME_IOU)
    )
    of = _pairs(sorted(overlaps, key=lambda each: -each[0]), {})
    moves = (
        (far, i, j)
        for i, one in enumerate(known)
        for j, other in enumerate(seen)
        if alike(one, other) and (far := apart(one, other)) <= NEAR
    )
    return _pairs(sorted(moves), of)


def _pairs(candidates: Iterable[tuple[float, int, int]], of: dict[int, int]) -> dict[int, int]:
    taken = set(of.values())
    for _, i, j in candidates:
        if i not in of and j not in taken:
            of[i] = j
            taken.add(j)
    return of


def best_at(box: Box, found: Sequence[Detection]) -> Detection | None:
    """The best of what was found where a box is."""
    there = [d for d in found if same(d.box, box)]
    return max(there, key=lambda d: d.score, default=None)


def mean(first: float, closer: float, weight: float) -> float:
    """The mean of two looks in logits, the closer one weighted. A score of 0 counts as UNSEEN."""
    one, other = (
        math.log(score / (1 - score))
        for score in (min(max(first, UNSEEN), 0.999), min(max(closer, UNSEEN), 0.999))
    )
    return 1 / (1 + math.exp(-(one + weight * other) / (1 + weight)))


def same(box: Box, other: Box) -> bool:
    """Whether two boxes are of one thing."""
    return box.iou(other) >= SAME_IOU


def alike(box: Box, other: Box, most: float = ALIKE) -> bool:
    """Whether two boxes are about as large: one at most so many times as the other."""
    return 1 / most <= box.area / max(other.area, 1e-9) <= most


def apart(one: Box, other: Box) -> float:
    """How far the second is from the first, in the first one's size."""
    return math.hypot(*_between(one, other)) / max(one.size, 1e-6)


def _between(one: Box, other: Box) -> tuple[float, float]:
    (ay, ax), (by, bx) = one.center, other.center
    return by - ay, bx - ax


def _shifted(box: Box, down: float, aside: float) -> Box:
    return Box(box.ymin + down, box.xmin + aside, box.ymax + down, box.xmax + aside)


def _edges(box: Box) -> tuple[float, float, float, float]:
    return box.ymin, box.xmin, box.ymax, box.xmax


def _common(one: float, other: float) -> float:
    """What two movements share: the smaller one, or nothing where they are opposite."""
    return math.copysign(min(abs(one), abs(other)), one) if one * other > 0 else 0.0
