"""One chance realisation of a scenario: what is really there at each tick, and what shows of it.

Everything random is drawn here, before the judgement sees any of it, so that the same world can be
judged twice: with and without gating, by this release and by the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.desk.evidence import LEAST, against_rivals
from edge.domain import PERSON, PHONE, WHOLE_PICTURE, Box, Detection, SceneStats
from tests.lab.scenarios.noise import HANDS, FloatArray, Motion, Noise, ranks, wander
from tests.lab.scenarios.script import VIEW_EVENTS, Event, Script, Thing, What

BoolArray = NDArray[np.bool_]

MOVE_S = (0.4, 0.8)  # from where a thing lies to the hand, and back
FIRST_EVENT_S = 12.0
HANDS_SIZE = (0.14, 0.09)
GHOST_SIZE = (0.09, 0.07)
GHOST_WAVERS = 0.05  # standard deviation of its score
MOSTLY_HIDDEN = 0.6
MOSTLY_SHOWN = 0.8  # so much of a thing has to be in a window to be seen there
ALIKE = 8  # measured things of about one score
WAVERS = 0.06  # of its own size: a box so far off may be taken for a movement
TYPING_SPELL_S = 8.0
FIDGET_SPELL_S = 3.0
CLEAR = SceneStats(
    brightness=0.45, contrast=0.2, detail=0.05, glare=0.0, change=0.0, shift=0.0, identical=False
)
VIEWS = {
    What.COVER: SceneStats(0.06, 0.01, 0.0008, 0.0, 0.0, 0.9, False),
    What.DARK: SceneStats(0.015, 0.012, 0.006, 0.0, 0.0, 0.4, False),
    What.GLARE: SceneStats(0.9, 0.1, 0.01, 0.75, 0.0, 0.4, False),
    What.FREEZE: SceneStats(0.45, 0.2, 0.05, 0.0, 0.0, 0.0, True),
    What.BUMP: SceneStats(0.45, 0.2, 0.05, 0.0, 0.0, 0.8, False),
}
CELLS = 24 * 32  # what vision/scene.py divides the picture into


class Episode(NamedTuple):
    """Something that happens, from its first movement to its last."""

    what: What
    thing: str
    kind: str
    where: str
    start_s: float
    end_s: float


@dataclass(slots=True)
class _Body:
    """A thing through time; arrays have one entry per tick."""

    thing: Thing
    y: FloatArray
    x: FloatArray
    height: FloatArray
    width: FloatArray
    shown: BoolArray
    held: BoolArray
    moving: BoolArray
    hidden: FloatArray
    grip: NDArray[np.int64]  # which grip or place it is in: each draws anew


@dataclass(slots=True)
class Appearance:
    """How one thing looks to the detector; lists with one entry per tick.

    labels: what it may be taken for; scores: for each of them, in a look at the whole picture, low
            where it is not
    closer: the score as a phone in a closer look; empty for what is never taken for one
    boxes, closer_boxes: (N, 4) edges in these looks
    """

    labels: tuple[str, ...]
    scores: list[list[float]]
    closer: list[float]
    boxes: FloatArray
    closer_boxes: FloatArray


@dataclass(slots=True)
class World:
    """The realisation, as the player reads it: lists with one entry per tick.

    blind: nothing can be seen
    busy:  something is or may be going on; between busy ticks nothing new can be learnt
    """

    period_s: float
    ticks: int
    stats: list[SceneStats]
    appearances: list[Appearance]
    blind: list[bool]
    busy: list[bool]
    episodes: list[Episode]
    pickups: list[Episode] = field(default_factory=list)

    def look(self, index: int, window: Box = WHOLE_PICTURE) -> tuple[Detection, ...]:
        """What a look at this window detects at this tick; boxes are shares of the picture.

        People are seen in any window that shows most of them.
        """
        if self.blind[index]:
            return ()
        whole = window == WHOLE_PICTURE
        seen = []
        for thing in self.appearances:
            edges = thing.boxes if whole or not thing.closer else thing.closer_boxes
            box = Box(*edges[index].tolist())
            if not whole and box.intersection(window) < MOSTLY_SHOWN * box.area:
                continue
            for label, scores in zip(thing.labels, thing.scores, strict=True):
                closely = not whole and label == PHONE and thing.closer
                score = thing.closer[index] if closely else scores[index]
                if score >= LEAST:
                    seen.append(Detection(label, score, box))
        return against_rivals(seen)


def realise(
    script: Script, noise: Noise, rng: np.random.Generator, *, seconds: float, period_s: float
) -> World:
    """Draw one stretch of `seconds`, at one tick every `period_s`."""
    ticks = int(seconds / period_s)
    bodies = [_lying(thing, ticks) for thing in script.things]
    person = np.full(ticks, script.person is not None)
    typing = _spells(rng, ticks, period_s, script.typing, TYPING_SPELL_S)
    fidget = _spells(rng, ticks, period_s, script.fidget, FIDGET_SPELL_S)
    extra: list[tuple[int, int, Box]] = []  # stretches in which something else moves there
    hands: list[_Body] = []
    views: list[What | None] = [None] * ticks
    episodes: list[Episode] = []
    busy = np.zeros(ticks, bool)
    at_s = FIRST_EVENT_S + rng.uniform(0, 5)
    weights = np.array([event.weight for event in script.events])
    while script.events:
        event = script.events[int(rng.choice(len(weights), p=weights / weights.sum()))]
        lasts_s = rng.uniform(*event.lasts_s)
        end_s = at_s + lasts_s
        if end_s + 10 > seconds:
            break
        first, last = int(at_s / period_s), int(end_s / period_s)
        body = next((b for b in bodies if b.thing.name == event.thing), None)
        episode = _act(
            script, event, body, bodies, rng, first, last, period_s,
            noise=noise, person=person, typing=typing, hands=hands, extra=extra,
        )  # fmt: skip
        if event.what in VIEW_EVENTS:
            views[first:last] = [event.what] * (last - first)
        episodes.append(episode)
        busy[max(0, first - int(1 / period_s)) : last + int(5 / period_s)] = True
        at_s = end_s + rng.uniform(*script.pause_s)
    bodies += hands
    busy[: int(6 / period_s)] = True
    appearances, wavering = _appearances(script, noise, rng, bodies, person, ticks, period_s)
    return World(
        period_s=period_s,
        ticks=ticks,
        stats=_stats(script, bodies, person, typing, fidget, extra, views),
        appearances=appearances,
        blind=[view in _BLIND for view in views],
        busy=(busy | wavering).tolist(),
        episodes=episodes,
        pickups=[e for e in episodes if e.what is What.USE and e.kind == PHONE],
    )


_BLIND = frozenset({What.COVER, What.DARK, What.GLARE})


def _lying(thing: Thing, ticks: int) -> _Body:
    y, x = thing.at or (0.0, 0.0)
    height, width = thing.size
    return _Body(
        thing=thing,
        y=np.full(ticks, y),
        x=np.full(ticks, x),
        height=np.full(ticks, height),
        width=np.full(ticks, width),
        shown=np.full(ticks, thing.at is not None),
        held=np.zeros(ticks, bool),
        moving=np.zeros(ticks, bool),
        hidden=np.zeros(ticks),
        grip=np.zeros(ticks, np.int64),
    )


def _spells(
    rng: np.random.Generator, ticks: int, period_s: float, share: float, spell_s: float
) -> BoolArray:
    """On and off in spells; on for `share` of the time."""
    if share in (0.0, 1.0):
        return np.full(ticks, bool(share))
    on = np.zeros(ticks, bool)
    at, now = 0, bool(rng.random() < share)
    while at < ticks:
        mean_s = spell_s if now else spell_s * (1 - share) / share
        length = max(1, int(rng.exponential(mean_s) / period_s))
        on[at : at + length] = now
        at, now = at + length, not now
    return on


# ---------------------------------------------------------------- what happens


def _act(
    script: Script,
    event: Event,
    body: _Body | None,
    bodies: list[_Body],
    rng: np.random.Generator,
    first: int,
    last: int,
    period_s: float,
    *,
    noise: Noise,
    person: BoolArray,
    typing: BoolArray,
    hands: list[_Body],
    extra: list[tuple[int, int, Box]],
) -> Episode:
    """Let one event happen between two ticks; returns when it really began and ended."""
    where = str(rng.choice(event.where))
    match event.what:
        case What.USE:
            assert body is not None
            typing[first:last] = False
            last = _use(script, event, body, rng, first, last, where, period_s, noise)
        case What.NUDGE:
            assert body is not None
            target = _beside(body, first, rng)
            last = min(last, first + max(2, int(rng.uniform(0.5, 1.0) / period_s)))
            _travel(body, first, last, target, period_s, settle=True)
            extra.append((first, last, _box_at(body, first)))
        case What.REACH:
            assert body is not None
            body.hidden[first:last] = rng.uniform(0.2, 1.0)
            extra.append((first, last, _box_at(body, first)))
        case What.HANDS:
            typing[first:last] = False
            hand = _lying(Thing("hand", HANDS, None, HANDS_SIZE, HANDS_SIZE), len(person))
            y, x = _hand_place(script, where, rng)
            hand.shown[first:last] = hand.held[first:last] = True
            _sway(hand, first, last, y, x, rng, period_s, noise)
            hands.append(hand)
        case What.LEAVE:
            person[first:last] = False
            if script.person is not None:
                for edge in (first, last):
                    extra.append(
                        (edge - int(1 / period_s), edge + int(1 / period_s), script.person)
                    )
            typing[first:last] = False
        case What.CAT:
            box = Box(0.5, float(rng.uniform(0, 0.5)), 0.9, float(rng.uniform(0.6, 1.0)))
            extra.append((first, last, box))
            for other in bodies:
                if box.contains(float(other.y[first]), float(other.x[first])):
                    other.hidden[first:last] = rng.uniform(0, 1)
        case What.GUEST:
            extra.append((first, last, Box(0.0, 0.0, 0.7, 1.0)))
        case _:
            pass
    kind = "" if body is None else body.thing.kind
    return Episode(event.what, event.thing, kind, where, first * period_s, last * period_s)


def _hand_place(script: Script, where: str, rng: np.random.Generator) -> tuple[float, float]:
    person = script.person or Box(0.1, 0.3, 0.8, 0.7)
    y, x = {"chest": (0.58, 0.5), "face": (0.2, 0.66), "low": (0.84, 0.5)}[where]
    spread = 0.04 if where != "face" else 0.02
    return (
        person.ymin + (y + rng.normal(0, spread)) * person.height,
        person.xmin + (x + rng.normal(0, 2 * spread)) * person.width,
    )


def _use(
    script: Script,
    event: Event,
    body: _Body,
    rng: np.random.Generator,
    first: int,
    last: int,
    where: str,
    period_s: float,
    noise: Noise,
) -> int:
    """Into the hand, there for a while, and down again; returns the tick when it lies."""
    y, x = _hand_place(script, where, rng)
    up = max(1, int(rng.uniform(*MOVE_S) / period_s))
    down = max(1, int(rng.uniform(*MOVE_S) / period_s))
    rest = (float(body.y[first]), float(body.x[first]))
    was_shown = bool(body.shown[first])
    held_height, held_width = body.thing.held
    body.shown[first:last] = True
    body.held[first:last] = True
    body.hidden[first:last] = np.where(rng.random() < 0.5, 0.0, rng.uniform(0, 0.3))
    body.height[first:last] = held_height
    body.width[first:last] = held_width
    body.grip[first:] += 1
    _sway(body, first, last, y, x, rng, period_s, noise)
    start = rest if was_shown else (1.0, x)
    steps = np.linspace(0, 1, up, endpoint=False)
    body.y[first : first + up] = start[0] + (body.y[first : first + up] - start[0]) * steps
    body.x[first : first + up] = start[1] + (body.x[first : first + up] - start[1]) * steps
    gone = event.then == "gone" or body.thing.at is None
    target = (1.0, x) if gone else rest
    if event.then == "elsewhere" and not gone:
        target = (float(rng.uniform(0.78, 0.92)), float(rng.uniform(0.12, 0.88)))
    steps = np.linspace(1, 0, down)
    end = last + down
    ends_y, ends_x = float(body.y[last - 1]), float(body.x[last - 1])
    body.y[last:end] = target[0] + (ends_y - target[0]) * steps
    body.x[last:end] = target[1] + (ends_x - target[1]) * steps
    body.height[last:end] = held_height
    body.width[last:end] = held_width
    body.shown[last:end] = True
    body.held[last:end] = True
    body.y[end:], body.x[end:] = target
    body.shown[end:] = not gone
    body.grip[end:] += 1
    body.moving[first : first + up] = True
    body.moving[last:end] = True
    return end


def _sway(
    body: _Body,
    first: int,
    last: int,
    y: float,
    x: float,
    rng: np.random.Generator,
    period_s: float,
    noise: Noise,
) -> None:
    """A hand is never quite still."""
    size = float(np.hypot(*body.thing.held))
    count = last - first
    body.y[first:last] = y + size * noise.sway * wander(rng, count, period_s, noise.sway_s)
    body.x[first:last] = x + size * noise.sway * wander(rng, count, period_s, noise.sway_s)


def _beside(body: _Body, at: int, rng: np.random.Generator) -> tuple[float, float]:
    angle = rng.uniform(0, 2 * np.pi)
    size = float(np.hypot(*body.thing.size)) * rng.uniform(0.3, 1.0)
    return (
        float(np.clip(body.y[at] + size * np.sin(angle), 0.76, 0.94)),
        float(np.clip(body.x[at] + size * np.cos(angle), 0.06, 0.94)),
    )


def _travel(
    body: _Body,
    first: int,
    last: int,
    target: tuple[float, float],
    period_s: float,
    *,
    settle: bool,
) -> None:
    steps = np.linspace(0, 1, max(1, last - first))
    y, x = float(body.y[first]), float(body.x[first])
    body.y[first:last] = y + (target[0] - y) * steps
    body.x[first:last] = x + (target[1] - x) * steps
    body.moving[first:last] = True
    if settle:
        body.y[last:], body.x[last:] = target
        body.grip[last:] += 1


def _box_at(body: _Body, at: int) -> Box:
    at = min(max(at, 0), len(body.y) - 1)
    height, width = float(body.height[at]) / 2, float(body.width[at]) / 2
    y, x = float(body.y[at]), float(body.x[at])
    return Box(y - height, x - width, y + height, x + width)


# ---------------------------------------------------------------- what is detected


def _normal(
    rng: np.random.Generator,
    motion: Motion,
    scene: float,
    grip: NDArray[np.int64],
    period_s: float,
) -> FloatArray:
    """A standard normal value for each tick, alike as `motion` says."""
    count = len(grip)
    grips = rng.standard_normal(int(grip[-1]) + 2 if count else 1)
    value = np.sqrt(motion.scene) * scene + np.sqrt(motion.lasting) * grips[grip]
    if motion.passing > 0:
        value = value + np.sqrt(motion.passing) * wander(rng, count, period_s, motion.passing_s)
    return np.asarray(value + np.sqrt(motion.fresh) * rng.standard_normal(count))


def _appearances(
    script: Script,
    noise: Noise,
    rng: np.random.Generator,
    bodies: Sequence[_Body],
    person: BoolArray,
    ticks: int,
    period_s: float,
) -> tuple[list[Appearance], BoolArray]:
    """How everything looks, and at which ticks that may change the judgement's mind."""
    found: list[Appearance] = []
    wavering = np.zeros(ticks, bool)
    if script.person is not None:
        found.append(_person(script.person, noise, rng, person, period_s, wavering))
    found += [_body(body, noise, rng, ticks, period_s, wavering) for body in bodies]
    for _ in range(int(rng.poisson(len(noise.ghosts) / max(noise.ghost_pictures, 1)))):
        both = noise.ghosts[int(rng.integers(len(noise.ghosts)))]
        scores = np.clip(both + GHOST_WAVERS * rng.standard_normal((ticks, 2)), 0, 1)
        wavering |= scores.max(1) >= noise.floor
        boxes = np.tile(_ghost_place(rng), (ticks, 1))
        whole, closer = scores.T.tolist()
        found.append(Appearance((PHONE,), [whole], closer, boxes, boxes))
    return found, wavering


def _ghost_place(rng: np.random.Generator) -> FloatArray:
    y, x = rng.uniform(0.05, 0.95), rng.uniform(0.05, 0.95)
    height, width = GHOST_SIZE
    return np.array([y - height / 2, x - width / 2, y + height / 2, x + width / 2])


def _person(
    box: Box,
    noise: Noise,
    rng: np.random.Generator,
    there: BoolArray,
    period_s: float,
    wavering: BoolArray,
) -> Appearance:
    ticks = len(there)
    motion = Motion(scene=0.6, lasting=0.0, passing=0.2, passing_s=2.0)
    grip = np.zeros(ticks, np.int64)
    rank = ranks(_normal(rng, motion, float(rng.standard_normal()), grip, period_s))
    scores = np.where(there, noise.scores(PERSON, box.area, rank)[:, 2], 0.0)
    wavering |= scores < noise.floor
    aside = 0.01 * wander(rng, ticks, period_s, 3.0)
    boxes = np.tile([box.ymin, box.xmin, box.ymax, box.xmax], (ticks, 1))
    boxes[:, [1, 3]] += aside[:, None]
    return Appearance((PERSON,), [scores.tolist()], [], boxes, boxes)


def _body(
    body: _Body,
    noise: Noise,
    rng: np.random.Generator,
    ticks: int,
    period_s: float,
    wavering: BoolArray,
) -> Appearance:
    """Draw the scores and boxes of one thing, as a phone and as itself."""
    thing = body.thing
    scene = float(rng.standard_normal())
    held = body.held | body.moving
    normal = np.where(
        held,
        _normal(rng, noise.held, scene, body.grip, period_s),
        _normal(rng, noise.still, scene, body.grip, period_s),
    )
    rank = ranks(normal)
    table = np.zeros((ticks, 3))
    for state, (height, width) in ((held, thing.held), (~held, thing.size)):
        table[state] = noise.scores(thing.kind, height * width, rank[state])
    # A hand over it leaves the rest of the box, on one side; where little is left, nothing is seen.
    visible = body.shown & (body.hidden < MOSTLY_HIDDEN)
    table *= np.where(visible, 1 - body.hidden, 0.0)[:, None]
    size = np.hypot(body.height, body.width)
    off, apart = _off(body.grip, table[:, 1], noise, rng)
    left = body.x - body.width / 2
    top = body.y - body.height / 2
    right = left + body.width * (1 - body.hidden)
    edges = np.stack([top, left, top + body.height, right], axis=1)
    boxes, closer_boxes = edges + size[:, None] * apart, edges + size[:, None] * off
    if thing.kind == PHONE:
        wavering |= body.shown & (np.abs(off).max(1) > WAVERS)
    else:
        wavering |= table[:, :2].max(1) >= noise.floor
    whole, closer, own = table.T.tolist()
    if thing.kind in (PHONE, HANDS):
        return Appearance((PHONE,), [whole], closer, boxes, closer_boxes)
    return Appearance((PHONE, thing.kind), [whole, own], closer, boxes, closer_boxes)


def _off(
    grip: NDArray[np.int64], scores: FloatArray, noise: Noise, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """(ticks, 4) how far the edges are off, in the thing's own size, in closer looks and in whole
    pictures: throughout a grip as those of one of the measured things with about that score were.
    """
    off, apart = np.zeros((len(grip), 4)), np.zeros((len(grip), 4))
    known = np.array([wobble.score for wobble in noise.wobbles])
    for number in np.unique(grip):
        mine = grip == number
        alike = np.argsort(np.abs(known - scores[mine].mean()), kind="stable")[:ALIKE]
        measured = noise.wobbles[int(rng.choice(alike))]
        for values, drawn in ((off, measured.off), (apart, measured.whole)):
            values[mine] = drawn[rng.integers(len(drawn), size=int(mine.sum()))]
    return off, apart


# ---------------------------------------------------------------- what changes


def _stats(
    script: Script,
    bodies: Sequence[_Body],
    person: BoolArray,
    typing: BoolArray,
    fidget: BoolArray,
    extra: Sequence[tuple[int, int, Box]],
    views: Sequence[What | None],
) -> list[SceneStats]:
    """What plain arithmetic on the pixels would say at each tick."""
    who = script.person
    choices = [CLEAR]
    which = np.zeros(len(person), np.int64)
    if who is not None:
        lower = who.ymin + 0.8 * who.height
        keys = Box(lower, who.xmin, min(1.0, lower + 0.2), who.xmax)
        torso = Box(who.ymin, who.xmin, lower, who.xmax)
        choices += [_changed(boxes) for boxes in ((keys,), (torso,), (keys, torso))]
        which = (typing & person) + 2 * (fidget & person).astype(np.int64)
    stats = [choices[i] for i in which.tolist()]
    more: dict[int, list[Box]] = {}
    for body in bodies:
        for index in np.flatnonzero(body.held | body.moving).tolist():
            more.setdefault(index, []).append(_box_at(body, index))
    for first, last, box in extra:
        for index in range(max(0, first), min(last, len(stats))):
            more.setdefault(index, []).append(box)
    for index, boxes in more.items():
        stats[index] = _changed((*stats[index].changed, *boxes))
    for index, view in enumerate(views):
        if view is not None:
            same = index > 0 and views[index - 1] is view
            stats[index] = VIEWS[view] if same else replace(VIEWS[view], change=1.0)
    return stats


def _changed(boxes: tuple[Box, ...]) -> SceneStats:
    """A clear view in which something moves; a moving thing leaves some of its cells alike."""
    share = min(1.0, 0.3 * sum(box.area for box in boxes))
    return replace(CLEAR, change=max(2 / CELLS, share), changed=boxes)
