from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.vision.manifest import Colour, Family, Fit, ModelInput
from edge.vision.preprocess import Placed, Preprocessor, Quant, placed_px

LETTERBOX = ModelInput(64, 48, Colour.RGB, Fit.LETTERBOX, 114)
STRETCH = ModelInput(30, 30, Colour.RGB, Fit.STRETCH)
PIXELS = Quant(0.0, 0)
INT8 = Quant(1.0, -128)


def prepared(image, shape, *, family=Family.YOLOX, dtype=np.float32, quant=PIXELS):
    tensor = np.full((shape.height_px, shape.width_px, 3), 99, dtype)
    placed = Preprocessor(shape, family, dtype=np.dtype(dtype), quant=quant).fill(image, tensor)
    return tensor, placed


def gradient(height, width):
    """Red grows to the right, green downwards; blue is 40."""
    image = np.full((height, width, 3), 40, np.uint8)
    image[..., 0] = np.linspace(0, 255, width)[None, :]
    image[..., 1] = np.linspace(0, 255, height)[:, None]
    return image


@pytest.mark.parametrize(
    ("size", "shape", "expected"),
    [
        pytest.param((64, 48), LETTERBOX, (64, 48), id="as it is"),
        pytest.param((128, 96), LETTERBOX, (64, 48), id="half"),
        pytest.param((128, 48), LETTERBOX, (64, 24), id="wide"),
        pytest.param((48, 96), LETTERBOX, (24, 48), id="upright"),
        pytest.param((32, 12), LETTERBOX, (64, 24), id="enlarged"),
        pytest.param((2000, 3), LETTERBOX, (64, 1), id="a line"),
        pytest.param((128, 48), STRETCH, (30, 30), id="stretched"),
    ],
)
def test_a_picture_keeps_its_aspect_in_a_letterbox(size, shape, expected):
    assert placed_px(*size, shape) == expected


def test_a_picture_of_the_right_size_is_not_touched():
    image = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
    tensor, placed = prepared(image, LETTERBOX)
    assert (tensor == image).all()
    assert placed == Placed(1.0, 1.0)


@pytest.mark.parametrize(
    ("family", "dtype", "quant", "stored"),
    [
        (Family.YOLOX, np.float32, PIXELS, lambda p: p),
        (Family.YOLOX, np.int8, INT8, lambda p: p - 128),
        (Family.YOLOX, np.uint8, Quant(1.0, 0), lambda p: p),
        (Family.YOLOX, np.int8, Quant(2.0, -128), lambda p: np.rint(p / 2) - 128),
        (Family.SSD, np.uint8, Quant(0.0078125, 128), lambda p: p),
        (Family.SSD, np.float32, PIXELS, lambda p: p / 127.5 - 1),
        (Family.GFL, np.int8, Quant(1.0, -12), lambda p: p - 128),
        (Family.GFL, np.uint8, Quant(0.017, 116), lambda p: p),
        (Family.GFL, np.float32, PIXELS, lambda p: p),
    ],
)
def test_pixels_are_stored_as_the_model_counts_them(family, dtype, quant, stored):
    image = np.arange(48 * 64 * 3, dtype=np.uint32).astype(np.uint8).reshape(48, 64, 3)
    tensor, _ = prepared(image, LETTERBOX, family=family, dtype=dtype, quant=quant)
    np.testing.assert_allclose(tensor, stored(image.astype(float)), atol=1e-6)


@pytest.mark.parametrize("size", [(48, 64), (96, 64)])
def test_a_model_made_to_see_upside_down_gets_the_picture_turned(size):
    image = gradient(*size)
    upright, placed = prepared(image, LETTERBOX, family=Family.GFL, dtype=np.int8)
    turned, placed_too = prepared(
        image, replace(LETTERBOX, turned=True), family=Family.GFL, dtype=np.int8
    )
    assert (turned == upright[::-1, ::-1]).all()
    assert placed_too == placed


def test_a_blue_first_model_gets_blue_first():
    shape = ModelInput(64, 48, Colour.BGR, Fit.LETTERBOX, 114)
    for size in ((48, 64), (96, 128)):
        tensor, _ = prepared(gradient(*size), shape)
        assert abs(tensor[..., 0] - 40).max() <= 2
        assert tensor[24, 60, 2] > 200


@pytest.mark.parametrize("dtype", [np.float32, np.int8])
def test_what_the_picture_does_not_fill_is_padding(dtype):
    shift = 128 if dtype == np.int8 else 0
    quant = INT8 if dtype == np.int8 else PIXELS
    wide, placed = prepared(np.zeros((48, 128, 3), np.uint8), LETTERBOX, dtype=dtype, quant=quant)
    assert placed == Placed(0.5, 1.0)
    assert (wide[:24].astype(int) + shift <= 1).all()
    assert (wide[24:].astype(int) + shift == 114).all()
    tall, placed = prepared(np.zeros((96, 48, 3), np.uint8), LETTERBOX, dtype=dtype, quant=quant)
    assert placed == Placed(1.0, 24 / 64)
    assert (tall[:, 24:].astype(int) + shift == 114).all()


def area_mean(image, height, width):
    """What an ideal reduction by a whole number gives."""
    rows, columns = image.shape[0] // height, image.shape[1] // width
    return image.reshape(height, rows, width, columns, 3).mean(axis=(1, 3))


def test_shrinking_averages_instead_of_picking():
    # Stripes one pixel wide: picking would give pure stripes, averaging gives their mean.
    image = np.zeros((192, 256, 3), np.uint8)
    image[:, ::2] = 200
    tensor, _ = prepared(image, LETTERBOX)
    assert abs(tensor[2:-2, 2:-2] - 100).max() < 12


def test_scaling_moves_nothing_and_keeps_colours():
    image = gradient(192, 256)
    tensor, _ = prepared(image, LETTERBOX)
    assert abs(tensor - area_mean(image.astype(float), 48, 64)).max() < 3


def test_frames_of_changing_sizes_go_through_one_preprocessor():
    tensor = np.zeros((48, 64, 3), np.float32)
    preprocessor = Preprocessor(LETTERBOX, Family.YOLOX, dtype=np.dtype(np.float32), quant=PIXELS)
    for height, width in ((96, 128), (480, 640), (48, 64), (97, 131), (96, 128)):
        placed = preprocessor.fill(gradient(height, width), tensor)
        rows, columns = round(placed.height * 48), round(placed.width * 64)
        assert tensor[rows // 2, columns - 1, 0] > 240
        assert tensor[rows - 1, columns // 2, 1] > 240
