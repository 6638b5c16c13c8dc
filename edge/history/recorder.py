"""Writes the history in a thread of its own, and rides out a card that fails.

The loop and the MQTT client leave work in a queue and go on. While the card cannot be written, the
same work is done in memory: events still reach the broker, and move to the card when it is back.

A recording that is played back is no part of its owner's day: its events are marked, and nothing
of it counts.
"""

from __future__ import annotations

import json
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
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
from edge.history.clock import FIRST_DAY, Lived, synchronized
from edge.history.days import Day, add
from edge.history.erase import erase_in, remove_aside
from edge.history.record import figure, finite
from edge.history.store import (
    LEARNT_NOTE,
    SESSION_NOTE,
    Store,
    Unusable,
    Waiting,
    is_damage,
    is_full,
    is_short_of_room,
    make_room,
    open_memory,
    open_store,
    replace_damaged,
)
from edge.mqtt.backoff import Bucket
from edge.ports import Inbox

log = logging.getLogger(__name__)

QUEUE_MAX = 10_000
SAVE_EVERY_S = 60.0
TODAY_EVERY_S = 10.0
RETRY_CARD_S = 30.0
BOUND_EVERY = 100  # events
CLOCK_SET_S = 60.0
LOOK_AT_CLOCK_S = 10.0
# What an automation or a loose plug can bring about by the thousand. After so many at once, what
# comes more often than this is counted, and the next that is recorded says how many were left out.
FLOODS = frozenset({EventType.REFUSED, EventType.FAULT, EventType.FAULT_CLEARED})
FLOOD_BURST = 10
FLOOD_PER_S = 1 / 600
_CLOCK_NOTE = "clock"


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
    lasted_s: float
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
class _Erase:
    day: date | None
    done: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Drain:
    done: threading.Event


class _Look:
    """Nothing new, but look at the clock."""


class _Close:
    pass


_Work = _Happened | _Standing | _Fetch | _Acknowledged | _Erase | _Drain | _Look | _Close


class Recorder:
    """The history of one box. `path` of None keeps it in memory; `sending`: there is a broker
    that events have to wait for; `replay`: what is watched is a recording; `kept()`: whether a
    time server keeps the wall clock.

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
        replay: bool = False,
        kept: Callable[[], bool | None] = synchronized,
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
        self._replay = replay
        self._is_kept = kept
        self._kept = kept()
        self._looked_at_s = clock()
        now_s = wall_clock().timestamp()
        self._lived = Lived(now_s, now_s, clock())
        self._floods = {
            type_: Bucket(burst=FLOOD_BURST, per_s=FLOOD_PER_S, clock=clock) for type_ in FLOODS
        }
        self._left_out: dict[EventType, tuple[int, _Happened]] = {}
        self._work: queue.Queue[_Work] = queue.Queue(QUEUE_MAX)
        self._overflowing = False
        self._on_card = False
        self._retry_at_s: float  # of a card that failed
        self._standing: _Standing | None = None
        self._saved_at_s = clock()
        self._today_at_s = float("-inf")
        self._unbounded = BOUND_EVERY
        self._offset_s = now_s - clock()
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
        self._put(_Happened(type_, self.now(), None, details, None))

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

    def erase(self, day: date | None, done: Callable[[str], None]) -> None:
        """Erase a day, or everything (None), from the history while the box runs; `done` is called
        in the recorder's thread with what went wrong, or nothing. What the box has learnt it still
        knows: that takes a `Forget` besides."""
        self._put(_Erase(day, done))

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
        now = self.now()

        def wall(at_s: float) -> datetime:
            return now + timedelta(seconds=at_s - state.at_s)

        return _Standing(
            session=state.session,
            since=wall(state.session_since_s),
            until=None if state.until_s is None else wall(state.until_s),
            seen=now,
            lasted_s=max(0.0, state.at_s - state.session_since_s),
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

    def _do(self, work: _Happened | _Standing | _Fetch | _Erase | _Drain | _Look) -> None:
        self._mind_the_clock()
        if isinstance(work, _Fetch):
            self._persist(
                lambda: work.reply(self._store.waiting(after=work.after, limit=work.limit))
            )
        elif isinstance(work, _Happened):
            self._count(work.standing)
            self._happen(work)
        elif isinstance(work, _Standing):
            self._count(work)
            now_s = self._clock()
            if now_s - self._saved_at_s >= SAVE_EVERY_S:
                self._persist(self._save)
            if now_s - self._today_at_s >= TODAY_EVERY_S:
                self._show_today()
        elif isinstance(work, _Erase):
            work.done(self._erase(work.day))
        elif isinstance(work, _Drain):
            work.done.set()
        else:
            self._tell_left_out()
            self._show_today()

    def _happen(self, work: _Happened) -> None:
        if work.type in FLOODS:
            count, _ = self._left_out.pop(work.type, (0, work))
            if not self._floods[work.type].take():
                self._left_out[work.type] = count + 1, work
                return
            work = _after(work, count)
        self._write_event(work)

    def _write_event(self, work: _Happened) -> None:
        self._persist(lambda: self._add(work))
        self._on_event()
        self._show_today()

    def _tell_left_out(self, *, last: bool = False) -> None:
        """The flood is over, or it goes on: the latest of it stands for the others."""
        for type_, (count, work) in list(self._left_out.items()):
            if last or self._floods[type_].take():
                del self._left_out[type_]
                self._write_event(_after(work, count - 1))

    def _persist(self, action: Callable[[], None]) -> None:
        """Do it on the card, which makes room when it is full; when that fails, in memory."""
        try:
            action()
        except sqlite3.Error as exc:
            if not self._on_card:
                raise
            if is_full(exc) and self._make_room():
                self._persist(action)
                return
            if self._on_card:  # and not left already, because its history did not open again
                self._leave_card(exc)
            action()

    def _add(self, work: _Happened) -> None:
        self._store.add(
            work.type,
            work.at,
            seat=work.seat,
            details=work.details,
            notes=self._notes(),
            day=None if self._replay else self._day,
            send=self._sending,
            since_s=self._lived.believed_s,
            replay=self._replay,
        )
        self._saved_at_s = self._clock()
        self._unbounded += 1
        if self._unbounded >= min(BOUND_EVERY, self._config.outbox_max):
            self._unbounded = 0
            self._bound()
        self.queued = self._store.queued()

    def _bound(self) -> None:
        now = datetime.fromtimestamp(self._lived.believed_s, UTC)
        dropped = self._store.bound_outbox(
            now=now, at_most=self._config.outbox_max, days=self._config.outbox_days
        )
        if dropped:
            log.warning("%d events could not wait for the broker any longer", dropped)
        self._store.prune(now=now, keep_days=self._config.keep_days)
        if not self._on_card:
            self._store.trim(keep=self._config.outbox_max)
        self._make_room()

    def _save(self) -> None:
        self._store.save(self._notes(), None if self._replay else self._day)
        self._saved_at_s = self._clock()

    def _forget(self, places: Sequence[int]) -> None:
        def forget() -> None:
            self._store.acknowledge(places)
            if not self._on_card:
                self._store.remember_acknowledged(places)
            self.queued = self._store.queued()

        self._persist(forget)

    def _finish(self) -> None:
        self._mind_the_clock()
        self._tell_left_out(last=True)
        day = None if self._standing is None or self._replay else self._day
        self._persist(lambda: self._store.save(self._notes(stopped=True), day))
        self._store.close()

    def _count(self, standing: _Standing | None) -> None:
        """Add what the counters of the state grew by to the day that it is now."""
        if standing is None or self._replay:
            return
        self._standing = standing
        today = standing.seen.date().isoformat()
        if today != self._day.date:
            self._persist(self._save)
            self._persist(lambda: self._turn_to(today))
        if len(standing.totals) == len(self._seats):
            self._day = add(self._day, standing.totals, self._last_totals)
            self._last_totals = standing.totals

    def _turn_to(self, day: str) -> None:
        self._day = self._store.day(day, self._seats)

    def _show_today(self) -> None:
        today = self._date()
        if today != self._day.date:
            self._persist(self._save)
            self._persist(lambda: self._turn_to(today))
        self._today_at_s = self._clock()
        if not self._replay:
            self._on_today(self._day)

    def _erase(self, day: date | None) -> str:
        try:
            erase_in(self._store, day, now=self.now())
            compacted = self._store.compact()
            if day is None or str(day) == self._day.date:
                self._day = Day(self._day.date, self._seats, tuple(Totals() for _ in self._seats))
            if self._path is not None and self._on_card:
                remove_aside(self._path)
        except (OSError, sqlite3.Error) as exc:
            log.error("what was to be erased may still be there: %s", exc)
            return str(exc)
        log.info("%s was erased from the history", "everything" if day is None else day)
        self._show_today()
        return "" if compacted else "something else reads the history; close it and try again"

    def _notes(self, *, stopped: bool = False) -> dict[str, str]:
        lived = {"believed": self._lived.believed_s, "seen": self._lived.seen_s}
        notes = {_CLOCK_NOTE: json.dumps(lived)}
        standing = self._standing
        if standing is None:
            return notes
        value = {
            "session": standing.session.value,
            "since": standing.since.isoformat(),
            "until": None if standing.until is None else standing.until.isoformat(),
            "seen": standing.seen.isoformat(),
            "lasted_s": round(standing.lasted_s, 3),
            "stopped": stopped,
        }
        learnt = json.dumps([asdict(look_alike) for look_alike in standing.look_alikes])
        return notes | {SESSION_NOTE: json.dumps(value), LEARNT_NOTE: learnt}

    def _recall(self) -> None:
        """Read what the last run left. Raises sqlite3.Error."""
        self._lived = self._recall_clock()
        self._day = self._store.day(self._date(), self._seats)
        self.look_alikes = _look_alikes(self._store.note(LEARNT_NOTE))
        found = None if self._replay else _interruption(self._store.note(SESSION_NOTE))
        if found is not None:
            log.info("the last %s was interrupted (%s)", found["session"], found["cause"])
            self._store_interruption(found)
        self.queued = self._store.queued()

    def _store_interruption(self, details: Details) -> None:
        self._store.add(
            EventType.INTERRUPTED,
            self.now(),
            details=details,
            notes={SESSION_NOTE: ""},
            send=self._sending,
            since_s=self._lived.believed_s,
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
        if is_short_of_room(path):
            self._shrink(path)
        try:
            store = open_store(path)
        except Unusable as exc:
            if not exc.damaged:
                raise
            store, moved, saved = replace_damaged(path, self.now())
            text = f"the history was damaged and is set aside as {moved.name}"
            log.warning("%s (%s); %d of its events go on in a new one", text, exc, saved)
            self._inbox.put(FaultChange(Fault.DISK, True, text))
            self._inbox.put(FaultChange(Fault.DISK, False))
        self._on_card = True
        return store

    def _shrink(self, path: Path) -> bool:
        try:
            count = make_room(path)
        except (OSError, sqlite3.Error) as exc:
            log.debug("no room can be made on the card: %s", exc)
            return False
        log.warning("the card is full: its oldest %d events made room for new ones", count)
        return True

    def _make_room(self) -> bool:
        """Whether a history that is large on a card that is full has become smaller."""
        if not self._on_card or self._path is None or not is_short_of_room(self._path):
            return False
        number = self._store.last_number
        self._store.close()
        done = self._shrink(self._path)
        try:
            self._store = open_store(self._path)
        except Unusable as exc:
            self._store, self._on_card = open_memory(), False
            self._report_card(str(exc))
        self._store.continue_after(number)
        return done and self._on_card

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
        self._report_card(str(error))
        if self._path is not None and is_damage(error, self._path):
            self._retry_at_s = self._clock()  # it is set aside, and a new one begins

    def _report_card(self, text: str) -> None:
        self._retry_at_s = self._clock() + RETRY_CARD_S
        log.error("going on without a history on the card: %s", text)
        self._inbox.put(FaultChange(Fault.DISK, True, text))

    def _return_to_card(self) -> None:
        assert self._path is not None
        self._retry_at_s = self._clock() + RETRY_CARD_S
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

    def now(self) -> datetime:
        """What time it is, as far as this box can know."""
        return self._lived.right(self._wall_clock(), self._clock(), kept=self._kept)

    def _date(self) -> str:
        return self.now().date().isoformat()

    def _recall_clock(self) -> Lived:
        """What was believed when the last run ended, and what this one may add to it."""
        now_s, at_s = self._wall_clock().timestamp(), self._clock()
        first_s = datetime.combine(FIRST_DAY, datetime.min.time(), UTC).timestamp()
        last = _lived(self._store.note(_CLOCK_NOTE))
        if last is None or last.believed_s < first_s:
            newest_s = self._store.newest_s()
            if newest_s is None or (newest_s > now_s >= first_s):
                newest_s = now_s  # nothing is known, or what is known has never been
            last = Lived(newest_s, newest_s, at_s)
        return last.started(now_s, at_s, kept=self._kept)

    def _mind_the_clock(self) -> None:
        now_s, at_s = self._wall_clock().timestamp(), self._clock()
        if at_s - self._looked_at_s >= LOOK_AT_CLOCK_S:
            self._looked_at_s, self._kept = at_s, self._is_kept()
        self._lived = self._lived.passed(now_s, at_s, kept=self._kept)
        jump_s = now_s - at_s - self._offset_s
        self._offset_s = now_s - at_s if abs(jump_s) >= CLOCK_SET_S else self._offset_s
        if abs(jump_s) >= CLOCK_SET_S:
            log.info("the clock was set by %+.0f s", jump_s)


def _after(work: _Happened, left_out: int) -> _Happened:
    """One of a flood, with how many before it were not recorded."""
    return replace(work, details={**work.details, "left_out": left_out}) if left_out else work


def _interruption(text: str | None) -> Details | None:
    """What the last noted standing says of a session that was still going on."""
    if not text:
        return None
    try:
        last = json.loads(text)
        if last["session"] == Session.IDLE.value:
            return None
        since, seen = (datetime.fromisoformat(last[name]) for name in ("since", "seen"))
        # Another version noted two times of the wall clock only, which may have been set between.
        lasted_s = last.get("lasted_s", max(0.0, (seen - since).total_seconds()))
        return {
            "session": str(last["session"]),
            "since": since.isoformat(),
            "last_seen": seen.isoformat(),
            "lasted_s": round(figure(lasted_s)),
            "cause": "stopped" if last["stopped"] else "power lost or crashed",
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        log.warning("what was noted of the last session is not understood: %s", exc)
        return None


def _lived(text: str | None) -> Lived | None:
    try:
        noted = json.loads(text) if text else {}
        believed_s, seen_s = float(noted["believed"]), float(noted["seen"])
        datetime.fromtimestamp(believed_s, UTC)
        return Lived(believed_s, seen_s, 0.0)
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
        return None


def _look_alikes(text: str | None) -> tuple[LookAlike, ...]:
    """What earlier runs learnt, as it was noted; without what another version or a bad card made
    of it."""
    try:
        entries = json.loads(text) if text else []
        return tuple(found for entry in entries if (found := _look_alike(entry)) is not None)
    except (ValueError, TypeError, RecursionError) as exc:
        log.warning("what was learnt before is not understood: %s", exc)
        return ()


def _look_alike(entry: object) -> LookAlike | None:
    match entry:
        case {
            "number": int(number),
            "seat": str(seat),
            "box": {
                "ymin": int() | float() as ymin,
                "xmin": int() | float() as xmin,
                "ymax": int() | float() as ymax,
                "xmax": int() | float() as xmax,
            },
            "median": int() | float() as median,
            "times": int(times),
        } if all(0 <= each <= 1 for each in (ymin, xmin, ymax, xmax, median)) and times > 0:
            return LookAlike(number, seat, Box(ymin, xmin, ymax, xmax), median, times)
    log.warning("something that was learnt before is not understood")
    return None
