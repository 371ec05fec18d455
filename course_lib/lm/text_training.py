"""What PPO and RLOO on text have in common: write, be judged, learn, again; stop and go on at will. Lesson 10.

A subclass says how it learns from a batch of completions; drawing prompts, the price of a nat, the curve, checkpoints
and what happens when a number is no longer one are here.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from course_lib.lm.generate import (
    Completions,
    NoProbabilities,
    TextReward,
    completion_logprobs,
    draw_prompts,
    sample_completions,
)
from course_lib.lm.gpt import GPT
from course_lib.lm.kl import AdaptiveBeta, token_rewards
from course_lib.lm.metrics import distinct_n
from course_lib.lm.tokenizers import Tokenizer
from course_lib.training.checkpoint import save_checkpoint
from course_lib.training.resume import TrainingDiverged, handed_over, last_good, load_matching, shapes_must_fit

TokenRewards = Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]        # called as `token_rewards` is
MaskedLoss = Callable[[Tensor, Tensor, Tensor, float, Tensor], Tensor]          # as `clipped_policy_loss` with a mask


@dataclass(frozen=True)
class TextTrainingConfig:
    """Settings that PPO and RLOO share. The defaults were measured by `benchmarks/text_rl.py`."""

    updates: int = 60                       # batches of completions that are learned from
    completions: int = 128                  # written for each update (B)
    samples: int = 1                        # completions of each prompt; RLOO needs at least 2
    max_new_tokens: int = 24                # a completion is cut off there
    epochs: int = 2                         # times that each batch is learned from
    minibatch: int = 64                     # completions in one gradient step
    learning_rate: float = 3e-4             # Adam's, of the policy, at the top
    warm_up: float = 0.1                    # share of the updates in which it rises there: Adam's first steps are wild
    final_learning_rate: float = 0.1        # its share left at the end; it falls linearly (1: it stays)
    clip: float = 0.2                       # how far the ratio of new to old probability pays; infinity: no clip
    beta: float = 0.05                      # price of a nat of distance from the reference, in units of the reward
    kl_target: float | None = None          # nats a completion; beta is then moved to keep to it (None: it stays)
    kl_speed: float = 0.5                   # of that; Ziegler et al. took 0.1, for runs of thousands of updates
    max_grad_norm: float = 1.0              # longer gradients are shortened to this
    bfloat16: bool = False                  # learn in 16-bit products: twice as fast where `bfloat16_is_quick()`
    checkpoint_every: int = 10              # updates between two checkpoints, where a path is given
    seed: int = 0                           # of prompts, tokens and minibatches


@dataclass(frozen=True)
class TextProgress:
    """What one update did; the unit of a training curve."""

    update: int                             # counted from 1
    steps: int                              # completions written so far
    reward: float                           # mean of this batch, before any penalty
    kl_from_reference: float                # nats a completion, estimated by the mean log-ratio (k1)
    beta: float                             # price of a nat that was charged
    length: float                           # tokens a completion, mean
    distinct_2: float                       # share of different pairs of words in this batch
    policy_change: float                    # nats a token between before and after, in the last epoch (k3)
    clip_fraction: float                    # share of ratios outside 1 ± clip in the last epoch
    value_loss: float                       # nan where there is no value network
    explained_variance: float               # of the returns by the values; nan likewise
    learning_rate: float
    cpu_seconds: float                      # spent in training so far


class TextTraining:
    """Trains `policy` in place. `for progress in run.train(): ...` runs one update a turn.

    reference: the model whose distance is charged for, usually a copy of the policy at the start; never changed.
    prompts: (N, P) prompts of one length, each begun by the end token. reward: whole texts -> (texts,).
    earn: takes the place of `token_rewards`, for instance the learner's own of exercise 10.1.

    With `checkpoint` the state is saved now and then and whenever the loop is left; a new run with the same path goes
    on from there, to the identical curve. Raises CheckpointError when that file belongs to other settings.
    """

    def __init__(self, policy: GPT, reference: GPT, prompts: Tensor, reward: TextReward, tokenizer: Tokenizer,
                 config: TextTrainingConfig, checkpoint: Path | None = None, earn: TokenRewards = token_rewards):
        self.policy, self.reference, self.prompts = policy.eval(), reference.eval(), prompts
        self.reward, self.tokenizer, self.config, self.checkpoint = reward, tokenizer, config, checkpoint
        self.earn = earn
        self.optimizer = adam(policy, config.learning_rate)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.price = AdaptiveBeta(config.beta, config.kl_target, config.kl_speed) if config.kl_target else None
        self.updates, self.cpu_seconds = 0, 0.0
        self.history: list[TextProgress] = []
        self.batch: Completions | None = None           # the newest completions, for whoever wants to read them

    @property
    def beta(self) -> float:
        """What a nat costs now."""
        return self.config.beta if self.price is None else self.price.beta

    def train(self, until: int | None = None) -> Iterator[TextProgress]:
        """Go on to `until` updates in all (default: the config's), yielding after each. Raises TrainingDiverged."""
        goal = self.config.updates if until is None else until
        while self.updates < goal:
            progress = self._update()
            if self.checkpoint is not None and (self.updates >= goal
                                                or self.updates % self.config.checkpoint_every == 0):
                self.save()
            yield from handed_over(progress, self)

    def _update(self) -> TextProgress:
        started, config = time.process_time(), self.config
        self._set_learning_rates(self._share_of_learning_rate())
        prompts = draw_prompts(self.prompts, config.completions, config.samples, self.generator)
        try:
            batch = sample_completions(self.policy, self.reference, prompts, self.reward, self.tokenizer,
                                       config.max_new_tokens, self.generator)
        except NoProbabilities as error:
            raise self._diverged("The policy's probabilities are no numbers") from error
        if not torch.isfinite(batch.rewards).all():         # before learning from them: the weights are still good
            raise self._diverged("A reward is not a number")
        earned = self.earn(batch.rewards, batch.logprobs, batch.reference_logprobs, batch.mask, self.beta)
        reports = self._learn(batch, earned)
        kl, beta = batch.kl.mean().item(), self.beta
        if self.price is not None:
            self.price.update(kl)
        self.batch = batch
        self.updates += 1
        self.cpu_seconds += time.process_time() - started
        progress = TextProgress(
            update=self.updates, steps=self.updates * config.completions, reward=batch.rewards.mean().item(),
            kl_from_reference=kl, beta=beta, length=batch.lengths.float().mean().item(),
            distinct_2=distinct_n(batch.texts, 2), learning_rate=self.optimizer.param_groups[0]["lr"],
            cpu_seconds=self.cpu_seconds, **reports)
        self.history.append(progress)
        return progress

    def _share_of_learning_rate(self) -> float:
        """Of the top: up in a line while it warms up, then down in a line."""
        done, config = self.updates / self.config.updates, self.config
        rising = (self.updates + 1) / max(1.0, config.warm_up * config.updates)
        return min(1.0, rising) * (1 - (1 - config.final_learning_rate) * min(1.0, done))

    def _learn(self, batch: Completions, earned: Tensor) -> dict[str, float]:
        """Improve the policy; returns the fields of TextProgress that only the algorithm knows."""
        raise NotImplementedError

    def _logprobs(self, tokens: Tensor) -> Tensor:
        """The policy's log-probabilities as learning sees them: (b, L) -> (b, L - 1)."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.bfloat16):
            return completion_logprobs(self.policy, tokens)

    def _improve(self, tokens: Tensor, old_logprobs: Tensor, weights: Tensor, mask: Tensor, loss: MaskedLoss) -> Tensor:
        """One gradient step of the policy on some rows; returns their log-probabilities before it, (b, L - 1)."""
        logprobs = self._logprobs(tokens)
        self._step(self.policy, self.optimizer, loss(logprobs, old_logprobs, weights, self.config.clip, mask))
        return logprobs.detach()

    @torch.no_grad()
    def _old_logprobs(self, batch: Completions) -> Tensor:
        """(B, L - 1) of the policy that wrote, in the precision that learning reads in, so that ratios begin at 1."""
        if not self.config.bfloat16:
            return batch.logprobs
        return torch.cat([self._logprobs(some) for some in batch.tokens.split(self.config.minibatch)])

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        """What a checkpoint keeps besides numbers."""
        return {"policy": self.policy, "optimizer": self.optimizer}

    def _set_learning_rates(self, share: float) -> None:
        self.optimizer.param_groups[0]["lr"] = self.config.learning_rate * share

    def _step(self, network: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        """One gradient step of `network`, unless the loss or its gradient is not a number."""
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(network.parameters(), self.config.max_grad_norm)
        if not torch.isfinite(loss.detach() + norm):
            raise self._diverged(f"The loss is {loss.item()} and its gradient {norm.item()} long")
        optimizer.step()

    def _diverged(self, what: str) -> TrainingDiverged:
        kept = last_good(self.checkpoint, lambda state: f"update {state['updates']}")
        return TrainingDiverged(f"{what}, in update {self.updates + 1}. {kept} Look for rewards that are nan; else "
                                "lower the learning rate.")

    def save(self, path: Path | None = None) -> None:
        """Write a checkpoint to `path` (default: the one given at the start)."""
        save_checkpoint(path or self.checkpoint, {
            "kind": type(self).__name__, "config": asdict(self.config),
            "parts": {name: part.state_dict() for name, part in self._parts().items()},
            "generator": self.generator.get_state(), "beta": self.beta, "updates": self.updates,
            "cpu_seconds": self.cpu_seconds, "history": [asdict(point) for point in self.history]})

    def load(self, path: Path) -> None:
        """Go on from a checkpoint. Raises CheckpointError when it is damaged or belongs to other settings."""
        state = load_matching(path, {"kind": type(self).__name__, **asdict(self.config)})
        with shapes_must_fit(path):
            for name, part in self._parts().items():
                part.load_state_dict(state["parts"][name])
        self.generator.set_state(state["generator"])
        if self.price is not None:
            self.price.beta = state["beta"]
        self.updates, self.cpu_seconds = state["updates"], state["cpu_seconds"]
        self.history = [TextProgress(**point) for point in state["history"]]


def adam(network: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """Adam with language models' shorter memory of squares; no pull toward zero: that would be a move away from SFT."""
    return torch.optim.Adam(network.parameters(), lr=learning_rate, betas=(0.9, 0.95), fused=True)
