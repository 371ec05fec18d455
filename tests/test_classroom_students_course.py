"""The copy of the course for a class whose solutions are held back: nothing of them in it, and it works."""

import os
import shutil
import subprocess
import sys

import pytest
from engine_lesson import settings
from waiting import LONG_ENOUGH

from course_lib import paths
from course_lib.classroom import setup, students_course
from course_lib.errors import CourseError

MISS_TWICE = '''
from course_lib import check, hint
import course_lib
print(course_lib.__file__)
for _ in range(2):
    check("03.1", lambda r1, r2, mu: r1.mean())
for _ in range(4):
    hint("03.1")
from course_lib import workspace
print(sorted({name.split("/")[0] for name in workspace.prepare().new}))
'''


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The folder of a class with `--private-solutions`, and what the command said."""
    folder = tmp_path_factory.mktemp("teacher") / "class"
    return folder, setup.init(folder, private=True)


def test_the_copy_holds_no_solution_no_source_of_one_and_no_right_answers(copy):
    folder, said = copy
    course = folder / "course"
    assert students_course.held(course) == [] and students_course.held(folder / "release") == []
    assert not [path for name in ("solutions", "tests", ".git") for path in course.rglob(name)]
    assert {path.name for path in course.glob("lessons/*/*")} == {"checks.py", "build_checks.py"}
    assert len(list((course / "exercises").glob("*.ipynb"))) == len(list((paths.root() / "exercises").glob("*.ipynb")))
    assert any(line.startswith("Not hidden in it: ") for line in said)


@pytest.mark.parametrize(("source", "target"), [
    ("solutions/03_bradley_terry.ipynb", "exercises/03_bradley_terry.ipynb"),
    ("lessons/03_bradley_terry/exercises.py", "notebooks/more.py")])
def test_a_solution_that_got_into_a_folder_is_found(source, target, tmp_path):
    (tmp_path / target).parent.mkdir(parents=True)
    shutil.copyfile(paths.root() / source, tmp_path / target)
    assert students_course.held(tmp_path) == [target]


def test_students_can_work_in_the_copy_and_are_sent_to_their_teacher_for_the_solution(copy, tmp_path):
    course = copy[0] / "course"
    done = subprocess.run([sys.executable, "-c", MISS_TWICE], capture_output=True, text=True, timeout=LONG_ENOUGH,
                          cwd=tmp_path, env={**settings(tmp_path / "work"), "PYTHONPATH": str(course),
                                             "COURSE_ROOT": str(course), "COURSE_CACHE": str(paths.cache())})
    assert done.returncode == 0, done.stderr
    assert str(course) in done.stdout and "not yet" in done.stdout
    assert "Your teacher holds the solutions back for this class: ask them." in done.stdout
    assert "['exercises', 'notebooks']" in done.stdout and "solutions/03" not in done.stdout


def test_the_copy_is_made_anew_and_nothing_else_is_deleted_for_it(copy, tmp_path, monkeypatch):
    course = copy[0] / "course"
    (course / "exercises" / "old.txt").write_text("of an earlier version")
    students_course.write(course)
    assert not (course / "exercises" / "old.txt").exists()
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "mine.txt").write_text("mine")
    with pytest.raises(CourseError, match="was not made by this command"):
        students_course.write(tmp_path / "course")
    assert os.listdir(tmp_path / "course") == ["mine.txt"]
    monkeypatch.setenv("COURSE_ROOT", str(course))
    with pytest.raises(CourseError, match="itself a copy for students"):
        students_course.write(tmp_path / "another")
