"""Small parts that all use: one seat among the seats, a refusal, a happening. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edge.domain import EventType, Happening, SeatState, State

KEPT_HAPPENINGS = 64  # more than one tick can bring; effects takes those it has not seen
Detail = str | float | int | bool | None


def with_seat(state: State, index: int, seat: SeatState) -> State:
    seats = state.seats
    return replace(state, seats=(*seats[:index], seat, *seats[index + 1 :]))


def refuse(state: State, command: str, why: str) -> State:
    return happen(state, EventType.REFUSED, command=command, why=why)


def happen(
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
