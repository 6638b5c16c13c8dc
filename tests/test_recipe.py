"""The recipe: each step leaves the networks as they were, and the files compute what they do.

These run in the recipe's own environment (models/recipe/README.md); elsewhere they are skipped.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the recipe's environment is not installed")
pytest.importorskip("tflite", reason="the recipe's environment is not installed")

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "models" / "recipe"))

import cv2  # noqa: E402
import score  # noqa: E402


def noise(height: int, width: int, seed: int = 3) -> np.ndarray:
    """A picture with large and small structure, (H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 16, width // 16, 3)).repeat(16, 0).repeat(16, 1)
    return np.clip(coarse + rng.normal(0, 25, (height, width, 3)), 0, 255).astype(np.uint8)


def as_tensor(canvas: np.ndarray) -> object:
    return torch.from_numpy(canvas.transpose(2, 0, 1)[None].astype(np.float32))


@pytest.mark.parametrize(
    ("hits", "truths", "expected"),
    [
        pytest.param([True, True], 2, 100.0, id="all found, nothing else"),
        pytest.param([True, False], 2, 51 / 101 * 100, id="half of them found"),
        pytest.param([False, True], 1, 50.0, id="a false alarm came first"),
        pytest.param([], 3, 0.0, id="nothing said"),
    ],
)
def test_average_precision_reads_precision_at_101_recalls(
    hits: list[bool], truths: int, expected: float
) -> None:
    n = len(hits)
    matches = score.Matches(
        np.linspace(0.9, 0.1, n, dtype=np.float32),
        np.array(hits, bool),
        np.zeros(n, bool),
        truths,
    )
    assert score.average_precision(matches) == pytest.approx(expected)


@pytest.fixture(scope="module", params=["nanodet", "picodet"])
def published_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_published_network_rebuilt_computes_what_ncnn_does(
    published_name: str, shared_data: Path
) -> None:
    pytest.importorskip("ncnn")
    import published

    folder = shared_data / "dev" / "images"
    found = [cv2.imread(str(path))[:, :, ::-1] for path in sorted(folder.iterdir())[:2]]
    pictures = [cv2.resize(image, (416, 416)) for image in found]
    classes, boxes = published.difference(published_name, shared_data, pictures)
    assert classes < 1e-4
    assert boxes < 1e-2


def test_numbers_that_are_cut_short_or_left_over_are_not_read(tmp_path: Path) -> None:
    import published

    line = "Convolution c 1 1 a b 0=2 1=1 5=1 6=6"
    (tmp_path / "n.param").write_text(f"7767517\n1 2\n{line}\n")
    weight, bias = np.arange(6, dtype="<f2"), np.arange(2, dtype="<f4")
    whole = bytes.fromhex("476b3001") + weight.tobytes() + bias.tobytes()
    (tmp_path / "n.bin").write_bytes(whole)
    (layer,) = published.read(tmp_path / "n.param")
    assert layer.weight is not None
    assert layer.bias is not None
    assert layer.weight.ravel().tolist() == weight.tolist()
    assert layer.bias.tolist() == [0, 1]
    for wrong, fault in ((whole[:-1], "cut short"), (whole + b"1234", "belong to no layer")):
        (tmp_path / "n.bin").write_bytes(wrong)
        with pytest.raises(ValueError, match=fault):
            published.read(tmp_path / "n.param")


def test_what_is_changed_for_int8_leaves_a_network_as_it_was(
    published_name: str, shared_data: Path
) -> None:
    import even
    import eyes
    import lower
    import published
    import tflite_file

    original = published.load(published_name, shared_data)
    picture = noise(192, 256)[None]
    with torch.inference_mode():
        expected = published.Network(original).eval()(published.normalized(published_name, picture))
        changed = lower.lowered(original)
        assert not {"shuffle", "hardsigmoid"} & {node.kind for node in changed.nodes}
        found = published.Network(changed).eval()(published.normalized(published_name, picture))
        assert max(float((a - b).abs().max()) for a, b in zip(expected, found, strict=True)) < 1e-3

        of_pixels = eyes.network(published_name, shared_data)
        pixels = as_tensor(picture[0]) - tflite_file.GREY
        expected = published.Network(of_pixels).eval()(pixels)
        for ends in ((), *(eye.end for eye in eyes.EYES if eye.name == published_name)):
            spans = even.spans(of_pixels, [pixels])
            evened = even.evened(of_pixels, spans, tflite_file.before(of_pixels, ends))
            found = published.Network(evened).eval()(pixels)
            apart = max(float((a - b).abs().max()) for a, b in zip(expected, found, strict=True))
            assert apart < 1e-2


def test_the_row_of_calls_comes_last_and_leaves_the_others_as_they_were(
    published_name: str, shared_data: Path
) -> None:
    import eyes
    import published

    original = published.load(published_name, shared_data)
    learnt = np.load(eyes.CALL_ROW)
    strides = {f"cls{stride}": stride for stride in published.STRIDES}
    longer = eyes.with_call_row(original, published_name)
    assert longer.outputs == original.outputs
    for before, after in zip(original.nodes, longer.nodes, strict=True):
        if before.out not in strides:
            assert after is before
            continue
        for what in ("weight", "bias"):
            rows, known = getattr(after, what), getattr(before, what)
            np.testing.assert_array_equal(rows[:-1], known)
            told = learnt[f"{published_name}_{strides[before.out]}_{what}"]
            np.testing.assert_array_equal(rows[-1].ravel(), told.ravel())
            assert rows.dtype == known.dtype


def test_a_file_computes_what_the_published_network_does(
    published_name: str, shared_data: Path
) -> None:
    import eyes
    import published
    import tflite_file
    from ai_edge_litert.interpreter import Interpreter

    made_of = eyes.network(published_name, shared_data)
    picture = noise(128, 192)
    interpreter = Interpreter(model_content=tflite_file.write(made_of, 128, 192))
    interpreter.allocate_tensors()
    # The file takes the picture upside down.
    turned = picture[None, ::-1, ::-1].astype(np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], turned)
    interpreter.invoke()
    with torch.inference_mode():
        expected = published.Network(made_of).eval()(as_tensor(picture) - tflite_file.GREY)
    for details, heads in zip(interpreter.get_output_details(), expected, strict=True):
        found = interpreter.get_tensor(details["index"])[0, ::-1, ::-1]
        np.testing.assert_allclose(found, heads[0].permute(1, 2, 0).numpy(), atol=2e-3)


def test_rounded_weights_err_less_where_the_inputs_go_together() -> None:
    import rounding
    from published import Node

    rng = np.random.default_rng(7)
    mixed = rng.normal(size=(12, 6)).astype(np.float32) @ rng.normal(size=(6, 4000))
    given = torch.from_numpy(mixed.astype(np.float32).reshape(1, 12, 40, 100))
    weight = rng.normal(size=(8, 12, 1, 1)).astype(np.float32)
    node = Node("conv", "o", ("i",), (1, 1, 0), 1, weight, np.zeros(8, np.float32))
    new, _ = rounding._rounded_conv(node, given)
    assert new.steps is not None
    assert new.weight is not None
    whole = new.weight / new.steps[:, None, None, None]
    np.testing.assert_allclose(whole, np.round(whole), atol=1e-3)
    steps = new.steps[:, None, None, None]
    nearest = np.round(weight / steps) * steps
    x = mixed.astype(np.float32)

    def error(other: np.ndarray) -> float:
        return float(np.square((other - weight)[:, :, 0, 0] @ x).mean())

    assert error(new.weight) < error(nearest) / 3
