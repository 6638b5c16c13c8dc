from __future__ import annotations

import itertools
import logging
from dataclasses import replace

import pytest

from edge import decide
from edge.config import Config, ObserveConfig, PolicyConfig, SessionConfig
from edge.domain import (
    PERSON,
    PHONE,
    Activity,
    Aim,
    Box,
    Color,
    Detection,
    EventType,
    Fault,
    Level,
    Mute,
    NotAPhone,
    Press,
    Session,
    SessionAction,
    SetMode,
    SetSession,
    SetVolume,
    Snooze,
    Test,
    Thresholds,
)
from edge.inbox import CommandInbox
from edge.loop import RETRY_S, Loop, status_line
from edge.outputs import Outputs
from edge.ports import CameraMissing, CameraStalled, EndOfStream
from tests.fakes import (
    FakeBuzzer,
    FakeCamera,
    FakeClock,
    FakeEyes,
    FakeLights,
    FakeScene,
    FakeTeller,
    FakeWatchdog,
)

SITTING = Detection(PERSON, 0.9, Box(0.1, 0.2, 1.0, 0.8))


def with_phone(at_s: float) -> list[Detection]:
    """A phone in the hands, moving a little from frame to frame."""
    sway = 0.03 * (int(at_s * 10) % 3)
    return [SITTING, Detection(PHONE, 0.85, Box(0.5, 0.4 + sway, 0.65, 0.48 + sway))]


class FakeTimeInbox(CommandInbox):
    """Waits in the time of a fake clock."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout_s: float) -> None:
        self._clock.advance(timeout_s)


class Bench:
    """A loop with fakes all around."""

    def __init__(self, *, config: Config | None = None, script=lambda at_s: [SITTING], **camera):
        self.clock = FakeClock()
        self.config = config or Config(
            observe=ObserveConfig(gate=False),
            policy=PolicyConfig(phone_hold_s=1.0),
            session=SessionConfig(focus_min=10),
        )
        self.camera = FakeCamera(self.clock, **camera)
        self.eyes = FakeEyes(script)
        self.lights = FakeLights()
        self.buzzer = FakeBuzzer()
        self.teller = FakeTeller()
        self.watchdog = FakeWatchdog(self.clock)
        self.inbox = FakeTimeInbox(self.clock)
        self.loop = Loop(
            config=self.config,
            state=decide.start(self.config, at_s=0.0),
            camera=self.camera,
            eyes=self.eyes,
            scene=FakeScene(),
            thresholds=Thresholds(0.25, {"phone": 0.3}),
            outputs=Outputs(self.lights, self.buzzer, self.teller),
            inbox=self.inbox,
            watchdog=self.watchdog,
            clock=self.clock,
            minute_of_day=lambda: 600,
        )

    def focus(self) -> None:
        self.inbox.put(SetSession(SessionAction.START))

    def run(self, seconds: float) -> None:
        """Tick until `seconds` have passed; the camera advances the clock."""
        until_s = self.clock() + seconds
        while self.clock() < until_s - 1e-6:
            self.loop.tick()

    def told(self) -> list[EventType]:
        return [tell.happening.type for tell in self.teller.told]


def test_a_pickup_goes_from_the_camera_to_the_lights_and_the_subscribers():
    bench = Bench(script=with_phone)
    bench.focus()
    bench.run(5)
    assert bench.loop.state.seats[0].activity is Activity.PHONE
    assert EventType.PICKUP in bench.told()
    assert bench.loop.state.level >= 1
    assert bench.lights.shown[-1].warning > 0
    assert bench.teller.published[-1].seats[0].reason


def test_the_camera_is_closed_while_nobody_is_watched():
    bench = Bench()
    bench.run(2)
    assert not bench.camera.is_open
    bench.focus()
    bench.run(1)
    assert bench.camera.is_open
    bench.inbox.put(SetSession(SessionAction.STOP))
    bench.run(2)
    assert not bench.camera.is_open
    assert bench.loop.state.session is Session.IDLE
    assert bench.watchdog.petted_at_s, "an idle box is a healthy box"


def test_the_camera_is_open_to_be_aimed_with_a_light_on_and_nobody_is_judged():
    bench = Bench(script=with_phone)
    bench.inbox.put(Aim(5))
    bench.run(4)
    assert bench.camera.is_open
    assert bench.lights.shown[-1].color is Color.WHITE
    assert bench.loop.observation is not None, "what is seen is shown"
    assert bench.loop.state.seats[0].activity is Activity.UNSURE
    assert bench.told() == []
    bench.run(2)
    assert not bench.camera.is_open
    assert bench.loop.frame is None
    assert bench.lights.shown[-1].color is Color.OFF
    bench.inbox.put(Aim(1e9))
    bench.run(decide.LONGEST_AIM_S - 1)
    assert bench.camera.is_open
    bench.run(2)
    assert not bench.camera.is_open


def test_the_light_comes_before_the_picture_and_goes_after_it():
    bench = Bench()
    order = []
    bench.lights.show = lambda pattern: order.append((pattern.color, bench.camera.is_open))
    bench.inbox.put(Aim(3))
    bench.run(1)
    bench.inbox.put(Aim(0))
    bench.run(1)
    assert order == [(Color.WHITE, False), (Color.OFF, False)]


def test_settings_are_taken_over_between_two_ticks():
    bench = Bench(script=with_phone)
    bench.focus()
    bench.run(1)
    patient = replace(bench.config, policy=replace(bench.config.policy, phone_hold_s=60))
    bench.loop.adopt(patient)
    bench.run(20)
    assert bench.told().count(EventType.PICKUP) == 0


def test_a_stalled_camera_starves_the_watchdog_and_is_told():
    bench = Bench(frames=3, period_s=0.5)
    bench.focus()
    with pytest.raises(CameraStalled, match="ribbon cable"):
        for _ in itertools.repeat(None, 10):
            bench.loop.tick()
    assert bench.watchdog.petted_at_s == [0.5, 1.0, 1.5]
    assert Fault.CAMERA in bench.loop.state.faults
    assert EventType.FAULT in bench.told()


SILENT_WITHIN_S = 1.0


def sounding(**camera) -> Bench:
    """A box that sounds, and whose camera stalls from now on; it is silent for 30 s before it is
    given up."""
    bench = Bench(script=with_phone, frames=150, silent_s=30.0, **camera)
    bench.focus()
    bench.run(15)
    assert bench.buzzer.played[-1] is not None
    return bench


@pytest.mark.parametrize(
    "command",
    [
        NotAPhone(),
        Press.SHORT,
        Press.LONG,
        SetSession(SessionAction.STOP),
        SetSession(SessionAction.PAUSE),
        SetSession(SessionAction.BREAK),
        Snooze(),
        Mute(on=True),
        SetVolume(0.0),
        SetMode("light-only"),
    ],
    ids=str,
)
def test_a_command_silences_in_the_tick_that_hears_it_while_the_camera_stalls(command):
    bench = sounding()
    bench.inbox.put(command)
    told_s = bench.clock()
    bench.loop.tick()
    assert bench.buzzer.played[-1] is None
    assert bench.clock() - told_s <= SILENT_WITHIN_S


def test_a_press_is_heard_in_time_however_long_the_camera_has_stalled():
    bench = sounding()
    for _ in range(100):
        began_s = bench.clock()
        bench.loop.tick()
        assert bench.clock() - began_s <= SILENT_WITHIN_S / 2
    bench.inbox.put(Press.LONG)
    bench.loop.tick()
    assert bench.loop.state.session is Session.IDLE
    assert not bench.camera.is_open


def test_a_stalled_camera_alone_silences_before_it_is_given_up():
    bench = sounding()
    stalled_s = bench.clock()
    while bench.buzzer.played[-1] is not None:
        bench.loop.tick()
    assert bench.clock() - stalled_s <= SILENT_WITHIN_S
    assert bench.loop.state.level is Level.LIGHT, "the phone may still be there; nobody can tell"
    silenced = len(bench.buzzer.played)
    with pytest.raises(CameraStalled):
        bench.run(60)
    assert set(bench.buzzer.played[silenced:]) <= {None}
    assert bench.loop.state.level is Level.NONE


def test_a_slow_camera_sounds_without_a_gap():
    bench = Bench(script=with_phone, period_s=0.65)
    bench.focus()
    bench.run(30)
    assert [tune.name for tune in bench.buzzer.played] == ["chirp"]


@pytest.mark.parametrize(
    "command", [Press.LONG, SetSession(SessionAction.PAUSE), Test("off")], ids=str
)
def test_what_is_told_while_the_camera_opens_is_done_at_once(command):
    bench = Bench(opening_s=20.0)
    bench.focus()
    bench.inbox.put(Test("loud"))
    bench.run(1)
    assert bench.buzzer.played[-1] is not None
    bench.inbox.put(command)
    told_s = bench.clock()
    bench.loop.tick()
    if isinstance(command, Test):
        assert bench.buzzer.played[-1] is None
    else:
        assert bench.loop.state.session is not Session.FOCUS
    assert bench.clock() - told_s <= SILENT_WITHIN_S
    bench.run(3)
    assert bench.buzzer.played[-1] is None


def test_the_watchdog_is_not_told_of_waiting():
    bench = Bench(opening_s=20.0)
    bench.focus()
    bench.run(19)
    assert bench.watchdog.petted_at_s == []
    assert bench.watchdog.ready_at_s == []
    bench.run(2)
    assert bench.watchdog.petted_at_s


def test_a_film_in_a_pause_is_no_fault_to_the_watchdog_and_commands_are_done_at_once():
    bench = Bench(script=with_phone, frames=150, live=False, alive=True)
    bench.focus()
    bench.run(14.9)
    assert bench.buzzer.played[-1] is not None
    bench.camera._due_s = bench.clock() + 300  # the next frame of the film is so far away
    paused_s = bench.clock()
    while bench.buzzer.played[-1] is not None:
        bench.loop.tick()
    assert bench.clock() - paused_s <= SILENT_WITHIN_S, "what was seen long ago makes no sound"
    bench.run(200)
    petted = [at_s for at_s in bench.watchdog.petted_at_s if at_s > paused_s]
    assert max(b - a for a, b in itertools.pairwise(petted)) <= 1
    bench.inbox.put(SetSession(SessionAction.STOP))
    bench.loop.tick()
    assert bench.loop.state.session is Session.IDLE


def test_a_light_is_on_from_before_the_camera_opens_until_after_it_closes():
    bench = Bench()
    seen = []
    show = bench.lights.show

    def watched(pattern):
        seen.append((pattern.color, bench.camera.is_open))
        show(pattern)

    bench.lights.show = watched
    bench.focus()
    bench.run(1)
    bench.inbox.put(Press.SHORT)
    bench.run(1)
    bench.inbox.put(Press.SHORT)
    bench.run(630)  # into the break, and past its reward
    bench.inbox.put(Press.LONG)
    bench.run(1)
    colors = [color for color, _ in seen]
    assert colors[:3] == [Color.GREEN, Color.BLUE, Color.GREEN]
    assert colors[-1] is Color.OFF
    assert [is_open for _, is_open in seen] == [False] * len(seen)


def test_a_camera_that_is_missing_is_tried_again_now_and_then_and_taken_when_it_is_back(caplog):
    bench = Bench(missing="not plugged in")
    bench.focus()
    with caplog.at_level(logging.INFO):
        bench.run(60)
        assert bench.camera.tried == pytest.approx(60 / RETRY_S, abs=2)
        assert len([r for r in caplog.records if "not plugged in" in r.getMessage()]) == 2
        bench.camera.missing = ""
        bench.run(2 * RETRY_S)
    assert Fault.CAMERA not in bench.loop.state.faults
    assert bench.told().count(EventType.FAULT) == 1
    assert bench.told().count(EventType.FAULT_CLEARED) == 1
    assert bench.lights.shown[-1].color is Color.GREEN


def test_a_file_that_is_gone_ends_the_run():
    bench = Bench(live=False, missing="there is no film.mp4")
    bench.focus()
    with pytest.raises(CameraMissing, match=r"film\.mp4"):
        bench.run(60)


def test_a_missing_camera_is_told_and_the_box_stays_up():
    bench = Bench(missing="no camera found; is the ribbon cable in?")
    bench.focus()
    bench.loop.tick()
    assert Fault.CAMERA in bench.loop.state.faults
    assert bench.watchdog.petted_at_s
    assert not bench.loop.state.level


def test_a_file_is_judged_in_its_own_time_and_ends():
    bench = Bench(live=False, frames=50, script=with_phone)
    bench.focus()
    with pytest.raises(EndOfStream):
        bench.run(60)
    assert bench.loop.state.at_s == pytest.approx(5.0)
    assert EventType.PICKUP in bench.told()


def test_readiness_is_told_once_after_the_first_finished_tick():
    bench = Bench()
    bench.focus()
    assert bench.watchdog.ready_at_s == []
    bench.run(3)
    assert bench.watchdog.ready_at_s == [pytest.approx(0.1)]


def test_broken_lights_and_a_broken_teller_do_not_stop_the_buzzer():
    bench = Bench(script=with_phone)
    bench.lights.error = OSError("gpio gone")
    bench.teller.error = RuntimeError("disk gone")
    bench.focus()
    bench.run(30)
    assert any(tune is not None for tune in bench.buzzer.played)


def test_silencing_leaves_everything_dark_and_closed():
    bench = Bench(script=with_phone)
    bench.focus()
    bench.run(30)
    bench.lights.error = OSError("gpio gone")
    bench.loop._outputs.silence()
    assert bench.buzzer.played[-1] is None
    assert bench.lights.closed
    assert bench.buzzer.closed


def test_a_held_button_stops_the_session_within_one_frame():
    bench = Bench(script=with_phone)
    bench.focus()
    bench.run(5)
    bench.inbox.put(Press.LONG)
    bench.run(0.1)
    assert bench.loop.state.session is Session.IDLE
    assert bench.lights.shown[-1].warning == 0


def test_the_status_line_says_what_the_box_is_doing():
    bench = Bench(script=with_phone)
    assert status_line(bench.loop.state, bench.loop.health) == "idle"
    bench.focus()
    bench.run(5)
    line = status_line(bench.loop.state, bench.loop.health)
    assert line.startswith("focus; desk phone, level 1: ")
    assert "10 frames/s" in line


def test_health_is_published_at_its_interval_with_what_was_measured():
    bench = Bench()
    bench.focus()
    bench.run(61)
    assert len(bench.teller.figures) == 3
    assert bench.teller.figures[-1]["fps"] == pytest.approx(10.0, abs=0.1)
    assert bench.teller.figures[-1]["drops"] == 0
