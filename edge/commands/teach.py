"""`procrastobot teach`: show the box your phone, and what it should not take for one."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edge.commands.model_options import add_model_options, chosen_model, opened_model

if TYPE_CHECKING:
    from edge.config import Config
    from edge.domain import Frame
    from edge.ports import Detector, Features
    from edge.recognizer import Lesson
    from edge.taught_store import TaughtStore
    from edge.vision.manifest import FeaturesSpec

HELP = "show the box your phone, and what it should not take for one"
EPILOG = """examples:
  procrastobot teach "my phone" --phone        hold it up, turn it: front, back, edge, in each hand
  procrastobot teach wallet --other            then whatever else lies about and is held
  procrastobot teach wallet --other --source pictures/    a folder of pictures, or a video
  procrastobot teach --list                    what the box was shown
  procrastobot teach --forget wallet           erase it
  procrastobot teach --forget-all              and everything, of other models too
  procrastobot teach --export things.npz       to another box with the same model:
  procrastobot teach --import things.npz

Hands empty and out of the picture for the first three seconds; then hold the thing where you hold
it when you use it, and turn it slowly. The box keeps numbers that say what it looks like, and no
picture. Show the phone and at least one other thing; the more often something else was taken for
a phone, the better it is to show.

The service holds the camera while a focus session runs. Stop it first (sudo systemctl stop
procrastobot), or let the running box look: publish the name to the MQTT topic command/teach.
Exit code 1: nothing was learnt; 78: wrong configuration or model.
"""
EX_CONFIG = 78
FLOOR = 0.01  # from this score on something may be what is held up
BETWEEN_S = 0.2  # from one look to the next: a video has more frames than it shows views
RING = 10  # signs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="what is shown; what has a name already gets more")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--phone", action="store_true", help="it is a phone")
    kind.add_argument("--other", action="store_true", help="it is not")
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S", help="how long (30)")
    parser.add_argument("--source", help="camera.source: a device, a video, a folder of pictures")
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file")
    parser.add_argument("--list", action="store_true", help="say what the box was shown")
    parser.add_argument("--forget", metavar="NAME", help="erase one thing")
    parser.add_argument("--forget-all", action="store_true", help="erase everything that was shown")
    parser.add_argument("--export", type=Path, metavar="FILE", help="write all of it to a file")
    parser.add_argument(
        "--import", dest="take", type=Path, metavar="FILE", help="add what such a file holds"
    )
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    from edge import settings
    from edge.state_dir import state_dir
    from edge.taught_store import TaughtStore, Unreadable
    from edge.vision.features import FileFeatures
    from edge.vision.manifest import ModelError

    managing = args.list or args.forget or args.forget_all or args.export or args.take
    problem = _misused(args, bool(managing))
    if problem:
        print(problem, file=sys.stderr)
        return 2
    path = args.config or settings.find()
    config = settings.load(path)
    if args.source:
        config = settings.override(config, {"camera.source": args.source})
    if not args.model and args.manifest is None:
        args.model = config.model.name
        args.manifest = Path(config.model.manifest).expanduser() if config.model.manifest else None
    try:
        chosen = chosen_model(args, floor=FLOOR)
        spec = chosen.features
        if spec is None:
            raise ModelError(f"the model {chosen.name} has no features: it can be shown nothing")
        store = TaughtStore(state_dir(path), spec.version, spec.length)
        if managing:
            return _manage(args, store, spec)
        features = FileFeatures(spec, runtime_name=args.runtime)
        detector = opened_model(args, chosen)
    except ModelError as exc:
        print(exc, file=sys.stderr)
        return EX_CONFIG
    except (OSError, ValueError, Unreadable) as exc:
        print(exc, file=sys.stderr)
        return 1
    return _show(args, config, detector, features, store)


def _misused(args: argparse.Namespace, managing: bool) -> str:
    from edge.taught_store import named

    if managing:
        return "" if args.name is None else f"what is {args.name!r} to be, beside the other option?"
    if args.name is None or not named(args.name):
        return "what is shown? a name is wanted, e.g. `procrastobot teach wallet --other`"
    if not (args.phone or args.other):
        return f"is {args.name!r} a phone (--phone), or not (--other)?"
    if not 1 <= args.seconds <= 600:
        return "--seconds must be from 1 to 600"
    return ""


def _manage(args: argparse.Namespace, store: TaughtStore, spec: FeaturesSpec) -> int:
    """Raises OSError, ValueError, Unreadable."""
    from edge.taught_store import merged, read, save

    if args.forget_all:
        store.forget_all()
    if args.forget and not store.forget(args.forget):
        print(f"nothing called {args.forget!r} was shown; --list says what was", file=sys.stderr)
        return 1
    if args.take:
        more = read(args.take, spec.version, spec.length)
        store.write(merged(store.things, more))
    if args.export:
        if not store.things:
            print("the box was shown nothing yet", file=sys.stderr)
            return 1
        save(args.export, spec.version, store.things)
    if args.list or args.take:
        print(listed(store))
    return 0


def listed(store: TaughtStore) -> str:
    """What the box was shown, a line for each thing."""
    lines = [
        f"{thing.name:<24} {'phone' if thing.phone else 'other':<6} {thing.views:>4} vectors"
        for thing in store.things
    ]
    lines = lines or ["the box was shown nothing yet"]
    lines += [
        f"{path.name}: shown to another model, means nothing to this one (--forget-all erases it)"
        for path in store.of_other_models()
    ]
    return "\n".join(lines)


def _show(
    args: argparse.Namespace,
    config: Config,
    detector: Detector,
    features: Features,
    store: TaughtStore,
) -> int:
    from edge.ports import CameraMissing, CameraStalled
    from edge.taught_store import named

    name = named(args.name)
    try:
        lesson = watch(args, config, detector, features)
    except (CameraMissing, CameraStalled) as exc:
        print(f"{exc}", file=sys.stderr)
        if not args.source:
            print(_INSTEAD.format(topic=_topic(config), name=shlex.quote(name)), file=sys.stderr)
        return 1
    problem = lesson.outcome()
    if problem:
        print(f"nothing was learnt: {problem}", file=sys.stderr)
        return 1
    try:
        thing = store.add(name, args.phone, lesson.vectors)
    except (OSError, ValueError) as exc:
        print(f"nothing was learnt: {exc}", file=sys.stderr)
        return 1
    print(f"{lesson.used} of {lesson.pictures} pictures, {lesson.views} different views: {name} is")
    print(f"known as {'a phone' if args.phone else 'no phone'}, by {thing.views} vectors now")
    print(advice(store, lesson.views))
    return 0


_INSTEAD = (
    "If the box is running it may hold the camera: stop it (sudo systemctl stop procrastobot), or"
    " let it look itself:\n  mosquitto_pub -q 1 -t {topic} -m {name}"
)


def _topic(config: Config) -> str:
    from edge.mqtt.topics import Topics

    return Topics.of(config).command("teach")


def advice(store: TaughtStore, views: int) -> str:
    """What would make it better."""
    from edge.recognizer import ENOUGH

    kinds = {thing.phone for thing in store.things}
    if kinds == {True}:
        return "now show it something that is no phone: procrastobot teach wallet --other"
    if kinds == {False}:
        return 'now show it your phone: procrastobot teach "my phone" --phone'
    if views < ENOUGH // 2:
        return "that is few views: turn it more, and show its front, back and edge in either hand"
    return "good; show more things whenever one is taken for a phone"


def watch(
    args: argparse.Namespace, config: Config, detector: Detector, features: Features
) -> Lesson:
    """Look for as long as asked, or until the source ends. Raises CameraMissing, CameraStalled."""
    from edge.devices.camera import open_camera
    from edge.domain import EMPTY_S
    from edge.ports import EndOfStream
    from edge.recognizer import Lesson

    camera = open_camera(config.camera, clock=time.monotonic)
    live = camera.live
    if not live:
        from edge.settings import override

        quick = override(config, {"camera.realtime": False})
        camera = open_camera(quick.camera, clock=time.monotonic)
    lesson: Lesson | None = None
    last: Frame | None = None
    try:
        camera.open()
        while True:
            frame = camera.read()
            if lesson is None:
                empty_s = EMPTY_S if live else 0.0
                end_s = frame.at_s + empty_s + args.seconds if live else float("inf")
                lesson = Lesson(
                    args.name,
                    args.phone,
                    features,
                    until_s=end_s,
                    empty_until_s=frame.at_s + empty_s,
                )
                if live:
                    print("hands empty, please ...", flush=True)
            if frame.at_s >= lesson.until_s:
                break
            again = last is not None and (
                frame.image is last.image  # a folder's picture, which is on for a while
                or (frame.name == last.name and frame.at_s - last.at_s < BETWEEN_S)
            )
            if again:
                continue
            last = frame
            lesson.see(frame, detector.detect(frame))
            if sys.stdout.isatty():
                print(f"\r{ring(lesson.views)}", end="", flush=True)
    except EndOfStream:
        pass
    finally:
        camera.close()
        if sys.stdout.isatty():
            print()
    return lesson or Lesson(args.name, args.phone, features, until_s=0, empty_until_s=0)


def ring(views: int) -> str:
    """How full it is: different views, of those that are enough."""
    from edge.recognizer import ENOUGH

    full = min(RING, views * RING // ENOUGH)
    return f"[{'#' * full}{'.' * (RING - full)}] {views} different views of {ENOUGH}"
