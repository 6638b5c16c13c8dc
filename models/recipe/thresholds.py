"""What each threshold would mean, to choose the shipped ones by.

python thresholds.py --data ../../../shared/data FILE.tflite
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import score
import train
from judge import File
from net import LABELS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("file", type=Path)
    args = parser.parse_args()
    _, dev, webcam = train.pools(args.data)
    model = File(args.file)
    found = [model.see(p) for p in dev]
    print("label, threshold with the best F1 on dev, F1")
    for index, label in enumerate(LABELS):
        truth = [p.boxes[p.classes == index] for p in dev]
        if not sum(map(len, truth)):
            continue
        m = score.match(found, truth, [np.zeros(len(t), bool) for t in truth], index)
        hits = np.cumsum(m.hits)
        f1 = 2 * hits / (np.arange(1, len(hits) + 1) + m.truths)
        best = int(np.argmax(f1))
        print(f"{label:12} {m.scores[best]:.2f} {f1[best]:.2f}")
    best = np.array([score.best_score(f, 0) for f in found])
    has = np.array([bool((p.classes == 0).any()) for p in dev])
    web = np.array([score.best_score(model.see(p), 0) for p in webcam])
    web_has = np.array([bool((p.classes == 0).any()) for p in webcam])
    print("phone at: pictures of dev flagged with one, without; webcam with one, without, balanced")
    for cut in np.arange(0.2, 0.75, 0.05):
        rates = [(best[has] >= cut).mean(), (best[~has] >= cut).mean()]
        rates += [(web[web_has] >= cut).mean(), (web[~web_has] >= cut).mean()]
        rates.append((rates[2] + 1 - rates[3]) / 2)
        print(f"{cut:.2f} " + " ".join(f"{r:6.1%}" for r in rates))


if __name__ == "__main__":
    main()
