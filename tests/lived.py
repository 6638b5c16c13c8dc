"""A history as a box would have written it, for what looks back at it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from edge import decide
from edge.config import Config, HistoryConfig
from edge.domain import EventType, Happening, Session, Totals
from edge.history.recorder import Recorder
from edge.inbox import CommandInbox
from tests.fakes import FakeClock, FakeWall


class Lived:
    """Tells a recorder what happened; time passes when told to."""

    def __init__(self, path: Path, begin: datetime, *, replay: bool = False) -> None:
        self.clock = FakeClock()
        self.wall = FakeWall(begin, self.clock)
        self.recorder = Recorder(
            path,
            seats=("desk",),
            config=HistoryConfig(),
            inbox=CommandInbox(),
            wall_clock=self.wall,
            clock=self.clock,
            replay=replay,
            kept=lambda: True,
            sending=False,
        )
        self.state = decide.start(Config(), at_s=0.0, totals=self.recorder.today.totals)

    def tell(self, type_: EventType, seat: str | None = None, **details: object) -> None:
        self.state = replace(self.state, at_s=self.clock())
        self.recorder.tell(Happening(type_, self.clock(), seat, details), self.state)

    def counted(self, **more: float) -> None:
        """Add to the totals of the day."""
        totals = self.state.totals[0]
        grown = {name: getattr(totals, name) + value for name, value in more.items()}
        self.state = replace(self.state, totals=(replace(totals, **grown),))

    def focus(self, minutes: float, *pickups: tuple[float, float], mode: str = "gentle") -> None:
        """A session; `pickups`: (minute at which, seconds for how long)."""
        self.state = replace(self.state, session=Session.FOCUS, session_since_s=self.clock())
        began_s = clean_since_s = self.clock()
        self.tell(EventType.SESSION_START, minutes=minutes, mode=mode)
        for at_min, lasted_s in pickups:
            self.clock.advance(began_s + 60 * at_min - self.clock())
            clean = {"clean_s": self.clock() - clean_since_s, "unseen_s": 0.0}
            self.tell(EventType.PICKUP, "desk", median=0.71, why="raised", ymin=0.4, **clean)
            self.tell(EventType.LEVEL, "desk", level=1, reason="phone in hand for 0 s")
            self.clock.advance(lasted_s)
            self.tell(EventType.PUTDOWN, "desk", lasted_s=lasted_s, level=1, then="working")
            clean_since_s = self.clock()
        self.clock.advance(began_s + 60 * minutes - self.clock())
        phone_s = sum(lasted_s for _, lasted_s in pickups)
        self.counted(
            focus_s=60 * minutes,
            phone_s=phone_s,
            working_s=60 * minutes - phone_s,
            pickups=len(pickups),
            sessions=1,
            clean_sessions=not pickups,
        )
        self.state = replace(self.state, session=Session.IDLE)
        self.tell(
            EventType.SESSION_END,
            completed=True,
            clean=not pickups,
            pickups=len(pickups),
            lasted_s=60 * minutes,
            clean_s=self.clock() - clean_since_s,
            unseen_s=0.0,
        )

    def rest(self, minutes: float) -> None:
        self.tell(EventType.BREAK_START, minutes=minutes, long=False)
        self.clock.advance(60 * minutes)
        self.counted(break_s=60 * minutes)
        self.tell(EventType.BREAK_END)

    def until(self, at: datetime) -> None:
        before = self.wall().date()
        self.clock.advance((at - self.wall()).total_seconds())
        if at.date() != before:
            self.state = replace(self.state, totals=(Totals(streak=self.state.totals[0].streak),))

    def close(self) -> None:
        self.recorder.close()
