"""Waiting for what a test cannot do itself: another process, another thread."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_for(
    condition: Callable[[], bool], explain: Callable[[], str] = str, patience_s: float = 120.0
) -> None:
    """Wait until the condition holds; fail, with the explanation, when it does not come to.

    The patience only bounds a failure: on a busy machine a test that passes may take it all.
    """
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s, (
            f"it never came to be in {patience_s:g} s; {explain()}"
        )
        time.sleep(0.02)
