"""Many copies of an environment behind one interface: Gymnasium's `VectorEnv` with same-step autoreset.

When an episode ends inside a vector environment, somebody must start the next one. Gymnasium knows two ways. In
*next-step* mode the following step is spent on the reset: its action is ignored and its reward means nothing, so every
learner must leave that step out. In *same-step* mode the step that ends an episode already returns the first
observation of the next one and keeps the true last one in `info["final_obs"]`; no step is wasted. The course uses the
second and refuses the first. Introduced in lesson 01; the difference matters in lesson 02.
"""

from collections.abc import Callable

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv


def make_vector(env_id: str, num_envs: int, wrap: Callable[[gym.Env], gym.Env] | None = None, **options) -> VectorEnv:
    """`num_envs` copies of a registered Gymnasium environment, stepped one after the other in this process.

    `wrap` is put around each copy; `options` go to `gymnasium.make`.
    """
    def make() -> gym.Env:
        env = gym.make(env_id, disable_env_checker=True, **options)     # the checker is for authors of environments
        return wrap(env) if wrap else env

    return SyncVectorEnv([make] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)


def require_same_step(envs: VectorEnv) -> None:
    """Raise ValueError unless `envs` resets an ended episode within the same step."""
    mode = AutoresetMode(envs.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP))
    if mode is not AutoresetMode.SAME_STEP:
        raise ValueError(
            f"These environments reset in {mode.value} mode: after each end one step ignores its action, and learning "
            "from that step would be learning from noise. Make them with autoreset_mode=AutoresetMode.SAME_STEP, or "
            "with course_lib.rl.vector_envs.make_vector.")


def final_observations(info: dict, ended: np.ndarray) -> np.ndarray:
    """The true last observations of the episodes that ended in this step: (ended.sum(), ...), in the order of the envs.

    info: what `step` returned; ended: (N,) bool, terminated or truncated.
    """
    return np.stack([np.asarray(info["final_obs"][n]) for n in np.flatnonzero(ended)])
