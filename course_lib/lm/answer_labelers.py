"""Stated preferences between answers, as synthetic labelers: short and plain, simple words, cheerful, first person.

    labeler = answer_labeler("short and plain")                 # always right about its marks
    answer_labeler("cheerful", epsilon=0.1)                     # one answer in ten is turned round

Each looks at the text of an answer alone: no model, no rating, no look at the prompt. What a mark is, is said at each
function, so that anybody can check a label by hand. They are there to measure with (benchmarks/own_preferences.py); the
lesson, 12, is about a preference of your own. Imperfections, and what the settings mean: preferences/teachers.py.

The word lists are short and written for this course. They were not fitted to the 135M model's answers, and they miss
much: a labeler that misses much is a plain stand-in for a person who looks at one thing only.
"""

from collections.abc import Callable

from course_lib.errors import CourseError
from course_lib.lm.answers import AnswerSegment
from course_lib.preferences.teachers import Teacher
from course_lib.preferences.word_reward import vader_scores

Mark = Callable[[AnswerSegment], float]

PUNCTUATION = ".,;:!?\"“”()[]*"


def words(text: str) -> list[str]:
    """The words of a text in small letters, without the punctuation around them; “I’m” is one word, i'm."""
    bare = (word.strip(PUNCTUATION) for word in text.replace("’", "'").lower().split())
    return [word for word in bare if word]


FIRST_PERSON = frozenset(words("i me my mine myself i'm i've i'll i'd we us our ours we're we've we'll"))
FILLER = frozenset(words("""
    beautiful wonderful amazing great perfect lovely incredible magical vibrant breathtaking delightful fantastic
    essential important crucial vital truly really very quite simply certainly absolutely definitely various numerous
    sure unique special rich serene warm gentle stunning bustling testament tapestry journey sense
    """))
OPENINGS = ("sure", "certainly", "of course", "great question", "here is", "here's", "absolutely", "i'd be happy")


def simple_words(segment: AnswerSegment) -> float:
    """Short words: minus the mean number of letters and digits of a word. Under four words -20: that is no answer."""
    found = words(segment.answer)
    return -sum(map(len, found)) / len(found) if len(found) >= 4 else -20.0


def cheerful(segment: AnswerSegment) -> float:
    """VADER's sentiment of the answer, -1 to 1 (lesson 03). Under four words -2: that is no answer."""
    return vader_scores([segment.answer])[0] if len(words(segment.answer)) >= 4 else -2.0


def first_person(segment: AnswerSegment) -> float:
    """1 where the answer speaks of "I" or "we" at all, else 0: the model seldom does, so most pairs tie."""
    return float(any(word in FIRST_PERSON for word in words(segment.answer)))


def short_and_plain(segment: AnswerSegment) -> float:
    """Short, without praise and filler: minus the words beyond eight, minus three for each word of FILLER.

    An opening that says nothing ("Sure!", "Of course") costs three as well. Under eight words nothing is gained by
    being shorter, and an answer of fewer than three words has the marks of one of forty: too short is no answer.
    """
    found = words(segment.answer)
    if len(found) < 3:
        return -32.0
    filler = sum(word in FILLER for word in found) + segment.answer.replace("’", "'").lower().startswith(OPENINGS)
    return -float(max(0, len(found) - 8) + 3 * filler)


PREFERENCES: dict[str, Mark] = {"short and plain": short_and_plain, "simple words": simple_words,
                                "cheerful": cheerful, "first person": first_person}


def answer_labeler(preference: str, seed: int = 0, **imperfections: float) -> Teacher:
    """A synthetic labeler of answers by the name of its preference; imperfections: settings of `Teacher`.

    Raises CourseError for a preference that is not in PREFERENCES.
    """
    if preference not in PREFERENCES:
        raise CourseError(f"There is no preference called {preference!r}. Take one of {', '.join(PREFERENCES)}, or "
                          "give Teacher a function of your own from an AnswerSegment to a number.")
    return Teacher(PREFERENCES[preference], seed=seed, **imperfections)
