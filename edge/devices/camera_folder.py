"""A folder of pictures as a camera: each stays on for a while, in the folder's own time."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.config import CameraConfig
from edge.devices.camera_picture import (
    PICTURE_SUFFIXES,
    UnreadablePicture,
    load_picture,
    readable,
)
from edge.devices.camera_timing import Clock, Sleep
from edge.domain import Frame
from edge.ports import CameraMissing, EndOfStream

log = logging.getLogger(__name__)


class FolderCamera:
    """The pictures of a folder, in the order of their names.

    A picture is delivered several times, `camera.fps` times a second for `camera.picture_s`
    seconds of the folder's own time, so that what has to hold for a while can. Opened again after
    a close it starts over, and its time goes on.
    """

    live = False
    alive = True

    def __init__(
        self, config: CameraConfig, folder: Path, *, clock: Clock, sleep: Sleep = time.sleep
    ) -> None:
        self._config = config
        self._folder = folder
        name = self._name = readable(folder)
        self._clock = clock
        self._sleep = sleep
        self._unreadable: set[Path] = set()
        try:
            found = sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
        except OSError as exc:
            raise CameraMissing(f"the folder {name} cannot be read: {exc.strerror}") from exc
        kinds = ", ".join(sorted(PICTURE_SUFFIXES))
        if not found:
            raise CameraMissing(
                f"the folder {name} holds no pictures ({kinds}); put some there or name another"
            )
        self._pictures = found
        # Finding out now that none of them opens beats finding out in a session.
        if not any(self._load(path) is not None for path in found):
            raise CameraMissing(
                f"none of the {len(found)} pictures in {name} can be read; are they whole?"
            )
        self._repeats = max(1, round(config.picture_s * config.fps))
        self._period_s = config.picture_s / self._repeats
        self._number = 0
        self._opened_at_s: float | None = None
        self._opened_number = 0
        self._position = 0  # which picture
        self._shown = 0  # how often already
        self._image: NDArray[np.uint8] | None = None

    @property
    def description(self) -> str:
        return (
            f"folder {readable(self._folder.name or self._folder)}, {len(self._pictures)} pictures,"
            f" {self._config.picture_s:g} s each"
        )

    def open(self) -> None:
        if self._opened_at_s is not None:
            return
        self._opened_at_s = self._clock()
        self._opened_number = self._number
        self._position, self._shown, self._image = 0, 0, None

    def ready(self, wait_s: float) -> bool:
        return True

    def read(self) -> Frame:
        if self._opened_at_s is None:
            raise RuntimeError("the folder is not open")
        if self._shown == self._repeats:
            self._position, self._shown, self._image = self._position + 1, 0, None
        while self._image is None:
            if self._position == len(self._pictures):
                raise EndOfStream(f"all pictures of {self._name} were shown")
            self._image = self._load(self._pictures[self._position])
            self._position += self._image is None
        at_s = self._number * self._period_s
        if self._config.realtime:
            shown_s = (self._number - self._opened_number) * self._period_s
            wait_s = self._opened_at_s + shown_s - self._clock()
            if wait_s > 0:
                self._sleep(wait_s)
        frame = Frame(
            self._image, at_s, self._number, readable(self._pictures[self._position].name)
        )
        self._shown += 1
        self._number += 1
        return frame

    def close(self) -> None:
        self._opened_at_s = None
        self._image = None

    def _load(self, path: Path) -> NDArray[np.uint8] | None:
        if path in self._unreadable:
            return None
        try:
            return load_picture(
                path,
                within=(self._config.width_px, self._config.height_px),
                half_turn=self._config.rotate_deg == 180,
            )
        except UnreadablePicture as exc:
            self._unreadable.add(path)
            log.warning("picture skipped: %s", exc)
            return None
