"""Which pairs are asked about: random, disputed, contrasting."""

import numpy as np
import pytest
import torch

from course_lib.preferences.cartpole import SCALE, falls
from course_lib.preferences.reward_model import RewardConfig, StateRewardEnsemble
from course_lib.preferences.segments import Segment, contrast, disagreement, most_disputed, random_pairs

ENSEMBLE = StateRewardEnsemble(SCALE, RewardConfig(members=3, hidden=8))


def clips(count: int, seed: int = 0, fallen: int = 0) -> list[Segment]:
    """Clips of 6 random states; the first `fallen` of them end with the pole down."""
    rng = torch.Generator().manual_seed(seed)
    made = [0.1 * torch.randn(6, 4, generator=rng) * torch.tensor([1.0, 1.0, 0.3, 1.0]) for _ in range(count)]
    for obs in made[:fallen]:
        obs[-1, 2] = 0.5
    return [Segment(obs, torch.zeros(6)) for obs in made]


def position(pool, clip):
    return next(k for k, other in enumerate(pool) if other is clip)


@pytest.mark.parametrize("select", [random_pairs, disagreement(), contrast(falls)],
                         ids=["random", "disputed", "contrast"])
def test_different_pairs_of_different_clips_and_the_same_ones_for_the_same_seed(select):
    pool = clips(20, fallen=6)
    pairs = select(pool, 30, ENSEMBLE, np.random.default_rng(1))
    numbers = [frozenset((position(pool, a), position(pool, b))) for a, b in pairs]
    assert len(set(numbers)) == 30 and all(len(pair) == 2 for pair in numbers)
    again = select(pool, 30, ENSEMBLE, np.random.default_rng(1))
    other = select(pool, 30, ENSEMBLE, np.random.default_rng(2))
    assert [(id(a), id(b)) for a, b in pairs] == [(id(a), id(b)) for a, b in again]
    assert [(id(a), id(b)) for a, b in pairs] != [(id(a), id(b)) for a, b in other]


def test_too_few_clips_say_so():
    with pytest.raises(ValueError, match="3 clips make 3 pairs, fewer than the 4 asked for"):
        random_pairs(clips(3), 4, ENSEMBLE, np.random.default_rng(0))


def test_most_disputed_by_hand():
    """Standard deviation of the probabilities, not of the differences: 5 against 9 are both sure."""
    first = torch.tensor([[0.0, 5.0, 1.0], [0.0, 9.0, -1.0]])
    second = torch.zeros(2, 3)
    assert most_disputed(first, second, 2).tolist() == [2, 1]
    assert most_disputed(first, second, 1).tolist() == [2]


def test_disagreement_asks_where_the_members_differ():
    """Two members that agree about clips 0 to 9 and contradict each other about clips 10 to 19."""
    pool = clips(20)

    def members(obs):
        level = obs[..., 0] * 30
        sign = torch.where(torch.arange(20) >= 10, -1.0, 1.0)[:, None]
        return torch.stack([level, sign * level])

    pairs = disagreement()(pool, 10, members, np.random.default_rng(0))
    involved = [max(position(pool, a), position(pool, b)) >= 10 for a, b in pairs]
    assert all(involved)


def test_contrast_sets_an_event_beside_none():
    pool = clips(20, fallen=4)
    pairs = contrast(falls)(pool, 12, ENSEMBLE, np.random.default_rng(0))
    assert all(falls(a) and not falls(b) for a, b in pairs)


@pytest.mark.parametrize("fallen", [0, 20])
def test_contrast_without_contrast_draws_blindly(fallen):
    pool = clips(20, fallen=fallen)
    assert len(contrast(falls)(pool, 12, ENSEMBLE, np.random.default_rng(0))) == 12
