"""A learned reward for states: an ensemble of small networks, and a Gymnasium wrapper that gives what they predict.

Each member of an ensemble gives every step a reward; a clip's return is their sum, and Bradley–Terry turns two returns
into a probability. Source: Christiano et al. (2017), section 2.2.3. What the preference loop knows of a reward model is
in reward_ensemble.py; `StateRewardEnsemble` is for observations of a few numbers (CartPole), `AtariRewardEnsemble` in
atari/reward_ensemble.py for a screen. Lesson 04.

Departures of `StateRewardEnsemble` from the paper: five small networks instead of three deep ones, each on a bootstrap
sample; the reward sees the state alone, not the action.

Comparisons fix no zero and no scale, so `standardize_rewards` takes both from the labelled clips, for each member on
its own. Source: the same, section 2.2.1, who normalize predicted rewards to mean 0 and a fixed standard deviation, and
section 2.2.3, each predictor independently. Departure: theirs follows what the policy meets. As a policy gets good its
states become alike, and dividing by *their* deviation magnifies what is left, noise; the labelled clips hold falls as
well and keep their scale.

The policy gets the members' mean less their standard deviation: they disagree most where labels say least, and a policy
should not go there for what a model makes up. Source: T. Coste et al. (2024), "Reward model ensembles help mitigate
overoptimization", on uncertainty-weighted optimization. Departure: they take off the variance; the standard deviation
has the unit of the rewards.

`PreferenceReward` is for any library: a Gymnasium environment with the learned reward, which hides its own.

    env = PreferenceReward(gym.make("CartPole-v1"), ensemble.normalized_reward)
    stable_baselines3.PPO("MlpPolicy", env).learn(50_000)
"""

from collections.abc import Callable
from dataclasses import dataclass

import gymnasium as gym
import torch
from torch import Tensor, nn

from course_lib.preferences.bradley_terry import bradley_terry_loss, segment_return
from course_lib.preferences.reward_ensemble import Fit, Loss, Return, RewardEnsemble

Standardize = Callable[[Tensor, Tensor, float], Tensor]


def standardize_rewards(raw: Tensor, labelled: Tensor, std: float) -> Tensor:
    """Rewards for the agent, the shape of `raw`: mean 0 and standard deviation `std` over the labelled clips.

    raw: scores of the states of one rollout, any shape. labelled: scores of all states of the labelled clips, by the
    same reward model, any shape. A deviation of the labelled scores under 0.001 counts as 0.001: scores that flat are
    noise and are not magnified. Lesson 04, exercise 04.2.
    """
    return (raw - labelled.mean()) / max(float(labelled.std()), 1e-3) * std


@dataclass(frozen=True)
class RewardConfig:
    """Settings of the reward model. Chosen on CartPole by benchmarks/cartpole_from_preferences.py."""

    members: int = 5                        # networks in the ensemble; Christiano et al. (2017) used 3
    hidden: int = 16                        # units in each of two hidden layers; with 64, 60 labels fit less smoothly
    fit_steps: int = 100                    # gradient steps after each round of labels
    learning_rate: float = 3e-3             # AdamW's
    weight_decay: float = 1e-3              # AdamW's
    error_rate: float = 0.1                 # share of labels taken to be slips (Christiano et al. 2017)
    std: float = 0.15                       # standard deviation of each member's rewards over the labelled clips
    uncertainty_penalty: float = 1.0        # standard deviations of the members that are taken off their mean


class StateRewardEnsemble(RewardEnsemble):
    """`members` networks from a state (..., D) to a reward (...).

    scale: (D,) each observation is multiplied by this, so that all are about 1 in size. The learner's own functions can
    be given: standardize (how raw scores become rewards, `standardize_rewards`; their zero and scale change with each
    `fit` and are fixed between fits), loss, segment_return (bradley_terry.py).
    """

    def __init__(self, scale: Tensor, config: RewardConfig | None = None, seed: int = 0,
                 standardize: Standardize = standardize_rewards, loss: Loss = bradley_terry_loss,
                 segment_return: Return = segment_return):
        super().__init__()
        self.standardize, self.loss, self.segment_return = standardize, loss, segment_return
        self.config = config or RewardConfig()
        self.generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.members = nn.ModuleList(self._network(len(scale)) for _ in range(self.config.members))
        self.register_buffer("scale", scale.float())
        self.labelled = torch.zeros(0)                  # (members, 2 pairs, L) raw scores of the labelled clips

    def _network(self, inputs: int) -> nn.Sequential:
        width = self.config.hidden
        return nn.Sequential(nn.Linear(inputs, width), nn.LeakyReLU(), nn.Linear(width, width), nn.LeakyReLU(),
                             nn.Linear(width, 1))

    def forward(self, obs: Tensor) -> Tensor:
        """Raw rewards of each member: (..., D) -> (members, ...)."""
        scaled = obs * self.scale
        return torch.stack([network(scaled).squeeze(-1) for network in self.members])

    def fit(self, first: Tensor, second: Tensor, mu: Tensor, weight: Tensor | None = None) -> Fit:
        """Fit each member from where it is, on a bootstrap sample of the labels drawn anew. See `RewardEnsemble`."""
        if len(mu) == 0:
            raise ValueError("there are no preferences to fit; label some pairs that are not skipped first")
        config, losses = self.config, []
        for network in self.members:
            drawn = torch.randint(len(mu), (len(mu),), generator=self.generator)
            clips, y = torch.cat([first[drawn], second[drawn]]) * self.scale, mu[drawn].float()
            w = None if weight is None else weight[drawn].float()
            optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay,
                                          fused=True)
            for _ in range(config.fit_steps):
                r1, r2 = self.segment_return(network(clips).squeeze(-1)).chunk(2)   # (2 pairs, L) -> (pairs,) each
                loss = self.loss(r1, r2, y, config.error_rate, weight=w)
                loss = loss + 1e-4 * (r1.square() + r2.square()).mean()             # keeps the free zero point near 0
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            self.labelled = self(torch.cat([first, second]))                        # (members, 2 pairs, L)
        r1, r2 = self.segment_return(self.labelled.mean(dim=0)).chunk(2)
        return Fit.of(losses, r1, r2, mu)

    @torch.no_grad()
    def normalized_reward(self, obs: Tensor) -> Tensor:
        """Rewards for the policy, (..., D) -> (...): the members' mean, less their disagreement.

        Each member is standardized over the labelled clips first; then `uncertainty_penalty` times the members'
        standard deviation is taken off. Raises ValueError before the first `fit`: until then there is no zero and no
        scale.
        """
        if len(self.labelled) == 0:
            raise ValueError("the reward model has no zero and no scale yet; fit it to some labels first")
        rewards = torch.stack([self.standardize(raw, labelled, self.config.std)
                               for raw, labelled in zip(self(obs), self.labelled, strict=True)])    # (members, ...)
        return rewards.mean(dim=0) - self.config.uncertainty_penalty * rewards.std(dim=0, correction=0)

    def get_extra_state(self) -> Tensor:
        """What `state_dict` keeps beside the weights: the scores of the labelled clips."""
        return self.labelled

    def set_extra_state(self, state: Tensor) -> None:
        """Take up what `get_extra_state` gave."""
        self.labelled = state

    def checkpoint(self) -> dict:
        """Weights, scores of the labelled clips, and the state of the generator that draws bootstrap samples."""
        return {"weights": self.state_dict(), "random": self.generator.get_state()}

    def restore(self, state: dict) -> None:
        """Take up what `checkpoint` gave."""
        self.load_state_dict(state["weights"])
        self.generator.set_state(state["random"])


class PreferenceReward(gym.Wrapper, gym.utils.RecordConstructorArgs):
    """`env` with `reward(obs)` for the state that each action led to; the true reward is dropped unread.

    reward: from observations (..., D) float32 to rewards (...), as `StateRewardEnsemble.normalized_reward`.
    hide_ends: report a terminated episode as truncated. A learner then bootstraps from its value estimate of the last
        state instead of counting what follows as 0: comparisons fix no zero, so an end must not be worth 0 (lesson 04,
        section 4.8, where the course's own loop takes an absorbing state instead).

    `info` is emptied, because many environments put parts of the reward into it.
    """

    def __init__(self, env: gym.Env, reward: Callable[[Tensor], Tensor], hide_ends: bool = True):
        gym.utils.RecordConstructorArgs.__init__(self, reward=reward, hide_ends=hide_ends, _disable_deepcopy=True)
        gym.Wrapper.__init__(self, env)
        self.reward, self.hide_ends = reward, hide_ends

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[object, dict]:
        """As `Env.reset`, with an empty info."""
        return self.env.reset(seed=seed, options=options)[0], {}

    def step(self, action: object) -> tuple[object, float, bool, bool, dict]:
        """As `Env.step`, with the learned reward and an empty info."""
        obs, _, terminated, truncated, _ = self.env.step(action)
        with torch.no_grad():
            reward = float(self.reward(torch.as_tensor(obs, dtype=torch.float32)))
        if self.hide_ends:
            terminated, truncated = False, terminated or truncated
        return obs, reward, terminated, truncated, {}
