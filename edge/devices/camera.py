"""Chooses the camera that the configuration names. What each one needs is imported only for it."""

from __future__ import annotations

import importlib.util
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edge.address import shown
from edge.config import CameraConfig
from edge.devices.camera_live import LiveCamera
from edge.devices.camera_timing import Clock, Sleep
from edge.ports import Camera, CameraMissing

if TYPE_CHECKING:
    from edge.devices.camera_v4l2 import Webcam

ADDRESS = re.compile(r"(rtsps?|https?|rtmps?|tcp|udp|srt)://.+", re.IGNORECASE)
# A USB bus wakes up slowly, and a Pi's camera is tried in each of its modes first. Shorter than the
# service's watchdog.
LOCAL_OPENING_S = 10.0


def open_camera(config: CameraConfig, *, clock: Clock, sleep: Sleep = time.sleep) -> Camera:
    """The camera of `config.source`, not opened yet.

    What can be found out without switching a camera on is found out here: raises CameraMissing,
    with what to do, for a file that is not there or not a video, a folder without pictures, a
    device that is none.
    """
    source = config.source.strip()
    if source == "auto":
        return _automatic(config, clock)
    if source == "picamera2":
        from edge.devices.camera_pi import INSTALL, NOT_FOUND, find_pi_camera

        if find_pi_camera() is None:
            raise CameraMissing(NOT_FOUND if _has_picamera2() else INSTALL)
        return _pi(config, clock)
    if source == "webcam":
        from edge.devices.camera_v4l2 import Webcam

        return _device(config, Webcam(), clock)
    if ADDRESS.fullmatch(source):
        return _stream(config, source, clock)
    # os.path: a name that no file can have is no error there.
    if os.path.exists(config.source):
        source = config.source  # a file that is there is meant, whatever its name
    path = Path(os.path.expanduser(source.removeprefix("file://")))
    if str(path).startswith("/dev/") or (os.path.exists(path) and path.is_char_device()):
        from edge.devices.camera_v4l2 import Webcam

        return _device(config, Webcam(path), clock)
    if os.path.isdir(path):
        from edge.devices.camera_folder import FolderCamera

        return FolderCamera(config, path, clock=clock, sleep=sleep)
    if os.path.isfile(path):
        from edge.devices.camera_video import FileCamera

        return FileCamera(config, path, clock=clock, sleep=sleep)
    from edge.devices.camera_picture import readable

    raise CameraMissing(
        f"there is no {readable(shown(source))}; camera.source takes auto, picamera2, webcam, a"
        " device such as /dev/video0, a video file, a folder of pictures, or an rtsp:// or"
        " http:// address"
    )


def may_appear(config: CameraConfig) -> bool:
    """Whether the camera that is missing now may be there at the next start: one that is plugged
    in may, a file that is not a video will not."""
    source = config.source.strip()
    return source in ("auto", "picamera2", "webcam") or source.startswith("/dev/")


def _automatic(config: CameraConfig, clock: Clock) -> Camera:
    from edge.devices.camera_pi import INSTALL, NOT_FOUND, find_pi_camera

    if find_pi_camera() is not None:
        return _pi(config, clock)
    from edge.devices.camera_v4l2 import Webcam, find_webcam

    if find_webcam() is not None:
        return _device(config, Webcam(), clock)
    on_a_pi = Path("/proc/device-tree/model").exists()
    if on_a_pi:
        raise CameraMissing(
            f"{NOT_FOUND if _has_picamera2() else INSTALL}; there is no webcam either"
        )
    raise CameraMissing(
        "no camera was found; plug in a webcam, or name a video file, a folder of pictures or an"
        " address as camera.source (run --source)"
    )


def _pi(config: CameraConfig, clock: Clock) -> Camera:
    from edge.devices.camera_pi import PiSource

    opening_s = max(config.timeout_s, LOCAL_OPENING_S)
    source = PiSource(config, clock=clock)
    return LiveCamera(source, opening_s=opening_s, timeout_s=config.timeout_s)


def _device(config: CameraConfig, webcam: Webcam, clock: Clock) -> Camera:
    from edge.devices.camera_video import StreamSource

    opening_s = max(config.timeout_s, LOCAL_OPENING_S)
    source = StreamSource(
        config,
        webcam.find,
        clock=clock,
        container_format="v4l2",
        options={
            "video_size": f"{config.width_px}x{config.height_px}",
            "framerate": f"{config.fps:g}",
        },
        opening_s=opening_s,
        advice="is the webcam plugged in, and does no other program use it?",
    )
    return LiveCamera(source, opening_s=opening_s, timeout_s=config.timeout_s)


def _stream(config: CameraConfig, address: str, clock: Clock) -> Camera:
    from edge.devices.camera_video import StreamSource

    # The pictures that FFmpeg looks at to know the stream are kept: with "nobuffer" the first key
    # frame would be lost among them. It need not find out the rate, which takes 20 pictures, nor
    # wait for a key frame: that may take longer than anybody waits for an address to answer.
    options = {"fpsprobesize": "0", "analyzeduration": "1000000"}
    if address.lower().startswith("rtsp"):
        options["rtsp_transport"] = "tcp"  # UDP loses packets, and lost packets are grey smears
    # A slow one has sent enough for that only after a while.
    opening_s = 2 * config.timeout_s
    source = StreamSource(
        config,
        address,
        clock=clock,
        options=options,
        opening_s=opening_s,
        advice="is the address right, and the camera reachable from here?",
    )
    return LiveCamera(source, opening_s=opening_s, timeout_s=config.timeout_s)


def _has_picamera2() -> bool:
    return importlib.util.find_spec("picamera2") is not None
