from __future__ import annotations

import json
import math
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from edge import decide
from edge.domain import PERSON, PHONE, WHOLE_PICTURE, Box, Thresholds
from tests.lab.__main__ import main
from tests.lab.scenarios import figures, noise, play, report, script, world
from tests.lab.scenarios.noise import Alike, Motion, Noise, Wobble
from tests.lab.scenarios.script import Group, What
from tests.lab.scenarios.world import realise

FOLDER = Path(__file__).parent / "lab" / "scenes"
SCRIPTS = {one.name: one for one in script.load_all(FOLDER)}
KINDS = ("phone", "calculator", "remote", "wallet", "earbud case", "mouse", "book", "cup", "hands")
PERIOD_S = 0.2


def detector(*, phone: float, others: float = 0.0, person: float = 0.9, lasting: float = 0.0):
    """Two eyes that give everything of a kind the same score."""

    def table(score: float):
        return tuple(np.full((1, 2, 2), score) for _ in noise.SIZES)

    records = {kind: table(others) for kind in KINDS}
    records |= {"phone": table(phone), "person": table(person)}
    motions = (Motion(scene=0.0, lasting=lasting, passing=0.3, passing_s=1.0),) * 2
    box = np.array([[0.008] * 4, [-0.008] * 4])
    return Noise(
        model="a made one",
        sha256=("", ""),
        floor=0.25,
        threshold=0.18,
        person_threshold=0.3,
        records=records,
        ghosts=np.zeros((0, 2, 2)),
        ghost_pictures=100,
        held=motions,
        still=motions,
        alike=dict.fromkeys(records, Alike(0.5, 0.5)),
        wavers=(0.0, 0.0),
        wobbles=(Wobble(0.5, (box, box), (box, box)),),
        sway=0.1,
        sway_s=1.0,
        pictures=0,
    )


GOOD = detector(phone=0.9)
BLIND = detector(phone=0.0)


def tallied(name: str, fitted: Noise = GOOD, *, seconds: float = 900, seeds=(1,), **options):
    total = play.Tally()
    for seed in seeds:
        total.add(
            play.tally(
                SCRIPTS[name], fitted, seed=seed, seconds=seconds, period_s=PERIOD_S, **options
            )
        )
    return total


# ---------------------------------------------------------------- scenes as data


def test_the_scenarios_cover_what_is_judged():
    assert {one.group for one in SCRIPTS.values()} >= set(Group) - {Group.OTHER}
    shown = {event.what for one in SCRIPTS.values() for event in one.events}
    assert shown == set(What)
    assert {thing.kind for one in SCRIPTS.values() for thing in one.things} >= set(KINDS) - {
        "hands"
    }


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("", ""),
        ('title = "x"\n', "group: is missing"),
        ('title = "x"\ngroup = "fun"\n', 'group = "fun": must be one of pickups'),
        ('colour = 3\ntitle = "x"\ngroup = "quiet"\n', "colour: no such setting"),
        (
            'title = "x"\ngroup = "quiet"\n[[event]]\nwhat = "use"\nthing = "spoon"\n',
            "there is no thing 'spoon'",
        ),
        (
            'title = "x"\ngroup = "quiet"\n[person]\nbox = [1, 0, 0, 1]\n',
            "person.box = [1, 0, 0, 1]: top must be above bottom",
        ),
        ('title = "x"\ngroup = "quiet"\npause_s = [9, 3]\n', "pause_s: must be [least, most]"),
        ('title = "x\n', "line 1: title: a quote is missing"),
    ],
)
def test_a_faulty_scenario_is_named_with_its_fault(tmp_path, change, fault):
    path = tmp_path / "scene.toml"
    path.write_text(change or 'title = "x"\ngroup = "quiet"\n')
    if not fault:
        assert script.load(path).name == "scene"
        return
    with pytest.raises(script.ScriptError) as caught:
        script.load(path)
    assert str(path) in str(caught.value)
    assert fault in str(caught.value)


def test_a_folder_without_scenarios_says_where_they_are(tmp_path):
    with pytest.raises(script.ScriptError, match="tests/lab/scenes"):
        script.load_all(tmp_path)


def test_a_missing_fit_says_how_it_is_made(tmp_path):
    with pytest.raises(noise.NoiseError, match="--fit"):
        noise.load(tmp_path / "noise.json")


def test_the_committed_fit_is_of_the_shipped_eyes():
    from edge.config import ModelConfig
    from edge.vision.manifest import load_eyes

    shipped = load_eyes(ModelConfig())
    assert noise.load().sha256 == tuple(spec.sha256 for spec in shipped.eyes), (
        "the eyes have changed: fit them anew, see `procrastobot bench scenarios --help`"
    )


# ---------------------------------------------------------------- chance


def test_draws_are_as_alike_as_was_measured():
    rng = np.random.default_rng(5)
    values = noise.wander(rng, 200_000, 0.1, 0.8)
    assert values.mean() == pytest.approx(0, abs=0.05)
    assert values.std() == pytest.approx(1, abs=0.03)
    correlation = np.mean(values[:-8] * values[8:])
    assert correlation == pytest.approx(math.exp(-1), abs=0.04)


def test_ranks_are_those_of_a_normal_distribution():
    values = noise.ranks(np.array([-3.0, -1.0, 0.0, 1.0, 1.96, 3.0]))
    wanted = [0.00135, 0.158655, 0.5, 0.841345, 0.975002, 0.99865]
    assert values == pytest.approx(wanted, abs=1e-5)


def test_scores_come_from_the_table_of_their_size_for_each_eye():
    rows = [[0.001, 0.1, 0.1, 0.2, 0.2]] * 30 + [[0.02, 0.8, 0.8, 0.9, 0.9]] * 30
    fitted = replace(GOOD, records={"phone": noise._by_size(rows, 2)})
    rank = np.array([[0.0, 0.5], [1.0, 0.0]])
    assert fitted.scores("phone", 0.001, rank).tolist() == [[[0.1, 0.1], [0.2, 0.2]]] * 2
    assert fitted.scores("phone", 0.02, rank).tolist() == [[[0.8, 0.8], [0.9, 0.9]]] * 2


@pytest.mark.parametrize("kept", [0.0, 0.6, 1.0])
def test_eyes_agree_about_a_grip_as_much_as_was_measured(kept):
    motions = [Motion(scene=0.0, lasting=0.9, passing=0.0, passing_s=1.0)] * 2
    grips = np.arange(20_000)
    values = world._normals(
        np.random.default_rng(3), motions, noise.Alike(kept, 0.0), np.zeros(2), grips, 0.2
    )
    assert values.std(0) == pytest.approx([1, 1], abs=0.03)
    assert np.corrcoef(values.T)[0, 1] == pytest.approx(0.9 * kept, abs=0.03)


# ---------------------------------------------------------------- looks at windows

THING = Box(0.45, 0.45, 0.55, 0.55)


def shown(score_whole, score_closer, *, label=PHONE, partial=0.8, box=THING):
    edges = np.tile([box.ymin, box.xmin, box.ymax, box.xmax], (1, 2, 2, 1)).astype(float)
    edges[:, 1] += 0.02  # the other eye sees it lower and to the right
    scores = [[[score_whole, score_closer], [0.0, 0.0]]]
    return world.Appearance(label, scores, edges, [0.25], partial)


def test_a_score_in_a_window_lies_between_the_two_that_were_measured():
    thing = shown(0.1, 0.6)
    windows = [WHOLE_PICTURE, Box(0.25, 0.25, 0.75, 0.75), Box(0.375, 0.375, 0.625, 0.625)]
    scores = [thing.at(0, window, 0).score for window in windows]
    # Half the side is half the way to a quarter of it: the mean in log-odds.
    odds = (0.1 / 0.9 * 0.6 / 0.4) ** 0.5
    assert scores == pytest.approx([0.1, odds / (1 + odds), 0.6])


def test_what_is_not_in_a_window_is_not_seen_there_but_of_a_person_a_part_is():
    beside = Box(0.0, 0.0, 1.0, 0.5)
    assert shown(0.5, 0.5).at(0, beside, 0) is None
    person = shown(0.5, 0.5, label=PERSON, partial=0.3).at(0, beside, 0)
    assert person.box == Box(0.45, 0.45, 0.55, 0.5)


def test_each_eye_sees_for_itself():
    thing = shown(0.5, 0.5)
    assert thing.at(0, WHOLE_PICTURE, 1) is None
    thing.scores[0][1] = [0.4, 0.4]
    assert thing.at(0, WHOLE_PICTURE, 1).box.ymin == pytest.approx(0.47)


def test_a_world_is_the_same_for_the_same_seed_and_another_for_another():
    def drawn(seed):
        rng = np.random.default_rng(seed)
        return realise(SCRIPTS["texting"], GOOD, rng, seconds=300, period_s=PERIOD_S)

    one, other = drawn(1), drawn(1)
    assert repr(replace(one, cells=None)) == repr(replace(other, cells=None))
    assert np.array_equal(one.measured(700).grid, other.measured(700).grid)
    assert drawn(1).episodes != drawn(2).episodes


def test_the_player_gives_the_same_to_the_byte():
    assert tallied("look-alikes") == tallied("look-alikes")


# ---------------------------------------------------------------- the benchmark tells good from bad


def test_with_a_perfect_detector_every_pickup_is_noticed_in_time():
    total = play.Tally()
    for name in ("texting", "glances", "calls", "pocket", "far", "dock"):
        one = tallied(name, seeds=(1, 2))
        assert one.noticed == one.pickups > 5, name
        # A hand may keep still for a while.
        assert max(one.to_light_s) <= 1.5 + 6.0, name
        total.add(one)
    assert figures.percentile(total.to_light_s, 95).value <= 1.5 + 1.2
    assert max(total.to_silence_s) <= 1.0


def test_with_a_blind_detector_nothing_is_noticed():
    total = tallied("texting", BLIND)
    assert total.pickups > 3
    assert (total.noticed, total.to_light_s) == (0, [])


def test_a_dock_tells_of_some_pickups_that_nobody_saw():
    seen, blind = tallied("dock", GOOD), tallied("dock", BLIND)
    assert seen.told == seen.pickups > 0
    assert seen.false_suspicions == 0
    # A dock in which no phone is ever seen is empty all the time, and is said so once.
    assert (blind.noticed, blind.told + blind.false_suspicions) == (0, 1)


def test_a_detector_that_takes_everything_for_a_phone_is_found_out():
    gullible = detector(phone=0.9, others=1.0)
    total = tallied("look-alikes", gullible, seconds=1500)
    assert total.false_sounds > 0
    assert tallied("look-alikes", GOOD, seconds=1500).false_sounds == 0


@pytest.mark.parametrize("name", ["parked", "stand", "visitors"])
def test_a_parked_phone_never_alarms(name):
    total = tallied(name, seeds=(1, 2, 3), seconds=1500)
    assert (total.false_lights, total.false_sounds) == (0, 0)


def test_lost_views_are_recognised_and_silent():
    total = tallied("view", seconds=1500)
    assert total.lost > 8
    assert total.unsure == total.lost
    assert total.false_sounds == 0


def test_a_quiet_desk_spares_most_inferences_and_misses_nothing_for_it():
    gated = tallied("quiet", seeds=(1, 2, 3, 4), seconds=3000)
    always = tallied("quiet", seeds=(1, 2, 3, 4), seconds=3000, gate=False)
    assert gated.pickups == always.pickups > 3
    assert gated.noticed == always.noticed == gated.pickups
    assert 1 - gated.looks / gated.frames >= 0.8


@pytest.mark.parametrize("name", ["parked", "texting", "visitors", "dock"])
def test_skipping_quiet_stretches_changes_no_outcome(name):
    one = SCRIPTS[name]
    rng = np.random.default_rng(7)
    drawn = realise(one, GOOD, rng, seconds=1200, period_s=PERIOD_S)
    config = play.configured(one)
    thresholds = Thresholds(GOOD.floor, {"phone": GOOD.threshold})
    tallies = [
        play.count(drawn, play.play(drawn, config, thresholds, skip=skip), config)
        for skip in (True, False)
    ]
    skipped, whole = tallies
    assert skipped.judged < 0.7 * whole.judged
    assert skipped.looks == pytest.approx(whole.looks, rel=0.05)
    for field in ("pickups", "noticed", "told", "false_lights", "false_sounds"):
        assert getattr(skipped, field) == getattr(whole, field)
    # Of a dock whose phone is hardly seen, too, which look comes when decides.
    assert abs(skipped.false_suspicions - whole.false_suspicions) <= 1
    # What comes up meets another turn of windows and eyes: each light may come sooner or later.
    assert len(skipped.to_light_s) == len(whole.to_light_s)
    if whole.to_light_s:
        assert np.mean(skipped.to_light_s) == pytest.approx(np.mean(whole.to_light_s), abs=0.5)


def test_a_box_that_is_not_watched_is_no_part_of_it():
    config = play.configured(SCRIPTS["texting"])
    drawn = realise(
        SCRIPTS["texting"], GOOD, np.random.default_rng(1), seconds=60, period_s=PERIOD_S
    )
    played = list(play.play(drawn, config, Thresholds(), skip=False))
    assert all(decide.watching(state) for state, _ in played)
    assert len(played) == drawn.ticks


# ---------------------------------------------------------------- figures


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
    ],
)  # Newcombe 1998, Stat. Med. 17, table I, method 3
def test_the_interval_of_a_share_is_wilsons(hits, of, low, high):
    figure = figures.share(hits, of)
    assert (figure.low, figure.high) == pytest.approx((low, high), abs=2e-4)


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0.0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.39)]
)  # Garwood 1936
def test_the_interval_of_a_rate_is_exact(count, low, high):
    figure = figures.rate(count, 1.0)
    assert (figure.low, figure.high) == pytest.approx((low, high), abs=2e-3)


def test_nothing_measured_is_no_figure():
    assert math.isnan(figures.share(0, 0).value)
    assert math.isnan(figures.percentile([], 95).value)
    assert report.with_interval(figures.NOTHING) == "-"


class _Checker(HTMLParser):
    VOID = frozenset({"meta", "br", "rect", "path", "polyline"})
    LOOSE = frozenset({"html", "tr", "td", "th", "p"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.plots = 0

    def handle_starttag(self, tag, attrs):
        self.plots += tag == "svg"
        if tag not in self.VOID | self.LOOSE:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag not in self.VOID | self.LOOSE:
            assert self.open.pop() == tag


def test_the_report_is_one_page_with_its_plots():
    names = ("texting", "parked", "look-alikes", "quiet")
    scripts = [SCRIPTS[name] for name in names]
    tallies = {name: tallied(name) for name in names}
    page = report.page(scripts, tallies, figures.headline(scripts, tallies), {"model": "<a>"})
    checker = _Checker()
    checker.feed(page)
    assert checker.open == []
    assert checker.plots >= 4
    assert "http" not in page
    assert "&lt;a&gt;" in page
    assert "nan" not in page.lower()


def test_the_command_prints_the_six_figures_and_writes_the_report(tmp_path, capsys):
    page = tmp_path / "report.html"
    code = main(
        [
            *("scenarios", "--json", "--hours", "0.4", "--parked-hours", "0.4"),
            *("--jobs", "1", "--report", str(page)),
            *("--only", "texting", "parked", "quiet", "bare-hands"),
        ]
    )
    assert code == 0
    tree = json.loads(capsys.readouterr().out)
    names = {
        "pickups_noticed",
        "to_light_p95_s",
        "to_silence_p95_s",
        "false_sounds_per_8h",
        "parked_alarms",
        "inferences_saved",
    }
    assert names <= set(tree)
    assert set(tree["intervals"]) == names
    assert set(tree["scenarios"]) == {"texting", "parked", "quiet", "bare-hands"}
    assert page.read_text().startswith("<!doctype html>")


def test_an_unknown_scenario_is_named(capsys):
    assert main(["scenarios", "--only", "dancing"]) == 2
    assert "no scenario 'dancing'; there is bare-hands" in capsys.readouterr().err
