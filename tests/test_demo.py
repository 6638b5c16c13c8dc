"""The demo: its clip, its screen, what it says of itself; and the whole of it, run for real."""

from __future__ import annotations

import base64
import fcntl
import fnmatch
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from edge import resources
from edge.config import CameraConfig
from edge.demo import clip
from edge.demo.clip import LENGTH_S, PHONE, STORY, DemoClip, position, shown_at
from edge.demo.play import Repeated
from edge.demo.screen import GROUND, Screen
from edge.demo.story import PHONE_IN_HAND, Moment, Story
from edge.demo.view import Snapshot, draw, duration, in_brief, lay_out, newest, thumbnail
from edge.devices.camera_picture import load_picture
from edge.devices.terminal import Levels
from edge.domain import (
    Activity,
    Box,
    Color,
    Detection,
    Level,
    LightPattern,
    SeatState,
    Session,
    State,
    Totals,
    Tune,
)
from edge.ports import EndOfStream
from tests.fakes import FakeCamera, FakeClock

FAST = CameraConfig(fps=5, realtime=False)
PACED = CameraConfig(fps=10, realtime=True)


@pytest.fixture(scope="session")
def shipped_model():
    path = resources.directory("models") / "manifest.toml"
    if not path.is_file():
        pytest.skip(f"needs the shipped model: there is no {path}")
    return path


# ---------------------------------------------------------------- the clip


def frames(camera, count):
    camera.open()
    return [camera.read() for _ in range(count)]


def test_the_clip_is_a_camera_with_a_time_of_its_own():
    camera = DemoClip(FAST)
    camera.open()
    times = []
    with pytest.raises(EndOfStream):
        while True:
            frame = camera.read()
            times.append(frame.at_s)
    assert frame.image.shape == (480, 640, 3)
    assert frame.image.dtype == np.uint8
    assert times == [n / 5 for n in range(round(LENGTH_S * 5))]


def test_two_showings_of_the_clip_are_the_same_to_the_bit():
    one, other = frames(DemoClip(FAST), 4), frames(DemoClip(FAST), 4)
    assert all((a.image == b.image).all() for a, b in zip(one, other, strict=True))


def test_the_picture_changes_a_little_even_when_nothing_happens():
    a, b = frames(DemoClip(FAST), 2)
    difference = np.abs(a.image.astype(int) - b.image)
    assert 0 < difference.mean() < 5


def test_the_clip_keeps_the_walls_pace_and_passes_over_what_comes_too_late():
    clock = FakeClock(50.0)
    camera = DemoClip(PACED, clock=clock, sleep=clock.advance)
    assert [f.at_s for f in frames(camera, 3)] == [0.0, 0.1, 0.2]
    assert clock.now_s == pytest.approx(50.2)
    clock.advance(0.2)  # one look of a slow detector
    assert camera.read().at_s == pytest.approx(0.4)


def test_on_a_very_slow_machine_the_clip_slows_down_instead_of_skipping_what_it_shows():
    clock = FakeClock()
    camera = DemoClip(PACED, clock=clock, sleep=clock.advance)
    camera.open()
    times = []
    for _ in range(5):
        times.append(camera.read().at_s)
        clock.advance(3.0)
    steps = np.diff(times)
    assert steps.max() <= 1 / clip.LEAST_FPS + 1e-9


def test_the_clip_can_go_on_for_ever():
    camera = DemoClip(CameraConfig(fps=1, realtime=False), rounds=None)
    assert frames(camera, 100)[-1].at_s == 99


def test_the_story_is_told_in_the_order_of_time():
    ends = [act.until_s for act in STORY]
    assert ends == sorted(set(ends))
    assert shown_at(0.0) == STORY[0].shows
    assert shown_at(LENGTH_S - 0.01) == STORY[-1].shows
    assert shown_at(LENGTH_S) == STORY[0].shows, "from the beginning again"


def test_the_phone_is_in_the_picture_just_while_the_story_says_so():
    for at_s in np.arange(0, LENGTH_S, 0.1):
        assert (position(PHONE, at_s) is not None) == (
            shown_at(at_s) == PHONE_IN_HAND or at_s == PHONE[-1][0]
        )


def test_a_repeated_source_starts_over_at_its_end():
    clock = FakeClock()

    class Short(FakeCamera):
        def open(self):
            self._left = 2
            super().open()

    camera = Repeated(Short(clock, live=False))
    camera.open()
    times = [camera.read().at_s for _ in range(5)]
    assert times == sorted(set(times))
    assert camera.live is False


# ---------------------------------------------------------------- the screen


def test_a_screen_cuts_what_sticks_out():
    screen = Screen(10, 2)
    screen.put(0, 0, "0123456789abc")
    screen.put(7, 1, "long")
    screen.put(0, 5, "nowhere")
    assert screen.text() == "012345678…\n       lo…"


def test_a_message_cannot_smuggle_control_characters_onto_the_terminal():
    screen = Screen(20, 1)
    screen.put(0, 0, "a\x1b[2Jb\nc")
    assert "\x1b[2J" not in screen.ansi()


def replayed(text, width, height):
    """What a terminal shows after these sequences: the characters, row by row."""
    rows = [[" "] * width for _ in range(height)]
    x = y = 0
    for place, style, char in re.findall(r"\x1b\[(\d+;\d+)H|(\x1b\[[\d;]*m)|(.)", text):
        if place:
            y, x = (int(part) - 1 for part in place.split(";"))
        elif not style:
            rows[y][x] = char
            x += 1
    return "\n".join("".join(row).rstrip() for row in rows)


def test_a_terminal_shows_what_the_screen_holds_also_when_only_changes_are_sent():
    before, after = Screen(20, 3), Screen(20, 3)
    before.put(2, 1, "one two three")
    after.put(2, 1, "one 2 three", bold=True)
    after.put(0, 2, "new")
    assert replayed(before.ansi(), 20, 3) == before.text()
    assert replayed(before.ansi() + after.ansi(before), 20, 3) == after.text()
    assert after.ansi(after) == ""


def test_a_terminal_without_all_colours_gets_those_that_it_has():
    screen = Screen(4, 1)
    screen.put(0, 0, "red", ink=(255, 0, 0), ground=(0, 0, 0))
    assert "38;5;196" in screen.ansi(true_colour=False)
    assert "38;2" not in screen.ansi(true_colour=False)


def test_the_svg_is_well_formed_and_holds_the_text_and_the_picture(tmp_path):
    screen = Screen(30, 2)
    screen.put(0, 0, 'level <2> & "more"', ink=(1, 2, 3))
    screen.picture(0, 1, np.full((2, 3, 3), 200, dtype=np.uint8))
    root = ET.fromstring(screen.svg("a <title>"))
    texts = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert 'level <2> & "more"' in texts
    (image,) = root.iter("{http://www.w3.org/2000/svg}image")
    png = tmp_path / "grounds.png"
    png.write_bytes(base64.b64decode(image.get("href").split(",")[1]))
    grounds = load_picture(png)
    assert grounds.shape == (4, 30, 3)
    assert (grounds[2:, :3] == 200).all(), "the picture is there, two pixels to a cell"
    assert (grounds[:2] == GROUND).all()


def test_a_thumbnail_is_the_mean_of_what_it_covers():
    image = np.zeros((480, 640, 3), dtype=np.uint8)
    image[:, 320:] = 200
    small = thumbnail(image, 40, 30)
    assert small.shape == (30, 40, 3)
    assert (small[:, :20] == 0).all()
    assert (small[:, 20:] == 200).all()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (112, 34), (200, 60), (80, 60), (300, 24)])
def test_everything_fits_on_a_screen_of_any_size(width, height):
    at = lay_out(width, height)
    assert at.panel_x + 36 <= width
    assert at.rows <= height - 8 or height == 24
    assert height - 1 - at.messages_y >= 5
    assert at.columns / at.rows == pytest.approx(8 / 3, rel=0.1)


def snapshot(**changes):
    seat = SeatState(
        "desk", Activity.PHONE, since_s=10.0, level=Level.SOUND, reason="phone in hand for 6 s"
    )
    state = State(
        at_s=16.0,
        session=Session.FOCUS,
        until_s=76.0,
        seats=(seat,),
        totals=(Totals(pickups=1, phone_s=6.0),),
        mode="strict",
    )
    values = {
        "at_s": 16.0,
        "source": "a test",
        "shows": "the phone in the hand",
        "broker": "127.0.0.1:1883",
        "state": state,
        "image": np.full((48, 64, 3), 90, dtype=np.uint8),
        "detections": (Detection("phone", 0.71, Box(0.2, 0.2, 0.6, 0.6)),),
        "pattern": LightPattern(Color.RED, 0.5, 0.5),
        "tune": Tune("chirp", ()),
        "levels": Levels((1.0, 0.0, 0.0), (0.5, 0.5), 880.0),
        "messages": (
            ("event", '{"id":"1","type":"pickup","details":{"median":0.7}}'),
            ("state", '{"level":2}'),
        ),
    }
    return Snapshot(**(values | changes))


def test_the_screen_tells_the_whole_chain():
    text = draw(snapshot()).text()
    for part in (
        "the phone in the hand",
        "phone .71",
        "focus, 1:00 left, strict",
        "phone, 0:06",
        "2 sound",
        "phone in hand for 6 s",
        "red, blinking",
        "880 Hz",
        "event type pickup, median 0.7",
        "state level 2",
        "simulated: lights, buzzer, button",
    ):
        assert part in text


def test_the_lights_on_the_screen_are_those_of_the_pins():
    lit, dark = draw(snapshot()), draw(snapshot(levels=Levels((0.0, 0.0, 0.0), (0.0, 0.0), 0.0)))
    assert "38;2" in lit.ansi(dark), "they differ"
    assert "♪" in lit.text()
    assert "♪" not in dark.text()


def test_a_closed_camera_shows_no_picture():
    assert "the camera is off" in draw(snapshot(image=None, detections=())).text()


def test_of_what_replaces_the_one_before_only_the_newest_is_shown():
    messages = [("state", "1"), ("event", "a"), ("state", "2"), ("event", "b"), ("health", "x")]
    assert newest(messages) == [("event", "a"), ("state", "2"), ("event", "b"), ("health", "x")]


@pytest.mark.parametrize(
    ("payload", "brief"),
    [
        ("online", "online"),
        ("[1, 2]", "[1, 2]"),
        ('{"id":"x","at":"now"}', '{"id":"x","at":"now"}'),
        (
            '{"at":"now","level":0,"reason":"","seats":{"desk":{}},"muted":false}',
            "level 0, muted False",
        ),
    ],
)
def test_a_message_in_brief(payload, brief):
    assert in_brief(payload) == brief


@pytest.mark.parametrize(("seconds", "text"), [(5, "0:05"), (65.4, "1:05"), (3725, "1:02:05")])
def test_durations_as_a_clock_shows_them(seconds, text):
    assert duration(seconds) == text


# ---------------------------------------------------------------- what it came to


def story(*moments):
    told = Story()
    for at_s, shows, activity, level, sounds in moments:
        told.add(Moment(at_s, shows, activity, level, sounds))
    return told


WORK, HAND = "working", PHONE_IN_HAND


def test_a_pickup_is_timed_from_what_the_clip_shows():
    figures = story(
        (0.0, WORK, Activity.WORKING, Level.NONE, False),
        (10.0, HAND, Activity.WORKING, Level.NONE, False),
        (12.0, HAND, Activity.PHONE, Level.LIGHT, False),
        (15.0, HAND, Activity.PHONE, Level.SOUND, True),
        (20.0, WORK, Activity.PHONE, Level.SOUND, True),
        (20.4, WORK, Activity.PHONE, Level.LIGHT, False),
        (22.0, WORK, Activity.WORKING, Level.NONE, False),
    ).figures()
    assert figures == {
        "pickups_shown": 1,
        "pickups_noticed": 1,
        "to_notice_s": [2.0],
        "to_light_s": [2.0],
        "to_sound_s": [5.0],
        "to_silence_s": [0.4],
        "to_dark_s": [2.0],
        "false_pickups": [],
        "false_sounds": 0,
    }


def test_a_pickup_that_was_missed_is_said():
    told = story((0.0, HAND, Activity.WORKING, Level.NONE, False))
    assert told.figures()["pickups_noticed"] == 0
    assert "was not noticed" in "\n".join(told.lines())


def test_a_sound_without_a_phone_in_the_hand_is_counted():
    told = story(
        (0.0, WORK, Activity.WORKING, Level.NONE, False),
        (1.0, WORK, Activity.PHONE, Level.SOUND, True),
        (2.0, WORK, Activity.WORKING, Level.NONE, False),
        (3.0, "a calculator in the hand", Activity.PHONE, Level.SOUND, True),
    )
    assert told.figures()["false_sounds"] == 2
    assert "False sounds: 2." in list(told.lines())


def test_what_was_taken_for_a_phone_is_said_with_whether_it_lit():
    told = story(
        (0.0, WORK, Activity.WORKING, Level.NONE, False),
        (3.0, "a calculator in the hand", Activity.PHONE, Level.NONE, False),
        (3.5, "a calculator in the hand", Activity.PHONE, Level.LIGHT, False),
        (6.0, WORK, Activity.WORKING, Level.NONE, False),
        (8.0, HAND, Activity.PHONE, Level.LIGHT, False),
        (9.0, WORK, Activity.PHONE, Level.LIGHT, False),
        (11.0, WORK, Activity.WORKING, Level.NONE, False),
        (12.0, "a cup", Activity.PHONE, Level.NONE, False),
    )
    assert told.figures()["false_pickups"] == ["a calculator in the hand", "a cup"]
    lines = list(told.lines())
    assert "Wrongly counted as a pick-up, with a light: a calculator in the hand." in lines
    assert "Wrongly counted as a pick-up: a cup." in lines


def test_of_a_source_that_says_nothing_nothing_is_claimed():
    told = story((0.0, "", Activity.PHONE, Level.SOUND, True))
    assert list(told.lines()) == []
    assert told.figures()["pickups_shown"] == 0


def test_silence_is_claimed_for_what_was_shown_only():
    told = story(
        (0.0, WORK, Activity.WORKING, Level.NONE, False),
        (1.0, "a cup", Activity.WORKING, Level.NONE, False),
        (2.0, WORK, Activity.WORKING, Level.NONE, False),
    )
    assert list(told.lines()) == ["No sound for: working; a cup."]


# ---------------------------------------------------------------- the whole of it

DEMO = [sys.executable, "-m", "edge", "demo"]
CLIP = [*DEMO, "--source", "clip", "--set", "camera.fps=5"]
PATIENCE_S = 900  # the machine may be busy with other things; a healthy run takes half a minute


def finished(command, **options):
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, **options
    )


def test_the_shipped_model_sees_what_the_clip_shows(shipped_model):
    done = finished([*CLIP, "--fast", "--json"])
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["pickups_noticed"] == figures["pickups_shown"] == 1
    assert figures["to_sound_s"][0] is not None
    assert figures["to_silence_s"][0] < 1.0, "seconds of the clip, not of this machine"
    assert figures["false_sounds"] == 0
    assert figures["messages"]["event"] >= 4
    assert figures["messages"]["availability"] >= 1


def test_a_pipe_gets_a_line_for_each_change_and_no_control_sequences(shipped_model, tmp_path):
    picture = tmp_path / "demo.svg"
    done = finished([*CLIP, "--fast", "--seconds", "3", "--screenshot", str(picture)])
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert re.search(r"s +session +focus", done.stdout)
    assert re.search(r"s +mqtt +procrastobot/demo/state \{", done.stdout)
    # Said before the first light is, not only in the sum at the end.
    assert re.search(r"s +simulated +lights, buzzer, button\n(.*\n)*.*s +lights ", done.stdout)
    assert "Simulated here: lights, buzzer, button." in done.stdout
    ET.parse(picture)


class Terminal:
    """A demo on a terminal of its own, 80 x 24, that can be typed into."""

    def __init__(self, command):
        self._fd, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self._process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=os.environ | {"TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""
        self.deadline_s = time.monotonic() + PATIENCE_S

    def until(self, text):
        """Read until it is shown; fail when the demo ends first."""
        while text not in self.shown:
            assert self._read(), f"the demo ended before it showed {text!r}: {self.shown[-300:]}"

    def type(self, keys):
        os.write(self._fd, keys.encode())

    def signal(self, number):
        self._process.send_signal(number)

    def exit_code(self):
        while self._read():
            pass
        os.close(self._fd)
        return self._process.wait(PATIENCE_S)

    def close(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _read(self):
        assert time.monotonic() < self.deadline_s
        if not select.select([self._fd], [], [], 1.0)[0]:
            return True
        try:
            data = os.read(self._fd, 65536)
        except OSError:
            return False
        self.shown += data.decode("utf-8", "replace")
        return bool(data)


@pytest.mark.parametrize("end", ["q", "SIGTERM"])
def test_a_terminal_gets_the_screen_and_is_left_as_it_was(shipped_model, request, end):
    terminal = Terminal([*CLIP, "--loop"])
    request.addfinalizer(terminal.close)
    terminal.until("\x1b[?1049h")
    terminal.until("▀")
    terminal.until("session")
    if end == "q":
        terminal.type("q")
    else:
        terminal.signal(signal.SIGTERM)
    assert terminal.exit_code() == 0
    assert "\x1b[?1049l" in terminal.shown
    assert "\x1b[?25h" in terminal.shown
    assert "Simulated here" in terminal.shown.split("\x1b[?1049l")[1]


def test_a_source_that_is_not_there_is_said_and_gives_78(tmp_path):
    done = finished([*DEMO, "--source", str(tmp_path / "none.mp4")])
    assert done.returncode == 78
    assert "there is no" in done.stderr


def test_the_parts_of_the_clip_are_small():
    folder = Path(clip.__file__).parent / "assets"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 500_000


def test_every_part_of_the_clip_says_where_it_comes_from():
    folder = Path(clip.__file__).parent / "assets"
    told = (folder / "SOURCES.md").read_text()
    names = re.findall(r"`([a-z0-9*-]+)(?:\.png)?`", told)
    untold = [
        path.name
        for path in folder.glob("*.png")
        if not any(fnmatch.fnmatch(path.stem, name) for name in names)
    ]
    assert untold == []
