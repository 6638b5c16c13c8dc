from __future__ import annotations

import numpy as np
import pytest

from edge.config import ModelConfig
from edge.domain import Box, Detection, Frame, Thresholds
from edge.vision import second_look
from edge.vision.manifest import Colour, Family, Fit, ModelInput, ModelSpec
from edge.vision.second_look import SecondLook, merged, where_to_look

THRESHOLDS = Thresholds(0.25, {"phone": 0.5, "person": 0.5})
SOMEBODY = Detection("person", 0.9, Box(0.2, 0.3, 0.9, 0.7))
FRAME = Frame(np.zeros((480, 640, 3), np.uint8), 1.0)


class Looks:
    """A detector that answers from a list, and remembers what it was shown."""

    labels = ("phone", "person")

    def __init__(self, whole, crop=()):
        self.whole, self.crop = tuple(whole), tuple(crop)
        self.shown: list[tuple[int, int]] = []

    def detect(self, frame: Frame) -> tuple[Detection, ...]:
        self.shown.append((frame.height_px, frame.width_px))
        return self.whole if frame.height_px == 480 else self.crop


@pytest.mark.parametrize(
    ("seen", "looks"),
    [
        pytest.param([SOMEBODY], True, id="somebody without a phone"),
        pytest.param([SOMEBODY, Detection("phone", 0.3, Box(0, 0, 0.1, 0.1))], True, id="unsure"),
        pytest.param([SOMEBODY, Detection("phone", 0.6, Box(0, 0, 0.1, 0.1))], False, id="sure"),
        pytest.param([], False, id="nobody"),
        pytest.param([Detection("person", 0.3, SOMEBODY.box)], False, id="perhaps nobody"),
        pytest.param([Detection("person", 0.9, Box(0, 0, 1, 1))], False, id="close already"),
    ],
)
def test_a_closer_look_is_taken_where_it_can_help(seen, looks):
    assert (where_to_look(seen, THRESHOLDS) is not None) is looks


def test_legs_are_not_looked_at():
    region = where_to_look([Detection("person", 0.9, Box(0.0, 0.4, 1.0, 0.6))], THRESHOLDS)
    assert region is not None
    assert region.ymax == pytest.approx(0.75)


def test_a_phone_of_the_second_look_is_where_it_is_in_the_picture():
    detector = Looks([SOMEBODY], [Detection("phone", 0.8, Box(0.5, 0.5, 0.75, 0.75))])
    seen = SecondLook(detector, THRESHOLDS, every=1).detect(FRAME)
    # The upper part with a margin of a tenth: 0.13 to 0.725 of the height, 0.26 to 0.74 of the
    # width.
    phone = next(d for d in seen if d.label == "phone")
    assert detector.shown == [(480, 640), (286, 308)]
    assert phone.box.ymin == pytest.approx(0.13 + 0.5 * 0.595, abs=0.005)
    assert phone.box.xmax == pytest.approx(0.26 + 0.75 * 0.48, abs=0.005)
    assert [d.score for d in seen] == [0.9, 0.8]


def test_looks_are_taken_twice_at_most_once_in_so_many_frames():
    detector = Looks([SOMEBODY])
    twice = SecondLook(detector, THRESHOLDS, every=4)
    for _ in range(12):
        twice.detect(FRAME)
    assert len(detector.shown) == twice.looks == 12 + 3


def test_while_the_second_look_finds_a_phone_every_frame_gets_one():
    phone = Detection("phone", 0.8, Box(0.4, 0.4, 0.5, 0.5))
    detector = Looks([SOMEBODY])
    twice = SecondLook(detector, THRESHOLDS, every=4)
    detector.crop = (phone,)
    for _ in range(5):
        assert any(d.label == "phone" for d in twice.detect(FRAME))
    assert twice.looks == 10
    detector.crop = ()
    for _ in range(9):
        twice.detect(FRAME)
    assert twice.looks == 10 + 9 + 3  # one that finds it gone, then one in four


def test_the_second_look_adds_phones_and_takes_nothing_away():
    weak = Detection("phone", 0.3, Box(0.5, 0.5, 0.6, 0.6))
    sure = Detection("phone", 0.7, Box(0.5, 0.5, 0.61, 0.6))
    other = Detection("phone", 0.2, Box(0.1, 0.1, 0.2, 0.2))
    cup = Detection("cup", 0.9, Box(0.1, 0.1, 0.2, 0.2))
    assert merged([SOMEBODY, weak], [sure, other, cup]) == (SOMEBODY, sure, other)
    assert merged([SOMEBODY, sure], [weak]) == (SOMEBODY, sure)


def test_the_configuration_decides_on_it(monkeypatch, tmp_path):
    spec = ModelSpec(
        "m",
        tmp_path / "m.tflite",
        Family.YOLOX,
        ModelInput(64, 64, Colour.RGB, Fit.LETTERBOX),
        ("phone", "person"),
        THRESHOLDS,
    )
    plain = Looks([SOMEBODY])
    monkeypatch.setattr(second_look, "load_detector", lambda _, threads: plain)
    assert second_look.open_detector(spec, ModelConfig()) is plain
    twice = second_look.open_detector(spec, ModelConfig(second_look=True, second_look_every=3))
    for _ in range(6):
        twice.detect(FRAME)
    assert len(plain.shown) == 6 + 2
