"""Puts faults into the code, one at a time, and says which no test notices.

    python -m tests.long.mutants                    300, drawn at random
    python -m tests.long.mutants --count 50 --seed 7 --only edge/history

Needs `pip install cosmic-ray coverage`. The faults are cosmic-ray's, and a statement left out. They
are made in a copy of the tree. For each, those tests run that came past its line; which do is found
out first, by running the tests of `TESTS` under coverage (some minutes); `--known FILE` keeps that
for the next time, when tests may have been added and lines moved.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import difflib
import json
import os
import random
import re
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
import hypothesis.strategies
import numpy as np  # noqa: F401 - so that no child has to import it
import paho.mqtt.client  # noqa: F401
import parso
import pytest
from cosmic_ray import plugins
from cosmic_ray.ast import Visitor, get_ast
from cosmic_ray.mutating import MutationVisitor
from cosmic_ray.operators.operator import Operator

ROOT = Path(__file__).resolve().parents[2]
# What is judged, and the tests that are about it. Whole days that are simulated and the real thing
# (Home Assistant, a guest) are not among them: they take minutes a fault.
TESTS = {
    "edge/decide": ("decide_edges", "decide", "effects", "loop", "tunes"),
    "edge/history": (
        *("history_edges", "salvage", "history", "history_fuzz", "durable"),
        *("lookback", "lookback_page", "experiment"),
    ),
    "edge/mqtt": (
        *(
            "mqtt_edges",
            "mqtt_broker",
            "mqtt_client",
            "mqtt_commands",
            "mqtt_contract",
            "mqtt_delivery",
        ),
        *("mqtt_discovery", "listener", "selftest"),
    ),
    "edge/devices/guard.py": ("guard", "ring_and_speaker"),
    "edge/desk": (
        *("desk_parts", "tracks", "evidence", "attention", "sitters", "geometry"),
        *("docks", "view", "pixels", "calls", "observe", "sequences", "taught", "judgement"),
    ),
    "edge/taught.py": ("taught",),
    "edge/vision/still.py": ("still", "calls"),
}
# What reads the sources instead of running them judges what runs when they are imported.
READS = "tests.test_architecture.test_values_are_frozen_and_slotted"
# `is` and `==` are one for the enums and for None, which is all that `is` is used for here.
SAME = {"Is_Eq", "Eq_Is", "IsNot_NotEq", "NotEq_IsNot"}
LEFT_OUT = ("core/VariableReplacer", "core/VariableInserter")  # they want to be told of variables
LONGEST_TEST_S = 10.0  # a test that takes longer judges no fault
HANGS_S = 60  # so long no such test takes, on a busy machine either
NOTICERS = 40  # tests that noticed a fault of late go first
STARS = ("parameters", "param", "argument", "star_expr")
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
    """Which tests come past which line of which source, and how long each takes."""

    seconds: dict[str, float]
    tests: dict[str, dict[int, set[str]]]
    sources: dict[str, str]
    added: dict[str, set[str]] = field(default_factory=dict)  # by package: not known yet, all run

    @classmethod
    def of_json(cls, text: str) -> Coverage:
        found = json.loads(text)
        tests = {
            file: {int(line): set(names) for line, names in lines.items()}
            for file, lines in found["tests"].items()
        }
        return cls(found["seconds"], tests, found["sources"])

    def as_json(self) -> str:
        return json.dumps(
            {"seconds": self.seconds, "tests": self.tests, "sources": self.sources}, default=sorted
        )

    def moved_to(self, root: Path, only: Sequence[str]) -> Coverage:
        """The same for the tree as it is in `root` now."""
        tests, sources = {}, {}
        for file, lines in self.tests.items():
            path = root / file
            sources[file] = path.read_text() if path.exists() else ""
            before, after = self.sources[file].splitlines(), sources[file].splitlines()
            tests[file] = {
                block.b + place + 1: lines[block.a + place + 1]
                for block in difflib.SequenceMatcher(None, before, after).get_matching_blocks()
                for place in range(block.size)
                if block.a + place + 1 in lines
            }
        of_package = {
            package: {name for each in TESTS[package] for name in _tests(root, each)}
            for package in only
        }
        there = {name for names in of_package.values() for name in names}
        seconds = {name: took_s for name, took_s in self.seconds.items() if name in there}
        for lines in tests.values():
            for names in lines.values():
                names &= {*there, ""}
        added = {package: names - set(self.seconds) for package, names in of_package.items()}
        return Coverage(seconds, tests, sources, added)

    def of(self, mutant: Mutant) -> list[str]:
        """The tests that can notice it, the quick ones first; for what runs when the file is
        imported, all that come by the file."""
        lines = self.tests.get(mutant.file, {})
        names = lines.get(mutant.line, set()) - {""}
        if not names or "" in lines[mutant.line]:  # nobody knows, or a thread or an import came by
            names = set().union(*lines.values()) - {""} | {READS}
        for package, added in self.added.items():
            if mutant.file.startswith(package):
                names |= added
        able = [name for name in names if self.seconds.get(name, 0.0) <= LONGEST_TEST_S]
        return sorted(able, key=lambda name: (self.seconds.get(name, 0.0), name))


# ---------------------------------------------------------------- the faults


class _Found(Visitor):
    """Where each operator can be applied, in the order of its occurrences."""

    def __init__(self, known: dict[str, Operator]) -> None:
        self._known = known
        self.places: dict[str, list[Place | None]] = {name: [] for name in known}

    def visit(self, node: Any) -> Any:
        # A star that marks parameters or unpacks multiplies nothing: it is an occurrence (what
        # makes the fault counts it), but no place.
        star = node.parent is not None and node.parent.type in STARS and node.type == "operator"
        for name, operator in self._known.items():
            found = operator.mutation_positions(node)
            self.places[name] += [None if star else start for start, _ in found]
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
            if place and not any(start <= place < end for start, end in annotations):
                found[place, kind].append((name, occurrence))
    return found


def drawn(root: Path, only: Sequence[str], count: int, chance: random.Random) -> Iterator[Mutant]:
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
    made = 0
    for name, line, ways in every:
        operator, occurrence = chance.choice(ways)
        try:
            code = MutationVisitor.mutate_code(sources[name], known[operator], occurrence)
            ast.parse(code or "")
        except (AttributeError, SyntaxError):
            continue  # cosmic-ray knows no dotted exceptions, for one
        before, after = sources[name].splitlines(), (code or "").splitlines()
        diff = list(difflib.unified_diff(before, after, name, name, lineterm="", n=1))[2:]
        made += 1
        yield Mutant(name, line, operator, occurrence, code or "", "\n".join(diff))
        if made == count:
            return


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


def _tests(root: Path, name: str) -> set[str]:
    tree = ast.parse((root / "tests" / f"test_{name}.py").read_text())
    return {
        f"tests.test_{name}.{node.name}"
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


# That there is an example is enough: the smallest takes seconds to find.
hypothesis.settings.register_profile(
    "found",
    deadline=None,
    database=None,
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
)


def exit_code(root: Path, words: Sequence[str], *, timeout_s: float, measured_by: str = "") -> int:
    """pytest's exit code; -1 for a run that took too long. Nothing it started is left.

    In a child of this process, which has imported what takes long.
    """
    child = os.fork()
    if child == 0:
        os.setsid()
        os.chdir(root)
        said = os.open(root / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number, file in ((0, os.open(os.devnull, os.O_RDONLY)), (1, said), (2, said)):
            os.dup2(file, number)
        os.environ["PYTHONPATH"] = str(root)
        sys.path[:] = [str(root), *(each for each in sys.path if each not in ("", str(ROOT)))]
        for name in [name for name in sys.modules if name.split(".")[0] in ("edge", "tests")]:
            del sys.modules[name]
        code = 1
        try:
            quick = ("-p", "no:cacheprovider", "--hypothesis-profile=found")
            code = int(_pytest(["-q", *quick, *words], measured_by))
        finally:
            os._exit(code)
    deadline_s = time.monotonic() + timeout_s
    code = -1
    while time.monotonic() < deadline_s:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            break
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if code == -1:
        os.waitpid(child, 0)
    return code


class _Contexts:
    """Tells coverage which test runs, whatever calls it, hypothesis or a thread of its own."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self._measured = measured

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Function) -> Iterator[None]:
        self._measured.switch_context(f"{item.module.__name__}.{item.originalname}")
        try:
            yield
        finally:
            self._measured.switch_context("")


class _Impatient:
    """A test that hangs is a fault noticed, and ends this process: there may be many to come."""

    def pytest_runtest_logstart(self) -> None:
        signal.alarm(HANGS_S)


def _pytest(words: list[str], settings: str) -> int:
    if not settings:
        return pytest.main(words, plugins=[_Impatient()])
    measured = coverage.Coverage(config_file=settings)
    measured.start()
    try:
        return pytest.main(words, plugins=[_Contexts(measured)])
    finally:
        measured.stop()
        measured.save()


def covered(root: Path, only: Sequence[str]) -> Coverage:
    files = sorted({f"tests/test_{name}.py" for package in only for name in TESTS[package]})
    settings = root / "coverage.ini"
    settings.write_text(f"[run]\ndata_file = {root / 'covered'}\nsource = edge\n")
    words = [f"--junitxml={root / 'times.xml'}", *files]
    code = exit_code(root, words, timeout_s=3600, measured_by=str(settings))
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
    sources = {file: (root / file).read_text() for file in tests}
    return Coverage(dict(seconds), tests, sources)


def _id(name: str) -> str:
    module, _, test = name.rpartition(".")
    return f"{module.replace('.', '/')}.py::{test}"


def noticed(root: Path, mutant: Mutant, tests: Sequence[str], expected_s: float) -> bool:
    if not tests:
        return False
    ids = [_id(name) for name in tests]
    path = root / mutant.file
    good = path.read_text()
    path.write_text(mutant.code)
    try:
        return exit_code(root, ["-x", *ids], timeout_s=30 + 4 * expected_s) != 0
    finally:
        path.write_text(good)


def noticed_by(root: Path, tests: Sequence[str]) -> list[str]:
    """The tests that failed in the latest run."""
    failed = re.findall(r"^FAILED ([^\[\s]+)", (root / "said").read_text(errors="replace"), re.M)
    return [name for name in tests if _id(name) in failed]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", choices=sorted(TESTS), action="append")
    parser.add_argument(
        "--known", type=Path, metavar="FILE", help="what tests come past which line"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args(argv)
    only = args.only or list(TESTS)
    survivors = []
    with tempfile.TemporaryDirectory(prefix="procrastobot-mutants-") as folder:
        root = Path(folder).resolve()
        copied(root)
        if args.known and args.known.exists():
            known = Coverage.of_json(args.known.read_text()).moved_to(root, only)
        else:
            known = covered(root, only)
            if args.known:
                args.known.write_text(known.as_json())
        print(f"{len(known.seconds)} tests, {sum(known.seconds.values()):.0f} s", flush=True)
        number = 0
        noticers: list[str] = []  # the latest first: what noticed one fault may notice the next
        mutants = drawn(root, only, args.count, random.Random(args.seed))
        for number, mutant in enumerate(mutants, 1):
            tests = sorted(known.of(mutant), key=lambda each: each not in noticers[:NOTICERS])
            began_s = time.monotonic()
            expected_s = sum(known.seconds.get(name, 0.0) for name in tests)
            seen = noticed(root, mutant, tests, expected_s)
            noticers = noticed_by(root, tests) + noticers
            took = f"{len(tests)} tests, {time.monotonic() - began_s:.1f} s"
            what = "noticed" if seen else "SURVIVED"
            print(
                f"{number:4} {what:8} {mutant.file}:{mutant.line} {mutant.operator} ({took})",
                flush=True,
            )
            if not seen:
                survivors.append(mutant)
                print(mutant.diff, flush=True)
    print(f"{len(survivors)} of {number} of seed {args.seed} survived")
    if args.json:
        args.json.write_text(json.dumps([asdict(each) for each in survivors], indent=1))
    return int(bool(survivors))


if __name__ == "__main__":
    sys.exit(main())
