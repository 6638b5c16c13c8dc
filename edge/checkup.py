"""What a configuration asks of the world around it: boards, models, files, folders, ports.

`settings` judges what is written; this judges whether it is there. `check` asks for all of it,
`run` for what would stop the box for good.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge import service, tunes
from edge.address import shown
from edge.config import Config, ObserveConfig
from edge.toml import Reader, SettingFault, Unreadable, read_text, written

FILES = (
    "mqtt.password_file",
    "mqtt.ca_file",
    "mqtt.cert_file",
    "mqtt.key_file",
    "broker.password_file",
    "web.cert_file",
    "web.key_file",
)
PRIVATE = ("/home/", "/root/", "/run/user/")  # ProtectHome= of the unit


@dataclass(frozen=True, slots=True)
class Findings:
    """faults: it cannot be used like this; hindrances: it can, but something of it will not work;
    notes: what may be right at another time, or is not for this user to see."""

    faults: list[SettingFault]
    hindrances: list[SettingFault]
    notes: list[SettingFault]


def examine(config: Config, reader: Reader, *, path: Path | None, camera: bool = True) -> Findings:
    """Judge every setting that is right by itself. `path`: the file that it comes from. `camera`:
    whether its source is tried, by who may."""
    beside = service.is_of(path)
    found = Findings([], [], [])
    if reader.sound("hardware.board"):
        found.faults.extend(_board(config))
    for name in ("chirp", "loud"):
        if reader.sound(f"nudge.{name}"):
            found.faults.extend(_tunes(config, name))
    if reader.sound("model.name", "model.manifest"):
        found.faults.extend(_model(config))
    if camera and reader.sound("camera.source"):
        _camera(config, found)
    for name in FILES:
        section, _, field = name.partition(".")
        given = getattr(getattr(config, section), field)
        if given and reader.sound(name):
            # That of the broker is read by root, for a unit of its own.
            _file(name, given, beside and section != "broker", found)
    rate = reader.sound("camera.fps", "observe.confirm_frames", "observe.window_s")
    if rate and config.camera.fps < config.observe.fewest_fps:
        text = f" = {config.camera.fps:g}: {too_few_frames(config.observe)}"
        found.hindrances.append(SettingFault("camera.fps", text))
    if reader.sound("hooks"):
        found.hindrances.extend(_hooks(config, beside))
    for name, given, folder in (
        ("history.path", config.history.path if config.history.enabled else "", False),
        ("privacy.pictures_path", config.privacy.pictures_path, True),
    ):
        if given and reader.sound(name):
            problem = _unwritable(given, folder, beside)
            if problem:
                found.hindrances.append(SettingFault(name, f" = {written(given)}: {problem}"))
    for name, on, port in (
        # For the service it is systemd that listens.
        ("web.port", config.web.enabled and not service.is_meant(path), config.web.port),
        ("broker.port", config.broker.enabled, config.broker.port),
    ):
        if on and reader.sound(name) and 0 < port < _lowest_port(beside):
            text = f" = {port}: ports below {_lowest_port(beside)} are for root; 8080, for example"
            found.hindrances.append(SettingFault(name, text))
    return found


def _hooks(config: Config, beside: bool) -> Iterator[SettingFault]:
    from edge.hooks.send import notify_problem

    for i, hook in enumerate(config.hooks):
        where = f"hooks[{i}]"
        if not (hook.address or hook.command or hook.notify):
            yield SettingFault(where, ": tells nobody: give address, command or notify")
        if not config.history.enabled:
            yield SettingFault(where, ": hooks follow the history, which is off (history.enabled)")
        if hook.notify and (problem := notify_problem()):
            yield SettingFault(f"{where}.notify", f": {problem}")
        if hook.command:
            program = Path(shlex.split(hook.command)[0])
            if beside and str(program).startswith(PRIVATE):
                problem = "the service sees no home folders"
            elif not program.is_file() or not service.may(program, os.X_OK, beside=beside):
                problem = "is no program that can be run"
            else:
                continue
            yield SettingFault(f"{where}.command", f" = {written(str(program))}: {problem}")


def too_few_frames(config: ObserveConfig) -> str:
    return (
        f"no phone is confirmed with fewer than {config.fewest_fps:.3g} frames a second"
        f" (observe.confirm_frames = {config.confirm_frames} of them within observe.window_s ="
        f" {config.window_s:g})"
    )


def _fault(name: str, given: str, why: Exception) -> SettingFault:
    if name != "camera.source" and shown(given) != given:
        # Those who complain of it would repeat it.
        return SettingFault(name, f" = {written(given)}: an address does not belong here")
    return SettingFault(name, f" = {written(given)}: {why}")


def _board(config: Config) -> Iterator[SettingFault]:
    from edge.devices.profile import ProfileError, choose

    try:
        choose(config.hardware.board)
    except ProfileError as exc:
        yield _fault("hardware.board", config.hardware.board, exc)


def _tunes(config: Config, name: str) -> Iterator[SettingFault]:
    """A tune that there is not, or that this board cannot play."""
    given = getattr(config.nudge, name)
    try:
        if not tunes.is_file(given):
            tunes.find(given)
        elif tunes.is_written(given):
            tunes.parse(read_text(Path(given).expanduser()))
        elif not Path(given).expanduser().is_file():
            yield SettingFault(f"nudge.{name}", f" = {written(given)}: there is no such file")
        elif not _has_speaker(config):
            text = "only a board with a speaker plays sound files; this one plays RTTTL"
            yield SettingFault(f"nudge.{name}", f" = {written(given)}: {text}")
    except (tunes.NoTune, Unreadable) as exc:
        yield SettingFault(f"nudge.{name}", f" = {written(given)}: {exc}")


def _has_speaker(config: Config) -> bool:
    from edge.devices.profile import ProfileError, choose

    try:
        return choose(config.hardware.board).speaker is not None
    except ProfileError:
        return True  # which is told already


def _model(config: Config) -> Iterator[SettingFault]:
    from edge.vision.manifest import ModelError, load_eyes

    try:
        load_eyes(config.model)
    except ModelError as exc:
        name = "model.manifest" if config.model.manifest else "model.name"
        given = config.model.manifest or config.model.name
        yield _fault(name, given, exc)


def _camera(config: Config, found: Findings) -> None:
    from edge.devices.camera import may_appear, open_camera
    from edge.ports import CameraMissing

    source = config.camera.source
    if source.strip() in ("auto", "picamera2", "webcam"):
        return  # whatever is plugged in when a session begins
    try:
        open_camera(config.camera, clock=lambda: 0.0).close()
    except CameraMissing as exc:
        fault = _fault("camera.source", source, exc)
        (found.notes if may_appear(config.camera) else found.faults).append(fault)


def _file(name: str, given: str, beside: bool, found: Findings) -> None:
    what = f" = {written(given)}: "
    path = Path(given)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            found.faults.append(SettingFault(name, f"{what}is no file"))
        elif beside and os.path.abspath(given).startswith(PRIVATE):
            found.faults.append(SettingFault(name, f"{what}the service sees no home folders"))
        elif not service.may(path, os.R_OK, beside=beside):
            who = "the service" if beside and os.geteuid() == 0 else "this user"
            text = f"{what}may not be read by {who}{service.with_sudo(path)}"
            (found.faults if who == "the service" else found.notes).append(SettingFault(name, text))
        elif name.endswith("password_file"):
            path.read_text(encoding="utf-8")
    except PermissionError:
        text = f"{what}may not be read by this user{service.with_sudo(path)}"
        found.notes.append(SettingFault(name, text))
    except UnicodeDecodeError:
        found.faults.append(SettingFault(name, f"{what}is no text in UTF-8"))
    except FileNotFoundError:
        found.faults.append(SettingFault(name, f"{what}there is no such file"))
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        found.faults.append(SettingFault(name, f"{what}cannot be read: {reason}"))


def _unwritable(given: str, folder: bool, beside: bool) -> str:
    """Why nothing can be kept at this place; empty: it can."""
    path = Path(given)
    if shown(given) != given:
        return "an address does not belong here"
    try:
        if path.exists() and path.is_dir() is not folder:
            return "is no folder" if folder else "is no file"
        if beside and not path.resolve().is_relative_to(service.STATE):
            return f"the service may write to {service.STATE} only"
        there = path
        while not there.exists():
            if there == there.parent:
                break
            there = there.parent
        if there != path and not there.is_dir():
            return f"{there} is no folder"
        if not service.may(there, os.W_OK, beside=beside):
            return f"{there} cannot be written to"
    except PermissionError as exc:
        return f"{exc.filename or path} may not be looked at"
    except (OSError, ValueError, RuntimeError) as exc:
        return f"cannot be used: {getattr(exc, 'strerror', None) or exc}"
    return ""


def _lowest_port(beside: bool) -> int:
    if os.geteuid() == 0 and not beside:
        return 0
    try:
        return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    except (OSError, ValueError):
        return 1024
