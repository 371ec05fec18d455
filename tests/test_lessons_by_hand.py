"""The lessons with a loop, as a person goes through them: every cell in JupyterLab, every pair answered by a key.

All other tests let the synthetic labeler answer. Here nobody stands in: the answers are those of a person who presses
keys at random, so that no claim about a success may fail the cell of somebody who labels badly.
"""

import itertools
import shutil
import sqlite3
import time
from typing import Any

import pytest
from browser import ROOT, Lab, wait_for_notebook
from waiting import LONG_ENOUGH

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELL = 900              # seconds that one cell may take on a busy machine
ANSWER = 30             # seconds until the next question is shown
KEYS = itertools.cycle(["ArrowLeft", "ArrowRight", "ArrowRight", "e", "ArrowLeft"])
LOOPS = {"04_cartpole_from_preferences": 1, "05_backflip": 2, "12_your_taste": 2}       # runs of labels, at least
APP = "const notebook = jupyterapp.shell.currentWidget;"


class Person:
    """Goes through an open notebook."""

    def __init__(self, page: Any) -> None:
        self.page, self.answered = page, 0

    def cells(self) -> list[int]:
        """The places of the code cells."""
        return self.page.evaluate(f"() => {{{APP} return notebook.content.widgets.flatMap("
                                  "(cell, place) => cell.model.type === 'code' ? [place] : [])}")

    def run(self, place: int) -> list[dict]:
        """Run a cell and wait for it; its outputs."""
        self.page.evaluate(f"""async place => {{{APP} window.ended = false; notebook.content.activeCellIndex = place;
            await notebook.content.scrollToItem(place);
            jupyterapp.commands.execute('notebook:run-cell').then(() => {{window.ended = true}})}}""", place)
        self.page.wait_for_function(f"""() => {{{APP}
            return window.ended && notebook.sessionContext.session.kernel.status === 'idle'}}""", timeout=1000 * CELL)
        return self.page.evaluate(f"""place => {{{APP}
            return notebook.content.widgets[place].model.outputs.toJSON()}}""", place)

    def answer(self) -> None:
        """Answer all that the labeller on the screen asks, where there is one."""
        asking = self.page.locator('.cl-root[data-question]:not([data-question=""])')
        shown = [found for found in asking.element_handles() if found.is_visible()]
        for labeller in shown[-1:]:
            labeller.scroll_into_view_if_needed()
            while question := labeller.get_attribute("data-question"):
                labeller.focus()
                self.page.keyboard.press(next(KEYS))
                end = time.monotonic() + ANSWER
                while labeller.get_attribute("data-question") == question and time.monotonic() < end:
                    self.page.wait_for_timeout(50)
                assert labeller.get_attribute("data-question") != question, "a key was not taken"
                self.page.wait_for_timeout(330)             # a person is slower, the lock is 250
                self.answered += 1
            assert "Done. Thank you!" in labeller.inner_text()


@pytest.mark.parametrize("lesson", LOOPS)
def test_a_person_who_labels_at_random_gets_to_the_end(lesson, tmp_path, browser_page):
    config, work = tmp_path / "config", tmp_path / "work"
    config.mkdir()
    (config / "jupyter_lab_config.py").write_text("c.LabApp.expose_app_in_browser = True\n")
    shutil.copy(ROOT / "notebooks" / f"{lesson}.ipynb", tmp_path)              # JupyterLab saves by itself
    with Lab(tmp_path, JUPYTER_CONFIG_DIR=str(config), COURSE_WORK=str(work), COURSE_BUDGET="ci") as lab:
        browser_page.goto(lab.url(f"{lesson}.ipynb"))
        wait_for_notebook(browser_page, LONG_ENOUGH)
        person = Person(browser_page)
        for place in person.cells():
            outputs = person.run(place)
            errors = [output["evalue"] for output in outputs if output["output_type"] == "error"]
            assert not errors, f"cell {place}: {errors}"
            if "widget-view" in str(outputs):
                browser_page.wait_for_timeout(3000)         # until the labeller is drawn, where it is one
                person.answer()
    [store] = (work / "labels").glob("*.sqlite")
    kept = sqlite3.connect(store).execute("SELECT run, source FROM live_labels").fetchall()
    assert person.answered == len(kept) and {source for _, source in kept} == {"human"}
    assert len({run for run, _ in kept}) >= LOOPS[lesson]
