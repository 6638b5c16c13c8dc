"""`check` says all that is wrong at once, in the file and in what the file names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge import config as declared
from edge import settings, toml
from edge.__main__ import main
from edge.config import Config

GEHEIM = "geheim99"


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def checked(content: str | bytes, *options: str) -> tuple[int, str]:
        path = tmp_path / "my.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        code = main(["check", str(path), *options])
        said = capsys.readouterr()
        return code, said.out + said.err

    return checked


ALL_WRONG = """
[camera]
source = "/no/such/film.mp4"
rotate_deg = 90
fps = 1000
[hardware]
board = "pii"
[model]
name = "large"
[mqtt]
password_file = "/no/such/password"
cert_file = "/no/such/cert"
tls = true
[nudge]
mode = "cruel"
[policy]
follow = "sofa"
[history]
path = "/etc/passwd/history.db"
[privacy]
pictures_path = "/etc/passwd"
[[seats]]
name = "left"
box = [0.5, 0, 0.2, 1]
[[seats]]
name = "right"
"""


def test_everything_that_is_wrong_is_named_at_once(check):
    code, said = check(ALL_WRONG)
    assert code == 78
    for words in (
        'camera.source = "/no/such/film.mp4": there is no /no/such/film.mp4',
        "camera.rotate_deg = 90: must be 0 or 180",
        "camera.fps = 1000: must be from 1 to 30",
        'hardware.board = "pii": no such board; there are',
        "has no model 'large'; there is normal, fast",
        'mqtt.password_file = "/no/such/password": there is no such file',
        'mqtt.cert_file = "/no/such/cert": there is no such file',
        "mqtt.key_file: a client certificate needs its key",
        'nudge.mode = "cruel": no such mode; there are gentle, strict, light-only',
        'history.path = "/etc/passwd/history.db": /etc/passwd is no folder',
        'privacy.pictures_path = "/etc/passwd": is no folder',
        "seats[0].box = [0.5, 0, 0.2, 1]: top must be above bottom",
    ):
        assert words in said
    assert "policy.follow" not in said, "what hangs on a faulty setting is not judged"
    assert said.splitlines()[0].endswith(": 12 settings cannot be used")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[mqtt]\nhost = nas", 'line 2: host: text must be in quotes: "like this"'),
        ("[mqtt]\nhost = nas # mine", 'line 2: host: text must be in quotes: "like this"'),
        ("[mqtt]\nhost = \u201cnas\u201d", "line 2: host: the quotes must be plain ones"),
        ("[mqtt]\nhost = \u201enas\u201c", "line 2: host: the quotes must be plain ones"),
        ('[mqtt]\nhost = "nas', "line 2: host: a quote is missing"),
        ('[mqtt]\nhost = "nas" "two"', "line 2: host: there is more than one text on this line"),
        ('[camera]\nsource = "C:\\users"', "in double quotes a backslash is special"),
        ('[camera]\nsource = "C:\\film"', "must not contain control characters (in double quotes"),
        ("[web]\nenabled = True", "line 2: enabled: must be true or false, in small letters"),
        ("[web]\nenabled = yes", "line 2: enabled: must be true or false, in small letters"),
        ("[observe]\nstill = 0,5", "line 2: still: a number has a point, not a comma"),
        ("[mqtt]\nhost: nas", "line 2: host: a setting has an equals sign: host = VALUE"),
        ("[mqtt]\nhost =", 'line 2: host: has no value; an empty text is ""'),
        ("[mqtt]\nhost", "line 2: host: no setting; NAME = VALUE is wanted"),
        ("[mqtt]\npassword =\ngeheim99", "line 3: no setting; NAME = VALUE is wanted"),
        ("[mqtt\nhost = 'nas'", "line 1: a table is named in brackets: [mqtt]"),
        ("[[seats]\nname = 'a'", "line 1: a table is named in brackets: [[seats]]"),
        ("[mqtt]\nhost = 'a'\nhost = 'b'", "line 3: host: is there more than once"),
        (
            "[mqtt]\n[web]\n[mqtt]",
            "line 3: [mqtt]: is there already; put these lines below the first one",
        ),
        ("[nudge]\nquiet_from = 22:00", 'line 2: quiet_from: text must be in quotes: "like this"'),
        ("[[seats]]\nbox = [0, 0, 1", "its end: Unclosed array"),
        ("x = " + "[" * 5000, "nested too deep"),
        ("x = " + "9" * 5000, "is not valid TOML"),
    ],
)
def test_a_line_that_is_not_toml_gets_words_that_help(check, text, expected):
    code, said = check(text)
    assert code == 78
    assert expected in said
    assert "geheim99" not in said


def test_a_line_that_is_not_toml_hides_no_other_fault(check):
    text = '[mqtt]\nhost = nas\n[camera]\nfps = "fast"\nsource = film\n[nudge]\nmode = "cruel"\n'
    code, said = check(text)
    assert code == 78
    for words in (
        "line 2: host: text",
        "line 5: source: text",
        "camera.fps = ",
        "no such mode",
    ):
        assert words in said


def test_what_stands_below_a_second_heading_is_looked_at_too(check):
    code, said = check(
        '[mqtt]\nhost = "nas"\n[web]\n[mqtt]\nport = 0.5\n[mqtt]\nhots = 1\n'
        '["\\u0000 mqtt.host.a"]\n'
    )
    assert code == 78
    for words in ("line 4: [mqtt]: is there", "line 6: [mqtt]: is", "mqtt.port = 0.5", "mqtt.hots"):
        assert words in said


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('[mqtt]\nhost = "nas"\n'.encode("utf-16"), "is not UTF-8 text but UTF-16"),
        ("[box]\nname = 'Küche'\n".encode("latin-1"), "is not UTF-8 text (line 2, byte 15)"),
    ],
)
def test_a_text_of_another_encoding_is_called_one(check, content, expected):
    code, said = check(content)
    assert code == 78
    assert expected in said


def test_lines_that_end_with_a_carriage_return_alone_are_read_and_said(check):
    code, said = check(b"[mqtt]\nhost = 'nas'\rport = 99999\r\n")
    assert code == 78
    assert "line 2: ends with a carriage return alone; save" in said
    assert "mqtt.port = 99999: must be" in said


def test_a_byte_order_mark_is_passed_over_and_said(check, caplog):
    code, _ = check(b"\xef\xbb\xbf[mqtt]\r\nhost = 'nas'\r\n")
    assert code == 0
    assert "byte order mark" in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("camera = '{}'", id="a text for a table"),
        pytest.param("[[mqtt]]\npassword = '{}'", id="a list for a table"),
        pytest.param("mqtt = [{{password = '{}'}}]", id="the same in line"),
        pytest.param("[mqtt]\npassword = {}", id="no quotes"),
        pytest.param("[mqtt]\npassword: {}", id="a colon"),
        pytest.param("[mqtt]\npassword = ['{}']", id="another type"),
        pytest.param("[mqtt]\nhost = 'mqtt://me:{}@nas'", id="an address for a host"),
        pytest.param("[mqtt]\nhost = 'me:{}@nas'", id="a user before a host"),
        pytest.param("[camera]\nsource = ['rtsp://me:{}@cam/']", id="a list of addresses"),
        pytest.param('[camera]\nsource = "rtsp://me:{}@cam/\\u0007"', id="a control character"),
        pytest.param("[camera]\nsource = 'rstp://me:{}@cam/'", id="a wrong kind"),
        pytest.param("[camera]\nfps = 'rtsp://me:{}@cam/'", id="a wrong place"),
        pytest.param("[camera]\nsource = rtsp://me:{}@cam/", id="an address without quotes"),
        pytest.param("seats = 'rtsp://me:{}@cam/'", id="for a list"),
        pytest.param("modes = '{}'", id="for modes"),
        pytest.param("[model]\nname = 'rtsp://me:{}@cam/'", id="for a model"),
        pytest.param("[model]\nmanifest = 'rtsp://me:{}@cam/'", id="for a manifest"),
        pytest.param("[hardware]\nboard = 'rtsp://me:{}@cam/'", id="for a board"),
        pytest.param("[history]\npath = '/etc/passwd/rtsp://me:{}@cam'", id="for a path"),
        pytest.param("[mqtt]\npassword_file = 'rtsp://me:{}@cam/'", id="for a file"),
    ],
)
def test_no_fault_repeats_a_password(check, text):
    code, said = check(text.format(GEHEIM))
    assert code == 78
    assert GEHEIM not in said


def test_what_is_shown_of_a_good_address_has_no_password(check):
    text = f"[camera]\nsource = 'rtsp://me:{GEHEIM}@cam.local:554/live?token={GEHEIM}'\n"
    code, said = check(text, "--show")
    assert code == 0
    assert '# source = "rtsp://cam.local:554/..."  (hidden in part)' in said
    assert GEHEIM not in said


def test_a_device_that_may_be_plugged_in_later_is_said_and_no_fault(check):
    code, said = check("[camera]\nsource = '/dev/no-such-camera'\n")
    assert code == 0
    assert "there is no /dev/no-such-camera" in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"[mqtt]\npassword_file = '/{'x' * 300}'", "File name too long"),
        ("[mqtt]\npassword_file = '/tmp'", "is no file"),
        ("[broker]\npassword_file = '/tmp'", 'broker.password_file = "/tmp": is no file'),
        (f"[camera]\nsource = '/{'x' * 5000}'", "there is no /xxx"),
        ("[camera]\nsource = '~nobody-of-that-name/film.mp4'", "there is no ~nobody"),
        ("[hardware]\nboard = '~nobody-of-that-name/b.toml'", "cannot be read: No such file"),
        (
            "[model]\nmanifest = '~nobody-of-that-name/m.toml'",
            "m.toml: cannot be read: No such file",
        ),
        (f"[history]\npath = '/{'x' * 300}/h.db'", "File name too long"),
        ("[history]\npath = '/tmp'", "is no file"),
        (
            "[web]\nenabled=true\nport=9\n[broker]\nenabled=true\nport=9",
            "is the port of the broker",
        ),
    ],
)
def test_a_path_that_cannot_be_is_a_fault_and_no_crash(check, text, expected):
    code, said = check(text)
    assert code == 78
    assert expected in said


def test_a_password_file_of_other_bytes_is_a_fault(check, tmp_path):
    secret = tmp_path / "password"
    secret.write_bytes(b"\xff\xfe")
    code, said = check(f"[mqtt]\npassword_file = '{secret}'\n")
    assert code == 78
    assert "is no text in UTF-8" in said


def test_run_names_what_would_stop_it_for_good_all_at_once(tmp_path, capsys):
    path = tmp_path / "my.toml"
    path.write_text(ALL_WRONG)
    assert main(["run", "--config", str(path), "--set", "session.focus_min=0"]) == 78
    said = capsys.readouterr().err
    for words in ("camera.fps", "no such board", "has no model", "session.focus_min = 0"):
        assert words in said
    assert "history.path" not in said, "the box carries on without a history"


def test_an_old_name_warns_and_works(monkeypatch, caplog):
    old = {"mqtt.server": "mqtt.host", "observe.glimpses": "", "camera.rate": "camera.fps"}
    monkeypatch.setattr(declared, "OLD_NAMES", old)
    monkeypatch.setattr(settings, "OLD_NAMES", old)
    text = "[mqtt]\nserver = 'nas'\n[observe]\nglimpses = 3\n[camera]\nrate = 5\nfps = 7\n"
    config = settings.parse(text, "my.toml")
    assert (config.mqtt.host, config.camera.fps) == ("nas", 7)
    assert "my.toml: mqtt.server is called mqtt.host now; the old name works" in caplog.text
    assert "observe.glimpses is no longer needed" in caplog.text
    assert "camera.rate is called camera.fps now, which is there too" in caplog.text


def test_an_old_name_is_judged_under_its_new_one(monkeypatch):
    monkeypatch.setattr(settings, "OLD_NAMES", {"camera.rate": "camera.fps"})
    with pytest.raises(settings.ConfigError, match=r"camera\.fps = 99: must be from 1 to 30"):
        settings.parse("[camera]\nrate = 99\n", "my.toml")


def test_every_old_name_leads_to_one_there_is():
    known = {path for path, *_ in settings.declarations()}
    assert not [new for new in declared.OLD_NAMES.values() if new and new not in known]
    assert not set(declared.OLD_NAMES) & known


def test_defaults_are_good_wherever_one_stands(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir("/")
    if not os.path.exists("/etc/procrastobot"):
        assert main(["check"]) == 0
    assert settings.read(None).checked() == Config()


def test_a_file_that_is_no_text_at_all_is_an_answer():
    assert toml.syntax("\0")[1]
    assert toml.syntax("a = \x7f")[1]
