"""A detector on TensorFlow Lite: the only place that knows the runtime."""

from __future__ import annotations

import hashlib
import importlib
import platform
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.domain import PHONE, Call, Detection, Frame, Thresholds
from edge.vision.calls import Cells, calls
from edge.vision.decode import (
    BINS,
    Found,
    GflDecoder,
    GflHead,
    GflQuant,
    Head,
    HeadQuant,
    Rivalry,
    YoloxDecoder,
    decode_ssd,
    to_detections,
)
from edge.vision.manifest import CALL, Colour, Family, Fit, ModelError, ModelInput, ModelSpec
from edge.vision.preprocess import Preprocessor, Quant


def _x86_64() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")


# The first that is there is taken. LiteRT is several times as fast on x86-64; a Pi's Python decides
# which of them it can have.
RUNTIMES = ("tflite_runtime", "ai_edge_litert")
if _x86_64():
    RUNTIMES = ("ai_edge_litert", "tflite_runtime")
IDENTIFIER = b"TFL3"  # at byte 4 of every TFLite flatbuffer
TRIAL = "import sys; from edge.vision import tflite; tflite.trial(sys.argv[1])"
TRIAL_S = 60.0


def load_detector(spec: ModelSpec, threads: int = 2, *, runtime_name: str = "") -> TfliteDetector:
    """A detector that runs the model of `spec`. Raises ModelError when the file does not fit.

    `runtime_name` is one of RUNTIMES; empty: whichever is installed.
    """
    _check_kind(spec.path)
    if not spec.sha256:
        _try_apart(spec)
    interpreter = _interpreter(str(spec.path), threads, runtime_name)
    return TfliteDetector(spec, interpreter)


class TfliteDetector:
    """Shows frames to a model; `Detector` of `ports.py`. Not for two threads at once."""

    def __init__(self, spec: ModelSpec, interpreter: Any) -> None:
        self.spec = spec
        self.labels = spec.labels
        self._interpreter = interpreter
        self.runtime = type(interpreter).__module__.partition(".")[0]
        self._name = spec.path.name
        self._input = self._check_input()
        self._preprocessor = Preprocessor(
            spec.input,
            spec.family,
            dtype=np.dtype(self._input["dtype"]),
            quant=_quant(self._input),
        )
        self._outputs: list[list[int]] = []
        self._decode: Callable[[list[list[NDArray[Any]]]], Found]
        self._calls: Callable[[list[list[NDArray[Any]]]], Cells] | None = None
        if spec.family is Family.YOLOX:
            self._decode = self._check_yolox()
        elif spec.family is Family.GFL:
            self._decode = self._check_gfl()
        else:
            self._decode = self._check_ssd()

    def detect(self, frame: Frame) -> tuple[Detection, ...]:
        """Best score first; boxes are fractions of the frame, clipped to it."""
        return self.look(frame)[0]

    def look(self, frame: Frame) -> tuple[tuple[Detection, ...], tuple[Call, ...]]:
        """What is detected, and what is told of calls."""
        # A view of the tensor must be gone before the runtime is called, or it refuses.
        tensor = self._tensor(self._input["index"])
        placed = self._preprocessor.fill(frame.image, tensor)
        del tensor
        self._interpreter.invoke()
        tensors = [[self._tensor(index) for index in indices] for indices in self._outputs]
        found = to_detections(self._decode(tensors), self.labels, placed)
        told = () if self._calls is None else calls(found, self._calls(tensors), placed)
        return found, told

    def invoke(self) -> None:
        """Run the model on whatever was shown last: what `bench` compares a whole tick with."""
        self._interpreter.invoke()

    def _tensor(self, index: int) -> NDArray[Any]:
        """A view of a tensor, without its batch dimension."""
        view: NDArray[Any] = self._interpreter.tensor(index)()[0]
        return view

    def _misfit(self, text: str) -> ModelError:
        return ModelError(f"{self._name} does not fit its manifest: {text}")

    def _check_input(self) -> dict[str, Any]:
        inputs = self._interpreter.get_input_details()
        if len(inputs) != 1:
            raise self._misfit(f"it has {len(inputs)} inputs, and one picture is all there is")
        details: dict[str, Any] = inputs[0]
        shape = tuple(int(side) for side in details["shape"])
        wanted = (1, self.spec.input.height_px, self.spec.input.width_px, 3)
        if shape != wanted:
            raise self._misfit(
                f"its input is {_by(shape)}, the manifest says {_by(wanted)}"
                " (batch, height, width, colours)"
            )
        dtype = np.dtype(details["dtype"])
        if dtype not in (np.dtype(np.uint8), np.dtype(np.int8), np.dtype(np.float32)):
            raise self._misfit(f"its input is {dtype}; uint8, int8 and float32 are known")
        if dtype.kind != "f" and _quant(details).scale == 0:
            raise self._misfit(f"its {dtype} input has no quantization parameters")
        return details

    def _heads_by_size(self) -> dict[tuple[int, int], dict[int, dict[str, Any]]]:
        """Outputs by (height, width), largest first, and by how many channels they have."""
        by_size: dict[tuple[int, int], dict[int, dict[str, Any]]] = {}
        for details in self._interpreter.get_output_details():
            shape = tuple(int(side) for side in details["shape"])
            if len(shape) != 4 or shape[0] != 1:
                raise self._misfit(
                    f"an output is {_by(shape)}; {self.spec.family} heads are"
                    " (1, height, width, channels)"
                )
            by_size.setdefault((shape[1], shape[2]), {})[shape[3]] = details
        return dict(sorted(by_size.items(), reverse=True))

    def _chosen(
        self, size: tuple[int, int], heads: dict[int, dict[str, Any]], known: tuple[int, ...]
    ) -> list[dict[str, Any]]:
        """Of one size: the heads of so many channels, then that of the classes. Notes them."""
        rows, columns = size
        labels = len(self.labels)
        if labels in known:
            raise self._misfit(f"{labels} labels cannot be told from the other heads")
        others = set(heads) - set(known)
        if len(heads) != len(known) + 1 or not set(known) < set(heads):
            raise self._misfit(
                f"its heads of {rows}x{columns} have {_and(heads)} channels;"
                f" {', '.join(map(str, known))} and one per label are needed"
            )
        if others != {labels}:
            raise self._misfit(
                f"its class heads have {_and(others)} channels, the manifest has {labels} labels"
            )
        chosen = [heads[channels] for channels in (*known, labels)]
        kinds = {np.dtype(details["dtype"]) for details in chosen}
        if not kinds <= {np.dtype(np.float32), np.dtype(np.int8)}:
            raise self._misfit(f"a head is {_and(kinds)}; float32 and int8 are known")
        self._outputs.append([int(details["index"]) for details in chosen])
        return chosen

    def _check_yolox(self) -> Callable[[list[list[NDArray[Any]]]], Found]:
        """Find box, objectness and classes of each stride among the outputs, by their shapes."""
        quants: list[HeadQuant] = []
        height, width = self.spec.input.height_px, self.spec.input.width_px
        for (rows, columns), heads in self._heads_by_size().items():
            chosen = self._chosen((rows, columns), heads, (4, 1))
            if height * columns != width * rows or height % rows:
                raise self._misfit(
                    f"its heads of {rows}x{columns} are no whole stride of {height}x{width}"
                )
            quants.append(HeadQuant(*(_quant(details) for details in chosen)))
        decoder = YoloxDecoder(
            quants,
            floor=self.spec.thresholds.floor,
            nms_iou=self.spec.nms_iou,
            rivalry=self._rivalry(),
        )
        return lambda tensors: decoder([Head(*each) for each in tensors])

    def _check_gfl(self) -> Callable[[list[list[NDArray[Any]]]], Found]:
        """Find the distances and the classes of each stride among the outputs."""
        quants: list[GflQuant] = []
        height, width = self.spec.input.height_px, self.spec.input.width_px
        for (rows, columns), heads in self._heads_by_size().items():
            box, classes = self._chosen((rows, columns), heads, (4 * BINS,))
            # Of a side that is no multiple of the stride a part of a cell is left over.
            strides = [
                stride
                for stride in (4, 8, 16, 32, 64, 128)
                if (-(-height // stride), -(-width // stride)) == (rows, columns)
            ]
            if len(strides) != 1:
                raise self._misfit(
                    f"its heads of {rows}x{columns} are no stride of {height}x{width}"
                )
            quants.append(GflQuant(strides[0], _quant(classes), _quant(box)))
        call = self.labels[-1] == CALL
        decoder = GflDecoder(
            quants,
            width_px=width,
            height_px=height,
            centre=self.spec.centre,
            turned=self.spec.input.turned,
            floor=self.spec.thresholds.floor,
            nms_iou=self.spec.nms_iou,
            call=call,
        )

        def heads_of(tensors: list[list[NDArray[Any]]]) -> list[GflHead]:
            return [GflHead(classes, box) for box, classes in tensors]

        if call:
            phone = self.labels.index(PHONE)
            self._calls = lambda tensors: decoder.calls(heads_of(tensors), phone)
        return lambda tensors: decoder(heads_of(tensors))

    def _rivalry(self) -> Rivalry | None:
        rivals = tuple(self.labels.index(label) for label in self.spec.phone_rivals)
        return Rivalry(self.labels.index(PHONE), rivals) if rivals else None

    def _check_ssd(self) -> Callable[[list[list[NDArray[Any]]]], Found]:
        # Named TFLite_Detection_PostProcess, :1, :2, :3 in the order boxes, classes, scores, count.
        outputs = sorted(self._interpreter.get_output_details(), key=lambda each: each["name"])
        shapes = [tuple(int(side) for side in details["shape"]) for details in outputs]
        most = shapes[0][1] if shapes and len(shapes[0]) == 3 else 0
        if shapes != [(1, most, 4), (1, most), (1, most), (1,)]:
            raise self._misfit(
                f"its outputs are {', '.join(_by(shape) for shape in shapes)}; {self.spec.family}"
                " has 1xNx4 boxes, 1xN classes, 1xN scores and a count"
            )
        self._outputs = [[int(details["index"]) for details in outputs]]

        def decode(tensors: list[list[NDArray[Any]]]) -> Found:
            boxes, classes, scores, count = tensors[0]
            floor = self.spec.thresholds.floor
            return decode_ssd(boxes, classes, scores, int(count), floor=floor)

        return decode


class Vectors:
    """A network that makes one vector of one square picture. Not for two threads at once."""

    def __init__(
        self, path: Path, side_px: int, *, colours: int = 3, runtime_name: str = ""
    ) -> None:
        """Raises ModelError when the file does not fit."""
        _check_kind(path)
        # One thread: of a few milliseconds a second one takes little away, and on a busy machine
        # the two wait for each other a hundred times as long (seen: 1.9 s instead of 28 ms).
        self._interpreter = _interpreter(str(path), 1, runtime_name)
        (self._input,) = self._interpreter.get_input_details()
        shape = tuple(int(side) for side in self._input["shape"])
        if shape != (1, side_px, side_px, colours):
            raise ModelError(
                f"{path.name} does not fit its manifest: its input is {_by(shape)}, not"
                f" {_by((1, side_px, side_px, colours))}"
            )
        dtype = np.dtype(self._input["dtype"])
        # Pixels as they are, in bytes or as numbers: what is done to them is inside of the file.
        self._shift = -128 if dtype == np.dtype(np.int8) else 0
        self._dtype = dtype
        # By name: of equal lengths, nothing else tells which is which.
        self._outputs = sorted(
            self._interpreter.get_output_details(), key=lambda each: str(each["name"])
        )
        self.length = sum(int(np.prod(each["shape"])) for each in self._outputs)

    def __call__(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(length,) of a picture (side, side, colours); three are RGB."""
        shown = (picture.astype(np.int16) + self._shift).astype(self._dtype)
        self._interpreter.set_tensor(self._input["index"], shown[None])
        self._interpreter.invoke()
        return np.concatenate(
            [
                _real(self._interpreter.get_tensor(each["index"]).reshape(-1), _quant(each))
                for each in self._outputs
            ]
        )


def _real(stored: NDArray[Any], quant: Quant) -> NDArray[np.float32]:
    values = stored.astype(np.float32)
    return values if quant.scale == 0 else (values - quant.zero_point) * np.float32(quant.scale)


def _check_kind(path: Path) -> None:
    try:
        with path.open("rb") as file:
            beginning = file.read(8)
    except FileNotFoundError as exc:
        raise ModelError(f"the model file {path} is missing") from exc
    except OSError as exc:
        raise ModelError(f"the model file {path} cannot be read: {exc.strerror}") from exc
    if beginning[4:] != IDENTIFIER:
        raise ModelError(f"{path} is not a TensorFlow Lite model")


def bare_invoke(path: Path, threads: int) -> Callable[[], None]:
    """Inference of any model file, on whatever its input holds. Raises ModelError."""
    spec_of_file(path, family=Family.YOLOX, labels=(), colour=Colour.RGB, fit=Fit.STRETCH)
    interpreter = _interpreter(str(path), threads)
    return lambda: interpreter.invoke()


def spec_of_file(
    path: Path, *, family: Family, labels: tuple[str, ...], colour: Colour, fit: Fit
) -> ModelSpec:
    """Describe a file that no manifest does; tries it first. Raises ModelError."""
    unknown = ModelSpec(
        path.stem, path, family, ModelInput(0, 0, colour, fit), labels, Thresholds()
    )
    _check_kind(unknown.path)
    height, width = _try_apart(unknown)
    return replace(
        unknown,
        input=ModelInput(width, height, colour, fit),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        size_bytes=path.stat().st_size,
    )


def _try_apart(spec: ModelSpec) -> tuple[int, int]:
    """Load and run a file that no checksum vouches for in a process of its own.

    The runtime believes what a file says of itself: one that is cut short crashes the process
    (seen with tflite-runtime 2.14: SIGSEGV). Returns (height, width) of its input.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", TRIAL, str(spec.path.resolve())],
            capture_output=True,
            text=True,
            timeout=TRIAL_S,
            check=False,
            cwd=Path(__file__).parents[2],
        )
    except subprocess.TimeoutExpired as exc:
        raise ModelError(f"{spec.path} does not finish in {TRIAL_S:g} s") from exc
    if done.returncode < 0:
        raise ModelError(f"{spec.path} crashes the runtime: cut short or damaged")
    if done.returncode > 0:
        last = (done.stderr.strip().splitlines() or ["no word why"])[-1]
        raise ModelError(last if done.returncode == 2 else f"{spec.path} cannot be run: {last}")
    height, width = done.stdout.split()[-2:]
    return int(height), int(width)


def trial(path: str) -> None:
    """Load and run a model once and print the height and width of its input.

    Exits 2 with one line on stderr when it cannot be loaded.
    """
    try:
        interpreter = _interpreter(path, 1)
        shape = interpreter.get_input_details()[0]["shape"]
        if len(shape) != 4:
            raise ModelError(f"{path} takes no pictures: its input is {_by(tuple(shape))}")
        interpreter.invoke()
    except ModelError as exc:
        print(exc, file=sys.stderr)  # noqa: T201 - read by the process that started the trial
        sys.exit(2)
    print(int(shape[1]), int(shape[2]))  # noqa: T201 - the same


def _interpreter(path: str, threads: int, runtime_name: str = "") -> Any:
    """An interpreter with its tensors allocated. Raises ModelError."""
    module = runtime(runtime_name)
    try:
        content = one_computation(Path(path).read_bytes(), in_float=_slow_in_int8(module))
        interpreter = module.Interpreter(model_content=content, num_threads=threads)
        interpreter.allocate_tensors()
    except SystemError as exc:
        # tflite-runtime 2.14 imports with numpy 2, and fails only here.
        raise ModelError(
            f"{module.__name__.split('.')[0]} does not work with numpy {np.__version__}: install"
            " numpy<2, or ai-edge-litert instead"
        ) from exc
    except (ValueError, RuntimeError) as exc:
        first = (str(exc).strip().splitlines() or ["no word why"])[0]
        raise ModelError(f"{path} cannot be loaded: {first}") from exc
    return interpreter


def _slow_in_int8(module: Any) -> bool:
    """On x86-64 tflite-runtime takes 20 to 40 times as long for a depthwise convolution in int8 as
    in float32; for ARM it has code of its own."""
    return _x86_64() and module.__name__.startswith("tflite_runtime")


def one_computation(content: bytes, *, in_float: bool) -> bytes:
    """Of a model file that holds its network twice, in int8 and in float32 with the same weights:
    the file with one of the two. Any other file as it is.

    A runtime gets everything ready that a file holds, so the other one would take time and memory.
    """
    try:
        # The flatbuffer's root table; the third of its fields lists the computations.
        (root,) = struct.unpack_from("<I", content, 0)
        (back,) = struct.unpack_from("<i", content, root)
        (field,) = struct.unpack_from("<H", content, root - back + 4 + 2 * 2)
        (ahead,) = struct.unpack_from("<I", content, root + field)
        listed = root + field + ahead
        count, first, second = struct.unpack_from("<III", content, listed)
    except struct.error:
        return content  # what is wrong with it the runtime says
    if count != 2:
        return content
    # Each entry says how far it is from itself to what it means.
    changed = bytearray(content)
    struct.pack_into("<II", changed, listed, 1, second + 4 if in_float else first)
    return bytes(changed)


def runtime(name: str = "") -> Any:
    """The interpreter module of a runtime; unnamed, the first that is there. Raises ModelError."""
    reasons = []
    for package in (name,) if name else RUNTIMES:
        try:
            return importlib.import_module(f"{package}.interpreter")
        except ImportError as exc:
            reasons.append(str(exc))
    raise ModelError(
        "no TensorFlow Lite runtime: install tflite-runtime or ai-edge-litert"
        f" ({'; '.join(reasons)})"
    )


def _quant(details: dict[str, Any]) -> Quant:
    scale, zero_point = details["quantization"]
    return Quant(float(scale), int(zero_point))


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(str(side) for side in shape) or "a single number"


def _and(values: Any) -> str:
    return " and ".join(str(value) for value in sorted(values, key=str)) or "no"
