"""`procrastobot detect`: what the detector sees in pictures."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.commands.model_options import add_model_options, chosen_model, opened_model
from edge.commands.progress import progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.domain import Detection, Frame
    from edge.recognizer import Recognizer
    from edge.vision.eyes import Eyes
    from edge.vision.manifest import EyeSet

HELP = "say what the detector sees in pictures"
EPILOG = """examples:
  procrastobot detect photo.jpg                   what is seen, best first
  procrastobot detect *.jpg --save seen           draw it into copies, in the folder seen
  procrastobot detect photo.jpg --model fast      with another model of the manifest
  procrastobot detect --json --floor 0.01 FOLDER  all there is, to score it with tools of your own

With --json each picture gives one line, an object with these names:
  file, width, height    the picture as it is shown: turned upright if its camera says so
  detections             best first, each with
    label                one of the model's labels
    score                0 to 1; none below the model's floor, or --floor
    box                  [xmin, ymin, xmax, ymax] in pixels from the upper left, inside the picture

A picture that cannot be read is named on stderr, the others go on, and the exit code is 1.
A model that cannot be used gives 78.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "pictures", nargs="+", type=Path, metavar="PICTURE", help="a picture, or a folder of them"
    )
    parser.add_argument(
        "--floor", type=float, metavar="SCORE", help="report from this score on (the model's floor)"
    )
    parser.add_argument("--json", action="store_true", help="one object per picture and line")
    parser.add_argument(
        "--save", type=Path, metavar="DIR", help="draw boxes into copies of the pictures, there"
    )
    parser.add_argument(
        "--taught", action="store_true", help="with what the box was shown (procrastobot teach)"
    )
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    from edge.devices.camera_picture import PICTURE_SUFFIXES, UnreadablePicture, load_picture
    from edge.domain import Frame
    from edge.vision.draw import save_jpeg

    if args.floor is not None and not 0 <= args.floor <= 1:
        print("--floor must be from 0 to 1", file=sys.stderr)
        return 2
    chosen = chosen_model(args, floor=args.floor)
    eyes = opened_model(args, chosen)
    look = taught(chosen, eyes, args.runtime).look if args.taught else eyes.look
    failed = False
    files: list[Path] = []
    for path in args.pictures:
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
            if not found:
                print(f"{path} holds no pictures", file=sys.stderr)
                failed = True
            files += found
        else:
            files.append(path)
    saved: set[str] = set()
    # On a terminal the results themselves show how far it is.
    for path in files if sys.stdout.isatty() else progress(files, "looking"):
        try:
            frame = Frame(load_picture(path), 0.0, name=str(path))
        except UnreadablePicture as exc:
            print(f"not a picture that can be read: {exc}", file=sys.stderr)
            failed = True
            continue
        seen = eyes.detect(frame, look)
        print(json.dumps(as_object(frame, seen)) if args.json else in_words(frame, seen))
        if args.save is not None:
            try:
                args.save.mkdir(parents=True, exist_ok=True)
                save_jpeg(drawn(frame, seen), args.save / _name(path, saved))
            except OSError as exc:
                print(f"{args.save}: cannot be written: {exc.strerror}", file=sys.stderr)
                return 1
    return 1 if failed else 0


def taught(chosen: EyeSet, eyes: Eyes, runtime_name: str) -> Recognizer:
    """The eyes as they are with what the state directory says that the box was shown. Raises
    ModelError."""
    from edge import settings
    from edge.domain import PHONE
    from edge.inbox import CommandInbox
    from edge.recognizer import Recognizer
    from edge.state_dir import state_dir
    from edge.taught_store import TaughtStore
    from edge.vision.features import FileFeatures
    from edge.vision.manifest import ModelError

    spec = chosen.features
    if spec is None:
        raise ModelError(f"the model {chosen.name} has no features: it can be shown nothing")
    store = TaughtStore(state_dir(settings.find()), spec.version, spec.length)
    if not store.things:
        print("the box was shown nothing yet (procrastobot teach --help)", file=sys.stderr)
    features = FileFeatures(spec, runtime_name=runtime_name)
    threshold = chosen.thresholds.of(PHONE)
    return Recognizer(eyes, features, store, CommandInbox(), threshold=threshold)


def as_object(frame: Frame, seen: tuple[Detection, ...]) -> dict[str, object]:
    """What --json prints of one picture."""
    width, height = frame.width_px, frame.height_px
    return {
        "file": frame.name,
        "width": width,
        "height": height,
        "detections": [
            {
                "label": each.label,
                "score": round(each.score, 4),
                "box": [
                    round(each.box.xmin * width, 1),
                    round(each.box.ymin * height, 1),
                    round(each.box.xmax * width, 1),
                    round(each.box.ymax * height, 1),
                ],
            }
            for each in seen
        ],
    }


def in_words(frame: Frame, seen: tuple[Detection, ...]) -> str:
    lines = [f"{frame.name}  {frame.width_px}x{frame.height_px}"]
    for each in seen:
        left, top = each.box.xmin * frame.width_px, each.box.ymin * frame.height_px
        right, bottom = each.box.xmax * frame.width_px, each.box.ymax * frame.height_px
        lines.append(
            f"  {each.label:<14} {each.score:.2f}   x {left:4.0f} to {right:4.0f},"
            f" y {top:4.0f} to {bottom:4.0f}"
        )
    return "\n".join(lines if seen else [*lines, "  nothing"])


def drawn(frame: Frame, seen: tuple[Detection, ...]) -> NDArray[np.uint8]:
    """A copy of the picture with every box in it, phones on top, then the best."""
    from edge.domain import PHONE
    from edge.vision.draw import colour_of, draw_boxes

    image = frame.image.copy()
    scale = max(1, round(min(image.shape[:2]) / 240))
    boxes = [
        (each.box, colour_of(each.label), f"{each.label} {each.score:.2f}")
        for each in sorted(seen, key=lambda each: (each.label != PHONE, -each.score))
    ]
    draw_boxes(image, boxes, width_px=scale, scale=scale)
    return image


def _name(path: Path, saved: set[str]) -> str:
    """A name for the copy that no other picture of this run has."""
    name, number = f"{path.stem}.jpg", 2
    while name in saved:
        name, number = f"{path.stem}-{number}.jpg", number + 1
    saved.add(name)
    return name
