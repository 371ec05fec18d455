"""Proximal policy optimisation in one file. Lesson 02; Pong in lesson 05; preferences in place of rewards in 04 and 06.

Source: J. Schulman et al. (2017), "Proximal policy optimization algorithms".
Departures from the paper, most of them common practice (S. Huang et al. 2022, "The 37 implementation details of PPO"):
- advantages are normalised, over the whole rollout rather than per minibatch;
- orthogonal initialisation, Adam's epsilon at 1e-5, gradient norm clipped, learning rate falling linearly;
- an episode cut off by its time limit is continued by the critic's guess, as if it had gone on;
- rewards and episode boundaries can come from functions, so that a learned reward can take the true one's place.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import nn

from course_lib.rl.objectives import approximate_kl, clip_fraction, clipped_policy_loss, gae, value_loss
from course_lib.rl.rollout import Collector, Episode, Rollout
from course_lib.training.checkpoint import save_checkpoint
from course_lib.training.resume import TrainingDiverged, handed_over, last_good, load_matching, shapes_must_fit

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
    warm_up: float = 0.0                    # share of total_steps during which it rises, linearly from 0
    gamma: float = 0.99                     # worth of a reward one step later
    lam: float = 0.95                       # GAE's lambda
    clip: float = 0.2                       # how far the ratio of new to old probability pays; infinity switches it off
    entropy_coefficient: float = 0.01       # bonus for undecidedness, per nat
    value_coefficient: float = 0.5          # weight of the critic's error
    max_grad_norm: float = 0.5              # longer gradients are shortened to this
    normalise_advantages: bool = True       # shift and scale them to mean 0, spread 1 before learning
    reward_scale: float = 1.0               # rewards are multiplied by this before learning; reports stay in true units
    centre_rewards: bool = False            # learn from rewards less their running mean (Pong: lesson 05)
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


class PPO:
    """Trains `network` in `envs`. `for progress in ppo.train(): ...` runs one update per turn; stop and go on at will.

    network(obs) returns (distribution, values), see networks.py. `reward_function` takes the place of the environment's
    rewards, which are then never read; `boundary_function` takes the place of the ends of episodes. The two functions
    that the learner writes in lesson 02 can be given as well: `advantage_function` and `policy_loss` are called by
    position, with the arguments of `gae` and the first four of `clipped_policy_loss`.

    With `checkpoint` the state is saved now and then and whenever the loop is left; a new PPO with the same path goes
    on from there, to the identical curve. Raises CheckpointError when that file belongs to other settings.
    """

    def __init__(self, envs: VectorEnv, network: nn.Module, config: PPOConfig, checkpoint: Path | None = None,
                 reward_function: RewardFunction | None = None, boundary_function: BoundaryFunction | None = None,
                 advantage_function: AdvantageFunction = gae, policy_loss: PolicyLoss = clipped_policy_loss):
        self.network, self.config, self.checkpoint = network, config, checkpoint
        self.reward_function, self.boundary_function = reward_function, boundary_function
        self.advantage_function, self.policy_loss = advantage_function, policy_loss
        self.parameters = list(network.parameters())
        self.optimizer = torch.optim.Adam(self.parameters, lr=config.learning_rate, eps=1e-5, fused=True)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.collector = Collector(envs, network, self.generator, self._env_seed(0),
                                   keep_rewards=reward_function is None)
        self.steps, self.updates, self.cpu_seconds = 0, 0, 0.0
        self.mean_reward: float | None = None   # the running mean, where rewards are centred
        self.episodes: list[Episode] = []       # every finished one
        self.history: list[Progress] = []       # one entry an update
        self.rollout: Rollout | None = None     # the newest, for whoever wants to look or to cut clips from it
        if checkpoint is not None and Path(checkpoint).exists():
            self.load(checkpoint)

    def train(self, until: int | None = None) -> Iterator[Progress]:
        """Update until `until` agent steps in all (default: the config's total), yielding after each update.

        Leaving the loop keeps everything; calling `train` again goes on. Raises TrainingDiverged.
        """
        goal = self.config.total_steps if until is None else until
        while self.steps < goal:
            progress = self._update()
            last = self.steps >= goal
            if self.checkpoint is not None and (last or self.updates % self.config.checkpoint_every == 0):
                self.save()
            yield from handed_over(progress, self)

    def _update(self) -> Progress:
        started = time.process_time()
        rollout, episodes = self.collector.collect(self.config.num_steps)
        self.optimizer.param_groups[0]["lr"] = self._learning_rate(rollout.logprobs.numel())
        rewards, advantages = self.advantages(rollout)                              # both (T, N)
        losses = self._learn(rollout, advantages)

        self.rollout = rollout
        self.steps += rewards.numel()
        self.updates += 1
        self.episodes += episodes
        self.cpu_seconds += time.process_time() - started
        recent = self.episodes[-20:]
        targets = advantages + rollout.values
        progress = Progress(
            update=self.updates, steps=self.steps, mean_reward=float(rewards.mean()),
            episode_return=float(np.mean([e.total_reward for e in recent])) if recent else float("nan"),
            episode_length=float(np.mean([e.length for e in recent])) if recent else float("nan"),
            explained_variance=float(1 - advantages.var() / targets.var().clamp_min(1e-8)),
            learning_rate=self.optimizer.param_groups[0]["lr"], cpu_seconds=self.cpu_seconds, **losses)
        self.history.append(progress)
        return progress

    def _learning_rate(self, new_steps: int) -> float:
        """The rate of an update with `new_steps` agent steps: it rises in `warm_up`, stays, and falls at last."""
        config = self.config
        fraction_done = min(1.0, self.steps / config.total_steps)
        risen = min(1.0, (self.steps + new_steps) / (config.warm_up * config.total_steps)) if config.warm_up else 1.0
        fallen = max(0.0, fraction_done - config.hold_learning_rate) / (1.0 - config.hold_learning_rate)
        return config.learning_rate * risen * (1.0 - fallen * (1.0 - config.final_learning_rate))

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
            if (rollout.truncated & ~rollout.terminated).any():                     # the clock ended it: guess the rest
                final_values = torch.zeros_like(rewards)
                final_values[dones] = self.network(rollout.final_obs)[1]
                scaled = scaled + config.gamma * final_values * ~rollout.terminated
        return rewards, self.advantage_function(scaled, rollout.values, dones, rollout.last_values, config.gamma,
                                                config.lam)

    def _learn(self, rollout: Rollout, advantages: torch.Tensor) -> dict[str, float]:
        config = self.config
        obs, actions = rollout.obs.flatten(0, 1), rollout.actions.flatten(0, 1)     # (T * N, ...)
        old_logprobs, targets = rollout.logprobs.flatten(), (advantages + rollout.values).flatten()
        weights = advantages.flatten()
        if config.normalise_advantages:
            weights = (weights - weights.mean()) / (weights.std() + 1e-8)
        reports = []
        for epoch in range(config.epochs):
            for batch in torch.randperm(len(obs), generator=self.generator).split(config.minibatch_size):
                distribution, values = self.network(obs[batch])
                logprobs = distribution.log_prob(actions[batch])
                policy_loss = self.policy_loss(logprobs, old_logprobs[batch], weights[batch], config.clip)
                critic_loss = value_loss(values, targets[batch])
                entropy = distribution.entropy().mean()
                loss = policy_loss + config.value_coefficient * critic_loss - config.entropy_coefficient * entropy
                if not torch.isfinite(loss):
                    raise self._diverged(f"The loss became {loss.item()}")
                self.optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.parameters, config.max_grad_norm)
                self.optimizer.step()
                if epoch == config.epochs - 1:
                    with torch.no_grad():
                        reports.append(torch.stack([
                            policy_loss, critic_loss, entropy, approximate_kl(logprobs, old_logprobs[batch]),
                            clip_fraction(logprobs, old_logprobs[batch], config.clip)]))
        if not all(torch.isfinite(p).all() for p in self.parameters):
            raise self._diverged("A weight of the network is no longer a number")
        names = ("policy_loss", "value_loss", "entropy", "kl", "clip_fraction")
        return dict(zip(names, torch.stack(reports).mean(0).tolist(), strict=True))

    def _diverged(self, what: str) -> TrainingDiverged:
        kept = last_good(self.checkpoint, lambda state: f"{state['steps']:,} agent steps")
        return TrainingDiverged(f"{what} after {self.steps:,} agent steps, in update {self.updates + 1}. {kept} "
                                "Look for rewards or observations that are nan; else lower the learning rate.")

    def _env_seed(self, update: int) -> int:
        return int(np.random.SeedSequence([self.config.seed, update]).generate_state(1)[0] % 2**31)

    def save(self, path: Path | None = None) -> None:
        """Write a checkpoint to `path` (default: the one given at the start)."""
        save_checkpoint(path or self.checkpoint, {
            "config": asdict(self.config), "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(), "generator": self.generator.get_state(),
            "collector": self.collector.state_dict(self._env_seed(self.updates)),
            "steps": self.steps, "updates": self.updates, "cpu_seconds": self.cpu_seconds,
            "mean_reward": self.mean_reward,
            "episodes": [asdict(e) for e in self.episodes], "history": [asdict(p) for p in self.history]})

    def load(self, path: Path) -> None:
        """Go on from a checkpoint. Raises CheckpointError when it is damaged or belongs to other settings."""
        state = load_matching(path, asdict(self.config))
        with shapes_must_fit(path):
            self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.collector.load_state_dict(state["collector"])
        self.steps, self.updates, self.cpu_seconds = state["steps"], state["updates"], state["cpu_seconds"]
        self.mean_reward = state["mean_reward"]
        self.episodes = [Episode(**e) for e in state["episodes"]]
        self.history = [Progress(**p) for p in state["history"]]
