"""Labelled pictures in a folder: `annotations.json` as COCO has it, and `images/`.

Each image may name `labelled`, the category ids that were looked for in it; objects of other
categories may be there unboxed. Without it, every category of the file was looked for.

Where each image has `people`, the set is labelled by the picture, without boxes: see people.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.domain import Box, Detection
from edge.vision.labels import canonical
from tests.lab.score import Judged, Truth


class DatasetError(Exception):
    """The folder cannot be used; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """One picture, unread, and what is in it; boxes as shares of its size."""

    path: Path
    width_px: int
    height_px: int
    truths: tuple[Truth, ...]
    labelled: frozenset[str]
    kind: str = ""

    def judged(self, detections: Sequence[Detection]) -> Judged:
        return Judged(self.path.name, self.truths, self.labelled, tuple(detections), self.kind)


def load_dataset(folder: Path) -> tuple[LabelledPicture, ...]:
    """Read the annotations and see that every picture is there. Raises DatasetError."""
    path = folder / "annotations.json"
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise DatasetError(f"{folder} has no annotations.json") from exc
    except OSError as exc:
        raise DatasetError(f"{path} cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise DatasetError(f"{path} is not JSON: {exc}") from exc
    try:
        pictures = tuple(_pictures(tree, folder / "images"))
    except KeyError as exc:
        raise DatasetError(f"{path} is not what COCO has: {exc.args[0]} is missing") from exc
    except (TypeError, ValueError, AttributeError) as exc:
        raise DatasetError(f"{path} is not what COCO has: {exc}") from exc
    missing = [picture.path.name for picture in pictures if not picture.path.is_file()]
    if missing:
        raise DatasetError(
            f"{len(missing)} pictures are not in {folder / 'images'}: {', '.join(missing[:3])}"
            + (", ..." if len(missing) > 3 else "")
        )
    if not pictures:
        raise DatasetError(f"{path} has no images")
    return pictures


def _pictures(tree: dict[str, Any], images: Path) -> list[LabelledPicture]:
    names = {int(entry["id"]): canonical(entry["name"]) for entry in tree["categories"]}
    sizes = {entry["id"]: (entry["width"], entry["height"]) for entry in tree["images"]}
    truths: dict[Any, list[Truth]] = {key: [] for key in sizes}
    for entry in tree["annotations"]:
        width, height = sizes[entry["image_id"]]
        left, top, wide, tall = map(float, entry["bbox"])
        box = Box(top / height, left / width, (top + tall) / height, (left + wide) / width)
        truths[entry["image_id"]].append(Truth(names[int(entry["category_id"])], box))
    return [
        LabelledPicture(
            path=images / entry["file_name"],
            width_px=int(entry["width"]),
            height_px=int(entry["height"]),
            truths=tuple(truths[entry["id"]]),
            labelled=frozenset(names[int(key)] for key in entry.get("labelled", names)),
            kind=str(entry.get("people", "")),
        )
        for entry in tree["images"]
    ]
