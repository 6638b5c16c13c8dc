"""The notify protocol, spoken with real datagram sockets."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.devices.systemd import NoWatchdog, open_watchdog
from tests.fakes import FakeClock


class Listener:
    """systemd's end of the socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Listener]]:
    address = (
        str(tmp_path / "notify") if request.param == "path" else f"@procrastobot-test-{os.getpid()}"
    )
    listening = Listener(address)
    yield address, listening
    listening.socket.close()


def test_ready_status_and_stopping_arrive_as_they_are(listener: tuple[str, Listener]) -> None:
    address, systemd = listener
    watchdog = open_watchdog({"NOTIFY_SOCKET": address})
    watchdog.ready()
    watchdog.status("focus,\n 12 min left")
    watchdog.status("focus, 12 min left")
    watchdog.stopping()
    assert systemd.heard() == ["READY=1", "STATUS=focus, 12 min left", "STOPPING=1"]


def test_finished_ticks_pet_three_times_per_time_out(listener: tuple[str, Listener]) -> None:
    address, systemd = listener
    clock = FakeClock()
    watchdog = open_watchdog(
        {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "15000000", "WATCHDOG_PID": str(os.getpid())},
        clock=clock,
    )
    for _ in range(150):  # 15 s of ticks
        watchdog.pet()
        clock.advance(0.1)
    assert systemd.heard() == ["WATCHDOG=1"] * 3


def test_without_ticks_there_is_no_pet(listener: tuple[str, Listener]) -> None:
    address, systemd = listener
    clock = FakeClock()
    watchdog = open_watchdog({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"}, clock=clock)
    watchdog.ready()
    clock.advance(3600)
    assert systemd.heard() == ["READY=1"]


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="no watchdog asked for"),
        pytest.param({"WATCHDOG_USEC": "0"}, id="switched off"),
        pytest.param({"WATCHDOG_USEC": "soon"}, id="nonsense"),
        pytest.param({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, id="for another process"),
    ],
)
def test_a_watchdog_that_is_not_ours_is_left_alone(
    listener: tuple[str, Listener], more: dict[str, str]
) -> None:
    address, systemd = listener
    open_watchdog({"NOTIFY_SOCKET": address, **more}).pet()
    assert systemd.heard() == []


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "relative"}])
def test_without_systemd_all_of_it_is_silent(environ: dict[str, str]) -> None:
    watchdog = open_watchdog(environ)
    assert isinstance(watchdog, NoWatchdog)
    for call in (watchdog.ready, watchdog.pet, watchdog.stopping):
        call()
    watchdog.status("anything")


def test_a_full_queue_neither_blocks_nor_raises_and_the_pet_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    address = str(tmp_path / "notify")
    systemd = Listener(address)
    clock = FakeClock()
    watchdog = open_watchdog({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000000"}, clock=clock)
    for _ in range(10_000):  # far more than a datagram queue holds
        watchdog.ready()
    assert len(caplog.records) == 1, "one warning, not one per message"
    watchdog.pet()
    assert "WATCHDOG=1" not in systemd.heard()
    watchdog.pet()  # no time has passed: the one before did not get through
    assert systemd.heard() == ["WATCHDOG=1"]
    systemd.socket.close()


def test_a_socket_that_has_gone_is_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watchdog = open_watchdog({"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    watchdog.ready()
    watchdog.stopping()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
