"""Where the box keeps what it has to remember."""

from __future__ import annotations

import os
from pathlib import Path

from edge import service


def state_dir(configuration: Path | None = None) -> Path:
    """systemd's StateDirectory, else the user's own (XDG Base Directory). Not created here.

    For a command beside the service it is the service's, if the configuration is.
    """
    if service.is_of(configuration):
        return service.STATE
    given = os.environ.get("STATE_DIRECTORY")
    if given:
        return Path(given.split(":")[0])
    base = os.environ.get("XDG_STATE_HOME")
    return (
        Path(base) if base else Path(os.path.expanduser("~")) / ".local" / "state"
    ) / "procrastobot"
