"""Whatever a learner's function does, the run ends, says what happened, and leaves nothing disturbed."""

import math
import random
import signal
import sys
import threading
import time
import warnings
from collections import namedtuple
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from engine_lesson import one_mean, right, stub

from course_lib.exercises import registry, timelimit
from course_lib.exercises import report as r
from course_lib.exercises.fail import Fail
from course_lib.exercises.guard import Guard, copy, same
from course_lib.exercises.running import run, run_case


@pytest.fixture
def centred(work):
    """Exercise 99.1, with time limits short enough for tests."""
    exercise = registry.load("99.1")
    return replace(exercise, cases=[replace(case, seconds=0.3) for case in exercise.cases])


def test_a_right_answer_earns_all_points(centred):
    result = run(centred, right)
    assert (result.status, result.passed, result.points) == ("passed", 4, 2)


def test_points_are_the_share_of_the_cases(centred):
    result = run(centred, one_mean)
    assert (result.status, result.passed, result.points) == ("failed", 3, 1.5)
    assert result.first_miss.case == "each row has its own mean"
    assert result.first_miss.call == "centred([[0, 2], [10, 20]])"        # written by the engine: the case gave none


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
    (odd, "OddError", "", "raise OddError"),
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


def test_random_states_and_switches_are_seeded_and_put_back(centred):
    seen = []

    def draws(x):
        seen.append((torch.rand(1).item(), np.random.rand(), random.random()))
        torch.set_default_dtype(torch.float64)
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
    assert next(disturbed) == expected
    first = list(seen)
    run(centred, draws)
    assert seen[len(first):] == first               # every case is seeded: the same numbers again
    assert len(set(first)) == len(first)            # and each case by itself


def test_gradients_flow_though_the_learner_switched_them_off(centred):
    with torch.no_grad():
        assert run(centred, right).status == "passed"


# ------------------------------------------------------------------------------------------------ arguments are theirs

Pair = namedtuple("Pair", "left right")


@dataclass(frozen=True)
class Batch:
    """A dataclass of tensors."""

    obs: torch.Tensor
    extra: dict


def edit_tensor(x):
    x -= 1


def edit_view(x):
    x[0].mul_(0)


def edit_array(x):
    x[1] = 9


def edit_list(x):
    x.append(1)


def edit_inner(x):
    x["a"][0][0] = 5


def edit_named(x):
    x.left.add_(1)


def edit_batch(x):
    x.obs.zero_()


def edit_resize(x):
    x.resize_(7)


@pytest.mark.parametrize(("value", "edit"), [
    (torch.ones(3), edit_tensor), (torch.ones(2, 2), edit_view), (np.ones(3), edit_array), ([0], edit_list),
    ({"a": [torch.ones(2)]}, edit_inner), (Pair(torch.ones(2), 1), edit_named),
    (Batch(torch.ones(2), {}), edit_batch), (torch.ones(3, requires_grad=True), edit_tensor),
    (torch.ones(2), edit_resize),
    (torch.tensor([1.0, math.nan]), edit_tensor), ({1, 2}, set.clear), ({"k": 1}, dict.clear),
])
def test_writing_into_an_argument_is_reported_and_does_not_reach_the_case(value, edit):
    before = copy(value, {})

    def answer(first, rewards):
        edit(rewards)
        return 0

    with pytest.raises(Fail) as caught:
        Guard(answer, "gae")(0.99, value)
    assert "wrote into its argument `rewards`" in caught.value.mistake
    assert caught.value.call.startswith("gae(0.99, ")
    assert same(before, value)


@pytest.mark.parametrize("value", [
    torch.tensor([math.nan, math.inf]), np.array([math.nan, 1.0]), [1, "a", None, (2.0, {3})], {"a": torch.ones(2)},
    Batch(torch.zeros(0), {"x": np.array(["a", None], dtype=object)}), Pair(1, math.nan), True, None, "text", 3.5,
    torch.nn.Linear(2, 2), random.Random(), lambda: 1, torch.zeros(2, dtype=torch.bool), range(3),
])
def test_reading_an_argument_is_not_reported(value):
    assert Guard(lambda x: 7, "f")(value) == 7
    assert Guard(lambda *, x: 7, "f")(x=value) == 7


def test_one_changed_place_is_named():
    def fill(advantages):
        advantages[2] = 1.0

    with pytest.raises(Fail, match=r"argument `advantages` \(at \[2\]\)"):
        Guard(fill, "f")(torch.zeros(4))


def test_gradients_reach_the_cases_own_tensor_and_its_twin_is_copied_once():
    x = torch.tensor([2.0], requires_grad=True)
    guard = Guard(lambda a, b: (a * b if a is b else a * 0).sum(), "f")
    guard(x, x).backward()
    assert x.grad.item() == 4.0


# ------------------------------------------------------------------------------------------------ time

def loops(x):
    while True:
        x = x + 1


def loops_and_catches(x):
    while True:
        try:
            x = x + 1
        except:                                         # noqa: E722  as learners do
            x = x - 1


def sleeps(x):
    time.sleep(60)


@pytest.mark.skipif(not timelimit.can_interrupt(), reason="there is no alarm signal on this system")
@pytest.mark.parametrize(("fn", "line"), [(loops, "x = x + 1"), (sleeps, "time.sleep(60)")])
def test_an_endless_call_is_stopped_with_its_line_and_the_rest_is_not_tried(centred, fn, line):
    handler = signal.getsignal(signal.SIGALRM)
    result = run(centred, fn)
    miss = result.first_miss
    assert miss.status == "stopped" and result.status == "failed"
    assert "within 0.3 seconds" in miss.expected and line in miss.where or "while True" in miss.where
    assert [outcome.status for outcome in result.outcomes[1:]] == 3 * [r.SKIPPED]
    assert signal.getsignal(signal.SIGALRM) == handler and signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.skipif(not timelimit.can_interrupt(), reason="there is no alarm signal on this system")
def test_an_alarm_that_a_bare_except_swallows_rings_again(centred, monkeypatch):
    monkeypatch.setattr(timelimit, "AGAIN", 0.003)      # the next ones find the loop outside its `try`
    assert run(centred, loops_and_catches).first_miss.status == "stopped"


def test_what_cannot_be_stopped_is_named_by_the_watchdog(centred, monkeypatch, capsys):
    monkeypatch.setattr(timelimit, "can_interrupt", lambda: False)          # as on Windows
    heard = threading.Event()
    monkeypatch.setattr(sys, "stdout", Ears(heard))

    def waits_for_the_watchdog(x):
        assert heard.wait(20)
        return right(x)

    result = run(replace(centred, cases=centred.cases[:1]), waits_for_the_watchdog)
    said = sys.stdout.text
    assert result.status == "passed"                    # late is not wrong where nothing could stop it
    assert "centred([[1, 2, 6]]) has been running for more than 0.3 seconds" in said
    assert "Kernel > Interrupt" in said and "stop button" in said


def test_in_another_thread_the_watchdog_speaks_and_the_case_runs(centred, monkeypatch):
    heard, results = threading.Event(), []
    monkeypatch.setattr(sys, "stdout", Ears(heard))

    def slow(x):
        assert heard.wait(20)
        return right(x)

    thread = threading.Thread(target=lambda: results.append(run(replace(centred, cases=centred.cases[:1]), slow)))
    thread.start()
    thread.join(30)
    assert results[0].status == "passed" and "Interrupt" in sys.stdout.text


class Ears:
    """A stdout that sets an event when something is written."""

    encoding = "utf-8"

    def __init__(self, heard: threading.Event) -> None:
        self.text, self._heard = "", heard

    def write(self, text: str) -> None:
        """Hear it."""
        self.text += text
        self._heard.set()

    def flush(self) -> None:
        """Nothing waits."""


def test_an_interrupt_passes_through_and_everything_is_put_back(centred):
    def interrupted(x):
        raise KeyboardInterrupt

    out, state = sys.stdout, torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        run(centred, interrupted)
    assert sys.stdout is out and torch.equal(torch.get_rng_state(), state)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0) if hasattr(signal, "getitimer") else True
