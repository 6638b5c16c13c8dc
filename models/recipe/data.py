"""The labelled pictures: what is in which set, what each picture's labels say, and its split.

    python data.py --data ../../../shared/data --out FOLDER

writes the judging parts as folders that `procrastobot evaluate` reads: FOLDER/dev, FOLDER/webcam.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Category ids of the annotation files, in the order of `LABELS`.
CATEGORIES = (77, 1, 75, 74, 73, 84, 76, 47, 1002, 1001, 1003, 1004)
COCO_LABELLED = frozenset({77, 1, 75, 74, 73, 84, 76, 47})
FLOOR_SOURCE = "bcarothers19/find_phone_task"
OTHER_DETECTOR_SOURCE = "shhd39727-dev/yolo-phone-detection"
# Of these pictures somebody looked at all: no wallet, case, calculator (or person) in sight.
WHOLE_PICTURE = 0.85


@dataclass(frozen=True, slots=True)
class Picture:
    """boxes: (N, 4) x1 y1 x2 y2 px; classes: (N,) indices of LABELS; known: (C,) True where the
    picture is labelled exhaustively; ignore: (M, 4) regions where nothing is known of phones."""

    path: Path
    source: str
    width: int
    height: int
    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    known: NDArray[np.bool_]
    ignore: NDArray[np.float32]


def load(folder: Path, source: str | None = None) -> list[Picture]:
    """Every picture of a COCO-style folder. source: for folders that do not say it themselves."""
    text = json.loads((folder / "annotations.json").read_text())
    index = {c: i for i, c in enumerate(CATEGORIES)}
    by_image: dict[int, list[dict[str, object]]] = {}
    for a in text["annotations"]:
        by_image.setdefault(a["image_id"], []).append(a)
    pictures = []
    for image in text["images"]:
        w, h = image["width"], image["height"]
        boxes, classes, ignore = [], [], []
        for a in by_image.get(image["id"], []):
            if a["category_id"] not in index:
                continue
            x, y, bw, bh = a["bbox"]
            box = (max(x, 0), max(y, 0), min(x + bw, w), min(y + bh, h))
            if box[2] - box[0] < 1 or box[3] - box[1] < 1:
                continue
            if bw * bh > WHOLE_PICTURE * w * h and a["category_id"] == CATEGORIES[0]:
                ignore.append(box)
                continue
            boxes.append(box)
            classes.append(index[a["category_id"]])
        labelled = set(image.get("labelled", COCO_LABELLED))
        if source == "webcam":
            labelled = {77, 1001, 1002, 1003}
        pictures.append(
            Picture(
                folder / "images" / image["file_name"],
                source or image.get("source", "coco"),
                w,
                h,
                np.array(boxes, np.float32).reshape(-1, 4),
                np.array(classes, np.int64),
                np.array([c in labelled for c in CATEGORIES]),
                np.array(ignore, np.float32).reshape(-1, 4),
            )
        )
    return pictures


def split_dev(pictures: list[Picture]) -> tuple[list[Picture], list[Picture]]:
    """(to train on, to judge by): by file name, every second picture with a phone and every third
    of the others judges."""
    train, judge = [], []
    for with_phone, every in ((True, 2), (False, 3)):
        some = sorted(
            (p for p in pictures if (p.classes == 0).any() == with_phone), key=lambda p: p.path.name
        )
        judge += some[::every]
        train += [p for i, p in enumerate(some) if i % every]
    return train, judge


def split_webcam(pictures: list[Picture]) -> tuple[list[Picture], list[Picture]]:
    """(to train on, to judge by): of each class the later half of the frame numbers judges, so
    that no frame has its neighbour (or its copy) on the other side."""
    train, judge = [], []
    for label in sorted({int(p.classes[0]) for p in pictures}):
        some = [p for p in pictures if p.classes[0] == label]
        middle = np.median([_frame(p) for p in some])
        judge += [p for p in some if _frame(p) > middle]
        train += [p for p in some if _frame(p) <= middle]
    return train, judge


def _frame(picture: Picture) -> int:
    found = re.search(r"frame_(\d+)", picture.path.name)
    if found is None:
        msg = f"{picture.path.name}: no frame number"
        raise ValueError(msg)
    return int(found[1])


def write_subset(folder: Path, pictures: list[Picture], out: Path) -> None:
    """Copy these pictures of a COCO-style folder, and what is written about them."""
    names = {p.path.name for p in pictures}
    text = json.loads((folder / "annotations.json").read_text())
    images = [i for i in text["images"] if i["file_name"] in names]
    ids = {i["id"] for i in images}
    text["images"] = images
    text["annotations"] = [a for a in text["annotations"] if a["image_id"] in ids]
    (out / "images").mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(folder / "images" / name, out / "images" / name)
    (out / "annotations.json").write_text(json.dumps(text))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    dev, webcam = args.data / "dev", args.data / "webcam_dev"
    write_subset(dev, split_dev(load(dev))[1], args.out / "dev")
    write_subset(webcam, split_webcam(load(webcam, "webcam"))[1], args.out / "webcam")


if __name__ == "__main__":
    main()
