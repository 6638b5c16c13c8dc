"""The row for a phone at somebody's head: `call_row.npz`, from the pictures.

    PYTHONPATH=../.. python call_row.py --data ../../../shared/data --output call_row.npz

COCO's phones are things that are seen whole; at an ear there is a hand, and an edge of something.
Here one more row of the class heads is learnt, beside the phone's and on the same 96 features of
each stride; all else of both networks stays as it was published. `eyes.py` appends the row,
`edge/vision/calls.py` reads it.

Learnt from: all pictures of stanford40 (who phones, texts, smokes, drinks, brushes their teeth,
reads, writes or computes), hagrid (bare hands, 20 of them saying "call") and core50, and 1,260 of
train. Each is looked at as the box looks at a still picture, by the networks in float. Of every
person and eye the closest look counts, and in it the cells whose boxes have their middle about the
head. Nobody knows in which of them a call shows, so together they are one example: with z[j] the
standardized features of cell j, s its stride and p[j] its published logit of a phone,

    y[j] = p[j] + d[s] . z[j] + a[s]
    e    = log(sum over j of exp(y[j])) + c
    loss = sum of w * log(1 + exp(-e)), of people with a phone at their head
         + sum of w * log(1 + exp(e)), of people without
         + RIDGE / 2 * (|d|^2 + |a|^2)

where the weights w of either kind sum to a half. Written is the phone's published row plus the
difference (d, a), of plain features; not c: OFFSET of `edge/vision/calls.py` is in its place.

Chosen by cross-validation, in three folds of the pictures of stanford40 and hagrid: RIDGE (of 0.3,
0.1 and 0.03) and OFFSET (of -10 to 1). The other constants were set once and not tuned.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from eyes import EYES, NMS_IOU, Eye
from numpy.typing import NDArray
from published import LABELS, STRIDES, Floats, Network, load, normalized
from torch.nn.functional import softplus

from edge.desk.evidence import LEAST
from edge.desk.geometry import LOOSELY_IOU, overlaps, shows
from edge.devices.camera_picture import load_picture
from edge.domain import PHONE, Box, Detection, Frame, Glance, Look
from edge.vision.calls import OFFSET, about_head
from edge.vision.decode import GflDecoder, GflHead, GflQuant, to_detections
from edge.vision.eyes import Eyes
from edge.vision.manifest import Colour, Family, Fit, ModelInput
from edge.vision.preprocess import Preprocessor, Quant
from edge.vision.still import joined, largest_people, still

SETS = ("stanford40", "hagrid", "core50", "train")
COCO = {"val2017": "cocoval", "coco128": "coco128", "COCO train": "cocotrain"}
# Of train, so many pictures of these sources; all of the others.
SOME = {"cocoval": 450, "shhd39727-dev": 250, "bcarothers19": 60}
SOME |= {"18401172024": 40, "Chima200057": 60}
PHONE_ID = 77  # in the annotations
PHONE_ROW = LABELS.index(PHONE)
AT_HEAD = 0.5  # so much of a phone lies about the head of whoever has it there
WEIGHTS = {"stanford40": 1.0, "hagrid": 1.0, "Chima200057": 0.3}  # without a phone, by source
OTHER_WEIGHT = 0.5
MOST_CELLS = 60  # of a head, those likeliest a phone
# What features are standardized by: cells of each look likeliest a phone, others, those on one.
LIKELY, OTHERS, ON_PHONE, ON_PHONE_IOU = 40, 10, 20, 0.4
MOST_STANDARD = 40_000  # cells of a stride
LEAST_SPREAD, SHARED_SPREAD = 1e-3, 0.05
RIDGE = 0.03
STEPS, REMEMBERED = 25, 10  # of L-BFGS
NO_CELL = -1e4  # as a logit
DRAWING_SEED, SAMPLING_SEED = 7, 3
REAL = Quant(0.0, 0)


class Picture(NamedTuple):
    path: Path
    source: str
    action: str
    phones: tuple[Box, ...]


class Cells(NamedTuple):
    """features: (N, 96); strides: (N,) index into STRIDES; boxes: (N, 4) ymin, xmin, ymax, xmax,
    shares of the picture; logits: (N,) of a phone, as published"""

    features: NDArray[np.float16]
    strides: NDArray[np.intp]
    boxes: Floats
    logits: Floats

    def only(self, which: NDArray[np.intp]) -> Cells:
        return Cells(*(each[which] for each in self))


class Seen(NamedTuple):
    """A look, and the cells in which the box hears a call."""

    eye: int
    window: Box
    cells: Cells


class Example(NamedTuple):
    """The cells about one head, and whether a phone is there."""

    cells: Cells
    calls: bool
    weight: float


def pictures(data: Path) -> Iterator[Picture]:
    for name in SETS:
        told = json.loads((data / name / "annotations.json").read_text())
        phones = defaultdict(list)
        for each in told["annotations"]:
            if each["category_id"] == PHONE_ID:
                phones[each["image_id"]].append(each["bbox"])
        for each in _drawn(told["images"]) if name == "train" else told["images"]:
            high, wide = each["height"], each["width"]
            boxes = (
                Box(y / high, x / wide, (y + h) / high, (x + w) / wide)
                for x, y, w, h in phones[each["id"]]
            )
            source = _source(each) if name == "train" else name
            path = data / name / "images" / each["file_name"]
            yield Picture(path, source, each.get("action", ""), tuple(boxes))


def _source(image: dict[str, Any]) -> str:
    told = image["source"]
    return next((name for words, name in COCO.items() if words in told), told.split("/")[0])


def _drawn(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rng = np.random.default_rng(DRAWING_SEED)
    drawn = []
    for source in sorted({_source(image) for image in images}):
        own = [image for image in images if _source(image) == source]
        drawn += [own[n] for n in sorted(rng.permutation(len(own))[: SOME.get(source)])]
    return drawn


class FloatEye:
    """What `Eyes` needs of a detector: a published network, which keeps what it saw last."""

    labels = LABELS
    cells: Cells

    def __init__(self, eye: Eye, data: Path) -> None:
        self._name = eye.name
        graph = load(eye.name, data)
        inputs = {node.out: node.inputs[0] for node in graph.nodes}
        self._features = [inputs[f"cls{stride}"] for stride in STRIDES]
        self._network = Network(graph).eval()
        self._pixels = np.empty((eye.side, eye.side, 3), np.uint8)
        shape = ModelInput(eye.side, eye.side, Colour.RGB, Fit.STRETCH)
        as_it_is = Quant(1.0, 0)
        self._preprocessor = Preprocessor(shape, Family.GFL, dtype=np.dtype("u1"), quant=as_it_is)
        self._decoder = GflDecoder(
            [GflQuant(stride, REAL, REAL) for stride in STRIDES],
            width_px=eye.side,
            height_px=eye.side,
            centre=eye.centre,
            turned=False,
            floor=LEAST,
            nms_iou=NMS_IOU,
        )

    def look(self, frame: Frame) -> tuple[tuple[Detection, ...], tuple[()]]:
        placed = self._preprocessor.fill(frame.image, self._pixels)
        with torch.inference_mode():
            held = self._network.tensors(normalized(self._name, self._pixels[None]))
        maps = {name: tensor[0].permute(1, 2, 0).numpy() for name, tensor in held.items()}
        heads = [GflHead(maps[f"cls{stride}"], maps[f"box{stride}"]) for stride in STRIDES]
        self.cells = self._cells(heads, [maps[name] for name in self._features])
        return to_detections(self._decoder(heads), LABELS, placed), ()

    def _cells(self, heads: Sequence[GflHead], features: Sequence[Floats]) -> Cells:
        classes = [head.classes.reshape(-1, len(LABELS)) for head in heads]
        strides = np.repeat(range(len(STRIDES)), [len(each) for each in classes])
        # In the place of a row of calls, which cell it is: all are loud enough.
        numbers = np.split(np.arange(len(strides)), np.flatnonzero(np.diff(strides)) + 1)
        numbered = [
            GflHead(np.dstack([head.classes, own.reshape(head.classes.shape[:2])]), head.box)
            for head, own in zip(heads, numbers, strict=True)
        ]
        boxes, told = self._decoder.calls(numbered, PHONE_ROW)
        which = told.astype(np.intp)
        whole = np.concatenate([each.reshape(-1, each.shape[-1]) for each in features])
        logits = np.concatenate(classes)[which, PHONE_ROW]
        return Cells(whole[which].astype(np.float16), strides[which], boxes, logits)


def looked(eyes: Eyes, image: NDArray[np.uint8]) -> tuple[list[Seen], list[Box]]:
    """All looks at a still picture, and the largest people in it."""
    seen: list[Seen] = []

    def look(glance: Glance) -> Look:
        came = eyes.look(Frame(image, 0.0), glance)
        cells, window = eyes.eyes[glance.eye].cells, came.window
        boxes = cells.boxes * np.float32([window.height, window.width] * 2)
        cells = cells._replace(boxes=boxes + np.float32([window.ymin, window.xmin] * 2))
        seen.append(Seen(glance.eye, window, cells))
        return came

    found = joined(still(look, eyes.count, closely=True), LOOSELY_IOU)
    return seen, [each.box for each in largest_people(found)]


def calls(picture: Picture, head: Box) -> bool | None:
    """Whether a phone is there; None: one may be, so nothing is learnt."""
    if picture.action == "phoning":
        there = (head.intersection(box) >= AT_HEAD * box.area for box in picture.phones)
        return True if any(there) else None
    if picture.action == "texting_message":
        return None if any(head.intersection(box) > 0 for box in picture.phones) else False
    return None if picture.phones else False


def example(picture: Picture, person: Box, seen: Sequence[Seen]) -> Example | None:
    """seen: the looks of one eye, that at the whole picture first"""
    head = about_head(person)
    answer = calls(picture, head)
    showing = (each for each in seen if shows(each.window, person))
    cells = min(showing, key=lambda each: each.window.area, default=seen[0]).cells
    y, x = (cells.boxes[:, :2] + cells.boxes[:, 2:]).T / 2
    inside = (head.ymin <= y) & (y <= head.ymax) & (head.xmin <= x) & (x <= head.xmax)
    if answer is None or not inside.any():
        return None
    which = np.flatnonzero(inside)
    which = which[np.argsort(-cells.logits[which])][:MOST_CELLS]
    weight = 1.0 if answer else WEIGHTS.get(picture.source, OTHER_WEIGHT)
    return Example(cells.only(which), answer, weight)


def sample(picture: Picture, seen: Seen, rng: np.random.Generator) -> Cells:
    """Some cells of a look, to standardize by."""
    cells = seen.cells
    likely = np.argpartition(-cells.logits, LIKELY)[:LIKELY]
    rest = np.setdiff1d(np.arange(len(cells.logits)), likely)
    which = [likely, rng.choice(rest, OTHERS, replace=False)]
    shown = [(b.ymin, b.xmin, b.ymax, b.xmax) for b in picture.phones if shows(seen.window, b)]
    if shown:
        shared, whole = overlaps(cells.boxes, np.float32(shown))
        iou = (shared / np.maximum(whole, 1e-9)).max(1)
        which.append(np.argsort(-iou)[: min(ON_PHONE, np.sum(iou >= ON_PHONE_IOU))])
    return cells.only(np.unique(np.concatenate(which)))


def standard(samples: Sequence[Cells], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Mean and spread of the features, (4, 96) each."""
    features = np.concatenate([each.features for each in samples])
    strides = np.concatenate([each.strides for each in samples])
    means, spreads = [], []
    for stride in range(len(STRIDES)):
        own = np.flatnonzero(strides == stride)
        x = features[own[rng.permutation(len(own))[:MOST_STANDARD]]].astype(np.float32)
        means.append(x.mean(0))
        spreads.append(x.std(0) + LEAST_SPREAD + SHARED_SPREAD * x.std(0).mean())
    return np.stack(means), np.stack(spreads)


def fitted(examples: Sequence[Example], mean: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """What is added to the phone's row: weights (4, 96) and biases (4,)."""
    shape = (len(examples), MOST_CELLS)
    z, p = torch.zeros(*shape, mean.shape[1]), torch.full(shape, NO_CELL)
    s = torch.zeros(shape, dtype=torch.int64)
    for n, (cells, _, _) in enumerate(examples):
        count, own = len(cells.logits), cells.strides
        z[n, :count] = torch.from_numpy((cells.features - mean[own]) / spread[own])
        p[n, :count], s[n, :count] = torch.from_numpy(cells.logits), torch.from_numpy(own)
    sign = torch.tensor([1.0 if each.calls else -1.0 for each in examples])
    w = torch.tensor([each.weight for each in examples])
    for side in (sign > 0, sign < 0):
        w[side] /= 2 * w[side].sum()
    d, a, c = (torch.zeros(size, requires_grad=True) for size in (mean.shape, len(mean), 1))
    steps = torch.optim.LBFGS(
        [d, a, c], max_iter=STEPS, history_size=REMEMBERED, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        steps.zero_grad()
        y = p + (z @ d.T + a).gather(2, s[..., None])[..., 0]
        e = torch.logsumexp(y, 1) + c
        value = (w * softplus(-sign * e)).sum() + RIDGE / 2 * (d.square().sum() + a.square().sum())
        value.backward()
        return value

    steps.step(loss)
    weights = d.detach().numpy() / spread
    return weights, a.detach().numpy() - (weights * mean).sum(1)


def learnt(held: Iterable[tuple[Picture, list[Seen], list[Box]]], data: Path) -> dict[str, Floats]:
    """What the file holds; held: pictures, the looks at them, the people in them"""
    rng = np.random.default_rng(SAMPLING_SEED)
    samples: list[list[Cells]] = [[] for _ in EYES]
    examples: list[list[Example]] = [[] for _ in EYES]
    for picture, seen, people in held:
        for each in seen:
            samples[each.eye].append(sample(picture, each, rng))
        for eye, known in enumerate(examples):
            own = [each for each in seen if each.eye == eye]
            came = (example(picture, person, own) for person in people)
            known += [each for each in came if each is not None]
    rows = {"b": np.float32(OFFSET)}
    standards = [standard(some, rng) for some in samples]
    for eye, known, standardized in zip(EYES, examples, standards, strict=True):
        calling = sum(each.calls for each in known)
        print(f"{eye.name}: {calling} heads with a phone, {len(known) - calling} without")
        nodes = {node.out: node for node in load(eye.name, data).nodes}
        for stride, weight, bias in zip(STRIDES, *fitted(known, *standardized), strict=True):
            node = nodes[f"cls{stride}"]
            rows[f"{eye.name}_{stride}_weight"] = node.weight[PHONE_ROW].ravel() + weight
            rows[f"{eye.name}_{stride}_bias"] = node.bias[PHONE_ROW] + bias
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    eyes = Eyes([FloatEye(eye, args.data) for eye in EYES], floor=LEAST)

    def held() -> Iterator[tuple[Picture, list[Seen], list[Box]]]:
        for n, picture in enumerate(pictures(args.data)):
            if n % 100 == 0:
                print(f"{n} pictures", flush=True)
            yield picture, *looked(eyes, load_picture(picture.path))

    np.savez(args.output, **learnt(held(), args.data))


if __name__ == "__main__":
    main()
