"""DPO and IPO: learn from preferences without a reward model and without sampling. Lessons 12 and 14.

Lesson 14, section 14.4, derives the loss.

A policy says by itself what it "finds good": how much likelier it makes a completion than the reference did. That is
its implicit reward, beta * (log-probability - reference's log-probability). DPO puts it into the Bradley-Terry loss of
lesson 03 in place of a reward model's scores: `dpo_loss` is that function, called with these numbers. IPO wants the
margin between the two completions to be a certain number, and no larger. `DPO.update()` is the whole algorithm.

Sources: R. Rafailov et al. (2023), "Direct preference optimization: your language model is secretly a reward model",
equation 7. M. G. Azar et al. (2023), "A general theoretical paradigm to understand learning from human preferences",
equation 17. A tie is half a preference each way (lesson 03). Both losses equal trl's (tests/test_lm_trl.py).
Departures from Rafailov et al.: ties are learned from; Adam in place of RMSprop; a learning rate for LoRA or for a
small model.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from course_lib.errors import CourseError
from course_lib.lm.data import rows_of_step
from course_lib.lm.generate import ChoiceLogprobs, choice_logprobs, completion_rows
from course_lib.lm.gpt import GPT
from course_lib.lm.text_training import adam
from course_lib.preferences.bradley_terry import bradley_terry_loss
from course_lib.training.precision import products
from course_lib.training.run import TrainingRun, gradient_step, require_finite
from course_lib.training.schedules import warmup_then_linear

PairLoss = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, float], Tensor]       # called as `dpo_loss` is


def implicit_rewards(logprobs: Tensor, reference_logprobs: Tensor, beta: float) -> Tensor:
    """The reward for which the policy would be the best one at KL coefficient `beta`, up to a number for each prompt.

    logprobs, reference_logprobs: (B,) of whole completions. Source: Rafailov et al. (2023), equation 5; the number for
    each prompt is the same for both completions of a pair, so no loss on pairs sees it.
    """
    return beta * (logprobs - reference_logprobs)


def dpo_loss(first: Tensor, second: Tensor, reference_first: Tensor, reference_second: Tensor, mu: Tensor,
             beta: float) -> Tensor:
    """Minus the mean log-likelihood of the preferences under the policy's implicit rewards: a scalar, in nats.

    first, second: (pairs,) log-probabilities of both completions, summed over their tokens; reference_first,
    reference_second: of the same under the reference. mu: (pairs,) 1 the first is preferred, 0 the second, 0.5 a tie.
    Raises ValueError as `bradley_terry_loss` does. Source: Rafailov et al. (2023), equation 7.
    """
    return bradley_terry_loss(implicit_rewards(first, reference_first, beta),
                              implicit_rewards(second, reference_second, beta), mu)


def ipo_loss(first: Tensor, second: Tensor, reference_first: Tensor, reference_second: Tensor, mu: Tensor,
             beta: float) -> Tensor:
    """Mean squared distance of the margin from where it should be: 1 / (2 beta) for a preference, 0 for a tie.

    Arguments as of `dpo_loss`; beta is the paper's tau. DPO's loss falls for ever as the margin grows, this one has its
    lowest point: a preference that is always the same cannot drive the policy away. trl, having asked the authors,
    takes log-probabilities averaged over a completion's tokens (DPOConfig.per_token).
    Source: Azar et al. (2023), equation 17.
    """
    margin = (first - reference_first) - (second - reference_second)               # (pairs,)
    return (margin - (mu - 0.5) / beta).square().mean()


@dataclass(frozen=True)
class PreferencePairs:
    """Two completions of each of some prompts, as tokens, and which of them is preferred."""

    prompts: Sequence[Sequence[int]]        # (pairs) tokens, from the very beginning of the text
    first: Sequence[Sequence[int]]          # (pairs) tokens of one completion, its end token among them
    second: Sequence[Sequence[int]]         # (pairs) of the other
    mu: Tensor                              # (pairs,) 1 the first is preferred, 0 the second, 0.5 a tie

    def __post_init__(self) -> None:
        """Raises CourseError for pairs that nothing can be learned from, and says which."""
        if not len(self.prompts) == len(self.first) == len(self.second) == len(self.mu):
            raise ValueError(f"a pair is a prompt, two completions and a label; got {len(self.prompts)}, "
                             f"{len(self.first)}, {len(self.second)} and {len(self.mu)}")
        if not len(self.mu):
            raise CourseError("There are no pairs to learn from: label some first.")
        if not ((self.mu >= 0) & (self.mu <= 1)).all():
            raise CourseError("A label is 1 (the first is preferred), 0 (the second) or 0.5 (a tie), not "
                              f"{self.mu[~((self.mu >= 0) & (self.mu <= 1))][0].item()}. Leave skipped pairs out.")
        if (self.mu == 0.5).all():
            raise CourseError(f"All {len(self.mu)} pairs are ties, so no direction is preferred. Label pairs that "
                              "differ more.")
        for number, parts in enumerate(zip(self.prompts, self.first, self.second, strict=True)):
            if not all(len(part) for part in parts):
                raise CourseError(f"Pair {number} has an empty prompt or completion. A completion holds at least its "
                                  "end token: append it, or leave the pair out.")

    def __len__(self) -> int:
        return len(self.mu)

    def rows(self, pairs: Tensor, padding: int) -> tuple[Tensor, Tensor]:
        """(tokens (2b, L), mask (2b, L - 1)) of some pairs (b,): all first completions, then all second ones."""
        some = pairs.tolist()
        return completion_rows([self.prompts[i] for i in some] * 2,
                               [self.first[i] for i in some] + [self.second[i] for i in some], padding)


@dataclass(frozen=True)
class DPOConfig:
    """Settings of DPO or IPO. The defaults suit LoRA on the 135M model and some hundred pairs."""

    updates: int = 48                       # gradient steps
    batch_size: int = 8                     # pairs in one of them
    learning_rate: float = 5e-4             # Adam's, at the top
    warmup_share: float = 0.1               # share of the updates in which it rises there
    final_learning_rate: float = 0.1        # its share left at the end; it falls linearly (1: it stays)
    beta: float = 0.1                       # how dear distance from the reference is: DPO's beta, IPO's tau
    per_token: bool = False                 # log-probabilities are means over a completion's tokens, not sums (for IPO)
    max_grad_norm: float = 1.0              # longer gradients are scaled down to this
    bfloat16: bool | None = False           # learn in 16-bit products; None: where the processor is quick with them
    checkpoint_every: int = 10              # updates between two checkpoints, where a path is given
    seed: int = 0                           # of the order of the pairs


@dataclass(frozen=True)
class DPOProgress:
    """What one update saw, of its own pairs before it learned from them. Ties count in the loss only; all ties: nan."""

    update: int                             # counted from 1
    pairs: int                              # learned from so far, each as often as it was
    loss: float                             # DPO's in nats
    margin: float                           # implicit reward of the preferred completion less the other's, mean
    accuracy: float                         # share of pairs whose preferred completion has the larger one
    chosen_logprob: float                   # nats, mean of the preferred completions: it may fall while margins grow
    rejected_logprob: float                 # nats, of the others
    gradient_norm: float                    # before it was clipped
    learning_rate: float
    cpu_seconds: float                      # spent in training so far

    @property
    def steps(self) -> int:
        """What a training curve is drawn against: pairs learned from so far."""
        return self.pairs


class DPO(TrainingRun[DPOProgress]):
    """Trains `policy` in place on preferences. `for progress in run.train(): ...` is one update; see TrainingRun.

    reference: the model as it was before; read once, before the first update. pairs: None where they come later, by
    `take`. padding: the token that fills rows up, usually the end token. loss: takes the place of `dpo_loss`:
    `ipo_loss`, or the learner's own. logprobs: takes the place of `choice_logprobs`, for a policy that is no GPT of the
    course.
    """

    progress = DPOProgress
    remedy = "Lower the learning rate."

    def __init__(self, policy: GPT, reference: GPT, pairs: PreferencePairs | None, padding: int,
                 config: DPOConfig | None = None, checkpoint: Path | None = None, loss: PairLoss = dpo_loss,
                 logprobs: ChoiceLogprobs = choice_logprobs):
        super().__init__(config or DPOConfig(), checkpoint)
        self.policy, self.reference = policy.eval(), reference.eval()
        self.pairs, self.padding, self.loss, self.logprobs = pairs, padding, loss, logprobs
        self.optimizer = adam(policy, self.config.learning_rate)
        self.scheduler = LambdaLR(self.optimizer, warmup_then_linear(
            self.config.updates, self.config.warmup_share, final=self.config.final_learning_rate))
        self.parts = {"policy": policy, "optimizer": self.optimizer, "scheduler": self.scheduler}
        self.resume()

    def take(self, pairs: PreferencePairs) -> None:
        """Learn from these pairs from now on, for instance because there are new labels; the reference reads them."""
        self.pairs = pairs
        self.__dict__.pop("reference_logprobs", None)

    def update(self) -> DPOProgress:
        """One update: take some pairs, read both completions of each, one gradient step, report."""
        config = self.config
        some = rows_of_step(self.updates, len(self.pairs), config.batch_size, config.seed)          # (b,)
        mu = self.pairs.mu[some]                                                                    # (b,)

        # How likely are both completions of each pair, to the policy and to the reference?
        reference_first, reference_second = self.reference_logprobs[:, some]                        # (b,) each
        with products(config.bfloat16):
            first, second = self.completion_logprobs(self.policy, some)                             # (b,) each

        # Make the preferred one likelier, as compared with the reference, than the other one.
        loss = self.loss(first, second, reference_first, reference_second, mu, config.beta)         # ()
        norm = gradient_step(loss, self.policy, self.optimizer, max_grad_norm=config.max_grad_norm)

        # Report what this update saw.
        strict = mu != 0.5
        first, second = first.detach(), second.detach()
        margins = implicit_rewards(first, reference_first, config.beta) - implicit_rewards(
            second, reference_second, config.beta)                                                  # (b,)
        margins = torch.where(mu > 0.5, margins, -margins)[strict]                                  # (strict,)
        chosen = torch.where(mu > 0.5, first, second)[strict]                                       # (strict,)
        rejected = torch.where(mu > 0.5, second, first)[strict]                                     # (strict,)
        learning_rate = self.scheduler.get_last_lr()[0]
        self.scheduler.step()
        return DPOProgress(
            update=self.updates + 1, pairs=len(some) + (self.history[-1].pairs if self.history else 0),
            loss=loss.item(), margin=margins.mean().item(), accuracy=(margins > 0).float().mean().item(),
            chosen_logprob=chosen.mean().item(), rejected_logprob=rejected.mean().item(), gradient_norm=norm.item(),
            learning_rate=learning_rate, cpu_seconds=self.cpu_seconds)

    def completion_logprobs(self, policy: GPT, some: Tensor) -> Tensor:
        """(2, b) log-probabilities of both completions of some pairs (b,): sums over tokens, or means (`per_token`)."""
        tokens, mask = self.pairs.rows(some, self.padding)                              # (2b, L), (2b, L - 1)
        logprobs = self.logprobs(policy, tokens, mask).sum(dim=1)                                   # (2b,)
        return (logprobs / mask.sum(dim=1) if self.config.per_token else logprobs).view(2, -1)

    @cached_property
    @torch.no_grad()
    def reference_logprobs(self) -> Tensor:
        """(2, pairs): the reference never changes, so it reads each pair once; `take` makes it read again."""
        batches = torch.arange(len(self.pairs)).split(self.config.batch_size)
        found = torch.cat([self.completion_logprobs(self.reference, some) for some in batches], dim=1)
        require_finite("What the reference says of a completion", found)
        return found
