"""The local page: what the box is doing, today and the last days, and its controls. No picture.

A small HTTP server in threads of its own; the loop only leaves the newest state with it, and
commands come back through the inbox, understood by the same parser as those of MQTT.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import json
import logging
import socket
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from edge.config import Config
from edge.domain import EventType, Happening, State
from edge.history.report import read
from edge.history.store import Unusable, open_for_reading
from edge.ports import Inbox
from edge.wire.commands import MAX_PAYLOAD_BYTES, Refusal, Vocabulary, understand
from edge.wire.state import WallTime, state_payload

log = logging.getLogger(__name__)

FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
DAYS = 7
# A header that no form and no image of another site can send: a page elsewhere cannot press our
# buttons through its reader's browser (cross-site request forgery).
ASKED_FOR = "X-Procrastobot"
TIMEOUT_S = 10
# "data:" is the empty icon of the page, without which browsers ask for a file.
POLICY = (
    "default-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


class PageFailed(Exception):
    """The page cannot be served; the text says why."""


class Page:
    """A `Viewer`: shows the state that was published last, and the last command refused."""

    def __init__(
        self,
        config: Config,
        *,
        inbox: Inbox,
        history: Path | None,
        wall_clock: Callable[[], datetime],
    ) -> None:
        """Listens at once. Raises PageFailed."""
        self._config = config
        self._inbox = inbox
        self._history = history
        self._wall_clock = wall_clock
        self._state: dict[str, Any] = {}
        self._refused: dict[str, Any] = {"number": 0, "why": ""}
        self._vocabulary = Vocabulary.of(config)
        self._files = {
            path: ((Path(__file__).parent / name).read_bytes(), kind)
            for path, (name, kind) in FILES.items()
        }
        address = (config.web.host, config.web.port)
        try:
            self._server = _Server(address, _handler_for(self))
        except (OSError, OverflowError) as exc:
            text = f"the page cannot be served at {address[0]}:{address[1]}: {exc}"
            raise PageFailed(text) from exc
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="page", daemon=True, args=(0.2,)
        )
        self._thread.start()
        log.info("page: http://%s:%s/", config.web.host, self.port)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def publish(self, state: State) -> None:
        wall = WallTime(state.at_s, self._wall_clock())
        shown = state_payload(state, self._config, wall)
        shown["box"] = self._config.box.name
        shown["modes"] = sorted(self._config.modes)
        shown["learnt"] = [
            {"number": entry.number, "seat": entry.seat, "times": entry.times}
            for entry in state.look_alikes
        ]
        self._state = shown  # one assignment: readers see the old or the new

    def tell(self, happening: Happening) -> None:
        # What a click asks for is refused by the loop, when the click has long been answered.
        if happening.type is EventType.REFUSED:
            number = self._refused["number"] + 1
            self._refused = {"number": number, "why": str(happening.details.get("why", ""))}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    # ------------------------------------------------------------ what the handlers ask

    def state(self) -> dict[str, Any]:
        now = self._wall_clock().isoformat(timespec="milliseconds")
        return self._state | {"now": now, "refused": self._refused}

    def days(self) -> dict[str, Any]:
        """The last days of the history; none where it is not kept or cannot be read now."""
        if self._history is None:
            return {"days": []}
        today = self._wall_clock()
        try:
            store = open_for_reading(self._history)
        except Unusable as exc:
            return {"days": [], "why": str(exc)}
        try:
            first = today.date() - timedelta(days=DAYS - 1)
            return read(store, first, today.date(), zone=today.tzinfo).as_json()
        finally:
            store.close()

    def file(self, path: str) -> tuple[bytes, str] | None:
        return self._files.get(path)

    def command(self, name: str, payload: bytes) -> str:
        """Leave a command in the inbox; returns why not, empty when it is left."""
        found = understand(name, payload, self._vocabulary)
        if isinstance(found, Refusal):
            return found.reason
        self._inbox.put(found)
        return ""

    def may_ask(self, host: str) -> bool:
        """Whether the name in the request is one of ours: a foreign name that resolves to this
        box (DNS rebinding) would let a page elsewhere read us."""
        name = host.rsplit(":", 1)[0].strip("[]").lower() if host else ""
        if name in ("localhost", self._config.web.host.lower()):
            return True
        own = socket.gethostname().lower()
        if name in (own, f"{own}.local", f"{own}.lan", f"{own}.home", f"{own}.fritz.box"):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def is_owner(self, authorization: str) -> bool:
        """Whether the request carries the password, where one is set."""
        wanted = self._config.web.password
        if not wanted:
            return True
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(encoded, validate=True).partition(b":")[2]
        except ValueError:
            return False
        return hmac.compare_digest(given, wanted.encode())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 16

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def handle_error(self, request: object, client_address: object) -> None:
        log.debug("a request of %s broke off", client_address, exc_info=True)


def _handler_for(page: Page) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_S
        server_version = "procrastobot"
        sys_version = ""

        def do_GET(self) -> None:
            if not self._admitted():
                return
            if self.path == "/api/state":
                self._answer_json(HTTPStatus.OK, page.state())
            elif self.path == "/api/days":
                self._answer_json(HTTPStatus.OK, page.days())
            elif (file := page.file(self.path)) is not None:
                self._answer(HTTPStatus.OK, *file)
            else:
                self._answer_json(HTTPStatus.NOT_FOUND, {"error": "there is no such page"})

        def do_POST(self) -> None:
            if not self._admitted():
                return
            prefix, _, name = self.path.rpartition("/")
            if prefix != "/api/command":
                self._answer_json(HTTPStatus.NOT_FOUND, {"error": "there is no such page"})
            elif ASKED_FOR not in self.headers:
                self._answer_json(HTTPStatus.FORBIDDEN, {"error": f"{ASKED_FOR} is missing"})
            elif (payload := self._payload()) is None:
                self._answer_json(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    {"error": f"at most {MAX_PAYLOAD_BYTES} bytes"},
                )
            elif refused := page.command(name, payload):
                self._answer_json(HTTPStatus.BAD_REQUEST, {"error": refused})
            else:
                self._answer_json(HTTPStatus.ACCEPTED, {"accepted": name})

        def _admitted(self) -> bool:
            if not page.may_ask(self.headers.get("Host", "")):
                self._answer_json(
                    HTTPStatus.MISDIRECTED_REQUEST, {"error": "not a name of this box"}
                )
                return False
            if not page.is_owner(self.headers.get("Authorization", "")):
                self._answer(
                    HTTPStatus.UNAUTHORIZED,
                    b'{"error": "password wanted"}',
                    "application/json",
                    **{"WWW-Authenticate": 'Basic realm="Procrastobot", charset="UTF-8"'},
                )
                return False
            return True

        def _payload(self) -> bytes | None:
            """The body; None when it is too long, or of a length that nobody knows."""
            length = self.headers.get("Content-Length", "")
            if not length.isdigit() or int(length) > MAX_PAYLOAD_BYTES:
                return None
            return self.rfile.read(int(length))

        def _answer_json(self, status: HTTPStatus, value: dict[str, Any]) -> None:
            body = json.dumps(value, ensure_ascii=False).encode()
            self._answer(status, body, "application/json; charset=utf-8")

        def _answer(self, status: HTTPStatus, body: bytes, kind: str, **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Security-Policy", POLICY)
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Referrer-Policy", "no-referrer")
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            # Not at INFO: the page asks every second.
            log.debug(format, *args)

    return Handler
