"""`procrastobot demo`: the whole chain in the terminal, with nothing attached."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

HELP = "show the whole chain in the terminal: picture, detections, decision, lights, sound, MQTT"
EPILOG = """examples:
  procrastobot demo                        a webcam where there is one, else a clip of one minute
  procrastobot demo --source clip          the clip, even where there is a webcam
  procrastobot demo --source holiday.mp4   any video, or a folder of pictures, or an address
  procrastobot demo --mode light-only      without sound
  procrastobot demo --loop                 until you press q or Ctrl-C
  procrastobot demo --fast --json          the clip as fast as it can be judged, and what it came to
  procrastobot demo | cat                  a line for each change

The lights, the buzzer and the button are simulated. The rest is the box itself: the picture goes
through the detector that comes with the program, and the messages are those that a subscriber of
its own receives from a broker of the demo's. The clip is put together from free photographs and
drawings of this project; it is made while it runs, nothing is stored, and the history of the demo
is thrown away at its end. The one setting that differs is how long an empty seat takes to count as
away: 5 s instead of 20.

In the terminal: space is the button, l the held button, n "that was not a phone", q quits.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--source",
        default="",
        metavar="WHAT",
        help="clip, webcam, a device, a video file, a folder of pictures, an address",
    )
    parser.add_argument("--mode", default="strict", help="nudge.mode (default: %(default)s)")
    parser.add_argument(
        "--broker",
        default="",
        metavar="HOST[:PORT]",
        help="publish to this broker instead of one of its own",
    )
    parser.add_argument(
        "--speed", type=_positive, default=1.0, metavar="X", help="replay X times as fast"
    )
    parser.add_argument("--fast", action="store_true", help="replay as fast as it can be judged")
    parser.add_argument("--loop", action="store_true", help="start over at the end")
    parser.add_argument(
        "--seconds", type=_positive, metavar="N", help="stop after N seconds of the picture's time"
    )
    parser.add_argument("--plain", action="store_true", help="lines, even on a terminal")
    parser.add_argument(
        "--screenshot", type=Path, metavar="FILE.svg", help="save the most telling screen"
    )
    parser.add_argument("--json", action="store_true", help="only what the run came to, as JSON")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a setting, as for run",
    )


def run(args: argparse.Namespace) -> int:
    from edge.commands.run import pairs
    from edge.demo.play import Enough, Options, play

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Enough

    signal.signal(signal.SIGTERM, stop)
    options = Options(
        source=args.source,
        mode=args.mode,
        broker=args.broker,
        speed=args.speed,
        fast=args.fast,
        loop=args.loop,
        seconds=args.seconds,
        plain=args.plain,
        screenshot=args.screenshot,
        as_json=args.json,
        assignments=tuple(pairs(args.set).items()),
    )
    return play(options, sys.stdout)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return value
