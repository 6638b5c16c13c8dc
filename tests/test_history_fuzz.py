"""Some of the changed histories of tests/fuzz_history.py, the same every time."""

from __future__ import annotations

import pytest

from tests.fuzz_history import Histories

SEEDS = (238, 584, 674, *range(100_000, 100_030))  # the first three once lost an event


@pytest.fixture(scope="module")
def histories(tmp_path_factory):
    return Histories(tmp_path_factory.mktemp("histories"))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_history_with_changed_bytes_starts_and_loses_nothing_that_can_be_read(histories, seed):
    done, faults = histories.try_one(seed)
    assert not faults, done
