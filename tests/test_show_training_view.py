"""The training view: one figure in the end, stopped between two updates, gone on with, and no front end needed."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import nbclient
import nbformat
import pytest
from IPython.core.formatters import DisplayFormatter
from waiting import LONG_ENOUGH

from course_lib.interrupts import PatientInterrupt
from course_lib.show.training_view import curves_figure, watch

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Record:
    steps: int
    cpu_seconds: float
    episode_return: float
    entropy: float = 0.5


class Run:
    """A run that can be left and gone on with; it counts half-done updates."""

    def __init__(self, interrupt_in: int | None = None, times: int = 1):
        self.done, self.half_done, self.interrupt_in, self.times = 0, 0, interrupt_in, times

    def train(self):
        while self.done < 10:
            self.half_done += 1
            if self.done == self.interrupt_in:
                for _ in range(self.times):
                    os.kill(os.getpid(), signal.SIGINT)
            self.half_done -= 1
            self.done += 1
            yield Record(100 * self.done, 0.1 * self.done, 2.0 * self.done)


def test_an_interrupt_stops_after_the_update_and_the_next_call_goes_on(capsys):
    run, before = Run(interrupt_in=4), signal.getsignal(signal.SIGINT)
    first = watch(run.train(), total=1_000)
    assert not first.finished and run.done == 5 and run.half_done == 0
    assert "Stopped: 500 steps of 1,000 (50%)" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is before
    second = watch(run.train(), past=first.records, total=1_000)
    assert second.finished and [r.steps for r in second.records] == [100 * n for n in range(1, 11)]
    assert "Finished: 1,000 steps of 1,000 (100%)" in capsys.readouterr().out


def test_a_cell_that_ends_with_watch_shows_no_records_after_the_curves(capsys):
    """Notebooks ended in a wall of numbers: the repr of all records."""
    watched = watch(Run().train(), total=1_000)
    capsys.readouterr()
    data, _ = DisplayFormatter().format(watched)
    assert data == {} and capsys.readouterr().out == ""


def test_a_part_that_is_finished_is_not_taken_for_a_run_cut_short(capsys):
    """A loop trains round by round: the first round ends at a tenth of all steps, and nothing is wrong."""
    watch(Run().train(), total=10_000)
    assert "This part is finished: 1,000 steps, 10% of the whole run's 10,000" in capsys.readouterr().out


def test_what_is_counted_has_its_name(capsys):
    watch(Run().train(), total=1_000, unit="completions")
    assert "Finished: 1,000 completions of 1,000" in capsys.readouterr().out


def test_a_second_interrupt_stops_at_once(capsys):
    run = Run(interrupt_in=4, times=2)
    with pytest.raises(KeyboardInterrupt):
        watch(run.train())
    assert run.done == 4 and run.half_done == 1
    assert "Broken off (KeyboardInterrupt): 400 steps" in capsys.readouterr().out


def test_an_error_of_the_run_passes_through(capsys):
    def breaks():
        yield Record(100, 0.1, 3.0)
        raise RuntimeError("nan in update 2")

    with pytest.raises(RuntimeError, match="nan in update 2"):
        watch(breaks())
    assert "Broken off (RuntimeError): 100 steps" in capsys.readouterr().out


def test_the_interrupt_of_others_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    with PatientInterrupt() as interrupt:
        assert not interrupt.asked
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.asked
    assert signal.getsignal(signal.SIGINT) is before


def test_a_program_started_deaf_to_interrupts_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)       # as `nohup` and a script's `&` do
    try:
        with PatientInterrupt() as interrupt:
            os.kill(os.getpid(), signal.SIGINT)
        assert not interrupt.asked and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_alternative_text_says_what_the_curves_found():
    records = [Record(100, 0.1, float("nan")), Record(200, 0.2, 20.4), Record(300, 0.3, 487.6)]
    figure, alt = curves_figure(records, ("episode_return", "entropy"), goal=475)
    assert alt == ("Training curves against agent steps. return of an episode: 20.4 to 488; entropy, nats: 0.5 to 0.5.")
    assert len(figure.axes) == 2
    started = [Record(100, 0.1, -3e-9), Record(200, 0.2, 2.0)]
    assert "return of an episode: 0 to 2." in curves_figure(started, ("episode_return",))[1], "not -3e-09 to 2"
    assert "nothing yet" in curves_figure(records[:1], ("episode_return",))[1]


def run_cells(*cells: str) -> list:
    """The outputs of each cell, run by nbclient with no front end."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbclient.NotebookClient(notebook, timeout=LONG_ENOUGH,
                            resources={"metadata": {"path": str(ROOT)}}).execute()
    return [cell.outputs for cell in notebook.cells]


def test_a_stored_notebook_holds_one_figure_of_the_whole_run_and_no_button():
    setup = ("import sys; sys.path.insert(0, 'tests')\nfrom test_show_training_view import Run, watch\n"
             "import course_lib.show.training_view as view\nview.REDRAW_SECONDS = 0.0\nrun = Run(interrupt_in=4)")
    call = "watched = watch(run.train(), past=watched.records if run.done else (), picture=lambda: '<b>clip</b>')"
    _, stopped, finished = run_cells(setup, call, call)
    for outputs, words, steps in ((stopped, "Stopped", "8"), (finished, "Finished", "20")):
        pages = [output["data"]["text/html"] for output in outputs]
        assert len(pages) == 2 and pages[0].startswith(f"<p>{words}") and "<button" not in "".join(pages)
        assert pages[1].count("<img") == 1 and pages[1].endswith("<b>clip</b>")
        assert "return of an episode: 2 to 1" in outputs[1]["data"]["text/plain"] or steps == "20"
    assert "2 to 20" in finished[1]["data"]["text/plain"] and "Run this cell again" in stopped[0]["data"]["text/plain"]


def test_a_bar_shows_how_far_a_run_is_and_is_gone_at_its_end():
    setup = ("import sys; sys.path.insert(0, 'tests')\nfrom test_show_training_view import Run, watch\n"
             "import course_lib.show.training_view as view\nview.REDRAW_SECONDS = 0.0\nseen = []\n"
             "draw = view._Screen.draw\n"
             "view._Screen.draw = lambda *arguments: (seen.append(arguments[-1]), draw(*arguments))")
    _, finished, (said,) = run_cells(setup, "watched = watch(Run().train(), total=1_000)", "print(seen[0], seen[-1])")
    assert 'value="0.100"' in said.text and 'aria-label="training"' in said.text
    assert "<progress" not in "".join(output["data"].get("text/html", "") for output in finished)


@pytest.mark.browser
def test_the_buttons_of_the_view_and_of_jupyterlab_stop_a_run_that_goes_on_later(tmp_path, browser_page):
    from browser import Lab, run_cell, wait_for_notebook, write_notebook

    setup = f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r})" + """
import time
from test_show_training_view import Record, watch
done = []
def train():
    while len(done) < 400:
        time.sleep(0.05)
        done.append(1)
        yield Record(len(done), 0.0, len(done))"""
    write_notebook(tmp_path / "a.ipynb", setup, "watch(train()).finished", "watch(train()).finished", "len(done) > 20")
    with Lab(tmp_path) as lab:
        browser_page.goto(lab.url("a.ipynb"))
        wait_for_notebook(browser_page)
        run_cell(browser_page, 0)
        output = browser_page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea")
        run_cell(browser_page, 1)
        output.locator("img").wait_for()
        output.get_by_role("button", name="Stop after this update").click()
        output.get_by_text("Stopped:").wait_for()
        assert output.get_by_role("button").count() == 0 and output.locator("img").count() == 1
        output = browser_page.locator(".jp-CodeCell").nth(2).locator(".jp-OutputArea")
        run_cell(browser_page, 2)
        output.locator("img").wait_for()
        browser_page.locator('[data-command="notebook:interrupt-kernel"], jp-button[title^="Interrupt"]').first.click()
        output.get_by_text("Stopped:").wait_for()
        assert "KeyboardInterrupt" not in browser_page.locator(".jp-Notebook").inner_text()
