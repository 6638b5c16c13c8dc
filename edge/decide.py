"""From what is seen and what is told to what is so: sessions, activities, levels and their reasons.

Pure. `obey` takes a command, `step` a tick; each returns the next state with what happened in it.
Times are seconds of the monotonic clock; the wall's time enters as `minute_of_day` only, for quiet
hours and for the end of the day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edge import tunes
from edge.config import Config, LadderConfig, SessionConfig
from edge.domain import (
    Activity,
    Box,
    Command,
    Dock,
    EventType,
    Fault,
    FaultChange,
    Forget,
    Happening,
    Level,
    LookAlike,
    Mute,
    NotAPhone,
    Observation,
    Pending,
    PhoneSight,
    PhoneUse,
    Press,
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
    Test,
    Totals,
    View,
)

KEPT_HAPPENINGS = 64  # more than one tick can bring; effects takes those it has not seen
MINUTES_A_DAY = 24 * 60
TEST_S = 2.0
REWARD_S = 20.0
LEFT_WITH_S = 5.0  # a phone in use so shortly before the seat was left went along
LONGEST_PART_MIN = 240.0
SOUNDS = ("buzzer", "chirp", "loud")
PARTS = ("lights", *SOUNDS, "off")  # off: end a test
LONGEST_GRACE_S = 600.0
BLIND = frozenset({Fault.CAMERA, Fault.DETECTOR})
# A look speaks for the time since the one before, but for no longer than this: a camera that stalls
# says nothing.
LOOK_SPEAKS_S = 5.0
# So much of a session must have been seen to call it clean. What is missing is less than a camera
# needs to open and a cloud to pass, and no more than a quarter in which nobody knows of the phone.
SEEN_SHARE = 0.75
SURELY = 0.95  # no threshold is raised beyond this: a phone must stay able to alarm

Detail = str | float | int | bool | None


def start(
    config: Config,
    *,
    at_s: float,
    totals: tuple[Totals, ...] | None = None,
    look_alikes: tuple[LookAlike, ...] = (),
    replay: bool = False,
) -> State:
    """The state of a box that was just switched on: idle.

    totals:      of today so far, one per configured seat in their order; None: none
    look_alikes: what earlier runs learnt
    replay:      a recording is played back
    """
    if totals is None or len(totals) != len(config.seats):
        totals = (Totals(),) * len(config.seats)
    return State(
        at_s=at_s,
        session_since_s=at_s,
        seats=tuple(SeatState(seat.name, since_s=at_s) for seat in config.seats),
        totals=totals,
        mode=config.nudge.mode,
        volume=config.nudge.volume,
        look_alikes=look_alikes[-config.policy.learn_most :],
        follow=config.policy.follow,
        replay=replay,
    )


def watching(state: State) -> bool:
    """Whether the camera is needed: in a focus session, and at no other time."""
    return state.session is Session.FOCUS


# ---------------------------------------------------------------- a tick


def step(
    state: State,
    observation: Observation | None,
    *,
    at_s: float,
    config: Config,
    minute_of_day: int | None,
) -> State:
    """Advance to `at_s`; `observation` is None when nothing was looked at."""
    state = _advance(state, at_s, minute_of_day, config)
    at_s = state.at_s
    if state.snooze_until_s is not None and state.snooze_until_s <= at_s:
        state = replace(state, snooze_until_s=None)
    if state.reward_until_s is not None and state.reward_until_s <= at_s:
        state = replace(state, reward_until_s=None)
    if state.testing and state.testing_until_s <= at_s:
        state = replace(state, testing="")
    if state.denied:
        state = replace(state, denied=tuple(d for d in state.denied if d[1] > at_s))
    if observation is not None and watching(state):
        if observation.view is View.CLEAR:
            state = _seen(state)
        state = _look(state, observation, config)
    return _nudge(state, config)


def _advance(state: State, at_s: float, minute_of_day: int | None, config: Config) -> State:
    """Let time pass, never backwards. Session parts that ended meanwhile end at their time."""
    at_s = max(at_s, state.at_s)
    state = _day(state, minute_of_day, config)
    while state.until_s is not None and state.until_s <= at_s:
        state = _expire(_account(state, state.until_s), config)
    return _account(state, at_s)


def _day(state: State, minute_of_day: int | None, config: Config) -> State:
    """Notice quiet hours, and the first minute of a new day: its totals begin at nothing."""
    if minute_of_day == state.minute_of_day:
        return state
    before = state.minute_of_day
    totals = state.totals
    if (
        before is not None
        and minute_of_day is not None
        and before - minute_of_day > MINUTES_A_DAY // 2
    ):
        totals = tuple(Totals(streak=total.streak) for total in totals)
    quiet = _quiet(minute_of_day, config)
    return replace(state, minute_of_day=minute_of_day, totals=totals, quiet=quiet)


def _quiet(minute_of_day: int | None, config: Config) -> bool:
    begin, end = config.nudge.quiet_from, config.nudge.quiet_to
    if minute_of_day is None or not begin or not end:
        return False
    first, last = _minutes(begin), _minutes(end)
    if first <= last:
        return first <= minute_of_day < last
    return minute_of_day >= first or minute_of_day < last


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


_SECONDS_OF = {
    Activity.WORKING: "working_s",
    Activity.PHONE: "phone_s",
    Activity.AWAY: "away_s",
    Activity.UNSURE: "unsure_s",
}


def _account(state: State, at_s: float) -> State:
    """Book the time since the last tick."""
    passed_s = at_s - state.at_s
    if passed_s <= 0:
        return state
    if state.session is Session.FOCUS:
        blind = bool(state.faults & BLIND)
        totals = tuple(
            # What is told of a pick-up and what is booked of it are one time.
            _booked(
                total,
                Activity.UNSURE if blind and seat.activity is not Activity.PHONE else seat.activity,
                passed_s,
            )
            for seat, total in zip(state.seats, state.totals, strict=True)
        )
        if not _phone_in_use(state):
            state = replace(state, clean_s=state.clean_s + passed_s)
    elif state.session is Session.BREAK:
        totals = tuple(replace(t, break_s=t.break_s + passed_s) for t in state.totals)
    elif state.session is Session.PAUSED:
        totals = tuple(replace(t, paused_s=t.paused_s + passed_s) for t in state.totals)
    else:
        totals = state.totals
    sounding = state.level >= Level.SOUND
    seats = state.seats
    if sounding:
        seats = tuple(
            replace(seat, sound_s=seat.sound_s + passed_s) if seat.level >= Level.SOUND else seat
            for seat in seats
        )
    sound_s = state.sound_s + passed_s if sounding else max(0.0, state.sound_s - passed_s)
    return replace(state, at_s=at_s, totals=totals, seats=seats, sound_s=sound_s)


def _phone_in_use(state: State) -> bool:
    return any(seat.activity is Activity.PHONE for seat in state.seats)


def _seen(state: State) -> State:
    """Book that the camera sees the desk now, as it did since the look before."""
    seen_s = state.at_s - max(state.looked_s, state.at_s - LOOK_SPEAKS_S)
    clean_seen_s = state.clean_seen_s + (0.0 if _phone_in_use(state) else seen_s)
    return replace(
        state,
        looked_s=state.at_s,
        seen_s=state.seen_s + seen_s,
        clean_seen_s=min(state.clean_s, clean_seen_s),
    )


def _end_stretch(state: State, ended_s: float) -> tuple[State, dict[str, Detail]]:
    """What is to be told of the focus without the phone that ended then, and a new one begun."""
    clean_s = max(0.0, state.clean_s - (state.at_s - ended_s))
    unseen_s = max(0.0, clean_s - state.clean_seen_s)
    told: dict[str, Detail] = {"clean_s": round(clean_s, 3), "unseen_s": round(unseen_s, 3)}
    return replace(state, clean_s=0.0, clean_seen_s=0.0), told


def _booked(total: Totals, activity: Activity, passed_s: float) -> Totals:
    name = _SECONDS_OF[activity]
    return replace(
        total,
        focus_s=total.focus_s + passed_s,
        **{name: getattr(total, name) + passed_s},
    )


def _rebooked(total: Totals, old: Activity, new: Activity, moved_s: float) -> Totals:
    """Time that was booked as one activity turns out to have been another.

    Only as much as there is: at midnight the totals begin at nothing."""
    have_s = getattr(total, _SECONDS_OF[old])
    moved_s = min(max(0.0, moved_s), have_s)
    return replace(
        total,
        **{
            _SECONDS_OF[old]: have_s - moved_s,
            _SECONDS_OF[new]: getattr(total, _SECONDS_OF[new]) + moved_s,
        },
    )


# ---------------------------------------------------------------- sessions


def _expire(state: State, config: Config) -> State:
    """The part of the session that runs has come to its end."""
    session = config.session
    at_s = state.at_s
    match state.session:
        case Session.FOCUS:
            state = _end_focus(state, config, completed=True)
            if session.auto_break:
                return _begin_break(state, config, None)
            return _begin(state, Session.IDLE, None)
        case Session.BREAK:
            state = _happen(state, EventType.BREAK_END)
            if session.auto_focus:
                return _begin_focus(state, config, None)
            return _begin(state, Session.IDLE, None)
        case Session.PAUSED:
            return _resume(state)
        case Session.IDLE:
            return replace(state, until_s=None, at_s=at_s)


def _begin(state: State, session: Session, minutes: float | None) -> State:
    at_s = state.at_s
    return replace(
        state,
        session=session,
        session_since_s=at_s,
        until_s=None if minutes is None else at_s + 60 * minutes,
        paused=None,
        paused_left_s=0.0,
        focused_s=0.0,
    )


def _begin_focus(state: State, config: Config, minutes: float | None) -> State:
    length_min = _length(minutes, config.session.focus_min)
    state = _begin(state, Session.FOCUS, length_min)
    state = replace(
        state,
        seats=tuple(replace(_unseen(seat, state.at_s), pickups=0) for seat in state.seats),
        looked_s=state.at_s,
        seen_s=0.0,
        clean_s=0.0,
        clean_seen_s=0.0,
        pauses_used=0,
        snoozes_used=0,
        snooze_until_s=None,
        reward_until_s=None,
        view=View.CLEAR,
        sound_s=0.0,
        sound_spent=False,
    )
    return _happen(state, EventType.SESSION_START, minutes=length_min, mode=state.mode)


def _begin_break(state: State, config: Config, minutes: float | None) -> State:
    session = config.session
    long = bool(session.long_break_every) and state.round >= session.long_break_every
    length_min = _length(minutes, session.long_break_min if long else session.break_min)
    state = _begin(state, Session.BREAK, length_min)
    if long:
        state = replace(state, round=0)
    return _happen(state, EventType.BREAK_START, minutes=length_min, long=long)


def _length(minutes: float | None, configured_min: float) -> float:
    return configured_min if minutes is None else min(max(minutes, 0.1), LONGEST_PART_MIN)


def _end_focus(state: State, config: Config, *, completed: bool, why: str = "") -> State:
    """Close the books of a focus session: pick-ups that still run end with it.

    What nobody saw is neither praised nor blamed: without `SEEN_SHARE` of it seen, a session is not
    clean, and the streak stays as it is.
    """
    state = _close_seats(state)
    lasted_s = state.focused_s + state.at_s - state.session_since_s
    seen = state.seen_s >= SEEN_SHARE * lasted_s
    state, stretch = _end_stretch(state, state.at_s)
    totals = []
    clean_seats = 0
    for seat, total in zip(state.seats, state.totals, strict=True):
        clean = completed and seen and seat.pickups == 0
        clean_seats += clean
        streak = total.streak
        if clean:
            streak += 1
        elif seat.pickups > 0:
            # Stopping early costs no streak by itself, but it does not save one either.
            streak = 0
        totals.append(
            replace(
                total,
                sessions=total.sessions + completed,
                clean_sessions=total.clean_sessions + clean,
                streak=streak,
            )
        )
    all_clean = clean_seats == len(state.seats)
    state = replace(state, totals=tuple(totals), round=state.round + completed, view=View.CLEAR)
    state = replace(state, faults=state.faults - {Fault.LENS})
    state = _happen(
        state,
        EventType.SESSION_END,
        completed=completed,
        clean=all_clean,
        pickups=state.pickups_this_session,
        lasted_s=round(lasted_s, 3),
        seen_s=round(state.seen_s, 3),
        **stretch,
        why=why,
    )
    if all_clean and config.nudge.reward:
        state = replace(state, reward_until_s=state.at_s + REWARD_S)
        streak = max((total.streak for total in state.totals), default=0)
        state = _happen(state, EventType.REWARD, streak=streak)
    return state


def _pause(state: State, config: Config) -> State:
    left_s = 0.0 if state.until_s is None else max(0.0, state.until_s - state.at_s)
    used = state.pauses_used + 1
    state = _close_seats(state)
    state, stretch = _end_stretch(state, state.at_s)
    state = replace(
        state,
        session=Session.PAUSED,
        session_since_s=state.at_s,
        until_s=state.at_s + 60 * config.session.pause_max_min,
        paused=Session.FOCUS,
        paused_left_s=left_s,
        focused_s=state.focused_s + state.at_s - state.session_since_s,
        pauses_used=used,
        snooze_until_s=None,
        view=View.CLEAR,
        faults=state.faults - {Fault.LENS},
    )
    left = max(0, config.session.pauses - used)
    minutes = config.session.pause_max_min
    return _happen(state, EventType.PAUSE, minutes=minutes, left=left, **stretch)


def _resume(state: State) -> State:
    """Back to what the pause interrupted, for what was left of it."""
    back = state.paused or Session.FOCUS
    state = replace(
        state,
        session=back,
        session_since_s=state.at_s,
        until_s=state.at_s + state.paused_left_s,
        paused=None,
        paused_left_s=0.0,
        looked_s=state.at_s,
        seats=tuple(_unseen(seat, state.at_s) for seat in state.seats),
    )
    return _happen(state, EventType.RESUME, session=str(back))


def _close_seats(state: State) -> State:
    """Nobody is watched from now on: a pick-up that runs is over as far as anybody can tell."""
    for seat in state.seats:
        if seat.activity is Activity.PHONE:
            state = _put_down(state, seat, state.at_s, by="session")
    return replace(state, seats=tuple(_unseen(seat, state.at_s) for seat in state.seats))


def _unseen(seat: SeatState, at_s: float) -> SeatState:
    return SeatState(seat.seat, since_s=at_s, dock_since_s=at_s, pickups=seat.pickups)


# ---------------------------------------------------------------- seats


def _look(state: State, observation: Observation, config: Config) -> State:
    """What one observation changes in the seats."""
    state = _see(state, observation.view)
    views = {view.seat: view for view in observation.seats}
    for index, seat in enumerate(state.seats):
        view = views.get(seat.seat)
        if view is not None:
            state = _look_at(state, index, view, observation.view, config)
    return state


def _see(state: State, view: View) -> State:
    """A view that is lost or found again."""
    if view is state.view:
        return state
    faults = state.faults - {Fault.LENS} if view is View.CLEAR else state.faults | {Fault.LENS}
    before = state.view
    state = replace(state, view=view, faults=faults)
    if view is View.CLEAR:
        return _happen(state, EventType.CLEAR, was=str(before))
    return _happen(state, EventType.UNSURE, view=str(view))


def _look_at(state: State, index: int, view: SeatView, lens: View, config: Config) -> State:
    at_s = state.at_s
    seat = state.seats[index]
    phone = view.phone
    using = phone is not None and _in_use(state, phone, view.seat, config)
    active_s = seat.phone_active_s
    if using and phone is not None:
        active_s = max(active_s, phone.active_s)
    dock_since_s = seat.dock_since_s if view.dock is seat.dock else at_s
    seat = replace(
        seat, phone=phone, phone_active_s=active_s, dock=view.dock, dock_since_s=dock_since_s
    )
    state = _with_seat(state, index, _suspect(seat, view))
    state = _tell_suspicion(state, index, view, config)
    seat = state.seats[index]
    if lens is not View.CLEAR:
        wanted = Activity.UNSURE
    elif using:
        wanted = Activity.PHONE
    else:
        wanted = Activity.WORKING if view.person else Activity.AWAY
    if wanted is seat.activity:
        return state if seat.pending is None else _with_seat(state, index, _settled(seat))
    pending = seat.pending
    if pending is None or pending.activity is not wanted:
        since_s = at_s
        if wanted is Activity.PHONE and phone is not None:
            since_s = max(phone.use_since_s, seat.since_s)
        pending = Pending(wanted, min(since_s, at_s))
    # A pick-up has held for as long as it was seen, not for as long as it was not disproved.
    held_until_s = active_s if wanted is Activity.PHONE else at_s
    denied = _times_denied(state, phone, seat.seat)
    hold_s = _hold_s(seat, wanted, grace_of(state, config) * (1 + min(denied, 4)), config)
    if held_until_s - pending.since_s < hold_s:
        return _with_seat(state, index, replace(seat, pending=pending))
    return _believe(state, index, pending, view)


def _in_use(state: State, phone: PhoneSight, seat: str, config: Config) -> bool:
    """Whether the phone is in use, as sure as it has to be at this place."""
    if phone.use is not PhoneUse.IN_USE:
        return False
    if any(name == seat and until_s > state.at_s for name, until_s in state.denied):
        return False
    known = _known(state, phone.box, seat)
    if known is None:
        return True
    needed = min(SURELY, known.median + config.policy.learn_step * known.times)
    return phone.median >= needed


def _known(state: State, box: Box, seat: str) -> LookAlike | None:
    """The look-alike that was denied most often at this place and of this size."""
    best = None
    for known in state.look_alikes:
        if known.seat != seat:
            continue
        area, (ay, ax), (by, bx) = known.box.area, known.box.center, box.center
        alike = 0.4 * area <= box.area <= 2.5 * area
        reach = max(known.box.height, known.box.width, 0.02)
        near = abs(ay - by) <= reach and abs(ax - bx) <= reach
        if alike and near and (best is None or known.times > best.times):
            best = known
    return best


def _times_denied(state: State, phone: PhoneSight | None, seat: str) -> int:
    known = None if phone is None else _known(state, phone.box, seat)
    return 0 if known is None else known.times


def grace_of(state: State, config: Config) -> float:
    """How long a phone must be in use to be believed, seconds."""
    return config.policy.phone_hold_s if state.grace_s is None else state.grace_s


def _hold_s(seat: SeatState, wanted: Activity, grace_s: float, config: Config) -> float:
    policy = config.policy
    if wanted is Activity.UNSURE:
        return 0.0  # the view has had its own hold
    if wanted is Activity.PHONE:
        return grace_s
    if seat.activity is Activity.PHONE:
        return policy.putdown_hold_s
    if wanted is Activity.AWAY:
        return policy.away_hold_s
    return policy.return_hold_s


def _settled(seat: SeatState) -> SeatState:
    return replace(seat, pending=None)


def _believe(state: State, index: int, pending: Pending, view: SeatView) -> State:
    """The change has held: it counts from when it was first seen."""
    seat = state.seats[index]
    old, new, since_s = seat.activity, pending.activity, pending.since_s
    if old is Activity.PHONE:
        since_s = max(seat.since_s, min(since_s, seat.phone_active_s))
    totals = list(state.totals)
    totals[index] = _rebooked(totals[index], old, new, state.at_s - since_s)
    state = replace(state, totals=tuple(totals))
    if old is Activity.PHONE:
        state = _put_down(state, seat, since_s, by=str(new))
    if old is Activity.AWAY:
        state = _happen(state, EventType.RETURNED, seat.seat, away_s=_lasted(seat, since_s))
    seat = replace(
        seat,
        activity=new,
        since_s=since_s,
        pending=None,
        level=Level.NONE,
        level_since_s=state.at_s,
        reason="",
        peak=Level.NONE,
        sound_s=0.0,
        dismissed=False,
    )
    if new is Activity.PHONE:
        seat = replace(seat, pickups=seat.pickups + 1)
        totals = list(state.totals)
        totals[index] = replace(totals[index], pickups=totals[index].pickups + 1)
        state = replace(state, totals=tuple(totals))
        phone = view.phone
        details: dict[str, Detail] = {} if phone is None else _evidence(phone)
        state, stretch = _end_stretch(state, since_s)
        state = _happen(state, EventType.PICKUP, seat.seat, **details, **stretch)
    if new is Activity.AWAY:
        took = since_s - seat.phone_active_s <= LEFT_WITH_S or view.dock is Dock.EMPTY
        state = _happen(state, EventType.LEFT, seat.seat, with_phone=took)
    state = _with_seat(state, index, seat)
    if old is Activity.PHONE and not _phone_in_use(state):
        clean_s = state.at_s - since_s
        state = replace(state, clean_s=clean_s, clean_seen_s=clean_s)
    return state


def _evidence(phone: PhoneSight) -> dict[str, Detail]:
    box = phone.box
    return {
        "median": round(phone.median, 3),
        "why": phone.why,
        "ymin": round(box.ymin, 4),
        "xmin": round(box.xmin, 4),
        "ymax": round(box.ymax, 4),
        "xmax": round(box.xmax, 4),
    }


def _put_down(state: State, seat: SeatState, ended_s: float, *, by: str) -> State:
    return _happen(
        state,
        EventType.PUTDOWN,
        seat.seat,
        lasted_s=_lasted(seat, ended_s),
        level=int(seat.peak),
        then=by,
    )


def _lasted(seat: SeatState, until_s: float) -> float:
    return round(max(0.0, until_s - seat.since_s), 3)


def _suspect(seat: SeatState, view: SeatView) -> SeatState:
    """An empty dock is suspicious until it holds a phone again."""
    if view.dock in (Dock.HOLDS, Dock.NONE) and (seat.suspicion or seat.dismissed):
        return replace(
            seat,
            suspicion=False,
            dismissed=seat.dismissed and seat.activity is not Activity.WORKING,
        )
    return seat


def _tell_suspicion(state: State, index: int, view: SeatView, config: Config) -> State:
    seat = state.seats[index]
    if seat.suspicion or not _dock_missed(seat, view.person, state.at_s, config):
        return state
    state = _with_seat(state, index, replace(seat, suspicion=True))
    empty_s = round(state.at_s - seat.dock_since_s, 3)
    return _happen(state, EventType.SUSPICION, seat.seat, what="dock empty", empty_s=empty_s)


def _dock_missed(seat: SeatState, person: bool, at_s: float, config: Config) -> bool:
    return (
        seat.dock is Dock.EMPTY and person and at_s - seat.dock_since_s >= config.policy.dock_hold_s
    )


# ---------------------------------------------------------------- levels


@dataclass(frozen=True, slots=True)
class _Nudge:
    level: Level
    reason: str


_CALM = _Nudge(Level.NONE, "")


def _nudge(state: State, config: Config) -> State:
    """Set every seat's level, with its reason, by the ladder and within the limits on sound."""
    at_s = state.at_s
    spent = state.sound_spent
    if spent and state.sound_s <= 0:
        spent = False
    if not spent and state.sound_s >= config.nudge.longest_sound_s:
        spent = True
    if spent is not state.sound_spent:
        state = replace(state, sound_spent=spent)
    for index, seat in enumerate(state.seats):
        wanted = _wanted(state, seat, config)
        if wanted.level is seat.level and _said(wanted.reason) == _said(seat.reason):
            continue
        changed = replace(
            seat,
            level=wanted.level,
            level_since_s=at_s if wanted.level is not seat.level else seat.level_since_s,
            reason=wanted.reason,
            peak=max(seat.peak, wanted.level),
        )
        state = _with_seat(state, index, changed)
        if wanted.level > seat.peak:
            state = _happen(
                state,
                EventType.LEVEL,
                seat.seat,
                level=int(wanted.level),
                reason=wanted.reason,
            )
    return state


def _said(reason: str) -> str:
    """What of a reason is worth telling again when it changes: not the score behind the comma."""
    return reason.partition(",")[0]


def _for(lasted_s: float) -> str:
    """How long it has lasted, in steps: a reason that stands is told anew with each of them."""
    if lasted_s < 60:
        step_s = 1 if lasted_s < 5 else 5
        return f"for {lasted_s // step_s * step_s:.0f} s"
    return f"for {lasted_s // 60:.0f} min"


def _wanted(state: State, seat: SeatState, config: Config) -> _Nudge:
    at_s = state.at_s
    if not watching(state) or state.faults & BLIND:
        return _CALM
    if state.snooze_until_s is not None:
        return _CALM
    policy, steps = config.policy, config.ladder(state.mode)
    light = steps.light_after_s >= 0
    lasted_s = at_s - seat.since_s
    if seat.activity is Activity.PHONE:
        return _by_ladder(state, seat, steps, config)
    if seat.dismissed or not light:
        return _CALM
    if seat.activity is Activity.UNSURE:
        lost = state.view is not View.CLEAR
        if lost and lasted_s >= policy.unsure_grace_s:
            return _Nudge(Level.LIGHT, f"view {state.view} {_for(lasted_s)}")
        return _CALM
    if seat.suspicion and seat.activity is Activity.WORKING and seat.dock is not Dock.HOLDS:
        empty_s = at_s - seat.dock_since_s
        return _Nudge(Level.LIGHT, f"no phone in the dock {_for(empty_s)}")
    if seat.activity is Activity.AWAY and lasted_s >= policy.away_grace_s:
        return _Nudge(Level.LIGHT, f"away {_for(lasted_s)}")
    return _CALM


def _by_ladder(state: State, seat: SeatState, steps: LadderConfig, config: Config) -> _Nudge:
    lasted_s = state.at_s - seat.since_s
    believed_s = lasted_s - grace_of(state, config)
    level = Level.NONE
    for rung, after_s in (
        (Level.LIGHT, steps.light_after_s),
        (Level.SOUND, steps.sound_after_s),
        (Level.LOUD, steps.loud_after_s),
    ):
        if 0 <= after_s <= believed_s + 1e-9:
            level = rung
    if level is Level.NONE:
        return _CALM
    held = ""
    if level >= Level.SOUND:
        held = _held_back(state, seat, steps, config)
        if held:
            level = Level.LIGHT
    median = "" if seat.phone is None else f", median score {seat.phone.median:.2f}"
    reason = f"phone in hand{held} {_for(lasted_s)}{median}"
    return _Nudge(level, reason)


def _held_back(state: State, seat: SeatState, steps: LadderConfig, config: Config) -> str:
    """Why there is light only where the ladder says sound; empty when nothing speaks against it."""
    phone = seat.phone
    if state.at_s - seat.phone_active_s > config.policy.fresh_s:
        return " (still now)"
    if phone is None or phone.use is not PhoneUse.IN_USE:
        return " (still now)"
    if not phone.sure:
        return " (perhaps)"
    if state.muted:
        return " (muted)"
    if state.quiet:
        return " (quiet hours)"
    if state.volume * steps.volume_cap <= 0:
        return " (volume 0)"
    if state.sound_spent or seat.sound_s >= config.nudge.longest_sound_s:
        return " (sounded long enough)"
    return ""


# ---------------------------------------------------------------- commands


def obey(
    state: State,
    command: Command,
    *,
    at_s: float,
    config: Config,
    minute_of_day: int | None,
) -> State:
    """Do what was told, or refuse: then only a `refused` happening is added, with the reason."""
    state = _advance(state, at_s, minute_of_day, config)
    match command:
        case Press():
            state = _obey_press(state, command, config)
        case SetSession(action, minutes):
            state = _obey_session(state, action, minutes, config)
        case Snooze(minutes):
            state = _obey_snooze(state, minutes, config)
        case Mute(on):
            # A sound that is only tried out is a sound too.
            testing = "" if on and state.testing in SOUNDS else state.testing
            state = replace(state, muted=on, testing=testing)
        case SetVolume(volume):
            state = replace(state, volume=min(max(volume, 0.0), 1.0))
        case SetMode(mode):
            if mode in config.modes:
                state = replace(state, mode=mode)
            else:
                known = ", ".join(sorted(config.modes))
                state = _refuse(state, "mode", f"no mode {mode[:40]!r}; there is {known}")
        case SetTune(tune, loud):
            state = _obey_tune(state, tune, loud)
        case SetGrace(grace_s):
            state = replace(state, grace_s=min(max(grace_s, 0.0), LONGEST_GRACE_S))
        case NotAPhone(seat):
            state = _obey_not_a_phone(state, seat, config)
        case Forget(number):
            state = _obey_forget(state, number)
        case Test(part):
            state = _obey_test(state, part, config)
        case FaultChange(fault, broken, text):
            state = _obey_fault(state, fault, broken, text)
    return _nudge(state, config)


def _obey_press(state: State, press: Press, config: Config) -> State:
    if press is Press.LONG:
        if state.session is Session.IDLE:
            return _refuse(state, "stop", "nothing runs")
        return _stop(state, config, "button held")
    match state.session:
        case Session.IDLE | Session.BREAK:
            return _obey_session(state, SessionAction.START, None, config)
        case Session.PAUSED:
            return _resume(state)
        case Session.FOCUS:
            if any(seat.activity is Activity.PHONE and seat.level for seat in state.seats):
                return _obey_not_a_phone(state, None, config)
            if any(seat.level for seat in state.seats):
                return _dismiss(state)
            return _obey_session(state, SessionAction.PAUSE, None, config)


def _dismiss(state: State) -> State:
    """The owner has seen the light for a suspicion, and wants no more of it."""
    return replace(
        state,
        seats=tuple(replace(seat, dismissed=True) if seat.level else seat for seat in state.seats),
    )


def _obey_session(
    state: State, action: SessionAction, minutes: float | None, config: Config
) -> State:
    now = state.session
    remote_stop = config.session.remote_stop
    match action:
        case SessionAction.START:
            if now is Session.FOCUS:
                return _refuse(state, "start", "a focus session runs already")
            if now is Session.PAUSED:
                return _resume(state)
            if now is Session.BREAK:
                state = _happen(state, EventType.BREAK_END)
            return _begin_focus(state, config, minutes)
        case SessionAction.BREAK:
            if now is Session.BREAK:
                return _refuse(state, "break", "a break runs already")
            if now is not Session.IDLE:
                if not remote_stop:
                    return _refuse(state, "break", "hold the button to stop early")
                state = _end_focus(_unpause(state), config, completed=False, why="break taken")
            return _begin_break(state, config, minutes)
        case SessionAction.PAUSE:
            if now is not Session.FOCUS:
                return _refuse(state, "pause", "no focus session runs")
            if state.pauses_used >= config.session.pauses:
                return _refuse(state, "pause", _used_up(config.session.pauses, "pause"))
            return _pause(state, config)
        case SessionAction.RESUME:
            if now is not Session.PAUSED:
                return _refuse(state, "resume", "nothing is paused")
            return _resume(state)
        case SessionAction.STOP:
            if now is Session.IDLE:
                return _refuse(state, "stop", "nothing runs")
            if now is not Session.BREAK and not remote_stop:
                return _refuse(state, "stop", "hold the button to stop early")
            return _stop(state, config, "command")


def _used_up(allowed: int, what: str) -> str:
    return f"no {what} is left in this session: {allowed} allowed"


def _unpause(state: State) -> State:
    """For a session that ends in its pause: back to focus, of which nothing more comes."""
    if state.session is not Session.PAUSED:
        return state
    return replace(
        state,
        session=Session.FOCUS,
        session_since_s=state.at_s,
        paused=None,
        paused_left_s=0.0,
    )


def _stop(state: State, config: Config, why: str) -> State:
    if state.session is Session.BREAK:
        state = _happen(state, EventType.BREAK_END)
    elif state.session is not Session.IDLE:
        state = _end_focus(_unpause(state), config, completed=False, why=why)
    return replace(_begin(state, Session.IDLE, None), snooze_until_s=None)


def _obey_snooze(state: State, minutes: float | None, config: Config) -> State:
    settings: SessionConfig = config.session
    if state.session is not Session.FOCUS:
        return _refuse(state, "snooze", "no focus session runs")
    if state.snoozes_used >= settings.snoozes:
        return _refuse(state, "snooze", _used_up(settings.snoozes, "snooze"))
    wanted_min = settings.snooze_min if minutes is None else minutes
    length_min = min(max(wanted_min, 0.1), settings.snooze_min)
    state = replace(
        state,
        snooze_until_s=state.at_s + 60 * length_min,
        snoozes_used=state.snoozes_used + 1,
    )
    left = settings.snoozes - state.snoozes_used
    return _happen(state, EventType.SNOOZE, minutes=length_min, left=left)


def _obey_not_a_phone(state: State, name: str | None, config: Config) -> State:
    """Take the owner's word: silence, take the pick-up back, and learn."""
    meant = [
        index
        for index, seat in enumerate(state.seats)
        if seat.activity is Activity.PHONE and name in (None, seat.seat)
    ]
    if not meant:
        return _refuse(state, "not_a_phone", "nothing is taken for a phone in hand now")
    for index in meant:
        seat = state.seats[index]
        phone = seat.phone
        details: dict[str, Detail] = {} if phone is None else _evidence(phone)
        lasted_s = _lasted(seat, state.at_s)
        if config.policy.learn and phone is not None:
            state = _learn(state, seat.seat, phone, config)
        totals = list(state.totals)
        mended = _rebooked(
            totals[index], Activity.PHONE, Activity.WORKING, state.at_s - seat.since_s
        )
        totals[index] = replace(mended, pickups=max(0, mended.pickups - 1))
        until_s = state.at_s + config.policy.denied_s
        denied = (*(d for d in state.denied if d[0] != seat.seat), (seat.seat, until_s))
        state = replace(state, totals=tuple(totals), denied=denied)
        calm = replace(
            seat,
            activity=Activity.WORKING,
            since_s=state.at_s,
            pending=None,
            level=Level.NONE,
            level_since_s=state.at_s,
            reason="",
            peak=Level.NONE,
            sound_s=0.0,
            phone_active_s=float("-inf"),
            pickups=max(0, seat.pickups - 1),
        )
        state = _with_seat(state, index, calm)
        details |= {"lasted_s": lasted_s, "level": int(seat.peak)}
        state = _happen(state, EventType.NOT_A_PHONE, seat.seat, **details)
    return state


def _learn(state: State, seat: str, phone: PhoneSight, config: Config) -> State:
    known = _known(state, phone.box, seat)
    others = tuple(entry for entry in state.look_alikes if entry is not known)
    if known is None:
        number = max((entry.number for entry in others), default=0) + 1
        entry = LookAlike(number, seat, phone.box, phone.median)
    else:
        entry = replace(
            known,
            box=phone.box,
            median=max(known.median, phone.median),
            times=known.times + 1,
        )
    return replace(state, look_alikes=(*others, entry)[-config.policy.learn_most :])


def _obey_forget(state: State, number: int | None) -> State:
    kept = tuple(k for k in state.look_alikes if number is not None and k.number != number)
    if len(kept) == len(state.look_alikes):
        return _refuse(state, "forget", "there is no such entry")
    return replace(state, look_alikes=kept)


def _obey_tune(state: State, tune: str, loud: bool) -> State:
    try:
        tunes.find(tune)
    except tunes.NoTune as exc:
        return _refuse(state, "tune", str(exc))
    return replace(state, loud=tune) if loud else replace(state, chirp=tune)


def _obey_test(state: State, part: str, config: Config) -> State:
    if part not in PARTS:
        return _refuse(state, "test", f"no part {part[:40]!r}; there is {', '.join(PARTS)}")
    if part == "off":
        return replace(state, testing="")
    if part in SOUNDS and (state.muted or state.quiet):
        return _refuse(state, "test", "muted" if state.muted else "quiet hours")
    if part in SOUNDS and state.volume * config.ladder(state.mode).volume_cap <= 0:
        return _refuse(state, "test", "the volume is 0")
    return replace(state, testing=part, testing_until_s=state.at_s + TEST_S)


def _obey_fault(state: State, fault: Fault, broken: bool, text: str) -> State:
    if broken == (fault in state.faults):
        return state
    if broken:
        state = replace(state, faults=state.faults | {fault})
        return _happen(state, EventType.FAULT, fault=str(fault), text=text)
    state = replace(state, faults=state.faults - {fault})
    return _happen(state, EventType.FAULT_CLEARED, fault=str(fault), text=text)


# ---------------------------------------------------------------- small parts


def _with_seat(state: State, index: int, seat: SeatState) -> State:
    seats = state.seats
    return replace(state, seats=(*seats[:index], seat, *seats[index + 1 :]))


def _refuse(state: State, command: str, why: str) -> State:
    return _happen(state, EventType.REFUSED, command=command, why=why)


def _happen(
    state: State,
    type_: EventType,
    seat: str | None = None,
    /,
    **details: Detail,
) -> State:
    frozen: Mapping[str, Detail] = details
    happening = Happening(type_, state.at_s, seat, frozen)
    return replace(
        state,
        happenings=(*state.happenings[-KEPT_HAPPENINGS + 1 :], happening),
        happened=state.happened + 1,
    )
