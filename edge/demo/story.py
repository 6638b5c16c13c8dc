"""What a run of the demo came to: what the box did, beside what the picture showed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edge.domain import Activity, Level

PHONE_IN_HAND = "the phone in the hand"


@dataclass(frozen=True, slots=True)
class Moment:
    """One tick: what the clip showed ("" for a source that says nothing), what the box made of it.

    sounds: the buzzer had been told to play
    """

    at_s: float
    shows: str
    activity: Activity
    level: Level
    sounds: bool


@dataclass(frozen=True, slots=True)
class Pickup:
    """The phone in the hand, from `begins_s` to `ends_s`; the rest in seconds from there, or None.

    silent_s and dark_s, when the nudging stopped, count from `ends_s`.
    """

    begins_s: float
    ends_s: float
    noticed_s: float | None
    light_s: float | None
    sound_s: float | None
    silent_s: float | None
    dark_s: float | None


class Story:
    """Collects the moments of a run, and sums them up."""

    def __init__(self) -> None:
        self._moments: list[Moment] = []

    def add(self, moment: Moment) -> None:
        # Nothing but changes matter, and a demo may run all day.
        last = self._moments[-1] if self._moments else None
        if last is None or _key(last) != _key(moment):
            self._moments.append(moment)

    def pickups(self) -> list[Pickup]:
        """One for each time that the clip showed the phone in the hand, from its end to its end."""
        found = []
        for begins, ends in self._parts():
            during = [m for m in self._moments if begins <= m.at_s < ends]
            after = [m for m in self._moments if m.at_s >= ends]
            was_loud = any(m.sounds for m in during)
            was_lit = any(m.level > Level.NONE for m in during)
            found.append(
                Pickup(
                    begins,
                    ends,
                    _first(during, begins, lambda m: m.activity is Activity.PHONE),
                    _first(during, begins, lambda m: m.level >= Level.LIGHT),
                    _first(during, begins, lambda m: m.sounds),
                    _first(after, ends, lambda m: not m.sounds) if was_loud else None,
                    _first(after, ends, lambda m: m.level is Level.NONE) if was_lit else None,
                )
            )
        return found

    def false_sounds(self) -> int:
        """How often a sound began while the clip showed no phone in the hand."""
        count, before = 0, False
        for moment in self._moments:
            began = moment.sounds and not before
            count += began and bool(moment.shows) and moment.shows != PHONE_IN_HAND
            before = moment.sounds
        return count

    def false_pickups(self) -> list[tuple[str, bool]]:
        """What the clip showed when a phone was believed in a hand and was not, and whether it lit.

        What lasts on from a phone that was there a moment ago counts as none.
        """
        found: list[tuple[str, bool]] = []
        believed = False
        for moment in self._moments:
            began = moment.activity is Activity.PHONE and not believed
            believed = moment.activity is Activity.PHONE
            if not moment.shows or moment.shows == PHONE_IN_HAND:
                continue
            if began:
                found.append((moment.shows, moment.level > Level.NONE))
            elif believed and found and found[-1][0] == moment.shows and moment.level > Level.NONE:
                found[-1] = (moment.shows, True)
        return found

    def figures(self) -> dict[str, Any]:
        """For --json. Times in seconds of the clip."""
        pickups = self.pickups()
        return {
            "pickups_shown": len(pickups),
            "pickups_noticed": sum(p.noticed_s is not None for p in pickups),
            "to_notice_s": [_rounded(p.noticed_s) for p in pickups],
            "to_light_s": [_rounded(p.light_s) for p in pickups],
            "to_sound_s": [_rounded(p.sound_s) for p in pickups],
            "to_silence_s": [_rounded(p.silent_s) for p in pickups],
            "to_dark_s": [_rounded(p.dark_s) for p in pickups],
            "false_pickups": [shows for shows, _ in self.false_pickups()],
            "false_sounds": self.false_sounds(),
        }

    def lines(self) -> Iterator[str]:
        """The same for people; nothing when the source did not say what it shows."""
        for pickup in self.pickups():
            if pickup.noticed_s is None:
                yield f"The phone in the hand at {pickup.begins_s:.1f} s was not noticed."
                continue
            parts = [f"noticed after {pickup.noticed_s:.1f} s"]
            for name, value in (("light", pickup.light_s), ("sound", pickup.sound_s)):
                parts.append(f"no {name}" if value is None else f"{name} after {value:.1f} s")
            if pickup.silent_s is not None:
                parts.append(f"silent {pickup.silent_s:.1f} s after it was put down")
            yield f"The phone in the hand at {pickup.begins_s:.1f} s: {', '.join(parts)}."
        for shows, lit in self.false_pickups():
            yield f"Wrongly counted as a pick-up{', with a light' if lit else ''}: {shows}."
        others = list(dict.fromkeys(m.shows for m in self._moments if m.shows != PHONE_IN_HAND))
        if any(others):
            count = self.false_sounds()
            yield (
                f"No sound for: {'; '.join(others)}." if count == 0 else f"False sounds: {count}."
            )

    def _parts(self) -> Iterator[tuple[float, float]]:
        begins = None
        for moment in self._moments:
            in_hand = moment.shows == PHONE_IN_HAND
            if in_hand and begins is None:
                begins = moment.at_s
            elif not in_hand and begins is not None:
                yield begins, moment.at_s
                begins = None
        if begins is not None:
            yield begins, float("inf")


def _key(moment: Moment) -> tuple[object, ...]:
    return moment.shows, moment.activity, moment.level, moment.sounds


def _first(moments: list[Moment], from_s: float, is_so: Any) -> float | None:
    return next((moment.at_s - from_s for moment in moments if is_so(moment)), None)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
