"""Which names of the box a browser may ask for: a foreign name that resolves to this box (DNS
rebinding) would let a page elsewhere read it."""

from __future__ import annotations

import ipaddress
import socket

from edge.address import host_of

# What routers call their home network; RFC 8375 and RFC 6762 have the first two.
HOME_DOMAINS = frozenset(
    ("home.arpa", "local", "lan", "home", "internal", "localdomain", "fritz.box", "speedport.ip")
)


def is_ours(authority: str, configured: str) -> bool:
    """Whether `authority` (name and port of a request) means this box. `configured`: web.host."""
    name = host_of(authority)
    if name is None:
        return False
    own = socket.gethostname().lower().partition(".")[0]
    if name in ("localhost", own, configured.lower()):
        return True
    first, _, domain = name.partition(".")
    if name.endswith(".localhost") or (first == own and domain in HOME_DOMAINS):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
