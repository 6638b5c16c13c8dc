"""A box's end of the link with a loop that sees what a test wants, for what asks over it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from edge import decide, settings
from edge.config import Config
from edge.domain import (
    Box,
    Detection,
    Frame,
    Observation,
    PhoneSight,
    PhoneUse,
    SeatView,
    SessionAction,
    SetSession,
    State,
    View,
)
from edge.health import Health
from edge.inbox import CommandInbox
from edge.link import LENGTHS, Link

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PICTURE = np.full((96, 128, 3), 90, np.uint8)
SIGHT = PhoneSight(1, PhoneUse.IN_USE, Box(0.1, 0.1, 0.3, 0.2), 0.8, 0.75, 1.0, 2.0, why="raised")


class Seeing:
    """What the loop leaves behind."""

    def __init__(self) -> None:
        self.frame: Frame | None = None
        self.observation: Observation | None = None
        self.health = Health()
        self.state = State(0.0)
        self.adopted: Config | None = None

    def see(self, at_s: float) -> None:
        self.frame = Frame(PICTURE, at_s)
        self.observation = Observation(
            at_s,
            View.CLEAR,
            (SeatView("desk", True, SIGHT),),
            (Detection("phone", 0.801, SIGHT.box),),
        )

    def adopt(self, config: Config) -> None:
        self.adopted = config


class LinkedBox:
    def __init__(self, folder: Path, config: Config | None = None) -> None:
        self.path = folder / "page.socket"
        self.inbox = CommandInbox()
        self.seeing = Seeing()
        self.file = folder / "config.toml"
        self.file.write_text("")
        self.restarts = 0
        self.erased: list[date | None] = []
        self.config = config or Config()
        self.link = Link(
            self.path,
            self.config,
            inbox=self.inbox,
            wall_clock=lambda: NOON,
            again=lambda: settings.load(self.file),
            restart=self.restart,
            erase=self.erase,
        )
        self.link.attach(self.seeing)
        state = decide.start(self.config, at_s=5.0)
        state = decide.obey(
            state, SetSession(SessionAction.START), at_s=5.0, config=self.config, minute_of_day=720
        )
        self.link.publish(state)
        self.seeing.state = state

    def restart(self) -> None:
        self.restarts += 1

    def erase(self, day: date | None, done: Callable[[str], None]) -> None:
        self.erased.append(day)
        done("")

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        connection.connect(str(self.path))
        return connection

    def ask(self, ask: str, **more: object) -> tuple[dict, bytes]:
        with self.connect() as connection:
            return self.ask_on(connection, ask, **more)

    def ask_on(self, connection: socket.socket, ask: str, **more: object) -> tuple[dict, bytes]:
        connection.sendall(json.dumps({"ask": ask, **more}).encode() + b"\n")
        stream = connection.makefile("rb")
        words, picture = LENGTHS.unpack(stream.read(LENGTHS.size))
        return json.loads(stream.read(words)), stream.read(picture)
