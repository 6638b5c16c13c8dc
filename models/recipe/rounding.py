"""Weights rounded so that their errors cancel.

Layer by layer, in order: the weights of a convolution are rounded one input at a time, and the
inputs that are still to come make up for the error, as far as they go together (Frantar and
Alistarh, arXiv:2208.11580; Frantar et al., arXiv:2210.17323), on what the quantized layers before
it give. Nothing is fitted to labels, nor to the float network's outputs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import torch
from eight_bit import Scale
from published import Graph, Network, Node
from tflite_file import fused, weight_scales
from torch import Tensor
from torch.nn import functional

MOST = 60000  # positions that a layer's inputs are measured at
DAMPING = 0.01  # of the mean of the diagonal


def rounded(values: Tensor, scale: Scale) -> Tensor:
    whole = torch.clamp(torch.round(values / scale.scale) + scale.zero_point, -128, 127)
    return (whole - scale.zero_point) * scale.scale


def well_rounded(
    made_of: Graph,
    scales: Mapping[str, Scale],
    images: Tensor,
    in_float: Collection[str] = (),
) -> Graph:
    """The same graph, with weights that are whole multiples of a step."""
    network = Network(made_of).eval()
    relus = {before: node.out for before, node in fused(made_of).items()}
    last = {name: n for n, node in enumerate(made_of.nodes) for name in node.inputs}
    real = {"image": images}
    nodes: list[Node] = []
    with torch.inference_mode():
        for number, node in enumerate(made_of.nodes):
            given = [real[name] for name in node.inputs]
            if node.kind == "conv" and node.out not in in_float:
                node, got = _rounded_conv(node, given[0])
            else:
                got = network.step(node, given)
            nodes.append(node)
            real[node.out] = (
                rounded(got, scales[node.out])
                if node.out not in relus and node.out in scales
                else got
            )
            for name in node.inputs:
                if last[name] == number and name not in made_of.outputs:
                    real.pop(name, None)
    return Graph(tuple(nodes), made_of.outputs)


def _rounded_conv(node: Node, given: Tensor) -> tuple[Node, Tensor]:
    assert node.weight is not None
    assert node.bias is not None
    steps = weight_scales(node.weight)
    scale, weight = torch.from_numpy(steps), torch.from_numpy(node.weight)
    flat = weight.flatten(1)
    second = _second_moments(given, node)
    if node.groups == 1:
        whole = _gptq(flat[None], scale[None, :, None], second[None])[0]
    else:
        # Every channel has moments of its own.
        whole = _gptq(flat[:, None], scale[:, None, None], second)[:, 0]
    weight = (whole * scale[:, None]).reshape(weight.shape)
    _, stride, pad = node.size
    bias = torch.from_numpy(node.bias)
    got = functional.conv2d(given, weight, bias, stride, pad, groups=node.groups)
    return replace(node, weight=weight.numpy(), steps=steps), got


def _second_moments(given: Tensor, node: Node) -> Tensor:
    """(inputs, inputs), or (channels, taps, taps) of a depthwise convolution."""
    kernel, stride, pad = node.size
    images, channels = given.shape[:2]
    if kernel == 1:
        x = given.permute(1, 0, 2, 3).reshape(channels, -1)
        x = x[:, :: max(1, x.shape[1] // MOST)]
        return x @ x.T / x.shape[1]
    total: Tensor | float = 0.0
    for image in given:
        columns = functional.unfold(image[None], kernel, padding=pad, stride=stride)[0]
        columns = columns[:, :: max(1, columns.shape[1] * images // MOST)]
        if node.groups > 1:
            taps = columns.reshape(channels, kernel * kernel, -1)
            total = total + taps @ taps.transpose(1, 2)
        else:
            total = total + columns @ columns.T
    assert isinstance(total, Tensor)
    return total


def _gptq(weight: Tensor, scale: Tensor, second: Tensor) -> Tensor:
    """weight: (batch, rows, inputs), scale: (batch, rows, 1), second: (batch, inputs, inputs); the
    whole numbers of the weights."""
    inputs = weight.shape[2]
    mean = second.diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-12)
    second = second + DAMPING * mean[:, None, None] * torch.eye(inputs)
    # Inputs that matter most are rounded first, while others are left to make up for them.
    order = second.diagonal(dim1=1, dim2=2).argsort(1, descending=True)
    turned = torch.gather(second, 1, order[:, :, None].expand(-1, -1, inputs))
    turned = torch.gather(turned, 2, order[:, None, :].expand(-1, inputs, -1))
    spread = order[:, None, :].expand(-1, weight.shape[1], -1)
    left = torch.gather(weight, 2, spread).double()
    inverse = torch.linalg.inv(turned.double())
    upper = torch.linalg.cholesky(inverse, upper=True)
    whole = torch.zeros_like(left)
    for n in range(inputs):
        now = left[:, :, n]
        whole[:, :, n] = torch.clamp(torch.round(now / scale[:, :, 0]), -127, 127)
        error = (now - whole[:, :, n] * scale[:, :, 0]) / upper[:, n, n][:, None]
        left[:, :, n + 1 :] -= error[:, :, None] * upper[:, n, n + 1 :][:, None, :]
    back = torch.zeros_like(whole)
    back.scatter_(2, spread, whole)
    return back.float()
