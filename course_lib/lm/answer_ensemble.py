"""The linear reward on a chat model's own hidden states, as the preference loop knows reward models. Lesson 12.

answer_reward.py has what is read and how a weight for each feature is fitted; here it is wrapped as a `RewardEnsemble`:
fitted to all labels of a run again after each round (the problem is convex, so nothing is gained from the weights of
the round before), kept with the run's state, and standardized over the labelled answers. The labelled answers are kept
too: DPO learns from them and not from the reward.

Departures from `StateRewardEnsemble` (lesson 04): one member unless the settings say otherwise, since one fit has one
optimum; several members are fitted to bootstrap samples of the pairs. A reward is of a whole answer, not of a step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from course_lib.lm.answer_reward import SETTINGS, answer_features, held_out_accuracy, length_alone, word_counts
from course_lib.lm.answers import questions_and_answers, texts_of
from course_lib.lm.chat_policy import ChatPolicy
from course_lib.lm.features import FeatureSettings
from course_lib.lm.reward_model import L2, LinearReward, fit_linear_reward
from course_lib.preferences.bradley_terry import bradley_terry_loss
from course_lib.preferences.human_ratings import Comparisons
from course_lib.preferences.reward_ensemble import Fit, Loss, RewardEnsemble
from course_lib.preferences.segments import Clips


@dataclass(frozen=True)
class AnswerRewardConfig:
    """Settings of the reward model on hidden states."""

    members: int = 1                                # linear rewards; with more, each on a bootstrap sample of the pairs
    l2: float = L2                                  # pull of every weight towards 0, see fit_linear_reward
    error_rate: float = 0.0                         # share of labels taken to be slips; above 0 not convex any more
    reads: FeatureSettings = SETTINGS               # which hidden states


class LinearMember(nn.Module):
    """One linear reward: a weight for each of D features, and the mean and unit of each."""

    def __init__(self, features: int):
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(features), requires_grad=False)
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("unit", torch.ones(features))

    def take(self, linear: LinearReward) -> None:
        """Take up what was fitted."""
        for name in ("weights", "mean", "unit"):
            getattr(self, name).copy_(getattr(linear, name))

    def forward(self, rows: Tensor) -> Tensor:
        """Features (S, D) -> rewards (S,)."""
        return LinearReward(self.weights, self.mean, self.unit).rewards(rows)


class AnswerRewardEnsemble(RewardEnsemble):
    """Linear Bradley–Terry rewards of answers. `segments` are bytes of prompt and answer, see answers.py.

    policy: makes the chat policy whose model reads, with its adapter off; called once, when it is first needed, and
    the trainer trains the same one: there is one model in memory. loss: the learner's own in place of
    `bradley_terry_loss`.
    """

    def __init__(self, policy: Callable[[], ChatPolicy], config: AnswerRewardConfig | None = None, seed: int = 0,
                 loss: Loss = bradley_terry_loss):
        super().__init__()
        self.config, self.loss, self._policy = config or AnswerRewardConfig(), loss, policy
        reads = self.config.reads
        width = 576 * (len(reads.last_of) + len(reads.mean_of))
        self.members = nn.ModuleList(LinearMember(width) for _ in range(self.config.members))
        self.generator = torch.Generator().manual_seed(seed)
        self.register_buffer("scale", torch.zeros(self.config.members, 2))      # (members, mean and std), 0: not fitted
        self.labelled: tuple[Clips, Clips, Tensor] | None = None                # first, second, mu of the last fit
        self.read: dict[tuple[str, str], Tensor] = {}                           # (D,) of labelled answers, read once

    @cached_property
    def policy(self) -> ChatPolicy:
        """The chat policy, whose model reads."""
        return self._policy()

    def features(self, obs: Clips) -> Tensor:
        """(S, D) what the model without its adapter holds after each prompt, answer and cue; read once, then kept."""
        texts = [texts_of(one) for one in obs]
        new = [pair for pair in dict.fromkeys(texts) if pair not in self.read]
        if new:
            rows = answer_features(self.policy, [q for q, _ in new], [a for _, a in new], self.config.reads)
            self.read |= dict(zip(new, rows, strict=True))
        return torch.stack([self.read[pair] for pair in texts])                                 # (S, D)

    @torch.no_grad()
    def forward(self, obs: Clips) -> Tensor:
        """Raw rewards of each member, one an answer: S answers -> (members, S, 1)."""
        rows = self.features(obs)                                                               # (S, D)
        return torch.stack([member(rows) for member in self.members])[..., None]

    def normalized_reward(self, obs: Clips) -> Tensor:
        """Rewards of S answers, (S, 1): mean 0 and std 1 over the labelled ones. ValueError before the first `fit`."""
        return self.standardized(self(obs)[..., 0])[:, None]

    @torch.no_grad()
    def rewards(self, questions: list[str], answers: list[str]) -> Tensor:
        """(answers,) rewards, standardized; called as a trainer calls a reward. An empty answer has one too."""
        rows = answer_features(self.policy, questions, answers, self.config.reads)              # (answers, D)
        return self.standardized(torch.stack([member(rows) for member in self.members]))

    def standardized(self, raw: Tensor) -> Tensor:
        """(members, S) raw -> (S,): each member with mean 0 and std 1 over the labelled answers, then their mean."""
        if (self.scale[:, 1] == 0).any():
            raise ValueError("the reward model has no zero and no scale yet; fit it to some labels first")
        return ((raw - self.scale[:, :1]) / self.scale[:, 1:]).mean(dim=0)

    def fit(self, first: Clips, second: Clips, mu: Tensor, weight: Tensor | None = None) -> Fit:
        """Fit anew to all labels so far. See `RewardEnsemble`; first, second: P answers each.

        Where all pairs are ties nothing is learned: every answer has the reward 0.
        """
        if len(mu) == 0:
            raise ValueError("there are no preferences to fit; label some pairs that are not skipped first")
        pairs, rows = len(mu), self.features([*first, *second])                                 # (2 * pairs, D)
        losses, everyone = [], torch.arange(pairs)
        for number, member in enumerate(self.members):
            drawn = everyone if len(self.members) == 1 else torch.randint(pairs, (pairs,), generator=self.generator)
            nobody = torch.zeros(pairs, dtype=torch.long)               # answers were compared, not rated by raters
            linear = fit_linear_reward(rows, Comparisons(drawn, drawn + pairs, mu[drawn].float(), nobody, nobody),
                                       self.config.l2, None if weight is None else weight[drawn].float(), self._loss)
            member.take(linear)
            found = linear.rewards(rows)                                                        # (2 * pairs,)
            self.scale[number] = torch.stack([found.mean(), found.std().clamp(min=1e-6)])
            losses.append(self._loss(*found.chunk(2), mu.float(), weight).item())
        self.labelled = first, second, mu
        r1, r2 = torch.stack([member(rows) for member in self.members]).mean(dim=0).chunk(2)    # (pairs,) each
        return Fit.of(losses, r1, r2, mu)

    def _loss(self, r1: Tensor, r2: Tensor, mu: Tensor, weight: Tensor | None = None) -> Tensor:
        return self.loss(r1, r2, mu, self.config.error_rate, weight=weight)

    def held_out_accuracy(self, folds: int = 5) -> float:
        """Share of strict preferences that a fit to the other folds gets right: what the reward model is worth.

        Raises CourseError as `held_out_accuracy` of answer_reward.py does, ValueError before the first `fit`.
        """
        first, second, mu = self._labelled()
        return held_out_accuracy(self.features([*first, *second]), mu, questions_and_answers(first)[0], self.config.l2,
                                 folds)

    def length_alone(self) -> tuple[float, str]:
        """What the rule "longer" or "shorter" gets right of the same labels. ValueError before the first `fit`."""
        first, second, mu = self._labelled()
        return length_alone(*(word_counts(questions_and_answers(side)[1]) for side in (first, second)), mu)

    def _labelled(self) -> tuple[Clips, Clips, Tensor]:
        if self.labelled is None:
            raise ValueError("the reward model has seen no labels yet; fit it first")
        return self.labelled

    def checkpoint(self) -> dict:
        """Weights, the labelled answers and what was read of them, and the state of the generator of bootstrap samples.

        What was read is kept to the bit: in another batch the same answer gives numbers that differ in the last digits.
        """
        labelled = self.labelled and [list(self.labelled[0]), list(self.labelled[1]), self.labelled[2]]
        read = [list(self.read), torch.stack(list(self.read.values()))] if self.read else None
        return {"weights": self.state_dict(), "labelled": labelled, "read": read, "random": self.generator.get_state()}

    def restore(self, state: dict) -> None:
        """Take up what `checkpoint` gave."""
        self.load_state_dict(state["weights"])
        self.labelled = state["labelled"] and tuple(state["labelled"])
        self.read = {tuple(texts): row for texts, row in zip(*state["read"], strict=True)} if state["read"] else {}
        self.generator.set_state(state["random"])
