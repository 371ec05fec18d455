"""Old against new, blind: is the trained model preferred on prompts that it never saw? Lesson 12.

    old = written(policy.reference, HELD_OUT_PROMPTS, seed=1)
    new = written(policy, HELD_OUT_PROMPTS, seed=2)
    report = blind_report(old, new, labeler)                    # win rate with its interval, KL, lengths, distinct-2
    add_blind_pairs(store, "blind", old, new)                   # or in the widget: a person answers, sides at random

Who compares never learns which answer is whose: a labeler is called with the sides shuffled, the store draws them at
random. The rate of a win counts a tie as half. Its interval is Wilson's, which does not close up at 0 and 1; it takes
each pair as one draw. Where prompts are answered several times these draws are not independent, and
`interval_by_prompt` is wider.

Sources: E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference"; N. Stiennon et al.
(2020), "Learning to summarize from human feedback", for win rates against a baseline, and for KL and length beside
them: longer answers are often preferred for their length alone. Ties at half leave the interval a little too wide.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.labels.records import Preference
from course_lib.labels.store import PreferenceStore
from course_lib.lm.answers import AnswerSegment, whole_sentences
from course_lib.lm.chat_policy import ChatPolicy
from course_lib.lm.kl import k1
from course_lib.lm.metrics import distinct_n

Z_95 = 1.959964                     # standard normal deviations that hold 95%


@dataclass(frozen=True)
class Written:
    """One answer to each of some prompts, and how far its writer is from the reference."""

    prompts: list[str]
    answers: list[str]
    kl: Tensor                      # (answers,) log-ratio to the reference, nats a whole answer
    lengths: Tensor                 # (answers,) tokens, the end token among them


@torch.no_grad()
def written(policy: ChatPolicy, prompts: Sequence[str], max_new_tokens: int = 48, seed: int = 0,
            at_once: int = 32) -> Written:
    """Let `policy` (or its reference) answer each prompt once; an answer that was cut off ends with a whole sentence.

    kl and lengths are of all tokens that were written, the cut-off ones too. Raises as `ChatPolicy.sample` does.
    """
    generator, answers, kl, lengths = torch.Generator().manual_seed(seed), [], [], []
    for start in range(0, len(prompts), at_once):
        tokens, mask = policy.sample(policy.prompts(prompts[start:start + at_once]), max_new_tokens,
                                     generator=generator)                           # (b, L), (b, L - 1)
        if policy.adapted:
            ratio = k1(policy.logprobs(tokens, mask), policy.reference.logprobs(tokens, mask))      # (b, L - 1)
        else:
            ratio = torch.zeros(mask.shape)             # the reference itself
        ended = ((tokens[:, 1:] == policy.eos) & mask).any(dim=1).tolist()
        texts = policy.questions_and_answers(tokens, mask)[1]
        answers += [text if whole else whole_sentences(text) for text, whole in zip(texts, ended, strict=True)]
        kl.append((ratio * mask).sum(dim=1))
        lengths.append(mask.sum(dim=1))
    return Written(list(prompts), answers, torch.cat(kl), torch.cat(lengths))


@dataclass(frozen=True)
class WinRate:
    """How often the new answer was preferred; skipped pairs are not among these."""

    wins: int
    ties: int
    losses: int

    @property
    def pairs(self) -> int:
        """Pairs that were compared."""
        return self.wins + self.ties + self.losses

    @property
    def rate(self) -> float:
        """(wins + ties / 2) / pairs; nan without a pair."""
        return (self.wins + self.ties / 2) / self.pairs if self.pairs else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval around the rate."""
        return wilson(self.rate * self.pairs, self.pairs) if self.pairs else (0.0, 1.0)

    def __str__(self) -> str:
        low, high = self.interval
        return (f"{self.rate:.2f} (95%: {low:.2f} to {high:.2f}; {self.wins} wins, {self.ties} ties, {self.losses} "
                "losses)")


def wilson(successes: float, trials: float, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a share, (low, high). Raises ValueError unless 0 <= successes <= trials, trials > 0.

    Neither need be a whole number: ties count half, and draws may be effective ones. Source: Wilson (1927).
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"{successes} of {trials} is no share: give 0 <= successes <= trials, and at least one trial")
    share, weight = successes / trials, z * z / trials
    middle = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / trials + weight / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def interval_by_prompt(prompts: Sequence[str], new_preferred: Sequence[float | None]) -> tuple[float, float]:
    """95% interval of a win rate where prompts were answered several times: (low, high). Skipped pairs are left out.

    Wilson's, with as many independent draws as would have the standard error that the prompts' own rates show: at least
    one for each prompt, at most one for each pair (an effective sample size; L. Kish 1965, "Survey sampling").
    Raises ValueError when nothing was compared.
    """
    by_prompt: dict[str, list[float]] = {}
    for prompt, mu in zip(prompts, new_preferred, strict=True):
        if mu is not None:
            by_prompt.setdefault(prompt, []).append(mu)
    if not by_prompt:
        raise ValueError("nothing was compared: every pair was skipped")
    rates = np.array([np.mean(each) for each in by_prompt.values()])                    # (prompts,)
    every = [mu for each in by_prompt.values() for mu in each]
    rate, error = float(np.mean(every)), float(rates.std(ddof=1)) / len(rates) ** 0.5 if len(rates) > 1 else 0.0
    draws = min(max(rate * (1 - rate) / error ** 2, len(rates)), len(every)) if error else len(rates)
    return wilson(rate * draws, draws)


def compare_blind(prompts: Sequence[str], old: Sequence[str], new: Sequence[str],
                  labeler: Callable[[AnswerSegment, AnswerSegment], float | None], seed: int = 0) -> list[float | None]:
    """What the labeler says of each pair, seen from the new answer: 1 it is better, 0 the old one, 0.5 equal, None.

    labeler: called with (left, right); which of them is the new one is drawn from the seed. Equal texts are a tie and
    are not shown. An empty answer loses against one that is not. Raises CourseError when there is no pair.
    """
    if not prompts:
        raise CourseError("There are no prompts to compare answers on: give at least one.")
    swapped = np.random.default_rng(seed).random(len(prompts)) < 0.5
    found: list[float | None] = []
    for prompt, one, other, swap in zip(prompts, old, new, swapped, strict=True):
        if one.strip() == other.strip() or not one.strip() or not other.strip():
            found.append(0.5 * (1 + bool(other.strip()) - bool(one.strip())))
            continue
        left, right = (AnswerSegment.of(prompt, text) for text in ((other, one) if swap else (one, other)))
        mu = labeler(left, right)
        found.append(mu if mu is None or swap else 1 - mu)
    return found


def win_rate(new_preferred: Sequence[float | None]) -> WinRate:
    """Count what `compare_blind` or `blind_answers` gave; skipped pairs (None) are left out.

    Raises ValueError for anything but 1, 0.5, 0 and None.
    """
    counts = {1.0: 0, 0.5: 0, 0.0: 0}
    for mu in new_preferred:
        if mu is not None and mu not in counts:
            raise ValueError(f"a comparison is 1 (the new one), 0 (the old one), 0.5 (equal) or None, not {mu!r}")
        if mu is not None:
            counts[mu] += 1
    return WinRate(counts[1.0], counts[0.5], counts[0.0])


@dataclass(frozen=True)
class BlindReport:
    """Old against new in numbers; the pairs of numbers are (old, new)."""

    win_rate: WinRate
    kl: float                           # nats an answer of the new policy, mean: how far it has gone
    lengths: tuple[float, float]        # tokens an answer, mean
    distinct_2: tuple[float, float]     # share of different pairs of words among all answers


def blind_report(old: Written, new: Written, labeler: Callable[[AnswerSegment, AnswerSegment], float | None],
                 seed: int = 0) -> BlindReport:
    """Compare answers to the same prompts. Raises ValueError when the prompts differ, CourseError without any."""
    if old.prompts != new.prompts:
        raise ValueError("old and new answer different prompts: give both the same list")
    rate = win_rate(compare_blind(old.prompts, old.answers, new.answers, labeler, seed))
    return BlindReport(rate, new.kl.mean().item(),
                       (old.lengths.float().mean().item(), new.lengths.float().mean().item()),
                       (distinct_n(old.answers, 2), distinct_n(new.answers, 2)))


def add_blind_pairs(store: PreferenceStore, run: str, old: Written, new: Written) -> int:
    """Ask a person in the widget: puts each pair into the store under its prompt, sides drawn by the store.

    Returns how many pairs wait in the run; equal and empty answers are left out. The old answer is always the first
    item of its pair, which the screen does not show: `blind_answers` reads it back.
    """
    with store.transaction():
        for prompt, one, other in zip(old.prompts, old.answers, new.answers, strict=True):
            if one.strip() and other.strip() and one.strip() != other.strip():
                items = [store.add_text(text, obs=AnswerSegment.of(prompt, text).obs.numpy()) for text in (one, other)]
                store.add_pair(*items, run=run, prompt=prompt)
    return len(store.questions_of(run))


def blind_answers(preferences: Sequence[Preference]) -> list[float]:
    """Preferences of a run of `add_blind_pairs`, seen from the new answer: what `win_rate` counts."""
    return [1 - preference.mu for preference in preferences]
