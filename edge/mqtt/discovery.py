"""One message that describes the whole box to Home Assistant. Pure.

Format: Home Assistant's MQTT integration, "device discovery" (since 2024.12). What is in
`components` becomes entities and device triggers; a seat more is a few components more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from edge import __version__
from edge.address import is_loopback, reachable
from edge.config import Config
from edge.domain import EventType
from edge.mqtt.topics import Topics
from edge.wire.commands import COMMANDS, Component
from edge.wire.events import EVENTS
from edge.wire.state import ACTIVITY, HEALTH, STATE, TODAY, Field, counted, counted_minutes, encode

HEALTH_MISSES = 3  # reports that may be missing before the figures are taken for stale

_SEAT_EVENTS = tuple(type_ for type_, event in EVENTS.items() if event.of == "seat")
_SESSION_EVENTS = tuple(type_ for type_, event in EVENTS.items() if event.of == "session")


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
                **({"suggested_area": config.box.place} if config.box.place else {}),
                **_page(config),
            },
            "origin": {"name": "procrastobot", "sw_version": __version__},
            "availability_topic": topics.availability,
            "qos": 1,
            "components": parts,
        }
    )


# Abbreviations of Home Assistant's MQTT discovery, those that save most.
SHORT = {
    "availability_topic": "avty_t",
    "command_topic": "cmd_t",
    "components": "cmps",
    "device_class": "dev_cla",
    "enabled_by_default": "en",
    "entity_category": "ent_cat",
    "event_types": "evt_typ",
    "expire_after": "exp_aft",
    "platform": "p",
    "state_class": "stat_cla",
    "state_topic": "stat_t",
    "unique_id": "uniq_id",
    "unit_of_measurement": "unit_of_meas",
    "value_template": "val_tpl",
}


def fitting(
    config: Config, most_bytes: int | None, *, gone: Mapping[str, str] | None = None
) -> tuple[bytes | None, tuple[str, ...]]:
    """`message` for a broker that takes `most_bytes` at most, and the components it is without.

    First it is said in fewer words, then the least needed go: what is for diagnosis, triggers that
    events replace, settings. None: not even one component fits.
    """
    full = message(config, gone=gone)
    if most_bytes is None or len(full) <= most_bytes:
        return full, ()
    described = json.loads(full)
    parts: dict[str, Component] = described["components"]
    base = Topics.of(config).base
    keys = sorted(
        (key for key in reversed(parts) if key not in (gone or {})),
        key=lambda key: _need(parts[key]),
    )
    left_out: list[str] = []
    while True:
        kept = {key: part for key, part in parts.items() if key not in left_out}
        short = encode({"~": base, **_brief({**described, "components": kept}, base)})
        if len(short) <= most_bytes:
            return short, tuple(left_out)
        if len(left_out) == len(keys):
            return None, tuple(keys)
        left_out.append(keys[len(left_out)])


def _need(part: Component) -> int:
    """How badly one wants it: the lowest go first, and the last of them before the first."""
    category = part.get("entity_category")
    if not part.get("enabled_by_default", True):
        return 0
    if category == "diagnostic":
        return 1
    if part["platform"] in ("device_automation", "event"):
        return 2
    if category == "config":
        return 3
    return 5 if part["platform"] == "binary_sensor" else 4


def _brief(value: Any, base: str) -> Any:
    """Without icons, with abbreviated keys and `~` for what all topics begin with."""
    if isinstance(value, dict):
        return {
            SHORT.get(key, key): _brief(each, base) for key, each in value.items() if key != "icon"
        }
    if isinstance(value, str) and value.startswith(f"{base}/"):
        return "~" + value[len(base) :]
    return value


def _page(config: Config) -> dict[str, str]:
    """Where Home Assistant's "Visit" leads: to the page, if it is there for others."""
    web = config.web
    if not web.enabled or web.port == 0 or is_loopback(web.host):
        return {}
    scheme = "https" if web.cert_file else "http"
    return {"configuration_url": reachable(web.host, web.port, scheme=scheme)[0]}


def platforms(config: Config) -> dict[str, str]:
    """Key -> platform of every component that `message` announces now."""
    return {key: part["platform"] for key, part in components(config).items()}


def components(config: Config) -> dict[str, Component]:
    """Every entity and trigger of the box, by its key."""
    topics = Topics.of(config)
    stale_s = round(HEALTH_MISSES * config.mqtt.health_s)
    found = {
        **_told(STATE, topics.state),
        "session_event": _event(topics, "Session event", _SESSION_EVENTS, None),
        **_triggers(topics, _SESSION_EVENTS, None, ""),
        **_controls(config, topics),
        **_update(config, topics),
        **_told(TODAY, topics.today),
        **_told(HEALTH, topics.health, expire_after=stale_s),
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


def _told(fields: Mapping[str, Field[Any]], topic: str, **more: Any) -> dict[str, Component]:
    """What the fields of a payload offer."""
    return {
        key: {
            "value_template": f"{{{{ value_json.{name} }}}}",
            **part,
            "state_topic": topic,
            **more,
        }
        for name, field in fields.items()
        for key, part in field.offers.items()
    }


def _controls(config: Config, topics: Topics) -> dict[str, Component]:
    """What the commands offer; what shows something shows the state."""
    controls: dict[str, Component] = {}
    for name, declared in COMMANDS.items():
        for key, part in declared.offers(config).items():
            shows = {"value_template", "state_value_template"} & set(part)
            topic = {"state_topic": topics.state} if shows else {}
            controls[key] = {**part, **topic, "command_topic": topics.command(name)}
    return controls


def _update(config: Config, topics: Topics) -> dict[str, Component]:
    """Which version there is, where the box is told of one. As long as nobody has said, Home
    Assistant knows of none: that is not the same as being up to date."""
    if not config.box.updates:
        return {}
    runs = f"'installed_version': '{__version__}'"
    return {
        "update": {
            "platform": "update",
            "name": "Update",
            "state_topic": topics.state,
            "value_template": (
                f"{{% set new = value_json.newest %}}{{% if new %}}{{{{ dict({{{runs},"
                " 'latest_version': new.version, 'title': 'Procrastobot',"
                " 'release_summary': new.notes[:255]},"
                " **({'release_url': new.url} if new.url else {})) | to_json }}"
                f"{{% else %}}{{{{ {{{runs}}} | to_json }}}}{{% endif %}}"
            ),
            "entity_category": "diagnostic",
        }
    }


def _seat(topics: Topics, seat: str, slug: str, *, alone: bool) -> dict[str, Component]:
    def named(name: str) -> str:
        return name if alone else f"{seat} {name[0].lower()}{name[1:]}"

    def of_seat(field: str) -> str:
        return f"value_json.seats['{seat}'].{field}"

    parts: dict[str, Component] = {
        f"{slug}_phone": {
            "platform": "binary_sensor",
            "name": named("Phone in use"),
            "icon": "mdi:cellphone",
            "state_topic": topics.state,
            "value_template": f"{{{{ 'ON' if {of_seat('phone_in_use')} else 'OFF' }}}}",
        },
        f"{slug}_occupied": {
            "platform": "binary_sensor",
            "name": named("Seat"),
            "device_class": "occupancy",
            "state_topic": topics.state,
            "value_template": f"{{{{ 'ON' if {of_seat('occupied')} else 'OFF' }}}}",
        },
        f"{slug}_event": _event(topics, named("Event"), _SEAT_EVENTS, seat),
        **_triggers(topics, _SEAT_EVENTS, seat, f"{slug}_"),
    }
    if not alone:
        activity = f"{{{{ {of_seat('activity')} }}}}"
        minutes = counted_minutes(named("Phone today"), "cellphone", of_seat("phone_s"))
        count = counted(named("Pick-ups today"), "cellphone-arrow-down", of_seat("pickups"))
        parts |= {
            f"{slug}_activity": {
                **ACTIVITY,
                "name": named("Activity"),
                "state_topic": topics.state,
                "value_template": activity,
            },
            f"{slug}_phone_today": {**minutes, "state_topic": topics.today},
            f"{slug}_pickups_today": {**count, "state_topic": topics.today},
        }
    return parts


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


def _triggers(
    topics: Topics, types: tuple[EventType, ...], seat: str | None, prefix: str
) -> dict[str, Component]:
    return {
        f"{prefix}trigger_{EVENTS[type_].trigger}": _trigger(topics, type_, seat)
        for type_ in types
        if EVENTS[type_].trigger
    }


def _trigger(topics: Topics, type_: EventType, seat: str | None) -> Component:
    # Home Assistant strips what a template gives; the name of a seat may end with a blank.
    wanted = type_.value if seat is None else f"{type_.value} {seat}".strip()
    of_seat = "" if seat is None else " ~ ' ' ~ value_json.seat"
    return {
        "platform": "device_automation",
        "automation_type": "trigger",
        "type": EVENTS[type_].trigger,
        "subtype": "box" if seat is None else seat,
        "topic": topics.event,
        "payload": wanted,
        "value_template": f"{{{{ '' if value_json.late else value_json.type{of_seat} }}}}",
    }
