"""Real clips and what is true of them: films in a folder with a `clips.json`.

`clips.json` is a list with an object for each film: `file`, `phone` (intervals, in seconds of the
clip, with one in use in sight) and `unclear` (intervals that are judged neither way). What else it
says of a film is for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge.config import CameraConfig
from edge.devices.camera import open_camera
from edge.domain import PHONE, Detection, Frame
from edge.ports import CameraMissing, EndOfStream
from tests.lab import score
from tests.lab.dataset import DatasetError
from tests.lab.score import FloatArray, Measure, PictureScores

FRAMES_PER_S = 5.0  # for judging frames one by one


class Span(NamedTuple):
    from_s: float
    to_s: float

    def holds(self, at_s: float) -> bool:
        return self.from_s <= at_s < self.to_s


@dataclass(frozen=True, slots=True)
class Clip:
    path: Path
    phone: tuple[Span, ...]
    unclear: tuple[Span, ...]

    def shows(self, at_s: float) -> bool | None:
        """Whether a phone is in use in sight then; None: nobody can say."""
        if any(span.holds(at_s) for span in self.phone):
            return True
        return None if any(span.holds(at_s) for span in self.unclear) else False


def load_clips(folder: Path) -> tuple[Clip, ...]:
    """Read `clips.json` and see that every film is there. Raises DatasetError."""
    path = folder / "clips.json"
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        clips = tuple(
            Clip(folder / each["file"], _spans(each["phone"]), _spans(each["unclear"]))
            for each in tree
        )
    except FileNotFoundError as exc:
        raise DatasetError(f"{folder} has no clips.json") from exc
    except OSError as exc:
        raise DatasetError(f"{path} cannot be read: {exc.strerror}") from exc
    except KeyError as exc:
        raise DatasetError(f"{path}: a clip has no `{exc.args[0]}`") from exc
    except (TypeError, ValueError) as exc:
        raise DatasetError(f"{path} is not a list of clips: {exc}") from exc
    missing = [clip.path.name for clip in clips if not clip.path.is_file()]
    if missing:
        raise DatasetError(f"{len(missing)} clips are not in {folder}: {', '.join(missing[:3])}")
    if not clips:
        raise DatasetError(f"{path} has no clips")
    return clips


def _spans(pairs: Sequence[Sequence[float]]) -> tuple[Span, ...]:
    spans = tuple(Span(float(start), float(end)) for start, end in pairs)
    for span in spans:
        if not 0 <= span.from_s < span.to_s:
            raise ValueError(f"[{span.from_s:g}, {span.to_s:g}] is no interval of seconds")
    return tuple(sorted(spans))


def frames(path: Path, fps: float) -> Iterator[Frame]:
    """What a camera of that rate would deliver of the film, in the film's own time. Raises
    DatasetError."""
    config = CameraConfig(source=str(path), realtime=False, fps=fps)
    try:
        camera = open_camera(config, clock=lambda: 0.0)
        camera.open()
    except CameraMissing as exc:
        raise DatasetError(str(exc)) from exc
    try:
        while True:
            yield camera.read()
    except EndOfStream:
        return
    finally:
        camera.close()


# ---------------------------------------------------------------- frames one by one


@dataclass(frozen=True, slots=True)
class JudgedFrame:
    """clip: its number in the set; score: of the best phone in the frame"""

    clip: int
    at_s: float
    shows: bool
    score: float


def frame_name(clip: Clip, at_s: float) -> str:
    """What a frame is called in a file of detections: may_sam_1.mp4@1.20"""
    return f"{clip.path.name}@{at_s:.2f}"


def judged_frame(clip: int, at_s: float, shows: bool, seen: Sequence[Detection]) -> JudgedFrame:
    best = max((each.score for each in seen if each.label == PHONE), default=0.0)
    return JudgedFrame(clip, at_s, shows, best)


def _table(judged: Sequence[JudgedFrame]) -> PictureScores:
    return PictureScores(
        np.array([frame.score for frame in judged], float),
        np.array([frame.shows for frame in judged], bool),
    )


def measures(judged: Sequence[JudgedFrame], clips: int) -> dict[str, Measure]:
    """The units are clips: frames of one clip are much alike."""
    table = _table(judged)
    owners = np.array([frame.clip for frame in judged], np.int64)

    def each(weights: FloatArray | None) -> FloatArray | None:
        return None if weights is None else weights[owners]

    return {
        "frames_found_at_1_percent_false": Measure(
            "frames with a phone found, at 1 % false",
            clips,
            lambda w: score.hits_at_false_share(table, 0.01, each(w))[0],
        ),
        "frames_found_at_5_percent_false": Measure(
            "frames with a phone found, at 5 % false",
            clips,
            lambda w: score.hits_at_false_share(table, 0.05, each(w))[0],
        ),
        "frames_area_under_curve": Measure(
            "frames: area under the curve",
            clips,
            lambda w: score.area_under_curve(table, each(w)),
        ),
    }


@dataclass(frozen=True, slots=True)
class ClipRow:
    """Of one clip: frames with a phone and without, and how many of them are flagged where 1 and
    5 % of all frames without one, in all clips, are."""

    file: str
    phone: int
    found: tuple[int, int]
    none: int
    false: tuple[int, int]


def by_clip(judged: Sequence[JudgedFrame], clips: Sequence[Clip]) -> tuple[ClipRow, ...]:
    table = _table(judged)
    thresholds = [score.hits_at_false_share(table, share)[1] for share in (0.01, 0.05)]
    rows = []
    for number, clip in enumerate(clips):
        mine = [frame for frame in judged if frame.clip == number]
        with_it = [frame.score for frame in mine if frame.shows]
        without = [frame.score for frame in mine if not frame.shows]
        found, false = (
            (sum(s > thresholds[0] for s in scores), sum(s > thresholds[1] for s in scores))
            for scores in (with_it, without)
        )
        rows.append(ClipRow(clip.path.name, len(with_it), found, len(without), false))
    return tuple(rows)
