"""A box that was just switched on, and a tick of it. Pure."""

from __future__ import annotations

from dataclasses import replace

from edge.config import Config
from edge.decide.books import book_sight
from edge.decide.ladder import nudge
from edge.decide.seats import look
from edge.decide.sessions import advance, watching
from edge.domain import LookAlike, Observation, SeatState, State, Totals, View


def start(
    config: Config,
    *,
    at_s: float,
    totals: tuple[Totals, ...] | None = None,
    look_alikes: tuple[LookAlike, ...] = (),
    replay: bool = False,
    seed: int = 0,
) -> State:
    """The state of a box that was just switched on: idle.

    totals:      of today so far, one per configured seat in their order; None: none
    look_alikes: what earlier runs learnt
    replay:      a recording is played back
    seed:        of this run, for what is drawn at random
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
        seed=seed,
    )


def step(
    state: State,
    observation: Observation | None,
    *,
    at_s: float,
    config: Config,
    minute_of_day: int | None,
) -> State:
    """Advance to `at_s`; `observation` is None when nothing was looked at."""
    state = advance(state, at_s, minute_of_day, config)
    at_s = state.at_s
    if state.snooze_until_s is not None and state.snooze_until_s <= at_s:
        state = replace(state, snooze_until_s=None)
    if state.reward_until_s is not None and state.reward_until_s <= at_s:
        state = replace(state, reward_until_s=None)
    if state.aim_until_s is not None and state.aim_until_s <= at_s:
        state = replace(state, aim_until_s=None)
    if state.card_until_s is not None and state.card_until_s <= at_s:
        state = replace(state, card_until_s=None)
    if state.testing and state.testing_until_s <= at_s:
        state = replace(state, testing="")
    if state.denied:
        state = replace(state, denied=tuple(d for d in state.denied if d[1] > at_s))
    if observation is not None and watching(state):
        if observation.view is View.CLEAR:
            state = book_sight(state)
        state = look(state, observation, config)
    return nudge(state, config)
