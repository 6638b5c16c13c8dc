"""How the address of a camera, a broker or a page is read, and what of it may be shown.

Whatever speaks (log, MQTT, history, self-test, `check --show`) shows an address through `shown`: a
password can be in its user info, in its query, and with many cameras in its path.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket

HIDDEN = "(hidden)"

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
# What is no plain path or word but may be an address that was typed wrongly.
_LIKE_AN_ADDRESS = re.compile(r".*://|//|(?![/.~]).*(:/|:.*@|\?.*=)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")


def shown(text: str) -> str:
    """`text` as it may be seen by anybody: of an address its kind, its host and its port.

    What is no address comes back as it is. What can be read in two ways is hidden: after
    `rtsp://a:b/c@host/` nobody can tell what is password.
    """
    found = _SCHEME.fullmatch(text)
    if found is None:
        return HIDDEN if _LIKE_AN_ADDRESS.match(text) else text
    scheme, rest = found.groups()
    if scheme.lower() == "file":
        return text
    authority, rest = re.match(r"([^/?#\\]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    host = "" if "@" in rest else authority.rpartition("@")[2]
    if host_of(host) is None:
        return f"{scheme}://{HIDDEN}"
    return f"{scheme}://{host}" + ("/..." if rest.strip("/") else rest)


def host_of(authority: str) -> str | None:
    """The host of `host`, `host:port`, `[address]` or `[address]:port`, as one writes it plainly:
    lower case, without brackets, zone and the dot at the end. None: it is none of these."""
    found = re.fullmatch(r"(\[[^\[\]]+\]|[^\[\]:]+)(:\d{0,5})?", authority.strip())
    if found is None:
        return None
    host = found[1].lower()
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1].partition("%")[0]))
        except ValueError:
            return None
    host = host.removesuffix(".")
    return host if _NAME.fullmatch(host) else None


def url(scheme: str, host: str, port: int) -> str:
    """The address of something that listens there, to be clicked on."""
    return f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"


def reachable(host: str, port: int) -> list[str]:
    """What to type into a browser for a page that listens there, the best first."""
    if host not in ("0.0.0.0", "::"):
        return [url("http", host, port)]
    names = [f"{socket.gethostname().lower().partition('.')[0]}.local"]
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Sends nothing: it asks the kernel which of our addresses others see.
        probe.connect(("192.0.2.1", 9))
        names.append(probe.getsockname()[0])
    return [url("http", name, port) for name in names]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
