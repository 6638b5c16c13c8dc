"""`procrastobot bench clips`: how right the box is, on real footage."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from edge.commands.model_options import add_model_options, chosen_model, opened_model
from edge.commands.progress import progress

if TYPE_CHECKING:
    from edge.domain import Frame
    from tests.lab.clips import Light, Moment, Verdict
    from tests.lab.footage import Clip

HELP = "measure how right the box is on real clips: pick-ups noticed, delay, false lights"
SHEET_TILES = 40
EPILOG = """examples:
  procrastobot bench clips FOLDER                    a table, and the reason of each light
  procrastobot bench clips FOLDER --sheets sheets    and a sheet of small pictures of each clip
  procrastobot bench clips FOLDER --json             a line for each clip, for a program

FOLDER has films and a clips.json: a list with, of each film, `file`, `phone` (intervals in seconds
with one in use in sight) and `unclear` (intervals that are judged neither way).

Each clip goes through the whole chain as it ships, with the frames that the camera would deliver
(camera.fps), after 15 s of its own frames from before its first phone; a clip that begins with a
phone gets none. Grace is 0.5 s (policy.phone_hold_s): the clips are short.

A light counts for a pick-up that it begins in, or within 0.7 s of, since somebody wrote the times
down by eye. One that begins in no pick-up and in nothing unclear is false. The names of --json:
  file
  lights          each with at, until (seconds of the clip; before 0: in the lead-in) and reason
  noticed         pick-ups of 1.4 s and longer in which a light began
  missed          those in which none did
  false           false lights
  pickups         those of 1.4 s and longer: at, until, and after_s, how long after `at` the light
                  began (null: never)
  lead_in_s       15, or 0 for a clip that begins with a phone
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="clips, with a clips.json")
    parser.add_argument("--json", action="store_true", help="one object per clip and line")
    parser.add_argument("--only", nargs="+", default=[], metavar="FILE", help="these clips")
    parser.add_argument(
        "--sheets", type=Path, metavar="DIR", help="save a contact sheet of each clip there"
    )
    add_model_options(parser)


@dataclass(frozen=True, slots=True)
class Played:
    clip: Clip
    lights: tuple[Light, ...]
    verdict: Verdict
    lead_in_s: float


def run(args: argparse.Namespace) -> int:
    from edge.vision.manifest import ModelError
    from tests.lab import clips as rules
    from tests.lab.dataset import DatasetError
    from tests.lab.footage import load_clips

    config = rules.configured()
    try:
        clips = load_clips(args.folder)
        unknown = sorted(set(args.only) - {clip.path.name for clip in clips})
        if unknown:
            raise DatasetError(f"no clip {unknown[0]!r} in {args.folder}")
        clips = tuple(c for c in clips if not args.only or c.path.name in args.only)
        chosen = chosen_model(args)
        eyes = opened_model(args, chosen)
        played = []
        for clip in progress(clips, "clips"):
            moments: list[Moment] = []
            tiles: list[tuple[Frame, Moment]] = []
            for frame, moment in rules.play(clip, eyes, chosen.thresholds, config):
                if args.sheets is not None and worth_a_tile(moment, moments, tiles):
                    tiles.append((frame, moment))
                moments.append(moment)
            lit = rules.lights(moments)
            lead_in_s = rules.LEAD_IN_S if moments and moments[0].at_s < 0 else 0.0
            one = Played(clip, lit, rules.verdict(clip, lit), lead_in_s)
            played.append(one)
            if args.json:
                print(json.dumps(as_object(one)), flush=True)
            if args.sheets is not None:
                save_sheet(args.sheets, clip, tiles)
    except ModelError as exc:
        print(exc, file=sys.stderr)
        return 78
    except (DatasetError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 1
    if not args.json:
        print(in_words(played, chosen.description))
    return 0


def as_object(one: Played) -> dict[str, Any]:
    after = {span: light.at_s - span.from_s for span, light in one.verdict.noticed}
    wanted = sorted([*after, *one.verdict.missed])
    return {
        "file": one.clip.path.name,
        "lights": [
            {"at": light.at_s, "until": light.until_s, "reason": light.reason}
            for light in one.lights
        ],
        "noticed": len(one.verdict.noticed),
        "missed": len(one.verdict.missed),
        "false": len(one.verdict.false),
        "pickups": [
            {
                "at": span.from_s,
                "until": span.to_s,
                "after_s": round(after[span], 3) if span in after else None,
            }
            for span in wanted
        ],
        "lead_in_s": one.lead_in_s,
    }


def in_words(played: Sequence[Played], description: str) -> str:
    lines = [f"real clips through the whole chain, with {description}", ""]
    lines.append(f"{'clip':<34}{'noticed':>9}{'after':>9}{'false':>7}   lights")
    delays: list[float] = []
    for one in played:
        mine = [light.at_s - span.from_s for span, light in one.verdict.noticed]
        delays += mine
        wanted = len(one.verdict.noticed) + len(one.verdict.missed)
        noticed = f"{len(one.verdict.noticed)} of {wanted}" if wanted else "-"
        after = ", ".join(f"{delay:.1f}" for delay in mine)
        told = [
            f"{light.at_s:.1f} to {light.until_s:.1f} s: {light.reason}"
            + (" (false)" if light in one.verdict.false else "")
            for light in one.lights
        ]
        if not one.lead_in_s:
            told.insert(0, "nothing before its phone: no lead-in")
        lines.append(
            f"{one.clip.path.name:<34}{noticed:>9}{after:>9}{len(one.verdict.false):>7}   "
            + (f"\n{'':<62}".join(told) or "none")
        )
    noticed_all = sum(len(one.verdict.noticed) for one in played)
    missed = sum(len(one.verdict.missed) for one in played)
    false = sum(len(one.verdict.false) for one in played)
    clips = sum(bool(one.verdict.false) for one in played)
    when = f" after {median(delays):.1f} s (median), {max(delays):.1f} s (last)" if delays else ""
    lines += [
        "",
        f"{noticed_all} of {noticed_all + missed} pick-ups of 1.4 s and longer noticed{when};"
        f" {false} false lights, in {clips} of {len(played)} clips",
    ]
    return "\n".join(lines)


def worth_a_tile(
    moment: Moment, before: Sequence[Moment], tiles: Sequence[tuple[Frame, Moment]]
) -> bool:
    """Of the clip itself four frames a second, and each at which a light comes or goes."""
    if before and (before[-1].level > 0) != (moment.level > 0):
        return True
    if moment.at_s < 0 or len(tiles) >= SHEET_TILES:
        return False
    return not tiles or moment.at_s - tiles[-1][1].at_s >= 0.25


def save_sheet(folder: Path, clip: Clip, tiles: Sequence[tuple[Frame, Moment]]) -> None:
    """Small pictures, phones that were seen in red, each with its time and the score of the best
    phone (-: nobody looked). A green frame: a phone is in use; amber: unclear."""
    from edge.domain import PHONE, Box
    from edge.vision.draw import AMBER, GREEN, RED, draw_box, save_jpeg
    from tests.lab.sheets import contact_sheet

    shown = []
    for frame, moment in tiles:
        image = frame.image.copy()
        width_px = max(2, round(min(image.shape[:2]) / 120))
        for each in moment.shown or ():
            if each.label == PHONE:
                words = f"{each.score:.2f}"
                draw_box(image, each.box, RED, words=words, width_px=width_px, scale=width_px)
        truth = clip.shows(moment.at_s) if moment.at_s >= 0 else False
        if truth is not False:
            colour = GREEN if truth else AMBER
            draw_box(image, Box(0.0, 0.0, 1.0, 1.0), colour, width_px=3 * width_px)
        best = "-" if moment.best is None else f"{moment.best:.2f}"
        lit = " light" if moment.level else ""
        shown.append((image, f"{moment.at_s:.1f} s {best}{lit}"))
    folder.mkdir(parents=True, exist_ok=True)
    # Tiles of the film's own shape, as wide as their words at least.
    shape = max((image.shape[1] / image.shape[0] for image, _ in shown), default=4 / 3)
    width_px = max(200, round(240 * shape))
    sheet = contact_sheet(shown, columns=max(1, 2000 // width_px), tile_px=(width_px, 240))
    save_jpeg(sheet, folder / f"{clip.path.stem}.jpg")
