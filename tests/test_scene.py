from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.domain import Frame
from edge.vision.scene import Scene


def desk(seed: int = 1) -> np.ndarray:
    """A still scene of 480x640: patches of different grey, like things on a desk."""
    patches = np.random.default_rng(seed).uniform(30, 190, (12, 16, 1))
    return np.repeat(np.repeat(patches, 40, axis=0), 40, axis=1) * np.ones(3)


def shot(scene: np.ndarray, *, seed: int, noise: float = 5.0, gain: float = 1.0) -> np.ndarray:
    """What a sensor makes of a scene."""
    noisy = scene * gain + np.random.default_rng(seed).normal(0, noise, scene.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def measured(*images, period_s: float = 0.1):
    scene = Scene()
    return [scene.measure(Frame(image, n * period_s, n)) for n, image in enumerate(images)]


def test_the_first_frame_has_nothing_to_be_compared_with():
    (stats,) = measured(shot(desk(), seed=1))
    assert (stats.change, stats.shift, stats.identical) == (0, 0, False)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param(np.zeros((480, 640, 3), np.uint8), (0, 0, 0, 0), id="black"),
        pytest.param(np.full((480, 640, 3), 255, np.uint8), (1, 0, 0, 1), id="white"),
        pytest.param(np.full((48, 64, 3), 51, np.uint8), (0.2, 0, 0, 0), id="small, grey"),
    ],
)
def test_light_of_plain_pictures(image, expected):
    (stats,) = measured(image)
    got = (stats.brightness, stats.contrast, stats.detail, stats.glare)
    assert got == pytest.approx(expected, abs=0.001)


def test_half_a_blinded_picture_is_half_glare():
    image = shot(desk(), seed=1)
    image[240:] = 255
    assert measured(image)[0].glare == pytest.approx(0.5, abs=0.01)


def test_a_covered_lens_has_no_detail_however_noisy():
    covered = np.full((480, 640, 3), 40.0)
    assert measured(shot(covered, seed=1, noise=12))[0].detail < 0.004
    assert measured(shot(desk(), seed=1))[0].detail > 0.05


@pytest.mark.parametrize("noise", [1, 5, 10])
@pytest.mark.parametrize("gain", [1.0, 0.85, 1.2])
def test_neither_noise_nor_exposure_is_a_change(noise, gain):
    frames = [shot(desk(), seed=n, noise=noise) for n in range(3)]
    stats = measured(*frames, shot(desk(), seed=9, noise=noise, gain=gain))[-1]
    assert stats.change < 0.002
    assert stats.shift < 0.01
    assert not stats.identical


def test_a_lamp_at_one_side_is_not_a_moved_camera():
    lamp = desk() * np.linspace(0.8, 1.3, 640)[None, :, None]
    stats = measured(shot(desk(), seed=1), shot(lamp, seed=2))[-1]
    assert stats.shift < 0.02


def test_what_moves_changes_its_share_of_the_picture():
    moved = desk()
    moved[200:280, 400:480] = 240  # a hand of 80x80 pixels
    stats = measured(shot(desk(), seed=1), shot(moved, seed=2))[-1]
    assert 0.01 <= stats.change <= 0.03


def test_a_moved_camera_shifts_most_of_the_scene_until_it_is_the_scene():
    moved = np.roll(desk(), (55, 130), axis=(0, 1))
    scene = Scene()
    for n in range(20):
        scene.measure(Frame(shot(desk(), seed=n), n * 1.0, n))
    first = scene.measure(Frame(shot(moved, seed=30), 20.0, 20))
    assert first.shift > 0.5
    for n in range(21, 400, 10):
        last = scene.measure(Frame(shot(moved, seed=n), float(n), n))
    assert last.shift < 0.02


def test_a_covered_lens_does_not_become_the_scene():
    dark = np.full((480, 640, 3), 20.0)
    scene = Scene()
    scene.measure(Frame(shot(desk(), seed=1), 0.0))
    for n in range(1, 100):
        scene.measure(Frame(shot(dark, seed=n), n * 10.0, n))
    assert scene.measure(Frame(shot(desk(), seed=200), 1000.0)).shift < 0.01


def test_only_a_frame_without_new_noise_is_identical():
    image = shot(desk(), seed=1)
    other = image.copy()
    stats = measured(image, other, shot(desk(), seed=2), shot(desk(), seed=3))
    assert [each.identical for each in stats] == [False, True, False, False]


def test_a_camera_that_changes_its_size_is_measured_on():
    stats = measured(shot(desk(), seed=1), shot(desk(), seed=2)[::2, ::2])
    assert not stats[-1].identical
    assert stats[-1].change < 0.02


@settings(max_examples=30)
@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=3),
)
def test_figures_are_shares_and_cells_are_numbers_for_any_picture(height, width, seeds):
    images = [
        np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        for seed in seeds
    ]
    for stats in measured(*images):
        shares = (stats.brightness, stats.contrast, stats.detail, stats.glare, stats.change)
        assert all(0 <= share <= 1 for share in (*shares, stats.shift))
        assert stats.grid.shape == (48, 64)
        assert np.isfinite(stats.grid).all()


def test_another_picture_of_a_folder_is_all_new_and_no_moved_camera():
    scene = Scene()
    rng = np.random.default_rng(5)
    one, other = rng.integers(0, 255, (2, 480, 640, 3), dtype=np.uint8)
    first = scene.measure(Frame(one, 0.0, 1, "a.jpg"))
    assert first.change == 0
    second = scene.measure(Frame(other, 0.1, 2, "b.jpg"))
    assert second.change == 1
    assert second.shift == 0
    assert scene.measure(Frame(other, 0.2, 3, "b.jpg")).identical
