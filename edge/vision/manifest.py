"""Which models there are, and all that a model file does not say about itself.

`models/manifest.toml` has one table per model:

    format = 1
    default = "nanodet"

    [models.nanodet]
    file = "nanodet.tflite"     # beside the manifest
    sha256 = "..."
    bytes = 1234567
    family = "gfl"              # gfl, yolox: raw heads; ssd: boxes from built-in postprocessing
    input = { width = 416, height = 416, colour = "rgb", fit = "stretch" }
    labels = ["phone", "person"]        # by class index; "???" is a class that does not exist,
                                        # "call", the last of a gfl model, the row of calls.py
    centre = 0.0                # gfl only: boxes are told from the middle of a cell (0.5) or from
                                # its top left corner (0)
    floor = 0.25                # nothing below this score is reported
    thresholds = { phone = 0.45 }       # shipped operating points; other labels use the floor
    nms_iou = 0.65              # not ssd, optional: boxes that overlap more are one object
    phone_rivals = ["wallet"]   # yolox only, optional: what else claims what may be a phone
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

Within `input`, `fit = "letterbox-top-left"` keeps the aspect, and the rest is as grey as `pad` says
(0 to 255, 114 unless it does); `turned = true`: the model was made to see the picture upside down.

Shapes and quantization parameters are read from the model file itself (`vision/tflite.py`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge import resources, toml
from edge.config import ModelConfig, setting
from edge.domain import PHONE, Thresholds
from edge.errors import Misconfigured

FORMAT = 1
NO_LABEL = "???"
CALL = "call"  # what is said of heads, and no thing with a box
NMS_IOU = 0.65


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

    width_px: int = setting(low=32, high=4096, key="width")
    height_px: int = setting(low=32, high=4096, key="height")
    colour: Colour = setting()
    fit: Fit = setting()
    pad: int = setting(114, low=0, high=255)
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
    def things(self) -> tuple[str, ...]:
        """The labels of what it detects."""
        return tuple(label for label in self.labels if label not in (NO_LABEL, CALL))

    @property
    def description(self) -> str:
        """One phrase for people: "normal: yolox 544x416 int8, 12 labels, 1.1 MB"."""
        parts = [f"{self.family} {self.input.width_px}x{self.input.height_px}"]
        if self.quantization:
            parts[0] += f" {self.quantization}"
        parts.append(f"{len(self.things)} labels")
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
        tree = toml.whole(path)
    except toml.Unreadable as exc:
        raise ModelError(f"the model manifest {path}: {exc}") from exc
    reader = toml.Reader()
    told: _Manifest | None = reader.section(_Manifest, tree, "")
    faults = [*reader.faults, *(_contradictions(told, tree) if told is not None else ())]
    if told is None or faults:
        lines = (" ".join(str(fault).split()) for fault in faults)
        raise ModelError(f"{path}: {'; '.join(dict.fromkeys(lines))}")
    models = {name: _spec(name, each, path.parent) for name, each in told.models.items()}
    return Manifest(
        path=path,
        default=told.default,
        models=MappingProxyType(models),
        sets=MappingProxyType({name: _set(name, each, models) for name, each in told.sets.items()}),
        features=None if told.features is None else told.features.spec(path.parent),
        card=None if told.card is None else told.card.spec(path.parent),
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


# ---------------------------------------------------------------- as it stands in the file


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    file: str
    sha256: str = setting(help_text="64 hexadecimal digits.", pattern="[0-9a-fA-F]{64}")
    bytes: int = setting(low=1, high=2**40)

    def spec(self, folder: Path) -> FileSpec:
        return FileSpec(folder / self.file, self.sha256.lower(), self.bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model(_File):
    family: Family
    input: ModelInput
    labels: tuple[str, ...]
    floor: float = setting(low=0, high=1)
    thresholds: dict[str, float] = setting(low=0, high=1)
    nms_iou: float = setting(NMS_IOU, low=0, high=1)
    phone_rivals: tuple[str, ...] = ()
    centre: float | None = setting(None, low=0, high=1)
    quantization: str
    licence: str
    provenance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Set:
    eyes: tuple[str, ...]
    phone: float = setting(low=0, high=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Features:
    side: int = setting(low=32, high=1024)
    length: int = setting(low=1, high=4096)
    network: _File
    bank: _File

    def spec(self, folder: Path) -> FeaturesSpec:
        network, bank = self.network.spec(folder), self.bank.spec(folder)
        return FeaturesSpec(network, bank, side_px=self.side, length=self.length)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manifest:
    format: int = setting(choices=(FORMAT,))
    default: str
    models: dict[str, _Model]
    sets: dict[str, _Set] = setting(factory=dict)
    features: _Features | None = None
    card: _File | None = None


def _contradictions(told: _Manifest, tree: Mapping[str, Any]) -> Iterator[toml.SettingFault]:
    """What only several values together can have wrong. `tree`: also what of it cannot be used has
    a name that may be meant."""
    models, sets = (list(tree.get(kind, ())) for kind in ("models", "sets"))
    for name, model in told.models.items():
        for key, text in _faults(model):
            yield toml.SettingFault(f"models.{name}.{key}", f": {text}")
    for name, each in told.sets.items():
        for eye in each.eyes:
            if eye not in models:
                text = f": there is no model {eye!r}; there is {_listed(models)}"
                yield toml.SettingFault(f"sets.{name}.eyes", text)
        labels = {told.models[eye].labels for eye in each.eyes if eye in told.models}
        if len(labels) > 1:
            yield toml.SettingFault(f"sets.{name}.eyes", ": they have different labels")
    if not models:
        yield toml.SettingFault("models", ": there are none")
    elif told.default not in (*sets, *models):
        text = f" = {told.default!r}: there is {_listed([*sets, *models])}"
        yield toml.SettingFault("default", text)


def _faults(model: _Model) -> Iterator[tuple[str, str]]:
    real = [name for name in model.labels if name != NO_LABEL]
    twice = sorted({name for name in real if real.count(name) > 1})
    if twice:
        yield "labels", f"{_listed(twice)} more than once"
    if PHONE not in real:
        yield "labels", f"{PHONE} is not among them"
    if CALL in real and (model.family is not Family.GFL or model.labels[-1] != CALL):
        yield "labels", f"{CALL} is the last one of a {Family.GFL} model, or none"
    for label in model.thresholds:
        if label not in model.labels:
            yield f"thresholds.{label}", f"no such label; there is {_listed(model.labels)}"
    for label in model.phone_rivals:
        if label not in model.labels or label == PHONE:
            yield "phone_rivals", f"{label!r} is no other label of {_listed(model.labels)}"
    if model.family is Family.GFL and model.centre is None:
        yield "centre", "is missing"


def _spec(name: str, told: _Model, folder: Path) -> ModelSpec:
    file = told.spec(folder)
    return ModelSpec(
        name=name,
        path=file.path,
        family=told.family,
        input=told.input,
        labels=told.labels,
        thresholds=Thresholds(told.floor, MappingProxyType(told.thresholds)),
        nms_iou=told.nms_iou,
        phone_rivals=told.phone_rivals,
        centre=0.5 if told.centre is None else told.centre,
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        quantization=told.quantization,
        licence=told.licence,
        provenance=told.provenance,
    )


def _set(name: str, told: _Set, models: Mapping[str, ModelSpec]) -> EyeSet:
    eyes = tuple(models[eye] for eye in told.eyes)
    own = eyes[0].thresholds
    thresholds = Thresholds(own.floor, MappingProxyType({**own.labels, PHONE: told.phone}))
    return EyeSet(name, eyes, thresholds)


def _listed(names: Collection[str]) -> str:
    return ", ".join(names) if names else "none"
