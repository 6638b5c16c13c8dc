from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain import Box, Detection
from tests.lab import score
from tests.lab.score import Judged, Truth

A = Box(0.1, 0.1, 0.3, 0.3)
B = Box(0.6, 0.6, 0.9, 0.9)
NOWHERE = Box(0.0, 0.8, 0.1, 0.9)
TINY = Box(0.5, 0.5, 0.52, 0.52)


def picture(truths=(), seen=(), labelled=("phone", "wallet")) -> Judged:
    return Judged(
        name="a picture",
        truths=tuple(
            t if isinstance(t, Truth) else Truth("phone", t)
            for t in (truths if isinstance(truths, (tuple, list)) else (truths,))
        ),
        labelled=frozenset(labelled),
        detections=tuple(Detection("phone", s, b) for s, b in seen),
    )


@pytest.mark.parametrize(
    ("pictures", "expected"),
    [
        pytest.param([picture([A], [(0.9, A)])], 1.0, id="found"),
        pytest.param([picture([A])], 0.0, id="missed"),
        pytest.param([picture([A], [(0.9, NOWHERE), (0.8, A)])], 0.5, id="a false one before it"),
        pytest.param([picture([A], [(0.9, A), (0.8, NOWHERE)])], 1.0, id="a false one after it"),
        pytest.param([picture([A], [(0.9, A), (0.8, A)])], 1.0, id="twice, the second is false"),
        # recalls 0 to 0.5 are reached: 51 of the 101
        pytest.param([picture([A, B], [(0.9, A)])], 51 / 101, id="one of two"),
        pytest.param([picture([], [(0.9, A)])], math.nan, id="nothing to find"),
    ],
)
def test_average_precision_of_what_can_be_worked_out_by_hand(pictures, expected):
    matches = score.match(pictures, "phone")
    assert score.average_precision(matches) == pytest.approx(expected, nan_ok=True)


def test_objects_of_another_size_neither_help_nor_harm():
    pictures = [picture([A, TINY], [(0.9, TINY), (0.8, A)]), picture([], [(0.95, TINY)])]
    assert score.average_precision(score.match(pictures, "phone")) == pytest.approx(2 / 3, abs=0.01)
    desk = score.match(pictures, "phone", area=score.DESK_AREA)
    assert score.average_precision(desk) == 1.0


def plain_average_precision(pictures: list[Judged], label: str) -> float:
    """The definition, step by step and slowly: for every recall the best precision beyond it."""
    ranked = sorted(
        ((d.score, n, d) for n, p in enumerate(pictures) for d in p.detections if d.label == label),
        key=lambda entry: (-entry[0], entry[1]),
    )
    there = [(n, t) for n, p in enumerate(pictures) for t in p.truths if t.label == label]
    taken: set[int] = set()
    points = []
    for rank, (_, owner, seen) in enumerate(ranked, start=1):
        fits = [
            (seen.box.iou(t.box), k)
            for k, (n, t) in enumerate(there)
            if n == owner and k not in taken and seen.box.iou(t.box) >= 0.5
        ]
        if fits:
            taken.add(max(fits, key=lambda fit: fit[0])[1])
        points.append((len(taken) / len(there), len(taken) / rank))
    levels = [k / 100 for k in range(101)]
    return sum(max((p for r, p in points if r >= lv - 1e-12), default=0) for lv in levels) / 101


edges = st.floats(0, 0.8).map(lambda value: round(value, 2))
boxes = st.builds(
    lambda y, x, h, w: Box(y, x, y + h, x + w),
    edges,
    edges,
    st.floats(0.05, 0.2),
    st.floats(0.05, 0.2),
)
scenes = st.lists(
    st.tuples(
        st.lists(boxes, max_size=4),
        st.lists(st.tuples(st.floats(0.01, 1), boxes), max_size=4),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


def judged(scene) -> list[Judged]:
    pictures = []
    for truths, seen, copied in scene:
        # Half of the scenes repeat truths as detections, else hits would hardly ever happen.
        more = [(0.5 + n / 100, box) for n, box in enumerate(truths)] if copied else []
        pictures.append(picture(truths, [*seen, *more]))
    return pictures


@given(scenes)
def test_average_precision_is_that_of_its_definition(scene):
    pictures = judged(scene)
    if any(p.truths for p in pictures):
        expected = plain_average_precision(pictures, "phone")
        got = score.average_precision(score.match(pictures, "phone"))
        assert got == pytest.approx(expected, abs=1e-9)


@given(scenes, st.integers(0, 2**32 - 1))
def test_a_picture_drawn_twice_counts_as_two_pictures(scene, seed):
    pictures = judged(scene)
    counts = np.random.default_rng(seed).integers(0, 3, len(pictures))
    drawn = [p for p, count in zip(pictures, counts, strict=True) for _ in range(count)]
    weights = counts.astype(float)
    matches, copied = score.match(pictures, "phone"), score.match(drawn, "phone")
    # Copies repeat every score, so only figures that cannot cut through equal scores compare.
    # Thresholds may differ: a picture that was not drawn still offers its scores for one.
    table, other = score.picture_scores(pictures, "phone"), score.picture_scores(drawn, "phone")
    for got, expected in [
        (score.recall_at_fppi(matches, 0.5, weights)[0], score.recall_at_fppi(copied, 0.5)[0]),
        (score.recall_at(matches, 0.5, weights), score.recall_at(copied, 0.5)),
        (
            score.hits_at_false_share(table, 0.3, weights)[0],
            score.hits_at_false_share(other, 0.3)[0],
        ),
        (score.balanced_accuracy(table, 0.5, weights), score.balanced_accuracy(other, 0.5)),
    ]:
        assert got == pytest.approx(expected, nan_ok=True)


def test_recall_stops_where_false_alarms_get_too_many():
    pictures = [
        picture([A], [(0.9, A)]),
        picture([A], [(0.7, A)]),
        picture([], [(0.8, A)]),
        picture([A], [(0.5, A), (0.6, NOWHERE)]),
    ]
    matches = score.match(pictures, "phone")
    assert score.recall_at_fppi(matches, 0.0) == (pytest.approx(1 / 3), 0.9)
    assert score.recall_at_fppi(matches, 0.25) == (pytest.approx(2 / 3), 0.7)
    assert score.recall_at_fppi(matches, 0.5) == (1.0, 0.5)
    assert score.recall_at(matches, 0.65) == (pytest.approx(2 / 3), 0.25)


@given(scenes, st.floats(0, 1))
def test_hits_at_a_share_of_false_pictures_keep_to_that_share(scene, share):
    pictures = judged(scene)
    table = score.picture_scores(pictures, "phone")
    hits, threshold = score.hits_at_false_share(table, share)
    if math.isnan(hits):
        assert table.shows.all() or not table.shows.any()
        return
    flagged = table.scores > threshold
    assert flagged[~table.shows].mean() <= share + 1e-9
    assert hits == pytest.approx(flagged[table.shows].mean())
    # And no lower threshold would have kept to it.
    lower = [s for s in (0.0, *table.scores) if s < threshold]
    if lower:
        assert (table.scores > max(lower))[~table.shows].mean() > share


def test_balanced_accuracy_weighs_rare_and_frequent_alike():
    pictures = [picture([A], [(0.9, A)])] + [picture([], [(0.1, A)])] * 8 + [picture([], [(1, A)])]
    table = score.picture_scores(pictures, "phone")
    assert score.balanced_accuracy(table, 0.5) == pytest.approx((1 + 8 / 9) / 2)


def test_a_false_alarm_belongs_to_the_thing_it_lies_on():
    wallet = Truth("wallet", A)
    pictures = [
        picture([wallet, Truth("cup", B)], [(0.9, A), (0.8, NOWHERE)]),
        picture([wallet], [(0.3, A)]),
        picture([Truth("wallet", A)], [(0.9, A)], labelled=("wallet",)),  # phones: not looked for
        picture([A], [(0.9, A)]),
    ]
    rows, elsewhere, alarms = score.mistaken_for(pictures, threshold=0.5)
    assert [(row.label, row.there, row.mistaken) for row in rows] == [
        ("wallet", 2, 1),
        ("cup", 1, 0),
    ]
    assert (elsewhere, alarms) == (1, 2)


def test_worst_misses_and_false_alarms_are_told_apart():
    shown = picture([A, B, TINY], [(0.9, NOWHERE), (0.8, A), (0.4, B)])
    assert [t.box for t in score.misses(shown, "phone", threshold=0.5)] == [B, TINY]
    assert [d.box for d in score.false_alarms(shown, "phone", threshold=0.5)] == [NOWHERE]


def test_an_interval_holds_its_value_and_repeats_itself():
    pictures = [picture([A], [(0.9, A)])] * 10 + [picture([A])] * 10
    matches = score.match(pictures, "phone")
    figures = [
        score.with_interval(lambda w: score.recall_at(matches, 0.5, w)[0], len(pictures))
        for _ in range(2)
    ]
    assert figures[0] == figures[1]
    assert figures[0].value == 0.5
    # The spread of a share of one half over 20 pictures: 1.96 * sqrt(0.25 / 20) = 0.22.
    assert figures[0].interval.low == pytest.approx(0.28, abs=0.05)
    assert figures[0].interval.high == pytest.approx(0.72, abs=0.05)
