"""Real clips through the chain: how they are played, and what a light in them is worth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge.domain import (
    PERSON,
    PHONE,
    Box,
    Detection,
    Frame,
    Glance,
    Level,
    Look,
    Thresholds,
)
from tests.camera_fakes import write_film
from tests.lab import clips as rules
from tests.lab import footage
from tests.lab.__main__ import main
from tests.lab.clips import Light, Moment
from tests.lab.dataset import DatasetError
from tests.lab.footage import Clip, Span, judged_frame, load_clips

FPS = 10


def clip(path="a.mp4", phone=(), unclear=()) -> Clip:
    return Clip(path, tuple(Span(*s) for s in phone), tuple(Span(*s) for s in unclear))


def lit(at_s: float) -> Light:
    return Light(at_s, at_s + 1, "phone in hand")


# ---------------------------------------------------------------- what is true of a clip


@pytest.mark.parametrize(
    ("at_s", "shows"),
    [(0.5, False), (1.0, True), (1.9, True), (2.0, None), (2.4, None), (2.5, False)],
)
def test_a_phone_an_unclear_time_and_none(at_s, shows):
    assert clip(phone=[(1, 2)], unclear=[(1.8, 2.5)]).shows(at_s) is shows


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        (None, "has no clips.json"),
        ("{", "is not a list of clips"),
        ([{"file": "a.mp4", "phone": []}], "a clip has no `unclear`"),
        ([{"file": "a.mp4", "phone": [[2, 1]], "unclear": []}], "[2, 1] is no interval"),
        ([{"file": "a.mp4", "phone": [], "unclear": []}], "1 clips are not in"),
        ([], "has no clips"),
    ],
)
def test_a_folder_that_cannot_be_used_says_why(tmp_path, tree, says):
    if tree is not None:
        text = tree if isinstance(tree, str) else json.dumps(tree)
        (tmp_path / "clips.json").write_text(text)
    with pytest.raises(DatasetError) as caught:
        load_clips(tmp_path)
    assert says in str(caught.value)


# ---------------------------------------------------------------- what a light is worth


@pytest.mark.parametrize(
    ("at_s", "noticed", "false"),
    [
        pytest.param(6.0, 1, 0, id="inside"),
        pytest.param(4.4, 1, 0, id="a little before, as the times are coarse"),
        pytest.param(7.6, 1, 0, id="a little after"),
        pytest.param(4.2, 0, 1, id="too early"),
        pytest.param(7.8, 0, 1, id="too late"),
        pytest.param(9.5, 0, 0, id="where nobody can say"),
        pytest.param(1.5, 0, 0, id="in a pick-up too short to be noticed"),
        pytest.param(-3.0, 0, 1, id="before the clip, where no phone is"),
    ],
)
def test_a_light_counts_for_the_pickup_it_begins_in(at_s, noticed, false):
    of = clip(phone=[(1, 2), (5, 7)], unclear=[(9, 10)])
    found = rules.verdict(of, [lit(at_s)])
    assert (len(found.noticed), len(found.false)) == (noticed, false)
    assert len(found.missed) == 1 - noticed


def test_one_light_is_no_light_for_the_next_pickup():
    found = rules.verdict(clip(phone=[(0, 2), (2.5, 4.5)]), [Light(1.0, 4.0, "x")])
    assert [span.from_s for span, _ in found.noticed] == [0]
    assert [span.from_s for span in found.missed] == [2.5]


def test_a_light_between_two_pickups_belongs_to_the_nearer_one():
    found = rules.verdict(clip(phone=[(0, 2), (3, 5)]), [lit(2.6)])
    assert [span.from_s for span, _ in found.noticed] == [3]


def test_just_long_enough_is_long_enough():
    assert len(rules.verdict(clip(phone=[(0.7, 2.1)]), []).missed) == 1
    assert len(rules.verdict(clip(phone=[(0.7, 2.0)]), []).missed) == 0


def test_a_light_lasts_until_it_goes_and_keeps_its_first_reason():
    none, light = Level.NONE, Level.LIGHT
    moments = [
        Moment(0.0, none, ""),
        Moment(0.1, light, "first"),
        Moment(0.2, Level.SOUND, "then"),
        Moment(0.3, none, ""),
        Moment(0.4, light, "again"),
        Moment(0.5, light, "again"),
    ]
    assert rules.lights(moments) == (Light(0.1, 0.3, "first"), Light(0.4, 0.5, "again"))


# ---------------------------------------------------------------- how they are played


def at(*times_s: float) -> list[Frame]:
    return [Frame(np.zeros((2, 2, 3), np.uint8), t, n) for n, t in enumerate(times_s)]


def test_the_lead_in_goes_to_and_fro_and_ends_where_the_clip_begins():
    frames = list(rules.lead_in(at(0.0, 0.1, 0.2), 0.7, FPS))
    assert [frame.number for frame in frames] == [1, 2, 1, 0, 1, 2, 1]
    assert [frame.at_s for frame in frames] == pytest.approx([-n / 10 for n in range(7, 0, -1)])
    assert [f.number for f in rules.lead_in(at(0.0), 0.3, FPS)] == [0, 0, 0]


def test_the_lead_in_has_nothing_unclear_and_nothing_from_the_first_phone_on():
    shown = at(*(n / 10 for n in range(40)))
    of = clip(phone=[(2, 3)], unclear=[(0.5, 1.5)])
    free = rules.free_of_phones(of, iter(shown), 100)
    assert [frame.at_s for frame in free] == [n / 10 for n in (*range(5), *range(15, 20))]
    assert len(rules.free_of_phones(of, iter(shown), 3)) == 3
    assert rules.free_of_phones(clip(phone=[(0, 1)]), iter(shown), 100) == []


class Red:
    """Takes red for a phone; a person is always there."""

    count = 1

    def __init__(self):
        self.times_s = []

    def look(self, frame: Frame, glance: Glance) -> Look:
        """The whole picture, whatever it is told to look at."""
        return Look(self.seen(frame))

    def seen(self, frame: Frame) -> tuple[Detection, ...]:
        self.times_s.append(frame.at_s)
        found = (Detection(PERSON, 0.9, Box(0.05, 0.2, 1.0, 0.8)),)
        pixels = frame.image.astype(int)
        rows, columns = np.nonzero(pixels[..., 0] - pixels[..., 2] > 120)
        if len(rows) < 50:
            return found
        height, width = pixels.shape[:2]
        box = Box(
            rows.min() / height,
            columns.min() / width,
            (rows.max() + 1) / height,
            (columns.max() + 1) / width,
        )
        return (Detection(PHONE, 0.95, box), *found)


def room(step: int, red: bool):
    rng = np.random.default_rng(0)
    coarse = rng.integers(60, 160, (12, 16), dtype=np.uint8)
    image = np.repeat(np.kron(coarse, np.ones((20, 20), np.uint8))[..., None], 3, axis=2).copy()
    if red:
        y, x = 60 + 12 * (step % 2), 120 + 15 * (step % 3)
        image[y : y + 70, x : x + 40] = (230, 20, 20)
    return image


@pytest.fixture
def folder(tmp_path):
    """A phone is held from 2 to 6 s; and a film that begins with it."""
    for name, from_s, to_s in (("late.mp4", 2, 6), ("early.mp4", 0, 4)):
        images = [room(n, from_s <= n / 20 < to_s) for n in range(200)]
        write_film(tmp_path / name, times_s=[n / 20 for n in range(200)], images=images)
    tree = [
        {"file": "late.mp4", "phone": [[2, 6]], "unclear": [], "truth": "for people"},
        {"file": "early.mp4", "phone": [[0, 4]], "unclear": []},
    ]
    (tmp_path / "clips.json").write_text(json.dumps(tree))
    return tmp_path


def test_a_clip_is_played_at_the_cameras_rate_after_fifteen_seconds_of_itself(folder):
    late, early = load_clips(folder)
    red, config = Red(), rules.configured()
    played = list(rules.play(late, red, Thresholds(0.25, {PHONE: 0.45}), config))
    moments = [moment for _, moment in played]
    assert moments[0].at_s == -15.0
    assert np.diff([m.at_s for m in moments]) == pytest.approx(1 / config.camera.fps, abs=0.06)
    assert red.times_s[0] >= 0, "the box's own time does not begin before 0"
    lights = rules.lights(moments)
    assert len(lights) == 1
    assert 2.0 <= lights[0].at_s <= 4.0
    assert "phone" in lights[0].reason
    assert len(rules.verdict(late, lights).noticed) == 1
    first = next(iter(rules.play(early, Red(), Thresholds(0.25, {PHONE: 0.45}), config)))[1]
    assert first.at_s == 0.0, "nothing of it is without a phone"


def test_frames_are_judged_clip_by_clip_and_drawn_by_clips():
    seen = [Detection(PHONE, 0.8, Box(0, 0, 1, 1)), Detection(PERSON, 0.9, Box(0, 0, 1, 1))]
    frames = [
        judged_frame(0, 0.0, True, seen),
        judged_frame(0, 0.2, False, ()),
        judged_frame(1, 0.0, True, ()),
        judged_frame(1, 0.2, False, ()),
    ]
    found = footage.measures(frames, 2)
    assert found["frames_found_at_5_percent_false"].of(None) == 0.5
    assert found["frames_found_at_5_percent_false"].of(np.array([2.0, 0.0])) == 1.0
    assert found["frames_area_under_curve"].of(np.array([0.0, 2.0])) == 0.5
    rows = footage.by_clip(frames, (clip(Path("a.mp4")), clip(Path("b.mp4"))))
    assert [(row.phone, row.found, row.none, row.false) for row in rows] == [
        (1, (1, 1), 1, (0, 0)),
        (1, (0, 0), 1, (0, 0)),
    ]


# ---------------------------------------------------------------- the commands


def test_bench_clips_prints_an_object_for_each_clip(capsys, tmp_path, folder):
    argv = ["clips", str(folder), "--threads", "1"]
    assert main([*argv, "--json", "--sheets", str(tmp_path / "sheets")]) == 0
    trees = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [tree["file"] for tree in trees] == ["late.mp4", "early.mp4"]
    assert [tree["lead_in_s"] for tree in trees] == [15.0, 0.0]
    for tree in trees:
        assert tree["noticed"] + tree["missed"] == len(tree["pickups"]) == 1
        assert all(set(light) == {"at", "until", "reason"} for light in tree["lights"])
    sheets = {path.name for path in (tmp_path / "sheets").iterdir()}
    assert sheets == {"late.jpg", "early.jpg"}
    assert main([*argv, "--only", "early.mp4"]) == 0
    text = capsys.readouterr().out
    assert "nothing before its phone: no lead-in" in text
    assert "of 1 pick-ups of 1.4 s and longer noticed" in text
    assert main([*argv, "--only", "none.mp4"]) == 1
    assert "no clip 'none.mp4'" in capsys.readouterr().err


def test_evaluate_judges_frames_of_clips(capsys, tmp_path, folder):
    kept = tmp_path / "kept.jsonl"
    argv = ["evaluate", "--clips", str(folder), "--json", "--rounds", "20"]
    assert main([*argv, "--threads", "1", "--one-look", "--keep", str(kept)]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert 95 <= tree["pictures"] <= 105
    assert all(19 <= each["frames_with_a_phone"] <= 21 for each in tree["clips"])
    # A perfect one, against the model that has never seen red cards.
    perfect = tmp_path / "perfect.jsonl"
    lines = []
    for line in kept.read_text().splitlines():
        each = json.loads(line)
        name, at_s = each["file"].split("@")
        held = (2 <= float(at_s) < 6) if name == "late.mp4" else float(at_s) < 4
        each["detections"] = [{"label": PHONE, "score": 0.9, "box": [1, 1, 9, 9]}] if held else []
        lines.append(json.dumps(each))
    perfect.write_text("\n".join(lines))
    assert main([*argv, "--detections", str(perfect), "--against-detections", str(kept)]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert tree["frames_found_at_1_percent_false"] == 1.0
    assert len(tree["against"]["clips"]) == 2
    assert "difference" in tree["against"]["frames_found_at_1_percent_false"]


@pytest.mark.parametrize(("name", "clips"), [("clips", 14), ("video", 3)])
def test_the_given_clips_can_be_read(shared_data, name, clips):
    assert len(load_clips(shared_data / name)) == clips
