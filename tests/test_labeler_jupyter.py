"""The labeller where people use it: JupyterLab and Notebook 7 in headless Chromium, with kernels that die."""

import os
import signal
import sqlite3
import time
import urllib.error

import pytest
from browser import Lab, run_cell, wait_for_notebook, write_notebook
from labelling import clip_store, text_store

pytestmark = pytest.mark.browser

PAUSE = 330                                        # ms between answers: a person is slower, the lock is 250
ANOTHER = 5                                        # seconds until another question is shown, at most
ANSWERS = {"ArrowLeft", "ArrowRight", "e", "s", "u"}
SHOW = """from course_lib.labels import Labeler
labeler = Labeler('{file}.sqlite', run='{file}', target={target}, labeler='ann', repeats=0)
labeler"""
REQUIRE = "[round(mu, 1) for _, _, mu in labeler.require()]"


class Notebook:
    """One open notebook whose first cell shows a labeller and whose second asks for the answers."""

    def __init__(self, page, lab, name, file, target):
        self.page, self.lab, self.name = page, lab, name
        write_notebook(lab.folder / name, SHOW.format(file=file, target=target), REQUIRE)
        self.open()

    def open(self):
        self.page.goto(self.lab.url(self.name))
        wait_for_notebook(self.page)
        for _ in range(100):                                   # Notebook 7 says idle a little before it is connected
            if self.connected():
                break
            self.page.wait_for_timeout(100)

    def connected(self):
        try:
            kernels = self.lab.api("kernels")
        except urllib.error.HTTPError:                         # the server answers 500 while a kernel starts
            return False
        return any(kernel["connections"] and kernel["execution_state"] == "idle" for kernel in kernels)

    def show(self):
        run_cell(self.page, 0)
        self.root = self.page.locator(".cl-root").last
        self.page.locator('.cl-root[data-question]:not([data-question=""])').last.wait_for()
        self.page.wait_for_timeout(PAUSE)
        self.root.focus()

    def press(self, *keys):
        for key in keys:
            self.then(lambda key=key: self.page.keyboard.press(key), answers=key in ANSWERS)

    def click(self, name):
        self.then(self.root.get_by_role("button", name=name).click, answers=name != "Try again")

    def then(self, act, answers):
        """Act; after an answer wait until another question is shown (on a busy machine that takes a while), if one
        comes; then until the lock on it is over."""
        before, end = self.root.get_attribute("data-question"), time.monotonic() + ANOTHER
        act()
        while answers and self.root.get_attribute("data-question") == before and time.monotonic() < end:
            self.page.wait_for_timeout(20)
        self.page.wait_for_timeout(PAUSE)

    def required(self):
        """What the second cell says."""
        run_cell(self.page, 1)
        output = self.page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-output").first
        output.wait_for()
        return output.inner_text().strip()


def labels(folder, file):
    """(question, choice) of all live labels, in the order they came."""
    connection = sqlite3.connect(folder / f"{file}.sqlite")
    return connection.execute("SELECT question_id, choice FROM live_labels ORDER BY label_id").fetchall()


def kill_kernel(notebook):
    """SIGKILL, then put away JupyterLab's message about it."""
    [kernel] = notebook.lab.kernel_pids()
    os.kill(kernel, signal.SIGKILL)
    notebook.page.locator(".jp-Dialog button").last.click()
    notebook.page.wait_for_timeout(500)


def test_label_lose_the_kernel_and_go_on(tmp_path, browser_page):
    clip_store(tmp_path / "clips.sqlite", 6).close()
    with Lab(tmp_path, COURSE_WORK=str(tmp_path)) as lab:
        notebook = Notebook(browser_page, lab, "a.ipynb", "clips", 6)
        notebook.show()
        assert notebook.required() == "0 of 6 pairs are labelled; go on above, then run this cell again."
        notebook.root.focus()
        notebook.press("ArrowLeft", "ArrowRight", "e")
        kill_kernel(notebook)
        assert [choice for _, choice in labels(tmp_path, "clips")] == ["left", "right", "equal"]
        notebook.show()
        assert "3 / 6" in notebook.root.inner_text()
        notebook.press("u", "s", "ArrowLeft")                  # u: what was said before the kernel died
        notebook.click("Right is better")
        notebook.click("Equally good")
        questions, choices = zip(*labels(tmp_path, "clips"), strict=True)
        assert choices == ("left", "right", "skip", "left", "right", "equal") and len(set(questions)) == 6
        assert "Done. Thank you!" in notebook.root.inner_text()
        assert notebook.required().count(",") == 4, "five preferences and a skip"


@pytest.mark.slow
def test_twenty_clips_and_ten_texts_by_key_and_mouse(tmp_path, browser_page):
    clip_store(tmp_path / "clips.sqlite", 20).close()
    text_store(tmp_path / "texts.sqlite", 10, prompt="Say <i>something</i>.").close()
    with Lab(tmp_path, COURSE_WORK=str(tmp_path)) as lab:
        notebook = Notebook(browser_page, lab, "clips.ipynb", "clips", 20)
        notebook.show()
        said = []
        for number in range(20):
            key, name, choice = [("ArrowLeft", "Left is better", "left"), ("ArrowRight", "Right is better", "right"),
                                 ("e", "Equally good", "equal"), ("s", "Skip", "skip")][number % 4]
            if number == 10:
                kill_kernel(notebook)
                notebook.show()
            notebook.press(key) if number < 12 else notebook.click(name)
            said.append(choice)
        assert [choice for _, choice in labels(tmp_path, "clips")] == said
        assert [question for question, _ in labels(tmp_path, "clips")] == list(range(1, 21))
        assert notebook.required().count(",") == 14

        notebook = Notebook(browser_page, lab, "texts.ipynb", "texts", 10)
        notebook.show()
        assert "Say <i>something</i>." in notebook.root.inner_text()
        for number in range(10):
            notebook.press("e") if number % 2 else notebook.click("Left is better")
        assert [choice for _, choice in labels(tmp_path, "texts")] == 5 * ["left", "equal"]


@pytest.mark.slow
def test_reload_undo_and_double_click(tmp_path, browser_page):
    clip_store(tmp_path / "clips.sqlite", 8).close()
    with Lab(tmp_path, COURSE_WORK=str(tmp_path)) as lab:
        notebook = Notebook(browser_page, lab, "a.ipynb", "clips", 8)
        notebook.show()
        notebook.press("ArrowLeft", "ArrowRight")
        browser_page.keyboard.press("Control+s")               # passes through the labeller: the notebook is saved
        browser_page.wait_for_timeout(1500)
        notebook.open()                                        # the kernel lives on; the saved widget comes back
        browser_page.locator('.cl-root[data-question]:not([data-question=""])').wait_for()
        notebook.root = browser_page.locator(".cl-root")
        browser_page.wait_for_timeout(PAUSE)
        assert "2 / 8" in notebook.root.inner_text()
        notebook.root.focus()
        notebook.press("u")
        assert [choice for _, choice in labels(tmp_path, "clips")] == ["left"]
        notebook.root.get_by_role("button", name="Right is better").dblclick()
        browser_page.wait_for_timeout(PAUSE)
        for _ in range(5):
            browser_page.keyboard.down("e")
            browser_page.wait_for_timeout(120)
        browser_page.keyboard.up("e")
        browser_page.wait_for_timeout(PAUSE)
        assert [choice for _, choice in labels(tmp_path, "clips")] == ["left", "right", "equal"]


def test_shift_enter_shows_the_whole_pair(tmp_path, browser_page):
    clip_store(tmp_path / "clips.sqlite", 4, height=210, width=160).close()
    with Lab(tmp_path, COURSE_WORK=str(tmp_path)) as lab:
        lines = "\n".join(f"# line {line}" for line in range(20))
        write_notebook(tmp_path / "a.ipynb", lines, "1", SHOW.format(file="clips", target=4), lines, lines)
        browser_page.set_viewport_size({"width": 1200, "height": 760})
        browser_page.goto(lab.url("a.ipynb"))
        wait_for_notebook(browser_page)
        browser_page.locator(".jp-CodeCell").nth(1).locator(".jp-InputArea-editor").click()
        browser_page.keyboard.press("Shift+Enter")
        browser_page.keyboard.press("Shift+Enter")
        browser_page.locator('.cl-root[data-question]:not([data-question=""])').wait_for()
        browser_page.wait_for_timeout(1000)
        seen = browser_page.evaluate("""() => {
          const box = (name) => document.querySelector(name).getBoundingClientRect();
          const [root, panel] = [box(".cl-root"), box(".jp-WindowedPanel-outer")];
          return [root.top - panel.top, panel.bottom - root.bottom]; }""")
        assert min(seen) >= -1, f"cut off: {seen}"
        assert browser_page.evaluate("!document.querySelector('.cl-root').contains(document.activeElement)")


@pytest.mark.slow
def test_a_notebook_opened_anew_says_that_the_answers_are_kept(tmp_path, browser_page):
    clip_store(tmp_path / "clips.sqlite", 4).close()
    with Lab(tmp_path, COURSE_WORK=str(tmp_path)) as lab:
        notebook = Notebook(browser_page, lab, "a.ipynb", "clips", 4)
        notebook.show()
        kept = browser_page.get_by_text("Every answer is kept in clips.sqlite: run this cell")
        assert not kept.is_visible(), "beside the widget it is not needed"
        notebook.press("ArrowLeft")
        browser_page.keyboard.press("Control+s")
        browser_page.wait_for_timeout(1500)
        for session in lab.api("sessions"):                    # the notebook is put away with its kernel
            lab.api(f"sessions/{session['id']}", "DELETE")
        notebook.open()
        kept.wait_for()
        assert "0 of 4" not in browser_page.locator(".jp-CodeCell").first.inner_text()
        notebook.show()
        assert "1 / 4" in notebook.root.inner_text()


@pytest.mark.slow
def test_two_notebooks_on_one_file_and_a_closed_tab(tmp_path, browser_page, browser_context):
    clip_store(tmp_path / "clips.sqlite", 12).close()
    with Lab(tmp_path, COURSE_WORK=str(tmp_path)) as lab:
        one = Notebook(browser_page, lab, "one.ipynb", "clips", 12)
        one.show()
        page = browser_context.new_page()
        other = Notebook(page, lab, "other.ipynb", "clips", 12)
        other.show()
        assert len(lab.kernel_pids()) == 2
        for _ in range(3):
            assert one.root.get_attribute("data-question") != other.root.get_attribute("data-question")
            one.page.bring_to_front()
            one.root.focus()
            one.press("ArrowLeft")
            other.page.bring_to_front()
            other.root.focus()
            other.press("ArrowRight")
        assert sorted(choice for _, choice in labels(tmp_path, "clips")) == 3 * ["left"] + 3 * ["right"]
        assert len({question for question, _ in labels(tmp_path, "clips")}) == 6
        page.keyboard.press("e")
        page.close()                                           # in the middle of an answer
        one.page.bring_to_front()
        one.page.wait_for_timeout(1500)
        known = len(labels(tmp_path, "clips"))
        one.show()                                             # a rerun cell picks up what the other tab had kept
        one.page.wait_for_timeout(1000)
        assert 6 <= known <= 7 and len(labels(tmp_path, "clips")) == 7


BREAK = """
import sqlite3
import time
import urllib.error
def full(*arguments, **options):
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorname = "SQLITE_FULL"
    raise error
works, labeler.session.store.answer = labeler.session.store.answer, full"""


@pytest.mark.slow
def test_a_full_disk_and_a_busy_kernel(tmp_path, browser_page):
    clip_store(tmp_path / "clips.sqlite", 8).close()
    with Lab(tmp_path, COURSE_WORK=str(tmp_path)) as lab:
        write_notebook(tmp_path / "a.ipynb", SHOW.format(file="clips", target=8), BREAK,
                       "labeler.session.store.answer = works", "import time; time.sleep(9)")
        notebook = Notebook.__new__(Notebook)
        notebook.page, notebook.lab, notebook.name = browser_page, lab, "a.ipynb"
        notebook.open()
        notebook.show()
        run_cell(browser_page, 1)
        browser_page.wait_for_timeout(1000)
        notebook.root.focus()
        notebook.press("ArrowLeft")
        banner = notebook.root.locator(".cl-banner")
        banner.wait_for()
        assert "The disk is full" in banner.inner_text() and "1 answer waits safely" in banner.inner_text()
        run_cell(browser_page, 2)
        browser_page.wait_for_timeout(1000)
        notebook.click("Try again")
        browser_page.wait_for_timeout(500)
        assert [choice for _, choice in labels(tmp_path, "clips")] == ["left"] and not banner.is_visible()

        run_cell(browser_page, 3)                              # a long computation: clicks wait or are served beside it
        browser_page.wait_for_timeout(500)
        notebook.root.focus()
        notebook.press("ArrowRight", "e")
        browser_page.wait_for_timeout(12_000)
        assert [choice for _, choice in labels(tmp_path, "clips")] == ["left", "right", "equal"]


@pytest.mark.slow
def test_plain_buttons_in_jupyterlab(tmp_path, browser_page):
    clip_store(tmp_path / "clips.sqlite", 3).close()
    with Lab(tmp_path, COURSE_WORK=str(tmp_path)) as lab:
        write_notebook(tmp_path / "a.ipynb", SHOW.format(file="clips", target=3).replace("repeats=0", "plain=True"))
        browser_page.goto(lab.url("a.ipynb"))
        wait_for_notebook(browser_page)
        run_cell(browser_page, 0)
        for name in ("Left is better", "Equally good", "Skip"):
            browser_page.get_by_role("button", name=name).click()
            browser_page.wait_for_timeout(600)
        assert [choice for _, choice in labels(tmp_path, "clips")] == ["left", "equal", "skip"]
        browser_page.get_by_text("Done. Run the next cell.").wait_for()


@pytest.mark.slow
def test_notebook_7(tmp_path, browser_page):
    clip_store(tmp_path / "clips.sqlite", 4).close()
    with Lab(tmp_path, notebook7=True, COURSE_WORK=str(tmp_path)) as lab:
        notebook = Notebook(browser_page, lab, "a.ipynb", "clips", 4)
        notebook.show()
        notebook.press("ArrowLeft", "e", "x", "d", "d")        # x and d d would cut and delete the cell
        assert browser_page.locator(".jp-CodeCell").count() == 2
        kill_kernel(notebook)
        notebook.show()
        notebook.press("ArrowRight")
        notebook.click("Skip")
        assert [choice for _, choice in labels(tmp_path, "clips")] == ["left", "equal", "right", "skip"]
        assert "Done. Thank you!" in notebook.root.inner_text()
