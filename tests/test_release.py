"""What a release is made of: each step of the workflow is a part of one script that runs here."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edge import __version__
from edge.offers import read

ROOT = Path(__file__).resolve().parent.parent
WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"
SCRIPT = ROOT / "deploy" / "release"
PARTS = re.findall(r"^([a-z]+)\(\) \{$", SCRIPT.read_text(encoding="utf-8"), re.M)
needs_minisign = pytest.mark.skipif(shutil.which("minisign") is None, reason="needs minisign")


def release(output: Path, *parts: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, output, *parts],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_the_workflow_calls_the_script_for_every_part_and_in_an_order_that_works() -> None:
    text = WORKFLOW.read_text(encoding="utf-8")
    called = [
        part
        for line in re.findall(r"deploy/release dist ([a-z ]+)$", text, re.M)
        for part in line.split()
    ]
    assert sorted(called) == sorted(PARTS)
    assert called.index("pi") < called.index("entry") < called.index("sums")
    assert called[-1] == "sums"


def test_the_workflow_says_what_nobody_has_done() -> None:
    head = WORKFLOW.read_text(encoding="utf-8").split("name:")[0]
    assert "Nobody has run this yet" in head
    assert "booted on a real Pi" in head


def test_a_part_that_does_not_exist_is_named(tmp_path: Path) -> None:
    done = release(tmp_path, "whee")
    assert (done.returncode, done.stderr) == (2, "no such part: whee\n")
    assert release(tmp_path).returncode == 2


def test_a_notice_of_the_newest_version_is_one_that_a_box_understands(tmp_path: Path) -> None:
    project, url = tmp_path / "project", "https://example.org/a/releases/download/v0.1.0"
    for name in ("deploy", "edge"):
        (project / name).mkdir(parents=True)
    shutil.copy(SCRIPT, project / "deploy")
    shutil.copy(ROOT / "edge" / "__init__.py", project / "edge")
    changes = project / "CHANGELOG.md"
    changes.write_text("# Changelog\n\n## Unreleased\n\nLater.\n")

    def made() -> subprocess.CompletedProcess[str]:
        command = [project / "deploy" / "release", tmp_path / "out", "notice"]
        environment = {**os.environ, "RELEASE_URL": url}
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    assert f"says nothing of {__version__}" in made().stderr
    changes.write_text(f"{changes.read_text()}\n## {__version__}\n\n- **Sees** `more`.\n\n## 0.0\n")
    assert made().returncode == 0
    offer = read(str(tmp_path / "out" / "latest.json"))
    page = "https://example.org/a/releases/tag/v0.1.0"
    assert (offer.version, offer.notes, offer.url) == (__version__, "- Sees more.", page)


@needs_minisign
def test_the_sums_are_of_everything_and_signed(tmp_path: Path) -> None:
    keys, output = tmp_path / "keys", tmp_path / "out"
    (output / "folder").mkdir(parents=True)
    keys.mkdir()
    (output / "wheel").write_bytes(b"wheel")
    (output / "folder" / "a b").write_bytes(b"image")
    pair = ["-p", keys / "update.pub", "-s", keys / "update.key"]
    subprocess.run(["minisign", "-G", "-W", *pair], check=True, capture_output=True)
    for _ in range(2):  # made again, its own sums are none of it
        done = release(output, "sums", PROCRASTOBOT_KEYS=str(keys))
        assert done.returncode == 0, done.stderr
    lines = (output / "SHA256SUMS").read_text().splitlines()
    assert lines == [
        f"{hashlib.sha256(b'image').hexdigest()}  folder/a b",
        f"{hashlib.sha256(b'wheel').hexdigest()}  wheel",
    ]
    verify = ["minisign", "-V", "-p", keys / "update.pub", "-m", output / "SHA256SUMS"]
    assert subprocess.run(verify, capture_output=True, check=False).returncode == 0
    with (output / "SHA256SUMS").open("a") as file:
        file.write("0  more\n")
    assert subprocess.run(verify, capture_output=True, check=False).returncode != 0


@needs_minisign
def test_the_public_key_follows_from_the_secret_one_as_the_workflow_has_it(tmp_path: Path) -> None:
    pair = ["-p", tmp_path / "update.pub", "-s", tmp_path / "update.key"]
    subprocess.run(["minisign", "-G", "-W", *pair], check=True, capture_output=True)
    public = (tmp_path / "update.pub").read_text().splitlines()[1]
    (tmp_path / "update.pub").unlink()
    subprocess.run(["minisign", "-R", *pair], check=True, capture_output=True)
    assert (tmp_path / "update.pub").read_text().splitlines()[1] == public


def test_an_image_is_not_made_with_a_key_that_nobody_keeps(tmp_path: Path) -> None:
    done = release(tmp_path, "debian", PROCRASTOBOT_KEYS="")
    assert done.returncode != 0
    assert "PROCRASTOBOT_KEYS" in done.stderr


def test_without_a_key_nothing_is_signed_and_it_says_so(tmp_path: Path) -> None:
    done = release(tmp_path, "sums", PROCRASTOBOT_KEYS=str(tmp_path / "none"))
    assert done.returncode != 0
    assert "to sign with" in done.stderr


def test_the_list_for_imager_has_the_images_that_are_there(tmp_path: Path) -> None:
    done = release(tmp_path, "entry", RELEASE_URL="https://example.org/v1")
    assert done.returncode != 0
    assert "no images for a list" in done.stderr
    (tmp_path / "procrastobot-pi4.img.xz").write_bytes(lzma.compress(b"image" * 100))
    done = release(tmp_path, "entry", RELEASE_URL="https://example.org/v1")
    assert done.returncode == 0, done.stderr
    (listed,) = json.loads((tmp_path / "os_list.json").read_text())["os_list"]
    assert listed["url"] == "https://example.org/v1/procrastobot-pi4.img.xz"
    assert listed["extract_size"] == 500


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="needs actionlint")
def test_the_workflow_is_a_sound_one() -> None:
    done = subprocess.run(["actionlint", WORKFLOW], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
