"""Tells one event: by an HTTP request, a command, or a notification. Bounded in time and in size.

An attempt ends in one of three ways: it arrived, it certainly did not, or nobody knows.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import ipaddress
import os
import shlex
import signal
import socket
import ssl
import subprocess
import threading
from dataclasses import dataclass

from edge import __version__
from edge.address import Called, called, forbidden
from edge.config import HookConfig

# The server says by itself that it has done nothing: it may be asked again.
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """arrived: True, False, or None where nobody knows; again: another try may do better."""

    arrived: bool | None
    again: bool = False
    why: str = ""


class _Refused(Exception):
    """It is not called, now and in future."""


def send(hook: HookConfig, body: bytes, *, event: str, words: tuple[str, str]) -> Answer:
    """`event`: its id; `words`: title and text of a notification."""
    if hook.address:
        return post(hook, body, event=event)
    if hook.command:
        return run(hook, body)
    return notify(hook, *words)


# ---------------------------------------------------------------- HTTP


def post(hook: HookConfig, body: bytes, *, event: str) -> Answer:
    try:
        target = called(hook.address)
        where = _look_up(target, loopback=hook.loopback)
    except (_Refused, ValueError) as exc:
        return Answer(False, why=f"not called: its address {exc}")
    except OSError as exc:
        return Answer(False, again=True, why=f"its host cannot be found ({exc.strerror or exc})")
    connection = _Connection(target, where, timeout_s=hook.timeout_s)
    with contextlib.closing(connection):
        try:
            connection.connect()
        except (OSError, ssl.SSLError) as exc:
            return Answer(False, again=True, why=f"no connection ({_reason(exc)})")
        return _exchange(connection, target, body, event, hook.timeout_s)


def _exchange(
    connection: _Connection, target: Called, body: bytes, event: str, timeout_s: float
) -> Answer:
    # A socket's own patience begins anew with each byte; this ends it all, however it drips.
    timer = threading.Timer(timeout_s, connection.cut)
    timer.daemon = True
    timer.start()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": f"procrastobot/{__version__}",
        # For whoever wants to make sure besides: the same in every try.
        "Idempotency-Key": event,
    }
    if target.authorization:
        headers["Authorization"] = target.authorization
    try:
        connection.request("POST", target.target, body, headers)
        status = connection.getresponse().status  # what else it says matters to nobody
    except (OSError, http.client.HTTPException) as exc:
        return Answer(None, why=f"no answer ({_reason(exc)})")
    finally:
        timer.cancel()
    if 200 <= status < 300:
        return Answer(True)
    if 300 <= status < 400:
        return Answer(False, why=f"it points elsewhere ({status}), where nobody is told")
    return Answer(False, again=status in AGAIN, why=f"it answers {status}")


def _reason(exc: Exception) -> str:
    return str(getattr(exc, "strerror", None) or getattr(exc, "reason", None) or exc or type(exc))


def _look_up(target: Called, *, loopback: bool) -> tuple[int, str]:
    """(family, address) that is called; looked up once, so that it cannot be another one later.

    One address of the name that may not be called spoils the name: it was made to be one or the
    other. Raises OSError, _Refused.
    """
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = [(family, str(place[0])) for family, _, _, _, place in found]
    for _, address in addresses:
        why = forbidden(ipaddress.ip_address(address.partition("%")[0]), loopback=loopback)
        if why:
            raise _Refused(why)
    if not addresses:
        raise OSError("it has no address")
    return addresses[0]


class _Connection(http.client.HTTPConnection):
    """To an address that was looked at, by the name that was given."""

    def __init__(self, target: Called, where: tuple[int, str], *, timeout_s: float) -> None:
        host = f"[{target.host}]" if ":" in target.host else target.host
        super().__init__(host, target.port, timeout=timeout_s)
        self._tls = ssl.create_default_context() if target.tls else None
        self._name = target.host
        self._where = where
        # The port belongs into the Host header unless it is the usual one.
        self.default_port = 443 if target.tls else 80

    def connect(self) -> None:
        family, address = self._where
        plain = socket.socket(family, socket.SOCK_STREAM)
        try:
            plain.settimeout(self.timeout)
            plain.connect((address, self.port))
            self.sock = plain
            if self._tls is not None:
                self.sock = self._tls.wrap_socket(plain, server_hostname=self._name)
        except BaseException:
            plain.close()
            self.sock = None
            raise

    def cut(self) -> None:
        sock = self.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


# ---------------------------------------------------------------- a command


def run(hook: HookConfig, body: bytes) -> Answer:
    """The event is on its standard input. Exit code 0: it is done; another: it is not."""
    words = shlex.split(hook.command)
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
            cwd="/",
            start_new_session=True,
        )
    except OSError as exc:
        return Answer(False, again=True, why=f"{words[0]} cannot be run ({exc.strerror or exc})")
    try:
        # A program may well not read it.
        with contextlib.suppress(BrokenPipeError):
            process.communicate(body, timeout=hook.timeout_s)
        code = process.wait(hook.timeout_s)
    except subprocess.TimeoutExpired:
        # With all that it has started; what one that ends in time leaves behind may go on.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return Answer(None, why=f"{words[0]} took longer than {hook.timeout_s:g} s")
    if code == 0:
        return Answer(True)
    return Answer(False, again=True, why=f"{words[0]} ended with {code}")


# ---------------------------------------------------------------- a notification


def notify_problem() -> str:
    """Why nobody can be notified here; empty: it works."""
    if importlib.util.find_spec("apprise") is None:
        return "needs Apprise: sudo apt install apprise; in a clone deploy/setup.sh notify"
    return ""


def notify(hook: HookConfig, title: str, text: str) -> Answer:
    if problem := notify_problem():
        return Answer(False, why=problem)
    why = _notify_refusal(hook)
    if why:
        return Answer(False, why=why)
    from apprise import Apprise, AppriseAsset

    # No picture of Apprise's site is linked to, and no name but the box's is in it.
    asset = AppriseAsset(app_id="Procrastobot", image_url_mask="", image_url_logo="")
    service = Apprise(asset=asset)
    if not service.add(hook.notify):
        return Answer(False, why="Apprise does not know this kind of address")
    arrived = service.notify(body=text, title=title)
    return Answer(True) if arrived else Answer(False, again=True, why="Apprise could not tell")


def _notify_refusal(hook: HookConfig) -> str:
    """Where the address names a host, that of a machine that may be called."""
    _, _, rest = hook.notify.partition("://")
    authority = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
    host = authority.removeprefix("[").partition("]" if authority.startswith("[") else ":")[0]
    with contextlib.suppress(OSError, UnicodeError, ValueError):
        for *_, place in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
            address = ipaddress.ip_address(str(place[0]).partition("%")[0])
            if why := forbidden(address, loopback=hook.loopback):
                return f"not called: its address {why}"
    return ""
