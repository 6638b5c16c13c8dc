"""Assignment and loss, after YOLOX (Ge et al., arXiv:2107.08430, SimOTA): written anew."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from net import LABELS, STRIDES, decode
from torch import Tensor
from torch.nn import functional

# What matters more counts more; people are in nearly every picture, many at a time.
CLASS_WEIGHT = torch.tensor(
    [2.0 if c == "phone" else 0.7 if c == "person" else 1.0 for c in LABELS]
)
CENTRE_RADIUS = 2.5


def anchors(heads: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Centres (A, 2) in input pixels and strides (A,) of the cells of the three heads."""
    centres, strides = [], []
    for stride in STRIDES:
        h, w = heads[f"obj{stride}"].shape[2:]
        ys, xs = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        centres.append((torch.stack([xs, ys], -1).reshape(-1, 2) + 0.5) * stride)
        strides.append(torch.full((h * w,), float(stride)))
    return torch.cat(centres), torch.cat(strides)


def pair_iou(a: Tensor, b: Tensor) -> Tensor:
    """(N, 4) and (M, 4) to (N, M)."""
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = (high - low).clamp(min=0).prod(2)
    area_a = (a[:, 2:] - a[:, :2]).prod(1)
    area_b = (b[:, 2:] - b[:, :2]).prod(1)
    return inter / (area_a[:, None] + area_b[None] - inter + 1e-9)


def giou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Row by row: IoU and generalized IoU of (N, 4) boxes."""
    inter = (
        (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    )
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - inter + 1e-9
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1) + 1e-9
    iou = inter / union
    return iou, iou - (hull - union) / hull


@torch.no_grad()
def assign(boxes: Tensor, obj: Tensor, cls: Tensor, centres: Tensor, strides: Tensor,
           truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """SimOTA for one picture: indices of the chosen cells (F,), which truth each serves (F,),
    and their IoU (F,).

    boxes (A, 4), obj (A,), cls (A, C); truth (G, 5): class, x1, y1, x2, y2
    """
    gt = truth[:, 1:]
    middle = (gt[:, :2] + gt[:, 2:]) / 2
    inside = ((centres[:, None] > gt[None, :, :2]) & (centres[:, None] < gt[None, :, 2:])).all(2)
    reach = (strides * CENTRE_RADIUS)[:, None, None]
    near = ((centres[:, None] - middle[None]).abs() < reach).all(2)
    candidate = (inside | near).any(1).nonzero()[:, 0]
    if not len(candidate):
        return candidate, candidate, obj.new_zeros(0)
    iou = pair_iou(boxes[candidate], gt)
    score = (cls[candidate].sigmoid() * obj[candidate].sigmoid()[:, None]).sqrt()
    target = functional.one_hot(truth[:, 0].long(), cls.shape[1]).to(score)
    s = score.clamp(1e-6, 1 - 1e-6)
    # Cross-entropy of every candidate with every truth, without building (F, G, C).
    negative = -torch.log1p(-s)
    cost = negative.sum(1, keepdim=True) + (-s.log() - negative) @ target.T
    cost = cost + 3.0 * -(iou + 1e-8).log()
    cost = cost + 1e5 * (~(inside & near)[candidate]).to(cost)
    k = iou.topk(min(10, len(candidate)), dim=0).values.sum(0).int().clamp(min=1)
    chosen = torch.zeros_like(cost, dtype=torch.bool)
    rank = cost.argsort(0)
    for g in range(len(truth)):
        chosen[rank[: int(k[g]), g], g] = True
    several = chosen.sum(1) > 1
    if several.any():
        best = cost[several].argmin(1)
        chosen[several] = functional.one_hot(best, len(truth)).bool()
    cells, serves = chosen.nonzero(as_tuple=True)
    return candidate[cells], serves, iou[cells, serves]


@torch.no_grad()
def other_things(taught: dict[str, Tensor], rows: Sequence[int], least: float = 0.1) -> Tensor:
    """(N, A): the original's score of its surest class that is none of `rows`; 0 where it sees
    one of those as likely, or next to nothing."""
    _, obj, cls = decode(taught)
    probability = cls.sigmoid()
    mine = probability[..., list(rows)].amax(2)
    other = probability.clone()
    other[..., list(rows)] = 0.0
    best = other.amax(2)
    score = obj.sigmoid() * best
    return score * (best > mine) * (score > least)


def detection_loss(heads: dict[str, Tensor], truths: list[Tensor], ignores: list[Tensor],
                   elsewhere: Tensor | None = None) -> dict[str, Tensor]:  # fmt: skip
    """Sums over the batch divided by its (weighted) count of chosen cells: iou, obj, cls.

    elsewhere: see `other_things`; there an object may well be one, but of no class of `LABELS`
    """
    boxes, obj, cls = decode(heads)
    boxes, obj, cls = boxes.contiguous(), obj.contiguous(), cls.contiguous()
    centres, strides = anchors(heads)
    obj_target = torch.zeros_like(obj)
    obj_weight = torch.ones_like(obj) if elsewhere is None else 1 - elsewhere.sqrt()
    free = torch.zeros_like(obj) if elsewhere is None else elsewhere.clone()
    iou_sum = cls_sum = obj.sum() * 0
    count = 0.0
    for n, (truth, ignore) in enumerate(zip(truths, ignores, strict=True)):
        if len(ignore):
            blind = (centres[:, None] > ignore[None, :, :2]) & (
                centres[:, None] < ignore[None, :, 2:]
            )
            obj_weight[n, blind.all(2).any(1)] = 0.0
        if not len(truth):
            continue
        cells, serves, iou = assign(
            boxes[n].detach(), obj[n].detach(), cls[n].detach(), centres, strides, truth
        )
        if not len(cells):
            continue
        label = truth[serves, 0].long()
        weight = CLASS_WEIGHT[label]
        obj_target[n, cells] = 1.0
        obj_weight[n, cells] = weight
        free[n, cells] = 0.0
        count += float(weight.sum())
        _, generalized = giou(boxes[n, cells], truth[serves, 1:])
        iou_sum = iou_sum + ((1 - generalized) * weight).sum()
        target = functional.one_hot(label, cls.shape[2]).to(cls) * iou[:, None]
        entropy = functional.binary_cross_entropy_with_logits(
            cls[n, cells], target, reduction="none"
        )
        cls_sum = cls_sum + (entropy.sum(1) * weight).sum()
    if elsewhere is not None:
        some = free > 0
        cls_sum = cls_sum + (functional.softplus(cls[some]).sum(1) * free[some]).sum()
    entropy = functional.binary_cross_entropy_with_logits(obj, obj_target, reduction="none")
    obj_sum = (entropy * obj_weight).sum()
    count = max(count, 1.0)
    return {"iou": 5.0 * iou_sum / count, "obj": obj_sum / count, "cls": cls_sum / count}


def teaching_loss(heads: dict[str, Tensor], taught: dict[str, Tensor], truths: list[Tensor],
                  rows: Sequence[int], *, own: bool = False) -> Tensor:  # fmt: skip
    """How far the scores and boxes are from those of the original network, where it sees anything.

    rows: the original's class for each of the first classes of `LABELS`; of phones it is believed
    inside labelled phones only, for there the labels know better; own: the teacher is a network of
    this project and is believed everywhere
    """
    boxes, obj, cls = decode(heads)
    with torch.no_grad():
        t_boxes, t_obj, t_cls = decode(taught)
        t_score = (t_obj.sigmoid()[..., None] * t_cls[..., list(rows)].sigmoid()).sqrt()
        centres, _ = anchors(heads)
        weight = torch.ones_like(t_score)
        for n, truth in enumerate([] if own else truths):
            phones = truth[truth[:, 0] == 0, 1:]
            inside = (centres[:, None] > phones[None, :, :2]) & (
                centres[:, None] < phones[None, :, 2:]
            )
            weight[n, :, 0] = inside.all(2).any(1).float()
        best = (t_score * weight).amax(2)
        some = best > 0.2
        weight = weight[some]
        wanted = t_score[some]
    score = (obj[some].sigmoid()[..., None] * cls[some][:, : len(rows)].sigmoid()).sqrt()
    score = score.clamp(1e-4, 1 - 1e-4)
    entropy = -(wanted * score.log() + (1 - wanted) * (1 - score).log())
    least = -(
        wanted * wanted.clamp(min=1e-4).log() + (1 - wanted) * (1 - wanted).clamp(min=1e-4).log()
    )
    _, generalized = giou(boxes[some], t_boxes[some])
    count = best[some].sum().clamp(min=1.0)
    return (((entropy - least) * weight).sum() + 2 * ((1 - generalized) * best[some]).sum()) / count
