"""From what is seen and what is told to what is so: sessions, activities, levels and their reasons.

Pure. `obey` takes a command, `step` a tick; each returns the next state with what happened in it.
Times are seconds of the monotonic clock; the wall's time enters as `minute_of_day` only, for quiet
hours and for the end of the day.

    tick, commands -> ladder -> seats, sessions -> books -> parts
"""

from edge.decide.books import LOOK_SPEAKS_S
from edge.decide.commands import LONGEST_AIM_S, LONGEST_GRACE_S, PARTS, SOUNDS, obey
from edge.decide.seats import grace_of
from edge.decide.sessions import reading, seeing, watching
from edge.decide.tick import start, step

__all__ = [
    "LONGEST_AIM_S",
    "LONGEST_GRACE_S",
    "LOOK_SPEAKS_S",
    "PARTS",
    "SOUNDS",
    "grace_of",
    "obey",
    "reading",
    "seeing",
    "start",
    "step",
    "watching",
]
