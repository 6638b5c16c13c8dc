"""The models in models/: what the manifest says of them is so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.config import ModelConfig
from edge.devices.camera_picture import load_picture
from edge.domain import Frame, Glance
from edge.vision.eyes import open_eyes
from edge.vision.manifest import default_path, load, load_eyes

SETS = ("normal", "fast")
DESK_LABELS = {"phone", "person", "remote", "mouse", "laptop", "book", "keyboard", "cup"}
MOST_BYTES = 6_000_000  # of all files together


def test_two_eyes_of_different_making_are_normal_and_one_is_fast():
    manifest = load(default_path())
    assert manifest.default == "normal"
    assert [len(manifest.eyes(name).eyes) for name in SETS] == [2, 1]


def test_the_shipped_files_are_small_whole_and_know_what_lies_on_desks():
    shipped = load_eyes(ModelConfig(name="normal")).eyes
    assert sum(spec.size_bytes for spec in shipped) <= MOST_BYTES
    for spec in shipped:
        assert spec.licence == "Apache-2.0"
        assert set(spec.labels) >= DESK_LABELS


@pytest.mark.parametrize("name", SETS)
def test_the_shipped_eyes_take_bytes(name):
    chosen = load_eyes(ModelConfig(name=name))
    for eye in open_eyes(chosen, ModelConfig()).eyes:
        (shown,) = eye._interpreter.get_input_details()
        assert np.dtype(shown["dtype"]) in (np.dtype(np.int8), np.dtype(np.uint8))


@pytest.mark.parametrize("eye", [0, 1])
def test_each_shipped_eye_sees_who_sits_in_front_of_a_webcam(eye, shared_data: Path):
    pictures = sorted((shared_data / "webcam_dev" / "images").iterdir())[::20]
    chosen = load_eyes(ModelConfig(name="normal"))
    eyes = open_eyes(chosen, ModelConfig())
    missed = [
        path.name
        for path in pictures
        if not any(
            seen.label == "person" and seen.score >= chosen.thresholds.of("person")
            for seen in eyes.look(Frame(load_picture(path), 0.0), Glance(eye=eye)).detections
        )
    ]
    assert len(missed) <= len(pictures) // 5, missed
