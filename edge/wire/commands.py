"""Every command, and what arrives for one -> a Command, or a Refusal that says why. Pure.

A payload is a bare word or number, which is the first field, or a JSON object with the fields.
Nothing here changes anything, raises anything, or lets a value through that is out of its range.
To add a command, add it to `COMMANDS`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge import tunes
from edge.config import Config
from edge.decide import LONGEST_GRACE_S, PARTS, SOUNDS
from edge.domain import (
    EMPTY_S,
    NAME_MOST,
    OWN,
    Command,
    Forget,
    Mute,
    MyPhone,
    NotAPhone,
    Session,
    SessionAction,
    SetGrace,
    SetMode,
    SetSession,
    SetTune,
    SetVolume,
    Snooze,
    Teach,
    Test,
)

MAX_PAYLOAD_BYTES = 256
PRESS = "PRESS"  # what a button in Home Assistant sends: the command without anything
MAX_SESSION_MIN = 240.0
MAX_SNOOZE_MIN = 60.0
KINDS = {"phone": True, "other": False}  # of things that are shown
SHOWN_S, SHOWN_LEAST_S, SHOWN_MOST_S = 30.0, 5.0, 120.0

# A select in Home Assistant sends the state it wants; people say what to do. Both are understood.
SESSION_WORDS = {
    "start": SessionAction.START,
    "focus": SessionAction.START,
    "break": SessionAction.BREAK,
    "pause": SessionAction.PAUSE,
    "paused": SessionAction.PAUSE,
    "resume": SessionAction.RESUME,
    "stop": SessionAction.STOP,
    "idle": SessionAction.STOP,
}
ON_OFF = {
    **dict.fromkeys(("on", "true", "1", "yes"), True),
    **dict.fromkeys(("off", "false", "0", "no"), False),
}

Component = dict[str, Any]  # of Home Assistant's discovery


@dataclass(frozen=True, slots=True)
class Refusal:
    """A command that changes nothing; `command` and `reason` are short and printable."""

    command: str
    reason: str


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words that this box knows beside the fixed ones."""

    modes: tuple[str, ...] = ()
    seats: tuple[str, ...] = ()
    parts: tuple[str, ...] = PARTS
    max_volume: float = 1.0

    @classmethod
    def of(cls, config: Config) -> Vocabulary:
        return cls(
            modes=tuple(config.modes),
            seats=tuple(seat.name for seat in config.seats),
            max_volume=config.mqtt.volume_max,
        )


class Refused(Exception):
    """A value that will not do; the text says what would."""


# ---------------------------------------------------------------- kinds of values


@dataclass(frozen=True, slots=True)
class OneOf:
    """A name that this box knows, exactly as it is written, in whatever characters."""

    known: Callable[[Vocabulary], tuple[str, ...]]

    def read(self, value: Any, vocabulary: Vocabulary) -> str:
        known = self.known(vocabulary)
        if not isinstance(value, str):
            raise Refused("missing, or not a word")
        if value not in known:
            raise Refused(f"one of {', '.join(known)}")
        return value


@dataclass(frozen=True, slots=True)
class Name:
    """What somebody calls a thing: one line, in whatever characters."""

    most: int

    def read(self, value: Any, _: Vocabulary) -> str:
        if not isinstance(value, str):
            raise Refused("missing, or not a word")
        name = " ".join(value.split())
        if not name or len(name) > self.most or not name.isprintable():
            raise Refused(f"1 to {self.most} printable characters")
        return name


@dataclass(frozen=True, slots=True)
class Word:
    """A fixed word, whatever its case, and what it means."""

    words: Mapping[str, Any]

    def read(self, value: Any, _: Vocabulary) -> Any:
        if not isinstance(value, str):
            raise Refused("missing, or not a word")
        if value.lower() not in self.words:
            raise Refused(f"one of {', '.join(self.words)}")
        return self.words[value.lower()]


@dataclass(frozen=True, slots=True)
class Switch:
    def read(self, value: Any, _: Vocabulary) -> bool:
        if isinstance(value, bool):
            return value
        on = ON_OFF.get(value.lower()) if isinstance(value, str) else None
        if on is None:
            raise Refused("ON or OFF")
        return on


@dataclass(frozen=True, slots=True)
class Number:
    low: float
    high: float | Callable[[Vocabulary], float]

    def read(self, value: Any, vocabulary: Vocabulary) -> float:
        high = self.high(vocabulary) if callable(self.high) else self.high
        expected = f"a number from {self.low:g} to {high:g}"
        if value is None:
            raise Refused("missing")
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise Refused(expected)
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise Refused(expected) from None
        if not math.isfinite(number) or not self.low <= number <= high:
            raise Refused(expected)
        return number


@dataclass(frozen=True, slots=True)
class TuneText:
    """A tune by its name, or written out in RTTTL."""

    def read(self, value: Any, _: Vocabulary) -> str:
        if not isinstance(value, str):
            raise Refused("missing, or no text")
        try:
            tunes.find(value)
        except tunes.NoTune as exc:
            raise Refused(str(exc)) from None
        return value


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    kind: OneOf | Name | Word | Switch | Number | TuneText
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One command. `build` gets a value for each field, None for an optional one that is missing.

    `offers` says what Home Assistant gets for it: components by key, without the topics.
    """

    takes: str
    does: str
    fields: tuple[Field, ...]
    build: Callable[..., Command]
    offers: Callable[[Config], Mapping[str, Component]]


# ---------------------------------------------------------------- what Home Assistant offers


def _button(name: str, icon: str, **more: Any) -> Component:
    return {"platform": "button", "name": name, "icon": f"mdi:{icon}", **more}


def _volume(config: Config) -> dict[str, Component]:
    # Never a value that the box would refuse, as it reads it.
    top = round(100 * config.mqtt.volume_max)
    if top / 100 > config.mqtt.volume_max:
        top -= 1
    if top == 0:
        return {}
    slider: Component = {
        "platform": "number",
        "name": "Volume",
        "icon": "mdi:volume-medium",
        "unit_of_measurement": "%",
        "mode": "slider",
        "min": 0,
        "max": top,
        "step": 1,
        # The owner may have set more than a command may.
        "value_template": f"{{{{ [(value_json.volume * 100) | round(0) | int, {top}] | min }}}}",
        "command_template": "{{ value / 100 }}",
        "entity_category": "config",
    }
    return {"volume": slider}


# ---------------------------------------------------------------- the commands


def _teach(name: str, phone: bool | None, seconds: float | None) -> Teach:
    """What is shown is a phone unless it is said to be another thing."""
    return Teach(name, phone is not False, SHOWN_S if seconds is None else seconds)


def _forget(number: float | None, name: str | None) -> Forget:
    if number is not None and name is not None:
        raise Refused("number: not together with name")
    return Forget(None if number is None else int(number), name or "")


_MINUTES = "nothing; or minutes (0.1 to {:g}); field `minutes`"

COMMANDS: dict[str, Declared] = {
    "session": Declared(
        takes=f"{', '.join(f'`{word}`' for word in SESSION_WORDS)}; or `action` and `minutes`"
        f" (0.1 to {MAX_SESSION_MIN:g})",
        does="starts, pauses, ends; `focus`, `paused` and `idle` say the same as states",
        fields=(
            Field("action", Word(SESSION_WORDS)),
            Field("minutes", Number(0.1, MAX_SESSION_MIN), optional=True),
        ),
        build=SetSession,
        offers=lambda _: {
            "session": {
                "platform": "select",
                "name": "Session",
                "icon": "mdi:timer-play-outline",
                "value_template": "{{ value_json.session }}",
                "options": [session.value for session in Session],
            }
        },
    ),
    "snooze": Declared(
        takes=_MINUTES.format(MAX_SNOOZE_MIN),
        does="no nudge for a while, as often as the configuration allows",
        fields=(Field("minutes", Number(0.1, MAX_SNOOZE_MIN), optional=True),),
        build=Snooze,
        offers=lambda _: {"snooze": _button("Snooze", "alarm-snooze")},
    ),
    "mute": Declared(
        takes="`ON` or `OFF`; field `on`",
        does="no sound, or sound again",
        fields=(Field("on", Switch()),),
        build=Mute,
        offers=lambda _: {
            "mute": {
                "platform": "switch",
                "name": "Mute",
                "icon": "mdi:volume-off",
                "value_template": "{{ 'ON' if value_json.muted else 'OFF' }}",
                "entity_category": "config",
            }
        },
    ),
    "volume": Declared(
        takes="0 to `mqtt.volume_max`; field `volume`",
        does="a share of the mode's cap, which nothing exceeds",
        fields=(Field("volume", Number(0.0, lambda vocabulary: vocabulary.max_volume)),),
        build=SetVolume,
        offers=_volume,
    ),
    "mode": Declared(
        takes="the name of a mode; field `mode`",
        does="another ladder",
        fields=(Field("mode", OneOf(lambda vocabulary: vocabulary.modes)),),
        build=SetMode,
        offers=lambda config: {
            "mode": {
                "platform": "select",
                "name": "Mode",
                "icon": "mdi:stairs",
                "value_template": "{{ value_json.mode }}",
                "options": list(config.modes),
                "entity_category": "config",
            }
        },
    ),
    "tune": Declared(
        takes="a name of the library, or RTTTL; or `tune` and `level` (`sound` or `loud`)",
        does="what the chirp plays from now on, or what is loud",
        fields=(
            Field("tune", TuneText()),
            Field("level", Word({"sound": False, "loud": True}), optional=True),
        ),
        build=lambda tune, loud: SetTune(tune, bool(loud)),
        offers=lambda _: {
            "tune": {
                "platform": "select",
                "name": "Tune",
                "icon": "mdi:music-note",
                # One that is written out is none of the options: nothing is chosen then.
                "value_template": "{{ value_json.tune if value_json.tune in "
                f"{list(tunes.LIBRARY)} else None }}}}",
                "options": list(tunes.LIBRARY),
                "entity_category": "config",
            }
        },
    ),
    "grace": Declared(
        takes=f"seconds (0 to {LONGEST_GRACE_S:g}); field `seconds`",
        does="how long a phone must be in use to be believed",
        fields=(Field("seconds", Number(0.0, LONGEST_GRACE_S)),),
        build=SetGrace,
        offers=lambda _: {
            "grace": {
                "platform": "number",
                "name": "Grace",
                "icon": "mdi:timer-lock-open-outline",
                "device_class": "duration",
                "unit_of_measurement": "s",
                "mode": "box",
                "min": 0,
                "max": LONGEST_GRACE_S,
                "step": 0.5,
                "value_template": "{{ value_json.grace_s }}",
                "entity_category": "config",
            }
        },
    ),
    "not_a_phone": Declared(
        takes="nothing: every seat that alarms; or the name of a seat; field `seat`",
        does="silences it, takes the pick-up back, and learns",
        fields=(Field("seat", OneOf(lambda vocabulary: vocabulary.seats), optional=True),),
        build=NotAPhone,
        offers=lambda _: {"not_a_phone": _button("That was not a phone", "cellphone-off")},
    ),
    "my_phone": Declared(
        takes="nothing",
        does="a phone was missed just now: what was seen of it is learnt",
        fields=(),
        build=MyPhone,
        offers=lambda _: {"my_phone": _button("That was my phone", "cellphone-check")},
    ),
    "teach": Declared(
        takes=f"a name; or `name`, `kind` ({', '.join(f'`{kind}`' for kind in KINDS)}) and"
        f" `seconds` ({SHOWN_LEAST_S:g} to {SHOWN_MOST_S:g})",
        does=f"hands empty for {EMPTY_S:g} s, then show the thing and turn it: its looks are"
        " learnt",
        fields=(
            Field("name", Name(NAME_MOST)),
            Field("kind", Word(KINDS), optional=True),
            Field("seconds", Number(SHOWN_LEAST_S, SHOWN_MOST_S), optional=True),
        ),
        build=_teach,
        offers=lambda _: {
            "teach": _button(
                "Show my phone",
                "cellphone-screenshot",
                payload_press=OWN,
                entity_category="config",
                enabled_by_default=False,
            )
        },
    ),
    "forget": Declared(
        takes="nothing: all that `not_a_phone` taught; or its number; field `number`; or field"
        " `name`: a thing that was shown",
        does="erases it",
        fields=(
            Field("number", Number(0, 1e9), optional=True),
            Field("name", Name(NAME_MOST), optional=True),
        ),
        build=_forget,
        offers=lambda _: {
            "forget": _button(
                "Forget what is not a phone",
                "eraser",
                entity_category="config",
                enabled_by_default=False,
            )
        },
    ),
    "test": Declared(
        takes=f"{', '.join(f'`{part}`' for part in PARTS)}; field `part`",
        does="shows or sounds one part for two seconds; `off` ends it",
        fields=(Field("part", OneOf(lambda vocabulary: vocabulary.parts)),),
        build=Test,
        offers=lambda _: {
            "test_lights": _button(
                "Test lights",
                "lightbulb-on-outline",
                payload_press="lights",
                entity_category="diagnostic",
            ),
            "buzzer": {
                "platform": "siren",
                "name": "Buzzer",
                "icon": "mdi:bullhorn",
                "state_value_template": "{{ 'ON' if value_json.sound else 'OFF' }}",
                "command_template": "{{ tone if tone is defined and tone else 'buzzer' }}",
                "command_off_template": "off",
                "available_tones": list(SOUNDS),
                # Lengths and loudness are the box's own: no subscriber makes it ring on, or louder.
                "support_duration": False,
                "support_volume_set": False,
            },
        },
    ),
}


# ---------------------------------------------------------------- understanding


def understand(name: str, payload: bytes, vocabulary: Vocabulary) -> Command | Refusal:
    """What somebody asks for, whatever it is; never raises."""
    declared = COMMANDS.get(name)
    if declared is None:
        return Refusal(printable(name), f"no such command; there are: {', '.join(COMMANDS)}")
    if len(payload) > MAX_PAYLOAD_BYTES:
        return Refusal(name, f"{len(payload)} bytes; at most {MAX_PAYLOAD_BYTES}")
    try:
        return declared.build(*_values(declared, _given(declared, payload, vocabulary), vocabulary))
    except Refused as refused:
        return Refusal(name, str(refused))


def _given(declared: Declared, payload: bytes, vocabulary: Vocabulary) -> dict[str, Any]:
    """The payload as named fields; a bare one is the field that the command is about."""
    about = declared.fields[0] if declared.fields else None
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("not UTF-8 text") from None
    if about is not None and isinstance(about.kind, OneOf) and text in about.kind.known(vocabulary):
        # Names are the owner's: one may look like JSON, or have blanks around it.
        return {about.name: text}
    text = text.strip()
    if not text or (text == PRESS and (about is None or about.optional)):
        return {}
    if not text.startswith("{"):
        if about is None:
            raise Refused("takes nothing")
        return {about.name: text}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused("not valid JSON") from None
    return dict(value)


def _values(declared: Declared, given: dict[str, Any], vocabulary: Vocabulary) -> list[Any]:
    names = [field.name for field in declared.fields]
    for name in given:
        if name not in names:
            raise Refused(f"{printable(name)}: no such field; there are: {', '.join(names)}")
    values: list[Any] = []
    for field in declared.fields:
        value = given.get(field.name)
        if value is None and field.optional:
            values.append(None)
            continue
        try:
            values.append(field.kind.read(value, vocabulary))
        except Refused as refused:
            raise Refused(f"{field.name}: {refused}") from None
    return values


def printable(text: str) -> str:
    """Somebody else's text, made safe for one line of a log."""
    short = text if len(text) <= 60 else text[:57] + "..."
    return "".join(c if c.isprintable() else "?" for c in short)
