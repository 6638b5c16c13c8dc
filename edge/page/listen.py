"""Has systemd listen for the page where the configuration says so, or not at all; and Avahi, where
it is installed, tell the network of it.

    python -I -m edge.page.listen --config FILE     as root, before the box starts

The page and the hooks read the configuration when they start; with a start of the box they start
anew, if what they read there has changed.

The configuration is the service's to write, and this runs as root: nothing of it is passed on but
an address and numbers. Standard library only: it runs at every start of the box.
"""

from __future__ import annotations

import argparse
import hashlib
import ipaddress
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

SOCKET = "procrastobot-page.socket"
SERVICE = "procrastobot-page.service"
HOOKS = "procrastobot-hooks.service"
HOOKS_READ = Path("/run/procrastobot-hooks-read")
UNITS = Path("/run/systemd/system")
# Where Avahi looks for what it is to announce; without it nothing is.
ANNOUNCED = Path("/etc/avahi/services/procrastobot.service")
HOST, PORT = "127.0.0.1", 8080  # as in edge/config.py, which a test compares

Systemctl = Callable[[Sequence[str]], None]


def stream(text: str) -> str | None:
    """What to listen on, as systemd.socket(5) has it; None: the page is not wanted. Raises
    ValueError, and says why."""
    web = tomllib.loads(text.removeprefix("\ufeff")).get("web", {})
    if not isinstance(web, dict) or web.get("enabled") is not True:
        return None
    host, port = web.get("host", HOST), web.get("port", PORT)
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        raise ValueError("web.port: for the service a number from 1 to 65535")
    try:
        address = ipaddress.ip_address(HOST if host == "localhost" else host)
    except ValueError:
        raise ValueError("web.host: for the service an address, e.g. 0.0.0.0") from None
    if isinstance(address, ipaddress.IPv6Address):
        return f"[{address}]:{port}"
    return f"{address}:{port}"


def announcement(text: str) -> str | None:
    """What Avahi is to tell the network (avahi.service(5)); None: there is nothing to find, or only
    from this machine. Raises ValueError."""
    wanted = stream(text)
    if wanted is None:
        return None
    host, _, port = wanted.rpartition(":")
    if ipaddress.ip_address(host.strip("[]")).is_loopback:
        return None
    web = tomllib.loads(text.removeprefix("\ufeff"))["web"]
    kind = "_https._tcp" if web.get("cert_file") else "_http._tcp"
    return (
        '<?xml version="1.0" standalone="no"?>\n'
        '<!DOCTYPE service-group SYSTEM "avahi-service.dtd">\n'
        "<service-group>\n"
        '  <name replace-wildcards="yes">Procrastobot (%h)</name>\n'
        f"  <service><type>{kind}</type><port>{port}</port></service>\n"
        "</service-group>\n"
    )


def announce(text: str, path: Path) -> None:
    """Have the page found by its name in the network, or not. Raises ValueError, OSError."""
    wanted = announcement(text)
    if wanted is None:
        path.unlink(missing_ok=True)
    elif path.parent.is_dir() and not (path.exists() and path.read_text() == wanted):
        path.write_text(wanted)


def read_from(text: str, *names: str) -> str:
    """These tables as a number, which is another one where one of them has changed."""
    tree = tomllib.loads(text.removeprefix("\ufeff"))
    read = json.dumps([tree.get(name) for name in names], sort_keys=True, default=str)
    return hashlib.sha256(read.encode()).hexdigest()


def arrange(text: str, units: Path, systemctl: Systemctl) -> None:
    """Raises ValueError, OSError."""
    wanted = stream(text)
    drop_in = units / f"{SOCKET}.d" / "listen.conf"
    before = drop_in.read_text() if drop_in.exists() else ""
    if wanted is None:
        if before:
            drop_in.unlink()
            systemctl(["stop", SOCKET, SERVICE])
            systemctl(["daemon-reload"])
        return
    number = read_from(text, "box", "web", "history")
    after = f"# {number}\n[Socket]\nListenStream=\nListenStream={wanted}\n"
    if after != before:
        drop_in.parent.mkdir(parents=True, exist_ok=True)
        drop_in.write_text(after)
        systemctl(["daemon-reload"])
        # Who looks now has to look elsewhere.
        systemctl(["stop", SOCKET, SERVICE])
    systemctl(["start", SOCKET])


def tell_hooks(text: str, read: Path, systemctl: Systemctl) -> None:
    """Raises ValueError, OSError."""
    wanted = read_from(text, "hooks", "box", "history")
    if not read.exists():
        read.write_text(wanted)  # this machine has just started, and they with it
    elif read.read_text() != wanted:
        read.write_text(wanted)
        systemctl(["restart", HOOKS])


def call(arguments: Sequence[str]) -> None:
    # Nobody waits: this is a part of starting another unit.
    block = [] if arguments[0] == "daemon-reload" else ["--no-block"]
    subprocess.run(["systemctl", *block, *arguments], check=False, timeout=30)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    args = parser.parse_args(arguments)
    try:
        text = args.config.read_text(encoding="utf-8")
        arrange(text, UNITS, call)
        announce(text, ANNOUNCED)
        tell_hooks(text, HOOKS_READ, call)
    except (OSError, ValueError, subprocess.TimeoutExpired) as exc:
        # The box itself says what is wrong with its configuration.
        sys.stderr.write(f"the page: {exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
