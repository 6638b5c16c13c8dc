"""The training recipe: the network is the original's, and the files compute what was trained.

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
import net as nets  # noqa: E402
import quantize  # noqa: E402
import score  # noqa: E402
import stretch  # noqa: E402
from judge import File  # noqa: E402
from pseudo import letterbox  # noqa: E402

HEIGHT, WIDTH = 64, 96


def noise(height: int, width: int, seed: int = 3) -> np.ndarray:
    """A picture with large and small structure, (H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 16, width // 16, 3)).repeat(16, 0).repeat(16, 1)
    return np.clip(coarse + rng.normal(0, 25, (height, width, 3)), 0, 255).astype(np.uint8)


def as_tensor(canvas: np.ndarray) -> object:
    return torch.from_numpy(canvas.transpose(2, 0, 1)[None].astype(np.float32))


@pytest.fixture(scope="module")
def original(shared_data: Path) -> Path:
    return shared_data / "models" / "yolox_nano_coco_cut9.onnx"


@pytest.fixture(scope="module")
def network(original: Path) -> object:
    network = nets.Net(nets.yolox_nano()).eval()
    nets.load_onnx(network, original)
    return network


def test_evening_out_the_stem_costs_int8_less_and_hardly_changes_the_network(
    original: Path, network: object
) -> None:
    evened = nets.Net(nets.yolox_nano()).eval()
    nets.load_onnx(evened, original)
    folder = original.parents[1] / "dev" / "images"
    found = [cv2.imread(str(path))[:, :, ::-1] for path in sorted(folder.iterdir())[:4]]
    pictures = list(quantize.as_batches([letterbox(image, 192, 256)[0] for image in found]))
    before, after = stretch.stretch(evened, "stem", "down2.d", pictures)
    assert after < before / 3
    with torch.no_grad():
        wanted, heads = network(pictures[0]), evened(pictures[0])
    apart = whole = 0.0
    for stride in nets.STRIDES:
        exact, mine = (
            h[f"obj{stride}"].sigmoid() * h[f"cls{stride}"].sigmoid() for h in (wanted, heads)
        )
        apart += float((mine - exact).abs().sum())
        whole += float(exact.sum())
    assert apart < 0.2 * whole


def test_a_tensor_that_several_layers_read_is_not_evened_out(network: object) -> None:
    with pytest.raises(ValueError, match=r"only dark3\.m0\.1 was expected"):
        stretch.stretch(network, "dark3.1", "dark3.m0.1", [])


def test_the_reshaped_network_computes_what_the_original_does(original: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(original))
    canvas = noise(416, 416)
    bgr = np.ascontiguousarray(canvas[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32))
    names = [output.name for output in session.get_outputs()]
    wanted = dict(zip(names, session.run(None, {session.get_inputs()[0].name: bgr}), strict=True))
    network = nets.Net(nets.yolox_nano(80), silu=True).eval()
    nets.load_onnx(network, original, range(80))
    with torch.no_grad():
        heads = network(as_tensor(canvas))
    for name in nets.OUTPUTS:
        assert np.abs(heads[name].numpy() - wanted[name]).max() < 1e-3, name


def test_the_float_file_computes_what_the_network_does(network: object) -> None:
    canvas = noise(HEIGHT, WIDTH)
    found = File(content=quantize.float_file(network, HEIGHT, WIDTH)).heads(canvas)
    with torch.no_grad():
        heads = network(as_tensor(canvas))
    for name in nets.OUTPUTS:
        gap = np.abs(found[name] - heads[name][0].permute(1, 2, 0).numpy()).max()
        assert gap < 1e-3, name


def test_every_operation_of_the_int8_file_computes_what_the_fake_quantized_one_does(
    network: object,
) -> None:
    canvases = [noise(HEIGHT, WIDTH, seed) for seed in range(4)]
    scales = quantize.calibrate(network, quantize.as_batches(canvases))
    twin = quantize.Quantized(network.program, scales).eval()
    twin.load(network)
    for name, steps in quantize.worst_steps(twin, canvases[0]).items():
        assert steps < 1.01, name


def test_what_is_only_copied_shares_one_scale(network: object) -> None:
    canvases = [noise(HEIGHT, WIDTH)]
    scales = quantize.calibrate(network, quantize.as_batches(canvases))
    for op in network.program.ops:
        if op.kind != "conv":
            assert {scales[name] for name in op.inputs} == {scales[op.out]}, op.out


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
