"""Fitting a detector and composing sequences, with a detector that knows colours instead."""

from __future__ import annotations

import json

import numpy as np
import pytest
from edge.vision.second_look import SecondLook

from edge.domain import PERSON, PHONE, Box, Detection, Frame, Thresholds
from edge.vision.manifest import Colour, Family, Fit, ModelInput, ModelSpec
from tests.camera_fakes import write_film, write_picture
from tests.lab.dataset import DatasetError, load_dataset
from tests.lab.scenarios import composed, fit, noise

RED, BLUE = (230, 20, 20), (20, 20, 230)
PHONE_BOX = (120, 60, 40, 70)  # x, y, width, height
SIZE = (320, 240)
THRESHOLDS = Thresholds(0.25, {"phone": 0.45, "person": 0.3})
CATEGORIES = [
    {"id": 1, "name": "person"},
    {"id": 77, "name": "cell phone"},
    {"id": 1002, "name": "wallet"},
]


class Colours:
    """Takes red for a phone, blue for a wallet that looks a little like one; a person is always
    there."""

    labels = (PHONE, PERSON, "wallet")

    def detect(self, frame: Frame) -> tuple[Detection, ...]:
        pixels = frame.image.astype(int)
        found = [Detection(PERSON, 0.9, Box(0.05, 0.2, 1.0, 0.8))]
        red, blue = pixels[..., 0], pixels[..., 2]
        for mask, labels in (
            (red - blue > 120, ((PHONE, 0.8),)),
            (blue - red > 120, (("wallet", 0.7), (PHONE, 0.35))),
        ):
            rows, columns = np.nonzero(mask)
            if len(rows) < 50:
                continue
            height, width = mask.shape
            box = Box(
                rows.min() / height,
                columns.min() / width,
                (rows.max() + 1) / height,
                (columns.max() + 1) / width,
            )
            found += [Detection(label, score, box) for label, score in labels]
        return tuple(sorted(found, key=lambda d: -d.score))


def room(colour: tuple[int, int, int] | None = None, *, at: tuple[int, int] = PHONE_BOX[:2]):
    """A room with some detail in it, and something of a colour."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(60, 160, (SIZE[1] // 20, SIZE[0] // 20, 1), dtype=np.uint8)
    image = np.repeat(np.kron(coarse[..., 0], np.ones((20, 20), np.uint8))[..., None], 3, axis=2)
    if colour is not None:
        (x, y), (width, height) = at, PHONE_BOX[2:]
        image[y : y + height, x : x + width] = colour
    return np.ascontiguousarray(image)


def write_dataset(folder, pictures):
    """pictures: (name, colour, category id or None)"""
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for number, (name, colour, category) in enumerate(pictures, start=1):
        write_picture(folder / "images" / name, room(colour))
        images.append({"id": number, "file_name": name, "width": SIZE[0], "height": SIZE[1]})
        boxes = [(1, (64, 12, 192, 228))]
        if category is not None:
            boxes.append((category, PHONE_BOX))
        for kind, box in boxes:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": kind,
                    "bbox": list(box),
                }
            )
    tree = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    (folder / "annotations.json").write_text(json.dumps(tree))
    return folder


@pytest.fixture
def folder(tmp_path):
    return write_dataset(
        tmp_path / "set",
        [
            ("empty.jpg", None, None),
            ("phone.jpg", RED, 77),
            ("again.jpg", RED, 77),
            ("wallet.jpg", BLUE, 1002),
        ],
    )


@pytest.fixture
def clips(tmp_path):
    (tmp_path / "clips").mkdir()
    images = [room(RED, at=(110 + 12 * (i % 3), 60 + 9 * (i % 2))) for i in range(60)]
    write_film(tmp_path / "clips" / "one.mp4", times_s=[i / 10 for i in range(60)], images=images)
    return tmp_path / "clips"


def quietly(items, what):
    return items


def looking_closely() -> SecondLook:
    return SecondLook(Colours(), floor=0.05, rivals=(), every=4)


def spec(path) -> ModelSpec:
    given = ModelInput(SIZE[0], SIZE[1], Colour.RGB, Fit.LETTERBOX)
    return ModelSpec("colours", path, Family.YOLOX, given, Colours.labels, THRESHOLDS)


def test_a_phone_that_sways_is_lit_in_time_and_a_wallet_never_sounds(folder):
    pictures = load_dataset(folder)
    found = composed.compose(pictures, Colours(), THRESHOLDS, quietly)
    by_name = {outcome.name: outcome for outcome in found}
    assert set(by_name) == {"phone.jpg", "again.jpg", "wallet.jpg"}
    for name in ("phone.jpg", "again.jpg"):
        assert by_name[name].lit_s <= 2.5
        assert by_name[name].sounded_s is not None
        assert by_name[name].silent_s <= 1.0
    assert by_name["wallet.jpg"].lit_s is None
    assert by_name["wallet.jpg"].sounded_s is None


def test_a_clip_with_a_phone_in_use_is_lit(clips):
    (outcome,) = composed.clips(sorted(clips.glob("*.mp4")), Colours(), THRESHOLDS, quietly)
    assert outcome.lit_s <= 2.5


def test_what_a_detector_does_is_measured(folder, clips, tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "STILL_SHARE", 0.0)  # these pictures are small
    tree = fit.fit([folder, clips], spec(tmp_path), looking_closely(), quietly)
    path = tmp_path / "noise.json"
    path.write_text(fit.dump(tree))
    fitted = noise.load(path)
    assert fitted.pictures == 4
    area = 40 * 70 / (320 * 240)
    rank = np.array([0.1, 0.9])
    assert fitted.scores(PHONE, area, rank) == pytest.approx(np.array([[0.8, 0.8, 0.0]] * 2))
    # Where the picture is shown too small, this detector sees nothing.
    assert fitted.scores("wallet", area, rank).max(0) == pytest.approx([0.35, 0.35, 0.7])
    assert fitted.scores(noise.HANDS, area, rank).max() == 0.0
    assert fitted.threshold == 0.45
    # Each phone, and each mirrored.
    assert all(wobble.score == pytest.approx(0.8) for wobble in fitted.wobbles)
    assert max(np.abs(wobble.off).max() for wobble in fitted.wobbles) < 0.02
    assert 0.02 < fitted.sway < 0.5


@pytest.mark.parametrize("missing", ["clips", "phone"])
def test_what_is_missing_for_a_fit_is_named(tmp_path, clips, missing):
    if missing == "clips":
        folders = [
            write_dataset(tmp_path / "a", [("a.jpg", RED, 77), ("b.jpg", None, None)]),
        ]
    else:
        folders = [write_dataset(tmp_path / "b", [("a.jpg", None, None)]), clips]
    with pytest.raises(DatasetError, match="clip" if missing == "clips" else "phone"):
        fit.fit(folders, spec(tmp_path), looking_closely(), quietly)
