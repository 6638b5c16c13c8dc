from __future__ import annotations

import threading

from edge.domain import Mute, Press
from edge.inbox import CommandInbox


def test_commands_come_out_once_and_in_order():
    inbox = CommandInbox()
    inbox.put(Press.SHORT)
    inbox.put(Mute(on=True))
    assert inbox.drain() == [Press.SHORT, Mute(on=True)]
    assert inbox.drain() == []


def test_waiting_ends_when_a_command_arrives_and_loses_none():
    inbox = CommandInbox()
    waiting = threading.Thread(target=inbox.wait, args=(60,))
    waiting.start()
    inbox.put(Press.LONG)
    waiting.join(timeout=30)
    assert not waiting.is_alive()
    inbox.put(Press.SHORT)
    inbox.wait(60)
    assert inbox.drain() == [Press.LONG, Press.SHORT]
