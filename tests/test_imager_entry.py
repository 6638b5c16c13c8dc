"""The entry for Raspberry Pi Imager's list, of an image that is really there."""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nspawn import ROOT

COMMAND = ROOT / "deploy/image/rpi/imager-entry"
# doc/json-schema/os-list-schema.json and doc/schema-notes.md of raspberrypi/rpi-imager.
REQUIRED = {
    "name",
    "description",
    "icon",
    "url",
    "extract_size",
    "extract_sha256",
    "image_download_size",
    "release_date",
    "devices",
}
WHOLE = bytes(range(256)) * 9000


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, COMMAND, *arguments], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("suffix", "packed"),
    [
        pytest.param(".xz", lzma.compress(WHOLE), id="xz"),
        pytest.param(".gz", gzip.compress(WHOLE), id="gz"),
        pytest.param("", WHOLE, id="not compressed"),
    ],
)
def test_sizes_and_sums_are_those_of_the_file_and_of_what_is_in_it(
    tmp_path: Path, suffix: str, packed: bytes
) -> None:
    image = tmp_path / f"procrastobot-zero2w.img{suffix}"
    image.write_bytes(packed)
    done = run("--url", "https://example.org/d/", "--date", "2026-11-23", image)
    assert done.returncode == 0, done.stderr
    tree = json.loads(done.stdout)
    assert set(tree) == {"os_list"}, "a list of one's own says nothing of Imager itself"
    (entry,) = tree["os_list"]
    assert set(entry) >= REQUIRED
    assert entry["url"] == f"https://example.org/d/{image.name}"
    assert (entry["extract_size"], entry["image_download_size"]) == (len(WHOLE), len(packed))
    assert entry["extract_sha256"] == hashlib.sha256(WHOLE).hexdigest()
    assert entry["image_download_sha256"] == hashlib.sha256(packed).hexdigest()
    assert (entry["devices"], entry["init_format"]) == (["pi3-64bit"], "rpi-preseed")
    assert entry["release_date"] == "2026-11-23"


def test_every_configuration_of_an_image_can_be_listed(tmp_path: Path) -> None:
    names = [path.stem for path in (ROOT / "deploy/image/rpi/config").glob("*.yaml")]
    images = [tmp_path / f"{name}.img" for name in names]
    for image in images:
        image.write_bytes(b"x")
    entries = json.loads(run("--url", "file:///images", *images).stdout)["os_list"]
    assert len(entries) == len(names) == 4
    assert all(entry["devices"] for entry in entries)


@pytest.mark.parametrize("name", ["other.img", "procrastobot-pi9.img", "procrastobot-pi4.zip"])
def test_what_is_no_image_of_ours_is_not_listed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    done = run("--url", "https://example.org", tmp_path / name)
    assert done.returncode == 2
    assert done.stdout == ""


def test_a_damaged_image_is_not_listed(tmp_path: Path) -> None:
    image = tmp_path / "procrastobot-pi4.img.xz"
    image.write_bytes(lzma.compress(WHOLE)[:-50])
    done = run("--url", "https://example.org", image)
    assert done.returncode != 0
    assert done.stdout == ""
