"""A second, closer look at what may be a phone: half seen in the whole picture, it fills several
times the pixels in a window around it, and is plainly a phone there, or plainly none.

Cameras deliver more pixels than the model takes in. What a window shows is what the whole picture,
reduced to the model's input, had lost; so the more a window is sharper than the whole picture, the
more its look counts. Of a picture no larger than those the model learnt from both looks count the
same: a thing's score becomes their mean in logits. Measured: models/CARD.md.

Where a window is sharper it also finds what the whole picture does not show at all. So whoever sits
there is looked at closely in turn, and what was found only there is kept in sight by closer looks
instead of looks at the whole picture, which then comes in some frames only.

Windows cost what whole pictures cost, so only some frames have two looks, and a few are saved up
for when something turns up. Meanwhile what the last one said holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edge.config import ModelConfig
from edge.domain import PERSON, PHONE, Box, Detection, Frame
from edge.ports import Detector
from edge.vision.decode import RIVAL_FLOOR, RIVAL_IOU, left_of
from edge.vision.manifest import ModelSpec
from edge.vision.tflite import load_detector

# What other values of these cost is told in models/CARD.md.
HINT = 0.05  # from this score on a thing is worth a closer look
SURE = 0.8  # and from this on it needs none, where that is no sharper
WINDOW = 0.5  # of the picture's sides at most; twice the box where that is more
LEARNT_PX = 640  # longest side of the pictures that the model learnt from; a sitter's windows
CLOSE_PX = 427  # and that of a window around a thing in a larger picture
UNSEEN = 0.01  # what a look says of a thing that it did not find
SAME_IOU = 0.4  # two boxes that overlap so much are of one thing
WORTH_IT = 0.85  # a window as wide or high as this share of the picture shows nothing new
LEAST_PX = 8
SHARPER = 1.5  # times, from which on a window shows what the whole picture cannot
SITS = 0.2  # score from which on somebody may sit there
TREMBLE = 0.07  # of a thing's size, that its box in the whole picture may be off
NEAR = 0.8  # of its size: so far a thing may go from one look to the next
ALIKE = 1.25  # times as large is about as large
STEP = 0.6  # of a window's sides from one to the next before a sitter
AT_ONCE_S = 0.15  # frames that follow each other sooner are as good as one
PLAIN = 0.3  # what scores as much in the whole picture, and then nothing, is gone
PHONES_FIRST = 4  # times as often as other things a phone is looked at closely
EDGE = 0.01  # of a window: what comes so near to its edge may be cut off there
PAUSE_S = 5.0  # after this nothing that was said holds any more
SAVED = 3.0  # so many inferences more than one a frame are kept for when something turns up
TURNS = 3  # what was said holds for so many turns of closer looks
TRUST = 2.5  # a closer look counts as much more as it is sharper, to this power

Glance = Callable[[Frame, Box], Sequence[Detection]]


def open_detector(spec: ModelSpec, config: ModelConfig, *, runtime_name: str = "") -> Detector:
    """The detector that the configuration asks for. Raises ModelError."""
    if not config.second_look:
        return load_detector(spec, config.threads, runtime_name=runtime_name)
    lower = spec.with_floor(min(spec.thresholds.floor, HINT))
    detector = load_detector(lower, config.threads, runtime_name=runtime_name)
    return SecondLook(
        detector,
        floor=spec.thresholds.floor,
        rivals=spec.phone_rivals,
        every=config.second_look_every,
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """What a closer look said of a thing.

    first: where the whole picture showed it then; None: it did not
    last:  and where it did in the last look at the whole picture
    box:   where the closer look saw it; where the whole picture did, if that look saw nothing
    frame: the number of the frame that it was said in
    aimed: the look was at this thing, and not one that happened to show it
    shown: the score in the last look at the whole picture
    """

    first: Box | None
    last: Box | None
    box: Box
    score: float
    frame: int
    aimed: bool
    shown: float

    def now(self) -> Box:
        """Where it is by now: as far from where the closer look saw it as it moved in the whole
        picture since. Boxes there tremble, and what a hand covers loses a part: only what opposite
        edges have in common is a movement, and only of a thing that stays as large."""
        if self.first is None or self.last is None:
            return self.box
        if not _as_large(self.last, self.first):
            return self.box
        top, left, bottom, right = (
            now - then for now, then in zip(_edges(self.last), _edges(self.first), strict=True)
        )
        down, aside = _common(top, bottom), _common(left, right)
        box = self.box
        if math.hypot(down, aside) < TREMBLE * math.hypot(box.height, box.width):
            return box
        return Box(box.ymin + down, box.xmin + aside, box.ymax + down, box.xmax + aside)


class SecondLook:
    """A `Detector` that looks closely at what may be a phone, and reports scores from `floor` on.

    detector: reports scores from HINT on, or lower
    rivals:   labels of which the first look's claims count against a phone of the second as well
    every:    in one of so many frames, by and large, there are two inferences instead of one
    glance:   what a window, in shares of the picture, shows, in shares of the window; by default
              that part of the picture is cut out and shown to the detector
    """

    def __init__(
        self,
        detector: Detector,
        *,
        floor: float,
        rivals: Sequence[str],
        every: int,
        glance: Glance | None = None,
    ) -> None:
        self._detector = detector
        self._floor = floor
        self._rivals = frozenset(rivals)
        self._every = every
        self._glance = glance or self._cut_out
        self._frame = 0
        self._whole_at = 0  # frame of the last look at the whole picture
        self._last_s = -math.inf  # when the last frame was
        self._name = ""  # and its name: the next picture of a folder has another
        self._period_s = math.inf  # and how soon they follow each other when nothing is left out
        self._spare = SAVED  # inferences more than one a frame that may be spent
        self._whole: tuple[Detection, ...] = ()
        self._said: tuple[_Said, ...] = ()
        self._turn = 0  # of the sitter's windows
        self._sitter_next = False
        self.looks = 0  # inferences so far: what it costs

    @property
    def labels(self) -> tuple[str, ...]:
        return self._detector.labels

    def detect(self, frame: Frame) -> tuple[Detection, ...]:
        """Best score first; boxes are fractions of the frame, clipped to it."""
        gap_s, self._last_s = frame.at_s - self._last_s, frame.at_s
        if not 0 <= gap_s <= PAUSE_S or frame.name != self._name:
            self.forget()
        self._name = frame.name
        self._frame += 1
        self._spare = min(SAVED, self._spare + 1 / self._every)
        old = self._frame - TURNS * self._every
        self._said = tuple(s for s in self._said if s.frame > old and self._every > 1)
        window = None
        self._period_s = min(self._period_s, max(gap_s, AT_ONCE_S))
        # After a pause nobody knows where things are by now.
        if self._frame - self._whole_at < self._every and gap_s <= 1.5 * self._period_s:
            window = self._instead(frame)
        if window is not None:
            self._look_closely(frame, window, aimed=True)
        else:
            self._whole = self.whole(frame)
            self._whole_at = self._frame
            self._spend(frame)
        return self._judged(frame)

    def forget(self) -> None:
        """Start anew: the next frame has nothing to do with those before."""
        self._said, self._whole, self._spare = (), (), SAVED

    def whole(self, frame: Frame) -> tuple[Detection, ...]:
        """A look at the whole picture alone, from HINT on."""
        self.looks += 1
        return self._detector.detect(frame)

    def closely(self, frame: Frame, window: Box, seen: Sequence[Detection] = ()) -> list[Detection]:
        """The phones of a closer look, where the whole picture has them; `seen` in that, rivals
        speak against them."""
        self.looks += 1
        found = []
        for detection in self._glance(frame, window):
            if detection.label != PHONE:
                continue
            box = _back(detection.box, window)
            claim = max(
                (
                    other.score
                    for other in seen
                    if other.label in self._rivals
                    and other.score >= RIVAL_FLOOR
                    and other.box.iou(box) >= RIVAL_IOU
                ),
                default=0.0,
            )
            score = left_of(detection.score, claim) if claim else detection.score
            found.append(Detection(PHONE, score, box))
        return found

    def _cut_out(self, frame: Frame, window: Box) -> Sequence[Detection]:
        top, bottom = (round(y * frame.height_px) for y in (window.ymin, window.ymax))
        left, right = (round(x * frame.width_px) for x in (window.xmin, window.xmax))
        part = frame.image[top:bottom, left:right]
        return self._detector.detect(Frame(part, frame.at_s, frame.number, frame.name))

    def _look_closely(self, frame: Frame, window: Box, *, aimed: bool) -> None:
        """Take the look, and replace what earlier ones said of the things in it."""
        closely = [d for d in self.closely(frame, window, self._whole) if _all_in(d.box, window)]
        # What was aimed at is not replaced by what came out of it in passing.
        better = [known.now() for known in self._said if known.aimed and not aimed]
        closely = [d for d in closely if not any(d.box.iou(box) >= SAME_IOU for box in better)]
        said = []
        for seen in self._whole:
            if seen.label != PHONE or not _all_in(seen.box, window):
                continue
            if any(seen.box.iou(box) >= SAME_IOU for box in better):
                continue
            there = _at(seen.box, closely)
            box, score = (seen.box, UNSEEN) if there is None else (there.box, there.score)
            score = self._evened(seen.box, score)
            said.append(_Said(seen.box, seen.box, box, score, self._frame, aimed, seen.score))
        said += [
            _Said(None, None, d.box, self._evened(d.box, d.score), self._frame, aimed, 0.0)
            for d in closely
            if d.score >= HINT and not any(d.box.iou(known.box) >= SAME_IOU for known in said)
        ]
        others = [
            known
            for known in self._said
            if (known.aimed and not aimed)
            or not (
                _all_in(known.last or known.box, window)
                or any(known.box.iou(new.box) >= SAME_IOU for new in said)
            )
        ]
        self._said = (*others, *said)

    def _evened(self, box: Box, score: float) -> float:
        """With what the looks before said of it: one may have met it at a bad moment."""
        before = self._said_of(box)
        return score if before is None or not before.aimed else _mean(before.score, score, 1.0)

    def _spend(self, frame: Frame) -> None:
        """Use a second inference: at once, if need be on credit, for what nothing was said of yet.
        The rest waits until some are left: in turn, the thing that is most due, and a part of who
        sits there."""
        things = self._things(frame, seen=True)
        due = max((due for due, _, _ in things), default=0.0)
        if self._spare < (0 if due == math.inf else min(2, self._every)):
            return
        window, aimed = None, True
        if due < math.inf and (self._sitter_next or not things):
            self._sitter_next, aimed = False, False
            window = self._before_the_sitter(frame)
        if window is None and things:
            self._sitter_next, aimed = True, True
            window = around(frame, max(things, key=lambda thing: thing[:2])[2])
        if window is not None:
            self._spare -= 1
            self._look_closely(frame, window, aimed=aimed)

    def _before_the_sitter(self, frame: Frame) -> Box | None:
        """The next of the windows that together show whoever is surest to sit there; None where
        nobody does, or they would show nothing new."""
        people = [d for d in self._whole if d.label == PERSON and d.score >= SITS]
        if not people or sharpness(frame) < SHARPER:
            return None
        person = max(people, key=lambda d: d.score * d.box.area).box
        side = min(WINDOW, LEARNT_PX / max(frame.height_px, frame.width_px))
        rows = max(1, math.ceil((person.height - side) / (STEP * side)) + 1)
        columns = max(1, math.ceil((person.width - side) / (STEP * side)) + 1)
        self._turn = (self._turn + 1) % (rows * columns)
        row, column = divmod(self._turn, columns)
        # From the top to the bottom of the person, the first and last window flush with it.
        y, x = person.center
        if rows > 1:
            y = person.ymin + side / 2 + row * (person.height - side) / (rows - 1)
        if columns > 1:
            x = person.xmin + side / 2 + column * (person.width - side) / (columns - 1)
        return _window(frame, y, x, side, side)

    def _instead(self, frame: Frame) -> Box | None:
        """The window that is worth more in this frame than another look at the whole picture:
        around something new; or, in turn, around what may be a phone, to see what and where it is
        by now. What only closer looks show has them in all frames but one of `every`, the rest in
        every other one."""
        if sharpness(frame) < SHARPER:
            return None
        things = self._things(frame, seen=self._whole_at == self._frame - 1)
        thing = max(things, key=lambda thing: thing[:2], default=None)
        return None if thing is None else around(frame, thing[2])

    def _things(self, frame: Frame, *, seen: bool) -> list[tuple[float, float, Box]]:
        """What may be a phone: how much it is due for another closer look, its score, its box.

        seen: with what the whole picture shows, besides what it does not
        """
        sharp = sharpness(frame)
        alone = [(s, _mean(UNSEEN, s.score, sharp), s.now()) for s in self._said if s.last is None]
        things = [
            (self._due(said, score), score, box)
            for said, score, box in alone
            if sharp >= SHARPER and (score >= self._floor or not said.aimed)
        ]
        for hint in self._hints(frame) if seen else ():
            said = self._said_of(hint.box)
            score = _mean(hint.score, said.score, sharp) if said else hint.score
            things.append((self._due(said, score), score, hint.box))
        return things

    def _due(self, said: _Said | None, score: float) -> float:
        """How much a thing is due for another closer look: phones more often than the rest."""
        if said is None or not said.aimed:
            return math.inf
        return (self._frame - said.frame) * (PHONES_FIRST if score >= self._floor else 1)

    def _hints(self, frame: Frame) -> list[Detection]:
        """What the whole picture shows that is worth a closer look, and not too large for one."""
        enough = SURE if sharpness(frame) < SHARPER else 1.0
        return [
            d
            for d in _phones(self._whole)
            if HINT <= d.score < enough and around(frame, d.box) is not None
        ]

    def _said_of(self, box: Box) -> _Said | None:
        """What was said of what the whole picture shows here, the best match of several."""
        said = max(self._said, key=lambda said: (said.last or said.box).iou(box), default=None)
        return said if said is not None and (said.last or said.box).iou(box) >= SAME_IOU else None

    def _went_there(self, box: Box, said: Sequence[_Said]) -> _Said | None:
        """What was said of a thing as large that moved on, by less than its size, to here."""

        def apart(one: Box) -> float:
            (ay, ax), (by, bx) = one.center, box.center
            return math.hypot(ay - by, ax - bx) / max(math.hypot(one.height, one.width), 1e-6)

        phones = _phones(self._whole)
        gone = [
            (apart(s.last), s)
            for s in said
            if s.last is not None and _as_large(box, s.last) and _at(s.last, phones) is None
        ]
        far, nearest = min(gone, key=lambda each: each[0], default=(math.inf, None))
        return nearest if far <= NEAR else None

    def _judged(self, frame: Frame) -> tuple[Detection, ...]:
        """What the last look at the whole picture saw, with what closer looks said of it, and what
        only they saw."""
        sharp = sharpness(frame)
        found, followed = [], []
        rest = list(self._said)
        for seen in self._whole:
            if seen.label != PHONE:
                found.append(seen)
                continue
            said = self._said_of(seen.box) or self._went_there(seen.box, rest)
            if said is not None:
                if said in rest:
                    rest.remove(said)
                followed.append(
                    replace(said, first=said.first or seen.box, last=seen.box, shown=seen.score)
                )
                # Boxes of one and the same kind of look, or the thing would seem to move.
                box = followed[-1].now() if sharp >= SHARPER else seen.box
                found.append(Detection(PHONE, _mean(seen.score, said.score, sharp), box))
            elif sharp < SHARPER or around(frame, seen.box) is None:
                found.append(seen)
            # Else a closer look is waited for: a large picture reduced takes wallets for phones.
        # What it hardly showed, and does not show now, may be there all the same.
        alone = [
            replace(s, first=None, last=None, box=s.now())
            for s in rest
            if s.score > UNSEEN and s.shown < PLAIN and (s.last is None or sharp >= SHARPER)
        ]
        found += [Detection(PHONE, _mean(UNSEEN, s.score, sharp), s.box) for s in alone]
        self._said = (*followed, *alone)
        reported: list[Detection] = []
        for d in sorted((d for d in found if d.score >= self._floor), key=lambda d: -d.score):
            if d.label == PHONE and sharp >= SHARPER and _at(d.box, _phones(reported)):
                continue  # two things that were said of one
            reported.append(d)
        return tuple(reported)


def sharpness(frame: Frame) -> float:
    """How many times sharper a window is than the whole picture, as the model is shown them; 1 for
    a picture as small as those that it learnt from."""
    return max(1.0, max(frame.height_px, frame.width_px) / LEARNT_PX)


def around(frame: Frame, box: Box) -> Box | None:
    """The window around a thing, in shares of the picture; None where it would show nothing new."""
    side = min(WINDOW, CLOSE_PX / max(frame.height_px, frame.width_px))
    height, width = max(side, 2 * box.height), max(side, 2 * box.width)
    if max(height, width) > WORTH_IT:
        return None
    return _window(frame, *box.center, height, width)


def _window(frame: Frame, y: float, x: float, height: float, width: float) -> Box | None:
    """Around a point and within the picture, on whole pixels; None where that is too few."""
    top = min(max(y - height / 2, 0.0), 1.0 - height)
    left = min(max(x - width / 2, 0.0), 1.0 - width)
    # The shares that the pixels really are, so that boxes come back where they were.
    high, wide = frame.height_px, frame.width_px
    window = Box(
        round(top * high) / high,
        round(left * wide) / wide,
        round((top + height) * high) / high,
        round((left + width) * wide) / wide,
    )
    small = window.height * high < LEAST_PX or window.width * wide < LEAST_PX
    return None if small else window


def _all_in(box: Box, window: Box) -> bool:
    """Whether a window shows a thing as a whole; where it ends with the picture, nothing is cut."""
    y, x = EDGE * window.height, EDGE * window.width
    return (
        (box.ymin >= window.ymin + y or window.ymin <= 0)
        and (box.xmin >= window.xmin + x or window.xmin <= 0)
        and (box.ymax <= window.ymax - y or window.ymax >= 1)
        and (box.xmax <= window.xmax - x or window.xmax >= 1)
        and window.contains(*box.center)
    )


def _edges(box: Box) -> tuple[float, float, float, float]:
    return box.ymin, box.xmin, box.ymax, box.xmax


def _common(one: float, other: float) -> float:
    """What two movements share: the smaller one, or nothing where they are opposite."""
    return math.copysign(min(abs(one), abs(other)), one) if one * other > 0 else 0.0


def _as_large(box: Box, other: Box) -> bool:
    """Whether two boxes may be of one thing."""
    return 1 / ALIKE <= box.area / max(other.area, 1e-9) <= ALIKE


def _phones(detections: Sequence[Detection]) -> list[Detection]:
    return [d for d in detections if d.label == PHONE]


def _at(box: Box, closely: Sequence[Detection]) -> Detection | None:
    there = [d for d in closely if d.box.iou(box) >= SAME_IOU]
    return max(there, key=lambda d: d.score, default=None)


def _mean(first: float, closer: float, sharp: float) -> float:
    """The mean of two looks in logits, the closer one weighted by how sharp it is. A score of 0
    counts as UNSEEN."""
    one, other = (
        math.log(score / (1 - score))
        for score in (min(max(first, UNSEEN), 0.999), min(max(closer, UNSEEN), 0.999))
    )
    weight = sharp**TRUST
    return 1 / (1 + math.exp(-(one + weight * other) / (1 + weight)))


def _back(box: Box, window: Box) -> Box:
    """From shares of the window to shares of the picture."""
    return Box(
        window.ymin + box.ymin * window.height,
        window.xmin + box.xmin * window.width,
        window.ymin + box.ymax * window.height,
        window.xmin + box.xmax * window.width,
    )
