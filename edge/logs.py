"""Log lines for people: with the time on a terminal, with the priority for the journal."""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from dataclasses import dataclass
from typing import TextIO

# sd-daemon(3): a line that begins with <N> gets syslog priority N in the journal.
PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}


MOST_LINES = 200
LONGEST_LINE = 500


class JournalFormatter(logging.Formatter):
    """The journal adds the time itself; each line of a longer message needs its own prefix."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = f"<{PRIORITIES.get(record.levelname, 6)}>"
        return "\n".join(prefix + line for line in super().format(record).splitlines())


@dataclass(frozen=True, slots=True)
class Line:
    """at: seconds since 1970"""

    at: float
    level: str
    text: str


class Recent(logging.Handler):
    """The last lines, in memory, for an owner who asks in the page."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[Line] = deque(maxlen=MOST_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        text = "".join(c if c.isprintable() else " " for c in record.getMessage())
        self._lines.append(Line(record.created, record.levelname, text[:LONGEST_LINE]))

    def lines(self) -> list[Line]:
        """The oldest first. Any thread may ask."""
        self.acquire()
        try:
            return list(self._lines)
        finally:
            self.release()


RECENT = Recent()


def set_up(level: str, *, stream: TextIO | None = None) -> None:
    """Send all logs to `stream` (standard error), at `level` and above."""
    handler = logging.StreamHandler(stream or sys.stderr)
    if os.environ.get("JOURNAL_STREAM"):
        handler.setFormatter(JournalFormatter("%(name)s: %(message)s"))
    else:
        handler.setFormatter(
            logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")
        )
    root = logging.getLogger()
    root.handlers[:] = [handler, RECENT]
    root.setLevel(level.upper())
