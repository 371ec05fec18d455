"""mine: the learner's passing function, alone and whole, in any other process; else the course's. It says which."""

import re

import pytest
import torch
from engine_lesson import one_mean, python, right

from course_lib import check, mine
from course_lib.exercises import mine as mine_module
from course_lib.exercises import registry
from course_lib.exercises.source_collector import CannotCollect, collect

X = torch.tensor([[1.0, 2.0, 6.0]])
STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d"


def test_before_a_pass_it_is_the_courses(work, capsys):
    assert mine("99.1").__name__ == "the_course_centred"
    assert capsys.readouterr().out == "99.1: the course's function (yours has not passed its check yet)\n"
    check("99.1", one_mean)
    assert mine("99.1").__name__ == "the_course_centred"
    with pytest.raises(LookupError, match=r"Did you mean '99\.1'"):
        mine("99,1")


def test_after_a_pass_it_is_ones_own_also_when_a_later_try_misses(work, capsys):
    check("99.1", right)
    check("99.1", one_mean)
    capsys.readouterr()
    own_function = mine("99.1")
    assert re.fullmatch(rf"99\.1: your own function, saved {STAMP}\n", capsys.readouterr().out)
    assert own_function is not right and own_function.__name__ == "right"
    assert torch.equal(own_function(X), right(X))


LEARNER = '''
import functools
import math as m
import torch.nn.functional as F
from torch import Tensor, sum as total
from dataclasses import dataclass

SHIFT, FLOOR, NAMES = 0, -m.inf, ["a", {"b": (1, 2.5)}]
UNUSED = object()
WEIGHTS = torch.tensor([1.0, 1.0])

@dataclass(frozen=True)
class Options:
    """A class of the notebook."""
    scale: float = 1.0

class Base:
    def of(self, r: Tensor) -> Tensor:
        return total(r, -1, keepdim=True) / count(r)

class Mean(Base):
    pass

def kept(fn):
    @functools.wraps(fn)
    def inner(*args):
        assert NAMES[1]["b"] == (1, 2.5)
        return fn(*args)
    return inner

@functools.lru_cache
def power(n):
    return n ** 1 if n < 0 else max(FLOOR, power(-n) * -1)

count = lambda r: r.shape[-1] + SHIFT

@kept
def my_answer(r: Tensor, options: Options = Options()) -> Tensor:
    assert power(2) == 2 and WEIGHTS.sum() == 2
    return F.relu(r - Mean().of(r)) - F.relu(Mean().of(r) - r) * options.scale
'''


def test_helpers_imports_classes_and_constants_come_along_and_nothing_else(work):
    first = python(LEARNER + 'check("99.1", my_answer)', work)
    assert "passed" in first.stdout and "could not" not in first.stdout, first.stdout + first.stderr
    saved = (work / "answers" / "99.1.py").read_text()
    assert "UNUSED" not in saved and "further_folders" not in saved and "check" not in saved.partition("\n\n")[2]
    for part in ("import torch.nn.functional as F", "import functools", "class Options:", "class Base:", "SHIFT = 0",
                 'FLOOR = float("-inf")', "@functools.lru_cache", "count = lambda r", "centred = my_answer"):
        assert part in saved, part
    second = python("f = mine('99.1')\nprint(f(torch.tensor([[1.0, 2.0, 6.0]])).tolist())", work)
    said = rf"99\.1: your own function, saved {STAMP}\n\[\[-2\.0, -1\.0, 3\.0\]\]"
    assert re.search(said, second.stdout), second.stderr
    strict = python("mine('99.1')", work, COURSE_STRICT="1", COURSE_BUDGET="ci")
    assert "your own function" in strict.stdout


@pytest.mark.parametrize(("spoilt", "why"), [
    ("def centred(r):\n    return (", "SyntaxError"),
    ("import no_such_module_at_all\n", "ModuleNotFoundError"),
    ("x = 1\n", "has no attribute 'centred'"),
    ("raise SystemExit\n", "SystemExit"),
    ("y = 1\nx = y / 0\n", "ZeroDivisionError: division by zero (99.1.py, line 2: x = y / 0)"),
    (b"\xff\xfe\x00", "cannot be read"),
])
def test_a_saved_file_that_does_not_load_is_named_and_the_course_steps_in(work, capsys, spoilt, why):
    path = mine_module.file("99.1")
    path.parent.mkdir(parents=True)
    path.write_bytes(spoilt if isinstance(spoilt, bytes) else spoilt.encode())
    assert mine("99.1").__name__ == "the_course_centred"
    out = capsys.readouterr().out
    assert out.startswith("99.1: the course's function, because your own could not be used.")
    assert why in out and str(path) in out and "Run its check again" in out


def test_what_cannot_stand_alone_is_said_on_the_card_and_the_older_answer_stays(work, capsys):
    check("99.1", right)
    before = mine_module.file("99.1").read_bytes()

    def nested(shift):
        def inner(r):
            return right(r) + shift
        return inner

    capsys.readouterr()
    check("99.1", nested(0))
    out = capsys.readouterr().out
    assert "passed" in out and "made inside another function and uses its variable `shift`" in out
    assert mine_module.file("99.1").read_bytes() == before


net = torch.nn.Linear(3, 3)


def uses_a_network(r):
    """Needs something that lives here only."""
    return r + 0 * net(r).sum()


def same_name(r):
    """One of two."""
    return r


first_of_that_name = same_name


def same_name(r):
    """The other."""
    return -r


def uses_both(r):
    """Two things of one name."""
    return first_of_that_name(r) + same_name(r)


@pytest.mark.parametrize(("fn", "why"), [
    (uses_a_network, "uses `net` of this notebook (a Linear), which cannot be saved with it. Pass `net` as an"),
    (uses_both, "two different things that are both called `same_name`"),
    (torch.sigmoid, "neither a function nor a class"), (net, "neither a function nor a class"),
    (eval("lambda r: r"), "cannot be found"),
])
def test_why_something_cannot_be_saved(fn, why):
    with pytest.raises(CannotCollect, match=re.escape(why)):
        collect(fn, "centred")


def test_an_answer_may_use_an_answer(work, capsys):
    check("99.1", right)
    code = "earlier = mine('99.1')\ndef centred(r):\n    return earlier(earlier(r))\ncheck('99.1', centred)"
    done = python(code, work)
    assert "passed" in done.stdout and "could not" not in done.stdout, done.stdout + done.stderr
    assert torch.allclose(mine("99.1")(X), right(X))
    assert registry.load("99.1").function in mine_module.file("99.1").read_text()


def test_a_half_written_file_never_stands_in_the_answers_place(work, monkeypatch, capsys):
    check("99.1", right)
    before = mine_module.file("99.1").read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    check("99.1", lambda r: r - r.mean(-1, keepdim=True))
    assert "No space left on device" in capsys.readouterr().out
    assert sorted(path.name for path in mine_module.file("99.1").parent.iterdir()) == [".renumbered", "99.1.py"]
    assert mine_module.file("99.1").read_bytes() == before
