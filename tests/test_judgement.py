"""What must hold for the judgement whatever happens: properties over random timelines."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from edge import decide
from edge.config import Config, NudgeConfig, PolicyConfig, SeatConfig, SessionConfig
from edge.decide import SOUNDS
from edge.desk.observe import observe
from edge.desk.tracks import CLEARLY
from edge.domain import (
    PHONE,
    Activity,
    Box,
    Detection,
    EventType,
    Fault,
    FaultChange,
    Forget,
    Happening,
    Learnt,
    Level,
    Look,
    Mute,
    MyPhone,
    NotAPhone,
    PhoneUse,
    PlaySound,
    Press,
    PublishState,
    Session,
    SessionAction,
    SetMode,
    SetSession,
    SetTune,
    SetVolume,
    Snooze,
    State,
    Teach,
    Tell,
    Test,
    View,
)
from edge.effects import effects, tune_of
from edge.judge import Facts, Memory, glances, judge
from edge.mqtt.payloads import WallTime, encode, state_payload
from tests.desk import CALM, SITTER, STIRRED, THRESHOLDS, cells, phone, swaying, thing

PLACES = ((0.88, 0.2), (0.5, 0.5), (0.2, 0.58), (0.7, 0.9))
VIEWS = (
    CALM,
    STIRRED,
    replace(CALM, brightness=0.0, contrast=0.0, detail=0.0),
    replace(CALM, glare=0.9),
    replace(CALM, identical=True),
    replace(STIRRED, shift=0.9),
)
CONFIG = Config(
    seats=(
        SeatConfig(name="left", box=Box(0, 0, 1, 0.75), dock=Box(0.8, 0.1, 0.98, 0.3)),
        SeatConfig(name="right", box=Box(0, 0.75, 1, 1)),
    ),
    session=SessionConfig(
        focus_min=1.5, break_min=0.3, long_break_min=0.5, auto_focus=True, pause_max_min=0.2
    ),
    nudge=NudgeConfig(mode="strict", longest_sound_s=12, quiet_from="10:05", quiet_to="10:06"),
    policy=PolicyConfig(away_hold_s=5, away_grace_s=10, dock_hold_s=4, unsure_grace_s=3),
)

SLOWEST_S = 0.5  # between two frames of a timeline
SILENT_WITHIN_S = 1.0

actions = st.sampled_from(SessionAction)
commands = st.one_of(
    st.builds(SetSession, actions, st.none() | st.floats(0.1, 3)),
    st.builds(Snooze, st.none() | st.floats(-1, 100)),
    st.builds(Mute, st.booleans()),
    st.builds(SetVolume, st.floats(-1, 2)),
    st.builds(SetMode, st.sampled_from(["gentle", "strict", "light-only", "no such mode"])),
    st.builds(SetTune, st.sampled_from(["stairs", "t:d=8:c", "no such tune"]), st.booleans()),
    st.builds(NotAPhone, st.sampled_from([None, "left", "right", "nobody"])),
    st.builds(Forget, st.none() | st.integers(0, 5), st.sampled_from(["", "wallet"])),
    st.builds(Teach, st.just("wallet"), st.booleans(), st.floats(5, 10)),
    st.builds(MyPhone),
    st.builds(Learnt, st.just("wallet"), why=st.sampled_from(["", "nothing was found"])),
    st.builds(Test, st.sampled_from(["lights", "loud", "engine", "off"])),
    st.sampled_from(Press),
    st.builds(FaultChange, st.sampled_from(Fault), st.booleans()),
)

# A stretch of a timeline: how long, with how many frames a second, what is seen, a command first.
stretches = st.lists(
    st.tuples(
        st.sampled_from([8.0, 15.0, 2.5, 0.4, 25.0]),
        st.sampled_from([0.2, 0.1, 0.5]),
        st.sampled_from([*["using"] * 5, "nobody", "working", "parked", "calculator", "flicker"]),
        st.sampled_from([PLACES[1], *PLACES]),
        st.sampled_from([0.9, 0.7, 0.9, 0.5, 0.4, 0.3]),
        st.sampled_from([STIRRED] * 6 + list(VIEWS)),
        st.none() | st.none() | commands,
    ),
    min_size=3,
    max_size=10,
)


def seen(what: str, place: tuple[float, float], score: float, at_s: float) -> tuple[Detection, ...]:
    moved = swaying(place, at_s)
    match what:
        case "nobody":
            return ()
        case "using":
            return (SITTER, phone(moved, score))
        case "parked":
            return (SITTER, phone(place, score))
        case "calculator":
            return (SITTER, phone(moved, score), thing("calculator", moved, score * 0.9))
        case "flicker":
            return (SITTER, phone(moved, score)) if int(at_s * 10) % 3 else (SITTER,)
    return (SITTER,)


class Run:
    """One timeline, played with the commands in it; every state is kept with what was seen. `lies`:
    there is something in that place, seen or not; else phones are where they are seen."""

    def __init__(self, timeline, config: Config = CONFIG, lies=None) -> None:
        self.config = config
        self.states: list[tuple[State, object]] = []
        self.phone_shown_s: list[float] = []  # for each state: when a phone was last shown, if ever
        shown_s = float("-inf")
        state = decide.start(config, at_s=0.0)
        memory = Memory()
        now_s = 0.0
        first = [(0.1, 0.1, "working", PLACES[0], 0.5, STIRRED, SetSession(SessionAction.START))]
        for lasts_s, period_s, what, place, score, stats, command in first + timeline:
            if command is not None:
                state = decide.obey(
                    state, command, at_s=now_s, config=config, minute_of_day=self.minute(now_s)
                )
                self.states.append((state, command))
                self.phone_shown_s.append(shown_s)
            for _ in range(max(1, int(lasts_s / period_s))):
                now_s += period_s
                looks = ()
                shown = seen(what, place, score, now_s)
                things = [each.box for each in shown if each.label == PHONE]
                if lies is not None:
                    things = [phone(lies).box]
                stats = replace(stats, grid=cells(things, (), 0))
                if decide.watching(state) and glances(memory, stats, at_s=now_s, config=config):
                    if any(d.label == PHONE and d.score >= 0.3 for d in shown):
                        shown_s = now_s
                    looks = (Look(shown),)
                state, memory, observation = judge(
                    state,
                    memory,
                    Facts(now_s, stats, looks),
                    at_s=now_s,
                    config=config,
                    thresholds=THRESHOLDS,
                    minute_of_day=self.minute(now_s),
                )
                self.states.append((state, observation))
                self.phone_shown_s.append(shown_s)
        self.end_s = now_s

    @staticmethod
    def minute(now_s: float) -> int:
        return 600 + int(now_s / 60)


each = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(stretches)
@each
def test_there_is_no_sound_without_a_confirmed_phone_in_use(timeline):
    run = Run(timeline)
    for (state, _), shown_s in zip(run.states, run.phone_shown_s, strict=True):
        tested = state.testing in SOUNDS
        assert (tune_of(state, CONFIG) is None) == (state.level < Level.SOUND and not tested)
        assert not (tested and state.muted)
        if state.level < Level.SOUND:
            continue
        # What was really shown, whatever the box made of it.
        assert state.at_s - shown_s <= CONFIG.policy.fresh_s + SLOWEST_S
        assert state.session is Session.FOCUS
        assert state.view is View.CLEAR
        assert not (state.muted)
        assert not (state.quiet)
        assert not (state.faults & {Fault.CAMERA, Fault.DETECTOR})
        for seat in state.seats:
            if seat.level >= Level.SOUND:
                assert seat.activity is Activity.PHONE
                assert seat.phone is not None
                assert seat.phone.use is PhoneUse.IN_USE
                assert seat.phone.sure
                assert seat.phone.median >= CLEARLY * THRESHOLDS.of("phone") - 1e-9
                assert state.at_s - seat.phone_active_s <= CONFIG.policy.fresh_s


@given(stretches)
@each
def test_what_is_never_surely_a_phone_never_makes_a_sound(timeline):
    nearly = THRESHOLDS.of(PHONE) - 0.01
    run = Run([(*s[:4], min(s[4], nearly), *s[5:]) for s in timeline])
    assert max(state.level for state, _ in run.states) <= Level.LIGHT


@given(stretches)
@each
def test_there_is_no_level_without_a_reason_and_no_reason_without_a_level(timeline):
    for state, _ in Run(timeline).states:
        for seat in state.seats:
            assert bool(seat.level) == bool(seat.reason)


@given(stretches, st.sampled_from(PLACES))
@each
def test_nothing_but_a_phone_in_use_ever_goes_beyond_light(timeline, place):
    # A phone that appears elsewhere from one stretch to the next was carried: here it never is. Nor
    # is there a break, after which a phone that is not there at first has come from somewhere.
    harmless = [
        (s[0], s[1], "parked" if s[2] == "using" else s[2], place, 0.9, s[5], None)
        for s in timeline
        if s[2] in ("using", "working", "nobody")
    ]
    first = (8.0, 0.1, "parked", place, 0.9, CALM, None)
    endless = replace(CONFIG, session=replace(CONFIG.session, focus_min=60))
    run = Run([first, *harmless], endless, lies=place)
    assert max(state.level for state, _ in run.states) <= Level.LIGHT
    assert EventType.PICKUP not in {happening.type for happening in told(run)}


SILENCING = {
    "pause": SetSession(SessionAction.PAUSE),
    "stop": SetSession(SessionAction.STOP),
    "break": SetSession(SessionAction.BREAK),
    "press": Press.SHORT,
    "held": Press.LONG,
    "not a phone": NotAPhone(),
    "snooze": Snooze(),
    "mute": Mute(on=True),
    "volume 0": SetVolume(0.0),
    "light-only": SetMode("light-only"),
    "no camera": FaultChange(Fault.CAMERA, True),
    "no detector": FaultChange(Fault.DETECTOR, True),
}


def sounding(timeline):
    """Somebody works for a while, in whatever light, then takes up the phone until it sounds."""
    before = [(s[0], s[1], "working", (0.5, 0.5), 0.9, s[5], None) for s in timeline[:2]]
    return [*before, (3.0, 0.2, "working", (0.5, 0.5), 0.9, STIRRED, None), USING]


USING = (8.0, 0.2, "using", (0.5, 0.5), 0.9, STIRRED, None)


@pytest.mark.parametrize("how", sorted(SILENCING))
@given(stretches)
@settings(each, max_examples=5)
def test_a_command_and_a_fault_silence_at_once(how, timeline):
    command = SILENCING[how]
    run = Run([*sounding(timeline), (2.0, 0.2, "using", (0.5, 0.5), 0.9, STIRRED, command)])
    index = next(i for i, (_, why) in enumerate(run.states) if why is command)
    assert tune_of(run.states[index - 1][0], CONFIG) is not None, "it sounded"
    for state, _ in run.states[index:]:
        assert tune_of(state, CONFIG) is None
        assert state.happenings[-1].type != "refused"


@given(
    stretches,
    # Onto the desk, out of sight, out of the room.
    st.sampled_from([("parked", (0.88, 0.5)), ("working", (0.5, 0.5)), ("nobody", (0.5, 0.5))]),
    st.sampled_from([0.1, 0.2, 0.5]),
)
@each
def test_silence_comes_within_a_second_of_every_putdown(timeline, end, period_s):
    what, place = end
    run = Run([*sounding(timeline), (4.0, period_s, what, place, 0.9, STIRRED, None)])
    down_s = run.end_s - 4.0
    before = [state for state, _ in run.states if state.at_s <= down_s + 1e-6]
    assert tune_of(before[-1], CONFIG) is not None, "it sounded"
    after = [state for state, _ in run.states if state.at_s > down_s + SILENT_WITHIN_S]
    assert after
    assert all(tune_of(state, CONFIG) is None for state in after)


def told(run: Run) -> list[Happening]:
    found = []
    for (before, _), (after, _) in zip(run.states, run.states[1:], strict=False):
        news = after.happened - before.happened
        found += after.happenings[len(after.happenings) - news :]
    return found


BECOMES = {
    EventType.SESSION_START: "focus",
    EventType.SESSION_END: "idle",
    EventType.BREAK_START: "break",
    EventType.BREAK_END: "idle",
    EventType.PAUSE: "paused",
    EventType.RESUME: "focus",
}


@given(stretches)
@each
def test_totals_add_up_to_the_length_of_the_sessions_that_were_told(timeline):
    run = Run(timeline)
    lasted_s = dict.fromkeys(("idle", "focus", "break", "paused"), 0.0)
    # The session of a Run starts before its first state is kept.
    now, since_s = "focus", 0.0
    for happening in told(run):
        if happening.type in BECOMES:
            lasted_s[now] += happening.at_s - since_s
            now, since_s = BECOMES[happening.type], happening.at_s
    lasted_s[now] += run.end_s - since_s
    state = run.states[-1][0]
    for total in state.totals:
        assert total.focus_s == pytest.approx(lasted_s["focus"], abs=1e-6)
        assert total.break_s == pytest.approx(lasted_s["break"], abs=1e-6)
        assert total.paused_s == pytest.approx(lasted_s["paused"], abs=1e-6)
        shares = (total.working_s, total.phone_s, total.away_s, total.unsure_s)
        assert sum(shares) == pytest.approx(total.focus_s, abs=1e-6)
        assert min(shares) >= 0


@given(stretches)
@each
def test_pickups_last_as_long_as_the_totals_say(timeline):
    """Time on the phone is the sum of the pick-ups, less those that were taken back."""
    run = Run(timeline)
    state = run.states[-1][0]
    for seat, total in zip(state.seats, state.totals, strict=True):
        mine = [h for h in told(run) if h.seat == seat.seat]
        ended_s = sum(float(h.details["lasted_s"]) for h in mine if h.type == EventType.PUTDOWN)
        runs_s = state.at_s - seat.since_s if seat.activity is Activity.PHONE else 0.0
        # What is told is rounded to milliseconds.
        assert total.phone_s == pytest.approx(ended_s + runs_s, abs=0.001 * (len(mine) + 1))


@given(stretches, stretches)
@each
def test_a_replay_gives_the_same_to_the_byte(timeline, another):
    first = repr(Run(timeline).states)
    Run(another)  # nothing stays behind
    assert repr(Run(timeline).states) == first


def digest(seed: int, timelines: int = 12) -> str:
    """Of all that some random timelines make the box show, sound, tell and publish."""
    found = hashlib.sha256()
    wall = WallTime(0.0, datetime(2026, 1, 5, 10, 0, tzinfo=UTC))
    for timeline in random_timelines(seed, timelines):
        run = Run(timeline)
        for (before, _), (after, _) in zip(run.states, run.states[1:], strict=False):
            for effect in effects(before, after, CONFIG):
                if isinstance(effect, PublishState):
                    found.update(encode(state_payload(effect.state, CONFIG, wall)))
                else:
                    found.update(repr(effect).encode())
    return found.hexdigest()


def random_timelines(seed: int, count: int):
    chance = random.Random(seed)
    told = [*SILENCING.values(), SetSession(SessionAction.START), FaultChange(Fault.DISK, True)]
    for _ in range(count):
        yield [
            (
                chance.choice([4.0, 8.0]),
                chance.choice([0.2, 0.5]),
                chance.choice(["using", "using", "working", "nobody", "flicker"]),
                chance.choice(PLACES),
                0.9,
                chance.choice([STIRRED, STIRRED, *VIEWS]),
                chance.choice([None, *told]),
            )
            for _ in range(6)
        ]


def test_a_replay_in_another_process_gives_the_same_to_the_byte():
    """Sets have another order in another process: none may show."""
    script = "from tests.test_judgement import digest; print(digest(5))"
    digests = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parent.parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=600,
        ).stdout
        for seed in ("1", "2")
    ]
    assert digests[0] == digests[1]
    assert len(digests[0].strip()) == 64


REACHED = {
    "loud": lambda state: state.level is Level.LOUD,
    "light for an empty dock": lambda state: any("dock" in seat.reason for seat in state.seats),
    "light for a lost view": lambda state: any("view" in seat.reason for seat in state.seats),
    "light for being away": lambda state: any("away" in seat.reason for seat in state.seats),
    "a second break": lambda state: state.totals[0].sessions >= 1 and state.totals[0].break_s > 0,
    "pause": lambda state: state.session is Session.PAUSED,
    "light for half a phone": lambda state: any("(perhaps)" in seat.reason for seat in state.seats),
    "a look-alike": lambda state: bool(state.look_alikes),
    "the limit on sound": lambda state: state.sound_spent,
    "a tested sound": lambda state: state.testing in SOUNDS,
}


@pytest.mark.parametrize("what", sorted(REACHED))
def test_the_timelines_reach_what_the_properties_are_about(what):
    find(
        stretches,
        lambda timeline: any(REACHED[what](state) for state, _ in Run(timeline).states),
        settings=settings(max_examples=400, phases=[Phase.generate], database=None, deadline=None),
        random=random.Random(1),
    )


@given(stretches)
@each
def test_no_continuous_sound_is_longer_than_the_limit(timeline):
    began_s = None
    for state, _ in Run(timeline).states:
        if state.level < Level.SOUND:
            began_s = None
        elif began_s is None:
            began_s = state.at_s
        else:
            assert state.at_s - began_s <= CONFIG.nudge.longest_sound_s + 0.6


@given(stretches)
@each
def test_every_happening_is_told_once_and_in_order(timeline):
    run = Run(timeline)
    seen_told = []
    playing = None
    for (before, _), (after, _) in zip(run.states, run.states[1:], strict=False):
        for effect in effects(before, after, run.config):
            if isinstance(effect, Tell):
                seen_told.append(effect.happening)
            if isinstance(effect, PlaySound):
                playing = effect.tune
        assert playing == tune_of(after, run.config), "the buzzer plays what the state says"
    first, last = run.states[0][0], run.states[-1][0]
    assert len(seen_told) == last.happened - first.happened
    assert [h.at_s for h in seen_told] == sorted(h.at_s for h in seen_told)


@given(stretches)
@each
def test_pickups_and_putdowns_take_turns(timeline):
    run = Run(timeline)
    counts = {seat.name: 0 for seat in CONFIG.seats}
    told = 0
    for state, _ in run.states:
        for happening in state.happenings[len(state.happenings) - (state.happened - told) :]:
            if happening.type == "pickup":
                counts[happening.seat] += 1
            elif happening.type in ("putdown", "not_a_phone"):
                counts[happening.seat] -= 1
            assert set(counts.values()) <= {0, 1}
        told = state.happened
        for seat in state.seats:
            assert counts[seat.seat] == (seat.activity is Activity.PHONE)


@given(stretches)
@each
def test_everything_stays_bounded(timeline):
    run = Run(timeline * 2)
    state = run.states[-1][0]
    assert len(state.happenings) <= 64
    assert len(state.look_alikes) <= CONFIG.policy.learn_most
    assert len(state.denied) <= len(CONFIG.seats)
    assert 0 <= state.volume <= 1


# ---------------------------------------------------------------- how often is looked


def looks(timeline) -> tuple[list[float], list[float]]:
    """When the detector looked, and when something had changed; nobody has a phone."""
    memory, now_s = Memory(), 0.0
    looked_s, changed_s = [], []
    for lasts_s, period_s, stats in timeline:
        for _ in range(int(lasts_s / period_s)):
            now_s += period_s
            due = glances(memory, stats, at_s=now_s, config=CONFIG)
            if due:
                looked_s.append(now_s)
            if stats.change >= CONFIG.observe.gate_change:
                changed_s.append(now_s)
            memory, _ = observe(
                memory,
                tuple(Look((SITTER,)) for _ in due),
                stats,
                at_s=now_s,
                config=CONFIG,
                thresholds=THRESHOLDS,
            )
    return looked_s, changed_s


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.5, 3.0, 10.0]),
            st.sampled_from([0.1, 0.2]),
            st.sampled_from([CALM, CALM, STIRRED]),
        ),
        min_size=1,
        max_size=12,
    )
)
@each
def test_the_rate_of_looks_follows_what_changes_and_has_its_bounds(timeline):
    settled = CONFIG.observe
    slack_s = 0.2 + 1e-6  # a look can only be at a frame
    looked_s, changed_s = looks([*timeline, (3.0, 0.1, CALM)])
    for before_s, after_s in pairwise(looked_s):
        assert settled.gate_calm_s - 1e-6 <= after_s - before_s
        assert after_s - before_s <= settled.gate_longest_s + slack_s
    for change_s in changed_s:
        seen_s = next(at_s for at_s in looked_s if at_s >= change_s - 1e-6)
        assert seen_s - change_s <= settled.gate_calm_s + slack_s


@given(
    st.floats(1.0, 20.0),
    st.sampled_from([0.1, 0.2]),
    st.sampled_from([CALM, STIRRED]),
    st.sampled_from([0.5, 0.9]),
)
@each
def test_looking_less_often_notices_a_pickup_hardly_later(quiet_s, period_s, stats, score):
    found = []
    for gate in (True, False):
        config = replace(CONFIG, observe=replace(CONFIG.observe, gate=gate))
        waiting = (quiet_s, period_s, "working", (0.5, 0.5), score, stats, None)
        using = (8.0, period_s, "using", (0.5, 0.5), score, STIRRED, None)
        run = Run([waiting, using], config)
        found.append(next(h.at_s for h in told(run) if h.type == EventType.PICKUP))
    with_gate_s, without_s = found
    assert with_gate_s - without_s <= CONFIG.observe.gate_calm_s + 0.2 + 1e-6
