"""The settings as a form: made from their declarations, judged by `settings` and `checkup` in the
same words as `check`, and written into their file with everything else in it left as it is."""

from __future__ import annotations

import json
import os
import re
import tomllib
import types
import typing
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from edge import checkup, settings, toml, tunes
from edge.adopt import needs_start
from edge.config import Config, HookConfig, SeatConfig
from edge.domain import Box
from edge.files import whole
from edge.page.words import Text

MOST_CHANGES = 200
# Not a table each: seats are drawn, hooks are as many as one likes.
UNTYPED = ("seats", "hooks")
# Who is logged in may not have this machine run a program, nor be called itself: that is for who
# may edit the file.
FILE_ONLY = ("command", "loopback")
TUNES = (("nudge", "chirp"), ("nudge", "loud"))  # can be listened to
KINDS = {bool: "switch", int: "whole", float: "number", str: "text"}

Change = tuple[tuple[str, ...], Any]  # where in the file, and what; None: take it out


@dataclass(frozen=True, slots=True)
class Saved:
    """faults: nothing was written; notes: written, but something of it will not work."""

    faults: list[dict[str, str]]
    notes: list[str]
    changed: int = 0


# ---------------------------------------------------------------- the form


def described(path: Path | None, say: Callable[[str], str] = str) -> dict[str, Any]:
    """Every setting with what it may be and what it is; never what is secret. `say` gives what is
    said of it in another language."""
    try:
        found = settings.read(path)
    except settings.ConfigUnreadable as exc:
        fault = {"where": "", "text": str(exc)}
        return {"sections": [], "seats": [], "hooks": [], "faults": [fault]}
    given = _tree(path)
    sections = []
    for section in fields(Config):
        value = getattr(found.config, section.name)
        if section.name in UNTYPED:
            continue
        tables = value.items() if section.name == "modes" else [("", value)]
        for name, table in tables:
            where = (section.name, name) if name else (section.name,)
            sections.append(_section(where, table, given, say))
    return {
        "file": str(path) if path else "",
        "sections": sections,
        "seats": [_seat(seat) for seat in found.config.seats],
        "hooks": _hooks(found.config.hooks, given, say),
        "faults": _faults(found.faults),
    }


def _section(
    where: tuple[str, ...], table: Any, given: Mapping[str, Any], say: Callable[[str], str]
) -> dict[str, Any]:
    for name in where:
        inner = given.get(name, {})
        given = inner if isinstance(inner, Mapping) else {}
    return _table(where, table, given, say)


def _table(
    where: tuple[str, ...], table: Any, given: Mapping[str, Any], say: Callable[[str], str]
) -> dict[str, Any]:
    hints = typing.get_type_hints(type(table))
    return {
        "path": where,
        "help": say(about(type(table))),
        "settings": [
            {
                "name": each.name,
                "kind": _kind(hints[each.name], each.metadata),
                "help": say(each.metadata["help"]),
                "default": None if each.default is MISSING else each.default,
                "value": None if each.metadata["secret"] else getattr(table, each.name),
            }
            | _said(
                low=each.metadata["low"],
                high=each.metadata["high"],
                choices=list(each.metadata["choices"]),
                there=each.metadata["secret"] and bool(getattr(table, each.name)),
                set=each.name in given,
                start=needs_start(where[0]),
                by_hand=where[0] == "hooks" and each.name in FILE_ONLY,
                tunes=list(tunes.LIBRARY) if (*where, each.name) in TUNES else None,
            )
            for each in fields(table)
        ],
    }


def _said(**what: Any) -> dict[str, Any]:
    """What there is to say: a hundred settings of which nothing is said are sent for nothing."""
    return {
        name: value
        for name, value in what.items()
        if value is not None and value is not False and value != []
    }


def _hooks(
    hooks: Sequence[HookConfig], given: Mapping[str, Any], say: Callable[[str], str]
) -> list[dict[str, Any]]:
    """Those there are, and one as it would be when it is added."""
    there = given.get("hooks")
    there = there if isinstance(there, list) else []
    tables = [*hooks, HookConfig()]
    written = [each if isinstance(each, Mapping) else {} for each in there]
    written += [{}] * (len(tables) - len(written))
    return [
        {"of": table.name, **_table(("hooks",), table, said, say)}
        for table, said in zip(tables, written, strict=False)
    ]


def about(table: type) -> str:
    """What a section is for."""
    return " ".join((table.__doc__ or "").split())


def _kind(hint: Any, metadata: Mapping[str, Any]) -> str:
    if metadata["secret"]:
        return "secret"
    if metadata["choices"]:
        return "choice"
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
    return KINDS[hint]


def _seat(seat: SeatConfig) -> dict[str, Any]:
    return {"name": seat.name, "box": _edges(seat.box), "dock": _edges(seat.dock)}


def _edges(box: Box | None) -> list[float] | None:
    return None if box is None else [box.ymin, box.xmin, box.ymax, box.xmax]


def _tree(path: Path | None) -> dict[str, Any]:
    """What the file itself says, as far as it can be read."""
    if path is None:
        return {}
    tree, _ = toml.syntax(toml.read_text(path))
    return tree or {}


# ---------------------------------------------------------------- saving


def save(path: Path | None, given: Any) -> Saved:
    """Write changes into the file, all or none: what `check` would call wrong is not written."""
    try:
        changes = _changes(given)
    except ValueError as exc:
        return Saved([{"where": "", "text": exc.args[0]}], [])
    if path is None:
        return Saved(
            [{"where": "", "text": Text("there is no configuration file to write to")}], []
        )
    try:
        before = toml.read_text(path)
        after = changed(before, changes)
        with whole(path) as trial:
            _write_like(trial, path, after)
            found = settings.read(trial)
            # Whether there is such a camera is for the box to see, when it takes this over.
            world = checkup.examine(found.config, found.reader, path=path, camera=False)
            faults = [*found.faults, *world.faults]
            if faults:
                raise _NotLikeThis(_faults(faults))
    except _NotLikeThis as exc:
        return Saved(exc.faults, [])
    except (settings.ConfigError, toml.Unreadable, TOMLKitError) as exc:
        return Saved([{"where": "", "text": str(exc)}], [])
    except OSError as exc:
        why = exc.strerror or str(exc)
        text = Text("{path} cannot be written: {why}", path=path, why=why)
        return Saved([{"where": "", "text": text}], [])
    return Saved([], [str(each) for each in (*world.hindrances, *world.notes)], len(changes))


class _NotLikeThis(Exception):
    def __init__(self, faults: list[dict[str, str]]) -> None:
        super().__init__(faults)
        self.faults = faults


def _faults(found: Sequence[toml.SettingFault]) -> list[dict[str, str]]:
    return [{"where": each.where, "text": each.text.removeprefix(": ")} for each in found]


def _write_like(trial: Path, path: Path, text: str) -> None:
    """With the mode of the one that is replaced: a configuration may hold a password."""
    trial.touch(mode=0o600)
    trial.write_text(text, encoding="utf-8")
    there = path.stat()
    os.chmod(trial, there.st_mode & 0o777)
    if os.geteuid() == 0:
        os.chown(trial, there.st_uid, there.st_gid)


def _changes(given: Any) -> list[Change]:
    """What the browser sent. Raises ValueError."""
    if not isinstance(given, list) or not 0 < len(given) <= MOST_CHANGES:
        raise ValueError("changes are wanted")
    found: list[Change] = []
    for each in given:
        path = each.get("path") if isinstance(each, dict) else None
        if not isinstance(path, list) or not 1 <= len(path) <= 3:
            raise ValueError("a change has a path and a value")
        if not all(isinstance(part, str) and part and part.isprintable() for part in path):
            raise ValueError("a change has a path and a value")
        if (len(path) == 1) != (path[0] in UNTYPED):
            raise ValueError("a change is of one setting, or of all seats or hooks")
        if path[0] == "hooks":
            _judge_hooks(each.get("value"))
        found.append((tuple(path), each.get("value")))
    return found


def _judge_hooks(value: Any) -> None:
    """All hooks that there are to be: each one that is there, by its name, or a new one, and what
    of it changes. Raises ValueError."""
    seen = set()
    for hook in value if isinstance(value, list) else [None]:
        of, new = (hook.get("of"), hook.get("set")) if isinstance(hook, dict) else (0, None)
        if not (of is None or isinstance(of, str)) or of in seen or not isinstance(new, dict):
            raise ValueError("a hook has a name that it goes by, or none, and what changes")
        seen |= {of} - {None}
        for name in FILE_ONLY:
            if name in new:
                raise ValueError(
                    Text("hooks: {name} is set in the file itself, by who may edit it", name=name)
                )


# ---------------------------------------------------------------- the text of the file


def changed(text: str, changes: Sequence[Change]) -> str:
    """The text with these settings changed, and everything else as it was, comments too."""
    for path, value in changes:
        if path == ("seats",):
            text = _with_seats(text, value)
        elif path == ("hooks",):
            text = _with_hooks(text, value)
        elif value is None:
            text = _without(text, path)
        else:
            text = _with(text, path, value)
    return text


def _with(text: str, path: tuple[str, ...], value: Any) -> str:
    document = tomlkit.parse(text)
    table: Any = document
    for name in path[:-1]:
        table = table.get(name) if isinstance(table, Mapping) else None
    if isinstance(table, MutableMapping) and path[-1] in table:
        table[path[-1]] = value
        return tomlkit.dumps(document)
    return _added(text, path, value)


def _added(text: str, path: tuple[str, ...], value: Any) -> str:
    """A setting that the file does not have yet: where a comment shows it, else below the head of
    its table, else in a new table at the end. Each try counts only if it says what is meant."""
    wanted = _put(tomllib.loads(text), path, value)
    line = f"{toml.key(path[-1])} = {tomlkit.item(value).as_string()}"
    head = "[" + ".".join(toml.key(name) for name in path[:-1]) + "]"
    lines = text.split("\n")
    begins = next((i for i, each in enumerate(lines) if _bare(each) == head), None)
    if begins is not None:
        shown = re.compile(rf"#\s?{re.escape(path[-1])}\s*=")
        for i in range(begins + 1, len(lines)):
            if lines[i].startswith("["):
                break
            if shown.match(lines[i]):
                tried = "\n".join([*lines[:i], line, *lines[i + 1 :]])
                if _says(tried, wanted):
                    return tried
        tried = "\n".join([*lines[: begins + 1], line, *lines[begins + 1 :]])
        if _says(tried, wanted):
            return tried
    tried = f"{text.rstrip()}\n\n{head}\n{line}\n".lstrip()
    if _says(tried, wanted):
        return tried
    document = tomlkit.parse(text)
    table: Any = document
    for name in path[:-1]:
        table = table.setdefault(name, tomlkit.table())
    table[path[-1]] = value
    return tomlkit.dumps(document)


def _without(text: str, path: tuple[str, ...]) -> str:
    document = tomlkit.parse(text)
    table: Any = document
    for name in path[:-1]:
        table = table.get(name) if isinstance(table, Mapping) else None
    if isinstance(table, MutableMapping) and path[-1] in table:
        table.pop(path[-1])
    return tomlkit.dumps(document)


def _with_seats(text: str, value: Any) -> str:
    """All seats anew, in the place of those that are there, which keep their comments."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        return _with(text, ("seats",), value)  # the validator says what is wrong with it
    document = tomlkit.parse(text)
    there: Any = document.get("seats")
    if there is None:
        blocks = "".join(f"\n[[seats]]\n{_lines(seat)}" for seat in value)
        return f"{text.rstrip()}\n{blocks}".lstrip()
    while len(there) > len(value):
        del there[-1]
    for seat, wanted in zip(there, value, strict=False):
        for name, given in wanted.items():
            if given is None:
                seat.pop(name, None)
            else:
                seat[name] = given
    for wanted in value[len(there) :]:
        table = tomlkit.table() if isinstance(there, tomlkit.items.AoT) else tomlkit.inline_table()
        table.update(_given(wanted))
        there.append(table)
    return tomlkit.dumps(document)


def _with_hooks(text: str, value: Sequence[Mapping[str, Any]]) -> str:
    """Those that are not named are taken out; new ones come last. Comments stay with what they
    stand in or above."""
    there = tomllib.loads(text).get("hooks", [])
    names = [each.get("name", HookConfig().name) for each in there]
    kept = {names.index(each["of"]): each["set"] for each in value if each["of"] in names}
    for number in reversed(range(len(names))):
        if number not in kept:
            text = _without_hook(text, number)
    for number, (_, new) in enumerate(sorted(kept.items())):
        for name, given in new.items():
            text = _with_in_hook(text, number, name, given)
    for each in value:
        if each["of"] not in names:
            text = _with_new_hook(text, each["set"])
    return text


def _without_hook(text: str, number: int) -> str:
    wanted = tomllib.loads(text)
    del wanted["hooks"][number]
    if not wanted["hooks"]:
        del wanted["hooks"]
    lines = text.split("\n")
    if (begins := _hook_begins(lines, number)) is not None:
        ends = _table_ends(lines, begins)
        tried = "\n".join([*lines[:begins], *lines[ends:]])
        if _says(tried, wanted):
            return tried
    document = tomlkit.parse(text)
    hooks: Any = document["hooks"]
    del hooks[number]
    if not hooks:
        del document["hooks"]
    return tomlkit.dumps(document)


def _with_in_hook(text: str, number: int, name: str, value: Any) -> str:
    wanted = tomllib.loads(text)
    hook = wanted["hooks"][number]
    there = name in hook
    if value is None:
        hook.pop(name, None)
    else:
        hook[name] = value
    lines = text.split("\n")
    if not there and value is not None and (begins := _hook_begins(lines, number)) is not None:
        line = _lines({name: value}).splitlines()
        tried = "\n".join([*lines[: begins + 1], *line, *lines[begins + 1 :]])
        if _says(tried, wanted):
            return tried
    document = tomlkit.parse(text)
    hooks: Any = document["hooks"]
    if value is None:
        hooks[number].pop(name, None)
    else:
        hooks[number][name] = value
    return tomlkit.dumps(document)


def _with_new_hook(text: str, hook: Mapping[str, Any]) -> str:
    """Below those that there are, else at the end."""
    tree = tomllib.loads(text)
    wanted = {**tree, "hooks": [*tree.get("hooks", []), _given(hook)]}
    lines = text.rstrip().split("\n")
    last = _hook_begins(lines, len(wanted["hooks"]) - 2)
    ends = len(lines) if last is None else _table_ends(lines, last)
    rest = ["", *lines[ends:]] if ends < len(lines) else []
    while ends and not lines[ends - 1].strip():
        ends -= 1
    block = ["", "[[hooks]]", *_lines(hook).splitlines()]
    tried = "\n".join([*lines[:ends], *block, *rest, ""]).lstrip("\n")
    if _says(tried, wanted):
        return tried
    document = tomlkit.parse(text)
    hooks: Any = document.setdefault("hooks", tomlkit.array())
    table = tomlkit.table() if isinstance(hooks, tomlkit.items.AoT) else tomlkit.inline_table()
    table.update(_given(hook))
    hooks.append(table)
    return tomlkit.dumps(document)


def _hook_begins(lines: Sequence[str], number: int) -> int | None:
    heads = [i for i, each in enumerate(lines) if _bare(each) == "[[hooks]]"]
    return heads[number] if 0 <= number < len(heads) else None


def _table_ends(lines: Sequence[str], begins: int) -> int:
    """The line after it; a comment right above the next one belongs to that."""
    ends = begins + 1
    while ends < len(lines) and not lines[ends].lstrip().startswith("["):
        ends += 1
    if ends < len(lines):
        while ends > begins + 1 and lines[ends - 1].startswith("#"):
            ends -= 1
    return ends


def _given(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if value is not None}


def _lines(seat: Mapping[str, Any]) -> str:
    return "".join(
        f"{toml.key(name)} = {tomlkit.item(value).as_string()}\n"
        for name, value in _given(seat).items()
    )


def _bare(line: str) -> str:
    return line.partition("#")[0].strip().replace(" ", "")


def _put(tree: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    inner: Any = tree
    for name in path[:-1]:
        inner = inner.setdefault(name, {})
        if not isinstance(inner, dict):
            return tree
    inner[path[-1]] = value
    return tree


def _says(text: str, wanted: Mapping[str, Any]) -> bool:
    try:
        said, meant = (
            json.dumps(each, default=str, sort_keys=True) for each in (tomllib.loads(text), wanted)
        )
        return said == meant
    except ValueError:
        return False
