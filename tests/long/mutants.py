"""Puts faults into the code, one at a time, and says which no test notices.

    python -m tests.long.mutants                    300, drawn at random
    python -m tests.long.mutants --count 50 --seed 7 --only edge/history

Needs `pip install cosmic-ray coverage`. The faults are cosmic-ray's, and a statement left out. They
are made in a copy of the tree. For each, those tests run that came past its line; which do is found
out first, by running the tests of `TESTS` under coverage (some minutes).
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import difflib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import coverage
import parso
from cosmic_ray import plugins
from cosmic_ray.ast import Visitor, get_ast
from cosmic_ray.mutating import MutationVisitor
from cosmic_ray.operators.operator import Operator

ROOT = Path(__file__).resolve().parents[2]
# What is judged, and the tests that are about it. The real thing (Home Assistant, a guest) is not
# among them: it takes minutes a fault.
TESTS = {
    "edge/decide": (*("decide", "effects", "judgement", "loop", "wire", "page", "mqtt_contract"),),
    "edge/history": ("history", "history_fuzz", "durable", "beside_service", "selftest"),
    "edge/mqtt": (
        *("mqtt_broker", "mqtt_client", "mqtt_commands", "mqtt_contract", "mqtt_delivery"),
        *("mqtt_discovery", "listener", "selftest", "wire"),
    ),
    "edge/devices/guard.py": ("guard",),
}
# `is` and `==` are one for the enums and for None, which is all that `is` is used for here.
SAME = {"Is_Eq", "Eq_Is", "IsNot_NotEq", "NotEq_IsNot"}
LEFT_OUT = ("core/VariableReplacer", "core/VariableInserter")  # they want to be told of variables
LONGEST_TEST_S = 20.0  # a test that takes longer judges no fault
Place = tuple[int, int]


class StatementLeftOut(Operator):
    """An operator of ours: a call, an assignment or a return is not made."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Place, Place]]:
        if node.type == "simple_stmt" and node.children[0].type in (
            *("expr_stmt", "atom_expr", "return_stmt", "raise_stmt", "del_stmt"),
        ):
            yield node.children[0].start_pos, node.children[0].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        prefix = node.get_first_leaf().prefix
        return parso.parse(f"{prefix}pass\n").children[0]

    @classmethod
    def examples(cls) -> tuple[()]:
        return ()


@dataclass(frozen=True)
class Mutant:
    file: str
    line: int
    operator: str
    occurrence: int
    code: str = field(repr=False)
    diff: str = field(repr=False)


@dataclass
class Coverage:
    """Which tests come past which line, and how long each takes."""

    seconds: dict[str, float]
    tests: dict[str, dict[int, set[str]]]

    def of(self, mutant: Mutant) -> list[str]:
        """The tests that can notice it, the quick ones first; for what runs when the file is
        imported, all that come by the file."""
        lines = self.tests.get(mutant.file, {})
        names = lines.get(mutant.line, set()) - {""}
        if "" in lines.get(mutant.line, set()) or mutant.line not in lines:
            names = set().union(*lines.values()) - {""}
        able = [name for name in names if self.seconds.get(name, 0.0) <= LONGEST_TEST_S]
        return sorted(able, key=lambda name: (self.seconds.get(name, 0.0), name))


# ---------------------------------------------------------------- the faults


class _Found(Visitor):
    """Where each operator can be applied, in the order of its occurrences."""

    def __init__(self, known: dict[str, Operator]) -> None:
        self._known = known
        self.places: dict[str, list[Place]] = {name: [] for name in known}

    def visit(self, node: Any) -> Any:
        for name, operator in self._known.items():
            self.places[name] += [start for start, _ in operator.mutation_positions(node)]
        return node


def operators() -> dict[str, Operator]:
    found = {
        name: plugins.get_operator(name)()
        for name in plugins.operator_names()
        if name not in LEFT_OUT and name.split("Operator_")[-1] not in SAME
    }
    return {**found, "StatementLeftOut": StatementLeftOut()}


def places(source: str, known: dict[str, Operator]) -> dict[tuple[Place, str], list[Any]]:
    """Every place where a fault can be put, with the operators and occurrences for it.

    Annotations are no code. A place counts once, however many operators there are for it.
    """
    annotations = [
        ((each.lineno, each.col_offset), (each.end_lineno or 0, each.end_col_offset or 0))
        for node in ast.walk(ast.parse(source))
        for each in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if isinstance(each, ast.expr)
    ]
    found: dict[tuple[Place, str], list[Any]] = defaultdict(list)
    visitor = _Found(known)
    visitor.walk(get_ast(source))
    for name, starts in visitor.places.items():
        kind = name.split("_")[0]
        for occurrence, place in enumerate(starts):
            if not any(start <= place < end for start, end in annotations):
                found[place, kind].append((name, occurrence))
    return found


def drawn(root: Path, only: Sequence[str], count: int, chance: random.Random) -> list[Mutant]:
    known = operators()
    sources: dict[str, str] = {}
    every = []
    for package in only:
        path = root / package
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            name = str(file.relative_to(root))
            sources[name] = file.read_text()
            for place, ways in sorted(places(sources[name], known).items()):
                every.append((name, place[0][0], ways))
    print(f"{len(every)} places for a fault in {len(sources)} files", flush=True)
    chance.shuffle(every)
    mutants: list[Mutant] = []
    for name, line, ways in every:
        operator, occurrence = chance.choice(ways)
        try:
            code = MutationVisitor.mutate_code(sources[name], known[operator], occurrence)
            ast.parse(code or "")
        except (AttributeError, SyntaxError):
            continue  # cosmic-ray knows no dotted exceptions, for one
        before, after = sources[name].splitlines(), (code or "").splitlines()
        diff = list(difflib.unified_diff(before, after, name, name, lineterm="", n=1))[2:]
        mutants.append(Mutant(name, line, operator, occurrence, code or "", "\n".join(diff)))
        if len(mutants) == count:
            break
    return mutants


# ---------------------------------------------------------------- the tests


def copied(where: Path) -> None:
    """What git would commit of the tree as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if (ROOT / name).exists():
            (where / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, where / name)


def pytest(root: Path, words: Sequence[str], *, timeout_s: float, run: Sequence[str] = ()) -> int:
    """The exit code; -1 for a run that took too long. Nothing it started is left."""
    command = [sys.executable, *(run or ("-m", "pytest")), "-q", "-p", "no:cacheprovider", *words]
    process = subprocess.Popen(
        command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=(root / "said").open("wb"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return -1
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def covered(root: Path, only: Sequence[str]) -> Coverage:
    files = sorted({f"tests/test_{name}.py" for package in only for name in TESTS[package]})
    settings = root / "coverage.ini"
    settings.write_text(
        f"[run]\ndata_file = {root / 'covered'}\ndynamic_context = test_function\nsource = edge\n"
    )
    run = ("-m", "coverage", "run", f"--rcfile={settings}", "-m", "pytest")
    code = pytest(root, [f"--junitxml={root / 'times.xml'}", *files], timeout_s=3600, run=run)
    if code != 0:
        sys.exit((root / "said").read_text()[-4000:] + "\nthe tests fail without a fault")
    seconds: Counter[str] = Counter()
    for case in xml.etree.ElementTree.parse(root / "times.xml").iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name', '').partition('[')[0]}"
        seconds[name] += float(case.get("time") or 0)  # type: ignore[assignment]
    data = coverage.CoverageData(str(root / "covered"))
    data.read()
    tests = {
        str(Path(file).relative_to(root)): {
            line: set(names) for line, names in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
    }
    return Coverage(dict(seconds), tests)


def noticed(root: Path, mutant: Mutant, tests: Sequence[str], expected_s: float) -> bool:
    if not tests:
        return False
    ids = [
        name.rpartition(".")[0].replace(".", "/") + f".py::{name.rpartition('.')[2]}"
        for name in tests
    ]
    path = root / mutant.file
    good = path.read_text()
    path.write_text(mutant.code)
    try:
        return pytest(root, ["-x", *ids], timeout_s=30 + 4 * expected_s) != 0
    finally:
        path.write_text(good)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", choices=sorted(TESTS), action="append")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args(argv)
    only = args.only or list(TESTS)
    survivors = []
    with tempfile.TemporaryDirectory(prefix="procrastobot-mutants-") as folder:
        root = Path(folder).resolve()
        copied(root)
        mutants = drawn(root, only, args.count, random.Random(args.seed))
        known = covered(root, only)
        print(f"{len(known.seconds)} tests, {sum(known.seconds.values()):.0f} s", flush=True)
        for number, mutant in enumerate(mutants, 1):
            tests = known.of(mutant)
            began_s = time.monotonic()
            expected_s = sum(known.seconds.get(name, 0.0) for name in tests)
            seen = noticed(root, mutant, tests, expected_s)
            took = f"{len(tests)} tests, {time.monotonic() - began_s:.1f} s"
            what = "noticed" if seen else "SURVIVED"
            print(
                f"{number:4} {what:8} {mutant.file}:{mutant.line} {mutant.operator} ({took})",
                flush=True,
            )
            if not seen:
                survivors.append(mutant)
                print(mutant.diff, flush=True)
    print(f"{len(survivors)} of {len(mutants)} of seed {args.seed} survived")
    if args.json:
        args.json.write_text(json.dumps([asdict(each) for each in survivors], indent=1))
    return int(bool(survivors))


if __name__ == "__main__":
    sys.exit(main())
