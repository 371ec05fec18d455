"""Layers that never change: read once, equal to transformers' own forward pass, gradients above them only."""

import pytest
import torch
from test_lm_chat_policy import policy, sampled, tiny_llama

from course_lib.lm.chat_policy import ChatPolicy, first_layer
from course_lib.lm.frozen_layers import FrozenLayers
from course_lib.lm.lora import add_lora

ROWS = [[5, 8, 2, 9], [5, 9], [7]]


def whole(model, row):
    with torch.no_grad():
        return model.model(input_ids=torch.tensor([row])).last_hidden_state[0]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_wherever_it_is_cut_the_states_are_those_of_one_forward_pass(count):
    model = tiny_llama()
    frozen = FrozenLayers(model.model, count)
    with torch.no_grad():
        found = frozen.above(frozen.states(ROWS))
    for row, states in zip(ROWS, found, strict=True):
        torch.testing.assert_close(states[:len(row)], whole(model, row), atol=1e-5, rtol=1e-5)


def test_a_text_is_read_once_and_the_oldest_is_forgotten():
    model, read = tiny_llama(), []
    frozen = FrozenLayers(model.model, 1, most=2)
    model.model.layers[0].register_forward_hook(lambda _, args, __: read.append(len(args[0])))
    frozen.states([ROWS[0], ROWS[1], ROWS[0]])
    frozen.states([ROWS[1], ROWS[0]])
    assert read == [2]
    frozen.states([ROWS[2]])                            # ROWS[1] goes: it was asked for longer ago
    frozen.states([ROWS[0]])
    assert read == [2, 1]
    frozen.states([ROWS[1]])
    assert read == [2, 1, 1]


def test_more_texts_at_once_than_are_kept():
    model = tiny_llama()
    frozen = FrozenLayers(model.model, 1, most=1)
    with torch.no_grad():
        torch.testing.assert_close(frozen.above(frozen.states(ROWS))[2, :1], whole(model, ROWS[2]))
    assert len(frozen.kept) == 1


def test_the_number_of_frozen_layers_is_checked():
    for count in (-1, 3):
        with pytest.raises(ValueError, match="0 to 2"):
            FrozenLayers(tiny_llama().model, count)


def test_a_policy_freezes_what_lies_below_its_adapter_and_shares_it_with_the_reference():
    model = tiny_llama()
    upper = ChatPolicy(model, policy().tokenizer, add_lora(model, ["layers.1.self_attn.q_proj"], rank=2))
    assert first_layer(upper.lora) == 1 == upper.frozen.count and upper.reference.frozen is upper.frozen
    assert policy().frozen.count == 0                   # adapters in both layers


def test_gradients_of_the_adapter_are_those_of_a_policy_that_reads_everything():
    found = []
    for count in (0, 1):
        model = tiny_llama()
        made = ChatPolicy(model, policy().tokenizer, add_lora(model, ["layers.1.self_attn.q_proj"], rank=2, seed=3))
        with torch.no_grad():
            for layer in made.lora.layers.values():
                layer.B.copy_(torch.randn(layer.B.shape, generator=torch.Generator().manual_seed(1)))
        made.frozen = FrozenLayers(model.model, count)
        tokens, mask = sampled(policy())
        made.logprobs(tokens, mask).sum().backward()
        found.append([parameter.grad for parameter in made.parameters()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
        assert one.abs().max() > 0
