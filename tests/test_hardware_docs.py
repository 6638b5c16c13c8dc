"""The wiring page and the board profiles say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge.devices.profile import load

HARDWARE = Path(__file__).resolve().parent.parent / "hardware"
WIRING = (HARDWARE / "WIRING.md").read_text(encoding="utf-8")
# https://www.raspberrypi.com/documentation/computers/raspberry-pi.html#gpio: header pin -> BCM
HEADER = {
    3: 2, 5: 3, 7: 4, 8: 14, 10: 15, 11: 17, 12: 18, 13: 27, 15: 22, 16: 23, 18: 24, 19: 10,
    21: 9, 22: 25, 23: 11, 24: 8, 26: 7, 27: 0, 28: 1, 29: 5, 31: 6, 32: 12, 33: 13, 35: 19,
    36: 16, 37: 26, 38: 20, 40: 21,
}  # fmt: skip


def pins(name: str) -> dict[str, int]:
    profile = load(name)
    assert profile.status
    assert profile.buzzer
    assert profile.button
    used = {
        "status red": profile.status.red,
        "status green": profile.status.green,
        "status blue": profile.status.blue,
        "buzzer": profile.buzzer.pin,
        "button": profile.button.pin,
    }
    for number, warning in enumerate(profile.warnings, 1):
        used[f"warning {number}"] = warning.pin
    return used


def test_the_drawing_of_the_header_has_the_pins_of_the_profile() -> None:
    left = re.findall(r"^ +(\S.*?) +GPIO (\d+) +(\d+) ●", WIRING, re.MULTILINE)
    right = re.findall(r"● (\d+) +GPIO (\d+) +(\S.*)$", WIRING, re.MULTILINE)
    drawn = {name: (int(bcm), int(header)) for name, bcm, header in left}
    drawn |= {
        name.replace("warning light", "warning"): (int(bcm), int(header))
        for header, bcm, name in right
    }
    assert {name: bcm for name, (bcm, _) in drawn.items()} == pins("pi")
    assert all(HEADER[header] == bcm for bcm, header in drawn.values())


@pytest.mark.parametrize("name", ["pi", "perfboard"])
def test_the_comments_of_a_profile_name_the_right_header_pins(name: str) -> None:
    text = (HARDWARE / "boards" / f"{name}.toml").read_text(encoding="utf-8")
    said = re.findall(r"^\w+ = (\d+) +#.*?header pin (\d+)", text, re.MULTILINE)
    pairs = [(int(bcm), int(header)) for bcm, header in said]
    assert len(pairs) == len(pins(name))
    assert all(HEADER[header] == bcm for bcm, header in pairs)


def test_the_perfboard_text_names_its_pins() -> None:
    section = WIRING.split("## As a perfboard")[1].split("##")[0]
    assert {int(bcm) for bcm in re.findall(r"GPIO ?(\d+)", section)} >= set(
        pins("perfboard").values()
    )


def test_the_budget_adds_up() -> None:
    red = (3.3 - 2.0) / 470
    green_or_blue = (3.3 - 2.9) / 220
    base = (3.3 - 0.7) / 1000 - 0.7 / 10_000
    total_ma = 1000 * (red + 2 * green_or_blue + 3 * base)
    said = re.search(r"\*\*([\d.]+) mA\*\*, at most", WIRING)
    assert said is not None
    # The page adds up rounded figures.
    assert abs(float(said.group(1)) - total_ma) < 0.2
    assert total_ma < 50
