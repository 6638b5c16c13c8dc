"""The service on a real systemd, installed by the real installer from a real bundle.

Takes about three minutes and root; skipped elsewhere. Run it alone with deploy/test-service; with
PROCRASTOBOT_SUITE=trixie it runs on Debian 13 (Python 3.13, ai-edge-litert).
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.camera_fakes import write_picture
from tests.nspawn import PYTHON_OF, ROOT, Container, bundle, why_not
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "containers work here"),
    pytest.mark.slow,
]
SUITE = os.environ.get("PROCRASTOBOT_SUITE", "bookworm")
UNIT = "procrastobot.service"
BROKER = "procrastobot-broker.service"
PASSWORD = "a-secret-of-the-test"
LIT_PINS = (17, 27, 22, 12, 13, 18)

BOARD = """
title = "levels in a file"
[chip]
levels_file = "/run/procrastobot/levels"
[status]
red = 17
green = 27
blue = 22
[[warning]]
pin = 12
[[warning]]
pin = 13
[buzzer]
pin = 18
"""
CONFIG = """
[hardware]
board = "/etc/procrastobot/board.toml"
[camera]
source = "http://127.0.0.1:8000/stream.mjpg"
fps = 5
[mqtt]
host = "127.0.0.1"
username = "box"
"""
WITH_BROKER = (
    CONFIG.split("[mqtt]")[0] + '[broker]\nenabled = true\nhost = "0.0.0.0"\nport = 1884\n'
)
# An IP camera: the same picture for ever.
CAMERA = """
import http.server, time
part = open("/srv/picture.jpg", "rb").read()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        head = b"--frame\\r\\nContent-Type: image/jpeg\\r\\nContent-Length: %d\\r\\n\\r\\n"
        while True:
            self.wfile.write(head % len(part) + part + b"\\r\\n")
            time.sleep(0.1)
http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
"""
CAMERA_UNIT = """
[Service]
ExecStart=/usr/bin/python3 /srv/camera.py
[Install]
WantedBy=multi-user.target
"""
MOSQUITTO = """
listener 1883 127.0.0.1
allow_anonymous false
password_file /etc/mosquitto/passwords
"""


def say(text: str) -> None:
    print(text, flush=True)


class Service:
    """The box in the container, and what can be asked about it."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.since = 0

    def show(self, *names: str) -> dict[str, str]:
        wanted = [f"--property={name}" for name in names]
        said = self.container.run("systemctl", "show", UNIT, *wanted).stdout
        return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)

    def ask(self, name: str) -> str:
        return self.show(name)[name]

    @property
    def pid(self) -> int:
        return int(self.ask("MainPID"))

    def dark(self) -> bool:
        """All outputs at 0, or no file: then systemd took the folder away after the last stop."""
        done = self.container.run(
            "od", "-An", "-v", "-tu1", "/run/procrastobot/levels", check=False
        )
        if done.returncode != 0:
            return True
        numbers = [int(each) for each in done.stdout.split()]
        return not any(numbers[pin] for pin in LIT_PINS)

    def restart(self) -> None:
        self.container.run("systemctl", "reset-failed", UNIT, check=False)
        self.container.run("systemctl", "restart", UNIT)

    def wait_until(self, state: str, patience_s: float = 120.0) -> None:
        wait_for(lambda: self.ask("ActiveState") == state, self.journal, patience_s)

    def journal(self, *more: str) -> str:
        """Since the service was last put in its first state."""
        return self.container.run(
            "journalctl", "--no-pager", f"--unit={UNIT}", f"--since=@{self.since}", *more
        ).stdout

    def mqtt(self, *arguments: str) -> list[str]:
        return [*arguments, "-h", "127.0.0.1", "-u", "box", "-P", PASSWORD]

    def hear(self, topic: str, seconds: int = 5) -> str:
        """The next message there: a retained one comes at once."""
        command = self.mqtt("mosquitto_sub", "-C", "1", "-W", str(seconds), "-t", topic)
        return self.container.run(*command, check=False).stdout.strip()

    def tell(self, topic: str, payload: str) -> None:
        self.container.run(*self.mqtt("mosquitto_pub", "-q", "1", "-t", topic, "-m", payload))

    def light_up(self) -> None:
        """A focus session: the camera is open, and a light says so."""
        self.tell("procrastobot/desk/command/session", json.dumps({"action": "start"}))
        wait_for(lambda: not self.dark(), self.journal)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    # Not in the folder of pytest's, which may be on another file system than an overlay needs.
    packed = bundle(PYTHON_OF[SUITE], platform.machine(), output=folder / "bundle")
    container = Container(SUITE, folder / "container")
    try:
        prepare(container, packed)
        container.boot()
        container.run("systemctl", "start", "camera.service", "mosquitto.service")
        done = container.run("/srv/bundle/install.sh", "--no-apt")
        say(done.stdout)
        yield Service(container)
    finally:
        container.close()


def prepare(container: Container, packed: Path) -> None:
    shutil.copytree(packed, container.root / "srv" / "bundle")
    container.write("/etc/procrastobot/config.toml", CONFIG)
    container.write("/etc/procrastobot/board.toml", BOARD)
    container.write("/srv/camera.py", CAMERA)
    write_picture(container.root / "srv" / "picture.jpg")
    container.write("/etc/systemd/system/camera.service", CAMERA_UNIT)
    container.write("/etc/credstore/procrastobot.mqtt-password", PASSWORD + "\n", 0o600)
    container.write("/etc/mosquitto/mosquitto.conf", MOSQUITTO)
    passwords = "/etc/mosquitto/passwords"
    for command in (
        ("mosquitto_passwd", "-b", "-c", passwords, "box", PASSWORD),
        ("chown", "mosquitto", passwords),
    ):
        subprocess.run(["chroot", container.root, *command], check=True)


@pytest.fixture
def running(service: Service) -> Service:
    """The service as it was installed, freshly started."""
    for drop_in in (service.container.root / f"etc/systemd/system/{UNIT}.d").glob("*"):
        drop_in.unlink()
        drop_in.parent.rmdir()
    service.container.write("/etc/procrastobot/config.toml", CONFIG)
    service.container.run("chown", "root:procrastobot", "/etc/procrastobot/config.toml")
    service.container.run("systemctl", "daemon-reload")
    service.since = int(time.time())
    service.restart()
    service.wait_until("active")
    return service


def test_it_is_ready_after_its_first_tick_and_says_what_it_does(running: Service) -> None:
    shown = running.show("ActiveState", "SubState", "StatusText", "NRestarts", "MainPID", "Type")
    say(f"{shown}")
    assert (shown["ActiveState"], shown["SubState"]) == ("active", "running")
    assert shown["StatusText"], "systemctl status shows one line of what the box does"
    assert shown["Type"] == "notify"


def test_this_release_of_systemd_agrees_with_the_unit(running: Service) -> None:
    unit = f"/etc/systemd/system/{UNIT}"
    verdict = running.container.run("systemd-analyze", "verify", "--man=no", unit)
    assert UNIT not in verdict.stderr, verdict.stderr
    offline = ("systemd-analyze", "security", "--offline=true", "--no-pager")
    said = running.container.run(*offline, "--threshold=15", unit).stdout
    say(said.strip().splitlines()[-1])


def test_the_broker_got_the_password_from_the_credential_and_nobody_else_did(
    running: Service,
) -> None:
    wait_for(lambda: running.hear("procrastobot/desk/availability") == "online", running.journal)
    assert PASSWORD not in running.journal("--output=export")
    pid = running.pid
    for name in ("environ", "cmdline"):
        assert PASSWORD not in running.container.run("cat", f"/proc/{pid}/{name}").stdout


def test_a_subscriber_sees_the_session_that_it_starts(running: Service) -> None:
    wait_for(lambda: running.hear("procrastobot/desk/availability") == "online", running.journal)
    running.light_up()
    wait_for(
        lambda: (
            json.loads(running.hear("procrastobot/desk/state") or "{}").get("session") == "focus"
        ),
        running.journal,
    )


def test_the_broker_in_the_box_is_a_service_with_a_user_and_a_password_of_its_own(
    running: Service,
) -> None:
    container = running.container
    assert state_of(container, BROKER) == "inactive", "none is wanted yet"
    container.write("/etc/procrastobot/config.toml", WITH_BROKER)
    container.run("chown", "root:procrastobot", "/etc/procrastobot/config.toml")
    container.run("systemctl", "restart", BROKER, UNIT)
    password = container.run("cat", "/etc/credstore/procrastobot.broker-password").stdout.strip()
    ear = ("mosquitto_sub", "-h", "127.0.0.1", "-p", "1884", "-C", "1", "-W", "3")
    topic = ("-t", "procrastobot/desk/availability")
    known = (*ear, "-u", "procrastobot", "-P", password, *topic)

    def online() -> bool:
        return container.run(*known, check=False).stdout.strip() == "online"

    def said() -> str:
        return container.run("journalctl", "--no-pager", f"--unit={BROKER}").stdout

    wait_for(online, lambda: running.journal() + said(), 60)
    stranger = container.run(*ear, *topic, check=False)
    assert "not authorised" in (stranger.stdout + stranger.stderr).lower()
    keeper = container.run("systemctl", "show", "--value", "--property=MainPID", BROKER).stdout
    keeper = keeper.strip()
    pid = container.run("cat", f"/proc/{keeper}/task/{keeper}/children").stdout.strip()
    assert container.run("cat", f"/proc/{pid}/comm").stdout.strip() == "mosquitto"
    owner = container.run("stat", "-c", "%U", f"/proc/{pid}").stdout.strip()
    assert owner == "procrastobot-broker"
    assert password not in said()
    for name in ("environ", "cmdline"):
        assert password not in container.run("cat", f"/proc/{pid}/{name}").stdout
    container.run("systemctl", "kill", "--kill-whom=all", "--signal=KILL", BROKER)
    wait_for(online, lambda: running.journal() + said(), 90)
    offline = ("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15")
    container.run(*offline, f"/etc/systemd/system/{BROKER}")
    container.write("/etc/procrastobot/config.toml", CONFIG)
    container.run("systemctl", "restart", BROKER)
    assert state_of(container, BROKER) == "inactive"


# What a browser would do, without one: each line of its input is a request, each of its output an
# answer.
BROWSER = """
import http.client, json, sys
cookie = ""
for line in sys.stdin:
    method, path, body = json.loads(line)
    connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=60)
    headers = {"X-Procrastobot": "1", "Cookie": cookie}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    said = answer.read()
    cookie = answer.headers.get("Set-Cookie", cookie).partition(";")[0]
    print(json.dumps([answer.status, said.decode(errors="replace")[:2000]]), flush=True)
    connection.close()
"""
PAGE_SOCKET, PAGE = "procrastobot-page.socket", "procrastobot-page.service"


def test_the_page_starts_when_somebody_comes_and_reaches_little(running: Service) -> None:
    container = running.container
    assert state_of(container, PAGE_SOCKET) == "inactive", "no page is wanted yet"
    container.write("/srv/browser.py", BROWSER)
    wanted = CONFIG + "[web]\nenabled = true\nport = 80\n"
    container.write("/etc/procrastobot/config.toml", wanted, 0o640)
    container.run("chown", "root:procrastobot", "/etc/procrastobot/config.toml")
    running.restart()
    running.wait_until("active")
    wait_for(lambda: state_of(container, PAGE_SOCKET) == "active", running.journal)
    assert state_of(container, PAGE) == "inactive", "nobody has come yet"

    def browse(*requests: tuple[str, str, object]) -> list[tuple[int, str]]:
        typed = "".join(json.dumps(each) + "\n" for each in requests)
        done = container.run("python3", "/srv/browser.py", check=False, stdin=typed)
        assert done.returncode == 0, f"{done.stderr}\n{of_the_page()}"
        return [tuple(json.loads(line)) for line in done.stdout.splitlines()]

    def of_the_page() -> str:
        return container.run("journalctl", "--no-pager", f"--unit={PAGE}").stdout

    assert browse(("GET", "/", None))[0][0] == 303
    assert state_of(container, PAGE) == "active"
    code = container.run("/usr/local/bin/procrastobot", "page", "--code").stdout.strip()
    assert code.replace(" ", "") in container.run("cat", "/var/lib/procrastobot/page.json").stdout
    assert code in of_the_page()
    enter = ("POST", "/api/login", {"given": code})
    changes = {"changes": [{"path": ["policy", "phone_hold_s"], "value": 3}]}
    running.light_up()
    answers = browse(
        enter,
        ("POST", "/api/password", {"new": "a long password"}),
        ("GET", "/api/state", None),
        ("GET", "/api/look?after=-1", None),
        ("POST", "/api/settings", changes),
        ("GET", "/api/settings", None),
        ("GET", "/api/days", None),
    )
    assert [status for status, _ in answers] == [200] * 7, answers
    assert json.loads(answers[2][1])["session"] == "focus"
    assert '"camera": true' in answers[3][1]
    assert json.loads(answers[4][1])["taken"] == ["policy.phone_hold_s"]
    shown = container.run("stat", "-c", "%a %G", "/etc/procrastobot/config.toml").stdout.split()
    assert shown == ["640", "procrastobot"]
    pid = container.run("systemctl", "show", "--value", "--property=MainPID", PAGE).stdout.strip()
    status = container.run("cat", f"/proc/{pid}/status").stdout
    most_kib = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]
    say(f"the page: {most_kib} KiB at most")
    assert most_kib < 60 * 1024
    assert container.run("stat", "-c", "%U", f"/proc/{pid}").stdout.strip() == "procrastobot"
    offline = ("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15")
    container.run(*offline, f"/etc/systemd/system/{PAGE}")

    before = running.pid
    enter = ("POST", "/api/login", {"given": "a long password"})
    assert [status for status, _ in browse(enter, ("POST", "/api/restart", {}))] == [200, 202]
    wait_for(lambda: running.pid not in (0, before), running.journal)
    running.wait_until("active")
    container.run("systemctl", "kill", "--signal=KILL", PAGE)
    assert browse(enter)[0][0] == 200, "it comes again, and the password with it"
    container.write("/etc/procrastobot/config.toml", CONFIG)
    container.run("chown", "root:procrastobot", "/etc/procrastobot/config.toml")
    running.restart()
    wait_for(lambda: state_of(container, PAGE_SOCKET) == "inactive", running.journal)


def state_of(container: Container, unit: str) -> str:
    return container.run("systemctl", "is-active", unit, check=False).stdout.strip()


def test_killed_it_goes_dark_says_offline_and_comes_back(running: Service) -> None:
    running.light_up()
    before = running.pid
    running.container.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", UNIT)
    wait_for(running.dark, running.journal, 10)
    wait_for(lambda: running.ask("NRestarts") == "1", running.journal)
    running.wait_until("active")
    assert running.pid != before
    wait_for(lambda: running.hear("procrastobot/desk/availability") == "online", running.journal)


def test_killed_with_all_its_processes_it_goes_dark_too(running: Service) -> None:
    running.light_up()
    # The guard of the pins dies at the same moment: what is left is ExecStopPost.
    # They are dead by then, and some kernels answer that with an error (EIO).
    running.container.run(
        "systemctl", "kill", "--kill-whom=all", "--signal=KILL", UNIT, check=False
    )
    wait_for(running.dark, running.journal, 10)
    running.wait_until("active")


def test_frozen_it_is_ended_by_the_watchdog_goes_dark_and_comes_back(running: Service) -> None:
    running.light_up()
    before = running.pid
    frozen_at_s = time.monotonic()
    running.container.run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", UNIT)
    wait_for(lambda: running.ask("NRestarts") == "1", running.journal)
    say(f"ended and started again {time.monotonic() - frozen_at_s:.1f} s after it froze")
    running.wait_until("active")
    assert running.pid != before
    assert "atchdog timeout" in running.journal()


def test_stopped_it_ends_in_order_and_dark(running: Service) -> None:
    running.light_up()
    running.container.run("systemctl", "stop", UNIT)
    shown = running.show("ActiveState", "Result", "ExecMainStatus")
    assert shown == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}
    assert running.dark()
    wait_for(lambda: running.hear("procrastobot/desk/availability") == "offline")


def test_a_wrong_configuration_is_named_and_not_tried_again(running: Service) -> None:
    running.container.write("/etc/procrastobot/config.toml", "[mqtt]\nhots = 'nas'\n")
    running.container.run("systemctl", "restart", UNIT, check=False)
    running.wait_until("failed")
    time.sleep(7)  # longer than RestartSec: nothing may come of it
    shown = running.show("ActiveState", "ExecMainStatus", "NRestarts")
    assert shown == {"ActiveState": "failed", "ExecMainStatus": "78", "NRestarts": "0"}
    assert "did you mean mqtt.host?" in running.journal()


def test_one_that_cannot_live_is_given_up(running: Service) -> None:
    drop_in = "[Service]\nExecStart=\nExecStart=/bin/false\n"
    running.container.write(f"/etc/systemd/system/{UNIT}.d/broken.conf", drop_in)
    running.container.run("systemctl", "daemon-reload")
    running.container.run("systemctl", "restart", UNIT, check=False)
    wait_for(lambda: "Start request repeated too quickly" in running.journal(), patience_s=90)
    running.wait_until("failed")
    say(f"given up after {running.ask('NRestarts')} restarts")


PROBE = """
import ctypes, json, mmap, os, socket, sys
def may(what):
    try:
        what()
        return True
    except OSError as exc:
        return False
    except Exception as exc:
        return f"{type(exc).__name__}: {exc}"
def write(path):
    def attempt():
        with open(path, "w") as file:
            file.write("x")
        os.unlink(path)
    return attempt
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
libc = ctypes.CDLL(None, use_errno=True)
def unshare():
    if libc.unshare(0x20000000):
        raise OSError(ctypes.get_errno(), "unshare")
def root():
    os.setuid(0)
result = {
    "state": may(write("/var/lib/procrastobot/probe")),
    "runtime": may(write("/run/procrastobot/probe")),
    "loopback": may(lambda: socket.create_server(("127.0.0.1", 0)).close()),
    "read own configuration": may(lambda: open("/etc/procrastobot/config.toml").close()),
    "etc": may(write("/etc/probe")),
    "usr": may(write("/usr/probe")),
    "own configuration": may(write("/etc/procrastobot/probe")),
    "own program": may(write("/opt/procrastobot/probe")),
    "shadow": may(lambda: open("/etc/shadow").close()),
    "other credentials": may(lambda: open("/etc/credstore/procrastobot.mqtt-password").close()),
    "home": may(lambda: os.listdir("/root")),
    "raw packets": may(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()),
    "namespaces": may(unshare),
    "root": may(root),
    "writable code": may(lambda: mmap.mmap(-1, 4096, prot=7).close()),
    "kernel log": may(lambda: open("/dev/kmsg").close()),
    "memory": may(lambda: open("/dev/mem").close()),
    "first process": os.path.exists("/proc/1/status"),
    "host name": may(lambda: socket.sethostname("x")),
}
result["uid"] = os.getuid()
result["capabilities"] = int(status["CapEff"], 16)
result["no new privileges"] = status["NoNewPrivs"].strip() == "1"
json.dump(result, open("/var/lib/procrastobot/probe.json", "w"))
"""


def test_it_may_do_what_it_needs_and_nothing_else(running: Service) -> None:
    running.container.write("/srv/probe.py", PROBE)
    drop_in = "[Service]\nExecStartPre=/usr/bin/python3 /srv/probe.py\n"
    running.container.write(f"/etc/systemd/system/{UNIT}.d/probe.conf", drop_in)
    running.container.run("systemctl", "daemon-reload")
    running.restart()
    running.wait_until("active")
    found = json.loads(running.container.run("cat", "/var/lib/procrastobot/probe.json").stdout)
    say(json.dumps(found, indent=1))
    needed = {"state", "runtime", "loopback", "read own configuration", "no new privileges"}
    assert {name for name in needed if found[name] is True} == needed
    denied = set(found) - needed - {"uid", "capabilities"}
    assert {name for name in denied if found[name] is not False} == set()
    assert found["uid"] != 0
    assert found["capabilities"] == 0


def test_the_disk_fills_up_and_it_stays(running: Service) -> None:
    container, state = running.container, "/var/lib/procrastobot"
    container.run("systemctl", "stop", UNIT)
    container.run("mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", state)
    try:
        running.restart()
        running.wait_until("active")
        # The command fails, as it is to: it writes until nothing more fits.
        container.run("dd", "if=/dev/zero", f"of={state}/filler", "bs=4096", check=False)
        running.light_up()
        wait_for(
            lambda: "disk" in json.loads(running.hear("procrastobot/desk/state") or "{}")["faults"],
            running.journal,
        )
        assert running.ask("ActiveState") == "active"
        assert running.ask("NRestarts") == "0"
        container.run("systemctl", "stop", UNIT)
    finally:
        container.run("systemctl", "stop", UNIT)
        container.run("umount", state)


def test_its_log_lines_carry_their_priority(running: Service) -> None:
    lines = [json.loads(line) for line in running.journal("--output=json").splitlines()]
    ours = [line for line in lines if line.get("_SYSTEMD_UNIT") == UNIT and "MESSAGE" in line]
    assert ours
    messages = [line["MESSAGE"] for line in ours]
    assert not [text for text in messages if re.match(r"<\d>", str(text))]


def test_installed_again_nothing_changes(running: Service) -> None:
    before = running.container.run("find", "/opt/procrastobot", "-newer", "/srv/camera.py").stdout
    config = running.container.run("cat", "/etc/procrastobot/config.toml").stdout
    again = running.container.run("/srv/bundle/install.sh", "--no-apt").stdout
    assert "is in place already" in again
    assert re.search("^camera .*stream address, 64x48", again, re.MULTILINE)
    after = running.container.run("find", "/opt/procrastobot", "-newer", "/srv/camera.py").stdout
    assert set(before.split()) == set(after.split())
    assert running.container.run("cat", "/etc/procrastobot/config.toml").stdout == config


def test_a_damaged_bundle_is_refused_and_changes_nothing(running: Service) -> None:
    wheel = next((running.container.root / "srv/bundle/wheels").glob("gpiozero-*.whl"))
    good = wheel.read_bytes()
    wheel.write_bytes(good[:-1] + b"x")
    try:
        done = running.container.run("/srv/bundle/install.sh", "--no-apt", check=False)
    finally:
        wheel.write_bytes(good)
    assert done.returncode == 1
    assert "damaged" in done.stderr
    assert running.ask("ActiveState") == "active"


def test_an_upgrade_that_does_not_get_ready_is_taken_back(running: Service) -> None:
    container = running.container
    before = container.run("readlink", "/opt/procrastobot/current").stdout.strip()
    script = textwrap.dedent(
        """
        set -eu
        rm -rf /srv/broken && cp -a /srv/bundle /srv/broken && cd /srv/broken
        # A version that checks its configuration but never gets ready.
        mkdir /srv/unpacked && cd /srv/unpacked
        python3 -m zipfile -e /srv/broken/wheels/procrastobot-*.whl .
        sed -i 's/^def build(/def build(*_, **__):\\n    raise SystemExit(1)\\n\\n\\ndef built(/' \
            edge/app.py
        rm /srv/broken/wheels/procrastobot-*.whl
        name=$(ls -d procrastobot-*.dist-info | sed 's/.dist-info//')
        sed -i '/edge\\/app.py/d' "$name.dist-info/RECORD"
        python3 -c "import shutil; shutil.make_archive('/srv/w', 'zip', '.')"
        mv /srv/w.zip "/srv/broken/wheels/$name-py3-none-any.whl"
        cd /srv/broken
        hash=$(sha256sum wheels/procrastobot-*.whl | cut -d ' ' -f 1)
        sed -i "s/^\\(procrastobot==[^ ]*\\) .*/\\1 --hash=sha256:$hash/" requirements-*.txt
        find . -type f ! -name SHA256SUMS -exec sha256sum {} + > SHA256SUMS.new
        mv SHA256SUMS.new SHA256SUMS
        sed -i '/SHA256SUMS/d' SHA256SUMS
        """
    )
    container.run("sh", "-s", stdin=script)
    done = container.run("/srv/broken/install.sh", "--no-apt", check=False)
    say(done.stderr[-600:])
    assert done.returncode == 1
    assert f"taken back to {before}" in done.stderr
    assert container.run("readlink", "/opt/procrastobot/current").stdout.strip() == before
    running.wait_until("active")


def test_removed_it_leaves_configuration_and_history_and_purged_nothing(running: Service) -> None:
    container = running.container
    container.run("/srv/bundle/install.sh", "--remove")
    kept = container.run("ls", "/etc/procrastobot", "/var/lib/procrastobot").stdout
    assert "config.toml" in kept
    assert "history.db" in kept
    assert container.run("systemctl", "cat", UNIT, check=False).returncode != 0
    assert container.run("ls", "/opt/procrastobot", check=False).returncode != 0
    container.run("/srv/bundle/install.sh", "--no-apt")
    running.wait_until("active")
    container.run("/srv/bundle/install.sh", "--remove", "--purge")
    left = container.run(
        "find", "/etc", "/opt", "/usr/local", "/var/lib", "-name", "*procrastobot*"
    ).stdout
    assert left == ""
    assert container.run("getent", "passwd", "procrastobot", check=False).returncode != 0


def test_the_tests_do_what_deploy_says() -> None:
    assert "tests/test_service.py" in (ROOT / "deploy" / "test-service").read_text()
