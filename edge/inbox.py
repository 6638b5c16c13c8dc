"""Where callbacks leave commands for the loop."""

from __future__ import annotations

import queue

from edge.domain import Command


class CommandInbox:
    """A queue that any thread may put into; only the loop drains it."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._ahead: list[Command] = []

    def put(self, command: Command) -> None:
        self._queue.put(command)

    def wait(self, timeout_s: float) -> None:
        """Return when something has arrived, or after `timeout_s`."""
        if self._ahead:
            return
        try:
            self._ahead.append(self._queue.get(timeout=timeout_s))
        except queue.Empty:
            return

    def drain(self) -> list[Command]:
        """All that has arrived, oldest first."""
        commands, self._ahead = self._ahead, []
        while True:
            try:
                commands.append(self._queue.get_nowait())
            except queue.Empty:
                return commands
