"""The broker in the box, for those who have none: a mosquitto with bounds.

The box talks to it through a socket of their own, which nothing in the network can reach, fill or
lock it out of. Others come by TCP: on the loopback they need no password, beyond it always.

    python -I -m edge.mqtt.broker --config FILE --output FOLDER [--password-file FILE]

writes what the service procrastobot-broker runs; it returns 1 when none is wanted.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
import threading
from pathlib import Path

from edge.address import is_loopback
from edge.config import BrokerConfig
from edge.errors import Trouble
from edge.files import whole
from edge.mqtt.credentials import broker_password
from edge.mqtt.keeper import CONFIG, NOT_INSTALLED, Keeper, find_mosquitto, unprivileged

log = logging.getLogger(__name__)

# Set in the unit of the box: where the service procrastobot-broker has its files.
MANAGED = "PROCRASTOBOT_BROKER"
SERVICE = "procrastobot-broker"
SOCKET = "box.sock"
PASSWORDS = "passwords"
START_PATIENCE_S = 5.0
# Silent connections are closed by mosquitto after 90 s; until then each takes one of these.
MAX_CONNECTIONS = 4000
MAX_PACKET_BYTES = 262_144
MEMORY_BYTES = 32 * 2**20
ROUNDS = 1000


class BrokerFailed(Trouble):
    """It cannot run; the text says why."""


class Broker:
    """The broker in the box as the box knows it: where to find it, and why it does not run."""

    def __init__(self, folder: Path, port: int, keeper: Keeper | None) -> None:
        """`keeper` of None: the service procrastobot-broker runs it."""
        self.port = port
        self.socket = str(folder / SOCKET)
        self._folder = folder
        self._keeper = keeper
        if keeper is not None:
            self._thread = threading.Thread(target=keeper.keep, name="broker", daemon=True)
            self._thread.start()
            keeper.wait(START_PATIENCE_S)

    @property
    def why(self) -> str:
        """Why it does not run, as far as is known here."""
        if self._keeper is not None:
            return self._keeper.why
        return NOT_INSTALLED if find_mosquitto() is None else f"see journalctl -u {SERVICE} -e"

    def close(self) -> None:
        if self._keeper is not None:
            self._keeper.close()
            self._thread.join(10.0)
            shutil.rmtree(self._folder, ignore_errors=True)


def open_broker(config: BrokerConfig) -> Broker | None:
    """Start the broker, when it is wanted. Raises BrokerFailed.

    One that does not come up (its port is taken, its address is not there yet) is tried again and
    again while the box goes on.
    """
    if not config.enabled:
        return None
    managed = os.environ.get(MANAGED)
    if managed:
        return Broker(Path(managed), config.port, None)
    if find_mosquitto() is None:
        raise BrokerFailed(NOT_INSTALLED)
    try:
        password = broker_password(config)
        folder = Path(tempfile.mkdtemp(prefix="procrastobot-broker-"))
        if user := unprivileged():
            shutil.chown(folder, user)
        port = config.port or _free_port()
        write(config, folder, port=port, password=password)
    except (OSError, ValueError) as exc:
        raise BrokerFailed(f"the broker in the box cannot be prepared: {exc}") from exc
    return Broker(folder, port, Keeper(folder))


def host_of(config: BrokerConfig, password: str) -> str:
    """Where it listens: without a password on the loopback only, whatever is configured."""
    return config.host if is_loopback(config.host) or password else "127.0.0.1"


def configuration(
    config: BrokerConfig, folder: Path, *, port: int, password: str
) -> dict[str, str]:
    """The files of `folder`, by name."""
    host = host_of(config, password)
    lines = [
        "# Written by procrastobot; changes are lost.",
        "per_listener_settings true",
        "log_dest stderr",
        *(f"log_type {each}" for each in ("error", "warning", "notice", "information")),
        "log_timestamp false",
        # Nothing is kept over a restart: boxes say again what is so.
        "persistence false",
        f"memory_limit {MEMORY_BYTES}",
        f"max_packet_size {MAX_PACKET_BYTES}",
        "max_queued_messages 200",
        "max_queued_bytes 1000000",
        "max_inflight_messages 20",
        "max_keepalive 600",
        "persistent_client_expiration 1d",
        "set_tcp_nodelay true",
        # The box itself.
        f"listener 0 {folder / SOCKET}",
        "allow_anonymous true",
        # Everybody else; :: is every address, of IPv4 too.
        f"listener {port}" if host == "::" else f"listener {port} {host}",
        f"max_connections {MAX_CONNECTIONS}",
    ]
    files = {}
    if is_loopback(host):
        lines.append("allow_anonymous true")
    else:
        lines += ["allow_anonymous false", f"password_file {folder / PASSWORDS}"]
        files[PASSWORDS] = f"{config.username}:{hashed(password)}\n"
    files[CONFIG] = "\n".join([*lines, ""])
    return files


def hashed(password: str) -> str:
    """As mosquitto_passwd writes it: PBKDF2 with SHA-512, by its number 7."""
    salt = secrets.token_bytes(12)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS)
    return f"$7${ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def write(config: BrokerConfig, folder: Path, *, port: int, password: str) -> None:
    """What mosquitto needs, for the owner of `folder` alone. Raises OSError."""
    if host_of(config, password) != config.host:
        log.warning(
            "the broker in the box stays on this machine: beyond it, at %s, it needs a password"
            " (broker.password_file)",
            config.host,
        )
    elif not is_loopback(config.host):
        log.info(
            "the broker in the box: %s:%d, user %s, with its password",
            config.host,
            port,
            config.username,
        )
    owner = folder.stat()
    for name, text in configuration(config, folder, port=port, password=password).items():
        with whole(folder / name) as unfinished:
            unfinished.touch(mode=0o600)
            unfinished.write_text(text, encoding="utf-8")
            os.chown(unfinished, owner.st_uid, owner.st_gid)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    from edge import settings

    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--password-file", type=Path)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        config = settings.load(args.config).broker
        if not config.enabled:
            return 1
        password = broker_password(config, args.password_file)
        write(config, args.output, port=config.port or 1883, password=password)
    except settings.ConfigError:
        return 1  # the box says what is wrong with it
    except (OSError, ValueError) as exc:
        log.error("the broker in the box cannot be prepared: %s", exc)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
