"""Real human ratings: rated short texts, the fixed way in which ratings become comparisons, and a table of choices.

About 23,700 tweets, and sentences from film reviews, product reviews and editorials. Each was rated by 15 to 29 people
(a thousand of the tweets by more than 90) from -4 (extremely negative) to 4 (extremely positive), and every single
rating is kept: these people disagree.

The protocol, the same in every lesson (03, 09, 10, 11):

1. A text belongs to train, validation or test for ever (70 / 10 / 20 percent), by a hash of its words: copies of a text
   fall into the same part. Models learn from train, settings are chosen on validation, test only reports.
2. A comparison draws two texts, and of each text one of its raters. Whoever rated higher wins. The two ratings come
   from two people who saw one text each: nobody compared the two side by side, and this is noisier.
3. Equal ratings are dropped from these pairs (lesson 03 looks at ties on their own).

Source: C. J. Hutto and E. Gilbert (2014), "VADER: A parsimonious rule-based model for sentiment analysis of social
media text", ICWSM-14. Taught in lesson 03, section 3.6; `rating_gaps`, a measure of how sure a comparison is, in 10.7.

The table: from September 2004 to March 2005 forty listeners in a laboratory heard short excerpts of Beethoven,
Rachmaninov, Steely Dan and Sting through eight reproduction modes, two at a time, and said which they preferred: 783
runs of all 28 pairs, 21,924 choices. Source of the counts: S. Choisel and F. Wickelmaier (2007), "Evaluation of
multichannel reproduced sound: Scaling auditory attributes underlying listener preference", Journal of the Acoustical
Society of America 121, 388–400; the data are distributed as `SoundQuality` with the R package psychotools. Taught in
lesson 03, sections 3.1 to 3.4.
"""

import ast
import hashlib
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_lib import assets
from course_lib.errors import CourseError

DOMAINS = {"tweets": "tweets", "movies": "movieReviewSnippets", "products": "amazonReviewSnippets",
           "editorials": "nytEditorialSnippets"}
PARTS = ("train", "validation", "test")
FETCH_AGAIN = "Delete the folder and run `course assets`, which fetches it again."


@dataclass(frozen=True)
class RatedText:
    """One text and what each of its raters thought of it."""

    domain: str                     # one of DOMAINS
    number: str                     # the text's number within its domain
    text: str
    ratings: tuple[int, ...]        # one a rater, -4 to 4; who gave which is unknown

    @property
    def mean(self) -> float:
        """Mean of the ratings, in [-4, 4]."""
        return sum(self.ratings) / len(self.ratings)


@dataclass(frozen=True)
class Comparisons:
    """Pairs of texts with the preference of one sampled rater each. All tensors have the shape (pairs,)."""

    first: Tensor                   # int64 index into the list of texts
    second: Tensor                  # int64 index into the list of texts
    mu: Tensor                      # float32, 1 the first won, 0 the second
    first_rater: Tensor             # int64 which rating of the first text was drawn
    second_rater: Tensor            # int64 which rating of the second text was drawn

    def __len__(self) -> int:
        return len(self.mu)


@lru_cache(maxsize=1)
def load_rated_texts() -> tuple[RatedText, ...]:
    """All rated texts, in a fixed order. Fetches the data when it is missing.

    Raises CourseError when the data cannot be had or cannot be read.
    """
    folder = assets.path("human-ratings")
    return tuple(text for domain, stem in DOMAINS.items() for text in _read_domain(folder, domain, stem))


def _read_domain(folder: Path, domain: str, stem: str) -> list[RatedText]:
    ratings = _read_ratings(folder / f"{stem}_anonDataRatings.txt")
    texts = []
    for line in _lines(folder / f"{stem}_GroundTruth.txt"):
        number, _, raw = (line.split("\t") + ["", ""])[:3]
        text = re.sub(r"\s+", " ", html.unescape(raw)).strip()
        if text and number in ratings:
            texts.append(RatedText(domain, number, text, ratings[number]))
    if not texts:
        raise CourseError(f"No rated text was found in the {domain} files of {folder}. {FETCH_AGAIN}")
    return texts


def _read_ratings(file: Path) -> dict[str, tuple[int, ...]]:
    """All ratings of each text, by the text's number: the first and the fourth of a line's fields."""
    ratings = {}
    for count, line in enumerate(_lines(file), start=1):
        fields = line.split("\t")
        if len(fields) < 4:
            continue
        try:
            marks = ast.literal_eval(fields[3])
        except (ValueError, SyntaxError):
            marks = None
        if not (isinstance(marks, list) and len(marks) > 1 and all(mark in range(-4, 5) for mark in marks)):
            raise CourseError(f"{file}, line {count}: two or more ratings from -4 to 4 belong here. {FETCH_AGAIN}")
        ratings[fields[0]] = tuple(marks)
    return ratings


def _lines(file: Path) -> list[str]:
    try:
        return [line.rstrip("\r") for line in file.read_text(encoding="utf-8-sig").split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"{file} cannot be read ({error}). {FETCH_AGAIN}") from error


def part_of(text: str) -> str:
    """"train", "validation" or "test": fixed by the words of the text, so that copies never cross the line."""
    words = re.sub(r"\W+", " ", text.lower()).strip()
    bucket = int(hashlib.sha256(words.encode()).hexdigest(), 16) % 10
    return "test" if bucket < 2 else "validation" if bucket == 2 else "train"


def rated_texts(part: str, domain: str | None = None) -> list[RatedText]:
    """The texts of one part, of one domain or (None) of all four.

    Raises ValueError for a part or a domain that does not exist.
    """
    if part not in PARTS:
        raise ValueError(f"part is one of {', '.join(PARTS)}, not {part!r}")
    if domain is not None and domain not in DOMAINS:
        raise ValueError(f"domain is one of {', '.join(DOMAINS)}, or None for all, not {domain!r}")
    return [text for text in load_rated_texts() if domain in (None, text.domain) and part_of(text.text) == part]


def sample_comparisons(texts: Sequence[RatedText], count: int, seed: int) -> Comparisons:
    """Draw `count` comparisons among `texts`: two texts, one rater of each, equal ratings dropped and drawn again.

    Raises ValueError when fewer than two texts are given, or when all ratings are equal.
    """
    if len({rating for text in texts for rating in text.ratings}) < 2 or len(texts) < 2:
        raise ValueError("comparisons need at least two texts with different ratings")
    rng = np.random.default_rng(seed)
    raters = np.array([len(text.ratings) for text in texts])
    starts = np.concatenate([[0], raters.cumsum()[:-1]])
    ratings = np.concatenate([text.ratings for text in texts])
    kept = np.empty((0, 4), dtype=np.int64)
    while len(kept) < count:
        first, second = rng.integers(len(texts), size=(2, 2 * count + 16))
        first_rater, second_rater = rng.integers(raters[first]), rng.integers(raters[second])
        decided = ratings[starts[first] + first_rater] != ratings[starts[second] + second_rater]
        drawn = np.stack([first, second, first_rater, second_rater], axis=1)[decided & (first != second)]
        kept = np.concatenate([kept, drawn])[:count]
    first, second, first_rater, second_rater = (torch.from_numpy(column.copy()) for column in kept.T)
    won = ratings[starts[kept[:, 0]] + kept[:, 2]] > ratings[starts[kept[:, 1]] + kept[:, 3]]
    return Comparisons(first, second, torch.from_numpy(won).float(), first_rater, second_rater)


EVALUATIONS = {"validation": (4_000, 1), "test": (6_000, 2)}      # number of pairs, seed


def evaluation_comparisons(part: str, domain: str | None = None) -> tuple[list[RatedText], Comparisons]:
    """The pairs on which every model of the course is compared: (texts, comparisons) of "validation" or "test".

    Raises ValueError for another part or a domain that does not exist.
    """
    if part not in EVALUATIONS:
        raise ValueError(f"part is one of {', '.join(EVALUATIONS)}, not {part!r}")
    texts = rated_texts(part, domain)
    count, seed = EVALUATIONS[part]
    return texts, sample_comparisons(texts, count, seed)


def rating_gaps(texts: Sequence[RatedText], comparisons: Comparisons) -> Tensor:
    """How far apart the two ratings behind each comparison were, (pairs,), 1 to 8 points: how sure it is."""
    sides = ((comparisons.first, comparisons.first_rater), (comparisons.second, comparisons.second_rater))
    first, second = ([texts[i].ratings[r] for i, r in zip(where.tolist(), rater.tolist(), strict=True)]
                     for where, rater in sides)
    return (torch.tensor(first) - torch.tensor(second)).abs().float()


MODES = ("Mono", "Phantom mono", "Stereo", "Wide stereo", "Matrix", "Upmix 1", "Upmix 2", "Original")

_FIRST_WINS = {                      # (i, j): how often mode i was preferred to mode j, out of 783
    (0, 1): 268, (0, 2): 46, (1, 2): 85, (0, 3): 94, (1, 3): 126, (2, 3): 468, (0, 4): 65, (1, 4): 99, (2, 4): 391,
    (3, 4): 358, (0, 5): 65, (1, 5): 104, (2, 5): 443, (3, 5): 394, (4, 5): 411, (0, 6): 81, (1, 6): 142, (2, 6): 504,
    (3, 6): 436, (4, 6): 458, (5, 6): 432, (0, 7): 61, (1, 7): 101, (2, 7): 399, (3, 7): 369, (4, 7): 381, (5, 7): 373,
    (6, 7): 333,
}
RUNS = 783


def sound_quality_wins() -> np.ndarray:
    """Win counts, (8, 8) int64: row i, column j says how often mode i was preferred to mode j. Order: `MODES`."""
    wins = np.zeros((len(MODES), len(MODES)), dtype=np.int64)
    for (i, j), count in _FIRST_WINS.items():
        wins[i, j], wins[j, i] = count, RUNS - count
    return wins
