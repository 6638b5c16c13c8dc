"""What eyes saw in two real films, as numbers, played through the judgement."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from edge.domain import PERSON, PHONE, Box, Detection, PhoneUse
from tests.desk import Desk


def sequence(shared_data, name):
    path = shared_data.parent / "cases" / "sequences" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    return json.loads(path.read_text())


def looks_until_believed(known, *, elsewhere: bool) -> int | None:
    somebody = Detection(PERSON, 0.9, Box(*known["person"]))
    other = Box(*known["elsewhere"])
    desk = Desk().focus()
    for _ in range(known["before"]):
        desk.frame((somebody,))
    # It stays there for longer than was written down.
    for number, (score, box) in enumerate(4 * known["phones"]):
        seen = [somebody, Detection(PHONE, score, Box(*box))]
        ghost = dict(enumerate(known["elsewhere_scores"])).get(number, 0)
        if elsewhere and ghost > 0:
            seen.append(Detection(PHONE, ghost, other))
        desk.frame(seen)
        sight = desk.sight.phone
        if sight is not None and sight.use is PhoneUse.IN_USE:
            return number
    return None


def test_a_thing_elsewhere_takes_nothing_from_a_phone_that_comes_up(shared_data):
    known = sequence(shared_data, "ghost")
    without = looks_until_believed(known, elsewhere=False)
    beside = looks_until_believed(known, elsewhere=True)
    assert without is not None
    assert beside is not None
    assert beside <= without + 1


def test_no_light_comes_of_looks_that_say_nothing(shared_data):
    known = sequence(shared_data, "median-nothing")
    somebody = Detection(PERSON, 0.9, Box(*known["person"]))
    hand = Detection(PHONE, 0.0, Box(*known["phone"]))
    desk = Desk().focus()
    for score in (*[0.0] * known["before"], *known["scores"], *[0.0] * 30):
        desk.frame((somebody, replace(hand, score=score)) if score else (somebody,))
        sight = desk.sight.phone
        if sight is not None and sight.use is PhoneUse.IN_USE:
            assert sight.median > 0.1
        if desk.seat.level > 0:
            assert sight is not None
            assert sight.median > 0.1
