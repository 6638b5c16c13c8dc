"""Video files, webcams and network streams, through PyAV."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.error import ExitError, FFmpegError
from av.video.frame import VideoFrame

from edge.config import CameraConfig
from edge.devices.camera_live import Shot
from edge.devices.camera_picture import reason_of, to_image
from edge.devices.camera_timing import Clock, Sleep, Thinning
from edge.domain import Frame
from edge.ports import CameraMissing, CameraStalled, EndOfStream

log = logging.getLogger(__name__)

# FFmpeg shows plain text as a film of a terminal; nobody who names such a file wants that.
TEXT_FORMATS = frozenset({"tty", "bin", "xbin", "adf", "idf"})

CHECK_LINE = "check its cable or its network"


def without_password(address: str) -> str:
    """The address as it may appear in a log: what stands before the @ is left out."""
    return re.sub(r"(?<=://)[^/@]*@", "", address)


def decoded(container: InputContainer) -> Iterator[VideoFrame]:
    """The frames of the first video stream; damaged ones are left out, with one warning."""
    stream = container.streams.video[0]
    damaged = 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except FFmpegError as exc:
            damaged += 1
            if damaged == 1:
                log.warning("damaged frames are left out: %s", reason_of(exc))
            continue
        for frame in frames:
            if isinstance(frame, VideoFrame):
                yield frame


class FileCamera:
    """A video file. Its time is the file's own: `at_s` comes from the frames' time stamps.

    At most about `camera.fps` frames a second are delivered, chosen by their time stamps alone, so
    that a replay at the file's pace and one as fast as possible give the very same frames. Opened
    again after a close it starts over, and its time goes on.
    """

    live = False

    def __init__(
        self, config: CameraConfig, path: Path, *, clock: Clock, sleep: Sleep = time.sleep
    ) -> None:
        self._config = config
        self._path = path
        self._clock = clock
        self._sleep = sleep
        self._container: InputContainer | None = None
        self._frames: Iterator[tuple[VideoFrame, float]] = iter(())
        self._number = 0
        self._last_s: float | None = None
        self._began_s = 0.0  # in the time of the frames
        self._opened_at_s = 0.0  # by the clock
        with self._connect() as container:
            stream = container.streams.video[0]
            rate = float(stream.average_rate or config.fps)
            self._fps = min(config.fps, rate)
            self._native_period_s = 1.0 / rate
            self.description = (
                f"video {path.name}, {stream.width}x{stream.height}, {self._fps:g} frames/s"
            )
            try:
                first = next(decoded(container), None)
            except FFmpegError:
                first = None
            if first is None:
                raise CameraMissing(f"nothing in {path} can be decoded; does a player show it?")

    def open(self) -> None:
        if self._container is not None:
            return
        self._container = self._connect()
        self._began_s = 0.0 if self._last_s is None else self._last_s + 1.0 / self._fps
        self._opened_at_s = self._clock()
        self._frames = self._timed(self._container)

    def ready(self, wait_s: float) -> bool:
        return True

    def read(self) -> Frame:
        if self._container is None:
            raise RuntimeError("the file is not open")
        try:
            frame, at_s = next(self._frames)
        except StopIteration:
            raise EndOfStream(f"{self._path} is over") from None
        except FFmpegError as exc:
            log.warning("%s cannot be read to its end: %s", self._path, reason_of(exc))
            raise EndOfStream(f"{self._path} broke off") from exc
        if self._config.realtime:
            wait_s = self._opened_at_s + at_s - self._began_s - self._clock()
            if wait_s > 0:
                self._sleep(wait_s)
        image = to_image(
            frame,
            within=(self._config.width_px, self._config.height_px),
            turned=self._config.rotate_deg == 180,
        )
        self._last_s = at_s
        number = self._number
        self._number += 1
        return Frame(image, at_s, number, self._path.name)

    def close(self) -> None:
        self._frames = iter(())
        if self._container is not None:
            self._container.close()
            self._container = None

    def _connect(self) -> InputContainer:
        try:
            container = av.open(str(self._path))
        except (FFmpegError, OSError, ValueError) as exc:
            msg = f"{self._path} is not a video that can be read: {reason_of(exc)}"
            raise CameraMissing(msg) from exc
        if container.format.name in TEXT_FORMATS:
            container.close()
            raise CameraMissing(f"{self._path} is not a video that can be read: it is text")
        if not container.streams.video:
            container.close()
            raise CameraMissing(f"{self._path} has no picture, only sound or text")
        return container

    def _timed(self, container: InputContainer) -> Iterator[tuple[VideoFrame, float]]:
        thinning = Thinning(self._config.fps)
        first_s: float | None = None
        last_s = -1.0
        for frame in decoded(container):
            # Some containers (raw MJPEG, raw H.264) have no time stamps: then the rate counts.
            file_s = frame.time if frame.time is not None else last_s + self._native_period_s
            if first_s is None:
                first_s = file_s
            elif file_s <= last_s:
                continue  # a broken time stamp; time must not stand still or go back
            last_s = file_s
            if thinning.keep(file_s - first_s):
                yield frame, self._began_s + file_s - first_s


class StreamSource:
    """A webcam or a network stream, through FFmpeg.

    Frames are converted when they are asked for, not when they arrive: most never are.
    """

    def __init__(
        self,
        config: CameraConfig,
        address: str,
        *,
        clock: Clock,
        container_format: str | None = None,
        options: dict[str, str] | None = None,
        advice: str,
    ) -> None:
        """`advice` says what to check when it cannot be opened."""
        self.name = without_password(address)
        self.advice = advice
        self._config = config
        self._address = address
        self._clock = clock
        self._format = container_format
        self._options = options or {}
        self._container: InputContainer | None = None
        self._frames: Iterator[VideoFrame] = iter(())
        self._thinning = Thinning(config.fps)
        self._kernel_time = False
        self._size = ""
        self._number = 0
        self._last_s = float("-inf")

    @property
    def description(self) -> str:
        kind = "webcam" if self._format == "v4l2" else "stream"
        return f"{kind} {self.name}{self._size}, at most {self._config.fps:g} frames/s"

    def open(self) -> None:
        try:
            container = av.open(
                self._address,
                format=self._format,
                options=self._options,
                timeout=self._config.timeout_s,
            )
        except ExitError as exc:  # what FFmpeg calls its time-out
            raise self._silent() from exc
        except (FFmpegError, OSError, ValueError) as exc:
            msg = f"{self.name} cannot be opened ({reason_of(exc)}); {self.advice}"
            raise CameraMissing(msg) from exc
        if not container.streams.video:
            container.close()
            raise CameraMissing(f"{self.name} has no picture; {self.advice}")
        self._container = container
        stream = container.streams.video[0]
        self._size = f", {stream.width}x{stream.height}"
        self._frames = decoded(container)
        self._thinning = Thinning(self._config.fps)
        self._kernel_time = container.format.name.startswith("video4linux2")

    def shoot(self) -> Shot:
        try:
            for frame in self._frames:
                # Two clocks feed this time (the kernel's for a webcam): never let it run back.
                at_s = max(self._taken_at_s(frame), self._last_s)
                if self._thinning.keep(at_s):
                    self._last_s, number = at_s, self._number
                    self._number += 1
                    return lambda: self._develop(frame, at_s, number)
        except ExitError as exc:
            raise self._silent() from exc
        except (FFmpegError, OSError) as exc:
            why = f"the stream broke off ({reason_of(exc)})"
            raise CameraStalled(f"{self.name}: {why}; {CHECK_LINE}") from exc
        raise CameraStalled(f"{self.name}: the stream ended; {CHECK_LINE}")

    def close(self) -> None:
        self._frames = iter(())
        container, self._container = self._container, None
        if container is not None:
            container.close()

    def _silent(self) -> CameraStalled:
        return CameraStalled(f"{self.name}: silent for {self._config.timeout_s:g} s; {self.advice}")

    def _develop(self, frame: VideoFrame, at_s: float, number: int) -> Frame:
        image = to_image(
            frame,
            within=(self._config.width_px, self._config.height_px),
            turned=self._config.rotate_deg == 180,
        )
        return Frame(image, at_s, number, self.name)

    def _taken_at_s(self, frame: VideoFrame) -> float:
        """When the frame was taken, by our clock; for a stream, when it arrived."""
        now_s = self._clock()
        if self._kernel_time and frame.time is not None:
            # V4L2 stamps on CLOCK_MONOTONIC, but a few drivers use wall time.
            age_s = time.monotonic() - frame.time
            if 0 <= age_s < 1:
                return now_s - age_s
        return now_s
