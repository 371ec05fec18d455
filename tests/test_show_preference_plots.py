"""The figures of lesson 03: a Figure each, every axis labelled, a title that fits on the picture."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from course_lib.preferences.human_ratings import MODES, RUNS, sound_quality_wins
from course_lib.show import palette
from course_lib.show import preference_plots as plots

SIZES = (300, 1_000, 3_000, 10_000, 30_000)
DOMAINS = ("tweets", "movies", "products", "editorials")
CURVE = [0.59, 0.64, 0.68, 0.72, 0.74]
GAP = np.linspace(-5, 5, 21)
SHARE = 1 / (1 + np.exp(-GAP))

FIGURES = {
    "win_table": lambda title: plots.win_table(sound_quality_wins() / RUNS, MODES, title),
    "fitted_against_observed": lambda title: plots.fitted_against_observed(SHARE, SHARE, title),
    "loss_curves": lambda title: plots.loss_curves(GAP, {"first": GAP ** 2, "tie": abs(GAP)}, title),
    "rating_histograms": lambda title: plots.rating_histograms({"agree": [1, 1, 2], "disagree": [-4, 4]}, title),
    "one histogram": lambda title: plots.rating_histograms({"agree": [1, 1, 2]}, title),
    "s_curve": lambda title: plots.s_curve(GAP, SHARE, 1.0, title),
    "label_curve": lambda title: plots.label_curve(
        SIZES, {"learned": [[a - 0.01, a, a + 0.02] for a in CURVE]}, {"people": 0.9, "VADER": 0.7}, title),
    "label_curves_by_domain": lambda title: plots.label_curves_by_domain(
        SIZES, dict.fromkeys(DOMAINS, CURVE), dict.fromkeys(DOMAINS, 0.7), dict.fromkeys(DOMAINS, 0.9), title),
    "one domain": lambda title: plots.label_curves_by_domain(
        SIZES, {"tweets": CURVE}, {"tweets": 0.7}, {"tweets": 0.9}, title),
    "reliability": lambda title: plots.reliability(SHARE, SHARE, np.arange(1, 22), title),
}
PANELS = {"rating_histograms": 2, "label_curves_by_domain": 4, "win_table": 2}       # the second is the colour bar
TITLES = {"win_table": "Both monos lose clearly; the other six are close", "one histogram": "Two agree",
          "fitted_against_observed": "One number a mode explains 28 comparisons", "one domain": "Tweets",
          "label_curves_by_domain": "A dictionary is hard to beat on tweets, easy on film reviews",
          "s_curve": "Preferences derived from ratings lie near a sigmoid"}


@pytest.fixture(params=FIGURES)
def drawn(request):
    """(name, title, the figure in the course's style); closed afterwards."""
    with plt.rc_context():
        palette.style()
        title = TITLES.get(request.param, "More labels help, and they help less and less")
        figure = FIGURES[request.param](title)
        yield request.param, title, figure
        plt.close(figure)


def titles(figure):
    texts = [ax.title for ax in figure.axes] + [ax._left_title for ax in figure.axes] + [figure._suptitle]
    return [text for text in texts if text is not None and text.get_text()]


def test_every_axis_says_what_it_shows_and_the_title_is_the_finding(drawn):
    name, title, figure = drawn
    assert isinstance(figure, Figure)
    assert len(figure.axes) == PANELS.get(name, 1)
    assert title in [text.get_text() for text in titles(figure)]
    for ax in figure.axes:
        colour_bar = ax.get_label() == "<colorbar>"
        assert ax.get_xlabel() or colour_bar
        shares_its_axis = ax is not figure.axes[0] and ax.get_shared_y_axes().joined(ax, figure.axes[0])
        assert ax.get_ylabel() or shares_its_axis


def test_no_text_is_cut_off(drawn):
    _, _, figure = drawn
    figure.canvas.draw()
    room = figure.bbox
    for text in [*titles(figure), *(label for ax in figure.axes for label in (ax.xaxis.label, ax.yaxis.label))]:
        box = text.get_window_extent()
        assert room.x0 <= box.x0 and box.x1 <= room.x1 and room.y0 <= box.y0 and box.y1 <= room.y1, text.get_text()


def test_the_table_prints_every_share_but_the_diagonal():
    figure = FIGURES["win_table"]("title")
    shares = sound_quality_wins() / RUNS
    printed = {tuple(map(int, text.get_position())): text.get_text() for text in figure.axes[0].texts}
    plt.close(figure)
    assert printed == {(j, i): f"{shares[i, j]:.2f}" for i in range(8) for j in range(8) if i != j}


def test_the_curve_shows_mean_and_range_of_the_seeds_and_names_the_numbers_of_labels():
    figure = FIGURES["label_curve"]("title")
    axes = figure.axes[0]
    assert axes.lines[0].get_ydata() == pytest.approx(np.array(CURVE) + 0.01 / 3)
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(CURVE[0] - 0.01) and band.max() == pytest.approx(CURVE[-1] + 0.02)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["300", "1k", "3k", "10k", "30k"]
    assert {tuple(line.get_ydata()) for line in axes.lines[1:]} == {(0.9, 0.9), (0.7, 0.7)}
    plt.close(figure)


def test_bars_are_shares_of_the_raters():
    figure = FIGURES["rating_histograms"]("title")
    heights = [[bar.get_height() for bar in ax.patches] for ax in figure.axes]
    plt.close(figure)
    assert heights[0] == pytest.approx([0, 0, 0, 0, 0, 2 / 3, 1 / 3, 0, 0])
    assert heights[1] == pytest.approx([0.5, 0, 0, 0, 0, 0, 0, 0, 0.5])


def test_numbers_in_the_table_can_be_read_on_their_colour():
    figure = FIGURES["win_table"]("title")
    image = figure.axes[0].images[0]
    for text in figure.axes[0].texts:
        j, i = map(int, text.get_position())
        ground = luminance(image.cmap(image.norm(image.get_array()[i, j])))
        ink = 0.0 if text.get_color() == "black" else 1.0
        light, dark = max(ink, ground), min(ink, ground)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, text.get_text()                # WCAG 2.1, AA
    plt.close(figure)


def luminance(colour):
    """Relative luminance of an sRGB colour as WCAG defines it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))
