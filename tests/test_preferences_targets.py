"""From clicks to targets: sides are turned back, ties stay, skips go."""

import itertools

import pytest
import torch

from course_lib.labels.records import CHOICES
from course_lib.preferences.bradley_terry import bradley_terry_loss, choices_to_targets

FIRST, SECOND = 1.0, 0.0
MEANT = {("left", False): FIRST, ("left", True): SECOND, ("right", False): SECOND, ("right", True): FIRST,
         ("equal", False): 0.5, ("equal", True): 0.5}


def test_every_choice_on_either_side():
    clicks = list(itertools.product(CHOICES, (False, True)))
    kept, mu = choices_to_targets(*zip(*clicks, strict=True))
    assert {clicks[k]: target for k, target in zip(kept.tolist(), mu.tolist(), strict=True)} == MEANT
    assert kept.dtype == torch.int64 and mu.dtype == torch.float32


def test_positions_are_those_of_the_callers_pairs():
    kept, mu = choices_to_targets(["skip", "left", "skip", "equal", "right"], [0, 0, 1, 1, 1])
    assert kept.tolist() == [1, 3, 4] and mu.tolist() == [1.0, 0.5, 1.0]


def test_a_habit_of_the_left_hand_becomes_no_preference():
    flipped = [n % 2 == 0 for n in range(100)]
    _, mu = choices_to_targets(["left"] * 100, flipped)
    assert mu.mean().item() == 0.5


def test_nothing_but_skips_leaves_nothing_and_the_loss_says_so():
    kept, mu = choices_to_targets(["skip"] * 3, [False] * 3)
    assert kept.shape == mu.shape == (0,) and kept.dtype == torch.int64
    with pytest.raises(ValueError, match="were all of them skipped"):
        bradley_terry_loss(torch.zeros(3)[kept], torch.zeros(3)[kept], mu)


def test_other_words_and_other_lengths_are_refused():
    with pytest.raises(ValueError, match="pair 1: 'both' is not one of left, right, equal, skip"):
        choices_to_targets(["left", "both"], [False, False])
    with pytest.raises(ValueError, match="shorter"):
        choices_to_targets(["left", "right"], [False])
