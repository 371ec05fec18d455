"""Whatever a learner's function does, the run ends, says what happened, and leaves nothing disturbed."""

import math
import random
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from engine_lesson import one_mean, right, stub

from course_lib.exercises import close, registry
from course_lib.exercises.checking import run, run_case
from course_lib.exercises.registry import Exercise


@pytest.fixture
def centred(work):
    """Exercise 99.1."""
    return registry.load("99.1")


def test_a_right_answer_earns_all_points(centred):
    result = run(centred, right)
    assert (result.status, result.passed, result.points) == ("passed", 4, 2)


def test_points_are_the_share_of_the_cases(centred):
    result = run(centred, one_mean)
    assert (result.status, result.passed, result.points) == ("failed", 3, 1.5)
    assert result.first_miss.case == "each row has its own mean"
    assert result.first_miss.call == "centred([[0, 2], [10, 20]])"        # written by the engine: the case gave none


def test_cases_that_the_given_code_passes_earn_nothing_and_cost_when_they_are_broken():
    exercise = Exercise("99.9", "t", "f", 3, "bug", 1, 1, 1, "x:y", ("a", "b", "c"))
    exercise.case("as before", given=True)(lambda fn: close(fn(0), 0))
    for number in (1, 2, 3):
        exercise.case(f"mended {number}")(lambda fn, number=number: close(fn(number), number))
    assert run(exercise, lambda x: 0).points == 0.0
    assert run(exercise, lambda x: x).points == 3.0
    assert run(exercise, lambda x: x if x < 3 else 0).points == 2.0
    assert run(exercise, lambda x: x if x else 7).points == 2.0


def test_a_long_case_at_the_end_is_tried_only_when_all_before_it_passed():
    exercise = Exercise("99.9", "t", "f", 3, "build", 1, 1, 1, "x:y", ("a", "b", "c"))
    for number in (1, 2):
        exercise.case(f"part {number}")(lambda fn, number=number: close(fn(number), number))
    exercise.case("it learns", seconds=60, last=True)(lambda fn: close(fn(3), 3))
    said = []
    result = run(exercise, lambda x: x if x != 2 else 0, said.append)
    assert [outcome.status for outcome in result.outcomes] == ["passed", "failed", "skipped"] and not said
    assert (result.status, result.points) == ("failed", 1.0)
    assert run(exercise, lambda x: x, said.append).status == "passed"
    assert len(said) == 1 and "it learns (up to 60 seconds" in said[0]
    assert run(exercise, lambda x: min(x, 2)).first_miss.case == "it learns"


def test_a_stub_is_not_written_yet_and_the_rest_is_not_tried(centred):
    result = run(centred, stub)
    assert (result.status, result.points) == ("unwritten", 0)
    assert [outcome.status for outcome in result.outcomes] == ["unwritten"] + 3 * ["skipped"]
    assert result.first_miss.where == "stub"


def test_a_missing_operation_of_torch_is_not_a_stub(centred):
    def meta(x):
        return x - torch.empty(3, device="meta").sum().item()

    result = run(centred, meta)
    assert result.status == "failed" and "meta" in result.first_miss.got


@pytest.mark.parametrize("left", [..., [0.5, ...], {"add 100": ...}, (..., 1)])
def test_dots_left_in_a_prediction_are_not_written_yet(work, left):
    result = run(registry.load("99.2"), lambda: left)
    assert result.status == "unwritten"


def test_a_proxy_without_code_is_as_good_as_a_function(centred):
    class Proxy:
        """Calls the learner's code somewhere else; shows nothing of it."""

        __slots__ = ("answer",)

        def __call__(self, *args):
            return self.answer(*args)

    proxy = Proxy()
    for proxy.answer, status in ((right, "passed"), (one_mean, "failed"), (stub, "unwritten")):
        assert run(centred, proxy).status == status
    proxy.answer = lambda x: x.sub_(1)
    assert "number 1" in run(centred, proxy).first_miss.mistake


def raises(x):
    y = x + 1
    return y[5, 7]                                           # the line that the card must show


def recursive(x):
    return recursive(x)


def leaves(x):
    sys.exit(3)


def misspelt(x):
    return x - x.maen()


def wrong_shapes(x):
    return torch.cat([x, torch.ones(5, 5)]) @ x


class OddError(Exception):
    """An exception that cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError


def odd(x):
    raise OddError


@pytest.mark.parametrize(("fn", "got", "mistake", "where"), [
    (raises, "IndexError: index 5", "reaches past the end", "return y[5, 7]"),
    (recursive, "RecursionError", "calls itself", "return recursive(x)"),
    (leaves, "SystemExit: 3", "would close the kernel", "sys.exit(3)"),
    (misspelt, "AttributeError", "another type", "return x - x.maen()"),
    (wrong_shapes, "RuntimeError: Sizes of tensors", "print the shapes", "torch.cat"),
    (lambda: 1, "TypeError", "number of arguments", ""),
    (odd, "OddError", "Your code stopped with this error", "raise OddError"),
    (lambda x: [1].index(2), "ValueError", "`list.index`", "index(2)"),
    (lambda x: x.sum().backward(), "RuntimeError", "hangs on no parameter", "backward"),
    (lambda x: x + torch.ones(2, 7), "RuntimeError", "Two tensors of different shapes", "torch.ones"),
    (lambda x: x @ x @ x, "RuntimeError", "A matrix product does not fit", "x @ x"),
    (lambda x: max(x, -x), "RuntimeError", "want one truth value", "max("),
    (lambda x: torch.ones(2, requires_grad=True).numpy(), "RuntimeError", "numpy knows no gradients", "numpy()"),
])
def test_an_exception_is_shown_with_the_learners_own_line(centred, fn, got, mistake, where):
    miss = run(centred, fn).first_miss
    assert miss.status == "failed" and miss.expected == "an answer"
    assert miss.got.startswith(got) and mistake in miss.mistake
    assert where in miss.where and ("test_exercises_running.py, line" in miss.where or not where)


@pytest.mark.parametrize(("value", "mistake"), [
    (None, "None back"), (math.nan, "One number came"), (math, "whole module"), ((i for i in "ab"), "generator"),
    (list(range(10**6)), "a list back"), (torch.tensor([[math.nan] * 3]), "NaN"), (torch.zeros(1, 3).long(), "int64"),
    (torch.zeros(3, 1), "differ by a dimension"), (torch.zeros(1, 3).bool(), "bool"), ("text", "type str"),
])
def test_whatever_comes_back_gets_its_words(centred, value, mistake):
    assert mistake in run(centred, lambda r: value).first_miss.mistake


def test_a_case_that_cannot_use_what_came_back_blames_the_answer_not_the_learners_code(centred):
    case = next(case for case in centred.cases if case.name == "gradients flow")
    outcome = run_case(centred, case, lambda r: None)
    assert outcome.got == "None" and "None back" in outcome.mistake
    outcome = run_case(centred, case, lambda r: 1)
    assert "could not go on" in outcome.mistake and "has no attribute 'requires_grad'" in outcome.mistake


def test_a_class_without_what_the_page_asks_for_hears_its_name(centred):
    Centred = type(centred.function, (), {"__init__": lambda self, r: None})
    made = replace(centred, cases=[])
    made.case("it remembers")(lambda fn: fn(torch.ones(2)).mean)
    made.case("it centres")(lambda fn: fn.method(fn(torch.ones(2)), "of", torch.ones(2)))
    told = [outcome.mistake for outcome in run(made, Centred).outcomes]
    assert "has no `mean`" in told[0] and "has no `of`" in told[1]


def test_output_and_warnings_are_kept_and_change_nothing(centred, capsys):
    def noisy(x):
        print("a tensor of", x.shape)
        print("to stderr", file=sys.stderr)
        warnings.warn("this is deprecated", stacklevel=1)
        return right(x)

    result = run(centred, noisy)
    assert result.status == "passed"
    assert result.printed.splitlines() == [
        "a tensor of torch.Size([1, 3])", "to stderr", "UserWarning: this is deprecated"]
    assert capsys.readouterr() == ("", "")


def test_a_flood_of_output_is_cut(centred):
    def flood(x):
        for _ in range(2000):
            print("x" * 100)
        return right(x)

    result = run(centred, flood)
    assert result.status == "passed" and len(result.printed) < 5000 and "more characters" in result.printed


def test_warnings_as_errors_do_not_turn_a_right_answer_wrong(centred):
    def warns(x):
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        return right(x)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(centred, warns).status == "passed"


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_random_states_and_switches_are_seeded_and_put_back(centred, two_threads):
    seen, threads = [], []

    def draws(x):
        seen.append((torch.rand(1).item(), np.random.rand(), random.random()))
        threads.append(torch.get_num_threads())
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(3)
        torch.manual_seed(1)
        torch.set_grad_enabled(False)
        return x - x.mean(-1, keepdim=True)

    def stream():
        torch.manual_seed(5)
        np.random.seed(5)
        random.seed(5)
        yield
        yield torch.rand(1), np.random.rand(), random.random(), torch.get_default_dtype(), torch.is_grad_enabled()

    plain, disturbed = stream(), stream()
    next(plain)
    expected = next(plain)
    next(disturbed)
    run(centred, draws)
    assert torch.get_num_threads() == 2 and set(threads) == {1}, "a limit of computing time knows one thread"
    assert next(disturbed) == expected
    first = list(seen)
    run(centred, draws)
    assert seen[len(first):] == first               # every case is seeded: the same numbers again
    assert len(set(first)) == len(first)            # and each case by itself


def test_gradients_flow_though_the_learner_switched_them_off(centred):
    with torch.no_grad():
        assert run(centred, right).status == "passed"
