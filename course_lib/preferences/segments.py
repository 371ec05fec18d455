"""Clips of behaviour, cut out of rollouts without any reward attached, and which pairs of them to ask about.

Source: Christiano et al. (2017), section 2.1: a segment is a short sequence of observations and actions. Lessons 04 and
06. Pairs are chosen at random, by the reward models' disagreement, or for contrast (lesson 04): each function takes
(clips, how many pairs, reward model, random generator) and returns pairs of clips; write another and hand it to the
loop. How they compare on CartPole: benchmarks/cartpole_from_preferences.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from course_lib.preferences.bradley_terry import preference_probability, segment_return
from course_lib.preferences.reward_model import RewardEnsemble


@dataclass(frozen=True)
class Segment:
    """A few steps of one environment. Where an episode ends inside, the next one follows, as a person would see it."""

    obs: Tensor                     # (L, ...) what each action led to; at an episode's end its true last observation
    actions: Tensor                 # (L,) or (L, D)


@dataclass(frozen=True)
class Verdicts:
    """What the reward model is fitted to: (P, L, D), (P, L, D), (P,), (P,), and who said it."""

    first: Tensor
    second: Tensor
    mu: Tensor
    weight: Tensor
    sources: tuple[str, ...]                        # "human" or "scripted", for each verdict


def cut_segments(next_obs: Tensor, actions: Tensor, length: int, rng: np.random.Generator) -> list[Segment]:
    """Cut each environment's row into pieces of `length` steps, from a random offset on.

    next_obs: (T, N, ...) as `Rollout.next_obs()` gives it; actions: (T, N, ...). Raises ValueError when T < length.
    """
    steps, count = next_obs.shape[:2]
    if steps < length:
        raise ValueError(f"a rollout of {steps} steps has no segment of {length}: collect more or cut shorter ones")
    segments = []
    for env in range(count):
        offset = int(rng.integers(0, steps % length + 1))
        for start in range(offset, steps - length + 1, length):
            piece = slice(start, start + length)
            segments.append(Segment(next_obs[piece, env].clone(), actions[piece, env].clone()))
    return segments


def stack(segments: Sequence[Segment]) -> Tensor:
    """Observations of several segments of one length, (segments, L, ...)."""
    return torch.stack([segment.obs for segment in segments])


Pairs = list[tuple[Segment, Segment]]
PairSelection = Callable[[Sequence[Segment], int, RewardEnsemble, np.random.Generator], Pairs]
MostDisputed = Callable[[Tensor, Tensor, int], Tensor]

CANDIDATES = 10                     # disagreement looks at this many random pairs for each one it asks about


def random_pairs(clips: Sequence[Segment], count: int, ensemble: RewardEnsemble, rng: np.random.Generator) -> Pairs:
    """`count` different pairs, drawn blindly. Raises ValueError when the clips do not make that many."""
    return [(clips[i], clips[j]) for i, j in _draw(len(clips), count, rng)]


@torch.no_grad()
def most_disputed(first: Tensor, second: Tensor, count: int) -> Tensor:
    """Positions of the `count` pairs whose winner the members predict most differently, most disputed first.

    first, second: (members, pairs) what each member says that the clips are worth. Returns (count,) int64.
    Source: Christiano et al. (2017), section 2.2.4.
    """
    return preference_probability(first, second).std(dim=0).argsort(descending=True)[:count]


def disagreement(choose: MostDisputed = most_disputed) -> PairSelection:
    """A selection that draws ten times as many pairs as it needs and lets `choose` pick by what the members say."""
    @torch.no_grad()
    def select(clips: Sequence[Segment], count: int, ensemble: RewardEnsemble, rng: np.random.Generator) -> Pairs:
        worth = segment_return(ensemble(stack(clips)))                              # (members, clips)
        pairs = np.array(_draw(len(clips), min(CANDIDATES * count, _possible(len(clips))), rng))
        chosen = choose(worth[:, pairs[:, 0]], worth[:, pairs[:, 1]], count)
        return [(clips[i], clips[j]) for i, j in pairs[torch.as_tensor(chosen).numpy()]]

    return select


def contrast(event: Callable[[Segment], bool]) -> PairSelection:
    """A selection that sets a clip in which something happened beside one in which it did not, so that few are tied.

    event: whether it happened in a clip, as one can see on the screen. Where no clip or every clip has it, pairs are
    drawn blindly.
    """
    def select(clips: Sequence[Segment], count: int, ensemble: RewardEnsemble, rng: np.random.Generator) -> Pairs:
        happened = np.array([event(clip) for clip in clips])
        with_it, without = np.flatnonzero(happened), np.flatnonzero(~happened)
        if len(with_it) * len(without) < count:
            return random_pairs(clips, count, ensemble, rng)
        chosen = rng.choice(len(with_it) * len(without), count, replace=False)
        return [(clips[with_it[k // len(without)]], clips[without[k % len(without)]]) for k in chosen]

    return select


def _possible(clips: int) -> int:
    return clips * (clips - 1) // 2


def _draw(clips: int, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """`count` different pairs of positions, each in random order."""
    if count > _possible(clips):
        raise ValueError(f"{clips} clips make {_possible(clips)} pairs, fewer than the {count} asked for; collect more")
    drawn: dict[frozenset[int], tuple[int, int]] = {}
    while len(drawn) < count:
        i, j = (int(k) for k in rng.choice(clips, 2, replace=False))
        drawn.setdefault(frozenset((i, j)), (i, j))
    return list(drawn.values())
