"""What the scripted labellers have in common: a tally of their verdicts. Lesson 06."""

from course_lib.atari.segments import Segment


class ScriptedJudge:
    """A labeller `judge(sigma1, sigma2) -> mu` that counts its ties; subclasses say `verdict`."""

    source = "scripted"

    def __init__(self) -> None:
        self.verdicts: list[float] = []

    def __call__(self, sigma1: Segment, sigma2: Segment) -> float:
        self.verdicts.append(self.verdict(sigma1, sigma2))
        return self.verdicts[-1]

    def verdict(self, sigma1: Segment, sigma2: Segment) -> float:
        """mu: 1.0 for the first clip, 0.0 for the second, 0.5 for a tie."""
        raise NotImplementedError

    @property
    def ties(self) -> int:
        """Ties among the verdicts so far."""
        return self.verdicts.count(0.5)
