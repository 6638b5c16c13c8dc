"""Knows what its owner showed it: `Eyes` around other ones, and a `Learner`.

While something was shown, the one or two things of a look that are likeliest to be in a hand are
compared with it, and their scores become what that makes of them. Where nothing was shown, looks
stay as they are, and what would compare them is not even loaded.

Crops of what was last taken for a phone, or nearly, are kept in memory for some seconds: "that was
not a phone" and "that was my phone" come when the thing has gone by. They are never written.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.desk.geometry import ious, of_one
from edge.domain import (
    DENIED,
    EMPTY_S,
    OWN,
    PERSON,
    PHONE,
    Box,
    Details,
    Detection,
    EventType,
    Frame,
    Glance,
    Happening,
    Learnt,
    LessonSoFar,
    Look,
    Shown,
)
from edge.ports import Eyes, Features, Inbox
from edge.taught import FloatArray, Knowledge, Thing, directions, learn, sigmoid
from edge.taught_store import TaughtStore, named
from edge.vision.manifest import ModelError

log = logging.getLogger(__name__)

Image = NDArray[np.uint8]

# Nobody holds these, and a hand before them is what is meant.
NOT_HELD = frozenset({PERSON, "laptop", "keyboard"})
MOST_CROPS = 2  # of a look: what it may cost
SAME_THING_IOU = 0.5  # two labels of one thing
UNSEEN = 0.01  # the score, as a phone, of a thing that goes by another name
RECENT_S = 20.0  # so long ago "that was" can mean
RECENT = 12  # crops
BETWEEN_S = 0.5  # from one of them to the next
MISSED = 0.02  # score from which on "that was my phone" can mean it
STILL_IOU = 0.7  # what is where something lay then is not what is shown
ANOTHER_VIEW = 0.9  # cosine below which two views are different ones
ENOUGH = 20  # different views
LOOK_FOR_NEW_S = 5.0  # from one look at the card for what `procrastobot teach` left to the next


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A crop of a moment ago, and its score as a phone."""

    at_s: float
    crop: Image
    score: float


class Lesson:
    """Something is shown for a while: which things of the pictures are meant, and their vectors."""

    def __init__(
        self, name: str, phone: bool, features: Features, *, until_s: float, empty_until_s: float
    ) -> None:
        """empty_until_s: hands are empty until then, and what is seen lies about"""
        self.name = name
        self.phone = phone
        self.until_s = until_s
        self._empty_until_s = empty_until_s
        self._features = features
        self._about: list[Box] = []
        self._vectors: list[FloatArray] = []
        self._views: list[FloatArray] = []
        self.pictures = 0
        self.used = 0

    @property
    def views(self) -> int:
        """How many different ones there are so far."""
        return len(self._views)

    @property
    def vectors(self) -> FloatArray:
        return np.concatenate(self._vectors) if self._vectors else np.empty((0, 1), np.float32)

    def see(self, frame: Frame, detections: Sequence[Detection]) -> None:
        """Take what is held up, if anything is."""
        shown = held(detections)
        if frame.at_s < self._empty_until_s:
            self._about += [each.box for each in shown]
            return
        self.pictures += 1
        meant = next(
            (d for d in shown if all(d.box.iou(box) < STILL_IOU for box in self._about)), None
        )
        if meant is None:
            return
        self.used += 1
        (crop,) = self._features.crops(frame, [meant.box])
        both = self._features.vectors(seen_from_both_sides([crop]))
        self._vectors.append(both)
        view = directions(both[0])
        if all(float(view @ other) < ANOTHER_VIEW for other in self._views):
            self._views.append(view)

    def so_far(self, at_s: float) -> LessonSoFar:
        return LessonSoFar(
            self.name,
            self.phone,
            self.views,
            ENOUGH,
            self.used,
            self.pictures,
            empty_s=max(0.0, self._empty_until_s - at_s),
            left_s=max(0.0, self.until_s - at_s),
        )

    def outcome(self) -> str:
        """What went wrong, and what to do; empty: nothing."""
        if self.used:
            return ""
        if self.pictures:
            return "nothing held up was found: hold it nearer to the camera, in better light"
        return "no picture came"


class Recognizer:
    """`Eyes` and `Learner` of `ports.py`.

    threshold: the score from which on a phone is believed
    denials:   learn from "that was not a phone" too
    """

    def __init__(
        self,
        eyes: Eyes,
        features: Features,
        store: TaughtStore,
        inbox: Inbox,
        *,
        threshold: float,
        denials: bool = True,
    ) -> None:
        self._eyes = eyes
        self._features = features
        self._store = store
        self._inbox = inbox
        self._threshold = threshold
        self._denials = denials
        self._knowledge: Knowledge | None = None
        self._recent: deque[_Seen] = deque(maxlen=RECENT)
        self._asked: tuple[str, bool, float] | None = None  # a lesson, until there is a picture
        self._lesson: Lesson | None = None
        self.lesson: LessonSoFar | None = None
        self._at_s = 0.0
        self._looked_s = 0.0
        self._learn()

    @property
    def count(self) -> int:
        return self._eyes.count

    def look(self, frame: Frame, glance: Glance) -> Look:
        """What one eye sees in one part of the picture, by what was shown."""
        look = self._eyes.look(frame, glance)
        found = look.detections
        self._at_s = frame.at_s
        if not 0 <= frame.at_s - self._looked_s < LOOK_FOR_NEW_S:
            self._looked_s = frame.at_s
            if self._store.reload():
                self._learn()
        if self._asked is not None:
            self._lesson, self._asked = self._begun(*self._asked, at_s=frame.at_s), None
        if self._lesson is not None:
            self._teach(self._lesson, frame, found)
        likely = held(found)[:MOST_CROPS]
        before = [d.score if is_phone(d) else UNSEEN for d in likely]
        if self._knowledge is None:
            self._remember(frame, likely, before)
            return look
        if not likely:
            return look
        crops = self._features.crops(frame, [d.box for d in likely])
        vectors = self._features.vectors(crops)
        after = self._knowledge.joined(before, vectors, self._threshold)
        self._remember(frame, likely, after, crops)
        return replace(look, detections=recognized(found, likely, after))

    def hear(self, happening: Happening) -> None:
        """Learn from what the owner said."""
        details = happening.details
        try:
            match happening.type:
                case EventType.TEACH:
                    self._begin(details)
                case EventType.NOT_A_PHONE if self._denials:
                    self._take(DENIED, False, self._threshold / 2)
                case EventType.MY_PHONE:
                    self._take(OWN, True, MISSED)
                case EventType.FORGET:
                    self._forget(str(details["name"]))
                case _:
                    return
        except (OSError, ValueError, ModelError) as exc:
            self._inbox.put(Learnt(str(details.get("name", "")), why=_why(exc)))

    def shown(self) -> tuple[Shown, ...]:
        """What was shown, and what that changed."""
        things, knowledge = self._store.things, self._knowledge
        if knowledge is None:
            return ()
        bank = self._features.bank
        before = Knowledge(bank.weights, knowledge.directions, bank.slope)
        return tuple(
            Shown(
                thing.name,
                thing.phone,
                thing.views,
                *(_chance(each, thing) for each in (before, knowledge)),
            )
            for thing in things
        )

    def exported(self) -> tuple[str, bytes]:
        """The file of what was shown. Raises OSError."""
        path = self._store.path
        return path.name, path.read_bytes() if path.exists() else b""

    def _begin(self, details: Details) -> None:
        _ = self._features.bank  # raises here, if they cannot be loaded, and not in a look
        name, phone = named(str(details["name"])), bool(details["phone"])
        seconds = float(details["seconds"] or 0)
        # Its time begins with a picture: the camera may only just be opening.
        self._asked, self._lesson = (name, phone, seconds), None
        self.lesson = LessonSoFar(name, phone, 0, ENOUGH, 0, 0, EMPTY_S, EMPTY_S + seconds)

    def _begun(self, name: str, phone: bool, seconds: float, *, at_s: float) -> Lesson:
        empty_until_s = at_s + EMPTY_S
        until_s = empty_until_s + seconds
        return Lesson(name, phone, self._features, until_s=until_s, empty_until_s=empty_until_s)

    def _teach(self, lesson: Lesson, frame: Frame, found: Sequence[Detection]) -> None:
        if frame.at_s < lesson.until_s:
            lesson.see(frame, found)
            self.lesson = lesson.so_far(frame.at_s)
            return
        self._lesson = self.lesson = None
        why = lesson.outcome()
        if not why:
            why = self._add(lesson.name, lesson.phone, lesson.vectors)
        self._inbox.put(Learnt(lesson.name, lesson.phone, lesson.views, why))

    def _take(self, name: str, phone: bool, least: float) -> None:
        """Learn what was seen a moment ago."""
        crops = [
            seen.crop
            for seen in self._recent
            if seen.score >= least and 0 <= self._at_s - seen.at_s <= RECENT_S
        ]
        self._recent.clear()
        why = "nothing like a phone was seen in the last seconds"
        if crops:
            why = self._add(name, phone, self._features.vectors(seen_from_both_sides(crops)))
        elif not phone:
            return  # it was denied all the same
        self._inbox.put(Learnt(name, phone, len(crops), why))

    def _add(self, name: str, phone: bool, vectors: FloatArray) -> str:
        """Keep them and know them; what went wrong, if anything."""
        try:
            self._store.reload()
            self._store.add(name, phone, vectors)
            self._learn()
        except (OSError, ValueError, ModelError) as exc:
            return _why(exc)
        return ""

    def _forget(self, name: str) -> None:
        changed = self._store.reload()  # what another process showed is not to be lost
        known = self._store.forget(name)
        if known or changed:
            self._learn()
        if not known and name != DENIED:  # which every "forget all" names
            self._inbox.put(Learnt(name, why=f"nothing called {name!r} was shown"))

    def _learn(self) -> None:
        things = self._store.things
        self._knowledge = learn(self._features.bank, things) if things else None

    def _remember(
        self,
        frame: Frame,
        likely: Sequence[Detection],
        scores: Sequence[float],
        crops: Sequence[Image] = (),
    ) -> None:
        best = max(range(len(likely)), key=lambda n: scores[n], default=None)
        if best is None or scores[best] < MISSED:
            return
        if self._recent and 0 <= frame.at_s - self._recent[-1].at_s < BETWEEN_S:
            return
        crop = crops[best] if crops else self._features.crops(frame, [likely[best].box])[0]
        self._recent.append(_Seen(frame.at_s, crop, scores[best]))


class Unable:
    """A `Learner` for a model without features: it says so."""

    def __init__(self, inbox: Inbox, why: str) -> None:
        self._inbox = inbox
        self._why = why

    @property
    def lesson(self) -> None:
        return None

    def shown(self) -> tuple[Shown, ...]:
        return ()

    def exported(self) -> tuple[str, bytes]:
        return "", b""

    def hear(self, happening: Happening) -> None:
        if happening.type in (EventType.TEACH, EventType.MY_PHONE):
            self._inbox.put(Learnt(str(happening.details.get("name", "")), why=self._why))


def is_phone(detection: Detection) -> bool:
    return detection.label == PHONE


def held(detections: Sequence[Detection]) -> list[Detection]:
    """What may be held up, the likeliest first; of several labels of one thing, the phone's."""
    seen = sorted(
        (d for d in detections if d.label not in NOT_HELD),
        key=lambda d: (not is_phone(d), -d.score),
    )
    boxes = [d.box for d in seen]
    # An empty box is none of itself, by its overlap.
    same = (ious(boxes, boxes) >= SAME_THING_IOU) | np.eye(len(seen), dtype=bool)
    things: list[int] = []
    for n in range(len(seen)):
        if not same[n, things].any():
            things.append(n)
    scores = np.array([d.score for d in seen])
    surest = [float(scores[same[n]].max()) for n in things]
    order = sorted(range(len(things)), key=lambda k: -surest[k])
    return [seen[things[k]] for k in order]


def recognized(
    found: Sequence[Detection], likely: Sequence[Detection], scores: Sequence[float]
) -> tuple[Detection, ...]:
    """What was found, with the scores as phones that the likely things have now: what goes by
    another name, and may be a phone, is reported as one as well. Further boxes of a compared thing
    are left out: they would keep the score that it had."""
    kept = [d for d in found if not (is_phone(d) and any(_of_one(d, each) for each in likely))]
    for each, score in zip(likely, scores, strict=True):
        if is_phone(each) or score > UNSEEN:
            kept.append(Detection(PHONE, score, each.box))
    return tuple(sorted(kept, key=lambda d: -d.score))


def _of_one(phone: Detection, thing: Detection) -> bool:
    """Whether they are two boxes of one thing. What lies in a phone's box may be a part of it; by
    another name it is something before it."""
    same = phone.box.iou(thing.box) >= SAME_THING_IOU
    return same or (is_phone(thing) and of_one(phone.box, thing.box))


def seen_from_both_sides(crops: Sequence[Image]) -> list[Image]:
    """Each crop and, after it, its mirror image."""
    return [view for crop in crops for view in (crop, np.ascontiguousarray(crop[:, ::-1]))]


def _chance(knowledge: Knowledge, thing: Thing) -> float:
    """What the middle one of its views is taken for, as a phone, 0..1."""
    return sigmoid(float(np.median(knowledge.log_odds(thing.vectors))))


def _why(exc: Exception) -> str:
    if isinstance(exc, OSError):
        return f"it cannot be kept: {exc.strerror or exc}"
    return str(exc)


__all__ = ["Lesson", "Recognizer", "Unable", "held", "recognized", "seen_from_both_sides"]
