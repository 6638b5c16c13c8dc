"""Settings left on the boot partition, as the image takes them over (deploy/image)."""

from __future__ import annotations

import ctypes
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge import settings

ROOT = Path(__file__).resolve().parent.parent
TAKE = ROOT / "deploy/image/overlay/usr/lib/procrastobot/take-settings"


# What is set here is not to be this machine's.
OWN_HOST_NAME = ["unshare", "--uts", *([] if os.geteuid() == 0 else ["--map-root-user"])]
pytestmark = pytest.mark.skipif(
    subprocess.run([*OWN_HOST_NAME, "true"], capture_output=True).returncode != 0,
    reason="needs root, or name spaces for users",
)


class Card:
    def __init__(self, folder: Path) -> None:
        names = ("boot", "etc", "cred", "iwd", "ssh")
        self.boot, self.etc, self.secrets, self.networks, self.ssh = (
            folder / name for name in names
        )
        for each in (self.boot, self.etc, self.secrets, self.networks, self.ssh):
            each.mkdir()
        (folder / "zones" / "Europe").mkdir(parents=True)
        (folder / "zones" / "Europe" / "Berlin").write_bytes(b"TZif2")
        self.localtime = folder / "run" / "localtime"
        self.program = folder / "procrastobot"
        self.program.write_text(f'#!/bin/sh\ncd "{ROOT}"\nexec {sys.executable} -m edge "$@"\n')
        self.program.chmod(0o755)

    def take(self) -> str:
        done = subprocess.run(
            [*OWN_HOST_NAME, sys.executable, "-I", TAKE],
            env={
                **os.environ,
                "PROCRASTOBOT_BOOT": str(self.boot),
                "PROCRASTOBOT_ETC": str(self.etc),
                "PROCRASTOBOT_CREDSTORE": str(self.secrets),
                "PROCRASTOBOT_PROGRAM": str(self.program),
                "PROCRASTOBOT_NETWORKS": str(self.networks),
                "PROCRASTOBOT_SSH": str(self.ssh),
                "PROCRASTOBOT_ZONES": str(self.boot.parent / "zones"),
                "PROCRASTOBOT_LOCALTIME": str(self.localtime),
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    def left(self) -> list[str]:
        return sorted(path.name for path in self.boot.iterdir())


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path)


def test_a_good_configuration_is_taken_over_and_gone_from_the_card(card: Card) -> None:
    (card.boot / "procrastobot.toml").write_bytes(b"\xef\xbb\xbf[nudge]\r\nmode = 'strict'\r\n")
    (card.boot / "config.txt").write_text("arm_64bit=1\n")
    card.take()
    assert settings.load(card.etc / "config.toml").nudge.mode == "strict"
    assert card.left() == ["config.txt"]


def test_a_faulty_one_stays_with_the_reason_beside_it_and_the_old_one_in_force(card: Card) -> None:
    (card.etc / "config.toml").write_text("[nudge]\nmode = 'gentle'\n")
    (card.boot / "procrastobot.toml").write_text("[nudge]\nmoed = 'strict'\n")
    said = card.take()
    assert card.left() == ["procrastobot-faults.txt", "procrastobot.toml"]
    faults = (card.boot / "procrastobot-faults.txt").read_text()
    assert "did you mean nudge.mode?" in faults
    assert str(card.etc) not in faults, "the owner's file is named, not a copy of it"
    assert "procrastobot-faults.txt says why" in said
    assert settings.load(card.etc / "config.toml").nudge.mode == "gentle"
    assert sorted(path.name for path in card.etc.iterdir()) == ["config.toml"]
    (card.boot / "procrastobot.toml").write_text("[nudge]\nmode = 'strict'\n")
    card.take()
    assert card.left() == []


def test_secrets_go_where_only_root_reads_and_are_overwritten_on_the_card(card: Card) -> None:
    written = card.boot / "mqtt-password.txt"
    written.write_text("hush\r\n")
    # A second name keeps the bytes in view after the file is gone, as a reader of the card would.
    os.link(written, card.boot / "the-same-bytes")
    said = card.take()
    secret = card.secrets / "procrastobot.mqtt-password"
    assert secret.read_text() == "hush\n"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert card.left() == ["the-same-bytes"]
    assert b"hush" not in (card.boot / "the-same-bytes").read_bytes()
    assert "hush" not in said


OPEN = '[broker]\nenabled = true\nhost = "0.0.0.0"\n'


def test_a_broker_that_is_open_to_the_network_gets_a_password_that_is_said_once(card: Card) -> None:
    (card.boot / "procrastobot.toml").write_text(OPEN)
    said = card.take()
    kept = card.secrets / "procrastobot.broker-password"
    password = kept.read_text().strip()
    assert len(password) >= 16
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert card.left() == ["procrastobot-broker.txt"]
    assert f"password {password}\n" in (card.boot / "procrastobot-broker.txt").read_text()
    assert password not in said
    card.take()
    assert card.left() == []
    assert kept.read_text().strip() == password


@pytest.mark.parametrize(
    "text",
    ["", "[broker]\nenabled = true\n", '[broker]\nhost = "0.0.0.0"\n', OPEN + 'password = "own"\n'],
)
def test_where_none_is_needed_none_is_made(card: Card, text: str) -> None:
    (card.boot / "procrastobot.toml").write_text(text)
    card.take()
    assert card.left() == []
    assert list(card.secrets.iterdir()) == []


def test_a_password_of_ones_own_for_the_broker_is_taken(card: Card) -> None:
    (card.boot / "procrastobot.toml").write_text(OPEN)
    (card.boot / "broker-password.txt").write_text("mine\n")
    card.take()
    assert (card.secrets / "procrastobot.broker-password").read_text() == "mine\n"
    assert card.left() == []


@pytest.mark.parametrize("name", ["", "-box", "a b", "x" * 64, "box;reboot", "b\u00f6x"])
def test_what_is_no_host_name_stays(card: Card, name: str) -> None:
    (card.boot / "hostname.txt").write_text(name, encoding="utf-8")
    card.take()
    assert card.left() == ["hostname.txt", "procrastobot-faults.txt"]
    assert list(card.etc.iterdir()) == []


def test_a_file_that_is_far_too_large_stays(card: Card) -> None:
    (card.boot / "mqtt-ca.txt").write_bytes(b"x" * (256 * 1024 + 1))
    card.take()
    assert card.left() == ["mqtt-ca.txt", "procrastobot-faults.txt"]


def test_a_card_without_settings_changes_nothing(card: Card) -> None:
    (card.boot / "cmdline.txt").write_text("root=LABEL=root\n")
    card.take()
    assert card.left() == ["cmdline.txt"]
    assert list(card.etc.iterdir()) == []


WIFI = """\
# home
country = de
network = Home
password = correct horse = battery
network = Café "Zwei"
password = back\\slash\\ and more
hidden = yes
network = open one
"""


def test_networks_are_taken_over_as_iwd_reads_them(card: Card) -> None:
    written = card.boot / "procrastobot-wifi.txt"
    written.write_text(WIFI, encoding="utf-8")
    os.link(written, card.boot / "the-same-bytes")
    said = card.take()
    assert card.left() == ["the-same-bytes"]
    assert b"horse" not in (card.boot / "the-same-bytes").read_bytes()
    assert "horse" not in said
    found = {path.name: path.read_text() for path in card.networks.iterdir()}
    hidden = "=" + 'Café "Zwei"'.encode().hex() + ".psk"
    assert found == {
        "Home.psk": "[Security]\nPassphrase=correct horse = battery\n",
        hidden: "[Security]\nPassphrase=back\\\\slash\\\\ and more\n[Settings]\nHidden=true\n",
        "open one.open": "",
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in card.networks.iterdir()} == {0o600}
    assert (card.etc / "wifi-country").read_text() == "DE\n"


def test_iwds_own_reader_gives_the_password_back(card: Card) -> None:
    """iwd reads its files with ell (l_settings); backslashes and a blank in front are special."""
    try:
        ell = ctypes.CDLL("libell.so.0")
    except OSError:
        pytest.skip("needs libell.so.0 (package libell0)")
    ell.l_settings_new.restype = ell.l_settings_get_string.restype = ctypes.c_void_p
    ell.l_settings_load_from_file.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    ell.l_settings_load_from_file.restype = ctypes.c_bool
    ell.l_settings_get_string.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]
    for password in ("plain and long", "a\\\\b\\s = [#;\"'", " blank in front", r"\s\n\\8 and 9"):
        quoted = password.replace("\\", "\\\\").replace('"', '\\"')
        (card.boot / "rpi-preseed.toml").write_text(
            f'config_version = "1.0"\n[wlan]\nssid = "Home"\npassword = "{quoted}"\n'
        )
        card.take()
        settings_of = ell.l_settings_new()
        assert ell.l_settings_load_from_file(settings_of, bytes(card.networks / "Home.psk"))
        found = ell.l_settings_get_string(settings_of, b"Security", b"Passphrase")
        assert ctypes.string_at(found).decode() == password


def test_a_network_that_is_given_a_password_is_open_no_more(card: Card) -> None:
    for text in ("network = Home\n", "network = Home\npassword = 12345678\n"):
        (card.boot / "procrastobot-wifi.txt").write_text(text)
        card.take()
    assert [path.name for path in card.networks.iterdir()] == ["Home.psk"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "names no network", id="empty"),
        pytest.param("password = 12345678\n", "line 1: first of all comes", id="no name"),
        pytest.param("network = Home\npasword = 1\n", "line 2: network, password", id="misspelt"),
        pytest.param("network = Home\npassword = short\n", "8 to 63", id="too short"),
        pytest.param(
            "network = Home\npassword = \u00e4\u00f6\u00fc\u00df1234\n", "ASCII", id="umlauts"
        ),
        pytest.param("network = Home\npassword = tab\tin the middle\n", "printable", id="tab"),
        pytest.param(f"network = {'x' * 33}\n", "1 to 32 bytes", id="long name"),
        pytest.param("network = Home\ncountry = Germany\n", "two letters", id="country"),
    ],
)
def test_networks_that_cannot_be_used_stay_with_the_reason(
    card: Card, text: str, reason: str
) -> None:
    (card.boot / "procrastobot-wifi.txt").write_text(text, encoding="utf-8")
    card.take()
    assert card.left() == ["procrastobot-faults.txt", "procrastobot-wifi.txt"]
    assert reason in (card.boot / "procrastobot-faults.txt").read_text()
    assert list(card.networks.iterdir()) == []


def test_a_name_in_another_encoding_is_refused_not_guessed(card: Card) -> None:
    (card.boot / "procrastobot-wifi.txt").write_bytes("network = Caf\u00e9".encode("latin-1"))
    card.take()
    assert "UTF-8" in (card.boot / "procrastobot-faults.txt").read_text()
    assert list(card.networks.iterdir()) == []


def test_an_image_without_wifi_says_so(card: Card) -> None:
    card.networks.rmdir()
    (card.boot / "procrastobot-wifi.txt").write_text("network = Home\n")
    card.take()
    assert "no Wi-Fi" in (card.boot / "procrastobot-faults.txt").read_text()


# As Raspberry Pi Imager 2 writes it (init_format rpi-preseed).
PRESEED = """\
config_version = "1.0"

[system]
hostname = "focus"

[user]
name = "alice"
password = "$5$salt$hash"
password_encrypted = true

[ssh]
enabled = true
password_authentication = false
authorized_keys = [
  "ssh-ed25519 AAAA alice@laptop",
]

[wlan]
ssid = "Home"
password = "KEY"
password_encrypted = true
hidden = false
country = "GB"

[locale]
keymap = "gb"
timezone = "Europe/Berlin"
""".replace("KEY", "0aB1" * 16)


def test_what_imager_asked_for_is_taken_over(card: Card) -> None:
    (card.boot / "rpi-preseed.toml").write_text(PRESEED)
    said = card.take()
    assert (card.etc / "hostname").read_text() == "focus\n"
    assert (card.networks / "Home.psk").read_text() == f"[Security]\nPreSharedKey={'0ab1' * 16}\n"
    assert (card.etc / "wifi-country").read_text() == "GB\n"
    assert (card.ssh / "procrastobot_keys").read_text() == "ssh-ed25519 AAAA alice@laptop\n"
    assert os.readlink(card.localtime).endswith("/zones/Europe/Berlin")
    # The account's password is in no file of the box, and the card has it no more.
    assert card.left() == ["procrastobot-faults.txt"]
    faults = (card.boot / "procrastobot-faults.txt").read_text()
    assert "[user] is not for this box and was left out" in faults
    assert "hash" not in faults + said


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(('"1.0"', '"2.0"'), "version '2.0'", id="another version"),
        pytest.param(("Europe/Berlin", "../../etc/shadow"), "no time zone", id="no zone"),
        pytest.param(('"focus"', '"a b"'), "no host name", id="no name"),
        pytest.param(('"Home"', "[1"), "no TOML", id="damaged"),
        pytest.param(("ssid =", "ssid_hex ="), "ssid_hex", id="no hex"),
    ],
)
def test_what_imager_cannot_have_written_stays(
    card: Card, change: tuple[str, str], reason: str
) -> None:
    (card.boot / "rpi-preseed.toml").write_text(PRESEED.replace(*change))
    card.take()
    assert card.left() == ["procrastobot-faults.txt", "rpi-preseed.toml"]
    assert reason in (card.boot / "procrastobot-faults.txt").read_text()
    assert not (card.ssh / "procrastobot_keys").exists()


def test_ssh_without_a_key_stays_closed_and_says_so(card: Card) -> None:
    text = 'config_version = "1.0"\n[ssh]\nenabled = true\npassword_authentication = true\n'
    (card.boot / "rpi-preseed.toml").write_text(text)
    card.take()
    assert not (card.ssh / "procrastobot_keys").exists()
    assert "opens to keys only" in (card.boot / "procrastobot-faults.txt").read_text()


def test_one_faulty_file_keeps_no_other_from_being_taken(card: Card) -> None:
    (card.boot / "procrastobot-wifi.txt").write_text("network = Home\npassword = short\n")
    (card.boot / "hostname.txt").write_text("focus\n")
    card.take()
    assert card.left() == ["procrastobot-faults.txt", "procrastobot-wifi.txt"]
    assert (card.etc / "hostname").read_text() == "focus\n"


def test_name_and_zone_are_in_force_at_every_start(card: Card) -> None:
    (card.boot / "rpi-preseed.toml").write_text(PRESEED)
    card.take()
    card.localtime.unlink()
    card.take()
    assert os.readlink(card.localtime).endswith("/zones/Europe/Berlin")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("procrastobot.toml.txt", "config.toml"),
        ("Procrastobot.toml", "config.toml"),
        ("PROCRASTOBOT.TOML", "config.toml"),
        ("procrastobot.txt", "config.toml"),
        ("procrastobot", "config.toml"),
        ("procrastobot.toml.txt.txt", "config.toml"),
        (" procrastobot.toml ", "config.toml"),
        ("hostname", "hostname"),
        ("hostname.txt.txt", "hostname"),
        ("Hostname.TXT", "hostname"),
        ("hostname.toml", "hostname"),
        ("mqtt-password", "procrastobot.mqtt-password"),
        ("mqtt_password.txt", "procrastobot.mqtt-password"),
        ("MQTT Password.txt", "procrastobot.mqtt-password"),
        ("mqtt\u2013username.txt", "procrastobot.mqtt-username"),
        ("procrastobot_wifi.txt", "Home.psk"),
        ("procrastobot-wifi.txt.txt", "Home.psk"),
        ("board.toml.txt", "board.toml"),
        ("rpi-preseed.toml.txt", "hostname"),
        ("wpa_supplicant.conf", "Home.psk"),
        ("wpa_supplicant.conf.txt", "Home.psk"),
        ("WPA_Supplicant.conf", "Home.psk"),
    ],
)
def test_a_name_that_is_unmistakable_is_taken(card: Card, name: str, meant: str) -> None:
    content = {
        "config.toml": "[nudge]\nmode = 'strict'\n",
        "hostname": "desk-box\n",
        "board.toml": "[buzzer]\npin = 4\n",
        "Home.psk": "network = Home\npassword = correct horse\n",
    }.get(meant, "one\n")
    if "wpa" in name.lower():
        content = 'network={\n ssid="Home"\n psk="correct horse"\n}\n'
    if "preseed" in name:
        content = 'config_version = "1.0"\n[system]\nhostname = "desk-box"\n'
    (card.boot / name).write_text(content, encoding="utf-8")
    said = card.take()
    taken = [
        path.name for each in (card.etc, card.secrets, card.networks) for path in each.iterdir()
    ]
    assert taken == [meant]
    assert card.left() == []
    assert f"{name} is taken over as " in said or name == "wpa_supplicant.conf"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("procrastobot-wifi.rtf", "save it as plain text, under the name procrastobot-wifi.txt"),
        ("procrastobot.toml.rtf", "save it as plain text, under the name procrastobot.toml"),
        ("hostname.docx", "save it as plain text, under the name hostname.txt"),
        ("procrastobot (1).toml", "is it procrastobot.toml?"),
        ("procrastobot - Copy.toml", "there are rpi-preseed.toml"),
        ("procrastobot.example (1).toml", "is it procrastobot.toml?"),
        ("procastobot.toml", "is it procrastobot.toml?"),
        ("procrastobot.json", "is it procrastobot.toml?"),
        ("mqtt-passwort.txt", "is it mqtt-password.txt?"),
        ("mqtt-port.txt", "there are rpi-preseed.toml"),
        ("mqttpassword.txt", "is it mqtt-password.txt?"),
        ("hostnam.txt", "is it hostname.txt?"),
        ("wifi.txt", "a network goes into procrastobot-wifi.txt"),
        ("config.toml", "are read from procrastobot.toml"),
        ("ssh", "ssh opens to keys only"),
        ("ssh.txt", "ssh opens to keys only"),
        ("authorized_keys", "goes into [ssh] authorized_keys of rpi-preseed.toml"),
        ("authorized_keys.pub", "goes into [ssh] authorized_keys of rpi-preseed.toml"),
        ("id_ed25519.pub", "goes into [ssh] authorized_keys of rpi-preseed.toml"),
        ("timezone.txt", "goes into [locale] timezone of rpi-preseed.toml"),
        ("userconf.txt", "there is no login with a password"),
        ("custom.toml", "a newer one writes rpi-preseed.toml"),
        ("firstrun.sh", "is not run here"),
        ("update.txt.txt", "is it update.txt?"),
    ],
)
def test_a_name_that_is_nearly_right_is_named_and_stays(card: Card, name: str, words: str) -> None:
    (card.boot / name).write_text("x\n")
    card.take()
    assert card.left() == sorted([name, "procrastobot-faults.txt"])
    faults = (card.boot / "procrastobot-faults.txt").read_text()
    assert faults.startswith(f"{name}: ")
    assert words in faults
    assert list(card.etc.iterdir()) == []


@pytest.mark.parametrize("name", ["procrastobot.toml", "procrastobot.rtfd", "hostname.txt"])
def test_a_folder_by_the_name_of_a_file_is_named(card: Card, name: str) -> None:
    (card.boot / name).mkdir()
    card.take()
    faults = (card.boot / "procrastobot-faults.txt").read_text()
    assert faults == f"{name}: is a folder; a file is read here\n"


def test_what_belongs_on_a_boot_partition_is_not_named(card: Card) -> None:
    names = [
        "config.txt",
        "cmdline.txt",
        "bootcode.bin",
        "start4.elf",
        "fixup4.dat",
        "kernel8.img",
        "initramfs8",
        "issue.txt",
        "LICENCE.broadcom",
        "bcm2711-rpi-4-b.dtb",
        "autoboot.txt",
        "tryboot.txt",
        "README.txt",
        "os_config.json",
        "procrastobot.example.toml",
        "procrastobot.update",
        "update-failed.txt",
        ".DS_Store",
        "._procrastobot.toml",
        "~$procrastobot.docx",
        "user-data",
        "meta-data",
        "network-config",
        "vmlinuz",
    ]
    for name in names:
        (card.boot / name).write_text("x")
    (card.boot / "System Volume Information").mkdir()
    (card.boot / "procrastobot").mkdir()
    card.take()
    assert "procrastobot-faults.txt" not in card.left()


def test_of_two_for_the_same_the_exact_one_counts_else_neither(card: Card) -> None:
    (card.boot / "hostname.txt").write_text("right\n")
    (card.boot / "hostname").write_text("wrong\n")
    (card.boot / "procrastobot.toml.txt").write_text("[nudge]\nmode = 'strict'\n")
    (card.boot / "procrastobot.txt").write_text("[nudge]\nmode = 'gentle'\n")
    card.take()
    assert (card.etc / "hostname").read_text() == "right\n"
    assert not (card.etc / "config.toml").exists()
    left = ["hostname", "procrastobot-faults.txt", "procrastobot.toml.txt", "procrastobot.txt"]
    assert card.left() == left
    faults = (card.boot / "procrastobot-faults.txt").read_text()
    assert "hostname: there is hostname.txt too; one of them, as hostname.txt" in faults
    assert "procrastobot.txt: there is procrastobot.toml.txt too" in faults


def test_the_same_faults_are_not_written_anew_at_every_start(card: Card) -> None:
    (card.boot / "ssh").write_text("")
    card.take()
    answer = card.boot / "procrastobot-faults.txt"
    os.utime(answer, ns=(0, 0))
    card.take()
    assert answer.stat().st_mtime_ns == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{\\rtf1\\ansi network = Home}", "no plain text but a document"),
        (b"PK\x03\x04", "no plain text but a document"),
        (b"\xff\xfea", "begins as a text in UTF-16"),
        (b"network = Home\xff", "no text in UTF-8"),
    ],
)
def test_a_document_under_a_right_name_is_called_one(
    card: Card, content: bytes, words: str
) -> None:
    (card.boot / "procrastobot-wifi.txt").write_bytes(content)
    card.take()
    assert words in (card.boot / "procrastobot-faults.txt").read_text()
    assert list(card.networks.iterdir()) == []


def test_a_text_of_windows_in_utf_16_is_read(card: Card) -> None:
    text = "network = Café\r\npassword = correct horse\r\n"
    (card.boot / "procrastobot-wifi.txt").write_bytes(text.encode("utf-16"))
    card.take()
    assert [path.name for path in card.networks.iterdir()] == ["=436166c3a9.psk"]


SUPPLICANT = """\
ctrl_interface=DIR=/var/run/wpa_supplicant GROUP=netdev
update_config=1
country=de
# mine
network={
    ssid="Home"
    psk="correct = horse"
    key_mgmt=WPA-PSK
    scan_ssid=1
}
network={
    ssid=436166c3a9
    psk=%s
}
network={
    ssid="guests"
    key_mgmt=NONE
}
""" % ("0aB1" * 16)


def test_a_wpa_supplicant_conf_is_taken_over(card: Card) -> None:
    (card.boot / "wpa_supplicant.conf").write_text(SUPPLICANT)
    card.take()
    found = {path.name: path.read_text() for path in card.networks.iterdir()}
    assert found == {
        "Home.psk": "[Security]\nPassphrase=correct = horse\n[Settings]\nHidden=true\n",
        "=436166c3a9.psk": f"[Security]\nPreSharedKey={'0ab1' * 16}\n",
        "guests.open": "",
    }
    assert (card.etc / "wifi-country").read_text() == "DE\n"
    assert card.left() == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no whole network"),
        ("network={\n ssid='x'", "no whole network"),
        ("network={ ssid='x' }\n", "line 1 is not understood"),
        ('network={\nssid="x"\npsk=geheim99\n}', "no psk="),
        ('network={\nssid="x"\n}', "not clear whether a network has a password"),
        ('network={\nssid="x"\nkey_mgmt=WPA-EAP\n}', "wants more than a password"),
        ('network={\nssid="x"\nkey_mgmt=NONE\nwep_key0=abcde\n}', "wants more than a password"),
        ("network={\npsk=geheim99\n}", "has no ssid"),
        ("network={\nblob\n}", "line 2 is not understood"),
    ],
)
def test_a_wpa_supplicant_conf_that_is_not_understood_stays(
    card: Card, text: str, words: str
) -> None:
    (card.boot / "wpa_supplicant.conf").write_text(text)
    card.take()
    assert card.left() == ["procrastobot-faults.txt", "wpa_supplicant.conf"]
    faults = (card.boot / "procrastobot-faults.txt").read_text()
    assert words in faults
    assert "geheim99" not in faults
    assert list(card.networks.iterdir()) == []


def test_a_board_that_would_stop_the_box_is_not_taken(card: Card) -> None:
    (card.boot / "board.toml").write_text("[buzzer]\npin = 99\n")
    card.take()
    assert card.left() == ["board.toml", "procrastobot-faults.txt"]
    faults = (card.boot / "procrastobot-faults.txt").read_text()
    assert "buzzer.pin" in faults
    assert str(card.etc) not in faults
    assert list(card.etc.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("mqtt-ca.txt", "secret", "is not in PEM"),
        ("mqtt-password.txt", "", "one line of text"),
        ("mqtt-password.txt", "two\nlines", "one line of text"),
    ],
)
def test_a_secret_that_cannot_be_one_stays(card: Card, name, content, words) -> None:
    (card.boot / name).write_text(content)
    card.take()
    assert words in (card.boot / "procrastobot-faults.txt").read_text()
    assert list(card.secrets.iterdir()) == []


def test_what_is_to_be_known_of_a_good_configuration_is_said(card: Card) -> None:
    text = "[camera]\nsource = '/dev/no-such-camera'\n"
    (card.boot / "procrastobot.toml").write_text(text)
    card.take()
    assert settings.load(card.etc / "config.toml").camera.source == "/dev/no-such-camera"
    faults = (card.boot / "procrastobot-faults.txt").read_text()
    assert "there is no /dev/no-such-camera" in faults
    assert card.left() == ["procrastobot-faults.txt"]


def test_a_data_partition_that_is_full_keeps_the_name_in_force(card: Card) -> None:
    (card.etc / "hostname").write_text("focus\n")
    (card.boot / "mqtt-password.txt").write_text("hush\n")
    card.secrets.rmdir()
    said = card.take()
    assert "cannot be taken over now" in said
    assert card.left() == ["mqtt-password.txt", "procrastobot-faults.txt"]


def test_the_card_explains_every_file_that_it_takes() -> None:
    readme = (ROOT / "deploy/image/boot/README.txt").read_text()
    spoken = {line.split()[0] for line in readme.splitlines() if line.startswith("  ")}
    source = TAKE.read_text()
    assert spoken == {name for name in spoken if name.removesuffix(".txt") in source}
    assert {"mqtt-password.txt", "procrastobot-wifi.txt"} <= spoken
