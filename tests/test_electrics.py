"""What a board draws: every shipped one is within its limits, and one that is not is refused with
the sum."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.devices import electrics, profile
from edge.devices.electrics import HEADER, POWER, draws, totals
from edge.devices.profile import HEADER_CHIPS, LAST_PIN, ProfileError, load, parse, pis

BUILT = [name for name in profile.names() if name != "none"]
NPN = {"base_ohm": 1000, "pulldown_ohm": 10_000}


def refused(table: Mapping[str, Any]) -> str:
    with pytest.raises(ProfileError) as caught:
        parse(table, name="own", where="own.toml")
    return str(caught.value)


# ---------------------------------------------------------------- what comes with the program


@pytest.mark.parametrize("name", BUILT)
def test_every_part_of_a_shipped_board_says_what_it_draws(name: str) -> None:
    for part in draws(load(name)):
        assert part.pin_ma is not None, part.key
        assert part.rail_ma is not None, part.key
        assert part.reckoning, part.key


@pytest.mark.parametrize("name", BUILT)
def test_a_shipped_board_suits_every_pi_and_says_so(name: str) -> None:
    board = load(name)
    assert set(board.fits) == set(pis())
    assert not [fault for pi in pis().values() for fault in electrics.faults(board, pi)]


def test_the_pis_have_the_chips_that_the_program_looks_for() -> None:
    assert {pi.chip for pi in pis().values()} == set(HEADER_CHIPS)


def test_the_header_has_forty_pins_each_of_them_once() -> None:
    assert sorted([*HEADER.values(), *POWER]) == list(range(1, 41))
    assert sorted(HEADER) == list(range(LAST_PIN + 1))


# ---------------------------------------------------------------- what is refused, and how


def test_the_amber_light_that_the_first_circuit_had_is_refused_with_the_sum() -> None:
    said = refused({"warning": [{"pin": 12, "forward_v": 1.9, "ohm": 100, **NPN}]})
    assert "warning[0]: (5.1 V − 1.9 V − 0.1 V) / 100 Ω = 31.0 mA; the light stands 20 mA" in said


def test_an_led_on_a_pin_with_too_small_a_resistor_is_refused_by_the_pi_that_gives_least() -> None:
    status = {"red": 17, "green": 27, "blue": 22, "red_v": 1.9, "red_ohm": 100}
    said = refused({"status": status})
    assert "14.0 mA through GPIO 17; one pin of a Raspberry Pi 5 gives 12 mA" in said
    assert parse({"status": status, "fits": ["pi4"]}, name="own", where="own").fits == ("pi4",)


def test_pins_that_give_too_much_together_are_refused_with_the_sum() -> None:
    status = {"red": 17, "green": 27, "blue": 22}
    for color in ("red", "green", "blue"):
        status |= {f"{color}_v": 1.9, f"{color}_ohm": 120}
    bases = [{"pin": pin, "base_ohm": 270} for pin in (12, 13)]
    said = refused({"status": status, "warning": bases})
    assert "status.red 11.7 + status.green 11.7 + status.blue 11.7 + warning[0] 9.6" in said
    assert "= 54.3 mA; all pins of a Raspberry Pi 3 together give 50 mA" in said


def test_a_rail_that_gives_too_much_is_refused_with_the_sum() -> None:
    ring = {"count": 60, "brightness": 1.0}
    said = refused({"ring": ring, "speaker": {"kind": "usb", "current_ma": 500}})
    assert "5 V: ring 3660.0 + speaker 500.0 = 4160 mA; beside a Raspberry Pi 3" in said


@pytest.mark.parametrize(
    ("light", "said"),
    [
        pytest.param({"light_ma": 300, "most_ma": 300}, "a MOSFET", id="more than it stands"),
        pytest.param(
            {"light_ma": 90, "most_ma": 90, "base_ohm": 2200}, "a smaller base_ohm", id="half on"
        ),
    ],
)
def test_a_transistor_that_would_get_hot_is_refused(light: dict[str, float], said: str) -> None:
    assert said in refused({"warning": [{"pin": 12, **NPN, **light}]})


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"button": {"pin": 0}}, "button.pin = 0: is kept for the memory of a HAT"),
        ({"ring": {"count": 8}, "button": {"pin": 10}}, "button.pin = 10: is kept for the SPI"),
        (
            {"speaker": {"kind": "i2s"}, "warning": [{"pin": 18}]},
            "warning[0].pin = 18: is kept for the I2S",
        ),
        (
            {"ring": {"count": 8}, "status": {"red": 17, "green": 27, "blue": 22}},
            "one status light is enough",
        ),
        ({"speaker": {"kind": "usb"}, "buzzer": {"pin": 18}}, "one of them is enough"),
        ({"fits": ["pi2"]}, 'no Pi is called "pi2"'),
    ],
)
def test_what_cannot_be_beside_each_other_is_refused(table: dict[str, Any], said: str) -> None:
    assert said in refused(table)


def test_what_an_owner_does_not_say_is_not_held_against_the_board() -> None:
    board = parse({"buzzer": {"pin": 18}, "warning": [{"pin": 12}]}, name="own", where="own")
    assert totals(draws(board)) == (0, 0)


# ---------------------------------------------------------------- random boards

PINS = st.integers(-1, 28)
OHMS = st.sampled_from([10, 47, 100, 150, 180, 220, 470, 1000, 2200, 10_000])
VOLTS = st.sampled_from([1.6, 1.9, 2.8, 3.1])


def tables() -> st.SearchStrategy[dict[str, Any]]:
    status = st.fixed_dictionaries(
        {"red": PINS, "green": PINS, "blue": PINS, "active_high": st.booleans()}
        | {f"{color}_v": VOLTS for color in ("red", "green", "blue")}
        | {f"{color}_ohm": OHMS for color in ("red", "green", "blue")}
    )
    led = st.fixed_dictionaries(
        {
            "pin": PINS,
            "driver": st.sampled_from(["npn", "mosfet", "none"]),
            "forward_v": VOLTS,
            "ohm": OHMS,
            "base_ohm": OHMS,
            "pulldown_ohm": OHMS,
        }
    )
    lamp = st.fixed_dictionaries(
        {
            "pin": PINS,
            "driver": st.just("mosfet"),
            "light_ma": st.sampled_from([50, 300, 900]),
            "most_ma": st.just(500),
            "base_ohm": OHMS,
        }
    )
    ring = st.fixed_dictionaries(
        {"count": st.integers(1, 64), "brightness": st.sampled_from([0.1, 0.5, 1.0])}
    )
    buzzer = st.fixed_dictionaries(
        {"pin": PINS, "kind": st.just("active"), "current_ma": st.sampled_from([5, 30, 120])}
        | {"base_ohm": OHMS, "pulldown_ohm": OHMS}
    )
    speaker = st.fixed_dictionaries(
        {"kind": st.sampled_from(["i2s", "usb"]), "current_ma": st.sampled_from([100, 450])}
    )
    return st.fixed_dictionaries(
        {"fits": st.lists(st.sampled_from(sorted(pis())), min_size=1, unique=True)},
        optional={
            "status": status,
            "ring": ring,
            "warning": st.lists(led | lamp, min_size=1, max_size=2),
            "buzzer": buzzer,
            "speaker": speaker,
            "button": st.fixed_dictionaries({"pin": PINS}),
        },
    )


def used(table: Mapping[str, Any]) -> Iterator[int]:
    for color in ("red", "green", "blue"):
        if "status" in table:
            yield table["status"][color]
    for part in (*table.get("warning", []), table.get("buzzer"), table.get("button")):
        if part:
            yield part["pin"]


def is_sound(table: Mapping[str, Any]) -> bool:
    """Worked out anew, in plain words: whether this may be built."""
    pins = list(used(table))
    kept = {0, 1}
    if "ring" in table:
        kept |= {7, 8, 9, 10, 11}
    if table.get("speaker", {}).get("kind") == "i2s":
        kept |= {18, 19, 20, 21}
    if len(set(pins)) < len(pins) or kept & set(pins) or not all(0 <= pin <= 27 for pin in pins):
        return False
    if ("ring" in table and "status" in table) or ("speaker" in table and "buzzer" in table):
        return False
    from_pins: list[float] = []
    rail = 0.0
    if "status" in table:
        each = [
            max(0, 3.3 - table["status"][f"{c}_v"]) / table["status"][f"{c}_ohm"] * 1000
            for c in ("red", "green", "blue")
        ]
        if max(each) > 20:
            return False
        from_pins += each
    if "ring" in table:
        from_pins.append(0.5)
        rail += table["ring"]["count"] * (60 * table["ring"]["brightness"] + 1)
    for light in table.get("warning", []):
        driver = light["driver"]
        supply = 3.3 if driver == "none" else 5.1
        drop = 0.1 if driver == "npn" else 0.0
        if "light_ma" in light:
            current = light["light_ma"]
        else:
            current = max(0, supply - light["forward_v"] - drop) / light["ohm"] * 1000
        if current > light.get("most_ma", 20):
            return False
        if driver == "none":
            from_pins.append(current)
            continue
        rail += current
        from_pins.append((2.6 if driver == "npn" else 3.3) / light["base_ohm"] * 1000)
        if driver == "npn" and not saturated(light, current):
            return False
    if "buzzer" in table:
        rail += table["buzzer"]["current_ma"]
        from_pins.append(2.6 / table["buzzer"]["base_ohm"] * 1000)
        if not saturated(table["buzzer"], table["buzzer"]["current_ma"]):
            return False
    rail += table.get("speaker", {}).get("current_ma", 0)
    pin_ma = {"pi3": 16, "pi4": 16, "pi5": 12, "zero2w": 16}
    room = {"pi3": 910, "pi4": 1500, "pi5": 2350, "zero2w": 700}
    return all(
        max(from_pins, default=0) <= pin_ma[pi] and sum(from_pins) <= 50 and rail <= room[pi]
        for pi in table["fits"]
    )


def saturated(part: Mapping[str, float], current_ma: float) -> bool:
    base = 2.6 / part["base_ohm"] - 0.7 / part["pulldown_ohm"]
    return current_ma <= 100 and current_ma <= 15 * 1000 * base


@settings(max_examples=400, deadline=None)
@given(tables())
def test_a_random_board_is_taken_when_it_may_be_built_and_only_then(table: dict[str, Any]) -> None:
    if not is_sound(table):
        refused(table)
        return
    board = parse(table, name="random", where="random.toml")
    assert all(math.isfinite(ma) for ma in totals(draws(board)))
