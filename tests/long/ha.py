"""A real Home Assistant in an environment of its own, driven through its public interfaces."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from tests.process import Process

CLIENT = "http://127.0.0.1/"


def default_environment() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "procrastobot" / "homeassistant"


def make_environment(path: Path, python: str) -> None:
    """Install the newest Home Assistant that `python` runs, unless there is one already."""
    if (path / "bin" / "hass").is_file():
        return
    print(f"installing Home Assistant into {path} (a few minutes)", file=sys.stderr)
    subprocess.run([python, "-m", "venv", str(path)], check=True)
    pip = [str(path / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "homeassistant", "websockets"], check=True)


class Refused(Exception):
    """Home Assistant answered with an error; the text is its own."""


class HomeAssistant(Process):
    """One installation: started, set up once like by its owner, stopped, started again."""

    def __init__(self, environment: Path, directory: Path, port: int, *, extra: str = "") -> None:
        super().__init__(directory / "console.log")
        self._environment = environment
        self._directory = directory
        self._url = f"http://127.0.0.1:{port}"
        self._token = ""
        self._refresh_token = ""
        self._token_until = 0.0
        self._complaints: list[str] = []
        directory.mkdir(exist_ok=True)
        (directory / "configuration.yaml").write_text(
            f"http:\n  server_host: 127.0.0.1\n  server_port: {port}\n"
            "config:\napi:\nwebsocket_api:\nautomation: !include automations.yaml\n" + extra
        )
        (directory / "automations.yaml").touch()

    @property
    def log(self) -> str:
        path = self._directory / "home-assistant.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def version(self) -> str:
        return str(self.call("GET", "/api/config")["version"])

    def start(self, timeout_s: float = 300.0) -> None:
        # It finds its own pip and uv by PATH.
        path = f"{self._environment / 'bin'}:{os.environ['PATH']}"
        process = self.begin(
            [str(self._environment / "bin" / "hass"), "-c", str(self._directory)],
            env={**os.environ, "PATH": path},
        )
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise RuntimeError(f"Home Assistant ended: {self.log[-3000:]}")
            try:
                if self._token or self._refresh_token:
                    if self.call("GET", "/api/config")["state"] == "RUNNING":
                        return
                else:
                    self._request("GET", "/api/onboarding")
                    return
            except (urllib.error.URLError, OSError, Refused):
                pass
            time.sleep(0.25)
        raise RuntimeError(f"Home Assistant did not start: {self.log[-3000:]}")

    def stop(self, patience_s: float = 60.0) -> None:
        if self.process is not None:
            self._complaints += self._complaints_of_this_run()  # the next start begins a new log
        with contextlib.suppress(subprocess.TimeoutExpired):  # slow to end is no fault of ours
            super().stop(patience_s)

    def set_up(self) -> None:
        """Make the owner's account, as the first visit in a browser does."""
        answer = self._request(
            "POST",
            "/api/onboarding/users",
            {
                "client_id": CLIENT,
                "name": "owner",
                "username": "owner",
                "password": "for this check only",
                "language": "en",
            },
        )
        self._grant({"grant_type": "authorization_code", "code": answer["auth_code"]})
        for step in ("core_config", "analytics"):
            self.call("POST", f"/api/onboarding/{step}", {})

    def connect_mqtt(self, port: int) -> None:
        """Add the MQTT integration, as in its dialogue."""
        flow = self.call("POST", "/api/config/config_entries/flow", {"handler": "mqtt"})
        answers: dict[str, Any] = {"broker": "127.0.0.1", "port": port}
        if any(field["name"] == "other_settings" for field in flow["data_schema"]):
            # A part of the form since 2026, with its "no TLS" filled in.
            answers["other_settings"] = {"set_client_cert": False, "set_ca_cert": "off"}
        done = self.call("POST", f"/api/config/config_entries/flow/{flow['flow_id']}", answers)
        if done.get("type") != "create_entry":
            raise Refused(json.dumps(done))

    def states(self) -> dict[str, dict[str, Any]]:
        return {state["entity_id"]: state for state in self.call("GET", "/api/states")}

    def service(self, domain: str, name: str, **data: Any) -> None:
        self.call("POST", f"/api/services/{domain}/{name}", data)

    def render(self, template: str) -> str:
        return str(self._ask("POST", "/api/template", {"template": template}))

    def automation(self, name: str, definition: dict[str, Any]) -> None:
        self.call("POST", f"/api/config/automation/config/{name}", definition)

    def ask(self, **message: Any) -> Any:
        """One question over the WebSocket interface."""
        from websockets.sync.client import connect

        with connect(self._url.replace("http", "ws") + "/api/websocket", max_size=None) as socket:
            socket.recv()
            socket.send(json.dumps({"type": "auth", "access_token": self._bearer()}))
            socket.recv()
            socket.send(json.dumps({"id": 1, **message}))
            answer = json.loads(socket.recv())
        if not answer.get("success"):
            raise Refused(json.dumps(answer))
        return answer["result"]

    def complaints(self) -> list[str]:
        """What all its runs have logged of MQTT, entities, automations or blueprints that are
        wrong; that a broker is away is no complaint."""
        return [*self._complaints, *self._complaints_of_this_run()]

    def _complaints_of_this_run(self) -> list[str]:
        about = re.compile(
            r" (WARNING|ERROR) .*\[homeassistant\."
            r"(components\.(mqtt|automation|blueprint|device_automation)|helpers)"
        )
        away = re.compile(
            r"Error returned from MQTT server: The connection|Failed to connect to MQTT"
            r"|Error talking to MQTT: The client is not currently connected"
        )
        return [
            line for line in self.log.splitlines() if about.search(line) and not away.search(line)
        ]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        return self._ask(method, path, body)

    def _ask(self, method: str, path: str, body: Any) -> Any:
        return self._request(method, path, body, {"Authorization": f"Bearer {self._bearer()}"})

    def _bearer(self) -> str:
        if time.monotonic() > self._token_until:
            self._grant({"grant_type": "refresh_token", "refresh_token": self._refresh_token})
        return self._token

    def _grant(self, fields: dict[str, str]) -> None:
        data = urllib.parse.urlencode({"client_id": CLIENT, **fields}).encode()
        with urllib.request.urlopen(f"{self._url}/auth/token", data, timeout=20) as answer:
            given = json.load(answer)
        self._token = given["access_token"]
        self._refresh_token = given.get("refresh_token", self._refresh_token)
        self._token_until = time.monotonic() + given["expires_in"] / 2

    def _request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._url + path,
            data,
            {"Content-Type": "application/json", **(headers or {})},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as exc:
            raise Refused(f"{method} {path}: {exc.code} {exc.read().decode()[:500]}") from exc
        try:
            return json.loads(text)
        except ValueError:
            return text
