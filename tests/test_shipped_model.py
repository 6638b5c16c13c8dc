"""The models in models/: what the manifest says of them is so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.config import ModelConfig
from edge.devices.camera_picture import load_picture
from edge.domain import Frame
from edge.vision.manifest import default_path, load, load_model
from edge.vision.tflite import load_detector

TIERS = ("normal", "fast")
DESK_LABELS = {"phone", "person", "remote", "mouse", "laptop", "book", "keyboard", "cup", "wallet"}


def test_there_is_a_normal_and_a_fast_model():
    manifest = load(default_path())
    assert manifest.default == "normal"
    assert set(TIERS) <= set(manifest.models)
    normal, fast = (manifest.models[tier].input for tier in TIERS)
    assert fast.width_px * fast.height_px < normal.width_px * normal.height_px


@pytest.mark.parametrize("tier", TIERS)
def test_a_shipped_model_is_small_whole_and_knows_what_lies_on_desks(tier):
    spec = load_model(ModelConfig(name=tier))
    assert spec.size_bytes <= 2_000_000
    assert spec.licence == "Apache-2.0"
    assert set(spec.labels) >= DESK_LABELS
    assert 0 < spec.thresholds.floor < spec.thresholds.of("phone") < 1


@pytest.mark.parametrize("tier", TIERS)
def test_a_shipped_model_takes_and_gives_bytes(tier):
    interpreter = load_detector(load_model(ModelConfig(name=tier)))._interpreter
    tensors = interpreter.get_input_details() + interpreter.get_output_details()
    assert {np.dtype(each["dtype"]) for each in tensors} == {np.dtype(np.int8)}


@pytest.mark.parametrize("tier", TIERS)
def test_a_shipped_model_sees_who_sits_in_front_of_a_webcam(tier, shared_data: Path):
    pictures = sorted((shared_data / "webcam_dev" / "images").iterdir())[::20]
    spec = load_model(ModelConfig(name=tier))
    detector = load_detector(spec)
    missed = [
        path.name
        for path in pictures
        if not any(
            seen.label == "person" and seen.score >= spec.thresholds.of("person")
            for seen in detector.detect(Frame(load_picture(path), 0.0))
        )
    ]
    assert len(missed) <= len(pictures) // 5, missed
