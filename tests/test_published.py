"""Networks of others, and what their outputs mean."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from edge.devices.camera_picture import load_picture
from edge.domain import PHONE, Frame
from edge.vision.manifest import ModelError
from tests.lab import published
from tests.lab.published import BINS, LABELS, PublishedDetector, cells, decode

COUNT = sum((416 // stride) ** 2 for stride in (8, 16, 32)) + 7 * 7


def outputs():
    return np.zeros((COUNT, len(LABELS)), np.float32), np.zeros((COUNT, 4 * BINS), np.float32)


def test_there_is_a_cell_for_each_row_of_the_outputs():
    places, strides = cells()
    assert len(places) == len(strides) == COUNT == 3598
    assert places[52 * 52 + 27].tolist() == [1, 1], "row and column of the second stride"
    assert strides[52 * 52 + 27] == 16


@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_a_box_is_as_far_from_its_cell_as_the_distributions_say(offset):
    probabilities, distances = outputs()
    cell = 52 * 52 + 10 * 26 + 13  # row 10, column 13 of stride 16
    probabilities[cell, LABELS.index(PHONE)] = 0.7
    for edge, strides in enumerate((1, 2, 3, 4)):  # left, top, right, bottom
        distances[cell, edge * BINS + strides] = 50
    found = decode(probabilities, distances, offset=offset, floor=0.1)
    y, x = (10 + offset) * 16, (13 + offset) * 16
    expected = np.array([y - 2 * 16, x - 16, y + 4 * 16, x + 3 * 16]) / 416
    assert found.boxes == pytest.approx(expected[None], abs=1e-5)
    assert found.scores == pytest.approx([0.7])
    assert LABELS[found.classes[0]] == PHONE


def test_an_undecided_distance_is_its_mean_and_what_is_below_the_floor_is_left_out():
    probabilities, distances = outputs()
    probabilities[0, 0], probabilities[-1, 0] = 0.3, 0.05
    found = decode(probabilities, distances, offset=0.0, floor=0.1)
    assert len(found.scores) == 1
    assert found.boxes[0, 2] * 416 == pytest.approx(3.5 * 8)
    assert not len(decode(*outputs(), offset=0.0, floor=0.1).scores)


@pytest.mark.parametrize("name", ["nanodet-plus-m_416.param", "picodet-s-416.param"])
def test_a_published_network_finds_the_phones_of_pictures(shared_data, name):
    if importlib.util.find_spec("ncnn") is None:
        pytest.skip("needs the package ncnn: deploy/setup.sh lab")
    from tests.lab.dataset import load_dataset

    pictures = load_dataset(shared_data / "dev")
    large = [
        (picture, max(t.box.area for t in picture.truths if t.label == PHONE))
        for picture in pictures
        if any(t.label == PHONE for t in picture.truths)
    ]
    large.sort(key=lambda each: -each[1])
    network = PublishedDetector(shared_data / "models" / name, floor=0.2, threads=1)
    hits = 0
    for picture, _ in large[:8]:
        truths = [truth.box for truth in picture.truths if truth.label == PHONE]
        seen = network.detect(Frame(load_picture(picture.path), 0.0))
        hits += any(d.label == PHONE and d.box.iou(t) >= 0.5 for d in seen for t in truths)
    assert hits >= 5


def test_a_file_of_another_name_is_refused(tmp_path):
    with pytest.raises(ModelError, match="none of the networks known"):
        PublishedDetector(tmp_path / "other.param", floor=0.1)
    with pytest.raises(ModelError, match=r"picodet-s\.param is missing"):
        PublishedDetector(tmp_path / "picodet-s.param", floor=0.1)


def test_without_the_package_it_says_how_to_get_it(tmp_path, monkeypatch):
    def missing(name):
        raise ImportError(f"No module named {name!r}")

    for suffix in (".param", ".bin"):
        (tmp_path / f"picodet-s{suffix}").write_text("")
    monkeypatch.setattr(published.importlib, "import_module", missing)
    with pytest.raises(ModelError, match=r"deploy/setup\.sh lab"):
        PublishedDetector(tmp_path / "picodet-s.param", floor=0.1)
