"""`procrastobot evaluate`: how good the detector is on labelled pictures."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge.commands.model_options import add_model_options, chosen_model, opened_model
from edge.commands.progress import progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.ports import Detector
    from edge.vision.manifest import ModelSpec
    from tests.lab.dataset import LabelledPicture
    from tests.lab.report_card import ReportCard
    from tests.lab.score import Figure, Judged

NAME = "evaluate"
HELP = "measure the detector on labelled pictures"
FLOOR = 0.01
SHEET_TILES = 30
EPILOG = """DATASET is a folder with annotations.json, as COCO has it, and images/. An image may
name `labelled`, the category ids that were looked for in it; for other labels it is left out.

examples:
  procrastobot evaluate pictures                    a table
  procrastobot evaluate pictures --sheets sheets    and pictures of the worst mistakes
  procrastobot evaluate pictures --json             for a program
  procrastobot evaluate pictures --model-file ssd.tflite --family ssd    a model of elsewhere

Figures are shares from 0 to 1 (the table shows per cent), each with the 95 % interval of drawing
the pictures again (--json: `intervals`, [low, high] by the figure's name):
  phone_ap50, person_ap50                average precision at IoU 0.5, read at 101 recalls as COCO
                                         does; crowd regions count as ordinary boxes
  phone_ap50_desk                        of phones that fill at least 0.3 % of the picture
  phone_recall_at_0_1_fppi               phones found with one false phone in ten pictures
  phone_hits_at_1_percent_false          pictures with a phone that are flagged, where 1 % of those
  phone_hits_at_5_percent_false          without are (or 5 %)
  phone_vs_lookalike_balanced_accuracy   flagged at the shipped threshold, in pictures that show a
                                         phone or something like one; 0.5 is chance
null: these pictures have nothing to measure it on.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="folder of labelled pictures")
    parser.add_argument("--json", action="store_true", help="figures for a program")
    parser.add_argument(
        "--sheets", type=Path, metavar="DIR", help="save contact sheets of the worst mistakes there"
    )
    parser.add_argument(
        "--floor",
        type=float,
        default=FLOOR,
        metavar="SCORE",
        help=f"detections from this score on make the precision-recall curve ({FLOOR:g})",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="SCORE",
        help="take a phone for one from this score on (the model's shipped threshold)",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=1000,
        metavar="N",
        help="draws of the pictures for the intervals (1000)",
    )
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from edge.devices.camera_picture import UnreadablePicture
    from edge.domain import PHONE
    from edge.vision.manifest import ModelError
    from edge.vision.second_look import SecondLook
    from tests.lab.dataset import DatasetError, load_dataset
    from tests.lab.report_card import report_card

    for name in ("floor", "threshold"):
        value = getattr(args, name)
        if value is not None and not 0 <= value <= 1:
            print(f"--{name} must be from 0 to 1", file=sys.stderr)
            return 2
    try:
        dataset = load_dataset(args.dataset)
        spec = chosen_model(args)
        detector = opened_model(args, spec.with_floor(args.floor))
    except DatasetError as exc:
        print(exc, file=sys.stderr)
        return 1
    except ModelError as exc:
        print(exc, file=sys.stderr)
        return 78
    thresholds = spec.thresholds
    if args.threshold is not None:
        thresholds = replace(thresholds, labels={**thresholds.labels, PHONE: args.threshold})
    try:
        judged = judge(dataset, detector)
    except UnreadablePicture as exc:
        print(exc, file=sys.stderr)
        return 1
    looks = detector.looks / len(judged) if isinstance(detector, SecondLook) else 1.0
    card = report_card(judged, spec.labels, thresholds, rounds=args.rounds)
    if args.json:
        figures = as_object(card, args.dataset, spec, floor=args.floor, looks=looks)
        print(json.dumps(figures, indent=2))
    else:
        print(in_words(card, args.dataset, spec))
        if isinstance(detector, SecondLook):
            print(f"\nwith closer looks at what may be a phone: {looks:.2f} inferences a picture")
    if args.sheets is not None:
        try:
            save_sheets(args.sheets, dataset, judged, card.threshold)
        except OSError as exc:
            print(f"{args.sheets}: cannot be written: {exc.strerror}", file=sys.stderr)
            return 1
    return 0


def judge(dataset: Sequence[LabelledPicture], detector: Detector) -> list[Judged]:
    """Show every picture to the detector. Raises UnreadablePicture."""
    from edge.devices.camera_picture import load_picture
    from edge.domain import Frame

    judged = []
    misshapen = []
    for picture in progress(dataset, "looking"):
        image = load_picture(picture.path)
        # Boxes are shares, so a picture may be kept smaller than it was labelled, but not turned.
        if abs(image.shape[1] * picture.height_px / (image.shape[0] * picture.width_px) - 1) > 0.02:
            misshapen.append(picture.path.name)
        judged.append(picture.judged(detector.detect(Frame(image, 0.0))))
    if misshapen:
        print(
            f"{len(misshapen)} pictures have another shape than their annotations say, e.g."
            f" {misshapen[0]}: their boxes may be wrong",
            file=sys.stderr,
        )
    return judged


def as_object(
    card: ReportCard, dataset: Path, spec: ModelSpec, *, floor: float, looks: float
) -> dict[str, object]:
    """What --json prints."""
    return {
        "dataset": dataset.name,
        "pictures": card.pictures,
        "model": spec.name,
        "model_file": spec.path.name,
        "sha256": spec.sha256,
        "floor": floor,
        "phone_threshold": card.threshold,
        "inferences_per_picture": round(looks, 3),
        **{name: _number(figure.value) for name, figure in card.figures.items()},
        "intervals": {name: _interval(figure) for name, figure in card.figures.items()},
        "phone_recall_at_threshold": _number(card.recall),
        "phone_false_per_picture_at_threshold": _number(card.fppi),
        "labels": {
            each.label: {
                "objects": each.objects,
                "pictures": each.pictures,
                "ap50": _number(each.ap50.value),
                "interval": _interval(each.ap50),
            }
            for each in card.labels
        },
        "phone_areas": [
            {
                "from": each.area[0],
                "to": each.area[1],
                "phones": each.phones,
                "ap50": _number(each.ap50),
                "recall_at_threshold": _number(each.recall),
            }
            for each in card.areas
        ],
        "false_phones": {
            "all": card.false_alarms,
            "on_nothing_labelled": card.elsewhere,
            "by_label": {
                each.label: {"objects": each.there, "taken_for_a_phone": each.mistaken}
                for each in card.mistaken
            },
        },
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _interval(figure: Figure) -> list[float | None]:
    return [_number(figure.interval.low), _number(figure.interval.high)]


TITLES = {
    "phone_ap50": "phone AP50",
    "phone_ap50_desk": "phone AP50, at least 0.3 % of the picture",
    "phone_recall_at_0_1_fppi": "phone recall at 0.1 false per picture",
    "phone_hits_at_1_percent_false": "pictures with a phone flagged, at 1 % false",
    "phone_hits_at_5_percent_false": "pictures with a phone flagged, at 5 % false",
    "phone_vs_lookalike_balanced_accuracy": "phone or look-alike, balanced accuracy",
    "person_ap50": "person AP50",
}


def in_words(card: ReportCard, dataset: Path, spec: ModelSpec) -> str:
    lines = [f"{spec.description}", f"on {card.pictures} pictures of {dataset.name}", ""]
    for name, figure in card.figures.items():
        lines.append(f"{TITLES[name]:<46}{_percent(figure.value)}   {_between(figure)}")
    lines += [
        "",
        f"at the threshold {card.threshold:.2f}: {_percent(card.recall).strip()} % of the phones"
        f" found, {card.fppi:.3f} false phones per picture",
        "",
        f"{'phones by share of the picture':<34}{'phones':>8}{'AP50':>8}{'found':>8}",
    ]
    for area in card.areas:
        span = f"{area.area[0] * 100:g} to {area.area[1] * 100:g} %"
        lines.append(
            f"  {span:<32}{area.phones:>8}   {_percent(area.ap50)}   {_percent(area.recall)}"
        )
    lines += ["", f"{'label':<18}{'objects':>8}{'pictures':>10}{'AP50':>8}"]
    for label in card.labels:
        lines.append(
            f"  {label.label:<16}{label.objects:>8}{label.pictures:>10}"
            f"   {_percent(label.ap50.value)}   {_between(label.ap50)}"
        )
    lines += ["", f"{'taken for a phone':<18}{'objects':>8}{'taken':>10}{'share':>8}"]
    for row in card.mistaken:
        share = row.mistaken / row.there
        lines.append(f"  {row.label:<16}{row.there:>8}{row.mistaken:>10}   {_percent(share)}")
    lines.append(f"  {card.elsewhere} of {card.false_alarms} false phones are on nothing labelled")
    return "\n".join(lines)


def _percent(share: float) -> str:
    return "    -" if math.isnan(share) else f"{share * 100:5.1f}"


def _between(figure: Figure) -> str:
    low, high = figure.interval
    return "" if math.isnan(low) else f"({low * 100:.1f} to {high * 100:.1f})"


def save_sheets(
    folder: Path, dataset: Sequence[LabelledPicture], judged: Sequence[Judged], threshold: float
) -> None:
    """misses.jpg: the largest phones that were missed. false_phones.jpg: the surest false ones."""
    from edge.domain import PHONE
    from edge.vision.draw import save_jpeg
    from tests.lab import score
    from tests.lab.report_card import looked_for
    from tests.lab.sheets import contact_sheet

    paths = {picture.path.name: picture.path for picture in dataset}
    missed: list[tuple[float, Judged, str]] = []
    false: list[tuple[float, Judged, str]] = []
    for picture in looked_for(judged, PHONE):
        misses = score.misses(picture, PHONE, threshold=threshold)
        if misses:
            area = misses[0].box.area
            missed.append((area, picture, f"{area * 100:.1f}% {picture.name}"))
        alarms = score.false_alarms(picture, PHONE, threshold=threshold)
        if alarms:
            false.append((alarms[0].score, picture, f"{alarms[0].score:.2f} {picture.name}"))
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in (("misses", missed), ("false_phones", false)):
        found.sort(key=lambda entry: -entry[0])
        tiles = [
            (marked(paths[picture.name], picture, threshold), words)
            for _, picture, words in progress(found[:SHEET_TILES], name)
        ]
        save_jpeg(contact_sheet(tiles), folder / f"{name}.jpg")
    print(
        f"{folder}: misses.jpg ({len(missed)} pictures), false_phones.jpg ({len(false)});"
        f" at most {SHEET_TILES} shown. Green: a phone; red: taken for one.",
        file=sys.stderr,
    )


def marked(path: Path, picture: Judged, threshold: float) -> NDArray[np.uint8]:
    """The picture with its phones in green, and what was taken for one in red."""
    from edge.devices.camera_picture import load_picture
    from edge.domain import PHONE
    from edge.vision.draw import GREEN, RED, draw_box

    image = load_picture(path)
    width_px = max(2, round(min(image.shape[:2]) / 120))
    for truth in picture.truths:
        if truth.label == PHONE:
            draw_box(image, truth.box, GREEN, width_px=width_px)
    for seen in picture.detections:
        if seen.label == PHONE and seen.score >= threshold:
            words = f"{seen.score:.2f}"
            draw_box(image, seen.box, RED, words=words, width_px=width_px, scale=width_px)
    return image
