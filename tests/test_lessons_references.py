"""Every lesson, exercise, section and file that the course's texts refer to is there. The finder is references.py."""

import json
import re
from pathlib import Path

import mini_course
import pytest
from references import Course, broken_references

ROOT = Path(__file__).resolve().parent.parent
PLACES = ("lessons/*/*.py", "course_lib/**/*.py", "benchmarks/*.py", "tools/*.py", "tests/**/*.py", "*.md", "docs/*.md")
OLD_NUMBERS = ("course_lib/renumbered.py", Path(__file__).relative_to(ROOT).as_posix())     # name what is not there


@pytest.fixture(scope="module")
def course() -> Course:
    """This checkout."""
    return Course.of(ROOT)


@pytest.mark.parametrize("pattern", PLACES)
def test_every_reference_leads_somewhere(course: Course, pattern: str):
    broken = []
    places = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob(pattern))]
    assert places
    for place in places:
        if place in OLD_NUMBERS:
            continue
        text = (ROOT / place).read_text(encoding="utf-8")
        broken += [f"{place}:{found.line}: {found.said!r}: {found.why}"
                   for found in broken_references(known_to(course, place, text), place, text)]
    assert not broken, "\n" + "\n".join(broken)


def known_to(course: Course, place: str, text: str) -> Course:
    """What a file may name: CONTRIBUTING.md also the lesson that it writes, a test those that tests are made with."""
    if place == "CONTRIBUTING.md":
        printed = dict(re.findall(r"```python file=(\S+)\n(.*?)```", text, re.DOTALL))
        return course.with_lesson(next(iter(printed)).split("/")[1], list(printed.values()))
    if place.startswith("tests/"):
        engine = (ROOT / "tests/fixtures/lessons/99_engine/checks.py").read_text(encoding="utf-8")
        return course.with_lesson("99_engine", [engine]).with_lesson(mini_course.SLUG, [mini_course.CHECKS])
    return course


def test_data_names_lessons_that_are_here(course: Course):
    manifest = json.loads((ROOT / "assets" / "manifest.json").read_text(encoding="utf-8"))
    for asset in manifest["assets"]:
        assert set(asset["lessons"]) <= course.numbers, f"assets/manifest.json: {asset['name']} names other lessons"


# ---------------------------------------------------------------------------------------- the finder, on made-up texts

LIBRARY, PROSE = "course_lib/a.py", "lessons/02_two/lesson.py"
SMALL = Course(lessons=frozenset({"01_one", "02_two"}), planned=frozenset({"03_three"}),
               sections=frozenset({"1.1", "2.1", "2.2"}), exercises=frozenset({"01.1", "02.1", "02.2"}),
               files=frozenset({"benchmarks", "benchmarks/a.py", "benchmarks/results", "benchmarks/results/a_1.jsonl",
                                "course_lib", "course_lib/rl", "course_lib/rl/ppo.py", "lessons", "exercises",
                                "exercises/02_two.ipynb", "tests", "tests/test_a.py"}))


@pytest.mark.parametrize(("place", "text", "line", "said", "why"), [
    ("a.md", "Taught in lesson 07.", 1, "lesson 07", "no lesson 07; the nearest is 0"),
    ("a.md", "Lessons 01 (easy) and 07 (hard).", 1, "Lessons 01 (easy) and 07 (hard)", "no lesson 07"),
    ("a.md", "Lessons 01 to 09.", 1, "Lessons 01 to 09", "no lesson 09"),
    ("a.md", "A pole (lesson 01), Pong (07).", 1, "07", "no lesson 07"),
    ("a.md", "Lesson 11's models.", 1, "Lesson 11", "no lesson 11"),
    ("a.md", "More in lesson 03.", 1, "lesson 03", 'say "in preparation" beside it'),
    (LIBRARY, 'x = 1\ndef f():\n    """Taught in lessons 01,\n    02 and 07.\n    """\n', 3,
     "lessons 01, 02 and 07", "no lesson 07"),
    (PROSE, "# Do **exercise\n# 02.7** now.", 1, "exercise 02.7",
     "no exercise 02.7; the nearest is 02.2"),
    (PROSE, 'x = 1\nf = mine("02.7")', 2, 'mine("02.7"', "no exercise 02.7"),
    (PROSE, 'f = mine("10.7")', 1, 'mine("10.7"', "no exercise 10.7"),
    ("lessons/02_two/checks.py", 'hints=("Look at exercise "\n       "02.7.",)', 1, "exercise 02.7",
     "no exercise 02.7"),
    ("lessons/02_two/exercises.py", "# {{exercise 12.7}}", 1, "{{exercise 12.7}}", "no exercise 12.7"),
    ("lessons/02_two/exercises.py", '# %% tags=["check:12.7"]', 1, '"check:12.7"', "no exercise 12.7"),
    ("a.md", "The essential ones, 11.1 and 11.3, take long.", 1, "essential ones, 11.1 and 11.3", "no exercise 11.3"),
    ("a.md", "Exercises 01.1 to 02.2.", 1, "Exercises 01.1 to 02.2", "01.1 and 02.2 are of two lessons"),
    (LIBRARY, '"""Lesson 02, section\n2.7."""', 1, "section 2.7", "no section 2.7; the nearest is 2."),
    (LIBRARY, '"""Lesson 02, section 1.1."""', 1, "section 1.1", "section 1.1 is not of lesson 02"),
    (LIBRARY, '"""Lesson 02 (strengths: 2.1, targets: 1.1)."""', 1,
     "Lesson 02 (strengths: 2.1, targets: 1.1)", "section 1.1 is not of lesson 02"),
    (LIBRARY, '"""Lesson 02, 2.1 and\n1.1."""', 1, "Lesson 02, 2.1 and 1.1", "section 1.1 is not of lesson 02"),
    (LIBRARY, '"""Lesson 02. Section 1.1."""', 1, "Section 1.1", "does not name lesson 01"),
    (LIBRARY, 'raise Error("no labels: see section "\n            "2.7 of lesson 02")', 1,
     'section 2.7', "no section 2.7"),
    (PROSE, "# As section 1.1 said.", 1, "section 1.1", "section 1.1 is not of lesson 02"),
    ("a.md", "Lesson 02. A. Turing (1950) asked; section 2.7 too.", 1, "section 2.7", "no section 2.7"),
    ("a.md", "Lesson 02. A. Turing (1950), whose test section 2.7 tries.", 1, "section 2.7", "no section 2.7"),
    ("a.md", "As A. Turing (1950). Section 2.7 of lesson 02.", 1, "Section 2.7", "no section 2.7"),
    (LIBRARY, '"""Measured by\nbenchmarks/b.py."""', 2, "benchmarks/b.py.",
     "no file benchmarks/b.py; the nearest is"),
    ("a.md", "`benchmarks/results/b_*.jsonl`", 1, "benchmarks/results/b_*.jsonl",
     "no file benchmarks/results/b_*.jsonl"),
    ("a.md", "see rl/reinforce.py", 1, "rl/reinforce.py",
     "no file rl/reinforce.py; the nearest is course_lib/rl/ppo.py"),
    (PROSE, "# [here](../exercises/01_one.ipynb)", 1, "../exercises/01_one.ipynb", "no file"),
    (PROSE, "# [there](02_too.ipynb)", 1, "02_too", "no lesson 02_too; the nearest is 02_two"),
    ("a.md", "[exercise 01.1](exercises/02_two.ipynb)", 1, "[exercise 01.1](exercises/02_two.ipynb)",
     "the words say 01, the link leads to 02"),
    ("tests/test_a.py", "import os\nfrom checks import lesson_07\n", 2, "import lesson_07", "no lesson 07"),
    ("tests/test_a.py", 'x = "lesson 08"\n# of lesson 07\n', 2, "lesson 07", "no lesson 07"),
])
def test_what_is_not_there_is_found(place: str, text: str, line: int, said: str, why: str):
    found = broken_references(SMALL, place, text)
    assert [(broken.line, broken.said) for broken in found if why in broken.why] == [(line, said)], found
    assert len({broken.line for broken in found}) == 1


@pytest.mark.parametrize(("place", "text"), [
    ("a.md", "Lessons 01 and 02, exercises 02.1 to 02.2, section 2.2; [lesson 02](exercises/02_two.ipynb)."),
    ("a.md", "| 03 Three *(in preparation)* |\n\nMore in lesson 03 (in preparation)."),
    (LIBRARY, '"""Source: A. Turing et al. (1950), section 3.4."""'),
    (LIBRARY, '"""Source: A. Turing (1950), "Computing machinery\nand minds", equation 2 and section 3.4."""'),
    (LIBRARY, '"""As in B. Good and A. Turing (1950), *Machinery*, 2nd ed., section 9.5 (games)."""'),
    (LIBRARY, '"""InstructGPT (A. Turing 1950, section 3.1) and their section 7.2; sections 2.2.3 and 4.1.2."""'),
    (LIBRARY, "x = f(3.7) + 0.07   # 10.5 seconds, 0.07 m, at 07:30 on 2024-07-08\nlesson = 'lessons'\n"),
    (LIBRARY, '"""Lesson 02 (section 2.1). Measured by benchmarks/a.py and rl/ppo.py, not x/y.json."""'),
    ("a.md", "`benchmarks/results/a_*.jsonl`, `lessons/NN_slug/`, `my_work/exercises/02_two.ipynb`, his/her/their."),
    ("tests/test_a.py", 'def f():\n    """Lesson 02."""\n    return "lesson 07, benchmarks/b.py"\n'),
])
def test_what_is_there_and_what_is_a_papers_is_not(place: str, text: str):
    assert broken_references(SMALL, place, text) == []
