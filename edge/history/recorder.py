"""Writes the history in a thread of its own, and rides out a card that fails.

The loop and the MQTT client leave work in a queue and go on. While the card cannot be written, the
same work is done in memory: events still reach the broker, and move to the card when it is back.
"""

from __future__ import annotations

import json
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from edge.config import HistoryConfig
from edge.domain import (
    NO_DETAILS,
    Box,
    Details,
    EventType,
    Fault,
    FaultChange,
    Happening,
    LookAlike,
    Session,
    State,
    Totals,
)
from edge.history.days import Day, add
from edge.history.record import finite
from edge.history.store import (
    Store,
    Unusable,
    Waiting,
    is_damage,
    open_memory,
    open_store,
    set_aside,
)
from edge.ports import Inbox

log = logging.getLogger(__name__)

QUEUE_MAX = 10_000
SAVE_EVERY_S = 60.0
TODAY_EVERY_S = 10.0
RETRY_CARD_S = 30.0
BOUND_EVERY = 100  # events
CLOCK_SET_S = 60.0
_SESSION_NOTE = "session"
_LEARNT_NOTE = "look_alikes"


@dataclass(frozen=True, slots=True)
class _Happened:
    type: EventType
    at: datetime
    seat: str | None
    details: Details
    standing: _Standing | None


@dataclass(frozen=True, slots=True)
class _Standing:
    """What has to be known of a state to tell, after a power cut, what it interrupted."""

    session: Session
    since: datetime
    until: datetime | None
    seen: datetime
    totals: tuple[Totals, ...]
    look_alikes: tuple[LookAlike, ...]


@dataclass(frozen=True, slots=True)
class _Fetch:
    after: int
    limit: int
    reply: Callable[[Sequence[Waiting]], None]


@dataclass(frozen=True, slots=True)
class _Acknowledged:
    place: int


@dataclass(frozen=True, slots=True)
class _Drain:
    done: threading.Event


class _Look:
    """Nothing new, but look at the clock."""


class _Close:
    pass


_Work = _Happened | _Standing | _Fetch | _Acknowledged | _Drain | _Look | _Close


class Recorder:
    """The history of one box. `path` of None keeps it in memory; `sending`: there is a broker
    that events have to wait for.

    `on_event()` and `on_today(day)` are called in the recorder's thread and must return at once.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        seats: tuple[str, ...],
        config: HistoryConfig,
        inbox: Inbox,
        wall_clock: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        on_event: Callable[[], None] = lambda: None,
        on_today: Callable[[Day], None] = lambda day: None,
        sending: bool = True,
        retry_card_s: float = RETRY_CARD_S,
    ) -> None:
        self._path = path
        self._seats = seats
        self._config = config
        self._inbox = inbox
        self._wall_clock = wall_clock
        self._clock = clock
        self._on_event = on_event
        self._on_today = on_today
        self._sending = sending
        self._retry_card_s = retry_card_s
        self._work: queue.Queue[_Work] = queue.Queue(QUEUE_MAX)
        self._overflowing = False
        self._on_card = False
        self._retry_at_s = 0.0
        self._standing: _Standing | None = None
        self._saved_at_s = clock()
        self._today_at_s = float("-inf")
        self._unbounded = BOUND_EVERY
        self._clock_offset_s = self._offset_s()
        self._day: Day
        self.look_alikes: tuple[LookAlike, ...]
        self._store = self._open()
        try:
            self._recall()
        except sqlite3.Error as exc:
            self._leave_card(exc)
            self._recall()
        # A state begins with these; the first report is a difference to them.
        self._last_totals = self._day.totals
        self.today: Day = self._day
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------ from any thread, at once

    def tell(self, happening: Happening, state: State) -> None:
        """Record an event and the state that it made true."""
        standing = self._standing_of(state)
        self._put(
            _Happened(
                happening.type,
                standing.seen + timedelta(seconds=happening.at_s - state.at_s),
                happening.seat,
                finite(happening.details),
                standing,
            )
        )

    def note(self, type_: EventType, details: Details = NO_DETAILS) -> None:
        """Record something that no state belongs to, now."""
        self._put(_Happened(type_, self._wall_clock(), None, details, None))

    def save(self, state: State) -> None:
        self._put(self._standing_of(state))

    def look_at_the_clock(self) -> None:
        """Midnight comes in idle hours too."""
        self._put(_Look())

    def fetch(self, after: int, limit: int, reply: Callable[[Sequence[Waiting]], None]) -> None:
        """Have `reply` called, in the recorder's thread, with the next events to send."""
        self._put(_Fetch(after, limit, reply))

    def acknowledge(self, place: int) -> None:
        self._put(_Acknowledged(place))

    def drain(self, timeout_s: float = 5.0) -> None:
        """Return when everything left so far is done."""
        done = threading.Event()
        self._put(_Drain(done))
        done.wait(timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Finish what is queued, then stop."""
        self._put(_Close())
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            log.warning("the history did not finish within %g s", timeout_s)

    def _put(self, work: _Work) -> None:
        try:
            self._work.put_nowait(work)
        except queue.Full:
            # Only a card that hangs for minutes fills this; waiting for it would hang the box too.
            if not self._overflowing:
                self._overflowing = True
                log.error("the card hangs; events are being lost")
                self._inbox.put(FaultChange(Fault.DISK, True, "the card hangs"))

    def _standing_of(self, state: State) -> _Standing:
        now = self._wall_clock()

        def wall(at_s: float) -> datetime:
            return now + timedelta(seconds=at_s - state.at_s)

        return _Standing(
            session=state.session,
            since=wall(state.session_since_s),
            until=None if state.until_s is None else wall(state.until_s),
            seen=now,
            totals=state.totals,
            look_alikes=state.look_alikes,
        )

    # ------------------------------------------------------------ the recorder's thread

    def _run(self) -> None:
        while True:
            work = self._work.get()
            batch = [work]
            # Acknowledgements come in swarms; one transaction does for all that have arrived.
            while isinstance(batch[-1], _Acknowledged):
                try:
                    batch.append(self._work.get_nowait())
                except queue.Empty:
                    break
            places = [item.place for item in batch if isinstance(item, _Acknowledged)]
            if places:
                self._forget(places)
            last = batch[-1]
            if isinstance(last, _Close):
                self._finish()
                return
            if not isinstance(last, _Acknowledged):
                try:
                    self._do(last)
                except Exception:
                    # Not even memory took it. What follows may fare better.
                    log.exception("an event or a total is lost")
            if not self._on_card and self._path is not None and self._clock() >= self._retry_at_s:
                self._return_to_card()

    def _do(self, work: _Happened | _Standing | _Fetch | _Drain | _Look) -> None:
        self._mind_the_clock()
        if isinstance(work, _Fetch):
            self._persist(
                lambda: work.reply(self._store.waiting(after=work.after, limit=work.limit))
            )
        elif isinstance(work, _Happened):
            self._count(work.standing)
            self._persist(lambda: self._add(work))
            self._on_event()
            self._show_today()
        elif isinstance(work, _Standing):
            self._count(work)
            now_s = self._clock()
            if now_s - self._saved_at_s >= SAVE_EVERY_S:
                self._persist(self._save)
            if now_s - self._today_at_s >= TODAY_EVERY_S:
                self._show_today()
        elif isinstance(work, _Drain):
            work.done.set()
        else:
            self._show_today()

    def _persist(self, action: Callable[[], None]) -> None:
        """Do it on the card; when that fails, in memory."""
        try:
            action()
        except sqlite3.Error as exc:
            self._leave_card(exc)
            action()

    def _add(self, work: _Happened) -> None:
        self._store.add(
            work.type,
            work.at,
            seat=work.seat,
            details=work.details,
            notes=self._notes(),
            day=self._day,
            send=self._sending,
        )
        self._saved_at_s = self._clock()
        self._unbounded += 1
        if self._unbounded >= min(BOUND_EVERY, self._config.outbox_max):
            self._unbounded = 0
            self._bound()
        self.queued = self._store.queued()

    def _bound(self) -> None:
        now = self._wall_clock()
        dropped = self._store.bound_outbox(
            now=now, at_most=self._config.outbox_max, days=self._config.outbox_days
        )
        if dropped:
            log.warning("%d events could not wait for the broker any longer", dropped)
        self._store.prune(now=now, keep_days=self._config.keep_days)
        if not self._on_card:
            self._store.trim(keep=self._config.outbox_max)

    def _save(self) -> None:
        self._store.save(self._notes(), self._day)
        self._saved_at_s = self._clock()

    def _forget(self, places: Sequence[int]) -> None:
        def forget() -> None:
            self._store.acknowledge(places)
            if not self._on_card:
                self._store.remember_acknowledged(places)
            self.queued = self._store.queued()

        self._persist(forget)

    def _finish(self) -> None:
        if self._standing is not None:
            self._persist(lambda: self._store.save(self._notes(stopped=True), self._day))
        self._store.close()

    def _count(self, standing: _Standing | None) -> None:
        """Add what the counters of the state grew by to the day that it is now."""
        if standing is None:
            return
        self._standing = standing
        date = standing.seen.date().isoformat()
        if date != self._day.date:
            self._persist(self._save)
            self._persist(lambda: self._turn_to(date))
        if len(standing.totals) == len(self._seats):
            self._day = add(self._day, standing.totals, self._last_totals)
            self._last_totals = standing.totals

    def _turn_to(self, date: str) -> None:
        self._day = self._store.day(date, self._seats)

    def _show_today(self) -> None:
        date = self._date()
        if date != self._day.date:
            self._persist(self._save)
            self._persist(lambda: self._turn_to(date))
        self._today_at_s = self._clock()
        self._on_today(self._day)

    def _notes(self, *, stopped: bool = False) -> dict[str, str]:
        standing = self._standing
        if standing is None:
            return {}
        value = {
            "session": standing.session.value,
            "since": standing.since.isoformat(),
            "until": None if standing.until is None else standing.until.isoformat(),
            "seen": standing.seen.isoformat(),
            "stopped": stopped,
        }
        learnt = json.dumps([asdict(look_alike) for look_alike in standing.look_alikes])
        return {_SESSION_NOTE: json.dumps(value), _LEARNT_NOTE: learnt}

    def _recall(self) -> None:
        """Read what the last run left. Raises sqlite3.Error."""
        self._first_number = self._store.last_number
        self._day = self._store.day(self._date(), self._seats)
        self.look_alikes = _look_alikes(self._store.note(_LEARNT_NOTE))
        found = _interruption(self._store.note(_SESSION_NOTE))
        if found is not None:
            log.info("the last %s was interrupted (%s)", found["session"], found["cause"])
            self._store_interruption(found)
        self.queued = self._store.queued()

    def _store_interruption(self, details: Details) -> None:
        self._store.add(
            EventType.INTERRUPTED,
            self._wall_clock(),
            details=details,
            notes={_SESSION_NOTE: ""},
            send=self._sending,
        )

    # ------------------------------------------------------------ the card

    def _open(self) -> Store:
        if self._path is None:
            return open_memory()
        try:
            return self._open_card(self._path)
        except Unusable as exc:
            self._report_card(str(exc))
            return open_memory()

    def _open_card(self, path: Path) -> Store:
        try:
            store = open_store(path)
        except Unusable as exc:
            if not exc.damaged:
                raise
            moved = self._set_aside(path)
            store = open_store(path)
            log.warning("%s; set aside as %s, a new one begins", exc, moved)
            text = f"the history was damaged and is set aside as {moved.name}"
            self._inbox.put(FaultChange(Fault.DISK, True, text))
            self._inbox.put(FaultChange(Fault.DISK, False))
        self._on_card = True
        return store

    def _set_aside(self, path: Path) -> Path:
        try:
            return set_aside(path, self._wall_clock())
        except OSError as exc:
            raise Unusable(f"{path} is damaged and cannot be moved: {exc}", damaged=False) from exc

    def _leave_card(self, error: sqlite3.Error) -> None:
        """Go on in memory with whatever of the outbox can still be read."""
        if not self._on_card:
            raise error
        card, self._store = self._store, open_memory()
        try:
            self._store.copy_from(card, events=False)
        except sqlite3.Error as exc:
            log.warning("events that wait on the card cannot be read: %s", exc)
        self._store.continue_after(card.last_number)
        card.close()
        self._on_card = False
        if self._path is not None and is_damage(error):
            try:
                self._set_aside(self._path)
            except Unusable as exc:
                log.warning("%s", exc)
        self._report_card(str(error))

    def _report_card(self, text: str) -> None:
        self._retry_at_s = self._clock() + self._retry_card_s
        log.error("going on without a history on the card: %s", text)
        self._inbox.put(FaultChange(Fault.DISK, True, text))

    def _return_to_card(self) -> None:
        assert self._path is not None
        self._retry_at_s = self._clock() + self._retry_card_s
        try:
            card = self._open_card(self._path)
        except Unusable as exc:
            log.debug("still no card: %s", exc)
            return
        try:
            card.copy_from(self._store, events=True)
        except sqlite3.Error as exc:
            log.debug("still no card: %s", exc)
            card.close()
            self._on_card = False
            return
        self._store.close()
        self._store = card
        self._overflowing = False
        log.info("the card can be written again; the history goes on")
        self._inbox.put(FaultChange(Fault.DISK, False))

    # ------------------------------------------------------------ clocks

    def _date(self) -> str:
        return self._wall_clock().date().isoformat()

    def _offset_s(self) -> float:
        return self._wall_clock().timestamp() - self._clock()

    def _mind_the_clock(self) -> None:
        offset_s = self._offset_s()
        jump_s = offset_s - self._clock_offset_s
        if abs(jump_s) < CLOCK_SET_S:
            return
        log.info("the clock was set by %+.0f s", jump_s)
        self._clock_offset_s = offset_s
        self._persist(lambda: self._store.shift_outbox(after=self._first_number, seconds=jump_s))


def _interruption(text: str | None) -> Details | None:
    """What the last noted standing says of a session that was still going on."""
    if not text:
        return None
    try:
        last = json.loads(text)
        if last["session"] == Session.IDLE.value:
            return None
        since, seen = (datetime.fromisoformat(last[name]) for name in ("since", "seen"))
        return {
            "session": str(last["session"]),
            "since": since.isoformat(),
            "last_seen": seen.isoformat(),
            "lasted_s": round((seen - since).total_seconds()),
            "cause": "stopped" if last["stopped"] else "power lost or crashed",
        }
    except (ValueError, TypeError, KeyError) as exc:
        log.warning("what was noted of the last session is not understood: %s", exc)
        return None


def _look_alikes(text: str | None) -> tuple[LookAlike, ...]:
    """What earlier runs learnt, as it was noted; nothing when another version noted it."""
    try:
        entries = json.loads(text) if text else []
        return tuple(LookAlike(**{**entry, "box": Box(**entry["box"])}) for entry in entries)
    except (ValueError, TypeError, KeyError) as exc:
        log.warning("what was learnt before is not understood: %s", exc)
        return ()
