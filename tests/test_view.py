"""What each number of the view is for: a little inside of it, and a little outside."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.config import ObserveConfig
from edge.desk.view import Sight, looked_through
from edge.domain import View
from tests.desk import CALM

SETTINGS = ObserveConfig()


@pytest.mark.parametrize(("passed_s", "view"), [(0.4, View.DARK), (0.7, View.CLEAR)])
def test_a_view_is_found_again_within_seven_tenths_of_a_second_and_not_at_a_blink(passed_s, view):
    before = Sight(0, View.DARK, View.CLEAR, 0.0)
    assert looked_through(before, CALM, passed_s, SETTINGS).view is view


@pytest.mark.parametrize(("contrast", "view"), [(0.008, View.COVERED), (0.013, View.DARK)])
def test_in_the_dark_a_lamp_stands_out_and_under_a_lid_nothing_does(contrast, view):
    stats = replace(CALM, brightness=0.01, contrast=contrast, detail=0.001)
    assert (
        looked_through(Sight(0, View.CLEAR, View.CLEAR, 0.0), stats, 5.0, SETTINGS).wanted is view
    )


def test_a_frame_without_figures_changes_nothing_about_the_view():
    before = Sight(3, View.DARK, View.CLEAR, 1.0)
    assert looked_through(before, None, 99.0, SETTINGS) == before
