"""Who may look: passwords, the code, sessions, guessers. No HTTP here."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge.commands.run import FRUGAL
from edge.page import login as module
from edge.page.login import (
    FREE_TRIES,
    LONGEST_WAIT_S,
    MOST_SESSIONS,
    MOST_WRONG_CODES,
    SESSION_S,
    Login,
    Refused,
    Store,
    code_of,
    guesser,
    hashed,
    matches,
)

PASSWORD = "a long password"


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a hash costs is part of it, and no test here needs a dear one."""
    monkeypatch.setattr(module, "SCRYPT", {"n": 2, "r": 8, "p": 1})


class Door:
    def __init__(self, folder: Path, *, configured: str = "") -> None:
        self.store = Store(folder / "page.json")
        self.clock = Clock()
        self.configured = configured
        self.login = self.again()

    def again(self) -> Login:
        """What a new process would be."""
        return Login(self.store, configured=self.configured, clock_s=self.clock, wall_s=self.clock)

    def set(self, password: str) -> str:
        token = self.login.enter(code_of(self.store), "1.2.3.4")
        self.login.set_password(password, token)
        return token


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


def test_a_hash_fits_its_password_only_and_two_are_never_alike():
    kept = hashed(PASSWORD)
    assert matches(PASSWORD, kept)
    assert not matches(PASSWORD + " ", kept)
    assert kept != hashed(PASSWORD)


@pytest.mark.parametrize("kept", ["", "scrypt", "plain:1:1:1:a:b", "scrypt:0:8:1:AAAA:AAAA"])
def test_a_damaged_hash_lets_nobody_in(kept):
    assert not matches("", kept)
    assert not matches(PASSWORD, kept)


def test_the_hash_is_what_owasp_asks_for_at_least(monkeypatch):
    monkeypatch.undo()
    assert module.SCRYPT["n"] * module.SCRYPT["r"] * 128 >= 16 * 2**20
    assert hashed(PASSWORD).startswith("scrypt:16384:8:5:")


def test_the_file_is_the_owners_alone_and_holds_no_password_and_no_token(door):
    token = door.set(PASSWORD)
    path = door.store._path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert PASSWORD not in path.read_text()
    assert token not in path.read_text()


def test_a_session_outlives_the_process_but_not_its_time(door):
    token = door.set(PASSWORD)
    assert door.again().knows(token)
    door.clock.now_s += SESSION_S + 1
    assert not door.again().knows(token)


def test_a_clock_that_falls_back_for_years_makes_no_session_eternal(door):
    token = door.set(PASSWORD)
    door.clock.now_s -= 400 * 24 * 3600
    assert not door.login.knows(token)


def test_a_new_password_ends_all_other_sessions(door):
    door.set(PASSWORD)
    mine, other = (door.login.enter(PASSWORD, "1.2.3.4") for _ in range(2))
    door.login.set_password("another password", mine)
    assert door.login.knows(mine)
    assert not door.login.knows(other)


@pytest.mark.parametrize("new", ["", "short", "x" * 300])
def test_a_password_that_will_not_do_is_refused(door, new):
    with pytest.raises(Refused, match="8 to 256"):
        door.set(new)


def test_sessions_are_bounded(door):
    door.set(PASSWORD)
    tokens = [door.login.enter(PASSWORD, "1.2.3.4") for _ in range(MOST_SESSIONS + 5)]
    assert [door.login.knows(token) for token in tokens[:5]] == [False] * 5
    assert door.login.knows(tokens[-1])


def test_the_wait_doubles_and_ends_and_is_each_guessers_own(door):
    door.set(PASSWORD)
    waits = []
    for _ in range(20):
        with pytest.raises(Refused):
            door.login.enter("wrong", "1.2.3.4")
        with pytest.raises(Refused) as caught:
            door.login.enter(PASSWORD if waits else "wrong", "1.2.3.4")
            break
        if caught.value.wait_s:
            waits.append(caught.value.wait_s)
            door.clock.now_s += caught.value.wait_s + 0.1
    assert waits[:3] == [2, 4, 8]
    assert max(waits) <= LONGEST_WAIT_S
    assert door.login.enter(PASSWORD, "1.2.3.5"), "a neighbour locks nobody out"


def test_the_right_password_clears_what_was_wrong_before(door):
    door.set(PASSWORD)
    for _ in range(3):
        for _ in range(FREE_TRIES - 1):
            with pytest.raises(Refused, match="not the password"):
                door.login.enter("wrong", "1.2.3.4")
        door.login.enter(PASSWORD, "1.2.3.4")


def test_a_code_that_was_guessed_at_by_many_is_replaced(door, caplog):
    before = code_of(door.store)
    for i in range(MOST_WRONG_CODES):
        with pytest.raises(Refused):
            door.login.enter("nothing", f"10.0.{i // 250}.{i % 250}")
    after = code_of(door.store)
    assert after != before
    assert f"{after[:4]} {after[4:]}" in caplog.text
    assert door.login.enter(after, "1.2.3.4")


def test_the_password_of_the_configuration_works_until_there_is_another(tmp_path):
    door = Door(tmp_path, configured="of the file")
    assert not door.login.wants_code
    token = door.login.enter("of the file", "1.2.3.4")
    door.login.set_password(PASSWORD, token)
    with pytest.raises(Refused):
        door.login.enter("of the file", "1.2.3.4")
    assert door.login.enter(PASSWORD, "1.2.3.4")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"password": 1}', '{"sessions": []}'])
def test_a_damaged_file_begins_anew_with_a_code(door, caplog, text):
    token = door.set(PASSWORD)
    door.store._path.write_text(text)
    login = door.again()
    assert not login.knows(token)
    assert login.wants_code
    assert "begins anew" in caplog.text
    assert json.loads(json.dumps(code_of(door.store))).isdigit()


@pytest.mark.parametrize(
    ("client", "who"),
    [
        ("192.168.1.7", "192.168.1.7"),
        ("::ffff:192.168.1.7", "192.168.1.7"),
        ("fd00::1:2:3:4", "fd00::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_household_is_one_guesser(client, who):
    assert guesser(client) == who


MEMORY = """
import asyncio
from edge.page import main
from edge.page.login import hashed, matches

async def check():
    kept = await asyncio.to_thread(hashed, "a long password")
    for _ in range(6):
        assert await asyncio.to_thread(matches, "a long password", kept)

asyncio.run(check())
with open("/proc/self/statm") as statm:
    print(int(statm.read().split()[1]) * 4)
"""


def test_the_pages_process_gives_back_what_passwords_take() -> None:
    """60 MiB is what it may take; a password takes 16 for a moment, and each thread kept them."""
    pytest.importorskip("starlette", reason="needs starlette (the extra page)")
    unit = (Path(__file__).parent.parent / "deploy" / "procrastobot-page.service").read_text()
    assert f"Environment={' '.join(f'{name}={value}' for name, value in FRUGAL.items())}\n" in unit
    command = [sys.executable, "-c", MEMORY]
    done = subprocess.run(command, env={**os.environ, **FRUGAL}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 60 * 1024
