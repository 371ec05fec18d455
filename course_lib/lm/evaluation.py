"""Evaluation of a model trained on a reward: several measures at once, because its reward alone flatters it.

    report = look_at(model, start, tokenizer, unseen.evenly_spaced(256))
    report.reward, report.kl, report.distinct_2, report.about_the_prompt

Lesson 09. Lesson 11 (section 11.9) evaluates a policy at points along its training. The reward that it is trained on is
a proxy, learned from few labels. As the policy moves away from where it began, the proxy goes on rising long after
what it stands for has begun to fall. Drawn against the KL divergence, the two make the curve of L. Gao, J. Schulman,
J. Hilton (2023), "Scaling laws for reward model overoptimization", figure 1.
"""

import json
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.lm.generate import Completions, TextReward, completion_logprobs, generate, sample_completions
from course_lib.lm.gpt import GPT
from course_lib.lm.kl import exact_kl
from course_lib.lm.metrics import distinct_n
from course_lib.lm.ppo import TokenPPO
from course_lib.lm.rloo import RLOO
from course_lib.lm.sentiment import completions, sentiment, whole_texts
from course_lib.lm.tokenizers import Tokenizer
from course_lib.paths import root


@dataclass(frozen=True)
class TextReport:
    """What a model made of some prompts, one completion each."""

    texts: list[str]                # prompt and completion
    rewards: list[float]            # of each text
    reward: float                   # their mean
    reward_error: float             # standard error of that mean
    kl: float                       # nats a text, from the model it started as; a mean over the texts, so an estimate
    distinct_2: float               # share of different pairs of words among all completions
    about_the_prompt: float         # nats by which a completion is likelier after its own prompt than after another's
    favourites: list[tuple[str, float]]     # most frequent words of the completions, and their shares


@torch.no_grad()
def text_report(model: GPT, start: GPT, tokenizer: Tokenizer, prompts: Tensor, max_new_tokens: int = 24, seed: int = 0,
            reward: Callable[[Sequence[str]], Tensor] = sentiment) -> TextReport:
    """Let `model` complete `prompts` (B, P), two or more of them, and measure. start: the model it was trained from."""
    P, eos = prompts.shape[1], tokenizer.eos
    tokens = generate(model, prompts, max_new_tokens, generator=torch.Generator().manual_seed(seed), eos=eos).tokens
    texts, said = whole_texts(tokenizer, tokens), completions(tokenizer, tokens, P)
    rewards = reward(texts).tolist()
    logprobs = completion_logprobs(model(tokens), tokens, P, eos)                           # (B,)
    before = completion_logprobs(start(tokens), tokens, P, eos)                             # (B,)
    strange = torch.cat([prompts.roll(1, dims=0), tokens[:, P:]], dim=1)                    # another's prompt in front
    elsewhere = completion_logprobs(model(strange), strange, P, eos)                        # (B,)
    words = Counter(word for text in said for word in text.lower().split())
    return TextReport(
        texts=texts, rewards=rewards, reward=statistics.fmean(rewards),
        reward_error=statistics.stdev(rewards) / len(rewards) ** 0.5, kl=(logprobs - before).mean().item(),
        distinct_2=distinct_n(said, 2), about_the_prompt=(logprobs - elsewhere).mean().item(),
        favourites=[(word, count / max(1, words.total())) for word, count in words.most_common(5)])


BLOCK = 256                     # texts over which distinct-2 is counted: it falls as texts become more


@dataclass(frozen=True)
class PolicyEvaluation:
    """How a policy stood at one evaluation: fresh completions of prompts that are given, nothing learned from them."""

    updates: int                            # of the training so far
    cpu_seconds: float                      # spent in training so far
    kl: float                               # nats a completion from the reference, see `kl_of`
    distinct_2: float                       # share of different pairs of words, in blocks of 256 texts
    length: float                           # tokens a completion
    rewards: dict[str, float]               # mean of each reward, by its name
    stds: dict[str, float]               # and its standard deviation over the texts
    samples: list[str] = field(default_factory=list)       # the first few texts, to be read


@torch.no_grad()
def kl_of(policy: GPT, reference: GPT, batch: Completions) -> float:
    """KL of policy from reference in nats a completion: the exact KL of each choice, summed along the sampled texts.

    Right on average as the mean log-ratio is, with far less noise: only the path is left to chance, not the step.
    """
    nats = 0.0
    for tokens, mask in zip(batch.tokens.split(64), batch.mask.split(64), strict=True):
        each = exact_kl(policy(tokens)[:, :-1], reference(tokens)[:, :-1])          # (b, L - 1)
        nats += (each * mask).sum().item()
    return nats / len(batch.tokens)


def evaluate_policy(policy: GPT, reference: GPT, prompts: Tensor, rewards: Mapping[str, TextReward],
                    tokenizer: Tokenizer, max_new_tokens: int = 24, updates: int = 0, cpu_seconds: float = 0.0,
                    seed: int = 999, samples: int = 8, at_most: Mapping[str, int] | None = None) -> PolicyEvaluation:
    """Have the policy continue `prompts` (B, P), and score what it wrote with every one of `rewards`.

    at_most: how many texts, the first ones, a reward is asked about, for rewards that cost much. The same seed gives
    the same luck, so that two policies differ by what they are.
    """
    generator = torch.Generator().manual_seed(seed)
    batch = sample_completions(policy, reference, prompts, lambda texts: torch.zeros(len(texts)), tokenizer,
                               max_new_tokens, generator)
    blocks = [batch.texts[start:start + BLOCK] for start in range(0, len(batch.texts), BLOCK)]
    whole = [block for block in blocks if len(block) == BLOCK] or blocks
    scores = {name: reward(batch.texts[:(at_most or {}).get(name, len(batch.texts))])
              for name, reward in rewards.items()}
    return PolicyEvaluation(updates, cpu_seconds, kl_of(policy, reference, batch),
                sum(distinct_n(block, 2) for block in whole) / len(whole), batch.lengths.float().mean().item(),
                {name: values.mean().item() for name, values in scores.items()},
                {name: values.std().item() for name, values in scores.items()}, batch.texts[:samples])


def evaluations_during(run: TokenPPO | RLOO, every: int, prompts: Tensor, rewards: Mapping[str, TextReward],
                       at_most: Mapping[str, int] | None = None) -> Iterator[PolicyEvaluation]:
    """Train, and evaluate before the first update, after each `every` updates and after the last."""
    def now() -> PolicyEvaluation:
        return evaluate_policy(run.policy, run.reference, prompts, rewards, run.tokenizer, run.config.max_new_tokens,
                               run.updates, run.cpu_seconds, at_most=at_most)

    if run.updates == 0:
        yield now()
    for progress in run.train():
        if progress.update % every == 0 or progress.update == run.config.updates:
            yield now()


def benchmark_path(name: str) -> Path:
    """Where `benchmarks/text_rl.py` keeps the runs of one job."""
    return root() / "benchmarks" / "results" / f"text_rl_{name}.jsonl"


def benchmark_results(name: str) -> list[dict]:
    """The runs of one job of the benchmark, each with its `evaluations`. Raises CourseError when there are none.

    When the file holds runs from several SFT models, those from the one that the last run started from.
    """
    path = benchmark_path(name)
    try:
        runs = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    except FileNotFoundError:
        raise CourseError(f"benchmarks/results/{path.name} is not there: get it back with `git checkout`, or measure "
                          f"it with `python benchmarks/text_rl.py {name}`.") from None
    newest = [run for run in runs if run["start"] == runs[-1]["start"]]
    return [{**run, "evaluations": [PolicyEvaluation(**one) for one in run["evaluations"]]} for run in newest]
