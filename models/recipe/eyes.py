"""From the published networks to the int8 files that ship, and their tables of the manifest.

    python eyes.py --data ../../../shared/data --out ..

Calibrated on pictures of `train` alone. Rewrites [models.nanodet] and [models.picodet] of the
manifest in --out, and leaves its other tables as they are. With --float DIR it also writes float32
files of the same networks there, with a manifest, to compare with.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import eight_bit
import even
import lower
import numpy as np
import rounding
import tflite_file
import torch
from published import LABELS, NETWORKS, STRIDES, Floats, Graph, load

PICTURES = 32  # to calibrate with
NMS_IOU = 0.6
CALL = "call"  # what was learnt here: a row of its own, beside the published ones
CALL_ROW = Path(__file__).with_name("call_row.npz")


@dataclass(frozen=True, slots=True)
class Eye:
    """side: of the input, in pixels; pictures of all shapes are stretched to it, as when the
    networks learnt
    end: the last steps that are done in float32. All that follows is made of the stem's values, and
    they differ most in size: in int8 it costs more than all the rest.
    centre: where in a cell a box is told from (ModelSpec)
    """

    name: str
    side: int
    end: tuple[str, ...]
    centre: float
    thresholds: dict[str, float]
    source: str

    @property
    def description(self) -> str:
        """In the file itself."""
        return f"{self.source}, quantized by models/recipe"


EYES = (
    Eye(
        "nanodet",
        416,
        ("896", "904"),
        0.0,
        {"phone": 0.4, "person": 0.35},
        "NanoDet-Plus-m (RangiLyu, Apache-2.0, trained on COCO)",
    ),
    Eye(
        "picodet",
        384,
        ("depthwise_conv2d_2.tmp_0",),
        0.5,
        {"phone": 0.4, "person": 0.35},
        "PicoDet-S (PaddleDetection, Apache-2.0, trained on COCO)",
    ),
)


def pictures(data: Path, side: int, count: int = PICTURES) -> list[torch.Tensor]:
    """Of `train`, evenly spread over its sources, as the networks take them."""
    files = sorted((data / "train" / "images").iterdir())
    found = []
    for file in (files[n * len(files) // count] for n in range(count)):
        image = cv2.resize(cv2.imread(str(file)), (side, side), interpolation=cv2.INTER_AREA)
        pixels = image[..., ::-1].astype(np.float32).transpose(2, 0, 1)[None] - tflite_file.GREY
        found.append(torch.from_numpy(np.ascontiguousarray(pixels)))
    return found


def network(name: str, data: Path) -> Graph:
    made_of = with_call_row(load(name, data), name)
    return tflite_file.of_pixels(lower.lowered(made_of), NETWORKS[name].normalization)


def with_call_row(made_of: Graph, name: str) -> Graph:
    """One more row of the class heads, after the others."""
    learnt = np.load(CALL_ROW)
    heads = {f"cls{stride}": f"{name}_{stride}" for stride in STRIDES}
    nodes = []
    for node in made_of.nodes:
        if node.out in heads:
            assert node.weight is not None
            assert node.bias is not None
            row, bias = (learnt[f"{heads[node.out]}_{what}"] for what in ("weight", "bias"))
            node = replace(
                node,
                weight=np.concatenate([node.weight, row[None, :, None, None]]),
                bias=np.append(node.bias, bias),
            )
        nodes.append(node)
    return Graph(tuple(nodes), made_of.outputs)


def in_int8(eye: Eye, made_of: Graph, shown: list[torch.Tensor]) -> bytes:
    in_float = tflite_file.before(made_of, eye.end)
    graph = even.evened(made_of, even.spans(made_of, shown), in_float)
    samples: dict[str, Floats] = eight_bit.sample(graph, shown)
    scales = eight_bit.scales(graph, samples, in_float)
    graph = rounding.well_rounded(graph, scales, torch.cat(shown), in_float)
    return tflite_file.write(
        graph,
        eye.side,
        eye.side,
        scales=scales,
        in_float=in_float,
        description=eye.description,
    )


def table(eye: Eye, path: Path, quantization: str) -> str:
    content = path.read_bytes()
    thresholds = ", ".join(f"{label} = {value}" for label, value in eye.thresholds.items())
    lines = [
        f"[models.{eye.name}]",
        f'file = "{path.name}"',
        f'sha256 = "{hashlib.sha256(content).hexdigest()}"',
        f"bytes = {len(content)}",
        'family = "gfl"',
        f"input = {{ width = {eye.side}, height = {eye.side}, "
        'colour = "rgb", fit = "stretch", turned = true }',
        f"labels = {json.dumps((*LABELS, CALL))}",
        f"centre = {eye.centre}",
        f"nms_iou = {NMS_IOU}",
        "floor = 0.25",
        f"thresholds = {{ {thresholds} }}",
        f'quantization = "{quantization}"',
        'licence = "Apache-2.0"',
        f'provenance = "{eye.source}, cut to eight classes, with a row for phones at ears, and'
        ' quantized by models/recipe; see CARD.md"',
    ]
    return "\n".join(lines) + "\n"


def replaced(manifest: str, new: str) -> str:
    """The manifest with that table in the place of its older one, or at the end."""
    header = new.splitlines()[0]
    parts = re.split(r"(?m)^(?=\[)", manifest)
    kept = [new + "\n" if part.splitlines()[:1] == [header] else part for part in parts]
    if new + "\n" not in kept:
        kept.append("\n" + new)
    return "".join(kept).rstrip("\n") + "\n"


def chosen(names: list[str]) -> Iterator[Eye]:
    return (eye for eye in EYES if not names or eye.name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--float", dest="float_out", type=Path)
    parser.add_argument("--eye", action="append", default=[])
    args = parser.parse_args()
    torch.set_num_threads(1)
    for eye in chosen(args.eye):
        shown = pictures(args.data, eye.side)
        made_of = network(eye.name, args.data)
        file = f"{eye.name}-{eye.side}x{eye.side}.tflite"
        for folder, quantization in ((args.out, "int8"), (args.float_out, "float32")):
            if folder is None:
                continue
            folder.mkdir(parents=True, exist_ok=True)
            if quantization == "int8":
                content = in_int8(eye, made_of, shown)
            else:
                content = tflite_file.write(
                    made_of, eye.side, eye.side, description=eye.description
                )
            (folder / file).write_bytes(content)
            manifest = folder / "manifest.toml"
            told = (
                manifest.read_text()
                if manifest.exists()
                else f'format = 1\ndefault = "{eye.name}"\n\n'
            )
            manifest.write_text(replaced(told, table(eye, folder / file, quantization)))
            print(f"{file}, {quantization}: {len(content)} bytes", flush=True)


if __name__ == "__main__":
    main()
