"""The self-test: a broken part is a line that says what to do, and never the end of the test."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge import telling
from edge.__main__ import main
from edge.commands.selftest import PARTS, Finding, Verdict, examine
from edge.config import CameraConfig, Config, HardwareConfig, HistoryConfig, MqttConfig
from edge.domain import EventType, Totals
from edge.history import clock
from edge.history.days import Day
from edge.history.store import open_store
from tests.broker import Mosquitto, find_mosquitto
from tests.camera_fakes import write_picture


@pytest.fixture
def config(tmp_path: Path) -> Config:
    folder = tmp_path / "pictures"
    folder.mkdir()
    write_picture(folder / "one.jpg")
    return Config(
        camera=CameraConfig(source=str(folder), realtime=False),
        hardware=HardwareConfig(pins="simulated"),
        history=HistoryConfig(path=str(tmp_path / "state" / "history.db")),
    )


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def one(config: Config, part: str) -> Finding:
    findings = {finding.part: finding for finding in examine(config, (part,), None)}
    assert list(findings) == [part]
    return findings[part]


@pytest.mark.parametrize("part", ["status light", "warning lights", "buzzer", "button"])
def test_simulated_parts_are_called_simulated(config: Config, part: str) -> None:
    assert one(config, part).verdict is Verdict.SIMULATED


@pytest.mark.parametrize("part", ["status light", "warning lights", "buzzer", "button"])
def test_what_is_not_on_the_board_is_skipped(config: Config, part: str) -> None:
    without = replace(config, hardware=HardwareConfig(board="none"))
    assert one(without, part).verdict is Verdict.SKIPPED


def test_a_wrong_board_fails_each_of_its_parts_and_nothing_else(config: Config) -> None:
    wrong = replace(config, hardware=HardwareConfig(board="bored"))
    verdicts = {each.part: each.verdict for each in examine(wrong, ("buzzer", "disk"), None)}
    assert verdicts == {"buzzer": Verdict.FAILED, "disk": Verdict.OK}


def test_what_the_person_there_did_not_see_has_failed(config: Config) -> None:
    asked: list[str] = []

    def nobody_sees_blue(question: str) -> bool:
        asked.append(question)
        return "blue" not in question

    finding = next(iter(examine(config, ("status light",), nobody_sees_blue)))
    assert len(asked) == 3
    assert finding.verdict is Verdict.FAILED
    assert "blue (GPIO 22)" in finding.text
    assert "WIRING.md" in finding.advice


def test_a_history_is_looked_through_and_what_is_odd_about_it_is_named(config: Config) -> None:
    assert one(config, "history").verdict is Verdict.SKIPPED
    path = Path(config.history.path)
    with closing(open_store(path)) as store:
        for date in ("2026-03-05", "2041-11-24"):
            day = Day(date, ("desk",), (Totals(focus_s=60),))
            store.add(EventType.STARTED, datetime(2026, 3, 5, tzinfo=UTC), details={}, day=day)
    (path.parent / "history.db.broken-20260305T120000").touch()
    finding = one(config, "history")
    assert finding.verdict is Verdict.OK
    assert "1 days, 2 events" in finding.text
    assert "2041-11-24" in finding.advice
    assert "history.db.broken-20260305T120000" in finding.advice
    content = bytearray(path.read_bytes())
    content[content.index(b"tablenotenote") + 5] ^= 0x80
    path.write_bytes(content)
    damaged = one(config, "history")
    assert damaged.verdict is Verdict.FAILED
    assert "2 events can be read; it is damaged" in damaged.text


@pytest.mark.parametrize(
    ("kept", "said"),
    [(True, "kept by a time server"), (False, "kept by no time server"), (None, "nobody says")],
)
def test_the_clock_says_who_keeps_it(config: Config, monkeypatch, kept, said) -> None:
    monkeypatch.setattr(clock, "synchronized", lambda: kept)
    finding = one(config, "clock")
    assert (finding.verdict, said in finding.text) == (Verdict.OK, True)


def test_a_clock_from_before_the_program_is_wrong(config: Config, monkeypatch) -> None:
    monkeypatch.setattr(telling, "local_time", lambda: datetime(1970, 1, 1, tzinfo=UTC))
    assert one(config, "clock").verdict is Verdict.FAILED


def test_pictures_from_a_file_are_not_called_a_camera(config: Config) -> None:
    finding = one(config, "camera")
    assert finding.verdict is Verdict.SIMULATED
    assert "not a live camera" in finding.text


def test_a_camera_that_is_not_there_is_a_line(config: Config) -> None:
    gone = replace(config, camera=CameraConfig(source="/dev/no-such-camera"))
    finding = one(gone, "camera")
    assert finding.verdict is Verdict.FAILED
    assert "/dev/no-such-camera" in finding.text


def test_no_broker_is_no_fault(config: Config) -> None:
    assert one(config, "broker").verdict is Verdict.SKIPPED


def test_a_broker_that_does_not_listen_is_a_line_without_its_address(config: Config) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    finding = one(replace(config, mqtt=MqttConfig(host="127.0.0.1", port=port)), "broker")
    assert (finding.verdict, finding.text) == (Verdict.FAILED, "nothing listens there")


def test_a_broker_that_says_nothing_is_a_line(
    config: Config, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.mqtt.probe.PATIENCE_S", 0.2)
    finding = one(replace(config, mqtt=MqttConfig(host="127.0.0.1", port=silent_port)), "broker")
    assert finding.verdict is Verdict.FAILED
    assert "said nothing" in finding.text


def test_a_disk_that_cannot_be_written_is_a_line(config: Config, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    wrong = replace(config, history=HistoryConfig(path=str(tmp_path / "file" / "history.db")))
    assert one(wrong, "disk").verdict is Verdict.FAILED


def test_the_disk_is_left_as_it_was(config: Config, tmp_path: Path) -> None:
    assert one(config, "disk").verdict is Verdict.OK
    assert os.listdir(tmp_path / "state") == []


def test_json_has_every_part_and_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        f'[hardware]\npins = "simulated"\n[history]\npath = "{tmp_path}/history.db"\n'
        '[mqtt]\npassword = "not to be seen"\n'
    )
    code = main(["selftest", "--json", "--config", str(file)])
    printed = capsys.readouterr().out
    result = json.loads(printed)
    assert [each["part"] for each in result["findings"]] == list(PARTS)
    assert {each["verdict"] for each in result["findings"]} <= {each.value for each in Verdict}
    assert code == int(any(each["verdict"] == "failed" for each in result["findings"]))
    assert {"procrastobot", "board", "kernel", "python"} <= set(result["report"])
    assert "not to be seen" not in printed


def test_a_part_that_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest", "--only", "buzer"]) == 2
    assert "no such part: buzer" in capsys.readouterr().err


@pytest.mark.skipif(find_mosquitto() is None, reason="needs mosquitto")
def test_a_real_broker_takes_us_and_a_box_that_is_connected_stays_so(
    config: Config, tmp_path: Path
) -> None:
    broker = Mosquitto(tmp_path)
    broker.start()
    try:
        connected = replace(config, mqtt=MqttConfig(host="127.0.0.1", port=broker.port))
        assert one(connected, "broker").verdict is Verdict.OK
        log = (tmp_path / "mosquitto.log").read_text()
        assert "procrastobot-selftest-" in log
    finally:
        broker.stop()


@pytest.mark.skipif(find_mosquitto() is None, reason="needs mosquitto")
def test_a_wrong_password_is_named(config: Config, tmp_path: Path) -> None:
    (tmp_path / "passwords").write_text("")
    broker = Mosquitto(tmp_path, f"password_file {tmp_path / 'passwords'}")
    broker.start()
    try:
        wrong = MqttConfig(host="127.0.0.1", port=broker.port, username="me", password="wrong")
        finding = one(replace(config, mqtt=wrong), "broker")
        assert finding.verdict is Verdict.FAILED
        assert "user name or password" in finding.text or "authorize" in finding.text
    finally:
        broker.stop()


@pytest.mark.parametrize(
    ("bits", "verdict", "text"),
    [
        ("50005", Verdict.FAILED, "the voltage is too low"),
        ("1", Verdict.FAILED, "the voltage is too low"),
        ("50000", Verdict.OK, "too low once since it was switched on"),
        ("0", Verdict.OK, "throttled 0x0"),
    ],
)
def test_a_voltage_that_was_too_low_once_is_no_fault_of_now(
    config: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bits: str,
    verdict: Verdict,
    text: str,
) -> None:
    (tmp_path / "get_throttled").write_text(f"{bits}\n")
    monkeypatch.setattr("edge.health.THROTTLED", tmp_path / "get_throttled")
    finding = one(config, "power")
    assert finding.verdict is verdict
    assert text in finding.text


@pytest.mark.skipif(find_mosquitto() is None, reason="needs mosquitto")
def test_the_broker_in_the_box_is_tried_beside_the_one_that_runs(config: Config) -> None:
    wanted = replace(config, broker=replace(config.broker, enabled=True))
    finding = one(wanted, "broker")
    assert (finding.verdict, finding.text) == (Verdict.OK, "the one in the box can be started")


def test_a_network_camera_is_a_line_without_its_address(config: Config) -> None:
    source = "rtsp://viewer:geheim99@127.0.0.1:9/live"
    finding = one(replace(config, camera=CameraConfig(source=source)), "camera")
    assert finding.verdict is Verdict.FAILED
    assert finding.text.startswith("address cannot be opened")
    assert not any(part in str(finding) for part in ("geheim99", "viewer", "127.0.0.1"))
