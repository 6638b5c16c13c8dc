"""What this program raises for a person to read, and the exit code that each of them comes to.

    Trouble                       1   says what is wrong, where, and what would do
        Misconfigured            78   somebody has to change something; systemd does not try again
            ConfigError               settings
                ConfigUnreadable
            ProfileError              devices/profile
            ModelError                vision/manifest
            PinsMissing               devices/pins
            BoardError                devices/board
                BoardBusy         1   another program has the pins now
            Unreadable                toml
        CameraMissing             1   ports; with a source that cannot come back, 78 (app)
        CameraStalled             1   ports
        CannotStart                   app; as given
        Held                      1   lock; another box has its history, 78 (app)
        Unusable                  1   history/store
        LedgerBroken              1   hooks/ledger
        BrokerFailed              1   mqtt/broker
        NoBroker                  1   demo/broker
        UnreadablePicture         1   devices/camera_picture
        NotMade                   1   page/certificate

What ends a run and is no trouble (the end of a film, a signal, a key pressed) is not among them,
nor what is told to the sender of a command.
"""

from __future__ import annotations

EX_CONFIG = 78  # sysexits.h; RestartPreventExitStatus= of the unit


class Trouble(Exception):
    """Something that a person can do something about; its text is for that person."""

    exit_code = 1


class Misconfigured(Trouble):
    """It will be the same at every start until somebody changes something."""

    exit_code = EX_CONFIG
