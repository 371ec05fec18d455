"""The figures of lesson 14: a Figure each, every axis labelled, the title given."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from course_lib.show import beyond_ppo_plots as plots

SHARES = np.linspace(0, 1, 5)
FIGURES = {
    "best_of": lambda title: plots.best_of({"proxy": [0.0, 0.5, 0.9], "VADER": [0.1, 0.2, 0.3]}, [1, 2, 4],
                                           [0.0, 0.19, 0.64], title),
    "pair_training": lambda title: plots.pair_training({"chosen": -90.0, "rejected": -80.0},
                                                       {"chosen": -92.0, "rejected": -89.0}, [0.0, 0.4, 0.9], title),
    "pair_losses": lambda title: plots.pair_losses(SHARES, {"DPO": SHARES, "IPO": SHARES**2}, 0.5, title),
    "advantage_sizes": lambda title: plots.advantage_sizes(SHARES, {"GRPO": SHARES, "Dr. GRPO": SHARES / 2}, title),
    "before_and_after": lambda title: plots.before_and_after(
        {"GRPO": {"pass@1": [(0.4, 0.7), (0.3, 0.6)], "pass@16": [(0.9, 0.9)]},
         "SFT": {"pass@1": [(0.4, 0.4)], "pass@16": [(0.9, 0.6)]}}, title),
    "hack": lambda title: plots.hack([0.4, 0.9], [0.4, 0.0], [3.5, 1.0], title),
    "everything": lambda title: plots.everything(
        {"DPO": plots.Way([[(0, 0), (3, 0.4)], [(0, 0), (3.4, 0.3)]], [0.55, 0.6]),
         "best of 16": plots.Way([[(0, 0), (1.8, 1.4)]], [0.8])}, title),
}
pytestmark = pytest.mark.usefixtures("course_style")


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_every_figure_has_its_title_and_labelled_axes(draw):
    figure = draw("What was found")
    assert isinstance(figure, Figure)
    titles = [ax.get_title(loc) for ax in figure.axes for loc in ("left", "center")]
    assert "What was found" in [*titles, figure.get_suptitle()]
    assert all(ax.get_xlabel() for ax in figure.axes) and figure.axes[0].get_ylabel()


def test_the_schematic_names_every_method_of_the_lesson():
    words = " ".join(text.get_text() for text in plots.routes().axes[0].texts)
    for method in ("best-of-n", "rejection sampling", "DPO", "IPO", "RLOO", "GRPO", "a program\nthat checks"):
        assert method in words


def test_an_arrow_for_each_seed():
    figure = FIGURES["before_and_after"]("Three seeds")
    assert len(figure.axes[0].lines) == 3 * 3 and [text.get_text() for text in figure.axes[0].get_yticklabels()] == [
        "GRPO", "SFT"]
