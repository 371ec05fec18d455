"""CartPole as a task for the preference loop, its synthetic labeler, and its evaluator. Lesson 04.

`CartPoleTask` says what the loop needs to know: environments, a network, what a person sees of a clip.
`CartPoleLabeler` is a synthetic labeler that sees what a person sees: a clip, and nothing of rewards or of what came
after. More upright is better, nearer to the centre is better, a fall is worst; clips that are nearly alike are a tie.
`fresh_episodes` evaluates with the true return; no learner may ask it.
"""

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.atomic import write_text
from course_lib.preferences.environment_task import EnvironmentTask, LoopConfig
from course_lib.preferences.reward_model import StateRewardEnsemble
from course_lib.preferences.segments import Segment
from course_lib.preferences.synthetic_labeler import SyntheticLabeler
from course_lib.preferences.teachers import LeftWhenUnsure, Teacher
from course_lib.rl.cartpole import ANGLE_LIMIT, X_LIMIT, VectorCartPole, fallen, render
from course_lib.rl.evaluate import evaluate, greedy
from course_lib.rl.networks import ActorCritic, Categorical
from course_lib.rl.ppo import Progress

TIE_BELOW = 0.5                     # a difference of marks under this is called equal


def mark_place(obs: Tensor, place: float) -> float:
    """How good a clip looks to one who wants the cart at `place` (m): 0 is perfect, less is worse. obs: (L, 4).

    A metre away from the place costs 1 a step, the pole at its limit 1, a fall 10 more.
    """
    tilt, away = obs[:, 2].abs() / ANGLE_LIMIT, (obs[:, 0] - place).abs()
    return -float((tilt + away).sum()) - 10 * int(fallen(obs.numpy()).sum())


def step_marks(obs: Tensor) -> Tensor:
    """How good each step of a clip looks: 0 is perfect, less is worse. obs: (L, 4) states as shown; returns (L,).

    A step costs 1 with the pole at its limit, and 0.5 with the cart at the end of its track; a fall costs 10.
    """
    tilt, away = obs[:, 2].abs() / ANGLE_LIMIT, obs[:, 0].abs() / X_LIMIT
    return -(tilt + 0.5 * away) - 10 * torch.from_numpy(fallen(obs.numpy()))


def mark(obs: Tensor) -> float:
    """How good a clip looks, the sum of its steps' marks. obs: (L, 4)."""
    return float(step_marks(obs).sum())


class CartPoleLabeler(SyntheticLabeler):
    """Answers 1, 0.5 or 0 for the first clip, by a difference of marks; now and then wrong on purpose.

    wrong_share: share of answers replaced by left or right at random. marks: what it likes, (L, 4) -> a number, more is
    better. tie_below: smaller differences are called equal. The same two clips get the same answer, whichever stands
    first and however often the question is put: a run that was interrupted and goes on asks again and must hear the
    same.
    """

    def __init__(self, wrong_share: float = 0.0, seed: int = 0, marks: Callable[[Tensor], float] = mark,
                 tie_below: float = TIE_BELOW):
        super().__init__()
        self.wrong_share, self.seed, self.marks, self.tie_below = wrong_share, seed, marks, tie_below

    def compare(self, sigma1: Segment, sigma2: Segment) -> float:
        """mu for a pair of clips, of which it looks at the states, (L, 4) each."""
        gap = self.marks(sigma1.obs) - self.marks(sigma2.obs)
        names = [zlib.crc32(clip.obs.numpy().tobytes()) for clip in (sigma1, sigma2)]
        rng = np.random.default_rng([self.seed, *sorted(names)])
        if rng.random() < self.wrong_share:
            return float((rng.random() < 0.5) == (names[0] < names[1]))
        return 0.5 if abs(gap) < self.tie_below else float(gap > 0)


def cartpole_teachers(seed: int = 0) -> dict[str, Teacher]:
    """Teachers that like what `CartPoleLabeler` likes, the first one faultless; names and settings of teachers.py."""
    def marks(clip: Segment) -> Tensor:
        return step_marks(clip.obs)

    return {
        "oracle": Teacher(marks, seed=seed),
        "mistakes": Teacher(marks, epsilon=0.1, seed=seed),
        "stochastic": Teacher(marks, beta=0.3, seed=seed),
        "equal": Teacher(marks, delta_equal=4.0, seed=seed),
        "skips": Teacher(marks, delta_skip=-20.0, seed=seed),
        "myopic": Teacher(marks, gamma=0.9, seed=seed),
        "left when unsure": LeftWhenUnsure(marks, delta_equal=2.0, seed=seed)}


SCALE = torch.tensor([1 / 2.4, 1 / 2, 1 / 0.21, 1 / 2])     # brings position, speed, angle, turning to about 1


class ScaledActorCritic(ActorCritic):
    """An actor-critic with tanh layers that multiplies its observations by `SCALE` first."""

    def __init__(self, seed: int = 0):
        super().__init__(4, 2, activation=nn.Tanh, seed=seed)

    def distribution(self, obs: Tensor) -> Categorical:
        """The policy alone. obs: (..., 4)."""
        return super().distribution(obs * SCALE)

    def forward(self, obs: Tensor) -> tuple[Categorical, Tensor]:
        return self.distribution(obs), self.critic(obs * SCALE).squeeze(-1)


@dataclass(frozen=True)
class CartPoleTask(EnvironmentTask):
    """CartPole for `PreferenceLoop`."""

    question: str = "Which clip shows the better balancing?"
    num_envs: int = 64                                      # few of them drift to one side together, all at once
    width: int = 400                                        # of a frame, pixels; half as high
    fps: float = 12.5                                       # a clip of 25 steps lasts 2 s: a quarter of real speed
    hold: int = 6                                           # frames more for which a fall stays in view: half a second

    name: ClassVar[str] = "cartpole"

    def envs(self) -> VectorCartPole:
        """Environments to train in, not yet under seal."""
        return VectorCartPole(self.num_envs)

    def network(self, seed: int) -> ScaledActorCritic:
        """An untrained agent."""
        return ScaledActorCritic(seed)

    def reward_model(self, config: LoopConfig, **functions: Callable) -> StateRewardEnsemble:
        """Small networks that read a state; functions: standardize, loss, segment_return."""
        return StateRewardEnsemble(SCALE, config.reward, config.seed, **functions)

    def frames(self, clip: Segment) -> np.ndarray:
        """(frames, width / 2, width, 3) uint8: what the states of the clip look like; a fall stays for longer."""
        states = clip.obs.numpy()
        pictures = np.stack([render(state, self.width, self.width // 2) for state in states])
        return pictures.repeat(np.where(fallen(states), 1 + self.hold, 1), axis=0)

    def alt(self, clip: Segment) -> str:
        """The clip in words, for those who cannot see it. No rewards, no hint at what is better."""
        obs = clip.obs.numpy()
        start, end = obs[0, 0], obs[-1, 0]
        falls = int(fallen(obs).sum())
        ends = "no fall" if falls == 0 else "one fall" if falls == 1 else f"{falls} falls"
        tilt = np.degrees(np.abs(obs[:, 2])).max()
        return (f"The cart goes from {start:+.1f} m to {end:+.1f} m, the pole leans by up to {tilt:.0f} degrees, "
                f"{ends}.")


def falls(clip: Segment) -> bool:
    """Whether a clip shows a fall, or the cart leaving its track. An event for `selection.contrast`."""
    return bool(fallen(clip.obs.numpy()).any())


@dataclass(frozen=True)
class FreshEpisodes:
    """N episodes of one agent that always takes its likeliest action."""

    returns: np.ndarray             # (N,) true returns: steps until the fall, at most 500
    states: list[np.ndarray]        # N arrays (T, 4): the states in which it acted

    @property
    def true_return(self) -> float:
        """Mean true return."""
        return float(self.returns.mean())

    @property
    def mean_distance(self) -> float:
        """Mean distance of the cart from the centre over all steps, m."""
        return float(np.abs(np.concatenate(self.states)[:, 0]).mean())

    @property
    def mean_position(self) -> float:
        """Mean position of the cart over all steps, m; negative is left."""
        return float(np.concatenate(self.states)[:, 0].mean())

    @property
    def mean_speed(self) -> float:
        """Mean speed of the cart over all steps, to either side, m/s: metres that it moves in a second."""
        return float(np.abs(np.concatenate(self.states)[:, 1]).mean())


def fresh_episodes(network: nn.Module, episodes: int = 20, seed: int = 10_000) -> FreshEpisodes:
    """Play `episodes` new episodes greedily. The seed is none that training uses."""
    seen, policy = [], greedy(network)

    def watched(obs: np.ndarray) -> np.ndarray:
        seen.append(obs.copy())
        return policy(obs)

    result = evaluate(VectorCartPole(episodes), watched, seed=seed)
    states = np.stack(seen)                                                         # (T, N, 4)
    return FreshEpisodes(result.returns, [states[:length, n] for n, length in enumerate(result.lengths)])


class Watcher:
    """An observer beside the training: notes the true return now and then, in a file of its own, for the figure."""

    def __init__(self, path: Path, every: int = 2):
        self.path, self.every = Path(path), every
        text = self.path.read_text() if self.path.exists() else "{}"
        self.points = {int(update): value for update, value in json.loads(text).items()}   # update -> true return

    def beside(self, training: Iterator[Progress], network: nn.Module) -> Iterator[Progress]:
        """Pass `training` on unchanged, and note the return of `network` before it and after every few updates."""
        if 0 not in self.points:
            self._note(0, network)
        for progress in training:
            if progress.update % self.every == 0:
                self._note(progress.update, network)
            yield progress

    def _note(self, update: int, network: nn.Module) -> None:
        self.points[update] = fresh_episodes(network).true_return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, json.dumps(self.points))
