from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import settings
from edge.__main__ import main
from edge.config import PRESETS, Config, LadderConfig
from edge.domain import Box

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[policy]\naway_hold_s = -3", "policy.away_hold_s = -3: must be from 1 to 600"),
        ("[mqtt]\nhots = 'x'", "mqtt.hots: no such setting; did you mean mqtt.host?"),
        ("[camera]\nfps = 'fast'", 'camera.fps = "fast": must be a number from 1 to 30'),
        ("[camera]\nfps = true", "camera.fps = true: must be a number from 1 to 30"),
        ("[camera]\nfps = nan", "camera.fps = nan: must be from 1 to 30"),
        ("[camera]\nwidth_px = 640.5", "must be a whole number from 160 to 2592"),
        ("[camera]\nkeepalive_s = 5", "did you mean mqtt.keepalive_s?"),
        ("camera = 3", "camera = 3: must be a table [camera]"),
        ("seats = []", "seats = []: at least one is needed"),
        ("[[seats]]\nbox = [0.5, 0, 0.2, 1]", "seats[0].box = [0.5, 0, 0.2, 1]: top must be above"),
        ("[[seats]]\n[[seats]]", 'seats[1].name = "desk": is the name of another seat'),
        ("[hardware]\npins = 'simulate'", "did you mean simulated?"),
        ("[nudge]\nmode = 'cruel'", "no such mode; there are gentle, strict, light-only"),
        ("[nudge]\nquiet_from = '22:00'", "nudge.quiet_to: quiet hours need both"),
        ("[nudge]\nquiet_from = '25:00'\nquiet_to = '07:00'", "nudge.quiet_from"),
        ("[modes.mine]\nsound_after_s = 50", "light, sound and loud must come in this order"),
        ('[modes." mine"]', 'modes." mine": a name has no blanks around it'),
        ("[modes.'{mine}']", 'modes."{mine}": a name is not in braces'),
        (f"[modes.{'m' * 2000}]", "this name is too long for a command"),
        ("[policy]\nfollow = 'sofa'", "no such seat; there are desk"),
        ("[mqtt]\nca_file = '/x'", "needs mqtt.tls = true"),
        ("[box]\nid = 'a/b'", 'box.id = "a/b": does not fit'),
        ('[box]\nname = "a\\u0007"', "must not contain control characters"),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_do(text, expected):
    with pytest.raises(settings.ConfigError) as caught:
        settings.parse(text, "my.toml")
    assert expected in str(caught.value)


def test_every_fault_is_named_at_once():
    text = "[policy]\naway_hold_s = -3\n[mqtt]\nhots = 'x'\n"
    with pytest.raises(settings.ConfigError) as caught:
        settings.parse(text, "/etc/procrastobot/config.toml")
    assert str(caught.value).splitlines() == [
        "/etc/procrastobot/config.toml: 2 settings cannot be used",
        "  policy.away_hold_s = -3: must be from 1 to 600",
        "  mqtt.hots: no such setting; did you mean mqtt.host?",
    ]


def test_a_file_is_read_into_the_tree():
    text = """
        [box]
        id = "study"
        [[seats]]
        name = "left"
        box = [0, 0, 1, 0.5]
        dock = [0.8, 0.1, 1, 0.3]
        [[seats]]
        name = "right"
        [modes.strict]
        loud_after_s = 90
        [modes.exam]
        sound_after_s = -1
        loud_after_s = -1
    """
    config = settings.parse(text, "x")
    assert config.box.id == "study"
    assert [seat.name for seat in config.seats] == ["left", "right"]
    assert config.seats[0].dock == Box(0.8, 0.1, 1, 0.3)
    assert config.modes["strict"].loud_after_s == 90
    assert config.modes["strict"].volume_cap == PRESETS["strict"].volume_cap
    assert config.modes["exam"] == LadderConfig(sound_after_s=-1, loud_after_s=-1)


def test_secrets_are_never_shown(tmp_path, capsys):
    path = tmp_path / "config.toml"
    path.write_text("[mqtt]\npassword = 'hunter2'\n")
    assert main(["check", str(path), "--show"]) == 0
    path.write_text("[mqtt]\npassword = 'hunter2'\npassword_file = '/x'\n")
    assert main(["check", str(path)]) == 78
    path.write_text("[mqtt]\npassword = ['hunter2']\n")
    assert main(["check", str(path)]) == 78
    captured = capsys.readouterr()
    assert "hunter2" not in captured.out + captured.err


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[box\n", "is not valid TOML"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (None, "cannot be read: No such file"),
    ],
)
@pytest.mark.parametrize("option", [(), ("--config",)], ids=["bare", "as for run"])
def test_an_unreadable_file_is_named_with_the_reason(tmp_path, capsys, content, expected, option):
    path = tmp_path / "config.toml"
    if content is not None:
        path.write_bytes(content)
    assert main(["check", *option, str(path)]) == 78
    assert f"{path}: {expected}" in capsys.readouterr().err


def test_the_defaults_survive_being_shown_and_read_again():
    assert settings.parse(settings.shown(Config()), "shown") == Config()


def test_every_line_of_the_example_can_be_uncommented():
    lines = settings.example().splitlines()
    live = [
        line.removeprefix("# ") if line.startswith("# ") and _is_toml(line) else line
        for line in lines
    ]
    config = settings.parse("\n".join(live), "example")
    assert set(config.modes) == {*PRESETS, "my-own"}


def _is_toml(line: str) -> bool:
    body = line.removeprefix("# ")
    return body.startswith("[") or (" = " in body and not body.startswith(" "))


@pytest.mark.parametrize(
    ("name", "render"),
    [("config.example.toml", settings.example), ("SETTINGS.md", settings.reference)],
)
def test_generated_documents_are_up_to_date(name, render):
    assert (DEPLOY / name).read_text() == render(), "make it again: see `procrastobot check --help`"


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.integers() | st.booleans()))
def test_any_table_gives_a_tree_or_a_config_error(table):
    lines = [f"{json.dumps(k)} = {json.dumps(v)}" for k, v in table.items()]
    try:
        settings.parse("[camera]\n" + "\n".join(lines), "any")
    except settings.ConfigError as exc:
        assert str(exc).startswith("any: ")  # noqa: PT017 - both outcomes are right


def test_settings_can_be_changed_from_the_command_line():
    config = settings.override(Config(), {"camera.source": "clip.mp4", "camera.realtime": False})
    assert (config.camera.source, config.camera.realtime) == ("clip.mp4", False)
    with pytest.raises(settings.ConfigError, match=r"command line: 1 setting cannot be used"):
        settings.override(Config(), {"camera.fps": 1000})
