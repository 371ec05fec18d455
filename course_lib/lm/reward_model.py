"""Two reward models for text, fitted to labels with the Bradley–Terry loss. Lesson 10.

`LinearReward` is a weighted sum of features from a frozen language model (`features.py`): the only thing learned from
labels is which directions of what the model already knows people like. Sections 10.5 and 10.6.

`RewardModel` is a GPT with a scalar head in place of the table of words (section 10.8). It is read at the end token
behind the text, the first place from which all of the text can be seen (the attention looks back only). The trunk
starts from a trained language model, or from scratch. Used in lesson 11 as the proxy reward and as the first weights
of the value network. Sources: N. Stiennon et al. (2020), section 3.4, for the head on a language model; L. Ouyang et
al. (2022), equation 1.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from tqdm.auto import tqdm

from course_lib.errors import CourseError
from course_lib.lm.generate import TextReward
from course_lib.lm.gpt import GPT, GPTConfig
from course_lib.lm.tokenizers import Tokenizer
from course_lib.preferences.bradley_terry import bradley_terry_loss
from course_lib.preferences.human_ratings import Comparisons
from course_lib.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from course_lib.training.precision import products
from course_lib.training.run import NotFinite, gradient_step
from course_lib.training.schedules import triangle

L2 = 1.0        # the one pull for every number of labels: a belief about weights does not change with the evidence


@dataclass(frozen=True)
class LinearReward:
    """weights . (features - mean) / unit: a number a text."""

    weights: Tensor                 # (D,)
    mean: Tensor                    # (D,) of the features it was fitted on, labelled or not
    unit: Tensor                    # (D,) what each feature is divided by, so that all together vary by 1

    def rewards(self, features: Tensor) -> Tensor:
        """(..., D) -> (...): the reward of each text. Raises ValueError for another number of features."""
        if features.shape[-1] != len(self.weights):
            raise ValueError(f"this reward reads {len(self.weights)} features a text, not {features.shape[-1]}")
        return (features - self.mean) / self.unit @ self.weights


def fit_linear_reward(features: Tensor, comparisons: Comparisons, l2: float = L2, weight: Tensor | None = None,
                      loss: Callable[..., Tensor] = bradley_terry_loss, one_unit: bool = False) -> LinearReward:
    """Fit a linear reward to comparisons of the texts whose features are given.

    features: (texts, D), also of texts that no comparison names: their standard deviations are used, no label.
    l2: pull of every weight towards 0, in the units of the summed (not mean) loss, on features / unit.
    weight: (pairs,) how much each comparison counts; equal when None. loss: called as loss(r1, r2, mu, weight=...).
    one_unit: the features are places along directions of one space, such as principal components: a direction that
        hardly varies stays small. False gives each feature the same standard deviation, whatever its units.

    The problem is convex: L-BFGS finds the one optimum. Raises ValueError when there are no comparisons, when features
    are not finite, or when the loss is not.
    """
    if len(comparisons) == 0:
        raise ValueError("there are no comparisons to learn from")
    if not torch.isfinite(features).all():
        raise ValueError("some features are not finite numbers")
    mean, std = features.mean(dim=0), features.std(dim=0).clamp(min=1e-6)              # (D,) each
    unit = std.square().sum().sqrt().expand(len(mean)) if one_unit else std * len(mean) ** 0.5
    used, position = torch.unique(torch.stack([comparisons.first, comparisons.second]), return_inverse=True)
    known = (features[used] - mean) / unit                                                # (used texts, D)
    weights = torch.zeros(features.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=60, line_search_fn="strong_wolfe")
    options = {} if weight is None else {"weight": weight}
    total = len(comparisons) if weight is None else weight.sum().item()

    def closure() -> Tensor:
        optimizer.zero_grad()
        rewards = known @ weights                                                         # (used texts,)
        pull = l2 / total * weights.square().sum() / 2
        objective = loss(rewards[position[0]], rewards[position[1]], comparisons.mu, **options) + pull
        if not torch.isfinite(objective):
            raise ValueError("the loss is not a finite number; look at the comparisons and at the loss function")
        objective.backward()
        return objective

    optimizer.step(closure)
    return LinearReward(weights.detach(), mean, unit.clone())


def rewards_at_the_end(scores: Tensor, lengths: Tensor) -> Tensor:
    """The score at each text's last real token, (B,). Exercise 10.2.

    scores: (B, T) the head's number at every token. lengths: (B,) how many tokens of each row are no padding. Read in
    the padding, the same text would get another reward in a longer batch.
    """
    return scores[torch.arange(len(scores)), lengths - 1]


class RewardModel(nn.Module):
    """A GPT trunk and a head of one number a position.

    read: takes the place of `rewards_at_the_end`, for instance the learner's own of exercise 10.2.
    """

    def __init__(self, trunk: GPT, seed: int = 0, read: Callable[[Tensor, Tensor], Tensor] = rewards_at_the_end):
        super().__init__()
        self.trunk, self.read = trunk, read
        self.head = nn.Linear(trunk.config.width, 1)
        nn.init.normal_(self.head.weight, std=0.02, generator=torch.Generator().manual_seed(seed))
        nn.init.zeros_(self.head.bias)

    def at_each_token(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T): the head at every position; what a value network needs in lesson 11."""
        return self.head(self.trunk.hidden(tokens)).squeeze(-1)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Rewards, (B,). tokens: (B, T), padded behind the text; lengths: (B,) tokens of each row that are real."""
        return self.read(self.at_each_token(tokens), lengths)

    @torch.no_grad()
    def score(self, ids: Sequence[Sequence[int]], eos: int, batch_size: int = 64) -> Tensor:
        """Rewards of texts given as token ids without end tokens, (texts,); batches of nearly one length."""
        rewards = torch.empty(len(ids))
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        for start in range(0, len(ids), batch_size):
            some = order[start:start + batch_size]
            rewards[some] = self(*pack([ids[i] for i in some], eos, self.trunk.config.context)).float()
        return rewards

    def rewards(self, texts: Sequence[str], tokenizer: Tokenizer) -> Tensor:
        """Rewards of texts, (texts,). Raises TypeError for one text in place of a list of texts."""
        if isinstance(texts, str):
            raise TypeError("texts is a list of texts; put a single text in brackets: [text]")
        return self.score(tokenizer.encode_batch(texts), tokenizer.eos)


def pack(ids: Sequence[Sequence[int]], eos: int, context: int) -> tuple[Tensor, Tensor]:
    """(tokens, lengths): rows of end token, text, end token, filled up behind with end tokens.

    tokens: (B, T) int64. lengths: (B,) int64, up to and including the end token that closes each text; of a text that
    is longer than the context allows, the first `context` - 2 tokens are kept.
    """
    rows = [[eos, *list(one)[:context - 2], eos] for one in ids]
    lengths = torch.tensor([len(row) for row in rows])                              # (B,)
    tokens = torch.full((len(rows), int(lengths.max())), eos)                       # (B, T)
    for place, row in enumerate(rows):
        tokens[place, :len(row)] = torch.tensor(row)
    return tokens, lengths


@dataclass(frozen=True)
class ScaledReward:
    """(reward - mean) / std; called with texts as any reward is."""

    reward: TextReward
    mean: float
    std: float

    @classmethod
    def on(cls, reward: TextReward, texts: Sequence[str]) -> "ScaledReward":
        """Scaled so that `texts`, usually the starting model's, get mean 0, std 1. ValueError if all are equal."""
        scores = reward(texts)
        mean, std = scores.mean().item(), scores.std().item()
        if not std > 0:
            raise ValueError(f"the reward says the same of all {len(texts)} texts: there is nothing to scale by")
        return cls(reward, mean, std)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Rewards of whole texts, (texts,)."""
        return self.scaled(self.reward(texts))

    def scaled(self, scores: Tensor) -> Tensor:
        """The reward's own scores, brought to this zero point and unit; any shape."""
        return (scores - self.mean) / self.std


@dataclass(frozen=True)
class FitConfig:
    """How a reward model is trained. The defaults are those of lesson 10 for a trunk that is a language model."""

    epochs: int = 3                     # times that every comparison is seen
    batch_size: int = 32                # pairs a step
    learning_rate: float = 4e-4         # AdamW's, at its height; 1e-3 for a trunk from scratch
    warmup_steps: int = 10              # gradient steps of a rising learning rate; then it falls in a line to 5%
    weight_decay: float = 0.05
    max_grad_norm: float = 1.0
    bfloat16: bool | None = None        # products in 16-bit numbers; None: where the processor is quick with them
    seed: int = 0                       # of the order of the comparisons


def fit_reward_model(model: RewardModel, ids: Sequence[Sequence[int]], eos: int, comparisons: Comparisons,
                     config: FitConfig | None = None, weight: Tensor | None = None,
                     loss: Callable[..., Tensor] = bradley_terry_loss) -> list[float]:
    """Train `model` in place on comparisons of the texts `ids`; returns the loss of every step, in nats.

    weight: (pairs,) how much each comparison counts; equal when None. loss: called as loss(r1, r2, mu), and with
    `weight` when there are weights.

    Raises ValueError when there are no comparisons; CourseError, naming the step, when the loss is not finite.
    """
    if len(comparisons) == 0:
        raise ValueError("there are no comparisons to learn from")
    config = config or FitConfig()
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    order = torch.Generator().manual_seed(config.seed)
    batches = [some for _ in range(config.epochs)
               for some in torch.randperm(len(comparisons), generator=order).split(config.batch_size)]
    scheduler = LambdaLR(optimizer, triangle(len(batches), config.warmup_steps, final=0.05))
    losses = []
    model.train()
    for step, some in enumerate(tqdm(batches, desc="fitting", unit="step", leave=False)):
        pairs = torch.cat([comparisons.first[some], comparisons.second[some]])      # (2 * pairs,)
        tokens, lengths = pack([ids[i] for i in pairs.tolist()], eos, model.trunk.config.context)
        with products(config.bfloat16):
            r1, r2 = model(tokens, lengths).float().chunk(2)                        # (pairs,) each
        options = {} if weight is None else {"weight": weight[some]}
        batch_loss = loss(r1, r2, comparisons.mu[some], **options)
        try:
            gradient_step(batch_loss, model, optimizer, max_grad_norm=config.max_grad_norm)
        except NotFinite as error:
            raise CourseError(f"{error.what}, at step {step} of {len(batches)}. The learning rate is probably too high "
                              f"({config.learning_rate}): begin again with a fresh model and a third of it.") from error
        scheduler.step()
        losses.append(batch_loss.item())
    model.eval()
    return losses


def save_reward_model(path: Path, model: RewardModel, facts: dict) -> None:
    """Write the model in half precision, and how it was made. Raises CourseError when that fails."""
    save_checkpoint(path, {"config": asdict(model.trunk.config), "facts": facts,
                           "weights": {name: weight.half() for name, weight in model.state_dict().items()}})


def load_reward_model(path: Path) -> tuple[RewardModel, dict]:
    """(model, how it was made) from what `save_reward_model` wrote. Raises CheckpointError when it cannot be used."""
    state = load_checkpoint(path)
    try:
        model = RewardModel(GPT(GPTConfig(**state["config"])))
        model.load_state_dict(state["weights"])
        return model.eval(), state["facts"]
    except (KeyError, TypeError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{Path(path).name} holds no reward model of this course ({type(error).__name__}). Train "
                              "one again, or get the shipped file back with `git checkout`.") from error
