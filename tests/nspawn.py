"""A real systemd as process 1 of a container, for the tests of the service.

The root is a minimal Debian, built once by mmdebstrap (a minute) and kept in the cache folder:
PROCRASTOBOT_CACHE, else ~/.cache/procrastobot. Each container writes to a layer of its own.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent
PYTHON_OF = {"bookworm": "3.11", "trixie": "3.13"}
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "udev",
    "python3",
    "libstdc++6",  # the TFLite runtime links it and does not bring it
    "mosquitto",
    "mosquitto-clients",
)

# What is left of that without a running systemd.
PACKAGES_TO_INSTALL = (
    "ca-certificates",
    "libstdc++6",
    "passwd",
    "python3",
    "systemd",
    "systemd-sysv",
    "udev",
)
DEBIAN_OF = {"aarch64": "arm64", "x86_64": "amd64"}

LOCK = Path("/run/lock/procrastobot-container")
ALONE = ("--mount", "--pid", "--net", "--uts", "--fork", "--kill-child")
NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd")


def why_not() -> str:
    """What is missing for containers here; empty when nothing is."""
    if os.geteuid() != 0:
        return "containers need root"
    missing = [
        tool for tool in ("systemd-nspawn", "mmdebstrap", "nsenter") if not shutil.which(tool)
    ]
    if missing:
        return f"needs {', '.join(missing)} (apt install systemd-container mmdebstrap)"
    return ""


def why_no_chroot(machine: str) -> str:
    """What is missing here for a Debian root of that machine; empty when nothing is."""
    if os.geteuid() != 0:
        return "a chroot needs root"
    if not shutil.which("mmdebstrap"):
        return "needs mmdebstrap"
    if machine == platform.machine():
        return ""
    if not shutil.which("arch-test"):
        return "needs arch-test"
    if subprocess.run(["arch-test", DEBIAN_OF[machine]], capture_output=True).returncode != 0:
        return f"cannot run programs of {machine} (apt install qemu-user-static binfmt-support)"
    return ""


def cache() -> Path:
    given = os.environ.get("PROCRASTOBOT_CACHE")
    folder = Path(given) if given else Path.home() / ".cache" / "procrastobot"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def debian_root(suite: str, machine: str = "") -> Path:
    """The cached root of that release, built when it is not there. Raises CalledProcessError.

    machine: as uname names it; that of this machine when empty. Another one is emulated, so its
    root has only what the installer needs.
    """
    kind = ["--variant=minbase", f"--include={','.join(PACKAGES)}"]
    name = f"root-{suite}-1"
    if machine and machine != platform.machine():
        kind = [
            "--variant=essential",
            f"--include={','.join(PACKAGES_TO_INSTALL)}",
            f"--architectures={DEBIAN_OF[machine]}",
        ]
        name = f"root-{suite}-{DEBIAN_OF[machine]}-1"
    root = cache() / name
    if not root.is_dir():
        half = root.with_name(f"{name}.building")
        # What an interrupted mmdebstrap left mounted there is not to be removed with it.
        subprocess.run(["rm", "-rf", "--one-file-system", half], check=True)
        subprocess.run(
            ["mmdebstrap", "--quiet", *kind, suite, half, "http://deb.debian.org/debian"],
            check=True,
        )
        half.rename(root)
    return root


def bundle(python: str, machine: str, *, output: Path, extras: str = "") -> Path:
    """What deploy/bundle makes of this checkout; what it loaded before is kept in the cache."""
    kept = cache() / f"wheels-{python}-{machine}"
    kept.mkdir(exist_ok=True)
    (output / "wheels").mkdir(parents=True)
    for wheel in kept.glob("*.whl"):
        os.link(wheel, output / "wheels" / wheel.name)
    subprocess.run(
        [
            sys.executable,
            ROOT / "deploy" / "bundle",
            f"--output={output}",
            f"--machine={machine}",
            f"--python={python}",
            f"--extras={extras}",
        ],
        check=True,
        env={**os.environ, "PIP_FIND_LINKS": str(kept)},
    )
    for wheel in (output / "wheels").glob("*.whl"):
        if not wheel.name.startswith("procrastobot-") and not (kept / wheel.name).exists():
            shutil.copy(wheel, kept)
    return output


def run_in(
    entrance: Sequence[str], command: Sequence[str], *, check: bool, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `command` behind `entrance`, which sees nothing of this machine's environment.

    With `check`, a command that fails fails the test, with all that it said.
    """
    done = subprocess.run(
        [*entrance, *command],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
    )
    assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


class Chroot:
    """A Debian root of any machine that this one can run or emulate; `run` is a command in it.

    It has no network, no systemd and process numbers of its own; what is written goes to a layer.
    """

    def __init__(self, suite: str, folder: Path, machine: str) -> None:
        self.root = folder / "root"
        layered(debian_root(suite, machine), folder)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        # /proc is mounted in a name space that ends with the command.
        inside = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
        return run_in(("unshare", *ALONE, "sh", "-c", inside, str(self.root)), command, check=check)

    def close(self) -> None:
        subprocess.run(["umount", self.root], check=True)


def layered(lower: Path, folder: Path) -> None:
    """`folder`/root shows `lower`, and keeps what is written there in a layer of its own."""
    upper, work = folder / "upper", folder / "work"
    for each in (folder / "root", upper, work):
        each.mkdir(parents=True)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", options, folder / "root"], check=True
    )


class Container:
    """A booted container; `run` is a command inside it."""

    def __init__(self, suite: str, folder: Path) -> None:
        self.root = folder / "root"
        layered(debian_root(suite), folder)
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0
        self._turn: IO[str] | None = None
        self._log = folder / "console.log"

    def boot(self) -> None:
        # Without a service manager around them, two containers would share one control group.
        self._turn = LOCK.open("w")
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        with self._log.open("wb") as log:
            self._nspawn = subprocess.Popen(
                [
                    "systemd-nspawn",
                    "--quiet",
                    "--boot",
                    "--register=no",
                    "--keep-unit",
                    "--private-network",
                    "--console=pipe",
                    f"--machine=procrastobot-{os.getpid()}",
                    f"--directory={self.root}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Debian 13's systemd refuses the older hierarchies, which some hosts still mount.
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )
        wait_for(self._find_leader, self._console)
        wait_for(
            lambda: (
                self.run("systemctl", "is-system-running", check=False).stdout.strip()
                in ("running", "degraded")
            ),
            self._console,
            patience_s=300,
        )
        self.run("ip", "link", "set", "lo", "up", check=False)

    def run(
        self, *command: str, check: bool = True, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        entrance = ("nsenter", f"--target={self._leader}", *NAMESPACES, "--")
        return run_in(entrance, command, check=check, stdin=stdin)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def close(self) -> None:
        if self._nspawn is not None and self._nspawn.poll() is None:
            self._nspawn.terminate()  # an orderly power-off
            try:
                self._nspawn.wait(30)
            except subprocess.TimeoutExpired:
                self._nspawn.kill()
                self._nspawn.wait()
        if self._turn is not None:
            self._turn.close()
        subprocess.run(["umount", self.root], check=True)

    def _find_leader(self) -> bool:
        """The child that is process 1 of the container; the one before it only prepares."""
        assert self._nspawn is not None
        pid = self._nspawn.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            try:
                status = Path(f"/proc/{child}/status").read_text()
            except FileNotFoundError:
                continue
            if "Name:\tsystemd\n" in status and "\t1\n" in status.split("NSpid:")[1]:
                self._leader = int(child)
        return self._leader > 0

    def _console(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]
