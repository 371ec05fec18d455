"""The reward model on a chat model's hidden states: what it reads and learns; it stays as the policy moves."""

import pytest
import torch
from test_lm_chat_policy import QUESTIONS, policy, tiny_llama, words

from course_lib.errors import CourseError
from course_lib.lm.answer_reward import (
    CUE,
    SETTINGS,
    answer_features,
    compared,
    fit_answer_reward,
    folds_by_prompt,
    held_out_accuracy,
    length_alone,
    word_counts,
)
from course_lib.lm.chat_policy import ChatPolicy, answer_logprobs, sample_answers
from course_lib.lm.features import FeatureSettings
from course_lib.lm.lora import add_lora
from course_lib.lm.rloo import RLOO, RLOOConfig

READ = FeatureSettings(cue=CUE, last_of=(1, 2), mean_of=(1,), max_tokens=200, batch_size=4)
ANSWERS = ["cat", "the mat", ""]


@pytest.fixture(scope="module")
def wide() -> ChatPolicy:
    """A policy of the width that features have, whose adapter has moved."""
    return policy(model=tiny_llama(hidden=576, max_position_embeddings=256, initializer_range=0.05))


def pairs(count: int, seed: int = 0):
    """(questions, longer answers, shorter answers, mu): the longer one is preferred, ties aside."""
    luck = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 5, (count, 2), generator=luck)
    first, second = ([" ".join([["the", "cat", "sat", "on"][int(n) % 4]] * int(n)) for n in column]
                     for column in lengths.T)
    mu = ((lengths[:, 0] > lengths[:, 1]).float() + (lengths[:, 0] == lengths[:, 1]) * 0.5)
    return [QUESTIONS[i % 3] for i in range(count)], first, second, mu


def test_features_are_what_the_model_without_adapter_holds_behind_answer_and_cue(wide):
    found = answer_features(wide, QUESTIONS, ANSWERS, READ)
    plain = tiny_llama(hidden=576, max_position_embeddings=256, initializer_range=0.05)
    for question, answer, row in zip(QUESTIONS, ANSWERS, found, strict=True):
        text = f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n{answer}{CUE}"
        with torch.no_grad():
            states = plain.model(torch.tensor([words()(text, add_special_tokens=False)["input_ids"]]),
                                 output_hidden_states=True).hidden_states
        expected = torch.cat([states[1][0].mean(0), states[1][0, -1], states[2][0, -1]])
        torch.testing.assert_close(row, expected, atol=1e-4, rtol=1e-4)


def test_it_learns_what_is_preferred_and_is_scaled_over_the_labelled_answers(wide):
    questions, first, second, mu = pairs(40)
    reward = fit_answer_reward(wide, questions, first, second, mu, settings=READ)
    margins = reward(questions, first) - reward(questions, second)
    strict = mu != 0.5
    assert ((margins > 0) == (mu > 0.5))[strict].float().mean() > 0.9
    both = reward([*questions, *questions], [*first, *second])
    assert both.mean().abs() < 1e-4 and both.std().item() == pytest.approx(1, abs=1e-3)
    assert torch.isfinite(reward(QUESTIONS, ANSWERS)).all()             # an empty answer among them


def test_the_reward_stays_as_it_was_while_the_policy_learns():
    made = ChatPolicy(model := tiny_llama(hidden=576, max_position_embeddings=256, initializer_range=0.05), words(),
                      add_lora(model, ["q_proj", "v_proj"], rank=2))
    reward = fit_answer_reward(made, *pairs(20), settings=READ)
    before = reward(QUESTIONS, ["cat", "mat", "sat"])
    run = RLOO(made, made.reference, made.prompts(QUESTIONS), reward, made.tokenizer, RLOOConfig(
        updates=3, batch_size=12, samples_per_prompt=4, max_new_tokens=6, minibatch_size=12, learning_rate=3e-2,
        kl_target=None), sample=sample_answers, logprobs=answer_logprobs)
    list(run.train())
    assert run.history[-1].kl_from_reference > 1e-3
    torch.testing.assert_close(reward(QUESTIONS, ["cat", "mat", "sat"]), before)


def test_held_out_accuracy_is_high_where_there_is_something_to_learn_and_chance_where_not():
    luck = torch.Generator().manual_seed(0)
    rows = torch.randn(240, 30, generator=luck)
    wanted = rows[:, 0]
    real = (wanted[:120] > wanted[120:]).float()
    noise = (torch.rand(120, generator=luck) > 0.5).float()
    prompts = [f"q{k}" for k in range(120)]
    assert held_out_accuracy(rows, real, prompts) > 0.75
    assert 0.3 < held_out_accuracy(rows, noise, prompts) < 0.7


def test_pairs_of_a_prompt_share_a_fold_so_what_a_prompt_gives_away_does_not_help():
    which = torch.arange(105) % 21                                      # 21 prompts, five pairs each
    words = torch.nn.functional.one_hot(which).float()                  # (105, 21)
    mu = (torch.arange(21) % 2).float()[which]                          # the prompt decides, and nothing else
    rows, prompts = torch.cat([words, torch.zeros_like(words)]), [f"q{k}" for k in which]
    assert held_out_accuracy(rows, mu, [f"each {k}" for k in range(105)]) > 0.95    # leaks
    assert held_out_accuracy(rows, mu, prompts) < 0.7
    assert folds_by_prompt(["a", "b", "a", "c"], 2) == [0, 1, 0, 0]


def test_length_alone():
    first = word_counts(["one two three", "one", "one two"])
    second = word_counts(["one", "one two", "two one"])
    assert length_alone(first, second, torch.tensor([1.0, 0.0, 0.5])) == (1.0, "longer")
    assert length_alone(first, second, torch.tensor([0.0, 1.0, 1.0])) == (pytest.approx(5 / 6), "shorter")
    share, rule = length_alone(first, second, torch.full((3,), 0.5))
    assert share != share and rule == "longer"


def test_labels_are_compared_in_the_order_of_the_answers():
    found = compared(torch.tensor([1.0, 0.0]))
    assert found.first.tolist() == [0, 1] and found.second.tolist() == [2, 3] and found.mu.tolist() == [1, 0]


@pytest.mark.parametrize(("changes", "error", "words"), [
    ({"mu": torch.full((3,), 0.5)}, CourseError, "All 3 pairs are ties"),
    ({"mu": torch.tensor([1.0, float("nan"), 0.0])}, CourseError, "A label is 1"),
    ({"second": ["the mat", "  ", "sat"]}, CourseError, "An answer of pair 1 is empty"),
    ({"second": ["the mat"]}, ValueError, "zip")])
def test_labels_and_answers_that_will_not_do(wide, changes, error, words):
    asked = {"questions": QUESTIONS, "first": ["cat", "mat", "sat"], "second": ["on", "at", "the"],
             "mu": torch.tensor([1.0, 0.0, 0.5]), **changes}
    with pytest.raises(error, match=words):
        fit_answer_reward(wide, **asked, settings=READ)


def test_no_pairs_and_too_few_for_the_folds():
    with pytest.raises(CourseError, match="no pairs to learn from"):
        compared(torch.zeros(0))
    with pytest.raises(CourseError, match="too few for 5 folds"):
        held_out_accuracy(torch.randn(4, 3), torch.tensor([1.0, 0.0]), ["q", "p"])


def test_a_model_that_says_nan_is_told():
    broken = policy(model=tiny_llama(hidden=576, max_position_embeddings=256))
    with torch.no_grad():
        broken.model.model.norm.weight.fill_(float("nan"))
    with pytest.raises(ValueError, match="not finite"):
        fit_answer_reward(broken, QUESTIONS, ["cat"] * 3, ["mat"] * 3, torch.ones(3), settings=READ)


def test_the_settings_name_states_of_the_real_model():
    assert max(*SETTINGS.last_of, *SETTINGS.mean_of) == 30
