"""Three browser engines behind one small face, so that one script of steps can run in each of them.

    with open_engine("firefox", folder) as engine:
        page = Page(engine)
        page.open("http://127.0.0.1:8888/lab")
        page.click("button", "Run")
        page.press("ArrowLeft")

Chromium is driven by playwright. Firefox, as the distribution ships it, is driven over WebDriver BiDi, and WebKit by
its own WebKitWebDriver, both by selenium; WebKit needs a display, which Xvfb pretends to be. Keys and clicks are those
that the engine makes of real input, never events made by a script. What is started is ended, its profile thrown away.
"""

import json
import os
import re
import shutil
import subprocess
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from browser import FLAGS, VIEWPORT, find_chromium
from conftest import skip_unless_ci
from selenium.webdriver import ActionChains, WebKitGTK, WebKitGTKOptions, WebKitGTKService
from selenium.webdriver.common.bidi.browsing_context import BrowsingContext
from selenium.webdriver.common.bidi.input import Input
from selenium.webdriver.common.bidi.script import Script
from selenium.webdriver.common.bidi.session import Session
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.websocket_connection import WebSocketConnection
from waiting import LONG_ENOUGH, until

ENGINES = ("chromium", "firefox", "webkit")
PACKAGES = {"chromium": "chromium", "firefox": "firefox-esr", "webkit": "webkit2gtk-driver xvfb"}      # Debian's names
PAUSE = 0.33            # seconds between answers: a person is slower, the labeller's lock is 0.25
CENTRE = """((selector, words) => {
  const found = [...document.querySelectorAll(selector)].filter(
    (one) => one.offsetParent && one.innerText.includes(words)).at(-1);
  if (!found) return null;
  const hidden = ({ top, bottom }) => top < 0 || bottom > innerHeight;
  if (hidden(found.getBoundingClientRect())) found.scrollIntoView({ block: "center" });
  const box = found.getBoundingClientRect();
  return [Math.round(box.left + box.width / 2), Math.round(box.top + box.height / 2)];
})"""


class Engine(Protocol):
    """What a script of steps asks of a browser."""

    def open(self, address: str) -> None:
        """Load this page."""

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression, of plain values."""

    def press(self, key: str, control: bool = False) -> None:
        """Press and release a key, named as KeyboardEvent.key names it."""

    def click(self, x: int, y: int, times: int = 1) -> None:
        """Click, or click twice, at this point of the window."""

    def picture(self, file: Path) -> None:
        """Write what is seen as a PNG."""


class Chromium:
    """Chromium, by playwright."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def open(self, address: str) -> None:
        self.page.goto(address)

    def ask(self, expression: str) -> Any:
        return self.page.evaluate(expression)

    def press(self, key: str, control: bool = False) -> None:
        self.page.keyboard.press(f"Control+{key}" if control else key)

    def click(self, x: int, y: int, times: int = 1) -> None:
        self.page.mouse.click(x, y, click_count=times)

    def picture(self, file: Path) -> None:
        self.page.screenshot(path=file)


class Firefox:
    """Firefox, over WebDriver BiDi."""

    def __init__(self, address: str) -> None:
        self.wire = WebSocketConnection(address, timeout=LONG_ENOUGH, interval=0.01)
        Session(self.wire).new({"alwaysMatch": {"unhandledPromptBehavior": {"default": "accept"}}})
        self.pages, self.scripts, self.input = BrowsingContext(self.wire), Script(self.wire), Input(self.wire)
        self.page = self.pages.create(type="tab")               # the tab that is there at the start never has the focus
        self.pages.set_viewport(self.page, viewport=VIEWPORT)
        self.pages.activate(self.page)

    def open(self, address: str) -> None:
        self.pages.navigate(self.page, address, wait="complete")

    def ask(self, expression: str) -> Any:
        told = self.scripts.evaluate(f"JSON.stringify({expression}) ?? 'null'", {"context": self.page}, True)
        if told["type"] == "exception":
            raise RuntimeError(told["exceptionDetails"]["text"])
        return json.loads(told["result"]["value"])

    def press(self, key: str, control: bool = False) -> None:
        down = [{"type": "keyDown", "value": value} for value in key_values(key, control)]
        up = [{"type": "keyUp", "value": action["value"]} for action in reversed(down)]
        self.input.perform_actions(self.page, [{"type": "key", "id": "keys", "actions": [*down, *up]}])

    def click(self, x: int, y: int, times: int = 1) -> None:
        once = [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        moves = [{"type": "pointerMove", "x": x, "y": y}, *times * once]
        self.input.perform_actions(self.page, [{"type": "pointer", "id": "mouse", "actions": moves}])

    def picture(self, file: Path) -> None:
        file.write_bytes(b64decode(self.pages.capture_screenshot(self.page)))


class WebKit:
    """WebKitGTK's MiniBrowser, by WebKitWebDriver."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, address: str) -> None:
        self.driver.get(address)

    def ask(self, expression: str) -> Any:
        return json.loads(self.driver.execute_script(f"return JSON.stringify({expression}) ?? 'null'"))

    def press(self, key: str, control: bool = False) -> None:
        chain, values = ActionChains(self.driver), key_values(key, control)
        for value in values:
            chain.key_down(value)
        for value in reversed(values):
            chain.key_up(value)
        chain.perform()

    def click(self, x: int, y: int, times: int = 1) -> None:
        chain = ActionChains(self.driver, duration=0)
        chain.w3c_actions.pointer_action.move_to_location(x, y)
        for _ in range(times):
            chain.w3c_actions.pointer_action.pointer_down()
            chain.w3c_actions.pointer_action.pointer_up()
        chain.perform()

    def picture(self, file: Path) -> None:
        self.driver.save_screenshot(str(file))


def key_values(key: str, control: bool) -> list[str]:
    """A key, and Control before it where asked, as WebDriver wants them: a character, or one of its private ones."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).upper()                      # ArrowLeft: Keys.ARROW_LEFT
    return [*([Keys.CONTROL] if control else []), key if len(key) == 1 else getattr(Keys, name)]


# ---- starting and ending them --------------------------------------------------------------------------------------

@contextmanager
def open_engine(name: str, folder: Path) -> Iterator[Engine]:
    """The engine of this name, its profile in `folder`. Not installed: the test is skipped; where CI=true it fails."""
    programs = {"chromium": [find_chromium()], "firefox": [shutil.which("firefox-esr") or shutil.which("firefox")],
                "webkit": [shutil.which("WebKitWebDriver"), shutil.which("Xvfb")]}[name]
    if None in programs:
        skip_unless_ci(f"{name} is not installed; on Debian: sudo apt-get install {PACKAGES[name]}")
    with {"chromium": chromium, "firefox": firefox, "webkit": webkit}[name](folder, *programs) as engine:
        yield engine


@contextmanager
def chromium(folder: Path, program: str) -> Iterator[Chromium]:
    """Headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder / "profile", executable_path=program, headless=True, args=list(FLAGS), viewport=VIEWPORT)
        yield Chromium(context.new_page())
        context.close()


@contextmanager
def firefox(folder: Path, program: str) -> Iterator[Firefox]:
    """Headless Firefox, which asks nothing outside of this machine."""
    profile, log = folder / "profile", folder / "firefox.log"
    profile.mkdir(parents=True)
    settings = {"browser.aboutwelcome.enabled": False, "browser.startup.page": 0, "termsofuse.bypassNotification": True,
                "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
                "services.settings.server": "data:,", "datareporting.policy.dataSubmissionEnabled": False,
                "app.update.disabledForTesting": True,
                "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False}
    (profile / "user.js").write_text("".join(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
                                             for name, value in settings.items()))
    with ended([program, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"], log):
        engine = Firefox(said(log, r"WebDriver BiDi listening on (ws://\S+)") + "/session")
        try:
            yield engine
        finally:
            engine.wire.close()


@contextmanager
def webkit(folder: Path, driver: str, display: str) -> Iterator[WebKit]:
    """WebKit on a display that nobody sees."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "xvfb.log"
    size = f"{VIEWPORT['width'] + 100}x{VIEWPORT['height'] + 200}x24"
    with ended([display, "-displayfd", "1", "-screen", "0", size, "-nolisten", "tcp"], log):
        number = said(log, r"^(\d+)$")
        environment = {**os.environ, "DISPLAY": f":{number}", "GDK_BACKEND": "x11", "NO_AT_BRIDGE": "1",
                       "WEBKIT_DISABLE_DMABUF_RENDERER": "1", "XDG_DATA_HOME": str(folder / "data"),
                       "XDG_CACHE_HOME": str(folder / "cache")}
        service = WebKitGTKService(driver, env=environment, log_output=str(folder / "webkit.log"))
        options = WebKitGTKOptions()
        options.binary_location = minibrowser(driver)
        options.add_argument("--automation")
        session = WebKitGTK(options, service)
        try:
            session.set_window_rect(0, 0, VIEWPORT["width"], VIEWPORT["height"])
            yield WebKit(session)
        finally:
            session.quit()


def minibrowser(driver: str) -> str:
    """The path of MiniBrowser, which Debian keeps beside WebKit's libraries."""
    found = sorted(Path(driver).resolve().parent.parent.glob("lib/**/webkit2gtk-4*/MiniBrowser"))
    return str(found[-1]) if found else "MiniBrowser"


@contextmanager
def ended(command: list[str], log: Path) -> Iterator[None]:
    """Run a program and what it starts until the block ends; what it says goes to `log`."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def said(log: Path, pattern: str) -> str:
    """The first group of this pattern, as soon as it stands in the log."""
    until(lambda: re.search(pattern, log.read_text(errors="replace"), re.MULTILINE), seconds=LONG_ENOUGH)
    return re.search(pattern, log.read_text(errors="replace"), re.MULTILINE)[1]


# ---- what people do and see ----------------------------------------------------------------------------------------

class Page:
    """A page in an engine: wait for what is to be seen, press keys on it, click on it."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.open, self.ask = engine, engine.open, engine.ask

    def place(self, selector: str, words: str = "") -> list[int] | None:
        """The centre of the last visible element with these words, scrolled into the window; None without one."""
        return self.ask(f"{CENTRE}({json.dumps(selector)}, {json.dumps(words)})")

    def wait(self, selector: str, words: str = "") -> None:
        """Wait until such an element is seen."""
        try:
            until(lambda: self.place(selector, words), pause=lambda: time.sleep(0.1))
        except TimeoutError as error:
            raise AssertionError(f"not seen: {selector} {words!r}\nthere is:\n{self.text('body')}") from error

    def text(self, selector: str) -> str:
        """What the last element of this kind says."""
        return self.ask(f"[...document.querySelectorAll({json.dumps(selector)})].at(-1)?.innerText ?? ''")

    def click(self, selector: str, words: str = "", times: int = 1) -> None:
        """Wait for it and click it, at its centre."""
        self.wait(selector, words)
        self.engine.click(*self.place(selector, words), times)
        time.sleep(PAUSE)

    def press(self, *keys: str, control: bool = False) -> None:
        """Press one key after the other, no faster than a person."""
        for key in keys:
            self.engine.press(key, control)
            time.sleep(PAUSE)

    def run_cell(self, number: int) -> None:
        """Run the code cell `number` (from 0), as a person would: click into it, Ctrl+Enter."""
        self.click(f".jp-CodeCell:nth-of-type({number + 1}) .jp-InputArea-editor")
        self.press("Enter", control=True)
