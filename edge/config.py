"""The tree of settings: each with its default, unit, range and one line of help.

`settings.py` reads a TOML file into it, and renders the example file and the reference from it.
A setting's unit is the end of its name. Nothing here reads files or knows of devices.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from typing import Any

from edge.domain import WHOLE_PICTURE, Box

# What settings were once called, and are called now; empty: no longer needed. A box whose
# configuration is older than its program says so, and works.
OLD_NAMES: dict[str, str] = {
    "model.second_look_every": "",
    "observe.phone_floor": "",
    "observe.track_iou": "",
    "observe.parked_s": "",
    "observe.still": "",
    "observe.rest_s": "",
}

# A name or an address, as one gives it to a resolver: no kind in front, no port, no user.
HOST = r"[^\s/@?#\\\[\]:]*|[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?"


def setting(
    default: Any = MISSING,
    help_text: str = "",
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | tuple[int, ...] = (),
    secret: bool = False,
    pattern: str = "",
    factory: Any = MISSING,
    key: str = "",
) -> Any:
    """Declare one setting. `low` and `high` are inclusive; `pattern` is a full-match regex; `key`
    is its name in the file, where that is another.

    For a tuple the bounds hold for each of its members. A `secret` is never printed.
    """
    metadata = {
        "help": help_text,
        "low": low,
        "high": high,
        "choices": choices,
        "secret": secret,
        "pattern": pattern,
        "key": key,
    }
    if factory is not MISSING:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxConfig:
    """The box itself."""

    id: str = setting(
        "desk",
        "Tells boxes apart on one broker; letters, digits, - and _.",
        pattern=r"[A-Za-z0-9_-]{1,32}",
    )
    name: str = setting("Procrastobot", "How the box calls itself, e.g. in Home Assistant.")
    place: str = setting("", "The room where it stands; Home Assistant puts it there.")
    timezone: str = setting(
        "",
        "Where days begin and quiet hours are meant, as Europe/Vienna; empty: as on this machine.",
    )
    updates: str = setting(
        "",
        "Notice of the newest version: a file, or an http(s) address that is asked once a day;"
        " empty: nobody is asked.",
    )
    log_level: str = setting(
        "info", "How much is logged.", choices=("debug", "info", "warning", "error")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraConfig:
    """Where pictures come from."""

    source: str = setting(
        "auto",
        "auto (Pi camera, else webcam), picamera2, webcam, a device (/dev/video0), a video file, a"
        " folder of pictures, or an rtsp:// or http:// address, of a stream or of one picture.",
    )
    width_px: int = setting(
        1280,
        "Width asked of the camera. The detector looks at the whole picture reduced, and closely at"
        " parts of it as they are: the more pixels, the smaller a phone it knows.",
        low=160,
        high=2592,
    )
    height_px: int = setting(960, "Height asked of the camera.", low=120, high=1944)
    fps: float = setting(10.0, "Frames per second asked of the camera.", low=1, high=30)
    rotate_deg: int = setting(0, "Turn the picture by so many degrees.", choices=(0, 180))
    timeout_s: float = setting(
        5.0,
        "No frame for this long: the camera is taken for lost. A stream has twice as long for its"
        " first.",
        low=1,
        high=60,
    )
    realtime: bool = setting(
        True, "Replay a file at its own pace; false: as fast as it can be judged."
    )
    picture_s: float = setting(
        4.0,
        "How long each picture of a folder stays on, in the folder's own time.",
        low=0.01,
        high=60,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The detector."""

    name: str = setting("", "A model of the manifest: normal, fast; empty: the manifest's default.")
    manifest: str = setting("", "Another manifest.toml; empty: the one that came with the program.")
    threads: int = setting(2, "Threads of the runtime.", low=1, high=8)
    second_look: bool = setting(
        True,
        "Look closely at whoever sits there and at what may be a phone, not only at the whole.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatConfig:
    """One seat: the part of the picture that belongs to one person, edges 0..1."""

    name: str = setting("desk", "Name of the seat.", pattern=r"[A-Za-z0-9_ -]{1,32}")
    box: Box = setting(WHOLE_PICTURE, "The seat: [top, left, bottom, right].", low=0, high=1)
    dock: Box | None = setting(
        None, "Where the phone has to lie in focus: [top, left, bottom, right].", low=0, high=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveConfig:
    """When something that was detected is believed."""

    phone_confirm: float = setting(
        0.0,
        "What the recent looks say together, as a score, that confirms a phone, which is enough for"
        " a light; 0: the model's own threshold.",
        low=0,
        high=1,
    )
    phone_sure: float = setting(
        0.4,
        "A sound takes a score higher by this share of what that one lacks to 1: as it comes, 0.5.",
        low=0,
        high=0.9,
    )
    person_floor: float = setting(
        0.0, "A person scored below this is ignored; 0: the model's own threshold.", low=0, high=1
    )
    window_s: float = setting(1.5, "Recent frames: those of this long.", low=0.3, high=10)
    confirm_frames: int = setting(
        3, "A phone is confirmed by at least so many frames.", low=2, high=30
    )
    forget_s: float = setting(1.0, "A phone not seen for this long is gone.", low=0.2, high=30)
    remember_s: float = setting(
        60.0, "A parked phone that is not seen is remembered this long.", low=0, high=3600
    )
    raised: float = setting(
        0.75,
        "The part of a person, from the top, in front of which a phone is raised.",
        low=0,
        high=1,
    )
    dark: float = setting(0.04, "Brightness below this is darkness.", low=0, high=1)
    covered_detail: float = setting(
        0.004, "Detail below this, and not dark: the lens is covered.", low=0, high=1
    )
    glare: float = setting(0.6, "Share of saturated pixels that blinds the camera.", low=0, high=1)
    frozen_frames: int = setting(
        20, "So many identical frames from a live camera: frozen; 0: never.", low=0, high=1000
    )
    moved: float = setting(
        0.5, "Share of the scene that changed for good: the camera was moved.", low=0, high=1
    )
    cut: float = setting(
        1.0,
        "Share of the picture that changes when a film goes on elsewhere; 1: it is no film.",
        low=0.1,
        high=1,
    )
    view_hold_s: float = setting(2.0, "A lost view is believed after this.", low=0, high=60)
    gate: bool = setting(True, "Run the detector only when something in the picture changed.")
    gate_change: float = setting(
        0.002, "Share of the picture that has to change for a look.", low=0, high=1
    )
    gate_calm_s: float = setting(
        0.2,
        "No phone about: look at changes at most this often. A pick-up is noticed at most this much"
        " later.",
        low=0,
        high=2,
    )
    gate_longest_s: float = setting(2.0, "Look at least this often all the same.", low=0.1, high=60)

    @property
    def fewest_fps(self) -> float:
        """A camera of fewer frames a second never has enough of them to confirm a phone."""
        return (self.confirm_frames - 1) / self.window_s


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyConfig:
    """When a change of activity is believed."""

    phone_hold_s: float = setting(
        1.5, "Grace: phone in use this long: distracted.", low=0, high=600
    )
    putdown_hold_s: float = setting(
        2.0, "Phone no longer in use for this long: put down.", low=0, high=60
    )
    fresh_s: float = setting(
        0.5, "Sound stops when the phone's use was last seen so long ago.", low=0.1, high=10
    )
    away_hold_s: float = setting(20.0, "Seat empty this long: away.", low=1, high=600)
    return_hold_s: float = setting(2.0, "Back at the seat this long: working.", low=0, high=60)
    away_grace_s: float = setting(
        120.0, "Away for longer than this in focus: light.", low=0, high=3600
    )
    dock_hold_s: float = setting(
        10.0,
        "Dock without a phone for this long while somebody sits there: light.",
        low=1,
        high=600,
    )
    unsure_grace_s: float = setting(
        10.0, "The view lost for longer than this in focus: light.", low=0, high=3600
    )
    learn: bool = setting(True, 'Learn from "that was not a phone".')
    learn_most: int = setting(32, "At most so many such things are remembered.", low=1, high=500)
    learn_step: float = setting(
        0.1, "How much surer of a phone the box must be there, each time.", low=0, high=0.5
    )
    denied_s: float = setting(
        60.0, '"That was not a phone": no alarm at this seat for so long.', low=0, high=3600
    )
    follow: str = setting("", "Seat that light and sound follow; empty: the worst one.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """Focus and breaks."""

    autostart: bool = setting(False, "Start a focus session when the box starts.")
    focus_min: float = setting(25.0, "Length of a focus session.", low=0.1, high=240)
    break_min: float = setting(5.0, "Length of a break.", low=0.1, high=120)
    long_break_min: float = setting(15.0, "Length of a long break.", low=0.1, high=240)
    long_break_every: int = setting(
        4, "A long break after so many focus sessions; 0: never.", low=0, high=20
    )
    auto_break: bool = setting(True, "A break starts by itself when the focus session is over.")
    auto_focus: bool = setting(False, "The next focus session starts by itself after a break.")
    pause_max_min: float = setting(10.0, "A pause ends by itself after this.", low=0.1, high=240)
    pauses: int = setting(2, "Pauses in one focus session.", low=0, high=20)
    snooze_min: float = setting(5.0, "Length of a snooze.", low=0.1, high=60)
    snoozes: int = setting(2, "Snoozes in one focus session.", low=0, high=20)
    remote_stop: bool = setting(
        True, "Allow stopping early by MQTT and page; the held button always stops."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderConfig:
    """One mode: how long after a believed pick-up each level comes; negative: never.

    Counted from the moment the phone is believed to be in use, so the grace of
    `policy.phone_hold_s` comes before."""

    light_after_s: float = setting(0.0, "Light.", low=-1, high=3600)
    sound_after_s: float = setting(10.0, "A soft chirp now and then.", low=-1, high=3600)
    loud_after_s: float = setting(40.0, "Loud.", low=-1, high=3600)
    volume_cap: float = setting(0.6, "No sound is ever louder than this.", low=0, high=1)
    brightness: float = setting(0.5, "How bright the lights get.", low=0, high=1)
    repeat_s: float = setting(6.0, "From one chirp to the next.", low=0.5, high=600)
    loud_repeat_s: float = setting(2.0, "The same when loud.", low=0.5, high=600)


GENTLE = LadderConfig()
STRICT = LadderConfig(
    sound_after_s=3.0,
    loud_after_s=12.0,
    volume_cap=1.0,
    brightness=0.8,
    repeat_s=3.0,
    loud_repeat_s=1.0,
)
LIGHT_ONLY = LadderConfig(sound_after_s=-1.0, loud_after_s=-1.0, volume_cap=0.0)
PRESETS: dict[str, LadderConfig] = {"gentle": GENTLE, "strict": STRICT, "light-only": LIGHT_ONLY}


# What chirps and what is loud where nothing else is wanted: names of `tunes.LIBRARY`.
CHIRP, LOUD = "two-up", "three-knocks"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardConfig:
    """A card with a number, held up before the camera: a focus session of so many minutes."""

    enabled: bool = setting(
        False,
        "While nothing runs, the held button opens the camera, with a light on, to read one.",
    )
    open_s: float = setting(20.0, "For so long.", low=5, high=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class NudgeConfig:
    """How hard the box nudges."""

    mode: str = setting("gentle", "gentle, strict, light-only, or a mode of your own.")
    volume: float = setting(1.0, "Share of the mode's volume cap to begin with.", low=0, high=1)
    quiet_from: str = setting(
        "", "Quiet hours begin, e.g. 22:00; empty: none.", pattern=r"|([01]\d|2[0-3]):[0-5]\d"
    )
    quiet_to: str = setting("", "Quiet hours end, e.g. 07:00.", pattern=r"|([01]\d|2[0-3]):[0-5]\d")
    longest_sound_s: float = setting(
        60.0, "After so much sound in one pick-up, only light remains.", low=1, high=600
    )
    chirp: str = setting(
        CHIRP,
        "The tune of the soft chirp: a name of the library (`procrastobot selftest --play list`),"
        " one written out in RTTTL, or a file: of RTTTL, or of sound for a board with a speaker.",
    )
    loud: str = setting(LOUD, "The tune when it is loud; the same.")
    reward: bool = setting(True, "A light for a clean session.")


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareConfig:
    """Lights, buzzer, button."""

    board: str = setting(
        "auto", "Board profile of hardware/, a path to one, or auto: by the machine it runs on."
    )
    pins: str = setting(
        "auto", "auto: real pins where there are any.", choices=("auto", "real", "simulated")
    )
    long_press_s: float = setting(2.0, "A button held this long is a long press.", low=0.5, high=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttConfig:
    """A broker to publish to."""

    host: str = setting(
        "",
        "Host name or address of the broker, without mqtt:// and port; empty: no broker.",
        pattern=HOST,
    )
    port: int = setting(0, "Port; 0: 1883, or 8883 with TLS.", low=0, high=65535)
    username: str = setting(
        "", "User name; empty: the systemd credential mqtt-username, where there is one."
    )
    password: str = setting("", "Password; better: password_file.", secret=True)
    password_file: str = setting(
        "",
        "File with the password; empty: the systemd credential mqtt-password, where there is one.",
    )
    tls: bool = setting(False, "Encrypt the connection.")
    ca_file: str = setting(
        "",
        "Certificate authority of the broker; empty: the systemd credential mqtt-ca, else those"
        " that the system trusts.",
    )
    cert_file: str = setting(
        "", "Client certificate; empty: the systemd credential mqtt-cert, where there is one."
    )
    key_file: str = setting(
        "", "Its key; empty: the systemd credential mqtt-key, where there is one."
    )
    allow_plaintext: bool = setting(
        False, "Say nothing about an unencrypted connection to a broker on another machine."
    )
    base_topic: str = setting(
        "procrastobot", "First part of all topics.", pattern=r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*"
    )
    discovery: bool = setting(True, "Announce the box to Home Assistant.")
    discovery_prefix: str = setting(
        "homeassistant",
        "Home Assistant's discovery prefix.",
        pattern=r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*",
    )
    volume_max: float = setting(
        1.0, "No command by MQTT sets the volume above this.", low=0, high=1
    )
    keepalive_s: int = setting(
        20, "Longest silence before the broker gives up on us.", low=5, high=600
    )
    health_s: float = setting(30.0, "How often health is published.", low=5, high=3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """The broker in the box (mosquitto), for those who have none."""

    enabled: bool = setting(False, "Run a broker in the box; mosquitto has to be installed.")
    host: str = setting(
        "127.0.0.1",
        "Address to listen on; 0.0.0.0: the whole network. Beyond this machine it takes a password,"
        " and without one it stays on 127.0.0.1.",
        # One word of mosquitto's configuration.
        pattern=r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?",
    )
    port: int = setting(1883, "Port to listen on; 0: a free one.", low=0, high=65535)
    username: str = setting(
        "procrastobot",
        "User name for those who come from other machines; letters, digits, - and _.",
        pattern=r"[A-Za-z0-9_-]{1,64}",
    )
    password: str = setting("", "Their password; better: password_file.", secret=True)
    password_file: str = setting(
        "", "File with the password; empty: the one that the installer made, where there is one."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryConfig:
    """What the box remembers, on its own card only."""

    enabled: bool = setting(True, "Keep a history of events and totals.")
    path: str = setting(
        "", "The database; empty: in the state directory (systemd's, else the user's own)."
    )
    keep_days: int = setting(
        365,
        "Older events are deleted: when so long has passed by a clock that a time server keeps.",
        low=1,
        high=3650,
    )
    outbox_max: int = setting(
        10000, "At most so many events wait for the broker.", low=100, high=1000000
    )
    outbox_days: int = setting(7, "Events wait for the broker at most this long.", low=1, high=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """The page: what the box is doing and sees, the last days, controls, settings."""

    enabled: bool = setting(False, "Answer the page, and have it served when somebody comes.")
    host: str = setting(
        "127.0.0.1",
        "Address to listen on; 0.0.0.0: the whole network.",
        pattern=HOST,
    )
    port: int = setting(8080, "Port to listen on.", low=0, high=65535)
    password: str = setting(
        "", "Password as text; better: set one in the page, which keeps a hash only.", secret=True
    )
    cert_file: str = setting("", "Certificate for https, with its chain; empty: plain http.")
    key_file: str = setting("", "Its key.")


HOOK_EVENTS = ("pickup", "clean_session", "broken_streak")
PLEDGE_DELAY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HookConfig:
    """Whom to tell of what happens: an address is called, a command run, or somebody notified."""

    name: str = setting(
        "hook",
        "Tells hooks apart, also in what was sent already; letters, digits, - and _.",
        pattern=r"[A-Za-z0-9_-]{1,32}",
    )
    on: str = setting(
        "pickup",
        "A believed pick-up, a completed session without one, or a session that ended a streak.",
        choices=HOOK_EVENTS,
    )
    address: str = setting("", "http:// or https:// address to which the event is sent (POST).")
    command: str = setting(
        "",
        "A program with its arguments, as in a shell but without one; it reads the event as JSON.",
    )
    notify: str = setting(
        "",
        "An address of Apprise, as ntfy://topic; needs Apprise (`apt install apprise`).",
        secret=True,
    )
    delay_s: float = setting(
        0.0,
        'Wait so long before; "not a phone" takes it back meanwhile.',
        low=0,
        high=3600,
    )
    pledge: bool = setting(
        False,
        "It costs something: a pick-up must have been sure enough for a sound, delay_s is 60 at"
        " least, and daily_most must be given.",
    )
    daily_most: int = setting(0, "At most so often a day; 0: no limit.", low=0, high=1000)
    tries: int = setting(5, "Tried at most so often, at growing intervals.", low=1, high=20)
    timeout_s: float = setting(10.0, "What does not end in this time is ended.", low=1, high=120)
    loopback: bool = setting(
        False, "The address may be of this machine itself, which is refused otherwise."
    )

    @property
    def waits_s(self) -> float:
        return max(self.delay_s, PLEDGE_DELAY_S) if self.pledge else self.delay_s


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentConfig:
    """Does it help? Every focus session is drawn at random to one of two ways of nudging, and
    `report` says what difference that made."""

    enabled: bool = setting(False, "Draw each focus session.")
    name: str = setting(
        "first",
        "Sessions of one name are compared; another name begins anew.",
        pattern=r"[A-Za-z0-9_-]{1,32}",
    )
    compare: str = setting(
        "sound",
        "sound: with sound, as the mode has it, or light only; dock: the phone has to lie in its"
        " dock, or need not; mode: the two modes below.",
        choices=("sound", "dock", "mode"),
    )
    mode_a: str = setting("gentle", "The one mode.")
    mode_b: str = setting("strict", "The other.")
    sessions: int = setting(
        60,
        "The result is told after so many: looking again and again until it pleases finds"
        " differences where there are none.",
        low=30,
        high=2000,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyConfig:
    """Pictures never leave the box and never touch its disk unless you turn this on."""

    save_pictures: bool = setting(
        False, "Keep a picture of each pick-up and of each 'that was not a phone' on the card."
    )
    pictures_path: str = setting("", "Where; empty: in the state directory.")
    keep_pictures: int = setting(100, "At most so many; the oldest go first.", low=1, high=10000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings."""

    box: BoxConfig = field(default_factory=BoxConfig)
    camera: CameraConfig = field(default_factory=CameraConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    seats: tuple[SeatConfig, ...] = field(
        default_factory=lambda: (SeatConfig(),), metadata={"least": 1}
    )
    observe: ObserveConfig = field(default_factory=ObserveConfig)
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    session: SessionConfig = field(default_factory=SessionConfig)
    card: CardConfig = field(default_factory=CardConfig)
    nudge: NudgeConfig = field(default_factory=NudgeConfig)
    modes: dict[str, LadderConfig] = field(default_factory=lambda: dict(PRESETS))
    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    mqtt: MqttConfig = field(default_factory=MqttConfig)
    broker: BrokerConfig = field(default_factory=BrokerConfig)
    history: HistoryConfig = field(default_factory=HistoryConfig)
    web: WebConfig = field(default_factory=WebConfig)
    experiment: ExperimentConfig = field(default_factory=ExperimentConfig)
    hooks: tuple[HookConfig, ...] = field(default=(), metadata={"most": 16})
    privacy: PrivacyConfig = field(default_factory=PrivacyConfig)

    def ladder(self, mode: str) -> LadderConfig:
        """The ladder of a mode; that of a mode which no longer exists is the gentle one."""
        return self.modes.get(mode, GENTLE)
