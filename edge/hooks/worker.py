"""Follows the history for one hook, and tells it what it is there for.

It reads beside the running box and waits for nobody there: whatever a hook does, the box goes on.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from edge.address import shown
from edge.config import HookConfig
from edge.domain import EventType
from edge.history.record import Record
from edge.history.store import Store, Unusable, open_for_reading
from edge.hooks import plan
from edge.hooks.ledger import Ledger, Telling
from edge.hooks.plan import Result
from edge.hooks.send import Answer, send

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
AT_ONCE = 200  # events of one look
OPEN_AGAIN_S = 10.0  # from one attempt to open a history to the next
PRUNE_EVERY_S = 24 * 3600.0

Send = Callable[[HookConfig, bytes, str, tuple[str, str]], Answer]


def really(hook: HookConfig, body: bytes, event: str, words: tuple[str, str]) -> Answer:
    return send(hook, body, event=event, words=words)


class Worker:
    """One hook. `tick` looks once; `run` does so until it is stopped."""

    def __init__(
        self,
        hook: HookConfig,
        *,
        box: str,
        history: Path,
        ledger: Ledger,
        send: Send = really,
        wall_clock: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hook = hook
        self._box = box
        self._history = history
        self._ledger = ledger
        self._send = send
        self._wall_clock = wall_clock
        self._clock = clock
        self._due_s: dict[str, float] = {}  # by the clock of this run: the wall's may be set
        self._read = ledger.read
        self._kept = self._read
        self._store: Store | None = None
        self._inode = 0
        self._changes: int | None = None
        self._open_s = float("-inf")
        self._prune_s = float("-inf")
        self._said = ""
        if left := ledger.left_trying():
            log.warning(
                "hook %s: %d events were being told when this ended last; they may have arrived,"
                " and are not told again",
                hook.name,
                left,
            )

    def run(self, stopping: threading.Event) -> None:
        try:
            while not stopping.wait(LOOK_EVERY_S):
                try:
                    self.tick()
                except (sqlite3.Error, Unusable) as exc:
                    self._complain(str(exc))
                    self._close()
        finally:
            self.close()

    def close(self) -> None:
        self._close()
        with suppress(sqlite3.Error):
            self._keep()
        self._ledger.close()

    def tick(self) -> None:
        """Look at what is new, and tell what is due. Raises sqlite3.Error, Unusable."""
        store = self._reader()
        if store is not None and store.changes() != self._changes:
            changes = store.changes()
            if self._look(store):
                self._changes = changes
        if store is not None:
            self._tell(store)
        if self._clock() >= self._prune_s:
            self._prune_s = self._clock() + PRUNE_EVERY_S
            self._ledger.prune(self._wall_clock())

    # ------------------------------------------------------------ what is new

    def _reader(self) -> Store | None:
        """The history, which the box may set aside or begin anew at any time."""
        if self._store is not None and self._same_file():
            return self._store
        self._close()
        if self._clock() < self._open_s or not self._history.is_file():
            return None
        self._open_s = self._clock() + OPEN_AGAIN_S
        self._inode = self._history.stat().st_ino
        self._store = open_for_reading(self._history)
        return self._store

    def _same_file(self) -> bool:
        try:
            return self._history.stat().st_ino == self._inode
        except OSError:
            return False

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
        self._store, self._changes = None, None

    def _look(self, store: Store) -> bool:
        """Whether all that is there was looked at."""
        newest = store.newest()
        if self._read is None or self._read > newest:
            # What was before a hook existed is not its business; nor is another history.
            self._read = self._kept = newest
            self._ledger.keep_read(newest)
            log.info("hook %s: told of what happens from event %d on", self._name, newest + 1)
            return True
        events = store.after(self._read, limit=AT_ONCE)
        for event in events:
            self._consider(store, event)
            self._read = event.number
        if self._kept is None or self._read - self._kept >= AT_ONCE:
            self._keep()
        return len(events) < AT_ONCE

    def _keep(self) -> None:
        if self._read is not None and self._read != self._kept:
            self._ledger.keep_read(self._read)
            self._kept = self._read

    def _consider(self, store: Store, event: Record) -> None:
        if event.replay:
            return
        if event.type is EventType.NOT_A_PHONE:
            self._ledger.take_back(event)
        elif event.type is EventType.LEVEL and plan.is_sure(event):
            self._ledger.surely(event)
        elif plan.kind_of(event, store.ended_before(event.number)) == self._hook.on:
            sure = plan.is_sure(event) or self._hook.on != plan.PICKUP
            self._ledger.note(event, self._hook.on, sure=sure)
            self._kept = event.number
            self._due_s[event.id] = self._clock() + self._hook.waits_s

    # ------------------------------------------------------------ telling

    def _tell(self, store: Store) -> None:
        waiting = self._ledger.waiting()
        for each in waiting:
            # After a new start the delay begins anew: nobody knows how long it was off.
            due_s = self._due_s.setdefault(each.event, self._clock() + self._hook.waits_s)
            if self._clock() >= due_s:
                self._tell_one(store, each)
        if not waiting:
            self._due_s.clear()

    def _tell_one(self, store: Store, each: Telling) -> None:
        hook = self._hook
        event = store.at(each.number)
        now = self._wall_clock()
        if event is None or event.id != each.event:
            self._finish(each, Result.REFUSED, "its event was erased")
        elif now.timestamp() - each.at_unix > plan.LATE_S:
            self._finish(each, Result.TOO_LATE, "it is a day old")
        elif hook.pledge and not each.sure:
            self._finish(each, Result.NOT_SURE, "it was never surely a phone")
        elif hook.daily_most and self._ledger.told_on(each.day) >= hook.daily_most:
            self._finish(each, Result.OVER_LIMIT, f"{hook.daily_most} a day")
        else:
            self._attempt(event, each, now)

    def _attempt(self, event: Record, each: Telling, now: datetime) -> None:
        body = plan.message(event, each.kind, hook=self._hook, box=self._box, now=now)
        self._ledger.begin(each.event)
        words = plan.words(event, each.kind, box=self._box)
        try:
            answer = self._send(self._hook, body, each.event, words)
        except Exception:
            # A library of many authors is behind it: what goes wrong there ends no hook.
            log.exception("hook %s", self._hook.name)
            answer = Answer(None, why="telling broke off")
        tries = each.tries + 1
        if answer.arrived:
            self._finish(each, Result.SENT, "")
        elif answer.arrived is None:
            why = f"{answer.why}; it may have arrived, and is not told again"
            self._finish(each, Result.UNKNOWN, why)
        elif not answer.again:
            self._finish(each, Result.REFUSED, answer.why)
        elif tries >= self._hook.tries:
            self._finish(each, Result.GIVEN_UP, f"{answer.why}; tried {tries} times")
        else:
            self._ledger.end(each.event, Result.WAITING)
            wait_s = plan.wait_s(tries)
            self._due_s[each.event] = self._clock() + wait_s
            log.info("hook %s: %s; again in %g s", self._name, answer.why, wait_s)

    def _finish(self, each: Telling, result: Result, why: str) -> None:
        self._ledger.end(each.event, result)
        self._due_s.pop(each.event, None)
        if result is Result.SENT:
            log.info("hook %s: told of event %d (%s)", self._name, each.number, each.kind)
        else:
            log.warning("hook %s: event %d: %s (%s)", self._name, each.number, result, why)

    @property
    def _name(self) -> str:
        hook = self._hook
        if hook.notify:
            # With many services the host is the token.
            return f"{hook.name} ({hook.notify.partition('://')[0]})"
        return f"{hook.name} ({shown(hook.address) or hook.command.split()[0]})"

    def _complain(self, text: str) -> None:
        if text != self._said:
            self._said = text
            log.error("hook %s: %s", self._hook.name, text)


def run_all(
    hooks: tuple[HookConfig, ...],
    *,
    box: str,
    history: Path,
    ledger: Path,
    stopping: threading.Event,
    wall_clock: Callable[[], datetime],
) -> None:
    """Each in a thread of its own, so that none waits for another. Raises LedgerBroken."""
    threads = []
    for hook in hooks:

        def work(hook: HookConfig = hook) -> None:
            worker = Worker(
                hook,
                box=box,
                history=history,
                ledger=Ledger(ledger, hook.name),
                wall_clock=wall_clock,
            )
            worker.run(stopping)

        threads.append(threading.Thread(target=work, name=f"hook {hook.name}", daemon=True))
    for hook in hooks:
        with closing(Ledger(ledger, hook.name)):
            pass  # what is wrong with it shows before anything runs
    for thread in threads:
        thread.start()
    stopping.wait()
    for thread in threads:
        thread.join(5)
