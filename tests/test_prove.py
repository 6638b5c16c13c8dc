"""How long a step of the image's proof may take (deploy/image/prove)."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

IMAGE = Path(__file__).resolve().parent.parent / "deploy" / "image"


@pytest.fixture(scope="module")
def prove():
    loader = SourceFileLoader("prove", str(IMAGE / "prove"))
    spec = importlib.util.spec_from_loader("prove", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["prove"] = module  # its dataclass looks for it
    dont, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = dont
    return module


@pytest.mark.parametrize(
    ("seconds", "took_s", "boot_s", "expected"),
    [
        pytest.param(72, 4, 48, "72 s, where 4 s were enough", id="several times as long"),
        pytest.param(20, 4, 48, "", id="chance"),
        pytest.param(19, 0, 30, "", id="what took nothing may take a moment"),
        pytest.param(21, 0, 30, "21 s, where 0 s were enough", id="and no more, with a quick boot"),
        pytest.param(40, 4, 96, "", id="a machine half as fast"),
        pytest.param(
            72, 4, 96, "72 s, where 4 s were enough on a machine 2.0 times as fast", id="even so"
        ),
    ],
)
def test_a_step_fails_when_it_takes_several_times_what_it_took(
    prove, seconds, took_s, boot_s, expected
):
    assert prove.too_slow(seconds, took_s, boot_s) == expected


def test_what_a_step_took_is_what_its_readme_shows(prove):
    table = re.findall(
        r"^(\S.{29}) +ok +(\d+) s  ", (IMAGE / "README.md").read_text(), re.MULTILINE
    )
    shown = {name.strip(): float(seconds) for name, seconds in table}
    steps = {
        node.elts[0].value: node.elts[1]
        for node in ast.walk(ast.parse((IMAGE / "prove").read_text()))
        if isinstance(node, ast.Tuple)
        and len(node.elts) == 3
        and isinstance(node.elts[0], ast.Constant)
        and isinstance(node.elts[0].value, str)
    }
    given = {
        name: float(each.value)
        for name, each in steps.items()
        if isinstance(each, ast.Constant) and name in shown
    }
    given["it boots and connects"] = prove.BOOT_TOOK_S
    of_one_pull = shown.pop("the plug is pulled") / 20
    assert steps["the plug is pulled"].left.value == pytest.approx(of_one_pull, abs=1)
    assert given == shown
