"""Fitting eyes and composing sequences, with eyes that know colours instead."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edge.domain import PERSON, PHONE, Box, Call, Detection, Frame, Thresholds
from edge.vision.eyes import Eyes
from edge.vision.manifest import Colour, EyeSet, Family, Fit, ModelInput, ModelSpec
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
    """Takes red for a phone, blue for something that looks a little like one; a person is always
    there."""

    labels = (PHONE, PERSON)

    def __init__(self, surer: float = 1.0) -> None:
        self.surer = surer

    def look(self, frame: Frame) -> tuple[tuple[Detection, ...], tuple[Call, ...]]:
        return self.detect(frame), ()

    def detect(self, frame: Frame) -> tuple[Detection, ...]:
        pixels = frame.image.astype(int)
        found = [Detection(PERSON, 0.9, Box(0.05, 0.2, 1.0, 0.8))]
        red, blue = pixels[..., 0], pixels[..., 2]
        for mask, score in ((red - blue > 120, 0.8), (blue - red > 120, 0.05)):
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
            found.append(Detection(PHONE, score * self.surer, box))
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


def eyes() -> Eyes:
    return Eyes((Colours(), Colours(0.9)), floor=0.05)


def chosen(path) -> EyeSet:
    given = ModelInput(SIZE[0], SIZE[1], Colour.RGB, Fit.LETTERBOX)
    specs = [
        ModelSpec(name, path, Family.YOLOX, given, Colours.labels, THRESHOLDS, sha256=name)
        for name in ("red", "green")
    ]
    return EyeSet("colours", tuple(specs), THRESHOLDS)


def test_a_phone_that_sways_is_lit_in_time_and_a_wallet_never_sounds(folder):
    pictures = load_dataset(folder)
    found = composed.compose(pictures, eyes(), THRESHOLDS, quietly)
    by_name = {outcome.name: outcome for outcome in found}
    assert set(by_name) == {"phone.jpg", "again.jpg", "wallet.jpg"}
    for name in ("phone.jpg", "again.jpg"):
        assert by_name[name].lit_s <= 2.5
        assert by_name[name].sounded_s is not None
        assert by_name[name].silent_s <= 1.0
    assert by_name["wallet.jpg"].lit_s is None
    assert by_name["wallet.jpg"].sounded_s is None


def test_a_clip_with_a_phone_in_use_is_lit(clips):
    (outcome,) = composed.clips(sorted(clips.glob("*.mp4")), eyes(), THRESHOLDS, quietly)
    assert outcome.lit_s <= 2.5


def test_what_each_eye_does_is_measured(folder, clips, tmp_path):
    tree = fit.fit([folder, clips], [], chosen(tmp_path), eyes(), quietly)
    path = tmp_path / "noise.json"
    path.write_text(fit.dump(tree))
    fitted = noise.load(path)
    assert fitted.pictures == 4
    assert fitted.sha256 == ("red", "green")
    area = 40 * 70 / (320 * 240)
    rank = np.array([[0.5, 0.5], [0.9, 0.9]])
    phones = [[0.8, 0.8], [0.72, 0.72]]
    assert fitted.scores(PHONE, area, rank) == pytest.approx(np.array([phones] * 2))
    assert max(table.max() for table in fitted.records["wallet"]) == pytest.approx(0.05)
    assert fitted.scores(noise.HANDS, area, rank).max() == 0.0
    assert fitted.threshold == 0.45
    assert all(wobble.score == pytest.approx(0.76) for wobble in fitted.wobbles)
    assert max(np.abs(edges).max() for w in fitted.wobbles for edges in w.closer) < 0.02
    assert 0.02 < fitted.sway < 0.5


def test_of_what_is_lent_only_what_nothing_else_shows_is_measured(folder, clips, tmp_path):
    lent = write_dataset(tmp_path / "lent", [("b.jpg", BLUE, 1002), ("r.jpg", RED, 77)])
    own = write_dataset(tmp_path / "own", [("e.jpg", None, None), ("p.jpg", RED, 77)])
    tree = fit.fit([own, clips], [lent], chosen(tmp_path), eyes(), quietly)
    assert tree["lent"] == {"lent": ["wallet"]}
    assert len(tree["records"]["wallet"]) == len(tree["records"][PHONE]) == len(fit.SHARES)
    again = fit.fit([folder, clips], [lent], chosen(tmp_path), eyes(), quietly)
    assert again["lent"] == {"lent": []}


@pytest.mark.parametrize("missing", ["clips", "phone"])
def test_what_is_missing_for_a_fit_is_named(tmp_path, clips, missing):
    if missing == "clips":
        folders = [
            write_dataset(tmp_path / "a", [("a.jpg", RED, 77), ("b.jpg", None, None)]),
        ]
    else:
        folders = [write_dataset(tmp_path / "b", [("a.jpg", None, None)]), clips]
    with pytest.raises(DatasetError, match="clip" if missing == "clips" else "phone"):
        fit.fit(folders, [], chosen(tmp_path), eyes(), quietly)
