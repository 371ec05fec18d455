"""Scores count every character once, whatever the tokenizer; distinct-n counts runs of words."""

import math

import pytest
import torch

from course_lib.lm.generate import token_logprobs
from course_lib.lm.gpt import GPT, GPTConfig
from course_lib.lm.metrics import Score, distinct_n, row_nats, score
from course_lib.lm.tokenizers import BPETokenizer, CharTokenizer

CHARACTERS = CharTokenizer()
CONFIG = GPTConfig(CHARACTERS.vocab_size, context=16, layers=2, heads=2, width=16)


def far_from_uniform(config: GPTConfig = CONFIG) -> GPT:
    model = GPT(config).eval()
    with torch.no_grad():
        model.token_embedding.weight.mul_(20)
    return model


def test_a_model_that_knows_nothing_pays_the_whole_alphabet():
    model = GPT(CONFIG)
    with torch.no_grad():
        model.token_embedding.weight.zero_()
    got = score(model, CHARACTERS, ["abc", "de", ""])
    assert (got.tokens, got.characters) == (8, 8)
    assert got.nats_per_char == pytest.approx(math.log(97)) and got.perplexity == pytest.approx(97, rel=1e-4)
    assert got.bits_per_char == pytest.approx(math.log2(97))


def test_byte_pairs_are_counted_by_the_character_too():
    tokenizer = BPETokenizer.train(["the cat the cat"] * 5, 262)
    got = score(GPT(GPTConfig(262, 16, 1, 2, 16)), tokenizer, ["the cat"])
    assert got.characters == 8 and got.tokens < 8 and got.nats_per_char < got.nats_per_token


def test_short_rows_of_many_lengths_cost_what_each_costs_alone():
    model = far_from_uniform()
    rows = [[0, 5, 9, 0], [0, 3, 3, 3, 3, 3, 3, 7, 0], [0, 0], [0, *range(2, 16), 0]]
    alone = [-token_logprobs(model(torch.tensor([row])), torch.tensor([row])).sum() for row in rows]
    torch.testing.assert_close(row_nats(model, rows).float(), torch.stack(alone).detach(), atol=1e-4, rtol=1e-5)


def test_a_row_longer_than_the_context_counts_each_token_once():
    model, row = far_from_uniform(), [0, *range(2, 42), 0]
    x = torch.tensor(row)
    expected, counted = 0.0, 1
    for start, end in ((0, 16), (8, 24), (16, 32), (24, 40), (32, 42)):
        logprobs = token_logprobs(model(x[None, start:end]), x[None, start:end])[0]
        expected -= logprobs[counted - start - 1:].sum().item()
        counted = end
    assert row_nats(model, [row]).item() == pytest.approx(expected, rel=1e-5)


def test_no_texts_have_no_score():
    with pytest.raises(ValueError, match="at least one"):
        score(GPT(CONFIG), CHARACTERS, [])


def test_units():
    got = Score(nats=20.0, tokens=5, characters=10)
    assert got.nats_per_token == 4 and got.nats_per_char == 2
    assert got.bits_per_char == pytest.approx(2.885, abs=1e-3) and got.perplexity == pytest.approx(math.e**4)


def test_distinct_n():
    assert distinct_n(["love love love love"], 1) == 0.25
    assert distinct_n(["love love love love"], 2) == pytest.approx(1 / 3)
    assert distinct_n(["a b c", "A B d"], 2) == 0.75
    assert distinct_n(["one", ""], 2) == 0.0
