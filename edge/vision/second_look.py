"""A second, closer look at what may be a phone: half seen in the whole picture, it fills several
times the pixels in a window around it, and is plainly a phone there, or plainly none.

Cameras deliver more pixels than the model takes in. What a window shows is what the whole picture,
reduced to the model's input, had lost; so the more a window is sharper than the whole picture, the
more its look counts. Of a picture no larger than those the model learnt from both looks count the
same: a thing's score becomes their mean in logits. Measured: models/CARD.md.

Where a window is sharper it also finds what the whole picture does not show at all. So whoever sits
there is looked at closely in turn, and what was found only there is kept in sight by closer looks
instead of looks at the whole picture, which then comes in some frames only. What moves is looked at
more often than what lies, what was lost is searched for, and what closer looks say is no phone is
left alone for a while. What is known of each thing: things.py.

Windows cost what whole pictures cost, so only some frames have two looks, and a few are saved up
for when something turns up. Meanwhile what the last one said holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from edge.config import ModelConfig
from edge.domain import GLIMPSE, PERSON, PHONE, Box, Detection, Frame
from edge.ports import Detector
from edge.vision.decode import RIVAL_FLOOR, RIVAL_IOU, left_of
from edge.vision.manifest import ModelSpec
from edge.vision.tflite import load_detector
from edge.vision.things import (
    MOST,
    PLAIN,
    SEARCHES,
    Thing,
    best_at,
    in_whole,
    in_window,
    mean,
    same,
)

# What other values of these cost is told in models/CARD.md.
HINT = 0.05  # from this score on a thing is worth a closer look
SURE = 0.8  # and from this on it needs none, where that is no sharper
WINDOW = 0.5  # of the picture's sides at most; twice the box where that is more
LEARNT_PX = 640  # longest side of the pictures that the model learnt from; of wider windows
CLOSE_PX = 427  # and that of a window around a thing in a larger picture
WORTH_IT = 0.85  # a window as wide or high as this share of the picture shows nothing new
LEAST_PX = 8
SHARPER = 1.5  # times, from which on a window shows what the whole picture cannot
SITS = 0.2  # score from which on somebody may sit there
STEP = 0.6  # of a window's sides from one to the next before a sitter
SOON_S = 0.5  # so soon after another frame things are about where they were
AT_ONCE_S = 0.15  # frames that follow each other sooner are as good as one
PHONES_FIRST = 4  # times as often as other things a phone is looked at closely
HALF = 0.1  # what closer looks give less is no phone for sure
LIVELY = 4  # times as often as other phones one that moves is
EDGE = 0.01  # of a window: what comes so near to its edge may be cut off there
PAUSE_S = 5.0  # after this nothing that was said holds any more
SAVED = 3.0  # so many inferences more than one a frame are kept for when something turns up
TURNS = 3  # what was said holds for so many turns of closer looks
NO_PHONE_TURNS = 12  # and so many where it was that there is no phone
TRUST = 2.5  # a closer look counts as much more as it is sharper, to this power

Glance = Callable[[Frame, Box], Sequence[Detection]]


def open_detector(
    spec: ModelSpec, config: ModelConfig, *, runtime_name: str = "", glimpses: bool = False
) -> Detector:
    """The detector that the configuration asks for. Raises ModelError.

    glimpses: a second look also reports where something may be a phone, and nothing says so yet
    """
    if not config.second_look:
        return load_detector(spec, config.threads, runtime_name=runtime_name)
    lower = spec.with_floor(min(spec.thresholds.floor, HINT))
    detector = load_detector(lower, config.threads, runtime_name=runtime_name)
    return SecondLook(
        detector,
        floor=spec.thresholds.floor,
        glimpses=glimpses,
        rivals=spec.phone_rivals,
        every=config.second_look_every,
    )


class _Aim(NamedTuple):
    """A closer look that could be taken.

    due:     how much it is; infinite: at once
    score:   of the thing, which decides between those that are due alike
    window:  what to look at
    precise: at one thing, and not around it
    thing:   which
    """

    due: float
    score: float
    window: Box
    precise: bool = True
    thing: Thing | None = None

    def rank(self) -> tuple[float, float]:
        return self.due, self.score


class SecondLook:
    """A `Detector` that looks closely at what may be a phone, and reports scores from `floor` on.

    detector: reports scores from HINT on, or lower
    rivals:   labels of which the first look's claims count against a phone of the second as well
    glimpses: report as such where the whole picture hints at a phone that is none so far
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
        glimpses: bool = False,
        glance: Glance | None = None,
    ) -> None:
        self._detector = detector
        self._floor = floor
        self._glimpses = glimpses
        self._rivals = frozenset(rivals)
        self._every = every
        self._glance = glance or self._cut_out
        self._frame = 0
        self._whole_at = 0  # that of the last look at the whole picture
        self._last_s = -math.inf  # when the last frame was
        self._name = ""  # and its name: the next picture of a folder has another
        self._period_s = math.inf  # and how soon they follow each other when nothing is left out
        self._spare = SAVED  # inferences more than one a frame that may be spent
        self._whole: tuple[Detection, ...] = ()
        self._things: tuple[Thing, ...] = ()
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
        self._period_s = min(self._period_s, max(gap_s, AT_ONCE_S))
        sharp = sharpness(frame)
        self._things = self._that_hold(sharp)
        aim = None
        # After a pause nobody knows where things are by now.
        pause_s = max(SOON_S, 1.5 * self._period_s)
        soon = self._frame - self._whole_at < self._every and gap_s <= pause_s
        if soon and sharp >= SHARPER:
            aim = self._instead(frame)
        if aim is not None:
            self._look_closely(frame, aim)
        else:
            self._look_at_all(frame)
            self._spend(frame)
        return self._report(frame)

    def forget(self) -> None:
        """Start anew: the next frame has nothing to do with those before."""
        self._things, self._whole, self._spare = (), (), SAVED

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

    def _that_hold(self, sharp: float) -> tuple[Thing, ...]:
        """The things, without what was said of them too long ago."""
        if self._every == 1:
            return ()
        holding = []
        for thing in self._things:
            turns = TURNS if self._score(thing, sharp) >= self._floor else NO_PHONE_TURNS
            if self._frame - thing.at < turns * self._every:
                holding.append(thing)
            elif thing.whole is not None:
                holding.append(replace(thing, box=thing.whole, said=None, lost=0))
        return tuple(holding)

    def _look_at_all(self, frame: Frame) -> None:
        """A look at the whole picture, and what has changed by it."""
        self._whole, self._whole_at = self.whole(frame), self._frame
        shown, gone = in_whole(self._things, _phones(self._whole), self._frame)
        sharp = sharpness(frame)
        if sharp < SHARPER:
            # No closer look says better where things are.
            shown = [replace(t, box=t.whole or t.box, first=t.whole) for t in shown]
        for thing in gone:
            if sharp < SHARPER:
                # It may be there all the same where it was never shown.
                if thing.whole is None:
                    shown.append(thing)
            elif thing.said is not None or thing.whole is None:
                was_plain = thing.plain and thing.shown >= PLAIN
                lost = SEARCHES if was_plain else thing.lost
                shown.append(replace(thing.unseen(), lost=lost))
        self._things = tuple(shown[:MOST])

    def _look_closely(self, frame: Frame, aim: _Aim) -> None:
        """Take the look, and replace what earlier ones said of the things in it."""
        window, precise = aim.window, aim.precise
        seen = self.closely(frame, window, self._whole)
        found = [d for d in seen if _all_in(d.box, window)]
        cut = [d for d in seen if not _all_in(d.box, window)]
        mine: list[Thing] = []
        others: list[Thing] = []
        for thing in self._things:
            shown = _all_in(thing.likely, window) or any(same(thing.likely, d.box) for d in found)
            # What was aimed at is not replaced by what came out of it in passing.
            ours = thing == aim.thing or (shown and (precise or thing.lost or not thing.aimed))
            (mine if ours else others).append(thing)
        better = [thing.likely for thing in others if thing.aimed and not precise]
        found = [d for d in found if not any(same(d.box, box) for box in better)]
        fresh = self._whole_at == self._frame
        after = in_window(mine, found, cut, self._frame, aimed=precise, fresh=fresh)
        things = [*after, *others]
        # What is plainly there, but not as a whole, is worth a look of its own; of a sitter's
        # windows the next one shows it.
        things += [
            Thing(d.box, at=self._frame)
            for d in (cut if aim.thing else ())
            if d.score >= PLAIN and all(d.box.intersection(t.likely) == 0 for t in things)
        ]
        known = [thing.likely for thing in mine if thing.plain]
        if any(t.plain and not any(same(t.box, box) for box in known) for t in after):
            # What was lost has turned up.
            things = [thing for thing in things if not (thing.lost and thing.whole is None)]
        self._things = tuple(things[:MOST])

    def _spend(self, frame: Frame) -> None:
        """Use a second inference: at once, if need be on credit, for what nothing was said of yet.
        The rest waits until some are left: in turn, the thing that is most due, and a part of who
        sits there."""
        aim = self._best(frame, seen=True)
        least = min(2.0, self._every)
        if aim is not None and aim.due == math.inf:
            least = -SAVED if aim.score >= PLAIN else 0.0
        if self._spare < least:
            return
        if aim is None or aim.due < math.inf:
            aim = self._in_turn(frame, aim)
        if aim is not None:
            self._spare -= 1
            self._look_closely(frame, aim)

    def _in_turn(self, frame: Frame, aim: _Aim | None) -> _Aim | None:
        """That closer look, or one at a part of who sits there."""
        window = None
        if aim is None or self._sitter_next:
            window = self._before_the_sitter(frame)
        self._sitter_next = window is None
        return aim if window is None else _Aim(0.0, 0.0, window, precise=False)

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

    def _instead(self, frame: Frame) -> _Aim | None:
        """The closer look that is worth more in this frame than another one at the whole picture:
        at something new; or, in turn, at what may be a phone, to see what and where it is by now;
        or at a part of who sits there. What only closer looks show has them in all frames but one
        of `every`, the rest in every other one."""
        seen = self._whole_at == self._frame - 1
        if not seen and any(self._went_far(thing) for thing in self._things):
            return None
        aim = self._best(frame, seen=seen)
        if seen and (aim is None or aim.due < PHONES_FIRST * LIVELY):
            return self._in_turn(frame, aim)
        return aim

    def _went_far(self, thing: Thing) -> bool:
        """Whether the whole picture may know best where something is that was lost: what lay may
        have been taken anywhere, what moved was looked for around it first."""
        searches = SEARCHES - 1 if thing.lively else SEARCHES
        return thing.lost == searches

    def _best(self, frame: Frame, *, seen: bool) -> _Aim | None:
        return max(self._aims(frame, seen=seen), key=_Aim.rank, default=None)

    def _aims(self, frame: Frame, *, seen: bool) -> list[_Aim]:
        """The closer looks that could be taken at what may be a phone.

        seen: also at what the whole picture shows, besides what it does not
        """
        sharp = sharpness(frame)
        enough = SURE if sharp < SHARPER else 1.0
        aims = []
        for thing in self._things:
            due, score = self._due(thing, sharp), self._score(thing, sharp)
            if thing.whole is None:
                wanted = sharp >= SHARPER and (due == math.inf or score >= self._floor)
            else:
                wanted = HINT <= thing.shown < enough and (seen or due == math.inf)
            if not wanted or due == 0:
                continue
            lost = thing.lost and sharp >= SHARPER
            window = around(frame, thing.likely, px=LEARNT_PX if lost else CLOSE_PX)
            if window is not None:
                aims.append(_Aim(due, score, window, not lost, thing))
        return aims

    def _due(self, thing: Thing, sharp: float) -> float:
        """How much a thing is due for another closer look: phones more often than the rest, those
        that move most of all; at once what is new, is lost, or seems to have moved."""
        if thing.said is None or not thing.aimed:
            return math.inf
        if sharp >= SHARPER and (thing.lost or (not thing.lively and thing.likely != thing.box)):
            return math.inf
        age = self._frame - thing.at
        if self._score(thing, sharp) < self._floor:
            # What is no phone for sure is left alone until that was too long ago.
            doubtful = sharp < SHARPER or thing.said >= HALF or thing.shown >= PLAIN
            return age if doubtful else 0.0
        return age * PHONES_FIRST * (LIVELY if thing.lively else 1)

    def _score(self, thing: Thing, sharp: float) -> float:
        if thing.said is None:
            return thing.shown
        return mean(thing.shown, thing.said, sharp**TRUST)

    def _report(self, frame: Frame) -> tuple[Detection, ...]:
        """What the last look at the whole picture saw, with what closer looks said of it, and what
        only they saw."""
        sharp = sharpness(frame)
        found = [d for d in self._whole if d.label != PHONE and d.score >= self._floor]
        glimpsed = []
        for thing in self._things:
            score = self._score(thing, sharp)
            # A large picture reduced takes wallets for phones.
            waits = sharp >= SHARPER and thing.said is None and around(frame, thing.box) is not None
            if waits or score < self._floor:
                if thing.whole is not None:
                    glimpsed.append(Detection(GLIMPSE, thing.shown, thing.whole))
            elif sharp < SHARPER:
                found.append(Detection(PHONE, score, thing.whole or thing.box))
            elif thing.whole is not None or not thing.lost:
                found.append(Detection(PHONE, score, thing.now, self._repeats(thing)))
        reported: list[Detection] = []
        for d in sorted(found, key=lambda d: -d.score):
            if d.label == PHONE and sharp >= SHARPER and best_at(d.box, _phones(reported)):
                continue  # two things that were said of one
            reported.append(d)
        return (*reported, *glimpsed) if self._glimpses else tuple(reported)

    def _repeats(self, thing: Thing) -> bool:
        """Whether no look of this frame says where a thing is by now: what lies is reported where
        closer looks saw it."""
        by_whole = thing.said is None or thing.lively
        return thing.at != self._frame and not (by_whole and self._whole_at == self._frame)


def sharpness(frame: Frame) -> float:
    """How many times sharper a window is than the whole picture, as the model is shown them; 1 for
    a picture as small as those that it learnt from."""
    return max(1.0, max(frame.height_px, frame.width_px) / LEARNT_PX)


def around(frame: Frame, box: Box, *, px: int = CLOSE_PX) -> Box | None:
    """The window around a thing, in shares of the picture; None where it would show nothing new.

    px: its longest side, as far as it is not small beside the thing
    """
    side = min(WINDOW, px / max(frame.height_px, frame.width_px))
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


def _phones(detections: Sequence[Detection]) -> list[Detection]:
    return [d for d in detections if d.label == PHONE]


def _back(box: Box, window: Box) -> Box:
    """From shares of the window to shares of the picture."""
    return Box(
        window.ymin + box.ymin * window.height,
        window.xmin + box.xmin * window.width,
        window.ymin + box.ymax * window.height,
        window.xmin + box.xmax * window.width,
    )
