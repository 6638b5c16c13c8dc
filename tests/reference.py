"""The reference models outside the project, through manifests made for a test."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edge.domain import Box
from edge.vision.labels import COCO_80, COCO_90, canonical

SSD = "coco_ssd_mobilenet_v1_1.0_quant.tflite"
SSD_INPUT = {"width": 300, "height": 300, "colour": "rgb", "fit": "stretch"}
YOLOX_FLOAT = "yolox_nano_320x416_float32.tflite"
YOLOX_INT8 = "yolox_nano_320x416_fullint8_clipped.tflite"
YOLOX_MIXED = "yolox_nano_256x320_int8_f32stem.tflite"


def model_table(file: Path, /, **changes: Any) -> dict[str, Any]:
    """The manifest's table of a model file; `changes` replaces or (None) removes keys."""
    ssd = "ssd" in file.name
    size = next((part for part in file.stem.split("_") if "x" in part[1:-1]), "320x416")
    height, width = (300, 300) if ssd else map(int, size.split("x"))
    yolox_input = {
        "width": width,
        "height": height,
        "colour": "bgr",
        "fit": "letterbox-top-left",
        "pad": 114,
    }
    table = {
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "bytes": file.stat().st_size,
        "family": "ssd" if ssd else "yolox",
        "input": SSD_INPUT if ssd else yolox_input,
        "labels": [
            name if name == "???" else canonical(name) for name in (COCO_90 if ssd else COCO_80)
        ],
        "floor": 0.25,
        "thresholds": {"phone": 0.45},
        "quantization": "int8",
        "licence": "Apache-2.0",
        "provenance": "a reference model",
    }
    return {key: value for key, value in (table | changes).items() if value is not None}


def write_manifest(folder: Path, tables: dict[str, dict[str, Any]], default: str = "") -> Path:
    lines = ["format = 1", f"default = {json.dumps(default or next(iter(tables), ''))}"]
    for name, table in tables.items():
        lines.append(f"[models.{name}]")
        lines += [f"{key} = {_toml(value)}" for key, value in table.items()]
    path = folder / "manifest.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def with_models(folder: Path, files: Sequence[Path]) -> Path:
    """Copy model files into `folder` and describe them; returns the manifest's path."""
    copies = [Path(shutil.copy(file, folder)) for file in files]
    return write_manifest(
        folder, {copy.stem.replace(".", "_"): model_table(copy) for copy in copies}
    )


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value)


def large_people(data: Path, most: int) -> Iterator[tuple[Path, Box]]:
    """The first large people labelled in `dev`: the picture, and where in it."""
    told = json.loads((data / "dev" / "annotations.json").read_text())
    images = {image["id"]: image for image in told["images"]}
    for entry in told["annotations"]:
        x, y, w, h = entry["bbox"]
        if most == 0:
            return
        if entry["category_id"] == 1 and w * h > 40000:
            most -= 1
            image = images[entry["image_id"]]
            width, height = image["width"], image["height"]
            box = Box(y / height, x / width, (y + h) / height, (x + w) / width)
            yield data / "dev" / "images" / image["file_name"], box
