"""Finish a trained network in int8: quantization-aware training from its averaged weights.

    python qat.py --data ../../../shared/data --from RUN/a/ema-48000.pt --run RUN/q --images 4000

Ranges are measured once on training pictures and then held; the weights learn to live with the
rounding. The float network they come from is the teacher of all nine heads.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import augment
import cv2
import numpy as np
import torch
import train
from export import Scale
from loss import detection_loss, teaching_loss
from net import LABELS, OUTPUTS, Net, yolox_nano
from pseudo import letterbox
from quantize import Quantized, as_batches, calibrate
from stretch import stretch
from torch.utils.data import DataLoader


def calibration(pools: list[augment.Pool], count: int, height: int, width: int) -> list[np.ndarray]:
    """Letterboxed training pictures, each pool by its weight, the same ones every time."""
    rng = np.random.default_rng(7)
    pools = [p for p in pools if p.pictures]
    weights = np.array([p.weight for p in pools])
    chosen = rng.choice(len(pools), count, p=weights / weights.sum())
    pictures = [pools[i].pictures[rng.integers(len(pools[i].pictures))] for i in chosen]
    return [
        letterbox(
            augment.photograph(cv2.imread(str(p.path))[:, :, ::-1].copy(), rng), height, width
        )[0]
        for p in pictures
    ]


def scales_as_json(scales: dict[str, Scale]) -> dict[str, list[float]]:
    return {name: [float(s.scale), int(s.zero_point)] for name, s in scales.items()}


def scales_of_json(text: dict[str, list[float]]) -> dict[str, Scale]:
    return {name: Scale(float(s), int(z)) for name, (s, z) in text.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--from", dest="start", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, help="the float network, where --from is not it")
    parser.add_argument("--first", type=int, default=1_000_000, help="number of the first batch")
    parser.add_argument("--bank", type=Path)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=8e-5)
    parser.add_argument("--teach", type=float, default=1.0, help="weight of the float network")
    parser.add_argument("--labels", type=float, default=0.2, help="weight of the labels")
    parser.add_argument("--render", type=float, default=0.35)
    parser.add_argument("--calibrate", type=int, default=160, help="pictures to measure ranges on")
    parser.add_argument("--webcam", type=float, default=0.07, help="weight of the webcam")
    parser.add_argument("--borrowed", type=float, default=0.14, help="weight of borrowed labels")
    parser.add_argument("--swaps", type=Path, help="what `compose.py swaps` wrote")
    parser.add_argument("--swapped", type=float, default=0.1, help="weight of the swaps")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.run.mkdir(parents=True, exist_ok=True)
    pools, dev, webcam = train.pools(
        args.data, args.webcam, args.borrowed, args.swaps, args.swapped
    )
    source = augment.Source.build(args.run.parent, [p for pool in pools for p in pool.pictures])
    drawer = augment.Drawer(
        source, pools, augment.Mix(render=args.render, mosaic=0.1, plain=0.35), args.bank
    )
    parent = Net(yolox_nano()).eval().requires_grad_(False)
    parent.load_state_dict(torch.load(args.teacher or args.start)["net"])
    parent = parent.to(memory_format=torch.channels_last)
    height, width = train.SHIPPING
    state = torch.load(args.start)
    start = Net(yolox_nano()).eval()
    start.load_state_dict(state["net"])
    if "scales" in state:
        scales = scales_of_json(state["scales"])
    else:
        pictures = calibration(pools, args.calibrate, height, width)
        # The next worst layers (down2.d, dark2.m0.1, dark2.3) were tried too: what the pieces of
        # the curve leave over cost more there than rounding did.
        before, after = stretch(start, "stem", "down2.d", as_batches(pictures[:24]))
        print(f"stem: square error {before:.4f} before it was evened out, {after:.4f} after")
        scales = calibrate(start, as_batches(pictures))
    net, ema = (Quantized(yolox_nano(), scales, state.get("steps")) for _ in range(2))
    net.load(start)
    ema.load(start)
    net = net.to(memory_format=torch.channels_last)
    log = (args.run / "log.jsonl").open("a", buffering=1)
    log.write(json.dumps({"start": 0, **{k: str(v) for k, v in vars(args).items()}}) + "\n")

    def save(images: int) -> None:
        state = {
            "net": ema.folded().state_dict(),
            "scales": scales_as_json(scales),
            "steps": ema.steps,
        }
        torch.save(state, args.run / "qat.tmp")
        os.replace(args.run / "qat.tmp", args.run / f"qat-{images}.pt")

    save(0)
    steps = args.images // args.batch
    first = args.first  # far from those that the float run has drawn
    batches = train.Batches(drawer, args.batch, first + steps, first + steps)
    loader = DataLoader(
        batches, batch_size=None, sampler=train.From(first, first + steps), num_workers=1
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=0.0)
    sums: dict[str, float] = {}
    since = time.monotonic()
    for step, (images, truths, ignores) in enumerate(loader, 1):
        for group in optimizer.param_groups:
            group["lr"] = args.rate * min(1.0, step / 40) * max(0.05, 1 - step / steps)
        x = images.permute(0, 3, 1, 2).float()
        heads = net(x)
        parts = detection_loss(heads, truths, ignores)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            wanted = parent(x)
        total = 0.0
        for name in OUTPUTS:
            t = wanted[name].float()
            # What is certainly nothing need not agree on how certain.
            floor = -1e9 if name.startswith("reg") else -6.0
            gap = heads[name].clamp(min=floor) - t.clamp(min=floor)
            if name.startswith("reg"):
                gap = gap * wanted["obj" + name[3:]].float().sigmoid().sqrt()
            total = total + gap.square().mean() / (t.clamp(min=floor).var() + 1e-2)
        parts = {name: args.labels * value for name, value in parts.items()}
        parts["logits"] = args.teach * total
        parts["scores"] = (
            2 * args.teach * teaching_loss(heads, wanted, truths, range(len(LABELS)), own=True)
        )
        optimizer.zero_grad(set_to_none=True)
        sum(parts.values()).backward()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 20.0)
        if torch.isfinite(norm):
            optimizer.step()
        train.average(ema, net, step, most=0.985)
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        if step % 50 == 0:
            line = {
                "images": step * args.batch,
                "per_s": round(50 * args.batch / (time.monotonic() - since), 1),
            }
            log.write(json.dumps(line | {k: round(v / 50, 4) for k, v in sums.items()}) + "\n")
            sums, since = {}, time.monotonic()
        if step % 125 == 0 or step == steps:
            save(step * args.batch)
    log.write(
        json.dumps({"images": steps * args.batch, "judged": train.judge(ema, dev, webcam)}) + "\n"
    )


if __name__ == "__main__":
    main()
