"""Carries effects out. A sink that fails is logged and counted, and takes no other one along."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from edge.domain import Effect, PlaySound, PublishState, ShowLights, State, Tell
from edge.ports import Buzzer, Lights, Teller, Viewer

log = logging.getLogger(__name__)


class Outputs:
    def __init__(
        self, lights: Lights, buzzer: Buzzer, teller: Teller, viewers: Sequence[Viewer] = ()
    ) -> None:
        self._lights = lights
        self._buzzer = buzzer
        self._teller = teller
        self._viewers = tuple(viewers)
        self.failures: Counter[str] = Counter()

    def apply(self, effect: Effect, state: State) -> None:
        """Carry out one effect of having come to `state`; never raises for a sink's failure."""
        match effect:
            case ShowLights(pattern):
                self._guarded("lights", lambda: self._lights.show(pattern))
            case PlaySound(tune):
                self._guarded("buzzer", lambda: self._buzzer.play(tune))
            case Tell():
                self._guarded("history", lambda: self._teller.tell(effect, state))
                for viewer in self._viewers:
                    self._guarded("page", partial(viewer.tell, effect.happening))
            case PublishState(published):
                self._guarded("mqtt", lambda: self._teller.publish(published))
                for viewer in self._viewers:
                    self._guarded("page", partial(viewer.publish, published))

    def health(self, figures: dict[str, float | int | None]) -> None:
        self._guarded("mqtt", lambda: self._teller.health(figures))

    def silence(self) -> None:
        """Dark and silent, whatever state the box is in."""
        self._guarded("buzzer", lambda: self._buzzer.play(None))
        self._guarded("lights", self._lights.close)
        self._guarded("buzzer", self._buzzer.close)

    def _guarded(self, sink: str, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as exc:  # noqa: BLE001 - a broken sink must not stop the others
            self.failures[sink] += 1
            if self.failures[sink] in (1, 10, 100, 1000) or self.failures[sink] % 10000 == 0:
                log.error("%s failed (%s times so far): %s", sink, self.failures[sink], exc)
