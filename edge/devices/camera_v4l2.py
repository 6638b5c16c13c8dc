"""Finds webcams: which /dev/video* is a camera, and not one of a Pi's codec or ISP nodes."""

from __future__ import annotations

import fcntl
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path

# struct v4l2_capability and its ioctl, linux/videodev2.h: driver, card, bus, version, capabilities,
# device_caps, reserved.
CAPABILITY = struct.Struct("16s32s32sIII3I")
VIDIOC_QUERYCAP = 2 << 30 | CAPABILITY.size << 16 | ord("V") << 8 | 0
CAPTURE = 0x1  # V4L2_CAP_VIDEO_CAPTURE
DEVICE_CAPS = 0x80000000  # device_caps is filled in

# These nodes of a Pi offer capture too, but raw sensor data or the output of a codec or ISP.
NOT_WEBCAMS = re.compile(r"bcm2835-(codec|isp)|unicam|rp1-cfe|pispbe|rpi-hevc|rpivid|hantro")


@dataclass(frozen=True, slots=True)
class Capability:
    """What a video device says of itself."""

    driver: str
    card: str
    captures: bool

    @property
    def webcam(self) -> bool:
        return self.captures and not NOT_WEBCAMS.match(self.driver)


def parse_capability(raw: bytes) -> Capability:
    driver, card, _, _, all_caps, node_caps, *_ = CAPABILITY.unpack(raw)
    # Without DEVICE_CAPS only the capabilities of the whole device are known.
    caps = node_caps if all_caps & DEVICE_CAPS else all_caps
    return Capability(_text(driver), _text(card), bool(caps & CAPTURE))


def query(device: Path) -> Capability:
    """Raises OSError when it cannot be opened or is no V4L2 device."""
    handle = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return parse_capability(fcntl.ioctl(handle, VIDIOC_QUERYCAP, bytes(CAPABILITY.size)))
    finally:
        os.close(handle)


def find_webcam(directory: Path = Path("/dev")) -> Path | None:
    """The first webcam by number, or None."""

    def number(path: Path) -> int:
        return int(path.name.removeprefix("video"))

    nodes = [p for p in directory.glob("video*") if p.name.removeprefix("video").isdigit()]
    for node in sorted(nodes, key=number):
        try:
            if query(node).webcam:
                return node
        except OSError:
            continue  # not ours to open, or gone meanwhile
    return None


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")
