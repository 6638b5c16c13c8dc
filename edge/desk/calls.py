"""A phone at somebody's ear: what a head says as a whole, where hardly any box says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edge.desk.evidence import LEAST, log_odds, probability
from edge.desk.geometry import LOOSELY_IOU
from edge.domain import PHONE, Call, Detection

# Evidence for a light, and none for a sound: no phone is seen.
MOST = 0.5


def called(detections: Sequence[Detection], calls: Sequence[Call]) -> list[Detection]:
    """The same, best first: a phone that is seen where a call is told is surer, and where none is
    seen there may be one. Either is reason enough: odds are added."""
    found = list(detections)
    for call in calls:
        if call.log_odds <= log_odds(LEAST) or call.box.area <= 0:
            continue
        phones = (i for i, d in enumerate(found) if d.label == PHONE)
        seen = [i for i in phones if found[i].box.iou(call.box) >= LOOSELY_IOU]
        if seen:
            best = max(seen, key=lambda i: found[i].score)
            score = probability(np.logaddexp(log_odds(found[best].score), call.log_odds))
            found[best] = replace(found[best], score=max(found[best].score, score))
        else:
            found.append(Detection(PHONE, min(MOST, probability(call.log_odds)), call.box))
    return sorted(found, key=lambda d: -d.score)
