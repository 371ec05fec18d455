"""Sentiment as a reward: what a model wrote is decoded, and VADER, a dictionary of words, scores it. Lesson 09.

A reward of the course is any function from texts to numbers; this one never saw a preference, costs nothing, and is
wrong in ways that a person sees at once (`mistakes`). Source of VADER: Hutto and Gilbert (2014).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from course_lib.lm.tokenizers import Tokenizer, decode_until_end
from course_lib.preferences.human_ratings import RatedText
from course_lib.preferences.word_reward import vader_scores


def sentiment(texts: Sequence[str]) -> Tensor:
    """How positive each text is, (texts,) in [-1, 1]: VADER's compound score. Raises TypeError for a single text."""
    return vader_scores(texts)


def whole_texts(tokenizer: Tokenizer, tokens: Tensor) -> list[str]:
    """What `generate` wrote, tokens (B, L), as texts: the prompt and its completion, up to the end token."""
    return [decode_until_end(tokenizer, row) for row in tokens]


def completions(tokenizer: Tokenizer, tokens: Tensor, prompt_length: int) -> list[str]:
    """Only what was written after the prompt. prompt_length: columns of `tokens` (B, L) that the prompt fills."""
    texts = []
    for row in tokens[:, prompt_length:].tolist():
        texts.append(tokenizer.decode(row[:row.index(tokenizer.eos)] if tokenizer.eos in row else row))
    return texts


@dataclass(frozen=True)
class Mistake:
    """A text on which the dictionary and the people disagree."""

    text: str
    people: float           # mean of the ratings, divided by 4: in [-1, 1]
    vader: float            # in [-1, 1]


def mistakes(rated: Sequence[RatedText], count: int, too_happy: bool) -> list[Mistake]:
    """The `count` texts that VADER overrates most (or, with too_happy=False, underrates most), worst first."""
    scores = sentiment([text.text for text in rated]).tolist()
    found = [Mistake(text.text, text.mean / 4, score) for text, score in zip(rated, scores, strict=True)]
    return sorted(found, key=lambda one: one.vader - one.people, reverse=too_happy)[:count]
