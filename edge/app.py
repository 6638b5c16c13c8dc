"""The composition root: builds the parts, joins them to the loop, stops them in reverse."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from edge import decide, toml, tunes
from edge.album import folder_of, open_album, pictures
from edge.config import Config
from edge.devices.board import Board, open_board
from edge.devices.camera import may_appear, open_camera
from edge.devices.systemd import open_watchdog
from edge.devices.terminal import shown
from edge.domain import PHONE, PublishState, SessionAction, SetSession
from edge.errors import EX_CONFIG, Trouble
from edge.history.erase import remove
from edge.hooks.ledger import erase as erase_told
from edge.hooks.ledger import path_beside
from edge.inbox import CommandInbox
from edge.link import Erase, Link, path_of
from edge.lock import Held, Lock
from edge.loop import Loop
from edge.offers import Offers
from edge.outputs import Outputs
from edge.ports import (
    Buzzer,
    Camera,
    CameraMissing,
    CameraStalled,
    EndOfStream,
    Inbox,
    Learner,
    Lights,
    Watchdog,
)
from edge.recognizer import Recognizer, Unable
from edge.state_dir import state_dir
from edge.taught_store import TaughtStore
from edge.telling import Telling, history_path, local_time, open_teller
from edge.vision.card import FileDigits
from edge.vision.eyes import Eyes, open_eyes
from edge.vision.features import FileFeatures
from edge.vision.manifest import EyeSet, load_eyes
from edge.vision.scene import Scene

log = logging.getLogger(__name__)


class CannotStart(Trouble):
    """Something the box cannot be without is wrong; the text says what, and what to do."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class App:
    """A built box. Use it as a context manager: on the way out everything is dark and silent."""

    def __init__(
        self,
        *,
        loop: Loop,
        camera: Camera,
        eyes: Eyes,
        board: Board,
        teller: Telling,
        inbox: CommandInbox,
        watchdog: Watchdog,
        stack: ExitStack,
        on_tick: Callable[[Loop], None] | None,
        again: threading.Event,
    ) -> None:
        self.loop = loop
        self.camera = camera
        self.eyes = eyes
        self.board = board
        self.teller = teller
        self.inbox = inbox
        self._watchdog = watchdog
        self._stack = stack
        self._on_tick = on_tick
        self._again = again

    @property
    def again(self) -> bool:
        """Whether it was asked to start anew, in the same process."""
        return self._again.is_set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watchdog.stopping()
        self._stack.close()

    def run(self) -> int:
        """Tick until the source ends or a new start is wanted (0), or the camera is lost (1)."""
        while not self.again:
            try:
                self.loop.tick()
            except EndOfStream:
                log.info("end of %s", self.camera.description)
                return 0
            except (CameraStalled, CameraMissing) as exc:
                log.error("camera lost: %s", exc)
                return exc.exit_code
            if self._on_tick is not None:
                self._on_tick(self.loop)
        return 0


def with_tunes(config: Config) -> Config:
    """The same with the files of tunes read in; those of sound stay files. Raises CannotStart."""
    chirp = _tune("chirp", config.nudge.chirp)
    return replace(
        config, nudge=replace(config.nudge, chirp=chirp, loud=_tune("loud", config.nudge.loud))
    )


def _tune(name: str, given: str) -> str:
    if not tunes.is_file(given):
        return given
    path = Path(given).expanduser()
    if not tunes.is_written(given):
        return str(path)
    try:
        text = toml.read_text(path).strip()
        tunes.parse(text)
    except (toml.Unreadable, tunes.NoTune) as exc:
        raise CannotStart(f"nudge.{name} = {given}: {exc}", EX_CONFIG) from exc
    return text


def build(
    config: Config,
    *,
    camera: Camera | None = None,
    board: Board | None = None,
    on_tick: Callable[[Loop], None] | None = None,
    show: TextIO | None = None,
    configuration: Path | None = None,
    reread: Callable[[], Config] | None = None,
) -> App:
    """Build the box that `config` describes. Raises Trouble; nothing stays open then.

    What simulated lights and buzzer do is written to `show`, a line for each change. `reread` gives
    the settings as they are in `configuration` by now.
    """
    config = with_tunes(config)
    with ExitStack() as stack:
        inbox = CommandInbox()
        watchdog = open_watchdog()
        chosen = load_eyes(config.model)
        eyes = open_eyes(chosen, config.model)
        knowing, learner = open_recognizer(chosen, config, eyes, inbox)
        card_reader = None
        if config.card.enabled:
            card_reader = open_card_reader(chosen)
        try:
            camera = camera or open_camera(config.camera, clock=time.monotonic)
        except CameraMissing as exc:
            raise CannotStart(
                str(exc), exc.exit_code if may_appear(config.camera) else EX_CONFIG
            ) from exc
        stack.callback(camera.close)
        if not camera.live:
            config = for_replay(config)
            if occupied(config):
                config = untold(config)
        if camera.live or config.history.enabled:
            stack.callback(hold(config).close)
        clock = time.monotonic
        teller = open_teller(config, inbox=inbox, replay=not camera.live)
        stack.callback(teller.close)
        board = board or open_board(config.hardware, inbox=inbox)
        stack.callback(board.close)
        lights: Lights = board.lights
        buzzer: Buzzer = board.buzzer
        if show is not None and board.simulated:
            lights, buzzer = shown(lights, buzzer, show)
        again = threading.Event()
        link = None
        if config.web.enabled:
            link = open_link(
                config,
                configuration,
                inbox=inbox,
                reread=reread and (lambda: with_tunes(reread())),
                restart=again.set,
                erase=eraser(config, teller) if config.history.enabled else None,
            )
        if link is not None:
            stack.callback(link.close)
        outputs = Outputs(lights, buzzer, teller, () if link is None else (link,))
        stack.callback(outputs.silence)
        if config.box.updates and camera.live:
            stack.callback(Offers(config.box.updates, inbox).close)
        album = open_album(config.privacy, state_dir(), wall_clock=local_time)
        if album is not None:
            stack.callback(album.close)
        started_s = clock() if camera.live else 0.0
        state = decide.start(
            config,
            at_s=started_s,
            totals=teller.totals if camera.live else None,
            look_alikes=teller.look_alikes,
            replay=not camera.live,
            seed=secrets.randbits(64),
        )
        outputs.apply(PublishState(state), state)  # subscribers see an idle box too
        loop = Loop(
            config=config,
            state=state,
            camera=camera,
            eyes=knowing,
            scene=Scene(),
            thresholds=chosen.thresholds,
            outputs=outputs,
            inbox=inbox,
            watchdog=watchdog,
            clock=clock,
            # A replay gives the same result at any time of the day.
            minute_of_day=minute_of_day if camera.live else lambda: None,
            album=album,
            learner=learner,
            card_reader=card_reader,
        )
        if link is not None:
            link.attach(loop, learner)
        # The totals since the last publication, up to a minute, belong to the day too.
        stack.callback(lambda: teller.publish(loop.state))
        log.info("camera: %s", camera.description)
        log.info("model: %s", chosen.description)
        log.info("pins: %s", board.description)
        if config.session.autostart or not camera.live:
            inbox.put(SetSession(SessionAction.START))
        return App(
            loop=loop,
            camera=camera,
            eyes=eyes,
            board=board,
            teller=teller,
            inbox=inbox,
            watchdog=watchdog,
            stack=stack.pop_all(),
            on_tick=on_tick,
            again=again,
        )


def open_link(
    config: Config,
    configuration: Path | None,
    *,
    inbox: Inbox,
    reread: Callable[[], Config] | None,
    restart: Callable[[], None],
    erase: Erase | None,
) -> Link | None:
    """Where the page asks, if it is wanted; a box without one works all the same."""
    path = path_of(config, configuration)
    try:
        return Link(
            path,
            config,
            inbox=inbox,
            wall_clock=local_time,
            again=reread,
            restart=restart,
            erase=erase,
        )
    except OSError as exc:
        log.error("the page cannot ask the box at %s: %s", path, exc.strerror or exc)
        return None


def eraser(config: Config, teller: Telling) -> Erase:
    """What `procrastobot erase` erases, while the box runs."""

    def erase(day: date | None, done: Callable[[str], None]) -> None:
        def beside(why: str) -> None:  # in the recorder's thread: a card takes its time
            try:
                erase_told(path_beside(history_path(config)), day)
                remove(pictures(folder_of(config.privacy, state_dir()), day))
            except (Trouble, OSError) as exc:
                log.error("what was to be erased may still be there: %s", exc)
                why = why or str(exc)
            done(why)

        teller.erase(day, beside)

    return erase


def open_recognizer(
    chosen: EyeSet, config: Config, eyes: Eyes, inbox: Inbox
) -> tuple[Eyes | Recognizer, Learner]:
    """The eyes as they are with what their owner showed the box, and who learns that. Raises
    ModelError."""
    if chosen.features is None:
        return eyes, Unable(inbox, f"the model {chosen.name} cannot be shown anything")
    store = TaughtStore(state_dir(), chosen.features.version, chosen.features.length)
    if store.things:
        log.info("shown: %s", ", ".join(thing.name for thing in store.things))
    elif store.of_other_models():
        log.warning("what was shown to another model means nothing to this one: show it again")
    recognizer = Recognizer(
        eyes,
        FileFeatures(chosen.features),
        store,
        inbox,
        threshold=chosen.thresholds.of(PHONE),
        denials=config.policy.learn,
    )
    return recognizer, recognizer


def open_card_reader(chosen: EyeSet) -> FileDigits:
    """Raises CannotStart where the manifest has nothing to read a card with."""
    if chosen.card is None:
        text = f"card.enabled: the manifest of {chosen.name} has nothing to read a card with"
        raise CannotStart(text, EX_CONFIG)
    return FileDigits(chosen.card)


def for_replay(config: Config) -> Config:
    """The settings for a file: it is no part of its owner's day, its pictures stand still without
    being frozen, and show one place after another although nobody moved a camera."""
    history = config.history if config.history.path else replace(config.history, enabled=False)
    observe = replace(config.observe, frozen_frames=0, moved=1.0, cut=0.5)
    return replace(config, history=history, observe=observe)


def hold(config: Config) -> Lock:
    """Make sure that no other box has this history, which is also this name at the broker."""
    path = history_path(config)
    try:
        return Lock(path)
    except Held as exc:
        text = (
            f"another Procrastobot{exc.by} runs with the same history, {path}; stop that one"
            " (the service: sudo systemctl stop procrastobot), or give this one a history.path"
            " and a box.id of its own"
        )
        raise CannotStart(text, EX_CONFIG) from exc


def occupied(config: Config) -> bool:
    """Whether a box runs here now. A recording without a history may be played back beside it."""
    if config.history.enabled:
        return False
    try:
        Lock(history_path(config)).close()
    except Held as exc:
        log.warning("a box%s runs already: of this recording no broker is told", exc.by)
        return True
    return False


def untold(config: Config) -> Config:
    """Without a broker: to it, this would be the box that runs already."""
    return replace(
        config,
        mqtt=replace(config.mqtt, host=""),
        broker=replace(config.broker, enabled=False),
        web=replace(config.web, enabled=False),
    )


def minute_of_day() -> int:
    """Minutes since local midnight, 0..1439: quiet hours are the owner's local hours."""
    now = datetime.now().astimezone()
    return now.hour * 60 + now.minute


__all__ = ["App", "CannotStart", "build"]
