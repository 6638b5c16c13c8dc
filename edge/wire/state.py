"""What is so: the payloads of state, today and health, each field declared once. Pure.

Wall-clock times are ISO 8601 with the zone, whole seconds. They are computed from the run's
monotonic times when a message is sent, so a clock set meanwhile is right at once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from edge import tunes
from edge.config import CHIRP, Config
from edge.decide import grace_of
from edge.domain import Activity, Fault, PhoneUse, SeatState, Session, State, Totals, Tune
from edge.effects import tune_of
from edge.history.days import Day
from edge.wire.commands import Component

View = TypeVar("View")

# Which seat speaks for the box when none is followed and none is nudged harder than the others.
_WORST_FIRST = (Activity.PHONE, Activity.AWAY, Activity.UNSURE, Activity.WORKING)


@dataclass(frozen=True, slots=True)
class WallTime:
    """What the wall clock shows at the moment `at_s` of the run's clock."""

    at_s: float
    wall: datetime

    def of(self, at_s: float) -> datetime:
        return self.wall + timedelta(seconds=at_s - self.at_s)

    def text(self, at_s: float | None) -> str | None:
        if at_s is None:
            return None
        # Rounded, not cut: 11:59:59.9999 and 12:00:00.0001 are the same moment to a reader.
        return (self.of(at_s) + timedelta(seconds=0.5)).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Field(Generic[View]):
    """One field of a payload: in words, in JSON, and what Home Assistant offers for it: components
    by key, with a template that reads the field, where none is given."""

    words: str
    value: Callable[[View], Any]
    offers: Mapping[str, Component] = field(default_factory=dict)


# ---------------------------------------------------------------- what Home Assistant offers


def _sensor(name: str, icon: str | None = None, **more: Any) -> Component:
    shown = {} if icon is None else {"icon": f"mdi:{icon}"}
    return {"platform": "sensor", "name": name, **shown, **more}


def _time(name: str, icon: str) -> Component:
    return _sensor(name, icon, device_class="timestamp")


def _problem(name: str, *faults: Fault) -> Component:
    words = [fault.value for fault in faults]
    return {
        "platform": "binary_sensor",
        "name": name,
        "value_template": (
            f"{{{{ 'ON' if value_json.faults | select('in', {words}) | list else 'OFF' }}}}"
        ),
        "device_class": "problem",
        "entity_category": "diagnostic",
    }


def _diagnosis(name: str, icon: str | None = None, *, enabled: bool, **more: Any) -> Component:
    return _sensor(
        name,
        icon,
        entity_category="diagnostic",
        enabled_by_default=enabled,
        state_class="measurement",
        **more,
    )


# "Not a phone" takes a pick-up back, so a figure of the day may fall a little. For
# `total_increasing` Home Assistant takes that for a new count and adds it all up again; for `total`
# it adds what changed, and begins anew when `last_reset` does (its sensor/recorder.py).
_COUNTED: Component = {
    "state_class": "total",
    "last_reset_value_template": "{{ value_json.since }}",
}


def counted(name: str, icon: str, read: str) -> Component:
    """A figure of a day; `read` is where it is in the payload."""
    return _sensor(name, icon, value_template=f"{{{{ {read} }}}}", **_COUNTED)


def counted_minutes(name: str, icon: str, read: str) -> Component:
    template = f"{{{{ ({read} / 60) | round(1) }}}}"
    unit = {"device_class": "duration", "unit_of_measurement": "min"}
    return _sensor(name, icon, value_template=template, **unit, **_COUNTED)


ACTIVITY = _sensor(
    "Activity", "desk", device_class="enum", options=[activity.value for activity in Activity]
)

# ---------------------------------------------------------------- state


@dataclass(frozen=True, slots=True)
class _Box:
    """What the fields of the state are read from."""

    state: State
    config: Config
    wall: WallTime
    speaker: SeatState | None
    tune: Tune | None


def _tune(text: str) -> str:
    """The name of a tune, or of the file it comes from."""
    if tunes.is_file(text):
        return text.rpartition("/")[2]
    return tunes.chosen(text, CHIRP)[0].name


STATE: dict[str, Field[_Box]] = {
    "session": Field("`idle`, `focus`, `break` or `paused`", lambda box: box.state.session.value),
    "session_since": Field(
        "when this part began", lambda box: box.wall.text(box.state.session_since_s)
    ),
    "until": Field(
        "when it ends by itself; null: open-ended",
        lambda box: box.wall.text(box.state.until_s),
        {"until": _time("Session ends", "timer-sand")},
    ),
    "next_break": Field(
        "the same in focus; else null",
        lambda box: (
            box.wall.text(box.state.until_s) if box.state.session is Session.FOCUS else None
        ),
        {"next_break": _time("Next break", "coffee")},
    ),
    "activity": Field(
        "of the seat that speaks for the box: `working`, `phone`, `away` or `unsure`",
        lambda box: (box.speaker.activity if box.speaker else Activity.UNSURE).value,
        {"activity": ACTIVITY},
    ),
    "since": Field(
        "since when",
        lambda box: box.wall.text(box.speaker.since_s if box.speaker else box.state.at_s),
    ),
    "level": Field(
        "how hard it nudges: 0 none, 1 light, 2 sound, 3 loud",
        lambda box: int(box.state.level),
        {"level": _sensor("Level", "bell-alert", state_class="measurement")},
    ),
    "reason": Field(
        "why, in words; empty at level 0",
        lambda box: box.speaker.reason if box.speaker else "",
        {
            "reason": _sensor(
                "Reason",
                "comment-question-outline",
                # A state of Home Assistant has room for 255 characters.
                value_template="{{ value_json.reason[:255] }}",
            )
        },
    ),
    "pickups_this_session": Field(
        "believed pick-ups since focus began",
        lambda box: box.state.pickups_this_session,
        {
            "pickups_this_session": _sensor(
                "Pick-ups this session", "cellphone-arrow-down", state_class="measurement"
            )
        },
    ),
    "mode": Field("the ladder in force", lambda box: box.state.mode),
    "grace_s": Field(
        "how long a phone must be in use to be believed, seconds",
        lambda box: grace_of(box.state, box.config),
    ),
    "volume": Field("0 to 1, share of the mode's cap", lambda box: round(box.state.volume, 3)),
    "tune": Field(
        "what the chirp plays: its name",
        lambda box: _tune(box.state.chirp or box.config.nudge.chirp),
    ),
    "tune_loud": Field(
        "the same when loud", lambda box: _tune(box.state.loud or box.config.nudge.loud)
    ),
    "muted": Field("true: no sound", lambda box: box.state.muted),
    "snooze_until": Field(
        "no nudge until then; null: no snooze",
        lambda box: box.wall.text(box.state.snooze_until_s),
        {"snooze_until": _time("Snoozed until", "alarm-snooze")},
    ),
    "quiet": Field("true: quiet hours", lambda box: box.state.quiet),
    "testing": Field(
        "the part that a test shows or sounds now; empty: none", lambda box: box.state.testing
    ),
    "sound": Field(
        "the name of the tune that plays now; empty: silence",
        lambda box: "" if box.tune is None else box.tune.name,
    ),
    "view": Field(
        "`clear`, or why the camera cannot see the desk",
        lambda box: box.state.view.value,
        {"view": _sensor("View", "eye", entity_category="diagnostic")},
    ),
    "newest": Field(
        "the newest version that the box was told of (`box.updates`): `version`, `notes`, `url`,"
        " `newer` (than the one that runs); null: nobody has said",
        lambda box: None if box.state.offer is None else asdict(box.state.offer),
    ),
    "replay": Field(
        "true: it plays back a recording; nobody sits there, and nothing of it counts",
        lambda box: box.state.replay,
    ),
    "faults": Field(
        "what the box cannot do now: `camera`, `lens`, `detector`, `disk`, `broker`",
        lambda box: sorted(fault.value for fault in box.state.faults),
        {
            "camera_fault": _problem("Camera", Fault.CAMERA, Fault.LENS),
            "detector_fault": _problem("Detector", Fault.DETECTOR),
            "disk_fault": _problem("History", Fault.DISK),
        },
    ),
    "seats": Field(
        "the same for each seat, by its name",
        lambda box: {
            seat.seat: {name: each.value((seat, box.wall)) for name, each in SEAT.items()}
            for seat in box.state.seats
        },
    ),
}

SEAT: dict[str, Field[tuple[SeatState, WallTime]]] = {
    "activity": Field("as above", lambda at: at[0].activity.value),
    "since": Field("since when", lambda at: at[1].text(at[0].since_s)),
    "level": Field("how hard this seat is nudged", lambda at: int(at[0].level)),
    "reason": Field("why", lambda at: at[0].reason),
    "phone": Field(
        "the use of the phone that matters most: `in use`, `parked`, `docked`, `suspected`",
        lambda at: at[0].phone.use.value if at[0].phone else None,
    ),
    "phone_in_use": Field("true: a phone is in use", lambda at: _uses_phone(at[0])),
    "occupied": Field(
        "true: somebody sits there",
        lambda at: at[0].activity in (Activity.WORKING, Activity.PHONE),
    ),
    "dock": Field("`none`, `holds`, `empty` or `hidden`", lambda at: at[0].dock.value),
}


def _uses_phone(seat: SeatState) -> bool:
    return seat.activity is Activity.PHONE or (
        seat.phone is not None and seat.phone.use is PhoneUse.IN_USE
    )


def state_payload(state: State, config: Config, wall: WallTime) -> dict[str, Any]:
    speaker = speaking_seat(state, config.policy.follow)
    box = _Box(state, config, wall, speaker, tune_of(state, config))
    return {name: each.value(box) for name, each in STATE.items()}


def speaking_seat(state: State, follow: str) -> SeatState | None:
    """The seat that `activity`, `since` and `reason` of the whole box are about."""
    for seat in state.seats:
        if seat.seat == follow:
            return seat
    return min(
        state.seats,
        key=lambda seat: (-seat.level, _WORST_FIRST.index(seat.activity)),
        default=None,
    )


# ---------------------------------------------------------------- today


@dataclass(frozen=True, slots=True)
class _Today:
    day: Day
    since: datetime
    whole: Totals


def _figure(name: str, words: str, offers: Mapping[str, Component] | None = None) -> Field[_Today]:
    return Field(words, lambda today: round(getattr(today.whole, name)), offers or {})


TODAY: dict[str, Field[_Today]] = {
    "date": Field("the day, by the box's own clock and zone", lambda today: today.day.date),
    "since": Field(
        "since when its figures are counted; they may fall when a pick-up is taken back",
        lambda today: today.since.isoformat(timespec="seconds"),
    ),
    "focus_s": _figure(
        "focus_s",
        "seconds of focus sessions; at each seat the next four add up to it",
        {
            "focus_today": counted_minutes(
                "Focus today", "head-lightbulb-outline", "value_json.focus_s"
            )
        },
    ),
    "working_s": _figure("working_s", "of them at work"),
    "phone_s": _figure(
        "phone_s",
        "with the phone",
        {"phone_today": counted_minutes("Phone today", "cellphone", "value_json.phone_s")},
    ),
    "away_s": _figure(
        "away_s",
        "away from the seat",
        {"away_today": counted_minutes("Away today", "walk", "value_json.away_s")},
    ),
    "unsure_s": _figure("unsure_s", "that the camera could not judge"),
    "break_s": _figure(
        "break_s",
        "seconds of breaks",
        {"break_today": counted_minutes("Breaks today", "coffee-outline", "value_json.break_s")},
    ),
    "paused_s": _figure("paused_s", "seconds of pauses"),
    "pickups": _figure(
        "pickups",
        "believed pick-ups",
        {"pickups_today": counted("Pick-ups today", "cellphone-arrow-down", "value_json.pickups")},
    ),
    "sessions": _figure(
        "sessions",
        "completed focus sessions",
        {
            "sessions_today": counted(
                "Sessions today", "check-circle-outline", "value_json.sessions"
            )
        },
    ),
    "clean_sessions": _figure(
        "clean_sessions", "of them seen for the most part, and without a pick-up"
    ),
    "streak": _figure(
        "streak",
        "clean sessions in a row, up to now",
        {"streak": _sensor("Streak", "fire", state_class="measurement")},
    ),
    "seats": Field(
        "the same for each seat, by its name",
        lambda today: {
            seat: {each.name: round(getattr(totals, each.name)) for each in fields(Totals)}
            for seat, totals in zip(today.day.seats, today.day.totals, strict=True)
        },
    ),
}


def today_payload(day: Day, *, since: datetime) -> dict[str, Any]:
    """The day of the whole box, then of each seat.

    All seats share the sessions (the largest counts); what happens at the seats adds up. The
    streak is that of the seat with the shortest.
    """
    today = _Today(day, since, whole(day.totals))
    return {name: each.value(today) for name, each in TODAY.items()}


def whole(seats: tuple[Totals, ...]) -> Totals:
    """Several seats' totals as one box's."""
    if not seats:
        return Totals()
    shared = {"focus_s", "break_s", "paused_s", "sessions"}
    values: dict[str, Any] = {}
    for each in fields(Totals):
        column = [getattr(totals, each.name) for totals in seats]
        if each.name in shared:
            values[each.name] = max(column)
        elif each.name in ("streak", "clean_sessions"):
            values[each.name] = min(column)
        else:
            values[each.name] = sum(column)
    return Totals(**values)


# ---------------------------------------------------------------- health


@dataclass(frozen=True, slots=True)
class _Health:
    figures: Mapping[str, float | int | None]
    now: datetime
    queued: int


def _measured(
    name: str, words: str, offers: Mapping[str, Component] | None = None
) -> Field[_Health]:
    return Field(words, lambda health: health.figures[name], offers or {})


_MS: Component = {"device_class": "duration", "unit_of_measurement": "ms"}

HEALTH: dict[str, Field[_Health]] = {
    "at": Field("when this was measured", lambda health: health.now.isoformat(timespec="seconds")),
    "fps": _measured(
        "fps",
        "frames judged per second; null: the camera is closed",
        {"fps": _diagnosis("Frame rate", "camera", enabled=True, unit_of_measurement="frames/s")},
    ),
    "inference_ms": _measured(
        "inference_ms",
        "time of the detector for one frame",
        {"inference": _diagnosis("Inference time", enabled=False, **_MS)},
    ),
    "frame_age_ms": _measured(
        "frame_age_ms",
        "age of a frame when it is judged",
        {"frame_age": _diagnosis("Frame age", enabled=False, **_MS)},
    ),
    "temperature_c": _measured(
        "temperature_c",
        "of the processor; null: this machine does not say",
        {
            "temperature": _diagnosis(
                "Temperature",
                enabled=True,
                device_class="temperature",
                unit_of_measurement="°C",
            )
        },
    ),
    "throttled": _measured(
        "throttled",
        "the Pi's throttling bits; null: this machine has none",
        {
            "throttled": {
                "platform": "binary_sensor",
                "name": "Throttled",
                # Bits 0 to 3 are what is so now; those from 16 on what once was.
                "value_template": (
                    "{{ None if value_json.throttled is none else"
                    " 'ON' if value_json.throttled % 16 else 'OFF' }}"
                ),
                "device_class": "problem",
                "entity_category": "diagnostic",
                "enabled_by_default": True,
            }
        },
    ),
    "rss_kib": _measured(
        "rss_kib",
        "memory of the box's process",
        {
            "memory": _diagnosis(
                "Memory", enabled=False, device_class="data_size", unit_of_measurement="KiB"
            )
        },
    ),
    "drops": _measured(
        "drops",
        "frames the camera delivered and nobody judged",
        {"drops": _diagnosis("Dropped frames", "image-off-outline", enabled=False)},
    ),
    "frames": _measured("frames", "frames judged since the start"),
    "inferences": _measured("inferences", "of them by the detector"),
    "queued": Field(
        "events that wait for the broker",
        lambda health: health.queued,
        {"queued": _diagnosis("Waiting events", "tray-full", enabled=False)},
    ),
}


def health_payload(
    figures: Mapping[str, float | int | None], *, now: datetime, queued: int
) -> dict[str, Any]:
    """Of what was measured; `queued`: events in the history that nobody has acknowledged yet."""
    rounded = {
        name: round(value, 2) if isinstance(value, float) else value
        for name, value in figures.items()
        if value is None or math.isfinite(value)
    }
    health = _Health(rounded, now, queued)
    return {
        name: each.value(health)
        for name, each in HEALTH.items()
        if name in rounded or name in ("at", "queued")
    }


# ---------------------------------------------------------------- JSON


def encode(value: Mapping[str, Any]) -> bytes:
    """Compact JSON; raises ValueError for NaN and infinity, which no JSON reader takes."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def shortened(payload: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The payload, then without what is long, for a broker that takes short messages only."""
    yield payload
    yield {key: value for key, value in payload.items() if key not in ("seats", "reason")}
