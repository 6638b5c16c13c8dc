"""Small stand-ins for devices. Each can be told to fail; none sleeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from edge.domain import (
    Detection,
    Frame,
    Glance,
    LightPattern,
    Look,
    SceneStats,
    State,
    Tell,
    Tune,
)
from edge.ports import CameraMissing, CameraStalled, EndOfStream

GREY = np.full((48, 64, 3), 128, dtype=np.uint8)
QUIET_SCENE = SceneStats(
    brightness=0.5, contrast=0.2, detail=0.05, glare=0.0, change=0.1, shift=0.0, identical=False
)


class FakeClock:
    """Monotonic seconds that pass only when told to."""

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds


class FakeCamera:
    """Delivers `frames` frames, `period_s` apart, advancing the clock; then stalls or ends.

    It is `opening_s` late with its first frame, and takes `silent_s` to be known to have stalled.
    """

    def __init__(
        self,
        clock: FakeClock,
        *,
        period_s: float = 0.1,
        frames: int | None = None,
        live: bool = True,
        missing: str = "",
        opening_s: float = 0.0,
        silent_s: float = 0.0,
        alive: bool = False,
    ) -> None:
        self._opening_s = opening_s
        self._silent_s = silent_s
        self._due_s = 0.0
        self._clock = clock
        self._period_s = period_s
        self._left = frames
        self._number = 0
        self.live = live
        self.alive = alive
        self.missing = missing
        self.description = "a fake camera"
        self.is_open = False
        self.opened = 0
        self.tried = 0

    def open(self) -> None:
        self.tried += not self.is_open
        if self.missing:
            raise CameraMissing(self.missing)
        if not self.is_open:
            self.is_open = True
            self.opened += 1
            self._due_s = self._clock() + self._opening_s + self._period_s

    def ready(self, wait_s: float) -> bool:
        self._clock.advance(min(wait_s, self._left_s()))
        return self._left_s() == 0

    def read(self) -> Frame:
        assert self.is_open, "read from a closed camera"
        if self._left != 0:
            self._clock.advance(self._left_s())
        elif self.live:
            raise CameraStalled("no frame for 5 s; check the camera's ribbon cable")
        else:
            raise EndOfStream
        self._number += 1
        if self._left is not None:
            self._left -= 1
        self._due_s = self._clock() + (self._period_s if self._left != 0 else self._silent_s)
        return Frame(GREY, at_s=self._clock(), number=self._number, name="fake")

    def _left_s(self) -> float:
        """Until the next frame, or until the lack of it is known."""
        left_s = self._due_s - self._clock()
        return left_s if left_s > 1e-9 else 0.0

    def close(self) -> None:
        self.is_open = False


class FakeEyes:
    """One eye that sees what `script` says for the time of a frame, wherever it looks."""

    count = 1

    def __init__(self, script: Callable[[float], Iterable[Detection]] = lambda at_s: ()) -> None:
        self._script = script
        self.looked_at_s: list[float] = []

    def look(self, frame: Frame, glance: Glance) -> Look:
        self.looked_at_s.append(frame.at_s)
        return Look(tuple(self._script(frame.at_s)))


class FakeScene:
    def __init__(self, stats: SceneStats = QUIET_SCENE) -> None:
        self.stats = stats

    def measure(self, frame: Frame) -> SceneStats:
        return self.stats


@dataclass
class FakeLights:
    shown: list[LightPattern] = field(default_factory=list)
    closed: bool = False
    error: Exception | None = None

    def show(self, pattern: LightPattern) -> None:
        if self.error:
            raise self.error
        self.shown.append(pattern)

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeBuzzer:
    played: list[Tune | None] = field(default_factory=list)
    closed: bool = False

    def play(self, tune: Tune | None) -> None:
        self.played.append(tune)

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeTeller:
    told: list[Tell] = field(default_factory=list)
    published: list[State] = field(default_factory=list)
    figures: list[dict[str, float | int | None]] = field(default_factory=list)
    error: Exception | None = None

    def tell(self, tell: Tell, state: State) -> None:
        if self.error:
            raise self.error
        self.told.append(tell)

    def publish(self, state: State) -> None:
        if self.error:
            raise self.error
        self.published.append(state)

    def health(self, figures: dict[str, float | int | None]) -> None:
        self.figures.append(figures)

    def close(self) -> None:
        pass


class FakeWatchdog:
    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.ready_at_s: list[float] = []
        self.petted_at_s: list[float] = []
        self.lines: list[str] = []

    def ready(self) -> None:
        self.ready_at_s.append(self._clock())

    def pet(self) -> None:
        self.petted_at_s.append(round(self._clock(), 6))

    def status(self, line: str) -> None:
        self.lines.append(line)

    def stopping(self) -> None:
        pass


class FakeWall:
    """A wall clock that goes with a fake clock and can be set, as the network does on a Pi."""

    def __init__(self, start: datetime, clock: FakeClock) -> None:
        self.clock = clock
        self._start = start - timedelta(seconds=clock())

    def __call__(self) -> datetime:
        return self._start + timedelta(seconds=self.clock())

    def set(self, now: datetime) -> None:
        self._start = now - timedelta(seconds=self.clock())
