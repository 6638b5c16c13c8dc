"""Names of classes: those of COCO models, and what this project calls the same things."""

from __future__ import annotations

from edge.domain import PHONE
from edge.vision.manifest import NO_LABEL

# The 90 category numbers of COCO (Lin et al., arXiv:1405.0312) from 1 on; ten were never used.
COCO_90 = tuple(
    """person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light
    |fire hydrant|???|stop sign|parking meter|bench|bird|cat|dog|horse|sheep
    |cow|elephant|bear|zebra|giraffe|???|backpack|umbrella|???|???
    |handbag|tie|suitcase|frisbee|skis|snowboard|sports ball|kite|baseball bat|baseball glove
    |skateboard|surfboard|tennis racket|bottle|???|wine glass|cup|fork|knife|spoon
    |bowl|banana|apple|sandwich|orange|broccoli|carrot|hot dog|pizza|donut
    |cake|chair|couch|potted plant|bed|???|dining table|???|???|toilet
    |???|tv|laptop|mouse|remote|keyboard|cell phone|microwave|oven|toaster
    |sink|refrigerator|???|book|clock|vase|scissors|teddy bear|hair drier|toothbrush""".replace(
        "\n    ", ""
    ).split("|")
)
COCO_80 = tuple(name for name in COCO_90 if name != NO_LABEL)

OTHER_NAMES = {
    "cell phone": PHONE,
    "mobile phone": PHONE,
    "smartphone": PHONE,
    "airpods case": "earbud case",
    "powerbank": "power bank",
}


def canonical(name: str) -> str:
    """The name that this project uses for a class that a data set or model calls `name`."""
    plain = " ".join(name.lower().replace("_", " ").split())
    return OTHER_NAMES.get(plain, plain)
