"""The options by which a command is told which model to run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.vision.eyes import Eyes
    from edge.vision.manifest import EyeSet, ModelSpec


def add_model_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument("--model", default="", metavar="NAME", help="a model of the manifest")
    group.add_argument("--manifest", type=Path, metavar="FILE", help="another manifest.toml")
    group.add_argument(
        "--threads", type=int, default=2, metavar="N", help="threads of the runtime (2)"
    )
    group.add_argument(
        "--runtime",
        choices=("tflite_runtime", "ai_edge_litert"),
        default="",
        help="whichever is there, unless named",
    )
    group.add_argument(
        "--one-look",
        action="store_true",
        help="no closer look at who is there (model.second_look)",
    )
    group.add_argument(
        "--model-file",
        type=Path,
        metavar="FILE",
        help="a .tflite of elsewhere, without a manifest; see --family",
    )
    group.add_argument(
        "--family",
        choices=("yolox", "ssd"),
        default="yolox",
        help="what the outputs of --model-file are (yolox)",
    )
    group.add_argument(
        "--labels",
        default="",
        metavar="LIST",
        help="its classes: coco80, coco90 or a file with one on each line (yolox: coco80, ssd:"
        " coco90)",
    )
    group.add_argument(
        "--colour",
        choices=("rgb", "bgr"),
        default="",
        help="its order of colours (yolox: bgr, ssd: rgb)",
    )


def chosen_model(args: argparse.Namespace, *, floor: float | None = None) -> EyeSet:
    """The eyes that the options name, with their files checked; `floor` replaces their own.

    Raises ModelError.
    """
    from edge.config import ModelConfig
    from edge.vision.manifest import alone, load_eyes

    if args.model_file is None:
        manifest = "" if args.manifest is None else str(args.manifest)
        chosen = load_eyes(ModelConfig(name=args.model, manifest=manifest))
    else:
        chosen = alone(by_hand(args.model_file, args.family, args.labels, args.colour))
    return chosen if floor is None else chosen.with_floor(floor)


def opened_model(args: argparse.Namespace, chosen: EyeSet) -> Eyes:
    """`chosen` in the runtime that the options name. Raises ModelError."""
    from edge.config import ModelConfig
    from edge.vision.eyes import open_eyes

    config = ModelConfig(threads=args.threads, second_look=not args.one_look)
    return open_eyes(chosen, config, runtime_name=args.runtime)


def by_hand(path: Path, family_name: str, labels: str, colour: str) -> ModelSpec:
    """A model file of elsewhere; its size comes from the file, the rest from the caller."""
    from edge.vision.labels import COCO_80, COCO_90, canonical
    from edge.vision.manifest import NO_LABEL, Colour, Family, Fit, ModelError
    from edge.vision.tflite import spec_of_file

    family = Family(family_name)
    ssd = family is Family.SSD
    lists = {"coco80": COCO_80, "coco90": COCO_90}
    wanted = labels or ("coco90" if ssd else "coco80")
    if wanted in lists:
        names = lists[wanted]
    else:
        try:
            names = tuple(Path(wanted).read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as exc:
            raise ModelError(f"the labels {wanted} cannot be read: {exc}") from exc
    return spec_of_file(
        path,
        family=family,
        labels=tuple(name if name == NO_LABEL else canonical(name) for name in names),
        colour=Colour(colour) if colour else (Colour.RGB if ssd else Colour.BGR),
        fit=Fit.STRETCH if ssd else Fit.LETTERBOX,
    )
