from __future__ import annotations

import contextlib
import http.server
import ipaddress
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge import settings
from edge.address import called, forbidden, is_own
from edge.config import HookConfig
from edge.domain import EventType
from edge.history.record import Record
from edge.history.store import open_store
from edge.hooks import ledger as ledger_module
from edge.hooks.ledger import Ledger, LedgerBroken, path_beside
from edge.hooks.plan import Result, kind_of, wait_s
from edge.hooks.send import Answer, post, run, send
from edge.hooks.worker import Worker
from tests.fakes import FakeClock, FakeWall
from tests.process import Process
from tests.waiting import wait_for

E = EventType
NOON = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
YES = Answer(True)
NO = Answer(False, again=True, why="it answers 503")
NEVER = Answer(False, why="it answers 404")
WHO_KNOWS = Answer(None, why="no answer")


@dataclass
class Receiver:
    """What a hook tells, and what it is answered: the last answer for good."""

    answers: list[Answer] = field(default_factory=lambda: [YES])
    heard: list[dict] = field(default_factory=list)

    def __call__(self, hook, body, event, words) -> Answer:
        told = json.loads(body)
        assert told["id"] == event
        self.heard.append(told)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Desk:
    """A history that grows, and a worker that follows it, on a fake clock."""

    def __init__(self, folder: Path, *answers: Answer, **hook: object) -> None:
        self.path = folder / "history.db"
        self.clock = FakeClock()
        self.wall = FakeWall(NOON, self.clock)
        self.store = open_store(self.path)
        self.hook = HookConfig(**{"name": "music", "command": "/bin/true", **hook})
        self.receiver = Receiver(list(answers) or [YES])
        self.start()

    def start(self) -> None:
        self.worker = Worker(
            self.hook,
            box="Desk",
            history=self.path,
            ledger=Ledger(path_beside(self.path), self.hook.name),
            send=self.receiver,
            wall_clock=self.wall,
            clock=self.clock,
        )
        self.worker.tick()

    def tell(
        self,
        type_: EventType,
        *,
        seat: str | None = "desk",
        replay: bool = False,
        **details: object,
    ) -> Record:
        where = None if type_ is E.SESSION_END else seat
        return self.store.add(type_, self.wall(), seat=where, details=details, replay=replay)

    def after(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.worker.tick()

    @property
    def heard(self) -> list[int]:
        return [each["number"] for each in self.receiver.heard]

    @property
    def results(self) -> list[str]:
        with closing(Ledger(path_beside(self.path), self.hook.name)) as ledger:
            return list(ledger.results().values())


@pytest.fixture
def desk(tmp_path):
    desks: list[Desk] = []

    def make(*answers: Answer, **hook: object) -> Desk:
        desks.append(Desk(tmp_path, *answers, **hook))
        return desks[-1]

    yield make
    for each in desks:
        each.worker.close()
        each.store.close()


# ---------------------------------------------------------------- what is told


def test_a_pickup_is_told_once_with_all_that_is_known_of_it(desk):
    box = desk()
    event = box.tell(E.PICKUP, median=0.71, why="raised")
    for _ in range(3):
        box.after(1)
    (told,) = box.receiver.heard
    assert told["id"] == event.id
    assert (told["hook"], told["on"], told["box"]) == ("music", "pickup", "Desk")
    assert (told["type"], told["seat"], told["details"]["median"]) == ("pickup", "desk", 0.71)


def test_what_was_before_the_hook_is_not_told_and_what_came_while_it_was_off_is(desk, tmp_path):
    with closing(open_store(tmp_path / "history.db")) as store:
        store.add(E.PICKUP, NOON, seat="desk", details={})
    box = desk()
    box.after(1)
    assert box.heard == []
    box.worker.close()
    event = box.tell(E.PICKUP)
    box.start()
    box.after(1)
    assert box.heard == [event.number]


@pytest.mark.parametrize(
    ("on", "ended", "told"),
    [
        ("clean_session", [{"clean": True, "pickups": 0}], [1]),
        ("clean_session", [{"clean": False, "pickups": 1}], []),
        ("clean_session", [{"clean": False, "pickups": 0}], []),
        ("broken_streak", [{"clean": True}, {"clean": False, "pickups": 2}], [2]),
        ("broken_streak", [{"clean": True}, {"pickups": 0}, {"pickups": 2}], [3]),
        ("broken_streak", [{"pickups": 1}, {"pickups": 2}], []),
        ("broken_streak", [{"clean": True}, {"pickups": 2}, {"pickups": 2}], [2]),
        ("broken_streak", [{"pickups": 2}], []),
    ],
)
def test_sessions_are_told_by_what_they_were(desk, on, ended, told):
    box = desk(on=on)
    for details in ended:
        box.tell(E.SESSION_END, **details)
    box.after(1)
    assert box.heard == told


def test_what_happens_in_a_recording_is_told_to_nobody(desk):
    box = desk()
    box.tell(E.PICKUP, replay=True)
    box.after(1)
    assert box.heard == []
    event = Record(1, "x", E.SESSION_END, NOON, None, {"clean": True}, replay=True)
    assert kind_of(event, []) == ""


def test_more_events_than_one_look_takes_are_all_told(desk):
    box = desk()
    box.store._db.execute("PRAGMA synchronous = OFF")
    for _ in range(450):
        box.tell(E.LEVEL, level=1)
    event = box.tell(E.PICKUP)
    for _ in range(4):
        box.after(1)
    assert box.heard == [event.number]


# ---------------------------------------------------------------- never twice, tried again


def test_what_certainly_did_not_arrive_is_tried_again_and_then_given_up(desk):
    box = desk(NO, tries=3)
    box.tell(E.PICKUP)
    box.after(1)
    assert len(box.heard) == 1
    box.after(wait_s(1) - 1)
    assert len(box.heard) == 1, "not before its time"
    box.after(1)
    box.after(wait_s(2))
    assert len(box.heard) == 3
    box.after(10 * 3600)
    assert len(box.heard) == 3
    assert box.results == [Result.GIVEN_UP]


@pytest.mark.parametrize(
    ("answer", "result"), [(WHO_KNOWS, Result.UNKNOWN), (NEVER, Result.REFUSED)]
)
def test_what_may_have_arrived_and_what_never_will_is_not_tried_again(desk, answer, result, caplog):
    box = desk(answer)
    box.tell(E.PICKUP)
    for _ in range(5):
        box.after(3600)
    assert len(box.heard) == 1
    assert box.results == [result]
    assert f"event 1: {result} ({answer.why}" in caplog.text


def test_a_process_that_ends_while_it_tells_does_not_tell_that_again(desk):
    box = desk()

    def plug(*_: object) -> Answer:
        raise KeyboardInterrupt

    box.worker._send = plug
    box.tell(E.PICKUP)
    with pytest.raises(KeyboardInterrupt):
        box.after(1)
    box.start()
    box.after(3600)
    assert box.heard == []
    assert box.results == [Result.UNKNOWN]


def test_an_event_that_gets_another_number_is_known_by_its_id(desk):
    """As after a damaged history: what a bad card gave the number of another comes last."""
    box = desk()
    event = box.tell(E.PICKUP)
    box.after(1)
    box.store._db.execute("UPDATE event SET number = 50 WHERE number = ?", (event.number,))
    box.after(1)
    assert box.heard == [event.number]


def test_another_history_in_its_place_is_followed_from_where_it_is(desk, tmp_path):
    box = desk()
    for _ in range(5):
        box.tell(E.PICKUP)
    box.after(1)
    assert len(box.heard) == 5
    box.store.close()
    for each in tmp_path.glob("history.db*"):
        each.unlink()
    box.store = open_store(box.path)
    box.tell(E.PICKUP)
    box.after(11)
    box.after(1)
    assert len(box.heard) == 5
    box.tell(E.PICKUP)
    box.after(1)
    assert len(box.heard) == 6


def test_a_day_later_nobody_is_told(desk):
    box = desk(NO, tries=20)
    box.tell(E.PICKUP)
    box.after(1)
    box.after(24 * 3600)
    assert box.results == [Result.TOO_LATE]


def test_what_breaks_off_within_a_library_ends_no_hook(desk):
    box = desk()
    real = box.worker._send

    def broken(*_: object) -> Answer:
        raise RuntimeError("who would have thought")

    box.worker._send = broken
    box.tell(E.PICKUP)
    box.after(1)
    assert box.results == [Result.UNKNOWN]
    box.worker._send = real
    box.tell(E.PICKUP)
    box.after(1)
    assert box.heard == [2]


# ---------------------------------------------------------------- pledges


def pledge(desk, *answers: Answer, **hook: object) -> Desk:
    return desk(*answers, **{"pledge": True, "daily_most": 2, **hook})


def test_a_pledge_waits_a_minute_and_goes_then(desk):
    box = pledge(desk)
    box.tell(E.PICKUP, sure=True)
    box.after(1)
    box.after(59)
    assert box.heard == []
    box.after(1)
    assert box.heard == [1]


def test_a_press_of_not_a_phone_takes_a_pledge_back(desk):
    box = pledge(desk)
    box.tell(E.PICKUP, sure=True)
    box.after(30)
    box.tell(E.NOT_A_PHONE)
    box.after(3600)
    assert box.heard == []
    assert box.results == [Result.TAKEN_BACK]
    box.tell(E.PICKUP, sure=True)
    box.after(1)
    box.after(60)
    assert box.heard == [3], "the next one counts"


def test_it_takes_back_the_latest_of_its_seat_only(desk):
    box = pledge(desk)
    box.tell(E.PICKUP, sure=True)
    box.tell(E.PUTDOWN)
    box.tell(E.PICKUP, sure=True)
    box.tell(E.NOT_A_PHONE)
    box.after(1)
    box.after(60)
    assert box.heard == [1]
    assert box.results == [Result.SENT, Result.TAKEN_BACK]


def test_what_was_told_stays_told_and_counts_whatever_is_pressed_later(desk):
    box = pledge(desk, daily_most=1)
    box.tell(E.PICKUP, sure=True)
    box.after(1)
    box.after(60)
    box.tell(E.NOT_A_PHONE)
    box.tell(E.PICKUP, sure=True)
    box.after(1)
    box.after(60)
    assert box.results == [Result.SENT, Result.OVER_LIMIT]


def test_neither_another_seat_nor_a_recording_takes_a_pledge_back_or_makes_it_sure(desk):
    box = pledge(desk)
    box.tell(E.PICKUP, sure=True)
    box.tell(E.NOT_A_PHONE, seat="sofa")
    box.tell(E.NOT_A_PHONE, replay=True)
    box.tell(E.PICKUP, seat="sofa", sure=False)
    box.tell(E.LEVEL, level=2)
    box.tell(E.LEVEL, level=2, seat="sofa", replay=True)
    box.after(1)
    box.after(60)
    assert box.results == [Result.SENT, Result.NOT_SURE]


def test_it_is_taken_back_also_after_a_try_that_did_not_arrive(desk):
    box = pledge(desk, NO)
    box.tell(E.PICKUP, sure=True)
    box.after(1)
    box.after(60)
    box.tell(E.NOT_A_PHONE)
    box.after(3600)
    assert (len(box.heard), box.results) == (1, [Result.TAKEN_BACK])


@pytest.mark.parametrize(
    ("sure", "level", "told"), [(False, 1, []), (False, 2, [1]), (True, 0, [1]), (None, 0, [])]
)
def test_a_pledge_takes_a_phone_that_is_sure_enough_for_a_sound(desk, sure, level, told):
    box = pledge(desk)
    box.tell(E.PICKUP, **({} if sure is None else {"sure": sure}))
    if level:
        box.tell(E.LEVEL, level=level, reason="phone in hand")
    box.after(1)
    box.after(60)
    assert box.heard == told
    assert box.results == [Result.SENT if told else Result.NOT_SURE]


def test_there_is_a_limit_a_day_and_what_may_have_arrived_counts(desk):
    box = pledge(desk, YES, WHO_KNOWS, YES)
    for _ in range(4):
        box.tell(E.PICKUP, sure=True)
    box.after(1)
    box.after(60)
    assert box.heard == [1, 2]
    assert box.results == [Result.SENT, Result.UNKNOWN, Result.OVER_LIMIT, Result.OVER_LIMIT]
    box.after(12 * 3600)  # the next day
    box.tell(E.PICKUP, sure=True)
    box.after(1)
    box.after(60)
    assert box.heard == [1, 2, 5]


def test_a_clock_that_is_set_forward_sends_no_pledge_before_its_minute(desk):
    box = pledge(desk)
    box.tell(E.PICKUP, sure=True)
    box.after(1)
    box.wall.set(NOON + timedelta(hours=3))
    box.after(30)
    assert box.heard == []
    box.worker.close()
    box.start()
    box.after(59)
    assert box.heard == [], "after a new start it begins anew"
    box.after(1)
    assert box.heard == [1]


def test_what_was_erased_is_not_told(desk):
    box = pledge(desk)
    box.tell(E.PICKUP, sure=True)
    box.after(1)
    box.store._db.execute("DELETE FROM event")
    box.after(60)
    assert box.heard == []


def test_what_was_told_of_a_day_can_be_erased_too(desk, tmp_path):
    box = desk()
    event = box.tell(E.PICKUP)
    box.after(1)
    box.worker.close()
    path = path_beside(box.path)
    kept = b"".join(each.read_bytes() for each in tmp_path.glob("hooks.db*"))
    assert event.id.encode() in kept
    assert ledger_module.erase(path, NOON.date()) == 1
    left = b"".join(each.read_bytes() for each in tmp_path.glob("hooks.db*"))
    assert event.id.encode() not in left
    box.start()
    box.after(1)
    assert len(box.heard) == 1


def test_without_knowing_what_was_told_nothing_is_told(tmp_path):
    (tmp_path / "hooks.db").write_bytes(b"\x00\xffnot a database" * 400)
    with pytest.raises(LedgerBroken, match="nothing is told; where it is damaged, take it away"):
        Ledger(tmp_path / "hooks.db", "music")
    with pytest.raises(LedgerBroken, match="may still be there"):
        ledger_module.erase(tmp_path / "hooks.db", None)
    Ledger(tmp_path / "not" / "yet" / "hooks.db", "music").close()
    with closing(sqlite3.connect(tmp_path / "new.db")) as db:
        db.execute("PRAGMA user_version = 9")
    with pytest.raises(LedgerBroken, match="of another version"):
        Ledger(tmp_path / "new.db", "music")


# ---------------------------------------------------------------- where it may go


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://127.0.0.1:8123/x", "is this machine itself"),
        ("http://localhost/x", "is this machine itself"),
        ("http://box.localhost/x", "is this machine itself"),
        ("http://[::1]/", "is this machine itself"),
        ("http://0.0.0.0/", "is this machine itself"),
        ("http://[::ffff:127.0.0.1]/", "is this machine itself"),
        ("http://[::]/", "is this machine itself"),
        ("http://169.254.169.254/latest/meta-data", "link-local or metadata"),
        ("http://[::ffff:169.254.169.254]/", "link-local or metadata"),
        ("http://[64:ff9b::a9fe:a9fe]/", "link-local or metadata"),
        ("http://[fd00:ec2::254]/", "link-local or metadata"),
        ("http://100.100.100.200/", "link-local or metadata"),
        ("http://[fe80::1]/", "link-local or metadata"),
        ("http://224.0.0.1/", "is no machine's address"),
        ("http://255.255.255.255/", "is no machine's address"),
        ("ftp://example.org/", "must begin with http:// or https://"),
        ("file:///etc/passwd", "must begin with http:// or https://"),
        ("http:///x", "must begin with http:// or https:// and a host"),
        ("http://a b/", "has blanks"),
        ("http://example.org\\@127.0.0.1/", "a host that nobody can be sure of"),
        ("http://exam_ple.org:99999/", "0-65535"),
    ],
)
def test_an_address_that_may_not_be_called_is_refused_with_a_word(address, said):
    text = f"[[hooks]]\naddress = '{address}'\n"
    with pytest.raises(settings.ConfigError, match=r"hooks\[0\]\.address") as caught:
        settings.parse(text, "my.toml")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("https://example.org/donate?amount=1", False),
        ("http://192.168.1.10:8123/api/webhook/x", False),  # a home's machines are there
        ("http://homeassistant.local:8123/", False),
        ("http://[fd12:3456::1]/", False),
        ("http://127.0.0.1:8123/", True),
        ("http://[::1]:8123/", True),
        ("http://localhost:1/", True),
    ],
)
def test_an_address_that_may_be_called_is_accepted(address, loopback):
    text = f"[[hooks]]\naddress = '{address}'\nloopback = {str(loopback).lower()}\n"
    assert settings.parse(text, "my.toml").hooks[0].address == address


def test_loopback_allows_this_machine_and_nothing_else():
    for text in ("169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1"):
        assert forbidden(ipaddress.ip_address(text), loopback=True)


def test_an_address_of_this_machine_on_the_network_is_this_machine():
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        probe.connect(("192.0.2.1", 9))
        own = ipaddress.ip_address(probe.getsockname()[0])
    assert is_own(own)
    assert forbidden(own, loopback=False)
    assert not forbidden(own, loopback=True)
    assert not is_own(ipaddress.ip_address("192.0.2.1"))


def test_user_info_leaves_as_a_header_and_is_shown_nowhere():
    found = called("https://me:p%40ss@example.org/hook?key=1")
    assert (found.host, found.port, found.target) == ("example.org", 443, "/hook?key=1")
    assert found.authorization == "Basic bWU6cEBzcw=="
    text = "[[hooks]]\naddress = 'https://me:hunter2@example.org/secret?key=hunter2'\n"
    text += "[[hooks]]\nname = 'b'\nnotify = 'tgram://hunter2/chat'\n"
    shown = settings.shown(settings.parse(text, "x"))
    assert "hunter2" not in shown
    assert "secret" not in shown
    with pytest.raises(settings.ConfigError) as caught:
        settings.parse("[[hooks]]\naddress = 'ftp://me:hunter2@h/hunter2'\n", "x")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[hooks]]\n[[hooks]]\n", 'hooks[1].name = "hook": is the name of another hook'),
        (
            "[[hooks]]\naddress = 'http://x/'\ncommand = '/bin/true'\n",
            "hooks[0].command: give this or address, not both",
        ),
        ("[[hooks]]\npledge = true\n", "hooks[0].daily_most: a pledge needs a daily limit"),
        ("[[hooks]]\ncommand = 'donate'\n", "begins with the whole path of a program"),
        ("[[hooks]]\ncommand = '/bin/x \"'\n", "cannot be split into words"),
        ("[[hooks]]\non = 'pickups'\n", "did you mean pickup?"),
    ],
)
def test_a_hook_that_cannot_be_meant_is_named(text, said):
    with pytest.raises(settings.ConfigError) as caught:
        settings.parse(text, "my.toml")
    assert said in str(caught.value)


def test_check_says_what_of_a_hook_will_not_work(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text("[[hooks]]\n[[hooks]]\nname = 'b'\ncommand = '/no/such/program'\n")
    done = subprocess.run(
        [sys.executable, "-m", "edge", "check", str(config)], capture_output=True, text=True
    )
    said = done.stdout + done.stderr
    assert "hooks[0]: tells nobody: give address, command or notify" in said
    assert 'hooks[1].command = "/no/such/program": is no program that can be run' in said


# ---------------------------------------------------------------- real servers


class Server:
    """Answers each request with the next status, the last one for good."""

    def __init__(self, *statuses: int, drip: bool = False) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        outer = self
        left = list(statuses) or [200]

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((self.path, dict(self.headers), body))
                if drip:
                    with contextlib.suppress(OSError):
                        for _ in range(100):
                            self.wfile.write(b"H")
                            time.sleep(0.05)
                    return
                status = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"http://127.0.0.1:{outer.port}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator:
    servers: list[Server] = []

    def make(*statuses: int, **kind: bool) -> Server:
        servers.append(Server(*statuses, **kind))
        return servers[-1]

    yield make
    for each in servers:
        each.close()


def hook_to(port: int, **more: object) -> HookConfig:
    address = f"http://me:pass@127.0.0.1:{port}/hook?a=1"
    return HookConfig(**{"address": address, "loopback": True, "timeout_s": 2.0, **more})


def test_the_event_arrives_as_json_with_its_id(server):
    receiver = server()
    assert post(hook_to(receiver.port), b'{"id": "x"}', event="x").arrived is True
    ((path, headers, body),) = receiver.requests
    assert (path, body) == ("/hook?a=1", b'{"id": "x"}')
    assert headers["Content-Type"].startswith("application/json")
    assert headers["Idempotency-Key"] == "x"
    assert headers["Authorization"] == "Basic bWU6cGFzcw=="
    assert headers["Host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize(
    ("status", "arrived", "again"),
    [(204, True, False), (503, False, True), (429, False, True), (404, False, False)],
)
def test_the_status_says_whether_it_arrived(server, status, arrived, again):
    answer = post(hook_to(server(status).port), b"{}", event="x")
    assert (answer.arrived, answer.again) == (arrived, again)


def test_nobody_is_followed_elsewhere(server):
    receiver = server(307)
    answer = post(hook_to(receiver.port), b"{}", event="x")
    assert (answer.arrived, answer.again) == (False, False)
    assert "points elsewhere" in answer.why
    assert len(receiver.requests) == 1


def test_where_nobody_listens_it_certainly_did_not_arrive():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        answer = post(hook_to(port), b"{}", event="x")
    assert (answer.arrived, answer.again) == (False, True)


def test_an_answer_that_drips_ends_in_time_and_nobody_knows(server):
    receiver = server(drip=True)
    began_s = time.monotonic()
    answer = post(hook_to(receiver.port, timeout_s=1.0), b"{}", event="x")
    assert answer.arrived is None
    assert time.monotonic() - began_s < 4.5, "not as long as it drips"


@pytest.mark.parametrize("own", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_a_name_that_leads_to_this_machine_is_refused_when_it_is_looked_up(
    server, monkeypatch, own
):
    receiver = server()
    looked_up: list[str] = []

    def resolver(host: str, port: int, **_: object):
        looked_up.append(host)
        return [(0, 1, 6, "", ("192.0.2.7", port)), (0, 1, 6, "", (own, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    hook = HookConfig(address=f"http://rebind.example:{receiver.port}/")
    answer = post(hook, b"{}", event="x")
    assert (answer.arrived, answer.again) == (False, False)
    assert "is this machine itself" in answer.why
    assert looked_up == ["rebind.example"], "once: a second time it might be another"
    assert receiver.requests == []


def test_the_address_that_was_looked_at_is_the_one_that_is_called(server, monkeypatch):
    """A name that is asked for twice may lead elsewhere the second time."""
    receiver = server()
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", receiver.port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    hook = HookConfig(address=f"http://only.here.invalid:{receiver.port}/", loopback=True)
    assert post(hook, b"{}", event="x").arrived is True
    assert receiver.requests[0][1]["Host"] == f"only.here.invalid:{receiver.port}"


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(tmp_path):
    from tests.certificates import Authority

    authority = Authority(tmp_path)
    pair = authority.issue("localhost", san="DNS:localhost")
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with contextlib.suppress(OSError):
            peer, _ = listener.accept()
            with contextlib.suppress(OSError), context.wrap_socket(peer, server_side=True) as tls:
                tls.recv(1)

    thread = threading.Thread(target=accept)
    thread.start()
    hook = HookConfig(address=f"https://localhost:{listener.getsockname()[1]}/", loopback=True)
    answer = post(hook, b"{}", event="x")
    listener.close()
    thread.join()
    assert (answer.arrived, answer.again) == (False, True)
    assert "certificate" in answer.why.lower()


# ---------------------------------------------------------------- commands


def script(folder: Path, text: str) -> str:
    path = folder / "hook.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_command_reads_the_event_and_gets_its_arguments_as_they_are(tmp_path):
    command = script(tmp_path, f'cat >{tmp_path}/heard; echo "$1|$2" >>{tmp_path}/heard')
    hook = HookConfig(command=f"{command} 'one dollar; rm -rf /' $HOME")
    assert run(hook, b'{"id": 1}\n').arrived is True
    assert (tmp_path / "heard").read_text() == '{"id": 1}\none dollar; rm -rf /|$HOME\n'


@pytest.mark.parametrize(
    ("text", "arrived", "again"),
    [("exit 3", False, True), ("exec sleep 60", None, False), ("exit 0", True, False)],
)
def test_a_command_says_by_its_exit_code_what_came_of_it(tmp_path, text, arrived, again):
    hook = HookConfig(command=script(tmp_path, text), timeout_s=1.0)
    answer = run(hook, b"x" * 1_000_000)
    assert (answer.arrived, answer.again) == (arrived, again)


def test_a_command_that_hangs_ends_with_all_that_it_started(tmp_path):
    hook = HookConfig(
        command=script(tmp_path, f"sleep 300 & echo $! >{tmp_path}/child; wait"), timeout_s=1.0
    )
    assert run(hook, b"{}").arrived is None
    child = int((tmp_path / "child").read_text())
    wait_for(lambda: not _alive(child))


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_program_that_is_not_there_may_be_there_later():
    answer = run(HookConfig(command="/no/such/program"), b"{}")
    assert (answer.arrived, answer.again) == (False, True)


# ---------------------------------------------------------------- notifications


def test_somebody_is_notified_through_apprise(server):
    pytest.importorskip("apprise", reason="needs Apprise: deploy/setup.sh notify")
    receiver = server()
    hook = HookConfig(notify=f"json://127.0.0.1:{receiver.port}/", loopback=True)
    answer = send(hook, b"{}", event="x", words=("Desk", "The phone was picked up at 12:00."))
    assert answer.arrived is True
    heard = json.loads(receiver.requests[0][2])
    assert heard["message"] == "The phone was picked up at 12:00."
    refused = send(HookConfig(notify=hook.notify), b"{}", event="x", words=("Desk", "x"))
    assert (refused.arrived, "is this machine itself" in refused.why) == (False, True)
    assert len(receiver.requests) == 1


def test_without_apprise_it_says_what_is_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    answer = send(HookConfig(notify="ntfy://x"), b"{}", event="x", words=("a", "b"))
    assert (answer.arrived, answer.again) == (False, False)
    assert "apt install apprise" in answer.why


# ---------------------------------------------------------------- the command


class Hooks(Process):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "hooks.log")
        self.folder = folder

    def start(self) -> None:
        config = str(self.folder / "config.toml")
        self.begin([sys.executable, "-m", "edge", "hooks", "--config", config])


def test_the_process_tells_what_happens_beside_the_box_and_outlives_a_kill(tmp_path, server):
    receiver = server(503, 200)
    config = tmp_path / "config.toml"
    config.write_text(
        f'[history]\npath = "{tmp_path}/history.db"\n'
        f'[[hooks]]\nname = "http"\naddress = "http://u:hunter2@127.0.0.1:{receiver.port}/hunter2"\n'
        "loopback = true\n"
        f'[[hooks]]\nname = "sh"\ncommand = "{script(tmp_path, f"cat >>{tmp_path}/heard")}"\n'
    )
    store = open_store(tmp_path / "history.db")
    hooks = Hooks(tmp_path)
    hooks.start()
    wait_for(lambda: hooks.log_path.read_text().count("told of what happens") == 2)
    event = store.add(E.PICKUP, datetime.now(UTC), seat="desk", details={})
    wait_for(lambda: len(receiver.requests) == 2)
    wait_for(lambda: "told of event 1" in hooks.log_path.read_text())
    assert [json.loads(body)["id"] for *_, body in receiver.requests] == [event.id] * 2
    hooks.kill()
    second = store.add(E.PICKUP, datetime.now(UTC), seat="desk", details={})
    hooks.start()
    wait_for(lambda: len(receiver.requests) == 3)
    assert json.loads(receiver.requests[-1][2])["id"] == second.id
    wait_for(lambda: (tmp_path / "heard").read_text().count('"id"') == 2)
    hooks.process.send_signal(signal.SIGTERM)
    assert hooks.process.wait(10) == 0
    hooks.process = None
    store.close()
    assert "hunter2" not in hooks.log_path.read_text()


def test_whether_a_hook_is_wanted_is_an_exit_code(tmp_path):
    config = tmp_path / "config.toml"
    command = [sys.executable, "-m", "edge", "hooks", "--config", str(config)]
    for text, code in (("", 1), ("[[hooks]]\n", 1), ("[[hooks]]\ncommand = '/bin/true'\n", 0)):
        config.write_text(text)
        assert subprocess.run([*command, "--wanted"], check=False).returncode == code
    tried = subprocess.run([*command, "--try", "hook"], capture_output=True, text=True, check=False)
    assert (tried.returncode, tried.stdout) == (0, "it arrived\n")
    missing = subprocess.run([*command, "--try", "x"], capture_output=True, text=True, check=False)
    assert (missing.returncode, "no hook 'x'" in missing.stderr) == (2, True)
