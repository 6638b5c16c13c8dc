"""`procrastobot bench`: how fast the box is on this machine."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from edge.address import shown as shown_address
from edge.commands.progress import progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.config import Config
    from edge.domain import Frame
    from edge.loop import Loop
    from edge.vision.tflite import TfliteDetector

    Developer = Callable[[], NDArray[np.uint8]]

HELP = "measure the speed of the box on this machine"
WARM_UP = 3
PARTS = ("frame", "scene", "preprocess", "inference", "decode", "judge", "effects")
EPILOG = """examples:
  procrastobot bench                         the default model, on pictures of noise
  procrastobot bench --source FOLDER         on pictures of your own
  procrastobot bench --model fast --threads 4
  procrastobot bench --against other.tflite  and another model's inference, side by side
  procrastobot bench clips --help            not how fast, but how well it judges: real footage,
  procrastobot bench scenarios --help        and simulated hours (both in a clone of the repository)

Ticks of the real loop, with simulated pins and the detector run on every frame, take turns with
bare inferences of the same model, so that whatever else this machine does slows both. The names of
--json, times being medians:
  runtime        what runs the model
  invoke_ms      its bare inference
  tick_ms        the whole tick: frame, scene, preprocessing, inference, decoding, observe, decide,
                 effects
  tick_ratio     tick_ms / invoke_ms
  frame_ms, scene_ms, preprocess_ms, inference_ms, decode_ms, judge_ms, effects_ms
                 the parts of a tick; a film's frames are decoded beforehand, and converted in it
  other_ms       the whole tick but for its inference
  fps            ticks a second
  peak_rss_mib   most memory that this process had, in MiB
  ready_s        from the start of the process to its first decision
Where both runtimes are installed, also other_runtime and other_runtime_invoke_ms, measured in turns
with the one in use. With --against also against_invoke_ms, and invoke_ratio: this model's time by
the other's.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="figures for a program")
    parser.add_argument(
        "--frames", type=int, default=100, metavar="N", help="ticks to be measured (100)"
    )
    parser.add_argument(
        "--source", default="", metavar="FILE", help="a video file or a folder of pictures"
    )
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="compare with the inference of this .tflite"
    )
    parser.add_argument("--model", default="", metavar="NAME", help="a model of the manifest")
    parser.add_argument("--manifest", default="", metavar="FILE", help="another manifest.toml")
    parser.add_argument(
        "--threads", type=int, default=2, metavar="N", help="threads of the runtime (2)"
    )


def run(args: argparse.Namespace) -> int:
    if args.frames < 1:
        print("--frames must be at least 1", file=sys.stderr)
        return 2

    from edge import app
    from edge.config import Config, HardwareConfig, ModelConfig, ObserveConfig
    from edge.errors import EX_CONFIG
    from edge.ports import CameraMissing

    config = Config(
        # One look at each frame: what else the box does is compared with that one inference.
        model=ModelConfig(
            name=args.model, manifest=args.manifest, threads=args.threads, second_look=False
        ),
        hardware=HardwareConfig(pins="simulated"),
        observe=ObserveConfig(gate=False),
    )
    try:
        shots = pictures(args.source, config) if args.source else noise(config)
        with app.build(config, camera=Pictures(shots)) as box:
            box.loop.tick()
            ready_s = since_process_start_s()
            eyes = box.eyes.eyes
            # Ticks look with the eyes in turn, and so do the bare inferences beside them.
            turns = itertools.cycle(eyes)
            parts = Parts(box.loop, eyes)
            ticks, invokes = take_turns(
                [parts.tick, lambda: next(turns).invoke()], args.frames, "measuring"
            )
            seen = box.loop.observation
            peak_mib = peak_rss_mib()
            figures_of_other = compare_runtimes(eyes, threads=args.threads, rounds=args.frames)
            against = (
                compare(eyes, args.against, threads=args.threads, rounds=args.frames)
                if args.against
                else {}
            )
            size = f"{config.camera.width_px}x{config.camera.height_px}"
            description = f"{'; '.join(e.spec.description for e in eyes)}; camera {size}"
    except CameraMissing as exc:
        print(exc, file=sys.stderr)
        return EX_CONFIG  # what was named is not there, and will not come
    invoke_ms, tick_ms = median(invokes) * 1000, median(ticks) * 1000
    figures: dict[str, float | str] = {
        "runtime": eyes[0].runtime,
        "invoke_ms": round(invoke_ms, 2),
        "tick_ms": round(tick_ms, 2),
        "tick_ratio": round(tick_ms / invoke_ms, 3),
        **parts.figures(args.frames),
        "fps": round(1000 / tick_ms, 2),
        "peak_rss_mib": round(peak_mib, 1),
        "ready_s": round(ready_s, 2),
        **figures_of_other,
        **against,
    }
    if args.json:
        print(json.dumps(figures))
    else:
        detections = 0 if seen is None else len(seen.detections)
        print(in_words(figures, description, args, detections))
    return 0


def in_words(
    figures: dict[str, float | str], description: str, args: argparse.Namespace, detections: int
) -> str:
    shown = shown_address(args.source) or "pictures of noise"
    lines = [
        f"{description}; {args.threads} threads; {shown}",
        f"{args.frames} ticks, {detections} detections in the last",
        "",
        f"inference alone     {figures['invoke_ms']:8.1f} ms   {figures['runtime']}",
        f"whole tick          {figures['tick_ms']:8.1f} ms   {figures['tick_ratio']:.3f} times",
        *(f"  {name:18}{figures[f'{name}_ms']:8.2f} ms" for name in PARTS),
        f"all but inference   {figures['other_ms']:8.2f} ms",
        f"frames per second   {figures['fps']:8.1f}",
        f"most memory         {figures['peak_rss_mib']:8.1f} MiB",
        f"first decision after{figures['ready_s']:8.1f} s",
    ]
    if "other_runtime" in figures:
        lines.append(
            f"inference in {figures['other_runtime']}: {figures['other_runtime_invoke_ms']:.1f} ms"
        )
    if "against_invoke_ms" in figures:
        lines.append(
            f"{args.against.name}: {figures['against_invoke_ms']:.1f} ms; this model takes"
            f" {figures['invoke_ratio']:.2f} times as long"
        )
    waiting, processors = os.getloadavg()[0], os.cpu_count() or 1
    if waiting > processors + 1:
        lines += [
            "",
            f"This machine is busy (load {waiting:.1f} on {processors} processors): times are upper"
            " bounds.",
        ]
    return "\n".join(lines)


def take_turns(
    jobs: Sequence[Callable[[], None]], rounds: int, what: str
) -> tuple[list[float], ...]:
    """Seconds of each job in each round, after a warm-up; who goes first changes every round."""
    taken: tuple[list[float], ...] = tuple([] for _ in jobs)
    for number in progress(range(-WARM_UP, rounds), what):
        for index in range(len(jobs)) if number % 2 else reversed(range(len(jobs))):
            began_s = time.perf_counter()
            jobs[index]()
            if number >= 0:
                taken[index].append(time.perf_counter() - began_s)
    return taken


class Parts:
    """Where the time of a tick goes: clocks around what the loop calls, and the rest of it."""

    def __init__(self, loop: Loop, eyes: Sequence[TfliteDetector]) -> None:
        self._tick = loop.tick
        self._now: dict[str, float] = {}
        self._taken: dict[str, list[float]] = {name: [] for name in (*PARTS, "other")}
        for owner, method, name in (
            (loop._camera, "read", "frame"),
            (loop._scene, "measure", "scene"),
            (loop._eyes, "look", "look"),
            *((eye._preprocessor, "fill", "preprocess") for eye in eyes),
            *((eye._interpreter, "invoke", "inference") for eye in eyes),
            (loop._outputs, "apply", "effects"),
        ):
            setattr(owner, method, self._timed(getattr(owner, method), name))

    def tick(self) -> None:
        self._now = dict.fromkeys(("look", *PARTS), 0.0)
        began_s = time.perf_counter()
        self._tick()
        whole_s = time.perf_counter() - began_s
        now = self._now
        now["decode"] = now["look"] - now["preprocess"] - now["inference"]
        now["judge"] = whole_s - now["frame"] - now["scene"] - now["look"] - now["effects"]
        now["other"] = whole_s - now["inference"]
        for name, taken in self._taken.items():
            taken.append(now[name])

    def figures(self, rounds: int) -> dict[str, float]:
        """Medians of the last ticks."""
        return {
            f"{name}_ms": round(median(taken[-rounds:]) * 1000, 3)
            for name, taken in self._taken.items()
        }

    def _timed(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            began_s = time.perf_counter()
            try:
                return call(*args)
            finally:
                self._now[name] = self._now.get(name, 0.0) + time.perf_counter() - began_s

        return timed


def compare_runtimes(
    eyes: Sequence[TfliteDetector], *, threads: int, rounds: int
) -> dict[str, float | str]:
    """Inference in the other runtime, in turns with the one in use; nothing where it is missing."""
    from edge.vision.manifest import ModelError
    from edge.vision.tflite import RUNTIMES, load_detector

    (other,) = (name for name in RUNTIMES if name != eyes[0].runtime)
    try:
        others = [load_detector(eye.spec, threads, runtime_name=other) for eye in eyes]
    except ModelError:
        return {}
    turns, theirs = itertools.cycle(eyes), itertools.cycle(others)
    _, taken = take_turns(
        [lambda: next(turns).invoke(), lambda: next(theirs).invoke()],
        rounds,
        f"comparing with {other}",
    )
    return {
        "other_runtime": other,
        "other_runtime_invoke_ms": round(median(taken) * 1000, 2),
    }


def compare(
    eyes: Sequence[TfliteDetector], path: Path, *, threads: int, rounds: int
) -> dict[str, float]:
    """Inference of the model against that of another file, in turns. Raises ModelError."""
    from edge.vision.tflite import bare_invoke

    turns = itertools.cycle(eyes)
    other = bare_invoke(path, threads)
    ours, theirs = take_turns([lambda: next(turns).invoke(), other], rounds, "comparing")
    return {
        "against_invoke_ms": round(median(theirs) * 1000, 2),
        "invoke_ratio": round(median(ours) / median(theirs), 3),
    }


class Pictures:
    """A camera that hands over the same pictures again and again, as fast as they are taken."""

    live = False
    alive = True

    def __init__(self, shots: Sequence[Developer]) -> None:
        self._shots = shots
        self._number = 0
        self.description = f"{len(shots)} pictures for a benchmark"

    def open(self) -> None:
        pass

    def ready(self, wait_s: float) -> bool:
        return True

    def read(self) -> Frame:
        from edge.domain import Frame

        image = self._shots[self._number % len(self._shots)]()
        self._number += 1
        return Frame(image, self._number * 0.1, self._number, "benchmark")

    def close(self) -> None:
        pass


def noise(config: Config) -> list[Developer]:
    """Pictures that change everywhere: the scene measurement has all there is to do."""
    import numpy as np

    random = np.random.default_rng(1)
    shape = (config.camera.height_px, config.camera.width_px, 3)
    # A camera hands over a new array each time; so does a copy.
    return [random.integers(0, 256, shape, dtype=np.uint8).copy for _ in range(4)]


def pictures(source: str, config: Config, most: int = 16) -> list[Developer]:
    """The first pictures of a folder, of the camera's size, the rest of it grey; or the frames of a
    film, each to be converted when it is asked for. Raises CameraMissing."""
    from dataclasses import replace

    import numpy as np

    from edge.devices.camera import open_camera
    from edge.devices.camera_video import FileCamera
    from edge.ports import CameraMissing, EndOfStream

    camera = open_camera(
        replace(config.camera, source=source, realtime=False, picture_s=0.1), clock=time.monotonic
    )
    if camera.live:
        raise CameraMissing(
            f"{shown_address(source)} is a live source; a file or a folder of pictures is wanted"
        )
    camera.open()
    shots: list[Developer] = []
    try:
        while len(shots) < most:
            if isinstance(camera, FileCamera):
                shots.append(camera.shoot())
                continue
            height_px, width_px = config.camera.height_px, config.camera.width_px
            shown = camera.read().image[:height_px, :width_px]
            image = np.full((height_px, width_px, 3), 114, np.uint8)
            image[: shown.shape[0], : shown.shape[1]] = shown
            shots.append(image.copy)
    except EndOfStream:
        pass
    finally:
        camera.close()
    if not shots:
        raise CameraMissing(f"{shown_address(source)} has no pictures")
    return shots


def peak_rss_mib() -> float:
    """The most memory this process ever had resident (VmHWM: unlike ru_maxrss, its own only)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def since_process_start_s() -> float:
    """Age of this process, imports included."""
    # Field 22 of proc_pid_stat(5); the second may hold blanks, and ends with the last bracket.
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    started_s = ticks / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started_s
