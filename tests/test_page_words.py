"""The page's words in other languages: complete, with the same things in them, and chosen well."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge import decide
from edge.domain import Activity, Dock, Fault, PhoneUse, Session, View
from edge.page import words
from edge.page.words import SAID, Text, chosen, languages, scripted
from edge.vision.manifest import load_eyes
from tests.desk import Desk

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "edge" / "page" / "static"
needs_babel = pytest.mark.skipif(
    importlib.util.find_spec("babel") is None, reason="needs babel (the extra test)"
)
CODES = sorted(path.parent.parent.name for path in words.LOCALE.glob("*/LC_MESSAGES/page.po"))


def test_there_is_another_language_than_english():
    assert "de" in CODES
    assert set(languages()) == {"en", *CODES}


@needs_babel
def test_what_is_shipped_is_what_the_sources_say():
    done = subprocess.run(
        [sys.executable, ROOT / "deploy" / "words", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + "; deploy/words brings it up to date"


@needs_babel
@pytest.mark.parametrize("code", CODES)
def test_every_message_has_a_translation_with_the_same_things_in_it(code):
    from babel.messages.pofile import read_po

    path = words.LOCALE / code / "LC_MESSAGES" / "page.po"
    with path.open("rb") as file:
        catalogue = read_po(file, locale=code)
    wrong = []
    for each in catalogue:
        if not each.id:
            continue
        originals = each.id if isinstance(each.id, tuple) else (each.id,)
        said = each.string if isinstance(each.string, tuple) else (each.string,)
        wanted = {frozenset(placeholders(text)) for text in originals}
        found = {frozenset(placeholders(text or "")) for text in said}
        # "One view" needs no number.
        if each.fuzzy or not all(said) or not found <= wanted | {max(wanted, key=len)}:
            wrong.append(each.id)
    assert wrong == []


def placeholders(text: str) -> list[str]:
    return re.findall(r"\{(\w*)\}", text)


@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("DE-ch", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("fr,de;q=0.5", "de"),
        ("fr,nl", "en"),
        ("en;q=0.3,de;q=0.7", "de"),
        ("de;q=0,en;q=0.1", "en"),
        ("de;q=0", "en"),
        ("*", "en"),
        ("../../etc", "en"),
        ("de;q=zwei", "en"),
        ("," * 5000 + "de", "en"),
    ],
)
def test_the_browsers_wish_is_met(accepted, code):
    assert chosen(accepted, languages()).language == code


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.html")), ids=lambda path: path.name)
def test_a_page_in_english_is_the_page_as_it_is_written(path):
    source = path.read_text(encoding="utf-8")
    assert languages()["en"].page(source) == source


def test_texts_and_what_is_read_aloud_are_said_in_the_language_and_nothing_else_changes():
    german = languages()["de"]
    source = '<html lang="en"><p id="Save" class="Save">\n  Save </p><nav aria-label="Pages"></nav>'
    said = '<html lang="de"><p id="Save" class="Save">\n  Speichern </p><nav aria-label="Seiten">'
    assert german.page(source) == said + "</nav>"
    assert german.of("nobody has said this") == "nobody has said this"
    assert german.of("") == ""


def test_a_translation_does_not_become_markup(monkeypatch):
    german = languages()["de"]
    monkeypatch.setattr(german, "of", lambda text: '<b>"&')
    assert german.page('<p title="Save">Save</p>') == (
        '<p title="&lt;b&gt;&quot;&amp;">&lt;b&gt;"&amp;</p>'
    )


def test_a_sentence_with_values_is_said_with_them():
    text = Text("a password has {low} to {high} characters", low=8, high=256)
    assert text == "a password has 8 to 256 characters"
    assert languages()["de"].of(text) == "ein Passwort hat 8 bis 256 Zeichen"
    assert languages()["en"].of(text) == text


def test_scripts_get_their_words_and_the_plural_of_the_language():
    script = languages()["de"].script()
    assert '"connected":"verbunden"' in script
    assert '["{n} Änderung","{n} Änderungen"]' in script
    assert "const form = (n) => Number((n != 1));" in script
    assert "Where pictures come from." not in script, "settings are said by the page's process"
    assert "const WORDS = {};" in languages()["en"].script()
    assert "connected" in scripted()


# ---------------------------------------------------------------- what the box says


@pytest.mark.parametrize("kind", [Activity, Session, View, PhoneUse, Dock, Fault])
def test_every_word_of_the_boxs_state_can_be_said(kind):
    assert {each.value for each in kind} <= set(SAID)


def test_every_thing_that_is_seen_can_be_said(monkeypatch):
    from edge.config import ModelConfig

    labels = {label for eye in load_eyes(ModelConfig()).eyes for label in eye.things}
    assert labels <= set(SAID)


def test_every_refusal_that_is_written_out_can_be_said():
    tree = ast.parse(Path(decide.__file__).with_name("commands.py").read_text())
    refused = {
        node.args[2].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "refuse"
        and isinstance(node.args[2], ast.Constant)
    }
    assert len(refused) > 8
    assert refused <= set(SAID)


def matches(said: str) -> bool:
    return any(
        re.fullmatch(re.sub(r"\\\{\w+\\\}", ".+", re.escape(pattern)), said) for pattern in SAID
    )


def test_the_reasons_of_the_box_are_among_the_patterns():
    desk = Desk().focus().working(5)
    reasons = set()
    for step in range(120):
        if step < 60:
            desk.using(1)
        else:
            desk.nobody(20)
        reasons.add(desk.seat.reason)
    reasons.discard("")
    assert len(reasons) > 5
    assert all(map(matches, reasons)), reasons
