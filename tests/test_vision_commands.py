"""detect, evaluate and bench, with reference models on real pictures."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge import app
from edge.__main__ import main
from edge.commands import bench
from edge.commands.detect import drawn
from edge.commands.progress import progress
from edge.config import Config, HardwareConfig, ModelConfig, ObserveConfig
from edge.devices.camera_picture import load_picture
from edge.domain import Box, Detection, Frame
from edge.vision.draw import BLUE, RED, apart, draw_box, save_jpeg, text_mask
from edge.vision.labels import canonical
from tests import reference
from tests.camera_fakes import write_film, write_picture
from tests.lab.__main__ import main as lab_main
from tests.lab.sheets import contact_sheet

PICTURES = 16


@pytest.fixture(scope="module")
def manifest(tmp_path_factory, shared_data: Path) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return reference.with_models(folder, [shared_data / "models" / reference.YOLOX_FLOAT])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, shared_data: Path) -> Path:
    """A few pictures of dev, half of them with phones, as a data set of their own."""
    folder = tmp_path_factory.mktemp("dataset")
    whole = json.loads((shared_data / "dev" / "annotations.json").read_text())
    with_phone = {a["image_id"] for a in whole["annotations"] if a["category_id"] == 77}
    images = [i for i in whole["images"] if i["id"] in with_phone][: PICTURES // 2]
    images += [i for i in whole["images"] if i["id"] not in with_phone][: PICTURES // 2]
    (folder / "images").mkdir()
    for image in images:
        shutil.copy(shared_data / "dev" / "images" / image["file_name"], folder / "images")
    kept = {image["id"] for image in images}
    tree = {
        "images": images,
        "annotations": [a for a in whole["annotations"] if a["image_id"] in kept],
        "categories": whole["categories"],
    }
    (folder / "annotations.json").write_text(json.dumps(tree))
    return folder


def output(capsys, *argv) -> tuple[int, str, str]:
    command = lab_main if argv[0] == "evaluate" else main
    code = command([str(arg) for arg in argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_detect_prints_one_object_per_picture(capsys, manifest, dataset):
    pictures = sorted((dataset / "images").iterdir())[:3]
    code, out, _ = output(capsys, "detect", "--json", "--manifest", manifest, *pictures)
    assert code == 0
    objects = [json.loads(line) for line in out.splitlines()]
    assert [each["file"] for each in objects] == [str(path) for path in pictures]
    for each, path in zip(objects, pictures, strict=True):
        height, width = load_picture(path).shape[:2]
        assert (each["width"], each["height"]) == (width, height)
        assert set(each) == {"file", "width", "height", "detections"}
        for seen in each["detections"]:
            xmin, ymin, xmax, ymax = seen["box"]
            assert 0 <= xmin < xmax <= width
            assert 0 <= ymin < ymax <= height
            assert 0.25 <= seen["score"] <= 1
    assert any(each["detections"] for each in objects)


def test_detect_goes_on_after_a_picture_that_is_none(capsys, tmp_path, manifest, dataset):
    good = next((dataset / "images").iterdir())
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture")
    missing = tmp_path / "missing.jpg"
    code, out, err = output(capsys, "detect", "--manifest", manifest, bad, missing, good)
    assert code == 1
    assert str(bad) in err
    assert str(missing) in err
    assert str(good) in out


def test_detect_draws_into_copies_of_the_pictures(capsys, tmp_path, manifest, dataset):
    pictures = sorted((dataset / "images").iterdir())[:2]
    shutil.copy(pictures[0], tmp_path)
    twin = tmp_path / pictures[0].name
    saved = tmp_path / "seen"
    code, _, _ = output(
        capsys, "detect", "--manifest", manifest, *pictures, twin, "--floor", 0.1, "--save", saved
    )
    assert code == 0
    stem = pictures[0].stem
    names = {f"{stem}.jpg", f"{stem}-2.jpg", f"{pictures[1].stem}.jpg"}
    assert {path.name for path in saved.iterdir()} == names
    before = load_picture(pictures[0]).astype(int)
    after = load_picture(saved / f"{stem}.jpg").astype(int)
    assert after.shape == before.shape
    differing = (abs(after - before).max(axis=2) > 60).mean()
    assert 0.001 < differing < 0.5


@pytest.mark.parametrize("command", ["detect", "evaluate", "bench"])
def test_a_model_that_cannot_be_used_is_a_matter_of_configuration(
    capsys, tmp_path, manifest, dataset, command
):
    argv = {"detect": [next((dataset / "images").iterdir())], "evaluate": [dataset], "bench": []}
    code, _, err = output(
        capsys, command, *argv[command], "--manifest", manifest, "--model", "yolox"
    )
    assert code == 78
    assert "has no model 'yolox'" in err
    code, _, err = output(capsys, command, *argv[command], "--manifest", tmp_path / "manifest.toml")
    assert code == 78
    assert "cannot be read: No such file" in err


def plain_ap50(dataset: Path, lines: list[str], label: str) -> float:
    """Average precision from what detect --json prints, step by step and in pixels."""
    tree = json.loads((dataset / "annotations.json").read_text())
    names = {c["id"]: canonical(c["name"]) for c in tree["categories"]}
    ids = {i["file_name"]: i["id"] for i in tree["images"]}
    truths: dict[int, list[list[float]]] = {i["id"]: [] for i in tree["images"]}
    for each in tree["annotations"]:
        if names[each["category_id"]] == label:
            x, y, w, h = each["bbox"]
            truths[each["image_id"]].append([x, y, x + w, y + h])
    seen = []
    for line in lines:
        picture = json.loads(line)
        for found in picture["detections"]:
            if found["label"] == label:
                seen.append((found["score"], ids[Path(picture["file"]).name], found["box"]))
    seen.sort(key=lambda each: -each[0])
    total = sum(map(len, truths.values()))
    hits, points = 0, []
    for rank, (_, picture_id, box) in enumerate(seen, start=1):
        candidates = truths[picture_id]
        best = max(candidates, key=lambda truth: overlap(truth, box), default=None)
        if best is not None and overlap(best, box) >= 0.5:
            candidates.remove(best)
            hits += 1
        points.append((hits / total, hits / rank))
    return sum(max((p for r, p in points if r >= n / 100), default=0) for n in range(101)) / 101


def overlap(a: list[float], b: list[float]) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def test_evaluate_says_what_the_detections_of_detect_add_up_to(capsys, tmp_path, manifest, dataset):
    _, out, _ = output(
        capsys, "detect", "--json", "--floor", 0.01, "--manifest", manifest, dataset / "images"
    )
    sheets = tmp_path / "sheets"
    code, text, _ = output(
        capsys,
        "evaluate",
        dataset,
        "--json",
        "--rounds",
        50,
        "--manifest",
        manifest,
        "--sheets",
        sheets,
    )
    assert code == 0
    figures = json.loads(text)
    assert figures["pictures"] == PICTURES
    for label in ("phone", "person"):
        expected = plain_ap50(dataset, out.splitlines(), label)
        # detect prints tenths of pixels and four digits of a score: hardly a match turns on them.
        assert figures[f"{label}_ap50"] == pytest.approx(expected, abs=0.02)
        low, high = figures["intervals"][f"{label}_ap50"]
        assert low <= figures[f"{label}_ap50"] <= high
    for name in ("phone_ap50_desk", "phone_recall_at_0_1_fppi", "phone_hits_at_1_percent_false"):
        assert 0 <= figures[name] <= 1
        assert len(figures["intervals"][name]) == 2
    assert {path.name for path in sheets.iterdir()} == {"misses.jpg", "false_phones.jpg"}
    assert load_picture(sheets / "misses.jpg").shape[1] == 1600


def test_evaluate_leaves_a_picture_out_where_nobody_looked(capsys, tmp_path, manifest, dataset):
    partly = tmp_path / "partly"
    shutil.copytree(dataset, partly)
    tree = json.loads((partly / "annotations.json").read_text())
    for image in tree["images"][: PICTURES // 2]:
        image["labelled"] = [77]
    tree["annotations"] = [
        each
        for each in tree["annotations"]
        if each["category_id"] == 77
        or each["image_id"] not in {i["id"] for i in tree["images"] if "labelled" in i}
    ]
    tree["images"][0]["width"], tree["images"][0]["height"] = 100, 999  # as if it were turned
    (partly / "annotations.json").write_text(json.dumps(tree))
    argv = ("--json", "--rounds", 2, "--manifest", manifest)
    code, text, err = output(capsys, "evaluate", partly, *argv)
    assert code == 0
    assert "1 pictures have another shape than their annotations say" in err
    figures = json.loads(text)
    assert figures["labels"]["phone"]["pictures"] == PICTURES
    assert figures["labels"]["person"]["pictures"] == PICTURES // 2
    code, text, _ = output(capsys, "evaluate", partly, "--rounds", 2, "--manifest", manifest)
    assert code == 0
    assert "phone AP50" in text


@pytest.mark.parametrize(
    ("break_it", "fault"),
    [
        (lambda d: (d / "annotations.json").unlink(), "has no annotations.json"),
        (lambda d: (d / "annotations.json").write_text("{"), "is not JSON"),
        (lambda d: (d / "annotations.json").write_text("{}"), "categories is missing"),
        (lambda d: next((d / "images").iterdir()).unlink(), "1 pictures are not in"),
    ],
)
def test_evaluate_says_what_is_wrong_with_a_data_set(
    capsys, tmp_path, manifest, dataset, break_it, fault
):
    broken = tmp_path / "broken"
    shutil.copytree(dataset, broken)
    break_it(broken)
    code, _, err = output(capsys, "evaluate", broken, "--manifest", manifest)
    assert code == 1
    assert fault in err


def test_bench_prints_its_figures_under_their_names(manifest):
    argv = ["bench", "--json", "--frames", "3", "--manifest", str(manifest)]
    result = subprocess.run(
        [sys.executable, "-m", "edge", *argv], capture_output=True, text=True, check=True
    )
    figures = json.loads(result.stdout)
    names = ["runtime", "invoke_ms", "tick_ms", "tick_ratio"]
    names += [f"{part}_ms" for part in (*bench.PARTS, "other")]
    names += ["fps", "peak_rss_mib", "ready_s"]
    assert list(figures)[: len(names)] == names
    assert set(figures) - set(names) <= {"other_runtime", "other_runtime_invoke_ms"}
    assert figures["tick_ratio"] == pytest.approx(figures["tick_ms"] / figures["invoke_ms"], 0.01)
    assert figures["fps"] == pytest.approx(1000 / figures["tick_ms"], 0.01)
    # No clock in this: the whole box with a model of 4 MB has to fit a board of 512 MiB.
    assert 20 < figures["peak_rss_mib"] < 150
    assert 0 < figures["ready_s"] < 600


def test_bench_compares_with_another_model_in_the_same_run(capsys, manifest, shared_data):
    other = shared_data / "models" / reference.YOLOX_FLOAT
    code, out, _ = output(
        capsys,
        *("bench", "--json", "--frames", 2, "--manifest", manifest, "--against", other),
        *("--source", shared_data / "webcam_dev" / "images"),
    )
    assert code == 0
    figures = json.loads(out)
    assert figures["invoke_ratio"] > 0
    assert figures["against_invoke_ms"] > 0


def test_the_parts_of_a_tick_are_the_tick():
    config = Config(model=ModelConfig(second_look=False), observe=ObserveConfig(gate=False))
    config = replace(config, hardware=HardwareConfig(pins="simulated"))
    with app.build(config, camera=bench.Pictures(bench.noise(config))) as box:
        parts = bench.Parts(box.loop, box.eyes.eyes)
        for _ in range(3):
            parts.tick()
    figures = parts.figures(1)
    spent = [figures[f"{name}_ms"] for name in bench.PARTS]
    assert min(spent) >= 0
    assert sum(spent) - figures["inference_ms"] == pytest.approx(figures["other_ms"], abs=0.01)
    assert all(figures[f"{name}_ms"] > 0 for name in ("frame", "scene", "preprocess", "inference"))


def test_a_films_frames_are_converted_in_the_tick_that_shows_them(tmp_path):
    film = write_film(tmp_path / "film.mp4", times_s=[0.0, 0.1, 0.2])
    shots = bench.pictures(str(film), Config())
    assert len(shots) == 3
    assert shots[0]() is not shots[0]()
    assert shots[0]().shape == (48, 64, 3)


@pytest.mark.parametrize("name", [b"10:30:00.jpg", b"caf\xe9.jpg", b"a%d.jpg"])
def test_detect_takes_a_picture_whatever_its_name(tmp_path, name):
    write_picture(tmp_path / "made.jpg").rename(tmp_path / os.fsdecode(name))
    for argv in ([os.fsdecode(name)], ["."], ["--json", os.fsdecode(name)]):
        done = subprocess.run(
            [sys.executable, "-m", "edge", "detect", *argv],
            cwd=tmp_path,
            capture_output=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONUTF8": "1"},
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_jobs_take_turns_and_the_warm_up_is_not_counted():
    order: list[str] = []
    taken = bench.take_turns([lambda: order.append("a"), lambda: order.append("b")], 4, "x")
    assert [len(each) for each in taken] == [4, 4]
    assert "".join(order[-8:]) in ("abbaabba", "baabbaab")
    assert len(order) == 2 * (4 + bench.WARM_UP)


def test_a_progress_bar_shows_how_far_it_is_and_leaves_nothing_behind():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, pipe = Terminal(), io.StringIO()
    assert list(progress([1, 2, 3], "looking", stream=terminal)) == [1, 2, 3]
    assert "looking  [" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")
    assert list(progress([1, 2, 3], "looking", stream=pipe)) == [1, 2, 3]
    assert pipe.getvalue() == ""


def test_a_saved_picture_is_the_picture(tmp_path):
    image = np.zeros((60, 80, 3), np.uint8)
    image[:, :40] = (200, 30, 60)
    save_jpeg(image, tmp_path / "a.jpg")
    assert abs(load_picture(tmp_path / "a.jpg").astype(int) - image).mean() < 4


def test_a_box_is_drawn_where_it_is_with_its_words_in_the_picture():
    image = np.zeros((100, 200, 3), np.uint8)
    draw_box(image, Box(0.5, 0.9, 1.0, 1.0), RED, words="phone 0.87")
    red = (image == RED).all(axis=2)
    assert red[50:100, 180].all()
    assert red[50, 180:200].all()
    assert not red[52:98, 183:197].any()
    assert not (image == RED).all()  # the words are black on red
    assert red[:50].any()


def test_labels_that_would_cover_each_other_are_written_apart():
    # As in many pictures: the phone's box and the person's begin in the same corner.
    labels = [(10, 10, 60, 9), (10, 10, 70, 9), (12, 8, 50, 9), (190, 95, 60, 9), (0, 0, 300, 9)]
    places = apart(labels, width=200, height=100)
    assert places[0] == (10, 10), "the first one is where it was wanted"
    taken = np.zeros((100, 200), int)
    for (x, y), (*_, wide, tall) in zip(places, labels, strict=True):
        assert x >= 0
        assert 0 <= y <= 100 - tall
        taken[y : y + tall, x : x + wide] += 1
    assert taken.max() == 1


def test_where_there_is_no_room_left_labels_stay_in_the_picture():
    labels = [(0, 0, 30, 9)] * 5
    for x, y in apart(labels, width=20, height=20):
        assert (x, 0 <= y <= 11) == (0, True)
    assert apart([(5, 5, 4, 9)], width=3, height=3) == [(0, 0)]


def test_the_label_of_a_phone_is_on_top_of_a_surer_person(tmp_path):
    frame = Frame(np.zeros((240, 320, 3), np.uint8), 0.0)
    same = Box(0.2, 0.2, 0.9, 0.9)
    seen = (Detection("person", 0.95, same), Detection("phone", 0.55, same))
    image = drawn(frame, seen)
    red, blue = ((image == ink).all(axis=2) for ink in (RED, BLUE))
    for ground in (red, blue):
        rows = np.flatnonzero(ground.sum(axis=1) > 30)
        assert len(rows) >= 7, "a line of words on this ground"
    assert red[100:200, 64].all(), "the phone's box lies over the person's"


def test_letters_are_told_apart():
    letters = "0123456789abcdefghijklmnopqrstuvwxyz.,:-_+%?/()<>="
    assert len({text_mask(letter).tobytes() for letter in letters}) == len(letters)
    assert (text_mask("Ä") == text_mask("?")).all()
    assert (text_mask("Phone") == text_mask("phone")).all()


def test_a_contact_sheet_holds_every_picture():
    tiles = [(np.full((20, 30, 3), 10 * n + 50, np.uint8), f"picture {n}") for n in range(7)]
    sheet = contact_sheet(tiles, columns=3, tile_px=(60, 40))
    assert sheet.shape == (3 * (40 + 22), 180, 3)
    for n in range(7):
        assert (sheet[n // 3 * 62 + 20, n % 3 * 60 + 30] == 10 * n + 50).all()
