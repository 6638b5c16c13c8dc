"""What the box knows of its own condition, for subscribers and the status line."""

from __future__ import annotations

from pathlib import Path

THERMAL = Path("/sys/class/thermal/thermal_zone0/temp")
# The Pi's firmware driver; bits as in `vcgencmd get_throttled`.
THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
SMOOTHING = 0.1


class Health:
    """Smoothed figures of the running loop. Times in seconds in, milliseconds out."""

    def __init__(self, *, proc: Path = Path("/proc/self/statm")) -> None:
        self._proc = proc
        self._last_at_s: float | None = None
        self._last_number: int | None = None
        self._period_s: float | None = None
        self._inference_s: float | None = None
        self._age_s: float | None = None
        self.frames = 0
        self.inferences = 0
        self.drops = 0

    def frame(self, at_s: float, number: int, *, age_s: float | None) -> None:
        """Count a frame; a gap in `number` is a frame that the source dropped."""
        self.frames += 1
        if self._last_at_s is not None and at_s > self._last_at_s:
            self._period_s = _smooth(self._period_s, at_s - self._last_at_s)
        if self._last_number is not None and number > self._last_number + 1:
            self.drops += number - self._last_number - 1
        self._last_at_s, self._last_number = at_s, number
        if age_s is not None:
            self._age_s = _smooth(self._age_s, age_s)

    def inference(self, seconds: float) -> None:
        self.inferences += 1
        self._inference_s = _smooth(self._inference_s, seconds)

    def paused(self) -> None:
        """The camera is closed: the next frame is not late."""
        self._last_at_s = self._last_number = self._period_s = None

    @property
    def fps(self) -> float | None:
        return 1 / self._period_s if self._period_s else None

    @property
    def inference_ms(self) -> float | None:
        return None if self._inference_s is None else self._inference_s * 1000

    def figures(self) -> dict[str, float | int | None]:
        """Ready to be published; None where this machine has no such figure."""
        return {
            "fps": _rounded(self.fps, 1),
            "inference_ms": _rounded(self.inference_ms, 1),
            "frame_age_ms": _rounded(self._age_s * 1000 if self._age_s is not None else None, 1),
            "temperature_c": _rounded(_number(THERMAL, 10, 1000), 1),
            "throttled": _whole(_number(THROTTLED, 16, 1)),
            "rss_kib": _rss_kib(self._proc),
            "drops": self.drops,
            "frames": self.frames,
            "inferences": self.inferences,
        }


def _smooth(before: float | None, now: float) -> float:
    return now if before is None else before + SMOOTHING * (now - before)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _number(path: Path, base: int, divisor: float) -> float | None:
    try:
        return int(path.read_text().strip(), base) / divisor
    except (OSError, ValueError):
        return None


def _rss_kib(statm: Path) -> int | None:
    import resource

    try:
        return int(statm.read_text().split()[1]) * resource.getpagesize() // 1024
    except (OSError, ValueError, IndexError):
        return None
