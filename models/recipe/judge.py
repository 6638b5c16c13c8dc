"""The steering figures of TFLite files, and how they compare.

    python judge.py --data ../../../shared/data FILE.tflite...

Reads files of the YOLOX family with nine raw heads: the project's own, int8 or float.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import score
from ai_edge_litert.interpreter import Interpreter
from export import OUTPUTS
from pseudo import letterbox


class File:
    """A TFLite file: real-valued heads by name for one letterboxed picture."""

    def __init__(
        self,
        path: Path | None = None,
        content: bytes | None = None,
        names: Sequence[str] = OUTPUTS,
        threads: int = 1,
    ) -> None:
        self._names = names
        self._i = Interpreter(
            str(path) if path else None, model_content=content, num_threads=threads
        )
        self._i.allocate_tensors()
        self._input = self._i.get_input_details()[0]
        self._outputs = self._i.get_output_details()
        self.height, self.width = (int(v) for v in self._input["shape"][1:3])

    def heads(self, canvas: np.ndarray) -> dict[str, np.ndarray]:
        """canvas: (H, W, 3) uint8 RGB"""
        if self._input["dtype"] == np.int8:
            x = (canvas.astype(np.int16) - 128).astype(np.int8)
        else:
            x = canvas.astype(np.float32)
        self._i.set_tensor(self._input["index"], x[None])
        self._i.invoke()
        found = {}
        for name, output in zip(self._names, self._outputs, strict=True):
            raw = self._i.get_tensor(output["index"])[0].astype(np.float32)
            scale, zero = output["quantization"]
            found[name] = (raw - zero) * scale if scale else raw
        return found

    def see(self, picture: object, floor: float = 0.01) -> score.Found:
        image = cv2.imread(str(picture.path))[:, :, ::-1]
        canvas, scale = letterbox(image, self.height, self.width)
        return score.decode(self.heads(canvas), scale, floor)


def main() -> None:
    import train

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("files", nargs="+", type=Path)
    args = parser.parse_args()
    _, dev, webcam = train.pools(args.data)
    for path in args.files:
        model = File(path)
        figures = score.summary(
            dev, [model.see(p) for p in dev], webcam, [model.see(p) for p in webcam], train.LABELS
        )
        print(path.name, json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
