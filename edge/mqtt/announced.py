"""What this box has left with its broker, remembered over restarts.

Topics follow from the configuration. When that changes, what was retained under the old ones would
stay at the broker, and in Home Assistant, for ever: only the box knows that it was its own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edge import files

log = logging.getLogger(__name__)


class Announced:
    """Retained topics, and the components of the device by key -> platform; `path` of None keeps
    them in memory."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.topics: frozenset[str] = frozenset()
        self.components: Mapping[str, str] = {}
        if path is None:
            return
        try:
            self._take(json.loads(path.read_bytes()))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
            log.warning("what was announced before is not known: %s: %s", path, exc)

    def remember(self, topics: Iterable[str], components: Mapping[str, str]) -> None:
        """Written at once, and before anything is announced: better a topic too many."""
        wanted, parts = frozenset(topics), dict(components)
        if (wanted, parts) == (self.topics, self.components):
            return
        self.topics, self.components = wanted, parts
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with files.whole(self._path) as unfinished:
                unfinished.write_text(json.dumps({"topics": sorted(wanted), "components": parts}))
        except OSError as exc:
            log.warning("what is announced cannot be remembered: %s", exc)

    def _take(self, found: Any) -> None:
        topics, components = found["topics"], found["components"]
        texts = [*topics, *components, *components.values()]
        # A topic that was damaged into a filter would end the connection.
        if not all(isinstance(each, str) and each and _plain(each) for each in texts):
            raise ValueError("it is damaged")
        self.topics, self.components = frozenset(topics), dict(components)


def _plain(text: str) -> bool:
    return text.isprintable() and not set(text) & set("+#")
