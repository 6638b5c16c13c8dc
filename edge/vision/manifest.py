"""Which models there are, and all that a model file does not say about itself.

`models/manifest.toml` has one table per model:

    format = 1
    default = "normal"

    [models.normal]
    file = "desk.tflite"        # beside the manifest
    sha256 = "..."
    bytes = 1234567
    family = "yolox"            # yolox, gfl: raw heads; ssd: boxes from built-in postprocessing
    input = { width = 544, height = 416, colour = "rgb", fit = "letterbox-top-left", pad = 114 }
    labels = ["phone", "person"]        # by class index; "???" is a class that does not exist
    floor = 0.25                # nothing below this score is reported
    thresholds = { phone = 0.45 }       # shipped operating points; other labels use the floor
    nms_iou = 0.65              # not ssd, optional: boxes that overlap more are one object
    phone_rivals = ["wallet"]   # yolox only, optional: what else claims what may be a phone
    centre = 0.5                # gfl only: boxes are told from the middle of a cell (0.5) or from
                                # its top left corner (0)
    quantization = "int8"       # the last three are for people
    licence = "Apache-2.0"
    provenance = "one sentence"

and one table per set of models that look in turn, if any; `default` and the configuration name a
set or a single model:

    [sets.normal]
    eyes = ["nanodet", "picodet"]
    phone = 0.17                # what they say together is believed from here on

and, if the box can be shown things (`procrastobot teach`), what turns crops into vectors and what
was made of it with the training pictures (`vision/features.py`):

    [features]
    side = 160                  # of a crop, in pixels
    length = 96                 # of a vector
    network = { file = "features.tflite", sha256 = "...", bytes = 1234567 }
    bank = { file = "features.npz", sha256 = "...", bytes = 123456 }

and, if it can read numbers on cards (`vision/card.py`):

    [card]
    file = "digits.tflite"
    sha256 = "..."
    bytes = 1234

`turned = true` within `input`: the model was made to see the picture upside down.

Shapes and quantization parameters are read from the model file itself (`vision/tflite.py`).
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from edge import resources
from edge.config import ModelConfig
from edge.domain import PHONE, Thresholds
from edge.errors import Misconfigured

FORMAT = 1
NO_LABEL = "???"
NMS_IOU = 0.65

Choice = TypeVar("Choice", bound=StrEnum)


class ModelError(Misconfigured):
    """A model or its manifest cannot be used; the text is one line that says what is wrong."""


class Family(StrEnum):
    YOLOX = "yolox"
    SSD = "ssd"
    GFL = "gfl"


class Colour(StrEnum):
    RGB = "rgb"
    BGR = "bgr"


class Fit(StrEnum):
    LETTERBOX = "letterbox-top-left"  # aspect kept; the rest at the right or bottom is padding
    STRETCH = "stretch"


@dataclass(frozen=True, slots=True)
class ModelInput:
    """What the model is shown.

    pad:    the value, 0..255, of what a letterbox leaves over
    turned: by 180 degrees; what it says of where things are is turned back
    """

    width_px: int
    height_px: int
    colour: Colour
    fit: Fit
    pad: int = 114
    turned: bool = False


@dataclass(frozen=True, slots=True)
class FileSpec:
    path: Path
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class FeaturesSpec:
    """A file that turns crops into vectors, and what was made with it of the training pictures.

    Both are sides of one thing: vectors are worth something only to the pair that made them.
    """

    network: FileSpec
    bank: FileSpec
    side_px: int
    length: int

    @property
    def version(self) -> str:
        """What tells its vectors from those of another pair: short, and fit for a file's name."""
        both = f"{self.network.sha256} {self.bank.sha256}"
        return hashlib.sha256(both.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model of the manifest."""

    name: str
    path: Path
    family: Family
    input: ModelInput
    labels: tuple[str, ...]
    thresholds: Thresholds
    nms_iou: float = NMS_IOU
    phone_rivals: tuple[str, ...] = ()
    centre: float = 0.5
    sha256: str = ""  # empty, and 0 bytes: a file given by hand, not checked
    size_bytes: int = 0
    quantization: str = ""
    licence: str = ""
    provenance: str = ""

    def with_floor(self, floor: float) -> ModelSpec:
        """The same, but for the score, 0..1, from which on it reports."""
        return replace(self, thresholds=replace(self.thresholds, floor=floor))

    @property
    def description(self) -> str:
        """One phrase for people: "normal: yolox 544x416 int8, 12 labels, 1.1 MB"."""
        real = sum(label != NO_LABEL for label in self.labels)
        parts = [f"{self.family} {self.input.width_px}x{self.input.height_px}"]
        if self.quantization:
            parts[0] += f" {self.quantization}"
        parts.append(f"{real} labels")
        if self.size_bytes:
            parts.append(f"{self.size_bytes / 1e6:.1f} MB")
        return f"{self.name}: {', '.join(parts)}"


@dataclass(frozen=True, slots=True)
class EyeSet:
    """Models that look in turn, and from which scores on what they say together is believed.

    features: of what they see, for things that are shown to the box; None: nothing can be
    card: what reads numbers on cards; None: nothing does
    """

    name: str
    eyes: tuple[ModelSpec, ...]
    thresholds: Thresholds
    features: FeaturesSpec | None = None
    card: FileSpec | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        return self.eyes[0].labels

    @property
    def description(self) -> str:
        """One phrase for people: "normal: nanodet: gfl 416x416 int8, ...; picodet: ..."."""
        return f"{self.name}: {'; '.join(eye.description for eye in self.eyes)}"

    def with_floor(self, floor: float) -> EyeSet:
        """The same, but for the score, 0..1, from which on they report."""
        return replace(self, thresholds=replace(self.thresholds, floor=floor))


def alone(spec: ModelSpec) -> EyeSet:
    """One model as a set of its own."""
    return EyeSet(spec.name, (spec,), spec.thresholds)


@dataclass(frozen=True, slots=True)
class Manifest:
    path: Path
    default: str
    models: Mapping[str, ModelSpec]
    sets: Mapping[str, EyeSet] = field(default_factory=dict)
    features: FeaturesSpec | None = None
    card: FileSpec | None = None

    def eyes(self, name: str = "") -> EyeSet:
        """The set called `name`, one model by its name, or the default. Raises ModelError."""
        wanted = name or self.default
        if wanted in self.sets:
            return replace(self.sets[wanted], features=self.features, card=self.card)
        if wanted in self.models:
            chosen = alone(self.models[wanted])
            return replace(chosen, features=self.features, card=self.card)
        known = {**self.sets, **self.models}
        near = get_close_matches(wanted, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; there is {_listed(known)}"
        raise ModelError(f"{self.path} has no model {wanted!r}{hint}")


def default_path() -> Path:
    """The manifest that came with the program. Raises ModelError."""
    try:
        return resources.directory("models") / "manifest.toml"
    except FileNotFoundError as exc:
        raise ModelError(str(exc)) from exc


def load_eyes(config: ModelConfig) -> EyeSet:
    """The eyes that the configuration names, with their files checked. Raises ModelError."""
    path = Path(os.path.expanduser(config.manifest)) if config.manifest else default_path()
    chosen = load(path).eyes(config.name)
    for spec in chosen.eyes:
        check_file(spec)
    if chosen.features is not None:
        check_file(chosen.features.network)
        check_file(chosen.features.bank)
    if chosen.card is not None:
        check_file(chosen.card)
    return chosen


def load(path: Path) -> Manifest:
    """Read a manifest and check all that can be checked without its model files.

    Raises ModelError that names every fault at once.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise ModelError(f"there is no model manifest {path}") from exc
    except OSError as exc:
        raise ModelError(f"{path} cannot be read: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ModelError(f"{path} is not TOML: {exc}") from exc
    faults: list[str] = []
    reader = _Table(tree, "", faults)
    if reader.integer("format") != FORMAT:
        faults.append(f"format must be {FORMAT}")
    models: dict[str, ModelSpec] = {}
    for name, value in reader.table("models").items():
        if isinstance(value, dict):
            models[name] = _spec(_Table(value, f"models.{name}.", faults), name, path.parent)
        else:
            faults.append(f"models.{name} is not a table")
    sets: dict[str, EyeSet] = {}
    for name, value in (reader.table("sets") if "sets" in tree else {}).items():
        if isinstance(value, dict):
            sets[name] = _set(_Table(value, f"sets.{name}.", faults), name, models)
        else:
            faults.append(f"sets.{name} is not a table")
    features = _features(reader, path.parent) if "features" in tree else None
    card = None
    if "card" in tree:
        card = _file(_Table(reader.table("card"), "card.", faults), path.parent)
    default = reader.text("default")
    known = {**sets, **models}
    if not models and not faults:
        faults.append("there are no models")
    if models and default not in known:
        faults.append(f"default = {default!r}: there is {_listed(known)}")
    if faults:
        raise ModelError(f"{path}: {'; '.join(dict.fromkeys(faults))}")
    return Manifest(
        path=path,
        default=default,
        models=MappingProxyType(models),
        sets=MappingProxyType({name: each for name, each in sets.items() if each.eyes}),
        features=features,
        card=card,
    )


def check_file(spec: ModelSpec | FileSpec) -> None:
    """Compare a file with the manifest. Raises ModelError."""
    try:
        size = spec.path.stat().st_size
        if size != spec.size_bytes:
            raise ModelError(
                f"{spec.path} has {size} bytes instead of {spec.size_bytes}: cut short, or another"
                " file"
            )
        with spec.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as exc:
        raise ModelError(f"the model file {spec.path} is missing") from exc
    except OSError as exc:
        raise ModelError(f"the model file {spec.path} cannot be read: {exc.strerror}") from exc
    if digest != spec.sha256:
        raise ModelError(
            f"{spec.path} is not the file of the manifest: its sha256 is {digest[:12]}..., not"
            f" {spec.sha256[:12]}..."
        )


def _set(table: _Table, name: str, models: Mapping[str, ModelSpec]) -> EyeSet:
    eyes = []
    for model in table.names("eyes"):
        if model in models:
            eyes.append(models[model])
        else:
            table.fault("eyes", f"there is no model {model!r}; there is {_listed(models)}")
    if any(eye.labels != eyes[0].labels for eye in eyes):
        table.fault("eyes", "they have different labels")
    thresholds = dict(eyes[0].thresholds.labels) if eyes else {}
    thresholds[PHONE] = table.share("phone")
    floor = eyes[0].thresholds.floor if eyes else 0.0
    return EyeSet(name, tuple(eyes), Thresholds(floor, MappingProxyType(thresholds)))


def _features(table: _Table, folder: Path) -> FeaturesSpec:
    held = _Table(table.table("features"), "features.", table.faults)

    def file(key: str) -> FileSpec:
        return _file(_Table(held.table(key), f"features.{key}.", held.faults), folder)

    return FeaturesSpec(
        network=file("network"),
        bank=file("bank"),
        side_px=held.integer("side", 32, 1024),
        length=held.integer("length", 1, 4096),
    )


def _file(table: _Table, folder: Path) -> FileSpec:
    sha256 = table.text("sha256").lower()
    if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
        table.fault("sha256", "must be 64 hexadecimal digits")
    return FileSpec(folder / table.text("file"), sha256, table.integer("bytes", 1, 2**40))


def _spec(table: _Table, name: str, folder: Path) -> ModelSpec:
    shown = _Table(table.table("input"), f"{table.place}input.", table.faults)
    family = table.choice("family", Family, Family.YOLOX)
    fit = shown.choice("fit", Fit, Fit.LETTERBOX)
    pad = shown.integer("pad", 0, 255) if fit is Fit.LETTERBOX else 0
    labels = table.labels("labels")
    thresholds: dict[str, float] = {}
    points = _Table(table.table("thresholds"), f"{table.place}thresholds.", table.faults)
    for label in points.values:
        thresholds[label] = points.share(label)
        if label not in labels:
            table.fault(f"thresholds.{label}", f"no such label; there is {_listed(labels)}")
    rivals = table.names("phone_rivals") if "phone_rivals" in table.values else ()
    for label in rivals:
        if label not in labels or label == PHONE:
            table.fault("phone_rivals", f"{label!r} is no other label of {_listed(labels)}")
    file = _file(table, folder)
    return ModelSpec(
        name=name,
        path=file.path,
        family=family,
        input=ModelInput(
            width_px=shown.integer("width", 32, 4096),
            height_px=shown.integer("height", 32, 4096),
            colour=shown.choice("colour", Colour, Colour.RGB),
            fit=fit,
            pad=pad,
            turned=shown.flag("turned") if "turned" in shown.values else False,
        ),
        labels=labels,
        thresholds=Thresholds(table.share("floor"), MappingProxyType(thresholds)),
        nms_iou=table.share("nms_iou") if "nms_iou" in table.values else NMS_IOU,
        phone_rivals=rivals,
        centre=table.share("centre") if family is Family.GFL else 0.5,
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        quantization=table.text("quantization"),
        licence=table.text("licence"),
        provenance=table.text("provenance"),
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """Reads values of a TOML table; what does not fit is noted, and something harmless returned."""

    values: Mapping[str, Any]
    place: str
    faults: list[str]

    def fault(self, key: str, text: str) -> None:
        self.faults.append(f"{self.place}{key}: {text}")

    def _get(self, key: str, kind: type | tuple[type, ...], what: str) -> Any:
        value = self.values.get(key)
        if key not in self.values:
            self.fault(key, "is missing")
            return None
        if not isinstance(value, kind) or isinstance(value, bool):
            self.fault(key, f"must be {what}")
            return None
        return value

    def text(self, key: str) -> str:
        return str(self._get(key, str, "text") or "")

    def integer(self, key: str, low: int = 0, high: int = 2**31) -> int:
        value = self._get(key, int, "a whole number")
        if value is not None and not low <= value <= high:
            self.fault(key, f"must be from {low} to {high}")
        return int(value or 0)

    def flag(self, key: str) -> bool:
        value = self.values.get(key)
        if not isinstance(value, bool):
            self.fault(key, "must be true or false")
        return value is True

    def share(self, key: str) -> float:
        value = self._get(key, (int, float), "a number")
        if value is not None and not 0 <= value <= 1:
            self.fault(key, "must be from 0 to 1")
        return float(value or 0)

    def table(self, key: str) -> Mapping[str, Any]:
        return dict(self._get(key, dict, "a table") or {})

    def choice(self, key: str, kind: type[Choice], otherwise: Choice) -> Choice:
        value = self._get(key, str, "text")
        if value is None:
            return otherwise
        try:
            return kind(value)
        except ValueError:
            self.fault(key, f"must be {' or '.join(kind)}, not {value!r}")
            return otherwise

    def names(self, key: str) -> tuple[str, ...]:
        values = self._get(key, list, "a list of names")
        if values is None:
            return ()
        names = [value for value in values if isinstance(value, str) and value]
        if not names or len(names) != len(values):
            self.fault(key, "must be a list of names")
        return tuple(names)

    def labels(self, key: str) -> tuple[str, ...]:
        names = self.names(key)
        real = [name for name in names if name != NO_LABEL]
        twice = sorted({name for name in real if real.count(name) > 1})
        if twice:
            self.fault(key, f"{_listed(twice)} more than once")
        if names and PHONE not in names:
            self.fault(key, f"{PHONE} is not among them")
        return names


def _listed(names: Mapping[str, Any] | tuple[str, ...] | list[str]) -> str:
    return ", ".join(names) if names else "none"
