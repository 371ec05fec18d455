"""What an adapter costs: counted by hand; afterwards the policy is what it was."""

import pytest
import torch
from test_lm_chat_policy import policy, sampled

from course_lib.lm.lora_cost import measure_steps


def test_trained_numbers_are_those_of_the_two_matrices():
    made = policy()                                         # 24 wide, keys and values 12 wide: q 24, v 12, o 24
    tokens, mask = sampled(made)
    one, two, four = measure_steps(made, tokens, mask, settings=((1, 1), (2, 1), (1, 4)))
    assert one.trained == (24 + 24) + (24 + 12) + (24 + 24) and two.trained == 2 * one.trained
    assert four.trained == 4 * one.trained and four.training_mb == pytest.approx(four.trained * 12 / 1e6)
    assert all(row.cpu_seconds > 0 for row in (one, two, four)) and 0 < one.share < two.share < 1


def test_the_policy_is_what_it_was():
    made = policy()
    tokens, mask = sampled(made)
    with torch.no_grad():
        before = made.logprobs(tokens, mask)
    names = [name for name, _ in made.model.named_modules()]
    measure_steps(made, tokens, mask, settings=((1, 2),))
    with torch.no_grad():
        assert torch.equal(made.logprobs(tokens, mask), before)
    assert [name for name, _ in made.model.named_modules()] == names
    assert all(parameter.grad is None for parameter in made.parameters())


def test_too_many_layers_leave_the_policy_whole():
    made = policy()
    tokens, mask = sampled(made)
    with pytest.raises(ValueError, match="1 to 2 layers, not 3"):
        measure_steps(made, tokens, mask, settings=((3, 1),))
    assert made.model.get_submodule(next(iter(made.lora.layers))) is next(iter(made.lora.layers.values()))
