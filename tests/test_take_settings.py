"""Settings left on the boot partition, as the image takes them over (deploy/image)."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge import settings

ROOT = Path(__file__).resolve().parent.parent
TAKE = ROOT / "deploy/image/overlay/usr/lib/procrastobot/take-settings"


class Card:
    def __init__(self, folder: Path) -> None:
        self.boot, self.etc, self.secrets = (folder / name for name in ("boot", "etc", "cred"))
        for each in (self.boot, self.etc, self.secrets):
            each.mkdir()
        self.program = folder / "procrastobot"
        self.program.write_text(f'#!/bin/sh\ncd "{ROOT}"\nexec {sys.executable} -m edge "$@"\n')
        self.program.chmod(0o755)

    def take(self) -> str:
        done = subprocess.run(
            [sys.executable, "-I", TAKE],
            env={
                **os.environ,
                "PROCRASTOBOT_BOOT": str(self.boot),
                "PROCRASTOBOT_ETC": str(self.etc),
                "PROCRASTOBOT_CREDSTORE": str(self.secrets),
                "PROCRASTOBOT_PROGRAM": str(self.program),
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    def left(self) -> list[str]:
        return sorted(path.name for path in self.boot.iterdir())


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path)


def test_a_good_configuration_is_taken_over_and_gone_from_the_card(card: Card) -> None:
    (card.boot / "procrastobot.toml").write_bytes(b"\xef\xbb\xbf[nudge]\r\nmode = 'strict'\r\n")
    (card.boot / "config.txt").write_text("arm_64bit=1\n")
    card.take()
    assert settings.load(card.etc / "config.toml").nudge.mode == "strict"
    assert card.left() == ["config.txt"]


def test_a_faulty_one_stays_with_the_reason_beside_it_and_the_old_one_in_force(card: Card) -> None:
    (card.etc / "config.toml").write_text("[nudge]\nmode = 'gentle'\n")
    (card.boot / "procrastobot.toml").write_text("[nudge]\nmoed = 'strict'\n")
    said = card.take()
    assert card.left() == ["procrastobot-faults.txt", "procrastobot.toml"]
    faults = (card.boot / "procrastobot-faults.txt").read_text()
    assert "did you mean nudge.mode?" in faults
    assert str(card.etc) not in faults, "the owner's file is named, not a copy of it"
    assert "procrastobot-faults.txt says why" in said
    assert settings.load(card.etc / "config.toml").nudge.mode == "gentle"
    assert sorted(path.name for path in card.etc.iterdir()) == ["config.toml"]
    (card.boot / "procrastobot.toml").write_text("[nudge]\nmode = 'strict'\n")
    card.take()
    assert card.left() == []


def test_secrets_go_where_only_root_reads_and_are_overwritten_on_the_card(card: Card) -> None:
    written = card.boot / "mqtt-password.txt"
    written.write_text("hush\r\n")
    # A second name keeps the bytes in view after the file is gone, as a reader of the card would.
    os.link(written, card.boot / "the-same-bytes")
    said = card.take()
    secret = card.secrets / "procrastobot.mqtt-password"
    assert secret.read_text() == "hush\n"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert card.left() == ["the-same-bytes"]
    assert b"hush" not in (card.boot / "the-same-bytes").read_bytes()
    assert "hush" not in said


@pytest.mark.parametrize("name", ["", "-box", "a b", "x" * 64, "box;reboot", "b\u00f6x"])
def test_what_is_no_host_name_stays(card: Card, name: str) -> None:
    (card.boot / "hostname.txt").write_text(name, encoding="utf-8")
    card.take()
    assert card.left() == ["hostname.txt"]
    assert list(card.etc.iterdir()) == []


def test_a_file_that_is_far_too_large_stays(card: Card) -> None:
    (card.boot / "mqtt-ca.txt").write_bytes(b"x" * (256 * 1024 + 1))
    card.take()
    assert card.left() == ["mqtt-ca.txt"]


def test_a_card_without_settings_changes_nothing(card: Card) -> None:
    (card.boot / "cmdline.txt").write_text("root=LABEL=root\n")
    card.take()
    assert card.left() == ["cmdline.txt"]
    assert list(card.etc.iterdir()) == []


def test_the_card_explains_every_file_that_it_takes() -> None:
    readme = (ROOT / "deploy/image/boot/README.txt").read_text()
    spoken = {line.split()[0] for line in readme.splitlines() if line.startswith("  ")}
    source = TAKE.read_text()
    assert spoken == {name for name in spoken if name.removesuffix(".txt") in source}
    assert "mqtt-password.txt" in spoken
