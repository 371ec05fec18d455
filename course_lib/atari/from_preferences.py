"""Pong from preferences: PPO on a learned reward, in turns with asking which of two clips is better. Lesson 06.

One round after another: collect clips -> label pairs -> fit the reward model -> train on it -> collect clips ...

Departures from Christiano et al. (2017), "Deep reinforcement learning from human preferences":
- the three parts take turns instead of running at once; PPO in place of A2C;
- the policy sees 2 binary frames of 80 x 40 cells; the reward model reads every second row of them by one small
  convolution summed over rows, not by their four-layer network; ensembles are resampled by weights (fit_reward.py);
- pairs are random by default: half of them tie, and disagreement between members did not pick better ones;
- GAE stops where the ball leaves the screen (pong.py), which tells that a rally ended, not who won it;
- the predicted reward of a step is read from what the step led to;
- the learning rate rises slowly, and 60 labels come before any training. The first reward models know little, and an
  agent that takes long steps after them may settle into losing before they know better (with 40 first labels, one seed
  of five did).
The score is sealed (envs.py): neither the policy nor the reward model can read it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from course_lib.atari.envs import AtariEnvs
from course_lib.atari.fit_reward import Fit, FitConfig, RewardFitter, Standardiser
from course_lib.atari.pair_selection import PairSelection, random_pairs
from course_lib.atari.pong import NUM_ENVS, pong_config
from course_lib.atari.reward_models import RewardEnsemble
from course_lib.atari.segments import Preference, Segment, cut_segments
from course_lib.atari.tasks import TRACKS
from course_lib.rl.ppo import PPO, PPOConfig, Progress
from course_lib.rl.rollout import Rollout


def learned_reward_ppo(**changes) -> PPOConfig:
    """Lesson 05's settings, but the learning rate rises slowly and does not fall as far; `changes` win.

    Learned rewards are centred where they are standardised (fit_reward.py).
    """
    settings = {"warmup_share": 0.15, "final_learning_rate": 0.1, "centre_rewards": False}
    return pong_config(**{**settings, **changes})


@dataclass(frozen=True)
class PreferenceConfig:
    """One run from preferences. Sources of the defaults: benchmarks/pong.py, unless a field says otherwise."""

    track: str = "pong frames"              # game, and what policy and reward model see of it: a key of TRACKS
    total_steps: int = 960_000              # agent steps of training
    labels: int = 400                       # preferences asked for in all
    first_labels: int = 60                  # of them before any training
    labels_a_round: int = 17                # at each later time
    updates_a_round: int = 12               # PPO updates of 2,048 agent steps between two times
    warm_up_rollouts: int = 4               # rollouts of the untrained agent that the first clips are cut from
    segments_a_rollout: int = 24            # clips cut from each rollout
    pool: int = 480                         # newest clips that pairs are drawn from; older ones are dropped
    members: int = 3                        # reward models: Christiano et al. (2017) used 3
    fit: FitConfig = field(default_factory=FitConfig)
    ppo: PPOConfig = field(default_factory=learned_reward_ppo)      # total_steps and seed are replaced by those here
    seed: int = 0

    def __post_init__(self) -> None:
        if self.track not in TRACKS:
            raise ValueError(f"there is no track {self.track!r}; there are {', '.join(map(repr, TRACKS))}")


class AtariFromPreferences:
    """The whole loop; who labels is up to the caller.

        run = AtariFromPreferences(config)
        while not run.finished:
            run.add([Preference(a, b, judge(a, b), "scripted") for a, b in run.pairs(run.wanted)])
            for progress in run.train(): ...        # until the next labels are wanted, or to the end

    `select`: which pairs to ask about (pair_selection.py).
    """

    def __init__(self, config: PreferenceConfig, select: PairSelection = random_pairs):
        self.config, self.select = config, select
        track = self.track = TRACKS[config.track]
        self.rng = np.random.default_rng(config.seed)
        self.envs = AtariEnvs(track.game, NUM_ENVS, track.encoder(), seal_score=True, keep_frames=True)
        self.network = track.agent(seed=config.seed)
        self.ensemble = RewardEnsemble(track.reward_model, config.members, config.seed)
        self.fitter = RewardFitter(self.ensemble, config.fit, config.seed)
        self.standardise = Standardiser()
        ppo = PPOConfig(**{**vars(config.ppo), "total_steps": config.total_steps, "seed": config.seed})
        self.ppo = PPO(self.envs, self.network, ppo, reward_function=self.predicted_rewards,
                       boundary_function=track.boundary)
        self.pool: list[Segment] = []
        self.preferences: list[Preference] = []
        self.fits: list[Fit] = []

    @property
    def finished(self) -> bool:
        """Whether all agent steps have been taken."""
        return self.ppo.steps >= self.config.total_steps

    @property
    def wanted(self) -> int:
        """How many labels the next round asks for; 0 when all have been given."""
        this_round = self.config.labels_a_round if self.preferences else self.config.first_labels
        return min(this_round, self.config.labels - len(self.preferences))

    def pairs(self, count: int) -> list[tuple[Segment, Segment]]:
        """`count` pairs of recent clips to be judged."""
        if not self.pool:
            for _ in range(self.config.warm_up_rollouts):
                rollout, _ = self.ppo.collector.collect(self.config.ppo.num_steps)
                self._keep_clips(rollout)
        return self.select(self.pool, count, self.ensemble, self.rng) if count else []

    def add(self, preferences: Sequence[Preference]) -> Fit | None:
        """Take in labels and fit the reward model to all so far; returns how well it explains them.

        preferences: what a label store hands out will do as well: each has sigma1.obs, sigma2.obs, mu and source.
        Raises ValueError rather than mix a person's labels with scripted ones.
        """
        if not preferences:
            return None
        sources = {preference.source for preference in (*self.preferences[:1], *preferences)}
        if len(sources) > 1:
            raise ValueError(f"this run would mix {' and '.join(sorted(sources))} labels: a result must be "
                             "one labeller's. Start a run for each")
        first = not self.preferences
        without_frames = [Preference(Segment(p.sigma1.obs, None), Segment(p.sigma2.obs, None), p.mu, p.source)
                          for p in preferences]
        self.preferences += without_frames
        self.fitter.add(without_frames)
        self.fits.append(self.fitter.fit(self.config.fit.first_steps if first else self.config.fit.steps))
        return self.fits[-1]

    def train(self) -> Iterator[Progress]:
        """PPO updates on the learned reward, until the next labels are wanted or the run is finished."""
        if not self.preferences:
            raise ValueError("there are no labels yet, so no reward to learn from: call pairs() and add() first")
        for done, progress in enumerate(self.ppo.train(until=self.config.total_steps), start=1):
            if self.wanted:
                self._keep_clips(self.ppo.rollout)
            yield progress
            if self.wanted and done == self.config.updates_a_round:
                return

    @torch.no_grad()
    def predicted_rewards(self, rollout: Rollout) -> torch.Tensor:
        """The learned reward of each step, standardised, (T, N)."""
        if not self.wanted:
            self.envs.keep_frames = False                                           # nobody will ask for clips again
        return self.standardise(self.ensemble.rewards(rollout.next_obs()))

    def _keep_clips(self, rollout: Rollout) -> None:
        cut = cut_segments(rollout, self.envs.take_frames(), self.config.segments_a_rollout, self.rng)
        self.pool = (self.pool + cut)[-self.config.pool:]
