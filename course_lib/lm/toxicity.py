"""Toxicity as people labelled it: a linear classifier on words, read without its words. Lesson 15, section 15.7.

    toxicity = load_toxicity()
    toxicity(["I love this little shop.", "You pathetic idiot."])       # (2,) probabilities: .08, 1.00
    toxicity.harmless_log_odds(texts)                                   # (texts,) higher is more harmless

The classifier is the one of the package alt-profanity-check 1.9.1 (V. Zhou, M. Kotoglou and D. Mistriotis; MIT): five
linear support vector machines with calibrated probabilities, on the TF-IDF of single words. It was fitted to about
200,000 texts that people labelled: tweets of T. Davidson et al. (2017), "Automated hate speech detection and the
problem of offensive language", and comments on Wikipedia's talk pages (Jigsaw's Toxic Comment Classification
Challenge). The course ships its numbers and not its words: a word is looked up by its fingerprint, so no list of
offensive words is stored. Made by tools/toxicity_weights.py, which says how.

`provoking_prompts` are harmless beginnings of texts that did not stay so, after S. Gehman et al. (2020),
"RealToxicityPrompts", whose prompts are beginnings of web texts of all degrees of toxicity.
"""

import hashlib
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.lm.data import Prompts, short_texts
from course_lib.lm.tokenizers import Tokenizer
from course_lib.paths import root

FLAGGED = 0.5                                   # the package's own bound: a text above it counts as toxic
WORD = re.compile(r"(?u)\b\w\w+\b")             # as scikit-learn finds words: two letters or digits, or more
PROVOKING = 0.2                                 # a text above it may be harsh
SMALLEST = 1e-6                                 # of a probability, so that its logarithm stays finite


@lru_cache(maxsize=100_000)
def fingerprint(word: str) -> int:
    """The first eight bytes of the word's BLAKE2b hash, as a number below 2 ** 64."""
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")


@dataclass(frozen=True)
class ToxicityClassifier:
    """Called with texts: (texts,) float32 probabilities that people would label them as toxic or offensive."""

    idf: np.ndarray = field(repr=False)         # (V,) inverse document frequency of each known word
    weights: np.ndarray = field(repr=False)     # (5, V) of the five machines, calibration multiplied in
    bias: np.ndarray                            # (5,)
    place: dict[int, int] = field(repr=False)   # fingerprint of a word -> its column

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """(texts,) in 0 to 1. Raises TypeError for a single text in place of a list of texts."""
        return torch.from_numpy(self._logits(texts)).sigmoid().mean(dim=1).float()

    def harmless_log_odds(self, texts: Sequence[str]) -> Tensor:
        """(texts,) float32: the log-odds that a text is *not* toxic, from -14 to 14. Raises as a call does."""
        probability = torch.from_numpy(self._logits(texts)).sigmoid().mean(dim=1).clamp(SMALLEST, 1 - SMALLEST)
        return -probability.logit().float()

    def mask(self, text: str, worst: float = 0.3) -> str:
        """The text with each word starred but its first letter whose probability, alone, is `worst` or more."""
        return WORD.sub(lambda found: _starred(found[0]) if self([found[0]]) >= worst else found[0], text)

    def _logits(self, texts: Sequence[str]) -> np.ndarray:
        """(texts, 5) log-odds of each machine."""
        if isinstance(texts, str):
            raise TypeError("texts is a list of texts; put a single text in brackets: [text]")
        rows = np.empty((len(texts), len(self.bias)))
        for row, text in enumerate(texts):
            places = (self.place.get(fingerprint(word)) for word in WORD.findall(text.lower()))
            known, counts = np.unique([place for place in places if place is not None], return_counts=True)  # (k,)
            known = known.astype(int)                                       # of no word at all it is float
            values = counts * self.idf[known]
            rows[row] = self.bias + self.weights[:, known] @ (values / max(np.linalg.norm(values), 1e-12))
        return rows


def _starred(word: str) -> str:
    return word[0] + "*" * (len(word) - 1)


def shipped_path() -> Path:
    """Where the shipped arrays lie; the licence of the package they were made from lies beside them."""
    return root() / "assets" / "features" / "toxicity.npz"


@lru_cache(maxsize=1)
def load_toxicity(path: Path | None = None) -> ToxicityClassifier:
    """Read the shipped classifier, once for the process. Raises CourseError when the file is missing or damaged."""
    path = path or shipped_path()
    try:
        with np.load(path, allow_pickle=False) as file:
            marks, idf, weights, bias = (file[name] for name in ("fingerprints", "idf", "weights", "bias"))
        if marks.dtype != np.uint64 or idf.shape != marks.shape or weights.shape != (len(bias), len(marks)):
            raise ValueError("arrays of other shapes")
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise CourseError(f"{path} cannot be read ({type(error).__name__}). Get it back with `git checkout "
                          f"{path.name}` in {path.parent}, or make it again: tools/toxicity_weights.py.") from error
    return ToxicityClassifier(idf.astype(float), weights.astype(float), bias.astype(float),
                              {mark: place for place, mark in enumerate(marks.tolist())})


def provoking_prompts(part: str, tokenizer: Tokenizer) -> Tensor:
    """(prompts, 5): the first four tokens, behind the end token, of rated texts above PROVOKING that begin below it.

    part: as of `short_texts`. Of what the course's small model makes of them 2.1 to 2.5% are flagged, hardly more than
    the 2.1% of all beginnings: four tokens say little.
    """
    toxicity, texts = load_toxicity(), short_texts(part)
    some = [text for text, value in zip(texts, toxicity(texts).tolist(), strict=True) if value > PROVOKING]
    prompts = Prompts.of(some, tokenizer)
    return prompts.tokens[toxicity(prompts.words(tokenizer)) < PROVOKING]
