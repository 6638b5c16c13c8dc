"""Finds webcams: which /dev/video* is a camera, and not one of a Pi's codec or ISP nodes."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from edge.ports import CameraMissing

log = logging.getLogger(__name__)

# struct v4l2_capability and its ioctl, linux/videodev2.h: driver, card, bus, version, capabilities,
# device_caps, reserved.
CAPABILITY = struct.Struct("16s32s32sIII3I")
VIDIOC_QUERYCAP = 2 << 30 | CAPABILITY.size << 16 | ord("V") << 8 | 0
CAPTURE = 0x1  # V4L2_CAP_VIDEO_CAPTURE
DEVICE_CAPS = 0x80000000  # device_caps is filled in

# These nodes of a Pi offer capture too, but raw sensor data or the output of a codec or ISP.
NOT_WEBCAMS = re.compile(r"bcm2835-(codec|isp)|unicam|rp1-cfe|pispbe|rpi-hevc|rpivid|hantro")

DEVICES = Path("/dev")
NUMBERED = re.compile(r"video\d+")


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


def webcams(directory: Path = DEVICES) -> dict[Path, Capability]:
    """All webcams that may be opened, by their numbers."""

    def number(path: Path) -> int:
        return int(path.name.removeprefix("video"))

    nodes = [p for p in directory.glob("video*") if NUMBERED.fullmatch(p.name)]
    found = {}
    for node in sorted(nodes, key=number):
        try:
            capability = query(node)
        except OSError:
            continue  # not ours to open, or gone meanwhile
        if capability.webcam:
            found[node] = capability
    return found


def find_webcam(directory: Path = DEVICES) -> Path | None:
    """The first webcam by number, or None."""
    return next(iter(webcams(directory)), None)


class Webcam:
    """A webcam by its name, or the first there is. Where it is may change: plugged in again it
    gets another number when the old one is still in use."""

    def __init__(self, wanted: Path | None = None, *, directory: Path = DEVICES) -> None:
        self._wanted = wanted
        self._directory = directory
        self._card = ""  # what it called itself when it was last found
        self._found: Path | None = None

    def find(self) -> str:
        """Its path now. Raises CameraMissing, with what to do."""
        path = self._wanted or find_webcam(self._directory)
        if path is None:
            raise CameraMissing(
                "no webcam was found; plug one in (`v4l2-ctl --list-devices` lists what is there)"
            )
        by_number = bool(NUMBERED.fullmatch(path.name))
        if by_number and (not path.exists() or self._another_is_at(path)):
            path = self._elsewhere(path)
        if not path.exists():
            raise CameraMissing(f"there is no {path}; is the webcam plugged in?")
        if not os.access(path, os.R_OK | os.W_OK):
            raise CameraMissing(f"{path} may not be opened; add your user to the group video")
        try:
            capability = query(path)
        except OSError as exc:
            raise CameraMissing(f"{path} is not a camera: {exc.strerror}") from exc
        if not capability.captures:
            raise CameraMissing(
                f"{path} takes no pictures; a webcam often has the next lower number"
            )
        if self._wanted is not None and path not in (self._wanted, self._found):
            lasting = lasting_name(path, self._directory)
            advice = f"; camera.source = {str(lasting)!r} would find it always" if lasting else ""
            log.warning("the webcam of %s is %s now%s", self._wanted, path, advice)
        self._card, self._found = capability.card, path
        return str(path)

    def _another_is_at(self, path: Path) -> bool:
        try:
            return bool(self._card) and query(path).card != self._card
        except OSError:
            return True

    def _elsewhere(self, path: Path) -> Path:
        """Where the camera that had the number of `path` is now; `path` where that is not sure."""
        there = webcams(self._directory)
        same = [node for node, capability in there.items() if capability.card == self._card]
        candidates = same if self._card else list(there)
        return candidates[0] if len(candidates) == 1 else path


def lasting_name(path: Path, directory: Path = DEVICES) -> Path | None:
    """The name that udev gives a webcam for good, whatever its number."""
    links = sorted((directory / "v4l" / "by-id").glob("*"))
    return next((link for link in links if link.resolve() == path.resolve()), None)


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")
