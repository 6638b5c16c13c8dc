from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from edge import decide
from edge.config import (
    LIGHT_ONLY,
    Config,
    NudgeConfig,
    PolicyConfig,
    SeatConfig,
    SessionConfig,
)
from edge.domain import (
    DENIED,
    EMPTY_S,
    Activity,
    Aim,
    Box,
    EventType,
    Fault,
    FaultChange,
    Forget,
    Learnt,
    Level,
    Mute,
    MyPhone,
    NotAPhone,
    Press,
    Session,
    SessionAction,
    SetMode,
    SetSession,
    SetVolume,
    Snooze,
    Teach,
    Test,
    Totals,
)
from tests.desk import AT_CHEST, CALM, ON_DESK, SITTER, STIRRED, Desk, phone, swaying, thing

HOUR = SessionConfig(focus_min=60)
START = SetSession(SessionAction.START)


def configured(**parts) -> Config:
    return Config(**({"session": HOUR} | parts))


# ---------------------------------------------------------------- activities


@pytest.mark.parametrize(
    ("stretches", "activity", "pickups"),
    [
        pytest.param([("working", 5)], Activity.WORKING, 0, id="working"),
        pytest.param([("working", 5), ("using", 1)], Activity.WORKING, 0, id="a glimpse"),
        pytest.param([("working", 5), ("using", 3)], Activity.PHONE, 1, id="a pick-up"),
        pytest.param(
            [("working", 5), ("using", 3), ("working", 1), ("using", 2)],
            Activity.PHONE,
            1,
            id="a short gap is no put-down",
        ),
        pytest.param(
            [("working", 5), ("using", 3), ("working", 5), ("using", 3)],
            Activity.PHONE,
            2,
            id="two pick-ups",
        ),
        pytest.param([("working", 5), ("nobody", 15)], Activity.WORKING, 0, id="leaning back"),
        pytest.param([("working", 5), ("nobody", 25)], Activity.AWAY, 0, id="away"),
        pytest.param(
            [("working", 5), ("nobody", 25), ("working", 3)], Activity.WORKING, 0, id="back"
        ),
    ],
)
def test_an_activity_is_believed_after_its_hold(stretches, activity, pickups):
    desk = Desk().focus()
    for what, seconds in stretches:
        getattr(desk, what)(seconds)
    assert (desk.seat.activity, desk.seat.pickups) == (activity, pickups)


def test_a_change_counts_from_when_it_was_first_seen():
    desk = Desk().focus().working(10).using(5)
    assert desk.state.totals[0].phone_s == pytest.approx(5, abs=0.5)
    desk.working(10)
    assert desk.state.totals[0].phone_s == pytest.approx(5, abs=0.6)
    (putdown,) = [h for h in desk.happenings() if h.type is EventType.PUTDOWN]
    assert putdown.details["lasted_s"] == pytest.approx(5, abs=0.6)


def test_the_four_activities_share_out_the_focus_time():
    desk = Desk().focus()
    desk.working(10).using(8).working(5).nobody(40).looking_at(
        replace(CALM, brightness=0.0, contrast=0.0, detail=0.0), 20
    ).working(9)
    total = desk.state.totals[0]
    assert total.focus_s == pytest.approx(desk.now_s)
    shared = total.working_s + total.phone_s + total.away_s + total.unsure_s
    assert shared == pytest.approx(total.focus_s)
    assert min(total.working_s, total.phone_s, total.away_s, total.unsure_s) > 5


def test_the_seconds_of_a_reason_go_on_while_the_level_stands():
    desk = Desk(configured(modes={"gentle": LIGHT_ONLY})).focus().working(5).using(3)
    told = []
    for _ in range(75):
        desk.using(1)
        told.append(desk.seat.reason.partition(",")[0])
    assert set(told) >= {f"phone in hand for {span}" for span in ("5 s", "30 s", "55 s", "1 min")}
    assert len(set(told)) < 16, "in steps: each of them is published"
    assert [h.type for h in desk.happenings()].count(EventType.LEVEL) == 1, "and is no event"


def test_leaving_with_the_phone_is_recorded_as_such():
    desk = Desk().focus().working(10).using(4).nobody(30)
    (left,) = [h for h in desk.happenings() if h.type is EventType.LEFT]
    assert left.details["with_phone"] is True
    desk.working(10).nobody(30)
    *_, left = [h for h in desk.happenings() if h.type is EventType.LEFT]
    assert left.details["with_phone"] is False


# ---------------------------------------------------------------- levels


def test_the_ladder_is_climbed_step_by_step_with_reasons():
    desk = Desk().focus().working(5).using(60)
    told = [h for h in desk.happenings() if h.type is EventType.LEVEL]
    assert [h.details["level"] for h in told] == [1, 2, 3]
    began_s = next(h.at_s for h in desk.happenings() if h.type is EventType.PICKUP)
    assert [round(h.at_s - began_s) for h in told] == [0, 10, 40]
    assert desk.seat.reason.startswith("phone in hand for ")
    assert "median score 0.80" in desk.seat.reason


@pytest.mark.parametrize(
    ("mode", "highest"), [("gentle", Level.SOUND), ("strict", Level.LOUD), ("light-only", 1)]
)
def test_the_mode_says_how_far_it_goes(mode, highest):
    desk = Desk(configured(nudge=NudgeConfig(mode=mode))).focus().working(5).using(25)
    assert desk.seat.peak == highest


def test_putting_it_down_silences_within_a_second():
    desk = Desk().focus().working(5).using(20)
    assert desk.state.level is Level.SOUND
    desk.working(1.0, phone(ON_DESK))
    assert desk.state.level < Level.SOUND


def test_hiding_it_silences_within_a_second():
    desk = Desk().focus().working(5).using(20).working(0.7)
    assert desk.state.level < Level.SOUND


@pytest.mark.parametrize(
    ("command", "settings", "words"),
    [
        (Mute(True), {}, "muted"),
        (SetVolume(0.0), {}, "volume 0"),
        (SetMode("light-only"), {}, ""),
        (None, {"quiet_from": "09:00", "quiet_to": "11:00"}, "quiet hours"),
        (None, {"quiet_from": "22:00", "quiet_to": "11:00"}, "quiet hours"),
    ],
    ids=["muted", "volume", "mode", "quiet hours", "quiet hours over midnight"],
)
def test_what_forbids_sound_leaves_light(command, settings, words):
    desk = Desk(configured(nudge=NudgeConfig(**settings))).focus()
    if command:
        desk.tell(command)
    desk.working(5).using(30)
    assert desk.state.level is Level.LIGHT
    assert words in desk.seat.reason


def test_a_pickup_sounds_no_longer_than_the_limit():
    desk = Desk(configured(nudge=NudgeConfig(longest_sound_s=15))).focus().working(5).using(120)
    sounding = [s for s in desk.states if s.level >= Level.SOUND]
    assert len(sounding) / 10 == pytest.approx(15, abs=0.3)
    assert desk.state.level is Level.LIGHT
    assert "long enough" in desk.seat.reason


def test_many_pickups_in_a_row_cannot_sound_without_end():
    config = configured(nudge=NudgeConfig(mode="strict", longest_sound_s=10))
    desk = Desk(config).focus().working(5)
    for _ in range(20):
        desk.using(8).working(2.5)
    run = longest = 0
    for state in desk.states:
        run = run + 1 if state.level >= Level.SOUND else 0
        longest = max(longest, run)
    assert longest / 10 <= 10.2


def test_absence_gets_a_light_after_its_grace_and_never_a_sound():
    config = configured(policy=PolicyConfig(away_hold_s=5, away_grace_s=20))
    desk = Desk(config).focus().working(5).nobody(10)
    assert desk.state.level is Level.NONE
    desk.nobody(300)
    assert desk.state.level is Level.LIGHT
    assert desk.seat.reason.startswith("away for ")
    assert max(s.level for s in desk.states) is Level.LIGHT


def test_a_covered_lens_is_unsure_and_gets_a_light_at_most():
    desk = Desk().focus().working(5).using(15)
    assert desk.state.level is Level.SOUND
    desk.looking_at(replace(CALM, brightness=0.01, contrast=0.0, detail=0.0), 0.7)
    assert desk.state.level < Level.SOUND
    desk.looking_at(replace(CALM, brightness=0.01, contrast=0.0, detail=0.0), 60)
    assert desk.seat.activity is Activity.UNSURE
    assert desk.state.level is Level.LIGHT
    assert "covered" in desk.seat.reason
    assert Fault.LENS in desk.state.faults
    desk.working(5)
    assert desk.state.level is Level.NONE
    assert Fault.LENS not in desk.state.faults


DOCK = (SeatConfig(dock=Box(0.8, 0.1, 0.98, 0.3)),)


def test_an_empty_dock_is_suspicion_while_somebody_sits_there():
    desk = Desk(configured(seats=DOCK)).focus().working(5, phone(ON_DESK)).working(8)
    assert desk.state.level is Level.NONE
    desk.working(10)
    assert desk.state.level is Level.LIGHT
    assert desk.seat.reason.startswith("no phone in the dock for ")
    assert EventType.SUSPICION in desk.types()
    desk.working(300)
    assert max(s.level for s in desk.states) is Level.LIGHT
    desk.working(3, phone(ON_DESK))
    assert desk.state.level is Level.NONE


def test_a_press_says_that_the_suspicion_was_seen():
    desk = Desk(configured(seats=DOCK)).focus().working(30)
    assert desk.state.level is Level.LIGHT
    desk.tell(Press.SHORT)
    assert desk.state.level is Level.NONE
    desk.working(60)
    assert desk.state.level is Level.NONE
    assert desk.state.session is Session.FOCUS


TWO = (
    SeatConfig(name="left", box=Box(0, 0, 1, 0.5)),
    SeatConfig(name="right", box=Box(0, 0.5, 1, 1)),
)


@pytest.mark.parametrize(("follow", "level"), [("", 2), ("left", 2), ("right", 0)])
def test_light_and_sound_follow_the_worst_seat_or_the_one_told_to(follow, level):
    desk = Desk(configured(seats=TWO, policy=PolicyConfig(follow=follow))).focus()
    left = replace(SITTER, box=Box(0.1, 0.05, 0.8, 0.4))
    right = replace(SITTER, box=Box(0.1, 0.6, 0.8, 0.95))
    desk.play(20, lambda at_s: ((left, right, phone(swaying((0.5, 0.2), at_s))), STIRRED))
    assert desk.state.level == level
    assert [t.pickups for t in desk.state.totals] == [1, 0]
    assert [s.seat for s in desk.state.seats] == ["left", "right"]


# ---------------------------------------------------------------- sessions


def test_focus_breaks_and_long_breaks_follow_each_other():
    session = SessionConfig(
        focus_min=1, break_min=0.5, long_break_min=2, long_break_every=2, auto_focus=True
    )
    desk = Desk(Config(session=session)).focus()
    seen = []
    for _ in range(6000):
        desk.frame((SITTER,))
        if not seen or seen[-1][0] is not desk.state.session:
            seen.append((desk.state.session, desk.now_s))
    parts = [
        (str(kind), round((after - at) / 6) / 10)
        for (kind, at), (_, after) in itertools.pairwise(seen)
    ]
    assert parts[:5] == [
        ("focus", 1.0),
        ("break", 0.5),
        ("focus", 1.0),
        ("break", 2.0),
        ("focus", 1.0),
    ]


def test_without_automatic_breaks_the_box_waits():
    session = SessionConfig(focus_min=1, auto_break=False)
    desk = Desk(Config(session=session)).focus().working(61)
    assert desk.state.session is Session.IDLE
    assert not decide.watching(desk.state)


def test_a_clean_session_is_rewarded_and_streaks_count():
    session = SessionConfig(focus_min=0.5, auto_break=False)
    desk = Desk(Config(session=session))
    for _ in range(3):
        desk.focus().working(31)
    assert desk.state.totals[0].streak == 3
    assert desk.types().count(EventType.REWARD) == 3
    desk.focus().working(5).using(4).working(25)
    total = desk.state.totals[0]
    assert (total.streak, total.sessions, total.clean_sessions) == (0, 4, 3)
    assert desk.types().count(EventType.REWARD) == 3


COVERED = replace(CALM, brightness=0.02, contrast=0.0, detail=0.0)


def blind(desk: Desk, seconds: float) -> Desk:
    """Time passes, and the camera delivers nothing."""
    until_s = desk.now_s + seconds
    while desk.now_s < until_s - 1e-6:
        desk.now_s = round(desk.now_s + 0.5, 6)
        desk.state = decide.step(
            desk.state, None, at_s=desk.now_s, config=desk.config, minute_of_day=600
        )
        desk.states.append(desk.state)
    return desk


@pytest.mark.parametrize(
    ("stretches", "clean"),
    [
        pytest.param([("working", 61)], True, id="seen to its end"),
        pytest.param([("nobody", 61)], True, id="an empty seat is seen too"),
        pytest.param([("blind", 61)], False, id="no picture at all"),
        pytest.param([("covered", 61)], False, id="covered all the time"),
        pytest.param([("blind", 8), ("working", 53)], True, id="slow to open"),
        pytest.param([("working", 10), ("blind", 6), ("working", 45)], True, id="a short gap"),
        pytest.param([("working", 40), ("blind", 21)], False, id="lost for the last third"),
        pytest.param([("working", 40), ("covered", 21)], False, id="covered for the last third"),
        pytest.param([("working", 1), ("blind", 60)], False, id="one second of it"),
    ],
)
def test_a_session_is_clean_when_most_of_it_was_seen(stretches, clean):
    desk = Desk(Config(session=SessionConfig(focus_min=1, auto_break=False)))
    desk.state = replace(desk.state, totals=(Totals(streak=2),))
    desk.focus()
    for what, seconds in stretches:
        match what:
            case "blind":
                blind(desk, seconds)
            case "covered":
                desk.looking_at(COVERED, seconds)
            case _:
                getattr(desk, what)(seconds)
    total = desk.state.totals[0]
    assert total.sessions == 1
    assert (total.streak, total.clean_sessions) == ((3, 1) if clean else (2, 0))
    assert (EventType.REWARD in desk.types()) is clean
    (end,) = [each for each in desk.happenings() if each.type is EventType.SESSION_END]
    assert end.details["clean"] is clean
    seen_s = sum(seconds for what, seconds in stretches if what in ("working", "nobody"))
    # A look speaks for the five seconds before it; a cover is believed after a while.
    assert min(seen_s, 60) - 1 <= end.details["seen_s"] <= seen_s + decide.LOOK_SPEAKS_S


def test_a_pickup_in_a_session_that_was_hardly_seen_still_ends_the_streak():
    desk = Desk(Config(session=SessionConfig(focus_min=1, auto_break=False)))
    desk.state = replace(desk.state, totals=(Totals(streak=2),))
    desk.focus().working(3).using(6).working(3)
    blind(desk, 50)
    assert desk.state.totals[0].streak == 0


def test_the_time_of_a_camera_that_is_gone_is_nobodys_work():
    desk = Desk().focus().working(20)
    desk.tell(FaultChange(Fault.CAMERA, True, "unplugged"))
    before = desk.state.totals[0]
    blind(desk, 30)
    total = desk.state.totals[0]
    assert total.unsure_s - before.unsure_s == pytest.approx(30)
    assert total.working_s == before.working_s
    assert total.focus_s == pytest.approx(
        total.working_s + total.phone_s + total.away_s + total.unsure_s
    )


def test_the_focus_without_the_phone_is_told_by_what_ends_it():
    desk = Desk(Config(session=SessionConfig(focus_min=2, auto_break=False)))
    desk.focus().working(30).using(10).working(20).tell(Press.SHORT)
    desk.play(5, lambda _: ((), CALM)).tell(Press.SHORT).working(20)
    blind(desk, 12)
    desk.working(30)
    told = {
        each.type: (each.details["clean_s"], each.details["unseen_s"])
        for each in desk.happenings()
        if "clean_s" in each.details
    }
    assert list(told) == [EventType.PICKUP, EventType.PAUSE, EventType.SESSION_END]
    assert told[EventType.PICKUP] == pytest.approx((30, 0), abs=1.0)
    assert told[EventType.PAUSE] == pytest.approx((20, 0), abs=1.0)
    end_clean_s, end_unseen_s = told[EventType.SESSION_END]
    assert end_clean_s == pytest.approx(60, abs=1.0), "since the pause"
    assert end_unseen_s == pytest.approx(12 - decide.LOOK_SPEAKS_S, abs=1.0)


@pytest.mark.parametrize(("pickup", "streak"), [(False, 2), (True, 0)])
def test_stopping_early_neither_costs_nor_saves_a_streak(pickup, streak):
    desk = Desk(Config(session=SessionConfig(focus_min=10)))
    desk.state = replace(desk.state, totals=(Totals(streak=2),))
    desk.focus().working(5)
    if pickup:
        desk.using(4)
    desk.tell(Press.LONG)
    assert desk.state.session is Session.IDLE
    assert desk.state.totals[0].streak == streak
    assert desk.state.totals[0].sessions == 0


def test_a_pause_keeps_what_is_left_and_ends_by_itself():
    session = SessionConfig(focus_min=10, pause_max_min=1, pauses=2)
    desk = Desk(Config(session=session)).focus().working(60).tell(Press.SHORT)
    assert desk.state.session is Session.PAUSED
    assert not decide.watching(desk.state)
    desk.nobody(61)
    assert desk.state.session is Session.FOCUS
    assert desk.state.until_s == pytest.approx(660, abs=0.2)
    desk.tell(Press.SHORT).tell(Press.SHORT)
    assert desk.state.session is Session.FOCUS
    desk.tell(SetSession(SessionAction.PAUSE))
    assert desk.state.session is Session.FOCUS
    assert desk.happenings()[-1].type is EventType.REFUSED
    assert "no pause is left" in desk.happenings()[-1].details["why"]


def test_a_snooze_silences_for_a_while_and_is_limited():
    session = SessionConfig(focus_min=60, snooze_min=0.5, snoozes=1)
    desk = Desk(Config(session=session)).focus().working(5).using(15)
    assert desk.state.level is Level.SOUND
    desk.tell(Snooze(minutes=50))
    assert desk.state.level is Level.NONE
    desk.using(29)
    assert desk.state.level is Level.NONE
    desk.using(2)
    assert desk.state.level >= Level.SOUND
    desk.tell(Snooze())
    assert desk.happenings()[-1].type is EventType.REFUSED
    assert desk.state.level >= Level.SOUND


def test_stopping_early_can_be_kept_to_the_held_button():
    session = SessionConfig(focus_min=60, remote_stop=False)
    desk = Desk(Config(session=session)).focus().working(5)
    for action in (SessionAction.STOP, SessionAction.BREAK):
        desk.tell(SetSession(action))
        assert desk.state.session is Session.FOCUS
        assert "hold the button" in desk.happenings()[-1].details["why"]
    desk.tell(Press.LONG)
    assert desk.state.session is Session.IDLE


def test_a_held_button_always_stops():
    for prepare in (
        lambda d: d.working(5),
        lambda d: d.working(5).using(30),
        lambda d: d.tell(Press.SHORT),
        lambda d: d.tell(SetSession(SessionAction.BREAK)),
    ):
        desk = Desk().focus()
        prepare(desk)
        desk.tell(Press.LONG)
        assert desk.state.session is Session.IDLE
        assert desk.state.level is Level.NONE


@pytest.mark.parametrize(
    ("prepare", "session", "event"),
    [
        (lambda d: d, Session.FOCUS, EventType.SESSION_START),
        (lambda d: d.focus().working(3), Session.PAUSED, EventType.PAUSE),
        (lambda d: d.focus().working(3).using(9), Session.FOCUS, EventType.NOT_A_PHONE),
        (lambda d: d.focus().tell(Press.SHORT), Session.FOCUS, EventType.RESUME),
        (
            lambda d: d.tell(SetSession(SessionAction.BREAK)),
            Session.FOCUS,
            EventType.SESSION_START,
        ),
    ],
    ids=["idle", "focus", "alarm", "paused", "break"],
)
def test_a_short_press_does_what_is_meant(prepare, session, event):
    desk = prepare(Desk()).tell(Press.SHORT)
    assert desk.state.session is session
    assert desk.happenings()[-1].type is event


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(lambda desk: desk.nobody(60).tell(Press.SHORT).working(30), id="goes on"),
        pytest.param(lambda desk: desk.nobody(60), id="is stopped in its pause"),
        pytest.param(lambda desk: desk, id="is stopped at once"),
    ],
)
def test_a_session_lasted_for_as_long_as_it_was_focus(rest):
    desk = rest(Desk().focus().working(100).tell(SetSession(SessionAction.PAUSE)))
    desk.tell(SetSession(SessionAction.STOP))
    (end,) = [h for h in desk.happenings() if h.type is EventType.SESSION_END]
    assert end.details["lasted_s"] == pytest.approx(desk.state.totals[0].focus_s, abs=0.01)


def test_a_pickup_that_a_pause_interrupts_is_closed():
    desk = Desk().focus().working(5).using(8).tell(SetSession(SessionAction.PAUSE))
    types = desk.types()
    assert types.count(EventType.PICKUP) == types.count(EventType.PUTDOWN) == 1
    assert desk.state.level is Level.NONE


@pytest.mark.parametrize(
    "command",
    [
        SetSession(SessionAction.RESUME),
        SetSession(SessionAction.STOP),
        SetSession(SessionAction.PAUSE),
        Snooze(),
        SetMode("merciless"),
        NotAPhone(),
        Forget(3),
        Test("engine"),
        Press.LONG,
    ],
    ids=str,
)
def test_a_command_that_makes_no_sense_is_refused_with_a_reason_and_changes_nothing(command):
    desk = Desk().nobody(1)
    before = desk.state
    desk.tell(command)
    (refusal,) = desk.happenings()
    assert refusal.type is EventType.REFUSED
    assert refusal.details["why"]
    after = desk.state
    assert replace(after, happenings=(), happened=0) == before


# ---------------------------------------------------------------- "that was not a phone"


def calculating(desk: Desk, seconds: float, place=AT_CHEST, score: float = 0.75) -> Desk:
    """A calculator that the detector takes for a phone."""
    return desk.using(seconds, place, score)


def test_not_a_phone_silences_and_takes_the_pickup_back():
    desk = calculating(Desk().focus().working(5), 15)
    assert desk.state.level is Level.SOUND
    desk.tell(NotAPhone())
    assert desk.state.level is Level.NONE
    total = desk.state.totals[0]
    assert (total.pickups, total.phone_s, desk.seat.pickups) == (0, 0.0, 0)
    calculating(desk, 30)
    assert desk.state.level is Level.NONE


def test_the_same_thing_in_the_same_place_alarms_less_easily_from_then_on():
    desk = calculating(Desk().focus().working(5), 15).tell(NotAPhone()).working(70)
    calculating(desk, 30)
    assert desk.seat.pickups == 0
    desk.working(5)
    calculating(desk, 20, place=(0.3, 0.35))
    assert desk.seat.pickups == 1, "elsewhere it is as likely a phone as ever"
    desk.working(5).using(20, AT_CHEST, 0.9)
    assert desk.seat.pickups == 2, "a clear phone still counts"


def test_what_was_learnt_is_bounded_listed_and_erased():
    config = configured(policy=PolicyConfig(learn_most=3, denied_s=0))
    desk = Desk(config).focus().working(5)
    for place in ((0.2, 0.35), (0.2, 0.65), (0.4, 0.35), (0.4, 0.65), (0.62, 0.5)):
        calculating(desk, 8, place)
        desk.tell(NotAPhone()).working(5)
    assert [known.number for known in desk.state.look_alikes] == [3, 4, 5]
    assert all(known.times == 1 for known in desk.state.look_alikes)
    desk.tell(Forget(4))
    assert [known.number for known in desk.state.look_alikes] == [3, 5]
    desk.tell(Forget())
    assert desk.state.look_alikes == ()


def test_a_new_run_starts_with_what_an_earlier_one_learnt():
    desk = calculating(Desk().focus().working(5), 15).tell(NotAPhone())
    again = Desk()
    again.state = decide.start(again.config, at_s=0.0, look_alikes=desk.state.look_alikes)
    calculating(again.focus().working(5), 30)
    assert again.seat.pickups == 0


def test_learning_can_be_turned_off():
    desk = calculating(Desk(configured(policy=PolicyConfig(learn=False))).focus().working(5), 15)
    desk.tell(NotAPhone())
    assert desk.state.look_alikes == ()


# ---------------------------------------------------------------- what is shown


def test_what_is_shown_in_a_session_makes_no_alarm_and_is_said_when_it_is_known():
    desk = Desk().focus().working(5).tell(Teach("my phone", True, 30))
    desk.using(20)
    assert desk.state.level is Level.NONE
    desk.tell(Learnt("my phone", True, 12))
    assert desk.types()[-2:] == [EventType.TEACH, EventType.TAUGHT]
    desk.working(20).using(20)
    assert desk.state.level is Level.SOUND


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (Teach("my phone", True, 30), "the camera is closed: start a focus session first"),
        (MyPhone(), "the camera is closed: start a focus session first"),
        (Learnt("cup", why="nothing held up was found"), "nothing held up was found"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_the_reason(command, why):
    (happening,) = Desk().tell(command).state.happenings
    assert happening.type is EventType.REFUSED
    assert happening.details["why"] == why


def test_a_thing_is_shown_while_somebody_aims_and_the_camera_stays_open_for_it():
    desk = Desk().tell(Aim(5)).tell(Teach("my phone", True, 30))
    assert desk.types() == [EventType.TEACH]
    desk.working(EMPTY_S + 30)
    assert decide.seeing(desk.state)
    desk.working(15)
    assert not decide.seeing(desk.state)


def test_forgetting_denials_forgets_their_looks_and_a_name_forgets_only_that_thing():
    desk = calculating(Desk().focus().working(5), 15).tell(NotAPhone())
    desk.tell(Forget(None, "wallet"))
    assert len(desk.state.look_alikes) == 1
    desk.tell(Forget())
    forgotten = [h.details["name"] for h in desk.state.happenings if h.type is EventType.FORGET]
    assert forgotten == ["wallet", DENIED]


# ---------------------------------------------------------------- the rest


def test_faults_are_told_once_and_a_blind_box_is_silent():
    desk = Desk().focus().working(5).using(20)
    desk.tell(FaultChange(Fault.CAMERA, True, "gone")).tell(FaultChange(Fault.CAMERA, True, "gone"))
    assert desk.state.level is Level.NONE
    assert desk.types().count(EventType.FAULT) == 1
    desk.tell(FaultChange(Fault.CAMERA, False))
    assert desk.types()[-1] is EventType.FAULT_CLEARED


def test_a_lost_broker_does_not_stop_the_nudging():
    desk = Desk().focus().working(5).tell(FaultChange(Fault.BROKER, True)).using(15)
    assert desk.state.level is Level.SOUND


def test_a_new_day_begins_with_nothing_but_the_streak():
    desk = Desk(Config(session=SessionConfig(focus_min=60)))
    desk.state = replace(desk.state, totals=(Totals(streak=4, pickups=7),))
    desk.minute = 23 * 60 + 59
    desk.focus().working(20).using(1)
    desk.minute = 0
    desk.using(5)
    total = desk.state.totals[0]
    assert total.streak == 4
    assert total.pickups == 1
    assert total.focus_s == pytest.approx(5, abs=0.2)
    assert min(total.working_s, total.phone_s) >= 0
    desk.working(5)
    total = desk.state.totals[0]
    shared = total.working_s + total.phone_s + total.away_s + total.unsure_s
    assert shared == pytest.approx(total.focus_s)


def test_time_that_goes_backwards_stands_still():
    desk = Desk().focus().working(10)
    state = decide.step(desk.state, None, at_s=3.0, config=desk.config, minute_of_day=desk.minute)
    assert state.at_s == desk.state.at_s
    assert state.totals == desk.state.totals


def test_a_long_silence_of_the_clock_ends_each_part_at_its_time():
    session = SessionConfig(focus_min=10, break_min=5)
    desk = Desk(Config(session=session)).focus()
    state = decide.step(
        desk.state, None, at_s=3600.0, config=desk.config, minute_of_day=desk.minute
    )
    assert state.session is Session.IDLE
    assert state.totals[0].focus_s == pytest.approx(600)
    assert state.totals[0].break_s == pytest.approx(300)
    ends = [h.at_s for h in state.happenings if h.type is EventType.SESSION_END]
    assert ends == [600.0]


def test_a_book_beside_the_phone_is_no_look_alike_of_it():
    desk = Desk().focus().working(5)
    desk.play(
        5,
        lambda at_s: (
            (SITTER, phone(swaying(AT_CHEST, at_s)), thing("book", ON_DESK)),
            STIRRED,
        ),
    )
    assert desk.seat.activity is Activity.PHONE


@pytest.mark.parametrize(("part", "left"), [("loud", ""), ("chirp", ""), ("lights", "lights")])
def test_muting_ends_a_sound_that_is_only_tried_out(part, left):
    desk = Desk().tell(Test(part)).tell(Mute(on=True))
    assert desk.state.testing == left
