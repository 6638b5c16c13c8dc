"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

UNFINISHED = ".part"

_numbers = count()


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to. What is there becomes `path` at the end, and goes when
    that is not reached: a card that is full, or a process that is stopped, leaves no pieces. What
    root writes belongs to whom its folder belongs: beside the service, to the service."""
    # Short and of its own: a name may be as long as names can be.
    unfinished = path.with_name(f".{os.getpid()}-{next(_numbers)}{UNFINISHED}")
    try:
        yield unfinished
        if os.geteuid() == 0 and (made := unfinished.stat()).st_uid == made.st_gid == 0:
            there = path.parent.stat()
            os.chown(unfinished, there.st_uid, there.st_gid)
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def sweep(folder: Path) -> None:
    """Take away what a process that was killed left unfinished."""
    for path in folder.glob(f".*{UNFINISHED}"):
        path.unlink(missing_ok=True)
