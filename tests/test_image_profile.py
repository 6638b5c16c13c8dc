"""The form of the vendor's image profile; its content only a build can judge (deploy/image/rpi)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml", reason="needs PyYAML (it comes with the extra broker)")

IMAGE = Path(__file__).resolve().parent.parent / "deploy" / "image"
CONFIGS = sorted((IMAGE / "rpi" / "config").glob("*.yaml"))
LAYER = IMAGE / "rpi" / "layer" / "procrastobot.yaml"
# Names of the vendor's layers: its config/device/*.yaml and image/*/*/image.yaml.
DEVICES = {"pi3": "rpi3", "pi4": "rpi4", "pi5": "rpi5", "zero2w": "rpizero2w"}


def fields() -> dict[str, str]:
    head = LAYER.read_text().split("METABEGIN")[1].split("# METAEND")[0]
    return dict(re.findall(r"^# (X-Env-[\w-]+): (.*)$", head, re.MULTILINE))


def test_there_is_a_configuration_for_every_board() -> None:
    assert {path.stem.removeprefix("procrastobot-") for path in CONFIGS} == set(DEVICES)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_names_its_board_its_layout_and_our_layer(path: Path) -> None:
    tree = yaml.safe_load(path.read_text())
    board = path.stem.removeprefix("procrastobot-")
    assert tree["device"]["layer"] == DEVICES[board]
    # image-rota's own metadata admits cm4, pi4, cm5 and pi5 only.
    assert tree["image"]["layer"] == ("image-rota" if board in ("pi4", "pi5") else "image-rpios")
    assert tree["layer"]["app"] == fields()["X-Env-Layer-Name"]


def test_every_variable_of_the_layer_is_declared_in_full_and_used() -> None:
    declared = fields()
    names = {
        match.group(1) for key in declared if (match := re.fullmatch(r"X-Env-Var-([a-z]+)", key))
    }
    assert names
    hooks = "\n".join(yaml.safe_load(LAYER.read_text())["mmdebstrap"]["customize-hooks"])
    prefix = declared["X-Env-VarPrefix"]
    assert set(re.findall(rf"IGconf_{prefix}_([a-z]+)", hooks)) == names
    for name in names:
        for more in ("Desc", "Required", "Valid", "Set"):
            assert f"X-Env-Var-{name}-{more}" in declared


def test_every_unit_that_is_enabled_exists() -> None:
    hooks = yaml.safe_load(LAYER.read_text())["mmdebstrap"]["customize-hooks"]
    enabled = [hook.split()[-1] for hook in hooks if "enable-units" in hook]
    assert enabled == ["procrastobot", "procrastobot-settings"]
    assert (IMAGE.parent / "procrastobot.service").is_file()
    assert (IMAGE / "overlay/etc/systemd/system/procrastobot-settings.service").is_file()
