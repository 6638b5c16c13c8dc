"""Even out the channels of one tensor before it gets one int8 scale.

Some channels of the stem stay within 0.2 and the next kernels raise them up to 23-fold; others
reach 50. In one tensor of 255 steps the quiet ones are gone: two thirds of all that int8 lost. A
kernel followed by a GELU cannot just be scaled, but a piece of the curve looks much like a longer
piece of it elsewhere:

    GELU(x)  is near  a GELU(b x + c) + d        where x is what this channel takes on

so each channel moves to the piece that costs it least once it is rounded; b and c go into its own
kernel, a and d into the kernels that read it. What is left over is trained away with the rounding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from net import Net, key
from quantize import LEAST_GELU, LEAST_PRE
from torch import Tensor
from torch.nn import functional

GAINS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32)
SHIFTS = tuple(i / 4 for i in range(-8, 17))
TOPS = (3, 4, 5, 6, 8, 12, 16, 24, 32)
SAMPLES = 3000


@dataclass(frozen=True, slots=True)
class Piece:
    """GELU(x) as a GELU(b x + c) + d; cost: mean square error once it is in int8."""

    a: float
    b: float
    c: float
    d: float
    cost: float


def rounded(x: Tensor, low: float, high: float) -> Tensor:
    step = (high - low) / 255
    return (x / step).round().mul(step).clamp(low, high)


def piece(x: Tensor, top: float) -> Piece:
    """The best piece for a channel that takes on the values `x` in a tensor that ends at `top`."""
    wanted = functional.gelu(x)
    best = None
    for b in GAINS:
        z = b * x + torch.tensor(SHIFTS)[:, None]
        u = rounded(functional.gelu(rounded(z, LEAST_PRE, top)), LEAST_GELU, top)
        mean = u.mean(1, keepdim=True)
        spread = u - mean
        a = (spread * wanted).mean(1, keepdim=True) / spread.square().mean(1, keepdim=True).clamp(min=1e-12)  # fmt: skip # noqa: E501
        d = wanted.mean() - a * mean
        costs = (a * u + d - wanted).square().mean(1)
        i = int(costs.argmin())
        if best is None or float(costs[i]) < best.cost:
            best = Piece(float(a[i]), b, SHIFTS[i], float(d[i]), float(costs[i]))
    assert best is not None
    return best


@torch.no_grad()
def stretch(net: Net, name: str, reader: str, batches: Iterable[Tensor]) -> tuple[float, float]:
    """Move the channels of convolution `name`, which only convolution `reader` reads, in place.

    batches: (N, 3, H, W) pictures as in use. Returns the weighted square error that int8 costs
    before and after. Raises ValueError where something else reads the tensor.
    """
    readers = [op.out for op in net.program.ops if name in op.inputs]
    if readers != [reader]:
        msg = f"{name} is read by {', '.join(readers)}: only {reader} was expected"
        raise ValueError(msg)
    source = next(op for op in net.program.ops if op.out == name).inputs[0]
    conv, after = net.convs[key(name)], net.convs[key(reader)]
    found = []
    for batch in batches:
        x = batch if source == "image" else net(batch, keep=[source])[source]
        found.append(conv(x).transpose(0, 1).flatten(1))
    values = torch.cat(found, 1)
    some = torch.randperm(values.shape[1], generator=torch.Generator().manual_seed(1))[:SAMPLES]
    values = values[:, some]
    weight = after.weight.square().sum((0, 2, 3))
    before = min(
        sum(
            float(w * (rounded(functional.gelu(rounded(x, LEAST_PRE, top)), LEAST_GELU, top)
                       - functional.gelu(x)).square().mean())
            for x, w in zip(values, weight, strict=True)
        )
        for top in TOPS
    )  # fmt: skip
    choices = [[piece(x, top) for x in values] for top in TOPS]
    costs = [
        sum(p.cost * float(w) for p, w in zip(pieces, weight, strict=True)) for pieces in choices
    ]
    at = int(torch.tensor(costs).argmin())
    a, b, c, d = (torch.tensor([getattr(p, n) for p in choices[at]]) for n in "abcd")
    conv.weight.mul_(b[:, None, None, None])
    conv.bias.mul_(b).add_(c)
    after.bias.add_((after.weight * d[None, :, None, None]).sum((1, 2, 3)))
    after.weight.mul_(a[None, :, None, None])
    return before, costs[at]
