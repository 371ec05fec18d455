"""The course's data in the form that trl's trainers take, checked before anything is started. Lesson 15, section 15.9.

    load_pairs("summaries")                 # real preferences between summaries, lesson 13
    load_pairs("requests")                  # the requests of lesson 15: the helpful answer is preferred
    load_pairs("my_pairs.jsonl")            # a line each: {"prompt": ..., "chosen": ..., "rejected": ...}
    load_prompts("sums")                    # lesson 14's sums, with a verifier as reward

Neither trl nor datasets is needed here: a list of dicts goes in, a list of dicts comes out.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.lm.hhh_texts import REQUESTS

KEYS = ("prompt", "chosen", "rejected")
NAMES = ("summaries", "requests")
ARTICLE_WORDS = 220                     # of a longer article the first ones are taken


def load_pairs(source: str | Path) -> list[dict[str, str]]:
    """Preferences as dicts with "prompt", "chosen", "rejected". source: one of NAMES, or a file of JSON lines.

    Raises CourseError when the file cannot be read, a line is no such dict, or `check_pairs` finds fault.
    """
    if source == "summaries":
        pairs = _summary_pairs()
    elif source == "requests":
        pairs = [{"prompt": f"User: {one.text}\nAssistant:", "chosen": f" {one.does}", "rejected": f" {one.declines}"}
                 for one in REQUESTS if not one.risky]
    else:
        pairs = _lines(Path(source))
    check_pairs(pairs)
    return pairs


def load_prompts(source: str = "sums") -> list[dict[str, str]]:
    """Prompts for RL as dicts with "prompt": lesson 14's sums of its training part, or the prompts of `load_pairs`."""
    if source == "sums":
        from course_lib.lm.verifiable import sums

        return [{"prompt": one.prompt} for one in sums("train")]
    return [{"prompt": one["prompt"]} for one in load_pairs(source)]


def check_pairs(pairs: Sequence[dict]) -> None:
    """Raise CourseError, which names the pair, when nothing could be learned from these preferences."""
    if not pairs:
        raise CourseError("There are no preferences to learn from: label some first.")
    for place, pair in enumerate(pairs):
        if not isinstance(pair, dict) or not all(isinstance(pair.get(key), str) for key in KEYS):
            raise CourseError(f"Pair {place} is no dict with the texts {', '.join(KEYS)}: {str(pair)[:80]}")
        if empty := [key for key in KEYS if not pair[key].strip()]:
            raise CourseError(f"Pair {place} has an empty text ({', '.join(empty)}). Leave the pair out: an empty "
                              "answer that is preferred teaches to say nothing.")
    ties = sum(pair["chosen"].strip() == pair["rejected"].strip() for pair in pairs)
    if ties == len(pairs):
        raise CourseError(f"All {ties} pairs are ties (chosen and rejected are the same text), so no direction is "
                          "preferred. Label pairs that differ.")


def check_lengths(texts: Sequence[str], count: Callable[[str], int], max_length: int, what: str) -> None:
    """Raise CourseError when texts are longer than the run will read; `count` gives the tokens of one text."""
    lengths = [count(text) for text in texts]
    if too_long := [place for place, length in enumerate(lengths) if length > max_length]:
        raise CourseError(
            f"{len(too_long)} of {len(texts)} {what} are longer than max_length = {max_length} tokens (number "
            f"{too_long[0]} has {lengths[too_long[0]]}). trl would cut them without a word, and the end of an answer "
            "is what is learned from. Raise --max-length, or shorten the texts.")


def _summary_pairs() -> list[dict[str, str]]:
    """Each strict preference of an annotator between two summaries of one article (lesson 13, 4,002 of them)."""
    from course_lib.lm.summaries import preferences_from_ratings
    from course_lib.lm.summary_reward import compared_summaries

    every, pairs = compared_summaries(), []
    found = preferences_from_ratings(every)
    for first, second, mu in zip(found.first.tolist(), found.second.tolist(), found.mu.tolist(), strict=True):
        better, worse = (every[k].summary for k in ((first, second) if mu > 0.5 else (second, first)))
        article = " ".join(every[first].article.split()[:ARTICLE_WORDS])
        pairs.append({"prompt": f"{article}\n\nSummary:", "chosen": f" {better}", "rejected": f" {worse}"})
    return pairs


def _lines(file: Path) -> list[dict]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"{file} cannot be read ({error}). Give one of {', '.join(NAMES)}, or a file of JSON "
                          "lines.") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                found.append(json.loads(line))
            except ValueError as error:
                raise CourseError(f"{file}, line {number} is no JSON ({error}).") from error
    return found
