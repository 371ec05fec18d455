"""The stated preferences between answers: planted texts whose marks can be counted by hand."""

import pytest

from course_lib.errors import CourseError
from course_lib.lm.answer_labelers import (
    PREFERENCES,
    answer_labeler,
    cheerful,
    first_person,
    short_and_plain,
    simple_words,
    words,
)
from course_lib.lm.answers import AnswerSegment

PROMPT = "Give me 3 tips for a trip to Rome."          # its own number and name must count for nothing


def said(answer: str) -> AnswerSegment:
    return AnswerSegment.of(PROMPT, answer)


def test_words_are_bare_and_small():
    assert words("“I’m here,” she said (twice) – 2.5 times!") == ["i'm", "here", "she", "said", "twice", "–", "2.5",
                                                                 "times"]


@pytest.mark.parametrize(("answer", "marks"), [
    ("The cat sat down.", -13 / 4), ("“The” cat, sat (down)!", -13 / 4), ("Use 12 red eggs", -12 / 4),
    ("The cat sat.", -20)])
def test_simple_words_takes_off_the_mean_length_of_a_word(answer, marks):
    assert simple_words(said(answer)) == pytest.approx(marks)


def test_simple_words_does_not_like_an_answer_for_its_length():
    once = "Bake it for 20 minutes in an oven."
    assert simple_words(said(once)) == pytest.approx(simple_words(said(f"{once} {once}")))


def test_cheerful_is_vaders_sentiment_of_the_answer_alone():
    assert cheerful(said("It is a wonderful, happy day.")) > 0.7 > 0 > cheerful(said("It is a sad and awful day."))
    assert cheerful(said("It is a day.")) == 0 and cheerful(said("Happy day!")) == -2


@pytest.mark.parametrize(("answer", "marks"), [
    ("I like rain.", 1), ("It was my day", 1), ("We’re late.", 1), ("It is in India.", 0), ("Mythical omens", 0),
    ("“Me?” asked the dog.", 1)])
def test_first_person_looks_for_whole_words(answer, marks):
    assert first_person(said(answer)) == marks


@pytest.mark.parametrize(("answer", "marks"), [
    ("Sleep in a dark and quiet room.", 0), ("Sleep in a dark, quiet, cool and tidy room.", -1),
    ("A truly wonderful, beautiful room.", -9), ("Sure! Sleep in a dark room.", -6), ("Sleep.", -32),
    ("Sleep now", -32), (" ".join(["word"] * 28), -20), ("Here’s a tip: sleep.", -3)])
def test_short_and_plain_takes_off_words_beyond_eight_and_filler(answer, marks):
    assert short_and_plain(said(answer)) == marks


def test_labelers_answer_as_the_marks_say_in_either_order():
    better = {"short and plain": "It has many rooms.", "simple words": "It has many rooms.",
              "cheerful": "It has happy rooms.", "first person": "I saw many rooms."}
    worse = "It truly has various terrible rooms, and each of them is really very ugly."
    assert better.keys() == PREFERENCES.keys()
    for preference, answer in better.items():
        labeler = answer_labeler(preference)
        assert labeler(said(answer), said(worse)) == 1 and labeler(said(worse), said(answer)) == 0
        assert labeler(said(worse), said(f"{worse} ")) == 0.5 and labeler.source == "scripted"


def test_mistakes_are_as_many_as_asked_for():
    labeler = answer_labeler("short and plain", epsilon=0.2)
    answers = [labeler(said("It has rooms."), said(f"It has {k} truly great rooms.")) for k in range(400)]
    assert answers.count(0) / 400 == pytest.approx(0.2, abs=0.06)


def test_an_unknown_preference_names_the_known_ones():
    with pytest.raises(CourseError, match="short and plain, simple words, cheerful, first person"):
        answer_labeler("polite")
