"""What arrives on a command topic -> a Command, or a Refusal that says why. Pure."""

from __future__ import annotations

from edge.domain import Command
from edge.mqtt.topics import Topics
from edge.wire.commands import (
    COMMANDS,
    MAX_PAYLOAD_BYTES,
    Refusal,
    Vocabulary,
    printable,
    understand,
)


def parse(
    topic: str, payload: bytes, *, retained: bool, topics: Topics, vocabulary: Vocabulary
) -> Command | Refusal:
    """Understand one message, whatever it is; never raises."""
    name = topics.command_name(topic)
    if name is None:
        return Refusal(printable(topic), "no command of this box")
    if retained and name in COMMANDS:
        # It would be carried out again at every reconnect, long after it was meant.
        return Refusal(name, "retained; commands are never honoured when retained")
    return understand(name, payload, vocabulary)


__all__ = ["COMMANDS", "MAX_PAYLOAD_BYTES", "Refusal", "Vocabulary", "parse"]
