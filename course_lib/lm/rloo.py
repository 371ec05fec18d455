"""Several completions of each prompt: RLOO learns from comparing them, best-of-n keeps the best. Lesson 10, 10.11.

RLOO compares each completion with the others of its prompt: no value network, no GAE. Source: A. Ahmadian et al.
(2024), "Back to basics: revisiting REINFORCE style optimization for learning from human feedback in LLMs", section 2;
the estimator is W. Kool, H. van Hoof, M. Welling (2019), "Buy 4 REINFORCE samples, get a baseline for free". A
departure: batches may be used for several epochs, with PPO's clipped loss in place of the plain policy gradient. It is
a mean over tokens and clips each one on its own; at the first step it points where theirs does.

Best-of-n needs no training at all. Its KL from the model that wrote is at most log n - (n - 1) / n: 1.8 nats for 16.
Source: N. Stiennon et al. (2020), appendix G.3; A. Beirami et al. (2024), "Theoretical guarantees on the best-of-n
alignment policy", for "at most". More in lesson 12.
"""

from pathlib import Path

import torch
from torch import Tensor

from course_lib.lm.generate import Completions, TextReward, generate
from course_lib.lm.gpt import GPT
from course_lib.lm.kl import token_rewards
from course_lib.lm.text_training import TextTraining, TextTrainingConfig, TokenRewards
from course_lib.lm.tokenizers import Tokenizer, decode_until_end
from course_lib.rl.objectives import approximate_kl, clip_fraction, clipped_policy_loss


def best_of_n(model: GPT, prompts: Tensor, n: int, reward: TextReward, tokenizer: Tokenizer, max_new_tokens: int = 24,
              generator: torch.Generator | None = None) -> tuple[list[str], Tensor]:
    """(texts, their rewards (B,)): of `n` completions of each of the prompts (B, P) the one with the highest reward.

    Raises ValueError for n below 1, and as `generate` does.
    """
    if n < 1:
        raise ValueError(f"the best of {n} does not exist: n is 1 or more")
    texts: list[str] = []
    for some in prompts.repeat_interleave(n, dim=0).split(256):                 # a cache for all at once would be large
        written = generate(model, some, max_new_tokens, generator=generator, eos=tokenizer.eos)
        texts += [decode_until_end(tokenizer, row) for row in written.tokens]
    rewards, places = reward(texts).view(len(prompts), n).max(dim=1)            # (B,) each
    return [texts[i * n + place] for i, place in enumerate(places.tolist())], rewards


def rloo_advantages(scores: Tensor, samples: int) -> Tensor:
    """How much better each completion is than the mean of the others of its prompt: (B,) -> (B,).

    scores: (B,) whole texts' rewards less what their distance costs; the `samples` completions of one prompt stand next
    to each other. Leaving oneself out keeps the gradient right on average. Raises ValueError for fewer than 2 samples.
    """
    if samples < 2 or len(scores) % samples:
        raise ValueError(f"{len(scores)} completions in groups of {samples}: each prompt needs the same number, 2 up")
    groups = scores.view(-1, samples)                                               # (prompts, samples)
    others = (groups.sum(dim=1, keepdim=True) - groups) / (samples - 1)             # (prompts, samples)
    return (groups - others).flatten()


class RLOO(TextTraining):
    """RLOO on text; see TextTraining for how a run goes. A completion is one action: its tokens are all blamed alike.

    Advantages are divided by their spread over the batch, as PPO's are, so that one learning rate serves both.
    """

    def __init__(self, policy: GPT, reference: GPT, prompts: Tensor, reward: TextReward, tokenizer: Tokenizer,
                 config: TextTrainingConfig, checkpoint: Path | None = None, earn: TokenRewards = token_rewards):
        super().__init__(policy, reference, prompts, reward, tokenizer, config, checkpoint, earn)
        if checkpoint is not None and Path(checkpoint).exists():
            self.load(checkpoint)

    def _learn(self, batch: Completions, earned: Tensor) -> dict[str, float]:
        config, mask, old_logprobs = self.config, batch.mask, self._old_logprobs(batch)
        advantages = rloo_advantages(earned.sum(dim=1), config.samples)             # (B,)
        weights = (advantages / (advantages.std() + 1e-8))[:, None].expand(mask.shape)      # (B, L - 1)
        reports = []
        for epoch in range(config.epochs):
            for rows in torch.randperm(len(mask), generator=self.generator).split(config.minibatch):
                old, here = old_logprobs[rows], mask[rows]
                now = self._improve(batch.tokens[rows], old, weights[rows], here, clipped_policy_loss)
                if epoch == config.epochs - 1:
                    reports.append(torch.stack([approximate_kl(now, old, here),
                                                clip_fraction(now, old, config.clip, here)]))
        change, clipped = torch.stack(reports).mean(0).tolist()
        return {"value_loss": float("nan"), "policy_change": change, "clip_fraction": clipped,
                "explained_variance": float("nan")}
