"""What the page says, in the language that a browser asks for (gettext; `deploy/words` keeps the
files). English is what stands in the sources, and what everything falls back to.

Texts come from four places: pages (`static/*.html`), scripts (`t("...")`), this process (`Text`),
and the box, whose words are English on the wire. Those that it may say are in `SAID`.
"""

from __future__ import annotations

import gettext
import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

LOCALE = Path(__file__).parent / "locale"
DOMAIN = "page"
ENGLISH = "en"
ATTRIBUTES = ("aria-label", "placeholder", "title", "alt")
MOST_LANGUAGES = 20  # of those that a browser asks for

# What the box says where it is no sentence of the page's own: `domain`, `decide`. What stands in
# braces may be anything; it is looked up in its turn.
SAID = (
    *("working", "phone", "away", "unsure"),
    *("idle", "focus", "break", "paused"),
    *("clear", "dark", "covered", "glare", "frozen", "moved"),
    *("parked", "docked", "in use", "suspected"),
    *("in its dock", "moving", "lies still", "raised", "at the face"),
    *("none", "holds", "empty", "hidden"),
    *("camera", "lens", "detector", "disk", "broker"),
    *("person", "laptop", "keyboard", "mouse", "remote", "book", "cup"),
    "not a phone",
    "my phone",
    "view {view} {length}",
    "no phone in the dock {length}",
    "away {length}",
    "phone in hand {length}",
    "phone in hand {length}, median score {score}",
    "phone in hand ({how}) {length}",
    "phone in hand ({how}) {length}, median score {score}",
    *("still now", "perhaps", "light only", "volume 0", "sounded long enough"),
    "for {number} s",
    "for {number} min",
    "nothing runs",
    "a focus session runs already",
    "a break runs already",
    "hold the button to stop early",
    "no focus session runs",
    "nothing is paused",
    "no {what} is left in this session: {number} allowed",
    "pause",
    "snooze",
    "nothing is taken for a phone in hand now",
    "there is no such entry",
    "the camera is closed: start a focus session first",
    "nothing called {name} was shown",
    "nothing held up was found: hold it nearer to the camera, in better light",
    "no picture came",
    "nothing like a phone was seen in the last seconds",
    "{name} was shown as a phone; forget it",
    "{name} was shown as another thing; forget it",
    "Nothing can be judged while the view is {view}.",
    "Of phones as small as this one ({share} of the picture) about {number} of 100 are known:"
    " bring the box closer.",
    "Of phones as small as this one ({share} of the picture) about {number} of 100 are known:"
    " bring the box closer, or give it more pixels (camera.width_px).",
    "muted",
    "quiet hours",
    "the volume is 0",
    "the box was shown nothing yet",
)


class Text(str):
    """A sentence with its values in it, which can be said in another language too."""

    pattern: str
    values: Mapping[str, object]

    def __new__(cls, pattern: str, **values: object) -> Text:
        made = super().__new__(cls, pattern.format_map(values))
        made.pattern, made.values = pattern, values
        return made


class Words:
    """One language."""

    def __init__(self, language: str, found: gettext.NullTranslations) -> None:
        self.language = language
        self._found = found

    def of(self, text: str) -> str:
        """What this is in the language; the same where that is not known."""
        if isinstance(text, Text):
            return self._found.gettext(text.pattern).format_map(text.values)
        # The empty message is the head of a catalogue.
        return self._found.gettext(text) if text else text

    def page(self, source: str) -> str:
        """A page of `static`."""
        return _Page(self, source).made

    def script(self) -> str:
        """`words.js`: what the scripts need to say the same."""
        catalogue: dict[Any, str] = getattr(self._found, "_catalog", {})
        words: dict[str, Any] = {}
        for key, said in catalogue.items():
            if isinstance(key, tuple):
                words.setdefault(key[0], []).insert(key[1], said)
            elif key:
                words[key] = said
        words = {key: said for key, said in words.items() if key in scripted()}
        said = json.dumps(words, ensure_ascii=False, separators=(",", ":"))
        # What says more comes first: it may fit what says less too.
        patterns = sorted((each for each in SAID if "{" in each), key=_said_itself, reverse=True)
        plural = re.sub(r"[^n\d!=<>&|%?: ()]", "", _plural(self._found))
        lines = (
            '"use strict";',
            f'const LANGUAGE = "{self.language}";',
            f"const WORDS = {said};",
            f"const PATTERNS = {json.dumps(patterns if words else [], ensure_ascii=False)};",
            f"const form = (n) => Number({plural});",
        )
        return "\n".join(lines) + "\n"


def languages() -> dict[str, Words]:
    """All there are, by their codes."""
    found = {ENGLISH: Words(ENGLISH, gettext.NullTranslations())}
    for path in sorted(LOCALE.glob(f"*/LC_MESSAGES/{DOMAIN}.mo")):
        code = path.parent.parent.name
        with path.open("rb") as file:
            found[code] = Words(code, gettext.GNUTranslations(file))
    return found


def chosen(accepted: str, known: Mapping[str, Words]) -> Words:
    """The language that a browser likes best of those there are (RFC 9110, 12.5.4)."""
    wished = []
    for place, each in enumerate(accepted.split(",")[:MOST_LANGUAGES]):
        tag, _, weight = each.partition(";")
        found = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", weight) if weight else None
        if weight and found is None:
            continue
        wished.append((-float(found[1]) if found else -1.0, place, tag.strip().lower()))
    for weight_, _, tag in sorted(wished):
        code = tag.partition("-")[0]
        if weight_ < 0 and code in known:
            return known[code]
    return known[ENGLISH]


def scripted() -> frozenset[str]:
    """What the scripts say: that, and no more, is sent along."""
    if not _SCRIPTED:
        _SCRIPTED.update(SAID)
        for path in sorted((Path(__file__).parent / "static").glob("*.js")):
            for found in _SPOKEN.finditer(path.read_text(encoding="utf-8")):
                _SCRIPTED.add(json.loads(found[1]))
    return frozenset(_SCRIPTED)


_SCRIPTED: set[str] = set()
_SPOKEN = re.compile(r"\btn?\(\s*(\"(?:[^\"\\]|\\.)*\")")


def _said_itself(pattern: str) -> int:
    """How much of a pattern is no place for something."""
    return len(re.sub(r"\{\w+\}", "", pattern))


def _plural(found: gettext.NullTranslations) -> str:
    head = found.info().get("plural-forms", "") if hasattr(found, "info") else ""
    return head.partition("plural=")[2].strip(" ;") or "n != 1"


class _Page(HTMLParser):
    """Says every text of a page, and the attributes that people get to hear, in a language."""

    def __init__(self, words: Words, source: str) -> None:
        super().__init__(convert_charrefs=False)
        self._words = words
        self._parts: list[str] = []
        self.feed(source)
        self.close()

    @property
    def made(self) -> str:
        return "".join(self._parts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        text = self.get_starttag_text() or ""
        for name, value in attrs:
            if name in ATTRIBUTES and value:
                said = escape(self._words.of(value))
                text = text.replace(f'{name}="{escape(value)}"', f'{name}="{said}"')
        if tag == "html":
            text = text.replace(f'lang="{ENGLISH}"', f'lang="{self._words.language}"')
        self._parts.append(text)

    def handle_data(self, data: str) -> None:
        text = message_of(data)
        said = self._words.of(text)
        if said != text:
            data = data.replace(data.strip(), escape(said, quote=False))
        self._parts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._parts.append(f"</{tag}>")

    def handle_entityref(self, name: str) -> None:
        self._parts.append(f"&{name};")

    def handle_decl(self, decl: str) -> None:
        self._parts.append(f"<!{decl}>")


def message_of(data: str) -> str:
    """A text of a page as a message: on one line; empty where nothing is said."""
    text = " ".join(data.split())
    return text if any(char.isalpha() for char in text) else ""


def spoken(source: str) -> Iterator[tuple[int, str]]:
    """(line, message) of every text of a page."""

    class Found(HTMLParser):
        def __init__(self) -> None:
            super().__init__(convert_charrefs=False)
            self.all: list[tuple[int, str]] = []

        def handle_starttag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
            for name, value in attrs:
                if name in ATTRIBUTES and value:
                    self.all.append((self.getpos()[0], value))

        def handle_data(self, data: str) -> None:
            if text := message_of(data):
                self.all.append((self.getpos()[0], text))

    found = Found()
    found.feed(source)
    yield from found.all
