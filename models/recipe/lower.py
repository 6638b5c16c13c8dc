"""The same network in steps that TensorFlow Lite has and is quick at.

* Shuffled channels are a matter of names: nothing is moved. Each convolution gives its channels in
  the order in which they are needed later on, so that what one step takes of it lies together and
  is one slice, and each convolution's weights are put into the order of what it is given.
  ShuffleNet's half that waits is never copied.
* Leaky ReLUs before a largest value come after it, where there is a quarter of the values.
* The gates' hard sigmoid is a ReLU6 a sixth as high: three are added to the bias before it, and the
  sixth goes into the weights after the product.

Everything here leaves the function of the network as it was; `tests/test_recipe.py` compares.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from published import Graph, Node, shuffled

TIED = ("leaky", "relu", "relu6", "hardswish", "maxpool", "nearest", "bilinear", "mean")


class _Channel(NamedTuple):
    """Where a channel comes from: which of the channels, as the original counts, of a tensor."""

    tensor: str
    index: int


View = list[_Channel]


def lowered(made_of: Graph) -> Graph:
    return _without_shuffles(_gates(_pooled_first(made_of)))


def _pooled_first(made_of: Graph) -> Graph:
    nodes = list(made_of.nodes)
    for n, (act, pool) in enumerate(pairwise(nodes)):
        if (act.kind, pool.kind) == ("leaky", "maxpool"):
            nodes[n] = replace(pool, out=act.out, inputs=act.inputs)
            nodes[n + 1] = replace(act, out=pool.out, inputs=(act.out,))
    return Graph(tuple(nodes), made_of.outputs)


def _gates(made_of: Graph) -> Graph:
    nodes = {node.out: node for node in made_of.nodes}
    for node in made_of.nodes:
        if node.kind != "hardsigmoid":
            continue
        before = nodes[node.inputs[0]]
        assert before.bias is not None
        nodes[before.out] = replace(before, bias=before.bias + np.float32(3))
        nodes[node.out] = replace(node, kind="relu6")
        (product,) = (n for n in made_of.nodes if node.out in n.inputs)
        for after in (n for n in made_of.nodes if product.out in n.inputs):
            if product.kind != "mul" or after.kind != "conv" or after.weight is None:
                raise ValueError(f"{node.out} is no gate before a convolution")
            nodes[after.out] = replace(after, weight=after.weight / np.float32(6))
    return Graph(tuple(nodes.values()), made_of.outputs)


def _without_shuffles(made_of: Graph) -> Graph:
    views, used = _views(made_of)
    # Of each tensor: the original's channels as they now lie.
    orders: dict[str, list[int]] = {"image": [0, 1, 2]}
    held: dict[tuple[_Channel, ...], str] = {}
    nodes: list[Node] = []

    def gathered(view: View) -> tuple[str, View]:
        """A tensor that holds the channels of `view`, and in which order."""
        wanted = set(view)
        lying: View = []
        parts: list[str] = []
        for tensor in dict.fromkeys(channel.tensor for channel in view):
            order = orders[tensor]
            mine = [n for n, index in enumerate(order) if (tensor, index) in wanted]
            lying += [_Channel(tensor, order[n]) for n in mine]
            runs = np.split(np.array(mine), np.flatnonzero(np.diff(mine) > 1) + 1)
            for run in runs:
                begin, end = int(run[0]), int(run[-1]) + 1
                if (begin, end) == (0, len(order)):
                    parts.append(tensor)
                    continue
                parts.append(f"{tensor}.{begin}-{end}")
                if parts[-1] not in {n.out for n in nodes}:
                    nodes.append(Node("slice", parts[-1], (tensor,), (begin, end)))
        if len(parts) == 1:
            return parts[0], lying
        key = tuple(lying)
        if key not in held:
            held[key] = "+".join(parts)
            nodes.append(Node("concat", held[key], tuple(parts)))
        return held[key], lying

    for node in made_of.nodes:
        if node.kind in ("slice", "shuffle", "concat"):
            continue
        given = [gathered(views[name]) for name in node.inputs]
        inputs = tuple(name for name, _ in given)
        _, lying = given[0]
        place = {channel: n for n, channel in enumerate(views[node.inputs[0]])}
        now = [place[channel] for channel in lying]  # the original's channel at each place
        if node.kind == "conv" and node.groups == 1:
            assert node.weight is not None
            assert node.bias is not None
            order = _by_use(used[node.out], len(node.bias))
            weight = node.weight[order][:, now]
            nodes.append(replace(node, inputs=inputs, weight=weight, bias=node.bias[order]))
            orders[node.out] = order
            continue
        if node.kind == "conv":
            assert node.weight is not None
            assert node.bias is not None
            node = replace(node, weight=node.weight[now], bias=node.bias[now])
        for name, (_, other) in zip(node.inputs[1:], given[1:], strict=True):
            there = {channel: n for n, channel in enumerate(views[name])}
            if [there[channel] for channel in other] != now:
                raise ValueError(f"{node.out}: what it joins lies in different orders")
        nodes.append(replace(node, inputs=inputs))
        orders[node.out] = now
    return Graph(tuple(nodes), made_of.outputs)


def _views(made_of: Graph) -> tuple[dict[str, View], dict[str, dict[int, list[int]]]]:
    """Of each tensor, its channels by origin; of each convolution, which steps need each of its
    channels, itself or through an activation."""
    views = {"image": [_Channel("image", n) for n in range(3)]}
    used: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    root: dict[str, str] = {}
    for number, node in enumerate(made_of.nodes):
        given = views[node.inputs[0]]
        if node.kind == "slice":
            views[node.out] = given[slice(*node.size)]
        elif node.kind == "shuffle":
            views[node.out] = [given[n] for n in shuffled(len(given))]
        elif node.kind == "concat":
            views[node.out] = [channel for name in node.inputs for channel in views[name]]
        else:
            channels = len(node.bias) if node.bias is not None else len(given)
            views[node.out] = [_Channel(node.out, n) for n in range(channels)]
            whole = len({c.tensor for c in given}) == 1 and len(given) == channels
            if whole and (node.kind in TIED or node.groups > 1):
                root[node.out] = root.get(given[0].tensor, given[0].tensor)
                continue
            for name in node.inputs:
                for channel in views[name]:
                    used[root.get(channel.tensor, channel.tensor)][channel.index].append(number)
    return views, used


def _by_use(used: dict[int, list[int]], channels: int) -> list[int]:
    """Channels that the same steps need lie together."""
    return sorted(range(channels), key=lambda channel: used[channel])
