"""Mutants of a solution: each has one slip, a name, and runs."""

import inspect
import textwrap

import torch

from course_lib.authoring import mutants
from course_lib.authoring.answers import DETACHED


def solution(rewards, mask, gamma=0.9):
    total = torch.zeros(())
    for t in range(len(rewards)):
        if mask[t] and rewards[t] >= 0:
            total = total + gamma ** t * rewards[t]
    return -(total - rewards.mean(dim=-1)).clamp(min=-5.0)


SOURCE = [textwrap.dedent(inspect.getsource(solution))]


def test_the_slips_that_people_make_are_all_there():
    names = {mutant.name for mutant in mutants.of(solution, SOURCE)}
    for name in ("total + gamma ** t * rewards[t] → total - gamma ** t * rewards[t]",
                 "gamma ** t * rewards[t] → rewards[t]",
                 "rewards[t] >= 0 → rewards[t] > 0", "mask[t] and rewards[t] >= 0 → mask[t] or rewards[t] >= 0",
                 "rewards.mean(dim=-1) → rewards.sum(dim=-1)", "rewards.mean(dim=-1) → rewards.mean()",
                 "total - rewards.mean(dim=-1) → rewards.mean(dim=-1) - total",
                 "-(total - rewards.mean(dim=-1)).clamp(min=-5.0) → (total - rewards.mean(dim=-1)).clamp(min=-5.0)",
                 "(total - rewards.mean(dim=-1)).clamp(min=-5.0) → total - rewards.mean(dim=-1)"):
        assert name in names, name


def test_each_mutant_runs_and_the_solution_stays_as_it_was():
    rewards, mask = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([True, True, False])
    before = solution(rewards, mask)
    made = mutants.of(solution, SOURCE)
    assert len({mutant.name for mutant in made}) == len(made) > 15
    values = []
    for mutant in made:
        try:
            values.append(float(mutant.fn(rewards, mask)))
        except (RuntimeError, IndexError, TypeError):
            continue
    assert torch.equal(solution(rewards, mask), before)
    assert sum(value != float(before) for value in values) > 8


def test_constants_for_arguments_and_what_never_varies():
    recorder = mutants.Recorder(solution)
    for rewards, gamma in (([1.0, 2.0], 0.9), ([3.0], 0.5)):
        recorder(torch.tensor(rewards), torch.ones(2, dtype=torch.bool), gamma=gamma)
    assert recorder.constant_arguments() == ["mask"]
    frozen = mutants.frozen(solution, recorder)
    assert [mutant.name for mutant in frozen] == ["argument gamma → 0.9"]
    given = torch.tensor([1.0, 2.0]), torch.ones(2, dtype=torch.bool)
    assert frozen[0].fn(*given, gamma=0.1) == solution(*given, gamma=0.9) != solution(*given, gamma=0.1)


def test_the_detached_mutant_is_made_where_a_gradient_could_flow():
    recorder = mutants.Recorder(solution)
    recorder(torch.ones(2), torch.ones(2, dtype=torch.bool))
    assert recorder.carries_gradient
    mutant = mutants.detached(lambda a: {"x": (a, [a])})
    a = torch.ones(1, requires_grad=True)
    assert mutant.name == DETACHED
    assert not mutant.fn(a)["x"][0].requires_grad and not mutant.fn(a)["x"][1][0].requires_grad
