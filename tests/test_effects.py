from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from edge import tunes
from edge.config import Config, NudgeConfig, SessionConfig
from edge.domain import (
    Color,
    Fault,
    FaultChange,
    Mute,
    PlaySound,
    Press,
    PublishState,
    SessionAction,
    SetSession,
    SetVolume,
    ShowLights,
    Tell,
    Test,
)
from edge.effects import effects, pattern_of, tune_of
from tests.desk import Desk


def done(desk: Desk) -> list:
    """Every effect of a run, in order."""
    return [
        effect
        for before, after in zip(desk.states, desk.states[1:], strict=False)
        for effect in effects(before, after, desk.config)
    ]


def test_nothing_happens_when_nothing_changed():
    desk = Desk().focus().working(5)
    before = desk.state
    desk.working(1)
    assert effects(before, desk.state, desk.config) == ()


def test_a_pickup_lights_first_and_sounds_later_and_is_told_once():
    desk = Desk().focus().working(5).using(20).working(5)
    found = done(desk)
    tunes = [e.tune.name if e.tune else None for e in found if isinstance(e, PlaySound)]
    assert tunes == ["chirp", None]
    told = [str(e.happening.type) for e in found if isinstance(e, Tell)]
    assert told == ["session_start", "pickup", "level", "level", "putdown"]
    assert told == [str(h.type) for h in desk.happenings()]


def test_silence_comes_before_anything_else():
    desk = Desk().focus().working(5).using(20)
    before = desk.state
    desk.tell(Press.LONG)
    first, *_ = effects(before, desk.state, desk.config)
    assert first == PlaySound(None)


def test_a_light_is_on_whenever_the_camera_is():
    desk = Desk(Config(session=SessionConfig(focus_min=5))).focus()
    desk.working(5).using(15).working(5).nobody(200).working(120)
    for state in desk.states[1:]:
        watched = state.session == "focus"
        assert (pattern_of(state, desk.config).color is not Color.OFF) or not watched


def test_the_status_light_tells_the_sessions_apart():
    desk = Desk()
    seen = [pattern_of(desk.state, desk.config)]
    for command in (
        SetSession(SessionAction.START),
        SetSession(SessionAction.PAUSE),
        SetSession(SessionAction.BREAK),
    ):
        desk.tell(command)
        seen.append(pattern_of(desk.state, desk.config))
    assert len({(p.color, p.off_s) for p in seen}) == 4
    assert seen[0].color is Color.OFF


def test_a_fault_of_the_camera_shows():
    desk = Desk().tell(FaultChange(Fault.CAMERA, True))
    assert pattern_of(desk.state, desk.config).color is Color.AMBER


@pytest.mark.parametrize("mode", ["gentle", "strict", "light-only"])
@pytest.mark.parametrize("volume", [0.0, 0.4, 1.0])
def test_no_sound_is_louder_than_the_cap(mode, volume):
    config = Config(session=SessionConfig(focus_min=60), nudge=NudgeConfig(mode=mode))
    desk = Desk(config).focus().tell(SetVolume(volume)).working(5).using(60)
    desk.tell(Test("buzzer"))
    cap = config.ladder(mode).volume_cap
    tunes = [tune_of(state, config) for state in desk.states]
    assert all(tune.volume <= volume * cap + 1e-9 for tune in tunes if tune)
    assert any(tunes) == (volume * cap > 0)


def test_loud_is_louder_and_quicker_than_the_chirp():
    desk = Desk().focus().working(5).using(60)
    tunes = {t.name: t for s in desk.states if (t := tune_of(s, desk.config))}
    assert tunes["loud"].volume > tunes["chirp"].volume
    assert tunes["loud"].repeat_s < tunes["chirp"].repeat_s
    assert all(tune.at_most_s <= desk.config.nudge.longest_sound_s for tune in tunes.values())


def test_a_test_ends_by_itself_and_a_muted_buzzer_stays_silent():
    desk = Desk().tell(Test("buzzer"))
    assert tune_of(desk.state, desk.config) is not None
    desk.nobody(3)
    assert tune_of(desk.state, desk.config) is None
    desk.tell(Mute(True)).tell(Test("buzzer"))
    assert tune_of(desk.state, desk.config) is None


def test_what_subscribers_see_is_published_when_it_changes_and_else_once_a_minute():
    desk = Desk().focus().working(4)
    start = len(desk.states) - 1
    desk.working(180)
    published = [
        e
        for before, after in zip(desk.states[start:], desk.states[start + 1 :], strict=False)
        for e in effects(before, after, desk.config)
        if isinstance(e, PublishState)
    ]
    assert len(published) == 3


def test_a_clean_session_ends_with_a_light():
    desk = Desk(Config(session=SessionConfig(focus_min=0.5))).focus().working(31)
    assert pattern_of(desk.state, desk.config).color is Color.GREEN
    desk.nobody(30)
    assert pattern_of(desk.state, desk.config).color is Color.BLUE


def test_lights_change_only_with_the_pattern():
    desk = Desk().focus().working(5).using(9).working(5)
    shown = [e.pattern for e in done(desk) if isinstance(e, ShowLights)]
    assert all(one != other for one, other in itertools.pairwise(shown))


def test_happenings_are_told_however_many_commands_a_tick_brings():
    desk = Desk()
    before = desk.state
    for _ in range(20):
        desk.tell(SetSession(SessionAction.STOP))
    found = effects(before, desk.state, desk.config)
    assert sum(isinstance(e, Tell) for e in found) == 20
    assert effects(desk.state, replace(desk.state, at_s=1.0), desk.config) == ()


def test_a_tune_is_tried_out_once_and_to_its_end_and_changes_nothing():
    text = "mine:d=4,o=5,b=100:a,b,c,d,e,f"  # 3.6 s
    desk = Desk().tell(Test("chirp", text))
    tune = tune_of(desk.state, desk.config)
    assert tune.notes == tunes.parse(text).notes
    assert tune.repeat_s > 3.6 + 0.5, "it does not begin anew before it is over"
    assert tune.at_most_s >= 3.6
    desk.nobody(3.5)
    assert tune_of(desk.state, desk.config) == tune
    desk.nobody(0.5)
    assert tune_of(desk.state, desk.config) is None
    assert (desk.state.chirp, desk.state.loud) == ("", "")
    desk.tell(Test("chirp"))
    assert tune_of(desk.state, desk.config).notes != tune.notes


def test_what_is_no_tune_is_not_tried_out():
    desk = Desk().tell(Test("loud", "mine:8a"))
    assert desk.state.testing == ""
    (happening,) = desk.state.happenings
    assert "two colons" in happening.details["why"]
