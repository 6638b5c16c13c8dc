"""The files of NanoDet and PicoDet: what they hold, and that it sees."""

from __future__ import annotations

import platform
import struct
from dataclasses import replace

import numpy as np
import pytest

from edge.devices.camera_picture import load_picture
from edge.domain import Frame
from edge.vision import tflite
from edge.vision.manifest import ModelError, check_file, default_path, load
from edge.vision.tflite import load_detector, one_computation
from tests import reference

EYES = ("nanodet", "picodet")
MOST_BYTES = 2_000_000


@pytest.fixture(params=EYES)
def eye(request):
    spec = load(default_path()).models[request.param]
    check_file(spec)
    return spec


def computed_in(monkeypatch, spec, *, in_float):
    monkeypatch.setattr(tflite, "_slow_in_int8", lambda module: in_float)
    return load_detector(spec, threads=1)


def test_an_eye_is_small_and_its_licence_is_told(eye):
    assert eye.size_bytes <= MOST_BYTES
    assert eye.licence == "Apache-2.0"


def test_of_its_two_computations_one_is_loaded(monkeypatch, eye):
    kinds = {}
    for in_float in (False, True):
        interpreter = computed_in(monkeypatch, eye, in_float=in_float)._interpreter
        (given,) = interpreter.get_input_details()
        assert given["dtype"] == np.int8
        kinds[in_float] = {np.dtype(each["dtype"]) for each in interpreter.get_output_details()}
    assert kinds == {False: {np.dtype(np.int8)}, True: {np.dtype(np.float32)}}


def test_both_computations_see_the_same(monkeypatch, shared_data, eye):
    shown = sorted((shared_data / "dev" / "images").iterdir())[::60]
    both = [computed_in(monkeypatch, eye, in_float=each) for each in (False, True)]
    apart = []
    for path in shown:
        picture = Frame(load_picture(path), 0.0)
        int8, real = (detector.detect(picture) for detector in both)
        for seen in real:
            if seen.score < 0.4:
                continue
            like = [d for d in int8 if d.label == seen.label and d.box.iou(seen.box) > 0.7]
            apart.append(abs(max((d.score for d in like), default=0.0) - seen.score))
    assert len(apart) >= 3
    assert np.median(apart) < 0.05, apart


def test_people_are_found_where_they_are(shared_data, eye):
    """The picture is stretched and turned on its way in, and the boxes turned back."""
    detector = load_detector(eye, threads=1)
    for picture, box in reference.large_people(shared_data, 6):
        seen = detector.detect(Frame(load_picture(picture), 0.0))
        overlaps = [d.box.iou(box) for d in seen if d.label == "person"]
        assert max(overlaps, default=0) > 0.6, f"{picture.name}: {seen}"


def test_a_file_of_one_computation_stays_as_it_is():
    content = (default_path().parent / "picodet-features.tflite").read_bytes()
    assert one_computation(content, in_float=True) == content


@pytest.mark.parametrize("length", [0, 3, 8, 40, 1000])
def test_of_a_file_cut_short_nothing_is_changed_and_nothing_breaks(eye, length):
    content = eye.path.read_bytes()[:length]
    assert one_computation(content, in_float=True) == content


def test_numbers_that_point_nowhere_break_nothing():
    random = np.random.default_rng(5)
    for _ in range(200):
        content = struct.pack("<I", int(random.integers(0, 80))) + random.bytes(60)
        one_computation(content, in_float=True)


@pytest.mark.parametrize(
    ("machine", "module", "slow"),
    [
        ("x86_64", "tflite_runtime.interpreter", True),
        ("AMD64", "tflite_runtime.interpreter", True),
        ("aarch64", "tflite_runtime.interpreter", False),
        ("x86_64", "ai_edge_litert.interpreter", False),
    ],
)
def test_int8_is_left_where_it_is_slow(monkeypatch, machine, module, slow):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    known = type("Module", (), {"__name__": module})
    assert tflite._slow_in_int8(known()) is slow


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"labels": ("phone", "person")}, "its class heads have 9 channels, the manifest has 2"),
        ({"labels": tuple(map(str, range(32)))}, "32 labels cannot be told from the other heads"),
    ],
)
def test_an_eye_that_does_not_fit_its_manifest_is_refused(eye, changes, fault):
    with pytest.raises(ModelError) as error:
        load_detector(replace(eye, **changes))
    assert fault in str(error.value)
