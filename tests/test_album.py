from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import pytest

from edge.album import Album, open_album
from edge.config import PrivacyConfig
from edge.domain import EventType, Frame, Happening
from edge.files import UNFINISHED
from edge.vision.draw import save_jpeg
from tests.fakes import GREY

START = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Wall:
    """A second passes with every look."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def frame(number: int) -> Frame:
    return Frame(GREY, at_s=float(number), number=number)


def happening(type_: EventType) -> Happening:
    return Happening(type_, at_s=1.0, seat="desk")


def test_no_picture_is_kept_unless_the_owner_asks(tmp_path):
    assert open_album(PrivacyConfig(), tmp_path, wall_clock=Wall()) is None


def test_a_pickup_becomes_a_picture_that_only_the_box_can_read(tmp_path):
    album = open_album(PrivacyConfig(save_pictures=True), tmp_path, wall_clock=Wall())
    assert album is not None
    album.consider(happening(EventType.PICKUP), frame(1))
    album.consider(happening(EventType.LEFT), frame(2))
    album.consider(happening(EventType.NOT_A_PHONE), None)
    album.close()
    folder = tmp_path / "pictures"
    (picture,) = folder.iterdir()
    assert picture.name == "000001-20261123-120001-000-pickup.jpg"
    assert folder.stat().st_mode & 0o077 == 0
    with av.open(str(picture)) as container:
        read = next(container.decode(video=0))
    assert (read.width, read.height) == (64, 48)


def test_the_oldest_pictures_go_first(tmp_path):
    album = Album(
        tmp_path, 2, save=lambda f, path: path.write_text(str(f.number)), wall_clock=Wall()
    )
    for number in range(1, 4):
        album.consider(happening(EventType.PICKUP), frame(number))
    album.close()
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["2", "3"]


def test_the_oldest_are_those_that_were_kept_first_whatever_the_clock_said(tmp_path):
    wall = Wall()
    (tmp_path / "20261122-120001-000-pickup.jpg").write_text("of an earlier version")
    album = Album(tmp_path, 3, save=lambda f, path: path.write_text(str(f.number)), wall_clock=wall)
    for number, year in enumerate((2041, 2026, 1970, 2026), start=1):
        wall.now = START.replace(year=year)
        album.consider(happening(EventType.PICKUP), frame(number))
    album.close()
    assert [path.read_text() for path in sorted(tmp_path.iterdir())] == ["2", "3", "4"]


def test_a_full_card_costs_pictures_and_is_said_once(tmp_path, caplog):
    def full(_: Frame, path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    album = Album(tmp_path, 2, save=full, wall_clock=Wall())
    for number in range(3):
        album.consider(happening(EventType.PICKUP), frame(number))
    album.close()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert not list(tmp_path.iterdir())


def test_a_card_that_fills_up_in_the_middle_of_a_picture_is_left_without_a_piece(tmp_path):
    def fills(_: Frame, path: Path) -> None:
        path.write_bytes(b"half a pic")
        raise OSError(28, "No space left on device", str(path))

    album = Album(tmp_path, 2, save=fills, wall_clock=Wall())
    album.consider(happening(EventType.PICKUP), frame(1))
    album.close()
    assert not list(tmp_path.iterdir())


def test_what_a_power_cut_left_unfinished_goes_at_the_next_start(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / f".77-0{UNFINISHED}").write_bytes(b"half a pic")
    kept = folder / "20261123-120001-000-pickup.jpg"
    kept.write_bytes(b"a picture")
    album = open_album(PrivacyConfig(save_pictures=True), tmp_path, wall_clock=Wall())
    assert album is not None
    album.close()
    assert list(folder.iterdir()) == [kept]


@pytest.mark.parametrize("before", [None, b"what was there"])
def test_a_picture_that_cannot_be_saved_leaves_no_piece(tmp_path, monkeypatch, before):
    path = tmp_path / ("a" * 251 + ".jpg")
    if before is not None:
        path.write_bytes(before)
    write = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        write(self, data[:10])
        raise OSError(28, "No space left on device", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            save_jpeg(GREY, path)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [before] * (before is not None)
    save_jpeg(GREY, path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_nothing_waits_for_a_card_that_stalls(tmp_path, caplog):
    import threading

    go_on = threading.Event()
    album = Album(
        tmp_path, 9, save=lambda f, path: go_on.wait(30) and path.touch(), wall_clock=Wall()
    )
    for number in range(9):
        album.consider(happening(EventType.PICKUP), frame(number))
    assert "a picture was not kept" in caplog.text
    go_on.set()
    album.close()
    assert 4 <= len(list(tmp_path.iterdir())) <= 5


@pytest.mark.parametrize("kept", [True, False])
def test_the_loop_offers_the_frame_of_what_happened(kept, tmp_path):
    from tests.test_loop import Bench, with_phone

    bench = Bench(script=with_phone)
    album = Album(tmp_path, 9, save=lambda f, path: path.touch(), wall_clock=Wall())
    bench.loop.album = album if kept else None
    bench.focus()
    bench.run(5)
    album.close()
    assert [path.name.endswith("-pickup.jpg") for path in tmp_path.iterdir()] == [True] * kept
