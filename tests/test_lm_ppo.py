"""PPO and RLOO on text: log-probabilities as trl's, advantages as stable-baselines3's, masks, stop and resume."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from course_lib.lm.data import draw_prompts
from course_lib.lm.generate import sample_completions, token_logprobs
from course_lib.lm.gpt import GPT, GPTConfig
from course_lib.lm.kl import last_choice, reward_at_last_token
from course_lib.lm.ppo import TokenPPO, TokenPPOConfig, token_gae, value_network, whiten
from course_lib.lm.reward_model import RewardModel
from course_lib.lm.rloo import RLOO, RLOOConfig
from course_lib.rl.objectives import clipped_policy_loss, leave_one_out
from course_lib.training.checkpoint import CheckpointError, load_checkpoint
from course_lib.training.resume import TrainingDiverged

SHAPE = GPTConfig(vocab_size=12, context=16, layers=1, heads=2, width=16)
GOOD = "5"                                  # the token that is rewarded
SHORT = TokenPPOConfig(updates=4, batch_size=16, max_new_tokens=6, minibatch_size=8, checkpoint_every=2, seed=3)


class Numbers:
    """A tokenizer whose token 7 reads "7"."""

    vocab_size, eos = 12, 0

    def encode(self, text):
        return [int(word) for word in text.split()]

    def encode_batch(self, texts):
        return [self.encode(text) for text in texts]

    def decode(self, ids):
        return " ".join(str(i) for i in ids if i != self.eos)


def count_good(texts):
    return torch.tensor([float(text.split().count(GOOD)) for text in texts])


PROMPTS = torch.tensor([[0, 3], [0, 4], [0, 9]])


def ppo(path=None, config=SHORT, reward=count_good, **functions) -> TokenPPO:
    policy = GPT(SHAPE, seed=1)
    values = RewardModel(GPT(SHAPE, seed=2))
    return TokenPPO(policy, GPT(SHAPE, seed=1), values, PROMPTS, reward, Numbers(), config, path, **functions)


def rloo(path=None, reward=count_good, **changes) -> RLOO:
    settings = {"updates": 4, "batch_size": 16, "samples_per_prompt": 4, "max_new_tokens": 6, "minibatch_size": 8,
                "seed": 3, "checkpoint_every": 2}
    config = RLOOConfig(**{**settings, **changes})
    return RLOO(GPT(SHAPE, seed=1), GPT(SHAPE, seed=1), PROMPTS, reward, Numbers(), config, path)


def curve(run) -> list[str]:
    """What must be equal in two equal runs, to the last digit."""
    return [repr(replace(point, cpu_seconds=0.0)) for point in run.history]


def some_completions(count=16, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return sample_completions(GPT(SHAPE, seed=1), GPT(SHAPE, seed=5), draw_prompts(PROMPTS, count, 1, rng), count_good,
                              Numbers(), 6, rng)


# completions


def test_the_mask_holds_the_written_tokens_and_the_end_token():
    batch = some_completions(64)
    for tokens, mask in zip(batch.tokens.tolist(), batch.mask.tolist(), strict=True):
        written = tokens[2:]                                                # behind the prompt
        chosen = written.index(0) + 1 if 0 in written else len(written)
        assert mask == [False] + [True] * chosen + [False] * (len(written) - chosen)
    assert len(set(batch.lengths.tolist())) > 2


def test_log_probabilities_are_trls_at_temperature_1_and_those_taken_while_writing():
    from trl.trainer.utils import selective_log_softmax

    batch, policy, reference = some_completions(), GPT(SHAPE, seed=1), GPT(SHAPE, seed=5)
    for model, ours in ((policy, batch.logprobs), (reference, batch.reference_logprobs)):
        theirs = selective_log_softmax(model(batch.tokens)[:, :-1], batch.tokens[:, 1:]) * batch.mask
        torch.testing.assert_close(ours, theirs.detach(), atol=1e-5, rtol=1e-5)
    again = token_logprobs(policy(batch.tokens), batch.tokens).detach()
    torch.testing.assert_close(again * batch.mask, batch.logprobs, atol=1e-5, rtol=1e-5)


def test_the_reward_is_given_at_the_end_token_or_where_the_text_was_cut():
    batch = some_completions(64)
    placed = reward_at_last_token(batch.rewards + 1, batch.mask)
    torch.testing.assert_close(placed.sum(1), batch.rewards + 1)
    rows = torch.arange(64)
    last = (placed > 0).long().argmax(1)
    ended = batch.tokens[rows, last + 1] == 0
    assert torch.equal(last_choice(batch.mask).long().argmax(1), last) and ended.any() and not ended.all()


def test_a_reward_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="one number a text"):
        sample_completions(GPT(SHAPE), GPT(SHAPE), PROMPTS, lambda texts: torch.zeros(2), Numbers(), 4)


def test_prompts_come_in_groups():
    drawn = draw_prompts(PROMPTS, 12, 4, torch.Generator().manual_seed(0))
    assert all(len(group.unique(dim=0)) == 1 for group in drawn.split(4))
    with pytest.raises(ValueError, match="multiple"):
        draw_prompts(PROMPTS, 10, 4, torch.Generator())


# advantages


def test_advantages_of_rows_without_padding_are_stable_baselines3s():
    from gymnasium import spaces
    from stable_baselines3.common.buffers import RolloutBuffer

    T, N = 9, 5
    rng = np.random.default_rng(0)
    rewards, values = rng.normal(size=(2, T, N)).astype(np.float32)
    buffer = RolloutBuffer(T, spaces.Box(-1, 1, (1,)), spaces.Discrete(2), "cpu", gae_lambda=0.9, gamma=0.97, n_envs=N)
    starts = np.ones(N)
    for t in range(T):
        buffer.add(np.zeros((N, 1)), np.zeros((N, 1)), rewards[t], starts, torch.tensor(values[t]), torch.zeros(N))
        starts = np.zeros(N)
    buffer.compute_returns_and_advantage(torch.zeros(N), dones=np.ones(N))
    ours = token_gae(torch.tensor(rewards).T, torch.tensor(values).T, torch.ones(N, T, dtype=torch.bool), 0.97, 0.9)
    np.testing.assert_allclose(ours.T.numpy(), buffer.advantages, atol=1e-5)


def test_what_the_value_network_says_about_prompt_and_padding_changes_nothing():
    mask = torch.tensor([[False, False, True, True, True, False], [False, False, True, False, False, False]])
    rewards, values = torch.randn(2, 6), torch.randn(2, 6)
    other = torch.where(mask, values, torch.randn(2, 6) * 100)
    torch.testing.assert_close(token_gae(rewards, values, mask), token_gae(rewards, other, mask))
    assert (token_gae(rewards, values, mask)[~mask] == 0).all()


def test_a_padded_row_has_the_advantages_of_the_same_row_alone():
    rewards, values = torch.randn(1, 8), torch.randn(1, 8)
    mask = torch.zeros(1, 8, dtype=torch.bool)
    mask[:, 2:6] = True
    alone = token_gae(rewards[:, 2:6], values[:, 2:6], torch.ones(1, 4, dtype=torch.bool), 0.9, 0.8)
    torch.testing.assert_close(token_gae(rewards, values, mask, 0.9, 0.8)[:, 2:6], alone)


def test_whitened_choices_have_mean_0_and_std_1_however_much_padding_there_is():
    mask = torch.rand(20, 30) < 0.3
    white = whiten(torch.randn(20, 30) * 3 + 5, mask)
    assert white[mask].mean().abs() < 1e-5 and white[mask].std(correction=0) == pytest.approx(1, abs=1e-4)
    assert (white[~mask] == 0).all()


def test_leave_one_out_by_hand():
    scores = torch.tensor([1.0, 2.0, 6.0, 0.0, 0.0, 3.0])
    assert leave_one_out(scores.view(-1, 3)).flatten().tolist() == [-3.0, -1.5, 4.5, -1.5, -1.5, 3.0]
    with pytest.raises(ValueError, match="16 completions cannot be 3 for every prompt"):
        next(rloo(samples_per_prompt=3).train())
    with pytest.raises(ValueError, match="at least two"):
        next(rloo(samples_per_prompt=1).train())


# the runs


def test_the_value_network_begins_with_the_reward_models_prediction():
    model = RewardModel(GPT(SHAPE, seed=4)).eval()
    tokens = torch.tensor([[0, 3, 4, 5]])
    with torch.no_grad():
        expected = (model.at_each_token(tokens) - 2.0) / 0.5
        torch.testing.assert_close(value_network(model, 2.0, 0.5).at_each_token(tokens), expected)


@pytest.mark.parametrize("make", [
    lambda: ppo(config=replace(SHORT, updates=15, batch_size=64, minibatch_size=32, learning_rate=1e-2, beta=0.0,
                               value_learning_rate=1e-2)),
    lambda: rloo(updates=15, batch_size=64, minibatch_size=32, learning_rate=1e-2, beta=0.0)])
def test_it_learns_to_write_the_token_that_is_rewarded(make):
    run = make()
    list(run.train())
    first, last = run.history[0].reward, run.history[-1].reward
    assert first < 1 and last > first + 1.5, (first, last)


def test_a_high_price_keeps_the_policy_near_its_reference():
    fast = replace(SHORT, updates=10, batch_size=32, learning_rate=5e-3)
    free, charged = (ppo(config=replace(fast, beta=beta)) for beta in (0.0, 2.0))
    for run in (free, charged):
        list(run.train())
    assert charged.history[-1].kl_from_reference < 0.5 * free.history[-1].kl_from_reference


def test_the_first_gradient_of_ppo_and_of_the_plain_policy_gradient_agree():
    batch, policy = some_completions(), GPT(SHAPE, seed=1)
    weights = torch.randn(batch.mask.shape)
    logprobs = token_logprobs(policy(batch.tokens), batch.tokens)
    clipped = torch.autograd.grad(clipped_policy_loss(logprobs, batch.logprobs, weights, 0.2, batch.mask),
                                  list(policy.parameters()), retain_graph=True)
    plain = -(logprobs * weights * batch.mask).sum() / batch.mask.sum()
    for one, other in zip(clipped, torch.autograd.grad(plain, list(policy.parameters())), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-3)


def test_the_learning_rate_rises_and_falls():
    run = ppo(config=replace(SHORT, updates=10, batch_size=2, minibatch_size=2, epochs=1, warmup_share=0.4,
                             final_learning_rate=0.0))
    list(run.train())
    rates = [point.learning_rate / run.config.learning_rate for point in run.history]
    assert rates == pytest.approx([0.25, 0.5 * 0.9, 0.75 * 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])


def test_the_reference_never_moves():
    run = ppo()
    before = [weight.clone() for weight in run.reference.parameters()]
    list(run.train())
    assert all(torch.equal(a, b) for a, b in zip(before, run.reference.parameters(), strict=True))


@pytest.mark.parametrize("make", [ppo, rloo, lambda path=None: ppo(path, replace(SHORT, kl_target=0.1))])
def test_a_new_process_goes_on_from_the_checkpoint_to_the_same_curve(make, tmp_path):
    whole, parted = make(), make(tmp_path / "run.pt")
    list(whole.train())
    next(parted.train())                                # the generator is closed: the state is saved
    again = make(tmp_path / "run.pt")
    assert again.updates == 1
    list(again.train())
    assert curve(again) == curve(whole)
    for mine, other in zip(again.policy.parameters(), whole.policy.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_a_checkpoint_of_another_algorithm_or_of_other_settings_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    list(ppo(path).train(until=1))
    with pytest.raises(CheckpointError, match=r"beta 0\.05 there, 0\.2 here"):
        ppo(path, replace(SHORT, beta=0.2))
    with pytest.raises(CheckpointError, match="kind TokenPPO there, RLOO here"):
        rloo(path)


def test_a_reward_that_is_no_number_stops_with_the_update_and_the_last_good_checkpoint(tmp_path):
    calls = []

    def breaks_at_the_fourth(texts):
        calls.append(1)
        return count_good(texts) * (float("nan") if len(calls) == 4 else 1)

    with pytest.raises(TrainingDiverged, match=r"not a number, in update 4\. .*after update 2, is in .*run\.pt"):
        list(ppo(tmp_path / "run.pt", reward=breaks_at_the_fourth).train())
    assert load_checkpoint(tmp_path / "run.pt")["updates"] == 2
    assert ppo(tmp_path / "run.pt").updates == 2


def test_a_loss_that_is_no_number_stops_before_the_weights_are_spoilt():
    run = ppo(policy_loss=lambda logprobs, *_: (logprobs * float("nan")).mean())
    with pytest.raises(TrainingDiverged, match="The loss is nan .* in update 1. No checkpoint was kept"):
        list(run.train())
    assert all(torch.isfinite(weight).all() for weight in run.policy.parameters())


def test_the_learners_functions_take_the_courses_places():
    calls = []

    def note(name, result):
        def function(*arguments):
            calls.append((name, len(arguments)))
            return result(arguments)
        return function

    run = ppo(config=replace(SHORT, updates=1, epochs=1, minibatch_size=16),
              token_rewards=note("token_rewards", lambda a: a[1] * 0),
              advantages=note("advantages", lambda a: a[0]), whitening=note("whiten", lambda a: a[0]),
              policy_loss=note("loss", lambda a: a[0].sum() * 0))
    before = [weight.clone() for weight in run.policy.parameters()]
    list(run.train())
    assert calls == [("token_rewards", 5), ("advantages", 5), ("whiten", 2), ("loss", 5)]
    assert all(torch.equal(a, b) for a, b in zip(before, run.policy.parameters(), strict=True))
