"""One chance realisation of a scenario: what is really there at each tick, and what shows of it.

Everything random is drawn here, before the judgement sees any of it, so that the same world can be
judged twice: with and without gating, by this release and by the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import log, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.desk.attention import AROUND, around_person
from edge.desk.attention import LEAST as LEAST_SIDE
from edge.desk.evidence import LEAST, log_odds, probability
from edge.domain import PERSON, PHONE, WHOLE_PICTURE, Box, Detection, SceneStats
from tests.lab.scenarios import painted
from tests.lab.scenarios.noise import HANDS, Alike, FloatArray, Motion, Noise, ranks, wander
from tests.lab.scenarios.script import VIEW_EVENTS, Event, Script, Thing, What

BoolArray = NDArray[np.bool_]

MOVE_S = (0.4, 0.8)  # from where a thing lies to the hand, and back
FIRST_EVENT_S = 12.0
HANDS_SIZE = (0.14, 0.09)
GHOST_SIZE = (0.09, 0.07)
MOSTLY_HIDDEN = 0.6
MOSTLY_SHOWN = 0.8  # so much of a thing has to be in a window to be seen there
PARTLY_SHOWN = 0.3  # and of a person, who is seen as far as the window goes
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
    """How one thing looks to each eye, in a look at the whole picture and in a closer one.

    scores:  for each tick, eye and of these two: as a phone, of a person as a person
    boxes:   (ticks, eyes, 2, 4) edges in them
    sides:   for each tick, the side of the window of the closer look, as a share of the picture's
    partial: it is seen where only so much of it is in the window, and as what is in there
    """

    label: str
    scores: list[list[list[float]]]
    boxes: FloatArray
    sides: list[float]
    partial: float

    def at(self, index: int, window: Box, eye: int) -> Detection | None:
        """What that eye makes of it at this tick.

        Between the two looks that were measured lies one at a window of another size: log-odds and
        edges go from the one to the other with the logarithm of how much larger things are shown,
        which is the inverse of the window's side.
        """
        whole, closer = self.scores[index][eye]
        if max(whole, closer) < LEAST:
            return None
        side = sqrt(window.area)
        least = self.sides[index]
        nearer = min(1.0, log(side) / log(least)) if side < 1 and least < 1 else 0.0
        score = probability((1 - nearer) * log_odds(whole) + nearer * log_odds(closer))
        if score <= LEAST:
            return None
        first, last = self.boxes[index, eye]
        box = Box(*(first + nearer * (last - first)).tolist())
        if side < 1 and box.intersection(window) < self.partial * box.area:
            return None
        return Detection(self.label, score, _clipped(box, window))


def _clipped(box: Box, window: Box) -> Box:
    return Box(
        max(box.ymin, window.ymin),
        max(box.xmin, window.xmin),
        min(box.ymax, window.ymax),
        min(box.xmax, window.xmax),
    )


@dataclass(slots=True)
class World:
    """The realisation, as the player reads it: lists with one entry per tick.

    blind: nothing can be seen
    busy:  something is or may be going on; between busy ticks nothing new can be learnt
    """

    period_s: float
    ticks: int
    eyes: int
    stats: list[SceneStats]
    cells: painted.Painted
    appearances: list[Appearance]
    blind: list[bool]
    busy: list[bool]
    episodes: list[Episode]
    pickups: list[Episode] = field(default_factory=list)

    def measured(self, index: int) -> SceneStats:
        """The figures of a tick that is looked at, with its cells."""
        return replace(self.stats[index], grid=self.cells.at(index))

    def look(self, index: int, window: Box = WHOLE_PICTURE, eye: int = 0) -> tuple[Detection, ...]:
        """What a look of that eye at this window detects at this tick, best first; boxes are shares
        of the picture. Rivals have had their say when it was measured."""
        if self.blind[index]:
            return ()
        seen = (thing.at(index, window, eye) for thing in self.appearances)
        return tuple(sorted((d for d in seen if d is not None), key=lambda d: -d.score))


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
    reached: list[tuple[int, int, Box]] = []  # and in which a hand is over a part of a thing
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
            noise=noise, person=person, typing=typing, hands=hands, extra=extra, reached=reached,
        )  # fmt: skip
        if event.what in VIEW_EVENTS:
            views[first:last] = [event.what] * (last - first)
        episodes.append(episode)
        busy[max(0, first - int(1 / period_s)) : last + int(5 / period_s)] = True
        at_s = end_s + rng.uniform(*script.pause_s)
    bodies += hands
    busy[: int(6 / period_s)] = True
    torso, keys = _parts(script.person)
    appearances, wavering, ghosts = _appearances(
        script, noise, rng, bodies, person, ticks, period_s
    )
    return World(
        period_s=period_s,
        ticks=ticks,
        eyes=noise.eyes,
        stats=_stats(script, bodies, person, typing, fidget, extra + reached, views),
        cells=painted.Painted(
            rng,
            torso=torso,
            keys=keys,
            person=person,
            typing=typing,
            fidget=fidget,
            things=[*(_as_painted(body) for body in bodies), *ghosts],
            moving=extra,
            blind=np.array([view is not None for view in views], np.bool_),
        ),
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
    reached: list[tuple[int, int, Box]],
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
            reached.append((first, last, _box_at(body, first)))
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


def _normals(
    rng: np.random.Generator,
    motions: Sequence[Motion],
    alike: Alike,
    scene: FloatArray,
    grip: NDArray[np.int64],
    period_s: float,
) -> FloatArray:
    """(ticks, eyes) standard normal values, alike in time as `motions` say, and between eyes as
    `alike` does; what is new in each look is no eye's but that one's."""
    count, eyes = len(grip), len(motions)
    grips = _shared(rng.standard_normal((int(grip[-1]) + 2 if count else 1, eyes + 1)), alike.kept)
    passing_s = float(np.mean([motion.passing_s for motion in motions]))
    wanders = [wander(rng, count, period_s, passing_s) for _ in range(eyes + 1)]
    passing = _shared(np.stack(wanders, axis=1), alike.passing)

    def spread(name: str) -> FloatArray:
        return np.sqrt([getattr(motion, name) for motion in motions])

    return np.asarray(
        spread("scene") * scene
        + spread("lasting") * grips[grip]
        + spread("passing") * passing
        + spread("fresh") * rng.standard_normal((count, eyes))
    )


def _shared(drawn: FloatArray, correlation: float) -> FloatArray:
    """(..., eyes + 1) independent values to (..., eyes) with that correlation."""
    own, common = drawn[..., 1:], drawn[..., :1]
    return np.asarray(np.sqrt(1 - correlation) * own + np.sqrt(correlation) * common)


def _scene(rng: np.random.Generator, noise: Noise, kind: str) -> FloatArray:
    return _shared(rng.standard_normal(noise.eyes + 1), noise.alike[kind].kept)


def _appearances(
    script: Script,
    noise: Noise,
    rng: np.random.Generator,
    bodies: Sequence[_Body],
    person: BoolArray,
    ticks: int,
    period_s: float,
) -> tuple[list[Appearance], BoolArray, list[painted.Thing]]:
    """How everything looks, at which ticks that may change the judgement's mind, and what of it
    only lies about."""
    found: list[Appearance] = []
    ghosts = []
    wavering = np.zeros(ticks, bool)
    if script.person is not None:
        found.append(_person(script.person, noise, rng, person, period_s, wavering))
    found += [_body(body, noise, rng, period_s, wavering) for body in bodies]
    for _ in range(int(rng.poisson(len(noise.ghosts) / max(noise.ghost_pictures, 1)))):
        seen, thing = _ghost(noise, rng, ticks, wavering)
        found.append(seen)
        ghosts.append(thing)
    return found, wavering, ghosts


def _ghost(
    noise: Noise, rng: np.random.Generator, ticks: int, wavering: BoolArray
) -> tuple[Appearance, painted.Thing]:
    """Something in the room, before all that moves, that is taken for a phone, and stays."""
    measured = noise.ghosts[int(rng.integers(len(noise.ghosts)))]
    bounded = np.clip(measured, LEAST, 1 - LEAST)
    wavers = np.array(noise.wavers)[:, None] * rng.standard_normal((ticks, *measured.shape))
    scores = 1 / (1 + np.exp(-(np.log(bounded / (1 - bounded)) + wavers)))
    scores[:, measured < LEAST] = 0.0
    wavering |= scores.max((1, 2)) >= noise.threshold
    grip = np.zeros(ticks, np.int64)
    y, x = rng.uniform(0.05, 0.95), rng.uniform(0.05, 0.95)
    height, width = GHOST_SIZE
    edges = np.array([y - height / 2, x - width / 2, y + height / 2, x + width / 2])
    boxes = edges + np.hypot(height, width) * _off(grip, scores, noise, rng)
    lies = painted.Thing(
        np.tile(edges, (ticks, 1)), np.ones(ticks, bool), np.zeros(ticks, bool), np.zeros(ticks)
    )
    return _seen(PHONE, scores, boxes, np.tile(GHOST_SIZE, (ticks, 1))), lies


def _seen(label: str, scores: FloatArray, boxes: FloatArray, size: FloatArray) -> Appearance:
    """`size`: (ticks, 2) height and width, by which the closer look was chosen."""
    sides = np.clip(AROUND * size.max(1), LEAST_SIDE, 1.0)
    return Appearance(label, scores.tolist(), boxes, sides.tolist(), MOSTLY_SHOWN)


def _person(
    box: Box,
    noise: Noise,
    rng: np.random.Generator,
    there: BoolArray,
    period_s: float,
    wavering: BoolArray,
) -> Appearance:
    ticks = len(there)
    motions = [Motion(scene=0.6, lasting=0.0, passing=0.2, passing_s=2.0)] * noise.eyes
    grip = np.zeros(ticks, np.int64)
    scene = _scene(rng, noise, PERSON)
    rank = ranks(_normals(rng, motions, noise.alike[PERSON], scene, grip, period_s))
    scores = np.where(there[:, None, None], noise.scores(PERSON, box.area, rank), 0.0)
    wavering |= scores.min((1, 2)) < noise.floor
    aside = 0.01 * wander(rng, ticks, period_s, 3.0)
    boxes = np.tile([box.ymin, box.xmin, box.ymax, box.xmax], (ticks, noise.eyes, 2, 1))
    boxes[..., [1, 3]] += aside[:, None, None, None]
    side = sqrt(around_person(box).area)
    return Appearance(PERSON, scores.tolist(), boxes, [side] * ticks, PARTLY_SHOWN)


def _body(
    body: _Body,
    noise: Noise,
    rng: np.random.Generator,
    period_s: float,
    wavering: BoolArray,
) -> Appearance:
    """Draw the scores and boxes of one thing as a phone."""
    thing = body.thing
    alike = noise.alike[thing.kind]
    scene = _scene(rng, noise, thing.kind)
    held = body.held | body.moving
    normal = np.where(
        held[:, None],
        _normals(rng, noise.held, alike, scene, body.grip, period_s),
        _normals(rng, noise.still, alike, scene, body.grip, period_s),
    )
    rank = ranks(normal)
    scores = np.zeros((len(held), noise.eyes, 2))
    for state, (height, width) in ((held, thing.held), (~held, thing.size)):
        scores[state] = noise.scores(thing.kind, height * width, rank[state])
    # A hand over it leaves the rest of the box, on one side; where little is left, nothing is seen.
    visible = body.shown & (body.hidden < MOSTLY_HIDDEN)
    scores *= np.where(visible, 1 - body.hidden, 0.0)[:, None, None]
    size = np.hypot(body.height, body.width)
    off = _off(body.grip, scores, noise, rng)
    left = body.x - body.width / 2
    top = body.y - body.height / 2
    right = left + body.width * (1 - body.hidden)
    edges = np.stack([top, left, top + body.height, right], axis=1)
    boxes = edges[:, None, None] + size[:, None, None, None] * off
    if thing.kind == PHONE:
        for number in np.unique(body.grip):
            mine = body.grip == number
            astray = np.abs(off[mine] - off[mine].mean(0)).max((1, 2, 3)) > WAVERS
            wavering[mine] |= body.shown[mine] & astray
    else:
        wavering |= scores.max((1, 2)) >= noise.threshold
    return _seen(PHONE, scores, boxes, np.stack([body.height, body.width], axis=1))


def _off(
    grip: NDArray[np.int64], scores: FloatArray, noise: Noise, rng: np.random.Generator
) -> FloatArray:
    """(ticks, eyes, 2, 4) how far the edges are off, in the thing's own size, in whole pictures and
    in closer looks: throughout a grip as those of one of the measured things with about that score
    were, of which each eye draws its boxes in its own way."""
    off = np.zeros((*scores.shape, 4))
    known = np.array([wobble.score for wobble in noise.wobbles])
    for number in np.unique(grip):
        mine = grip == number
        alike = np.argsort(np.abs(known - scores[mine].mean()), kind="stable")[:ALIKE]
        measured = noise.wobbles[int(rng.choice(alike))]
        count = int(mine.sum())
        for eye in range(noise.eyes):
            for nth, drawn in enumerate((measured.whole[eye], measured.closer[eye])):
                off[mine, eye, nth] = drawn[rng.integers(len(drawn), size=count)]
    return off


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
    torso, keys = _parts(script.person)
    moves: list[tuple[Box, ...]] = [()]
    which = np.zeros(len(person), np.int64)
    if torso is not None and keys is not None:
        moves += [(keys,), (torso,), (keys, torso)]
        which = (typing & person) + 2 * (fidget & person).astype(np.int64)
    choices = [CLEAR, *(_changed(boxes) for boxes in moves[1:])]
    stats = [choices[i] for i in which.tolist()]
    more: dict[int, list[Box]] = {}
    for body in bodies:
        for index in np.flatnonzero(body.held | body.moving).tolist():
            more.setdefault(index, []).append(_box_at(body, index))
    for first, last, box in extra:
        for index in range(max(0, first), min(last, len(stats))):
            more.setdefault(index, []).append(box)
    for index, boxes in more.items():
        stats[index] = _changed((*moves[which[index]], *boxes))
    for index, view in enumerate(views):
        if view is not None:
            same = index > 0 and views[index - 1] is view
            stats[index] = VIEWS[view] if same else replace(VIEWS[view], change=1.0)
    return stats


def _parts(who: Box | None) -> tuple[Box | None, Box | None]:
    """Somebody's upper body, and where their hands type."""
    if who is None:
        return None, None
    lower = who.ymin + 0.8 * who.height
    return (
        Box(who.ymin, who.xmin, lower, who.xmax),
        Box(lower, who.xmin, min(1.0, lower + 0.2), who.xmax),
    )


def _as_painted(body: _Body) -> painted.Thing:
    edges = (
        body.y - body.height / 2,
        body.x - body.width / 2,
        body.y + body.height / 2,
        body.x + body.width / 2,
    )
    return painted.Thing(np.stack(edges, axis=1), body.shown, body.held, body.hidden)


def _changed(boxes: tuple[Box, ...]) -> SceneStats:
    """A clear view in which something moves; a moving thing leaves some of its cells alike."""
    share = min(1.0, 0.3 * sum(box.area for box in boxes))
    return replace(CLEAR, change=max(2 / CELLS, share))
