from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from edge.config import ModelConfig
from edge.domain import Box, Detection, Frame, Thresholds
from edge.vision import second_look
from edge.vision.manifest import Colour, Family, Fit, ModelInput, ModelSpec
from edge.vision.second_look import HINT, SecondLook, open_detector

SOMEBODY = Detection("person", 0.9, Box(0.2, 0.3, 0.9, 0.7))
GLIMPSE = Detection("phone", 0.2, Box(0.5, 0.5, 0.6, 0.6))  # its window: 0.3 to 0.8
FRAME = Frame(np.zeros((400, 600, 3), np.uint8), 1.0)
LARGE = Frame(np.zeros((960, 1280, 3), np.uint8), 1.0)  # of which a window is twice as sharp


class Looks:
    """A detector that answers from two lists, for pictures and for windows of them, and remembers
    what it was shown."""

    labels = ("phone", "person", "wallet")

    def __init__(self, whole, window=()):
        self.whole, self.window = tuple(whole), tuple(window)
        self.shown: list[tuple[int, int]] = []

    def detect(self, frame: Frame) -> tuple[Detection, ...]:
        self.shown.append((frame.height_px, frame.width_px))
        return self.whole if frame.height_px in (400, 960) else self.window


def twice(detector, *, floor=0.01, rivals=("wallet",), every=1):
    return SecondLook(detector, floor=floor, rivals=rivals, every=every)


def phone(score, *edges):
    return Detection("phone", score, Box(*edges))


def in_window(score):
    """What the closer look at GLIMPSE's window says when it finds it just there."""
    return phone(score, 0.4, 0.4, 0.6, 0.6)


def scores(detections):
    return [round(d.score, 2) for d in detections if d.label == "phone"]


@pytest.mark.parametrize(
    ("seen", "looks"),
    [
        pytest.param([SOMEBODY], 1, id="nothing that may be a phone"),
        pytest.param([phone(0.04, 0.5, 0.5, 0.6, 0.6)], 1, id="next to nothing"),
        pytest.param([GLIMPSE], 2, id="perhaps a phone, and nobody there"),
        pytest.param([phone(0.79, 0.5, 0.5, 0.6, 0.6)], 2, id="rather surely one"),
        pytest.param([phone(0.81, 0.5, 0.5, 0.6, 0.6)], 1, id="surely one"),
        pytest.param([phone(0.3, 0.1, 0.1, 0.6, 0.3)], 1, id="as close as can be"),
    ],
)
def test_a_closer_look_is_taken_at_what_may_be_a_phone(seen, looks):
    detector = Looks(seen)
    twice(detector).detect(FRAME)
    assert len(detector.shown) == looks


@pytest.mark.parametrize(
    ("first", "closer", "together"),
    [
        pytest.param(0.2, 0.8, 0.5, id="a glimpse that proves a phone"),
        pytest.param(0.6, 0.6, 0.6, id="both agree"),
        pytest.param(0.5, None, 0.09, id="nothing there, when looked at closely"),
        pytest.param(0.5, 0.0, 0.09, id="a score of 0 is not endlessly sure"),
    ],
)
def test_both_looks_count_the_same(first, closer, together):
    window = [] if closer is None else [in_window(closer)]
    detector = Looks([phone(first, 0.5, 0.5, 0.6, 0.6)], window)
    (found,) = twice(detector).detect(FRAME)
    assert found.score == pytest.approx(together, abs=0.005)
    # The box stays that of the first look, which every frame has: nothing seems to move.
    assert found.box == GLIMPSE.box


def test_the_window_is_half_the_picture_around_the_thing_and_within_it():
    for at, corner in ((0.5, 0.3), (0.05, 0.0), (0.9, 0.5)):
        seen = phone(0.2, at, at, at + 0.1, at + 0.1)
        detector = Looks([seen], [phone(0.9, 0.1, 0.1, 0.2, 0.2)])
        found = twice(detector).detect(FRAME)
        assert detector.shown == [(400, 600), (200, 300)]
        only_there = min(found, key=lambda d: d.box.ymin)
        assert only_there.box.ymin == pytest.approx(corner + 0.05, abs=0.003)
        assert only_there.box.ymax == pytest.approx(corner + 0.1, abs=0.003)


def test_a_larger_thing_gets_a_larger_window():
    detector = Looks([phone(0.3, 0.2, 0.2, 0.5, 0.3)])
    twice(detector).detect(FRAME)
    assert detector.shown[1] == (240, 300)


def test_what_only_the_closer_look_sees_is_worth_little():
    detector = Looks([GLIMPSE], [in_window(0.2), phone(0.9, 0.1, 0.7, 0.3, 0.9)])
    assert scores(twice(detector).detect(FRAME)) == [0.23, 0.2]


def test_other_labels_are_left_to_the_first_look():
    closer = [in_window(0.8), Detection("wallet", 0.9, Box(0.4, 0.4, 0.6, 0.6))]
    found = twice(Looks([SOMEBODY, GLIMPSE], closer)).detect(FRAME)
    assert [d.label for d in found] == ["person", "phone"]


def test_a_wallet_of_the_first_look_speaks_against_a_phone_of_the_second():
    wallet = Detection("wallet", 0.6, GLIMPSE.box)
    plain = twice(Looks([wallet, GLIMPSE], [in_window(0.6)]), rivals=())
    against = twice(Looks([wallet, GLIMPSE], [in_window(0.6)]))
    assert scores(plain.detect(FRAME)) == [0.38]
    assert scores(against.detect(FRAME)) == [0.25]  # of 0.6 a claim of 0.6 leaves half


def test_scores_below_the_floor_are_not_reported():
    detector = Looks([phone(0.1, 0.5, 0.5, 0.6, 0.6), Detection("person", 0.2, SOMEBODY.box)])
    assert twice(detector, floor=0.25).detect(FRAME) == ()
    detector.window = (in_window(0.9),)
    assert scores(twice(detector, floor=0.25).detect(FRAME)) == [0.5]


def test_there_is_one_closer_look_in_so_many_frames_and_a_few_are_saved_up():
    detector = Looks([GLIMPSE], [in_window(0.8)])
    looks = twice(detector, every=4)
    for _ in range(400):
        # What the last one said holds in between.
        assert scores(looks.detect(FRAME)) == [0.5]
    assert len(detector.shown) == looks.looks == 400 + 100 + 1
    # What is new is looked at on the spot, as often as looks are left, and on credit.
    seen = []
    for step in range(5):
        left = 0.1 + 0.2 * step
        detector.whole = (phone(0.2, 0.1, left, 0.2, left + 0.1),)
        before = looks.looks
        looks.detect(FRAME)
        seen.append(looks.looks - before)
    assert seen == [2, 2, 2, 1, 2]


def test_what_was_said_does_not_hold_for_what_is_elsewhere():
    detector = Looks([GLIMPSE], [in_window(0.8)])
    looks = twice(detector, every=100, floor=0.18)
    looks.detect(FRAME)
    detector.whole, detector.window = (phone(0.2, 0.1, 0.1, 0.2, 0.2),), ()
    assert scores(looks.detect(FRAME)) == []  # nothing is found there
    detector.whole = (GLIMPSE,)
    assert scores(looks.detect(FRAME)) == []


def test_what_was_said_is_forgotten():
    detector = Looks([GLIMPSE], [in_window(0.8)])
    looks = twice(detector, every=3)
    looks.detect(FRAME)
    # Surely a phone by now: not looked at again, and after three turns the first look is right.
    detector.whole = (phone(0.9, 0.5, 0.5, 0.6, 0.6),)
    assert [scores(looks.detect(FRAME)) for _ in range(10)] == [[0.86]] * 8 + [[0.9]] * 2


def test_of_two_things_each_has_its_turn():
    left, right = phone(0.3, 0.5, 0.0, 0.6, 0.1), phone(0.2, 0.5, 0.9, 0.6, 1.0)
    detector = Looks([left, right], [])
    looks = twice(detector, every=2)
    judged = [scores(looks.detect(FRAME)) for _ in range(2)]
    # Nothing is found at the left one, then at the right one.
    assert judged == [[0.2, 0.06], [0.06, 0.05]]


def test_what_a_window_cuts_off_says_nothing():
    cut_off = phone(0.9, 0.4, 0.9, 0.6, 1.0)  # at the right edge of the window
    assert scores(twice(Looks([GLIMPSE], [in_window(0.2), cut_off])).detect(FRAME)) == [0.2]
    # The same at the edge of the picture is there as a whole.
    glimpse = phone(0.2, 0.5, 0.9, 0.6, 0.97)
    seen = twice(Looks([glimpse], [cut_off])).detect(FRAME)
    assert max(d.box.xmax for d in seen) == 1


# ---------------------------------------------------------------- of a camera with more pixels


def test_the_sharper_look_counts_for_more_and_says_where_the_thing_is():
    detector = Looks([GLIMPSE], [phone(0.8, 0.35, 0.38, 0.65, 0.62)])
    (found,) = twice(detector).detect(LARGE)
    assert detector.shown == [(960, 1280), (320, 427)]
    assert found.score == pytest.approx(0.72, abs=0.01)
    height = 320 / 960
    assert found.box.ymin == pytest.approx(0.55 - height / 2 + 0.35 * height, abs=0.002)


def test_who_sits_there_is_looked_at_part_by_part():
    detector = Looks([Detection("person", 0.9, Box(0.1, 0.3, 0.8, 0.7))])
    windows = []
    looks = SecondLook(
        detector,
        floor=0.25,
        rivals=(),
        every=2,
        glance=lambda _, window: windows.append(window) or (),
    )
    for _ in range(6):
        looks.detect(LARGE)
    # In every other frame instead of the whole picture, and with what may be spent besides.
    assert [(w.ymin, w.ymax) for w in windows] == [(0.3, 0.8), (0.1, 0.6)] * 3
    assert all((w.xmin, w.xmax) == (0.25, 0.75) for w in windows)
    looks.detect(FRAME)  # of which a window would show nothing new
    looks.detect(FRAME)
    assert len(windows) == 6


class Desk:
    """Somebody with a phone that the whole of a large picture does not show, as windows do."""

    labels = ("phone", "person")
    there = Box(0.5, 0.45, 0.6, 0.5)
    whole = ()
    seen = True

    def __init__(self):
        self.whole_looks = self.windows = 0
        self.precise = 0  # of these those around the phone, and not around somebody

    def detect(self, frame):
        self.whole_looks += 1
        return (Detection("person", 0.9, Box(0.1, 0.3, 0.8, 0.7)), *self.whole)

    def glance(self, _, window):
        self.windows += 1
        self.precise += math.dist(window.center, self.there.center) < 0.01
        if not self.seen or window.intersection(self.there) < 0.99 * self.there.area:
            return ()
        top, left = self.there.ymin - window.ymin, self.there.xmin - window.xmin
        box = Box(
            top / window.height,
            left / window.width,
            (top + self.there.height) / window.height,
            (left + self.there.width) / window.width,
        )
        return (Detection("phone", 0.9, box),)


def test_what_only_windows_show_is_kept_in_sight_at_no_more_inferences():
    desk = Desk()
    looks = SecondLook(desk, floor=0.25, rivals=(), every=4, glance=desk.glance)
    found = [looks.detect(LARGE) for _ in range(40)]
    first = next(i for i, detections in enumerate(found) if scores(detections))
    assert first <= 4  # the second window of the sitter
    assert all(scores(detections) for detections in found[first:])
    assert all(any(d.label == "person" for d in detections) for detections in found)
    box = next(d.box for d in found[-1] if d.label == "phone")
    assert box.iou(desk.there) > 0.9
    assert looks.looks == desk.whole_looks + desk.windows <= 40 * 1.25 + 1
    assert 8 <= desk.whole_looks <= 20
    desk.seen = False
    assert [scores(looks.detect(LARGE)) for _ in range(3)][-1] == []


def test_a_thing_keeps_what_was_said_of_it_and_its_box_while_it_lies_and_while_it_moves():
    desk = Desk()
    looks = SecondLook(desk, floor=0.25, rivals=(), every=4, glance=desk.glance)

    def found(aside, tremble):
        """The phone, so far aside by now; in the whole picture it is half seen, and trembles."""
        desk.there = Box(0.5, 0.45 + aside, 0.6, 0.5 + aside)
        desk.whole = (phone(0.1, 0.5, 0.45 + aside + tremble, 0.61, 0.5 + aside),)
        (one,) = [d for d in looks.detect(LARGE) if d.label == "phone"]
        return one

    still = [found(0.0, 0.004 * (-1) ** step) for step in range(20)]
    assert all(d.score == pytest.approx(0.82, abs=0.01) for d in still)
    assert all(d.box.xmin == pytest.approx(0.45, abs=0.002) for d in still)
    for step in range(1, 12):
        moved = found(0.02 * step, 0.0)
        assert moved.score > 0.75
        assert moved.box.xmin == pytest.approx(desk.there.xmin, abs=0.041)


def test_a_box_of_which_no_look_says_anything_new_is_reported_as_a_repetition():
    desk = Desk()
    desk.whole = (phone(0.1, 0.5, 0.45, 0.6, 0.5),)
    shown = []

    def glance(frame, window):
        shown.extend(found := desk.glance(frame, window))
        return found

    looks = SecondLook(desk, floor=0.25, rivals=(), every=4, glance=glance)
    repeated = []
    for _ in range(20):
        shown.clear()
        (one,) = [d for d in looks.detect(LARGE) if d.label == "phone"]
        assert one.repeated or shown
        repeated.append(one.repeated)
    assert set(repeated) == {False, True}


def test_the_whole_of_a_large_picture_is_not_believed_alone():
    desk = Desk()
    desk.seen = False
    looks = SecondLook(desk, floor=0.01, rivals=(), every=4, glance=desk.glance)
    for left in (0.1, 0.3, 0.5, 0.7, 0.9):
        desk.whole = (phone(0.9, 0.1, left, 0.2, left + 0.1),)
        for _ in range(3):
            assert max(scores(looks.detect(LARGE)), default=0) < 0.05


def test_what_fills_the_picture_needs_no_closer_look():
    desk = Desk()
    desk.seen = False
    desk.whole = (phone(0.7, 0.2, 0.2, 0.9, 0.6),)
    looks = SecondLook(desk, floor=0.25, rivals=(), every=4, glance=desk.glance)
    for _ in range(12):
        assert scores(looks.detect(LARGE)) == [0.7]


def test_what_is_new_is_looked_at_closely_at_once():
    desk = Desk()
    looks = SecondLook(desk, floor=0.25, rivals=(), every=4, glance=desk.glance)
    desk.there = Box(0.1, 0.1, 0.2, 0.15)  # where nobody sits
    for _ in range(20):
        assert scores(looks.detect(LARGE)) == []
    desk.whole = (phone(0.1, 0.1, 0.1, 0.2, 0.15),)
    assert scores(looks.detect(LARGE)) == [0.82]


def test_what_is_taken_away_is_looked_for_around_and_in_the_whole_picture_at_once():
    desk = Desk()
    desk.there = Box(0.8, 0.45, 0.9, 0.5)
    desk.whole = (phone(0.2, 0.8, 0.45, 0.9, 0.5),)
    looks = SecondLook(desk, floor=0.25, rivals=(), every=4, glance=desk.glance)
    for _ in range(20):
        assert scores(looks.detect(LARGE)) == [0.84]
    desk.there = Box(0.5, 0.35, 0.6, 0.4)
    desk.whole = (phone(0.2, 0.5, 0.35, 0.6, 0.4),)
    found = [looks.detect(LARGE) for _ in range(3)]
    phones = [[d for d in detections if d.label == "phone"] for detections in found]
    assert [d.box.iou(desk.there) > 0.8 for d in phones[-1]] == [True]
    # What moves by more than a window shows is found around where it was, though the whole picture
    # does not show it any more.
    desk.there, desk.whole = Box(0.55, 0.5, 0.65, 0.55), ()
    found = [looks.detect(LARGE) for _ in range(3)]
    assert any(d.label == "phone" and d.box.iou(desk.there) > 0.8 for d in found[-1])


def test_what_closer_looks_say_is_no_phone_leaves_them_to_others():
    desk = Desk()
    desk.seen = False
    desk.whole = (phone(0.2, 0.1, 0.1, 0.2, 0.2),)
    around_it = []
    looks = SecondLook(
        desk,
        floor=0.25,
        rivals=(),
        every=4,
        glance=lambda _, window: around_it.append(window.contains(0.15, 0.15)) or (),
    )
    for _ in range(40):
        looks.detect(LARGE)
    assert sum(around_it) == 1
    assert len(around_it) > 20  # the rest went to who sits there
    for _ in range(40):
        looks.detect(LARGE)
    assert sum(around_it) == 2  # it is not left alone for ever
    # And it is looked at again when it seems to be something else.
    desk.whole = (phone(0.5, 0.1, 0.1, 0.2, 0.2),)
    for _ in range(2):
        looks.detect(LARGE)
    assert sum(around_it) == 3


def test_what_no_window_shows_as_a_whole_is_not_looked_at_for_ever():
    desk = Desk()
    desk.seen = False
    desk.whole = (phone(0.9, 0.95, 0.4, 1.06, 0.5),)  # it reaches out of the picture
    looks = SecondLook(desk, floor=0.25, rivals=(), every=4, glance=desk.glance)
    for _ in range(12):
        looks.detect(LARGE)
    assert desk.whole_looks >= 6
    assert desk.windows >= 6


def test_where_something_may_be_a_phone_is_told_if_wanted():
    desk = Desk()
    desk.seen = False
    desk.whole = (phone(0.6, 0.1, 0.1, 0.2, 0.2),)
    options = {"floor": 0.25, "rivals": (), "every": 4, "glance": desk.glance}
    plain, telling = SecondLook(desk, **options), SecondLook(desk, glimpses=True, **options)
    for _ in range(8):
        assert [d.label for d in plain.detect(LARGE)] == ["person"]
        seen = telling.detect(LARGE)
        assert [(d.label, d.score) for d in seen] == [("person", 0.9), ("glimpse", 0.6)]
        assert seen[1].box == Box(0.1, 0.1, 0.2, 0.2)


def test_a_bad_moment_is_evened_out_by_the_looks_around_it():
    desk = Desk()
    desk.whole = (phone(0.3, 0.5, 0.45, 0.6, 0.5),)
    looks = SecondLook(desk, floor=0.01, rivals=(), every=4, glance=desk.glance)

    def after_another_look():
        before = desk.precise
        while desk.precise == before:
            found = scores(looks.detect(LARGE))
        return max(found)

    assert [after_another_look() for _ in range(3)] == [0.85, 0.85, 0.85]
    desk.seen = False
    assert after_another_look() == pytest.approx(0.24, abs=0.02)
    desk.seen = True
    assert after_another_look() == pytest.approx(0.57, abs=0.02)


@pytest.mark.parametrize(
    "later",
    [
        pytest.param(replace(LARGE, at_s=301.0), id="after a break"),
        pytest.param(replace(LARGE, at_s=0.0), id="of a film that begins anew"),
        pytest.param(replace(LARGE, name="another.jpg"), id="of another picture"),
    ],
)
def test_what_was_said_is_not_said_of_another_scene(later):
    desk = Desk()
    looks = SecondLook(desk, floor=0.25, rivals=(), every=4, glance=desk.glance)
    while not scores(looks.detect(LARGE)):
        pass
    desk.seen = False
    assert scores(looks.detect(later)) == []


def test_a_picture_too_small_to_look_closer_at_is_not():
    detector = Looks([GLIMPSE])
    detector.detect = lambda frame: (detector.shown.append(0), (GLIMPSE,))[1]
    twice(detector).detect(Frame(np.zeros((10, 10, 3), np.uint8), 1.0))
    assert len(detector.shown) == 1


def test_the_configuration_decides_on_it(monkeypatch, tmp_path):
    spec = ModelSpec(
        "m",
        tmp_path / "m.tflite",
        Family.YOLOX,
        ModelInput(64, 64, Colour.RGB, Fit.LETTERBOX),
        ("phone", "person"),
        Thresholds(0.25, {"phone": 0.5, "person": 0.5}),
    )
    plain = Looks([GLIMPSE], [in_window(0.8)])
    asked = []

    def load(spec, threads, runtime_name):
        asked.append(spec.thresholds.floor)
        return plain

    monkeypatch.setattr(second_look, "load_detector", load)
    assert open_detector(spec, ModelConfig(second_look=False)) is plain
    looks = open_detector(spec, ModelConfig(second_look_every=3))
    # The detector tells of a glimpse; the box hears of what is left after the closer look.
    assert asked == [0.25, HINT]
    for _ in range(30):
        assert scores(looks.detect(FRAME)) == [0.5]
    assert len(plain.shown) == 30 + 10 + 1
