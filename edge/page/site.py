"""The pages and what they ask for. Nothing here knows of cameras, pins or brokers: what changes the
box goes to it over the link, what changes its settings into their file."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from edge import logs
from edge.address import host_of
from edge.config import Config
from edge.history.page import STYLE
from edge.history.report import read_file
from edge.history.store import Unusable
from edge.page import certificate, form, past
from edge.page.box import Away, Box, Looking
from edge.page.doors import COOKIE, Doors, Refusals
from edge.page.hosts import is_ours
from edge.page.login import SESSION_S, Login, Refused
from edge.page.words import Text, Words, chosen, languages
from edge.wire.commands import MAX_PAYLOAD_BYTES

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
FRAME = "frame.html"  # what all pages have around them
PAGES = {
    "/": "page.html",
    "/view": "view.html",
    "/history": "history.html",
    "/teach": "teach.html",
    "/box": "box.html",
    "/settings": "settings.html",
    "/setup": "setup.html",
}
OPEN = {
    "/login": "login.html",
    "/page.css": "page.css",
    "/common.js": "common.js",
    "/page.js": "page.js",
    "/look.js": "look.js",
    "/view.js": "view.js",
    "/teach.js": "teach.js",
    "/box.js": "box.js",
    "/history.js": "history.js",
    "/settings.js": "settings.js",
    "/setup.js": "setup.js",
    "/login.js": "login.js",
}
WORDS = "/words.js"
REPORT = "/report.css"
PUBLIC = frozenset((*OPEN, WORDS, REPORT, "/api/login"))
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
        self._config = config
        self._wall_clock = wall_clock
        self._one_at_a_time = asyncio.Lock()
        self._one_past_at_a_time = asyncio.Lock()
        self.used_s = time.monotonic()
        self.refusals = Refusals()
        host = config().web.host
        self._languages = languages()
        files = {path: self._files(path, name) for path, name in (PAGES | OPEN).items()}
        files[REPORT] = dict.fromkeys(self._languages, Response(STYLE, media_type=KINDS[".css"]))
        files[WORDS] = {
            code: Response(words.script(), media_type=KINDS[".js"])
            for code, words in self._languages.items()
        }
        self._past = {
            code: bytes(each.body).decode() for code, each in files.pop("/history").items()
        }
        routes = [
            *(
                Route(path, self._answering(answers), methods=["GET"])
                for path, answers in files.items()
            ),
            Route("/history", self._looking_back, methods=["GET"]),
            Route("/api/history/{name}", self._history_file, methods=["GET"]),
            Route("/api/erase", self._erase, methods=["POST"]),
            Route("/api/login", self._enter, methods=["GET", "POST"]),
            Route("/api/logout", self._leave, methods=["POST"]),
            Route("/api/password", self._password, methods=["POST"]),
            Route("/api/state", self._state, methods=["GET"]),
            Route("/api/days", self._days, methods=["GET"]),
            Route("/api/look", self._look, methods=["GET"]),
            Route("/api/command/{name}", self._command, methods=["POST"]),
            Route("/api/taught", self._taught, methods=["GET"]),
            Route("/api/taught/file", self._taught_file, methods=["GET"]),
            Route("/api/box", self._of_box, methods=["GET"]),
            Route("/api/settings", self._settings, methods=["GET", "POST"]),
            Route("/api/certificate", self._certificate, methods=["POST"]),
            Route("/api/aim", self._aim, methods=["POST"]),
            Route("/api/play", self._play, methods=["POST"]),
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
                    pages=frozenset(PAGES),
                    refusals=self.refusals,
                )
            ],
            exception_handlers={
                404: _said(404, "there is no such page"),
                405: _said(405, "not like this"),
                Wrong: self._wrong,
                Away: _away,
            },
            max_body_size=MOST_BODY_BYTES,
        )

    # ------------------------------------------------------------ in which language

    def _words(self, request: Request) -> Words:
        return chosen(request.headers.get("accept-language", ""), self._languages)

    def _files(self, path: str, name: str) -> dict[str, Response]:
        """A file of `static` in every language there is."""
        source = (STATIC / name).read_text(encoding="utf-8")
        kind = KINDS[Path(name).suffix]
        if not name.endswith(".html"):
            return dict.fromkeys(self._languages, Response(source, media_type=kind))
        source = framed(source, path)
        return {
            code: Response(words.page(source), media_type=kind)
            for code, words in self._languages.items()
        }

    def _answering(self, answers: Mapping[str, Response]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            answer = answers[self._words(request).language]
            body, headers = bytes(answer.body), {"Vary": "Accept-Language, Accept-Encoding"}
            if "gzip" in re.split(r"\s*,\s*", request.headers.get("accept-encoding", "")):
                body, headers = packed(body), headers | {"Content-Encoding": "gzip"}
            return Response(body, media_type=answer.media_type, headers=headers)

        return endpoint

    async def _wrong(self, request: Request, exc: Exception) -> Response:
        assert isinstance(exc, Wrong)
        headers = {"Connection": "close"} if exc.status == 408 else None
        said = self._words(request).of(exc.args[0])
        return JSONResponse({"error": said}, exc.status, headers)

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
                said = self._words(request).of(exc.args[0])
                return JSONResponse({"error": said}, status, {"Retry-After": f"{exc.wait_s:.0f}"})
            except OSError as exc:
                raise Wrong(Text("the page cannot remember you: {why}", why=exc), 500) from exc
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
                raise Wrong(exc.args[0]) from exc
            except OSError as exc:
                raise Wrong(Text("the password cannot be kept: {why}", why=exc), 500) from exc
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

    def _span(self, request: Request) -> past.Span:
        try:
            return past.Span.asked(request.query_params, self._wall_clock().date())
        except ValueError as exc:
            raise Wrong(exc.args[0]) from None

    async def _looking_back(self, request: Request) -> Response:
        span, words = self._span(request), self._words(request)
        async with self._one_past_at_a_time:
            made = await asyncio.to_thread(
                past.shown,
                self._past[words.language],
                self._history,
                self._config(),
                span,
                now=self._wall_clock(),
                words=words,
            )
        return Response(made, media_type=KINDS[".html"], headers={"Vary": "Accept-Language"})

    async def _history_file(self, request: Request) -> Response:
        name, span, words = request.path_params["name"], self._span(request), self._words(request)
        if name not in past.FILES or self._history is None or not self._history.is_file():
            raise Wrong(Text("there is no such page"), 404)
        parts = partial(
            past.taken_along,
            name,
            self._history,
            self._config(),
            span,
            now=self._wall_clock(),
            words=words,
        )
        file = f"procrastobot-{span.first}-{span.last}-{name}"
        return StreamingResponse(
            past.streamed(parts),
            headers={"Content-Disposition": f'attachment; filename="{file}"'},
            media_type=past.FILES[name],
        )

    async def _look(self, request: Request) -> Response:
        after = request.query_params.get("after", "")
        known = int(after) if after.isdecimal() and len(after) < 12 else -1
        number, body = await self._looking.next(known, LOOK_PATIENCE_S)
        self.used_s = time.monotonic()
        return Response(body, 200, {"X-Number": str(number)}, "application/octet-stream")

    async def _taught(self, _: Request) -> Response:
        return JSONResponse((await self._box.ask({"ask": "taught"}))[0])

    async def _taught_file(self, _: Request) -> Response:
        answer, body = await self._box.ask({"ask": "export"})
        if not body:
            raise Wrong(answer.get("error", ""), 404)
        name = "".join(char for char in str(answer["name"]) if char.isalnum() or char in ".-_")
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(body, headers=headers, media_type="application/octet-stream")

    async def _of_box(self, _: Request) -> Response:
        """Its condition, and the last lines that it and this page have logged."""
        said = [{**asdict(line), "by": "page"} for line in logs.RECENT.lines()]
        try:
            state = await self._box.state()
            told, _picture = await self._box.ask({"ask": "log"})
        except Away:
            state, told = {}, {"lines": []}
        said += [{**line, "by": "box"} for line in told["lines"]]
        return JSONResponse(
            {
                "away": not state,
                "figures": {**state.get("health", {}), "version": state.get("version")},
                "faults": state.get("faults", []),
                "newest": state.get("newest"),
                "lines": sorted(said, key=lambda line: line["at"])[-logs.MOST_LINES :],
            }
        )

    # ------------------------------------------------------------ what is changed

    async def _command(self, request: Request) -> Response:
        payload = await _body(request)
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise Wrong(Text("at most {number} bytes", number=MAX_PAYLOAD_BYTES), 413)
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
            words = self._words(request)
            return JSONResponse(await asyncio.to_thread(form.described, path, words.of))
        given = await _json(request)
        async with self._one_at_a_time:
            saved = await asyncio.to_thread(form.save, path, given.get("changes"))
        if saved.faults:
            say = self._words(request).of
            faults = [{**each, "text": say(each["text"])} for each in saved.faults]
            return JSONResponse({"faults": faults}, 400)
        return JSONResponse({"saved": saved.changed, "notes": saved.notes, **await self._adopted()})

    async def _adopted(self) -> dict[str, Any]:
        """What the box makes of the file as it is now."""
        try:
            return (await self._box.ask({"ask": "adopt"}))[0]
        except Away:
            return {"away": True}

    async def _certificate(self, request: Request) -> Response:
        """Also for the name by which this browser has come."""
        name = host_of(request.headers.get("host", "")) or "localhost"
        async with self._one_at_a_time:
            try:
                made = await asyncio.to_thread(
                    certificate.make,
                    self._configuration,
                    present=self._config().web.cert_file,
                    asked=[name],
                )
            except certificate.NotMade as exc:
                raise Wrong(exc.args[0]) from exc
        log.info("a certificate was made for %s", ", ".join(made.names))
        return JSONResponse({"fingerprint": made.fingerprint, **await self._adopted()})

    async def _aim(self, request: Request) -> Response:
        seconds = AIM_S if (await _json(request)).get("on") is True else 0
        answer, _picture = await self._box.ask({"ask": "aim", "seconds": seconds})
        return JSONResponse(answer, 400 if "error" in answer else 202)

    async def _erase(self, request: Request) -> Response:
        day = (await _json(request)).get("day", "")
        answer, _picture = await self._box.ask({"ask": "erase", "day": day})
        return JSONResponse(answer, 400 if "error" in answer else 202)

    async def _play(self, request: Request) -> Response:
        given = await _json(request)
        asked = {"ask": "play", "tune": _text(given, "tune"), "loud": given.get("loud") is True}
        answer, _picture = await self._box.ask(asked)
        return JSONResponse(answer, 400 if "error" in answer else 202)

    async def _restart(self, _: Request) -> Response:
        answer, _picture = await self._box.ask({"ask": "restart"})
        return JSONResponse(answer, 400 if "error" in answer else 202)


# ---------------------------------------------------------------- small things


@cache
def packed(body: bytes) -> bytes:
    """One of the files, which are few."""
    return gzip.compress(body, mtime=0)


def framed(source: str, path: str) -> str:
    """A page of `static` with what all of them have: `source` is what is its own of head and body,
    `path` where it is found."""
    frame = (STATIC / FRAME).read_text(encoding="utf-8")
    if path in PAGES and path != "/history":  # whose content is in it
        frame = frame.replace("<body>", '<body class="waiting">')
    if path not in PAGES:  # who is not logged in has nowhere to go
        frame = re.sub(r"  <nav.*(?=</header>)", "", frame, flags=re.DOTALL)
    head, main, body = source.partition("<main>")
    frame = frame.replace("</head>", f"{head}</head>").replace("<main></main>\n", main + body)
    return frame.replace(f'href="{path}">', f'href="{path}" aria-current="page">', 1)


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


async def _away(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": "the box does not answer", "away": True}, 503)
