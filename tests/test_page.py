"""The page, asked over real HTTP: what it serves, and what it does not."""

from __future__ import annotations

import asyncio
import csv
import gzip
import hashlib
import http.client
import io
import itertools
import json
import logging
import os
import queue
import re
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="needs starlette (the extra page)")
pytest.importorskip("uvicorn", reason="needs uvicorn (the extra page)")
pytest.importorskip("tomlkit", reason="needs tomlkit (the extra page)")

from edge import __version__, app, link, logs, settings
from edge.address import listen, reachable
from edge.config import Config, HistoryConfig, WebConfig
from edge.domain import (
    Forget,
    LookAlike,
    Mute,
    NotAPhone,
    Offer,
    SessionAction,
    SetSession,
    Teach,
    Test,
)
from edge.history.report import read_file
from edge.hooks.ledger import Ledger, path_beside
from edge.link import LENGTHS
from edge.page import box as page_box
from edge.page import certificate, past, server, site
from edge.page.box import Box
from edge.page.hosts import is_ours
from edge.page.login import Login, Store, code_of
from edge.page.site import Site
from tests.certificates import Authority, has_openssl
from tests.linked import NOON, SIGHT, LinkedBox
from tests.lived import Lived
from tests.test_link import Teacher
from tests.waiting import wait_for

OURS = {"X-Procrastobot": "1"}
PASSWORD = "a long password"
PATIENCE_S = 120.0


@pytest.fixture(autouse=True)
def _no_hurry(monkeypatch):
    """How long one side waits for the other is tested where it is meant. Elsewhere a machine that
    is busy with other things may take its time: the page would say that the box is away."""
    for module, name in (
        (link, "PATIENCE_S"),
        (page_box, "PATIENCE_S"),
        (server, "HEADER_PATIENCE_S"),
        (server, "TAKING_PATIENCE_S"),
        (site, "BODY_PATIENCE_S"),
        (site, "LOOK_PATIENCE_S"),
    ):
        monkeypatch.setattr(module, name, PATIENCE_S)


class Served:
    """A page in a thread of its own, with a box behind it."""

    def __init__(
        self, folder: Path, *, history: Path | None = None, tls: dict[str, Any] | None = None
    ) -> None:
        self.box = LinkedBox(folder, Config(web=WebConfig(enabled=True)))
        self.store = Store(folder / "page.json")
        self.clock_s = 1000.0
        self.login = Login(
            self.store, configured="", clock_s=lambda: self.clock_s, wall_s=lambda: self.clock_s
        )
        self.listener = listen("127.0.0.1", 0)
        self.port: int = self.listener.getsockname()[1]
        self.cookie = ""
        self.history = history
        self._tls = tls or {}
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)))
        self._thread.start()
        assert ready.wait(PATIENCE_S)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self.site = Site(
            login=self.login,
            box=Box(self.box.path),
            configuration=self.box.file,
            config=lambda: settings.read(self.box.file).config,
            history=self.history,
            wall_clock=lambda: NOON,
        )
        serving = server.serve(self.site, [self.listener], idle_s=None, tls=self._tls)
        self._task = asyncio.create_task(serving)
        ready.set()
        with suppress(asyncio.CancelledError):
            await self._task

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(PATIENCE_S)
        self.box.link.close()

    def ask(
        self, method: str, path: str, body: bytes | dict[str, Any] = b"", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body) of one request, as the page's own script sends it."""
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items() if value}
        if self.cookie and "Cookie" not in headers:
            sent["Cookie"] = self.cookie
        if method == "POST" and "X_Procrastobot" not in headers:
            sent |= OURS
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, dict(answer.headers), content

    def enter(self, given: str) -> tuple[int, dict[str, Any]]:
        status, headers, body = self.ask("POST", "/api/login", {"given": given}, Cookie="")
        if status == 200:
            self.cookie = headers["set-cookie"].partition(";")[0]
        return status, json.loads(body)

    def raw(self, request: str) -> int:
        """The status that a request gets, sent as it is written; 0: it is hung up on."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            connection.sendall(request.encode())
            try:
                answer = connection.makefile("rb").readline()
            except ConnectionError:
                return 0
        return int(answer.split()[1]) if answer else 0


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Served]:
    """A page that nobody has logged in to yet."""
    served = Served(tmp_path)
    yield served
    served.close()


@pytest.fixture
def page(stranger: Served) -> Served:
    assert stranger.enter(code_of(stranger.store))[0] == 200
    return stranger


# ---------------------------------------------------------------- who may look


def test_the_first_login_is_by_the_code_and_later_ones_by_the_password(stranger):
    assert json.loads(stranger.ask("GET", "/api/login")[2]) == {"code": True}
    code = code_of(stranger.store)
    assert stranger.enter("0" * 8)[0] == (200 if code == "0" * 8 else 403)
    status, answer = stranger.enter(f" {code[:4]} {code[4:]} ")
    assert (status, answer) == (200, {"first": True})
    assert stranger.ask("GET", "/api/state")[0] == 200
    assert stranger.ask("POST", "/api/password", {"new": PASSWORD})[0] == 200
    assert stranger.ask("GET", "/api/state")[0] == 200, "the session goes on"
    stranger.cookie = ""
    assert stranger.enter(code)[0] == 403, "the code is spent"
    assert stranger.enter(PASSWORD) == (200, {"first": False})


def test_without_a_session_there_is_the_login_and_nothing_else(stranger):
    for path in ("/", "/view", "/history", "/settings", "/setup"):
        status, headers, _ = stranger.ask("GET", path)
        assert (status, headers["location"]) == (303, "/login")
    for path in (
        "/api/state",
        "/api/days",
        "/api/look",
        "/api/settings",
        "/api/nothing",
        "/api/history/events.csv",
    ):
        assert stranger.ask("GET", path)[0] == 401
    for path in (
        "/api/command/mute",
        "/api/settings",
        "/api/password",
        "/api/restart",
        "/api/erase",
        "/api/certificate",
    ):
        assert stranger.ask("POST", path, b"on")[0] == 401
    assert stranger.box.inbox.drain() == []
    assert stranger.box.restarts == 0
    assert stranger.box.erased == []


def test_a_session_ends_when_it_is_left_and_a_cookie_of_ones_own_begins_none(page, caplog):
    cookie = page.cookie
    assert page.ask("POST", "/api/logout")[0] == 200
    assert page.ask("GET", "/api/state", Cookie=cookie)[0] == 401
    # A session that somebody else chose (fixation) is not taken up by logging in.
    status, headers, _ = page.ask(
        "POST", "/api/login", {"given": code_of(page.store)}, Cookie="procrastobot=chosen"
    )
    assert status == 200
    assert "chosen" not in headers["set-cookie"]
    assert page.ask("GET", "/api/state", Cookie="procrastobot=chosen")[0] == 401
    assert "refused: 127.0.0.1 comes with a session that is none" in caplog.text


def test_the_cookie_is_not_for_scripts_and_not_for_other_sites(page):
    _, headers, _ = page.ask("POST", "/api/login", {"given": code_of(page.store)})
    assert "HttpOnly" in headers["set-cookie"]
    assert "SameSite=lax" in headers["set-cookie"]


def test_a_guesser_is_made_to_wait_and_the_log_says_so(stranger, caplog):
    for _ in range(5):
        assert stranger.enter("wrong")[0] == 403
    status, answer = stranger.enter(code_of(stranger.store))
    assert status == 429
    assert "too many tries" in answer["error"]
    assert "5 wrong passwords from 127.0.0.1" in caplog.text
    stranger.clock_s += 3
    assert stranger.enter(code_of(stranger.store))[0] == 200


# ---------------------------------------------------------------- what is served


def test_pages_are_whole_small_and_from_here_only(page):
    for path, language in itertools.product((*site.PAGES, "/login"), ("en", "de")):
        status, headers, body = page.ask("GET", path, Accept_Language=language)
        assert status == 200
        assert b"http://" not in body
        assert b"https://" not in body
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        named = re.findall(r'(?:href|src)="(/[^"]*)"', body.decode())
        parts = [
            page.ask("GET", each, Accept_Language=language)[2] for each in named if "." in each
        ]
        assert len(body) + sum(map(len, parts)) < 60 * 1024, "a first view stays small"
        assert all(parts)


@pytest.mark.parametrize(
    ("accepted", "packed"), [("gzip, deflate, br", True), ("br", False), ("gzip;q=0", False)]
)
def test_files_are_packed_for_who_can_unpack_them(page, accepted, packed):
    plain = page.ask("GET", "/common.js")[2]
    _, headers, body = page.ask("GET", "/common.js", Accept_Encoding=accepted)
    assert (headers.get("content-encoding") == "gzip") is packed
    assert "Accept-Encoding" in headers["vary"]
    assert (gzip.decompress(body) if packed else body) == plain
    assert int(headers["content-length"]) == len(body)
    assert (len(body) < len(plain) / 2) is packed


@pytest.mark.parametrize("cookie", ["an owner's", ""])
def test_nothing_but_its_own_files_is_served(page, caplog, cookie):
    page.cookie = page.cookie if cookie else ""
    for path in (
        "/../site.py",
        "/static/page.html",
        "/%2e%2e/config.py",
        "/..%2fsite.py",
        "//etc/passwd",
        "/page.css/../../login.py",
        "/api/",
        "/api/x",
        "/docs",
        "/openapi.json",
    ):
        # A stranger does not hear of what only an owner may ask for.
        wanted = 401 if path.startswith("/api") and not cookie else 404
        assert page.ask("GET", path)[0] == wanted, path
    assert "refused: 127.0.0.1 asks for what is not there (GET /../site.py)" in caplog.text


def test_the_state_is_the_boxs(page):
    state = json.loads(page.ask("GET", "/api/state")[2])
    assert state["session"] == "focus"
    assert state["until"] == "2026-11-23T12:25:00+00:00"


def test_a_box_that_is_away_is_said(page):
    page.box.link.close()
    status, _, body = page.ask("GET", "/api/state")
    assert (status, json.loads(body)["away"]) == (503, True)
    assert json.loads(look(page)[1])["away"] is True


def look(page: Served, after: int = -1) -> tuple[int, bytes, bytes]:
    status, headers, body = page.ask("GET", f"/api/look?after={after}")
    assert status == 200
    words, picture = LENGTHS.unpack(body[: LENGTHS.size])
    assert LENGTHS.size + words + picture == len(body)
    return int(headers["x-number"]), body[LENGTHS.size :][:words], body[LENGTHS.size + words :]


def test_a_viewer_gets_each_picture_once_and_waits_for_the_next(page):
    page.box.seeing.see(6.0)
    number, words, picture = look(page)
    assert picture[:2] == b"\xff\xd8"
    assert json.loads(words)["camera"] is True
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(look(page, number)))
    waiting.start()
    page.box.seeing.see(7.0)
    waiting.join(PATIENCE_S)
    before, number = number, answers[0][0]
    assert number > before
    page.box.seeing.frame = None
    camera = True
    while camera:  # another may have been on its way
        before = number
        number, words, picture = look(page, before)
        assert number > before, "the same one again"
        camera = json.loads(words)["camera"]
        assert bool(picture) is camera


def test_nothing_of_a_picture_is_kept_when_nobody_looks_any_more(page):
    page.box.seeing.see(6.0)
    number, _, _ = look(page)
    wait_for(lambda: page.site._looking._latest[1] == b"")
    assert page.site._looking._latest[0] > number


def test_days_come_from_the_history_and_a_missing_one_is_said(tmp_path, page):
    assert json.loads(page.ask("GET", "/api/days")[2]) == {"days": []}
    (tmp_path / "other").mkdir()
    lost = Served(tmp_path / "other", history=tmp_path / "none.db")
    lost.enter(code_of(lost.store))
    answer = json.loads(lost.ask("GET", "/api/days")[2])
    assert answer["days"] == []
    assert "none.db" in answer["why"]
    lost.close()


# ---------------------------------------------------------------- looking back


@pytest.fixture
def lived(tmp_path: Path) -> Iterator[Served]:
    """A page of a box that has lived through a morning, and another ten days before."""
    history = tmp_path / "history.db"
    for back in (timedelta(days=10, hours=3), timedelta(hours=3)):
        box = Lived(history, NOON - back)
        box.focus(25, (5, 60))
        box.rest(5)
        box.focus(50)
        box.close()
    served = Served(tmp_path, history=history)
    assert served.enter(code_of(served.store))[0] == 200
    yield served
    served.close()


def past_of(page: Served, query: str = "", **headers: str) -> str:
    status, _, body = page.ask("GET", f"/history{query}", **headers)
    assert status == 200, body
    return body.decode()


def test_a_day_is_looked_back_at_with_its_line_of_time_and_its_reasons(lived):
    today = past_of(lived)
    assert "Monday 23 November 2026" in today or "The day" in today
    assert '<rect class="phone"' in today
    assert "A phone in use was believed." in today
    assert "1 h 15 min" in today or "1 h 15" in today
    assert '<input type="date" name="first" value="2026-11-23">' in today
    assert 'id="erase-day" data-day="2026-11-23"' in today
    other = past_of(lived, "?first=2026-11-01")
    assert "A phone in use" not in other
    month = past_of(lived, "?first=2026-11-01&last=2026-11-30")
    assert "Fri 13 Nov" in month
    assert 'href="/history?first=2026-10-01&amp;last=2026-10-31"' in month
    assert 'href="/history?first=2026-12-01&amp;last=2026-12-31"' in month
    assert 'id="erase-day" hidden' in month, "a day is erased, or everything"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?first=2026-11-24&last=2026-11-20", 200),
        ("?first=&last=", 200),
        ("?first=yesterday", 400),
        ("?last=0001-01-01", 400),
        ("?first=9999-12-31", 400),
        ("?first=2026-11-23%00", 400),
        ("?first=%3Cscript%3E", 400),
    ],
)
def test_days_that_cannot_be_are_refused(lived, query, status):
    assert lived.ask("GET", f"/history{query}")[0] == status


def test_in_german_the_past_is_german(lived):
    said = past_of(lived, "?first=2026-11-01&last=2026-11-30", Accept_Language="de")
    for words in ("Fr, 13. Nov", "Montag, 23. November", "Kurz gesagt", "Eine Fokuszeit begann."):
        assert words in said
    assert "Handy in der Hand seit 0 s" in said
    assert "ohne Handy 5 min" in said
    page = lived.ask("GET", "/api/history/report.html", Accept_Language="de")[2].decode()
    assert '<html lang="de">' in page


def test_days_and_events_are_taken_along(lived):
    month = "?first=2026-11-01&last=2026-11-30"
    status, headers, body = lived.ask("GET", f"/api/history/events.csv{month}")
    assert status == 200
    assert headers["content-type"].startswith("text/csv")
    name = 'filename="procrastobot-2026-11-01-2026-11-30-events.csv"'
    assert name in headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    events = json.loads(lived.ask("GET", f"/api/history/events.json{month}")[2])
    assert [row["id"] for row in rows] == [event["id"] for event in events]
    assert {"pickup", "session_end"} <= {row["type"] for row in rows}
    days = json.loads(lived.ask("GET", f"/api/history/days.json{month}")[2])["days"]
    table = list(
        csv.DictReader(io.StringIO(lived.ask("GET", f"/api/history/days.csv{month}")[2].decode()))
    )
    assert [day["pickups"] for day in days] == [int(row["pickups"]) for row in table]
    assert sum(day["pickups"] for day in days) == 2
    report = lived.ask("GET", f"/api/history/report.html{month}")[2]
    assert report.startswith(b"<!doctype html>")
    assert b"<style>" in report, "complete in itself"
    assert lived.ask("GET", "/api/history/other.csv")[0] == 404


def test_a_history_that_is_not_there_is_said(tmp_path):
    for number, (history, said) in enumerate(
        ((tmp_path / "none.db", "none.db"), (None, "No history is kept."))
    ):
        (folder := tmp_path / str(number)).mkdir()
        served = Served(folder, history=history)
        served.enter(code_of(served.store))
        assert said in past_of(served)
        assert served.ask("GET", "/api/history/events.csv")[0] == 404
        served.close()


def test_what_nobody_takes_any_more_is_not_made_any_more():
    made, closed = [], threading.Event()

    def parts():
        try:
            for number in itertools.count():
                made.append(number)
                yield str(number)
        finally:
            closed.set()

    async def take_two() -> list[bytes]:
        taken = past.streamed(parts)
        first = [await anext(taken), await anext(taken)]
        await taken.aclose()
        return first

    assert asyncio.run(take_two()) == [b"0", b"1"]
    assert closed.wait(PATIENCE_S)
    assert made == [0, 1]


def test_a_day_or_everything_is_erased_by_the_box(page):
    assert page.ask("POST", "/api/erase", {"day": "2026-11-23"})[0] == 202
    assert page.ask("POST", "/api/erase", {"day": None})[0] == 202
    assert page.box.erased == [NOON.date(), None]
    assert page.box.inbox.drain() == [], "nothing was learnt"
    learnt = replace(page.box.seeing.state, look_alikes=(LookAlike(1, "desk", SIGHT.box, 0.7),))
    page.box.link.publish(learnt)
    assert page.ask("POST", "/api/erase", {"day": None})[0] == 202
    assert page.box.inbox.drain() == [Forget()]
    assert json.loads(page.ask("GET", "/api/state")[2])["erased"] == {"number": 3, "why": ""}
    for body in ({}, {"day": ""}, {"day": "today"}, {"day": 3}):
        assert page.ask("POST", "/api/erase", body)[0] == 400
    assert len(page.box.erased) == 3


def test_what_the_box_erases_is_what_the_command_would(tmp_path, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    history = tmp_path / "history.db"
    config = Config(history=HistoryConfig(path=str(history)))
    Ledger(path_beside(history), "music").close()
    (tmp_path / "pictures").mkdir()
    picture = tmp_path / "pictures" / "000001-20261123-090000-123-pickup.jpg"
    picture.write_bytes(b"jpeg")
    told = queue.Queue()
    box = Lived(history, NOON)
    box.focus(25, (5, 60))
    erase = app.eraser(config, box.recorder)
    erase(NOON.date() + timedelta(days=1), told.put)
    assert told.get(timeout=PATIENCE_S) == ""
    assert picture.exists(), "another day's"
    erase(None, told.put)
    assert told.get(timeout=PATIENCE_S) == ""
    assert not picture.exists()
    box.close()
    assert read_file(history, NOON.date(), NOON.date(), now=NOON).days[0].sum("focus_s") == 0


# ---------------------------------------------------------------- what is changed


@pytest.mark.parametrize(
    ("name", "payload", "command"),
    [
        ("session", b"pause", SetSession(SessionAction.PAUSE)),
        ("mute", b"on", Mute(on=True)),
        ("not_a_phone", b"", NotAPhone()),
    ],
)
def test_a_click_leaves_a_command_in_the_inbox(page, name, payload, command):
    assert page.ask("POST", f"/api/command/{name}", payload)[0] == 202
    assert page.box.inbox.drain() == [command]


@pytest.mark.parametrize(
    ("payload", "headers", "status"),
    [
        pytest.param(b"dance", {}, 400, id="no such action"),
        pytest.param(b"x" * 5000, {}, 413, id="too long"),
        pytest.param(b"x" * 500_000, {}, 413, id="far too long"),
        pytest.param(b"\xff", {}, 400, id="no text"),
        pytest.param(b"stop", {"X_Procrastobot": ""}, 403, id="a form elsewhere"),
        pytest.param(b"stop", {"Sec_Fetch_Site": "cross-site"}, 403, id="another site"),
        pytest.param(b"stop", {"Sec_Fetch_Site": "same-site"}, 403, id="a neighbour's"),
        pytest.param(b"stop", {"Origin": "http://evil.example"}, 403, id="another origin"),
        pytest.param(b"stop", {"Origin": "null"}, 403, id="a sandbox"),
        pytest.param(b"stop", {"Host": "evil.example"}, 421, id="rebinding"),
    ],
)
def test_what_is_refused_changes_nothing(page, caplog, payload, headers, status):
    assert page.ask("POST", "/api/command/session", payload, **headers)[0] == status
    assert page.box.inbox.drain() == []
    if status in (403, 413, 421):
        assert "refused: 127.0.0.1" in caplog.text


def test_a_setting_is_saved_into_the_file_and_taken_over(page):
    page.box.file.write_text("# mine\n[policy]\nphone_hold_s = 3 # grace\n")
    changes = [{"path": ["policy", "phone_hold_s"], "value": 4}]
    status, _, body = page.ask("POST", "/api/settings", {"changes": changes})
    assert (status, json.loads(body)["taken"]) == (200, ["policy.phone_hold_s"])
    assert page.box.file.read_text() == "# mine\n[policy]\nphone_hold_s = 4 # grace\n"
    assert page.box.seeing.adopted.policy.phone_hold_s == 4
    changes[0]["value"] = -4
    status, _, body = page.ask("POST", "/api/settings", {"changes": changes})
    fault = json.loads(body)["faults"][0]
    assert (status, fault["where"]) == (400, "policy.phone_hold_s")
    assert "must be from 0 to 600" in fault["text"]
    assert "= 4 #" in page.box.file.read_text()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 5000, b'{"changes": 3}', b"{}"])
def test_what_is_no_form_is_refused(page, body):
    assert page.ask("POST", "/api/settings", body)[0] == 400
    assert page.ask("POST", "/api/password", body)[0] == 400


# ---------------------------------------------------------------- teaching, the box, languages


def test_what_was_shown_is_listed_and_taken_along(page):
    assert json.loads(page.ask("GET", "/api/taught")[2]) == {"things": []}
    status, _, body = page.ask("GET", "/api/taught/file")
    assert (status, json.loads(body)["error"]) == (404, "the box was shown nothing yet")
    page.box.link.attach(page.box.seeing, Teacher())
    (thing,) = json.loads(page.ask("GET", "/api/taught")[2])["things"]
    assert (thing["name"], thing["now"]) == ("my phone", 0.97)
    status, headers, body = page.ask("GET", "/api/taught/file")
    assert (status, body) == (200, b"PK...")
    assert headers["content-disposition"] == 'attachment; filename="taught-1.npz"'
    assert page.ask("POST", "/api/command/teach", {"name": "cup", "kind": "other"})[0] == 202
    assert page.ask("POST", "/api/command/forget", {"name": "cup"})[0] == 202
    assert page.box.inbox.drain() == [Teach("cup", False, 30.0), Forget(name="cup")]


def test_a_tune_is_played_or_refused_with_the_reason(page):
    tune = "mine:d=16,o=5,b=200:" + ",".join(["a", "b"] * 30) + " " * 300
    assert page.ask("POST", "/api/play", {"tune": tune})[0] == 202
    assert page.ask("POST", "/api/play", {"tune": "ahem", "loud": True})[0] == 202
    assert page.box.inbox.drain() == [Test("chirp", tune), Test("loud", "ahem")]
    status, _, body = page.ask("POST", "/api/play", {"tune": "mine:8a"})
    assert (status, "two colons" in json.loads(body)["error"]) == (400, True)
    assert page.ask("POST", "/api/play", {"loud": True})[0] == 400


def test_the_owner_sees_how_the_box_is_and_its_last_lines_with_those_of_the_page(page):
    page.box.link.publish(replace(page.box.seeing.state, offer=Offer("99.0", newer=True)))
    logs.RECENT.emit(logging.makeLogRecord({"msg": "a line", "levelname": "INFO"}))
    told = json.loads(page.ask("GET", "/api/box")[2])
    assert told["away"] is False
    assert told["figures"]["version"] == __version__
    assert told["figures"]["rss_kib"] > 0
    assert told["newest"]["version"] == "99.0"
    # Both are one process here.
    assert {line["by"] for line in told["lines"] if line["text"] == "a line"} == {"page", "box"}
    assert [line["at"] for line in told["lines"]] == sorted(line["at"] for line in told["lines"])
    page.box.link.close()
    told = json.loads(page.ask("GET", "/api/box")[2])
    assert told["away"] is True
    assert {line["by"] for line in told["lines"]} == {"page"}


def test_without_a_session_nothing_of_that_is_told(stranger):
    for path in ("/teach", "/box"):
        assert stranger.ask("GET", path)[0] == 303
    for path in ("/api/taught", "/api/taught/file", "/api/box"):
        assert stranger.ask("GET", path)[0] == 401
    assert stranger.ask("POST", "/api/play", {"tune": "ahem"})[0] == 401


def test_the_page_speaks_as_the_browser_asks(page):
    german = {"Accept_Language": "de-AT,de;q=0.9,en;q=0.5"}
    status, headers, body = page.ask("GET", "/", **german)
    assert (status, headers["vary"]) == (200, "Accept-Language, Accept-Encoding")
    assert '<html lang="de">' in body.decode()
    assert "Das war kein Handy" in body.decode()
    assert "That was not a phone" in page.ask("GET", "/")[2].decode()
    assert '"Gespeichert."' in page.ask("GET", "/words.js", **german)[2].decode()
    form = json.loads(page.ask("GET", "/api/settings", **german)[2])
    (chirp,) = [
        each
        for section in form["sections"]
        for each in section["settings"]
        if (*section["path"], each["name"]) == ("nudge", "chirp")
    ]
    assert chirp["help"].startswith("Die Melodie")
    assert "ahem" in chirp["tunes"]
    status, _, body = page.ask("POST", "/api/password", {"new": "x"}, **german)
    assert (status, json.loads(body)["error"]) == (400, "ein Passwort hat 8 bis 256 Zeichen")
    status, _, body = page.ask("POST", "/api/login", {"given": "wrong"}, **german)
    assert (status, json.loads(body)["error"]) == (403, "das ist nicht der Code")


# ---------------------------------------------------------------- names of the box


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("{own}", 200),
        ("{OWN}:8080", 200),
        ("{own}.", 200),
        ("{own}.local.:8080", 200),
        ("{own}.home.arpa", 200),
        ("LOCALHOST.:80", 200),
        ("box.localhost:8080", 200),
        ("192.168.7.9:8080", 200),
        ("[::1]:8080", 200),
        ("[fe80::1%25eth0]", 200),
        ("evil.example", 421),
        ("{own}.evil.example", 421),
        ("{own}.local.evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("[::1].evil.example", 421),
        ("evil.example@127.0.0.1", 421),
        ("", 421),
        ("::1", 421),
    ],
)
def test_a_host_is_known_in_every_form_that_browsers_send(host, status):
    own = socket.gethostname().partition(".")[0].lower()
    host = host.format(own=own, OWN=own.upper())
    assert is_ours(host, "127.0.0.1") is (status == 200)


@pytest.mark.parametrize(
    ("request_", "statuses"),
    [
        ("GET /login?from=bookmark HTTP/1.1\r\nHost: localhost", (200,)),
        ("GET /login HTTP/1.0", (421,)),
        ("GET /login HTTP/1.1", (400,)),
        ("GET /login HTTP/1.1\r\nHost: localhost\r\nHost: evil.example", (400, 421)),
        ("GET http://evil.example/login HTTP/1.1\r\nHost: localhost", (401, 303, 404)),
        ("GET /login HTTP/1.1\r\nHost: evil.example", (421,)),
        ("GET /login HTTP/1.1\r\nHost: localhost\r\nX-A: " + "a" * 600_000, (400, 0)),
        ("PUT /login HTTP/1.1\r\nHost: localhost\r\nX-Procrastobot: 1", (405,)),
        ("POST /api/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1", (400,)),
        ("nonsense", (400,)),
    ],
)
def test_a_request_is_answered_or_refused_whatever_it_is(stranger, request_, statuses):
    assert stranger.raw(f"{request_}\r\n\r\n") in statuses


# ---------------------------------------------------------------- those who only hold on


def test_half_open_connections_lock_nobody_out(page):
    held = []
    for _ in range(200):
        each = socket.create_connection(("127.0.0.1", page.port))
        each.sendall(b"GET / HTTP/1.1\r\nX-a: b")
        held.append(each)
    for _ in range(3):
        assert page.ask("GET", "/api/state")[0] == 200, "whoever asks in earnest is answered"
    for each in held:
        each.close()


def test_a_body_that_nobody_wants_holds_no_place(page, monkeypatch):
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 8)
    held = []
    for _ in range(20):
        each = socket.create_connection(("127.0.0.1", page.port))
        each.sendall(b"POST /api/state HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nst")
        held.append(each)
    for _ in range(3):
        assert page.ask("GET", "/api/state")[0] == 200
    for each in held:
        each.close()


def test_a_request_that_drips_ends_all_the_same(page, monkeypatch, caplog):
    monkeypatch.setattr(server, "HEADER_PATIENCE_S", 0.3)
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
    wait_for(lambda: "127.0.0.1 began what it did not end" in caplog.text)


def test_what_is_asked_for_and_not_taken_is_not_kept_ready_for_ever(lived, monkeypatch, caplog):
    monkeypatch.setattr(server, "TAKING_PATIENCE_S", 0.3)
    ended = threading.Event()

    def endless(*_, **__):
        try:
            while True:
                yield "x" * past.PART_CHARS
        finally:
            ended.set()

    monkeypatch.setattr(past, "taken_along", endless)
    head = (
        f"GET /api/history/events.csv HTTP/1.1\r\nHost: localhost\r\nCookie: {lived.cookie}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", lived.port)) as greedy:
        greedy.sendall(head.encode())
        assert ended.wait(PATIENCE_S)
    wait_for(lambda: "127.0.0.1 began what it did not end" in caplog.text)


def test_a_body_that_does_not_come_is_not_waited_for(page, monkeypatch, caplog):
    monkeypatch.setattr(site, "BODY_PATIENCE_S", 0.3)
    head = (
        "POST /api/command/session HTTP/1.1\r\nHost: localhost\r\nX-Procrastobot: 1\r\n"
        f"Cookie: {page.cookie}\r\nContent-Length: 5\r\n\r\nst"
    )
    assert page.raw(head) == 408
    assert "refused: 127.0.0.1 began what it did not end (POST /api/command/session)" in caplog.text
    assert page.box.inbox.drain() == []


# ---------------------------------------------------------------- the process


@pytest.mark.skipif(not has_openssl(), reason="needs openssl")
def test_a_certificate_made_by_the_page_is_one_that_a_client_can_trust(page, tmp_path):
    status, _, body = page.ask("POST", "/api/certificate", {})
    assert status == 200, body
    answer = json.loads(body)
    web = settings.load(page.box.file).web
    own = Path(web.cert_file)
    assert own.parent == page.box.file.parent
    assert stat.S_IMODE(Path(web.key_file).stat().st_mode) == 0o600
    assert {"web.cert_file", "web.key_file"} <= set(answer["waiting"])
    folder = tmp_path / "again"
    folder.mkdir()
    served = Served(folder, tls={"ssl_certfile": web.cert_file, "ssl_keyfile": web.key_file})
    try:
        for host in ("localhost", "127.0.0.1"):
            trust = ssl.create_default_context(cafile=str(own))
            with (
                socket.create_connection(("127.0.0.1", served.port), 30) as plain,
                trust.wrap_socket(plain, server_hostname=host) as safe,
            ):
                shown = hashlib.sha256(safe.getpeercert(binary_form=True)).digest().hex(":")
                assert shown.upper() == answer["fingerprint"]
        with (
            socket.create_connection(("127.0.0.1", served.port), 30) as plain,
            pytest.raises(ssl.SSLCertVerificationError, match=r"a\.example"),
        ):
            trust.wrap_socket(plain, server_hostname="a.example")
    finally:
        served.close()


@pytest.mark.skipif(not has_openssl(), reason="needs openssl")
def test_a_certificate_of_the_owners_is_left_alone_and_what_is_no_name_refused(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text("# mine\n")
    with pytest.raises(certificate.NotMade, match="there is a certificate already: /etc/mine"):
        certificate.make(config, present="/etc/mine")
    with pytest.raises(certificate.NotMade, match="no such name"):
        certificate.make(config, present="", asked=["a,IP:1.2.3.4"])
    with pytest.raises(certificate.NotMade, match="no configuration file"):
        certificate.make(None, present="")
    assert [each.name for each in tmp_path.iterdir()] == ["config.toml"]
    made = certificate.make(config, present="", asked=["192.0.2.7", "box.lan"])
    again = certificate.make(config, present=str(made.certificate))
    assert made.fingerprint != again.fingerprint
    assert config.read_text().startswith("# mine\n")


@pytest.mark.skipif(not has_openssl(), reason="needs openssl")
def test_one_command_makes_a_certificate(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(f"[history]\npath = '{tmp_path}/history.db'\n")
    command = [sys.executable, "-m", "edge", "page", "--certificate", "--name", "box.lan"]
    done = subprocess.run(
        [*command, "--config", str(config)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "box.lan" in done.stdout
    assert certificate.fingerprint(tmp_path / "page.crt") in done.stdout
    assert settings.load(config).web.key_file == str(tmp_path / "page.key")


@pytest.mark.skipif(not has_openssl(), reason="needs openssl")
def test_with_a_certificate_it_speaks_https_and_the_cookie_is_for_that_only(tmp_path):
    authority = Authority(tmp_path / "ca")
    pair = authority.issue("localhost")
    tls = {"ssl_certfile": str(pair.certificate), "ssl_keyfile": str(pair.key)}
    served = Served(tmp_path, tls=tls)
    trust = ssl.create_default_context(cafile=str(authority.certificate))
    connection = http.client.HTTPSConnection("localhost", served.port, context=trust, timeout=30)
    body = json.dumps({"given": code_of(served.store)})
    connection.request("POST", "/api/login", body, OURS | {"Origin": "https://localhost"})
    assert connection.getresponse().status == 403, "not the origin that was asked"
    connection.close()
    origin = {"Origin": f"https://localhost:{served.port}"}
    connection.request("POST", "/api/login", body, OURS | origin)
    answer = connection.getresponse()
    assert answer.status == 200
    assert "Secure" in answer.headers["set-cookie"]
    connection.close()
    served.close()


def test_a_mistake_is_answered_without_a_thread_for_it(page):
    """The unit of the page allows 16, and somebody may make mistakes by the hundred."""
    assert page.ask("GET", "/nothing")[0] == 404
    assert page.ask("GET", "/api/logout")[0] == 405
    assert page.ask("POST", "/api/password", b"no JSON")[0] == 400
    page.box.link.close()
    assert page.ask("POST", "/api/aim", {"on": True})[0] == 503
    assert not [each.name for each in threading.enumerate() if "AnyIO" in each.name]


@pytest.mark.parametrize("address", ["198.51.100.7", "2001:db8::7"])
def test_an_address_that_comes_late_is_listened_on_all_the_same(address):
    listener = listen(address, 0)  # of a range for documentation: nobody has it
    assert listener.getsockname()[0] == address
    listener.close()


def test_the_sockets_of_systemd_are_taken_when_they_are_meant_for_us():
    assert server.inherited({"LISTEN_FDS": "1", "LISTEN_PID": "1"}) == []
    assert server.inherited({"LISTEN_PID": str(os.getpid())}) == []


ACTIVATED = """
import os, socket, sys
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
os.dup2(listener.fileno(), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
import edge.page.server, edge.page.main
edge.page.main.IDLE_S = 1.0
edge.page.server.LOOK_AROUND_S = 0
from edge.__main__ main
""".replace("edge.__main__ main", "edge.__main__ import main")


def test_started_by_a_socket_it_answers_and_is_gone_when_nobody_comes(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(f'[history]\npath = "{tmp_path}/history.db"\n')
    code = ACTIVATED + f"sys.exit(main(['page', '--config', {str(path)!r}]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    port = int(process.stdout.readline())
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/login")
    assert connection.getresponse().status == 200
    connection.close()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "nobody has looked" in said


def test_the_code_is_printed_by_the_command_and_a_password_can_be_forgotten(tmp_path, capsys):
    from edge.__main__ import main

    path = tmp_path / "config.toml"
    path.write_text(f'[history]\npath = "{tmp_path}/history.db"\n')
    assert main(["page", "--code", "--config", str(path)]) == 0
    code = capsys.readouterr().out.strip()
    assert re.fullmatch(r"\d{4} \d{4}", code)
    assert main(["page", "--code", "--config", str(path)]) == 0
    assert capsys.readouterr().out.strip() == code, "until it is used"
    login = Login(
        Store(tmp_path / "page.json"), configured="", clock_s=lambda: 0.0, wall_s=lambda: 0.0
    )
    login.set_password(PASSWORD, login.enter(code, "me"))
    assert main(["page", "--code", "--config", str(path)]) == 0
    assert "there is a password already" in capsys.readouterr().out
    assert main(["page", "--forget-password", "--config", str(path)]) == 0
    assert re.fullmatch(r"\d{4} \d{4}", capsys.readouterr().out.strip())


def test_the_address_that_is_told_can_be_typed():
    assert reachable("127.0.0.1", 8080) == ["http://127.0.0.1:8080/"]
    assert reachable("fd00::5", 8080, scheme="https") == ["https://[fd00::5]:8080/"]
    for everywhere in ("0.0.0.0", "::"):
        told = reachable(everywhere, 80)
        assert told[0].endswith(".local:80/")
        assert everywhere not in "".join(told).replace("http://", "")


def test_a_password_in_a_request_is_in_no_log(page, caplog):
    caplog.set_level("DEBUG")
    page.raw("GET http://me:geheim@localhost/?pwd=geheim HTTP/1.1\r\nHost: localhost\r\n\r\n")
    page.enter("geheim")
    assert "geheim" not in caplog.text
