"""Halves and doubles every number of the judgement, one at a time, and says what no test notices.

    python -m tests.long.constants                    `edge/desk`, stills, what is taught
    python -m tests.long.constants --only tracks      of one module

A number that may be halved and doubled without a test failing is one that nobody knows a reason
for: it goes, or a test says what it is for. Needs `pip install cosmic-ray coverage`, as
`tests.long.mutants` does, whose copy of the tree and whose runs of tests these are.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.long.mutants import copied, exit_code

JUDGING = ("desk/*.py", "taught.py", "vision/still.py")
# What says of one number what it is for, and runs in a moment; then what plays whole scenes.
PLAIN = (
    *("tracks", "evidence", "attention", "sitters", "geometry"),
    *("docks", "view", "still", "pixels", "calls", "desk_parts"),
)
SCENES = ("observe", "taught", "sequences")
LONGEST_S = 600.0


@dataclass(frozen=True)
class Constant:
    """One number, by where it stands in its file."""

    file: str
    name: str
    value: float
    line: int
    begin: int
    end: int

    def times(self, factor: float, source: str) -> str:
        lines = source.splitlines(keepends=True)
        line = lines[self.line - 1]
        other = int(self.value * factor) if isinstance(self.value, int) else self.value * factor
        lines[self.line - 1] = f"{line[: self.begin]}{other!r}{line[self.end :]}"
        return "".join(lines)


def constants(root: Path) -> Iterator[Constant]:
    """Each number in what is given a name in capitals at the top of a module; but nothing, which
    stays what it is."""
    for path in sorted(each for where in JUDGING for each in (root / "edge").glob(where)):
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.Assign):
                continue
            names = [each.id for each in ast.walk(node.targets[0]) if isinstance(each, ast.Name)]
            for each in ast.walk(node.value):
                if (
                    all(name.isupper() for name in names)
                    and isinstance(each, ast.Constant)
                    and isinstance(each.value, int | float)
                    and not isinstance(each.value, bool)
                    and each.value
                ):
                    end = each.end_col_offset or 0
                    file, name = str(path.relative_to(root)), ", ".join(names)
                    yield Constant(file, name, each.value, each.lineno, each.col_offset, end)


def noticed(root: Path, module: str) -> bool:
    """Whether a test fails: first of those of the module, then of the others."""
    own = ("sitters" if module == "people" else module,)
    stages = (own, set(PLAIN).difference(own), set(SCENES).difference(own))
    return any(
        exit_code(root, ["-x", *(f"tests/test_{name}.py" for name in names)], timeout_s=LONGEST_S)
        for names in stages
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--only", metavar="MODULE", help="such as tracks; default: all")
    args = parser.parse_args(argv)
    free = changes = 0
    with tempfile.TemporaryDirectory(prefix="procrastobot-constants-") as folder:
        root = Path(folder).resolve()
        copied(root)
        if noticed(root, "tracks"):
            sys.exit((root / "said").read_text()[-4000:] + "\nthe tests fail as it is")
        for constant in constants(root):
            module = Path(constant.file).stem
            if args.only and module != args.only:
                continue
            path = root / constant.file
            good = path.read_text()
            for factor in (0.5, 2.0):
                path.write_text(constant.times(factor, good))
                # What is compiled is known by its time in whole seconds, and by its length.
                changes += 1
                os.utime(path, (changes, changes))
                seen = noticed(root, module)
                free += not seen
                what = "noticed" if seen else "NOT NOTICED"
                value = f"{constant.value:g} * {factor:g}"
                print(f"{what:11} {constant.file} {constant.name}: {value}", flush=True)
            path.write_text(good)
    print(f"{free} changes that no test noticed")
    return int(bool(free))


if __name__ == "__main__":
    sys.exit(main())
