"""What a change of state makes the box do: lights, sound, telling. Pure.

Every effect follows from two states, so that the same states always do the same.
"""

from __future__ import annotations

from dataclasses import replace

from edge import patterns, tunes
from edge.config import CHIRP, LOUD, Config
from edge.decide import seeing
from edge.domain import (
    Effect,
    Fault,
    Level,
    LightPattern,
    Note,
    PlaySound,
    PublishState,
    Session,
    ShowLights,
    State,
    Tell,
    Tune,
)

BOOKS_S = 60.0  # how often totals that only grew are published

_TEST_LASTS_S = 2.0

_TEST = (Note(659.3, 0.15), Note(784.0, 0.15), Note(1046.5, 0.25))


def effects(before: State, after: State, config: Config) -> tuple[Effect, ...]:
    """What has to be done now that `after` follows `before`: sound first, since silence is urgent.

    Nothing when nothing changed. Happenings are told once each, in their order; the state is
    published when something changed that a subscriber can see.
    """
    if after is before:
        return ()
    found: list[Effect] = []
    tune = tune_of(after, config)
    if tune != tune_of(before, config):
        found.append(PlaySound(tune))
    pattern = pattern_of(after, config)
    if pattern != pattern_of(before, config):
        found.append(ShowLights(pattern))
    news = min(after.happened - before.happened, len(after.happenings))
    if news > 0:
        found.extend(Tell(happening) for happening in after.happenings[-news:])
    if _visible(before) != _visible(after):
        found.append(PublishState(after))
    return tuple(found)


def pattern_of(state: State, config: Config) -> LightPattern:
    """What the lights show. Off only when idle and well: a light is on whenever the camera is."""
    bright = config.ladder(state.mode).brightness
    return patterns.scaled(_shown(state), bright)


def _shown(state: State) -> str:
    """The name of the pattern."""
    if state.testing == "lights":
        return "test"
    if state.faults & {Fault.CAMERA, Fault.DETECTOR}:
        return "fault"
    if state.session is not Session.FOCUS and seeing(state):
        return "aiming"
    rewarded = state.reward_until_s is not None
    match state.session:
        case Session.FOCUS:
            if state.level is Level.NONE:
                return "watching" if state.snooze_until_s is None else "snoozed"
            return state.level.name.lower()
        case Session.BREAK:
            return "reward" if rewarded else "break"
        case Session.PAUSED:
            return "paused"
        case Session.IDLE:
            return "reward" if rewarded else "off"


def tune_of(state: State, config: Config) -> Tune | None:
    """What the buzzer plays; None: silence. Never louder than the mode's cap."""
    volume = state.volume * config.ladder(state.mode).volume_cap
    if state.testing == "buzzer":
        return Tune("test", _TEST, volume, at_most_s=_TEST_LASTS_S)
    if state.testing in ("chirp", "loud"):
        lasts_s = _TEST_LASTS_S
        if state.testing_tune:
            tune, lasts_s = state.testing_tune, tunes.LONGEST_S
            state = replace(state, chirp=tune, loud=tune)
        level = Level.SOUND if state.testing == "chirp" else Level.LOUD
        return _alarm(level, state, config, lasts_s)
    if state.level < Level.SOUND:
        return None
    return _alarm(state.level, state, config, config.nudge.longest_sound_s)


def _alarm(level: Level, state: State, config: Config, at_most_s: float) -> Tune:
    steps, nudge = config.ladder(state.mode), config.nudge
    volume = state.volume * steps.volume_cap
    if level is Level.LOUD:
        melody, file = tunes.chosen(state.loud or nudge.loud, LOUD)
        every_s = steps.loud_repeat_s
        return tunes.loud(melody, volume=volume, every_s=every_s, at_most_s=at_most_s, file=file)
    melody, file = tunes.chosen(state.chirp or nudge.chirp, CHIRP)
    every_s = steps.repeat_s
    return tunes.chirp(melody, volume=volume, every_s=every_s, at_most_s=at_most_s, file=file)


def _visible(state: State) -> tuple[object, ...]:
    """What subscribers can see, without what only runs on with the clock."""
    return (
        state.session,
        state.until_s,
        tuple((s.seat, s.activity, s.level, s.reason, s.dock, s.pickups) for s in state.seats),
        state.pauses_used,
        state.snoozes_used,
        state.snooze_until_s,
        state.mode,
        state.grace_s,
        state.testing,
        state.testing_tune,
        state.volume,
        state.chirp,
        state.loud,
        state.muted,
        state.quiet,
        state.view,
        state.faults,
        state.look_alikes,
        state.offer,
        tuple((t.pickups, t.sessions, t.clean_sessions, t.streak) for t in state.totals),
        int(sum(t.focus_s + t.break_s for t in state.totals) // BOOKS_S),
    )


__all__ = ["BOOKS_S", "effects", "pattern_of", "tune_of"]
