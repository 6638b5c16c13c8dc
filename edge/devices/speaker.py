"""A small speaker in place of the buzzer, played through ALSA's own `aplay`.

Measured against the libraries that could do it: `aplay` is on every Raspberry Pi OS, costs the box
no memory while it is silent, and a speaker that hangs takes down a process of its own. Sound files
are decoded by PyAV, which is there for the camera.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from edge.devices.buzzer import SILENCE, Tone, tones
from edge.devices.pins import PinsMissing
from edge.devices.profile import Speaker
from edge.domain import Tune

RATE_HZ = 22_050
AHEAD_S = 0.2  # how much ALSA may hold: no longer does it play on for when this process is killed
_CHUNK_S = 0.05
_RAMP_S = 0.004  # in and out of a note: no clicks
_LOUDEST = 0.5  # of full scale: small speakers and amplifiers distort above
CARDS = Path("/proc/asound/cards")


Samples = NDArray[np.int16]


def samples_of(tone: Tone, duration_s: float) -> Iterator[Samples]:
    """The tone as sound, in pieces: the fundamental and a little of two overtones."""
    count = round(duration_s * RATE_HZ)
    ramp = max(1, min(count // 2, round(_RAMP_S * RATE_HZ)))
    chunk = round(_CHUNK_S * RATE_HZ)
    for start in range(0, count, chunk):
        at = np.arange(start, min(start + chunk, count))
        if tone.volume <= 0:
            yield np.zeros(len(at), np.int16)
            continue
        phase = at * (2 * math.pi * tone.frequency_hz / RATE_HZ)
        wave = np.sin(phase) + 0.25 * np.sin(2 * phase) + 0.1 * np.sin(3 * phase)
        envelope = np.clip(np.minimum(at + 1, count - at) / ramp, 0, 1)
        yield (wave / 1.35 * envelope * (32767 * _LOUDEST * tone.volume)).astype(np.int16)


def samples_of_file(path: Path, volume: float) -> Iterator[Samples]:
    """A sound file as it is, no louder than `volume`. Raises OSError when it is none."""
    import av

    try:
        with av.open(str(path)) as container:
            resample = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
            for frame in container.decode(audio=0):
                for each in resample.resample(frame):
                    yield (each.to_ndarray()[0] * volume).astype(np.int16)
    except (av.FFmpegError, IndexError) as exc:
        raise OSError(f"{path} is no sound file that can be read: {exc}") from exc


class SpeakerBuzzer:
    """Plays tunes and sound files as one buzzer; a thread feeds `aplay`, a new tune ends the old.

    What goes wrong while playing is raised to the next caller of `play`.
    """

    def __init__(self, command: tuple[str, ...], *, description: str, simulated: bool) -> None:
        self.description = description
        self.simulated: bool | None = simulated
        self.tone = SILENCE  # what sounds now
        self._command = command
        self._failures: SimpleQueue[Exception] = SimpleQueue()
        self._turn = threading.Condition()
        self._turns = 0  # how often `play` was called
        self._wanted: Tune | None = None
        self._closed = False
        self._player: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="speaker", daemon=True)
        self._thread.start()

    def play(self, tune: Tune | None) -> None:
        self._turn_to(tune)
        with contextlib.suppress(Empty):
            raise self._failures.get_nowait()

    def close(self) -> None:
        self._closed = True
        self._turn_to(None)
        self._thread.join(2)

    def _turn_to(self, tune: Tune | None) -> None:
        with self._turn:
            self._wanted = tune
            self._turns += 1
            self._turn.notify()
        player = self._player
        if player is not None:
            player.kill()  # at once, without what it has buffered, and even where it hangs

    def _turned(self, since: int, within_s: float = 0.0) -> bool:
        """Whether there is something else to play by now, or within some seconds."""
        with self._turn:
            return self._turn.wait_for(lambda: self._turns != since, within_s)

    def _run(self) -> None:
        done = 0
        while not self._closed:
            with self._turn:
                self._turn.wait_for(lambda: self._turns != done)  # noqa: B023
                tune, done = self._wanted, self._turns
            if tune is None:
                continue
            try:
                self._perform(tune, done)
            except Exception as exc:  # noqa: BLE001  the next caller of play() gets it
                self._failures.put(exc)
            finally:
                self.tone = SILENCE

    def _perform(self, tune: Tune, turn: int) -> None:
        if not self._command:
            for tone, duration_s in tones(tune):
                self.tone = tone
                if self._turned(turn, duration_s):
                    return
            return
        player = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is meant for this process
        )
        assert player.stdin is not None
        assert player.stderr is not None
        # What waits in the pipe would sound on after this process is killed.
        fcntl.fcntl(player.stdin, fcntl.F_SETPIPE_SZ, 4096)
        self._player = player
        try:
            for tone, chunk in _chunks(tune):
                self.tone = tone
                if self._turned(turn):
                    return
                player.stdin.write(chunk.tobytes())
            player.stdin.close()
            while player.poll() is None:
                if self._turned(turn, 0.02):
                    return
        except BrokenPipeError:
            if self._turned(turn):
                return
            said = player.stderr.read(400).decode("utf-8", "replace").strip()
            raise OSError(f"{self.description}: {said or 'aplay ended'}") from None
        finally:
            self._player = None
            player.kill()
            player.wait()
            with contextlib.suppress(OSError):
                player.stdin.close()
            player.stderr.close()


def _chunks(tune: Tune) -> Iterator[tuple[Tone, Samples]]:
    if tune.file and tune.volume > 0:
        yield from _file_chunks(tune)
        return
    for tone, duration_s in tones(tune):
        for chunk in samples_of(tone, duration_s):
            yield tone, chunk


def _file_chunks(tune: Tune) -> Iterator[tuple[Tone, Samples]]:
    """The file as often as the tune repeats, and no longer than it may sound."""
    sounding = Tone(0.0, tune.volume)
    left = round(tune.at_most_s * RATE_HZ)
    while left > 0:
        played = 0
        for chunk in samples_of_file(Path(tune.file), tune.volume):
            yield sounding, chunk[:left]
            played += len(chunk)
            left -= len(chunk)
            if left <= 0:
                return
        if tune.repeat_s <= 0 or played == 0:
            return
        pause = max(0, round(tune.repeat_s * RATE_HZ) - played)
        for start in range(0, pause, RATE_HZ // 20):
            yield SILENCE, np.zeros(min(RATE_HZ // 20, pause - start), np.int16)
        left -= pause


def aplay(device: str) -> tuple[str, ...]:
    """The command that plays what is written to it."""
    return (
        "aplay", "--quiet", "--file-type=raw", "--format=S16_LE", "--channels=1",
        f"--rate={RATE_HZ}", f"--buffer-time={round(AHEAD_S * 1e6)}", f"--device={device}",
    )  # fmt: skip


def open_speaker(speaker: Speaker, pins: str) -> SpeakerBuzzer:
    """pins: as `hardware.pins` says. Raises PinsMissing for real ones where there is none."""
    why = "as configured" if pins == "simulated" else _missing()
    if not why:
        description = f"speaker {speaker.device}"
        return SpeakerBuzzer(aplay(speaker.device), description=description, simulated=False)
    if pins == "real":
        raise PinsMissing(why)
    return SpeakerBuzzer((), description=f"simulated speaker ({why})", simulated=True)


def _missing() -> str:
    """Why nothing can be played; empty: it can."""
    if shutil.which("aplay") is None:
        return "there is no aplay: apt install alsa-utils"
    try:
        cards = CARDS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "this kernel has no sound"
    return "there is no sound card" if "no soundcards" in cards or not cards.strip() else ""
