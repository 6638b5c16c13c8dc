"""Plays a realised scenario to the box's judgement, and keeps count of what it got right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from edge import decide
from edge.config import Config, ObserveConfig, SeatConfig, SessionConfig
from edge.desk.attention import exciting
from edge.domain import (
    Activity,
    EventType,
    Frame,
    Glance,
    Level,
    Look,
    SessionAction,
    SetSession,
    State,
    Thresholds,
    View,
)
from edge.judge import Facts, Memory, glances, judge
from tests.lab.scenarios.noise import Noise
from tests.lab.scenarios.script import VIEW_EVENTS, Group, Script
from tests.lab.scenarios.world import World, realise

SESSION_S = 1500.0  # a focus session; longer stretches are several of them
LONG_PICKUP_S = 3.0  # shorter ones need not be noticed
LATE_S = 1.0  # a level so shortly after a put-down still belongs to it
STRIDE_S = 2.0  # how far a quiet stretch is skipped at once
SKIPPING = frozenset({Group.PICKUPS, Group.LOOK_ALIKES, Group.PARKED, Group.OTHER})


@dataclass(slots=True)
class Tally:
    """What was counted while playing; tallies of one scenario add up.

    pickups, noticed:   pick-ups of at least LONG_PICKUP_S, and those that were
    told:               of them, those that were noticed, or suspected since the dock was empty
    to_light_s:         from each noticed pick-up to the first light
    to_sound_s:         from each pick-up that sounded to its first sound
    to_silence_s:       from each put-down that came while it sounded to silence
    false_lights, false_sounds: times that a phone lit or sounded while none was in a hand
    false_suspicions:   times that a dock was said to be empty while no phone was in a hand
    unsure:             lost views that were noticed, of `lost`
    frames, looks, judged: all frames, inferences, and frames really played; the others were
                           skipped as quiet
    """

    hours: float = 0.0
    pickups: int = 0
    noticed: int = 0
    told: int = 0
    to_light_s: list[float] = field(default_factory=list)
    to_sound_s: list[float] = field(default_factory=list)
    to_silence_s: list[float] = field(default_factory=list)
    false_lights: int = 0
    false_sounds: int = 0
    false_suspicions: int = 0
    lost: int = 0
    unsure: int = 0
    frames: int = 0
    looks: int = 0
    judged: int = 0

    def add(self, other: Tally) -> None:
        self.hours += other.hours
        self.pickups += other.pickups
        self.noticed += other.noticed
        self.told += other.told
        self.to_light_s += other.to_light_s
        self.to_sound_s += other.to_sound_s
        self.to_silence_s += other.to_silence_s
        self.false_lights += other.false_lights
        self.false_sounds += other.false_sounds
        self.false_suspicions += other.false_suspicions
        self.lost += other.lost
        self.unsure += other.unsure
        self.frames += other.frames
        self.looks += other.looks
        self.judged += other.judged


def configured(script: Script, base: Config | None = None) -> Config:
    """The box as it comes, but for the seat of the scenario; one focus session without end."""
    base = base or Config()
    return replace(
        base,
        seats=(SeatConfig(dock=script.dock),),
        session=SessionConfig(focus_min=240, auto_break=False),
    )


class Drawn:
    """Eyes whose looks were drawn beforehand; a frame's number is its tick."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.count = world.eyes

    def look(self, frame: Frame, glance: Glance) -> Look:
        return Look(self._world.look(frame.number, glance.window, glance.eye), glance)


def play(
    world: World, config: Config, thresholds: Thresholds, *, skip: bool
) -> Iterator[tuple[State, int]]:
    """Yield the state after each tick that is played, and the inferences since the last one.

    With `skip`, quiet stretches are left out: the judgement has settled, nobody holds anything,
    and nothing new would be detected. Their looks are counted all the same.
    """
    state = decide.start(config, at_s=0.0)
    state = decide.obey(
        state, SetSession(SessionAction.START), at_s=0.0, config=config, minute_of_day=600
    )
    memory = Memory()
    stride = max(1, int(STRIDE_S / world.period_s))
    eyes = Drawn(world)
    # Without a picture: nobody looks at the pixels.
    image = np.zeros((1, 1, 3), np.uint8)
    index = looks = 0
    while index < world.ticks:
        at_s = index * world.period_s
        stats = world.stats[index]
        frame = Frame(image, at_s, index)
        due = glances(memory, stats, at_s=at_s, config=config, eyes=eyes.count)
        looks += len(due)
        if due:
            stats = world.measured(index)
        facts = Facts(at_s, stats, tuple(eyes.look(frame, glance) for glance in due))
        state, memory, _ = judge(
            state,
            memory,
            facts,
            at_s=at_s,
            config=config,
            thresholds=thresholds,
            minute_of_day=600,
        )
        yield state, looks
        looks = 0
        index += 1
        if skip and not world.busy[index - 1] and _settled(state, memory):
            ahead = world.busy[index : index + stride - 1]
            quiet = ahead.index(True) if True in ahead else len(ahead)
            looks, memory = _passed(world, index, index + quiet, memory, config)
            index += quiet


def _settled(state: State, memory: Memory) -> bool:
    """Whether more of the same would change nothing."""
    seat = state.seats[0]
    return (
        seat.activity is Activity.WORKING
        and seat.pending is None
        and seat.level is Level.NONE
        and state.view is View.CLEAR
        and not any(exciting(track, state.at_s) for track in memory.tracks)
    )


def tally(
    script: Script, noise: Noise, *, seed: int, seconds: float, period_s: float, gate: bool = True
) -> Tally:
    """Realise the scenario once, play it, and count."""
    rng = np.random.default_rng([seed, *script.name.encode()])
    world = realise(script, noise, rng, seconds=seconds, period_s=period_s)
    config = configured(script)
    if not gate:
        config = replace(config, observe=ObserveConfig(gate=False))
    thresholds = Thresholds(
        noise.floor, {"phone": noise.threshold, "person": noise.person_threshold}
    )
    skip = gate and script.group in SKIPPING
    return count(world, play(world, config, thresholds, skip=skip), config)


def count(world: World, played: Iterator[tuple[State, int]], config: Config) -> Tally:
    """Compare what the box did with what was there."""
    total = Tally(hours=world.ticks * world.period_s / 3600, frames=world.ticks)
    pickups = world.pickups
    noticed = [False] * len(pickups)
    suspected = [False] * len(pickups)
    lit_s: list[float | None] = [None] * len(pickups)
    sounded_s: list[float | None] = [None] * len(pickups)
    silent_s: list[float | None] = [None] * len(pickups)
    sounding_at_end = [False] * len(pickups)
    lost = [
        episode
        for episode in world.episodes
        if episode.what in VIEW_EVENTS
        and episode.end_s - episode.start_s >= config.observe.view_hold_s + 1
    ]
    seen_lost = [False] * len(lost)
    current = 0
    before = Level.NONE
    happened = 0
    for state, looks in played:
        total.judged += 1
        total.looks += looks
        at_s, level = state.at_s, state.level
        while current < len(pickups) and at_s > pickups[current].end_s + 20:
            current += 1
        mine = None
        if current < len(pickups) and pickups[current].start_s <= at_s:
            mine = current
        inside = mine is not None and at_s <= pickups[mine].end_s + LATE_S
        for happening in _news(state, happened):
            if happening is EventType.PICKUP and inside and mine is not None:
                noticed[mine] = True
            if happening is EventType.SUSPICION:
                if inside and mine is not None:
                    suspected[mine] = True
                else:
                    total.false_suspicions += 1
            if happening is EventType.UNSURE:
                for k, episode in enumerate(lost):
                    if episode.start_s <= at_s <= episode.end_s + LATE_S:
                        seen_lost[k] = True
        happened = state.happened
        for_phone = state.seats[0].activity is Activity.PHONE
        if inside and mine is not None:
            if level >= Level.LIGHT and for_phone and lit_s[mine] is None:
                lit_s[mine] = at_s
            if level >= Level.SOUND and sounded_s[mine] is None:
                sounded_s[mine] = at_s
            if at_s <= pickups[mine].end_s:
                sounding_at_end[mine] = level >= Level.SOUND
        elif for_phone:
            total.false_lights += before is Level.NONE and level >= Level.LIGHT
            total.false_sounds += before < Level.SOUND <= level
        if (
            mine is not None
            and sounding_at_end[mine]
            and silent_s[mine] is None
            and at_s > pickups[mine].end_s
            and level < Level.SOUND
        ):
            silent_s[mine] = at_s
        before = level
    for k, episode in enumerate(pickups):
        if episode.end_s - episode.start_s < LONG_PICKUP_S:
            continue
        total.pickups += 1
        total.noticed += noticed[k]
        total.told += noticed[k] or suspected[k]
        lit, sounded, silent = lit_s[k], sounded_s[k], silent_s[k]
        if lit is not None:
            total.to_light_s.append(lit - episode.start_s)
        if sounded is not None:
            total.to_sound_s.append(sounded - episode.start_s)
        if sounding_at_end[k]:
            end_s = world.ticks * world.period_s
            total.to_silence_s.append((silent if silent is not None else end_s) - episode.end_s)
    total.lost, total.unsure = len(lost), sum(seen_lost)
    return total


def _news(state: State, happened: int) -> list[EventType]:
    new = min(state.happened - happened, len(state.happenings))
    return [happening.type for happening in state.happenings[-new:]] if new > 0 else []


def _passed(
    world: World, first: int, last: int, memory: Memory, config: Config
) -> tuple[int, Memory]:
    """How many of these ticks would be looked at, nobody holding anything: the gate's own rule; and
    the memory that knows when the last of them was."""
    settings = config.observe
    looks, looked_s, stirred = 0, memory.looked_s, memory.stirred
    for index in range(first, last):
        age_s = index * world.period_s - looked_s
        stirred = stirred or world.stats[index].change >= settings.gate_change
        if age_s >= settings.gate_longest_s or (stirred and age_s >= settings.gate_calm_s):
            looks, looked_s, stirred = looks + 1, index * world.period_s, False
    return looks, memory._replace(looked_s=looked_s, stirred=stirred)
