"""Lesson 06's figures: labelled axes, the right marks, and a title that is there."""

import numpy as np
import pytest

from course_lib.show import atari_plots as plots


def test_a_screen_has_its_parts_named_and_its_court_framed():
    figure = plots.named_screen(np.zeros((210, 160), np.uint8), {"the ball": (80, 100, 200, 90)}, (34, 194), "title")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["the ball"]
    assert [line.get_ydata()[0] for line in axes.lines] == [33.5, 193.5]
    assert axes.get_ylabel() == "row (pixels)"


def test_pictures_of_shades_and_of_cells_keep_their_own_range():
    named = {"shades": np.full((4, 4), 90, np.uint8), "cells": np.eye(4, dtype=np.uint8)}
    shades, cells = plots.pictures(named, "title").axes
    assert shades.images[0].get_clim() == (0, 255) and cells.images[0].get_clim() == (0, 1)
    assert (shades.get_xlabel(), cells.get_xlabel()) == ("4 × 4 pixels", "4 × 4 cells")


def test_the_trail_rings_every_fourth_frame_and_leaves_out_the_unseen():
    across = np.array([10, 11, 12, 13, -1, -1, -1, -1, 18, 19, 20, 21])
    axes = plots.ball_trail(across, across, 4, "title").axes[0]
    dots, rings = (line for line in axes.lines if len(line.get_xdata()) > 0 and line.get_label()[0] != "_")
    assert len(dots.get_xdata()) == 8 and rings.get_xdata().tolist() == [13, 21]


def test_two_flights_touch_the_same_large_cells_and_other_small_ones():
    flights = {"flat": np.array([[8, 4], [12, 8]]), "steep": np.array([[8, 4], [12, 12]])}
    figure = plots.flights_on_grids(flights, (4, 8), "title")
    cells = [axes.images[0].get_array().filled(np.nan) for axes in figure.axes]
    assert not np.array_equal(cells[0], cells[2], equal_nan=True) and np.array_equal(cells[1], cells[3], equal_nan=True)


def test_a_rally_marks_each_point():
    rewards = np.array([0, 1, 0, 0, -1, 0])
    axes = plots.rally(rewards, {"one": np.zeros(6), "two": np.ones(6)}, "title").axes[0]
    assert [(text.get_text(), text.get_position()[0]) for text in axes.texts] == [("won", 1), ("lost", 4)]


def test_fading_is_a_power_and_shows_the_wait_measured():
    axes = plots.fading(0.98, 0.99, (0.95, 1.0), [34, 35, 36], "title").axes[0]
    slider = next(line for line in axes.lines if line.get_label() == "at the slider")
    assert slider.get_ydata()[30] == pytest.approx((0.99 * 0.98)**30)
    assert "35 steps" in axes.texts[0].get_text()
    assert not plots.fading(0.98, 0.99, (), [], "nobody won a point").axes[0].texts


def test_curves_have_one_line_a_seed_and_one_name_a_variant():
    seed = [[2048, 1.0, -21.0], [4096, 2.0, -20.0]]
    axes = plots.curves({"as taught": [seed, seed], "other": [seed]}, "title", goal=18).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["as taught", "other", "goal 18"]
    assert axes.get_xlabel() == "agent steps"


def test_games_that_coincide_are_drawn_larger():
    games = {"drawn": (np.array([18.0, 20.0]), np.array([2000, 2100])),
             "likeliest": (np.array([21.0, 21.0]), np.array([1700, 1700]))}
    drawn, likeliest = plots.games_played(games, 5000, "title").axes[0].collections
    assert drawn.get_sizes().tolist() == [30, 30] and likeliest.get_sizes().tolist() == [60]


def test_bars_and_counts_are_labelled():
    axes = plots.bars({"a": 1.0, "b": 2500.0}, "steps", "title", line=(8, "half a paddle")).axes[0]
    assert [text.get_text().strip() for text in axes.texts] == ["1", "2,500"] and axes.get_xlabel() == "steps"
    first, second = plots.bars_of_counts({"across": {-1: 0.5, 1: 0.5}, "down": {0: 1.0}}, "cells", "title").axes
    assert [bar.get_height() for bar in first.patches] == [50, 50] and first.get_ylabel() == "share of steps (%)"


def test_paddle_hits_at_the_same_place_are_drawn_larger():
    axes = plots.angles(np.array([0.0, 0.0, 8.0]), np.array([-2.0, -2.0, 1.0]), "title").axes[0]
    assert axes.collections[0].get_sizes().tolist() == [50, 30] and axes.yaxis_inverted()
