"""Weights between networks of one run: the mean of what the original knew and what was learnt.

    python soup.py --original ORIGINAL.onnx 0.4 --add RUN/a/ema-6000.pt 0.6 --out RUN/soup.pt

After Wortsman et al., Robust fine-tuning of zero-shot models, arXiv:2109.01903: such a mean keeps
what few pictures make a network forget, and nearly all that they taught it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from net import Net, load_onnx, yolox_nano


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--original", nargs=2, metavar=("ONNX", "SHARE"))
    parser.add_argument("--add", nargs=2, metavar=("STATE", "SHARE"), action="append", default=[])
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    parts, ranges = [], {}
    if args.original:
        original = Net(yolox_nano())
        load_onnx(original, Path(args.original[0]))
        parts.append((float(args.original[1]), original.state_dict()))
    for path, share in args.add:
        state = torch.load(path)
        parts.append((float(share), state["net"]))
        # Int8 networks of one line of training have one set of ranges.
        ranges |= {name: state[name] for name in ("scales", "steps") if name in state}
    whole = sum(share for share, _ in parts)
    mean = {
        name: sum(share / whole * state[name] for share, state in parts) for name in parts[0][1]
    }
    torch.save({"net": mean, **ranges}, args.out)


if __name__ == "__main__":
    main()
