"""Arguments belong to the case: the learner's function gets copies, and writing into them is reported."""

import math
import random
from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from course_lib.exercises.compare import Fail
from course_lib.exercises.guard import Guard, copy, same

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


class Counter:
    """What a build might be: a class whose methods are asked one by one."""

    def __init__(self, start):
        self.start = start

    def add(self, x):
        x += self.start
        return x

    def fail(self, x):
        raise ValueError("no")


def test_methods_of_what_a_class_made_are_called_like_the_class():
    guard = Guard(Counter, "Counter")
    made = guard(2.0)
    assert guard.method(made, "add", 3.0) == 5.0 and guard.last_call == "Counter.add(3)" and guard.calls == 2
    with pytest.raises(Fail, match="wrote into its argument `x`"):
        guard.method(made, "add", torch.ones(2))
    with pytest.raises(ValueError, match="no"):
        guard.method(made, "fail", 1)
    assert guard.inside
