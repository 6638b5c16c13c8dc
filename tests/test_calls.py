"""A phone at somebody's ear, told by the whole of their head."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge.config import ObserveConfig
from edge.desk.calls import MOST, called
from edge.desk.tracks import candidates
from edge.domain import PERSON, PHONE, WHOLE_PICTURE, Box, Call, Detection, Glance, Look
from edge.vision.calls import OFFSET, Cells, about_head, calls
from edge.vision.decode import CALL_FLOOR, FINEST, GflDecoder, GflHead, GflQuant
from edge.vision.preprocess import Placed, Quant
from edge.vision.still import agreed, joined

WHOLE = Placed(1.0, 1.0)
SITTER = Detection(PERSON, 0.8, Box(0.1, 0.2, 1.0, 0.8))
AT_EAR = Box(0.2, 0.3, 0.3, 0.4)
ON_DESK = Box(0.8, 0.3, 0.9, 0.4)


def cells(*told: tuple[Box, float]) -> Cells:
    boxes = np.array([(b.ymin, b.xmin, b.ymax, b.xmax) for b, _ in told], np.float32)
    return Cells(boxes.reshape(-1, 4), np.array([logit for _, logit in told], np.float32))


def call(log_odds: float, box: Box = AT_EAR, person: Box = SITTER.box) -> Call:
    return Call(person, log_odds, box)


def logit(score: float) -> float:
    return math.log(score / (1 - score))


# ---------------------------------------------------------------- of cells


def test_what_many_cells_about_a_head_say_adds_up():
    other = Box(0.22, 0.32, 0.32, 0.42)
    (told,) = calls([SITTER], cells((other, 5.0), (AT_EAR, 6.0)), WHOLE)
    assert told.log_odds == pytest.approx(math.log(math.exp(5) + math.exp(6)) + OFFSET, abs=1e-4)
    assert told.person == SITTER.box
    assert (told.box.ymin, told.box.xmax) == pytest.approx((AT_EAR.ymin, AT_EAR.xmax))


@pytest.mark.parametrize(
    ("people", "told"),
    [
        pytest.param([SITTER], [(ON_DESK, 9.0)], id="in the lap"),
        pytest.param([], [(AT_EAR, 9.0)], id="nobody"),
        pytest.param([Detection(PERSON, 0.19, SITTER.box)], [(AT_EAR, 9.0)], id="hardly anybody"),
        pytest.param([Detection(PHONE, 0.9, SITTER.box)], [(AT_EAR, 9.0)], id="a thing"),
        pytest.param([SITTER], [], id="no cell says anything"),
    ],
)
def test_there_is_no_call_without_a_head_that_says_so(people, told):
    assert calls(people, cells(*told), WHOLE) == ()


def test_the_two_largest_people_are_heard():
    row = [Detection(PERSON, 0.9, Box(0.0, x, 0.9, x + w)) for x, w in ((0, 0.4), (0.5, 0.3))]
    small = Detection(PERSON, 0.9, Box(0.0, 0.85, 0.5, 0.95))
    heads = [Box(0.1, x, 0.2, x + 0.05) for x in (0.2, 0.6, 0.88)]
    found = calls([small, *row], cells(*((head, 8.0) for head in heads)), WHOLE)
    assert [each.person for each in found] == [each.box for each in row]


def test_a_head_is_the_upper_third_and_a_hand_beside_it():
    head = about_head(Box(0.1, 0.2, 1.0, 0.8))
    assert (head.ymin, head.xmin, head.ymax, head.xmax) == pytest.approx((0.055, 0.11, 0.4, 0.89))


def test_a_picture_that_fills_a_part_of_the_input_is_told_in_its_own_shares():
    (told,) = calls([SITTER], cells((Box(0.1, 0.3, 0.15, 0.4), 9.0)), Placed(0.5, 1.0))
    assert (told.box.ymin, told.box.ymax) == pytest.approx((0.2, 0.3))


# ---------------------------------------------------------------- beside phones that are seen


def test_where_no_phone_is_seen_there_may_be_one_and_never_enough_for_a_sound():
    (found,) = called([], [call(-1.0)])
    assert (found.label, found.box) == (PHONE, AT_EAR)
    assert logit(found.score) == pytest.approx(-1.0)
    (found,) = called([], [call(20.0)])
    assert found.score == MOST
    sound = 0.17 + (1 - 0.17) * ObserveConfig().phone_sure
    assert sound > MOST


def test_a_phone_that_is_seen_there_is_surer_by_it():
    seen = Detection(PHONE, 0.3, Box(0.2, 0.3, 0.31, 0.41))
    weaker = Detection(PHONE, 0.2, Box(0.2, 0.3, 0.32, 0.41))
    found = called([seen, weaker], [call(1.0)])
    odds = 0.3 / 0.7 + math.e
    assert [d.score for d in found] == pytest.approx([odds / (1 + odds), 0.2])
    assert [d.box for d in found] == [seen.box, weaker.box]


def test_a_phone_elsewhere_and_other_things_stay_as_they_are():
    others = [Detection(PHONE, 0.1, ON_DESK), Detection("cup", 0.3, AT_EAR)]
    found = called(others, [call(-1.0)])
    assert found == [
        others[1],
        Detection(PHONE, pytest.approx(1 / (1 + math.e)), AT_EAR),
        others[0],
    ]


@pytest.mark.parametrize(
    "silent", [call(-3.5), call(9.0, box=Box(0.2, 0.3, 0.2, 0.4))], ids=["too weak", "no box"]
)
def test_what_says_nothing_changes_nothing(silent):
    assert called([SITTER], [silent]) == [SITTER]
    assert called([SITTER], []) == [SITTER]


CLOSE = Box(0.0, 0.1, 1.0, 0.9)


def look(eye: int, *told: Call, window: Box = WHOLE_PICTURE) -> Look:
    return Look((), Glance(window, eye), told)


def test_each_eye_is_heard_by_its_closest_look():
    looks = [
        look(0, call(-6.0)),
        look(1, call(-4.0)),
        look(0, call(2.0, ON_DESK), window=CLOSE),
        look(1, call(1.0), window=CLOSE),
    ]
    for order in (looks, looks[::-1]):
        (found,) = agreed(order)
        assert (found.log_odds, found.box) == (1.5, ON_DESK)


def test_an_eye_that_tells_nothing_of_a_head_says_that_there_is_no_call():
    assert agreed([look(0, call(4.0)), look(1)]) == []
    assert agreed([look(0), look(1)]) == []
    assert agreed([look(0, call(4.0))]) == [call(4.0)], "where there is but one eye"


def test_each_person_is_heard_alone():
    beside = Box(0.1, 0.85, 1.0, 1.0)
    nearly = Box(0.12, 0.2, 1.0, 0.8)
    found = agreed(
        [
            look(0, call(1.0), call(3.0, person=beside)),
            look(1, call(2.0, person=nearly), call(-1.0, person=beside)),
        ]
    )
    assert [each.log_odds for each in found] == [1.5, 1.0]


def test_a_still_picture_shows_a_call_where_no_look_shows_a_phone():
    looks = [Look((SITTER,), Glance(WHOLE_PICTURE, eye), (call(0.5),)) for eye in (0, 1)]
    found = joined(looks)
    assert [d.label for d in found] == [PERSON, PHONE]
    assert (found[1].score, found[1].box) == (MOST, AT_EAR)


def test_what_is_followed_is_heard_with_it():
    seen = Detection(PHONE, 0.1, AT_EAR)
    (found,) = candidates(Look((SITTER, seen), calls=(call(0.0),)), 0.06)
    odds = 0.1 / 0.9 + 1
    assert found.score == pytest.approx(odds / (1 + odds))
    (found,) = candidates(Look((SITTER,), calls=(call(-2.0),)), 0.06)
    assert found.score == pytest.approx(1 / (1 + math.exp(2)))
    assert candidates(Look((SITTER,), calls=(call(-3.0),)), 0.06) == []


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
