"""Which time to believe. A Pi has no battery clock: it starts with any date, and may be told worse.

What is erased for being old is erased by a time that only passes: while the box runs, and, for a
short absence, while it was off. One start with a date of the far future moves it by nothing.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from pathlib import Path

FIRST_DAY = date(2026, 1, 1)  # nothing of this program can be older: it did not exist
A_DAY_S = 86400.0
# A clock that says that the box was off for longer may be wrong, and is believed step by step.
LONGEST_ABSENCE_S = 7 * A_DAY_S
# For every hour under a clock that a time server keeps, a day of what was doubted is believed.
CATCH_UP = 24.0

TIMESYNC = Path("/run/systemd/timesync")
_TIME_ERROR = 5  # what adjtimex answers for a clock that nobody has set (STA_UNSYNC)
_TIMEX_BYTES = 512  # more than a struct timex has anywhere


def synchronized() -> bool | None:
    """Whether a time server keeps the clock of this machine; None: the machine does not say."""
    if TIMESYNC.is_dir():
        return (TIMESYNC / "synchronized").exists()
    try:
        answer = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    # The unit may not ask the kernel for its clock (ProtectClock=).
    return None if answer < 0 else answer != _TIME_ERROR


@dataclass(frozen=True, slots=True)
class Lived:
    """The believed time, in seconds since 1970 as `time.time` has them.

    believed_s: what is believed now; it never goes back, and never jumps with the wall clock
    seen_s:     what the wall clock showed at the same moment
    at_s:       what the monotonic clock showed
    """

    believed_s: float
    seen_s: float
    at_s: float

    def started(self, wall_s: float, at_s: float, *, kept: bool | None) -> Lived:
        """At the start of a new run, which has a monotonic clock of its own.

        kept: whether a time server keeps the wall clock; None: nobody knows
        """
        absent_s = wall_s - self.seen_s
        if kept is False or not 0 < absent_s <= LONGEST_ABSENCE_S:
            absent_s = 0.0
        return Lived(self.believed_s + absent_s, wall_s, at_s)

    def passed(self, wall_s: float, at_s: float, *, kept: bool | None) -> Lived:
        """After some time of this run, in which the wall clock may have been set."""
        ran_s = max(0.0, at_s - self.at_s)
        believed_s = self.believed_s + ran_s
        if kept and believed_s < wall_s:
            believed_s = min(wall_s, believed_s + ran_s * (CATCH_UP - 1))
        return Lived(believed_s, wall_s, at_s)

    def right(self, wall: datetime, at_s: float, *, kept: bool | None) -> datetime:
        """The wall clock's time, or the believed one where the wall's has certainly been before."""
        believed_s = self.believed_s + max(0.0, at_s - self.at_s)
        if not kept and wall.timestamp() < believed_s - A_DAY_S:
            return datetime.fromtimestamp(believed_s, wall.tzinfo)
        return wall


def can_be(day: str, *, today: date) -> bool:
    """Whether a box may have an entry of this day: not before its program, not ahead of today.

    One day ahead is none: time zones differ by as much.
    """
    try:
        return FIRST_DAY <= date.fromisoformat(day) <= today + timedelta(days=1)
    except (ValueError, OverflowError):
        return False


def zone_of(now: datetime) -> tzinfo | None:
    """The zone in which days are counted; None is this machine's, which knows summer and winter.

    A local time carries the offset of its own moment only, and half a year ago it was another.
    """
    return None if now.utcoffset() == now.astimezone().utcoffset() else now.tzinfo


def midnight(day: date, zone: tzinfo | None) -> datetime:
    """When this day begins there."""
    return datetime.combine(day, time(), tzinfo=zone).astimezone(zone)
