"""One message that describes the whole box to Home Assistant. Pure.

Format: Home Assistant's MQTT integration, "device discovery" (since 2024.12). What is in
`components` becomes entities and device triggers; a seat more is a few components more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from edge import __version__
from edge.config import Config
from edge.decide import LONGEST_GRACE_S, SOUNDS
from edge.domain import OWN, Activity, EventType, Fault, Session
from edge.mqtt.payloads import encode
from edge.mqtt.topics import Topics

HEALTH_MISSES = 3  # reports that may be missing before the figures are taken for stale

Component = dict[str, Any]

_SEAT_EVENTS = (EventType.PICKUP, EventType.PUTDOWN, EventType.LEFT, EventType.RETURNED)
_SESSION_EVENTS = (
    EventType.SESSION_START,
    EventType.SESSION_END,
    EventType.BREAK_START,
    EventType.BREAK_END,
    EventType.PAUSE,
    EventType.RESUME,
    EventType.INTERRUPTED,
    EventType.REWARD,
)
# The words of Home Assistant's own device triggers, as far as it has any.
_TRIGGERS = {
    EventType.PICKUP: "picked_up",
    EventType.PUTDOWN: "put_down",
    EventType.LEFT: "left",
    EventType.RETURNED: "returned",
    EventType.SESSION_START: "session_started",
    EventType.SESSION_END: "session_ended",
}


def message(config: Config, *, gone: Mapping[str, str] | None = None) -> bytes:
    """The retained payload of the discovery topic.

    `gone` names components (key -> platform) that were announced before and are no more: with
    nothing but its platform, Home Assistant removes a component and what it remembers of it.
    """
    topics = Topics.of(config)
    parts: dict[str, Component] = dict(components(config))
    for key, platform in (gone or {}).items():
        parts[key] = {"platform": platform}
    return encode(
        {
            "device": {
                "identifiers": [topics.device_id],
                "name": config.box.name,
                "manufacturer": "Procrastobot",
                "model": "Procrastobot",
                "sw_version": __version__,
            },
            "origin": {"name": "procrastobot", "sw_version": __version__},
            "availability_topic": topics.availability,
            "qos": 1,
            "components": parts,
        }
    )


def platforms(config: Config) -> dict[str, str]:
    """Key -> platform of every component that `message` announces now."""
    return {key: part["platform"] for key, part in components(config).items()}


def components(config: Config) -> dict[str, Component]:
    """Every entity and trigger of the box, by its key."""
    topics = Topics.of(config)
    found = {
        **_state(topics),
        **_controls(config, topics),
        **_today(topics),
        **_problems(topics),
        **_health(config, topics),
    }
    slugs = seat_slugs(config)
    for name, slug in slugs.items():
        found.update(_seat(topics, name, slug, alone=len(slugs) == 1))
    for key, part in found.items():
        if part["platform"] != "device_automation":
            part["unique_id"] = f"{topics.device_id}_{key}"
    return found


def seat_slugs(config: Config) -> dict[str, str]:
    """Seat name -> what stands for it in keys; different for different seats."""
    slugs: dict[str, str] = {}
    for seat in config.seats:
        slug = base = re.sub(r"[^a-z0-9]+", "_", seat.name.lower()).strip("_") or "seat"
        count = 1
        while slug in slugs.values():
            count += 1
            slug = f"{base}_{count}"
        slugs[seat.name] = slug
    return slugs


def _state(topics: Topics) -> dict[str, Component]:
    return {
        "activity": _sensor(
            topics.state,
            "Activity",
            "{{ value_json.activity }}",
            icon="mdi:desk",
            device_class="enum",
            options=[activity.value for activity in Activity],
        ),
        "level": _sensor(
            topics.state,
            "Level",
            "{{ value_json.level }}",
            icon="mdi:bell-alert",
            state_class="measurement",
        ),
        "reason": _sensor(
            topics.state,
            "Reason",
            # A state of Home Assistant has room for 255 characters.
            "{{ value_json.reason[:255] }}",
            icon="mdi:comment-question-outline",
        ),
        "pickups_this_session": _sensor(
            topics.state,
            "Pick-ups this session",
            "{{ value_json.pickups_this_session }}",
            icon="mdi:cellphone-arrow-down",
            state_class="measurement",
        ),
        "next_break": _time(topics, "Next break", "next_break", "mdi:coffee"),
        "until": _time(topics, "Session ends", "until", "mdi:timer-sand"),
        "snooze_until": _time(topics, "Snoozed until", "snooze_until", "mdi:alarm-snooze"),
        "session_event": _event(topics, "Session event", _SESSION_EVENTS, None),
        **{
            f"trigger_{_TRIGGERS[type_]}": _trigger(topics, type_, None)
            for type_ in (EventType.SESSION_START, EventType.SESSION_END)
        },
    }


def _controls(config: Config, topics: Topics) -> dict[str, Component]:
    top = round(100 * config.mqtt.volume_max)
    controls: dict[str, Component] = {
        "session": {
            "platform": "select",
            "name": "Session",
            "icon": "mdi:timer-play-outline",
            "state_topic": topics.state,
            "value_template": "{{ value_json.session }}",
            "command_topic": topics.command("session"),
            "options": [session.value for session in Session],
        },
        "mode": {
            "platform": "select",
            "name": "Mode",
            "icon": "mdi:stairs",
            "state_topic": topics.state,
            "value_template": "{{ value_json.mode }}",
            "command_topic": topics.command("mode"),
            "options": list(config.modes),
            "entity_category": "config",
        },
        "mute": {
            "platform": "switch",
            "name": "Mute",
            "icon": "mdi:volume-off",
            "state_topic": topics.state,
            "value_template": "{{ 'ON' if value_json.muted else 'OFF' }}",
            "command_topic": topics.command("mute"),
            "entity_category": "config",
        },
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
            "state_topic": topics.state,
            "value_template": "{{ value_json.grace_s }}",
            "command_topic": topics.command("grace"),
            "entity_category": "config",
        },
        "snooze": {
            "platform": "button",
            "name": "Snooze",
            "icon": "mdi:alarm-snooze",
            "command_topic": topics.command("snooze"),
        },
        "not_a_phone": {
            "platform": "button",
            "name": "That was not a phone",
            "icon": "mdi:cellphone-off",
            "command_topic": topics.command("not_a_phone"),
        },
        "my_phone": {
            "platform": "button",
            "name": "That was my phone",
            "icon": "mdi:cellphone-check",
            "command_topic": topics.command("my_phone"),
        },
        "teach": {
            "platform": "button",
            "name": "Show my phone",
            "icon": "mdi:cellphone-screenshot",
            "command_topic": topics.command("teach"),
            "payload_press": OWN,
            "entity_category": "config",
            "enabled_by_default": False,
        },
        "forget": {
            "platform": "button",
            "name": "Forget what is not a phone",
            "icon": "mdi:eraser",
            "command_topic": topics.command("forget"),
            "entity_category": "config",
            "enabled_by_default": False,
        },
        "test_lights": {
            "platform": "button",
            "name": "Test lights",
            "icon": "mdi:lightbulb-on-outline",
            "command_topic": topics.command("test"),
            "payload_press": "lights",
            "entity_category": "diagnostic",
        },
        "buzzer": {
            "platform": "siren",
            "name": "Buzzer",
            "icon": "mdi:bullhorn",
            "state_topic": topics.state,
            "state_value_template": "{{ 'ON' if value_json.sound else 'OFF' }}",
            "command_topic": topics.command("test"),
            "command_template": "{{ tone if tone is defined and tone else 'buzzer' }}",
            "command_off_template": "off",
            "available_tones": list(SOUNDS),
            # Lengths and loudness are the box's own: no subscriber makes it ring on, or louder.
            "support_duration": False,
            "support_volume_set": False,
        },
    }
    if top > 0:
        controls["volume"] = {
            "platform": "number",
            "name": "Volume",
            "icon": "mdi:volume-medium",
            "unit_of_measurement": "%",
            "mode": "slider",
            "min": 0,
            "max": top,
            "step": 1,
            "state_topic": topics.state,
            "value_template": "{{ (value_json.volume * 100) | round(0) | int }}",
            "command_topic": topics.command("volume"),
            "command_template": "{{ value / 100 }}",
            "entity_category": "config",
        }
    return controls


def _today(topics: Topics) -> dict[str, Component]:
    def minutes(name: str, figure: str, icon: str) -> Component:
        return _sensor(
            topics.today,
            name,
            f"{{{{ (value_json.{figure} / 60) | round(1) }}}}",
            icon=icon,
            device_class="duration",
            unit_of_measurement="min",
            state_class="total_increasing",
        )

    def count(name: str, figure: str, icon: str, state_class: str) -> Component:
        template = f"{{{{ value_json.{figure} }}}}"
        return _sensor(topics.today, name, template, icon=icon, state_class=state_class)

    return {
        "focus_today": minutes("Focus today", "focus_s", "mdi:head-lightbulb-outline"),
        "phone_today": minutes("Phone today", "phone_s", "mdi:cellphone"),
        "away_today": minutes("Away today", "away_s", "mdi:walk"),
        "break_today": minutes("Breaks today", "break_s", "mdi:coffee-outline"),
        "pickups_today": count(
            "Pick-ups today", "pickups", "mdi:cellphone-arrow-down", "total_increasing"
        ),
        "sessions_today": count(
            "Sessions today", "sessions", "mdi:check-circle-outline", "total_increasing"
        ),
        "streak": count("Streak", "streak", "mdi:fire", "measurement"),
    }


def _problems(topics: Topics) -> dict[str, Component]:
    def problem(name: str, *faults: Fault) -> Component:
        words = [fault.value for fault in faults]
        return _binary(
            topics.state,
            name,
            f"{{{{ 'ON' if value_json.faults | select('in', {words}) | list else 'OFF' }}}}",
            device_class="problem",
            entity_category="diagnostic",
        )

    return {
        "camera_fault": problem("Camera", Fault.CAMERA, Fault.LENS),
        "detector_fault": problem("Detector", Fault.DETECTOR),
        "disk_fault": problem("History", Fault.DISK),
        "view": _sensor(
            topics.state,
            "View",
            "{{ value_json.view }}",
            icon="mdi:eye",
            entity_category="diagnostic",
        ),
    }


def _health(config: Config, topics: Topics) -> dict[str, Component]:
    expire_after_s = round(HEALTH_MISSES * config.mqtt.health_s)

    def figure(name: str, field: str, *, enabled: bool, **more: Any) -> Component:
        return _sensor(
            topics.health,
            name,
            f"{{{{ value_json.{field} }}}}",
            expire_after=expire_after_s,
            entity_category="diagnostic",
            enabled_by_default=enabled,
            state_class="measurement",
            **more,
        )

    return {
        "fps": figure(
            "Frame rate", "fps", enabled=True, unit_of_measurement="frames/s", icon="mdi:camera"
        ),
        "temperature": figure(
            "Temperature",
            "temperature_c",
            enabled=True,
            device_class="temperature",
            unit_of_measurement="°C",
        ),
        "inference": figure(
            "Inference time",
            "inference_ms",
            enabled=False,
            device_class="duration",
            unit_of_measurement="ms",
        ),
        "frame_age": figure(
            "Frame age",
            "frame_age_ms",
            enabled=False,
            device_class="duration",
            unit_of_measurement="ms",
        ),
        "memory": figure(
            "Memory",
            "rss_kib",
            enabled=False,
            device_class="data_size",
            unit_of_measurement="KiB",
        ),
        "drops": figure("Dropped frames", "drops", enabled=False, icon="mdi:image-off-outline"),
        "queued": figure("Waiting events", "queued", enabled=False, icon="mdi:tray-full"),
        "throttled": _binary(
            topics.health,
            "Throttled",
            "{{ None if value_json.throttled is none else"
            " 'ON' if value_json.throttled else 'OFF' }}",
            device_class="problem",
            expire_after=expire_after_s,
            entity_category="diagnostic",
            enabled_by_default=True,
        ),
    }


def _seat(topics: Topics, seat: str, slug: str, *, alone: bool) -> dict[str, Component]:
    def named(name: str) -> str:
        return name if alone else f"{seat} {name[0].lower()}{name[1:]}"

    def of_seat(field: str) -> str:
        return f"value_json.seats['{seat}'].{field}"

    parts: dict[str, Component] = {
        f"{slug}_phone": _binary(
            topics.state,
            named("Phone in use"),
            f"{{{{ 'ON' if {of_seat('phone_in_use')} else 'OFF' }}}}",
            icon="mdi:cellphone",
        ),
        f"{slug}_occupied": _binary(
            topics.state,
            named("Seat"),
            f"{{{{ 'ON' if {of_seat('occupied')} else 'OFF' }}}}",
            device_class="occupancy",
        ),
        f"{slug}_event": _event(topics, named("Event"), _SEAT_EVENTS, seat),
        **{
            f"{slug}_trigger_{_TRIGGERS[type_]}": _trigger(topics, type_, seat)
            for type_ in _SEAT_EVENTS
        },
    }
    if not alone:
        parts[f"{slug}_activity"] = _sensor(
            topics.state,
            named("Activity"),
            f"{{{{ {of_seat('activity')} }}}}",
            icon="mdi:desk",
            device_class="enum",
            options=[activity.value for activity in Activity],
        )
        parts[f"{slug}_phone_today"] = _sensor(
            topics.today,
            named("Phone today"),
            f"{{{{ ({of_seat('phone_s')} / 60) | round(1) }}}}",
            icon="mdi:cellphone",
            device_class="duration",
            unit_of_measurement="min",
            state_class="total_increasing",
        )
        parts[f"{slug}_pickups_today"] = _sensor(
            topics.today,
            named("Pick-ups today"),
            f"{{{{ {of_seat('pickups')} }}}}",
            icon="mdi:cellphone-arrow-down",
            state_class="total_increasing",
        )
    return parts


def _sensor(topic: str, name: str, template: str, **more: Any) -> Component:
    return {
        "platform": "sensor",
        "name": name,
        "state_topic": topic,
        "value_template": template,
        **more,
    }


def _binary(topic: str, name: str, template: str, **more: Any) -> Component:
    return {**_sensor(topic, name, template, **more), "platform": "binary_sensor"}


def _time(topics: Topics, name: str, field: str, icon: str) -> Component:
    template = f"{{{{ value_json.{field} }}}}"
    return _sensor(topics.state, name, template, icon=icon, device_class="timestamp")


def _event(topics: Topics, name: str, types: tuple[EventType, ...], seat: str | None) -> Component:
    """An event entity. What is late, or not for it, renders to nothing, which is ignored: Home
    Assistant would show the news of an hour ago as news of now."""
    words = [type_.value for type_ in types]
    of_seat = "" if seat is None else f" and value_json.seat == '{seat}'"
    return {
        "platform": "event",
        "name": name,
        "icon": "mdi:gesture-tap-button",
        "state_topic": topics.event,
        "event_types": words,
        "value_template": (
            f"{{% if value_json.type in {words} and not value_json.late{of_seat} %}}"
            "{{ dict(value_json.details, event_type=value_json.type, id=value_json.id,"
            " at=value_json.at) | to_json }}{% endif %}"
        ),
    }


def _trigger(topics: Topics, type_: EventType, seat: str | None) -> Component:
    wanted = type_.value if seat is None else f"{type_.value} {seat}"
    of_seat = "" if seat is None else " ~ ' ' ~ value_json.seat"
    return {
        "platform": "device_automation",
        "automation_type": "trigger",
        "type": _TRIGGERS[type_],
        "subtype": "box" if seat is None else seat,
        "topic": topics.event,
        "payload": wanted,
        "value_template": f"{{{{ '' if value_json.late else value_json.type{of_seat} }}}}",
    }
