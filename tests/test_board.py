"""Lights, buzzer and button, against gpiozero's mock pins."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest
from gpiozero.exc import PinPWMUnsupported
from gpiozero.pins.mock import MockFactory, MockPin, MockPWMPin

from edge.config import HardwareConfig
from edge.devices.board import Board, BoardError, open_board
from edge.devices.button import GpioButton
from edge.devices.buzzer import SILENCE, Tone, duty, open_buzzer, tones
from edge.devices.lights import GpioLights, glows
from edge.devices.performer import FOREVER, Performer
from edge.devices.profile import BoardProfile, ButtonPin, BuzzerPin, StatusPins, WarningPin
from edge.domain import Color, LightPattern, Note, Press, Tune

RED, GREEN, BLUE, WARN, BUZZ, PUSH = 17, 27, 22, 12, 18, 23
PROFILE = BoardProfile(
    name="test",
    title="test",
    status=StatusPins(red=RED, green=GREEN, blue=BLUE),
    warnings=(WarningPin(pin=WARN),),
)
SOLID_RED = LightPattern(color=Color.RED, warning=0.5)
CHIRP = Tune("chirp", (Note(2000, 0.1), Note(0, 0.05), Note(3000, 0.1)), volume=1.0)
ALARM = Tune("alarm", (Note(3000, 0.2),), repeat_s=0.2)


def mock(pwm: bool = True) -> MockFactory:
    return MockFactory("c03111", MockPWMPin if pwm else MockPin)


def eventually(condition: Callable[[], bool], patience_s: float = 5.0) -> None:
    """Wait for what another thread does; fail when it does not."""
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s, "it never came to be"
        time.sleep(0.002)


def states(pins: MockFactory, *numbers: int) -> list[float]:
    return [float(pins.pin(number).state) for number in numbers]


# ---------------------------------------------------------------- patterns and tunes, pure


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        pytest.param(LightPattern(), [((0, 0, 0), 0, FOREVER)], id="dark"),
        pytest.param(SOLID_RED, [((1, 0, 0), 0.5, FOREVER)], id="steady"),
        pytest.param(
            LightPattern(color=Color.BLUE, on_s=0.2, off_s=0.3, warning=1.0),
            [((0, 0, 1), 1.0, 0.2), ((0, 0, 0), 0, 0.3), ((0, 0, 1), 1.0, 0.2)],
            id="blink, the warning lights along",
        ),
        pytest.param(
            LightPattern(color=Color.WHITE, brightness=0.5),
            [((0.5, 0.5, 0.5), 0, FOREVER)],
            id="dim",
        ),
    ],
)
def test_a_light_pattern_becomes_timed_steps(
    pattern: LightPattern, expected: list[tuple[object, ...]]
) -> None:
    steps = itertools.islice(glows(pattern), len(expected))
    assert [(glow.status, glow.warning, seconds) for glow, seconds in steps] == expected


def test_a_blink_of_no_length_does_not_keep_a_core_busy() -> None:
    assert all(
        seconds >= 0.02
        for _, seconds in itertools.islice(glows(LightPattern(on_s=0, off_s=1e-9)), 4)
    )


def test_a_tune_is_played_once() -> None:
    assert list(tones(CHIRP)) == [
        (Tone(2000, 1.0), 0.1),
        (SILENCE, 0.05),
        (Tone(3000, 1.0), 0.1),
    ]


def test_a_repeated_tune_starts_anew_at_its_interval() -> None:
    tune = Tune("t", (Note(1000, 0.25),), repeat_s=1.0)
    assert list(itertools.islice(tones(tune), 4)) == [
        (Tone(1000, 1.0), 0.25),
        (SILENCE, 0.75),
        (Tone(1000, 1.0), 0.25),
        (SILENCE, 0.75),
    ]


@pytest.mark.parametrize("at_most_s", [0.0, 0.05, 1.0, 7.3])
@pytest.mark.parametrize("repeat_s", [0.0, 0.1, 2.0])
def test_a_tune_never_sounds_for_longer_than_its_bound(at_most_s: float, repeat_s: float) -> None:
    tune = Tune("t", (Note(3000, 0.3), Note(0, 0.1), Note(900, 0.3)), 1.0, repeat_s, at_most_s)
    sounding_s = sum(seconds for tone, seconds in tones(tune) if tone != SILENCE)
    assert sounding_s <= at_most_s + 1e-9


@pytest.mark.parametrize(
    "tune",
    [
        pytest.param(Tune("t", (), repeat_s=1.0), id="no notes"),
        pytest.param(Tune("t", (Note(440, 0.0),), repeat_s=1.0), id="notes of no length"),
    ],
)
def test_an_empty_tune_that_repeats_ends_all_the_same(tune: Tune) -> None:
    assert list(tones(tune)) == []


def test_no_volume_is_silence() -> None:
    assert {tone for tone, _ in tones(Tune("t", (Note(440, 0.1),), volume=0.0))} == {SILENCE}


def test_volume_is_duty_half_of_the_period_at_most_and_whole_per_cents() -> None:
    duties = [duty(volume / 20) for volume in range(21)]
    assert duties[0] == 0
    assert duties[-1] == 0.5
    assert duties == sorted(duties)
    assert all(abs(share * 100 - round(share * 100)) < 1e-9 for share in duties)
    assert duty(0.001) == 0.01, "the softest tone can still be heard"


# ---------------------------------------------------------------- the performer


def test_a_new_score_replaces_the_old_one_without_waiting_for_its_step() -> None:
    applied: SimpleQueue[str] = SimpleQueue()
    performer = Performer(applied.put, rest="rest", name="test")
    performer.perform(iter([("first", FOREVER)]))
    assert applied.get(timeout=5) == "rest"
    assert applied.get(timeout=5) == "first"
    performer.perform(iter([("second", FOREVER)]))
    assert applied.get(timeout=5) == "second"
    performer.close()
    assert applied.get(timeout=5) == "rest"


def test_what_a_device_raises_reaches_the_next_caller_and_the_thread_lives_on() -> None:
    raised = threading.Event()
    applied: SimpleQueue[str] = SimpleQueue()

    def apply(value: str) -> None:
        if value == "bad":
            raised.set()
            raise OSError("the pin is gone")
        applied.put(value)

    performer = Performer(apply, rest="rest", name="test")
    performer.perform(iter([("bad", 0.0), ("never", FOREVER)]))
    assert raised.wait(5)
    while applied.get(timeout=5) != "rest":
        pass

    def failing() -> bool:
        try:
            performer.perform(iter([("good", FOREVER)]))
        except OSError as exc:
            return "the pin is gone" in str(exc)
        return False

    eventually(failing)
    eventually(lambda: not applied.empty() and applied.get() == "good")
    performer.perform(iter([("good again", FOREVER)]))
    performer.close()


# ---------------------------------------------------------------- lights


@pytest.mark.parametrize("pwm", [True, False], ids=["pins with PWM", "pins without"])
def test_lights_show_go_dark_and_let_go_of_their_pins(pwm: bool) -> None:
    pins = mock(pwm)
    lights = GpioLights(PROFILE, pin_factory=pins)
    lights.show(SOLID_RED)
    warning = 0.5 if pwm else 1.0
    eventually(lambda: states(pins, RED, GREEN, BLUE, WARN) == [1, 0, 0, warning])
    lights.close()
    assert states(pins, RED, GREEN, BLUE, WARN) == [0, 0, 0, 0]
    assert {pins.pin(number).function for number in (RED, GREEN, BLUE, WARN)} == {"input"}


def test_red_pulls_one_pin_low_on_a_common_anode_led() -> None:
    pins = mock()
    profile = BoardProfile(
        name="t", title="t", status=StatusPins(red=RED, green=GREEN, blue=BLUE, active_high=False)
    )
    lights = GpioLights(profile, pin_factory=pins)
    assert states(pins, RED, GREEN, BLUE) == [1, 1, 1]
    lights.show(SOLID_RED)
    eventually(lambda: states(pins, RED, GREEN, BLUE) == [0, 1, 1])
    lights.close()


@pytest.mark.parametrize("color", list(Color))
def test_every_color_can_be_shown_without_pwm(color: Color) -> None:
    pins = mock(pwm=False)
    lights = GpioLights(PROFILE, pin_factory=pins)
    lights.show(LightPattern(color=color))
    lights.show(LightPattern(color=Color.WHITE, warning=1.0))
    eventually(lambda: states(pins, RED, GREEN, BLUE, WARN) == [1, 1, 1, 1])
    lights.close()


def test_a_status_light_with_pwm_mixes_amber() -> None:
    pins = mock()
    profile = BoardProfile(
        name="t", title="t", status=StatusPins(red=RED, green=GREEN, blue=BLUE, pwm=True)
    )
    lights = GpioLights(profile, pin_factory=pins)
    lights.show(LightPattern(color=Color.AMBER))
    eventually(lambda: states(pins, RED)[0] == 1 and 0 < states(pins, GREEN)[0] < 1)
    lights.close()


def test_status_and_warning_light_blink_together() -> None:
    pins = mock(pwm=False)
    lights = GpioLights(PROFILE, pin_factory=pins)
    lights.show(LightPattern(color=Color.RED, on_s=0.02, off_s=0.02, warning=1.0))
    eventually(lambda: len(pins.pin(RED).states) > 6 and len(pins.pin(WARN).states) > 6)
    lights.close()
    # As many changes, and never far apart: one thread moves both.
    assert len(pins.pin(RED).states) == len(pins.pin(WARN).states)


def test_a_board_without_lights_shows_nothing_and_does_not_mind() -> None:
    lights = GpioLights(BoardProfile(name="n", title="n"), pin_factory=mock())
    lights.show(SOLID_RED)
    lights.close()


# ---------------------------------------------------------------- buzzer


def test_a_passive_buzzer_plays_the_tone_and_then_nothing() -> None:
    pins = mock()
    buzzer = open_buzzer(BuzzerPin(pin=BUZZ), pin_factory=pins)
    pin = pins.pin(BUZZ)
    buzzer.play(Tune("t", (Note(2500, 30.0),), volume=1.0))
    eventually(lambda: pin.state == 0.5 and pin.frequency == 2500)
    buzzer.play(None)
    eventually(lambda: pin.state == 0)
    buzzer.close()


def test_a_tune_ends_by_itself() -> None:
    pins = mock()
    buzzer = open_buzzer(BuzzerPin(pin=BUZZ), pin_factory=pins)
    buzzer.play(Tune("t", (Note(2500, 10.0),), repeat_s=10.0, at_most_s=0.03))
    pin = pins.pin(BUZZ)
    eventually(lambda: len(pin.states) >= 3 and pin.state == 0)
    buzzer.close()


@pytest.mark.parametrize(("asked_hz", "played_hz"), [(20.0, 100), (60_000.0, 8000)])
def test_tones_stay_within_what_the_pin_can_do(asked_hz: float, played_hz: int) -> None:
    pins = mock()
    buzzer = open_buzzer(BuzzerPin(pin=BUZZ), pin_factory=pins)
    buzzer.play(Tune("t", (Note(asked_hz, 30.0),)))
    eventually(lambda: pins.pin(BUZZ).state > 0)
    assert pins.pin(BUZZ).frequency == played_hz
    buzzer.close()


@pytest.mark.parametrize("kind", ["passive", "active"])
def test_closing_in_the_middle_of_an_alarm_is_silence(kind: str) -> None:
    pins = mock()
    buzzer = open_buzzer(BuzzerPin(pin=BUZZ, kind=kind), pin_factory=pins)
    buzzer.play(ALARM)
    eventually(lambda: pins.pin(BUZZ).state > 0)
    buzzer.close()
    assert pins.pin(BUZZ).state == 0


def test_an_active_buzzer_is_on_for_notes_and_off_between_them() -> None:
    pins = mock(pwm=False)
    buzzer = open_buzzer(BuzzerPin(pin=BUZZ, kind="active"), pin_factory=pins)
    pin = pins.pin(BUZZ)
    buzzer.play(Tune("t", (Note(900, 0.01), Note(0, 0.01), Note(900, 0.01))))
    eventually(lambda: len(pin.states) == 5)
    assert [state.state for state in pin.states] == [False, True, False, True, False]
    buzzer.close()


def test_a_passive_buzzer_on_pins_without_pwm_is_refused() -> None:
    with pytest.raises(PinPWMUnsupported):
        open_buzzer(BuzzerPin(pin=BUZZ), pin_factory=mock(pwm=False))


# ---------------------------------------------------------------- button


@pytest.fixture
def pushed() -> Iterator[tuple[MockPin, SimpleQueue[object]]]:
    pins = mock()
    inbox: SimpleQueue[object] = SimpleQueue()
    button = GpioButton(ButtonPin(pin=PUSH), inbox=inbox, long_press_s=0.05, pin_factory=pins)
    yield pins.pin(PUSH), inbox
    button.close()


def test_a_short_press_is_told_when_the_button_is_let_go(
    pushed: tuple[MockPin, SimpleQueue[object]],
) -> None:
    pin, inbox = pushed
    pin.drive_low()
    assert inbox.empty()
    pin.drive_high()
    assert inbox.get(timeout=5) is Press.SHORT
    assert inbox.empty()


def test_a_long_press_is_told_while_it_is_held_and_only_once(
    pushed: tuple[MockPin, SimpleQueue[object]],
) -> None:
    pin, inbox = pushed
    pin.drive_low()
    assert inbox.get(timeout=5) is Press.LONG
    pin.drive_high()
    pin.drive_low()
    pin.drive_high()
    assert inbox.get(timeout=5) is Press.SHORT, "letting go of the long press told nothing"
    assert inbox.empty()


def test_a_button_that_pulls_its_pin_high_works_too() -> None:
    pins = mock()
    inbox: SimpleQueue[object] = SimpleQueue()
    button = GpioButton(
        ButtonPin(pin=PUSH, pull="down"), inbox=inbox, long_press_s=5, pin_factory=pins
    )
    pins.pin(PUSH).drive_high()
    pins.pin(PUSH).drive_low()
    assert inbox.get(timeout=5) is Press.SHORT
    button.close()


# ---------------------------------------------------------------- the board as a whole


def open_simulated(board: str = "auto") -> Board:
    return open_board(HardwareConfig(board=board, pins="simulated"), inbox=SimpleQueue())


def test_a_machine_without_pins_gets_simulated_ones_and_says_so() -> None:
    with open_board(HardwareConfig(), inbox=SimpleQueue()) as board:
        if not board.simulated:
            pytest.skip("this machine has real pins")
        assert "simulated pins" in board.description
        assert "no pins of a Raspberry Pi" in board.description


def test_real_pins_on_a_machine_without_any_are_an_answer_not_a_simulation(
    tmp_path: Path,
) -> None:
    profile = tmp_path / "elsewhere.toml"
    profile.write_text('[chip]\nlabels = ["no-such-chip"]\n[buzzer]\npin = 18\n', encoding="utf-8")
    with pytest.raises(BoardError, match=r"no-such-chip|closed to this user"):
        open_board(HardwareConfig(board=str(profile), pins="real"), inbox=SimpleQueue())


def test_simulated_pins_show_and_sound_like_real_ones() -> None:
    board = open_simulated()
    assert board.simulated
    board.lights.show(SOLID_RED)
    board.buzzer.play(ALARM)
    pins = board.pins.factory
    eventually(lambda: states(pins, 17, 12) == [1, 0.5] and states(pins, 18)[0] > 0)
    board.close()
    assert states(pins, 17, 12, 18) == [0, 0, 0]
    board.close()  # again does no harm


def test_simulated_pins_do_not_grow_with_time() -> None:
    board = open_simulated()
    board.lights.show(LightPattern(color=Color.RED, on_s=0.02, off_s=0.02))
    pin = board.pins.factory.pin(17)
    eventually(lambda: pin.state == 1)
    eventually(lambda: pin.state == 0)
    eventually(lambda: pin.state == 1)
    assert len(pin.states) == 1, "gpiozero's list of all changes stays as it was"
    board.close()


def test_a_board_with_nothing_on_it_is_not_called_simulated() -> None:
    with open_simulated("none") as board:
        assert not board.simulated
        board.lights.show(SOLID_RED)
        board.buzzer.play(ALARM)
        board.buzzer.play(None)
        assert not board.button.pressed
        assert "no pins used" in board.description


@pytest.mark.parametrize("name", ["nothing-of-the-kind", "/nowhere/board.toml"])
def test_a_wrong_profile_is_an_answer(name: str) -> None:
    with pytest.raises(BoardError, match="hardware:"):
        open_simulated(name)
