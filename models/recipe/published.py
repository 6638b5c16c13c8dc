"""The published networks, read from their ncnn files and rebuilt as PyTorch.

An ncnn network is a text file of layers (`.param`) and the numbers of those that have any, one
after another (`.bin`): each weight a tag of four bytes, 0 for float32 or 0x01306B47 for float16
(then padded to four bytes), and the numbers; each bias float32 without a tag.

What is read becomes a short list of `Node`s of a dozen kinds, cut before the heads' sigmoids: one
convolution per stride gives the logits of the classes, another the 4 x 8 bins of distances.
`Network` runs them, and everything else of the recipe walks the same list.

    python published.py --data ../../../shared/data

prints, for both networks, how far the rebuilt one is from what the package `ncnn` computes.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

Floats = NDArray[np.float32]

MAGIC = "7767517"
FLOAT16_TAG = 0x01306B47
STRIDES = (8, 16, 32, 64)
SLOPE = 0.1  # of every leaky ReLU here, checked when read
BINS = 8  # per side of a box: distances of 0..7 strides
COCO_CLASSES = 80
# Labels of this project, and the rows of the class heads (COCO's order of 80) that give them.
LABELS = ("phone", "person", "remote", "mouse", "laptop", "book", "keyboard", "cup")
COCO_ROWS = (67, 0, 65, 64, 63, 73, 66, 41)


class Normalization(NamedTuple):
    """What the network computes with is (pixel - mean) * scale, colours in this order."""

    colour: str
    mean: tuple[float, float, float]
    scale: tuple[float, float, float]


class Published(NamedTuple):
    stem: str  # of its two files
    normalization: Normalization


NETWORKS: Mapping[str, Published] = {
    "nanodet": Published(
        "nanodet-plus-m_416",
        Normalization("bgr", (103.53, 116.28, 123.675), (0.017429, 0.017507, 0.017125)),
    ),
    "picodet": Published(
        "picodet-s-416",
        Normalization("rgb", (123.675, 116.28, 103.53), (0.017125, 0.017507, 0.017429)),
    ),
}


# ---------------------------------------------------------------- reading


@dataclass(frozen=True, slots=True)
class Layer:
    """A line of the `.param` file, with its numbers."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: Mapping[int, float | list[float]]
    weight: Floats | None = None
    bias: Floats | None = None

    def whole(self, key: int, otherwise: int = 0) -> int:
        value = self.options.get(key, otherwise)
        assert not isinstance(value, list)
        return int(value)

    def several(self, key: int) -> list[float]:
        """An array; ncnn writes those under -23300 - key."""
        value = self.options.get(-23300 - key, [])
        assert isinstance(value, list)
        return value


class _Numbers:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def _take(self, size: int) -> bytes:
        taken = self._content[self._at : self._at + size]
        if len(taken) < size:
            raise ValueError(f"the numbers end at byte {len(self._content)}: cut short")
        self._at += size
        return taken

    def plain(self, count: int) -> Floats:
        return np.frombuffer(self._take(4 * count), "<f4").astype(np.float32)

    def tagged(self, count: int) -> Floats:
        tag = int.from_bytes(self._take(4), "little")
        if tag == 0:
            return self.plain(count)
        if tag != FLOAT16_TAG:
            raise ValueError(f"at byte {self._at - 4}: {tag:#x} is no tag of float32 or float16")
        halves = np.frombuffer(self._take(2 * count + 2 * (count % 2)), "<f2")
        return halves[:count].astype(np.float32)

    def check_end(self) -> None:
        if self._at != len(self._content):
            raise ValueError(f"{len(self._content) - self._at} bytes of numbers belong to no layer")


def read(param: Path) -> list[Layer]:
    """The layers of `param` and of the `.bin` file beside it, in order of execution."""
    lines = param.read_text().split("\n")
    if lines[0].strip() != MAGIC:
        raise ValueError(f"{param} is no ncnn network: it begins with {lines[0][:20]!r}")
    numbers = _Numbers(param.with_suffix(".bin").read_bytes())
    layers = [_layer(line.split(), numbers) for line in lines[2:] if line.strip()]
    numbers.check_end()
    return layers


def _layer(words: list[str], numbers: _Numbers) -> Layer:
    kind, name, inputs, outputs = words[0], words[1], int(words[2]), int(words[3])
    tensors, settings = words[4 : 4 + inputs + outputs], words[4 + inputs + outputs :]
    options: dict[int, float | list[float]] = {}
    for setting in settings:
        key, value = setting.split("=")
        if int(key) <= -23300:
            options[int(key)] = [float(each) for each in value.split(",")[1:]]
        else:
            options[int(key)] = float(value)
    layer = Layer(kind, name, tuple(tensors[:inputs]), tuple(tensors[inputs:]), options)
    if not kind.startswith("Convolution"):
        return layer
    channels, kernel, count = layer.whole(0), layer.whole(1), layer.whole(6)
    if layer.whole(11, kernel) != kernel or layer.whole(2, 1) != 1 or not layer.whole(5):
        raise ValueError(f"{name}: only square kernels without dilation and with a bias are known")
    weight = numbers.tagged(count).reshape(channels, -1, kernel, kernel)
    return replace(layer, weight=weight, bias=numbers.plain(channels))


# ---------------------------------------------------------------- the network as nodes


@dataclass(frozen=True, slots=True)
class Node:
    """One step. kind: conv, leaky, relu, relu6, hardswish, hardsigmoid, add, mul, concat, slice,
    shuffle, scale (each channel by a weight), ramp (relu6(x + 3)), maxpool, mean, nearest, bilinear
    (both twofold). Tensors go by name; `size` holds begin and end of a slice, or kernel, stride and
    padding; `steps`, per output channel, what its weights
    are whole multiples of, if they are."""

    kind: str
    out: str
    inputs: tuple[str, ...]
    size: tuple[int, ...] = ()
    groups: int = 1
    weight: Floats | None = field(default=None, repr=False, compare=False)
    bias: Floats | None = field(default=None, repr=False, compare=False)
    steps: Floats | None = field(default=None, repr=False, compare=False)


class Graph(NamedTuple):
    """nodes: in order of execution, from the tensor "image". outputs: cls8, box8, cls16, ..."""

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]


def graph(layers: Sequence[Layer], rows: Sequence[int] = COCO_ROWS) -> Graph:
    """Cut before the sigmoids; of the classes only `rows` stay."""
    nodes: list[Node] = []
    same: dict[str, str] = {}
    heads: list[str] = []
    for layer in layers:
        inputs = tuple(same.get(name, name) for name in layer.inputs)
        out = layer.outputs[0]
        if layer.kind == "Input":
            same[out] = "image"
        elif layer.kind == "Split":
            same.update(dict.fromkeys(layer.outputs, inputs[0]))
        elif layer.kind.startswith("Convolution"):
            nodes += _convolution(layer, inputs[0])
        elif layer.kind == "Slice":
            if int(layer.several(0)[0]) == COCO_CLASSES:
                heads.append(inputs[0])
                continue
            middle = int(layer.several(0)[0])
            nodes.append(Node("slice", layer.outputs[0], inputs, (0, middle)))
            nodes.append(Node("slice", layer.outputs[1], inputs, (middle, 2 * middle)))
        elif layer.kind == "Crop":
            size = int(layer.several(9)[0]), int(layer.several(10)[0])
            nodes.append(Node("slice", out, inputs, size))
        elif layer.kind == "Pooling":
            if layer.whole(4):
                nodes.append(Node("mean", out, inputs))
            else:
                size = layer.whole(1), layer.whole(2), layer.whole(3)
                nodes.append(Node("maxpool", out, inputs, size))
        elif layer.kind == "Interp":
            nodes.append(Node({1: "nearest", 2: "bilinear"}[layer.whole(0)], out, inputs))
        elif layer.kind == "BinaryOp":
            nodes.append(Node({0: "add", 2: "mul"}[layer.whole(0)], out, inputs))
        elif layer.kind in _PLAIN and not set(inputs) <= {n.out for n in nodes}:
            continue  # what comes after the cut
        elif layer.kind in _PLAIN:
            nodes.append(Node(_PLAIN[layer.kind], out, inputs))
        elif layer.kind not in ("Sigmoid", "Reshape", "Permute"):
            raise ValueError(f"{layer.name}: {layer.kind} is not known")
    return _cut(nodes, heads, rows)


_PLAIN = {
    "HardSwish": "hardswish",
    "HardSigmoid": "hardsigmoid",
    "ReLU": "relu",
    "Concat": "concat",
    "ShuffleChannel": "shuffle",
}


def _convolution(layer: Layer, source: str) -> list[Node]:
    assert layer.weight is not None
    out = layer.outputs[0]
    groups = layer.whole(7, 1)
    size = layer.whole(1), layer.whole(3, 1), layer.whole(4)
    weight = layer.weight.reshape(layer.whole(0), -1, size[0], size[0])
    activation = layer.whole(9)
    if activation == 0:
        return [Node("conv", out, (source,), size, groups, weight, layer.bias)]
    if activation != 2 or abs(layer.several(10)[0] - SLOPE) > 1e-6:
        raise ValueError(f"{layer.name}: activation {activation} {layer.several(10)} is not known")
    before = out + ".pre"
    return [
        Node("conv", before, (source,), size, groups, weight, layer.bias),
        Node("leaky", out, (before,)),
    ]


def _cut(nodes: list[Node], heads: list[str], rows: Sequence[int]) -> Graph:
    """Each head's one convolution becomes two, so that logits and distances get scales of their
    own in int8."""
    kept: list[Node] = []
    outputs: list[str] = []
    for node in nodes:
        if node.out not in heads:
            kept.append(node)
            continue
        stride = STRIDES[heads.index(node.out)]
        assert node.weight is not None
        assert node.bias is not None
        box = slice(COCO_CLASSES, COCO_CLASSES + 4 * BINS)
        for name, which in ((f"cls{stride}", list(rows)), (f"box{stride}", box)):
            kept.append(replace(node, out=name, weight=node.weight[which], bias=node.bias[which]))
    for stride in STRIDES:
        outputs += [f"cls{stride}", f"box{stride}"]
    return Graph(tuple(kept), tuple(outputs))


def shuffled(channels: int) -> list[int]:
    """Which channel comes where when two halves are dealt out alternately."""
    return list(np.arange(channels).reshape(2, -1).T.reshape(-1))


# ---------------------------------------------------------------- running it


class Network(nn.Module):
    """Runs a graph; (N, 3, H, W) normalized pixels to its outputs, or to every tensor by name."""

    def __init__(self, made_of: Graph) -> None:
        super().__init__()
        self.graph = made_of
        self.weights = nn.ParameterDict()
        for node in made_of.nodes:
            key = node.out.replace(".", "_")
            if node.weight is not None:
                self.weights[key + "_w"] = nn.Parameter(torch.from_numpy(node.weight.copy()))
            if node.bias is not None:
                self.weights[key + "_b"] = nn.Parameter(torch.from_numpy(node.bias.copy()))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        tensors = self.tensors(image)
        return tuple(tensors[name] for name in self.graph.outputs)

    def tensors(self, image: Tensor) -> dict[str, Tensor]:
        held = {"image": image}
        for node in self.graph.nodes:
            held[node.out] = self.step(node, [held[name] for name in node.inputs])
        return held

    def step(self, node: Node, given: list[Tensor]) -> Tensor:
        x = given[0]
        if node.kind == "conv":
            key = node.out.replace(".", "_")
            weight, bias = self.weights[key + "_w"], self.weights[key + "_b"]
            _, stride, pad = node.size
            return functional.conv2d(x, weight, bias, stride, pad, groups=node.groups)
        if node.kind == "scale":
            return x * self.weights[node.out.replace(".", "_") + "_w"][:, None, None]
        if node.kind == "slice":
            return x[:, node.size[0] : node.size[1]]
        if node.kind == "maxpool":
            return functional.max_pool2d(x, *node.size)
        if node.kind == "shuffle":
            return x[:, shuffled(x.shape[1])]
        return _STEPS[node.kind](*given)


_STEPS = {
    "leaky": lambda x: functional.leaky_relu(x, SLOPE),
    "relu": functional.relu,
    "relu6": functional.relu6,
    "hardswish": functional.hardswish,
    "hardsigmoid": functional.hardsigmoid,
    "ramp": lambda x: functional.relu6(x + 3),
    "add": torch.add,
    "mul": torch.mul,
    "concat": lambda *given: torch.cat(given, 1),
    "mean": lambda x: x.mean((2, 3), keepdim=True),
    "nearest": lambda x: functional.interpolate(x, scale_factor=2, mode="nearest"),
    "bilinear": lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear"),
}


def load(name: str, data: Path, rows: Sequence[int] = COCO_ROWS) -> Graph:
    """data: the folder that SOURCES.md describes."""
    return graph(read(data / "models" / f"{NETWORKS[name].stem}.param"), rows)


def normalized(name: str, pictures: NDArray[np.uint8]) -> Tensor:
    """(N, H, W, 3) RGB to what the network takes."""
    _, mean, scale = NETWORKS[name].normalization
    if NETWORKS[name].normalization.colour == "bgr":
        pictures = pictures[..., ::-1]
    x = (pictures.astype(np.float32) - np.float32(mean)) * np.float32(scale)
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


# ---------------------------------------------------------------- is it the same?


def by_ncnn(name: str, data: Path, picture: NDArray[np.uint8]) -> list[tuple[Floats, Floats]]:
    """(class probabilities, distance bins) per stride as `ncnn` computes them, (cells, channels).

    picture: (H, W, 3) RGB
    """
    import ncnn

    net = ncnn.Net()
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    net.opt.num_threads = 1
    stem = data / "models" / NETWORKS[name].stem
    net.load_param(f"{stem}.param")
    net.load_model(f"{stem}.bin")
    extractor = net.create_extractor()
    x = normalized(name, picture[None])[0].numpy()
    extractor.input("data" if name == "nanodet" else "image", ncnn.Mat(x).clone())
    height, width = picture.shape[:2]
    cells = [-(-height // s) * -(-width // s) for s in STRIDES]
    if name == "nanodet":
        whole = np.array(extractor.extract("output")[1])
        parts = np.split(whole, np.cumsum(cells)[:-1])
        return [(p[:, :COCO_CLASSES], p[:, COCO_CLASSES:]) for p in parts]
    found = [np.array(extractor.extract(f"save_infer_model/scale_{n}.tmp_1")[1]) for n in range(8)]
    return list(zip(found[:4], found[4:], strict=True))


def difference(name: str, data: Path, pictures: Sequence[NDArray[np.uint8]]) -> tuple[float, float]:
    """The largest one from `ncnn`: of the class probabilities, of the distance bins."""
    network = Network(load(name, data)).eval()
    worst = [0.0, 0.0]
    for picture in pictures:
        with torch.inference_mode():
            heads = [h[0].flatten(1).T.numpy() for h in network(normalized(name, picture[None]))]
        theirs = by_ncnn(name, data, picture)
        for stride, (classes, boxes) in enumerate(theirs):
            mine = 1 / (1 + np.exp(-heads[2 * stride]))
            worst[0] = max(worst[0], float(np.abs(mine - classes[:, COCO_ROWS]).max()))
            worst[1] = max(worst[1], float(np.abs(heads[2 * stride + 1] - boxes).max()))
    return worst[0], worst[1]


def main() -> None:
    import cv2

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=5)
    args = parser.parse_args()
    files = sorted((args.data / "train" / "images").iterdir())
    files = files[:: len(files) // args.pictures][: args.pictures]
    pictures = [cv2.resize(cv2.imread(str(f)), (416, 416))[..., ::-1] for f in files]
    for name in NETWORKS:
        classes, boxes = difference(name, args.data, pictures)
        print(f"{name}: largest difference from ncnn on {len(pictures)} pictures:"
              f" class probabilities {classes:.2g}, distance bins {boxes:.2g}")  # fmt: skip


if __name__ == "__main__":
    main()
