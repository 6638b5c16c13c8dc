"""The ladder: how hard each seat is nudged, and why. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.config import Config, LadderConfig
from edge.decide.books import BLIND
from edge.decide.parts import happen, with_seat
from edge.decide.seats import grace_of
from edge.decide.sessions import watching
from edge.domain import Activity, Dock, EventType, Level, PhoneUse, SeatState, State, View
from edge.experiment import LIGHT_ONLY


@dataclass(frozen=True, slots=True)
class _Nudge:
    level: Level
    reason: str


_CALM = _Nudge(Level.NONE, "")


def nudge(state: State, config: Config) -> State:
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
        state = with_seat(state, index, changed)
        if wanted.level > seat.peak:
            state = happen(
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
    if state.way == LIGHT_ONLY:
        return " (light only)"
    if state.muted:
        return " (muted)"
    if state.quiet:
        return " (quiet hours)"
    if state.volume * steps.volume_cap <= 0:
        return " (volume 0)"
    if state.sound_spent or seat.sound_s >= config.nudge.longest_sound_s:
        return " (sounded long enough)"
    return ""
