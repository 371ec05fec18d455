"""The loop's four steps: their order, what they say out of turn, what they count, whose labels they take."""

import pytest
import torch
from preference_loop import SMALL, STEPS, answered, finish, label, make

from course_lib.errors import CourseError
from course_lib.preferences.loop import LoopConfig, OutOfTurn
from course_lib.rl.ppo import Progress


def test_the_steps_come_round_and_the_run_ends(tmp_path):
    loop, seen = make(tmp_path), []
    while loop.stage != "finished":
        seen.append((loop.round, loop.stage))
        STEPS[loop.stage](loop)
    assert seen == [(r, stage) for r in (1, 2) for stage in ("collect", "label", "fit", "train")]
    assert len(loop.asked) == 9 and len(loop.preferences.mu) == 9 and loop.ppo.updates == 5 and len(loop.agents) == 3
    assert len(loop.fits) == 2 and loop.source == "scripted"


@pytest.mark.parametrize("due", ["collect", "label", "fit", "train"])
@pytest.mark.parametrize("called", ["collect", "label", "fit", "train"])
def test_a_step_out_of_turn_says_which_one_is_due(tmp_path, due, called):
    loop = make(tmp_path)
    while loop.stage != due:
        STEPS[loop.stage](loop)
    preferences = answered(loop) if loop.asked else []
    calls = {"collect": loop.collect, "label": lambda: loop.label(preferences), "fit": loop.fit,
             "train": lambda: next(loop.train())}
    if called == due:
        calls[called]()
        return
    with pytest.raises(OutOfTurn, match=f"not time to {called}.*next step is to {due}"):
        calls[called]()
    assert loop.stage == due


def test_a_finished_run_says_so(tmp_path):
    loop = finish(make(tmp_path))
    with pytest.raises(OutOfTurn, match="All 2 rounds are done"):
        loop.collect()
    assert "all 2 rounds are done" in loop._repr_html_() and "all 2 rounds are done" in repr(loop)
    for words in ("clips to draw pairs from", "pairs answered by a script", "nats (guessing: 0.69)", "PPO updates"):
        assert words in loop._repr_html_(), "each number says what it counts"


def test_open_pairs_are_counted(tmp_path):
    loop = make(tmp_path)
    loop.collect()
    labeler = loop.labeler(lambda left, right: 1.0)
    labeler.answer_synthetic(3)
    with pytest.raises(OutOfTurn, match="3 of 5 pairs are labelled"):
        loop.label(labeler.session.store.preferences("test"))
    assert loop.stage == "label" and loop.answered == 3


def test_skips_bring_no_preference_and_only_skips_are_refused(tmp_path):
    loop = make(tmp_path)
    loop.collect()
    labeler = loop.labeler()
    questions = labeler.session.next(5)
    for question in questions[:4]:
        loop.store.answer(question.question_id, "skip", labeler=labeler.session.labeler)
    loop.store.answer(questions[4].question_id, "skip", labeler=labeler.session.labeler)
    with pytest.raises(CourseError, match="every pair was skipped"):
        loop.label(labeler.require())
    loop.store.undo("test", labeler.session.labeler)
    loop.store.answer(questions[4].question_id, "left", labeler=labeler.session.labeler)
    assert loop.label(labeler.require()) == 1
    assert loop.source == "human" and loop.fit().loss > 0


def test_labels_of_a_person_and_a_script_are_not_mixed_unnoticed(tmp_path):
    loop = make(tmp_path)
    loop.collect()
    labeler = loop.labeler(lambda left, right: 0.5)
    for question in labeler.session.next(2):
        loop.store.answer(question.question_id, "left", labeler=labeler.session.labeler, source="human")
    labeler.answer_synthetic()
    with pytest.raises(CourseError, match="mix 2 labels of a person and 3 of a script"):
        loop.label(labeler.require())
    assert loop.label(labeler.require(), mixed=True) == 5
    assert loop.source == "mixed" and "MIXED" in loop._repr_html_()


def test_preferences_follow_the_clips_whichever_side_they_stood_on(tmp_path):
    """mu = 1 says that sigma1 is preferred, and the first clip of the preference is sigma1's, flipped or not."""
    loop = make(tmp_path, LoopConfig(labels=(20,), updates=(1,), clip_steps=8, ppo=SMALL.ppo, reward=SMALL.reward))
    loop.collect()
    labeler = loop.labeler(lambda left, right: float(left.obs[-1, 0] > right.obs[-1, 0]))
    labeler.answer_synthetic()
    loop.label(labeler.require())
    flips = {label.flip for label in loop.store.labels(loop.run)}
    further = loop.preferences.first[:, -1, 0] > loop.preferences.second[:, -1, 0]
    assert flips == {0, 1} and torch.equal(further, loop.preferences.mu == 1)


def test_labels_of_another_run_are_not_taken(tmp_path):
    loop, other = make(tmp_path), make(tmp_path)
    other.run, other.files.folder, other.files.state = "other", tmp_path / "o", tmp_path / "o" / "loop.pt"
    loop.collect()
    label(loop)
    other.collect()
    preferences = answered(other)
    loop.fit()
    list(loop.train())
    loop.collect()
    answered(loop)
    with pytest.raises(CourseError, match="another\\s+run's"):
        loop.label(preferences)


def test_training_reports_progress_and_the_view_counts(tmp_path):
    loop = make(tmp_path)
    assert "◂ now" in loop._repr_html_() and "round 1 of 2" in repr(loop)
    for stage in ("collect", "label", "fit"):
        STEPS[stage](loop)
    view = loop._repr_html_()
    assert "5 of 5 pairs answered by a script" in view and "5 preferences" in view and "aria-current=step" in view
    progress = next(loop.train())
    assert isinstance(progress, Progress) and progress.update == 1


def test_rounds_need_labels_and_updates():
    with pytest.raises(ValueError, match="one number for each round"):
        LoopConfig(labels=(20, 20), updates=(5,))
    with pytest.raises(ValueError, match="at least one round"):
        LoopConfig(labels=(), updates=())


def test_a_notebook_run_again_from_the_top_passes_over_what_is_done(tmp_path):
    """With `round` a step that was taken is not taken again; one that is not due yet still raises."""
    loop = make(tmp_path)
    for round in (1, 2):
        for _ in range(2):
            assert loop.collect(round) == (5, 9)[round - 1]
        labeler = loop.labeler(lambda left, right: 1.0, round=round)
        assert labeler.session.target == (5, 9)[round - 1]
        labeler.answer_synthetic()
        for _ in range(2):
            assert loop.label(labeler.require(), round) == (5, 9)[round - 1]
        assert loop.fit(round) == loop.fit(round) == loop.fits[round - 1]
        if round == 1:
            with pytest.raises(OutOfTurn, match="next step is to train"):
                loop.collect(2)
        assert len(list(loop.train(round))) == (3, 2)[round - 1] and list(loop.train(round)) == []
    assert loop.stage == "finished" and loop.collect(1) == 9
    assert loop.labeler(round=1).session.target == 5


def test_agents_and_reward_models_of_each_round_are_kept(tmp_path):
    loop = finish(make(tmp_path))
    last, first = loop.reward_model(2), loop.reward_model(1)
    obs = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(last.normalized_reward(obs), loop.ensemble.normalized_reward(obs))
    assert not torch.equal(first.normalized_reward(obs), last.normalized_reward(obs))
    acting = [loop.agent(after).distribution(obs).logprobs for after in (0, 1, 2)]
    assert torch.equal(acting[2], loop.network.distribution(obs).logprobs)
    assert not torch.equal(acting[0], acting[1]) and not torch.equal(acting[1], acting[2])


def trained_from_labels(tmp_path):
    """A loop whose reward model is fitted, so that training is due."""
    loop = make(tmp_path)
    for stage in ("collect", "label", "fit"):
        STEPS[stage](loop)
    return loop


def test_the_end_of_an_episode_is_an_absorbing_state(tmp_path):
    """The last reward counts 20 steps more, so a disliked fall costs 21 times as much; nothing behind it counts."""
    loop = trained_from_labels(tmp_path)
    rollout, _ = loop.ppo.collector.collect(24)
    ended = rollout.ended
    assert ended.any() and not ended.all()
    once = loop.ensemble.normalized_reward(rollout.next_obs())
    rewards, advantages = loop.ppo.advantages(rollout)
    assert torch.allclose(rewards[ended], 21 * once[ended]) and torch.equal(rewards[~ended], once[~ended])
    assert torch.allclose(advantages[ended], rewards[ended] - rollout.values[ended], atol=1e-6)
    t, n = (ended[:-1] & ~ended[1:]).nonzero()[0].tolist()
    rollout.obs[t + 1:, n] += 1                             # another next episode, in that environment alone
    _, others = loop.ppo.advantages(rollout)
    assert torch.equal(others[:t + 1, n], advantages[:t + 1, n])


@torch.no_grad()
def mean_less_deviation(ensemble, labelled):
    """The rewards of labelled clips as NumPy has them: each member to mean 0 and std 0.15, then mean less deviation."""
    raw = ensemble(labelled).numpy()                                                    # (members, 2 pairs, L)
    each = 0.15 * (raw - raw.mean((1, 2), keepdims=True)) / raw.std((1, 2), keepdims=True, ddof=1)
    return torch.from_numpy(each.mean(0) - each.std(0))


def test_the_scale_of_the_rewards_is_fixed_between_two_fits(tmp_path):
    loop = trained_from_labels(tmp_path)
    labelled = torch.cat([loop.preferences.first, loop.preferences.second])
    before = loop.ensemble.normalized_reward(labelled)
    assert torch.allclose(before, mean_less_deviation(loop.ensemble, labelled), atol=1e-5)
    list(loop.train())
    assert torch.equal(loop.ensemble.normalized_reward(labelled), before)
    assert torch.equal(make(tmp_path).ensemble.normalized_reward(labelled), before)     # and in a loop that takes it up
    assert torch.equal(loop.reward_model(1).normalized_reward(labelled), before)
    for stage in ("collect", "label", "fit"):
        STEPS[stage](loop)
    assert not torch.equal(loop.ensemble.normalized_reward(labelled), before)
    labelled = torch.cat([loop.preferences.first, loop.preferences.second])
    assert torch.allclose(loop.ensemble.normalized_reward(labelled), mean_less_deviation(loop.ensemble, labelled),
                          atol=1e-5)


def test_a_synthetic_labeler_that_answers_otherwise_is_told_what_is_expected(tmp_path):
    loop = make(tmp_path)
    loop.collect()
    with pytest.raises(CourseError, match=r"answers 1 .* 0 .* or 0.5 .*; this one answered 0.3"):
        loop.labeler(lambda left, right: 0.3).answer_synthetic()
    assert loop.answered == 0
