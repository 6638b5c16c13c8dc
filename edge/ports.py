"""What the loop needs of the devices around it. Adapters satisfy these; so do the tests' fakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from edge.domain import (
    Box,
    CardSight,
    Command,
    Detection,
    Frame,
    Glance,
    Happening,
    LessonSoFar,
    LightPattern,
    Look,
    Shown,
    State,
    Tell,
    Tune,
)
from edge.errors import Trouble

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.taught import Bank


class EndOfStream(Exception):
    """A source that can end (file, folder) has no more frames."""


class CameraStalled(Trouble):
    """The camera delivers nothing any more; only a new process is sure to be clean."""


class CameraMissing(Trouble):
    """There is no such camera, or it cannot be opened; the text says what to check."""


class Camera(Protocol):
    """A source of frames. `open` and `close` may alternate; both are idempotent.

    `live` sources run on the wall's pace and are closed whenever nobody is watched. A source that
    is not live has a time of its own: its frames are read even in a break, for their `at_s`.
    """

    @property
    def live(self) -> bool: ...

    @property
    def alive(self) -> bool:
        """Whether a frame is only a matter of time although none is ready: a film in a pause, a
        stream before its first key frame. Not for ever: `read` raises when its patience is over."""
        ...

    @property
    def description(self) -> str:
        """One phrase for people: "Pi camera imx708, 640x480 at 10/s"."""
        ...

    def open(self) -> None:
        """Returns at once for a live source. Raises CameraMissing, or leaves that to `read`."""
        ...

    def ready(self, wait_s: float) -> bool:
        """Whether `read` has an answer; waits for one, `wait_s` at most.

        A source that is not live always has one: it sets its own pace.
        """
        ...

    def read(self) -> Frame:
        """The newest frame, never one that was queued before the last read.

        Blocks for the next one; raises CameraMissing when opening it has failed, CameraStalled
        when no frame comes within its time-out, EndOfStream at the end of a file.
        """
        ...

    def close(self) -> None: ...


class Eyes(Protocol):
    """One small network or several, which look in turn."""

    @property
    def count(self) -> int: ...

    def look(self, frame: Frame, glance: Glance) -> Look:
        """What one eye sees in one part of the picture; boxes are shares of the whole picture."""
        ...


class Detector(Protocol):
    @property
    def labels(self) -> tuple[str, ...]: ...

    def detect(self, frame: Frame) -> tuple[Detection, ...]:
        """Best score first; boxes are fractions of the frame, clipped to it."""
        ...


class CardReader(Protocol):
    """Reads numbers on cards. What it takes is loaded at the first look. Raises ModelError then."""

    def read(self, frame: Frame) -> Sequence[CardSight]:
        """The numbers that are held up, 2 to 99."""
        ...


class Features(Protocol):
    """Vectors that tell things apart; worth something only to the version that made them.

    What makes them is loaded when the bank or a vector is first wanted, and takes memory from then
    on. Raises ModelError then, if it must.
    """

    @property
    def version(self) -> str: ...

    @property
    def bank(self) -> Bank: ...

    def crops(self, frame: Frame, boxes: Sequence[Box]) -> list[NDArray[np.uint8]]:
        """(side, side, 3) of each box: all that `vectors` needs of a picture."""
        ...

    def vectors(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """(N, D), a row for each crop."""
        ...


class Learner(Protocol):
    """What learns of things: it hears what happened, as everybody does who is told."""

    def hear(self, happening: Happening) -> None:
        """Never raises."""
        ...

    @property
    def lesson(self) -> LessonSoFar | None:
        """What is being shown now. Any thread may ask."""
        ...

    def shown(self) -> tuple[Shown, ...]:
        """What was shown before. Any thread may ask."""
        ...

    def exported(self) -> tuple[str, bytes]:
        """All of that as a file for another box with the same model: its name, and what is in it;
        nothing is in it when nothing was shown. Any thread may ask; raises OSError."""
        ...


class Lights(Protocol):
    def show(self, pattern: LightPattern) -> None: ...

    def close(self) -> None:
        """Dark, and the pins released."""
        ...


class Buzzer(Protocol):
    def play(self, tune: Tune | None) -> None:
        """Return at once; the tune goes on by itself until replaced. None: silent at once."""
        ...

    def close(self) -> None: ...


class Button(Protocol):
    """Puts `Press` values into the inbox it was built with."""

    def close(self) -> None: ...


class Watchdog(Protocol):
    """systemd, or nobody."""

    def ready(self) -> None: ...

    def pet(self) -> None: ...

    def status(self, line: str) -> None: ...

    def stopping(self) -> None: ...


class Teller(Protocol):
    """History and MQTT behind one door: neither may block the loop or raise into it."""

    def tell(self, tell: Tell, state: State) -> None:
        """Record an event (durable before it is sent), with the state that it made true."""
        ...

    def publish(self, state: State) -> None:
        """Let subscribers see the state."""
        ...

    def health(self, figures: dict[str, float | int | None]) -> None: ...

    def close(self) -> None: ...


class Viewer(Protocol):
    """Shows the state somewhere else: the local page."""

    def publish(self, state: State) -> None:
        """Return at once."""
        ...

    def tell(self, happening: Happening) -> None:
        """Return at once."""
        ...

    def close(self) -> None: ...


class Inbox(Protocol):
    """What callbacks may do: leave a value, and go. `queue.SimpleQueue` fits behind it."""

    def put(self, command: Command) -> None: ...


class InboxReader(Protocol):
    def drain(self) -> Sequence[Command]: ...

    def wait(self, timeout_s: float) -> None:
        """Return when something has arrived, or after `timeout_s`."""
        ...


__all__ = [
    "Button",
    "Buzzer",
    "Camera",
    "CameraMissing",
    "CameraStalled",
    "CardReader",
    "Detector",
    "EndOfStream",
    "Eyes",
    "Features",
    "Inbox",
    "InboxReader",
    "Learner",
    "Lights",
    "Teller",
    "Viewer",
    "Watchdog",
]
