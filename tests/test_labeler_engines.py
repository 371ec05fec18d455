"""The labeller and a check card in three browser engines: one script of steps, one label file, one view.

    sudo apt-get install chromium firefox-esr webkit2gtk-driver xvfb           (Debian; then `make test-all`)
"""

import json
import os
import signal
import sqlite3
import time
import urllib.error
from contextlib import closing
from pathlib import Path

import pytest
from browser import Lab, write_notebook
from engine_lesson import PREAMBLE
from engines import ENGINES, PAUSE, Engine, Page, open_engine
from labelling import BLOCKS, clip_store
from test_exercises_browser import HINT, RIGHT, WRONG
from test_labeler_jupyter import REQUIRE, SHOW, labels
from waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PAIRS = 8
ASKED = '.cl-root[data-question]:not([data-question=""])'
# The number of the frame and that of the clip, which clips of counter_clip show in blocks, read off each canvas.
NUMBERS = f"""[...document.querySelectorAll(".cl-canvas")].map((canvas) => {{
  const white = (x, y) => canvas.getContext("2d").getImageData(x, y, 1, 1).data[0] > 128;
  const bits = (y) => [...Array({BLOCKS}).keys()].reduce(
    (sum, block) => sum + (white(7 + block * Math.floor(canvas.width / {BLOCKS}), y) << block), 0);
  return [bits(canvas.height / 4), bits(3 * canvas.height / 4)];
}})"""


@pytest.fixture(params=ENGINES)
def engine(request, tmp_path):
    """One after the other."""
    with open_engine(request.param, tmp_path / "engine") as opened:
        yield opened


@pytest.fixture
def lab(tmp_path):
    """A JupyterLab of the learner's; what it serves lies in `lab.folder`."""
    folder = tmp_path / "course"
    folder.mkdir()
    (folder / "lessons").mkdir()
    with Lab(folder, COURSE_WORK=str(folder), COURSE_ROOT=str(folder)) as server:
        yield server


def open_notebook(page: Page, lab: Lab, name: str) -> None:
    """Load it, and wait until its kernel listens."""
    page.open(lab.url(name))
    page.wait(".jp-Notebook .jp-CodeCell")

    def connected() -> bool:
        try:
            kernels = lab.api("kernels")
        except urllib.error.HTTPError:                          # the server answers 500 while a kernel starts
            return False
        return any(kernel["connections"] and kernel["execution_state"] == "idle" for kernel in kernels)
    until(connected)


def show(page: Page) -> None:
    """Run the labeller's cell, and click into the labeller."""
    page.ask("document.querySelectorAll('.cl-root').forEach((root) => { root.dataset.question = ''; })")
    page.run_cell(0)
    page.wait(ASKED)
    page.click(".cl-title")


def choices(lab: Lab) -> list[str]:
    """The answers in the label file."""
    return [choice for _, choice in labels(lab.folder, "clips")]


def has(lab: Lab, *said: str) -> None:
    """The label file holds these answers and no others, now or in a moment."""
    try:
        until(lambda: choices(lab) == list(said), seconds=20)
    except TimeoutError:
        assert choices(lab) == list(said)


def kernel(lab: Lab) -> int:
    """The process id of its only kernel."""
    [process] = lab.kernel_pids()
    return process


def kill(page: Page, lab: Lab) -> None:
    """SIGKILL to the kernel, then put away JupyterLab's message about it."""
    os.kill(kernel(lab), signal.SIGKILL)
    page.click(".jp-Dialog button.jp-mod-accept")


def test_the_labeller(engine, lab):
    """Keys, clicks, undo; a killed kernel, a reloaded page, an answer that Python had not heard yet."""
    clip_store(lab.folder / "clips.sqlite", PAIRS).close()
    write_notebook(lab.folder / "a.ipynb", SHOW.format(file="clips", target=PAIRS), REQUIRE)
    page = Page(engine)
    open_notebook(page, lab, "a.ipynb")
    show(page)
    try:
        label(page, lab)
    finally:
        picture(engine, "labeller")


def label(page: Page, lab: Lab) -> None:
    """The steps."""
    assert page.text(".cl-number") == f"0 / {PAIRS}"
    both_clips_move_together(page)
    page.press("ArrowLeft", "ArrowRight", "e")                                      # by key
    has(lab, "left", "right", "equal")
    page.press("x", "d", "d", "a")                                                  # the notebook must not hear these
    assert page.ask("document.querySelectorAll('.jp-CodeCell').length") == 2
    page.press("u")                                                                 # and take it back
    has(lab, "left", "right")
    page.click(".cl-button", "Right is better", times=2)                            # a double click is one answer
    has(lab, "left", "right", "right")
    page.press("s")                                                                 # after a click, keys still work
    has(lab, "left", "right", "right", "skip")
    page.click(".cl-button", "Undo")
    has(lab, "left", "right", "right")
    page.press(" ")                                                                 # pause
    held = page.text(".cl-frame")
    page.press(".")                                                                 # one frame on
    assert page.text(".cl-frame") != held and page.text(".cl-small[data-state]") == "Play"

    page.press("s", control=True)                                                   # passes through: it is saved
    until(lambda: '"application/vnd.jupyter.widget-view+json"' in (lab.folder / "a.ipynb").read_text(), seconds=20)
    open_notebook(page, lab, "a.ipynb")                                             # reloaded; the widget comes back
    page.wait(ASKED)
    assert page.text(".cl-number") == f"3 / {PAIRS}"
    page.click(".cl-title")
    page.press("u")                                                                 # what was said before
    has(lab, "left", "right")
    page.wait(".cl-number", f"2 / {PAIRS}")                                         # Python sends that pair once more
    time.sleep(PAUSE)
    page.press("e")
    has(lab, "left", "right", "equal")

    kill(page, lab)
    page.wait(".cl-banner", "Everything you answered is saved.")
    show(page)
    assert page.text(".cl-number") == f"3 / {PAIRS}"
    page.press("ArrowLeft")
    has(lab, "left", "right", "equal", "left")

    os.kill(kernel(lab), signal.SIGSTOP)                                            # it hears nothing any more
    page.press("ArrowRight")
    page.wait(".cl-banner", "1 answer waits safely in this browser.")
    os.kill(kernel(lab), signal.SIGKILL)
    assert choices(lab) == ["left", "right", "equal", "left"]
    open_notebook(page, lab, "a.ipynb")
    show(page)
    has(lab, "left", "right", "equal", "left", "right")                             # the browser had kept it
    for name in ("Equally good", "Skip", "Left is better"):
        page.click(".cl-button", name)
    has(lab, "left", "right", "equal", "left", "right", "equal", "skip", "left")
    page.wait(".cl-title", "Done. Thank you!")
    assert len({question for question, _ in labels(lab.folder, "clips")}) == PAIRS
    page.run_cell(1)
    page.wait(".jp-CodeCell .jp-OutputArea-output", "]")
    mus = json.loads(page.text(".jp-CodeCell:nth-of-type(2) .jp-OutputArea-output"))
    assert len(mus) == PAIRS - 1 and mus.count(0.5) == 2                            # one was skipped
    assert integrity(lab.folder / "clips.sqlite") == "ok"


def both_clips_move_together(page: Page) -> None:
    """The engine decodes the sheets and draws them: each clip with its own number, and both at the same frame."""
    seen = set()

    def moved() -> bool:
        (left, first), (right, second) = page.ask(NUMBERS)
        assert left == right and first ^ second == 1                                # pairs are 2i and 2i + 1
        seen.add(left)
        return len(seen) > 2
    until(moved, seconds=20)


def integrity(file: Path) -> str:
    """What SQLite says about the label file."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]


def test_a_check_card(engine, lab):
    """A wrong answer twice, a hint, the right answer: the cards in one line or folded, and the folds open by key."""
    (lab.folder / "exercises").mkdir()
    write_notebook(lab.folder / "exercises" / "99_x.ipynb", PREAMBLE, WRONG, HINT, RIGHT)
    page = Page(engine)
    open_notebook(page, lab, "exercises/99_x.ipynb")
    page.run_cell(0)
    for number, seen in ((1, ".course-failed"), (1, ".course-failed"), (2, ".course-word"), (3, ".course-passed")):
        page.run_cell(number)
        page.wait(seen)
    try:
        cards(page)
    finally:
        picture(engine, "card")


def cards(page: Page) -> None:
    """What is seen of them."""
    page.wait(".course-mistake", "That is one mean over all rows")
    height = "document.querySelector({}).getBoundingClientRect().height"
    assert page.ask(height.format("'.course-card.course-passed'")) < 60                 # a pass is one line
    assert page.ask(height.format("'.course-card.course-failed dt'")) < 30              # and so is a row of facts
    page.wait(".course-failed summary")
    fold = "document.querySelector('.course-failed details')"
    assert page.ask(f"{fold}.open") is False
    page.ask(f"{fold}.querySelector('summary').focus()")
    page.press("Enter")
    until(lambda: page.ask(f"{fold}.open"), seconds=20)
    page.wait(".course-failed details", "called")                                       # what the function printed


def picture(engine: Engine, what: str) -> None:
    """Keep what is seen, where a folder for pictures is named."""
    if folder := os.environ.get("COURSE_PICTURES"):
        engine.picture(Path(folder) / f"{what}_{type(engine).__name__.lower()}.png")
