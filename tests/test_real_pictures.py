"""The judgement on real pictures, through the shipped model."""

from __future__ import annotations

import pytest

from edge.config import ModelConfig, PolicyConfig
from edge.vision.eyes import open_eyes
from edge.vision.manifest import load_eyes
from tests.lab.scenarios import composed

# A film that begins with a phone in a quiet hand has shown nobody taking it there.
WITHIN_S = PolicyConfig().phone_hold_s + composed.NOTICED_WITHIN_S + 3.0


@pytest.mark.parametrize(
    "name",
    [
        "3761652-sd_640_360_25fps.mp4",
        "5977270-sd_640_360_25fps.mp4",
        "4105024-sd_640_360_30fps.mp4",  # at the ear, and half hidden
    ],
)
def test_the_phone_of_a_clip_is_noticed(shared_data, name):
    """Each clip shows a phone in use throughout."""
    chosen = load_eyes(ModelConfig())
    eyes = open_eyes(chosen, ModelConfig(threads=1))
    video = shared_data / "video" / name
    outcomes = composed.clips([video], eyes, chosen.thresholds, lambda items, what: items)
    (lit_s,) = [outcome.lit_s for outcome in outcomes]
    assert lit_s is not None
    assert lit_s <= WITHIN_S
