"""The figures of lesson 01: labelled axes, titles that fit, and numbers drawn as they are."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib.rl.lunar_lander import TERMS
from course_lib.show import palette
from course_lib.show import rl_plots as plots

RNG = np.random.default_rng(0)
TERM_POINTS = {name: RNG.normal(size=33) for name in TERMS}
DONES = np.array([False, True, False, False, True])
FIGURES = {
    "A memory of one step makes up for the hidden velocities": lambda title: plots.episode_lengths(
        {"at random": np.array([9, 20, 31]), "two angles remembered": np.array([500, 500, 500])}, title),
    "A return falls to 1 at the end of each episode and starts afresh": lambda title: plots.stream_of_returns(
        np.array([2.0, 1.0, 3.0, 2.0, 1.0]), DONES, title),
    "With all four numbers every seed learns; without velocities none does": lambda title: plots.curves_over_seeds(
        {"seeing": [[20, 90, 400], [20, 50, 300]], "blindfolded": [[20, 30, 40], [20, 25, 35]]}, title, "return"),
    "One episode says little about the gradient; the mean of 64 mostly points the right way":
        lambda title: plots.directions({"1 episode": RNG.uniform(-1, 1, 50), "8 episodes": RNG.uniform(-1, 1, 50),
                                         "64 episodes": RNG.uniform(0, 1, 50)}, title),
    "Falling is penalized; approaching and braking are rewarded; rest gives 100": lambda title: plots.reward_in_terms(
        TERM_POINTS, title),
    "The third stays up, and mostly drifts out of the picture": lambda title: plots.heights(
        {"good": [np.linspace(1.4, 0, 90)], "slipped": [np.linspace(1.4, 8, 200), np.ones(150)]}, 1.41, title),
}


@pytest.fixture(params=FIGURES)
def drawn(request):
    """(title, the figure in the course's style); closed afterwards."""
    with plt.rc_context():
        palette.style()
        figure = FIGURES[request.param](request.param)
        yield request.param, figure
        plt.close(figure)


def test_every_axis_is_named_and_the_title_is_on_the_picture(drawn):
    title, figure = drawn
    figure.canvas.draw()
    heading = figure._suptitle or figure.axes[0].title
    left = next(text for text in (heading, figure.axes[0]._left_title) if text.get_text() == title)
    box = left.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 + 1, f"the title is cut off: {box}"
    assert all(axes.get_xlabel() for axes in figure.axes)
    assert figure.axes[0].get_ylabel() or figure.axes[0].get_yticklabels()[0].get_text()


def test_the_bars_of_the_terms_end_where_the_reward_is():
    figure = plots.reward_in_terms(TERM_POINTS, "")
    axes = figure.axes[0]
    per_bin = np.add.reduceat(sum(TERM_POINTS.values()), np.arange(0, 33, plots.BIN))
    tops = {}
    for bar in axes.patches:
        place = round(bar.get_x())
        tops[place] = tops.get(place, 0.0) + bar.get_height()
    assert list(tops.values()) == pytest.approx(per_bin.tolist())
    line = next(line for line in axes.lines if line.get_label() == "sum: the reward")
    assert line.get_ydata() == pytest.approx(per_bin)
    ends = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in axes.patches if round(bar.get_x()) == 0]
    gains = sum(bar.get_height() for bar in axes.patches if round(bar.get_x()) == 0 and bar.get_height() > 0)
    assert max(max(pair) for pair in ends) == pytest.approx(gains), "gains stand on each other, not inside each other"
    plt.close(figure)


def test_the_thick_line_is_the_mean_and_the_band_reaches_from_worst_to_best():
    figure = plots.curves_over_seeds({"seeing": [[20, 90, 400], [20, 50, 300], [10, 10, 200]]}, "", "return")
    axes = figure.axes[0]
    mean = next(line for line in axes.lines if line.get_label().startswith("seeing: mean of 3"))
    assert mean.get_ydata().tolist() == pytest.approx([50 / 3, 50, 300])
    band = axes.collections[0].get_paths()[0].vertices
    assert (band[band[:, 0] == 3, 1].min(), band[band[:, 0] == 3, 1].max()) == (200, 400)
    plt.close(figure)
