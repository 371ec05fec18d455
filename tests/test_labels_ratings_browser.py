"""The rater in a real JupyterLab: seven buttons an axis, what is missing is named, a reload goes on, nothing runs."""

import json

import pytest
from browser import Lab, run_cell, wait_for_notebook, write_notebook

pytestmark = pytest.mark.browser

AXES = ["coverage", "accuracy", "coherence", "overall"]
SHOW = """from course_lib.labels.ratings import Rater, RatingBook, RatingItem
items = [RatingItem(f"item-{n}", f"A long text, number {n}.", f"Summary {n} <img src=x onerror='window.ran = 1'>")
         for n in range(3)]
rater = Rater(RatingBook("ratings.jsonl"), items, target=2, labeler="ann")
rater"""
REQUIRE = "[rating.scores['overall'] for rating in rater.require()]"


class Rating:
    """The open notebook with its rater shown."""

    def __init__(self, page, lab):
        self.page, self.lab = page, lab
        write_notebook(lab.folder / "a.ipynb", SHOW, REQUIRE)
        self.open()

    def open(self):
        self.page.goto(self.lab.url("a.ipynb"))
        wait_for_notebook(self.page)
        run_cell(self.page, 0)
        self.page.get_by_role("button", name="Save and go on").last.wait_for()

    def choose(self, **scores):
        for axis, score in scores.items():
            row = self.page.locator(".widget-toggle-buttons, .jupyter-widget-toggle-buttons").nth(AXES.index(axis))
            row.get_by_role("button", name=str(score), exact=True).click()

    def click(self, name):
        self.page.get_by_role("button", name=name).last.click()

    def says(self, words):
        self.page.get_by_text(words, exact=False).last.wait_for()

    def file(self):
        path = self.lab.folder / "ratings.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_rate_on_four_axes_forget_one_reload_go_back_and_end(tmp_path, browser_page):
    with Lab(tmp_path) as lab:
        rating = Rating(browser_page, lab)
        rating.says("0 of 2 rated")
        rating.says("Summary 0 <img")                                       # shown as text, not as a picture
        rating.choose(coverage=5, accuracy=7, coherence=6)
        rating.click("Save and go on")
        rating.says("overall")
        assert rating.file() == [], "an axis is missing: nothing is saved yet"
        rating.choose(overall=4)
        rating.click("Save and go on")
        rating.says("1 of 2 rated")
        [first] = rating.file()
        assert (first["item_id"], first["labeler"], first["source"]) == ("item-0", "ann", "human")
        assert first["scores"] == {"coverage": 5, "accuracy": 7, "coherence": 6, "overall": 4}

        rating.open()                                                       # the page is lost: what was saved is there
        rating.says("1 of 2 rated")
        rating.says("Summary 1 <img")
        rating.choose(coverage=1, accuracy=2, coherence=3, overall=2)
        rating.click("Save and go on")
        rating.says("Done, and saved.")
        rating.click("Back")
        rating.says("The rating from before is kept in the file")
        rating.choose(overall=3)
        rating.click("Save and go on")
        rating.says("Done, and saved.")
        assert [(line["item_id"], line["scores"]["overall"]) for line in rating.file()] == [
            ("item-0", 4), ("item-1", 2), ("item-1", 3)]
        run_cell(browser_page, 1)
        output = browser_page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-output").first
        output.wait_for()
        assert output.inner_text().strip() == "[4, 3]"
        assert browser_page.evaluate("window.ran") is None
