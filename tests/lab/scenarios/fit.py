"""Measures the shipped detector on labelled pictures and clips, for the scenarios to draw from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from edge.vision.second_look import HINT, SecondLook, around
from numpy.typing import NDArray

from edge.config import CameraConfig
from edge.devices.camera import open_camera
from edge.devices.camera_picture import load_picture
from edge.domain import PERSON, PHONE, Box, Detection, Frame
from edge.ports import EndOfStream
from edge.vision.manifest import ModelSpec
from tests.lab.dataset import DatasetError, LabelledPicture, load_dataset
from tests.lab.scenarios.noise import FORMAT, HANDS, normal_of
from tests.lab.scenarios.staging import CAMERA, CELL_SHARE, in_frame, shrunk, stage, without_phone
from tests.lab.score import Truth

LOOK_ALIKES = ("remote", "mouse", "book", "cup", "keyboard", "laptop", "wallet", "earbud case")
FINDS = 0.4  # overlap that makes a detection a find of a thing
MISTAKES = 0.3  # overlap that makes it a mistake about a thing
LOWEST = 0.02
PERSON_SHARE = 0.1  # who sits at the desk has as much of the picture, and more
SHARES = (1.0, 0.7, 0.5)  # of their sides that pictures are shown with: things farther away
STILL_SHARE = 0.4  # of a cell, from which on a picture's phone is large enough to see it wobble
COPIES = 6  # of each still picture, with sensor noise
FEWEST_BOXES = 3  # among them that tell how a box wobbles
WAVERS = [[0.02] * 4, [-0.02] * 4]
ASSUMED = {"score": 0.5, "off": WAVERS, "whole": WAVERS}  # wobble, where none can be measured
SENSOR_SIGMA = 4.0  # grey levels; what a small sensor shows indoors
CLIP_FPS = 5.0
LAGS_S = (0.2, 0.4, 0.8, 1.6)

Progress = Callable[[Sequence[Any], str], Iterable[Any]]


@dataclass(slots=True)
class _Found:
    records: dict[str, list[tuple[float, ...]]] = field(default_factory=dict)
    ghosts: list[tuple[float, float]] = field(default_factory=list)
    ghost_share: float = 0.0  # of a frame, in which they were looked for
    one_owner: list[float] = field(default_factory=list)
    still_scores: list[list[float]] = field(default_factory=list)
    wobbles: list[dict[str, Any]] = field(default_factory=list)
    pictures: int = 0

    def add(self, kind: str, area: float, whole: float, close: float, own: float) -> None:
        """A thing, its scores as a phone in both looks, and that as itself."""
        rounded = (round(area, 5), round(whole, 3), round(close, 3), round(own, 3))
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
    folders: Sequence[Path], spec: ModelSpec, detector: SecondLook, progress: Progress
) -> dict[str, Any]:
    """Measure on labelled pictures and clips (see `sources`); returns the tree of `noise.json`.

    `detector` must report scores from LOWEST on, and look closely as often as the box does. Give it
    pictures that it was not trained on.

    Each is shown as a part of a frame of the camera's size: see `staging.py`.
    """
    pictures, videos = sources(folders)
    found = _Found()
    rng = np.random.default_rng(1)
    others = without_phone(pictures)
    if not others:
        raise DatasetError("no picture is known to show no phone: the scenarios need some")
    for picture in progress(pictures, "pictures"):
        image = load_picture(picture.path)
        for share in SHARES:
            small = shrunk(image, share)
            # Mirrored it is another picture to the detector, and as good a one.
            for shown, seen in ((picture, small), (_mirrored(picture), small[:, ::-1])):
                _measure(shown, seen, others, detector, found, rng)
        found.pictures += 1
        if PERSON not in picture.labelled and any(t.label == PHONE for t in picture.truths):
            # One person, one phone, one room: what varies among these is not the scene.
            found.one_owner.append(_both(found.records[PHONE][-1]))
    for kind in ("calculator", "pen", "power bank"):
        # No labelled picture of these exists: a remote and a wallet stand in for them, as worst.
        rows = found.records.get("remote", []) + found.records.get("wallet", [])
        if kind != "pen":
            found.records[kind] = list(rows)
    for kind in (PHONE, PERSON, HANDS):
        if kind not in found.records:
            raise DatasetError(f"no picture shows {kind}: the scenarios need it")
    phones = np.sort([_both(r) for r in found.records[PHONE] if r[0] >= 0.003])
    clips = [_clip(path, detector) for path in progress(videos, "clips")]
    return {
        "format": FORMAT,
        "model": spec.description,
        "sha256": spec.sha256,
        "floor": spec.thresholds.floor,
        "threshold": spec.thresholds.of(PHONE),
        "person_threshold": spec.thresholds.of(PERSON),
        "pictures": found.pictures,
        "camera": [CAMERA.width_px, CAMERA.height_px],
        "time": _time(found, clips, phones),
        "ghosts": [[round(score, 3) for score in scores] for scores in found.ghosts],
        "ghost_pictures": round(found.ghost_share, 2),
        "wobbles": sorted(found.wobbles or [ASSUMED], key=lambda wobble: float(wobble["score"])),
        "records": {kind: sorted(rows) for kind, rows in sorted(found.records.items())},
    }


def _both(record: Sequence[float]) -> float:
    """One figure for how well a thing is seen: the mean of its two looks."""
    return (record[1] + record[2]) / 2


def dump(tree: dict[str, Any]) -> str:
    """One record a line would be long; one kind a line can still be compared."""
    records = ",\n".join(
        f"  {json.dumps(kind)}: {json.dumps(rows, separators=(',', ':'))}"
        for kind, rows in tree["records"].items()
    )
    wobbles = ",\n".join(f"  {json.dumps(wobble)}" for wobble in tree["wobbles"])
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


def _measure(
    picture: LabelledPicture,
    image: NDArray[np.uint8],
    others: Sequence[LabelledPicture],
    detector: SecondLook,
    found: _Found,
    rng: np.random.Generator,
) -> None:
    pixels, cell = stage(others, rng).showing(image)
    frame = Frame(pixels, 0.0, name=picture.path.name)
    truths = in_frame(picture.truths, cell)
    seen = detector.whole(frame)
    phones = [d for d in seen if d.label == PHONE and cell.contains(*d.box.center)]
    # What a look at a part of the sitter shows, and the whole picture may not.
    part = detector.closely(frame, cell, seen)

    def closely(box: Box, least_iou: float) -> tuple[float, float]:
        """The score there in the whole picture, and in a closer look where either hints at it."""
        whole = _best(phones, box, least_iou)
        hints = [d.score for d in (whole, _best(part, box, least_iou)) if d]
        window = around(frame, box)
        if max(hints, default=0.0) < HINT or window is None:
            close = whole if window is None else None
        else:
            close = _best(detector.closely(frame, window, seen), box, least_iou)
        return whole.score if whole else 0.0, close.score if close else 0.0

    real = [truth for truth in truths if truth.label == PHONE]
    for truth in real:
        found.add(PHONE, truth.box.area, *closely(truth.box, FINDS), 0.0)
    alike = [
        truth
        for truth in truths
        if truth.label in LOOK_ALIKES and not any(truth.box.iou(p.box) > 0.1 for p in real)
    ]
    for truth in alike:
        own = _best([d for d in seen if d.label == truth.label], truth.box, FINDS)
        scores = closely(truth.box, MISTAKES)
        found.add(truth.label, truth.box.area, *scores, own.score if own else 0.0)
    # Neighbouring boxes of a phone are no mistakes about what lies beside it.
    hints = _free([*phones, *part], [*real, *alike])
    hints = [d for i, d in enumerate(hints) if _best(hints[:i], d.box, FINDS) is None]
    mistakes = [(d.box, closely(d.box, FINDS)) for d in hints if d.score >= HINT]
    for truth in truths:
        if truth.label != PERSON or truth.box.area < PERSON_SHARE * cell.area:
            continue
        best = _best([d for d in seen if d.label == PERSON], truth.box, FINDS)
        found.add(PERSON, truth.box.area, 0.0, 0.0, best.score if best else 0.0)
        if not real and PHONE in picture.labelled:
            mine = [m for m in mistakes if truth.box.contains(*m[0].center)]
            found.add(HANDS, 0.01, *max((m[1] for m in mine), key=sum, default=(0.0, 0.0)), 0.0)
            mistakes = [m for m in mistakes if m not in mine]
    if PHONE in picture.labelled:
        found.ghost_share += cell.area
        found.ghosts += [scores for _, scores in mistakes]
    if real and cell.area > STILL_SHARE * CELL_SHARE:
        _still(pixels, real[0].box, detector, found, rng)


def _free(detections: Sequence[Detection], truths: Sequence[Truth]) -> list[Detection]:
    """Those that are about none of these things."""
    return [d for d in detections if not any(d.box.iou(t.box) > 0.1 for t in truths)]


def _still(
    image: NDArray[np.uint8],
    truth: Box,
    detector: SecondLook,
    found: _Found,
    rng: np.random.Generator,
) -> None:
    """How score and box of a phone waver while nothing changes but the sensor's noise."""
    scores: list[float] = []
    wholes: list[Detection] = []
    closes: list[Detection] = []
    for _ in range(COPIES):
        noisy = image + rng.normal(0, SENSOR_SIGMA, image.shape)
        frame = Frame(np.clip(noisy, 0, 255).astype(np.uint8), 0.0)
        seen = detector.whole(frame)
        whole = _best([d for d in seen if d.label == PHONE], truth, FINDS)
        window = around(frame, truth)
        close = (
            whole if window is None else _best(detector.closely(frame, window, seen), truth, FINDS)
        )
        scores.append(_both((0.0, whole.score if whole else 0.0, close.score if close else 0.0)))
        if whole is not None and whole.score >= HINT:
            wholes.append(whole)
        if close is not None and close.score >= 0.2:
            closes.append(close)
    found.still_scores.append(scores)
    if len(closes) < FEWEST_BOXES:
        return
    size = float(np.hypot(truth.height, truth.width))
    edges = [
        np.array([[d.box.ymin, d.box.xmin, d.box.ymax, d.box.xmax] for d in looks])
        for looks in (closes, wholes)
    ]
    middle = edges[0].mean(0)
    # Spread as much as the values that these few are a draw of (Bessel's correction).
    off = (edges[0] - middle) / size * np.sqrt(len(closes) / (len(closes) - 1))
    apart = (edges[1] - middle) / size if wholes else off
    found.wobbles.append(
        {
            "score": round(float(np.mean([d.score for d in closes])), 3),
            "off": np.round(off, 4).tolist(),
            "whole": np.round(apart, 4).tolist(),
        }
    )


def _best(detections: Sequence[Detection], box: Box, least_iou: float) -> Detection | None:
    """The surest detection that overlaps the box so much."""
    fitting = [d for d in detections if d.box.iou(box) >= least_iou]
    return max(fitting, key=lambda d: d.score, default=None)


def _clip(path: Path, detector: SecondLook) -> list[Detection | None]:
    """The surest phone of each moment of a clip in which there always is one."""
    camera = open_camera(
        CameraConfig(source=str(path), realtime=False, fps=CLIP_FPS), clock=lambda: 0.0
    )
    camera.open()
    detector.forget()
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
