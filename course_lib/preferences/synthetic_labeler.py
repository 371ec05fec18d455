"""A synthetic labeler answers as a person might who sees the same two clips, and no rewards. Lessons 04, 05, 07.

Its labels are always stored with source = "scripted". The tasks have their own: balancing (preferences/cartpole.py),
Pong (atari/synthetic_labelers.py), Donkey Kong (atari/donkey_kong.py), the hopper (hopper/labelers.py), answers
(lm/answer_labelers.py). Those that err on purpose: teachers.py.
"""

from course_lib.preferences.segments import Segment


class SyntheticLabeler:
    """`labeler(sigma1, sigma2) -> mu`, with a tally of what was said; subclasses write `compare`."""

    source = "scripted"

    def __init__(self) -> None:
        self.answers: list[float | None] = []

    def __call__(self, sigma1: Segment, sigma2: Segment) -> float | None:
        self.answers.append(self.compare(sigma1, sigma2))
        return self.answers[-1]

    def compare(self, sigma1: Segment, sigma2: Segment) -> float | None:
        """mu: 1.0 for the first clip, 0.0 for the second, 0.5 for a tie; None skips the pair."""
        raise NotImplementedError

    @property
    def ties(self) -> int:
        """Ties among the answers so far."""
        return self.answers.count(0.5)
