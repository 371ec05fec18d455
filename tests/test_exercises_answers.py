"""The answer matrix tells good answers files from bad ones. The lessons' own are looked at by `course answers`."""

import os
import re

import pytest

from course_lib.authoring import answer_matrix, run_cells, source
from course_lib.authoring.answers import excused, wrong
from course_lib.cli import main
from course_lib.exercises import close, registry
from course_lib.exercises.checking import run

EXERCISES = '''# %% [markdown]
# # Exercises
# {{exercise 99.1}}

# %%
import torch

from course_lib import check

# %% tags=["exercise:99.1"]
def centred(r):
    """Minus the mean of the row."""
    # BEGIN SOLUTION
    return r - r.mean(-1, keepdim=True)
    # END SOLUTION

# %% tags=["check:99.1"]
check("99.1", centred)

# %%
print(centred(torch.ones(1, 2)))

# %% [markdown]
# {{exercise 99.2}}

# %% tags=["exercise:99.2"]
def prediction():
    """What the scores sum to."""
    # BEGIN SOLUTION
    return 0.0
    # INSTEAD
    # return ...
    # END SOLUTION
'''

ANSWERS = '''import torch

from course_lib.authoring.answers import right, wrong


@right("99.1")
def by_matrix(r):
    n = r.shape[-1]
    return r @ (torch.eye(n) - 1 / n)


@right("99.1")
def by_loop_in_float64(r):
    return torch.stack([row - sum(row) / len(row) for row in r.double()])


@wrong("99.1", says="nothing was subtracted")
def unchanged(r):
    return r


@wrong("99.1", says="the smallest score")
def minus_smallest(r):
    return r - r.min(-1, keepdim=True).values


@wrong("99.1", says="one mean over all rows")
def one_mean(r):
    return r - r.mean()


@wrong("99.1", says="wrote into its argument")
def in_place(r):
    with torch.no_grad():
        r -= r.mean(-1, keepdim=True)
    return r


@wrong("99.1", says="no `.detach()`")
def detached(r):
    return (r - r.mean(-1, keepdim=True)).detach()


@right("99.2")
def whole():
    return 0


@right("99.2")
def as_tensor():
    return torch.tensor(0.0)


@wrong("99.2", says="Probabilities sum to 1")
def one():
    return 1


@wrong("99.2", says="None back")
def nothing():
    return None


@wrong("99.2", says="off by 7")
def seven():
    return 7.0


@wrong("99.2", says="NaN")
def not_a_number():
    return float("nan")
'''


@pytest.fixture
def lesson(work, tmp_path, monkeypatch):
    """A course with lesson 99, whose sources a test may change."""
    folder = tmp_path / "lessons" / "99_centring"
    folder.mkdir(parents=True)
    (folder / "exercises.py").write_text(EXERCISES)
    (folder / "answers.py").write_text(ANSWERS)
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    return folder


def answers(capsys, *more) -> tuple[int, str]:
    """`course answers 99`: exit code and output."""
    code = main(["answers", "99", *more])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_a_good_file_gives_a_clean_matrix(lesson, capsys, work):
    environment = dict(os.environ)
    code, out = answers(capsys)
    assert code == 0, out
    assert "Every answer gets what it should." in out and "FAULT" not in out
    for row in (r"ok +solution +centred +✓✓✓✓", r"ok +reference +the_course_centred +✓✓✓✓", r"ok +stub +centred +·",
                r"ok +right +by_loop_in_float64 +✓✓✓✓", r"ok +wrong +unchanged +✗✗✓✗ +These are the scores",
                r"ok +wrong +one_mean +✓✗✓✓ +That is one mean", r"ok +wrong +detached +✓✓✓✗",
                r"ok +stub +prediction +·"):
        assert re.search(row, out), row
    assert 'no wrong answer fails at "any number of rows"' not in out         # in_place does
    assert dict(os.environ) == environment and not work.exists()              # nothing of the author's is touched


@pytest.mark.parametrize(("old", "new", "says"), [
    ("def one_mean(r):\n    return r - r.mean()", "def one_mean(r):\n    return r - r.mean(-1, keepdim=True)",
     "99.1: the wrong answer `one_mean` passes every case"),
    ('says="one mean over all rows"', 'says="give it the dimension"',
     'fails at "each row has its own mean" but does not hear "give it the dimension". It hears: "That is one mean'),
    ("1 / n)", "2 / n)", "99.1: the right answer `by_matrix` fails at \"the scores of one row sum to 0\""),
    ('@right("99.2")\ndef whole', "def whole", "99.2 lists 1 right answer, and needs at least 2."),
    ('@wrong("99.2", says="off by 7")\n', "", "99.2 lists 3 wrong answers, and needs at least 4."),
])
def test_each_fault_of_the_answers_is_explained(lesson, capsys, old, new, says):
    assert old in ANSWERS
    (lesson / "answers.py").write_text(ANSWERS.replace(old, new))
    code, out = answers(capsys)
    assert code == 1 and says in out and "1 fault." in out


@pytest.mark.parametrize(("old", "new", "says"), [
    ("    return r - r.mean(-1, keepdim=True)\n", "    return r\n", "99.1: the solution `centred` fails at"),
    ("    # return ...\n", "    # return 0.0\n", "99.2: the stub `prediction` passes every case"),
    ('tags=["exercise:99.2"]', "", "99.2: no cell of "),
    ("def centred(r):", "def centered(r):", "99.1: its cell does not define `centred`"),
    ("def centred(r):", "torch.oops\ndef centred(r):", "raises AttributeError: module 'torch' has no attribute 'oops'"),
])
def test_each_fault_of_the_exercises_is_explained(lesson, capsys, old, new, says):
    assert old in EXERCISES
    (lesson / "exercises.py").write_text(EXERCISES.replace(old, new))
    code, out = answers(capsys)
    assert code == 1 and says in out, out


def test_what_is_missing_is_named(lesson, capsys):
    (lesson / "answers.py").write_text(ANSWERS.replace('"99.2"', '"99.9"'))
    code, out = answers(capsys)
    assert code == 1 and "lists answers to 99.9, which the lesson does not have (it has 99.1, 99.2)" in out
    (lesson / "answers.py").unlink()
    code, out = answers(capsys)
    assert code == 1 and "answers.py is missing" in out
    with pytest.raises(ValueError, match="`says` is the text"):
        wrong("99.1", says=" ")


SOLUTION = "    return r - r.mean(-1, keepdim=True)\n"
IDLE = "1.0 * (r - r.mean(-1, keepdim=True)) → r - r.mean(-1, keepdim=True)"


def test_a_mutant_that_passes_every_case_is_a_fault_until_it_is_excused(lesson, capsys):
    idle = SOLUTION.replace("r - r", "1.0 * (r - r").replace("\n", ")\n")
    (lesson / "exercises.py").write_text(EXERCISES.replace(SOLUTION, idle))
    code, out = answers(capsys)
    assert code == 1 and f"99.1: the mutant `{IDLE}` passes every case, and is not excused." in out
    excuse = f'excused("99.1", "{IDLE}", because="a factor of 1")\n'
    (lesson / "answers.py").write_text(f"{ANSWERS}\nfrom course_lib.authoring.answers import excused\n{excuse}")
    code, out = answers(capsys)
    assert code == 0 and re.search(r"mutants: \d+ made, \d+ killed, 1 excused", out), out
    (lesson / "exercises.py").write_text(EXERCISES)
    code, out = answers(capsys)
    assert code == 1 and "is not needed: there is no such mutant." in out
    with pytest.raises(ValueError, match="gives its reason"):
        excused("99.1", IDLE, because=" ")


def test_an_argument_that_never_varies_and_mistakes_that_cannot_be_told_apart_are_faults(lesson, capsys, monkeypatch):
    exercise = registry.load("99.1")
    monkeypatch.setattr(exercise, "cases", list(exercise.cases))

    @exercise.case("with a scale")
    def _(fn):
        close(2.0, 2.0, likely=[(3.0, "One."), (3.0, "Another.")])

    source = EXERCISES.replace("def centred(r):", "def centred(r, scale=1.0):")
    (lesson / "exercises.py").write_text(source.replace(SOLUTION, SOLUTION[:-1] + " * scale\n"))
    code, out = answers(capsys)
    assert code == 1 and "`argument scale never varies` passes every case" in out
    assert 'the likely mistakes "One." and "Another." give one and the same value' in out


def test_code_that_is_given_earns_nothing_and_the_third_hint_keeps_the_last_step(lesson, capsys, monkeypatch):
    given = EXERCISES.replace(SOLUTION, SOLUTION + "    # INSTEAD\n    # return r - r.mean()\n")
    (lesson / "exercises.py").write_text(given)
    code, out = answers(capsys)
    assert code == 1 and "99.1: the stub `centred` earns points for ['the scores of one row sum to 0'" in out
    (lesson / "exercises.py").write_text(EXERCISES)
    monkeypatch.setattr(registry.load("99.1"), "hints", ("a", "b", "Write r - r.mean(-1, keepdim=True)."))
    code, out = answers(capsys)
    assert code == 1 and "99.1: the third hint is the whole code." in out


def test_a_long_case_is_tried_with_the_solution_alone_and_cut_short(lesson, capsys, monkeypatch):
    exercise, budgets = registry.load("99.1"), []
    monkeypatch.setattr(exercise, "cases", list(exercise.cases))
    exercise.case("it learns", last=True)(lambda fn: budgets.append(os.environ.get("COURSE_BUDGET")))
    code, out = answers(capsys)
    assert code == 0 and budgets == ["ci"] and os.environ.get("COURSE_BUDGET") != "ci", out
    assert re.search(r"ok +solution +centred +✓✓✓✓✓\n", out)
    assert re.search(r"ok +reference +the_course_centred +✓✓✓✓\n", out)
    assert 'no wrong answer fails at "it learns"' not in out
    exercise.case("it learns more", last=True)(lambda fn: close(1.0, 2.0))
    code, out = answers(capsys)
    assert code == 1 and '99.1: the solution `centred` fails at "it learns more"' in out


def test_mutants_of_a_class_see_the_names_of_its_cell(lesson, capsys, monkeypatch):
    shifted = "def shift(r):\n    return r - r.mean(-1, keepdim=True)\n\nclass centred:\n    def __new__(cls, r):\n"
    source = EXERCISES.replace(SOLUTION, "    return shift(r)\n").replace("def centred(r):\n", shifted)
    body = source[source.index('    """Minus the mean'):source.index("    # END SOLUTION")]
    deeper = "".join(f"    {line}\n" for line in body.splitlines())
    source = source.replace(body + "    # END", deeper + "        # END")
    (lesson / "exercises.py").write_text(source)
    code, out = answers(capsys)
    assert code == 0 and re.search(r"99\.1.*mutants: (\d+) made, \1 killed", out, re.DOTALL), out


def test_exercises_may_be_named_beside_lessons(lesson, capsys):
    code = main(["answers", "99.2"])
    out = capsys.readouterr().out
    assert code == 0 and "99.2  Predict the sum" in out and "99.1" not in out


def test_lessons_side_by_side_say_what_they_say_one_by_one(capsys, work):
    said = {}
    for jobs in "12":
        assert main(["answers", "03.3", "00.1", "--jobs", jobs]) == 0
        said[jobs] = capsys.readouterr().out
    assert said["1"] == said["2"] and "00.1" in said["2"].split("03.3", 1)[1]


LESSONS = [lesson for lesson in source.lessons() if answer_matrix.wanted(lesson)]
BUILDS = [exercise for lesson in LESSONS for exercise in registry.of_lesson(lesson.number) if exercise.kind == "build"]


@pytest.mark.slow
@pytest.mark.parametrize("build", BUILDS, ids=[build.id for build in BUILDS])
def test_every_build_reaches_its_goal_in_full(build, monkeypatch):
    monkeypatch.delenv("COURSE_BUDGET", raising=False)
    found, = (lesson for lesson in LESSONS if lesson.number == build.lesson)
    solution = run_cells.functions(found, [build], filled=True)[build.id]
    result = run(build, solution.fn)
    assert result.status == "passed", result.first_miss
