"""One box for one history."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from edge.lock import Held, Lock

HOLDER = """
import sys, time
from pathlib import Path
from edge.lock import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has the history."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "state" / "h.db")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_history_that_another_has_is_not_taken_and_the_other_is_named(tmp_path, holder):
    with pytest.raises(Held) as refused:
        Lock(tmp_path / "state" / "h.db")
    assert refused.value.by == f" (process {holder.pid})"


def test_the_same_history_by_another_name_is_the_same_history(tmp_path, holder):
    (tmp_path / "alias").symlink_to(tmp_path / "state")
    with pytest.raises(Held):
        Lock(tmp_path / "alias" / "h.db")
    Lock(tmp_path / "state" / "other.db").close()


def test_however_the_other_ends_its_lock_ends_with_it(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    Lock(tmp_path / "state" / "h.db").close()


def test_a_lock_that_is_closed_can_be_taken_again(tmp_path):
    for _ in range(2):
        lock = Lock(tmp_path / "h.db")
        with pytest.raises(Held):
            Lock(tmp_path / "h.db")
        lock.close()
        lock.close()


def test_where_nothing_can_be_written_nothing_has_to_be_locked(tmp_path):
    (tmp_path / "file").touch()
    Lock(tmp_path / "file" / "h.db").close()
