"""Two heads and a weight, weights in eight bits, costs on paper."""

import pytest
import torch
from torch import nn

from course_lib.lm.hhh_heads import KINDS, fit_heads, sweep
from course_lib.lm.int8 import Int8Linear, megabytes, quantize_rows, to_int8
from course_lib.lm.scale_cost import Costs, Plan, gpu_hours, gpus_needed, label_hours, rl_memory, stages


def requests(count: int = 16):
    """Features in which doing it, and danger, each have a direction of their own; and which requests are risky."""
    luck = torch.Generator().manual_seed(0)
    risky = torch.arange(count) % 2 == 0
    rows = 0.1 * torch.randn(count, 2, 6, generator=luck)
    rows[:, 0, 0] += 1
    rows[risky, 0, 1] += 1
    return rows, risky


def test_heads_that_see_the_danger_need_no_trade_off():
    rows, risky = requests()
    found = sweep(fit_heads(rows, risky, folds=4, l2=0.01), [0.01 * k for k in range(101)], risky)
    assert set(found) == set(KINDS)
    assert max(map(sum, zip(found["ties too"]["helped"], found["ties too"]["declined"], strict=True))) == 2
    assert found["risky only"]["helped"][-1] == 1 and found["risky only"]["declined"][-1] == 0


def test_a_head_is_never_asked_about_what_it_learned_from():
    rows, risky = requests()
    before = fit_heads(rows, risky, folds=16)["ties too"]
    other = rows.clone()
    other[3] = 50 * torch.randn(2, 6, generator=torch.Generator().manual_seed(1))
    after = fit_heads(rows, risky, folds=16)["ties too"]
    torch.testing.assert_close(before, after)
    assert before.shape == (16, 2, 2)


def test_too_few_requests_for_so_many_folds():
    rows, risky = requests(2)
    with pytest.raises(ValueError, match="fewer folds"):
        fit_heads(rows, risky, folds=2)


def test_rounded_rows_are_off_by_half_a_step_at_most():
    weight = torch.randn(5, 40, generator=torch.Generator().manual_seed(0))
    weight[2] = 0
    codes, scale = quantize_rows(weight)
    assert codes.dtype == torch.int8 and scale.shape == (5, 1) and scale[2] == 1 and (codes[2] == 0).all()
    assert ((codes * scale - weight).abs() <= scale / 2 + 1e-6).all() and codes.abs().amax(dim=1)[0] == 127


def test_a_model_in_eight_bits():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.ModuleDict({"lm_head": nn.Linear(64, 8)})["lm_head"])
    x, before = torch.randn(3, 64), megabytes(model)
    first = model[0]
    right = first(x)
    assert to_int8(model, skip=("2",)) == 1 and isinstance(model[0], Int8Linear) and isinstance(model[2], nn.Linear)
    torch.testing.assert_close(model[0](x), right, atol=0.05, rtol=0.05)
    assert megabytes(model) < 0.5 * before
    with pytest.raises(ValueError, match="no linear layer"):
        to_int8(nn.Sequential(nn.ReLU()))


def test_shared_tables_count_once():
    table = nn.Embedding(100, 10)
    head = nn.Linear(10, 100, bias=False)
    head.weight = table.weight
    assert megabytes(nn.ModuleList([table, head])) == pytest.approx(0.004)


def test_costs_follow_the_rules_of_thumb():
    plan, costs = Plan(parameters=1e9, sft_tokens=1e6, comparisons=100), Costs(peak_flops=1e15, train_utilisation=0.5)
    labels, sft, reward, *_ = stages(plan, costs)
    assert labels.dollars == 100 and labels.gpu_hours == 0
    assert sft.flops == 6e15 and sft.gpu_hours == pytest.approx(6e15 / 5e14 / 3600)
    assert reward.flops == 6 * 1e9 * 100 * 2 * plan.tokens_per_text
    assert label_hours(plan, costs) == 5
    assert rl_memory(plan) == 36e9 and gpus_needed(plan, costs) == 1 and gpus_needed(Plan(parameters=70e9)) == 63
    assert rl_memory(Plan(parameters=1e9, value_network=False)) == 20e9
    with pytest.raises(ValueError, match="utilisation"):
        gpu_hours(1.0, 0.0, costs)
