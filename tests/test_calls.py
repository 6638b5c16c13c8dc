"""A phone at somebody's ear, told by the whole of their head."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge.domain import PERSON, PHONE, Box, Detection
from edge.vision.calls import MOST, OFFSET, Cells, about_head, with_calls
from edge.vision.decode import CALL_FLOOR, FINEST, GflDecoder, GflHead, GflQuant
from edge.vision.preprocess import Placed, Quant

WHOLE = Placed(1.0, 1.0)
SITTER = Detection(PERSON, 0.8, Box(0.1, 0.2, 1.0, 0.8))
AT_EAR = Box(0.2, 0.3, 0.3, 0.4)
ON_DESK = Box(0.8, 0.3, 0.9, 0.4)


def cells(*told: tuple[Box, float]) -> Cells:
    boxes = np.array([(b.ymin, b.xmin, b.ymax, b.xmax) for b, _ in told], np.float32)
    return Cells(boxes.reshape(-1, 4), np.array([logit for _, logit in told], np.float32))


def logit(score: float) -> float:
    return math.log(score / (1 - score))


def phones(found: tuple[Detection, ...]) -> list[tuple[float, Box]]:
    return [(d.score, d.box) for d in found if d.label == PHONE]


def test_what_many_cells_about_a_head_say_adds_up():
    other = Box(0.22, 0.32, 0.32, 0.42)
    ((score, box),) = phones(with_calls([SITTER], cells((other, 5.0), (AT_EAR, 6.0)), WHOLE))
    assert logit(score) == pytest.approx(math.log(math.exp(5) + math.exp(6)) + OFFSET, abs=1e-4)
    assert (box.ymin, box.xmax) == pytest.approx((AT_EAR.ymin, AT_EAR.xmax))


def test_where_no_phone_is_seen_it_is_never_enough_for_a_sound():
    ((score, _),) = phones(with_calls([SITTER], cells((AT_EAR, 30.0)), WHOLE))
    assert score == MOST


def test_a_phone_that_is_seen_there_is_surer_by_it():
    seen = Detection(PHONE, 0.3, Box(0.2, 0.3, 0.31, 0.41))
    ((score, box),) = phones(with_calls([SITTER, seen], cells((AT_EAR, 9.0)), WHOLE))
    assert logit(score) == pytest.approx(math.log(math.exp(logit(0.3)) + math.exp(1.0)), abs=1e-4)
    assert box == seen.box
    elsewhere = Detection(PHONE, 0.3, ON_DESK)
    found = phones(with_calls([SITTER, elsewhere], cells((AT_EAR, 7.0)), WHOLE))
    assert sorted(score for score, _ in found) == pytest.approx([1 / (1 + math.e), 0.3])


@pytest.mark.parametrize(
    ("people", "told"),
    [
        pytest.param([SITTER], [(ON_DESK, 9.0)], id="in the lap"),
        pytest.param([], [(AT_EAR, 9.0)], id="nobody"),
        pytest.param([Detection(PERSON, 0.19, SITTER.box)], [(AT_EAR, 9.0)], id="hardly anybody"),
        pytest.param([SITTER], [(AT_EAR, 4.0)], id="hardly a call"),
        pytest.param([SITTER], [], id="no cell says anything"),
    ],
)
def test_else_everything_stays_as_it_was(people, told):
    assert with_calls(people, cells(*told), WHOLE) == tuple(people)


def test_the_two_largest_people_are_looked_at():
    row = [Detection(PERSON, 0.9, Box(0.0, x, 0.9, x + w)) for x, w in ((0, 0.4), (0.5, 0.3))]
    small = Detection(PERSON, 0.9, Box(0.0, 0.85, 0.5, 0.95))
    heads = [Box(0.1, x, 0.2, x + 0.05) for x in (0.2, 0.6, 0.88)]
    found = phones(with_calls([small, *row], cells(*((head, 8.0) for head in heads)), WHOLE))
    assert sorted(round(box.xmin, 2) for _, box in found) == [0.2, 0.6]


def test_a_head_is_the_upper_third_and_a_hand_beside_it():
    head = about_head(Box(0.1, 0.2, 1.0, 0.8))
    assert (head.ymin, head.xmin, head.ymax, head.xmax) == pytest.approx((0.055, 0.11, 0.4, 0.89))


def test_a_picture_that_fills_a_part_of_the_input_is_told_in_its_own_shares():
    half = cells((Box(0.1, 0.3, 0.15, 0.4), 9.0))
    ((_, box),) = phones(with_calls([SITTER], half, Placed(0.5, 1.0)))
    assert (box.ymin, box.ymax) == pytest.approx((0.2, 0.3))


# ---------------------------------------------------------------- its row of the heads


def decoder(**options: bool) -> GflDecoder:
    none = Quant(0.0, 0)
    return GflDecoder(
        [GflQuant(8, none, none), GflQuant(16, none, none)],
        width_px=160,
        height_px=160,
        centre=0.5,
        turned=False,
        floor=0.05,
        nms_iou=0.6,
        **options,
    )


def heads(labels: int = 3) -> list[GflHead]:
    """Logits of -9, and boxes that reach three strides to each side."""
    made = []
    for side in (20, 10):
        bins = np.full((side, side, 4, 8), -20.0, np.float32)
        bins[..., 3] = 20.0
        classes = np.full((side, side, labels), -9.0, np.float32)
        made.append(GflHead(classes, bins.reshape(side, side, 32)))
    return made


def test_the_row_of_calls_makes_no_box_of_its_own():
    shown = heads()
    shown[1].classes[4, 5] = (-9.0, 2.0, 7.0)
    found = decoder(call=True)(shown)
    assert found.classes.tolist() == [1]
    assert decoder()(shown).classes.tolist() == [2, 1]


def test_each_cell_that_says_something_of_a_call_is_told():
    shown = heads()
    shown[1].classes[4, 5, 2] = CALL_FLOOR
    shown[1].classes[4, 6, 2] = CALL_FLOOR - 0.1
    shown[0].classes[2, 3] = (-4.0, -9.0, 1.5)
    told = decoder(call=True).calls(shown, phone=0)
    assert told.logits.tolist() == [1.5, CALL_FLOOR]
    fine = [(2.5 - 3) * 8, (3.5 - 3) * 8, (2.5 + 3) * 8, (3.5 + 3) * 8]
    coarse = [(4.5 - 3) * 16, (5.5 - 3) * 16, (4.5 + 3) * 16, (5.5 + 3) * 16]
    assert (told.boxes * 160).tolist() == pytest.approx(np.array([fine, coarse]), abs=1e-3)


def test_of_the_finest_cells_those_with_a_trace_of_a_phone_are_heard():
    shown = heads()
    shown[0].classes[..., 2] = 3.0
    traces = np.linspace(-9, -3, 400).reshape(20, 20)
    shown[0].classes[..., 0] = traces
    told = decoder(call=True).calls(shown, phone=0)
    assert len(told.logits) == FINEST
    assert (told.boxes[:, 0] * 160).min() >= (10.5 - 3) * 8 - 1e-3


def test_nothing_said_is_no_cell():
    told = decoder(call=True).calls(heads(), phone=0)
    assert (told.boxes.shape, told.logits.shape) == ((0, 4), (0,))
