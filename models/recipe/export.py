"""Write a program as a TFLite file, in float32 or in full int8, without TensorFlow.

The int8 file holds per-channel symmetric weights, int32 biases of scale input * weight, and one
scale and zero point per tensor; it takes int8 pixels (value - 128, RGB) and returns nine int8
heads, NHWC. Layout and rules: the TFLite schema and "TensorFlow Lite 8-bit quantization
specification".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import flatbuffers
import numpy as np
import tflite
from net import OUTPUTS, Op, Program
from numpy.typing import NDArray

FLOAT32, INT32, INT8 = tflite.TensorType.FLOAT32, tflite.TensorType.INT32, tflite.TensorType.INT8
SAME = tflite.Padding.SAME
NONE = tflite.ActivationFunctionType.NONE
OPTIONS = tflite.BuiltinOptions
OPCODE = tflite.BuiltinOperator


@dataclass(frozen=True, slots=True)
class Scale:
    """Real value = (q - zero_point) * scale, q in -128..127."""

    scale: float
    zero_point: int


@dataclass(frozen=True, slots=True)
class Kernel:
    """One convolution: weight (out, in / groups, k, k) float32, bias (out,) float32.

    scales: (out,) of the int8 weights; None in a float file
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    scales: NDArray[np.float32] | None = None


def widen(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give a 3x3 stride-2 kernel a fourth row and column of zeros.

    TFLite's SAME padding of an even side by 3x3 stride 2 is all at the bottom right, the original
    pads at the top left. 4x4 pads one on each side, so the kernel covers the very same pixels.
    """
    return np.pad(weight, ((0, 0), (0, 0), (0, 1), (0, 1)))


class Writer:
    """Collects buffers, tensors and operators, then lays them out as one flatbuffer."""

    def __init__(self) -> None:
        self._b = flatbuffers.Builder(1 << 21)
        self._buffers: list[bytes] = [b""]
        self._known: dict[bytes, int] = {}
        self._graphs: list[tuple[str, list[object], list[object], list[int], list[int]]] = []
        self._tensors: list[tuple[str, tuple[int, ...], int, int, object, object, int]] = []
        self._operators: list[tuple[int, list[int], list[int], int, object]] = []
        self._codes: list[tuple[int, int]] = []

    def tensor(self, name: str, shape: tuple[int, ...], kind: int, data: bytes | None = None,
               scale: object = None, zero_point: object = None, axis: int = 0) -> int:  # fmt: skip
        """scale, zero_point: array-likes of one entry, or of one per slice along `axis`."""
        buffer = 0
        if data is not None:
            buffer = self._known.setdefault(data, len(self._buffers))
            if buffer == len(self._buffers):
                self._buffers.append(data)
        self._tensors.append((name, shape, kind, buffer, scale, zero_point, axis))
        return len(self._tensors) - 1

    def operator(self, code: int, version: int, inputs: list[int], outputs: list[int],
                 options_kind: int = 0, options: object = None) -> None:  # fmt: skip
        """options: a function that builds the options table and returns its offset."""
        if (code, version) not in self._codes:
            self._codes.append((code, version))
        index = self._codes.index((code, version))
        self._operators.append((index, inputs, outputs, options_kind, options))

    def close(self, inputs: list[int], outputs: list[int], name: str) -> None:
        """All until now is one computation; another may follow, that shares equal buffers."""
        self._graphs.append((name, self._tensors, self._operators, inputs, outputs))
        self._tensors, self._operators = [], []

    def finish(self, inputs: list[int], outputs: list[int], description: str) -> bytes:
        self.close(inputs, outputs, "main")
        return self.file(description)

    def file(self, description: str) -> bytes:
        b = self._b
        buffers = []
        for data in self._buffers:
            offset = None
            if data:
                # Weights are read in place, so they start on 16 bytes.
                offset = self._aligned(data)
            tflite.BufferStart(b)
            if offset is not None:
                tflite.BufferAddData(b, offset)
            buffers.append(tflite.BufferEnd(b))
        graphs = [self._graph(*graph) for graph in self._graphs]
        codes = []
        for code, version in self._codes:
            tflite.OperatorCodeStart(b)
            tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(code, 127))
            tflite.OperatorCodeAddBuiltinCode(b, code)
            tflite.OperatorCodeAddVersion(b, version)
            codes.append(tflite.OperatorCodeEnd(b))
        graph_vector = self._vector(graphs)
        code_vector = self._vector(codes)
        buffer_vector = self._vector(buffers)
        text = b.CreateString(description)
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, 3)
        tflite.ModelAddOperatorCodes(b, code_vector)
        tflite.ModelAddSubgraphs(b, graph_vector)
        tflite.ModelAddDescription(b, text)
        tflite.ModelAddBuffers(b, buffer_vector)
        b.Finish(tflite.ModelEnd(b), b"TFL3")
        return bytes(b.Output())

    def _graph(self, text: str, tensors: list[object], operators: list[object], inputs: list[int],
               outputs: list[int]) -> int:  # fmt: skip
        b = self._b
        tensor_vector = self._vector([self._tensor(*t) for t in tensors])
        operator_vector = self._vector([self._operator(*o) for o in operators])
        name = b.CreateString(text)
        in_vector = b.CreateNumpyVector(np.array(inputs, np.int32))
        out_vector = b.CreateNumpyVector(np.array(outputs, np.int32))
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, tensor_vector)
        tflite.SubGraphAddInputs(b, in_vector)
        tflite.SubGraphAddOutputs(b, out_vector)
        tflite.SubGraphAddOperators(b, operator_vector)
        tflite.SubGraphAddName(b, name)
        return tflite.SubGraphEnd(b)

    def _aligned(self, data: bytes) -> int:
        b = self._b
        b.StartVector(1, len(data), 16)
        b.head = b.Head() - len(data)
        b.Bytes[b.Head() : b.Head() + len(data)] = data
        return b.EndVector()

    def _vector(self, offsets: list[int]) -> int:
        b = self._b
        b.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            b.PrependUOffsetTRelative(offset)
        return b.EndVector()

    def _tensor(self, name: str, shape: tuple[int, ...], kind: int, buffer: int, scale: object,
                zero_point: object, axis: int) -> int:  # fmt: skip
        b = self._b
        name_offset = b.CreateString(name)
        shape_offset = b.CreateNumpyVector(np.array(shape, np.int32))
        quantization = None
        if scale is not None:
            scales = b.CreateNumpyVector(np.array(scale, np.float32))
            zeros = b.CreateNumpyVector(np.array(zero_point, np.int64))
            tflite.QuantizationParametersStart(b)
            tflite.QuantizationParametersAddScale(b, scales)
            tflite.QuantizationParametersAddZeroPoint(b, zeros)
            tflite.QuantizationParametersAddQuantizedDimension(b, axis)
            quantization = tflite.QuantizationParametersEnd(b)
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, shape_offset)
        tflite.TensorAddType(b, kind)
        tflite.TensorAddBuffer(b, buffer)
        tflite.TensorAddName(b, name_offset)
        if quantization is not None:
            tflite.TensorAddQuantization(b, quantization)
        return tflite.TensorEnd(b)

    def _operator(self, code: int, inputs: list[int], outputs: list[int], options_kind: int,
                  options: object) -> int:  # fmt: skip
        b = self._b
        in_offset = b.CreateNumpyVector(np.array(inputs, np.int32))
        out_offset = b.CreateNumpyVector(np.array(outputs, np.int32))
        options_offset = options(b) if callable(options) else None
        tflite.OperatorStart(b)
        tflite.OperatorAddOpcodeIndex(b, code)
        tflite.OperatorAddInputs(b, in_offset)
        tflite.OperatorAddOutputs(b, out_offset)
        if options_offset is not None:
            tflite.OperatorAddBuiltinOptionsType(b, options_kind)
            tflite.OperatorAddBuiltinOptions(b, options_offset)
        return tflite.OperatorEnd(b)


def shapes(program: Program, height: int, width: int) -> dict[str, tuple[int, int, int, int]]:
    """NHWC shape of every tensor for an input of that size."""
    sizes = {"image": (height, width)}
    for op in program.ops:
        h, w = sizes[op.inputs[0]]
        if op.kind == "upsample":
            h, w = h * 2, w * 2
        sizes[op.out] = (h // op.stride, w // op.stride)
    return {name: (1, *size, program.channels[name]) for name, size in sizes.items()}


def write(
    program: Program,
    kernels: Mapping[str, Kernel],
    height: int,
    width: int,
    *,
    scales: Mapping[str, Scale] | None = None,
    outputs: Sequence[str] = OUTPUTS,
    in_float: Collection[str] = (),
    description: str = "Procrastobot desk detector",
) -> bytes:
    """The file. scales: of every tensor of the program, for int8; None writes float32.

    What a convolution with an activation gives before it is the tensor `<name>.pre`. in_float:
    convolutions that an int8 file computes in float32 all the same, for comparison.
    """
    if height % 32 or width % 32:
        msg = f"{width}x{height}: both sides must be multiples of 32"
        raise ValueError(msg)
    w = Writer()
    size = shapes(program, height, width)
    kind = FLOAT32 if scales is None else INT8
    ids: dict[str, int] = {}

    def activation(name: str, suffix: str = "") -> int:
        if scales is None:
            return w.tensor(name + suffix, size[name], kind)
        s = scales[name + suffix]
        return w.tensor(name + suffix, size[name], kind, None, [s.scale], [s.zero_point])

    real: dict[str, int] = {}  # the float32 twins of tensors, where there are any

    def from_int8(name: str) -> int:
        if name not in real:
            real[name] = w.tensor(name + ".real", size[name], FLOAT32)
            w.operator(OPCODE.DEQUANTIZE, 2, [ids[name]], [real[name]])
        return real[name]

    ids["image"] = activation("image")
    for op in program.ops:
        if op.out in in_float:
            source, real[op.out] = from_int8(op.inputs[0]), w.tensor(op.out, size[op.out], FLOAT32)
            before = w.tensor(op.out + ".pre.real", size[op.out], FLOAT32)
            _conv(w, op, kernels[op.out], source, before, None)
            w.operator(OPCODE.GELU, 1, [before], [real[op.out]], OPTIONS.GeluOptions, _gelu_options)
            if any(op.out in other.inputs and other.out not in in_float for other in program.ops):
                ids[op.out] = activation(op.out)
                w.operator(OPCODE.QUANTIZE, 1, [real[op.out]], [ids[op.out]])
            continue
        inputs = [ids[name] for name in op.inputs]
        out = activation(op.out)
        ids[op.out] = out
        if op.kind == "conv":
            target = activation(op.out, ".pre") if op.act else out
            ids[op.out + ".pre"] = target
            _conv(w, op, kernels[op.out], inputs[0], target, scales)
            if op.act:
                # A table of 256 bytes in int8; older runtimes know it from version 2 on.
                w.operator(
                    OPCODE.GELU, 2 if scales else 1, [target], [out],
                    OPTIONS.GeluOptions, _gelu_options,
                )  # fmt: skip
        elif op.kind == "concat":
            w.operator(
                OPCODE.CONCATENATION, 2 if scales else 1, inputs, [out],
                OPTIONS.ConcatenationOptions, _concat_options,
            )  # fmt: skip
        elif op.kind == "maxpool":
            w.operator(
                OPCODE.MAX_POOL_2D, 2 if scales else 1, inputs, [out],
                OPTIONS.Pool2DOptions, lambda b, k=op.kernel: _pool_options(b, k),
            )  # fmt: skip
        elif op.kind == "upsample":
            target_size = np.array(size[op.out][1:3], np.int32)
            constant = w.tensor(op.out + ".size", (2,), INT32, target_size.tobytes())
            w.operator(
                OPCODE.RESIZE_NEAREST_NEIGHBOR, 2 if scales else 1, [inputs[0], constant], [out],
                OPTIONS.ResizeNearestNeighborOptions, _resize_options,
            )  # fmt: skip
        else:
            msg = f"{op.out}: no TFLite operation for {op.kind}"
            raise ValueError(msg)
    return w.finish([ids["image"]], [ids[name] for name in outputs], description)


def quantize_kernel(
    kernel: Kernel, input_scale: float
) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Weights -127..127 and biases as the file stores them."""
    if kernel.scales is None:
        msg = "an int8 file needs a scale per output channel"
        raise ValueError(msg)
    per_channel = kernel.scales.astype(np.float64)
    weight = np.round(kernel.weight / per_channel[:, None, None, None])
    bias = np.round(kernel.bias / (per_channel * input_scale))
    limit = np.iinfo(np.int32).max // 2
    return (
        np.clip(weight, -127, 127).astype(np.int8),
        np.clip(bias, -limit, limit).astype(np.int32),
    )


def _conv(w: Writer, op: Op, kernel: Kernel, source: int, target: int,
          scales: Mapping[str, Scale] | None) -> None:  # fmt: skip
    if op.kernel == 3 and op.stride == 2:
        kernel = Kernel(widen(kernel.weight), kernel.bias, kernel.scales)
    if scales is None:
        weight, bias, kinds = kernel.weight, kernel.bias, (FLOAT32, FLOAT32)
    else:
        weight, bias = quantize_kernel(kernel, scales[op.inputs[0]].scale)
        kinds = (INT8, INT32)
    # TFLite: (out, k, k, in), or for depthwise (1, k, k, channels).
    weight = np.ascontiguousarray(weight.transpose((1, 2, 3, 0) if op.depthwise else (0, 2, 3, 1)))
    scale = bias_scale = zeros = None
    if scales is not None and kernel.scales is not None:
        scale = np.float32(kernel.scales)
        bias_scale = np.float32(kernel.scales.astype(np.float64) * scales[op.inputs[0]].scale)
        zeros = [0] * len(kernel.bias)
    weight_id = w.tensor(
        op.out + ".weight", weight.shape, kinds[0], weight.tobytes(), scale, zeros,
        3 if op.depthwise else 0,
    )  # fmt: skip
    bias_id = w.tensor(op.out + ".bias", bias.shape, kinds[1], bias.tobytes(), bias_scale, zeros)
    version = 1 if scales is None else 3
    if op.depthwise:
        w.operator(
            OPCODE.DEPTHWISE_CONV_2D, version, [source, weight_id, bias_id], [target],
            OPTIONS.DepthwiseConv2DOptions, lambda b: _depthwise_options(b, op.stride),
        )  # fmt: skip
    else:
        w.operator(
            OPCODE.CONV_2D, version, [source, weight_id, bias_id], [target],
            OPTIONS.Conv2DOptions, lambda b: _conv_options(b, op.stride),
        )  # fmt: skip


def _conv_options(b: flatbuffers.Builder, stride: int) -> int:
    tflite.Conv2DOptionsStart(b)
    tflite.Conv2DOptionsAddPadding(b, SAME)
    tflite.Conv2DOptionsAddStrideW(b, stride)
    tflite.Conv2DOptionsAddStrideH(b, stride)
    tflite.Conv2DOptionsAddFusedActivationFunction(b, NONE)
    return tflite.Conv2DOptionsEnd(b)


def _depthwise_options(b: flatbuffers.Builder, stride: int) -> int:
    tflite.DepthwiseConv2DOptionsStart(b)
    tflite.DepthwiseConv2DOptionsAddPadding(b, SAME)
    tflite.DepthwiseConv2DOptionsAddStrideW(b, stride)
    tflite.DepthwiseConv2DOptionsAddStrideH(b, stride)
    tflite.DepthwiseConv2DOptionsAddDepthMultiplier(b, 1)
    tflite.DepthwiseConv2DOptionsAddFusedActivationFunction(b, NONE)
    return tflite.DepthwiseConv2DOptionsEnd(b)


def _gelu_options(b: flatbuffers.Builder) -> int:
    tflite.GeluOptionsStart(b)
    tflite.GeluOptionsAddApproximate(b, False)
    return tflite.GeluOptionsEnd(b)


def _concat_options(b: flatbuffers.Builder) -> int:
    tflite.ConcatenationOptionsStart(b)
    tflite.ConcatenationOptionsAddAxis(b, 3)
    return tflite.ConcatenationOptionsEnd(b)


def _pool_options(b: flatbuffers.Builder, kernel: int) -> int:
    tflite.Pool2DOptionsStart(b)
    tflite.Pool2DOptionsAddPadding(b, SAME)
    tflite.Pool2DOptionsAddStrideW(b, 1)
    tflite.Pool2DOptionsAddStrideH(b, 1)
    tflite.Pool2DOptionsAddFilterWidth(b, kernel)
    tflite.Pool2DOptionsAddFilterHeight(b, kernel)
    return tflite.Pool2DOptionsEnd(b)


def _resize_options(b: flatbuffers.Builder) -> int:
    tflite.ResizeNearestNeighborOptionsStart(b)
    return tflite.ResizeNearestNeighborOptionsEnd(b)
