from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The labelled pictures and reference models, which are not part of the project."""
    path = ROOT.parent / "shared" / "data"
    if not (path / "SOURCES.md").is_file():
        pytest.skip(f"needs the labelled pictures and reference models in {path}")
    return path
