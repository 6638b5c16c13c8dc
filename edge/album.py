"""Pictures of pick-ups, on the box's own card, for an owner who turned that on. Off unless asked.

Nothing else in the program writes a picture to the disk, and nothing sends one anywhere.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from edge.config import PrivacyConfig
from edge.domain import EventType, Frame, Happening
from edge.files import sweep, whole

log = logging.getLogger(__name__)

WORTH_A_PICTURE = frozenset({EventType.PICKUP, EventType.NOT_A_PHONE})
WAITING_MOST = 4  # a card that stalls costs pictures, never frames
ENDING = ".jpg"
DIGITS = 6  # of the number that a name begins with: the order, whatever the clock said


class Album:
    """Keeps the newest `keep_pictures` in a folder. Saving happens in a thread of its own."""

    def __init__(
        self,
        folder: Path,
        keep: int,
        *,
        save: Callable[[Frame, Path], None],
        wall_clock: Callable[[], datetime],
    ) -> None:
        self._folder = folder
        self._keep = keep
        self._save = save
        self._wall_clock = wall_clock
        self._waiting: queue.Queue[tuple[Frame, str] | None] = queue.Queue(WAITING_MOST)
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="album", daemon=True)
        self._thread.start()

    def consider(self, happening: Happening, frame: Frame | None) -> None:
        """Keep the frame if this is worth a picture. Returns at once."""
        if frame is None or happening.type not in WORTH_A_PICTURE:
            return
        now = self._wall_clock()
        name = f"{now:%Y%m%d-%H%M%S}-{now.microsecond // 1000:03d}-{happening.type}{ENDING}"
        try:
            self._waiting.put_nowait((frame, name))
        except queue.Full:
            log.warning("the card is slow: a picture was not kept")

    def close(self) -> None:
        """Save what waits, for a moment at most."""
        try:
            self._waiting.put(None, timeout=1)
        except queue.Full:
            return
        self._thread.join(5)

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            frame, name = item
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                name = f"{self._next_number():0{DIGITS}}-{name}"
                with whole(self._folder / name) as unfinished:
                    self._save(frame, unfinished)
                self._forget_the_oldest()
                self._failed = False
            except OSError as exc:
                if not self._failed:
                    log.error("pictures cannot be kept in %s: %s", self._folder, exc)
                self._failed = True

    def _forget_the_oldest(self) -> None:
        pictures = sorted(self._folder.glob(f"*{ENDING}"), key=lambda each: (_number(each), each))
        for path in pictures[: -self._keep]:
            path.unlink(missing_ok=True)

    def _next_number(self) -> int:
        return 1 + max((_number(each) for each in self._folder.glob(f"*{ENDING}")), default=0)


def _number(picture: Path) -> int:
    """0 for one of an earlier version, whose name begins with its date."""
    first = picture.name.partition("-")[0]
    return int(first) if len(first) == DIGITS and first.isascii() and first.isdigit() else 0


def open_album(
    config: PrivacyConfig, state_dir: Path, *, wall_clock: Callable[[], datetime]
) -> Album | None:
    """None unless the owner asked for pictures."""
    if not config.save_pictures:
        return None
    from edge.vision.draw import as_jpeg

    def save(frame: Frame, path: Path) -> None:
        path.write_bytes(as_jpeg(frame.image))

    folder = Path(config.pictures_path) if config.pictures_path else state_dir / "pictures"
    with suppress(OSError):
        sweep(folder)
    log.warning("pictures of pick-ups are kept in %s (privacy.save_pictures)", folder)
    return Album(
        folder,
        config.keep_pictures,
        save=save,
        wall_clock=wall_clock,
    )
