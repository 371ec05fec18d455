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


def test_over_optimisation_has_a_panel_for_each_way_and_a_line_for_each_seed():
    ways = {name: {"proxy": [([0, 4], [0, 2]), ([0, 9], [0, 3])], "gold": [([0, 4], [0, 1]), ([0, 9], [0, -1])]}
            for name in ("few labels", "many labels", "with a penalty")}
    figure = plots.over_optimisation(ways, "What was found")
    assert [axes.get_title("left") for axes in figure.axes] == list(ways) and figure.get_suptitle() == "What was found"
    for axes in figure.axes:
        curves = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_marker() not in ("", "None")]
        assert [line.get_ydata().tolist() for line in curves] == [[0, 2], [0, 3], [0, 1], [0, -1]]
        assert [line.get_xdata().max() for line in curves] == [2, 3, 2, 3]          # the root of the KL
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["proxy", "gold"]
