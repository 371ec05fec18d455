"""The builds of lessons 02, 04, 08 and 11, whole classes that train: graded like short answers, across processes."""

import sys
import time

import pytest
from handed_in import ROOT, save, solution

from course_lib.authoring.answers import read
from course_lib.classroom import grader, notebooks
from course_lib.exercises import registry

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the grader needs Linux")

BUILDS = [exercise.id for lesson in registry.lessons() for exercise in registry.of_lesson(lesson)
          if exercise.kind == "build"]
WRONG = {                       # some of lessons/*/build_answers.py: in the first part, in the middle, late
    "02.7": ("RowsWithoutTime", "NoClip", "NeverSteps"),
    "04.7": ("ClipsMixed", "OneSideDetached", "OptimizerNeverSteps"),
    "08.7": ("mask_missing", "dropout_always_on", "gradients_never_zeroed"),
    "11.8": ("reference_is_the_policy", "prompt_in_the_mask", "gradients_never_zeroed"),
}
LONGEST = 600.0                 # seconds by the clock on the wall for a lesson with its build, on a busy machine


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setenv("COURSE_BUDGET", "ci")


def of_build(exercise, path, box):
    """The report of a build, graded with hidden inputs."""
    result = grader.grade(path, "ada", box, seed=7)
    assert result.reason == ""
    return next(report for report in result.reports if report.exercise.id == exercise)


def notebook(exercise, folder):
    """The lesson's solutions or exercises as they are in the course."""
    return next((ROOT / folder).glob(f"{exercise[:2]}_*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("exercise", BUILDS)
def test_the_solution_of_a_build_gets_all_points_in_bounded_time(exercise, shielded):
    began = time.monotonic()
    report = of_build(exercise, notebook(exercise, "solutions"), shielded)
    assert report.points == report.exercise.points, report.first_miss
    assert time.monotonic() - began < LONGEST


@pytest.mark.parametrize("exercise", BUILDS)
def test_the_empty_cell_of_a_build_is_not_written_and_gets_none(exercise, shielded):
    report = of_build(exercise, notebook(exercise, "exercises"), shielded)
    assert report.status == "unwritten" and report.points == 0


@pytest.mark.slow
@pytest.mark.parametrize(("exercise", "name"), [(key, name) for key, names in WRONG.items() for name in names])
def test_a_wrong_build_loses_points_for_what_is_wrong_in_it(exercise, name, tmp_path, shielded):
    path = next((ROOT / "lessons").glob(f"{exercise[:2]}_*")) / "build_answers.py"
    says = next(one.says for one in read(path.with_name("answers.py"))[0] if one.name == name)
    function = registry.load(exercise).function
    book = solution(exercise[:2])
    cells = [cell for cell in book["cells"] if f"exercise:{exercise}" in cell["metadata"].get("tags", ())]
    for cell in cells:
        cell["source"] = ""
    cells[0]["source"] = path.read_text(encoding="utf-8") + f"\n\n{function} = {name}\n"
    report = of_build(exercise, save(book, tmp_path / notebook(exercise, "solutions").name), shielded)
    assert report.status == "failed" and report.points < report.exercise.points
    assert says.lower() in report.first_miss.mistake.lower(), report.first_miss


def test_every_build_has_wrong_answers_here():
    assert set(WRONG) == set(BUILDS)
    assert notebooks.paths.root() == ROOT
