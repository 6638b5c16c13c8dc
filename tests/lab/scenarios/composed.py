"""Sequences composed from real pictures, judged through the real model.

Each sequence is a still picture without a phone, then one with a phone (or with something that is
taken for one) that sways a little, as far as a hand does, then the first one again; each as a part
of a frame of the camera's size (`staging.py`). The whole chain works on it: scene, gate, detector,
closer looks, observe, decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.devices.camera_picture import load_picture
from edge.domain import (
    PERSON,
    PHONE,
    Activity,
    Frame,
    Level,
    Thresholds,
)
from edge.ports import Eyes
from tests.lab.chain import Chain, for_pictures
from tests.lab.dataset import DatasetError, LabelledPicture
from tests.lab.footage import frames
from tests.lab.scenarios.fit import LOOK_ALIKES
from tests.lab.scenarios.noise import wander
from tests.lab.scenarios.staging import CELL_SHARE, Stage, stage, without_phone

FPS = 5.0
BEFORE_S = 10.0  # longer than what lies there may take to be found first (edge/desk/tracks.py)
SHOWN_S, AFTER_S = 13.0, 2.0
NOTICED_WITHIN_S = 1.0  # after the hold
SWAY = 0.3  # of the thing's own size
SWAY_S = 1.0
DESK_AREA = 0.003
SENSOR_SIGMA = 2.0

Image = NDArray[np.uint8]
Progress = Callable[[Sequence[Any], str], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one sequence; times are seconds after the thing came into the picture."""

    name: str
    kind: str
    lit_s: float | None
    sounded_s: float | None
    silent_s: float | None  # after it went, when it was sounding then


def compose(
    pictures: Sequence[LabelledPicture],
    eyes: Eyes,
    thresholds: Thresholds,
    progress: Progress,
    *,
    every: int = 1,
) -> list[Outcome]:
    """Judge a sequence for each picture that shows a phone at desk size with somebody, or a
    look-alike without a phone. Deterministic. Raises DatasetError."""
    plain = [p for p in pictures if _shows_person(p) and not _things(p)]
    sequences = [(p, kind) for p in pictures if (kind := _kind(p))][::every]
    outcomes = []
    others = without_phone(pictures)
    if sequences and not others:
        raise DatasetError("no picture is known to show no phone: the rest of the frame needs some")
    for number, (picture, kind) in enumerate(progress(sequences, "sequences")):
        rng = np.random.default_rng(number)
        rest = load_picture(plain[number % len(plain)].path) if plain else None
        chain = Chain(eyes, thresholds, for_pictures())
        outcomes.append(_judged(picture, kind, rest, stage(others, rng), chain, rng))
    return outcomes


def _things(picture: LabelledPicture) -> list[str]:
    return [t.label for t in picture.truths if t.label == PHONE or t.label in LOOK_ALIKES]


def _shows_person(picture: LabelledPicture) -> bool:
    return any(truth.label == PERSON for truth in picture.truths)


def _kind(picture: LabelledPicture) -> str:
    """What the sequence of a picture tests; empty: nothing."""
    labels = _things(picture)
    if PHONE in labels:
        phones = [t.box.area for t in picture.truths if t.label == PHONE]
        webcam = PERSON not in picture.labelled
        with_person = webcam or _shows_person(picture)
        large_enough = max(phones) * CELL_SHARE >= DESK_AREA
        return PHONE if large_enough and with_person else ""
    wanted = ("wallet", "earbud case", "remote", "mouse", "book")
    return next((label for label in wanted if label in labels), "")


def _judged(
    picture: LabelledPicture,
    kind: str,
    rest: Image | None,
    around: Stage,
    chain: Chain,
    rng: np.random.Generator,
) -> Outcome:
    image = load_picture(picture.path)
    height, width = image.shape[:2]
    truth = max((t.box for t in picture.truths if t.label == kind), key=lambda box: box.area)
    size = np.hypot(truth.height * height, truth.width * width)
    count = int(SHOWN_S * FPS)
    sway_y, sway_x = (SWAY * size * wander(rng, count, 1 / FPS, SWAY_S) for _ in range(2))
    # It stays in the picture, as far as it was there.
    sway_y = np.clip(sway_y, min(0, -truth.ymin * height), max(0, (1 - truth.ymax) * height))
    sway_x = np.clip(sway_x, min(0, -truth.xmin * width), max(0, (1 - truth.xmax) * width))
    if rest is None:
        rest = np.full_like(image, 114)
    lit_s = sounded_s = silent_s = None
    sounding = False
    ticks = int((BEFORE_S + SHOWN_S + AFTER_S) * FPS)
    for tick in range(ticks):
        at_s = tick / FPS
        since_s = at_s - BEFORE_S
        shown = 0 <= since_s < SHOWN_S
        if shown:
            step = min(count - 1, int(since_s * FPS))
            seen = _shifted(image, sway_y[step], sway_x[step])
        else:
            seen = rest
        state = chain.frame(Frame(_noisy(around.showing(seen)[0], rng), at_s))
        on_phone = state.seats[0].activity is Activity.PHONE
        if shown and on_phone and state.level >= Level.LIGHT and lit_s is None:
            lit_s = round(since_s, 3)
        if shown and state.level >= Level.SOUND and sounded_s is None:
            sounded_s = round(since_s, 3)
        if shown:
            sounding = state.level >= Level.SOUND
        elif since_s > 0 and sounding and silent_s is None and state.level < Level.SOUND:
            silent_s = round(since_s - SHOWN_S, 3)
    return Outcome(picture.path.name, kind, lit_s, sounded_s, silent_s)


def _shifted(image: Image, dy: float, dx: float) -> Image:
    """The picture moved by whole pixels; the edge is continued."""
    rows = np.clip(np.arange(image.shape[0]) - round(dy), 0, image.shape[0] - 1)
    columns = np.clip(np.arange(image.shape[1]) - round(dx), 0, image.shape[1] - 1)
    return np.ascontiguousarray(image[rows][:, columns])


def _noisy(image: Image, rng: np.random.Generator) -> Image:
    noise = rng.normal(0, SENSOR_SIGMA, image.shape[:2])[..., None]
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def clips(
    videos: Sequence[Path], eyes: Eyes, thresholds: Thresholds, progress: Progress
) -> list[Outcome]:
    """The real clips, each of which shows a phone in use throughout."""
    outcomes = []
    for path in progress(videos, "clips"):
        chain = Chain(eyes, thresholds, for_pictures(cut=0.5))
        lit_s = sounded_s = None
        for frame in frames(path, FPS):
            state = chain.frame(frame)
            if state.level >= Level.LIGHT and lit_s is None:
                lit_s = round(frame.at_s, 3)
            if state.level >= Level.SOUND and sounded_s is None:
                sounded_s = round(frame.at_s, 3)
        outcomes.append(Outcome(path.name, "clip", lit_s, sounded_s, None))
    return outcomes
