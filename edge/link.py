"""The link between box and page: one local socket. This is the box's end of it.

The page is a process of its own; it asks, the box answers, and nothing is sent unasked. An answer
comes from a thread of its own that only reads what the loop leaves behind anyway: the loop does
nothing more for a page than without one. A picture is made when a viewer asks for one, and never
more often than `LOOK_EVERY_S`, however many ask.

    request    one line of JSON: {"ask": "state"}
    answer     two lengths (big-endian, 4 bytes each), then JSON, then the picture, if there is one

Only the user of the box, and root, may ask: the socket is theirs (0600), and who connects is looked
at besides.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from edge import __version__, logs, service, tunes
from edge.config import Config
from edge.domain import Aim, EventType, Forget, Happening, State, Test
from edge.errors import Trouble
from edge.live import Taken, take
from edge.state_dir import state_dir
from edge.wire.commands import Refusal, Vocabulary, understand
from edge.wire.state import WallTime, state_payload

if TYPE_CHECKING:
    from edge.domain import Frame, Observation
    from edge.health import Health
    from edge.ports import Inbox, Learner

log = logging.getLogger(__name__)

NAME = "page.socket"
LENGTHS = struct.Struct("!II")
MOST_CONNECTIONS = 4  # a page has one or two; who comes beyond that ends the oldest
LONGEST_REQUEST = 4096
PATIENCE_S = 5.0  # for who asks and does not take the answer
BREATH_S = 0.005  # after each answer: 200 in a second at most, whoever asks
LOOK_EVERY_S = 0.1
WIDEST_PX = 640  # of a picture for the page

_CREDENTIALS = struct.Struct("3i")  # struct ucred: process, user, group


def path_of(config: Config, configuration: Path | None = None) -> Path:
    """Where box and page meet. `configuration`: the file that both have read."""
    given = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    if service.is_meant(configuration):
        return (Path(given) if given else service.RUNTIME) / NAME
    folder = Path(config.history.path).parent if config.history.path else state_dir()
    return folder / NAME


# A day, or everything (None), and whom to tell what went wrong, or nothing.
Erase = Callable[[date | None, Callable[[str], None]], None]


class Watched(Protocol):
    """What is looked at: the loop. Its values are frozen, and replaced as a whole."""

    @property
    def state(self) -> State: ...

    @property
    def frame(self) -> Frame | None: ...

    @property
    def observation(self) -> Observation | None: ...

    @property
    def health(self) -> Health: ...

    def adopt(self, config: Config) -> None:
        """From the next tick on."""
        ...


class Link:
    """A `Viewer`: keeps what was published last, for a page that asks."""

    def __init__(
        self,
        path: Path,
        config: Config,
        *,
        inbox: Inbox,
        wall_clock: Callable[[], datetime],
        again: Callable[[], Config] | None = None,
        restart: Callable[[], None] | None = None,
        erase: Erase | None = None,
    ) -> None:
        """`again` reads the configuration anew. Raises OSError where nothing can be listened on."""
        self._path = path
        self._config = config
        self._inbox = inbox
        self._wall_clock = wall_clock
        self._again = again
        self._restart = restart
        self._eraser = erase
        self._vocabulary = Vocabulary.of(config)
        self._published: tuple[State, datetime] | None = None
        self._refused: dict[str, Any] = {"number": 0, "why": ""}
        self._taught: dict[str, Any] = {"number": 0}
        self._erased: dict[str, Any] = {"number": 0, "why": ""}
        self._watched: Watched | None = None
        self._learner: Learner | None = None
        self._looked: tuple[Frame, dict[str, Any], bytes] | None = None
        self._looked_s = float("-inf")
        self._number = 0
        self._said = ""
        self._asks: dict[str, Callable[[Mapping[str, Any]], tuple[dict[str, Any], bytes]]] = {
            "state": self._state,
            "look": self._look,
            "taught": self._shown,
            "log": self._log,
            "export": self._export,
            "command": self._command,
            "aim": self._aim,
            "play": self._play,
            "adopt": self._adopt,
            "restart": self._restarted,
            "erase": self._erase,
        }
        self._listener = _listen(path)
        self._connections: dict[socket.socket, _Connection] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._woken, self._wake = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------ what the loop's thread does

    def attach(self, watched: Watched, learner: Learner | None = None) -> None:
        self._watched = watched
        self._learner = learner

    def publish(self, state: State) -> None:
        # One assignment; what it means in JSON is worked out for who asks.
        self._published = (state, self._wall_clock())

    def tell(self, happening: Happening) -> None:
        # What became of a click is known to the loop, when the click has long been answered.
        if happening.type is EventType.REFUSED:
            number = self._refused["number"] + 1
            self._refused = {"number": number, "why": str(happening.details.get("why", ""))}
        elif happening.type is EventType.TAUGHT:
            self._taught = {**happening.details, "number": self._taught["number"] + 1}

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._wake.send(b"x")
        self._thread.join(5)
        self._path.unlink(missing_ok=True)

    # ------------------------------------------------------------ answers

    def _state(self, _: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        answer: dict[str, Any] = {
            "now": self._wall_clock().isoformat(timespec="milliseconds"),
            "refused": self._refused,
            "taught": self._taught,
            "erased": self._erased,
            "lesson": self._lesson(),
            "box": self._config.box.name,
            "version": __version__,
            "modes": sorted(self._config.modes),
        }
        if self._published is not None:
            state, wall = self._published
            answer |= state_payload(state, self._config, WallTime(state.at_s, wall))
            answer["learnt"] = [
                {"number": entry.number, "seat": entry.seat, "times": entry.times}
                for entry in state.look_alikes
            ]
        if self._watched is not None:
            answer["health"] = self._watched.health.figures()
        return answer, b""

    def _look(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """The newest picture and what is made of it; without one when the camera is closed, or
        the asker has it already (`after`)."""
        if self._watched is None:
            return {"number": 0, "camera": False}, b""
        seen = take(self._watched)
        if seen is None:
            self._looked = None
            return {"number": 0, "camera": False}, b""
        if self._looked is None or (
            self._looked[0] is not seen.frame and time.monotonic() - self._looked_s >= LOOK_EVERY_S
        ):
            self._looked_s = time.monotonic()
            self._number += 1
            self._looked = (seen.frame, *self._drawn(seen))
        _, words, picture = self._looked
        if words["number"] == request.get("after"):
            return {"number": words["number"], "camera": True, "same": True}, b""
        return words, picture

    def _drawn(self, seen: Taken) -> tuple[dict[str, Any], bytes]:
        assert self._watched is not None
        words = seen.words(self._watched.state, self._config)
        told = {"number": self._number, "camera": True, **words, "lesson": self._lesson()}
        return told, seen.jpeg(WIDEST_PX)

    def _lesson(self) -> dict[str, Any] | None:
        lesson = None if self._learner is None else self._learner.lesson
        return None if lesson is None else asdict(lesson)

    def _log(self, _: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """The last lines that this process has logged."""
        return {"lines": [asdict(line) for line in logs.RECENT.lines()]}, b""

    def _shown(self, _: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """What the box was shown, and what each of it changed."""
        things = () if self._learner is None else self._learner.shown()
        return {"things": [asdict(thing) for thing in things]}, b""

    def _export(self, _: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """The same, as `procrastobot teach --import` takes it."""
        name, body = ("", b"") if self._learner is None else self._learner.exported()
        if not body:
            return {"error": "the box was shown nothing yet"}, b""
        return {"name": name}, body

    def _command(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        payload = str(request.get("payload", "")).encode()
        found = understand(str(request.get("name", "")), payload, self._vocabulary)
        if isinstance(found, Refusal):
            return {"error": found.reason}, b""
        self._inbox.put(found)
        return {"accepted": request.get("name")}, b""

    def _aim(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Not a command of MQTT: only who is at the page opens the camera beyond a session."""
        seconds = request.get("seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            return {"error": "seconds: a number"}, b""
        self._inbox.put(Aim(float(seconds)))
        return {"accepted": "aim"}, b""

    def _play(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Play a tune once, as it would chirp or be loud. Longer than a command may be."""
        tune = str(request.get("tune", ""))
        try:
            tunes.find(tune)
        except tunes.NoTune as exc:
            return {"error": str(exc)}, b""
        self._inbox.put(Test("loud" if request.get("loud") is True else "chirp", tune))
        return {"accepted": "play"}, b""

    def _adopt(self, _: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Read the configuration again, and take over what needs no new start."""
        from edge.adopt import adopted

        if self._again is None or self._watched is None:
            return {"error": "this box does not read its configuration again"}, b""
        try:
            change = adopted(self._config, self._again())
        except Trouble as exc:
            return {"error": str(exc)}, b""
        self._config = change.config
        self._vocabulary = Vocabulary.of(change.config)
        self._watched.adopt(change.config)
        for command in change.commands:
            self._inbox.put(command)
        if change.taken:
            log.info("taken over from the configuration: %s", ", ".join(change.taken))
        return {"taken": change.taken, "waiting": change.waiting}, b""

    def _erase(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """A day of the history, or all of it; the state says when it is gone. Not a command of
        MQTT: only who is at the page may."""
        if self._eraser is None:
            return {"error": "no history is kept"}, b""
        try:
            day = None if request["day"] is None else date.fromisoformat(request["day"])
        except (KeyError, TypeError, ValueError):
            return {"error": "day: a date like 2026-11-02, or null for everything"}, b""
        log.info("the page asks to erase %s", day or "everything")
        if day is None and self._published is not None and self._published[0].look_alikes:
            self._inbox.put(Forget())
        self._eraser(day, self._has_erased)
        return {"accepted": "erase"}, b""

    def _has_erased(self, why: str) -> None:
        # Called in another thread; one assignment, as above.
        self._erased = {"number": self._erased["number"] + 1, "why": why}

    def _restarted(self, _: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        if self._restart is None:
            return {"error": "this box cannot start itself again"}, b""
        log.info("the page asks for a new start")
        self._restart()
        return {"restarting": True}, b""

    # ------------------------------------------------------------ the thread

    def _run(self) -> None:
        try:
            while True:
                patience_s = 1.0 if self._connections else None
                for key, mask in self._selector.select(patience_s):
                    if key.fileobj is self._woken:
                        return
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj in self._connections:
                        self._serve(self._connections[key.fileobj], mask)
                self._end_the_stuck()
        finally:
            for connection in list(self._connections.values()):
                self._end(connection)
            self._listener.close()
            self._woken.close()
            self._wake.close()
            self._selector.close()

    def _accept(self) -> None:
        try:
            peer, _ = self._listener.accept()
        except OSError as exc:
            log.debug("the page's socket: %s", exc)
            time.sleep(BREATH_S)  # out of files: it would be told of the same at once
            return
        peer.setblocking(False)
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        process, user, _ = _CREDENTIALS.unpack(credentials)
        if user not in (0, os.geteuid()):
            log.warning("process %d of user %d is no page of this box: turned away", process, user)
            peer.close()
            return
        if len(self._connections) >= MOST_CONNECTIONS:
            self._end(next(iter(self._connections.values())))
        self._connections[peer] = _Connection(peer)
        self._selector.register(peer, selectors.EVENT_READ)

    def _serve(self, connection: _Connection, mask: int) -> None:
        try:
            if mask & selectors.EVENT_WRITE:
                connection.write()
            if mask & selectors.EVENT_READ:
                connection.read()
            while not connection.unsent and (line := connection.request()) is not None:
                connection.answer(*self._answer(line))
                time.sleep(BREATH_S)
        except (OSError, _Gone) as exc:
            log.debug("the page's connection: %s", exc)
            self._end(connection)
            return
        # Who does not take an answer is not asked for another request.
        wanted = selectors.EVENT_WRITE if connection.unsent else selectors.EVENT_READ
        self._selector.modify(connection.peer, wanted)

    def _answer(self, line: bytes) -> tuple[dict[str, Any], bytes]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            raise _Gone("no JSON") from None
        if not isinstance(request, dict):
            raise _Gone("no request")
        ask = self._asks.get(str(request.get("ask")))
        if ask is None:
            return {"error": "no such question"}, b""
        try:
            return ask(request)
        except Exception as exc:  # noqa: BLE001 - a question must not end the answers
            if str(exc) != self._said:
                self._said = str(exc)
                log.error("the page's question %s: %s", request.get("ask"), exc)
            return {"error": "the box could not answer; its log says why"}, b""

    def _end_the_stuck(self) -> None:
        now_s = time.monotonic()
        for connection in list(self._connections.values()):
            if connection.stuck(now_s):
                self._end(connection)

    def _end(self, connection: _Connection) -> None:
        self._connections.pop(connection.peer, None)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection.peer)
        connection.peer.close()


class _Gone(Exception):
    """There is nothing more to be had from this connection."""


class _Connection:
    """One asker: at most one request and one answer of it are held."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self.unsent = memoryview(b"")
        self._heard = bytearray()
        self._moved_s = time.monotonic()

    def read(self) -> None:
        heard = self.peer.recv(LONGEST_REQUEST)
        if not heard:
            raise _Gone("closed")
        self._moved_s = time.monotonic()
        self._heard += heard

    def request(self) -> bytes | None:
        line, newline, rest = self._heard.partition(b"\n")
        if len(line) > LONGEST_REQUEST:
            raise _Gone("a request without an end")
        if not newline:
            return None
        self._heard = rest
        return bytes(line)

    def answer(self, words: dict[str, Any], picture: bytes) -> None:
        body = json.dumps(words, ensure_ascii=False, separators=(",", ":")).encode()
        self.unsent = memoryview(LENGTHS.pack(len(body), len(picture)) + body + picture)
        self._moved_s = time.monotonic()
        self.write()

    def write(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self.unsent:
                self.unsent = self.unsent[self.peer.send(self.unsent) :]
                self._moved_s = time.monotonic()

    def stuck(self, now_s: float) -> bool:
        """It holds half of a request or of an answer, and nothing moves."""
        return bool(self.unsent or self._heard) and now_s - self._moved_s > PATIENCE_S


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)  # of a box that was killed; a living one holds the history's lock
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(before)
    listener.setblocking(False)
    listener.listen(16)  # one that finds it full is refused at once
    return listener
