"""Box and page as the processes that they are: who starts whom, and what leaves the box."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.link import LENGTHS
from edge.page.listen import announce
from tests.process import Process
from tests.waiting import wait_for

pytest.importorskip("starlette", reason="needs starlette (the extra page)")
pytestmark = pytest.mark.slow


class Running(Process):
    """A box started by hand."""

    def __init__(self, folder: Path, more: str = "") -> None:
        super().__init__(folder / "box.log")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.socket = folder / "page.socket"
        self.config = folder / "config.toml"
        self.config.write_text(
            f"[web]\nenabled = true\nport = {self.port}\n"
            f'[history]\npath = "{folder}/history.db"\n[hardware]\npins = "simulated"\n{more}'
        )

    def said(self) -> str:
        return self.log_path.read_text()

    def ask(self, ask: str, **more: Any) -> tuple[dict[str, Any], bytes]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(str(self.socket))
            connection.sendall(json.dumps({"ask": ask, **more}).encode() + b"\n")
            stream = connection.makefile("rb")
            words, picture = LENGTHS.unpack(stream.read(LENGTHS.size))
            return json.loads(stream.read(words)), stream.read(picture)

    def page_answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", "/login")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path, '[camera]\nsource = "http://127.0.0.1:9/none.mjpg"\n')
    made.begin([sys.executable, "-m", "edge", "run", "--config", str(made.config)])
    yield made
    made.kill()


def test_a_box_that_is_no_service_has_its_page_beside_it_and_takes_it_along(box: Running) -> None:
    wait_for(box.page_answers, box.said)
    wait_for(box.socket.exists, box.said)
    before = box.pid
    box.config.write_text(box.config.read_text() + '[box]\nname = "Another"\n')
    assert box.ask("adopt")[0]["waiting"] == ["box.name"]
    assert box.ask("restart")[0] == {"restarting": True}

    def another() -> bool:
        try:
            return box.ask("state")[0]["box"] == "Another"
        except (OSError, KeyError):  # not up again yet
            return False

    wait_for(another, box.said)
    assert (box.pid, box.process.poll()) == (before, None), "the same process"
    wait_for(box.page_answers, box.said)
    box.stop()
    assert not box.page_answers()
    assert not box.socket.exists()


def test_who_comes_to_a_page_that_is_not_up_yet_waits_for_it(box: Running) -> None:
    wait_for(box.socket.exists, box.said)
    with socket.create_connection(("127.0.0.1", box.port), 60) as early:
        early.sendall(b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert early.recv(12) == b"HTTP/1.1 200"


def test_a_page_that_is_killed_is_no_matter_to_the_box(box: Running) -> None:
    wait_for(box.page_answers, box.said)
    page = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(box.pid)], capture_output=True, text=True, check=True
    )
    for pid in page.stdout.split():
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"page" in arguments:
            subprocess.run(["kill", "-KILL", pid], check=True)
    wait_for(lambda: not box.page_answers(), box.said)
    wait_for(lambda: box.ask("state")[0]["session"] == "idle", box.said)


# Two ends of a cable, and a name of its own for this machine: nothing of it is seen outside.
AVAHI = """
mount -t tmpfs none /run
mkdir -p /run/dbus /run/avahi-daemon
mount --bind "$1" /etc/avahi/services
hostname focusbox
ip link set lo up
ip link add eth0 type veth peer name eth1
ip addr add 192.168.77.2/24 dev eth0
ip link set eth0 up
ip link set eth1 up
dbus-daemon --system --fork --nopidfile
avahi-daemon --no-drop-root --no-chroot &
for try in $(seq 60); do
    sleep 1
    if avahi-resolve -4 --name focusbox.local && avahi-browse -rpt _http._tcp | grep ^=; then
        exit 0
    fi
done
exit 1
"""
TOOLS = ("unshare", "ip", "dbus-daemon", "avahi-daemon", "avahi-browse", "avahi-resolve")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a network of its own")
@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="needs avahi-daemon and avahi-utils")
def test_the_page_is_found_by_its_name_in_the_network(tmp_path: Path) -> None:
    services = tmp_path / "services"
    services.mkdir()
    announce('[web]\nenabled = true\nhost = "0.0.0.0"\n', services / "procrastobot.service")
    apart = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child"]
    command = [*apart, "--mount-proc", "sh", "-e", "-c", AVAHI, "sh", str(services)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "focusbox.local\t192.168.77.2\n" in done.stdout
    found = [line.split(";") for line in done.stdout.splitlines() if line.startswith("=")]
    # Interface, protocol, name, type, domain, host, address, port.
    assert {(each[3], each[6], each[8]) for each in found} == {
        ("Procrastobot\\032\\040focusbox\\041", "focusbox.local", "8080")
    }


SENDS = "trace=write,writev,pwrite64,pwritev,sendto,sendmsg,sendmmsg,sendfile,splice,vmsplice"
CALL = re.compile(r"(\w+)\((\d+)<(.*?)>, .* = (\d+)$")


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_no_pixel_leaves_the_box_but_to_a_page_that_looks(tmp_path: Path) -> None:
    box = Running(tmp_path)
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-qq", "-yy", "-s", "8", "-e", SENDS, "-o", str(trace)]
    traced = [*command, sys.executable, "-m", "tests.page_box", str(box.config)]
    box.begin(traced, start_new_session=True)
    try:
        wait_for(box.socket.exists, box.said)
        box.ask("command", name="session", payload="start")
        wait_for(lambda: box.ask("state")[0]["session"] == "focus", box.said)
        # Frames are judged, and one that asks for everything but a picture is answered.
        wait_for(lambda: (box.ask("state")[0]["health"]["frames"] or 0) > 20, box.said)
        without = sent(trace)
        picture = b""
        while not picture:
            _, picture = box.ask("look")
        # strace writes a call down when it is over, and the picture may be here before.
        wait_for(lambda: bool(large_of(sent(trace)[len(without) :])), box.said)
        with_viewer = sent(trace)[len(without) :]
    finally:
        os.killpg(box.pid, signal.SIGKILL)  # the box outlives its strace alone
    # What it writes by itself: its history, its log. No part of a picture is as small as 4 KiB.
    large = [each for each in without if each[2] >= 4096]
    assert {Path(where).name.split("-")[0] for _, where, _ in large} <= {"history.db"}
    large = large_of(with_viewer)
    assert all("UNIX" in where for _, where, _ in large)
    assert sum(size for *_, size in large) <= len(picture) + 4096, "once"


def large_of(calls: list[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    """Those that may be of a picture."""
    return [each for each in calls if each[2] >= 4096 and "history.db" not in each[1]]


def sent(trace: Path) -> list[tuple[str, str, int]]:
    """(call, where to, bytes) of all that left the process so far."""
    calls = []
    for line in trace.read_text(errors="replace").splitlines():
        found = CALL.search(line)
        if found:
            calls.append((found[1], found[3], int(found[4])))
    return calls
