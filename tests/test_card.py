"""A number on a card: when it counts, what the box does with it, how it is found and read."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge import card, decide
from edge.app import open_card_reader
from edge.config import CardConfig, Config
from edge.devices.camera_picture import load_picture
from edge.domain import (
    Box,
    CardSight,
    Color,
    EventType,
    Frame,
    Press,
    ReadCard,
    Session,
    SessionAction,
    SetSession,
)
from edge.errors import EX_CONFIG, Trouble
from edge.vision.card import NO_DIGIT, FileDigits, Levels, Mark, _ink, cards, connected
from edge.vision.manifest import load_eyes
from tests.test_loop import Bench

HERE, THERE = Box(0.3, 0.3, 0.5, 0.5), Box(0.1, 0.6, 0.3, 0.8)
ON = Config(card=CardConfig(enabled=True, open_s=20))


def sight(number: int, box: Box = HERE) -> CardSight:
    return CardSight(number, box)


# ---------------------------------------------------------------- what counts


@pytest.mark.parametrize(
    ("looks", "minutes"),
    [  # what is seen, by second since the camera opened
        pytest.param({1.0: [25], 1.4: [25], 1.8: [25], 2.2: [25]}, 25, id="held steadily"),
        pytest.param({1.0: [25], 1.2: [25], 1.4: [25], 1.6: [25]}, 0, id="not for long enough"),
        pytest.param({1.0: [25], 1.6: [25], 2.2: [25]}, 0, id="too few looks"),
        pytest.param(
            {1.0: [25], 1.4: [], 1.5: [25], 1.8: [], 2.0: [25], 2.2: [25]}, 25, id="a blur"
        ),
        pytest.param({1.0: [25], 1.4: [25], 2.2: [25], 2.5: [25]}, 0, id="away in between"),
        pytest.param({1.0: [25], 1.4: [26], 1.8: [25], 2.2: [25]}, 0, id="another number"),
        pytest.param({1.0: [5], 1.4: [25], 1.8: [25], 2.2: [25], 2.5: [25]}, 25, id="coming in"),
        pytest.param({t / 10: [25, 30] for t in range(10, 40)}, 0, id="two at a time"),
        pytest.param({t / 10: [25] for t in range(40)}, 0, id="a calendar on the wall"),
        pytest.param({t / 10: [] for t in range(40)}, 0, id="nothing"),
    ],
)
def test_a_number_counts_when_several_looks_read_it_for_a_second(looks, minutes):
    held = card.Reading(0.0)
    for at_s, numbers in looks.items():
        held = card.read(held, [sight(number) for number in numbers], at_s)
    assert held.minutes == minutes


def test_a_card_before_a_calendar_is_read():
    held = card.read(card.Reading(0.0), [sight(12, THERE)], 0.1)
    for at_s in (1.0, 1.4, 1.8, 2.2):
        held = card.read(held, [sight(12, THERE), sight(40)], at_s)
    assert held.minutes == 40


def test_looks_are_not_more_frequent_than_they_need_to_be():
    held = card.read(card.Reading(0.0), [], 1.0)
    assert not held.due(1.0 + card.LOOK_EVERY_S / 2)
    assert held.due(1.01 + card.LOOK_EVERY_S)


# ---------------------------------------------------------------- what is decided


def told(state, *commands, at_s=1.0, config=ON):
    for command in commands:
        state = decide.obey(state, command, at_s=at_s, config=config, minute_of_day=None)
    return state


def idle(config=ON):
    return decide.start(config, at_s=0.0)


def test_a_card_starts_a_session_of_so_many_minutes():
    state = told(idle(), Press.LONG)
    assert decide.reading(state)
    assert decide.seeing(state)
    assert not decide.watching(state)
    state = told(state, ReadCard(40), at_s=5.0)
    assert (state.session, state.until_s) == (Session.FOCUS, 5.0 + 40 * 60)
    assert not decide.reading(state)
    (start,) = (h for h in state.happenings if h.type is EventType.SESSION_START)
    assert (start.details["minutes"], start.details["by"]) == (40, "card")


@pytest.mark.parametrize(
    ("state", "config"),
    [
        pytest.param(idle(), ON, id="the camera was not opened for one"),
        pytest.param(
            told(idle(), Press.LONG, SetSession(SessionAction.START, 90)), ON, id="a session runs"
        ),
        pytest.param(told(idle(), SetSession(SessionAction.BREAK)), ON, id="a break"),
        pytest.param(told(idle(), Press.LONG, Press.LONG), ON, id="held again: closed"),
    ],
)
def test_a_card_that_nobody_waits_for_is_nothing(state, config):
    assert told(state, ReadCard(40), config=config) == replace(state, at_s=1.0)
    assert not decide.reading(state)


def test_the_camera_closes_by_itself_when_no_card_comes():
    state = told(idle(), Press.LONG)
    for at_s, open_ in ((20.9, True), (21.1, False)):
        state = decide.step(state, None, at_s=at_s, config=ON, minute_of_day=None)
        assert decide.seeing(state) is open_
    assert state.session is Session.IDLE
    assert state.happened == 0


def test_without_the_setting_the_held_button_opens_nothing():
    state = told(idle(Config()), Press.LONG, config=Config())
    assert not decide.seeing(state)
    assert state.happenings[-1].details["why"] == "nothing runs"


def test_the_held_button_still_stops_whatever_runs():
    state = told(idle(), SetSession(SessionAction.START), Press.LONG)
    assert state.session is Session.IDLE
    assert not decide.seeing(state)


# ---------------------------------------------------------------- what the box does


class Reader:
    """Reads what `script` says for the time of a frame."""

    def __init__(self, script):
        self.script = script
        self.looks = 0

    def read(self, frame):
        self.looks += 1
        return self.script(frame.at_s)


def bench_with(script, config=ON):
    bench = Bench(config=config)
    bench.reader = bench.loop._card_reader = Reader(script)
    return bench


def test_a_card_is_read_with_a_light_on_and_nobody_watched():
    bench = bench_with(lambda at_s: [sight(33)] if at_s > 4 else [])
    bench.run(1)
    assert not bench.camera.is_open
    bench.inbox.put(Press.LONG)
    bench.run(2)
    assert bench.camera.is_open
    assert bench.lights.shown[-1].color is Color.WHITE
    assert bench.reader.looks > 0
    assert bench.eyes.looked_at_s == []
    bench.run(4)
    assert bench.loop.state.session is Session.FOCUS
    assert bench.lights.shown[-1].color is Color.GREEN
    looks = bench.reader.looks
    bench.run(2)
    assert bench.reader.looks == looks, "in a session no card is looked for"
    assert bench.eyes.looked_at_s


def test_what_was_read_in_one_opening_does_not_count_in_the_next():
    bench = bench_with(lambda at_s: [sight(33)] if 2 < at_s < 2.9 or 30 < at_s < 30.9 else [])
    bench.inbox.put(Press.LONG)
    bench.run(28)
    assert not bench.camera.is_open
    assert bench.lights.shown[-1].color is Color.OFF
    bench.inbox.put(Press.LONG)
    bench.run(10)
    assert bench.loop.state.session is Session.IDLE


def test_a_box_that_cannot_read_cards_and_is_to_does_not_start():
    chosen = replace(load_eyes(Config().model), card=None)
    with pytest.raises(Trouble, match=r"card\.enabled") as caught:
        open_card_reader(chosen)
    assert caught.value.exit_code == EX_CONFIG


# ---------------------------------------------------------------- where a card is


@given(arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14))))
def test_what_hangs_together_is_one_mark(dark):
    assert sorted(connected(dark)) == sorted(spread(dark))


def spread(dark):
    """The boxes of what hangs together, by walking from cell to cell."""
    left = {(int(y), int(x)) for y, x in np.argwhere(dark)}
    while left:
        group, edge = set(), [left.pop()]
        while edge:
            y, x = edge.pop()
            group.add((y, x))
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    if (y + dy, x + dx) in left:
                        left.remove((y + dy, x + dx))
                        edge.append((y + dy, x + dx))
        ys, xs = zip(*group, strict=True)
        yield Mark(min(ys), min(xs), max(ys) + 1, max(xs) + 1)


def held_up(
    text: str,
    *,
    size: tuple[int, int] = (640, 480),
    high: float = 0.2,
    at: tuple[float, float] = (0.5, 0.5),
    turn_deg: float = 0.0,
    paper: int = 220,
    ink: int = 30,
    room: float = 0.5,
    seed: int = 0,
) -> np.ndarray:
    """A card before a grey room with things in it, in a font that no digit was learnt from."""
    pytest.importorskip("PIL", reason="needs pillow")
    from PIL import Image, ImageDraw, ImageFilter, ImageFont

    rng = random.Random(seed)
    width, height = size
    image = Image.new("RGB", size, (110, 105, 100))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = rng.randrange(width), rng.randrange(height)
        level = rng.randrange(20, 200)
        draw.rectangle((x, y, x + rng.randrange(160), y + rng.randrange(160)), fill=(level,) * 3)
    if text:
        font = ImageFont.load_default(high * height * 1.4)
        left, top, right, bottom = font.getbbox(text)
        margin = round(room * (bottom - top))
        sheet = Image.new(
            "RGBA", (right - left + 2 * margin, bottom - top + 2 * margin), (paper,) * 3 + (255,)
        )
        ImageDraw.Draw(sheet).text(
            (margin - left, margin - top), text, font=font, fill=(ink,) * 3 + (255,)
        )
        sheet = sheet.rotate(turn_deg, Image.Resampling.BICUBIC, expand=True)
        x, y = round(at[1] * width - sheet.width / 2), round(at[0] * height - sheet.height / 2)
        image.paste(sheet, (x, y), sheet)
    noise = np.random.default_rng(seed).normal(0, 4, (height, width, 3))
    seen = np.asarray(image.filter(ImageFilter.GaussianBlur(0.7)), np.float32) + noise
    return seen.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def digits() -> FileDigits:
    chosen = load_eyes(Config().model)
    assert chosen.card is not None
    return FileDigits(chosen.card)


def numbers(digits: FileDigits, image: np.ndarray) -> list[int]:
    return [each.number for each in digits.read(Frame(image, 0.0))]


@pytest.mark.parametrize("number", [2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 25, 38, 40, 56, 69, 90])
def test_a_number_is_read(digits, number):
    # A digit alone wants more paper beside it.
    room = 0.5 if number > 9 else 0.8
    assert numbers(digits, held_up(str(number), seed=number, room=room)) == [number]


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"high": 0.09}, id="far away"),
        pytest.param({"high": 0.4}, id="near"),
        pytest.param({"size": (1280, 960)}, id="a camera with more pixels"),
        pytest.param({"turn_deg": 9}, id="askew"),
        pytest.param({"turn_deg": -9}, id="askew, the other way"),
        pytest.param({"paper": 120, "ink": 40}, id="dim"),
        pytest.param({"at": (0.3, 0.25)}, id="at a side"),
    ],
)
def test_a_number_is_read_as_people_hold_it(digits, how):
    assert numbers(digits, held_up("45", **how)) == [45]


def test_where_it_is_is_said(digits):
    (seen,) = digits.read(Frame(held_up("45", at=(0.3, 0.7)), 0.0))
    assert seen.box.center == pytest.approx((0.3, 0.7), abs=0.02)
    assert seen.box.height == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize("text", ["", "0", "1", "11", "00", "125", "A4", "K", "x2", "R", "M", "#"])
def test_what_is_no_number_from_2_to_99_is_not_read(digits, text):
    assert numbers(digits, held_up(text)) == []


def test_a_finger_at_a_digit_hides_that_it_is_alone(digits):
    """The 2 of 25 is covered: what remains is no 5."""
    image = held_up("25")
    (found,) = cards(image)
    left = int(found.box.xmin * 640) - 60
    middle = int(found.box.center[1] * 640) - 4
    image[180:300, left:middle] = (150, 100, 80)
    assert numbers(digits, image) == []


def test_marks_without_paper_around_them_are_no_card():
    image = held_up("45", room=0.02, paper=235, ink=20)
    assert cards(image) == []


def test_the_network_is_asked_about_nothing_but_cards(digits):
    other = FileDigits(digits._spec)
    other.read(Frame(held_up(""), 0.0))
    assert other._network is None


def test_noise_is_no_digit(digits):
    rng = np.random.default_rng(3)
    said = [digits.digit(rng.random((28, 28)).astype(np.float32)) for _ in range(50)]
    assert said.count(NO_DIGIT) >= 48


def test_in_pictures_of_rooms_and_people_no_card_is_read(digits, shared_data):
    paths = sorted((shared_data / "dev" / "images").iterdir())[::6]
    read = {path.name: numbers(digits, load_picture(path)) for path in paths}
    assert len(read) > 50
    assert {name: found for name, found in read.items() if found} == {}


def test_a_mark_no_darker_than_its_paper_is_no_ink():
    grey = np.full((40, 40), 90.0, np.float32)
    ink = _ink(grey, Mark(10, 10, 30, 20), Levels(90.0, 90.0))
    assert np.array_equal(ink, np.zeros((28, 28)))
