"""Sessions: their parts, how each begins and ends, and what ends by itself as time passes. Pure."""

from __future__ import annotations

from dataclasses import replace

from edge.config import Config
from edge.decide.books import account, day, end_stretch
from edge.decide.parts import happen
from edge.decide.seats import put_down
from edge.domain import Activity, EventType, Fault, SeatState, Session, State, View
from edge.experiment import drawn

REWARD_S = 20.0
LONGEST_PART_MIN = 240.0
# So much of a session must have been seen to call it clean. What is missing is less than a camera
# needs to open and a cloud to pass, and no more than a quarter in which nobody knows of the phone.
SEEN_SHARE = 0.75


def watching(state: State) -> bool:
    """Whether somebody is watched: in a focus session, and at no other time."""
    return state.session is Session.FOCUS


def reading(state: State) -> bool:
    """Whether a card with a number is waited for."""
    return state.card_until_s is not None


def seeing(state: State) -> bool:
    """Whether the camera is needed: to watch, for somebody who aims it, or to read a card."""
    return watching(state) or state.aim_until_s is not None or reading(state)


def advance(state: State, at_s: float, minute_of_day: int | None, config: Config) -> State:
    """Let time pass, never backwards. Session parts that ended meanwhile end at their time."""
    at_s = max(at_s, state.at_s)
    state = day(state, minute_of_day, config)
    while state.until_s is not None and state.until_s <= at_s:
        state = _expire(account(state, state.until_s), config)
    return account(state, at_s)


def _expire(state: State, config: Config) -> State:
    """The part of the session that runs has come to its end."""
    session = config.session
    at_s = state.at_s
    match state.session:
        case Session.FOCUS:
            state = end_focus(state, config, completed=True)
            if session.auto_break:
                return begin_break(state, config, None)
            return _begin(state, Session.IDLE, None)
        case Session.BREAK:
            state = happen(state, EventType.BREAK_END)
            if session.auto_focus:
                return begin_focus(state, config, None)
            return _begin(state, Session.IDLE, None)
        case Session.PAUSED:
            return resume(state)
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
        card_until_s=None,
        way="",
    )


def begin_focus(
    state: State, config: Config, minutes: float | None, *, by: str | None = None
) -> State:
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
    state, draw = drawn(state, config)
    if by is not None:
        draw = {**draw, "by": by}
    return happen(state, EventType.SESSION_START, minutes=length_min, mode=state.mode, **draw)


def begin_break(state: State, config: Config, minutes: float | None) -> State:
    session = config.session
    long = bool(session.long_break_every) and state.round >= session.long_break_every
    length_min = _length(minutes, session.long_break_min if long else session.break_min)
    state = _begin(state, Session.BREAK, length_min)
    if long:
        state = replace(state, round=0)
    return happen(state, EventType.BREAK_START, minutes=length_min, long=long)


def _length(minutes: float | None, configured_min: float) -> float:
    return configured_min if minutes is None else min(max(minutes, 0.1), LONGEST_PART_MIN)


def end_focus(state: State, config: Config, *, completed: bool, why: str = "") -> State:
    """Close the books of a focus session: pick-ups that still run end with it.

    What nobody saw is neither praised nor blamed: without `SEEN_SHARE` of it seen, a session is not
    clean, and the streak stays as it is.
    """
    state = _close_seats(state)
    lasted_s = state.focused_s + state.at_s - state.session_since_s
    seen = state.seen_s >= SEEN_SHARE * lasted_s
    state, stretch = end_stretch(state, state.at_s)
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
    state = happen(
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
        streak = max(total.streak for total in state.totals)
        state = happen(state, EventType.REWARD, streak=streak)
    return state


def pause(state: State, config: Config) -> State:
    left_s = 0.0 if state.until_s is None else max(0.0, state.until_s - state.at_s)
    used = state.pauses_used + 1
    state = _close_seats(state)
    state, stretch = end_stretch(state, state.at_s)
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
    return happen(state, EventType.PAUSE, minutes=minutes, left=left, **stretch)


def resume(state: State) -> State:
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
    return happen(state, EventType.RESUME, session=str(back))


def stop(state: State, config: Config, why: str) -> State:
    if state.session is Session.BREAK:
        state = happen(state, EventType.BREAK_END)
    elif state.session is not Session.IDLE:
        state = end_focus(unpause(state), config, completed=False, why=why)
    return replace(_begin(state, Session.IDLE, None), snooze_until_s=None)


def unpause(state: State) -> State:
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


def _close_seats(state: State) -> State:
    """Nobody is watched from now on: a pick-up that runs is over as far as anybody can tell."""
    for seat in state.seats:
        if seat.activity is Activity.PHONE:
            state = put_down(state, seat, state.at_s, by="session")
    return replace(state, seats=tuple(_unseen(seat, state.at_s) for seat in state.seats))


def _unseen(seat: SeatState, at_s: float) -> SeatState:
    return SeatState(seat.seat, since_s=at_s, dock_since_s=at_s, pickups=seat.pickups)
