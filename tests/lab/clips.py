"""Clips played through the whole chain, and what the lights were worth.

Before a clip come `LEAD_IN_S` of its own frames without a phone, for a box has always looked at its
desk for a while: those before its first phone, outside of what is unclear, to and fro, so that they
end where the clip begins. All times are seconds of the clip; the lead-in is before 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from edge.config import Config
from edge.domain import PHONE, Detection, Frame, Level, Thresholds
from edge.ports import Eyes
from tests.lab.chain import Chain, for_pictures
from tests.lab.footage import Clip, Span, frames

LEAD_IN_S = 15.0
HOLD_S = 0.5  # policy.phone_hold_s: the clips are short
PICKUP_S = 1.4  # shorter ones need not be noticed
SLACK_S = 0.7  # so coarse are the times that somebody wrote down


@dataclass(frozen=True, slots=True)
class Light:
    """From when to when it was lit, and the reason that was given when it began."""

    at_s: float
    until_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame, what was seen in it (None: nobody looked), and what came of it."""

    at_s: float
    level: Level
    reason: str
    shown: tuple[Detection, ...] | None = None

    @property
    def best(self) -> float | None:
        """The score of the best phone; None: nobody looked."""
        if self.shown is None:
            return None
        return max((each.score for each in self.shown if each.label == PHONE), default=0.0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """noticed:  pick-ups of PICKUP_S and longer, each with the light that began in it
    missed:   those in which none began
    false:    lights that began in no pick-up, however short, and in nothing unclear"""

    noticed: tuple[tuple[Span, Light], ...]
    missed: tuple[Span, ...]
    false: tuple[Light, ...]


def configured(config: Config | None = None) -> Config:
    """The box as it is set for a film, with the hold of these clips."""
    config = config or for_pictures(cut=0.5)
    return replace(config, policy=replace(config.policy, phone_hold_s=HOLD_S))


def lead_in(before: Sequence[Frame], seconds: float, fps: float) -> Iterator[Frame]:
    """`before` to and fro for so long, ending at its first frame, at times before 0."""
    turn = max(1, 2 * (len(before) - 1))
    for step in range(round(seconds * fps), 0, -1):
        place = step % turn
        yield replace(before[min(place, turn - place)], at_s=-step / fps)


def free_of_phones(clip: Clip, shown: Iterator[Frame], most: int) -> list[Frame]:
    """The first frames, `most` at most, before the clip's first phone and outside of what is
    unclear."""
    free: list[Frame] = []
    for frame in shown:
        if clip.phone and frame.at_s >= clip.phone[0].from_s:
            break
        if clip.shows(frame.at_s) is False:
            free.append(frame)
            if len(free) == most:
                break
    return free


def play(
    clip: Clip, eyes: Eyes, thresholds: Thresholds, config: Config
) -> Iterator[tuple[Frame, Moment]]:
    """Every frame that a camera of the configured rate would deliver, lead-in included. Raises
    DatasetError."""
    fps = config.camera.fps
    most = round(LEAD_IN_S * fps) + 1
    before = free_of_phones(clip, frames(clip.path, fps), most)
    lead = lead_in(before, LEAD_IN_S, fps) if before else iter(())
    began_s = LEAD_IN_S if before else 0.0
    chain = Chain(eyes, thresholds, config)
    number = 0
    for part in (lead, frames(clip.path, fps)):
        for frame in part:
            shown = Frame(frame.image, began_s + frame.at_s, number, clip.path.name)
            seat = chain.frame(shown).seats[0]
            number += 1
            yield frame, Moment(round(frame.at_s, 3), seat.level, seat.reason, chain.shown)


def lights(moments: Sequence[Moment]) -> tuple[Light, ...]:
    found: list[Light] = []
    lit: Light | None = None
    for moment in moments:
        if moment.level >= Level.LIGHT and lit is None:
            lit = Light(moment.at_s, moment.at_s, moment.reason)
        elif moment.level < Level.LIGHT and lit is not None:
            found.append(replace(lit, until_s=moment.at_s))
            lit = None
    if lit is not None:
        found.append(replace(lit, until_s=moments[-1].at_s))
    return tuple(found)


def verdict(clip: Clip, lit: Sequence[Light]) -> Verdict:
    of: dict[Span, list[Light]] = {span: [] for span in clip.phone}
    false: list[Light] = []
    for light in lit:
        span = _belongs_to(light, clip.phone)
        if span is not None:
            of[span].append(light)
        elif light.at_s < 0 or clip.shows(light.at_s) is False:
            false.append(light)
    wanted = [span for span in clip.phone if span.to_s - span.from_s >= PICKUP_S - 1e-6]
    return Verdict(
        tuple((span, of[span][0]) for span in wanted if of[span]),
        tuple(span for span in wanted if not of[span]),
        tuple(false),
    )


def _belongs_to(light: Light, spans: Sequence[Span]) -> Span | None:
    """The pick-up that it began in, or missed by SLACK_S at most; the nearest one."""
    if light.at_s < 0:
        return None

    def off_s(span: Span) -> float:
        return max(span.from_s - light.at_s, light.at_s - span.to_s, 0.0)

    near = min(spans, key=off_s, default=None)
    return near if near is not None and off_s(near) <= SLACK_S + 1e-6 else None
