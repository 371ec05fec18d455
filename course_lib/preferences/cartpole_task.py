"""What the loop needs to know about CartPole: environments, a network, what a person sees of a clip. Lesson 04."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.preferences.cartpole_judge import ScriptedJudge
from course_lib.preferences.records import Item
from course_lib.preferences.segments import Segment
from course_lib.rl.cartpole import VectorCartPole, fallen, render
from course_lib.rl.distributions import Categorical
from course_lib.rl.networks import ActorCritic

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
class CartPoleTask:
    """CartPole for `PreferenceLoop`. `question` stands above each pair."""

    question: str = "Which clip shows the better balancing?"
    num_envs: int = 16
    width: int = 200                                        # of a frame, pixels; half as high
    fps: float = 12.5                                       # a clip of 25 steps lasts 2 s: a quarter of real speed

    name: ClassVar[str] = "cartpole"
    scale: ClassVar[Tensor] = SCALE

    def envs(self) -> VectorCartPole:
        """Environments to train in, not yet under seal."""
        return VectorCartPole(self.num_envs)

    def network(self, seed: int) -> ScaledActorCritic:
        """An untrained agent."""
        return ScaledActorCritic(seed)

    def frames(self, clip: Segment) -> np.ndarray:
        """(L, width / 2, width, 3) uint8: what the states of the clip look like."""
        return np.stack([render(state, self.width, self.width // 2) for state in clip.obs.numpy()])

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


def scripted(judge: ScriptedJudge) -> Callable[[Item, Item], str]:
    """`judge` as the labeller's script: from the two clips on the screen to "left", "right" or "equal"."""
    def answer(left: Item, right: Item) -> str:
        mu = judge(torch.from_numpy(left.obs), torch.from_numpy(right.obs))
        return {1.0: "left", 0.0: "right", 0.5: "equal"}[mu]

    return answer
