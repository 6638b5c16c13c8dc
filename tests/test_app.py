"""The composition root keeps its promise: on the way out everything is dark and silent.

The guard process and the unit's ExecStopPost= do the same once more when this one is gone; here
they are not there, so that nobody else can have done it.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest

from edge import app
from edge.config import Config, HistoryConfig
from edge.devices import profile
from edge.devices.board import Board
from edge.devices.button import NoButton
from edge.devices.lights import GpioLights
from edge.devices.pins import open_pins
from edge.domain import Color
from tests.fakes import FakeBuzzer, FakeCamera, FakeClock, FakeLights


class Bench:
    """A box with pins that only it can darken."""

    def __init__(self, folder: Path, *, frames: int | None = None, live: bool = False) -> None:
        self.lights = FakeLights()
        self.buzzer = FakeBuzzer()
        self.camera = FakeCamera(FakeClock(), frames=frames, live=live)
        self.let_go: list[str] = []
        parts = ExitStack()
        parts.callback(lambda: self.let_go.append(self.state()))
        chosen = profile.choose("none")
        self.board = Board(
            chosen,
            open_pins(chosen, "simulated"),
            cast(GpioLights, self.lights),
            self.buzzer,  # type: ignore[arg-type]
            NoButton(),
            None,
            parts,
        )
        self.config = Config(history=HistoryConfig(path=str(folder / "history.db")))

    def state(self) -> str:
        silent = self.buzzer.played[-1:] == [None]
        return "dark" if silent and self.lights.closed and self.buzzer.closed else "on"

    def build(self, **options: object) -> app.App:
        return app.build(self.config, camera=self.camera, board=self.board, **options)  # type: ignore[arg-type]


def test_leaving_leaves_everything_dark_and_silent(tmp_path: Path) -> None:
    bench = Bench(tmp_path, frames=3)
    with bench.build() as box:
        assert box.run() == 0
        assert bench.lights.shown[-1].color is not Color.OFF
        assert bench.state() == "on"
    assert bench.state() == "dark"
    assert bench.let_go == ["dark"], "dark first, then the pins are let go of"
    assert not bench.camera.is_open


def test_so_does_leaving_by_a_lost_camera_and_by_an_error(tmp_path: Path) -> None:
    bench = Bench(tmp_path, frames=3)
    with pytest.raises(ZeroDivisionError), bench.build(on_tick=lambda loop: 1 // 0) as box:
        box.run()
    assert (bench.state(), bench.let_go) == ("dark", ["dark"])

    bench = Bench(tmp_path, frames=0, live=True)
    with bench.build() as box:
        bench.camera.live = True
        box.inbox.put(app.SetSession(app.SessionAction.START))
        assert box.run() == 1
    assert (bench.state(), bench.let_go) == ("dark", ["dark"])


def test_a_box_that_cannot_be_built_is_dark_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no album today")

    monkeypatch.setattr(app, "open_album", broken)
    bench = Bench(tmp_path)
    with pytest.raises(RuntimeError, match="no album"):
        bench.build()
    assert (bench.state(), bench.let_go) == ("dark", ["dark"])
    assert not bench.camera.is_open


def test_what_fails_on_the_way_out_keeps_nothing_else_lit(tmp_path: Path) -> None:
    bench = Bench(tmp_path, frames=3)
    with bench.build() as box:
        box.run()
        bench.lights.close = broken_close  # type: ignore[method-assign]
    assert bench.buzzer.closed
    assert bench.buzzer.played[-1] is None
    assert len(bench.let_go) == 1


def broken_close() -> None:
    raise OSError("the pin is gone")
