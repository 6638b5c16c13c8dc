"""`procrastobot bench scenarios`: how right the box is, over thousands of simulated hours."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.commands.model_options import add_model_options, chosen_model, opened_model
from edge.commands.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.scenarios.figures import Figure
    from tests.lab.scenarios.noise import Noise
    from tests.lab.scenarios.play import Tally
    from tests.lab.scenarios.script import Script

HELP = "measure how right the box is: pick-ups noticed, false alarms, time to silence"
DEFAULT_FOLDER = Path(__file__).resolve().parent / "scenes"
EPILOG = """examples:
  procrastobot bench scenarios                        a first answer in a minute or two
  procrastobot bench scenarios --hours 100 --parked-hours 1000 --report report.html
  procrastobot bench scenarios --only texting calls
  procrastobot bench scenarios --pictures ../shared/data/webcam_dev ../shared/data/video
                                                      real pictures, through the real model
  procrastobot bench scenarios --fit ../shared/data/train ../shared/data/core50 \
      ../shared/data/hagrid ../shared/data/video --lent ../shared/data/webcam_dev
                                                      measure the eyes anew, for the simulation

The scenes are data, in tests/lab/scenes. What each eye makes of the things in them is drawn from
what the shipped ones made of real labelled pictures that judge nothing else (noise.json in
tests/lab/scenarios, which --fit writes); attention, observe and decide are the box's own. The names
of --json, each with a 95 % interval under `intervals`:
  pickups_noticed      share of the pick-ups of 3 s or more
  to_light_p95_s       from the first movement of a pick-up to light, 95th percentile
  to_silence_p95_s     from a put-down to silence, 95th percentile
  false_sounds_per_8h  sounds in 8 hours of working with look-alikes, with no phone in a hand
  parked_alarms        lights and sounds for a parked phone, in all hours of `parked_hours`
  inferences_saved     share of frames at a quiet desk that the detector was spared
"""

COLUMNS = {
    "noticed": "noticed",
    "light p95 s": "to_light_p95_s",
    "sound p50 s": "to_sound_p50_s",
    "silence p95 s": "to_silence_p95_s",
    "false lights/8 h": "false_lights_per_8h",
    "false sounds/8 h": "false_sounds_per_8h",
    "spared": "inferences_saved",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="figures for a program")
    parser.add_argument(
        "--hours", type=float, default=10.0, metavar="H", help="hours of each scenario (10)"
    )
    parser.add_argument(
        "--parked-hours",
        type=float,
        default=50.0,
        metavar="H",
        help="hours of each scenario with a parked phone (50)",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all that is drawn (1)")
    parser.add_argument(
        "--fps", type=float, default=5.0, metavar="F", help="frames a second of the camera (5)"
    )
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes (2)")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these scenarios")
    parser.add_argument(
        "--scenarios",
        type=Path,
        default=DEFAULT_FOLDER,
        metavar="DIR",
        help="where they are (tests/lab/scenes)",
    )
    parser.add_argument("--noise", type=Path, metavar="FILE", help="another fitted detector")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write a page with plots")
    parser.add_argument(
        "--fit",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="measure the detector on these data sets (annotations.json, images/) and folders of"
        " clips, write the fitted file, and end",
    )
    parser.add_argument(
        "--lent",
        type=Path,
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="for --fit: data sets of which only those kinds of look-alikes are measured that no"
        " other shows",
    )
    parser.add_argument(
        "--pictures",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="judge sequences composed from the real pictures of these data sets, and clips,"
        " through the real model instead",
    )
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="one composed sequence in N (1: all)"
    )
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    from tests.lab.scenarios import noise
    from tests.lab.scenarios.script import ScriptError, load_all

    path = args.noise or noise.FITTED
    if args.fit is not None:
        return _fit(args, path)
    if args.pictures is not None:
        return _pictures(args)
    try:
        fitted = _as_shipped(args, noise.load(path))
        scripts = load_all(args.scenarios)
    except (noise.NoiseError, ScriptError) as exc:
        print(exc, file=sys.stderr)
        return 1
    unknown = sorted(set(args.only) - {script.name for script in scripts})
    if unknown:
        known = ", ".join(script.name for script in scripts)
        print(f"no scenario {unknown[0]!r}; there is {known}", file=sys.stderr)
        return 2
    chosen = tuple(script for script in scripts if not args.only or script.name in args.only)
    tallies = _play(args, chosen, fitted)
    return _tell(args, chosen, tallies, fitted)


def _as_shipped(args: argparse.Namespace, fitted: Noise) -> Noise:
    """With the thresholds that the fitted model is shipped with by now: they are tuned later than
    the model is trained, and need no new measurement."""
    from dataclasses import replace

    from edge.domain import PERSON, PHONE
    from edge.vision.manifest import ModelError

    try:
        chosen = chosen_model(args)
    except ModelError:
        return fitted
    if tuple(spec.sha256 for spec in chosen.eyes) != fitted.sha256:
        return fitted
    return replace(
        fitted,
        floor=chosen.thresholds.floor,
        threshold=chosen.thresholds.of(PHONE),
        person_threshold=chosen.thresholds.of(PERSON),
    )


def _fit(args: argparse.Namespace, path: Path) -> int:
    from edge.vision.manifest import ModelError
    from tests.lab.dataset import DatasetError
    from tests.lab.scenarios import fit

    try:
        chosen = chosen_model(args)
        eyes = opened_model(args, chosen)
        tree = fit.fit(args.fit, args.lent, chosen, eyes, progress)
    except (ModelError, DatasetError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 1
    path.write_text(fit.dump(tree), encoding="utf-8")
    print(f"{tree['pictures']} pictures measured with {tree['model']}; written to {path}")
    return 0


def _pictures(args: argparse.Namespace) -> int:
    """Composed sequences and clips: how many phones were noticed, how many look-alikes sounded."""
    from edge.config import Config
    from edge.vision.manifest import ModelError
    from tests.lab.dataset import DatasetError
    from tests.lab.scenarios import composed
    from tests.lab.scenarios.figures import percentile, share
    from tests.lab.scenarios.fit import sources
    from tests.lab.scenarios.report import with_interval

    try:
        chosen = chosen_model(args)
        eyes = opened_model(args, chosen)
        pictures, videos = sources(args.pictures)
        outcomes = composed.compose(pictures, eyes, chosen.thresholds, progress, every=args.every)
        outcomes += composed.clips(videos, eyes, chosen.thresholds, progress)
    except (ModelError, DatasetError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 1
    within_s = Config().policy.phone_hold_s + composed.NOTICED_WITHIN_S
    rows: dict[str, dict[str, Figure]] = {}
    for kind in sorted({outcome.kind for outcome in outcomes}):
        mine = [outcome for outcome in outcomes if outcome.kind == kind]
        lit = [outcome.lit_s for outcome in mine if outcome.lit_s is not None]
        silent = [outcome.silent_s for outcome in mine if outcome.silent_s is not None]
        rows[kind] = {
            "lit": share(len(lit), len(mine)),
            "lit_in_time": share(sum(s <= within_s for s in lit), len(mine)),
            "sounded": share(sum(o.sounded_s is not None for o in mine), len(mine)),
            "to_silence_p95_s": percentile(silent, 95),
        }
    counts = {kind: sum(outcome.kind == kind for outcome in outcomes) for kind in rows}
    if args.json:
        tree = {
            kind: {"number": counts[kind], **{name: _both(f) for name, f in row.items()}}
            for kind, row in rows.items()
        }
        print(json.dumps({"model": chosen.description, "in_time_s": within_s, "kinds": tree}))
        return 0
    print(f"sequences composed from real pictures, and clips, through {chosen.description}")
    print(f"a phone should be lit within {within_s:g} s; nothing else should sound\n")
    heads = ("lit", "lit in time", "sounded", "silence p95 s")
    print(f"{'shown':<14}{'number':>7}" + "".join(f"{head:>22}" for head in heads))
    for kind, row in rows.items():
        cells = "".join(f"{with_interval(figure):>22}" for figure in row.values())
        print(f"{kind:<14}{counts[kind]:>7}{cells}")
    return 0


def _both(figure: Figure) -> dict[str, Any]:
    return {"value": _value(figure.value), "interval": _pair(figure)}


def _play(args: argparse.Namespace, scripts: tuple[Script, ...], fitted: Noise) -> dict[str, Tally]:
    from tests.lab.scenarios.play import SESSION_S, Tally
    from tests.lab.scenarios.script import Group

    tasks = []
    for script in scripts:
        hours = args.parked_hours if script.group is Group.PARKED else args.hours
        for session in range(max(1, math.ceil(hours * 3600 / SESSION_S))):
            tasks.append((script, fitted, args.seed * 1_000_003 + session, SESSION_S, args.fps))
    tallies = {script.name: Tally() for script in scripts}
    for name, tally in _results(tasks, args.jobs):
        tallies[name].add(tally)
    return tallies


Task = tuple["Script", "Noise", int, float, float]


def _results(tasks: list[Task], jobs: int) -> Iterator[tuple[str, Tally]]:
    """Every session's tally, in order whatever the number of processes: figures must not differ."""
    from concurrent.futures import ProcessPoolExecutor

    if jobs <= 1:
        yield from (one(task) for task in progress(tasks, "sessions"))
        return
    with ProcessPoolExecutor(jobs) as pool:
        found = pool.map(one, tasks, chunksize=4)
        for _, result in zip(progress(tasks, "sessions"), found, strict=True):
            yield result


def one(task: Task) -> tuple[str, Tally]:
    """Play one session of one scenario."""
    from tests.lab.scenarios.play import tally

    script, fitted, seed, seconds, fps = task
    return script.name, tally(script, fitted, seed=seed, seconds=seconds, period_s=1 / fps)


def _tell(
    args: argparse.Namespace,
    scripts: tuple[Script, ...],
    tallies: dict[str, Tally],
    fitted: Noise,
) -> int:
    from tests.lab.scenarios.figures import headline, joined, of_scenario
    from tests.lab.scenarios.report import page, with_interval
    from tests.lab.scenarios.script import Group

    figures = headline(scripts, tallies)
    hours = sum(tally.hours for tally in tallies.values())
    parked = joined(scripts, tallies, Group.PARKED).hours
    facts: dict[str, object] = {
        "model": fitted.model,
        "fitted_on_pictures": fitted.pictures,
        "hours": round(hours, 1),
        "parked_hours": round(parked, 1),
        "frames_per_s": args.fps,
        "seed": args.seed,
    }
    if args.report is not None:
        args.report.write_text(page(scripts, tallies, figures, facts), encoding="utf-8")
    if args.json:
        print(json.dumps(_tree(figures, facts, scripts, tallies)))
        return 0
    print(f"{'scenario':<12} {'hours':>6} " + "".join(f"{head:>20}" for head in COLUMNS))
    for script in scripts:
        tally = tallies[script.name]
        row = of_scenario(tally)
        cells = "".join(f"{with_interval(row[column]):>20}" for column in COLUMNS.values())
        print(f"{script.name:<12} {tally.hours:>6.0f} {cells}")
    print()
    for name, figure in figures.items():
        print(f"{name:<22} {with_interval(figure)}")
    told = "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in facts.items())
    print(f"\nsimulated, with the measured errors of the detector ({told})")
    if args.report is not None:
        print(f"plots: {args.report}")
    return 0


def _tree(
    figures: dict[str, Figure],
    facts: dict[str, object],
    scripts: tuple[Script, ...],
    tallies: dict[str, Tally],
) -> dict[str, Any]:
    from tests.lab.scenarios.figures import of_scenario

    return {
        **{name: _value(figure.value) for name, figure in figures.items()},
        "intervals": {name: _pair(figure) for name, figure in figures.items()},
        **facts,
        "scenarios": {
            script.name: {
                "group": str(script.group),
                "hours": round(tallies[script.name].hours, 2),
                "pickups": tallies[script.name].pickups,
                **{
                    name: _both(figure)
                    for name, figure in of_scenario(tallies[script.name]).items()
                },
            }
            for script in scripts
        },
    }


def _value(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 5)


def _pair(figure: Figure) -> list[float | None]:
    return [_value(figure.low), _value(figure.high)]
