"""The judge on a tiny random model: orders, padding, position bias planted and found; what bad input is told."""

import pytest
import torch

from course_lib.errors import CourseError
from course_lib.lm.hhh_texts import QUESTIONS, REQUESTS, Question
from course_lib.lm.llm_judge import JudgeSettings, judge_pairs, judge_prompt, right_odds, swap_test
from course_lib.training.run import NotFinite


class Words:
    """A tokenizer of words, as transformers' are called; each new word gets the next number."""

    def __init__(self):
        self.known = {"A": 1, "B": 2}

    def __call__(self, text, add_special_tokens=True):
        return {"input_ids": [self.known.setdefault(word, 3 + len(self.known)) for word in text.split()]}

    def apply_chat_template(self, chat, tokenize, add_generation_prompt):
        return " ".join(turn["content"] for turn in chat) + " assistant"


@pytest.fixture(scope="module")
def reader():
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=400, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=400, initializer_range=0.4)).eval(), Words()


def test_each_pair_is_read_in_both_orders(reader):
    first, second = ["a good day", "rain", "one two three four"], ["a bad day", "sun and sea", "five"]
    logits = judge_pairs(first, second, reader=reader)
    turned = judge_pairs(second, first, reader=reader)
    assert logits.shape == (3, 2)
    torch.testing.assert_close(logits, -turned.flip(1))
    alone = torch.cat([judge_pairs([a], [b], JudgeSettings(batch_size=1), reader)
                       for a, b in zip(first, second, strict=True)])
    torch.testing.assert_close(logits, alone, atol=1e-5, rtol=1e-4)
    assert judge_prompt("x", "y").index("A: x") < judge_prompt("x", "y").index("B: y")


def test_a_bias_for_a_place_is_found_and_taken_out():
    knows, bias = torch.tensor([2.0, -1.0, 0.5]), 1.2
    found = swap_test(torch.stack([knows + bias, knows - bias], dim=1))
    torch.testing.assert_close(found.debiased, knows)
    assert found.bias == pytest.approx(bias) and found.consistent == pytest.approx(1 / 3)
    assert found.says_first == pytest.approx(5 / 6)
    assert swap_test(torch.tensor([[1.0, -1.0]])).says_first == 1


@pytest.mark.parametrize(("first", "second", "says"), [
    ([], [], "at least one"), (["a"], [], "no pairs"), (["a", " "], ["b", "c"], "Pair 1 has an empty text")])
def test_pairs_that_cannot_be_judged(reader, first, second, says):
    with pytest.raises(CourseError, match=says):
        judge_pairs(first, second, reader=reader)


def test_prompts_that_are_too_long_are_not_cut(reader):
    with pytest.raises(CourseError, match="longer than 60 tokens \\(pair 1 has"):
        judge_pairs(["a", "b " * 90], ["c", "d"], JudgeSettings(max_tokens=60), reader)
    with pytest.raises(ValueError, match="one token"):
        judge_pairs(["a"], ["b"], JudgeSettings(names=("A 1", "B")), reader)


def test_a_judge_that_says_nan(reader):
    import copy

    model, words = reader
    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken.lm_head.weight.fill_(float("nan"))
    with pytest.raises(NotFinite):
        judge_pairs(["a"], ["b"], reader=(broken, words))


def test_odds_are_differences_of_mean_log_probabilities(reader):
    one = Question("Which sea?", "the red one", "black")
    odds = right_odds([one], "wrong", reader)
    turned = right_odds([Question(one.text, one.wrong, one.right)], "right", reader)
    torch.testing.assert_close(odds, -turned)
    assert right_odds([one], reader=reader).shape == (1,)
    with pytest.raises(CourseError, match="no question"):
        right_odds([], reader=reader)
    with pytest.raises(ValueError, match="opinion"):
        right_odds([one], "left", reader)


def test_the_texts_of_the_lesson():
    assert sum(one.risky for one in REQUESTS) == len(REQUESTS) / 2 == 16
    assert len({one.text for one in REQUESTS}) == 32 and all(one.does != one.declines for one in REQUESTS)
    assert len(QUESTIONS) == 16 and all(one.right != one.wrong for one in QUESTIONS)
