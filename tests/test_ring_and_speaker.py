"""Every shipped board on simulated pins; what goes over the wire to a ring and to a speaker."""

from __future__ import annotations

import os
import shutil
import stat
import time
import wave
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest

from edge.commands.selftest import PARTS, Verdict, examine
from edge.config import Config, HardwareConfig
from edge.devices import guard, profile, speaker
from edge.devices.board import BoardError, open_board
from edge.devices.buzzer import SILENCE, Tone
from edge.devices.pins import PinsMissing
from edge.devices.profile import RingLight, load
from edge.devices.ring import Ring, open_ring, ring_colors
from edge.devices.speaker import RATE_HZ, SpeakerBuzzer, aplay, samples_of, samples_of_file
from edge.devices.terminal import levels
from edge.domain import Color, LightPattern, Note, Tune

LIGHT = RingLight(count=3, brightness=0.2)
LONG = Tune("long", (Note(880, 30.0),))


def eventually(condition: Callable[[], bool], patience_s: float = 5.0) -> None:
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s, "it never came to be"
        time.sleep(0.005)


# ---------------------------------------------------------------- every board that is shipped


@pytest.mark.parametrize("name", profile.names())
def test_every_shipped_board_opens_on_simulated_pins_and_passes_the_selftest(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.commands.selftest.LIT_S", 0.05)
    config = Config(hardware=HardwareConfig(board=name, pins="simulated"))
    board = load(name)
    findings = {each.part: each for each in examine(config, PARTS[:4], None)}
    there = {
        "status light": board.status or board.ring,
        "warning lights": board.warnings,
        "buzzer": board.buzzer or board.speaker,
        "button": board.button,
    }
    for part, built in there.items():
        expected = Verdict.SIMULATED if built else Verdict.SKIPPED
        assert findings[part].verdict is expected, findings[part]


@pytest.mark.parametrize("name", [name for name in profile.names() if name != "none"])
def test_every_shipped_board_shows_and_sounds_and_is_dark_when_closed(name: str) -> None:
    def seen() -> tuple[tuple[float, ...], bool]:
        found = levels(
            board.profile, board.pins.factory, ring=board.lights.ring, tone=board.buzzer.tone
        )
        return found.status, found.buzzer_hz > 0

    inbox: SimpleQueue[object] = SimpleQueue()
    board = open_board(HardwareConfig(board=name, pins="simulated"), inbox=inbox)
    with board:
        board.lights.show(LightPattern(color=Color.RED, warning=1.0))
        board.buzzer.play(LONG)
        eventually(lambda: seen() == ((1, 0, 0), True))
        board.buzzer.play(None)
        eventually(lambda: seen() == ((1, 0, 0), False))
        board.lights.show(LightPattern())
        eventually(lambda: seen() == ((0, 0, 0), False))


# ---------------------------------------------------------------- the ring


def test_the_wire_of_a_ring_carries_three_bits_for_each_of_its() -> None:
    sent = guard.ring_bytes(bytes([0b10100000]))
    latch = len(sent) - 3
    bits = "".join(f"{byte:08b}" for byte in sent)[latch * 4 :][:24]
    assert bits == "110100110" + "100" * 5
    assert not any(sent[: latch // 2] + sent[latch // 2 + 3 :])


def test_the_wire_of_a_ring_keeps_the_times_of_the_data_sheet() -> None:
    bit_us = 1e6 / guard.SPI_HZ
    assert 0.25 <= bit_us <= 0.55  # high of a 0: 0.4 us, 0.15 more or less
    assert 0.65 <= 2 * bit_us <= 0.95  # high of a 1: 0.8 us
    latch = (len(guard.ring_bytes(b"\0")) - 3) // 2
    assert latch * 8 * bit_us >= 280  # WS2812B: 280 us of low take the colours over


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        pytest.param((0, 0, 0), (0, 0, 0), id="dark"),
        pytest.param((1, 0, 0), (0, 51, 0), id="green comes first on the wire"),
        pytest.param((9, 0.5, 0.001), (26, 51, 1), id="never above the cap, never dim to nothing"),
    ],
)
def test_a_ring_is_as_bright_as_its_board_allows(
    rgb: tuple[float, float, float], expected: tuple[int, int, int]
) -> None:
    assert ring_colors(LIGHT, rgb) == bytes(expected) * 3


def test_a_ring_is_dark_from_the_start_and_when_it_is_closed() -> None:
    sent: list[bytes] = []
    ring = Ring(LIGHT, sent.append)
    ring.value = (0, 1, 0)
    ring.close()
    assert [any(colors) for colors in sent] == [False, True, False]


def test_a_ring_without_spi_says_what_brings_it() -> None:
    with pytest.raises(PinsMissing, match="dtparam=spi=on"):
        open_ring(RingLight(count=1, device="/dev/spidev9.9"), simulated=False)


def test_the_guard_darkens_a_ring_and_says_when_it_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dark = load("ring").dark()
    assert dark["/dev/spidev0.0"] == 12
    sent: dict[str, bytes] = {}
    monkeypatch.setattr(guard, "write_ring", sent.__setitem__)
    monkeypatch.setattr(guard, "drive", lambda chip, pin, level: None)
    assert guard.darken("/dev/gpiochip0", dark) == []
    assert sent == {"/dev/spidev0.0": bytes(36)}
    monkeypatch.undo()
    record = tmp_path / "dark-pins"
    guard.record(str(record), str(tmp_path / "chip"), {"/dev/spidev9.9": 12})
    assert guard.main(["--now", "--record", str(record)]) == 1


# ---------------------------------------------------------------- the speaker


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program called aplay that keeps what it is given, at the pace of a sound card."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "aplay"
    sink = tmp_path / "heard"
    program.write_text(
        "#!/usr/bin/env python3\n"
        "import os, time\n"
        f"out = open({str(sink)!r}, 'ab', buffering=0)\n"
        "while data := os.read(0, 2205):\n"
        "    out.write(data)\n"
        f"    time.sleep(len(data) / {2 * RATE_HZ})\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return sink


def pitch_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples.astype(float)))
    return float(np.argmax(spectrum) * RATE_HZ / len(samples))


@pytest.mark.parametrize("hz", [220.0, 880.0, 2093.0])
def test_a_tone_has_its_pitch_and_begins_and_ends_softly(hz: float) -> None:
    samples = np.concatenate(list(samples_of(Tone(hz, 1.0), 0.5)))
    assert len(samples) == RATE_HZ // 2
    assert abs(pitch_hz(samples) - hz) <= 2
    assert max(abs(int(samples[0])), abs(int(samples[-1]))) < 400
    assert np.abs(samples).max() <= 32767 * 0.5 + 1


def test_a_softer_tone_is_softer_and_silence_is_nothing() -> None:
    loud, soft = (
        np.abs(np.concatenate(list(samples_of(Tone(880, v), 0.2)))).max() for v in (1, 0.25)
    )
    assert soft == pytest.approx(loud / 4, rel=0.02)
    assert not np.concatenate(list(samples_of(SILENCE, 0.2))).any()


def test_a_tune_reaches_the_sound_card_whole_and_ends(heard: Path) -> None:
    player = SpeakerBuzzer(aplay("default"), description="test", simulated=False)
    player.play(Tune("two", (Note(440, 0.1), Note(0, 0.05), Note(1760, 0.1))))
    eventually(lambda: heard.exists() and heard.stat().st_size >= 2 * round(0.25 * RATE_HZ) - 8)
    eventually(lambda: player.tone == SILENCE)
    player.close()
    samples = np.frombuffer(heard.read_bytes(), np.int16)
    assert len(samples) == pytest.approx(0.25 * RATE_HZ, abs=3)
    assert pitch_hz(samples[: RATE_HZ // 10]) == pytest.approx(440, abs=10)
    assert pitch_hz(samples[-RATE_HZ // 10 :]) == pytest.approx(1760, abs=10)


def test_silence_is_at_once(heard: Path) -> None:
    player = SpeakerBuzzer(aplay("default"), description="test", simulated=False)
    player.play(LONG)
    eventually(lambda: heard.exists() and heard.stat().st_size > 4000)
    player.play(None)
    eventually(lambda: player.tone == SILENCE, patience_s=1.0)
    size = heard.stat().st_size
    player.close()
    assert heard.stat().st_size == size
    assert size < 3 * 2 * RATE_HZ, "it was never given more than it had time for"


def test_a_new_tune_takes_the_place_of_the_old(heard: Path) -> None:
    player = SpeakerBuzzer(aplay("default"), description="test", simulated=False)
    player.play(LONG)
    eventually(lambda: player.tone.frequency_hz == 880)
    player.play(Tune("other", (Note(440, 30.0),)))
    eventually(lambda: player.tone.frequency_hz == 440)
    player.close()
    assert player.tone == SILENCE


def test_a_sound_card_that_refuses_is_told_to_the_next_caller(
    heard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = heard.parent / "bin" / "aplay"
    program.write_text(
        "#!/bin/sh\nexec 0<&-\necho 'audio open error: no such device' >&2\nexit 1\n"
    )
    player = SpeakerBuzzer(aplay("default"), description="speaker default", simulated=False)
    player.play(LONG)

    def told() -> bool:
        try:
            player.play(LONG)
        except OSError as exc:
            return "speaker default: audio open error: no such device" in str(exc)
        time.sleep(0.1)
        return False

    eventually(told)
    player.close()


def sound_file(path: Path, *, hz: float, seconds: float) -> Path:
    """As a recorder makes them: stereo, at a rate of its own."""
    at = np.arange(round(seconds * 44_100)) / 44_100
    one = (16_000 * np.sin(2 * np.pi * hz * at)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes(np.repeat(one, 2).tobytes())
    return path


def test_a_sound_file_is_played_at_its_pitch_and_no_longer_than_it_may_sound(
    heard: Path, tmp_path: Path
) -> None:
    path = sound_file(tmp_path / "own.wav", hz=660, seconds=0.4)
    player = SpeakerBuzzer(aplay("default"), description="test", simulated=False)
    player.play(Tune("own", (), 0.5, repeat_s=0.5, at_most_s=0.7, file=str(path)))
    eventually(lambda: player.tone != SILENCE)
    eventually(lambda: heard.exists() and heard.stat().st_size >= 2 * round(0.7 * RATE_HZ) - 8)
    player.close()
    samples = np.frombuffer(heard.read_bytes(), np.int16)
    assert len(samples) <= round(0.7 * RATE_HZ)
    assert pitch_hz(samples[: RATE_HZ // 4]) == pytest.approx(660, abs=5)
    assert np.abs(samples).max() == pytest.approx(8000, rel=0.1)


def test_a_file_that_is_no_sound_is_named(tmp_path: Path) -> None:
    path = tmp_path / "own.wav"
    path.write_bytes(b"not a sound")
    with pytest.raises(OSError, match="no sound file that can be read"):
        list(samples_of_file(path, 1.0))


def test_a_machine_without_a_sound_card_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaker, "CARDS", Path("/nowhere"))
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    inbox: SimpleQueue[object] = SimpleQueue()
    with open_board(HardwareConfig(board="usb-speaker"), inbox=inbox) as board:
        assert board.buzzer.simulated
        assert board.buzzer.description == "simulated speaker (this kernel has no sound)"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    own = load("usb-speaker").speaker
    assert own is not None
    with pytest.raises(PinsMissing, match="apt install alsa-utils"):
        speaker.open_speaker(own, "real")


def test_a_board_with_a_speaker_that_is_not_there_is_an_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(speaker, "CARDS", Path("/nowhere"))
    path = tmp_path / "board.toml"
    path.write_text('[speaker]\nkind = "usb"\n', encoding="utf-8")
    with pytest.raises(BoardError, match="hardware:"):
        open_board(HardwareConfig(board=str(path), pins="real"), inbox=SimpleQueue())


@pytest.mark.skipif(shutil.which("aplay") is None, reason="needs aplay (alsa-utils)")
def test_the_real_aplay_takes_what_is_written_to_it() -> None:
    tones: list[Tone] = []  # the null device takes all of it in a moment that a look would miss

    class Heard(SpeakerBuzzer):
        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            if isinstance(value, Tone):
                tones.append(value)

    player = Heard(aplay("null"), description="null", simulated=False)
    player.play(Tune("short", (Note(880, 0.2),)))
    eventually(lambda: any(tone != SILENCE for tone in tones) and tones[-1] == SILENCE)
    player.play(None)  # raises what went wrong
    player.close()
