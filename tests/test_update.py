"""Another version in the other slot, tried once, and the way back (deploy/image)."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import IO

import pytest

IMAGE = Path(__file__).resolve().parent.parent / "deploy" / "image"
DISK = "70b0b070"
needs_zstd = pytest.mark.skipif(
    not all(map(shutil.which, ("zstd", "minisign"))), reason="needs zstd and minisign"
)


def key_pair(folder: Path, name: str) -> Path:
    """minisign's secret key; the public one lies beside it."""
    key = folder / f"{name}.key"
    command = ["minisign", "-G", "-W", "-p", folder / f"{name}.pub", "-s", key]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return key


def members(path: Path) -> list[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        return [(info.name, archive.extractfile(info).read()) for info in archive]


def packed_from(path: Path, files: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


class Card:
    """The boot partition as a folder, the system partitions as files."""

    def __init__(self, folder: Path, update: ModuleType) -> None:
        self.folder, self.update = folder, update
        self.entries = update.BOOT / "loader/entries"
        self.entries.mkdir(parents=True)
        update.DEVICES.mkdir()
        for number in (2, 3):
            self.slot(number).write_bytes(bytes(4096))
        self.enter("procrastobot-a.conf", "a", "1-old")
        self.start_from("a")

    def slot(self, number: int) -> Path:
        return Path(self.update.DEVICES / f"{DISK}-{number:02}")

    def enter(self, name: str, slot: str, version: str) -> None:
        (self.entries / name).write_text(self.update.entry_text(slot, version, DISK, "ro"))

    def start_from(self, slot: str) -> None:
        number = self.update.PARTITIONS[slot]
        self.update.CMDLINE.write_text(f"quiet root=PARTUUID={DISK}-{number:02} ro\n")

    def named(self) -> list[str]:
        return sorted(path.name for path in self.entries.iterdir())

    @property
    def key(self) -> Path:
        """The one that the system on the card knows."""
        key = self.folder / "own.key"
        return key if key.exists() else key_pair(self.folder, "own")

    def resigned(self, change: Callable[[bytes], bytes]) -> Path:
        """An update with another manifest, signed as is right."""
        (_, text), _, *rest = members(self.packed())
        manifest = self.folder / "manifest.json"
        manifest.write_bytes(change(text))
        subprocess.run(
            ["minisign", "-S", "-s", self.key, "-m", manifest], check=True, capture_output=True
        )
        signature = (self.folder / "manifest.json.minisig").read_bytes()
        named = ("manifest.json", manifest.read_bytes())
        return packed_from(
            self.folder / "new.update", [named, ("manifest.json.minisig", signature), *rest]
        )

    def packed(
        self, root: bytes = b"root" * 500, version: str = "new", key: Path | None = None
    ) -> Path:
        files = {"root": root, "kernel": b"kernel" * 99, "initrd": b"initrd" * 99}
        for name, data in files.items():
            (self.folder / name).write_bytes(data)
        output = self.folder / f"{version}.update"
        command = [sys.executable, IMAGE / "make-update", "--version", version, "--options", "ro"]
        for name in files:
            command += [f"--{name}", self.folder / name]
        command += ["--key", key or self.key, "--origin", "the tests"]
        subprocess.run([*command, output], check=True)
        return output


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Card]:
    path = IMAGE / "overlay/usr/bin/procrastobot-update"
    loader = SourceFileLoader("procrastobot_update", str(path))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    # The dataclass looks its module up; and no compiled copy is to be left in the overlay.
    sys.modules[loader.name] = module
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    loader.exec_module(module)
    sys.dont_write_bytecode = before
    module.BOOT = tmp_path / "boot"
    module.DEVICES = tmp_path / "by-partuuid"
    module.CMDLINE = tmp_path / "cmdline"
    module.KEY = tmp_path / "own.pub"
    yield Card(tmp_path, module)
    del sys.modules[loader.name]


@needs_zstd
def test_a_new_version_is_beside_the_running_one_and_may_be_tried_once(card: Card) -> None:
    running = card.slot(2).read_bytes()
    assert "slot b" in card.update.install(str(card.packed()))
    assert card.named() == ["procrastobot-a.conf", "procrastobot-b+1.conf"]
    assert card.slot(3).read_bytes().startswith(b"root" * 500)
    assert card.slot(2).read_bytes() == running
    assert (card.update.BOOT / "b/vmlinuz").read_bytes() == b"kernel" * 99
    entry = (card.entries / "procrastobot-b+1.conf").read_text()
    assert "version 2-new\n" in entry, "the highest generation is started first"
    assert f"options root=PARTUUID={DISK}-03 ro\n" in entry


@needs_zstd
def test_the_next_update_goes_to_the_slot_that_is_free_again(card: Card) -> None:
    card.update.install(str(card.packed()))
    (card.entries / "procrastobot-b+1.conf").rename(card.entries / "procrastobot-b.conf")
    card.start_from("b")
    assert "slot a" in card.update.install(str(card.packed(version="newer")))
    assert card.named() == ["procrastobot-a+1.conf", "procrastobot-b.conf"]
    assert "version 3-newer\n" in (card.entries / "procrastobot-a+1.conf").read_text()


def damage(data: bytes, at: bytes) -> bytes:
    place = data.index(at) + len(at) // 2
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@needs_zstd
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        pytest.param(lambda data: damage(data, b"kernel" * 99), "vmlinuz", id="kernel"),
        pytest.param(lambda data: damage(data, b"initrd" * 99), "initrd.img", id="initrd"),
        pytest.param(lambda data: damage(data, b"\x28\xb5\x2f\xfd"), "root.ext4", id="root"),
        pytest.param(lambda data: data[:2000], "new.update", id="cut short"),
        pytest.param(lambda data: b"no update", "new.update", id="something else"),
        pytest.param(lambda data: b"", "new.update", id="nothing"),
        pytest.param(
            lambda data: data.replace(b'"version": "new"', b'"version": "old"'),
            "signature is not by the key",
            id="manifest",
        ),
        pytest.param(
            lambda data: data.replace(b"from the tests", b"from the devil"),
            "signature is not by the key",
            id="origin",
        ),
    ],
)
def test_a_damaged_update_is_refused_by_name_and_cannot_be_started(card, harm, said) -> None:
    card.enter("procrastobot-b.conf", "b", "0-older")
    path = card.packed()
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(card.update.Refused, match=said):
        card.update.install(str(path))
    assert card.named() in (
        ["procrastobot-a.conf"],
        ["procrastobot-a.conf", "procrastobot-b.conf"],  # refused before anything was written
    )
    half_written = card.slot(3).read_bytes() != bytes(4096) or (card.update.BOOT / "b").exists()
    assert not (half_written and "procrastobot-b.conf" in card.named())


@needs_zstd
@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (b'"format": 1', b'"format": 2', "format 2"),
        (b'"version": "new"', b'"version": "n w"', "version"),
        (b'"sha256"', b'"sha255"', "manifest cannot be used"),
        (b"{", b"[", "manifest cannot be used"),
    ],
)
def test_a_manifest_that_is_signed_and_wrong_is_refused(card, before, after, said) -> None:
    path = card.resigned(lambda text: text.replace(before, after))
    with pytest.raises(card.update.Refused, match=said):
        card.update.install(str(path))
    assert untouched(card)


def untouched(card: Card) -> bool:
    return (
        card.named() == ["procrastobot-a.conf"]
        and card.slot(3).read_bytes() == bytes(4096)
        and not (card.update.BOOT / "b").exists()
    )


@needs_zstd
def test_what_is_installed_says_where_it_is_from(card: Card) -> None:
    assert "new (new from the tests) is in slot b" in card.update.install(str(card.packed()))


@needs_zstd
def test_an_update_that_somebody_else_signed_is_refused_before_anything_is_written(
    card: Card,
) -> None:
    assert card.key.exists()
    path = card.packed(key=key_pair(card.folder, "other"))
    with pytest.raises(card.update.Refused, match="signature is not by the key of this system"):
        card.update.install(str(path))
    assert untouched(card)


@needs_zstd
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda files: [files[0], *files[2:]], id="unsigned"),
        pytest.param(lambda files: [files[0], (files[1][0], b""), *files[2:]], id="empty"),
        pytest.param(lambda files: [files[1], files[0], *files[2:]], id="the other way round"),
        pytest.param(lambda files: [files[0], (files[1][0], b"x" * 5000), *files[2:]], id="long"),
    ],
)
def test_an_update_without_a_signature_is_refused(card, change) -> None:
    path = packed_from(card.folder / "odd.update", change(members(card.packed())))
    with pytest.raises(card.update.Refused, match=r"signature|missing"):
        card.update.install(str(path))
    assert untouched(card)


@needs_zstd
def test_the_signature_of_another_update_is_none_of_this_one(card: Card) -> None:
    older = members(card.packed(version="older"))
    newer = members(card.packed(version="newer"))
    path = packed_from(card.folder / "mixed.update", [newer[0], older[1], *newer[2:]])
    with pytest.raises(card.update.Refused, match="signature is not by the key"):
        card.update.install(str(path))
    assert untouched(card)


@needs_zstd
def test_a_system_without_a_key_or_without_minisign_takes_nothing(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = card.packed()
    monkeypatch.setenv("PATH", str(card.folder))
    with pytest.raises(card.update.Refused, match="no minisign"):
        card.update.install(str(path))
    card.update.KEY.unlink()
    with pytest.raises(card.update.Refused, match="no key"):
        card.update.install(str(path))
    assert untouched(card)


@needs_zstd
def test_another_root_than_the_manifest_names_is_found_by_reading_it_back(card: Card) -> None:
    right = members(card.packed())
    other = members(card.packed(root=b"tree" * 500))
    # The manifest of the one, the root of the other: every part is in order for itself.
    path = packed_from(card.folder / "mixed.update", [*right[:-1], other[-1]])
    with pytest.raises(card.update.Refused, match=r"root\.ext4: what is on the card"):
        card.update.install(str(path))
    assert card.named() == ["procrastobot-a.conf"]


def test_an_unconfirmed_version_is_not_built_upon(card: Card) -> None:
    card.enter("procrastobot-b+0-1.conf", "b", "2-trial")
    card.start_from("b")
    with pytest.raises(card.update.Refused, match="not been confirmed"):
        card.update.install("unread")
    assert card.named() == ["procrastobot-a.conf", "procrastobot-b+0-1.conf"]


@pytest.mark.parametrize(
    ("states", "kept"),
    [  # what systemd says of the service, every two seconds; the last for ever
        pytest.param(["activating", "active"], True, id="ready and steady"),
        pytest.param(["active", "activating", "failed"], False, id="given up by systemd"),
        pytest.param(["activating"], False, id="never ready"),
        pytest.param(["active", "active", "activating"] * 200, False, id="up and down"),
    ],
)
def test_a_trial_is_kept_only_when_the_service_stays_ready(
    card: Card, states: list[str], kept: bool
) -> None:
    card.enter("procrastobot-b+0-1.conf", "b", "2-trial")
    card.start_from("b")
    said = iter(states)
    last = states[-1]
    assert card.update.confirm(lambda: next(said, last), sleep=lambda _: None) is kept
    trial = "procrastobot-b.conf" if kept else "procrastobot-b+0-1.conf"
    assert card.named() == ["procrastobot-a.conf", trial]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("procrastobot-b+1.conf", "procrastobot-b+0-1.conf", id="not counted yet"),
        pytest.param("procrastobot-b+0-1.conf", "procrastobot-b+0-1.conf", id="by systemd-boot"),
        pytest.param("procrastobot-b.conf", "procrastobot-b.conf", id="confirmed"),
    ],
)
def test_a_trial_is_counted_where_the_boot_loader_did_not(
    card: Card, before: str, after: str
) -> None:
    card.enter(before, "b", "2-trial")
    card.update.tried()
    assert card.named() == ["procrastobot-a.conf", before], "the other slot is none of its business"
    card.start_from("b")
    card.update.tried()
    assert card.named() == ["procrastobot-a.conf", after]


def test_a_confirmed_version_is_not_judged_again(card: Card) -> None:
    assert card.update.confirm(lambda: "failed", sleep=lambda _: None)
    assert card.named() == ["procrastobot-a.conf"]


def test_back_on_the_version_before_it_says_what_happened(
    card: Card, capsys: pytest.CaptureFixture[str]
) -> None:
    card.enter("procrastobot-b+0-1.conf", "b", "2-trial")
    assert card.update.confirm(lambda: "active", sleep=lambda _: None)
    assert "2-trial in slot b was tried and did not come up" in capsys.readouterr().err
    assert card.update.status() == "* a  1-old, confirmed\n  b  2-trial, did not come up"


def test_a_system_without_slots_is_left_alone(card: Card) -> None:
    card.update.CMDLINE.write_text("root=LABEL=root ro\n")
    with pytest.raises(card.update.Refused, match="one of two slots"):
        card.update.status()


@needs_zstd
def test_what_the_owner_asks_for_on_the_card_is_installed_and_asked_for_once(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = card.packed()
    (card.update.BOOT / "update.txt").write_text("http://192.0.2.1/new.update\r\n")
    attempts = []

    @contextlib.contextmanager
    def opened(source: str) -> Iterator[IO[bytes]]:
        attempts.append(source)
        if len(attempts) < 3:
            raise card.update.Refused("no route to host")
        with path.open("rb") as file:
            yield file

    monkeypatch.setattr(card.update, "opened", opened)
    assert "slot b" in card.update.left(sleep=lambda _: None)
    assert set(attempts) == {"http://192.0.2.1/new.update"}
    assert card.named() == ["procrastobot-a.conf", "procrastobot-b+1.conf"]
    assert not (card.update.BOOT / "update.txt").exists()
    assert card.update.left() is None


@pytest.mark.parametrize("text", ["", "procrastobot.update", "file:///etc/shadow", "http://a b"])
def test_what_is_no_address_is_answered_on_the_card(card: Card, text: str) -> None:
    (card.update.BOOT / "update.txt").write_text(text)
    with pytest.raises(card.update.Refused, match="one http"):
        card.update.left(sleep=lambda _: None)
    assert sorted(path.name for path in card.update.BOOT.iterdir()) == [
        "loader",
        "update-failed.txt",
    ]
