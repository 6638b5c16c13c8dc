"""Reads a TOML file into the tree of `config.py`, and renders the tree for people.

A faulty file is answered with every setting at fault, what was found and what would do.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import logging
import os
import shlex
import textwrap
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from edge import toml, zone
from edge.address import HIDDEN, callable_problem
from edge.address import shown as shown_address
from edge.config import OLD_NAMES, Config
from edge.errors import Misconfigured
from edge.service import DEFAULT_PATH, with_sudo
from edge.toml import SettingFault, written
from edge.wire.commands import MAX_PAYLOAD_BYTES

log = logging.getLogger(__name__)


class ConfigError(Misconfigured):
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
    """The configuration that `run` uses when none is named; None: all defaults.

    Raises ConfigUnreadable where only the service and root may look.
    """
    named = os.environ.get("PROCRASTOBOT_CONFIG")
    if named:
        return Path(named)
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path(os.path.expanduser("~")) / ".config")
    for path in (DEFAULT_PATH, home / "procrastobot" / "config.toml"):
        try:
            path.stat()
        except PermissionError as exc:
            raise _unreadable(path, f"cannot be read: {exc.strerror}") from exc
        except OSError:
            continue
        return path
    return None


@dataclass(frozen=True, slots=True)
class Read:
    """What a file came to: the tree, with defaults where something is wrong, and all that is."""

    config: Config
    source: str
    reader: toml.Reader  # what is wrong by itself
    faults: list[SettingFault]  # that, and what contradicts each other

    def checked(self) -> Config:
        """Raises ConfigError where there is a fault."""
        if self.faults:
            raise ConfigError(self.source, self.faults)
        return self.config


def load(path: Path | None) -> Config:
    """Read a file; None gives the defaults. Raises ConfigError, ConfigUnreadable."""
    return read(path).checked()


def parse(text: str, source: str) -> Config:
    """Turn TOML into the tree. Raises ConfigError, ConfigUnreadable."""
    return _read(text, source).checked()


def read(path: Path | None) -> Read:
    """Read a file, and judge all of it that can be read. Raises ConfigUnreadable."""
    if path is None:
        return Read(Config(), "no file: all defaults", _reader(), [])
    try:
        text = toml.read_text(path)
    except toml.Unreadable as exc:
        raise _unreadable(path, str(exc)) from exc
    if text.startswith(toml.BYTE_ORDER_MARK):
        log.warning("%s: begins with a byte order mark, as Windows writes it; passed over", path)
    return _read(text, str(path))


def _read(text: str, source: str) -> Read:
    tree, faults = toml.syntax(text, paths=_paths)
    if tree is None:
        raise _not_toml(source, faults)
    notes = _renamed(tree)
    reader = _reader()
    config: Config = reader.section(Config, tree, "")
    judged = [*reader.faults, *_contradictions(config, reader)]
    if faults and not judged:
        raise _not_toml(source, faults)
    for note in notes:
        log.warning("%s: %s", source, note)
    return Read(config, source, reader, [*faults, *judged])


def _reader() -> toml.Reader:
    return toml.Reader(paths=_paths)


def _paths() -> list[str]:
    return [path for path, *_ in declarations()]


def _unreadable(path: Path, text: str) -> ConfigUnreadable:
    return ConfigUnreadable(str(path), text + with_sudo(path))


def _not_toml(source: str, faults: list[SettingFault]) -> ConfigUnreadable:
    lines = [str(fault) for fault in faults]
    return ConfigUnreadable(source, "is not valid TOML: " + "\n  ".join(lines))


def _renamed(tree: dict[str, Any]) -> list[str]:
    """Put what stands under an old name under its new one; what is no longer needed goes.

    Returns what to say about it. An update must not stop a box for a name that changed.
    """
    notes = []
    for old, new in OLD_NAMES.items():
        section, _, name = old.partition(".")
        table = tree.get(section)
        if not isinstance(table, dict) or name not in table:
            continue
        value = table.pop(name)
        if not new:
            notes.append(f"{old} is no longer needed, and has no effect; take it out")
            continue
        section, _, name = new.partition(".")
        target = tree.setdefault(section, {})
        if isinstance(target, dict) and name not in target:
            target[name] = value
            notes.append(f"{old} is called {new} now; the old name works for the time being")
        else:
            notes.append(
                f"{old} is called {new} now, which is there too; the old one has no effect"
            )
    return notes


def override(config: Config, assignments: Mapping[str, object]) -> Config:
    """The tree with dotted settings replaced, e.g. {"camera.source": "clip.mp4"}.

    Values are TOML values and are checked like those of a file. Raises ConfigError.
    """
    return overridden(config, assignments).checked()


def overridden(config: Config, assignments: Mapping[str, object]) -> Read:
    """The same, with all that is wrong beside it."""
    reader = _reader()
    for dotted, value in assignments.items():
        section_name, _, name = dotted.partition(".")
        section = getattr(config, section_name)
        hint = typing.get_type_hints(type(section))[name]
        declared: Field[Any] = next(f for f in fields(section) if f.name == name)
        checked = reader.value(hint, value, declared, dotted)
        if checked is not None:
            changed = dataclasses.replace(section, **{name: checked})
            config = dataclasses.replace(config, **{section_name: changed})
    faults = [*reader.faults, *_contradictions(config, reader)]
    return Read(config, "command line", reader, faults)


def unsettable(dotted: str) -> str:
    """Why one setting cannot be set by its dotted name alone; empty when it can."""
    section, _, name = dotted.partition(".")
    hint = typing.get_type_hints(Config).get(section)
    if isinstance(hint, type) and is_dataclass(hint):
        own = [declared.name for declared in fields(hint)]
        return "" if name in own else f": no such setting{_reader().nearest(name, own, section)}"
    if hint is not None:
        return f": {section} are tables, and need a file"
    paths = _paths()
    close = [path for path in paths if path.endswith(f".{dotted}")]
    close = close or difflib.get_close_matches(dotted, paths, 1)
    return ": no such setting" + (f"; did you mean {close[0]}?" if close else "")


def _contradictions(config: Config, reader: toml.Reader) -> list[SettingFault]:
    """What is wrong between settings that are right one by one."""
    sound = reader.sound
    found: list[SettingFault] = []

    def wrong(where: str, text: str) -> None:
        found.append(SettingFault(where, text))

    names = [seat.name for seat in config.seats]
    if sound("seats"):
        for i, name in enumerate(names):
            if name in names[:i]:
                wrong(f"seats[{i}].name", f" = {written(name)}: is the name of another seat")
        if config.policy.follow and config.policy.follow not in names and sound("policy.follow"):
            what = f"no such seat; there are {', '.join(names)}"
            wrong("policy.follow", f" = {written(config.policy.follow)}: {what}")
    timezone = config.box.timezone
    if timezone and sound("box.timezone") and (problem := zone.problem(timezone)):
        wrong("box.timezone", f" = {written(timezone)}: {problem}")
    if config.nudge.mode not in config.modes and sound("nudge.mode"):
        what = f"no such mode; there are {', '.join(config.modes)}"
        wrong("nudge.mode", f" = {written(config.nudge.mode)}: {what}")
    quiet = bool(config.nudge.quiet_from), bool(config.nudge.quiet_to)
    if quiet[0] != quiet[1] and sound("nudge.quiet_from", "nudge.quiet_to"):
        missing = "quiet_to" if quiet[0] else "quiet_from"
        wrong(f"nudge.{missing}", ": quiet hours need both a beginning and an end")
    mqtt, web = config.mqtt, config.web
    if mqtt.password and mqtt.password_file:
        wrong("mqtt.password", f" = {HIDDEN}: give this or password_file, not both")
    if bool(mqtt.cert_file) != bool(mqtt.key_file) and sound("mqtt.cert_file", "mqtt.key_file"):
        missing = "key_file" if mqtt.cert_file else "cert_file"
        wrong(f"mqtt.{missing}", ": a client certificate needs its key, and a key its")
    if bool(web.cert_file) != bool(web.key_file) and sound("web.cert_file", "web.key_file"):
        missing = "key_file" if web.cert_file else "cert_file"
        wrong(f"web.{missing}", ": a certificate needs its key, and a key its")
    both = config.broker.enabled and web.enabled and config.broker.port == web.port != 0
    if both and sound("broker.enabled", "broker.port", "web.enabled", "web.port"):
        wrong("web.port", f" = {web.port}: is the port of the broker in the box (broker.port)")
    experiment = config.experiment
    if experiment.enabled and sound("experiment", "modes", "seats"):
        if experiment.compare == "mode":
            for name in ("mode_a", "mode_b"):
                if (mode := getattr(experiment, name)) not in config.modes:
                    what = f"no such mode; there are {', '.join(config.modes)}"
                    wrong(f"experiment.{name}", f" = {written(mode)}: {what}")
            if experiment.mode_a == experiment.mode_b:
                wrong("experiment.mode_b", f" = {written(experiment.mode_b)}: is mode_a too")
        if experiment.compare == "dock" and not any(seat.dock for seat in config.seats):
            wrong("experiment.compare", ' = "dock": no seat has a dock')
    if sound("hooks"):
        _judge_hooks(config, wrong)
    for name in ("ca_file", "cert_file", "key_file"):
        path = getattr(mqtt, name)
        if path and not mqtt.tls and sound("mqtt.tls"):
            wrong(f"mqtt.{name}", f" = {written(path)}: needs mqtt.tls = true")
    for mode, ladder in config.modes.items():
        if problem := _name_problem(mode):
            wrong(f"modes.{toml.key(mode)}", f": {problem}")
        times = (ladder.light_after_s, ladder.sound_after_s, ladder.loud_after_s)
        steps = [step for step in times if step >= 0]
        if steps != sorted(steps) and sound(f"modes.{mode}"):
            wrong(
                f"modes.{mode}", ": light, sound and loud must come in this order, later and later"
            )
    return found


def _judge_hooks(config: Config, wrong: Callable[[str, str], None]) -> None:
    names = [hook.name for hook in config.hooks]
    for i, hook in enumerate(config.hooks):
        where = f"hooks[{i}]"
        if hook.name in names[:i]:
            wrong(f"{where}.name", f" = {written(hook.name)}: is the name of another hook")
        given = [name for name in ("address", "command", "notify") if getattr(hook, name)]
        if len(given) > 1:
            wrong(f"{where}.{given[1]}", f": give this or {given[0]}, not both")
        if hook.pledge and not hook.daily_most:
            wrong(f"{where}.daily_most", ": a pledge needs a daily limit")
        if hook.address and (problem := callable_problem(hook.address, loopback=hook.loopback)):
            wrong(f"{where}.address", f" = {written(hook.address)}: {problem}")
        if hook.command and (problem := _command_problem(hook.command)):
            wrong(f"{where}.command", f": {problem}")


def _command_problem(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError as exc:
        return f"cannot be split into words ({exc})"
    if not words or not words[0].startswith("/"):
        return "begins with the whole path of a program, as /usr/local/bin/donate"
    return ""


def _name_problem(name: str) -> str:
    """What of a mode's name no command, and no select of Home Assistant, can bring back."""
    if not name or name != name.strip() or not name.isprintable():
        return "a name has no blanks around it, and only characters that can be seen"
    if len(json.dumps({"mode": name})) > MAX_PAYLOAD_BYTES:
        return "this name is too long for a command"
    if name.startswith("{") and name.endswith("}"):
        return "a name is not in braces: that is how the fields of a command are"
    return ""


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


def _is_list(section: str) -> bool:
    return typing.get_origin(typing.get_type_hints(Config)[section]) is tuple


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
                lines += [f"[{section.name}.{toml.key(key)}]", *_pairs(item), ""]
        else:
            lines += [f"[{section.name}]", *_pairs(value), ""]
    return "\n".join(lines)


def _pairs(section: Any) -> Iterator[str]:
    for declared in fields(section):
        value = getattr(section, declared.name)
        if value is None:
            continue
        name = declared.name
        if declared.metadata.get("secret") and value:
            yield f"# {name} = {HIDDEN}"
        elif isinstance(value, str) and shown_address(value) != value:
            yield f"# {name} = {written(value)}  {HIDDEN[:-1]} in part)"
        else:
            yield f"{name} = {written(value)}"


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
            table = f"[[{title}]]" if _is_list(section.name) else f"[{title}]"
            summary = (cls.__doc__ or "").strip().replace("\n\n", "\n")
            lines += [f"# {line.strip()}" for line in summary.splitlines()]
            repeats = _is_list(section.name) or section.name == "modes"
            lines.append(f"# {table}" if repeats else table)
            for declared in fields(cls):
                lines += textwrap.wrap(
                    _help(declared.metadata), 98, initial_indent="#   ", subsequent_indent="#   "
                )
                default = declared.default
                value = written(default) if default is not None else "[0.7, 0.0, 1.0, 0.3]"
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
            table = f"[[{prefix}]]" if _is_list(section.name) else f"[{prefix}]"
            lines += [f"## `{table}`", "", " ".join((cls.__doc__ or "").split()), ""]
            lines += ["| setting | default | meaning |", "| --- | --- | --- |"]
            for declared in fields(cls):
                default = written(declared.default) if declared.default is not None else "none"
                help_text = _help(declared.metadata).replace("|", "\\|")
                lines.append(f"| `{declared.name}` | `{default}` | {help_text} |")
            lines.append("")
    return "\n".join(lines)


def _help(metadata: Mapping[str, Any]) -> str:
    text = str(metadata["help"])
    if metadata.get("choices"):
        text += f" One of: {', '.join(map(str, metadata['choices']))}."
    bounds = toml.bounds(metadata).strip()
    if bounds:
        text += f" ({bounds})"
    return text
