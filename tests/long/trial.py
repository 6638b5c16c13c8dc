"""How often the interval of a self-experiment holds the true effect: `python -m tests.long.trial`.

Owners are simulated (`tests/owners.py`): nobody else's true effect is known.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from math import sqrt
from pathlib import Path
from typing import Any

from edge.config import ExperimentConfig
from edge.history.trial import verdict
from tests.owners import OWNERS, Owner, lived

LOW, HIGH = 0.93, 0.97


def covered(owner: Owner, sessions: int, runs: int, seed: int) -> dict[str, Any]:
    """Shares of the runs that gave an interval in which it holds the true ratio, for both figures.

    The time with the phone has the same true ratio: a pick-up lasts equally long in both ways.
    """
    chance = random.Random(seed)
    config = ExperimentConfig(sessions=sessions)
    told, pickups, phone, different = 0, 0, 0, 0
    for _ in range(runs):
        found = verdict(lived(owner, sessions, chance), config)
        if found.pickups is None or found.phone is None:
            continue
        told += 1
        pickups += found.pickups.low <= owner.ratio <= found.pickups.high
        phone += found.phone.low <= owner.ratio <= found.phone.high
        different += not found.pickups.low <= 1 <= found.pickups.high
    return {
        "told": told / runs,
        "pickups": pickups / told if told else None,
        "phone": phone / told if told else None,
        "different": different / told if told else None,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--sessions", type=int, nargs="+", default=[60, 120])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    print(f"{args.runs} runs each; by chance alone 95 % +- {196 * sqrt(0.0475 / args.runs):.1f} %")
    print(f"{'owner':22} sessions  told   covers: pick-ups  phone time   seen to differ")
    figures = []
    outside = 0
    for name, owner in OWNERS.items():
        for sessions in args.sessions:
            found = covered(owner, sessions, args.runs, args.seed)
            figures.append({"owner": name, "sessions": sessions, **found})
            shares = [found["pickups"], found["phone"]]
            if None in shares:
                print(f"{name:22} {sessions:8} {100 * found['told']:4.0f} %   never enough")
                continue
            outside += sum(not LOW <= share <= HIGH for share in shares)
            print(
                f"{name:22} {sessions:8} {100 * found['told']:4.0f} %"
                f"         {100 * shares[0]:8.1f} % {100 * shares[1]:9.1f} %"
                f" {100 * found['different']:12.0f} %",
                flush=True,
            )
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2))
    print(f"{outside} of {2 * len(figures)} shares outside {100 * LOW:.0f} to {100 * HIGH:.0f} %")
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main())
