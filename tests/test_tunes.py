"""Tunes and patterns of light: what is taken and played; nothing flashes or rings on."""

from __future__ import annotations

import itertools
import math
import time
from pathlib import Path
from queue import SimpleQueue

import pytest
from gpiozero.pins.mock import MockFactory, MockPWMPin
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import app, patterns, tunes
from edge.__main__ import main
from edge.commands.selftest import play
from edge.config import PRESETS, Config, HardwareConfig, NudgeConfig
from edge.devices.board import open_board
from edge.devices.buzzer import SILENCE, open_buzzer
from edge.devices.buzzer import tones as tones_of
from edge.devices.lights import GpioLights, glows
from edge.devices.profile import BoardProfile, BuzzerPin, StatusPins, WarningPin
from edge.domain import Color, EventType, LightPattern, Note, SetTune, Test
from edge.effects import pattern_of, tune_of
from edge.patterns import DARK, MOST_FLASHES, PATTERNS, SHORTEST_S, Calm, Glow
from edge.tunes import LIBRARY, LONGEST_S, Loudness, NoTune, find, parse
from edge.wire.commands import Refusal, Vocabulary, understand
from tests.desk import Desk

# ---------------------------------------------------------------- RTTTL


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("t:d=4,o=4,b=120:a", [(440.0, 0.5)], id="a4"),
        pytest.param("t:d=4,o=5,b=120:8a", [(880.0, 0.25)], id="a length of its own"),
        pytest.param("t:d=4,o=5,b=120:a4,p", [(440.0, 0.5), (0, 0.5)], id="an octave, a pause"),
        pytest.param("t:d=8,o=4,b=120:a#.", [(466.2, 0.375)], id="sharp and dotted"),
        pytest.param("t:d=8,o=4,b=120:a#5.", [(932.3, 0.375)], id="the dot after the octave"),
        pytest.param("t:d=4,o=4,b=120:h", [(493.9, 0.5)], id="h as Germans write b"),
        pytest.param("t::a4", [(440.0, 240 / 63 / 4)], id="the format's own defaults"),
        pytest.param(" T : d=4 , o=4 , b=120 : A , 8B ", [(440.0, 0.5), (493.9, 0.25)], id="case"),
    ],
)
def test_a_tune_is_read(text: str, expected: list[tuple[float, float]]) -> None:
    assert [(n.frequency_hz, n.duration_s) for n in parse(text).notes] == [
        (hz, pytest.approx(seconds)) for hz, seconds in expected
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("beep", "one of two-up"),
        ("t:d=4", "two colons"),
        (":d=4:a", "its name has"),
        ("t:d=3:a", "d=3: one of 1, 2, 4, 8, 16, 32"),
        ("t:o=9:a", "o=9: from 4 to 8"),
        ("t:b=9:a", "b=9: from 25 to 400"),
        ("t:x=9:a", "'x=9' is none of"),
        ("t:d=4:k", "'k' is no note; 8a#5. is one"),
        ("t:d=4:3a", "its length is one of"),
        ("t:d=4:", "is no note"),
        ("t:d=4:p,p", "no note that sounds"),
        ("t:d=1,b=60:a,a", "8.0 s; at most 5"),
        ("t:d=32,b=400:" + ",".join(["a"] * 65), "65 notes; at most 64"),
        ("t:d=32:" + "a," * 400, "characters; at most 600"),
    ],
)
def test_what_is_no_tune_is_told_what_would_do(text: str, said: str) -> None:
    with pytest.raises(NoTune) as caught:
        find(text)
    assert said in str(caught.value)


@given(st.text(max_size=80) | st.from_regex(r"t:(d=\d+,)?b=\d+:([0-9a-hp#.]{1,4},){0,9}"))
def test_any_text_is_a_tune_within_its_limits_or_is_refused(text: str) -> None:
    try:
        melody = parse(text)
    except NoTune:
        return
    assert 0 < melody.length_s <= LONGEST_S
    assert 1 <= len(melody.notes) <= tunes.MOST_NOTES
    for note in melody.notes:
        assert note.frequency_hz == 0 or 250 < note.frequency_hz < 8000
        assert note.duration_s >= 0.01


# ---------------------------------------------------------------- the library


@pytest.mark.parametrize("melody", LIBRARY.values(), ids=LIBRARY)
def test_a_tune_of_the_library_is_short_and_none_is_another_in_disguise(
    melody: tunes.Melody,
) -> None:
    assert melody.length_s <= 2.5
    intervals = [
        tuple(round(12 * math.log2(b / a)) for a, b in itertools.pairwise(pitches(each)))
        for each in LIBRARY.values()
    ]
    assert len(set(intervals)) == len(intervals)


def pitches(melody: tunes.Melody) -> list[float]:
    return [note.frequency_hz for note in melody.notes if note.frequency_hz]


def test_what_chirps_is_not_piercing_and_what_is_loud_is() -> None:
    nudge = NudgeConfig()
    assert find(nudge.chirp).loudness is not Loudness.PIERCING
    assert find(nudge.loud).loudness is Loudness.PIERCING


def test_the_higher_a_chirp_is_the_softer() -> None:
    def volume(text: str) -> float:
        desk = Desk(Config(nudge=NudgeConfig(chirp=text, mode="strict"))).tell(Test("chirp"))
        found = tune_of(desk.state, desk.config)
        assert found is not None
        return found.volume

    assert volume("t:d=8,b=120:c5") > volume("t:d=8,b=120:c6") > volume("t:d=8,b=120:c7")


# ---------------------------------------------------------------- nothing is loud for too long

NOTES = st.lists(
    st.builds(Note, st.sampled_from([0.0, 440.0, 2500.0]), st.floats(0.02, 2.0)),
    min_size=1,
    max_size=8,
)


@settings(deadline=None)
@given(
    NOTES,
    st.floats(0.5, 600),
    st.floats(1, 600),
    st.booleans(),
    st.floats(0, 1),
)
def test_no_tune_sounds_for_longer_than_the_limit_and_a_chirp_leaves_a_second_of_silence(
    notes: list[Note], every_s: float, at_most_s: float, loud: bool, volume: float
) -> None:
    melody = tunes.Melody("t", (*notes, Note(880.0, 0.1)))
    make = tunes.loud if loud else tunes.chirp
    tune = make(melody, volume=volume, every_s=every_s, at_most_s=at_most_s, file="")
    steps = list(itertools.takewhile(lambda _: True, tones_of(tune)))
    sounding = sum(seconds for tone, seconds in steps if tone != SILENCE)
    assert sum(seconds for _, seconds in steps) <= at_most_s + max(tune.repeat_s, 0) + 1e-6
    assert sounding <= at_most_s + 1e-6
    assert tune.volume <= volume
    assert tune.repeat_s >= melody.length_s + (0.2 if loud else 1.0) - 1e-9


# ---------------------------------------------------------------- tunes of the owner's own


def test_another_tune_is_commanded_by_name_or_written_out_for_each_level() -> None:
    own = "own:d=8,o=5,b=200:c,g"
    vocabulary = Vocabulary()
    assert understand("tune", b"stairs", vocabulary) == SetTune("stairs")
    assert understand("tune", own.encode(), vocabulary) == SetTune(own)
    loud = b'{"tune": "beacon", "level": "loud"}'
    assert understand("tune", loud, vocabulary) == SetTune("beacon", loud=True)
    for bad in (
        b"",
        b"/etc/passwd",
        b"own:d=8:k",
        b'{"tune": 5}',
        b'{"tune":"stairs","level":"x"}',
    ):
        assert isinstance(understand("tune", bad, vocabulary), Refusal)


def test_a_commanded_tune_is_the_one_that_plays_and_is_kept_beside_the_other() -> None:
    desk = Desk().tell(SetTune("stairs")).tell(SetTune("own:d=8,o=7,b=200:c,g", loud=True))
    desk.tell(Test("chirp"))
    chirp = tune_of(desk.state, desk.config)
    assert chirp is not None
    assert chirp.notes == LIBRARY["stairs"].notes
    desk.tell(Test("loud"))
    loud = tune_of(desk.state, desk.config)
    assert loud is not None
    assert loud.notes == parse("own:d=8,o=7,b=200:c,g").notes
    assert loud.volume <= desk.config.ladder(desk.state.mode).volume_cap


def test_a_tune_that_is_none_changes_nothing_and_is_told() -> None:
    desk = Desk().tell(SetTune("no such tune"))
    assert desk.state.chirp == ""
    assert desk.happenings()[-1].type is EventType.REFUSED


def test_a_tune_comes_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "own.rtttl"
    path.write_text("own:d=8,o=5,b=200:c,g\n", encoding="utf-8")
    config = app.with_tunes(Config(nudge=NudgeConfig(chirp=str(path))))
    desk = Desk(config).tell(Test("chirp"))
    tune = tune_of(desk.state, config)
    assert tune is not None
    assert tune.notes == parse("own:d=8,o=5,b=200:c,g").notes
    path.write_text("own:d=8:k", encoding="utf-8")
    with pytest.raises(app.CannotStart, match="'k' is no note"):
        app.with_tunes(Config(nudge=NudgeConfig(chirp=str(path))))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('chirp = "nothing"', 'nudge.chirp = "nothing": one of two-up'),
        ('loud = "t:d=4:k"', "'k' is no note"),
        ('chirp = "/nowhere/own.rtttl"', "cannot be read"),
        ('chirp = "/nowhere/own.wav"', "there is no such file"),
        ('chirp = "{here}"', "only a board with a speaker plays sound files"),
    ],
)
def test_a_tune_that_cannot_be_played_is_found_by_check(
    line: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = tmp_path / "own.wav"
    sound.touch()
    file = tmp_path / "config.toml"
    file.write_text(f"[nudge]\n{line.format(here=sound)}\n", encoding="utf-8")
    assert main(["check", str(file)]) != 0
    printed = capsys.readouterr()
    assert said in printed.out + printed.err


def test_a_sound_file_is_what_a_speaker_plays_and_a_buzzer_plays_notes() -> None:
    config = Config(nudge=NudgeConfig(loud="/srv/own.ogg"))
    desk = Desk(config).tell(Test("loud"))
    tune = tune_of(desk.state, config)
    assert tune is not None
    assert tune.file == "/srv/own.ogg"
    assert tune.notes == LIBRARY["three-knocks"].notes


# ---------------------------------------------------------------- playing them by hand


@pytest.mark.parametrize("name", [*LIBRARY, "own:d=16,o=6,b=300:c,e"])
def test_selftest_plays_every_tune(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edge.commands.selftest.time.sleep", lambda _: None)
    assert play(Config(hardware=HardwareConfig(pins="simulated")), name) == 0
    assert "simulated" in capsys.readouterr().out


@pytest.mark.parametrize("name", PATTERNS)
def test_selftest_shows_every_pattern(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edge.commands.selftest.PLAYED_S", 0.01)
    assert play(Config(hardware=HardwareConfig(pins="simulated")), name) == 0
    assert "simulated" in capsys.readouterr().out


def test_selftest_lists_them_and_names_them_when_one_is_none_of_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["selftest", "--play", "list"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*LIBRARY, *PATTERNS))
    assert main(["selftest", "--play", "stare"]) == 2
    assert "stairs" in capsys.readouterr().err


# ---------------------------------------------------------------- nothing flashes too often


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def performed(shown: list[tuple[LightPattern, float]]) -> list[tuple[float, Glow]]:
    """What the lights do when asked for these patterns, each for so long: time and glow."""
    clock = Clock()
    calm = Calm(clock)
    found: list[tuple[float, Glow]] = []
    for pattern, seconds in shown:
        until_s = clock.now_s + seconds
        for glow, duration_s in calm.calmed(glows(pattern)):
            calm.shown = glow
            found.append((clock.now_s, glow))
            if clock.now_s + duration_s >= until_s:
                break
            clock.now_s += duration_s
        clock.now_s = until_s
    return found


def flashes(found: list[tuple[float, Glow]]) -> list[float]:
    """When each flash began: something got brighter that was darker before."""
    before, times = DARK, []
    for at_s, glow in found:
        if glow.rises_over(before):
            times.append(at_s)
        before = glow
    return times


def most_in_a_second(times: list[float]) -> int:
    return max((sum(0 <= t - start < 1 for t in times) for start in times), default=0)


PATTERN = st.builds(
    LightPattern,
    st.sampled_from(list(Color)),
    st.floats(0, 2),
    st.floats(0, 2),
    st.floats(0, 1),
    st.floats(0, 1),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(PATTERN, st.floats(0.0, 2.0)), min_size=1, max_size=12))
def test_nothing_flashes_more_than_three_times_in_any_second(
    shown: list[tuple[LightPattern, float]],
) -> None:
    assert most_in_a_second(flashes(performed(shown))) <= MOST_FLASHES


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(PATTERN, st.floats(0.0, 0.3)), min_size=1, max_size=12))
def test_darkness_is_never_delayed(shown: list[tuple[LightPattern, float]]) -> None:
    found = performed([*shown, (LightPattern(), 1.0)])
    end_s = 100.0 + sum(seconds for _, seconds in shown)
    assert found[-1][1] == DARK
    assert found[-1][0] <= end_s + 1e-6


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_a_pattern_keeps_the_limit_as_it_is(pattern: LightPattern) -> None:
    steps = list(itertools.islice(glows(pattern), 2))
    if len(steps) == 2:
        assert [seconds for _, seconds in steps] == [pattern.on_s, pattern.off_s]
        assert 1 / (pattern.on_s + pattern.off_s) <= MOST_FLASHES


def test_a_pattern_that_is_too_fast_is_slowed_and_keeps_its_shape() -> None:
    steps = itertools.islice(glows(LightPattern(Color.RED, on_s=0.05, off_s=0.15)), 2)
    assert [seconds for _, seconds in steps] == pytest.approx([SHORTEST_S / 4, SHORTEST_S * 3 / 4])


def test_every_pattern_that_the_box_shows_is_one_of_the_table() -> None:
    desk = Desk().focus().working(3).using(60).working(5)
    for mode in PRESETS:
        bright = desk.config.ladder(mode).brightness
        known = {patterns.scaled(name, bright) for name in PATTERNS}
        seen = {pattern_of(state, desk.config) for state in desk.states if state.mode == mode}
        assert seen <= known


def test_the_recorded_edges_of_a_pin_keep_the_limit_however_hasty_the_commands() -> None:
    pins = MockFactory("c03111", MockPWMPin)
    profile = BoardProfile(name="t", title="t", status=StatusPins(red=17, green=27, blue=22))
    lights = GpioLights(profile, pin_factory=pins)
    end_s = time.monotonic() + 1.5
    for color in itertools.cycle((Color.RED, Color.OFF)):
        lights.show(LightPattern(color))
        time.sleep(0.02)
        if time.monotonic() > end_s:
            break
    lights.close()
    at_s = list(itertools.accumulate(each.timestamp for each in pins.pin(17).states))
    rises = [t for t, each in zip(at_s, pins.pin(17).states, strict=True) if each.state == 1]
    assert len(rises) >= 2
    assert most_in_a_second(rises) <= MOST_FLASHES


def test_what_dims_a_light_does_so_far_above_what_anybody_sees_flash() -> None:
    pins = MockFactory("c03111", MockPWMPin)
    profile = BoardProfile(
        name="t",
        title="t",
        status=StatusPins(red=17, green=27, blue=22, pwm=True),
        warnings=(WarningPin(pin=12),),
    )
    lights = GpioLights(profile, pin_factory=pins)
    assert all(pins.pin(number).frequency >= 90 for number in (17, 27, 22, 12))
    lights.close()


def test_the_recorded_edges_of_a_blinking_light_are_as_far_apart_as_the_pattern_says() -> None:
    pins = MockFactory("c03111", MockPWMPin)
    profile = BoardProfile(name="t", title="t", status=StatusPins(red=17, green=27, blue=22))
    lights = GpioLights(profile, pin_factory=pins)
    pattern = PATTERNS["loud"]
    lights.show(pattern)
    pin = pins.pin(17)
    deadline_s = time.monotonic() + 10
    while len(pin.states) < 7 and time.monotonic() < deadline_s:
        time.sleep(0.02)
    edges_s = [each.timestamp for each in pin.states[2:7]]
    lights.close()
    # Steps are planned ahead, so late ones do not add up.
    assert sum(edges_s) == pytest.approx(5 * pattern.on_s, abs=0.15)


def test_the_recorded_edges_of_a_buzzer_are_the_notes_of_the_tune() -> None:
    pins = MockFactory("c03111", MockPWMPin)
    buzzer = open_buzzer(BuzzerPin(pin=18), pin_factory=pins)
    melody = LIBRARY["stairs"]
    played: list[int] = []
    device = buzzer._device  # gpiozero's; it is asked for each frequency
    pin = device.pin

    def heard(value: float) -> None:
        if value > 0:
            played.append(round(pin.frequency))
        type(pin)._set_state(pin, value)

    pin._set_state = heard
    buzzer.play(tunes.loud(melody, volume=1.0, every_s=9.0, at_most_s=melody.length_s, file=""))
    deadline_s = time.monotonic() + 5
    while len(played) < len(melody.notes) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    buzzer.close()
    assert played == [round(note.frequency_hz) for note in melody.notes]


def test_a_board_takes_its_sound_back_when_the_tune_is_changed() -> None:
    inbox: SimpleQueue[object] = SimpleQueue()
    with open_board(HardwareConfig(pins="simulated"), inbox=inbox) as board:
        board.buzzer.play(tunes.loud(find("beacon"), volume=1, every_s=1, at_most_s=60, file=""))
        board.buzzer.play(None)
        pin = board.pins.factory.pin(18)
        deadline_s = time.monotonic() + 5
        while pin.state and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert pin.state == 0
