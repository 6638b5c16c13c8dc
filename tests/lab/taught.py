"""`procrastobot bench taught`: what showing things to the box is worth."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.commands.model_options import add_model_options, chosen_model, opened_model
from edge.devices.camera_picture import load_picture
from edge.domain import PHONE, Box, Detection, Frame
from edge.ports import Detector, Features
from edge.recognizer import UNSEEN, held, is_phone, seen_from_both_sides
from edge.taught import Bank, Thing, learn, spread_out
from edge.taught_store import MOST_VECTORS
from edge.vision.manifest import ModelError

HELP = "measure what showing things to the box is worth"
EPILOG = """examples:
  procrastobot bench taught DATA                       with the boxes of the eyes that ship
  procrastobot bench taught DATA --proposals FILE      of others (`detect --json --floor 0.01`)

DATA is the folder that SOURCES.md describes; its webcam_dev shows one man and his phone, his wallet
and his earbud case. So many pictures of the phone and so many of each other thing are shown to the
box, in the order of their frames, the first ones of each; every other picture is judged by its
likeliest thing. A picture in which nothing is proposed holds no phone. The same is done with the
pictures shown from a quarter, the half, three quarters and the end of each kind, which tells how
much of a figure is the choice of frames.

The eyes' score alone and the joined score are judged from the score on from which a phone is
believed; what was shown, alone, from even odds. Balanced accuracy is the mean of the share of
phones that are found and of other things that are let go. The interval is 95 % of 2000 draws of
pictures with replacement, and does not know that neighbouring frames are alike.
"""
FLOOR = 0.01
STARTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of what may be shown; 0: the first frames
DRAWS = 2000

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture: what it shows, and its likeliest thing from both sides."""

    kind: str
    score: float = 0.0  # the detector's, that it is a phone
    vectors: Floats | None = None  # (2, D); None: nothing was proposed

    @property
    def phone(self) -> bool:
        return self.kind == "cell phone"


class Figure(NamedTuple):
    """Balanced accuracy, 0..1, and the interval around it."""

    accuracy: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.accuracy:5.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f})"


class Outcome(NamedTuple):
    shown: Figure  # by what was shown, alone
    joined: Figure  # by the score as the box reports it
    detector: Figure  # by the score without anything shown


def judge(
    pictures: Sequence[Picture],
    bank: Bank,
    *,
    threshold: float,
    phones: int,
    others: int,
    start: float = 0.0,
) -> Outcome:
    """Show some pictures of each kind, and judge the rest."""
    things, rest = _shown(pictures, phones, others, start)
    knowledge = learn(bank, things)
    assert knowledge is not None, "nothing was shown"
    truth = np.array([picture.phone for picture in rest])
    alone, joined = np.zeros(len(rest), bool), np.zeros(len(rest), bool)
    for index, picture in enumerate(rest):
        if picture.vectors is not None:
            vector = picture.vectors[:1]
            alone[index] = knowledge.log_odds(vector)[0] > 0
            joined[index] = knowledge.joined([picture.score], vector, threshold)[0] >= threshold
    detector = np.array([picture.score >= threshold for picture in rest])
    return Outcome(*(balanced(truth, said) for said in (alone, joined, detector)))


def _shown(
    pictures: Sequence[Picture], phones: int, others: int, start: float
) -> tuple[list[Thing], list[Picture]]:
    things, rest = [], []
    for kind in dict.fromkeys(picture.kind for picture in pictures):
        mine = [picture for picture in pictures if picture.kind == kind]
        count = phones if mine[0].phone else others
        first = round(start * (len(mine) - count))
        chosen = mine[first : first + count]
        rest += mine[:first] + mine[first + count :]
        vectors = [picture.vectors for picture in chosen if picture.vectors is not None]
        if vectors:
            kept = spread_out(np.concatenate(vectors), MOST_VECTORS)
            things.append(Thing(kind, mine[0].phone, kept))
    return things, rest


def balanced(truth: NDArray[np.bool_], said: NDArray[np.bool_]) -> Figure:
    right = truth == said
    draw = np.random.default_rng(1)
    both = [right[truth], right[~truth]]
    means = np.mean(
        [each[draw.integers(0, len(each), (DRAWS, len(each)))].mean(axis=1) for each in both],
        axis=0,
    )
    low, high = np.percentile(means, (2.5, 97.5))
    accuracy = float(np.mean([each.mean() for each in both]))
    return Figure(accuracy, float(low), float(high))


def pictures_of(
    folder: Path, features: Features, propose: Mapping[str, Sequence[Detection]] | Detector
) -> Iterator[Picture]:
    """The pictures of webcam_dev in the order of their frames within a kind."""
    tree = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    names = {each["id"]: each["name"] for each in tree["categories"]}
    kinds = {each["image_id"]: names[each["category_id"]] for each in tree["annotations"]}

    def frame_number(image: Mapping[str, str]) -> int:
        return int(image["file_name"].split("_")[2])

    for image in sorted(tree["images"], key=frame_number):
        path = folder / "images" / image["file_name"]
        frame = Frame(load_picture(path), 0.0, name=str(path))
        seen = propose.get(path.name, ()) if isinstance(propose, Mapping) else propose.detect(frame)
        likely = held(seen)
        if not likely:
            yield Picture(kinds[int(image["id"])])
            continue
        best = likely[0]
        vectors = features.vectors(seen_from_both_sides(features.crops(frame, [best.box])))
        yield Picture(kinds[int(image["id"])], best.score if is_phone(best) else UNSEEN, vectors)


def proposals(path: Path) -> dict[str, list[Detection]]:
    """What `detect --json` printed, by the name of the picture."""
    seen: dict[str, list[Detection]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        each = json.loads(line)
        wide, high = each["width"], each["height"]
        seen[Path(each["file"]).name] = [
            Detection(d["label"], d["score"], Box(y0 / high, x0 / wide, y1 / high, x1 / wide))
            for d in each["detections"]
            for x0, y0, x1, y1 in [d["box"]]
            if d["label"] in KNOWN
        ]
    return seen


KNOWN = (PHONE, "remote", "mouse", "book", "cup")  # labels of the eyes that can be held


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="the folder that SOURCES.md describes")
    parser.add_argument("--phones", type=int, default=20, help="pictures of the phone (20)")
    parser.add_argument("--others", type=int, default=20, help="of each other thing (20)")
    parser.add_argument("--proposals", type=Path, metavar="FILE", help="boxes of other eyes")
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    from edge.vision.features import FileFeatures

    try:
        chosen = chosen_model(args, floor=FLOOR)
        if chosen.features is None:
            raise ModelError(f"the model {chosen.name} has no features: it can be shown nothing")
        features = FileFeatures(chosen.features, runtime_name=args.runtime)
        boxes = proposals(args.proposals) if args.proposals else opened_model(args, chosen)
        bank = features.bank
    except ModelError as exc:
        print(exc, file=sys.stderr)
        return 78
    pictures = list(pictures_of(args.data / "webcam_dev", features, boxes))
    nothing = sum(picture.vectors is None for picture in pictures)
    print(f"{len(pictures)} pictures, {nothing} of them without a proposal")
    print(f"shown: {args.phones} of the phone, {args.others} of each other thing\n")
    print(f"{'shown from':<12} {'what was shown':<24} {'joined':<24} {'eyes alone':<24}")
    for start in STARTS:
        found = judge(
            pictures,
            bank,
            threshold=chosen.thresholds.of(PHONE),
            phones=args.phones,
            others=args.others,
            start=start,
        )
        where = f"{100 * start:3.0f} %" if start else "first frames"
        print(f"{where:<12} " + " ".join(f"{figure!s:<24}" for figure in found))
    return 0
