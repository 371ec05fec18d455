"""The figures of lesson 10: a Figure each, every axis labelled, the title given."""

import pytest
from matplotlib.figure import Figure

from course_lib.show import text_rl_plots as plots

FIGURES = {
    "curves_by_labels": lambda title: plots.curves_by_labels(
        {"words": {300: [0.58, 0.6], 1_000: [0.64]}, "frozen": {100: [0.72], 1_000: [0.77, 0.78]}, "none yet": {}},
        {"people": 0.9, "VADER": 0.7}, title),
    "majorities": lambda title: plots.majorities((1, 3, 5), (0.86, 0.91, 0.93), (0.86, 0.95, 0.98), title),
    "ways_to_spend": lambda title: plots.ways_to_spend({"once": [0.77, 0.78], "often": [0.74]}, title, "share"),
    "found_among_the_first": lambda title: plots.found_among_the_first({"a": [1.0, 0.5], "b": [0.0, 0.5]}, 0.2, title),
}
pytestmark = pytest.mark.usefixtures("course_style")


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_every_figure_has_its_title_and_labelled_axes(draw):
    figure = draw("What was found")
    assert isinstance(figure, Figure)
    titles = [ax.get_title(loc) for ax in figure.axes for loc in ("left", "center")]
    assert "What was found" in [*titles, figure.get_suptitle()]
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)
