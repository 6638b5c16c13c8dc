"""The camera of a Raspberry Pi, through picamera2."""

from __future__ import annotations

import logging
import os
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.config import CameraConfig
from edge.devices.camera_live import Shot
from edge.devices.camera_timing import Clock
from edge.domain import Frame
from edge.ports import CameraMissing, CameraStalled

log = logging.getLogger(__name__)

INSTALL = (
    "picamera2 is not installed: sudo apt install python3-picamera2 --no-install-recommends,"
    " and use a virtual environment made with --system-site-packages"
)
NOT_FOUND = (
    "no Pi camera was found; check the ribbon cable at both ends, then what"
    " `rpicam-hello --list-cameras` says"
)
# A frame this old was waiting somewhere: the process slept, or the machine did.
STALE_S = 1.0
CHECK_CABLE = "check the camera's ribbon cable"
AF_CONTINUOUS = 2  # libcamera's controls.AfModeEnum.Continuous


def find_pi_camera() -> str | None:
    """The model of the first Pi camera (not a webcam); None when there is none, or no picamera2."""
    # Both tell each step of opening a camera; a session opens it, and one line says so.
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:WARN")
    logging.getLogger("picamera2").setLevel(logging.WARNING)
    try:
        from picamera2 import Picamera2
    except (ImportError, OSError):
        return None
    try:
        cameras = Picamera2.global_camera_info()
    except RuntimeError as exc:
        log.warning("libcamera cannot list its cameras: %s", exc)
        return None
    # libcamera lists webcams too; those ids name the USB bus.
    models = [str(c.get("Model", "")) for c in cameras if "usb" not in str(c.get("Id", "")).lower()]
    return models[0] if models else None


class PiSource:
    """One stream of RGB frames. A frame's time is when the sensor began to read it out."""

    name = "the Pi camera"
    advice = CHECK_CABLE

    def __init__(self, config: CameraConfig, *, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._picam2: Any = None
        self._asked_for_modes = False
        self._model = find_pi_camera() or ""
        self._mode: dict[str, Any] | None = None  # the sensor's, once it is known
        self._base: int | None = None  # the kernel's clock that stamps the frames
        self._stamp_ns = 0
        self._number = -1

    @property
    def description(self) -> str:
        config = self._config
        return f"Pi camera {self._model}, {config.width_px}x{config.height_px} at {config.fps:g}/s"

    def open(self) -> None:
        try:
            from libcamera import Transform
            from picamera2 import Picamera2
        except (ImportError, OSError) as exc:
            raise CameraMissing(f"{INSTALL} ({exc})") from exc
        picam2: Any = None
        try:
            picam2 = Picamera2()
            self._model = str(picam2.camera_properties.get("Model", self._model))
            picam2.configure(self._configuration(picam2, Transform))
            picam2.start()
        except (RuntimeError, IndexError, OSError) as exc:
            if picam2 is not None:
                picam2.close()
            # A camera that another program holds is the second most frequent cause.
            msg = f"{NOT_FOUND}, and that no other program uses it ({exc})"
            raise CameraMissing(msg) from exc
        self._picam2 = picam2
        self._base = None

    def _configuration(self, picam2: Any, transform: Any) -> Any:
        config = self._config
        period_us = round(1e6 / config.fps)
        turned = config.rotate_deg == 180
        if not self._asked_for_modes:
            # Once: picamera2 finds out by configuring each mode in turn.
            self._mode = _widest_mode(picam2, config)
            self._asked_for_modes = True
        controls: dict[str, Any] = {"FrameDurationLimits": (period_us, period_us)}
        if "AfMode" in picam2.camera_controls:
            # Left alone, a Camera Module 3 stays focused on what is far away; a desk is near.
            controls["AfMode"] = AF_CONTINUOUS
        # queue=False: a capture waits for the next frame instead of taking one that lay ready.
        # "BGR888" names the order in a little-endian word: in memory, and in the array, it is RGB.
        return picam2.create_video_configuration(
            main={"size": (config.width_px, config.height_px), "format": "BGR888"},
            raw=None,
            sensor=self._mode,
            transform=transform(hflip=turned, vflip=turned),
            buffer_count=4,
            queue=False,
            controls=controls,
        )

    def shoot(self) -> Shot:
        give_up_s = self._clock() + self._config.timeout_s
        while True:
            image, stamp_ns = self._capture()
            age_s = self._age_s(stamp_ns)
            if age_s <= STALE_S and (stamp_ns is None or stamp_ns > self._stamp_ns):
                break
            if self._clock() > give_up_s:
                raise CameraStalled(
                    f"only stale frames for {self._config.timeout_s:g} s, the last {age_s:.1f} s"
                    " old; restart the box"
                )
        self._number += self._periods_since(stamp_ns)
        self._stamp_ns = stamp_ns or 0
        frame = Frame(image, self._clock() - age_s, self._number, self._model)
        return lambda: frame

    def close(self) -> None:
        picam2, self._picam2 = self._picam2, None
        if picam2 is not None:
            picam2.close()

    def _capture(self) -> tuple[NDArray[np.uint8], int | None]:
        """One request: its image, and the sensor's time stamp in ns."""
        config = self._config
        try:
            with self._picam2.captured_request(wait=config.timeout_s) as request:
                array = request.make_array("main")
                stamp_ns = request.get_metadata().get("SensorTimestamp")
        except TimeoutError as exc:
            # Cameras do stop delivering for good (raspberrypi/picamera2#1090). The request given
            # up on stays queued, and closing would wait behind it.
            cancel = getattr(self._picam2, "cancel_all_and_flush", None)
            if cancel is not None:
                cancel()
            msg = f"{self.name}: no frame for {config.timeout_s:g} s; {CHECK_CABLE}"
            raise CameraStalled(msg) from exc
        except RuntimeError as exc:
            msg = f"{self.name} broke off ({exc}); {CHECK_CABLE}"
            raise CameraStalled(msg) from exc
        # Rows are padded to the ISP's stride, and not every version of picamera2 cuts that off.
        image = np.ascontiguousarray(array[: config.height_px, : config.width_px, :3])
        return image, stamp_ns

    def _age_s(self, stamp_ns: int | None) -> float:
        """How long ago the sensor saw it, 0 when the stamp cannot be understood.

        libcamera stamps with CLOCK_BOOTTIME, which counts suspended time too; CLOCK_MONOTONIC,
        which our own clock is, does not. The age is the same for both.
        """
        if stamp_ns is None:
            return 0.0
        if self._base is None:
            for base in (time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC):
                if 0 <= time.clock_gettime_ns(base) - stamp_ns <= STALE_S * 1e9:
                    self._base = base
                    break
            else:
                log.warning("the sensor's time stamps follow no known clock; arrival counts")
                self._base = -1
        if self._base < 0:
            return 0.0
        return max(0.0, (time.clock_gettime_ns(self._base) - stamp_ns) / 1e9)

    def _periods_since(self, stamp_ns: int | None) -> int:
        """Frames since the last one, those that nobody read included."""
        if stamp_ns is None or not self._stamp_ns:
            return 1
        return max(1, round((stamp_ns - self._stamp_ns) * self._config.fps / 1e9))


def _widest_mode(picam2: Any, config: CameraConfig) -> dict[str, Any] | None:
    """The smallest sensor mode that sees the whole field of view fast enough, with the picture's
    size or more if there is one; None: let it choose.

    Left alone, libcamera takes the mode nearest to the picture's size, which on an imx219 at
    640x480 is a crop of the middle: the desk would be out of the picture.
    """
    modes = [m for m in picam2.sensor_modes if "crop_limits" in m and m.get("fps", 0) >= config.fps]
    if not modes:
        return None

    def field_px(mode: dict[str, Any]) -> int:
        return int(mode["crop_limits"][2] * mode["crop_limits"][3])

    def too_small(mode: dict[str, Any]) -> bool:
        width_px, height_px = mode["size"]
        return bool(width_px < config.width_px or height_px < config.height_px)

    widest = max(field_px(mode) for mode in modes)
    # Modes of one sensor differ by a few rows for alignment.
    whole = [mode for mode in modes if field_px(mode) >= 0.95 * widest]
    mode = min(whole, key=lambda m: (too_small(m), m["size"][0] * m["size"][1]))
    return {"output_size": tuple(mode["size"]), "bit_depth": mode["bit_depth"]}
