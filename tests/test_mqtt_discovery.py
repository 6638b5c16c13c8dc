from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from edge import __version__
from edge.config import Config, SeatConfig
from edge.domain import Box, EventType, Totals
from edge.history.days import Day
from edge.mqtt import discovery
from edge.mqtt.commands import COMMANDS
from edge.mqtt.payloads import today_payload
from edge.mqtt.topics import Topics

ONE = Config()
TWO = replace(
    ONE,
    seats=(SeatConfig(name="left desk", box=Box(0, 0, 1, 0.5)), SeatConfig(name="left-desk")),
)


@pytest.mark.parametrize("config", [ONE, TWO], ids=["one seat", "two seats"])
def test_one_message_describes_the_whole_box(config):
    message = json.loads(discovery.message(config))
    parts = message["components"]
    entities = [p for p in parts.values() if p["platform"] != "device_automation"]
    ids = [part["unique_id"] for part in entities]
    names = [part["name"] for part in entities]
    assert len(set(ids)) == len(ids)
    assert len(set(names)) == len(names)
    assert message["device"] == {
        "identifiers": ["procrastobot_desk"],
        "name": "Procrastobot",
        "manufacturer": "Procrastobot",
        "model": "Procrastobot",
        "sw_version": __version__,
    }
    assert message["origin"] == {"name": "procrastobot", "sw_version": __version__}
    assert message["availability_topic"] == "procrastobot/desk/availability"
    assert message["qos"] == 1, "or Home Assistant misses what the broker was told twice"
    assert set(discovery.platforms(config)) == set(parts)


def test_a_second_seat_is_more_components_of_the_same_box():
    one, two = discovery.components(ONE), discovery.components(TWO)
    assert (
        json.loads(discovery.message(ONE))["device"] == json.loads(discovery.message(TWO))["device"]
    )
    shared = {key for key in one if not key.startswith("desk_")}
    assert shared <= set(two)
    assert discovery.seat_slugs(TWO) == {"left desk": "left_desk", "left-desk": "left_desk_2"}


@pytest.mark.parametrize("config", [ONE, TWO], ids=["one seat", "two seats"])
def test_every_command_of_a_component_is_one_that_the_box_knows(config):
    topics = Topics.of(config)
    for part in discovery.components(config).values():
        if "command_topic" in part:
            assert topics.command_name(part["command_topic"]) in COMMANDS


@pytest.mark.parametrize("config", [ONE, TWO], ids=["one seat", "two seats"])
def test_every_template_reads_a_field_that_is_published(config):
    """What Home Assistant makes of them is seen in `python -m tests.long.homeassistant`."""
    from edge.mqtt.contract import samples

    published = samples(config)
    for key, part in discovery.components(config).items():
        template = part.get("value_template", part.get("state_value_template"))
        if template is None:
            continue
        topic = part.get("state_topic", part.get("topic"))
        sample = published[topic.rsplit("/", 1)[1]]
        for seat, field in re.findall(r"value_json\.seats\['([^']+)'\]\.(\w+)", template):
            assert field in sample["seats"][seat], key
        bare = re.sub(r"value_json\.seats\['[^']+'\]\.\w+", "", template)
        for field in re.findall(r"value_json\.(\w+)", bare):
            assert field in sample, key


def said_by(template: str, payload: dict[str, object]) -> str:
    """As Home Assistant renders it."""
    jinja2 = pytest.importorskip("jinja2", reason="needs jinja2")
    return jinja2.Environment().from_string(template).render(value_json=payload).strip()


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        (0x0, "OFF"),
        (0x50000, "OFF"),
        (0xF0000, "OFF"),
        (0x50005, "ON"),
        (0x80008, "ON"),
        (0x1, "ON"),
        (0x2, "ON"),
        (0x4, "ON"),
        (None, "None"),
    ],
)
def test_throttling_that_is_over_is_no_problem_of_now(bits, expected):
    template = discovery.components(ONE)["throttled"]["value_template"]
    assert said_by(template, {"throttled": bits}) == expected


def sum_of(part: dict[str, object], payloads: list[dict[str, object]]) -> float:
    """What Home Assistant adds up: its sensor/recorder.py, for what begins with the first."""
    total, begin, last, reset_at = 0.0, None, 0.0, None
    for payload in payloads:
        value = float(said_by(str(part["value_template"]), payload))
        if part["state_class"] == "total":
            at = said_by(str(part["last_reset_value_template"]), payload)
            reset, reset_at = begin is not None and at != reset_at, at
        else:
            reset = begin is not None and value < 0.9 * last
        if begin is None:
            begin = value
        elif reset:
            total += last - begin
            begin = 0.0
        last = value
    assert begin is not None
    return total + last - begin


def test_home_assistant_adds_up_what_the_box_says_though_pick_ups_are_taken_back():
    days = [
        ("2026-03-05", [0, 1, 2, 3, 2, 3]),
        ("2026-03-06", [0, 1, 0, 0, 1, 2, 1]),
        ("2026-03-07", [1, 5, 4]),
    ]
    figures = [(date, count) for date, counts in days for count in counts]
    for config in (ONE, TWO):
        seats = tuple(seat.name for seat in config.seats)
        payloads = [
            today_payload(
                Day(
                    date,
                    seats,
                    (Totals(pickups=n, phone_s=60 * n, focus_s=60 * n, sessions=n),) * len(seats),
                ),
                since=datetime.fromisoformat(date).replace(tzinfo=UTC),
            )
            for date, n in figures
        ]
        for key, part in discovery.components(config).items():
            if not str(part.get("state_topic", "")).endswith("/today") or key == "streak":
                continue
            per_seat = len(seats) if key in ("phone_today", "pickups_today") else 1
            expected = {"away_today": 0, "break_today": 0}.get(key, (3 + 1 + 4) * per_seat)
            assert sum_of(part, payloads) == expected, key
            assert part["state_class"] == "total"


def test_event_types_of_the_components_are_words_of_the_box():
    words = {type_.value for type_ in EventType}
    for part in discovery.components(ONE).values():
        assert set(part.get("event_types", ())) <= words


# ---------------------------------------------------------------- the whole of it, word by word

SAID = "{{ dict(value_json.details, event_type=value_json.type, id=value_json.id, at=value_json.at)"
SEAT_WORDS = "['pickup', 'putdown', 'left', 'returned']"
SESSION_WORDS = (
    "['interrupted', 'session_start', 'session_end', 'break_start', 'break_end', 'pause', 'resume',"
    " 'reward']"
)
READ = {  # what shows the state, the day and the health of the box
    "state": [
        *("until", "next_break", "activity", "level", "reason", "pickups_this_session"),
        *("snooze_until", "view", "camera_fault", "detector_fault", "disk_fault"),
    ],
    "today": [
        *("focus_today", "phone_today", "away_today", "break_today", "pickups_today"),
        *("sessions_today", "streak"),
    ],
    "health": [
        *("fps", "inference", "frame_age", "temperature", "throttled", "memory", "drops", "queued"),
    ],
}
TOLD = {  # what is set or pressed: the command that it sends, and whether it shows the state
    "session": ("session", True),
    "snooze": ("snooze", False),
    "mute": ("mute", True),
    "volume": ("volume", True),
    "mode": ("mode", True),
    "tune": ("tune", True),
    "grace": ("grace", True),
    "not_a_phone": ("not_a_phone", False),
    "my_phone": ("my_phone", False),
    "teach": ("teach", False),
    "forget": ("forget", False),
    "test_lights": ("test", False),
    "buzzer": ("test", True),
}
OWN_NAMES = replace(
    ONE,
    box=replace(ONE.box, id="b7"),
    mqtt=replace(ONE.mqtt, base_topic="house", health_s=20),
)


def trigger(word: str, event: str, seat: str | None, topic: str) -> dict[str, object]:
    of_seat = "" if seat is None else " ~ ' ' ~ value_json.seat"
    return {
        "platform": "device_automation",
        "automation_type": "trigger",
        "type": word,
        "subtype": seat or "box",
        "topic": topic,
        "payload": event if seat is None else f"{event} {seat}",
        "value_template": f"{{{{ '' if value_json.late else value_json.type{of_seat} }}}}",
    }


def test_of_the_box_there_is_nothing_more_and_nothing_less_than_this():
    parts = discovery.components(OWN_NAMES)
    of_seat = [key for key in parts if key.startswith("desk_")]
    assert list(parts) == [
        *READ["state"],
        *("session_event", "trigger_session_started", "trigger_session_ended"),
        *TOLD,
        *READ["today"],
        *READ["health"],
        *of_seat,
    ]
    for topic, keys in READ.items():
        for key in keys:
            part = parts[key]
            assert part["state_topic"] == f"house/b7/{topic}", key
            assert part.get("expire_after") == (60 if topic == "health" else None), key
            assert part["unique_id"] == f"procrastobot_b7_{key}"
            assert "command_topic" not in part, key
    for key, (command, shows) in TOLD.items():
        part = parts[key]
        assert part["command_topic"] == f"house/b7/command/{command}", key
        assert part.get("state_topic") == ("house/b7/state" if shows else None), key
        assert part["unique_id"] == f"procrastobot_b7_{key}"
        assert "expire_after" not in part, key


def test_a_field_that_has_no_template_of_its_own_is_read_by_its_name():
    parts = discovery.components(ONE)
    assert {key: parts[key]["value_template"] for key in ("until", "streak", "inference")} == {
        "until": "{{ value_json.until }}",
        "streak": "{{ value_json.streak }}",
        "inference": "{{ value_json.inference_ms }}",
    }
    assert parts["reason"]["value_template"] == "{{ value_json.reason[:255] }}"


def test_a_session_is_told_by_an_event_and_two_triggers():
    parts = discovery.components(OWN_NAMES)
    assert parts["session_event"] == {
        "platform": "event",
        "name": "Session event",
        "icon": "mdi:gesture-tap-button",
        "state_topic": "house/b7/event",
        "event_types": [word.strip("[' ]") for word in SESSION_WORDS.split(",")],
        "value_template": (
            f"{{% if value_json.type in {SESSION_WORDS} and not value_json.late %}}"
            f"{SAID} | to_json }}}}{{% endif %}}"
        ),
        "unique_id": "procrastobot_b7_session_event",
    }
    triggers = {key: part for key, part in parts.items() if key.startswith("trigger_")}
    assert triggers == {
        f"trigger_{word}": trigger(word, event, None, "house/b7/event")
        for word, event in (("session_started", "session_start"), ("session_ended", "session_end"))
    }


def seat_parts(key: str, called: str, seat: str, base: str, device: str) -> dict[str, object]:
    """What every seat has; `called` is what its names begin with."""

    def named(name: str) -> str:
        return f"{called} {name}" if called else name.capitalize()

    return {
        f"{key}_phone": {
            "platform": "binary_sensor",
            "name": named("phone in use"),
            "icon": "mdi:cellphone",
            "state_topic": f"{base}/state",
            "value_template": (
                f"{{{{ 'ON' if value_json.seats['{seat}'].phone_in_use else 'OFF' }}}}"
            ),
            "unique_id": f"{device}_{key}_phone",
        },
        f"{key}_occupied": {
            "platform": "binary_sensor",
            "name": named("seat"),
            "device_class": "occupancy",
            "state_topic": f"{base}/state",
            "value_template": f"{{{{ 'ON' if value_json.seats['{seat}'].occupied else 'OFF' }}}}",
            "unique_id": f"{device}_{key}_occupied",
        },
        f"{key}_event": {
            "platform": "event",
            "name": named("event"),
            "icon": "mdi:gesture-tap-button",
            "state_topic": f"{base}/event",
            "event_types": ["pickup", "putdown", "left", "returned"],
            "value_template": (
                f"{{% if value_json.type in {SEAT_WORDS} and not value_json.late"
                f" and value_json.seat == '{seat}' %}}{SAID} | to_json }}}}{{% endif %}}"
            ),
            "unique_id": f"{device}_{key}_event",
        },
        **{
            f"{key}_trigger_{word}": trigger(word, event, seat, f"{base}/event")
            for word, event in (
                ("picked_up", "pickup"),
                ("put_down", "putdown"),
                ("left", "left"),
                ("returned", "returned"),
            )
        },
    }


def test_the_only_seat_is_called_nothing_and_has_what_is_its_own():
    parts = discovery.components(OWN_NAMES)
    found = {key: part for key, part in parts.items() if key.startswith("desk_")}
    assert found == seat_parts("desk", "", "desk", "house/b7", "procrastobot_b7")


@pytest.mark.parametrize(
    ("key", "seat"), [("left_desk", "left desk"), ("left_desk_2", "left-desk")]
)
def test_each_of_two_seats_has_its_name_and_figures_of_its_own(key, seat):
    of_second = "left_desk_2_"
    mine = {
        each: part
        for each, part in discovery.components(TWO).items()
        if each.startswith(f"{key}_") and each.startswith(of_second) == (seat == "left-desk")
    }
    figures = {
        "state_class": "total",
        "last_reset_value_template": "{{ value_json.since }}",
        "state_topic": "procrastobot/desk/today",
    }
    assert mine == {
        **seat_parts(key, seat, seat, "procrastobot/desk", "procrastobot_desk"),
        f"{key}_activity": {
            "platform": "sensor",
            "name": f"{seat} activity",
            "icon": "mdi:desk",
            "device_class": "enum",
            "options": ["working", "phone", "away", "unsure"],
            "state_topic": "procrastobot/desk/state",
            "value_template": f"{{{{ value_json.seats['{seat}'].activity }}}}",
            "unique_id": f"procrastobot_desk_{key}_activity",
        },
        f"{key}_phone_today": {
            "platform": "sensor",
            "name": f"{seat} phone today",
            "icon": "mdi:cellphone",
            "device_class": "duration",
            "unit_of_measurement": "min",
            "value_template": f"{{{{ (value_json.seats['{seat}'].phone_s / 60) | round(1) }}}}",
            "unique_id": f"procrastobot_desk_{key}_phone_today",
            **figures,
        },
        f"{key}_pickups_today": {
            "platform": "sensor",
            "name": f"{seat} pick-ups today",
            "icon": "mdi:cellphone-arrow-down",
            "value_template": f"{{{{ value_json.seats['{seat}'].pickups }}}}",
            "unique_id": f"procrastobot_desk_{key}_pickups_today",
            **figures,
        },
    }


def test_an_event_of_a_seat_reaches_its_own_parts_and_no_late_one_any():
    """The templates and what is compared with them, as Home Assistant does it."""
    ends_with_blank = replace(ONE, seats=(SeatConfig(name="mine "), SeatConfig(name="other")))
    parts = discovery.components(ends_with_blank)

    def heard(payload: dict[str, object]) -> set[str]:
        found = set()
        for key, part in parts.items():
            if part["platform"] == "device_automation":
                if said_by(part["value_template"], payload) == part["payload"]:
                    found.add(key)
            # Without Home Assistant's own filter: it is the condition that is asked here.
            elif part["platform"] == "event" and said_by(
                part["value_template"].replace(" | to_json", ""), payload
            ):
                found.add(key)
        return found

    event = {"id": "i", "at": "t", "details": {"level": 1}, "late": False, "seat": "mine "}
    assert heard({**event, "type": "pickup"}) == {"mine_event", "mine_trigger_picked_up"}
    assert heard({**event, "type": "left", "seat": "other"}) == {
        "other_event",
        "other_trigger_left",
    }
    of_box = {**event, "seat": None}
    assert heard({**of_box, "type": "session_start"}) == {
        "session_event",
        "trigger_session_started",
    }
    assert heard({**of_box, "type": "pause"}) == {"session_event"}
    assert heard({**of_box, "type": "unsure"}) == set()
    for type_ in EventType:
        assert heard({**event, "type": str(type_), "late": True}) == set()


@pytest.mark.parametrize(
    ("names", "slugs"),
    [
        (["Desk"], ["desk"]),
        (["-- My  Desk_1 --"], ["my_desk_1"]),
        (["__"], ["seat"]),
        (["a b", "a-b", "A_B"], ["a_b", "a_b_2", "a_b_3"]),
        (["a_2", "a", "A"], ["a_2", "a", "a_3"]),
        (["-", "_"], ["seat", "seat_2"]),
    ],
)
def test_seats_are_told_apart_by_keys_that_any_of_them_can_have(names, slugs):
    config = replace(ONE, seats=tuple(SeatConfig(name=name) for name in names))
    assert discovery.seat_slugs(config) == dict(zip(names, slugs, strict=True))


def test_the_version_is_announced_where_one_is_told_of_new_ones():
    told = replace(ONE, box=replace(ONE.box, updates="/srv/latest.json"))
    runs = f"'installed_version': '{__version__}'"
    assert "update" not in discovery.components(ONE)
    update = discovery.components(told)["update"]
    template = update.pop("value_template")
    assert update == {
        "platform": "update",
        "name": "Update",
        "state_topic": "procrastobot/desk/state",
        "entity_category": "diagnostic",
        "unique_id": "procrastobot_desk_update",
    }
    bare = template.replace(" | to_json", "")
    assert said_by(bare, {"newest": None}) == f"{{{runs}}}"
    newest = {"version": "9.1", "notes": "x" * 300, "url": ""}
    latest = f"'latest_version': '9.1', 'title': 'Procrastobot', 'release_summary': '{'x' * 255}'"
    assert said_by(bare, {"newest": newest}) == f"{{{runs}, {latest}}}"
    assert said_by(bare, {"newest": {**newest, "url": "https://e"}}) == (
        f"{{{runs}, {latest}, 'release_url': 'https://e'}}"
    )
    assert template.count("| to_json }}") == 2


def test_the_device_is_described_with_its_place_and_its_page():
    config = replace(
        ONE,
        box=replace(ONE.box, id="b7", name="Bob", place="Study"),
        mqtt=replace(ONE.mqtt, base_topic="house"),
        web=replace(ONE.web, enabled=True, host="192.168.1.7", port=8080),
    )
    message = json.loads(discovery.message(config, gone={"old_phone": "binary_sensor"}))
    parts = message.pop("components")
    assert message == {
        "device": {
            "identifiers": ["procrastobot_b7"],
            "name": "Bob",
            "manufacturer": "Procrastobot",
            "model": "Procrastobot",
            "sw_version": __version__,
            "suggested_area": "Study",
            "configuration_url": "http://192.168.1.7:8080/",
        },
        "origin": {"name": "procrastobot", "sw_version": __version__},
        "availability_topic": "house/b7/availability",
        "qos": 1,
    }
    assert parts.pop("old_phone") == {"platform": "binary_sensor"}
    assert parts == json.loads(json.dumps(discovery.components(config)))
    assert discovery.platforms(config) == {key: part["platform"] for key, part in parts.items()}
    secure = replace(config, web=replace(config.web, cert_file="/c.pem"))
    device = json.loads(discovery.message(secure))["device"]
    assert device["configuration_url"] == "https://192.168.1.7:8080/"


# ---------------------------------------------------------------- for a broker that takes little


def test_one_after_another_is_left_out_in_the_order_of_its_need():
    """Which goes, and that none goes too early: each size is tried at its edge."""
    full = discovery.message(ONE)
    for roomy in (None, len(full), len(full) + 1):
        assert discovery.fitting(ONE, roomy) == (full, ())
    every = discovery.components(ONE)
    most, left_out, sizes = len(full) - 1, (), []
    while True:
        short, now_out = discovery.fitting(ONE, most)
        if short is None:
            break
        assert now_out[: len(left_out)] == left_out
        assert len(short) <= most
        kept = json.loads(short)["cmps"]
        assert set(kept) == set(every) - set(now_out)
        assert discovery.fitting(ONE, len(short)) == (short, now_out), "it fits exactly"
        sizes.append(len(short))
        left_out, most = now_out, len(short) - 1
    assert discovery.fitting(ONE, most) == (None, left_out)
    assert len(sizes) == len(every) + 1, "one at a time, to the very last"
    by_platform = {key: part["platform"] for key, part in every.items()}
    hidden = ["queued", "drops", "memory", "frame_age", "inference", "forget", "teach"]
    diagnosis = [
        *("throttled", "temperature", "fps", "test_lights"),
        *("disk_fault", "detector_fault", "camera_fault", "view"),
    ]
    news = [key for key in reversed(every) if by_platform[key] in ("event", "device_automation")]
    settings = ["grace", "tune", "mode", "volume", "mute"]
    assert left_out[: len(hidden + diagnosis + news + settings)] == (
        *hidden,
        *diagnosis,
        *news,
        *settings,
    )
    assert left_out[-2:] == ("desk_occupied", "desk_phone")
    assert left_out[-3] == "until", "what is read goes before, the last of it first"


def test_what_is_gone_is_named_in_few_words_too_and_never_left_out():
    gone = {"old_phone": "binary_sensor"}
    short, left_out = discovery.fitting(ONE, 700, gone=gone)
    assert short is not None
    assert json.loads(short)["cmps"]["old_phone"] == {"p": "binary_sensor"}
    assert "old_phone" not in left_out
    assert discovery.fitting(ONE, 100, gone=gone)[0] is None


def test_few_words_are_those_of_home_assistant():
    """Its own list: homeassistant/components/mqtt/abbreviations.py."""
    given = {
        "availability_topic": "a/b/availability",
        "icon": "mdi:x",
        "name": "a/bc",
        "components": {
            "k": {"platform": "event", "state_topic": "a/b/state", "icon": "y", "event_types": [1]}
        },
        "expire_after": 3,
    }
    assert discovery._brief(given, "a/b") == {
        "avty_t": "~/availability",
        "name": "a/bc",
        "cmps": {"k": {"p": "event", "stat_t": "~/state", "evt_typ": [1]}},
        "exp_aft": 3,
    }
