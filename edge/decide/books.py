"""Clock and books: what day it is, and what the time that passes is booked as. Pure."""

from __future__ import annotations

from dataclasses import replace

from edge.config import Config
from edge.decide.parts import Detail
from edge.domain import Activity, Fault, Level, Session, State, Totals

MINUTES_A_DAY = 24 * 60
BLIND = frozenset({Fault.CAMERA, Fault.DETECTOR})
# A look speaks for the time since the one before, but for no longer than this: a camera that stalls
# says nothing.
LOOK_SPEAKS_S = 5.0
_SECONDS_OF = {
    Activity.WORKING: "working_s",
    Activity.PHONE: "phone_s",
    Activity.AWAY: "away_s",
    Activity.UNSURE: "unsure_s",
}


def day(state: State, minute_of_day: int | None, config: Config) -> State:
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


def account(state: State, at_s: float) -> State:
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
        if not phone_in_use(state):
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


def phone_in_use(state: State) -> bool:
    return any(seat.activity is Activity.PHONE for seat in state.seats)


def book_sight(state: State) -> State:
    """Book that the camera sees the desk now, as it did since the look before."""
    seen_s = state.at_s - max(state.looked_s, state.at_s - LOOK_SPEAKS_S)
    clean_seen_s = state.clean_seen_s + (0.0 if phone_in_use(state) else seen_s)
    return replace(
        state,
        looked_s=state.at_s,
        seen_s=state.seen_s + seen_s,
        clean_seen_s=min(state.clean_s, clean_seen_s),
    )


def end_stretch(state: State, ended_s: float) -> tuple[State, dict[str, Detail]]:
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


def rebooked(total: Totals, old: Activity, new: Activity, moved_s: float) -> Totals:
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
