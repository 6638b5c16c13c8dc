"""A desk for tests of the judgement: what is seen there, frame by frame, on a clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from math import sin

import numpy as np
from numpy.typing import NDArray

from edge import decide
from edge.config import Config, SessionConfig
from edge.domain import (
    PERSON,
    PHONE,
    Box,
    Command,
    Detection,
    EventType,
    Glance,
    Happening,
    Look,
    Observation,
    SceneStats,
    SessionAction,
    SetSession,
    State,
    Thresholds,
)
from edge.judge import Facts, Memory, glances, judge

THRESHOLDS = Thresholds(0.25, {"phone": 0.3, "person": 0.3})
SITTER = Detection(PERSON, 0.9, Box(0.10, 0.30, 0.80, 0.70))
ON_DESK = (0.88, 0.20)
AT_CHEST = (0.50, 0.50)
AT_FACE = (0.20, 0.58)
CALM = SceneStats(
    brightness=0.45, contrast=0.2, detail=0.05, glare=0.0, change=0.0, shift=0.0, identical=False
)
STIRRED = replace(CALM, change=0.2)  # somewhere
PERIOD_S = 0.1

Seen = tuple[Detection, ...]
# What is seen, the figures of the frame, where things really are, and where hands move.
Script = Callable[[float], tuple[Seen, SceneStats, *tuple[Iterable[Box], ...]]]


def phone(
    place: tuple[float, float], score: float = 0.8, *, size: tuple[float, float] = (0.14, 0.08)
) -> Detection:
    return thing(PHONE, place, score, size=size)


def thing(
    label: str,
    place: tuple[float, float],
    score: float = 0.8,
    *,
    size: tuple[float, float] = (0.14, 0.08),
) -> Detection:
    (y, x), (height, width) = place, size
    return Detection(
        label, score, Box(y - height / 2, x - width / 2, y + height / 2, x + width / 2)
    )


def swaying(place: tuple[float, float], at_s: float) -> tuple[float, float]:
    """What a hand does: a few centimetres to and fro, less than the hands of the clips do (`sway`
    in tests/lab/scenarios/noise.json)."""
    return place[0] + 0.04 * sin(5.1 * at_s), place[1] + 0.03 * sin(3.7 * at_s)


def cells(things: Iterable[Box], hands: Iterable[Box], tick: int) -> NDArray[np.float32]:
    """Grey cells as `SceneStats.grid` has them: a desk, dark things on it, and hands that move."""
    grid, moving = _field(0).copy(), _field(1 + tick % 64)
    for box in things:
        grid[_within(box, grid.shape)] = 3.5
    for box in hands:
        grid[_within(box, grid.shape)] = moving[_within(box, grid.shape)]
    return grid


@cache
def _field(seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(4.6, 0.3, (48, 64)).astype(np.float32)


def _within(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    rows, columns = shape
    return (
        slice(max(0, round(box.ymin * rows)), max(0, round(box.ymax * rows))),
        slice(max(0, round(box.xmin * columns)), max(0, round(box.xmax * columns))),
    )


class Desk:
    """Plays frames to observe and decide, and keeps what came of them."""

    def __init__(self, config: Config | None = None, *, gate: bool = False) -> None:
        self.config = config or Config(session=SessionConfig(focus_min=60))
        if not gate:
            self.config = replace(self.config, observe=replace(self.config.observe, gate=False))
        self.now_s = 0.0
        self.memory = Memory()
        self.state = decide.start(self.config, at_s=0.0)
        self.seen: Observation | None = None
        self.looks = 0
        self.states: list[State] = [self.state]
        self.minute = 600

    def tell(self, command: Command) -> Desk:
        self.state = decide.obey(
            self.state,
            command,
            at_s=self.now_s,
            config=self.config,
            minute_of_day=self.minute,
        )
        self.states.append(self.state)
        return self

    def focus(self) -> Desk:
        return self.tell(SetSession(SessionAction.START))

    def frame(
        self,
        seen: Iterable[Detection],
        stats: SceneStats = STIRRED,
        things: Iterable[Box] | None = None,
        hands: Iterable[Box] = (),
    ) -> Desk:
        """One more frame, PERIOD_S later. Its cells show `things`, unless given the phones where
        they are seen, and `hands` that move."""
        self.now_s = round(self.now_s + PERIOD_S, 6)
        seen = tuple(seen)
        if things is None:
            things = [each.box for each in seen if each.label == PHONE]
        stats = replace(stats, grid=cells(things, hands, round(self.now_s / PERIOD_S)))
        looks = ()
        if decide.watching(self.state):
            due = glances(self.memory, stats, at_s=self.now_s, config=self.config)
            self.looks += len(due)
            looks = tuple(Look(seen, Glance()) for _ in due)
        self.state, self.memory, self.seen = judge(
            self.state,
            self.memory,
            Facts(self.now_s, stats, looks),
            at_s=self.now_s,
            config=self.config,
            thresholds=THRESHOLDS,
            minute_of_day=self.minute,
        )
        self.states.append(self.state)
        return self

    def play(self, seconds: float, script: Script) -> Desk:
        until_s = self.now_s + seconds
        while self.now_s < until_s - 1e-6:
            self.frame(*script(self.now_s))
        return self

    def working(self, seconds: float, *more: Detection) -> Desk:
        """Somebody sits there and moves; `more` lies about."""
        return self.play(seconds, lambda _: ((SITTER, *more), STIRRED))

    def using(
        self, seconds: float, place: tuple[float, float] = AT_CHEST, score: float = 0.8
    ) -> Desk:
        """A phone in the hand."""
        return self.play(
            seconds, lambda at_s: ((SITTER, phone(swaying(place, at_s), score)), STIRRED)
        )

    def nobody(self, seconds: float) -> Desk:
        return self.play(seconds, lambda _: ((), CALM))

    def looking_at(self, stats: SceneStats, seconds: float, *seen: Detection) -> Desk:
        return self.play(seconds, lambda _: (seen, stats))

    @property
    def seat(self):
        return self.state.seats[0]

    @property
    def sight(self):
        return self.seen.seats[0] if self.seen else None

    def happenings(self) -> list[Happening]:
        found: list[Happening] = []
        for before, after in zip(self.states, self.states[1:], strict=False):
            new = after.happened - before.happened
            found += after.happenings[len(after.happenings) - new :]
        return found

    def types(self) -> list[EventType]:
        return [happening.type for happening in self.happenings()]
