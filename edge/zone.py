"""The time zone in which days, hours and quiet hours are counted: this machine's, or the one that
the configuration names. Each process sets it for itself, which takes no right to set the other."""

from __future__ import annotations

import os
import time
import zoneinfo

MACHINES = os.environ.get("TZ")  # before a configuration was read


def problem(name: str) -> str:
    """Why there is no such zone here; empty: there is one."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return "no such time zone; wanted is one like Europe/Vienna"
    return ""


def use(name: str) -> None:
    """Empty: the machine's."""
    if name:
        os.environ["TZ"] = name
    elif MACHINES is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = MACHINES
    time.tzset()
