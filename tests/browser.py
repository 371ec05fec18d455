"""Driving a real JupyterLab in headless Chromium, for tests marked `browser`.

    @pytest.mark.browser
    def test_the_widget_draws(tmp_path, browser_page):
        write_notebook(tmp_path / "a.ipynb", "from course_lib import ...", "widget")
        with Lab(tmp_path) as lab:
            browser_page.goto(lab.url("a.ipynb"))
            wait_for_notebook(browser_page)
            run_cell(browser_page, 0)
            browser_page.wait_for_selector("canvas")

The fixtures are in conftest.py: `chromium` is the browser's path (no browser: the test is skipped with a sentence,
and fails where CI=true), `browser_context` a playwright context with a profile of its own for the module,
`browser_page` a fresh page in it. Kernels see this checkout's `course_lib` and a COURSE_WORK of the caller's choice:
`Lab(folder, COURSE_WORK=str(folder))`. Nothing leaves 127.0.0.1, and only what was started is stopped.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import nbformat
from waiting import LONG_ENOUGH

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = ("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
          "/Applications/Chromium.app/Contents/MacOS/Chromium",
          r"C:\Program Files\Google\Chrome\Application\chrome.exe")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")
VIEWPORT = {"width": 1200, "height": 900}
STOP_SECONDS = 10


def find_chromium() -> str | None:
    """The path of a Chromium or Chrome: $CHROMIUM, one on PATH, or one in the usual places; None without any."""
    named = [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES), *PLACES]
    return next((path for path in named if path and Path(path).exists()), None)


class Lab:
    """A JupyterLab server over `folder` on a free port of 127.0.0.1, with a token and settings of its own.

    With `notebook7` it is a Notebook 7 server. `environment` is added to the server's and so to its kernels'.
    A context manager; `log` holds what the server said.
    """

    def __init__(self, folder: Path, dark: bool = False, notebook7: bool = False, **environment: str) -> None:
        self.folder, self.dark, self.notebook7, self.environment = Path(folder), dark, notebook7, environment
        self.port, self.token = free_port(), secrets.token_hex(16)

    def __enter__(self) -> "Lab":
        self.home = Path(tempfile.mkdtemp(prefix="lab-"))
        settings = self.home / "user-settings"
        self._setting(settings, "notification", {"fetchNews": "false", "checkForUpdates": False})
        if self.dark:
            self._setting(settings, "themes", {"theme": "JupyterLab Dark"})
        own = {"JUPYTER_CONFIG_DIR": "config", "JUPYTERLAB_SETTINGS_DIR": "user-settings", "JUPYTER_DATA_DIR": "data",
               "JUPYTERLAB_WORKSPACES_DIR": "workspaces", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython"}
        lenient = {name: value for name, value in os.environ.items() if name != "COURSE_STRICT"}    # a learner's
        environment = {**lenient, **{name: str(self.home / place) for name, place in own.items()},
                       "PYTHONPATH": str(ROOT), "PYDEVD_DISABLE_FILE_VALIDATION": "1", **self.environment}
        program = "notebook" if self.notebook7 else "jupyterlab"
        command = [sys.executable, "-m", program, "--no-browser", "--allow-root", "--ip=127.0.0.1",
                   f"--port={self.port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={self.token}",
                   f"--ServerApp.root_dir={self.folder}"]
        self.log = self.home / "server.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, cwd=self.folder, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        try:
            self._wait_until_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def url(self, notebook: str) -> str:
        """The address of a notebook (path below the folder) in a window of its own, token included."""
        place = "notebooks" if self.notebook7 else "lab/tree"
        return f"http://127.0.0.1:{self.port}/{place}/{notebook}?token={self.token}&reset"

    def api(self, path: str, method: str = "GET", data: dict | None = None) -> Any:
        """The server's answer to a call of its REST interface, for instance `api("kernels")`."""
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/{path}", method=method, data=body,
                                         headers={"Authorization": f"token {self.token}"})
        with urllib.request.urlopen(request, timeout=LONG_ENOUGH) as answer:
            return json.loads(answer.read() or b"null")

    def kernel_pids(self) -> list[int]:
        """Process ids of the kernels that this server runs."""
        import psutil

        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child.pid for child in children if any("ipykernel" in word for word in child.cmdline())]

    def _setting(self, settings: Path, name: str, values: dict) -> None:
        folder = settings / "@jupyterlab" / "apputils-extension"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.jupyterlab-settings").write_text(json.dumps(values))

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + LONG_ENOUGH
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.api("status")
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(f"JupyterLab did not start. It said:\n{self.log.read_text(errors='replace')[-3000:]}")


def write_notebook(path: Path, *cells: str) -> None:
    """Write a notebook with these code cells, for the kernel `python3`."""
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells],
                                        metadata={"kernelspec": spec})
    nbformat.write(notebook, path)


def wait_for_notebook(page: Any, seconds: float = LONG_ENOUGH) -> None:
    """Wait until the notebook is drawn and its kernel is connected and idle, as the status bar says.

    The indicator beside the kernel's name is no help: it says idle before there is a kernel.
    """
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=1000 * seconds)
    notebook7 = page.locator(".jp-NotebookKernelStatus-fade")          # has no status bar; the word fades when idle
    page.locator("#jp-main-statusbar", has_text="| Idle").or_(notebook7).first.wait_for(timeout=1000 * seconds)


def run_cell(page: Any, number: int) -> None:
    """Run the code cell `number` (from 0) of the open notebook, as a person would: click into it, Ctrl+Enter."""
    page.locator(".jp-Notebook .jp-CodeCell").nth(number).locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+Enter")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
