"""One box for one history: a second one beside it would falsify what both of them tell."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from pathlib import Path

from edge.errors import Trouble

log = logging.getLogger(__name__)


class Held(Trouble):
    """Another process has it; `by` names it, as " (process 123)", or is empty."""

    def __init__(self, by: str) -> None:
        super().__init__(by)
        self.by = by


class Lock:
    """Held until it is closed or the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Lock what is kept at `path`, whether it exists or not. Raises Held.

        Where nothing can be written there is nothing to falsify: then it is no lock, and fine.
        """
        self._number: int | None = None
        try:
            path = path.resolve()
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            beside = path.with_name(path.name + ".lock")
            # Not inherited by the processes that this one starts: they may outlive it.
            self._number = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(self._number or 0, 20, 0).decode(errors="replace").strip()
            self.close()
            raise Held(f" (process {pid})" if pid.isdigit() else "") from None
        except (OSError, RuntimeError) as exc:
            log.debug("%s cannot be locked: %s", path, exc)
            self.close()
            return
        with contextlib.suppress(OSError):  # a full card
            os.ftruncate(self._number, 0)
            os.pwrite(self._number, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        number, self._number = self._number, None
        if number is not None:
            os.close(number)
