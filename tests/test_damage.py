"""Damaged configurations, boards and boot partitions: an answer each time, never a traceback.

A quick part of what `python -m tests.long.damage` does with ten thousand of each.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.long import damage

QUICK = 250


def test_a_damaged_configuration_is_good_or_named(tmp_path: Path) -> None:
    found = damage.configurations(QUICK, seed=20, folder=tmp_path)
    assert found.wrong == []
    assert found.refused > QUICK / 4, "damage that hurts nothing shows nothing"
    assert found.taken > QUICK / 20


def test_a_damaged_board_is_good_or_named(tmp_path: Path) -> None:
    found = damage.boards(QUICK, seed=20, folder=tmp_path)
    assert found.wrong == []
    assert found.refused > QUICK / 4


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a box a name of its own")
def test_a_damaged_boot_partition_is_taken_or_named(tmp_path: Path) -> None:
    found = damage.cards(QUICK // 2, seed=20, folder=tmp_path)
    assert found.wrong == []
    assert found.refused > QUICK / 4
    assert found.taken > QUICK / 20
