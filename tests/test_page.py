"""The local page, asked over real HTTP."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge import decide
from edge.config import Config, WebConfig
from edge.domain import EventType, Happening, Mute, NotAPhone, SessionAction, SetSession
from edge.inbox import CommandInbox
from edge.web.server import Page, PageFailed

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


def test_an_address_in_use_is_said_and_fails_nothing_else(page, inbox):
    config = replace(Config(), web=WebConfig(enabled=True, port=page.port))
    with pytest.raises(PageFailed, match="cannot be served"):
        Page(config, inbox=inbox, history=None, wall_clock=lambda: NOON)
