"""`procrastobot evaluate`: how good the eyes are on labelled pictures and on frames of clips."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.commands.model_options import add_model_options
from edge.commands.progress import progress
from tests.lab import candidates

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.domain import Detection, Frame
    from tests.lab.candidates import Candidate
    from tests.lab.dataset import LabelledPicture
    from tests.lab.footage import Clip, ClipRow, JudgedFrame
    from tests.lab.report_card import ReportCard
    from tests.lab.score import Figure, Judged, Measure, Pair

HELP = "measure the eyes on labelled pictures, on frames of clips, and against others"
FLOOR = 0.01
EPILOG = """DATASET is a folder with annotations.json, as COCO has it, and images/. An image may
name `labelled`, the category ids that were looked for in it; for other labels it is left out. Where
every image has `people` (hand, edge, ear, ear-hidden, held, lying, look-alike or none), pictures
are judged as a whole, without boxes.

examples:
  procrastobot evaluate pictures                    a table
  procrastobot evaluate pictures --sheets sheets    and pictures of the worst mistakes
  procrastobot evaluate pictures --json             for a program
  procrastobot evaluate pictures --model-file ssd.tflite --family ssd    a model of elsewhere
  procrastobot evaluate pictures --against nanodet-plus-m_416.param      two, picture by picture
  procrastobot evaluate pictures --detections a.jsonl --against-detections b.jsonl
  procrastobot evaluate --clips clips               frames of films, with a clips.json

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
  KIND_hits_at_1_percent_false           of `people`: pictures of that kind that are flagged where
  KIND_hits_at_5_percent_false           1 % (5 %) of those with `none` are
  KIND_area_under_curve                  how often such a picture is scored above one with `none`
  frames_found_at_1_percent_false        of clips: frames with a phone in use that are flagged where
  frames_found_at_5_percent_false        1 % (5 %) of those without are; five frames a second, what
  frames_area_under_curve                is unclear left out, intervals by drawing the clips again
null: these pictures have nothing to measure it on. Thresholds are set anew in each draw.

Of two candidates each figure is shown as A, B and A - B, with the interval of the difference from
drawing the same pictures for both (--json: `against`). Where that holds zero there is no
difference.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "dataset", nargs="?", type=Path, metavar="DATASET", help="folder of labelled pictures"
    )
    parser.add_argument(
        "--clips", type=Path, metavar="FOLDER", help="frames of these clips (clips.json) instead"
    )
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
    candidates.add_options(parser)
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    from edge.devices.camera_picture import UnreadablePicture
    from edge.vision.manifest import ModelError
    from tests.lab.dataset import DatasetError

    for name in ("floor", "threshold"):
        value = getattr(args, name)
        if value is not None and not 0 <= value <= 1:
            print(f"--{name} must be from 0 to 1", file=sys.stderr)
            return 2
    if (args.dataset is None) == (args.clips is None):
        print("a DATASET or --clips FOLDER is wanted, one of them", file=sys.stderr)
        return 2
    if args.sheets is not None and args.dataset is None:
        print(
            "--sheets are of pictures with boxes; of clips: bench clips --sheets", file=sys.stderr
        )
        return 2
    try:
        return _clips(args) if args.dataset is None else _pictures(args)
    except ModelError as exc:
        print(exc, file=sys.stderr)
        return 78
    except (DatasetError, UnreadablePicture) as exc:
        print(exc, file=sys.stderr)
        return 1


def _pictures(args: argparse.Namespace) -> int:
    from tests.lab import people, score
    from tests.lab.dataset import DatasetError, load_dataset
    from tests.lab.report_card import report_card

    dataset = load_dataset(args.dataset)
    whole = people.labelled_so(dataset)
    if whole and args.sheets is not None:
        raise DatasetError("--sheets shows boxes, and these pictures are labelled without")
    mine = _with_threshold(candidates.first(args, args.floor), args.threshold)
    theirs = candidates.second(args, args.floor)
    judged = judge(dataset, _seeing(mine, args.keep), mine.name)
    facts = _facts(mine, args.dataset.name, len(judged), args.floor)
    if (looks := mine.looks()) is not None:
        facts["inferences_per_picture"] = round(looks / len(judged), 3)
    measured = _measures(mine, judged, whole=whole)
    pairs: dict[str, Pair] = {}
    if theirs is not None:
        theirs = _with_threshold(theirs, args.threshold)
        others = judge(dataset, theirs.see, theirs.name)
        pairs = score.paired(measured, _measures(theirs, others, whole=whole), rounds=args.rounds)
    if whole:
        figures = score.figures(measured, rounds=args.rounds)
        facts["kinds"] = people.counts(judged)
        card = None
    else:
        card = report_card(judged, mine.labels, mine.threshold, rounds=args.rounds)
        figures = card.figures
    if args.json:
        tree = {**facts, **_tree(figures), **({} if card is None else _of_boxes(card))}
        _print_tree(tree, theirs, pairs)
    else:
        print(f"{mine.description}\non {len(judged)} pictures of {args.dataset.name}\n")
        print(_table(measured, figures))
        if card is not None:
            print(in_words(card))
        else:
            print("\npictures: " + ", ".join(f"{n} {kind}" for kind, n in facts["kinds"].items()))
        if looks is not None and looks > len(judged):
            more = f"{looks / len(judged):.2f} inferences a picture"
            print(f"\nwith closer looks at what may be a phone: {more}")
        if theirs is not None:
            print(_compared(measured, pairs, mine, theirs))
    return 0 if args.sheets is None else _sheets(args.sheets, dataset, judged, mine.threshold)


def _measures(candidate: Candidate, judged: Sequence[Judged], *, whole: bool) -> dict[str, Measure]:
    from tests.lab import people, report_card

    if whole:
        return people.measures(judged)
    return report_card.measures(judged, candidate.labels, candidate.threshold)


def _clips(args: argparse.Namespace) -> int:
    from tests.lab import footage, score

    clips = footage.load_clips(args.clips)
    mine = candidates.first(args, args.floor)
    theirs = candidates.second(args, args.floor)
    judged = judge_frames(clips, _seeing(mine, args.keep), mine.name)
    measured = footage.measures(judged, len(clips))
    figures = score.figures(measured, rounds=args.rounds)
    rows = footage.by_clip(judged, clips)
    pairs: dict[str, Pair] = {}
    other_rows: tuple[ClipRow, ...] = ()
    if theirs is not None:
        others = judge_frames(clips, theirs.see, theirs.name)
        other_rows = footage.by_clip(others, clips)
        pairs = score.paired(measured, footage.measures(others, len(clips)), rounds=args.rounds)
    if args.json:
        facts = _facts(mine, args.clips.name, len(judged), args.floor)
        tree = {**facts, **_tree(figures), "clips": [_of_clip(row) for row in rows]}
        _print_tree(tree, theirs, pairs, {"clips": [_of_clip(row) for row in other_rows]})
        return 0
    print(f"{mine.description}\non {len(judged)} frames of {len(clips)} clips\n")
    print(_table(measured, figures))
    print(_clip_table(rows))
    if theirs is not None:
        print(_compared(measured, pairs, mine, theirs))
        print(_clip_table(other_rows))
    return 0


See = Callable[[str, candidates.Load], Sequence["Detection"]]


def _seeing(candidate: Candidate, keep: Path | None) -> See:
    from tests.lab.dataset import DatasetError

    if keep is None:
        return candidate.see
    try:
        return candidates.keeping(candidate, keep)
    except OSError as exc:
        raise DatasetError(f"{keep} cannot be written: {exc.strerror}") from exc


def _with_threshold(candidate: Candidate, threshold: float | None) -> Candidate:
    from dataclasses import replace

    return candidate if threshold is None else replace(candidate, threshold=threshold)


def judge(dataset: Sequence[LabelledPicture], see: See, name: str) -> list[Judged]:
    """Show every picture. Raises UnreadablePicture, DatasetError."""
    from edge.devices.camera_picture import load_picture

    judged = []
    misshapen = []
    for picture in progress(dataset, f"looking ({name})"):

        def load(picture: LabelledPicture = picture) -> NDArray[np.uint8]:
            image = load_picture(picture.path)
            # Boxes are shares: a picture may be smaller than it was labelled, but not turned.
            shape = image.shape[1] * picture.height_px / (image.shape[0] * picture.width_px)
            if abs(shape - 1) > 0.02:
                misshapen.append(picture.path.name)
            return image

        judged.append(picture.judged(see(picture.path.name, load)))
    if misshapen:
        print(
            f"{len(misshapen)} pictures have another shape than their annotations say, e.g."
            f" {misshapen[0]}: their boxes may be wrong",
            file=sys.stderr,
        )
    return judged


def judge_frames(clips: Sequence[Clip], see: See, name: str) -> list[JudgedFrame]:
    """Show five frames a second, but for what is unclear; each by itself. Raises DatasetError."""
    from tests.lab import footage

    judged = []
    for number, clip in enumerate(progress(clips, f"looking ({name})")):
        for frame in footage.frames(clip.path, footage.FRAMES_PER_S):
            shows = clip.shows(frame.at_s)
            if shows is not None:
                seen = see(footage.frame_name(clip, frame.at_s), partial(_image, frame))
                judged.append(footage.judged_frame(number, frame.at_s, shows, seen))
    return judged


def _image(frame: Frame) -> NDArray[np.uint8]:
    return frame.image


# ---------------------------------------------------------------- for a program


def _facts(candidate: Candidate, dataset: str, pictures: int, floor: float) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "pictures": pictures,
        **candidate.facts,
        "floor": floor,
        "phone_threshold": candidate.threshold,
    }


def _tree(figures: Mapping[str, Figure]) -> dict[str, Any]:
    return {
        **{name: _number(figure.value) for name, figure in figures.items()},
        "intervals": {name: _interval(figure) for name, figure in figures.items()},
    }


def _print_tree(
    tree: dict[str, Any],
    other: Candidate | None,
    pairs: Mapping[str, Pair],
    more: Mapping[str, Any] | None = None,
) -> None:
    if other is not None:
        tree["against"] = {
            **other.facts,
            "phone_threshold": other.threshold,
            **{
                name: {
                    "value": _number(pair.second.value),
                    "interval": _interval(pair.second),
                    "difference": _number(pair.difference.value),
                    "difference_interval": _interval(pair.difference),
                    "differs": pair.differs,
                }
                for name, pair in pairs.items()
            },
            **(more or {}),
        }
    print(json.dumps(tree, indent=2))


def _of_boxes(card: ReportCard) -> dict[str, Any]:
    return {
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


def _of_clip(row: ClipRow) -> dict[str, Any]:
    return {
        "file": row.file,
        "frames_with_a_phone": row.phone,
        "found_at_1_percent_false": row.found[0],
        "found_at_5_percent_false": row.found[1],
        "frames_without": row.none,
        "false_at_1_percent": row.false[0],
        "false_at_5_percent": row.false[1],
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _interval(figure: Figure) -> list[float | None]:
    return [_number(figure.interval.low), _number(figure.interval.high)]


# ---------------------------------------------------------------- in words


def _table(measures: Mapping[str, Measure], figures: Mapping[str, Figure]) -> str:
    width = _width(measures)
    return "\n".join(
        f"{measures[name].title:<{width}}{_percent(figure.value)}   {_between(figure)}"
        for name, figure in figures.items()
    )


def _width(measures: Mapping[str, Measure]) -> int:
    return 2 + max(len(each.title) for each in measures.values())


def _compared(
    measures: Mapping[str, Measure],
    pairs: Mapping[str, Pair],
    mine: Candidate,
    theirs: Candidate,
) -> str:
    width = _width(measures)
    lines = [
        "",
        f"A: {mine.description}",
        f"B: {theirs.description}",
        f"{'':<{width}}{'A':>5}  {'B':>5}  {'A - B':>6}",
    ]
    for name, pair in pairs.items():
        figures = f"{_percent(pair.first.value)}  {_percent(pair.second.value)}"
        difference = f"{pair.difference.value * 100:+6.1f}   {_between(pair.difference)}"
        if math.isnan(pair.difference.value):
            difference = "     -"
        elif not pair.differs:
            difference += "   no difference"
        lines.append(f"{measures[name].title:<{width}}{figures}  {difference}")
    return "\n".join(lines)


def _clip_table(rows: Sequence[ClipRow]) -> str:
    lines = [
        "",
        f"{'clip':<34}{'with a phone':>13}{'found at 1, 5 %':>17}{'without':>9}{'false':>9}",
    ]
    for row in rows:
        found = f"{row.found[0]}, {row.found[1]}" if row.phone else "-"
        false = f"{row.false[0]}, {row.false[1]}" if row.none else "-"
        lines.append(f"{row.file:<34}{row.phone:>13}{found:>17}{row.none:>9}{false:>9}")
    return "\n".join(lines)


def in_words(card: ReportCard) -> str:
    lines = [
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


def _sheets(
    folder: Path, dataset: Sequence[LabelledPicture], judged: Sequence[Judged], threshold: float
) -> int:
    from tests.lab.sheets import save_mistakes

    try:
        print(save_mistakes(folder, dataset, judged, threshold), file=sys.stderr)
    except OSError as exc:
        print(f"{folder}: cannot be written: {exc.strerror}", file=sys.stderr)
        return 1
    return 0
