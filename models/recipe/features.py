"""The network of `teach`: PicoDet-S up to its neck, on a crop; and the bank that goes with it.

    python features.py network --data DIR --output FOLDER
        picodet-features.tflite: (1, 160, 160, 3) pixels 0..255, RGB, to 352 numbers: the means of
        the neck at strides 16 and 32, and the highest logits of all 80 classes at both. Half
        precision: the runtimes compute it as fast as whole, 4 ms where a look takes 30; with
        weights of 8 bits alone tflite-runtime takes 22.
    python features.py bank --data DIR --output FOLDER --proposals FILE...
        picodet-features.npz: how the numbers become a vector, and the prior of a classifier
        (edge/taught.py), from the pictures that SOURCES.md lets anybody train on.

FILE is what `procrastobot detect --json --floor 0.02` prints of the pictures of train, core50 and
hagrid: what the eyes themselves propose is what the classifier will be asked about. The first
needs torch, litert-torch and ai-edge-quantizer, the second what the program needs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

SIDE_PX = 160
NAME = "picodet-features"
NECK = ("hardswish_22.tmp_0", "hardswish_30.tmp_0")  # strides 16 and 32
LOGITS = ("cls16", "cls32")
COMPONENTS = 96
HELD = {"phone", "remote", "mouse", "book", "cup"}
PHONES = {"phone", "cell phone"}
OTHERS = {"cup", "book", "remote", "mouse", "keyboard", "laptop"}
SETS = ("train", "core50", "hagrid")
# Its boxes are another detector's, which missed phones: no proposal there is surely false.
UNSURE = "shhd39727-dev/yolo-phone-detection"
COUNTS_AS = 300.0  # views, for the weights
PRIOR = 1.0  # precision of each weight before any picture
TRUSTED_AS = 100.0  # views, that the bank's precision counts as beside the owner's
FREE = 0.03  # precision that is added in every direction, and to the bias
FREE_BIAS = 0.05 * FREE
SLOPE = 4.0  # webcam_dev, poses that were not shown: 3.7 to 5.2, by where the shown ones begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("what", choices=("network", "bank"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--proposals", type=Path, nargs="*", default=[])
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    if args.what == "network":
        network(args.data, args.output / f"{NAME}.tflite")
    else:
        bank(args.data, args.proposals, args.output / f"{NAME}.tflite")


def network(data: Path, path: Path) -> None:
    import litert_torch
    import torch
    from ai_edge_quantizer import qtyping, quantizer
    from ai_edge_quantizer.algorithm_manager import AlgorithmName
    from published import NETWORKS, Network, load
    from torch import nn

    _, mean, scale = NETWORKS["picodet"].normalization

    class Features(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = Network(load("picodet", data, rows=range(80)))
            self.mean = torch.tensor(mean).reshape(1, 3, 1, 1)
            self.scale = torch.tensor(scale).reshape(1, 3, 1, 1)

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            held = self.network.tensors((pixels.permute(0, 3, 1, 2) - self.mean) * self.scale)
            means = [held[name].mean((2, 3)) for name in NECK]
            return torch.cat([*means, *(held[name].amax((2, 3)) for name in LOGITS)], 1)

    plain = path.with_suffix(".float.tflite")
    sample = torch.zeros(1, SIDE_PX, SIDE_PX, 3)
    litert_torch.convert(Features().eval(), (sample,)).export(str(plain))
    smaller = quantizer.Quantizer(str(plain))
    smaller.update_quantization_recipe(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        op_config=qtyping.OpQuantizationConfig(
            weight_tensor_config=qtyping.TensorQuantizationConfig(
                num_bits=16, dtype=qtyping.TensorDataType.FLOAT
            ),
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        ),
        algorithm_key=AlgorithmName.FLOAT_CASTING,
    )
    smaller.quantize().export_model(str(path), overwrite=True)
    path.chmod(0o644)
    plain.unlink()
    print(f"{path}: {path.stat().st_size} bytes, sha256 {_digest(path)}")


def bank(data: Path, proposals: list[Path], path: Path) -> None:
    from edge.devices.camera_picture import load_picture
    from edge.vision.features import crop
    from edge.vision.tflite import Vectors

    network = Vectors(path, SIDE_PX)
    rows, kinds = [], []
    for picture, examples in _examples(data, _proposed(proposals)):
        image = load_picture(picture)
        for is_phone, box in examples:
            rows.append(network(crop(image, box, SIDE_PX)))
            kinds.append(is_phone)
    raw, phone = np.stack(rows), np.array(kinds, np.float64)
    print(f"{len(phone)} things, {int(phone.sum())} of them phones")
    mean, matrix = _projection(raw)
    held = _prior((raw - mean) @ matrix, phone)
    out = path.with_suffix(".npz")
    with out.open("wb") as written:
        np.savez(
            written,
            mean=mean.astype(np.float32),
            matrix=matrix.astype(np.float32),
            slope=np.float32(SLOPE),
            **{name: value.astype(np.float32) for name, value in held.items()},
        )
    print(f"[features]\nside = {SIDE_PX}\nlength = {COMPONENTS}")
    for name, file in (("network", path), ("bank", out)):
        size, digest = file.stat().st_size, _digest(file)
        print(f'{name} = {{ file = "{file.name}", sha256 = "{digest}", bytes = {size} }}')


def _projection(raw: Any) -> tuple[Any, Any]:
    """Principal components of blocks that weigh alike, scaled alike as far as they can be told."""
    mean = raw.mean(axis=0)
    blocks = np.split(np.arange(raw.shape[1]), np.cumsum([96, 96, 80]))
    scale = np.concatenate(
        [np.full(len(b), np.sqrt(raw[:, b].var(axis=0).mean())) for b in blocks]
    ) * np.sqrt(raw.shape[1])
    alike = (raw - mean) / scale
    size, axes = np.linalg.eigh(alike.T @ alike / len(alike))
    size, axes = size[::-1][:COMPONENTS], axes[:, ::-1][:, :COMPONENTS]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(COMPONENTS)])
    matrix = axes / np.sqrt(size + size.mean()) / np.sqrt(COMPONENTS)
    return mean, matrix / scale[:, None]


def _prior(vectors: Any, phone: Any) -> dict[str, Any]:
    """Mean and precision of the weights: see Bank in edge/taught.py."""
    rows = np.concatenate([vectors, np.ones((len(vectors), 1))], axis=1)
    share = np.where(phone > 0, 0.5 / phone.sum(), 0.5 / (len(phone) - phone.sum()))
    before = np.full(rows.shape[1], PRIOR)
    before[-1] = 1e-3
    weights = np.zeros(rows.shape[1])
    for _ in range(40):
        is_phone = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
        slope = rows.T @ (COUNTS_AS * share * (is_phone - phone)) + before * weights
        spread = share * is_phone * (1 - is_phone)
        curve = (rows * spread[:, None]).T @ rows
        weights -= np.linalg.solve(COUNTS_AS * curve + np.diag(before), slope)
    free = np.full(rows.shape[1], FREE)
    free[-1] = FREE_BIAS
    return {"weights": weights, "precision": TRUSTED_AS * curve + np.diag(free)}


def _proposed(files: Iterable[Path]) -> dict[str, list[tuple[float, str, Any]]]:
    """Of each picture, by its folder's and its own name: score, label and box, the surest first."""
    from edge.domain import Box

    held: dict[str, list[tuple[float, str, Any]]] = {}
    for path in files:
        for line in path.read_text(encoding="utf-8").splitlines():
            seen = json.loads(line)
            wide, high = seen["width"], seen["height"]
            held[_key(Path(seen["file"]))] = [
                (
                    each["score"],
                    each["label"],
                    Box(y0 / high, x0 / wide, y1 / high, x1 / wide),
                )
                for each in seen["detections"]
                for x0, y0, x1, y1 in [each["box"]]
            ]
    return held


def _key(picture: Path) -> str:
    return f"{picture.parent.parent.name}/{picture.name}"


def _examples(
    data: Path, proposed: dict[str, list[tuple[float, str, Any]]]
) -> Iterator[tuple[Path, list[tuple[bool, Any]]]]:
    """Of each picture that was looked at: phones, as the eyes see them where they do, and what else
    they propose or somebody labelled."""
    from edge.domain import Box

    draw = random.Random(3)

    def trembling(box: Box) -> Box:
        high, wide = 0.05 * box.height, 0.05 * box.width
        return Box(
            max(0, box.ymin + draw.gauss(0, high)),
            max(0, box.xmin + draw.gauss(0, wide)),
            min(1, box.ymax + draw.gauss(0, high)),
            min(1, box.xmax + draw.gauss(0, wide)),
        )

    for name in SETS:
        tree = json.loads((data / name / "annotations.json").read_text(encoding="utf-8"))
        names = {each["id"]: each["name"] for each in tree["categories"]}
        labelled: dict[int, list[tuple[str, Box]]] = {}
        sizes = {each["id"]: (each["width"], each["height"]) for each in tree["images"]}
        for each in tree["annotations"]:
            (x, y, w, h), (wide, high) = each["bbox"], sizes[each["image_id"]]
            box = Box(y / high, x / wide, (y + h) / high, (x + w) / wide)
            labelled.setdefault(each["image_id"], []).append((names[each["category_id"]], box))
        for picture in tree["images"]:
            path = data / name / "images" / picture["file_name"]
            if _key(path) not in proposed:
                continue
            seen = sorted(proposed[_key(path)], key=lambda each: -each[0])
            seen = [each for each in seen if each[1] in HELD]
            truth = labelled.get(picture["id"], [])
            phones = [box for label, box in truth if label in PHONES]
            found: list[tuple[bool, Box]] = []
            for box in [b for b in phones if 0.002 < b.area < 0.85][:2]:
                best = next((b for _, _, b in seen if b.iou(box) >= 0.5), None)
                found.append((True, best or trembling(box)))
            others: list[Box] = []
            for _, _, box in seen if picture["source"] != UNSURE else []:
                new = all(box.iou(b) < 0.1 for b in phones) and all(
                    box.iou(b) < 0.5 for b in others
                )
                if new and len(others) < 3 and 0.001 < box.area < 0.85:
                    others.append(box)
            for label, box in truth:
                new = label in OTHERS and all(box.iou(b) < 0.5 for b in others)
                if new and len(others) < 5 and 0.003 < box.area < 0.85:
                    others.append(trembling(box))
            found += [(False, box) for box in others]
            found = [(kind, box) for kind, box in found if min(box.height, box.width) >= 0.01]
            if found:
                yield path, found


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
