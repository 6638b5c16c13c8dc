"""Commands of the laboratory, tests/lab: it stands beside this package in a checkout, and is on no
box. Nothing here imports it; the program replaces itself by it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

CHECKOUT = Path(__file__).resolve().parents[2]
# What somebody types, and the laboratory's name for it.
COMMANDS = {
    ("evaluate",): "evaluate",
    ("bench", "scenarios"): "scenarios",
    ("bench", "clips"): "clips",
    ("bench", "taught"): "taught",
}


def wanted(argv: Sequence[str]) -> list[str] | None:
    """The laboratory's arguments for what was typed; None where it is not a matter of its."""
    for typed, name in COMMANDS.items():
        if tuple(argv[: len(typed)]) == typed:
            return [name, *argv[len(typed) :]]
    return None


def become(typed: Sequence[str], arguments: Sequence[str], checkout: Path = CHECKOUT) -> NoReturn:
    """Go on as the laboratory; where there is none, say what to do and exit with 2."""
    if not (checkout / "tests" / "lab" / "__main__.py").is_file():
        command = shlex.join(["procrastobot", *typed])
        print(
            f"`{command}` needs the laboratory, which is not installed on a box. On any machine, in"
            f" a clone of the repository:\n  deploy/setup.sh lab\n  .venv/bin/{command}",
            file=sys.stderr,
        )
        raise SystemExit(2)
    places = [str(checkout), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places)}
    sys.stdout.flush()
    # -P: another folder named tests, where the command is typed, must not come first.
    command_line = [sys.executable, "-P", "-m", "tests.lab", *arguments]
    os.execve(sys.executable, command_line, environment)
