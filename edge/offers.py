"""The newest version there is, as a notice says that the owner names (`box.updates`): a file, or an
address. Where none is named, nobody is asked.

A notice is JSON: {"version": "1.2.0", "notes": "...", "url": "https://..."}; `deploy/release` makes
one. It is only told to people: what is installed has to be signed, and is taken elsewhere.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path

from edge import __version__
from edge.domain import Offer, Offered
from edge.ports import Inbox

log = logging.getLogger(__name__)

MOST_BYTES = 64 * 1024
LONGEST_NOTES = 2000
PATIENCE_S = 20.0
FILE_EVERY_S = 60.0
ADDRESS_EVERY_S = 24 * 3600.0
AGAIN_S = 3600.0  # after an address that did not answer
FIRST_S = 120.0  # after the start: the network may come late, and the box has other things to do
_VERSION = re.compile(r"(\d+(?:\.\d+){0,3})[\w.+~-]{0,40}")


class NoNotice(Exception):
    """There is none, or it cannot be used; the text says why."""


class Offers:
    """Looks now and then, in a thread of its own, and leaves what is new in the inbox."""

    def __init__(self, where: str, inbox: Inbox) -> None:
        self._where = where
        self._inbox = inbox
        self._known: Offer | None = None
        self._said = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="offers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        wait_s = FIRST_S if is_address(self._where) else 0.0
        while not self._ended.wait(wait_s):
            wait_s = self.look()

    def look(self) -> float:
        """Once; how long to wait until the next time."""
        remote = is_address(self._where)
        try:
            offer = read(self._where)
        except NoNotice as exc:
            if str(exc) != self._said:
                self._said = str(exc)
                log.warning("whether there is a newer version is not known: %s", exc)
            return AGAIN_S if remote else FILE_EVERY_S
        self._said = ""
        if offer != self._known:
            self._known = offer
            if offer.newer:
                log.info("version %s is there; %s runs", offer.version, __version__)
            self._inbox.put(Offered(offer))
        return ADDRESS_EVERY_S if remote else FILE_EVERY_S


def is_address(where: str) -> bool:
    return re.match(r"https?://", where) is not None


def read(where: str, *, fetch: Callable[[str], bytes] | None = None) -> Offer:
    """What a notice says. Raises NoNotice."""
    if is_address(where):
        return understood((fetch or fetched)(where))
    try:
        with Path(where).expanduser().open("rb") as file:
            return understood(file.read(MOST_BYTES))
    except OSError as exc:
        raise NoNotice(f"{where}: {exc.strerror or exc}") from exc


def fetched(address: str) -> bytes:
    """Raises NoNotice."""
    import http.client
    import urllib.request

    request = urllib.request.Request(address, headers={"User-Agent": f"procrastobot/{__version__}"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return bytes(answer.read(MOST_BYTES))
    except (OSError, http.client.HTTPException, ValueError) as exc:
        # Without the address, which may have a password in it.
        reason = getattr(exc, "reason", None) or exc
        raise NoNotice(f"the address of box.updates does not answer ({reason})") from exc


def understood(text: bytes) -> Offer:
    """Raises NoNotice."""
    try:
        notice = json.loads(text)
        version, notes, url = (notice.get(name, "") for name in ("version", "notes", "url"))
    except (ValueError, RecursionError, AttributeError):
        raise NoNotice("the notice is no JSON object") from None
    if not isinstance(version, str) or _VERSION.fullmatch(version) is None:
        raise NoNotice('the notice has no "version" like 1.2.0')
    if not isinstance(notes, str) or not isinstance(url, str):
        raise NoNotice("its notes and its url have to be texts")
    if not re.fullmatch(r"https?://[!-~]{1,500}", url):
        url = ""
    shown = "".join(char for char in notes if char.isprintable() or char == "\n")
    return Offer(version, shown[:LONGEST_NOTES], url, newer=is_newer(version, __version__))


def is_newer(version: str, than: str) -> bool:
    """By their numbers: 1.10 after 1.9; what follows the numbers is not looked at."""
    return _numbers(version) > _numbers(than)


def _numbers(version: str) -> tuple[int, ...]:
    found = _VERSION.match(version)
    numbers = [int(each) for each in found[1].split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
