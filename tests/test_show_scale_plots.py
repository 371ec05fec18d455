"""The figures of lesson 15: a Figure each, every axis labelled, the title given."""

import pytest

from course_lib.show import scale_plots as plots

pytestmark = pytest.mark.usefixtures("course_style")


TITLE, SEEDS = "What was found", [[0.1, 0.2], [0.2, 0.4]]
FIGURES = {
    "trade_off": lambda: plots.trade_off([0, 1], {"one": ([1, 0], [0, 1]), "other": ([1, 0], [0, 1])}, TITLE),
    "intervals": lambda: plots.intervals({"a": (0.6, 0.5, 0.7), "b": (0.5, 0.4, 0.6)}, TITLE),
    "both_orders": lambda: plots.both_orders([(1.0, -1.0), (0.5, 0.2)], TITLE),
    "labels_against": lambda: plots.labels_against([100, 300], {"people": SEEDS}, {"model": 0.7}, TITLE),
    "length_bias": lambda: plots.length_bias([0.5, 0.9], {"words": {"a": SEEDS}, "rating": {"a": SEEDS}}, TITLE),
    "over_optimisation": lambda: plots.over_optimisation(
        [1, 4], {"x": {"a": [1, 2]}, "y": {"a": [1, 2]}}, [1, 3], TITLE),
    "toxicity_against_kl": lambda: plots.toxicity_against_kl({"best of n": ([0, 1], [0.1, 0]), "a": ([2], [0])}, TITLE),
    "by_term": lambda: plots.by_term({"tall": [0.1, 0.2], "gay": [0.8, 0.9]}, ["tall"], 0.5, TITLE),
    "costs": lambda: plots.costs({"labels by people": 100.0, "SFT": 2.0}, TITLE),
}


@pytest.mark.parametrize("name", FIGURES)
def test_titles_and_axes(name):
    figure = FIGURES[name]()
    titles = [axes.get_title("left") for axes in figure.axes]
    titles += [figure._suptitle.get_text()] if figure._suptitle else []
    assert TITLE in titles and all(axes.get_xlabel() for axes in figure.axes)


def test_the_schematic_names_the_sections():
    words = " ".join(text.get_text() for text in plots.who_judges().axes[0].texts)
    assert all(section in words for section in ("15.2", "15.3", "15.5", "15.6"))


def test_the_term_with_the_highest_mean_stands_on_top():
    figure = plots.by_term({"high": [0.9], "low": [0.1], "middle": [0.5]}, ["low"], 0.5, TITLE)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["low", "middle", "high"]


def test_flagged_shares_are_drawn_as_percentages():
    lines = plots.toxicity_against_kl({"best of n": ([0, 1], [0.04, 0.0])}, TITLE).axes[0].lines
    assert list(lines[0].get_ydata()) == [4.0, 0.0]
