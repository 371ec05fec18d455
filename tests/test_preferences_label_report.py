"""What is said of the labels of a run, and where they did not lead to the goal."""

from preference_loop import SMALL, STEPS, make

from course_lib.preferences.label_report import label_report, not_there_yet
from course_lib.preferences.loop import LoopConfig


def labelled(folder, choices, repeats=None):
    """A loop that has taken a person's labels: one choice a pair, and for repeated pairs what is in `repeats`."""
    config = LoopConfig(labels=(len(choices),), updates=(1,), clip_steps=8, ppo=SMALL.ppo, reward=SMALL.reward)
    loop = make(folder, config)
    loop.collect()
    labeler = loop.labeler(labeler="ann", repeats=0.3 if repeats else 0.0)
    waiting, again = list(choices), list(repeats or ())
    for number in range(3 * len(choices)):
        questions = labeler.session.next()
        if not questions:
            break
        choice = (again if questions[0].repeat_of else waiting).pop(0)
        labeler.session.handle({"type": "answer", "id": str(number), "question": questions[0].question_id,
                                "choice": choice})
    loop.label(labeler.require())
    return loop


def test_before_the_first_label(tmp_path):
    assert label_report(make(tmp_path)) == "No labels yet."


def test_a_persons_labels(tmp_path):
    loop = labelled(tmp_path, ["equal", "equal", "skip"] + 5 * ["equal"], ["equal", "left"])
    assert label_report(loop) == ("7 labels by a person, 7 of them ties (100%). Of 2 pairs that were asked twice, "
                                  "1 got the same answer both times.")
    said = not_there_yet(loop, "500 steps", "it balances for 90 steps")
    assert "The goal: 500 steps.\nThe agent: it balances for 90 steps.\nIt learned from 7 labels by a person" in said
    assert "labels otherwise, then add a round" in said
    assert "1 repeated pairs got another answer" in said and "More than half of the labels are ties" in said
    assert "cell" not in said, "running a cell again does nothing with fixed labels"


def test_hints_come_only_where_they_fit(tmp_path):
    loop = labelled(tmp_path, ["left", "right", "equal", "left"])
    assert "No pair was asked twice" in label_report(loop) and "4 labels by a person, 1 of them ties (25%)" in (
        label_report(loop))
    said = not_there_yet(loop, "500 steps", "it falls")
    assert "repeated pairs got" not in said and "More than half" not in said


def test_the_synthetic_labelers(tmp_path):
    loop = make(tmp_path)
    for stage in ("collect", "label"):
        STEPS[stage](loop)
    assert label_report(loop).startswith("5 labels by the synthetic labeler, ") and "twice" not in label_report(loop)
    said = not_there_yet(loop, "500 steps", "it falls")
    assert "add a round" in said and "labels otherwise" not in said
