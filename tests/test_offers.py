"""Whether the box knows of a newer version, and who gets to hear of it."""

from __future__ import annotations

import http.server
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from edge import __version__, decide, offers
from edge.config import BoxConfig, Config
from edge.domain import Offer, Offered, PublishState
from edge.effects import effects
from edge.inbox import CommandInbox
from edge.mqtt import discovery
from edge.offers import NoNotice, Offers, is_newer, read, understood
from tests.test_mqtt_discovery import said_by
from tests.waiting import wait_for

NOTICE = {"version": "99.1", "notes": "Sees better.\nNudges less.", "url": "https://example.org/r"}
NEW = Offer("99.1", "Sees better.\nNudges less.", "https://example.org/r", newer=True)


def notice(**more: object) -> bytes:
    return json.dumps({**NOTICE, **more}).encode()


@pytest.mark.parametrize(
    ("version", "than", "newer"),
    [
        ("1.10", "1.9", True),
        ("1.9", "1.10", False),
        ("1.0", "1.0.0", False),
        ("1.0.1", "1.0", True),
        ("2.0-rc1", "1.9", True),
        ("0.1.0", "0.1.0", False),
    ],
)
def test_versions_are_compared_by_their_numbers(version, than, newer):
    assert is_newer(version, than) is newer


def test_a_notice_is_understood():
    assert understood(notice()) == NEW
    assert understood(json.dumps({"version": __version__}).encode()) == Offer(__version__)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "no JSON object"),
        (b"[]", "no JSON object"),
        (b"[" * 50_000, "no JSON object"),
        (b"\xff\xfe", "no JSON object"),
        (b"{}", 'no "version"'),
        (notice(version="latest"), 'no "version"'),
        (notice(version="1.0\n2.0"), 'no "version"'),
        (notice(version=2), 'no "version"'),
        (notice(notes=["much"]), "have to be texts"),
        (notice(url=None), "have to be texts"),
    ],
)
def test_what_is_no_notice_is_refused_with_the_reason(text, why):
    with pytest.raises(NoNotice, match=why):
        understood(text)


def test_of_a_notice_only_what_can_be_shown_is_taken():
    taken = understood(notice(notes="a\x1b[31mb" + "c" * 5000, url="javascript:alert(1)"))
    assert taken.notes.startswith("a[31mb")
    assert len(taken.notes) == offers.LONGEST_NOTES
    assert taken.url == ""
    assert understood(notice(url="https://example.org/ two")).url == ""


def test_a_file_is_looked_at_now_and_then_and_only_news_are_told(tmp_path, caplog):
    path, inbox = tmp_path / "latest.json", CommandInbox()
    with caplog.at_level(logging.INFO):
        watch = Offers(str(path), inbox)
        wait_for(lambda: "No such file" in caplog.text)
        watch.look()
        assert caplog.text.count("No such file") == 1, "said once"
        path.write_bytes(notice())
        assert watch.look() == offers.FILE_EVERY_S
        watch.look()
        assert inbox.drain() == [Offered(NEW)]
        assert f"version 99.1 is there; {__version__} runs" in caplog.text
    watch.close()


@pytest.fixture
def web() -> Iterator[tuple[str, list[str]]]:
    """An address with a notice; and what was asked of it."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            there = self.path == "/latest.json"
            self.send_response(200 if there else 404)
            self.end_headers()
            if there:
                self.wfile.write(notice())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_address_is_asked_and_one_that_does_not_answer_is_said_without_it(web):
    address, asked = web
    assert read(f"{address}/latest.json") == NEW
    assert asked == ["/latest.json"]
    with pytest.raises(NoNotice, match="does not answer \\(Not Found\\)"):
        read(f"{address}/secret-token")
    with pytest.raises(NoNotice) as failed:
        read("http://user:secret@127.0.0.1:9/")
    assert "secret" not in str(failed.value)


def test_a_box_that_was_told_no_address_asks_nobody():
    assert Config().box.updates == ""
    assert "update" not in discovery.components(Config())


def test_what_the_box_was_told_is_in_its_state_and_published():
    before = decide.start(Config(), at_s=0.0)
    after = decide.obey(before, Offered(NEW), at_s=1.0, config=Config(), minute_of_day=None)
    assert after.offer == NEW
    assert any(isinstance(each, PublishState) for each in effects(before, after, Config()))


@pytest.mark.parametrize(
    ("update", "shown"),
    [
        (None, {"installed_version": __version__}),
        (
            {"version": "99.1", "notes": "x" * 300, "url": "https://example.org", "newer": True},
            {
                "installed_version": __version__,
                "latest_version": "99.1",
                "title": "Procrastobot",
                "release_summary": "x" * 255,
                "release_url": "https://example.org",
            },
        ),
        (
            {"version": __version__, "notes": "", "url": "", "newer": False},
            {
                "installed_version": __version__,
                "latest_version": __version__,
                "title": "Procrastobot",
                "release_summary": "",
            },
        ),
    ],
)
def test_home_assistant_gets_an_update_entity_where_the_box_is_told_of_one(update, shown):
    config = replace(Config(), box=BoxConfig(updates="/srv/latest.json"))
    part = discovery.components(config)["update"]
    assert part["platform"] == "update"
    assert "command_topic" not in part, "the box installs nothing by itself"
    rendered = said_by(part["value_template"].replace("to_json", "tojson"), {"newest": update})
    assert json.loads(rendered) == shown
