"""A certificate of the box's own making, for https: made by the openssl command, beside the
configuration, which then names it. A browser has to be told once to trust it."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge.address import host_of
from edge.errors import Trouble
from edge.files import whole
from edge.page import form
from edge.page.words import Text

CERTIFICATE, KEY = "page.crt", "page.key"
DAYS = 825  # what browsers of Apple take at most
MAKE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256"
    f" -days {DAYS} -addext basicConstraints=critical,CA:FALSE"
    " -addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=serverAuth"
).split()


class NotMade(Trouble):
    """It cannot be made, or not be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Made:
    certificate: Path
    names: tuple[str, ...]
    fingerprint: str  # SHA-256, as browsers show it


def make(configuration: Path | None, *, present: str, asked: Iterable[str] = ()) -> Made:
    """Make one, and have the configuration name it. `present`: web.cert_file, which is left alone
    where it is another's; `asked`: names and addresses by which the box is reached, beyond those
    that it knows itself. Raises NotMade."""
    if configuration is None:
        raise NotMade(Text("there is no configuration file to write to"))
    folder = Path(os.path.abspath(configuration)).parent
    certificate, key = folder / CERTIFICATE, folder / KEY
    if present and Path(present) != certificate:
        raise NotMade(Text("there is a certificate already: {path}", path=present))
    names = tuple(dict.fromkeys([*own_names(), *asked]))
    try:
        with tempfile.TemporaryDirectory(prefix="procrastobot-") as made:
            _openssl(Path(made), names)
            for place, mode in ((key, 0o600), (certificate, 0o644)):
                with whole(place) as unfinished:
                    unfinished.touch(mode=mode)
                    unfinished.write_bytes((Path(made) / place.name).read_bytes())
    except OSError as exc:
        why = exc.strerror or str(exc)
        raise NotMade(Text("{path} cannot be written: {why}", path=folder, why=why)) from exc
    changes = [
        {"path": ["web", "cert_file"], "value": str(certificate)},
        {"path": ["web", "key_file"], "value": str(key)},
    ]
    saved = form.save(configuration, changes)
    if saved.faults:
        raise NotMade("; ".join(f"{each['where']} {each['text']}" for each in saved.faults))
    return Made(certificate, names, fingerprint(certificate))


def own_names() -> list[str]:
    name = socket.gethostname().lower().partition(".")[0]
    return [f"{name}.local", name, "localhost", "127.0.0.1", "::1"]


def fingerprint(certificate: Path) -> str:
    content = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    return hashlib.sha256(content).digest().hex(":").upper()


def _openssl(folder: Path, names: tuple[str, ...]) -> None:
    """Raises NotMade, OSError."""
    said = ",".join(map(_alternative, names))
    command = [
        *MAKE,
        *("-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={said}"),
        *("-keyout", str(folder / KEY), "-out", str(folder / CERTIFICATE)),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        raise NotMade(Text("it takes openssl: sudo apt install openssl")) from None
    except subprocess.TimeoutExpired:
        raise NotMade(Text("openssl does not end")) from None
    if done.returncode:
        raise NotMade(Text("openssl says: {why}", why=done.stderr.strip()[-300:]))


def _alternative(name: str) -> str:
    """A name as X.509 has it. Raises NotMade."""
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        if host_of(name) != name:
            raise NotMade(Text("{name}: no such name", name=name[:80])) from None
    return f"DNS:{name}"
