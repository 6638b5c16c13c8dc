"""One root of all that is raised for a person, and the exit code that each comes to."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from edge import errors
from edge.__main__ import finished
from edge.errors import Trouble

EDGE = Path(errors.__file__).parent


def raised() -> dict[str, type[BaseException]]:
    """Every public class of exceptions of the program."""
    found = {}
    for path in sorted(EDGE.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
                continue
            if not any(
                "Error" in ast.unparse(b)
                or "Exception" in ast.unparse(b)
                or ast.unparse(b) in KNOWN
                for b in node.bases
            ):
                continue
            name = ".".join(path.relative_to(EDGE.parent).with_suffix("").parts)
            found[node.name] = getattr(importlib.import_module(name), node.name)
    return found


KNOWN = {"Trouble", "Misconfigured"}
NO_TROUBLE = {"EndOfStream", "DamagedFrame", "Refused", "NoNotice", "NoTune", "StopRequested"}
NO_TROUBLE |= {"Enough", "Away", "Wrong"}  # the last two are told to a browser


def test_all_that_is_raised_for_a_person_has_one_root():
    others = {name for name, each in raised().items() if not issubclass(each, Trouble)}
    assert others == NO_TROUBLE


def test_the_tree_at_the_top_of_the_file_is_the_tree_there_is():
    drawn = {}
    above = ["", "", "", ""]
    for line in (errors.__doc__ or "").splitlines():
        if not line.startswith("    "):
            continue
        depth = (len(line) - len(line.lstrip())) // 4 - 1
        name = line.split()[0]
        drawn[name] = above[depth - 1] if depth else ""
        above[depth] = name
    found = {name: each for name, each in raised().items() if issubclass(each, Trouble)}
    assert set(drawn) == set(found)
    for name, parent in drawn.items():
        assert not parent or found[name].__bases__[0].__name__ == parent, name


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ConfigError", 78),
        ("ConfigUnreadable", 78),
        ("ProfileError", 78),
        ("ModelError", 78),
        ("PinsMissing", 78),
        ("BoardError", 78),
        ("BoardBusy", 1),
        ("CameraMissing", 1),
        ("CameraStalled", 1),
        ("Held", 1),
        ("Unusable", 1),
        ("BrokerFailed", 1),
        ("NoBroker", 1),
        ("UnreadablePicture", 1),
    ],
)
def test_each_has_its_exit_code(name, code):
    assert raised()[name].exit_code == code


def test_a_command_that_meets_one_says_it_and_ends_with_its_code(capsys):
    def run() -> int:
        raise errors.Misconfigured("this is wrong; do that")

    assert finished(run) == 78
    assert capsys.readouterr().err == "this is wrong; do that\n"
