"""Exercises are found by id, unknown ids are answered with near ones, and a badly defined exercise is refused."""

import pytest

from course_lib.errors import CourseError
from course_lib.exercises import registry
from course_lib.exercises.registry import UnknownExercise, exercise, load

GOOD = dict(title="T", function="f", points=2, kind="implement", difficulty=1, importance=1, minutes=5,
            reference="math:sqrt", hints=("a", "b", "c"))


def test_an_exercise_is_loaded_by_its_id(work):
    found = load("99.1")
    assert (found.function, found.lesson, len(found.cases)) == ("centred", "99", 4)
    assert [item.id for item in registry.of_lesson("99")] == ["99.1", "99.2"]
    assert "99" in registry.lessons()
    assert found.load_reference().__name__ == "the_course_centred"


@pytest.mark.parametrize(("id", "part"), [
    ("9.1", "'99.1' (Centre the scores)"), ("99.7", "Lesson 99 has 99.1, 99.2."), ("99,1", "mean '99.1' (Centre"),
    (99.1, "mean '99.1' (Centre"), ("3.1", "mean '03.1'"), ("99", "'99.1'"),
    ("xx", "Lessons with exercises: "), ("", "Lessons with exercises: "), (None, "Lessons with exercises: "),
])
def test_an_unknown_id_is_answered_with_near_ones(work, id, part):
    with pytest.raises(UnknownExercise) as caught:
        load(id)
    assert f"There is no exercise {id!r}." in str(caught.value) and part in str(caught.value)
    assert isinstance(caught.value, LookupError) and isinstance(caught.value, CourseError)


@pytest.mark.parametrize(("id", "change", "part"), [
    ("3.2", {}, "look like 03.2"), ("98.1", {"kind": "essay"}, "kind must be"), ("98.1", {"points": 0}, "positive"),
    ("98.1", {"hints": ("a", "b")}, "three steps"), ("98.1", {"hints": ("a", "", "c")}, "three steps"),
    ("98.1", {"difficulty": 4}, "1 to 3"), ("98.1", {"reference": "math.sqrt"}, "package.module:name"),
    ("98.1", {"function": "a b"}, "Python name"),
])
def test_a_bad_definition_is_refused(id, change, part):
    with pytest.raises(ValueError, match=part):
        exercise(id, **{**GOOD, **change})


def test_an_id_or_a_case_cannot_be_taken_twice(work):
    load("99.1")
    with pytest.raises(ValueError, match="defined in course_lib.exercises.lesson_checks.lesson_99 and again in"):
        exercise("99.1", **GOOD)
    with pytest.raises(ValueError, match="two cases named"):
        load("99.1").case("gradients flow")
