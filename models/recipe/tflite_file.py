"""Write a lowered graph as a TFLite file, in float32 or in int8.

The file takes pixels: int8 (value - 128) or float32 0..255, RGB, and gives the graph's outputs, NHWC.
Normalization is in the first convolution's weights. What is padded there is grey, `GREY`, the middle
of the three means: zero is the stored value of that grey.

It takes the picture upside down (turned by 180 degrees), and gives its outputs so, with all kernels
turned. Where a step of stride 2 halves an even side, PyTorch pads at the top and left, TensorFlow at
the bottom and right: turned, the one is the other. Nothing has to be padded or widened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import flatbuffers
import numpy as np
import tflite
from export import FLOAT32, INT8, INT32, OPCODE, OPTIONS, Scale, Writer
from numpy.typing import NDArray
from published import SLOPE, Graph, Node, Normalization

GREY = 116
PIXELS = Scale(1.0, GREY - 128)  # of the input: what is computed with is pixel - GREY
SAME = tflite.Padding.SAME
ACTIVATION = tflite.ActivationFunctionType
FUSED = {"relu": ACTIVATION.RELU, "relu6": ACTIVATION.RELU6}


def of_pixels(made_of: Graph, normalization: Normalization) -> Graph:
    """The same network, but it takes RGB pixels less GREY."""
    nodes = list(made_of.nodes)
    (first,) = (n for n, node in enumerate(nodes) if node.inputs == ("image",))
    node = nodes[first]
    assert node.weight is not None and node.bias is not None
    scale, mean = (np.float32(each) for each in (normalization.scale, normalization.mean))
    weight = node.weight * scale[None, :, None, None]
    bias = node.bias + (weight.sum((2, 3)) * (GREY - mean)).sum(1)
    if normalization.colour == "bgr":
        weight = weight[:, ::-1]
    nodes[first] = replace(node, weight=np.ascontiguousarray(weight), bias=bias)
    return Graph(tuple(nodes), made_of.outputs)


def fused(made_of: Graph) -> dict[str, Node]:
    """ReLUs, by the convolution that they are one operation with."""
    found = {}
    for node in made_of.nodes:
        if node.kind in FUSED:
            (before,) = (n for n in made_of.nodes if n.out == node.inputs[0])
            users = [n for n in made_of.nodes if before.out in n.inputs]
            if before.kind == "conv" and len(users) == 1:
                found[before.out] = node
    return found


def shapes(made_of: Graph, height: int, width: int) -> dict[str, tuple[int, int, int]]:
    """(height, width, channels) of every tensor."""
    size = {"image": (height, width, 3)}
    for node in made_of.nodes:
        h, w, channels = size[node.inputs[0]]
        if node.kind in ("conv", "maxpool"):
            stride = node.size[1]
            h, w = -(-h // stride), -(-w // stride)
            channels = len(node.bias) if node.bias is not None else channels
        elif node.kind == "concat":
            channels = sum(size[name][2] for name in node.inputs)
        elif node.kind == "slice":
            channels = node.size[1] - node.size[0]
        elif node.kind == "mean":
            h = w = 1
        elif node.kind in ("nearest", "bilinear"):
            h, w = 2 * h, 2 * w
        size[node.out] = (h, w, channels)
    return size


def macs(made_of: Graph, height: int, width: int) -> int:
    size = shapes(made_of, height, width)
    return sum(
        int(np.prod(size[n.out][:2])) * n.weight.size
        for n in made_of.nodes
        if n.weight is not None
    )


def weight_scales(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Per output channel."""
    return np.maximum(np.abs(weight).max((1, 2, 3)) / 127, 1e-9).astype(np.float32)


class _File:
    def __init__(
        self, made_of: Graph, height: int, width: int, scales: Mapping[str, Scale] | None
    ) -> None:
        self.writer = Writer()
        self.size = shapes(made_of, height, width)
        self.scales = scales
        self.ids: dict[str, int] = {}
        self.version = 1 if scales is None else 2

    def tensor(self, name: str, shape: Sequence[int] | None = None, like: str = "") -> int:
        whole = (1, *(shape or self.size[name]))
        if self.scales is None:
            return self.writer.tensor(name, whole, FLOAT32)
        scale = self.scales[like or name]
        return self.writer.tensor(name, whole, INT8, None, [scale.scale], [scale.zero_point])

    def whole_numbers(self, name: str, numbers: object) -> int:
        values = np.array(numbers, np.int32)
        return self.writer.tensor(name, values.shape, INT32, values.tobytes())


def write(
    made_of: Graph,
    height: int,
    width: int,
    *,
    scales: Mapping[str, Scale] | None = None,
    kernel_scales: Mapping[str, NDArray[np.float32]] | None = None,
    description: str = "",
) -> bytes:
    """made_of: lowered, of pixels. scales: of every tensor, for int8; None writes float32."""
    file = _File(made_of, height, width, scales)
    w, ids, size = file.writer, file.ids, file.size
    image = file.tensor("image")
    ids["image"] = image
    if scales is None:
        ids["image"] = w.tensor("image.grey", (1, *size["image"]), FLOAT32)
        grey = w.tensor("grey", (1,), FLOAT32, np.float32([-GREY]).tobytes())
        w.operator(OPCODE.ADD, 1, [image, grey], [ids["image"]], OPTIONS.AddOptions, _add)
    relus = fused(made_of)
    for node in made_of.nodes:
        if node.kind in FUSED and node.inputs[0] in relus:
            continue
        given = [ids[name] for name in node.inputs]
        relu = relus.get(node.out)
        name = relu.out if relu else node.out
        out = ids[name] = file.tensor(name)
        if node.kind == "conv":
            activation = FUSED[relu.kind] if relu else ACTIVATION.NONE
            kernel_scale = (kernel_scales or {}).get(node.out)
            _conv(file, node, given[0], out, activation, kernel_scale)
        else:
            _other(file, node, given, out)
    outputs = [ids[name] for name in made_of.outputs]
    return w.finish([image], outputs, description)


def _other(file: _File, node: Node, given: list[int], out: int) -> None:
    w, version = file.writer, file.version
    if node.kind == "leaky":
        w.operator(
            OPCODE.LEAKY_RELU, version, given, [out], OPTIONS.LeakyReluOptions, _leaky
        )  # fmt: skip
    elif node.kind == "hardswish":
        w.operator(
            OPCODE.HARD_SWISH, 1, given, [out], OPTIONS.HardSwishOptions, _hard_swish
        )  # fmt: skip
    elif node.kind == "add":
        w.operator(OPCODE.ADD, version, given, [out], OPTIONS.AddOptions, _add)
    elif node.kind == "mul":
        w.operator(OPCODE.MUL, version, given, [out], OPTIONS.MulOptions, _mul)
    elif node.kind == "concat":
        w.operator(
            OPCODE.CONCATENATION, version, given, [out], OPTIONS.ConcatenationOptions, _concat
        )  # fmt: skip
    elif node.kind == "slice":
        h, wide, channels = file.size[node.out]
        begin = file.whole_numbers(node.out + ".begin", [0, 0, 0, node.size[0]])
        size = file.whole_numbers(node.out + ".size", [1, h, wide, channels])
        w.operator(
            OPCODE.SLICE, version, [*given, begin, size], [out], OPTIONS.SliceOptions, _slice
        )  # fmt: skip
    elif node.kind == "maxpool":
        kernel, stride, _ = node.size
        w.operator(
            OPCODE.MAX_POOL_2D, version, given, [out],
            OPTIONS.Pool2DOptions, lambda b: _pool(b, kernel, stride),
        )  # fmt: skip
    elif node.kind == "mean":
        axes = file.whole_numbers(node.out + ".axes", [1, 2])
        w.operator(OPCODE.MEAN, version, [*given, axes], [out], OPTIONS.ReducerOptions, _keep)
    elif node.kind == "nearest":
        size = file.whole_numbers(node.out + ".size", file.size[node.out][:2])
        w.operator(
            OPCODE.RESIZE_NEAREST_NEIGHBOR, version, [*given, size], [out],
            OPTIONS.ResizeNearestNeighborOptions, _nearest,
        )  # fmt: skip
    elif node.kind == "bilinear":
        size = file.whole_numbers(node.out + ".size", file.size[node.out][:2])
        w.operator(
            OPCODE.RESIZE_BILINEAR, 3, [*given, size], [out],
            OPTIONS.ResizeBilinearOptions, _bilinear,
        )  # fmt: skip
    else:
        raise ValueError(f"{node.out}: no TFLite operation for {node.kind}")


def _conv(file: _File, node: Node, given: int, out: int, activation: int,
          kernel_scale: NDArray[np.float32] | None) -> None:  # fmt: skip
    assert node.weight is not None and node.bias is not None
    w, weight, bias = file.writer, node.weight, node.bias
    weight = weight[:, :, ::-1, ::-1]
    stride = node.size[1]
    depthwise = node.groups > 1
    # TFLite: (out, k, k, in), or for depthwise (1, k, k, channels).
    laid = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
    axis = 3 if depthwise else 0
    if file.scales is None:
        stored = np.ascontiguousarray(weight.transpose(laid), np.float32)
        weight_id = w.tensor(node.out + ".weight", stored.shape, FLOAT32, stored.tobytes())
        bias_id = w.tensor(node.out + ".bias", bias.shape, FLOAT32, np.float32(bias).tobytes())
    else:
        scale = weight_scales(weight) if kernel_scale is None else kernel_scale
        per_channel = scale.astype(np.float64)
        whole = np.clip(np.round(weight / per_channel[:, None, None, None]), -127, 127)
        stored = np.ascontiguousarray(whole.transpose(laid)).astype(np.int8)
        bias_scale = per_channel * file.scales[node.inputs[0]].scale
        biases = np.clip(np.round(bias / bias_scale), -(2**30), 2**30).astype(np.int32)
        zeros = [0] * len(bias)
        weight_id = w.tensor(
            node.out + ".weight", stored.shape, INT8, stored.tobytes(), scale, zeros, axis
        )
        bias_id = w.tensor(
            node.out + ".bias", bias.shape, INT32, biases.tobytes(), np.float32(bias_scale), zeros
        )
    version = 1 if file.scales is None else 3
    if depthwise:
        w.operator(
            OPCODE.DEPTHWISE_CONV_2D, version, [given, weight_id, bias_id], [out],
            OPTIONS.DepthwiseConv2DOptions, lambda b: _depthwise_options(b, stride, activation),
        )  # fmt: skip
    else:
        w.operator(
            OPCODE.CONV_2D, version, [given, weight_id, bias_id], [out],
            OPTIONS.Conv2DOptions, lambda b: _conv_options(b, stride, activation),
        )  # fmt: skip


def _conv_options(b: flatbuffers.Builder, stride: int, activation: int) -> int:
    tflite.Conv2DOptionsStart(b)
    tflite.Conv2DOptionsAddPadding(b, SAME)
    tflite.Conv2DOptionsAddStrideW(b, stride)
    tflite.Conv2DOptionsAddStrideH(b, stride)
    tflite.Conv2DOptionsAddFusedActivationFunction(b, activation)
    return tflite.Conv2DOptionsEnd(b)


def _depthwise_options(b: flatbuffers.Builder, stride: int, activation: int) -> int:
    tflite.DepthwiseConv2DOptionsStart(b)
    tflite.DepthwiseConv2DOptionsAddPadding(b, SAME)
    tflite.DepthwiseConv2DOptionsAddStrideW(b, stride)
    tflite.DepthwiseConv2DOptionsAddStrideH(b, stride)
    tflite.DepthwiseConv2DOptionsAddDepthMultiplier(b, 1)
    tflite.DepthwiseConv2DOptionsAddFusedActivationFunction(b, activation)
    return tflite.DepthwiseConv2DOptionsEnd(b)


def _pool(b: flatbuffers.Builder, kernel: int, stride: int) -> int:
    tflite.Pool2DOptionsStart(b)
    tflite.Pool2DOptionsAddPadding(b, SAME)
    tflite.Pool2DOptionsAddStrideW(b, stride)
    tflite.Pool2DOptionsAddStrideH(b, stride)
    tflite.Pool2DOptionsAddFilterWidth(b, kernel)
    tflite.Pool2DOptionsAddFilterHeight(b, kernel)
    return tflite.Pool2DOptionsEnd(b)


def _leaky(b: flatbuffers.Builder) -> int:
    tflite.LeakyReluOptionsStart(b)
    tflite.LeakyReluOptionsAddAlpha(b, SLOPE)
    return tflite.LeakyReluOptionsEnd(b)


def _concat(b: flatbuffers.Builder) -> int:
    tflite.ConcatenationOptionsStart(b)
    tflite.ConcatenationOptionsAddAxis(b, 3)
    return tflite.ConcatenationOptionsEnd(b)


def _keep(b: flatbuffers.Builder) -> int:
    tflite.ReducerOptionsStart(b)
    tflite.ReducerOptionsAddKeepDims(b, True)
    return tflite.ReducerOptionsEnd(b)


def _bilinear(b: flatbuffers.Builder) -> int:
    tflite.ResizeBilinearOptionsStart(b)
    tflite.ResizeBilinearOptionsAddHalfPixelCenters(b, True)
    return tflite.ResizeBilinearOptionsEnd(b)


def _nearest(b: flatbuffers.Builder) -> int:
    tflite.ResizeNearestNeighborOptionsStart(b)
    return tflite.ResizeNearestNeighborOptionsEnd(b)


def _add(b: flatbuffers.Builder) -> int:
    tflite.AddOptionsStart(b)
    return tflite.AddOptionsEnd(b)


def _mul(b: flatbuffers.Builder) -> int:
    tflite.MulOptionsStart(b)
    return tflite.MulOptionsEnd(b)


def _slice(b: flatbuffers.Builder) -> int:
    tflite.SliceOptionsStart(b)
    return tflite.SliceOptionsEnd(b)


def _hard_swish(b: flatbuffers.Builder) -> int:
    tflite.HardSwishOptionsStart(b)
    return tflite.HardSwishOptionsEnd(b)
