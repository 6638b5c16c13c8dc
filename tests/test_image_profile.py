"""The vendor's image profile (deploy/image/rpi): its keys against rpi-image-gen's sources, and what
its hooks make of a Debian root. What only a build can show is not shown here.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nspawn import PYTHON_OF, Chroot, bundle, why_no_chroot

yaml = pytest.importorskip("yaml", reason="needs PyYAML (it comes with the extra demo)")

IMAGE = Path(__file__).resolve().parent.parent / "deploy" / "image"
CONFIGS = sorted((IMAGE / "rpi" / "config").glob("*.yaml"))
LAYER = IMAGE / "rpi" / "layer" / "procrastobot.yaml"
COMPANION = LAYER.with_suffix(".d")
OVERLAY = COMPANION / "customize.overlay"

# Facts of github.com/raspberrypi/rpi-image-gen, read in November 2026; behind each, whose they are.
DEVICES = {"pi3": "rpi3", "pi4": "rpi4", "pi5": "rpi5", "zero2w": "rpizero2w"}
WITH_TWO_SLOTS = r"^(cm4|pi4|cm5|pi5)$"  # image-rota: X-Env-VarRequires-Valid
SIZE = r"\d+(%|[kKMG])?"
VARIABLES = {
    ("device", "hostname"): r".+",  # device-base
    ("device", "user1"): r".+",  # device-user-credentials
    ("device", "user1sudo"): r"none|passwd|nopasswd",  # device-user-credentials
    ("image", "name"): r".+",  # image-base
    ("image", "boot_part_size"): SIZE,  # image-rota
    ("image", "system_part_size"): SIZE,  # image-rota
    ("image", "data_part_size"): SIZE,  # image-rota
    ("ssh", "pubkey_only"): r"y|n",  # openssh-server
    ("ieee80211", "regdom"): r".+",  # wireless-regulatory
    ("sbom", "enable"): r"y|n",  # sbom-base; its provider is syft
}
OF_TWO_SLOTS = {"boot_part_size", "system_part_size", "data_part_size"}
# trixie-minbase requires these, so they are in every build of ours.
OF_THE_BASE = {
    "systemd-net-min",
    "openssh-server",
    "systemd-timesyncd",
    "wireless-regulatory",
    "iwd",
}
# docs/layer/index.adoc; Desc is the spelling of the vendor's own layers.
FIELDS = re.compile(
    r"X-Env-(Layer-(Name|Version|Category|Desc|Requires)|VarPrefix"
    r"|Var-[a-z]+(-(Desc|Required|Valid|Set))?)"
)


def fields() -> dict[str, str]:
    head = LAYER.read_text().split("# METABEGIN\n")[1].split("# METAEND")[0]
    lines = [line.removeprefix("#").removeprefix(" ") for line in head.splitlines()]
    found: dict[str, str] = {}
    for line in lines:  # DEB822: a line that begins with a blank goes on with the one before
        if line.startswith(" "):
            found[next(reversed(found))] += line
        elif line:
            name, colon, value = line.partition(":")
            assert colon, line
            found[name] = value.strip()
    return found


def hooks() -> list[str]:
    return list(yaml.safe_load(LAYER.read_text())["mmdebstrap"]["customize-hooks"])


def test_there_is_a_configuration_for_every_board() -> None:
    assert {path.stem.removeprefix("procrastobot-") for path in CONFIGS} == set(DEVICES)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_sets_what_the_builder_knows_to_what_it_takes(path: Path) -> None:
    tree = yaml.safe_load(path.read_text())
    board = path.stem.removeprefix("procrastobot-")
    assert tree["device"].pop("layer") == DEVICES[board]
    slots = re.match(WITH_TWO_SLOTS, board) is not None
    assert tree["image"].pop("layer") == ("image-rota" if slots else "image-rpios")
    assert slots == (set(tree["image"]) >= OF_TWO_SLOTS)
    assert tree.pop("layer") == {"base": "trixie-minbase", "app": fields()["X-Env-Layer-Name"]}
    for section, settings in tree.items():
        for key, value in settings.items():
            # Written without quotes, y is a string to this builder and a truth to some readers.
            text = {True: "y", False: "n"}.get(value, str(value))
            assert re.fullmatch(VARIABLES[section, key], text), (section, key, value)


def test_nothing_in_a_configuration_opens_the_box() -> None:
    for path in CONFIGS:
        tree = yaml.safe_load(path.read_text())
        assert not {key for key in tree["device"] if "pass" in key}
        assert tree["ssh"]["pubkey_only"] in (True, "y")
        assert "pubkey_user1" not in tree["ssh"]


def test_the_layer_has_fields_that_the_builder_knows_and_needs_what_the_base_brings() -> None:
    declared = fields()
    assert [name for name in declared if not FIELDS.fullmatch(name)] == []
    assert set(declared["X-Env-Layer-Requires"].split(",")) <= OF_THE_BASE
    assert re.fullmatch(r"\d+\.\d+\.\d+", declared["X-Env-Layer-Version"])


def test_every_variable_of_the_layer_is_declared_in_full_and_used() -> None:
    declared = fields()
    names = {
        match.group(1) for key in declared if (match := re.fullmatch(r"X-Env-Var-([a-z]+)", key))
    }
    assert names
    prefix = declared["X-Env-VarPrefix"]
    assert set(re.findall(rf"IGconf_{prefix}_([a-z]+)", "\n".join(hooks()))) == names
    for name in names:
        for more in ("Desc", "Required", "Valid", "Set"):
            assert f"X-Env-Var-{name}-{more}" in declared


def test_both_slots_share_what_the_other_image_keeps_on_its_data_partition() -> None:
    lines = (OVERLAY / "etc/rpi-image-gen/slot-shared.d/procrastobot.conf").read_text().splitlines()
    assert lines[0] == "Version=1"
    shared = {line.removeprefix("Path=") for line in lines[1:]}
    fstab = (IMAGE / "overlay/etc/fstab").read_text()
    kept = {line.split()[1] for line in fstab.splitlines() if "bind" in line}
    assert kept
    assert shared == kept


def test_logs_stay_volatile_although_the_layout_would_keep_them() -> None:
    """image-rota writes journald.conf.d/persistent.conf; the last name in the alphabet counts."""
    ours = IMAGE / "overlay/etc/systemd/journald.conf.d/procrastobot.conf"
    assert "Storage=volatile" in ours.read_text()
    assert ours.name > "persistent.conf"


def test_the_hooks_and_commands_are_clean_shell() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("needs shellcheck")
    scripts = {f"hook {number}": f"#!/bin/sh\n{hook}\n" for number, hook in enumerate(hooks())}
    for name, script in scripts.items():
        # Names in capitals and those of the builder come from its environment.
        checked = subprocess.run(
            ["shellcheck", "--exclude=SC2154,SC2086", "-"],
            input=script,
            capture_output=True,
            text=True,
        )
        assert checked.returncode == 0, f"{name}: {checked.stdout}"


def test_bdebstrap_takes_the_layer_and_hands_every_hook_on(tmp_path: Path) -> None:
    """The builder merges layers with it; the mmdebstrap that it starts here only notes it down."""
    if shutil.which("bdebstrap") is None:
        pytest.skip("needs bdebstrap")
    told = tmp_path / "told.json"
    (tmp_path / "mmdebstrap").write_text(
        f"#!{sys.executable}\nimport json, sys\njson.dump(sys.argv[1:], open({str(told)!r}, 'w'))\n"
    )
    (tmp_path / "mmdebstrap").chmod(0o755)
    base = tmp_path / "base.yaml"
    base.write_text("---\nmmdebstrap:\n  mode: root\n  suite: trixie\n  target: root\n")
    done = subprocess.run(
        ["bdebstrap", "--name=box", f"--output={tmp_path / 'out'}", "-c", base, "-c", LAYER],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert told.exists(), done.stderr
    arguments = json.loads(told.read_text())
    ours = [each.split("=", 1)[1] for each in arguments if each.startswith("--customize-hook=")]
    assert [hook for hook in hooks() if hook not in ours] == []
    packages = next(each for each in arguments if each.startswith("--include=")).split("=")[1]
    wanted = yaml.safe_load(LAYER.read_text())["mmdebstrap"]["packages"]
    assert set(packages.split(",")) >= set(wanted)


ENABLE_UNITS = """#!/bin/sh
# Simulated: the builder's own enable-units.
set -eu
root=$1
shift
chroot "$root" systemctl --quiet enable "$@"
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chroot]:
    """A Debian root after the layer's overlay and hooks, in the builder's order."""
    if reason := why_no_chroot(platform.machine()):
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("vendor")
    suite = os.environ.get("PROCRASTOBOT_SUITE", "bookworm")
    packed = bundle(PYTHON_OF[suite], platform.machine(), output=folder / "bundle")
    chroot = Chroot(suite, folder / "chroot", platform.machine())
    try:
        tools = folder / "tools"
        tools.mkdir()
        (tools / "enable-units").write_text(ENABLE_UNITS)
        (tools / "enable-units").chmod(0o755)
        key = folder / "update.pub"
        key.write_text("a public key\n")
        # What other layers of the build would have made.
        firmware = chroot.root / "boot/firmware/config.txt"
        firmware.parent.mkdir(parents=True)
        firmware.write_text("[pi4]\narm_boost=1\n")
        shutil.copytree(OVERLAY, chroot.root, dirs_exist_ok=True)
        subprocess.run(["mount", "-t", "proc", "proc", chroot.root / "proc"], check=True)
        try:
            for hook in hooks():
                done = subprocess.run(
                    ["sh", "-c", hook, "sh", chroot.root],
                    env={
                        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                        "BDEBSTRAP_HOOKS": str(tools),
                        "IGconf_procrastobot_bundle": str(packed),
                        "IGconf_procrastobot_overlay": str(IMAGE / "overlay"),
                        "IGconf_procrastobot_key": str(key),
                    },
                    capture_output=True,
                    text=True,
                )
                assert done.returncode == 0, f"{hook}\n{done.stdout}{done.stderr}"
        finally:
            subprocess.run(["umount", chroot.root / "proc"], check=True)
        yield chroot
    finally:
        chroot.close()


@pytest.mark.slow
def test_the_hooks_leave_the_program_and_its_units_in_place(built: Chroot) -> None:
    said = built.run("procrastobot", "--version").stdout
    assert said.strip()
    for unit in (
        "procrastobot",
        "procrastobot-broker",
        "procrastobot-hooks",
        "procrastobot-settings",
        "procrastobot-health",
    ):
        state = built.run("systemctl", "is-enabled", f"{unit}.service", check=False).stdout.strip()
        assert (unit, state) == (unit, "enabled")
    debians = built.run("systemctl", "is-enabled", "mosquitto.service", check=False).stdout.strip()
    assert debians == "disabled"
    wants = built.root / "etc/systemd/system/sys-subsystem-net-devices-wlan0.device.wants"
    assert [path.name for path in wants.iterdir()] == ["procrastobot-wifi-country.service"]
    assert not (built.root / "srv/bundle").exists()


@pytest.mark.slow
def test_the_image_has_no_configuration_where_the_owners_will_be(built: Chroot) -> None:
    """The layout copies what the image has in a shared folder over it at every start."""
    for folder in ("etc/procrastobot", "etc/credstore", "var/lib/procrastobot"):
        path = built.root / folder
        assert not path.exists() or list(path.iterdir()) == []
    assert (built.root / "usr/share/procrastobot/config.toml").is_file()
    shown = built.run("stat", "-c", "%a %U %G", "/etc/procrastobot").stdout.split()
    assert shown == ["770", "root", "procrastobot"]


@pytest.mark.slow
def test_nobody_can_log_in_until_the_owner_leaves_a_key(built: Chroot) -> None:
    shadow = (built.root / "etc/shadow").read_text()
    open_accounts = [line for line in shadow.splitlines() if line.split(":")[1][:1] not in "!*"]
    assert open_accounts == []
    drop_in = (built.root / "etc/systemd/system/ssh.service.d/procrastobot.conf").read_text()
    condition = re.search(r"ConditionPathExists=(\S+)", drop_in)
    assert condition is not None
    assert not (built.root / condition.group(1).lstrip("/")).exists()
    # The key that opens it is where the settings are put, and where sshd looks.
    taker = (built.root / "usr/lib/procrastobot/take-settings").read_text()
    assert Path(condition.group(1)).name in taker
    sshd = (built.root / "etc/ssh/sshd_config.d/10-procrastobot.conf").read_text()
    assert f"AuthorizedKeysFile {condition.group(1)}\n" in sshd
    assert "PasswordAuthentication no\n" in sshd


@pytest.mark.slow
def test_the_firmware_is_told_in_a_section_for_every_board(built: Chroot) -> None:
    text = (built.root / "boot/firmware/config.txt").read_text()
    ours = text.split("[all]\n")[1].split()
    assert ours == ["dtparam=strict_gpiod", "dtparam=watchdog=on"]
    assert text.startswith("[pi4]\narm_boost=1\n")
    assert (COMPANION / "cmdline.d/50-procrastobot").read_text() == "panic=10\n"


@pytest.mark.slow
def test_its_systemd_agrees_with_every_unit_and_its_drop_ins(built: Chroot) -> None:
    ours = sorted((built.root / "etc/systemd/system").glob("procrastobot*.service"))
    assert len(ours) == 9
    names = [f"/{path.relative_to(built.root)}" for path in ours]
    verdict = built.run("systemd-analyze", "verify", "--man=no", *names, check=False)
    said = [line for line in verdict.stderr.splitlines() if "procrastobot" in line]
    # Commands of packages that this Debian root has not.
    assert [line for line in said if "is not executable" not in line] == []
    shown = built.run("systemd-analyze", "cat-config", "systemd/journald.conf").stdout
    assert "Storage=volatile" in shown
    tryboot = built.root / "usr/lib/procrastobot/tryboot"
    assert stat.S_IMODE(tryboot.stat().st_mode) == 0o755
    # The health unit is that of the other image, and finds this one's command by the same name.
    health = (built.root / "etc/systemd/system/procrastobot-health.service").read_text()
    command = health.split("ExecStart=")[1].split("\n")[0].split()
    assert command == ["/usr/bin/procrastobot-update", "confirm"]
    assert "tries them once" in built.run(command[0], "--help").stdout
    assert (built.root / "usr/lib/procrastobot/systemd-boot").is_file()


def test_a_build_that_was_asked_for_and_is_not_possible_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    done = subprocess.run(
        [IMAGE.parent / "test-image", "--always"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == "image: cannot be built here: needs root\n"
