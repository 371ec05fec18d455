"""A reward model for a chat model's answers: a weighted sum of what the model itself knows of them. Lesson 12.

The reference reads a question, the answer and then a question about the answer (`CUE`), and is stopped there. What it
holds in some layers are the features of lesson 10; the Bradley-Terry fit is lesson 10's too. Nothing but one weight for
each feature is learned.

    reward = fit_answer_reward(policy, questions, first, second, mu)
    reward(["Write one short sentence about rain."], ["Rain falls."])      # 1 is a std above the labelled answers' mean

With so many features a fit can be right about all pairs that it saw: `held_out_accuracy` says what it is worth.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.lm.chat_policy import END, ChatPolicy
from course_lib.lm.features import FeatureSettings, features
from course_lib.lm.reward_model import L2, LinearReward, fit_linear_reward
from course_lib.preferences.human_ratings import Comparisons

CUE = f"{END}\n<|im_start|>user\nIs this a good answer?{END}\n<|im_start|>assistant\n"
SETTINGS = FeatureSettings(cue=CUE, max_tokens=256)


def answer_features(policy: ChatPolicy, questions: Sequence[str], answers: Sequence[str],
                    settings: FeatureSettings = SETTINGS) -> Tensor:
    """(answers, D) float32: what the reference holds after each question, its answer and the cue; see `features`.

    The policy's adapter is off meanwhile, so that the reward does not change with the policy. An empty answer has
    features too: a policy may give one, and it must be rewarded as it deserves.
    """
    texts = [policy.chat(question) + answer for question, answer in zip(questions, answers, strict=True)]
    with policy.lora.disabled():
        return features(texts, settings, progress=False, reader=(policy.model.model, policy.tokenizer))


@dataclass(frozen=True)
class AnswerReward:
    """Called with questions and answers, as a trainer does: (answers,) rewards, in units of the labelled answers."""

    policy: ChatPolicy = field(repr=False)
    linear: LinearReward = field(repr=False)
    mean: float                             # of the linear reward over the labelled answers
    std: float
    settings: FeatureSettings = SETTINGS

    def __call__(self, questions: Sequence[str], answers: Sequence[str]) -> Tensor:
        """(answers,)."""
        return (self.linear.rewards(answer_features(self.policy, questions, answers, self.settings))
                - self.mean) / self.std


def compared(mu: Tensor) -> Comparisons:
    """The labels (pairs,) of answers that stand as all first ones, then all second ones.

    Raises CourseError when there are none, when one is no label, or when all are ties.
    """
    pairs = len(mu)
    if not pairs:
        raise CourseError("There are no pairs to learn from: label some first.")
    if not ((mu >= 0) & (mu <= 1)).all():
        raise CourseError("A label is 1 (the first is preferred), 0 (the second) or 0.5 (a tie). Leave skipped pairs "
                          "out.")
    if (mu == 0.5).all():
        raise CourseError(f"All {pairs} pairs are ties, so no direction is preferred. Label pairs that differ more.")
    none = torch.zeros(pairs, dtype=torch.long)         # these answers were compared directly, not rated one by one
    return Comparisons(torch.arange(pairs), torch.arange(pairs, 2 * pairs), mu, none, none)


def folds_by_prompt(prompts: Sequence[str], folds: int) -> list[int]:
    """The fold of each pair, from 0 to folds - 1: different prompts go to the folds in turns, as they first appear.

    Pairs of one prompt share words, so a fit to some of them knows too much of the others (leakage).
    """
    place = {prompt: number for number, prompt in enumerate(dict.fromkeys(prompts))}
    return [place[prompt] % folds for prompt in prompts]


def length_alone(first_lengths: Tensor, second_lengths: Tensor, mu: Tensor) -> tuple[float, str]:
    """(share, rule): how many strict preferences the rule "longer" or "shorter" gets right, the better one of the two.

    first_lengths, second_lengths, mu: (pairs,). Equal lengths count one half. (nan, "longer") without a strict
    preference; "longer" where both rules are equally good.
    """
    strict = mu != 0.5
    longer = (first_lengths - second_lengths)[strict].sign()                                    # (strict,)
    share = ((longer * (mu[strict] - 0.5).sign() + 1) / 2).mean().item()
    return (1 - share, "shorter") if share < 0.5 else (share, "longer")


def word_counts(texts: Sequence[str]) -> Tensor:
    """(texts,) float32."""
    return torch.tensor([float(len(text.split())) for text in texts])


def fit_answer_reward(policy: ChatPolicy, questions: Sequence[str], first: Sequence[str], second: Sequence[str],
                      mu: Tensor, l2: float = L2, settings: FeatureSettings = SETTINGS) -> AnswerReward:
    """Fit a reward to preferences between two answers to each question. mu: (pairs,) 1 first, 0 second, 0.5 a tie.

    l2: as of `fit_linear_reward`. Raises CourseError as `compared` does and for an empty answer; ValueError as
    `fit_linear_reward` does.
    """
    if empty := [pair for pair, both in enumerate(zip(first, second, strict=True)) if not all(map(str.strip, both))]:
        raise CourseError(f"An answer of pair {empty[0]} is empty: leave the pair out.")
    comparisons = compared(mu)
    rows = answer_features(policy, [*questions, *questions], [*first, *second], settings)       # (2 * pairs, D)
    linear = fit_linear_reward(rows, comparisons, l2)
    rewards = linear.rewards(rows)                                                              # (2 * pairs,)
    return AnswerReward(policy, linear, rewards.mean().item(), rewards.std().item(), settings)


def held_out_accuracy(rows: Tensor, mu: Tensor, prompts: Sequence[str], l2: float = L2, folds: int = 5) -> float:
    """Share of strict preferences that a fit to the other folds gets right; all pairs of a prompt are in one fold.

    rows: (2 * pairs, D) features, all first answers, then all second ones. mu: (pairs,). prompts: of each pair.
    Raises CourseError as `compared` does, and when a fold has no strict preference to be tested on or none to learn
    from.
    """
    compared(mu)
    fold = torch.tensor(folds_by_prompt(prompts, folds))                                        # (pairs,)
    right = []
    for number in range(folds):
        part, rest = (fold == number).nonzero()[:, 0], (fold != number).nonzero()[:, 0]
        tested = part[mu[part] != 0.5]
        if not len(tested) or (mu[rest] == 0.5).all():
            raise CourseError(f"{len(mu)} pairs of {len(set(prompts))} prompts are too few for {folds} folds: label "
                              "more, or take fewer folds.")
        both = torch.cat([rest, rest + len(mu)])
        linear = fit_linear_reward(rows[both], compared(mu[rest]), l2)
        margins = linear.rewards(rows[tested]) - linear.rewards(rows[tested + len(mu)])         # (tested,)
        right.append((margins > 0) == (mu[tested] > 0.5))
    return torch.cat(right).float().mean().item()
