"""Lesson 04's figures: labelled axes, the right marks, and a title that is there."""

import numpy as np
import torch

from course_lib.show import preference_plots as plots


def test_reward_maps_show_the_liked_place():
    seen = {"round 1": torch.zeros(5, 4), "round 2": torch.ones(5, 4)}
    models = {"round 1": lambda s: -s[..., 0].abs(), "round 2": lambda s: s[..., 2]}
    figure = plots.reward_maps(models, seen, "position", "angle", "a title")
    first, second = figure.axes[:2]
    middle = first.images[0].get_array()[30]
    assert middle.argmax() == 30 and (second.images[0].get_array()[-1] > second.images[0].get_array()[0]).all()
    assert first.get_xlabel() == "position (m)" and first.get_ylabel() == "pole angle (degrees)"
    assert figure._suptitle.get_text() == "a title" and [ax.get_title() for ax in (first, second)] == list(models)


def test_positions_mark_falls_only():
    runs = [np.zeros((500, 4)), np.full((80, 4), 0.5)]
    figure = plots.positions_over_time({"one": runs}, "title")
    axes = figure.axes[0]
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert len(crosses) == 1 and crosses[0].get_xdata()[0] == 79
    assert axes.get_ylabel() == "position (m)" and axes.get_xlabel() == "step"


def test_the_curve_is_in_order_of_updates_with_a_line_a_round():
    figure = plots.return_curve({10: 300.0, 0: 9.0, 4: 80.0}, [0, 8], "title")
    axes = figure.axes[0]
    assert axes.lines[0].get_xdata().tolist() == [0, 4, 10] and axes.lines[0].get_ydata().tolist() == [9, 80, 300]
    assert {text.get_text() for text in axes.texts} == {"labels 1", "labels 2"}


def test_seeds_are_counted_by_both_goals():
    rows = [{"true_return": 500, "mean_distance": 0.1}, {"true_return": 500, "mean_distance": 0.9},
            {"true_return": 300, "mean_distance": 0.2}]
    figure = plots.seeds_of_jobs({"job": rows, "other": rows[:1]}, "title")
    axes = figure.axes[0]
    assert axes.get_xlim()[1] > 0.9                                 # no point of any panel is cut off
    assert axes.get_title() == "job: 1 of 3"
    assert [len(points.get_offsets()) for points in axes.collections] == [1, 2]
