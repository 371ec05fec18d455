"""Planted answers: where a person and the synthetic labeler differ is counted and shown, ties and repeats included."""

import math

import pytest
import torch
from preference_loop import SMALL, answered, make

from course_lib.errors import CourseError
from course_lib.labels.records import MIRRORED
from course_lib.preferences.differences import differences
from course_lib.preferences.loop import LoopConfig
from course_lib.preferences.segments import Segment
from course_lib.show.pairs import show_pairs


def collected(folder, pairs: int):
    """A loop whose first round asks about this many pairs."""
    loop = make(folder, LoopConfig(labels=(pairs,), updates=(1,), clip_steps=8, ppo=SMALL.ppo, reward=SMALL.reward))
    loop.collect()
    return loop, sorted(loop.asked)


def further_right(left: Segment, right: Segment) -> float:
    """A synthetic labeler: the clip that ends further to the right."""
    return float(left.obs[-1, 0] > right.obs[-1, 0])


def answers_of(loop, questions) -> list[str]:
    """What `further_right` says to these questions, in words."""
    answer = loop.as_answer(further_right)
    return [answer(*loop.store.question(name).shown) for name in questions]


def test_planted_answers_are_counted(tmp_path):
    """The same, the same, opposite, opposite, a tie, a skip; and ties of the synthetic labeler in a second count."""
    loop, questions = collected(tmp_path, 6)
    said = answers_of(loop, questions)
    for name, word in zip(questions, [said[0], said[1], MIRRORED[said[2]], MIRRORED[said[3]], "equal", "skip"],
                          strict=True):
        loop.store.answer(name, word, labeler="ann")
    found = differences(loop, further_right)
    assert (found.pairs, found.same, found.decided, found.decided_same, found.opposite) == (5, 2, 4, 2, 2)
    assert found.agreement == pytest.approx(0.4)
    assert [d.question for d in found.differing] == [questions[2], questions[3], questions[4]], "opposite ones first"
    assert [(d.person, d.synthetic) for d in found.differing] == [
        (MIRRORED[said[2]], said[2]), (MIRRORED[said[3]], said[3]), ("equal", said[4])]
    assert "same answer on 2 (40%)" in str(found) and "other clip on 2; on 1 one" in str(found)
    assert "the same one on 2 of 4" in str(found)
    tied = differences(loop, lambda left, right: 0.5)
    assert (tied.pairs, tied.same, tied.decided, tied.opposite) == (5, 1, 0, 0), "two ties are the same answer"


def test_sides_are_those_of_the_screen_whichever_clip_is_first(tmp_path):
    loop, questions = collected(tmp_path, 20)
    for name in questions:
        loop.store.answer(name, "left", labeler="ann")
    assert {label.flip for label in loop.store.labels("test")} == {False, True}
    found = differences(loop, lambda left, right: 0.0)
    assert found.pairs == found.opposite == 20
    for difference in found.differing:
        assert (difference.person, difference.synthetic) == ("left", "right")
        assert (difference.left, difference.right) == loop.store.question(difference.question).shown


def test_a_pair_that_was_asked_again_counts_once(tmp_path):
    loop, questions = collected(tmp_path, 8)
    session = loop.labeler(labeler="ann", repeats=0.5).session
    for number in range(20):
        waiting = session.next()
        if waiting:
            session.handle({"type": "answer", "id": str(number), "question": waiting[0].question_id, "choice": "left"})
    assert session.summary()["repeats"], "some pairs came twice"
    assert differences(loop, lambda left, right: 1.0).pairs == 8


def test_an_answer_that_was_changed_in_the_review_counts_as_it_stands(tmp_path):
    loop, questions = collected(tmp_path, 2)
    session = loop.labeler(labeler="ann").session
    for name in questions:
        session.handle({"type": "answer", "id": f"a{name}", "question": name, "choice": "left"})
    session.handle({"type": "change", "event": f"a{questions[0]}", "id": "c", "question": questions[0],
                    "choice": "right"})
    found = differences(loop, lambda left, right: 1.0)
    assert (found.pairs, found.same) == (2, 1) and found.differing[0].question == questions[0]


def test_the_surer_the_person_the_earlier_the_pair(tmp_path):
    loop, questions = collected(tmp_path, 3)
    for name, confidence in zip(questions, (4, 1, 3), strict=True):
        loop.store.answer(name, "left", labeler="ann", confidence=confidence)
    found = differences(loop, lambda left, right: 0.0)
    assert [d.question for d in found.differing] == [questions[1], questions[2], questions[0]]


def test_of_opposite_answers_those_of_the_newest_round_come_first(tmp_path):
    loop = make(tmp_path)
    for _ in range(2):
        loop.collect()
        for name in sorted(loop.asked.keys() - loop.store.answered_questions("test")):
            loop.store.answer(name, "left", labeler="ann")
        loop.label(loop.store.preferences("test"))
        loop.fit()
        list(loop.train())
    found = differences(loop, lambda left, right: 0.0)
    assert [d.round for d in found.differing] == 4 * [2] + 5 * [1]


def test_a_run_of_the_script_alone_has_nothing_to_compare(tmp_path):
    loop, _ = collected(tmp_path, 3)
    loop.label(answered(loop))
    found = differences(loop, further_right)
    assert found.pairs == 0 and math.isnan(found.agreement) and "nothing to compare" in str(found)
    assert found.differing == ()


def test_of_a_mixed_run_the_persons_labels_are_compared(tmp_path):
    loop, questions = collected(tmp_path, 3)
    loop.store.answer(questions[0], "left", labeler="ann")
    labeler = loop.labeler(lambda left, right: 0.5)
    labeler.answer_synthetic()
    assert differences(loop, lambda left, right: 1.0).pairs == 1


def test_a_labeler_that_answers_otherwise_is_told_what_is_expected(tmp_path):
    loop, questions = collected(tmp_path, 1)
    loop.store.answer(questions[0], "left", labeler="ann")
    with pytest.raises(CourseError, match="this one answered 0.7"):
        differences(loop, lambda left, right: 0.7)


def test_each_pair_is_shown_with_both_answers_in_words(tmp_path, capsys, monkeypatch):
    shown = []
    monkeypatch.setattr("course_lib.show.pairs.video", lambda frames, alt, **options: shown.append((frames, alt)))
    loop, questions = collected(tmp_path, 2)
    for name in questions:
        loop.store.answer(name, "left", labeler="ann")
    found = differences(loop, lambda left, right: 0.0)
    show_pairs(found.differing)
    words = "Round 1. A person: left is better. The synthetic labeler: right is better."
    assert capsys.readouterr().out.splitlines() == [words, words] and len(shown) == 2
    frames, alt = shown[0]
    left, right = found.differing[0].clips
    assert frames[0].shape == (left.shape[1] + 24, left.shape[2] + 8 + right.shape[2], 3)
    assert alt.startswith("Left: The cart goes from") and alt.endswith(words)
    assert torch.equal(torch.from_numpy(frames[0][24:, :left.shape[2]]), torch.from_numpy(left[0]))
