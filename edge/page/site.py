"""The pages and what they ask for. Nothing here knows of cameras, pins or brokers: what changes the
box goes to it over the link, what changes its settings into their file."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.config import Config
from edge.history.report import read_file
from edge.history.store import Unusable
from edge.page import form
from edge.page.box import Away, Box, Looking
from edge.page.doors import COOKIE, Doors
from edge.page.hosts import is_ours
from edge.page.login import SESSION_S, Login, Refused
from edge.wire.commands import MAX_PAYLOAD_BYTES

STATIC = Path(__file__).parent / "static"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
PAGES = {
    "/": "page.html",
    "/view": "view.html",
    "/settings": "settings.html",
    "/setup": "setup.html",
}
OPEN = {
    "/login": "login.html",
    "/page.css": "page.css",
    "/common.js": "common.js",
    "/page.js": "page.js",
    "/view.js": "view.js",
    "/settings.js": "settings.js",
    "/setup.js": "setup.js",
    "/login.js": "login.js",
}
PUBLIC = frozenset((*OPEN, "/api/login"))
DAYS = 7
MOST_BODY_BYTES = 64 * 1024
BODY_PATIENCE_S = 10.0
LOOK_PATIENCE_S = 10.0
AIM_S = 120


class Wrong(Exception):
    """A request that cannot be answered; the text says why."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


class Site:
    """`config` is read anew by whoever needs it: the file may be edited by hand meanwhile."""

    def __init__(
        self,
        *,
        login: Login,
        box: Box,
        configuration: Path | None,
        config: Callable[[], Config],
        history: Path | None,
        wall_clock: Callable[[], datetime],
    ) -> None:
        self._login = login
        self._box = box
        self._looking = Looking(box)
        self._configuration = configuration
        self._history = history
        self._wall_clock = wall_clock
        self._one_at_a_time = asyncio.Lock()
        self.used_s = time.monotonic()
        host = config().web.host
        files = {path: _file(name) for path, name in (PAGES | OPEN).items()}
        routes = [
            *(Route(path, _answering(answer), methods=["GET"]) for path, answer in files.items()),
            Route("/api/login", self._enter, methods=["GET", "POST"]),
            Route("/api/logout", self._leave, methods=["POST"]),
            Route("/api/password", self._password, methods=["POST"]),
            Route("/api/state", self._state, methods=["GET"]),
            Route("/api/days", self._days, methods=["GET"]),
            Route("/api/look", self._look, methods=["GET"]),
            Route("/api/command/{name}", self._command, methods=["POST"]),
            Route("/api/settings", self._settings, methods=["GET", "POST"]),
            Route("/api/aim", self._aim, methods=["POST"]),
            Route("/api/restart", self._restart, methods=["POST"]),
        ]
        self.app = Starlette(
            routes=routes,
            middleware=[
                Middleware(
                    Doors,
                    is_ours=lambda name: is_ours(name, host),
                    knows=self._knows,
                    public=PUBLIC,
                )
            ],
            exception_handlers={
                404: _said(404, "there is no such page"),
                405: _said(405, "not like this"),
                Wrong: _wrong,
                Away: _away,
            },
            max_body_size=MOST_BODY_BYTES,
        )

    def _knows(self, token: str) -> bool:
        self.used_s = time.monotonic()
        return self._login.knows(token)

    # ------------------------------------------------------------ who may look

    async def _enter(self, request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse({"code": self._login.wants_code})
        given = _text(await _json(request), "given")
        client = request.client.host if request.client else ""
        first = self._login.wants_code
        async with self._one_at_a_time:  # 16 MiB each
            try:
                token = await asyncio.to_thread(self._login.enter, given, client)
            except Refused as exc:
                status = 429 if exc.wait_s else 403
                return JSONResponse(
                    {"error": str(exc)}, status, {"Retry-After": f"{exc.wait_s:.0f}"}
                )
            except OSError as exc:
                raise Wrong(f"the page cannot remember you: {exc}", 500) from exc
        answer = JSONResponse({"first": first})
        answer.set_cookie(
            COOKIE,
            token,
            max_age=int(SESSION_S),
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return answer

    async def _leave(self, request: Request) -> Response:
        self._login.leave(request.cookies.get(COOKIE, ""))
        answer = JSONResponse({})
        answer.delete_cookie(COOKIE)
        return answer

    async def _password(self, request: Request) -> Response:
        new = _text(await _json(request), "new")
        token = request.cookies.get(COOKIE, "")
        async with self._one_at_a_time:
            try:
                await asyncio.to_thread(self._login.set_password, new, token)
            except Refused as exc:
                raise Wrong(str(exc)) from exc
            except OSError as exc:
                raise Wrong(f"the password cannot be kept: {exc}", 500) from exc
        return JSONResponse({})

    # ------------------------------------------------------------ what is so

    async def _state(self, _: Request) -> Response:
        return JSONResponse(await self._box.state())

    async def _days(self, _: Request) -> Response:
        """The last days of the history; none where it is not kept or cannot be read now."""
        if self._history is None:
            return JSONResponse({"days": []})
        today = self._wall_clock()
        first = today.date() - timedelta(days=DAYS - 1)
        try:
            report = await asyncio.to_thread(
                read_file, self._history, first, today.date(), now=today
            )
        except Unusable as exc:
            return JSONResponse({"days": [], "why": str(exc)})
        return JSONResponse(report.as_json())

    async def _look(self, request: Request) -> Response:
        after = request.query_params.get("after", "")
        known = int(after) if after.isdecimal() and len(after) < 12 else -1
        number, body = await self._looking.next(known, LOOK_PATIENCE_S)
        self.used_s = time.monotonic()
        return Response(body, 200, {"X-Number": str(number)}, "application/octet-stream")

    # ------------------------------------------------------------ what is changed

    async def _command(self, request: Request) -> Response:
        payload = await _body(request)
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise Wrong(f"at most {MAX_PAYLOAD_BYTES} bytes", 413)
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            raise Wrong("not UTF-8 text") from None
        name = request.path_params["name"]
        answer, _ = await self._box.ask({"ask": "command", "name": name, "payload": text})
        return JSONResponse(answer, 400 if "error" in answer else 202)

    async def _settings(self, request: Request) -> Response:
        path = self._configuration
        if request.method == "GET":
            return JSONResponse(await asyncio.to_thread(form.described, path))
        given = await _json(request)
        async with self._one_at_a_time:
            saved = await asyncio.to_thread(form.save, path, given.get("changes"))
        if saved.faults:
            return JSONResponse({"faults": saved.faults}, 400)
        try:
            answer, _ = await self._box.ask({"ask": "adopt"})
        except Away:
            answer = {"away": True}
        return JSONResponse({"saved": saved.changed, "notes": saved.notes, **answer})

    async def _aim(self, request: Request) -> Response:
        seconds = AIM_S if (await _json(request)).get("on") is True else 0
        answer, _picture = await self._box.ask({"ask": "aim", "seconds": seconds})
        return JSONResponse(answer, 400 if "error" in answer else 202)

    async def _restart(self, _: Request) -> Response:
        answer, _picture = await self._box.ask({"ask": "restart"})
        return JSONResponse(answer, 400 if "error" in answer else 202)


# ---------------------------------------------------------------- small things


def _file(name: str) -> Response:
    path = STATIC / name
    return Response(path.read_bytes(), media_type=KINDS[path.suffix])


def _answering(answer: Response) -> Callable[[Request], Any]:
    async def endpoint(_: Request) -> Response:
        return Response(answer.body, media_type=answer.media_type, headers=dict(answer.headers))

    return endpoint


async def _body(request: Request) -> bytes:
    """Raises Wrong for one that does not come; its length is limited by the library."""
    try:
        async with asyncio.timeout(BODY_PATIENCE_S):
            return await request.body()
    except TimeoutError:
        raise Wrong("the rest did not come", 408) from None


async def _json(request: Request) -> dict[str, Any]:
    try:
        value = json.loads(await _body(request))
    except (ValueError, RecursionError):
        raise Wrong("not valid JSON") from None
    if not isinstance(value, dict):
        raise Wrong("an object is wanted")
    return value


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str):
        raise Wrong(f"{name} is missing")
    return value


# Coroutines: of a plain function each call takes a thread of the library's, of up to 40, and the
# unit allows few.
def _said(status: int, text: str) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handler(_: Request, __: Exception) -> Response:
        return JSONResponse({"error": text}, status)

    return handler


async def _wrong(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, Wrong)
    headers = {"Connection": "close"} if exc.status == 408 else None
    return JSONResponse({"error": str(exc)}, exc.status, headers)


async def _away(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": "the box does not answer", "away": True}, 503)
