"""The figures by which eyes are chosen and compared, of any model of a manifest, as it is run.

    python weigh.py --data ../../../shared/data --manifest ../manifest.toml --model nanodet

prints, in per cent: on `dev`, AP50 of phones, of phones from 0.3 % of the picture, and of people;
on `people`, pictures with a phone of each kind whose best phone scores higher than all but 1 or 5 %
of the pictures without. Detections are kept in --cache, so that files can be compared afterwards.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import score

sys.path.insert(0, str(Path(__file__).parents[2]))

from edge.devices.camera_picture import load_picture
from edge.domain import Frame
from edge.ports import Detector
from edge.vision import manifest
from edge.vision.tflite import load_detector

FLOOR = 0.01
PHONE, PERSON = 77, 1  # COCO's numbers
KINDS = ("hand", "edge", "ear")


@dataclass(frozen=True, slots=True)
class Picture:
    """boxes: (N, 4) x1 y1 x2 y2 in pixels"""

    path: Path
    width: int
    height: int
    kind: str
    phones: score.Floats
    people: score.Floats


def pictures(folder: Path) -> list[Picture]:
    told = json.loads((folder / "annotations.json").read_text())
    boxes: dict[tuple[int, int], list[list[float]]] = {}
    for each in told["annotations"]:
        x, y, w, h = each["bbox"]
        boxes.setdefault((each["image_id"], each["category_id"]), []).append([x, y, x + w, y + h])

    def of(image: int, category: int) -> score.Floats:
        return np.array(boxes.get((image, category), []), np.float32).reshape(-1, 4)

    return [
        Picture(
            folder / "images" / each["file_name"], each["width"], each["height"],
            each.get("people", ""), of(each["id"], PHONE), of(each["id"], PERSON),
        )
        for each in told["images"]
    ]  # fmt: skip


def seen(detector: Detector, shown: Sequence[Picture]) -> Iterator[list[list[Any]]]:
    for picture in shown:
        rows = []
        for found in detector.detect(Frame(load_picture(picture.path), 0.0)):
            edges = found.box.xmin, found.box.ymin, found.box.xmax, found.box.ymax
            rows.append([found.label, *(round(value, 5) for value in (found.score, *edges))])
        yield rows


def as_found(picture: Picture, rows: list[list[Any]], labels: Sequence[str]) -> score.Found:
    mine = [row for row in rows if row[0] in labels]
    sides = np.float32([picture.width, picture.height] * 2)
    boxes = np.float32([row[2:] for row in mine]).reshape(-1, 4) * sides
    return score.Found(
        boxes,
        np.float32([row[1] for row in mine]),
        np.array([labels.index(r[0]) for r in mine], int),
    )


def dev_figures(shown: Sequence[Picture], rows: list[list[list[Any]]]) -> dict[str, float]:
    found = [as_found(p, r, ("phone", "person")) for p, r in zip(shown, rows, strict=True)]
    phones, people = [p.phones for p in shown], [p.people for p in shown]
    least = [0.003 * p.width * p.height for p in shown]
    none = [np.zeros(len(t), bool) for t in phones]
    small = [score.area(t) < bar for t, bar in zip(phones, least, strict=True)]
    ignored = [np.zeros(len(t), bool) for t in people]
    return {
        "phone": score.average_precision(score.match(found, phones, none, 0)),
        "phone >= 0.3 %": score.average_precision(
            score.match(found, phones, small, 0, least=least)
        ),
        "person": score.average_precision(score.match(found, people, ignored, 1)),
    }


def best_phones(rows: list[list[list[Any]]]) -> score.Floats:
    return np.array([max((r[1] for r in each if r[0] == "phone"), default=0.0) for each in rows])


def people_figures(kinds: Sequence[str], best: score.Floats) -> dict[str, float]:
    is_kind = {kind: np.array([k == kind for k in kinds]) for kind in (*KINDS, "none")}
    figures = {}
    for kind in KINDS:
        for false in (0.01, 0.05):
            bar = np.quantile(best[is_kind["none"]], 1 - false)
            figures[f"{kind} at {100 * false:g} %"] = 100 * float(
                (best[is_kind[kind]] > bar).mean()
            )
    return figures


def figures(data: Path, rows: dict[str, list[list[list[Any]]]]) -> dict[str, float]:
    found: dict[str, float] = {}
    if "dev" in rows:
        found |= dev_figures(pictures(data / "dev"), rows["dev"])
    if "people" in rows:
        kinds = [p.kind for p in pictures(data / "people")]
        found |= people_figures(kinds, best_phones(rows["people"]))
    return {name: round(value, 1) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--runtime", default="")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--sets", default="dev,people")
    args = parser.parse_args()
    for name in args.model or manifest.load(args.manifest).models:
        spec = manifest.load(args.manifest).choose(name).with_floor(FLOOR)
        detector = load_detector(spec, 1, runtime_name=args.runtime)
        rows = {}
        for which in args.sets.split(","):
            rows[which] = list(seen(detector, pictures(args.data / which)))
            if args.cache:
                args.cache.mkdir(parents=True, exist_ok=True)
                (args.cache / f"{name}-{which}.json").write_text(json.dumps(rows[which]))
        print(name, json.dumps(figures(args.data, rows)), flush=True)


if __name__ == "__main__":
    main()
