"""A reward for summaries, fitted to people's preferences, and its rivals. Lesson 13, section 13.3.

    rated = compared_summaries()                            # 655 summaries of 200 articles
    known = load_summary_features()                         # shipped: what the 135M model knows of each
    train, test = split_by_text(rated, preferences_from_ratings(rated), seed=1000)
    linear = fit_summary_reward(known.rows, train)
    pair_accuracy(linear.rewards(known.rows), test)         # about 2 of 3

A person who was not asked can be predicted only so well: the mean of all *other* annotators is right about 66% of these
preferences (`others_agree`). Rivals are length alone, overlap with the lead, the mean log-probability,
and several such numbers in one linear reward.

The shipped file holds principal components of the features in whole steps, as that of lesson 10 does, and no text.
Rebuilt by `python benchmarks/summarize.py features --ship`.
"""

import hashlib
import json
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from course_lib.atomic import in_a_sentence, write_bytes
from course_lib.errors import CourseError
from course_lib.lm.features import LIMIT, Reduction
from course_lib.lm.reward_model import LinearReward, fit_linear_reward
from course_lib.lm.summaries import RatedSummary, load_summaries
from course_lib.lm.summary_features import SummarySettings, read_summaries_of
from course_lib.lm.summary_metrics import SCALARS, scalars
from course_lib.paths import root
from course_lib.preferences.evaluation import mean_of_the_others
from course_lib.preferences.human_ratings import Comparisons

if TYPE_CHECKING:
    from course_lib.lm.summary_features import Reader

L2 = 4.0                        # pull of the weights; chosen on splits 0 to 4 among 1, 4, 10 and 30
DIRECTIONS, STEP = 200, 2.0     # of the shipped features


@lru_cache(maxsize=1)
def compared_summaries() -> tuple[RatedSummary, ...]:
    """The 655 rated summaries whose article has another one, in their order: those that preferences can be about."""
    count = Counter(one.article for one in load_summaries())
    return tuple(one for one in load_summaries() if count[one.article] > 1)


def uncompared_articles() -> list[str]:
    """The 200 articles with a single rated summary: no preference is about them, so no reward was fitted on them."""
    count = Counter(one.article for one in load_summaries())
    return [article for article, number in count.items() if number == 1]


def fit_summary_reward(rows: Tensor, comparisons: Comparisons, l2: float = L2) -> LinearReward:
    """Fit a linear reward to preferences. rows: (summaries, D) of principal components or standardized numbers."""
    return fit_linear_reward(rows, comparisons, l2, one_unit=True)


def standardized(columns: Tensor) -> Tensor:
    """(summaries, k) numbers brought to mean 0 and standard deviation 1 each."""
    return (columns - columns.mean(dim=0)) / columns.std(dim=0).clamp(min=1e-6)


def simple_numbers(summaries: Sequence[RatedSummary], mean_logprobs: Tensor) -> dict[str, Tensor]:
    """Rivals of the reward model by name, (summaries,) each: SCALARS, and the mean log-probability of a token."""
    columns = scalars([one.article for one in summaries], [one.summary for one in summaries])
    return {**dict(zip(SCALARS, columns.unbind(dim=1), strict=True)), "mean_logprob": mean_logprobs}


def others_agree(summaries: Sequence[RatedSummary], comparisons: Comparisons) -> Tensor:
    """(pairs,) 1 where the mean of all other annotators predicts the preference, 0 where not, 0.5 where it is equal."""
    right = []
    columns = (comparisons.first, comparisons.first_rater, comparisons.second, comparisons.second_rater, comparisons.mu)
    for i, a, j, b, mu in zip(*(column.tolist() for column in columns), strict=True):
        gap = mean_of_the_others(summaries[i].ratings, a) - mean_of_the_others(summaries[j].ratings, b)
        right.append(0.5 if gap == 0 else float((gap > 0) == (mu > 0.5)))
    return torch.tensor(right)


def length_matched(summaries: Sequence[RatedSummary], comparisons: Comparisons, tolerance: float = 0.1) -> Tensor:
    """(pairs,) bool: pairs whose numbers of words differ by at most `tolerance` times the longer one. Exercise 13.3."""
    words = torch.tensor([float(len(one.summary.split())) for one in summaries])
    both = torch.stack([words[comparisons.first], words[comparisons.second]])
    return both.max(dim=0).values - both.min(dim=0).values <= tolerance * both.max(dim=0).values


@dataclass(frozen=True)
class SummaryFeatures:
    """The shipped features, and the way from a new summary's features to such a row."""

    rows: Tensor                    # (655, k) float32, in the order of compared_summaries
    mean_logprobs: Tensor           # (655,) nats a token
    reduction: Reduction
    settings: SummarySettings


@dataclass(frozen=True)
class SummaryReward:
    """Called with articles and summaries: (summaries,) rewards. 0 is the mean of the rated summaries, 1 their std."""

    linear: LinearReward = field(repr=False)
    features: SummaryFeatures = field(repr=False)
    mean: float
    std: float

    @classmethod
    def of(cls, linear: LinearReward, features: SummaryFeatures) -> "SummaryReward":
        """Standardized over the rated summaries."""
        rewards = linear.rewards(features.rows)
        return cls(linear, features, rewards.mean().item(), rewards.std().item())

    def from_features(self, features: Tensor) -> Tensor:
        """(summaries, D) full features -> (summaries,)."""
        return (self.linear.rewards(self.features.reduction.reduce(features)) - self.mean) / self.std

    def __call__(self, articles: Sequence[str], summaries: Sequence[str], reader: "Reader | None" = None) -> Tensor:
        """(summaries,). Raises as `read_summaries_of` does."""
        read = read_summaries_of(articles, summaries, self.features.settings, progress=False, reader=reader)
        return self.from_features(read.features)


def shipped_path() -> Path:
    """Where the shipped features lie."""
    return root() / "assets" / "features" / "summaries_135m.npz"


def save_summary_features(path: Path, features: Tensor, mean_logprobs: Tensor, reduction: Reduction) -> None:
    """Write the features of `compared_summaries`, reduced, whole or not at all; features: (655, D).

    mean_logprobs: (655,). Raises CourseError when the file cannot be written.
    """
    codes = (reduction.reduce(features) / reduction.step).round().to(torch.int8)            # (655, k)
    scale = reduction.components.abs().max(dim=0).values / LIMIT
    facts = {"texts": _identity(), "step": reduction.step, "settings": asdict(reduction.settings)}
    content = BytesIO()
    np.savez_compressed(
        content, codes=codes.numpy(), mean_logprobs=mean_logprobs.half().numpy(), scale=scale.numpy(),
        mean=reduction.mean.half().numpy(), std=reduction.std.half().numpy(),
        facts=np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8),
        components=(reduction.components / scale).round().to(torch.int8).numpy())
    with in_a_sentence(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content.getvalue())


def load_summary_features(path: Path | None = None) -> SummaryFeatures:
    """Read the shipped features. Raises CourseError when the file is missing, damaged, or made for other texts."""
    path = path or shipped_path()
    back = f"Get it back with `git checkout {path.name}` in {path.parent}, or rebuild it: benchmarks/summarize.py."
    try:
        with np.load(path, allow_pickle=False) as file:
            facts = json.loads(bytes(file["facts"]))
            names = ("codes", "mean_logprobs", "mean", "std", "scale", "components")
            numbers = {name: torch.from_numpy(file[name].astype(np.float32)) for name in names}
        settings = SummarySettings(**{name: tuple(value) if isinstance(value, list) else value
                                      for name, value in facts["settings"].items()})
        texts, step = facts["texts"], float(facts["step"])
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise CourseError(f"{path} cannot be read ({type(error).__name__}). {back}") from error
    if texts != _identity():
        raise CourseError(f"{path.name} was made for other summaries than those that the course fetched. {back}")
    reduction = Reduction(numbers["mean"], numbers["std"].clamp(min=1e-3), numbers["components"] * numbers["scale"],
                          step, settings)
    return SummaryFeatures(numbers["codes"] * step, numbers["mean_logprobs"], reduction, settings)


@lru_cache(maxsize=1)
def _identity() -> str:
    """A hash of the compared summaries in their order."""
    return hashlib.sha256("\n".join(one.summary for one in compared_summaries()).encode()).hexdigest()
