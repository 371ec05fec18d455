"""The true reward, put under seal: whoever learns from preferences cannot look at it, not even by mistake. Lesson 04.

Only the evaluator plays in environments that are not wrapped.
"""

import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper

from course_lib.errors import CourseError

KEPT_INFO = ("final_obs", "_final_obs")        # all of `info` that a learner needs; anything else may hold rewards


class RewardIsHidden(CourseError):
    """Something that learns from preferences looked at the true reward."""


class SealedReward:
    """Stands where the true rewards stood. Reading, adding, comparing or storing it raises RewardIsHidden."""

    __slots__ = ()

    def __getattr__(self, name: str) -> object:
        raise RewardIsHidden("The true reward is hidden from whoever learns from preferences, and something asked it "
                             f"for {name!r}. Use the learned reward, or measure with course_lib.rl.evaluate.")

    def __repr__(self) -> str:
        return "SealedReward()"


def _refusal(name: str) -> object:
    def refuse(self: SealedReward, *others: object, **options: object) -> object:
        return self.__getattr__(name)

    return refuse


for _name in (
    "array", "array_ufunc", "array_function", "float", "int", "index", "bool", "len", "iter", "getitem", "contains",
    "hash", "add", "radd", "iadd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "rfloordiv", "pow",
    "rpow", "matmul", "rmatmul", "neg", "pos", "abs", "round", "eq", "ne", "lt", "le", "gt", "ge", "reduce_ex", "copy",
    "deepcopy",
):
    setattr(SealedReward, f"__{_name}__", _refusal(f"__{_name}__"))


class HideReward(VectorWrapper):
    """`envs` with sealed rewards, and with an `info` that holds final observations and nothing else."""

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, SealedReward, np.ndarray, np.ndarray, dict]:
        """As `VectorEnv.step`; in place of the rewards a `SealedReward`."""
        obs, _, terminated, truncated, info = self.env.step(actions)
        return obs, SealedReward(), terminated, truncated, {key: info[key] for key in KEPT_INFO if key in info}

    def reset(self, **options: object) -> tuple[np.ndarray, dict]:
        """As `VectorEnv.reset`, with an empty info."""
        return self.env.reset(**options)[0], {}

    def __getattr__(self, name: str) -> object:
        """Checkpoints reach through the seal, where the environments can make one; nothing else does."""
        if name in ("state_dict", "load_state_dict"):
            return getattr(self.env, name)
        raise AttributeError(f"{type(self).__name__} has no {name!r}")


def hide_reward(envs: VectorEnv) -> VectorEnv:
    """`envs` under seal; already sealed ones stay as they are."""
    return envs if isinstance(envs, HideReward) else HideReward(envs)
