"""README's table of results, the page of results and the pictures of lessons are what their tools make of the files."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from course_lib.course_map import MAP
from course_lib.paths import root
from tools import results_figures, results_table, thumbnails
from tools.results_agents import AGENTS
from tools.results_text import TEXTS

README = (root() / "README.md").read_text(encoding="utf-8")
LESSONS = {**AGENTS, **TEXTS}


def test_readme_and_page_are_what_the_tool_writes():
    for path, text in results_table.written(README).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run python tools/results_table.py"


def test_the_readme_stays_short_and_has_a_line_for_each_lesson():
    assert len(README.splitlines()) < 150
    table = README.split(results_table.BEGIN)[1].split(results_table.END)[0]
    assert [row[:4] for row in table.strip().splitlines()[2:]] == [f"| {number}" for number in LESSONS]
    assert set(LESSONS) == {entry.number for entry in MAP} - {"00"}


def disturbed(value: object) -> object:
    """A result with every measured number a little smaller; seeds and counts of what was planned stay."""
    if isinstance(value, dict):
        return {name: one if name in ("seed", "labels", "target", "share", "count", "date") else
                {kind: [-odd for odd in odds] for kind, odds in one.items()} if name == "odds" else disturbed(one)
                for name, one in value.items()}
    if isinstance(value, list):
        return [disturbed(one) for one in value]
    return 0.5 * value - 0.01 if isinstance(value, float) else value


@pytest.fixture
def others(tmp_path, monkeypatch):
    """Results and notebooks in which everything came out otherwise."""
    results, notebooks = tmp_path / "results", tmp_path / "notebooks"
    shutil.copytree(results_figures.RESULTS, results)
    for path in results.iterdir():
        text = path.read_text(encoding="utf-8")
        path.write_text("".join(json.dumps(disturbed(json.loads(line))) + "\n" for line in text.splitlines())
                        if path.suffix == ".jsonl" else json.dumps(disturbed(json.loads(text))), encoding="utf-8")
    notebooks.mkdir()
    for path in results_figures.NOTEBOOKS.glob("*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for output in (output for cell in notebook["cells"] for output in cell.get("outputs", ())):
            if "text" in output:
                output["text"] = re.sub(r"(?<=\d\.)\d", lambda digit: str(9 - int(digit[0])), "".join(output["text"]))
                output["text"] = re.sub(r"after 115,162 steps", "after 99,999 steps", output["text"])
        (notebooks / path.name).write_text(json.dumps(notebook), encoding="utf-8")
    monkeypatch.setattr(results_figures, "RESULTS", results)
    monkeypatch.setattr(results_figures, "NOTEBOOKS", notebooks)


FIGURES = re.compile(r"\d+(?:[.,]\d+)*")


@pytest.mark.parametrize("number", LESSONS)
def test_no_result_is_typed_in_by_hand(number, request):
    """Each lesson's sentences say other figures when its files do."""
    result, seeds, _, sentences = LESSONS[number]()
    request.getfixturevalue("others")
    after, seeds_after, _, sentences_after = LESSONS[number]()
    assert sentences != sentences_after
    if number not in ("01", "04"):                  # there the line says "500 of 500"
        assert FIGURES.findall(result + seeds) != FIGURES.findall(after + seeds_after)


def test_a_figure_that_is_gone_is_a_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(results_figures, "RESULTS", tmp_path)
    with pytest.raises(results_figures.Missing, match="has no file pong_pixels-true"):
        AGENTS["06"]()
    with pytest.raises(results_figures.Missing, match="does not print"):
        results_figures.claim("01", "the moon is made of cheese")
    with pytest.raises(results_figures.Missing, match="needs one line"):
        results_table.written("# A README without markers\n")
    with pytest.raises(results_figures.Missing, match="does not set TURNS, WIDTH"):
        results_figures.goal("backflip", "TURNS, WIDTH")


@pytest.mark.parametrize(("value", "digits", "says"), [(17.15, 1, "17.2"), (-0.05, 1, "-0.1"), (0.745, 2, "0.75")])
def test_numbers_are_rounded_as_people_round(value, digits, says):
    assert results_figures.number(value, digits) == says


@pytest.mark.parametrize(("seeds", "says"), [
    ([5], "seed 5"), ([6, 5], "seeds 5 and 6"), ([5, 1000, 1002, 1001], "seeds 5 and 1000 to 1002"),
    ([5, 7, 9], "seeds 5, 7 and 9")])
def test_seeds_are_named_by_their_blocks(seeds, says):
    assert results_figures.seeds_of([{"seed": seed} for seed in seeds]) == says


def test_intervals_are_those_of_the_textbook():
    assert results_figures.of_seeds(5, 5) == "5 of 5 seeds (57–100%)"              # Wilson (1927)
    assert results_figures.mean_interval([1.0, 2.0, 3.0]) == ("2.0", "3 seeds (-0.5–4.5)")        # t(2) = 4.303


def test_each_lesson_has_the_picture_of_its_figure():
    for entry in MAP:
        assert thumbnails.up_to_date(entry.number), f"lesson {entry.number}: run python tools/thumbnails.py"
        assert entry.picture in README and entry.shows.endswith(".")
    assert thumbnails.size() < 400_000


def test_a_picture_of_something_else_is_noticed(tmp_path, monkeypatch):
    shutil.copytree(thumbnails.PICTURES, tmp_path / "lessons")
    monkeypatch.setattr(thumbnails, "PICTURES", tmp_path / "lessons")
    assert thumbnails.up_to_date("03")
    shutil.copy(tmp_path / "lessons" / "10.webp", tmp_path / "lessons" / "03.webp")
    assert not thumbnails.up_to_date("03")
    assert np.asarray(Image.open(tmp_path / "lessons" / "03.webp")).shape[:2] == thumbnails.SIZE[::-1]


def test_runs_come_by_seed_whatever_the_order_in_which_they_were_made(tmp_path, monkeypatch):
    monkeypatch.setattr(results_figures, "RESULTS", tmp_path)
    (tmp_path / "some.jsonl").write_text('{"seed": 1004, "n": 3}\n{"seed": 1002, "n": 2}\n{"seed": 5, "n": 1}\n')
    assert results_figures.column(results_figures.load("some"), "n") == [1, 2, 3]
