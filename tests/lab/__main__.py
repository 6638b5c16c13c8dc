"""`python -m tests.lab COMMAND`: what `procrastobot` replaces itself by, for these commands."""

from __future__ import annotations

import importlib
import sys

from edge.__main__ import finished, parse

COMMANDS = {
    "evaluate": "tests.lab.evaluate",
    "scenarios": "tests.lab.bench_scenarios",
    "clips": "tests.lab.bench_clips",
    "taught": "tests.lab.taught",
}


def main(argv: list[str] | None = None) -> int:
    commands = {name: importlib.import_module(module) for name, module in COMMANDS.items()}
    args = parse(
        commands,
        sys.argv[1:] if argv is None else argv,
        prog="python -m tests.lab",
        description="The laboratory: what measures the box, and is on no box.",
        epilog="`procrastobot evaluate` and `procrastobot bench clips|scenarios|taught` come here.",
    )
    return finished(lambda: int(commands[args.command].run(args)))


if __name__ == "__main__":
    sys.exit(main())
