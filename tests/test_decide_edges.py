"""Every limit of what decides, tried at its edge: observations made by hand, times to the tick."""

from __future__ import annotations

from dataclasses import fields, replace
from hashlib import sha256

import pytest

from edge import decide
from edge.config import (
    CardConfig,
    Config,
    ExperimentConfig,
    LadderConfig,
    NudgeConfig,
    PolicyConfig,
    SeatConfig,
    SessionConfig,
)
from edge.decide.commands import REST_S
from edge.domain import (
    EMPTY_S,
    Activity,
    Aim,
    Box,
    Command,
    Dock,
    EventType,
    Fault,
    FaultChange,
    Forget,
    Happening,
    Learnt,
    Level,
    LookAlike,
    Mute,
    MyPhone,
    NotAPhone,
    Observation,
    Offer,
    Offered,
    PhoneSight,
    PhoneUse,
    Press,
    ReadCard,
    SeatState,
    SeatView,
    Session,
    SessionAction,
    SetGrace,
    SetMode,
    SetSession,
    SetTune,
    SetVolume,
    Snooze,
    State,
    Teach,
    Test,
    Totals,
    View,
)

CONFIG = Config(
    session=SessionConfig(focus_min=60, break_min=5, pause_max_min=10, snooze_min=5),
    policy=PolicyConfig(
        phone_hold_s=1.5,
        putdown_hold_s=2,
        fresh_s=0.5,
        away_hold_s=20,
        return_hold_s=2,
        away_grace_s=120,
        dock_hold_s=10,
        unsure_grace_s=10,
        learn_step=0.1,
        denied_s=60,
    ),
    modes={"gentle": LadderConfig(light_after_s=0, sound_after_s=10, loud_after_s=40)},
)
HELD = Box(0.4, 0.4, 0.6, 0.5)


class Desk:
    """A box that is told what is seen, four times a second."""

    def __init__(self, config: Config = CONFIG) -> None:
        self.config = config
        self.minute: int | None = None
        self.state = decide.start(config, at_s=0.0)

    @property
    def seat(self) -> SeatState:
        return self.state.seats[0]

    @property
    def total(self) -> Totals:
        return self.state.totals[0]

    def tell(self, *commands: Command, after_s: float = 0.0) -> Desk:
        for command in commands:
            self.state = decide.obey(
                self.state,
                command,
                at_s=self.state.at_s + after_s,
                config=self.config,
                minute_of_day=self.minute,
            )
        return self

    def focus(self) -> Desk:
        return self.tell(SetSession(SessionAction.START))

    def wait(self, seconds: float) -> Desk:
        """Nothing is looked at."""
        self.state = decide.step(
            self.state,
            None,
            at_s=self.state.at_s + seconds,
            config=self.config,
            minute_of_day=self.minute,
        )
        return self

    def look(self, *views: SeatView, after_s: float = 0.25, view: View = View.CLEAR) -> Desk:
        at_s = self.state.at_s + after_s
        self.state = decide.step(
            self.state,
            Observation(at_s, view, views or (SeatView("desk", person=True),)),
            at_s=at_s,
            config=self.config,
            minute_of_day=self.minute,
        )
        return self

    def sit(self, seconds: float, *, person: bool = True, view: View = View.CLEAR) -> Desk:
        for _ in range(round(4 * seconds)):
            self.look(SeatView("desk", person=person), view=view)
        return self

    def use(self, seconds: float, seat: str = "desk", **changes: object) -> Desk:
        began_s = changes.pop("use_since_s", self.state.at_s + 0.25)
        for _ in range(round(4 * seconds)):
            now_s = self.state.at_s + 0.25
            self.look(SeatView(seat, True, phone=phone(now_s, use_since_s=began_s, **changes)))
        return self

    def of(self, type_: EventType) -> list[Happening]:
        return [each for each in self.state.happenings if each.type is type_]

    def last(self) -> tuple[EventType, str | None, dict]:
        happening = self.state.happenings[-1]
        return happening.type, happening.seat, dict(happening.details)


def phone(active_s: float, **changes: object) -> PhoneSight:
    sight = PhoneSight(
        1, PhoneUse.IN_USE, HELD, 0.8, 0.75, 0.0, 0.0, active_s=active_s, why="moving"
    )
    return replace(sight, **changes)


def with_(config: Config = CONFIG, **sections: dict) -> Config:
    for name, values in sections.items():
        config = replace(config, **{name: replace(getattr(config, name), **values)})
    return config


# ---------------------------------------------------------------- the clock and the books


@pytest.mark.parametrize(
    ("before", "after", "new_day"),
    [
        (1439, 0, True),
        (1439, 718, True),
        (721, 0, True),
        (720, 0, False),
        (0, 1439, False),
        (None, 0, False),
        (1439, None, False),
    ],
)
def test_a_day_begins_when_the_clock_falls_back_by_more_than_half_of_one(before, after, new_day):
    desk = Desk()
    desk.state = replace(
        desk.state, minute_of_day=before, totals=(Totals(focus_s=9, pickups=2, streak=5),)
    )
    desk.minute = after
    desk.wait(1)
    assert desk.total == (Totals(streak=5) if new_day else Totals(focus_s=9, pickups=2, streak=5))
    assert desk.state.minute_of_day == after


@pytest.mark.parametrize(
    ("from_", "to", "minute", "quiet"),
    [
        ("22:30", "07:05", 22 * 60 + 29, False),
        ("22:30", "07:05", 22 * 60 + 30, True),
        ("22:30", "07:05", 0, True),
        ("22:30", "07:05", 7 * 60 + 4, True),
        ("22:30", "07:05", 7 * 60 + 5, False),
        ("13:00", "14:30", 12 * 60 + 59, False),
        ("13:00", "14:30", 13 * 60, True),
        ("13:00", "14:30", 14 * 60 + 29, True),
        ("13:00", "14:30", 14 * 60 + 30, False),
        ("13:00", "13:00", 13 * 60, False),
        ("", "14:30", 0, False),
        ("13:00", "", 1439, False),
        ("22:30", "07:05", None, False),
    ],
)
def test_quiet_hours_begin_and_end_with_their_minute(from_, to, minute, quiet):
    desk = Desk(with_(nudge={"quiet_from": from_, "quiet_to": to}))
    desk.minute = 720 if minute != 720 else 721
    desk.wait(1)
    desk.minute = minute
    assert desk.wait(1).state.quiet == quiet


def test_time_is_booked_as_what_it_was():
    desk = Desk().wait(7)
    assert desk.total == Totals(), "nobody asked"
    desk.focus().sit(20)
    assert desk.total == Totals(focus_s=20, working_s=19.75, unsure_s=0.25)
    desk.tell(SetSession(SessionAction.PAUSE)).wait(30)
    desk.tell(SetSession(SessionAction.BREAK)).wait(40)
    total = desk.total
    assert (total.focus_s, total.paused_s, total.break_s) == (20, 30, 40)
    desk.state = replace(desk.state, at_s=desk.state.at_s + 5)
    desk.wait(-3)
    assert desk.state.at_s == 102, "never backwards"


@pytest.mark.parametrize("fault", [Fault.CAMERA, Fault.DETECTOR])
def test_a_blind_box_books_nobodys_work(fault):
    desk = Desk().focus().sit(10)
    working_s = desk.total.working_s
    desk.tell(FaultChange(fault, True)).wait(5)
    assert (desk.total.working_s, desk.total.unsure_s) == (working_s, 5.25)
    desk = Desk().focus().sit(10).use(5)
    phone_s = desk.total.phone_s
    desk.tell(FaultChange(fault, True)).wait(5)
    assert desk.total.phone_s == phone_s + 5, "what is told of a pick-up is what is booked"


def test_another_fault_blinds_nobody():
    desk = Desk().focus().sit(10).tell(FaultChange(Fault.BROKER, True)).wait(5)
    assert desk.total.working_s == 14.75


@pytest.mark.parametrize(("gap_s", "seen_s"), [(4.75, 6.75), (5.0, 7.0), (5.5, 7.0), (60, 7.0)])
def test_a_look_speaks_for_five_seconds_at_most(gap_s, seen_s):
    desk = Desk().focus().sit(2).look(after_s=gap_s)
    assert desk.state.seen_s == seen_s
    assert desk.state.clean_seen_s == seen_s
    assert desk.state.clean_s == 2 + gap_s


def test_what_the_camera_cannot_see_is_not_seen():
    desk = Desk().focus().sit(2).sit(10, view=View.DARK).sit(1)
    assert desk.state.seen_s == 2 + 5 + 0.75


def test_the_focus_without_the_phone_ends_and_begins_with_it():
    desk = Desk().focus().sit(10).use(2)
    (pickup,) = desk.of(EventType.PICKUP)
    assert (pickup.details["clean_s"], pickup.details["unseen_s"]) == (10.25, 0)
    assert desk.state.clean_s == 0
    desk.use(3).sit(2.25)
    assert desk.seat.activity is Activity.WORKING
    assert desk.state.clean_s == desk.state.clean_seen_s == 2.25
    desk.wait(100).tell(SetSession(SessionAction.PAUSE))
    (pause,) = desk.of(EventType.PAUSE)
    assert (pause.details["clean_s"], pause.details["unseen_s"]) == (102.25, 100)


def test_a_sound_fills_what_its_silence_drains():
    desk = Desk().focus().sit(5).use(20)
    assert desk.seat.level is Level.SOUND
    began_s = next(e.at_s for e in desk.of(EventType.LEVEL) if e.details["level"] == 2)
    sounded_s = desk.state.at_s - began_s
    assert desk.state.sound_s == desk.seat.sound_s == sounded_s
    desk.sit(0.75)
    level_s = desk.state.at_s
    assert desk.seat.level is Level.LIGHT, "light only, as soon as its use is not seen"
    most_s = desk.state.sound_s
    desk.sit(3)
    assert desk.state.sound_s == most_s - (desk.state.at_s - level_s)
    assert Desk().focus().sit(9).state.sound_s == 0, "never below nothing"


@pytest.mark.parametrize(("mine", "other"), [(0, 1), (1, 0)])
def test_only_the_seat_that_sounds_counts_it(mine, other):
    config = replace(CONFIG, seats=(SeatConfig(name="left"), SeatConfig(name="right")))
    desk = Desk(config).focus()
    for _ in range(100):
        views = [SeatView("left", True), SeatView("right", True)]
        held = phone(desk.state.at_s + 0.25, use_since_s=0.25)
        views[mine] = replace(views[mine], phone=held)
        desk.look(*views)
    seats, totals = desk.state.seats, desk.state.totals
    assert seats[mine].sound_s == desk.state.sound_s > 5
    assert (seats[mine].level, seats[mine].pickups, totals[mine].pickups) == (Level.SOUND, 1, 1)
    assert seats[other].sound_s == 0
    assert (seats[other].level, seats[other].pickups, totals[other].pickups) == (Level.NONE, 0, 0)


# ---------------------------------------------------------------- sessions


def test_a_focus_session_begins_with_nothing_of_the_one_before():
    desk = Desk()
    dirty = SeatState(
        "desk", Activity.PHONE, 1.0, level=Level.LOUD, reason="x", pickups=7, suspicion=True
    )
    desk.state = replace(
        desk.state,
        at_s=50.0,
        seats=(dirty,),
        seen_s=3.0,
        clean_s=4.0,
        clean_seen_s=3.0,
        pauses_used=2,
        snoozes_used=2,
        snooze_until_s=99.0,
        reward_until_s=99.0,
        view=View.DARK,
        sound_s=9.0,
        sound_spent=True,
        paused=Session.FOCUS,
        paused_left_s=5.0,
        focused_s=6.0,
    )
    desk.focus()
    began = Happening(EventType.SESSION_START, 50.0, None, {"minutes": 60.0, "mode": "gentle"})
    assert desk.state == State(
        at_s=50.0,
        session=Session.FOCUS,
        session_since_s=50.0,
        until_s=50.0 + 3600,
        seats=(SeatState("desk", since_s=50.0, dock_since_s=50.0),),
        totals=(Totals(),),
        looked_s=50.0,
        happenings=(began,),
        happened=1,
    )


@pytest.mark.parametrize(
    ("minutes", "lasts_min"), [(None, 60), (0.05, 0.1), (0.1, 0.1), (240, 240), (240.5, 240)]
)
def test_a_session_is_as_long_as_told_within_bounds(minutes, lasts_min):
    desk = Desk().tell(SetSession(SessionAction.START, minutes))
    assert desk.state.until_s == 60 * lasts_min
    assert desk.last()[2]["minutes"] == lasts_min


def test_a_pause_keeps_all_that_it_has_to():
    desk = Desk().focus().sit(10).tell(SetSession(SessionAction.PAUSE))
    state = desk.state
    assert (state.session, state.paused, state.session_since_s) == (
        Session.PAUSED,
        Session.FOCUS,
        10.0,
    )
    assert (state.until_s, state.paused_left_s, state.focused_s) == (10.0 + 600, 3590.0, 10.0)
    assert state.seats == (SeatState("desk", since_s=10.0, dock_since_s=10.0),)
    assert desk.last() == (
        EventType.PAUSE,
        None,
        {"minutes": 10.0, "left": 1, "clean_s": 10.0, "unseen_s": 0.0},
    )
    desk.wait(20).tell(SetSession(SessionAction.RESUME))
    state = desk.state
    assert (state.session, state.session_since_s, state.until_s) == (
        Session.FOCUS,
        30.0,
        30.0 + 3590,
    )
    assert (state.paused, state.paused_left_s, state.looked_s) == (None, 0.0, 30.0)
    assert desk.last() == (EventType.RESUME, None, {"session": "focus"})
    desk.sit(5).tell(SetSession(SessionAction.PAUSE))
    assert (desk.state.focused_s, desk.last()[2]["left"]) == (15.0, 0)
    desk.tell(SetSession(SessionAction.PAUSE))
    assert desk.last()[2]["why"] == "no focus session runs"
    desk.tell(SetSession(SessionAction.RESUME), SetSession(SessionAction.PAUSE))
    assert desk.last()[2]["why"] == "no pause is left in this session: 2 allowed"


def test_a_pause_ends_a_snooze_and_what_the_lens_had():
    desk = Desk().focus().sit(1).sit(1, view=View.DARK).tell(Snooze())
    assert desk.state.snooze_until_s is not None
    assert Fault.LENS in desk.state.faults
    desk.tell(SetSession(SessionAction.PAUSE))
    assert (desk.state.snooze_until_s, desk.state.view, desk.state.faults) == (
        None,
        View.CLEAR,
        frozenset(),
    )


def test_the_end_of_a_session_tells_how_it_was():
    desk = Desk(with_(session={"focus_min": 1.0, "auto_break": False})).focus()
    desk.sit(60)
    ended, reward = desk.state.happenings[-2:]
    assert dict(ended.details) == {
        "completed": True,
        "clean": True,
        "pickups": 0,
        "lasted_s": 60.0,
        "seen_s": 59.75,
        "clean_s": 60.0,
        "unseen_s": 0.25,
        "why": "",
    }
    assert (reward.type, dict(reward.details)) == (EventType.REWARD, {"streak": 1})
    total = desk.total
    assert (total.sessions, total.clean_sessions, total.streak) == (1, 1, 1)
    assert (desk.state.round, desk.state.session, desk.state.until_s) == (1, Session.IDLE, None)
    assert desk.state.reward_until_s == 80.0
    desk.wait(19.75)
    assert desk.state.reward_until_s == 80.0
    desk.wait(0.25)
    assert desk.state.reward_until_s is None


@pytest.mark.parametrize(("seen_s", "clean"), [(45.0, True), (44.75, False)])
def test_three_quarters_have_to_be_seen(seen_s, clean):
    desk = Desk(with_(session={"focus_min": 1.0})).focus()
    desk.state = replace(desk.state, seen_s=seen_s)
    desk.wait(60)
    assert desk.of(EventType.SESSION_END)[0].details["clean"] == clean
    assert desk.total.streak == clean
    assert desk.total.sessions == 1


def test_all_seats_have_to_be_clean_for_a_reward_and_each_has_its_streak():
    config = replace(CONFIG, seats=(SeatConfig(name="left"), SeatConfig(name="right")))
    desk = Desk(config)
    desk.state = replace(desk.state, totals=(Totals(streak=3), Totals(streak=8)))
    desk.focus()
    left, right = desk.state.seats
    desk.state = replace(desk.state, seats=(left, replace(right, pickups=1)), seen_s=3600.0)
    desk.wait(3600)
    assert [total.streak for total in desk.state.totals] == [4, 0]
    assert [total.clean_sessions for total in desk.state.totals] == [1, 0]
    (ended,) = desk.of(EventType.SESSION_END)
    assert (ended.details["clean"], ended.details["pickups"]) == (False, 1)
    assert not desk.of(EventType.REWARD)
    assert desk.state.reward_until_s is None
    desk.focus()
    desk.state = replace(desk.state, seen_s=3600.0)
    desk.wait(3600)
    assert desk.of(EventType.REWARD)[0].details["streak"] == 5


def test_no_reward_where_none_is_wanted():
    desk = Desk(with_(nudge={"reward": False})).focus()
    desk.state = replace(desk.state, seen_s=3600.0)
    desk.wait(3600)
    assert desk.of(EventType.SESSION_END)[0].details["clean"]
    assert (desk.of(EventType.REWARD), desk.state.reward_until_s) == ([], None)


def test_a_long_break_comes_after_so_many_sessions():
    config = with_(session={"focus_min": 1.0, "break_min": 2.0, "long_break_every": 2})
    desk = Desk(with_(config, session={"long_break_min": 7.0, "auto_focus": True})).focus()
    desk.wait(60)
    assert desk.last() == (EventType.BREAK_START, None, {"minutes": 2.0, "long": False})
    assert (desk.state.session, desk.state.until_s) == (Session.BREAK, 180.0)
    desk.wait(120)
    assert desk.state.session is Session.FOCUS
    assert desk.state.happenings[-2].type is EventType.BREAK_END
    desk.wait(60)
    assert desk.last() == (EventType.BREAK_START, None, {"minutes": 7.0, "long": True})
    assert desk.state.round == 0
    desk.tell(SetSession(SessionAction.STOP)).focus().tell(SetSession(SessionAction.BREAK, 3))
    assert desk.last()[2] == {"minutes": 3.0, "long": False}, "a session that was stopped is none"


def test_a_stop_is_told_with_its_reason_and_ends_a_snooze():
    desk = Desk().focus().sit(10).tell(Snooze(), SetSession(SessionAction.STOP))
    type_, _, details = desk.last()
    assert (type_, details["why"], details["completed"]) == (
        EventType.SESSION_END,
        "command",
        False,
    )
    assert (desk.state.session, desk.state.snooze_until_s, desk.state.until_s) == (
        Session.IDLE,
        None,
        None,
    )
    desk.focus().sit(5).tell(Press.LONG)
    assert desk.last()[2]["why"] == "button held"
    desk.tell(SetSession(SessionAction.BREAK)).tell(Press.LONG)
    assert desk.last() == (EventType.BREAK_END, None, {})
    desk.tell(Press.LONG)
    assert desk.last() == (EventType.REFUSED, None, {"command": "stop", "why": "nothing runs"})


def test_a_break_instead_of_focus_is_told_and_lasted_without_its_pause():
    desk = Desk().focus().sit(10).tell(SetSession(SessionAction.PAUSE)).wait(100)
    desk.tell(SetSession(SessionAction.BREAK))
    (ended,) = desk.of(EventType.SESSION_END)
    assert (ended.details["why"], ended.details["lasted_s"]) == ("break taken", 10.0)
    assert desk.total.sessions == 0


@pytest.mark.parametrize("action", [SessionAction.STOP, SessionAction.BREAK, SessionAction.PAUSE])
def test_a_pickup_that_runs_when_nobody_watches_any_more_ends_with_it(action):
    desk = Desk().focus().sit(5).use(5).tell(SetSession(action))
    (putdown,) = desk.of(EventType.PUTDOWN)
    assert dict(putdown.details) == {"lasted_s": 4.75, "level": 1, "then": "session"}
    assert desk.seat == SeatState("desk", since_s=10.0, dock_since_s=10.0, pickups=1)


REMOTE = with_(session={"remote_stop": False})


@pytest.mark.parametrize(
    ("before", "action", "command", "why"),
    [
        ([SessionAction.START], SessionAction.START, "start", "a focus session runs already"),
        ([SessionAction.BREAK], SessionAction.BREAK, "break", "a break runs already"),
        ([SessionAction.START], SessionAction.BREAK, "break", "hold the button to stop early"),
        ([], SessionAction.PAUSE, "pause", "no focus session runs"),
        ([SessionAction.START], SessionAction.RESUME, "resume", "nothing is paused"),
        ([], SessionAction.STOP, "stop", "nothing runs"),
        ([SessionAction.START], SessionAction.STOP, "stop", "hold the button to stop early"),
        (
            [SessionAction.START, SessionAction.PAUSE],
            SessionAction.STOP,
            "stop",
            "hold the button to stop early",
        ),
        (
            [SessionAction.START, SessionAction.PAUSE],
            SessionAction.BREAK,
            "break",
            "hold the button to stop early",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_in_these_words(before, action, command, why):
    desk = Desk(REMOTE).tell(*map(SetSession, before))
    session = desk.state.session
    desk.tell(SetSession(action))
    assert desk.last() == (EventType.REFUSED, None, {"command": command, "why": why})
    assert desk.state.session is session


def test_a_break_may_always_be_ended_and_begun_from_nothing():
    desk = Desk(REMOTE).tell(SetSession(SessionAction.BREAK))
    assert desk.state.session is Session.BREAK
    desk.tell(SetSession(SessionAction.STOP))
    assert desk.state.session is Session.IDLE
    desk.tell(SetSession(SessionAction.BREAK), SetSession(SessionAction.START))
    assert [each.type for each in desk.state.happenings[-2:]] == [
        EventType.BREAK_END,
        EventType.SESSION_START,
    ]


def test_starting_in_a_pause_goes_on():
    desk = Desk().focus().sit(4).tell(SetSession(SessionAction.PAUSE))
    desk.tell(SetSession(SessionAction.START))
    assert desk.last()[0] is EventType.RESUME


# ---------------------------------------------------------------- seats


@pytest.mark.parametrize(("more_s", "believed"), [(1.25, False), (1.5, False), (1.75, True)])
def test_a_phone_is_believed_when_its_use_was_seen_for_the_hold(more_s, believed):
    desk = Desk().focus().sit(5).use(more_s)
    assert (desk.seat.activity is Activity.PHONE) == believed


def test_a_use_that_began_before_the_activity_counts_from_the_activity():
    desk = Desk().focus().sit(5)
    since_s = desk.seat.since_s
    desk.use(0.25, use_since_s=0.0)
    assert desk.seat.activity is Activity.PHONE
    assert desk.seat.since_s == since_s


def test_what_is_not_disproved_has_not_been_seen_for_longer():
    desk = Desk().focus().sit(5).use(1)
    stale = phone(desk.state.at_s, use_since_s=5.25)
    for _ in range(8):
        desk.look(SeatView("desk", True, phone=stale))
    assert desk.seat.activity is Activity.WORKING
    assert desk.seat.phone_active_s == 6.0


@pytest.mark.parametrize(
    ("first", "then", "hold_s", "wanted"),
    [
        ("sit", "leave", 20, Activity.AWAY),
        ("leave", "sit", 2, Activity.WORKING),
        ("use", "sit", 2, Activity.WORKING),
        ("use", "leave", 2, Activity.AWAY),
        ("sit", "dark", 0, Activity.UNSURE),
    ],
)
def test_each_change_has_its_hold(first, then, hold_s, wanted):
    acts = {
        "sit": lambda desk, s: desk.sit(s),
        "leave": lambda desk, s: desk.sit(s, person=False),
        "use": lambda desk, s: desk.use(s),
        "dark": lambda desk, s: desk.sit(s, view=View.DARK),
    }
    desk = Desk().focus()
    acts[first](desk, 30)
    was = desk.seat.activity
    acts[then](desk, hold_s)
    assert desk.seat.activity is was
    changed_s = desk.state.at_s - hold_s + 0.25
    acts[then](desk, 0.25)
    assert desk.seat.activity is wanted
    if first != "use":
        assert desk.seat.since_s == changed_s


def test_a_change_that_is_taken_back_is_forgotten():
    desk = Desk().focus().sit(5).sit(19, person=False).sit(0.25)
    assert desk.seat.pending is None
    desk.sit(19, person=False)
    assert desk.seat.activity is Activity.WORKING


def test_the_wanted_activity_that_changes_begins_anew():
    desk = Desk().focus().sit(5).sit(19, person=False).use(1.5)
    desk.sit(2, person=False)
    assert desk.seat.activity is Activity.WORKING


def test_a_change_that_is_believed_is_told_and_begins_anew():
    desk = Desk().focus().sit(5).use(5)
    began_s = desk.seat.since_s
    assert began_s == 5.25
    (pickup,) = desk.of(EventType.PICKUP)
    assert (pickup.seat, pickup.details["median"], pickup.details["why"]) == (
        "desk",
        0.75,
        "moving",
    )
    assert [pickup.details[edge] for edge in ("ymin", "xmin", "ymax", "xmax")] == [
        0.4,
        0.4,
        0.6,
        0.5,
    ]
    assert desk.total == Totals(focus_s=10.0, working_s=5.0, phone_s=4.75, unsure_s=0.25, pickups=1)
    desk.sit(2.25)
    (putdown,) = desk.of(EventType.PUTDOWN)
    assert dict(putdown.details) == {"lasted_s": 4.75, "level": 1, "then": "working"}
    assert desk.seat == SeatState(
        "desk", Activity.WORKING, 10.0, phone_active_s=10.0, pickups=1, level_since_s=12.25
    )
    assert desk.total == Totals(
        focus_s=12.25, working_s=7.25, phone_s=4.75, unsure_s=0.25, pickups=1
    )


def test_only_as_much_time_is_moved_as_there_is():
    desk = Desk().focus().sit(10).sit(19, person=False)
    desk.state = replace(desk.state, totals=(Totals(focus_s=1, working_s=1),))
    desk.sit(2, person=False)
    total = desk.total
    assert (total.working_s, total.away_s) == (0, 3)
    assert total.focus_s == 3


@pytest.mark.parametrize(
    ("gap_s", "dock", "took"),
    [(0, Dock.NONE, True), (4.75, Dock.NONE, True), (5, Dock.NONE, False), (9, Dock.EMPTY, True)],
)
def test_a_phone_that_was_in_use_so_shortly_before_went_along(gap_s, dock, took):
    desk = Desk().focus().sit(10).use(3).sit(gap_s)
    for _ in range(4 * 22):
        desk.look(SeatView("desk", person=False, dock=dock))
    (left,) = desk.of(EventType.LEFT)
    assert left.details["with_phone"] == took


def test_who_comes_back_was_away_for_so_long():
    desk = Desk().focus().sit(5).sit(30, person=False).sit(3)
    (returned,) = desk.of(EventType.RETURNED)
    assert (returned.seat, dict(returned.details)) == ("desk", {"away_s": 30.0})


NOBODY, SOMEBODY = {"person": False}, {"person": True}


@pytest.mark.parametrize(
    ("then", "told"),
    [
        pytest.param([(SOMEBODY, 5)], [("left", None), ("returned", 0.0)], id="somebody is back"),
        pytest.param([(NOBODY, 40)], [("left", None)], id="it is still empty"),
        pytest.param(
            [(NOBODY, 40), (SOMEBODY, 5)],
            [("left", None), ("returned", 40.0)],
            id="it is still empty, then somebody is back",
        ),
        pytest.param(
            [(NOBODY, 40), (SOMEBODY, 5), (NOBODY, 30)],
            [("left", None), ("returned", 40.0), ("left", None)],
            id="and leaves once more",
        ),
    ],
)
def test_a_view_that_is_lost_brings_nobody_back(then, told):
    desk = Desk().focus().sit(5).sit(60, person=False).sit(20, view=View.COVERED)
    assert (desk.seat.activity, desk.seat.absent) == (Activity.UNSURE, True)
    for who, lasts_s in then:
        desk.sit(lasts_s, **who)
    both = (EventType.LEFT, EventType.RETURNED)
    assert [
        (str(each.type), each.details.get("away_s"))
        for each in desk.state.happenings
        if each.type in both
    ] == told


def test_nobody_is_back_who_never_left():
    desk = Desk().focus().sit(5).sit(20, view=View.DARK).sit(5)
    assert desk.of(EventType.RETURNED) == []


def test_a_lost_view_is_told_and_so_is_the_one_found_again():
    desk = Desk().focus().sit(2).look(view=View.DARK)
    assert desk.last() == (EventType.UNSURE, None, {"view": "dark"})
    assert desk.state.faults == {Fault.LENS}
    desk.look(view=View.DARK)
    assert len(desk.of(EventType.UNSURE)) == 1
    desk.look()
    assert desk.last() == (EventType.CLEAR, None, {"was": "dark"})
    assert desk.state.faults == frozenset()


@pytest.mark.parametrize(
    ("box", "alike"),
    [
        (HELD, True),
        (Box(0.5, 0.4, 0.7, 0.5), True),  # a tenth lower
        (Box(0.6, 0.4, 0.8, 0.5), True),  # as far as it is long
        (Box(0.61, 0.4, 0.81, 0.5), False),
        (Box(0.4, 0.6, 0.6, 0.7), True),
        (Box(0.4, 0.61, 0.6, 0.71), False),
        (Box(0.4, 0.4, 0.5, 0.482), True),  # 0.41 of its area
        (Box(0.4, 0.4, 0.5, 0.478), False),
        (Box(0.4, 0.4, 0.8, 0.524), True),  # 2.48 times it
        (Box(0.4, 0.4, 0.8, 0.527), False),
    ],
)
def test_what_was_denied_is_known_again_by_place_and_size(box, alike):
    desk = Desk()
    desk.state = replace(desk.state, look_alikes=(LookAlike(1, "desk", HELD, 0.75),))
    desk.focus().sit(5).use(4, box=box, median=0.8)
    assert (desk.seat.activity is Activity.PHONE) != alike


def test_what_was_denied_at_another_seat_is_not_known_here():
    desk = Desk()
    desk.state = replace(desk.state, look_alikes=(LookAlike(1, "other", HELD, 0.75),))
    assert desk.focus().sit(5).use(4).seat.activity is Activity.PHONE


@pytest.mark.parametrize(
    ("times", "median", "believed"),
    [
        (1, 0.84, False),
        (1, 0.86, True),
        (2, 0.94, False),
        (2, 0.96, True),
        (3, 0.94, False),
        (50, 0.95, True),
    ],
)
def test_each_denial_asks_for_more_and_never_for_too_much(times, median, believed):
    desk = Desk()
    desk.state = replace(desk.state, look_alikes=(LookAlike(1, "desk", HELD, 0.75, times),))
    desk.focus().sit(5).use(12, median=median)
    assert (desk.seat.activity is Activity.PHONE) == believed


@pytest.mark.parametrize(("times", "hold_s"), [(1, 3.0), (3, 6.0), (4, 7.5), (9, 7.5)])
def test_what_was_denied_has_to_be_seen_for_longer(times, hold_s):
    desk = Desk()
    desk.state = replace(desk.state, look_alikes=(LookAlike(1, "desk", HELD, 0.0, times),))
    desk.focus().sit(5).use(hold_s, median=0.99)
    assert desk.seat.activity is Activity.WORKING
    desk.use(0.5, median=0.99, use_since_s=5.25)
    assert desk.seat.activity is Activity.PHONE


def test_the_look_alike_that_was_denied_most_often_counts():
    desk = Desk()
    entries = (LookAlike(1, "desk", HELD, 0.75, 1), LookAlike(2, "desk", HELD, 0.75, 2))
    for known in (entries, entries[::-1]):
        desk = Desk()
        desk.state = replace(desk.state, look_alikes=known)
        desk.focus().sit(5).use(9, median=0.9)
        assert desk.seat.activity is Activity.WORKING


# ---------------------------------------------------------------- the dock


def docked(desk: Desk, dock: Dock, seconds: float, *, person: bool = True) -> Desk:
    for _ in range(round(4 * seconds)):
        desk.look(SeatView("desk", person=person, dock=dock))
    return desk


def test_an_empty_dock_is_suspicious_after_its_hold():
    desk = docked(docked(Desk().focus(), Dock.HOLDS, 5), Dock.EMPTY, 10)
    assert not desk.of(EventType.SUSPICION)
    docked(desk, Dock.EMPTY, 0.25)
    (told,) = desk.of(EventType.SUSPICION)
    assert (told.seat, dict(told.details)) == ("desk", {"what": "dock empty", "empty_s": 10.0})
    assert (desk.seat.level, desk.seat.reason) == (Level.LIGHT, "no phone in the dock for 10 s")
    docked(desk, Dock.EMPTY, 5)
    assert len(desk.of(EventType.SUSPICION)) == 1
    docked(desk, Dock.HOLDS, 0.25)
    assert (desk.seat.suspicion, desk.seat.level) == (False, Level.NONE)
    assert desk.seat.dock_since_s == desk.state.at_s


def test_nobody_is_suspected_who_does_not_sit_there():
    desk = docked(docked(Desk().focus(), Dock.HOLDS, 5), Dock.EMPTY, 15, person=False)
    assert not desk.of(EventType.SUSPICION)


def test_a_suspicion_that_was_seen_lights_no_more_until_it_is_over():
    desk = docked(docked(Desk().focus(), Dock.HOLDS, 5), Dock.EMPTY, 11).tell(Press.SHORT)
    assert (desk.seat.dismissed, desk.seat.level) == (True, Level.NONE)
    docked(desk, Dock.EMPTY, 5)
    assert desk.seat.level is Level.NONE
    docked(desk, Dock.NONE, 0.25)
    assert (desk.seat.dismissed, desk.seat.suspicion) == (False, False)


def test_a_light_for_being_away_that_was_seen_stays_off_whatever_the_dock_says():
    desk = docked(docked(Desk().focus(), Dock.NONE, 5), Dock.NONE, 150, person=False)
    assert desk.seat.level is Level.LIGHT
    desk.tell(Press.SHORT)
    docked(desk, Dock.NONE, 5, person=False)
    assert (desk.seat.dismissed, desk.seat.level) == (True, Level.NONE)


# ---------------------------------------------------------------- the ladder


@pytest.mark.parametrize(
    ("lasted_s", "words"),
    [
        (0, "0 s"),
        (4.75, "4 s"),
        (5, "5 s"),
        (9.75, "5 s"),
        (59.75, "55 s"),
        (60, "1 min"),
        (119.75, "1 min"),
        (120, "2 min"),
    ],
)
def test_a_reason_counts_in_steps(lasted_s, words):
    desk = Desk(with_(policy={"away_grace_s": 0.0})).focus()
    desk.state = replace(desk.state, seats=(SeatState("desk", Activity.AWAY, 0.0),))
    desk.wait(lasted_s)
    assert (desk.seat.level, desk.seat.reason) == (Level.LIGHT, f"away for {words}")


def test_what_stands_is_told_again_only_when_its_words_change():
    desk = Desk().focus().sit(5).use(2)
    reason = desk.seat.reason
    assert reason == "phone in hand for 1 s, median score 0.75"
    desk.look(SeatView("desk", True, phone=phone(7.25, use_since_s=5.25, median=0.6)))
    assert desk.seat.reason == "phone in hand for 2 s, median score 0.60"
    desk.look(SeatView("desk", True, phone=phone(7.5, use_since_s=5.25, median=0.7)))
    assert desk.seat.reason == "phone in hand for 2 s, median score 0.60"
    assert desk.seat.level_since_s == 6.75


@pytest.mark.parametrize(
    ("activity", "view", "lasted_s", "reason"),
    [
        (Activity.AWAY, View.CLEAR, 119.75, ""),
        (Activity.AWAY, View.CLEAR, 120, "away for 2 min"),
        (Activity.UNSURE, View.DARK, 9.75, ""),
        (Activity.UNSURE, View.DARK, 10, "view dark for 10 s"),
        (Activity.UNSURE, View.CLEAR, 99, ""),
        (Activity.WORKING, View.CLEAR, 999, ""),
    ],
)
def test_suspicions_light_after_their_grace(activity, view, lasted_s, reason):
    desk = Desk().focus()
    desk.state = replace(desk.state, view=view, seats=(SeatState("desk", activity, 0.0),))
    desk.wait(lasted_s)
    assert desk.seat.reason == reason
    assert desk.seat.level == (Level.LIGHT if reason else Level.NONE)
    if reason:
        assert desk.last() == (EventType.LEVEL, "desk", {"level": 1, "reason": reason})
        dark = replace(CONFIG, modes={"gentle": LadderConfig(light_after_s=-1)})
        desk = Desk(dark).focus()
        desk.state = replace(desk.state, view=view, seats=(SeatState("desk", activity, 0.0),))
        assert desk.wait(lasted_s).seat.level is Level.NONE


@pytest.mark.parametrize(
    ("lasted_s", "level"), [(1.25, 0), (1.5, 1), (11.25, 1), (11.5, 2), (41.25, 2), (41.5, 3)]
)
def test_each_rung_comes_so_long_after_the_pickup_is_believed(lasted_s, level):
    desk = Desk().focus()
    desk.state = replace(
        desk.state,
        seats=(SeatState("desk", Activity.PHONE, 0.0, phone=phone(0), phone_active_s=lasted_s),),
    )
    assert desk.wait(lasted_s).seat.level == level


def sounding(config: Config = CONFIG, **changes: object) -> Desk:
    desk = Desk(config).focus()
    seat = SeatState("desk", Activity.PHONE, -20.0, phone=phone(0), phone_active_s=0.0)
    desk.state = replace(desk.state, seats=(replace(seat, **changes),))
    return desk


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({}, {}, ""),
        ({"phone_active_s": -0.5}, {}, ""),
        ({"phone_active_s": -0.75}, {}, " (still now)"),
        ({"phone": None}, {}, " (still now)"),
        ({"phone": phone(0, use=PhoneUse.PARKED)}, {}, " (still now)"),
        ({"phone": phone(0, sure=False)}, {}, " (perhaps)"),
        ({}, {"muted": True}, " (muted)"),
        ({}, {"quiet": True}, " (quiet hours)"),
        ({}, {"volume": 0.0}, " (volume 0)"),
        ({}, {"volume": 0.01}, ""),
        ({}, {"sound_s": 60.0}, " (sounded long enough)"),
        ({}, {"sound_s": 59.75}, ""),
        ({"sound_s": 60.0}, {}, " (sounded long enough)"),
        ({"sound_s": 59.75}, {}, ""),
    ],
)
def test_what_holds_a_sound_back_is_said(changes, state, words):
    desk = sounding(with_(nudge={"longest_sound_s": 60.0}), **changes)
    desk.state = replace(desk.state, **state)
    desk.wait(0)
    score = "" if desk.seat.phone is None else ", median score 0.75"
    assert desk.seat.reason == f"phone in hand{words} for 20 s{score}"
    assert desk.seat.level == (Level.LIGHT if words else Level.SOUND)


def test_a_sound_that_was_long_enough_comes_back_when_all_of_it_has_drained():
    desk = sounding(with_(nudge={"longest_sound_s": 4.0}))
    desk.state = replace(desk.state, sound_s=4.0)
    desk.wait(0)
    assert desk.state.sound_spent
    for _ in range(15):
        desk.wait(0.25)
        assert desk.state.sound_spent
    desk.wait(0.25)
    assert (desk.state.sound_spent, desk.state.sound_s) == (False, 0.0)


@pytest.mark.parametrize("fault", [Fault.CAMERA, Fault.DETECTOR])
def test_who_is_blind_or_told_to_be_calm_is_calm(fault):
    assert sounding().tell(FaultChange(fault, True)).seat.level is Level.NONE
    assert sounding().tell(FaultChange(Fault.DISK, True)).seat.level is Level.SOUND
    assert sounding().tell(Snooze()).seat.level is Level.NONE
    desk = sounding().wait(0)
    assert desk.seat.reason
    desk.tell(Snooze())
    assert (desk.seat.level, desk.seat.reason, desk.seat.peak) == (Level.NONE, "", Level.SOUND)


def test_a_level_is_told_once_in_an_activity():
    desk = sounding().wait(0)
    assert [each.details["level"] for each in desk.of(EventType.LEVEL)] == [2]
    desk.tell(Mute(True), Mute(False))
    assert desk.seat.level is Level.SOUND
    assert len(desk.of(EventType.LEVEL)) == 1
    assert desk.seat.level_since_s == 0.0


# ---------------------------------------------------------------- commands


def test_a_snooze_is_as_long_as_allowed_and_as_often():
    desk = Desk().focus()
    for minutes, lasts_min, left in ((None, 5, 1), (0.01, 0.1, 0)):
        desk.tell(Snooze(minutes))
        assert desk.last() == (EventType.SNOOZE, None, {"minutes": lasts_min, "left": left})
        assert desk.state.snooze_until_s == desk.state.at_s + 60 * lasts_min
    desk.tell(Snooze())
    assert desk.last()[2]["why"] == "no snooze is left in this session: 2 allowed"
    assert Desk().focus().tell(Snooze(99)).state.snooze_until_s == 300
    assert Desk().tell(Snooze()).last()[2] == {"command": "snooze", "why": "no focus session runs"}
    desk.wait(5.75)
    assert desk.state.snooze_until_s is not None
    assert desk.wait(0.25).state.snooze_until_s is None


@pytest.mark.parametrize(
    ("command", "name", "value"),
    [
        (SetVolume(-0.5), "volume", 0.0),
        (SetVolume(0.3), "volume", 0.3),
        (SetVolume(1.5), "volume", 1.0),
        (SetGrace(-1), "grace_s", 0.0),
        (SetGrace(600), "grace_s", 600.0),
        (SetGrace(601), "grace_s", 600.0),
        (Mute(True), "muted", True),
        (Mute(False), "muted", False),
    ],
)
def test_a_setting_is_kept_within_its_range(command, name, value):
    assert getattr(Desk().tell(command).state, name) == value


def test_a_mode_that_is_not_there_is_refused_with_those_that_are():
    config = replace(CONFIG, modes={"soft": LadderConfig(), "hard": LadderConfig()})
    desk = Desk(config).tell(SetMode("hard"))
    assert desk.state.mode == "hard"
    desk.tell(SetMode("x" * 50))
    why = f"no mode {'x' * 40!r}; there is hard, soft"
    assert desk.last() == (EventType.REFUSED, None, {"command": "mode", "why": why})
    assert desk.state.mode == "hard"


def test_a_part_is_tried_for_two_seconds():
    desk = Desk().tell(Test("lights")).wait(1.75)
    assert desk.state.testing == "lights"
    assert desk.wait(0.25).state.testing == ""
    desk.tell(Test("buzzer"))
    assert (desk.state.testing, desk.state.testing_until_s) == ("buzzer", 4.0)
    assert desk.tell(Test("off")).state.testing == ""


@pytest.mark.parametrize(
    ("state", "part", "why"),
    [
        ({"muted": True}, "chirp", "muted"),
        ({"quiet": True}, "loud", "quiet hours"),
        ({"volume": 0.0}, "buzzer", "the volume is 0"),
        ({}, "y" * 50, f"no part {'y' * 40!r}; there is lights, buzzer, chirp, loud, off"),
    ],
)
def test_a_part_that_may_not_be_tried_is_refused(state, part, why):
    desk = Desk()
    desk.state = replace(desk.state, **state)
    desk.tell(Test(part))
    assert desk.last() == (EventType.REFUSED, None, {"command": "test", "why": why})
    assert desk.state.testing == ""
    assert desk.tell(Test("lights")).state.testing == "lights", "light is always allowed"
    desk.tell(Mute(True))
    assert desk.state.testing == "lights"


def test_a_fault_is_told_when_it_comes_and_when_it_goes():
    desk = Desk().tell(FaultChange(Fault.DISK, True, "full"))
    assert desk.last() == (EventType.FAULT, None, {"fault": "disk", "text": "full"})
    desk.tell(FaultChange(Fault.DISK, True, "again"))
    assert desk.state.happened == 1
    desk.tell(FaultChange(Fault.DISK, False, "well"))
    assert desk.last() == (EventType.FAULT_CLEARED, None, {"fault": "disk", "text": "well"})
    assert desk.state.faults == frozenset()


def test_the_word_of_the_owner_takes_back_all_that_came_of_it():
    desk = Desk().focus().sit(5).use(5).tell(NotAPhone())
    assert desk.last() == (
        EventType.NOT_A_PHONE,
        "desk",
        {
            "median": 0.75,
            "sure": True,
            "why": "moving",
            "ymin": 0.4,
            "xmin": 0.4,
            "ymax": 0.6,
            "xmax": 0.5,
            "lasted_s": 4.75,
            "level": 1,
        },
    )
    assert desk.total == Totals(focus_s=10.0, working_s=9.75, unsure_s=0.25)
    assert desk.seat == SeatState(
        "desk", Activity.WORKING, 10.0, level_since_s=10.0, phone=desk.seat.phone
    )
    assert desk.state.look_alikes == (LookAlike(1, "desk", HELD, 0.75),)
    assert desk.state.denied == (("desk", 70.0),)
    desk.use(59.75, box=Box(0.0, 0.0, 0.1, 0.1))
    assert desk.seat.activity is Activity.WORKING, "not for a minute, whatever it is"
    desk.use(0.25, box=Box(0.0, 0.0, 0.1, 0.1), use_since_s=10.25)
    assert desk.seat.activity is Activity.PHONE


def test_the_word_of_the_owner_is_of_the_seat_that_is_named():
    config = replace(CONFIG, seats=(SeatConfig(name="left"), SeatConfig(name="right")))
    desk = Desk(config).focus()
    for _ in range(20):
        held = phone(desk.state.at_s + 0.25, use_since_s=0.25)
        desk.look(*(SeatView(seat, True, phone=held) for seat in ("left", "right")))
    desk.tell(NotAPhone("right"))
    assert [seat.activity for seat in desk.state.seats] == [Activity.PHONE, Activity.WORKING]
    assert [total.pickups for total in desk.state.totals] == [1, 0]
    desk.tell(NotAPhone("right"))
    assert desk.last()[2] == {
        "command": "not_a_phone",
        "why": "nothing is taken for a phone in hand now",
    }
    desk.tell(NotAPhone())
    assert [seat for seat, _ in desk.state.denied] == ["right", "left"]
    assert [entry.number for entry in desk.state.look_alikes] == [1, 2]


def test_what_is_denied_again_is_the_same_thing_and_surer():
    desk = Desk()
    older = LookAlike(4, "desk", Box(0.0, 0.0, 0.1, 0.1), 0.5)
    known = LookAlike(7, "desk", Box(0.42, 0.42, 0.62, 0.52), 0.6)
    desk.state = replace(desk.state, look_alikes=(known, older))
    desk.focus().sit(5).use(6, median=0.8).tell(NotAPhone())
    assert desk.state.look_alikes == (older, LookAlike(7, "desk", HELD, 0.8, 2))
    desk = Desk(with_(policy={"learn": False})).focus().sit(5).use(5).tell(NotAPhone())
    assert desk.state.look_alikes == ()


def test_the_latest_happenings_are_kept_and_all_are_counted():
    desk = Desk()
    for _ in range(70):
        desk.tell(SetSession(SessionAction.STOP))
    assert (len(desk.state.happenings), desk.state.happened) == (64, 70)


@pytest.mark.parametrize(
    ("count", "totals"), [(1, (Totals(pickups=3),)), (2, (Totals(), Totals())), (1, None)]
)
def test_a_box_begins_with_the_totals_of_its_seats(count, totals):
    config = replace(CONFIG, seats=tuple(SeatConfig(name=f"s{n}") for n in range(count)))
    config = with_(config, nudge={"volume": 0.4}, policy={"learn_most": 2, "follow": "s0"})
    known = tuple(LookAlike(number, "s0", HELD, 0.5) for number in range(5))
    given = (Totals(pickups=3),)
    state = decide.start(
        config, at_s=3.0, totals=None if totals is None else given, look_alikes=known, replay=True
    )
    assert state == State(
        at_s=3.0,
        session_since_s=3.0,
        seats=tuple(SeatState(f"s{n}", since_s=3.0) for n in range(count)),
        totals=totals or (Totals(),),
        volume=0.4,
        look_alikes=known[-2:],
        follow="s0",
        replay=True,
    )
    assert NudgeConfig().mode == state.mode


def test_a_pickup_of_yesterday_that_was_none_leaves_no_debt():
    desk = Desk().focus().sit(5).use(5)
    desk.state = replace(desk.state, totals=(Totals(),), seats=(replace(desk.seat, pickups=0),))
    desk.tell(NotAPhone())
    assert (desk.total, desk.seat.pickups) == (Totals(), 0)


def test_what_is_told_of_a_happening_has_no_more_digits_than_mean_anything():
    desk = Desk(with_(session={"focus_min": 3}))
    box = Box(*(each / 7 for each in (1, 2, 3, 4)))
    desk.look(after_s=1 / 7).focus().wait(1 / 7).look(after_s=9 + 1 / 7)
    for dock in (Dock.HOLDS, Dock.EMPTY):
        for _ in range(50):
            desk.look(SeatView("desk", person=True, dock=dock), after_s=2 / 7)
    for _ in range(20):
        now_s = desk.state.at_s + 2 / 7
        held = phone(now_s, use_since_s=38.1, median=5 / 7, box=box)
        desk.look(SeatView("desk", person=True, phone=held), after_s=2 / 7)
    for _ in range(20):
        desk.look(after_s=3 / 7)
    desk.look(after_s=1 / 9).wait(5 / 7).tell(SetSession(SessionAction.STOP), after_s=1 / 11)
    digits: dict[tuple[EventType, str], int] = {}
    for happening in desk.state.happenings:
        for name, value in happening.details.items():
            if isinstance(value, float) and name != "minutes":
                count = len(repr(value).partition(".")[2])
                digits[happening.type, name] = max(count, digits.get((happening.type, name), 0))
    edges = dict.fromkeys(("ymin", "xmin", "ymax", "xmax"), 4)
    figures = {
        EventType.SUSPICION: {"empty_s": 3},
        EventType.PICKUP: {**edges, "median": 3, "clean_s": 3, "unseen_s": 3},
        EventType.PUTDOWN: {"lasted_s": 3},
        EventType.SESSION_END: dict.fromkeys(("lasted_s", "seen_s", "clean_s", "unseen_s"), 3),
    }
    assert digits == {
        (type_, name): count for type_, of in figures.items() for name, count in of.items()
    }


def test_a_tune_is_tried_out_for_as_long_as_it_plays_and_none_is_refused():
    desk = Desk().tell(Test("chirp", "mine:d=4,o=5,b=60:2c"))
    assert (desk.state.testing, desk.state.testing_tune) == ("chirp", "mine:d=4,o=5,b=60:2c")
    assert desk.state.testing_until_s == pytest.approx(2.0 + REST_S)
    assert desk.wait(2.1).state.testing == "chirp"
    assert desk.wait(0.2).state.testing == ""
    desk.tell(Test("chirp", "no such tune"))
    type_, _, details = desk.last()
    assert (type_, details["command"], desk.state.testing) == (EventType.REFUSED, "test", "")


def test_a_lens_that_was_covered_is_no_fault_of_what_comes_after_the_session():
    desk = Desk().focus().sit(60, view=View.COVERED)
    assert desk.state.faults == {Fault.LENS}
    desk.tell(SetSession(SessionAction.STOP))
    assert desk.state.faults == frozenset()


def test_a_camera_that_has_to_open_first_is_given_ten_seconds_for_it():
    desk = Desk().tell(Aim(5.0))
    desk.tell(Teach("wallet", phone=False, seconds=30.0))
    assert desk.state.aim_until_s == pytest.approx(EMPTY_S + 30.0 + 10.0)


# ---------------------------------------------------------------- all that a command changes


def changed(desk: Desk, *commands: Command) -> dict[str, object]:
    """The fields of the state that are others afterwards; what happened, as it is told."""
    before = desk.state
    after = desk.tell(*commands).state
    found: dict[str, object] = {
        field.name: getattr(after, field.name)
        for field in fields(State)
        if getattr(after, field.name) != getattr(before, field.name)
        and field.name not in ("happenings", "happened")
    }
    new = after.happenings[-(after.happened - before.happened) :]
    if after.happened != before.happened:
        found["told"] = [(each.type, each.seat, dict(each.details)) for each in new]
    return found


def refused(command: str, why: str) -> dict[str, object]:
    return {"told": [(EventType.REFUSED, None, {"command": command, "why": why})]}


CARD = replace(CONFIG, card=CardConfig(enabled=True, open_s=20.0))


def test_the_held_button_opens_the_camera_for_a_card_and_closes_it_again():
    desk = Desk(CARD).wait(5)
    assert changed(desk, Press.LONG) == {"card_until_s": 25.0}
    assert (decide.reading(desk.state), decide.seeing(desk.state)) == (True, True)
    assert not decide.watching(desk.state)
    assert changed(desk, Press.LONG) == {"card_until_s": None}
    assert (decide.reading(desk.state), decide.seeing(desk.state)) == (False, False)
    desk.tell(Press.LONG).wait(19.75)
    assert desk.state.card_until_s == 25.0
    assert desk.wait(0.25).state.card_until_s is None
    assert changed(Desk(), Press.LONG) == refused("stop", "nothing runs")


def test_a_card_that_was_read_begins_a_session_if_it_is_waited_for():
    desk = Desk(CARD)
    assert changed(desk, ReadCard(25)) == {}, "it came too late"
    desk.tell(Press.LONG)
    assert desk.look().look().state.card_until_s == 20.0, "nobody is judged meanwhile"
    found = changed(desk, ReadCard(25))
    assert found["told"] == [
        (EventType.SESSION_START, None, {"minutes": 25, "mode": "gentle", "by": "card"})
    ]
    assert (found["session"], found["until_s"], found["card_until_s"]) == (
        Session.FOCUS,
        0.5 + 25 * 60,
        None,
    )
    desk.state = replace(desk.state, card_until_s=99.0)
    assert changed(desk, ReadCard(50)) == {}, "one runs"


def test_the_held_button_ends_what_runs_also_where_cards_are_read():
    desk = Desk(CARD).focus().sit(5)
    desk.tell(Press.LONG)
    assert (desk.state.session, desk.state.card_until_s) == (Session.IDLE, None)
    desk.tell(SetSession(SessionAction.BREAK), Press.LONG)
    assert (desk.state.session, desk.state.card_until_s) == (Session.IDLE, None)


@pytest.mark.parametrize(
    ("seconds", "until_s"),
    [(300.0, 305.0), (299.5, 304.5), (301.0, 305.0), (0.5, 5.5), (0.0, None), (-1.0, None)],
)
def test_a_camera_is_aimed_for_five_minutes_at_most(seconds, until_s):
    desk = Desk().wait(5)
    desk.state = replace(desk.state, aim_until_s=6.0)
    assert changed(desk, Aim(seconds)) == {"aim_until_s": until_s}
    assert decide.seeing(desk.state) == (until_s is not None)
    if until_s is not None:
        desk.wait(until_s - 5.25)
        assert desk.state.aim_until_s == until_s
        assert desk.wait(0.25).state.aim_until_s is None


def test_a_new_version_is_kept_as_it_is_told():
    offer = Offer("9.1", "notes", "https://e", newer=True)
    assert changed(Desk(), Offered(offer)) == {"offer": offer}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (SetTune("stairs"), {"chirp": "stairs"}),
        (SetTune("stairs", loud=True), {"loud": "stairs"}),
        (SetTune("mine:d=4,o=5,b=60:2c"), {"chirp": "mine:d=4,o=5,b=60:2c"}),
        (SetMode("gentle"), {}),
        (SetVolume(0.25), {"volume": 0.25}),
        (SetGrace(7.5), {"grace_s": 7.5}),
        (Mute(True), {"muted": True}),
        (Test("off"), {}),
        (Test("loud"), {"testing": "loud", "testing_until_s": 2.0}),
        (
            FaultChange(Fault.DISK, True, "full"),
            {
                "faults": {Fault.DISK},
                "told": [(EventType.FAULT, None, {"fault": "disk", "text": "full"})],
            },
        ),
        (FaultChange(Fault.DISK, False, "well"), {}),
        (NotAPhone(), refused("not_a_phone", "nothing is taken for a phone in hand now")),
        (Learnt("cup", why="nothing was shown"), refused("teach", "nothing was shown")),
        (
            Learnt("cup", phone=False, views=3),
            {"told": [(EventType.TAUGHT, None, {"name": "cup", "phone": False, "views": 3})]},
        ),
        (
            Teach("cup", phone=False, seconds=30.0),
            refused("teach", "the camera is closed: start a focus session first"),
        ),
        (MyPhone(), refused("my_phone", "the camera is closed: start a focus session first")),
    ],
)
def test_a_command_to_an_idle_box_changes_this_and_nothing_else(command, expected):
    assert changed(Desk(), command) == expected


def test_a_tune_that_is_none_is_refused_and_none_is_changed():
    for loud in (False, True):
        desk = Desk()
        found = changed(desk, SetTune("no such tune", loud))
        ((type_, seat, details),) = found.pop("told")  # type: ignore[misc]
        assert (type_, seat, details["command"], found) == (EventType.REFUSED, None, "tune", {})
        assert details["why"].startswith("one of two-up, teaspoon, ")


KNOWN = tuple(LookAlike(number, "desk", HELD, 0.5) for number in (3, 5, 9))


@pytest.mark.parametrize(
    ("command", "kept", "told"),
    [
        (Forget(5), (3, 9), None),
        (Forget(3), (5, 9), None),
        (Forget(), (), (EventType.FORGET, None, {"name": "not a phone"})),
        (Forget(name="cup"), (3, 5, 9), (EventType.FORGET, None, {"name": "cup"})),
        (
            Forget(4),
            (3, 5, 9),
            (EventType.REFUSED, None, {"command": "forget", "why": "there is no such entry"}),
        ),
    ],
)
def test_what_is_forgotten_is_this_and_no_more(command, kept, told):
    desk = Desk()
    desk.state = replace(desk.state, look_alikes=KNOWN)
    expected: dict[str, object] = {} if told is None else {"told": [told]}
    if len(kept) != 3:
        expected["look_alikes"] = tuple(each for each in KNOWN if each.number in kept)
    assert changed(desk, command) == expected


def test_where_nothing_was_learnt_there_is_nothing_to_forget():
    assert changed(Desk(), Forget()) == refused("forget", "there is no such entry")
    assert changed(Desk(), Forget(1)) == refused("forget", "there is no such entry")


def test_no_more_look_alikes_are_remembered_than_allowed_and_the_oldest_goes():
    desk = Desk(with_(policy={"learn_most": 2})).focus().sit(5)
    elsewhere = tuple(LookAlike(number, "desk", Box(0.0, 0.0, 0.1, 0.1), 0.5) for number in (8, 9))
    desk.state = replace(desk.state, look_alikes=elsewhere)
    desk.use(5).tell(NotAPhone())
    assert desk.state.look_alikes == (elsewhere[1], LookAlike(10, "desk", HELD, 0.75))


def test_what_is_shown_in_focus_is_told_and_alarms_nobody_for_so_long():
    config = replace(CONFIG, seats=(SeatConfig(name="left"), SeatConfig(name="right")))
    desk = Desk(config).focus().wait(5)
    teach = Teach("cup", phone=False, seconds=30.0)
    told = (EventType.TEACH, None, {"name": "cup", "phone": False, "seconds": 30.0})
    denied = (("left", 38.0), ("right", 38.0))
    assert changed(desk, teach) == {"denied": denied, "told": [told]}
    assert changed(desk, MyPhone()) == {"told": [(EventType.MY_PHONE, None, {})]}
    assert desk.wait(32.75).state.denied == denied
    assert desk.wait(0.25).state.denied == ()


@pytest.mark.parametrize(("aimed_s", "until_s"), [(20.0, 43.0), (60.0, 60.0)])
def test_a_camera_that_is_aimed_stays_open_for_what_is_shown(aimed_s, until_s):
    desk = Desk()
    desk.state = replace(desk.state, aim_until_s=aimed_s)
    desk.tell(Teach("cup", phone=False, seconds=30.0))
    assert desk.state.aim_until_s == until_s


def test_muting_ends_a_sound_that_is_tried_out_and_unmuting_none():
    desk = Desk().tell(Test("chirp"))
    assert changed(desk, Mute(False)) == {}
    assert changed(desk, Mute(True)) == {"muted": True, "testing": ""}
    desk = Desk().tell(Test("lights"))
    assert changed(desk, Mute(True)) == {"muted": True}


def test_pausing_and_going_on_change_this_and_nothing_else():
    desk = Desk().focus().sit(10)
    seat = SeatState("desk", since_s=10.0, dock_since_s=10.0)
    assert changed(desk, Press.SHORT) == {
        "session": Session.PAUSED,
        "session_since_s": 10.0,
        "until_s": 610.0,
        "paused": Session.FOCUS,
        "paused_left_s": 3590.0,
        "focused_s": 10.0,
        "pauses_used": 1,
        "seats": (seat,),
        "clean_s": 0.0,
        "clean_seen_s": 0.0,
        "told": [
            (EventType.PAUSE, None, {"minutes": 10, "left": 1, "clean_s": 10.0, "unseen_s": 0.0})
        ],
    }
    desk.wait(7)
    assert changed(desk, Press.SHORT) == {
        "session": Session.FOCUS,
        "session_since_s": 17.0,
        "until_s": 17.0 + 3590.0,
        "paused": None,
        "paused_left_s": 0.0,
        "looked_s": 17.0,
        "seats": (replace(seat, since_s=17.0, dock_since_s=17.0),),
        "told": [(EventType.RESUME, None, {"session": "focus"})],
    }


def test_stopping_in_a_pause_closes_the_books_of_the_focus_before_it():
    desk = Desk().focus().sit(10).tell(Press.SHORT).wait(30)
    assert changed(desk, Press.LONG) == {
        "session": Session.IDLE,
        "session_since_s": 40.0,
        "until_s": None,
        "paused": None,
        "paused_left_s": 0.0,
        "focused_s": 0.0,
        "seats": (SeatState("desk", since_s=40.0, dock_since_s=40.0),),
        "told": [
            (
                EventType.SESSION_END,
                None,
                {
                    "completed": False,
                    "clean": False,
                    "pickups": 0,
                    "lasted_s": 10.0,
                    "seen_s": 10.0,
                    "clean_s": 0.0,
                    "unseen_s": 0.0,
                    "why": "button held",
                },
            )
        ],
    }


def test_the_end_of_a_completed_session_changes_this_and_nothing_else():
    desk = Desk(with_(session={"focus_min": 1.0, "break_min": 5})).focus().sit(59.75)
    before = desk.state
    after = desk.wait(0.5).state
    assert after == replace(
        before,
        at_s=60.25,
        session=Session.BREAK,
        session_since_s=60.0,
        until_s=360.0,
        round=1,
        seats=(SeatState("desk", since_s=60.0, dock_since_s=60.0),),
        totals=(
            Totals(
                focus_s=60.0,
                working_s=59.75,
                unsure_s=0.25,
                break_s=0.25,
                sessions=1,
                clean_sessions=1,
                streak=1,
            ),
        ),
        clean_s=0.0,
        clean_seen_s=0.0,
        reward_until_s=80.0,
        happenings=after.happenings,
        happened=before.happened + 3,
    )
    assert [each.type for each in after.happenings[-3:]] == [
        EventType.SESSION_END,
        EventType.REWARD,
        EventType.BREAK_START,
    ]
    assert {each.at_s for each in after.happenings[-3:]} == {60.0}


# ---------------------------------------------------------------- what lies there unused


@pytest.mark.parametrize("use", [use for use in PhoneUse if use is not PhoneUse.IN_USE])
def test_a_phone_that_is_seen_and_not_used_keeps_nobody_from_work(use):
    desk = Desk().focus().sit(5).use(5)
    down_s = desk.state.at_s
    for _ in range(9):
        lies = phone(down_s, use=use, use_since_s=5.25)
        desk.look(SeatView("desk", True, phone=lies))
    assert (desk.seat.activity, desk.seat.since_s) == (Activity.WORKING, down_s)
    assert desk.seat.phone_active_s == down_s
    assert desk.seat.pending is None
    never = Desk().focus().sit(5)
    for _ in range(40):
        lies = phone(never.state.at_s + 0.25, use=use, use_since_s=5.25)
        never.look(SeatView("desk", True, phone=lies))
    assert (never.seat.activity, never.seat.pending) == (Activity.WORKING, None)
    assert never.seat.phone_active_s == float("-inf")


# ---------------------------------------------------------------- an experiment


def test_each_session_of_an_experiment_is_drawn_and_told():
    config = replace(CONFIG, experiment=ExperimentConfig(enabled=True, name="third"))
    desk = Desk(config)
    desk.state = replace(desk.state, seed=77)
    drawn = set()
    for _ in range(20):
        draw = sha256(f"77:{desk.state.happened}".encode()).hexdigest()[:16]
        way = "sound" if draw[-1] in "13579bdf" else "light only"
        desk.focus()
        assert desk.state.way == way
        assert desk.last()[2] == {
            "minutes": 60.0,
            "mode": "gentle",
            "experiment": "third",
            "way": way,
            "draw": draw,
        }
        desk.tell(Press.LONG)
        assert desk.state.way == ""
        drawn.add(way)
    assert drawn == {"sound", "light only"}
    replayed = Desk(config)
    replayed.state = replace(replayed.state, replay=True)
    assert replayed.focus().last()[2] == {"minutes": 60.0, "mode": "gentle"}


def test_a_session_without_sound_says_so_instead_and_one_without_a_dock_minds_none():
    assert sounding().wait(0).seat.level is Level.SOUND
    silent = sounding()
    silent.state = replace(silent.state, way="light only")
    assert silent.wait(0).seat.level is Level.LIGHT
    assert silent.seat.reason == "phone in hand (light only) for 20 s, median score 0.75"
    desk = Desk().focus()
    desk.state = replace(desk.state, way="no dock")
    docked(docked(desk, Dock.HOLDS, 5), Dock.EMPTY, 15)
    assert (desk.seat.dock, desk.seat.suspicion) == (Dock.NONE, False)
    assert not desk.of(EventType.SUSPICION)
    desk.state = replace(desk.state, way="dock")
    docked(desk, Dock.EMPTY, 11)
    assert len(desk.of(EventType.SUSPICION)) == 1


# ---------------------------------------------------------------- a while at two seats, in full


def test_what_happens_at_two_seats_is_told_in_full_and_in_its_order():
    config = replace(CONFIG, seats=(SeatConfig(name="left"), SeatConfig(name="right")))
    desk = Desk(config).focus()

    def both(until_s: float, *, uses: bool, stays: bool) -> None:
        while desk.state.at_s < until_s:
            held = phone(desk.state.at_s + 0.25, use_since_s=10.25) if uses else None
            desk.look(SeatView("right", stays), SeatView("left", True, phone=held))

    both(10.0, uses=False, stays=True)
    both(60.25, uses=True, stays=False)
    desk.tell(Snooze())
    both(70.25, uses=False, stays=True)
    desk.tell(SetSession(SessionAction.STOP))

    def reason(seconds: int) -> str:
        return f"phone in hand for {seconds} s, median score 0.75"

    edges = {"ymin": 0.4, "xmin": 0.4, "ymax": 0.6, "xmax": 0.5}
    seen = {"median": 0.75, "sure": True, "why": "moving", **edges}
    assert [(e.at_s, e.type, e.seat, dict(e.details)) for e in desk.state.happenings] == [
        (0.0, EventType.SESSION_START, None, {"minutes": 60, "mode": "gentle"}),
        # Its use was seen first at 10.25, and is believed when it was seen for 1.5 s.
        (11.75, EventType.PICKUP, "left", {**seen, "clean_s": 10.25, "unseen_s": 0.0}),
        (11.75, EventType.LEVEL, "left", {"level": 1, "reason": reason(1)}),
        (21.75, EventType.LEVEL, "left", {"level": 2, "reason": reason(10)}),
        (30.25, EventType.LEFT, "right", {"with_phone": False}),
        (51.75, EventType.LEVEL, "left", {"level": 3, "reason": reason(40)}),
        (60.25, EventType.SNOOZE, None, {"minutes": 5, "left": 1}),
        # Down since it was last seen in use; back since somebody was first seen there.
        (62.5, EventType.PUTDOWN, "left", {"lasted_s": 50.0, "level": 3, "then": "working"}),
        (62.5, EventType.RETURNED, "right", {"away_s": 50.25}),
        (
            70.25,
            EventType.SESSION_END,
            None,
            {
                "completed": False,
                "clean": False,
                "pickups": 1,
                "lasted_s": 70.25,
                "seen_s": 70.25,
                "clean_s": 10.0,
                "unseen_s": 0.0,
                "why": "command",
            },
        ),
    ]
    assert desk.state.totals == (
        Totals(focus_s=70.25, unsure_s=0.25, working_s=10 + 10, phone_s=50, pickups=1),
        Totals(focus_s=70.25, unsure_s=0.25, working_s=10 + 9.75, away_s=50.25),
    )
    assert desk.state.snooze_until_s is None


def test_a_seat_that_was_not_looked_at_stays_as_it_was():
    config = replace(CONFIG, seats=(SeatConfig(name="left"), SeatConfig(name="right")))
    desk = Desk(config).focus()
    for _ in range(40):
        desk.look(SeatView("left", True), SeatView("right", True))
    left = desk.state.seats[0]
    for _ in range(120):
        desk.look(SeatView("right", person=False), SeatView("nobody's", person=False))
    assert desk.state.seats[0] == left
    assert desk.state.seats[1].activity is Activity.AWAY


def test_books_that_do_not_fit_the_seats_are_no_books():
    desk = Desk().focus()
    desk.state = replace(desk.state, totals=(Totals(), Totals()))
    with pytest.raises(ValueError, match="longer"):
        desk.wait(1)
    with pytest.raises(ValueError, match="longer"):
        desk.tell(SetSession(SessionAction.STOP))


# ---------------------------------------------------------------- each thing in each state

HOLD_IT = "hold the button to stop early"
START, BREAK, PAUSE, RESUME, STOP = (
    SetSession(SessionAction.START),
    SetSession(SessionAction.BREAK),
    SetSession(SessionAction.PAUSE),
    SetSession(SessionAction.RESUME),
    SetSession(SessionAction.STOP),
)
E = EventType
IN = {  # what has to be told to get there
    Session.IDLE: (),
    Session.FOCUS: (START,),
    Session.BREAK: (BREAK,),
    Session.PAUSED: (START, PAUSE),
}
# What each command comes to: the session afterwards and what is told, or why it is refused.
OUTCOMES: list[tuple[Command, dict[Session, str | tuple[Session, list[EventType]]]]] = [
    (
        START,
        {
            Session.IDLE: (Session.FOCUS, [E.SESSION_START]),
            Session.FOCUS: "a focus session runs already",
            Session.BREAK: (Session.FOCUS, [E.BREAK_END, E.SESSION_START]),
            Session.PAUSED: (Session.FOCUS, [E.RESUME]),
        },
    ),
    (
        BREAK,
        {
            Session.IDLE: (Session.BREAK, [E.BREAK_START]),
            Session.FOCUS: (Session.BREAK, [E.SESSION_END, E.BREAK_START]),
            Session.BREAK: "a break runs already",
            Session.PAUSED: (Session.BREAK, [E.SESSION_END, E.BREAK_START]),
        },
    ),
    (
        PAUSE,
        {
            Session.IDLE: "no focus session runs",
            Session.FOCUS: (Session.PAUSED, [E.PAUSE]),
            Session.BREAK: "no focus session runs",
            Session.PAUSED: "no focus session runs",
        },
    ),
    (
        RESUME,
        {
            Session.IDLE: "nothing is paused",
            Session.FOCUS: "nothing is paused",
            Session.BREAK: "nothing is paused",
            Session.PAUSED: (Session.FOCUS, [E.RESUME]),
        },
    ),
    (
        STOP,
        {
            Session.IDLE: "nothing runs",
            Session.FOCUS: (Session.IDLE, [E.SESSION_END]),
            Session.BREAK: (Session.IDLE, [E.BREAK_END]),
            Session.PAUSED: (Session.IDLE, [E.SESSION_END]),
        },
    ),
    (
        Press.SHORT,
        {
            Session.IDLE: (Session.FOCUS, [E.SESSION_START]),
            Session.FOCUS: (Session.PAUSED, [E.PAUSE]),
            Session.BREAK: (Session.FOCUS, [E.BREAK_END, E.SESSION_START]),
            Session.PAUSED: (Session.FOCUS, [E.RESUME]),
        },
    ),
    (
        Press.LONG,
        {
            Session.IDLE: "nothing runs",
            Session.FOCUS: (Session.IDLE, [E.SESSION_END]),
            Session.BREAK: (Session.IDLE, [E.BREAK_END]),
            Session.PAUSED: (Session.IDLE, [E.SESSION_END]),
        },
    ),
    (
        Snooze(),
        {
            Session.IDLE: "no focus session runs",
            Session.FOCUS: (Session.FOCUS, [E.SNOOZE]),
            Session.BREAK: "no focus session runs",
            Session.PAUSED: "no focus session runs",
        },
    ),
]
NEED_THE_BUTTON = [
    (command, session) for command in (BREAK, STOP) for session in (Session.FOCUS, Session.PAUSED)
]


@pytest.mark.parametrize("session", IN)
@pytest.mark.parametrize(("command", "outcomes"), OUTCOMES)
@pytest.mark.parametrize("remote_stop", [True, False])
def test_each_command_comes_to_this_in_each_session(command, outcomes, session, remote_stop):
    desk = Desk(CONFIG if remote_stop else REMOTE).tell(*IN[session]).wait(3)
    before = desk.state
    desk.tell(command)
    outcome = outcomes[session]
    if not remote_stop and (command, session) in NEED_THE_BUTTON:
        outcome = HOLD_IT
    told = desk.state.happenings[before.happened :]
    if isinstance(outcome, str):
        assert [(each.type, each.details["why"]) for each in told] == [(E.REFUSED, outcome)]
        assert replace(desk.state, happenings=(), happened=0) == replace(
            before, happenings=(), happened=0
        )
        return
    assert (desk.state.session, [each.type for each in told]) == outcome


SIGHTS = {  # how each activity looks
    Activity.WORKING: {"person": True},
    Activity.PHONE: {"person": True, "uses": True},
    Activity.AWAY: {"person": False},
    Activity.UNSURE: {"person": True, "view": View.DARK},
}
BEGINS = {Activity.PHONE: [E.PICKUP], Activity.AWAY: [E.LEFT]}
ENDS = {Activity.PHONE: [E.PUTDOWN], Activity.AWAY: [E.RETURNED]}


@pytest.mark.parametrize("new", Activity)
@pytest.mark.parametrize("old", Activity)
def test_from_each_activity_to_each_other_it_takes_this_long_and_this_is_told(old, new):
    desk = Desk(with_(policy={"away_grace_s": 99999, "unsure_grace_s": 99999})).focus().wait(100)
    active_s = 100.0 if old is Activity.PHONE else float("-inf")
    desk.state = replace(
        desk.state,
        view=View.DARK if old is Activity.UNSURE else View.CLEAR,
        seats=(
            replace(
                desk.seat,
                activity=old,
                since_s=40.0,
                phone_active_s=active_s,
                absent=old is Activity.AWAY,
            ),
        ),
        totals=(Totals(focus_s=400, working_s=100, phone_s=100, away_s=100, unsure_s=100),),
    )
    sight = {"view": View.CLEAR, "uses": False, **SIGHTS[new]}
    told = desk.state.happened
    looks = 0
    while desk.seat.activity is not new or looks == 0:
        now_s = desk.state.at_s + 0.25
        held = phone(now_s, use_since_s=100.25) if sight["uses"] else None
        desk.look(SeatView("desk", sight["person"], phone=held), view=sight["view"])
        looks += 1
    hold_s = 2.0  # to put it down, and to come back
    if new is old or new is Activity.UNSURE:
        hold_s = 0.0
    elif new is Activity.PHONE:
        hold_s = 1.5
    elif new is Activity.AWAY and old is not Activity.PHONE:
        hold_s = 20.0
    assert looks == 4 * hold_s + 1
    types = [each.type for each in desk.state.happenings[told:] if each.type is not E.LEVEL]
    if new is old:
        assert types == []
        assert desk.seat.since_s == 40.0
        return
    seen = {old: [E.CLEAR], new: [E.UNSURE]}.get(Activity.UNSURE, [])
    ends = [] if (old, new) == (Activity.AWAY, Activity.UNSURE) else ENDS.get(old, [])
    assert types == seen + ends + BEGINS.get(new, [])
    since_s = 100.0 if old is Activity.PHONE else 100.25
    assert desk.seat.since_s == since_s
    passed_s = desk.state.at_s - since_s
    names = {
        Activity.WORKING: "working_s",
        Activity.PHONE: "phone_s",
        Activity.AWAY: "away_s",
        Activity.UNSURE: "unsure_s",
    }
    # All that passed since then is the new one's, whatever it was booked as meanwhile.
    assert getattr(desk.total, names[new]) == 100 + passed_s
    assert getattr(desk.total, names[old]) == 100 + (since_s - 100.0)
    assert desk.total.pickups == (new is Activity.PHONE)


@pytest.mark.parametrize("view", [view for view in View if view is not View.CLEAR])
def test_however_the_view_is_lost_nobody_is_judged_and_it_is_told(view):
    desk = Desk().focus().sit(10)
    desk.look(view=view)
    assert desk.last() == (E.UNSURE, None, {"view": str(view)})
    assert (desk.seat.activity, desk.state.view, desk.state.faults) == (
        Activity.UNSURE,
        view,
        {Fault.LENS},
    )
    assert desk.state.seen_s == 10.0
    desk.sit(10, view=view)
    assert desk.seat.reason == f"view {view} for 10 s"
    other = View.DARK if view is not View.DARK else View.MOVED
    desk.look(view=other)
    assert desk.last()[:2] == (E.UNSURE, None)
    desk.look()
    assert desk.last() == (E.CLEAR, None, {"was": str(other)})
    assert desk.state.faults == frozenset()


@pytest.mark.parametrize("use", PhoneUse)
def test_only_a_phone_in_use_sounds(use):
    desk = sounding(phone=phone(0, use=use)).wait(0)
    in_use = use is PhoneUse.IN_USE
    assert desk.seat.level is (Level.SOUND if in_use else Level.LIGHT)
    assert ("(still now)" in desk.seat.reason) != in_use


@pytest.mark.parametrize("dock", Dock)
def test_only_a_dock_that_is_empty_is_suspicious_and_only_a_hidden_one_keeps_it_so(dock):
    desk = docked(docked(Desk().focus(), Dock.NONE, 5), dock, 15)
    assert desk.seat.suspicion == (dock is Dock.EMPTY)
    desk = docked(docked(Desk().focus(), Dock.HOLDS, 5), Dock.EMPTY, 11)
    docked(desk, dock, 5)
    still = dock in (Dock.EMPTY, Dock.HIDDEN)
    assert (desk.seat.suspicion, desk.seat.level) == (still, Level.LIGHT if still else Level.NONE)
    assert len(desk.of(E.SUSPICION)) == 1


@pytest.mark.parametrize("dock", Dock)
def test_who_leaves_an_empty_dock_has_the_phone_along(dock):
    desk = docked(Desk().focus().sit(5), dock, 21, person=False)
    (left,) = desk.of(E.LEFT)
    assert left.details["with_phone"] == (dock is Dock.EMPTY)


@pytest.mark.parametrize("activity", Activity)
def test_a_missing_phone_is_mentioned_to_who_works_there(activity):
    desk = Desk().focus().wait(100)
    desk.state = replace(
        desk.state,
        seats=(
            SeatState("desk", activity, 80.0, suspicion=True, dock=Dock.EMPTY, dock_since_s=40.0),
        ),
    )
    desk.wait(0)
    reason = {Activity.WORKING: "no phone in the dock for 1 min"}.get(activity, "")
    if activity is Activity.PHONE:
        reason = "phone in hand (still now) for 20 s"
    assert desk.seat.reason == reason


@pytest.mark.parametrize("seat", ["a", "z"])
def test_what_is_denied_at_one_seat_is_not_at_another(seat):
    desk = Desk()
    desk.state = replace(
        desk.state,
        denied=((seat, 9999.0),),
        look_alikes=(LookAlike(1, seat, HELD, 0.94, 9),),
    )
    desk.focus().sit(5).use(2)
    assert desk.seat.activity is Activity.PHONE
    desk.tell(NotAPhone())
    assert desk.state.denied == ((seat, 9999.0), ("desk", desk.state.at_s + 60))
    assert [(each.seat, each.number) for each in desk.state.look_alikes] == [(seat, 1), ("desk", 2)]


@pytest.mark.parametrize(("count", "kept"), [(0, False), (1, False), (2, True), (3, False)])
def test_totals_are_taken_over_when_there_is_one_for_each_seat(count, kept):
    config = replace(CONFIG, seats=(SeatConfig(name="left"), SeatConfig(name="right")))
    totals = (Totals(pickups=3),) * count
    state = decide.start(config, at_s=0.0, totals=totals)
    assert state.totals == (totals if kept else (Totals(), Totals()))


DIRTY = SeatState(
    "desk",
    Activity.PHONE,
    50.0,
    phone=phone(100.0),
    phone_active_s=100.0,
    pickups=2,
    level=Level.LOUD,
    level_since_s=60.0,
    reason="because",
    peak=Level.LOUD,
    sound_s=9.0,
    dismissed=True,
    dock=Dock.HIDDEN,
    dock_since_s=3.0,
    suspicion=True,
)


def dirty(**changes: object) -> Desk:
    desk = Desk().focus().wait(100)
    return_ = replace(DIRTY, **changes)
    desk.state = replace(
        desk.state, seats=(return_,), totals=(Totals(focus_s=100, phone_s=100, pickups=2),)
    )
    return desk


def test_an_activity_that_is_believed_takes_over_nothing_of_the_one_before():
    desk = dirty()
    for _ in range(9):
        desk.look(SeatView("desk", True, dock=Dock.HIDDEN))
    assert desk.seat == SeatState(
        "desk",
        Activity.WORKING,
        100.0,
        phone=None,
        phone_active_s=100.0,
        pickups=2,
        # It still misses the phone in the dock.
        level=Level.LIGHT,
        level_since_s=102.25,
        reason="no phone in the dock for 1 min",
        peak=Level.LIGHT,
        dock=Dock.HIDDEN,
        dock_since_s=3.0,
        suspicion=True,
    )


def test_a_pickup_that_was_none_leaves_nothing_behind():
    desk = dirty().tell(NotAPhone())
    assert desk.seat == SeatState(
        "desk",
        Activity.WORKING,
        100.0,
        phone=DIRTY.phone,
        pickups=1,
        level_since_s=100.0,
        dismissed=True,
        dock=Dock.HIDDEN,
        dock_since_s=3.0,
        suspicion=True,
    )
    assert desk.total == Totals(focus_s=100, working_s=50, phone_s=50, pickups=1)
    assert desk.last()[2]["level"] == 3


@pytest.mark.parametrize("command", [PAUSE, STOP, BREAK])
def test_what_was_at_a_seat_ends_with_the_watching(command):
    desk = dirty().tell(command)
    assert desk.seat == SeatState("desk", since_s=100.0, dock_since_s=100.0, pickups=2)
    (putdown,) = desk.of(E.PUTDOWN)
    assert dict(putdown.details) == {"lasted_s": 50.0, "level": 3, "then": "session"}


@pytest.mark.parametrize(
    ("left", "right", "told", "dismissed"),
    [
        ((Activity.PHONE, 1), (Activity.WORKING, 0), E.NOT_A_PHONE, (False, False)),
        ((Activity.WORKING, 0), (Activity.PHONE, 2), E.NOT_A_PHONE, (False, False)),
        ((Activity.AWAY, 1), (Activity.PHONE, 1), E.NOT_A_PHONE, (False, False)),
        ((Activity.AWAY, 1), (Activity.PHONE, 0), None, (True, False)),
        ((Activity.WORKING, 0), (Activity.UNSURE, 1), None, (False, True)),
        ((Activity.WORKING, 1), (Activity.AWAY, 1), None, (True, True)),
        ((Activity.PHONE, 0), (Activity.WORKING, 0), E.PAUSE, (False, False)),
    ],
)
def test_a_short_press_is_about_what_alarms_then_about_what_lights_then_a_pause(
    left, right, told, dismissed
):
    config = replace(CONFIG, seats=(SeatConfig(name="left"), SeatConfig(name="right")))
    desk = Desk(config).focus().wait(100)
    desk.state = replace(
        desk.state,
        seats=tuple(
            SeatState(name, activity, 99.0, level=Level(level), phone_active_s=99.0)
            for name, (activity, level) in (("left", left), ("right", right))
        ),
    )
    before = desk.state.happened
    desk.tell(Press.SHORT)
    new = [each.type for each in desk.state.happenings[before:]]
    new = [each for each in new if each not in (E.LEVEL, E.PUTDOWN)]
    assert new == ([] if told is None else [told])
    assert tuple(seat.dismissed for seat in desk.state.seats) == dismissed


def test_what_is_known_of_another_seat_hides_nothing_of_what_is_known_here():
    entries = (LookAlike(1, "other", HELD, 0.1), LookAlike(2, "desk", HELD, 0.75))
    for known in (entries, entries[::-1]):
        desk = Desk()
        desk.state = replace(desk.state, look_alikes=known)
        assert desk.focus().sit(5).use(9, median=0.8).seat.activity is Activity.WORKING


@pytest.mark.parametrize(("cap", "loud"), [(0.0, False), (0.01, True)])
def test_a_mode_whose_sounds_are_capped_at_nothing_has_none(cap, loud):
    ladder = LadderConfig(light_after_s=0, sound_after_s=10, loud_after_s=40, volume_cap=cap)
    config = replace(CONFIG, modes={"gentle": ladder})
    desk = sounding(config).wait(0)
    assert desk.seat.level is (Level.SOUND if loud else Level.LIGHT)
    assert ("(volume 0)" in desk.seat.reason) != loud
    desk.tell(Test("chirp"))
    assert desk.state.testing == ("chirp" if loud else "")
    if not loud:
        assert desk.last()[2] == {"command": "test", "why": "the volume is 0"}
