"""The values that travel through the box, from a frame to its effects. Nothing here does anything.

Times named `*_s` are seconds of the monotonic clock of the run (a file's own time when a file is
replayed). Scores and box edges are 0..1; boxes are fractions of the camera's picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from math import hypot
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    # What only names the values (settings, page, reports) is spared 25 MiB of it.
    import numpy as np
    from numpy.typing import NDArray

    Grid = NDArray[np.float32]

# ---------------------------------------------------------------- what is seen


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in the picture; edges 0..1 of its height and width."""

    ymin: float
    xmin: float
    ymax: float
    xmax: float

    @property
    def height(self) -> float:
        return max(0.0, self.ymax - self.ymin)

    @property
    def width(self) -> float:
        return max(0.0, self.xmax - self.xmin)

    @property
    def area(self) -> float:
        """Share of the picture, 0..1."""
        return self.height * self.width

    @property
    def size(self) -> float:
        """Its diagonal, in shares of the picture's sides."""
        return hypot(self.height, self.width)

    @property
    def center(self) -> tuple[float, float]:
        """(y, x)"""
        return (self.ymin + self.ymax) / 2, (self.xmin + self.xmax) / 2

    def contains(self, y: float, x: float) -> bool:
        return self.ymin <= y <= self.ymax and self.xmin <= x <= self.xmax

    def intersection(self, other: Box) -> float:
        """Shared area as a share of the picture, 0..1."""
        height = min(self.ymax, other.ymax) - max(self.ymin, other.ymin)
        width = min(self.xmax, other.xmax) - max(self.xmin, other.xmin)
        return max(0.0, height) * max(0.0, width)

    def iou(self, other: Box) -> float:
        """Intersection over union, 0..1; 0 for two empty boxes."""
        shared = self.intersection(other)
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0


WHOLE_PICTURE = Box(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture and when it was taken.

    image:  (height, width, 3) uint8, RGB; treat it as read-only
    at_s:   when the sensor saw it, on the run's monotonic clock (a file's own time for a file)
    number: counts up by one per frame delivered by the source, so that gaps are visible
    name:   where it came from, for people: a file name, a device
    """

    image: NDArray[np.uint8]
    at_s: float
    number: int = 0
    name: str = ""

    @property
    def height_px(self) -> int:
        return int(self.image.shape[0])

    @property
    def width_px(self) -> int:
        return int(self.image.shape[1])


@dataclass(frozen=True, slots=True)
class Detection:
    """One object the detector saw; `label` is one of the model's labels."""

    label: str
    score: float
    box: Box


PHONE = "phone"
DENIED = "not a phone"  # the thing that "that was not a phone" shows to the box
OWN = "my phone"  # and "that was my phone"
NAME_MOST = 40  # characters, of a thing that is shown
EMPTY_S = 3.0  # hands are empty so long before it is, so that what lies about is known
PERSON = "person"


@dataclass(frozen=True, slots=True)
class Glance:
    """A look that should be taken: by which of the eyes, at which part of the picture.

    at: what it is at: empty the whole picture, else a seat or a thing by its number
    """

    window: Box = WHOLE_PICTURE
    eye: int = 0
    at: str = ""


class Call(NamedTuple):
    """What a look says of a phone at somebody's head.

    log_odds: that there is one
    box:      where it would be
    """

    person: Box
    log_odds: float
    box: Box


@dataclass(frozen=True, slots=True)
class Look:
    """What a glance saw; boxes are shares of the whole picture, clipped to the window."""

    detections: tuple[Detection, ...]
    glance: Glance = Glance()
    calls: tuple[Call, ...] = ()

    @property
    def window(self) -> Box:
        return self.glance.window


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The operating points that came with the model, 0..1.

    A score below `floor` is noise. `labels` has the score from which on a label is believed; those
    it does not name are believed from the floor on.
    """

    floor: float = 0.25
    labels: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, label: str) -> float:
        return self.labels.get(label, self.floor)


@dataclass(frozen=True, slots=True)
class SceneStats:
    """What plain arithmetic on the pixels says about a frame (no detector needed).

    Measured on a small grey copy of the picture (`vision/scene.py`).

    brightness: mean, 0..1          contrast: standard deviation, 0..1
    detail:     mean gradient, 0..1; near 0 for a covered lens
    glare:      share of saturated pixels, 0..1
    change:     share of cells that differ from the previous frame, 0..1
    shift:      share of cells that differ from the reference scene, 0..1, light changes removed
    identical:  the frame equals the previous one to the bit (sensor noise makes that impossible)
    grid:       (rows, columns) logarithms of grey, for `desk/pixels.py`; None: not measured
    """

    brightness: float
    contrast: float
    detail: float
    glare: float
    change: float
    shift: float
    identical: bool
    grid: Grid | None = field(default=None, compare=False, repr=False)


# ---------------------------------------------------------------- what it means


class View(StrEnum):
    """Whether the camera sees the desk at all; all but CLEAR lead to `unsure` and light at most."""

    CLEAR = "clear"
    DARK = "dark"
    COVERED = "covered"
    GLARE = "glare"
    FROZEN = "frozen"
    MOVED = "moved"


class PhoneUse(StrEnum):
    """What a tracked phone is doing; only IN_USE can ever make a sound."""

    PARKED = "parked"  # still, and away from the hands
    DOCKED = "docked"  # in its dock
    IN_USE = "in use"  # moving, in or near the hands, raised
    SUSPECTED = "suspected"  # seen, not yet confirmed over several frames


class Dock(StrEnum):
    """What the dock of a seat shows."""

    NONE = "none"  # this seat has no dock
    HOLDS = "holds"  # a phone lies in it
    EMPTY = "empty"  # in view, without a phone, for longer than its hold
    HIDDEN = "hidden"  # somebody or something is in front of it


@dataclass(frozen=True, slots=True)
class PhoneSight:
    """One tracked phone, as one frame adds to what earlier ones said."""

    track: int
    use: PhoneUse
    box: Box
    score: float  # of this frame; 0 when this frame missed it
    median: float  # of the recent frames
    since_s: float  # first seen
    use_since_s: float  # since it is used like this
    active_s: float = 0.0  # when it was last seen to be used: moving, or raised by somebody
    why: str = ""  # the evidence for the use, in a word or two
    sure: bool = True  # surely a phone: enough for a sound; otherwise for a light


@dataclass(frozen=True, slots=True)
class SeatView:
    """What one frame, with the memory of earlier ones, says about one seat."""

    seat: str
    person: bool
    phone: PhoneSight | None = None  # the one that matters most: in use before the others
    dock: Dock = Dock.NONE


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything `decide` may know about one frame."""

    at_s: float
    view: View
    seats: tuple[SeatView, ...]
    detections: tuple[Detection, ...] = ()
    inferred: bool = True  # False when motion gating found no reason to run the detector


class Activity(StrEnum):
    WORKING = "working"
    PHONE = "phone"
    AWAY = "away"
    UNSURE = "unsure"


class Session(StrEnum):
    IDLE = "idle"
    FOCUS = "focus"
    BREAK = "break"
    PAUSED = "paused"


class Level(IntEnum):
    """How hard the box nudges."""

    NONE = 0
    LIGHT = 1
    SOUND = 2
    LOUD = 3


class Fault(StrEnum):
    """Something the box cannot do now."""

    CAMERA = "camera"
    LENS = "lens"  # covered, blinded, frozen or moved
    DETECTOR = "detector"
    DISK = "disk"
    BROKER = "broker"


# ---------------------------------------------------------------- what it is told


class SessionAction(StrEnum):
    START = "start"  # a focus session, or the end of a break
    BREAK = "break"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"  # early, by command


@dataclass(frozen=True, slots=True)
class SetSession:
    action: SessionAction
    minutes: float | None = None  # None: as configured


@dataclass(frozen=True, slots=True)
class Snooze:
    """Silence for a while, within the limits of the configuration."""

    minutes: float | None = None


@dataclass(frozen=True, slots=True)
class Mute:
    on: bool


@dataclass(frozen=True, slots=True)
class SetVolume:
    volume: float  # 0..1, capped by the configuration


@dataclass(frozen=True, slots=True)
class SetMode:
    mode: str  # the name of a ladder: gentle, strict, light-only or the owner's own


@dataclass(frozen=True, slots=True)
class SetTune:
    """Another tune, from now on: a name of the library, or one written out."""

    tune: str
    loud: bool = False  # for the loud level; else for the chirp


@dataclass(frozen=True, slots=True)
class SetGrace:
    """How long a phone must be in use to be believed, from now on."""

    grace_s: float


@dataclass(frozen=True, slots=True)
class NotAPhone:
    """The owner says that what alarms is not a phone; None means every seat that alarms now."""

    seat: str | None = None


@dataclass(frozen=True, slots=True)
class Test:
    """Show or sound one part for a moment: lights, buzzer."""

    __test__ = False  # keeps pytest from collecting it

    part: str
    tune: str = ""  # to be tried out once, as chirp or when loud; empty: the one that is played


@dataclass(frozen=True, slots=True)
class Forget:
    """Erase what was learnt from "that was not a phone": one entry by its number, or all. With a
    name: a thing that was shown."""

    number: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Teach:
    """A thing is shown to the box for a while: a phone, or what is to be told from one."""

    name: str
    phone: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class MyPhone:
    """The owner says that a phone was missed just now."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What became of showing a thing: so many different views of it are new, or why none is."""

    name: str
    phone: bool = False
    views: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class LessonSoFar:
    """How far the showing of a thing has come, at its last picture.

    views, enough: different ones, and how many are enough
    used:          pictures in which something was held up, of `pictures`
    empty_s:       hands are to be empty for so long yet
    left_s:        of all of it
    """

    name: str
    phone: bool
    views: int
    enough: int
    used: int
    pictures: int
    empty_s: float
    left_s: float


@dataclass(frozen=True, slots=True)
class Shown:
    """A thing that was shown, and what that changed: what its views were taken for, as a phone,
    before anything was shown and now (0..1, the middle one of them)."""

    name: str
    phone: bool
    views: int
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class Aim:
    """Somebody looks through the camera to aim it: it is open for a while, with a light on, and
    nobody is watched. 0 ends it."""

    seconds: float


@dataclass(frozen=True, slots=True)
class CardSight:
    """A number, 1..99, on a card that is held up, as one look reads it."""

    number: int
    box: Box


@dataclass(frozen=True, slots=True)
class ReadCard:
    """A card was held up for long enough: a session of so many minutes."""

    minutes: int


@dataclass(frozen=True, slots=True)
class Offer:
    """The newest version that the box was told of (`offers`)."""

    version: str
    notes: str = ""
    url: str = ""
    newer: bool = False  # than the one that runs


@dataclass(frozen=True, slots=True)
class Offered:
    """The box was told which version is the newest."""

    offer: Offer


class Press(StrEnum):
    """The button; what a short press means depends on the state (`decide`)."""

    SHORT = "short"
    LONG = "long"


@dataclass(frozen=True, slots=True)
class FaultChange:
    """An adapter reports that something broke, or works again."""

    fault: Fault
    broken: bool
    text: str = ""


Command = (
    SetSession
    | Snooze
    | Mute
    | SetVolume
    | SetMode
    | SetTune
    | SetGrace
    | NotAPhone
    | Forget
    | Teach
    | MyPhone
    | Learnt
    | Test
    | Aim
    | ReadCard
    | Offered
    | Press
    | FaultChange
)


# ---------------------------------------------------------------- what happened


class EventType(StrEnum):
    STARTED = "started"  # the box
    INTERRUPTED = "interrupted"  # a session that power loss or a crash ended
    SESSION_START = "session_start"
    SESSION_END = "session_end"
    BREAK_START = "break_start"
    BREAK_END = "break_end"
    PAUSE = "pause"
    RESUME = "resume"
    PICKUP = "pickup"
    PUTDOWN = "putdown"
    LEFT = "left"
    RETURNED = "returned"
    UNSURE = "unsure"  # the view is lost: covered, dark, frozen, moved
    CLEAR = "clear"  # and found again
    SUSPICION = "suspicion"  # phone missing from its dock, left together with it
    LEVEL = "level"
    SNOOZE = "snooze"
    NOT_A_PHONE = "not_a_phone"
    MY_PHONE = "my_phone"
    TEACH = "teach"  # a thing is being shown
    TAUGHT = "taught"  # and is known now
    FORGET = "forget"  # what was shown is erased
    REWARD = "reward"
    REFUSED = "refused"  # a command that changed nothing
    FAULT = "fault"
    FAULT_CLEARED = "fault_cleared"
    DROPPED = "dropped"  # events that could not wait for the broker any longer


Details = Mapping[str, str | float | int | bool | None]
NO_DETAILS: Details = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Happening:
    """Something worth telling. The recorder adds the id and the wall time when it writes it."""

    type: EventType
    at_s: float
    seat: str | None = None
    details: Details = field(default_factory=lambda: NO_DETAILS)


# ---------------------------------------------------------------- what is so


@dataclass(frozen=True, slots=True)
class Pending:
    """Another activity that has not held for long enough yet."""

    activity: Activity
    since_s: float


@dataclass(frozen=True, slots=True)
class SeatState:
    """One seat: what it is doing, since when, and how hard it is nudged for it.

    `reason` is in words and with evidence; it is never empty while `level` is above 0.
    """

    seat: str
    activity: Activity = Activity.UNSURE
    since_s: float = 0.0
    pending: Pending | None = None
    level: Level = Level.NONE
    level_since_s: float = 0.0
    reason: str = ""
    phone: PhoneSight | None = None
    dock: Dock = Dock.NONE
    dock_since_s: float = 0.0
    phone_active_s: float = float("-inf")  # the last evidence of use, of whichever phone
    peak: Level = Level.NONE  # the highest level of this activity
    sound_s: float = 0.0  # how long this pick-up has sounded
    pickups: int = 0  # in this session
    dismissed: bool = False  # the owner has seen the suspicion; no light for it until it ends
    suspicion: bool = False  # told of the empty dock
    absent: bool = False  # told that it was left, and not yet that somebody is back


@dataclass(frozen=True, slots=True)
class Totals:
    """Seconds and counts of one day. Session time is focus; the four activities share it out:
    working_s + phone_s + away_s + unsure_s == focus_s."""

    focus_s: float = 0.0
    working_s: float = 0.0
    phone_s: float = 0.0
    away_s: float = 0.0
    unsure_s: float = 0.0
    break_s: float = 0.0
    paused_s: float = 0.0
    pickups: int = 0
    sessions: int = 0  # completed
    clean_sessions: int = 0  # completed without a pick-up
    streak: int = 0  # clean sessions in a row, up to now


@dataclass(frozen=True, slots=True)
class LookAlike:
    """What the owner once said is not a phone: where it was, how large, how often it was said."""

    number: int
    seat: str
    box: Box
    median: float  # what the detector took it for
    times: int = 1


@dataclass(frozen=True, slots=True)
class State:
    """All that the box knows of now. `seats` and `totals` (one per seat) are in the order of the
    configuration."""

    at_s: float
    session: Session = Session.IDLE
    session_since_s: float = 0.0
    until_s: float | None = None  # when the session part ends; None: open-ended
    paused: Session | None = None  # what a pause interrupted
    paused_left_s: float = 0.0  # what was left of it
    focused_s: float = 0.0  # of this focus session, before its last pause
    round: int = 0  # focus sessions completed since the last long break
    seats: tuple[SeatState, ...] = ()
    totals: tuple[Totals, ...] = ()
    pauses_used: int = 0
    mode: str = "gentle"
    grace_s: float | None = None  # as commanded; None: as configured
    volume: float = 1.0
    chirp: str = ""  # tunes as commanded; empty: as configured
    loud: str = ""
    muted: bool = False
    snooze_until_s: float | None = None
    snoozes_used: int = 0
    quiet: bool = False  # quiet hours
    view: View = View.CLEAR
    faults: frozenset[Fault] = frozenset()
    sound_s: float = 0.0  # fills while it sounds, drains while it does not
    sound_spent: bool = False  # the limit on continuous sound was reached, and has not drained yet
    reward_until_s: float | None = None
    testing: str = ""  # the part that a test shows or sounds
    testing_until_s: float = 0.0
    testing_tune: str = ""  # that is tried out; empty: the one that is played
    aim_until_s: float | None = None  # somebody aims the camera
    card_until_s: float | None = None  # it is open for a card with a number to be held up
    look_alikes: tuple[LookAlike, ...] = ()  # oldest first, bounded
    denied: tuple[tuple[str, float], ...] = ()  # seats whose alarm was denied, and until when
    minute_of_day: int | None = None
    replay: bool = False  # what is watched is a recording, and nobody's day
    looked_s: float = float("-inf")  # when the camera last saw the desk
    seen_s: float = 0.0  # how much of this focus session it saw
    clean_s: float = 0.0  # focus since it began or the phone was put down
    clean_seen_s: float = 0.0  # how much of that it saw
    follow: str = ""  # the seat that light and sound follow; empty: the worst
    seed: int = 0  # of this run, for what is drawn at random (`experiment`)
    way: str = ""  # of nudging, to which this focus session was drawn; empty: as configured
    offer: Offer | None = None  # the newest version; None: nobody has said
    happenings: tuple[Happening, ...] = ()  # the latest, oldest first, bounded
    happened: int = 0  # how many there were in all

    @property
    def leading(self) -> SeatState | None:
        """The seat that light and sound follow now."""
        seats = [seat for seat in self.seats if self.follow in ("", seat.seat)]
        return max(seats, key=lambda seat: seat.level, default=None)

    @property
    def level(self) -> Level:
        """That of the leading seat."""
        leading = self.leading
        return Level.NONE if leading is None else leading.level

    @property
    def pickups_this_session(self) -> int:
        return sum(seat.pickups for seat in self.seats)


# ---------------------------------------------------------------- what is done


class Color(StrEnum):
    OFF = "off"
    RED = "red"
    AMBER = "amber"
    GREEN = "green"
    BLUE = "blue"
    WHITE = "white"


@dataclass(frozen=True, slots=True)
class LightPattern:
    """What the status light and the warning lights show.

    A blink has `on_s` and `off_s`; `off_s` of 0 is steady. `brightness` 0..1 scales PWM lights.
    `warning` 0..1 is the brightness of the warning lights, which blink along.
    """

    color: Color = Color.OFF
    on_s: float = 0.0
    off_s: float = 0.0
    brightness: float = 1.0
    warning: float = 0.0


@dataclass(frozen=True, slots=True)
class Note:
    """A tone; frequency 0 is silence."""

    frequency_hz: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class Tune:
    """What the buzzer plays. `repeat_s` of 0 plays it once; otherwise it starts anew that often.

    `volume` 0..1; `at_most_s` bounds it in the buzzer itself, so that a hung loop cannot ring on.
    `file` is a sound file, which a speaker plays in place of the notes.
    """

    name: str
    notes: tuple[Note, ...]
    volume: float = 1.0
    repeat_s: float = 0.0
    at_most_s: float = 60.0
    file: str = ""


@dataclass(frozen=True, slots=True)
class ShowLights:
    pattern: LightPattern


@dataclass(frozen=True, slots=True)
class PlaySound:
    """None: silence, at once."""

    tune: Tune | None


@dataclass(frozen=True, slots=True)
class Tell:
    """Record an event, then publish it."""

    happening: Happening


@dataclass(frozen=True, slots=True)
class PublishState:
    """The state changed in a way that subscribers can see."""

    state: State


Effect = ShowLights | PlaySound | Tell | PublishState
