"""The labels of a run in sentences, and what to do where they did not lead to the goal. Lessons 04, 05 and 07."""

from course_lib.labels.session import SCRIPTED
from course_lib.labels.statistics import labeler_stats
from course_lib.preferences.loop import PreferenceLoop

MANY_TIES = 0.5                 # a larger share of ties is worth a hint ...
SELF_AGREEMENT = 0.75           # ... and so is a smaller share of repeated pairs with the same answer
BY = {"human": "by a person", "scripted": "by the synthetic labeler", "mixed": "by a person and the synthetic labeler"}


def label_report(loop: PreferenceLoop) -> str:
    """How many labels the reward model learned from, whose, how many ties; how far a person agreed with themselves."""
    if loop.preferences is None:
        return "No labels yet."
    number, ties = len(loop.preferences.mu), _ties(loop)
    said = [f"{number} labels {BY[loop.source]}, {ties} of them ties ({ties / number:.0%})."]
    if loop.source != "scripted":
        twice, same = _repeats(loop)
        said.append(f"Of {twice} pairs that were asked twice, {same} got the same answer both times." if twice else
                    "No pair was asked twice, so how far these answers can be repeated is not known.")
    return " ".join(said)


def not_there_yet(loop: PreferenceLoop, goal: str, does: str) -> str:
    """What to tell where the agent misses its goal: what it does instead, its labels, and what helps next.

    goal, does: the goal, and what the evaluator saw the agent do, each to stand after "The goal: " and "The agent: ".
    """
    lines = ["These labels have not led to the goal yet.", f"The goal: {goal}.", f"The agent: {does}.",
             f"It learned from {label_report(loop)}"]
    if loop.source == "scripted":
        lines.append("What may help: add a round. Seeds differ, too, with the same labeler.")
        return "\n".join(lines)
    lines.append("What helps: look at the pairs that the synthetic labeler labels otherwise, then add a round, with "
                 "clips of what the agent does now. The same labels alone would lead to the same agent.")
    twice, same = _repeats(loop)
    if twice and same < SELF_AGREEMENT * twice:
        lines.append(f"{twice - same} repeated pairs got another answer the second time: decide on one rule, and keep "
                     "to it.")
    if _ties(loop) > MANY_TIES * len(loop.preferences.mu):
        lines.append("More than half of the labels are ties, which say little: prefer a clip for a small difference, "
                     "too.")
    return "\n".join(lines)


def _ties(loop: PreferenceLoop) -> int:
    return int((loop.preferences.mu == 0.5).sum())


def _repeats(loop: PreferenceLoop) -> tuple[int, int]:
    """(pairs that people were asked twice, those with the same answer) in the run."""
    people = [stats for stats in labeler_stats(loop.store, loop.run) if stats.labeler != SCRIPTED]
    return sum(stats.repeated for stats in people), sum(stats.same for stats in people)
