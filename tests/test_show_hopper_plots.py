"""The figures and films of lesson 05."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from course_lib.show.hopper_plots import CURVE, reward_against_turning, turns_and_heights, with_curve


def test_a_curve_grows_under_the_film():
    frames = [np.full((40, 90, 3), 200, dtype=np.uint8)] * 12
    film = with_curve(frames, np.linspace(-1, 2, 12), "learned reward")
    assert len(film) == 12 and film[0].shape == (40 + CURVE, 90, 3)
    assert np.array_equal(film[3][:40], frames[3])
    drawn = [int((picture[40:] < 200).any(axis=2).sum()) for picture in film]
    assert drawn[11] > drawn[1]
    with pytest.raises(ValueError, match="one value for each picture"):
        with_curve(frames, np.zeros(11), "reward")


def test_a_reward_that_is_the_same_everywhere_can_be_drawn():
    assert len(with_curve([np.zeros((10, 30, 3), dtype=np.uint8)] * 3, np.zeros(3), "reward")) == 3


def test_the_correlation_stands_in_the_title():
    speed = torch.linspace(-5, 5, 50)
    figure = reward_against_turning({"round 1": -speed, "round 5": speed}, speed, torch.ones(50))
    assert isinstance(figure, Figure)
    titles = [axes.get_title() for axes in figure.axes]
    assert "round 1: correlation -1.00" in titles and "round 5: correlation +1.00" in titles


def test_seeds_that_reach_the_goal_are_counted():
    rows = [{"turns": 4.0, "height": 0.6}, {"turns": 4.0, "height": 0.4}, {"turns": 1.0, "height": 0.9}]
    figure = turns_and_heights({"100 labels": rows, "none": rows[2:]}, goal=(3.0, 0.5))
    assert [axes.get_title() for axes in figure.axes] == ["100 labels: 1 of 3", "none: 0 of 1"]
    assert all(axes.get_xlabel() for axes in figure.axes) and figure.axes[0].get_ylabel()
