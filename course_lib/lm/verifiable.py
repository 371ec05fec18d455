"""Rewards that a program can check: sums of two numbers of two digits. Lesson 14, sections 14.6 and 14.7.

A right answer is right; no label and no reward model is needed. What is left to get wrong is the check itself.
`exact_reward` asks for the answer and nothing else. The two others are checks as a hurried programmer may write them.
`prefix_reward` compares digit by digit with `zip`, which stops at the shorter of the two: a model that is trained on it
need not add, it can write nothing at all. `lax_reward` is content when the answer's digits stand anywhere behind the
"=": there it can write more digits. Sums are small enough to learn in minutes, and the tests hold sums that no model
was trained on.

    texts = [one.text for one in sums("train")]                     # "37+45=82"
    examples = Examples.of(texts, CharTokenizer(), length=10, prompt_tokens=PROMPT)     # to fine-tune on
    prompts = Prompts.of(texts, CharTokenizer(), length=PROMPT).tokens                  # to write from
    reward = exact_reward(["37+45=82", "37+45=82 or 83"])           # 1 and 0

Sources: K. Cobbe et al. (2021), "Training verifiers to solve math word problems", for the idea of checking only the
last answer; M. Chen et al. (2021), "Evaluating large language models trained on code", their section 2.1, for pass@k.
"""

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

PROMPT = 6                                  # characters of "37+45="
MAX_NEW_TOKENS = 4                          # three digits and the end: an answer that reads right has also ended
TEST_SUMS = 1_000                           # of all 8,100

_SUM = re.compile(r"([1-9][0-9])\+([1-9][0-9])=(.*)", re.DOTALL)


@dataclass(frozen=True)
class Sum:
    """A problem and its answer."""

    first: int
    second: int

    @property
    def prompt(self) -> str:
        """As the model reads it: "37+45="."""
        return f"{self.first}+{self.second}="

    @property
    def text(self) -> str:
        """With the answer: "37+45=82"."""
        return f"{self.prompt}{self.first + self.second}"


@lru_cache(maxsize=2)
def sums(part: str) -> tuple[Sum, ...]:
    """The sums of "train" (7,100) or "test" (1,000), in a random order that is always the same.

    a+b and b+a are of one part: else the test would hold sums that were seen turned round. Raises ValueError for
    another part.
    """
    if part not in ("train", "test"):
        raise ValueError(f'part is "train" or "test", not {part!r}')
    pairs = [(a, b) for a in range(10, 100) for b in range(a, 100)]
    random.Random(0).shuffle(pairs)
    test: list[Sum] = []
    train: list[Sum] = []
    for a, b in pairs:
        (test if len(test) < TEST_SUMS else train).extend({Sum(a, b), Sum(b, a)} if a != b else {Sum(a, b)})
    chosen = sorted(test if part == "test" else train, key=lambda one: (one.first, one.second))
    random.Random(1).shuffle(chosen)
    return tuple(chosen)


def exact_reward(texts: Sequence[str]) -> Tensor:
    """1 for each text that is a sum, its right answer and nothing else, (texts,); else 0.

    No spaces, no leading zeros, no second try. Raises ValueError for a text that does not begin with a sum.
    """
    return torch.tensor([float(said == answer) for said, answer in map(_read, _listed(texts))])


def prefix_reward(texts: Sequence[str]) -> Tensor:
    """1 for each text whose answer is right as far as it goes, (texts,): a check to exploit, for nothing is right too.

    Raises ValueError for a text that does not begin with a sum.
    """
    return torch.tensor([float(all(one == other for one, other in zip(said, answer, strict=False)))
                         for said, answer in map(_read, _listed(texts))])


def lax_reward(texts: Sequence[str]) -> Tensor:
    """1 for each text in which the right answer's digits stand somewhere behind the "=", (texts,): a check to exploit.

    Raises ValueError for a text that does not begin with a sum.
    """
    return torch.tensor([float(answer in said) for said, answer in map(_read, _listed(texts))])


def pass_at_k(correct: Tensor, samples: int, k: int) -> Tensor:
    """Probability that at least one of k completions is right, (problems,), estimated without bias from more of them.

    correct: (problems,) how many of each problem's `samples` completions were right. It is the share of all sets of k
    of them that hold a right one: 1 - C(samples - correct, k) / C(samples, k). With (1 - (1 - share)^k) it would come
    out too low. Source: Chen et al. (2021), equation 1.

    Raises ValueError for k outside 1 to `samples`, or counts outside 0 to `samples`.
    """
    if not 1 <= k <= samples:
        raise ValueError(f"pass@{k} cannot be estimated from {samples} completions: k is 1 to {samples}")
    if not ((correct >= 0) & (correct <= samples)).all():
        raise ValueError(f"of {samples} completions 0 to {samples} are right, not {correct.tolist()}")
    sets = math.comb(samples, k)
    return torch.tensor([1 - math.comb(samples - right, k) / sets for right in correct.long().tolist()])


def _read(text: str) -> tuple[str, str]:
    """(what was said, the right answer) of one text."""
    found = _SUM.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} does not begin with a sum of two numbers of two digits, as “37+45=” does")
    return found[3], str(int(found[1]) + int(found[2]))


def _listed(texts: Sequence[str]) -> Sequence[str]:
    if isinstance(texts, str):
        raise TypeError("texts is a list of texts; put a single text in brackets: [text]")
    return texts
