from __future__ import annotations

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
