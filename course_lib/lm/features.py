"""Features of texts from a frozen pretrained model: the inputs of lesson 10's reward model. Section 10.5.

The model reads the text and then "Sentiment:", and is stopped there: its upper layers at that last token hold what it
was about to say. No weight is changed, so each text is read once, and every reward model after that costs a second.
Sixteen-bit numbers, and batches of texts of nearly the same length, so that next to nothing is padding.

The full features (1,728 numbers a text) of all 23,703 rated texts take minutes to make and 80 MB to keep. The shipped
file holds their principal components and each text's place along them, rounded to whole steps: a hundred or two small
numbers a text, under 2 MB in all. What that costs in accuracy is measured in benchmarks/text_reward.py. No text is in
the file, nor can one be read out of it: a row is a rounded average of what the model would say next. Rows are found by
a text's domain and number, so the texts themselves must be fetched. Rebuilt by

    python benchmarks/text_reward.py features --ship

Sources: A. Radford, R. Jozefowicz, I. Sutskever (2017), "Learning to generate reviews and discovering sentiment", a
linear model on the states of a frozen language model; G. Alain and Y. Bengio (2016), for layers as features.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from course_lib.atomic import in_a_sentence, write_bytes
from course_lib.errors import CourseError
from course_lib.lm.pretrained import RECIPE, load_pretrained, load_tokenizer
from course_lib.paths import cache, root
from course_lib.preferences.human_ratings import RatedText, load_rated_texts
from course_lib.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from course_lib.training.precision import in_bfloat16

if TYPE_CHECKING:
    from transformers import LlamaModel, PreTrainedTokenizerBase

    Reader = tuple[LlamaModel, PreTrainedTokenizerBase]

PART = 512                          # texts whose features are kept together; a stopped run loses fewer than that


@dataclass(frozen=True)
class FeatureSettings:
    """How a text is read. The features are the named states, one after the other, 576 numbers each."""

    cue: str = "\nSentiment:"               # stands behind each text; the last token is its colon
    last_of: tuple[int, ...] = (24, 30)     # layers whose state at the last token is taken; 30 is the top
    mean_of: tuple[int, ...] = (20,)        # layers whose states are averaged over all tokens
    max_tokens: int = 160                   # of a longer text the first ones are read
    batch_size: int = 16                    # texts at once; 48 were slower (a processor's caches are small)
    bfloat16: bool | None = None            # read in 16-bit numbers; None: where the processor is quick with them


def features(texts: Sequence[str], settings: FeatureSettings | None = None, progress: bool = True,
             reader: "Reader | None" = None) -> Tensor:
    """Features of texts, (texts, D) float32, D = 576 x the number of states: 1,728 by default. Nothing is kept.

    reader: (transformers' model without its last table, its tokenizer) that reads, for whoever holds one already; it
    reads in its own precision. None: the frozen model, loaded once and kept for the process.
    Raises TypeError for one text in place of a list, CourseError when there is none or one is empty, AssetError when
    the model cannot be had.
    """
    _check(texts)
    settings = settings or FeatureSettings()
    order = _by_length(texts)
    rows = torch.empty(len(texts), _width(settings))
    with tqdm(total=len(texts), desc="reading", unit="text", disable=not progress) as bar:
        for some, found in _read(texts, order, settings, reader):
            rows[some] = found
            bar.update(len(some))
    return rows


def cached_features(texts: Sequence[str], settings: FeatureSettings | None = None) -> Tensor:
    """`features`, kept in the cache in parts of 512 texts: a second call reads them, a stopped one goes on.

    The cache is named by a hash of the texts, the settings and the model: other texts are never mistaken for these. A
    damaged part is made again. Raises as `features` does, and CourseError when the cache cannot be written.
    """
    _check(texts)
    settings = settings or FeatureSettings()
    folder, order = cache_folder(texts, settings), _by_length(texts)
    rows = torch.empty(len(texts), _width(settings))
    with tqdm(total=len(texts), desc="reading with the pretrained model", unit="text") as bar:
        for start in range(0, len(texts), PART):
            some = order[start:start + PART]
            kept = _kept(folder / f"part-{start // PART:03d}.pt", (len(some), rows.shape[1]))
            if kept is None:
                kept = torch.empty(len(some), rows.shape[1], dtype=torch.float16)
                place = {text: position for position, text in enumerate(some)}
                for few, found in _read(texts, some, settings):
                    kept[[place[text] for text in few]] = found.half()
                    bar.update(len(few))
                _check_finite(kept)
                save_checkpoint(folder / f"part-{start // PART:03d}.pt", {"features": kept})
            else:
                bar.update(len(some))
            rows[some] = kept.float()
    return rows


def asked_outright(rows: Tensor, yes: str = " positive", no: str = " negative") -> Tensor:
    """What the model itself was about to say after the cue, (texts,): the logit of `yes` minus that of `no`.

    rows: (texts, D) features whose last 576 numbers are the top layer at the last token, as by default. No label, no
    training: a reward before the first label. Each word must be one token (ValueError).
    """
    tokenizer = load_tokenizer()
    tokens = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in (yes, no)]
    if any(len(token) != 1 for token in tokens):
        raise ValueError(f"{yes!r} and {no!r} must be one token each; they are {tokens}")
    table = load_pretrained().lm_head.weight.detach().float()                             # (V, 576)
    return rows[:, -table.shape[1]:] @ (table[tokens[0][0]] - table[tokens[1][0]])


def cache_folder(texts: Sequence[str], settings: FeatureSettings) -> Path:
    """Where `cached_features` keeps the features of these texts."""
    identity = json.dumps([RECIPE, asdict(settings), list(texts)])
    return cache() / "pretrained-features" / hashlib.sha256(identity.encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _model(dtype: torch.dtype):
    """The frozen model without its last table, and its tokenizer; kept for the process."""
    model = load_pretrained(dtype).model
    model.requires_grad_(False)
    return model, load_tokenizer()


def _read(texts: Sequence[str], order: Sequence[int], settings: FeatureSettings,
          reader: "Reader | None" = None) -> Iterator[tuple[list[int], Tensor]]:
    """Batches of (positions in `texts`, their features), in the given order."""
    model, tokenizer = reader or _model(torch.bfloat16 if in_bfloat16(settings.bfloat16) else torch.float32)
    cue = tokenizer(settings.cue, add_special_tokens=False)["input_ids"]
    for start in range(0, len(order), settings.batch_size):
        some = list(order[start:start + settings.batch_size])
        encoded = tokenizer([texts[i] for i in some], add_special_tokens=False)["input_ids"]
        yield some, _states(model, [ids[:settings.max_tokens] + cue for ids in encoded], settings)


@torch.inference_mode()
def _states(model, ids: Sequence[list[int]], settings: FeatureSettings) -> Tensor:
    """The states that `settings` names, side by side, (B, D) float32, of B token lists."""
    lengths = torch.tensor([len(one) for one in ids])                                     # (B,)
    tokens = torch.zeros(len(ids), int(lengths.max()), dtype=torch.long)                  # (B, T), padded at the end
    for row, one in zip(tokens, ids, strict=True):
        row[:len(one)] = torch.tensor(one)
    real = torch.arange(tokens.shape[1]) < lengths[:, None]                               # (B, T)
    states = model(input_ids=tokens, attention_mask=real.long(), output_hidden_states=True,
                   use_cache=False).hidden_states                                         # 31 x (B, T, 576)
    rows, last = torch.arange(len(ids)), lengths - 1
    means = [(states[layer].float() * real[..., None]).sum(dim=1) / lengths[:, None] for layer in settings.mean_of]
    ends = [states[layer][rows, last].float() for layer in settings.last_of]              # (B, 576) each
    return torch.cat([*means, *ends], dim=1)                                              # (B, D)


def _kept(path: Path, shape: tuple[int, int]) -> Tensor | None:
    """The features in this file, (texts, D) float16; None when it is missing, damaged or holds something else."""
    try:
        kept = load_checkpoint(path)["features"]
    except (CheckpointError, KeyError):
        return None
    return kept if kept.shape == shape and torch.isfinite(kept).all() else None


def _check(texts: Sequence[str]) -> None:
    if isinstance(texts, str):
        raise TypeError("texts is a list of texts; put a single text in brackets: [text]")
    if not texts:
        raise CourseError("There is no text to read: give at least one.")
    if empty := [place for place, text in enumerate(texts) if not text.strip()]:
        raise CourseError(f"Text {empty[0]} of the list is empty, and so are {len(empty) - 1} others; leave them out.")


def _check_finite(rows: Tensor) -> None:
    if not torch.isfinite(rows).all():
        raise CourseError("The pretrained model gave numbers that are not finite. Delete its folder in the cache "
                          "(pretrained-135m-converted); it is made again on the next call.")


def _by_length(texts: Sequence[str]) -> list[int]:
    """Positions of the texts from short to long, so that a batch holds texts of nearly one length."""
    return sorted(range(len(texts)), key=lambda i: (len(texts[i]), i))


def _width(settings: FeatureSettings) -> int:
    return 576 * (len(settings.last_of) + len(settings.mean_of))


LIMIT = 127                         # a place is a whole number of steps from -127 to 127: one byte


@dataclass(frozen=True)
class Reduction:
    """Which directions of the full features are kept: row @ components, after each feature is standardized."""

    mean: Tensor                    # (D,) of the full features over all rated texts
    std: Tensor                     # (D,) their standard deviations
    components: Tensor              # (D, k) orthogonal directions, the one that varies most first
    step: float                     # places are rounded to multiples of this
    settings: FeatureSettings       # how the full features were made

    def reduce(self, features: Tensor) -> Tensor:
        """(texts, D) full features, of any texts -> (texts, k), rounded as the shipped ones are."""
        places = (features - self.mean) / self.std @ self.components
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
    mean, std = features.mean(dim=0).half().float(), features.std(dim=0).half().float().clamp(min=1e-3)
    known = (features - mean) / std
    _, vectors = torch.linalg.eigh(known.T @ known / len(known))                          # ascending
    components = vectors.flip(1)[:, :directions]                                          # (D, k)
    scale = components.abs().max(dim=0).values / LIMIT
    return Reduction(mean, std, (components / scale).round() * scale, step, settings)


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
        mean=reduction.mean.half().numpy(), spread=reduction.std.half().numpy(),   # the shipped key
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
