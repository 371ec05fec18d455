"""What is committed in the notebooks: the cells of the source, nothing of a solution, no texts of others, alt texts."""

import base64
import io
import json
import re

import pytest
from PIL import Image

from course_lib import assets, paths
from course_lib.authoring import clean_outputs, notebook_file, prose, rules
from course_lib.authoring.build import check, orphans
from course_lib.authoring.render import FOLDERS
from course_lib.authoring.source import Cell, lessons, read_cells

LESSONS = pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson.slug)
COMPUTE_TOO = [         # lesson and first line of cells that show results of benchmarks beside what they compute
    ("15", "from course_lib.lm.hhh_texts import QUESTIONS, REQUESTS"),
    ("15", "declined, helped = next(iter(curves.values()))"),
    ("15", "from course_lib.lm.scale_data import load_pairs"),
    ("15", "from course_lib.lm.int8 import megabytes, to_int8")]
WORDS = 7        # that many words in a row of somebody else's text are a quotation


def notebooks(lesson):
    return {folder: notebook_file.read(paths.root() / folder / f"{lesson.slug}.ipynb") for folder in FOLDERS}


@LESSONS
def test_no_rule_is_broken_and_the_notebooks_are_as_built(lesson):
    assert [str(fault) for fault in rules.faults(lesson)] == []
    assert check(lesson)


def test_no_notebook_without_a_lesson():
    assert orphans() == []


@LESSONS
def test_nothing_of_a_solution_is_in_the_exercises(lesson):
    cells = read_cells(lesson.exercises)
    assert clean_outputs.secrets(cells), "no solution found: is the test looking at the right place?"
    assert clean_outputs.in_notebook(cells, notebooks(lesson)["exercises"]) == []
    assert not any(cell.get("outputs") for cell in notebooks(lesson)["exercises"].cells)


@LESSONS
def test_every_picture_has_alt_text(lesson):
    for folder, notebook in notebooks(lesson).items():
        path = paths.root() / folder / f"{lesson.slug}.ipynb"
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                assert prose.images(Cell("markdown", cell.source, (), path, 0)) == []
            else:
                assert not prose.has_wordless_picture(cell.outputs), f"{path}: {cell.source[:80]}"


@LESSONS
def test_outputs_are_stored_and_none_is_an_error(lesson):
    for folder in ("notebooks", "solutions"):
        notebook = notebooks(lesson)[folder]
        assert notebook_file.without_outputs(notebook) == 0, f"run `course build --execute {lesson.number}`"
        kinds = {output.output_type for cell in notebook.cells for output in cell.get("outputs", ())}
        assert "error" not in kinds
        stored = json.dumps([cell.get("outputs") for cell in notebook.cells])
        assert str(paths.root()) not in stored and not re.search(r"at 0x[0-9a-f]{6}", stored)


def test_stored_pictures_have_a_ground_of_their_own_so_that_they_can_be_read_on_a_dark_page():
    seen = 0
    for lesson in lessons():
        for folder, notebook in notebooks(lesson).items():
            shown = "\n".join(clean_outputs.strings([cell.get("outputs", []) for cell in notebook.cells]))
            for data in re.findall(r"data:image/(?:png|webp);base64,([A-Za-z0-9+/=]+)", shown):
                with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
                    least, most = picture.convert("RGBA").getchannel("A").getextrema()
                assert least == most == 255, f"{folder}/{lesson.slug}: a picture with transparent parts"
                seen += 1
    assert seen > 200


def test_cells_that_show_results_of_benchmarks_are_compared_with_what_they_show_now():
    shows = re.compile(r"(?<!def )\b(?:results|benchmark_results|benchmark_runs|stored|measured)\(|stored_ablation")
    cells = [(lesson.number, cell) for lesson in lessons() for cell in read_cells(lesson.lesson) if cell.kind == "code"]
    tagged = [cell for _, cell in cells if "nbval-check-output" in cell.tags]
    without = [(number, cell.source.split("\n")[0]) for number, cell in cells
               if shows.search(cell.source) and cell not in tagged]
    assert without == COMPUTE_TOO
    assert len(tagged) >= 22


def test_no_texts_of_others_are_stored():
    here = {lesson.number for lesson in lessons()}
    shown = {}
    for lesson in lessons():
        for folder, notebook in notebooks(lesson).items():
            for index, cell in enumerate(notebook.cells):
                stored = clean_outputs.strings([cell.source, cell.get("outputs", [])])
                words = re.sub(r"data:[^\"' ]+", " ", "\n".join(stored))
                shown.update((shingle, f"{folder}/{lesson.slug}, cell {index + 1}") for shingle in shingles(words))
    files = [assets.path(asset.name) / member.file for asset in assets.manifest().values()
             if asset.name in ("human-ratings", "review-corpus", "human-summaries") and here & set(asset.lessons)
             for member in asset.members if member.file.endswith(("GroundTruth.txt", ".csv", ".json"))]
    assert files
    lines = (line for file in files for line in file.open(encoding="utf-8", errors="replace"))
    found = {f"{shown[words]}: {' '.join(words)}" for line in lines for words in shingles(line) if words in shown}
    assert found == set()


def shingles(text):
    """Every seven words in a row, but for one word said seven times: nobody's text, and a hacked model's favourite."""
    words = re.findall(r"[a-z']+", text.lower())
    return (run for run in zip(*(words[start:] for start in range(WORDS)), strict=False) if len(set(run)) > 1)
