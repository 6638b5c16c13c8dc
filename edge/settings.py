"""Reads a TOML file into the tree of `config.py`, and renders the tree for people.

A faulty file is answered with every setting at fault, what was found and what would do.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import os
import re
import textwrap
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from edge.config import PRESETS, Config, LadderConfig
from edge.domain import Box
from edge.wire.commands import MAX_PAYLOAD_BYTES

DEFAULT_PATH = Path("/etc/procrastobot/config.toml")
HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True)
class SettingFault:
    """One setting that cannot be used: where, and what would do."""

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}{self.text}"


class ConfigError(Exception):
    """The configuration cannot be used; the message names every fault."""

    def __init__(self, source: str, faults: list[SettingFault]) -> None:
        count = "1 setting" if len(faults) == 1 else f"{len(faults)} settings"
        lines = [f"{source}: {count} cannot be used", *(f"  {fault}" for fault in faults)]
        super().__init__("\n".join(lines))
        self.faults = faults


class ConfigUnreadable(ConfigError):
    """The file is missing, not readable or not TOML."""

    def __init__(self, source: str, text: str) -> None:
        Exception.__init__(self, f"{source}: {text}")
        self.faults = [SettingFault(source, f": {text}")]


def find() -> Path | None:
    """The configuration that `run` uses when none is named; None: all defaults."""
    named = os.environ.get("PROCRASTOBOT_CONFIG")
    if named:
        return Path(named)
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for path in (DEFAULT_PATH, home / "procrastobot" / "config.toml"):
        if path.is_file():
            return path
    return None


def load(path: Path | None) -> Config:
    """Read a file; None gives the defaults. Raises ConfigError, ConfigUnreadable."""
    if path is None:
        return Config()
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise ConfigUnreadable(str(path), f"cannot be read: {exc.strerror}") from exc
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise ConfigUnreadable(str(path), f"is not UTF-8 text (byte {exc.start})") from exc
    return parse(text, str(path))


def parse(text: str, source: str) -> Config:
    """Turn TOML into the tree. Raises ConfigError, ConfigUnreadable."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigUnreadable(source, f"is not valid TOML: {exc}") from exc
    faults: list[SettingFault] = []
    config: Config = _section(Config, tree, "", faults)
    if not faults:
        faults.extend(_contradictions(config))
    if faults:
        raise ConfigError(source, faults)
    return config


def override(config: Config, assignments: Mapping[str, object]) -> Config:
    """The tree with dotted settings replaced, e.g. {"camera.source": "clip.mp4"}.

    Values are TOML values and are checked like those of a file. Raises ConfigError.
    """
    faults: list[SettingFault] = []
    for dotted, value in assignments.items():
        section_name, _, name = dotted.partition(".")
        section = getattr(config, section_name)
        hint = typing.get_type_hints(type(section))[name]
        declared = next(f for f in fields(section) if f.name == name)
        checked = _value(hint, value, declared.metadata, dotted, faults)
        if not faults:
            changed = dataclasses.replace(section, **{name: checked})
            config = dataclasses.replace(config, **{section_name: changed})
    if not faults:
        faults.extend(_contradictions(config))
    if faults:
        raise ConfigError("command line", faults)
    return config


# ---------------------------------------------------------------- reading


def _section(cls: type, tree: Mapping[str, Any], where: str, faults: list[SettingFault]) -> Any:
    hints = typing.get_type_hints(cls)
    declared = {f.name: f for f in fields(cls)}
    values: dict[str, Any] = {}
    for name, raw in tree.items():
        path = f"{where}.{name}" if where else name
        if name not in declared:
            faults.append(SettingFault(path, f": no such setting{_nearest(name, cls, where)}"))
            continue
        values[name] = _value(hints[name], raw, declared[name].metadata, path, faults)
    if faults:
        # Some values are placeholders now; the faults are raised before anybody sees them.
        values = {k: v for k, v in values.items() if v is not None}
    return cls(**values)


def _value(
    hint: Any, raw: Any, metadata: Mapping[str, Any], path: str, faults: list[SettingFault]
) -> Any:
    if is_dataclass(hint) and isinstance(hint, type) and hint is not Box:
        if not isinstance(raw, Mapping):
            faults.append(SettingFault(path, f" = {_toml(raw)}: must be a table [{path}]"))
            return None
        return _section(hint, raw, path, faults)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _value(next(a for a in args if a is not type(None)), raw, metadata, path, faults)
    if origin is tuple and is_dataclass(args[0]):
        return _tables(args[0], raw, path, faults)
    if origin is dict:
        return _modes(raw, path, faults)
    problem = _problem(hint, raw, metadata)
    if problem:
        shown = HIDDEN if metadata.get("secret") else _toml(raw)
        faults.append(SettingFault(path, f" = {shown}: {problem}"))
        return None
    if hint is Box:
        return Box(*(float(edge) for edge in raw))
    return float(raw) if hint is float else raw


def _tables(cls: Any, raw: Any, path: str, faults: list[SettingFault]) -> Any:
    if not isinstance(raw, list) or not all(isinstance(item, Mapping) for item in raw):
        faults.append(SettingFault(path, f" = {_toml(raw)}: must be tables [[{path}]]"))
        return None
    if not raw:
        faults.append(SettingFault(path, " = []: at least one is needed"))
        return None
    return tuple(_section(cls, item, f"{path}[{i}]", faults) for i, item in enumerate(raw))


def _modes(raw: Any, path: str, faults: list[SettingFault]) -> dict[str, LadderConfig]:
    """The presets, changed and added to. A new mode starts from `gentle`."""
    modes = dict(PRESETS)
    if not isinstance(raw, Mapping):
        faults.append(SettingFault(path, f" = {_toml(raw)}: must be tables [{path}.NAME]"))
        return modes
    for name, table in raw.items():
        if not isinstance(table, Mapping):
            faults.append(SettingFault(f"{path}.{name}", f" = {_toml(table)}: must be a table"))
            continue
        if problem := _name_problem(name):
            faults.append(SettingFault(f"{path}.{_key(name)}", f": {problem}"))
            continue
        before = len(faults)
        ladder = _section(LadderConfig, table, f"{path}.{name}", faults)
        if len(faults) == before:
            given = {key: getattr(ladder, key) for key in table}
            modes[name] = dataclasses.replace(modes.get(name, PRESETS["gentle"]), **given)
    return modes


def _name_problem(name: str) -> str:
    """What of a mode's name no command, and no select of Home Assistant, can bring back."""
    if not name or name != name.strip() or not name.isprintable():
        return "a name has no blanks around it, and only characters that can be seen"
    if len(json.dumps({"mode": name})) > MAX_PAYLOAD_BYTES:
        return "this name is too long for a command"
    if name.startswith("{") and name.endswith("}"):
        return "a name is not in braces: that is how the fields of a command are"
    return ""


def _problem(hint: Any, raw: Any, metadata: Mapping[str, Any]) -> str:
    """What is wrong with a value, in words that say what would do; empty: nothing."""
    if hint is Box:
        return _box_problem(raw)
    if hint is bool:
        return "" if isinstance(raw, bool) else "must be true or false"
    if hint is str:
        return _text_problem(raw, metadata)
    if hint is int and (isinstance(raw, bool) or not isinstance(raw, int)):
        return "must be a whole number" + _range(metadata)
    if hint is float and (isinstance(raw, bool) or not isinstance(raw, int | float)):
        return "must be a number" + _range(metadata)
    low, high = metadata.get("low"), metadata.get("high")
    outside = (low is not None and raw < low) or (high is not None and raw > high)
    if outside or not math.isfinite(raw):
        return "must be" + _range(metadata)
    return ""


def _text_problem(raw: Any, metadata: Mapping[str, Any]) -> str:
    if not isinstance(raw, str):
        return "must be text in quotes"
    choices = metadata.get("choices") or ()
    if choices and raw not in choices:
        close = difflib.get_close_matches(raw, choices, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        return f"must be one of {', '.join(choices)}{hint}"
    pattern = metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, raw):
        return f"does not fit. {metadata['help']}"
    if any(ord(char) < 32 for char in raw):
        return "must not contain control characters"
    return ""


def _box_problem(raw: Any) -> str:
    wanted = "must be [top, left, bottom, right], each from 0 to 1"
    if not isinstance(raw, list) or len(raw) != 4:
        return wanted
    if any(isinstance(e, bool) or not isinstance(e, int | float) for e in raw):
        return wanted
    if not all(0 <= e <= 1 for e in raw):
        return wanted
    top, left, bottom, right = raw
    if top >= bottom or left >= right:
        return "top must be above bottom, and left before right"
    return ""


def _range(metadata: Mapping[str, Any]) -> str:
    low, high = metadata.get("low"), metadata.get("high")
    if low is None or high is None:
        return ""
    return f" from {low:g} to {high:g}"


def _nearest(name: str, cls: type, where: str) -> str:
    own = [f.name for f in fields(cls)]
    close = difflib.get_close_matches(name, own, 1)
    if close:
        return f"; did you mean {where}.{close[0]}?" if where else f"; did you mean {close[0]}?"
    everywhere = {path.rpartition(".")[2]: path for path, *_ in declarations()}
    if name in everywhere:
        return f"; did you mean {everywhere[name]}?"
    close = difflib.get_close_matches(name, everywhere, 1, cutoff=0.8)
    if close:
        return f"; did you mean {everywhere[close[0]]}?"
    return f"; there are {', '.join(own)}"


def unsettable(dotted: str) -> str:
    """Why one setting cannot be set by its dotted name alone; empty when it can."""
    section, _, name = dotted.partition(".")
    hint = typing.get_type_hints(Config).get(section)
    if isinstance(hint, type) and is_dataclass(hint):
        known = name in {declared.name for declared in fields(hint)}
        return "" if known else f": no such setting{_nearest(name, hint, section)}"
    if hint is not None:
        return f": {section} are tables, and need a file"
    paths = [path for path, *_ in declarations()]
    close = [path for path in paths if path.endswith(f".{dotted}")]
    close = close or difflib.get_close_matches(dotted, paths, 1)
    return ": no such setting" + (f"; did you mean {close[0]}?" if close else "")


def _contradictions(config: Config) -> Iterator[SettingFault]:
    """What is wrong between settings that are right one by one."""
    names = [seat.name for seat in config.seats]
    for i, name in enumerate(names):
        if name in names[:i]:
            yield SettingFault(f"seats[{i}].name", f" = {_toml(name)}: is the name of another seat")
    if config.policy.follow and config.policy.follow not in names:
        found = f" = {_toml(config.policy.follow)}: no such seat; there are {', '.join(names)}"
        yield SettingFault("policy.follow", found)
    if config.nudge.mode not in config.modes:
        found = f" = {_toml(config.nudge.mode)}: no such mode; there are {', '.join(config.modes)}"
        yield SettingFault("nudge.mode", found)
    if config.camera.rotate_deg not in (0, 180):
        yield SettingFault("camera.rotate_deg", f" = {config.camera.rotate_deg}: must be 0 or 180")
    if bool(config.nudge.quiet_from) != bool(config.nudge.quiet_to):
        missing = "quiet_to" if config.nudge.quiet_from else "quiet_from"
        yield SettingFault(f"nudge.{missing}", ": quiet hours need both a beginning and an end")
    if config.mqtt.password and config.mqtt.password_file:
        yield SettingFault("mqtt.password", f" = {HIDDEN}: give this or password_file, not both")
    if bool(config.mqtt.cert_file) != bool(config.mqtt.key_file):
        missing = "key_file" if config.mqtt.cert_file else "cert_file"
        yield SettingFault(f"mqtt.{missing}", ": a client certificate needs its key, and a key its")
    if config.web.enabled and not config.web.password and not _is_loopback(config.web.host):
        yield SettingFault(
            "web.password", ": needed when the page is served to more than this machine (web.host)"
        )
    for name in ("ca_file", "cert_file", "key_file"):
        path = getattr(config.mqtt, name)
        if path and not config.mqtt.tls:
            yield SettingFault(f"mqtt.{name}", f" = {_toml(path)}: needs mqtt.tls = true")
        elif path and not Path(path).is_file():
            yield SettingFault(f"mqtt.{name}", f" = {_toml(path)}: there is no such file")
    for mode, ladder in config.modes.items():
        times = (ladder.light_after_s, ladder.sound_after_s, ladder.loud_after_s)
        steps = [step for step in times if step >= 0]
        if steps != sorted(steps):
            yield SettingFault(
                f"modes.{mode}", ": light, sound and loud must come in this order, later and later"
            )


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host == "::1" or host.startswith("127.")


# ---------------------------------------------------------------- showing


def declarations() -> Iterator[tuple[str, Any, Any, Mapping[str, Any]]]:
    """(dotted name, type, default, metadata) of every setting, in the order of the tree."""
    for section in fields(Config):
        for cls, prefix in _section_classes(section.name):
            hints = typing.get_type_hints(cls)
            for declared in fields(cls):
                yield (
                    f"{prefix}.{declared.name}",
                    hints[declared.name],
                    declared.default,
                    declared.metadata,
                )


def _section_classes(name: str) -> list[tuple[Any, str]]:
    hint = typing.get_type_hints(Config)[name]
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return [(args[0], name)]
    if origin is dict:
        return [(args[1], f"{name}.NAME")]
    return [(hint, name)]


def shown(config: Config) -> str:
    """The settings in force, as TOML, without secrets."""
    lines: list[str] = []
    for section in fields(Config):
        value = getattr(config, section.name)
        if isinstance(value, tuple):
            for item in value:
                lines += [f"[[{section.name}]]", *_pairs(item), ""]
        elif isinstance(value, dict):
            for key, item in value.items():
                lines += [f"[{section.name}.{_key(key)}]", *_pairs(item), ""]
        else:
            lines += [f"[{section.name}]", *_pairs(value), ""]
    return "\n".join(lines)


def _pairs(section: Any) -> Iterator[str]:
    for declared in fields(section):
        value = getattr(section, declared.name)
        if value is None:
            continue
        if declared.metadata.get("secret") and value:
            yield f"# {declared.name} = {HIDDEN}"
        else:
            yield f"{declared.name} = {_toml(value)}"


def example() -> str:
    """The example file: every setting, commented out, with its help."""
    lines = [
        "# Procrastobot's settings. Every line that begins with # has no effect; what it shows is",
        "# the default. Check a changed file with: procrastobot check FILE",
        "",
    ]
    for section in fields(Config):
        for cls, prefix in _section_classes(section.name):
            title = prefix.replace("NAME", "my-own")
            table = f"[[{title}]]" if section.name == "seats" else f"[{title}]"
            summary = (cls.__doc__ or "").strip().replace("\n\n", "\n")
            lines += [f"# {line.strip()}" for line in summary.splitlines()]
            repeats = section.name in ("seats", "modes")
            lines.append(f"# {table}" if repeats else table)
            for declared in fields(cls):
                lines += textwrap.wrap(
                    _help(declared.metadata), 98, initial_indent="#   ", subsequent_indent="#   "
                )
                default = declared.default
                value = _toml(default) if default is not None else "[0.7, 0.0, 1.0, 0.3]"
                lines.append(f"# {declared.name} = {value}")
            lines.append("")
    return "\n".join(lines)


def reference() -> str:
    """All settings as Markdown tables."""
    lines = [
        "# Settings",
        "",
        "Made from the declarations in `edge/config.py` by `procrastobot check --reference`.",
        "The file is TOML; every setting has a default, so an empty file will do.",
        "",
    ]
    for section in fields(Config):
        for cls, prefix in _section_classes(section.name):
            table = f"[[{prefix}]]" if section.name == "seats" else f"[{prefix}]"
            lines += [f"## `{table}`", "", " ".join((cls.__doc__ or "").split()), ""]
            lines += ["| setting | default | meaning |", "| --- | --- | --- |"]
            for declared in fields(cls):
                default = _toml(declared.default) if declared.default is not None else "none"
                help_text = _help(declared.metadata).replace("|", "\\|")
                lines.append(f"| `{declared.name}` | `{default}` | {help_text} |")
            lines.append("")
    return "\n".join(lines)


def _help(metadata: Mapping[str, Any]) -> str:
    text = str(metadata["help"])
    if metadata.get("choices"):
        text += f" One of: {', '.join(metadata['choices'])}."
    bounds = _range(metadata).strip()
    if bounds:
        text += f" ({bounds})"
    return text


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Box):
        return _toml([value.ymin, value.xmin, value.ymax, value.xmax])
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    return str(value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)
