"""The time zone that the configuration names, and what is counted in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from edge import settings, zone
from edge.history.clock import zone_of
from edge.history.store import open_store
from edge.telling import local_time

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
def machines() -> Iterator[None]:
    yield
    zone.use("")


@pytest.mark.parametrize(
    ("name", "hour"), [("Europe/Vienna", 14), ("Asia/Tokyo", 21), ("America/New_York", 8)]
)
def test_a_zone_that_is_named_is_the_one_of_this_process(machines, name, hour):
    zone.use(name)
    assert NOON.astimezone().hour == hour
    assert zone_of(local_time()) is None, "it counts as the zone of this machine"
    winter = NOON.replace(month=1).astimezone().hour
    assert winter == hour - (0 if name.startswith("Asia") else 1)


def test_without_one_it_is_the_machines_again(machines):
    before, there = NOON.astimezone().utcoffset(), os.environ.get("TZ")
    zone.use("Asia/Tokyo")
    zone.use("")
    assert NOON.astimezone().utcoffset() == before
    assert os.environ.get("TZ") == there


@pytest.mark.parametrize(
    "name", ["Europe/Nowhere", "Europe", "../../etc/passwd", "/etc/passwd", "a" * 300, "Wien"]
)
def test_a_zone_that_there_is_not_is_refused(name):
    with pytest.raises(settings.ConfigError, match="one like Europe/Vienna"):
        settings.parse(f'[box]\ntimezone = "{name}"\n', "x")


@pytest.mark.parametrize("name", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_command_counts_days_in_it(tmp_path: Path, name: str):
    """25 hours lie between these: it is never the same day in both."""
    config, history = tmp_path / "config.toml", tmp_path / "history.db"
    config.write_text(f"[box]\ntimezone = '{name}'\n[history]\npath = '{history}'\n")
    open_store(history).close()
    command = [sys.executable, "-m", "edge", "report", "--config", str(config), "--json"]
    begin = datetime.now(UTC)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)["days"][0]["date"]
    assert told in {f"{at.astimezone(ZoneInfo(name)):%F}" for at in (begin, datetime.now(UTC))}
