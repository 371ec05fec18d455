"""Where one point of Pong ends and the next begins: how far back a reward may reach. Lesson 05; without the score, 06.

A game has about 30 points, and what happened in one says nothing about the next. When GAE stops at each point, credit
goes to the strokes that earned it; lesson 05 measures what that buys.
"""

import torch

from course_lib.rl.rollout import Rollout

BALL_GONE_STEPS = 3                     # the ball flickers for one step now and then; unseen for three it is out
PADDLE_COLUMNS = (slice(0, 4), slice(5, 35), slice(36, 40))     # columns of the 40 without the two paddles' (4 and 35)


def at_points(rollout: Rollout) -> torch.Tensor:
    """(T, N) bool: a point or the game ended with this step. Uses the true rewards, so only where those may be seen."""
    return (rollout.rewards != 0) | rollout.ended


def ball_seen(obs: torch.Tensor) -> torch.Tensor:
    """Whether the newer frame shows a ball. obs: (..., 2, rows, 40) cells or (..., 10) objects; returns (...) bool.

    In cells, anything outside the paddles' two columns is the ball.
    """
    if obs.shape[-1] == 10:
        return obs[..., 0] > 0.5
    now = obs[..., 0, :, :]                                                         # (..., rows, 40)
    return torch.stack([now[..., columns].flatten(-2).amax(-1) > 0 for columns in PADDLE_COLUMNS]).any(0)


def at_ball_gone(rollout: Rollout) -> torch.Tensor:
    """(T, N) bool: the ball was seen before this step and is not in the three looks after it.

    It is read off the screen and says that a rally ended, not who won it. The last two steps of a rollout cannot be
    followed far enough; they count what can be seen. Ends of games are not used: how long a game lasts tells who wins.
    """
    seen = ball_seen(torch.cat([rollout.obs, rollout.last_obs[None]]))              # (T + 1, N)
    unseen_to_the_end = torch.zeros_like(seen[:1]).expand(BALL_GONE_STEPS - 1, -1)
    later = torch.cat([seen, unseen_to_the_end])                                    # (T + 3, N)
    steps = len(rollout.obs)
    gone = ~torch.stack([later[1 + k:1 + k + steps] for k in range(BALL_GONE_STEPS)]).any(0)
    return seen[:-1] & gone
