"""Tunes as text (RTTTL), a library of them, and how loud each may be. Pure.

RTTTL is what phones once took ring tones in: "name:d=8,o=5,b=120:a,p,d6". A tune of the owner's
own comes from the configuration, a file or a command; what is refused says what would do.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from enum import StrEnum

from edge.domain import Note, Tune

MOST_NOTES = 64
LONGEST_S = 5.0
LONGEST_TEXT = 600
DURATIONS = (1, 2, 4, 8, 16, 32)
SLOWEST, FASTEST = 25, 400  # quarter notes a minute
_NOTE = re.compile(r"(\d{0,2})([a-hp])(#?)(\.?)([4-8]?)(\.?)")
_SEMITONES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11, "h": 11}


class NoTune(ValueError):
    """The text is no tune; the message says what would do."""


class Loudness(StrEnum):
    """How much a tune gets at: ears and piezos are most sensitive from 2 to 5 kHz (ISO 226)."""

    SOFT = "soft"
    PLAIN = "plain"
    PIERCING = "piercing"


# Of the volume that a chirp may have, so that a high one is no louder than a low one.
SHARES = {Loudness.SOFT: 0.7, Loudness.PLAIN: 0.5, Loudness.PIERCING: 0.3}


@dataclass(frozen=True, slots=True)
class Melody:
    name: str
    notes: tuple[Note, ...]

    @property
    def length_s(self) -> float:
        return sum(note.duration_s for note in self.notes)

    @property
    def loudness(self) -> Loudness:
        highest_hz = max(note.frequency_hz for note in self.notes)
        if highest_hz < 1000:
            return Loudness.SOFT
        return Loudness.PLAIN if highest_hz < 2000 else Loudness.PIERCING


# Made for this box: short, and with an end that one does not wait for.
LIBRARY_TEXT = (
    "two-up:d=16,o=5,b=180:a,p,d6",
    "teaspoon:d=16,o=6,b=150:e,8p,e,16p,g",
    "stairs:d=8,o=5,b=220:c,e,g,4b",
    "doormat:d=8,o=5,b=140:g.,16p,4d#",
    "question:d=8,o=4,b=160:d,f,d,4a#",
    "lighthouse:d=4,o=4,b=120:g#,8p,8d#5",
    "drops:d=16,o=6,b=120:d,8p,a5,8p,f5",
    "ahem:d=8,o=4,b=200:f#,p,f#,4e",
    "yawn:d=4,o=5,b=130:a#,g,8p,2d",
    "marbles:d=32,o=6,b=110:c,e,g#,d,f#,a#,8c",
    "evening:d=4,o=4,b=150:e,g#,8f#,2b",
    "three-knocks:d=16,o=7,b=83:c,32p,c,32p,c,32p",
    "beacon:d=8,o=7,b=140:d#,p,d#,16p,4g",
    "scale-up:d=8,o=5,b=200:e,g,4c6",
)


def parse(text: str) -> Melody:
    """RTTTL as a melody. Raises NoTune."""
    if len(text) > LONGEST_TEXT:
        raise NoTune(f"{len(text)} characters; at most {LONGEST_TEXT}")
    name, *rest = text.strip().split(":")
    if len(rest) != 2:
        raise NoTune("a tune is NAME:d=8,o=5,b=120:NOTES, with two colons")
    name = name.strip()
    if not re.fullmatch(r"[A-Za-z0-9 _-]{1,20}", name):
        raise NoTune("its name has 1 to 20 letters, digits, blanks, - and _")
    duration, octave, beats = _defaults(rest[0])
    notes = tuple(
        _note(each, duration, octave, beats) for each in re.split(r"[,\s]+", rest[1].strip(", \n"))
    )
    if len(notes) > MOST_NOTES:
        raise NoTune(f"{len(notes)} notes; at most {MOST_NOTES}")
    melody = Melody(name, notes)
    if not any(note.frequency_hz for note in notes):
        raise NoTune("it has no note that sounds")
    if melody.length_s > LONGEST_S:
        raise NoTune(f"{melody.length_s:.1f} s; at most {LONGEST_S:g}")
    return melody


def _defaults(text: str) -> tuple[int, int, int]:
    found = {"d": 4, "o": 6, "b": 63}
    for each in filter(None, re.split(r"[,\s]+", text.lower())):
        match = re.fullmatch(r"([dob])=(\d{1,3})", each)
        if match is None:
            raise NoTune(f"{each[:20]!r} is none of d=, o= and b=")
        found[match[1]] = int(match[2])
    if found["d"] not in DURATIONS:
        raise NoTune(f"d={found['d']}: one of {', '.join(map(str, DURATIONS))}")
    if not 4 <= found["o"] <= 8:
        raise NoTune(f"o={found['o']}: from 4 to 8")
    if not SLOWEST <= found["b"] <= FASTEST:
        raise NoTune(f"b={found['b']}: from {SLOWEST} to {FASTEST}")
    return found["d"], found["o"], found["b"]


def _note(text: str, duration: int, octave: int, beats: int) -> Note:
    match = _NOTE.fullmatch(text.lower())
    if match is None:
        raise NoTune(f"{text[:20]!r} is no note; 8a#5. is one")
    length, letter, sharp, dot, high, late_dot = match.groups()
    whole = int(length or duration)
    if whole not in DURATIONS:
        raise NoTune(f"{text[:20]!r}: its length is one of {', '.join(map(str, DURATIONS))}")
    duration_s = 240 / beats / whole * (1.5 if dot or late_dot else 1)
    if letter == "p":
        return Note(0.0, duration_s)
    semitone = _SEMITONES[letter] + bool(sharp) + 12 * (int(high or octave) + 1)
    return Note(round(440 * 2 ** ((semitone - 69) / 12), 1), duration_s)


LIBRARY: dict[str, Melody] = {
    melody.name: melody for melody in (parse(text) for text in LIBRARY_TEXT)
}


@functools.lru_cache(maxsize=16)
def find(text: str) -> Melody:
    """A tune of the library by its name, or one that is written out. Raises NoTune."""
    if text in LIBRARY:
        return LIBRARY[text]
    if ":" in text:
        return parse(text)
    raise NoTune(f"one of {', '.join(LIBRARY)}; or one written out, NAME:d=8,o=5,b=120:NOTES")


def is_file(text: str) -> bool:
    """Whether this names a file: of a tune written out, or of sound."""
    return "/" in text and ":" not in text


def is_written(path: str) -> bool:
    """Whether a file is one of RTTTL, by its name."""
    return path.lower().endswith((".rtttl", ".txt"))


def chosen(text: str, otherwise: str) -> tuple[Melody, str]:
    """The melody to play, and the sound file in its place (empty: none). `otherwise` is for what
    only a speaker can play, and for what is no tune."""
    if is_file(text):
        return LIBRARY[otherwise], text
    try:
        return find(text or otherwise), ""
    except NoTune:
        return LIBRARY[otherwise], ""


def chirp(melody: Melody, *, volume: float, every_s: float, at_most_s: float, file: str) -> Tune:
    """Now and then, softly: at least a second of silence before it comes again."""
    every_s = max(every_s, melody.length_s + 1.0)
    share = SHARES[melody.loudness]
    return Tune("chirp", melody.notes, volume * share, every_s, at_most_s, file)


def loud(melody: Melody, *, volume: float, every_s: float, at_most_s: float, file: str) -> Tune:
    return Tune("loud", melody.notes, volume, max(every_s, melody.length_s + 0.2), at_most_s, file)
