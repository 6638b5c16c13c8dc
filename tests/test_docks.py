from __future__ import annotations

import pytest

from edge.config import ObserveConfig, SeatConfig
from edge.desk.docks import Docked, shows
from edge.desk.people import Sitter
from edge.domain import Box, Dock

SEAT = SeatConfig(dock=Box(0.8, 0.1, 1.0, 0.3))


@pytest.mark.parametrize(("share", "dock"), [(0.8, Dock.HIDDEN), (0.6, Dock.EMPTY)])
def test_a_dock_is_out_of_sight_behind_somebody_over_four_fifths_of_it_and_not_three(share, dock):
    sitter = Sitter(Box(0.2, 0.3 - 0.2 * share, 1.0, 0.7), 10.0)
    assert shows(SEAT, Docked(0.0), sitter, 10.0, ObserveConfig()) is dock
