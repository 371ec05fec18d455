"""The gold and the proxy reward of lesson 11, and inputs that exploit the proxy.

Gold stands for people: linear Bradley–Terry on the frozen features of the 135M model, from many labels. Proxy is what
the policy is trained on: a small transformer from few labels. Their labels are about different texts, so that what the
proxy gets wrong is its own mistake (L. Gao et al., 2023, "Scaling laws for reward model overoptimization", section 2.2,
the synthetic setup). Made in lesson 10, used in lesson 11. Rebuilt by

    python benchmarks/text_reward.py features proxy --ship

`climb` follows the reward model's own gradient (section 11.10). A text is a row of choices, and choices have no
gradient. But the reward model reads embeddings, and those are numbers: so let each place hold a *mixture* of all
tokens and climb. What comes out scores above every text of the policy; read as text again, by the heaviest token of
each place, it is a salad of words, which the reward model may like or not.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from course_lib.lm import features as pretrained_features
from course_lib.lm import reward_model, shipped
from course_lib.lm.features import FeatureSettings, places
from course_lib.lm.reward_model import FitConfig, LinearReward, RewardModel, fit_linear_reward
from course_lib.lm.tokenizers import Tokenizer
from course_lib.paths import root
from course_lib.preferences.human_ratings import (
    Comparisons,
    RatedText,
    rated_texts,
    sample_comparisons,
)
from course_lib.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint

GOLD_LABELS, PROXY_LABELS = 30_000, 3_000


def gold_texts() -> list[RatedText]:
    """The half of the training texts whose comparisons made gold."""
    return [text for text in rated_texts("train") if _half(text) == 0]


def proxy_texts() -> list[RatedText]:
    """The other half, whose comparisons may make a proxy."""
    return [text for text in rated_texts("train") if _half(text) == 1]


def gold_comparisons() -> tuple[list[RatedText], Comparisons]:
    """(texts, comparisons) that gold was fitted to."""
    texts = gold_texts()
    return texts, sample_comparisons(texts, GOLD_LABELS, seed=6)


def proxy_comparisons() -> tuple[list[RatedText], Comparisons]:
    """(texts, comparisons) that the proxy was fitted to; DPO learns from the same ones without it (lesson 14)."""
    texts = proxy_texts()
    return texts, sample_comparisons(texts, PROXY_LABELS, seed=7)


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
        """Rewards of any texts, (texts,). Raises as `lm.features.features` does."""
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
    return FitConfig(epochs=_epochs(labels), learning_rate=4e-4, seed=seed)


def from_scratch(labels: int, seed: int = 0) -> FitConfig:
    """How a new trunk is trained: the same, with a larger learning rate."""
    return FitConfig(epochs=_epochs(labels), learning_rate=1e-3, seed=seed)


def new_reward_model(seed: int = 0) -> tuple[RewardModel, shipped.Tokenizer]:
    """(an untrained head on the shipped BPE language model, its tokenizer)."""
    language_model = shipped.load_shipped(shipped.BPE)
    return RewardModel(language_model.model, seed), language_model.tokenizer


def _epochs(labels: int) -> int:
    return 8 if labels < 1_000 else 5 if labels < 3_000 else 3 if labels < 10_000 else 2


def _half(text: RatedText) -> int:
    return int(hashlib.sha256(text.text.lower().encode()).hexdigest()[-1], 16) % 2


@dataclass(frozen=True)
class Climb:
    """What following the gradient came to."""

    soft: list[float]           # the reward of the mixtures, after each step
    hard: list[float]           # of the text that reads the heaviest token at each place, after each step
    largest_share: float        # of the heaviest token of a place in the end, mean over places
    text: str                   # what can be read in the end


def reward_of_mixtures(model: RewardModel, mixtures: Tensor, eos: int) -> Tensor:
    """The model's reward of texts whose tokens are mixtures, (B,). mixtures: (B, T, V), each place sums to 1.

    With all weight on one token this is the reward of that text, `model(*pack(...))`.
    """
    trunk = model.trunk
    end = trunk.token_embedding.weight[eos].expand(len(mixtures), 1, -1)                    # (B, 1, C)
    x = torch.cat([end, mixtures @ trunk.token_embedding.weight, end], dim=1)               # (B, T + 2, C)
    x = x + trunk.position_embedding.weight[:x.shape[1]]
    for block in trunk.blocks:
        x = block(x)                                                                        # (B, T + 2, C)
    return model.head(trunk.norm(x)[:, -1]).squeeze(-1)                                     # (B,)


def climb(model: RewardModel, ids: list[int], tokenizer: Tokenizer, steps: int = 150, learning_rate: float = 0.3,
          first_share: float = 0.9) -> Climb:
    """Begin at the text `ids`, with `first_share` of the weight on its tokens, and follow the reward's gradient."""
    start = torch.full((1, len(ids), tokenizer.vocab_size), (1 - first_share) / (tokenizer.vocab_size - 1))
    start.scatter_(-1, torch.tensor(ids)[None, :, None], first_share)
    logits = start.log().requires_grad_(True)                                               # (1, T, V)
    optimizer = torch.optim.Adam([logits], lr=learning_rate)
    soft, hard = [], []
    for _ in range(steps):
        reward = reward_of_mixtures(model, logits.softmax(-1), tokenizer.eos).sum()
        logits.grad, = torch.autograd.grad(-reward, logits)             # of the text alone: the model stays as it is
        optimizer.step()
        soft.append(reward.item())
        hard.append(model.score([logits.argmax(-1)[0].tolist()], tokenizer.eos).item())
    shares = logits.detach().softmax(-1).amax(-1)
    return Climb(soft, hard, shares.mean().item(), tokenizer.decode(logits.argmax(-1)[0].tolist()))
