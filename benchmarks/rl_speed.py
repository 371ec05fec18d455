"""Agent steps per CPU-second of PPO: the course's and stable-baselines3's, same net, environments and batch.

    python benchmarks/rl_speed.py

The two take turns in one process, ROUNDS times, and the median counts. Rows with "Gymnasium's envs": both step the
environments that gymnasium.make gives. Rows with "the course's CartPole": both step the numpy one, which
stable-baselines3 gets through a small adapter. "Each with its own": the course with its numpy CartPole,
stable-baselines3 with Gymnasium's, as either would be used. Results: benchmarks/results/rl_speed.json.
"""

import statistics
import time
from collections.abc import Callable

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import VectorEnv
from record import Results
from stable_baselines3 import PPO as TheirPPO
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from course_lib.rl.cartpole import VectorCartPole
from course_lib.rl.settings import CARTPOLE, CARTPOLE_CLEANRL, LUNAR_LANDER, Setting
from course_lib.rl.vector_envs import make_vector

ROUNDS = 5
UPDATES = 12                                    # timed in each round, after two that are not


class AsTheirs(VecEnv):
    """The course's vector environment behind stable-baselines3's interface."""

    def __init__(self, envs: VectorEnv):
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)
        self.envs = envs

    def reset(self) -> np.ndarray:
        return self.envs.reset(seed=0)[0]

    def step_async(self, actions: np.ndarray) -> None:
        self.actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict]]:
        obs, rewards, terminated, truncated, info = self.envs.step(self.actions)
        infos: list[dict] = [{} for _ in range(self.num_envs)]
        for n in np.flatnonzero(terminated | truncated):
            infos[n] = {"terminal_observation": info["final_obs"][n],
                        "TimeLimit.truncated": truncated[n] and not terminated[n]}
        return obs, rewards, terminated | truncated, infos

    def close(self) -> None: ...
    def get_attr(self, attr_name: str, indices: object = None) -> list: return [None] * self.num_envs
    def set_attr(self, attr_name: str, value: object, indices: object = None) -> None: ...
    def env_method(self, method_name: str, *args: object, indices: object = None, **kwargs: object) -> list: return []
    def env_is_wrapped(self, wrapper_class: type, indices: object = None) -> list[bool]: return [False] * self.num_envs


def our_speed(setting: Setting, envs: VectorEnv) -> Callable[[], float]:
    """A function that trains UPDATES updates and returns agent steps per CPU-second."""
    setting = Setting(**{**vars(setting), "make_envs": lambda _: envs})
    ppo = setting.start()
    batch = ppo.config.num_steps * setting.num_envs
    list(ppo.train(until=2 * batch))

    def measure() -> float:
        begun, before = ppo.cpu_seconds, ppo.steps
        list(ppo.train(until=ppo.steps + UPDATES * batch))
        return (ppo.steps - before) / (ppo.cpu_seconds - begun)

    return measure


def their_speed(setting: Setting, envs: VecEnv) -> Callable[[], float]:
    """The same for stable-baselines3, with the same numbers in its own words."""
    config = setting.config
    model = TheirPPO(
        "MlpPolicy", envs, n_steps=config.num_steps, batch_size=config.minibatch_size, n_epochs=config.epochs,
        learning_rate=config.learning_rate, gamma=config.gamma, gae_lambda=config.lam, clip_range=config.clip,
        ent_coef=config.entropy_coefficient, vf_coef=config.value_coefficient, max_grad_norm=config.max_grad_norm,
        device="cpu", policy_kwargs={"net_arch": [64, 64], "activation_fn": torch.nn.ReLU})
    batch = config.num_steps * setting.num_envs
    model.learn(2 * batch)

    def measure() -> float:
        begun, before = time.process_time(), model.num_timesteps
        model.learn(UPDATES * batch, reset_num_timesteps=False)
        return (model.num_timesteps - before) / (time.process_time() - begun)

    return measure


def compare(ours: Callable[[], float], theirs: Callable[[], float]) -> dict:
    """Both in turns; medians over the rounds."""
    rounds = [(ours(), theirs()) for _ in range(ROUNDS)]
    our_median, their_median = (statistics.median(column) for column in zip(*rounds, strict=True))
    return {"course": round(our_median), "stable_baselines3": round(their_median),
            "ratio": round(statistics.median(a / b for a, b in rounds), 2),
            "ratios": sorted(round(a / b, 2) for a, b in rounds)}


def gymnasiums(env_id: str, num_envs: int) -> VecEnv:
    """Their vector environment over gymnasium.make, with their Monitor, as their own helper makes it."""
    return DummyVecEnv([lambda: Monitor(gym.make(env_id, disable_env_checker=True))] * num_envs)


if __name__ == "__main__":
    torch.set_num_threads(1)
    results = Results("rl_speed", "agent steps per CPU-second, PPO; medians of rounds in turns")
    for setting in (CARTPOLE, CARTPOLE_CLEANRL):
        N = setting.num_envs
        results.once(f"{setting.task}, each with its own", lambda s=setting, n=N: compare(
            our_speed(s, VectorCartPole(n)), their_speed(s, gymnasiums("CartPole-v1", n))))
        results.once(f"{setting.task}, Gymnasium's envs", lambda s=setting, n=N: compare(
            our_speed(s, make_vector("CartPole-v1", n)), their_speed(s, gymnasiums("CartPole-v1", n))))
        results.once(f"{setting.task}, the course's CartPole", lambda s=setting, n=N: compare(
            our_speed(s, VectorCartPole(n)), their_speed(s, AsTheirs(VectorCartPole(n)))))
    results.once(f"{LUNAR_LANDER.task}, Gymnasium's envs", lambda: compare(
        our_speed(LUNAR_LANDER, make_vector("LunarLander-v3", LUNAR_LANDER.num_envs)),
        their_speed(LUNAR_LANDER, gymnasiums("LunarLander-v3", LUNAR_LANDER.num_envs))))
