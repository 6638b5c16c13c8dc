from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge.domain import Box
from edge.vision.decode import (
    LARGEST_LOG_SIZE,
    VOTE_IOU,
    Found,
    GflDecoder,
    GflHead,
    GflQuant,
    Head,
    HeadQuant,
    Rivalry,
    YoloxDecoder,
    contest,
    decode_ssd,
    suppress,
    to_detections,
)
from edge.vision.preprocess import Placed, Quant

REAL = HeadQuant(Quant(0, 0), Quant(0, 0), Quant(0, 0))
INT8 = HeadQuant(Quant(0.024, -20), Quant(0.137, 98), Quant(0.147, 110))
LABELS = ("phone", "person", "???")


def real(stored, quant):
    return stored.astype(float) if not quant.scale else (stored.astype(float) - quant[1]) * quant[0]


def plain_decode(heads, quants, *, input_px, floor):
    """Every cell and class of every head, one by one, in double precision; no overlaps removed."""
    found = []
    for head, quant in zip(heads, quants, strict=True):
        rows, columns = head.box.shape[:2]
        stride = input_px[0] / rows
        box, objectness, classes = (real(t, q) for t, q in zip(head, quant, strict=True))
        for row in range(rows):
            for column in range(columns):
                x, y, log_width, log_height = box[row, column]
                center_x, center_y = (column + x) * stride, (row + y) * stride
                half_width = np.exp(min(log_width, LARGEST_LOG_SIZE)) * stride / 2
                half_height = np.exp(min(log_height, LARGEST_LOG_SIZE)) * stride / 2
                for label, logit in enumerate(classes[row, column]):
                    score = 1 / (1 + np.exp(-objectness[row, column, 0])) / (1 + np.exp(-logit))
                    edges = (
                        (center_y - half_height) / input_px[0],
                        (center_x - half_width) / input_px[1],
                        (center_y + half_height) / input_px[0],
                        (center_x + half_width) / input_px[1],
                    )
                    if score >= floor:
                        found.append((score, label, edges))
    return found


def any_vote(found) -> bool:
    """Whether two boxes of one class overlap so much, now and then, that they share their edges."""
    boxes = [(label, Box(*edges)) for _, label, edges in found]
    return any(
        label == other and one.iou(another) > VOTE_IOU - 1e-3
        for k, (label, one) in enumerate(boxes)
        for other, another in boxes[:k]
    )


def some_heads(seed, quants, *, input_px=(64, 96), labels=3):
    random = np.random.default_rng(seed)
    heads = []
    for stride, quant in zip((8, 16, 32), quants, strict=True):
        rows, columns = input_px[0] // stride, input_px[1] // stride
        tensors = []
        for channels, each in zip((4, 1, labels), quant, strict=True):
            if each.scale:
                values = random.integers(-128, 128, (rows, columns, channels)).astype(np.int8)
            else:
                values = random.normal(-1, 2, (rows, columns, channels)).astype(np.float32)
            tensors.append(values)
        heads.append(Head(*tensors))
    return heads


@pytest.mark.parametrize("quant", [REAL, INT8], ids=["float", "int8"])
@given(seed=st.integers(0, 2**32 - 1), floor=st.sampled_from([0.01, 0.25, 0.6]))
def test_heads_decode_as_the_plain_definition_says(quant, seed, floor):
    quants = [quant] * 3
    heads = some_heads(seed, quants)
    expected = plain_decode(heads, quants, input_px=(64, 96), floor=floor)
    assume(not any_vote(expected))
    # At IoU 1 nothing is suppressed: every box of the definition has to come out.
    found = YoloxDecoder(quants, floor=floor, nms_iou=1.0)(heads)
    expected.sort(key=lambda each: -each[0])
    expected = expected[: len(found.scores)] if len(found.scores) == 300 else expected
    np.testing.assert_allclose(found.scores, [each[0] for each in expected], rtol=1e-4, atol=1e-5)
    by_place = sorted((label, *edges) for _, label, edges in expected)
    got = sorted(
        (int(c), *map(float, box)) for c, box in zip(found.classes, found.boxes, strict=True)
    )
    if len(found.scores) < 300:
        np.testing.assert_allclose(got, by_place, rtol=1e-4, atol=1e-4)


def test_a_cell_that_sees_nothing_is_cut_before_anything_is_worked_out():
    # A logit of objectness just below the floor, and classes that would overflow an exponential.
    quiet = Head(
        np.full((1, 1, 4), 1e30, np.float32),
        np.full((1, 1, 1), -2.0, np.float32),
        np.full((1, 1, 3), 1e30, np.float32),
    )
    with np.errstate(all="raise"):
        assert not len(YoloxDecoder([REAL], floor=0.25, nms_iou=0.5)([quiet]).scores)


def test_a_floor_between_two_stored_values_keeps_the_upper_one():
    # Stored 0 and 1 are logits 0 and 1, sigmoids 0.5 and 0.73, with a certain class.
    quant = HeadQuant(Quant(1.0, 0), Quant(1.0, 0), Quant(1.0, -100))
    heads = [
        Head(
            np.zeros((1, 2, 4), np.int8),
            np.array([[[0], [1]]], np.int8),
            np.full((1, 2, 2), 127, np.int8),
        )
    ]
    for floor, kept in ((0.49, 4), (0.51, 2), (0.74, 0)):
        assert len(YoloxDecoder([quant], floor=floor, nms_iou=1.0)(heads).scores) == kept


GFL_REAL = (Quant(0, 0), Quant(0, 0))
GFL_INT8 = (Quant(0.05, 70), Quant(0.1, -10))
GFL_INPUT = (96, 160)  # of which the stride of 64 leaves a part of a cell over


def some_gfl_heads(seed, quant, labels=3):
    random = np.random.default_rng(seed)
    heads = []
    for stride in (8, 16, 32, 64):
        rows, columns = (-(-side // stride) for side in GFL_INPUT)
        tensors = []
        for channels, each, usual in zip((labels, 32), quant, (-4, 0), strict=True):
            values = random.normal(usual, 2, (rows, columns, channels))
            if each.scale:
                values = np.clip(np.rint(values / each.scale) + each.zero_point, -128, 127)
            tensors.append(values.astype(np.int8 if each.scale else np.float32))
        heads.append(GflHead(*tensors))
    return heads


def plain_gfl(heads, quant, *, centre, floor):
    """Every cell and class one by one, in double precision; no overlaps removed."""
    found = []
    for stride, head in zip((8, 16, 32, 64), heads, strict=True):
        classes, box = (real(tensor, each) for tensor, each in zip(head, quant, strict=True))
        for row, column in np.ndindex(classes.shape[:2]):
            shares = np.exp(box[row, column].reshape(4, 8))
            left, top, right, bottom = (shares * np.arange(8)).sum(1) / shares.sum(1)
            y, x = row + centre, column + centre
            edges = np.array([y - top, x - left, y + bottom, x + right]) * stride
            edges /= [GFL_INPUT[0], GFL_INPUT[1]] * 2
            for label, logit in enumerate(classes[row, column]):
                score = 1 / (1 + np.exp(-logit))
                if score >= floor:
                    found.append((label, score, *edges))
    return sorted(found)


def gfl_decoder(quant, *, turned=False, centre=0.5, floor=0.25):
    return GflDecoder(
        [GflQuant(stride, *quant) for stride in (8, 16, 32, 64)],
        width_px=GFL_INPUT[1],
        height_px=GFL_INPUT[0],
        centre=centre,
        turned=turned,
        floor=floor,
        nms_iou=1.0,
    )


@pytest.mark.parametrize("quant", [GFL_REAL, GFL_INT8], ids=["float", "int8"])
@given(
    seed=st.integers(0, 2**32 - 1),
    floor=st.sampled_from([0.3, 0.6]),
    centre=st.sampled_from([0.0, 0.5]),
)
def test_gfl_heads_decode_as_the_plain_definition_says(quant, seed, floor, centre):
    heads = some_gfl_heads(seed, quant)
    expected = plain_gfl(heads, quant, centre=centre, floor=floor)
    found = gfl_decoder(quant, centre=centre, floor=floor)(heads)
    got = sorted(
        (int(label), float(score), *map(float, box))
        for box, score, label in zip(found.boxes, found.scores, found.classes, strict=True)
    )
    # Where outlines agree to 0.85 they vote, so edges of some boxes are means: compare the scores
    # of all, and the edges of those that nobody could vote for.
    assert [label for label, *_ in got] == [label for label, *_ in expected]
    np.testing.assert_allclose([g[1] for g in got], [e[1] for e in expected], rtol=1e-4)
    for theirs in expected:
        if not any(other is not theirs and alike(other, theirs) for other in expected):
            # Scores as stored are often equal, and no order is promised among these.
            assert any(
                mine[0] == theirs[0] and np.allclose(mine[1:], theirs[1:], rtol=1e-4, atol=1e-4)
                for mine in got
            )


def alike(a, b):
    """Of one class, with outlines that nearly agree."""
    return a[0] == b[0] and Box(*a[2:]).iou(Box(*b[2:])) > VOTE_IOU - 0.01


def test_what_a_model_says_of_a_picture_upside_down_is_turned_back():
    upright = some_gfl_heads(3, GFL_INT8)
    turned = [GflHead(*(tensor[::-1, ::-1].copy() for tensor in head)) for head in upright]
    expected = gfl_decoder(GFL_INT8)(upright)
    found = gfl_decoder(GFL_INT8, turned=True)(turned)
    assert len(found.scores) > 20
    np.testing.assert_allclose(in_order(found), in_order(expected), rtol=1e-5)


def in_order(found):
    rows = np.column_stack([found.classes, found.scores, found.boxes])
    return rows[np.lexsort(np.round(rows, 5).T)]


def test_gfl_cells_below_the_floor_cost_nothing_and_logits_may_be_large():
    quiet = [
        GflHead(
            np.full((*head.classes.shape[:2], 3), -30, np.float32), np.full_like(head.box, 1e30)
        )
        for head in some_gfl_heads(1, GFL_REAL)
    ]
    decoder = gfl_decoder(GFL_REAL)
    with np.errstate(all="raise"):
        assert not len(decoder(quiet).scores)
        quiet[3].classes[0, 0, 1] = 5.0
        (box,) = decoder(quiet).boxes
    # Of bins that are equally likely, the mean is 3.5 strides.
    np.testing.assert_allclose(box * [96, 160, 96, 160], [-192, -192, 256, 256])


def test_only_the_counted_boxes_of_an_ssd_mean_anything():
    found = decode_ssd(
        np.array([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0, 0, 1, 1]], np.float32),
        np.array([1.0, 0.0, 0.0], np.float32),
        np.array([0.3, 0.9, 0.99], np.float32),
        2,
        floor=0.25,
    )
    assert found.scores.tolist() == pytest.approx([0.9, 0.3])
    assert found.classes.tolist() == [0, 1]


def plain_suppress(boxes, scores, classes, iou):
    kept = []
    for index in sorted(range(len(boxes)), key=lambda n: (-scores[n], n)):
        if all(
            classes[index] != classes[k] or Box(*boxes[index]).iou(Box(*boxes[k])) <= iou
            for k in kept
        ):
            kept.append(index)
    return kept


def plain_vote(index, boxes, scores, classes):
    box = Box(*boxes[index])
    agreed = [
        k
        for k in range(len(boxes))
        if k == index or (classes[k] == classes[index] and Box(*boxes[k]).iou(box) > VOTE_IOU)
    ]
    return np.average([boxes[k] for k in agreed], axis=0, weights=[scores[k] for k in agreed])


sides = st.integers(0, 10).map(lambda n: n / 10)
corners = st.tuples(sides, sides, sides, sides).map(
    lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3]))
)


@given(
    st.lists(st.tuples(corners, st.integers(1, 100), st.integers(0, 1)), max_size=12),
    # None of these, nor VOTE_IOU, is the overlap of two boxes on that grid: no tie to round.
    st.sampled_from([0.31, 0.52, 0.68]),
)
def test_one_box_per_object_and_class_remains(entries, iou):
    boxes = np.array([entry[0] for entry in entries], np.float32).reshape(-1, 4)
    scores = np.array([entry[1] / 100 for entry in entries], np.float32)
    classes = np.array([entry[2] for entry in entries], np.intp)
    found = suppress(Found(boxes, scores, classes), iou)
    kept = plain_suppress(boxes.tolist(), scores.tolist(), classes.tolist(), iou)
    assert found.scores.tolist() == scores[kept].tolist()
    assert found.classes.tolist() == classes[kept].tolist()
    voted = [plain_vote(k, boxes.tolist(), scores.tolist(), classes.tolist()) for k in kept]
    np.testing.assert_allclose(found.boxes, np.reshape(voted, (-1, 4)), atol=1e-6)


def test_detections_are_shares_of_the_picture_and_stay_inside_it():
    # A wide picture fills the upper half of the model's input.
    found = Found(
        np.array([[0.0, 0.2, 0.25, 0.4], [0.4, -0.3, 0.9, 0.5], [0.6, 0, 0.9, 1]], np.float32),
        np.array([0.9, 0.8, 0.7], np.float32),
        np.array([0, 1, 0], np.intp),
    )
    seen = to_detections(found, LABELS, Placed(height=0.5, width=1.0))
    assert [(d.label, round(d.score, 2)) for d in seen] == [("phone", 0.9), ("person", 0.8)]
    assert seen[0].box == Box(0.0, pytest.approx(0.2), 0.5, pytest.approx(0.4))
    assert seen[1].box == Box(pytest.approx(0.8), 0.0, 1.0, 0.5)


def test_classes_without_a_name_are_not_reported():
    boxes = np.tile(np.array([[0, 0, 1, 1]], np.float32), (2, 1))
    found = Found(boxes, np.array([0.9, 0.8], np.float32), np.array([2, 7], np.intp))
    assert to_detections(found, LABELS, Placed(1, 1)) == ()


RIVALRY = Rivalry(0, (2, 3))
HERE, NEAR, ELSEWHERE = (0.1, 0.1, 0.5, 0.5), (0.1, 0.12, 0.5, 0.52), (0.6, 0.6, 0.9, 0.9)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        pytest.param([], 0.6, id="nobody else claims it"),
        pytest.param([(NEAR, 0.6, 2)], 0.3, id="a rival as sure takes half"),
        pytest.param([(NEAR, 0.06, 2)], 0.594, id="a weak claim next to nothing"),
        pytest.param([(NEAR, 0.3, 2), (HERE, 0.6, 3)], 0.3, id="the surest rival counts, once"),
        pytest.param([(ELSEWHERE, 0.9, 2)], 0.6, id="a rival elsewhere is about something else"),
        pytest.param([(HERE, 0.9, 1)], 0.6, id="a label that is no rival claims nothing"),
        pytest.param([(HERE, 0.9, 2)], None, id="what a sure rival leaves is not reported"),
    ],
)
def test_a_phone_shares_its_score_with_what_else_the_thing_may_be(others, expected):
    boxes, scores, classes = zip((HERE, 0.6, 0), *others, strict=True)
    found = contest(
        Found(np.array(boxes, np.float32), np.array(scores, np.float32), np.array(classes)),
        RIVALRY,
        floor=0.25,
    )
    assert list(found.scores) == sorted(found.scores, reverse=True)
    assert all(score >= 0.25 for score in found.scores)
    phones = found.scores[found.classes == 0]
    assert phones == pytest.approx([] if expected is None else [expected], abs=1e-3)


@pytest.mark.parametrize("quant", [REAL, INT8], ids=["float", "int8"])
@given(seed=st.integers(0, 2**32 - 1))
def test_rivals_count_below_the_floor_and_are_not_reported_there(quant, seed):
    quants = [quant] * 3
    heads = some_heads(seed, quants)
    rivalry = Rivalry(0, (1,))
    all_of_it = YoloxDecoder(quants, floor=0.05, nms_iou=0.65, rivalry=rivalry)(heads)
    reported = YoloxDecoder(quants, floor=0.4, nms_iou=0.65, rivalry=rivalry)(heads)
    assert (reported.scores >= 0.4).all()
    if len(all_of_it.scores) < 290:  # else the bound on detections cuts the two differently
        wanted = sorted(float(s) for s in all_of_it.scores[all_of_it.classes == 0] if s >= 0.4)
        assert sorted(float(s) for s in reported.scores[reported.classes == 0]) == wanted
