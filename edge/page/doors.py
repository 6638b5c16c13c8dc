"""What every request passes: a name of this box, no other site behind it, and a session."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.address import host_of
from edge.wire.commands import printable

log = logging.getLogger(__name__)

COOKIE = "procrastobot"
# A header that no form and no image of another site can send, whatever a browser thinks of cookies.
ASKED_FOR = "x-procrastobot"
SAY_EVERY_S = 60.0
# What the page itself never asks for, by the status that it gets.
TOLD = {
    404: "asks for what is not there",
    405: "asks in a way that nothing is asked",
    408: "began what it did not end",
    413: "sends more than anything here takes",
}
HEADERS = {
    # "data:" is the empty icon of the page, without which browsers ask for a file; "blob:" are the
    # pictures of the live view.
    "Content-Security-Policy": (
        "default-src 'self'; img-src data: blob:; frame-ancestors 'none'; base-uri 'none';"
        " form-action 'self'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Refusals:
    """In the log, once a minute for each: who knocks all day must not fill it."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._said: dict[str, float] = {}

    def say(self, client: str, what: str) -> None:
        now_s = self._clock_s()
        if now_s - self._said.get(client, float("-inf")) >= SAY_EVERY_S:
            if len(self._said) > 256:
                self._said.clear()
            self._said[client] = now_s
            log.warning("refused: %s %s", client, what)


class Doors:
    """ASGI middleware around the whole site."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        is_ours: Callable[[str], bool],
        knows: Callable[[str], bool],
        public: frozenset[str],
        pages: frozenset[str],
        refusals: Refusals,
    ) -> None:
        """`public`: the paths that need no session; `pages`: from where a stranger is led to the
        login."""
        self._app = app
        self._is_ours = is_ours
        self._knows = knows
        self._public = public
        self._pages = pages
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                if (why := TOLD.get(message["status"])) is not None:
                    # A whole address instead of a path may hold a password.
                    path = scope["path"] if scope["path"].startswith("/") else "an address"
                    asked = f"{scope['method']} {printable(path)}"
                    self._refusals.say(_client(scope), f"{why} ({asked})")
                headers = MutableHeaders(scope=message)
                headers.setdefault("Cache-Control", "no-store")
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        answer = self._stops(scope) or self._app
        await answer(scope, receive, guarded)

    def _stops(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        client = _client(scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            self._refusals.say(
                client, f"asks for {printable(' '.join(hosts))!r}, which is no name of this box"
            )
            return JSONResponse({"error": "not a name of this box"}, 421)
        changes = scope["method"] not in ("GET", "HEAD")
        if changes and (why := _foreign(headers, hosts[0])):
            self._refusals.say(client, why)
            return JSONResponse({"error": "not from this page"}, 403)
        path = scope["path"]
        token = Request(scope).cookies.get(COOKIE, "")
        if path in self._public or self._knows(token):
            return None
        if token:
            self._refusals.say(client, "comes with a session that is none, or is over")
        if changes or path.startswith("/api/"):
            return JSONResponse({"error": "log in first"}, 401)
        # What is not there is not there for anybody.
        return RedirectResponse("/login", 303) if path in self._pages else None


def _client(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else "somebody"


def _foreign(headers: Headers, host: str) -> str:
    """Why a request that changes something is not from the page itself; empty: it is."""
    if ASKED_FOR not in headers:
        return "sends what the page would not send"
    site = headers.get("sec-fetch-site", "same-origin")
    if site not in ("same-origin", "none"):
        return f"sends from another site ({printable(site)})"
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return f"sends from {printable(host_of(urlsplit(origin).netloc) or 'nowhere')}"
    return ""
