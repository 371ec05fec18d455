"""The true reward, put under seal: whoever learns from preferences cannot look at it, not even by mistake. Lesson 04.

The one seal of the course: CartPole's and Atari's rewards are behind it (lessons 04 and 07). Only the evaluator plays
in environments that are not wrapped, or writes true returns down beneath the seal (`TrueReturns`, for benchmarks).
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


PASSED = ("state_dict", "load_state_dict", "take_frames", "start_keeping_frames", "stop_keeping_frames")


class _Passing(VectorWrapper):
    """Checkpoints and pictures (`PASSED`) reach through, where the environments make them; nothing else does."""

    def __getattr__(self, name: str) -> object:
        if name in PASSED:
            return getattr(self.env, name)
        raise AttributeError(f"{type(self).__name__} has no {name!r}")


class HideReward(_Passing):
    """`envs` with sealed rewards, and with an `info` that holds final observations and nothing else."""

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, SealedReward, np.ndarray, np.ndarray, dict]:
        """As `VectorEnv.step`; in place of the rewards a `SealedReward`."""
        obs, _, terminated, truncated, info = self.env.step(actions)
        return obs, SealedReward(), terminated, truncated, {key: info[key] for key in KEPT_INFO if key in info}

    def reset(self, **options: object) -> tuple[np.ndarray, dict]:
        """As `VectorEnv.reset`, with an empty info."""
        return self.env.reset(**options)[0], {}


def hide_reward(envs: VectorEnv) -> VectorEnv:
    """`envs` under seal; already sealed ones stay as they are."""
    return envs if isinstance(envs, HideReward) else HideReward(envs)


class TrueReturns(_Passing):
    """`envs` that write the true return of every finished episode into `returns`, for the evaluator alone.

    It goes beneath the seal, so that a benchmark can say how the true return rose while nothing that learned saw it.
    """

    def __init__(self, envs: VectorEnv, returns: list[float]):
        super().__init__(envs)
        self.returns, self.running = returns, np.zeros(envs.num_envs)

    def reset(self, **options: object) -> tuple[np.ndarray, dict]:
        """As `VectorEnv.reset`; episodes that were running are not counted."""
        self.running = np.zeros(self.env.num_envs)
        return self.env.reset(**options)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
        """As `VectorEnv.step`."""
        obs, rewards, terminated, truncated, info = self.env.step(actions)
        self.running += rewards
        ended = terminated | truncated
        self.returns += self.running[ended].tolist()
        self.running[ended] = 0.0
        return obs, rewards, terminated, truncated, info
