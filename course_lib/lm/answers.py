"""An answer of a chat model as a segment of the preference loop, and which pairs of answers are compared. Lesson 12.

    segment = AnswerSegment.of("Explain in one sentence why it rains.", "Water in the air cools and falls.")
    segment.prompt, segment.answer

What a clip is to CartPole, an answer to a prompt is here. The loop keeps segments as tensors, so both texts are kept as
bytes; `prompt` and `answer` read them back. Two answers are compared only if they answer the same prompt: `same_prompt`
takes the place of the random pairs of lesson 04.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.preferences.reward_ensemble import RewardEnsemble
from course_lib.preferences.segments import Pairs, Segment

BETWEEN = "\0"                      # stands between prompt and answer; neither may hold it
SENTENCE_ENDS = ".!?"


class AnswerSegment(Segment):
    """A prompt and an answer to it. obs: (L,) uint8, both in UTF-8 with a zero byte between them."""

    @classmethod
    def of(cls, prompt: str, answer: str) -> "AnswerSegment":
        """The segment of two texts. Raises CourseError for an empty text and for one with a zero byte."""
        for what, text in (("prompt", prompt), ("answer", answer)):
            if not text.strip():
                raise CourseError(f"The {what} is empty, so there is nothing to compare: leave it out.")
            if BETWEEN in text:
                raise CourseError(f"The {what} holds a zero byte, which no text needs: take it out.")
        return cls(torch.tensor(list(f"{prompt}{BETWEEN}{answer}".encode()), dtype=torch.uint8))

    @property
    def prompt(self) -> str:
        """What was asked."""
        return texts_of(self.obs)[0]

    @property
    def answer(self) -> str:
        """What was answered."""
        return texts_of(self.obs)[1]


def texts_of(obs: Tensor) -> tuple[str, str]:
    """(prompt, answer) of the bytes of one segment, (L,) uint8. Raises CourseError when these are no two texts."""
    try:
        prompt, answer = bytes(obs.tolist()).decode().split(BETWEEN)
    except (ValueError, UnicodeDecodeError) as error:
        raise CourseError("This is no prompt with an answer: make segments with AnswerSegment.of.") from error
    return prompt, answer


def questions_and_answers(obs: Iterable[Tensor]) -> tuple[list[str], list[str]]:
    """(prompts, answers) of several segments: (S, L) uint8, or S tensors (L,) where lengths differ."""
    texts = [texts_of(one) for one in obs]
    return [prompt for prompt, _ in texts], [answer for _, answer in texts]


def same_prompt(segments: Sequence[AnswerSegment], count: int, ensemble: RewardEnsemble,
                rng: np.random.Generator) -> Pairs:
    """`count` pairs of different answers to the same prompt, drawn blindly; prompts as different as there are.

    A prompt is asked about twice only where every other one has been. Fewer where the answers do not make that many;
    raises CourseError where they make none.
    """
    by_prompt: dict[str, dict[str, AnswerSegment]] = {}
    for segment in segments:
        by_prompt.setdefault(segment.prompt, {})[segment.answer] = segment
    rows = []                                           # of each prompt its pairs, in random order
    for answers in by_prompt.values():
        pairs = list(combinations(answers.values(), 2))
        rows.append([pairs[k] if rng.random() < 0.5 else pairs[k][::-1] for k in rng.permutation(len(pairs))])
    if not any(rows):
        raise CourseError(f"Among {len(segments)} answers to {len(by_prompt)} prompts no two different ones answer the "
                          "same prompt, so there is nothing to compare. Collect two answers to each prompt.")
    drawn: Pairs = []
    for turn in range(max(map(len, rows), default=0)):
        left = [row[turn] for row in rows if turn < len(row)]
        drawn += [left[k] for k in rng.permutation(len(left))]
    return drawn[:count]


def whole_sentences(answer: str) -> str:
    """An answer that was cut off, up to the end of its last whole sentence; as it is where no sentence ends.

    A full stop inside a number ("3.5") or an abbreviation counts only where a space or the end follows it.
    """
    ends = [place for place, letter in enumerate(answer)
            if letter in SENTENCE_ENDS and (place + 1 == len(answer) or answer[place + 1].isspace())]
    kept = answer[:ends[-1] + 1].strip() if ends else answer.strip()
    return kept if len(kept) > 2 else answer.strip()            # "1." is the number of a list, not a sentence
