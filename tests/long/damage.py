"""Damages configurations, boards and boot partitions by the thousand: no traceback, no exit code
but 0 or 78, no password in what is said, nothing half done.

    python -m tests.long.damage                    10,000 of each
    python -m tests.long.damage --rounds 500 --seed 7 --only cards
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import logging
import os
import random
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from edge import settings
from edge.__main__ import main as command
from edge.devices import profile
from tests.damage import damaged

ROOT = Path(__file__).resolve().parents[2]
TAKE = ROOT / "deploy/image/overlay/usr/lib/procrastobot/take-settings"
SECRET = "geheim99"

GOOD = [
    settings.example().encode(),
    b"",
    b"""[box]\nid = "study"\nname = "Desk"\n[camera]\nsource = "rtsp://me:geheim99@cam.local/live"
fps = 8\nrotate_deg = 180\n[[seats]]\nname = "left"\nbox = [0, 0, 1, 0.5]\ndock = [0.8, 0.1, 1, 0.3]
[[seats]]\nname = "right"\n[policy]\nfollow = "left"\n[modes.strict]\nloud_after_s = 90
[modes.exam]\nsound_after_s = -1\nloud_after_s = -1\n[nudge]\nmode = "exam"\nquiet_from = "22:00"
quiet_to = "07:00"\n[mqtt]\nhost = "nas"\npassword = "geheim99"\ntls = true\n[web]\nenabled = true
host = "0.0.0.0"\npassword = "geheim99"\n""",
    b"[model]\nname = 'fast'\n[hardware]\nboard = 'none'\npins = 'simulated'\n",
]
BOARDS = [path.read_bytes() for path in sorted((ROOT / "hardware/boards").glob("*.toml"))]
FILES = {
    "procrastobot.toml": GOOD,
    "board.toml": BOARDS,
    "hostname.txt": [b"desk-box\n"],
    "procrastobot-wifi.txt": [b"network = Home\npassword = geheim99 horse\ncountry = DE\n"],
    "wpa_supplicant.conf": [b'country=DE\nnetwork={\n ssid="Home"\n psk="geheim99 horse"\n}\n'],
    "mqtt-password.txt": [b"geheim99\n"],
    "mqtt-ca.txt": [b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
    "rpi-preseed.toml": [
        b'config_version = "1.0"\n[system]\nhostname = "focus"\n[ssh]\nenabled = true\n'
        b'authorized_keys = ["ssh-ed25519 AAAA a@b"]\n[wlan]\nssid = "Home"\n'
        b'password = "geheim99 horse"\ncountry = "GB"\n[locale]\ntimezone = "Europe/Berlin"\n'
    ],
}


@dataclass
class Found:
    """What became of them; `wrong` names those that broke the promise, with how to see it again."""

    taken: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)


def configurations(rounds: int, *, seed: int, folder: Path) -> Found:
    """`check`, `check --show` and the tree itself, on damaged files."""

    def one(data: bytes) -> int:
        path = folder / "config.toml"
        path.write_bytes(data)
        code = command(["check", str(path)])
        # What is good can be shown, and what is shown can be read again.
        if code == 0 and command(["check", str(path), "--show"]) != 0:
            raise AssertionError("good, and cannot be shown")
        return code

    return _rounds(rounds, seed, GOOD, one)


def boards(rounds: int, *, seed: int, folder: Path) -> Found:
    def one(data: bytes) -> int:
        path = folder / "board.toml"
        path.write_bytes(data)
        try:
            profile.load(str(path))
        except profile.ProfileError as exc:
            print(exc)
            return 78
        return 0

    return _rounds(rounds, seed, BOARDS, one)


def cards(rounds: int, *, seed: int, folder: Path) -> Found:
    """A boot partition with some files, damaged in content and name."""
    chance = random.Random(seed)
    found = Found()
    names = list(FILES)
    everything = [text for texts in FILES.values() for text in texts]
    for number in range(rounds):
        where = folder / "card"
        boot, etc, cred, nets, ssh = (where / n for n in ("boot", "etc", "cred", "iwd", "ssh"))
        for each in (boot, etc, cred, nets, ssh):
            each.mkdir(parents=True)
        (etc / "config.toml").write_bytes(b"[nudge]\nmode = 'strict'\n")
        for name in chance.sample(names, chance.randint(1, 4)):
            data = chance.choice(FILES[name])
            if chance.random() < 0.8:
                data = damaged(data, chance, everything)
            if chance.random() < 0.3:
                raw = damaged(name.encode(), chance, [each.encode() for each in names])
                for never in (b"/", b"\0", SECRET.encode()):
                    raw = raw.replace(never, b"")
                name = os.fsdecode(raw[:200])
            with contextlib.suppress(OSError):  # a name that no file can have
                (boot / (name.strip(".") or "x")).write_bytes(data)
        before = {path.name for path in boot.iterdir()}
        secrets_in_place = all(_kept(path.read_bytes()) for path in boot.iterdir())
        problem = _take(where, secrets_in_place=secrets_in_place)
        left = {path.name for path in boot.iterdir()}
        try:
            settings.load(etc / "config.toml")
        except settings.ConfigError as exc:
            problem = problem or f"a configuration that cannot be used is in force: {exc}"
        half = [p for each in (etc, cred, nets, ssh) for p in each.iterdir() if _half(p)]
        problem = problem or (f"half done: {half}" if half else "")
        found.taken += len(before - left)
        found.refused += len(left & before)
        if problem:
            found.wrong.append(f"card {number} of seed {seed}: {problem}")
        shutil.rmtree(where)
    return found


def _half(path: Path) -> bool:
    return path.name.endswith((".part", ".new"))


def _take(where: Path, *, secrets_in_place: bool) -> str:
    """take-settings in this process: ten thousand interpreters would take an hour."""
    module = _loaded(where)
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            code = module.main()
        except BaseException:  # noqa: BLE001 - that is what is looked for
            return traceback.format_exc()
    faults = where / "boot" / "procrastobot-faults.txt"
    told = said.getvalue() + (faults.read_text(errors="replace") if faults.exists() else "")
    if code != 0:
        return f"exit code {code}: {told}"
    if SECRET in told and secrets_in_place:
        return f"a password is told: {told}"
    return f"a traceback is told: {told}" if "Traceback" in told else ""


def _loaded(where: Path) -> ModuleType:
    loader = SourceFileLoader("take_settings", str(TAKE))
    spec = importlib.util.spec_from_loader("take_settings", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["take_settings"] = module  # its dataclass looks for it
    dont = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = dont
    places = {
        "BOOT": where / "boot",
        "CONFIG": where / "etc",
        "CREDENTIALS": where / "cred",
        "NETWORKS": where / "iwd",
        "SSH": where / "ssh",
        "LOCALTIME": where / "localtime",
        "DEFAULTS": where / "nothing",
        "socket": _Named(),
        "subprocess": _Checked(),
    }
    for name, place in places.items():
        assert hasattr(module, name), name
        setattr(module, name, place)
    return module


class _Named:
    """This machine keeps its name."""

    def sethostname(self, name: str) -> None:
        pass


class _Checked:
    """`procrastobot check FILE` in this process, as subprocess.run would give it."""

    CalledProcessError = OSError

    @dataclass
    class Done:
        returncode: int
        stdout: str
        stderr: str

    def run(self, argv: list[str], **_: object) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = command([str(each) for each in argv[1:]])
        return self.Done(code, out.getvalue(), err.getvalue())


def _kept(data: bytes) -> bool:
    """Whether the secret stands where secrets do, or alone, and not by accident in a name."""
    text = data.replace(b"\0", b"")  # UTF-16 is read too
    lines = [line for line in text.splitlines() if SECRET.encode() in line]
    alone = SECRET.encode()
    return all(line == alone or re.search(rb"(password|psk)\s*[=:]|://", line) for line in lines)


def _rounds(rounds: int, seed: int, texts: list[bytes], one: Callable[[bytes], int]) -> Found:
    chance = random.Random(seed)
    found = Found()
    for number in range(rounds):
        data = damaged(chance.choice(texts), chance, texts)
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                code = one(data)
            except BaseException:  # noqa: BLE001 - that is what is looked for
                found.wrong.append(f"{number} of seed {seed}: {traceback.format_exc()}\n{data!r}")
                continue
        told = said.getvalue()
        if code not in (0, 78):
            found.wrong.append(f"{number} of seed {seed}: exit code {code}\n{data!r}")
        elif code == 78 and not told.strip():
            found.wrong.append(f"{number} of seed {seed}: refused without a word\n{data!r}")
        elif SECRET in told and _kept(data):
            found.wrong.append(f"{number} of seed {seed}: a password is told: {told}\n{data!r}")
        found.taken += code == 0
        found.refused += code == 78
    return found


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", choices=("configurations", "boards", "cards"))
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args(argv)
    logging.disable(logging.CRITICAL)
    results = {}
    for check in (configurations, boards, cards):
        if args.only in (None, check.__name__):
            began_s = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                found = check(args.rounds, seed=args.seed, folder=Path(folder))
            results[check.__name__] = asdict(found)
            print(
                f"{check.__name__:15} {args.rounds} of seed {args.seed}: {found.taken} taken,"
                f" {found.refused} refused, {len(found.wrong)} wrong,"
                f" {time.monotonic() - began_s:.0f} s",
                flush=True,
            )
            print("".join(f"  {each}\n" for each in found.wrong[:20]), end="")
    if args.json:
        args.json.write_text(json.dumps(results, indent=2))
    return int(any(each["wrong"] for each in results.values()))


if __name__ == "__main__":
    sys.exit(main())
