from __future__ import annotations

import gc
import logging
import os
import struct
import sys
import threading
import time
import zlib
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest

from edge.config import CameraConfig
from edge.devices import camera_v4l2
from edge.devices.camera import open_camera
from edge.devices.camera_live import LiveCamera, Nothing
from edge.devices.camera_pi import PiSource, find_pi_camera
from edge.devices.camera_picture import (
    UnreadablePicture,
    exif_orientation,
    fit,
    load_picture,
    to_image,
)
from edge.devices.camera_timing import Stamps, Thinning
from edge.devices.camera_v4l2 import (
    CAPABILITY,
    DEVICE_CAPS,
    Capability,
    Webcam,
    find_webcam,
    parse_capability,
)
from edge.domain import Frame
from edge.ports import CameraMissing, CameraStalled, EndOfStream
from tests.camera_fakes import (
    FakePicamera2,
    PacedServer,
    StreamServer,
    StubbornServer,
    exif,
    h264,
    install_picamera2,
    picture_bytes,
    two_halves,
    with_matrix,
    with_orientation,
    write_film,
    write_picture,
    write_stamped,
)
from tests.fakes import GREY, FakeClock

SMALL = CameraConfig(width_px=64, height_px=48, fps=30, realtime=False, timeout_s=5)


@pytest.fixture
def stream():
    server = StreamServer()
    yield server
    server.close()


@pytest.fixture
def pi(monkeypatch):
    return install_picamera2(monkeypatch)


@pytest.fixture(params=["pi", "file", "folder", "stream"])
def source(request, tmp_path):
    """Every kind of source that can be had without its hardware."""
    if request.param == "pi":
        request.getfixturevalue("pi")
        return "picamera2"
    if request.param == "stream":
        return request.getfixturevalue("stream").address
    if request.param == "file":
        return str(write_film(tmp_path / "film.mp4", times_s=[n / 25 for n in range(50)]))
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a.jpg", "b.png", "c.jpg"):
        write_picture(folder / name)
    return str(folder)


def camera_of(source, config=SMALL, **kwargs):
    kwargs.setdefault("clock", time.monotonic)
    return open_camera(replace(config, source=str(source)), **kwargs)


def frames_of(source, config=SMALL, **kwargs):
    """All frames of a source that ends."""
    camera = camera_of(source, config, **kwargs)
    camera.open()
    frames = []
    try:
        while True:
            frames.append(camera.read())
    except EndOfStream:
        return frames
    finally:
        camera.close()


def top_and_bottom(image):
    half = image.shape[0] // 2
    return image[: half - 2].mean(axis=(0, 1)), image[half + 2 :].mean(axis=(0, 1))


# ---------------------------------------------------------------- what holds for every source


def test_frames_are_rgb_pictures_of_the_asked_size_at_most(source):
    camera = camera_of(source)
    camera.open()
    image = camera.read().image
    camera.close()
    assert image.shape == (48, 64, 3)
    assert image.dtype == np.uint8
    assert image.flags["C_CONTIGUOUS"]
    top, bottom = top_and_bottom(image)
    assert top[0] > 150 > 100 > top[2], "the upper half is red"
    assert bottom[2] > 150 > 100 > bottom[0], "the lower half is blue"


def test_a_camera_mounted_upside_down_is_turned(source):
    camera = camera_of(source, replace(SMALL, rotate_deg=180))
    camera.open()
    top, bottom = top_and_bottom(camera.read().image)
    camera.close()
    assert top[2] > 150
    assert bottom[0] > 150


def test_time_goes_forward_and_numbers_count_up(source):
    camera = camera_of(source)
    camera.open()
    frames = [camera.read() for _ in range(5)]
    camera.close()
    times = [frame.at_s for frame in frames]
    numbers = [frame.number for frame in frames]
    assert times == sorted(set(times))
    assert numbers == sorted(set(numbers))


def test_opening_and_closing_may_alternate_and_time_goes_on(source):
    camera = camera_of(source)
    camera.close()
    camera.open()
    camera.open()
    before = camera.read()
    camera.close()
    camera.close()
    camera.open()
    after = camera.read()
    camera.close()
    assert after.at_s > before.at_s
    assert after.number > before.number


def test_a_closed_camera_gives_no_pictures(source):
    with pytest.raises(RuntimeError, match="not open"):
        camera_of(source).read()


def test_a_source_tells_people_what_it_is(source):
    assert len(camera_of(source).description) > 10


# ---------------------------------------------------------------- what holds for live ones


class Stubborn:
    """A source whose calls last until they are let go, one permit each."""

    description = name = "a stubborn camera"
    advice = "have patience"

    def __init__(self):
        self.lets = {"open": threading.Semaphore(0), "shoot": threading.Semaphore(0)}
        self.fails = {}
        self.calls = []
        self.inside = 0
        self.most_inside = 0

    def open(self):
        self._call("open")

    def shoot(self):
        self._call("shoot")
        number = self.calls.count("shoot")
        return lambda: Frame(GREY, float(number), number)

    def close(self):
        self.calls.append("close")

    def _call(self, what):
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        assert self.lets[what].acquire(timeout=60)
        self.inside -= 1
        self.calls.append(what)
        if what in self.fails:
            raise self.fails.pop(what)


def live(source, *, patience_s=60.0):
    return LiveCamera(source, opening_s=patience_s, timeout_s=patience_s)


def let_go(source):
    """For the end of a test: nothing waits any more."""
    for permits in source.lets.values():
        permits.release(100)


def test_a_live_camera_that_hangs_while_it_opens_keeps_nobody_waiting():
    source = Stubborn()
    camera = live(source)
    camera.open()
    assert not camera.ready(0.01)
    source.lets["open"].release()
    assert not camera.ready(0.01)
    source.lets["shoot"].release()
    assert camera.ready(60)
    assert camera.read().number == 1
    assert not camera.ready(0.01), "one picture is one frame"
    let_go(source)
    camera.close()


def test_only_the_newest_picture_is_kept():
    source = Stubborn()
    camera = live(source)
    camera.open()
    source.lets["open"].release()
    source.lets["shoot"].release(3)
    while source.calls.count("shoot") < 3:
        time.sleep(0.001)
    while camera.ready(0.01):
        last = camera.read()
    assert last.number == 3
    let_go(source)
    camera.close()


@pytest.mark.parametrize(
    ("permits", "said"),
    [
        ({}, "a stubborn camera: no first frame within 0.2 s; have patience"),
        ({"open": 1}, "a stubborn camera: no first frame within 0.2 s; have patience"),
        ({"open": 1, "shoot": 1}, "a stubborn camera: no frame for 0.2 s; have patience"),
    ],
)
def test_a_live_camera_that_hangs_has_stalled_and_says_so(permits, said):
    source = Stubborn()
    for what, count in permits.items():
        source.lets[what].release(count)
    camera = live(source, patience_s=0.2)
    camera.open()
    with pytest.raises(CameraStalled, match=f"^{said}$"):
        for _ in range(3):
            assert camera.ready(60), "its patience is over long before that"
            camera.read()
    camera.close()
    let_go(source)


def test_a_camera_opened_again_waits_until_the_first_opening_let_go():
    source = Stubborn()
    camera = live(source, patience_s=0.2)
    for _ in range(3):
        camera.open()
        with pytest.raises(CameraStalled):
            camera.read()
    patient = LiveCamera(source, opening_s=60, timeout_s=60)
    patient._device = camera._device
    patient.open()
    let_go(source)
    assert patient.read().number >= 1
    patient.close()
    assert source.most_inside == 1, "two threads in one driver is what no driver is written for"


def test_a_camera_that_was_missing_can_be_tried_again():
    source = Stubborn()
    let_go(source)
    source.fails["open"] = CameraMissing("not plugged in")
    camera = live(source)
    camera.open()
    with pytest.raises(CameraMissing, match="not plugged in"):
        camera.read()
    camera.open()
    assert camera.read().number >= 1
    camera.close()


def test_what_nobody_expected_of_a_driver_reaches_the_reader():
    source = Stubborn()
    let_go(source)
    source.fails["shoot"] = ZeroDivisionError("a driver's mistake")
    camera = live(source)
    camera.open()
    with pytest.raises(ZeroDivisionError, match="a driver's mistake"):
        camera.read()
    assert source.calls[-1] == "close"


# ---------------------------------------------------------------- files


def test_a_file_is_replayed_in_its_own_time(tmp_path):
    film = write_film(tmp_path / "film.mp4", times_s=[0.0, 0.1, 0.2, 1.5])
    assert [round(f.at_s, 3) for f in frames_of(film)] == [0.0, 0.1, 0.2, 1.5]


def test_a_file_at_its_own_pace_gives_the_very_same_frames(tmp_path):
    film = write_film(tmp_path / "film.mp4", times_s=[n / 25 for n in range(50)])
    config = replace(SMALL, fps=10)
    clock = FakeClock(100.0)
    fast = frames_of(film, config)
    paced = frames_of(
        film, replace(config, realtime=True), clock=clock, sleep=lambda s: clock.advance(s)
    )
    assert [(f.at_s, f.number) for f in fast] == [(f.at_s, f.number) for f in paced]
    assert all((a.image == b.image).all() for a, b in zip(fast, paced, strict=True))
    assert clock.now_s == pytest.approx(100.0 + paced[-1].at_s)


def test_a_slow_reader_of_a_paced_file_misses_nothing(tmp_path):
    film = write_film(tmp_path / "film.mp4", times_s=[0.0, 0.1, 0.2, 0.3])
    clock = FakeClock()

    def sleep(seconds):
        clock.advance(seconds + 10)

    frames = frames_of(film, replace(SMALL, realtime=True), clock=clock, sleep=sleep)
    assert len(frames) == 4


def test_a_file_is_thinned_to_the_wanted_rate(tmp_path):
    film = write_film(tmp_path / "film.mp4", times_s=[n / 25 for n in range(100)])
    frames = frames_of(film, replace(SMALL, fps=10))
    assert len(frames) == pytest.approx(40, abs=1)


def test_a_file_opened_again_starts_over_and_its_time_goes_on(tmp_path):
    film = write_film(tmp_path / "film.mp4", times_s=[0.0, 0.1, 0.2])
    camera = camera_of(film, replace(SMALL, fps=10))
    times = []
    for _ in range(2):
        camera.open()
        times += [round(camera.read().at_s, 3) for _ in range(3)]
        with pytest.raises(EndOfStream, match=r"film\.mp4"):
            camera.read()
        camera.close()
    assert times == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]


def test_a_truncated_film_gives_what_is_left_of_it(tmp_path):
    # Matroska and the like can be cut anywhere; a phone that lost power leaves such films.
    film = write_film(tmp_path / "film.mkv", times_s=[n / 25 for n in range(50)])
    raw = film.read_bytes()
    film.write_bytes(raw[: len(raw) * 2 // 3])
    assert 0 < len(frames_of(film)) < 50


def test_big_pictures_are_made_smaller_and_keep_their_shape(tmp_path):
    film = write_film(tmp_path / "film.mp4", times_s=[0.0, 0.1], size=(320, 180))
    camera = camera_of(film)
    camera.open()
    assert camera.read().image.shape == (36, 64, 3)
    camera.close()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((640, 480), (640, 480)),
        ((320, 200), (320, 200)),
        ((1920, 1080), (640, 360)),
        ((1080, 1920), (270, 480)),
        ((10000, 1), (640, 1)),
    ],
)
def test_fit_keeps_the_shape_and_never_enlarges(size, expected):
    assert fit(*size, within=(640, 480)) == expected


STEADY = [n / 10 for n in range(20)]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([STEADY, STEADY, STEADY], id="pieces that start over"),
        pytest.param([STEADY[:10], [36001.0], STEADY[11:]], id="one from hours away"),
        pytest.param([STEADY, [n + 7200 for n in STEADY]], id="hours later"),
        pytest.param([[n + 7200 for n in STEADY], STEADY], id="hours earlier"),
    ],
)
def test_a_film_whose_stamps_jump_is_shown_to_its_end_and_that_is_said(tmp_path, caplog, pieces):
    film = tmp_path / "joined.ts"
    film.write_bytes(
        b"".join(write_stamped(tmp_path / "piece.ts", piece).read_bytes() for piece in pieces)
    )
    with caplog.at_level(logging.WARNING):
        frames = frames_of(film)
    times = [frame.at_s for frame in frames]
    assert len(frames) == sum(map(len, pieces))
    assert max(b - a for a, b in pairwise(times)) == pytest.approx(0.1, abs=0.02)
    assert min(b - a for a, b in pairwise(times)) > 0
    (said,) = caplog.records
    assert "joined.ts: its time stamps jump" in said.getMessage()


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        pytest.param([0, 1, 2], [0, 1, 2], id="as they are"),
        pytest.param([5, 6, 7], [0, 1, 2], id="from the first one on"),
        pytest.param([None, None, None], [0, 1, 2], id="none at all"),
        pytest.param([3, 3, 3, 3], [0, 1, 2, 3], id="they stand still"),
        pytest.param([0, 1, 0.5, 2, 3, 4], [0, 1, 2, 2.5, 3, 4], id="out of order"),
        pytest.param([0, 1, 31, 32], [0, 1, 31, 32], id="a pause"),
        pytest.param([0, 1, 500, 501], [0, 1, 2, 3], id="a jump ahead"),
        pytest.param([0, 1, 2, 0, 1, 2], [0, 1, 2, 3, 4, 5], id="a jump back"),
    ],
)
def test_the_time_of_a_film_goes_forward_whatever_its_stamps_say(stamps, expected):
    clock = Stamps("a film", 1.0)
    assert [clock.at_s(stamp) for stamp in stamps] == pytest.approx(expected)


def test_nobody_waits_for_a_film_with_a_pause_in_it(tmp_path):
    film = write_film(tmp_path / "film.mp4", times_s=[0.0, 0.1, 40.0, 40.1])
    clock = FakeClock()
    camera = camera_of(
        film, replace(SMALL, realtime=True), clock=clock, sleep=lambda s: clock.advance(s)
    )
    camera.open()
    times, waits = [], 0
    while len(times) < 4:
        before_s = clock()
        if camera.ready(0.2):
            times.append(camera.read().at_s)
        else:
            waits += 1
            assert camera.alive
        assert clock() - before_s <= 0.2 + 1e-9
    camera.close()
    assert times == pytest.approx([0.0, 0.1, 40.0, 40.1])
    assert clock() == pytest.approx(40.1)
    assert waits > 100


# ---------------------------------------------------------------- folders


def test_each_picture_of_a_folder_stays_on_for_its_time(tmp_path):
    for name in ("10.jpg", "20.png"):
        write_picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    frames = frames_of(tmp_path, replace(SMALL, fps=5, picture_s=0.4))
    assert [(f.name, round(f.at_s, 3)) for f in frames] == [
        ("10.jpg", 0.0),
        ("10.jpg", 0.2),
        ("20.png", 0.4),
        ("20.png", 0.6),
    ]


def test_a_short_stay_makes_the_time_between_frames_short(tmp_path):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        write_picture(tmp_path / name)
    frames = frames_of(tmp_path, replace(SMALL, fps=10, picture_s=0.01))
    assert [round(f.at_s, 3) for f in frames] == [0.0, 0.01, 0.02]


def test_an_unreadable_picture_is_skipped_with_one_warning(tmp_path, caplog):
    write_picture(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"not a picture at all")
    (tmp_path / "c.jpg").write_bytes(b"")
    write_picture(tmp_path / "d.jpg")
    camera = camera_of(tmp_path, replace(SMALL, fps=1, picture_s=1))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            camera.open()
            assert [camera.read().name for _ in range(2)] == ["a.jpg", "d.jpg"]
            with pytest.raises(EndOfStream):
                camera.read()
            camera.close()
    assert len(caplog.records) == 2, "one for each bad picture, not one for each time around"


def test_a_folder_at_its_own_pace_waits_for_each_frame(tmp_path):
    write_picture(tmp_path / "a.jpg")
    clock = FakeClock(7.0)
    config = replace(SMALL, fps=4, picture_s=1, realtime=True)
    frames_of(tmp_path, config, clock=clock, sleep=lambda s: clock.advance(s))
    assert clock.now_s == pytest.approx(7.75)


def test_a_png_keeps_its_colours_to_the_bit(tmp_path):
    path = write_picture(tmp_path / "a.png")
    assert (load_picture(path) == two_halves()).all()


def four_corners():
    """Each corner has a colour of its own: shows each way in which a picture can be held."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32], image[:24, 32:] = (220, 30, 30), (30, 200, 30)
    image[24:, :32], image[24:, 32:] = (30, 30, 220), (230, 230, 230)
    return image


def is_upright(image):
    return image.shape == (48, 64, 3) and np.abs(image - four_corners().astype(int)).mean() < 12


# How a camera stores what `four_corners` shows, by the number that EXIF has for it.
STORED = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, 1),
    7: lambda image: np.rot90(image, 2).transpose(1, 0, 2),
    8: lambda image: np.rot90(image, -1),
}


@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_picture_stands_upright_however_the_camera_was_held(tmp_path, orientation, order):
    stored = np.ascontiguousarray(STORED[orientation](four_corners()))
    path = tmp_path / "a.jpg"
    path.write_bytes(with_orientation(picture_bytes(stored), orientation, order))
    assert is_upright(load_picture(path))
    turned = load_picture(path, half_turn=True)
    assert is_upright(turned[::-1, ::-1])


@pytest.mark.parametrize("orientation", STORED)
def test_a_png_stands_upright_too(tmp_path, orientation):
    stored = np.ascontiguousarray(STORED[orientation](four_corners()))
    png, tiff = picture_bytes(stored, "png"), exif(orientation)
    chunk = struct.pack(">I", len(tiff)) + b"eXIf" + tiff
    chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
    path = tmp_path / "a.png"
    path.write_bytes(png[:33] + chunk + png[33:])
    assert is_upright(load_picture(path))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:10], id="cut off"),
        pytest.param(lambda data: data.replace(b"\x01\x12", b"\x01\x13"), id="no orientation"),
        pytest.param(lambda data: data.replace(b"MM\0*", b"NN\0*"), id="no order of bytes"),
        pytest.param(lambda data: data[:4] + b"\xff\xff\xff\xf0" + data[8:], id="far away"),
    ],
)
def test_what_exif_says_is_passed_over_where_it_makes_no_sense(damage):
    segment = b"Exif\0\0" + damage(exif(6))
    size = struct.pack(">H", len(segment) + 2)
    assert exif_orientation(b"\xff\xd8\xff\xe1" + size + segment + b"\xff\xda") is None
    assert exif_orientation(with_orientation(picture_bytes(two_halves()), 9)) is None
    assert exif_orientation(b"") is None


@pytest.mark.parametrize(
    ("matrix", "orientation"),
    [
        ((1, 0, 0, 1), 1),
        ((-1, 0, 0, 1), 2),
        ((-1, 0, 0, -1), 3),
        ((1, 0, 0, -1), 4),
        ((0, 1, 1, 0), 5),
        ((0, 1, -1, 0), 6),
        ((0, -1, -1, 0), 7),
        ((0, -1, 1, 0), 8),
    ],
)
def test_a_film_stands_upright_however_its_camera_was_held(tmp_path, matrix, orientation):
    stored = np.ascontiguousarray(STORED[orientation](four_corners()))
    film = write_film(tmp_path / "film.mp4", times_s=[0.0, 0.1, 0.2], images=[stored] * 3)
    frames = frames_of(with_matrix(film, *matrix))
    assert len(frames) == 3
    assert all(is_upright(frame.image) for frame in frames)


def test_the_colour_profile_of_a_png_survives_the_clean_up(tmp_path):
    # PyAV 18 frees its name twice when it is asked what the decoder knows of the picture.
    profile = b"a name\0\0" + zlib.compress(bytes(128))
    chunk = struct.pack(">I", len(profile)) + b"iCCP" + profile
    png = picture_bytes(two_halves(), "png")
    path = tmp_path / "a.png"
    path.write_bytes(png[:33] + chunk + struct.pack(">I", zlib.crc32(chunk[4:])) + png[33:])
    for _ in range(3):
        assert (load_picture(path) == two_halves()).all()
        gc.collect()


def noisy(size=(160, 120)):
    """A picture of which every part matters."""
    width, height = size
    small = np.random.default_rng(3).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    return small.repeat(8, 0).repeat(8, 1)


@pytest.mark.parametrize("codec", ["mjpeg", "png", "bmp"])
@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.98])
def test_a_torn_picture_is_no_picture(tmp_path, codec, kept):
    data = picture_bytes(noisy(), codec)
    path = tmp_path / "torn.jpg"
    path.write_bytes(data)
    assert load_picture(path).shape == (120, 160, 3)
    path.write_bytes(data[: round(kept * len(data))])
    with pytest.raises(UnreadablePicture, match=r"torn\.jpg"):
        load_picture(path)


def test_a_picture_with_a_hole_is_no_picture(tmp_path):
    data = picture_bytes(noisy())
    path = tmp_path / "a.jpg"
    path.write_bytes(data[: len(data) // 2] + data[len(data) // 2 + 300 :])
    with pytest.raises(UnreadablePicture, match="damaged"):
        load_picture(path)


@pytest.mark.parametrize("more", [b"\0" * 500, b"\r\n--frame"])
def test_what_lies_behind_a_picture_does_no_harm(tmp_path, more):
    path = tmp_path / "a.jpg"
    path.write_bytes(picture_bytes(noisy()) + more)
    assert load_picture(path).shape == (120, 160, 3)


def test_torn_pictures_in_a_film_are_left_out_with_one_warning(tmp_path, caplog):
    data = picture_bytes(noisy((64, 48)))
    film = tmp_path / "film.mkv"
    with av.open(str(film), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj444p"
        for number in range(12):
            packet = av.Packet(data[: len(data) // 3] if number % 3 == 1 else data)
            packet.pts = packet.dts = number
            packet.time_base, packet.stream = Fraction(1, 10), stream
            container.mux(packet)
    with caplog.at_level(logging.WARNING):
        frames = frames_of(film)
    assert len(frames) == 8
    assert [r.getMessage() for r in caplog.records if "damaged" in r.getMessage()]
    assert len(caplog.records) == 1


def test_a_damaged_picture_is_told_apart(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(picture_bytes(two_halves())[:40])
    with pytest.raises(UnreadablePicture, match=r"a\.jpg"):
        load_picture(path)


# ---------------------------------------------------------------- oddities that are none


@pytest.mark.parametrize(
    ("codec", "pixels"),
    [
        ("png", "rgb24"),
        ("png", "rgba"),
        ("png", "gray"),
        ("png", "rgb48be"),
        ("png", "gray16be"),
        ("png", "monob"),
        ("bmp", "bgr24"),
        ("mjpeg", "yuvj420p"),
        ("mjpeg", "yuvj422p"),
        ("mjpeg", "yuvj444p"),
        ("mjpeg", "gray"),
    ],
)
def test_pictures_of_every_kind_of_pixel_are_read(tmp_path, codec, pixels):
    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.time_base = 64, 48, Fraction(1, 1)
    context.pix_fmt, context.options = pixels, {"strict": "-1"}
    frame = av.VideoFrame.from_ndarray(four_corners(), format="rgb24").reformat(format=pixels)
    try:
        packets = [*context.encode(frame), *context.encode(None)]
    except (ValueError, av.FFmpegError):
        pytest.skip(f"this FFmpeg writes no {codec} of {pixels}")
    path = tmp_path / "a.png"
    path.write_bytes(b"".join(bytes(packet) for packet in packets))
    image = load_picture(path)
    assert image.shape == (48, 64, 3)
    assert image.flags["C_CONTIGUOUS"]
    assert image[40, 60].mean() > 180 > image[10, 10].mean()


def test_a_moving_png_gives_its_first_picture(tmp_path):
    path = tmp_path / "a.png"
    with av.open(str(path), "w", format="apng") as container:
        stream = container.add_stream("apng", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
        for number in range(3):
            image = four_corners() if number == 0 else two_halves()
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert is_upright(load_picture(path))


@pytest.mark.parametrize(
    "size", [(1, 1), (2, 2), (1, 400), (400, 1), (3, 5), (641, 479), (4096, 3072)]
)
def test_pictures_of_every_size_are_read(tmp_path, size):
    width, height = size
    path = write_picture(tmp_path / "a.png", two_halves(width, height))
    assert load_picture(path).shape == (height, width, 3)
    small = load_picture(path, within=(1280, 960))
    assert small.shape[0] <= 960
    assert small.shape[1] <= 1280


@pytest.mark.parametrize(
    ("pixels", "size", "within"),
    [
        (pixels, size, within)
        for pixels in (
            "yuv420p",
            "yuvj420p",
            "yuv422p",
            "yuvj422p",
            "yuv444p",
            "yuyv422",
            "uyvy422",
            "nv12",
            "yuv420p10le",
            "yuv422p10le",
            "p010le",
            "yuv411p",
            "gray",
            "rgb24",
        )
        for size, within in (
            ((64, 48), (64, 48)),
            ((256, 192), (64, 48)),
            ((63, 47), (64, 48)),
            ((255, 191), (61, 47)),
        )
    ],
)
def test_frames_of_every_kind_keep_their_colours(pixels, size, within):
    image = np.full((size[1], size[0], 3), (150, 90, 60), np.uint8)
    image[: size[1] // 2] = (60, 90, 150)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)
    got = to_image(frame, within=within)
    assert got.dtype == np.uint8
    assert got.flags["C_CONTIGUOUS"]
    assert (got.shape[1], got.shape[0]) == fit(*size, within=within)
    above, below = top_and_bottom(got)
    wanted = ((88, 88, 88), (105, 105, 105)) if pixels == "gray" else ((60, 90, 150), (150, 90, 60))
    assert np.abs(above - wanted[0]).max() < 8
    assert np.abs(below - wanted[1]).max() < 8


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg4", "mjpeg", "ffv1"])
def test_films_of_many_codecs_are_shown(tmp_path, codec):
    pixels = {"libx265": "yuv420p10le", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        try:
            stream = container.add_stream(codec, rate=10)
        except (ValueError, av.FFmpegError):
            pytest.skip(f"this FFmpeg writes no {codec}")
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(two_halves(), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    frames = frames_of(path)
    assert len(frames) == 10
    top, bottom = top_and_bottom(frames[-1].image)
    assert top[0] > 150 > 100 > top[2]
    assert bottom[2] > 150 > 100 > bottom[0]


def test_a_film_of_120_frames_a_second_is_thinned(tmp_path):
    film = write_film(tmp_path / "film.mp4", times_s=[n / 120 for n in range(240)])
    assert len(frames_of(film, replace(SMALL, fps=10))) == pytest.approx(20, abs=1)


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name",
    [
        b"10:30:00",
        b"http:",
        b"pipe:0",
        b"file:a",
        b"concat:a|b",
        b"a%03d",
        b"100%",
        b"a?b*[c]",
        b"-a",
        b" a ",
        b"caf\xe9",
        "Bücher 書".encode(),
    ],
)
def test_a_file_is_opened_whatever_its_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    made = write_film(tmp_path / "made.mp4", times_s=[0.0, 0.1])
    film = os.fsdecode(name + b".mp4")
    made.rename(film)
    frames = frames_of(film)
    assert len(frames) == 2
    frames[0].name.encode()  # it is sent and stored as text
    os.mkdir("pictures")
    made = write_picture(tmp_path / "made.jpg")
    made.rename(os.path.join("pictures", os.fsdecode(name + b".jpg")))
    frames = frames_of("pictures")
    assert frames
    frames[0].name.encode()
    camera_of("pictures").description.encode()


def test_what_is_wrong_with_a_file_can_be_told_whatever_its_name(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    for content in (None, b"broken"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(CameraMissing, match="caf") as caught:
            camera_of(path)
        str(caught.value).encode()


def test_a_film_with_a_title_that_is_no_text_is_shown(tmp_path):
    path = tmp_path / "film.avi"
    write_film(path, times_s=[0.0, 0.04, 0.08])
    raw = path.read_bytes()
    at = raw.index(b"ISFT")
    size = int.from_bytes(raw[at + 4 : at + 8], "little")
    path.write_bytes(raw[: at + 8] + b"\xe9" * (size - 1) + b"\0" + raw[at + 8 + size :])
    assert frames_of(path)


# ---------------------------------------------------------------- what cannot be opened


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        ("no/such/file.mp4", "there is no no/such/file.mp4"),
        ("/dev/video97", "plugged in"),
        ("/dev/null", "not a camera"),
        ("picamera2", "apt install python3-picamera2"),
        ("http://127.0.0.1:9/stream", "reachable"),
    ],
)
def test_what_is_not_there_is_answered_with_what_to_do(source, advice):
    with pytest.raises(CameraMissing, match=advice):
        camera = camera_of(source)
        camera.open()
        camera.read()


@pytest.mark.parametrize(
    ("name", "content", "advice"),
    [
        ("film.mp4", b"", "not a video"),
        ("film.mp4", b"\0" * 4096, "not a video"),
        ("notes.txt", b"a line of text\n" * 50, "not a video"),
    ],
)
def test_a_file_that_is_no_video_is_refused(tmp_path, name, content, advice):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CameraMissing, match=advice):
        camera_of(path)


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(CameraMissing, match="holds no pictures"):
        camera_of(tmp_path)


def test_a_folder_of_broken_pictures_is_refused(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"broken")
    with pytest.raises(CameraMissing, match="none of the 1 pictures"):
        camera_of(tmp_path)


# ---------------------------------------------------------------- streams


def test_a_stream_that_stalls_is_noticed(stream):
    camera = camera_of(stream.address, replace(SMALL, timeout_s=3))
    camera.open()
    camera.read()
    stream.stalls.set()
    with pytest.raises(CameraStalled, match=r"(no frame|silent) for 3 s"):
        while True:
            camera.read()
    camera.close()


@pytest.mark.parametrize("how", ["silent", "dripping head", "headers", "trickle"])
def test_opening_a_stream_that_gets_nowhere_takes_no_longer_than_twice_the_timeout(how):
    server = StubbornServer(how)
    camera = camera_of(server.address, replace(SMALL, timeout_s=1))
    began_s = time.monotonic()
    camera.open()
    opened_s = time.monotonic() - began_s
    with pytest.raises(CameraStalled, match="no first frame within 2 s"):
        camera.read()
    gave_up_s = time.monotonic() - began_s
    camera.close()
    server.close()
    # In proportion: the machine may be busy with other things.
    assert opened_s < gave_up_s / 2
    assert gave_up_s < 10 * 1, "the picture would have taken minutes"


def test_a_stream_that_ends_is_a_lost_camera(stream):
    camera = camera_of(stream.address)
    camera.open()
    camera.read()
    stream.ends.set()
    with pytest.raises(CameraStalled, match=r"ended|broke off"):
        while True:
            camera.read()
    camera.close()


def test_a_slow_reader_gets_the_newest_frame_of_a_stream(stream):
    camera = camera_of(stream.address)
    camera.open()
    first = camera.read()
    seen = stream.sent
    while stream.sent < seen + 50:
        time.sleep(0.01)
    late = camera.read()
    camera.close()
    assert late.number > first.number + 1, "what came meanwhile is passed over"
    assert late.at_s > first.at_s + 0.2, "50 frames, at least 5 ms apart, were sent since"


def test_a_closed_stream_is_let_go(stream):
    camera = camera_of(stream.address)
    camera.open()
    camera.read()
    camera.close()
    stream.gone.acquire(timeout=60)
    assert stream.serving == 0, "the connection was closed"


def test_a_password_in_an_address_is_not_shown():
    address = "rtsp://owner:secret@10.0.0.5:554/live"
    camera = camera_of(address.replace("10.0.0.5:554", "127.0.0.1:9"))
    assert "secret" not in camera.description
    camera.open()
    with pytest.raises(CameraMissing) as caught:
        camera.read()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("fps", "key_frame_s", "begin"),
    [
        pytest.param(25, 1, 0.0, id="a key frame a second"),
        pytest.param(25, 10, 0.0, id="one in ten seconds"),
        pytest.param(5, 1, 0.0, id="five frames a second"),
        pytest.param(2, 10, 0.0, id="two frames a second"),
        pytest.param(10, 4, 0.15, id="joined in the middle"),
    ],
)
def test_a_stream_gives_pictures_wherever_its_key_frames_are(fps, key_frame_s, begin):
    server = PacedServer(h264(12, fps, key_frame_s), 12, kind="video/mp2t", begin=begin)
    camera = camera_of(server.address, CameraConfig())
    camera.open()
    frames = [camera.read() for _ in range(3)]
    camera.close()
    server.close()
    assert frames[0].at_s < frames[1].at_s < frames[2].at_s
    assert frames[0].image.shape == (96, 128, 3)


def test_a_stream_that_never_sends_a_key_frame_says_so():
    source = Stubborn()
    camera = live(source, patience_s=0.3)
    word = Nothing("it sends, but no key frame", promising=True)
    source.shoot = lambda: (time.sleep(0.01), word)[1]
    source.lets["open"].release()
    camera.open()
    for _ in range(10):
        assert not camera.ready(0.1), "as long as it sends there is hope"
    assert camera.alive
    source.shoot = lambda: (time.sleep(0.01), Nothing())[1]
    with pytest.raises(CameraStalled, match=r"no first frame within 0\.3 s; it sends"):
        camera.read()
    assert not camera.alive


def test_torn_pictures_of_a_stream_are_no_pictures_and_it_can_be_opened_again(stream, caplog):
    camera = camera_of(stream.address, replace(SMALL, timeout_s=1))
    camera.open()
    camera.read()
    stream.torn.set()
    with caplog.at_level(logging.WARNING), pytest.raises(CameraStalled, match="damaged"):
        while True:
            camera.read()
    assert len([r for r in caplog.records if "damaged frames are left out" in r.getMessage()]) == 1
    stream.torn.clear()
    camera.open()
    camera.read()
    camera.close()


def test_the_address_of_a_single_picture_is_asked_again_and_again(caplog):
    server = PacedServer(picture_bytes(two_halves()), 0, kind="image/jpeg")
    camera = camera_of(server.address, replace(SMALL, timeout_s=3))
    with caplog.at_level(logging.INFO):
        camera.open()
        frames = [camera.read() for _ in range(3)]
    assert frames[0].image.shape == (48, 64, 3)
    assert "the address of a single picture" in caplog.text
    asked = server.asked
    assert asked >= 3
    # The very same picture, to the byte, is no new one: it counts as seen once a second.
    assert frames[2].at_s - frames[1].at_s > 0.9
    server.close()
    with pytest.raises(CameraStalled, match="gives no more pictures"):
        while True:
            camera.read()
    camera.close()


# ---------------------------------------------------------------- webcams


def capability(driver, *, caps=0x84200001, node=0x04200001):
    return CAPABILITY.pack(driver.encode(), b"A camera", b"usb-1", 0x60000, caps, node, 0, 0, 0)


@pytest.mark.parametrize(
    ("raw", "webcam"),
    [
        pytest.param(capability("uvcvideo"), True, id="webcam"),
        pytest.param(capability("uvcvideo", node=0x04A00000), False, id="its metadata node"),
        pytest.param(capability("bcm2835-codec"), False, id="a Pi's codec"),
        pytest.param(capability("bcm2835-isp"), False, id="a Pi's ISP"),
        pytest.param(capability("unicam"), False, id="raw sensor data"),
        pytest.param(capability("rp1-cfe"), False, id="the same on a Pi 5"),
        pytest.param(capability("old", caps=0x05000001, node=0), True, id="without device caps"),
    ],
)
def test_a_webcam_is_told_from_the_other_video_nodes(raw, webcam):
    assert parse_capability(raw).webcam is webcam


def test_the_capability_has_the_kernels_layout():
    assert CAPABILITY.size == 104
    assert struct.calcsize("16s32s32s") == 80
    assert DEVICE_CAPS == 1 << 31


def test_no_webcam_is_found_where_there_is_none(tmp_path):
    (tmp_path / "video0").write_bytes(b"a file, not a device")
    (tmp_path / "videos").mkdir()
    assert find_webcam(tmp_path) is None


@pytest.fixture
def devices(tmp_path, monkeypatch):
    """A folder like /dev: a node is there when it has a file, and says what `said` has for it."""
    said = {}

    def query(path):
        if path not in said or not path.exists():
            raise OSError(19, "No such device")
        return said[path]

    def plug(number, card, *, lasting=""):
        node = tmp_path / f"video{number}"
        node.touch()
        said[node] = Capability("uvcvideo", card, captures=True)
        if lasting:
            (tmp_path / "v4l/by-id").mkdir(parents=True, exist_ok=True)
            link = tmp_path / "v4l/by-id" / lasting
            link.unlink(missing_ok=True)
            link.symlink_to(node)
        return node

    monkeypatch.setattr(camera_v4l2, "query", query)
    return plug


def test_a_webcam_that_comes_back_under_another_number_is_found(devices, tmp_path, caplog):
    node = devices(0, "A camera", lasting="usb-A_camera-index0")
    webcam = Webcam(node, directory=tmp_path)
    assert webcam.find() == str(node)
    node.unlink()
    devices(1, "Another camera")
    with pytest.raises(CameraMissing, match="plugged in"):
        webcam.find()
    now = devices(2, "A camera", lasting="usb-A_camera-index0")
    with caplog.at_level(logging.WARNING):
        assert [webcam.find(), webcam.find()] == [str(now)] * 2
    (said,) = caplog.records
    assert "usb-A_camera-index0" in said.getMessage()


def test_a_webcam_whose_number_another_took_is_found(devices, tmp_path):
    webcam = Webcam(devices(0, "A camera"), directory=tmp_path)
    webcam.find()
    devices(0, "Another camera")
    now = devices(1, "A camera")
    assert webcam.find() == str(now)


def test_the_only_webcam_is_taken_for_one_that_is_not_at_its_number(devices, tmp_path):
    now = devices(3, "A camera")
    assert Webcam(tmp_path / "video0", directory=tmp_path).find() == str(now)
    devices(4, "Another camera")
    with pytest.raises(CameraMissing, match=r"there is no .*video0"):
        Webcam(tmp_path / "video0", directory=tmp_path).find()


def test_a_webcam_by_its_lasting_name_is_looked_up_each_time(devices, tmp_path):
    devices(0, "A camera", lasting="usb-A")
    webcam = Webcam(tmp_path / "v4l/by-id/usb-A", directory=tmp_path)
    with pytest.raises(CameraMissing, match="not a camera"):
        webcam.find()  # the fake knows nodes only: it was asked by that name, not by a number


def test_any_webcam_is_the_first_there_is_now(devices, tmp_path):
    first = devices(0, "A camera")
    webcam = Webcam(directory=tmp_path)
    assert webcam.find() == str(first)
    first.unlink()
    second = devices(1, "A camera")
    assert webcam.find() == str(second)


# ---------------------------------------------------------------- the Pi camera


class OpenedPi:
    """The Pi camera's source without the thread that it has in the box."""

    def __init__(self, config=SMALL, clock=time.monotonic):
        self.source = PiSource(config, clock=clock)
        self.open = self.source.open
        self.close = self.source.close
        self.open()

    def read(self):
        return self.source.shoot()()


opened_pi = OpenedPi


@pytest.mark.parametrize("cuts_padding", [True, False])
def test_rows_padded_by_the_isp_are_cut(pi, cuts_padding):
    pi.cuts_padding = cuts_padding
    image = opened_pi(replace(SMALL, width_px=200, height_px=120)).read().image
    assert image.shape == (120, 200, 3)
    assert (image == two_halves(200, 120)).all()


def test_the_time_of_a_frame_is_the_sensors(pi):
    clock = FakeClock(500.0)
    camera = opened_pi(clock=clock)
    pi.age_s = 0.25
    assert camera.read().at_s == pytest.approx(499.75, abs=0.1)


@pytest.mark.parametrize("base", [time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC])
def test_either_kernel_clock_gives_the_same_time(pi, base):
    pi.base = base
    before_s = time.monotonic()
    at_s = opened_pi().read().at_s
    assert before_s - 0.2 <= at_s <= time.monotonic()


def test_time_stamps_of_an_unknown_clock_are_said_once_and_arrival_counts(pi, caplog):
    pi.age_s = -5000.0
    camera = opened_pi()
    with caplog.at_level(logging.WARNING):
        frames = [camera.read() for _ in range(3)]
    assert len(caplog.records) == 1
    assert frames[0].at_s < frames[2].at_s


def test_a_frame_from_before_a_sleep_of_the_machine_is_not_given_out(pi):
    clock = FakeClock(0.0)
    camera = opened_pi(clock=clock)
    camera.read()
    fake = pi.last
    stale = iter([90.0, 90.0])
    expose = fake._expose

    def aged():
        fake.age_s = next(stale, 0.0)
        fake._stamp_ns = 0
        return expose()

    fake._expose = aged
    assert camera.read().at_s == pytest.approx(0.0, abs=0.5)
    assert next(stale, None) is None, "both old frames were read, and thrown away"


def test_no_frame_is_taken_that_lay_ready(pi):
    camera = opened_pi()
    assert pi.last.configuration["queue"] is False
    camera.read()
    called_s = time.monotonic()
    assert camera.read().at_s >= called_s - 0.05


def test_the_whole_field_of_view_is_asked_for(pi):
    opened_pi()
    assert pi.last.configuration["sensor"] == {"output_size": (2304, 1296), "bit_depth": 10}


def test_a_larger_picture_takes_a_mode_with_as_many_pixels(pi):
    opened_pi(replace(SMALL, width_px=2400, height_px=1350, fps=10))
    assert pi.last.configuration["sensor"]["output_size"] == (4608, 2592)
    # None of those is fast enough here, so the picture is enlarged rather than cut.
    opened_pi(replace(SMALL, width_px=2400, height_px=1350, fps=30))
    assert pi.last.configuration["sensor"]["output_size"] == (2304, 1296)


@pytest.mark.parametrize(
    ("offered", "asked"), [({"AfMode": (0, 2, 0)}, 2), ({"ExposureTime": (1, 2, 1)}, None)]
)
def test_a_lens_that_can_focus_is_told_to_follow(pi, offered, asked):
    pi.camera_controls = offered
    opened_pi()
    controls = pi.last.configuration["controls"]
    assert controls.get("AfMode") == asked
    assert controls["FrameDurationLimits"] == (33333, 33333)


def test_the_modes_of_the_sensor_are_asked_for_once(pi):
    asked = []

    class Counting(pi):
        @property
        def sensor_modes(self):
            asked.append(self)
            return FakePicamera2.sensor_modes

    sys.modules["picamera2"].Picamera2 = Counting
    camera = opened_pi()
    camera.close()
    camera.open()
    assert len(asked) == 1
    assert Counting.last.configuration["sensor"]["output_size"] == (2304, 1296)


def test_a_sensor_without_modes_chooses_for_itself(pi):
    pi.sensor_modes = ({"format": "NV12"},)
    opened_pi()
    assert pi.last.configuration["sensor"] is None


def test_a_pi_camera_that_stops_names_the_ribbon_cable_and_can_be_closed(pi):
    camera = opened_pi()
    camera.read()
    pi.stalled = True
    with pytest.raises(CameraStalled, match=r"no frame for 5 s; check the camera's ribbon cable"):
        camera.read()
    camera.close()
    assert pi.last.closed


def test_a_pi_camera_that_breaks_off_is_a_lost_camera(pi):
    camera = opened_pi()
    pi.broken = True
    with pytest.raises(CameraStalled, match="ribbon cable"):
        camera.read()
    assert pi.last.out == 0, "every request was given back"


def test_a_closed_pi_camera_is_released(pi):
    camera = opened_pi()
    first = pi.last
    camera.close()
    camera.open()
    assert first.closed
    assert pi.last is not first


@pytest.mark.parametrize(
    ("fault", "advice"),
    [({"cameras": ()}, "ribbon cable"), ({"busy": True}, "no other program uses it")],
)
def test_a_pi_camera_that_cannot_be_opened_says_what_to_check(pi, fault, advice):
    for name, value in fault.items():
        setattr(pi, name, value)
    with pytest.raises(CameraMissing, match=advice):
        opened_pi()


def test_auto_takes_the_pi_camera_before_a_webcam(pi):
    assert "imx708" in camera_of("auto").description


def test_a_webcam_that_libcamera_lists_is_no_pi_camera(pi):
    pi.cameras = ({"Model": "C270", "Id": "\\_SB_.PCI0.XHC_-2:1.0-046d:0825-usb"},)
    assert find_pi_camera() is None


def test_auto_without_any_camera_says_what_could_be_named():
    if find_webcam() is not None:
        pytest.skip("this machine has a webcam")
    with pytest.raises(CameraMissing, match="video file"):
        camera_of("auto")


# ---------------------------------------------------------------- thinning


@pytest.mark.parametrize(
    ("source_fps", "fps", "expected"), [(30, 10, 100), (25, 10, 100), (15, 10, 100), (8, 10, 80)]
)
def test_ten_seconds_are_thinned_to_about_the_wanted_rate(source_fps, fps, expected):
    thinning = Thinning(fps)
    kept = sum(thinning.keep(n / source_fps) for n in range(source_fps * 10))
    assert kept == pytest.approx(expected, abs=2)


def test_a_jittery_source_at_the_wanted_rate_loses_nothing():
    thinning = Thinning(10)
    jitter = [0.0, 0.02, -0.02, 0.01, -0.015]
    assert all(thinning.keep(n / 10 + jitter[n % 5]) for n in range(100))


def test_a_gap_is_not_made_up_for():
    thinning = Thinning(10)
    thinning.keep(0.0)
    kept = [at_s for at_s in (100.0, 100.02, 100.04, 100.06, 100.1) if thinning.keep(at_s)]
    assert kept == [100.0, 100.04]


def test_cameras_import_only_what_their_source_needs(tmp_path, monkeypatch):
    for name in ("picamera2", "libcamera"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it fails
    write_picture(tmp_path / "a.jpg")
    assert camera_of(tmp_path).live is False


def test_the_fake_pi_camera_can_show_a_wrong_colour_order():
    camera = FakePicamera2()
    camera.configure(
        camera.create_video_configuration(
            {"size": (64, 48), "format": "RGB888"},
            raw=None,
            sensor=None,
            transform=sys.modules["tests.camera_fakes"].FakeTransform(),
            buffer_count=4,
            queue=False,
            controls={},
        )
    )
    camera.start()
    with camera.captured_request(wait=1) as request:
        assert request.make_array("main")[0, 0, 2] > 150, "blue and red are swapped, as on a Pi"
