"""What the camera tests look at: a picamera2 that is none, an MJPEG server, small films."""

from __future__ import annotations

import io
import socket
import struct
import sys
import threading
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RED_TOP = (200, 30, 30)
BLUE_BOTTOM = (30, 30, 200)


def two_halves(width_px: int = 64, height_px: int = 48) -> NDArray[np.uint8]:
    """Red above, blue below: shows wrong colour order, and which way is up."""
    image = np.empty((height_px, width_px, 3), dtype=np.uint8)
    image[: height_px // 2] = RED_TOP
    image[height_px // 2 :] = BLUE_BOTTOM
    return image


def write_film(
    path: Path,
    *,
    times_s: list[float],
    size: tuple[int, int] = (64, 48),
    codec: str = "mpeg4",
    images: list[NDArray[np.uint8]] | None = None,
) -> Path:
    """A film with one frame at each of the times: `images`, else `two_halves` throughout."""
    if images is not None:
        size = images[0].shape[1], images[0].shape[0]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, at_s in enumerate(times_s):
            image = two_halves(*size) if images is None else images[number]
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = round(at_s * 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def picture_bytes(image: NDArray[np.uint8], codec: str = "mjpeg") -> bytes:
    """One picture as JPEG (mjpeg), PNG (png) or BMP (bmp)."""
    context = av.CodecContext.create(codec, "w")
    context.height, context.width = image.shape[:2]
    context.pix_fmt = {"mjpeg": "yuvj444p", "bmp": "bgr24"}.get(codec, "rgb24")
    context.time_base = Fraction(1, 1)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    packets = [*context.encode(frame.reformat(format=context.pix_fmt)), *context.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def write_picture(path: Path, image: NDArray[np.uint8] | None = None) -> Path:
    codec = "png" if path.suffix == ".png" else "mjpeg"
    path.write_bytes(picture_bytes(two_halves() if image is None else image, codec))
    return path


def with_orientation(jpeg: bytes, orientation: int, order: str = ">") -> bytes:
    """The picture with an EXIF segment that says how it was held."""
    segment = b"Exif\0\0" + exif(orientation, order)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


def exif(orientation: int, order: str = ">") -> bytes:
    head = b"MM\0*" if order == ">" else b"II*\0"
    # Another tag first, as cameras write it: the make.
    entries = struct.pack(f"{order}HHI4s", 0x10F, 2, 4, b"abc\0")
    entries += struct.pack(f"{order}HHIHH", 0x112, 3, 1, orientation, 0)
    return head + struct.pack(f"{order}IH", 8, 2) + entries + bytes(4)


def with_matrix(film: Path, a: int, b: int, c: int, d: int) -> Path:
    """The film with that matrix in the head of its track, as cameras write it."""
    raw = bytearray(film.read_bytes())
    at = raw.index(b"tkhd") + 44
    rows = (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    raw[at : at + 36] = struct.pack(">9i", *rows)
    film.write_bytes(raw)
    return film


def write_stamped(path: Path, stamps_s: list[float], form: str = "mpegts") -> Path:
    """A film of which each picture stands for itself, with these very stamps."""
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream("mpeg2video", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 1
        packets = []
        for number in range(len(stamps_s)):
            frame = av.VideoFrame.from_ndarray(two_halves(), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            packets += stream.encode(frame)
        packets += stream.encode()
        for packet, at_s in zip(packets, stamps_s, strict=True):
            packet.time_base = Fraction(1, 1000)
            packet.pts = packet.dts = round(at_s * 1000)
            packet.stream = stream
            container.mux_one(packet)
    return path


def h264(seconds: int, fps: int, key_frame_s: int) -> bytes:
    """A stream as cameras send it, in MPEG-TS."""
    file = io.BytesIO()
    noise = np.random.default_rng(1).integers(40, 200, (12, 16, 3), np.uint8)
    image = noise.repeat(8, 0).repeat(8, 1)
    with av.open(file, "w", format="mpegts") as container:
        options = {"preset": "ultrafast", "tune": "zerolatency", "sc_threshold": "0"}
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.gop_size = fps * key_frame_s
        for number in range(fps * seconds):
            frame = av.VideoFrame.from_ndarray(np.roll(image, number, 1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


class PacedServer:
    """Sends the same bytes to everybody, evenly over `seconds`, from a share of them on."""

    def __init__(self, data: bytes, seconds: float, *, kind: str, begin: float = 0.0) -> None:
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.end_headers()
                began_s, sent = time.monotonic(), round(begin * len(data))
                with suppress(OSError):
                    while sent < len(data):
                        passed = begin + (time.monotonic() - began_s) / seconds if seconds else 1.0
                        due = min(len(data), round(passed * len(data)))
                        self.wfile.write(data[sent:due])
                        sent = due
                        time.sleep(0.01)  # paced, not waited for

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/picture"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class StreamServer:
    """An MJPEG stream over HTTP on loopback, as IP cameras serve it."""

    def __init__(self) -> None:
        self.stalls = threading.Event()  # keeps the connection, sends no more
        self.ends = threading.Event()  # closes the connection
        self.over = threading.Event()
        self.torn = threading.Event()  # sends a third of each picture
        self.sent = 0
        self.serving = 0
        self.gone = threading.Semaphore(0)  # one permit for each connection that ended
        outer = self
        part = picture_bytes(two_halves())

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.serving += 1
                try:
                    self.stream()
                finally:
                    outer.serving -= 1
                    outer.gone.release()

            def stream(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
                # Paced, not waited for: a camera sends at a rate of its own.
                while not outer.over.wait(0.005) and not outer.ends.is_set():
                    if outer.stalls.is_set():
                        continue
                    data = part[: len(part) // 3] if outer.torn.is_set() else part
                    try:
                        self.wfile.write(head % len(data) + data + b"\r\n")
                    except OSError:
                        return
                    outer.sent += 1

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/stream.mjpg"

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class StubbornServer:
    """Takes connections on loopback and never gets as far as a first picture.

    How far it gets: "silent" says nothing, "headers" stops after the answer's head, "trickle" sends
    a picture of which a byte comes now and then, "dripping head" the same with the head.
    """

    HEAD = (
        b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
        b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 99999\r\n\r\n"
    )

    def __init__(self, how: str) -> None:
        self._how = how
        self._over = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}/stream.mjpg"

    def close(self) -> None:
        self._over.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    def _serve(self) -> None:
        taken = []
        with suppress(OSError):  # closed
            while True:
                connection, _ = self._listening.accept()
                taken.append(connection)
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()
        for connection in taken:
            connection.close()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError):  # the other side has had enough
            if self._how == "silent":
                return
            connection.recv(4096)
            if self._how != "dripping head":
                connection.sendall(self.HEAD)
            drops = {"headers": b"", "trickle": picture_bytes(two_halves())}.get(
                self._how, self.HEAD
            )
            for drop in drops:
                # Paced, not waited for: each byte comes before anybody's patience is over.
                if self._over.wait(0.1):
                    return
                connection.sendall(bytes([drop]))


class FakePicamera2:
    """The part of picamera2's documented interface that the box uses, without a camera.

    Frames are `two_halves`, laid out in memory as the format's name says on a real one, in rows
    padded to `pad_to` bytes. Set `stalled`, `busy`, `broken`, `age_s` to make it misbehave.
    """

    cameras: tuple[dict[str, object], ...] = ({"Model": "imx708", "Id": "/base/i2c/imx708@1a"},)
    stalled = False
    busy = False
    broken = False
    age_s = 0.0  # how old the frames are when they come
    base = time.CLOCK_BOOTTIME
    cuts_padding = True  # old versions hand out the padded rows
    pad_to = 256
    sensor_modes: tuple[dict[str, object], ...] = (
        {"size": (1536, 864), "bit_depth": 10, "crop_limits": (768, 432, 3072, 1728), "fps": 120.0},
        {"size": (2304, 1296), "bit_depth": 10, "crop_limits": (0, 0, 4608, 2592), "fps": 56.0},
        {"size": (4608, 2592), "bit_depth": 10, "crop_limits": (0, 0, 4608, 2592), "fps": 14.0},
    )
    camera_controls: dict[str, tuple[int, int, int]] = {}  # noqa: RUF012 - as picamera2 has it
    last: FakePicamera2 | None = None

    def __init__(self) -> None:
        if not self.cameras:
            raise IndexError("list index out of range")
        if self.busy:
            raise RuntimeError("Failed to acquire camera: Device or resource busy")
        self.camera_properties = {"Model": self.cameras[0]["Model"]}
        self.configuration: dict[str, object] | None = None
        self.started = False
        self.closed = False
        self.jobs = 0  # captures that were given up on
        self.out = 0  # requests that were not given back
        self._stamp_ns = 0
        self._queued: tuple[NDArray[np.uint8], int] | None = None
        type(self).last = self

    @classmethod
    def global_camera_info(cls) -> list[dict[str, object]]:
        return list(cls.cameras)

    def create_video_configuration(
        self,
        main: dict[str, object],
        *,
        raw: object,
        sensor: object,
        transform: object,
        buffer_count: int,
        queue: bool,
        controls: dict[str, object],
    ) -> dict[str, object]:
        return {
            "main": main,
            "sensor": sensor,
            "transform": transform,
            "queue": queue,
            "controls": controls,
        }

    def configure(self, configuration: dict[str, object]) -> None:
        self.configuration = configuration

    def start(self) -> None:
        assert self.configuration is not None
        self.started = True

    def stop(self) -> None:
        assert self.jobs == 0, "a real one waits for ever behind the capture that was given up on"
        self.started = False

    def close(self) -> None:
        self.stop()
        self.closed = True

    def cancel_all_and_flush(self) -> None:
        self.jobs = 0

    @contextmanager
    def captured_request(self, wait: float) -> Iterator[FakeRequest]:
        assert self.started
        if self.stalled:
            self.jobs += 1
            raise TimeoutError
        if self.broken:
            raise RuntimeError("Camera frontend has timed out")
        time.sleep(0.002)  # paced, not waited for: a sensor has a rate of its own
        request = FakeRequest(self, *self._expose())
        self.out += 1
        try:
            yield request
        finally:
            self.out -= 1

    def _expose(self) -> tuple[NDArray[np.uint8], int]:
        assert self.configuration is not None
        main = self.configuration["main"]
        assert isinstance(main, dict)
        width, height = main["size"]
        image = two_halves(width, height)
        transform = self.configuration["transform"]
        assert isinstance(transform, FakeTransform)
        if transform.vflip:
            image = image[::-1]
        if transform.hflip:
            image = image[:, ::-1]
        if main["format"] == "RGB888":  # as a number, so the lowest byte, blue, comes first
            image = image[:, :, ::-1]
        now_ns = time.clock_gettime_ns(self.base) - round(self.age_s * 1e9)
        self._stamp_ns = max(self._stamp_ns + 1000, now_ns)
        fresh = (image, self._stamp_ns)
        if not self.configuration["queue"]:
            return fresh
        stale, self._queued = self._queued or fresh, fresh
        return stale


class FakeRequest:
    def __init__(self, camera: FakePicamera2, image: NDArray[np.uint8], stamp_ns: int) -> None:
        self._camera = camera
        self._image = image
        self._stamp_ns = stamp_ns

    def make_array(self, name: str) -> NDArray[np.uint8]:
        assert name == "main"
        height, width = self._image.shape[:2]
        stride = -(-width * 3 // self._camera.pad_to) * self._camera.pad_to
        rows = np.full((height, stride), 255, dtype=np.uint8)
        rows[:, : width * 3] = self._image.reshape(height, width * 3)
        if self._camera.cuts_padding:
            return rows[:, : width * 3].reshape(height, width, 3)
        return rows[:, : stride // 3 * 3].reshape(height, stride // 3, 3)

    def get_metadata(self) -> dict[str, object]:
        return {"SensorTimestamp": self._stamp_ns, "ExposureTime": 10000}


class FakeTransform:
    def __init__(self, hflip: bool = False, vflip: bool = False) -> None:
        self.hflip = hflip
        self.vflip = vflip


def install_picamera2(monkeypatch) -> type[FakePicamera2]:
    """Put a picamera2 of its own into the test's world, and return its class to be tuned."""

    class Picamera2(FakePicamera2):
        pass

    picamera2 = types.ModuleType("picamera2")
    picamera2.Picamera2 = Picamera2  # type: ignore[attr-defined]
    libcamera = types.ModuleType("libcamera")
    libcamera.Transform = FakeTransform  # type: ignore[attr-defined]
    for module in (picamera2, libcamera):
        # find_spec refuses modules that have none.
        module.__spec__ = types.SimpleNamespace(name=module.__name__)  # type: ignore[assignment]
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return Picamera2
