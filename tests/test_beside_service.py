"""The commands typed at a box where the service is installed: as root, and as somebody else."""

from __future__ import annotations

import importlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge import files, service, settings
from edge.__main__ import COMMANDS, main
from edge.commands.selftest import Verdict, examine
from edge.config import Config
from edge.lock import Lock
from edge.mqtt import credentials
from edge.state_dir import state_dir
from edge.telling import history_path
from tests.broker import Mosquitto, find_mosquitto

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")


class Installed:
    """What install.sh leaves: a configuration, state and secrets that others may not look at."""

    def __init__(self, folder: Path) -> None:
        self.configuration = folder / "etc" / "config.toml"
        self.state = folder / "state"
        self.secrets = folder / "credstore"
        for each in (self.configuration.parent, self.state, self.secrets):
            each.mkdir(mode=0o700)
        self.configuration.write_text("[nudge]\nmode = 'strict'\n")
        self.configuration.chmod(0o640)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    made = Installed(folder)
    monkeypatch.setattr(service, "DEFAULT_PATH", made.configuration)
    monkeypatch.setattr(settings, "DEFAULT_PATH", made.configuration)
    monkeypatch.setattr(service, "STATE", made.state)
    monkeypatch.setattr(service, "CREDENTIALS", made.secrets)
    for name in ("STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "PROCRASTOBOT_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    yield made
    shutil.rmtree(folder)


@contextmanager
def somebody_else() -> Iterator[None]:
    # The interpreter's own files may be out of somebody else's reach.
    for name in ("history.report", "checkup", "app"):
        importlib.import_module(f"edge.{name}")
    for name in COMMANDS:
        importlib.import_module(f"edge.commands.{name}")
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@needs_root
@pytest.mark.parametrize(
    "argv",
    [["check"], ["check", "--show"], ["report"], ["report", "--week"], ["selftest"], ["run"]],
    ids=" ".join,
)
def test_who_may_not_look_is_told_in_one_line_which_sudo_is_missing(
    installed: Installed, argv: list[str], capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/local/bin/procrastobot", *argv])
    with somebody_else():
        code = main(argv)
    said = capsys.readouterr().err
    assert code == 78
    assert said.count("\n") == 1
    assert said.startswith(f"{installed.configuration}: cannot be read: Permission denied")
    assert said.rstrip().endswith(f"procrastobot {argv[0]}")
    assert "; only root and the service may: sudo " in said


@needs_root
def test_a_history_that_may_not_be_read_is_said_the_same_way(
    installed: Installed, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    argv = ["report", "--history", str(installed.state / "history.db")]
    monkeypatch.setattr("sys.argv", ["procrastobot", *argv])
    with somebody_else():
        code = main(argv)
    assert code == 1
    assert "sudo " in capsys.readouterr().err


def test_beside_the_service_state_is_the_services(installed: Installed, tmp_path: Path) -> None:
    config = settings.load(settings.find())
    assert config.nudge.mode == "strict"
    path = settings.find()
    assert history_path(config, path) == installed.state / "history.db"
    findings = list(examine(config, ("disk",), None, path))
    assert [each.verdict for each in findings] == [Verdict.OK]
    assert str(installed.state) in findings[0].text
    own = tmp_path / "my.toml"
    assert history_path(config, own) == state_dir() / "history.db", "another box than the service"


def test_within_the_service_nothing_changes(
    installed: Installed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    assert state_dir(installed.configuration) == tmp_path
    assert not service.is_of(installed.configuration)


def test_secrets_are_read_where_the_service_gets_them_from(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    (installed.secrets / "procrastobot.mqtt-password").write_text("hush\n")
    (installed.secrets / "others.password").write_text("no\n")
    with service.credentials(installed.configuration):
        given = Path(os.environ["CREDENTIALS_DIRECTORY"])
        assert [path.name for path in given.iterdir()] == ["mqtt-password"]
        assert (given / "mqtt-password").read_text() == "hush\n"
    assert "CREDENTIALS_DIRECTORY" not in os.environ
    assert not given.exists()
    with service.credentials(Path("/elsewhere/my.toml")):
        assert "CREDENTIALS_DIRECTORY" not in os.environ


@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
def test_the_selftest_takes_the_services_password_to_the_broker(
    installed: Installed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "box", "hush"], check=True)
    broker = Mosquitto(tmp_path, f"password_file {passwords}")
    broker.start()
    try:
        installed.configuration.write_text(
            f"[mqtt]\nhost = '127.0.0.1'\nport = {broker.port}\nusername = 'box'\n"
        )
        assert main(["selftest", "--yes", "--only", "broker"]) == 1
        assert "does not authorize" in capsys.readouterr().out
        (installed.secrets / "procrastobot.mqtt-password").write_text("hush\n")
        assert main(["selftest", "--yes", "--only", "broker"]) == 0
        assert "it takes our connection" in capsys.readouterr().out
    finally:
        broker.stop()


@needs_root
def test_root_asks_for_the_service_whether_it_may(
    installed: Installed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "USER", "nobody")
    installed.state.chmod(0o755)
    secret = installed.state / "password"
    secret.write_text("hush")
    secret.chmod(0o600)
    installed.configuration.write_text(f"[mqtt]\npassword_file = '{secret}'\n")
    assert main(["check"]) == 78
    assert "may not be read by the service" in capsys.readouterr().err
    secret.chmod(0o644)
    assert main(["check"]) == 0
    installed.configuration.write_text("[history]\npath = '/tmp/history.db'\n")
    assert main(["check"]) == 78
    assert "the service may write to" in capsys.readouterr().err
    installed.configuration.write_text("[web]\nenabled = true\nport = 80\n")
    assert main(["check"]) == 0, "it is systemd that listens for the page"
    installed.configuration.write_text("[broker]\nenabled = true\nport = 80\n")
    assert main(["check"]) == 78
    assert "ports below 1024 are for root" in capsys.readouterr().err


@needs_root
def test_where_root_cannot_become_the_service_it_answers_for_itself(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def confined(_: list[int]) -> None:
        raise PermissionError("no CAP_SETGID in this unit")

    monkeypatch.setattr(service, "USER", "nobody")
    assert not service.may(installed.state, os.W_OK, beside=True)
    monkeypatch.setattr(os, "setgroups", confined)
    assert service.may(installed.state, os.W_OK, beside=True)


def in_a_child(act: Callable[[], int], folder: Path) -> tuple[int, str]:
    """Exit code and what was said: who becomes somebody else does so for good."""
    said = folder / "said"
    child = os.fork()
    if child == 0:
        code = 99
        try:
            number = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
            os.dup2(number, 1)
            os.dup2(number, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            code = act()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), said.read_text()


@pytest.fixture
def as_nobody(installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's user is one that there is everywhere."""
    monkeypatch.setattr(service, "USER", pwd.getpwuid(NOBODY).pw_name)
    monkeypatch.setattr(service, "RUNTIME", tmp_path / "run")
    os.chown(installed.state, NOBODY, NOBODY)
    scratch = installed.state.parent / "tmp"
    scratch.mkdir()
    scratch.chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    for each in (installed.configuration.parent, installed.configuration):
        os.chown(each, 0, NOBODY)
        each.chmod(0o770)
    with somebody_else():  # imports what may be out of its reach
        pass


@needs_root
@pytest.mark.usefixtures("as_nobody")
def test_root_who_runs_the_box_beside_the_service_is_the_service(
    installed: Installed, tmp_path: Path
) -> None:
    (installed.secrets / "procrastobot.mqtt-password").write_text("hush\n")

    def act() -> int:
        with service.acting(installed.configuration):
            print(os.getresuid() == (NOBODY,) * 3, state_dir() == installed.state)
            print(credentials.password(Config()))
            (state_dir() / "written").write_text("by the service")
            given = Path(os.environ["CREDENTIALS_DIRECTORY"])
        print(given.exists(), os.access(installed.secrets, os.R_OK))
        return 0

    code, said = in_a_child(act, tmp_path)
    assert (code, said.splitlines()) == (0, ["True True", "hush", "False False"])
    assert (installed.state / "written").stat().st_uid == NOBODY
    assert (tmp_path / "run").stat().st_uid == NOBODY


@needs_root
@pytest.mark.usefixtures("as_nobody")
def test_root_who_runs_the_box_serves_its_page_at_port_80_and_may_nothing_else(
    installed: Installed, tmp_path: Path
) -> None:
    def act() -> int:
        with service.acting(installed.configuration):
            socket.create_server(("127.0.0.93", 80)).close()
            return subprocess.run(["/bin/cat", "/proc/self/status"], cwd="/").returncode

    code, said = in_a_child(act, tmp_path)
    assert code == 0, said
    given = dict(line.split(":\t") for line in said.splitlines() if line.startswith("Cap"))
    assert {given[name] for name in ("CapEff", "CapPrm", "CapAmb")} == {f"{1 << 10:016x}"}


@needs_root
@pytest.mark.usefixtures("as_nobody")
def test_beside_a_service_that_runs_no_second_box_does(
    installed: Installed, tmp_path: Path
) -> None:
    installed.configuration.write_text("[camera]\nsource = 'rtsp://127.0.0.1:9/none'\n")
    lock = Lock(installed.state / "history.db")
    os.chown(installed.state / "history.db.lock", NOBODY, NOBODY)
    code, said = in_a_child(lambda: main(["run"]), tmp_path)
    lock.close()
    assert f"another Procrastobot (process {os.getpid()}) runs with the same history" in said
    assert code == 78


def test_elsewhere_nobody_becomes_anybody(installed: Installed, tmp_path: Path) -> None:
    before = (dict(os.environ), os.getresuid())
    with service.acting(tmp_path / "my.toml"):
        assert (dict(os.environ), os.getresuid()) == before


@needs_root
def test_what_root_writes_whole_belongs_to_whom_the_folder_belongs(tmp_path: Path) -> None:
    os.chown(tmp_path, NOBODY, NOBODY)
    with files.whole(tmp_path / "a") as unfinished:
        unfinished.write_text("x")
    with files.whole(tmp_path / "b") as unfinished:
        unfinished.write_text("x")
        os.chown(unfinished, 0, 12)
    owners = [(each.stat().st_uid, each.stat().st_gid) for each in sorted(tmp_path.iterdir())]
    assert owners == [(NOBODY, NOBODY), (0, 12)]


def test_what_is_shown_beside_the_service_is_shown_to_the_service(
    installed: Installed, capsys: pytest.CaptureFixture[str]
) -> None:
    (installed.state / "taught-another.npz").write_bytes(b"x")
    assert main(["teach", "--list"]) == 0
    assert "taught-another.npz: shown to another model" in capsys.readouterr().out


def test_who_acts_as_the_service_is_it_as_its_unit_says() -> None:
    unit = (Path(__file__).parent.parent / "deploy" / "procrastobot.service").read_text()
    assert f"SupplementaryGroups={' '.join(service.GROUPS)}\n" in unit
    assert f"Environment=PROCRASTOBOT_BROKER=%t/{service.BROKER.name}\n" in unit
    assert service.BROKER.parent == service.RUNTIME.parent == Path("/run")
