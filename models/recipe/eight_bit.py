"""Scales of an int8 file, from pictures that the networks never see again (`train`).

A tensor's range is the one with the least square error of rounding and cutting off, over samples of
its values. Steps that only move values around give what they take the same scale.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import torch
from export import Scale
from numpy.typing import NDArray
from published import SLOPE, Graph, Network
from tflite_file import PIXELS

Floats = NDArray[np.float32]

MOVES = ("concat", "slice", "maxpool", "nearest", "bilinear")
SAMPLES = 4000  # of a tensor and picture
SEARCHED = 40000  # of them, where a range is looked for
LOGIT_LOW = -6.0  # below it a class is as good as impossible; where scores matter there are steps
SHRINKS = np.linspace(0.1, 1.0, 19)


def sample(made_of: Graph, pictures: Iterable[torch.Tensor], seed: int = 0) -> dict[str, Floats]:
    """Values of every tensor; the largest and smallest of each picture are among them."""
    network = Network(made_of).eval()
    random = np.random.default_rng(seed)
    found: dict[str, list[Floats]] = defaultdict(list)
    with torch.inference_mode():
        for picture in pictures:
            for name, tensor in network.tensors(picture).items():
                values = tensor.numpy().reshape(-1)
                if len(values) > SAMPLES:
                    ends = np.array([values.min(), values.max()], np.float32)
                    values = np.concatenate([random.choice(values, SAMPLES), ends])
                found[name].append(values)
    return {name: np.concatenate(values) for name, values in found.items()}


def groups(made_of: Graph) -> dict[str, str]:
    """Of every tensor, the one after which all that share its scale are called."""
    root: dict[str, str] = {}

    def find(name: str) -> str:
        while root.get(name, name) != name:
            name = root[name]
        return name

    for node in made_of.nodes:
        if node.kind in MOVES:
            for name in node.inputs:
                root[find(name)] = find(node.out)
    names = ["image", *(node.out for node in made_of.nodes)]
    return {name: find(name) for name in names}


def of_range(low: float, high: float) -> Scale:
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / 255, 1e-8)
    return Scale(float(np.float32(scale)), int(np.clip(round(-128 - low / scale), -128, 127)))


def rounded(values: Floats, scale: Scale) -> Floats:
    whole = np.clip(np.round(values / scale.scale) + scale.zero_point, -128, 127)
    return np.asarray((whole - scale.zero_point) * scale.scale, np.float32)


def least_error(values: Floats, low_at_least: float = -np.inf, slope_below: float = 1.0) -> Scale:
    """slope_below: what an error of a value below zero counts for."""
    low, high = max(float(values.min()), low_at_least), float(values.max())
    values = np.maximum(values, low)

    def after(x: Floats) -> Floats:
        return np.where(x < 0, slope_below * x, x)

    wanted = after(values)
    best, least = of_range(low, high), np.inf
    for shrink_high in SHRINKS:
        for shrink_low in SHRINKS if low < 0 and low > low_at_least else (1.0,):
            scale = of_range(low * shrink_low, high * shrink_high)
            error = float(np.square(after(rounded(values, scale)) - wanted).mean())
            if error < least:
                best, least = scale, error
    return best


def scales(
    made_of: Graph, samples: Mapping[str, Floats], in_float: Collection[str] = ()
) -> dict[str, Scale]:
    """Of every tensor that is not computed in float32 and read by such steps alone."""
    inner = {
        name
        for name in in_float
        if all(n.out in in_float for n in made_of.nodes if name in n.inputs)
    }
    of = groups(made_of)
    members: dict[str, list[str]] = defaultdict(list)
    for name, group in of.items():
        members[group].append(name)
    before_swish = {n.inputs[0] for n in made_of.nodes if n.kind in ("hardswish", "ramp")}
    before_leaky = {n.inputs[0] for n in made_of.nodes if n.kind == "leaky"}
    gates = {n.out for n in made_of.nodes if n.kind == "relu6"}
    scaled = {n.out for n in made_of.nodes if n.kind == "scale"}
    ramps = {n.out for n in made_of.nodes if n.kind == "ramp"}
    lowest = {
        n.inputs[0]: -3.0 / float(n.weight.min())
        for n in made_of.nodes
        if n.kind == "scale" and n.weight is not None
    }
    before_swish |= set(lowest)
    found: dict[str, Scale] = {}
    for group, names in members.items():
        values = np.concatenate([samples[name] for name in names])
        if len(values) > SEARCHED:
            ends = np.array([values.min(), values.max()])
            values = np.random.default_rng(1).choice(values, SEARCHED)
            values = np.concatenate([values, ends])
        if all(name in inner for name in names):
            continue
        if group == "image":
            scale = PIXELS
        elif names[0] in scaled:
            scale = of_range(-3.0, 3.0)  # a ramp is all that comes of it
        elif names[0] in ramps:
            scale = of_range(0.0, 6.0)
        elif any(name in gates for name in names):
            scale = of_range(0.0, min(6.0, float(values.max())))
        elif any(name.startswith("cls") for name in names):
            scale = of_range(LOGIT_LOW, float(values.max()) + 0.5)
        elif any(name.startswith("box") for name in names):
            scale = of_range(float(np.quantile(values, 0.001)), float(values.max()))
        elif any(name in before_swish for name in names):
            # A hard swish is 0 below -3, and so is what is not yet scaled back to it.
            (name,) = names
            scale = least_error(values, lowest.get(name, -3.0))
        else:
            leaky = all(name in before_leaky for name in names)
            scale = least_error(values, slope_below=SLOPE if leaky else 1.0)
        found |= dict.fromkeys(names, scale)
    return found


def spread(pictures: Sequence[object], count: int) -> list[object]:
    """`count` of them, evenly."""
    return [pictures[n * len(pictures) // count] for n in range(count)]
