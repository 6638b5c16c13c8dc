"""Who may look: one password, sessions that end, and a guesser who waits longer and longer.

What is kept is in one small file beside the history: the password as a scrypt hash, sessions as
hashes of their tokens, and a one-time code as long as there is no password. The code is made by the
box or the page, whichever comes first, and said in the log.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import json
import logging
import os
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from edge.files import whole
from edge.page.words import Text

log = logging.getLogger(__name__)

NAME = "page.json"
# RFC 7914; 16 MiB and a fifth of a second on a Raspberry Pi 3, more or less. OWASP's smallest
# choice for scrypt with this memory is p=5.
SCRYPT = {"n": 2**14, "r": 8, "p": 5}
SHORTEST = 8
LONGEST = 256
CODE_DIGITS = 8
SESSION_S = 30 * 24 * 3600.0
MOST_SESSIONS = 16
FREE_TRIES = 5
FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 15 * 60.0
MOST_GUESSERS = 1024
# However many addresses a guesser has: a code that was tried so often is replaced by another.
MOST_WRONG_CODES = 100


class Refused(Exception):
    """Not let in; the text says what would do."""

    def __init__(self, text: str, *, wait_s: float = 0.0) -> None:
        super().__init__(text)
        self.wait_s = wait_s


@dataclass(slots=True)
class Kept:
    """The file."""

    password: str = ""  # salt and hash; empty: none is set yet
    code: str = ""
    sessions: dict[str, float] = field(default_factory=dict)  # hash of the token -> until (wall)


class Store:
    """Reads and writes the file. What cannot be read is said, and begins anew: nobody is let in by
    a file that is damaged, since then there is a new code."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Kept:
        try:
            raw = json.loads(self._path.read_text(encoding="utf-8"))
            kept = Kept(str(raw["password"]), str(raw["code"]))
            kept.sessions = {str(token): float(until) for token, until in raw["sessions"].items()}
        except FileNotFoundError:
            return Kept()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
            log.error("%s cannot be read, and the page begins anew: %s", self._path, exc)
            return Kept()
        return kept

    def write(self, kept: Kept) -> None:
        """Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with whole(self._path) as unfinished:
            unfinished.touch(mode=0o600)
            unfinished.write_text(json.dumps(asdict(kept)), encoding="utf-8")
            os.chmod(unfinished, 0o600)


def code_of(store: Store) -> str:
    """The one-time code for the first login, made where there is none; empty: there is a password.
    Raises OSError."""
    kept = store.read()
    if kept.password:
        return ""
    if not kept.code:
        kept.code = "".join(secrets.choice("0123456789") for _ in range(CODE_DIGITS))
        store.write(kept)
    return kept.code


def in_groups(code: str) -> str:
    return f"{code[:4]} {code[4:]}"


class Login:
    """`wall_s` is for sessions, which outlive the process; `clock_s` for those who wait."""

    def __init__(
        self,
        store: Store,
        *,
        configured: str,
        clock_s: Callable[[], float],
        wall_s: Callable[[], float],
    ) -> None:
        """`configured`: the password of the configuration, where one is still there."""
        self._store = store
        self._configured = configured
        self._clock_s = clock_s
        self._wall_s = wall_s
        self._kept = store.read()
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # tries, locked until
        self._wrong_codes = 0

    @property
    def wants_code(self) -> bool:
        """Whether there is no password yet."""
        return not self._kept.password and not self._configured

    def enter(self, given: str, client: str) -> str:
        """A new session's token for the right password or code. Raises Refused, OSError.

        Takes its time, and should be called in a thread.
        """
        who = guesser(client)
        tries, until_s = self._wrong.get(who, (0, 0.0))
        left_s = until_s - self._clock_s()
        if left_s > 0:
            raise Refused(_too_many(left_s), wait_s=left_s)
        if not self._right(given):
            self._count(who, tries + 1)
            code = self.wants_code
            raise Refused(
                Text("that is not the code") if code else Text("that is not the password")
            )
        self._wrong.pop(who, None)
        token = secrets.token_urlsafe(32)
        now_s = self._wall_s()
        live = {key: until for key, until in self._kept.sessions.items() if until > now_s}
        live[_hash(token)] = now_s + SESSION_S
        self._kept.sessions = dict(list(live.items())[-MOST_SESSIONS:])
        self._store.write(self._kept)
        return token

    def knows(self, token: str) -> bool:
        until = self._kept.sessions.get(_hash(token)) if token else None
        # A clock that was set back far must not make a session last for years.
        return until is not None and 0 < until - self._wall_s() <= SESSION_S

    def leave(self, token: str) -> None:
        """Raises OSError."""
        if self._kept.sessions.pop(_hash(token), None) is not None:
            self._store.write(self._kept)

    def set_password(self, new: str, token: str) -> None:
        """Ends every session but this one, and the code. Raises Refused, OSError."""
        if not SHORTEST <= len(new) <= LONGEST:
            raise Refused(
                Text("a password has {low} to {high} characters", low=SHORTEST, high=LONGEST)
            )
        mine = _hash(token)
        self._kept = Kept(
            password=hashed(new),
            sessions={key: until for key, until in self._kept.sessions.items() if key == mine},
        )
        self._store.write(self._kept)

    def _right(self, given: str) -> bool:
        given = given.strip() if self.wants_code else given
        if len(given) > LONGEST:
            return False
        if self._kept.password:
            return matches(given, self._kept.password)
        if self._configured:
            return hmac.compare_digest(given.encode(), self._configured.encode())
        code = code_of(self._store)
        self._kept = self._store.read()
        return hmac.compare_digest(given.replace(" ", "").encode(), code.encode())

    def _count(self, who: str, tries: int) -> None:
        wait_s = 0.0
        if tries >= FREE_TRIES:
            wait_s = min(FIRST_WAIT_S * 2 ** (tries - FREE_TRIES), LONGEST_WAIT_S)
            log.warning("%d wrong passwords from %s: it waits %g s", tries, who, wait_s)
        self._wrong[who] = (tries, self._clock_s() + wait_s)
        self._wrong.move_to_end(who)
        while len(self._wrong) > MOST_GUESSERS:
            self._wrong.popitem(last=False)
        if not self.wants_code:
            return
        self._wrong_codes += 1
        if self._wrong_codes >= MOST_WRONG_CODES:
            self._wrong_codes = 0
            self._kept.code = ""
            self._store.write(self._kept)
            code = code_of(self._store)
            self._kept = self._store.read()
            log.warning("the code was guessed at too often; the new one is %s", in_groups(code))


def guesser(client: str) -> str:
    """One household at the other end: an IPv6 network has more addresses than there are guesses."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def hashed(password: str) -> str:
    salt = secrets.token_bytes(16)
    made = hashlib.scrypt(password.encode(), salt=salt, **SCRYPT, maxmem=2**26)
    cost = f"{SCRYPT['n']}:{SCRYPT['r']}:{SCRYPT['p']}"
    return f"scrypt:{cost}:{base64.b64encode(salt).decode()}:{base64.b64encode(made).decode()}"


def matches(password: str, kept: str) -> bool:
    """Whether `kept` was made of this password, whatever it cost then."""
    try:
        kind, n, r, p, salt, made = kept.split(":")
        if kind != "scrypt":
            return False
        again = hashlib.scrypt(
            password.encode(),
            salt=base64.b64decode(salt),
            n=int(n),
            r=int(r),
            p=int(p),
            maxmem=2**26,
        )
        return hmac.compare_digest(again, base64.b64decode(made))
    except (ValueError, binascii.Error):
        return False


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _too_many(seconds: float) -> Text:
    if seconds < 90:
        return Text("too many tries; again in {number} s", number=round(seconds))
    return Text("too many tries; again in {number} min", number=round(seconds / 60))
