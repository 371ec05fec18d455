"""What of a notebook counts as an answer: found by names, without its demonstrations and loops."""

import pytest

from course_lib.classroom.definitions import Notebook, run


def made(cells, function="f", exercise="03.1", stubs=()):
    """The value of `function` in what was picked, and the lines that were run."""
    book = Notebook(cells, stubs)
    picked = book.answer(exercise, function)
    space = {}
    told = run(picked, cells, space, "answer")
    return space, [one.node.lineno for one in picked], told


def test_an_answer_comes_with_what_it_needs_and_nothing_else():
    cells = ["import math\nimport nothing_of_that_name", "SCALE = 2\nOTHER = 1 / 0",
             "def helper(x):\n    return SCALE * x\nprint(1 / 0)", "def f(x):\n    return math.sqrt(helper(x))",
             "while True:\n    pass", "check('03.1', f)"]
    space, _, told = made(cells)
    assert space["f"](8) == 4 and told == [] and "OTHER" not in space and "nothing_of_that_name" not in space


def test_the_definition_in_force_at_the_check_counts():
    cells = ["def f(): return 1", "def f(): return 2", "check('03.1', f)", "def f(): return 3"]
    assert made(cells)[0]["f"]() == 2
    assert made(cells[:2] + cells[3:])[0]["f"]() == 3                   # no check cell: the last one
    assert made(["check('03.1', f)", *cells[3:]])[0]["f"]() == 3


def test_an_untouched_stub_does_not_count_beside_an_answer():
    stub = "def f():\n    raise NotImplementedError"
    cells = ["def f(): return 1", stub + "  # your code", "check('03.1', f)"]
    assert made(cells, stubs=[stub])[0]["f"]() == 1
    with pytest.raises(NotImplementedError):
        made(cells[1:], stubs=[stub])[0]["f"]()


def test_values_that_are_built_up_come_whole():
    cells = ["TABLE = [1]\nTABLE.append(2)", "TABLE[0] = 5\nother.append(1)", "for i in range(3):\n    TABLE.append(i)",
             "N = 1\nN += 1", "def f():\n    return TABLE + [N]"]
    space, _, told = made(cells)
    assert space["f"]() == [5, 2, 0, 1, 2, 2] or space["f"]() == [5, 2, 2]
    assert told == []


def test_a_loop_that_fills_a_needed_list_is_run():
    cells = ["TABLE = []\nfor i in range(3):\n    TABLE.append(i)\ndef f():\n    return TABLE"]
    assert made(cells)[0]["f"]() == [0, 1, 2]


@pytest.mark.parametrize(("cell", "works"), [
    ("%matplotlib inline\ndef f(): return 1", True), ("!pip install x\ndef f(): return 1", True),
    ("f?\ndef f(): return 1", True), ("def f( return 1", False), ("f = lambda: 1", True),
    ("if True:\n    def f(): return 1", True), ("exec('def f(): return 1')", False),
    ("async def f(): return 1\nf = lambda: 1", True), ("from math import *\ndef f(): return floor(1.5)", True)])
def test_cells_of_many_kinds(cell, works):
    space, _, _ = made([cell])
    assert ("f" in space) == works and (not works or space["f"]() == 1)


def test_what_is_bound_in_hidden_ways_runs_all_of_the_notebook():
    assert len(Notebook(["exec('def f(): return 1')", "x = 1"]).everything()) == 2
    assert Notebook(["x = 1"]).everything() == []


def test_hostile_sources_are_faults_and_no_crash():
    book = Notebook(["(" * 10_000, "\0", "x = " + "-" * 20_000 + "1", "def f(): return 1"])
    assert set(book.faults) >= {0, 1} and book.answer("03.1", "f")


def test_a_failing_statement_is_told_and_the_next_one_runs():
    space, _, told = made(["SCALE = 1 / 0\ndef f(x=0):\n    return SCALE if x else 1"])
    assert space["f"]() == 1 and told == ["line 1 of code cell 1: ZeroDivisionError: division by zero"]
