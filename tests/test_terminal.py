from __future__ import annotations

import io

import pytest
from gpiozero import PWMLED, PWMOutputDevice
from gpiozero.pins.mock import MockFactory, MockPWMPin

from edge.devices.profile import BoardProfile, BuzzerPin, StatusPins, WarningPin
from edge.devices.terminal import in_words, levels, note_name, shown, tune_in_words
from edge.domain import Color, LightPattern, Note, Tune
from tests.fakes import FakeBuzzer, FakeLights

CHIRP = Tune("chirp", (Note(880, 0.1), Note(0, 0.1), Note(1174.7, 0.1)), volume=0.3, repeat_s=6)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (LightPattern(), "off"),
        (LightPattern(Color.GREEN, brightness=0.2), "green"),
        (LightPattern(Color.RED, 0.25, 0.25), "red, blinking 2 times a second"),
        (LightPattern(Color.AMBER, 0.2, 1.8), "amber, blinking every 2 s"),
        (LightPattern(Color.AMBER, warning=0.5), "amber, warning lights 50%"),
    ],
)
def test_a_light_pattern_in_words(pattern, words):
    assert in_words(pattern) == words


@pytest.mark.parametrize(
    ("frequency_hz", "name"), [(0, "-"), (440, "A4"), (880, "A5"), (261.6, "C4"), (2093, "C7")]
)
def test_a_tone_has_the_name_of_the_nearest_note(frequency_hz, name):
    assert note_name(Note(frequency_hz, 0.1)) == name


def test_a_tune_in_words():
    assert tune_in_words(CHIRP) == "chirp: A5 D6, volume 30%, every 6 s"
    assert tune_in_words(None) == "silent"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_each_change_is_said_once_and_carried_out_every_time():
    lights, buzzer, out = FakeLights(), FakeBuzzer(), io.StringIO()
    shown_lights, shown_buzzer = shown(lights, buzzer, out)
    for _ in range(2):
        shown_lights.show(LightPattern(Color.RED))
        shown_buzzer.play(CHIRP)
    shown_buzzer.play(None)
    assert out.getvalue().splitlines() == [
        "lights red (simulated)",
        "buzzer chirp: A5 D6, volume 30%, every 6 s (simulated)",
        "buzzer silent (simulated)",
    ]
    assert lights.shown == [LightPattern(Color.RED)] * 2
    assert buzzer.played == [CHIRP, CHIRP, None]


def test_a_terminal_gets_a_block_of_the_colour():
    out = Terminal()
    shown(FakeLights(), FakeBuzzer(), out)[0].show(LightPattern(Color.RED))
    assert "\x1b[41m" in out.getvalue()


@pytest.mark.parametrize("active_high", [True, False])
def test_levels_are_read_from_the_pins_themselves(active_high):
    pins = MockFactory("c03111", MockPWMPin)
    profile = BoardProfile(
        name="test",
        title="test",
        status=StatusPins(red=17, green=27, blue=22, active_high=active_high),
        warnings=(WarningPin(pin=12),),
        buzzer=BuzzerPin(pin=18),
    )
    rgb = [PWMLED(pin, active_high=active_high, pin_factory=pins) for pin in (17, 27, 22)]
    warning = PWMLED(12, pin_factory=pins)
    buzzer = PWMOutputDevice(18, frequency=880, pin_factory=pins)
    rgb[0].value, rgb[1].value, warning.value = 1, 0.5, 0.25
    before = levels(profile, pins)
    buzzer.value = 0.5
    after = levels(profile, pins)
    assert before.status == (1, 0.5, 0)
    assert before.warnings == (0.25,)
    assert before.buzzer_hz == 0
    assert after.buzzer_hz == 880


def test_a_board_without_parts_is_dark_and_silent():
    found = levels(BoardProfile(name="bare", title="bare"), MockFactory("c03111", MockPWMPin))
    assert (found.status, found.warnings, found.buzzer_hz) == ((0, 0, 0), (), 0)
