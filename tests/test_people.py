"""Sets labelled by the picture, areas under curves, and comparisons in pairs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain import PHONE, Box, Detection
from tests.camera_fakes import write_picture
from tests.lab import people, score
from tests.lab.__main__ import main
from tests.lab.dataset import DatasetError, LabelledPicture, load_dataset
from tests.lab.score import Judged, Measure, PictureScores

BOX = Box(0.2, 0.2, 0.5, 0.5)


def judged(kind: str, best: float, name: str = "a.jpg") -> Judged:
    seen = (Detection(PHONE, best, BOX), Detection("person", 0.9, BOX))
    return Judged(name, (), frozenset({PHONE}), seen, kind)


def table(shown: list[float], not_shown: list[float]) -> PictureScores:
    scores = np.array(shown + not_shown, float)
    return PictureScores(scores, np.arange(len(scores)) < len(shown))


@pytest.mark.parametrize(
    ("shown", "not_shown", "area"),
    [
        ([0.9, 0.8], [0.1, 0.2], 1.0),
        ([0.1], [0.9], 0.0),
        ([0.5], [0.5], 0.5),
        ([0.9, 0.3], [0.5, 0.1], 0.75),
    ],
)
def test_the_area_is_how_often_one_with_is_above_one_without(shown, not_shown, area):
    assert score.area_under_curve(table(shown, not_shown)) == pytest.approx(area)


@given(
    st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.9]), min_size=1, max_size=8),
    st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.9]), min_size=1, max_size=8),
    st.data(),
)
def test_weights_are_the_same_as_pictures_drawn_so_often(shown, not_shown, data):
    count = len(shown) + len(not_shown)
    times = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    whole = table(shown, not_shown)
    again = PictureScores(np.repeat(whole.scores, times), np.repeat(whole.shows, times))
    weights = np.array(times, float)
    assert score.area_under_curve(whole, weights) == pytest.approx(
        score.area_under_curve(again), nan_ok=True
    )
    for share in (0.01, 0.3):
        assert score.hits_at_false_share(whole, share, weights)[0] == pytest.approx(
            score.hits_at_false_share(again, share)[0], nan_ok=True
        )


def test_kinds_are_flagged_where_so_many_of_none_are():
    nobody = [judged("none", n / 100) for n in range(100)]
    held = [judged("hand", 0.985), judged("hand", 0.95), judged("hand", 0.5), judged("ear", 0.97)]
    found = people.measures([*nobody, *held])
    assert found["hand_hits_at_1_percent_false"].of(None) == pytest.approx(1 / 3)
    assert found["hand_hits_at_5_percent_false"].of(None) == pytest.approx(2 / 3)
    assert found["ear_hits_at_1_percent_false"].of(None) == 0
    assert found["ear_hits_at_5_percent_false"].of(None) == 1
    assert found["ear_area_under_curve"].of(None) == pytest.approx(0.975)
    assert "lying_area_under_curve" not in found, "nothing of that kind is there"


def test_the_threshold_is_set_anew_in_each_draw():
    pictures = [judged("none", 0.9), judged("none", 0.1), judged("hand", 0.5)]
    hits = people.measures(pictures)["hand_hits_at_5_percent_false"].of
    assert hits(None) == 0
    assert hits(np.array([0.0, 2.0, 1.0])) == 1, "the picture that sets it was not drawn"


def picture(kind: str) -> LabelledPicture:
    return LabelledPicture(__file__, 10, 10, (), frozenset(), kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kinds", "says"),
    [
        (["hand", ""], "some have not"),
        (["hand", "none", "foot"], "'foot' in a picture; it must be one of hand, edge"),
        (["hand", "ear"], "nothing can be counted as false"),
    ],
)
def test_a_set_that_is_labelled_by_halves_is_refused(kinds, says):
    with pytest.raises(DatasetError, match=says):
        people.labelled_so([picture(kind) for kind in kinds])


def test_a_set_with_boxes_is_none_of_this_sort():
    assert not people.labelled_so([picture("")])
    assert people.labelled_so([picture("none"), picture("hand")])


# ---------------------------------------------------------------- in pairs


def mean_of(values: list[float]) -> Measure:
    data = np.array(values)

    def of(weights):
        each = np.ones(len(data)) if weights is None else weights
        return float((data * each).sum() / each.sum())

    return Measure("a mean", len(data), of)


def test_a_small_difference_that_every_picture_shows_is_one():
    random = np.random.default_rng(3)
    values = random.uniform(0, 1, 60)
    (pair,) = score.paired(
        {"x": mean_of(list(values + 0.02))}, {"x": mean_of(list(values))}, rounds=200
    ).values()
    assert pair.difference.value == pytest.approx(0.02)
    assert pair.differs
    low, high = pair.first.interval
    assert high - low > 0.05, "unpaired, it would drown"


def test_chance_is_no_difference():
    random = np.random.default_rng(4)
    a, b = random.uniform(0, 1, 40), random.uniform(0, 1, 40)
    (pair,) = score.paired({"x": mean_of(list(a))}, {"x": mean_of(list(b))}, rounds=300).values()
    assert not pair.differs
    low, high = pair.difference.interval
    assert low < pair.difference.value < high


def test_what_only_one_of_two_measures_is_not_compared():
    mine = {"x": mean_of([1.0]), "y": mean_of([1.0])}
    assert set(score.paired(mine, {"x": mean_of([1.0])}, rounds=2)) == {"x"}


# ---------------------------------------------------------------- the command


def write_people(folder, kinds):
    (folder / "images").mkdir(parents=True)
    images = []
    for number, kind in enumerate(kinds):
        name = f"{number}.png"
        write_picture(folder / "images" / name, np.full((20, 30, 3), 90, np.uint8))
        images.append({"id": number, "file_name": name, "width": 30, "height": 20, "people": kind})
    categories = [{"id": 77, "name": "cell phone"}]
    tree = {"images": images, "annotations": [], "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(tree))
    return folder


def write_detections(path, scores):
    lines = []
    for number, best in enumerate(scores):
        seen = [{"label": "phone", "score": best, "box": [3, 4, 9, 16]}]
        lines.append(
            json.dumps({"file": f"/x/{number}.png", "width": 30, "height": 20, "detections": seen})
        )
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def hands(tmp_path):
    return write_people(tmp_path / "people", ["none"] * 20 + ["hand"] * 20)


def test_two_files_of_detections_are_compared_picture_by_picture(capsys, tmp_path, hands):
    good = write_detections(tmp_path / "good.jsonl", [0.1] * 20 + [0.8] * 20)
    bad = write_detections(tmp_path / "bad.jsonl", [0.1] * 20 + [0.8] * 10 + [0.05] * 10)
    argv = ["evaluate", str(hands), "--detections", str(good), "--against-detections", str(bad)]
    assert main([*argv, "--json", "--rounds", "200"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert tree["kinds"]["hand"] == 20
    assert tree["hand_hits_at_1_percent_false"] == 1.0
    other = tree["against"]["hand_hits_at_1_percent_false"]
    assert (other["value"], other["difference"], other["differs"]) == (0.5, 0.5, True)
    low, high = other["difference_interval"]
    assert 0 < low < 0.5 < high < 1
    assert main([*argv, "--rounds", "50"]) == 0
    text = capsys.readouterr().out
    assert "good.jsonl" in text
    assert "A - B" in text
    assert "no difference" not in text
    assert main([*argv[:4], "--against-detections", str(good), "--rounds", "50"]) == 0
    assert "no difference" in capsys.readouterr().out


def test_what_a_candidate_saw_is_kept_and_judged_again_alike(capsys, tmp_path, hands):
    first, again = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    write_detections(first, [n / 40 for n in range(40)])
    argv = ["evaluate", str(hands), "--json", "--rounds", "20"]
    assert main([*argv, "--detections", str(first), "--keep", str(again)]) == 0
    one = json.loads(capsys.readouterr().out)
    assert main([*argv, "--detections", str(again)]) == 0
    other = json.loads(capsys.readouterr().out)
    assert one | {"detections": ""} == other | {"detections": ""}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("{}", "line 1: not what `detect --json` prints"),
        ("nothing", "line 1: not what"),
        ("", "says nothing about 0.png"),
    ],
)
def test_detections_that_do_not_fit_are_named(capsys, tmp_path, hands, lines, says):
    path = tmp_path / "broken.jsonl"
    path.write_text(lines)
    assert main(["evaluate", str(hands), "--detections", str(path)]) == 1
    assert says in capsys.readouterr().err


def test_a_second_line_about_a_picture_is_refused(capsys, tmp_path, hands):
    path = write_detections(tmp_path / "a.jsonl", [0.5])
    path.write_text(path.read_text() + "\n" + path.read_text())
    assert main(["evaluate", str(hands), "--detections", str(path)]) == 1
    assert "line 2: a second line about 0.png" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["pictures", "--clips", "films"]])
def test_either_pictures_or_clips_are_wanted(capsys, argv):
    assert main(["evaluate", *argv]) == 2
    assert "one of them" in capsys.readouterr().err


def test_the_given_pictures_are_of_the_known_kinds(shared_data):
    pictures = load_dataset(shared_data / "people")
    assert people.labelled_so(pictures)
    assert len(pictures) == 812
