"""What the camera sees from where, by projection, with what the card measured at that size."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hardware.make.breadboard import FONT, text

TEXT = Path(__file__).resolve().parent / "placing.md"
CARD = Path(__file__).resolve().parent.parent.parent / "models" / "CARD.md"
PHONE_MM = (72.0, 150.0)
# https://www.raspberrypi.com/documentation/accessories/camera.html: vertical field of view. The box
# asks for 4:3 pictures, whose sides are what that leaves.
VERTICAL_DEG = {"Module 3": 41.0, "Module 3 wide": 67.0, "Module 2": 48.8}
HEAD_MM = 120.0  # from the eyes to the top of the head
WIDTH, HEIGHT = 320.0, 240.0

Point = tuple[float, float, float]  # mm: right, away from the camera along the desk, up from it
Flat = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Size:
    """One row of the card: phones of this share of the frame, how many of a hundred were seen."""

    low: float
    high: float
    seen: int
    phones: int


def sizes() -> tuple[Size, ...]:
    """The card's table for a camera of 1280x960, both looks."""
    section = CARD.read_text(encoding="utf-8").split("of a camera with more pixels")[1]
    rows = re.findall(r"^\| ([\d.]+) to ([\d.]+) % \| (\d+) \|.*\| (\d+) \|$", section, re.M)
    if not rows:
        raise ValueError(f"{CARD}: the table of phones by their share of the frame is gone")
    return tuple(Size(float(low), float(high), int(seen), int(n)) for low, high, n, seen in rows)


def seen(share: float) -> str:
    """In words, for a phone of this share of the frame in per cent."""
    known = sizes()
    if share < known[0].low:
        return "not measured"
    fitting = [size for size in known if share >= size.low][-1]
    return f"{fitting.seen} of 100"


def share_at(away_mm: float, vertical_deg: float) -> float:
    """Per cent of the frame for a phone that faces the lens."""
    height = 2 * away_mm * math.tan(math.radians(vertical_deg / 2))
    return 100 * PHONE_MM[0] * PHONE_MM[1] / (height * height * 4 / 3)


# ---------------------------------------------------------------- a desk, projected


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One way to place the camera. Lengths in mm, angles in degrees."""

    title: str
    verdict: str
    good: bool = False
    vertical_deg: float = 41.0
    lens_height: float = 300.0
    raised: float = 0.0  # how much further up it looks than it should
    aside: float = -150.0  # of the lens, from the middle of the seat
    turn: float = 10.0  # towards the seat
    hands_away: float = 700.0
    face_away: float = 900.0
    eyes_height: float = 450.0
    edge_on: bool = False  # how the phone is held
    window: bool = False  # behind the person

    @property
    def spans(self) -> tuple[float, float]:
        """Down to the hands, up to the top of the head: as enclosure.scad works it out."""
        top = self.eyes_height + HEAD_MM - self.lens_height
        return (
            math.degrees(math.atan(self.lens_height / self.hands_away)),
            math.degrees(math.atan(top / self.face_away)),
        )

    @property
    def tilt(self) -> float:
        down, up = self.spans
        return (down - up) / 2 - self.raised


VIEWS = (
    View(
        title="Good: head, hands and desk are in",
        verdict="70 cm to the hands, lens 30 cm up",
        good=True,
    ),
    View(
        title="Good: nearer, with the wide camera",
        verdict="45 cm to the hands, lens 30 cm up",
        good=True,
        vertical_deg=67.0,
        hands_away=450.0,
        face_away=600.0,
        aside=-110.0,
    ),
    View(
        title="Too far",
        verdict="3 m: few pixels are left of the phone",
        hands_away=3000.0,
        face_away=3200.0,
        lens_height=500.0,
        turn=3.0,
    ),
    View(
        title="Looks too high",
        verdict="15° up: the hands are below the picture",
        raised=18.0,
    ),
    View(
        title="Too near for this camera",
        verdict="35 cm, and not the wide one",
        hands_away=350.0,
        face_away=480.0,
        turn=18.0,
    ),
    View(
        title="From the side",
        verdict="the phone turns its edge to the lens",
        aside=-800.0,
        turn=48.0,
        edge_on=True,
    ),
    View(
        title="Against a window",
        verdict="what is behind you is brighter than you",
        window=True,
    ),
)


class Camera:
    def __init__(self, view: View) -> None:
        self._at = (view.aside, 0.0, view.lens_height)
        self._tilt = math.radians(view.tilt)
        self._turn = math.radians(view.turn)
        self._focal = HEIGHT / 2 / math.tan(math.radians(view.vertical_deg / 2))

    def _seen(self, point: Point) -> Point:
        x, y, z = (a - b for a, b in zip(point, self._at, strict=True))
        x, y = (
            x * math.cos(self._turn) - y * math.sin(self._turn),
            x * math.sin(self._turn) + y * math.cos(self._turn),
        )
        y, z = (
            y * math.cos(self._tilt) - z * math.sin(self._tilt),
            y * math.sin(self._tilt) + z * math.cos(self._tilt),
        )
        return x, y, z

    def size(self, point: Point, length: float) -> float:
        """How many pixels a length has there."""
        return self._focal * length / max(1.0, self._seen(point)[1])

    def outline(self, points: list[Point]) -> list[Flat]:
        """A polygon in the picture; what is behind the lens is cut off."""
        inside: list[Point] = []
        near = 20.0
        turned = [self._seen(point) for point in points]
        for one, other in zip(turned, turned[1:] + turned[:1], strict=True):
            if one[1] >= near:
                inside.append(one)
            if (one[1] >= near) != (other[1] >= near):
                part = (near - one[1]) / (other[1] - one[1])
                inside.append(
                    tuple(a + part * (b - a) for a, b in zip(one, other, strict=True))  # type: ignore[arg-type]
                )
        return [
            (WIDTH / 2 + self._focal * x / y, HEIGHT / 2 - self._focal * z / y)
            for x, y, z in inside
        ]


def phone(view: View) -> list[Point]:
    """In the right hand, its face to its owner; seen from the side it is 8 mm thin."""
    x, y, z = 60.0, view.hands_away, 150.0
    width = 8.0 if view.edge_on else PHONE_MM[0]
    along = math.radians(view.turn)
    dx, dy = width / 2 * math.cos(along), -width / 2 * math.sin(along)
    lean = math.radians(25)
    up, back = PHONE_MM[1] / 2 * math.cos(lean), PHONE_MM[1] / 2 * math.sin(lean)
    return [
        (x - dx, y - dy - back, z + up),
        (x + dx, y + dy - back, z + up),
        (x + dx, y + dy + back, z - up),
        (x - dx, y - dy + back, z - up),
    ]


def phone_share(view: View) -> float:
    """Per cent of the frame that the phone's box has, as far as it is in the picture."""
    points = Camera(view).outline(phone(view))
    xs = [min(max(x, 0.0), WIDTH) for x, _ in points]
    ys = [min(max(y, 0.0), HEIGHT) for _, y in points]
    return 100 * (max(xs) - min(xs)) * (max(ys) - min(ys)) / (WIDTH * HEIGHT)


def found(view: View) -> str:
    """What the card says of the phone in this picture."""
    share = phone_share(view)
    if share < 0.01:
        return "no phone in the picture"
    if view.edge_on:
        return f"phone {share:.1f} %; edge-on it is mostly missed"
    if view.window:
        return f"phone {share:.1f} %; nothing is measured in glare"
    known = seen(share)
    return (
        f"phone {share:.1f} % of the picture: {known}{'' if known == 'not measured' else ' seen'}"
    )


def _polygon(points: list[Flat], fill: str, stroke: str = "none", width: float = 1) -> str:
    if len(points) < 3:
        return ""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polygon points="{path}" fill="{fill}" stroke="{stroke}" stroke-width="{width:g}"'
        ' stroke-linejoin="round"/>'
    )


def _scene(view: View) -> Iterator[str]:
    camera = Camera(view)
    face, eyes, hands = view.face_away, view.eyes_height, view.hands_away
    wall, dim = ("#fffde7", "#37474f") if view.window else ("#eceff1", "#5c6bc0")
    yield f'<rect width="{WIDTH:g}" height="{HEIGHT:g}" fill="{wall}"/>'
    if view.window:
        pane = [(-900.0, 2500.0, 0.0), (900.0, 2500.0, 0.0), (900.0, 2500.0, 1500.0)]
        yield _polygon(camera.outline([*pane, (-900.0, 2500.0, 1500.0)]), "#ffffff", "#ffe082", 4)
    torso: list[Point] = [
        (-210, face, eyes - 250),
        (-120, face, eyes - 190),
        (120, face, eyes - 190),
        (210, face, eyes - 250),
        (230, face, -300),
        (-230, face, -300),
    ]
    yield _polygon(camera.outline(torso), dim)
    for ring, fill in ((_round((0, face - 40, eyes - 20), 78, 115), "#c68863"),):
        yield _polygon(camera.outline(ring), "#4e342e" if view.window else fill)
    edge = hands + 60
    desk: list[Point] = [(-1500, 30, 0), (1500, 30, 0), (1500, edge, 0), (-1500, edge, 0)]
    yield _polygon(camera.outline(desk), "#bf9d72", "#8d6e4f")
    skin = "#4e342e" if view.window else "#c68863"
    for side in (-1, 1):
        hand = 60.0 if side > 0 else -120.0
        up = 110.0 if side > 0 else 25.0
        arm: list[Point] = [
            (side * 200, face - 60, 90),
            (side * 240, face - 60, 10),
            (hand + side * 25, hands, up - 40),
            (hand - side * 25, hands, up + 20),
        ]
        yield _polygon(camera.outline(arm), dim)
        yield _polygon(camera.outline(_round((hand, hands - 10, up), 45, 45)), skin)
    yield _polygon(camera.outline(phone(view)), "#212121", "#90caf9", 1.5)
    points = camera.outline(phone(view))
    if phone_share(view) >= 0.01:
        xs, ys = [x for x, _ in points], [y for _, y in points]
        yield (
            f'<rect x="{min(xs) - 3:.1f}" y="{min(ys) - 3:.1f}" width="{max(xs) - min(xs) + 6:.1f}"'
            f' height="{max(ys) - min(ys) + 6:.1f}" fill="none" stroke="#d50000" stroke-width="2"/>'
        )


def _round(middle: Point, wide: float, high: float) -> list[Point]:
    x, y, z = middle
    turns = [2 * math.pi * n / 24 for n in range(24)]
    return [(x + wide * math.cos(turn), y, z + high * math.sin(turn)) for turn in turns]


def draw() -> str:
    columns, gap, caption = 2, 24, 66
    rows = -(-len(VIEWS) // columns)
    width = columns * WIDTH + (columns + 1) * gap
    height = rows * (HEIGHT + caption) + gap
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}"'
        f' viewBox="0 0 {width:g} {height:g}" font-family="{FONT}">',
        f'<rect width="{width:g}" height="{height:g}" fill="white"/>',
        f'<clipPath id="frame"><rect width="{WIDTH:g}" height="{HEIGHT:g}"/></clipPath>',
    ]
    for number, view in enumerate(VIEWS):
        x = gap + number % columns * (WIDTH + gap)
        y = gap + number // columns * (HEIGHT + caption)
        color = "#2e7d32" if view.good else "#c62828"
        parts.append(f'<g transform="translate({x:g} {y:g})"><g clip-path="url(#frame)">')
        parts += [shape for shape in _scene(view) if shape]
        parts.append("</g>")
        parts.append(
            f'<rect width="{WIDTH:g}" height="{HEIGHT:g}" fill="none" stroke="{color}"'
            ' stroke-width="4"/>'
        )
        for line, (words, bold) in enumerate(
            ((view.title, True), (view.verdict, False), (found(view), False))
        ):
            at = HEIGHT + 17 + 15 * line
            parts.append(
                text(0, at, words, anchor="start", bold=bold, fill=color if bold else "#222")
            )
        parts.append("</g>")
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


# ---------------------------------------------------------------- the page


def page() -> str:
    rows = [
        "| from the lens | " + " | ".join(VERTICAL_DEG) + " |",
        "| --- |" + " --- |" * len(VERTICAL_DEG),
    ]
    for away_cm in (40, 50, 60, 70, 80, 100, 150, 200, 300):
        shares = [share_at(10 * away_cm, degrees) for degrees in VERTICAL_DEG.values()]
        cells = [f"{share:.1f} %: {seen(share)}" for share in shares]
        rows.append(f"| {away_cm} cm | {' | '.join(cells)} |")
    phones = str(sum(size.phones for size in sizes()))
    return (
        TEXT.read_text(encoding="utf-8")
        .replace("{table}", "\n".join(rows))
        .replace("{phones}", phones)
    )
