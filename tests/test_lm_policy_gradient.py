"""The policy gradient for text against the exact gradient of the expected reward; baselines; stopping and going on."""

import copy
import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from course_lib.lm.data import Prompts
from course_lib.lm.generate import completion_logprobs, generate
from course_lib.lm.gpt import GPT, GPTConfig
from course_lib.lm.policy_gradient import (
    PolicyGradient,
    PolicyGradientConfig,
    minus_batch_mean,
    no_baseline,
)
from course_lib.lm.tokenizers import CharTokenizer
from course_lib.rl.objectives import leave_one_out, policy_gradient_loss
from course_lib.training.checkpoint import CheckpointError, load_checkpoint
from course_lib.training.resume import TrainingDiverged

CHARACTERS = CharTokenizer()
PROMPTS = Prompts.of(["the cat sat", "a dog ate", "my bat"], CHARACTERS, length=2)
CONFIG = PolicyGradientConfig(updates=6, batch_size=6, samples_per_prompt=2, max_new_tokens=5, learning_rate=1e-3,
                              checkpoint_every=2, seed=4)

TINY = GPT(GPTConfig(vocab_size=3, context=4, layers=1, heads=1, width=4), seed=3)      # token 0 ends a text
for weight in TINY.parameters():
    nn.init.normal_(weight, std=0.8, generator=torch.Generator().manual_seed(weight.numel()))
TINY_PROMPT, TINY_NEW = (1, 2), 2
ALL_TEXTS = [(0, 0), *itertools.product((1, 2), (0, 1, 2))]                             # every completion there is
REWARDS = dict(zip(ALL_TEXTS, (0.3, 1.0, -0.5, 2.0, 0.1, -1.2, 0.7), strict=True))


def tiny_logprobs(completions: list[tuple[int, ...]]) -> torch.Tensor:
    tokens = torch.tensor([TINY_PROMPT + completion for completion in completions])
    return completion_logprobs(TINY(tokens), tokens, len(TINY_PROMPT), eos=0)


def flat_gradient(value: torch.Tensor) -> torch.Tensor:
    return torch.cat([part.flatten() for part in torch.autograd.grad(value, list(TINY.parameters()))])


def exact_gradient() -> torch.Tensor:
    expected_reward = (tiny_logprobs(ALL_TEXTS).exp() * torch.tensor([REWARDS[text] for text in ALL_TEXTS])).sum()
    return flat_gradient(expected_reward)


def test_the_probabilities_of_all_completions_sum_to_one():
    assert tiny_logprobs(ALL_TEXTS).exp().sum().item() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("advantages", [no_baseline, leave_one_out])
def test_the_loss_has_the_exact_gradient_on_average(advantages):
    """Over every possible pair of completions of the prompt, weighed by its probability: no sampling, no tolerance."""
    logprobs = tiny_logprobs(ALL_TEXTS)
    probs = logprobs.exp().detach()
    rewards = torch.tensor([REWARDS[text] for text in ALL_TEXTS])
    mean_loss = 0.0
    for i, j in itertools.product(range(len(ALL_TEXTS)), repeat=2):
        pair = torch.tensor([i, j])
        weights = advantages(rewards[pair].view(1, 2)).flatten()
        mean_loss = mean_loss + probs[i] * probs[j] * policy_gradient_loss(logprobs[pair], weights)
    torch.testing.assert_close(-flat_gradient(mean_loss), exact_gradient(), rtol=1e-4, atol=1e-6)


def test_subtracting_the_mean_of_the_batch_shrinks_the_gradient_by_one_over_its_size():
    """A reward that stands in its own baseline pulls against itself: (n - 1) / n of the gradient is left."""
    logprobs = tiny_logprobs(ALL_TEXTS)
    probs, rewards = logprobs.exp().detach(), torch.tensor([REWARDS[text] for text in ALL_TEXTS])
    mean_loss = 0.0
    for i, j in itertools.product(range(len(ALL_TEXTS)), repeat=2):
        pair = torch.tensor([i, j])
        weights = minus_batch_mean(rewards[pair].view(1, 2)).flatten()
        mean_loss = mean_loss + probs[i] * probs[j] * policy_gradient_loss(logprobs[pair], weights)
    torch.testing.assert_close(-flat_gradient(mean_loss), 0.5 * exact_gradient(), rtol=1e-4, atol=1e-6)


def test_sampled_texts_give_the_exact_gradient_too():
    prompts = torch.tensor([TINY_PROMPT]).repeat(4_000, 1)
    tokens = generate(TINY, prompts, TINY_NEW, generator=torch.Generator().manual_seed(0), eos=0).tokens
    rewards = torch.tensor([REWARDS[tuple(row)] for row in tokens[:, 2:].tolist()])
    logprobs = completion_logprobs(TINY(tokens), tokens, 2, eos=0)
    found = -flat_gradient(policy_gradient_loss(logprobs, leave_one_out(rewards.view(1, -1)).flatten()))
    assert torch.cosine_similarity(found, exact_gradient(), dim=0) > 0.99


def test_completion_logprobs_are_those_that_the_texts_were_drawn_with():
    model = GPT(GPTConfig(CHARACTERS.vocab_size, context=16, layers=2, heads=2, width=16), seed=1)
    prompts = PROMPTS.sample(20, torch.Generator().manual_seed(0))
    written = generate(model, prompts, 12, generator=torch.Generator().manual_seed(0), eos=40)
    assert (written.lengths < 12).any()                                                 # some rows ended early
    found = completion_logprobs(model(written.tokens), written.tokens, prompts.shape[1], eos=40)
    torch.testing.assert_close(found, (written.logprobs * written.mask).sum(1), rtol=1e-4, atol=1e-4)


def test_leave_one_out_compares_within_a_prompt():
    rewards = torch.tensor([[1.0, 2.0, 6.0], [0.0, 0.0, 0.3]])
    expected = torch.tensor([[-3.0, -1.5, 4.5], [-0.15, -0.15, 0.3]])
    torch.testing.assert_close(leave_one_out(rewards), expected)
    with pytest.raises(ValueError, match="at least two"):
        leave_one_out(torch.ones(4, 1))


def make(path=None, config=CONFIG, **others) -> PolicyGradient:
    model = GPT(GPTConfig(CHARACTERS.vocab_size, context=16, layers=1, heads=2, width=16), seed=1)
    reward = others.pop("reward", lambda texts: torch.tensor([text.count("e") / len(text) for text in texts]))
    return PolicyGradient(model, copy.deepcopy(model), CHARACTERS, PROMPTS, config, reward, path, **others)


def curve(run: PolicyGradient) -> list[str]:
    return [repr(replace(point, cpu_seconds=0.0)) for point in run.history]


def test_it_learns_what_is_rewarded():
    run = make(config=replace(CONFIG, updates=60, batch_size=32, learning_rate=1e-2))
    records = list(run.train())
    assert records[-1].reward > records[0].reward + 0.2, (records[0], records[-1])
    assert abs(records[0].kl_to_start) < 1e-4 and records[-1].kl_to_start > 1


def test_stopped_and_resumed_it_is_identical(tmp_path):
    whole = make()
    list(whole.train())
    stopped = make(tmp_path / "run.pt")
    for progress in stopped.train():
        if progress.steps == 3:
            break
    resumed = make(tmp_path / "run.pt")
    assert len(resumed.history) == 3
    list(resumed.train())
    assert curve(resumed) == curve(whole) and len(whole.history) == 6
    for name, weight in whole.model.state_dict().items():
        assert weight.equal(resumed.model.state_dict()[name]), name


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    list(make(tmp_path / "run.pt").train())
    with pytest.raises(CheckpointError, match="learning_rate 0.001 there, 0.5 here"):
        make(tmp_path / "run.pt", replace(CONFIG, learning_rate=0.5))


def test_a_reward_that_is_no_number_stops_the_run_and_keeps_the_weights(tmp_path):
    paid = iter([0.5, 0.2, 0.1])
    run = make(tmp_path / "run.pt", reward=lambda texts: torch.rand(len(texts)) * next(paid, math.nan))
    with pytest.raises(TrainingDiverged, match="is nan and .*in update 4. .*after update 2"):
        list(run.train())
    assert all(weight.isfinite().all() for weight in run.model.parameters())
    assert len(load_checkpoint(tmp_path / "run.pt")["history"]) == 2


def test_a_step_that_breaks_the_model_is_told_with_its_update():
    run = make(config=replace(CONFIG, learning_rate=1e30))
    with pytest.raises(TrainingDiverged, match="probabilities are not numbers, in update") as told:
        list(run.train())
    assert f"in update {len(run.history) + 1}." in str(told.value)


def test_the_reward_reads_prompt_and_completion_up_to_the_end():
    seen = []
    run = make(reward=lambda texts: seen.extend(texts) or torch.rand(len(texts)))
    next(run.train())
    assert len(seen) == 6 and seen[0][:2] == seen[1][:2] in ("th", "a ", "my")
    assert run.history[0].text == seen[0]
