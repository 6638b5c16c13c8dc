"""The bill of materials that is written beside an image (deploy/image/sbom)."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STATUS = """\
Package: libfoo1
Status: install ok installed
Maintainer: Foo Maintainers <foo@example.org>
Architecture: arm64
Version: 1:2.0+dfsg-1
Description: something
 in two lines

Package: foo-doc
Status: install ok installed
Maintainer: Foo Maintainers <foo@example.org>
Architecture: all
Version: 2.0-1

Package: u-boot-rpi
Status: install ok unpacked
Maintainer: Nobody
Architecture: arm64
Version: 1

Package: old
Status: deinstall ok config-files
Maintainer: Nobody
Architecture: arm64
Version: 1
"""


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def listed(tmp_path: Path) -> dict[str, dict]:
    """What is listed of a small root, by name."""
    put(tmp_path / "etc/os-release", 'ID=debian\nVERSION_ID="13"\n')
    put(tmp_path / "var/lib/dpkg/status", STATUS)
    docs = tmp_path / "usr/share/doc"
    put(docs / "libfoo1/copyright", "Format: 1.0\n\nFiles: *\nLicense: GPL-2+\n\nLicense: MIT\n")
    (docs / "foo-doc").symlink_to("libfoo1")
    site = tmp_path / "opt/procrastobot/1-py3.13/lib/python3.13/site-packages"
    numpy = distribution("numpy").locate_file(f"numpy-{distribution('numpy').version}.dist-info")
    shutil.copytree(str(numpy), site / Path(str(numpy)).name)
    put(site / "bare-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: bare\nVersion: 1\n")
    (site / "edge/models").mkdir(parents=True)
    shutil.copy(ROOT / "models/manifest.toml", site / "edge/models")
    (tmp_path / "opt/procrastobot/current").symlink_to("1-py3.13")
    command = [sys.executable, ROOT / "deploy/image/sbom", "--version", "7", tmp_path]
    bill = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["version"] == "7"
    names = [each["name"] for each in bill["components"]]
    assert len(names) == len(set(names)), "each once, though `current` is another way to it"
    references = [each["bom-ref"] for each in bill["components"]]
    assert len(references) == len(set(references))
    return {each["name"]: each for each in bill["components"]}


def licences(component: dict) -> list[str]:
    return [each["license"]["name"] for each in component.get("licenses", [])]


def test_installed_packages_of_debian_are_listed_with_version_and_licence(listed) -> None:
    foo = listed["libfoo1"]
    assert foo["version"] == "1:2.0+dfsg-1"
    assert foo["purl"] == "pkg:deb/debian/libfoo1@1%3A2.0%2Bdfsg-1?arch=arm64&distro=debian-13"
    assert licences(foo) == ["GPL-2+", "MIT"]
    assert licences(listed["foo-doc"]) == ["GPL-2+", "MIT"], "its documentation is the other's"
    assert "old" not in listed, "only its settings are left"
    assert "u-boot-rpi" in listed, "what a Pi starts with is there, and not configured"


def test_packages_of_the_programs_python_are_listed(listed) -> None:
    version = distribution("numpy").version
    assert listed["numpy"]["purl"] == f"pkg:pypi/numpy@{version}"
    assert any("BSD" in each for each in licences(listed["numpy"]))
    assert licences(listed["bare"]) == [], "one that says nothing is given no licence"


def test_every_network_is_listed_with_its_sum(listed) -> None:
    found = [each for each in listed.values() if each["type"] == "machine-learning-model"]
    shipped = {
        path.name for path in (ROOT / "models").iterdir() if path.suffix in (".tflite", ".npz")
    }
    assert {each["name"] for each in found} == shipped
    for each in found:
        path = ROOT / "models" / each["name"]
        assert path.is_file()
        assert licences(each) == ["Apache-2.0"]
        assert len(each["hashes"][0]["content"]) == 64
