"""Who looks at pictures that are judged: a model of the project, one of elsewhere, or a file of
detections as `procrastobot detect --json` prints them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.commands.detect import as_object
from edge.commands.model_options import by_hand, chosen_model, opened_model
from edge.domain import PHONE, Box, Detection, Frame, Thresholds
from edge.ports import Detector
from edge.vision.eyes import Eyes
from edge.vision.manifest import EyeSet, alone
from edge.vision.tflite import load_detector
from tests.lab import published
from tests.lab.dataset import DatasetError

Load = Callable[[], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """threshold: from which on a phone is taken for one
    see:       shows it a picture, by its name and by how it is loaded
    facts:     what `evaluate --json` says of it
    looks:     inferences so far, where they are counted"""

    name: str
    description: str
    labels: tuple[str, ...]
    threshold: float
    see: Callable[[str, Load], tuple[Detection, ...]]
    facts: Mapping[str, object]
    looks: Callable[[], int | None] = lambda: None


def add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "who looks", "without these the shipped model, as it ships: see `model` below"
    )
    group.add_argument(
        "--detections",
        type=Path,
        metavar="FILE",
        help="judge this instead: a line for each picture, as `detect --json --floor 0.01` prints",
    )
    group.add_argument(
        "--against",
        default="",
        metavar="MODEL",
        help="compare with this: a model of the manifest, a .tflite (YOLOX, COCO's classes) or a"
        " published network (nanodet-plus-m*.param, picodet-s*.param), which look once",
    )
    group.add_argument(
        "--against-detections", type=Path, metavar="FILE", help="compare with these detections"
    )
    group.add_argument(
        "--keep", type=Path, metavar="FILE", help="write what was seen, for --detections"
    )


def first(args: argparse.Namespace, floor: float) -> Candidate:
    """Whom the options name. Raises ModelError, DatasetError."""
    if args.detections is not None:
        return of_file(args.detections, chosen_model(args).thresholds.of(PHONE))
    if args.model_file is not None and args.model_file.suffix == published.SUFFIX:
        return of_network(args.model_file, floor, args.threads)
    chosen = chosen_model(args)
    return of_model(chosen, opened_model(args, chosen.with_floor(floor)))


def second(args: argparse.Namespace, floor: float) -> Candidate | None:
    """Whom to compare with, if anybody. Raises ModelError, DatasetError."""
    if args.against_detections is not None:
        return of_file(args.against_detections, chosen_model(args).thresholds.of(PHONE))
    if not args.against:
        return None
    path = Path(args.against)
    if path.suffix == published.SUFFIX:
        return of_network(path, floor, args.threads)
    if path.suffix == ".tflite":
        spec = by_hand(path, "yolox", "", "")
        return of_model(
            alone(spec),
            load_detector(spec.with_floor(floor), args.threads, runtime_name=args.runtime),
        )
    named = argparse.Namespace(**{**vars(args), "model": args.against, "model_file": None})
    chosen = chosen_model(named)
    return of_model(chosen, opened_model(named, chosen.with_floor(floor)))


def of_model(chosen: EyeSet, detector: Detector) -> Candidate:
    facts = {
        "model": chosen.name,
        "model_file": " ".join(eye.path.name for eye in chosen.eyes),
        "sha256": " ".join(eye.sha256 for eye in chosen.eyes),
    }
    threshold = chosen.thresholds.of(PHONE)
    return of_detector(chosen.name, chosen.description, detector, chosen.labels, threshold, facts)


def of_network(path: Path, floor: float, threads: int) -> Candidate:
    """Raises ModelError."""
    detector = published.PublishedDetector(path, floor=floor, threads=threads)
    facts = {"model": path.stem, "model_file": path.name}
    words = f"{path.stem} as published, float, whole pictures"
    return of_detector(path.stem, words, detector, detector.labels, Thresholds().of(PHONE), facts)


def of_detector(
    name: str,
    description: str,
    detector: Detector,
    labels: tuple[str, ...],
    threshold: float,
    facts: Mapping[str, object],
) -> Candidate:
    pictures: list[str] = []

    def see(picture: str, load: Load) -> tuple[Detection, ...]:
        pictures.append(picture)
        return detector.detect(Frame(load(), 0.0, name=picture))

    def looks() -> int:
        return detector.looks if isinstance(detector, Eyes) else len(pictures)

    return Candidate(name, description, labels, threshold, see, facts, looks)


def of_file(path: Path, threshold: float) -> Candidate:
    """Detections of elsewhere, judged at the threshold that ships. Raises DatasetError."""
    seen = read(path)

    def see(picture: str, load: Load) -> tuple[Detection, ...]:
        if picture not in seen:
            raise DatasetError(f"{path} says nothing about {picture}")
        return seen[picture]

    labels = tuple(sorted({each.label for found in seen.values() for each in found}))
    return Candidate(
        path.name,
        f"the detections in {path.name}",
        labels,
        threshold,
        see,
        {"detections": path.name},
    )


def read(path: Path) -> dict[str, tuple[Detection, ...]]:
    """Detections by the picture's file name, without its folder. Raises DatasetError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as exc:
        raise DatasetError(f"{path} cannot be read: {exc.strerror}") from exc
    found: dict[str, tuple[Detection, ...]] = {}
    for number, line in enumerate(lines, start=1):
        try:
            tree = json.loads(line)
            width, height = float(tree["width"]), float(tree["height"])
            seen = []
            for each in tree["detections"]:
                left, top, right, bottom = map(float, each["box"])
                box = Box(top / height, left / width, bottom / height, right / width)
                seen.append(Detection(str(each["label"]), float(each["score"]), box))
            name = Path(tree["file"]).name
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as exc:
            raise DatasetError(
                f"{path}, line {number}: not what `detect --json` prints ({exc!r})"
            ) from exc
        if name in found:
            raise DatasetError(f"{path}, line {number}: a second line about {name}")
        found[name] = tuple(sorted(seen, key=lambda detection: -detection.score))
    return found


def keeping(candidate: Candidate, path: Path) -> Callable[[str, Load], tuple[Detection, ...]]:
    """Its `see`, which also writes a line of what it saw."""
    file = path.open("w", encoding="utf-8", buffering=1)

    def see(picture: str, load: Load) -> tuple[Detection, ...]:
        image = load()
        seen = candidate.see(picture, lambda: image)
        file.write(json.dumps(as_object(Frame(image, 0.0, name=picture), seen)) + "\n")
        return seen

    return see
