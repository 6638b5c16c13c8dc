"""Video files, webcams and network streams, through PyAV."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import ExitError, FFmpegError
from numpy.typing import NDArray

from edge.address import shown
from edge.config import CameraConfig
from edge.devices.camera_live import Nothing, Shot
from edge.devices.camera_picture import (
    PICTURE_CODECS,
    DamagedFrame,
    Decoded,
    decode,
    readable,
    reason_of,
    to_image,
)
from edge.devices.camera_timing import Clock, Sleep, Stamps, Thinning
from edge.domain import Frame
from edge.ports import CameraMissing, CameraStalled, EndOfStream

log = logging.getLogger(__name__)

# FFmpeg shows plain text as a film of a terminal; nobody who names such a file wants that.
TEXT_FORMATS = frozenset({"tty", "bin", "xbin", "adf", "idf"})

CHECK_LINE = "check its cable or its network"
ONLY_DAMAGED = f"what comes is damaged; {CHECK_LINE}"
NO_KEY_FRAME = "it sends, but no key frame; set a shorter distance of key frames in the camera"

# A camera that is asked for single pictures is asked at most so often.
ASKED_PER_S = 5.0
# One that gives the same picture, to the byte, has taken no new one; that it has none counts as
# seen so often.
SAME_PICTURE_S = 1.0


def checked(container: InputContainer, name: str, advice: str = "") -> InputContainer:
    """The container, if there is a film in it; else it is closed, and CameraMissing says why."""
    problem = ""
    if container.format.name in TEXT_FORMATS:
        problem = "is not a video that can be read: it is text"
    elif not container.streams.video:
        problem = "has no picture, only sound or text"
    elif getattr(container.streams.video[0], "codec_context", None) is None:
        problem = "is not a video that can be read: its kind is unknown here"
    if problem:
        container.close()
        raise CameraMissing(f"{name} {problem}{advice}")
    return container


def developed(came: Decoded, config: CameraConfig) -> NDArray[np.uint8]:
    """The picture as the box sees it: upright, and no larger than it was asked for."""
    turn = came.turn.half() if config.rotate_deg == 180 else came.turn
    return to_image(came.frame, turn=turn, within=(config.width_px, config.height_px))


class FileCamera:
    """A video file. Its time is the file's own: `at_s` comes from the frames' time stamps.

    At most about `camera.fps` frames a second are delivered, chosen by their time stamps alone, so
    that a replay at the file's pace and one as fast as possible give the very same frames. Opened
    again after a close it starts over, and its time goes on.
    """

    live = False
    alive = True  # a pause in the film is no fault

    def __init__(
        self, config: CameraConfig, path: Path, *, clock: Clock, sleep: Sleep = time.sleep
    ) -> None:
        self._config = config
        self._path = path
        self._name = readable(path)
        self._clock = clock
        self._sleep = sleep
        self._container: InputContainer | None = None
        self._frames: Iterator[tuple[Decoded, float]] = iter(())
        self._ahead: tuple[Decoded, float] | None = None  # decoded, and not due yet
        self._number = 0
        self._last_s: float | None = None
        self._began_s = 0.0  # in the time of the frames
        self._opened_at_s = 0.0  # by the clock
        with self._connect() as container:
            stream = container.streams.video[0]
            rate = float(stream.average_rate or 0)
            if not 0.01 <= rate <= 1000:  # made of stamps that jump, or of none
                rate = config.fps
            self._fps = min(config.fps, rate)
            self._native_period_s = 1.0 / rate
            self.description = (
                f"video {readable(path.name)}, {stream.width}x{stream.height},"
                f" {self._fps:g} frames/s"
            )
            try:
                first = next((c for c in decode(container) if isinstance(c, Decoded)), None)
            except FFmpegError:
                first = None
            if first is None:
                raise CameraMissing(
                    f"nothing in {self._name} can be decoded; does a player show it?"
                )

    def open(self) -> None:
        if self._container is not None:
            return
        self._container = self._connect()
        self._began_s = 0.0 if self._last_s is None else self._last_s + 1.0 / self._fps
        self._opened_at_s = self._clock()
        self._frames = self._timed(self._container)

    def ready(self, wait_s: float) -> bool:
        left_s = self._left_s()
        if left_s > 0:
            self._sleep(min(left_s, wait_s))
        return left_s <= wait_s

    def read(self) -> Frame:
        develop = self.shoot()
        number = self._number
        self._number += 1
        assert self._last_s is not None
        return Frame(develop(), self._last_s, number, readable(self._path.name))

    def shoot(self) -> Callable[[], NDArray[np.uint8]]:
        """Wait for the next picture; it is not converted yet."""
        left_s = self._left_s()
        if self._ahead is None:
            raise EndOfStream(f"{self._name} is over")
        if left_s > 0:
            self._sleep(left_s)
        (came, self._last_s), self._ahead = self._ahead, None
        return lambda: developed(came, self._config)

    def close(self) -> None:
        self._frames = iter(())
        self._ahead = None
        if self._container is not None:
            self._container.close()
            self._container = None

    def _left_s(self) -> float:
        """Until the next frame is due; looks ahead for it. Negative: there is none, or it is."""
        if self._container is None:
            raise RuntimeError("the file is not open")
        if self._ahead is None:
            try:
                self._ahead = next(self._frames, None)
            except FFmpegError as exc:
                log.warning("%s cannot be read to its end: %s", self._name, reason_of(exc))
        if self._ahead is None or not self._config.realtime:
            return -1.0
        return self._opened_at_s + self._ahead[1] - self._began_s - self._clock()

    def _connect(self) -> InputContainer:
        try:
            # A name with a colon would be taken for an address, one with %d for a pattern.
            container = av.open(
                f"file:{self._path}", options={"pattern_type": "none"}, metadata_errors="replace"
            )
        except (FFmpegError, OSError, ValueError) as exc:
            msg = f"{self._name} is not a video that can be read: {reason_of(exc)}"
            raise CameraMissing(msg) from exc
        return checked(container, self._name)

    def _timed(self, container: InputContainer) -> Iterator[tuple[Decoded, float]]:
        thinning = Thinning(self._config.fps)
        # Some containers (raw MJPEG, raw H.264) have no time stamps: then the rate counts.
        stamps = Stamps(self._name, self._native_period_s)
        damaged = 0
        for came in decode(container):
            if isinstance(came, DamagedFrame):
                damaged += 1
                if damaged == 1:
                    log.warning("%s: damaged frames are left out: %s", self._name, came)
            elif came is not None:
                at_s = stamps.at_s(came.frame.time)
                if thinning.keep(at_s):
                    yield came, self._began_s + at_s


class StreamSource:
    """A webcam or a network stream, through FFmpeg.

    Frames are converted when they are asked for, not when they arrive: most never are. Behind an
    address of a single picture there is a camera too: it is asked for it again and again.
    """

    def __init__(
        self,
        config: CameraConfig,
        address: str | Callable[[], str],
        *,
        clock: Clock,
        container_format: str | None = None,
        options: dict[str, str] | None = None,
        opening_s: float,
        advice: str,
    ) -> None:
        """`address`: or what finds it out for each opening, raising CameraMissing. `advice` says
        what to check when it cannot be opened."""
        self.advice = advice
        self._opening_s = opening_s
        self._config = config
        self._find: Callable[[], str] = address if callable(address) else lambda: str(address)
        self.name = shown(self._find())
        self._clock = clock
        self._format = container_format
        self._options = options or {}
        self._container: InputContainer | None = None
        self._came: Iterator[Decoded | DamagedFrame | None] = iter(())
        self._thinning = Thinning(config.fps)
        self._kernel_time = False
        self._by_pictures = False  # whether each packet is a picture of its own
        self._shown = 0  # pictures of this opening
        self._damaged = 0
        self._one_picture = False  # whether there is but one at the address
        self._asked_s = 0.0
        self._last_file = b""  # the last one of those, as it came
        self._size = ""
        self._number = 0
        self._last_s = float("-inf")

    @property
    def description(self) -> str:
        kind = "webcam" if self._format == "v4l2" else "stream"
        return f"{kind} {self.name}{self._size}, at most {self._config.fps:g} frames/s"

    def open(self) -> None:
        address = self._find()
        self.name = shown(address)
        try:
            self._container = self._connect(address)
        except ExitError as exc:  # what FFmpeg calls its time-out
            what = f"no first frame within {self._opening_s:g} s"
            raise CameraStalled(f"{self.name}: {what}; {self.advice}") from exc
        except (FFmpegError, OSError, ValueError) as exc:
            msg = f"{self.name} cannot be opened ({reason_of(exc)}); {self.advice}"
            raise CameraMissing(msg) from exc
        container = self._container
        stream = container.streams.video[0]
        if stream.width:  # else it has to be found out on the way
            self._size = f", {stream.width}x{stream.height}"
        self._by_pictures = stream.codec_context.name in PICTURE_CODECS
        self._kernel_time = container.format.name.startswith("video4linux2")
        self._came = decode(container)
        self._thinning = Thinning(self._config.fps)
        self._shown = self._damaged = 0
        self._one_picture = False

    def shoot(self) -> Shot | Nothing:
        if self._one_picture:
            return self._ask()
        try:
            came = next(self._came)
        except StopIteration:
            return self._ended("the stream ended")
        except ExitError as exc:
            what = f"silent for {self._config.timeout_s:g} s"
            raise CameraStalled(f"{self.name}: {what}; {self.advice}") from exc
        except (FFmpegError, OSError) as exc:
            return self._ended(f"the stream broke off ({reason_of(exc)})")
        if isinstance(came, Decoded):
            self._shown += 1
            return self._shot(came)
        if not self._shown and not self._by_pictures:
            return Nothing(NO_KEY_FRAME, promising=True)
        return Nothing() if came is None else self._note_damage(came)

    def close(self) -> None:
        self._came = iter(())
        container, self._container = self._container, None
        if container is not None:
            container.close()

    def _connect(self, address: str) -> InputContainer:
        container = av.open(
            address,
            format=self._format,
            options=self._options,
            timeout=(self._opening_s, self._config.timeout_s),
            metadata_errors="replace",
        )
        return checked(container, self.name, f"; {self.advice}")

    def _shot(self, came: Decoded) -> Shot | Nothing:
        # Two clocks feed this time (the kernel's for a webcam): never let it run back.
        at_s = max(self._taken_at_s(came), self._last_s)
        if not self._thinning.keep(at_s):
            return Nothing()
        self._last_s, number = at_s, self._number
        self._number += 1
        return lambda: self._develop(came, at_s, number)

    def _note_damage(self, came: DamagedFrame) -> Nothing:
        self._damaged += 1
        if self._damaged == 1:
            log.warning("%s: damaged frames are left out: %s", self.name, came)
        return Nothing(ONLY_DAMAGED)

    def _ended(self, why: str) -> Nothing:
        if self._shown != 1 or not self._by_pictures or self._damaged:
            raise CameraStalled(f"{self.name}: {why}; {CHECK_LINE}")
        log.info(
            "%s is the address of a single picture; it is asked for again and again", self.name
        )
        self.close()
        self._one_picture = True
        self._asked_s = time.monotonic()
        return Nothing()

    def _ask(self) -> Shot | Nothing:
        """One more picture from an address that gives one at a time."""
        period_s = 1 / min(ASKED_PER_S, self._config.fps)
        time.sleep(max(0.0, self._asked_s + period_s - time.monotonic()))
        self._asked_s = time.monotonic()
        try:
            with self._connect(self._find()) as container:
                came = next((each for each in decode(container) if each is not None), None)
        except (FFmpegError, OSError, ValueError, CameraMissing) as exc:
            reason = str(exc) if isinstance(exc, CameraMissing) else reason_of(exc)
            return Nothing(f"it gives no more pictures ({reason}); {CHECK_LINE}")
        if isinstance(came, DamagedFrame):
            return self._note_damage(came)
        if came is None:
            return Nothing()
        if came.file == self._last_file and self._clock() < self._last_s + SAME_PICTURE_S:
            return Nothing()
        self._last_file = came.file
        return self._shot(came)

    def _develop(self, came: Decoded, at_s: float, number: int) -> Frame:
        return Frame(developed(came, self._config), at_s, number, self.name)

    def _taken_at_s(self, came: Decoded) -> float:
        """When the frame was taken, by our clock; for a stream, when it arrived."""
        now_s = self._clock()
        if self._kernel_time and came.frame.time is not None:
            # V4L2 stamps on CLOCK_MONOTONIC, but a few drivers use wall time.
            age_s = time.monotonic() - came.frame.time
            if 0 <= age_s < 1:
                return now_s - age_s
        return now_s
