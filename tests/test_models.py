"""The files that are shipped: what they are, and that they still see what they are for."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from edge.domain import PHONE, Frame
from edge.vision import manifest as manifests
from edge.vision.tflite import load_detector

MODELS = Path(__file__).resolve().parent.parent / "models"
MOST_BYTES = 2_000_000
FEWEST_RIGHT = 0.75


@pytest.fixture(scope="module")
def manifest() -> manifests.Manifest:
    return manifests.load(MODELS / "manifest.toml")


def test_there_is_a_normal_and_a_fast_tier(manifest: manifests.Manifest) -> None:
    normal, fast = manifest.models["normal"], manifest.models["fast"]
    assert manifest.default == "normal"
    assert fast.labels == normal.labels
    assert (
        fast.input.width_px * fast.input.height_px < normal.input.width_px * normal.input.height_px
    )


@pytest.mark.parametrize("tier", ["normal", "fast"])
def test_the_file_is_the_manifest_s_and_small(manifest: manifests.Manifest, tier: str) -> None:
    spec = manifest.models[tier]
    manifests.check_file(spec)
    assert spec.size_bytes <= MOST_BYTES


@pytest.mark.parametrize("tier", ["normal", "fast"])
def test_the_model_takes_and_gives_int8_only(manifest: manifests.Manifest, tier: str) -> None:
    detector = load_detector(manifest.models[tier], threads=1)
    interpreter = detector._interpreter
    for details in interpreter.get_input_details() + interpreter.get_output_details():
        assert np.dtype(details["dtype"]) == np.int8, details["name"]
    kinds = {np.dtype(details["dtype"]) for details in interpreter.get_tensor_details()}
    assert kinds <= {np.dtype(np.int8), np.dtype(np.int32)}


def picture(path: Path) -> Frame:
    with av.open(str(path)) as container:
        return Frame(next(container.decode(video=0)).to_ndarray(format="rgb24"), at_s=0.0)


def test_it_tells_a_phone_from_a_wallet_and_an_earbud_case(
    manifest: manifests.Manifest, shared_data: Path
) -> None:
    """On the pictures in front of a webcam that were never trained on: of each kind those after the
    median frame number. The card has the exact figure; this is a floor well below it."""
    folder = shared_data / "webcam_dev"
    text = json.loads((folder / "annotations.json").read_text())
    kinds = {a["image_id"]: a["category_id"] for a in text["annotations"]}
    by_kind: dict[int, list[tuple[int, str]]] = {}
    for image in text["images"]:
        number = int(image["file_name"].split("_")[2])
        by_kind.setdefault(kinds[image["id"]], []).append((number, image["file_name"]))
    spec = manifest.models["normal"]
    detector = load_detector(spec, threads=1)
    right: dict[bool, list[bool]] = {}
    for kind, pictures in by_kind.items():
        middle = np.median([number for number, _ in pictures])
        later = [name for number, name in pictures if number > middle]
        for name in later:
            phone = any(
                found.label == PHONE and found.score >= spec.thresholds.of(PHONE)
                for found in detector.detect(picture(folder / "images" / name))
            )
            right.setdefault(kind == 77, []).append(phone == (kind == 77))
    share = {phone: float(np.mean(answers)) for phone, answers in right.items()}
    assert (share[True] + share[False]) / 2 >= FEWEST_RIGHT, share
