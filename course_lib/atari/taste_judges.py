"""Scripted labellers for tastes that Pong's score does not know: long rallies, and a paddle that stays low. Lesson 06.

Like the judge of points (judge.py) they look at the pictures of a clip and nothing else, say "equal" where they see no
difference, and their labels are called scripted. A person can have any other taste: that is what clicks are for.
"""

from collections.abc import Callable

import numpy as np

from course_lib.atari.encoders import OUR_COLUMN, OUR_PADDLE
from course_lib.atari.judge import points_shown
from course_lib.atari.scripted_judge import ScriptedJudge
from course_lib.atari.segments import Segment

COURT = 160                             # rows of pixels


def paddle_height(frames: np.ndarray) -> np.ndarray:
    """How high our paddle's middle stands in each frame: 0 floor, 1 ceiling; nan where it is not seen.

    frames: (L, 160, 160) grey, or (L, 160, 160, 3) in colour, of which the green paddle's red part is looked at.
    """
    shade = frames[..., OUR_COLUMN, :][..., 0] == 92 if frames.ndim == 4 else frames[..., OUR_COLUMN] == OUR_PADDLE
    rows = np.arange(COURT)
    seen = shade.sum(axis=1)                                                        # (L,)
    middle = (shade * rows).sum(axis=1) / np.maximum(seen, 1)
    return np.where(seen > 0, 1 - middle / (COURT - 1), np.nan)


def mark_rally(segment: Segment) -> float:
    """Minus the points that the clip shows, whoever won them: best is a ball that stays in play."""
    return -float(sum(points_shown(segment.frames)))


def mark_low(segment: Segment) -> float:
    """Minus the mean height of our paddle; a clip that never shows it is as bad as one that shows it at the ceiling."""
    height = paddle_height(segment.frames)
    return -float(np.nanmean(height)) if np.isfinite(height).any() else -1.0


class MarkJudge(ScriptedJudge):
    """Prefers the clip with the higher mark; marks closer than `blur` are equal."""

    def __init__(self, mark: Callable[[Segment], float], blur: float = 0.0):
        super().__init__()
        self.mark, self.blur = mark, blur

    def verdict(self, sigma1: Segment, sigma2: Segment) -> float:
        difference = self.mark(sigma1) - self.mark(sigma2)
        return 0.5 if abs(difference) <= self.blur else float(difference > 0)
