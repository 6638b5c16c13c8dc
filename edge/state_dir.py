"""Where the box keeps what it has to remember."""

from __future__ import annotations

import os
from pathlib import Path


def state_dir() -> Path:
    """systemd's StateDirectory, else the user's own (XDG Base Directory). Not created here."""
    given = os.environ.get("STATE_DIRECTORY")
    if given:
        return Path(given.split(":")[0])
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "procrastobot"
