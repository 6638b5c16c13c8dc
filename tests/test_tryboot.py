"""Updates on a Pi with two slots (deploy/image/rpi): files stand in for partitions and firmware.

Simulated: the slots, the firmware's flags and the vendor's rpi-slot-tryboot. Only a Pi shows the
rest; deploy/README.md has the list.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import io
import os
import random
import shutil
import struct
import subprocess
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
OVERLAY = ROOT / "deploy/image/rpi/layer/procrastobot.d/customize.overlay"
TRYBOOT = OVERLAY / "usr/lib/procrastobot/tryboot"
BLOCK = 4096
PROMOTION = """#!/bin/sh
# As the vendor's prints it on partition 3.
printf '[all]\\ntryboot_a_b=1\\nboot_partition=3\\n[tryboot]\\nboot_partition=2\\n'
"""
BEFORE = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n"
needs_zstd = pytest.mark.skipif(
    not all(map(shutil.which, ("zstd", "minisign"))), reason="needs zstd and minisign"
)


class Card:
    """A card that was started from partition 3."""

    def __init__(self, folder: Path) -> None:
        self.bootfs, self.slots, self.firmware = (
            folder / name for name in ("bootfs", "slots", "firmware")
        )
        self.other = self.slots / "other"
        for each in (self.bootfs, self.other, self.firmware):
            each.mkdir(parents=True)
        for name, blocks in (("boot", 16), ("system", 64)):
            (self.other / name).write_bytes(b"\xff" * (blocks * BLOCK))
        (self.bootfs / "autoboot.txt").write_text(BEFORE)
        self.promotion = folder / "rpi-slot-tryboot"
        self.promotion.write_text(PROMOTION)
        self.promotion.chmod(0o755)
        (self.firmware / "partition").write_bytes((3).to_bytes(4, "big"))
        self.trial(False)
        os.environ.update(
            PROCRASTOBOT_BOOT=str(self.bootfs),
            PROCRASTOBOT_SLOTS=str(self.slots),
            PROCRASTOBOT_FIRMWARE=str(self.firmware),
            PROCRASTOBOT_SLOT_TRYBOOT=str(self.promotion),
        )
        self.command = load(TRYBOOT)
        self.command.RULE = str(ROOT / "deploy/image/overlay/usr/bin/procrastobot-update")

    def trial(self, on: bool) -> None:
        (self.firmware / "tryboot").write_bytes(int(on).to_bytes(4, "big"))

    @property
    def kept(self) -> str:
        return (self.bootfs / "autoboot.txt").read_text().split("boot_partition=")[1][0]


def load(path: Path) -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("tryboot", str(path))
    spec = importlib.util.spec_from_loader("tryboot", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tryboot"] = module
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = written
    return module


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Card:
    for name in ("BOOT", "SLOTS", "FIRMWARE", "SLOT_TRYBOOT"):
        monkeypatch.setenv(f"PROCRASTOBOT_{name}", "")
    monkeypatch.setenv("PROCRASTOBOT_KEY", str(tmp_path / "own.pub"))
    return Card(tmp_path)


def sparse(*chunks: tuple[int, bytes, int]) -> bytes:
    """(kind, body, blocks) each, as Android's format packs them."""
    blocks = sum(count for _, _, count in chunks)
    out = struct.pack("<IHHHHIIII", 0xED26FF3A, 1, 0, 28, 12, BLOCK, blocks, len(chunks), 0)
    for kind, body, count in chunks:
        out += struct.pack("<HHII", kind, 0, count, 12 + len(body)) + body
    return out


def noise(blocks: int) -> bytes:
    return random.Random(blocks).randbytes(blocks * BLOCK)


BOOT_IMAGE = sparse((0xCAC1, noise(3), 3), (0xCAC3, b"", 5), (0xCAC4, bytes(4), 0))
SYSTEM_IMAGE = sparse((0xCAC1, noise(20), 20), (0xCAC2, b"abcd", 4), (0xCAC3, b"", 40))


def update(folder: Path, members: dict[str, bytes]) -> Path:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    target = folder / "procrastobot-pi4.update.tar.zst"
    target.write_bytes(
        subprocess.run(
            ["zstd", "-qc"], input=packed.getvalue(), stdout=subprocess.PIPE, check=True
        ).stdout
    )
    sign(folder, "own", target)
    return target


def sign(folder: Path, who: str, target: Path) -> None:
    key = folder / f"{who}.key"
    if not key.exists():
        command = ["minisign", "-G", "-W", "-p", folder / f"{who}.pub", "-s", key]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    command = ["minisign", "-S", "-s", key, "-m", target, "-t", f"of {who}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@needs_zstd
def test_an_update_is_written_to_the_other_slot_and_tried_only_when_asked(
    card: Card, tmp_path: Path
) -> None:
    said = card.command.install(update(tmp_path, {"boot": BOOT_IMAGE, "system": SYSTEM_IMAGE}))
    assert "(of own) is in the other slot; `reboot '0 tryboot'`" in said
    boot, system = ((card.other / name).read_bytes() for name in ("boot", "system"))
    # Holes are zeros, not what was there before; what is behind the image is left alone.
    assert boot == noise(3) + bytes(5 * BLOCK) + b"\xff" * (8 * BLOCK)
    assert system == noise(20) + b"abcd" * (4 * BLOCK // 4) + bytes(40 * BLOCK)
    assert card.kept == "3", "a start without a trial takes the slot that runs now"


@needs_zstd
@pytest.mark.parametrize(
    ("members", "reason"),
    [
        pytest.param({"boot": BOOT_IMAGE}, "system is missing", id="half an update"),
        pytest.param({"boot": BOOT_IMAGE, "etc": b""}, "not what an update has", id="a stranger"),
        pytest.param({"boot": noise(3)}, "no sparse image", id="another format"),
        pytest.param({"boot": BOOT_IMAGE[:-20]}, "ends too early", id="cut off"),
        pytest.param({"boot": sparse((0xCAC3, b"", 17))}, "too few", id="too large"),
        pytest.param({"boot": sparse((0xCAC1, b"x", 1))}, "cannot be", id="lying sizes"),
    ],
)
def test_what_is_no_update_is_refused(
    card: Card, tmp_path: Path, members: dict[str, bytes], reason: str
) -> None:
    with pytest.raises(card.command.Refused, match=reason):
        card.command.install(update(tmp_path, members))
    assert card.kept == "3"


@needs_zstd
def test_what_is_damaged_or_signed_by_others_is_refused_before_anything_is_written(
    card: Card, tmp_path: Path
) -> None:
    source = update(tmp_path, {"boot": BOOT_IMAGE, "system": SYSTEM_IMAGE})
    before = {path: path.read_bytes() for path in card.other.iterdir()}
    sign(tmp_path, "others", source)
    with pytest.raises(card.command.Refused, match="not by the key of this system"):
        card.command.install(source)
    sign(tmp_path, "own", source)
    data = bytearray(source.read_bytes())
    data[len(data) // 2] ^= 1
    source.write_bytes(data)
    with pytest.raises(card.command.Refused, match="damaged"):
        card.command.install(source)
    source.with_name(f"{source.name}.minisig").unlink()
    with pytest.raises(card.command.Refused, match="not by the key of this system"):
        card.command.install(source)
    assert {path: path.read_bytes() for path in card.other.iterdir()} == before
    assert (card.bootfs / "autoboot.txt").read_text() == BEFORE


@needs_zstd
def test_no_update_during_a_trial_nor_without_a_second_slot(card: Card, tmp_path: Path) -> None:
    source = update(tmp_path, {"boot": BOOT_IMAGE, "system": SYSTEM_IMAGE})
    card.trial(True)
    with pytest.raises(card.command.Refused, match="on trial itself"):
        card.command.install(source)
    shutil.rmtree(card.slots)
    with pytest.raises(card.command.Refused, match="one slot only"):
        card.command.install(source)


def test_a_trial_that_gets_healthy_is_kept(card: Card) -> None:
    card.trial(True)
    assert card.command.confirm(lambda: "") is True
    assert card.kept == "3"


def test_a_trial_that_does_not_is_not_and_says_why(card: Card) -> None:
    card.trial(True)
    assert card.command.confirm(lambda: "procrastobot.service: failed") is False
    assert (card.bootfs / "autoboot.txt").read_text() == BEFORE, "the next start is the one before"
    assert "procrastobot.service: failed" in (card.bootfs / "update-failed.txt").read_text()


def test_an_ordinary_start_asks_nothing_and_changes_nothing(card: Card) -> None:
    def never() -> str:
        raise AssertionError("asked")

    assert card.command.confirm(never) is True
    (card.firmware / "tryboot").unlink()  # older firmware, and boards with one slot
    assert card.command.confirm(never) is True
    assert (card.bootfs / "autoboot.txt").read_text() == BEFORE


@pytest.mark.parametrize(
    "said",
    ["", "boot_partition=3\n", BEFORE.replace("3", "2"), BEFORE.replace("_a_b=1", ""), BEFORE * 9],
    ids=["nothing", "one slot", "the same twice", "no trial", "too long for the firmware"],
)
def test_an_autoboot_that_would_not_boot_is_never_written(card: Card, said: str) -> None:
    card.trial(True)
    card.promotion.write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\n")
    with pytest.raises(card.command.Refused, match="nothing that can be used"):
        card.command.confirm(lambda: "")
    assert (card.bootfs / "autoboot.txt").read_text() == BEFORE


def test_status_says_what_runs_and_what_is_kept(card: Card) -> None:
    card.trial(True)
    assert card.command.status() == "running from partition 3, on trial; kept: boot_partition=2"


def test_the_rule_is_the_one_of_the_other_image(card: Card) -> None:
    module = card.command.other_command()
    module.STEADY_S, module.PATIENCE_S = 4.0, 6.0
    healthy, failing = iter(["activating", "active", "active", "active"]), iter(["failed"])
    assert module.steady(lambda: next(healthy), lambda _: None) == ""
    assert "failed" in module.steady(lambda: next(failing), lambda _: None)
    assert "activating" in module.steady(lambda: "activating", lambda _: None)


@pytest.mark.skipif(shutil.which("genimage") is None, reason="needs genimage")
def test_it_reads_what_genimage_makes_sparse(card: Card, tmp_path: Path) -> None:
    """The vendor's builder makes its updates so."""
    folder = tmp_path / "genimage"
    (folder / "input").mkdir(parents=True)
    (folder / "empty").mkdir()
    whole = bytearray(40 * BLOCK)
    whole[BLOCK : 4 * BLOCK] = noise(3)
    whole[30 * BLOCK : 31 * BLOCK] = b"\x01" * BLOCK
    with (folder / "input" / "whole.img").open("wb") as file:
        file.truncate(len(whole))
        for first, last in ((1, 4), (30, 31)):
            file.seek(first * BLOCK)
            file.write(whole[first * BLOCK : last * BLOCK])
    (folder / "config").write_text(
        'image whole.sparse {\n  android-sparse {\n    image = "whole.img"\n  }\n}\n'
    )
    subprocess.run(
        [
            "genimage",
            f"--config={folder / 'config'}",
            f"--rootpath={folder / 'empty'}",
            f"--inputpath={folder / 'input'}",
            f"--outputpath={folder}",
            f"--tmppath={folder / 'tmp'}",
        ],
        check=True,
        capture_output=True,
    )
    with (folder / "whole.sparse").open("rb") as file:
        assert b"".join(card.command.expanded(file)) == bytes(whole)
