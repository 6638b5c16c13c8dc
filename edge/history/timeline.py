"""From events to what went on from when to when: focus, breaks, phone, away, faults. Pure.

Durations are those that the events tell, by a clock that nobody sets; the wall's time says only
where in the day they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from edge.domain import EventType
from edge.history.record import Record, figure, last_seen

# Nothing that has an end lasts longer: a session has at most four hours, and so has each pause.
LONGEST_S = 12 * 3600.0


class Kind(StrEnum):
    FOCUS = "focus"
    BREAK = "break"
    PAUSED = "paused"
    PHONE = "phone"
    AWAY = "away"
    UNSEEN = "unseen"  # the view was lost
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Segment:
    """`what`: of a fault, its name. `open`: it went on when this was looked at."""

    kind: Kind
    begin: datetime
    end: datetime
    seat: str | None = None
    what: str = ""
    open: bool = False

    @property
    def lasted_s(self) -> float:
        return max(0.0, (self.end - self.begin).total_seconds())


TYPES = frozenset(
    {
        EventType.STARTED,
        EventType.INTERRUPTED,
        EventType.SESSION_START,
        EventType.SESSION_END,
        EventType.BREAK_START,
        EventType.BREAK_END,
        EventType.PAUSE,
        EventType.RESUME,
        EventType.PICKUP,
        EventType.PUTDOWN,
        EventType.NOT_A_PHONE,
        EventType.LEFT,
        EventType.RETURNED,
        EventType.UNSURE,
        EventType.CLEAR,
        EventType.FAULT,
        EventType.FAULT_CLEARED,
    }
)


@dataclass(frozen=True, slots=True)
class _Begun:
    begin: datetime
    most_s: float = LONGEST_S


class _Reader:
    def __init__(self) -> None:
        self._open: dict[tuple[Kind, str], _Begun] = {}  # with the name of a seat or a fault
        self._booked_s = 0.0  # of the focus session that runs, before its last pause
        self._empty: list[str] = []  # seats that were when the view was lost
        self._last: datetime | None = None

    def read(self, event: Record) -> Iterator[Segment]:
        yield from self._read(event)
        self._last = event.at

    def rest(self, until: datetime) -> Iterator[Segment]:
        """What was never closed."""
        for (kind, name), begun in list(self._open.items()):
            end = min(until, begun.begin + timedelta(seconds=begun.most_s))
            for found in self._close(kind, name, end):
                yield replace(found, open=end == until)

    def _read(self, event: Record) -> Iterator[Segment]:
        details, at, seat = event.details, event.at, event.seat or ""
        match event.type:
            case EventType.STARTED:
                yield from self._close_all(self._last or at)
            case EventType.INTERRUPTED:
                yield from self._interrupted(event)
            case EventType.SESSION_START:
                yield from self._close_all(at, keep=(Kind.FAULT,))
                self._booked_s = 0.0
                self._begin(Kind.FOCUS, "", at, details.get("minutes"))
            case EventType.SESSION_END:
                if (Kind.PAUSED, "") not in self._open:  # stopped in its pause it has ended already
                    lasted_s = _known(details.get("lasted_s"))
                    part_s = None if lasted_s is None else max(0.0, lasted_s - self._booked_s)
                    yield from self._close(Kind.FOCUS, "", at, part_s)
                yield from self._close_all(at, keep=(Kind.FAULT,))
            case EventType.BREAK_START:
                self._begin(Kind.BREAK, "", at, details.get("minutes"))
            case EventType.BREAK_END:
                yield from self._close(Kind.BREAK, "", at)
            case EventType.PAUSE:
                for found in self._close(Kind.FOCUS, "", at):
                    self._booked_s += found.lasted_s
                    yield found
                yield from self._close_all(at, keep=(Kind.FAULT,))
                self._begin(Kind.PAUSED, "", at, details.get("minutes"))
            case EventType.RESUME:
                yield from self._close(Kind.PAUSED, "", at)
                if details.get("session") == "break":
                    self._begin(Kind.BREAK, "", at)
                else:
                    self._begin(Kind.FOCUS, "", at)
            case EventType.PICKUP:
                self._begin(Kind.PHONE, seat, at)
            case EventType.PUTDOWN:
                yield from self._close(Kind.PHONE, seat, at, _known(details.get("lasted_s")))
            case EventType.NOT_A_PHONE:
                self._open.pop((Kind.PHONE, seat), None)
            case EventType.LEFT:
                self._begin(Kind.AWAY, seat, at)
            case EventType.RETURNED if seat in self._empty:
                self._empty.remove(seat)  # boxes told so until November 2026
            case EventType.RETURNED:
                yield from self._close(Kind.AWAY, seat, at, _known(details.get("away_s")))
            case EventType.UNSURE:
                # What was empty is, as far as anybody can tell, and is seen to be when it clears.
                self._empty = [name for kind, name in self._open if kind is Kind.AWAY]
                for name in self._empty:
                    yield from self._close(Kind.AWAY, name, at)
                self._begin(Kind.UNSEEN, "", at)
            case EventType.CLEAR:
                yield from self._close(Kind.UNSEEN, "", at)
                for name in self._empty:
                    self._begin(Kind.AWAY, name, at)
                self._empty = []
            case EventType.FAULT:
                self._begin(Kind.FAULT, str(details.get("fault", "")), at)
            case EventType.FAULT_CLEARED:
                yield from self._close(Kind.FAULT, str(details.get("fault", "")), at)

    def _begin(self, kind: Kind, name: str, at: datetime, minutes: object = None) -> None:
        most_s = figure(minutes) * 60 or LONGEST_S
        self._open.setdefault((kind, name), _Begun(at, min(most_s, LONGEST_S)))

    def _interrupted(self, event: Record) -> Iterator[Segment]:
        end = last_seen(event)
        kind = {"focus": Kind.FOCUS, "break": Kind.BREAK, "paused": Kind.PAUSED}.get(
            str(event.details.get("session"))
        )
        if kind is not None and (kind, "") in self._open:
            yield from self._close(kind, "", end, _known(event.details.get("lasted_s")))
        yield from self._close_all(end)

    def _close_all(self, end: datetime, keep: tuple[Kind, ...] = ()) -> Iterator[Segment]:
        self._empty = []
        for kind, name in list(self._open):
            if kind not in keep:
                yield from self._close(kind, name, end)

    def _close(
        self, kind: Kind, name: str, end: datetime, lasted_s: float | None = None
    ) -> Iterator[Segment]:
        begun = self._open.pop((kind, name), None)
        if lasted_s is not None:
            begin = end - timedelta(seconds=lasted_s)
        elif begun is None:
            return  # it began before anything that is known
        else:
            # A clock that was set in between makes nothing longer than it can have been.
            begin = begun.begin
            end = max(begin, min(end, begin + timedelta(seconds=begun.most_s)))
        of_fault = kind is Kind.FAULT
        yield Segment(kind, begin, end, None if of_fault else name or None, name * of_fault)


def _known(value: object) -> float | None:
    """A duration as an event has it; None: it has none that can be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= LONGEST_S else None


def segments(events: Iterable[Record], *, until: datetime) -> Iterator[Segment]:
    """In the order in which they ended. `until`: when it is looked at; what goes on then is open.

    Events of a recording that was played back are nobody's day, and are passed over.
    """
    reader = _Reader()
    for event in events:
        if not event.replay:
            yield from reader.read(event)
    yield from reader.rest(until)


def clipped(segment: Segment, first: datetime, last: datetime) -> Segment | None:
    """The part of it between two moments; None: there is none. A fault of no length is kept."""
    begin, end = max(segment.begin, first), min(segment.end, last)
    if begin > end or begin >= last or (begin == end and segment.kind is not Kind.FAULT):
        return None
    return replace(segment, begin=begin, end=end, open=segment.open and end == segment.end)


def by_hour(
    begin: datetime, end: datetime, zone: tzinfo | None
) -> Iterator[tuple[int, int, float]]:
    """(weekday from Monday 0, hour of the day, seconds) of each local hour that a time touches."""
    at = begin
    while at < end:
        local = at.astimezone(zone)
        left = timedelta(hours=1) - timedelta(
            minutes=local.minute, seconds=local.second, microseconds=local.microsecond
        )
        then = min(end, at + left)
        yield local.weekday(), local.hour, (then - at).total_seconds()
        at = then
