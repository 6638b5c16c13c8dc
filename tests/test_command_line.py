"""What somebody sees who types something wrong: what is wrong, where, and what would do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from edge.__main__ import main
from edge.commands import laboratory


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and what went to standard error."""
    try:
        code = main(list(arguments))
    except SystemExit as exc:
        code = int(exc.code or 0)
    return code, capsys.readouterr().err


def test_without_a_command_the_first_steps_are_shown(capsys):
    code, text = said(capsys)
    assert code == 2
    assert "procrastobot demo " in text
    assert "procrastobot selftest " in text


def test_an_unknown_argument_is_answered_with_those_of_its_command(capsys):
    code, text = said(capsys, "demo", "--model", "fast")
    assert code == 2
    assert "procrastobot demo: error: unrecognized arguments: --model fast" in text
    assert "--screenshot" in text


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ("camera.fsp=3", "--set camera.fsp: no such setting; did you mean camera.fps?"),
        ("fps=3", "--set fps: no such setting; did you mean camera.fps?"),
        ("camera=3", "--set camera: no such setting; there are source, width_px"),
        ("seats.name=a", "--set seats.name: seats are tables, and need a file"),
        ("modes.NAME.volume_cap=1", "--set modes.NAME.volume_cap: modes are tables"),
        ("camera.fps", "--set camera.fps: NAME=VALUE is wanted"),
        ("qqqq=1", "--set qqqq: no such setting"),
        ("camera.fps=many", 'camera.fps = "many": must be a number from 1 to 30'),
    ],
)
def test_a_setting_that_cannot_be_set_is_answered_with_what_can(capsys, given, answer):
    code, text = said(capsys, "run", "--set", given)
    assert code == 78
    assert answer in text


@pytest.mark.parametrize("content", [b"", b"not a picture", None], ids=["empty", "text", "none"])
def test_what_is_no_picture_is_named_with_the_reason_and_no_number(capsys, tmp_path, content):
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    code, text = said(capsys, "detect", "--threads", "1", str(path))
    assert code == 1
    assert str(path) in text
    assert "Errno" not in text


@pytest.mark.parametrize("typed", [["evaluate", "folder"], ["bench", "clips"]])
def test_a_box_without_the_laboratory_says_what_to_do(capsys, tmp_path, typed):
    arguments = laboratory.wanted(typed)
    assert arguments is not None
    with pytest.raises(SystemExit) as caught:
        laboratory.become(typed, arguments, tmp_path)
    assert caught.value.code == 2
    text = capsys.readouterr().err
    assert "a clone of the repository" in text
    assert f".venv/bin/procrastobot {' '.join(typed)}" in text


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["evaluate", "--help"], "DATASET is a folder"),
        (["bench", "scenarios", "--help"], "pickups_noticed"),
    ],
)
def test_in_a_checkout_the_laboratory_answers_wherever_it_is_asked_from(tmp_path, typed, says):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "__init__.py").write_text("raise SystemExit('the wrong tests')\n")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "edge", *typed],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(laboratory.CHECKOUT)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert says in done.stdout


def test_the_speed_of_the_box_is_no_matter_of_the_laboratory():
    assert laboratory.wanted(["bench", "--json"]) is None
