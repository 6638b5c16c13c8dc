"""Write a lowered graph as a TFLite file, in float32 or in int8.

The file takes pixels: int8 (value - 128) or float32 0..255, RGB, and gives the graph's outputs,
NHWC. Normalization is in the first convolution's weights. What is padded there is grey, `GREY`, the
middle of the three means: zero is the stored value of that grey.

It takes the picture upside down (turned by 180 degrees), and gives its outputs so, with all kernels
turned. Where a step of stride 2 halves an even side, PyTorch pads at the top and left, TensorFlow
at the bottom and right: turned, the one is the other. Nothing has to be padded or widened.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
    assert node.weight is not None
    assert node.bias is not None
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


def weight_scales(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Per output channel."""
    return np.maximum(np.abs(weight).max((1, 2, 3)) / 127, 1e-9).astype(np.float32)


def before(made_of: Graph, ends: Collection[str]) -> frozenset[str]:
    """These steps and all that they need."""
    found = set(ends)
    for node in reversed(made_of.nodes):
        if node.out in found:
            found |= set(node.inputs)
    return frozenset(found - {"image"})


class _File:
    def __init__(
        self,
        made_of: Graph,
        height: int,
        width: int,
        scales: Mapping[str, Scale] | None,
        in_float: Collection[str],
        writer: Writer,
    ) -> None:
        self.writer = writer
        self.size = shapes(made_of, height, width)
        self.scales = scales
        self._in_float = in_float
        self._ids: dict[tuple[str, bool], int] = {}

    def is_float(self, name: str) -> bool:
        return self.scales is None or name in self._in_float

    def new(self, name: str, *, real: bool) -> int:
        shape = (1, *self.size[name])
        if real or self.scales is None:
            made = self.writer.tensor(name, shape, FLOAT32)
        else:
            s = self.scales[name]
            made = self.writer.tensor(name, shape, INT8, None, [s.scale], [s.zero_point])
        self._ids[name, real] = made
        return made

    def get(self, name: str, *, real: bool) -> int:
        """The tensor as float32 or as int8; made from the other where it has to be."""
        if (name, real) not in self._ids:
            other = self._ids[name, not real]
            code = OPCODE.DEQUANTIZE if real else OPCODE.QUANTIZE
            self.writer.operator(code, 2 if real else 1, [other], [self.new(name, real=real)])
        return self._ids[name, real]

    def constant(self, name: str, values: NDArray[np.float32]) -> int:
        """Numbers above 0, for the step of that name."""
        if self.is_float(name.rpartition(".")[0]):
            return self.writer.tensor(name, values.shape, FLOAT32, np.float32(values).tobytes())
        step = float(values.max()) / 127
        whole = np.round(values / step).astype(np.int8)
        return self.writer.tensor(name, whole.shape, INT8, whole.tobytes(), [step], [0])

    def whole_numbers(self, name: str, numbers: object) -> int:
        values = np.array(numbers, np.int32)
        return self.writer.tensor(name, values.shape, INT32, values.tobytes())


def write(
    made_of: Graph,
    height: int,
    width: int,
    *,
    scales: Mapping[str, Scale] | None = None,
    in_float: Collection[str] = (),
    description: str = "",
) -> bytes:
    """made_of: lowered, of pixels. scales: of every tensor, for int8; None writes float32.
    in_float: steps that an int8 file does in float32 all the same.

    An int8 file holds the same network a second time, computed in float32 with the very same
    int8 weights, which are stored once: for runtimes that are slow in int8 (edge/vision/tflite.py).
    """
    writer = Writer()
    if scales is None:
        _computation(_File(made_of, height, width, None, (), writer), made_of, "float")
    else:
        _computation(_File(made_of, height, width, scales, in_float, writer), made_of, "int8")
        everything = {node.out for node in made_of.nodes}
        _computation(_File(made_of, height, width, scales, everything, writer), made_of, "float")
    return writer.file(description)


def _computation(file: _File, made_of: Graph, name: str) -> None:
    """Pixels come in, and logits go out, as int8 if there are scales and not all is in float32."""
    w = file.writer
    image = file.new("image", real=file.scales is None)
    if file.scales is None:
        pixels, image = image, file.new("image", real=True)
        grey = w.tensor("grey", (1,), FLOAT32, np.float32([-GREY]).tobytes())
        w.operator(OPCODE.ADD, 1, [pixels, grey], [image], OPTIONS.AddOptions, _add)
        image = pixels
    relus = fused(made_of)
    for node in made_of.nodes:
        if node.kind in FUSED and node.inputs[0] in relus:
            continue
        real = file.is_float(node.out)
        given = [file.get(each, real=real) for each in node.inputs]
        relu = relus.get(node.out)
        out = file.new(relu.out if relu else node.out, real=real)
        if node.kind == "conv":
            _conv(file, node, given[0], out, FUSED[relu.kind] if relu else ACTIVATION.NONE)
        else:
            _other(file, node, given, out)
    outputs = [file.get(each, real=file.is_float(each)) for each in made_of.outputs]
    w.close([image], outputs, name)


def _other(file: _File, node: Node, given: list[int], out: int) -> None:
    w, version = file.writer, 1 if file.is_float(node.out) else 2
    if node.kind == "leaky":
        w.operator(
            OPCODE.LEAKY_RELU, version, given, [out], OPTIONS.LeakyReluOptions, _leaky
        )  # fmt: skip
    elif node.kind == "hardswish":
        w.operator(
            OPCODE.HARD_SWISH, 1, given, [out], OPTIONS.HardSwishOptions, _hard_swish
        )  # fmt: skip
    elif node.kind == "scale":
        assert node.weight is not None
        by = file.constant(node.out + ".by", node.weight)
        w.operator(OPCODE.MUL, version, [*given, by], [out], OPTIONS.MulOptions, _mul)
    elif node.kind == "ramp":
        three = file.constant(node.out + ".three", np.float32([3]))
        w.operator(OPCODE.ADD, version, [*given, three], [out], OPTIONS.AddOptions, _add_relu6)
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


def _conv(file: _File, node: Node, given: int, out: int, activation: int) -> None:
    assert node.weight is not None
    assert node.bias is not None
    w, weight, bias = file.writer, node.weight, node.bias
    weight = weight[:, :, ::-1, ::-1]
    stride = node.size[1]
    depthwise = node.groups > 1
    # TFLite: (out, k, k, in), or for depthwise (1, k, k, channels).
    laid = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
    axis = 3 if depthwise else 0
    real = file.is_float(node.out)
    if file.scales is None or (real and node.steps is None):
        stored = np.ascontiguousarray(weight.transpose(laid), np.float32)
        weight_id = w.tensor(node.out + ".weight", stored.shape, FLOAT32, stored.tobytes())
    else:
        scale = weight_scales(weight) if node.steps is None else node.steps
        per_channel = scale.astype(np.float64)
        whole = np.clip(np.round(weight / per_channel[:, None, None, None]), -127, 127)
        stored = np.ascontiguousarray(whole.transpose(laid)).astype(np.int8)
        zeros = [0] * len(bias)
        weight_id = w.tensor(
            node.out + ".weight", stored.shape, INT8, stored.tobytes(), scale, zeros, axis
        )
        if real:
            # Done once, when the file is loaded.
            plain = w.tensor(node.out + ".real", stored.shape, FLOAT32)
            w.operator(OPCODE.DEQUANTIZE, 2, [weight_id], [plain])
            weight_id = plain
    if real:
        bias_id = w.tensor(node.out + ".bias", bias.shape, FLOAT32, np.float32(bias).tobytes())
    else:
        bias_scale = per_channel * file.scales[node.inputs[0]].scale
        biases = np.clip(np.round(bias / bias_scale), -(2**30), 2**30).astype(np.int32)
        bias_id = w.tensor(
            node.out + ".bias", bias.shape, INT32, biases.tobytes(), np.float32(bias_scale), zeros
        )
    version = 1 if real else 3
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


def _add_relu6(b: flatbuffers.Builder) -> int:
    tflite.AddOptionsStart(b)
    tflite.AddOptionsAddFusedActivationFunction(b, ACTIVATION.RELU6)
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
