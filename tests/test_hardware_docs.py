"""What is in hardware/ and what the program does say the same."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from edge.commands import selftest
from edge.devices import profile
from edge.devices.electrics import HEADER, draws, totals
from edge.devices.profile import BoardProfile, load, pis
from hardware.make import framing

HARDWARE = Path(__file__).resolve().parent.parent / "hardware"
WIRING = (HARDWARE / "WIRING.md").read_text(encoding="utf-8")
README = (HARDWARE / "README.md").read_text(encoding="utf-8")
BUILT = [name for name in profile.names() if load(name).fits]


def page(name: str) -> str:
    return (HARDWARE / "circuits" / f"{name}.md").read_text(encoding="utf-8")


def picture(name: str) -> list[str]:
    """The words in the breadboard picture of a board."""
    root = ET.parse(HARDWARE / "drawings" / f"{name}-breadboard.svg").getroot()
    return ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]


def test_every_generated_file_is_what_it_would_be_written_as_now() -> None:
    pytest.importorskip("schemdraw", reason="needs schemdraw: pip install .[hardware]")
    from hardware.make.__main__ import made

    wanted = made()
    assert made() == wanted, "twice the same"
    there = {
        str(path.relative_to(HARDWARE))
        for folder in ("circuits", "drawings")
        for path in (HARDWARE / folder).iterdir()
    } | {"PLACING.md"}
    assert there == set(wanted)
    old = [n for n, text in wanted.items() if (HARDWARE / n).read_text(encoding="utf-8") != text]
    assert not old, "python -m hardware.make"


@pytest.mark.parametrize("name", BUILT)
def test_the_page_of_a_board_has_its_pins_and_sums(name: str) -> None:
    board = load(name)
    rows = re.findall(r"^\| [^|]+ \| (\d+) \| (\d+) \| (?:high|low|\(data\)) \|", page(name), re.M)
    said = {int(bcm): int(pin) for bcm, pin in rows}
    assert {pin for _, pin in board.pins()} <= set(said)
    assert all(HEADER[bcm] == pin for bcm, pin in said.items())
    pins_ma, rail_ma = totals(draws(board))
    assert f"**{pins_ma:.1f} mA** | **{rail_ma:.0f} mA**" in page(name)


@pytest.mark.parametrize("name", BUILT)
def test_the_comments_of_a_profile_name_the_right_header_pins(name: str) -> None:
    text = (HARDWARE / "boards" / f"{name}.toml").read_text(encoding="utf-8")
    said = re.findall(r"^\w+ = (\d+) +#.*?header pin (\d+)", text, re.M)
    pairs = [(int(bcm), int(header)) for bcm, header in said]
    assert len(pairs) == len(load(name).pins())
    assert all(HEADER[header] == bcm for header, bcm in pairs)


@pytest.mark.parametrize("name", BUILT)
def test_the_picture_of_a_board_names_every_header_pin_it_uses(name: str) -> None:
    words = " ".join(picture(name))
    for key, pin in load(name).pins():
        assert f"pin {HEADER[pin]}" in words, key


def leads_to(board: BoardProfile) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """For each header pin of the breadboard picture the parts at the end of its wire, then those
    behind a resistor there."""
    from hardware.make.breadboard import circuit_of, contact

    circuit = circuit_of(board)
    found = {}
    for pin, place, _ in circuit.from_header:
        here = contact(place)
        parts = [part for part in circuit.parts if here in part[1]]
        for name, legs in list(parts):
            if re.fullmatch(r"[a-z]+ \d+", name):
                (far,) = set(legs) - {here}
                parts += [part for part in circuit.parts if far in part[1] and part[0] != name]
        found[f"pin {pin}"] = parts
    return found


@pytest.mark.parametrize("name", BUILT)
def test_the_current_finds_its_way_through_the_breadboard_picture(name: str) -> None:
    board = load(name)
    behind = leads_to(board)

    def names(bcm: int) -> list[str]:
        return [part for part, _ in behind[f"pin {HEADER[bcm]}"]]

    if board.status is not None:
        lamp = "RGB LED" if board.status.package == "rgb" else "{} LED"
        for color in ("red", "green", "blue"):
            found = names(getattr(board.status, color))
            assert f"{color} {getattr(board.status, f'{color}_ohm'):g}" in found
            assert lamp.format(color) in found
    for driven in (*board.warnings, *([board.buzzer] if board.buzzer else [])):
        found = names(driven.pin)
        assert f"base {driven.base_ohm:g}" in found
        assert f"pulldown {driven.pulldown_ohm:g}" in found
        assert "N-FET GDS" in found or "NPN EBC" in found
    if board.button is not None:
        assert names(board.button.pin) == ["button"]
    if board.ring is not None:
        assert names(10) == [f"data {board.ring.ohm:g}", "ring"]


@pytest.mark.parametrize("name", BUILT)
def test_no_two_parts_of_a_breadboard_picture_share_a_contact_by_chance(name: str) -> None:
    from hardware.make.breadboard import circuit_of

    circuit = circuit_of(load(name))
    where: dict[str, set[str]] = {}
    for part, legs in circuit.parts:
        assert len(set(legs)) == len(legs), f"{part} is short-circuited"
        for leg in legs:
            where.setdefault(leg, set()).add(part)
    for a, b in circuit.nets:
        assert {a, b} != {"5V", "GND"}
    assert all(len(parts) <= 4 for leg, parts in where.items() if leg not in ("5V", "GND"))


def test_the_table_of_boards_links_each_of_them() -> None:
    assert set(re.findall(r"\(circuits/([a-z-]+)\.md\)", WIRING)) == set(BUILT)


def test_links_lead_somewhere() -> None:
    for path in [*HARDWARE.glob("*.md"), *HARDWARE.glob("circuits/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_what_a_board_file_may_say_is_on_the_page_about_it() -> None:
    fields = {"status": profile.StatusPins, "ring": profile.RingLight, "buzzer": profile.BuzzerPin}
    fields |= {"warning": profile.WarningPin, "speaker": profile.Speaker}
    fields |= {"button": profile.ButtonPin, "chip": profile.ChipChoice}
    for table, cls in fields.items():
        assert f"[{table}]" in README
        for name in cls.__dataclass_fields__:
            known = name in README or (table == "status" and name[-2:] in ("_v", "hm"))
            assert known or name in ("led_ma", "active_high"), f"[{table}] {name}"


def test_the_pages_name_commands_parts_and_pis_that_there_are() -> None:
    texts = [path.read_text(encoding="utf-8") for path in HARDWARE.rglob("*.md")]
    for only in re.findall(r"selftest --only (\"[^\"]+\"|[\w,]+)", " ".join(texts)):
        for part in only.strip('"').split(","):
            assert part in (*selftest.PARTS, *selftest.SHORT)
    for pi in pis():
        assert f"`{pi}`" in README


# ---------------------------------------------------------------- where to put it


def test_a_good_place_sees_hands_head_and_a_phone_of_a_size_that_is_found() -> None:
    for view in (each for each in framing.VIEWS if each.good):
        assert sum(view.spans) <= view.vertical_deg
        share = framing.phone_share(view)
        assert share >= framing.sizes()[-1].low, view.title
        xs, ys = zip(*framing.Camera(view).outline(framing.phone(view)), strict=True)
        assert 0 < min(xs) < max(xs) < framing.WIDTH
        assert 0 < min(ys) < max(ys) < framing.HEIGHT


def test_a_bad_place_is_bad_for_the_reason_it_names() -> None:
    bad = {view.title: view for view in framing.VIEWS if not view.good}
    assert framing.phone_share(bad["Too far"]) < framing.sizes()[1].low
    assert framing.phone_share(bad["Looks too high"]) < 0.01
    near = bad["Too near for this camera"]
    assert sum(near.spans) > near.vertical_deg
    assert bad["From the side"].edge_on
    assert bad["Against a window"].window


def test_the_figures_of_the_guide_are_those_of_the_card() -> None:
    card = (HARDWARE.parent / "models" / "CARD.md").read_text(encoding="utf-8")
    for size in framing.sizes():
        assert re.search(
            rf"\| {size.low:g} to {size.high:g} % \| {size.phones} .*\| {size.seen} \|", card
        )
        assert framing.seen((size.low + size.high) / 2) == f"{size.seen} of 100"
    assert framing.seen(framing.sizes()[0].low - 0.01) == "not measured"


def test_a_share_of_the_picture_is_plain_geometry() -> None:
    # At one metre a camera of 41 degrees sees 748 mm; 4:3 of that 997 mm.
    assert framing.share_at(1000, 41.0) == pytest.approx(100 * 72 * 150 / (748 * 997), rel=0.01)
    assert framing.share_at(2000, 41.0) == pytest.approx(framing.share_at(1000, 41.0) / 4)
