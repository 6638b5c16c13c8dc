"""The local page: what the box is doing, today and the last days, and its controls. No picture.

A small HTTP server in threads of its own; the loop only leaves the newest state with it, and
commands come back through the inbox, understood by the same parser as those of MQTT.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import ipaddress
import json
import logging
import re
import socket
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from edge.address import host_of, reachable, url
from edge.config import Config
from edge.domain import EventType, Happening, State
from edge.history.report import read_file
from edge.history.store import Unusable
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
# The unit has 64 tasks for the whole box: no neighbour may take them. Who has the most connections
# open loses the oldest of them to whoever comes next.
MOST_CONNECTIONS = 8
MOST_FROM_ONE = 6  # browsers open so many to one host
RETRY_S = 5.0  # from one attempt to listen to the next: an address may come late
# A header that no form and no image of another site can send: a page elsewhere cannot press our
# buttons through its reader's browser (cross-site request forgery).
ASKED_FOR = "X-Procrastobot"
TIMEOUT_S = 10.0  # from the beginning of a connection to its end, however it drips
# "data:" is the empty icon of the page, without which browsers ask for a file.
# What routers call their home network; RFC 8375 and RFC 6762 have the first two.
HOME_DOMAINS = frozenset(
    ("home.arpa", "local", "lan", "home", "internal", "localdomain", "fritz.box", "speedport.ip")
)
POLICY = (
    "default-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


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
        """Listens at once; where that fails, again and again until it can."""
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
        self._server: _Server | None = None
        self._why = ""
        self._closing = threading.Event()
        self._listen()
        self._thread = threading.Thread(target=self._serve, name="page", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int | None:
        """Where it listens; None: it does not yet."""
        return None if self._server is None else int(self._server.server_address[1])

    def _serve(self) -> None:
        said = ""
        while self._server is None:
            if self._why != said:
                said = self._why
                log.warning("%s; it is tried again every %g s", said, RETRY_S)
            if self._closing.wait(RETRY_S):
                return
            self._listen()
        self._server.serve_forever(0.2)

    def _listen(self) -> None:
        web = self._config.web
        try:
            self._server = _Server((web.host, web.port), _handler_for(self))
        except OSError as exc:
            where = url("http", web.host, web.port)
            self._why = f"the page cannot be served at {where} ({exc.strerror or exc})"
            return
        log.info("page: %s", " or ".join(reachable(web.host, self._server.server_address[1])))

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
        self._closing.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.close_all()
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
        first = today.date() - timedelta(days=DAYS - 1)
        try:
            return read_file(self._history, first, today.date(), now=today).as_json()
        except Unusable as exc:
            return {"days": [], "why": str(exc)}

    def file(self, path: str) -> tuple[bytes, str] | None:
        return self._files.get(path)

    def command(self, name: str, payload: bytes) -> str:
        """Leave a command in the inbox; returns why not, empty when it is left."""
        found = understand(name, payload, self._vocabulary)
        if isinstance(found, Refusal):
            return found.reason
        self._inbox.put(found)
        return ""

    def may_ask(self, authority: str) -> bool:
        """Whether the name in the request is one of ours: a foreign name that resolves to this
        box (DNS rebinding) would let a page elsewhere read us."""
        name = host_of(authority)
        if name is None:
            return False
        own = socket.gethostname().lower().partition(".")[0]
        if name in ("localhost", own, self._config.web.host.lower()):
            return True
        first, _, domain = name.partition(".")
        if name.endswith(".localhost") or (first == own and domain in HOME_DOMAINS):
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
    """A bounded number of connections, each for a bounded time."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 16

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self._slots = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._lock = threading.Lock()
        self._open: dict[socket.socket, tuple[str, float]] = {}  # the oldest first
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # Without HTTPServer's look-up of the name, which can take the resolver's patience.
        socketserver.TCPServer.server_bind(self)
        self.server_name = str(self.server_address[0])
        self.server_port = int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        self._make_room(client_address[0])
        if not self._slots.acquire(timeout=1):
            self.shutdown_request(request)
            return
        with self._lock:
            self._open[request] = (client_address[0], time.monotonic())
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread to be had
            self._forget(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._forget(request)

    def service_actions(self) -> None:
        """Every 0.2 s: a connection that is too old ends, whatever it waits for."""
        oldest_s = time.monotonic() - TIMEOUT_S
        with self._lock:
            for request, (_, since_s) in self._open.items():
                if since_s < oldest_s:
                    _hang_up(request)

    def close_all(self) -> None:
        self.server_close()
        with self._lock:
            for request in self._open:
                _hang_up(request)

    def handle_error(self, request: object, client_address: object) -> None:
        log.debug("a request of %s broke off", client_address, exc_info=True)

    def _make_room(self, client: str) -> None:
        with self._lock:
            count = Counter(host for host, _ in self._open.values())
            if count[client] >= MOST_FROM_ONE:
                greedy = client
            elif len(self._open) >= MOST_CONNECTIONS:
                greedy = count.most_common(1)[0][0]
            else:
                return
            _hang_up(next(each for each, (host, _) in self._open.items() if host == greedy))

    def _forget(self, request: socket.socket) -> None:
        with self._lock:
            del self._open[request]
        self._slots.release()


def _hang_up(request: socket.socket) -> None:
    """Its thread wakes up, and closes it."""
    with contextlib.suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


def _handler_for(page: Page) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_S
        server_version = "procrastobot"
        sys_version = ""

        def do_GET(self) -> None:
            if not self._admitted():
                return
            path = self._target()[1]
            if path == "/api/state":
                self._answer_json(HTTPStatus.OK, page.state())
            elif path == "/api/days":
                self._answer_json(HTTPStatus.OK, page.days())
            elif (file := page.file(path)) is not None:
                self._answer(HTTPStatus.OK, *file)
            else:
                self._answer_json(HTTPStatus.NOT_FOUND, {"error": "there is no such page"})

        def do_POST(self) -> None:
            if not self._admitted():
                return
            prefix, _, name = self._target()[1].rpartition("/")
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

        def _target(self) -> tuple[str, str]:
            """(host and port, path) that are asked for. A target in absolute form, as for a proxy,
            names its host itself (RFC 9112, 3.2.2); two different hosts are none."""
            path = self.path.partition("#")[0].partition("?")[0]
            absolute = re.match(r"https?://([^/]*)(/?.*)", path, re.IGNORECASE)
            if absolute:
                return absolute[1], absolute[2] or "/"
            hosts = self.headers.get_all("Host", [""])
            return hosts[0] if len(hosts) == 1 else "", path

        def _admitted(self) -> bool:
            if not page.may_ask(self._target()[0]):
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
            if not re.fullmatch("[0-9]{1,9}", length) or int(length) > MAX_PAYLOAD_BYTES:
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
            # Not at INFO: the page asks every second. Not what was asked: it may hold a password.
            log.debug("%s asks", self.client_address[0])

    return Handler
