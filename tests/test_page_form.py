"""The settings as a form, and what saving does to their file."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("tomlkit", reason="needs tomlkit (the extra page)")

from edge import settings
from edge.adopt import LIVE
from edge.config import Config
from edge.page import form

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
EXAMPLE = (DEPLOY / "config.example.toml").read_text()
MINE = """\
# My box. Do not touch.
[policy]   # how patient
phone_hold_s = 3.0   # grace

[mqtt]
host = "nas"
password = "geheim99"

# left is me
[[seats]]
name = "left" # me
box = [0.0, 0.0, 1.0, 0.5]
[[seats]]
name = "right"
box = [0.0, 0.5, 1.0, 1.0]
"""


def saved(path: Path, *changes: tuple[list[str], object]) -> form.Saved:
    return form.save(path, [{"path": where, "value": value} for where, value in changes])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(MINE)
    return path


def test_every_setting_is_in_the_form_with_its_range_and_no_secret(file):
    described = form.described(file)
    assert "geheim99" not in str(described)
    there = {
        ".".join([*section["path"][:1], *(["NAME"] if len(section["path"]) > 1 else [])])
        + f".{each['name']}"
        for section in described["sections"]
        for each in section["settings"]
    }
    wanted = {path for path, *_ in settings.declarations() if not path.startswith(form.UNTYPED)}
    assert there == wanted
    policy = next(each for each in described["sections"] if each["path"] == ("policy",))
    hold = next(each for each in policy["settings"] if each["name"] == "phone_hold_s")
    assert (hold["value"], hold["default"], hold["low"], hold["high"]) == (3.0, 1.5, 0, 600)
    assert (hold["set"], "start" in hold, hold["kind"]) == (True, False, "number")
    assert [seat["name"] for seat in described["seats"]] == ["left", "right"]


def test_one_line_changes_and_the_rest_stays_as_it_was(file):
    assert saved(file, (["policy", "phone_hold_s"], 4)).faults == []
    assert file.read_text() == MINE.replace("3.0   # grace", "4   # grace")


def test_a_setting_that_the_example_shows_takes_the_place_of_its_comment(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(EXAMPLE)
    assert saved(path, (["web", "enabled"], True), (["nudge", "mode"], "strict")).faults == []
    before, web, after = EXAMPLE.partition("[web]\n")
    wanted = before.replace('# mode = "gentle"', 'mode = "strict"') + web
    wanted += after.replace("# enabled = false", "enabled = true", 1)
    assert path.read_text() == wanted


def test_a_table_that_is_not_there_is_added_at_the_end(file):
    assert saved(file, (["modes", "gentle", "light_after_s"], 2)).faults == []
    assert file.read_text() == MINE + "\n[modes.gentle]\nlight_after_s = 2\n"


def test_what_goes_back_to_its_default_is_taken_out(file):
    assert saved(file, (["policy", "phone_hold_s"], None), (["box", "name"], None)).faults == []
    assert settings.load(file).policy.phone_hold_s == 1.5
    assert "how patient" in file.read_text()


def test_seats_are_changed_in_their_place(file):
    left = {"name": "left", "box": [0, 0, 1, 0.4], "dock": [0.7, 0, 1, 0.2]}
    assert saved(file, (["seats"], [left])).faults == []
    text = file.read_text()
    assert "# left is me" in text
    assert "# me" in text
    config = settings.load(file)
    assert [seat.name for seat in config.seats] == ["left"]
    assert config.seats[0].dock is not None
    both = [{**left, "dock": None}, {"name": "new", "box": [0, 0.5, 1, 1], "dock": None}]
    assert saved(file, (["seats"], both)).faults == []
    config = settings.load(file)
    assert [seat.name for seat in config.seats] == ["left", "new"]
    assert config.seats[0].dock is None


HOOKED = """\
[box]
name = "mine"

# industry baby
[[hooks]] # loud
name = "stereo" # in the kitchen
address = "http://192.0.2.7/play"

# a dollar each
[[hooks]]
name = "pledge"
command = "/usr/local/bin/donate 1"
pledge = true
daily_most = 3
notify = ""

# nobody's business
[privacy]
# keep_pictures = 100
"""


@pytest.fixture
def hooked(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(HOOKED)
    return path


def test_hooks_are_in_the_form_and_what_runs_a_program_is_shown_to_be_set_by_hand(hooked):
    shown = form.described(hooked)["hooks"]
    assert [each["of"] for each in shown] == ["stereo", "pledge", "hook"]
    settings_ = {each["name"]: each for each in shown[1]["settings"]}
    assert [name for name, each in settings_.items() if "by_hand" in each] == [
        "command",
        "loopback",
    ]
    assert settings_["command"]["value"] == "/usr/local/bin/donate 1"
    assert (settings_["daily_most"]["value"], settings_["daily_most"]["set"]) == (3, True)
    assert (settings_["tries"]["value"], "set" in settings_["tries"]) == (5, False)
    assert (settings_["notify"]["value"], "there" in settings_["notify"]) == (None, False)


def test_a_hook_is_changed_in_its_place(hooked):
    new = {"address": "http://192.0.2.8/", "tries": 2}
    kept = {"of": "pledge", "set": {"daily_most": None, "pledge": None}}
    assert saved(hooked, (["hooks"], [{"of": "stereo", "set": new}, kept])).faults == []
    wanted = HOOKED.replace("192.0.2.7/play", "192.0.2.8/").replace("# loud", "# loud\ntries = 2")
    assert hooked.read_text() == wanted.replace("pledge = true\ndaily_most = 3\n", "")


@pytest.mark.parametrize("kept", [["pledge"], ["stereo"], []], ids=str)
def test_a_hook_is_taken_out_and_every_comment_above_the_others_stays(hooked, kept):
    assert saved(hooked, (["hooks"], [{"of": name, "set": {}} for name in kept])).faults == []
    assert [hook.name for hook in settings.load(hooked).hooks] == kept
    for comment in ("# a dollar each", "# nobody's business", "# keep_pictures = 100"):
        assert comment in hooked.read_text()


def test_a_hook_is_added_below_the_others(hooked):
    there = [{"of": "stereo", "set": {}}, {"of": "pledge", "set": {}}]
    new = {"name": "phone", "on": "clean_session", "notify": "ntfy://x", "timeout_s": None}
    assert saved(hooked, (["hooks"], [*there, {"of": None, "set": new}])).faults == []
    block = '[[hooks]]\nname = "phone"\non = "clean_session"\nnotify = "ntfy://x"\n\n# nobody'
    assert hooked.read_text() == HOOKED.replace("# nobody", block)


@pytest.mark.parametrize(
    "before",
    ["", "[box]\nname = 'a'", EXAMPLE, "hooks = []\n", "hooks = [{name = 'old'}] # mine\n"],
    ids=["nothing", "a table", "the example", "none, in a list", "in a list"],
)
def test_a_hook_is_added_to_any_file_and_goes_again(tmp_path, before):
    path = tmp_path / "config.toml"
    path.write_text(before)
    there = [{"of": hook.name, "set": {}} for hook in settings.load(path).hooks]
    new = {"of": None, "set": {"name": "new", "address": "https://a.example/"}}
    assert saved(path, (["hooks"], [*there, new])).faults == []
    assert settings.load(path).hooks[-1].address == "https://a.example/"
    assert saved(path, (["hooks"], [{"of": "new", "set": {"address": "https://b.example/"}}])) == (
        form.Saved([], [], 1)
    )
    assert [hook.address for hook in settings.load(path).hooks] == ["https://b.example/"]
    assert saved(path, (["hooks"], [])).faults == []
    assert settings.load(path).hooks == ()


@pytest.mark.parametrize(
    ("new", "fault"),
    [
        ({"name": "stereo"}, ("hooks[2].name", "is the name of another hook")),
        ({"name": "a b"}, ("hooks[2].name", "does not fit")),
        ({"name": "x", "pledge": True}, ("hooks[2].daily_most", "a pledge needs a daily limit")),
        ({"name": "x", "address": "http://127.0.0.1/"}, ("hooks[2].address", "this machine")),
        ({"name": "x", "delay_s": -1}, ("hooks[2].delay_s", "must be from 0 to 3600")),
        ({"name": "x", "nothing": 1}, ("hooks[2].nothing", "no such setting")),
    ],
    ids=str,
)
def test_a_wrong_hook_is_refused_in_the_words_of_check(hooked, new, fault):
    there = [{"of": "stereo", "set": {}}, {"of": "pledge", "set": {}}]
    found = saved(hooked, (["hooks"], [*there, {"of": None, "set": new}])).faults
    assert found[0]["where"] == fault[0]
    assert fault[1] in found[0]["text"]
    assert hooked.read_text() == HOOKED


def test_seats_of_a_file_without_any_are_added(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(EXAMPLE)
    assert saved(path, (["seats"], [{"name": "a", "box": [0, 0, 1, 0.5]}])).faults == []
    assert path.read_text().startswith(EXAMPLE.rstrip())
    assert settings.load(path).seats[0].name == "a"


@pytest.mark.parametrize(
    ("where", "value", "fault"),
    [
        (["policy", "phone_hold_s"], -1, ("policy.phone_hold_s", "must be from 0 to 600")),
        (["policy", "phone_hold_s"], "x", ("policy.phone_hold_s", "must be a number")),
        (["policy", "nothing"], 1, ("policy.nothing", "no such setting")),
        (["nudge", "mode"], "cruel", ("nudge.mode", "no such mode")),
        (["seats"], [], ("seats", "at least one is needed")),
        (["seats"], [{"name": "a", "box": [1, 0, 0, 1]}], ("seats[0].box", "top must be above")),
        (["seats"], "left", ("seats", "must be tables")),
        (["hardware", "board"], "none such", ("hardware.board", "none such")),
        (["web", "key_file"], "/no/key", ("web.cert_file", "needs its key")),
    ],
)
def test_what_check_calls_wrong_is_not_written_and_said_in_its_words(file, where, value, fault):
    found = saved(file, (where, value)).faults
    assert found[0]["where"] == fault[0]
    assert fault[1] in found[0]["text"]
    assert file.read_text() == MINE
    assert [each.name for each in file.parent.iterdir()] == ["config.toml"]


@pytest.mark.parametrize(
    "given_",
    [
        None,
        [],
        {},
        ["x"],
        [{"path": []}],
        [{"path": ["policy"]}],
        [{"path": ["seats", "name"], "value": "x"}],
        [{"path": ["hooks"], "value": [{"command": "/bin/true"}]}],
        [{"path": ["hooks"], "value": [{"of": "a", "set": {}}, {"of": "a", "set": {}}]}],
        [{"path": ["hooks"], "value": [{"of": None, "set": {"command": "/bin/true"}}]}],
        [{"path": ["hooks"], "value": [{"of": "stereo", "set": {"loopback": True}}]}],
        [{"path": ["hooks"], "value": [{"of": 3, "set": {}}]}],
        [{"path": ["hooks"], "value": {}}],
        [{"path": ["hooks"]}],
        [{"path": ["hooks", "command"], "value": "/bin/true"}],
        [{"path": ["a", "b", "c", "d"]}],
        [{"path": ["policy", "\n"]}],
        [{"path": ["policy", "learn"], "value": 1}] * 300,
    ],
)
def test_what_is_no_change_is_refused(file, given_):
    assert form.save(file, given_).faults
    assert file.read_text() == MINE


def test_mode_and_owner_of_the_file_stay(file):
    os.chmod(file, 0o640)
    assert saved(file, (["policy", "phone_hold_s"], 4)).faults == []
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_file_that_is_broken_or_not_there_is_said(tmp_path):
    path = tmp_path / "config.toml"
    for content in ("[policy\n", None):
        if content is None:
            path.unlink()
        else:
            path.write_text(content)
        assert form.described(path)["faults"]
        assert saved(path, (["policy", "phone_hold_s"], 4)).faults
    assert form.save(None, [{"path": ["box", "name"], "value": "x"}]).faults


def test_what_is_live_is_a_part_of_the_tree():
    assert set(LIVE) <= set(Config.__dataclass_fields__)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30)


@given(TEXTS, st.sampled_from([MINE, EXAMPLE, "", "[box]\n", "box = {}\n", '[box]\nname = "x"']))
def test_any_text_arrives_as_it_was_typed(text, before):
    after = form.changed(before, [(("box", "name"), text)])
    assert tomllib.loads(after)["box"]["name"] == text
    rest = {key: value for key, value in tomllib.loads(after).items() if key != "box"}
    assert rest == {k: v for k, v in tomllib.loads(before).items() if k != "box"}
