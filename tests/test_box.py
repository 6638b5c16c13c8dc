"""The whole box as a process of its own: real model, real broker, real notify socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import Heard, Mosquitto, Subscriber, find_mosquitto
from tests.camera_fakes import StreamServer, write_picture

MODEL: list[str] = []  # arguments that name another model than the shipped one


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    if find_mosquitto() is None:
        pytest.skip("needs mosquitto; deploy/test installs it")
    folder = tmp_path / "broker"
    folder.mkdir()
    mosquitto = Mosquitto(folder)
    mosquitto.start()
    yield mosquitto
    mosquitto.kill()


@pytest.fixture
def subscriber(broker: Mosquitto) -> Iterator[Subscriber]:
    listening = Subscriber(broker.port)
    yield listening
    listening.close()


@pytest.fixture
def stream() -> Iterator[StreamServer]:
    server = StreamServer()
    yield server
    server.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        write_picture(folder / name)
    return folder


class Box:
    """A running `procrastobot run`."""

    def __init__(self, tmp_path: Path, *arguments: str, port: int | None = None, **env: str):
        command = [sys.executable, "-m", "edge", "run", *MODEL, *arguments]
        if port is not None:
            command += ["--set", "mqtt.host=127.0.0.1", "--set", f"mqtt.port={port}"]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path), **env},
        )

    def end(self, timeout_s: float = 60) -> tuple[int, str]:
        """Wait for its end: (exit code, all it printed)."""
        output, _ = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, output


@pytest.fixture
def start(tmp_path: Path):
    boxes: list[Box] = []

    def begin(*arguments: str, **kwargs) -> Box:
        boxes.append(Box(tmp_path, *arguments, **kwargs))
        return boxes[-1]

    yield begin
    for box in boxes:
        if box.process.poll() is None:
            box.process.kill()
            box.process.communicate()


def focus_is_on(heard: list[Heard]) -> bool:
    return any(m.topic.endswith("/state") and b'"session":"focus"' in m.payload for m in heard)


def camera_is_on(heard: list[Heard]) -> bool:
    """The session begins before the camera is open; health is told from the first frame on."""
    return any(m.topic.endswith("/health") and b'"frames":0' not in m.payload for m in heard)


def session_is_recorded(heard: list[Heard]) -> bool:
    """Events are sent when they are on the card, and not before."""
    return any(m.topic.endswith("/event") and b'"session_start"' in m.payload for m in heard)


def test_a_folder_of_pictures_is_judged_and_told_to_its_end(start, broker, subscriber, pictures):
    code, output = start("--source", str(pictures), "--fast", port=broker.port).end()
    assert code == 0, output
    assert "simulated pins" in output
    assert "lights green" in output
    assert "end of folder" in output
    subscriber.wait_for(lambda heard: heard[-1].payload == b"offline")
    assert focus_is_on(subscriber.heard)
    events = [json.loads(payload)["type"] for payload in subscriber.of("/event")]
    assert events[:2] == ["started", "session_start"]


def test_sigterm_says_goodbye_and_is_no_failure(start, broker, subscriber, stream):
    box = start("--source", stream.address, "--set", "session.autostart=true", port=broker.port)
    subscriber.wait_for(focus_is_on)
    box.process.send_signal(signal.SIGTERM)
    code, output = box.end()
    assert code == 0, output
    assert subscriber.of("/availability")[-1] == b"offline"
    assert "Traceback" not in output


def test_a_killed_box_is_known_to_be_gone_and_tells_of_it_after_the_next_start(
    start, broker, subscriber, stream
):
    arguments = ("--source", stream.address, "--set", "session.autostart=true")
    box = start(*arguments, "--set", "mqtt.keepalive_s=5", port=broker.port)
    subscriber.wait_for(session_is_recorded)
    box.process.kill()
    box.end()
    subscriber.wait_for(lambda heard: heard[-1].payload == b"offline")
    start(*arguments, port=broker.port)
    subscriber.wait_for(
        lambda heard: any(
            m.topic.endswith("/event") and b'"interrupted"' in m.payload for m in heard
        )
    )


def test_a_camera_that_stops_is_told_and_ends_the_box(start, broker, subscriber, stream):
    box = start(
        "--source",
        stream.address,
        "--set",
        "session.autostart=true",
        "--set",
        "camera.timeout_s=1",
        port=broker.port,
    )
    subscriber.wait_for(camera_is_on)
    stream.stalls.set()
    code, output = box.end()
    assert code == 1
    assert "camera lost: " in output
    faults = [json.loads(p) for p in subscriber.of("/event") if b'"fault"' in p]
    assert [fault["details"]["fault"] for fault in faults] == ["camera"]
    assert subscriber.of("/availability")[-1] == b"offline"


def test_a_second_box_with_the_same_history_says_so_and_falsifies_nothing(
    start, broker, subscriber, stream
):
    arguments = ("--source", stream.address, "--set", "session.autostart=true")
    first = start(*arguments, port=broker.port)
    subscriber.wait_for(session_is_recorded)
    code, output = start(*arguments, port=broker.port).end()
    assert code == 78, "systemd would start it again after 1"
    assert f"another Procrastobot (process {first.process.pid}) runs" in output
    assert "Traceback" not in output
    first.process.send_signal(signal.SIGTERM)
    assert first.end()[0] == 0
    assert subscriber.of("/availability").count(b"offline") == 1
    assert [json.loads(p)["type"] for p in subscriber.of("/event")][:2] == [
        "started",
        "session_start",
    ]


def test_a_recording_is_played_back_beside_a_running_box_and_told_to_nobody(
    start, broker, subscriber, stream, pictures
):
    box = start("--source", stream.address, port=broker.port)
    subscriber.wait_for(lambda heard: any(m.payload == b"online" for m in heard))
    code, output = start("--source", str(pictures), "--fast", port=broker.port).end()
    assert code == 0, output
    assert f"a box (process {box.process.pid}) runs already" in output
    box.process.send_signal(signal.SIGTERM)
    box.end()
    assert subscriber.of("/availability").count(b"offline") == 1
    assert not focus_is_on(subscriber.heard)


def test_a_recording_that_is_kept_is_marked_everywhere_and_counts_nowhere(
    start, broker, subscriber, pictures, tmp_path
):
    history = tmp_path / "kept.db"
    code, output = start(
        "--source", str(pictures), "--fast", "--set", f"history.path={history}", port=broker.port
    ).end()
    assert code == 0, output
    subscriber.wait_for(lambda heard: heard[-1].payload == b"offline")
    told = [json.loads(p) for p in (*subscriber.of("/event"), *subscriber.of("/state"))]
    assert {each["replay"] for each in told} == {True}
    assert not subscriber.of("/today")
    found = subprocess.run(
        [sys.executable, "-m", "edge", "report", "--json", "--history", str(history)],
        capture_output=True,
        text=True,
        check=True,
    )
    (day,) = json.loads(found.stdout)["days"]
    assert (day["focus_s"], day["sessions"], day["longest_clean_s"]) == (0, 0, 0)


def test_a_wrong_configuration_ends_with_78_and_every_fault(start, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("[policy]\naway_hold_s = -3\n[mqtt]\nhots = 'x'\n")
    code, output = start("--config", str(path)).end()
    assert code == 78
    assert "2 settings cannot be used" in output
    assert "did you mean mqtt.host?" in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--source", "/nowhere/clip.mp4"], "there is no /nowhere/clip.mp4"),
        (["--set", "model.manifest=/nowhere/manifest.toml"], "/nowhere/manifest.toml"),
        (["--set", "hardware.board=submarine", "--source", "."], "submarine"),
        (["--set", "camera.fsp=3"], "no such setting"),
        (["--mode", "cruel"], "no such mode; there are gentle, strict, light-only"),
    ],
)
def test_what_another_start_cannot_mend_ends_with_78(start, pictures, arguments, said):
    arguments = [str(pictures) if argument == "." else argument for argument in arguments]
    code, output = start(*arguments).end()
    assert code == 78, output
    assert said in output
    assert "Traceback" not in output


def test_systemd_hears_of_readiness_after_the_first_tick_and_of_every_finished_one(
    start, tmp_path, pictures
):
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(60)
        box = start(
            "--source",
            str(pictures),
            NOTIFY_SOCKET=address,
            WATCHDOG_USEC="300000",
        )
        heard = [listener.recv(4096).decode()]
        while not heard[-1].startswith("STOPPING=1"):
            heard.append(listener.recv(4096).decode())
        assert box.end()[0] == 0
    lines = [line for message in heard for line in message.splitlines()]
    assert lines[0] == "READY=1"
    assert lines.count("READY=1") == 1
    assert lines.count("WATCHDOG=1") >= 3
    assert any(line.startswith("STATUS=focus; desk ") for line in lines)
