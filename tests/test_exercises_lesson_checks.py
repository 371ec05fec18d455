"""Each lesson's checks.py is found in its folder and imported as a module, here and in any other process."""

import importlib
import inspect
import pickle
import sys

import mini_course
import pytest

from course_lib import mine, paths
from course_lib.authoring import source
from course_lib.errors import CourseError
from course_lib.exercises import lesson_checks, registry

PREDICTION = registry.load("03.3").reference


def test_every_lesson_with_exercises_has_its_checks_beside_them():
    assert lesson_checks.files() == {lesson.number: lesson.folder / "checks.py" for lesson in source.lessons()
                                     if lesson.exercises.exists()}


def test_a_reference_in_the_same_file_is_a_function_of_the_lessons_module():
    answer = registry.load("03.3").load_reference()
    assert PREDICTION == "course_lib.exercises.lesson_checks.lesson_03:prediction"
    assert inspect.getsourcefile(answer) == str(paths.root() / "lessons" / "03_bradley_terry" / "checks.py")
    assert inspect.getsource(answer).startswith("def prediction(")


def test_a_build_has_a_file_of_checks_of_its_own():
    build = registry.load("08.7")
    assert build.reference.startswith("course_lib.exercises.lesson_checks.lesson_08_build:")
    beside = lesson_checks.build_file(lesson_checks.files()["08"])
    assert inspect.getsourcefile(build.load_reference()) == str(beside)
    assert [exercise.id for exercise in registry.of_lesson("08")] == [f"08.{number}" for number in range(1, 8)]
    for name in ("lesson_03_build", "lesson_08_other"):
        with pytest.raises(ImportError):
            importlib.import_module(f"course_lib.exercises.lesson_checks.{name}")


def test_another_process_imports_the_module_by_its_name(work):
    pickled = pickle.dumps(mine("03.3"))
    done = mini_course.python("-c", f"import pickle; print(pickle.loads({pickled!r}).__name__)")
    assert done.stdout == "prediction\n", done.stderr
    module, _, name = PREDICTION.partition(":")
    assert mini_course.python("-c", f"from {module} import {name}").returncode == 0      # as a saved answer does it


def test_a_lesson_without_checks_is_no_module():
    with pytest.raises(ModuleNotFoundError, match="lesson_77"):
        lesson_checks.module("77")
    with pytest.raises(ModuleNotFoundError):
        lesson_checks.module("nonsense")


def test_another_checkout_has_other_checks(mini, monkeypatch):
    assert registry.lessons() == ["91"] and registry.load("91.1").function == "add_seven"
    first = lesson_checks.module("91")
    elsewhere = mini.root.parent / "elsewhere"
    mini.root.rename(elsewhere)
    monkeypatch.setenv("COURSE_ROOT", str(elsewhere))
    again = lesson_checks.module("91")
    assert again is not first and again.__file__ == str(elsewhere / "lessons" / mini_course.SLUG / "checks.py")
    assert lesson_checks.module("91") is again is sys.modules[again.__name__]


def test_a_missing_folder_of_lessons_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    with pytest.raises(CourseError, match=r"lessons is missing: .*`git checkout lessons`.* set COURSE_ROOT"):
        registry.load("03.1")


def test_two_files_for_one_lesson_are_refused(mini):
    twin = mini.root / "lessons" / "91_twin"
    twin.mkdir()
    (twin / "checks.py").write_text("")
    with pytest.raises(CourseError, match="Lesson 91 has two files of checks"):
        registry.lessons()


def test_a_learners_copies_hold_no_checks_and_no_answers(mini):
    mini.lesson.with_name("answers.py").write_text("")
    assert mini("build") == 0 and mini("update") == 0
    assert mini.work.is_dir()
    assert not list(mini.work.rglob("*.py"))
