"""The cards and the board in a real JupyterLab: readable in both themes, folds and links that work."""

import os
from pathlib import Path

import pytest
from browser import Lab, run_cell, wait_for_notebook, write_notebook
from engine_lesson import PREAMBLE
from test_exercises_check import luminance

WRONG = 'def centred(r):\n    print("called")\n    return r - r.mean()\ncheck("99.1", centred)'
HINT = 'hint("99.1")'
RIGHT = 'def centred(r):\n    return r - r.mean(-1, keepdim=True)\ncheck("99.1", centred)'

COLOURS = """element => {
    let paper = element;
    while (getComputedStyle(paper).backgroundColor === "rgba(0, 0, 0, 0)") paper = paper.parentElement;
    return [getComputedStyle(element).color, getComputedStyle(paper).backgroundColor];
}"""


def contrast(pair: list[str]) -> float:
    """The contrast of two CSS colours rgb(r, g, b); alpha is taken as opaque where it is above 0.8."""
    bright, dim = sorted((luminance("#" + "".join(
        f"{int(float(part)):02x}" for part in colour[colour.index("(") + 1:-1].split(",")[:3])) for colour in pair),
        reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_cards_are_readable_and_work(tmp_path, browser_page, dark):
    for folder in ("exercises", "solutions"):
        (tmp_path / folder).mkdir()
        write_notebook(tmp_path / folder / "99_x.ipynb", PREAMBLE, WRONG, HINT, RIGHT, "board()")
    (tmp_path / "lessons" / "99_x").mkdir(parents=True)
    page = browser_page
    with Lab(tmp_path, dark=dark, COURSE_WORK=str(tmp_path), COURSE_ROOT=str(tmp_path)) as lab:
        page.goto(lab.url("exercises/99_x.ipynb"))
        wait_for_notebook(page)
        run_cell(page, 0)
        cells = page.locator(".jp-CodeCell")
        run_cell(page, 1)
        cells.nth(1).locator(".course-failed summary").wait_for()                 # what was printed; no hint
        assert cells.nth(1).get_by_text("Stuck?").count() == 0
        run_cell(page, 1)
        cells.nth(1).get_by_text("shows the first hint").wait_for()
        for word in ("hint 1 of 3", "hint 2 of 3", "hint 3 of 3", "all hints are open"):
            run_cell(page, 2)
            cells.nth(2).locator(".course-word", has_text=word).wait_for()
        run_cell(page, 1)
        cells.nth(1).locator(".course-failed summary").nth(3).wait_for()          # and the three hints, folded
        cells.nth(1).get_by_text("The worked solution is in").wait_for()
        run_cell(page, 3)
        cells.nth(3).locator(".course-card.course-passed").wait_for()
        run_cell(page, 4)
        page.locator(".course-board").first.wait_for(state="attached")

        failed, passed = page.locator(".course-card.course-failed"), page.locator(".course-card.course-passed").first
        assert passed.bounding_box()["height"] < 60                              # a pass is one line
        assert failed.locator("dt").first.bounding_box()["height"] < 30          # and so is a row of facts
        for name in (".course-mark", ".course-word", ".course-points", ".course-title", "dt", "dd code", "summary",
                     ".course-mistake", ".course-cases .course-yes", "a"):
            assert contrast(failed.locator(name).first.evaluate(COLOURS)) >= 4.5, name
        assert contrast(passed.locator(".course-word").evaluate(COLOURS)) >= 4.5

        hint = failed.locator("details").nth(1)
        assert not hint.locator("p").is_visible()
        hint.locator("summary").press("Enter")                                    # by keyboard
        hint.locator("p").wait_for()
        if folder := os.environ.get("COURSE_PICTURES"):
            page.set_viewport_size({"width": 1000, "height": 1500})
            page.screenshot(path=Path(folder) / f"cards_{'dark' if dark else 'light'}.png")

        failed.get_by_role("link", name="solutions/99_x.ipynb").click()
        page.wait_for_url("**/solutions/99_x.ipynb*")


@pytest.mark.browser
def test_the_solution_notebook_earns_nothing(tmp_path, browser_page):
    (tmp_path / "solutions").mkdir()
    write_notebook(tmp_path / "solutions" / "99_x.ipynb", PREAMBLE, RIGHT)
    with Lab(tmp_path, COURSE_WORK=str(tmp_path)) as lab:
        browser_page.goto(lab.url("solutions/99_x.ipynb"))
        wait_for_notebook(browser_page)
        run_cell(browser_page, 0)
        run_cell(browser_page, 1)
        browser_page.get_by_text("nothing is saved as yours").wait_for()
    assert not (tmp_path / "progress.sqlite").exists()
