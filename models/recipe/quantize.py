"""From a trained network to int8: ranges, quantization-aware training, the file.

Every tensor gets one scale and zero point. Tensors that TFLite only copies (stacking, max pooling,
enlarging) must share theirs with what they are made of, so they form groups with one range.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import torch
from export import Kernel, Scale, write
from net import OUTPUTS, Net, Op, Program, key
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

BINS = 2048
# Below this a logit is a certain no: finer steps for the rest are worth more.
LEAST_LOGIT = -9.0
# GELU is within 0.004 of nothing below this, and never under that. (Starting a range later, for
# finer steps, was tried: persons lost half a point, the webcam's phones more.)
LEAST_PRE = -3.0
LEAST_GELU = -0.17


def groups(program: Program) -> dict[str, str]:
    """Tensor name to the name that stands for its group."""
    parent = {name: name for name in program.channels}

    def find(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for op in program.ops:
        if op.kind != "conv":
            for name in op.inputs:
                parent[find(name)] = find(op.out)
    return {name: find(name) for name in parent}


class Histogram:
    """Values of one group, gathered picture by picture; the range doubles as needed."""

    def __init__(self) -> None:
        self.top = 1e-3
        self.low = 0.0
        self.counts = np.zeros(BINS)

    def add(self, x: Tensor) -> None:
        values = x.detach().flatten().float()
        self.low = min(self.low, float(values.min()))
        high = float(values.abs().max())
        while high > self.top:
            self.counts = np.concatenate([self.counts.reshape(-1, 2).sum(1), np.zeros(BINS // 2)])
            self.top *= 2
        self.counts += torch.histc(values.abs(), BINS, 0, self.top).numpy()

    def best_top(self) -> float:
        """The end of the range 0..top that costs the least square error at 255 steps."""
        middle = (np.arange(BINS) + 0.5) * self.top / BINS
        best, best_cost = self.top, np.inf
        last = int(np.nonzero(self.counts)[0].max()) + 1
        for share in np.linspace(0.15, 1.0, 86):
            top = last * self.top / BINS * share
            cut = np.maximum(middle - top, 0) ** 2
            cost = float((self.counts[:last] * (cut + (top / 255) ** 2 / 12)[:last]).sum())
            if cost < best_cost:
                best, best_cost = top, cost
        return best


@torch.no_grad()
def calibrate(net: Net, batches: Iterable[Tensor]) -> dict[str, Scale]:
    """Scales for every tensor from (N, 3, H, W) batches of pictures as in use."""
    program = net.program
    group = groups(program)
    seen: dict[str, Histogram] = {}
    ends: dict[str, list[float]] = {}
    for batch in batches:
        values = net(batch, keep=list(program.channels))
        for op in program.ops:
            if op.kind != "conv":
                continue
            x = values[op.out]
            if op.act:
                # Above 2 a GELU passes on what it is given: one histogram does for both.
                top = x.clamp(min=0)
                seen.setdefault(op.out + ".pre", Histogram()).add(top)
                seen.setdefault(group[op.out], Histogram()).add(top)
            else:
                low, high = ends.setdefault(op.out, [0.0, 0.0])
                ends[op.out] = [min(low, float(x.min())), max(high, float(x.max()))]
    scales = {"image": Scale(1.0, -128)}
    for name in program.channels:
        if name in ends:
            low, high = ends[name]
            if not name.startswith("reg"):
                low, high = max(low, LEAST_LOGIT), max(high, 1.0)
            scales[name] = between(low, high)
        elif name != "image":
            scales[name] = between(LEAST_GELU, seen[group[name]].best_top())
            if name + ".pre" in seen:
                scales[name + ".pre"] = between(LEAST_PRE, seen[name + ".pre"].best_top())
    return scales


def between(low: float, high: float) -> Scale:
    """255 steps from `low` to `high`, with 0 on a step."""
    step = float(high - low) / 255
    return Scale(step, int(np.clip(round(-128 - low / step), -128, 127)))


def weight_scales(weight: Tensor) -> Tensor:
    """Per output channel, so that the largest weight is 127."""
    return weight.detach().abs().flatten(1).amax(1).clamp(min=1e-8) / 127


class RoundedGelu(torch.autograd.Function):
    """Round, look GELU up, round: what the file's table does, with few passes over the tensor."""

    @staticmethod
    def forward(ctx: object, x: Tensor, pre: Scale, out: Scale) -> Tensor:
        p = (x * (1 / pre.scale)).round_()
        p.clamp_(-128 - pre.zero_point, 127 - pre.zero_point).mul_(pre.scale)
        ctx.save_for_backward(p)
        ctx.low = (-128 - pre.zero_point) * pre.scale
        ctx.high = min((127 - s.zero_point) * s.scale for s in (pre, out))
        y = functional.gelu(p).mul_(1 / out.scale).round_()
        return y.clamp_(-128 - out.zero_point, 127 - out.zero_point).mul_(out.scale)

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> tuple[Tensor, None, None]:
        (p,) = ctx.saved_tensors
        slope = torch.ops.aten.gelu_backward(grad, p)
        return slope.mul_((p > ctx.low) & (p < ctx.high)), None, None


class Quantized(Net):
    """The network as the int8 file computes it, in floats, with gradients straight through.

    scales: of every tensor; steps: of the weights, (out,) by layer, which stay as they are
    """

    def __init__(
        self,
        program: Program,
        scales: Mapping[str, Scale],
        steps: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__(program)
        self.scales = dict(scales)
        self.steps = dict(steps or {})
        self.gains = {name: torch.ones(len(conv.weight)) for name, conv in self.convs.items()}

    @torch.no_grad()
    def load(self, net: Net) -> None:
        """Take the weights of `net`, as kernels of length 1 and gains that stay as they are: one
        step of training has to suit all of them. Layers without steps get those of their
        largest weights."""
        self.convs.load_state_dict(net.convs.state_dict())
        for name, conv in self.convs.items():
            self.steps.setdefault(name, weight_scales(conv.weight))
            size = conv.weight.flatten(1).norm(dim=1).clamp(min=1e-6)
            conv.weight.div_(size[:, None, None, None])
            self.gains[name] = size

    @torch.no_grad()
    def folded(self) -> Net:
        """The plain network of the same weights."""
        net = Net(self.program)
        net.convs.load_state_dict(self.convs.state_dict())
        for name, gain in self.gains.items():
            net.convs[name].weight.mul_(gain[:, None, None, None])
        return net.eval()

    def exact(self, op: Op, x: Tensor) -> Tensor:
        """What the convolution alone gives, before it is rounded."""
        name = key(op.out)
        conv, steps = self.convs[name], self.steps[name]
        weight = torch.fake_quantize_per_channel_affine(
            conv.weight * self.gains[name][:, None, None, None],
            steps,
            torch.zeros(len(steps), dtype=torch.int32),
            0,
            -127,
            127,
        )
        return functional.conv2d(
            x, weight, conv.bias, conv.stride, conv.padding, groups=conv.groups
        )

    def conv(self, op: Op, x: Tensor) -> Tensor:
        y = self.exact(op, x)
        if not op.act:
            return self.round(y, op.out)
        return RoundedGelu.apply(y, self.scales[op.out + ".pre"], self.scales[op.out])

    def round(self, x: Tensor, name: str) -> Tensor:
        s = self.scales[name]
        return torch.fake_quantize_per_tensor_affine(x, s.scale, s.zero_point, -128, 127)


def kernels(net: Net) -> dict[str, Kernel]:
    """Weights, biases and (of a `Quantized`) weight steps as numpy, by tensor name."""
    found = {}
    plain, steps = (net.folded(), net.steps) if isinstance(net, Quantized) else (net, {})
    for op in net.program.ops:
        if op.kind == "conv":
            conv = plain.convs[key(op.out)]
            found[op.out] = Kernel(
                conv.weight.detach().float().contiguous().numpy(),
                conv.bias.detach().float().numpy(),
                steps[key(op.out)].numpy() if steps else None,
            )
    return found


def int8_file(
    net: Quantized,
    height: int,
    width: int,
    outputs: Sequence[str] = OUTPUTS,
    in_float: Collection[str] = (),
) -> bytes:
    return write(
        net.program, kernels(net), height, width, scales=net.scales, outputs=outputs,
        in_float=in_float,
    )  # fmt: skip


@torch.no_grad()
def worst_steps(net: Quantized, canvas: NDArray[np.uint8]) -> dict[str, float]:
    """For every operation, by how many steps the int8 file's result is off at most when both
    start from the file's own tensors. Halves may round either way, so 1 is as good as it gets.

    canvas: (H, W, 3) uint8, as shown to the model
    """
    from judge import File

    names = [op.out for op in net.program.ops]
    names += [op.out + ".pre" for op in net.program.ops if op.act and op.kind == "conv"]
    model = File(content=int8_file(net, *canvas.shape[:2], outputs=names), names=names)
    values = {
        name: torch.from_numpy(np.ascontiguousarray(v.transpose(2, 0, 1)))[None]
        for name, v in ({"image": canvas.astype(np.float32)} | model.heads(canvas)).items()
    }
    worst = {}

    def compare(mine: Tensor, name: str) -> None:
        gap = (mine - values[name]).abs().max() / net.scales[name].scale
        worst[name] = float(gap)

    for op in net.program.ops:
        args = [values[name] for name in op.inputs]
        if op.kind == "conv" and op.act:
            # The two halves apart: a step before a steep place of the curve is several after it.
            compare(net.round(net.exact(op, args[0]), op.out + ".pre"), op.out + ".pre")
            compare(net.round(functional.gelu(values[op.out + ".pre"]), op.out), op.out)
        else:
            compare(net.apply_op(op, args), op.out)
    return worst


def float_file(net: Net, height: int, width: int) -> bytes:
    return write(net.program, kernels(net), height, width)


def as_batches(pictures: Iterable[NDArray[np.uint8]], size: int = 4) -> Iterable[Tensor]:
    """Letterboxed (H, W, 3) pictures to (N, 3, H, W) float batches."""
    batch: list[NDArray[np.uint8]] = []
    for picture in pictures:
        batch.append(picture)
        if len(batch) == size:
            yield torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2).float()
            batch = []
    if batch:
        yield torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2).float()
