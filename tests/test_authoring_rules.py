"""Every rule of `course build` says the file, the line and what to do, and then nothing is written."""

import ast
import base64

import pytest

TITLE = "# # Mini\n"
MANY = "".join(f"a{number} = {number}\n" for number in range(31))


@pytest.mark.parametrize(("old", "new", "line", "says"), [
    ("x = 1\n", MANY, 6, "31 lines of code; a cell has at most 30"),
    ("# %%\nx = 1", '# %% tags=["excercise:91.1"]\nx = 1', 6, "unknown tag 'excercise:91.1'"),
    ("# %%\nx = 1", '# %% tags=["raises-exception"]\nx = 1', 6, "unknown tag"),
    ("# %%\nx = 1", '# %% tags=["exercise:91.1"]\nx = 1', 6, "belongs in exercises.py"),
    ("x = 1", "x = 1\n# NBVAL_SKIP", 8, "asks the tests to look away"),
    ("x = 1", "x = (1", 7, "not Python"),
    ("x = 1", 'x = 1\nexpect(x > 0, "positive", ci=True)', 8, "this claim cannot fail"),
    ("x = 1", 'x = 1\nexpect(True, "positive")', 8, "this claim cannot fail"),
    ("x = 1", 'x = 1\nfor _ in range(2):\n    expect(x > 0, "positive", ci=" ")', 9, "this claim cannot fail"),
    ("x = 1\n", "", 6, "an empty cell"),
    ("# %%\nx = 1", "# %% [raw]\n# x", 6, "a raw cell"),
    ("# Now the same", "# ![](a.png) Now the same", 10, "without alt text"),
    ("# Now the same", '# <img src="a.png"> Now the same', 10, "without alt text"),
    ("# Now the same", '# <img alt=" " src="a.png"> Now the same', 10, "without alt text"),
    ("# Now the same", "# ![A line going up][figure] ![ ][figure]", 10, "without alt text"),
    ("# Now the same", "# ![A line going up](https://example.org/a.png)", 10, "is not a file of the checkout"),
    ("# Now the same", "# ![A line going up](../assets/none.png)", 10, "is not a file of the checkout"),
    ("../exercises/91_mini.ipynb", "../exercises/17_none.ipynb", 10, "leads nowhere"),
    ("../exercises/91_mini.ipynb", "../README.md", 10, "leads nowhere"),
    ("# Now the same", "# {{exercise 91.7}}", 10, "91.7 is not registered"),
    ("# Now the same", "# {{exercise one}}", 10, "is not a placeholder"),
    ("**Goals:**", "**Aims:**", 1, "the first cell must say: goals"),
    ("5 minutes", "an hour", 1, "the first cell must say: the minutes"),
    ("**Builds on:**", "**After:**", 1, "the first cell must say: what it builds on"),
    (TITLE, "# Mini\n", 1, "starts with the title"),
    ("You learned", "You heard", 18, "the last cell must say: what was learned"),
    ("What failed: nothing.", "", 18, "the last cell must say: what failed"),
    ("Further reading", "Books", 18, "the last cell must say: further reading"),
    ("# %% [markdown]\n# # Mini", "import torch\n# %% [markdown]\n# # Mini", 1, "must begin with a cell"),
    ("x = 1\n", 'x = """\n# %%\n"""\n', 1, "is one inside a string"),
])
def test_rules_for_a_lesson(mini, capsys, old, new, line, says):
    mini.edit(mini.lesson, old, new)
    assert_fault(mini, capsys, "lesson.py", line, says)


def test_a_claim_may_say_why_a_short_run_cannot_show_it():
    from course_lib.authoring.rules import _empty_claims

    assert not _empty_claims(ast.parse('expect(x > 0, "a", ci="two updates")\nexpect(x > 0, "b", ci=x > -1)'))


@pytest.mark.parametrize(("old", "new", "line", "says"), [
    ("both\n    # END SOLUTION", "both", 17, "BEGIN SOLUTION without an END"),
    ("    # BEGIN SOLUTION\n    the", "    the", 19, "END SOLUTION without a BEGIN"),
    ('# %% tags=["exercise:91.1"]', "# %%", 17, 'a solution in a cell without the tag "exercise:NN.N"'),
    ('# %% tags=["exercise:91.1"]', "# %%", 0, '91.1 needs a code cell with the tag "exercise:91.1"'),
    ('# %% tags=["check:91.1"]', "# %%", 22, 'a cell that calls check(...) needs the tag "check:NN.N"'),
    ('# %% tags=["check:91.1"]', "# %%", 0, '91.1 needs one code cell with the tag "check:91.1"'),
    ('check("91.1", add_seven)', 'check("91.2", add_seven)', 22, 'holds one call of check("91.1", ...)'),
    ("# {{exercise 91.2}}\n", "# ### Twice\n", 0, "91.2 needs one heading"),
    ("# {{exercise 91.2}}\n", "# {{exercise 91.1}}\n", 0, "91.1 needs one heading"),
    ("exercise:91.2", "exercise:91.3", 31, "91.3 is not registered in lessons/91_mini/checks.py"),
    ("def double(x)", "def twice(x)", 0, "no cell tagged exercise:91.2 defines double"),
    ("# Add seven.", "# Write `the_sum_of_both = x + 7`.", 18, "also stands in the cell at line 9"),
    ("import check\n", "import check\nthe_sum_of_both  =  x + 7\n", 19, "also stands in the cell at line 6"),
    ("# Add seven.", "# The sum is worth one point, and only the solution says so.", 26, "in the cell at line 9"),
])
def test_rules_for_exercises(mini, capsys, old, new, line, says):
    mini.edit(mini.exercises, old, new)
    assert_fault(mini, capsys, "exercises.py", line, says)


def assert_fault(mini, capsys, name, line, says):
    assert mini("build") == 1
    said = [text for text in capsys.readouterr().err.splitlines() if says in text]
    assert any(text.startswith(f"lessons/91_mini/{name}:{line}: ") for text in said), said
    assert not list(mini.root.glob("*/*.ipynb"))
    assert mini("build", "--check") == 1


@pytest.mark.parametrize("name", ["lesson", "exercises"])
def test_a_missing_source_leaves_the_other_to_be_built_but_fails_the_check(mini, capsys, name):
    getattr(mini, name).unlink()
    assert mini("build") == 0
    assert len(list(mini.root.glob("*/*.ipynb"))) == {"lesson": 2, "exercises": 1}[name]
    assert mini("build", "--check") == 1
    assert f"lessons/91_mini/{name}.py is missing: a lesson has" in capsys.readouterr().err


def test_what_the_rules_allow(mini):
    picture = mini.root / "assets" / "figures" / "up.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"png")
    embedded = "data:image/png;base64," + base64.b64encode(b"png").decode()
    mini.edit(mini.lesson, "# Now the same", "\n".join((
        "# ![A line going up](../assets/figures/up.png) and ![A line](" + embedded + ")",
        '# <img alt="A line" src="../assets/figures/up.png">, $x_{{i}}$, [a page](https://example.org), `![](a.png)`',
        "# ```", "# ![](no_picture_but_code.png)", "# ```", "# Now the same")))
    mini.edit(mini.lesson, "x = 1\n", MANY[:MANY.index("a30")] + "")
    assert mini("build") == 0


def test_magics_are_python_too(mini):
    mini.edit(mini.lesson, "x = 1\n", "# %matplotlib inline\nx = 1\n")
    assert mini("build") == 0
