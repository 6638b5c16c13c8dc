from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edge.config import ModelConfig
from edge.vision.labels import COCO_80, COCO_90, canonical
from edge.vision.manifest import (
    Family,
    Fit,
    ModelError,
    check_file,
    load,
    load_eyes,
)
from tests.reference import model_table, write_manifest


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    file = tmp_path / "yolox_320x416.tflite"
    file.write_bytes(b"\0\0\0\0TFL3 and the rest of a model")
    return file


def test_a_model_is_what_its_table_says(tmp_path, model_file):
    manifest = write_manifest(
        tmp_path,
        {"normal": model_table(model_file), "fast": model_table(model_file, floor=0.3)},
    )
    models = load(manifest)
    assert models.default == "normal"
    (spec,) = models.eyes().eyes
    assert (spec.name, spec.path, spec.family) == ("normal", model_file, Family.YOLOX)
    assert (spec.input.height_px, spec.input.width_px, spec.input.pad) == (320, 416, 114)
    assert spec.input.fit is Fit.LETTERBOX
    assert (spec.thresholds.of("phone"), spec.thresholds.of("person")) == (0.45, 0.25)
    assert models.eyes("fast").thresholds.floor == 0.3
    check_file(spec)
    assert load_eyes(ModelConfig(manifest=str(manifest), name="fast")).name == "fast"


def test_a_model_that_is_not_there_is_answered_with_one_that_is(tmp_path, model_file):
    manifest = load(write_manifest(tmp_path, {"normal": model_table(model_file)}))
    with pytest.raises(ModelError, match=r"no model 'normla'; did you mean normal\?"):
        manifest.eyes("normla")
    with pytest.raises(ModelError, match="no model 'x'; there is normal"):
        manifest.eyes("x")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"file": None}, "models.m.file: is missing"),
        ({"file": 7}, "models.m.file = 7: must be text in quotes"),
        ({"sha256": "abc"}, 'models.m.sha256 = "abc": does not fit. 64 hexadecimal digits'),
        ({"bytes": "many"}, 'models.m.bytes = "many": must be a whole number from 1'),
        ({"bytes": True}, "models.m.bytes = true: must be a whole number from 1"),
        ({"family": "yolo9"}, 'models.m.family = "yolo9": must be one of yolox, ssd, gfl'),
        ({"input": {"width": 1}}, "models.m.input.width = 1: must be from 32 to 4096"),
        ({"input": {"width": 64}}, "models.m.input.height: is missing"),
        ({"labels": ["phone", 3]}, 'models.m.labels = ["phone", 3]: must be a list of texts'),
        ({"labels": ["cup", "phone", "cup"]}, "models.m.labels: cup more than once"),
        ({"labels": ["phone", "???", "???"]}, None),
        ({"labels": ["cup", "person"]}, "models.m.labels: phone is not among them"),
        (
            {"labels": ["phone", "call"]},
            "models.m.labels: call is the last one of a gfl model, or none",
        ),
        ({"floor": 25}, "models.m.floor = 25: must be from 0 to 1"),
        ({"thresholds": {"phone": -0.1}}, "models.m.thresholds.phone = -0.1: must be from 0 to 1"),
        (
            {"labels": ["phone", "person"], "thresholds": {"fone": 0.5}},
            "models.m.thresholds.fone: no such label; there is phone, person",
        ),
        ({"nms_iou": 1.5}, "models.m.nms_iou = 1.5: must be from 0 to 1"),
        ({"phone_rivals": "cup"}, 'models.m.phone_rivals = "cup": must be a list of texts'),
        (
            {"labels": ["phone", "person"], "phone_rivals": ["wallet"]},
            "models.m.phone_rivals: 'wallet' is no other label of phone, person",
        ),
        (
            {"labels": ["phone", "person"], "phone_rivals": ["phone"]},
            "models.m.phone_rivals: 'phone' is no other label of phone, person",
        ),
        ({"licence": None}, "models.m.licence: is missing"),
        ({"family": "gfl"}, "models.m.centre: is missing"),
        ({"family": "gfl", "centre": 2}, "models.m.centre = 2: must be from 0 to 1"),
        ({"family": "gfl", "centre": 0.5}, None),
        ({"input": {"turned": "yes"}}, 'models.m.input.turned = "yes": must be true or false'),
        ({"thresholds": 0.4}, "models.m.thresholds = 0.4: must be a table [models.m.thresholds]"),
        ({"licens": "MIT"}, "models.m.licens: no such setting; did you mean models.m.licence?"),
    ],
)
def test_what_is_wrong_in_a_table_is_named_in_one_line(tmp_path, model_file, changes, fault):
    path = write_manifest(tmp_path, {"m": model_table(model_file, **changes)})
    if fault is None:
        load(path)
        return
    with pytest.raises(ModelError) as error:
        load(path)
    assert fault in str(error.value)
    assert "\n" not in str(error.value)


def test_all_faults_of_a_manifest_are_named_at_once(tmp_path, model_file):
    table = model_table(model_file, floor=2, family="x", sha256="")
    path = write_manifest(tmp_path, {"m": table}, default="n")
    with pytest.raises(ModelError) as error:
        load(path)
    for fault in ("m.floor", "m.family", "m.sha256", "default = 'n': there is m"):
        assert fault in str(error.value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (None, "cannot be read: No such file"),
        ("format = ", "line 1: format: has no value"),
        ("format = 2\ndefault='m'\nmodels={}", "format = 2: must be 1"),
        ("format = 1\ndefault='m'\nmodels={m=3}", "models.m = 3: must be a table"),
        ("format = 1\ndefault='m'\nmodels={}", "models: there are none"),
    ],
)
def test_a_manifest_that_is_none_is_said_to_be_none(tmp_path, text, fault):
    path = tmp_path / "manifest.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ModelError, match=fault):
        load(path)


def test_a_file_that_is_not_the_manifests_is_refused(tmp_path, model_file):
    spec = load(write_manifest(tmp_path, {"m": model_table(model_file)})).eyes().eyes[0]
    whole = model_file.read_bytes()
    model_file.write_bytes(whole[:-1])
    with pytest.raises(ModelError, match=r"has 31 bytes instead of 32: cut short"):
        check_file(spec)
    model_file.write_bytes(whole[:-1] + b"?")
    with pytest.raises(ModelError, match="is not the file of the manifest: its sha256"):
        check_file(spec)
    model_file.unlink()
    with pytest.raises(ModelError, match=r"the model file .* is missing"):
        check_file(spec)


def test_names_of_classes_are_those_of_the_project():
    assert (len(COCO_80), len(COCO_90)) == (80, 90)
    # Category numbers count from 1 (the phone is 77), and the reference SSD's classes from 0.
    assert COCO_90[77 - 1] == "cell phone"
    assert [canonical(n) for n in ("Cell phone", "airpods_case", "wallet")] == [
        "phone",
        "earbud case",
        "wallet",
    ]


def in_sets(model_file: Path, sets: str) -> str:
    labels = {"labels": ["phone", "person"]}
    tables = {name: model_table(model_file, **labels) for name in ("one", "two")}
    tables["odd"] = model_table(model_file, labels=["phone", "cup"])
    path = write_manifest(model_file.parent, tables)
    path.write_text(path.read_text().replace('default = "one"', 'default = "both"') + sets)
    return path


def test_a_set_of_models_looks_in_turn_and_is_believed_together(model_file):
    path = in_sets(model_file, '\n[sets.both]\neyes = ["one", "two"]\nphone = 0.2\n')
    chosen = load_eyes(ModelConfig(manifest=str(path)))
    assert [eye.name for eye in chosen.eyes] == ["one", "two"]
    assert chosen.thresholds.of("phone") == 0.2
    assert chosen.thresholds.of("person") == chosen.eyes[0].thresholds.of("person")
    assert load_eyes(ModelConfig(manifest=str(path), name="two")).thresholds.of("phone") == 0.45


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ('eyes = ["one", "tow"]\nphone = 0.2', "sets.both.eyes: there is no model 'tow'"),
        ('eyes = ["one", "odd"]\nphone = 0.2', "sets.both.eyes: they have different labels"),
        ('eyes = ["one"]', "sets.both.phone: is missing"),
        ('eyes = ["one"]\nphone = 2', "sets.both.phone = 2: must be from 0 to 1"),
        ("phone = 0.2", "sets.both.eyes: is missing"),
    ],
)
def test_a_set_that_cannot_be_is_named(model_file, table, fault):
    path = in_sets(model_file, f"\n[sets.both]\n{table}\n")
    with pytest.raises(ModelError, match=fault):
        load(path)


# ---------------------------------------------------------------- features


def write_features(manifest: Path, **changes: str) -> None:
    """Add what `teach` needs, with two files beside the manifest."""
    entries = {"side": "160", "length": "96"}
    for name in ("network", "bank"):
        file = manifest.parent / f"{name}.bin"
        file.write_bytes(name.encode())
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        size = file.stat().st_size
        entries[name] = f'{{ file = "{file.name}", sha256 = "{digest}", bytes = {size} }}'
    entries |= changes
    lines = [f"{name} = {value}" for name, value in entries.items()]
    manifest.write_text("\n".join([manifest.read_text(), "[features]", *lines]))


def test_all_eyes_of_a_manifest_have_its_features_and_both_files_are_checked(tmp_path, model_file):
    manifest = write_manifest(tmp_path, {"normal": model_table(model_file)})
    assert load_eyes(ModelConfig(manifest=str(manifest))).features is None
    write_features(manifest)
    features = load_eyes(ModelConfig(manifest=str(manifest))).features
    assert features is not None
    assert (features.side_px, features.length) == (160, 96)
    for name in ("network", "bank"):
        file = tmp_path / f"{name}.bin"
        whole = file.read_bytes()
        file.write_bytes(whole[::-1])
        with pytest.raises(ModelError, match=f"{name}.bin is not the file of the manifest"):
            load_eyes(ModelConfig(manifest=str(manifest)))
        file.write_bytes(whole)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"side": "1"}, "features.side = 1: must be from 32 to 1024"),
        ({"length": '"long"'}, 'features.length = "long": must be a whole number'),
        ({"bank": "7"}, "features.bank = 7: must be a table"),
        ({"network": '{ file = "a" }'}, "features.network.sha256: is missing"),
    ],
)
def test_what_is_wrong_with_features_is_named(tmp_path, model_file, changes, fault):
    manifest = write_manifest(tmp_path, {"normal": model_table(model_file)})
    write_features(manifest, **changes)
    with pytest.raises(ModelError, match=fault):
        load(manifest)
