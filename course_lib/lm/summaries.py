"""Real human ratings of summaries of news, and how they become preferences. Lesson 13, section 13.1.

855 summaries of 400 articles. About ten trained annotators rated each from 0 (very bad) to 4 (very good), and every
rating is kept with the number of the annotator who gave it. 300 of the articles are from CNN and the Daily Mail (100 of
them with a human-written summary and several generated ones, 200 with one summary each), 100 from other newspapers with
three generated summaries each; of these nearly all were rated a second time on five aspects.

Which of the CNN summaries a person wrote is not in the data, so there are no references to compare with.

The protocol:

1. A preference is between two summaries of the *same* article by the *same* annotator, who gave them different ratings.
   Equal ratings are dropped. So it is a statement of one person who saw both.
2. Parts are made of whole articles. `part_of` says for ever where an article belongs, by a hash of its words;
   `split_by_text` makes another random split for each seed, for an interval. Models are compared on unseen articles.

Source: O. Vasilyev, V. Dharnidharka, J. Bohannon (2020), "Fill in the BLANC: Human-free quality estimation of document
summaries", and O. Vasilyev, V. Dharnidharka, N. Egan, C. Chambliss, J. Bohannon (2020), "Sensitivity of BLANC to
human-scored qualities of text summaries", who published the ratings with their package blanc.
"""

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import torch
from torch import Tensor

from course_lib import assets
from course_lib.errors import CourseError
from course_lib.preferences.human_ratings import Comparisons, part_of

ASSET = "human-summaries"
FILES = {"cnn": "CNN_DailyMail_555.json", "daily": "DailyNews_300.json"}
ASPECTS_FILE = "DailyNews_300_aspects.json"
ASPECTS = ("Fluent", "Understandable", "Informative", "Compact", "Overall")
SCORES = range(5)                       # a rating is a whole number from 0 to 4
FETCH_AGAIN = "Delete the folder and run `course assets`, which fetches it again."


@dataclass(frozen=True)
class Ratings:
    """What the annotators thought of one summary in one respect; the two tuples belong together."""

    annotators: tuple[int, ...]         # numbers of the annotators, the same person in all files
    scores: tuple[int, ...]             # 0 to 4

    @property
    def mean(self) -> float:
        """Mean score, in [0, 4]."""
        return sum(self.scores) / len(self.scores)


@dataclass(frozen=True)
class RatedSummary:
    """One summary of one article, and how people rated it. `ratings` and `annotators` are of general quality."""

    source: str                         # one of FILES
    article: str
    summary: str
    annotators: tuple[int, ...]         # each of them once
    ratings: tuple[int, ...]            # 0 to 4, by these annotators in this order
    aspects: tuple[tuple[str, Ratings], ...] = ()       # of ASPECTS; empty where nobody was asked

    @property
    def mean(self) -> float:
        """Mean rating, in [0, 4]."""
        return sum(self.ratings) / len(self.ratings)

    @property
    def part(self) -> str:
        """"train", "validation" or "test": fixed by the words of the article, so its summaries stay together."""
        return part_of(self.article)


@lru_cache(maxsize=1)
def load_summaries() -> tuple[RatedSummary, ...]:
    """All 855 rated summaries, in a fixed order; summaries of one article stand together. Fetched when missing.

    Raises CourseError when the data cannot be had or cannot be read.
    """
    return read_summaries(assets.path(ASSET))


def read_summaries(folder: Path) -> tuple[RatedSummary, ...]:
    """The rated summaries of the files in `folder`. Raises CourseError naming file and entry that cannot be used."""
    aspects = _read_aspects(folder / ASPECTS_FILE)
    found: list[RatedSummary] = []
    for source, name in FILES.items():
        for place, row in enumerate(_rows(folder / name)):
            try:
                ratings = _ratings(row)
                if len(set(ratings.annotators)) < len(ratings.annotators):
                    raise ValueError("one annotator rated it twice")
                article, summary = _text(row, "text"), _text(row, "summary")
            except (KeyError, TypeError, ValueError) as error:
                raise _unusable(folder / name, place, error) from error
            found.append(RatedSummary(source, article, summary, ratings.annotators, ratings.scores,
                                      aspects.get(_key(article, summary), ())))
    order = {article: place for place, article in enumerate(dict.fromkeys(one.article for one in found))}
    return tuple(sorted(found, key=lambda one: order[one.article]))


def _read_aspects(file: Path) -> dict[tuple[str, str], tuple[tuple[str, Ratings], ...]]:
    """The ratings of each aspect, by beginning of the article and words of the summary: spaces differ in this file."""
    found = {}
    for place, row in enumerate(_rows(file)):
        try:
            each = tuple((aspect, _ratings(row["map_quality_scores"][aspect])) for aspect in ASPECTS)
            found[_key(_text(row, "text"), _text(row, "summary"))] = each
        except (KeyError, TypeError, ValueError) as error:
            raise _unusable(file, place, error) from error
    return found


def _rows(file: Path) -> list[dict]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CourseError(f"{file} cannot be read ({error}). {FETCH_AGAIN}") from error
    if not isinstance(rows, list) or not rows:
        raise CourseError(f"{file} holds no list of summaries. {FETCH_AGAIN}")
    return rows


def _ratings(row: dict) -> Ratings:
    annotators, scores = tuple(row["annotators_ids"]), tuple(row["scores"])
    if len(annotators) != len(scores) or len(scores) < 2:
        raise ValueError("two or more ratings belong here, each with its annotator")
    if not all(type(number) is int for number in annotators) or not all(score in SCORES for score in scores):
        raise ValueError("a rating is a whole number from 0 to 4")
    return Ratings(annotators, scores)


def _text(row: dict, name: str) -> str:
    text = row[name]
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{name} is empty")
    return text.strip()


def _unusable(file: Path, place: int, error: Exception) -> CourseError:
    return CourseError(f"{file}, entry {place}: {type(error).__name__}: {error}. {FETCH_AGAIN}")


def _key(article: str, summary: str) -> tuple[str, str]:
    words = [re.sub(r"\W+", " ", text.lower()).strip() for text in (article, summary)]
    return words[0][:150], words[1]


def preferences_from_ratings(summaries: Sequence[RatedSummary], aspect: str | None = None) -> Comparisons:
    """Every strict preference of one annotator between two summaries of one article. Exercise 13.1.

    aspect: None for general quality, else one of ASPECTS. first, second index into `summaries`; mu is 1 where the first
    was rated higher; first_rater and second_rater say where this annotator stands among the raters of each. Where an
    annotator rated an aspect of one summary twice, the first rating counts. Raises ValueError for an unknown aspect.
    """
    if aspect is not None and aspect not in ASPECTS:
        raise ValueError(f"aspect is None or one of {', '.join(ASPECTS)}, not {aspect!r}")
    by_article: dict[str, list[int]] = {}
    for place, one in enumerate(summaries):
        by_article.setdefault(one.article, []).append(place)
    rows = []
    for places in by_article.values():
        for i, j in combinations(places, 2):
            first, second = (_of(summaries[k], aspect) for k in (i, j))
            if first is None or second is None:
                continue
            for annotator in dict.fromkeys(first.annotators):
                if annotator in second.annotators:
                    a, b = first.annotators.index(annotator), second.annotators.index(annotator)
                    if first.scores[a] != second.scores[b]:
                        rows.append((i, j, first.scores[a] > second.scores[b], a, b))
    columns = torch.tensor(rows, dtype=torch.long).reshape(-1, 5).unbind(dim=1)
    return Comparisons(columns[0], columns[1], columns[2].float(), columns[3], columns[4])


def _of(one: RatedSummary, aspect: str | None) -> Ratings | None:
    return Ratings(one.annotators, one.ratings) if aspect is None else dict(one.aspects).get(aspect)


def some_of(comparisons: Comparisons, keep: Tensor) -> Comparisons:
    """The comparisons that `keep` names: (pairs,) bool, or positions."""
    return Comparisons(comparisons.first[keep], comparisons.second[keep], comparisons.mu[keep],
                       comparisons.first_rater[keep], comparisons.second_rater[keep])


def split_by_text(summaries: Sequence[RatedSummary], comparisons: Comparisons, seed: int,
                  test_share: float = 0.2) -> tuple[Comparisons, Comparisons]:
    """(train, test): comparisons of different articles; the share is one of articles that have comparisons.

    The same seed gives the same split. Raises ValueError when one side would have no article.
    """
    articles = sorted({summaries[i].article for i in comparisons.first.tolist()})
    tested_articles = round(test_share * len(articles))
    if not 0 < tested_articles < len(articles):
        raise ValueError(f"{len(articles)} articles cannot be split with a test share of {test_share}")
    tested = set(random.Random(seed).sample(articles, tested_articles))
    test = torch.tensor([summaries[i].article in tested for i in comparisons.first.tolist()])      # (pairs,)
    return some_of(comparisons, ~test), some_of(comparisons, test)


def of_part(summaries: Sequence[RatedSummary], comparisons: Comparisons, part: str) -> Comparisons:
    """The comparisons whose article belongs to a part ("train", "validation" or "test") for ever."""
    return some_of(comparisons, torch.tensor([summaries[i].part == part for i in comparisons.first.tolist()],
                                             dtype=torch.bool))
