"""Lesson 07's figures and the reader of the measured runs behind them."""

import json

import numpy as np
import pytest

from course_lib.show import atari_preference_plots as plots

SETTINGS = {"labels": [40, *[6] * 20], "updates": [12] * 20 + [300]}
LINE = {"seed": 0, "true_return": 3.0, "labels": 160, "ties": 80, "cpu_s": 500.0, "settings": SETTINGS,
        "reached": False,
        "games_at_step_limit": 2, "curve": [[51200, 27.0, -20.0], [102400, 48.0, -15.0]]}


def test_measured_runs_are_those_from_preferences_and_half_a_line_is_left_out(tmp_path, monkeypatch):
    results = tmp_path / "benchmarks" / "results"
    results.mkdir(parents=True)
    (results / "pong_few.jsonl").write_text(json.dumps(LINE) + "\n" + json.dumps(LINE)[:40])
    (results / "pong_true.jsonl").write_text(json.dumps({**LINE, "labels": 0}) + "\n")
    (results / "pong_speed.jsonl").write_text(json.dumps({"steps_per_cpu_s": {}}) + "\n")
    monkeypatch.setattr(plots, "root", lambda: tmp_path)
    assert plots.benchmark_runs() == {"few": [LINE]}


def test_the_last_labels_come_after_the_last_round_of_them():
    assert plots.labels_end(SETTINGS) == 20 * 12 * 2048
    assert plots.labels_end({"labels": [40], "updates": [540]}) == 0


def test_the_table_has_a_line_a_job_with_the_range_of_its_seeds():
    table = plots.run_table({"few": [LINE, {**LINE, "true_return": 7.0}]})
    assert "+5.0 (from +3.0 to +7.0)" in table and "50%" in table and len(table.splitlines()) == 2


def test_curves_have_a_line_a_seed_and_one_where_labels_stop():
    axes = plots.return_curves({"few": [LINE, {**LINE, "seed": 1}]}, "title").axes[0]
    assert axes.lines[0].get_ydata() == pytest.approx([-20, -15]) and axes.get_xlabel() == "agent steps (thousands)"
    assert [line.get_linestyle() for line in axes.lines].count("--") == 1


def test_rewards_along_a_clip_are_scaled_and_the_event_is_marked():
    frames = np.zeros((10, 8, 8, 3), np.uint8)
    each = np.zeros((2, 10))
    each[:, 4] = -7
    axes = plots.reward_along_clip(frames, {"a": each}, [(5, "point")], "title", (0, 4, 9)).axes
    assert len(axes) == 4 and axes[1].get_title() == "step 4"
    assert axes[-1].get_ylim()[0] >= -1.2
    assert [text.get_text() for text in axes[-1].texts] == ["point"]


def test_maps_scatter_and_bars_say_what_they_show():
    figure = plots.occlusion_maps({"a": np.zeros((4, 4, 3), np.uint8)}, {"a": np.eye(2)}, "title")
    assert figure.axes[0].images[1].get_clim() == (-1, 1)
    true = np.array([0.0, 1.0, -1.0, 0.0])
    assert plots.learned_and_true({"a": (true * 2, true)}, "t").axes[0].get_title() == "a\nr = 1.00"
    assert plots.cell_map(np.ones((40, 40)), "t").axes[0].get_ylabel() == "cell, from the top"
    bars = plots.selection_bars({"x": [0.4, 0.6]}, {"x": [0.3, 0.3]}, "t").axes
    assert bars[0].patches[0].get_width() == pytest.approx(50)
    assert bars[1].get_xlabel() == "correlation with the true reward"
    heights = {"a": np.array([0.1, np.nan, 0.2]), "b": np.array([0.8])}
    assert plots.paddle_heights(heights, "t").axes[0].get_legend().get_texts()[1].get_text() == "b"
