"""The service that `deploy/install.sh` and the images set up, seen from a shell beside it.

A command typed at the box means that box: its configuration, its history, its secrets. Where only
root may look, it says in one line which `sudo` is missing.
"""

from __future__ import annotations

import contextlib
import ctypes
import grp
import os
import pwd
import shutil
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

DEFAULT_PATH = Path("/etc/procrastobot/config.toml")
STATE = Path("/var/lib/procrastobot")  # StateDirectory= of the unit
RUNTIME = Path("/run/procrastobot")  # RuntimeDirectory= of the unit
CREDENTIALS = Path("/etc/credstore")  # where LoadCredential= of the unit finds procrastobot.NAME
PREFIX = "procrastobot."
USER = "procrastobot"
GROUPS = ("video", "gpio", "spi", "audio")  # SupplementaryGroups= of the unit
BROKER = Path("/run/procrastobot-broker")  # PROCRASTOBOT_BROKER of the unit


def is_of(configuration: Path | None) -> bool:
    """Whether this configuration is the service's, and we are beside it and not within."""
    if configuration is None or "STATE_DIRECTORY" in os.environ:
        return False
    # The folder counts: a configuration on trial lies beside the one in force.
    return Path(os.path.abspath(configuration)).parent == DEFAULT_PATH.parent


def is_meant(configuration: Path | None) -> bool:
    """Whether this is the service's configuration, seen from beside it or from within."""
    return is_of(configuration) or "STATE_DIRECTORY" in os.environ


def with_sudo(path: Path) -> str:
    """The end of a message about a file of the service that this user may not read; else empty."""
    if os.geteuid() == 0 or not _closed(path):
        return ""
    name = "procrastobot" if shutil.which("procrastobot") else os.path.abspath(sys.argv[0])
    command = next((each for each in sys.argv[1:] if not each.startswith("-")), "")
    return f"; only root and the service may: sudo {name} {command}".rstrip()


def _closed(path: Path) -> bool:
    """Whether it is there, or may be there, and this user must not read it."""
    try:
        path.stat()
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return not os.access(path, os.R_OK, effective_ids=True)


@contextlib.contextmanager
def credentials(configuration: Path | None) -> Iterator[None]:
    """Within this the secrets are those that systemd gives to the service."""
    if "CREDENTIALS_DIRECTORY" in os.environ or not is_of(configuration):
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        for path in _secrets():
            (Path(folder) / path.name.removeprefix(PREFIX)).symlink_to(path)
        os.environ["CREDENTIALS_DIRECTORY"] = folder
        try:
            yield
        finally:
            del os.environ["CREDENTIALS_DIRECTORY"]


def _secrets() -> Iterator[Path]:
    yield from CREDENTIALS.glob(f"{PREFIX}*") if os.access(CREDENTIALS, os.R_OK) else ()


@contextlib.contextmanager
def acting(configuration: Path | None) -> Iterator[None]:
    """Within this, and after it, root beside the service is the service: its user, its state, its
    secrets. What is written is the service's to read, and its lock keeps two boxes from being one.
    """
    secrets = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if os.geteuid() == 0 and is_of(configuration):
        with contextlib.suppress(KeyError):  # there is no such user: nothing was installed
            secrets = _become(pwd.getpwnam(USER))
    try:
        yield
    finally:
        if Path(secrets).name.startswith(OURS):
            shutil.rmtree(secrets, ignore_errors=True)


# <linux/prctl.h>, <linux/capability.h>
_KEEP_CAPS, _AMBIENT, _AMBIENT_RAISE = 8, 47, 2
_CAPABILITY_VERSION_3, _NET_BIND_SERVICE = 0x20080522, 10
_BIND = (1 << _NET_BIND_SERVICE,) * 3  # effective, permitted, inheritable

OURS = "procrastobot-acting-"  # copies of secrets, for who has no way to the service's


def _become(user: pwd.struct_passwd) -> str:
    """For good; where its secrets are."""
    folder = tempfile.mkdtemp(prefix=OURS)
    for path in _secrets():
        shutil.copyfile(path, copy := os.path.join(folder, path.name.removeprefix(PREFIX)))
        os.chmod(copy, 0o400)
        os.chown(copy, user.pw_uid, user.pw_gid)
    os.chown(folder, user.pw_uid, user.pw_gid)
    with contextlib.suppress(OSError):  # where box and page meet: systemd takes it away with a stop
        RUNTIME.mkdir(mode=0o755, exist_ok=True)
        os.chown(RUNTIME, user.pw_uid, user.pw_gid)
    there = {each.gr_name: each.gr_gid for each in grp.getgrall()}
    os.setgroups([there[name] for name in GROUPS if name in there])
    os.setgid(user.pw_gid)
    with _low_ports():
        os.setuid(user.pw_uid)
    os.environ |= {
        "STATE_DIRECTORY": str(STATE),
        "CREDENTIALS_DIRECTORY": folder,
        "HOME": str(STATE),
    }
    if BROKER.is_dir():
        os.environ.setdefault("PROCRASTOBOT_BROKER", str(BROKER))
    return folder


@contextlib.contextmanager
def _low_ports() -> Iterator[None]:
    """Who becomes somebody else within this, and whoever it starts, may still listen below port
    1024, where systemd listens for the service's page. See capabilities(7)."""
    libc = ctypes.CDLL(None)
    libc.prctl(_KEEP_CAPS, 1, 0, 0, 0)
    yield
    # Of this process; of each set the lower word, then the upper.
    libc.capset(struct.pack("Ii", _CAPABILITY_VERSION_3, 0), struct.pack("6I", *_BIND, 0, 0, 0))
    libc.prctl(_AMBIENT, _AMBIENT_RAISE, _NET_BIND_SERVICE, 0, 0)


def may(path: Path, mode: int, *, beside: bool) -> bool:
    """os.access; for root beside the service it is the service that is asked about."""
    if not beside or os.geteuid() != 0:
        return os.access(path, mode)
    try:
        user = pwd.getpwnam(USER)
    except KeyError:
        return os.access(path, mode)
    child = os.fork()
    if child == 0:
        answer = 2  # where it cannot become the service's user, in a confined unit
        try:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            answer = 0 if os.access(path, mode) else 1
        finally:
            os._exit(answer)
    answer = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return os.access(path, mode) if answer not in (0, 1) else answer == 0
