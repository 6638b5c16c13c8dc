"""Lays out a TFLite file, without TensorFlow: the TFLite schema, and the "TensorFlow Lite 8-bit
quantization specification" for what a scale is."""

from __future__ import annotations

from dataclasses import dataclass

import flatbuffers
import numpy as np
import tflite

FLOAT32, INT32, INT8 = tflite.TensorType.FLOAT32, tflite.TensorType.INT32, tflite.TensorType.INT8
OPTIONS = tflite.BuiltinOptions
OPCODE = tflite.BuiltinOperator


@dataclass(frozen=True, slots=True)
class Scale:
    """Real value = (q - zero_point) * scale, q in -128..127."""

    scale: float
    zero_point: int


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
