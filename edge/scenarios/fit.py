"""Measures the shipped detector on labelled pictures and clips, for the scenarios to draw from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.config import CameraConfig
from edge.devices.camera import open_camera
from edge.devices.camera_picture import load_picture
from edge.domain import PERSON, PHONE, Box, Detection, Frame
from edge.ports import Detector, EndOfStream
from edge.scenarios.noise import FORMAT, HANDS, normal_of
from edge.vision.dataset import DatasetError, LabelledPicture, load_dataset
from edge.vision.manifest import ModelSpec
from edge.vision.second_look import SecondLook

LOOK_ALIKES = ("remote", "mouse", "book", "cup", "keyboard", "laptop", "wallet", "earbud case")
FINDS = 0.4  # overlap that makes a detection a find of a thing
MISTAKES = 0.3  # overlap that makes it a mistake about a thing
LOWEST = 0.02
PERSON_AREA = 0.1  # who sits at the desk has as much of the picture, and more
COPIES = 6  # of each still picture, with sensor noise
FEWEST_BOXES = 3  # among them that tell how a box wobbles
ASSUMED = {"score": 0.5, "off": [[0.02] * 4, [-0.02] * 4]}  # wobble, where none can be measured
SENSOR_SIGMA = 4.0  # grey levels; what a small sensor shows indoors
CLIP_FPS = 5.0
LAGS_S = (0.2, 0.4, 0.8, 1.6)

Progress = Callable[[Sequence[Any], str], Iterable[Any]]


@dataclass(slots=True)
class _Found:
    records: dict[str, list[tuple[float, float, float]]] = field(default_factory=dict)
    ghosts: list[float] = field(default_factory=list)
    ghost_pictures: int = 0
    people_pictures: int = 0
    closer_looks: int = 0
    one_owner: list[float] = field(default_factory=list)
    still_scores: list[list[float]] = field(default_factory=list)
    wobbles: list[dict[str, Any]] = field(default_factory=list)
    pictures: int = 0

    def add(self, kind: str, area: float, phone: float, own: float) -> None:
        rounded = (round(area, 5), round(phone, 3), round(own, 3))
        self.records.setdefault(kind, []).append(rounded)


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
    folders: Sequence[Path], spec: ModelSpec, detector: Detector, progress: Progress
) -> dict[str, Any]:
    """Measure on labelled pictures and clips (see `sources`); returns the tree of `noise.json`.

    `detector` must report scores from LOWEST on. Give it pictures that it was not trained on.
    """
    pictures, videos = sources(folders)
    found = _Found()
    rng = np.random.default_rng(1)
    for picture in progress(pictures, "pictures"):
        image = load_picture(picture.path)
        _measure(picture, image, detector, found, rng)
        # Mirrored it is another picture to the detector, and as good a one.
        _measure(_mirrored(picture), image[:, ::-1], detector, found, rng)
        found.pictures += 1
        if PERSON not in picture.labelled and any(t.label == PHONE for t in picture.truths):
            # One person, one phone, one room: what varies among these is not the scene.
            found.one_owner.append(found.records[PHONE][-1][1])
    for kind in ("calculator", "pen", "power bank"):
        # No labelled picture of these exists: a remote and a wallet stand in for them, as worst.
        rows = found.records.get("remote", []) + found.records.get("wallet", [])
        if kind != "pen":
            found.records[kind] = list(rows)
    for kind in (PHONE, PERSON, HANDS):
        if kind not in found.records:
            raise DatasetError(f"no picture shows {kind}: the scenarios need it")
    phones = np.sort([r[1] for r in found.records[PHONE] if r[0] >= 0.003])
    clips = [_clip(path, detector) for path in progress(videos, "clips")]
    return {
        "format": FORMAT,
        "model": spec.description,
        "sha256": spec.sha256,
        "floor": spec.thresholds.floor,
        "threshold": spec.thresholds.of(PHONE),
        "person_threshold": spec.thresholds.of(PERSON),
        "pictures": found.pictures,
        "time": _time(found, clips, phones),
        "ghosts": [round(score, 3) for score in found.ghosts if score >= 0.05],
        "ghost_pictures": found.ghost_pictures,
        "closer_looks": round(found.closer_looks / max(found.people_pictures, 1), 3),
        "wobbles": sorted(found.wobbles or [ASSUMED], key=lambda wobble: float(wobble["score"])),
        "records": {kind: sorted(rows) for kind, rows in sorted(found.records.items())},
    }


def dump(tree: dict[str, Any]) -> str:
    """One record a line would be long; one kind a line can still be compared."""
    records = ",\n".join(
        f"  {json.dumps(kind)}: {json.dumps(rows, separators=(',', ':'))}"
        for kind, rows in tree["records"].items()
    )
    wobbles = ",\n".join(f"  {json.dumps(wobble)}" for wobble in tree["wobbles"])
    rest = {k: v for k, v in tree.items() if k not in ("records", "wobbles")}
    head = json.dumps(rest, indent=1)[:-2]
    return f'{head},\n "wobbles": [\n{wobbles}\n ],\n "records": {{\n{records}\n }}\n}}\n'


def _mirrored(picture: LabelledPicture) -> LabelledPicture:
    truths = tuple(
        replace(t, box=Box(t.box.ymin, 1 - t.box.xmax, t.box.ymax, 1 - t.box.xmin))
        for t in picture.truths
    )
    return replace(picture, truths=truths)


def _measure(
    picture: LabelledPicture,
    image: NDArray[np.uint8],
    detector: Detector,
    found: _Found,
    rng: np.random.Generator,
) -> None:
    before = detector.looks if isinstance(detector, SecondLook) else 0
    detections = detector.detect(Frame(image, 0.0, name=picture.path.name))
    if any(t.label == PERSON and t.box.area >= PERSON_AREA for t in picture.truths):
        found.people_pictures += 1
        if isinstance(detector, SecondLook):
            found.closer_looks += detector.looks - before - 1
    phones = [d for d in detections if d.label == PHONE]
    taken: set[int] = set()
    real = [truth for truth in picture.truths if truth.label == PHONE]
    for truth in real:
        best = _best(phones, truth.box, FINDS, taken)
        found.add(PHONE, truth.box.area, best.score if best else 0.0, best.score if best else 0.0)
        # Neighbouring boxes of the same phone are no mistakes about what lies beside it.
        taken |= {i for i, d in enumerate(phones) if d.box.iou(truth.box) > 0.1}
    claimed = set(taken)
    for truth in picture.truths:
        if truth.label not in LOOK_ALIKES:
            continue
        as_phone = _best(phones, truth.box, MISTAKES, taken)
        own = _best([d for d in detections if d.label == truth.label], truth.box, FINDS, set())
        found.add(
            truth.label,
            truth.box.area,
            as_phone.score if as_phone else 0.0,
            own.score if own else 0.0,
        )
        claimed |= {i for i, d in enumerate(phones) if d.box.iou(truth.box) > 0.1}
    rest = [d for i, d in enumerate(phones) if i not in claimed]
    people = [truth for truth in picture.truths if truth.label == PERSON]
    for truth in people:
        if truth.box.area < PERSON_AREA:
            continue
        best = _best([d for d in detections if d.label == PERSON], truth.box, FINDS, set())
        found.add(PERSON, truth.box.area, 0.0, best.score if best else 0.0)
        if not real and PHONE in picture.labelled:
            inside = [d.score for d in rest if truth.box.contains(*d.box.center)]
            found.add(HANDS, 0.01, max(inside, default=0.0), 0.0)
            rest = [d for d in rest if not truth.box.contains(*d.box.center)]
    if PHONE in picture.labelled:
        found.ghost_pictures += 1
        found.ghosts += [d.score for d in rest if d.box.area < 0.1]
    if real:
        _still(image, real[0].box, detector, found, rng)


def _still(
    image: NDArray[np.uint8],
    truth: Box,
    detector: Detector,
    found: _Found,
    rng: np.random.Generator,
) -> None:
    """How score and box of a phone waver while nothing changes but the sensor's noise."""
    scores, boxes = [], []
    for _ in range(COPIES):
        noisy = image + rng.normal(0, SENSOR_SIGMA, image.shape)
        copy = np.clip(noisy, 0, 255).astype(np.uint8)
        phones = [d for d in detector.detect(Frame(copy, 0.0)) if d.label == PHONE]
        best = _best(phones, truth, FINDS, set())
        scores.append(best.score if best else 0.0)
        if best is not None and best.score >= 0.2:
            boxes.append(best.box)
    found.still_scores.append(scores)
    count = len(boxes)
    if count >= FEWEST_BOXES:
        size = float(np.hypot(truth.height, truth.width))
        edges = np.array([[b.ymin, b.xmin, b.ymax, b.xmax] for b in boxes]) / size
        # Spread as much as the values that these few are a draw of (Bessel's correction).
        off = (edges - edges.mean(0)) * np.sqrt(count / (count - 1))
        score = round(float(np.mean(scores)), 3)
        found.wobbles.append({"score": score, "off": np.round(off, 4).tolist()})


def _best(
    detections: Sequence[Detection], box: Box, least_iou: float, taken: set[int]
) -> Detection | None:
    """The surest detection that overlaps the box so much."""
    fitting = [
        d for i, d in enumerate(detections) if i not in taken and d.box.iou(box) >= least_iou
    ]
    return max(fitting, key=lambda d: d.score, default=None)


def _clip(path: Path, detector: Detector) -> list[Detection | None]:
    """The surest phone of each moment of a clip in which there always is one."""
    camera = open_camera(
        CameraConfig(source=str(path), realtime=False, fps=CLIP_FPS), clock=lambda: 0.0
    )
    camera.open()
    best: list[Detection | None] = []
    try:
        while True:
            phones = [d for d in detector.detect(camera.read()) if d.label == PHONE]
            best.append(max(phones, key=lambda d: d.score, default=None))
    except EndOfStream:
        return best
    finally:
        camera.close()


def _time(
    found: _Found, clips: list[list[Detection | None]], phones: NDArray[np.float64]
) -> dict[str, Any]:
    """Variances and time constants, in the normal scale of ranks among all phones' scores."""

    def normal(score: float) -> float:
        low, high = np.searchsorted(phones, [score, score + 1e-9])
        return normal_of(float(low + high + 1) / 2 / (len(phones) + 1))

    traces = [
        np.array([normal(d.score if d else 0.0) for d in clip]) for clip in clips if len(clip) > 20
    ]
    if not traces:
        raise DatasetError("there is no clip: how scores change with time is measured on clips")
    within = float(np.mean([trace.var() for trace in traces]))
    kept = min(0.8, max(0.1, 1 - within))  # throughout one clip
    owner = float(np.var([normal(score) for score in found.one_owner] or [0.5, -0.5]))
    scene = min(kept, max(0.0, 1 - owner))
    rho = [
        float(np.mean([_correlation(t, round(lag * CLIP_FPS)) for t in traces])) for lag in LAGS_S
    ]
    passing, passing_s = _exponential(rho)
    still_var = float(np.mean([np.var([normal(s) for s in group]) for group in found.still_scores]))
    still_fresh = min(0.5, still_var * COPIES / (COPIES - 1))
    sway, sway_s = _sway(clips)
    return {
        "held": {
            "scene": round(scene, 3),
            "lasting": round(kept - scene, 3),
            "passing": round((1 - kept) * passing, 3),
            "passing_s": round(passing_s, 2),
        },
        "still": {
            "scene": round(scene, 3),
            "lasting": round(1 - still_fresh - scene, 3),
            "passing": 0.0,
            "passing_s": 1.0,
        },
        "sway": round(sway, 4),
        "sway_s": round(sway_s, 2),
        "lags_s": list(LAGS_S),
        "correlations": [round(value, 3) for value in rho],
    }


def _correlation(values: NDArray[np.float64], lag: int) -> float:
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


def _sway(clips: list[list[Detection | None]]) -> tuple[float, float]:
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
