"""How the address of a camera, a broker or a page is read, and what of it may be shown.

Whatever speaks (log, MQTT, history, self-test, `check --show`) shows an address through `shown`: a
password can be in its user info, in its query, and with many cameras in its path.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

HIDDEN = "(hidden)"
IP_FREEBIND = 15  # ip(7)

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


def reachable(host: str, port: int, *, scheme: str = "http") -> list[str]:
    """What to type into a browser for a page that listens there, the best first."""
    if host not in ("0.0.0.0", "::"):
        return [url(scheme, host, port)]
    names = [f"{socket.gethostname().lower().partition('.')[0]}.local"]
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Sends nothing: it asks the kernel which of our addresses others see.
        probe.connect(("192.0.2.1", 9))
        names.append(probe.getsockname()[0])
    return [url(scheme, name, port) for name in names]


def listen(host: str, port: int) -> socket.socket:
    """Also at an address that this machine gets later: by DHCP, over Wi-Fi. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
        listener.bind((host, port))
        listener.listen(64)
    except BaseException:
        listener.close()
        raise
    return listener


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# ---------------------------------------------------------------- what may be called

# Where clouds keep what their machines may know only of themselves, beside link-local addresses.
_METADATA = tuple(
    ipaddress.ip_network(each) for each in ("fd00:ec2::/32", "100.100.100.200/32", "192.0.0.192/32")
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Called:
    """An http address, taken apart; `host` as a resolver takes it, `target` as a request says it.

    `authorization`: its user info as a header says it; empty: it has none.
    """

    tls: bool
    host: str
    port: int
    target: str
    authorization: str = ""


def called(text: str) -> Called:
    """Take an http address apart. Raises ValueError, in words that repeat nothing of it."""
    if not text.isascii() or any(ord(char) <= 32 for char in text):
        raise ValueError("has blanks or characters that an address has only in another spelling")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must begin with http:// or https:// and a host")
    authority = parts.netloc.rpartition("@")[2]
    host = host_of(authority)
    if host is None or "\\" in text:
        raise ValueError("has a host that nobody can be sure of")
    port = parts.port  # raises ValueError for none that can be
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    user, at, _ = parts.netloc.rpartition("@")
    basic = base64.b64encode(unquote(user).encode()).decode() if at else ""
    tls = parts.scheme == "https"
    return Called(tls, host, port or (443 if tls else 80), target, f"Basic {basic}" if at else "")


def callable_problem(text: str, *, loopback: bool) -> str:
    """Why an address cannot be called, as far as it says by itself; empty: nothing is wrong."""
    try:
        host = called(text).host
    except ValueError as exc:
        return str(exc)
    if host == "localhost" or host.endswith(".localhost"):
        return "" if loopback else _LOOPBACK
    try:
        return forbidden(ipaddress.ip_address(host), loopback=loopback)
    except ValueError:
        return ""  # a name: that is judged when it is looked up


_LOOPBACK = "is this machine itself; where that is meant, loopback = true"


def forbidden(ip: Ip, *, loopback: bool) -> str:
    """Why the box calls nothing there, in words; empty: it may.

    Machines of the same network may be called: that is where a home's are.
    """
    ip = _embedded(ip)
    if ip.is_loopback or ip.is_unspecified:
        return "" if loopback and ip.is_loopback else _LOOPBACK
    if ip.is_link_local or any(ip in each for each in _METADATA if each.version == ip.version):
        return "is where machines keep what is for them alone (link-local or metadata)"
    if ip.is_multicast or ip.is_reserved or ip == ipaddress.IPv4Address("255.255.255.255"):
        return "is no machine's address"
    return "" if loopback or not is_own(ip) else _LOOPBACK


def _embedded(ip: Ip) -> Ip:
    """What an address of version 6 that only wraps one of version 4 leads to."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else ip)


def is_own(ip: Ip) -> bool:
    """Whether this machine has this address: then it would speak from it, too."""
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((str(ip), 9))  # sends nothing
        return bool(ipaddress.ip_address(probe.getsockname()[0].partition("%")[0]) == ip)
    return False
