"""Commands: what is done for each, or why it is refused. Pure."""

from __future__ import annotations

from dataclasses import replace

from edge import tunes
from edge.config import Config, SessionConfig
from edge.decide.books import rebooked
from edge.decide.ladder import nudge
from edge.decide.parts import Detail, happen, refuse, with_seat
from edge.decide.seats import evidence, known_at, lasted
from edge.decide.sessions import (
    advance,
    begin_break,
    begin_focus,
    end_focus,
    pause,
    reading,
    resume,
    seeing,
    stop,
    unpause,
)
from edge.domain import (
    DENIED,
    EMPTY_S,
    Activity,
    Aim,
    Command,
    EventType,
    Fault,
    FaultChange,
    Forget,
    Learnt,
    Level,
    LookAlike,
    Mute,
    MyPhone,
    NotAPhone,
    Offered,
    PhoneSight,
    Press,
    ReadCard,
    Session,
    SessionAction,
    SetGrace,
    SetMode,
    SetSession,
    SetTune,
    SetVolume,
    Snooze,
    State,
    Teach,
    Test,
)

TEST_S = 2.0
REST_S = 0.2  # after a tune that is tried out: less than it waits until it comes again
SOUNDS = ("buzzer", "chirp", "loud")
PARTS = ("lights", *SOUNDS, "off")  # off: end a test
LONGEST_GRACE_S = 600.0
LONGEST_AIM_S = 300.0
OPENS_S = 10.0  # a camera needs so long at most until there is a picture


def obey(
    state: State,
    command: Command,
    *,
    at_s: float,
    config: Config,
    minute_of_day: int | None,
) -> State:
    """Do what was told, or refuse: then only a `refused` happening is added, with the reason."""
    state = advance(state, at_s, minute_of_day, config)
    match command:
        case Press():
            state = _obey_press(state, command, config)
        case SetSession(action, minutes):
            state = _obey_session(state, action, minutes, config)
        case Snooze(minutes):
            state = _obey_snooze(state, minutes, config)
        case Mute(on):
            # A sound that is only tried out is a sound too.
            testing = "" if on and state.testing in SOUNDS else state.testing
            state = replace(state, muted=on, testing=testing)
        case SetVolume(volume):
            state = replace(state, volume=min(max(volume, 0.0), 1.0))
        case SetMode(mode):
            if mode in config.modes:
                state = replace(state, mode=mode)
            else:
                known = ", ".join(sorted(config.modes))
                state = refuse(state, "mode", f"no mode {mode[:40]!r}; there is {known}")
        case SetTune(tune, loud):
            state = _obey_tune(state, tune, loud)
        case SetGrace(grace_s):
            state = replace(state, grace_s=min(max(grace_s, 0.0), LONGEST_GRACE_S))
        case NotAPhone(seat):
            state = _obey_not_a_phone(state, seat, config)
        case Forget(number, name):
            state = _obey_forget(state, number, name)
        case Teach() | MyPhone() | Learnt():
            state = _obey_lesson(state, command)
        case Test(part, tune):
            state = _obey_test(state, part, tune, config)
        case Aim(seconds):
            until_s = state.at_s + min(seconds, LONGEST_AIM_S) if seconds > 0 else None
            state = replace(state, aim_until_s=until_s)
        case ReadCard(minutes):
            # One that comes too late, with a session that runs or the camera closed, is nothing.
            if state.session is Session.IDLE and reading(state):
                state = begin_focus(state, config, minutes, by="card")
        case Offered(offer):
            state = replace(state, offer=offer)
        case FaultChange(fault, broken, text):
            state = _obey_fault(state, fault, broken, text)
    return nudge(state, config)


def _obey_press(state: State, press: Press, config: Config) -> State:
    if press is Press.LONG:
        if state.session is not Session.IDLE:
            return stop(state, config, "button held")
        if not config.card.enabled:
            return refuse(state, "stop", "nothing runs")
        until_s = None if reading(state) else state.at_s + config.card.open_s
        return replace(state, card_until_s=until_s)
    match state.session:
        case Session.IDLE | Session.BREAK:
            return _obey_session(state, SessionAction.START, None, config)
        case Session.PAUSED:
            return resume(state)
        case Session.FOCUS:
            if any(seat.activity is Activity.PHONE and seat.level for seat in state.seats):
                return _obey_not_a_phone(state, None, config)
            if any(seat.level for seat in state.seats):
                return _dismiss(state)
            return _obey_session(state, SessionAction.PAUSE, None, config)


def _dismiss(state: State) -> State:
    """The owner has seen the light for a suspicion, and wants no more of it."""
    return replace(
        state,
        seats=tuple(replace(seat, dismissed=True) if seat.level else seat for seat in state.seats),
    )


def _obey_session(
    state: State, action: SessionAction, minutes: float | None, config: Config
) -> State:
    now = state.session
    remote_stop = config.session.remote_stop
    match action:
        case SessionAction.START:
            if now is Session.FOCUS:
                return refuse(state, "start", "a focus session runs already")
            if now is Session.PAUSED:
                return resume(state)
            if now is Session.BREAK:
                state = happen(state, EventType.BREAK_END)
            return begin_focus(state, config, minutes)
        case SessionAction.BREAK:
            if now is Session.BREAK:
                return refuse(state, "break", "a break runs already")
            if now is not Session.IDLE:
                if not remote_stop:
                    return refuse(state, "break", "hold the button to stop early")
                state = end_focus(unpause(state), config, completed=False, why="break taken")
            return begin_break(state, config, minutes)
        case SessionAction.PAUSE:
            if now is not Session.FOCUS:
                return refuse(state, "pause", "no focus session runs")
            if state.pauses_used >= config.session.pauses:
                return refuse(state, "pause", _used_up(config.session.pauses, "pause"))
            return pause(state, config)
        case SessionAction.RESUME:
            if now is not Session.PAUSED:
                return refuse(state, "resume", "nothing is paused")
            return resume(state)
        case SessionAction.STOP:
            if now is Session.IDLE:
                return refuse(state, "stop", "nothing runs")
            if now is not Session.BREAK and not remote_stop:
                return refuse(state, "stop", "hold the button to stop early")
            return stop(state, config, "command")


def _used_up(allowed: int, what: str) -> str:
    return f"no {what} is left in this session: {allowed} allowed"


def _obey_snooze(state: State, minutes: float | None, config: Config) -> State:
    settings: SessionConfig = config.session
    if state.session is not Session.FOCUS:
        return refuse(state, "snooze", "no focus session runs")
    if state.snoozes_used >= settings.snoozes:
        return refuse(state, "snooze", _used_up(settings.snoozes, "snooze"))
    wanted_min = settings.snooze_min if minutes is None else minutes
    length_min = min(max(wanted_min, 0.1), settings.snooze_min)
    state = replace(
        state,
        snooze_until_s=state.at_s + 60 * length_min,
        snoozes_used=state.snoozes_used + 1,
    )
    left = settings.snoozes - state.snoozes_used
    return happen(state, EventType.SNOOZE, minutes=length_min, left=left)


def _obey_not_a_phone(state: State, name: str | None, config: Config) -> State:
    """Take the owner's word: silence, take the pick-up back, and learn."""
    meant = [
        index
        for index, seat in enumerate(state.seats)
        if seat.activity is Activity.PHONE and name in (None, seat.seat)
    ]
    if not meant:
        return refuse(state, "not_a_phone", "nothing is taken for a phone in hand now")
    for index in meant:
        seat = state.seats[index]
        phone = seat.phone
        details: dict[str, Detail] = {} if phone is None else evidence(phone)
        lasted_s = lasted(seat, state.at_s)
        if config.policy.learn and phone is not None:
            state = _learn(state, seat.seat, phone, config)
        totals = list(state.totals)
        mended = rebooked(
            totals[index], Activity.PHONE, Activity.WORKING, state.at_s - seat.since_s
        )
        totals[index] = replace(mended, pickups=max(0, mended.pickups - 1))
        until_s = state.at_s + config.policy.denied_s
        denied = (*(d for d in state.denied if d[0] != seat.seat), (seat.seat, until_s))
        state = replace(state, totals=tuple(totals), denied=denied)
        calm = replace(
            seat,
            activity=Activity.WORKING,
            since_s=state.at_s,
            pending=None,
            level=Level.NONE,
            level_since_s=state.at_s,
            reason="",
            peak=Level.NONE,
            sound_s=0.0,
            phone_active_s=float("-inf"),
            pickups=max(0, seat.pickups - 1),
        )
        state = with_seat(state, index, calm)
        details |= {"lasted_s": lasted_s, "level": int(seat.peak)}
        state = happen(state, EventType.NOT_A_PHONE, seat.seat, **details)
    return state


def _learn(state: State, seat: str, phone: PhoneSight, config: Config) -> State:
    known = known_at(state, phone.box, seat)
    others = tuple(entry for entry in state.look_alikes if entry is not known)
    if known is None:
        number = max((entry.number for entry in others), default=0) + 1
        entry = LookAlike(number, seat, phone.box, phone.median)
    else:
        entry = replace(
            known,
            box=phone.box,
            median=max(known.median, phone.median),
            times=known.times + 1,
        )
    return replace(state, look_alikes=(*others, entry)[-config.policy.learn_most :])


def _obey_forget(state: State, number: int | None, name: str) -> State:
    if name:
        return happen(state, EventType.FORGET, name=name)
    kept = tuple(k for k in state.look_alikes if number is not None and k.number != number)
    if len(kept) == len(state.look_alikes):
        return refuse(state, "forget", "there is no such entry")
    if number is None:
        state = happen(state, EventType.FORGET, name=DENIED)
    return replace(state, look_alikes=kept)


def _obey_lesson(state: State, command: Teach | MyPhone | Learnt) -> State:
    """What is shown is learnt outside of the state: here it is only said, or refused."""
    match command:
        case Learnt(name, phone, views, why):
            if why:
                return refuse(state, "teach", why)
            return happen(state, EventType.TAUGHT, name=name, phone=phone, views=views)
        case _ if not seeing(state):
            what = "teach" if isinstance(command, Teach) else "my_phone"
            return refuse(state, what, "the camera is closed: start a focus session first")
        case Teach(name, phone, seconds):
            # Whatever is held up now is no reason to nudge anybody.
            until_s = state.at_s + EMPTY_S + seconds
            state = replace(state, denied=tuple((seat.seat, until_s) for seat in state.seats))
            if state.aim_until_s is not None:  # it may have to open first
                aim_until_s = max(state.aim_until_s, until_s + OPENS_S)
                state = replace(state, aim_until_s=aim_until_s)
            return happen(state, EventType.TEACH, name=name, phone=phone, seconds=seconds)
        case MyPhone():
            return happen(state, EventType.MY_PHONE)


def _obey_tune(state: State, tune: str, loud: bool) -> State:
    try:
        tunes.find(tune)
    except tunes.NoTune as exc:
        return refuse(state, "tune", str(exc))
    return replace(state, loud=tune) if loud else replace(state, chirp=tune)


def _obey_test(state: State, part: str, tune: str, config: Config) -> State:
    if part not in PARTS:
        return refuse(state, "test", f"no part {part[:40]!r}; there is {', '.join(PARTS)}")
    if part == "off":
        return replace(state, testing="")
    if part in SOUNDS and (state.muted or state.quiet):
        return refuse(state, "test", "muted" if state.muted else "quiet hours")
    if part in SOUNDS and state.volume * config.ladder(state.mode).volume_cap <= 0:
        return refuse(state, "test", "the volume is 0")
    lasts_s = TEST_S
    if tune:
        try:
            lasts_s = tunes.find(tune).length_s + REST_S
        except tunes.NoTune as exc:
            return refuse(state, "test", str(exc))
    until_s = state.at_s + lasts_s
    return replace(state, testing=part, testing_until_s=until_s, testing_tune=tune)


def _obey_fault(state: State, fault: Fault, broken: bool, text: str) -> State:
    if broken == (fault in state.faults):
        return state
    if broken:
        state = replace(state, faults=state.faults | {fault})
        return happen(state, EventType.FAULT, fault=str(fault), text=text)
    state = replace(state, faults=state.faults - {fault})
    return happen(state, EventType.FAULT_CLEARED, fault=str(fault), text=text)
