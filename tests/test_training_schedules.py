"""Learning rates that torch's schedulers set, step by step, against the formulas that the course used before them."""

import math

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR

from course_lib.training.schedules import triangle, warmup_then_cosine, warmup_then_linear

TOP = 2.5e-4


def rates(schedule, steps: int, resume_at: int | None = None) -> list[float]:
    """The learning rate of each step; at `resume_at` optimizer and scheduler are made anew from their state."""
    weight, found = torch.nn.Parameter(torch.zeros(3)), []
    optimizer = torch.optim.Adam([weight], lr=TOP)
    scheduler = LambdaLR(optimizer, schedule)
    for step in range(steps):
        if step == resume_at:
            states = optimizer.state_dict(), scheduler.state_dict()
            optimizer = torch.optim.Adam([weight], lr=TOP)
            scheduler = LambdaLR(optimizer, schedule)
            optimizer.load_state_dict(states[0])
            scheduler.load_state_dict(states[1])
        found.append(optimizer.param_groups[0]["lr"])
        assert found[-1] == scheduler.get_last_lr()[0]
        optimizer.step()
        scheduler.step()
    return found


def rl_before(steps, total, new_steps, warm_up, hold, final):
    """As it stood in rl/ppo.py."""
    fraction_done = min(1.0, steps / total)
    risen = min(1.0, (steps + new_steps) / (warm_up * total)) if warm_up else 1.0
    fallen = max(0.0, fraction_done - hold) / (1.0 - hold)
    return TOP * risen * (1.0 - fallen * (1.0 - final))


@pytest.mark.parametrize(("total", "new_steps", "warm_up", "hold", "final"), [
    (100_000, 2_048, 0.0, 0.0, 0.1), (650_000, 2_048, 0.0, 0.6, 0.02), (960_000, 2_048, 0.15, 0.6, 0.1),
    (500_000, 512, 0.0, 0.0, 0.0), (20_000, 256, 0.3, 0.1, 0.5), (4_096, 2_048, 1e-3, 0.0, 1.0)])
def test_agents_rates_are_those_of_before_to_the_end_and_beyond(total, new_steps, warm_up, hold, final):
    updates = total // new_steps + 5
    before = [rl_before(update * new_steps, total, new_steps, warm_up, hold, final) for update in range(updates)]
    schedule = warmup_then_linear(total, warm_up, hold, final, per_step=new_steps)
    assert rates(schedule, updates) == pytest.approx(before, rel=1e-12)


@pytest.mark.parametrize(("updates", "warm_up", "final"), [
    (60, 0.1, 0.1), (30, 0.1, 0.1), (42, 0.1, 0.0), (10, 0.4, 0.0), (4, 0.1, 0.1), (7, 0.0, 1.0)])
def test_text_policies_rates_are_those_of_before(updates, warm_up, final):
    def before(done_updates):
        rising = (done_updates + 1) / max(1.0, warm_up * updates)
        return TOP * (min(1.0, rising) * (1 - (1 - final) * min(1.0, done_updates / updates)))

    expected = [before(update) for update in range(updates + 2)]
    assert rates(warmup_then_linear(updates, warm_up, final=final), updates + 2) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("steps", "warm_up", "final"), [(1_000, 0.05, 0.05), (360, 0.1, 0.05), (6, 0.1, 0.05)])
def test_language_models_rates_are_those_of_before(steps, warm_up, final):
    def before(done):
        if done < warm_up:
            return TOP * (max(done, 0.01 * warm_up) / warm_up)
        return TOP * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up))))

    expected = [before(step / steps) for step in range(steps)]
    assert rates(lambda step: warmup_then_cosine(step / steps, warm_up, final), steps) == pytest.approx(
        expected, rel=1e-12)


@pytest.mark.parametrize(("batches", "warmup"), [(282, 10), (38, 10), (5, 10), (100, 1)])
def test_reward_models_rates_are_those_of_before(batches, warmup):
    expected = [TOP * min((step + 1) / warmup, max(0.05, 1 - step / batches)) for step in range(batches)]
    assert rates(triangle(batches, warmup, final=0.05), batches) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("schedule", [warmup_then_linear(40, 0.2, 0.5, 0.1), triangle(40, 10, 0.05),
                                      lambda step: warmup_then_cosine(step / 40, 0.1, 0.05)])
@pytest.mark.parametrize("resume_at", [1, 5, 30])
def test_a_schedule_that_was_resumed_goes_on_with_the_same_rates(schedule, resume_at):
    assert rates(schedule, 40, resume_at) == rates(schedule, 40)
