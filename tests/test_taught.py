"""What the owner showed the box: the classifier, its file, and how it acts on detections."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import ModelConfig
from edge.domain import (
    DENIED,
    EMPTY_S,
    OWN,
    PERSON,
    PHONE,
    Box,
    Detection,
    EventType,
    Frame,
    Glance,
    Happening,
    Learnt,
    Look,
)
from edge.inbox import CommandInbox
from edge.recognizer import ENOUGH, RECENT_S, Lesson, Recognizer, held
from edge.taught import Bank, Knowledge, Thing, learn, spread_out
from edge.taught_store import MOST_THINGS, MOST_VECTORS, TaughtStore, Unreadable, merged, read, save
from edge.vision.features import GREY, FileFeatures, crop
from edge.vision.manifest import FeaturesSpec, FileSpec, ModelError, load_eyes

LENGTH = 8
VERSION = "0123456789ab"
# The bank knows that the first number speaks for a phone, and little of the others.
BANK = Bank(
    weights=np.array([2.0, *[0.0] * 7, 0.0], np.float32),
    precision=np.diag([4.0, *[0.2] * 7, 1.0]).astype(np.float32),
    slope=2.0,
)
THERE = Box(0.4, 0.4, 0.6, 0.6)
ELSEWHERE = Box(0.1, 0.1, 0.2, 0.2)


def vectors(axis: int, count: int = 10, *, seed: int = 0, noise: float = 0.25) -> np.ndarray:
    """Views of a thing that lies along one axis."""
    draw = np.random.default_rng(seed)
    rows = noise * draw.standard_normal((count, LENGTH))
    rows[:, axis] += 1
    return rows.astype(np.float32)


MINE = Thing("mine", True, vectors(3))
WALLET = Thing("wallet", False, vectors(5, seed=1))


# ---------------------------------------------------------------- what is learnt


def test_nothing_shown_is_nothing_known():
    assert learn(BANK, []) is None


@pytest.mark.parametrize("things", [[MINE], [MINE, WALLET], [WALLET], [WALLET, MINE, MINE]])
def test_what_is_learnt_is_the_most_probable_of_all_weights(things):
    """The slope of the posterior is nothing there, taken by finite differences."""
    kinds = {thing.phone for thing in things}
    views = {kind: sum(t.views for t in things if t.phone is kind) for kind in kinds}

    def improbable(weights: np.ndarray) -> float:
        away = weights - BANK.weights
        total = 0.5 * float(away @ BANK.precision @ away)
        for thing in things:
            odds = thing.vectors @ weights[:-1] + weights[-1]
            # Each kind counts half of all views, however many of them are its.
            share = sum(views.values()) / len(kinds) / views[thing.phone]
            total += share * float(np.logaddexp(0, -odds if thing.phone else odds).sum())
        return total

    known = learn(BANK, things)
    assert known is not None
    weights = known.weights.astype(float)
    free = len(weights) if len(kinds) == 2 else len(weights) - 1
    for axis in range(free):
        step = np.zeros(len(weights))
        step[axis] = 1e-3
        slope = (improbable(weights + step) - improbable(weights - step)) / 2e-3
        assert slope == pytest.approx(0, abs=1e-4)
    assert free == len(weights) or weights[-1] == BANK.weights[-1], "one kind moves no bias"
    assert known.slope == BANK.slope
    unit = np.concatenate([t.vectors / np.linalg.norm(t.vectors, axis=1)[:, None] for t in things])
    assert known.directions == pytest.approx(unit, abs=1e-6)


def test_what_was_shown_is_told_apart_in_new_views():
    known = learn(BANK, [MINE, WALLET])
    assert (known.log_odds(vectors(3, seed=7)) > 0).all()
    assert (known.log_odds(vectors(5, seed=8)) < 0).all()


def test_scores_of_what_is_like_nothing_shown_stay_what_they_were():
    known = learn(BANK, [MINE, WALLET])
    stranger = -vectors(3, 3, noise=0.02) - vectors(5, 3, noise=0.02)
    assert known.joined([0.1, 0.5, 0.9], stranger, 0.4) == [0.1, 0.5, 0.9]


@pytest.mark.parametrize("score", [0.02, 0.5, 0.97])
def test_what_was_shown_counts_for_more_than_what_the_detector_says(score):
    known = learn(BANK, [MINE, WALLET])
    (phone,) = known.joined([score], vectors(3, 1, seed=4), 0.4)
    (wallet,) = known.joined([score], vectors(5, 1, seed=4), 0.4)
    assert wallet < 0.4 < phone


def test_a_box_that_was_shown_only_a_phone_does_not_take_everything_for_one():
    known = learn(BANK, [MINE])
    assert known.weights[-1] == BANK.weights[-1]
    assert known.log_odds(vectors(5))[0] < 1


def test_the_bank_is_what_few_views_begin_with():
    one = learn(BANK, [Thing("mine", True, vectors(3, 1)), Thing("cup", False, vectors(5, 1))])
    phones_of_others = vectors(0, seed=3)
    assert (one.log_odds(phones_of_others) > 0).all()


def test_as_many_views_of_each_kind_count_the_same():
    """Forty views of a wallet make no phone less likely than ten do."""
    few = learn(BANK, [MINE, WALLET])
    many = learn(BANK, [MINE, Thing("wallet", False, vectors(5, 40, seed=1))])
    looks = vectors(3, seed=9)
    assert (few.log_odds(looks) > 0).all()
    assert (many.log_odds(looks) > 0).all()


@given(
    st.lists(st.tuples(st.integers(0, 7), st.booleans(), st.integers(1, 30)), max_size=5),
    st.floats(0, 1),
    st.floats(0.05, 0.95),
)
def test_a_score_stays_a_score_whatever_was_shown(shown, score, threshold):
    things = [
        Thing(str(n), phone, vectors(axis, count, seed=n))
        for n, (axis, phone, count) in enumerate(shown)
    ]
    known = learn(BANK, things)
    if known is not None:
        (joined,) = known.joined([score], vectors(2, 1, seed=99), threshold)
        assert 0 <= joined <= 1


def test_of_many_views_those_are_kept_that_are_least_alike():
    alike = np.repeat(vectors(3, 1), 30, axis=0)
    different = np.eye(LENGTH, dtype=np.float32)
    kept = spread_out(np.concatenate([alike, different]), 6)
    assert len(kept) == 6
    cosines = kept @ kept.T / np.outer(*[np.linalg.norm(kept, axis=1)] * 2)
    assert cosines[~np.eye(6, dtype=bool)].max() < 0.9


def pointing(cosine: float) -> np.ndarray:
    """A view whose direction has that cosine to the fourth axis."""
    row = np.zeros((1, LENGTH), np.float32)
    row[0, 3], row[0, 4] = cosine, (1 - cosine**2) ** 0.5
    return row


@pytest.mark.parametrize(
    ("cosine", "least", "most"),
    [
        pytest.param(0.25, 0.0, 0.0, id="a stranger"),
        pytest.param(0.35, 0.01, 0.99, id="hardly one"),
        pytest.param(0.45, 0.01, 0.99, id="nearly known"),
        pytest.param(0.55, 1.0, 1.0, id="what was shown, in another pose"),
    ],
)
def test_what_was_shown_counts_more_the_more_a_thing_is_like_it(cosine, least, most):
    known = learn(BANK, [Thing("mine", True, pointing(1.0))])
    assert least <= known.familiar(pointing(cosine))[0] <= most


def sure_of(cosine: float, sign: float, score: float) -> float:
    """What becomes of a score, where what was shown says all that it may."""
    weights = np.array([0.0, 0.0, 0.0, sign * 1e3, *[0.0] * 5], np.float32)
    known = Knowledge(weights, pointing(1.0), 1.0)
    return known.joined([score], pointing(cosine), 0.5)[0]


def test_what_was_shown_however_often_makes_no_more_of_a_thing_than_98_percent():
    assert 0.95 < sure_of(1.0, 1, 0.5) < 0.99
    assert 0.01 < sure_of(1.0, -1, 0.5) < 0.05


def test_a_score_of_nothing_and_one_of_1_are_overcome_by_half_as_those_of_a_thousandth():
    assert 0.16 < sure_of(0.4, 1, 0.0) < 0.22
    assert 0.78 < sure_of(0.4, -1, 1.0) < 0.84


@pytest.mark.parametrize(("cosine", "kept"), [(0.95, 2), (0.99, 1)])
def test_of_two_views_that_are_nearly_the_same_one_is_kept(cosine, kept):
    assert len(spread_out(np.concatenate([pointing(1.0), pointing(cosine)]), 10)) == kept


def test_a_bank_that_leaves_all_open_is_solved_and_what_never_ends_is_given_up(monkeypatch):
    solved, solve = [0], np.linalg.solve

    def counted(curve, slope):
        solved[0] += 1
        return solve(curve, slope)

    monkeypatch.setattr(np.linalg, "solve", counted)

    def steps(weight: float, precision: float) -> int:
        weights = np.array([2.0, 0, 0, weight, 0, -weight, 0, 0, 0], np.float32)
        before = solved[0]
        learn(Bank(weights, np.diag([precision] * 9).astype(np.float32)), [MINE, WALLET])
        return solved[0] - before

    assert 20 < steps(0, 1e-10) < steps(-50, 1e-4) < 60


# ---------------------------------------------------------------- the file


@pytest.fixture
def store(tmp_path) -> TaughtStore:
    return TaughtStore(tmp_path, VERSION, LENGTH)


def test_what_was_shown_is_there_after_a_restart(store, tmp_path):
    store.add("mine", True, MINE.vectors)
    store.add("wallet", False, WALLET.vectors)
    again = TaughtStore(tmp_path, VERSION, LENGTH)
    assert [(t.name, t.phone, t.views) for t in again.things] == [
        ("mine", True, 10),
        ("wallet", False, 10),
    ]
    np.testing.assert_allclose(again.things[1].vectors, WALLET.vectors, atol=2e-3)


def test_the_file_is_its_owners_alone_and_holds_no_picture(store):
    store.add("mine", True, MINE.vectors)
    assert store.path.stat().st_mode & 0o077 == 0
    with np.load(store.path) as file:
        assert set(file.files) == {"format", "version", "names", "phones", "counts", "vectors"}


def test_a_thing_is_kept_within_bounds_however_long_it_is_shown(store):
    for seed in range(30):
        store.add("mine", True, vectors(3, 20, seed=seed, noise=1.0))
    assert store.things[0].views == MOST_VECTORS


def test_one_thing_too_many_is_refused(store):
    for number in range(MOST_THINGS):
        store.add(f"thing {number}", False, WALLET.vectors)
    with pytest.raises(ValueError, match=f"{MOST_THINGS} things are known already; forget one"):
        store.add("one more", False, WALLET.vectors)


def test_a_phone_does_not_become_something_else_by_its_name(store):
    store.add("it", True, MINE.vectors)
    with pytest.raises(ValueError, match="'it' was shown as a phone; forget it"):
        store.add("it", False, MINE.vectors)


def test_a_thing_is_forgotten_and_the_last_one_takes_the_file_along(store):
    store.add("mine", True, MINE.vectors)
    assert not store.forget("wallet")
    assert store.forget("mine")
    assert not store.path.exists()


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "zip of something else"])
def test_a_damaged_file_is_set_aside_with_words(store, tmp_path, caplog, damage):
    store.add("mine", True, MINE.vectors)
    whole = store.path.read_bytes()
    if damage == "zip of something else":
        np.savez(store.path, something=1)
    else:
        made = {"cut": whole[: len(whole) // 2], "noise": b"\x00" * 999, "empty": b""}
        store.path.write_bytes(made[damage])
    with caplog.at_level(logging.ERROR):
        again = TaughtStore(tmp_path, VERSION, LENGTH)
    assert again.things == ()
    assert "set aside as taught-0123456789ab.damaged: show the things again" in caplog.text
    assert not store.path.exists()
    assert store.path.with_suffix(".damaged").exists()


def test_any_byte_that_changes_is_noticed_or_harmless(store):
    store.add("mine", True, MINE.vectors)
    whole = store.path.read_bytes()
    for place in range(0, len(whole), 37):
        store.path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            things = read(store.path, VERSION, LENGTH)
        except Unreadable:
            continue
        assert all(np.isfinite(thing.vectors).all() for thing in things)


def test_vectors_of_another_model_stay_aside_and_are_named(store, tmp_path):
    store.add("mine", True, MINE.vectors)
    newer = TaughtStore(tmp_path, "ffffffffffff", LENGTH)
    assert newer.things == ()
    assert newer.of_other_models() == [store.path]
    with pytest.raises(Unreadable, match="another model was shown"):
        read(store.path, "ffffffffffff", LENGTH)
    newer.forget_all()
    assert not store.path.exists()


def test_a_card_that_is_full_leaves_what_was_there(store, monkeypatch):
    store.add("mine", True, MINE.vectors)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.add("wallet", False, WALLET.vectors)
    monkeypatch.undo()
    assert [thing.name for thing in read(store.path, VERSION, LENGTH)] == ["mine"]
    assert [path.name for path in store.path.parent.iterdir()] == [store.path.name]


def test_two_files_become_one(tmp_path):
    save(tmp_path / "a", VERSION, [MINE, WALLET])
    there = read(tmp_path / "a", VERSION, LENGTH)
    more = Thing("wallet", False, vectors(5, seed=5))
    names = {thing.name: thing.views for thing in merged(there, [more])}
    assert names == {"mine": 10, "wallet": 20}
    with pytest.raises(ValueError, match="a phone in one file and none in the other"):
        merged(there, [Thing("mine", False, vectors(3))])


# ---------------------------------------------------------------- in the chain


class FakeFeatures:
    """A thing's grey level is the axis that its vectors lie along: 3 for the phone, 5 the wallet"""

    version = VERSION

    def __init__(self, why: str = "") -> None:
        self.made = 0
        self._why = why
        self._seed = itertools.count()

    @property
    def bank(self) -> Bank:
        if self._why:
            raise ModelError(self._why)
        return BANK

    def crops(self, frame: Frame, boxes: Sequence[Box]) -> list[np.ndarray]:
        places = [(int(y * 48), int(x * 64)) for y, x in (box.center for box in boxes)]
        return [np.full((4, 4, 3), frame.image[y, x, 0], np.uint8) for y, x in places]

    def vectors(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        self.made += len(crops)
        rows = [vectors(int(c[0, 0, 0]), 1, seed=next(self._seed), noise=0.05)[0] for c in crops]
        return np.stack(rows)


def picture(at_s: float, axis: int = 3) -> Frame:
    return Frame(np.full((48, 64, 3), axis, np.uint8), at_s)


class FakeEyes:
    """See what they are given, wherever they look."""

    count = 2

    def __init__(self) -> None:
        self.look_is = Look(())

    def look(self, frame: Frame, glance: Glance) -> Look:
        return self.look_is


class Desk:
    """A recognizer around what the eyes see, with the card in a folder."""

    def __init__(
        self, store: TaughtStore, seen: Sequence[Detection], why: str = "", **options
    ) -> None:
        self.seen = list(seen)
        self.features = FakeFeatures(why)
        self.inbox = CommandInbox()
        self.store = store
        self.eyes = FakeEyes()
        self.box = Recognizer(self.eyes, self.features, store, self.inbox, threshold=0.4, **options)

    def look(self, at_s: float, axis: int = 3) -> dict[str, float]:
        self.eyes.look_is = Look(tuple(self.seen), Glance(eye=1, at="desk"))
        look = self.box.look(picture(at_s, axis), self.eyes.look_is.glance)
        assert look.glance == self.eyes.look_is.glance
        found = look.detections
        assert [d.score for d in found] == sorted((d.score for d in found), reverse=True)
        return {d.label: d.score for d in found}

    def hear(self, type_: EventType, **details) -> None:
        self.box.hear(Happening(type_, 0.0, None, details))


SITTING = Detection(PERSON, 0.9, Box(0, 0, 1, 1))
SEEN = [SITTING, Detection(PHONE, 0.5, THERE)]


def test_as_long_as_nothing_was_shown_everything_stays_as_it_is_and_costs_nothing(store):
    desk = Desk(store, SEEN, why="the file is not even loaded")
    desk.eyes.look_is = Look(tuple(SEEN))
    assert desk.box.look(picture(1.0), Glance()) is desk.eyes.look_is
    assert desk.features.made == 0


def test_where_vectors_cannot_be_made_showing_something_is_refused_and_looks_go_on(store):
    desk = Desk(store, SEEN, why="the file is damaged")
    desk.look(1)
    desk.hear(EventType.TEACH, name="mine", phone=True, seconds=5.0)
    (said,) = desk.inbox.drain()
    assert said == Learnt("mine", why="the file is damaged")
    assert desk.look(2) == {PERSON: 0.9, PHONE: 0.5}


def test_the_wallet_that_was_shown_is_no_phone_any_more(store):
    store.add("mine", True, MINE.vectors)
    store.add("wallet", False, WALLET.vectors)
    desk = Desk(store, SEEN)
    assert desk.look(1.0, axis=5)[PHONE] < 0.1
    assert desk.look(2.0, axis=3)[PHONE] > 0.5


def test_no_second_box_of_the_wallet_stays_a_phone(store):
    store.add("mine", True, MINE.vectors)
    store.add("wallet", False, WALLET.vectors)
    part, larger = Box(0.42, 0.42, 0.5, 0.5), Box(0.38, 0.38, 0.66, 0.66)
    thrice = [Detection(PHONE, score, box) for score, box in ((0.5, THERE), (0.4, larger))]
    desk = Desk(store, [*thrice, Detection(PHONE, 0.3, part), Detection(PHONE, 0.2, ELSEWHERE)])
    desk.eyes.look_is = Look(tuple(desk.seen))
    phones = desk.box.look(picture(1.0, axis=5), Glance()).detections
    assert all(each.score < 0.1 for each in phones if each.box.iou(ELSEWHERE) == 0)


@pytest.mark.parametrize("name", [PHONE, "remote"])
def test_the_phone_that_was_shown_is_one_by_whatever_name_it_goes(store, name):
    store.add("mine", True, MINE.vectors)
    store.add("wallet", False, WALLET.vectors)
    desk = Desk(store, [SITTING, Detection(name, 0.1, THERE)])
    assert desk.look(1.0, axis=3)[PHONE] > 0.5
    assert desk.look(2.0, axis=5).get(PHONE, 0.0) < 0.1


def test_a_look_compares_two_things_at_most(store):
    store.add("mine", True, MINE.vectors)
    boxes = [Box(0.1, x / 10, 0.2, x / 10 + 0.08) for x in range(8)]
    desk = Desk(store, [Detection(PHONE, 0.5, box) for box in boxes])
    desk.look(1.0)
    assert desk.features.made == 2


def test_several_labels_of_one_thing_are_one_thing():
    both = [Detection("remote", 0.7, THERE), Detection(PHONE, 0.1, THERE)]
    cup = Detection("cup", 0.5, ELSEWHERE)
    assert held([*both, cup, SITTING]) == [both[1], cup]


def test_that_was_not_a_phone_is_learnt_from_what_was_seen_just_before(store):
    desk = Desk(store, SEEN)
    for at_s in range(5):
        desk.look(at_s, axis=5)
    desk.hear(EventType.NOT_A_PHONE)
    (said,) = desk.inbox.drain()
    assert said == Learnt(DENIED, False, 5)
    store.add("mine", True, MINE.vectors)
    desk.look(50)  # the card is looked at again
    assert desk.look(51, axis=5)[PHONE] < 0.1


def test_nothing_is_learnt_from_denials_where_that_is_not_wanted(store):
    desk = Desk(store, SEEN, denials=False)
    desk.look(1)
    desk.hear(EventType.NOT_A_PHONE)
    assert store.things == ()


def test_that_was_my_phone_is_learnt_from_what_was_hardly_seen(store):
    desk = Desk(store, [Detection(PHONE, 0.06, THERE)])
    desk.look(1)
    desk.hear(EventType.MY_PHONE)
    assert [(t.name, t.phone) for t in store.things] == [(OWN, True)]


def test_what_went_by_long_ago_is_not_what_is_meant(store):
    desk = Desk(store, SEEN)
    desk.look(1)
    desk.seen = []
    desk.look(2 + RECENT_S)
    desk.hear(EventType.MY_PHONE)
    (said,) = desk.inbox.drain()
    assert said.why == "nothing like a phone was seen in the last seconds"
    assert store.things == ()


def test_a_thing_is_shown_while_the_box_runs(store):
    desk = Desk(store, SEEN)
    desk.look(10)
    desk.hear(EventType.TEACH, name="mine", phone=True, seconds=5.0)
    desk.seen = [SITTING]
    desk.look(10.5)
    desk.seen = SEEN
    for step in range(6):
        desk.look(10.5 + EMPTY_S + step)
    (said,) = desk.inbox.drain()
    assert (said.name, said.phone, said.why) == ("mine", True, "")
    assert [thing.name for thing in store.things] == ["mine"]


def test_how_far_it_has_come_is_told_while_a_thing_is_shown(store):
    desk = Desk(store, [SITTING])
    assert desk.box.lesson is None
    desk.hear(EventType.TEACH, name="mine", phone=True, seconds=5.0)
    assert (desk.box.lesson.empty_s, desk.box.lesson.left_s) == (EMPTY_S, EMPTY_S + 5)
    desk.look(100)
    desk.look(101)
    assert (desk.box.lesson.empty_s, desk.box.lesson.views) == (EMPTY_S - 1, 0)
    desk.seen = SEEN
    for step, axis in enumerate((3, 3, 5)):  # one view twice, and another one
        desk.look(103 + step, axis=axis)
    told = desk.box.lesson
    assert (told.name, told.phone, told.empty_s, told.left_s) == ("mine", True, 0, 3)
    assert (told.views, told.used, told.pictures, told.enough) == (2, 3, 3, ENOUGH)
    desk.look(109)
    assert desk.box.lesson is None


def test_a_lesson_begins_with_the_first_picture_however_long_the_camera_was_closed(store):
    desk = Desk(store, SEEN)
    desk.look(10)
    desk.hear(EventType.TEACH, name="mine", phone=True, seconds=5.0)
    desk.seen = [SITTING]
    desk.look(5000)
    desk.seen = SEEN
    for step in range(6):
        desk.look(5000 + EMPTY_S + step)
    assert [thing.name for thing in store.things] == ["mine"]


def test_what_each_thing_changed_is_told_and_all_of_it_can_be_taken_along(store, tmp_path):
    desk = Desk(store, SEEN)
    assert desk.box.shown() == ()
    assert desk.box.exported() == (store.path.name, b"")
    store.add("mine", True, MINE.vectors)
    store.add("wallet", False, WALLET.vectors)
    desk = Desk(store, SEEN)
    mine, wallet = desk.box.shown()
    assert (mine.name, mine.phone, mine.views) == ("mine", True, 10)
    assert (wallet.name, wallet.phone, wallet.views) == ("wallet", False, 10)
    assert mine.now > max(mine.before, 0.9)
    assert wallet.now < min(wallet.before, 0.1)
    name, body = desk.box.exported()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / name).write_bytes(body)
    there = TaughtStore(tmp_path / "elsewhere", VERSION, LENGTH)
    assert [thing.name for thing in there.things] == ["mine", "wallet"]


def test_forgetting_one_thing_leaves_what_another_process_showed_meanwhile(store, tmp_path):
    store.add("wallet", False, WALLET.vectors)
    desk = Desk(store, SEEN)
    TaughtStore(tmp_path, VERSION, LENGTH).add("mine", True, MINE.vectors)
    desk.hear(EventType.FORGET, name="wallet")
    assert [thing.name for thing in TaughtStore(tmp_path, VERSION, LENGTH).things] == ["mine"]
    assert [thing.name for thing in desk.box.shown()] == ["mine"]


def test_what_lay_about_before_is_not_what_is_shown(store):
    desk = Desk(store, [Detection(PHONE, 0.9, ELSEWHERE)])
    lesson = Lesson("wallet", False, desk.features, until_s=9, empty_until_s=1)
    lesson.see(picture(0.5), desk.seen)
    lesson.see(picture(2), desk.seen)
    assert lesson.used == 0
    assert "nothing held up was found" in lesson.outcome()
    lesson.see(picture(3), [*desk.seen, Detection("remote", 0.1, THERE)])
    assert lesson.used == 1
    assert lesson.vectors.shape == (2, LENGTH)  # and its mirror image


def test_what_another_process_showed_is_known_soon(store, tmp_path):
    desk = Desk(store, SEEN)
    assert desk.look(1, axis=5)[PHONE] == 0.5
    other = TaughtStore(tmp_path, VERSION, LENGTH)
    other.add("mine", True, MINE.vectors)
    other.add("wallet", False, WALLET.vectors)
    desk.look(10, axis=5)
    assert desk.look(11, axis=5)[PHONE] < 0.1


def test_a_full_card_is_said_and_stops_nothing(store, monkeypatch):
    desk = Desk(store, SEEN)
    desk.look(1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    desk.hear(EventType.NOT_A_PHONE)
    (said,) = desk.inbox.drain()
    assert said.why == "it cannot be kept: No space left on device"
    assert desk.look(2)[PHONE] == 0.5


def test_a_thing_is_forgotten_by_name_and_one_that_is_none_is_said(store):
    store.add("wallet", False, WALLET.vectors)
    desk = Desk(store, SEEN)
    desk.hear(EventType.FORGET, name="wallet")
    assert store.things == ()
    desk.hear(EventType.FORGET, name="wallet")
    (said,) = desk.inbox.drain()
    assert said.why == "nothing called 'wallet' was shown"


# ---------------------------------------------------------------- the file that ships


def test_the_shipped_features_make_the_vectors_that_their_bank_is_made_of():
    spec = load_eyes(ModelConfig()).features
    features = FileFeatures(spec)
    frame = Frame(np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8), 0.0)
    made = features.vectors(features.crops(frame, [THERE, ELSEWHERE]))
    assert made.shape == (2, spec.length)
    assert np.isfinite(made).all()
    assert features.vectors([]).shape == (0, spec.length)


def test_vectors_of_another_file_or_another_bank_are_other_vectors(tmp_path):
    def version(network: str, bank: str) -> str:
        files = (FileSpec(tmp_path / "any", digit * 64, 1) for digit in (network, bank))
        return FeaturesSpec(*files, side_px=160, length=96).version

    assert len({version("a", "b"), version("a", "c"), version("c", "b")}) == 3


@pytest.mark.parametrize(
    ("box", "grey_at_sides"),
    [
        pytest.param(Box(0.1, 0.4, 0.9, 0.5), True, id="high"),
        pytest.param(Box(0.4, 0.1, 0.5, 0.9), False, id="wide"),
        pytest.param(Box(0.999, 0.999, 1.0, 1.0), None, id="a pixel in the corner"),
        pytest.param(Box(-0.5, -0.5, 2.0, 2.0), None, id="more than the picture"),
    ],
)
def test_a_crop_shows_the_thing_and_nothing_else_however_it_is_held(box, grey_at_sides):
    image = np.full((100, 100, 3), 200, np.uint8)
    made = crop(image, box, 32)
    assert made.shape == (32, 32, 3)
    assert made[16, 16, 0] == 200
    if grey_at_sides is not None:
        assert (made[16, 0, 0] == GREY) is np.bool_(grey_at_sides)
        assert (made[0, 16, 0] == GREY) is np.bool_(not grey_at_sides)
