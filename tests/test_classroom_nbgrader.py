"""nbgrader for the workflow, `course grade` for the scores: what is written for nbgrader, and nbgrader itself on it.

The slow tests drive nbgrader's own commands; they need the extra `classroom` (`make classroom`).
"""

import csv
import importlib.util
import json
import os
import pwd
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from conftest import skip_unless_ci
from handed_in import code, place, save, solution
from waiting import LONG_ENOUGH

from course_lib import paths
from course_lib.classroom import nbgrader_course, nbgrader_scores, notebooks, results, setup
from course_lib.classroom.grader import Graded
from course_lib.errors import CourseError
from course_lib.exercises import registry
from course_lib.exercises import report as r
from course_lib.exercises.report import Outcome, Report

NAME = "00_start_here"
ROSTER = "student,name,email\nada,Ada,ada@example.org\nbob,Bob,\ncleo,Cleo,\n"


def record(path, student="ada", points=3, reason="", handed_in="2027-01-31T12:00:00+00:00", late=None):
    """The record of a notebook of lesson 00 with so many of its three exercises right."""
    reports = tuple(Report(exercise, tuple(
        Outcome(case.name, r.PASSED if i < points else r.FAILED, "f(1)", "2", "3", "Look again.")
        for case in exercise.cases)) for i, exercise in enumerate(registry.of_lesson("00")))
    digest = notebooks.hashlib.sha256(path.read_bytes()).hexdigest()
    one = results.record(Graded(student, path, digest, "00", reason, () if reason else reports), str(path), "x")
    return {**one, "handed_in": handed_in, "late_days": late}


@pytest.mark.parametrize("lesson", registry.lessons())
def test_each_exercise_has_cells_to_write_in_and_one_locked_cell_with_its_points(lesson):
    name = nbgrader_course.assignment(lesson)
    released = (paths.root() / "exercises" / f"{name}.ipynb").read_text(encoding="utf-8")
    book = nbgrader_course.marked(json.loads(released))
    marks = [cell["metadata"]["nbgrader"] for cell in book["cells"] if "nbgrader" in cell["metadata"]]
    assert max(Counter(mark["grade_id"] for mark in marks).values()) == 1
    assert {mark["grade_id"]: mark["points"] for mark in marks if mark["grade"]} == {
        nbgrader_course.check_cell(exercise.id): exercise.points for exercise in registry.of_lesson(lesson)}
    assert all(mark["locked"] is mark["grade"] is not mark["solution"] for mark in marks)
    assert {exercise.id for exercise in registry.of_lesson(lesson)} == {
        tag[9:] for cell in book["cells"] for tag in cell["metadata"].get("tags", ()) if tag.startswith("exercise:")
        and cell["metadata"]["nbgrader"]["solution"]}


def test_formgrader_shows_a_students_code_and_no_page_of_theirs(tmp_path):
    book = solution("00")
    first = book["cells"][place(book, "exercise:00.1")]
    first["outputs"] = [{"output_type": "display_data", "metadata": {},
                         "data": {"text/html": "<script>steal()</script>"}}]
    del first["metadata"]["tags"]                                    # the cell is found by what it defines
    book["cells"] += [{"cell_type": "markdown", "id": "m", "metadata": {}, "source": "<img src=x onerror=steal()>"},
                      code("helper = '<script>steal()</script>'"), book["cells"][place(book, "check:00.1")]]
    path = save(book, tmp_path / "ada" / "00.ipynb")
    one = record(path, points=1, late=2)
    shown = nbgrader_scores.shown(one, nbgrader_scores.read(one, path))
    cells = {cell["metadata"]["nbgrader"]["grade_id"]: cell for cell in shown["cells"]
             if "nbgrader" in cell["metadata"]}
    told = [cells[f"check-00-{i}"]["outputs"][0]["text"] for i in (1, 2)]
    assert cells["exercise-00-1"]["source"] == "".join(first["source"])
    assert "".join(shown["cells"][0]["outputs"][0]["text"]) == "1 of 3 points, 2 days late\n"
    assert "1 of 1" in told[0] and "Called" not in told[0] and "Called: f(1)" in told[1]
    holding = [cell for cell in shown["cells"] if "steal" in json.dumps(cell)]
    assert [(cell["cell_type"], cell["source"], cell["outputs"]) for cell in holding] == [
        ("code", "helper = '<script>steal()</script>'", [])]
    assert len([cell for cell in shown["cells"] if cell["source"] == cells["check-00-1"]["source"]]) == 1


def test_a_notebook_that_has_changed_since_it_was_graded_is_not_shown_with_its_old_points(tmp_path):
    path = save(solution("00"), tmp_path / "ada" / "00.ipynb")
    one = record(path)
    save({**solution("00"), "more": 1}, path)
    with pytest.raises(CourseError, match="changed since it was graded"):
        nbgrader_scores.read(one, path)


def test_without_nbgrader_the_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CourseError, match="make classroom"):
        setup.init(tmp_path / "class", nbgrader=True)
    assert not (tmp_path / "class").exists()


# --- nbgrader itself --------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A class's folder as `course classroom init --nbgrader` makes it, with three students."""
    if importlib.util.find_spec("nbgrader") is None:
        skip_unless_ci("nbgrader is not installed: `make classroom` installs it")
    folder = tmp_path_factory.mktemp("teacher")
    (folder / "roster.csv").write_text(ROSTER)
    setup.init(folder / "class", folder / "roster.csv", nbgrader=True)
    return folder / "class"


@pytest.fixture
def classroom(made, tmp_path):
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "class"))


def hand_in(folder, student, book, name=NAME):
    """Put a notebook where `nbgrader collect` does."""
    return save(book, folder / "submitted" / student / name / f"{name}.ipynb")


def bring(folder, *records):
    """What `course classroom export --to nbgrader` does with these results."""
    results.Results(folder / "results").finish(records)
    return nbgrader_scores.bring(folder, records, {"ada": {}, "bob": {}, "cleo": {}})


def nbgrader(folder, *words, code=0):
    """Run one of nbgrader's commands in the class's folder; what it said."""
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(paths.root())}
    done = subprocess.run([programs / "nbgrader", *words], cwd=folder, capture_output=True, text=True,
                          timeout=LONG_ENOUGH, env=environment)
    assert done.returncode == code, done.stderr[-3000:]
    return done.stderr


def table(folder):
    """nbgrader's table of scores for lesson 00: student -> row."""
    nbgrader(folder, "export", "--to", "scores.csv")
    with (folder / "scores.csv").open(newline="") as file:
        return {row["student_id"]: row for row in csv.DictReader(file) if row["assignment"] == NAME}


def grades(folder, student="ada"):
    """(automatic score, score by hand, asks the teacher to look) of each exercise in the database."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as gradebook:
        notebook = gradebook.find_submission(NAME, student).notebooks[0]
        return {grade.name: (grade.auto_score, grade.manual_score, grade.needs_manual_grade)
                for grade in notebook.grades}


@pytest.mark.slow
def test_scores_late_days_and_reasons_are_in_nbgraders_table_and_nothing_ungraded_is_0(classroom):
    (classroom / "due.csv").write_text("lesson,due\n00,2027-01-30T00:00+00:00\n")
    ada = record(hand_in(classroom, "ada", solution("00")), points=2)
    bob = record(hand_in(classroom, "bob", {**solution("00"), "of": "bob"}), "bob", points=0)
    said = bring(classroom, ada, bob)
    assert said[0].startswith("2 notebooks with their scores")
    rows = table(classroom)
    assert [rows["ada"][key] for key in ("score", "max_score", "late_days", "status")] == ["2.0", "3.0", "2", "graded"]
    assert (rows["bob"]["score"], rows["bob"]["status"]) == ("0.0", "graded")
    assert (rows["cleo"]["score"], rows["cleo"]["status"]) == ("", "not handed in")
    cleo = record(hand_in(classroom, "cleo", {"cells": "none"}), "cleo", reason="the file has no cells")
    said = bring(classroom, ada, bob, cleo)
    assert "cleo, 00: Not graded, because the file has no cells." in said
    rows = table(classroom)
    assert (rows["cleo"]["score"], rows["cleo"]["note"]) == ("", "Not graded, because the file has no cells.")


@pytest.mark.slow
def test_exporting_twice_changes_nothing_and_what_the_teacher_gave_by_hand_stays(classroom):
    from nbgrader.api import Gradebook

    path = hand_in(classroom, "ada", solution("00"))
    bring(classroom, record(path, points=1))
    database = classroom / "gradebook.db"
    first = database.read_bytes()
    bring(classroom, record(path, points=1))
    assert database.read_bytes() == first
    with Gradebook(f"sqlite:///{database}") as gradebook:
        grade = gradebook.find_grade("check-00-2", NAME, NAME, "ada")
        grade.manual_score, grade.needs_manual_grade = 0.5, False
        gradebook.db.commit()
    bring(classroom, record(path, points=1))
    assert grades(classroom)["check-00-2"] == (0.0, 0.5, False) and table(classroom)["ada"]["score"] == "1.5"
    again = hand_in(classroom, "ada", {**solution("00"), "again": 1})
    bring(classroom, record(again, points=3, handed_in="2027-02-01T12:00:00+00:00"))
    assert grades(classroom) == {"check-00-1": (1.0, None, False), "check-00-2": (1.0, 0.5, True),
                                 "check-00-3": (1.0, None, False)}


@pytest.mark.slow
def test_a_broken_resubmission_keeps_the_earlier_scores_and_counts_as_not_graded(classroom):
    bring(classroom, record(hand_in(classroom, "ada", solution("00"))))
    broken = hand_in(classroom, "ada", {"cells": []})
    said = bring(classroom, record(broken, reason="the notebook has no code cells",
                                   handed_in="2027-03-01T00:00:00+00:00"))
    assert "ada, 00: nbgrader keeps the scores of the notebook before this one." in said
    row = table(classroom)["ada"]
    assert (row["score"], row["status"]) == ("", "not graded")
    assert grades(classroom)["check-00-1"] == (1.0, None, False)


@pytest.mark.slow
def test_nbgraders_autograde_runs_no_code_of_students_and_takes_the_same_scores(classroom, tmp_path):
    trap = tmp_path / "ran"
    book = solution("00")
    book["cells"].insert(0, code(f"open({str(trap)!r}, 'w').close()"))
    one = record(hand_in(classroom, "ada", book), points=2)
    results.Results(classroom / "results").finish([one])
    os.utime(one["file"], (1801396800, 1801396800))                          # 2027-01-31 12:00 UTC
    nbgrader(classroom, "autograde", NAME)
    assert not trap.exists()
    assert [grades(classroom)[f"check-00-{i}"][0] for i in (1, 2, 3)] == [1.0, 1.0, 0.0]
    hand_in(classroom, "bob", solution("00"))                                # nobody has graded it
    said = nbgrader(classroom, "autograde", NAME, "--student", "bob", code=1)
    assert "has no score yet" in said and "course grade" in said
    assert (table(classroom)["bob"]["score"], table(classroom)["bob"]["status"]) == ("", "not handed in")


@pytest.mark.slow
def test_feedback_has_points_and_cases_and_can_be_given_back_to_everybody(classroom, tmp_path):
    exchange = tmp_path / "exchange"
    ada = record(hand_in(classroom, "ada", solution("00")), points=2)
    bob = record(hand_in(classroom, "bob", {"cells": []}), "bob", reason="the notebook has no code cells")
    bring(classroom, ada, bob)
    nbgrader(classroom, "generate_feedback", NAME)
    page = (classroom / "feedback" / "ada" / NAME / f"{NAME}.html").read_text()
    assert "Score: 2.0 / 3.0" in page and "Called: f(1)" in page and "not passed" in page
    nbgrader(classroom, "release_assignment", NAME, f"--Exchange.root={exchange}")
    nbgrader(classroom, "release_feedback", NAME, f"--Exchange.root={exchange}")
    pages = [path.read_text() for path in (exchange / "rlhf" / "feedback").glob("*.html")]
    assert len(pages) == 2 and any("Not graded, because the notebook has no code cells." in text for text in pages)


@pytest.mark.slow
def test_collect_believes_neither_a_name_nor_a_time_nor_a_link_of_a_student(classroom, tmp_path):
    exchange = tmp_path / "exchange"
    nbgrader(classroom, "release_assignment", NAME, f"--Exchange.root={exchange}")
    secret = classroom / "private" / "class_seed.txt"
    forged = exchange / "rlhf" / "inbound" / f"cleo+{NAME}+2001-01-01 00:00:00 UTC+x"
    save(solution("00"), forged / f"{NAME}.ipynb")
    (forged / "timestamp.txt").write_text("2001-01-01 00:00:00 UTC")
    (forged / "more.txt").symlink_to(secret)
    os.utime(forged / f"{NAME}.ipynb", (0, 0))
    (exchange / "rlhf" / "inbound" / f"bob+{NAME}+no time+x").symlink_to(classroom / "private")
    said = nbgrader(classroom, "collect", NAME, f"--Exchange.root={exchange}")
    owner = pwd.getpwuid(os.getuid()).pw_name
    assert f"says that cleo handed it in, and belongs to {owner}" in said
    collected = classroom / "submitted" / owner / NAME
    assert [list((classroom / "submitted" / student).iterdir()) for student in ("bob", "cleo")] == [[], []]
    taken = [path for path in classroom.glob(f"submitted/*/{NAME}/*") if path.is_symlink() or path.name == "more.txt"
             or path.read_bytes() == secret.read_bytes()]
    assert taken == []
    changed = int(max(path.lstat().st_ctime for path in (forged, *forged.iterdir())))
    assert int((collected / f"{NAME}.ipynb").stat().st_mtime) == changed
    assert (collected / "timestamp.txt").read_text().startswith("20") and "2001" not in (
        collected / "timestamp.txt").read_text()
