"""Reads TOML into frozen dataclasses, and says everything that is wrong at once.

One reader for the settings, the board profiles, the models and whatever else is read as TOML. What
a field may be is declared where the field is: its type, and in its metadata `low`, `high`,
`choices`, `pattern`, `help`, `secret`; for a list of tables `least`, `most`; and the `key` in the
file, where that is another.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from edge.address import HIDDEN, shown
from edge.domain import Box
from edge.errors import Misconfigured

BYTE_ORDER_MARK = "\ufeff"
MOST_FAULTY_LINES = 30
LARGEST_SHOWN = 10**18


@dataclass(frozen=True, slots=True)
class SettingFault:
    """One setting that cannot be used: where, and what would do."""

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}{self.text}"


class Unreadable(Misconfigured):
    """The file is missing, not readable or not text."""


# ---------------------------------------------------------------- the file


def read_text(path: Path) -> str:
    """The text of a file, with its byte order mark if it has one. Raises Unreadable."""
    try:
        raw = path.read_bytes()
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise Unreadable(f"cannot be read: {reason}") from exc
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in raw[:4]:
        raise Unreadable("is not UTF-8 text but UTF-16; save it again as UTF-8")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        line = raw[: exc.start].count(b"\n") + 1
        text = f"is not UTF-8 text (line {line}, byte {exc.start}); save it again as UTF-8"
        raise Unreadable(text) from exc


def syntax(
    text: str, *, paths: typing.Callable[[], list[str]] = list
) -> tuple[dict[str, Any] | None, list[SettingFault]]:
    """The tables, and each line that is not TOML; None where such a line makes the rest a guess.

    A faulty line is taken out and the rest read again, so that one fault hides no others. `paths`
    gives the dotted names there are: a word alone on its line is repeated only if it is one.
    """
    text = text.replace("\r\n", "\n").removeprefix(BYTE_ORDER_MARK)
    faults: list[SettingFault] = []
    if "\r" in text:
        before, *_ = text.partition("\r")
        words = ": ends with a carriage return alone; save the file with line ends of Unix"
        faults.append(SettingFault(f"line {before.count(chr(10)) + 1}", words))
    lines = text.replace("\r", "\n").split("\n")
    lines.append("")  # so that a fault of the last line is told with its number
    while True:
        try:
            return _joined(tomllib.loads("\n".join(lines))), faults
        except RecursionError:
            return None, [*faults, SettingFault("", "it is nested too deep")]
        except ValueError as exc:
            found = re.search(r"\(at line (\d+), ", str(exc))
            what = re.sub(r" \(at [^()]*\)$", "", str(exc))
            if found is None:
                return None, [*faults, SettingFault("its end", f": {what}")]
            number = int(found[1])
            line = lines[number - 1]
            if what.startswith("Cannot declare") and (header := _HEADER.fullmatch(line)):
                name = header[2]
                faults.append(SettingFault(f"line {number}", f": [{name}]: {_TWICE}"))
                lines[number - 1] = f'["{_AGAIN}{number} {name}"]'
                continue
            words, instead = _in_words(line, what, paths)
            if faults and instead is None:
                return None, faults  # as likely as not a consequence
            faults.append(SettingFault(f"line {number}", f": {words}"))
            if instead is None or len(faults) >= MOST_FAULTY_LINES:
                return None, faults
            lines[number - 1] = instead


_TWICE = "is there already; put these lines below the first one"
_AGAIN = "\\u0000"  # what nobody calls a table: after it come a line's number and a table's name


def _joined(tables: dict[str, Any]) -> dict[str, Any]:
    """What stands below a second heading belongs below the first."""
    for key in [each for each in tables if each.startswith("\0")]:
        more, into = tables.pop(key), tables
        for part in key.split()[-1].split("."):
            into = into.get(part, {}) if isinstance(into, dict) else {}
        if isinstance(into, dict) and isinstance(more, dict):
            into.update({name: value for name, value in more.items() if name not in into})
    return tables


_PAIR = re.compile(r"\s*([A-Za-z0-9_.-]+)\s*([=:]?)\s*(.*?)\s*")
_HEADER = re.compile(r"\s*(\[{1,2})\s*([A-Za-z0-9_.-]+)\s*\]*\s*(#.*)?")


def _in_words(
    line: str, what: str, paths: typing.Callable[[], list[str]]
) -> tuple[str, str | None]:
    """What is wrong with a line, and the line that would let the rest be read; None: there is none.

    What stands after the name may be a password and is not repeated, nor is a word that stands
    alone: it may be a value that slipped onto a line of its own.
    """
    header = _HEADER.fullmatch(line)
    if header is not None:
        opening, name = header[1], header[2]
        good = f"{opening}{name}{']' * len(opening)}"
        if line.split("#")[0].strip() == good:
            return f"{good}: {what[:1].lower()}{what[1:]}", None
        return f"a table is named in brackets: {good}", good
    pair = _PAIR.fullmatch(line)
    if pair is None or not re.search("[A-Za-z]", pair[1]):
        return f"not valid TOML: {what}", None
    name, sign, value = pair.groups()
    if sign == ":":
        return f"{name}: a setting has an equals sign: {name} = VALUE", ""
    if sign == "":
        named = f"{name}: " if any(name in path.split(".") for path in paths()) else ""
        return f"{named}no setting; NAME = VALUE is wanted", "" if not value else None
    return f"{name}: {_wrong_value(value, what)}", ("" if _ends_here(value) else None)


def _wrong_value(value: str, what: str) -> str:
    bare = value.partition("#")[0].strip()
    if what.startswith("Cannot"):
        return "is there more than once"
    if not bare:
        return 'has no value; an empty text is ""'
    if bare[0] in "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u00ab\u00bb\u2039\u203a\u00b4`":
        return "the quotes must be plain ones, \" or ', not those of a text processor"
    if bare.lower() in ("true", "false", "yes", "no", "on", "off"):
        return "must be true or false, in small letters and without quotes"
    if re.fullmatch(r"[+-]?\d+,\d+", bare):
        return "a number has a point, not a comma"
    if bare[0] == '"' and "\\" in bare:
        return "in double quotes a backslash is special; use single ones: 'C:\\like this'"
    if bare[0] in "\"'":
        closed = bare.count(bare[0]) > 1
        return "there is more than one text on this line" if closed else "a quote is missing"
    if bare[0] in "[{":
        return f"not valid TOML: {what}"
    return 'text must be in quotes: "like this"'


def _ends_here(value: str) -> bool:
    """Whether a value is over at the end of its line: what follows can be read without it."""
    return value[:3] not in ('"""', "'''") and value.count("[") <= value.count("]")


def whole(path: Path) -> dict[str, Any]:
    """The tables of a file. Raises Unreadable, with each line that is not TOML."""
    table, faults = syntax(read_text(path))
    if table is None or faults:
        lines = "\n  ".join(str(fault) for fault in faults)
        raise Unreadable(f"not valid TOML: {lines}")
    return table


# ---------------------------------------------------------------- the tables


class Reader:
    """Turns tables into dataclasses; what does not fit is noted, and left at its default."""

    def __init__(self, *, paths: typing.Callable[[], list[str]] = list) -> None:
        """`paths` gives all dotted names there are, for a hint at a setting in the wrong table."""
        self.faults: list[SettingFault] = []
        self._paths = paths

    def fault(self, where: str, text: str) -> None:
        self.faults.append(SettingFault(where, text))

    def sound(self, *paths: str) -> bool:
        """Whether nothing is wrong with these settings, those within them and those around them:
        what can be said about several settings can be said of right ones only."""
        return not any(
            _within(fault.where, path) or _within(path, fault.where)
            for fault in self.faults
            for path in paths
        )

    def section(self, cls: type, tree: Mapping[str, Any], where: str, base: Any = None) -> Any:
        """The table as a `cls`; what it does not say is that of `base`, or of the declaration.

        None where something is missing that has no default.
        """
        hints = typing.get_type_hints(cls)
        declared = {_key_of(each): each for each in fields(cls)}
        values: dict[str, Any] = {}
        for name, raw in tree.items():
            path = f"{where}.{name}" if where else name
            if name not in declared:
                self.fault(path, f": no such setting{self.nearest(name, list(declared), where)}")
                continue
            field = declared[name]
            value = self.value(hints[field.name], raw, field, path)
            if value is not None:
                values[field.name] = value
        if base is not None:
            return dataclasses.replace(base, **values)
        complete = True
        for name, field in declared.items():
            if field.default is MISSING and field.default_factory is MISSING:
                if name not in tree:
                    self.fault(f"{where}.{name}" if where else name, ": is missing")
                complete = complete and field.name in values
        return cls(**values) if complete else None

    def value(self, hint: Any, raw: Any, field: Field[Any], path: str) -> Any:
        """A checked value; None where it cannot be used, which is noted."""
        origin, args = typing.get_origin(hint), typing.get_args(hint)
        if origin in (types.UnionType, typing.Union):
            (hint,) = (arg for arg in args if arg is not type(None))
            return self.value(hint, raw, field, path)
        if is_dataclass(hint) and isinstance(hint, type) and hint is not Box:
            if isinstance(raw, Mapping):
                return self.section(hint, raw, path)
            self.fault(path, f"{_found(raw)}: must be a table [{path}]")
            return None
        if origin is tuple and is_dataclass(args[0]):
            return self._tables(args[0], raw, field.metadata, path)
        if origin is dict:
            if is_dataclass(args[1]):
                return self._named_tables(args[1], raw, field, path)
            return self._named_values(args[1], raw, field, path)
        problem = _problem(hint, raw, field.metadata)
        if problem:
            found = HIDDEN if field.metadata.get("secret") else written(raw)
            self.fault(path, f" = {found}: {problem}")
            return None
        if hint is Box:
            return Box(*(float(edge) for edge in raw))
        if origin is tuple:
            return tuple(map(args[0], raw))
        if isinstance(hint, type) and issubclass(hint, StrEnum):
            return hint(raw)
        return float(raw) if hint is float else raw

    def _tables(self, cls: Any, raw: Any, metadata: Mapping[str, Any], path: str) -> Any:
        if not isinstance(raw, list) or not all(isinstance(item, Mapping) for item in raw):
            self.fault(path, f"{_found(raw)}: must be tables [[{path}]]")
            return None
        least, most = metadata.get("least", 0), metadata.get("most")
        if len(raw) < least:
            self.fault(path, f" = []: at least {_count(least)} is needed")
            return None
        if most is not None and len(raw) > most:
            self.fault(path, f": at most {_count(most)}")
        made = [self.section(cls, item, f"{path}[{i}]") for i, item in enumerate(raw)]
        return tuple(each for each in made if each is not None)

    def _named_tables(self, cls: Any, raw: Any, field: Field[Any], path: str) -> Any:
        """Those that are there already, changed and added to; a new one begins as the first is."""
        known: dict[str, Any] = {}
        if field.default_factory is not MISSING:
            known = field.default_factory()
        if not isinstance(raw, Mapping):
            self.fault(path, f"{_found(raw)}: must be tables [{path}.NAME]")
            return known
        first = next(iter(known.values()), None)
        for name, table in raw.items():
            if isinstance(table, Mapping):
                made = self.section(cls, table, f"{path}.{name}", known.get(name, first))
                if made is not None:
                    known[name] = made
            else:
                self.fault(f"{path}.{name}", f"{_found(table)}: must be a table")
        return known

    def _named_values(self, hint: Any, raw: Any, field: Field[Any], path: str) -> Any:
        if not isinstance(raw, Mapping):
            self.fault(path, f"{_found(raw)}: must be a table [{path}]")
            return None
        made = {name: self.value(hint, each, field, f"{path}.{name}") for name, each in raw.items()}
        return {name: each for name, each in made.items() if each is not None}

    def nearest(self, name: str, own: list[str], where: str) -> str:
        close = difflib.get_close_matches(name, own, 1)
        if close:
            return f"; did you mean {where}.{close[0]}?" if where else f"; did you mean {close[0]}?"
        everywhere = {path.rpartition(".")[2]: path for path in self._paths()}
        if name in everywhere:
            return f"; did you mean {everywhere[name]}?"
        close = difflib.get_close_matches(name, everywhere, 1, cutoff=0.8)
        if close:
            return f"; did you mean {everywhere[close[0]]}?"
        return f"; there are {', '.join(own)}"


def _within(inner: str, outer: str) -> bool:
    return inner == outer or inner.startswith((f"{outer}.", f"{outer}["))


def _key_of(field: Field[Any]) -> str:
    return str(field.metadata.get("key") or field.name)


def _count(number: int) -> str:
    return {1: "one", 2: "two"}.get(number, str(number))


def _found(raw: Any) -> str:
    """What stands where a table should: a number is shown, of a text nobody knows what it is."""
    return f" = {written(raw)}" if isinstance(raw, bool | int | float) else ""


def _problem(hint: Any, raw: Any, metadata: Mapping[str, Any]) -> str:
    """What is wrong with a value, in words that say what would do; empty: nothing."""
    if hint is Box:
        return _box_problem(raw)
    if typing.get_args(hint) == (float, float):
        two = isinstance(raw, list) and len(raw) == 2
        if two and not any(_problem(float, each, metadata) for each in raw):
            return ""
        return "must be two numbers" + bounds(metadata)
    if typing.get_origin(hint) is tuple:
        if not isinstance(raw, list) or not raw or not all(isinstance(item, str) for item in raw):
            return "must be a list of texts"
        problems = (_problem(typing.get_args(hint)[0], item, {}) for item in raw)
        return next(filter(None, problems), "")
    if hint is bool:
        return "" if isinstance(raw, bool) else "must be true or false"
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _text_problem(raw, {"choices": tuple(hint)})
    if hint is str:
        return _text_problem(raw, metadata)
    if hint is int and (isinstance(raw, bool) or not isinstance(raw, int)):
        return "must be a whole number" + bounds(metadata)
    if hint is float and (isinstance(raw, bool) or not isinstance(raw, int | float)):
        return "must be a number" + bounds(metadata)
    low, high = metadata.get("low"), metadata.get("high")
    outside = (low is not None and raw < low) or (high is not None and raw > high)
    if outside or abs(raw) > LARGEST_SHOWN or not math.isfinite(raw):
        return "must be" + (bounds(metadata) or " a number that can be meant")
    choices = metadata.get("choices") or ()
    if choices and raw not in choices:
        return f"must be {' or '.join(str(choice) for choice in choices)}"
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
        return "must not contain control characters (in double quotes \\ makes some)"
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


def bounds(metadata: Mapping[str, Any]) -> str:
    """The range in words, with a blank before it; empty: there is none."""
    low, high = metadata.get("low"), metadata.get("high")
    if low is None or high is None:
        return ""
    return f" from {low:g} to {high:g}"


def written(value: Any) -> str:
    """A value as TOML, without what an address in it may hide."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(shown(value), ensure_ascii=False)
    if isinstance(value, Box):
        return written([value.ymin, value.xmin, value.ymax, value.xmax])
    if isinstance(value, list | tuple):
        return "[" + ", ".join(written(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key(k)} = ..." for k in value) + "}"
    if isinstance(value, int) and abs(value) > LARGEST_SHOWN:
        return "(a very large number)"
    return str(value)


def key(name: str) -> str:
    """A name as TOML writes it."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
