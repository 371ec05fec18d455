"""Where a person and a synthetic labeler label the same pairs otherwise. Lessons 04, 05 and 07.

    found = differences(loop, CartPoleLabeler())
    print(found)                                        # how often they agree, in a sentence
    show_pairs(found.differing[:3])                     # course_lib.show.pairs: both clips, and both answers

The synthetic labeler is a rule; a person has reasons. Neither is the truth: the pairs on which they differ show what
the rule leaves out, what the person overlooked, and what the agent was therefore taught.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from course_lib.labels.media import frames
from course_lib.labels.records import Item
from course_lib.preferences.loop import WORDS, PreferenceLoop
from course_lib.preferences.segments import Segment

SAYS = {"left": "left is better", "right": "right is better", "equal": "equally good"}


@dataclass(frozen=True)
class Difference:
    """A pair with two answers that are not the same. The sides are those of the person's screen."""

    question: int
    round: int
    left: Item
    right: Item
    person: str                     # "left", "right" or "equal"
    synthetic: str                  # the same words
    weight: float                   # how sure the person was, 0.25 to 1; 1 where nobody asked

    @property
    def opposite(self) -> bool:
        """Whether each prefers the clip that the other does not; else one of them calls the two equal."""
        return "equal" not in (self.person, self.synthetic)

    @property
    def clips(self) -> tuple[np.ndarray, np.ndarray]:
        """The left and the right clip as they were shown, (L, H, W, 3) uint8 each."""
        return frames(self.left), frames(self.right)

    @property
    def fps(self) -> float:
        """Frames a second at which they were shown."""
        return float(self.left.info["fps"])

    @property
    def words(self) -> str:
        """Both answers: "Round 2. A person: left is better. The synthetic labeler: equally good."."""
        return (f"Round {self.round}. A person: {SAYS[self.person]}. "
                f"The synthetic labeler: {SAYS[self.synthetic]}.")

    @property
    def alt(self) -> str:
        """Both clips in words, as the labeler had them, and both answers."""
        return f"Left: {self.left.info['alt']} Right: {self.right.info['alt']} {self.words}"


@dataclass(frozen=True)
class Differences:
    """How a person's labels of a run compare with the synthetic labeler's. `str` of it is a sentence or two."""

    pairs: int                              # that a person labelled; skipped and repeated ones are not among them
    same: int                               # the same answer: the same side, or both equal
    decided: int                            # pairs on which both prefer a side
    decided_same: int                       # of these, the same side
    differing: tuple[Difference, ...]       # opposite answers first; then the surer ones, then the newer rounds

    @property
    def agreement(self) -> float:
        """The share of the pairs with the same answer; nan where a person labelled none."""
        return self.same / self.pairs if self.pairs else float("nan")

    @property
    def opposite(self) -> int:
        """How many pairs have opposite answers."""
        return sum(difference.opposite for difference in self.differing)

    def __str__(self) -> str:
        if not self.pairs:
            return "No label of this run is a person's, so there is nothing to compare with the synthetic labeler."
        one_tied = len(self.differing) - self.opposite
        return (f"Of {self.pairs} pairs that a person labelled, the synthetic labeler gives the same answer on "
                f"{self.same} ({self.agreement:.0%}). It prefers the other clip on {self.opposite}; on {one_tied} one "
                f"of the two says equal. Where both prefer a clip, it is the same one on {self.decided_same} of "
                f"{self.decided}.")


def differences(loop: PreferenceLoop, synthetic: Callable[[Segment, Segment], float]) -> Differences:
    """Compare the labels that people gave in a loop's run with what `synthetic` answers to the same pairs.

    synthetic: mu of two clips, 1.0 for the first, 0.0 for the second, 0.5 for a tie; it is given them as they stood on
    the screen, left and right. A pair that was asked again counts once, by its first answer as it stands now; a pair
    that either of the two skipped has no answer; what a script answered is not compared with a script.
    Raises CourseError where `synthetic` answers anything but 1, 0.5, 0 and None.
    """
    answer, rows = loop.as_answer(synthetic), loop.store.preferences(loop.run)
    compared, same, decided, differing = 0, 0, 0, []
    rows = [row for row in rows if row.source == "human" and row.group in loop.asked]
    for row in rows:
        left, right = loop.store.question(row.group).shown
        mu_of_left = row.mu if left.item_id == row.sigma1.item_id else 1 - row.mu
        person, other = WORDS[mu_of_left], answer(left, right)
        if other == "skip":
            continue
        compared += 1
        same += person == other
        decided += "equal" not in (person, other)
        if person != other:
            differing.append(Difference(row.group, loop.asked[row.group], left, right, person, other, row.weight))
    differing.sort(key=lambda d: (not d.opposite, -d.weight, -d.round, d.question))
    opposite = sum(difference.opposite for difference in differing)
    return Differences(compared, same, decided, decided - opposite, tuple(differing))
