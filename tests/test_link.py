"""The box's end of the link to the page, asked over its real socket."""

from __future__ import annotations

import io
import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge import link, live, logs
from edge.adopt import adopted
from edge.config import Config, ExperimentConfig, HookConfig, PolicyConfig, SeatConfig
from edge.domain import (
    Aim,
    Box,
    Detection,
    EventType,
    Frame,
    Happening,
    LessonSoFar,
    Mute,
    NotAPhone,
    Observation,
    SessionAction,
    SetMode,
    SetSession,
    Shown,
    Test,
    View,
)
from tests.linked import PICTURE, LinkedBox
from tests.waiting import wait_for


@pytest.fixture
def box(tmp_path: Path) -> Iterator[LinkedBox]:
    made = LinkedBox(tmp_path)
    yield made
    made.link.close()


def test_the_page_reads_the_state_with_the_time_that_it_was_published_at(box):
    state, picture = box.ask("state")
    assert picture == b""
    assert state["session"] == "focus"
    assert state["until"] == "2026-11-23T12:25:00+00:00"
    assert state["modes"] == ["gentle", "light-only", "strict"]
    assert "rss_kib" in state["health"]


@pytest.mark.parametrize(
    ("name", "payload", "command"),
    [
        ("session", "pause", SetSession(SessionAction.PAUSE)),
        ("mute", "on", Mute(on=True)),
        ("not_a_phone", "", NotAPhone()),
    ],
)
def test_a_click_leaves_in_the_inbox_what_mqtt_would(box, name, payload, command):
    assert box.ask("command", name=name, payload=payload)[0] == {"accepted": name}
    assert box.inbox.drain() == [command]


@pytest.mark.parametrize(
    ("name", "payload", "why"),
    [
        ("session", "dance", "one of start"),
        ("reboot", "", "no such command"),
        ("session", "x" * 300, "at most 256"),
        (None, None, "no such command"),
    ],
)
def test_what_is_not_understood_changes_nothing_and_is_said(box, name, payload, why):
    assert why in box.ask("command", name=name, payload=payload)[0]["error"]
    assert box.inbox.drain() == []


class Teacher:
    """A learner in the middle of a lesson."""

    lesson = LessonSoFar("wallet", False, 7, 20, 9, 12, 0.0, 11.5)
    file = ("taught-1.npz", b"PK...")

    def hear(self, happening: Happening) -> None:
        raise AssertionError("the page tells the box by commands")

    def shown(self) -> tuple[Shown, ...]:
        return (Shown("my phone", True, 40, 0.31, 0.97),)

    def exported(self) -> tuple[str, bytes]:
        return self.file


def test_what_is_being_shown_and_what_was_is_told_to_the_page(box):
    assert box.ask("state")[0]["lesson"] is None
    assert box.ask("taught")[0] == {"things": []}
    teacher = Teacher()
    box.link.attach(box.seeing, teacher)
    told = box.ask("state")[0]["lesson"]
    assert (told["name"], told["views"], told["enough"], told["left_s"]) == ("wallet", 7, 20, 11.5)
    box.seeing.see(6.0)
    assert box.ask("look")[0]["lesson"] == told
    (thing,) = box.ask("taught")[0]["things"]
    assert thing == {"name": "my phone", "phone": True, "views": 40, "before": 0.31, "now": 0.97}
    assert box.ask("export") == ({"name": "taught-1.npz"}, b"PK...")
    teacher.file = ("taught-1.npz", b"")
    assert box.ask("export") == ({"error": "the box was shown nothing yet"}, b"")


def test_that_something_is_known_now_is_told_with_its_number(box):
    assert box.ask("state")[0]["taught"] == {"number": 0}
    details = {"name": "wallet", "phone": False, "views": 9}
    for _ in range(2):
        box.link.tell(Happening(EventType.TAUGHT, 7.0, None, details))
    assert box.ask("state")[0]["taught"] == {"number": 2, **details}


def test_a_tune_is_played_as_it_is_written_and_what_is_none_is_refused(box):
    long = "mine:d=16,o=5,b=200:" + ",".join(["a", "b"] * 30) + " " * 300
    assert box.ask("play", tune=long) == ({"accepted": "play"}, b"")
    assert box.ask("play", tune="ahem", loud=True) == ({"accepted": "play"}, b"")
    assert box.inbox.drain() == [Test("chirp", long), Test("loud", "ahem")]
    for tune, why in (("mine:8a", "two colons"), ("", "one of two-up"), ("/etc/x.wav", "one of")):
        assert why in box.ask("play", tune=tune)[0]["error"]
    assert box.inbox.drain() == []


def test_the_last_lines_of_the_log_are_told_and_no_more_of_them_than_are_kept(box):
    before = logging.getLogger().handlers[:]
    logs.set_up("info", stream=io.StringIO())
    try:
        log = logging.getLogger("a.box")
        for number in range(logs.MOST_LINES + 5):
            log.info("line %d\n\x1b[31m", number)
        log.error("x" * 5000)
        log.debug("nobody asked for this")
        lines = box.ask("log")[0]["lines"]
    finally:
        logging.getLogger().handlers[:] = before
    assert len(lines) == logs.MOST_LINES
    assert lines[0]["text"] == "line 6  [31m"
    assert (lines[-1]["level"], len(lines[-1]["text"])) == ("ERROR", logs.LONGEST_LINE)
    assert all(line["at"] > 1.7e9 for line in lines)


def test_the_camera_is_opened_for_aiming_by_the_page_and_by_nobody_else(box):
    assert "error" in box.ask("command", name="aim", payload="60")[0]
    assert "error" in box.ask("aim", seconds="x")[0]
    assert box.inbox.drain() == []
    assert box.ask("aim", seconds=60)[0] == {"accepted": "aim"}
    assert box.inbox.drain() == [Aim(60.0)]


def test_a_command_that_the_loop_refuses_is_told_with_the_reason(box):
    box.link.tell(Happening(EventType.PAUSE, 5.0))
    assert box.ask("state")[0]["refused"] == {"number": 0, "why": ""}
    box.link.tell(Happening(EventType.REFUSED, 5.0, None, {"command": "pause", "why": "no pause"}))
    assert box.ask("state")[0]["refused"] == {"number": 1, "why": "no pause"}


def test_a_closed_camera_shows_nothing(box):
    assert box.ask("look") == ({"number": 0, "camera": False}, b"")


def test_a_picture_comes_with_what_is_made_of_it(box):
    box.seeing.see(6.0)
    words, picture = box.ask("look")
    assert picture[:2] == b"\xff\xd8"
    assert (words["width"], words["height"], words["view"]) == (128, 96, "clear")
    assert words["things"] == [{"label": "phone", "score": 0.8, "box": [0.1, 0.1, 0.3, 0.2]}]
    seat = words["seats"][0]
    assert (seat["name"], seat["phone"]["use"], seat["phone"]["why"]) == (
        "desk",
        "in use",
        "raised",
    )


@pytest.mark.parametrize(
    ("box_", "view", "width_px", "said"),
    [
        (Box(0.1, 0.1, 0.3, 0.3), View.CLEAR, 640, ""),
        (Box(0.1, 0.1, 0.2, 0.15), View.CLEAR, 1280, ""),
        (Box(0.1, 0.1, 0.2, 0.15), View.CLEAR, 640, ""),
        (Box(0.1, 0.1, 0.14, 0.13), View.CLEAR, 1280, "(0.1% of the picture) about 35 of 100 are"),
        (Box(0.1, 0.1, 0.14, 0.13), View.CLEAR, 640, "closer, or give it more pixels"),
        (Box(0.1, 0.1, 0.3, 0.3), View.DARK, 640, "while the view is dark"),
    ],
)
def test_who_aims_is_told_what_will_not_be_seen(box_, view, width_px, said):
    seen = Observation(1.0, view, (), (Detection("phone", 0.8, box_),))
    hint = live.hint(seen, width_px)
    assert said in hint
    assert bool(said) == bool(hint)


def test_a_picture_is_made_for_who_asks_and_only_once(box, monkeypatch):
    made = []
    real = link.Taken.jpeg
    monkeypatch.setattr(link.Taken, "jpeg", lambda *args: made.append(1) or real(*args))
    box.seeing.see(6.0)
    box.ask("state")
    assert not made, "nobody looks"
    words, _ = box.ask("look")
    assert box.ask("look")[1], "another viewer gets the same picture"
    assert box.ask("look", after=words["number"]) == (
        {"number": words["number"], "camera": True, "same": True},
        b"",
    )
    assert len(made) == 1
    box.seeing.frame = None
    assert box.ask("look")[0]["camera"] is False


def test_a_frame_whose_judgement_has_not_come_yet_is_shown_without_one(box):
    box.seeing.see(6.0)
    box.seeing.frame = Frame(PICTURE, 7.0)
    words, picture = box.ask("look")
    assert (words["things"], words["view"]) == ([], "")
    assert picture


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0" * 100 + b"\n",
        b"[1]\n",
        b"[" * 4000 + b"\n",
        b"x" * 20000,
    ],
    ids=["another protocol", "zeros", "no object", "deep", "without an end"],
)
def test_garbage_ends_its_connection_and_nothing_else(box, garbage):
    with box.connect() as connection:
        try:
            connection.sendall(garbage)
            assert connection.recv(100) == b""
        except ConnectionError:
            pass
    assert box.ask("state")[0]["session"] == "focus"
    assert box.ask("riddle")[0] == {"error": "no such question"}


def test_who_does_not_take_the_answers_holds_nobody_up_and_is_let_go(box, monkeypatch):
    monkeypatch.setattr(link, "PATIENCE_S", 0.3)
    noise = np.random.default_rng(1).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    box.seeing.see(6.0)
    box.seeing.frame = replace(box.seeing.frame, image=noise)
    with box.connect() as greedy:
        greedy.sendall(b'{"ask":"look"}\n' * 200)
        assert box.ask("state")[0]["session"] == "focus"
        wait_for(lambda: len(box.link._connections) == 0)
    assert box.ask("state")[0]["session"] == "focus"


def test_more_connections_than_a_page_needs_end_the_oldest(box):
    held = [box.connect() for _ in range(12)]
    assert box.ask_on(held[-1], "state")[0]["session"] == "focus"
    assert held[0].recv(10) == b""
    assert len(box.link._connections) <= link.MOST_CONNECTIONS
    for each in held:
        each.close()


def test_an_answer_that_fails_ends_no_other(box, caplog):
    box.seeing.frame = "no frame"
    assert "could not answer" in box.ask("look")[0]["error"]
    assert "the page's question look" in caplog.text
    assert box.ask("state")[0]["session"] == "focus"


def test_the_socket_is_the_boxs_own_and_gone_with_it(tmp_path):
    box = LinkedBox(tmp_path)
    assert stat.S_IMODE(box.path.stat().st_mode) == 0o600
    box.link.close()
    assert not box.path.exists()
    box.path.write_text("of a box that was killed")
    again = LinkedBox(tmp_path)
    assert again.ask("state")[0]["session"] == "focus"
    again.link.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_nobody_else_gets_through(box, tmp_path, caplog):
    os.chmod(box.path, 0o666)
    for folder in (tmp_path, *list(tmp_path.parents)[:3]):
        os.chmod(folder, 0o755)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setuid(65534)
            with box.connect() as connection:
                connection.sendall(b'{"ask":"state"}\n')
                code = 0 if connection.recv(10) == b"" else 2
        except ConnectionError:
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert "of user 65534 is no page of this box" in caplog.text


# ---------------------------------------------------------------- settings that change


def test_what_needs_no_new_start_is_in_force_at_once(box):
    box.file.write_text(
        "[policy]\nphone_hold_s = 7\n[nudge]\nmode = 'strict'\n[box]\nname = 'Other'\n"
        "[[seats]]\nbox = [0, 0, 1, 0.5]\n"
    )
    answer, _ = box.ask("adopt")
    assert answer["taken"] == ["seats", "policy.phone_hold_s", "nudge.mode"]
    assert answer["waiting"] == ["box.name"]
    assert box.seeing.adopted.policy.phone_hold_s == 7
    assert box.seeing.adopted.box.name == "Procrastobot"
    assert box.inbox.drain() == [SetMode("strict")]
    assert box.ask("adopt")[0] == {"taken": [], "waiting": ["box.name"]}


def test_a_faulty_file_is_answered_with_what_is_wrong_and_changes_nothing(box):
    box.file.write_text("[policy]\nphone_hold_s = -7\n")
    assert "policy.phone_hold_s = -7" in box.ask("adopt")[0]["error"]
    assert box.seeing.adopted is None


@pytest.mark.parametrize(
    ("change", "taken", "waiting"),
    [
        (lambda c: replace(c, policy=PolicyConfig(learn=False)), ["policy.learn"], []),
        (lambda c: replace(c, seats=(SeatConfig(name="sofa"),)), [], ["seats"]),
        (lambda c: replace(c, seats=(SeatConfig(dock=Box(0, 0, 1, 1)),)), ["seats"], []),
        (
            lambda c: replace(c, modes=c.modes | {"mine": c.modes["gentle"]}),
            [],
            ["modes"],
        ),
        (lambda c: replace(c, camera=replace(c.camera, fps=5)), [], ["camera.fps"]),
        (
            lambda c: replace(c, experiment=ExperimentConfig(enabled=True)),
            [],
            ["experiment.enabled"],
        ),
        (lambda c: replace(c, hooks=(HookConfig(),)), [], ["hooks"]),
    ],
)
def test_what_other_parts_know_by_name_waits_for_the_next_start(change, taken, waiting):
    found = adopted(Config(), change(Config()))
    assert (found.taken, found.waiting) == (taken, waiting)


def test_a_new_start_is_asked_for(box):
    assert box.ask("restart")[0] == {"restarting": True}
    assert box.restarts == 1
