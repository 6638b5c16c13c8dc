"""After an exit of any kind nothing stays lit or loud: real processes, really killed.

The levels are those of simulated pins in a file, which stays as it was when its owner dies, as the
pins of a Raspberry Pi do. What the kernel's GPIO lines do is the boot proof's to show (deploy/).
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import struct
import subprocess
import sys
import termios
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.devices import guard
from edge.devices.profile import LAST_PIN, load

ROOT = Path(__file__).resolve().parent.parent
PROFILE = """
title = "levels in a file"
[chip]
levels_file = "{levels}"
[status]
red = 17
green = 27
blue = 22
active_high = false
[[warning]]
pin = 12
[buzzer]
pin = 18
kind = "active"
"""
LIT = {17: 0, 27: 255, 22: 255, 12: 255, 18: 255}
DARK = {17: 255, 27: 255, 22: 255, 12: 0, 18: 0}
BOX = """
import queue, signal, sys, time
# A test run in the background of a shell has these ignored, and hands that down.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from edge.config import HardwareConfig
from edge.devices.board import open_board
from edge.domain import Color, LightPattern, Note, Tune
board = open_board(HardwareConfig(board=sys.argv[1]), inbox=queue.SimpleQueue())
with board:
    board.lights.show(LightPattern(color=Color.RED, warning=1.0))
    board.buzzer.play(Tune("alarm", (Note(3000, 60.0),)))
    print(board.guard.pid, flush=True)
    {then}
"""


class Box:
    """A process that holds the pins, lit and loud."""

    def __init__(self, folder: Path, then: str) -> None:
        self.levels_file = folder / "levels"
        self.profile = folder / "board.toml"
        self.profile.write_text(PROFILE.format(levels=self.levels_file), encoding="utf-8")
        program = textwrap.dedent(BOX).format(then=then)
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, str(self.profile)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "stderr").open("w"),
            text=True,
            cwd=ROOT,
            env={**os.environ, "RUNTIME_DIRECTORY": str(folder)},
            start_new_session=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (folder / "stderr").read_text()
        self.guard_pid = int(line)
        wait_for(lambda: self.levels() == LIT)

    def levels(self) -> dict[int, int]:
        read = self.levels_file.read_bytes()
        return {pin: read[pin] for pin in LIT}


def wait_for(condition, patience_s: float = 10.0) -> None:  # type: ignore[no-untyped-def]
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s, "it never came to be"
        time.sleep(0.005)


def gone(pid: int) -> bool:
    """The process has ended (a zombie has; nobody may be there to reap an orphan)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.fixture
def boxes() -> Iterator[list[Box]]:
    started: list[Box] = []
    yield started
    for box in started:
        if box.process.poll() is None:
            box.process.kill()
        box.process.communicate()


WAIT = "sys.stdin.read()"


@pytest.mark.parametrize(
    ("then", "number", "whole_group"),
    [
        pytest.param("pass", None, False, id="return"),
        pytest.param("raise RuntimeError", None, False, id="exception"),
        pytest.param("import os; os._exit(3)", None, False, id="exit without clean-up"),
        pytest.param("import os; os.abort()", None, False, id="abort, as a crash in C does"),
        pytest.param(WAIT, signal.SIGKILL, False, id="kill -9"),
        pytest.param(WAIT, signal.SIGTERM, False, id="SIGTERM"),
        pytest.param(WAIT, signal.SIGINT, True, id="Ctrl-C, to the whole group"),
        pytest.param(WAIT, signal.SIGHUP, True, id="the terminal closed"),
        pytest.param(WAIT, signal.SIGQUIT, True, id="SIGQUIT, to the whole group"),
        pytest.param(WAIT, signal.SIGKILL, True, id="kill -9 to the whole group"),
    ],
)
def test_after_an_exit_of_any_kind_nothing_stays_lit_or_loud(
    tmp_path: Path, boxes: list[Box], then: str, number: signal.Signals | None, whole_group: bool
) -> None:
    box = Box(tmp_path, then if number else "sys.stdin.readline(); " + then)
    boxes.append(box)
    if number is None:
        assert box.process.stdin is not None
        box.process.stdin.write("go\n")
        box.process.stdin.flush()
    elif whole_group:
        os.killpg(box.process.pid, number)
    else:
        box.process.send_signal(number)
    wait_for(lambda: box.levels() == DARK)
    wait_for(lambda: gone(box.guard_pid))


def test_without_its_guard_a_killed_process_would_leave_all_on(
    tmp_path: Path, boxes: list[Box]
) -> None:
    # The proof that the test above could fail; then what the service does after any stop.
    box = Box(tmp_path, WAIT)
    boxes.append(box)
    os.kill(box.guard_pid, signal.SIGKILL)
    wait_for(lambda: gone(box.guard_pid))
    box.process.kill()
    box.process.wait()
    assert box.levels() == LIT
    record = tmp_path / "dark-pins"
    done = subprocess.run(
        [sys.executable, "-I", "-S", guard.__file__, "--now", "--record", str(record)],
        check=False,
    )
    assert done.returncode == 0
    assert box.levels() == DARK


def test_without_a_record_there_is_nothing_to_darken(tmp_path: Path) -> None:
    assert guard.main(["--now", "--record", str(tmp_path / "none")]) == 0


@pytest.mark.parametrize("target", ["/dev/null", "/nowhere/gpiochip0", "levels:/nowhere/levels"])
def test_a_guard_that_cannot_darken_says_so(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guard.main(["--now", target, "17=0"]) == 1
    assert "could not darken" in capsys.readouterr().err


def test_the_guard_is_given_every_output_of_the_profile_and_no_input() -> None:
    assert sorted(load("pi").dark_levels()) == [12, 13, 17, 18, 22, 27]
    assert LAST_PIN == 27


def test_the_layout_of_the_kernels_structures(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None or not Path("/usr/include/linux/gpio.h").is_file():
        pytest.skip("needs a C compiler and the kernel's headers")
    source = tmp_path / "layout.c"
    source.write_text(
        """
        #include <linux/gpio.h>
        #include <linux/spi/spidev.h>
        #include <stddef.h>
        #include <stdio.h>
        int main(void) {
            struct gpio_v2_line_request r = {.offsets = {18}, .num_lines = 1, .fd = -1};
            r.config.flags = GPIO_V2_LINE_FLAG_OUTPUT;
            r.config.num_attrs = 1;
            r.config.attrs[0].attr.id = GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES;
            r.config.attrs[0].attr.values = 1;
            r.config.attrs[0].mask = 1;
            __builtin_strcpy(r.consumer, "procrastobot-guard");
            fwrite(&r, sizeof r, 1, stdout);
            fprintf(stderr, "%lu %lu %zu %lu %lu", (unsigned long)GPIO_V2_GET_LINE_IOCTL,
                    (unsigned long)GPIO_GET_CHIPINFO_IOCTL, sizeof(struct gpiochip_info),
                    (unsigned long)SPI_IOC_WR_MODE, (unsigned long)SPI_IOC_WR_MAX_SPEED_HZ);
        }""",
        encoding="utf-8",
    )
    program = tmp_path / "layout"
    subprocess.run([compiler, "-o", program, source], check=True)
    says = subprocess.run([program], check=True, capture_output=True)
    assert says.stdout == bytes(guard.line_request(18, 1))
    assert says.stderr.split() == [
        str(number).encode()
        for number in (
            *(guard._GET_LINE, guard._GET_CHIP_INFO, guard._CHIP_INFO.size),
            *(guard._SPI_MODE, guard._SPI_SPEED),
        )
    ]


# ---------------------------------------------------------------- with a kernel that is played


class FakeKernel:
    """Chips by path, and what their lines answer. It stands in for os, fcntl, glob and time."""

    O_RDWR, O_CLOEXEC = os.O_RDWR, os.O_CLOEXEC

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.labels: dict[str, str | OSError] = {}
        self.busy_for: dict[int, int] = {}  # pin -> so many more attempts
        self.errors: dict[int, int] = {}  # pin -> errno
        self.driven: list[tuple[int, int]] = []
        self.tries: dict[int, int] = {}
        self.opened: dict[int, str] = {}
        self.now_s = 0.0
        for name in ("os", "fcntl", "glob", "time"):
            monkeypatch.setattr(guard, name, self)

    def glob(self, pattern: str) -> list[str]:
        assert pattern == "/dev/gpiochip*"
        return sorted(self.labels, reverse=True)

    def open(self, path: str, flags: int) -> int:
        assert flags == os.O_RDWR | os.O_CLOEXEC
        found = self.labels[path]
        if isinstance(found, OSError):
            raise found
        number = 100 + len(self.opened)
        self.opened[number] = path
        return number

    def close(self, number: int) -> None:
        del self.opened[number]

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def ioctl(self, number: int, request: int, buffer: bytearray) -> None:
        label = self.labels[self.opened[number]]
        assert isinstance(label, str)
        if request == 0x8044B401:
            buffer[32 : 32 + len(label)] = label.encode()
            return
        assert request == 0xC250B407
        pin = struct.unpack_from("I", buffer)[0]
        self.tries[pin] = self.tries.get(pin, 0) + 1
        if self.busy_for.get(pin, 0) > 0:
            self.busy_for[pin] -= 1
            raise OSError(errno.EBUSY, "busy")
        if pin in self.errors:
            raise OSError(self.errors[pin], "no such thing")
        # The values of the first attribute, of the lines by their place.
        self.driven.append((pin, struct.unpack_from("Q", buffer, 64 * 4 + 32 + 32 + 8)[0]))
        struct.pack_into("i", buffer, len(buffer) - 4, 999)
        self.opened[999] = self.opened[number]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> FakeKernel:
    return FakeKernel(monkeypatch)


def test_the_chip_is_found_by_what_its_driver_calls_itself(kernel: FakeKernel) -> None:
    kernel.labels = {"/dev/gpiochip0": "other", "/dev/gpiochip1": "b", "/dev/gpiochip2": "b"}
    assert guard.find_chip(("a", "b")) == "/dev/gpiochip1"
    assert guard.find_chip(("c",)) is None
    assert kernel.opened == {}, "nothing stays open"


def test_a_chip_that_may_not_be_opened_is_no_missing_one(kernel: FakeKernel) -> None:
    kernel.labels = {"/dev/gpiochip0": PermissionError(13, "no"), "/dev/gpiochip1": "b"}
    assert guard.find_chip(("b",)) == "/dev/gpiochip1"
    with pytest.raises(PermissionError):
        guard.find_chip(("c",))
    kernel.labels = {"/dev/gpiochip0": OSError(5, "broken"), "/dev/gpiochip1": "b"}
    assert guard.find_chip(("b",)) == "/dev/gpiochip1"
    assert guard.find_chip(("c",)) is None


def test_each_line_is_driven_to_its_level_and_let_go(kernel: FakeKernel) -> None:
    kernel.labels = {"chip": "b"}
    assert guard.darken("chip", {"17": 1, "27": 0}) == []
    assert kernel.driven == [(17, 1), (27, 0)]
    assert kernel.opened == {}
    assert guard.darken("chip", {}) == []


def test_a_line_that_is_busy_for_a_moment_is_tried_again_and_the_others_are_not(
    kernel: FakeKernel,
) -> None:
    kernel.labels, kernel.busy_for = {"chip": "b"}, {17: 3}
    assert guard.darken("chip", {"17": 1, "27": 0}) == []
    assert kernel.driven == [(27, 0), (17, 1)]
    assert kernel.tries == {17: 4, 27: 1}
    assert kernel.now_s == pytest.approx(0.03)
    assert kernel.opened == {}


def test_a_line_that_stays_busy_is_given_up_when_patience_ends(kernel: FakeKernel) -> None:
    kernel.labels, kernel.busy_for = {"chip": "b"}, {17: 9999}
    assert guard.darken("chip", {"17": 1, "27": 0}) == ["GPIO 17: busy"]
    assert 2.0 < kernel.now_s <= 2.03
    assert kernel.driven == [(27, 0)]
    kernel.now_s = 0.0
    assert guard.darken("chip", {"17": 1}, patience_s=0.5) == ["GPIO 17: busy"]
    assert 0.5 < kernel.now_s <= 0.53


def test_a_line_that_will_never_do_is_not_waited_for(kernel: FakeKernel) -> None:
    kernel.labels, kernel.errors = {"chip": "b"}, {17: errno.EINVAL, 18: errno.EIO}
    assert guard.darken("chip", {"17": 1, "18": 0, "27": 0}) == [
        "GPIO 17: no such thing",
        "GPIO 18: no such thing",
    ]
    assert (kernel.now_s, kernel.driven) == (0.0, [(27, 0)])
    # Beside one that is only busy it is tried along.
    kernel.busy_for = {27: 2}
    assert guard.darken("chip", {"17": 1, "27": 0}) == ["GPIO 17: no such thing"]
    assert kernel.driven == [(27, 0), (27, 0)]


def test_a_record_says_what_to_darken(tmp_path: Path) -> None:
    levels, path = tmp_path / "levels", tmp_path / "record"
    levels.write_bytes(bytes([9] * 30))
    guard.record(str(path), f"levels:{levels}", {"17": 1, "27": 0})
    assert path.read_text() == f"levels:{levels}\n17=1\n27=0"
    assert guard.main(["--now", "--record", str(path)]) == 0
    after = levels.read_bytes()
    assert (after[17], after[27]) == (255, 0)
    assert set(after[:17] + after[18:27] + after[28:]) == {9}


def test_what_cannot_be_darkened_is_said_pin_by_pin(
    kernel: FakeKernel, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel.labels, kernel.errors = {"chip": "b"}, {17: errno.EIO, 18: errno.EIO}
    assert guard.main(["--now", "chip", "17=1", "18=0", "27=0"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "guard: could not darken GPIO 17: no such thing",
        "guard: could not darken GPIO 18: no such thing",
    ]


# ---------------------------------------------------------------- a ring, and the program itself


class FakeSpi:
    """Devices that note all that is done with them, in its order."""

    O_RDWR, O_CLOEXEC = os.O_RDWR, os.O_CLOEXEC

    def __init__(self, monkeypatch: pytest.MonkeyPatch, broken: str = "") -> None:
        self.done: list[tuple[object, ...]] = []
        self.broken = broken
        monkeypatch.setattr(guard, "os", self)
        monkeypatch.setattr(guard, "fcntl", self)

    def open(self, path: str, flags: int) -> int:
        if path == self.broken:
            raise OSError(errno.ENODEV, "no such device")
        self.done.append(("open", path, flags))
        return 7

    def ioctl(self, number: int, request: int, value: bytes) -> None:
        self.done.append(("ioctl", number, request, value))

    def write(self, number: int, data: bytes) -> None:
        if self.broken == "write":
            raise OSError(errno.EIO, "broken")
        self.done.append(("write", number, data))

    def close(self, number: int) -> None:
        self.done.append(("close", number))


def on_the_wire(*colors: int) -> bytes:
    """Each bit as three, 110 for 1 and 100 for 0, between 300 us of low at 2.4 MHz: 90 bytes."""
    bits = "".join(f"{each:08b}" for each in colors).replace("0", "a").replace("1", "b")
    bits = bits.replace("a", "100").replace("b", "110")
    data = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    return bytes(90) + data + bytes(90)


def test_a_ring_is_written_to_in_this_way(monkeypatch: pytest.MonkeyPatch) -> None:
    spi = FakeSpi(monkeypatch)
    guard.write_ring("/dev/spidev0.0", bytes([0, 255, 1, 128, 0x5A, 7]))
    # The ioctls are SPI_IOC_WR_MODE and SPI_IOC_WR_MAX_SPEED_HZ of <linux/spi/spidev.h>.
    assert spi.done == [
        ("open", "/dev/spidev0.0", os.O_RDWR | os.O_CLOEXEC),
        ("ioctl", 7, 0x40016B01, b"\0"),
        ("ioctl", 7, 0x40046B04, (2_400_000).to_bytes(4, sys.byteorder)),
        ("write", 7, on_the_wire(0, 255, 1, 128, 0x5A, 7)),
        ("close", 7),
    ]


def test_a_ring_that_cannot_be_written_to_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    spi = FakeSpi(monkeypatch, broken="write")
    with pytest.raises(OSError, match="broken"):
        guard.write_ring("/dev/spidev0.0", bytes(3))
    assert spi.done[-1] == ("close", 7)


def test_rings_and_pins_are_darkened_and_each_that_is_not_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spi = FakeSpi(monkeypatch, broken="/dev/spidev0.1")
    driven: list[tuple[str, int, int]] = []

    def drive(chip: str, pin: int, level: int) -> None:
        driven.append((chip, pin, level))
        if pin == 27:
            raise OSError(errno.EINVAL, "no such line")

    monkeypatch.setattr(guard, "drive", drive)
    dark = {"17": 0, "/dev/spidev0.1": 3, "/dev/spidev0.0": 2, "27": 1, "22": 1}
    assert guard.darken("/dev/gpiochip0", dark) == [
        "/dev/spidev0.1: no such device",
        "GPIO 27: no such line",
    ]
    assert driven == [
        ("/dev/gpiochip0", 17, 0),
        ("/dev/gpiochip0", 27, 1),
        ("/dev/gpiochip0", 22, 1),
    ]
    assert [each for each in spi.done if each[0] == "write"] == [
        ("write", 7, on_the_wire(*[0] * 6))
    ]


def test_a_file_of_levels_takes_pins_only(tmp_path: Path) -> None:
    levels = tmp_path / "levels"
    levels.write_bytes(bytes([9] * 30))
    assert guard.darken(f"levels:{levels}", {"0": 1, "/dev/spidev0.0": 12, "29": 0}) == []
    assert levels.read_bytes() == bytes([255, *[9] * 28, 0])
    assert guard.darken(f"levels:{tmp_path}/none", {"0": 1}) == [
        f"{tmp_path}/none: No such file or directory"
    ]


def test_what_is_watched_is_darkened_when_its_pipe_closes_and_not_before(tmp_path: Path) -> None:
    levels = tmp_path / "levels"
    levels.write_bytes(bytes([9] * 3))
    program = [sys.executable, "-I", "-S", guard.__file__, "--watch", f"levels:{levels}", "1=1"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, start_new_session=True) as watching:
        assert watching.stdin is not None
        stat = Path(f"/proc/{watching.pid}/status")

        def ignored() -> set[int]:
            line = next(each for each in stat.read_text().splitlines() if "SigIgn" in each)
            mask = int(line.split()[1], 16)
            return {number for number in range(1, 32) if mask >> (number - 1) & 1}

        wanted = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        wait_for(lambda: wanted <= ignored())
        for number in wanted:
            watching.send_signal(number)
        watching.stdin.write(b"x" * 200)  # which means nothing
        watching.stdin.flush()
        unread = bytearray(4)

        def left() -> int:
            fcntl.ioctl(watching.stdin, termios.FIONREAD, unread)  # type: ignore[arg-type]
            return int.from_bytes(unread, sys.byteorder)

        wait_for(lambda: left() == 0)
        assert watching.poll() is None
        assert levels.read_bytes() == bytes([9] * 3)
        watching.stdin.close()
        assert watching.wait(10) == 0
    assert levels.read_bytes() == bytes([9, 255, 9])


@pytest.mark.parametrize("how", ["--watch", "--now"])
def test_only_who_watches_reads_to_the_end_and_ignores_what_is_meant_for_others(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    done: list[object] = []
    left = [b"x", b"y", b""]

    def read(number: int, _: int) -> bytes:
        done.append(("read", number))
        return left.pop(0)

    monkeypatch.setattr(guard.signal, "signal", lambda *given: done.append(given))
    monkeypatch.setattr(guard.os, "read", read)
    monkeypatch.setattr(guard, "darken", lambda *given: done.append(given) or [])
    assert guard.main([how, "chip", "17=1", "27=0"]) == 0
    watched = [
        *((number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)),
        *[("read", 0)] * 3,
    ]
    darkened = ("chip", {"17": 1, "27": 0})
    assert done == [*(watched if how == "--watch" else []), darkened]
