"""A still picture: all eyes at all that is worth a look, and what they say together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from edge.desk.attention import around_person, shows_nothing_new
from edge.desk.calls import called
from edge.desk.evidence import LEAST, NOTHING, log_odds, probability, weight_of
from edge.desk.geometry import LOOSELY_IOU, shows
from edge.domain import PERSON, PHONE, WHOLE_PICTURE, Box, Call, Detection, Glance, Look

SITS = 0.2  # score from which on there may be somebody
MOST_PEOPLE = 2  # the largest are looked at closely
SAME_IOU = 0.6  # boxes of one label that overlap so much are one thing: as one eye has it


def still(look: Callable[[Glance], Look], eyes: int, *, closely: bool) -> list[Look]:
    """The looks at one picture: each eye at the whole and, `closely`, at whoever is in it."""
    looks = [look(Glance(WHOLE_PICTURE, eye)) for eye in range(eyes)]
    windows = _people(looks) if closely else []
    return looks + [look(Glance(window, eye)) for window in windows for eye in range(eyes)]


def _people(looks: Sequence[Look]) -> list[Box]:
    people = largest_people(joined(looks, LOOSELY_IOU))
    windows = (around_person(d.box) for d in people)
    return [window for window in windows if not shows_nothing_new(window)]


def largest_people(detections: Sequence[Detection]) -> list[Detection]:
    """Who is looked at closely, the largest and surest first."""
    people = [each for each in detections if each.label == PERSON and each.score >= SITS]
    return sorted(people, key=lambda each: -each.score * each.box.area)[:MOST_PEOPLE]


def joined(looks: Sequence[Look], same_iou: float = SAME_IOU) -> list[Detection]:
    """Best score first: what the looks say together of each thing that any of them saw.

    A thing's score is the mean, in log-odds, of the looks that show it: of a phone by all of them,
    of anything else by those at the whole picture. Its edges are the mean of theirs, by score.
    """
    seeds = [
        each
        for look in looks
        for each in look.detections
        # What says nothing is no thing, and would only be taken for another one's second box.
        if each.score >= LEAST and (each.label == PHONE or look.window.area >= 1)
    ]
    things = (_together(each, looks, same_iou) for each in _apart(seeds, same_iou))
    # Boxes that were none of each other's may have become one.
    return called(_apart(things, same_iou), agreed(looks))


def agreed(looks: Sequence[Look]) -> list[Call]:
    """Of each person of whom every eye tells one: the mean of the eyes, each by its closest look
    that shows a head. An eye that tells nothing of it is sure that there is none."""
    closest: list[dict[int, Call]] = []  # of each person, by eye
    for look in sorted(looks, key=lambda each: -each.window.area):
        for call in look.calls:
            known = next((p for p in closest if _same_person(p, call)), None)
            if known is None:
                closest.append(known := {})
            known[look.glance.eye] = call
    eyes = len({look.glance.eye for look in looks})
    found = []
    for person in closest:
        if len(person) == eyes:
            surest = max(person.values(), key=lambda call: call.log_odds)
            mean = sum(call.log_odds for call in person.values()) / eyes
            found.append(surest._replace(log_odds=mean))
    return found


def _same_person(known: dict[int, Call], call: Call) -> bool:
    return any(other.person.iou(call.person) >= LOOSELY_IOU for other in known.values())


def _apart(detections: Iterable[Detection], same_iou: float) -> list[Detection]:
    """The best of those that show one thing, best first."""
    kept: list[Detection] = []
    for each in sorted(detections, key=lambda d: -d.score):
        if not any(_same(other, each, same_iou) for other in kept):
            kept.append(each)
    return kept


def _same(one: Detection, other: Detection, same_iou: float) -> bool:
    least = LOOSELY_IOU if one.label == PHONE else same_iou
    return one.label == other.label and one.box.iou(other.box) >= least


def _together(thing: Detection, looks: Sequence[Look], same_iou: float) -> Detection:
    total = weights = 0.0
    seen: list[tuple[float, Box]] = []
    for look in looks:
        if not shows(look.window, thing.box) or (thing.label != PHONE and look.window.area < 1):
            continue
        near = (each for each in look.detections if _same(each, thing, same_iou))
        best = max(near, key=lambda d: d.score, default=None)
        weight = weight_of(thing.box, look.window)
        total += weight * (log_odds(best.score) if best is not None else NOTHING)
        weights += weight
        if best is not None:
            seen.append((weight * best.score, best.box))
    if not seen:
        return thing
    return Detection(thing.label, probability(total / weights), _mean(seen))


def _mean(boxes: list[tuple[float, Box]]) -> Box:
    whole = sum(share for share, _ in boxes)
    return Box(
        sum(share * box.ymin for share, box in boxes) / whole,
        sum(share * box.xmin for share, box in boxes) / whole,
        sum(share * box.ymax for share, box in boxes) / whole,
        sum(share * box.xmax for share, box in boxes) / whole,
    )
