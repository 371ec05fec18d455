"""Learning from preferences as the paper tells it, from the first clip to the last update, on one page. Lessons 04, 07.

Source: P. Christiano et al. (2017), "Deep reinforcement learning from human preferences", section 2.2: three processes.
`PreferenceLoop` (loop.py) takes the same steps one at a time, so that a person can label between them, and keeps
everything on the disk; its docstring lists the departures from the paper.
"""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from torch import nn

from course_lib.labels.records import Preference
from course_lib.preferences.reward_ensemble import Fit, RewardEnsemble
from course_lib.preferences.segments import PairSelection, PreferenceDataset, Segment
from course_lib.preferences.task import PreferenceTask, RoundsConfig
from course_lib.rl.ppo import Progress


class Learned(NamedTuple):
    """Where a run is after one update."""

    network: nn.Module
    reward_model: RewardEnsemble
    preferences: list[Preference]                   # so far
    fit: Fit                                        # the last
    progress: Progress                              # of this update


def run_preference_loop(task: PreferenceTask, labeler: Callable[[Segment, Segment], float | None],
                        config: RoundsConfig | None = None, select: PairSelection | None = None,
                        **functions: Callable) -> Iterator[Learned]:
    """The whole algorithm, in memory: yields after each update, and may be left at any; nothing is kept on the disk.

    labeler: mu of two clips, 1.0 for the first, 0.0 for the second, 0.5 for a tie, None to skip the pair;
    `SyntheticLabeler` is one.
    functions: the learner's own parts of the reward model, by the names of its arguments.

        for learned in run_preference_loop(CartPoleTask(), CartPoleLabeler()):
            print(learned.progress.mean_reward)
    """
    config = config or task.config()
    select = select or task.select
    rng, clips, preferences = np.random.default_rng(config.seed), deque(maxlen=config.pool), []
    reward_model = task.reward_model(config, **functions)
    agent = task.trainer(config, reward_model, clips, rng)
    for labels, updates in zip(config.labels, accumulate(config.updates), strict=True):
        agent.collect(labels)                                               # the policy acts, clips are cut
        for sigma1, sigma2 in select(clips, labels, reward_model, rng):     # pairs of them are compared
            mu = labeler(sigma1, sigma2)
            if mu is not None:                                              # else the pair is skipped
                preferences.append(Preference(sigma1.without_frames(), sigma2.without_frames(), mu))
        data = PreferenceDataset.of(preferences)
        fit = reward_model.fit(data.first, data.second, data.mu, data.weight)   # the reward is learned
        for progress in agent.train(until=updates):                         # and the policy learns from it
            yield Learned(agent.network, reward_model, preferences, fit, progress)
