"""How long a stroke in Pong has to wait for its reward: from the ball's turn at our paddle to the point. Lesson 05."""

import numpy as np

from course_lib.atari.encoders import OUR_COLUMN
from course_lib.atari.judge import ball_across

NEAR_US = OUR_COLUMN - 20               # pixels from the left: the ball turns at our paddle beyond this


def our_strokes(across: np.ndarray) -> np.ndarray:
    """(T,) bool: between this step and the one before, the ball turned at our paddle (on the right).

    across: (T,) pixels from the left, -1 where no ball is seen.
    """
    moved = np.diff(across)                                                         # (T - 1,)
    seen = across >= 0
    turned = (moved[:-1] > 0) & (moved[1:] < 0) & (across[1:-1] > NEAR_US)          # (T - 2,) at the middle one
    turned &= seen[:-2] & seen[1:-1] & seen[2:]
    return np.concatenate([[False, False], turned])


def steps_to_the_point(frames: np.ndarray, rewards: np.ndarray) -> list[int]:
    """For each point won, the steps since our last stroke; points without one (the serve went past them) are left out.

    frames: (T, N, H, W) grey, what each action led to; rewards: (T, N), 1 where a point was won, -1 where one was lost.
    """
    found = []
    for n in range(rewards.shape[1]):
        strokes, last = our_strokes(ball_across(frames[:, n])), None
        for t in range(len(rewards)):
            last = t if strokes[t] else last
            if rewards[t, n] != 0:
                if rewards[t, n] > 0 and last is not None:
                    found.append(t - last)
                last = None
    return found
