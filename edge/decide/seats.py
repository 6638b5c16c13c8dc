"""Seats: what one observation makes believe of each of them. Pure."""

from __future__ import annotations

from dataclasses import replace

from edge.config import Config
from edge.decide.books import end_stretch, phone_in_use, rebooked
from edge.decide.parts import Detail, happen, with_seat
from edge.domain import (
    Activity,
    Box,
    Dock,
    EventType,
    Fault,
    Level,
    LookAlike,
    Observation,
    Pending,
    PhoneSight,
    PhoneUse,
    SeatState,
    SeatView,
    State,
    View,
)
from edge.experiment import NO_DOCK

LEFT_WITH_S = 5.0  # a phone in use so shortly before the seat was left went along
SURELY = 0.95  # no threshold is raised beyond this: a phone must stay able to alarm


def look(state: State, observation: Observation, config: Config) -> State:
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
        return happen(state, EventType.CLEAR, was=str(before))
    return happen(state, EventType.UNSURE, view=str(view))


def _look_at(state: State, index: int, view: SeatView, lens: View, config: Config) -> State:
    if state.way == NO_DOCK:
        view = replace(view, dock=Dock.NONE)
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
    state = with_seat(state, index, _suspect(seat, view))
    state = _tell_suspicion(state, index, view, config)
    seat = state.seats[index]
    if lens is not View.CLEAR:
        wanted = Activity.UNSURE
    elif using:
        wanted = Activity.PHONE
    else:
        wanted = Activity.WORKING if view.person else Activity.AWAY
    if wanted is seat.activity:
        return state if seat.pending is None else with_seat(state, index, _settled(seat))
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
        return with_seat(state, index, replace(seat, pending=pending))
    return _believe(state, index, pending, view)


def _in_use(state: State, phone: PhoneSight, seat: str, config: Config) -> bool:
    """Whether the phone is in use, as sure as it has to be at this place."""
    if phone.use is not PhoneUse.IN_USE:
        return False
    if any(name == seat and until_s > state.at_s for name, until_s in state.denied):
        return False
    known = known_at(state, phone.box, seat)
    if known is None:
        return True
    needed = min(SURELY, known.median + config.policy.learn_step * known.times)
    return phone.median >= needed


def known_at(state: State, box: Box, seat: str) -> LookAlike | None:
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
    known = None if phone is None else known_at(state, phone.box, seat)
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
    total = rebooked(totals[index], old, new, state.at_s - since_s)
    totals[index] = replace(total, pickups=total.pickups + (new is Activity.PHONE))
    state = replace(state, totals=tuple(totals))
    if old is Activity.PHONE:
        state = put_down(state, seat, since_s, by=str(new))
    # Whether somebody comes back while the view is lost, nobody can tell.
    absent = new is Activity.AWAY or (seat.absent and new is Activity.UNSURE)
    if seat.absent and not absent:
        away_s = lasted(seat, since_s) if old is Activity.AWAY else 0.0
        state = happen(state, EventType.RETURNED, seat.seat, away_s=away_s)
    left = absent and not seat.absent
    seat = replace(
        seat,
        activity=new,
        absent=absent,
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
        phone = view.phone
        details: dict[str, Detail] = {} if phone is None else evidence(phone)
        state, stretch = end_stretch(state, since_s)
        state = happen(state, EventType.PICKUP, seat.seat, **details, **stretch)
    if left:
        took = since_s - seat.phone_active_s <= LEFT_WITH_S or view.dock is Dock.EMPTY
        state = happen(state, EventType.LEFT, seat.seat, with_phone=took)
    state = with_seat(state, index, seat)
    if old is Activity.PHONE and not phone_in_use(state):
        clean_s = state.at_s - since_s
        state = replace(state, clean_s=clean_s, clean_seen_s=clean_s)
    return state


def evidence(phone: PhoneSight) -> dict[str, Detail]:
    box = phone.box
    return {
        "median": round(phone.median, 3),
        "sure": phone.sure,
        "why": phone.why,
        "ymin": round(box.ymin, 4),
        "xmin": round(box.xmin, 4),
        "ymax": round(box.ymax, 4),
        "xmax": round(box.xmax, 4),
    }


def put_down(state: State, seat: SeatState, ended_s: float, *, by: str) -> State:
    return happen(
        state,
        EventType.PUTDOWN,
        seat.seat,
        lasted_s=lasted(seat, ended_s),
        level=int(seat.peak),
        then=by,
    )


def lasted(seat: SeatState, until_s: float) -> float:
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
    state = with_seat(state, index, replace(seat, suspicion=True))
    empty_s = round(state.at_s - seat.dock_since_s, 3)
    return happen(state, EventType.SUSPICION, seat.seat, what="dock empty", empty_s=empty_s)


def _dock_missed(seat: SeatState, person: bool, at_s: float, config: Config) -> bool:
    return (
        seat.dock is Dock.EMPTY and person and at_s - seat.dock_since_s >= config.policy.dock_hold_s
    )
