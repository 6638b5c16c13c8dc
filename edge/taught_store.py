"""What the owner showed the box, on its card: vectors, their names and kinds; never a picture.

One file for each version of the features, since vectors of one model mean nothing to another: those
of another model lie beside it until they are forgotten, or that model comes back.
"""

from __future__ import annotations

import logging
import os
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge.domain import NAME_MOST
from edge.files import whole
from edge.taught import FloatArray, Thing, spread_out

log = logging.getLogger(__name__)

FORMAT = 1
MOST_VECTORS = 200  # of one thing
MOST_THINGS = 32


class Unreadable(Exception):
    """A file of taught things cannot be used; the text says which, why, and what to do."""


class TaughtStore:
    """The things shown to one version of the features, in a folder. Not for two threads at once."""

    def __init__(self, folder: Path, version: str, length: int) -> None:
        self._folder = folder
        self._version = version
        self._length = length
        self.path = folder / f"taught-{version}.npz"
        self._stamp: tuple[int, int] | None = None
        self.things: tuple[Thing, ...] = ()
        self.reload()

    def reload(self) -> bool:
        """Read the file if it is another than before; whether it was.

        A damaged one is set aside and said: the box then knows what it knew before it was shown
        anything.
        """
        stamp = _stamp(self.path)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        if stamp is None:
            self.things = ()
            return True
        try:
            self.things = read(self.path, self._version, self._length)
        except Unreadable as exc:
            aside = self.path.with_suffix(".damaged")
            try:
                os.replace(self.path, aside)
                log.error("%s; it was set aside as %s: show the things again", exc, aside.name)
            except OSError as error:
                log.error("%s; it cannot be set aside: %s", exc, error.strerror)
            self.things = ()
        return True

    def of_other_models(self) -> list[Path]:
        """Files of vectors that another model made."""
        return sorted(p for p in self._folder.glob("taught-*.npz") if p != self.path)

    def add(self, name: str, phone: bool, vectors: FloatArray) -> Thing:
        """Keep what was shown, beside what is known of a thing of that name. Raises OSError, and
        ValueError for a name that is another kind of thing, or one too many."""
        known = next((thing for thing in self.things if thing.name == name), None)
        if known is not None and known.phone != phone:
            kind = "a phone" if known.phone else "another thing"
            raise ValueError(f"{name!r} was shown as {kind}; forget it")
        if known is None and len(self.things) >= MOST_THINGS:
            raise ValueError(f"{MOST_THINGS} things are known already; forget one of them first")
        before = np.empty((0, self._length), np.float32) if known is None else known.vectors
        kept = spread_out(np.concatenate([before, vectors.astype(np.float32)]), MOST_VECTORS)
        thing = Thing(name, phone, kept)
        others = [each for each in self.things if each.name != name]
        self.write([*others, thing])
        return thing

    def forget(self, name: str) -> bool:
        """Erase one thing; whether there was one. Raises OSError."""
        kept = [thing for thing in self.things if thing.name != name]
        if len(kept) == len(self.things):
            return False
        self.write(kept)
        return True

    def forget_all(self) -> None:
        """Erase everything, of other models too. Raises OSError."""
        for path in [self.path, *self.of_other_models(), *self._folder.glob("taught-*.damaged")]:
            path.unlink(missing_ok=True)
        self._stamp, self.things = None, ()

    def write(self, things: Sequence[Thing]) -> None:
        """Replace all that is known, at once or not at all. Raises OSError."""
        if things:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            save(self.path, self._version, things)
        else:
            self.path.unlink(missing_ok=True)
        self._stamp = _stamp(self.path)
        self.things = tuple(things)


def save(path: Path, version: str, things: Sequence[Thing]) -> None:
    """Write a file of taught things, at once or not at all. Raises OSError."""
    with whole(path) as unfinished, unfinished.open("wb") as file:
        os.chmod(unfinished, 0o600)
        np.savez(
            file,
            format=FORMAT,
            version=version,
            names=[thing.name for thing in things],
            phones=[thing.phone for thing in things],
            counts=[thing.views for thing in things],
            vectors=np.concatenate([thing.vectors for thing in things]).astype(np.float16),
        )
        file.flush()
        os.fsync(file.fileno())


def read(path: Path, version: str, length: int) -> tuple[Thing, ...]:
    """The things of a file. Raises Unreadable."""
    try:
        with np.load(path, allow_pickle=False) as file:
            held = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, NotImplementedError) as e:
        raise Unreadable(f"{path} is damaged, or no file of taught things ({e})") from e
    try:
        if int(held["format"]) != FORMAT:
            raise Unreadable(f"{path} has the format {held['format']}; {FORMAT} is known here")
        if str(held["version"]) != version:
            raise Unreadable(
                f"{path} holds what another model was shown ({held['version']!s}, this one is"
                f" {version}): the things have to be shown again"
            )
        names, phones, counts = held["names"], held["phones"], held["counts"]
        vectors = held["vectors"].astype(np.float32)
        ends = np.cumsum(counts)
        sound = (
            len(names) == len(phones) == len(counts) <= MOST_THINGS
            and len(set(names.tolist())) == len(names)
            and vectors.shape == (int(ends[-1]) if len(ends) else 0, length)
            and all(1 <= count <= MOST_VECTORS for count in counts.tolist())
            and bool(np.isfinite(vectors).all())
        )
    except (KeyError, ValueError, TypeError, IndexError) as e:
        raise Unreadable(f"{path} is damaged: {e}") from e
    if not sound:
        raise Unreadable(f"{path} is damaged: its numbers do not fit together")
    return tuple(
        Thing(named(str(name)), bool(phone), vectors[end - count : end])
        for name, phone, count, end in zip(
            names.tolist(), phones.tolist(), counts.tolist(), ends.tolist(), strict=True
        )
    )


def merged(known: Sequence[Thing], more: Sequence[Thing]) -> list[Thing]:
    """Both; of a thing that both have, all that is told apart. Raises ValueError for a name that
    stands for a phone in one and for another thing in the other."""
    by_name = {thing.name: thing for thing in known}
    for thing in more:
        before = by_name.get(thing.name)
        if before is None:
            by_name[thing.name] = thing
            continue
        if before.phone != thing.phone:
            raise ValueError(f"{thing.name!r} is a phone in one file and none in the other")
        vectors = np.concatenate([before.vectors, thing.vectors])
        by_name[thing.name] = replace(before, vectors=spread_out(vectors, MOST_VECTORS))
    if len(by_name) > MOST_THINGS:
        raise ValueError(f"together they are {len(by_name)} things; at most {MOST_THINGS} are kept")
    return list(by_name.values())


def named(name: str) -> str:
    """A name as it is kept: one line, printable, short."""
    return "".join(c for c in " ".join(name.split()) if c.isprintable())[:NAME_MOST]


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


__all__ = ["TaughtStore", "Unreadable", "merged", "named", "read", "save"]
