"""Renders the case: an STL and a picture of each part, and one of all of them together.

    python -m hardware.make.enclosure [FOLDER] [NAME=VALUE ...]

FOLDER: dist/enclosure. NAME=VALUE: a number or word at the top of enclosure.scad, e.g. board=zero
camera=wide lens_height=420. Needs OpenSCAD; pictures need xvfb-run where there is no screen.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "enclosure.scad"
PARTS = ("tray", "lid", "shutter", "foot", "clamp", "fit")


class CannotRender(Exception):
    """OpenSCAD is missing, or says that something is wrong."""


def numbers(**settings: str) -> dict[str, float]:
    """What the case works out from the desk's measures: tilt, needed, sees; in degrees."""
    said = _openscad(["--export-format=echo", "-o", "-"], settings)
    found = re.search(r"tilt = (\S+), needed = (\S+), sees = (\S+)", said)
    if found is None:
        raise CannotRender(said)
    return dict(zip(("tilt", "needed", "sees"), map(float, found.groups()), strict=True))


def stl(part: str, path: Path, **settings: str) -> None:
    _openscad(["-o", str(path)], settings | {"part": part})


def png(part: str, path: Path, **settings: str) -> None:
    view = "66,0,28" if part == "assembly" else "50,0,25"
    look = ["--imgsize=1200,900", "--viewall", "--autocenter", f"--camera=0,0,0,{view},500"]
    render = [] if part == "assembly" else ["--render"]
    screen = [] if os.environ.get("DISPLAY") else ["xvfb-run", "-a"]
    _openscad(
        [*render, *look, "--colorscheme=Tomorrow", "-o", str(path)],
        settings | {"part": part},
        before=screen,
    )


def _openscad(
    arguments: list[str], settings: dict[str, str], before: list[str] | None = None
) -> str:
    for program in (*(before or [])[:1], "openscad"):
        if shutil.which(program) is None:
            raise CannotRender(f"there is no {program}: apt install {program.split('-')[0]}")
    given = [f"-D{name}={_written(value)}" for name, value in settings.items()]
    command = [*(before or []), "openscad", *given, *arguments, str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or "WARNING" in done.stderr or "ERROR" in done.stderr:
        raise CannotRender(done.stderr.strip())
    return done.stdout + done.stderr


def _written(value: str) -> str:
    return value if re.fullmatch(r"-?[\d.]+", value) else f'"{value}"'


def main(arguments: list[str]) -> int:
    settings = dict(each.split("=", 1) for each in arguments if "=" in each)
    folders = [each for each in arguments if "=" not in each]
    folder = Path(folders[0] if folders else "dist/enclosure")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        found = numbers(**settings)
        for part in PARTS:
            stl(part, folder / f"{part}.stl", **settings)
            png(part, folder / f"{part}.png", **settings)
        png("assembly", folder / "assembly.png", **settings)
    except CannotRender as exc:
        print(exc, file=sys.stderr)
        return 1
    print(f"{folder}: {', '.join(PARTS)}; the camera leans {found['tilt']:.0f} degrees down")
    if found["needed"] > found["sees"]:
        print(
            f"too near: hands and head are {found['needed']:.0f} degrees apart, the camera sees"
            f" {found['sees']:.0f}: further away, or the wide one"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
