"""Imperfect teachers: synthetic labelers that err, skip, tie and forget as people do, for any task. Lesson 04.

    teacher = Teacher(marks)                                    # the oracle: always right about the sum of its marks
    Teacher(marks, epsilon=0.1)                                 # mistakes: one answer in ten is turned round
    Teacher(marks, beta=0.3)                                    # stochastic: the closer two clips, the more often wrong
    Teacher(marks, gamma=0.9)                                   # myopic: the end of a clip counts most
    Teacher(marks, delta_equal=4.0)                             # equal, unless the difference is large
    Teacher(marks, delta_skip=-20.0)                            # skips a pair when both clips are poor
    LeftWhenUnsure(marks, delta_equal=2.0)                      # left, where it sees no difference: a position bias

A task brings `marks`, a function of a clip: one number for each of its steps, (L,), more is better; or one number for
the clip as a whole. CartPole's teachers are in preferences/cartpole.py.

Source: K. Lee, L. Smith, A. Dragan and P. Abbeel (2021), "B-Pref: Benchmarking preference-based reinforcement
learning", section 3 and algorithm 1, whose names these are. Departures:
- the thresholds are fixed numbers, in marks; theirs follow the return of the policy;
- draws depend on the two clips and the seed, not on what was asked before: the same pair gets the same answer whichever
  clip stands first and however often it is asked (a run that was interrupted asks again), `LeftWhenUnsure` apart;
- without randomness (beta infinite) clips with equal discounted sums are equal; theirs prefers one of them;
- the position bias is not among theirs.
"""

import math
import zlib
from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from course_lib.preferences.segments import Segment
from course_lib.preferences.synthetic_labeler import SyntheticLabeler

Marks = Callable[[Segment], Tensor | np.ndarray | Sequence[float] | float]


def rational_preference(marks1: np.ndarray, marks2: np.ndarray, beta: float = math.inf, gamma: float = 1.0) -> float:
    """Probability that a teacher prefers the first clip: Bradley–Terry on sums that discount a clip's beginning.

    marks1, marks2: (L,), one number a step (the lengths may differ). beta: rationality; 0 answers at random, infinity
    never errs. gamma: a step's weight is gamma to the number of steps after it; below 1 the teacher is myopic.
    Source: Lee et al. (2021), section 3: P = exp(beta * G1) / (exp(beta * G1) + exp(beta * G2)), with
    G = sum over t = 1..L of gamma^(L - t) * r_t.
    """
    first, second = (float((marks * gamma ** np.arange(len(marks))[::-1]).sum()) for marks in (marks1, marks2))
    gap = first - second
    if gap == 0 or beta == 0:
        return 0.5
    return float(gap > 0) if math.isinf(beta) else 0.5 * (1 + math.tanh(beta * gap / 2))      # a stable sigmoid


class Teacher(SyntheticLabeler):
    """`teacher(sigma1, sigma2) -> mu`: 1 for the first clip, 0 for the second, 0.5 equal, None where it skips the pair.

    marks: what it likes, see above. beta, gamma: see `rational_preference`. epsilon: share of preferences, left or
    right, that are turned round. delta_equal: sums of marks closer than this are equal. delta_skip: a pair is skipped
    when neither clip's sum reaches this. The two thresholds look at plain sums, without gamma, as in the paper.
    Raises ValueError for settings out of range.
    """

    def __init__(self, marks: Marks, *, beta: float = math.inf, epsilon: float = 0.0, delta_skip: float = -math.inf,
                 delta_equal: float = 0.0, gamma: float = 1.0, seed: int = 0):
        super().__init__()
        for name, value, low, high in (("beta", beta, 0, math.inf), ("epsilon", epsilon, 0, 1),
                                       ("delta_equal", delta_equal, 0, math.inf), ("gamma", gamma, 0, 1)):
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}; give a number from {low} to {high}")
        self.marks, self.beta, self.epsilon, self.gamma, self.seed = marks, beta, epsilon, gamma, seed
        self.delta_skip, self.delta_equal = delta_skip, delta_equal

    def compare(self, sigma1: Segment, sigma2: Segment) -> float | None:
        """The answer to a pair, as algorithm 1 has it: skip, else equal, else a preference that may be a mistake."""
        marks1, marks2 = (np.atleast_1d(np.asarray(self.marks(clip), dtype=np.float64)) for clip in (sigma1, sigma2))
        if max(marks1.sum(), marks2.sum()) < self.delta_skip:
            return None
        if abs(marks1.sum() - marks2.sum()) < self.delta_equal:
            return self.unsure()
        chance = rational_preference(marks1, marks2, self.beta, self.gamma)
        if math.isinf(self.beta) and chance == 0.5:
            return self.unsure()
        return self._draw(sigma1, sigma2, chance)

    def unsure(self) -> float:
        """What it answers where it sees no difference."""
        return 0.5

    def _draw(self, sigma1: Segment, sigma2: Segment, chance: float) -> float:
        """1 with this chance, else 0; turned round with chance epsilon. A pair draws the same in either order."""
        names = [zlib.crc32(np.ascontiguousarray(clip.obs).tobytes()) for clip in (sigma1, sigma2)]
        rng = np.random.default_rng([self.seed, *sorted(names)])
        swapped = names[0] > names[1]
        first = (rng.random() < (1 - chance if swapped else chance)) != swapped
        mistake = rng.random() < self.epsilon
        return float(first != mistake)


class LeftWhenUnsure(Teacher):
    """Answers "left" (the first clip) wherever another teacher would call two clips equal: a position bias.

    The label store draws at random which clip stands left, so that a preference for one side becomes noise, and not a
    preference for one clip.
    """

    def unsure(self) -> float:
        return 1.0
