"""The runtime with real models: the references outside the project, and files that are none."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.devices.camera_picture import load_picture
from edge.domain import Frame, Thresholds
from edge.vision import tflite
from edge.vision.manifest import Colour, Family, Fit, ModelError, ModelInput, ModelSpec, load
from edge.vision.tflite import load_detector
from tests import reference

MODELS = [reference.SSD, reference.YOLOX_FLOAT, reference.YOLOX_INT8, reference.YOLOX_MIXED]


def spec_of(folder: Path, file: Path, **changes):
    shutil.copy(file, folder)
    table = reference.model_table(folder / file.name, **changes)
    return load(reference.write_manifest(folder, {"m": table})).models["m"]


@pytest.fixture
def models(shared_data: Path) -> Path:
    return shared_data / "models"


@pytest.mark.parametrize("name", MODELS)
def test_a_reference_model_sees_what_a_picture_shows(tmp_path, models, shared_data, name):
    detector = load_detector(spec_of(tmp_path, models / name))
    for picture, box in reference.large_people(shared_data, 4):
        seen = detector.detect(Frame(load_picture(picture), 0.0))
        assert [d.score for d in seen] == sorted((d.score for d in seen), reverse=True)
        overlaps = [d.box.iou(box) for d in seen if d.label == "person"]
        assert max(overlaps, default=0) > 0.5, f"{picture.name}: {seen}"


@pytest.mark.parametrize("name", MODELS)
def test_the_same_frame_gives_the_same_detections_whatever_came_between(tmp_path, models, name):
    detector = load_detector(spec_of(tmp_path, models / name, floor=0.01))
    random = np.random.default_rng(1)
    first = Frame(random.integers(0, 255, (480, 640, 3), dtype=np.uint8), 0.0)
    upright = Frame(random.integers(0, 255, (640, 300, 3), dtype=np.uint8), 1.0)
    before = detector.detect(first)
    detector.detect(upright)
    assert detector.detect(first) == before


def test_a_lower_floor_only_adds_detections(tmp_path, models):
    frame = Frame(np.random.default_rng(1).integers(0, 255, (480, 640, 3), dtype=np.uint8), 0.0)
    found = [
        load_detector(spec_of(tmp_path, models / reference.YOLOX_INT8, floor=floor)).detect(frame)
        for floor in (0.05, 0.01)
    ]
    assert found[1][: len(found[0])] == found[0]
    assert len(found[1]) > len(found[0])


@pytest.mark.parametrize(
    ("name", "changes", "fault"),
    [
        pytest.param(
            reference.YOLOX_INT8,
            {"labels": ["phone", "person", "cup"]},
            "its class heads have 80 channels, the manifest has 3 labels",
            id="labels",
        ),
        pytest.param(
            reference.YOLOX_INT8,
            {
                "input": {
                    "width": 640,
                    "height": 480,
                    "colour": "rgb",
                    "fit": "letterbox-top-left",
                    "pad": 114,
                }
            },
            "its input is 1x320x416x3, the manifest says 1x480x640x3",
            id="input",
        ),
        pytest.param(
            reference.SSD,
            {"family": "yolox"},
            "an output is 1x10x4; yolox heads are",
            id="an SSD for YOLOX",
        ),
        pytest.param(
            reference.YOLOX_INT8,
            {"family": "ssd"},
            "ssd has 1xNx4 boxes",
            id="YOLOX for an SSD",
        ),
    ],
)
def test_a_model_that_does_not_fit_its_manifest_is_refused(tmp_path, models, name, changes, fault):
    spec = spec_of(tmp_path, models / name, **changes)
    with pytest.raises(ModelError) as error:
        load_detector(spec)
    assert fault in str(error.value)
    assert str(error.value).startswith(name)
    assert "\n" not in str(error.value)


def by_hand(path: Path) -> ModelSpec:
    """A file that no manifest vouches for."""
    return ModelSpec(
        "by hand",
        path,
        Family.YOLOX,
        ModelInput(416, 320, Colour.BGR, Fit.LETTERBOX),
        ("phone", "person"),
        Thresholds(),
    )


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        pytest.param(b"", "is not a TensorFlow Lite model", id="empty"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(500), "is not a TensorFlow Lite", id="a picture"),
        pytest.param(None, "is missing", id="missing"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path, content, fault):
    path = tmp_path / "m.tflite"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=fault):
        load_detector(by_hand(path))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_model_cut_short_is_refused_and_crashes_nobody(tmp_path, models, share):
    whole = (models / reference.YOLOX_INT8).read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ModelError, match=r"cut short or damaged|cannot be"):
        load_detector(by_hand(path))


def test_a_runtime_that_is_not_there_is_named_in_both_its_forms(monkeypatch):
    monkeypatch.setattr(tflite, "RUNTIMES", ("no_such_runtime", "nor_this_one"))
    with pytest.raises(ModelError, match="install tflite-runtime or ai-edge-litert"):
        tflite.runtime()


class RefusingModule:
    """tflite-runtime 2.14 with numpy 2: it imports, and then this."""

    __name__ = "tflite_runtime.interpreter"

    def Interpreter(self, **_):  # noqa: N802 - the runtime's name
        raise SystemError("<built-in function> returned NULL without setting an exception")


def test_a_runtime_that_numpy_breaks_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(tflite, "runtime", lambda _: RefusingModule())
    path = tmp_path / "m.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3")
    with pytest.raises(ModelError, match=r"tflite_runtime does not work with numpy .*numpy<2"):
        tflite._interpreter(str(path), 1)


def test_the_runtime_is_not_loaded_before_a_model_is(tmp_path):
    code = (
        "import sys, edge.vision.manifest, edge.vision.tflite, edge.vision.scene\n"
        "print(sorted({'tflite_runtime', 'ai_edge_litert', 'av'} & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
