"""The unit file, judged by systemd itself. What it does is seen in tests/test_service.py."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from edge.config import WebConfig
from edge.page import listen

ROOT = Path(__file__).resolve().parent.parent
UNIT = ROOT / "deploy" / "procrastobot.service"
BROKER = ROOT / "deploy" / "procrastobot-broker.service"
PAGE = ROOT / "deploy" / "procrastobot-page.service"
PAGE_SOCKET = PAGE.with_suffix(".socket")
HOOKS = ROOT / "deploy" / "procrastobot-hooks.service"
OVERLAY = ROOT / "deploy" / "overlay" / "usr" / "lib"
EXPOSURE_AT_MOST = 1.5

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (package systemd)"
)


@pytest.mark.parametrize(
    "source", [UNIT, BROKER, PAGE, PAGE_SOCKET, HOOKS], ids=lambda path: path.name
)
def test_systemd_verify_finds_nothing_to_say(source: Path, tmp_path: Path) -> None:
    # verify looks for the programs too; they are installed where the service is, not here.
    for each in (source, PAGE, PAGE_SOCKET):
        text = re.sub(r"/opt/procrastobot/current/bin/\w+", "/bin/true", each.read_text())
        (tmp_path / each.name).write_text(text)
    unit = tmp_path / source.name
    verdict = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True
    )
    print(verdict.stdout, verdict.stderr)
    # An unknown key is a line on stderr, and exit code 0.
    ours = [line for line in verdict.stderr.splitlines() if source.name in line]
    assert (verdict.returncode, ours) == (0, [])


def test_the_installer_turns_on_the_page_and_nothing_else(tmp_path: Path) -> None:
    script = re.search(r"sed -i '([^']*)'", (ROOT / "deploy" / "install.sh").read_text())
    assert script is not None
    example = ROOT / "deploy" / "config.example.toml"
    done = subprocess.run(["sed", script[1], example], capture_output=True, text=True, check=True)
    given = {name: table for name, table in tomllib.loads(done.stdout).items() if table}
    assert given == {"web": {"enabled": True, "host": "0.0.0.0", "port": 80}}


def test_a_misspelt_key_would_be_found(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    text = re.sub(r"/opt/procrastobot/current/bin/\w+", "/bin/true", UNIT.read_text())
    unit.write_text(text.replace("WatchdogSec", "WachdogSec"))
    verdict = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True
    )
    assert "WachdogSec" in verdict.stderr


@pytest.mark.parametrize("unit", [UNIT, BROKER, PAGE, HOOKS], ids=lambda path: path.stem)
def test_what_the_service_may_do_stays_little(unit: Path) -> None:
    offline = ["systemd-analyze", "security", "--offline=true", "--no-pager"]
    table = subprocess.run(
        [*offline, f"--threshold={EXPOSURE_AT_MOST * 10:.0f}", unit], capture_output=True, text=True
    )
    print("\n".join(line for line in table.stdout.splitlines() if not line.startswith("✓")))
    assert table.returncode == 0
    assert "ignoring" not in table.stderr
    listed = json.loads(
        subprocess.run([*offline, "--json=short", unit], capture_output=True, text=True).stdout
    )
    exposed = {each["json_field"] for each in listed if each["set"] is False}
    assert not exposed & {"NoNewPrivileges", "ProtectHome", "MemoryDenyWriteExecute"}


def test_the_unit_keeps_the_promises_of_the_design() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert service["RestartPreventExitStatus"] == "78"
    assert service["Restart"] == "on-failure"
    assert "edge.devices.guard --now" in service["ExecStopPost"]
    assert service["WorkingDirectory"] == "%t/procrastobot"


@pytest.mark.parametrize("kind", ["sysusers", "tmpfiles"])
def test_users_and_folders_are_understood(kind: str, tmp_path: Path) -> None:
    tool = shutil.which(f"systemd-{kind}")
    if tool is None:
        pytest.skip(f"needs systemd-{kind}")
    for folder in ("etc", "usr/lib", "var/lib", "run"):
        (tmp_path / folder).mkdir(parents=True)
    users = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", OVERLAY / "sysusers.d" / "procrastobot.conf"],
        capture_output=True,
        text=True,
    )
    if kind == "sysusers":
        assert users.returncode == 0, users.stderr
        assert "procrastobot" in (tmp_path / "etc" / "passwd").read_text()
        return
    if users.returncode != 0 or not (tmp_path / "etc" / "passwd").is_file():
        pytest.skip("needs the users first")
    made = subprocess.run(
        [tool, "--create", f"--root={tmp_path}", OVERLAY / "tmpfiles.d" / "procrastobot.conf"],
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "etc" / "procrastobot").stat().st_mode & 0o777 == 0o770


def test_the_box_finds_its_broker_where_the_broker_is() -> None:
    box, broker = (path.read_text() for path in (UNIT, BROKER))
    assert f"Wants={BROKER.name}" in box
    assert re.search(rf"^After=.*{BROKER.name}", box, re.MULTILINE)
    place = re.search(r"PROCRASTOBOT_BROKER=(\S+)", box)
    assert place is not None
    assert f"--output {place.group(1)} " in broker
    assert f"edge.mqtt.keeper {place.group(1)}\n" in broker
    # The socket is the group's, the files behind it are not.
    assert "Group=procrastobot\n" in broker
    assert "UMask=0007\n" in broker
    assert "RuntimeDirectoryMode=0750\n" in broker


def test_the_page_reaches_neither_devices_nor_secrets_nor_the_network() -> None:
    page = PAGE.read_text()
    for line in (
        "PrivateDevices=yes",
        "PrivateNetwork=yes",
        "RestrictAddressFamilies=AF_UNIX",
        "InaccessiblePaths=-/etc/credstore",
        "ReadWritePaths=/etc/procrastobot",
        "User=procrastobot",
    ):
        assert f"{line}\n" in page
    for word in ("LoadCredential", "SupplementaryGroups", "DeviceAllow"):
        assert word not in page
    assert "ProtectSystem=strict\n" in UNIT.read_text(), "the box writes no configuration"


class Asked:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def __call__(self, arguments: Sequence[str]) -> None:
        self.calls.append(" ".join(arguments))


@pytest.mark.parametrize(
    ("web", "wanted"),
    [
        ("", None),
        ("[web]\nenabled = false", None),
        ("[web]\nenabled = 'true'", None),
        ("[web]\nenabled = true", "127.0.0.1:8080"),
        ("[web]\nenabled = true\nhost = 'localhost'\nport = 80", "127.0.0.1:80"),
        ("[web]\nenabled = true\nhost = '0.0.0.0'\nport = 80", "0.0.0.0:80"),
        ("[web]\nenabled = true\nhost = '::'\nport = 80", "[::]:80"),
    ],
)
def test_systemd_listens_where_the_configuration_says(web: str, wanted: str | None) -> None:
    assert listen.stream(web) == wanted
    assert (WebConfig().host, WebConfig().port) == (listen.HOST, listen.PORT)


@pytest.mark.parametrize(
    "web",
    [
        r'host = "0.0.0.0\n[Service]\nExecStart=/bin/sh"',
        'host = "/run/other.socket"',
        'host = "box.example"',
        "host = 3.5",
        'port = "80\\nExecStartPre=/bin/sh"',
        "port = true",
        "port = 0",
        "port = 70000",
    ],
)
def test_nothing_but_an_address_and_a_number_becomes_part_of_a_unit(web: str) -> None:
    with pytest.raises(ValueError, match="web"):
        listen.stream(f"[web]\nenabled = true\n{web}\n")


def test_a_change_is_told_to_systemd_and_the_same_again_is_not(tmp_path: Path) -> None:
    drop_in = tmp_path / f"{listen.SOCKET}.d" / "listen.conf"
    on, moved, off = "[web]\nenabled = true\n", "[web]\nenabled = true\nport = 81\n", ""
    for text, port, calls in (
        (off, None, []),
        (on, 8080, ["daemon-reload", "stop", "start"]),
        (on, 8080, ["start"]),
        (moved, 81, ["daemon-reload", "stop", "start"]),
        (off, None, ["stop", "daemon-reload"]),
        (off, None, []),
    ):
        asked = Asked()
        listen.arrange(text, tmp_path, asked)
        assert [each.split()[0] for each in asked.calls] == calls
        assert drop_in.exists() is (port is not None)
        if port is not None:
            assert f"\nListenStream=\nListenStream=127.0.0.1:{port}\n" in drop_in.read_text()
    asked = Asked()
    with pytest.raises(ValueError, match="Expected"):
        listen.arrange("[web", tmp_path, asked)
    assert asked.calls == []


def test_who_reads_the_configuration_once_starts_anew_where_it_has_changed(tmp_path: Path) -> None:
    page, hooks = tmp_path / "units", tmp_path / "read"
    web, hook = "[web]\nenabled = true\n", "[[hooks]]\nname = 'a'\n"
    zone = "[box]\ntimezone = 'Asia/Tokyo'\n"
    for text, again in (
        (web, {"page"}),  # the hooks have started with this machine
        (web, set()),
        (web + "[policy]\nphone_hold_s = 3\n", set()),
        (web + hook, {"hooks"}),
        (web + "cert_file = '/x'\n" + hook, {"page"}),
        (web + hook + zone, {"page", "hooks"}),
        (web + zone, {"hooks"}),
        (web + zone, set()),
    ):
        asked = Asked()
        listen.arrange(text, page, asked)
        listen.tell_hooks(text, hooks, asked)
        found = {each.split()[-1] for each in asked.calls if each.startswith(("stop", "restart"))}
        names = {listen.SERVICE: "page", listen.HOOKS: "hooks"}
        assert {names[each] for each in found} == again, text


@pytest.mark.parametrize(
    ("web", "told"),
    [
        ("", None),
        ("enabled = true", None),
        ('enabled = true\nhost = "::1"', None),
        ('enabled = true\nhost = "localhost"', None),
        ('enabled = false\nhost = "0.0.0.0"', None),
        ('enabled = true\nhost = "0.0.0.0"\nport = 80', ("_http._tcp", "80")),
        ('enabled = true\nhost = "::"', ("_http._tcp", "8080")),
        ('enabled = true\nhost = "192.168.7.9"\ncert_file = "a"', ("_https._tcp", "8080")),
    ],
)
def test_avahi_tells_the_network_of_a_page_that_the_network_can_reach(
    web: str, told: tuple[str, str] | None
) -> None:
    text = listen.announcement(f"[web]\n{web}\n")
    if text is None:
        assert told is None
        return
    group = ElementTree.fromstring(text)
    service = group.find("service")
    assert service is not None
    assert (service.findtext("type"), service.findtext("port")) == told
    assert group.findtext("name") == "Procrastobot (%h)"


def test_what_avahi_tells_follows_the_configuration_and_waits_for_avahi(tmp_path: Path) -> None:
    path = tmp_path / "services" / "procrastobot.service"
    on = '[web]\nenabled = true\nhost = "0.0.0.0"\n'
    listen.announce(on, path)
    assert not path.parent.exists(), "there is no Avahi"
    path.parent.mkdir()
    listen.announce(on, path)
    before = path.stat()
    listen.announce(on, path)
    assert path.stat().st_mtime_ns == before.st_mtime_ns, "the same again is not written again"
    listen.announce(on + "port = 81\n", path)
    assert "<port>81</port>" in path.read_text()
    listen.announce("", path)
    listen.announce("", path)
    assert not path.exists()


def test_the_installer_brings_avahi_with_the_page_and_takes_along_what_it_tells() -> None:
    text = (ROOT / "deploy" / "install.sh").read_text()
    assert str(listen.ANNOUNCED) in text.partition("remove() {")[2].partition("\n}")[0]
    assert re.search(r'\$with_page" = no \] \|\| wanted="\$wanted avahi-daemon openssl"', text)
