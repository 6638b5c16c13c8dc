"""A process that a test starts, stops, kills and starts again."""

from __future__ import annotations

import atexit
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Process:
    """What starts a program inherits from this; it outlives no test run."""

    def __init__(self, log: Path) -> None:
        """`log` gets what the program says, of all its starts."""
        self.log_path = log
        self.process: subprocess.Popen[Any] | None = None
        atexit.register(self.kill)  # a test that fails half-way leaves nothing behind

    @property
    def pid(self) -> int:
        assert self.process is not None, "not started"
        return self.process.pid

    def begin(self, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """`options` are Popen's; standard output goes to the log unless they say otherwise."""
        assert self.process is None, "started already"
        with self.log_path.open("ab") as log:
            output = {"stdout": log, "stderr": log} | options
            self.process = subprocess.Popen(command, **output)
        return self.process

    def stop(self, patience_s: float = 60.0) -> None:
        """As its administrator would: it may say goodbye. What does not end in time is killed."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(patience_s)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            self.process = None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None
