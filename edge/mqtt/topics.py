"""The topic map: no other module spells a topic."""

from __future__ import annotations

from dataclasses import dataclass

from edge.config import Config


@dataclass(frozen=True, slots=True)
class Topics:
    """Topics of one box.

    Retained: availability, state, today, health, discovery. Never retained: event, commands.
    """

    box_id: str
    base_topic: str = "procrastobot"
    discovery_prefix: str = "homeassistant"

    @classmethod
    def of(cls, config: Config) -> Topics:
        return cls(config.box.id, config.mqtt.base_topic, config.mqtt.discovery_prefix)

    @property
    def client_id(self) -> str:
        """Stable, so that a new connection replaces a half-dead one instead of outliving it: the
        last will of the old one must come before the `online` of the new one, never after."""
        return f"procrastobot-{self.box_id}"

    @property
    def device_id(self) -> str:
        return f"procrastobot_{self.box_id}"

    @property
    def base(self) -> str:
        return f"{self.base_topic}/{self.box_id}"

    @property
    def availability(self) -> str:  # online | offline; offline is also the last will
        return f"{self.base}/availability"

    @property
    def state(self) -> str:
        return f"{self.base}/state"

    @property
    def event(self) -> str:
        return f"{self.base}/event"

    @property
    def today(self) -> str:
        return f"{self.base}/today"

    @property
    def health(self) -> str:
        return f"{self.base}/health"

    def command(self, name: str) -> str:
        return f"{self.base}/command/{name}"

    @property
    def commands(self) -> str:
        """The filter that the box subscribes to."""
        return self.command("+")

    def command_name(self, topic: str) -> str | None:
        """What follows `command/`; None for a topic that is no command of this box."""
        start = self.command("")
        return topic[len(start) :] if topic.startswith(start) else None

    @property
    def discovery(self) -> str:  # one message describes the device and all its entities
        return f"{self.discovery_prefix}/device/{self.device_id}/config"

    @property
    def home_assistant_status(self) -> str:  # Home Assistant says online here when it starts
        return f"{self.discovery_prefix}/status"
