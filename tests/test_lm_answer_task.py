"""The preference loop with answers of a chat model: what is asked about, what is kept, and that the adapter learns.

The promises that every task makes are tested in test_preferences_contract.py, which this task joins three times, once
for each method; those that speak of environments (a sealed reward, a boundary, PPO's own functions) it cannot make. A
tiny Llama stands in for the 135M model.
"""

import math
from collections import deque
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_lm_answer_reward import READ
from test_lm_chat_policy import policy, tiny_llama

from course_lib.errors import CourseError
from course_lib.labels.exchange import write_jsonl
from course_lib.labels.store import PreferenceStore
from course_lib.lm.answer_ensemble import AnswerRewardConfig, AnswerRewardEnsemble
from course_lib.lm.answer_task import (
    TRAINING,
    AnswerConfig,
    AnswerTask,
    AnswerTrainer,
    answer_config,
    write_answers,
)
from course_lib.lm.answers import AnswerSegment, questions_and_answers, same_prompt, texts_of, whole_sentences
from course_lib.lm.blind_evaluation import written
from course_lib.lm.chat_policy import ChatPolicy
from course_lib.lm.prompts import HELD_OUT_PROMPTS, TRAINING_PROMPTS
from course_lib.preferences.loop import PreferenceLoop
from course_lib.preferences.segments import random_pairs
from course_lib.preferences.synthetic_labeler import SyntheticLabeler

PROMPTS = ["the cat?", "a mat on the cat sat on the mat?", "on?", "sat?", "cat on mat?"]


def tiny_policy(seed: int) -> ChatPolicy:
    return policy(seed, tiny_llama(hidden=576, max_position_embeddings=256, initializer_range=0.05), trained=False)


class ShorterAnswer(SyntheticLabeler):
    """Prefers the shorter of two answers; of equally long ones the first in the alphabet."""

    def compare(self, sigma1: AnswerSegment, sigma2: AnswerSegment) -> float:
        return float((len(sigma1.answer), sigma1.answer) < (len(sigma2.answer), sigma2.answer))


def task(**changes) -> AnswerTask:
    return AnswerTask(**{"prompts": tuple(PROMPTS), "policy": tiny_policy, **changes})


def config(method="dpo", **changes) -> AnswerConfig:
    training = replace(TRAINING[method], batch_size=8, learning_rate=1e-2)
    if method != "dpo":
        training = replace(training, samples_per_prompt=4, minibatch_size=8)
    return AnswerConfig(**{"labels": (5, 3), "updates": (2, 2), "max_new_tokens": 8, "training": training,
                           "reward": AnswerRewardConfig(reads=READ), **changes})


def loop(folder, method="dpo", **changes) -> PreferenceLoop:
    return PreferenceLoop(task(), PreferenceStore(folder / "labels.sqlite"), folder / "run", "answers",
                          config(method, **changes))


def label_and_fit(one: PreferenceLoop) -> None:
    labeler = one.labeler(ShorterAnswer())
    labeler.answer_synthetic()
    one.label(labeler.require())
    one.fit()


# segments and pairs


def test_prompt_and_answer_come_back_from_the_bytes():
    segment = AnswerSegment.of("Why, größer?", "Because – 1.5 “so”.\n2")
    assert (segment.prompt, segment.answer) == ("Why, größer?", "Because – 1.5 “so”.\n2")
    assert segment.obs.dtype == torch.uint8 and segment.without_frames().answer == segment.answer
    assert questions_and_answers([segment.obs] * 2) == (["Why, größer?"] * 2, [segment.answer] * 2)
    for prompt, answer in (("", "a"), ("a", " "), ("a\0b", "c"), ("a", "\0")):
        with pytest.raises(CourseError, match="empty|zero byte"):
            AnswerSegment.of(prompt, answer)
    with pytest.raises(CourseError, match="no prompt with an answer"):
        texts_of(torch.tensor([65, 66], dtype=torch.uint8))


def segments(answers: dict[str, str]) -> list[AnswerSegment]:
    return [AnswerSegment.of(prompt, answer) for prompt, given in answers.items() for answer in given]


@pytest.mark.parametrize("seed", range(5))
def test_pairs_keep_to_one_prompt_and_take_each_prompt_before_any_twice(seed):
    pool = segments({"p": "abc", "q": "ab", "r": "a", "s": "xy"})
    pairs = same_prompt(pool, 4, None, np.random.default_rng(seed))
    assert [one.prompt for one, _ in pairs] == [two.prompt for _, two in pairs]
    assert sorted(one.prompt for one, _ in pairs[:3]) == ["p", "q", "s"] and pairs[3][0].prompt == "p"
    named = [frozenset((one.answer, two.answer)) | {one.prompt} for one, two in pairs]
    assert len(set(named)) == 4 and all(len(name) == 3 for name in named)


def test_either_answer_may_stand_first_and_too_few_are_all_there_is():
    pool = segments({"p": "ab"})
    firsts = {same_prompt(pool, 9, None, np.random.default_rng(seed))[0][0].answer for seed in range(20)}
    assert firsts == {"a", "b"} and len(same_prompt(pool, 9, None, np.random.default_rng(0))) == 1
    with pytest.raises(CourseError, match="no two different ones"):
        same_prompt(segments({"p": "a", "q": "b"}), 1, None, np.random.default_rng(0))


@pytest.mark.parametrize(("cut", "kept"), [
    ("It rains. Then the", "It rains."), ("It costs 3.5 euros and", "It costs 3.5 euros and"),
    ("Oh! So? Yes", "Oh! So?"),
    ("1. Sleep well and", "1. Sleep well and"), ("All is said.", "All is said.")])
def test_an_answer_that_was_cut_off_ends_with_a_sentence(cut, kept):
    assert whole_sentences(cut) == kept


def test_prompts_are_forty_and_forty_and_none_is_in_both():
    assert len(set(TRAINING_PROMPTS)) == len(set(HELD_OUT_PROMPTS)) == 40
    assert not set(TRAINING_PROMPTS) & set(HELD_OUT_PROMPTS)
    assert all(20 < len(prompt) < 80 for prompt in TRAINING_PROMPTS + HELD_OUT_PROMPTS)


# the loop


def test_two_answers_to_one_prompt_wait_in_the_store_under_that_prompt(tmp_path):
    one = loop(tmp_path)
    assert one.collect() == 5
    asked = [one.store.question(question) for question in one.asked]
    assert sorted(question.prompt for question in asked) == sorted(PROMPTS)
    for question in asked:
        left, right = question.shown
        assert left.text != right.text and question.prompt not in left.text + right.text
        for item in question.shown:
            assert (one.task.segment(item).prompt, one.task.segment(item).answer) == (question.prompt, item.text)
    view = one.labeler().session.handle({"type": "next", "have": []})
    assert "answers to draw pairs from" in one._repr_html_() and "clips" not in one._repr_html_()
    assert view


def test_preferences_are_exported_with_their_prompts(tmp_path):
    one = loop(tmp_path)
    one.collect()
    label_and_fit(one)
    path = tmp_path / "pairs.jsonl"
    assert write_jsonl(one.store, "answers", path) == (5, 0)
    lines = path.read_text().splitlines()
    assert len(lines) == 5 and all('"prompt"' in line and '"chosen"' in line for line in lines)


def test_pairs_of_different_prompts_are_refused(tmp_path):
    store = PreferenceStore(tmp_path / "labels.sqlite")
    one = PreferenceLoop(task(), store, tmp_path / "run", "answers", config(labels=(5, 3), seed=1), select=random_pairs)
    with pytest.raises(CourseError, match="different prompts were paired.*same_prompt"):
        one.collect()
    assert not store.questions_of("answers")


def test_more_pairs_than_prompts_bring_more_answers_to_each(tmp_path):
    assert loop(tmp_path, labels=(12, 1)).collect() == 12


def test_a_policy_that_always_says_the_same_says_what_to_do(tmp_path, monkeypatch):
    one = loop(tmp_path)
    monkeypatch.setattr("course_lib.lm.answer_task.write_answers", lambda network, prompts, *_: ["same"] * len(prompts))
    with pytest.raises(CourseError, match="no two different answers.*loop.agent"):
        one.collect()


@pytest.mark.parametrize("method", TRAINING)
def test_training_moves_the_adapter_and_nothing_else_and_agents_are_small(tmp_path, method):
    one = loop(tmp_path, method)
    model = {name: value.clone() for name, value in one.network.model.state_dict().items()}
    while one.stage != "finished":
        if one.stage == "label":
            label_and_fit(one)
        else:
            list(one.train()) if one.stage == "train" else one.collect()
    for name, value in one.network.model.state_dict().items():
        assert name.endswith((".A", ".B")) or torch.equal(value, model[name])
    assert [name.rsplit(".", 1)[1] for name in one.agents[0]] == ["A", "B"] * (len(one.agents[0]) // 2)
    moved = [max(float((after[name] - before[name]).abs().max()) for name in after)
             for before, after in zip(one.agents, one.agents[1:], strict=False)]
    assert len(moved) == 2 and min(moved) > 0
    assert sum(value.numel() for value in one.agents[1].values()) < 0.05 * sum(map(torch.numel, model.values()))


def test_dpo_makes_preferred_answers_likelier(tmp_path):
    one = loop(tmp_path, labels=(5,), updates=(12,))
    one.collect()
    label_and_fit(one)
    history = list(one.train())
    assert history[-1].accuracy == 1 and history[-1].margin > history[0].margin + 0.1


def test_dpo_learns_from_the_labels_of_all_rounds(tmp_path):
    one = loop(tmp_path)
    for pairs in (5, 8):
        one.collect()
        label_and_fit(one)
        list(one.train())
        assert len(one.trainer.run.pairs) == pairs


@pytest.mark.parametrize("method", ["rloo", "rejection"])
def test_the_others_get_the_learned_reward(tmp_path, method):
    one = loop(tmp_path, method)
    one.collect()
    label_and_fit(one)
    list(one.train())
    batch = one.trainer.run.batch
    questions, answers = one.network.questions_and_answers(batch.tokens, batch.mask)
    torch.testing.assert_close(batch.rewards, one.ensemble.rewards(questions, answers), atol=1e-3, rtol=1e-3)


# the reward model


def fitted(**changes) -> AnswerRewardEnsemble:
    ensemble = AnswerRewardEnsemble(lambda: tiny_policy(0), AnswerRewardConfig(reads=READ, **changes))
    first, second = ([AnswerSegment.of(PROMPTS[k % 5], word * (k % 4 + 1)).obs for k in range(12)]
                     for word in ("cat ", "mat sat "))
    ensemble.fit(first, second, torch.ones(12))
    return ensemble


def test_the_reward_is_standardized_over_the_labelled_answers_and_the_preferred_are_above():
    ensemble = fitted()
    first, second, _ = ensemble.labelled
    rewards = ensemble.normalized_reward([*first, *second])[:, 0]
    assert rewards.mean().abs() < 1e-4 and rewards.std().item() == pytest.approx(1, abs=1e-3)
    assert (rewards[:12] > rewards[12:]).all() and ensemble.held_out_accuracy(3) > 0.9


def test_one_answer_has_one_reward_whatever_it_stands_beside():
    ensemble = fitted()
    first, second, _ = ensemble.labelled
    torch.testing.assert_close(ensemble.predict(first[:1]), ensemble.predict([*second, *first])[12:13], atol=1e-4,
                               rtol=1e-4)


def test_members_see_different_pairs_and_come_back_from_a_checkpoint():
    ensemble = fitted(members=3)
    obs = ensemble.labelled[0]
    raw = ensemble(obs)
    assert raw.shape == (3, 12, 1) and not torch.equal(raw[0], raw[1])
    other = AnswerRewardEnsemble(lambda: tiny_policy(0), ensemble.config)
    with pytest.raises(ValueError, match="fit it"):
        other.normalized_reward(obs)
    other.restore(ensemble.checkpoint())
    assert torch.equal(other(obs), raw) and len(other.labelled[2]) == 12
    assert torch.equal(other.normalized_reward(obs), ensemble.normalized_reward(obs))


def test_ties_alone_teach_nothing_and_no_labels_are_refused():
    ensemble = fitted()
    first, second, _ = ensemble.labelled
    fit = ensemble.fit(first, second, torch.full((12,), 0.5))
    assert fit.ties == 12 and ensemble.normalized_reward(first).abs().max() < 1e-3
    with pytest.raises(ValueError, match="no preferences"):
        ensemble.fit([], [], torch.zeros(0))


# settings and answers


def test_the_method_is_what_the_settings_of_training_are():
    assert {name: type(answer_config(name).training) for name in TRAINING} == {
        name: type(training) for name, training in TRAINING.items()}
    with pytest.raises(ValueError, match="no method of training.*dpo, rloo, rejection"):
        answer_config("ppo")
    with pytest.raises(ValueError, match="training is a DPOConfig"):
        AnswerConfig(training=3)


def test_functions_of_ppo_are_refused_by_name():
    with pytest.raises(CourseError, match="boundary cannot be given"):
        task().trainer(config(), fitted(), deque(), np.random.default_rng(0), boundary=None)


def test_dpo_begins_each_round_at_the_first_model_and_at_the_full_learning_rate():
    trainer = AnswerTrainer(task(), config(), fitted(), deque(), np.random.default_rng(0))
    trainer.prolong(3)
    assert trainer.run.config.updates == 7
    for until in (2, 4, 7):
        rates, losses = zip(*[(point.learning_rate, point.loss) for point in trainer.train(until)], strict=True)
        assert losses[0] == pytest.approx(math.log(2), abs=1e-5) and losses[-1] < losses[0]
        count = len(rates)
        assert rates == pytest.approx([1e-2 * (1 - 0.9 * k / count) for k in range(count)])


def test_dpo_stays_near_the_first_model_and_stopping_meanwhile_loses_nothing(monkeypatch):
    def trainer(max_kl):
        settings = config(labels=(5,), updates=(12,), max_kl=max_kl)
        return AnswerTrainer(task(), settings, fitted(), deque(), np.random.default_rng(0))

    free, near = trainer(1e9), trainer(0.5)
    list(free.train(12))
    asked = (PROMPTS * 32)[:32]
    far = written(free.network, asked, 8, 0).kl.mean()
    list(near.train(12))
    assert far > 1 and 0 < written(near.network, asked, 8, 0).kl.mean() <= 0.5

    stopped = trainer(0.5)
    with monkeypatch.context() as patch:
        patch.setattr("course_lib.lm.answer_task.written", lambda *words: exec("raise KeyboardInterrupt"))
        with pytest.raises(KeyboardInterrupt):
            list(stopped.train(12))
    assert list(stopped.train(12)) == []
    for name, value in stopped.network.state_dict().items():
        assert torch.equal(value, near.network.state_dict()[name])
    with pytest.raises(ValueError, match="max_kl"):
        config(max_kl=0)
    with pytest.raises(ValueError, match="kl_answers"):
        config(kl_answers=0)


def test_a_prolonged_run_of_another_method_falls_to_the_same_end_later():
    trainer = AnswerTrainer(task(), config("rejection"), fitted(), deque(), np.random.default_rng(0))
    trainer.prolong(6)
    assert trainer.run.config.updates == 10
    trainer.collect(5)
    rates = [point.learning_rate for point in trainer.train(10)]
    assert rates[0] == max(rates) == 1e-2 and rates[-1] == pytest.approx(1e-2 * (1 - 0.9 * 0.9))


def test_written_answers_are_seeded_and_stripped():
    made = tiny_policy(0)
    written = [write_answers(made, PROMPTS, 8, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert written[0] == written[1] != written[2] and all(answer == answer.strip() for answer in written[0])
