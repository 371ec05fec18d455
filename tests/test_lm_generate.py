"""Generation: with and without cache identical, stops at the end token, reports the log-probabilities it drew from."""

from dataclasses import replace

import pytest
import torch

from course_lib.errors import CourseError
from course_lib.lm.generate import generate, next_token_probs, token_logprobs
from course_lib.lm.gpt import GPT, GPTConfig, causal_attention
from course_lib.lm.tokenizers import CharTokenizer, begin, decode_until_end

CONFIG = GPTConfig(vocab_size=13, context=32, layers=2, heads=2, width=16)
PROMPTS = torch.randint(1, 13, (6, 5), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model() -> GPT:
    """A model far from uniform: its weights are far from zero."""
    model = GPT(CONFIG).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    return model


def write(model: GPT, seed: int = 0, **settings):
    return generate(model, PROMPTS, settings.pop("max_new_tokens", 20),
                    generator=torch.Generator().manual_seed(seed), **settings)


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.0}, {"temperature": 0.7, "top_k": 3}, {"eos": 0}])
def test_with_and_without_cache_the_texts_are_the_same(model, settings):
    cached, anew = write(model, **settings), write(model, use_cache=False, **settings)
    assert cached.tokens.equal(anew.tokens) and cached.mask.equal(anew.mask)
    torch.testing.assert_close(cached.logprobs, anew.logprobs, atol=1e-5, rtol=0)


def test_the_cache_works_with_a_learners_attention(model):
    own = GPT(CONFIG, causal_attention).eval()
    own.load_state_dict(model.state_dict())
    assert write(own).tokens.equal(write(model).tokens)


def test_a_cache_filled_in_pieces_gives_the_logits_of_one_go(model):
    cache, x = model.cache(6), torch.cat([PROMPTS, PROMPTS], dim=1)
    pieces = [model(piece, cache) for piece in x.split([3, 1, 5, 1], dim=1)]
    torch.testing.assert_close(torch.cat(pieces, dim=1), model(x), atol=1e-5, rtol=1e-5)


def test_the_same_luck_writes_the_same_texts(model):
    assert write(model, seed=4).tokens.equal(write(model, seed=4).tokens)
    assert not write(model, seed=4).tokens.equal(write(model, seed=5).tokens)


def test_the_prompt_stays_and_comes_first(model):
    assert write(model).tokens[:, :5].equal(PROMPTS)


def test_logprobs_are_those_of_a_fresh_reading(model):
    got = write(model, eos=0, temperature=0.7, top_k=4)
    again = token_logprobs(model(got.tokens), got.tokens)
    torch.testing.assert_close(got.logprobs[got.mask], again[got.mask], atol=1e-5, rtol=1e-5)
    assert not got.logprobs[~got.mask].any()


def test_a_row_ends_at_its_first_end_token(model):
    got = write(model, eos=0, max_new_tokens=27)
    ended = 0
    for row, length in zip(got.tokens, got.lengths.tolist(), strict=True):
        written, rest = row[5:5 + length], row[5 + length:]
        assert (written[:-1] != 0).all() and (rest == 0).all()
        ended += int(written[-1]) == 0
    assert ended > 0, "the test needs rows that end"


def test_the_mask_covers_what_was_written_and_its_end(model):
    got = write(model, eos=0, max_new_tokens=27)
    assert got.mask.shape == got.logprobs.shape == (6, got.tokens.shape[1] - 1)
    assert not got.mask[:, :4].any() and got.mask[:, 4].all()


def test_it_stops_early_when_all_rows_have_ended(model):
    first = generate(model, PROMPTS[:1], 1, temperature=0).tokens[0, -1].item()
    sure = generate(model, PROMPTS[:1], 27, temperature=0, eos=first)
    assert sure.tokens.shape == (1, 6) and sure.lengths.tolist() == [1]


def test_samples_follow_the_models_probabilities(model):
    many = generate(model, PROMPTS[:1].repeat(20_000, 1), 1, generator=torch.Generator().manual_seed(0)).tokens[:, -1]
    share = torch.bincount(many, minlength=13) / 20_000
    assert (share - model(PROMPTS[:1])[0, -1].softmax(-1)).abs().max() < 0.015


def test_the_models_own_weights_are_untouched_and_no_gradient_is_kept(model):
    assert not write(model).logprobs.requires_grad


@pytest.mark.parametrize(("temperature", "favourite"), [(0.5, 0.88), (1.0, 0.72), (2.0, 0.57)])
def test_temperature_sharpens_and_flattens(temperature, favourite):
    probs = next_token_probs(torch.tensor([[2.0, 1.0, -1.0]]), temperature)
    assert abs(probs[0, 0] - torch.tensor([2.0, 1.0, -1.0]).div(temperature).softmax(0)[0]) < 1e-6
    assert abs(probs[0, 0] - favourite) < 0.06


def test_temperature_zero_takes_the_best():
    assert next_token_probs(torch.tensor([[0.0, 3.0, 2.0]]), 0.0).tolist() == [[0.0, 1.0, 0.0]]


def test_top_k_keeps_the_best_and_shares_the_rest_among_them():
    probs = next_token_probs(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 1.0, top_k=2)
    torch.testing.assert_close(probs, torch.tensor([[0.0, 0.7311, 0.2689, 0.0]]), atol=1e-4, rtol=0)
    assert next_token_probs(torch.zeros(1, 3), 1.0, top_k=99).tolist()[0] == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("wrong", [{"temperature": -1.0}, {"top_k": 0}])
def test_settings_that_make_no_sense_are_refused(model, wrong):
    with pytest.raises(ValueError, match="temperature is 0 or more"):
        write(model, **wrong)


def test_an_empty_prompt_is_refused_in_words(model):
    with pytest.raises(CourseError, match="Begin with the end token"):
        generate(model, torch.zeros(2, 0, dtype=torch.long), 5)


def test_a_prompt_that_is_too_long_is_refused_with_the_cut_that_fits(model):
    with pytest.raises(CourseError, match=r"prompts\[:, -12:\].*at most 2 new tokens"):
        generate(model, torch.ones(1, 30, dtype=torch.long), 20)


def test_the_cut_that_the_message_names_does_fit(model):
    assert generate(model, torch.ones(1, 30, dtype=torch.long)[:, -12:], 20).tokens.shape == (1, 32)


def test_a_prompt_longer_than_the_context_leaves_room_for_nothing(model):
    with pytest.raises(CourseError, match="at most 0 new tokens"):
        generate(model, torch.ones(1, 40, dtype=torch.long), 32)


def test_a_model_that_says_nan_is_told_in_words():
    broken = GPT(CONFIG, attention=lambda q, k, v: v * float("nan"))
    with pytest.raises(CourseError, match="probabilities are not numbers"):
        write(broken)


def test_texts_come_out_as_text():
    tokenizer = CharTokenizer()
    model = GPT(replace(CONFIG, vocab_size=tokenizer.vocab_size))
    got = generate(model, begin(tokenizer, "ab", batch=3), 10, eos=tokenizer.eos)
    assert all(decode_until_end(tokenizer, row).startswith("ab") for row in got.tokens)
