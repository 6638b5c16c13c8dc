"""The page in a real browser, before a real box: what a person does with it, on a phone and a desk.

Screenshots are left in PROCRASTOBOT_SHOTS, where that names a folder, to be looked at. Where the
package axe-playwright-python is installed, its axe-core looks for what shuts people out.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge import __version__, settings
from tests.certificates import has_openssl
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
MOST_MOVED = 0.1  # what web.dev calls a good layout shift
MOVED = """
window.moved = 0;
new PerformanceObserver((list) => {
  for (const each of list.getEntries()) if (!each.hadRecentInput) window.moved += each.value;
}).observe({ type: "layout-shift", buffered: true });
"""
A_SECOND = "new Promise((done) => setTimeout(done, 1000))"  # what comes later moves nothing


class House:
    """A box with a live camera, and its page, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.config = folder / "config.toml"
        self.notice = folder / "latest.json"
        notice = {
            "version": "99.0",
            "notes": "Sees better.\nAnd more.",
            "url": "https://a.example/",
        }
        self.notice.write_text(json.dumps(notice))
        self.config.write_text(
            "# Mine.\n[box]\nname = 'Box of the test' # so it is called\n"
            f"updates = '{self.notice}'\n"
            f"[web]\nenabled = true\nport = {self.port}\n"
            f"[history]\npath = '{folder}/history.db'\n[hardware]\npins = 'simulated'\n"
        )
        self.url = f"http://127.0.0.1:{self.port}"
        self.box = Process(folder / "box.log")
        self.page = Process(folder / "page.log")
        # What it is shown is kept there, and not where the owner of this machine has a box.
        home = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
        self.box.begin([sys.executable, "-m", "tests.page_box", str(self.config)], env=home)
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

    def __init__(
        self, browser: Any, house: House, size: str, *, language: str = "en", strict: bool = False
    ) -> None:
        """strict: the rules of the page for scripts and styles hold, and axe cannot look"""
        width, height = SIZES[size]
        self.context = browser.new_context(
            viewport={"width": width, "height": height},
            bypass_csp=not strict,
            locale=language,
            timezone_id="Asia/Tokyo",
            accept_downloads=True,
        )
        self.strict = strict
        self.page = self.context.new_page()
        self.page.add_init_script(MOVED)
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
        self.asked()
        self.page.fill("#given", given)
        self.page.click("form button")
        self.page.wait_for_url(lambda url: "login" not in url)

    def asked(self) -> str:
        """What the login says that it wants."""
        sync_api.expect(self.page.locator("#what")).to_contain_text("o", timeout=60_000)
        return self.text("#what")

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))

    def reads(self, selector: str, words: str) -> None:
        sync_api.expect(self.page.locator(selector)).to_contain_text(words, timeout=60_000)

    def shot(self, name: str) -> None:
        """Looked at by axe, and left for a person to look at; nothing sticks out to the side."""
        wide = self.page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{name} is {wide} px too wide"
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            if AXE and not self.strict:
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
    visit.go("/login")
    first = "Nobody has set a password" in visit.asked()
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
    visit.reads("#title", "Its name, its place and its time")
    assert re.search(r"Its clock says \d{4}-.*, [+−]\d\d(:\d\d)? h from", visit.text("#body"))
    page.fill("#s-box\\.id", "not a name!")
    page.fill("#s-box\\.timezone", "Europe/Nowhere")
    page.click("#do")
    visit.reads("#s-box\\.id-wrong", "does not fit")
    visit.shot("setup-name")
    page.fill("#s-box\\.id", "desk")
    page.click("#do")
    visit.reads("#s-box\\.timezone-wrong", "no such time zone")
    page.fill("#s-box\\.place", "study")
    page.click("text=Take Asia/Tokyo")
    page.click("#do")
    visit.reads("#title", "The camera")
    visit.shot("setup-camera")
    page.click("#skip")
    visit.reads("#title", "Your phone")
    visit.shot("setup-phone")
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
    config = settings.load(house.config)
    assert (config.box.place, config.box.timezone) == ("study", "Asia/Tokyo")


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


def test_a_hook_is_added_refused_changed_and_taken_out(visit: Visit) -> None:
    page, config = visit.page, visit.house.config
    visit.go("/settings")
    page.click("#add")
    page.fill("#s-hooks\\[0\\]\\.name", "stereo")
    page.fill("#s-hooks\\[0\\]\\.address", "http://127.0.0.1/play")
    page.click("#save")
    visit.reads("#s-hooks\\[0\\]\\.address-wrong", "this machine")
    assert page.is_disabled("#s-hooks\\[0\\]\\.command")
    visit.shot("hook-wrong")
    page.fill("#s-hooks\\[0\\]\\.address", "https://music.example/play")
    page.select_option("#s-hooks\\[0\\]\\.on", "broken_streak")
    page.click("#save")
    visit.reads("#answer", "hooks.")  # after the next start, as what was changed before
    assert [(each.name, each.on) for each in settings.load(config).hooks] == [
        ("stereo", "broken_streak")
    ]
    page.click("summary:has-text('stereo')")
    page.fill("#s-hooks\\[0\\]\\.daily_most", "3")
    visit.shot("hook")
    page.click("#save")
    wait_for(lambda: settings.load(config).hooks[0].daily_most == 3, visit.house.said)
    sync_api.expect(page.locator("#bar")).to_be_hidden()
    page.click("summary:has-text('stereo')")
    page.click("text=Take it out")
    page.click("#save")
    wait_for(lambda: settings.load(config).hooks == (), visit.house.said)
    sync_api.expect(page.locator("#hooks details")).to_have_count(0)
    assert config.read_text().startswith("# Mine.\n"), "comments stay"


def test_a_phone_is_shown_listed_taken_along_and_forgotten(visit: Visit) -> None:
    page = visit.page
    stop(visit)
    forget_all(visit)
    visit.reads("#connection", "connected")
    assert page.input_value("#name") == "my phone"
    visit.shot("teach-before")
    # A lesson has its time, and does not wait for a busy machine: what is said is written down.
    page.evaluate(WRITE_DOWN)
    # The clip holds a phone up and puts it down: that is a view at least, but for a lesson in the
    # half of a minute in which nobody holds anything.
    for _ in range(3):
        page.click("#begin")
        sync_api.expect(page.locator("#live")).to_be_visible(timeout=60_000)
        page.wait_for_function("() => most > 0 || at('live').hidden", timeout=120_000)
        if page.evaluate("most > 0"):
            break
    visit.shot("teach")
    assert brightness(visit) > 20
    sync_api.expect(page.locator("#answer")).to_contain_text("Learnt: my phone", timeout=120_000)
    assert any("turn it slowly" in each for each in page.evaluate("() => [...phases]"))
    visit.reads("#things", "my phone: a phone")
    visit.reads("#advice", "no phone: a wallet")
    sync_api.expect(page.locator("#live")).to_be_hidden()
    visit.shot("teach-after")
    with page.expect_download() as coming:
        page.click("#export")
    body = coming.value.path().read_bytes()
    assert (coming.value.suggested_filename[:7], body[:2]) == ("taught-", b"PK")
    forget(visit)
    # The camera was opened for it, and is closed again.
    visit.go("/view")
    visit.reads("#words", "The camera is closed")


WRITE_DOWN = """() => {
    window.phases = new Set();
    window.most = 0;
    new MutationObserver(() => {
        phases.add(at("phase").textContent);
        most = Math.max(most, Number(at("ring").getAttribute("aria-valuenow")));
    }).observe(at("live"), { subtree: true, childList: true, attributes: true });
}"""


def forget_all(visit: Visit) -> None:
    """Of a test that did not come to its end."""
    visit.go("/teach")
    visit.page.evaluate(
        """async () => {
            for (const { name } of (await ask("/api/taught")).things)
                await tell("forget", JSON.stringify({ name }));
        }"""
    )
    sync_api.expect(visit.page.locator("#nothing")).to_be_visible(timeout=60_000)


def forget(visit: Visit) -> None:
    visit.page.click("text=Forget")
    visit.page.click("text=Really forget it?")
    sync_api.expect(visit.page.locator("#nothing")).to_be_visible(timeout=60_000)


def test_what_was_missed_is_said_in_a_session_and_answered(visit: Visit) -> None:
    forget_all(visit)
    stop(visit)
    visit.page.click("text=Focus >> nth=0")
    visit.reads("#session", "Focus")
    button = visit.page.locator("text=That was my phone")
    sync_api.expect(button).to_be_visible(timeout=120_000)
    button.click()
    # What was seen of one in the last seconds, or that there was nothing.
    told = re.compile("Learnt: my phone|nothing like a phone was seen")
    sync_api.expect(visit.page.locator("#answer")).to_contain_text(told, timeout=60_000)
    learnt = "Learnt" in visit.text("#answer")
    stop(visit)
    if learnt:
        visit.go("/teach")
        visit.reads("#things", "my phone: a phone")
        forget(visit)


def test_what_is_no_phone_is_said_listed_and_forgotten(visit: Visit) -> None:
    page = visit.page
    stop(visit)
    page.click("text=Focus >> nth=0")
    button = page.locator("text=That was not a phone")
    learnt = page.locator("#learnt-section")

    def said() -> bool:
        """The clip goes on: when it is pressed, the phone may be down again, and what is said of
        that goes with the next state. Then it is pressed once more."""
        sync_api.expect(button).to_be_visible(timeout=120_000)
        button.click()
        try:
            sync_api.expect(learnt).to_be_visible(timeout=15_000)
        except AssertionError:
            return False
        return True

    wait_for(said)
    visit.shot("not-a-phone")
    page.click("#learnt >> text=Forget")
    sync_api.expect(learnt).to_be_hidden(timeout=60_000)
    stop(visit)


def test_the_past_is_looked_at_taken_along_and_erased(visit: Visit) -> None:
    page = visit.page
    stop(visit)
    visit.go("/history")
    visit.reads("#connection", "connected")
    page.click("summary >> text=The list")
    visit.reads("main", "A focus session began.")
    visit.shot("history")
    page.click("text=Seven days")
    page.wait_for_url("**/history?first=*")
    visit.reads("main", "In short")
    visit.shot("history-week")
    with page.expect_download() as coming:
        page.click("text=Events (CSV)")
    assert "session_start" in coming.value.path().read_text()
    page.click("text=Today")
    page.click("text=Erase this day")
    visit.shot("history-erase")
    page.click("text=Really erase it?")
    sync_api.expect(page.locator("main")).not_to_contain_text("began", timeout=60_000)
    visit.reads("main", "Nothing is known of it.")
    visit.shot("history-empty")
    page.click("text=Erase everything")
    page.click("text=Really erase it?")
    visit.reads("#answer", "It is being erased.")
    with page.expect_navigation(timeout=60_000):
        pass


def test_the_condition_of_the_box_is_shown_with_its_log_and_a_newer_version(visit: Visit) -> None:
    visit.go("/box")
    visit.reads("#figures", "MiB")
    visit.reads("#lines", "camera: demo clip")
    visit.reads("#lines", "the code for the first login")
    visit.reads("#version", f"99.0 is there; {__version__} runs.")
    visit.reads("#notes", "And more.")
    assert visit.page.get_attribute("#where", "href") == "https://a.example/"
    visit.shot("box")


def test_a_tune_of_ones_own_is_listened_to_and_one_that_is_none_is_refused(visit: Visit) -> None:
    page = visit.page
    stop(visit)
    visit.go("/settings")
    page.fill("#find", "chirp")
    tune = "#s-nudge\\.chirp"
    page.fill(tune, "mine:8a")
    play = page.get_by_label("nudge.chirp: play it")
    play.click()
    visit.reads(f"{tune}-wrong", "two colons")
    visit.shot("tune-wrong")
    page.fill(tune, "mine:d=8,o=5,b=120:a,p,c6")
    with page.expect_response("**/api/play") as answer:
        play.click()
    assert answer.value.status == 202
    sync_api.expect(page.locator(f"{tune}-wrong")).to_have_text("")
    page.click("#save")
    visit.reads("#answer", "In force now: nudge.chirp")
    assert settings.load(visit.house.config).nudge.chirp == "mine:d=8,o=5,b=120:a,p,c6"
    page.fill("#find", "chirp")
    page.get_by_label("nudge.chirp: back to the default").click()
    page.click("#save")
    visit.reads("#answer", "In force now: nudge.chirp")


def test_in_german_everything_is_german(browser: Any, house: House, visit: Visit) -> None:
    forget_all(visit)
    german = Visit(browser, house, visit.size, language="de-AT")
    page = german.page
    german.enter(PASSWORD)
    german.reads("#connection", "verbunden")
    german.reads("#session", "Nichts läuft")
    assert page.get_attribute("html", "lang") == "de"
    german.shot("de-now")
    german.go("/teach")
    sync_api.expect(page.locator("#nothing")).to_be_visible()
    german.reads("#nothing", "Noch nichts.")
    assert page.input_value("#name") == "mein Handy"
    german.shot("de-teach")
    german.go("/settings")
    page.fill("#find", "Gnadenfrist")
    german.reads("#sections", "Handy so lange in Gebrauch")
    german.shot("de-settings")
    german.go("/setup")
    german.reads("#title", "Ein Passwort")
    german.shot("de-setup")
    german.go("/history")
    german.reads("#connection", "verbunden")
    german.reads("main", "Kurz gesagt")
    german.shot("de-history")
    german.go("/box")
    german.reads("#figures", "Arbeitsspeicher")
    german.shot("de-box")
    # What the loop of the box refuses later is English on the wire.
    german.go("/")
    german.reads("#session", "Nichts läuft")
    page.evaluate("() => tell('snooze', '')")
    german.reads("#answer", "Abgelehnt: keine Fokuszeit läuft")
    german.go("/view")
    german.reads("#words", "Die Kamera ist geschlossen")
    german.shot("de-view")
    reasons = [
        (
            "phone in hand (quiet hours) for 5 s, median score 0.81",
            "Handy in der Hand (Ruhezeit) seit 5 s, mittlere Wertung 0.81",
        ),
        ("view covered for 2 min", "Sicht verdeckt seit 2 min"),
        ("nothing called 'a (b' was shown", "nichts namens 'a (b' wurde gezeigt"),
        ("something that nobody translates", "something that nobody translates"),
    ]
    for english, there in reasons:
        assert page.evaluate("(text) => said(text)", english) == there
    german.close()


def test_the_rules_for_scripts_and_styles_hold_on_every_page(
    browser: Any, house: House, visit: Visit
) -> None:
    strict = Visit(browser, house, visit.size, strict=True)
    complaints: list[str] = []
    strict.page.on("console", lambda said: complaints.append(said.text))
    strict.enter(PASSWORD)
    for path in ("/", "/view", "/history", "/teach", "/settings", "/box", "/setup"):
        strict.go(path)
        strict.reads("#connection", "connected")
    assert [each for each in complaints if "Content Security Policy" in each] == []
    strict.close()


def test_a_first_view_is_small_and_nothing_moves_under_a_finger(visit: Visit) -> None:
    moved = {}
    for path in ("/login", "/", "/view", "/history", "/teach", "/settings", "/box", "/setup"):
        bodies: list[Any] = []
        seen = lambda answer, to=bodies: to.append(answer)  # noqa: E731
        visit.page.on("response", seen)
        visit.go(path)
        if path != "/login":
            visit.reads("#connection", "connected")
        visit.page.remove_listener("response", seen)
        parts = [each for each in bodies if not re.search("/api/(look|state)", each.url)]
        sent = sum(each.request.sizes()["responseBodySize"] for each in parts)
        assert 0 < sent < MOST_FIRST_VIEW_BYTES, path
        visit.page.evaluate(A_SECOND)
        moved[path] = visit.page.evaluate("window.moved")
    print(moved)
    assert {path: each for path, each in moved.items() if each > MOST_MOVED} == {}


def test_logging_out_leaves_nothing_behind(visit: Visit) -> None:
    visit.go("/")
    visit.page.click("#logout")
    visit.page.wait_for_url("**/login")
    visit.go("/view")
    assert visit.page.url.endswith("/login")


def test_what_is_refused_on_the_way_to_the_login_does_not_begin_the_way_anew(visit: Visit) -> None:
    visit.enter(PASSWORD)
    visit.reads("#connection", "connected")
    begun: list[Any] = []
    login = visit.house.url + "/login"
    visit.page.route(login, lambda route: begun.append(route))
    refused = lambda answer: answer.status == 401  # noqa: E731
    with visit.page.expect_response(refused):
        visit.page.click("#logout")
    with visit.page.expect_response(refused):
        pass  # a second later, when the page has done what it does about the first
    begun[0].continue_()
    visit.page.wait_for_url(login)
    assert len(begun) == 1
    visit.page.unroute(login)


@pytest.mark.skipif(not has_openssl(), reason="needs the openssl command")
def test_with_a_certificate_of_its_own_the_login_and_its_cookie_are_encrypted(
    browser: Any, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "config.toml"
    config.write_text(
        f"[web]\nenabled = true\nport = {port}\n[history]\npath = '{tmp_path}/history.db'\n"
    )
    command = [sys.executable, "-m", "edge", "page", "--config", str(config)]
    made = subprocess.run([*command, "--certificate"], capture_output=True, text=True, check=True)
    page = Process(tmp_path / "page.log")
    page.begin(command)
    try:
        wait_for(lambda: "first login is" in page.log_path.read_text(), page.log_path.read_text)
        code = page.log_path.read_text().partition("first login is ")[2].split("\n")[0]
        # Whether to trust a certificate that nobody signed is asked of the owner, once.
        context = browser.new_context(ignore_https_errors=True)
        visit = context.new_page()
        shown = visit.goto(f"https://127.0.0.1:{port}/login")
        assert shown.security_details()["protocol"].startswith("TLS 1.")
        assert shown.security_details()["subjectName"] in made.stdout
        visit.fill("#given", code)
        visit.click("form button")
        visit.wait_for_url("**/setup")
        assert [each["secure"] for each in context.cookies()] == [True]
        context.close()
    finally:
        page.kill()
