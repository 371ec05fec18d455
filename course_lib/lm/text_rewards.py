"""The two reward models that lesson 10 opens with: a large one that stands for people, and a small one that is paid.

Gold: linear Bradley–Terry on the frozen features of the 135M model, from many verdicts. Proxy: a small transformer from
few verdicts. Their verdicts are about different texts, so that what the proxy gets wrong is its own mistake (L. Gao et
al., 2023, "Scaling laws for reward model overoptimization", section 2.2, the synthetic setup). Rebuilt by

    python benchmarks/text_reward.py features proxy --ship

Made in lesson 09, used in lesson 10.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from course_lib.lm import pretrained_features, reward_model, shipped
from course_lib.lm.linear_reward import LinearReward, fit_linear_reward
from course_lib.lm.pretrained_features import FeatureSettings
from course_lib.lm.reduced_features import places
from course_lib.lm.reward_model import FitConfig, RewardModel
from course_lib.paths import root
from course_lib.preferences.human_ratings import (
    Comparisons,
    RatedText,
    rated_texts,
    sample_comparisons,
)
from course_lib.rl.checkpoint import CheckpointError, load_checkpoint, save_checkpoint

GOLD_LABELS, PROXY_LABELS = 30_000, 3_000


def gold_texts() -> list[RatedText]:
    """The half of the training texts whose verdicts made gold."""
    return [text for text in rated_texts("train") if _half(text) == 0]


def proxy_texts() -> list[RatedText]:
    """The other half, whose verdicts may make a proxy."""
    return [text for text in rated_texts("train") if _half(text) == 1]


def gold_comparisons() -> tuple[list[RatedText], Comparisons]:
    """(texts, verdicts) that gold was fitted to."""
    texts = gold_texts()
    return texts, sample_comparisons(texts, GOLD_LABELS, seed=6)


def gold_path() -> Path:
    """Where the shipped gold reward lies; its features are made by the pretrained model when it is asked."""
    return root() / "assets" / "checkpoints" / "gold_reward.pt"


def proxy_path() -> Path:
    """Where the shipped proxy lies."""
    return root() / "assets" / "checkpoints" / "text_reward.pt"


def save_gold(features: Tensor) -> LinearReward:
    """Fit gold on the full features of all rated texts, (23,703, D), and write it to be shipped."""
    texts, comparisons = gold_comparisons()
    reward = fit_linear_reward(features[places(texts)], comparisons)
    save_checkpoint(gold_path(), {"weights": reward.weights, "mean": reward.mean, "unit": reward.unit,
                                  "settings": asdict(FeatureSettings()), "labels": GOLD_LABELS, "texts": len(texts)})
    return reward


class GoldReward:
    """Gold: a text in, a number out, by way of the pretrained model (about 0.02 CPU-seconds a text)."""

    def __init__(self, reward: LinearReward, settings: FeatureSettings) -> None:
        self.reward, self.settings = reward, settings

    def rewards(self, texts: Sequence[str], progress: bool = False) -> Tensor:
        """Rewards of any texts, (texts,). Raises as `pretrained_features.features` does."""
        return self.reward.rewards(pretrained_features.features(texts, self.settings, progress))


def load_gold() -> GoldReward:
    """The shipped gold reward. Raises CheckpointError when the file cannot be used."""
    return shipped.came_with_the_course(gold_path(), _read_gold)


def _read_gold(path: Path) -> GoldReward:
    state = load_checkpoint(path)
    try:
        settings = {name: tuple(value) if isinstance(value, list) else value
                    for name, value in state["settings"].items()}
        return GoldReward(LinearReward(state["weights"], state["mean"], state["unit"]), FeatureSettings(**settings))
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path.name} holds no gold reward ({type(error).__name__}).") from error


def load_proxy() -> tuple[RewardModel, dict]:
    """(model, how it was made) of the shipped small reward model, for the tokens of the shipped BPE model.

    Raises CheckpointError when the file cannot be used.
    """
    return shipped.came_with_the_course(proxy_path(), reward_model.load_reward_model)


def from_language_model(labels: int, seed: int = 0) -> FitConfig:
    """How a trunk that is a language model is trained on so many labels: fewer of them are read more often."""
    return FitConfig(epochs=_epochs(labels), lr=4e-4, seed=seed)


def from_scratch(labels: int, seed: int = 0) -> FitConfig:
    """How a new trunk is trained: the same, with a larger learning rate."""
    return FitConfig(epochs=_epochs(labels), lr=1e-3, seed=seed)


def new_reward_model(seed: int = 0) -> tuple[RewardModel, shipped.Tokenizer]:
    """(an untrained head on the shipped BPE language model, its tokenizer)."""
    language_model = shipped.load_shipped(shipped.BPE)
    return RewardModel(language_model.model, seed), language_model.tokenizer


def _epochs(labels: int) -> int:
    return 8 if labels < 1_000 else 5 if labels < 3_000 else 3 if labels < 10_000 else 2


def _half(text: RatedText) -> int:
    return int(hashlib.sha256(text.text.lower().encode()).hexdigest()[-1], 16) % 2
