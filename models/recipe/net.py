"""The detector as a list of operations, and a PyTorch module that runs it.

The network is YOLOX-Nano (Ge et al., arXiv:2107.08430; Megvii, Apache-2.0) with batch normalization
folded in. It is kept as a flat program of a few kinds of operation, because three things walk it:
the trainable module below, its fake-quantized twin, and the TFLite writer in `export.py`.

Differences from the original:
* The Focus stem (four sub-sampled pictures, then 3x3) is the one 6x6 convolution of stride 2 that
  computes the same thing: no slicing, no concatenation, and TFLite has it in one operation.
* SiLU gives way to GELU, which is the same curve in other units, and which TFLite looks up in a
  table of 256 bytes where it works SiLU out as a sigmoid and a product of tensors.
* The input is RGB 0..255 (the original: BGR).
* The class heads keep the rows of the classes that matter at a desk and gain new ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32)
DENSE = 32
EPSILON = 1e-3  # of batch normalization, in units of kernels of length 1
MOMENTUM = 0.03
# Hendrycks and Gimpel, Gaussian Error Linear Units, arXiv:1606.08415: GELU(x) is near x / (1 +
# exp(-1.702 x)).
SILU_PER_GELU = 1.702

# Class order of the shipped model, and the COCO class (0..79) whose weights start each one.
LABELS = (
    "phone",
    "person",
    "remote",
    "mouse",
    "laptop",
    "book",
    "keyboard",
    "cup",
    "wallet",
    "earbud case",
    "calculator",
    "pen",
)
COCO_ROWS = (67, 0, 65, 64, 63, 73, 66, 41)
# New classes start from the nearest COCO class, made less likely by this much in its bias.
NEW_ROWS = (26, 64, 65, 79)  # handbag, mouse, remote, toothbrush
NEW_ROW_PENALTY = 2.0


@dataclass(frozen=True, slots=True)
class Op:
    """One step: `kind` is conv, concat, maxpool or upsample; tensors go by name."""

    kind: str
    out: str
    inputs: tuple[str, ...]
    channels: int = 0  # conv: output channels
    kernel: int = 1
    stride: int = 1
    depthwise: bool = False
    act: bool = True
    summands: int = 1  # conv: the original added up so many tensors where this one stacks them


@dataclass(slots=True)
class Program:
    """Operations in the order of execution, with the channels of every tensor."""

    ops: list[Op] = field(default_factory=list)
    dense: int = 0  # depthwise convolutions of at most so many channels are full ones
    channels: dict[str, int] = field(default_factory=lambda: {"image": 3})

    def _add(self, op: Op, channels: int) -> str:
        if op.out in self.channels:
            msg = f"two tensors are called {op.out}"
            raise ValueError(msg)
        self.ops.append(op)
        self.channels[op.out] = channels
        return op.out

    def conv(self, out: str, x: str, channels: int, kernel: int = 1, stride: int = 1,
             *, act: bool = True, summands: int = 1) -> str:  # fmt: skip
        op = Op("conv", out, (x,), channels, kernel, stride, act=act, summands=summands)
        return self._add(op, channels)

    def depthwise(self, out: str, x: str, kernel: int, stride: int) -> str:
        channels = self.channels[x]
        depthwise = channels > self.dense
        return self._add(Op("conv", out, (x,), channels, kernel, stride, depthwise), channels)

    def separable(self, out: str, x: str, channels: int, kernel: int, stride: int) -> str:
        return self.conv(f"{out}.p", self.depthwise(f"{out}.d", x, kernel, stride), channels)

    def concat(self, out: str, *parts: str) -> str:
        return self._add(Op("concat", out, parts), sum(self.channels[p] for p in parts))

    def maxpool(self, out: str, x: str, kernel: int) -> str:
        return self._add(Op("maxpool", out, (x,), kernel=kernel), self.channels[x])

    def upsample(self, out: str, x: str) -> str:
        return self._add(Op("upsample", out, (x,)), self.channels[x])

    def csp(self, out: str, x: str, channels: int, repeats: int, *, shortcut: bool = True) -> str:
        """A cross-stage block. Its residual sums are left to the 1x1 convolutions that read them:
        W(a + b) = [W W](a, b). Stacking is a copy where adding int8 means rescaling, and the two
        halves of the kernel are free to part in training.
        """
        hidden = channels // 2
        parts = [self.conv(f"{out}.1", x, hidden)]
        rest = self.conv(f"{out}.2", x, hidden)
        for i in range(repeats):
            y = parts[0] if len(parts) == 1 else self.concat(f"{out}.m{i}.cat", *parts)
            z = self.conv(f"{out}.m{i}.1", y, hidden, summands=len(parts))
            z = self.separable(f"{out}.m{i}.2", z, hidden, 3, 1)
            parts = [z, *parts] if shortcut else [z]
        stacked = self.concat(f"{out}.cat", *parts, rest)
        return self.conv(f"{out}.3", stacked, channels, summands=len(parts))


def yolox_nano(classes: int = len(LABELS), dense: int = DENSE) -> Program:
    """The program; the nine convolutions it ends in are named reg8, obj8, cls8, ... cls32."""
    p = Program(dense=dense)
    x = p.separable("down2", p.conv("stem", "image", 16, 6, 2), 32, 3, 2)
    x = p.csp("dark2", x, 32, 1)
    c3 = x = p.csp("dark3", p.separable("down3", x, 64, 3, 2), 64, 3)
    c4 = x = p.csp("dark4", p.separable("down4", x, 128, 3, 2), 128, 3)
    x = p.separable("down5", x, 256, 3, 2)
    x = p.conv("spp.1", x, 128)
    # 9x9 is 5x5 twice and 13x13 is 5x5 three times, at a fraction of the comparisons.
    pool5 = p.maxpool("spp.pool5", x, 5)
    pool9 = p.maxpool("spp.pool9", pool5, 5)
    pool13 = p.maxpool("spp.pool13", pool9, 5)
    x = p.conv("spp.2", p.concat("spp.cat", x, pool5, pool9, pool13), 256)
    c5 = p.csp("dark5", x, 256, 1, shortcut=False)

    lateral5 = p.conv("lateral5", c5, 128)
    x = p.concat("fpn4.in", p.upsample("up4", lateral5), c4)
    x = p.csp("fpn4", x, 128, 1, shortcut=False)
    lateral4 = p.conv("lateral4", x, 64)
    x = p.concat("fpn3.in", p.upsample("up3", lateral4), c3)
    n3 = p.csp("fpn3", x, 64, 1, shortcut=False)
    x = p.concat("pan4.in", p.separable("pan4.down", n3, 64, 3, 2), lateral4)
    n4 = p.csp("pan4", x, 128, 1, shortcut=False)
    x = p.concat("pan5.in", p.separable("pan5.down", n4, 128, 3, 2), lateral5)
    n5 = p.csp("pan5", x, 256, 1, shortcut=False)

    for stride, level in zip(STRIDES, (n3, n4, n5), strict=True):
        x = p.conv(f"head{stride}", level, 64)
        c = p.separable(f"head{stride}.cls1", x, 64, 3, 1)
        c = p.separable(f"head{stride}.cls2", c, 64, 3, 1)
        p.conv(f"cls{stride}", c, classes, act=False)
        r = p.separable(f"head{stride}.reg1", x, 64, 3, 1)
        r = p.separable(f"head{stride}.reg2", r, 64, 3, 1)
        p.conv(f"reg{stride}", r, 4, act=False)
        p.conv(f"obj{stride}", r, 1, act=False)
    return p


OUTPUTS = tuple(f"{head}{stride}" for stride in STRIDES for head in ("reg", "obj", "cls"))


class Net(nn.Module):
    """Runs a program. The original has SiLU activations, the shipped network GELU."""

    def __init__(self, program: Program, *, silu: bool = False) -> None:
        super().__init__()
        self.program = program
        self.silu = silu
        self.convs = nn.ModuleDict()
        for op in program.ops:
            if op.kind != "conv":
                continue
            cin = program.channels[op.inputs[0]]
            self.convs[key(op.out)] = nn.Conv2d(
                cin,
                op.channels,
                op.kernel,
                op.stride,
                padding=(op.kernel - 1) // 2,
                groups=cin if op.depthwise else 1,
            )
        self._last_use = _last_uses(program)

    def act(self, x: Tensor) -> Tensor:
        return functional.silu(x) if self.silu else functional.gelu(x)

    def conv(self, op: Op, x: Tensor) -> Tensor:
        """The convolution of `op`, with its activation."""
        y = self.convs[key(op.out)](x)
        return self.act(y) if op.act else y

    def apply_op(self, op: Op, args: list[Tensor]) -> Tensor:
        if op.kind == "conv":
            return self.conv(op, args[0])
        if op.kind == "concat":
            return torch.cat(args, 1)
        if op.kind == "maxpool":
            return functional.max_pool2d(args[0], op.kernel, 1, op.kernel // 2)
        return functional.interpolate(args[0], scale_factor=2, mode="nearest")

    def forward(self, image: Tensor, keep: Sequence[str] = ()) -> dict[str, Tensor]:
        """Nine raw heads (and the tensors named in `keep`), NCHW, by name.

        image: (N, 3, H, W) RGB 0..255, H and W multiples of 32
        """
        values = {"image": image}
        for i, op in enumerate(self.program.ops):
            values[op.out] = self.apply_op(op, [values[name] for name in op.inputs])
            for name in self._last_use[i]:
                if name not in keep:
                    del values[name]
        return values


class Normed(Net):
    """The network with batch normalization taken out of its folded weights again, for training.

    Folded, one kernel's values are a thousand times another's, and no step size suits both: the
    stem is lost before the rest has moved.
    """

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.norms = nn.ModuleDict(
            {
                key(op.out): nn.BatchNorm2d(op.channels, eps=EPSILON, momentum=MOMENTUM)
                for op in program.ops
                if op.kind == "conv" and op.act
            }
        )

    def conv(self, op: Op, x: Tensor) -> Tensor:
        conv = self.convs[key(op.out)]
        if not op.act:
            return conv(x)
        y = functional.conv2d(x, conv.weight, None, conv.stride, conv.padding, groups=conv.groups)
        return self.act(self.norms[key(op.out)](y))

    @torch.no_grad()
    def unfold(self, net: Net, batches: Sequence[Tensor]) -> None:
        """Become `net` exactly, with the statistics that these (N, 3, H, W) batches give."""
        sums: dict[str, list[Tensor]] = {}
        names = [op.out for op in net.program.ops if op.kind == "conv" and op.act]
        inputs = {op.out: op.inputs[0] for op in net.program.ops if op.kind == "conv"}
        for batch in batches:
            values = net(batch, keep=list(net.program.channels))
            for name in names:
                conv = net.convs[key(name)]
                y = functional.conv2d(
                    values[inputs[name]], conv.weight, None, conv.stride, conv.padding,
                    groups=conv.groups,
                )  # fmt: skip
                sums.setdefault(name, []).append(
                    torch.stack([y.mean((0, 2, 3)), y.square().mean((0, 2, 3))])
                )
        self.convs.load_state_dict(net.convs.state_dict())
        for name in names:
            mean, square = torch.stack(sums[name]).mean(0)
            conv, norm = self.convs[key(name)], self.norms[key(name)]
            size = conv.weight.flatten(1).norm(dim=1).clamp(min=1e-6)
            norm.bias.copy_(conv.bias + mean)
            # A kernel of length 1 does the same once its statistics shrink with it.
            conv.weight.div_(size[:, None, None, None])
            conv.bias.zero_()
            norm.running_mean.copy_(mean / size)
            norm.running_var.copy_((square - mean.square()).clamp(min=0) / size.square())
            norm.weight.copy_((norm.running_var + EPSILON).sqrt() * size)

    @torch.no_grad()
    def folded(self) -> Net:
        """The plain network that computes what this one does in eval mode."""
        net = Net(self.program)
        net.convs.load_state_dict(self.convs.state_dict())
        for name, norm in self.norms.items():
            gain = norm.weight / (norm.running_var + EPSILON).sqrt()
            net.convs[name].weight.mul_(gain[:, None, None, None])
            net.convs[name].bias.copy_(norm.bias - norm.running_mean * gain)
        return net.eval()


def key(name: str) -> str:
    return name.replace(".", "_")


def _last_uses(program: Program) -> list[list[str]]:
    """For each operation the tensors that nothing needs after it (the heads stay)."""
    last = {name: i for i, op in enumerate(program.ops) for name in op.inputs}
    uses: list[list[str]] = [[] for _ in program.ops]
    for name, i in last.items():
        uses[i].append(name)
    return uses


def focus_to_stem(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """The 6x6 stride-2 kernel (16, 3, 6, 6) equal to Focus and a 3x3 kernel (16, 12, 3, 3).

    Focus stacks the pixels of each 2x2 block as (top-left, bottom-left, top-right, bottom-right),
    BGR each; the result reads RGB.
    """
    stem = np.zeros((weight.shape[0], 3, 6, 6), np.float32)
    for block, (dy, dx) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        stem[:, :, dy::2, dx::2] = weight[:, block * 3 : block * 3 + 3][:, ::-1]
    return stem


def undepthwise(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """A depthwise kernel (C, 1, k, k) as the full one (C, C, k, k) that computes the same."""
    full = np.zeros((len(weight), len(weight), *weight.shape[2:]), np.float32)
    full[np.arange(len(weight)), np.arange(len(weight))] = weight[:, 0]
    return full


def load_onnx(net: Net, path: Path, rows: Sequence[int] | None = None) -> None:
    """Fill `net` with the folded weights of the original's ONNX file, in order of execution.

    rows: COCO classes to keep, in order; without it the rows of `LABELS` (8 kept, 4 new).
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    weights = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
    nodes = [n for n in graph.node if n.op_type == "Conv"]
    convs = [op for op in net.program.ops if op.kind == "conv"]
    if len(nodes) != len(convs):
        msg = f"{path}: {len(nodes)} convolutions, {len(convs)} expected"
        raise ValueError(msg)
    for op, node in zip(convs, nodes, strict=True):
        weight, bias = (np.array(weights[name]) for name in node.input[1:3])
        if op.out == "stem":
            weight = focus_to_stem(weight)
        elif op.out.startswith("cls"):
            if rows is None:
                new_bias = bias[list(NEW_ROWS)] - NEW_ROW_PENALTY
                weight = np.concatenate([weight[list(COCO_ROWS)], weight[list(NEW_ROWS)]])
                bias = np.concatenate([bias[list(COCO_ROWS)], new_bias])
            else:
                weight, bias = weight[list(rows)], bias[list(rows)]
        conv = net.convs[key(op.out)]
        if op.summands > 1:
            half = op.channels if op.out.endswith(".1") else op.channels // 2
            weight = np.concatenate([weight[:, :half]] * op.summands + [weight[:, half:]], 1)
        elif weight.shape[1] < conv.weight.shape[1]:
            weight = undepthwise(weight)
        if not net.silu:
            # SiLU(x) is GELU(x / 1.702) * 1.702 to within 0.02: the network in units of 1.702.
            if op.act:
                bias = bias / SILU_PER_GELU
            if op.out == "stem":
                weight = weight / SILU_PER_GELU
            elif not op.act:
                weight = weight * SILU_PER_GELU
        if tuple(conv.weight.shape) != weight.shape:
            msg = f"{path}: {op.out} is {weight.shape}, {tuple(conv.weight.shape)} expected"
            raise ValueError(msg)
        with torch.no_grad():
            conv.weight.copy_(torch.from_numpy(weight.copy()))
            conv.bias.copy_(torch.from_numpy(bias.copy()))


def decode(heads: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Raw heads to boxes (N, A, 4), x1 y1 x2 y2 in input pixels, and logits (N, A), (N, A, C)."""
    boxes, objs, classes = [], [], []
    for stride in STRIDES:
        reg, obj, cls = (heads[f"{h}{stride}"].float() for h in ("reg", "obj", "cls"))
        h, w = reg.shape[2:]
        ys, xs = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        grid = torch.stack([xs, ys]).to(reg)
        centre = (reg[:, :2] + grid) * stride
        half = reg[:, 2:].clamp(max=8).exp() * (stride / 2)
        boxes.append(torch.cat([centre - half, centre + half], 1).flatten(2))
        objs.append(obj.flatten(1))
        classes.append(cls.flatten(2))
    return (
        torch.cat(boxes, 2).transpose(1, 2),
        torch.cat(objs, 1),
        torch.cat(classes, 2).transpose(1, 2),
    )
