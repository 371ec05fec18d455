"""The figures of lesson 12: every seed is drawn with its interval, in the order of the jobs."""

import pytest

from course_lib.show import answer_plots


def row(win_rate: float, kl: float) -> dict:
    return {"win_rate": win_rate, "low": win_rate - 0.1, "high": win_rate + 0.1, "kl": kl, "best_of_4": 0.6}


def test_a_row_a_job_and_a_point_a_seed():
    figure = answer_plots.win_rates({"dpo": [row(0.8, 5), row(0.7, 4)], "rloo": [row(0.6, 2)]})
    rates, distances = figure.axes
    assert rates.get_title(loc="left") == "1 of 3 runs win 75% of the comparisons"
    assert [label.get_text() for label in rates.get_yticklabels()] == ["dpo", "rloo"]
    assert rates.get_ylim()[0] > rates.get_ylim()[1]                        # the first job on top
    points = [tuple(line.get_xydata()[0]) for line in rates.lines if line.get_marker() == "o"]
    assert [x for x, _ in points] == [0.8, 0.7, 0.6] and [round(y) for _, y in points] == [0, 0, 1]
    ends = [line.get_xdata() for line in rates.lines if len(line.get_xdata()) == 2 and line.get_linewidth() == 1.6]
    assert ends[0] == pytest.approx([0.7, 0.9]) and len(ends) == 3
    assert [line.get_xdata()[0] for line in distances.lines] == [5, 4, 2]


def test_over_optimisation_draws_both_rewards_against_the_distance():
    rounds = [{"kl": 1.0, "reward": 0.5, "win_rate": 0.7}, {"kl": 9.0, "reward": 2.0, "win_rate": 0.2}]
    learned, real = answer_plots.over_optimisation(rounds).axes
    assert learned.get_title(loc="left") == "the reward model sees +1.5 std"
    assert real.get_title(loc="left") == "the labeler prefers it in 70%, then 20%"
    assert learned.lines[0].get_xydata().tolist() == [[1.0, 0.5], [9.0, 2.0]]
    assert real.lines[0].get_xydata().tolist() == [[1.0, 0.7], [9.0, 0.2]] and real.get_ylim() == (0, 1)
