"""Secrets and certificates: from the configuration, else from what systemd gave to the service."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from edge.config import BrokerConfig, Config


def username(config: Config) -> str:
    return config.mqtt.username or _credential_text("mqtt-username")


def password(config: Config) -> str:
    """Raises OSError, ValueError for a file that cannot be read."""
    mqtt = config.mqtt
    if mqtt.password:
        return mqtt.password
    if mqtt.password_file:
        return _line(Path(mqtt.password_file))
    return _credential_text("mqtt-password")


def broker_password(config: BrokerConfig, stored: Path | None = None) -> str:
    """What others have to know of the broker in the box; `stored`: what the installer left."""
    if config.password:
        return config.password
    if config.password_file:
        return _line(Path(config.password_file))
    if stored is not None and stored.is_file():
        return _line(stored)
    return _credential_text("broker-password")


def tls_context(config: Config) -> ssl.SSLContext:
    """Made anew for each attempt, so that a renewed certificate needs no restart."""
    mqtt = config.mqtt
    ca_file = mqtt.ca_file or _credential("mqtt-ca")
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.13 began to insist on extensions that many a home-made authority leaves out. They
    # name keys; who is trusted, for which host and until when is checked all the same.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    cert_file = mqtt.cert_file or _credential("mqtt-cert")
    key_file = mqtt.key_file or _credential("mqtt-key")
    for path in (cert_file, key_file):
        if path:
            Path(path).open("rb").close()  # its error names the file; that of load_cert_chain not
    if cert_file:
        context.load_cert_chain(str(cert_file), str(key_file) if key_file else None)
    return context


def _line(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def _credential(name: str) -> Path | None:
    """A file that systemd gave to this service (LoadCredential=), if there is one."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        return None
    path = Path(directory) / name
    return path if path.is_file() else None


def _credential_text(name: str) -> str:
    path = _credential(name)
    return _line(path) if path else ""
