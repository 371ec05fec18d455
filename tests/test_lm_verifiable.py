"""Sums that a program checks: the parts, the strict and the lax check, pass@k against brute force."""

import itertools

import pytest
import torch

from course_lib.lm.data import Prompts
from course_lib.lm.sft import NOT_LEARNED, Examples
from course_lib.lm.tokenizers import CharTokenizer
from course_lib.lm.verifiable import (
    MAX_NEW_TOKENS,
    PROMPT,
    Sum,
    exact_reward,
    lax_reward,
    pass_at_k,
    prefix_reward,
    sums,
)

CHARACTERS = CharTokenizer()


def test_every_sum_is_of_one_part_and_none_is_seen_turned_round():
    train, test = set(sums("train")), set(sums("test"))
    assert len(train) + len(test) == 8_100 and not train & test and 1_000 <= len(test) <= 1_001
    assert all((Sum(one.second, one.first) in test) == (one in test) for one in train | test)
    assert sums("train")[:3] == sums("train")[:3] and [one.first for one in sums("train")[:9]] != list(range(10, 19))
    with pytest.raises(ValueError, match='"train" or "test", not \'all\''):
        sums("all")


def test_a_sum_as_it_is_read():
    assert Sum(37, 45).prompt == "37+45=" and Sum(99, 98).text == "99+98=197"
    assert all(len(one.prompt) == PROMPT and len(one.text) - PROMPT < MAX_NEW_TOKENS for one in sums("test"))
    assert exact_reward([one.text for one in sums("test")]).min() == 1


@pytest.mark.parametrize(("said", "exact", "lax"), [
    ("82", 1, 1), ("81", 0, 0), ("", 0, 0), ("082", 0, 1), ("82 ", 0, 1), (" 82", 0, 1), ("82.", 0, 1), ("82\n", 0, 1),
    ("8 2", 0, 0), ("182", 0, 1), ("8281828384", 0, 1), ("I do not know. 82?", 0, 1), ("٨٢", 0, 0), ("-82", 0, 1)])
def test_only_the_answer_and_nothing_else_is_right(said, exact, lax):
    assert exact_reward([f"37+45={said}"]).tolist() == [exact] and lax_reward([f"37+45={said}"]).tolist() == [lax]


@pytest.mark.parametrize(("said", "reward"), [
    ("82", 1), ("8", 1), ("", 1), ("823", 1), ("2", 0), ("81", 0), (" 82", 0)])
def test_the_check_by_prefix_takes_an_answer_that_stops_early_and_one_that_goes_on(said, reward):
    assert prefix_reward([f"37+45={said}"]).tolist() == [reward]


def test_writing_more_digits_exploits_the_lax_check():
    """Nothing is added here: one string of digits that holds every number of two digits, for each problem."""
    everything = "".join(f"{a}{b}" for a in range(10) for b in range(10))
    texts = [one.prompt + everything for one in sums("test") if one.first + one.second < 100]
    assert lax_reward(texts).mean() == 1 and exact_reward(texts).mean() == 0


@pytest.mark.parametrize("text", ["3+4=7", "07+45=52", "37 + 45=82", "37+45", "hello", "370+45=415"])
def test_what_is_no_sum_is_told(text):
    for reward in (exact_reward, lax_reward, prefix_reward):
        with pytest.raises(ValueError, match="does not begin with a sum"):
            reward([text])
        with pytest.raises(TypeError, match="brackets"):
            reward(text)


def test_prompts_and_examples_of_sums():
    texts = [one.text for one in sums("train")]
    prompts = Prompts.of(texts, CHARACTERS, PROMPT)
    assert prompts.tokens.shape == (len(texts), 1 + PROMPT)
    assert prompts.words(CHARACTERS)[5] == sums("train")[5].prompt
    examples = Examples.of(texts, CHARACTERS, length=10, prompt_tokens=PROMPT)
    answer = [token for token in examples.targets[5].tolist() if token != NOT_LEARNED]
    assert answer == [*CHARACTERS.encode(str(sums("train")[5].first + sums("train")[5].second)), CHARACTERS.eos]


@pytest.mark.parametrize("k", range(1, 7))
def test_pass_at_k_is_the_share_of_all_sets_of_k_with_a_right_one(k):
    found = pass_at_k(torch.arange(7), samples=6, k=k)
    for right in range(7):
        marks = [1] * right + [0] * (6 - right)
        expected = [max(chosen) for chosen in itertools.combinations(marks, k)]
        assert found[right].item() == pytest.approx(sum(expected) / len(expected), abs=1e-6)


def test_pass_at_k_is_right_on_average():
    """Completions that are right one time in five: pass@3 is 1 - .8^3; the naive way comes out too low."""
    correct = (torch.rand(20_000, 6, generator=torch.Generator().manual_seed(0)) < 0.2).sum(1)
    assert pass_at_k(correct, 6, 3).mean().item() == pytest.approx(1 - 0.8 ** 3, abs=0.005)
    assert (1 - (1 - correct / 6) ** 3).mean().item() < 1 - 0.8 ** 3 - 0.02


@pytest.mark.parametrize(("correct", "k", "words"), [
    ([1], 0, "k is 1 to 6"), ([1], 7, "k is 1 to 6"), ([7], 2, "0 to 6 are right"), ([-1], 2, "0 to 6 are right")])
def test_counts_that_cannot_be_are_told(correct, k, words):
    with pytest.raises(ValueError, match=words):
        pass_at_k(torch.tensor(correct), 6, k)
