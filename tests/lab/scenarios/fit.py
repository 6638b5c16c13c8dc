"""Measures the shipped eyes on labelled pictures and films, for the scenarios to draw from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge.desk.attention import around_person, around_thing
from edge.desk.evidence import LEAST
from edge.devices.camera_picture import load_picture
from edge.domain import PERSON, PHONE, WHOLE_PICTURE, Box, Detection, Frame, Glance, Look
from edge.ports import Eyes
from edge.vision.manifest import EyeSet
from tests.lab.dataset import DatasetError, LabelledPicture, load_dataset
from tests.lab.footage import frames
from tests.lab.scenarios.noise import FORMAT, HANDS, SIZES, FloatArray, goodness, normal_of
from tests.lab.scenarios.staging import CAMERA, in_frame, shrunk, stage, without_phone
from tests.lab.score import Truth

LOOK_ALIKES = ("remote", "mouse", "book", "cup", "keyboard", "laptop", "wallet", "earbud case")
# No labelled picture of these exists: others stand in for them, as worst.
STANDS_IN = {"calculator": ("remote", "wallet"), "power bank": ("remote", "wallet")}
FINDS = 0.4  # overlap that makes a detection a find of a thing
MISTAKES = 0.3  # overlap that makes it a mistake about a thing
HINT = 0.07  # what scores less in a look at a larger part is not looked at closely for itself
PERSON_SHARE = 0.1  # who sits at the desk has as much of the picture, and more
SURELY = 0.5  # score that makes a person where nobody labelled people
WHOLLY = 0.85  # of its picture a box covers that is a mistake of the labels
SHARES = (1.0, 0.7, 0.5)  # of their sides that pictures are shown with: things farther away
STAGES = 24  # different rests of the frame
MOST_PICTURES = 60  # of phones; half as many of each other kind
STILL_EVERY = 2  # one phone in so many is looked at again and again
COPIES = 6  # of each of these, with sensor noise
FEWEST_BOXES = 3  # among them that tell how a box wobbles
SENSOR_SIGMA = 4.0  # grey levels; what a small sensor shows indoors
CLIP_FPS = 5.0
LAGS_S = (0.2, 0.4, 0.8, 1.6)
# The share of the variance that one owner's phone keeps from picture to picture: as measured on
# webcam_dev with an earlier detector; these pictures judge now, and no others are of one owner.
SCENE = 0.355

Progress = Callable[[Sequence[Any], str], Iterable[Any]]
Pair = tuple[float, float]  # scores in the whole picture and in a closer look


@dataclass(slots=True)
class _Found:
    records: dict[str, list[tuple[float, ...]]] = field(default_factory=dict)
    ghosts: list[list[Pair]] = field(default_factory=list)
    scenes: int = 0  # in which they were looked for
    still: list[FloatArray] = field(default_factory=list)  # each (copies, eyes, 2)
    wobbles: list[dict[str, Any]] = field(default_factory=list)

    def add(self, kind: str, area: float, scores: Sequence[Pair]) -> None:
        row = (round(area, 5), *(round(score, 3) for pair in scores for score in pair))
        self.records.setdefault(kind, []).append(row)

    def pairs(self, kind: str) -> FloatArray:
        """(N, eyes, 2)"""
        rows = np.array(self.records[kind], float)
        return rows[:, 1:].reshape(len(rows), -1, 2)


def sources(folders: Sequence[Path]) -> tuple[list[LabelledPicture], list[Path]]:
    """The pictures and the clips of some folders: data sets with an annotations.json, and clips.

    Raises DatasetError for a folder that holds neither.
    """
    pictures: list[LabelledPicture] = []
    clips: list[Path] = []
    for folder in folders:
        found = sorted(folder.glob("*.mp4"))
        clips += found
        if not found:
            pictures += load_dataset(folder)
    return pictures, clips


def fit(
    folders: Sequence[Path],
    lent: Sequence[Path],
    chosen: EyeSet,
    eyes: Eyes,
    progress: Progress,
    *,
    most: int = MOST_PICTURES,
) -> dict[str, Any]:
    """Measure on labelled pictures and films (see `sources`); returns the tree of `noise.json`.

    `eyes` must report scores from LEAST on. Give it pictures that judge nothing else. Of the
    pictures in the folders `lent` only the kinds of look-alikes are measured that no other folder
    shows; the file names them.

    Each is shown as a part of a frame of the camera's size: see `staging.py`.
    """
    pictures, videos = sources(folders)
    rng = np.random.default_rng(1)
    others = without_phone(pictures)
    if not others:
        raise DatasetError("no picture is known to show no phone: the scenarios need some")
    known = {truth.label for picture in pictures for truth in picture.truths}
    borrowed = {
        folder.name: [_only(picture, known) for picture in load_dataset(folder)] for folder in lent
    }
    chosen_pictures = _thinned([*pictures, *(p for each in borrowed.values() for p in each)], most)
    kinds = Counter(kind for _, kind in chosen_pictures)
    stages = [stage(others, rng) for _ in range(STAGES)]
    found = _Found()
    phones = 0
    for number, (picture, kind) in enumerate(progress(chosen_pictures, "pictures")):
        image = load_picture(picture.path)
        scarce = kind == PHONE or (kind in LOOK_ALIKES and kinds[kind] < most // 2)
        for turn, share in enumerate(SHARES):
            if not scarce and turn != number % len(SHARES):
                continue  # there are enough of these
            small = shrunk(image, share)
            shown = picture
            if (number + turn) % 2:
                # Mirrored it is another picture to the eyes, and as good a one.
                shown, small = _mirrored(picture), small[:, ::-1]
            still = kind == PHONE and phones % STILL_EVERY == 0 and turn == phones % len(SHARES)
            pixels, cell = stages[int(rng.integers(len(stages)))].showing(small)
            _measure(shown, Frame(pixels, 0.0), cell, eyes, found)
            if still:
                truth = _largest(in_frame(shown.truths, cell))
                _still(pixels, truth, eyes, found, rng)
        phones += kind == PHONE
    for kind, others_kinds in STANDS_IN.items():
        rows = [row for each in others_kinds for row in found.records.get(each, [])]
        if rows:
            found.records[kind] = rows
    for kind in (PHONE, PERSON, HANDS):
        if kind not in found.records:
            raise DatasetError(f"no picture shows {kind}: the scenarios need it")
    clips = [_clip(path, eyes) for path in progress(videos, "clips")]
    time, alike = _time(found, clips, eyes.count)
    return {
        "format": FORMAT,
        "model": chosen.description,
        "sha256": [spec.sha256 for spec in chosen.eyes],
        "floor": chosen.thresholds.floor,
        "threshold": chosen.thresholds.of(PHONE),
        "person_threshold": chosen.thresholds.of(PERSON),
        "pictures": len(chosen_pictures),
        "folders": [folder.name for folder in folders],
        "lent": {
            folder: sorted({truth.label for picture in each for truth in picture.truths})
            for folder, each in borrowed.items()
        },
        "stands_in": STANDS_IN,
        "camera": [CAMERA.width_px, CAMERA.height_px],
        "time": time,
        "alike": alike,
        "ghosts": [[round(score, 3) for pair in ghost for score in pair] for ghost in found.ghosts],
        "ghost_pictures": found.scenes,
        "wobbles": sorted(found.wobbles, key=lambda wobble: float(wobble["score"])),
        "records": {kind: sorted(rows) for kind, rows in sorted(found.records.items())},
    }


def _only(picture: LabelledPicture, known: set[str]) -> LabelledPicture:
    """The picture with what nothing else shows; of no use for anything but that."""
    truths = tuple(t for t in picture.truths if t.label in LOOK_ALIKES and t.label not in known)
    return replace(picture, truths=truths, labelled=frozenset({t.label for t in truths}))


def _thinned(pictures: Sequence[LabelledPicture], most: int) -> list[tuple[LabelledPicture, str]]:
    """At most so many pictures of phones, and half as many of each other kind, evenly; each with
    what it is chosen for: a phone, else the rarest thing in it, else a person, else nothing."""
    count = Counter(truth.label for picture in pictures for truth in picture.truths)
    by_kind: dict[str, list[LabelledPicture]] = {}
    for picture in pictures:
        good = tuple(t for t in picture.truths if t.label != PHONE or t.box.area < WHOLLY)
        labels = {truth.label for truth in good}
        rare = min(labels & set(LOOK_ALIKES), key=lambda label: count[label], default="")
        kind = PHONE if PHONE in labels else rare or (PERSON if PERSON in labels else "")
        if kind or PHONE in picture.labelled:
            by_kind.setdefault(kind, []).append(replace(picture, truths=good))
    thinned = []
    for kind, mine in sorted(by_kind.items()):
        few = min(len(mine), most if kind == PHONE else max(1, most // 2))
        thinned += [(mine[round(i)], kind) for i in np.linspace(0, len(mine) - 1, few)]
    return thinned


def dump(tree: dict[str, Any]) -> str:
    """One record a line would be long; one kind a line can still be compared."""
    records = ",\n".join(
        f"  {json.dumps(kind)}: {json.dumps(rows, separators=(',', ':'))}"
        for kind, rows in tree["records"].items()
    )
    wobbles = ",\n".join(
        f"  {json.dumps(wobble, separators=(',', ':'))}" for wobble in tree["wobbles"]
    )
    ghosts = json.dumps(tree["ghosts"], separators=(",", ":"))
    rest = {k: v for k, v in tree.items() if k not in ("records", "wobbles", "ghosts")}
    head = f'{json.dumps(rest, indent=1)[:-2]},\n "ghosts": {ghosts}'
    return f'{head},\n "wobbles": [\n{wobbles}\n ],\n "records": {{\n{records}\n }}\n}}\n'


def _mirrored(picture: LabelledPicture) -> LabelledPicture:
    truths = tuple(
        replace(t, box=Box(t.box.ymin, 1 - t.box.xmax, t.box.ymax, 1 - t.box.xmin))
        for t in picture.truths
    )
    return replace(picture, truths=truths)


def _measure(picture: LabelledPicture, frame: Frame, cell: Box, eyes: Eyes, found: _Found) -> None:
    truths = in_frame(picture.truths, cell)
    whole = _looks(eyes, frame, WHOLE_PICTURE)

    def scores(label: str, box: Box, window: Box, least_iou: float) -> list[Pair]:
        """Of each eye, in the whole picture and in that window."""
        closely = _looks(eyes, frame, window)
        return [
            (_score(one, label, box, least_iou), _score(other, label, box, least_iou))
            for one, other in zip(whole, closely, strict=True)
        ]

    real = [truth for truth in truths if truth.label == PHONE]
    for truth in real:
        window = around_thing(truth.box)
        found.add(PHONE, truth.box.area, scores(PHONE, truth.box, window, FINDS))
    alike = [
        truth
        for truth in truths
        if truth.label in LOOK_ALIKES and not any(truth.box.iou(p.box) > 0.1 for p in real)
    ]
    for truth in alike:
        window = around_thing(truth.box)
        found.add(truth.label, truth.box.area, scores(PHONE, truth.box, window, MISTAKES))
    people = [t.box for t in truths if t.label == PERSON]
    if PHONE in picture.labelled and PERSON not in picture.labelled:
        seen = [d for look in whole for d in look.detections if d.label == PERSON]
        seen = [d for d in seen if d.score >= SURELY and cell.contains(*d.box.center)]
        people = [max(seen, key=lambda d: d.score).box] if seen else []
    people = [box for box in people if box.area >= PERSON_SHARE * cell.area]
    for box in people:
        if PERSON in picture.labelled:
            found.add(PERSON, box.area, scores(PERSON, box, around_person(box), FINDS))
    if PHONE not in picture.labelled or real:
        return  # a second phone may be unlabelled
    # What a look at a part of the sitter shows, and the whole picture may not.
    part = _looks(eyes, frame, cell)
    phones = [
        d
        for look in (*whole, *part)
        for d in look.detections
        if d.label == PHONE and d.score >= LEAST and cell.contains(*d.box.center)
    ]
    phones = [d for d in phones if not any(d.box.iou(t.box) > 0.1 for t in alike)]
    hints: list[Detection] = []
    for phone in sorted(phones, key=lambda d: -d.score):
        if _best(hints, phone.box, MISTAKES) is None:
            hints.append(phone)

    def mistake(hint: Detection) -> list[Pair]:
        window = around_thing(hint.box) if hint.score >= HINT else WHOLE_PICTURE
        return scores(PHONE, hint.box, window, MISTAKES)

    nothing = [(0.0, 0.0)] * eyes.count
    for box in people:
        mine = next((hint for hint in hints if box.contains(*hint.box.center)), None)
        found.add(HANDS, 0.01, nothing if mine is None else mistake(mine))
        hints = [hint for hint in hints if not box.contains(*hint.box.center)]
    found.scenes += 1
    found.ghosts += [mistake(hint) for hint in hints if hint.score >= HINT]


def _looks(eyes: Eyes, frame: Frame, window: Box) -> list[Look]:
    """Of each eye."""
    return [eyes.look(frame, Glance(window, eye)) for eye in range(eyes.count)]


def _score(look: Look, label: str, box: Box, least_iou: float) -> float:
    best = _best([d for d in look.detections if d.label == label], box, least_iou)
    return best.score if best else 0.0


def _best(detections: Sequence[Detection], box: Box, least_iou: float) -> Detection | None:
    """The surest detection that overlaps the box so much."""
    fitting = [d for d in detections if d.box.iou(box) >= least_iou]
    return max(fitting, key=lambda d: d.score, default=None)


def _largest(truths: Sequence[Truth]) -> Box:
    return max((t.box for t in truths if t.label == PHONE), key=lambda box: box.area)


def _still(image: Any, truth: Box, eyes: Eyes, found: _Found, rng: np.random.Generator) -> None:
    """How scores and boxes of a phone waver while nothing changes but the sensor's noise."""
    windows = (WHOLE_PICTURE, around_thing(truth))
    scores = np.zeros((COPIES, eyes.count, 2))
    boxes: list[list[list[Box]]] = [[[], []] for _ in range(eyes.count)]
    for copy in range(COPIES):
        noisy = image + rng.normal(0, SENSOR_SIGMA, image.shape)
        frame = Frame(np.clip(noisy, 0, 255).astype(np.uint8), 0.0)
        for nth, window in enumerate(windows):
            for eye, look in enumerate(_looks(eyes, frame, window)):
                phones = [d for d in look.detections if d.label == PHONE]
                best = _best(phones, truth, MISTAKES)
                if best is not None:
                    scores[copy, eye, nth] = best.score
                    if best.score >= LEAST:
                        boxes[eye][nth].append(best.box)
    found.still.append(scores)
    if any(len(each[1]) < FEWEST_BOXES for each in boxes):
        return
    size = float(np.hypot(truth.height, truth.width))
    middle = np.mean([_edges(each[1]).mean(0) for each in boxes], axis=0)
    # A look at the whole picture that never sees it shows no box either; the closer ones fill in.
    off = [[(_edges(each[nth] or each[1]) - middle) / size for each in boxes] for nth in (0, 1)]
    found.wobbles.append(
        {
            "score": round(float(scores.mean()), 3),
            "whole": [np.round(each, 3).tolist() for each in off[0]],
            "closer": [np.round(each, 3).tolist() for each in off[1]],
        }
    )


def _edges(boxes: Sequence[Box]) -> FloatArray:
    return np.array([[b.ymin, b.xmin, b.ymax, b.xmax] for b in boxes])


@dataclass(frozen=True, slots=True)
class _Film:
    """What each eye makes of the phone in each moment of a film in which there always is one."""

    scores: FloatArray  # (moments, eyes, 2)
    best: list[list[Detection | None]]  # of each eye, in the whole picture


def _clip(path: Path, eyes: Eyes) -> _Film:
    scores: list[list[Pair]] = []
    best: list[list[Detection | None]] = [[] for _ in range(eyes.count)]
    for frame in frames(path, CLIP_FPS):
        whole = _looks(eyes, frame, WHOLE_PICTURE)
        phones = [[d for d in look.detections if d.label == PHONE] for look in whole]
        surest = max((d for mine in phones for d in mine), key=lambda d: d.score, default=None)
        box = WHOLE_PICTURE if surest is None else surest.box
        closely = _looks(eyes, frame, around_thing(box))
        scores.append(
            [
                (_score(one, PHONE, box, MISTAKES), _score(other, PHONE, box, MISTAKES))
                for one, other in zip(whole, closely, strict=True)
            ]
        )
        for eye, mine in enumerate(phones):
            best[eye].append(max(mine, key=lambda d: d.score, default=None))
    return _Film(np.array(scores), best)


# ---------------------------------------------------------------- what changes with time


def _time(
    found: _Found, films: list[_Film], eyes: int
) -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """Variances and time constants of each eye, in the normal scale of ranks among all phones that
    it saw; and for each kind how alike eyes are."""
    pairs = found.pairs(PHONE)
    large = np.array([row[0] >= SIZES[0][1] for row in found.records[PHONE]])
    known = np.sort(goodness(pairs[large] if large.any() else pairs), axis=0)

    def normal(scores: FloatArray) -> FloatArray:
        """(..., eyes, 2) to (..., eyes)"""
        good = goodness(scores)
        values = np.zeros(good.shape)
        for eye in range(eyes):
            low = np.searchsorted(known[:, eye], good[..., eye])
            high = np.searchsorted(known[:, eye], good[..., eye] + 1e-9)
            ranks = (low + high + 1) / 2 / (len(known) + 1)
            values[..., eye] = np.vectorize(normal_of)(ranks)
        return values

    traces = [normal(film.scores) for film in films if len(film.scores) > 20]
    if not traces:
        raise DatasetError("there is no clip: how scores change with time is measured on clips")
    still = [normal(group) for group in found.still]
    held_motion, still_motion, kept = [], [], []
    for eye in range(eyes):
        mine = [trace[:, eye] for trace in traces]
        keeps = min(0.9, max(0.1, 1 - float(np.mean([trace.var() for trace in mine]))))
        scene = min(keeps, SCENE)
        rho = [
            float(np.mean([_correlation(t, round(lag * CLIP_FPS)) for t in mine])) for lag in LAGS_S
        ]
        passing, passing_s = _exponential(rho)
        held_motion.append(_motion(scene, keeps - scene, (1 - keeps) * passing, passing_s))
        still_var = float(np.mean([group[:, eye].var(ddof=1) for group in still] or [0.05]))
        still_motion.append(_motion(scene, 1 - min(0.5, still_var) - scene, 0.0, 1.0))
        kept.append(keeps)
    passing_alike = _together([trace - trace.mean(0) for trace in traces])
    keeps = float(np.mean(kept))
    alike = {}
    for kind in found.records:
        both = _agreement(found.pairs(kind))
        kept_alike = (both - (1 - keeps) * passing_alike) / keeps
        alike[kind] = (round(min(1.0, max(0.0, kept_alike)), 3), round(passing_alike, 3))
    sway, sway_s = _sway([mine for film in films for mine in film.best])
    wavers = [_spread(group) for group in found.still]
    time = {
        "held": held_motion,
        "still": still_motion,
        "wavers": np.round(np.mean(wavers or [np.full(eyes, 0.3)], axis=0), 3).tolist(),
        "sway": round(sway, 4),
        "sway_s": round(sway_s, 2),
    }
    return time, alike


def _motion(scene: float, lasting: float, passing: float, passing_s: float) -> dict[str, float]:
    return {
        "scene": round(scene, 3),
        "lasting": round(max(0.0, lasting), 3),
        "passing": round(passing, 3),
        "passing_s": round(passing_s, 2),
    }


def _spread(scores: FloatArray) -> FloatArray:
    """(eyes,) standard deviation in log-odds from copy to copy of a still thing."""
    single = np.repeat(scores[..., None], 2, axis=-1)  # each look by itself
    return np.asarray(goodness(single).std(0, ddof=1).mean(-1))


def _agreement(pairs: FloatArray) -> float:
    """Correlation between the eyes of what they make of things, in normal scores."""
    good = goodness(pairs)
    ranks = np.zeros(good.shape)
    for eye in range(good.shape[1]):
        order = np.sort(good[:, eye])
        low = np.searchsorted(order, good[:, eye])
        high = np.searchsorted(order, good[:, eye] + 1e-9)
        ranks[:, eye] = (low + high) / 2 / len(order)
    values = np.vectorize(normal_of)(np.clip(ranks, 0.5 / len(good), 1 - 0.5 / len(good)))
    return _together([values - values.mean(0)])


def _together(groups: Sequence[FloatArray]) -> float:
    """Mean correlation of two columns, of values that are about 0; 0..1."""
    values = np.concatenate(list(groups))
    count = values.shape[1]
    if count < 2:
        return 1.0
    covariance = values.T @ values
    spread = np.sqrt(np.diag(covariance))
    if not spread.all():
        return 0.0
    rho = covariance / np.outer(spread, spread)
    return float(np.clip(rho[np.triu_indices(count, 1)].mean(), 0, 1))


def _correlation(values: FloatArray, lag: int) -> float:
    apart = values - values.mean()
    variance = float(np.mean(apart * apart))
    return float(np.mean(apart[:-lag] * apart[lag:])) / variance if variance > 0 else 0.0


def _exponential(rho: list[float]) -> tuple[float, float]:
    """Share and time constant of the part that decays, by least squares over a grid."""
    lags = np.array(LAGS_S)
    best = (np.inf, 0.5, 0.5)
    for share in np.linspace(0.1, 1.0, 46):
        for constant_s in np.geomspace(0.1, 5.0, 40):
            error = float(np.sum((share * np.exp(-lags / constant_s) - np.array(rho)) ** 2))
            best = min(best, (error, float(share), float(constant_s)))
    return best[1], best[2]


def _sway(clips: Sequence[Sequence[Detection | None]]) -> tuple[float, float]:
    """How far a held phone wanders about its place, in its own size, and how fast.

    Steps longer than the phone itself are another detection, not a movement.
    """
    steps: dict[int, list[float]] = {1: [], 4: []}  # frames: 0.2 and 0.8 s
    for clip in clips:
        for lag, collected in steps.items():
            for one, other in zip(clip, clip[lag:], strict=False):
                if one is None or other is None or min(one.score, other.score) < 0.25:
                    continue
                size = float(np.hypot(one.box.height, one.box.width))
                (ay, ax), (by, bx) = one.box.center, other.box.center
                step = float(np.hypot(ay - by, ax - bx)) / size
                if step < 1:
                    collected.append(step)
    if min(map(len, steps.values())) < 10:
        return 0.06, 0.8
    fast, slow = (float(np.median(np.square(values))) for values in steps.values())
    # For a wandering value the mean square step after t is 2 v (1 - exp(-t / constant)); the
    # median square of a two-dimensional step is 1.386 v (1 - ...).
    best = (np.inf, 0.06, 0.8)
    for constant_s in np.geomspace(0.1, 5.0, 60):
        growth = (1 - np.exp(-0.2 / constant_s)) / (1 - np.exp(-0.8 / constant_s))
        error = abs(growth - fast / slow)
        variance = slow / (1.386 * (1 - np.exp(-0.8 / constant_s)))
        best = min(best, (error, float(np.sqrt(variance)), float(constant_s)))
    return best[1], best[2]
