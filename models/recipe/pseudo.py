"""What the original network sees in the training pictures, for classes left unlabelled.

    python pseudo.py --data ../../../shared/data --run RUN [--swaps FOLDER]

Writes RUN/pseudo.json: file name to [class, score, x1, y1, x2, y2] rows. Training takes the sure
ones for labels and asks nothing of the model where the unsure ones lie.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import data
import numpy as np
import score
import torch
from net import COCO_ROWS, OUTPUTS, STRIDES, Net, load_onnx, yolox_nano

SIDE = 640
FLOOR = 0.1


def letterbox(image: np.ndarray, height: int, width: int) -> tuple[np.ndarray, float]:
    """The picture at the top left of a grey (height, width) canvas, and its scale."""
    scale = min(width / image.shape[1], height / image.shape[0])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    canvas = np.full((height, width, 3), 114, np.uint8)
    canvas[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return canvas, scale


def heads_of(net: Net, canvas: np.ndarray) -> dict[str, np.ndarray]:
    with torch.no_grad():
        out = net(torch.from_numpy(canvas.transpose(2, 0, 1)[None].astype(np.float32)))
    return {name: out[name][0].permute(1, 2, 0).numpy() for name in OUTPUTS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--swaps", type=Path, help="what `compose.py swaps` wrote")
    args = parser.parse_args()
    torch.set_num_threads(2)
    net = Net(yolox_nano(80), silu=True).eval()
    load_onnx(net, args.data / "models/yolox_nano_coco_cut9.onnx", range(80))
    seen = {}
    folders = [args.data / name for name in ("train", "dev", "webcam_dev")]
    for folder in [*folders, *([args.swaps] if args.swaps else [])]:
        for picture in data.load(folder):
            image = cv2.imread(str(picture.path))[:, :, ::-1]
            side = SIDE if picture.width > picture.height else 480
            canvas, scale = letterbox(image, 1120 - side, side)
            heads = heads_of(net, canvas)
            for stride in STRIDES:
                heads[f"cls{stride}"] = heads[f"cls{stride}"][:, :, list(COCO_ROWS)]
            found = score.decode(heads, scale, FLOOR)
            seen[picture.path.name] = [
                [int(c), round(float(s), 3), *(round(float(v), 1) for v in b)]
                for b, s, c in zip(found.boxes, found.scores, found.classes, strict=True)
            ]
    (args.run / "pseudo.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
