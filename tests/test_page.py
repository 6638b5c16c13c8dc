"""The local page, asked over real HTTP."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge import decide
from edge.address import reachable
from edge.config import Config, WebConfig
from edge.domain import EventType, Happening, Mute, NotAPhone, SessionAction, SetSession
from edge.inbox import CommandInbox
from edge.web import server
from edge.web.server import MOST_CONNECTIONS, Page

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ASKED = {"X-Procrastobot": "1"}


def open_page(inbox: CommandInbox, *, history: Path | None = None, **web) -> Page:
    config = Config(web=WebConfig(enabled=True, port=0, **web))
    page = Page(config, inbox=inbox, history=history, wall_clock=lambda: NOON)
    state = decide.start(config, at_s=5.0)
    state = decide.obey(
        state, SetSession(SessionAction.START), at_s=5.0, config=config, minute_of_day=720
    )
    page.publish(state)
    return page


@pytest.fixture
def inbox() -> CommandInbox:
    return CommandInbox()


@pytest.fixture
def page(inbox: CommandInbox) -> Iterator[Page]:
    opened = open_page(inbox)
    yield opened
    opened.close()


def ask(page: Page, method: str, path: str, body: bytes = b"", **headers: str):
    """(status, headers, body) of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, names)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, dict(answer.headers), content


def test_the_page_shows_the_state_without_anything_from_elsewhere(page):
    status, headers, body = ask(page, "GET", "/")
    assert status == 200
    assert b"http://" not in body
    assert b"https://" not in body
    assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    for path in ("/page.css", "/page.js"):
        assert ask(page, "GET", path)[0] == 200
    state = json.loads(ask(page, "GET", "/api/state")[2])
    assert state["session"] == "focus"
    assert state["until"] == "2026-11-23T12:25:00+00:00"
    assert state["modes"] == ["gentle", "light-only", "strict"]


def test_no_file_but_its_own_is_served(page):
    for path in (
        "/../server.py",
        "/server.py",
        "/%2e%2e/config.py",
        "/api/",
        "/api/x",
    ):
        assert ask(page, "GET", path)[0] == 404


@pytest.mark.parametrize(
    ("name", "payload", "command"),
    [
        ("session", b"pause", SetSession(SessionAction.PAUSE)),
        ("mute", b"on", Mute(on=True)),
        ("not_a_phone", b"", NotAPhone()),
    ],
)
def test_a_click_leaves_a_command_in_the_inbox(page, inbox, name, payload, command):
    status, _, _ = ask(page, "POST", f"/api/command/{name}", payload, **ASKED)
    assert status == 202
    assert inbox.drain() == [command]


@pytest.mark.parametrize(
    ("path", "payload", "headers", "status"),
    [
        pytest.param("/api/command/session", b"dance", ASKED, 400, id="no such action"),
        pytest.param("/api/command/reboot", b"", ASKED, 400, id="no such command"),
        pytest.param("/api/command/session", b"x" * 5000, ASKED, 413, id="too long"),
        pytest.param("/api/command/session", b"stop", {}, 403, id="from a form elsewhere"),
        pytest.param("/api/commands", b"stop", ASKED, 404, id="no such page"),
        pytest.param(
            "/api/command/session", b"stop", ASKED | {"Host": "evil.example"}, 421, id="rebinding"
        ),
    ],
)
def test_what_is_refused_changes_nothing(page, inbox, path, payload, headers, status):
    assert ask(page, "POST", path, payload, **headers)[0] == status
    assert inbox.drain() == []


def test_a_command_that_the_loop_refuses_is_shown_with_the_reason(page):
    def refused():
        return json.loads(ask(page, "GET", "/api/state")[2])["refused"]

    assert refused() == {"number": 0, "why": ""}
    page.tell(Happening(EventType.PAUSE, 5.0))
    assert refused() == {"number": 0, "why": ""}
    page.tell(Happening(EventType.REFUSED, 5.0, None, {"command": "pause", "why": "no pause"}))
    assert refused() == {"number": 1, "why": "no pause"}


def test_a_foreign_name_does_not_read_the_state_either(page):
    assert ask(page, "GET", "/api/state", Host="evil.example")[0] == 421
    assert ask(page, "GET", "/api/state", Host="192.168.7.9:8080")[0] == 200
    assert ask(page, "GET", "/api/state", Host="[::1]:8080")[0] == 200


def test_a_page_with_a_password_wants_it_for_everything(inbox):
    page = open_page(inbox, password="open sesame")
    right = "Basic " + base64.b64encode(b"me:open sesame").decode()
    wrong = "Basic " + base64.b64encode(b"me:open").decode()
    for given, status in ((None, 401), (wrong, 401), ("Basic !", 401), (right, 200)):
        headers = {"Authorization": given} if given else {}
        assert ask(page, "GET", "/api/state", **headers)[0] == status
    assert ask(page, "POST", "/api/command/session", b"stop", **ASKED)[0] == 401
    assert inbox.drain() == []
    page.close()


def test_days_come_from_the_history_and_a_missing_one_is_said(inbox, page, tmp_path):
    assert json.loads(ask(page, "GET", "/api/days")[2]) == {"days": []}
    lost = open_page(inbox, history=tmp_path / "none.db")
    answer = json.loads(ask(lost, "GET", "/api/days")[2])
    assert answer["days"] == []
    assert "none.db" in answer["why"]
    lost.close()


def until(wanted, patience_s: float = 20.0) -> None:
    deadline = time.monotonic() + patience_s
    while not wanted():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_an_address_in_use_is_said_and_listened_on_once_it_is_free(
    page, inbox, monkeypatch, caplog
):
    monkeypatch.setattr(server, "RETRY_S", 0.05)
    config = replace(Config(), web=WebConfig(enabled=True, port=page.port))
    late = Page(config, inbox=inbox, history=None, wall_clock=lambda: NOON)
    assert late.port is None
    until(lambda: "cannot be served at http://127.0.0.1:" in caplog.text)
    port = page.port
    page.close()
    until(lambda: late.port == port)
    assert ask(late, "GET", "/")[0] == 200
    assert caplog.text.count("cannot be served") == 1, "said once, tried often"
    late.close()


def test_an_address_that_is_not_there_yet_stops_nothing(inbox, monkeypatch):
    monkeypatch.setattr(server, "RETRY_S", 0.05)
    for host in ("192.0.2.7", "no-such-host.invalid", "2001:db8::7"):
        config = replace(Config(), web=WebConfig(enabled=True, host=host, password="x"))
        page = Page(config, inbox=inbox, history=None, wall_clock=lambda: NOON)
        assert page.port is None
        page.close()


def page_threads() -> int:
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())


def test_half_open_connections_take_a_bounded_number_of_threads_and_lock_nobody_out(page):
    held = []
    for _ in range(60):
        each = socket.create_connection(("127.0.0.1", page.port))
        each.sendall(b"GET / HTTP/1.1\r\nX-a: b")
        held.append(each)
    assert page_threads() <= MOST_CONNECTIONS
    for _ in range(3):
        assert ask(page, "GET", "/")[0] == 200, "whoever asks in earnest is answered"
    assert page_threads() <= MOST_CONNECTIONS
    for each in held:
        each.close()


def test_a_request_that_drips_ends_all_the_same(inbox, monkeypatch):
    monkeypatch.setattr(server, "TIMEOUT_S", 0.3)
    page = open_page(inbox)
    began_s = time.monotonic()
    with socket.create_connection(("127.0.0.1", page.port)) as dripping:
        dripping.sendall(b"GET / HTTP/1.1\r\n")
        dripping.settimeout(0.05)
        while True:
            try:
                dripping.sendall(b"X: y\r\n")
                if not dripping.recv(1):
                    break
            except TimeoutError:
                assert time.monotonic() < began_s + 20, "a header for each time-out held it open"
            except OSError:
                break
    until(lambda: page_threads() == 0)
    page.close()


def test_a_body_that_does_not_come_holds_nothing(inbox, monkeypatch):
    monkeypatch.setattr(server, "TIMEOUT_S", 0.3)
    page = open_page(inbox)
    with socket.create_connection(("127.0.0.1", page.port)) as waiting:
        waiting.sendall(
            b"POST /api/command/session HTTP/1.1\r\nHost: localhost\r\nX-Procrastobot: 1\r\n"
            b"Content-Length: 5\r\n\r\nst"
        )
        until(lambda: page_threads() == 1)
        until(lambda: page_threads() == 0)
    assert inbox.drain() == []
    page.close()


def raw(page: Page, request: str) -> int:
    """The status that a request gets, sent as it is written."""
    with socket.create_connection(("127.0.0.1", page.port), timeout=10) as connection:
        connection.sendall(request.encode())
        answer = connection.makefile("rb").read()
    return int(answer.split()[1])


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("{own}", 200),
        ("{OWN}", 200),
        ("{own}:8080", 200),
        ("{own}.", 200),
        ("{own}.local", 200),
        ("{own}.local.:8080", 200),
        ("{own}.LAN", 200),
        ("{own}.home.arpa", 200),
        ("localhost", 200),
        ("LOCALHOST.:80", 200),
        ("box.localhost:8080", 200),
        ("127.0.0.1", 200),
        ("192.168.7.9:8080", 200),
        ("[::1]", 200),
        ("[::1]:8080", 200),
        ("[FD00::5]:8080", 200),
        ("[fe80::1%25eth0]", 200),
        ("evil.example", 421),
        ("{own}.evil.example", 421),
        ("{own}.local.evil.example", 421),
        ("localhost.evil.example", 421),
        ("evil.example:127.0.0.1", 421),
        ("127.0.0.1.evil.example", 421),
        ("[::1].evil.example", 421),
        ("evil.example@127.0.0.1", 421),
        ("", 421),
        ("::1", 421),
    ],
)
def test_a_host_is_known_in_every_form_that_browsers_send(page, host, status):
    own = socket.gethostname().partition(".")[0].lower()
    host = host.format(own=own, OWN=own.upper())
    assert raw(page, f"GET /api/state HTTP/1.1\r\nHost: {host}\r\n\r\n") == status
    absolute = f"GET http://{host}/api/state HTTP/1.1\r\nHost: ignored.example\r\n\r\n"
    assert raw(page, absolute) == status


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET /?from=bookmark HTTP/1.1\r\nHost: localhost", 200),
        ("GET http://localhost HTTP/1.1\r\nHost: localhost", 200),
        ("GET /page.css?v=2 HTTP/1.1\r\nHost: localhost", 200),
        ("GET / HTTP/1.0", 421),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example", 421),
        ("GET http://evil.example/ HTTP/1.1\r\nHost: localhost", 421),
        ("GET //evil.example/ HTTP/1.1\r\nHost: localhost", 404),
        ("GET localhost HTTP/1.1\r\nHost: localhost", 404),
        ("PUT / HTTP/1.1\r\nHost: localhost", 501),
    ],
)
def test_a_target_is_read_in_every_form(page, request_, status):
    assert raw(page, f"{request_}\r\n\r\n") == status


@pytest.mark.parametrize("length", ["-1", "1e3", "", "9" * 5000, "\u0663", "5000"])
def test_a_length_that_cannot_be_is_refused(page, inbox, length):
    request = (
        "POST /api/command/session HTTP/1.1\r\nHost: localhost\r\nX-Procrastobot: 1\r\n"
        f"Content-Length: {length}\r\n\r\n"
    )
    assert raw(page, request) == 413
    assert inbox.drain() == []


def test_the_address_that_is_told_can_be_typed():
    assert reachable("127.0.0.1", 8080) == ["http://127.0.0.1:8080/"]
    assert reachable("fd00::5", 8080) == ["http://[fd00::5]:8080/"]
    for everywhere in ("0.0.0.0", "::"):
        told = reachable(everywhere, 80)
        assert told[0].endswith(".local:80/")
        assert everywhere not in "".join(told).replace("http://", "")


def test_a_password_in_a_request_is_in_no_log(page, caplog):
    caplog.set_level("DEBUG")
    raw(page, "GET http://me:geheim@localhost/?pwd=geheim HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert "geheim" not in caplog.text
