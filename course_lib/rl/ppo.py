"""Proximal policy optimization: `PPO.update()` is the whole algorithm. Lesson 02.

Lesson 06 trains Pong with it; in lessons 04 and 07 a reward learned from preferences takes the true one's place.

Source: J. Schulman et al. (2017), "Proximal policy optimization algorithms".
Departures from the paper, most of them common practice (S. Huang et al. 2022, "The 37 implementation details of PPO"):
- advantages are normalized, over the whole rollout rather than per minibatch;
- orthogonal initialisation, Adam's epsilon at 1e-5, gradient norm clipped, learning rate falling linearly;
- an episode cut off by its time limit bootstraps from the critic's value estimate, as if it had gone on;
- rewards and episode boundaries can come from functions, so that a learned reward can take the true one's place.
Stopping, resuming and checkpoints are `course_lib.training.run`'s, the same as for language models.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from course_lib.rl.objectives import (
    approximate_kl,
    clip_fraction,
    clipped_policy_loss,
    explained_variance,
    gae,
    standardized,
    value_loss,
)
from course_lib.rl.rollout import Collector, Episode, Rollout
from course_lib.training.run import TrainingRun, gradient_step, require_finite
from course_lib.training.schedules import Schedule, warmup_then_linear

RewardFunction = Callable[[Rollout], torch.Tensor]         # -> (T, N) rewards in place of the environment's
BoundaryFunction = Callable[[Rollout], torch.Tensor]       # -> (T, N) bool: an advantage must not look past this step
AdvantageFunction = Callable[..., torch.Tensor]            # called as `gae` is, returns (T, N)
PolicyLoss = Callable[..., torch.Tensor]                   # called as `clipped_policy_loss` is, returns ()


@dataclass(frozen=True)
class PPOConfig:
    """Settings of one run. Defaults are those of the paper's Atari table or of CleanRL where the field does not say."""

    total_steps: int = 100_000              # agent steps, all environments together
    num_steps: int = 128                    # steps in each environment between two updates (T)
    epochs: int = 4                         # times that each rollout is learned from
    minibatch_size: int = 512               # agent steps in one gradient step
    learning_rate: float = 1e-3             # Adam's, where it neither rises nor falls
    final_learning_rate: float = 0.1        # its share left at total_steps; it falls linearly (1: it stays)
    hold_learning_rate: float = 0.0         # share of total_steps during which it does not fall yet
    warmup_share: float = 0.0               # share of total_steps during which it rises, linearly from 0
    gamma: float = 0.99                     # discount factor
    lam: float = 0.95                       # GAE's lambda
    clip: float = 0.2                       # epsilon: the ratio is clipped to 1 ± it; infinity switches it off
    entropy_coefficient: float = 0.01       # weight of the entropy bonus, per nat
    value_coefficient: float = 0.5          # weight of the critic's error
    max_grad_norm: float = 0.5              # longer gradients are shortened to this
    normalize_advantages: bool = True       # to mean 0, standard deviation 1, before learning
    reward_scale: float = 1.0               # rewards are multiplied by this before learning; reports stay in true units
    centre_rewards: bool = False            # learn from rewards less their running mean (Pong: lesson 06)
    checkpoint_every: int = 25              # updates between two checkpoints, where a path is given
    seed: int = 0                           # of actions, minibatches and environments (the network brings its own)


@dataclass(frozen=True)
class Progress:
    """What one update did; the unit of a training curve."""

    update: int                             # counted from 1
    steps: int                              # agent steps so far
    episode_return: float                   # mean of the last 20 finished episodes; nan while there is none, or hidden
    episode_length: float                   # mean of the same, steps
    mean_reward: float                      # per step of this rollout, as learned from but before scaling
    policy_loss: float
    value_loss: float
    entropy: float                          # nats
    kl: float                               # nats between the policies before and after this update's last epoch
    clip_fraction: float                    # share of ratios outside 1 ± clip in the last epoch
    explained_variance: float               # of the returns by the critic: 1 is perfect, 0 is no better than their mean
    learning_rate: float
    cpu_seconds: float                      # spent in training so far


class PPO(TrainingRun[Progress]):
    """Trains `network` in `envs`. `for progress in ppo.train(): ...` runs one update per turn; see TrainingRun.

    network(obs) returns (distribution, values), see networks.py. `reward_function` takes the place of the environment's
    rewards, which are then never read; `boundary_function` takes the place of the ends of episodes. The two functions
    that the learner writes in lesson 02 can be given as well: `advantage_function` and `policy_loss` are called by
    position, with the arguments of `gae` and the first four of `clipped_policy_loss`.
    """

    progress = Progress
    remedy = "Look for rewards or observations that are nan; else lower the learning rate."

    def __init__(self, envs: VectorEnv, network: nn.Module, config: PPOConfig, checkpoint: Path | None = None,
                 reward_function: RewardFunction | None = None, boundary_function: BoundaryFunction | None = None,
                 advantage_function: AdvantageFunction = gae, policy_loss: PolicyLoss = clipped_policy_loss):
        super().__init__(config, checkpoint)
        self.network = network
        self.reward_function, self.boundary_function = reward_function, boundary_function
        self.advantage_function, self.policy_loss = advantage_function, policy_loss
        self.optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, eps=1e-5, fused=True)
        self.steps_an_update = config.num_steps * envs.num_envs
        self.scheduler = LambdaLR(self.optimizer, self._schedule())
        self.collector = Collector(envs, network, self.generator, self._env_seed(0),
                                   keep_rewards=reward_function is None)
        self.steps = 0
        self.mean_reward: float | None = None   # the running mean, where rewards are centred
        self.episodes: list[Episode] = []       # every finished one
        self.rollout: Rollout | None = None     # the newest, for whoever wants to look or to cut clips from it
        self.parts = {"network": network, "optimizer": self.optimizer, "scheduler": self.scheduler}
        self.resume()

    def update(self) -> Progress:
        """One update: act, compute advantages, improve policy and critic for some epochs, report."""
        config = self.config

        # Act for T steps in each of N environments.
        rollout, episodes = self.collector.collect(config.num_steps)

        # How much better than expected was each action? The critic's targets are the returns.
        rewards, advantages = self.advantages(rollout)                              # both (T, N)
        returns = advantages + rollout.values                                       # (T, N)

        # Improve, minibatch by minibatch, on the same rollout.
        obs, actions = rollout.obs.flatten(0, 1), rollout.actions.flatten(0, 1)     # (T * N, ...)
        old_logprobs, targets = rollout.logprobs.flatten(), returns.flatten()       # (T * N,)
        weights = advantages.flatten()                                              # (T * N,)
        if config.normalize_advantages:
            weights = standardized(weights)
        reports = []
        for epoch in range(config.epochs):
            for batch in torch.randperm(len(obs), generator=self.generator).split(config.minibatch_size):
                distribution, values = self.network(obs[batch])
                logprobs = distribution.log_prob(actions[batch])                    # (b,)
                policy_loss = self.policy_loss(logprobs, old_logprobs[batch], weights[batch], config.clip)
                critic_loss = value_loss(values, targets[batch])
                entropy = distribution.entropy().mean()
                loss = policy_loss + config.value_coefficient * critic_loss - config.entropy_coefficient * entropy
                gradient_step(loss, self.network, self.optimizer, max_grad_norm=config.max_grad_norm)
                if epoch == config.epochs - 1:
                    with torch.no_grad():
                        reports.append(torch.stack([
                            policy_loss, critic_loss, entropy, approximate_kl(logprobs, old_logprobs[batch]),
                            clip_fraction(logprobs, old_logprobs[batch], config.clip)]))
        require_finite("A weight of the network", *self.network.parameters())

        # Report, and move the learning rate on.
        self.rollout = rollout
        self.steps += rewards.numel()
        self.episodes += episodes
        recent = self.episodes[-20:]
        policy_loss, critic_loss, entropy, kl, clipped = torch.stack(reports).mean(0).tolist()
        progress = Progress(
            update=self.updates + 1, steps=self.steps, mean_reward=float(rewards.mean()),
            episode_return=float(np.mean([e.total_reward for e in recent])) if recent else float("nan"),
            episode_length=float(np.mean([e.length for e in recent])) if recent else float("nan"),
            policy_loss=policy_loss, value_loss=critic_loss, entropy=entropy, kl=kl, clip_fraction=clipped,
            explained_variance=explained_variance(advantages, returns),
            learning_rate=self.scheduler.get_last_lr()[0], cpu_seconds=self.cpu_seconds)
        self.scheduler.step()
        return progress

    @torch.no_grad()
    def advantages(self, rollout: Rollout) -> tuple[torch.Tensor, torch.Tensor]:
        """(rewards before centring and scaling, advantages), both (T, N). Moves the running mean of the rewards."""
        config = self.config
        rewards = rollout.rewards if self.reward_function is None else self.reward_function(rollout)
        scaled = rewards * config.reward_scale
        if config.centre_rewards:
            mean = float(scaled.mean())
            self.mean_reward = mean if self.mean_reward is None else 0.95 * self.mean_reward + 0.05 * mean
            scaled = scaled - self.mean_reward
        if self.boundary_function is not None:
            dones = self.boundary_function(rollout)
        else:
            dones = rollout.ended
            if (rollout.truncated & ~rollout.terminated).any():     # truncated: bootstrap from the critic's estimate
                final_values = torch.zeros_like(rewards)
                final_values[dones] = self.network(rollout.final_obs)[1]
                scaled = scaled + config.gamma * final_values * ~rollout.terminated
        return rewards, self.advantage_function(scaled, rollout.values, dones, rollout.last_values, config.gamma,
                                                config.lam)

    def reached(self) -> bool:
        """Whether as many agent steps have been made as `train` was asked for (default: the config's total)."""
        return self.steps >= (self.config.total_steps if self.until is None else self.until)

    def prolong(self, total_steps: int) -> None:
        """Plan the run for `total_steps`: from now on the learning rate is that of a run planned so from the start.

        So it rises again where it had fallen to its end, and reaches the same end, later.
        """
        self.config = replace(self.config, total_steps=total_steps)
        self.scheduler = LambdaLR(self.optimizer, self._schedule(), last_epoch=self.scheduler.last_epoch - 1)
        self.parts["scheduler"] = self.scheduler

    def _schedule(self) -> Schedule:
        config = self.config
        return warmup_then_linear(config.total_steps, config.warmup_share, config.hold_learning_rate,
                                  config.final_learning_rate, per_step=self.steps_an_update)

    @property
    def place(self) -> str:
        """Where an error happened, for its message."""
        return f"after {self.steps:,} agent steps, in update {self.updates + 1}"

    @staticmethod
    def kept_at(state: dict) -> str:
        """Which place in the run a checkpoint's state is from, for an error's message."""
        return f"{state['steps']:,} agent steps"

    def _env_seed(self, update: int) -> int:
        return int(np.random.SeedSequence([self.config.seed, update]).generate_state(1)[0] % 2**31)

    def extra_state(self) -> dict:
        """Episodes, and the environments where they can be copied; others begin new episodes here."""
        return {"collector": self.collector.state_dict(self._env_seed(self.updates)), "steps": self.steps,
                "mean_reward": self.mean_reward, "episodes": [asdict(episode) for episode in self.episodes]}

    def load_extra_state(self, state: dict) -> None:
        """Take up what `extra_state` gave."""
        self.collector.load_state_dict(state["collector"])
        self.steps, self.mean_reward = state["steps"], state["mean_reward"]
        self.episodes = [Episode(**episode) for episode in state["episodes"]]
