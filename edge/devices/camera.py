"""Chooses the camera that the configuration names. What each one needs is imported only for it."""

from __future__ import annotations

import importlib.util
import os
import re
import time
from pathlib import Path

from edge.config import CameraConfig
from edge.devices.camera_live import LiveCamera, Source
from edge.devices.camera_timing import Clock, Sleep
from edge.ports import Camera, CameraMissing

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
        return _webcam(config, clock)
    if ADDRESS.fullmatch(source):
        return _stream(config, source, clock)
    path = Path(source.removeprefix("file://")).expanduser()
    if path.is_char_device() or str(path).startswith("/dev/"):
        return _device(config, path, clock)
    if path.is_dir():
        from edge.devices.camera_folder import FolderCamera

        return FolderCamera(config, path, clock=clock, sleep=sleep)
    if path.is_file():
        from edge.devices.camera_video import FileCamera

        return FileCamera(config, path, clock=clock, sleep=sleep)
    raise CameraMissing(
        f"there is no {source}; camera.source takes auto, picamera2, webcam, a device such as"
        " /dev/video0, a video file, a folder of pictures, or an rtsp:// or http:// address"
    )


def _automatic(config: CameraConfig, clock: Clock) -> Camera:
    from edge.devices.camera_pi import INSTALL, NOT_FOUND, find_pi_camera

    if find_pi_camera() is not None:
        return _pi(config, clock)
    from edge.devices.camera_v4l2 import find_webcam

    device = find_webcam()
    if device is not None:
        return _device(config, device, clock)
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

    return _local(config, PiSource(config, clock=clock))


def _local(config: CameraConfig, source: Source) -> Camera:
    opening_s = max(config.timeout_s, LOCAL_OPENING_S)
    return LiveCamera(source, opening_s=opening_s, timeout_s=config.timeout_s)


def _webcam(config: CameraConfig, clock: Clock) -> Camera:
    from edge.devices.camera_v4l2 import find_webcam

    device = find_webcam()
    if device is None:
        raise CameraMissing(
            "no webcam was found; plug one in (`v4l2-ctl --list-devices` lists what is there)"
        )
    return _device(config, device, clock)


def _device(config: CameraConfig, path: Path, clock: Clock) -> Camera:
    if not path.exists():
        raise CameraMissing(f"there is no {path}; is the webcam plugged in?")
    if not os.access(path, os.R_OK | os.W_OK):
        raise CameraMissing(f"{path} may not be opened; add your user to the group video")
    from edge.devices.camera_v4l2 import query
    from edge.devices.camera_video import StreamSource

    try:
        captures = query(path).captures
    except OSError as exc:
        raise CameraMissing(f"{path} is not a camera: {exc.strerror}") from exc
    if not captures:
        raise CameraMissing(f"{path} takes no pictures; a webcam often has the next lower number")
    source = StreamSource(
        config,
        str(path),
        clock=clock,
        container_format="v4l2",
        options={
            "video_size": f"{config.width_px}x{config.height_px}",
            "framerate": f"{config.fps:g}",
        },
        advice="is the webcam plugged in, and does no other program use it?",
    )
    return _local(config, source)


def _stream(config: CameraConfig, address: str, clock: Clock) -> Camera:
    from edge.devices.camera_video import StreamSource

    options = {"fflags": "nobuffer", "flags": "low_delay"}
    if address.lower().startswith("rtsp"):
        options["rtsp_transport"] = "tcp"  # UDP loses packets, and lost packets are grey smears
    source = StreamSource(
        config,
        address,
        clock=clock,
        options=options,
        advice="is the address right, and the camera reachable from here?",
    )
    return LiveCamera(source, opening_s=config.timeout_s, timeout_s=config.timeout_s)


def _has_picamera2() -> bool:
    return importlib.util.find_spec("picamera2") is not None
