from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure: nothing here asserts how long something takes.
settings.register_profile("calm", deadline=None)
settings.load_profile("calm")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The labelled pictures and reference models, which are not part of the project."""
    path = ROOT.parent / "shared" / "data"
    if not (path / "SOURCES.md").is_file():
        pytest.skip(f"needs the labelled pictures and reference models in {path}")
    return path


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each reason why tests were skipped, so that it is seen what a machine lacks."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason.removeprefix("Skipped: ")] += 1
    if reasons:
        terminalreporter.section("skipped")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count:5}  {reason}")
