"""Synthetic labelers for Pong that know only what the clip shows. Lesson 07.

`PongPointsLabeler` counts points won and lost within the clip: it watches the ball on the court's frames, which carry
no score; a ball that is seen behind a paddle has scored. The emulator's reward is not asked
(tests/test_atari_points_labeler.py compares the two). `PongMarkLabeler` has preferences that Pong's score does not
know: long rallies, and a paddle that stays low. All say "equal" where they see no difference, and their labels are
always called scripted.
"""

from collections.abc import Callable

import numpy as np

from course_lib.atari.encoders import BALL, OUR_COLUMN, OUR_PADDLE
from course_lib.preferences.segments import Segment
from course_lib.preferences.synthetic_labeler import SyntheticLabeler

BEHIND_THEM, BEHIND_US = 12, 148    # columns of pixels: the paddles stand at 16 to 19 and at 140 to 143


def ball_across(frames: np.ndarray) -> np.ndarray:
    """Where the ball is, in pixels from the left; -1 where none is seen. frames: (L, H, W) grey or (L, H, W, 3)."""
    ball = (frames[..., 0] if frames.ndim == 4 else frames) == BALL                 # (L, H, W)
    columns = ball.any(axis=1)                                                      # (L, W)
    return np.where(columns.any(axis=1), columns.argmax(axis=1), -1)


def points_shown(frames: np.ndarray) -> tuple[int, int]:
    """(points won, points lost) that a clip shows. frames: (L, 160, 160) grey or (L, 160, 160, 3) in colour.

    We play on the right. Each time that the ball comes to be behind a paddle counts, also one there at the start.
    """
    ball = ball_across(frames)                                                      # (L,)
    won, lost = (ball >= 0) & (ball < BEHIND_THEM), ball >= BEHIND_US               # (L,) each
    return _beginnings(won), _beginnings(lost)


def _beginnings(flags: np.ndarray) -> int:
    """How many runs of True there are."""
    return int(flags[0]) + int((flags[1:] & ~flags[:-1]).sum())


def compare_points(sigma1: Segment, sigma2: Segment) -> float:
    """mu: 1 if the first clip shows the better balance of points, 0 if the second does, 0.5 if they are equal."""
    won, lost = np.array([points_shown(sigma.frames) for sigma in (sigma1, sigma2)]).T      # (2,) each
    first, second = won - lost
    return 0.5 if first == second else float(first > second)


class PongPointsLabeler(SyntheticLabeler):
    """Counts the points that a clip shows, with a share of labels at random and a tally of what it said.

    wrong: this share of labels is replaced by a left or right drawn at random, ties too.
    """

    def __init__(self, wrong: float = 0.0, seed: int = 0):
        super().__init__()
        self.wrong, self.rng = wrong, np.random.default_rng(seed)

    def compare(self, sigma1: Segment, sigma2: Segment) -> float:
        mu = compare_points(sigma1, sigma2)
        if self.wrong and self.rng.random() < self.wrong:
            mu = float(self.rng.integers(2))
        return mu


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


class PongMarkLabeler(SyntheticLabeler):
    """Prefers the clip with the higher mark; marks closer than `blur` are equal."""

    def __init__(self, mark: Callable[[Segment], float], blur: float = 0.0):
        super().__init__()
        self.mark, self.blur = mark, blur

    def compare(self, sigma1: Segment, sigma2: Segment) -> float:
        difference = self.mark(sigma1) - self.mark(sigma2)
        return 0.5 if abs(difference) <= self.blur else float(difference > 0)
