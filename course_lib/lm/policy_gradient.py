"""The policy gradient for text: write, be paid, make likelier what was paid more than expected. Lesson 08.

An action is a whole completion, so a text is an episode of one step: nothing but `log_probability * advantage` is left
of REINFORCE (R. J. Williams 1992), and the loss is the very function that balanced a pole in lesson 01. There is no
leash here: nothing keeps the model near its start. Lesson 10 adds one, and acts token by token.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from course_lib.lm.data import Prompts
from course_lib.lm.generate import NoProbabilities, generate, token_logprobs
from course_lib.lm.gpt import GPT
from course_lib.lm.metrics import distinct_n
from course_lib.lm.sentiment import completions, sentiment, whole_texts
from course_lib.lm.tokenizers import Tokenizer
from course_lib.rl.objectives import policy_gradient_loss
from course_lib.training.checkpoint import save_checkpoint
from course_lib.training.resume import TrainingDiverged, handed_over, last_good, load_matching, shapes_must_fit

RewardFunction = Callable[[Sequence[str]], Tensor]                  # texts -> (texts,)
AdvantageFunction = Callable[[Tensor], Tensor]                      # (prompts, copies) -> (prompts, copies)
CompletionLogprobs = Callable[[Tensor, Tensor, int, int], Tensor]   # called as `completion_logprobs` is


def completion_logprobs(logits: Tensor, tokens: Tensor, prompt_length: int, eos: int) -> Tensor:
    """Log-probability of each row's whole completion given its prompt, (B,), in nats. Exercise 08.2.

    logits: (B, L, V), what the model said after each of `tokens` (B, L). The completion begins at column
    `prompt_length` and goes up to and including its first end token; what stands behind that was never chosen.
    """
    logprobs = token_logprobs(logits, tokens)[:, prompt_length - 1:]        # (B, L - P) of tokens[:, P:]
    return (logprobs * chosen(tokens[:, prompt_length:], eos)).sum(dim=1)


def chosen(completion: Tensor, eos: int) -> Tensor:
    """(B, C) bool: True where a token of `completion` (B, C) was chosen: up to and including the row's first end."""
    ends = completion == eos                                                # (B, C)
    return ends.cumsum(dim=1) - ends.long() == 0


def no_baseline(rewards: Tensor) -> Tensor:
    """The rewards themselves: REINFORCE as it was first written."""
    return rewards


def minus_batch_mean(rewards: Tensor) -> Tensor:
    """Rewards compared with the mean of the whole batch, whatever the prompt. (prompts, copies), as it comes."""
    return rewards - rewards.mean()


def leave_one_out(rewards: Tensor) -> Tensor:
    """Each reward minus the mean reward of the *other* completions of its prompt, (prompts, copies). Exercise 08.4.

    The others know how well this prompt usually goes and nothing of this completion, so the gradient stays right on
    average. Source: W. Kool, H. van Hoof, M. Welling (2019), "Buy 4 REINFORCE samples, get a baseline for free!".
    Raises ValueError for fewer than two completions a prompt.
    """
    copies = rewards.shape[1]
    if copies < 2:
        raise ValueError("leave-one-out compares completions of one prompt: it needs at least two of each")
    others = (rewards.sum(dim=1, keepdim=True) - rewards) / (copies - 1)    # (prompts, copies)
    return rewards - others


@dataclass(frozen=True)
class PolicyGradientConfig:
    """Settings of one run. The defaults were found by hand for sentiment; `benchmarks/happy.py` measures them."""

    updates: int = 80                       # gradient steps; each writes and reads a batch of its own
    prompts: int = 32                       # different prompts in a batch
    copies: int = 4                         # completions of each
    new_tokens: int = 24                    # tokens of a completion, at most
    learning_rate: float = 1.5e-4           # AdamW's, constant
    max_grad_norm: float = 1.0              # longer gradients are shortened to this
    checkpoint_every: int = 10              # updates between two checkpoints, where a path is given
    seed: int = 0                           # of prompts and of what is written


@dataclass(frozen=True)
class PolicyGradientProgress:
    """What one update saw: all of it about the texts that the model wrote just before it changed."""

    steps: int                              # updates so far
    reward: float                           # mean over the batch
    kl_to_start: float                      # nats a text: how far the model has gone from the one it started as
    distinct_2: float                       # share of different pairs of words among the batch's completions
    length: float                           # tokens of a completion
    gradient_norm: float                    # before it was shortened
    cpu_seconds: float                      # spent so far
    text: str                               # the batch's first text, to read


class PolicyGradient:
    """Trains `model` to write what `reward` pays for. `for progress in run.train(): ...` is one update a turn.

    start: the model that it started as; it is only read, for the KL. reward: called with whole texts, prompt and
    completion. advantages, logprobs, loss: take the place of `leave_one_out`, `completion_logprobs` and the course's
    `policy_gradient_loss`. With `checkpoint` the state is kept now and then and whenever the loop is left; a new
    PolicyGradient with the same path goes on identically. Raises CheckpointError when that file belongs to other
    settings.
    """

    def __init__(self, model: GPT, start: GPT, tokenizer: Tokenizer, prompts: Prompts,
                 config: PolicyGradientConfig | None = None, reward: RewardFunction = sentiment,
                 checkpoint: Path | None = None, advantages: AdvantageFunction = leave_one_out,
                 logprobs: CompletionLogprobs = completion_logprobs,
                 loss: Callable[[Tensor, Tensor], Tensor] = policy_gradient_loss):
        self.model, self.start, self.tokenizer, self.prompts = model, start, tokenizer, prompts
        self.config, self.reward, self.checkpoint = config or PolicyGradientConfig(), reward, checkpoint
        self.advantages, self.logprobs, self.loss = advantages, logprobs, loss
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=self.config.learning_rate, betas=(0.9, 0.95),
                                           weight_decay=0.0, fused=True)
        self.generator = torch.Generator().manual_seed(self.config.seed)
        self.cpu_seconds = 0.0
        self.history: list[PolicyGradientProgress] = []
        if checkpoint is not None and Path(checkpoint).exists():
            self.load(checkpoint)

    def train(self, until: int | None = None) -> Iterator[PolicyGradientProgress]:
        """Go on to `until` updates in all (default: to the end). Leaving the loop keeps everything.

        Raises TrainingDiverged, with the weights as they were before the bad step.
        """
        last = self.config.updates if until is None else min(until, self.config.updates)
        while len(self.history) < last:
            started = time.process_time()
            seen = self._update()
            self.cpu_seconds += time.process_time() - started
            progress = PolicyGradientProgress(steps=len(self.history) + 1, cpu_seconds=self.cpu_seconds, **seen)
            self.history.append(progress)
            if self.checkpoint is not None and (progress.steps in (last, self.config.updates)
                                                or progress.steps % self.config.checkpoint_every == 0):
                self.save()
            yield from handed_over(progress, self)

    def _update(self) -> dict:
        config, eos = self.config, self.tokenizer.eos
        prompts = self.prompts.sample(config.prompts, self.generator, config.copies)            # (B, P)
        P = prompts.shape[1]
        try:
            tokens = generate(self.model, prompts, config.new_tokens, generator=self.generator, eos=eos).tokens # (B, L)
        except NoProbabilities as error:
            raise self._diverged("The model's probabilities are no numbers") from error
        texts = whole_texts(self.tokenizer, tokens)
        rewards = self.reward(texts)                                                            # (B,)
        advantages = self.advantages(rewards.view(config.prompts, config.copies)).flatten()     # (B,)
        logprobs = self.logprobs(self.model(tokens), tokens, P, eos)                            # (B,)
        loss = self.loss(logprobs, advantages)                                                  # ()
        self.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), config.max_grad_norm)
        if not torch.isfinite(norm + loss.detach()):        # before the step: the weights are still the good ones
            raise self._diverged(f"The loss is {loss.item()} and its gradient {norm.item()} long")
        self.optimizer.step()
        with torch.no_grad():
            before = completion_logprobs(self.start(tokens), tokens, P, eos)                    # (B,)
        said = completions(self.tokenizer, tokens, P)
        written = chosen(tokens[:, P:], eos).sum(dim=1)                                         # (B,)
        return {"reward": rewards.mean().item(), "kl_to_start": (logprobs.detach() - before).mean().item(),
                "distinct_2": distinct_n(said, 2), "length": written.float().mean().item(),
                "gradient_norm": norm.item(), "text": texts[0]}

    def _diverged(self, what: str) -> TrainingDiverged:
        kept = last_good(self.checkpoint, lambda state: f"update {len(state['history'])}")
        return TrainingDiverged(f"{what}, in update {len(self.history) + 1}. {kept} Lower the learning rate, or look "
                                "at what the reward gave.")

    def save(self, path: Path | None = None) -> None:
        """Write a checkpoint to `path` (default: the one given at the start)."""
        save_checkpoint(path or self.checkpoint, {
            "config": asdict(self.config), "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(), "cpu_seconds": self.cpu_seconds,
            "history": [asdict(progress) for progress in self.history]})

    def load(self, path: Path) -> None:
        """Go on from a checkpoint. Raises CheckpointError when it is damaged or belongs to other settings."""
        state = load_matching(path, asdict(self.config))
        with shapes_must_fit(path):
            self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.cpu_seconds = state["cpu_seconds"]
        self.history = [PolicyGradientProgress(**progress) for progress in state["history"]]
