"""The page in a real browser, before a real box: what a person does with it, on a phone and a desk.

Screenshots are left in PROCRASTOBOT_SHOTS, where that names a folder, to be looked at. Where the
package axe-playwright-python is installed, its axe-core looks for what shuts people out.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge import settings
from tests.process import Process
from tests.waiting import wait_for

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright (the extra test)")
pytest.importorskip("starlette", reason="needs starlette (the extra page)")
pytest.importorskip("tomlkit", reason="needs tomlkit (the extra page)")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
    pytest.mark.slow,
]
PASSWORD = "a long password"
SIZES = {"phone": (390, 844), "desk": (1280, 800)}
MOST_FIRST_VIEW_BYTES = 60 * 1024


class House:
    """A box with a live camera, and its page, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.config = folder / "config.toml"
        self.config.write_text(
            "# Mine.\n[box]\nname = 'Box of the test' # so it is called\n"
            f"[web]\nenabled = true\nport = {self.port}\n"
            f"[history]\npath = '{folder}/history.db'\n[hardware]\npins = 'simulated'\n"
        )
        self.url = f"http://127.0.0.1:{self.port}"
        self.box = Process(folder / "box.log")
        self.page = Process(folder / "page.log")
        self.box.begin([sys.executable, "-m", "tests.page_box", str(self.config)])
        command = [sys.executable, "-m", "edge", "page", "--config", str(self.config)]
        self.page.begin(command)
        wait_for(lambda: "the code for the first login is" in self.said(), self.said)
        wait_for((folder / "page.socket").exists, self.said)
        self.code = self.said().partition("first login is ")[2].split("\n")[0]

    def said(self) -> str:
        return self.box.log_path.read_text() + self.page.log_path.read_text()

    def close(self) -> None:
        self.page.kill()
        self.box.stop()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Visit:
    """One browser window; what goes wrong in its scripts fails the test."""

    def __init__(self, browser: Any, house: House, size: str) -> None:
        width, height = SIZES[size]
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, bypass_csp=AXE != ""
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.size, self.house = size, house
        self.wrong: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", self._note)

    def _note(self, request: Any) -> None:
        if not request.url.startswith((self.house.url, "data:", "blob:")):
            self.elsewhere.append(request.url)

    def go(self, path: str) -> None:
        self.page.goto(self.house.url + path)

    def enter(self, given: str) -> None:
        self.go("/login")
        self.page.wait_for_function("document.getElementById('what').textContent.length > 2")
        self.page.fill("#given", given)
        self.page.click("text=Log in")
        self.page.wait_for_url(lambda url: "login" not in url)

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))

    def reads(self, selector: str, words: str) -> None:
        sync_api.expect(self.page.locator(selector)).to_contain_text(words, timeout=60_000)

    def shot(self, name: str) -> None:
        """Looked at by axe, and left for a person to look at; nothing sticks out to the side."""
        wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{name} is {wide} px too wide"
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            if AXE:
                self._nobody_is_shut_out(name)
            if folder := os.environ.get("PROCRASTOBOT_SHOTS"):
                Path(folder).mkdir(parents=True, exist_ok=True)
                path = f"{folder}/{name}-{self.size}-{scheme}.png"
                self.page.screenshot(path=path, full_page=True)

    def _nobody_is_shut_out(self, name: str) -> None:
        self.page.evaluate(AXE)
        passed, problems = self.page.evaluate(
            "axe.run({ resultTypes: ['violations'] }).then((found) => [found.passes.length,"
            " found.violations.map((each) => [each.id, each.nodes[0].html])])"
        )
        assert passed, "axe looked at nothing"
        assert problems == [], name

    def close(self) -> None:
        self.context.close()
        assert self.wrong == []
        assert self.elsewhere == [], "everything comes from the box"


def axe() -> str:
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or not found.submodule_search_locations:
        return ""
    return (Path(found.submodule_search_locations[0]) / "axe.min.js").read_text()


AXE = axe()


@pytest.fixture(params=list(SIZES), scope="module")
def visit(request: pytest.FixtureRequest, browser: Any, house: House) -> Iterator[Visit]:
    made = Visit(browser, house, request.param)
    yield made
    made.close()


def test_the_first_run_sets_a_password_and_can_be_left_at_any_step(visit: Visit) -> None:
    page, house = visit.page, visit.house
    first = "Nobody has set a password" in login_words(visit)
    visit.shot("login")
    visit.enter(house.code if first else PASSWORD)
    visit.go("/setup")
    visit.reads("#title", "A password")
    visit.shot("setup-password")
    page.fill("#password-new", "short")
    page.click("#do")
    visit.reads("#faulty", "8 to 256")
    page.fill("#password-new", PASSWORD)
    page.click("#do")
    visit.reads("#title", "Its name")
    page.fill("#s-box\\.id", "not a name!")
    page.click("#do")
    visit.reads("#s-box\\.id-wrong", "does not fit")
    visit.shot("setup-name")
    page.fill("#s-box\\.id", "desk")
    page.click("#do")
    visit.reads("#title", "The camera")
    visit.shot("setup-camera")
    page.click("#skip")
    visit.reads("#title", "Lights, sound")
    page.click("text=Show the lights")
    visit.shot("setup-parts")
    for title in ("Who else", "How hard", "That is all"):
        page.click("#skip")
        visit.reads("#title", title)
    visit.shot("setup-done")
    page.click("#do")
    visit.reads("#session", "")
    page.wait_for_url(lambda url: url.endswith("/"))


def login_words(visit: Visit) -> str:
    visit.go("/login")
    visit.page.wait_for_function("document.getElementById('what').textContent.length > 2")
    return visit.text("#what")


def test_the_camera_is_opened_to_aim_and_closed_again(visit: Visit) -> None:
    stop(visit)
    visit.go("/view")
    visit.reads("#words", "The camera is closed")
    visit.shot("view-closed")
    visit.page.click("#aim")
    visit.reads("#reason", "only to aim")
    visit.reads("#words", "Sees")
    assert brightness(visit) > 20
    visit.shot("view-aiming")
    visit.page.click("#aim")
    visit.reads("#words", "The camera is closed")


def stop(visit: Visit) -> None:
    visit.go("/")
    visit.reads("#connection", "connected")
    button = visit.page.locator("text=Stop")
    if button.is_visible():
        button.click()
    visit.reads("#session", "Nothing runs")


def brightness(visit: Visit) -> float:
    """The mean of the picture's pixels, 0..255."""
    return float(
        visit.page.evaluate(
            """() => {
                const picture = document.getElementById("picture");
                const { width, height } = picture;
                const data = picture.getContext("2d").getImageData(0, 0, width, height).data;
                let sum = 0;
                for (let i = 0; i < data.length; i += 4) sum += data[i];
                return sum / (width * height);
            }"""
        )
    )


def test_a_session_is_started_seen_and_stopped(visit: Visit) -> None:
    stop(visit)
    visit.page.click("text=Focus >> nth=0")
    visit.reads("#session", "Focus")
    visit.reads("#seats", "desk:")
    visit.shot("now")
    visit.go("/view")
    visit.reads("#words", "Sees person")
    visit.shot("view")


def test_seats_and_dock_are_drawn_with_pointer_keys_and_numbers(visit: Visit) -> None:
    page = visit.page
    visit.go("/view")
    page.click("#draw")
    page.click("text=Its dock >> nth=0")
    place = page.locator("#picture").bounding_box()

    def at(y: float, x: float) -> tuple[float, float]:
        return place["x"] + x * place["width"], place["y"] + y * place["height"]

    page.locator("#picture").scroll_into_view_if_needed()
    place = page.locator("#picture").bounding_box()
    if not page.input_value("#left"):
        page.mouse.move(*at(0.7, 0.1))
        page.mouse.down()
        page.mouse.move(*at(0.9, 0.4), steps=5)
        page.mouse.up()
        assert float(page.input_value("#left")) == pytest.approx(10, abs=1)
        assert float(page.input_value("#wide")) == pytest.approx(30, abs=1)
    # Something new for each window.
    left = 11 + list(SIZES).index(visit.size)
    page.fill("#left", str(left))
    page.fill("#top", "70")
    page.fill("#wide", "30")
    page.fill("#tall", "20")
    page.focus("#picture")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    assert (page.input_value("#left"), page.input_value("#tall")) == (str(left + 1), "21")
    visit.shot("drawing")
    page.click("#save")
    visit.reads("#answer", "In force now: seats")
    seat = settings.load(visit.house.config).seats[0]
    assert seat.dock is not None
    assert (seat.dock.xmin, seat.dock.ymax) == (round(left / 100 + 0.01, 2), 0.91)
    assert "# so it is called" in visit.house.config.read_text()
    visit.page.click("#draw")
    page.fill("#targets input:not([type=radio])", "")
    page.click("#save")
    visit.reads("#faulty", "seats[0].name")
    page.click("#leave")


def test_settings_are_found_changed_and_refused_in_the_words_of_check(visit: Visit) -> None:
    page = visit.page
    visit.go("/settings")
    page.fill("#find", "grace")
    hold = "#s-policy\\.phone_hold_s"
    page.fill(hold, "-3")
    page.click("#save")
    visit.reads(f"{hold}-wrong", "must be from 0 to 600")
    assert page.get_attribute(hold, "aria-invalid") == "true"
    visit.shot("settings-wrong")
    # Something new for each window.
    wanted = 2.5 + list(SIZES).index(visit.size) / 10
    page.fill(hold, str(wanted))
    page.click("#save")
    visit.reads("#answer", "In force now: policy.phone_hold_s")
    assert settings.load(visit.house.config).policy.phone_hold_s == wanted
    page.fill("#find", "log_level")
    level = "debug" if settings.load(visit.house.config).box.log_level == "info" else "info"
    page.select_option("#s-box\\.log_level", level)
    page.click("#save")
    visit.reads("#answer", "Saved.")
    page.fill("#find", "")
    visit.shot("settings")


def test_a_first_view_is_small(visit: Visit) -> None:
    sizes: list[int] = []
    seen = lambda answer: sizes.append(len(answer.body()))  # noqa: E731
    visit.page.on("response", seen)
    visit.go("/")
    visit.reads("#connection", "connected")
    visit.page.remove_listener("response", seen)
    assert 0 < sum(sizes) < MOST_FIRST_VIEW_BYTES


def test_logging_out_leaves_nothing_behind(visit: Visit) -> None:
    visit.go("/")
    visit.page.click("#logout")
    visit.reads("h1", "Procrastobot")
    visit.go("/view")
    assert visit.page.url.endswith("/login")
