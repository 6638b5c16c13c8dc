"""Fine-tune the network for a desk. Resumable: run it again and it goes on.

    python train.py --data ../../../shared/data --run RUN --images 150000

RUN/log.jsonl gets a line every 100 batches and one for every evaluation, RUN/last.pt the state,
RUN/ema-<images>.pt the averaged weights of each evaluation.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import augment
import cv2
import data
import numpy as np
import score
import torch
from loss import detection_loss, other_things, teaching_loss
from net import COCO_ROWS, LABELS, Net, Normed, load_onnx, yolox_nano
from pseudo import heads_of, letterbox
from quantize import as_batches
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

SIZES = ((288, 384), (320, 448), (352, 480), (384, 512), (416, 544))
SHIPPING = (384, 512)


def pools(
    folder: Path,
    webcam: float = 0.07,
    borrowed: float = 0.14,
    swaps: Path | None = None,
    swapped: float = 0.1,
) -> tuple[list[augment.Pool], list[data.Picture], list[data.Picture]]:
    """Training pools, and the judging parts of dev and webcam_dev.

    webcam, borrowed: weights of the webcam's pictures and of those another detector labelled
    swaps, swapped: what `compose.py swaps` wrote, and its weight
    """
    everything = data.load(folder / "train")
    dev_train, dev_judge = data.split_dev(data.load(folder / "dev"))
    web_train, web_judge = data.split_webcam(data.load(folder / "webcam_dev", "webcam"))

    def of(*parts: str) -> list[data.Picture]:
        return [p for p in everything if any(part in p.source for part in parts)]

    coco = of("COCO", "coco128")
    phones = [p for p in dev_train + coco if (p.classes == 0).any()]
    objects = [p for p in dev_train + coco if not (p.classes == 0).any() and (p.classes > 1).any()]
    people = [
        p for p in dev_train + coco if not (p.classes == 0).any() and not (p.classes > 1).any()
    ]
    return (
        [
            augment.Pool(phones, 0.2),
            augment.Pool(objects, 0.2),
            augment.Pool(people, 0.22),
            augment.Pool(of(data.OTHER_DETECTOR_SOURCE), borrowed, scenery=False),
            augment.Pool(web_train, webcam, scenery=False),
            augment.Pool(of("find_phone"), 0.02, scenery=False),
            augment.Pool(of("phone-usage"), 0.01, scenery=False),
            augment.Pool(of("SignLanguage"), 0.05),
            augment.Pool(of("posture"), 0.06),
            augment.Pool(of("PDE3802"), 0.03),
            augment.Pool(data.load(swaps) if swaps else [], swapped, scenery=False),
        ],
        dev_judge,
        web_judge,
    )


def fewer(pools: list[augment.Pool], share: float, draw: int = 0) -> list[augment.Pool]:
    """The pools with this share of their pictures, 0..1: what a smaller share has, a larger one of
    the same draw has too."""

    def lot(picture: data.Picture) -> bytes:
        return hashlib.sha256(f"{draw or ''}{picture.path.name}".encode()).digest()

    kept = []
    for pool in pools:
        drawn = sorted(pool.pictures, key=lot)
        kept.append(replace(pool, pictures=drawn[: math.ceil(share * len(drawn))]))
    return kept


class Batches(Dataset):
    """Batch number i is always the same pictures: a resumed run goes on where it was."""

    def __init__(
        self, drawer: augment.Drawer, size: int, count: int, shipping_from: int, seed: int = 2026
    ) -> None:
        self._drawer, self._size, self._count = drawer, size, count
        self._shipping_from, self._seed = shipping_from, seed

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        cv2.setNumThreads(0)
        rng = np.random.default_rng((self._seed, index))
        sizes = (SHIPPING,) if index >= self._shipping_from else SIZES
        height, width = sizes[rng.integers(len(sizes))]
        scenes = [self._drawer.one(rng, height, width) for _ in range(self._size)]
        images = torch.from_numpy(np.stack([s.image for s in scenes]))
        return (
            images,
            [torch.from_numpy(s.boxes) for s in scenes],
            [torch.from_numpy(s.ignore) for s in scenes],
        )


class From(torch.utils.data.Sampler):
    def __init__(self, start: int, end: int) -> None:
        self._range = range(start, end)

    def __iter__(self) -> Iterator[int]:
        return iter(self._range)

    def __len__(self) -> int:
        return len(self._range)


def hold_statistics(net: Normed) -> None:
    """Keep the means and variances of the start: those of eight augmented pictures at a time are
    not those of use, and the network forgets a great deal while it learns the difference."""
    net.train()
    for norm in net.norms.values():
        norm.eval()


@torch.no_grad()
def average(ema: Net, net: Net, step: int, most: float = 0.99) -> None:
    share = min(most, (1 + step) / (10 + step))
    for a, b in zip(ema.parameters(), net.parameters(), strict=True):
        a.lerp_(b, 1 - share)
    for a, b in zip(ema.buffers(), net.buffers(), strict=True):
        if a.is_floating_point():
            a.lerp_(b, 1 - share)


def see(net: Net, picture: data.Picture, height: int, width: int) -> score.Found:
    image = cv2.imread(str(picture.path))[:, :, ::-1]
    canvas, scale = letterbox(image, height, width)
    return score.decode(heads_of(net, canvas), scale)


def judge(net: Net, dev: list[data.Picture], webcam: list[data.Picture],
          size: tuple[int, int] = SHIPPING) -> dict[str, float]:  # fmt: skip
    """The figures that steer: see score.summary."""
    net.eval()
    figures = score.summary(
        dev,
        [see(net, p, *size) for p in dev],
        webcam,
        [see(net, p, *size) for p in webcam],
        LABELS,
    )
    net.train()
    return figures


def rate(images: int, args: argparse.Namespace) -> float:
    warm = min(1.0, (images + 1) / 2000)
    share = min(1.0, images / args.images)
    return args.rate * warm * (0.02 + 0.98 * (1 + math.cos(math.pi * share)) / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--bank", type=Path)
    parser.add_argument("--images", type=int, default=30_000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=8e-5)
    parser.add_argument("--teach", type=float, default=1.0, help="weight of the original's word")
    parser.add_argument("--render", type=float, default=0.35)
    parser.add_argument("--shipping-from", type=float, default=0.7, help="share of the run")
    parser.add_argument("--judge-every", type=int, default=6_000)
    parser.add_argument("--webcam", type=float, default=0.07, help="weight of the webcam")
    parser.add_argument("--borrowed", type=float, default=0.14, help="weight of borrowed labels")
    parser.add_argument("--swaps", type=Path, help="what `compose.py swaps` wrote")
    parser.add_argument("--swapped", type=float, default=0.1, help="weight of the swaps")
    parser.add_argument(
        "--others", action="store_true", help="spare what the original knew as other things"
    )
    parser.add_argument("--share", type=float, default=1.0, help="of the pictures: what more bring")
    parser.add_argument("--draw", type=int, default=0, help="which pictures a share is")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    args.run.mkdir(parents=True, exist_ok=True)
    training, dev, webcam = pools(args.data, args.webcam, args.borrowed, args.swaps, args.swapped)
    training = fewer(training, args.share, args.draw)
    source = augment.Source.build(args.run.parent, [p for pool in training for p in pool.pictures])
    drawer = augment.Drawer(
        source, training, augment.Mix(render=args.render, mosaic=0.12, plain=0.25), args.bank
    )

    folded = Net(yolox_nano())
    load_onnx(folded, args.data / "models/yolox_nano_coco_cut9.onnx")
    net, ema = Normed(yolox_nano()), Normed(yolox_nano())
    some = [drawer.one(np.random.default_rng((5, i)), 320, 416).image for i in range(96)]
    net.unfold(folded, list(as_batches(some, 8)))
    ema.load_state_dict(net.state_dict())
    teacher = Net(yolox_nano(80, dense=0), silu=True).eval().requires_grad_(False)
    load_onnx(teacher, args.data / "models/yolox_nano_coco_cut9.onnx", range(80))
    net, ema, teacher = (m.to(memory_format=torch.channels_last) for m in (net, ema, teacher))
    hold_statistics(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=1e-3)
    step = 0
    last = args.run / "last.pt"
    if last.exists():
        state = torch.load(last)
        net.load_state_dict(state["net"])
        ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    steps = args.images // args.batch
    batches = Batches(drawer, args.batch, steps, int(steps * args.shipping_from), args.seed)
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=From(step, steps),
        num_workers=args.workers,
        prefetch_factor=3,
    )
    log = (args.run / "log.jsonl").open("a", buffering=1)
    log.write(json.dumps({"start": step, **{k: str(v) for k, v in vars(args).items()}}) + "\n")
    sums: dict[str, float] = {}
    since = time.monotonic()
    waited = 0.0
    asked = time.monotonic()
    for images, truths, ignores in loader:
        waited += time.monotonic() - asked
        seen = step * args.batch
        for group in optimizer.param_groups:
            group["lr"] = rate(seen, args)
        x = images.permute(0, 3, 1, 2).float()
        taught = args.teach > 0 and (args.others or step % 2 == 0)
        # Half precision in the convolutions takes two thirds of the time; the loss is in float32.
        with torch.autocast("cpu", torch.bfloat16):
            heads = net(x)
        elsewhere = None
        if taught:
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                wanted = teacher(x)
            if args.others:
                elsewhere = other_things(wanted, COCO_ROWS)
        parts = detection_loss(heads, truths, ignores, elsewhere)
        if taught:
            parts["teach"] = args.teach * teaching_loss(heads, wanted, truths, COCO_ROWS)
        loss = sum(parts.values())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 20.0)
        if torch.isfinite(norm):
            optimizer.step()
        step += 1
        average(ema, net, step)
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        sums["norm"] = sums.get("norm", 0.0) + float(norm)
        if step % 100 == 0:
            now = time.monotonic()
            line = {
                "images": step * args.batch,
                "per_s": round(100 * args.batch / (now - since), 1),
                "waited": round(waited / (now - since), 2),
                **{k: round(v / 100, 3) for k, v in sums.items()},
            }
            log.write(json.dumps(line) + "\n")
            sums, since, waited = {}, now, 0.0
        done = step == steps
        if step % (args.judge_every // args.batch) == 0 or done:
            plain = ema.folded()
            figures = judge(plain, dev, webcam)
            log.write(json.dumps({"images": step * args.batch, "judged": figures}) + "\n")
            torch.save(
                {"net": plain.state_dict()},
                args.run / f"ema-{step * args.batch}.pt",
            )
            since = time.monotonic()
        if step % 250 == 0 or done:
            state = {
                "net": net.state_dict(),
                "ema": ema.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step,
            }
            torch.save(state, last.with_suffix(".tmp"))
            os.replace(last.with_suffix(".tmp"), last)
        asked = time.monotonic()


if __name__ == "__main__":
    main()
