"""KTO: learn from single judgements, "good" or "bad", instead of pairs. Lesson 14, section 14.4.

A thumb up or down on one answer is easier to get than a comparison of two. KTO makes good completions likelier and bad
ones less likely, as compared with the reference, and each the less the further it has already gone: gains and losses
flatten, as in the prospect theory of D. Kahneman and A. Tversky. What counts as a gain is measured from a point of
reference, the policy's KL divergence from the reference: a completion that became likelier along with everything else
did not gain. `KTO.update()` is the whole algorithm.

Source: K. Ethayarajh et al. (2024), "KTO: model alignment as prospect theoretic optimization", section 4. Departure:
the point of reference is estimated from completions of the whole data set, drawn anew for each batch; there from the
batch's own. The loss and the point of reference equal trl's (tests/test_lm_trl.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from course_lib.errors import CourseError
from course_lib.lm.data import rows_of_step
from course_lib.lm.dpo import DPOConfig, PreferencePairs, implicit_rewards
from course_lib.lm.generate import ChoiceLogprobs, choice_logprobs, completion_rows
from course_lib.lm.gpt import GPT
from course_lib.lm.text_training import adam
from course_lib.training.precision import products
from course_lib.training.run import TrainingRun, gradient_step, require_finite
from course_lib.training.schedules import warmup_then_linear

JudgementLoss = Callable[[Tensor, Tensor, Tensor, Tensor, float, float, float], Tensor]    # called as `kto_loss` is


def kto_baseline(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """The point of reference, (), nats: the KL of policy from reference, estimated and never below zero.

    logprobs, reference_logprobs: (B,) of completions of *other* prompts, each read behind a prompt that it was not
    written for. No gradient flows through it. Source: Ethayarajh et al. (2024), section 4.
    """
    return (logprobs - reference_logprobs).mean().clamp(min=0).detach()


def kto_loss(logprobs: Tensor, reference_logprobs: Tensor, good: Tensor, baseline: Tensor, beta: float,
             good_weight: float = 1.0, bad_weight: float = 1.0) -> Tensor:
    """Mean of weight * (1 - value), a scalar, where a completion's value is between 0 and 1.

    logprobs, reference_logprobs: (B,) of whole completions. good: (B,) bool. baseline: (), see `kto_baseline`. beta:
    how soon a gain or a loss flattens. good_weight, bad_weight: when there are many more of one kind, less of it.
    Source: Ethayarajh et al. (2024), section 4.
    """
    gain = beta * (logprobs - reference_logprobs - baseline)                        # (B,)
    value = torch.where(good, torch.sigmoid(gain), torch.sigmoid(-gain))            # (B,)
    weight = torch.where(good, good_weight, bad_weight)                             # (B,)
    return (weight * (1 - value)).mean()


@dataclass(frozen=True)
class Judgements:
    """Completions, each judged on its own."""

    prompts: Sequence[Sequence[int]]        # (completions) tokens, from the very beginning of the text
    completions: Sequence[Sequence[int]]    # (completions) tokens, the end token among them
    good: Tensor                            # (completions,) bool

    def __post_init__(self) -> None:
        """Raises CourseError for judgements that nothing can be learned from."""
        if not len(self.prompts) == len(self.completions) == len(self.good):
            raise ValueError(f"a judgement is a prompt, a completion and a label; got {len(self.prompts)}, "
                             f"{len(self.completions)} and {len(self.good)}")
        if len(self.good) < 2:
            raise CourseError("KTO compares a completion with those of other prompts: give at least two judgements.")
        for number, parts in enumerate(zip(self.prompts, self.completions, strict=True)):
            if not all(len(part) for part in parts):
                raise CourseError(f"Judgement {number} has an empty prompt or completion. A completion holds at least "
                                  "its end token: append it, or leave the judgement out.")

    @classmethod
    def of_pairs(cls, pairs: PreferencePairs) -> "Judgements":
        """The preferred completion of each pair is good, the other one is bad; ties say nothing of that kind."""
        strict = [i for i, mu in enumerate(pairs.mu.tolist()) if mu != 0.5]
        first_good = [pairs.mu[i].item() > 0.5 for i in strict]
        return cls([pairs.prompts[i] for i in strict] * 2,
                   [pairs.first[i] for i in strict] + [pairs.second[i] for i in strict],
                   torch.tensor(first_good + [not good for good in first_good]))

    def __len__(self) -> int:
        return len(self.good)


@dataclass(frozen=True)
class KTOConfig(DPOConfig):
    """Settings of KTO: DPO's, and how much each kind of completion counts."""

    batch_size: int = 16                    # completions in one gradient step
    good_weight: float = 1.0                # of the loss of good completions
    bad_weight: float = 1.0                 # of bad ones


@dataclass(frozen=True)
class KTOProgress:
    """What one update saw, of its own completions before it learned from them; nan where there was none of a kind."""

    update: int                             # counted from 1
    loss: float
    baseline: float                         # nats: the point of reference
    margin: float                           # implicit reward of good completions less that of bad ones, means
    good_logprob: float                     # nats, mean of the good completions
    bad_logprob: float                      # nats, of the bad ones
    gradient_norm: float                    # before it was clipped
    learning_rate: float
    cpu_seconds: float                      # spent in training so far


class KTO(TrainingRun[KTOProgress]):
    """Trains `policy` in place on judgements. `for progress in run.train(): ...` is one update a turn; see TrainingRun.

    reference: the model as it was before. padding: the token that fills rows up, usually the end token. loss: takes the
    place of `kto_loss`; logprobs: of `choice_logprobs`, for a policy that is no GPT of the course.
    """

    progress = KTOProgress
    remedy = "Lower the learning rate."

    def __init__(self, policy: GPT, reference: GPT, judgements: Judgements, padding: int,
                 config: KTOConfig | None = None, checkpoint: Path | None = None, loss: JudgementLoss = kto_loss,
                 logprobs: ChoiceLogprobs = choice_logprobs):
        super().__init__(config or KTOConfig(), checkpoint)
        self.policy, self.reference = policy.eval(), reference.eval()
        self.judgements, self.padding, self.loss, self.logprobs = judgements, padding, loss, logprobs
        self.optimizer = adam(policy, self.config.learning_rate)
        self.scheduler = LambdaLR(self.optimizer, warmup_then_linear(
            self.config.updates, self.config.warmup_share, final=self.config.final_learning_rate))
        self.parts = {"policy": policy, "optimizer": self.optimizer, "scheduler": self.scheduler}
        self.resume()

    def update(self) -> KTOProgress:
        """One update: take some completions, estimate the point of reference, one gradient step, report."""
        config, judgements = self.config, self.judgements
        some = rows_of_step(self.updates, len(judgements), config.batch_size, config.seed)          # (b,)
        good = judgements.good[some]                                                                # (b,)

        # How much likelier has the policy made whatever stands behind a prompt, written for it or not?
        with torch.no_grad(), products(config.bfloat16):
            reference_logprobs = self.completion_logprobs(self.reference, some, some)               # (b,)
            away = torch.randint(1, len(judgements), some.shape, generator=self.generator)          # (b,)
            others = (some + away) % len(judgements)                                                # (b,), never itself
            baseline = kto_baseline(self.completion_logprobs(self.policy, some, others),
                                    self.completion_logprobs(self.reference, some, others))         # ()

        # Make good completions likelier than that, and bad ones less likely.
        with products(config.bfloat16):
            logprobs = self.completion_logprobs(self.policy, some, some)                            # (b,)
        require_finite("What the reference says of a completion", reference_logprobs, baseline)
        loss = self.loss(logprobs, reference_logprobs, good, baseline, config.beta, config.good_weight,
                         config.bad_weight)                                                         # ()
        norm = gradient_step(loss, self.policy, self.optimizer, max_grad_norm=config.max_grad_norm)

        # Report what this update saw.
        logprobs = logprobs.detach()
        rewards = implicit_rewards(logprobs, reference_logprobs, config.beta)                       # (b,)
        learning_rate = self.scheduler.get_last_lr()[0]
        self.scheduler.step()
        return KTOProgress(
            update=self.updates + 1, loss=loss.item(), baseline=baseline.item(),
            margin=(rewards[good].mean() - rewards[~good].mean()).item(), good_logprob=logprobs[good].mean().item(),
            bad_logprob=logprobs[~good].mean().item(), gradient_norm=norm.item(), learning_rate=learning_rate,
            cpu_seconds=self.cpu_seconds)

    def completion_logprobs(self, policy: GPT, prompts: Tensor, completions: Tensor) -> Tensor:
        """(b,) log-probabilities of some completions (b,) behind some prompts (b,), both by their numbers."""
        tokens, mask = completion_rows([self.judgements.prompts[i] for i in prompts.tolist()],
                                       [self.judgements.completions[i] for i in completions.tolist()], self.padding)
        logprobs = self.logprobs(policy, tokens, mask).sum(dim=1)                                   # (b,)
        return logprobs / mask.sum(dim=1) if self.config.per_token else logprobs
