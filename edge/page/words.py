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
from functools import cache
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from edge.wire.events import EVENTS

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

# What looking back says, in `history.page` and about the events there: only this process does.
PAST = (
    *("In short", "focus", "of it with the phone", "pick-ups", "pick-ups per hour of focus"),
    *("sessions completed", "of them clean", "longest without the phone", "streak"),
    *("Focus and phone", "when", "breaks", "clean", "The day", "Nothing is known of it."),
    "The bar is the focus, its right part the time with the phone.",
    *("break or pause", "fault or no view", "paused", "unseen", "fault", "from", "what", "seat"),
    *("how long", "In the order in which it began.", "The figures", "By hour and weekday"),
    *("Focus", "With the phone", "hour", "None.", "All days together.", "of it nobody saw"),
    *("Longest without the phone", "What happened", "The list", "why", "All of them."),
    "Focus until the phone was picked up, or until the session ended or paused.",
    "Interrupted by a restart or a power cut: {number}.",
    "Set aside, for there can be no such day: {when} ({length} of focus). The clock was wrong.",
    "The strongest colour is {length}.",
    "The latest {shown}; {left} more came before.",
    *("{one}; {more}", "{length}, goes on", "{kind}, {name}", "fault: {name}"),
    *("{number} of {all}", "{begin} to {end}", "week of {date}"),
    "As it was known on {date}. Times of several seats add up; sessions are shared by them."
    " This file is complete: it loads nothing.",
    # Dates: what stands for a part of one is only ever taken for that (PARTS).
    *("{weekday} {day} {month} {year}, {time}", "{weekday} {day} {month} {year}"),
    *("{weekday} {day} {month}, {time}", "{weekday} {day} {month}", "{weekday}, {time}"),
    *("{day} {month} {year}", "{day} {month}, {time}", "{day} {month}", "{month} {year}"),
    *("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    *("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
    *("Jan", "Feb", "Mar", "Apr", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    # The details of an event (`lookback.why`).
    *("completed", "not completed", "not clean", "clean {x}", "lasted {x}", "unseen {x}"),
    *("level {x}", "then {x}", "median {x}", "pickups {x}", "mode {x}", "minutes {x}"),
    *("version {x}", "command {x}", "by {x}", "way {x}", "experiment {x}", "streak {x}"),
    *("session {x}", "fault {x}", "view {x}", "name {x}", "views {x}", "activity {x}"),
    *("gentle", "light-only", "strict", "light only", "the page", "button"),
    "Does it help?",
    "There is not enough yet: {n} of {all} sessions ({one} with {first}, {two} with {second})."
    " The result is told when all of them are done.",
    "There is not enough to tell: of {one} sessions with {first}, {two} with {second}, {three}"
    " and {four} had a pick-up at all; {least} of each would have to.",
    "With {second} the phone was picked up {ratio} (between {low} and {high}) times as often per"
    " hour of focus as with {first} ({one} sessions with {first_}, {two} with {second_}).",
    "The time with the phone was {ratio} (between {low} and {high}) times as long per hour of"
    " focus.",
    "So {second} helps: {low} to {high} % fewer pick-ups than with {first}.",
    "So {first} is the better one: {low} to {high} % fewer pick-ups than with {second}.",
    "Both may be alike: what was found does not tell a difference from none. More sessions would"
    " tell a smaller one.",
    "The interval is the one that holds the true ratio in 95 of 100 such experiments.",
    *(event.words for event in EVENTS.values()),
)
PARTS = {
    "weekday": r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*",
    "month": r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\w*",
    "day": r"\d\d",
    "year": r"\d{4}",
    "time": r"\d{1,2}:\d\d",
    "number": r"[\d.]+",
}


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

    def said(self, text: str) -> str:
        """The same of what the box says, where what a pattern holds may be anything (as `said` of
        common.js)."""
        found = self.of(text)
        if found != text or self.language == ENGLISH:
            return found
        for pattern, shape in _shapes():
            if match := shape.fullmatch(text):
                parts = {name: self.said(part) for name, part in match.groupdict().items()}
                return self.of(pattern).format_map(parts)
        return text

    def page(self, source: str) -> str:
        """A page of `static`, or what looking back found."""
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


@cache
def _shapes() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Patterns, and what each of them fits; what says more comes first."""
    patterns = {each: None for each in (*PAST, *SAID) if "{" in each}
    made = []
    for pattern in sorted(patterns, key=_said_itself, reverse=True):
        shape = re.sub(
            r"\\\{(\w+)\\\}",
            lambda name: f"(?P<{name[1]}>{PARTS.get(name[1], '.+?')})",
            re.escape(pattern),
        )
        made.append((pattern, re.compile(shape, re.DOTALL)))
    return tuple(made)


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
        said = self._words.said(text)
        if said != text:
            data = data.replace(data.strip(), escape(said, quote=False))
        self._parts.append(data)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)  # and no end

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
