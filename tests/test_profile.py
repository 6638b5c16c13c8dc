"""Board profiles: the ones that come with the program, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.devices import profile
from edge.devices.profile import ProfileError, load, parse

STATUS = {"red": 17, "green": 27, "blue": 22}


@pytest.mark.parametrize("name", profile.names())
def test_every_profile_that_comes_with_the_program_loads(name: str) -> None:
    assert load(name).title


def test_there_is_one_for_the_header_one_for_a_perfboard_and_one_for_nothing() -> None:
    assert {"pi", "perfboard", "none"} <= set(profile.names())
    assert load("none").empty
    assert not load("pi").empty


@pytest.mark.parametrize("name", profile.names())
def test_outputs_are_dark_by_the_pull_that_a_pi_boots_with(name: str) -> None:
    # BCM2835 and RP1 boot with GPIO 0 to 8 pulled up and 9 to 27 pulled down.
    for pin, dark in load(name).dark_levels().items():
        assert dark == (1 if pin <= 8 else 0), f"GPIO {pin} would be on while the Pi boots"


def test_dark_is_high_for_a_common_anode() -> None:
    made = parse(
        {"status": {**STATUS, "active_high": False}, "buzzer": {"pin": 18}}, name="x", where="x"
    )
    assert made.dark_levels() == {17: 1, 27: 1, 22: 1, 18: 0}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        pytest.param(
            {"stauts": STATUS}, "stauts: no such setting; did you mean status?", id="typo"
        ),
        pytest.param(
            {"buzzer": {"pni": 18}},
            "buzzer.pni: no such setting; did you mean buzzer.pin?",
            id="key",
        ),
        pytest.param({"buzzer": {"pni": 18}}, "buzzer.pin: is missing", id="required"),
        pytest.param({"status": 17}, "status = 17: must be a table [status]", id="no table"),
        pytest.param(
            {"status": {**STATUS, "red": "17"}},
            'status.red = "17": must be a whole number',
            id="text for a pin",
        ),
        pytest.param(
            {"status": {**STATUS, "red": True}},
            "status.red = true: must be a whole number",
            id="true for a pin",
        ),
        pytest.param(
            {"status": {**STATUS, "pwm": 1}},
            "status.pwm = 1: must be true or false",
            id="1 for true",
        ),
        pytest.param({"buzzer": {"pin": 28}}, "buzzer.pin = 28: must be from 0 to 27", id="range"),
        pytest.param(
            {"status": STATUS, "button": {"pin": 17}},
            "button.pin = 17: is taken by status.red already",
            id="twice",
        ),
        pytest.param(
            {"buzzer": {"pin": 18, "kind": "loud"}},
            'buzzer.kind = "loud": must be one of passive, active',
            id="kind",
        ),
        pytest.param(
            {"buzzer": {"pin": 18, "highest_hz": 20000}},
            "buzzer.highest_hz = 20000: must be from 1 to 10000",
            id="tones",
        ),
        pytest.param(
            {"button": {"pin": 3, "pull": "left"}},
            'button.pull = "left": must be one of up, down, none',
            id="pull",
        ),
        pytest.param(
            {"button": {"pin": 3, "pull": "none"}}, "button.active_high: goes with", id="no pull"
        ),
        pytest.param(
            {"warning": [{"pin": 1}, {"pin": 2}, {"pin": 3}]}, "warning: at most two", id="three"
        ),
        pytest.param(
            {"warning": {"pin": 1}}, "warning: must be tables [[warning]]", id="one table"
        ),
        pytest.param(
            {"buzzer": {"pin": 18, "lowest_hz": 9000}}, "the lowest comes first", id="tones"
        ),
        pytest.param({"name": "x"}, "name: no such setting", id="name"),
        pytest.param({"title": 5}, "title = 5: must be text in quotes", id="title"),
    ],
)
def test_a_fault_is_named_with_what_would_do(table: dict[str, object], expected: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parse(table, name="own", where="own.toml")
    assert expected in str(caught.value)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(ProfileError) as caught:
        parse({"buzer": {}, "status": {"red": 99}}, name="own", where="own.toml")
    head, *lines = str(caught.value).splitlines()
    assert head == f"own.toml: {len(lines)} faults"
    assert len(lines) == 4  # the typo, a pin that no Pi has, and two colours missing


def test_a_profile_of_the_owners_own_is_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('title = "mine"\n[buzzer]\npin = 4\nkind = "active"\n', encoding="utf-8")
    assert load(str(path)).buzzer == profile.BuzzerPin(pin=4, kind="active")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("pii", "no such board; there are"), ("/nowhere/b.toml", "cannot be read: No such file")],
)
def test_a_profile_that_is_not_there_is_an_answer(name: str, expected: str) -> None:
    with pytest.raises(ProfileError, match=expected):
        load(name)


def test_a_file_that_is_not_toml_is_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("pin = = 4", encoding="utf-8")
    with pytest.raises(ProfileError, match="not valid TOML"):
        load(str(path))
