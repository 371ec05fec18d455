"""Settings that were measured, by name; the trained agents that ship; the stored ablation. Lessons 01, 02 and 04.

Each setting says which benchmark measured it; its figures are in benchmarks/results/. `CARTPOLE.start(seed=0)` makes
the environments, the network and PPO. The agents that lessons 01 and 02 open with were made by this course's own code
and are rebuilt by `python benchmarks/rl_slip.py --ship` (landers) and `python benchmarks/rl_lambda.py --ship` (CartPole
agents in the middle of learning). The ablation shows what each part of PPO buys: train without it, over several seeds,
and compare (lesson 02).
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gymnasium.vector import VectorEnv
from torch import nn

from course_lib.paths import root
from course_lib.rl.cartpole import VectorCartPole
from course_lib.rl.evaluate import evaluate, greedy, sampled
from course_lib.rl.lunar_lander import (
    Slip,
    SlippedReward,
    legs_rewarded_every_step,
    only_progress_counts,
    score_rewarded_every_step,
)
from course_lib.rl.networks import ActorCritic
from course_lib.rl.ppo import PPO, PPOConfig
from course_lib.rl.vector_envs import make_vector
from course_lib.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint


@dataclass(frozen=True)
class Setting:
    """A task and how PPO solves it."""

    task: str                                   # what a reader would call it
    make_envs: Callable[[int], VectorEnv]       # number of environments -> them
    num_envs: int                               # environments stepped together while training
    goal: float                                 # mean return of 20 fresh episodes that counts as solved
    config: PPOConfig
    measured_by: str                            # the benchmark whose results say how well this works

    def start(self, seed: int = 0, checkpoint: Path | None = None, network: nn.Module | None = None, **changes) -> PPO:
        """PPO ready to train: two networks of 64-64 with ReLU, seeded, or the `network` given, to train it on.

        `changes` replace fields of the config.
        """
        envs = self.make_envs(self.num_envs)
        if network is None:
            network = ActorCritic(envs.single_observation_space.shape[0], int(envs.single_action_space.n), seed=seed)
        return PPO(envs, network, replace(self.config, seed=seed, **changes), checkpoint)


def lunar_landers(num_envs: int) -> VectorEnv:
    """Gymnasium's LunarLander-v3, `num_envs` times."""
    return make_vector("LunarLander-v3", num_envs)


def slipped_landers(slip: Slip) -> Callable[[int], VectorEnv]:
    """The same with a slip in the reward (see lunar_lander.py): a function from a number to the environments."""
    return lambda num_envs: make_vector("LunarLander-v3", num_envs, wrap=lambda env: SlippedReward(env, slip))


CARTPOLE = Setting(
    task="CartPole", make_envs=VectorCartPole, num_envs=16, goal=475.0, measured_by="benchmarks/rl_cartpole.py",
    config=PPOConfig(total_steps=100_000, num_steps=128, epochs=4, minibatch_size=256, reward_scale=0.1))

CARTPOLE_CLEANRL = Setting(
    # the defaults of CleanRL's ppo.py: few environments, small steps, five times as many of them
    task="CartPole, CleanRL's settings", make_envs=VectorCartPole, num_envs=4, goal=475.0,
    measured_by="benchmarks/rl_cartpole.py",
    config=PPOConfig(total_steps=500_000, num_steps=128, epochs=4, minibatch_size=128, learning_rate=2.5e-4,
                     final_learning_rate=0.0))

LUNAR_LANDER = Setting(
    task="LunarLander", make_envs=lunar_landers, num_envs=64, goal=200.0, measured_by="benchmarks/rl_lunarlander.py",
    config=PPOConfig(total_steps=800_000, num_steps=128, epochs=4, minibatch_size=512, gamma=0.999, lam=0.98,
                     reward_scale=0.1))

ONLY_PROGRESS = Setting(
    # coming nearer is rewarded, going away is free; the goal is above the return of a good landing under this reward
    task="LunarLander, only progress counts", make_envs=slipped_landers(only_progress_counts), num_envs=64, goal=400.0,
    measured_by="benchmarks/rl_slip.py", config=replace(LUNAR_LANDER.config, total_steps=500_000))

SCORE_EVERY_STEP = Setting(
    # the score is negative until the lander is down, so every step hurts; the goal is less hurt than a good landing
    task="LunarLander, the score at every step", make_envs=slipped_landers(score_rewarded_every_step), num_envs=64,
    goal=-16_000.0, measured_by="benchmarks/rl_slip.py",
    config=replace(LUNAR_LANDER.config, total_steps=300_000, reward_scale=0.01))

LEGS_EVERY_STEP = Setting(
    # meant to go on from the shipped lander: start(network=...); the goal is five times the return of a good landing
    task="LunarLander, legs paid at every step", make_envs=slipped_landers(legs_rewarded_every_step), num_envs=64,
    goal=10_000.0, measured_by="benchmarks/rl_slip.py",
    config=replace(LUNAR_LANDER.config, total_steps=200_000, gamma=0.99, lam=0.95, reward_scale=0.01))


LANDER = "lander.pt"                                    # trained on LunarLander's own reward
LANDER_ONLY_PROGRESS = "lander_only_progress.pt"        # trained with only_progress_counts
LANDER_SCORE_EVERY_STEP = "lander_every_step.pt"        # trained with score_rewarded_every_step
LANDER_LEGS_EVERY_STEP = "lander_legs_every_step.pt"    # the first, trained on with legs_rewarded_every_step

CARTPOLE_LEARNING = "cartpole_learning.pt"              # five CartPole agents after 20,000 steps, seeds 0 to 4


def folder() -> Path:
    """Where shipped checkpoints lie: `assets/checkpoints` of the checkout."""
    return root() / "assets" / "checkpoints"


def save_agent(name: str, network: ActorCritic, facts: dict) -> None:
    """Write an agent to ship, and how it was made."""
    save_checkpoint(folder() / name, {"network": network.state_dict(), "facts": facts})


def load_agent(name: str) -> tuple[ActorCritic, dict]:
    """(agent, how it was made) of a shipped lander. Raises CheckpointError when the file cannot be used."""
    state, network = load_checkpoint(folder() / name), ActorCritic(8, 4)
    try:
        network.load_state_dict(state["network"])
        return network.eval(), state["facts"]
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(f"{name} holds another network than this course's ({type(error).__name__}). Get the file "
                              f"back with `git checkout assets/checkpoints/{name}`, or rebuild it: see "
                              "course_lib/rl/settings.py.") from error


def save_learning_agents(networks: list[ActorCritic], facts: dict) -> None:
    """Write the CartPole agents that lesson 02 looks at, in the order of their seeds, and how they were made."""
    save_checkpoint(folder() / CARTPOLE_LEARNING, {"networks": [n.state_dict() for n in networks], "facts": facts})


def learning_agents() -> list[ActorCritic]:
    """Five CartPole agents in the middle of learning. Raises CheckpointError when the file cannot be used.

    Shipped, because what lesson 02 shows on them depends on the agent, and training is not the same on every processor.
    """
    found = []
    for state in load_checkpoint(folder() / CARTPOLE_LEARNING)["networks"]:
        found.append(ActorCritic(4, 2))
        found[-1].load_state_dict(state)
    return [network.eval() for network in found]


VARIANTS: dict[str, dict[str, float]] = {
    "PPO": {},
    "no clipping": {"clip": float("inf")},
    "lambda 1": {"lam": 1.0},               # advantages from the rewards seen alone; the critic is only a baseline
    "lambda 0": {"lam": 0.0},               # advantages of one step; the critic is trusted with all the rest
    "no normalization": {"normalize_advantages": False},
    "no entropy bonus": {"entropy_coefficient": 0.0},
    "one epoch": {"epochs": 1},             # each rollout is learned from once
}


@dataclass(frozen=True)
class AblationRun:
    """One training run with one part changed."""

    variant: str                            # a key of VARIANTS
    seed: int
    steps: list[int]                        # agent steps at each point of the curve
    returns: list[float]                    # mean return of the last 20 training episodes there
    sampled: float                          # mean return of 20 fresh episodes afterwards, actions drawn
    greedy: float                           # the same with the likeliest action
    cpu_seconds: float                      # training alone


def run_variant(setting: Setting, variant: str, seed: int, points: int = 40, **changes) -> AblationRun:
    """Train `setting` with one part changed. points: about how many the curve keeps; `changes`: to the config."""
    ppo = setting.start(seed=seed, **{**changes, **VARIANTS[variant]})
    updates = ppo.config.total_steps / (ppo.config.num_steps * setting.num_envs)
    every = max(1, round(updates / points))
    history = [progress for progress in ppo.train() if progress.update % every == 0]
    envs = setting.make_envs(20)
    return AblationRun(
        variant, seed, [p.steps for p in history], [round(p.episode_return, 1) for p in history],
        sampled=round(evaluate(envs, sampled(ppo.network, seed)).mean, 1),
        greedy=round(evaluate(envs, greedy(ppo.network)).mean, 1), cpu_seconds=round(ppo.cpu_seconds, 2))


def ablate(setting: Setting, variants: Iterable[str] = tuple(VARIANTS), seeds: Iterable[int] = range(3),
           **changes) -> Iterator[AblationRun]:
    """Each variant with each seed, one finished run at a time."""
    for variant in variants:
        for seed in seeds:
            yield run_variant(setting, variant, seed, **changes)


def stored_ablation(task: str) -> list[AblationRun]:
    """The runs that `benchmarks/rl_ablation.py` measured: task "cartpole" or "lunarlander"."""
    stored = json.loads((root() / "benchmarks" / "results" / f"rl_ablation_{task}.json").read_text())
    fields = AblationRun.__dataclass_fields__
    return [AblationRun(**{name: run[name] for name in fields}) for run in stored["runs"]]
