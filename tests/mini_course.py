"""A course of one small lesson in a temporary folder, for tests of building, executing and copying."""

import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.cli import main

SLUG = "91_mini"

LESSON = '''# %% [markdown]
# # Mini
#
# **Goals:** see a cell. **Minutes:** 5 minutes. **Builds on:** nothing.

# %%
x = 1

# %% [markdown]
# Now the same again. The exercise is [here](../exercises/91_mini.ipynb).

# %%
x + 1

# %%
x + 1

# %% [markdown]
# You learned to add. What failed: nothing. Further reading: Euclid, *Elements*.
'''

EXERCISES = '''# %% [markdown]
# # Mini: exercises
#
# **Goals:** add. **Minutes:** 5 minutes. **Builds on:** the lesson.

# %%
from course_lib import check

# %% [markdown]
# {{exercise 91.1}}
#
# Add seven.

# %% tags=["exercise:91.1"]
def add_seven(x):
    """x plus seven."""
    # BEGIN SOLUTION
    the_sum_of_both = x + 7
    return the_sum_of_both
    # END SOLUTION

# %% tags=["check:91.1"]
check("91.1", add_seven)

# %% [markdown] tags=["solution-only"]
# The sum is worth one point, and only the solution says so.

# %% [markdown]
# {{exercise 91.2}}

# %% tags=["exercise:91.2"]
def double(x):
    # BEGIN SOLUTION
    return x * 2 + 0 * x
    # END SOLUTION

# %% tags=["check:91.2"]
check("91.2", double)

# %% [markdown]
# You learned to add and to double. What failed: nothing. Further reading: Euclid, *Elements*.
'''

CHECKS = '''"""Checks of the mini lesson."""

from course_lib.exercises import Fail, exercise

HINTS = ("Read the name.", "Plus.", "x + seven")

seven = exercise("91.1", title="Seven more", function="add_seven", points=1, kind="implement", difficulty=1,
                 importance=3, minutes=1, reference="operator:add", hints=HINTS)
twice = exercise("91.2", title="Twice as much", function="double", points=2.5, kind="implement", difficulty=3,
                 importance=1, minutes=10, reference="operator:mul", hints=HINTS)


@seven.case("one and seven")
def _(add_seven):
    got = add_seven(1)
    if got != 8:
        raise Fail(call="add_seven(1)", expected=8, got=got, mistake="Seven is to be added.")


@twice.case("twice two")
def _(double):
    got = double(2)
    if got != 4:
        raise Fail(call="double(2)", expected=4, got=got, mistake="Two times two is four.")
'''


class MiniCourse:
    """The folders of the mini course, and its command line in this process."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "checkout"
        self.work = self.root / "my_work"
        self.lesson = self.root / "lessons" / SLUG / "lesson.py"
        self.exercises = self.root / "lessons" / SLUG / "exercises.py"
        self.checks = self.root / "lessons" / SLUG / "checks.py"
        self.lesson.parent.mkdir(parents=True)
        self.lesson.write_text(LESSON)
        self.exercises.write_text(EXERCISES)
        self.checks.write_text(CHECKS)

    def __call__(self, *words: str) -> int:
        """`course WORDS`; the exit code."""
        return main(words)

    def edit(self, path: Path, old: str, new: str) -> None:
        """Replace `old`, which must be there, in a source file."""
        text = path.read_text()
        assert old in text, old
        path.write_text(text.replace(old, new))

    def built(self, folder: str) -> Path:
        """The built notebook in `notebooks`, `exercises` or `solutions`."""
        return self.root / folder / f"{SLUG}.ipynb"

    def mine(self, folder: str) -> Path:
        """The learner's copy of it."""
        return self.work / folder / f"{SLUG}.ipynb"


def use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> MiniCourse:
    """A `MiniCourse` that the environment variables point to"""
    course = MiniCourse(folder)
    for name, value in (("ROOT", course.root), ("WORK", course.work), ("CACHE", folder / "cache")):
        monkeypatch.setenv(f"COURSE_{name}", str(value))
    return course


def python(*words: str, **options) -> subprocess.CompletedProcess:
    """Run this Python with `words`; stdout and stderr as text."""
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, **options)
