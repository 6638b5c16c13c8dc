"""A box in a process of its own, for checks of what it tells: `python -m tests.long.box CONFIG`.

Everything is real but what the camera sees and the pins: the loop, the judgement, history and MQTT.
Lines of JSON on standard input say what is seen: {"see": "phone" | "desk" | "nobody"}, pull the
camera's plug and put it back: {"plugged": false | true}, and give commands as the button would:
{"press": "short" | "long"}. It prints "ready" after its first tick.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Protocol

import numpy as np

from edge import decide, settings
from edge.config import Config
from edge.domain import (
    PERSON,
    PHONE,
    Box,
    Detection,
    Frame,
    Glance,
    Look,
    Press,
    State,
    Thresholds,
)
from edge.inbox import CommandInbox
from edge.loop import Loop
from edge.offers import Offers
from edge.outputs import Outputs
from edge.ports import Camera, CameraMissing, Eyes
from edge.telling import open_teller
from tests.fakes import FakeBuzzer, FakeLights, FakeScene

GREY = np.full((48, 64, 3), 128, dtype=np.uint8)
SITTING = Detection(PERSON, 0.9, Box(0.1, 0.2, 1.0, 0.8))


class Stage:
    """Camera and eyes of a simulated scene, ten frames a second."""

    live = alive = True
    description = "a simulated scene"
    count = 1

    def __init__(self) -> None:
        self.seen = "desk"
        self.plugged = True
        self._number = 0

    def open(self) -> None:
        if not self.plugged:
            raise CameraMissing("simulated: its plug is pulled")

    def close(self) -> None:
        pass

    def ready(self, wait_s: float) -> bool:
        return True

    def read(self) -> Frame:
        time.sleep(0.1)
        self._number += 1
        return Frame(GREY, at_s=time.monotonic(), number=self._number, name="simulated")

    def look(self, frame: Frame, glance: Glance) -> Look:
        if self.seen == "nobody":
            return Look(())
        if self.seen == "desk":
            return Look((SITTING,))
        sway = 0.03 * (frame.number % 3)
        phone = Detection(PHONE, 0.85, Box(0.5, 0.4 + sway, 0.65, 0.48 + sway))
        return Look((SITTING, phone))


class Ready:
    """Stands in for systemd."""

    def ready(self) -> None:
        print("ready", flush=True)

    def pet(self) -> None:
        pass

    def status(self, line: str) -> None:
        pass

    def stopping(self) -> None:
        pass


class Stop(BaseException):
    pass


class Staged(Camera, Eyes, Protocol):
    """What is seen, and what is made of it."""


def loop_of(
    config: Config,
    state: State,
    stage: Staged,
    outputs: Outputs,
    inbox: CommandInbox,
    *,
    clock: Callable[[], float],
    minute_of_day: Callable[[], int],
) -> Loop:
    """The real loop, in front of a stage."""
    return Loop(
        config=config,
        state=state,
        camera=stage,
        eyes=stage,
        scene=FakeScene(),
        thresholds=Thresholds(),
        outputs=outputs,
        inbox=inbox,
        watchdog=Ready(),
        clock=clock,
        minute_of_day=minute_of_day,
    )


def main(config_path: Path) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    config = settings.load(config_path)
    stage, inbox = Stage(), CommandInbox()
    telling = open_teller(config, inbox=inbox)
    state = decide.start(config, at_s=time.monotonic(), totals=telling.totals)
    telling.publish(state)
    if config.box.updates:
        Offers(config.box.updates, inbox)  # its thread ends with the process

    def listen() -> None:
        for line in sys.stdin:
            order = json.loads(line)
            if "see" in order:
                stage.seen = order["see"]
            if "press" in order:
                inbox.put(Press(order["press"]))
            if "plugged" in order:
                stage.plugged = order["plugged"]

    threading.Thread(target=listen, daemon=True).start()
    loop = loop_of(
        config,
        state,
        stage,
        Outputs(FakeLights(), FakeBuzzer(), telling),
        inbox,
        clock=time.monotonic,
        minute_of_day=lambda: 600,
    )

    def stop(_: int, __: FrameType | None) -> None:
        raise Stop

    signal.signal(signal.SIGTERM, stop)
    try:
        while True:
            loop.tick()
    except Stop:
        telling.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
