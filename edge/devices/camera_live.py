"""A camera that never holds up the box: a thread of its own opens it, reads it and closes it.

Opening a device or an address, and waiting for its next picture, takes as long as the driver or the
network likes. The loop, which has to hear the button meanwhile, only asks whether there is news.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from edge.domain import Frame
from edge.ports import CameraStalled

log = logging.getLogger(__name__)

# Develops a picture that was taken. Most never are: a newer one comes before anybody asks.
Shot = Callable[[], Frame]

# How long a stream may send without a picture that can be shown: with most encoders one that is
# joined in the middle begins with the next key frame, and those are up to 250 pictures apart.
KEY_FRAME_S = 60.0

# How long a close waits for the thread to let go of the device.
CLOSE_S = 1.0


class Nothing(NamedTuple):
    """Something came, but no picture that can be shown."""

    why: str = ""
    promising: bool = False  # it is only a matter of time


class Source(Protocol):
    """What delivers pictures, and blocks. One thread at a time calls `open`, `shoot`, `close`."""

    @property
    def description(self) -> str: ...

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def advice(self) -> str:
        """What to check when nothing comes from it."""
        ...

    def open(self) -> None:
        """Raise CameraMissing when it cannot be had, CameraStalled when it does not answer."""
        ...

    def shoot(self) -> Shot | Nothing:
        """Wait for the next picture, or for what comes instead. Raises CameraStalled when there are
        no more."""
        ...

    def close(self) -> None:
        """Idempotent, and allowed after an `open` that failed."""
        ...


class LiveCamera:
    """A live camera as the loop wants it: the newest frame, and no call that lasts for long.

    opening_s: from `open` to the first frame; timeout_s: from one frame to the next. What takes
    longer has stalled. A stream that sends may take longer for its first frame.
    """

    live = True

    def __init__(self, source: Source, *, opening_s: float, timeout_s: float) -> None:
        self._source = source
        self._opening_s = opening_s
        self._timeout_s = timeout_s
        self._device = threading.Lock()  # held by the thread that has the source
        self._reader: _Reader | None = None

    @property
    def description(self) -> str:
        return self._source.description

    @property
    def alive(self) -> bool:
        reader = self._reader
        return reader is not None and time.monotonic() - reader.promised_s < self._opening_s

    def open(self) -> None:
        """Returns at once; whether it succeeded is for `read` to say."""
        if self._reader is None:
            self._reader = _Reader(self._source, self._device)

    def ready(self, wait_s: float) -> bool:
        reader = self._opened()
        left_s = self._patience_left_s(reader)
        return reader.wait(min(wait_s, left_s)) or left_s <= wait_s

    def read(self) -> Frame:
        reader = self._opened()
        reader.wait(self._patience_left_s(reader))
        shot, error = reader.take()
        if shot is not None:
            return shot()
        # Whatever the thread hangs in, another `open` starts anew once it has let go.
        self._reader = None
        reader.stop()
        if error is not None:
            raise error
        source = self._source
        if reader.delivered:
            what = f"no frame for {self._timeout_s:g} s"
        else:
            what = f"no first frame within {self._opening_s:g} s"
        raise CameraStalled(f"{source.name}: {what}; {reader.nothing or source.advice}")

    def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None and not reader.stop(patience_s=CLOSE_S):
            log.warning("%s does not let go; it is closed as soon as it does", self._source.name)

    def _opened(self) -> _Reader:
        if self._reader is None:
            raise RuntimeError("the camera is not open")
        return self._reader

    def _patience_left_s(self, reader: _Reader) -> float:
        if reader.delivered:
            until_s = reader.heard_s + self._timeout_s
        else:
            until_s = max(
                reader.heard_s + self._opening_s,
                min(reader.promised_s + self._opening_s, reader.heard_s + KEY_FRAME_S),
            )
        return max(0.0, until_s - time.monotonic())


class _Reader:
    """One opening of a source, from its `open` to its `close`; keeps only the newest picture."""

    def __init__(self, source: Source, device: threading.Lock) -> None:
        self.delivered = False
        self.heard_s = time.monotonic()  # the last picture, or the beginning
        self.promised_s = float("-inf")  # when it last seemed that a first picture would come
        self.nothing = ""  # why what came since then was no picture
        self._source = source
        self._device = device
        self._newest: Shot | None = None
        self._error: Exception | None = None
        self._stopping = False
        self._changed = threading.Condition()
        # A daemon: a dead webcam can hold it in the kernel for good.
        self.thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self.thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Whether there is a picture or an error to take; waits for one."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._newest is not None or self._error is not None, timeout_s
            )

    def take(self) -> tuple[Shot | None, Exception | None]:
        with self._changed:
            shot, self._newest = self._newest, None
            return shot, self._error

    def stop(self, *, patience_s: float = 0.0) -> bool:
        """Whether the source was let go of within `patience_s`."""
        self._stopping = True
        self.thread.join(patience_s)
        return not self.thread.is_alive()

    def _run(self) -> None:
        # The thread before may still hang in the same device.
        while not self._device.acquire(timeout=0.1):
            if self._stopping:
                return
        try:
            try:
                self._source.open()
                while not self._stopping:
                    came = self._source.shoot()
                    if isinstance(came, Nothing):
                        self._note(came)
                    else:
                        self._keep(came)
            finally:
                self._source.close()
                self._device.release()
        except Exception as exc:  # noqa: BLE001 - raised again where the frame is wanted
            with self._changed:
                self._error = exc
                self._changed.notify_all()

    def _note(self, nothing: Nothing) -> None:
        self.nothing = nothing.why or self.nothing
        if nothing.promising:
            self.promised_s = time.monotonic()

    def _keep(self, shot: Shot) -> None:
        with self._changed:
            self._newest = shot
            self.nothing = ""
            self.promised_s = float("-inf")
            self.delivered = True
            self.heard_s = time.monotonic()
            self._changed.notify_all()
