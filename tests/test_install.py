"""The installer in a Debian root without a running systemd: a chroot, or an image being made.

By default on this machine's own architecture and Debian 12. PROCRASTOBOT_SUITE=trixie and
PROCRASTOBOT_MACHINE=aarch64 take others; deploy/test-install runs both releases of Raspberry Pi OS
in arm64 and prints the table. What it takes a running systemd to see is in tests/test_service.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.config import CameraConfig
from edge.demo.clip import DemoClip
from tests.camera_fakes import write_picture
from tests.nspawn import PYTHON_OF, Chroot, bundle, why_no_chroot

SUITE = os.environ.get("PROCRASTOBOT_SUITE", "bookworm")
MACHINE = os.environ.get("PROCRASTOBOT_MACHINE", platform.machine())
EXTRAS = os.environ.get("PROCRASTOBOT_EXTRAS", "")
UNIT = "procrastobot.service"
SLOW_RUNTIME = SUITE == "bookworm" and MACHINE != "x86_64"  # all that its Python can have there
BROKER = "procrastobot-broker.service"
PASSWORD = "/etc/credstore/procrastobot.broker-password"
# A setting and a history that the owner has come to, and must find again.
OWNERS = '# mine\n[nudge]\nmode = "strict"\n[model]\nname = "fast"\nthreads = 1\n'
HISTORY = "/var/lib/procrastobot/history.db"
ROW = "create table pickups as select 7 as number"

reason = why_no_chroot(MACHINE)
pytestmark = [
    pytest.mark.skipif(bool(reason), reason=reason or "chroots work here"),
    pytest.mark.slow,
]


class Target:
    """A Debian root with bundles in /srv, and what was seen in it."""

    def __init__(self, chroot: Chroot) -> None:
        self.chroot = chroot
        self.virgin: dict[str, str] = {}
        self.table: list[tuple[str, float, str]] = []
        self.began_s = time.monotonic()

    def install(self, name: str, *options: str, fails: bool = False) -> str:
        done = self.chroot.run(f"/srv/{name}/install.sh", "--no-apt", *options, check=False)
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, said
        return said

    def read(self, path: str) -> str:
        return (self.chroot.root / path.lstrip("/")).read_text()

    def exists(self, path: str) -> bool:
        return os.path.lexists(self.chroot.root / path.lstrip("/"))

    def current(self) -> str:
        return os.readlink(self.chroot.root / "opt/procrastobot/current")

    def state(self) -> dict[str, str]:
        """All that counts: files below /etc, /opt and so on, by their content and mode."""
        found = {}
        for top in ("etc", "opt", "usr/local", "var/lib", "home", "root"):
            for path in sorted((self.chroot.root / top).rglob("*")):
                name = str(path.relative_to(self.chroot.root))
                mode = path.lstat().st_mode
                if path.is_symlink():
                    found[name] = os.readlink(path)
                elif stat.S_ISREG(mode) and "__pycache__" not in name:
                    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
                    found[name] = f"{stat.S_IMODE(mode):o} {path.lstat().st_gid} {digest}"
        return found

    def seen(self, what: str) -> None:
        """A line of the table: the test that calls it has passed up to here."""
        name = os.environ["PYTEST_CURRENT_TEST"].split("::test_")[1].split(" ")[0]
        now_s = time.monotonic()
        self.table.append((name.replace("_", " "), now_s - self.began_s, what))
        self.began_s = now_s


def phone_in_hand() -> NDArray[np.uint8]:
    """A frame of the demo's clip: somebody at a desk holds a phone."""
    clip = DemoClip(CameraConfig(fps=1, realtime=False))
    clip.open()
    return next(frame.image for frame in iter(clip.read, None) if frame.at_s >= 20)


def changes(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before | after if before.get(name) != after.get(name)}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("install")
    packed = bundle(PYTHON_OF[SUITE], MACHINE, output=folder / "bundle", extras=EXTRAS)
    chroot = Chroot(SUITE, folder / "chroot", MACHINE)
    target = Target(chroot)
    try:
        srv = chroot.root / "srv"
        shutil.copytree(packed, srv / "new")
        write_picture(srv / "phone.png", phone_in_hand())
        (srv / "model.py").write_text(RUNTIME)
        shutil.copytree(packed, srv / "older")
        repack(srv / "older", lambda unpacked: renumber(unpacked, "0.0.1"))
        target.virgin = target.state()
        yield target
    finally:
        chroot.close()
        width = max([len(name) for name, _, _ in target.table], default=0)
        lines = [f"{name:{width}}  ok {took:6.0f} s  {what}" for name, took, what in target.table]
        title = f"{SUITE}, {MACHINE}, Python {PYTHON_OF[SUITE]}, extras: {EXTRAS or 'none'}"
        print("", title, *lines, sep="\n", flush=True)


def repack(made: Path, change: Callable[[Path], str]) -> None:
    """Put another program into that bundle, and make its sums fit.

    `change` gets the unpacked wheel and returns the version that it is to have.
    """
    wheel = next((made / "wheels").glob("procrastobot-*.whl"))
    unpacked = made.with_name(f"{made.name}.unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    info = next(unpacked.glob("*.dist-info"))
    before = info.name.removesuffix(".dist-info").split("-")[1]
    version = change(unpacked)
    metadata = info / "METADATA"
    metadata.write_text(metadata.read_text().replace(f"Version: {before}", f"Version: {version}"))
    (info / "RECORD").unlink()
    info = info.rename(unpacked / f"procrastobot-{version}.dist-info")
    files = sorted(path for path in unpacked.rglob("*") if path.is_file())
    names = [str(path.relative_to(unpacked)) for path in files]
    (info / "RECORD").write_text("".join(f"{each},,\n" for each in [*names, f"{info.name}/RECORD"]))
    wheel.unlink()
    wheel = wheel.with_name(f"procrastobot-{version}-py3-none-any.whl")
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in unpacked.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(unpacked))
    shutil.rmtree(unpacked)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    for requirements in made.glob("requirements-*.txt"):
        line = f"procrastobot=={version} --hash=sha256:{digest}"
        requirements.write_text(re.sub(r"procrastobot==.*", line, requirements.read_text()))
    sum_up(made)


def sum_up(made: Path) -> None:
    sums = made / "SHA256SUMS"
    files = sorted(path for path in made.rglob("*") if path.is_file() and path != sums)
    lines = (
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(made)}\n"
        for path in files
    )
    sums.write_text("".join(lines))


def renumber(unpacked: Path, version: str) -> str:
    source = unpacked / "edge" / "__init__.py"
    text, count = re.subn(r'__version__ = ".*"', f'__version__ = "{version}"', source.read_text())
    assert count == 1
    source.write_text(text)
    return version


RUNTIME = """
import importlib.metadata as m, json, sys
import numpy, av, gpiozero, paho.mqtt.client
names = ("tflite-runtime", "ai-edge-litert", "numpy", "procrastobot")
have = {}
for name in names:
    try:
        have[name] = m.version(name)
    except m.PackageNotFoundError:
        pass
json.dump({"python": "%d.%d" % sys.version_info[:2], "machine": __import__("platform").machine(),
           "have": have}, sys.stdout)
"""


def assert_refused(target: Target, spoil: Callable[[Path], None], why: str) -> None:
    """A copy of the bundle, spoilt, but with sums over all files that fit again, as one who packs
    anew would make them: it is not installed, for that reason, and nothing changes."""
    before = target.state()
    srv = target.chroot.root / "srv"
    spoilt = srv / "spoilt"
    shutil.copytree(srv / "new", spoilt)
    try:
        spoil(spoilt)
        sum_up(spoilt)
        assert why in target.install(spoilt.name, fails=True)
        assert changes(before, target.state()) == set()
    finally:
        shutil.rmtree(spoilt)
    target.seen("nothing changed")


def test_a_bundle_for_another_machine_is_refused(target: Target) -> None:
    def spoil(spoilt: Path) -> None:
        (spoilt / "machine").write_text("riscv64\n")

    assert_refused(target, spoil, f"the bundle is for riscv64, this system is {MACHINE}")


def test_put_in_place_it_is_not_enabled(target: Target) -> None:
    assert "in place; not started" in target.install("older", "--no-start")
    assert not target.exists(PASSWORD), "an image is many boxes, each with a password of its own"
    assert not target.exists(f"/etc/systemd/system/multi-user.target.wants/{UNIT}")
    example = target.chroot.root / "etc/procrastobot"
    assert (example / "config.toml").read_text() == (example / "config.example.toml").read_text()
    (example / "config.toml").write_text(OWNERS)
    target.seen("--no-start")


def test_installed_it_starts_at_the_next_boot(target: Target) -> None:
    said = target.install("older")
    assert "no systemd runs here: it starts at the next boot" in said
    for unit in (UNIT, BROKER):
        enabled = target.chroot.run("systemctl", "is-enabled", unit).stdout.strip()
        assert enabled == "enabled"
    made = target.read(PASSWORD).strip()
    assert len(made) == 16
    assert f"password {made}\n" in said
    assert stat.S_IMODE((target.chroot.root / PASSWORD.lstrip("/")).stat().st_mode) == 0o600
    for path in (
        f"/etc/systemd/system/{UNIT}",
        f"/etc/systemd/system/{BROKER}",
        "/etc/sysusers.d/procrastobot.conf",
        "/etc/tmpfiles.d/procrastobot.conf",
        "/etc/udev/rules.d/60-procrastobot.rules",
        "/etc/procrastobot/config.toml",
        "/usr/local/bin/procrastobot",
    ):
        assert target.exists(path), path
    listed = target.chroot.run("getent", "passwd", "procrastobot").stdout
    group = target.chroot.run("stat", "-c", "%G %a", "/etc/procrastobot/config.toml").stdout
    assert group.split() == ["procrastobot", "640"]
    target.seen(f"{target.current()}, user {listed.split(':')[2]}, {enabled}")


def test_its_venv_has_the_runtime_that_fits_the_python(target: Target) -> None:
    said = target.chroot.run("/opt/procrastobot/current/bin/python", "-I", "/srv/model.py").stdout
    found = json.loads(said)
    assert found["python"] == PYTHON_OF[SUITE]
    assert found["machine"] == MACHINE
    assert set(found["have"]) == {
        "tflite-runtime" if SLOW_RUNTIME else "ai-edge-litert",
        "numpy",
        "procrastobot",
    }
    have = ", ".join(f"{name} {version}" for name, version in found["have"].items())
    target.seen(f"{found['machine']}, Python {found['python']}, {have}")


def test_it_says_its_version_and_accepts_its_configuration(target: Target) -> None:
    said = target.chroot.run("procrastobot", "--version").stdout.strip()
    assert said.endswith("0.0.1")
    checked = target.chroot.run("procrastobot", "check").stdout.strip()
    assert checked.startswith("/etc/procrastobot/config.toml: good.")
    target.seen(f"{said}; {checked.split('. ')[0]}")


def test_somebody_else_is_told_which_sudo_is_missing(target: Target) -> None:
    """What the guides name, typed by the user of a Raspberry Pi OS."""
    as_pi = ("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "procrastobot")
    for command in (["check"], ["report", "--week"], ["selftest", "--yes"], ["run"]):
        done = target.chroot.run(*as_pi, *command, check=False)
        assert done.returncode == 78, done.stdout + done.stderr
        assert done.stderr.count("\n") == 1
        assert done.stderr.rstrip().endswith(f"sudo procrastobot {command[0]}")
    for command in (["--help"], ["detect", "/srv/phone.png"], ["check", "--example"]):
        target.chroot.run(*as_pi, *command)
    report = target.chroot.run("procrastobot", "report", check=False)
    assert "/var/lib/procrastobot/history.db" in report.stderr
    target.seen("user 1000: check, report, selftest, run")


def test_it_sees_a_phone_in_a_picture(target: Target) -> None:
    command = ("procrastobot", "detect", "/srv/phone.png", "--json", "--threads", "1")
    found = json.loads(target.chroot.run(*command).stdout)
    best = {each["label"]: each["score"] for each in reversed(found["detections"])}
    assert {"person", "phone"} <= set(best)
    target.seen(", ".join(f"{label} {score:.2f}" for label, score in best.items()))


def test_installed_again_nothing_changes(target: Target) -> None:
    before = target.state()
    said = target.install("older")
    assert "is in place already" in said
    assert target.read(PASSWORD).strip() not in said, "it is shown once"
    assert changes(before, target.state()) == set()
    target.seen(f"{len(before)} files and links as before")


def test_upgraded_it_keeps_configuration_and_history(target: Target) -> None:
    root = target.chroot.root
    old = target.current()
    target.chroot.run("install", "-d", "-o", "procrastobot", "-m", "700", "/var/lib/procrastobot")
    target.chroot.run(
        "python3", "-c", f"import sqlite3; sqlite3.connect({HISTORY!r}).execute({ROW!r})"
    )
    history = (root / HISTORY.lstrip("/")).read_bytes()
    target.install("new", "--upgrade")
    assert target.current() != old
    assert not target.chroot.run("procrastobot", "--version").stdout.strip().endswith("0.0.1")
    assert target.read("/etc/procrastobot/config.toml") == OWNERS
    assert (root / HISTORY.lstrip("/")).read_bytes() == history
    assert target.exists(f"/opt/procrastobot/{old}/complete"), "the way back by hand"
    assert os.readlink(root / "opt/procrastobot/previous") == old
    target.seen(f"{old} -> {target.current()}")


def test_a_damaged_bundle_is_refused(target: Target) -> None:
    before = target.state()
    wheel = next((target.chroot.root / "srv/new/wheels").glob("gpiozero-*.whl"))
    good = wheel.read_bytes()
    wheel.write_bytes(good[:-1] + b"x")
    said = target.install("new", fails=True)
    assert "damaged" in said
    assert f"wheels/{wheel.name}" in said
    wheel.unlink()
    assert "damaged" in target.install("new", fails=True)
    wheel.write_bytes(good)
    assert changes(before, target.state()) == set()
    target.seen("a flipped byte and a missing file; nothing changed")


def test_a_wheel_that_is_not_the_one_listed_is_refused_by_pip(target: Target) -> None:
    def spoil(spoilt: Path) -> None:
        listed = next(spoilt.glob("requirements-*.txt"))
        right = listed.read_text()
        wrong = re.sub(r"(paho-mqtt\S* --hash=sha256:)\w{8}", r"\g<1>00000000", right)
        assert wrong != right
        listed.write_text(wrong)

    assert_refused(target, spoil, "pip refused; nothing was changed")


def test_a_version_that_cannot_see_is_refused(target: Target) -> None:
    """Its requirements lack the runtime: pip is content, and the detector is not."""

    def spoil(spoilt: Path) -> None:
        repack(spoilt, lambda unpacked: renumber(unpacked, "9.9.9"))
        listed = next(spoilt.glob("requirements-*.txt"))
        lines = listed.read_text().splitlines(keepends=True)
        (ours,) = (line for line in lines if line.startswith("procrastobot=="))
        listed.write_text(ours)

    assert_refused(target, spoil, "this version does not run here; nothing was changed")


def test_a_configuration_that_it_cannot_use_is_named_and_the_version_stays(target: Target) -> None:
    before = target.current()
    path = target.chroot.root / "etc/procrastobot/config.toml"
    path.write_text("[nudge]\nmoed = 'strict'\n")
    said = target.install("older", fails=True)
    path.write_text(OWNERS)
    assert "did you mean nudge.mode?" in said
    assert target.current() == before
    target.seen(f"still {before}")


def test_removed_it_leaves_configuration_and_history(target: Target) -> None:
    said = target.install("new", "--remove")
    assert "are kept" in said
    left = changes(target.virgin, target.state())
    kept = {name for name in left if name.startswith(("etc/procrastobot/", "var/lib/procrastobot"))}
    kept |= {PASSWORD.lstrip("/")}
    assert target.read("/etc/procrastobot/config.toml") == OWNERS
    assert target.exists(HISTORY)
    assert left - kept <= ACCOUNTS
    target.seen("kept: " + ", ".join(sorted(Path(name).name for name in kept)))


# Copies that the tools for accounts keep, and groups that are the system's (video, gpio).
ACCOUNTS = {f"etc/{name}" for name in ("group", "gshadow", "group-", "gshadow-", "passwd-")} | {
    "etc/passwd",
    "etc/shadow",
    "etc/shadow-",
}


def test_purged_nothing_is_left(target: Target) -> None:
    target.install("new", "--remove", "--purge")
    left = changes(target.virgin, target.state())
    assert left <= ACCOUNTS
    for name in ("passwd", "group", "shadow", "gshadow"):
        assert "procrastobot" not in target.read(f"/etc/{name}")
    for folder in ("/etc/procrastobot", "/opt/procrastobot", "/var/lib/procrastobot"):
        assert not target.exists(folder)
    target.seen("no file, no user, no group of its own")


def test_the_command_runs_these_tests() -> None:
    command = Path(__file__).resolve().parent.parent / "deploy" / "test-install"
    assert "tests/test_install.py" in command.read_text()
    assert (
        subprocess.run([command, "--help"], env={**os.environ, "PYTHON": sys.executable}).returncode
        == 0
    )
