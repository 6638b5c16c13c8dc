"""The generator of training pictures: what it promises to the one who trains with it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2", reason="OpenCV is in the recipe's environment only")
RECIPE = Path(__file__).resolve().parents[1] / "models" / "recipe"
sys.path.insert(0, str(RECIPE))

import compose  # noqa: E402
import render  # noqa: E402


def scene(seed: int = 1, height: int = 240, width: int = 320) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("kind", render.KINDS)
def test_every_kind_is_drawn_tight_with_its_box_inside(kind: str) -> None:
    cutout = render.render(kind, np.random.default_rng(3), 60)
    height, width = cutout.rgba.shape[:2]
    alpha = cutout.rgba[..., 3]
    edges = (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1])
    assert all(edge.max() > 0 for edge in edges)
    x, y, w, h = cutout.box_px
    assert 0 <= x < x + w <= width
    assert 0 <= y < y + h <= height
    assert cutout.label in kind
    assert cutout.object_alpha.shape == cutout.lit.shape == (height, width)
    assert np.all(cutout.object_alpha <= alpha.astype(int) + 2)


@pytest.mark.parametrize("kind", ["phone", "hand holding wallet", "hand"])
def test_the_same_generator_state_draws_the_same_picture(kind: str) -> None:
    first = render.render(kind, np.random.default_rng(11), 48)
    render.draw_face.cache_clear()
    again = render.render(kind, np.random.default_rng(11), 48)
    assert np.array_equal(first.rgba, again.rgba)
    assert first.box_px == again.box_px


@pytest.mark.parametrize("style", ["wrap", "screen", "pinch", "palm", "ends", None])
def test_any_thing_can_be_held_in_any_grip(style: str | None) -> None:
    rng = np.random.default_rng(17)
    for thing in render.THINGS:
        for size_px in (render.LEAST_PX, 23, 40):
            for _ in range(3):
                cutout = render.render(f"hand holding {thing}", rng, size_px, style=style)
                assert cutout.held
                assert cutout.rgba.dtype == np.uint8


def test_fingers_in_front_hide_a_part_and_the_figure_says_how_much() -> None:
    rng = np.random.default_rng(5)
    held = [render.render("hand holding phone", rng, 80, style="wrap").visible for _ in range(20)]
    bare = [render.render("phone", rng, 80).visible for _ in range(20)]
    assert min(bare) == pytest.approx(1.0)
    assert min(held) < 0.9
    assert all(0 <= share <= 1.001 for share in held)


@pytest.mark.parametrize(
    ("kind", "size_px"), [("telephone", 50), ("phone", 2)], ids=["unknown kind", "too small"]
)
def test_what_cannot_be_drawn_is_refused_by_name(kind: str, size_px: int) -> None:
    with pytest.raises(ValueError, match=r"kind|size_px"):
        render.render(kind, np.random.default_rng(0), size_px)


def test_composing_is_deterministic_and_leaves_the_given_picture_alone() -> None:
    image = scene()
    before = image.copy()
    results = [
        compose.compose(image, [], np.random.default_rng(8), people=[(90, 30, 140, 200)])
        for _ in range(2)
    ]
    assert np.array_equal(image, before)
    assert np.array_equal(results[0][0], results[1][0])
    assert results[0][1:] == results[1][1:]


def test_every_added_box_lies_in_the_picture_where_the_picture_has_changed() -> None:
    rng = np.random.default_rng(21)
    added_at_all = 0
    for index in range(30):
        image = scene(index)
        out, added, hidden = compose.compose(image, [], rng, people=[(90, 30, 140, 200)], count=2)
        changed = np.abs(out.astype(int) - image).max(axis=2) > 6
        for _, (x, y, w, h) in added + hidden:
            assert x >= 0
            assert y >= 0
            assert x + w <= image.shape[1]
            assert y + h <= image.shape[0]
        for _, (x, y, w, h) in added:
            added_at_all += 1
            assert changed[int(y) : int(y + h), int(x) : int(x + w)].mean() > 0.05
    assert added_at_all > 30


def test_a_labelled_phone_is_never_hidden_by_more_than_its_share() -> None:
    phone = (130.0, 90.0, 50.0, 80.0)
    rng = np.random.default_rng(2)
    for index in range(40):
        image = scene(index)
        out, _, _ = compose.compose(
            image, [("phone", phone)], rng, people=[(90, 30, 140, 200)], count=1
        )
        if np.abs(out[:4].astype(int) - image[:4]).mean() > 8:
            continue  # a mood changed every pixel
        x, y, w, h = (int(v) for v in phone)
        moved = np.abs(out.astype(int) - image).max(axis=2)[y : y + h, x : x + w] > 60
        assert moved.mean() <= compose.MOST_PHONE_COVER + 0.05


def test_only_the_wanted_kinds_are_pasted() -> None:
    rng = np.random.default_rng(4)
    labels = set()
    for index in range(12):
        _, added, hidden = compose.compose(scene(index), [], rng, weights={"calculator": 1.0})
        labels |= {label for label, _ in added + hidden}
    assert labels == {"calculator"}


def test_a_bank_of_real_faces_is_read_by_label(tmp_path: Path) -> None:
    picture = np.zeros((240, 120, 4), np.uint8)
    picture[..., 1] = 200
    picture[10:-10, 10:-10, 3] = 255
    cv2.imwrite(str(tmp_path / "earbud-case__1.png"), picture)
    cv2.imwrite(str(tmp_path / "teapot__1.png"), picture)
    bank = compose.load_bank(str(tmp_path))
    assert list(bank) == ["earbud case"]
    assert bank["earbud case"][0].rgb[100, 60].tolist() == [0, 200, 0]


def phone_on_a_table() -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """A dark slab, turned, on a light table: BGR and its box."""
    image = np.full((240, 320, 3), (150, 190, 205), np.uint8)
    image += np.random.default_rng(1).integers(0, 12, image.shape).astype(np.uint8)
    corners = cv2.boxPoints(((160, 120), (60, 120), 25))
    cv2.fillPoly(image, [corners.astype(np.int32)], (40, 30, 25), cv2.LINE_AA)
    x, y, w, h = cv2.boundingRect(corners.astype(np.int32))
    return image, (float(x), float(y), float(w), float(h))


def test_a_slab_is_found_in_its_box_with_its_corners_and_proportions() -> None:
    image, box = phone_on_a_table()
    cut = compose._cut_out(image, box, "phone")
    assert cut is not None
    middle = cut.quad.mean(axis=0)
    assert np.abs(middle - (160, 120)).max() < 3
    assert cut.face.shape[0] / cut.face.shape[1] == pytest.approx(2.0, abs=0.25)
    assert cut.quad[:2, 1].sum() < cut.quad[2:, 1].sum()


def test_a_box_with_nothing_like_a_slab_in_it_is_not_cut_out() -> None:
    image = np.full((240, 320, 3), 200, np.uint8)
    cv2.circle(image, (160, 120), 50, (30, 30, 30), -1)
    assert compose._cut_out(image, (108.0, 68.0, 104.0, 104.0), "phone") is None


def test_a_swap_changes_the_thing_and_leaves_its_surroundings_alone() -> None:
    image, box = phone_on_a_table()
    cut = compose._cut_out(image, box, "phone")
    assert cut is not None
    rgb = np.ascontiguousarray(image[..., ::-1])
    drawn, label = compose.swap(rgb, cut, np.random.default_rng(3), {}, {"calculator": 1.0})
    assert label == "calculator"
    changed = np.abs(drawn.astype(int) - rgb).max(axis=2) > 8
    inside = np.zeros(changed.shape, np.uint8)
    cv2.fillPoly(inside, [cut.quad.astype(np.int32)], 1)
    assert changed[inside == 1].mean() > 0.5
    inside = cv2.dilate(inside, np.ones((9, 9), np.uint8))
    assert not changed[inside == 0].any()
