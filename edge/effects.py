"""What a change of state makes the box do: lights, sound, telling. Pure.

Every effect follows from two states, so that the same states always do the same.
"""

from __future__ import annotations

from edge.config import Config, LadderConfig
from edge.domain import (
    Color,
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

_CHIRP = (Note(880.0, 0.08), Note(0.0, 0.06), Note(1174.7, 0.1))
_LOUD = (Note(2093.0, 0.18), Note(0.0, 0.06)) * 3
_TEST = (Note(659.3, 0.15), Note(784.0, 0.15), Note(1046.5, 0.25))


def effects(before: State, after: State, config: Config) -> tuple[Effect, ...]:
    """What has to be done now that `after` follows `before`: sound first, since silence is urgent.

    Nothing when nothing changed. Happenings are told once each, in their order; the state is
    published when something changed that a subscriber can see.
    """
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
    steps = config.ladder(state.mode)
    bright = steps.brightness
    if state.testing == "lights":
        return LightPattern(Color.WHITE, 0.25, 0.25, bright, warning=bright)
    if state.faults & {Fault.CAMERA, Fault.DETECTOR}:
        return LightPattern(Color.AMBER, 0.2, 1.8, bright)
    if state.aim_until_s is not None and state.session is not Session.FOCUS:
        return LightPattern(Color.WHITE, brightness=bright / 4)
    match state.session:
        case Session.FOCUS:
            return _watching(state, bright)
        case Session.BREAK:
            if state.reward_until_s is not None:
                return LightPattern(Color.GREEN, 0.5, 0.5, bright)
            return LightPattern(Color.BLUE, brightness=bright / 2)
        case Session.PAUSED:
            return LightPattern(Color.BLUE, 0.5, 1.5, bright / 2)
        case Session.IDLE:
            if state.reward_until_s is not None:
                return LightPattern(Color.GREEN, 0.5, 0.5, bright)
            return LightPattern()


def _watching(state: State, bright: float) -> LightPattern:
    match state.level:
        case Level.LOUD:
            return LightPattern(Color.RED, 0.15, 0.15, bright, warning=bright)
        case Level.SOUND:
            return LightPattern(Color.RED, 0.5, 0.5, bright, warning=bright)
        case Level.LIGHT:
            return LightPattern(Color.AMBER, brightness=bright, warning=bright / 2)
        case Level.NONE:
            if state.snooze_until_s is not None:
                return LightPattern(Color.GREEN, 0.2, 2.8, bright / 4)
            return LightPattern(Color.GREEN, brightness=bright / 4)


def tune_of(state: State, config: Config) -> Tune | None:
    """What the buzzer plays; None: silence. Never louder than the mode's cap."""
    steps = config.ladder(state.mode)
    volume = state.volume * steps.volume_cap
    if state.testing == "buzzer":
        return Tune("test", _TEST, volume, at_most_s=_TEST_LASTS_S)
    if state.testing == "chirp":
        return _alarm(Level.SOUND, steps, volume, _TEST_LASTS_S)
    if state.testing == "loud":
        return _alarm(Level.LOUD, steps, volume, _TEST_LASTS_S)
    if state.level < Level.SOUND:
        return None
    return _alarm(state.level, steps, volume, config.nudge.longest_sound_s)


def _alarm(level: Level, steps: LadderConfig, volume: float, at_most_s: float) -> Tune:
    if level is Level.LOUD:
        return Tune("loud", _LOUD, volume, steps.loud_repeat_s, at_most_s)
    return Tune("chirp", _CHIRP, volume / 2, steps.repeat_s, at_most_s)


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
        state.volume,
        state.muted,
        state.quiet,
        state.view,
        state.faults,
        state.look_alikes,
        tuple((t.pickups, t.sessions, t.clean_sessions, t.streak) for t in state.totals),
        int(sum(t.focus_s + t.break_s for t in state.totals) // BOOKS_S),
    )


__all__ = ["BOOKS_S", "effects", "pattern_of", "tune_of"]
