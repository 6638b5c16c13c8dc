"""A whole box with the demo's clip as a live camera, a process of its own for tests of the page.

python -m tests.page_box CONFIG
"""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from edge import app, logs, settings
from edge.config import CameraConfig, Config
from edge.demo.clip import DemoClip
from edge.domain import Frame
from edge.loop import Loop


class LiveClip(DemoClip):
    """The clip for ever, stamped with the time of this run: for the box it is a camera."""

    live = True

    def __init__(self, config: CameraConfig) -> None:
        super().__init__(config, rounds=None)

    def read(self) -> Frame:
        return replace(super().read(), at_s=time.monotonic())


class Pace:
    """How long the ticks take that judge a frame, for a test that compares. One line for each
    second on standard output: the mean time of the loop's thread on the processor, in ms."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._before_s = time.thread_time()
        self._frames = 0

    def __call__(self, loop: Loop) -> None:
        if loop.frame is not None:
            self._frames += 1
        if time.monotonic() - self._began_s < 1.0:
            return
        now_s = time.thread_time()
        if self._frames:
            mean_ms = 1000 * (now_s - self._before_s) / self._frames
            print(json.dumps({"tick_ms": round(mean_ms, 2), "frames": self._frames}), flush=True)
        self._began_s, self._before_s, self._frames = time.monotonic(), now_s, 0


def main(path: Path) -> int:
    def read() -> Config:
        return settings.load(path)

    def stop(_: int, __: object) -> None:
        raise SystemExit(0)

    config = read()
    logs.set_up(config.box.log_level)
    signal.signal(signal.SIGTERM, stop)
    camera = LiveClip(config.camera)
    with app.build(config, camera=camera, configuration=path, reread=read, on_tick=Pace()) as box:
        return box.run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
