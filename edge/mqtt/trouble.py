"""Why there is no connection, in one sentence that says what to do. Pure."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trouble:
    """`lasting`: it will not pass by itself, somebody has to change something."""

    text: str
    lasting: bool = False


# X509_V_ERR_* of OpenSSL's x509_vfy.h
_CERTIFICATE = {
    9: "the broker's certificate is not valid yet; is this machine's clock right?",
    10: "the broker's certificate has expired",
    18: "the broker's certificate is self-signed and not trusted; set mqtt.ca_file",
    19: "the broker's certificate authority is not trusted; set mqtt.ca_file",
    20: "the broker's certificate authority is unknown; set mqtt.ca_file",
    21: "the broker's certificate cannot be verified; set mqtt.ca_file",
    62: "the broker's certificate is for another host name than mqtt.host",
    64: "the broker's certificate is for another address than mqtt.host",
}

WANTS_CERTIFICATE = (
    "the broker hangs up; it seems to want a client certificate: set mqtt.cert_file, mqtt.key_file"
)

# CONNACK reason codes, MQTT 5.0 section 3.2.2.2; paho gives those of 3.1.1 as the same numbers.
UNSUPPORTED_VERSION = 0x84
RETAIN_NOT_SUPPORTED = 0x9A
QOS_NOT_SUPPORTED = 0x9B
_REFUSED = {
    0x80: Trouble("the broker refuses the connection", lasting=True),
    UNSUPPORTED_VERSION: Trouble("the broker speaks neither MQTT 5 nor 3.1.1", lasting=True),
    0x85: Trouble("the broker refuses the client id", lasting=True),
    0x86: Trouble("the broker refuses the user name or password", lasting=True),
    0x87: Trouble("the broker does not authorize this user", lasting=True),
    0x88: Trouble("the broker is not available"),
    0x89: Trouble("the broker is busy"),
    0x8A: Trouble("the broker has banned this client", lasting=True),
    0x97: Trouble("a quota of the broker is exceeded"),
    RETAIN_NOT_SUPPORTED: Trouble("the broker does not keep messages (retain)", lasting=True),
    QOS_NOT_SUPPORTED: Trouble("the broker does not acknowledge messages (QoS 1)", lasting=True),
    0x9F: Trouble("the broker accepts no more connections at this rate"),
}

# DISCONNECT reason codes that a broker sends, MQTT 5.0 section 3.14.2.1
TAKEN_OVER = 0x8E
LOST = "the connection was lost"
_DISCONNECTED = {
    0x87: Trouble("the broker no longer authorizes this user", lasting=True),
    0x89: Trouble("the broker is busy"),
    0x8B: Trouble("the broker shuts down"),
    0x8D: Trouble("the broker heard nothing from here for too long"),
    TAKEN_OVER: Trouble("another box with the same box.id has connected", lasting=True),
    0x95: Trouble("the broker does not take messages of this size", lasting=True),
    0x97: Trouble("a quota of the broker is exceeded"),
    0x98: Trouble("the broker's administrator has closed the connection"),
}


def of_connecting(error: Exception, *, tls: bool = False) -> Trouble:
    """From what `connect` raised."""
    match error:
        case ConnectionResetError() if tls:
            return Trouble("the broker hangs up; does it speak TLS on this port?")
        case ssl.SSLCertVerificationError():
            text = _CERTIFICATE.get(
                error.verify_code, f"the broker's certificate is not accepted: {error}"
            )
            return Trouble(text, lasting=True)
        case ssl.SSLError():
            return Trouble(_of_tls(error), lasting=True)
        case socket.gaierror():
            return Trouble("the host name of the broker is unknown")
        case ConnectionRefusedError():
            return Trouble("nothing listens there")
        case TimeoutError():
            return Trouble("no answer in time")
        case FileNotFoundError() | PermissionError():
            return Trouble(f"a file cannot be read: {error.filename}", lasting=True)
        case OSError():
            return Trouble(error.strerror or str(error))
        case _:
            return Trouble(str(error), lasting=True)


def _of_tls(error: ssl.SSLError) -> str:
    reason = error.reason or ""
    if "WRONG_VERSION_NUMBER" in reason or "UNEXPECTED_EOF" in reason:
        return "does the broker speak TLS on this port?"
    if "ALERT_CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        return WANTS_CERTIFICATE
    if "ALERT" in reason:
        return f"the broker does not accept the client certificate ({reason.lower()})"
    return f"TLS failed: {reason.lower() or error}"


def of_refusal(reason_code: int) -> Trouble:
    return _REFUSED.get(reason_code, Trouble(f"the broker refuses (reason {reason_code:#04x})"))


def of_silence(*, tls: bool, certificate: bool) -> Trouble:
    """From a connection that was closed before the broker had said anything."""
    if not tls:
        return Trouble("the broker hangs up without an answer; is it a port for TLS?")
    if not certificate:
        # With TLS 1.3 it says so only after the handshake, and its words are often cut off.
        return Trouble(WANTS_CERTIFICATE, lasting=True)
    return Trouble("the broker hangs up without an answer; does it accept this certificate?")


# Not every broker says that it has given the connection to somebody else of the same name.
FLAPPING = Trouble(
    "the connection is lost again and again, right after it is made; does another box have the same"
    " box.id?",
    lasting=True,
)


def of_disconnection(reason_code: int | None) -> Trouble:
    if reason_code is None:
        return Trouble(LOST)
    return _DISCONNECTED.get(
        reason_code, Trouble(f"the broker closed the connection (reason {reason_code:#04x})")
    )
