"""The features of all 23,703 rated texts, small enough to ship: what lesson 09 opens with.

The full features (1,728 numbers a text) take minutes to make and 80 MB to keep. The shipped file holds the directions
in which they differ most (principal components) and each text's place along them, rounded to whole steps: a hundred or
two small numbers a text, under 2 MB in all. What that costs in accuracy is measured in benchmarks/text_reward.py.

No text is in the file, nor can one be read out of it: a row is a rounded average of what the model would say next.
Rows are found by a text's domain and number, so the texts themselves must be fetched. Rebuilt by

    python benchmarks/text_reward.py features --ship

Taught in lesson 09, section 9.5.
"""

import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_lib.atomic import in_a_sentence, write_bytes
from course_lib.errors import CourseError
from course_lib.lm.pretrained_features import FeatureSettings
from course_lib.paths import root
from course_lib.preferences.human_ratings import RatedText, load_rated_texts

LIMIT = 127                         # a place is a whole number of steps from -127 to 127: one byte


@dataclass(frozen=True)
class Reduction:
    """Which directions of the full features are kept: row @ components, after bringing each feature to spread 1."""

    mean: Tensor                    # (D,) of the full features over all rated texts
    spread: Tensor                  # (D,) their standard deviations
    components: Tensor              # (D, k) orthogonal directions, the one that varies most first
    step: float                     # places are rounded to multiples of this
    settings: FeatureSettings       # how the full features were made

    def reduce(self, features: Tensor) -> Tensor:
        """(texts, D) full features, of any texts -> (texts, k), rounded as the shipped ones are."""
        places = (features - self.mean) / self.spread @ self.components
        return (places / self.step).round().clamp(-LIMIT, LIMIT) * self.step


@dataclass(frozen=True)
class ReducedFeatures:
    """The shipped features, and the way from a new text's full features to such a row."""

    rows: Tensor                    # (all rated texts, k) float32, in the order of load_rated_texts
    asked: Tensor                   # (all rated texts,) what the model says when asked outright, without any label
    reduction: Reduction

    def of(self, texts: Sequence[RatedText]) -> Tensor:
        """Rows of these rated texts, (texts, k), found by domain and number."""
        return self.rows[places(texts)]

    def asked_of(self, texts: Sequence[RatedText]) -> Tensor:
        """`asked_outright` for these rated texts, (texts,)."""
        return self.asked[places(texts)]


def fit_reduction(features: Tensor, directions: int, step: float, settings: FeatureSettings) -> Reduction:
    """Principal components of (texts, D) full features. No rating is looked at.

    Components are kept in eight bits each: what is used afterwards is exactly what is shipped.
    """
    mean, spread = features.mean(dim=0).half().float(), features.std(dim=0).half().float().clamp(min=1e-3)
    known = (features - mean) / spread
    _, vectors = torch.linalg.eigh(known.T @ known / len(known))                          # ascending
    components = vectors.flip(1)[:, :directions]                                          # (D, k)
    scale = components.abs().max(dim=0).values / LIMIT
    return Reduction(mean, spread, (components / scale).round() * scale, step, settings)


def save_reduced(path: Path, features: Tensor, asked: Tensor, reduction: Reduction) -> None:
    """Write the rows of all rated texts, whole or not at all. Raises CourseError when the file cannot be written.

    features: (texts, D) of all rated texts in their order. asked: (texts,) what `asked_outright` makes of them.
    """
    codes = (reduction.reduce(features) / reduction.step).round().to(torch.int8)          # (texts, k)
    scale = reduction.components.abs().max(dim=0).values / LIMIT
    facts = {"texts": _identity(), "step": reduction.step, "settings": asdict(reduction.settings)}
    content = BytesIO()
    np.savez_compressed(
        content, codes=codes.T.contiguous().numpy(), asked=asked.half().numpy(), scale=scale.numpy(),
        mean=reduction.mean.half().numpy(), spread=reduction.spread.half().numpy(),
        facts=np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8),
        components=(reduction.components / scale).round().to(torch.int8).T.contiguous().numpy())
    with in_a_sentence(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content.getvalue())


def shipped_path() -> Path:
    """Where the shipped features lie."""
    return root() / "assets" / "features" / "rated_texts_135m.npz"


def load_reduced(path: Path | None = None) -> ReducedFeatures:
    """Read the shipped features. Raises CourseError when the file is missing, damaged, or made for other texts."""
    path = path or shipped_path()
    back = f"Get it back with `git checkout {path.name}` in {path.parent}, or rebuild it: benchmarks/text_reward.py."
    try:
        with np.load(path, allow_pickle=False) as file:
            facts = json.loads(bytes(file["facts"]))
            settings = {name: tuple(value) if isinstance(value, list) else value
                        for name, value in facts["settings"].items()}
            numbers = {name: torch.from_numpy(file[name].astype(np.float32))
                       for name in ("codes", "asked", "mean", "spread", "scale", "components")}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise CourseError(f"{path} cannot be read ({type(error).__name__}). {back}") from error
    if facts["texts"] != _identity():
        raise CourseError(f"{path.name} was made for other texts than the rated ones that the course fetched. {back}")
    components = numbers["components"].T * numbers["scale"]                               # (D, k)
    reduction = Reduction(numbers["mean"], numbers["spread"].clamp(min=1e-3), components, facts["step"],
                          FeatureSettings(**settings))
    return ReducedFeatures(numbers["codes"].T * facts["step"], numbers["asked"], reduction)


def places(texts: Sequence[RatedText]) -> list[int]:
    """Where these rated texts stand in the order of load_rated_texts, found by domain and number."""
    return [_places()[text.domain, text.number] for text in texts]


@lru_cache(maxsize=1)
def _places() -> dict[tuple[str, str], int]:
    return {(text.domain, text.number): place for place, text in enumerate(load_rated_texts())}


@lru_cache(maxsize=1)
def _identity() -> str:
    """A hash of all rated texts in their order."""
    return hashlib.sha256("\n".join(text.text for text in load_rated_texts()).encode()).hexdigest()
