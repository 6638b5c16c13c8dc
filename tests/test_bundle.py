"""What goes into a bundle, for another Python and machine than the one that packs it."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("pip", reason="a bundle is packed by pip")

BUNDLE = Path(__file__).resolve().parent.parent / "deploy" / "bundle"
METADATA = """\
Metadata-Version: 2.1
Name: procrastobot
Version: 1.0
Provides-Extra: systemd
Provides-Extra: gpio
Requires-Dist: tflite-runtime==2.14.0; python_version < "3.12"
Requires-Dist: ai-edge-litert>=2.1; python_version >= "3.12"
Requires-Dist: av>=12
Requires-Dist: only-there>=1; platform_machine == "aarch64"
Requires-Dist: systemd-python>=235; extra == "systemd"
Requires-Dist: lgpio==0.2.2.0; extra == "gpio"
"""


@pytest.fixture(scope="module")
def bundle() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("bundle", str(BUNDLE))
    spec = importlib.util.spec_from_loader("bundle", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("python", "machine", "extras", "expected"),
    [
        pytest.param(
            "3.11",
            "aarch64",
            [],
            {"tflite-runtime==2.14.0", "av>=12", "only-there>=1"},
            id="Bookworm on a Pi",
        ),
        pytest.param(
            "3.13",
            "aarch64",
            ["systemd"],
            {"ai-edge-litert>=2.1", "av>=12", "only-there>=1", "systemd-python>=235"},
            id="Trixie on a Pi, with the journal",
        ),
        pytest.param(
            "3.13",
            "x86_64",
            ["systemd", "gpio"],
            {"ai-edge-litert>=2.1", "av>=12", "systemd-python>=235", "lgpio==0.2.2.0"},
            id="Trixie on a PC",
        ),
    ],
)
def test_the_runtime_is_that_of_the_target_not_of_the_packer(
    bundle: ModuleType,
    tmp_path: Path,
    python: str,
    machine: str,
    extras: list[str],
    expected: set[str],
) -> None:
    wheel = tmp_path / "procrastobot-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("procrastobot-1.0.dist-info/METADATA", METADATA)
    found = {each.replace(" ", "") for each in bundle.requirements(wheel, python, machine, extras)}
    assert found == expected


def test_everything_that_a_bundle_takes_along_is_there(bundle: ModuleType) -> None:
    for name in bundle.COMPANIONS:
        assert (BUNDLE.parent / name).exists()
