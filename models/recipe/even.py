"""Channels of all sizes, made to use one scale; the function of the network stays as it was.

An int8 tensor has one scale, and a channel that stays within a hundredth of the largest is lost in
it. A channel can be made larger, and each convolution that reads it has its weights made smaller
(Nagel et al., arXiv:1906.04721): int8 weights have a scale per channel. A leaky ReLU does not mind.

A hard swish does: h(x) = x relu6(x + 3) / 6. Written out as a product it can be had too: of x, as
large as one likes, and of the ramp relu6(x + 3), made from it by a multiplication that undoes that.
The sixth goes into the weights of what reads the product. (TFLite's own int8 hard swish is also
slow: no runtime here has a quick one.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from eight_bit import groups
from published import Floats, Graph, Network, Node

LARGE = 4.0  # a hard swish of larger values than this is worth a multiplication
LEAST = 2.0  # what a hard swish is given counts as no smaller, since it goes down to -3 as well
NEGATIVE = 0.7  # how much a negative value counts for before a leaky ReLU, a positive one being 1
# A channel of a size of s of the largest is made larger by s^-WHOLLY where only depthwise
# convolutions read it, whose weights have scales of their own; by s^-PARTLY where others do, whose
# weights suffer.
WHOLLY, PARTLY = 1.0, 0.6
PASSED_ON = ("leaky", "maxpool", "nearest", "bilinear", "concat", "slice")


class Span(NamedTuple):
    """(channels,) the smallest and the largest value of each."""

    low: Floats
    high: Floats


def spans(made_of: Graph, pictures: Iterable[torch.Tensor]) -> dict[str, Span]:
    """Of every tensor, over all pictures."""
    network = Network(made_of).eval()
    found: dict[str, Span] = {}
    with torch.inference_mode():
        for picture in pictures:
            for name, tensor in network.tensors(picture).items():
                low, high = tensor.amin((0, 2, 3)).numpy(), tensor.amax((0, 2, 3)).numpy()
                before = found.get(name, Span(low, high))
                found[name] = Span(np.minimum(low, before.low), np.maximum(high, before.high))
    return found


def evened(made_of: Graph, of: Mapping[str, Span], in_float: Collection[str] = ()) -> Graph:
    """in_float: steps that are done in float32; only what leaves them is changed."""
    nodes = {node.out: node for node in made_of.nodes}
    users: dict[str, list[Node]] = {}
    for node in made_of.nodes:
        for name in node.inputs:
            users.setdefault(name, []).append(node)
    group = groups(made_of)
    large = {
        node.inputs[0]
        for node in made_of.nodes
        if node.kind == "hardswish"
        and float(of[node.inputs[0]].high.max()) > LARGE
        and not any(n.kind == "add" for n in users[node.out])
    }
    fixed = _fixed(made_of, of, large, group)
    summed = _summed(made_of, of, nodes)
    factor: dict[str, Floats] = {"image": np.ones(3, np.float32)}
    made: list[Node] = []
    for node in made_of.nodes:
        given = [factor[name] for name in node.inputs]
        if node.kind == "conv":
            assert node.weight is not None
            assert node.bias is not None
            weight = node.weight / (
                given[0][:, None, None, None] if node.groups > 1 else given[0][None, :, None, None]
            )
            k = _factor(node, of, large, users, group, fixed, in_float)
            if k is None:
                k = summed.get(node.out, np.ones(len(node.bias), np.float32))
            factor[node.out] = k
            made.append(replace(node, weight=weight * k[:, None, None, None], bias=node.bias * k))
        elif node.kind == "hardswish" and node.out not in in_float:
            made += _product(node, given[0])
            factor[node.out] = 6 * given[0]
        else:
            made.append(node)
            factor[node.out] = _passed(node, given)
    return Graph(tuple(made), made_of.outputs)


def _factor(node: Node, of: Mapping[str, Span], large: Collection[str],
            users: Mapping[str, list[Node]], group: Mapping[str, str],
            fixed: Mapping[str, float], in_float: Collection[str]) -> Floats | None:  # fmt: skip
    """How much larger each channel of a convolution becomes; None where that is not free."""
    after = [n.kind for n in users.get(node.out, [])]
    acted = users[node.out][0].out if after in (["leaky"], ["relu"]) else node.out
    if not after or {n.out for n in users[acted]} <= set(in_float):
        return None
    span = of[node.out]
    if "hardswish" in after:
        return 1 / _sizes(span) if node.out in large else None
    if "relu6" in after or any(n.kind == "add" for n in _readers(acted, users)):
        return None
    size = np.maximum(span.high, -span.low * (NEGATIVE if after == ["leaky"] else 1.0))
    largest = size.max()
    dense = any(n.kind == "conv" and n.groups == 1 for n in _readers(acted, users))
    power = PARTLY if dense else WHOLLY
    shares = np.maximum(size / largest, 1e-3)
    return np.asarray(fixed.get(group[acted], 1.0) / largest * shares**-power, np.float32)


def _readers(name: str, users: Mapping[str, list[Node]]) -> list[Node]:
    """The convolutions, or whatever is computed, that get the channels of this tensor."""
    found = []
    for node in users.get(name, []):
        found += _readers(node.out, users) if node.kind in PASSED_ON else [node]
    return found


def _sizes(span: Span) -> Floats:
    """Of what goes into a hard swish; all are whole multiples of one step, as int8 has them."""
    sizes = np.maximum(span.high, LEAST)
    step = sizes.max() / 127
    return np.asarray(np.maximum(np.round(sizes / step), 1) * step, np.float32)


def _product(node: Node, factor: Floats) -> list[Node]:
    (x,) = node.inputs
    ramp, before = node.out + ".ramp", x
    made = []
    if np.any(factor != 1):
        before = node.out + ".plain"
        made.append(Node("scale", before, (x,), weight=(1 / factor).astype(np.float32)))
    return [*made, Node("ramp", ramp, (before,)), Node("mul", node.out, (x, ramp))]


def _passed(node: Node, given: list[Floats]) -> Floats:
    if node.kind == "concat":
        return np.concatenate(given)
    if node.kind == "slice":
        return given[0][slice(*node.size)]
    if node.kind == "mul":  # by a gate, which stays as it was
        return given[0] * given[1]
    if node.kind == "add" and not np.allclose(given[0], given[1]):
        raise ValueError(f"{node.out}: its summands are not of one size")
    return given[0]


def _fixed(made_of: Graph, of: Mapping[str, Span], large: Collection[str],
           group: Mapping[str, str]) -> dict[str, float]:  # fmt: skip
    """The size of what has no choice, by the group of tensors of one scale that it is in."""
    found: dict[str, float] = {}
    for node in made_of.nodes:
        if node.kind == "hardswish":
            before, high = node.inputs[0], of[node.out].high
            size = 6 * float((high / _sizes(of[before]) if before in large else high).max())
            found[group[node.out]] = max(found.get(group[node.out], 0.0), size)
    return found


def _summed(made_of: Graph, of: Mapping[str, Span], nodes: Mapping[str, Node]) -> dict[str, Floats]:
    """Of the convolutions whose outputs are added up: one factor for both summands."""
    found: dict[str, Floats] = {}
    for node in made_of.nodes:
        if node.kind != "add":
            continue
        summands = [*node.inputs, node.out]
        if any(nodes[name].kind == "hardswish" for name in node.inputs):
            continue
        size = np.max([np.maximum(of[n].high, -of[n].low) for n in summands], axis=0)
        k = (1 / np.maximum(size, size.max() * 1e-3)).astype(np.float32)
        for name in node.inputs:
            begin = 0
            parts = nodes[name].inputs if nodes[name].kind == "concat" else (name,)
            for part in parts:
                channels = len(of[part].low)
                root = nodes[part].inputs[0] if nodes[part].kind == "leaky" else part
                found[root] = k[begin : begin + channels]
                begin += channels
    return found
