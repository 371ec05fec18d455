"""Clips of behaviour, which pairs of them to ask about, and the pairs that were labelled. Lessons 04, 05 and 07.

Vocabulary, as in Christiano et al. (2017): a segment sigma is a short stretch of behaviour, cut out of a rollout
without any reward attached (their section 2.1); a preference (sigma1, sigma2, mu) says which of two is better, mu is
1 for the first, 0 for the second, 0.5 for a tie. A task without environments has segments too: a completion is one, its
tokens are `obs`.

Pairs are chosen at random, by the reward models' disagreement, for contrast, or around events: each function takes
(clips, how many pairs, reward model, random generator) and returns pairs of clips, none twice; write another and hand
it to the loop. How they compare on CartPole: benchmarks/cartpole_from_preferences.py; on Pong: lesson 07, section 7.8.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from course_lib.labels.records import Preference
from course_lib.preferences.bradley_terry import preference_probability, segment_return
from course_lib.preferences.reward_ensemble import RewardEnsemble


@dataclass(frozen=True)
class Segment:
    """L steps of one environment. Where an episode ends inside, the next one follows, as a person would see it."""

    obs: Tensor                     # (L, ...) what each action led to; at an episode's end its true last observation
    actions: Tensor | None = None   # (L,) or (L, D); None where nobody asks for them
    frames: np.ndarray | None = field(default=None, repr=False)     # (L, H, W) uint8, where `obs` cannot be drawn

    def without_frames(self) -> "Segment":
        """The same for the reward model alone: pictures are large, and it never looks at them."""
        return replace(self, frames=None)


def cut_segments(next_obs: Tensor, actions: Tensor, length: int, rng: np.random.Generator) -> list[Segment]:
    """Cut each environment's row into pieces of `length` steps, from a random offset on.

    next_obs: (T, N, ...) as `Rollout.next_obs()` gives it; actions: (T, N, ...). Raises ValueError when T < length.
    """
    steps, count = _room(next_obs, length)
    segments = []
    for env in range(count):
        offset = int(rng.integers(0, steps % length + 1))
        for start in range(offset, steps - length + 1, length):
            piece = slice(start, start + length)
            segments.append(Segment(next_obs[piece, env].clone(), actions[piece, env].clone()))
    return segments


def sample_segments(next_obs: Tensor, frames: np.ndarray, length: int, count: int,
                    rng: np.random.Generator) -> list[Segment]:
    """`count` pieces of `length` steps from random places, none overlapping another; fewer where there is no room.

    For tasks whose pictures are too large to keep all. next_obs: (T, N, ...); frames: (T, N, H, W), what each action
    led to. Raises ValueError when T < length.
    """
    steps, envs = _room(next_obs, length)
    offset = rng.integers(steps % length + 1)
    places = [(start, env) for start in range(offset, steps - length + 1, length) for env in range(envs)]
    chosen = [places[k] for k in rng.permutation(len(places))[:count]]
    return [Segment(next_obs[start:start + length, env].clone(), frames=frames[start:start + length, env].copy())
            for start, env in chosen]


def _room(next_obs: Tensor, length: int) -> tuple[int, int]:
    steps, envs = next_obs.shape[:2]
    if steps < length:
        raise ValueError(f"a rollout of {steps} steps has no segment of {length}: collect more or cut shorter ones")
    return steps, envs


def stack(segments: Sequence[Segment]) -> Tensor:
    """Observations of several segments of one length, (segments, L, ...)."""
    return torch.stack([segment.obs for segment in segments])


# ---- pairs that were labelled ---------------------------------------------------------------------------------------

Clips = Tensor | list[Tensor]                       # (P, L, ...), or P tensors (L, ...) where lengths differ: texts


@dataclass(frozen=True)
class PreferenceDataset:
    """What a reward model is fitted to: P pairs of clips, what was said of each, and by whom."""

    first: Clips
    second: Clips
    mu: Tensor                                      # (P,) 1, 0 or 0.5
    weight: Tensor                                  # (P,) how sure the labeler was: 0.25 to 1
    sources: tuple[str, ...]                        # "human" or "scripted", for each pair

    @classmethod
    def of(cls, preferences: Sequence[Preference]) -> "PreferenceDataset":
        """Preferences as tensors, in the order given."""
        first, second = ([torch.as_tensor(getattr(p, side).obs) for p in preferences] for side in ("sigma1", "sigma2"))
        one_shape = len({clip.shape for clip in (*first, *second)}) == 1
        return cls(torch.stack(first) if one_shape else first, torch.stack(second) if one_shape else second,
                   torch.tensor([p.mu for p in preferences]), torch.tensor([p.weight for p in preferences]),
                   tuple(p.source for p in preferences))

    @property
    def source(self) -> str:
        """Whose preferences these are: "human", "scripted" or "mixed"."""
        sources = set(self.sources)
        return "mixed" if len(sources) > 1 else "".join(sources)


# ---- which pairs to ask about ---------------------------------------------------------------------------------------

Pairs = list[tuple[Segment, Segment]]
PairSelection = Callable[[Sequence[Segment], int, RewardEnsemble, np.random.Generator], Pairs]
MostDisputed = Callable[[Tensor, Tensor, int], Tensor]

CANDIDATES = 10                     # disagreement looks at this many random pairs for each one it asks about
EVENTFUL = 0.75                     # share of clips that show the event, where pairs are drawn around events


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
        returns = segment_return(ensemble(stack(clips)))                              # (members, clips)
        pairs = np.array(_draw(len(clips), min(CANDIDATES * count, _possible(len(clips))), rng))
        chosen = choose(returns[:, pairs[:, 0]], returns[:, pairs[:, 1]], count)
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


def around_events(event: Callable[[Segment], bool]) -> PairSelection:
    """A selection in which three clips of four show the event, so that fewer pairs tie."""
    def select(clips: Sequence[Segment], count: int, ensemble: RewardEnsemble, rng: np.random.Generator) -> Pairs:
        eventful = [k for k, clip in enumerate(clips) if event(clip)]

        def pick() -> int:
            return int(rng.choice(eventful)) if eventful and rng.random() < EVENTFUL else int(rng.integers(len(clips)))

        return [(clips[i], clips[j]) for i, j in _different(len(clips), count, lambda: (pick(), pick()))]

    return select


def _possible(clips: int) -> int:
    return clips * (clips - 1) // 2


def _draw(clips: int, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """`count` different pairs of positions, each in random order."""
    return _different(clips, count, lambda: tuple(int(k) for k in rng.choice(clips, 2, replace=False)))


def _different(clips: int, count: int, draw: Callable[[], tuple[int, int]]) -> list[tuple[int, int]]:
    """Draw until there are `count` different pairs of different clips."""
    if count > _possible(clips):
        raise ValueError(f"{clips} clips make {_possible(clips)} pairs, fewer than the {count} asked for; collect more")
    drawn: dict[frozenset[int], tuple[int, int]] = {}
    while len(drawn) < count:
        i, j = draw()
        if i != j:
            drawn.setdefault(frozenset((i, j)), (i, j))
    return list(drawn.values())
