"""The command line: `procrastobot COMMAND`, or `python -m edge COMMAND`."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import signal
import sys
from collections.abc import Callable, Mapping
from types import ModuleType

from edge import __version__
from edge.address import shown
from edge.commands import laboratory

COMMANDS = (
    "run",
    "demo",
    "check",
    "detect",
    "teach",
    "bench",
    "report",
    "erase",
    "hooks",
    "selftest",
    "page",
)

DESCRIPTION = "A box on a desk that sees the phone being picked up, and says so."
EPILOG = """first steps:
  procrastobot demo                 see all of it work on this machine, with nothing attached
  procrastobot detect photo.jpg     what the detector sees in a picture
  procrastobot selftest             try each light, the buzzer, the button, the camera, the broker
  procrastobot run                  be the box

`procrastobot COMMAND --help` tells more. No picture leaves this machine.

In a clone of the repository also, from its laboratory: evaluate and bench clips,
scenarios, taught.
"""


def parse(
    commands: Mapping[str, ModuleType],
    argv: list[str],
    *,
    prog: str = "procrastobot",
    description: str = DESCRIPTION,
    epilog: str = EPILOG,
) -> argparse.Namespace:
    """Exits with 2 when it does not understand, and then shows the help that fits."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"procrastobot {__version__}")
    choices = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in commands.items():
        sub = choices.add_parser(
            name,
            help=module.HELP,
            description=module.HELP[0].upper() + module.HELP[1:] + ".",
            epilog=getattr(module, "EPILOG", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(sub)
    if not argv:
        parser.print_help(sys.stderr)
        raise SystemExit(2)
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        shown_all = " ".join(map(shown, unknown))
        choices.choices[args.command].error(f"unrecognized arguments: {shown_all}")
    return args


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code. A configuration that is wrong gives 78."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file may have a name that is no text; to print it must not end the program.
        sys.stdout.reconfigure(errors="backslashreplace")
    typed = sys.argv[1:] if argv is None else argv
    if (arguments := laboratory.wanted(typed)) is not None:
        laboratory.become(typed, arguments)
    commands = {name: importlib.import_module(f"edge.commands.{name}") for name in COMMANDS}
    args = parse(commands, typed)
    return finished(lambda: int(commands[args.command].run(args)))


def finished(run: Callable[[], int]) -> int:
    """The exit code of a command, also where it was stopped."""
    # Not before the arguments are known: help needs none of the program.
    from edge.errors import Trouble

    try:
        return run()
    except Trouble as exc:
        print(exc, file=sys.stderr)
        return exc.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); nothing is left to be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


if __name__ == "__main__":
    sys.exit(main())
