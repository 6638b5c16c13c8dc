"""See the package's own words."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge.devices import profile
from hardware.make import breadboard, framing, pages, schematic

HERE = Path(__file__).resolve().parent.parent


def made() -> dict[str, str]:
    """Every generated file: its path below hardware/, and what is in it."""
    found = {"PLACING.md": framing.page(), "drawings/framing.svg": framing.draw()}
    for name in profile.names():
        board = profile.load(name)
        if not board.fits:
            continue
        found[f"circuits/{name}.md"] = pages.page(board)
        found[f"drawings/{name}-schematic.svg"] = schematic.draw(board)
        found[f"drawings/{name}-breadboard.svg"] = breadboard.draw(board)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m hardware.make", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 where they differ")
    check = parser.parse_args().check
    different = []
    for name, text in made().items():
        path = HERE / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        different.append(name)
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in different:
        print(f"{'differs' if check else 'written'}: hardware/{name}")
    return int(check and bool(different))


if __name__ == "__main__":
    sys.exit(main())
