"""What was told is on the card when it is sent, whenever the power goes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.history.store import open_store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FULL = 2  # https://www.sqlite.org/pragma.html#pragma_synchronous

ADD = """
import sys
from pathlib import Path
from edge.domain import EventType
from edge.history.store import open_store
from tests.test_durable import NOW
store = open_store(Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    store.add(EventType.PICKUP, NOW, details={"number": number})
"""


def test_every_commit_is_synced(tmp_path: Path) -> None:
    store = open_store(tmp_path / "history.db")
    assert store._db.execute("PRAGMA synchronous").fetchone() == (FULL,)
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def syncs(folder: Path, events: int) -> int:
    """How often the kernel was asked to sync while so many events were added."""
    trace = folder / f"trace-{events}"
    command = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", trace]
    script = [sys.executable, "-c", ADD, str(folder / f"{events}.db"), str(events)]
    root = Path(__file__).resolve().parent.parent
    env = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run([*command, *script], check=True, cwd=root, env=env)
    return len(trace.read_text().splitlines())


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_the_kernel_is_asked_to_sync_for_each_event(tmp_path: Path) -> None:
    assert syncs(tmp_path, 25) - syncs(tmp_path, 5) >= 20
