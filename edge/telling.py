"""Joins the history, MQTT and the broker in the box behind one door: `ports.Teller`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edge import __version__
from edge.config import Config
from edge.domain import EventType, Fault, FaultChange, LookAlike, State, Tell, Totals
from edge.history.days import Day
from edge.history.recorder import Recorder
from edge.mqtt.announced import Announced
from edge.mqtt.client import Address, MqttClient, configured_address
from edge.mqtt.commands import Refusal
from edge.ports import Inbox
from edge.state_dir import state_dir

if TYPE_CHECKING:
    from edge.mqtt.broker import Broker

log = logging.getLogger(__name__)


def local_time() -> datetime:
    """Now, with the zone of this machine."""
    return datetime.now().astimezone()


def history_path(config: Config, configuration: Path | None = None) -> Path:
    """Where the history is, whether it exists or not. `configuration`: the file that a command
    beside the service has read."""
    if config.history.path:
        return Path(config.history.path)
    return state_dir(configuration) / "history.db"


def announced_path(config: Config) -> Path:
    """Where the box remembers what it has left with its broker: beside the history."""
    folder = Path(config.history.path).parent if config.history.path else state_dir()
    return folder / "announced.json"


class Telling:
    """A `Teller`: an event is written to the history, then sent; the state is sent as it is now."""

    def __init__(
        self, recorder: Recorder, client: MqttClient | None, broker: Broker | None
    ) -> None:
        self._recorder = recorder
        self._client = client
        self._broker = broker

    @property
    def totals(self) -> tuple[Totals, ...]:
        """Today's, by seat, as far as the history knows them: what a new `State` begins with."""
        return self._recorder.today.totals

    @property
    def look_alikes(self) -> tuple[LookAlike, ...]:
        """What earlier runs learnt not to take for a phone."""
        return self._recorder.look_alikes

    @property
    def broker_port(self) -> int | None:
        """Where the broker in the box listens; None: there is none."""
        return None if self._broker is None else self._broker.port

    @property
    def queued(self) -> int:
        """How many events the broker has not acknowledged yet."""
        return self._recorder.queued

    def tell(self, tell: Tell, state: State) -> None:
        self._recorder.tell(tell.happening, state)

    def publish(self, state: State) -> None:
        self._recorder.save(state)
        if self._client is not None:
            self._client.state(state)

    def health(self, figures: dict[str, float | int | None]) -> None:
        self._recorder.look_at_the_clock()
        if self._client is not None:
            self._client.health(figures)

    def erase(self, day: date | None, done: Callable[[str], None]) -> None:
        """As `Recorder.erase`."""
        self._recorder.erase(day, done)

    def close(self) -> None:
        # The history first: what it still writes can then leave with the last of the connection.
        self._recorder.drain()
        if self._client is not None:
            self._client.close()
        self._recorder.close()
        if self._broker is not None:
            self._broker.close()


def open_teller(
    config: Config,
    *,
    inbox: Inbox,
    replay: bool = False,
    wall_clock: Callable[[], datetime] = local_time,
) -> Telling:
    """Open the history and, where the configuration names one, the way to a broker.

    Neither can fail the start: what does not work is logged and left in the inbox as a fault.
    `replay`: a recording is played back; its events are marked, and the day is not told.
    """
    broker = _broker(config, inbox) if config.broker.enabled else None
    address = configured_address(config)
    if address is None and broker is not None:
        address = Address(broker.socket, 0)
    clients: list[MqttClient] = []

    def show(day: Day) -> None:
        for client in clients:
            client.today(day)

    def grown() -> None:
        for client in clients:
            client.grown()

    def refuse(refusal: Refusal) -> None:
        recorder.note(
            EventType.REFUSED,
            {"command": refusal.command, "why": refusal.reason, "by": "mqtt"},
        )

    recorder = Recorder(
        history_path(config) if config.history.enabled else None,
        seats=tuple(seat.name for seat in config.seats),
        config=config.history,
        inbox=inbox,
        wall_clock=wall_clock,
        on_event=grown,
        on_today=show,
        sending=address is not None,
        replay=replay,
    )
    if address is not None:
        client = MqttClient(
            config,
            address,
            outbox=recorder,
            inbox=inbox,
            refuse=refuse,
            announced=Announced(announced_path(config)),
            explain=lambda: broker.why if broker is not None else "",
            wall_clock=recorder.now,
        )
        if not replay:
            client.today(recorder.today)
        clients.append(client)
        client.start()
    recorder.note(EventType.STARTED, {"version": __version__})
    recorder.look_at_the_clock()
    return Telling(recorder, clients[0] if clients else None, broker)


def _broker(config: Config, inbox: Inbox) -> Broker | None:
    from edge.mqtt.broker import BrokerFailed, open_broker

    try:
        return open_broker(config.broker)
    except BrokerFailed as exc:
        log.error("%s", exc)
        inbox.put(FaultChange(Fault.BROKER, True, str(exc)))
        return None


__all__ = ["Telling", "history_path", "local_time", "open_teller"]
