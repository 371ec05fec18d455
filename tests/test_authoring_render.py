"""The two views of a solution block, and every way to write the markers wrong."""

import pytest

from course_lib.authoring.render import STUB, SolutionError, blocks, fill, in_order_of, render, strip, time_taken
from course_lib.authoring.source import Lesson
from course_lib.exercises.registry import Exercise

SOURCE = '''def f(x):
    """Doc."""
    # BEGIN SOLUTION
    y = x + 1          # secret
    return y
    # END SOLUTION

z = 1'''


def test_fill_drops_only_the_markers():
    assert fill(SOURCE) == SOURCE.replace("    # BEGIN SOLUTION\n", "").replace("    # END SOLUTION\n", "")


def test_strip_leaves_a_stub_that_raises_at_the_call():
    stub = strip(SOURCE)
    assert "secret" not in stub and STUB in stub and stub.endswith("\n\nz = 1")
    space: dict = {}
    exec(stub, space)
    assert space["z"] == 1
    with pytest.raises(NotImplementedError):
        space["f"](1)


def test_two_blocks_and_deeper_indentation():
    source = SOURCE + "\nclass A:\n    def g(self):\n        # BEGIN SOLUTION\n        return 2\n        # END SOLUTION"
    assert [(b.begin, b.end, len(b.indent)) for b in blocks(source)] == [(3, 6, 4), (11, 13, 8)]
    assert strip(source).endswith("    def g(self):\n        " + STUB)
    space: dict = {}
    exec(fill(source), space)
    assert space["A"]().g() == 2 and space["f"](1) == 2


def test_source_without_markers_is_unchanged():
    assert fill("a = 1\n") == strip("a = 1\n") == "a = 1\n"


@pytest.mark.parametrize(("source", "line", "says"), [
    ("def f():\n    # BEGIN SOLUTION\n    return 1", 2, "without an END"),
    ("def f():\n    return 1\n    # END SOLUTION", 3, "without a BEGIN"),
    ("def f():\n    # BEGIN SOLUTION\n    # BEGIN SOLUTION\n    # END SOLUTION", 3, "second BEGIN"),
    ("# BEGIN SOLUTION\nx = 1\n# END SOLUTION", 1, "outside a function"),
    ("def f():\n    # Begin solution\n    return 1\n    # END SOLUTION", 2, "not a marker"),
    ("def f():\n    # BEGIN SOLUTION: the loss\n    return 1\n    # END SOLUTION", 2, "not a marker"),
])
def test_wrong_markers_are_named_with_their_line(source, line, says):
    for view in (fill, strip):
        with pytest.raises(SolutionError, match=says) as caught:
            view(source)
        assert caught.value.line == line


BUG = '''def f(x):
    # BEGIN SOLUTION
    return x + 1
    # INSTEAD
    # if x:
    #     return x - 1
    # END SOLUTION'''


def test_a_bug_exercise_gives_the_learner_the_faulty_lines():
    assert fill(BUG) == "def f(x):\n    return x + 1"
    assert strip(BUG) == "def f(x):\n    if x:\n        return x - 1"


@pytest.mark.parametrize("after", ["", "    return 2\n"])
def test_instead_needs_commented_lines(after):
    with pytest.raises(SolutionError, match="behind"):
        strip(f"def f():\n    # BEGIN SOLUTION\n    return 1\n    # INSTEAD\n{after}    # END SOLUTION")


def entry(id: str, minutes: int, importance: int) -> Exercise:
    """An exercise of lesson 99 of which only these matter."""
    return Exercise(id, "t", "f", 1, "implement", 1, importance, minutes, "x:y", ("a", "b", "c"))


@pytest.mark.parametrize(("importances", "says"), [
    ((3, 1, 3), "About 24 minutes. The essential ones, in the order of the lesson, are 99.3 and 99.1: 14 minutes."),
    ((1, 3, 1), "About 24 minutes. The essential one, 99.2, takes 10 minutes."),
    ((1, 2, 1), "About 24 minutes."),
])
def test_the_time_is_that_of_the_entries_in_the_order_of_the_lesson(tmp_path, importances, says):
    folder = tmp_path / "99_slug"
    folder.mkdir()
    text = "# exercise 99.2 comes up. Do [exercise 99.3](x), then [**exercise\n# 99.1**](x).\n"
    (folder / "lesson.py").write_text(text)
    entries = {f"99.{n}": entry(f"99.{n}", minutes, importance)
               for n, (minutes, importance) in enumerate(zip((5, 10, 9), importances, strict=True), start=1)}
    assert time_taken(in_order_of(Lesson(folder), entries)) == says


def test_the_opening_cell_gets_the_time(tmp_path):
    folder = tmp_path / "98_slug"
    folder.mkdir()
    (folder / "exercises.py").write_text("# %% [markdown]\n# # Exercises\n# **Time.** {{time}}\n")
    assert "**Time.** About 0 minutes." in render(Lesson(folder))["exercises"].cells[0].source
