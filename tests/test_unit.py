"""The unit file, judged by systemd itself. What it does is seen in tests/test_service.py."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
UNIT = ROOT / "deploy" / "procrastobot.service"
BROKER = ROOT / "deploy" / "procrastobot-broker.service"
OVERLAY = ROOT / "deploy" / "overlay" / "usr" / "lib"
EXPOSURE_AT_MOST = 1.5

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (package systemd)"
)


@pytest.mark.parametrize("source", [UNIT, BROKER], ids=lambda path: path.stem)
def test_systemd_verify_finds_nothing_to_say(source: Path, tmp_path: Path) -> None:
    # verify looks for the programs too; they are installed where the service is, not here.
    unit = tmp_path / source.name
    unit.write_text(re.sub(r"/opt/procrastobot/current/bin/\w+", "/bin/true", source.read_text()))
    verdict = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True
    )
    print(verdict.stdout, verdict.stderr)
    # An unknown key is a line on stderr, and exit code 0.
    ours = [line for line in verdict.stderr.splitlines() if source.name in line]
    assert (verdict.returncode, ours) == (0, [])


def test_a_misspelt_key_would_be_found(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    text = re.sub(r"/opt/procrastobot/current/bin/\w+", "/bin/true", UNIT.read_text())
    unit.write_text(text.replace("WatchdogSec", "WachdogSec"))
    verdict = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True
    )
    assert "WachdogSec" in verdict.stderr


@pytest.mark.parametrize("unit", [UNIT, BROKER], ids=lambda path: path.stem)
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
    assert (tmp_path / "etc" / "procrastobot").stat().st_mode & 0o777 == 0o750


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
